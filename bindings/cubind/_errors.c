/* From a failing status to a Python exception, cheaply: an exception is a class, and as its arguments the status and
 * the name of the function.  Texts are made in Python, when somebody asks for them (_errors.py).
 *
 * All state here is used with the GIL.
 */
#include "_impl.h"

static PyObject *errors; /* the module cubind._errors, imported by the first error */

static PyObject *import_errors(void) {
    if (!errors) {
        PyObject *module = PyImport_ImportModule("cubind._errors");
        if (errors)
            Py_XDECREF(module); /* importing gives other threads a turn */
        else
            errors = module;
    }
    return errors;
}

PyObject *cubind_error_class(const char *name) {
    PyObject *module = import_errors(), *class = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(class); /* the module keeps it */
    return class;
}

/* The dict {value: class name} that the error table has for this module's statuses, a new reference. */
static PyObject *class_names(const cu_module *m) {
    PyObject *module = PyImport_ImportModule("cubind._error_table");
    PyObject *table = module ? PyObject_GetAttrString(module, "TABLE") : NULL;
    PyObject *entry = table ? PyMapping_GetItemString(table, m->enum_specs[m->status_enum].name) : NULL;
    PyObject *names = entry ? PyMapping_GetItemString(entry, "classes") : NULL;
    Py_XDECREF(module);
    Py_XDECREF(table);
    Py_XDECREF(entry);
    return names;
}

/* The highest status that has a class of its own; -1 with an error if the table is not what it should be. */
static long highest_status(PyObject *names) {
    PyObject *status, *name;
    Py_ssize_t position = 0;
    long highest = 0;
    while (PyDict_Next(names, &position, &status, &name)) {
        long value = PyLong_AsLong(status);
        if (value < 0 || value > UINT16_MAX || !PyUnicode_Check(name)) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "cubind: the error table has a bad entry");
            return -1;
        }
        if (value > highest) highest = value;
    }
    return highest;
}

static int fill_classes(PyObject *cache, Py_ssize_t first, long highest, PyObject *names) {
    PyObject *base = cubind_error_class("CudaError"), *status, *name;
    if (!base) return -1;
    for (long i = 0; i <= highest; i++)
        if (PyTuple_SetItem(cache, first + i, Py_NewRef(base))) return -1;
    for (Py_ssize_t position = 0; PyDict_Next(names, &position, &status, &name);) {
        const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
        PyObject *class = text ? cubind_error_class(text) : NULL;
        if (!class || PyTuple_SetItem(cache, first + PyLong_AsLong(status), Py_NewRef(class))) return -1;
    }
    return 0;
}

/* One tuple holds all that raising needs: the names of the module's functions by index, then the classes by status, of
 * which that of 0, which is never raised, is CudaError itself: the class of every status without one of its own. */
static PyObject *make_cache(cu_module *m) {
    PyObject *names = class_names(m), *cache = NULL;
    long highest = names ? highest_status(names) : -1;
    if (highest >= 0) cache = PyTuple_New(m->n_funcs + highest + 1);
    int failed = !cache || fill_classes(cache, m->n_funcs, highest, names);
    for (Py_ssize_t i = 0; i < m->n_funcs && !failed; i++) {
        PyObject *name = PyUnicode_InternFromString(m->funcs[i].name);
        failed = !name || PyTuple_SetItem(cache, i, name);
    }
    Py_XDECREF(names);
    if (failed || m->error_classes)
        Py_XDECREF(cache); /* importing gives other threads a turn: one was faster */
    else
        m->error_classes = cache;
    return failed ? NULL : m->error_classes;
}

PyObject *cubind_raise(cu_module *m, int func, int64_t status) {
    if (PyErr_CheckSignals()) return NULL; /* a Ctrl-C that ended what was waited for is said as such */
    PyObject *cache = CU_LIKELY(m->error_classes != NULL) ? m->error_classes : make_cache(m);
    if (!m->enum_specs[m->status_enum].is_signed) status = (uint32_t)status; /* generated code has it as an int */
    PyObject *member = cache ? cu_from_enum(m, m->status_enum, status) : NULL;
    if (!member) return NULL;
    Py_ssize_t first = m->n_funcs;
    if (status > 0 && status < PyTuple_Size(cache) - first) first += (Py_ssize_t)status;
    PyObject *args = PyTuple_Pack(2, member, PyTuple_GetItem(cache, func));
    if (args) PyErr_SetObject(PyTuple_GetItem(cache, first), args);
    Py_XDECREF(args);
    Py_DECREF(member);
    return NULL;
}

int cubind_errors_ready(PyObject *Py_UNUSED(core)) {
    return 0;
}
