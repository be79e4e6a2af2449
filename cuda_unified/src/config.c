/* LaunchConfig: how a kernel is launched.  Immutable: what was checked once need not be checked again.
 *
 * Grid, block and shared memory are read here; every other attribute of a launch in _attributes.py, which gives the bytes that
 * the driver wants.
 */
#include "launch.h"

PyTypeObject *LaunchConfig_type;

/* What every device of every compute capability has.  More than that is asked of the device: check_config. */
static const uint32_t common_grid[3] = {INT32_MAX, 65535, 65535}, common_block[3] = {1024, 1024, 64};
enum { COMMON_THREADS = 1024, COMMON_SHARED = 48 << 10 };

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static int one_dimension(PyObject *o, const char *what, Py_ssize_t at, uint32_t *out) {
    PyObject *index = PyLong_CheckExact(o) ? Py_NewRef(o) : PyNumber_Index(o);
    if (!index) {
        PyErr_Format(PyExc_TypeError, "LaunchConfig: %s must be an int or 1 to 3 of them, not %R", what, o);
        return -1;
    }
    int overflow;
    long value = PyLong_AsLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (LIKELY(!overflow && value >= 1 && value <= INT32_MAX)) {
        *out = (uint32_t)value;
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "LaunchConfig: %s[%zd] must be from 1 to %d, not %R", what, at, INT32_MAX, o);
    return -1;
}

static int dimensions(PyObject *o, const char *what, uint32_t out[3]) {
    out[1] = out[2] = 1;
    int is_tuple = PyTuple_Check(o);
    if (!is_tuple && !PyList_Check(o)) return one_dimension(o, what, 0, out);
    Py_ssize_t n = is_tuple ? PyTuple_Size(o) : PyList_Size(o);
    if (n < 1 || n > 3) {
        PyErr_Format(PyExc_ValueError, "LaunchConfig: %s has 1 to 3 dimensions, not %zd: %R", what, n, o);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = Py_XNewRef(is_tuple ? PyTuple_GetItem(o, i) : PyList_GetItem(o, i)); /* a list may lose it */
        int failed = !item || one_dimension(item, what, i, &out[i]);
        Py_XDECREF(item);
        if (failed) return -1;
    }
    return 0;
}

static int shared_bytes(PyObject *o, unsigned *out) {
    size_t value = 0;
    if (o && to_size(o, "LaunchConfig: shared_memory", &value)) return -1;
    if (value > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "LaunchConfig: shared_memory must be from 0 to %d bytes, not %R", INT32_MAX, o);
        return -1;
    }
    *out = (unsigned)value;
    return 0;
}

static int is_common(const config_object *c) {
    const CUlaunchConfig *l = &c->c;
    return l->gridDimY <= common_grid[1] && l->gridDimZ <= common_grid[2] && l->blockDimX <= common_block[0] &&
           l->blockDimY <= common_block[1] && l->blockDimZ <= common_block[2] &&
           (uint64_t)l->blockDimX * l->blockDimY * l->blockDimZ <= COMMON_THREADS &&
           l->sharedMemBytes <= COMMON_SHARED && !c->attributes;
}

config_object *config_new(PyObject *grid, PyObject *block, PyObject *shared_memory) {
    uint32_t g[3], b[3];
    unsigned shared;
    if (dimensions(grid, "grid", g) || dimensions(block, "block", b) || shared_bytes(shared_memory, &shared))
        return NULL;
    config_object *c = new_object(LaunchConfig_type);
    if (!c) return NULL;
    c->c = (CUlaunchConfig){g[0], g[1], g[2], b[0], b[1], b[2], shared, NULL, NULL, 0};
    c->is_common = (char)is_common(c);
    return c;
}

/* The events among the values: a value, or the first of a tuple. */
static void note_events(config_object *c) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(c->attributes); i++) {
        PyObject *value = PyTuple_GetItem(PyTuple_GetItem(c->attributes, i), 1);
        if (PyTuple_Check(value) && PyTuple_Size(value)) value = PyTuple_GetItem(value, 0);
        if (is_event(value) && c->n_events < MOST_EVENTS) c->events[c->n_events++] = (event_object *)value;
    }
}

/* The other attributes: `named` is a dict; _attributes.encode gives (((name, value), ...), bytes of CUlaunchAttributes). */
static int add_attributes(config_object *c, PyObject *named) {
    PyObject *module = PyImport_ImportModule("cuda_unified._attributes");
    PyObject *done = module ? PyObject_CallMethod(module, "encode", "OO", (PyObject *)c, named) : NULL;
    PyObject *pairs;
    const char *bytes;
    Py_ssize_t size;
    Py_XDECREF(module);
    int failed = !done || !PyArg_ParseTuple(done, "O!y#", &PyTuple_Type, &pairs, &bytes, &size);
    if (!failed && size) {
        c->c.attrs = PyMem_Malloc((size_t)size);
        failed = !c->c.attrs;
        if (failed) {
            PyErr_NoMemory();
        } else {
            memcpy(c->c.attrs, bytes, (size_t)size);
            c->c.numAttrs = (unsigned)((size_t)size / sizeof *c->c.attrs);
            c->attributes = Py_NewRef(pairs);
            c->is_common = 0;
            note_events(c);
        }
    }
    Py_XDECREF(done);
    return failed ? -1 : 0;
}

enum { GRID, BLOCK, SHARED, NAMES };
static PyObject *names[NAMES];

/* Sorts grid, block and shared_memory out of positional and named arguments; how many of the named ones they are, or -1. */
static Py_ssize_t sort_arguments(PyObject *args, PyObject *kwargs, PyObject *given[NAMES]) {
    const Py_ssize_t n = PyTuple_Size(args);
    Py_ssize_t taken = 0;
    if (n > NAMES) {
        PyErr_SetString(PyExc_TypeError, "LaunchConfig() takes grid, block and shared_memory; all else by name");
        return -1;
    }
    for (int i = 0; i < NAMES; i++) {
        PyObject *named = kwargs ? PyDict_GetItemWithError(kwargs, names[i]) : NULL;
        given[i] = i < n ? PyTuple_GetItem(args, i) : named;
        taken += named != NULL;
        if ((i < n && named) || (i <= BLOCK && !given[i])) {
            PyErr_Format(PyExc_TypeError,
                         named ? "LaunchConfig() got two values for '%U'" : "LaunchConfig() misses '%U'", names[i]);
            return -1;
        }
    }
    return taken;
}

/* LaunchConfig(grid, block, shared_memory=0, **attributes) */
static PyObject *new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs) {
    PyObject *given[NAMES];
    const Py_ssize_t taken = sort_arguments(args, kwargs, given);
    config_object *c = taken < 0 ? NULL : config_new(given[GRID], given[BLOCK], given[SHARED]);
    if (!c || !kwargs || PyDict_Size(kwargs) == taken) return (PyObject *)c;
    PyObject *rest = PyDict_Copy(kwargs);
    int failed = !rest;
    for (int i = 0; i < NAMES && !failed; i++)
        if (PyDict_GetItemWithError(rest, names[i])) failed = PyDict_DelItem(rest, names[i]);
    if (failed || add_attributes(c, rest)) {
        Py_DECREF((PyObject *)c);
        c = NULL;
    }
    Py_XDECREF(rest);
    return (PyObject *)c;
}

/* ---- the device's limits ----------------------------------------------------------------------------------------------- */

int check_config(config_object *c, stream_object *s) {
    const int ordinal = ((device_object *)s->context->device)->ordinal;
    const uint64_t bit = ordinal < 64 ? (uint64_t)1 << ordinal : 0;
    for (int i = 0; i < c->n_events; i++)
        if (UNLIKELY(c->events[i]->closed)) return raise_closed((PyObject *)c->events[i]), -1;
    if (LIKELY(c->checked & bit)) return 0;
    PyObject *module = PyImport_ImportModule("cuda_unified.config");
    PyObject *done =
        module ? PyObject_CallMethod(module, "_check_device", "OO", (PyObject *)c, s->context->device) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(done);
    if (!done) return -1;
    c->checked |= bit;
    return 0;
}

/* ---- for Python -------------------------------------------------------------------------------------------------------- */

static void config_dealloc(PyObject *self) {
    config_object *c = (config_object *)self;
    PyMem_Free(c->c.attrs);
    Py_XDECREF(c->attributes);
    delete_object(self);
}

static PyObject *three(unsigned x, unsigned y, unsigned z) {
    return Py_BuildValue("(III)", x, y, z);
}
static PyObject *grid(PyObject *self, void *Py_UNUSED(closure)) {
    const CUlaunchConfig *c = &((config_object *)self)->c;
    return three(c->gridDimX, c->gridDimY, c->gridDimZ);
}
static PyObject *block(PyObject *self, void *Py_UNUSED(closure)) {
    const CUlaunchConfig *c = &((config_object *)self)->c;
    return three(c->blockDimX, c->blockDimY, c->blockDimZ);
}
static PyObject *attributes(PyObject *self, void *Py_UNUSED(closure)) {
    PyObject *pairs = ((config_object *)self)->attributes;
    return pairs ? Py_NewRef(pairs) : PyTuple_New(0);
}
static PyObject *attribute_bytes(PyObject *self, void *Py_UNUSED(closure)) {
    const CUlaunchConfig *c = &((config_object *)self)->c;
    return PyBytes_FromStringAndSize((const char *)c->attrs, (Py_ssize_t)(c->numAttrs * sizeof *c->attrs));
}

/* What makes two configurations the same, as a tuple. */
static PyObject *key(PyObject *self) {
    const config_object *o = (config_object *)self;
    const CUlaunchConfig *c = &o->c;
    return Py_BuildValue("(IIIIIIIO)", c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY, c->blockDimZ,
                         c->sharedMemBytes, o->attributes ? o->attributes : Py_None);
}

static PyObject *compare(PyObject *a, PyObject *b, int op) {
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(b) != LaunchConfig_type) Py_RETURN_NOTIMPLEMENTED;
    PyObject *x = key(a), *y = x ? key(b) : NULL;
    PyObject *result = y ? PyObject_RichCompare(x, y, op) : NULL;
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

static Py_hash_t hash(PyObject *self) {
    PyObject *k = key(self);
    Py_hash_t h = k ? PyObject_Hash(k) : -1;
    Py_XDECREF(k);
    return h;
}

static PyMemberDef members[] = {
    {"shared_memory", T_UINT, offsetof(config_object, c.sharedMemBytes), READONLY,
     "Dynamic shared memory of a block, in bytes."},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"grid", grid, NULL, "Blocks in x, y and z.", NULL},
    {"block", block, NULL, "Threads of a block in x, y and z.", NULL},
    {"_attributes", attributes, NULL, NULL, NULL},
    {"_attribute_bytes", attribute_bytes, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_new, new},
    {Py_tp_dealloc, config_dealloc},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {Py_tp_hash, hash},
    {Py_tp_richcompare, compare},
    {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.LaunchConfig", sizeof(config_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int config_ready(PyObject *module) {
    static const char *const texts[NAMES] = {"grid", "block", "shared_memory"};
    for (int i = 0; i < NAMES; i++)
        if (!(names[i] = PyUnicode_InternFromString(texts[i]))) return -1;
    LaunchConfig_type = add_type(module, &spec, NULL);
    return LaunchConfig_type ? 0 : -1;
}
