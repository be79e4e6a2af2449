/* What asynchronous copies still use: their two ends are kept until an event behind the copy has passed.
 *
 * Nothing waits for the events and no callback runs: they are asked about when the next copy, allocation or synchronization
 * comes along.  One queue a stream, so that a poll asks about one event a stream and those that have passed.  In a stream that is
 * captured the graph keeps the ends, through a user object whose destructor only puts them on a list: it may run in any thread,
 * with the driver's locks held.
 */
#include "native.h"
#include <sched.h>
#include <stdlib.h>

typedef struct node {
    struct node *next;
    event_object *event; /* NULL: of a graph */
    memory_end ends[2];
} node;

typedef struct queue {
    struct queue *next;
    context_object *context;
    CUstream stream;
    node *first, *last;
} queue;

static queue *queues;
static int detached;  /* another thread looks at the queues without the GIL */
static node *dropped; /* by graphs; atomic */
int things_kept;      /* nodes, in queues and dropped; atomic */

enum { MOST_SPARE = 16 };
static event_object *spare[MOST_SPARE]; /* events to use again */
static int spares;

/* ---- ends ---------------------------------------------------------------------------------------------------------------- */

static void release_end(memory_end *e) {
    if (e->buffer)
        Py_DECREF((PyObject *)e->buffer);
    else if (e->view.obj)
        PyBuffer_Release(&e->view);
    memset(e, 0, sizeof *e);
}

void release_ends(memory_end *ends) {
    release_end(&ends[0]);
    release_end(&ends[1]);
}

static void count_pending(node *n, int change) {
    for (int i = 0; i < 2; i++)
        if (n->ends[i].buffer) whole_of(n->ends[i].buffer)->pending += change;
}

static void release_node(node *n) {
    if (n->event) {
        count_pending(n, -1);
        if (spares < MOST_SPARE && !n->event->context->closed)
            spare[spares++] = n->event;
        else
            Py_DECREF((PyObject *)n->event);
    }
    release_ends(n->ends);
    free(n);
    __atomic_sub_fetch(&things_kept, 1, __ATOMIC_RELAXED);
}

/* ---- queues -------------------------------------------------------------------------------------------------------------- */

static queue *find_queue(const context_object *c, CUstream stream) {
    for (queue *q = queues; q; q = q->next)
        if (q->stream == stream && q->context == c) return q;
    return NULL;
}

static int append(node *n, stream_object *s) {
    queue *q = find_queue(s->context, s->handle);
    if (!q) {
        if (!(q = calloc(1, sizeof *q))) return -1;
        q->context = (context_object *)Py_NewRef((PyObject *)s->context);
        q->stream = s->handle;
        q->next = queues;
        queues = q;
    }
    if (q->last)
        q->last->next = n;
    else
        q->first = n;
    q->last = n;
    return 0;
}

/* All queues for this thread alone, to be looked at without the GIL. */
static queue *detach(void) {
    while (detached) {
        Py_BEGIN_ALLOW_THREADS sched_yield();
        Py_END_ALLOW_THREADS
    }
    detached = 1;
    queue *mine = queues;
    queues = NULL;
    return mine;
}

static void attach(queue *mine) {
    while (mine) {
        queue *q = mine, *newer = q->first ? find_queue(q->context, q->stream) : NULL;
        mine = q->next;
        if (newer) { /* what came in the meantime is behind */
            q->last->next = newer->first;
            newer->first = q->first;
        } else if (q->first) {
            q->next = queues;
            queues = q;
            continue;
        }
        Py_DECREF((PyObject *)q->context);
        free(q);
    }
    detached = 0;
}

/* ---- asking; without the GIL ---------------------------------------------------------------------------------------------- */

/* Asking and waiting would make captures invalid, also those of others: not from a thread whose mode is relaxed.  Gives the mode
 * before, to be set again. */
static CUstreamCaptureMode exchange_mode(CUstreamCaptureMode mode) {
    const CUstreamCaptureMode wanted = mode;
    return D.cuThreadExchangeStreamCaptureMode(&mode) == CUDA_SUCCESS ? mode : wanted;
}

/* A failing context does nothing any more: its work is over too. */
static int has_passed(const event_object *e) {
    if (e->context->closed) return 1;
    CUresult status = D.cuEventQuery(e->handle);
    if (UNLIKELY(status == CUDA_ERROR_INVALID_CONTEXT)) {
        int pushed = enter_quietly(e->context);
        status = D.cuEventQuery(e->handle);
        leave(pushed);
    }
    return status != CUDA_ERROR_NOT_READY;
}

static void wait_for_event(const event_object *e) {
    int pushed = enter_quietly(e->context);
    if (!e->context->closed) D.cuEventSynchronize(e->handle);
    leave(pushed);
}

static node *take_passed(queue *q) {
    node *done = NULL;
    /* asking about an event makes captures of mode "global" invalid, whosever they are, unless the thread says that it is no harm */
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    const int relaxed = q && D.cuThreadExchangeStreamCaptureMode(&mode) == CUDA_SUCCESS;
    for (; q; q = q->next)
        while (q->first && has_passed(q->first->event)) {
            node *n = q->first;
            if (!(q->first = n->next)) q->last = NULL;
            n->next = done;
            done = n;
        }
    if (relaxed) D.cuThreadExchangeStreamCaptureMode(&mode);
    return done;
}

static void release_list(node *n) {
    while (n) {
        node *next = n->next;
        release_node(n);
        n = next;
    }
}

void keep_poll_slowly(void) {
    if (!may_free() || detached) return; /* another thread is at it */
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    queue *mine = detach();
    node *done;
    Py_BEGIN_ALLOW_THREADS const CUstreamCaptureMode before = exchange_mode(CU_STREAM_CAPTURE_MODE_RELAXED);
    done = take_passed(mine);
    exchange_mode(before);
    Py_END_ALLOW_THREADS attach(mine);
    release_list(done); /* what dies here may do anything: the queues are in order again */
    release_list(__atomic_exchange_n(&dropped, NULL, __ATOMIC_ACQUIRE));
    PyErr_Restore(type, value, trace);
}

void keep_wait(buffer_object *whole, stream_object *s) {
    if (!whole->pending) return;
    queue *mine = detach();
    Py_BEGIN_ALLOW_THREADS const CUstreamCaptureMode before = exchange_mode(CU_STREAM_CAPTURE_MODE_RELAXED);
    for (queue *q = mine; q; q = q->next)
        for (node *n = q->first; n; n = n->next) {
            int ours = 0;
            for (int i = 0; i < 2; i++) ours |= n->ends[i].buffer && whole_of(n->ends[i].buffer) == whole;
            if (!ours) continue;
            int pushed = s ? enter_quietly(s->context) : 0;
            if (!s || D.cuStreamWaitEvent(s->handle, n->event->handle, 0) != CUDA_SUCCESS) wait_for_event(n->event);
            leave(pushed);
        }
    exchange_mode(before);
    Py_END_ALLOW_THREADS attach(mine);
}

/* ---- keeping -------------------------------------------------------------------------------------------------------------- */

/* What the stream will free itself, or nobody, needs no keeping. */
static int needs_keeping(const memory_end *e, const stream_object *s) {
    if (!e->buffer) return e->view.obj != NULL;
    buffer_object *whole = whole_of(e->buffer);
    if (whole->how == NOT_FREED) return whole->owner != NULL;
    return whole->how != FREED_ASYNC || !whole->stream || whole->stream->handle != s->handle ||
           whole->stream->context != s->context;
}

static event_object *take_event(context_object *c) {
    for (int i = spares; i--;)
        if (spare[i]->context == c) {
            event_object *e = spare[i];
            spare[i] = spare[--spares];
            return e;
        }
    if (spares == MOST_SPARE) Py_DECREF((PyObject *)spare[--spares]); /* of other contexts */
    return event_create(c, CU_EVENT_DISABLE_TIMING);
}

static void CUBIND_CB drop(void *data) { /* a graph ended: any thread, no calls into CUDA or Python */
    node *n = data;
    n->next = __atomic_load_n(&dropped, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&dropped, &n->next, n, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
}

static int keep_in_graph(node *n, CUgraph graph) {
    CUuserObject object = NULL;
    const char *function = "cuUserObjectCreate";
    CUresult status = D.cuUserObjectCreate(&object, n, drop, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
    if (!status) {
        function = "cuGraphRetainUserObject";
        status = D.cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE);
    }
    if (!status) return 0;
    fail(status, function, NULL);
    return -1;
}

/* The graph that a stream captures into; NULL: none. */
static int captured_graph(stream_object *s, CUgraph *graph) {
    CUstreamCaptureStatus state = CU_STREAM_CAPTURE_STATUS_NONE;
    CUresult status;
    *graph = NULL;
    if (CALL(s->context, is_default_stream(s->handle), status, D.cuStreamIsCapturing(s->handle, &state))) return -1;
    if (status || state == CU_STREAM_CAPTURE_STATUS_NONE) return 0;
    if (CALL(s->context, is_default_stream(s->handle), status,
             D.cuStreamGetCaptureInfo_v2(s->handle, &state, NULL, graph, NULL, NULL)))
        return -1;
    return 0;
}

static int keep_in_queue(node *n, stream_object *s) {
    n->event = take_event(s->context);
    if (!n->event || event_record(n->event, s)) return -1;
    if (append(n, s)) return PyErr_NoMemory(), -1;
    count_pending(n, 1);
    return 0;
}

int keep_until_done(stream_object *s, memory_end *ends) {
    CUgraph graph;
    if (!needs_keeping(&ends[0], s) && !needs_keeping(&ends[1], s)) return release_ends(ends), 0;
    node *n = calloc(1, sizeof *n);
    if (!n) return release_ends(ends), PyErr_NoMemory(), -1;
    memcpy(n->ends, ends, sizeof n->ends);
    memset(ends, 0, 2 * sizeof *ends);
    __atomic_add_fetch(&things_kept, 1, __ATOMIC_RELAXED);
    int failed = captured_graph(s, &graph);
    if (!failed) failed = graph ? keep_in_graph(n, graph) : keep_in_queue(n, s);
    if (!failed) return 0;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    CUresult status; /* what was to be kept may be in use: wait, where that is possible */
    CALL_QUIETLY(s->context, status, D.cuStreamSynchronize(s->handle));
    (void)status;
    Py_XDECREF((PyObject *)n->event);
    n->event = NULL;
    release_node(n);
    PyErr_Restore(type, value, trace);
    return -1;
}

/* ---- for tests and reports -------------------------------------------------------------------------------------------------- */

static PyObject *poll(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    keep_poll();
    return PyLong_FromLong(__atomic_load_n(&things_kept, __ATOMIC_RELAXED));
}

static PyMethodDef functions[] = {
    {"copies_under_way", poll, METH_NOARGS, "How many asynchronous copies still keep their ends alive."},
    {NULL, NULL, 0, NULL},
};

int keep_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
