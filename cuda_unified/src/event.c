/* Events: a point in a stream's work. */
#include "native.h"

PyTypeObject *Event_type;

event_object *event_create(context_object *c, unsigned flags) {
    int pushed;
    CUevent handle;
    CUresult status;
    if (enter(c, &pushed)) return NULL;
    Py_BEGIN_ALLOW_THREADS status = D.cuEventCreate(&handle, flags);
    Py_END_ALLOW_THREADS leave(pushed);
    if (UNLIKELY(status)) return (event_object *)fail(status, "cuEventCreate", "flags=%u", flags);
    event_object *e = new_object(Event_type);
    if (UNLIKELY(!e)) {
        D.cuEventDestroy_v2(handle);
        return NULL;
    }
    e->handle = handle;
    e->context = (context_object *)Py_NewRef((PyObject *)c);
    e->flags = flags;
    e->owned = 1;
    return e;
}

/* device.event(*, timing, blocking_sync, ipc), and the same of a context */
PyObject *event_factory(context_object *c, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"event", 0, 0, {"timing", "blocking_sync", "ipc", NULL}};
    unsigned flags = 0;
    if (!c) return NULL;
    if (n || kwnames) {
        PyObject *out[MOST_PARAMETERS];
        if (parse_arguments(&s, a, n, kwnames, out)) return NULL;
        int timing = out[0] ? PyObject_IsTrue(out[0]) : 1, blocking = out[1] ? PyObject_IsTrue(out[1]) : 0;
        int ipc = out[2] ? PyObject_IsTrue(out[2]) : 0;
        if (timing < 0 || blocking < 0 || ipc < 0) return NULL;
        if (ipc && timing && out[0]) {
            PyErr_SetString(PyExc_ValueError, "event(): an event for other processes (ipc) has no timing");
            return NULL;
        }
        flags = (timing && !ipc ? 0 : CU_EVENT_DISABLE_TIMING) | (blocking ? CU_EVENT_BLOCKING_SYNC : 0) |
                (ipc ? CU_EVENT_INTERPROCESS : 0);
    }
    return (PyObject *)event_create(c, flags);
}

static int usable(event_object *e) {
    if (LIKELY(!e->closed)) return 1;
    raise_closed((PyObject *)e);
    return 0;
}

int event_record(event_object *e, stream_object *s) {
    CUresult status;
    if (!usable(e) || !stream_usable(s) ||
        CALL(s->context, is_default_stream(s->handle), status, D.cuEventRecord(e->handle, s->handle)))
        return -1;
    if (LIKELY(!status)) return 0;
    if (status == CUDA_ERROR_INVALID_HANDLE && e->context->handle != s->context->handle)
        return raise_elsewhere((PyObject *)e->context, (PyObject *)s->context), -1;
    fail(status, "cuEventRecord", "stream=%R", (PyObject *)s);
    return -1;
}

static PyObject *synchronize(PyObject *self, PyObject *Py_UNUSED(arg)) {
    event_object *e = (event_object *)self;
    CUresult status;
    if (!usable(e) || CALL(e->context, 0, status, D.cuEventSynchronize(e->handle))) return NULL;
    if (UNLIKELY(status)) return fail(status, "cuEventSynchronize", NULL);
    keep_poll();
    Py_RETURN_NONE;
}

static PyObject *done(PyObject *self, void *Py_UNUSED(closure)) {
    event_object *e = (event_object *)self;
    CUresult status;
    if (!usable(e) || CALL(e->context, 0, status, D.cuEventQuery(e->handle))) return NULL;
    if (status == CUDA_SUCCESS) Py_RETURN_TRUE;
    if (status == CUDA_ERROR_NOT_READY) Py_RETURN_FALSE;
    return fail(status, "cuEventQuery", NULL);
}

/* a.elapsed(b): ms from a to b */
static PyObject *elapsed(PyObject *self, PyObject *other) {
    event_object *from = (event_object *)self, *to = (event_object *)other;
    float ms;
    CUresult status;
    if (!is_event(other))
        return PyErr_Format(PyExc_TypeError, "elapsed() takes an Event, not %R", (PyObject *)Py_TYPE(other));
    if ((from->flags | to->flags) & CU_EVENT_DISABLE_TIMING) {
        PyErr_SetString(PyExc_ValueError, "elapsed(): an event has no time that was made with timing=False");
        return NULL;
    }
    if (!usable(from) || !usable(to) ||
        CALL(from->context, 0, status, D.cuEventElapsedTime_v2(&ms, from->handle, to->handle)))
        return NULL;
    return status ? fail(status, "cuEventElapsedTime", NULL) : PyFloat_FromDouble(ms);
}

static PyObject *subtract(PyObject *later, PyObject *earlier) {
    if (!is_event(later) || !is_event(earlier)) Py_RETURN_NOTIMPLEMENTED;
    return elapsed(earlier, later);
}

static CUresult destroy(event_object *e) {
    CUresult status = CUDA_SUCCESS;
    e->closed = 1;
    if (!e->owned || e->context->closed || !may_free()) return status;
    CALL_QUIETLY(e->context, status, D.cuEventDestroy_v2(e->handle));
    return status;
}

static PyObject *event_close(PyObject *self, PyObject *Py_UNUSED(arg)) {
    event_object *e = (event_object *)self;
    CUresult status = e->closed ? CUDA_SUCCESS : destroy(e);
    if (UNLIKELY(status)) return fail(status, "cuEventDestroy", NULL);
    Py_RETURN_NONE;
}

static void event_dealloc(PyObject *self) {
    event_object *e = (event_object *)self;
    if (e->weakrefs) PyObject_ClearWeakRefs(self);
    if (e->owned && !e->closed) {
        CUresult status = destroy(e);
        if (UNLIKELY(status)) warn_unraisable(status, "cuEventDestroy", NULL);
    }
    Py_XDECREF((PyObject *)e->context);
    Py_XDECREF(e->owner);
    delete_object(self);
}

/* wrap_event(handle, context, owned, owner, flags) */
static PyObject *wrap_event(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long handle;
    PyObject *context, *owner;
    int owned;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "KO!pOI", &handle, Context_type, &context, &owned, &owner, &flags)) return NULL;
    event_object *e = new_object(Event_type);
    if (!e) return NULL;
    e->handle = (CUevent)(uintptr_t)handle;
    e->context = (context_object *)Py_NewRef(context);
    e->owned = (char)owned;
    e->owner = owner == Py_None ? NULL : Py_NewRef(owner);
    e->flags = flags;
    return (PyObject *)e;
}

static PyObject *address(PyObject *self, void *Py_UNUSED(closure)) {
    return usable((event_object *)self) ? PyLong_FromVoidPtr(((event_object *)self)->handle) : NULL;
}

static PyMethodDef methods[] = {
    {"sync", synchronize, METH_NOARGS,
     "sync($self)\n--\n\nWaits until the work before the event is done; raises what went wrong in it."},
    {"elapsed", elapsed, METH_O,
     "elapsed($self, other, /)\n--\n\nThe time from this event to a later one, `other`, in ms; ValueError: one was "
     "made with timing=False."},
    {"close", event_close, METH_NOARGS,
     "close($self)\n--\n\nDestroys the event; what waits for it already is not affected."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"context", T_OBJECT_EX, offsetof(event_object, context), READONLY, "The context that the event belongs to."},
    {"is_closed", T_BOOL, offsetof(event_object, closed), READONLY, "Whether it was closed."},
    {"_flags", T_UINT, offsetof(event_object, flags), READONLY, NULL},
    {"_owner", T_OBJECT, offsetof(event_object, owner), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(event_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"done", done, NULL, "Whether the work before the event is done; True where it was never recorded.", NULL},
    {"address", address, NULL, "The handle as an int.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, event_dealloc}, {Py_tp_methods, methods},   {Py_tp_members, members},
    {Py_tp_getset, getters},        {Py_nb_subtract, subtract}, {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Event", sizeof(event_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {
    {"wrap_event", wrap_event, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int event_ready(PyObject *module) {
    Event_type = add_type(module, &spec, NULL);
    return Event_type ? PyModule_AddFunctions(module, functions) : -1;
}
