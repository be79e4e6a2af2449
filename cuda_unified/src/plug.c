/* An allocator for libraries that take two C functions: PyTorch's CUDAPluggableAllocator.
 *
 * They are found by name in this shared object and have no user data, so there is one pair a process, and a table of what each
 * device allocates from: a pool, used without Python, or else the two functions of plugins.py.
 */
#include "native.h"

enum { MOST_PLUGGED = 64 };
static pool_object *pools[MOST_PLUGGED]; /* kept for ever: calls may be under way */
static PyObject *allocate_in_python, *free_in_python;

#define EXPORTED __attribute__((visibility("default"))) extern
EXPORTED void *cuda_unified_torch_alloc(ssize_t size, int device, void *stream);
EXPORTED void cuda_unified_torch_free(void *pointer, ssize_t size, int device, void *stream);

static int has_pool(int device) {
    return device >= 0 && device < MOST_PLUGGED && pools[device];
}

/* Told through sys.unraisablehook: who called has no way to be told.  status 0: the pool is closed. */
static void report(CUresult status, const char *function, pool_object *pool, size_t size) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (status)
        fail(status, function, "size=%zu", size);
    else
        raise_closed((PyObject *)pool);
    PyErr_WriteUnraisable((PyObject *)pool);
    PyErr_Restore(type, value, trace);
    PyGILState_Release(state);
}

static void *allocate_from_pool(pool_object *pool, size_t size, CUstream stream) {
    const char *function = NULL;
    CUdeviceptr pointer = 0;
    CUcontext now;
    CUresult status = CUDA_SUCCESS;
    int elsewhere = D.cuCtxGetCurrent(&now) || now != pool->context->handle, pushed = 0;
    if (!pool->closed && elsewhere) {
        function = "cuCtxPushCurrent";
        status = D.cuCtxPushCurrent_v2(pool->context->handle);
        pushed = !status;
    }
    if (!pool->closed && !status) {
        function = "cuMemAllocFromPoolAsync";
        status = D.cuMemAllocFromPoolAsync(&pointer, size, pool->handle, stream);
    }
    leave(pushed);
    if (status || pool->closed) report(status, function, pool, size);
    return (void *)(uintptr_t)pointer;
}

static void free_to_pool(pool_object *pool, void *pointer, size_t size, CUstream stream) {
    int pushed = enter_quietly(pool->context);
    CUresult status = D.cuMemFreeAsync((CUdeviceptr)(uintptr_t)pointer, stream);
    leave(pushed);
    if (status) report(status, "cuMemFreeAsync", pool, size);
}

/* NULL is what the caller takes for out of memory; the error itself is reported. */
void *cuda_unified_torch_alloc(ssize_t size, int device, void *stream) {
    if (!may_free() || size <= 0) return NULL;
    if (has_pool(device)) return allocate_from_pool(pools[device], (size_t)size, stream);
    void *pointer = NULL;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = !allocate_in_python ? NULL
                                           : PyObject_CallFunction(allocate_in_python, "niK", (Py_ssize_t)size, device,
                                                                   (unsigned long long)(uintptr_t)stream);
    if (result) pointer = (void *)(uintptr_t)PyLong_AsUnsignedLongLong(result);
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        pointer = NULL;
        PyErr_WriteUnraisable(allocate_in_python);
    }
    PyGILState_Release(state);
    return pointer;
}

void cuda_unified_torch_free(void *pointer, ssize_t size, int device, void *stream) {
    if (!may_free() || !pointer) return;
    if (has_pool(device)) {
        free_to_pool(pools[device], pointer, (size_t)size, stream);
        return;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = !free_in_python
                           ? NULL
                           : PyObject_CallFunction(free_in_python, "KniK", (unsigned long long)(uintptr_t)pointer,
                                                   (Py_ssize_t)size, device, (unsigned long long)(uintptr_t)stream);
    if (!result && PyErr_Occurred()) PyErr_WriteUnraisable(free_in_python);
    Py_XDECREF(result);
    PyGILState_Release(state);
}

/* plug_pool(ordinal, Pool), once for each device */
static PyObject *plug_pool(PyObject *Py_UNUSED(module), PyObject *args) {
    int device;
    PyObject *pool;
    if (!PyArg_ParseTuple(args, "iO", &device, &pool)) return NULL;
    if (device < 0 || device >= MOST_PLUGGED)
        return PyErr_Format(PyExc_ValueError, "only devices 0 to %d can be plugged", MOST_PLUGGED - 1);
    if (!IS_A(pool, Pool_type)) return PyErr_Format(PyExc_TypeError, "a Pool is wanted, not %R", pool);
    pools[device] = (pool_object *)Py_NewRef(pool);
    Py_RETURN_NONE;
}

/* plug_functions(allocate(size, device, stream) -> pointer, free(pointer, size, device, stream)) */
static PyObject *plug_functions(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *allocate, *release;
    if (!PyArg_ParseTuple(args, "OO", &allocate, &release)) return NULL;
    Py_INCREF(allocate);
    Py_INCREF(release);
    allocate_in_python = allocate; /* once a process */
    free_in_python = release;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"plug_pool", plug_pool, METH_VARARGS, NULL},
    {"plug_functions", plug_functions, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int plug_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
