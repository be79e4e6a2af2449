/* From C to the exceptions of errors.py. */
#include <stdarg.h>
#include "native.h"

static PyObject *errors_call(const char *function, const char *format, ...) {
    PyObject *module = PyImport_ImportModule("cuda_unified.errors");
    PyObject *callee = module ? PyObject_GetAttrString(module, function) : NULL;
    Py_XDECREF(module);
    if (!callee) return NULL;
    va_list values;
    va_start(values, format);
    PyObject *args = Py_VaBuildValue(format, values);
    va_end(values);
    PyObject *result = args ? PyObject_CallObject(callee, args) : NULL;
    Py_XDECREF(args);
    Py_DECREF(callee);
    return result;
}

/* After these a context is of no use: all that is asked of it fails in the same way, and what it holds goes with it. */
static int ends_context(CUresult status) {
    switch ((int)status) {
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED: return 1;
    default: return 0;
    }
}

/* Whoever raised it: this layer, or cubind for Python's calls. */
int is_told(CUresult status) {
    if (!ends_context(status)) return 0;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *module = PyImport_ImportModule("cubind");
    PyObject *class = module ? PyObject_GetAttrString(module, "LaunchError") : NULL;
    PyObject *raised = class ? PyObject_GetAttrString(class, "raised") : NULL;
    PyObject *number = raised ? PyLong_FromLong((long)status) : NULL;
    int told = number ? PySet_Contains(raised, number) : -1;
    Py_XDECREF(module);
    Py_XDECREF(class);
    Py_XDECREF(raised);
    Py_XDECREF(number);
    PyErr_Restore(type, value, trace); /* what failed here is cleared, and then it is told once more */
    return told == 1;
}

PyObject *fail(CUresult status, const char *function, const char *details, ...) {
    PyObject *text = NULL;
    if (details) {
        va_list values;
        va_start(values, details);
        text = PyUnicode_FromFormatV(details, values);
        va_end(values);
        if (!text) return NULL;
    }
    PyObject *error = errors_call("from_status", "(isO)", (int)status, function, text ? text : Py_None);
    Py_XDECREF(text);
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

PyObject *raise_closed(PyObject *o) {
    PyObject *error = errors_call("closed", "(O)", o);
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

PyObject *raise_elsewhere(PyObject *event, PyObject *stream) {
    PyObject *error = errors_call("elsewhere", "(OO)", event, stream);
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

PyObject *raise_forked(void) {
    PyObject *error = errors_call("forked", "()");
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

void warn_unraisable(CUresult status, const char *function, PyObject *about) {
    PyObject *type, *value, *trace;
    if (is_told(status)) return;
    PyErr_Fetch(&type, &value, &trace);
    fail(status, function, NULL);
    PyErr_WriteUnraisable(about);
    PyErr_Restore(type, value, trace);
}
