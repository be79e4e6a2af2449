"""The core, for the generated modules: see _core.h, which says what everything is."""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int16_t, int64_t
from libc.string cimport memset

cdef extern from "Python.h" nogil:
    PyObject *Py_None
    PyObject *Py_True
    PyObject *Py_False
    PyObject *Py_NewRef(PyObject *o) noexcept
    void Py_DecRef(PyObject *o) noexcept
    PyObject *PyLong_FromLong(long v) noexcept
    PyObject *PyLong_FromUnsignedLong(unsigned long v) noexcept
    PyObject *PyLong_FromLongLong(long long v) noexcept
    PyObject *PyLong_FromUnsignedLongLong(unsigned long long v) noexcept
    PyObject *PyLong_FromVoidPtr(void *p) noexcept
    PyObject *PyFloat_FromDouble(double v) noexcept
    PyObject *PyBytes_FromStringAndSize(const char *s, Py_ssize_t n) noexcept
    PyObject *PyImport_AddModule(const char *name) noexcept

cdef extern from "_core.h" nogil:
    ctypedef struct cu_type:
        pass
    ctypedef struct cu_tag:
        pass
    ctypedef struct cu_tagged:
        void *data
        size_t size
    ctypedef struct cu_frame:
        pass
    ctypedef struct cu_callback:
        pass
    ctypedef struct cu_func_spec:
        pass
    ctypedef struct cu_library:
        pass
    ctypedef struct cu_library_spec:
        pass
    ctypedef struct cu_module:
        cu_library *library
        PyTypeObject **handles
    ctypedef enum cu_keep:
        CU_KEEP_CALL, CU_KEEP_ONCE, CU_KEEP_STREAM, CU_KEEP_GRAPH, CU_KEEP_KEY, CU_KEEP_FOREVER
    ctypedef enum cu_kind:
        CU_NONE, CU_I8, CU_U8, CU_I16, CU_U16, CU_I32, CU_U32, CU_I64, CU_U64, CU_F32, CU_F64
        CU_ENUM, CU_HANDLE, CU_PTR, CU_CSTR, CU_TEXT, CU_BYTES, CU_RECORD, CU_FUNC
    size_t CU_NO_ARRAY

    ctypedef struct cu_api:
        int (*module_init)(cu_module *m, PyObject *self) except -1
        cu_library *(*library)(const cu_library_spec *spec) except NULL
        int (*library_slot)(cu_library *lib, void ***slot) except -1
        int (*resolve)(cu_library *lib, int index) noexcept
        int (*resolve_nogil)(cu_library *lib, int index) noexcept
        int (*args)(PyObject *const **a, Py_ssize_t n, PyObject *kw, const cu_func_spec *f, PyObject **out) noexcept
        PyObject *(*bad_arg)(const cu_func_spec *f, int position) noexcept
        PyObject *(*raise_ "raise")(cu_module *m, int func, long long status) noexcept
        int (*index)(PyObject *o, int bits, int is_signed, void *out) noexcept
        int (*string)(PyObject *o, int nullable, const char **out) noexcept
        int (*record_arg)(PyObject *o, cu_module *m, int index, int nullable, void **out) noexcept
        int (*array)(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) noexcept
        PyObject *(*load)(const void *where, cu_module *m, cu_type t, int count, PyObject *owner) noexcept
        PyObject *(*list)(const void *first, cu_module *m, cu_type t, size_t n) noexcept
        PyObject *(*new_handle)(PyTypeObject *type, void *ptr) noexcept
        PyObject *(*new_record)(cu_module *m, int index, void **ptr) noexcept
        PyObject *(*cstring)(const char *s) noexcept
        PyObject *(*text)(const char *s, size_t n, int raw) noexcept
        PyObject *(*tuple)(int n, PyObject **items) noexcept
        int (*kernel_params)(
            PyObject *params, PyObject *func, cu_module *m, int info_func, cu_frame *fr, void ***out
        ) noexcept
        int (*callback_arg)(
            PyObject *fn, PyObject *data, cu_module *m, int index, void **c_fn, void **c_data, cu_callback **out
        ) noexcept
        int (*callback_keep)(cu_callback *cb, cu_module *m, cu_keep how, void *owner) noexcept
        cu_callback *(*callback_take)(cu_module *m, void *owner) noexcept
        int (*tagged_room)(
            cu_module *m, const cu_tag *tags, int n, long long value, size_t given, cu_frame *fr, cu_tagged *out
        ) noexcept
        int (*tagged_from)(
            cu_module *m, const cu_tag *tags, int n, long long value, PyObject *o, cu_frame *fr, cu_tagged *out
        ) noexcept
        PyObject *(*tagged_value)(cu_module *m, const cu_tagged *t) noexcept
        int (*tagged_array_room)(
            cu_module *m, const cu_tag *tags, int n_tags, const int *values, size_t n, const size_t *sizes,
            cu_frame *fr, void ***data, cu_tagged **out
        ) noexcept
        PyObject *(*tagged_array_value)(cu_module *m, const cu_tagged *t, size_t n) noexcept
        int (*record_keep)(PyObject *record, cu_module *m, cu_keep how, void *owner) noexcept
        PyObject *(*note)(PyObject *null, const char *name, PyObject *value) noexcept
        cu_frame *(*frame_new)(cu_frame *fr) noexcept
        void (*frame_hold)(cu_frame *fr, cu_module *m, void *owner) noexcept
        void (*frame_release)(cu_module *m, void *owner) noexcept
        int (*array_back)(PyObject *o, cu_module *m, cu_type t, const void *items, size_t n) noexcept
    const cu_api *cu

    int cu_import() except -1
    int cu_to_i32(PyObject *o, int *out) noexcept
    int cu_to_u32(PyObject *o, unsigned int *out) noexcept
    int cu_to_i64(PyObject *o, long long *out) noexcept
    int cu_to_u64(PyObject *o, unsigned long long *out) noexcept
    int cu_to_f64(PyObject *o, double *out) noexcept
    int cu_to_enum(PyObject *o, cu_module *m, int index, int *out) noexcept
    int cu_to_handle(PyObject *o, cu_module *m, int index, void **out) noexcept
    int cu_to_pointer(PyObject *o, cu_frame *fr, int writable, void **out) noexcept
    PyObject *cu_optional(PyObject *o) noexcept
    PyObject *cu_from_enum(cu_module *m, int index, long long value) noexcept
    PyObject *cu_none() noexcept
    cu_type cu_t(int kind, int aux) noexcept
    size_t cu_min(size_t a, size_t b) noexcept
    size_t cu_divide(unsigned long long a, unsigned long long b) noexcept
    size_t cu_have(size_t have, const void *array, size_t length, size_t less) noexcept
    int cu_count(PyObject *o, size_t have, size_t width, const char *arrays, size_t *out) noexcept
    int cu_at_least(const void *array, size_t length, size_t need) noexcept
    int cu_room(cu_frame *fr, long long n, size_t size, void **out) noexcept
    int cu_either(PyObject *o, cu_module *m, int handle, int yes, int no) noexcept
    void cu_drop(cu_callback *cb) noexcept
    void cu_frame_begin(cu_frame *fr) noexcept
    void cu_frame_end(cu_frame *fr) noexcept
