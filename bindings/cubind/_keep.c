/* How long a callback is kept once CUDA has accepted it: see enum cu_keep.
 *
 * cubind_callback_keep() runs after the call that took the callback succeeded; the caller's own reference is still held
 * then and goes with cubind_callback_drop().  It never fails: where it cannot know when CUDA is done with a callback
 * (a driver without user objects, no memory), the callback stays for good.
 */
#include "_callback.h"

/* ---- functions of the library that took the callback ------------------------------------------------------------- */

/* The same in the driver and the runtime API; handles and enums are pointers and ints here. */
typedef int (*capture_info)(void *stream, int *status, uint64_t *id, void **graph, const void **nodes,
                            const void **edges, size_t *n);
typedef int (*create_user_object)(void **object, void *value, void (*destroy)(void *), unsigned refs, unsigned flags);
typedef int (*retain_user_object)(void *graph, void *object, unsigned count, unsigned flags);

enum { CAPTURE_NONE = 0, CAPTURE_ACTIVE = 1 };
enum { NO_DESTRUCTOR_SYNC = 1 }; /* the only flag there is, and required */
enum { MOVE_REFERENCE = 1 };

/* Where they are in the tables of a library: -1 if it has none (NVRTC). */
typedef struct helpers {
    struct helpers *next;
    cu_library *lib;
    int capture_info, create, retain;
} helpers;

static int index_of(const cu_library *lib, const char *driver_name, const char *runtime_name) {
    int i = cubind_library_index(lib, driver_name);
    return i >= 0 ? i : cubind_library_index(lib, runtime_name);
}

static const helpers *helpers_of(cu_library *lib) {
    static helpers *known, none = {.capture_info = -1, .create = -1, .retain = -1};
    helpers *h = known;
    while (h && h->lib != lib) h = h->next;
    if (h) return h;
    h = malloc(sizeof *h);
    if (!h) return &none;
    h->next = known;
    h->lib = lib;
    h->capture_info = index_of(lib, "cuStreamGetCaptureInfo_v3", "cudaStreamGetCaptureInfo");
    h->create = index_of(lib, "cuUserObjectCreate", "cudaUserObjectCreate");
    h->retain = index_of(lib, "cuGraphRetainUserObject", "cudaGraphRetainUserObject");
    return known = h;
}

static void *entry(cu_library *lib, int index) {
    return index < 0 ? NULL : cubind_library_entry(lib, index);
}

/* ---- graphs give callbacks back, in a thread of the driver, where the GIL must not be waited for ----------------- */

typedef struct gift {
    struct gift *next;
    cu_callback *cb; /* one reference */
} gift;

static _Atomic(gift *) given_back; /* a stack: pushed by anyone, emptied as a whole by the holder of the GIL */
static atomic_int sweep_asked;

void cubind_callback_sweep(void) {
    if (!atomic_load_explicit(&given_back, memory_order_relaxed)) return;
    gift *g = atomic_exchange(&given_back, NULL);
    while (g) {
        gift *next = g->next;
        cubind_callback_unref(g->cb);
        free(g);
        g = next;
    }
}

static int sweep_from_main_thread(void *Py_UNUSED(nothing)) {
    atomic_store(&sweep_asked, 0);
    cubind_callback_sweep();
    return 0;
}

/* The destructor of a CUDA user object. */
static void graph_gone(void *value) {
    gift *g = value;
    g->next = atomic_load(&given_back);
    while (!atomic_compare_exchange_weak(&given_back, &g->next, g)) continue;
    if (!cubind_python_enter()) return;
    /* needs no GIL; where Python's queue is full, the next call that concerns callbacks sweeps */
    if (!atomic_exchange(&sweep_asked, 1) && Py_AddPendingCall(sweep_from_main_thread, NULL))
        atomic_store(&sweep_asked, 0);
    cubind_python_leave();
}

/* ---- the ways of keeping ----------------------------------------------------------------------------------------- */

static void keep_forever(cu_callback *cb) {
    cb->refs++;
}

/* It may have been called already, in another thread: then there is nothing to wait for. */
static void keep_once(cu_callback *cb) {
    if (cb->started) return;
    cb->refs++;
    cb->awaited++;
}

static void keep_with_graph(cu_callback *cb, cu_module *m, void *graph) {
    const helpers *h = helpers_of(m->library);
    create_user_object create = (create_user_object)(uintptr_t)entry(m->library, h->create);
    retain_user_object retain = (retain_user_object)(uintptr_t)entry(m->library, h->retain);
    gift *g = create && retain && graph ? malloc(sizeof *g) : NULL;
    keep_forever(cb); /* the graph's reference */
    if (!g) return;
    g->cb = cb;
    void *object = NULL;
    int failed;
    Py_BEGIN_ALLOW_THREADS failed = create(&object, g, graph_gone, 1, NO_DESTRUCTOR_SYNC);
    if (failed)
        free(g);
    else
        (void)retain(graph, object, 1, MOVE_REFERENCE); /* where that fails, the object and its reference stay */
    Py_END_ALLOW_THREADS
}

/* A node that is being captured cannot run before the graph is launched, so asking after the call is early enough. */
static void keep_with_stream(cu_callback *cb, cu_module *m, void *stream) {
    if (cb->started) return; /* not captured, and done */
    capture_info info = (capture_info)(uintptr_t)entry(m->library, helpers_of(m->library)->capture_info);
    int status = CAPTURE_NONE, failed = 0;
    uint64_t id;
    void *graph = NULL;
    if (info) {
        Py_BEGIN_ALLOW_THREADS failed = info(stream, &status, &id, &graph, NULL, NULL, NULL);
        Py_END_ALLOW_THREADS
    }
    if (failed)
        keep_forever(cb); /* e.g. an error of earlier work */
    else if (status == CAPTURE_ACTIVE)
        keep_with_graph(cb, m, graph);
    else if (status == CAPTURE_NONE)
        keep_once(cb);
    /* else the capture was invalidated: there will be no graph */
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static PyObject *by_key; /* dict: (module name, address) -> address of a cu_callback, which holds one reference */

static PyObject *make_key(const cu_module *m, void *owner) {
    if (!by_key && !(by_key = PyDict_New())) return NULL;
    return Py_BuildValue("(sN)", m->name, PyLong_FromVoidPtr(owner));
}

cu_callback *cubind_callback_take(cu_module *m, void *owner) {
    cubind_callback_sweep();
    if (!by_key || !PyDict_Size(by_key)) return NULL;
    PyObject *type, *value, *traceback; /* may run while an error is on its way */
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *key = make_key(m, owner);
    PyObject *found = key ? PyDict_GetItemWithError(by_key, key) : NULL;
    cu_callback *cb = found ? PyLong_AsVoidPtr(found) : NULL;
    if (cb) (void)PyDict_DelItem(by_key, key);
    Py_XDECREF(key);
    PyErr_Restore(type, value, traceback);
    return cb;
}

void cubind_callback_release(cu_module *m, void *owner) {
    cubind_callback_drop(cubind_callback_take(m, owner));
}

static void keep_by_key(cu_callback *cb, cu_module *m, void *owner) {
    cubind_callback_release(m, owner); /* what CUDA had under this key is replaced */
    keep_forever(cb);
    PyObject *key = make_key(m, owner);
    PyObject *value = key ? PyLong_FromVoidPtr(cb) : NULL;
    if (!value || PyDict_SetItem(by_key, key, value)) PyErr_Clear();
    Py_XDECREF(value);
    Py_XDECREF(key);
}

/* ---- the two entrances ------------------------------------------------------------------------------------------- */

int cubind_callback_keep(cu_callback *cb, cu_module *m, enum cu_keep how, void *owner) {
    cubind_callback_sweep();
    if (!cb) {
        /* a raw function pointer, or None: CUDA forgot what it had under this key */
        if (how == CU_KEEP_KEY) cubind_callback_release(m, owner);
        return 0;
    }
    switch (how) {
    case CU_KEEP_CALL: break;
    case CU_KEEP_ONCE: keep_once(cb); break;
    case CU_KEEP_STREAM: keep_with_stream(cb, m, owner); break;
    case CU_KEEP_GRAPH: keep_with_graph(cb, m, owner); break;
    case CU_KEEP_KEY: keep_by_key(cb, m, owner); break;
    case CU_KEEP_FOREVER: keep_forever(cb); break;
    }
    return 0;
}

int cubind_callback_keep_user(void *c_fn, void *c_data, cu_module *m, enum cu_keep how, void *owner) {
    cu_callback *cb = cubind_callback_find(c_fn, c_data);
    return cb ? cubind_callback_keep(cb, m, how, owner) : 0;
}

int cubind_callbacks_ready(PyObject *Py_UNUSED(core)) {
    return cubind_ending_ready();
}
