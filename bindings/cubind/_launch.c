/* Kernel parameters: from Python values to the `void **kernelParams` of a launch.
 *
 *   None                       NULL
 *   int, buffer of addresses   the address of an array of pointers, as it is
 *   a sequence of values       an array in the frame, of pointers to the values:
 *       anything with the buffer protocol (ctypes and NumPy scalars, ctypes structs), records: their bytes, in place
 *       handles, None:         a pointer
 *       int, float, complex:   packed to the parameter's size, which the driver tells for this kernel.  The driver does
 *                              not tell types: an int for a parameter that the kernel declares as float is packed as an
 *                              int, and nobody can notice
 *   (values, types)            each value packed as its ctypes type says; None: as above
 *
 * Sizes are asked for once for a handle object, and kept in it.  _pack.c packs the values.
 */
#include "_launch.h"
#include <stdlib.h>

#define MAX_PARAMS 65536 /* more than the largest parameter block has bytes: a driver that says so is broken */
#define INVALID_VALUE 1  /* CUDA_ERROR_INVALID_VALUE and cudaErrorInvalidValue: no parameter of this index */

typedef int (*param_info)(void *kernel, size_t index, size_t *offset, size_t *size);

/* ---- signatures -------------------------------------------------------------------------------------------------- */

/* Without the GIL: the driver may have to load the kernel first.  NULL when the sizes cannot be asked for. */
static cu_signature *ask(param_info info, void *kernel) {
    size_t room = 0, n = 0, offset, size;
    cu_signature *s = NULL;
    for (;;) {
        if (n == room) {
            room = room ? room * 4 : 32;
            cu_signature *larger = room <= MAX_PARAMS * 4 ? realloc(s, sizeof *s + room * sizeof s->sizes[0]) : NULL;
            if (!larger) break;
            s = larger;
        }
        int status = info(kernel, n, &offset, &size);
        if (status == INVALID_VALUE) {
            s->n = n;
            return s;
        }
        if (status || size > UINT32_MAX) break;
        s->sizes[n++] = (uint32_t)size;
    }
    free(s);
    return NULL;
}

/* The runtime remembers each thread's last error, and the end of the parameters is one: it is forgotten again, so that who
 * asks for the last error after a launch is not told about a question of ours.  The driver remembers nothing. */
static cu_signature *ask_quietly(cu_library *lib, param_info info, void *kernel) {
    int peek = lib->spec->resolver ? -1 : cubind_library_index(lib, "cudaPeekAtLastError");
    int forget = peek < 0 ? -1 : cubind_library_index(lib, "cudaGetLastError");
    int (*peek_at)(void) = peek < 0 ? NULL : (int (*)(void))(uintptr_t)cubind_library_entry(lib, peek);
    int (*take)(void) = forget < 0 ? NULL : (int (*)(void))(uintptr_t)cubind_library_entry(lib, forget);
    int before = peek_at ? peek_at() : 0;
    cu_signature *s = ask(info, kernel);
    if (!before && take) take();
    return s;
}

/* The signature of `func` in *out; NULL where it is not known.  A failure to ask is not remembered: it may be for want
 * of a context.  With the GIL a cached signature stays as long as the handle object, which the caller holds. */
static int find_signature(PyObject *func, cu_module *m, int info_func, cu_frame *fr, const cu_signature **out) {
    static PyTypeObject *kernel_type; /* a handle class, found last time, with the GIL; they are immortal */
    cu_handle *h = Py_TYPE(func) == kernel_type || cubind_is_handle(func) ? (cu_handle *)func : NULL;
    *out = h ? h->extra : NULL;
    if (CU_LIKELY(*out != NULL)) return 0;
    if (h) kernel_type = Py_TYPE(func);
    void *kernel = NULL;
    if (h)
        kernel = h->ptr;
    else if (cubind_address_of(func, &kernel) < 0)
        return -1;
    if (!kernel || info_func < 0 || !m->library) return 0;
    cu_signature *asked = NULL;
    PyThreadState *state = PyEval_SaveThread();
    void *info = cubind_library_entry(m->library, info_func);
    if (info) asked = ask_quietly(m->library, (param_info)info, kernel);
    PyEval_RestoreThread(state);
    if (!asked) return 0;
    if (h && !h->extra) { /* else another thread was faster */
        *out = h->extra = asked;
        return 0;
    }
    size_t nbytes = sizeof *asked + asked->n * sizeof asked->sizes[0];
    void *copy = cubind_frame_alloc(fr, nbytes);
    if (copy) *out = memcpy(copy, asked, nbytes);
    free(asked);
    return copy ? 0 : -1;
}

/* ---- the forms --------------------------------------------------------------------------------------------------- */

static int check_count(Py_ssize_t n, const cu_signature *s) {
    if (CU_LIKELY(!s || (size_t)n == s->n)) return 0;
    PyErr_Format(PyExc_TypeError, "the kernel takes %zu parameter%s, but %zd value%s given", s->n, s->n == 1 ? "" : "s",
                 n, n == 1 ? " was" : "s were");
    return -1;
}

static Py_ssize_t length(PyObject *items) {
    return cu_is_tuple(items) ? PyTuple_Size(items) : PyList_Size(items);
}

/* Room in the frame for n pointers and the n words that most of them point to. */
static int begin(cu_packer *p, Py_ssize_t n) {
    size_t nbytes = (size_t)n * (sizeof(void *) + sizeof(uint64_t));
    p->pointers = cubind_frame_take(p->fr, nbytes);
    if (!p->pointers && !(p->pointers = cubind_frame_alloc(p->fr, nbytes))) return -1;
    p->words = (uint64_t *)(p->pointers + n);
    return 0;
}

static int pack_values(cu_packer *p, PyObject *values, const cu_signature *s) {
    PyObject *(*item)(PyObject *, Py_ssize_t) = cu_is_tuple(values) ? PyTuple_GetItem : PyList_GetItem;
    PyObject *const *direct = cu_tuple_items(values);
    Py_ssize_t n = length(values);
    if (check_count(n, s) || begin(p, n)) return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = direct ? direct[i] : item(values, i);
        if (!o) return -1; /* a list that a value's __index__ made shorter */
        if (cu_pack_fast(p, i, o, s ? s->sizes[i] : CU_SIZE_UNKNOWN)) continue;
        if (cubind_pack_value(p, i, o, s ? s->sizes[i] : CU_SIZE_UNKNOWN)) {
            cubind_prefix_error("parameter %zd: ", i);
            return -1;
        }
    }
    return 0;
}

static int pack_typed(cu_packer *p, PyObject *values, PyObject *types, const cu_signature *s) {
    Py_ssize_t n = length(values);
    if (length(types) != n) {
        PyErr_Format(PyExc_TypeError, "expected as many types as values, not %zd and %zd", length(types), n);
        return -1;
    }
    return check_count(n, s) || begin(p, n) || cubind_pack_typed(p, values, types, n, s) ? -1 : 0;
}

/* A buffer of addresses, or an object of ctypes that is one. */
static int use_pointers(PyObject *params, cu_module *m, cu_frame *fr, const cu_signature *s, void ***out) {
    size_t n;
    void *first;
    if (cubind_array(params, m, (cu_type){CU_PTR, -1}, fr, &first, &n)) return -1;
    if (s && n < s->n) {
        PyErr_Format(PyExc_TypeError, "the kernel takes %zu parameter%s, but the buffer has %zu address%s", s->n,
                     s->n == 1 ? "" : "s", n, n == 1 ? "" : "es");
        return -1;
    }
    *out = first;
    return 0;
}

static inline int is_items(PyObject *o) {
    return CU_LIKELY(PyTuple_CheckExact(o) || PyList_CheckExact(o)) || PyTuple_Check(o) || PyList_Check(o);
}

/* Values are neither lists nor tuples, so a tuple of two of these can only be (values, types). */
static int is_typed(PyObject *params) {
    PyObject *const *pair = cu_tuple_items(params);
    if (CU_LIKELY(pair != NULL)) return PyTuple_Size(params) == 2 && is_items(pair[0]) && is_items(pair[1]);
    return cu_is_tuple(params) && PyTuple_Size(params) == 2 && is_items(PyTuple_GetItem(params, 0)) &&
           is_items(PyTuple_GetItem(params, 1));
}

static int other_form(PyObject *params, cu_module *m, cu_frame *fr, const cu_signature *s, void ***out) {
    if (PyObject_CheckBuffer(params) && !cubind_is_record(params)) return use_pointers(params, m, fr, s, out);
    if (!PySequence_Check(params) || PyUnicode_Check(params) || cubind_is_record(params))
        return cubind_expected(params, "a sequence of values, (values, types), a buffer of addresses, an address (int) "
                                       "or None");
    PyObject *values = PySequence_Tuple(params);
    cu_packer packer = {.fr = fr};
    int failed = !values || cubind_frame_keep(fr, values) || pack_values(&packer, values, s);
    Py_XDECREF(values);
    *out = packer.pointers;
    return failed ? -1 : 0;
}

int cubind_kernel_params(PyObject *params, PyObject *func, cu_module *m, int info_func, cu_frame *fr, void ***out) {
    const cu_signature *s;
    if (params == Py_None || PyLong_CheckExact(params)) return cu_to_pointer(params, NULL, 0, (void **)out);
    int items = is_items(params);
    if (!items && cubind_is_scalar_index(params)) return cubind_pointer(params, NULL, 0, (void **)out, NULL);
    if (find_signature(func, m, info_func, fr, &s)) return -1;
    if (!items) return other_form(params, m, fr, s, out);
    cu_packer packer = {.fr = fr};
    int failed = is_typed(params) ? pack_typed(&packer, PyTuple_GetItem(params, 0), PyTuple_GetItem(params, 1), s)
                                  : pack_values(&packer, params, s);
    *out = packer.pointers;
    return failed;
}
