/* The module: its parts in order, and what they share. */
#include "native.h"

void *new_object(PyTypeObject *type) {
    return PyType_GenericAlloc(type, 0); /* zeroed */
}

void delete_object(void *o) {
    PyTypeObject *type = Py_TYPE((PyObject *)o);
    if (UNLIKELY(PyType_GetFlags(type) & Py_TPFLAGS_HAVE_GC))
        PyObject_GC_Del(o); /* a class that a user derived */
    else
        PyObject_Free(o);
    Py_DECREF((PyObject *)type);
}

PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyObject *bases) {
    PyObject *type = PyType_FromSpecWithBases(spec, bases);
    const char *dot = strrchr(spec->name, '.');
    if (!type || PyModule_AddObjectRef(module, dot + 1, type)) return NULL;
    return (PyTypeObject *)type; /* this reference is kept for ever */
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "cuda_unified._native",
    "The hot half of the unified layer.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__native(void) {
    int (*const parts[])(PyObject *) = {
        context_ready,  device_ready,  stream_ready, current_ready,    event_ready, buffer_ready,
        pool_ready,     notify_ready,  trace_ready,  keep_ready,       copy_ready,  plug_ready,
        kernel_ready,   config_ready,  launch_ready, dtype_ready,      array_ready, as_array_ready,
        exchange_ready, strided_ready, graph_ready,  graph_keep_ready,
    };
    PyObject *module = driver_ready() || ending_ready() ? NULL : PyModule_Create(&definition);
#ifdef Py_GIL_DISABLED
    if (module) PyUnstable_Module_SetGIL(module, Py_MOD_GIL_USED); /* it guards what the files here keep */
#endif
    for (size_t i = 0; module && i < sizeof parts / sizeof *parts; i++)
        if (parts[i](module)) {
            Py_DECREF(module);
            module = NULL;
        }
    return module;
}
