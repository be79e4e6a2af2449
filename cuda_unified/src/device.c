/* Devices: one object each, made when first asked for and kept for ever, with the primary context that it uses. */
#include "native.h"

enum { MOST_DEVICES = 1024 };
static device_object *devices[MOST_DEVICES];
static int device_count = -1;
int driver_used;

PyTypeObject *Device_type, *device_class;

static int initialize(void) {
    if (in_child) return raise_forked(), -1;
    CUresult status;
    int count = 0;
    const char *function = "cuInit";
    Py_BEGIN_ALLOW_THREADS status = D.cuInit(0);
    if (status == CUDA_SUCCESS) {
        function = "cuDeviceGetCount";
        status = D.cuDeviceGetCount(&count);
    }
    Py_END_ALLOW_THREADS if (status) return fail(status, function, NULL), -1;
    driver_used = 1;
    device_count = count < MOST_DEVICES ? count : MOST_DEVICES;
    return 0;
}

static PyObject *no_such_device(PyObject *ordinal) {
    fail(CUDA_ERROR_INVALID_DEVICE, "Device", "ordinal=%S, devices=%d", ordinal, device_count);
    return NULL;
}

/* The device of an ordinal, a new reference. */
static COLD PyObject *make_device(PyObject *ordinal) {
    int i;
    if (in_child) return raise_forked();
    if (to_int(ordinal, "ordinal", &i)) return NULL;
    if (device_count < 0 && initialize()) return NULL;
    if (i < 0 || i >= device_count) return no_such_device(ordinal);
    if (!devices[i]) {
        device_object *d = new_object(device_class);
        if (!d) return NULL;
        d->ordinal = i;
        if (!(d->cache = PyDict_New())) {
            Py_DECREF(d);
            return NULL;
        }
        if (devices[i])
            Py_DECREF(d); /* another thread was faster */
        else
            devices[i] = d;
    }
    return Py_NewRef((PyObject *)devices[i]);
}

static PyObject *device_of_context(void);

/* ---- the class is called, the way the interpreter does it and the way everything else does ------------------------------ */

typedef PyObject *(*vectorcall)(PyObject *, PyObject *const *, size_t, PyObject *);
#define HAVE_VECTORCALL (1UL << 11) /* Py_TPFLAGS_HAVE_VECTORCALL: in the limited API from 3.12 on */
#define ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1)) /* PY_VECTORCALL_ARGUMENTS_OFFSET */
static Py_ssize_t vectorcall_at;                                 /* in the class object, behind what `type` has */

/* Device(ordinal); Device(device) is that device; Device() is the one whose context is current, else device 0. */
static PyObject *device_call(PyObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs) {
    PyObject *first = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0) : NULL;
    if (UNLIKELY(!first || kwargs)) {
        static char *names[] = {"ordinal", NULL};
        PyErr_Clear();
        first = NULL;
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Device", names, &first)) return NULL;
        if (!first || first == Py_None) return device_of_context();
    }
    if (LIKELY(PyLong_CheckExact(first))) {
        long i = PyLong_AsLong(first);
        if (LIKELY(i >= 0 && i < MOST_DEVICES && devices[i] && !in_child)) return Py_NewRef((PyObject *)devices[i]);
        PyErr_Clear();
    }
    if (is_device(first)) return Py_NewRef(first);
    return make_device(first);
}

static PyObject *device_vectorcall(PyObject *type, PyObject *const *a, size_t n, PyObject *kwnames) {
    if (LIKELY((n & ~ARGUMENTS_OFFSET) == 1 && !kwnames && PyLong_CheckExact(a[0]))) {
        long i = PyLong_AsLong(a[0]);
        if (LIKELY(i >= 0 && i < MOST_DEVICES && devices[i] && !in_child)) return Py_NewRef((PyObject *)devices[i]);
        PyErr_Clear();
    }
    PyObject *args = PyTuple_New((Py_ssize_t)(n & ~ARGUMENTS_OFFSET)), *kwargs = kwnames && args ? PyDict_New() : NULL;
    Py_ssize_t positional = args ? PyTuple_Size(args) : 0;
    int failed = !args || (kwnames && !kwargs);
    for (Py_ssize_t i = 0; i < positional; i++) PyTuple_SetItem(args, i, Py_NewRef(a[i]));
    for (Py_ssize_t i = 0; kwargs && i < PyTuple_Size(kwnames); i++)
        failed |= PyDict_SetItem(kwargs, PyTuple_GetItem(kwnames, i), a[positional + i]) != 0;
    PyObject *device = failed ? NULL : device_call(type, args, kwargs);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return device;
}

static PyObject *device_of_context(void) {
    if (in_child) return raise_forked();
    if (device_count < 0 && initialize()) return NULL;
    CUcontext now = NULL;
    D.cuCtxGetCurrent(&now);
    for (int i = 0; i < device_count && now; i++)
        if (devices[i] && devices[i]->primary && devices[i]->primary->handle == now)
            return Py_NewRef((PyObject *)devices[i]);
    PyObject *module = now ? PyImport_ImportModule("cuda_unified.context") : NULL;
    if (now && !module) return NULL;
    PyObject *ordinal = module ? PyObject_CallMethod(module, "current_ordinal", NULL) : PyLong_FromLong(0);
    Py_XDECREF(module);
    PyObject *device = ordinal ? make_device(ordinal) : NULL;
    Py_XDECREF(ordinal);
    return device;
}

context_object *device_context(device_object *d) {
    if (LIKELY(d->primary && !in_child)) return d->primary;
    if (in_child) return (context_object *)raise_forked();
    CUcontext handle = NULL;
    CUresult status;
    Py_BEGIN_ALLOW_THREADS status = D.cuDevicePrimaryCtxRetain(&handle, d->ordinal);
    Py_END_ALLOW_THREADS if (status) return (context_object *)fail(status, "cuDevicePrimaryCtxRetain", "device=%d",
                                                                   d->ordinal);
    if (!d->primary) {
        context_object *c = new_object(Context_type);
        if (!c) return NULL;
        c->handle = handle;
        c->device = Py_NewRef((PyObject *)d);
        d->primary = c; /* another thread's retaining the same context twice does no harm: nothing releases it */
    }
    return d->primary;
}

static PyObject *get_context(PyObject *self, void *Py_UNUSED(closure)) {
    return Py_XNewRef((PyObject *)device_context((device_object *)self));
}

static PyObject *get_is_active(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(((device_object *)self)->primary != NULL);
}

static PyObject *device_enter(PyObject *self, PyObject *Py_UNUSED(arg)) {
    context_object *c = device_context((device_object *)self);
    if (!c) return NULL;
    CUresult status = D.cuCtxPushCurrent_v2(c->handle);
    return status ? fail(status, "cuCtxPushCurrent", "device=%d", ((device_object *)self)->ordinal) : Py_NewRef(self);
}

static PyObject *device_exit(PyObject *Py_UNUSED(self), PyObject *const *Py_UNUSED(a), Py_ssize_t Py_UNUSED(n)) {
    if (may_free()) leave_slowly();
    Py_RETURN_NONE;
}

static PyObject *device_index(PyObject *self) {
    return PyLong_FromLong(((device_object *)self)->ordinal);
}

static void device_dealloc(PyObject *self) {
    Py_XDECREF((PyObject *)((device_object *)self)->primary);
    Py_XDECREF(((device_object *)self)->cache);
    Py_XDECREF(((device_object *)self)->resource);
    delete_object(self);
}

static PyObject *count_devices(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    return device_count < 0 && initialize() ? NULL : PyLong_FromLong(device_count);
}

static PyObject *device_event(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    return event_factory(device_context((device_object *)self), a, n, kwnames);
}

static PyObject *device_stream(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    return stream_factory(device_context((device_object *)self), a, n, kwnames);
}

static PyMethodDef methods[] = {
    {"event", FAST(device_event), METH_FASTCALL | METH_KEYWORDS,
     "event($self, *, timing=True, blocking_sync=False, ipc=False)\n--\n\n"
     "A new Event on this device.\n\n"
     "timing: it has a time, for Event.elapsed.  blocking_sync: waiting for it leaves the processor to others.  ipc: "
     "other\n"
     "processes may use it, and it has no time; ValueError where timing=True is given too.\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__EVENT.html"},
    {"stream", FAST(device_stream), METH_FASTCALL | METH_KEYWORDS,
     "stream($self, *, priority=None, nonblocking=True)\n--\n\n"
     "A new Stream on this device.\n\n"
     "priority: lower is sooner, of Device.stream_priorities; None: the least urgent.  nonblocking: it does not wait "
     "for the\n"
     "legacy default stream, nor that one for it.\n"
     "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__STREAM.html"},
    {"allocate", FAST(device_allocate), METH_FASTCALL | METH_KEYWORDS,
     "allocate($self, size, stream=None)\n--\n\n"
     "A Buffer of `size` bytes from `resource`, which work of `stream` (default: the current one) may use from now "
     "on.\n\n"
     "Raises OutOfMemoryError."},
    {"__enter__", device_enter, METH_NOARGS, "Makes the primary context current in this thread, until the block ends."},
    {"__exit__", FAST(device_exit), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"ordinal", T_INT, offsetof(device_object, ordinal), READONLY, "The number of the device, from 0."},
    {"_cache", T_OBJECT_EX, offsetof(device_object, cache), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"context", get_context, NULL, "The primary context; the first use makes it.", NULL},
    {"resource", device_get_resource, device_set_resource,
     "What allocate() uses: the device's current pool, or what was set; None sets the pool again.", NULL},
    {"is_active", get_is_active, NULL, "Whether this process uses its primary context already.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, device_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {Py_nb_index, device_index},
    {Py_nb_int, device_index},
    {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Device", sizeof(device_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
static PyMemberDef meta_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, 0, READONLY, NULL}, /* the offset is set when it is known */
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot meta_slots[] = {{Py_tp_call, device_call}, {Py_tp_members, meta_members}, {0, NULL}};

/* A metaclass with room for the function, behind what the limited API does not tell the size of. */
static PyTypeObject *make_meta(PyObject *module) {
    PyObject *size = PyObject_GetAttrString((PyObject *)&PyType_Type, "__basicsize__");
    const Py_ssize_t align = sizeof(void *);
    vectorcall_at = size ? (PyLong_AsSsize_t(size) + align - 1) / align * align : 0;
    Py_XDECREF(size);
    meta_members[0].offset = vectorcall_at;
    PyType_Spec meta = {"cuda_unified._native.DeviceType", (int)(vectorcall_at + (Py_ssize_t)sizeof(vectorcall)), 0,
                        Py_TPFLAGS_DEFAULT | HAVE_VECTORCALL, meta_slots};
    PyObject *bases = vectorcall_at ? PyTuple_Pack(1, (PyObject *)&PyType_Type) : NULL;
    PyTypeObject *type = bases ? add_type(module, &meta, bases) : NULL;
    Py_XDECREF(bases);
    return type;
}

/* The interpreter calls methods without detours only where the class that they were made for is exactly that of the
 * object: so the class gets them again as its own. */
static int adopt_methods(PyObject *class) {
    for (PyMethodDef *m = methods; m->ml_name; m++) {
        PyObject *method = PyDescr_NewMethod((PyTypeObject *)class, m);
        if (!method || PyObject_SetAttrString(class, m->ml_name, method)) return -1;
        Py_DECREF(method);
    }
    return 0;
}

/* use_device_class(Device): the class of devices; calls of it reach device_vectorcall without a tuple of arguments. */
static PyObject *use_device_class(PyObject *Py_UNUSED(module), PyObject *class) {
    if (!PyType_Check(class) || !PyType_IsSubtype((PyTypeObject *)class, Device_type) || device_class) {
        PyErr_SetString(PyExc_TypeError, "use_device_class() takes one class that derives from Device, once");
        return NULL;
    }
    device_class = (PyTypeObject *)Py_NewRef(class);
    *(vectorcall *)((char *)class + vectorcall_at) = device_vectorcall;
    return adopt_methods(class) ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef functions[] = {
    {"use_device_class", use_device_class, METH_O, NULL},
    {"device_count", count_devices, METH_NOARGS, "How many devices the driver has; initializes it."},
    {NULL, NULL, 0, NULL},
};

int device_ready(PyObject *module) {
    Device_type = make_meta(module) ? add_type(module, &spec, NULL) : NULL;
    return Device_type ? PyModule_AddFunctions(module, functions) : -1;
}
