/* Declarations inside the core: `cubind_NAME` implements member NAME of struct cu_api.  Only the core's files include this. */
#ifndef CUBIND_IMPL_H
#define CUBIND_IMPL_H
#define CUBIND_CORE_BUILD
#include "_core.h"

#if defined(__GNUC__)
#define CU_IMPL __attribute__((visibility("hidden")))
#else
#define CU_IMPL
#endif

int cubind_module_init(cu_module *m, PyObject *self) CU_IMPL;
cu_library *cubind_library(const cu_library_spec *spec) CU_IMPL;
int cubind_library_slot(cu_library *lib, void ***slot) CU_IMPL;
int cubind_resolve(cu_library *lib, int index) CU_IMPL;
int cubind_resolve_nogil(cu_library *lib, int index) CU_IMPL;
int cubind_args(PyObject *const **a, Py_ssize_t n, PyObject *kw, const cu_func_spec *f, PyObject **out) CU_IMPL;
PyObject *cubind_bad_arg(const cu_func_spec *f, int position) CU_IMPL;
PyObject *cubind_raise(cu_module *m, int func, int64_t status) CU_IMPL;
int cubind_overflow(const char *ctype, PyObject *value) CU_IMPL;
int cubind_index(PyObject *o, int bits, int is_signed, void *out) CU_IMPL;
int cubind_handle_slow(PyObject *o, cu_module *m, int index, void **out) CU_IMPL;
int cubind_pointer(PyObject *o, cu_frame *fr, int writable, void **out, size_t *nbytes) CU_IMPL;
int cubind_string(PyObject *o, int nullable, const char **out) CU_IMPL;
int cubind_record_arg(PyObject *o, cu_module *m, int index, int nullable, void **out) CU_IMPL;
int cubind_array(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) CU_IMPL;
int cubind_count(PyObject *o, size_t have, const char *array_name, size_t *out) CU_IMPL;
int cubind_store(void *where, PyObject *o, cu_module *m, cu_type t, uint32_t count, PyObject **keep) CU_IMPL;
PyObject *cubind_load(const void *where, cu_module *m, cu_type t, uint32_t count, PyObject *owner) CU_IMPL;
PyObject *cubind_list(const void *first, cu_module *m, cu_type t, size_t n) CU_IMPL;
size_t cubind_sizeof_type(cu_module *m, cu_type t) CU_IMPL;
PyObject *cubind_new_handle(PyTypeObject *type, void *ptr) CU_IMPL;
PyObject *cubind_enum_member(cu_module *m, int index, int64_t value) CU_IMPL;
PyTypeObject *cubind_record_type(cu_module *m, int index) CU_IMPL;
PyObject *cubind_new_record(cu_module *m, int index, void **ptr) CU_IMPL;
PyObject *cubind_cstring(const char *s) CU_IMPL;
PyObject *cubind_text(const char *s, size_t n, int raw) CU_IMPL;
PyObject *cubind_tuple(int n, PyObject **items) CU_IMPL;
void *cubind_frame_alloc(cu_frame *fr, size_t nbytes) CU_IMPL;
int cubind_frame_keep(cu_frame *fr, PyObject *o) CU_IMPL;
void cubind_frame_end(cu_frame *fr) CU_IMPL;
int cubind_kernel_params(PyObject *params, PyObject *func, cu_module *m, int info_func, cu_frame *fr,
                         void ***out) CU_IMPL;
int cubind_callback_arg(PyObject *fn, PyObject *data, cu_module *m, int index, void **c_fn, void **c_data,
                        cu_callback **out) CU_IMPL;
int cubind_callback_keep(cu_callback *cb, cu_module *m, enum cu_keep how, void *owner) CU_IMPL;
void cubind_callback_drop(cu_callback *cb) CU_IMPL;
void cubind_callback_release(cu_module *m, void *owner) CU_IMPL;
void cubind_callback_enter(void *user, const uint64_t *values, void *result) CU_IMPL;
void *cubind_callback_current(void) CU_IMPL;
int cubind_tagged_room(cu_module *m, const cu_tag *tags, int n_tags, int64_t value, size_t given, cu_frame *fr,
                       cu_tagged *out) CU_IMPL;
int cubind_tagged_from(cu_module *m, const cu_tag *tags, int n_tags, int64_t value, PyObject *o, cu_frame *fr,
                       cu_tagged *out) CU_IMPL;
PyObject *cubind_tagged_value(cu_module *m, const cu_tagged *t) CU_IMPL;
int cubind_tagged_array_room(cu_module *m, const cu_tag *tags, int n_tags, const int *values, size_t n,
                             const size_t *sizes, cu_frame *fr, void ***data, cu_tagged **out) CU_IMPL;
PyObject *cubind_tagged_array_value(cu_module *m, const cu_tagged *t, size_t n) CU_IMPL;
int cubind_record_keep(PyObject *record, cu_module *m, enum cu_keep how, void *owner) CU_IMPL;
PyObject *cubind_note(PyObject *null, const char *name, PyObject *value) CU_IMPL;
PyObject *cubind_lasting(cu_frame **fr) CU_IMPL; /* a frame that lives as long as the capsule that is returned */
cu_frame *cubind_frame_new(cu_frame *fr) CU_IMPL;
void cubind_frame_hold(cu_frame *fr, cu_module *m, void *owner) CU_IMPL;
void cubind_frame_release(cu_module *m, void *owner) CU_IMPL;
int cubind_array_back(PyObject *o, cu_module *m, cu_type t, const void *items, size_t n) CU_IMPL;
cu_callback *cubind_callback_take(cu_module *m, void *owner) CU_IMPL;
int cubind_callback_keep_user(void *c_fn, void *c_data, cu_module *m, enum cu_keep how, void *owner) CU_IMPL;

/* set up once by the module's init function, in this order; each returns 0 or -1 */
int cubind_layout_ready(void) CU_IMPL;
int cubind_errors_ready(PyObject *core) CU_IMPL;
int cubind_handles_ready(PyObject *core) CU_IMPL;
int cubind_enums_ready(PyObject *core) CU_IMPL;
int cubind_records_ready(PyObject *core) CU_IMPL;
int cubind_loader_ready(PyObject *core) CU_IMPL;
int cubind_callbacks_ready(PyObject *core) CU_IMPL;

/* shared between files of the core */
PyTypeObject *cubind_handle_type(const cu_handle_spec *spec) CU_IMPL; /* find by tag or make; borrowed */
int cubind_is_handle(PyObject *o) CU_IMPL;                            /* an instance of any handle class */
int cubind_is_record(PyObject *o) CU_IMPL;                            /* an instance of any record class */
PyObject *cubind_enum_type(cu_module *m, int index) CU_IMPL;          /* borrowed; makes the class on first use */
PyObject *cubind_callback_type(cu_module *m,
                               int index) CU_IMPL; /* ctypes function type of a callback typedef, new reference */
int cubind_address_of(PyObject *o, void **out)
    CU_IMPL; /* int, None, handle, record, ctypes function: 1 if it was one of them, 0 if not, -1 error */

/* libraries, shared between files of the core */
void cubind_library_names(cu_library *lib, const cu_func_spec *funcs,
                          int n) CU_IMPL; /* public names, for messages and has(); same index as the symbols */
int cubind_library_index(const cu_library *lib, const char *symbol) CU_IMPL; /* of an exported name, or -1 */
void *cubind_library_entry(cu_library *lib, int index)
    CU_IMPL; /* from the table in force, resolved if needed; NULL, without an error; no GIL needed */

/* callbacks, shared between files of the core */
cu_callback *cubind_callback_find(const void *c_fn, const void *c_data)
    CU_IMPL; /* the live callback behind a trampoline and its user pointer, or NULL; borrowed */
unsigned cubind_process(void) CU_IMPL; /* differs between a process and its forked children */
int cubind_ending_ready(void) CU_IMPL;
int cubind_python_enter(
    void) CU_IMPL; /* before PyGILState_Ensure in a thread that may not be Python's: 0: Python is ending, stay out */
void cubind_python_leave(void) CU_IMPL;         /* after PyGILState_Release, if enter returned 1 */
typedef const char *cu_next_name(void *cursor); /* the next of some names; NULL after the last */
PyObject *cubind_close_names(const char *name, cu_next_name next,
                             void *cursor) CU_IMPL; /* new str: "; did you mean 'x'?", or "" */

/* errors and buffers, shared between files of the core */
PyObject *cubind_type_text(PyObject *o) CU_IMPL; /* "'str'", or "None": how messages name what was given */
int cubind_expected(PyObject *o, const char *format, ...) CU_IMPL; /* TypeError "expected WHAT, not 'str'"; -1 */
void cubind_prefix_error(const char *format,
                         ...) CU_IMPL; /* before the text of the current error, if it is a plain one */
PyObject *
cubind_error_class(const char *name) CU_IMPL; /* class of cubind._errors, imported when first needed; borrowed */
Py_buffer *cubind_frame_buffer(cu_frame *fr) CU_IMPL; /* an empty Py_buffer that the frame will release */
int cubind_buffer(PyObject *o, int flags,
                  Py_buffer *view) CU_IMPL; /* PyObject_GetBuffer, contiguous in any order, with clear errors */
int cubind_is_scalar_index(PyObject *o)
    CU_IMPL; /* has __index__, and is neither an array nor a bool: also NumPy integers, which have buffers too */
int cubind_is_ctypes_pointer(
    PyObject *o) CU_IMPL; /* c_void_p, c_char_p, POINTER(T), function pointer: pass its value */

/* PEP 590, by its stable numbers: CPython 3.11 has all of it, but the limited API names it from 3.12 on only. */
typedef PyObject *(*cu_vectorcall)(PyObject *callable, PyObject *const *args, size_t n, PyObject *kwnames);
#define CU_ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1))
void cubind_set_final_vectorcall(PyTypeObject *type, cu_vectorcall function) CU_IMPL;
void cubind_set_vectorcall(PyTypeObject *type,
                           cu_vectorcall function) CU_IMPL; /* calls of the class, where that is possible */

/* The items of a tuple, or NULL where only PyTuple_GetItem knows them. */
extern Py_ssize_t cubind_tuple_items CU_IMPL;
static inline PyObject *const *cu_tuple_items(PyObject *o) {
    if (CU_UNLIKELY(!PyTuple_CheckExact(o) || !cubind_tuple_items)) return NULL;
    return (PyObject *const *)((char *)o + cubind_tuple_items);
}

/* In the limited API the checks that know subclasses are calls; the usual class is settled without one. */
static inline int cu_is_tuple(PyObject *o) {
    return PyTuple_CheckExact(o) || (!PyList_CheckExact(o) && PyTuple_Check(o));
}
static inline int cu_is_list(PyObject *o) {
    return PyList_CheckExact(o) || PyList_Check(o);
}

/* Bytes of the frame itself, 16-byte aligned, not zeroed; NULL, without an error, where they do not suffice. */
static inline void *cubind_frame_take(cu_frame *fr, size_t nbytes) {
    uintptr_t base = (uintptr_t)&fr->bytes;
    uintptr_t start = (base + fr->used + 15) & ~(uintptr_t)15;
    if (CU_UNLIKELY(nbytes > CU_FRAME_BYTES || start + nbytes > base + CU_FRAME_BYTES)) return NULL;
    fr->used = (uint32_t)(start + nbytes - base);
    return (void *)start;
}

#endif
