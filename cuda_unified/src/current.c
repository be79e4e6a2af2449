/* The current stream of a thread: what `with stream:` sets, and what calls use that are given no stream.  Where none was
 * set, it is the default stream of the device: an object like any other, made once a context.
 */
#include "native.h"

static PyObject *key; /* of the thread's stack of streams: a list in the dict that CPython keeps for each thread */

static PyObject *stack(int make) { /* borrowed; NULL without an error: there is none */
    PyObject *dict = PyThreadState_GetDict();
    PyObject *list = dict ? PyDict_GetItemWithError(dict, key) : NULL;
    if (list || !make || PyErr_Occurred() || !dict) return list;
    list = PyList_New(0);
    if (!list || PyDict_SetItem(dict, key, list)) {
        Py_XDECREF(list);
        return NULL;
    }
    Py_DECREF(list); /* the dict keeps it */
    return list;
}

/* The stream that means stream 0 of the context: legacy, or the thread's own where the process chose that. */
static stream_object *default_stream(context_object *c) {
    PyObject *module = PyImport_ImportModule("cuda_unified.stream");
    PyObject *s = module ? PyObject_CallMethod(module, "default_stream", "O", (PyObject *)c) : NULL;
    Py_XDECREF(module);
    return (stream_object *)s;
}

stream_object *current_stream(context_object *c) {
    PyObject *list = stack(0);
    Py_ssize_t n = list ? PyList_Size(list) : 0;
    while (n--) {
        stream_object *s = (stream_object *)PyList_GetItem(list, n);
        if (!c || s->context == c || s->context->handle == c->handle) return (stream_object *)Py_NewRef((PyObject *)s);
    }
    if (PyErr_Occurred()) return NULL;
    if (c) return default_stream(c);
    PyObject *device = PyObject_CallNoArgs((PyObject *)device_class);
    c = device ? device_context((device_object *)device) : NULL;
    Py_XDECREF(device); /* devices live for ever */
    return c ? default_stream(c) : NULL;
}

static COLD stream_object *borrowed(PyObject *o, context_object *c, const char *function) {
    PyObject *module = PyImport_ImportModule("cuda_unified.stream");
    PyObject *s =
        module ? PyObject_CallMethod(module, "borrowed", "OOs", o, c ? (PyObject *)c : Py_None, function) : NULL;
    Py_XDECREF(module);
    return (stream_object *)s;
}

stream_object *to_stream(PyObject *o, context_object *c, const char *function) {
    if (!o || o == Py_None) return current_stream(c);
    if (LIKELY(is_stream(o))) return stream_usable((stream_object *)o) ? (stream_object *)Py_NewRef(o) : NULL;
    return borrowed(o, c, function);
}

static PyObject *push_stream(PyObject *Py_UNUSED(module), PyObject *s) {
    if (!is_stream(s)) return PyErr_Format(PyExc_TypeError, "a Stream is wanted, not %R", (PyObject *)Py_TYPE(s));
    stream_object *stream = (stream_object *)s;
    PyObject *list = stream_usable(stream) ? stack(1) : NULL;
    if (!list || PyList_Append(list, s)) return NULL;
    CUresult status = in_child ? CUDA_SUCCESS : D.cuCtxPushCurrent_v2(stream->context->handle);
    if (LIKELY(!status && !in_child)) Py_RETURN_NONE;
    PyList_SetSlice(list, PyList_Size(list) - 1, PyList_Size(list), NULL);
    return in_child ? raise_forked() : fail(status, "cuCtxPushCurrent", NULL);
}

static PyObject *pop_stream(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    PyObject *list = stack(0);
    Py_ssize_t n = list ? PyList_Size(list) : 0;
    if (!n) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "this thread has no current stream to leave");
        return NULL;
    }
    if (may_free()) leave_slowly();
    return PyList_SetSlice(list, n - 1, n, NULL) ? NULL : Py_NewRef(Py_None);
}

/* current_stream(device=None) */
static PyObject *get_current(PyObject *Py_UNUSED(module), arguments a, Py_ssize_t n) {
    if (n == 0 || a[0] == Py_None) return (PyObject *)current_stream(NULL);
    if (n > 1 || !is_device(a[0])) {
        PyErr_SetString(PyExc_TypeError, "current_stream() takes a Device or nothing");
        return NULL;
    }
    context_object *c = device_context((device_object *)a[0]);
    return c ? (PyObject *)current_stream(c) : NULL;
}

static PyMethodDef functions[] = {
    {"push_stream", push_stream, METH_O, NULL},
    {"pop_stream", pop_stream, METH_NOARGS, NULL},
    {"current_stream", FAST(get_current), METH_FASTCALL,
     "The stream that calls of this thread use that are given none."},
    {NULL, NULL, 0, NULL},
};

int current_ready(PyObject *module) {
    key = PyUnicode_InternFromString("cuda_unified.current_stream");
    return key ? PyModule_AddFunctions(module, functions) : -1;
}
