/* The CUDA Array Interface, version 3, both ways: https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html */
#include "native.h"
#include "interfaces.h"

/* ---- out ---------------------------------------------------------------------------------------------------------------- */

/* What both array interfaces have; NULL strides: contiguous. */
PyObject *interface_dict(array_object *a, const char *name) {
    if (!a->dtype->typestr) {
        PyErr_Format(PyExc_AttributeError, "%s cannot say %U; DLPack can", name, a->dtype->name);
        return NULL;
    }
    int plain = array_is_contiguous(a, 0);
    PyObject *strides = plain ? Py_NewRef(Py_None) : array_tuple(a->strides, a->ndim);
    PyObject *shape = strides ? array_tuple(a->shape, a->ndim) : NULL;
    PyObject *descr = shape && a->dtype->record ? PyObject_GetAttrString(a->dtype->record, "descr") : NULL;
    if (shape && a->dtype->record && !descr) PyErr_Clear(); /* NumPy has no description of it either */
    PyObject *dict = shape ? Py_BuildValue("{sNsOs(KO)sisN}", "shape", shape, "typestr", a->dtype->typestr, "data",
                                           (unsigned long long)(a->size ? a->pointer : 0),
                                           a->read_only ? Py_True : Py_False, "version", 3, "strides", strides)
                           : NULL;
    if (!shape) Py_XDECREF(strides);
    if (dict && descr && PyDict_SetItemString(dict, "descr", descr)) Py_CLEAR(dict);
    Py_XDECREF(descr);
    return dict;
}

PyObject *array_cuda_interface(PyObject *self, void *Py_UNUSED(closure)) {
    array_object *a = (array_object *)self;
    if (!array_shareable(a)) return NULL;
    if (!(a->flags & BY_DEVICE) || !a->context) {
        PyErr_SetString(PyExc_AttributeError, "__cuda_array_interface__ is for memory of a device; this is the host's");
        return NULL;
    }
    PyObject *dict = interface_dict(a, "__cuda_array_interface__");
    if (!dict) return NULL;
    stream_object *s = a->stream && !a->stream->closed ? (stream_object *)Py_NewRef((PyObject *)a->stream)
                                                       : current_stream(a->context);
    uintptr_t handle = s ? (uintptr_t)s->handle : 0;
    PyObject *number = s ? PyLong_FromUnsignedLongLong(handle ? handle : 1) : NULL;
    if (!number || PyDict_SetItemString(dict, "stream", number)) Py_CLEAR(dict);
    Py_XDECREF(number);
    Py_XDECREF((PyObject *)s);
    return dict;
}

/* ---- in ----------------------------------------------------------------------------------------------------------------- */

static unsigned char flags_of_type(unsigned type, unsigned managed) {
    if (managed) return BY_DEVICE | BY_HOST | IS_MANAGED;
    return type == CU_MEMORYTYPE_HOST ? BY_DEVICE | BY_HOST | IS_PINNED : BY_DEVICE;
}

/* Whose memory an address is, as the driver knows; 0, or -1 with an error. */
static int find_device(array_object *a) {
    unsigned type = 0, managed = 0;
    int ordinal = 0;
    CUpointer_attribute what[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
                                  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    void *values[] = {&type, &managed, &ordinal};
    PyObject *device = PyObject_CallNoArgs((PyObject *)device_class);
    context_object *c = device ? device_context((device_object *)device) : NULL;
    CUresult status = CUDA_SUCCESS;
    Py_XDECREF(device);
    if (!c || (a->size && CALL(c, 0, status, D.cuPointerGetAttributes(3, what, values, a->pointer)))) return -1;
    if (status) {
        fail(status, "cuPointerGetAttributes", "pointer=%p", (void *)(uintptr_t)a->pointer);
        return -1;
    }
    if (a->size && type != CU_MEMORYTYPE_HOST && type != CU_MEMORYTYPE_DEVICE && !managed) {
        PyErr_Format(PyExc_BufferError, "__cuda_array_interface__: the driver knows no memory at %p",
                     (void *)(uintptr_t)a->pointer);
        return -1;
    }
    a->flags = a->size ? flags_of_type(type, managed) : BY_DEVICE;
    device = a->size ? PyObject_CallFunction((PyObject *)device_class, "i", ordinal) : Py_NewRef(c->device);
    c = device ? device_context((device_object *)device) : NULL;
    Py_XDECREF(device);
    a->context = (context_object *)Py_XNewRef((PyObject *)c);
    return c ? 0 : -1;
}

/* Our stream begins after what the producer's has now. */
static int follow(array_object *a, PyObject *theirs, PyObject *stream) {
    stream_object *ours, *from;
    if (import_stream(stream, a->context, &ours)) return -1;
    if (!ours) return 0;
    array_ready_in(a, ours);
    int failed = 0;
    if (theirs && theirs != Py_None) {
        unsigned long long handle =
            PyLong_Check(theirs) && !PyBool_Check(theirs) ? PyLong_AsUnsignedLongLong(theirs) : 0;
        if (!handle || PyErr_Occurred()) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError,
                         "__cuda_array_interface__: stream must be None, 1 (legacy default), 2 (per-thread default) or "
                         "a handle, not %R",
                         theirs);
            failed = 1;
        } else {
            from = stream_new(a->context, (CUstream)(uintptr_t)handle, 0, NULL);
            failed = !from || stream_follows(ours->handle, ours->context, from);
            Py_XDECREF((PyObject *)from);
        }
    }
    Py_DECREF((PyObject *)ours);
    return failed ? -1 : 0;
}

/* Versions 0 to 3 are known; what a later one means nobody knows. */
static int version_known(PyObject *dict) {
    PyObject *version = PyDict_GetItemWithError(dict, N.version);
    if (!version) return !PyErr_Occurred();
    long number = PyLong_Check(version) ? PyLong_AsLong(version) : -1;
    if (number >= 0 && number <= 3) return 1;
    PyErr_Clear();
    PyErr_Format(PyExc_BufferError, "__cuda_array_interface__: versions 0 to 3 are known, not %R", version);
    return 0;
}

/* NULL without an error: the object has no such interface. */
PyObject *cuda_interface_import(PyObject *o, PyObject *stream) {
    PyObject *dict = interface_of(o, N.cuda);
    if (!dict) return NULL;
    array_object *a = version_known(dict) ? array_of_interface(dict, "__cuda_array_interface__", NULL) : NULL;
    if (a) array_own(a, o);
    PyObject *theirs = a ? PyDict_GetItemWithError(dict, N.stream) : NULL;
    if (a && (find_device(a) || follow(a, theirs, stream))) {
        Py_DECREF((PyObject *)a);
        a = NULL;
    }
    Py_DECREF(dict);
    return (PyObject *)a;
}
