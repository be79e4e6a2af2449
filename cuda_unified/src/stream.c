/* Streams: work in order. */
#include "native.h"

PyTypeObject *Stream_type;

stream_object *stream_new(context_object *c, CUstream handle, int owned, PyObject *owner) {
    stream_object *s = new_object(Stream_type);
    if (UNLIKELY(!s)) return NULL;
    s->handle = handle;
    s->context = (context_object *)Py_NewRef((PyObject *)c);
    s->owned = (char)owned;
    s->owner = Py_XNewRef(owner);
    return s;
}

static int flags_and_priority(arguments a, Py_ssize_t n, PyObject *kwnames, unsigned *flags, int *priority) {
    static const signature s = {"stream", 0, 0, {"priority", "nonblocking", NULL}};
    PyObject *out[MOST_PARAMETERS];
    if (parse_arguments(&s, a, n, kwnames, out)) return -1;
    if (out[0] && out[0] != Py_None && to_int(out[0], "stream(): priority", priority)) return -1;
    int yes = out[1] ? PyObject_IsTrue(out[1]) : 1;
    if (yes < 0) return -1;
    *flags = yes ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT;
    return 0;
}

PyObject *stream_factory(context_object *c, arguments a, Py_ssize_t n, PyObject *kwnames) {
    unsigned flags = CU_STREAM_NON_BLOCKING;
    int priority = 0, pushed;
    CUstream handle;
    CUresult status;
    if (!c || ((n || kwnames) && flags_and_priority(a, n, kwnames, &flags, &priority))) return NULL;
    if (enter(c, &pushed)) return NULL;
    Py_BEGIN_ALLOW_THREADS status = D.cuStreamCreateWithPriority(&handle, flags, priority);
    Py_END_ALLOW_THREADS leave(pushed);
    if (UNLIKELY(status)) return fail(status, "cuStreamCreateWithPriority", "flags=%u, priority=%d", flags, priority);
    stream_object *s = stream_new(c, handle, 1, NULL);
    if (UNLIKELY(!s)) D.cuStreamDestroy_v2(handle);
    return (PyObject *)s;
}

/* ---- work ------------------------------------------------------------------------------------------------------------ */

static PyObject *synchronize(PyObject *self, PyObject *Py_UNUSED(arg)) {
    stream_object *s = (stream_object *)self;
    CUresult status;
    if (!stream_usable(s) || CALL(s->context, is_default_stream(s->handle), status, D.cuStreamSynchronize(s->handle)))
        return NULL;
    if (UNLIKELY(status)) return fail(status, "cuStreamSynchronize", NULL);
    keep_poll();
    Py_RETURN_NONE;
}

static PyObject *done(PyObject *self, void *Py_UNUSED(closure)) {
    stream_object *s = (stream_object *)self;
    CUresult status;
    if (!stream_usable(s) || CALL(s->context, is_default_stream(s->handle), status, D.cuStreamQuery(s->handle)))
        return NULL;
    if (status == CUDA_SUCCESS) Py_RETURN_TRUE;
    if (status == CUDA_ERROR_NOT_READY) Py_RETURN_FALSE;
    return fail(status, "cuStreamQuery", NULL);
}

/* record(event=None, *, timing=True) -> Event */
static PyObject *record(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature sig = {"record", 0, 1, {"event", "timing", NULL}};
    stream_object *s = (stream_object *)self;
    PyObject *event = n == 1 && !kwnames ? a[0] : NULL;
    unsigned flags = 0;
    if (UNLIKELY(kwnames || n > 1)) {
        PyObject *out[MOST_PARAMETERS];
        if (parse_arguments(&sig, a, n, kwnames, out)) return NULL;
        int timing = out[1] ? PyObject_IsTrue(out[1]) : 1;
        if (timing < 0) return NULL;
        flags = timing ? 0 : CU_EVENT_DISABLE_TIMING;
        event = out[0];
    }
    if (event && event != Py_None) {
        if (!is_event(event))
            return PyErr_Format(PyExc_TypeError, "record() takes an Event, not %R", (PyObject *)Py_TYPE(event));
        return event_record((event_object *)event, s) ? NULL : Py_NewRef(event);
    }
    if (!stream_usable(s)) return NULL;
    event_object *made = event_create(s->context, flags);
    if (!made || !event_record(made, s)) return (PyObject *)made;
    Py_DECREF(made);
    return NULL;
}

static int wait_for(stream_object *s, event_object *e) {
    CUresult status;
    if (UNLIKELY(e->closed)) return raise_closed((PyObject *)e), -1;
    if (!stream_usable(s) ||
        CALL(s->context, is_default_stream(s->handle), status, D.cuStreamWaitEvent(s->handle, e->handle, 0)))
        return -1;
    if (LIKELY(!status)) return 0;
    fail(status, "cuStreamWaitEvent", NULL);
    return -1;
}

/* wait(event | stream): later work begins after the event, or after what the stream has now */
static PyObject *wait_other(PyObject *self, PyObject *other) {
    stream_object *s = (stream_object *)self;
    if (is_event(other)) {
        if (wait_for(s, (event_object *)other)) return NULL;
        Py_RETURN_NONE;
    }
    if (other == Py_None) {
        PyErr_SetString(PyExc_TypeError, "wait() takes an Event, a Stream or an object with __cuda_stream__, not None");
        return NULL;
    }
    stream_object *from = to_stream(other, s->context, "wait");
    event_object *e = from ? event_create(from->context, CU_EVENT_DISABLE_TIMING) : NULL;
    int failed = !e || event_record(e, from) || wait_for(s, e);
    Py_XDECREF((PyObject *)e);
    Py_XDECREF((PyObject *)from);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyObject *cuda_stream(PyObject *self, PyObject *Py_UNUSED(arg)) {
    if (!stream_usable((stream_object *)self)) return NULL;
    return Py_BuildValue("(iN)", 0, PyLong_FromVoidPtr(((stream_object *)self)->handle));
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static CUresult destroy(stream_object *s) {
    CUresult status = CUDA_SUCCESS;
    s->closed = 1;
    if (!s->owned || s->context->closed || !may_free()) return status;
    CALL_QUIETLY(s->context, status, D.cuStreamDestroy_v2(s->handle));
    return status;
}

static PyObject *stream_close(PyObject *self, PyObject *Py_UNUSED(arg)) {
    stream_object *s = (stream_object *)self;
    CUresult status = s->closed ? CUDA_SUCCESS : destroy(s);
    if (UNLIKELY(status)) return fail(status, "cuStreamDestroy", NULL);
    Py_RETURN_NONE;
}

static void stream_dealloc(PyObject *self) {
    stream_object *s = (stream_object *)self;
    if (s->weakrefs) PyObject_ClearWeakRefs(self);
    if (s->owned && !s->closed) {
        CUresult status = destroy(s);
        if (UNLIKELY(status)) warn_unraisable(status, "cuStreamDestroy", NULL);
    }
    Py_XDECREF((PyObject *)s->context);
    Py_XDECREF(s->owner);
    delete_object(self);
}

/* wrap_stream(handle, context, owned, owner) */
static PyObject *wrap_stream(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long handle;
    PyObject *context, *owner;
    int owned;
    if (!PyArg_ParseTuple(args, "KO!pO", &handle, Context_type, &context, &owned, &owner)) return NULL;
    return (PyObject *)stream_new((context_object *)context, (CUstream)(uintptr_t)handle, owned,
                                  owner == Py_None ? NULL : owner);
}

static PyObject *address(PyObject *self, void *Py_UNUSED(closure)) {
    return stream_usable((stream_object *)self) ? PyLong_FromVoidPtr(((stream_object *)self)->handle) : NULL;
}

static PyMethodDef methods[] = {
    {"sync", synchronize, METH_NOARGS,
     "sync($self)\n--\n\nWaits until all work of the stream is done; raises what went wrong in it."},
    {"record", FAST(record), METH_FASTCALL | METH_KEYWORDS,
     "record($self, event=None, *, timing=True)\n--\n\n"
     "Lets an event stand for what the stream has now, and returns it.\n\n"
     "event: one of the stream's device; None: a new one, with a time if `timing`."},
    {"wait", wait_other, METH_O,
     "wait($self, other, /)\n--\n\nLets later work begin after `other`: an Event, or what another stream has now."},
    {"close", stream_close, METH_NOARGS, "close($self)\n--\n\nDestroys the stream; the work it has is still done."},
    {"__cuda_stream__", cuda_stream, METH_NOARGS,
     "(0, handle): the protocol that lets other libraries use the stream."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"context", T_OBJECT_EX, offsetof(stream_object, context), READONLY, "The context that the stream belongs to."},
    {"is_closed", T_BOOL, offsetof(stream_object, closed), READONLY, "Whether it was closed."},
    {"_owner", T_OBJECT, offsetof(stream_object, owner), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(stream_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"done", done, NULL, "Whether all work of the stream is done.", NULL},
    {"address", address, NULL, "The handle as an int.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Stream", sizeof(stream_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {
    {"wrap_stream", wrap_stream, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int stream_ready(PyObject *module) {
    Stream_type = add_type(module, &spec, NULL);
    return Stream_type ? PyModule_AddFunctions(module, functions) : -1;
}
