/* Enum classes: subclasses of int whose members are made from a C table.
 *
 * A class is made on first use, with all its members in its own dictionary, so that E.NAME is an ordinary attribute.
 * What C needs to know about it (struct enum_class) hangs behind the type object: the metaclass's instances are two
 * pointers larger than `type`'s.  Enums are open: a value that is not in the table becomes an unnamed pseudo-member.
 *
 * Classes and members live as long as the process.  All state in this file is used with the GIL held.
 */
#include "_impl.h"
#include <stdlib.h>
#include <structmember.h>

#define DENSE_WIDTH 2048 /* values at most this far apart: a table from value to member instead of a search */
#define MAX_UNKNOWN 4096 /* pseudo-members kept per class; more are made anew each time */

typedef struct member { /* sorted by value; one for a value */
    int64_t value;
    PyObject *object;
    uint16_t index; /* of the first name for the value, in spec->members */
} member;

typedef struct enum_class {
    const cu_enum_spec *spec;
    cu_enum *rt;
    PyObject *by_name; /* name -> member, aliases too; made when asked for */
    PyObject *unknown; /* value -> pseudo-member */
    uint16_t n_unique;
    member sorted[];
} enum_class;

#define HAVE_VECTORCALL (1UL << 11) /* Py_TPFLAGS_HAVE_VECTORCALL */

typedef struct extra { /* what an enum class has behind its type object */
    enum_class *class;
    cu_vectorcall call;
    uint64_t lo, n_dense; /* as in cu_enum, one step nearer */
    PyObject **dense;
} extra;

static PyTypeObject *meta, *base;  /* EnumType and Enum */
static Py_ssize_t meta_offset;     /* of struct extra */
static newfunc new_type, new_int;  /* type.__new__ and int.__new__ */
static setattrofunc set_type_attr; /* type.__setattr__ */

static extra *extra_of(PyObject *type) {
    return (extra *)((char *)type + meta_offset);
}
static enum_class *class_of(PyObject *type) {
    return extra_of(type)->class;
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

static PyObject *make_member(PyObject *type, int64_t value) {
    PyObject *args = Py_BuildValue("(L)", (long long)value), *made = NULL;
    if (args) made = new_int((PyTypeObject *)type, args, NULL);
    Py_XDECREF(args);
    return made;
}

static const member *find(const enum_class *c, int64_t value) {
    size_t low = 0, high = c->n_unique;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->sorted[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n_unique && c->sorted[low].value == value ? &c->sorted[low] : NULL;
}

static PyObject *unknown_member(PyObject *type, enum_class *c, int64_t value) {
    int64_t lowest = c->spec->is_signed ? INT32_MIN : 0, highest = c->spec->is_signed ? INT32_MAX : (int64_t)UINT32_MAX;
    if (value < lowest || value > highest) {
        PyErr_Format(PyExc_ValueError, "%lld is not a 32-bit value that %s can have", (long long)value, c->spec->name);
        return NULL;
    }
    PyObject *key = PyLong_FromLongLong(value), *found = NULL;
    if (key && !c->unknown) c->unknown = PyDict_New();
    if (key && c->unknown) {
        found = Py_XNewRef(PyDict_GetItemWithError(c->unknown, key));
        if (!found && !PyErr_Occurred()) {
            found = make_member(type, value);
            int keep = PyDict_Size(c->unknown) < MAX_UNKNOWN;
            if (found && keep && PyDict_SetItem(c->unknown, key, found)) Py_CLEAR(found);
        }
    }
    Py_XDECREF(key);
    return found;
}

static PyObject *member_of(PyObject *type, enum_class *c, int64_t value) {
    uint64_t i = (uint64_t)value - (uint64_t)c->rt->lo;
    if (i < c->rt->n_dense && c->rt->dense[i]) return Py_NewRef(c->rt->dense[i]);
    const member *known = find(c, value);
    return known ? Py_NewRef(known->object) : unknown_member(type, c, value);
}

PyObject *cubind_enum_member(cu_module *m, int index, int64_t value) {
    PyObject *type = cubind_enum_type(m, index);
    return type ? member_of(type, class_of(type), value) : NULL;
}

/* NULL: the value has no name here */
static const char *name_of(PyObject *self) {
    enum_class *c = class_of((PyObject *)Py_TYPE(self));
    const member *known = find(c, PyLong_AsLongLong(self));
    return known ? c->spec->members[known->index].name : NULL;
}
static const char *class_name_of(PyObject *self) {
    return class_of((PyObject *)Py_TYPE(self))->spec->name;
}

static PyObject *member_name(PyObject *self, void *Py_UNUSED(closure)) {
    const char *name = name_of(self);
    return name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
}
static PyObject *member_value(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromLongLong(PyLong_AsLongLong(self));
}
static PyObject *member_repr(PyObject *self) {
    const char *name = name_of(self);
    long long value = PyLong_AsLongLong(self);
    if (!name) return PyUnicode_FromFormat("<%s %lld: not known to these bindings>", class_name_of(self), value);
    return PyUnicode_FromFormat("<%s.%s: %lld>", class_name_of(self), name, value);
}
static PyObject *member_str(PyObject *self) {
    const char *name = name_of(self);
    if (!name) return PyUnicode_FromFormat("%s(%lld)", class_name_of(self), PyLong_AsLongLong(self));
    return PyUnicode_FromFormat("%s.%s", class_name_of(self), name);
}
static PyObject *member_reduce(PyObject *self, PyObject *Py_UNUSED(arg)) {
    return Py_BuildValue("O(L)", (PyObject *)Py_TYPE(self), PyLong_AsLongLong(self));
}
static PyObject *member_same(PyObject *self, PyObject *Py_UNUSED(arg)) {
    return Py_NewRef(self);
}

/* ---- the class, as its metaclass makes it behave ----------------------------------------------------------------- */

static PyObject *member_for(PyObject *type, PyObject *o) {
    enum_class *c = class_of(type);
    if (Py_TYPE(o) == (PyTypeObject *)type) return Py_NewRef(o);
    if (!PyLong_Check(o) && cubind_is_scalar_index(o)) { /* NumPy's integers */
        PyObject *number = PyNumber_Index(o), *member = number ? member_for(type, number) : NULL;
        Py_XDECREF(number);
        return member;
    }
    if (!PyLong_Check(o)) {
        cubind_expected(o, "int");
        cubind_prefix_error("%s(): ", c->spec->name);
        return NULL;
    }
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) return member_of(type, c, value);
    PyErr_Format(PyExc_ValueError, "%R is not a 32-bit value that %s can have", o, c->spec->name);
    return NULL;
}

static PyObject *wrong_arguments(PyObject *type) {
    PyErr_Format(PyExc_TypeError, "%s() takes one positional argument: the value", class_of(type)->spec->name);
    return NULL;
}

/* E(value): the way the interpreter calls, and the way everything else does. */
static PyObject *enum_vectorcall(PyObject *type, PyObject *const *args, size_t n, PyObject *kwnames) {
    if (CU_UNLIKELY((n & ~CU_ARGUMENTS_OFFSET) != 1 || kwnames)) return wrong_arguments(type);
    uint64_t value;
    if (CU_LIKELY(cu_quick(args[0], &value))) {
        const extra *x = extra_of(type);
        uint64_t i = value - x->lo;
        if (CU_LIKELY(i < x->n_dense && x->dense[i] != NULL)) return Py_NewRef(x->dense[i]);
    }
    return member_for(type, args[0]);
}
static PyObject *enum_call(PyObject *type, PyObject *args, PyObject *kw) {
    if (PyTuple_Size(args) != 1 || (kw && PyDict_Size(kw))) return wrong_arguments(type);
    return member_for(type, PyTuple_GetItem(args, 0));
}

/* E.__new__ gives the members too, so that no second object of a member's value can be made. */
static PyObject *enum_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    PyObject *self = (PyObject *)type;
    if (Py_TYPE(self) == meta && class_of(self)) return enum_call(self, args, kw);
    PyErr_SetString(PyExc_TypeError, "Enum has no values of its own");
    return NULL;
}

static PyObject *refuse_subclass(PyTypeObject *Py_UNUSED(type), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw)) {
    PyErr_SetString(PyExc_TypeError, "an enum class of cubind cannot be subclassed");
    return NULL;
}

static int refuse_change(PyObject *type, PyObject *name, PyObject *Py_UNUSED(value)) {
    PyErr_Format(PyExc_TypeError, "cannot change %S: the enum %s is immutable", name, class_of(type)->spec->name);
    return -1;
}

static PyObject *by_name(PyObject *type) {
    enum_class *c = class_of(type);
    if (c->by_name) return c->by_name;
    PyObject *names = PyDict_New();
    for (int i = 0; names && i < c->spec->n_members; i++) {
        const cu_member *named = &c->spec->members[i];
        if (PyDict_SetItemString(names, named->name, find(c, named->value)->object)) Py_CLEAR(names);
    }
    return c->by_name = names;
}

static PyObject *enum_members(PyObject *type, void *Py_UNUSED(closure)) {
    PyObject *names = by_name(type);
    return names ? PyDictProxy_New(names) : NULL;
}

static PyObject *enum_getitem(PyObject *type, PyObject *name) {
    PyObject *names = by_name(type);
    PyObject *found = names ? PyDict_GetItemWithError(names, name) : NULL;
    if (!found && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, name);
    return Py_XNewRef(found);
}

static PyObject *enum_iter(PyObject *type) {
    enum_class *c = class_of(type);
    PyObject *list = PyList_New(0), *iterator = NULL;
    for (int i = 0; list && i < c->spec->n_members; i++) {
        const member *known = find(c, c->spec->members[i].value);
        if (known->index == i && PyList_Append(list, known->object)) Py_CLEAR(list);
    }
    if (list) iterator = PyObject_GetIter(list);
    Py_XDECREF(list);
    return iterator;
}

static Py_ssize_t enum_length(PyObject *type) {
    return class_of(type)->n_unique;
}
static int enum_true(PyObject *Py_UNUSED(type)) {
    return 1;
}

static int enum_contains(PyObject *type, PyObject *o) {
    if (!PyLong_Check(o)) return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    return !overflow && find(class_of(type), value) != NULL;
}

static PyObject *enum_dir(PyObject *type, PyObject *Py_UNUSED(arg)) {
    PyObject *names = by_name(type), *list = names ? PyDict_Keys(names) : NULL;
    PyObject *more = list ? Py_BuildValue("[ssssss]", "__class__", "__doc__", "__members__", "__module__", "__name__",
                                          "__qualname__")
                          : NULL;
    PyObject *all = more ? PySequence_InPlaceConcat(list, more) : NULL;
    Py_XDECREF(list);
    Py_XDECREF(more);
    return all;
}

/* ---- making a class ---------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    const member *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (int)x->index - (int)y->index;
}

/* The table sorted by value; of several names for a value the first in declaration order stays. */
static enum_class *make_table(cu_enum *rt, const cu_enum_spec *spec) {
    enum_class *c = calloc(1, sizeof *c + spec->n_members * sizeof(member));
    if (!c) return (enum_class *)PyErr_NoMemory();
    c->spec = spec;
    c->rt = rt;
    for (uint16_t i = 0; i < spec->n_members; i++) c->sorted[i] = (member){spec->members[i].value, NULL, i};
    if (spec->n_members) qsort(c->sorted, spec->n_members, sizeof(member), compare);
    for (uint16_t i = 0; i < spec->n_members; i++) {
        int is_new = !c->n_unique || c->sorted[c->n_unique - 1].value != c->sorted[i].value;
        if (is_new) c->sorted[c->n_unique++] = c->sorted[i];
    }
    return c;
}

static PyObject *make_type(const cu_module *m, const cu_enum_spec *spec) {
    PyObject *args = Py_BuildValue("s(O){sss()}", spec->name, (PyObject *)base, "__module__", m->name, "__slots__");
    PyObject *type = args ? new_type(meta, args, NULL) : NULL;
    Py_XDECREF(args);
    return type;
}

static int make_members(PyObject *type, enum_class *c) {
    for (int i = 0; i < c->n_unique; i++)
        if (!(c->sorted[i].object = make_member(type, c->sorted[i].value))) return -1;
    for (int i = 0; i < c->spec->n_members; i++) {
        PyObject *name = PyUnicode_InternFromString(c->spec->members[i].name);
        int failed = !name || set_type_attr(type, name, find(c, c->spec->members[i].value)->object);
        Py_XDECREF(name);
        if (failed) return -1;
    }
    return 0;
}

/* Fills what cu_from_enum reads.  A range that is too wide leaves n_dense at 0: cubind_enum_member then searches. */
static int make_dense(cu_enum *rt, const enum_class *c) {
    if (!c->n_unique) return 0;
    uint64_t width = (uint64_t)c->sorted[c->n_unique - 1].value - (uint64_t)c->sorted[0].value + 1;
    if (width > DENSE_WIDTH) return 0;
    rt->dense = calloc(width, sizeof *rt->dense);
    if (!rt->dense) return -1;
    rt->lo = c->sorted[0].value;
    for (int i = 0; i < c->n_unique; i++) rt->dense[c->sorted[i].value - rt->lo] = c->sorted[i].object;
    rt->n_dense = width;
    return 0;
}

PyObject *cubind_enum_type(cu_module *m, int index) {
    cu_enum *rt = &m->enums[index];
    if (CU_LIKELY(rt->type != NULL)) return rt->type;
    enum_class *c = make_table(rt, &m->enum_specs[index]);
    PyObject *type = c ? make_type(m, c->spec) : NULL;
    if (!type) {
        free(c);
        return NULL;
    }
    *extra_of(type) = (extra){.class = c, .call = enum_vectorcall};
    /* Where this fails, or another thread was faster (a garbage collection lets others run), the class is left alone:
     * its members refer to it. */
    if (make_members(type, c)) return NULL;
    if (rt->type) return rt->type;
    if (make_dense(rt, c)) return PyErr_NoMemory();
    *extra_of(type) = (extra){c, enum_vectorcall, (uint64_t)rt->lo, rt->n_dense, rt->dense};
    cubind_set_final_vectorcall((PyTypeObject *)type, enum_vectorcall);
    return rt->type = type;
}

/* ---- the two classes behind all of them -------------------------------------------------------------------------- */

static PyGetSetDef meta_getset[] = {
    {"__members__", enum_members, NULL, "name -> member, aliases included; read-only", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef meta_methods[] = {{"__dir__", enum_dir, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyMemberDef meta_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, 0, READONLY, NULL}, /* the offset is set when it is known */
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot meta_slots[] = {
    {Py_tp_new, (void *)refuse_subclass},    {Py_tp_call, (void *)enum_call},
    {Py_tp_setattro, (void *)refuse_change}, {Py_tp_iter, (void *)enum_iter},
    {Py_mp_length, (void *)enum_length},     {Py_mp_subscript, (void *)enum_getitem},
    {Py_sq_contains, (void *)enum_contains}, {Py_nb_bool, (void *)enum_true},
    {Py_tp_members, meta_members},           {Py_tp_getset, meta_getset},
    {Py_tp_methods, meta_methods},           {0, NULL},
};

static PyGetSetDef base_getset[] = {
    {"name", member_name, NULL, "the C name, None for a value that is not known to these bindings", NULL},
    {"value", member_value, NULL, "the value as a plain int", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef base_methods[] = {
    {"__reduce__", member_reduce, METH_NOARGS, NULL},
    {"__copy__", member_same, METH_NOARGS, NULL},
    {"__deepcopy__", member_same, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot base_slots[] = {
    {Py_tp_new, (void *)enum_new}, {Py_tp_repr, (void *)member_repr}, {Py_tp_str, (void *)member_str},
    {Py_tp_getset, base_getset},   {Py_tp_methods, base_methods},     {0, NULL},
};

static int make_meta(void) {
    PyObject *size = PyObject_GetAttrString((PyObject *)&PyType_Type, "__basicsize__");
    if (!size) return -1;
    Py_ssize_t align = (Py_ssize_t)sizeof(void *);
    meta_offset = (PyLong_AsSsize_t(size) + align - 1) / align * align;
    Py_DECREF(size);
    meta_members[0].offset = meta_offset + (Py_ssize_t)offsetof(extra, call);
    PyType_Spec spec = {"cubind._core.EnumType", (int)(meta_offset + (Py_ssize_t)sizeof(extra)), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | HAVE_VECTORCALL, meta_slots};
    meta = (PyTypeObject *)PyType_FromSpecWithBases(&spec, (PyObject *)&PyType_Type);
    return meta ? 0 : -1;
}

int cubind_enums_ready(PyObject *core) {
    if (!base) {
        new_type = (newfunc)PyType_GetSlot(&PyType_Type, Py_tp_new);
        new_int = (newfunc)PyType_GetSlot(&PyLong_Type, Py_tp_new);
        set_type_attr = (setattrofunc)PyType_GetSlot(&PyType_Type, Py_tp_setattro);
        if (make_meta()) return -1;
        PyType_Spec spec = {"cubind._core.Enum", 0, 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_BASETYPE, base_slots};
        base = (PyTypeObject *)PyType_FromSpecWithBases(&spec, (PyObject *)&PyLong_Type);
        if (!base) return -1;
    }
    return PyModule_AddObjectRef(core, "Enum", (PyObject *)base);
}
