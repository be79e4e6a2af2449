/* Array parameters: from whatever Python has for `const T *first` to an address and a number of elements.
 *
 *   None                          NULL, 0 elements
 *   int (and what ctypes has for  that address; the number of elements is not known (SIZE_MAX)
 *     pointers)
 *   a record of the element's     its memory, 1 element
 *     class
 *   an object with the buffer     its memory, in place: contiguous, with elements of the same size and kind, or plain
 *     protocol                    bytes whose length is a multiple of the element's size
 *   a sequence                    each element converted into the frame's memory
 *
 * The function gets memory that it must not write to: copied elements would be lost, and a buffer may be read-only.
 */
#include "_impl.h"
#include <math.h>

/* kinds whose elements may point to memory that a Python object owns */
#define IS_REFERENCE(kind) \
    ((kind) == CU_HANDLE || (kind) == CU_PTR || (kind) == CU_CSTR || (kind) == CU_FUNC || (kind) == CU_RECORD)

_Static_assert(sizeof(void *) == 8, "the core is written for 64-bit platforms");

static const uint8_t scalar_size[] = {
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
    [CU_HANDLE] = sizeof(void *),
    [CU_PTR] = sizeof(void *),
    [CU_CSTR] = sizeof(void *),
    [CU_FUNC] = sizeof(void *),
    [CU_TEXT] = 1,
    [CU_BYTES] = 1,
};

static size_t element_size(cu_module *m, cu_type t) {
    if (t.kind == CU_RECORD) return m->record_specs[t.aux].size;
    return scalar_size[t.kind];
}

/* How messages name the elements: "uint64", "CUevent", "8-byte address". */
static const char *element_name(cu_module *m, cu_type t) {
    static const char *const names[] = {
        [CU_I8] = "int8",     [CU_U8] = "uint8",     [CU_I16] = "int16",    [CU_U16] = "uint16",  [CU_I32] = "int32",
        [CU_U32] = "uint32",  [CU_I64] = "int64",    [CU_U64] = "uint64",   [CU_F32] = "float32", [CU_F64] = "float64",
        [CU_PTR] = "address", [CU_CSTR] = "address", [CU_FUNC] = "address", [CU_TEXT] = "char",   [CU_BYTES] = "char",
    };
    switch (t.kind) {
    case CU_ENUM: return m->enum_specs[t.aux].name;
    case CU_HANDLE: return m->handle_specs[t.aux].name;
    case CU_RECORD: return m->record_specs[t.aux].name;
    default: return names[t.kind];
    }
}

/* ---- sequences --------------------------------------------------------------------------------------------------- */

static int to_f32(PyObject *o, float *out) {
    double v = PyFloat_AsDouble(o);
    if (v == -1.0 && PyErr_Occurred()) return -1;
    if (isinf((float)v) && !isinf(v)) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit in float", o);
        return -1;
    }
    *out = (float)v;
    return 0;
}

static int pointer_element(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out) {
    if (t.aux >= 0 && cubind_is_record(o)) return cubind_record_arg(o, m, t.aux, 1, out);
    return cubind_pointer(o, fr, 0, out, NULL);
}

static int function_element(PyObject *o, void **out) {
    int found = cubind_address_of(o, out);
    if (found == 0) return cubind_expected(o, "an address (int), None or a ctypes function");
    return found < 0 ? -1 : 0;
}

static int record_element(PyObject *o, cu_module *m, cu_type t, void *out) {
    if (cubind_is_record(o)) {
        PyTypeObject *class = cubind_record_type(m, t.aux);
        if (!class) return -1;
        if (Py_TYPE(o) == class) {
            memcpy(out, ((cu_record *)o)->ptr, m->record_specs[t.aux].size);
            return 0;
        }
    }
    return cubind_expected(o, "%s", m->record_specs[t.aux].name);
}

static int convert_element(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void *out) {
    switch (t.kind) {
    case CU_I8: return cubind_index(o, 8, 1, out);
    case CU_U8:
    case CU_BYTES:
    case CU_TEXT: return cubind_index(o, 8, 0, out);
    case CU_I16: return cubind_index(o, 16, 1, out);
    case CU_U16: return cubind_index(o, 16, 0, out);
    case CU_I32: return cubind_index(o, 32, 1, out);
    case CU_U32: return cubind_index(o, 32, 0, out);
    case CU_I64: return cubind_index(o, 64, 1, out);
    case CU_U64: return cubind_index(o, 64, 0, out);
    case CU_F32: return to_f32(o, out);
    case CU_F64: return cu_to_f64(o, out);
    case CU_ENUM: return cubind_index(o, 32, m->enum_specs[t.aux].is_signed, out);
    case CU_HANDLE: return cu_to_handle(o, m, t.aux, out);
    case CU_PTR: return pointer_element(o, m, t, fr, out);
    case CU_CSTR: return cubind_string(o, 1, out);
    case CU_FUNC: return function_element(o, out);
    case CU_RECORD: return record_element(o, m, t, out);
    default: PyErr_Format(PyExc_SystemError, "cubind: no array of kind %d", t.kind); return -1;
    }
}

/* Elements first..n-1 of a list or a tuple, with everything that an element may be. */
static int copy_elements(PyObject *items, Py_ssize_t first, Py_ssize_t n, cu_module *m, cu_type t, cu_frame *fr,
                         char *memory) {
    PyObject *(*item)(PyObject *, Py_ssize_t) = cu_is_tuple(items) ? PyTuple_GetItem : PyList_GetItem;
    size_t size = element_size(m, t);
    for (Py_ssize_t i = first; i < n; i++) {
        PyObject *o = item(items, i);
        if (!o) return -1; /* a list that an element's __index__ made shorter */
        Py_INCREF(o);      /* ... or from which it took this element */
        int failed = convert_element(o, m, t, fr, memory + (size_t)i * size);
        Py_DECREF(o);
        if (failed) {
            cubind_prefix_error("element %zd: ", i);
            return -1;
        }
    }
    return 0;
}

/* The largest of the integers that copy_simple converts; 0: it does not. */
static const uint64_t simple_max[] = {
    [CU_I32] = INT32_MAX,      [CU_U32] = UINT32_MAX,     [CU_I64] = INT64_MAX,
    [CU_U64] = UINT64_MAX - 1, [CU_PTR] = UINT64_MAX - 1, [CU_FUNC] = 0, /* the last kind */
};

static inline Py_ssize_t copy_ints(PyObject *items, PyObject *(*item)(PyObject *, Py_ssize_t), Py_ssize_t n,
                                   uint64_t max, void *memory) {
    Py_ssize_t i = 0;
    for (PyObject *o; i < n && PyLong_CheckExact(o = item(items, i)); i++) {
        size_t v = PyLong_AsSize_t(o);
        if (CU_UNLIKELY(v > max)) {
            if (v == (size_t)-1) PyErr_Clear();
            break;
        }
        if (max > UINT32_MAX)
            ((uint64_t *)memory)[i] = v;
        else
            ((uint32_t *)memory)[i] = (uint32_t)v;
    }
    return i;
}

/* The hot cases: exact ints (dimensions, strides, addresses) and handles.  They run no Python code, so a list cannot
 * change meanwhile, and nothing has to be kept.  Returns how many elements it took, up to the first of another kind. */
static Py_ssize_t copy_simple(PyObject *items, Py_ssize_t n, cu_module *m, cu_type t, void *memory) {
    PyObject *(*item)(PyObject *, Py_ssize_t) = cu_is_tuple(items) ? PyTuple_GetItem : PyList_GetItem;
    Py_ssize_t i = 0;
    if (t.kind == CU_HANDLE) {
        for (PyObject *o; i < n && Py_TYPE(o = item(items, i)) == m->handles[t.aux]; i++)
            ((void **)memory)[i] = ((cu_handle *)o)->ptr;
        return i;
    }
    return simple_max[t.kind] ? copy_ints(items, item, n, simple_max[t.kind], memory) : 0;
}

/* `items` is a list or a tuple that is kept alive by the caller. */
static int array_of_items(PyObject *items, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) {
    Py_ssize_t n = cu_is_tuple(items) ? PyTuple_Size(items) : PyList_Size(items);
    size_t nbytes = (size_t)n * element_size(m, t); /* n pointers fit in memory: only huge records overflow */
    if (CU_UNLIKELY((size_t)n > PY_SSIZE_T_MAX / 65536 && nbytes / element_size(m, t) != (size_t)n)) {
        PyErr_NoMemory();
        return -1;
    }
    char *memory = cubind_frame_take(fr, nbytes);
    if (!memory && !(memory = cubind_frame_alloc(fr, nbytes))) return -1;
    *out = memory;
    *len = (size_t)n;
    Py_ssize_t done = copy_simple(items, n, m, t, memory);
    if (CU_LIKELY(done == n)) return 0;
    if (!IS_REFERENCE(t.kind) || cu_is_tuple(items)) return copy_elements(items, done, n, m, t, fr, memory);
    /* what the elements point to must live until the call is over, whatever another thread does to the list */
    PyObject *fixed = PySequence_Tuple(items);
    int failed = !fixed || cubind_frame_keep(fr, fixed) || copy_elements(fixed, done, n, m, t, fr, memory);
    Py_XDECREF(fixed);
    return failed ? -1 : 0;
}

static int array_of_sequence(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) {
    PyObject *items = PySequence_Tuple(o);
    int failed = !items || cubind_frame_keep(fr, items) || array_of_items(items, m, t, fr, out, len);
    Py_XDECREF(items);
    return failed ? -1 : 0;
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

/* What a format of one element says: 's'igned or 'u'nsigned integer, 'f'loat, 'p'ointer, 0: anything else. */
static char format_class(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    int swapped = PY_LITTLE_ENDIAN ? *format == '>' || *format == '!' : *format == '<';
    if (swapped && view->itemsize > 1) return 0;
    if (*format && strchr("@=<>!", *format)) format++;
    if (*format == '&' || *format == 'X') return 'p'; /* ctypes: POINTER(T), function pointer */
    if (!*format || format[1]) return 0;
    return strchr("bhilqn", *format)    ? 's'
           : strchr("BHILQN?", *format) ? 'u'
           : strchr("efd", *format)     ? 'f'
           : *format == 'P'             ? 'p'
                                        : 0;
}

static int format_fits(const Py_buffer *view, cu_type t) {
    char class = format_class(view);
    switch (t.kind) {
    case CU_I8:
    case CU_I16:
    case CU_I32:
    case CU_I64: return class == 's';
    case CU_U8:
    case CU_U16:
    case CU_U32:
    case CU_U64: return class == 'u';
    case CU_F32:
    case CU_F64: return class == 'f';
    case CU_ENUM: return class == 's' || class == 'u';
    case CU_RECORD: return 1; /* a structured dtype of the right size is taken at its word */
    default: return class == 'u' || class == 'p';
    }
}

static int is_bytes_like(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (*format && strchr("@=<>!", *format)) format++;
    return view->itemsize == 1 && *format && strchr("Bbc", *format) && !format[1];
}

static int array_of_buffer(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) {
    Py_buffer *view = cubind_frame_buffer(fr);
    if (!view || cubind_buffer(o, PyBUF_ND | PyBUF_FORMAT, view)) return -1;
    size_t size = element_size(m, t);
    if (view->len == sizeof(void *) && cubind_is_ctypes_pointer(o)) {
        memcpy(out, view->buf, sizeof *out);
        *len = SIZE_MAX;
        return 0;
    }
    if (is_bytes_like(view)) {
        if ((size_t)view->len % size == 0) goto fits;
        PyErr_Format(PyExc_TypeError, "%zd bytes are no whole number of elements of %zu bytes (%s)", view->len, size,
                     element_name(m, t));
        return -1;
    }
    if ((size_t)view->itemsize != size) {
        PyErr_Format(PyExc_TypeError, "expected elements of %zu bytes (%s), not of %zd bytes (format '%s')", size,
                     element_name(m, t), view->itemsize, view->format ? view->format : "B");
        return -1;
    }
    if (!format_fits(view, t)) {
        PyErr_Format(PyExc_TypeError, "expected elements of type %s, not of format '%s'", element_name(m, t),
                     view->format);
        return -1;
    }
fits:
    *out = view->buf;
    *len = (size_t)view->len / size;
    return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* Anything else. */
static CU_COLD int any_array(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) {
    if (PyList_CheckExact(o) || cu_is_tuple(o) || cu_is_list(o)) return array_of_items(o, m, t, fr, out, len);
    if (o == Py_None) {
        *out = NULL;
        *len = 0;
        return 0;
    }
    if (PyLong_CheckExact(o) || cubind_is_scalar_index(o)) {
        *len = SIZE_MAX;
        return cubind_pointer(o, NULL, 0, out, NULL);
    }
    if (cubind_is_record(o) && t.kind == CU_RECORD) {
        *len = 1;
        return cubind_record_arg(o, m, t.aux, 0, out);
    }
    if (PyObject_CheckBuffer(o) && !cubind_is_record(o) && !(t.kind == CU_CSTR && PyBytes_Check(o)))
        return array_of_buffer(o, m, t, fr, out, len);
    if (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !cubind_is_record(o))
        return array_of_sequence(o, m, t, fr, out, len);
    return cubind_expected(o, "a sequence or a buffer of %s, an address (int) or None", element_name(m, t));
}

/* Dimensions and strides: a list or tuple of a few exact ints, into the frame.  0: it is anything else. */
static inline int few_ints(PyObject *o, uint64_t max, cu_frame *fr, void **out, size_t *len) {
    int is_list = PyList_CheckExact(o);
    if (!is_list && !PyTuple_CheckExact(o)) return 0;
    Py_ssize_t n = is_list ? PyList_Size(o) : PyTuple_Size(o);
    uint32_t used = fr->used;
    char *memory = n <= CU_FRAME_BYTES / 8 ? cubind_frame_take(fr, (size_t)n * 8) : NULL;
    *out = memory;
    *len = (size_t)n;
    if (CU_UNLIKELY(!memory)) return 0;
    Py_ssize_t done =
        is_list ? copy_ints(o, PyList_GetItem, n, max, memory) : copy_ints(o, PyTuple_GetItem, n, max, memory);
    if (CU_LIKELY(done == n)) return 1;
    fr->used = used;
    return 0;
}

int cubind_array(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out, size_t *len) {
    size_t address;
    if (cu_plain_u64(o, &address)) {
        *out = (void *)address;
        *len = SIZE_MAX;
        return 0;
    }
    uint64_t max = simple_max[t.kind];
    if (CU_LIKELY(max != 0) && few_ints(o, max, fr, out, len)) return 0;
    return any_array(o, m, t, fr, out, len);
}
