/* Buffers: memory and who frees it. */
#include "native.h"

PyTypeObject *Buffer_type;

buffer_object *buffer_new(uint64_t pointer, size_t size, context_object *c, unsigned char flags) {
    buffer_object *b = new_object(Buffer_type);
    if (UNLIKELY(!b)) return NULL;
    b->pointer = pointer;
    b->size = size;
    b->context = (context_object *)Py_XNewRef((PyObject *)c);
    b->flags = flags;
    return b;
}

int buffer_usable(buffer_object *b) {
    if (LIKELY(!b->closed && !(b->root && b->root->closed))) return 1;
    raise_closed((PyObject *)b);
    return 0;
}

/* ---- giving back ------------------------------------------------------------------------------------------------------- */

static CUresult free_in_order(buffer_object *b, CUstream stream) {
    CUresult status;
    int pushed = UNLIKELY(is_default_stream(stream)) ? enter_quietly(b->context) : 0;
    CALL_QUIETLY(b->context, status, D.cuMemFreeAsync(b->pointer, stream));
    leave(pushed);
    return status;
}

static CUresult give_back_to_driver(buffer_object *b, CUstream stream, const char **function) {
    CUresult status;
    if (LIKELY(b->how == FREED_ASYNC)) {
        *function = "cuMemFreeAsync";
        return free_in_order(b, stream);
    }
    int pushed = b->context ? enter_quietly(b->context) : 0;
    *function = b->how == FREED_SYNC ? "cuMemFree" : "cuMemFreeHost";
    Py_BEGIN_ALLOW_THREADS status =
        b->how == FREED_SYNC ? D.cuMemFree_v2(b->pointer) : D.cuMemFreeHost((void *)(uintptr_t)b->pointer);
    Py_END_ALLOW_THREADS leave(pushed);
    return status;
}

/* resource.deallocate(pointer, size, stream=stream); 0, or -1 with its error */
static int give_back_to_resource(buffer_object *b, stream_object *stream) {
    PyObject *method = PyObject_GetAttrString(b->resource, "deallocate");
    PyObject *args = method ? Py_BuildValue("(KK)", (unsigned long long)b->pointer, (unsigned long long)b->size) : NULL;
    PyObject *keywords = args ? Py_BuildValue("{sO}", "stream", stream ? (PyObject *)stream : Py_None) : NULL;
    PyObject *done = keywords ? PyObject_Call(method, args, keywords) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Frees the memory if it is this buffer's to free; 0, or -1 with an error.  Closed in any case. */
static int give_back(buffer_object *b, stream_object *stream) {
    const char *function = NULL;
    b->closed = 1;
    if (b->how == NOT_FREED || !may_free() || (b->context && b->context->closed)) return 0;
    if (!stream) stream = b->stream;
    if (b->how == FREED_BY_RESOURCE) return give_back_to_resource(b, stream);
    CUresult status = give_back_to_driver(b, stream ? stream->handle : NULL, &function);
    if (LIKELY(!status)) return 0;
    fail(status, function, "size=%zu", b->size);
    return -1;
}

/* close(stream=None): stream-ordered memory is freed in the order of that stream, else of the one it was allocated on */
static PyObject *buffer_close(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"close", 0, 1, {"stream", NULL}};
    buffer_object *b = (buffer_object *)self;
    PyObject *out[MOST_PARAMETERS] = {n ? a[0] : NULL};
    if ((kwnames || n > 1) && parse_arguments(&s, a, n, kwnames, out)) return NULL;
    if (b->closed) Py_RETURN_NONE;
    if (UNLIKELY(b->exports)) {
        PyErr_Format(PyExc_BufferError, "%d object%s of other libraries still use%s the memory of this buffer",
                     b->exports, b->exports == 1 ? "" : "s", b->exports == 1 ? "s" : "");
        return NULL;
    }
    stream_object *stream = NULL;
    if (out[0] && out[0] != Py_None && !(stream = to_stream(out[0], b->context, "close"))) return NULL;
    int failed = give_back(b, stream);
    Py_XDECREF((PyObject *)stream);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyObject *buffer_exit(PyObject *self, arguments Py_UNUSED(a), Py_ssize_t Py_UNUSED(n)) {
    return buffer_close(self, NULL, 0, NULL);
}

static PyObject *buffer_enter(PyObject *self, PyObject *Py_UNUSED(arg)) {
    return buffer_usable((buffer_object *)self) ? Py_NewRef(self) : NULL;
}

static void buffer_dealloc(PyObject *self) {
    buffer_object *b = (buffer_object *)self;
    if (b->weakrefs) PyObject_ClearWeakRefs(self);
    if (!b->closed && b->how != NOT_FREED) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        if (give_back(b, NULL)) PyErr_WriteUnraisable(NULL);
        PyErr_Restore(type, value, trace);
    }
    Py_XDECREF((PyObject *)b->context);
    Py_XDECREF((PyObject *)b->stream);
    Py_XDECREF(b->resource);
    Py_XDECREF(b->owner);
    delete_object(self);
}

/* ---- for Python -------------------------------------------------------------------------------------------------------- */

/* make_buffer(pointer, size, context|None, flags, resource|None, owner|None, stream|None): freed by the resource's
 * deallocate() if there is one, else borrowed.  With a Buffer as owner it is a part of it, and ends with it. */
static PyObject *make_buffer(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long pointer, size;
    PyObject *context, *resource, *owner, *stream;
    unsigned char flags;
    if (!PyArg_ParseTuple(args, "KKObOOO", &pointer, &size, &context, &flags, &resource, &owner, &stream)) return NULL;
    if (context != Py_None && !PyObject_TypeCheck(context, Context_type))
        return PyErr_Format(PyExc_TypeError, "a Context is wanted, not %R", (PyObject *)Py_TYPE(context));
    if (stream != Py_None && !is_stream(stream))
        return PyErr_Format(PyExc_TypeError, "a Stream is wanted, not %R", (PyObject *)Py_TYPE(stream));
    buffer_object *b = buffer_new(pointer, size, context == Py_None ? NULL : (context_object *)context, flags);
    if (!b) return NULL;
    if (resource != Py_None) {
        b->resource = Py_NewRef(resource);
        b->how = FREED_BY_RESOURCE;
    }
    if (owner != Py_None) b->owner = Py_NewRef(owner);
    if (owner != Py_None && is_buffer(owner)) {
        buffer_object *whole = (buffer_object *)owner;
        b->root = whole->root ? whole->root : whole;
    }
    if (stream != Py_None) b->stream = (stream_object *)Py_NewRef(stream);
    return (PyObject *)b;
}

static PyObject *pointer(PyObject *self, void *Py_UNUSED(closure)) {
    buffer_object *b = (buffer_object *)self;
    return buffer_usable(b) ? PyLong_FromUnsignedLongLong(b->pointer) : NULL;
}

static PyObject *is_closed(PyObject *self, void *Py_UNUSED(closure)) {
    buffer_object *b = (buffer_object *)self;
    return PyBool_FromLong(b->closed || (b->root && b->root->closed));
}

static int set_stream(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    buffer_object *b = (buffer_object *)self;
    if (!value || (value != Py_None && !is_stream(value))) {
        PyErr_SetString(PyExc_TypeError, "the stream of a Buffer is a Stream or None");
        return -1;
    }
    Py_XDECREF((PyObject *)b->stream);
    b->stream = value == Py_None ? NULL : (stream_object *)Py_NewRef(value);
    return 0;
}

static PyObject *get_stream(PyObject *self, void *Py_UNUSED(closure)) {
    PyObject *s = (PyObject *)((buffer_object *)self)->stream;
    return Py_NewRef(s ? s : Py_None);
}

static Py_ssize_t length(PyObject *self) {
    return (Py_ssize_t)((buffer_object *)self)->size;
}

static PyMethodDef methods[] = {
    {"close", FAST(buffer_close), METH_FASTCALL | METH_KEYWORDS,
     "Gives the memory back, stream-ordered memory in the order of `stream` or of the stream it was allocated on."},
    {"__enter__", buffer_enter, METH_NOARGS, NULL},
    {"__exit__", FAST(buffer_exit), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"size", T_PYSSIZET, offsetof(buffer_object, size), READONLY, "Bytes."},
    {"context", T_OBJECT, offsetof(buffer_object, context), READONLY,
     "The context of the memory; None for the host's."},
    {"resource", T_OBJECT, offsetof(buffer_object, resource), READONLY,
     "What it was allocated from; None if borrowed."},
    {"owner", T_OBJECT, offsetof(buffer_object, owner), READONLY, "What is kept alive with it."},
    {"_exports", T_INT, offsetof(buffer_object, exports), READONLY, NULL},
    {"_flags", T_UBYTE, offsetof(buffer_object, flags), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(buffer_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"pointer", pointer, NULL, "The address, an int; ClosedError once the buffer is closed.", NULL},
    {"is_closed", is_closed, NULL, "Whether it was closed.", NULL},
    {"stream", get_stream, set_stream, "The stream in whose order it is freed; None: at once.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, buffer_dealloc}, {Py_tp_methods, methods}, {Py_tp_members, members},
    {Py_tp_getset, getters},         {Py_sq_length, length},   {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Buffer", sizeof(buffer_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {
    {"make_buffer", make_buffer, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int buffer_ready(PyObject *module) {
    Buffer_type = add_type(module, &spec, NULL);
    return Buffer_type ? PyModule_AddFunctions(module, functions) : -1;
}
