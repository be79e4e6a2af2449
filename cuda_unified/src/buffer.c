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
    int context_closed = b->context && b->context->closed;
    if (LIKELY(!b->closed && !(b->root && b->root->closed) && !context_closed)) return 1;
    raise_closed(context_closed ? (PyObject *)b->context : (PyObject *)b);
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

/* Its stream was closed before: nothing says any more when that is done, so it is waited for. */
static COLD CUresult free_behind_all(buffer_object *b) {
    CUresult status;
    int pushed = enter_quietly(b->context);
    Py_BEGIN_ALLOW_THREADS D.cuCtxSynchronize();
    status = D.cuMemFreeAsync(b->pointer, (CUstream)CU_STREAM_LEGACY);
    Py_END_ALLOW_THREADS leave(pushed);
    return status;
}

static CUresult give_back_to_driver(buffer_object *b, stream_object *stream, const char **function) {
    CUresult status;
    if (LIKELY(b->how == FREED_ASYNC)) {
        *function = "cuMemFreeAsync";
        return stream && UNLIKELY(stream->closed) ? free_behind_all(b)
                                                  : free_in_order(b, stream ? stream->handle : NULL);
    }
    int pushed = b->context ? enter_quietly(b->context) : 0;
    void *host = (void *)(uintptr_t)b->pointer;
    *function = b->how == FREED_SYNC ? "cuMemFree" : b->how == FREED_HOST ? "cuMemFreeHost" : "cuMemHostUnregister";
    Py_BEGIN_ALLOW_THREADS status = b->how == FREED_SYNC   ? D.cuMemFree_v2(b->pointer)
                                    : b->how == FREED_HOST ? D.cuMemFreeHost(host)
                                                           : D.cuMemHostUnregister(host);
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

/* Frees the memory if it is this buffer's to free; 0, or -1 with an error.  Closed in any case.  Where nobody asked for it, a context
 * that has failed is not told of for each of its buffers. */
static int give_back(buffer_object *b, stream_object *stream, int asked) {
    const char *function = NULL;
    b->closed = 1;
    if (b->how == NOT_FREED || !may_free() || (b->context && b->context->closed)) return 0;
    if (!stream) stream = b->stream;
    if (UNLIKELY(b->pending)) keep_wait(b, stream && !stream->closed ? stream : NULL);
    if (b->how == FREED_BY_RESOURCE) return give_back_to_resource(b, stream);
    CUresult status = give_back_to_driver(b, stream, &function);
    if (LIKELY(!status) || (!asked && is_told(status))) return 0;
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
    int failed = give_back(b, stream, 1);
    Py_XDECREF((PyObject *)stream);
    if (!b->root && !b->pending) { /* what it was borrowed from; copies under way still use it */
        PyObject *owner = b->owner;
        b->owner = NULL;
        Py_XDECREF(owner);
    }
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyObject *buffer_exit(PyObject *self, arguments Py_UNUSED(a), Py_ssize_t Py_UNUSED(n)) {
    return buffer_close(self, NULL, 0, NULL);
}

static PyObject *buffer_enter(PyObject *self, PyObject *Py_UNUSED(arg)) {
    return buffer_usable((buffer_object *)self) ? Py_NewRef(self) : NULL;
}

/* Cycles: an owner, or a resource in Python, may refer to its buffer.  The memory of one that is garbage goes back before anything is
 * cleared, so that the resource still works; what others look at goes back when they are gone. */
static int buffer_traverse(PyObject *self, visitproc visit, void *arg) {
    buffer_object *b = (buffer_object *)self;
    Py_VISIT((PyObject *)Py_TYPE(self));
    Py_VISIT(b->owner);
    Py_VISIT(b->resource);
    return 0;
}

static void buffer_finalize(PyObject *self) {
    buffer_object *b = (buffer_object *)self;
    if (b->closed || b->how == NOT_FREED || b->exports || b->pending) return;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (give_back(b, NULL, 0)) PyErr_WriteUnraisable(NULL);
    PyErr_Restore(type, value, trace);
}

static int buffer_clear(PyObject *self) {
    buffer_object *b = (buffer_object *)self;
    if (b->exports || (!b->closed && b->how != NOT_FREED)) return 0; /* it ends when its views do */
    PyObject *owner = b->owner, *resource = b->resource;
    b->closed = 1;
    b->root = NULL;
    b->owner = b->resource = NULL;
    Py_XDECREF(owner);
    Py_XDECREF(resource);
    return 0;
}

static void buffer_dealloc(PyObject *self) {
    buffer_object *b = (buffer_object *)self;
    PyObject_GC_UnTrack(self);
    if (b->weakrefs) PyObject_ClearWeakRefs(self);
    if (!b->closed && b->how != NOT_FREED) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        const int left = UNLIKELY((captures | (b->capture != 0)) && may_free()) && leave_to_capture(b);
        if (LIKELY(!left) && give_back(b, NULL, 0)) PyErr_WriteUnraisable(NULL);
        PyErr_Restore(type, value, trace);
    }
    Py_XDECREF((PyObject *)b->context);
    Py_XDECREF((PyObject *)b->stream);
    Py_XDECREF(b->resource);
    Py_XDECREF(b->owner);
    delete_object(self);
}

/* ---- parts and views ---------------------------------------------------------------------------------------------------- */

static buffer_object *make_part(buffer_object *b, size_t start, size_t size) {
    buffer_object *part = new_object(Py_TYPE((PyObject *)b));
    if (!part) return NULL;
    part->pointer = b->pointer + start;
    part->size = size;
    part->context = (context_object *)Py_XNewRef((PyObject *)b->context);
    part->flags = b->flags;
    part->resource = Py_XNewRef(b->resource);
    part->owner = Py_NewRef((PyObject *)b);
    part->root = whole_of(b);
    return part;
}

/* buffer[a:b] */
static PyObject *subscript(PyObject *self, PyObject *key) {
    buffer_object *b = (buffer_object *)self;
    Py_ssize_t start, stop, step;
    if (!buffer_usable(b)) return NULL;
    if (!PySlice_Check(key))
        return PyErr_Format(PyExc_TypeError, "a Buffer is sliced, buffer[a:b]; it has no elements for %R", key);
    if (PySlice_Unpack(key, &start, &stop, &step)) return NULL;
    if (step != 1) return PyErr_Format(PyExc_ValueError, "a slice of a Buffer has no step, not %zd", step);
    Py_ssize_t size = PySlice_AdjustIndices((Py_ssize_t)b->size, &start, &stop, 1);
    return (PyObject *)make_part(b, (size_t)start, (size_t)size);
}

/* The buffer protocol: only for what the host may read. */
static int get_view(PyObject *self, Py_buffer *view, int flags) {
    static char nothing;
    buffer_object *b = (buffer_object *)self;
    view->obj = NULL;
    if (!buffer_usable(b)) return -1;
    if (in_child) return raise_forked(), -1;
    if (!(b->flags & BY_HOST)) {
        PyErr_SetString(
            PyExc_BufferError,
            "the host cannot read a device's memory: copy it with to_bytes(), copy_to() or an Array's to_host()");
        return -1;
    }
    void *pointer = b->pointer ? (void *)(uintptr_t)b->pointer : &nothing;
    if (PyBuffer_FillInfo(view, self, pointer, (Py_ssize_t)b->size, (b->flags & IS_READ_ONLY) != 0, flags)) return -1;
    b->exports++;
    if (b->root) b->root->exports++;
    return 0;
}

static void release_view(PyObject *self, Py_buffer *Py_UNUSED(view)) {
    buffer_object *b = (buffer_object *)self;
    b->exports--;
    if (b->root) b->root->exports--;
}

/* ---- for Python -------------------------------------------------------------------------------------------------------- */

static int fill_in(buffer_object *b, PyObject *resource, PyObject *owner, PyObject *stream, unsigned char how) {
    if (stream != Py_None && !is_stream(stream)) {
        PyErr_Format(PyExc_TypeError, "a Stream is wanted, not %R", (PyObject *)Py_TYPE(stream));
        return -1;
    }
    if (resource != Py_None) b->resource = Py_NewRef(resource);
    if (owner != Py_None) b->owner = Py_NewRef(owner);
    if (owner != Py_None && is_buffer(owner)) b->root = whole_of((buffer_object *)owner);
    if (stream != Py_None) b->stream = (stream_object *)Py_NewRef(stream);
    b->how = how; /* last: what failed before is not freed */
    return 0;
}

/* make_buffer(pointer, size, context|None, flags, resource|None, owner|None, stream|None, how=None, class=Buffer): freed
 * as `how` says, by default by the resource's deallocate() if there is one, else borrowed.  With a Buffer as owner it is a part
 * of it, and ends with it. */
static PyObject *make_buffer(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long pointer, size;
    PyObject *context, *resource, *owner, *stream, *class = (PyObject *)Buffer_type;
    unsigned char flags;
    int how = -1;
    if (!PyArg_ParseTuple(args, "KKObOOO|iO!", &pointer, &size, &context, &flags, &resource, &owner, &stream, &how,
                          &PyType_Type, &class))
        return NULL;
    if (context != Py_None && !PyObject_TypeCheck(context, Context_type))
        return PyErr_Format(PyExc_TypeError, "a Context is wanted, not %R", (PyObject *)Py_TYPE(context));
    if (!PyType_IsSubtype((PyTypeObject *)class, Buffer_type) || how > UNREGISTERED || size > PY_SSIZE_T_MAX)
        return PyErr_Format(PyExc_ValueError, "%R of %llu bytes, freed in way %d, cannot be made", class, size, how);
    if (how < 0) how = resource == Py_None ? NOT_FREED : FREED_BY_RESOURCE;
    buffer_object *b = new_object((PyTypeObject *)class);
    if (!b) return NULL;
    b->pointer = pointer;
    b->size = size;
    b->flags = flags;
    if (context != Py_None) b->context = (context_object *)Py_NewRef(context);
    if (!fill_in(b, resource, owner, stream, (unsigned char)how)) return (PyObject *)b;
    Py_DECREF((PyObject *)b);
    return NULL;
}

static PyObject *pointer(PyObject *self, void *Py_UNUSED(closure)) {
    buffer_object *b = (buffer_object *)self;
    return buffer_usable(b) ? PyLong_FromUnsignedLongLong(b->pointer) : NULL;
}

static PyObject *is_closed(PyObject *self, void *Py_UNUSED(closure)) {
    buffer_object *b = (buffer_object *)self;
    return PyBool_FromLong(b->closed || (b->root && b->root->closed) || (b->context && b->context->closed));
}

static int set_stream(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    buffer_object *b = (buffer_object *)self;
    if (!value || (value != Py_None && !is_stream(value))) {
        PyErr_SetString(PyExc_TypeError, "the stream of a Buffer is a Stream or None");
        return -1;
    }
    if (b->root) {
        PyErr_SetString(PyExc_ValueError, "a part of a Buffer is freed with the whole: set the stream of that");
        return -1;
    }
    PyObject *before = (PyObject *)b->stream;
    b->stream = value == Py_None ? NULL : (stream_object *)Py_NewRef(value);
    Py_XDECREF(before);
    return 0;
}

static PyObject *get_stream(PyObject *self, void *Py_UNUSED(closure)) {
    PyObject *s = (PyObject *)whole_of((buffer_object *)self)->stream;
    return Py_NewRef(s ? s : Py_None);
}

static Py_ssize_t length(PyObject *self) {
    return (Py_ssize_t)((buffer_object *)self)->size;
}

static PyMethodDef methods[] = {
    {"close", FAST(buffer_close), METH_FASTCALL | METH_KEYWORDS,
     "close($self, stream=None)\n--\n\n"
     "Gives the memory back, stream-ordered memory in the order of `stream` or of the stream it was allocated on.\n\n"
     "BufferError: other libraries still use it."},
    {"fill", FAST(buffer_fill), METH_FASTCALL | METH_KEYWORDS,
     "fill($self, value, *, stream=None)\n--\n\n"
     "Sets every byte to `value`, an int from 0 to 255, or repeats it, 1, 2 or 4 bytes; returns this buffer.\n\n"
     "It is done in the order of `stream` (default: the current one)."},
    {"copy_to", FAST(buffer_copy_to), METH_FASTCALL | METH_KEYWORDS,
     "copy_to($self, dst=None, *, stream=None)\n--\n\n"
     "Copies all bytes to `dst`, by default a new Buffer like this, in the order of `stream`; returns `dst`.\n\n"
     "See `copy_from`."},
    {"copy_from", FAST(buffer_copy_from), METH_FASTCALL | METH_KEYWORDS,
     "copy_from($self, src, *, stream=None)\n--\n\n"
     "Copies all bytes of `src`, as many as here, in the order of `stream` (default: the current one); returns this "
     "buffer.\n\n"
     "src: a Buffer, an Array, an object with DLPack, __cuda_array_interface__ or the buffer protocol.  Both ends are "
     "kept\n"
     "until it is done; memory of the host that is not page-locked is done with when this returns.  ValueError: "
     "another "
     "size.\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html"},
    {"__dlpack__", FAST(buffer_dlpack), METH_FASTCALL | METH_KEYWORDS, "The bytes as a DLPack capsule, see Array."},
    {"__dlpack_device__", buffer_dlpack_device, METH_NOARGS, "(device type, device number) as DLPack counts them."},
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
    {"__cuda_array_interface__", buffer_cuda_interface, NULL, "The bytes, where kernels can use them.", NULL},
    {"stream", get_stream, set_stream, "The stream in whose order it is freed; None: at once.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_traverse, buffer_traverse},
    {Py_tp_finalize, buffer_finalize},
    {Py_tp_clear, buffer_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {Py_sq_length, length},
    {Py_mp_length, length},
    {Py_mp_subscript, subscript},
    {Py_bf_getbuffer, get_view},
    {Py_bf_releasebuffer, release_view},
    {0, NULL},
};
static PyType_Spec spec = {
    "cuda_unified._native.Buffer", sizeof(buffer_object), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC, slots};
static PyMethodDef functions[] = {
    {"make_buffer", make_buffer, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int buffer_ready(PyObject *module) {
    Buffer_type = add_type(module, &spec, NULL);
    return Buffer_type ? PyModule_AddFunctions(module, functions) : -1;
}
