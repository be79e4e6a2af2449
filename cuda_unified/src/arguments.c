/* Arguments of functions in the vectorcall convention, sorted by name. */
#include "native.h"

static COLD int too_many(const signature *s, Py_ssize_t n) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional argument%s (%zd given)", s->function, s->positional,
                 s->positional == 1 ? "" : "s", n);
    return -1;
}

static int find_name(const signature *s, PyObject *name) {
    for (int i = 0; i < MOST_PARAMETERS && s->names[i]; i++)
        if (PyUnicode_CompareWithASCIIString(name, s->names[i]) == 0) return i;
    return -1;
}

static int take_keywords(const signature *s, arguments a, PyObject *kwnames, PyObject **out) {
    Py_ssize_t n = PyTuple_Size(kwnames);
    for (Py_ssize_t k = 0; k < n; k++) {
        PyObject *name = PyTuple_GetItem(kwnames, k);
        int i = find_name(s, name);
        if (i < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", s->function, name);
            return -1;
        }
        if (out[i]) {
            PyErr_Format(PyExc_TypeError, "%s() got two values for '%s'", s->function, s->names[i]);
            return -1;
        }
        out[i] = a[k];
    }
    return 0;
}

int parse_arguments(const signature *s, arguments a, Py_ssize_t n, PyObject *kwnames, PyObject **out) {
    if (UNLIKELY(n > s->positional)) return too_many(s, n);
    Py_ssize_t i = 0;
    for (; i < n; i++) out[i] = a[i];
    for (; i < MOST_PARAMETERS && s->names[i]; i++) out[i] = NULL;
    if (kwnames && take_keywords(s, a + n, kwnames, out)) return -1;
    for (int k = 0; k < s->required; k++)
        if (UNLIKELY(!out[k])) {
            PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s'", s->function, s->names[k]);
            return -1;
        }
    return 0;
}

int to_size(PyObject *o, const char *what, size_t *out) {
    PyObject *index = PyLong_Check(o) ? Py_NewRef(o) : PyNumber_Index(o);
    if (!index) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", what, (PyObject *)Py_TYPE(o));
        return -1;
    }
    Py_ssize_t value = PyLong_AsSsize_t(index);
    Py_DECREF(index);
    if (value < 0) {
        if (PyErr_Occurred()) PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s must be from 0 to %zd, not %R", what, PY_SSIZE_T_MAX, o);
        return -1;
    }
    *out = (size_t)value;
    return 0;
}

int to_int(PyObject *o, const char *what, int *out) {
    PyObject *index = PyNumber_Index(o);
    if (!index) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", what, (PyObject *)Py_TYPE(o));
        return -1;
    }
    long value = PyLong_AsLong(index);
    Py_DECREF(index);
    if (value < INT32_MIN || value > INT32_MAX || (value == -1 && PyErr_Occurred())) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s is out of range: %R", what, o);
        return -1;
    }
    *out = (int)value;
    return 0;
}
