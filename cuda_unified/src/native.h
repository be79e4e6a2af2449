/* The hot half of the unified layer, in C: objects that own a handle, and the calls that programs make in loops.  Everything
 * that is not in a loop is Python, in classes that derive from the types here.
 *
 * Written against the limited API of CPython 3.11: one binary serves 3.11 and later.  All state is used with the GIL, but for
 * what says otherwise.
 */
#pragma once
#define PY_SSIZE_T_CLEAN
#define CUBIND_EXACT_NAMES
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>
#include "cubind_driver.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COLD __attribute__((cold, noinline))
#define HIDDEN __attribute__((visibility("hidden")))

/* ---- the driver (driver.c): functions of cubind.cydriver, which loads the library and finds symbols on first use ------- */

#define DRIVER_FUNCTIONS(X)              \
    X(cuInit)                            \
    X(cuDeviceGetCount)                  \
    X(cuDevicePrimaryCtxRetain)          \
    X(cuCtxGetCurrent)                   \
    X(cuCtxPushCurrent_v2)               \
    X(cuCtxPopCurrent_v2)                \
    X(cuCtxDestroy_v2)                   \
    X(cuCtxSynchronize)                  \
    X(cuStreamCreateWithPriority)        \
    X(cuStreamDestroy_v2)                \
    X(cuStreamSynchronize)               \
    X(cuStreamQuery)                     \
    X(cuStreamWaitEvent)                 \
    X(cuStreamAddCallback)               \
    X(cuEventCreate)                     \
    X(cuEventDestroy_v2)                 \
    X(cuEventRecord)                     \
    X(cuEventSynchronize)                \
    X(cuEventQuery)                      \
    X(cuEventElapsedTime_v2)             \
    X(cuMemAllocFromPoolAsync)           \
    X(cuMemAlloc_v2)                     \
    X(cuMemFree_v2)                      \
    X(cuMemFreeAsync)                    \
    X(cuMemAllocHost_v2)                 \
    X(cuMemFreeHost)                     \
    X(cuMemHostUnregister)               \
    X(cuMemPoolDestroy)                  \
    X(cuMemcpyAsync)                     \
    X(cuMemcpyPeerAsync)                 \
    X(cuMemsetD8Async)                   \
    X(cuMemsetD16Async)                  \
    X(cuMemsetD32Async)                  \
    X(cuPointerGetAttributes)            \
    X(cuStreamIsCapturing)               \
    X(cuThreadExchangeStreamCaptureMode) \
    X(cuStreamGetCaptureInfo_v2)         \
    X(cuUserObjectCreate)                \
    X(cuGraphRetainUserObject)           \
    X(cuMemcpy2DAsync_v2)                \
    X(cuMemcpy3DAsync_v2)                \
    X(cuMemsetD2D8Async)                 \
    X(cuMemsetD2D16Async)                \
    X(cuMemsetD2D32Async)                \
    X(cuLaunchKernel)                    \
    X(cuLaunchKernelEx)                  \
    X(cuKernelGetParamInfo)              \
    X(cuFuncGetParamInfo)                \
    X(cuGraphDestroy)                    \
    X(cuGraphExecDestroy)                \
    X(cuGraphLaunch)                     \
    X(cuGraphUpload)                     \
    X(cuUserObjectRelease)               \
    X(cuGraphReleaseUserObject)

struct driver_functions {
#define X(name) __typeof__(((struct cubind_driver_table *)NULL)->name) name;
    DRIVER_FUNCTIONS(X)
#undef X
};
extern HIDDEN struct driver_functions D;
HIDDEN int driver_ready(void);

/* ---- arguments (arguments.c) ----------------------------------------------------------------------------------------- */

#define MOST_PARAMETERS 8
typedef struct {
    const char *function;               /* for messages */
    int required, positional;           /* of the names, how many must and how many may be given without their name */
    const char *names[MOST_PARAMETERS]; /* NULL ends them */
} signature;
typedef PyObject *const *arguments;

/* Sorts arguments into out, which holds borrowed references or NULL for what was not given; 0, or -1 with a TypeError. */
HIDDEN int parse_arguments(const signature *s, arguments a, Py_ssize_t n, PyObject *kwnames, PyObject **out);
/* An int from 0 on, of a size or count; -1 with an error that names `what`. */
HIDDEN int to_size(PyObject *o, const char *what, size_t *out);
HIDDEN int to_int(PyObject *o, const char *what, int *out);

/* ---- errors (errors.c; the classes and texts are in errors.py) ---------------------------------------------------------- */

/* Raises what a failing status means: `details` is "name=%..." with values that go into the error's text; returns NULL. */
COLD HIDDEN PyObject *fail(CUresult status, const char *function, const char *details, ...);
COLD HIDDEN PyObject *raise_closed(PyObject *o);                          /* ClosedError: used after close */
COLD HIDDEN PyObject *raise_elsewhere(PyObject *event, PyObject *stream); /* their contexts are not the same */
COLD HIDDEN PyObject *raise_forked(void); /* ForkError: the process was forked after CUDA was used */
HIDDEN int is_told(CUresult status);      /* whether it is the end of a context, and was raised before */
HIDDEN void warn_unraisable(CUresult status, const char *function, PyObject *about); /* for destructors */

/* ---- when Python or the driver may not be used any more (ending.c) ------------------------------------------------------- */

extern HIDDEN int driver_used; /* set by the first device */
extern HIDDEN int in_child;    /* of a process that had used CUDA */
extern HIDDEN int is_ending;   /* the interpreter: destructors leave everything to the system */
HIDDEN int ending_ready(void);
static inline int may_free(void) {
    return !(in_child | is_ending);
}

/* ---- objects --------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUcontext handle;
    PyObject *device; /* a device_object */
    char owned;       /* destroyed on close; else a primary or borrowed one */
    char closed;
} context_object;

typedef struct {
    PyObject_HEAD int ordinal;
    context_object *primary; /* retained by the first use that needs it, until the process ends */
    PyObject *cache;         /* a dict for Python: attributes, default streams and pool */
    PyObject *resource;      /* what allocate() uses; NULL: the current pool */
} device_object;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUstream handle;
    context_object *context;
    PyObject *owner; /* of a borrowed handle */
    char owned, closed;
} stream_object;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUevent handle;
    context_object *context;
    PyObject *owner;
    unsigned flags; /* CU_EVENT_* */
    char owned, closed;
} event_object;

enum how_freed { NOT_FREED, FREED_ASYNC, FREED_SYNC, FREED_HOST, FREED_BY_RESOURCE, UNREGISTERED };
enum accessible { BY_DEVICE = 1, BY_HOST = 2, IS_MANAGED = 4, IS_PINNED = 8, IS_READ_ONLY = 16 };

typedef struct buffer_object {
    PyObject_HEAD PyObject *weakrefs;
    uint64_t pointer;
    size_t size;
    context_object *context; /* NULL: host memory of no device */
    PyObject *resource;      /* where it came from; NULL: borrowed */
    PyObject *owner; /* kept alive with it: what a borrowed pointer belongs to, or the buffer that this is a part of */
    struct buffer_object *root; /* of a part: the buffer that owns the memory (owner keeps it); else NULL */
    stream_object *stream;      /* freed in its order; NULL: at once */
    int exports;                /* views that others hold: it cannot be closed while there are any */
    uint64_t capture;           /* allocated in a capture, of this number: memory of the graph; else 0 */
    int pending;                /* copies under way in other streams than its own (keep.c) */
    unsigned char how, flags, closed;
} buffer_object;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUmemoryPool handle;
    context_object *context;
    PyObject *owner;     /* of a borrowed handle */
    unsigned char flags; /* enum accessible, of what it gives */
    char owned, closed;
} pool_object;

/* A type of elements.  One object each, kept for ever, but for records: so types are compared as pointers, see same_dtype(). */
typedef struct {
    PyObject_HEAD PyObject *name, *format; /* of the buffer protocol, bytes; NULL: it has no word for the type */
    PyObject *typestr;                     /* of the array interfaces; NULL: they have none */
    PyObject *record;                      /* a NumPy dtype or NULL, where code is DLPACK_OPAQUE */
    size_t itemsize;                       /* bytes */
    unsigned short lanes;
    unsigned char code, bits; /* DLPack's; an element of fewer than 8 bits has a byte of its own */
} dtype_object;

enum { MOST_DIMENSIONS = 64, FEW_DIMENSIONS = 4 };
/* What an array keeps besides its owner, and gives back when it dies. */
enum keeps { KEEPS_NOTHING, KEEPS_DLPACK, KEEPS_DLPACK_VERSIONED, KEEPS_VIEW, KEEPS_HOST_MEMORY };

/* Elements somewhere: shape and strides never change, the memory is that of `owner`. */
typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    uint64_t pointer;        /* of the element with all indices 0 */
    context_object *context; /* NULL: host memory of no device */
    PyObject
        *owner; /* kept alive: a Buffer, the array that this is a part of, an object of another library; may be NULL */
    buffer_object *buffer; /* owner if it is one: then it must not be closed */
    stream_object *stream; /* the data is ready in its order, as far as this library knows; NULL: nothing known */
    dtype_object *dtype;
    void *kept;
    size_t size; /* elements */
    int ndim;
    unsigned char flags, keeps, read_only, tracked; /* flags: enum accessible; tracked: by the collector */
    int64_t *shape, *strides;                       /* strides in bytes */
    int64_t *element_strides;                       /* made when they are asked for */
    int64_t few[2 * FEW_DIMENSIONS];                /* room for shape and strides of most arrays */
} array_object;

/* The types.  Python adds what is not in a loop to them (_extend.py), so that what C makes and what programs see is one class;
 * but for devices, whose class has a metaclass and derives from the type here. */
extern HIDDEN PyTypeObject *Context_type, *Device_type, *Stream_type, *Event_type, *Buffer_type, *Pool_type,
    *Array_type, *DType_type;
extern HIDDEN PyTypeObject *device_class;
#define IS_A(o, type) (Py_TYPE(o) == (type) || PyType_IsSubtype(Py_TYPE(o), (type)))
static inline int is_stream(PyObject *o) {
    return IS_A(o, Stream_type);
}
static inline int is_event(PyObject *o) {
    return IS_A(o, Event_type);
}
static inline int is_buffer(PyObject *o) {
    return IS_A(o, Buffer_type);
}
static inline int is_device(PyObject *o) {
    return IS_A(o, Device_type);
}

static inline int is_array(PyObject *o) {
    return IS_A(o, Array_type);
}
static inline int is_dtype(PyObject *o) {
    return Py_TYPE(o) == DType_type;
}

/* A new instance, zeroed but for its head. */
HIDDEN void *new_object(PyTypeObject *type);
HIDDEN void delete_object(void *o); /* the end of every tp_dealloc */

/* ---- contexts (context.c) --------------------------------------------------------------------------------------------- */

/* Makes the context current for one call: enter, the call, leave.  What was current before is current again. */
HIDDEN int enter_slowly(const context_object *c, int *pushed);
static inline int enter(const context_object *c, int *pushed) {
    CUcontext now;
    if (LIKELY(!(in_child | c->closed) && D.cuCtxGetCurrent(&now) == CUDA_SUCCESS && now == c->handle)) {
        *pushed = 0;
        return 0;
    }
    return enter_slowly(c, pushed);
}
HIDDEN int
enter_quietly(const context_object *c); /* in destructors: whether leave() has to be called, never an error */
HIDDEN void leave_slowly(void);
static inline void leave(int pushed) {
    if (UNLIKELY(pushed)) leave_slowly();
}

/* A call whose stream, event or pool says where it goes, whatever is current; the default streams (0, 1, 2) mean those of the
 * current context.  `call` runs without the GIL and gives `status`; the macro gives 0, or -1 with an error where the context cannot
 * be entered.  A driver that wants a context all the same gets it. */
static inline int is_default_stream(CUstream s) {
    return (uintptr_t)s <= 2;
}
#define CALL(context, needs_current, status, call)                                                 \
    ({                                                                                             \
        const context_object *c_ = (context);                                                      \
        int pushed_ = 0;                                                                           \
        int failed_ = UNLIKELY((needs_current) | in_child | c_->closed) ? enter(c_, &pushed_) : 0; \
        if (LIKELY(!failed_)) {                                                                    \
            Py_BEGIN_ALLOW_THREADS status = (call);                                                \
            Py_END_ALLOW_THREADS if (UNLIKELY(status == CUDA_ERROR_INVALID_CONTEXT && !pushed_) && \
                                     !(failed_ = enter_slowly(c_, &pushed_))) {                    \
                Py_BEGIN_ALLOW_THREADS status = (call);                                            \
                Py_END_ALLOW_THREADS                                                               \
            }                                                                                      \
            leave(pushed_);                                                                        \
        }                                                                                          \
        failed_;                                                                                   \
    })
/* The same in a destructor or close(), where nothing may go wrong. */
#define CALL_QUIETLY(context, status, call)                                        \
    ({                                                                             \
        Py_BEGIN_ALLOW_THREADS status = (call);                                    \
        Py_END_ALLOW_THREADS if (UNLIKELY(status == CUDA_ERROR_INVALID_CONTEXT)) { \
            int pushed_ = enter_quietly(context);                                  \
            status = (call);                                                       \
            leave(pushed_);                                                        \
        }                                                                          \
    })

/* ---- devices, streams, events, memory ----------------------------------------------------------------------------------- */

HIDDEN context_object *device_context(device_object *d); /* borrowed; retains the primary context */
HIDDEN stream_object *stream_new(context_object *c, CUstream handle, int owned, PyObject *owner);
HIDDEN stream_object *
current_stream(context_object *c); /* new reference: of this thread, else the context's default stream */
/* The stream that an argument means: a Stream, an object with __cuda_stream__, or NULL/None for the thread's current one.
 * A new reference; `c` is the context of what it will be used with (for None), may be NULL for none in particular. */
HIDDEN stream_object *to_stream(PyObject *o, context_object *c, const char *function);
static inline int stream_usable(stream_object *s) {
    if (LIKELY(!s->closed)) return 1;
    raise_closed((PyObject *)s);
    return 0;
}
HIDDEN PyObject *stream_factory(context_object *c, arguments a, Py_ssize_t n,
                                PyObject *kwnames); /* c NULL: an error is set */
HIDDEN PyObject *event_factory(context_object *c, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN event_object *event_create(context_object *c, unsigned flags);
HIDDEN int event_record(event_object *e, stream_object *s);
HIDDEN buffer_object *buffer_new(uint64_t pointer, size_t size, context_object *c, unsigned char flags);
HIDDEN int buffer_usable(buffer_object *b); /* 1, or 0 with ClosedError */
static inline buffer_object *whole_of(buffer_object *b) {
    return b->root ? b->root : b;
}
HIDDEN PyObject *buffer_fill(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN PyObject *buffer_copy_to(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN PyObject *buffer_copy_from(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN PyObject *device_allocate(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN PyObject *device_get_resource(PyObject *self, void *closure);
HIDDEN int device_set_resource(PyObject *self, PyObject *value, void *closure);

/* ---- what asynchronous work still uses (keep.c) -------------------------------------------------------------------------- */

/* One end of a copy: a buffer, or another object's memory that is held through the buffer protocol. */
typedef struct {
    uint64_t pointer;
    size_t size;
    buffer_object *buffer; /* a reference; NULL: `view` */
    Py_buffer view;
    PyObject *foreign; /* borrowed: what copy.py made the buffer of; its stream is where the data comes from */
    char pageable;     /* memory of the host that the driver does not know */
} memory_end;

/* Keeps both ends until what the stream has now is done, or as long as the graph that it captures; takes them over in any case. */
HIDDEN int keep_until_done(stream_object *s, memory_end *ends);
HIDDEN void release_ends(memory_end *ends);
HIDDEN void keep_wait(buffer_object *whole,
                      stream_object *s); /* its copies end before what `s` gets next; s NULL: now */
extern HIDDEN int things_kept;
HIDDEN void keep_poll_slowly(void);
static inline void keep_poll(void) { /* releases what is not used any more */
    if (UNLIKELY(things_kept)) keep_poll_slowly();
}

/* ---- arrays (dtype.c, array.c and the files of each protocol) ----------------------------------------------------------- */

/* All references to dtypes are borrowed: they live for ever, but for records, which arrays hold. */
HIDDEN dtype_object *dtype_of_code(unsigned code, unsigned bits, unsigned lanes); /* NULL: BufferError, unknown */
HIDDEN PyObject *dtype_from(PyObject *o); /* new reference: a DType, a name, a NumPy or Python type */
HIDDEN int same_dtype(const dtype_object *a, const dtype_object *b);
static inline int is_native_type(const dtype_object *d) {
    return d->code != 3;
}

/* A new array with room for `ndim` dimensions, everything else zero; the caller fills it and calls array_finish. */
HIDDEN array_object *array_new(int ndim);
HIDDEN int array_set_size(array_object *a);                      /* from the shape; -1: BufferError, impossible */
HIDDEN void array_set_compact(array_object *a);                  /* strides of C order */
HIDDEN void array_own(array_object *a, PyObject *owner);         /* takes a new reference */
HIDDEN void array_may_cycle(array_object *a, PyObject *through); /* what it keeps may lead back to it */
HIDDEN array_object *array_view(array_object *a, int ndim);      /* of the same memory, type and stream */
HIDDEN array_object *array_of_buffer(buffer_object *b);          /* its bytes */
HIDDEN array_object *array_on_host(int ndim, const int64_t *shape, dtype_object *d);
HIDDEN int array_is_contiguous(const array_object *a, int fortran);
HIDDEN int array_element_strides(array_object *a); /* makes them; -1 with BufferError: they are no multiples */
HIDDEN PyObject *array_tuple(const int64_t *values, int n);
HIDDEN int to_dimensions(PyObject *o, const char *what, int64_t *out); /* how many; -1 with an error */
HIDDEN PyObject *array_subscript(PyObject *self, PyObject *key);
static inline int array_usable(array_object *a) {
    return !a->buffer || buffer_usable(a->buffer);
}
/* Whether others may be given it: a device's memory is the parent's alone after a fork. */
static inline int array_shareable(array_object *a) {
    if (UNLIKELY(in_child && a->context)) return raise_forked(), 0;
    return array_usable(a);
}
COLD HIDDEN void array_set_stream(array_object *a, stream_object *s);
static inline void array_ready_in(array_object *a, stream_object *s) { /* after work of the stream that writes it */
    if (UNLIKELY(a->stream != s)) array_set_stream(a, s);
}
/* Work of `later`, a handle in the context c, does not begin before what `earlier` has now. */
HIDDEN int stream_follows(CUstream later, const context_object *c, stream_object *earlier);
HIDDEN int array_wait_host(array_object *a); /* until what its stream has is done */

/* Calls across the interpreter's end: whether Python may still be entered from a destructor of another library. */
static inline int may_enter_python(void) {
    return !is_ending && Py_IsInitialized();
}
HIDDEN void buffer_export(buffer_object *b, int change); /* counts what others hold of it */

HIDDEN PyObject *array_dlpack(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN PyObject *array_dlpack_device(PyObject *self, PyObject *unused);
HIDDEN PyObject *array_cuda_interface(PyObject *self, void *closure);
HIDDEN PyObject *array_host_interface(PyObject *self, void *closure);
HIDDEN int array_getbuffer(PyObject *self, Py_buffer *view, int flags);
HIDDEN void array_releasebuffer(PyObject *self, Py_buffer *view);
/* The same of a Buffer: its bytes. */
HIDDEN PyObject *buffer_dlpack(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames);
HIDDEN PyObject *buffer_dlpack_device(PyObject *self, PyObject *unused);
HIDDEN PyObject *buffer_cuda_interface(PyObject *self, void *closure);

/* ---- graphs (graph.c, graph_keep.c) ---------------------------------------------------------------------------------------- */

extern HIDDEN int gifts_under_way; /* threads that tell Python of what graphs gave back; atomic */
extern HIDDEN int captures;        /* how many streams this layer captures now */
/* Lets the graph that the stream captures keep an object (a new reference, taken over); 0, or -1 with an error. */
HIDDEN int keep_in_capture(stream_object *s, PyObject *o);
HIDDEN uint64_t capture_of(stream_object *s); /* the number of the capture that the stream is in; 0: none */
/* Whether memory that nobody uses any more is not to be freed now: it is the graph's, or freeing it would disturb a capture. */
HIDDEN int leave_to_capture(buffer_object *b);

/* ---- parts, one file each: a type or functions that module.c adds ------------------------------------------------------ */

HIDDEN int context_ready(PyObject *module);
HIDDEN int device_ready(PyObject *module);
HIDDEN int stream_ready(PyObject *module);
HIDDEN int current_ready(PyObject *module);
HIDDEN int event_ready(PyObject *module);
HIDDEN int buffer_ready(PyObject *module);
HIDDEN int pool_ready(PyObject *module);
HIDDEN int kernel_ready(PyObject *module);
HIDDEN int config_ready(PyObject *module);
HIDDEN int launch_ready(PyObject *module);
HIDDEN int notify_ready(PyObject *module);
HIDDEN int trace_ready(PyObject *module);
HIDDEN int keep_ready(PyObject *module);
HIDDEN int copy_ready(PyObject *module);
HIDDEN int plug_ready(PyObject *module);
HIDDEN int dtype_ready(PyObject *module);
HIDDEN int array_ready(PyObject *module);
HIDDEN int as_array_ready(PyObject *module);
HIDDEN int exchange_ready(PyObject *module);
HIDDEN int strided_ready(PyObject *module);
HIDDEN int graph_ready(PyObject *module);
HIDDEN int graph_keep_ready(PyObject *module);

/* Makes a heap type and puts it into the module. */
HIDDEN PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyObject *bases);
#define FAST(function) ((PyCFunction)(void (*)(void))(function))
