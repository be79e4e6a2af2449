/* Launches: launch(), kernel[...](...), and Launchers, which have a stream, a configuration and packed arguments already. */
#include "launch.h"

PyTypeObject *Launcher_type;

typedef PyObject *(*vectorcall)(PyObject *, PyObject *const *, size_t, PyObject *);
#define HAVE_VECTORCALL (1UL << 11) /* Py_TPFLAGS_HAVE_VECTORCALL: in the limited API from 3.12 on */
#define ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1)) /* PY_VECTORCALL_ARGUMENTS_OFFSET */

/* Arguments that were packed for later.  Never written while a call reads them: whoever changes one makes a copy. */
typedef struct {
    int users; /* the launcher, and calls under way */
    uint32_t n, size;
    int own_places; /* each argument has a place that the table does not tell */
    void **pointers;
    char block[] __attribute__((aligned(16)));
} packed_block;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    vectorcall call;
    kernel_object *kernel;
    config_object *config;
    stream_object *stream;   /* NULL: the current one, at each call */
    packed_block *packed;    /* NULL: arguments come with the call */
    PyObject *values, *kept; /* lists: the arguments, and what else has to live with each of them, or None */
    uint32_t closable;       /* how many of the values are memory that may be closed */
} launcher_object;

/* ---- one launch -------------------------------------------------------------------------------------------------------- */

static COLD PyObject *launch_failed(CUresult status, const char *function, stream_object *s, config_object *c,
                                    kernel_object *k) {
    PyObject *module = PyImport_ImportModule("cuda_unified.launcher");
    PyObject *error = module ? PyObject_CallMethod(module, "_failed", "isOOO", (int)status, function, (PyObject *)s,
                                                   (PyObject *)c, (PyObject *)k)
                             : NULL;
    Py_XDECREF(module);
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

static PyObject *run(stream_object *s, config_object *c, kernel_object *k, void **pointers) {
    CUresult status;
    const int is_default = is_default_stream(s->handle);
    const CUlaunchConfig *l = &c->c;
    if (UNLIKELY(!kernel_usable(k)) || config_fits(c, s)) return NULL;
    if (LIKELY(!l->numAttrs)) {
        if (CALL(s->context, is_default, status,
                 D.cuLaunchKernel((CUfunction)k->handle, l->gridDimX, l->gridDimY, l->gridDimZ, l->blockDimX,
                                  l->blockDimY, l->blockDimZ, l->sharedMemBytes, s->handle, pointers, NULL)))
            return NULL;
        if (UNLIKELY(status)) return launch_failed(status, "cuLaunchKernel", s, c, k);
    } else {
        CUlaunchConfig own = *l;
        own.hStream = s->handle;
        if (CALL(s->context, is_default, status, D.cuLaunchKernelEx(&own, (CUfunction)k->handle, pointers, NULL)))
            return NULL;
        if (UNLIKELY(status)) return launch_failed(status, "cuLaunchKernelEx", s, c, k);
    }
    Py_RETURN_NONE;
}

/* A kernel that a stream captures has its arguments as long as the graph; takes over `values`. */
static COLD PyObject *keep_captured(PyObject *result, stream_object *s, kernel_object *k, PyObject *values,
                                    PyObject *kept) {
    PyObject *all = values ? PyTuple_Pack(3, (PyObject *)k, values, kept ? kept : Py_None) : NULL;
    Py_XDECREF(values);
    if (all && !keep_in_capture(s, all)) return result;
    Py_DECREF(result);
    return NULL;
}

static COLD PyObject *tuple_of(arguments a, Py_ssize_t n) {
    PyObject *values = PyTuple_New(n);
    for (Py_ssize_t i = 0; values && i < n; i++) PyTuple_SetItem(values, i, Py_NewRef(a[i]));
    return values;
}

static PyObject *pack_and_run(stream_object *s, config_object *c, kernel_object *k, arguments a, Py_ssize_t n) {
    packed p;
    if (!stream_usable(s) || pack(&p, k, s, a, n)) return NULL;
    PyObject *result = run(s, c, k, p.pointers);
    if (UNLIKELY(captures && result)) result = keep_captured(result, s, k, tuple_of(a, n), p.kept);
    end_packed(&p);
    return result;
}

/* The stream of an argument, a new reference. */
static inline stream_object *stream_of(PyObject *o, const char *function) {
    return LIKELY(Py_TYPE(o) == Stream_type) ? (stream_object *)Py_NewRef(o) : to_stream(o, NULL, function);
}

static COLD PyObject *wrong_type(const char *function, const char *what, PyObject *o) {
    return PyErr_Format(PyExc_TypeError, "%s: %s is wanted, not %R", function, what, (PyObject *)Py_TYPE(o));
}

/* launch(stream, config, kernel, *args) */
static PyObject *launch(PyObject *Py_UNUSED(module), arguments a, Py_ssize_t n) {
    if (UNLIKELY(n < 3)) {
        PyErr_SetString(PyExc_TypeError, "launch() takes a stream, a configuration, a kernel, and its arguments");
        return NULL;
    }
    if (UNLIKELY(Py_TYPE(a[1]) != LaunchConfig_type)) return wrong_type("launch()", "a LaunchConfig", a[1]);
    if (UNLIKELY(Py_TYPE(a[2]) != Kernel_type)) return wrong_type("launch()", "a Kernel", a[2]);
    stream_object *s = stream_of(a[0], "launch");
    if (UNLIKELY(!s)) return NULL;
    PyObject *result = pack_and_run(s, (config_object *)a[1], (kernel_object *)a[2], a + 3, n - 3);
    Py_DECREF((PyObject *)s);
    return result;
}

/* ---- packed arguments -------------------------------------------------------------------------------------------------- */

static packed_block *block_new(uint32_t n, uint32_t size) {
    const size_t bytes = (size + 15u) & ~(size_t)15;
    packed_block *b = PyMem_Malloc(sizeof *b + bytes + n * sizeof(void *) + 16);
    if (!b) return (packed_block *)PyErr_NoMemory();
    *b = (packed_block){.users = 1, .n = n, .size = (uint32_t)bytes};
    b->pointers = (void **)(b->block + bytes);
    return b;
}

static void block_drop(packed_block *b) {
    if (b && --b->users == 0) PyMem_Free(b);
}

static packed_block *block_copy(const packed_block *from) {
    packed_block *b = block_new(from->n, from->size);
    if (!b) return NULL;
    memcpy(b->block, from->block, from->size);
    for (uint32_t i = 0; i < b->n; i++) b->pointers[i] = b->block + ((char *)from->pointers[i] - from->block);
    return b;
}

/* Memory of this layer, which may be closed while the launcher keeps the object. */
static inline int can_close(PyObject *o) {
    return is_buffer(o) || is_array(o);
}
static int is_usable(PyObject *o) {
    return is_array(o) ? array_usable((array_object *)o) : buffer_usable((buffer_object *)o);
}

static void count_closable(launcher_object *l) {
    l->closable = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(l->values); i++) l->closable += can_close(PyList_GetItem(l->values, i));
}

/* Also notes in which stream arrays are written now. */
static int values_usable(launcher_object *l, stream_object *s) {
    uint32_t left = l->closable;
    for (Py_ssize_t i = 0; left && i < PyList_Size(l->values); i++) {
        PyObject *o = PyList_GetItem(l->values, i);
        if (!can_close(o)) continue;
        if (!is_usable(o)) return name_argument(&(place){.kernel = l->kernel, .i = i, .n = l->packed->n}), 0;
        if (is_array(o) && !((array_object *)o)->read_only) array_ready_in((array_object *)o, s);
        left--;
    }
    return 1;
}

/* Packs argument i into a block; what it needs to live goes to kept[i]. */
static int pack_into(launcher_object *l, packed_block *b, stream_object *s, Py_ssize_t i, PyObject *o,
                     PyObject **kept) {
    const parameter *one = &l->kernel->table->parameters[i];
    place at = {l->kernel, s, i, b->n, b->block + one->offset, one->size, one->size, one->kind, kept};
    b->pointers[i] = at.to;
    return pack_one(&at, o);
}

static int pack_all(launcher_object *l, stream_object *s, arguments a, Py_ssize_t n) {
    const parameter_table *t = parameters_of(l->kernel, s->context);
    if (!t) return -1;
    if (!t->known || n != (Py_ssize_t)t->n) {
        packed p; /* raises what launch() would */
        if (t->known) return pack(&p, l->kernel, s, a, n);
        return bad_argument(&(place){.kernel = l->kernel, .n = n}, PyExc_NotImplementedError,
                            "bind() needs a driver that tells the sizes of a kernel's parameters");
    }
    l->packed = block_new(t->n, t->size);
    l->values = PyList_New(n);
    l->kept = PyList_New(n);
    if (!l->packed || !l->values || !l->kept) return -1;
    for (Py_ssize_t i = 0; i < n; i++) PyList_SetItem(l->kept, i, Py_NewRef(Py_None)); /* whole before Python runs */
    for (Py_ssize_t i = 0; i < n; i++) PyList_SetItem(l->values, i, Py_NewRef(a[i]));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *kept = NULL;
        int failed = pack_into(l, l->packed, s, i, a[i], &kept);
        if (kept) PyList_SetItem(l->kept, i, kept);
        if (failed) return -1;
    }
    count_closable(l);
    return 0;
}

static stream_object *stream_now(launcher_object *l) { /* a new reference */
    return l->stream ? (stream_object *)Py_NewRef((PyObject *)l->stream) : current_stream(NULL);
}

/* set(i, value) */
static PyObject *set(PyObject *self, arguments a, Py_ssize_t n) {
    launcher_object *l = (launcher_object *)self;
    size_t i;
    if (n != 2 || !l->packed) {
        PyErr_SetString(PyExc_TypeError, n != 2 ? "set() takes the index of an argument and its value"
                                                : "this Launcher has no arguments; Kernel.bind() makes one that has");
        return NULL;
    }
    if (to_size(a[0], "set(): the index", &i)) return NULL;
    if (i >= l->packed->n) {
        PyObject *kernel = kernel_written(l->kernel);
        PyErr_Format(PyExc_IndexError, "set(): %U() has %u arguments, there is no args[%zu]", kernel, l->packed->n, i);
        Py_DECREF(kernel);
        return NULL;
    }
    stream_object *s = stream_now(l);
    packed_block *changed = s ? block_copy(l->packed) : NULL;
    PyObject *kept = NULL;
    int failed = !changed || pack_into(l, changed, s, (Py_ssize_t)i, a[1], &kept);
    Py_XDECREF((PyObject *)s);
    if (failed) {
        block_drop(changed);
        Py_XDECREF(kept);
        return NULL;
    }
    packed_block *before = l->packed;
    if (before->users > 1) { /* a call reads it, in another thread or further up in this one */
        l->packed = changed;
        before->users--;
    } else {
        memcpy(before->block, changed->block, changed->size);
        block_drop(changed);
    }
    failed = PyList_SetItem(l->values, (Py_ssize_t)i, Py_NewRef(a[1])) |
             PyList_SetItem(l->kept, (Py_ssize_t)i, kept ? kept : Py_NewRef(Py_None));
    if (failed) return NULL; /* the garbage collector has emptied them */
    count_closable(l);
    Py_RETURN_NONE;
}

/* ---- launchers --------------------------------------------------------------------------------------------------------- */

static PyObject *run_packed(launcher_object *l, stream_object *s) {
    packed_block *b = l->packed;
    if (!stream_usable(s) || (l->closable && !values_usable(l, s))) return NULL;
    b->users++;
    PyObject *result = run(s, l->config, l->kernel, b->pointers);
    if (UNLIKELY(captures && result)) {
        PyObject *kept = PyList_AsTuple(l->kept), *values = PyList_AsTuple(l->values);
        result = keep_captured(result, s, l->kernel, values, kept);
        Py_XDECREF(kept);
    }
    block_drop(b);
    return result;
}

/* launcher(): the arguments it has; launcher(*args): these, for this launch */
static PyObject *launcher_call(PyObject *self, PyObject *const *a, size_t n, PyObject *kwnames) {
    launcher_object *l = (launcher_object *)self;
    const Py_ssize_t given = (Py_ssize_t)(n & ~ARGUMENTS_OFFSET);
    if (UNLIKELY(kwnames && PyTuple_Size(kwnames))) {
        PyObject *kernel = kernel_written(l->kernel);
        PyErr_Format(PyExc_TypeError, "%U() takes no arguments by name", kernel);
        Py_DECREF(kernel);
        return NULL;
    }
    stream_object *s = LIKELY(l->stream != NULL) ? (stream_object *)Py_NewRef((PyObject *)l->stream) : stream_now(l);
    if (UNLIKELY(!s)) return NULL;
    PyObject *result = l->packed && !given ? run_packed(l, s) : pack_and_run(s, l->config, l->kernel, a, given);
    Py_DECREF((PyObject *)s);
    return result;
}

static launcher_object *launcher_new(kernel_object *k, config_object *c, stream_object *s) { /* steals c and s */
    launcher_object *l = c ? new_object(Launcher_type) : NULL;
    if (!l) {
        Py_XDECREF((PyObject *)c);
        Py_XDECREF((PyObject *)s);
        return NULL;
    }
    l->call = launcher_call;
    l->kernel = (kernel_object *)Py_NewRef((PyObject *)k);
    l->config = c;
    l->stream = s;
    return l;
}

/* kernel.bind(stream, config, *args) */
PyObject *kernel_bind(PyObject *k, arguments a, Py_ssize_t n) {
    if (n < 2) {
        PyErr_SetString(PyExc_TypeError, "bind() takes a stream, a configuration, and the kernel's arguments");
        return NULL;
    }
    if (Py_TYPE(a[1]) != LaunchConfig_type) return wrong_type("bind()", "a LaunchConfig", a[1]);
    stream_object *s = to_stream(a[0], NULL, "bind");
    launcher_object *l = s ? launcher_new((kernel_object *)k, (config_object *)Py_NewRef(a[1]), s) : NULL;
    if (l && pack_all(l, s, a + 2, n - 2)) {
        Py_DECREF((PyObject *)l);
        l = NULL;
    }
    return (PyObject *)l;
}

/* kernel[config], kernel[config, stream], kernel[grid, block], and with stream and shared memory behind it */
PyObject *kernel_item(PyObject *k, PyObject *key) {
    const Py_ssize_t n = PyTuple_Check(key) ? PyTuple_Size(key) : 1;
    PyObject *items[4] = {key};
    for (Py_ssize_t i = 0; i < n && i < 4 && PyTuple_Check(key); i++) items[i] = PyTuple_GetItem(key, i);
    const int has_config = n >= 1 && Py_TYPE(items[0]) == LaunchConfig_type, at = has_config ? 1 : 2;
    if (n < at || n > (has_config ? 2 : 4)) {
        PyErr_SetString(PyExc_TypeError,
                        "a kernel is launched by kernel[grid, block](...), kernel[grid, block, stream, "
                        "shared_memory](...) or kernel[config, stream](...)");
        return NULL;
    }
    config_object *c = has_config ? (config_object *)Py_NewRef(items[0]) : config_new(items[0], items[1], items[3]);
    stream_object *s = NULL;
    if (c && n > at && items[at] != Py_None && !(s = stream_of(items[at], "kernel[...]"))) {
        Py_DECREF((PyObject *)c);
        return NULL;
    }
    return (PyObject *)launcher_new((kernel_object *)k, c, s);
}

static int launcher_traverse(PyObject *self, visitproc visit, void *arg) {
    launcher_object *l = (launcher_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)l->kernel);
    Py_VISIT(l->values);
    Py_VISIT(l->kept);
    return 0;
}

/* The lists alone can be part of a cycle that ends here: they are emptied, and the launcher stays what it is. */
static int launcher_clear(PyObject *self) {
    launcher_object *l = (launcher_object *)self;
    if (l->values) PyList_SetSlice(l->values, 0, PyList_Size(l->values), NULL);
    if (l->kept) PyList_SetSlice(l->kept, 0, PyList_Size(l->kept), NULL);
    return 0;
}

static void launcher_dealloc(PyObject *self) {
    launcher_object *l = (launcher_object *)self;
    PyObject_GC_UnTrack(self);
    if (l->weakrefs) PyObject_ClearWeakRefs(self);
    block_drop(l->packed);
    Py_XDECREF((PyObject *)l->kernel);
    Py_XDECREF((PyObject *)l->config);
    Py_XDECREF((PyObject *)l->stream);
    Py_XDECREF(l->values);
    Py_XDECREF(l->kept);
    delete_object(self);
}

static PyObject *get_arguments(PyObject *self, void *Py_UNUSED(closure)) {
    PyObject *values = ((launcher_object *)self)->values;
    return values ? PyList_AsTuple(values) : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"set", FAST(set), METH_FASTCALL,
     "set($self, i, value, /)\n--\n\nPacks another `value` for args[i], for all launches from now on; raises as "
     "launch."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"kernel", T_OBJECT_EX, offsetof(launcher_object, kernel), READONLY, "The kernel."},
    {"config", T_OBJECT_EX, offsetof(launcher_object, config), READONLY, "The LaunchConfig."},
    {"stream", T_OBJECT, offsetof(launcher_object, stream), READONLY,
     "The stream; None: the current one, at each call."},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(launcher_object, call), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(launcher_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
/* What CUDA calls kernelParams, of the packed arguments as they are now. */
static PyObject *get_pointers(PyObject *self, void *Py_UNUSED(closure)) {
    packed_block *b = ((launcher_object *)self)->packed;
    return b ? PyLong_FromVoidPtr(b->pointers) : Py_NewRef(Py_None);
}

static PyGetSetDef getters[] = {
    {"_pointers", get_pointers, NULL, NULL, NULL},
    {"arguments", get_arguments, NULL,
     "The arguments that it was given by bind() and set(); None: they come with the call.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *call_slowly(PyObject *self, PyObject *args, PyObject *kwargs) {
    arguments none = NULL;
    Py_ssize_t n = PyTuple_Size(args);
    PyObject **a = PyMem_Malloc(((size_t)n + 1) * sizeof *a);
    PyObject *names = kwargs ? PyDict_Keys(kwargs) : NULL, *kwnames = names ? PyList_AsTuple(names) : NULL;
    PyObject *result = NULL;
    for (Py_ssize_t i = 0; a && i < n; i++) a[i] = PyTuple_GetItem(args, i);
    if (!a)
        PyErr_NoMemory();
    else if (!kwargs || kwnames)
        result = launcher_call(self, n ? a : none, (size_t)n, kwnames);
    Py_XDECREF(names);
    Py_XDECREF(kwnames);
    PyMem_Free(a);
    return result;
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, launcher_dealloc}, {Py_tp_traverse, launcher_traverse},
    {Py_tp_clear, launcher_clear},     {Py_tp_methods, methods},
    {Py_tp_members, members},          {Py_tp_getset, getters},
    {Py_tp_call, call_slowly},         {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Launcher", sizeof(launcher_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                               HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC,
                           slots};
static PyMethodDef functions[] = {
    {"launch", FAST(launch), METH_FASTCALL,
     "launch(stream, config, kernel, /, *args)\n--\n\n"
     "Puts a kernel into a stream's work, with these arguments.\n\n"
     "stream: a Stream, an object with __cuda_stream__, or None for the current one.  config: a LaunchConfig.  args: "
     "one for\n"
     "each parameter of the kernel; count and sizes are checked before anything is launched.  Memory is given as a "
     "Buffer, an\n"
     "Array or any object with __dlpack__ or __cuda_array_interface__, of which the kernel gets the pointer and no "
     "strides;\n"
     "None is a null pointer; int, float, bool and "
     "complex are\n"
     "packed to the parameter's size; NumPy and ctypes scalars and structs, records and handles of cubind, and bytes "
     "must have\n"
     "exactly that size.\n\n"
     "Raises TypeError or ValueError that name the kernel, the argument, what was expected and what was given; the "
     "class of\n"
     "CudaError that the driver's status means, with kernel, grid, block and shared memory.\n\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__EXEC.html"},
    {NULL, NULL, 0, NULL},
};

int launch_ready(PyObject *module) {
    if (pack_ready()) return -1;
    Launcher_type = add_type(module, &spec, NULL);
    return Launcher_type ? PyModule_AddFunctions(module, functions) : -1;
}
