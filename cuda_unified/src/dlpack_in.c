/* Arrays of other libraries, through DLPack. */
#include "native.h"
#include "dlpack.h"
#include "interfaces.h"

/* ---- the managed tensor -------------------------------------------------------------------------------------------------- */

void dlpack_release(void *managed, int versioned) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (versioned) {
        dlpack_versioned *m = managed;
        if (m->deleter) m->deleter(m);
    } else {
        dlpack_managed *m = managed;
        if (m->deleter) m->deleter(m);
    }
    PyErr_Restore(type, value, trace);
}

int dlpack_right_version(const dlpack_versioned *m) {
    if (LIKELY(m->version.major == DLPACK_MAJOR)) return 1;
    unsigned major = m->version.major;
    dlpack_release((void *)m, 1); /* the only thing that may be done with it */
    PyErr_Format(PyExc_BufferError, "a tensor of DLPack version %u; this library knows version %d", major,
                 DLPACK_MAJOR);
    return 0;
}

/* Where the memory is: flags and context of the array; -1 with an error. */
static int take_device(array_object *a, const dlpack_tensor *t) {
    int id = t->device_id;
    switch (t->device_type) {
    case DLPACK_CPU: a->flags = BY_HOST; return 0;
    case DLPACK_CUDA: a->flags = BY_DEVICE; break;
    case DLPACK_CUDA_HOST: a->flags = BY_DEVICE | BY_HOST | IS_PINNED; break;
    case DLPACK_CUDA_MANAGED: a->flags = BY_DEVICE | BY_HOST | IS_MANAGED; break;
    default:
        PyErr_Format(PyExc_BufferError,
                     "memory of DLPack's device type %d: CPU (1), CUDA (2), pinned (3) and managed (13) "
                     "can be taken",
                     t->device_type);
        return -1;
    }
    PyObject *device = t->device_type == DLPACK_CUDA ? PyObject_CallFunction((PyObject *)device_class, "i", id)
                                                     : PyObject_CallNoArgs((PyObject *)device_class);
    context_object *c = device ? device_context((device_object *)device) : NULL;
    Py_XDECREF(device);
    a->context = (context_object *)Py_XNewRef((PyObject *)c);
    return c ? 0 : -1;
}

static int take_type(array_object *a, const dlpack_tensor *t, uint64_t flags) {
    unsigned bits = (unsigned)t->bits * t->lanes;
    if (t->bits && bits % 8 && !(t->lanes == 1 && flags & DLPACK_SUBBYTE_PADDED)) {
        PyErr_Format(PyExc_BufferError, "elements of %d bits and %d lanes that are packed have no address of their own",
                     t->bits, t->lanes);
        return -1;
    }
    if (bits % 8 == 0 && t->bits < 8 && flags & DLPACK_SUBBYTE_PADDED) {
        PyErr_SetString(PyExc_BufferError, "lanes of fewer than 8 bits that are padded");
        return -1;
    }
    a->dtype = (dtype_object *)Py_XNewRef((PyObject *)dtype_of_code(t->code, t->bits, t->lanes));
    return a->dtype ? 0 : -1;
}

static int take_strides(array_object *a, const dlpack_tensor *t) {
    int64_t itemsize = (int64_t)a->dtype->itemsize;
    for (int i = 0; i < t->ndim; i++)
        if (UNLIKELY(__builtin_mul_overflow(t->strides[i], itemsize, &a->strides[i]))) {
            if (a->shape[i] < 2 || !a->size) {
                a->strides[i] = itemsize; /* which is never used */
                continue;
            }
            PyErr_Format(PyExc_BufferError, "a stride of %lld elements", (long long)t->strides[i]);
            return -1;
        }
    return 0;
}

static array_object *array_of_tensor(const dlpack_tensor *t, uint64_t flags) {
    if (t->ndim < 0 || t->ndim > MOST_DIMENSIONS || (t->ndim && !t->shape)) {
        PyErr_Format(PyExc_BufferError, "a tensor of %d dimensions%s", t->ndim,
                     t->ndim > 0 && !t->shape ? " without a shape" : "");
        return NULL;
    }
    array_object *a = array_new(t->ndim);
    if (!a) return NULL;
    if (take_type(a, t, flags) || take_device(a, t)) goto failed;
    for (int i = 0; i < t->ndim; i++) a->shape[i] = t->shape[i];
    if (array_set_size(a)) goto failed;
    if (!t->strides)
        array_set_compact(a); /* before DLPack 1.2 */
    else if (take_strides(a, t))
        goto failed;
    if (a->size && !t->data) {
        PyErr_SetString(PyExc_BufferError, "a tensor with elements and without an address");
        goto failed;
    }
    a->pointer = a->size ? (uint64_t)(uintptr_t)t->data + t->byte_offset : 0;
    a->read_only = (flags & DLPACK_READ_ONLY) != 0;
    return a;
failed:
    Py_DECREF((PyObject *)a);
    return NULL;
}

array_object *dlpack_adopt(void *managed, int versioned) {
    const dlpack_versioned *m = managed;
    array_object *a = versioned ? array_of_tensor(&m->tensor, m->flags)
                                : array_of_tensor(&((const dlpack_managed *)managed)->tensor, 0);
    if (!a) return NULL;
    a->kept = managed;
    a->keeps = versioned ? KEEPS_DLPACK_VERSIONED : KEEPS_DLPACK;
    return a;
}

/* ---- capsules -------------------------------------------------------------------------------------------------------------- */

/* The array of a capsule, which is used up by this; *copied: what its flag says, -1 where it has none. */
static array_object *consume(PyObject *capsule, int *copied) {
    int versioned = PyCapsule_IsValid(capsule, "dltensor_versioned");
    *copied = -1;
    if (!versioned && !PyCapsule_IsValid(capsule, "dltensor")) {
        const char *name = PyCapsule_CheckExact(capsule) ? PyCapsule_GetName(capsule) : NULL;
        int used = name && strncmp(name, "used_dltensor", 13) == 0;
        PyErr_Format(used ? PyExc_ValueError : PyExc_TypeError,
                     used ? "this DLPack capsule was used already: each is for one consumer" : "no DLPack capsule: %R",
                     capsule);
        return NULL;
    }
    void *m = PyCapsule_GetPointer(capsule, versioned ? "dltensor_versioned" : "dltensor");
    if (versioned && ((dlpack_versioned *)m)->version.major != DLPACK_MAJOR) {
        PyCapsule_SetName(capsule, "used_dltensor_versioned");
        dlpack_right_version(m);
        return NULL;
    }
    array_object *a = dlpack_adopt(m, versioned); /* where that fails, the capsule deletes the tensor */
    if (!a) return NULL;
    if (versioned) *copied = (((dlpack_versioned *)m)->flags & DLPACK_IS_COPIED) != 0;
    PyCapsule_SetName(capsule, versioned ? "used_dltensor_versioned" : "used_dltensor");
    return a;
}

/* consume_capsule(capsule) -> (array, copied: True, False or None where the producer does not say) */
static PyObject *consume_capsule(PyObject *Py_UNUSED(module), PyObject *capsule) {
    int copied;
    array_object *a = consume(capsule, &copied);
    return a ? Py_BuildValue("(NO)", a, copied < 0 ? Py_None : copied ? Py_True : Py_False) : NULL;
}

/* ---- calling a producer ---------------------------------------------------------------------------------------------------- */

struct interface_names N;
static PyObject *version, *host_keywords, *order_keywords; /* (1, 3), ("max_version",), ("max_version", "stream") */

int import_stream(PyObject *o, context_object *c, stream_object **out) {
    *out = NULL;
    if (o && PyLong_CheckExact(o) && PyLong_AsLong(o) == -1) return 0;
    PyErr_Clear();
    *out = to_stream(o, c, "as_array");
    return *out ? 0 : -1;
}

/* The context that a producer's stream must be of: (type, id) as __dlpack_device__ gives it.  *c NULL: the host. */
static int device_of(PyObject *producer, context_object **c) {
    dlpack_tensor t = {0};
    *c = NULL;
    PyObject *pair = PyObject_VectorcallMethod(N.dlpack_device, &producer, 1, NULL);
    if (!pair) return -1;
    int failed = 0, type = 0, id = 0;
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_Format(PyExc_TypeError, "%R.__dlpack_device__() must be a tuple of two ints, not %R",
                     (PyObject *)Py_TYPE(producer), pair);
        failed = 1;
    } else {
        failed = to_int(PyTuple_GetItem(pair, 0), "device type", &type) ||
                 to_int(PyTuple_GetItem(pair, 1), "device number", &id);
    }
    Py_DECREF(pair);
    if (failed) return -1;
    if (LIKELY(type == DLPACK_CPU)) return 0;
    array_object a;
    memset(&a, 0, sizeof a);
    t.device_type = type;
    t.device_id = id;
    if (take_device(&a, &t)) return -1;
    Py_XDECREF((PyObject *)a.context); /* devices and their contexts live for ever */
    *c = a.context;
    return 0;
}

/* producer.__dlpack__(max_version=..., stream=...), without max_version where it is older than that; s NULL: no order, where the
 * memory is a device's. */
static PyObject *call(PyObject *producer, int on_device, const stream_object *s) {
    PyObject *a[3] = {producer, version, NULL}, *capsule;
    if (LIKELY(!on_device)) {
        capsule = PyObject_VectorcallMethod(N.dlpack, a, 1, host_keywords);
        if (LIKELY(capsule) || !PyErr_ExceptionMatches(PyExc_TypeError)) return capsule;
        PyErr_Clear();
        return PyObject_VectorcallMethod(N.dlpack, a, 1, NULL);
    }
    uintptr_t handle = s ? (uintptr_t)s->handle : 0;
    a[2] = s ? PyLong_FromUnsignedLongLong(handle ? handle : 1) : PyLong_FromLong(-1);
    if (!a[2]) return NULL;
    capsule = PyObject_VectorcallMethod(N.dlpack, a, 1, order_keywords);
    if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyObject *older[] = {producer, a[2]}, *keywords = PyTuple_Pack(1, N.stream);
        PyErr_Clear();
        capsule = keywords ? PyObject_VectorcallMethod(N.dlpack, older, 1, keywords) : NULL;
        Py_XDECREF(keywords);
    }
    Py_DECREF(a[2]);
    return capsule;
}

/* NULL without an error: it has no __dlpack__. */
PyObject *dlpack_import(PyObject *producer, PyObject *stream) {
    context_object *c;
    stream_object *s = NULL;
    int copied;
    array_object *a = NULL;
    if (device_of(producer, &c)) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
        PyObject *type, *value, *trace, *method; /* of what does not exist, or of something within? */
        PyErr_Fetch(&type, &value, &trace);
        method = PyObject_GetAttr(producer, N.dlpack);
        if (method) {
            PyErr_Restore(type, value, trace);
            return Py_DECREF(method), NULL;
        }
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return NULL;
    }
    PyObject *capsule = c && import_stream(stream, c, &s) ? NULL : call(producer, c != NULL, s);
    if (capsule && (a = consume(capsule, &copied)) && s) array_ready_in(a, s);
    Py_XDECREF(capsule);
    Py_XDECREF((PyObject *)s);
    return (PyObject *)a;
}

/* ---- through a type's table of functions -------------------------------------------------------------------------------------- */

/* Work of our stream begins after what the producer's current stream has. */
static int follow_producer(const dlpack_exchange *api, array_object *a, const dlpack_tensor *t, PyObject *stream) {
    stream_object *ours, *theirs;
    void *handle = NULL;
    if (import_stream(stream, a->context, &ours)) return -1;
    if (!ours) return 0;
    array_ready_in(a, ours);
    int failed = api->current_work_stream(t->device_type, t->device_id, &handle) != 0;
    theirs = failed ? NULL : stream_new(a->context, handle ? handle : (CUstream)(uintptr_t)1, 0, NULL);
    failed = !theirs || stream_follows(ours->handle, ours->context, theirs);
    Py_XDECREF((PyObject *)theirs);
    Py_DECREF((PyObject *)ours);
    if (failed && !PyErr_Occurred())
        PyErr_SetString(PyExc_BufferError, "the producer did not say which stream it uses");
    return failed ? -1 : 0;
}

PyObject *dlpack_import_fast(const dlpack_exchange *api, PyObject *producer, PyObject *stream) {
    dlpack_versioned *m = NULL;
    if (api->managed_tensor_from_py_object_no_sync(producer, &m) || !m) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_BufferError, "%R gave no tensor", (PyObject *)Py_TYPE(producer));
        return NULL;
    }
    if (!dlpack_right_version(m)) return NULL;
    array_object *a = dlpack_adopt(m, 1);
    if (!a) return dlpack_release(m, 1), NULL;
    if (a->context && follow_producer(api, a, &m->tensor, stream)) return Py_DECREF((PyObject *)a), NULL;
    return (PyObject *)a;
}

static PyMethodDef functions[] = {
    {"consume_capsule", consume_capsule, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

HIDDEN int dlpack_in_ready(PyObject *module);
int dlpack_in_ready(PyObject *module) {
#define X(name, text) \
    if (!(N.name = PyUnicode_InternFromString(text))) return -1;
    INTERFACE_NAMES(X)
#undef X
    host_keywords = PyTuple_Pack(1, N.max_version);
    order_keywords = PyTuple_Pack(2, N.max_version, N.stream);
    if (!host_keywords || !order_keywords) return -1;
    version = Py_BuildValue("(ii)", DLPACK_MAJOR, DLPACK_MINOR);
    return version ? PyModule_AddFunctions(module, functions) : -1;
}
