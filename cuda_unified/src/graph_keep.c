/* What graphs keep alive: Python objects, in user objects of the driver.
 *
 * The driver counts: a graph, what is cloned, embedded and instantiated from it, and launches under way all have their part.  Its
 * destructor runs in any thread, with the driver's locks held and without the GIL: it only puts the object on a list.
 */
#include <stdlib.h>
#include "native.h"

typedef struct gift {
    struct gift *next;
    PyObject *object; /* one reference */
} gift;

static gift *given_back; /* a stack: pushed by anyone, emptied as a whole by the holder of the GIL */
static int sweep_asked;
static int kept; /* objects that graphs have; with the GIL */
int captures, gifts_under_way;

static void sweep(void) {
    if (!__atomic_load_n(&given_back, __ATOMIC_RELAXED) || is_ending) return;
    gift *g = __atomic_exchange_n(&given_back, NULL, __ATOMIC_ACQUIRE);
    while (g) {
        gift *next = g->next;
        kept--;
        Py_DECREF(g->object);
        free(g);
        g = next;
    }
}

static int sweep_in_main_thread(void *Py_UNUSED(nothing)) {
    PyObject *type, *value, *trace;
    __atomic_store_n(&sweep_asked, 0, __ATOMIC_RELEASE);
    PyErr_Fetch(&type, &value, &trace);
    sweep();
    PyErr_Restore(type, value, trace);
    return 0;
}

static void CUBIND_CB give_back(void *data) {
    gift *g = data;
    g->next = __atomic_load_n(&given_back, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&given_back, &g->next, g, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    __atomic_add_fetch(&gifts_under_way, 1, __ATOMIC_SEQ_CST);
    /* needs no GIL; where Python's queue is full the next use of a graph sweeps */
    if (may_free() && !__atomic_exchange_n(&sweep_asked, 1, __ATOMIC_ACQ_REL) &&
        Py_AddPendingCall(sweep_in_main_thread, NULL))
        __atomic_store_n(&sweep_asked, 0, __ATOMIC_RELEASE);
    __atomic_sub_fetch(&gifts_under_way, 1, __ATOMIC_SEQ_CST);
}

/* Takes over the object, also where it fails. */
static CUuserObject keep_object(CUgraph graph, PyObject *o) {
    gift *g = malloc(sizeof *g);
    CUuserObject object = NULL;
    const char *function = "cuUserObjectCreate";
    CUresult status;
    sweep();
    if (!g) {
        Py_DECREF(o);
        PyErr_NoMemory();
        return NULL;
    }
    *g = (gift){NULL, o};
    Py_BEGIN_ALLOW_THREADS status = D.cuUserObjectCreate(&object, g, give_back, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
    Py_END_ALLOW_THREADS if (!status) {
        kept++;
        function = "cuGraphRetainUserObject";
        Py_BEGIN_ALLOW_THREADS status = D.cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE);
        Py_END_ALLOW_THREADS if (!status) return object;
    }
    if (!object) {
        Py_DECREF(o);
        free(g);
    } else { /* its only reference is ours: the object comes back by the destructor */
        Py_BEGIN_ALLOW_THREADS D.cuUserObjectRelease(object, 1);
        Py_END_ALLOW_THREADS
    }
    fail(status, function, NULL);
    return NULL;
}

int keep_in_capture(stream_object *s, PyObject *o) {
    CUstreamCaptureStatus state = CU_STREAM_CAPTURE_STATUS_NONE;
    CUgraph graph = NULL;
    CUresult status;
    if (CALL(s->context, is_default_stream(s->handle), status,
             D.cuStreamGetCaptureInfo_v2(s->handle, &state, NULL, &graph, NULL, NULL))) {
        Py_DECREF(o);
        return -1;
    }
    /* the legacy stream cannot be asked during a capture, and is never captured itself */
    if (status && status != CUDA_ERROR_STREAM_CAPTURE_IMPLICIT) {
        Py_DECREF(o);
        fail(status, "cuStreamGetCaptureInfo", "stream=%R", (PyObject *)s);
        return -1;
    }
    if (status || state != CU_STREAM_CAPTURE_STATUS_ACTIVE || !graph) return Py_DECREF(o), 0;
    return keep_object(graph, o) ? 0 : -1;
}

uint64_t capture_of(stream_object *s) {
    CUstreamCaptureStatus state = CU_STREAM_CAPTURE_STATUS_NONE;
    cuuint64_t number = 0;
    CUresult status;
    int pushed = UNLIKELY(is_default_stream(s->handle)) ? enter_quietly(s->context) : 0;
    CALL_QUIETLY(s->context, status, D.cuStreamGetCaptureInfo_v2(s->handle, &state, &number, NULL, NULL, NULL));
    leave(pushed);
    return status || state != CU_STREAM_CAPTURE_STATUS_ACTIVE ? 0 : number;
}

/* ---- memory that is dropped while a stream is captured ------------------------------------------------------------------------ */

static PyObject *deferred; /* a list of buffers, freed when no capture is under way */

static int defer(buffer_object *b) {
    buffer_object *twin = buffer_new(b->pointer, b->size, b->context, b->flags);
    if (!deferred) deferred = PyList_New(0);
    int failed = !twin || !deferred || PyList_Append(deferred, (PyObject *)twin);
    if (!failed) { /* it has what there is to free from now on */
        twin->how = b->how;
        twin->resource = Py_XNewRef(b->resource);
        twin->stream = (stream_object *)Py_XNewRef((PyObject *)b->stream);
        b->how = NOT_FREED;
    }
    Py_XDECREF((PyObject *)twin);
    if (failed) PyErr_Clear();
    return !failed;
}

int leave_to_capture(buffer_object *b) {
    if (b->capture) return !captures || !b->stream || b->stream->closed || capture_of(b->stream) != b->capture;
    return captures && b->how != FREED_BY_RESOURCE && !b->pending && defer(b);
}

/* graph_keep(graph, object) -> the user object */
static PyObject *graph_keep(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long graph;
    PyObject *o;
    if (!PyArg_ParseTuple(args, "KO", &graph, &o)) return NULL;
    CUuserObject object = keep_object((CUgraph)(uintptr_t)graph, Py_NewRef(o));
    return object ? PyLong_FromVoidPtr(object) : NULL;
}

/* graph_release(graph, user object): executables that have it keep it */
static PyObject *graph_release(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long graph, object;
    CUresult status;
    if (!PyArg_ParseTuple(args, "KK", &graph, &object)) return NULL;
    Py_BEGIN_ALLOW_THREADS status =
        D.cuGraphReleaseUserObject((CUgraph)(uintptr_t)graph, (CUuserObject)(uintptr_t)object, 1);
    Py_END_ALLOW_THREADS sweep();
    if (status) return fail(status, "cuGraphReleaseUserObject", NULL);
    Py_RETURN_NONE;
}

/* count_captures(change) -> how many are under way then */
static PyObject *count_captures(PyObject *Py_UNUSED(module), PyObject *change) {
    captures += (int)PyLong_AsLong(change);
    PyObject *free_now = captures ? NULL : deferred;
    if (free_now) deferred = NULL;
    Py_XDECREF(free_now);
    return PyLong_FromLong(captures);
}

static PyObject *things_in_graphs(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    sweep();
    return PyLong_FromLong(kept);
}

static PyMethodDef functions[] = {
    {"graph_keep", graph_keep, METH_VARARGS, NULL},
    {"graph_release", graph_release, METH_VARARGS, NULL},
    {"count_captures", count_captures, METH_O, NULL},
    {"things_in_graphs", things_in_graphs, METH_NOARGS,
     "How many objects graphs keep alive; drops those that none keeps."},
    {NULL, NULL, 0, NULL},
};

int graph_keep_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
