/* Stream-ordered pools: the default way to get memory. */
#include "native.h"

PyTypeObject *Pool_type;

/* allocate(size, stream=None) -> Buffer */
static PyObject *allocate(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"allocate", 1, 2, {"size", "stream", NULL}};
    pool_object *pool = (pool_object *)self;
    PyObject *out[MOST_PARAMETERS];
    size_t size;
    CUdeviceptr pointer = 0;
    CUresult status = CUDA_SUCCESS;
    if (LIKELY(n == 2 && !kwnames))
        out[0] = a[0], out[1] = a[1];
    else if (parse_arguments(&s, a, n, kwnames, out))
        return NULL;
    if (to_size(out[0], "size", &size)) return NULL;
    if (UNLIKELY(pool->closed)) return raise_closed(self);
    keep_poll();
    stream_object *stream = to_stream(out[1], pool->context, "allocate");
    if (!stream) return NULL;
    if (LIKELY(size) && CALL(pool->context, is_default_stream(stream->handle), status,
                             D.cuMemAllocFromPoolAsync(&pointer, size, pool->handle, stream->handle)))
        goto failed;
    if (UNLIKELY(status)) {
        fail(status, "cuMemAllocFromPoolAsync", "size=%zu, stream=%R", size, (PyObject *)stream);
        goto failed;
    }
    buffer_object *b = buffer_new(pointer, size, pool->context, pool->flags);
    if (UNLIKELY(!b)) {
        if (pointer) D.cuMemFreeAsync(pointer, stream->handle);
        goto failed;
    }
    PyObject_GC_UnTrack(b); /* neither pools nor streams lead back to it */
    b->how = size ? FREED_ASYNC : NOT_FREED;
    b->resource = Py_NewRef(self);
    b->stream = stream;
    if (UNLIKELY(captures)) b->capture = capture_of(stream);
    return (PyObject *)b;
failed:
    Py_DECREF((PyObject *)stream);
    return NULL;
}

/* ---- what a device allocates from --------------------------------------------------------------------------------------- */

/* The resource of a device, a reference: what was set, else its pool, which Python finds once. */
PyObject *device_get_resource(PyObject *self, void *Py_UNUSED(closure)) {
    static PyObject *key;
    device_object *d = (device_object *)self;
    if (d->resource) return Py_NewRef(d->resource);
    if (!key && !(key = PyUnicode_InternFromString("pool"))) return NULL;
    PyObject *pool = PyDict_GetItemWithError(d->cache, key);
    if (LIKELY(pool != NULL)) return Py_NewRef(pool);
    return PyErr_Occurred() ? NULL : PyObject_GetAttr(self, key);
}

int device_set_resource(PyObject *self, PyObject *value, void *Py_UNUSED(closure)) {
    device_object *d = (device_object *)self;
    PyObject *module = PyImport_ImportModule("cuda_unified.resources");
    PyObject *checked = module ? PyObject_CallMethod(module, "fit", "OO", self, value ? value : Py_None) : NULL;
    Py_XDECREF(module);
    if (!checked) return -1;
    PyObject *before = d->resource;
    d->resource = checked == Py_None ? NULL : Py_NewRef(checked);
    Py_XDECREF(before);
    Py_DECREF(checked);
    return 0;
}

/* device.allocate(size, stream=None) */
PyObject *device_allocate(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"allocate", 1, 2, {"size", "stream", NULL}};
    PyObject *resource = device_get_resource(self, NULL), *out[MOST_PARAMETERS], *buffer = NULL;
    if (!resource) return NULL;
    if (LIKELY(IS_A(resource, Pool_type)))
        buffer = allocate(resource, a, n, kwnames);
    else if (!parse_arguments(&s, a, n, kwnames, out))
        buffer = PyObject_CallMethod(resource, "allocate", "OO", out[0], out[1] ? out[1] : Py_None);
    Py_DECREF(resource);
    return buffer;
}

/* wrap_pool(class, handle, context, flags, owned, owner=None) */
static PyObject *wrap_pool(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *class, *context, *owner = Py_None;
    unsigned long long handle;
    unsigned char flags;
    int owned;
    if (!PyArg_ParseTuple(args, "O!KO!bp|O", &PyType_Type, &class, &handle, Context_type, &context, &flags, &owned,
                          &owner))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)class, Pool_type))
        return PyErr_Format(PyExc_TypeError, "%R is no class of pools", class);
    pool_object *pool = new_object((PyTypeObject *)class);
    if (!pool) return NULL;
    pool->handle = (CUmemoryPool)(uintptr_t)handle;
    pool->context = (context_object *)Py_NewRef(context);
    pool->flags = flags;
    pool->owner = owner == Py_None ? NULL : Py_NewRef(owner);
    pool->owned = (char)owned;
    return (PyObject *)pool;
}

/* What was allocated from it stays until it is freed. */
static CUresult destroy(pool_object *pool) {
    CUresult status = CUDA_SUCCESS;
    pool->closed = 1;
    if (!pool->owned || !may_free()) return status;
    CALL_QUIETLY(pool->context, status, D.cuMemPoolDestroy(pool->handle));
    return status;
}

static PyObject *pool_close(PyObject *self, PyObject *Py_UNUSED(arg)) {
    pool_object *pool = (pool_object *)self;
    if (pool->closed) Py_RETURN_NONE;
    if (!pool->owned) {
        PyErr_SetString(PyExc_ValueError, "a device's default or a borrowed pool is not closed through this object");
        return NULL;
    }
    CUresult status = destroy(pool);
    if (status) return fail(status, "cuMemPoolDestroy", NULL);
    Py_RETURN_NONE;
}

static PyObject *address(PyObject *self, void *Py_UNUSED(closure)) {
    pool_object *pool = (pool_object *)self;
    return pool->closed ? raise_closed(self) : PyLong_FromVoidPtr(pool->handle);
}

static void pool_dealloc(PyObject *self) {
    pool_object *pool = (pool_object *)self;
    if (pool->weakrefs) PyObject_ClearWeakRefs(self);
    if (pool->owned && !pool->closed) {
        CUresult status = destroy(pool);
        if (status) warn_unraisable(status, "cuMemPoolDestroy", NULL);
    }
    Py_XDECREF((PyObject *)pool->context);
    Py_XDECREF(pool->owner);
    delete_object(self);
}

static PyMethodDef methods[] = {
    {"allocate", FAST(allocate), METH_FASTCALL | METH_KEYWORDS,
     "Allocates `size` bytes that work of the stream may use from now on; returns a Buffer."},
    {"close", pool_close, METH_NOARGS, "Destroys the pool; what was allocated from it stays until it is freed."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"context", T_OBJECT_EX, offsetof(pool_object, context), READONLY, "The context that allocations are made in."},
    {"is_closed", T_BOOL, offsetof(pool_object, closed), READONLY, "Whether it was closed."},
    {"is_owned", T_BOOL, offsetof(pool_object, owned), READONLY, "Whether close() destroys it."},
    {"_flags", T_UBYTE, offsetof(pool_object, flags), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(pool_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"address", address, NULL, "The handle as an int.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Pool", sizeof(pool_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {
    {"wrap_pool", wrap_pool, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int pool_ready(PyObject *module) {
    Pool_type = add_type(module, &spec, NULL);
    return Pool_type ? PyModule_AddFunctions(module, functions) : -1;
}
