/* Python callables that CUDA calls: from any thread, at any time, also after what registered them is long gone.
 *
 * CUDA is handed a generated C function (the trampoline) and, as its user pointer, not the address of our state but a
 * number: slot and generation in the table below.  A callback that fires after it was released, which CUDA's unregister
 * functions do not exclude, or whose user pointer was copied elsewhere, finds no entry and does nothing.
 *
 * Everything here is guarded by the GIL, but for what is marked atomic or thread-local.  A callback lives as long as
 * references to it are counted: the call that passes it, an invocation that runs or is still to come, a graph, a key.
 * How long CUDA may call it is the caller's knowledge (enum cu_keep); in doubt a callback is kept for good.
 *
 * An exception in a callable goes to sys.unraisablehook and CUDA gets 0; so it does where a callable returns None.
 * Once Python is ending, callbacks return 0 without touching it; so do, in a child process, those of its parent.
 */
#include "_callback.h"

_Static_assert(sizeof(void *) == 8, "user pointers carry a slot and a generation, 32 bits each");

/* ---- the table --------------------------------------------------------------------------------------------------- */

typedef struct slot {
    cu_callback *callback; /* NULL: free */
    uint32_t generation;   /* changes when the slot is freed */
    uint32_t next_free;
} slot;

#define NO_SLOT UINT32_MAX
static slot *slots;
static uint32_t n_slots, first_free = NO_SLOT;

static int grow_slots(void) {
    if (n_slots >= INT32_MAX) return -1;
    uint32_t n = n_slots ? 2 * n_slots : 16;
    slot *bigger = realloc(slots, n * sizeof *slots);
    if (!bigger) return -1;
    slots = bigger;
    for (uint32_t i = n; i-- > n_slots;) {
        slots[i] = (slot){NULL, 1, first_free};
        first_free = i;
    }
    n_slots = n;
    return 0;
}

/* Odd, so that it is never the address of something. */
static void *id_of(const cu_callback *cb) {
    return (void *)(uintptr_t)((uint64_t)slots[cb->slot].generation << 32 | (uint64_t)cb->slot << 1 | 1);
}

static cu_callback *find(const void *user) {
    uint64_t id = (uint64_t)(uintptr_t)user;
    uint32_t i = (uint32_t)id >> 1;
    return id & 1 && i < n_slots && slots[i].generation == (uint32_t)(id >> 32) ? slots[i].callback : NULL;
}

static cu_callback *new_callback(PyObject *callable, PyObject *user, cu_module *m, int index) {
    cu_callback *cb = calloc(1, sizeof *cb);
    if (!cb || (first_free == NO_SLOT && grow_slots())) {
        free(cb);
        PyErr_NoMemory();
        return NULL;
    }
    cb->slot = first_free;
    first_free = slots[cb->slot].next_free;
    slots[cb->slot].callback = cb;
    cb->callable = Py_NewRef(callable);
    cb->user = Py_NewRef(user);
    cb->module = m;
    cb->spec = &m->callback_specs[index];
    cb->process = cubind_process();
    cb->refs = 1;
    cb->id = id_of(cb);
    return cb;
}

void cubind_callback_unref(cu_callback *cb) {
    if (--cb->refs) return;
    slot *s = &slots[cb->slot];
    s->callback = NULL;
    s->generation++;
    s->next_free = first_free;
    first_free = cb->slot;
    PyObject *callable = cb->callable, *user = cb->user;
    free(cb);
    Py_DECREF(callable); /* last: this may run any code */
    Py_DECREF(user);
}

/* ---- callbacks without a user pointer: the thread knows which one is meant --------------------------------------- */

static OS_THREAD_LOCAL cu_callback *current; /* innermost call of this thread; below it, cb->outer */

static int has_user_pointer(const cu_callback_spec *spec) {
    for (int i = 0; i < spec->n_params; i++)
        if (spec->params[i].kind == CU_NONE) return 1;
    return 0;
}

static void push_current(cu_callback *cb) {
    cb->is_current = 1;
    cb->outer = current;
    current = cb;
}

static void pop_current(cu_callback *cb) {
    cu_callback **at = &current;
    while (*at && *at != cb) at = &(*at)->outer;
    if (*at) *at = cb->outer;
    cb->is_current = 0;
}

void *cubind_callback_current(void) {
    return current ? current->id : NULL;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* A function pointer or None is passed on as it is, with a user pointer that is an address.  1: it was one, 0: not,
 * -1: error. */
static int raw_function(PyObject *fn, PyObject *data, void **c_fn, void **c_data) {
    if (cubind_is_handle(fn) || cubind_is_record(fn)) return 0;
    int is_address = cubind_address_of(fn, c_fn);
    if (is_address <= 0) return is_address;
    void *user = NULL;
    is_address = data ? cubind_address_of(data, &user) : 1;
    if (is_address < 0) return -1;
    if (!is_address) {
        PyObject *given = cubind_type_text(data);
        if (given)
            PyErr_Format(PyExc_TypeError,
                         "with a function's address, or None, the user pointer is passed on as it is: "
                         "expected int, None, a handle or a struct, not %U",
                         given);
        Py_XDECREF(given);
        return -1;
    }
    if (c_data) *c_data = user;
    return 1;
}

int cubind_callback_arg(PyObject *fn, PyObject *data, cu_module *m, int index, void **c_fn, void **c_data,
                        cu_callback **out) {
    const cu_callback_spec *spec = &m->callback_specs[index];
    *out = NULL;
    cubind_callback_sweep();
    int raw = raw_function(fn, data, c_fn, c_data);
    if (raw) return raw < 0 ? -1 : 0;
    if (!PyCallable_Check(fn) || !spec->trampoline)
        return cubind_expected(fn, spec->trampoline
                                       ? "a callable, a function's address (int or ctypes function pointer) or None"
                                       : "a function's address (int or ctypes function pointer) or None");
    cu_callback *cb = new_callback(fn, data ? data : Py_None, m, index);
    if (!cb) return -1;
    if (!has_user_pointer(spec)) push_current(cb);
    *c_fn = spec->trampoline;
    if (c_data) *c_data = cb->id;
    *out = cb;
    return 0;
}

void cubind_callback_drop(cu_callback *cb) {
    if (!cb) return;
    if (cb->is_current) pop_current(cb);
    cubind_callback_unref(cb);
}

cu_callback *cubind_callback_find(const void *c_fn, const void *c_data) {
    cu_callback *cb = find(c_data);
    return cb && cb->spec->trampoline == c_fn ? cb : NULL;
}

/* ---- being called ------------------------------------------------------------------------------------------------ */

static PyObject *load_arguments(const cu_callback *cb, const uint64_t *values) {
    const cu_callback_spec *spec = cb->spec;
    PyObject *args = PyTuple_New(spec->n_params);
    for (int i = 0; args && i < spec->n_params; i++) {
        PyObject *o = spec->params[i].kind == CU_NONE ? Py_NewRef(cb->user)
                                                      : cubind_load(&values[i], cb->module, spec->params[i], 0, NULL);
        if (!o || PyTuple_SetItem(args, i, o)) Py_CLEAR(args);
    }
    return args;
}

/* The trampoline has set *result to 0. */
static int store_result(const cu_callback *cb, PyObject *value, void *result) {
    if (cb->spec->result.kind == CU_NONE || value == Py_None || !result) return 0;
    return cubind_store(result, value, cb->module, cb->spec->result, 0, NULL);
}

static void invoke(const cu_callback *cb, const uint64_t *values, void *result) {
    PyObject *type, *value, *traceback; /* of the code in this thread that led here, e.g. through a destructor */
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *args = load_arguments(cb, values);
    PyObject *returned = args ? PyObject_Call(cb->callable, args, NULL) : NULL;
    if (!returned || store_result(cb, returned, result)) PyErr_WriteUnraisable(cb->callable);
    Py_XDECREF(returned);
    Py_XDECREF(args);
    PyErr_Restore(type, value, traceback);
}

void cubind_callback_enter(void *user, const uint64_t *values, void *result) {
    /* a call of this very thread waits for the answer: Python is there, even while it is ending */
    int synchronous = current && current->id == user;
    int counted = cubind_python_enter();
    if (!counted && !synchronous) return;
    PyGILState_STATE gil = PyGILState_Ensure();
    cu_callback *cb = find(user);
    if (cb && cb->process == cubind_process()) {
        cb->refs++; /* whatever the callable does, it runs to its end */
        cb->started++;
        invoke(cb, values, result);
        if (cb->awaited) { /* CU_KEEP_ONCE: this was the invocation that it was kept for */
            cb->awaited--;
            cubind_callback_unref(cb);
        }
        cubind_callback_unref(cb);
    }
    cubind_callback_sweep();
    PyGILState_Release(gil);
    if (counted) cubind_python_leave();
}

/* ---- the ctypes type of a callback typedef ----------------------------------------------------------------------- */

static const char *ctypes_name(const cu_module *m, cu_type t) {
    static const char *const names[] = {[CU_NONE] = "c_void_p", [CU_I8] = "c_int8",     [CU_U8] = "c_uint8",
                                        [CU_I16] = "c_int16",   [CU_U16] = "c_uint16",  [CU_I32] = "c_int32",
                                        [CU_U32] = "c_uint32",  [CU_I64] = "c_int64",   [CU_U64] = "c_uint64",
                                        [CU_F32] = "c_float",   [CU_F64] = "c_double",  [CU_HANDLE] = "c_void_p",
                                        [CU_PTR] = "c_void_p",  [CU_CSTR] = "c_char_p", [CU_FUNC] = "c_void_p"};
    if (t.kind == CU_ENUM) return m->enum_specs[t.aux].is_signed ? "c_int32" : "c_uint32";
    return t.kind < sizeof names / sizeof *names ? names[t.kind] : NULL; /* NULL: records and arrays by value */
}

static PyObject *new_ctypes_type(cu_module *m, const cu_callback_spec *spec) {
    PyObject *ctypes = PyImport_ImportModule("ctypes"), *result = NULL, *type = NULL;
    PyObject *args = ctypes ? PyTuple_New(spec->n_params + 1) : NULL;
    for (int i = -1; args && i < spec->n_params; i++) {
        cu_type t = i < 0 ? spec->result : spec->params[i];
        const char *name = ctypes_name(m, t);
        PyObject *item = NULL;
        if (i < 0 && t.kind == CU_NONE)
            item = Py_NewRef(Py_None); /* void */
        else if (name)
            item = PyObject_GetAttrString(ctypes, name);
        else
            PyErr_Format(PyExc_TypeError, "%s has no ctypes function type: it takes a struct by value", spec->name);
        if (!item || PyTuple_SetItem(args, i + 1, item)) Py_CLEAR(args);
    }
    if (args) result = PyObject_GetAttrString(ctypes, "CFUNCTYPE");
    if (result) type = PyObject_Call(result, args, NULL);
    Py_XDECREF(result);
    Py_XDECREF(args);
    Py_XDECREF(ctypes);
    return type;
}

PyObject *cubind_callback_type(cu_module *m, int index) {
    static PyObject *made; /* dict: address of the spec -> type */
    const cu_callback_spec *spec = &m->callback_specs[index];
    if (!made && !(made = PyDict_New())) return NULL;
    PyObject *key = PyLong_FromVoidPtr((void *)spec);
    PyObject *type = key ? Py_XNewRef(PyDict_GetItemWithError(made, key)) : NULL;
    if (key && !type && !PyErr_Occurred()) {
        type = new_ctypes_type(m, spec);
        if (type && PyDict_SetItem(made, key, type)) Py_CLEAR(type);
    }
    Py_XDECREF(key);
    return type;
}
