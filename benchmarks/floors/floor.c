/* The floor: what a binding can cost at best, by hand, with the whole C API of one CPython version.  The calls that the
 * rows make and nothing else: no keywords, no texts of errors.  Compiled twice, with and without RELEASE_GIL.
 */
#define PY_SSIZE_T_CLEAN
#define CUBIND_EXACT_NAMES
#include <Python.h>
#include <dlfcn.h>
#include <stddef.h>
#include "cubind_driver.h"

// clang-format off: it would nest the list
#define FUNCTIONS(X) \
    X(cuCtxGetCurrent) X(cuCtxSetCurrent) X(cuDeviceGet) X(cuDeviceGetAttribute) X(cuPointerGetAttribute) \
    X(cuEventCreate) X(cuEventDestroy_v2) X(cuEventRecord) X(cuStreamCreate) X(cuStreamDestroy_v2) X(cuStreamQuery) \
    X(cuMemAlloc_v2) X(cuMemFree_v2) X(cuMemcpyAsync) X(cuMemcpyHtoD_v2) X(cuLaunchKernel) X(cuLaunchKernelEx) \
    X(cuTensorMapEncodeTiled)
// clang-format on
#define DECLARE(name) static __typeof__(((struct cubind_driver_table *)NULL)->name) p_##name;
FUNCTIONS(DECLARE)

#ifdef RELEASE_GIL
#define CALL(...)                                   \
    do {                                            \
        PyThreadState *state = PyEval_SaveThread(); \
        __VA_ARGS__;                                \
        PyEval_RestoreThread(state);                \
    } while (0)
#else
#define CALL(...) __VA_ARGS__
#endif
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FUNCTION(name) static PyObject *name(PyObject *module, PyObject *const *a, Py_ssize_t n)
#define EXPECT(count) \
    if (UNLIKELY(n != (count))) return wrong_count()
#define CHECK(status) \
    if (UNLIKELY(status)) return fail(status)

static PyObject *Error;
static __attribute__((noinline, cold)) PyObject *fail(CUresult status) {
    PyObject *code = PyLong_FromLong(status);
    PyErr_SetObject(Error, code);
    Py_XDECREF(code);
    return NULL;
}
static __attribute__((noinline, cold)) PyObject *wrong_count(void) {
    PyErr_SetString(PyExc_TypeError, "wrong number of arguments");
    return NULL;
}

/* ---- handles: with a list of free ones --------------------------------------------------------------------------- */

typedef struct handle {
    PyObject_HEAD void *ptr;
} handle;
enum { N_FREE = 32 };
static handle *free_handles[N_FREE];
static int n_free;

static void handle_dealloc(PyObject *self) {
    if (n_free < N_FREE)
        free_handles[n_free++] = (handle *)self;
    else
        PyObject_Free(self);
}
static PyObject *handle_int(PyObject *self) {
    return PyLong_FromVoidPtr(((handle *)self)->ptr);
}
static PyNumberMethods handle_number = {.nb_int = handle_int};
static PyObject *handle_call(PyObject *type, PyObject *const *a, size_t n, PyObject *kw);
static PyTypeObject Handle = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "floor.Handle",
    .tp_basicsize = sizeof(handle),
    .tp_dealloc = handle_dealloc,
    .tp_as_number = &handle_number,
    .tp_vectorcall = handle_call,
};
static PyObject *new_handle(void *ptr) {
    handle *h;
    if (n_free) {
        h = free_handles[--n_free];
        Py_SET_REFCNT((PyObject *)h, 1);
    } else if (!(h = PyObject_New(handle, &Handle)))
        return NULL;
    h->ptr = ptr;
    return (PyObject *)h;
}
static PyObject *handle_call(PyObject *type, PyObject *const *a, size_t n, PyObject *kw) {
    if (PyVectorcall_NARGS(n) != 1 || kw) return wrong_count();
    void *ptr = PyLong_AsVoidPtr(a[0]);
    return ptr || !PyErr_Occurred() ? new_handle(ptr) : NULL;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static inline int to_pointer(PyObject *o, void *out) {
    if (Py_TYPE(o) == &Handle)
        *(void **)out = ((handle *)o)->ptr;
    else if (o == Py_None)
        *(void **)out = NULL;
    else if (!(*(void **)out = PyLong_AsVoidPtr(o)) && PyErr_Occurred())
        return -1;
    return 0;
}
static inline int to_int(PyObject *o, void *out) {
    long v = PyLong_AsLong(o);
    if (v == -1 && PyErr_Occurred()) return -1;
    *(int *)out = (int)v;
    return 0;
}
static inline int to_size(PyObject *o, size_t *out) {
    *out = PyLong_AsSize_t(o);
    return *out == (size_t)-1 && PyErr_Occurred() ? -1 : 0;
}

/* ---- short calls ------------------------------------------------------------------------------------------------- */

FUNCTION(ctx_get_current) {
    EXPECT(0);
    CUcontext context;
    CUresult r;
    CALL(r = p_cuCtxGetCurrent(&context));
    CHECK(r);
    return new_handle(context);
}
FUNCTION(device_get) {
    EXPECT(1);
    int ordinal;
    CUdevice device;
    CUresult r;
    if (to_int(a[0], &ordinal)) return NULL;
    CALL(r = p_cuDeviceGet(&device, ordinal));
    CHECK(r);
    return PyLong_FromLong(device);
}
FUNCTION(device_get_attribute) {
    EXPECT(2);
    int attribute, device, value;
    CUresult r;
    if (to_int(a[0], &attribute) || to_int(a[1], &device)) return NULL;
    CALL(r = p_cuDeviceGetAttribute(&value, (CUdevice_attribute)attribute, device));
    CHECK(r);
    return PyLong_FromLong(value);
}
FUNCTION(pointer_get_attribute) {
    EXPECT(2);
    int attribute;
    unsigned value;
    void *pointer;
    CUresult r;
    if (to_int(a[0], &attribute) || to_pointer(a[1], &pointer)) return NULL;
    CALL(r = p_cuPointerGetAttribute(&value, (CUpointer_attribute)attribute, (CUdeviceptr)pointer));
    CHECK(r);
    return PyLong_FromUnsignedLong(value);
}
/* name(flags) -> handle;  name(handle) -> None */
#define CREATE(name, type, call)                \
    FUNCTION(name) {                            \
        EXPECT(1);                              \
        int flags;                              \
        type made;                              \
        CUresult r;                             \
        if (to_int(a[0], &flags)) return NULL;  \
        CALL(r = call(&made, (unsigned)flags)); \
        CHECK(r);                               \
        return new_handle(made);                \
    }
#define TAKE(name, type, call)                     \
    FUNCTION(name) {                               \
        EXPECT(1);                                 \
        void *taken;                               \
        CUresult r;                                \
        if (to_pointer(a[0], &taken)) return NULL; \
        CALL(r = call((type)taken));               \
        CHECK(r);                                  \
        Py_RETURN_NONE;                            \
    }
CREATE(event_create, CUevent, p_cuEventCreate)
CREATE(stream_create, CUstream, p_cuStreamCreate)
TAKE(ctx_set_current, CUcontext, p_cuCtxSetCurrent)
TAKE(event_destroy, CUevent, p_cuEventDestroy_v2)
TAKE(stream_destroy, CUstream, p_cuStreamDestroy_v2)
TAKE(stream_query, CUstream, p_cuStreamQuery)
TAKE(mem_free, CUdeviceptr, p_cuMemFree_v2)

FUNCTION(event_record) {
    EXPECT(2);
    void *event, *stream;
    CUresult r;
    if (to_pointer(a[0], &event) || to_pointer(a[1], &stream)) return NULL;
    CALL(r = p_cuEventRecord(event, stream));
    CHECK(r);
    Py_RETURN_NONE;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

FUNCTION(mem_alloc) {
    EXPECT(1);
    size_t size;
    CUdeviceptr pointer;
    CUresult r;
    if (to_size(a[0], &size)) return NULL;
    CALL(r = p_cuMemAlloc_v2(&pointer, size));
    CHECK(r);
    return PyLong_FromUnsignedLongLong(pointer);
}
FUNCTION(memcpy_async) {
    EXPECT(4);
    void *to, *from, *stream;
    size_t size;
    CUresult r;
    if (to_pointer(a[0], &to) || to_pointer(a[1], &from) || to_size(a[2], &size) || to_pointer(a[3], &stream))
        return NULL;
    CALL(r = p_cuMemcpyAsync((CUdeviceptr)to, (CUdeviceptr)from, size, stream));
    CHECK(r);
    Py_RETURN_NONE;
}
FUNCTION(memcpy_htod) {
    EXPECT(3);
    void *to;
    size_t size;
    CUresult r;
    Py_buffer view = {.obj = NULL};
    if (to_pointer(a[0], &to) || to_size(a[2], &size)) return NULL;
    if (PyLong_CheckExact(a[1]) ? to_pointer(a[1], &view.buf) : PyObject_GetBuffer(a[1], &view, PyBUF_SIMPLE))
        return NULL;
    CALL(r = p_cuMemcpyHtoD_v2((CUdeviceptr)to, view.buf, size));
    if (view.obj) PyBuffer_Release(&view);
    CHECK(r);
    Py_RETURN_NONE;
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

enum { MAX_ARGUMENTS = 64, CODES = 256 };
static struct {
    PyObject *type;
    char code;
} codes[CODES]; /* class of ctypes -> how to pack, by address */

static inline unsigned slot_of(PyObject *type) {
    unsigned i = ((uint32_t)((uintptr_t)type >> 4) * 2654435761u) >> 24;
    while (codes[i].type && codes[i].type != type) i = (i + 1) % CODES;
    return i;
}
FUNCTION(set_type) {
    EXPECT(2);
    unsigned i = slot_of(a[0]);
    codes[i].type = Py_NewRef(a[0]);
    codes[i].code = *PyUnicode_AsUTF8(a[1]);
    Py_RETURN_NONE;
}
static inline int pack(char code, PyObject *o, uint64_t *word) {
    switch (code) {
    case 'P': return to_pointer(o, word);
    case 'i': return to_int(o, word);
    case 'Q': return to_size(o, word);
    case 'f': {
        double v = PyFloat_AsDouble(o);
        if (v == -1 && PyErr_Occurred()) return -1;
        float single = (float)v;
        memcpy(word, &single, sizeof single);
        return 0;
    }
    default: PyErr_SetString(PyExc_TypeError, "unknown type"); return -1;
    }
}
/* (values, classes of ctypes) or (values, "codes") */
static int pack_all(PyObject *params, uint64_t *words, void **pointers) {
    PyObject *values = PyTuple_GET_ITEM(params, 0), *types = PyTuple_GET_ITEM(params, 1);
    Py_ssize_t n = PyTuple_GET_SIZE(values), n_types;
    const char *given = PyUnicode_Check(types) ? PyUnicode_AsUTF8AndSize(types, &n_types) : NULL;
    if (!given) n_types = PyTuple_GET_SIZE(types);
    if (n != n_types || n > MAX_ARGUMENTS) return wrong_count() ? 0 : -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        char code = given ? given[i] : codes[slot_of(PyTuple_GET_ITEM(types, i))].code;
        if (pack(code, PyTuple_GET_ITEM(values, i), &words[i])) return -1;
        pointers[i] = &words[i];
    }
    return 0;
}
static inline int to_params(PyObject *o, uint64_t *words, void **pointers, void ***out) {
    if (!PyTuple_CheckExact(o)) return to_pointer(o, out);
    *out = pointers;
    return pack_all(o, words, pointers);
}
FUNCTION(launch_kernel) {
    EXPECT(10);
    void *f, *stream, *pointers[MAX_ARGUMENTS], **params;
    uint64_t words[MAX_ARGUMENTS];
    unsigned d[7];
    CUresult r;
    if (to_pointer(a[0], &f) || to_pointer(a[8], &stream)) return NULL;
    for (int i = 0; i < 7; i++)
        if (to_int(a[i + 1], &d[i])) return NULL;
    if (to_params(a[9], words, pointers, &params)) return NULL;
    CALL(r = p_cuLaunchKernel(f, d[0], d[1], d[2], d[3], d[4], d[5], d[6], stream, params, NULL));
    CHECK(r);
    Py_RETURN_NONE;
}

/* ---- structs: one getter and one setter, driven by a table ------------------------------------------------------- */

typedef struct record {
    PyObject_HEAD CUlaunchConfig config;
} record;
typedef struct field {
    size_t offset;
    int is_pointer;
} field;
static PyObject *get_field(PyObject *self, void *closure) {
    const field *f = closure;
    const char *at = (char *)&((record *)self)->config + f->offset;
    return f->is_pointer ? PyLong_FromVoidPtr(*(void **)at) : PyLong_FromUnsignedLong(*(unsigned *)at);
}
static int set_field(PyObject *self, PyObject *o, void *closure) {
    const field *f = closure;
    char *at = (char *)&((record *)self)->config + f->offset;
    return f->is_pointer ? to_pointer(o, at) : to_int(o, at);
}
static field fields[] = {{offsetof(CUlaunchConfig, gridDimX), 0}, {offsetof(CUlaunchConfig, hStream), 1}};
static PyGetSetDef record_getset[] = {
    {"gridDimX", get_field, set_field, NULL, &fields[0]}, {"hStream", get_field, set_field, NULL, &fields[1]}, {NULL}};
static PyObject *record_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    return type->tp_alloc(type, 0);
}
static PyTypeObject Record = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "floor.Record", .tp_basicsize = sizeof(record),
                              .tp_getset = record_getset, .tp_new = record_new};

FUNCTION(launch_kernel_ex) {
    EXPECT(3);
    void *f, *pointers[MAX_ARGUMENTS], **params;
    uint64_t words[MAX_ARGUMENTS];
    CUresult r;
    if (Py_TYPE(a[0]) != &Record || to_pointer(a[1], &f)) return wrong_count();
    if (to_params(a[2], words, pointers, &params)) return NULL;
    CALL(r = p_cuLaunchKernelEx(&((record *)a[0])->config, f, params, NULL));
    CHECK(r);
    Py_RETURN_NONE;
}

/* ---- tensor maps ------------------------------------------------------------------------------------------------- */

typedef struct tensor_map {
    PyObject_HEAD char memory[sizeof(CUtensorMap) + 64];
} tensor_map;
static PyTypeObject TensorMap = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "floor.TensorMap",
                                 .tp_basicsize = sizeof(tensor_map)};

/* n numbers of a list, as 64 or as 32 bits each */
static inline int numbers(PyObject *list, void *out, int n, int wide) {
    if (!PyList_CheckExact(list) || PyList_GET_SIZE(list) < n) return wrong_count() ? 0 : -1;
    for (int i = 0; i < n; i++) {
        size_t v;
        if (to_size(PyList_GET_ITEM(list, i), &v)) return -1;
        if (wide)
            ((uint64_t *)out)[i] = v;
        else
            ((uint32_t *)out)[i] = (uint32_t)v;
    }
    return 0;
}
FUNCTION(tensor_map_encode) {
    EXPECT(11);
    int type, rank, mode[4];
    void *pointer;
    uint64_t dims[5], strides[5];
    uint32_t box[5], steps[5];
    CUresult r;
    if (to_int(a[0], &type) || to_int(a[1], &rank) || rank < 1 || rank > 5 || to_pointer(a[2], &pointer))
        return wrong_count();
    if (numbers(a[3], dims, rank, 1) || numbers(a[4], strides, rank - 1, 1) || numbers(a[5], box, rank, 0) ||
        numbers(a[6], steps, rank, 0))
        return NULL;
    for (int i = 0; i < 4; i++)
        if (to_int(a[7 + i], &mode[i])) return NULL;
    tensor_map *made = PyObject_New(tensor_map, &TensorMap);
    if (!made) return NULL;
    CUtensorMap *map = (CUtensorMap *)(((uintptr_t)made->memory + 63) & ~(uintptr_t)63);
    CALL(r = p_cuTensorMapEncodeTiled(map, (CUtensorMapDataType)type, (unsigned)rank, pointer, dims, strides, box,
                                      steps, (CUtensorMapInterleave)mode[0], (CUtensorMapSwizzle)mode[1],
                                      (CUtensorMapL2promotion)mode[2], (CUtensorMapFloatOOBfill)mode[3]));
    if (UNLIKELY(r)) Py_DECREF(made);
    CHECK(r);
    return (PyObject *)made;
}

/* ---- enums: a dense table of members ----------------------------------------------------------------------------- */

static PyObject *members[1024];
FUNCTION(set_member) {
    EXPECT(1);
    long value = PyLong_AsLong(a[0]);
    if (value < 0 || value >= 1024) return wrong_count();
    members[value] = Py_NewRef(a[0]);
    Py_RETURN_NONE;
}
FUNCTION(enum_from_int) {
    EXPECT(1);
    long value = PyLong_AsLong(a[0]);
    return value >= 0 && value < 1024 && members[value] ? Py_NewRef(members[value]) : wrong_count();
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}
static PyMethodDef methods[] = {
    METHOD(ctx_get_current),
    METHOD(ctx_set_current),
    METHOD(device_get),
    METHOD(device_get_attribute),
    METHOD(pointer_get_attribute),
    METHOD(event_create),
    METHOD(event_destroy),
    METHOD(event_record),
    METHOD(stream_create),
    METHOD(stream_destroy),
    METHOD(stream_query),
    METHOD(mem_alloc),
    METHOD(mem_free),
    METHOD(memcpy_async),
    METHOD(memcpy_htod),
    METHOD(set_type),
    METHOD(launch_kernel),
    METHOD(launch_kernel_ex),
    METHOD(tensor_map_encode),
    METHOD(set_member),
    METHOD(enum_from_int),
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = NAME, .m_methods = methods};

PyMODINIT_FUNC INIT(void) {
    const char *path = getenv("CUBIND_DRIVER_LIBRARY");
    void *driver = dlopen(path ? path : "libcuda.so.1", RTLD_NOW);
    if (!driver) return PyErr_Format(PyExc_ImportError, "%s", dlerror());
#define LOAD(name) *(void **)&p_##name = dlsym(driver, #name);
    FUNCTIONS(LOAD)
    PyTypeObject *types[] = {&Handle, &Record, &TensorMap};
    for (int i = 0; i < 3; i++)
        if (PyType_Ready(types[i])) return NULL;
    PyObject *module = PyModule_Create(&definition);
    Error = PyErr_NewException("floor.Error", PyExc_RuntimeError, NULL);
    if (!module || !Error || PyModule_AddObjectRef(module, "Error", Error) ||
        PyModule_AddObjectRef(module, "Handle", (PyObject *)&Handle) ||
        PyModule_AddObjectRef(module, "Record", (PyObject *)&Record))
        return NULL;
    return module;
}
