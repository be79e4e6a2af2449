/* The buffer protocol, both ways.  A device's memory is never given out by it: who reads that as the host's, crashes. */
#include "native.h"
#include "dlpack.h"
#include "interfaces.h"

/* ---- out ------------------------------------------------------------------------------------------------------------------- */

static int refuse(const char *text) {
    PyErr_SetString(PyExc_BufferError, text);
    return -1;
}

static int check(array_object *a, int flags) {
    if (!array_shareable(a)) return -1;
    if (!(a->flags & BY_HOST)) return refuse("the host cannot read a device's memory: use to_host()");
    if (flags & PyBUF_WRITABLE && a->read_only) return refuse("the array is read-only");
    if (flags & PyBUF_FORMAT && !a->dtype->format)
        return PyErr_Format(PyExc_BufferError,
                            "the buffer protocol has no word for %U: view the array as unsigned ints", a->dtype->name),
               -1;
    int needs_c = (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS || (flags & PyBUF_STRIDES) != PyBUF_STRIDES;
    int needs_f = (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS;
    int needs_any = (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS;
    int c = array_is_contiguous(a, 0), f = array_is_contiguous(a, 1);
    if ((needs_c && !c) || (needs_any && !c && !f)) return refuse("the array is not contiguous");
    if (needs_f && !f) return refuse("the array is not contiguous in Fortran's order");
    return array_wait_host(a);
}

static void fill(array_object *a, Py_buffer *view, int flags) {
    static char nothing;
    view->buf = a->size ? (void *)(uintptr_t)a->pointer : &nothing;
    view->obj = Py_NewRef((PyObject *)a);
    view->itemsize = (Py_ssize_t)a->dtype->itemsize;
    view->len = (Py_ssize_t)a->size * view->itemsize;
    view->readonly = a->read_only;
    view->ndim = (flags & PyBUF_ND) == PyBUF_ND ? a->ndim : 1;
    view->format = flags & PyBUF_FORMAT ? PyBytes_AsString(a->dtype->format) : NULL;
    view->shape = (flags & PyBUF_ND) == PyBUF_ND ? (Py_ssize_t *)a->shape : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? (Py_ssize_t *)a->strides : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
}

int array_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    array_object *a = (array_object *)self;
    view->obj = NULL;
    if (check(a, flags)) return -1;
    fill(a, view, flags);
    buffer_export(a->buffer, 1);
    return 0;
}

void array_releasebuffer(PyObject *self, Py_buffer *Py_UNUSED(view)) {
    buffer_export(((array_object *)self)->buffer, -1);
}

/* ---- in -------------------------------------------------------------------------------------------------------------------- */

enum { ITS_OWN = 255 };
/* What a letter means; size 0: nothing, ITS_OWN: the C type's. */
static const struct {
    unsigned char code, size;
} letters[128] = {
    ['?'] = {DLPACK_BOOL, 1},      ['b'] = {DLPACK_INT, 1},        ['B'] = {DLPACK_UINT, 1},
    ['c'] = {DLPACK_UINT, 1},      ['h'] = {DLPACK_INT, 2},        ['H'] = {DLPACK_UINT, 2},
    ['i'] = {DLPACK_INT, 4},       ['I'] = {DLPACK_UINT, 4},       ['q'] = {DLPACK_INT, 8},
    ['Q'] = {DLPACK_UINT, 8},      ['l'] = {DLPACK_INT, ITS_OWN},  ['L'] = {DLPACK_UINT, ITS_OWN},
    ['n'] = {DLPACK_INT, ITS_OWN}, ['N'] = {DLPACK_UINT, ITS_OWN}, ['e'] = {DLPACK_FLOAT, 2},
    ['f'] = {DLPACK_FLOAT, 4},     ['d'] = {DLPACK_FLOAT, 8},      ['F'] = {DLPACK_COMPLEX, 8},
    ['D'] = {DLPACK_COMPLEX, 16},
};

static dtype_object *type_of_letter(const char *format, Py_ssize_t itemsize) {
    int complex = format[0] == 'Z';
    unsigned char letter = (unsigned char)format[complex];
    if (!letter || letter > 127 || format[complex + 1] || !letters[letter].size) return NULL;
    Py_ssize_t size = letters[letter].size == ITS_OWN ? itemsize : letters[letter].size;
    unsigned code = letters[letter].code;
    if (!complex) return size == itemsize ? dtype_of_code(code, (unsigned)size * 8, 1) : NULL;
    return code == DLPACK_FLOAT && size * 2 == itemsize ? dtype_of_code(DLPACK_COMPLEX, (unsigned)size * 16, 1) : NULL;
}

static dtype_object *type_of_format(const Py_buffer *view, int plain) {
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == '<') format++;
    dtype_object *d = type_of_letter(format, view->itemsize);
    if (d || PyErr_Occurred()) return (dtype_object *)Py_XNewRef((PyObject *)d);
    if (plain) return (dtype_object *)(refuse("records"), NULL);
    PyObject *module = PyImport_ImportModule("cuda_unified.dtype");
    PyObject *made = module ? PyObject_CallMethod(module, "from_format", "sn", view->format, view->itemsize) : NULL;
    Py_XDECREF(module);
    return (dtype_object *)made;
}

static int take_view(array_object *a, const Py_buffer *view, int plain) {
    if (!(a->dtype = type_of_format(view, plain))) return -1;
    for (int i = 0; i < a->ndim; i++) a->shape[i] = view->shape ? view->shape[i] : view->len / view->itemsize;
    if (array_set_size(a)) return -1;
    if (view->strides)
        for (int i = 0; i < a->ndim; i++) a->strides[i] = view->strides[i];
    else
        array_set_compact(a);
    a->pointer = a->size ? (uint64_t)(uintptr_t)view->buf : 0;
    a->read_only = view->readonly != 0;
    a->flags = BY_HOST;
    return 0;
}

/* Views are kept by address: what fills one may point into it.  One that was given back is at hand for the next. */
static Py_buffer *spare;

Py_buffer *view_new(void) {
    Py_buffer *view = spare ? spare : PyMem_Malloc(sizeof *view);
    spare = NULL;
    return view ? view : (Py_buffer *)PyErr_NoMemory();
}

void view_drop(Py_buffer *view) {
    if (spare)
        PyMem_Free(view);
    else
        spare = view;
}

void view_release(Py_buffer *view) {
    PyBuffer_Release(view);
    view_drop(view);
}

/* NULL without an error: the object has no buffer protocol. */
PyObject *buffer_import(PyObject *o, int plain) {
    Py_buffer *view = view_new();
    if (!view) return NULL;
    if (PyObject_GetBuffer(o, view, PyBUF_RECORDS_RO)) { /* view->readonly says what it is */
        view_drop(view);
        if (!PyObject_CheckBuffer(o)) PyErr_Clear();
        return NULL;
    }
    if (view->ndim > MOST_DIMENSIONS || view->itemsize < 1) {
        PyErr_Format(PyExc_BufferError, "a buffer of %d dimensions with elements of %zd bytes", view->ndim,
                     view->itemsize);
        view_release(view);
        return NULL;
    }
    array_object *a = array_new(view->ndim);
    if (!a) return view_release(view), NULL;
    a->kept = view;
    a->keeps = KEEPS_VIEW;
    if (!take_view(a, view, plain)) return (PyObject *)a;
    Py_DECREF((PyObject *)a);
    return NULL;
}
