/* The driver's functions, from the C level of cubind: what `cimport cubind.cydriver` would import. */
#include "native.h"

struct driver_functions D;

int driver_ready(void) {
    PyObject *module = PyImport_ImportModule("cubind.cydriver");
    PyObject *api = module ? PyObject_GetAttrString(module, "__pyx_capi__") : NULL;
    Py_XDECREF(module);
    if (!api) return -1;
    int failed = 0;
    PyObject *capsule;
#define X(name)                                                                                      \
    if (!failed) {                                                                                   \
        capsule = PyDict_GetItemString(api, #name);                                                  \
        const char *signature = capsule ? PyCapsule_GetName(capsule) : NULL;                         \
        D.name = signature ? (__typeof__(D.name))PyCapsule_GetPointer(capsule, signature) : NULL;    \
        failed = !D.name;                                                                            \
        if (failed && !PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "cubind has no " #name); \
    }
    DRIVER_FUNCTIONS(X)
#undef X
    Py_DECREF(api);
    return failed ? -1 : 0;
}
