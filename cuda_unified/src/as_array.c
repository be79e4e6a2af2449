/* as_array(): an array of whatever another library has, without a copy.  What a type offers is looked up once. */
#include "native.h"
#include "dlpack.h"
#include "interfaces.h"

/* NumPy's own arrays are fastest as buffers, where their type has a letter there. */
enum protocol {
    EXCHANGE,
    DLPACK,
    CUDA_INTERFACE,
    ARRAY_STRUCT,
    BUFFER,
    ARRAY_INTERFACE,
    PROTOCOLS,
    PLAIN_BUFFER,
    OURS
};

typedef struct {
    PyTypeObject *type; /* a reference, so that its address is not used again */
    const dlpack_exchange *api;
    int first;      /* what to try first */
    int has_struct; /* the type itself, not its instances */
    int is_lazy;    /* its objects may mean other numbers than their memory has: PyTorch's is_conj() and is_neg() */
} known_type;
enum { KNOWN_TYPES = 64 };
static known_type known[KNOWN_TYPES];

static known_type *place_of(PyObject *o) {
    return &known[((uintptr_t)Py_TYPE(o) >> 5) % KNOWN_TYPES];
}

static int has(PyTypeObject *type, const char *name) {
    PyObject *value = PyObject_GetAttrString((PyObject *)type, name);
    if (!value) PyErr_Clear();
    Py_XDECREF(value);
    return value != NULL;
}

/* numpy.ndarray itself: no class that derives from it, which may have ideas of its own. */
static int is_numpy(PyTypeObject *type) {
    PyObject *modules = PyImport_GetModuleDict(), *numpy = PyDict_GetItemString(modules, "numpy");
    PyObject *theirs = numpy ? PyObject_GetAttrString(numpy, "ndarray") : NULL;
    if (!theirs) PyErr_Clear();
    Py_XDECREF(theirs);
    return theirs == (PyObject *)type;
}

static COLD known_type learn(PyObject *o, known_type *place) {
    PyTypeObject *type = Py_TYPE(o);
    const dlpack_exchange *api = dlpack_exchange_of((PyObject *)type);
    int first = is_array(o) || is_buffer(o)             ? OURS
                : is_numpy(type)                        ? PLAIN_BUFFER
                : api                                   ? EXCHANGE
                : has(type, "__dlpack__")               ? DLPACK
                : has(type, "__cuda_array_interface__") ? CUDA_INTERFACE
                : has(type, "__array_struct__")         ? ARRAY_STRUCT
                : PyObject_CheckBuffer(o)               ? BUFFER
                : has(type, "__array_interface__")      ? ARRAY_INTERFACE
                                                        : DLPACK;
    known_type now = {(PyTypeObject *)Py_NewRef((PyObject *)type), api, first, has(type, "__array_struct__"),
                      has(type, "is_conj") && has(type, "is_neg")},
               before = *place;
    *place = now;
    Py_XDECREF((PyObject *)before.type); /* which may do anything, also to this table */
    return now;
}

/* NULL without an error: the object does not have it. */
static PyObject *import(int protocol, PyObject *o, PyObject *stream, const dlpack_exchange *api) {
    switch (protocol) {
    case EXCHANGE: return api ? dlpack_import_fast(api, o, stream) : NULL;
    case DLPACK: return dlpack_import(o, stream);
    case CUDA_INTERFACE: return cuda_interface_import(o, stream);
    case BUFFER: return buffer_import(o, 0);
    case PLAIN_BUFFER: return buffer_import(o, 1);
    case ARRAY_STRUCT: return array_struct_import(o);
    default: return array_interface_import(o);
    }
}

/* Every protocol in turn, where the first did not do; with its error, or none. */
static COLD PyObject *import_otherwise(PyObject *o, PyObject *stream, int tried, known_type *place) {
    PyObject *type, *value, *trace, *a = NULL;
    PyErr_Fetch(&type, &value, &trace);
    int absent = !type && tried != PLAIN_BUFFER;
    for (int p = DLPACK; p < PROTOCOLS && !a; p++) {
        if (p == tried) continue;
        a = import(p, o, stream, NULL);
        if (a && absent && place->type == Py_TYPE(o)) place->first = p; /* an attribute that its instances have */
        if (a || !PyErr_Occurred()) continue;
        if (type || !PyErr_ExceptionMatches(PyExc_BufferError)) {
            if (type) {
                PyErr_Clear();
                continue;
            }
            return NULL;
        }
        PyErr_Fetch(&type, &value, &trace);
    }
    if (!a && type) {
        PyErr_Restore(type, value, trace);
        return NULL;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    if (!a)
        PyErr_Format(PyExc_TypeError,
                     "as_array() takes an Array, a Buffer, or an object with __dlpack__, __cuda_array_interface__, the "
                     "buffer protocol "
                     "or __array_interface__, not %R; from_host() takes lists and numbers",
                     (PyObject *)Py_TYPE(o));
    return a;
}

/* Whether a method says True; -1 with an error. */
static int says(PyObject *o, const char *name) {
    PyObject *answer = PyObject_CallMethod(o, name, NULL);
    int yes = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return yes;
}

/* PyTorch exports some tensors that are conjugates or negatives as the memory that they are not: refused here. */
static PyObject *check_lazy(PyObject *o, PyObject *array) {
    unsigned code = ((array_object *)array)->dtype->code;
    if (code != DLPACK_COMPLEX && code != DLPACK_FLOAT && code != DLPACK_BFLOAT) return array;
    int neg = says(o, "is_neg"), conj = neg == 0 && code == DLPACK_COMPLEX ? says(o, "is_conj") : 0;
    if (!neg && !conj) return array;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_BufferError, "the memory of this tensor is not what it means: use resolve_%s() first",
                     neg ? "neg" : "conj");
    Py_DECREF(array);
    return NULL;
}

static PyObject *convert(PyObject *o, PyObject *stream) {
    known_type *place = place_of(o), k = *place;
    if (UNLIKELY(k.type != Py_TYPE(o) || k.first == OURS)) {
        if (is_array(o)) return array_usable((array_object *)o) ? Py_NewRef(o) : NULL;
        if (is_buffer(o)) return (PyObject *)array_of_buffer((buffer_object *)o);
        k = learn(o, place);
    }
    PyObject *a = import(k.first, o, stream, k.api);
    if (LIKELY(a != NULL)) return UNLIKELY(k.is_lazy) ? check_lazy(o, a) : a;
    if (k.first == PLAIN_BUFFER) PyErr_Clear(); /* whatever it does not like about this one, others say better */
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_BufferError)) return NULL;
    return import_otherwise(o, stream, k.first, place);
}

/* Keeps a writable array from being written, or refuses one that is not; takes the reference. */
static PyObject *with_access(PyObject *array, PyObject *o, PyObject *readonly) {
    array_object *a = (array_object *)array;
    int wanted = PyObject_IsTrue(readonly);
    if (wanted == 0 && a->read_only) PyErr_SetString(PyExc_ValueError, "readonly=False, and the memory is read-only");
    if (wanted < 0 || (!wanted && a->read_only)) return Py_DECREF(array), NULL;
    if (wanted == a->read_only) return array;
    if (array == o) {
        array_object *v = array_view(a, a->ndim);
        if (v) {
            memcpy(v->shape, a->shape, (size_t)a->ndim * sizeof *a->shape);
            memcpy(v->strides, a->strides, (size_t)a->ndim * sizeof *a->strides);
            v->size = a->size;
        }
        Py_DECREF(array);
        if (!(a = v)) return NULL;
    }
    a->read_only = 1;
    return (PyObject *)a;
}

/* as_array(obj, *, stream=None, readonly=None) */
static PyObject *as_array(PyObject *Py_UNUSED(module), arguments args, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"as_array", 1, 1, {"obj", "stream", "readonly", NULL}};
    if (LIKELY(n == 1 && !kwnames)) return convert(args[0], NULL);
    PyObject *out[MOST_PARAMETERS];
    if (parse_arguments(&s, args, n, kwnames, out)) return NULL;
    PyObject *a = convert(out[0], out[1]);
    return a && out[2] && out[2] != Py_None ? with_access(a, out[0], out[2]) : a;
}

/* The struct, or the dict; first what the type has, since looking for what is not there takes long. */
static PyObject *import_host_interface(PyObject *o) {
    known_type *place = place_of(o), k = *place;
    if (UNLIKELY(k.type != Py_TYPE(o))) k = learn(o, place);
    PyObject *a = k.has_struct ? array_struct_import(o) : array_interface_import(o);
    if (a || PyErr_Occurred()) return a;
    return k.has_struct ? array_interface_import(o) : array_struct_import(o);
}

/* One protocol alone; TypeError where the object does not have it. */
static PyObject *only(int protocol, const char *name, arguments args, Py_ssize_t n, PyObject *kwnames) {
    const signature s = {name, 1, 1, {"obj", protocol <= CUDA_INTERFACE ? "stream" : NULL, NULL}};
    PyObject *out[MOST_PARAMETERS] = {n ? args[0] : NULL, NULL};
    if ((n != 1 || kwnames) && parse_arguments(&s, args, n, kwnames, out)) return NULL;
    PyObject *o = out[0], *stream = protocol <= CUDA_INTERFACE ? out[1] : NULL;
    PyObject *a = protocol == ARRAY_STRUCT ? import_host_interface(o) : import(protocol, o, stream, NULL);
    if (!a && !PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "%s(): %R does not offer that protocol", name, (PyObject *)Py_TYPE(o));
    return a;
}

static PyObject *from_cuda_interface(PyObject *Py_UNUSED(module), arguments a, Py_ssize_t n, PyObject *kwnames) {
    return only(CUDA_INTERFACE, "from_cuda_array_interface", a, n, kwnames);
}

static PyObject *from_array_interface(PyObject *Py_UNUSED(module), arguments a, Py_ssize_t n, PyObject *kwnames) {
    return only(ARRAY_STRUCT, "from_array_interface", a, n, kwnames);
}

static PyObject *from_buffer(PyObject *Py_UNUSED(module), arguments a, Py_ssize_t n, PyObject *kwnames) {
    return only(BUFFER, "from_buffer", a, n, kwnames);
}

static int is_lazy(PyObject *o) {
    known_type *place = place_of(o), k = *place;
    return (LIKELY(k.type == Py_TYPE(o)) ? k : learn(o, place)).is_lazy;
}

/* from_dlpack(obj, *, device=None, copy=None, stream=None) */
static PyObject *from_dlpack(PyObject *Py_UNUSED(module), arguments args, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"from_dlpack", 1, 1, {"obj", "device", "copy", "stream", NULL}};
    PyObject *out[MOST_PARAMETERS] = {n ? args[0] : NULL};
    if (UNLIKELY(n != 1 || kwnames)) {
        if (parse_arguments(&s, args, n, kwnames, out)) return NULL;
        for (int i = 1; i < 4; i++)
            if (!out[i]) out[i] = Py_None;
        if (out[1] != Py_None || out[2] != Py_None) {
            PyObject *module = PyImport_ImportModule("cuda_unified.interop");
            PyObject *a =
                module ? PyObject_CallMethod(module, "from_dlpack_with", "OOOO", out[0], out[1], out[2], out[3]) : NULL;
            Py_XDECREF(module);
            return a && is_lazy(out[0]) ? check_lazy(out[0], a) : a;
        }
    }
    PyObject *a = dlpack_import(out[0], out[3]);
    if (!a && !PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "from_dlpack(): %R has no __dlpack__", (PyObject *)Py_TYPE(out[0]));
    return a && is_lazy(out[0]) ? check_lazy(out[0], a) : a;
}

static PyMethodDef functions[] = {
    {"as_array", FAST(as_array), METH_FASTCALL | METH_KEYWORDS,
     "as_array(obj, *, stream=None, readonly=None): an Array of the same memory, never a copy.\n\n"
     "Takes an Array, a Buffer (its bytes), and objects with DLPack (C exchange table or __dlpack__), the CUDA Array "
     "Interface, the\n"
     "buffer protocol, or NumPy's array interface.  Work on `stream` (default: the current one of the memory's device; "
     "-1: no order)\n"
     "begins after the producer's.  `readonly=True` gives an array that refuses to be written, False refuses read-only "
     "memory.\n"
     "TypeError: none of these.  BufferError: a type, device or layout that an Array cannot have."},
    {"from_dlpack", FAST(from_dlpack), METH_FASTCALL | METH_KEYWORDS,
     "from_dlpack(obj, *, device=None, copy=None, stream=None): an Array through DLPack, as the array API says.\n\n"
     "`device`: \"cpu\" or a Device to have it there; `copy`: True always, False never (BufferError), None where it is "
     "needed.\n"
     "https://data-apis.org/array-api/latest/API_specification/generated/array_api.from_dlpack.html"},
    {"from_cuda_array_interface", FAST(from_cuda_interface), METH_FASTCALL | METH_KEYWORDS,
     "from_cuda_array_interface(obj, *, stream=None): an Array through __cuda_array_interface__ alone."},
    {"from_array_interface", FAST(from_array_interface), METH_FASTCALL | METH_KEYWORDS,
     "from_array_interface(obj): an Array through NumPy's __array_struct__ or __array_interface__ alone."},
    {"from_buffer", FAST(from_buffer), METH_FASTCALL | METH_KEYWORDS,
     "from_buffer(obj): an Array through the buffer protocol alone."},
    {NULL, NULL, 0, NULL},
};

HIDDEN int dlpack_in_ready(PyObject *module);

int as_array_ready(PyObject *module) {
    return dlpack_in_ready(module) ? -1 : PyModule_AddFunctions(module, functions);
}
