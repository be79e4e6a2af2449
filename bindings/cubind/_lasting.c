/* Frames that outlive a call: memory that C goes on using until a handle is destroyed (a linker's option values).
 *
 * A lasting frame belongs to a capsule.  The call's own frame keeps the capsule, so that a failing call frees it; a call
 * that succeeds hands it to the registry, under the handle that the call returned.  All of it with the GIL.
 */
#include "_impl.h"

static PyObject *held; /* (module, owner) -> list of capsules; made on first use */

static void destroy(PyObject *capsule) {
    cu_frame *fr = PyCapsule_GetPointer(capsule, "cubind.frame");
    cubind_frame_end(fr);
    free(fr);
}

PyObject *cubind_lasting(cu_frame **fr) {
    cu_frame *lasting = malloc(sizeof *lasting);
    if (!lasting) return PyErr_NoMemory();
    cu_frame_begin(lasting);
    PyObject *capsule = PyCapsule_New(lasting, "cubind.frame", destroy);
    if (!capsule) free(lasting);
    *fr = lasting;
    return capsule;
}

cu_frame *cubind_frame_new(cu_frame *fr) {
    cu_frame *lasting;
    PyObject *capsule = cubind_lasting(&lasting);
    int failed = !capsule || cubind_frame_keep(fr, capsule);
    Py_XDECREF(capsule); /* frees `lasting` where nothing keeps it */
    return failed ? NULL : lasting;
}

static PyObject *key_of(cu_module *m, void *owner) {
    return Py_BuildValue("(NN)", PyLong_FromVoidPtr(m), PyLong_FromVoidPtr(owner));
}

void cubind_frame_hold(cu_frame *fr, cu_module *m, void *owner) {
    /* The whole list of what the call kept goes over: the capsules are in it. */
    PyObject *key = key_of(m, owner);
    if (!held) held = PyDict_New();
    if (!key || !held || !fr->refs || PyDict_SetItem(held, key, fr->refs)) {
        Py_XINCREF(fr->refs); /* C uses the memory: rather leak it than free it */
        PyErr_Clear();
    }
    Py_XDECREF(key);
}

void cubind_frame_release(cu_module *m, void *owner) {
    if (!held || PyDict_Size(held) == 0) return;
    PyObject *key = key_of(m, owner);
    if (!key || PyDict_DelItem(held, key)) PyErr_Clear(); /* nothing was held */
    Py_XDECREF(key);
}
