/* Arrays: elements with a type, a shape and strides, in memory of a Buffer or of somebody else. */
#include "native.h"
#include <stdlib.h>
#include "dlpack.h"
#include "interfaces.h"

PyTypeObject *Array_type;

/* Arrays that died, to use again: that takes a fifth of what the allocator and the collector's head take.  Not where
 * objects are freed by other rules than reference counts alone. */
#ifndef Py_GIL_DISABLED
enum { MOST_SPARE = 8 };
static PyObject *spare[MOST_SPARE];
static int spares;

static PyObject *take_spare(void) {
    return LIKELY(spares) ? PyObject_Init(spare[--spares], Array_type) : NULL;
}
static int keep_spare(PyObject *self) {
    if (UNLIKELY(spares == MOST_SPARE || Py_TYPE(self) != Array_type)) return 0;
    spare[spares++] = self;
    return 1;
}
#else
static PyObject *take_spare(void) {
    return NULL;
}
static int keep_spare(PyObject *Py_UNUSED(self)) {
    return 0;
}
#endif

array_object *array_new(int ndim) {
    /* not tracked: array_may_cycle() does that where needed */
    array_object *a = (array_object *)take_spare();
    if (UNLIKELY(!a) && !(a = PyObject_GC_New(array_object, Array_type))) return NULL;
    memset((char *)a + sizeof(PyObject), 0, offsetof(array_object, few) - sizeof(PyObject));
    a->ndim = ndim;
    a->shape = a->few;
    a->strides = a->few + FEW_DIMENSIONS;
    if (LIKELY(ndim <= FEW_DIMENSIONS)) return a;
    a->shape = PyMem_Malloc(2 * (size_t)ndim * sizeof *a->shape);
    a->strides = a->shape + ndim;
    if (a->shape) return a;
    a->shape = a->few;
    Py_DECREF((PyObject *)a);
    return (array_object *)PyErr_NoMemory();
}

int array_set_size(array_object *a) {
    uint64_t size = 1, bytes = a->dtype->itemsize;
    for (int i = 0; i < a->ndim; i++) {
        if (UNLIKELY(a->shape[i] < 0)) {
            PyErr_Format(PyExc_BufferError, "a dimension of %lld elements", (long long)a->shape[i]);
            return -1;
        }
        if (UNLIKELY(__builtin_mul_overflow(size, (uint64_t)a->shape[i], &size))) size = UINT64_MAX;
        if (UNLIKELY(!a->shape[i])) return a->size = 0;
    }
    if (UNLIKELY(size == UINT64_MAX || __builtin_mul_overflow(size, bytes, &bytes) || bytes > PY_SSIZE_T_MAX)) {
        PyErr_SetString(PyExc_BufferError, "the array is larger than the address space");
        return -1;
    }
    a->size = (size_t)size;
    return 0;
}

void array_set_compact(array_object *a) {
    int64_t stride = (int64_t)a->dtype->itemsize;
    for (int i = a->ndim; i--;) {
        a->strides[i] = stride;
        stride *= a->shape[i] > 1 ? a->shape[i] : 1;
    }
}

/* Whether the collector has to look at what an array keeps: most of it can lead nowhere, as NumPy's arrays and buffers of pools. */
static int may_lead_back(PyObject *o) {
    if (PyByteArray_CheckExact(o) || PyBytes_CheckExact(o)) return 0;
    if (PyMemoryView_Check(o)) return 1;
    if (PyTuple_CheckExact(o)) o = PyTuple_GetItem(o, 0); /* (object, capsule) */
    if (!(PyType_GetFlags(Py_TYPE(o)) & Py_TPFLAGS_HAVE_GC)) return 0;
    return !(is_buffer(o) || is_array(o)) || PyObject_GC_IsTracked(o);
}

void array_may_cycle(array_object *a, PyObject *through) {
    if (LIKELY(a->tracked || !through || !may_lead_back(through))) return;
    a->tracked = 1;
    PyObject_GC_Track(a);
}

void array_own(array_object *a, PyObject *owner) {
    a->owner = Py_NewRef(owner);
    a->buffer = is_buffer(owner) ? (buffer_object *)owner : NULL;
    array_may_cycle(a, owner);
}

array_object *array_view(array_object *a, int ndim) {
    array_object *v = array_usable(a) ? array_new(ndim) : NULL;
    if (UNLIKELY(!v)) return NULL;
    v->pointer = a->pointer;
    v->context = (context_object *)Py_XNewRef((PyObject *)a->context);
    v->stream = (stream_object *)Py_XNewRef((PyObject *)a->stream);
    v->dtype = (dtype_object *)Py_NewRef((PyObject *)a->dtype);
    v->flags = a->flags;
    v->read_only = a->read_only;
    PyObject *owner = a->keeps != KEEPS_NOTHING || !a->owner ? (PyObject *)a : a->owner;
    array_own(v, owner);
    return v;
}

array_object *array_of_buffer(buffer_object *b) {
    array_object *a = buffer_usable(b) ? array_new(1) : NULL;
    dtype_object *bytes = a ? dtype_of_code(DLPACK_UINT, 8, 1) : NULL;
    if (!bytes) return Py_XDECREF((PyObject *)a), NULL;
    a->pointer = b->pointer;
    a->context = (context_object *)Py_XNewRef((PyObject *)b->context);
    a->stream = (stream_object *)Py_XNewRef((PyObject *)b->stream);
    a->dtype = (dtype_object *)Py_NewRef((PyObject *)bytes);
    a->flags = b->flags;
    a->read_only = (b->flags & IS_READ_ONLY) != 0;
    a->shape[0] = (int64_t)(a->size = b->size);
    a->strides[0] = 1;
    array_own(a, (PyObject *)b);
    return a;
}

PyObject *buffer_dlpack(PyObject *self, arguments args, Py_ssize_t n, PyObject *kwnames) {
    array_object *a = array_of_buffer((buffer_object *)self);
    PyObject *capsule = a ? array_dlpack((PyObject *)a, args, n, kwnames) : NULL;
    Py_XDECREF((PyObject *)a);
    return capsule;
}

PyObject *buffer_dlpack_device(PyObject *self, PyObject *unused) {
    array_object *a = array_of_buffer((buffer_object *)self);
    PyObject *pair = a ? array_dlpack_device((PyObject *)a, unused) : NULL;
    Py_XDECREF((PyObject *)a);
    return pair;
}

PyObject *buffer_cuda_interface(PyObject *self, void *closure) {
    array_object *a = array_of_buffer((buffer_object *)self);
    PyObject *dict = a ? array_cuda_interface((PyObject *)a, closure) : NULL;
    Py_XDECREF((PyObject *)a);
    return dict;
}

array_object *array_on_host(int ndim, const int64_t *shape, dtype_object *d) {
    array_object *a = array_new(ndim);
    if (!a) return NULL;
    a->dtype = (dtype_object *)Py_NewRef((PyObject *)d);
    a->flags = BY_HOST;
    memcpy(a->shape, shape, (size_t)ndim * sizeof *shape);
    size_t bytes = array_set_size(a) ? 0 : a->size * d->itemsize;
    if (!PyErr_Occurred() && bytes && posix_memalign(&a->kept, 64, bytes)) {
        a->kept = NULL;
        PyErr_NoMemory();
    }
    if (PyErr_Occurred()) return Py_DECREF((PyObject *)a), NULL;
    a->keeps = KEEPS_HOST_MEMORY;
    a->pointer = (uint64_t)(uintptr_t)a->kept;
    array_set_compact(a);
    return a;
}

/* A handle that somebody gave as an int may be gone when it is needed: it is not remembered. */
void array_set_stream(array_object *a, stream_object *s) {
    if (s && !s->owned && s->owner && PyLong_Check(s->owner) && (uintptr_t)s->handle > 2) s = NULL;
    PyObject *before = (PyObject *)a->stream;
    a->stream = (stream_object *)Py_XNewRef((PyObject *)s);
    Py_XDECREF(before);
}

int array_is_contiguous(const array_object *a, int fortran) {
    int64_t expected = (int64_t)a->dtype->itemsize;
    if (!a->size) return 1;
    for (int k = 0; k < a->ndim; k++) {
        int i = fortran ? k : a->ndim - 1 - k;
        if (a->shape[i] == 1) continue;
        if (a->strides[i] != expected) return 0;
        expected *= a->shape[i];
    }
    return 1;
}

int array_element_strides(array_object *a) {
    if (a->element_strides || !a->ndim) return 0;
    int64_t itemsize = (int64_t)a->dtype->itemsize, *strides = PyMem_Malloc((size_t)a->ndim * sizeof *strides);
    if (!strides) return PyErr_NoMemory(), -1;
    for (int i = 0; i < a->ndim; i++) {
        int matters = a->shape[i] > 1 && a->size;
        if (matters && a->strides[i] % itemsize) {
            PyErr_Format(PyExc_BufferError, "DLPack counts strides in elements: %lld bytes are no multiple of %lld",
                         (long long)a->strides[i], (long long)itemsize);
            PyMem_Free(strides);
            return -1;
        }
        strides[i] = a->strides[i] / itemsize;
    }
    a->element_strides = strides;
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static void give_back(array_object *a) {
    if (a->keeps == KEEPS_HOST_MEMORY) {
        free(a->kept);
    } else if (a->keeps == KEEPS_VIEW) {
        view_release(a->kept);
    } else if (a->keeps != KEEPS_NOTHING && !is_ending && !(in_child && a->context)) {
        dlpack_release(a->kept, a->keeps == KEEPS_DLPACK_VERSIONED);
    }
}

/* What it keeps never changes: a cycle is broken elsewhere, as with tuples. */
static int array_traverse(PyObject *self, visitproc visit, void *arg) {
    array_object *a = (array_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(a->owner);
    if (a->keeps == KEEPS_VIEW) Py_VISIT(((Py_buffer *)a->kept)->obj);
    return 0;
}

static void array_dealloc(PyObject *self) {
    array_object *a = (array_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (UNLIKELY(a->tracked)) PyObject_GC_UnTrack(self);
    if (UNLIKELY(a->weakrefs != NULL)) PyObject_ClearWeakRefs(self);
    if (a->keeps) give_back(a);
    Py_XDECREF((PyObject *)a->context);
    Py_XDECREF((PyObject *)a->stream);
    Py_XDECREF((PyObject *)a->dtype);
    Py_XDECREF(a->owner);
    if (UNLIKELY(a->shape != a->few)) PyMem_Free(a->shape);
    if (UNLIKELY(a->element_strides != NULL)) PyMem_Free(a->element_strides);
    if (!keep_spare(self)) PyObject_GC_Del(self);
    Py_DECREF((PyObject *)type);
}

/* ---- what Python sees -------------------------------------------------------------------------------------------------- */

PyObject *array_tuple(const int64_t *values, int n) {
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *value = PyLong_FromLongLong(values[i]);
        if (!value || PyTuple_SetItem(tuple, i, value)) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}

static PyObject *get_pointer(PyObject *self, void *Py_UNUSED(closure)) {
    array_object *a = (array_object *)self;
    return array_usable(a) ? PyLong_FromUnsignedLongLong(a->pointer) : NULL;
}

static PyObject *get_shape(PyObject *self, void *Py_UNUSED(closure)) {
    return array_tuple(((array_object *)self)->shape, ((array_object *)self)->ndim);
}

static PyObject *get_strides(PyObject *self, void *Py_UNUSED(closure)) {
    return array_tuple(((array_object *)self)->strides, ((array_object *)self)->ndim);
}

static PyObject *get_nbytes(PyObject *self, void *Py_UNUSED(closure)) {
    array_object *a = (array_object *)self;
    return PyLong_FromSize_t(a->size * a->dtype->itemsize);
}

static PyObject *get_itemsize(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(((array_object *)self)->dtype->itemsize);
}

static PyObject *get_buffer(PyObject *self, void *Py_UNUSED(closure)) {
    buffer_object *b = ((array_object *)self)->buffer;
    return Py_NewRef(b ? (PyObject *)b : Py_None);
}

static PyObject *get_stream(PyObject *self, void *Py_UNUSED(closure)) {
    stream_object *s = ((array_object *)self)->stream;
    return Py_NewRef(s ? (PyObject *)s : Py_None);
}

static int set_stream(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    if (!value || (value != Py_None && !is_stream(value))) {
        PyErr_SetString(PyExc_TypeError, "the stream of an Array is a Stream or None");
        return -1;
    }
    array_ready_in((array_object *)self, value == Py_None ? NULL : (stream_object *)value);
    return 0;
}

static PyObject *is_contiguous(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(array_is_contiguous((array_object *)self, 0));
}

static Py_ssize_t length(PyObject *self) {
    array_object *a = (array_object *)self;
    if (a->ndim) return (Py_ssize_t)a->shape[0];
    PyErr_SetString(PyExc_TypeError, "an array without dimensions has no len()");
    return -1;
}

static PyMethodDef methods[] = {
    {"__dlpack__", FAST(array_dlpack), METH_FASTCALL | METH_KEYWORDS,
     "__dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None): a DLPack capsule for another "
     "library.\n\n"
     "`stream` is the consumer's: -1 no order, None or 1 the legacy default stream, 2 the per-thread one, else a "
     "handle;\n"
     "work there begins after what the array's stream and this thread's current stream have now.  `dl_device=(1, 0)`: "
     "memory of\n"
     "the host, synchronized, a copy where the host cannot read the array.  BufferError: DLPack cannot say it."},
    {"__dlpack_device__", array_dlpack_device, METH_NOARGS, "(device type, device number) as DLPack counts them."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"ndim", T_INT, offsetof(array_object, ndim), READONLY, "How many dimensions."},
    {"size", T_PYSSIZET, offsetof(array_object, size), READONLY, "How many elements."},
    {"dtype", T_OBJECT_EX, offsetof(array_object, dtype), READONLY, "The DType of the elements."},
    {"readonly", T_BOOL, offsetof(array_object, read_only), READONLY, "Whether it refuses to be written."},
    {"context", T_OBJECT, offsetof(array_object, context), READONLY, "The context of the memory; None for the host's."},
    {"owner", T_OBJECT, offsetof(array_object, owner), READONLY, "What keeps the memory alive."},
    {"_flags", T_UBYTE, offsetof(array_object, flags), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(array_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"pointer", get_pointer, NULL, "The address of the first element, an int; ClosedError once the Buffer is closed.",
     NULL},
    {"shape", get_shape, NULL, "A tuple: elements of each dimension.", NULL},
    {"strides", get_strides, NULL, "A tuple: bytes from one element to the next of each dimension.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of one element.", NULL},
    {"buffer", get_buffer, NULL, "The Buffer whose memory it is; None where another library owns it.", NULL},
    {"stream", get_stream, set_stream,
     "The stream in whose order the data is ready, as far as is known: exports let others wait for it.", NULL},
    {"is_contiguous", is_contiguous, NULL, "Whether the elements lie in C order without gaps.", NULL},
    {"__cuda_array_interface__", array_cuda_interface, NULL,
     "https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html, version 3", NULL},
    {"__array_interface__", array_host_interface, NULL,
     "https://numpy.org/doc/stable/reference/arrays.interface.html, where the host can read the memory", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, array_dealloc},
    {Py_tp_traverse, array_traverse},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {Py_mp_length, length},
    {Py_mp_subscript, array_subscript},
    {Py_bf_getbuffer, array_getbuffer},
    {Py_bf_releasebuffer, array_releasebuffer},
    {0, NULL},
};
static PyType_Spec spec = {
    "cuda_unified._native.Array", sizeof(array_object), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC, slots};

int array_ready(PyObject *module) {
    extern HIDDEN PyMethodDef array_making[];
    Array_type = add_type(module, &spec, NULL);
    return Array_type ? PyModule_AddFunctions(module, array_making) : -1;
}
