/* Fields of records: one getter and one setter for all, driven by the field's table entry.
 *
 * What a field refers to is kept in the root record under the field's place (_refs.c).  An entry there is
 *   any object                    what a CU_PTR or CU_CSTR field points into
 *   (callable, hook)              CU_FUNC: a Python callable, and what keeps C able to call it
 *   (object, address, keep)       the user pointer of a CU_FUNC: the object given, and the address that stood there
 * Memory may also be written behind our back (by C, through a union's other members), so an entry of the last two kinds
 * counts only while the address in memory is still the one that it was made for.
 */
#include "_record.h"
#include <stdlib.h>

static char *place_of(cu_record *r, const cu_field_spec *f) {
    return (char *)r->ptr + f->offset;
}
static void *read_pointer(const void *where) {
    void *p;
    memcpy(&p, where, sizeof p);
    return p;
}
static void write_pointer(void *where, void *p) {
    memcpy(where, &p, sizeof p);
}

int cubind_find_field(const cu_record_spec *spec, const char *name) {
    for (int i = 0; i < spec->n_fields; i++)
        if (strcmp(spec->fields[i].name, name) == 0) return i;
    return -1;
}

/* The function field whose user pointer `f` is, or NULL. */
static const cu_field_spec *function_of(const cu_record_spec *spec, const cu_field_spec *f) {
    for (int i = 0; i < spec->n_fields; i++)
        if (spec->fields[i].kind == CU_FUNC && spec->fields[i].link == f - spec->fields) return &spec->fields[i];
    return NULL;
}

/* ---- callables and their user pointer ---------------------------------------------------------------------------- */

/* The Python callable that a function field calls now; borrowed, NULL without error. */
static PyObject *callable_at(cu_record *r, const cu_field_spec *f) {
    PyObject *entry = cubind_kept(r, place_of(r, f));
    if (!entry || !PyTuple_Check(entry) || PyTuple_Size(entry) != 2) return NULL;
    int stands = read_pointer(place_of(r, f)) == r->module->callback_specs[f->aux].trampoline;
    return stands ? PyTuple_GetItem(entry, 0) : NULL;
}

/* The object last assigned to a user pointer; borrowed, NULL without error. */
static PyObject *user_object_at(cu_record *r, const cu_field_spec *f) {
    PyObject *entry = cubind_kept(r, place_of(r, f));
    if (!entry || !PyTuple_Check(entry) || PyTuple_Size(entry) != 3) return NULL;
    void *address = PyLong_AsVoidPtr(PyTuple_GetItem(entry, 1));
    return address == read_pointer(place_of(r, f)) ? PyTuple_GetItem(entry, 0) : NULL;
}

static int set_user_pointer(cu_record *r, const cu_field_spec *f, PyObject *o, void *address, PyObject *keep) {
    write_pointer(place_of(r, f), address);
    if (o == Py_None) return cubind_keep_at(r, place_of(r, f), NULL);
    PyObject *entry = Py_BuildValue("(ONO)", o, PyLong_FromVoidPtr(address), keep ? keep : Py_None);
    int failed = !entry || cubind_keep_at(r, place_of(r, f), entry);
    Py_XDECREF(entry);
    return failed ? -1 : 0;
}

/* A user pointer for a C function: the address that `o` has.  Before there is a function any object may wait here. */
static int set_plain_user_pointer(cu_record *r, const cu_field_spec *f, PyObject *o, int may_wait) {
    void *address = NULL;
    PyObject *keep = NULL;
    if (cubind_store(&address, o, r->module, (cu_type){CU_PTR, f->aux}, 0, &keep)) {
        if (!may_wait || !PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();
        address = NULL;
    }
    int failed = set_user_pointer(r, f, o, address, keep);
    Py_XDECREF(keep);
    return failed;
}

/* Makes `fn` what the function field calls, with `data` for its user pointer. */
static int set_callable(cu_record *r, const cu_field_spec *f, PyObject *fn, PyObject *data) {
    void *c_fn, *c_data;
    cu_callback *callback;
    if (cubind_callback_arg(fn, data, r->module, f->aux, &c_fn, &c_data, &callback)) return -1;
    PyObject *hook = cubind_hook(callback), *entry = hook ? PyTuple_Pack(2, fn, hook) : NULL;
    Py_XDECREF(hook);
    if (!entry || set_user_pointer(r, &r->spec->fields[f->link], data, c_data, NULL)) {
        Py_XDECREF(entry);
        return -1;
    }
    write_pointer(place_of(r, f), c_fn);
    int failed = cubind_keep_at(r, place_of(r, f), entry);
    Py_DECREF(entry);
    return failed;
}

static int set_function(cu_record *r, const cu_field_spec *f, PyObject *o) {
    const cu_field_spec *user = f->link >= 0 ? &r->spec->fields[f->link] : NULL;
    PyObject *data = user ? Py_XNewRef(user_object_at(r, user)) : NULL, *keep = NULL;
    void *address = NULL;
    int failed;
    if (user && PyCallable_Check(o) && !cubind_is_ctypes_pointer(o)) {
        failed = set_callable(r, f, o, data ? data : Py_None);
    } else {
        failed = cubind_store(&address, o, r->module, (cu_type){CU_FUNC, f->aux}, 0, &keep);
        /* what the Python callable had as its user pointer means nothing to a C function */
        if (!failed && user && callable_at(r, f))
            failed = set_plain_user_pointer(r, user, data ? data : Py_None, !address);
        if (!failed) {
            write_pointer(place_of(r, f), address);
            failed = cubind_keep_at(r, place_of(r, f), keep);
        }
        Py_XDECREF(keep);
    }
    Py_XDECREF(data);
    return failed;
}

/* ---- getting ----------------------------------------------------------------------------------------------------- */

static PyObject *get_unusual(cu_record *r, const cu_field_spec *f) {
    if (f->count == 0 && (f->kind == CU_FUNC || f->kind == CU_PTR) && cubind_root(r)->refs) {
        PyObject *kept = f->kind == CU_FUNC ? callable_at(r, f) : function_of(r->spec, f) ? user_object_at(r, f) : NULL;
        if (kept) return Py_NewRef(kept);
    }
    return cubind_load(place_of(r, f), r->module, (cu_type){f->kind, f->aux}, f->count, (PyObject *)r);
}

PyObject *cubind_get_field(PyObject *self, void *field) {
    cu_record *r = (cu_record *)self;
    const cu_field_spec *f = field;
    const char *where = (const char *)r->ptr + f->offset;
    if (CU_LIKELY(f->count == 0)) {
        switch (f->kind) {
        case CU_I32: {
            int32_t v;
            memcpy(&v, where, sizeof v);
            return PyLong_FromLong(v);
        }
        case CU_U32: {
            uint32_t v;
            memcpy(&v, where, sizeof v);
            return PyLong_FromUnsignedLong(v);
        }
        case CU_I64: {
            int64_t v;
            memcpy(&v, where, sizeof v);
            return PyLong_FromLongLong(v);
        }
        case CU_U64: {
            uint64_t v;
            memcpy(&v, where, sizeof v);
            return PyLong_FromUnsignedLongLong(v);
        }
        case CU_ENUM: {
            int32_t v;
            int is_signed = r->module->enum_specs[f->aux].is_signed;
            memcpy(&v, where, sizeof v);
            return cu_from_enum(r->module, f->aux, is_signed ? (int64_t)v : (int64_t)(uint32_t)v);
        }
        default: break;
        }
    }
    return get_unusual(r, f);
}

/* ---- setting ----------------------------------------------------------------------------------------------------- */

/* Copies `from` to `where`, a part of `r`, together with what its pointers refer to. */
static int assign_record(cu_record *r, char *where, cu_record *from) {
    PyObject *refs = cubind_refs_in(from, from->ptr, from->spec->size);
    if (!refs) return -1;
    memmove(where, from->ptr, from->spec->size);
    int failed = cubind_set_refs_in(r, where, from->spec->size, refs);
    Py_DECREF(refs);
    return failed;
}

static int set_record(cu_record *r, const cu_field_spec *f, PyObject *o) {
    cu_record *from = cubind_as_record(o, r->module, f->aux);
    int failed = !from || assign_record(r, place_of(r, f), from);
    Py_XDECREF((PyObject *)from);
    return failed ? -1 : 0;
}

/* All elements are converted before the first is written. */
static int set_records(cu_record *r, const cu_field_spec *f, PyObject *o) {
    PyObject *given = PySequence_Check(o) ? PySequence_Tuple(o) : NULL, *records = NULL;
    int failed = 0;
    if (!given)
        failed = PyErr_Occurred() ? -1 : cubind_expected(o, "a sequence of %u records", (unsigned)f->count);
    else if (PyTuple_Size(given) != (Py_ssize_t)f->count) {
        PyErr_Format(PyExc_ValueError, "expected %u elements, got %zd", (unsigned)f->count, PyTuple_Size(given));
        failed = -1;
    } else
        failed = (records = PyTuple_New((Py_ssize_t)f->count)) ? 0 : -1;
    for (uint32_t i = 0; !failed && i < f->count; i++) {
        cu_record *element = cubind_as_record(PyTuple_GetItem(given, (Py_ssize_t)i), r->module, f->aux);
        failed = element ? PyTuple_SetItem(records, (Py_ssize_t)i, (PyObject *)element) : -1;
    }
    size_t size = r->module->record_specs[f->aux].size;
    for (uint32_t i = 0; !failed && i < f->count; i++)
        failed = assign_record(r, place_of(r, f) + i * size, (cu_record *)PyTuple_GetItem(records, (Py_ssize_t)i));
    Py_XDECREF(records);
    Py_XDECREF(given);
    return failed;
}

/* The elements of a list as C wants them; what is returned owns them. */
static PyObject *new_elements(cu_record *r, const cu_field_spec *f, PyObject *list, void **ptr, size_t *n) {
    if (f->aux >= 0) return cubind_record_block(list, r->module, f->aux, ptr, n);
    cu_frame *fr;
    PyObject *capsule = cubind_lasting(&fr);
    if (capsule && cubind_array(list, r->module, f->element, fr, ptr, n)) Py_CLEAR(capsule);
    return capsule;
}

/* A list: its elements are copied to a block, and the field that counts them is set. */
static int set_block(cu_record *r, const cu_field_spec *f, PyObject *list) {
    void *ptr;
    size_t n;
    PyObject *block = new_elements(r, f, list, &ptr, &n);
    if (!block) return -1;
    PyObject *count = f->link >= 0 ? PyLong_FromSize_t(n) : Py_NewRef(Py_None);
    int failed = !count || (f->link >= 0 && cubind_set_field((PyObject *)r, count, (void *)&r->spec->fields[f->link]));
    if (!failed) {
        write_pointer(place_of(r, f), ptr);
        failed = cubind_keep_at(r, place_of(r, f), block);
    }
    Py_XDECREF(count);
    Py_DECREF(block);
    return failed ? -1 : 0;
}

static int set_pointer(cu_record *r, const cu_field_spec *f, PyObject *o) {
    const cu_field_spec *function = function_of(r->spec, f);
    if (function) {
        PyObject *fn = Py_XNewRef(callable_at(r, function));
        int failed = fn ? set_callable(r, function, fn, o)
                        : set_plain_user_pointer(r, f, o, read_pointer(place_of(r, function)) == NULL);
        Py_XDECREF(fn);
        return failed;
    }
    if ((f->aux >= 0 || f->element.kind != CU_NONE) && (PyList_Check(o) || PyTuple_Check(o))) return set_block(r, f, o);
    void *address;
    PyObject *keep = NULL;
    if (PyLong_CheckExact(o) && !cubind_root(r)->refs) { /* the usual case: nothing to keep, nothing to drop */
        unsigned long long number = PyLong_AsUnsignedLongLong(o);
        if (number != (unsigned long long)-1) {
            write_pointer(place_of(r, f), (void *)(uintptr_t)number);
            return 0;
        }
        PyErr_Clear();
    }
    if (cubind_store(&address, o, r->module, (cu_type){f->kind, f->aux}, 0, &keep)) return -1;
    write_pointer(place_of(r, f), address);
    int failed = cubind_keep_at(r, place_of(r, f), keep);
    Py_XDECREF(keep);
    return failed;
}

/* Arrays, by way of a copy: a conversion that fails half way leaves the field as it was. */
static int set_array(cu_record *r, const cu_field_spec *f, PyObject *o) {
    cu_type type = {f->kind, f->aux};
    size_t size = cubind_sizeof_type(r->module, type) * f->count;
    char small[256], *copy = size <= sizeof small ? small : malloc(size);
    PyObject *keep = NULL;
    if (!copy) {
        PyErr_NoMemory();
        return -1;
    }
    int failed = cubind_store(copy, o, r->module, type, f->count, &keep);
    if (!failed) {
        memcpy(place_of(r, f), copy, size);
        int points = f->kind == CU_PTR || f->kind == CU_CSTR || f->kind == CU_FUNC;
        if (points) failed = cubind_keep_at(r, place_of(r, f), keep);
    }
    Py_XDECREF(keep);
    if (copy != small) free(copy);
    return failed;
}

static int set_unusual(cu_record *r, const cu_field_spec *f, PyObject *o) {
    if (f->kind == CU_RECORD) return f->count ? set_records(r, f, o) : set_record(r, f, o);
    if (f->count) return set_array(r, f, o);
    if (f->kind == CU_FUNC) return set_function(r, f, o);
    if (f->kind == CU_PTR || f->kind == CU_CSTR) return set_pointer(r, f, o);
    return cubind_store(place_of(r, f), o, r->module, (cu_type){f->kind, f->aux}, 0, NULL);
}

static CU_COLD int name_field(const cu_record *r, const cu_field_spec *f) {
    if (PyErr_Occurred())
        cubind_prefix_error("%s.%s: ", r->spec->name, f->name);
    else
        PyErr_Format(PyExc_TypeError, "%s.%s: a field cannot be deleted", r->spec->name, f->name);
    return -1;
}

int cubind_set_field(PyObject *self, PyObject *o, void *field) {
    cu_record *r = (cu_record *)self;
    const cu_field_spec *f = field;
    char *where = (char *)r->ptr + f->offset;
    if (CU_UNLIKELY(o == NULL)) return name_field(r, f);
    if (CU_LIKELY(f->count == 0)) {
        int kind = f->kind;
        if (kind == CU_ENUM) kind = r->module->enum_specs[f->aux].is_signed ? CU_I32 : CU_U32;
        switch (kind) {
        case CU_I32: {
            int v;
            if (cu_to_i32(o, &v)) return name_field(r, f);
            memcpy(where, &v, sizeof v);
            return 0;
        }
        case CU_U32: {
            unsigned v;
            if (cu_to_u32(o, &v)) return name_field(r, f);
            memcpy(where, &v, sizeof v);
            return 0;
        }
        case CU_I64: {
            long long v;
            if (cu_to_i64(o, &v)) return name_field(r, f);
            memcpy(where, &v, sizeof v);
            return 0;
        }
        case CU_U64: {
            unsigned long long v;
            if (cu_to_u64(o, &v)) return name_field(r, f);
            memcpy(where, &v, sizeof v);
            return 0;
        }
        default: break;
        }
    }
    return CU_UNLIKELY(set_unusual(r, f, o)) ? name_field(r, f) : 0;
}

/* The setters of plain numbers, each for one kind: the usual value is an int that fits. */
#define SETTER(name, type, most)                                                                                \
    static int name(PyObject *self, PyObject *o, void *field) {                                                 \
        uint64_t value;                                                                                         \
        if (CU_UNLIKELY(!o || !cu_quick(o, &value) || value > (most))) return cubind_set_field(self, o, field); \
        type v = (type)value;                                                                                   \
        memcpy((char *)((cu_record *)self)->ptr + ((const cu_field_spec *)field)->offset, &v, sizeof v);        \
        return 0;                                                                                               \
    }
SETTER(set_i32, int32_t, INT32_MAX)
SETTER(set_u32, uint32_t, UINT32_MAX)
SETTER(set_i64, int64_t, INT64_MAX)
SETTER(set_u64, uint64_t, UINT64_MAX)

setter cubind_setter_of(const cu_field_spec *f) {
    if (f->count) return cubind_set_field;
    switch (f->kind) {
    case CU_I32: return set_i32;
    case CU_U32: return set_u32;
    case CU_I64: return set_i64;
    case CU_U64: return set_u64;
    default: return cubind_set_field;
    }
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

enum { SHOWN_OF_FIELD = 200, SHOWN = 2000 }; /* characters */

/* Whether a C string was put there by us, and so can be read; a stray char * would crash the process. */
static int is_safe(cu_record *r, const cu_field_spec *f) {
    if (f->kind != CU_CSTR || f->count) return f->kind != CU_CSTR;
    PyObject *kept = cubind_kept(r, place_of(r, f));
    const char *text = NULL;
    int known = kept && cubind_string(kept, 1, &text) == 0 && text == read_pointer(place_of(r, f));
    PyErr_Clear();
    return known;
}

static size_t field_size(const cu_record *r, const cu_field_spec *f) {
    return cubind_sizeof_type(r->module, (cu_type){f->kind, f->aux}) * (f->count ? f->count : 1);
}
static int all_zero(const char *p, size_t n) {
    return n == 0 || (*p == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static PyObject *field_text(cu_record *r, const cu_field_spec *f) {
    PyObject *value, *text, *cut = NULL;
    if (is_safe(r, f)) {
        value = cubind_get_field((PyObject *)r, (void *)f);
        text = value ? PyObject_Repr(value) : NULL;
        Py_XDECREF(value);
    } else {
        unsigned long long address;
        char digits[24];
        memcpy(&address, (char *)r->ptr + f->offset, sizeof address);
        PyOS_snprintf(digits, sizeof digits, "0x%llx", address);
        text = PyUnicode_FromString(digits);
    }
    if (!text || PyUnicode_GetLength(text) <= SHOWN_OF_FIELD) return text;
    PyObject *head = PyUnicode_Substring(text, 0, SHOWN_OF_FIELD);
    if (head) cut = PyUnicode_FromFormat("%U...", head);
    Py_XDECREF(head);
    Py_DECREF(text);
    return cut;
}

/* Fields that are zero are left out, as one would in a call of the class. */
PyObject *cubind_fields_text(cu_record *r) {
    PyObject *all = PyUnicode_FromString("");
    for (int i = 0; all && i < r->spec->n_fields; i++) {
        const cu_field_spec *f = &r->spec->fields[i];
        if (all_zero((char *)r->ptr + f->offset, field_size(r, f))) continue;
        const char *glue = PyUnicode_GetLength(all) ? ", " : "";
        int full = PyUnicode_GetLength(all) > SHOWN;
        PyObject *text = full ? PyUnicode_FromString("...") : field_text(r, f), *longer = NULL;
        if (text) longer = PyUnicode_FromFormat("%U%s%s%s%U", all, glue, full ? "" : f->name, full ? "" : "=", text);
        Py_XDECREF(text);
        Py_DECREF(all);
        all = longer;
        if (full) break;
    }
    return all;
}
