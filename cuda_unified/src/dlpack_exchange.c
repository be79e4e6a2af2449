/* DLPack's table of C functions, which spares two libraries everything of Python between their arrays. */
#include "native.h"
#include "dlpack.h"

/* ---- ours ------------------------------------------------------------------------------------------------------------------- */

static array_object *array_of(void *object) {
    PyObject *o = object;
    if (is_array(o)) return array_usable((array_object *)o) ? (array_object *)Py_NewRef(o) : NULL;
    if (is_buffer(o)) return array_of_buffer((buffer_object *)o);
    PyErr_Format(PyExc_TypeError, "an Array is wanted, not %R", (PyObject *)Py_TYPE(o));
    return NULL;
}

static int from_object(void *object, dlpack_versioned **out) {
    array_object *a = array_of(object);
    *out = a ? dlpack_export(a, dlpack_device_of(a), 0) : NULL;
    Py_XDECREF((PyObject *)a);
    return *out ? 0 : -1;
}

static int tensor_from_object(void *object, dlpack_tensor *out) {
    if (is_array((PyObject *)object)) return dlpack_fill_tensor(object, out);
    PyErr_Format(PyExc_TypeError, "an Array is wanted, not %R", (PyObject *)Py_TYPE((PyObject *)object));
    return -1;
}

static int to_object(dlpack_versioned *tensor, void **out) {
    *out = NULL;
    if (!tensor) return PyErr_SetString(PyExc_BufferError, "no tensor"), -1;
    if (!dlpack_right_version(tensor)) return -1;
    *out = dlpack_adopt(tensor, 1);
    if (!*out) dlpack_release(tensor, 1); /* it was given away */
    return *out ? 0 : -1;
}

static int work_stream(int32_t type, int32_t id, void **out) {
    *out = NULL;
    if (type == DLPACK_CPU) return 0;
    if (type != DLPACK_CUDA && type != DLPACK_CUDA_HOST && type != DLPACK_CUDA_MANAGED) {
        PyErr_Format(PyExc_BufferError, "no streams on DLPack's device type %d", type);
        return -1;
    }
    PyObject *device = PyObject_CallFunction((PyObject *)device_class, "i", id);
    context_object *c = device ? device_context((device_object *)device) : NULL;
    stream_object *s = c ? current_stream(c) : NULL;
    Py_XDECREF(device);
    if (!s) return -1;
    *out = s->handle; /* a stream that is current lives on */
    Py_DECREF((PyObject *)s);
    return 0;
}

/* cuda_unified.creation.empty_like_tensor(shape, code, bits, lanes, device type, device number) */
static dlpack_versioned *allocate(const dlpack_tensor *t) {
    PyObject *module = PyImport_ImportModule("cuda_unified.creation");
    PyObject *shape = module ? array_tuple(t->shape, t->ndim) : NULL;
    PyObject *made = shape ? PyObject_CallMethod(module, "empty_like_tensor", "Oiiiii", shape, t->code, t->bits,
                                                 t->lanes, t->device_type, t->device_id)
                           : NULL;
    dlpack_versioned *m = NULL;
    if (made && !from_object(made, &m)) m->flags &= ~(uint64_t)DLPACK_READ_ONLY;
    Py_XDECREF(made);
    Py_XDECREF(shape);
    Py_XDECREF(module);
    return m;
}

static void report(void *error_ctx, dlpack_set_error set_error) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *text = value ? PyObject_Str(value) : NULL, *name = type ? PyObject_GetAttrString(type, "__name__") : NULL;
    const char *message = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL,
               *kind = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    if (set_error) set_error(error_ctx, kind ? kind : "RuntimeError", message ? message : "no memory");
    Py_XDECREF(text);
    Py_XDECREF(name);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    PyErr_Clear();
}

/* C code calls this, with the GIL or without. */
static int allocator(dlpack_tensor *prototype, dlpack_versioned **out, void *error_ctx, dlpack_set_error set_error) {
    *out = NULL;
    if (!may_enter_python()) {
        if (set_error) set_error(error_ctx, "RuntimeError", "the Python interpreter has ended");
        return -1;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    *out = allocate(prototype);
    if (!*out) report(error_ctx, set_error);
    PyErr_Restore(type, value, trace);
    PyGILState_Release(state);
    return *out ? 0 : -1;
}

static dlpack_exchange ours = {
    {{DLPACK_MAJOR, DLPACK_MINOR}, NULL}, allocator, from_object, to_object, tensor_from_object, work_stream};

/* ---- others' ---------------------------------------------------------------------------------------------------------------- */

/* Only the capsule is looked at: the attribute's first form, an int, could be anything. */
const dlpack_exchange *dlpack_exchange_of(PyObject *type) {
    PyObject *capsule = PyObject_GetAttrString(type, "__dlpack_c_exchange_api__");
    const dlpack_exchange_header *h = NULL;
    if (!capsule)
        PyErr_Clear();
    else if (PyCapsule_IsValid(capsule, "dlpack_exchange_api"))
        h = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_XDECREF(capsule);
    while (h && h->version.major != DLPACK_MAJOR) h = h->prev_api;
    const dlpack_exchange *api = (const dlpack_exchange *)h;
    return api && api->managed_tensor_from_py_object_no_sync && api->current_work_stream ? api : NULL;
}

int exchange_ready(PyObject *module) {
    (void)module;
    PyObject *capsule = PyCapsule_New(&ours, "dlpack_exchange_api", NULL), *number = PyLong_FromVoidPtr(&ours);
    int failed = !capsule || !number ||
                 PyObject_SetAttrString((PyObject *)Array_type, "__dlpack_c_exchange_api__", capsule) ||
                 PyObject_SetAttrString((PyObject *)Array_type, "__c_dlpack_exchange_api__", number);
    Py_XDECREF(capsule);
    Py_XDECREF(number);
    return failed ? -1 : 0;
}
