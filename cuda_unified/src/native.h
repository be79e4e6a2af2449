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

#define DRIVER_FUNCTIONS(X)       \
    X(cuInit)                     \
    X(cuDeviceGetCount)           \
    X(cuDevicePrimaryCtxRetain)   \
    X(cuCtxGetCurrent)            \
    X(cuCtxPushCurrent_v2)        \
    X(cuCtxPopCurrent_v2)         \
    X(cuCtxDestroy_v2)            \
    X(cuStreamCreateWithPriority) \
    X(cuStreamDestroy_v2)         \
    X(cuStreamSynchronize)        \
    X(cuStreamQuery)              \
    X(cuStreamWaitEvent)          \
    X(cuStreamAddCallback)        \
    X(cuEventCreate)              \
    X(cuEventDestroy_v2)          \
    X(cuEventRecord)              \
    X(cuEventSynchronize)         \
    X(cuEventQuery)               \
    X(cuEventElapsedTime_v2)      \
    X(cuMemAllocFromPoolAsync)    \
    X(cuMemAlloc_v2)              \
    X(cuMemFree_v2)               \
    X(cuMemFreeAsync)             \
    X(cuMemAllocHost_v2)          \
    X(cuMemFreeHost)              \
    X(cuLaunchKernel)             \
    X(cuLaunchKernelEx)           \
    X(cuKernelGetParamInfo)       \
    X(cuFuncGetParamInfo)

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
COLD HIDDEN PyObject *raise_closed(PyObject *o); /* ClosedError: used after close */
COLD HIDDEN PyObject *raise_forked(void);        /* ForkError: the process was forked after CUDA was used */
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

enum how_freed { NOT_FREED, FREED_ASYNC, FREED_SYNC, FREED_HOST, FREED_BY_RESOURCE };
enum accessible { BY_DEVICE = 1, BY_HOST = 2, IS_MANAGED = 4, IS_PINNED = 8 };

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
    unsigned char how, flags, closed;
} buffer_object;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    CUmemoryPool handle;
    context_object *context;
    unsigned char flags; /* enum accessible, of what it gives */
    char owned, closed;
} pool_object;

/* The types.  Python adds what is not in a loop to them (_extend.py), so that what C makes and what programs see is one class;
 * but for devices, whose class has a metaclass and derives from the type here. */
extern HIDDEN PyTypeObject *Context_type, *Device_type, *Stream_type, *Event_type, *Buffer_type, *Pool_type;
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

/* ---- parts, one file each: a type or functions that module.c adds ------------------------------------------------------ */

HIDDEN int context_ready(PyObject *module);
HIDDEN int device_ready(PyObject *module);
HIDDEN int stream_ready(PyObject *module);
HIDDEN int current_ready(PyObject *module);
HIDDEN int event_ready(PyObject *module);
HIDDEN int buffer_ready(PyObject *module);
HIDDEN int pool_ready(PyObject *module);
HIDDEN int notify_ready(PyObject *module);

/* Makes a heap type and puts it into the module. */
HIDDEN PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyObject *bases);
#define FAST(function) ((PyCFunction)(void (*)(void))(function))
