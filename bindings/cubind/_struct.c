/* Record classes: C structs and unions as Python objects, driven by tables.
 *
 * A record owns its memory, which lies behind the object's header, or is a view: of a part of another record, of a
 * buffer, or of an address that nobody keeps.  The classes are final, made on first use, one for a C tag and size in
 * the process.  Fields are in _field.c, what they keep alive in _refs.c.
 *
 * All state in this file is used with the GIL held.
 */
#include "_record.h"
#include <stdlib.h>

static PyObject *classes;  /* "tag size" -> class; the classes live as long as the process */
static PyTypeObject *base; /* Record: what all the classes have in common */

static void record_dealloc(PyObject *self);

/* The classes are final, so whatever is deallocated by record_dealloc is a record, and nothing else is. */
static int is_class(PyTypeObject *type) {
    return PyType_GetSlot(type, Py_tp_dealloc) == (void *)record_dealloc;
}
int cubind_is_record(PyObject *o) {
    return is_class(Py_TYPE(o));
}

/* Our part of a class is found through the field table that its type object was made with. */
static cu_record_class *class_of(PyTypeObject *type) {
    char *getset = PyType_GetSlot(type, Py_tp_getset);
    return (cu_record_class *)(getset - offsetof(cu_record_class, getset));
}
cu_record_class *cubind_record_class_of(PyObject *type) {
    if (is_class((PyTypeObject *)type)) return class_of((PyTypeObject *)type);
    PyErr_SetString(PyExc_TypeError, "Record itself has no fields and no instances; use one of the record classes");
    return NULL;
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/* Views and small records are made all the time (`s.a.b = 1` makes one), so they share two sizes of block, and blocks
 * are kept for the next one, linked through `ptr`, as CPython keeps those of its tuples. */
enum { SMALL = 64, MEDIUM = 256, FREE_BLOCKS = 32 };
#ifndef Py_GIL_DISABLED
static struct pool {
    cu_record *first;
    int n;
} pools[2];

static cu_record *take_block(PyTypeObject *type, size_t inline_bytes) {
    struct pool *pool = &pools[inline_bytes == MEDIUM];
    cu_record *r = pool->first;
    if (inline_bytes > MEDIUM || !r) return NULL;
    pool->first = (cu_record *)r->ptr;
    pool->n--;
    return (cu_record *)PyObject_InitVar((PyVarObject *)r, type, (Py_ssize_t)inline_bytes);
}
static int give_block(cu_record *r) {
    struct pool *pool = &pools[Py_SIZE((PyObject *)r) == MEDIUM];
    if (Py_SIZE((PyObject *)r) > MEDIUM || pool->n >= FREE_BLOCKS) return 0;
    r->ptr = pool->first;
    pool->first = r;
    pool->n++;
    return 1;
}
#else
static cu_record *take_block(PyTypeObject *Py_UNUSED(type), size_t Py_UNUSED(inline_bytes)) {
    return NULL;
}
static int give_block(cu_record *Py_UNUSED(r)) {
    return 0;
}
#endif

static cu_record *allocate(cu_record_class *c, size_t inline_bytes) {
    if (inline_bytes <= SMALL)
        inline_bytes = SMALL;
    else if (inline_bytes <= MEDIUM)
        inline_bytes = MEDIUM;
    cu_record *r = take_block(c->type, inline_bytes);
    if (!r) r = PyObject_GC_NewVar(cu_record, c->type, (Py_ssize_t)inline_bytes);
    if (!r) return NULL;
    r->ptr = NULL;
    r->owner = NULL;
    r->refs = NULL;
    r->spec = c->spec;
    r->module = c->module;
    return r; /* not tracked by the collector: it refers to nothing yet */
}

/* The memory is zeroed unless it is a copy. */
static cu_record *new_owner(cu_record_class *c, const void *copy_from) {
    size_t align = c->spec->align < 8 ? 8 : c->spec->align; /* objects themselves are aligned to 8 at least */
    cu_record *r = allocate(c, c->spec->size + align - 8);
    if (!r) return NULL;
    r->ptr = (void *)(((uintptr_t)(r + 1) + align - 1) & ~(uintptr_t)(align - 1));
    if (copy_from)
        memcpy(r->ptr, copy_from, c->spec->size);
    else
        memset(r->ptr, 0, c->spec->size);
    return r;
}

static PyObject *new_view(cu_record_class *c, void *ptr, PyObject *owner) {
    cu_record *r = allocate(c, 0);
    if (!r) return NULL;
    r->ptr = ptr;
    r->owner = Py_XNewRef(owner);
    PyObject_GC_Track(r);
    return (PyObject *)r;
}

PyObject *cubind_record_at(cu_record_class *c, void *ptr, PyObject *owner) {
    return new_view(c, ptr, owner);
}
PyObject *cubind_record_copied(cu_record_class *c, const void *from) {
    return (PyObject *)new_owner(c, from);
}

PyObject *cubind_record_view(cu_module *m, int index, void *ptr, PyObject *owner) {
    PyTypeObject *type = cubind_record_type(m, index);
    if (!type) return NULL;
    if (!owner) return (PyObject *)new_owner(class_of(type), ptr);
    return new_view(class_of(type), ptr, cubind_is_record(owner) ? (PyObject *)cubind_root((cu_record *)owner) : owner);
}

PyObject *cubind_new_record(cu_module *m, int index, void **ptr) {
    PyTypeObject *type = cubind_record_type(m, index);
    cu_record *r = type ? new_owner(class_of(type), NULL) : NULL;
    if (r && ptr) *ptr = r->ptr;
    return (PyObject *)r;
}

static void record_dealloc(PyObject *self) {
    cu_record *r = (cu_record *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(r->refs);
    Py_XDECREF(r->owner);
    if (!give_block(r)) PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int record_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((cu_record *)self)->refs);
    Py_VISIT(((cu_record *)self)->owner);
    Py_VISIT(Py_TYPE(self));
    return 0;
}
/* The owner stays: `ptr` points into it.  No cycle is without a `refs`. */
static int record_clear(PyObject *self) {
    Py_CLEAR(((cu_record *)self)->refs);
    return 0;
}

/* ---- constructors ------------------------------------------------------------------------------------------------ */

struct cursor {
    const cu_record_spec *spec;
    int next;
};
static const char *next_field(void *cursor) {
    struct cursor *c = cursor;
    return c->next < c->spec->n_fields ? c->spec->fields[c->next++].name : NULL;
}

static int unknown_keyword(const cu_record_spec *spec, PyObject *keyword) {
    const char *name = PyUnicode_Check(keyword) ? PyUnicode_AsUTF8AndSize(keyword, NULL) : NULL;
    if (!name) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s: a field name must be a str, not %R", spec->name, keyword);
        return -1;
    }
    PyObject *close = cubind_close_names(name, next_field, &(struct cursor){spec, 0});
    if (close) PyErr_Format(PyExc_TypeError, "%s has no field '%s'%U", spec->name, name, close);
    Py_XDECREF(close);
    return -1;
}

/* A count that is given has the last word over the one that a list in the field before it implies. */
static int set_given_counts(cu_record *r, PyObject *kw) {
    for (int i = 0; i < r->spec->n_fields; i++) {
        const cu_field_spec *f = &r->spec->fields[i];
        if (f->kind != CU_PTR || f->link < 0) continue;
        const cu_field_spec *count = &r->spec->fields[f->link];
        PyObject *given = PyDict_GetItemString(kw, count->name);
        if (given && cubind_set_field((PyObject *)r, given, (void *)count)) return -1;
    }
    return 0;
}

static int set_fields(cu_record *r, PyObject *kw) {
    PyObject *key, *value;
    Py_ssize_t position = 0;
    int counted = 0;
    while (PyDict_Next(kw, &position, &key, &value)) {
        const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, NULL) : NULL;
        int i = name ? cubind_find_field(r->spec, name) : -1;
        if (i < 0) {
            PyErr_Clear();
            return unknown_keyword(r->spec, key);
        }
        const cu_field_spec *f = &r->spec->fields[i];
        if (cubind_set_field((PyObject *)r, value, (void *)f)) return -1;
        counted |= f->kind == CU_PTR && f->link >= 0;
    }
    return counted ? set_given_counts(r, kw) : 0;
}

static PyObject *construct(cu_record_class *c, Py_ssize_t n_positional, PyObject *kw) {
    if (CU_UNLIKELY(n_positional != 0)) {
        PyErr_Format(PyExc_TypeError, "%s() takes its fields as keywords: %s(%s=...)%s", c->spec->name, c->spec->name,
                     c->spec->n_fields ? c->spec->fields[0].name : "", "; from_bytes() and from_buffer() take memory");
        return NULL;
    }
    cu_record *r = new_owner(c, NULL);
    if (!r || !kw || !PyDict_Size(kw)) return (PyObject *)r;
    if (set_fields(r, kw)) {
        Py_DECREF((PyObject *)r);
        return NULL;
    }
    return (PyObject *)r;
}

static PyObject *record_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    cu_record_class *c = cubind_record_class_of((PyObject *)type);
    return c ? construct(c, PyTuple_Size(args), kw) : NULL;
}

/* The same as the interpreter calls it, if it can: with an array of arguments. */
static PyObject *record_call(PyObject *type, PyObject *const *args, size_t n, PyObject *kwnames) {
    PyObject *kw = kwnames ? PyDict_New() : NULL;
    n &= ~CU_ARGUMENTS_OFFSET;
    for (Py_ssize_t i = 0; kw && i < PyTuple_Size(kwnames); i++)
        if (PyDict_SetItem(kw, PyTuple_GetItem(kwnames, i), args[n + (size_t)i])) Py_CLEAR(kw);
    PyObject *made = kwnames && !kw ? NULL : construct(class_of((PyTypeObject *)type), (Py_ssize_t)n, kw);
    Py_XDECREF(kw);
    return made;
}

cu_record *cubind_as_record(PyObject *o, cu_module *m, int index) {
    PyTypeObject *type = cubind_record_type(m, index);
    if (!type) return NULL;
    if (Py_TYPE(o) == type) return (cu_record *)Py_NewRef(o);
    if (!PyDict_Check(o) && !PyObject_HasAttrString(o, "keys")) {
        cubind_expected(o, "%s or dict", class_of(type)->spec->name);
        return NULL;
    }
    PyObject *kw = PyDict_New(), *args = NULL, *made = NULL; /* a copy: converting its values can run any code */
    if (kw && PyDict_Update(kw, o)) Py_CLEAR(kw);
    if (kw) args = PyTuple_New(0);
    if (args) made = record_new(type, args, kw);
    Py_XDECREF(args);
    Py_XDECREF(kw);
    return (cu_record *)made;
}

static PyObject *record_copy(PyObject *self, PyObject *Py_UNUSED(memo)) {
    cu_record *r = (cu_record *)self;
    cu_record *made = new_owner(class_of(Py_TYPE(self)), r->ptr);
    PyObject *refs = made ? cubind_refs_in(r, r->ptr, r->spec->size) : NULL;
    if (!refs || cubind_set_refs_in(made, made->ptr, r->spec->size, refs)) {
        Py_XDECREF((PyObject *)made);
        made = NULL;
    }
    Py_XDECREF(refs);
    return (PyObject *)made;
}

/* ---- other behaviour --------------------------------------------------------------------------------------------- */

static PyObject *record_ptr(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromVoidPtr(((cu_record *)self)->ptr);
}
static PyObject *record_nbytes(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(((cu_record *)self)->spec->size);
}

static int record_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    cu_record *r = (cu_record *)self;
    return PyBuffer_FillInfo(view, self, r->ptr, (Py_ssize_t)r->spec->size, 0, flags);
}

static PyObject *record_compare(PyObject *self, PyObject *other, int op) {
    if (Py_TYPE(self) != Py_TYPE(other) || (op != Py_EQ && op != Py_NE)) return Py_NewRef(Py_NotImplemented);
    const cu_record *a = (cu_record *)self, *b = (cu_record *)other;
    return PyBool_FromLong((memcmp(a->ptr, b->ptr, a->spec->size) == 0) == (op == Py_EQ));
}

static PyObject *record_reduce(PyObject *self, PyObject *Py_UNUSED(arg)) {
    const char *name = ((cu_record *)self)->spec->name;
    PyErr_Format(PyExc_TypeError,
                 "cannot pickle a %s: it can hold addresses; bytes() and %s.from_bytes() carry the memory", name, name);
    return NULL;
}

static PyObject *record_repr(PyObject *self) {
    cu_record *r = (cu_record *)self;
    int busy = Py_ReprEnter(self); /* a user pointer may lead back here */
    if (busy) return busy < 0 ? NULL : PyUnicode_FromFormat("%s(...)", r->spec->name);
    PyObject *fields = cubind_fields_text(r);
    PyObject *text = fields ? PyUnicode_FromFormat("%s(%U)", r->spec->name, fields) : NULL;
    Py_XDECREF(fields);
    Py_ReprLeave(self);
    return text;
}

/* ---- the classes ------------------------------------------------------------------------------------------------- */

static cu_record_class *make_class_table(cu_module *m, const cu_record_spec *spec) {
    cu_record_class *c = calloc(1, sizeof *c + (spec->n_fields + 1u) * sizeof(PyGetSetDef));
    if (!c) return (cu_record_class *)PyErr_NoMemory();
    c->spec = spec;
    c->module = m;
    for (int i = 0; i < spec->n_fields; i++) {
        const cu_field_spec *f = &spec->fields[i];
        c->getset[i] = (PyGetSetDef){f->name, cubind_get_field, cubind_setter_of(f), NULL, (void *)f};
    }
    return c;
}

static int add_layout(PyObject *type, cu_module *m, const cu_record_spec *spec) {
    PyObject *layout = PyDict_New();
    for (int i = 0; layout && i < spec->n_fields; i++) {
        const cu_field_spec *f = &spec->fields[i];
        size_t size = cubind_sizeof_type(m, (cu_type){f->kind, f->aux}) * (f->count ? f->count : 1);
        PyObject *pair = Py_BuildValue("(In)", (unsigned)f->offset, (Py_ssize_t)size);
        if (!pair || PyDict_SetItemString(layout, f->name, pair)) Py_CLEAR(layout);
        Py_XDECREF(pair);
    }
    PyObject *proxy = layout ? PyDictProxy_New(layout) : NULL;
    int failed = !proxy || PyObject_SetAttrString(type, "__layout__", proxy);
    Py_XDECREF(proxy);
    Py_XDECREF(layout);
    return failed ? -1 : 0;
}

static PyObject *make_class(cu_module *m, const cu_record_spec *spec) {
    cu_record_class *c = make_class_table(m, spec);
    if (!c) return NULL;
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)record_dealloc},
        {Py_tp_traverse, (void *)record_traverse},
        {Py_tp_clear, (void *)record_clear},
        {Py_tp_getset, c->getset},
        {0, NULL},
    };
    char name[200]; /* CPython 3.11 and later copy it */
    PyOS_snprintf(name, sizeof name, "%s.%s", spec->module, spec->name);
    PyType_Spec type_spec = {name, sizeof(cu_record), 1, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
    PyObject *type = PyType_FromSpecWithBases(&type_spec, (PyObject *)base);
    if (!type) {
        free(c);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory(); /* which CPython 3.11 to 3.13 forget in one place */
    }
    c->type = (PyTypeObject *)type;
    cubind_set_vectorcall(c->type, record_call);
    if (add_layout(type, m, spec)) return NULL; /* out of memory; `c` stays, as the type's descriptors point to it */
    return type;
}

static PyObject *find_or_make_class(PyObject *key, cu_module *m, const cu_record_spec *spec) {
    PyObject *type = PyDict_GetItemWithError(classes, key);
    if (type || PyErr_Occurred()) return type;
    PyObject *made = make_class(m, spec);
    if (!made) return NULL;
    type = PyDict_GetItemWithError(classes, key); /* another thread may have been faster */
    if (!type && !PyErr_Occurred() && PyDict_SetItem(classes, key, made) == 0) type = made;
    Py_DECREF(made); /* the dict keeps it */
    return type;
}

PyTypeObject *cubind_record_type(cu_module *m, int index) {
    if (CU_LIKELY(m->records[index] != NULL)) return m->records[index];
    const cu_record_spec *spec = &m->record_specs[index];
    PyObject *key = PyUnicode_FromFormat("%s %u", spec->tag, (unsigned)spec->size);
    if (!key) return NULL;
    m->records[index] = (PyTypeObject *)find_or_make_class(key, m, spec);
    Py_DECREF(key);
    return m->records[index];
}

static PyMethodDef methods[] = {
    {"from_ptr", cubind_record_from_ptr, METH_CLASS | METH_O,
     "from_ptr($type, address, /)\n--\n\nA view of the record at an address, which nothing keeps alive."},
    {"from_buffer", (PyCFunction)(void (*)(void))cubind_record_from_buffer, METH_CLASS | METH_VARARGS | METH_KEYWORDS,
     "from_buffer($type, /, obj, offset=0)\n--\n\nA view of a writable buffer, which it keeps alive."},
    {"from_bytes", cubind_record_from_bytes, METH_CLASS | METH_O,
     "from_bytes($type, data, /)\n--\n\nA record with a copy of the bytes."},
    {"__copy__", record_copy, METH_NOARGS, NULL},
    {"__deepcopy__", record_copy, METH_O, NULL},
    {"__reduce__", record_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef getset[] = {
    {"ptr", record_ptr, NULL, "the address of the record's memory", NULL},
    {"nbytes", record_nbytes, NULL, "the size of the record in bytes", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot base_slots[] = {
    {Py_tp_new, (void *)record_new},
    {Py_tp_traverse, (void *)record_traverse},
    {Py_tp_clear, (void *)record_clear},
    {Py_tp_repr, (void *)record_repr},
    {Py_tp_richcompare, (void *)record_compare},
    {Py_tp_hash, (void *)PyObject_HashNotImplemented},
    {Py_bf_getbuffer, (void *)record_getbuffer},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

int cubind_records_ready(PyObject *core) {
    if (!classes) classes = PyDict_New();
    if (!base) {
        PyType_Spec spec = {"cubind._core.Record", sizeof(cu_record), 1,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, base_slots};
        base = (PyTypeObject *)PyType_FromSpec(&spec);
    }
    if (!classes || !base || cubind_hooks_ready()) return -1;
    return PyModule_AddObjectRef(core, "Record", (PyObject *)base);
}
