/* Graphs: who destroys them, and launches of executables. */
#include <pthread.h>
#include "native.h"

/* ---- definitions ------------------------------------------------------------------------------------------------------------- */

static PyTypeObject *Graph_type, *GraphExec_type;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUgraph handle;
    context_object *context;
    PyObject
        *owner; /* of a part of another graph (a child, a body): that graph; NULL: it is destroyed with this object */
    char closed;
} graph_object;

static CUresult destroy_graph(graph_object *g) {
    CUresult status = CUDA_SUCCESS;
    g->closed = 1;
    if (g->owner || g->context->closed || !may_free()) return status;
    CALL_QUIETLY(g->context, status, D.cuGraphDestroy(g->handle));
    return status;
}

static int graph_usable(graph_object *g) {
    int dead = g->closed;
    for (PyObject *o = g->owner; o && !dead; o = ((graph_object *)o)->owner) dead = ((graph_object *)o)->closed;
    return !dead;
}

/* wrap_graph(handle, context, owner|None) */
static PyObject *wrap_graph(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long handle;
    PyObject *context, *owner;
    if (!PyArg_ParseTuple(args, "KO!O", &handle, Context_type, &context, &owner)) return NULL;
    if (owner != Py_None && Py_TYPE(owner) != Graph_type) {
        PyErr_SetString(PyExc_TypeError, "wrap_graph(handle, context, owner): the owner is one of these or None");
        return NULL;
    }
    graph_object *g = new_object(Graph_type);
    if (!g) return NULL;
    g->handle = (CUgraph)(uintptr_t)handle;
    g->context = (context_object *)Py_NewRef(context);
    g->owner = owner == Py_None ? NULL : Py_NewRef(owner);
    return (PyObject *)g;
}

static PyObject *graph_close(PyObject *self, PyObject *Py_UNUSED(arg)) {
    graph_object *g = (graph_object *)self;
    CUresult status = g->closed ? CUDA_SUCCESS : destroy_graph(g);
    if (UNLIKELY(status)) return fail(status, "cuGraphDestroy", NULL);
    Py_RETURN_NONE;
}

/* Its graph belongs to another one from now on. */
static PyObject *graph_disown(PyObject *self, PyObject *Py_UNUSED(arg)) {
    ((graph_object *)self)->closed = 1;
    Py_RETURN_NONE;
}

static void graph_dealloc(PyObject *self) {
    graph_object *g = (graph_object *)self;
    if (g->weakrefs) PyObject_ClearWeakRefs(self);
    CUresult status = g->closed ? CUDA_SUCCESS : destroy_graph(g);
    if (UNLIKELY(status)) warn_unraisable(status, "cuGraphDestroy", NULL);
    Py_XDECREF((PyObject *)g->context);
    Py_XDECREF(g->owner);
    delete_object(self);
}

static PyObject *graph_address(PyObject *self, void *Py_UNUSED(closure)) {
    graph_object *g = (graph_object *)self;
    if (UNLIKELY(in_child)) return raise_forked();
    return graph_usable(g) ? PyLong_FromVoidPtr(g->handle) : raise_closed(self);
}

static PyObject *graph_is_closed(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(!graph_usable((graph_object *)self));
}

static PyMethodDef graph_methods[] = {
    {"close", graph_close, METH_NOARGS, NULL},
    {"disown", graph_disown, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef graph_members[] = {
    {"context", T_OBJECT_EX, offsetof(graph_object, context), READONLY, NULL},
    {"owner", T_OBJECT, offsetof(graph_object, owner), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(graph_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef graph_getters[] = {
    {"address", graph_address, NULL, NULL, NULL},
    {"is_closed", graph_is_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot graph_slots[] = {
    {Py_tp_dealloc, graph_dealloc},
    {Py_tp_methods, graph_methods},
    {Py_tp_members, graph_members},
    {Py_tp_getset, graph_getters},
    {0, NULL},
};
static PyType_Spec graph_spec = {"cuda_unified._native.Graph", sizeof(graph_object), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, graph_slots};

/* ---- executables --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUgraphExec handle;
    context_object *context;
    PyObject *state;      /* Python's: what it was made from */
    PyObject *hooks;      /* NULL, or what has to know of launches: before() and after(stream) */
    pthread_mutex_t lock; /* the driver does not guard executables; recursive */
    char has_lock, closed;
} exec_object;

static void lock_exec(exec_object *e) {
    if (LIKELY(!pthread_mutex_trylock(&e->lock))) return;
    Py_BEGIN_ALLOW_THREADS pthread_mutex_lock(&e->lock);
    Py_END_ALLOW_THREADS
}

static void unlock_exec(exec_object *e) {
    pthread_mutex_unlock(&e->lock);
}

static int exec_usable(exec_object *e) {
    if (LIKELY(!e->closed)) return 1;
    raise_closed((PyObject *)e);
    return 0;
}

static int call_hook(exec_object *e, const char *name, stream_object *s) {
    if (LIKELY(!e->hooks || e->hooks == Py_None)) return 0;
    PyObject *hooks = Py_NewRef(e->hooks), *done = PyObject_CallMethod(hooks, name, "O", (PyObject *)s);
    Py_DECREF(hooks);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* The stream of launch(stream=None) and upload(stream=None), a new reference. */
static stream_object *stream_given(exec_object *e, const char *function, arguments a, Py_ssize_t n, PyObject *kwnames) {
    const signature sig = {function, 0, 1, {"stream", NULL}};
    PyObject *out[MOST_PARAMETERS] = {n == 1 ? a[0] : NULL};
    if (UNLIKELY(kwnames || n > 1) && parse_arguments(&sig, a, n, kwnames, out)) return NULL;
    stream_object *s = to_stream(out[0], e->context, function);
    if (s && !stream_usable(s)) {
        Py_DECREF((PyObject *)s);
        return NULL;
    }
    return s;
}

static int submit(exec_object *e, stream_object *s, int upload) {
    const char *function = upload ? "cuGraphUpload" : "cuGraphLaunch";
    const int is_default = is_default_stream(s->handle);
    CUresult status = CUDA_SUCCESS;
    lock_exec(e);
    int failed =
        !exec_usable(e) || CALL(s->context, is_default, status,
                                upload ? D.cuGraphUpload(e->handle, s->handle) : D.cuGraphLaunch(e->handle, s->handle));
    unlock_exec(e);
    if (failed) return -1;
    if (LIKELY(!status)) return 0;
    fail(status, function, "stream=%R", (PyObject *)s);
    return -1;
}

static PyObject *launch(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    exec_object *e = (exec_object *)self;
    stream_object *s = stream_given(e, "launch", a, n, kwnames);
    if (UNLIKELY(!s)) return NULL;
    int failed = !exec_usable(e) || call_hook(e, "before", s) || submit(e, s, 0) || call_hook(e, "after", s);
    Py_DECREF((PyObject *)s);
    if (UNLIKELY(failed)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *upload(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    exec_object *e = (exec_object *)self;
    stream_object *s = stream_given(e, "upload", a, n, kwnames);
    if (UNLIKELY(!s)) return NULL;
    int failed = submit(e, s, 1);
    Py_DECREF((PyObject *)s);
    if (UNLIKELY(failed)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *acquire(PyObject *self, PyObject *Py_UNUSED(arg)) {
    exec_object *e = (exec_object *)self;
    lock_exec(e);
    if (exec_usable(e)) Py_RETURN_NONE;
    unlock_exec(e);
    return NULL;
}

static PyObject *release(PyObject *self, PyObject *Py_UNUSED(arg)) {
    unlock_exec((exec_object *)self);
    Py_RETURN_NONE;
}

static CUresult destroy_exec(exec_object *e) {
    CUresult status = CUDA_SUCCESS;
    e->closed = 1;
    if (e->context->closed || !may_free()) return status;
    CALL_QUIETLY(e->context, status, D.cuGraphExecDestroy(e->handle));
    return status;
}

static PyObject *exec_close(PyObject *self, PyObject *Py_UNUSED(arg)) {
    exec_object *e = (exec_object *)self;
    lock_exec(e);
    CUresult status = e->closed ? CUDA_SUCCESS : destroy_exec(e);
    PyObject *state = e->state, *hooks = e->hooks;
    e->state = e->hooks = NULL;
    unlock_exec(e);
    Py_XDECREF(state);
    Py_XDECREF(hooks);
    if (UNLIKELY(status)) return fail(status, "cuGraphExecDestroy", NULL);
    Py_RETURN_NONE;
}

static void exec_dealloc(PyObject *self) {
    exec_object *e = (exec_object *)self;
    if (e->weakrefs) PyObject_ClearWeakRefs(self);
    CUresult status = e->closed ? CUDA_SUCCESS : destroy_exec(e);
    if (UNLIKELY(status)) warn_unraisable(status, "cuGraphExecDestroy", NULL);
    Py_XDECREF((PyObject *)e->context);
    Py_XDECREF(e->state);
    Py_XDECREF(e->hooks);
    if (e->has_lock) pthread_mutex_destroy(&e->lock);
    delete_object(self);
}

/* wrap_graph_exec(handle, context, state) */
static PyObject *wrap_graph_exec(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long handle;
    PyObject *context, *state;
    if (!PyArg_ParseTuple(args, "KO!O", &handle, Context_type, &context, &state)) return NULL;
    exec_object *e = new_object(GraphExec_type);
    if (!e) return NULL;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    e->has_lock = !pthread_mutex_init(&e->lock, &kind);
    pthread_mutexattr_destroy(&kind);
    e->handle = (CUgraphExec)(uintptr_t)handle;
    e->context = (context_object *)Py_NewRef(context);
    e->state = Py_NewRef(state);
    return (PyObject *)e;
}

static PyObject *exec_address(PyObject *self, void *Py_UNUSED(closure)) {
    exec_object *e = (exec_object *)self;
    if (UNLIKELY(in_child)) return raise_forked();
    return exec_usable(e) ? PyLong_FromVoidPtr(e->handle) : NULL;
}

static PyMethodDef exec_methods[] = {
    {"launch", FAST(launch), METH_FASTCALL | METH_KEYWORDS,
     "launch($self, stream=None)\n--\n\nRuns the graph in the order of `stream` (default: the current one of its "
     "device)."},
    {"upload", FAST(upload), METH_FASTCALL | METH_KEYWORDS,
     "upload($self, stream=None)\n--\n\nBrings the graph to the device, in the order of `stream`, so that the first "
     "launch need not."},
    {"close", exec_close, METH_NOARGS,
     "close($self)\n--\n\nDestroys the executable; launches under way are still done."},
    {"_acquire", acquire, METH_NOARGS, NULL},
    {"_release", release, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef exec_members[] = {
    {"context", T_OBJECT_EX, offsetof(exec_object, context), READONLY, "The context that it was made in."},
    {"is_closed", T_BOOL, offsetof(exec_object, closed), READONLY, "Whether it was closed."},
    {"_state", T_OBJECT, offsetof(exec_object, state), READONLY, NULL},
    {"_hooks", T_OBJECT, offsetof(exec_object, hooks), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(exec_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef exec_getters[] = {
    {"address", exec_address, NULL, "The handle as an int.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot exec_slots[] = {
    {Py_tp_dealloc, exec_dealloc},
    {Py_tp_methods, exec_methods},
    {Py_tp_members, exec_members},
    {Py_tp_getset, exec_getters},
    {0, NULL},
};
static PyType_Spec exec_spec = {"cuda_unified._native.GraphExec", sizeof(exec_object), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                exec_slots};

/* handles_at(address, n): an array that the driver wrote */
static PyObject *handles_at(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long address;
    unsigned n;
    if (!PyArg_ParseTuple(args, "KI", &address, &n)) return NULL;
    void *const *array = (void *const *)(uintptr_t)address;
    PyObject *list = PyList_New(array ? (Py_ssize_t)n : 0);
    for (unsigned i = 0; list && array && i < n; i++) {
        PyObject *item = PyLong_FromVoidPtr(array[i]);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item)) Py_CLEAR(list);
    }
    return list;
}

static PyMethodDef functions[] = {
    {"handles_at", handles_at, METH_VARARGS, NULL},
    {"wrap_graph", wrap_graph, METH_VARARGS, NULL},
    {"wrap_graph_exec", wrap_graph_exec, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int graph_ready(PyObject *module) {
    Graph_type = add_type(module, &graph_spec, NULL);
    GraphExec_type = Graph_type ? add_type(module, &exec_spec, NULL) : NULL;
    return GraphExec_type ? PyModule_AddFunctions(module, functions) : -1;
}
