/* A record of what was launched, copied and waited for.  While a trace runs, the entries of the function table D are these
 * wrappers: without a trace nothing is slower.  Times on the device come from two events around each piece of work.
 *
 * Used with and without the GIL, from any thread: the list has a lock.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "native.h"

enum kind { KERNEL, COPY, FILL, GRAPH, WAIT, OTHER };
typedef struct {
    enum kind kind;
    const char *function;
    void *what; /* of a kernel: its handle */
    CUstream stream;
    uint64_t thread, from, to; /* ns of the host's clock */
    size_t size;               /* bytes of a copy */
    unsigned grid[3], block[3], shared;
    CUevent begin, end; /* NULL: there is no time on the device */
} record;

static struct driver_functions real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static record *records;
static size_t n_records, room;
static int running;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Events are no part of a graph that is being captured. */
static CUevent mark(CUstream stream) {
    CUstreamCaptureStatus capturing = CU_STREAM_CAPTURE_STATUS_NONE;
    CUevent event;
    if (real.cuStreamIsCapturing(stream, &capturing) || capturing != CU_STREAM_CAPTURE_STATUS_NONE) return NULL;
    if (real.cuEventCreate(&event, 0)) return NULL;
    if (real.cuEventRecord(event, stream) == CUDA_SUCCESS) return event;
    real.cuEventDestroy_v2(event);
    return NULL;
}

static record begin(enum kind kind, const char *function, CUstream stream) {
    record r = {.kind = kind, .function = function, .stream = stream, .thread = (uint64_t)pthread_self()};
    if (kind <= GRAPH) r.begin = mark(stream);
    r.from = now();
    return r;
}

static void finish(record *r, CUresult status) {
    r->to = now();
    if (status == CUDA_ERROR_INVALID_CONTEXT) { /* it comes again, with a context: see CALL */
        if (r->begin) real.cuEventDestroy_v2(r->begin);
        return;
    }
    if (r->begin && !status) r->end = mark(r->stream);
    pthread_mutex_lock(&lock);
    if (n_records == room) {
        record *more = realloc(records, (room ? 2 * room : 1024) * sizeof *records);
        if (more) {
            records = more;
            room = room ? 2 * room : 1024;
        }
    }
    if (n_records < room) records[n_records++] = *r;
    pthread_mutex_unlock(&lock);
}

#define DONE(r, call)         \
    CUresult status = (call); \
    finish(&(r), status);     \
    return status

static CUresult launch(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, CUstream stream, void **params, void **extra) {
    record r = begin(KERNEL, "cuLaunchKernel", stream);
    r.what = f;
    r.grid[0] = gx, r.grid[1] = gy, r.grid[2] = gz, r.block[0] = bx, r.block[1] = by, r.block[2] = bz,
    r.shared = shared;
    DONE(r, real.cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, params, extra));
}

static CUresult launch_ex(const CUlaunchConfig *c, CUfunction f, void **params, void **extra) {
    record r = begin(KERNEL, "cuLaunchKernelEx", c->hStream);
    r.what = f;
    r.grid[0] = c->gridDimX, r.grid[1] = c->gridDimY, r.grid[2] = c->gridDimZ;
    r.block[0] = c->blockDimX, r.block[1] = c->blockDimY, r.block[2] = c->blockDimZ, r.shared = c->sharedMemBytes;
    DONE(r, real.cuLaunchKernelEx(c, f, params, extra));
}

static CUresult launch_graph(CUgraphExec graph, CUstream stream) {
    record r = begin(GRAPH, "cuGraphLaunch", stream);
    r.what = graph;
    DONE(r, real.cuGraphLaunch(graph, stream));
}

static CUresult stream_synchronize(CUstream stream) {
    record r = begin(WAIT, "cuStreamSynchronize", stream);
    DONE(r, real.cuStreamSynchronize(stream));
}

static CUresult event_synchronize(CUevent event) {
    record r = begin(WAIT, "cuEventSynchronize", NULL);
    r.what = event;
    DONE(r, real.cuEventSynchronize(event));
}

static CUresult allocate(CUdeviceptr *pointer, size_t size, CUmemoryPool pool, CUstream stream) {
    record r = begin(OTHER, "cuMemAllocFromPoolAsync", stream);
    r.size = size;
    DONE(r, real.cuMemAllocFromPoolAsync(pointer, size, pool, stream));
}

static CUresult give_back(CUdeviceptr pointer, CUstream stream) {
    record r = begin(OTHER, "cuMemFreeAsync", stream);
    DONE(r, real.cuMemFreeAsync(pointer, stream));
}

static CUresult copy(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
    record r = begin(COPY, "cuMemcpyAsync", stream);
    r.size = size;
    DONE(r, real.cuMemcpyAsync(to, from, size, stream));
}

static CUresult copy_peer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size,
                          CUstream stream) {
    record r = begin(COPY, "cuMemcpyPeerAsync", stream);
    r.size = size;
    DONE(r, real.cuMemcpyPeerAsync(to, to_context, from, from_context, size, stream));
}

static CUresult copy_2d(const CUDA_MEMCPY2D *what, CUstream stream) {
    record r = begin(COPY, "cuMemcpy2DAsync", stream);
    r.size = what->WidthInBytes * what->Height;
    DONE(r, real.cuMemcpy2DAsync_v2(what, stream));
}

static CUresult copy_3d(const CUDA_MEMCPY3D *what, CUstream stream) {
    record r = begin(COPY, "cuMemcpy3DAsync", stream);
    r.size = what->WidthInBytes * what->Height * what->Depth;
    DONE(r, real.cuMemcpy3DAsync_v2(what, stream));
}

#define FILL_OF(name, symbol, type, bytes)                                        \
    static CUresult name(CUdeviceptr to, type value, size_t n, CUstream stream) { \
        record r = begin(FILL, #symbol, stream);                                  \
        r.size = n * (bytes);                                                     \
        DONE(r, real.symbol(to, value, n, stream));                               \
    }
FILL_OF(fill_8, cuMemsetD8Async, unsigned char, 1)
FILL_OF(fill_16, cuMemsetD16Async, unsigned short, 2)
FILL_OF(fill_32, cuMemsetD32Async, unsigned, 4)

/* ---- for Python -------------------------------------------------------------------------------------------------------- */

static PyObject *start_trace(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    if (running) {
        PyErr_SetString(PyExc_RuntimeError, "a trace is running already; there is one at a time");
        return NULL;
    }
    real = D;
    D.cuLaunchKernel = launch;
    D.cuLaunchKernelEx = launch_ex;
    D.cuGraphLaunch = launch_graph;
    D.cuStreamSynchronize = stream_synchronize;
    D.cuEventSynchronize = event_synchronize;
    D.cuMemAllocFromPoolAsync = allocate;
    D.cuMemFreeAsync = give_back;
    D.cuMemcpyAsync = copy;
    D.cuMemcpyPeerAsync = copy_peer;
    D.cuMemcpy2DAsync_v2 = copy_2d;
    D.cuMemcpy3DAsync_v2 = copy_3d;
    D.cuMemsetD8Async = fill_8;
    D.cuMemsetD16Async = fill_16;
    D.cuMemsetD32Async = fill_32;
    running = 1;
    Py_RETURN_NONE;
}

static const char *const kinds[] = {"kernel", "copy", "fill", "graph", "wait", "other"};

/* (kind, function, handle, stream, thread, from, to, bytes, grid, block, shared, event before, event after) */
static PyObject *as_tuple(const record *r) {
    return Py_BuildValue("(ssKKKKKK(III)(III)IKK)", kinds[r->kind], r->function, (unsigned long long)(uintptr_t)r->what,
                         (unsigned long long)(uintptr_t)r->stream, (unsigned long long)r->thread,
                         (unsigned long long)r->from, (unsigned long long)r->to, (unsigned long long)r->size,
                         r->grid[0], r->grid[1], r->grid[2], r->block[0], r->block[1], r->block[2], r->shared,
                         (unsigned long long)(uintptr_t)r->begin, (unsigned long long)(uintptr_t)r->end);
}

/* stop_trace() -> the records; their events are the caller's to destroy */
static PyObject *stop_trace(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    if (!running) {
        PyErr_SetString(PyExc_RuntimeError, "no trace is running");
        return NULL;
    }
    D = real; /* a call that is under way in another thread still finds `real`, which stays */
    running = 0;
    pthread_mutex_lock(&lock);
    record *taken = records;
    size_t n = n_records;
    records = NULL;
    n_records = room = 0;
    pthread_mutex_unlock(&lock);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = as_tuple(&taken[i]);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item)) Py_CLEAR(list);
    }
    free(taken);
    return list;
}

/* trace_begin(kind, function, stream, bytes) -> a record for trace_end(), or None where no trace runs: for calls that are made in
 * Python, by _traced.py */
static PyObject *trace_begin(PyObject *Py_UNUSED(module), PyObject *args) {
    const char *kind, *function;
    unsigned long long stream, size;
    enum kind k = KERNEL;
    if (!running) Py_RETURN_NONE;
    if (!PyArg_ParseTuple(args, "ssKK", &kind, &function, &stream, &size)) return NULL;
    while (k < OTHER && strcmp(kinds[k], kind)) k++;
    PyObject *name =
        PyUnicode_InternFromString(function); /* this reference is kept for ever: the record has its text */
    const char *lasting = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    if (!lasting) return NULL;
    record r = begin(k, lasting, (CUstream)(uintptr_t)stream);
    r.size = (size_t)size;
    return PyBytes_FromStringAndSize((char *)&r, sizeof r);
}

/* trace_end(record, whether the call succeeded) */
static PyObject *trace_end(PyObject *Py_UNUSED(module), PyObject *args) {
    const char *bytes;
    Py_ssize_t n;
    int succeeded;
    record r;
    if (!PyArg_ParseTuple(args, "y#p", &bytes, &n, &succeeded)) return NULL;
    memcpy(&r, bytes, sizeof r);
    finish(&r, succeeded ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN);
    Py_RETURN_NONE;
}

static PyObject *trace_clock(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    return PyLong_FromUnsignedLongLong(now());
}

static PyMethodDef functions[] = {
    {"start_trace", start_trace, METH_NOARGS, NULL},
    {"stop_trace", stop_trace, METH_NOARGS, NULL},
    {"trace_begin", trace_begin, METH_VARARGS, NULL},
    {"trace_end", trace_end, METH_VARARGS, NULL},
    {"trace_clock", trace_clock, METH_NOARGS, "ns of the clock that records have."},
    {NULL, NULL, 0, NULL},
};

int trace_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
