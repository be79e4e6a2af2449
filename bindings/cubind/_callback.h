/* What the three files about callbacks share: _callback.c (the callback itself), _keep.c (how long it lives) and
 * _ending.c (when Python may no longer be touched). */
#ifndef CUBIND_CALLBACK_H
#define CUBIND_CALLBACK_H
#include "_impl.h"
#include "_os.h"
#include <stdlib.h>

struct cu_callback {
    PyObject *callable, *user;
    cu_module *module;
    const cu_callback_spec *spec;
    void *id; /* what CUDA is given as user pointer */
    Py_ssize_t refs;
    uint32_t slot;
    unsigned process;          /* cubind_process() when it was made */
    unsigned started;          /* invocations so far */
    unsigned awaited;          /* references that the next invocations give back (CU_KEEP_ONCE) */
    int is_current;            /* no user pointer: on its thread's stack of current callbacks, */
    struct cu_callback *outer; /* above this one */
};

void cubind_callback_unref(cu_callback *cb) CU_IMPL; /* one reference less; GIL held */
void cubind_callback_sweep(void) CU_IMPL;            /* drops what graphs gave back without the GIL; GIL held */

#endif
