/* Values in C memory: from Python to memory and back, by kind.  Used for fields of records, elements of arrays and the
 * arguments and results of callbacks.  Memory need not be aligned.
 *
 * Storing a value that points somewhere hands out, in *keep, what has to live as long as the pointer is used.
 */
#include "_record.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

size_t cubind_sizeof_type(cu_module *m, cu_type t) {
    static const uint8_t sizes[] = {
        [CU_NONE] = 0,
        [CU_I8] = 1,
        [CU_U8] = 1,
        [CU_I16] = 2,
        [CU_U16] = 2,
        [CU_I32] = 4,
        [CU_U32] = 4,
        [CU_I64] = 8,
        [CU_U64] = 8,
        [CU_F32] = 4,
        [CU_F64] = 8,
        [CU_ENUM] = 4,
        [CU_TEXT] = 1,
        [CU_BYTES] = 1,
        [CU_HANDLE] = sizeof(void *),
        [CU_PTR] = sizeof(void *),
        [CU_CSTR] = sizeof(void *),
        [CU_FUNC] = sizeof(void *),
    };
    return t.kind == CU_RECORD ? m->record_specs[t.aux].size : sizes[t.kind];
}

/* ---- memory -> Python -------------------------------------------------------------------------------------------- */

#define LOAD(type, make)             \
    do {                             \
        type v;                      \
        memcpy(&v, where, sizeof v); \
        return make(v);              \
    } while (0)

static PyObject *load_enum(const void *where, cu_module *m, int index) {
    int32_t v;
    memcpy(&v, where, sizeof v);
    return cu_from_enum(m, index, m->enum_specs[index].is_signed ? (int64_t)v : (int64_t)(uint32_t)v);
}
static PyObject *load_handle(const void *where, cu_module *m, int index) {
    void *v;
    memcpy(&v, where, sizeof v);
    return cubind_new_handle(m->handles[index], v);
}

static PyObject *load_one(const void *where, cu_module *m, cu_type t, PyObject *owner) {
    switch (t.kind) {
    case CU_NONE: return cu_none();
    case CU_I8: LOAD(int8_t, PyLong_FromLong);
    case CU_U8:
    case CU_TEXT:
    case CU_BYTES: LOAD(uint8_t, PyLong_FromLong);
    case CU_I16: LOAD(int16_t, PyLong_FromLong);
    case CU_U16: LOAD(uint16_t, PyLong_FromLong);
    case CU_I32: LOAD(int32_t, PyLong_FromLong);
    case CU_U32: LOAD(uint32_t, PyLong_FromUnsignedLong);
    case CU_I64: LOAD(int64_t, PyLong_FromLongLong);
    case CU_U64: LOAD(uint64_t, PyLong_FromUnsignedLongLong);
    case CU_F32: LOAD(float, PyFloat_FromDouble);
    case CU_F64: LOAD(double, PyFloat_FromDouble);
    case CU_PTR:
    case CU_FUNC: LOAD(void *, PyLong_FromVoidPtr);
    case CU_CSTR: LOAD(const char *, cubind_cstring);
    case CU_ENUM: return load_enum(where, m, t.aux);
    case CU_HANDLE: return load_handle(where, m, t.aux);
    case CU_RECORD: return cubind_record_view(m, t.aux, (void *)(uintptr_t)where, owner);
    default: PyErr_Format(PyExc_SystemError, "cubind: no value of kind %d", t.kind); return NULL;
    }
}

PyObject *cubind_load(const void *where, cu_module *m, cu_type t, uint32_t count, PyObject *owner) {
    if (CU_LIKELY(count == 0)) return load_one(where, m, t, owner);
    if (t.kind == CU_TEXT || t.kind == CU_BYTES) return cubind_text(where, count, t.kind == CU_BYTES);
    size_t size = cubind_sizeof_type(m, t);
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (uint32_t i = 0; tuple && i < count; i++) {
        PyObject *o = load_one((const char *)where + i * size, m, t, owner);
        if (!o || PyTuple_SetItem(tuple, (Py_ssize_t)i, o)) Py_CLEAR(tuple);
    }
    return tuple;
}

PyObject *cubind_list(const void *first, cu_module *m, cu_type t, size_t n) {
    size_t size = cubind_sizeof_type(m, t);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *o = load_one((const char *)first + i * size, m, t, NULL);
        if (!o || PyList_SetItem(list, (Py_ssize_t)i, o)) Py_CLEAR(list);
    }
    return list;
}

/* ---- Python -> memory: what points to nothing -------------------------------------------------------------------- */

static int store_float(void *where, PyObject *o, int is_double) {
    double v;
    if (cu_to_f64(o, &v)) return -1;
    float narrow = (float)v;
    if (!is_double && isinf(narrow) && !isinf(v)) return cubind_overflow("float", o);
    if (is_double)
        memcpy(where, &v, sizeof v);
    else
        memcpy(where, &narrow, sizeof narrow);
    return 0;
}

static int store_int(void *where, PyObject *o, int bits, int is_signed) {
    uint64_t v;
    if (cubind_index(o, bits, is_signed, &v)) return -1; /* writes as many bytes as `bits` says */
    memcpy(where, &v, (size_t)bits / 8);
    return 0;
}

static int store_handle(void *where, PyObject *o, cu_module *m, int index) {
    void *v;
    if (cu_to_handle(o, m, index, &v)) return -1;
    memcpy(where, &v, sizeof v);
    return 0;
}

/* ---- Python -> memory: pointers ---------------------------------------------------------------------------------- */

static void free_block(PyObject *capsule) {
    free(PyCapsule_GetPointer(capsule, NULL));
}

/* `n` records' worth of memory, aligned; the capsule owns it. */
static PyObject *new_block(const cu_record_spec *spec, size_t n, void **ptr) {
    size_t align = spec->align ? spec->align : 1;
    char *memory = calloc(1, n * spec->size + align);
    if (!memory) return PyErr_NoMemory();
    *ptr = (void *)(((uintptr_t)memory + align - 1) & ~(uintptr_t)(align - 1));
    PyObject *capsule = PyCapsule_New(memory, NULL, free_block);
    if (!capsule) free(memory);
    return capsule;
}

/* A copy of `from`, with its references appended to `keep`. */
static int copy_record(void *where, PyObject *o, cu_module *m, int index, PyObject *keep) {
    cu_record *from = cubind_as_record(o, m, index);
    if (!from) return -1;
    memcpy(where, from->ptr, from->spec->size);
    PyObject *refs = cubind_refs_in(from, from->ptr, from->spec->size);
    int failed = !refs || (keep && refs != Py_None && PyList_Append(keep, refs));
    Py_XDECREF(refs);
    Py_DECREF((PyObject *)from);
    return failed ? -1 : 0;
}

/* A list or tuple of records, copied one after the other.  Returns what has to be kept. */
PyObject *cubind_record_block(PyObject *list, cu_module *m, int index, void **ptr, size_t *n) {
    PyObject *items = PySequence_Tuple(list), *keep = items ? PyList_New(0) : NULL;
    const cu_record_spec *spec = &m->record_specs[index];
    int failed = !keep;
    *ptr = NULL;
    *n = items ? (size_t)PyTuple_Size(items) : 0;
    if (!failed && *n) {
        PyObject *block = new_block(spec, *n, ptr);
        failed = !block || PyList_Append(keep, block);
        Py_XDECREF(block);
    }
    for (size_t i = 0; !failed && i < *n; i++) {
        failed = copy_record((char *)*ptr + i * spec->size, PyTuple_GetItem(items, (Py_ssize_t)i), m, index, keep);
        if (failed) cubind_prefix_error("element %zu: ", i);
    }
    if (failed) Py_CLEAR(keep);
    Py_XDECREF(items);
    return keep;
}

static int store_record(void *where, PyObject *o, cu_module *m, int index, PyObject **keep) {
    PyObject *refs = PyList_New(0);
    if (!refs) return -1;
    int failed = copy_record(where, o, m, index, refs);
    if (!failed && keep && PyList_Size(refs)) *keep = Py_NewRef(refs);
    Py_DECREF(refs);
    return failed;
}

/* Whether there is something to keep: numbers, None and handles own nothing. */
static int owns_memory(PyObject *o) {
    return o != Py_None && !cubind_is_handle(o) && !cubind_is_scalar_index(o);
}

static int find_pointer(PyObject *o, cu_module *m, int index, void **p, PyObject **keep) {
    const char *accepted = "an address (int), None, a handle, a record or an object with the buffer protocol";
    if (index >= 0 && keep && (PyList_Check(o) || PyTuple_Check(o))) {
        size_t n;
        return (*keep = cubind_record_block(o, m, index, p, &n)) ? 0 : -1;
    }
    if (index >= 0 && cubind_is_record(o)) { /* a record of another class is more likely a mistake than a cast */
        PyTypeObject *wanted = cubind_record_type(m, index);
        if (!wanted) return -1;
        if (Py_TYPE(o) != wanted)
            return cubind_expected(o, "%s, an address (int), None or a buffer", m->record_specs[index].name);
    }
    int known = cubind_address_of(o, p);
    if (known < 0) return -1;
    if (!known && !PyObject_CheckBuffer(o)) return cubind_expected(o, "%s", accepted);
    if (!owns_memory(o)) return 0;
    if (!keep) return cubind_expected(o, "an address (int), None or a handle: nothing would keep an object alive");
    *keep = known ? Py_NewRef(o) : cubind_pin(o, 0, p, NULL);
    return *keep ? 0 : -1;
}

static int find_string(PyObject *o, void **p, PyObject **keep) {
    if (cubind_is_scalar_index(o)) return cubind_address_of(o, p) < 0 ? -1 : 0;
    const char *text;
    if (cubind_string(o, 1, &text)) return -1;
    *p = (void *)(uintptr_t)text;
    if (!text) return 0;
    if (!keep) return cubind_expected(o, "an address (int) or None: nothing would keep an object alive");
    *keep = Py_NewRef(o); /* the text belongs to the object */
    return 0;
}

static int find_function(PyObject *o, void **p, PyObject **keep) {
    int known = cubind_is_handle(o) || cubind_is_record(o) ? 0 : cubind_address_of(o, p);
    if (known < 0) return -1;
    if (!known) return cubind_expected(o, "a function's address (int or ctypes function pointer) or None");
    if (keep && owns_memory(o)) *keep = Py_NewRef(o);
    return 0;
}

static int store_pointer(void *where, PyObject *o, cu_module *m, cu_type t, PyObject **keep) {
    void *p = NULL;
    int failed = t.kind == CU_PTR    ? find_pointer(o, m, t.aux, &p, keep)
                 : t.kind == CU_CSTR ? find_string(o, &p, keep)
                                     : find_function(o, &p, keep);
    if (!failed) memcpy(where, &p, sizeof p);
    return failed;
}

/* ---- Python -> memory: all of them ------------------------------------------------------------------------------- */

static int store_one(void *where, PyObject *o, cu_module *m, cu_type t, PyObject **keep) {
    switch (t.kind) {
    case CU_I8: return store_int(where, o, 8, 1);
    case CU_U8:
    case CU_TEXT:
    case CU_BYTES: return store_int(where, o, 8, 0);
    case CU_I16: return store_int(where, o, 16, 1);
    case CU_U16: return store_int(where, o, 16, 0);
    case CU_I32: return store_int(where, o, 32, 1);
    case CU_U32: return store_int(where, o, 32, 0);
    case CU_I64: return store_int(where, o, 64, 1);
    case CU_U64: return store_int(where, o, 64, 0);
    case CU_F32: return store_float(where, o, 0);
    case CU_F64: return store_float(where, o, 1);
    case CU_ENUM: return store_int(where, o, 32, m->enum_specs[t.aux].is_signed);
    case CU_HANDLE: return store_handle(where, o, m, t.aux);
    case CU_PTR:
    case CU_CSTR:
    case CU_FUNC: return store_pointer(where, o, m, t, keep);
    case CU_RECORD: return store_record(where, o, m, t.aux, keep);
    default: PyErr_Format(PyExc_SystemError, "cubind: no value of kind %d", t.kind); return -1;
    }
}

/* char[count]: str (as UTF-8) or bytes; what is shorter is padded with zeros.  Text ends with a zero in any case. */
static int store_chars(char *where, PyObject *o, uint32_t count, int is_text) {
    PyObject *bytes = PyUnicode_Check(o) ? PyUnicode_AsUTF8String(o) : Py_NewRef(o);
    Py_buffer view;
    if (!bytes) return -1;
    int failed =
        PyObject_CheckBuffer(bytes) ? cubind_buffer(bytes, PyBUF_SIMPLE, &view) : cubind_expected(o, "str or bytes");
    Py_DECREF(bytes);
    if (failed) return -1;
    size_t n = (size_t)view.len, most = is_text ? count - 1 : count;
    if (n > most) {
        PyErr_Format(PyExc_ValueError, "at most %zu bytes fit, got %zu", most, n);
        failed = -1;
    } else if (is_text && memchr(view.buf, 0, n)) {
        PyErr_SetString(PyExc_ValueError, "the text contains a NUL character, which ends a C string");
        failed = -1;
    } else {
        memmove(where, view.buf, n);
        memset(where + n, 0, count - n);
    }
    PyBuffer_Release(&view);
    return failed;
}

static int store_items(char *where, PyObject *items, cu_module *m, cu_type t, uint32_t count, PyObject *kept) {
    size_t size = cubind_sizeof_type(m, t);
    for (uint32_t i = 0; i < count; i++) {
        PyObject *keep = NULL;
        if (store_one(where + i * size, PyTuple_GetItem(items, (Py_ssize_t)i), m, t, kept ? &keep : NULL)) {
            cubind_prefix_error("element %u: ", (unsigned)i);
            return -1;
        }
        int failed = keep && PyList_Append(kept, keep);
        Py_XDECREF(keep);
        if (failed) return -1;
    }
    return 0;
}

static int store_array(char *where, PyObject *o, cu_module *m, cu_type t, uint32_t count, PyObject **keep) {
    if (PyUnicode_Check(o) || !PySequence_Check(o))
        return cubind_expected(o, "a sequence of %u elements", (unsigned)count);
    PyObject *items = PySequence_Tuple(o), *kept = NULL;
    if (!items) return -1;
    int failed = 0;
    if (PyTuple_Size(items) != (Py_ssize_t)count) {
        PyErr_Format(PyExc_ValueError, "expected %u elements, got %zd", (unsigned)count, PyTuple_Size(items));
        failed = -1;
    }
    if (!failed && keep && t.kind >= CU_PTR) failed = (kept = PyList_New(0)) ? 0 : -1;
    if (!failed) failed = store_items(where, items, m, t, count, kept);
    if (!failed && kept && PyList_Size(kept)) *keep = Py_NewRef(kept);
    Py_XDECREF(kept);
    Py_DECREF(items);
    return failed;
}

int cubind_store(void *where, PyObject *o, cu_module *m, cu_type t, uint32_t count, PyObject **keep) {
    if (keep) *keep = NULL;
    if (count == 0) return store_one(where, o, m, t, keep);
    if (t.kind == CU_TEXT || t.kind == CU_BYTES) return store_chars(where, o, count, t.kind == CU_TEXT);
    return store_array(where, o, m, t, count, keep);
}
