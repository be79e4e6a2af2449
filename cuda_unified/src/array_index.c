/* array[...]: ints, slices, an Ellipsis and None, always without a copy. */
#include "native.h"

typedef struct {
    array_object *from;
    int axis;       /* of `from`, the next to be used */
    int spared;     /* axes that the Ellipsis stands for */
    int n;          /* of the result so far */
    int64_t offset; /* bytes */
    int64_t shape[3 * MOST_DIMENSIONS], strides[3 * MOST_DIMENSIONS];
} selection;

static int too_many(const selection *s) {
    PyErr_Format(PyExc_IndexError, "more indices than the %d dimension%s of the array", s->from->ndim,
                 s->from->ndim == 1 ? "" : "s");
    return -1;
}

static void keep_axes(selection *s, int count) {
    for (; count-- > 0; s->axis++, s->n++) {
        s->shape[s->n] = s->from->shape[s->axis];
        s->strides[s->n] = s->from->strides[s->axis];
    }
}

static int take_index(selection *s, PyObject *o) {
    if (s->axis >= s->from->ndim) return too_many(s);
    Py_ssize_t i = PyNumber_AsSsize_t(o, PyExc_IndexError), size = (Py_ssize_t)s->from->shape[s->axis];
    if (i == -1 && PyErr_Occurred()) return -1;
    if (i < -size || i >= size) {
        PyErr_Format(PyExc_IndexError, "index %zd is outside of dimension %d with %zd elements", i, s->axis, size);
        return -1;
    }
    s->offset += (i < 0 ? i + size : i) * s->from->strides[s->axis++];
    return 0;
}

static int take_slice(selection *s, PyObject *o) {
    Py_ssize_t start, stop, step;
    if (s->axis >= s->from->ndim) return too_many(s);
    if (PySlice_Unpack(o, &start, &stop, &step)) return -1;
    Py_ssize_t count = PySlice_AdjustIndices((Py_ssize_t)s->from->shape[s->axis], &start, &stop, step);
    int64_t stride = s->from->strides[s->axis++];
    if (count) s->offset += start * stride;
    s->shape[s->n] = count;
    if (__builtin_mul_overflow(stride, (int64_t)step, &s->strides[s->n])) s->strides[s->n] = 0; /* of one element */
    s->n++;
    return 0;
}

static int take(selection *s, PyObject *o) {
    if (PySlice_Check(o)) return take_slice(s, o);
    if (o == Py_Ellipsis) {
        if (s->spared < 0) {
            PyErr_SetString(PyExc_IndexError, "only one Ellipsis is possible");
            return -1;
        }
        keep_axes(s, s->spared);
        s->spared = -1;
        return 0;
    }
    if (o == Py_None) {
        s->shape[s->n] = 1;
        s->strides[s->n++] = 0;
        return 0;
    }
    if (PyIndex_Check(o) && !PyBool_Check(o)) return take_index(s, o);
    PyErr_Format(PyExc_TypeError, "arrays are indexed with ints, slices, Ellipsis and None, not %R",
                 (PyObject *)Py_TYPE(o));
    return -1;
}

/* How many axes the elements of a key use; -1 where there are too many elements. */
static int count_axes(PyObject *key, Py_ssize_t n) {
    int used = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GetItem(key, i);
        used += o != Py_Ellipsis && o != Py_None;
    }
    return n > 2 * MOST_DIMENSIONS ? -1 : used;
}

static array_object *result(const selection *s) {
    array_object *v = array_view(s->from, s->n);
    if (!v) return NULL;
    memcpy(v->shape, s->shape, (size_t)s->n * sizeof *s->shape);
    memcpy(v->strides, s->strides, (size_t)s->n * sizeof *s->strides);
    v->pointer += (uint64_t)s->offset;
    v->size = 1;
    for (int i = 0; i < s->n; i++) v->size *= (size_t)s->shape[i];
    return v;
}

PyObject *array_subscript(PyObject *self, PyObject *key) {
    selection s;
    s.from = (array_object *)self;
    s.axis = s.n = 0;
    s.offset = 0;
    int many = PyTuple_Check(key), failed = 0;
    Py_ssize_t n = many ? PyTuple_Size(key) : 1;
    int used = many ? count_axes(key, n) : key != Py_Ellipsis && key != Py_None;
    if (used < 0 || used > s.from->ndim) return too_many(&s), NULL;
    s.spared = s.from->ndim - used;
    for (Py_ssize_t i = 0; i < n && !failed; i++) failed = take(&s, many ? PyTuple_GetItem(key, i) : key);
    if (failed) return NULL;
    keep_axes(&s, s.from->ndim - s.axis);
    if (s.n <= MOST_DIMENSIONS) return (PyObject *)result(&s);
    PyErr_Format(PyExc_IndexError, "%d dimensions; at most %d are possible", s.n, MOST_DIMENSIONS);
    return NULL;
}
