/* Arrays for other libraries, through DLPack. */
#include "native.h"
#include <stdlib.h>
#include "dlpack.h"

/* ---- the managed tensor --------------------------------------------------------------------------------------------------- */

struct dlpack_where dlpack_device_of(const array_object *a) {
    if (a->flags & IS_MANAGED) return (struct dlpack_where){DLPACK_CUDA_MANAGED, 0};
    if (a->flags & IS_PINNED) return (struct dlpack_where){DLPACK_CUDA_HOST, 0};
    if (!(a->flags & BY_DEVICE) || !a->context) return (struct dlpack_where){DLPACK_CPU, 0};
    return (struct dlpack_where){DLPACK_CUDA, ((device_object *)a->context->device)->ordinal};
}

int dlpack_fill_tensor(array_object *a, dlpack_tensor *t) {
    if (!array_shareable(a) || array_element_strides(a)) return -1;
    if (a->dtype->code == DLPACK_OPAQUE) {
        PyErr_Format(PyExc_BufferError, "DLPack has no type for %U: view the array as \"uint8\"", a->dtype->name);
        return -1;
    }
    struct dlpack_where where = dlpack_device_of(a);
    t->data = a->size ? (void *)(uintptr_t)a->pointer : NULL;
    t->device_type = where.type;
    t->device_id = where.id;
    t->ndim = a->ndim;
    t->code = a->dtype->code;
    t->bits = a->dtype->bits;
    t->lanes = a->dtype->lanes;
    t->shape = a->shape;
    t->strides = a->element_strides;
    t->byte_offset = 0;
    return 0;
}

void buffer_export(buffer_object *b, int change) {
    if (b) (b->root ? b->root : b)->exports += change;
}

/* In any thread, with the GIL or without, at any time. */
static int release(void *array) {
    if (!may_enter_python()) return 0; /* the process ends, and memory with it */
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    buffer_export(((array_object *)array)->buffer, -1);
    Py_DECREF((PyObject *)array);
    PyErr_Restore(type, value, trace);
    PyGILState_Release(state);
    return 1;
}

static void delete_versioned(dlpack_versioned *m) {
    if (release(m->manager_ctx)) free(m);
}

static void delete_legacy(dlpack_managed *m) {
    if (release(m->manager_ctx)) free(m);
}

static int fill(array_object *a, dlpack_tensor *t, struct dlpack_where where) {
    if (dlpack_fill_tensor(a, t)) return -1;
    t->device_type = where.type;
    t->device_id = where.id;
    Py_INCREF((PyObject *)a);
    buffer_export(a->buffer, 1);
    return 0;
}

static int is_padded(const array_object *a) {
    return a->dtype->bits && a->dtype->bits < 8 && a->dtype->lanes == 1;
}

dlpack_versioned *dlpack_export(array_object *a, struct dlpack_where where, uint64_t flags) {
    dlpack_versioned *m = malloc(sizeof *m);
    if (!m) return (dlpack_versioned *)PyErr_NoMemory();
    if (fill(a, &m->tensor, where)) return free(m), NULL;
    m->version = (dlpack_version){DLPACK_MAJOR, DLPACK_MINOR};
    m->manager_ctx = a;
    m->deleter = delete_versioned;
    m->flags = flags | (a->read_only ? DLPACK_READ_ONLY : 0) | (is_padded(a) ? DLPACK_SUBBYTE_PADDED : 0);
    return m;
}

static dlpack_managed *export_legacy(array_object *a, struct dlpack_where where) {
    if (a->read_only || is_padded(a)) {
        PyErr_Format(PyExc_BufferError,
                     "%s can only be exported to consumers of DLPack 1.0 or later (max_version=(1, 0))",
                     a->read_only ? "a read-only array" : "elements of fewer than 8 bits");
        return NULL;
    }
    dlpack_managed *m = malloc(sizeof *m);
    if (!m) return (dlpack_managed *)PyErr_NoMemory();
    if (fill(a, &m->tensor, where)) return free(m), NULL;
    m->manager_ctx = a;
    m->deleter = delete_legacy;
    return m;
}

static void drop_versioned(PyObject *capsule) {
    if (!PyCapsule_IsValid(capsule, "dltensor_versioned")) return; /* consumed */
    delete_versioned(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
}

static void drop_legacy(PyObject *capsule) {
    if (!PyCapsule_IsValid(capsule, "dltensor")) return;
    delete_legacy(PyCapsule_GetPointer(capsule, "dltensor"));
}

static PyObject *make_capsule(array_object *a, struct dlpack_where where, int versioned, uint64_t flags) {
    void *m = versioned ? (void *)dlpack_export(a, where, flags) : (void *)export_legacy(a, where);
    if (!m) return NULL;
    PyObject *capsule =
        PyCapsule_New(m, versioned ? "dltensor_versioned" : "dltensor", versioned ? drop_versioned : drop_legacy);
    if (!capsule) versioned ? delete_versioned(m) : delete_legacy(m);
    return capsule;
}

/* ---- order ----------------------------------------------------------------------------------------------------------------- */

int stream_follows(CUstream later, const context_object *c, stream_object *earlier) {
    if (later == earlier->handle && c->handle == earlier->context->handle) return 0; /* 1 is another stream elsewhere */
    CUresult status;
    event_object *e = event_create(earlier->context, CU_EVENT_DISABLE_TIMING);
    int failed = !e || event_record(e, earlier) ||
                 CALL(c, is_default_stream(later), status, D.cuStreamWaitEvent(later, e->handle, 0));
    if (!failed && status) {
        fail(status, "cuStreamWaitEvent", "stream=%p", later);
        failed = 1;
    }
    Py_XDECREF((PyObject *)e);
    return failed ? -1 : 0;
}

static int wait_for_stream(stream_object *s) {
    CUresult status;
    if (!stream_usable(s) || CALL(s->context, is_default_stream(s->handle), status, D.cuStreamSynchronize(s->handle)))
        return -1;
    if (!status) return 0;
    fail(status, "cuStreamSynchronize", NULL);
    return -1;
}

int array_wait_host(array_object *a) {
    return !a->stream || a->stream->closed || !(a->flags & BY_DEVICE) ? 0 : wait_for_stream(a->stream);
}

/* What may still write the array: its stream, and what this thread does now. */
static int order(array_object *a, CUstream consumer, int host) {
    if (!(a->flags & BY_DEVICE) || !a->context) return 0;
    stream_object *now = current_stream(a->context);
    if (!now) return -1;
    stream_object *known = a->stream && a->stream != now && !a->stream->closed ? a->stream : NULL;
    int failed = host ? wait_for_stream(now) : stream_follows(consumer, a->context, now);
    if (!failed && known) failed = host ? wait_for_stream(known) : stream_follows(consumer, a->context, known);
    Py_DECREF((PyObject *)now);
    return failed;
}

/* ---- __dlpack__ -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int versioned;
    int copy;  /* 1, 0, -1: None */
    int order; /* whether to make `consumer` wait */
    CUstream consumer;
    struct dlpack_where here, where;
} request;

static int take_version(PyObject *o, request *r) {
    if (!o || o == Py_None) return 0;
    PyObject *major = PyTuple_Check(o) && PyTuple_Size(o) == 2 ? PyTuple_GetItem(o, 0) : NULL;
    long value = major && PyLong_Check(major) ? PyLong_AsLong(major) : -1;
    if (value < 0) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "max_version must be (major, minor) or None, not %R", o);
        return -1;
    }
    r->versioned = value >= 1;
    return 0;
}

static int take_device(PyObject *o, request *r) {
    if (!o || o == Py_None) return 0;
    PyObject *type = PyTuple_Check(o) && PyTuple_Size(o) == 2 ? PyTuple_GetItem(o, 0) : NULL;
    if (!type) {
        PyErr_Format(PyExc_TypeError, "dl_device must be (device type, device number) or None, not %R", o);
        return -1;
    }
    if (to_int(type, "dl_device: type", &r->where.type) ||
        to_int(PyTuple_GetItem(o, 1), "dl_device: number", &r->where.id))
        return -1;
    int same = r->where.type == r->here.type && r->where.id == r->here.id;
    int to_host = r->where.type == DLPACK_CPU && r->where.id == 0;
    int as_device =
        r->where.type == DLPACK_CUDA && r->where.id == 0 && r->here.type != DLPACK_CUDA && r->here.type != DLPACK_CPU;
    if (same || to_host || as_device) return 0;
    PyErr_Format(PyExc_BufferError,
                 "an array on DLPack's device (%d, %d) is not exported to (%d, %d): use to_device() first",
                 r->here.type, r->here.id, r->where.type, r->where.id);
    return -1;
}

static int take_copy(PyObject *o, request *r) {
    r->copy = !o || o == Py_None ? -1 : o == Py_True ? 1 : o == Py_False ? 0 : 2;
    if (r->copy != 2) return 0;
    PyErr_Format(PyExc_TypeError, "copy must be True, False or None, not %R", o);
    return -1;
}

static int take_stream(PyObject *o, request *r) {
    int none = !o || o == Py_None;
    if (r->where.type == DLPACK_CPU) {
        if (none) return 0;
        PyErr_SetString(PyExc_ValueError, "__dlpack__(): stream must be None where the memory is the host's");
        return -1;
    }
    r->order = 1;
    r->consumer = (CUstream)(uintptr_t)1; /* the legacy default stream */
    if (none) return 0;
    if (!PyLong_Check(o) || PyBool_Check(o)) {
        PyErr_Format(PyExc_TypeError, "__dlpack__(): stream must be an int or None, not %R", (PyObject *)Py_TYPE(o));
        return -1;
    }
    if (PyLong_AsLongLong(o) == -1 && !PyErr_Occurred()) return r->order = 0;
    PyErr_Clear();
    unsigned long long value = PyLong_AsUnsignedLongLong(o);
    if (!value || PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError,
                     "__dlpack__(): stream must be -1 (no order), 1 (legacy default), 2 (per-thread default) or a "
                     "handle, not %R%s",
                     o, value ? "" : ": 0 does not say which default stream it means");
        return -1;
    }
    r->consumer = (CUstream)(uintptr_t)value;
    return 0;
}

/* The array, or a copy of it, that the request is for. */
static array_object *to_export(array_object *a, const request *r, int *copied) {
    int to_host = r->where.type == DLPACK_CPU && r->here.type != DLPACK_CPU, readable = a->flags & BY_HOST;
    *copied = r->copy == 1 || (to_host && !readable);
    if (!*copied) return (array_object *)Py_NewRef((PyObject *)a);
    if (r->copy == 0) {
        PyErr_SetString(PyExc_BufferError, "the host cannot read this array's memory: copy=False is not possible");
        return NULL;
    }
    PyObject *module = PyImport_ImportModule("cuda_unified.copying");
    PyObject *made = module ? PyObject_CallMethod(module, r->where.type == DLPACK_CPU ? "copy_on_host" : "copy_beside",
                                                  "O", (PyObject *)a)
                            : NULL;
    Py_XDECREF(module);
    return (array_object *)made;
}

PyObject *array_dlpack(PyObject *self, arguments args, Py_ssize_t n, PyObject *kwnames) {
    static const signature s = {"__dlpack__", 0, 0, {"stream", "max_version", "dl_device", "copy", NULL}};
    array_object *a = (array_object *)self;
    PyObject *out[MOST_PARAMETERS];
    request r = {0};
    int copied;
    if (parse_arguments(&s, args, n, kwnames, out) || !array_shareable(a)) return NULL;
    r.here = r.where = dlpack_device_of(a);
    if (take_version(out[1], &r) || take_device(out[2], &r) || take_copy(out[3], &r) || take_stream(out[0], &r))
        return NULL;
    array_object *e = to_export(a, &r, &copied);
    if (!e) return NULL;
    int to_host = r.where.type == DLPACK_CPU && !copied;
    PyObject *capsule = NULL;
    if (!(to_host || r.order) || !order(e, r.consumer, to_host))
        capsule = make_capsule(e, r.where, r.versioned, copied ? DLPACK_IS_COPIED : 0);
    Py_DECREF((PyObject *)e);
    return capsule;
}

PyObject *array_dlpack_device(PyObject *self, PyObject *Py_UNUSED(unused)) {
    if (!array_usable((array_object *)self)) return NULL;
    struct dlpack_where where = dlpack_device_of((array_object *)self);
    return Py_BuildValue("(ii)", where.type, where.id);
}
