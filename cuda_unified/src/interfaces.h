/* Between the files of the array interfaces. */
#pragma once

/* Names of attributes, keywords and entries, made once (dlpack_in.c). */
#define INTERFACE_NAMES(X)                \
    X(dlpack, "__dlpack__")               \
    X(dlpack_device, "__dlpack_device__") \
    X(max_version, "max_version")         \
    X(stream, "stream")                   \
    X(cuda, "__cuda_array_interface__")   \
    X(host, "__array_interface__")        \
    X(host_struct, "__array_struct__")    \
    X(shape, "shape")                     \
    X(typestr, "typestr")                 \
    X(descr, "descr")                     \
    X(strides, "strides")                 \
    X(data, "data")                       \
    X(offset, "offset")                   \
    X(mask, "mask")                       \
    X(version, "version")
extern HIDDEN struct interface_names {
#define X(name, text) PyObject *name;
    INTERFACE_NAMES(X)
#undef X
} N;

#if defined(Py_LIMITED_API) && Py_LIMITED_API < 0x030C0000 /* they are exported before they are in the limited API */
extern PyObject *PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t n, PyObject *kwnames);
extern PyObject *PyObject_VectorcallMethod(PyObject *name, PyObject *const *args, size_t n, PyObject *kwnames);
#endif

HIDDEN PyObject *interface_dict(array_object *a, const char *name);
/* The dict that an attribute is; NULL without an error: there is none. */
HIDDEN PyObject *interface_of(PyObject *o, PyObject *attribute);
/* Type, shape, strides, address and read-only flag of a dict; where `data` is an object, *data is it, else NULL. */
HIDDEN array_object *array_of_interface(PyObject *dict, const char *name, PyObject **data);
HIDDEN int import_stream(PyObject *argument, context_object *c, stream_object **out);
/* NULL without an error: the object has no such interface. */
HIDDEN PyObject *cuda_interface_import(PyObject *o, PyObject *stream);
HIDDEN PyObject *array_struct_import(PyObject *o);
HIDDEN PyObject *array_interface_import(PyObject *o);
HIDDEN PyObject *buffer_import(PyObject *o, int plain); /* plain: BufferError where the elements are records */
HIDDEN Py_buffer *view_new(void);                       /* for an array to keep; NULL: MemoryError */
HIDDEN void view_drop(Py_buffer *view);                 /* of an object that was not held */
HIDDEN void view_release(Py_buffer *view);              /* and of one that is */
