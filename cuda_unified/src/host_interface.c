/* The array interface of NumPy, both ways, as a dict and as a C struct: https://numpy.org/doc/stable/reference/arrays.interface.html
 * Only for memory that the host can read. */
#include "native.h"
#include "dlpack.h"
#include "interfaces.h"

PyObject *array_host_interface(PyObject *self, void *Py_UNUSED(closure)) {
    array_object *a = (array_object *)self;
    if (!array_shareable(a)) return NULL;
    if (!(a->flags & BY_HOST)) {
        PyErr_SetString(PyExc_AttributeError,
                        "__array_interface__ is for memory that the host can read; use to_host()");
        return NULL;
    }
    return array_wait_host(a) ? NULL : interface_dict(a, "__array_interface__");
}

/* ---- types ------------------------------------------------------------------------------------------------------------------- */

/* Of the letters of both interfaces; NULL without an error: not one of the usual ones. */
static dtype_object *type_of_kind(char kind, Py_ssize_t size) {
    switch (kind) {
    case 'b': return size == 1 ? dtype_of_code(DLPACK_BOOL, 8, 1) : NULL;
    case 'i':
    case 'u':
        if (size != 1 && size != 2 && size != 4 && size != 8) return NULL;
        return dtype_of_code(kind == 'i' ? DLPACK_INT : DLPACK_UINT, (unsigned)size * 8, 1);
    case 'f': return size == 2 || size == 4 || size == 8 ? dtype_of_code(DLPACK_FLOAT, (unsigned)size * 8, 1) : NULL;
    case 'c': return size == 8 || size == 16 ? dtype_of_code(DLPACK_COMPLEX, (unsigned)size * 8, 1) : NULL;
    default: return NULL;
    }
}

static PyObject *python_type(const char *function, const char *format, ...) {
    PyObject *module = PyImport_ImportModule("cuda_unified.dtype");
    PyObject *callee = module ? PyObject_GetAttrString(module, function) : NULL;
    va_list values;
    va_start(values, format);
    PyObject *args = callee ? Py_VaBuildValue(format, values) : NULL;
    va_end(values);
    PyObject *d = args ? PyObject_CallObject(callee, args) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(callee);
    Py_XDECREF(module);
    return d;
}

static dtype_object *type_of_text(PyObject *typestr, PyObject *descr) {
    Py_ssize_t n = 0, size = 0;
    const char *text = PyUnicode_Check(typestr) ? PyUnicode_AsUTF8AndSize(typestr, &n) : NULL;
    if (text && n >= 3 && text[0] != '>' && text[1] != 'V') {
        for (Py_ssize_t i = 2; i < n && size < 1000; i++)
            size = text[i] >= '0' && text[i] <= '9' ? size * 10 + text[i] - '0' : 1000;
        dtype_object *d = type_of_kind(text[1], size);
        if (d || PyErr_Occurred()) return (dtype_object *)Py_XNewRef((PyObject *)d);
    }
    PyErr_Clear();
    return (dtype_object *)python_type("from_typestr", "(OO)", typestr, descr ? descr : Py_None);
}

/* ---- the dict ---------------------------------------------------------------------------------------------------------------- */

PyObject *interface_of(PyObject *o, PyObject *attribute) {
    PyObject *dict = PyObject_GetAttr(o, attribute);
    if (!dict && PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
    if (!dict || PyDict_Check(dict)) return dict;
    PyErr_Format(PyExc_TypeError, "%U of %R must be a dict, not %R", attribute, (PyObject *)Py_TYPE(o),
                 (PyObject *)Py_TYPE(dict));
    Py_DECREF(dict);
    return NULL;
}

static int take_data(array_object *a, PyObject *data, const char *name, PyObject **other) {
    if (data && PyTuple_Check(data) && PyTuple_Size(data) == 2) {
        PyObject *address = PyTuple_GetItem(data, 0);
        int locked = PyObject_IsTrue(PyTuple_GetItem(data, 1));
        a->pointer = address == Py_None ? 0 : PyLong_AsUnsignedLongLong(address);
        a->read_only = locked == 1;
        if (locked < 0 || PyErr_Occurred()) return -1;
        if (!a->size) a->pointer = 0;
        if (a->pointer || !a->size) return 0;
        PyErr_Format(PyExc_BufferError, "%s: an array with elements at the address 0", name);
        return -1;
    }
    if (other && data && data != Py_None) return *other = data, 0;
    PyErr_Format(PyExc_TypeError, "%s: data must be (address, whether read-only), not %R", name, data ? data : Py_None);
    return -1;
}

static int take_strides(array_object *a, PyObject *strides, const char *name) {
    int64_t dims[MOST_DIMENSIONS];
    if (!strides || strides == Py_None) return array_set_compact(a), 0;
    int n = to_dimensions(strides, "strides", dims);
    if (n == a->ndim) return memcpy(a->strides, dims, (size_t)n * sizeof *dims), 0;
    if (n >= 0) PyErr_Format(PyExc_ValueError, "%s: %d strides for %d dimensions", name, n, a->ndim);
    return -1;
}

array_object *array_of_interface(PyObject *dict, const char *name, PyObject **data) {
    PyObject *shape = PyDict_GetItemWithError(dict, N.shape), *typestr = PyDict_GetItemWithError(dict, N.typestr);
    PyObject *mask = PyDict_GetItemWithError(dict, N.mask);
    int64_t dims[MOST_DIMENSIONS];
    if (!shape || !typestr) {
        PyErr_Format(PyExc_TypeError, "%s has no %s", name, shape ? "typestr" : "shape");
        return NULL;
    }
    if (mask && mask != Py_None) {
        PyErr_Format(PyExc_BufferError, "%s: an array with a mask cannot be taken", name);
        return NULL;
    }
    int n = to_dimensions(shape, "shape", dims);
    array_object *a = n < 0 ? NULL : array_new(n);
    if (!a) return NULL;
    memcpy(a->shape, dims, (size_t)n * sizeof *dims);
    a->dtype = type_of_text(typestr, PyDict_GetItemWithError(dict, N.descr));
    if (!a->dtype || array_set_size(a) || take_strides(a, PyDict_GetItemWithError(dict, N.strides), name) ||
        take_data(a, PyDict_GetItemWithError(dict, N.data), name, data)) {
        Py_DECREF((PyObject *)a);
        return NULL;
    }
    return a;
}

/* `data` that is an object with the buffer protocol: `offset` bytes behind its begin. */
static int take_object(array_object *a, PyObject *data, PyObject *offset) {
    Py_ssize_t begin = offset && offset != Py_None ? PyNumber_AsSsize_t(offset, PyExc_OverflowError) : 0;
    if (begin == -1 && PyErr_Occurred()) return -1;
    int64_t low = 0, high = a->size ? (int64_t)a->dtype->itemsize : 0;
    Py_buffer *view = view_new();
    if (!view) return -1;
    if (PyObject_GetBuffer(data, view, PyBUF_WRITABLE)) {
        PyErr_Clear();
        if (PyObject_GetBuffer(data, view, PyBUF_SIMPLE)) return view_drop(view), -1;
    }
    a->kept = view;
    a->keeps = KEEPS_VIEW;
    a->read_only = (unsigned char)view->readonly;
    for (int i = 0; i < a->ndim && a->size; i++) {
        int64_t reach = (a->shape[i] - 1) * a->strides[i];
        *(reach < 0 ? &low : &high) += reach;
    }
    a->pointer = a->size ? (uint64_t)(uintptr_t)view->buf + (uint64_t)begin : 0;
    if (begin >= 0 && low + begin >= 0 && high + begin <= view->len) return 0;
    PyErr_SetString(PyExc_BufferError, "__array_interface__: the array reaches beyond its data");
    return -1;
}

PyObject *array_interface_import(PyObject *o) {
    PyObject *dict = interface_of(o, N.host), *data = NULL;
    array_object *a = dict ? array_of_interface(dict, "__array_interface__", &data) : NULL;
    PyObject *pair = a ? PyTuple_Pack(2, o, dict) : NULL;
    if (a && (!pair || (data && take_object(a, data, PyDict_GetItemWithError(dict, N.offset))))) {
        Py_DECREF((PyObject *)a);
        a = NULL;
    }
    if (a) {
        a->flags = BY_HOST;
        array_own(a, pair);
    }
    Py_XDECREF(pair);
    Py_XDECREF(dict);
    return (PyObject *)a;
}

/* ---- the C struct ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    int two; /* 2, or it is something else */
    int nd;
    char typekind;
    int itemsize, flags;
    intptr_t *shape, *strides;
    void *data;
    PyObject *descr;
} array_struct;
enum { NOT_SWAPPED = 0x200, WRITEABLE = 0x400 };

static dtype_object *type_of_struct(const array_struct *p, PyObject *o) {
    if (!(p->flags & NOT_SWAPPED) && p->itemsize > 1 && p->typekind != 'V') {
        PyErr_SetString(PyExc_BufferError, "__array_struct__: the bytes of the elements are in the other order");
        return NULL;
    }
    dtype_object *d = type_of_kind(p->typekind, p->itemsize);
    if (d || PyErr_Occurred()) return (dtype_object *)Py_XNewRef((PyObject *)d);
    return (dtype_object *)python_type("from_struct", "(OCi)", o, p->typekind, p->itemsize);
}

static array_object *array_of_struct(const array_struct *p, PyObject *o) {
    if (p->two != 2 || p->nd < 0 || p->nd > MOST_DIMENSIONS) {
        PyErr_SetString(PyExc_BufferError, "__array_struct__: no such struct");
        return NULL;
    }
    array_object *a = array_new(p->nd);
    if (!a) return NULL;
    for (int i = 0; i < p->nd; i++) a->shape[i] = p->shape[i];
    if (!(a->dtype = type_of_struct(p, o)) || array_set_size(a)) {
        Py_DECREF((PyObject *)a);
        return NULL;
    }
    if (p->strides)
        for (int i = 0; i < p->nd; i++) a->strides[i] = p->strides[i];
    else
        array_set_compact(a);
    a->pointer = a->size ? (uint64_t)(uintptr_t)p->data : 0;
    a->read_only = !(p->flags & WRITEABLE);
    a->flags = BY_HOST;
    return a;
}

/* NULL without an error: the object has no such interface. */
PyObject *array_struct_import(PyObject *o) {
    PyObject *capsule = PyObject_GetAttr(o, N.host_struct);
    if (!capsule) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
        return NULL;
    }
    const array_struct *p = PyCapsule_IsValid(capsule, NULL) ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    if (!p)
        PyErr_Format(PyExc_TypeError, "__array_struct__ of %R is no capsule without a name", (PyObject *)Py_TYPE(o));
    array_object *a = p ? array_of_struct(p, o) : NULL;
    PyObject *pair = a ? PyTuple_Pack(2, o, capsule) : NULL;
    Py_DECREF(capsule);
    if (!pair) return Py_XDECREF((PyObject *)a), NULL;
    array_own(a, pair);
    Py_DECREF(pair);
    return (PyObject *)a;
}
