/* What a generated module does when it is imported: its functions and handle classes are there at once; enums, records,
 * callback types, constants and enumerators are made when their name is first asked for, by the module's __getattr__,
 * and then stay in the module's dictionary.
 *
 * All state in this file is used with the GIL held.
 */
#include "_impl.h"
#include <stdlib.h>

/* ---- the names that a module has --------------------------------------------------------------------------------- */

/* In the order in which a name that occurs twice is looked for. */
enum group { G_ENUM, G_RECORD, G_CALLBACK, G_CONST, G_ENUMERATOR, N_LAZY, G_HANDLE = N_LAZY, G_METHOD, N_GROUPS };

typedef struct place { /* of a name: its group, which one in it, for an enumerator which enum and which member */
    uint32_t group : 3;
    uint32_t index : 14;
    uint32_t member : 15;
} place;
#define NOWHERE 7 /* a group that there is not: an unused entry of the table below */

typedef struct names { /* belongs to a module for good */
    cu_module *m;
    place *table; /* lazy names by hash, open addressing; made on the first lookup */
    uint32_t mask;
} names;

static const char *name_at(const cu_module *m, place p) {
    switch (p.group) {
    case G_ENUM: return p.index < m->n_enums ? m->enum_specs[p.index].name : NULL;
    case G_RECORD: return p.index < m->n_records ? m->record_specs[p.index].name : NULL;
    case G_CALLBACK: return p.index < m->n_callbacks ? m->callback_specs[p.index].name : NULL;
    case G_CONST: return p.index < m->n_consts ? m->const_specs[p.index].name : NULL;
    case G_HANDLE: return p.index < m->n_handles ? m->handle_specs[p.index].name : NULL;
    case G_METHOD: return m->methods[p.index].ml_name;
    default:
        if (p.index >= m->n_enums || p.member >= m->enum_specs[p.index].n_members) return NULL;
        return m->enum_specs[p.index].members[p.member].name;
    }
}

typedef struct walk { /* over the names of all groups before `end` */
    const cu_module *m;
    unsigned end;
    place at, found; /* the next, and the one that step() returned last */
} walk;

static const char *step(walk *w) {
    while (w->at.group < w->end) {
        const char *name = name_at(w->m, w->at);
        int is_enumerator = w->at.group == G_ENUMERATOR;
        w->found = w->at;
        if (!name && is_enumerator && w->at.index < w->m->n_enums)
            w->at = (place){G_ENUMERATOR, w->at.index + 1, 0};
        else if (!name)
            w->at = (place){w->at.group + 1, 0, 0};
        else if (is_enumerator)
            w->at.member++;
        else
            w->at.index++;
        if (name) return name;
    }
    return NULL;
}
static const char *next_name(void *cursor) {
    return step(cursor);
}

static uint32_t hash(const char *name) { /* FNV-1a */
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h ^ h >> 15;
}

/* The table's entry for a name, or the unused one where it would go. */
static place *entry_for(const names *all, const char *name) {
    uint32_t i = hash(name) & all->mask;
    for (; all->table[i].group != NOWHERE; i = (i + 1) & all->mask)
        if (strcmp(name_at(all->m, all->table[i]), name) == 0) break;
    return &all->table[i];
}

static int make_table(names *all) {
    uint32_t n = 0, size = 16;
    for (walk w = {.m = all->m, .end = N_LAZY}; step(&w);) n++;
    while (size < 2 * n) size *= 2;
    all->table = malloc(size * sizeof *all->table);
    if (!all->table) {
        PyErr_NoMemory();
        return -1;
    }
    memset(all->table, 0xff, size * sizeof *all->table);
    all->mask = size - 1;
    const char *name;
    for (walk w = {.m = all->m, .end = N_LAZY}; (name = step(&w));) {
        place *entry = entry_for(all, name);
        if (entry->group == NOWHERE) *entry = w.found; /* the first of two equal names is the one */
    }
    return 0;
}

/* ---- what the names stand for ------------------------------------------------------------------------------------ */

static PyObject *make_constant(cu_module *m, const cu_const_spec *c) {
    switch (c->kind) {
    case CU_CONST_INT: return PyLong_FromLongLong(c->value);
    case CU_CONST_UINT: return PyLong_FromUnsignedLongLong((unsigned long long)c->value);
    case CU_CONST_STR: return PyUnicode_FromString(c->text);
    case CU_CONST_INT_TYPE: return Py_NewRef((PyObject *)&PyLong_Type);
    default: break;
    }
    if (Py_EnterRecursiveCall(" while looking up an alias")) return NULL;
    PyObject *found = PyObject_GetAttrString(m->self, c->text);
    Py_LeaveRecursiveCall();
    return found;
}

static PyObject *make_value(cu_module *m, place p) {
    switch (p.group) {
    case G_ENUM: return Py_XNewRef(cubind_enum_type(m, p.index));
    case G_RECORD: return Py_XNewRef((PyObject *)cubind_record_type(m, p.index));
    case G_CALLBACK: return cubind_callback_type(m, p.index);
    case G_CONST: return make_constant(m, &m->const_specs[p.index]);
    default: return cubind_enum_member(m, p.index, m->enum_specs[p.index].members[p.member].value);
    }
}

/* The public names: what `from module import *` takes. */
static PyObject *make_all(const cu_module *m) {
    PyObject *list = PyList_New(0);
    const char *name;
    for (walk w = {.m = m, .end = N_GROUPS}; list && (name = step(&w));) {
        PyObject *text = *name == '_' ? Py_NewRef(Py_None) : PyUnicode_FromString(name);
        if (!text || (text != Py_None && PyList_Append(list, text))) Py_CLEAR(list);
        Py_XDECREF(text);
    }
    return list;
}

static void unknown_name(cu_module *m, PyObject *name, const char *text) {
    walk w = {.m = m, .end = N_GROUPS};
    PyObject *close = strncmp(text, "__", 2) ? cubind_close_names(text, next_name, &w) : PyUnicode_FromString("");
    PyObject *message = NULL;
    if (close) message = PyUnicode_FromFormat("module '%s' has no attribute '%s'%U", m->name, text, close);
    /* without `obj`, for which the interpreter would add a suggestion of its own */
    PyObject *args = message ? PyTuple_Pack(1, message) : NULL, *kw = args ? Py_BuildValue("{sO}", "name", name) : NULL;
    PyObject *error = kw ? PyObject_Call(PyExc_AttributeError, args, kw) : NULL;
    if (error) PyErr_SetObject(PyExc_AttributeError, error);
    Py_XDECREF(error);
    Py_XDECREF(kw);
    Py_XDECREF(args);
    Py_XDECREF(message);
    Py_XDECREF(close);
}

static PyObject *module_getattr(PyObject *self, PyObject *name) {
    names *all = PyCapsule_GetPointer(self, NULL);
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    PyObject *value = NULL;
    if (!text || (!all->table && make_table(all))) return NULL;
    const place *entry = entry_for(all, text);
    if (entry->group != NOWHERE)
        value = make_value(all->m, *entry);
    else if (strcmp(text, "__all__") == 0)
        value = make_all(all->m);
    else
        unknown_name(all->m, name, text);
    if (value && PyObject_SetAttr(all->m->self, name, value)) Py_CLEAR(value);
    return value;
}

static PyObject *module_dir(PyObject *self, PyObject *Py_UNUSED(arg)) {
    names *all = PyCapsule_GetPointer(self, NULL);
    PyObject *dict = PyDict_Copy(PyModule_GetDict(all->m->self)), *list = NULL;
    const char *name;
    for (walk w = {.m = all->m, .end = N_LAZY}; dict && (name = step(&w));)
        if (PyDict_SetItemString(dict, name, Py_None)) Py_CLEAR(dict);
    if (dict) list = PyDict_Keys(dict);
    Py_XDECREF(dict);
    return list;
}

/* ---- at import --------------------------------------------------------------------------------------------------- */

static int add_lazy_names(cu_module *m, PyObject *self) {
    static PyMethodDef methods[] = {{"__getattr__", module_getattr, METH_O, NULL},
                                    {"__dir__", module_dir, METH_NOARGS, NULL}};
    names *all = calloc(1, sizeof *all);
    PyObject *capsule = all ? PyCapsule_New(all, NULL, NULL) : PyErr_NoMemory();
    if (!capsule) {
        free(all);
        return -1;
    }
    all->m = m;
    int failed = 0;
    for (int i = 0; i < 2 && !failed; i++) {
        PyObject *function = PyCFunction_New(&methods[i], capsule);
        failed = !function || PyModule_AddObjectRef(self, methods[i].ml_name, function);
        Py_XDECREF(function);
    }
    Py_DECREF(capsule);
    return failed ? -1 : 0;
}

static int add_handles(cu_module *m, PyObject *self) {
    for (int i = 0; i < m->n_handles; i++) {
        const cu_handle_spec *spec = &m->handle_specs[i];
        m->handles[i] = cubind_handle_type(spec);
        if (!m->handles[i] || PyModule_AddObjectRef(self, spec->name, (PyObject *)m->handles[i])) return -1;
    }
    return 0;
}

int cubind_module_init(cu_module *m, PyObject *self) {
    m->self = self;
    if (m->library_spec) {
        m->library = cubind_library(m->library_spec);
        if (!m->library || cubind_library_slot(m->library, m->table_slot)) return -1;
        cubind_library_names(m->library, m->funcs, m->n_funcs);
    }
    if (add_handles(m, self) || PyModule_AddFunctions(self, m->methods)) return -1;
    return add_lazy_names(m, self);
}
