/* Records over memory that is there already: at an address, in a buffer, from bytes. */
#include "_record.h"

PyObject *cubind_record_from_ptr(PyObject *type, PyObject *o) {
    cu_record_class *c = cubind_record_class_of(type);
    void *address = NULL;
    if (!c) return NULL;
    int known = PyBool_Check(o) ? 0 : cubind_address_of(o, &address);
    if (known < 0) return NULL;
    if (!known)
        cubind_expected(o, "an address");
    else if (!address)
        PyErr_Format(PyExc_ValueError, "%s.from_ptr(): the address is NULL", c->spec->name);
    return known && address ? cubind_record_at(c, address, NULL) : NULL;
}

static PyObject *pin_writable(const cu_record_spec *spec, PyObject *o, void **ptr, size_t *n) {
    PyObject *pin = cubind_pin(o, 1, ptr, n);
    if (pin) return pin;
    if (!PyErr_ExceptionMatches(PyExc_BufferError)) return NULL;
    PyObject *type, *value, *traceback; /* the first error stands if the buffer is not even readable */
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *readable = cubind_pin(o, 0, ptr, n);
    PyErr_Restore(type, value, traceback);
    if (readable)
        PyErr_Format(PyExc_TypeError, "%s.from_buffer(): the buffer is read-only; from_bytes() makes a copy",
                     spec->name);
    Py_XDECREF(readable);
    return NULL;
}

PyObject *cubind_record_from_buffer(PyObject *type, PyObject *args, PyObject *kw) {
    static char *names[] = {"obj", "offset", NULL};
    cu_record_class *c = cubind_record_class_of(type);
    PyObject *o, *view = NULL;
    Py_ssize_t offset = 0;
    void *ptr;
    size_t n;
    if (!c || !PyArg_ParseTupleAndKeywords(args, kw, "O|n:from_buffer", names, &o, &offset)) return NULL;
    PyObject *pin = pin_writable(c->spec, o, &ptr, &n);
    if (!pin) return NULL;
    if (offset < 0 || (size_t)offset > n || n - (size_t)offset < c->spec->size)
        PyErr_Format(PyExc_ValueError, "%s.from_buffer(): %u bytes wanted at offset %zd of a buffer of %zu",
                     c->spec->name, (unsigned)c->spec->size, offset, n);
    else
        view = cubind_record_at(c, (char *)ptr + offset, pin);
    Py_DECREF(pin);
    return view;
}

PyObject *cubind_record_from_bytes(PyObject *type, PyObject *o) {
    cu_record_class *c = cubind_record_class_of(type);
    PyObject *made = NULL;
    Py_buffer view;
    if (!c || cubind_buffer(o, PyBUF_SIMPLE, &view)) return NULL;
    if ((size_t)view.len != c->spec->size)
        PyErr_Format(PyExc_ValueError, "%s.from_bytes(): expected %u bytes, got %zd", c->spec->name,
                     (unsigned)c->spec->size, view.len);
    else
        made = cubind_record_copied(c, view.buf);
    PyBuffer_Release(&view);
    return made;
}
