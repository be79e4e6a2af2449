/* Arrays from their parts, as Python asks for them: over a Buffer, over a bare address, over other arrays, in new memory of the host. */
#include "native.h"

int to_dimensions(PyObject *o, const char *what, int64_t *out) {
    PyObject *tuple = PyIndex_Check(o) ? PyTuple_Pack(1, o) : PySequence_Tuple(o);
    Py_ssize_t n = tuple ? PyTuple_Size(tuple) : -1;
    if (n < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "%s must be an int or a sequence of ints, not %R", what,
                         (PyObject *)Py_TYPE(o));
        return -1;
    }
    if (n > MOST_DIMENSIONS) {
        PyErr_Format(PyExc_ValueError, "%s has %zd dimensions; at most %d are possible", what, n, MOST_DIMENSIONS);
        n = -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *index = PyNumber_Index(PyTuple_GetItem(tuple, i));
        out[i] = index ? PyLong_AsLongLong(index) : -1;
        Py_XDECREF(index);
        if (out[i] == -1 && PyErr_Occurred()) n = -1;
    }
    Py_DECREF(tuple);
    return (int)n;
}

/* The bytes that an array touches, relative to its pointer: [*low, *high); -1: beyond 64 bits. */
static int extent(const array_object *a, int64_t *low, int64_t *high) {
    *low = 0;
    *high = a->size ? (int64_t)a->dtype->itemsize : 0;
    for (int i = 0; i < a->ndim && a->size; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(a->shape[i] - 1, a->strides[i], &reach)) return -1;
        if (__builtin_add_overflow(reach < 0 ? *low : *high, reach, reach < 0 ? low : high)) return -1;
    }
    return 0;
}

/* Whether an array lies within `size` bytes, `offset` from their begin. */
static int check_extent(const array_object *a, uint64_t offset, uint64_t size) {
    int64_t low, high;
    if (!extent(a, &low, &high) && offset <= INT64_MAX && low >= -(int64_t)offset && offset <= size &&
        (high <= 0 || (uint64_t)high <= size - offset))
        return 0;
    PyErr_Format(PyExc_ValueError, "the array would reach beyond its memory of %llu bytes (offset %llu, %zu elements)",
                 (unsigned long long)size, (unsigned long long)offset, a->size);
    return -1;
}

/* A new array from a shape, a DType and strides or None. */
static array_object *of_shape(PyObject *shape, PyObject *dtype, PyObject *strides) {
    int64_t dims[MOST_DIMENSIONS];
    int n = to_dimensions(shape, "shape", dims);
    array_object *a = n < 0 ? NULL : array_new(n);
    if (!a) return NULL;
    a->dtype = (dtype_object *)dtype_from(dtype);
    memcpy(a->shape, dims, (size_t)n * sizeof *dims);
    for (int i = 0; i < n && a->dtype; i++)
        if (dims[i] < 0) {
            PyErr_Format(PyExc_ValueError, "a dimension of %lld elements", (long long)dims[i]);
            goto failed;
        }
    if (!a->dtype || array_set_size(a)) goto failed;
    if (!strides || strides == Py_None) {
        array_set_compact(a);
        return a;
    }
    int given = to_dimensions(strides, "strides", dims);
    if (given == n) {
        memcpy(a->strides, dims, (size_t)n * sizeof *dims);
        return a;
    }
    if (given >= 0) PyErr_Format(PyExc_ValueError, "%d strides for %d dimensions", given, n);
failed:
    Py_DECREF((PyObject *)a);
    return NULL;
}

/* array_over(buffer, shape, dtype, strides|None, offset, readonly) */
static PyObject *array_over(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *buffer, *shape, *dtype, *strides;
    unsigned long long offset;
    int readonly;
    if (!PyArg_ParseTuple(args, "O!OOOKp", Buffer_type, &buffer, &shape, &dtype, &strides, &offset, &readonly))
        return NULL;
    buffer_object *b = (buffer_object *)buffer;
    array_object *a = buffer_usable(b) ? of_shape(shape, dtype, strides) : NULL;
    if (!a) return NULL;
    if (check_extent(a, offset, b->size)) {
        Py_DECREF((PyObject *)a);
        return NULL;
    }
    a->pointer = b->pointer + offset;
    a->context = (context_object *)Py_XNewRef((PyObject *)b->context);
    a->stream = (stream_object *)Py_XNewRef((PyObject *)b->stream);
    a->flags = b->flags;
    a->read_only = readonly || b->flags & IS_READ_ONLY;
    array_own(a, buffer);
    return (PyObject *)a;
}

/* array_at(pointer, shape, dtype, strides|None, context|None, flags, owner, readonly): nothing can be checked */
static PyObject *array_at(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *shape, *dtype, *strides, *context, *owner;
    unsigned long long pointer;
    unsigned char flags;
    int readonly;
    if (!PyArg_ParseTuple(args, "KOOOObOp", &pointer, &shape, &dtype, &strides, &context, &flags, &owner, &readonly))
        return NULL;
    if (context != Py_None && !IS_A(context, Context_type))
        return PyErr_Format(PyExc_TypeError, "a Context is wanted, not %R", (PyObject *)Py_TYPE(context));
    array_object *a = of_shape(shape, dtype, strides);
    if (!a) return NULL;
    a->pointer = pointer;
    if (context != Py_None) a->context = (context_object *)Py_NewRef(context);
    a->flags = flags;
    a->read_only = (unsigned char)readonly;
    array_own(a, owner);
    return (PyObject *)a;
}

/* array_on_host(shape, dtype): new memory, not initialized */
static PyObject *on_host(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *shape, *dtype;
    int64_t dims[MOST_DIMENSIONS];
    if (!PyArg_ParseTuple(args, "OO", &shape, &dtype)) return NULL;
    int n = to_dimensions(shape, "shape", dims);
    PyObject *d = n < 0 ? NULL : dtype_from(dtype);
    array_object *a = d ? array_on_host(n, dims, (dtype_object *)d) : NULL;
    Py_XDECREF(d);
    return (PyObject *)a;
}

/* array_like(array, shape, strides|None, dtype, offset, readonly): other elements of the same memory, within what the array has */
static PyObject *array_like(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *array, *shape, *strides, *dtype;
    long long offset;
    int readonly;
    int64_t low, high;
    if (!PyArg_ParseTuple(args, "O!OOOLp", Array_type, &array, &shape, &strides, &dtype, &offset, &readonly))
        return NULL;
    array_object *a = (array_object *)array, *made = of_shape(shape, dtype, strides);
    array_object *view = made ? array_view(a, made->ndim) : NULL;
    if (view && !extent(a, &low, &high) && !check_extent(made, (uint64_t)(offset - low), (uint64_t)(high - low))) {
        Py_DECREF((PyObject *)view->dtype);
        view->dtype = (dtype_object *)Py_NewRef((PyObject *)made->dtype);
        memcpy(view->shape, made->shape, (size_t)made->ndim * sizeof *made->shape);
        memcpy(view->strides, made->strides, (size_t)made->ndim * sizeof *made->strides);
        view->size = made->size;
        view->pointer += (uint64_t)offset;
        view->read_only |= (unsigned char)readonly;
        Py_DECREF((PyObject *)made);
        return (PyObject *)view;
    }
    Py_XDECREF((PyObject *)view);
    Py_XDECREF((PyObject *)made);
    return NULL;
}

/* array_extent(array): (low, high), the bytes that it touches relative to its pointer */
static PyObject *array_extent(PyObject *Py_UNUSED(module), PyObject *array) {
    int64_t low, high;
    if (!is_array(array))
        return PyErr_Format(PyExc_TypeError, "an Array is wanted, not %R", (PyObject *)Py_TYPE(array));
    if (extent((array_object *)array, &low, &high)) {
        PyErr_SetString(PyExc_OverflowError, "the array reaches beyond the address space");
        return NULL;
    }
    return Py_BuildValue("(LL)", (long long)low, (long long)high);
}

/* stream_for(stream, context|None): the Stream that an argument means */
static PyObject *stream_for(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *stream, *context;
    if (!PyArg_ParseTuple(args, "OO", &stream, &context)) return NULL;
    if (context != Py_None && !IS_A(context, Context_type))
        return PyErr_Format(PyExc_TypeError, "a Context is wanted, not %R", (PyObject *)Py_TYPE(context));
    return (PyObject *)to_stream(stream, context == Py_None ? NULL : (context_object *)context, "stream");
}

/* dtype_of_code(code, bits, lanes) */
static PyObject *of_code(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned char code, bits;
    unsigned short lanes;
    if (!PyArg_ParseTuple(args, "bbH", &code, &bits, &lanes)) return NULL;
    return Py_XNewRef((PyObject *)dtype_of_code(code, bits, lanes));
}

HIDDEN PyMethodDef array_making[] = {
    {"stream_for", stream_for, METH_VARARGS, NULL}, {"dtype_of_code", of_code, METH_VARARGS, NULL},
    {"array_over", array_over, METH_VARARGS, NULL}, {"array_at", array_at, METH_VARARGS, NULL},
    {"array_on_host", on_host, METH_VARARGS, NULL}, {"array_like", array_like, METH_VARARGS, NULL},
    {"array_extent", array_extent, METH_O, NULL},   {NULL, NULL, 0, NULL},
};
