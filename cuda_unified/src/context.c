/* Contexts: the primary one of a device, or one's own.  An object remembers its context and makes it current for each of
 * its calls; what was current before is current again afterwards.
 */
#include "native.h"

PyTypeObject *Context_type;

int enter_slowly(const context_object *c, int *pushed) {
    if (in_child) {
        raise_forked();
        return -1;
    }
    if (c->closed) {
        raise_closed((PyObject *)c);
        return -1;
    }
    CUresult status = D.cuCtxPushCurrent_v2(c->handle);
    *pushed = status == CUDA_SUCCESS;
    if (status == CUDA_SUCCESS) return 0;
    fail(status, "cuCtxPushCurrent", NULL);
    return -1;
}

void leave_slowly(void) {
    CUcontext popped;
    D.cuCtxPopCurrent_v2(&popped);
}

int enter_quietly(const context_object *c) {
    CUcontext now;
    return D.cuCtxGetCurrent(&now) == CUDA_SUCCESS && now != c->handle &&
           D.cuCtxPushCurrent_v2(c->handle) == CUDA_SUCCESS;
}

static PyObject *context_enter(PyObject *self, PyObject *Py_UNUSED(arg)) {
    context_object *c = (context_object *)self;
    int pushed;
    if (in_child || c->closed) return enter_slowly(c, &pushed), NULL;
    CUresult status = D.cuCtxPushCurrent_v2(c->handle);
    return status ? fail(status, "cuCtxPushCurrent", NULL) : Py_NewRef(self);
}

static PyObject *context_sync(PyObject *self, PyObject *Py_UNUSED(arg)) {
    CUresult status = CUDA_SUCCESS;
    if (CALL((context_object *)self, 1, status, D.cuCtxSynchronize())) return NULL;
    if (UNLIKELY(status)) return fail(status, "cuCtxSynchronize", NULL);
    Py_RETURN_NONE;
}

static PyObject *context_exit(PyObject *Py_UNUSED(self), PyObject *const *Py_UNUSED(a), Py_ssize_t Py_UNUSED(n)) {
    if (may_free()) leave_slowly();
    Py_RETURN_NONE;
}

static CUresult destroy(context_object *c) {
    CUresult status = CUDA_SUCCESS;
    c->closed = 1;
    if (c->owned && may_free()) {
        Py_BEGIN_ALLOW_THREADS status = D.cuCtxDestroy_v2(c->handle);
        Py_END_ALLOW_THREADS
    }
    return status;
}

static PyObject *context_close(PyObject *self, PyObject *Py_UNUSED(arg)) {
    context_object *c = (context_object *)self;
    if (c->closed) Py_RETURN_NONE;
    if (!c->owned) {
        PyErr_SetString(PyExc_ValueError, "a primary or borrowed context is not closed through this object");
        return NULL;
    }
    CUresult status = destroy(c);
    if (status) return fail(status, "cuCtxDestroy", NULL);
    Py_RETURN_NONE;
}

static void context_dealloc(PyObject *self) {
    context_object *c = (context_object *)self;
    if (c->weakrefs) PyObject_ClearWeakRefs(self);
    if (c->owned && !c->closed) {
        CUresult status = destroy(c);
        if (status) warn_unraisable(status, "cuCtxDestroy", NULL);
    }
    Py_XDECREF(c->device);
    delete_object(self);
}

static PyObject *context_make(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long handle;
    PyObject *device;
    int owned;
    if (!PyArg_ParseTuple(args, "KO!p", &handle, Device_type, &device, &owned)) return NULL;
    context_object *c = new_object(Context_type);
    if (!c) return NULL;
    c->handle = (CUcontext)(uintptr_t)handle;
    c->device = Py_NewRef(device);
    c->owned = (char)owned;
    return (PyObject *)c;
}

static PyObject *context_address(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromVoidPtr(((context_object *)self)->handle);
}

static PyObject *context_event(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    return event_factory((context_object *)self, a, n, kwnames);
}

static PyObject *context_stream(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    return stream_factory((context_object *)self, a, n, kwnames);
}

static PyMethodDef methods[] = {
    {"event", FAST(context_event), METH_FASTCALL | METH_KEYWORDS,
     "event($self, *, timing=True, blocking_sync=False, ipc=False)\n--\n\n"
     "A new Event in this context.\n\n"
     "timing: it has a time, for Event.elapsed.  blocking_sync: waiting for it leaves the processor to others.  ipc: "
     "other\n"
     "processes may use it, and it has no time; ValueError where timing=True is given too.\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__EVENT.html"},
    {"stream", FAST(context_stream), METH_FASTCALL | METH_KEYWORDS,
     "stream($self, *, priority=None, nonblocking=True)\n--\n\n"
     "A new Stream in this context.\n\n"
     "priority: lower is sooner, of Device.stream_priorities; None: the least urgent.  nonblocking: it does not wait "
     "for the\n"
     "legacy default stream, nor that one for it.\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__STREAM.html"},
    {"sync", context_sync, METH_NOARGS,
     "sync($self)\n--\n\nWaits until all work in this context is done.\n\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__CTX.html"},
    {"__enter__", context_enter, METH_NOARGS, "Makes the context current in this thread, until the block ends."},
    {"__exit__", FAST(context_exit), METH_FASTCALL, NULL},
    {"close", context_close, METH_NOARGS,
     "close($self)\n--\n\nDestroys the context; what belongs to it cannot be used any more."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"device", T_OBJECT_EX, offsetof(context_object, device), READONLY, "The device that the context is on."},
    {"is_closed", T_BOOL, offsetof(context_object, closed), READONLY, "Whether it was closed."},
    {"is_owned", T_BOOL, offsetof(context_object, owned), READONLY, "Whether close() destroys it."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(context_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"address", context_address, NULL, "The handle as an int.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, context_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Context", sizeof(context_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {
    {"make_context", context_make, METH_VARARGS, "make_context(handle, device, owned)"},
    {NULL, NULL, 0, NULL},
};

int context_ready(PyObject *module) {
    Context_type = add_type(module, &spec, NULL);
    return Context_type ? PyModule_AddFunctions(module, functions) : -1;
}
