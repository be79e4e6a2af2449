/* Conversions of single values: integers, addresses, text, records, counts.
 *
 * A converter raises only what is wrong with the value ("expected int, not 'str'"); cubind_bad_arg puts the function
 * and the parameter before it.  Borrowed memory (text of a str, a record) is alive during the call because the caller
 * of the Python function holds the argument; buffers are held by the frame, which also keeps them from being resized.
 */
#include "_impl.h"

/* ---- integers ---------------------------------------------------------------------------------------------------- */

static const struct int_type {
    const char *name;
    uint8_t bits, is_signed;
} int_types[] = {
    {"int", 32, 1},
    {"unsigned int", 32, 0},
    {"long long", 64, 1},
    {"unsigned long long", 64, 0},
    {"short", 16, 1},
    {"unsigned short", 16, 0},
    {"signed char", 8, 1},
    {"unsigned char", 8, 0},
    {"long", 8 * sizeof(long), 1},
    {"unsigned long", 8 * sizeof(long), 0},
    {"size_t", 8 * sizeof(size_t), 0},
};
#define N_INT_TYPES (sizeof int_types / sizeof int_types[0])

static PyObject *int_text(PyObject *value) {
    PyObject *text = PyObject_Str(value); /* fails for integers of thousands of digits */
    if (text) return text;
    PyErr_Clear();
    return PyUnicode_FromString("an integer of thousands of digits");
}

int cubind_overflow(const char *ctype, PyObject *value) {
    PyObject *text = int_text(value);
    if (!text) return -1;
    const struct int_type *t = NULL;
    for (size_t i = 0; i < N_INT_TYPES; i++)
        if (strcmp(ctype, int_types[i].name) == 0) t = &int_types[i];
    if (!t)
        PyErr_Format(PyExc_OverflowError, "%.80U does not fit in %s", text, ctype);
    else if (t->is_signed)
        PyErr_Format(PyExc_OverflowError, "%.80U does not fit in %s (%lld to %lld)", text, ctype,
                     (long long)INT64_MIN >> (64 - t->bits), (long long)(INT64_MAX >> (64 - t->bits)));
    else
        PyErr_Format(PyExc_OverflowError, "%.80U does not fit in %s (0 to %llu)", text, ctype,
                     (unsigned long long)(UINT64_MAX >> (64 - t->bits)));
    Py_DECREF(text);
    return -1;
}

static int int_overflow(PyObject *value, int bits, int is_signed) {
    size_t i = 0;
    while (int_types[i].bits != bits || int_types[i].is_signed != is_signed) i++;
    return cubind_overflow(int_types[i].name, value);
}

static void write_int(void *out, int bits, uint64_t v) {
    switch (bits) {
    case 8: *(uint8_t *)out = (uint8_t)v; break;
    case 16: *(uint16_t *)out = (uint16_t)v; break;
    case 32: *(uint32_t *)out = (uint32_t)v; break;
    default: *(uint64_t *)out = v; break;
    }
}

int cubind_index(PyObject *o, int bits, int is_signed, void *out) {
    PyObject *number;
    if (PyLong_Check(o))
        number = Py_NewRef(o);
    else if (PyIndex_Check(o))
        number = PyNumber_Index(o);
    else
        return cubind_expected(o, "int");
    if (!number) return -1;
    int overflow, fits;
    long long v = PyLong_AsLongLongAndOverflow(number, &overflow);
    uint64_t bit_pattern = (uint64_t)v;
    if (is_signed) {
        fits = !overflow && v >= (INT64_MIN >> (64 - bits)) && v <= (INT64_MAX >> (64 - bits));
    } else if (overflow > 0 && bits == 64) {
        bit_pattern = PyLong_AsUnsignedLongLong(number);
        fits = !PyErr_Occurred();
        if (!fits) PyErr_Clear();
    } else {
        fits = !overflow && v >= 0 && (uint64_t)v <= UINT64_MAX >> (64 - bits);
    }
    if (fits)
        write_int(out, bits, bit_pattern);
    else
        int_overflow(number, bits, is_signed != 0);
    Py_DECREF(number);
    return fits ? 0 : -1;
}

/* NumPy integers have the buffer protocol as well; as addresses and counts they are numbers.  Arrays have __index__ too
 * (NumPy's, whatever their shape), but they are sequences.  A bool is an int that nobody means as an address. */
int cubind_is_scalar_index(PyObject *o) {
    return PyIndex_Check(o) && !PySequence_Check(o) && !PyBool_Check(o);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

/* Whether an object of ctypes stands for an address that it holds, as ctypes itself would pass it.  Asked only about
 * objects with a buffer of pointer size.  The classes are found once, with the GIL, when ctypes has been imported. */
int cubind_is_ctypes_pointer(PyObject *o) {
    static const char *const names[] = {"c_void_p", "c_char_p", "c_wchar_p", "_Pointer", "_CFuncPtr"};
    static PyObject *classes[5];
    if (!classes[4]) {
        PyObject *name = PyUnicode_FromString("ctypes"), *ctypes = name ? PyImport_GetModule(name) : NULL;
        Py_XDECREF(name);
        for (int i = 0; i < 5 && ctypes; i++) {
            PyObject *class = PyObject_GetAttrString(ctypes, names[i]);
            if (!class) break; /* ctypes is being imported by another thread */
            if (classes[i])
                Py_DECREF(class);
            else
                classes[i] = class;
        }
        Py_XDECREF(ctypes);
        PyErr_Clear();
    }
    for (int i = 0; i < 5; i++)
        if (classes[i] && PyType_IsSubtype(Py_TYPE(o), (PyTypeObject *)classes[i])) return 1;
    return 0;
}

/* None, handle, record, integer: 1 and the address, and for a record its size; 0 for anything else; -1: error. */
static int plain_address(PyObject *o, void **out, size_t *nbytes) {
    uint64_t address;
    *nbytes = SIZE_MAX;
    if (o == Py_None) {
        *out = NULL;
    } else if (cubind_is_handle(o)) {
        *out = ((cu_handle *)o)->ptr;
    } else if (cubind_is_record(o)) {
        *out = ((cu_record *)o)->ptr;
        *nbytes = ((cu_record *)o)->spec->size;
    } else if (cubind_is_scalar_index(o)) {
        if (cubind_index(o, 8 * sizeof(void *), 0, &address)) return -1;
        *out = (void *)(uintptr_t)address;
    } else {
        return 0;
    }
    return 1;
}

static int ctypes_address(PyObject *o, void **out) {
    Py_buffer view;
    if (!PyObject_CheckBuffer(o) || !cubind_is_ctypes_pointer(o)) return 0;
    if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE)) return -1;
    memcpy(out, view.buf, sizeof *out);
    PyBuffer_Release(&view);
    return 1;
}

int cubind_address_of(PyObject *o, void **out) {
    size_t nbytes;
    int found = plain_address(o, out, &nbytes);
    return found ? found : ctypes_address(o, out);
}

/* The reason why an object with the buffer protocol did not give the buffer that was asked for. */
static int buffer_refused(PyObject *o, int flags, Py_buffer *view) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int expected = PyErr_GivenExceptionMatches(type, PyExc_BufferError) ||
                   PyErr_GivenExceptionMatches(type, PyExc_ValueError) ||
                   PyErr_GivenExceptionMatches(type, PyExc_TypeError);
    if (expected && PyObject_GetBuffer(o, view, flags | PyBUF_ANY_CONTIGUOUS) == 0) { /* Fortran order is as good */
        Py_XDECREF(type), Py_XDECREF(value), Py_XDECREF(traceback);
        return 0;
    }
    PyErr_Clear();
    if (expected && PyObject_GetBuffer(o, view, PyBUF_FULL_RO) == 0) {
        const char *why = "is not contiguous in memory; pass a contiguous copy";
        if ((flags & PyBUF_WRITABLE) && view->readonly) why = "is read-only, but the function writes to it";
        PyBuffer_Release(view);
        Py_XDECREF(type), Py_XDECREF(value), Py_XDECREF(traceback);
        PyObject *name = cubind_type_text(o);
        if (name) PyErr_Format(PyExc_BufferError, "the memory of this %U %s", name, why);
        Py_XDECREF(name);
        return -1;
    }
    PyErr_Restore(type, value, traceback);
    view->obj = NULL;
    return -1;
}

int cubind_buffer(PyObject *o, int flags, Py_buffer *view) {
    if (CU_LIKELY(PyObject_GetBuffer(o, view, flags) == 0)) return 0;
    view->obj = NULL; /* whatever the exporter left there: nothing is to be released */
    return buffer_refused(o, flags, view);
}

static int buffer_address(PyObject *o, cu_frame *fr, int writable, void **out, size_t *nbytes) {
    if (!fr) return cubind_expected(o, "an address (int), None, a handle or a record");
    Py_buffer *view = cubind_frame_buffer(fr);
    if (!view || cubind_buffer(o, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE, view)) return -1;
    if (CU_UNLIKELY(view->len == sizeof(void *)) && cubind_is_ctypes_pointer(o)) {
        memcpy(out, view->buf, sizeof *out);
        *nbytes = SIZE_MAX;
        return 0;
    }
    *out = view->buf;
    *nbytes = (size_t)view->len;
    return 0;
}

/* *nbytes, where asked for: the length of a buffer, the size of a record; SIZE_MAX, not known, of everything else. */
int cubind_pointer(PyObject *o, cu_frame *fr, int writable, void **out, size_t *nbytes) {
    size_t unused;
    if (!nbytes) nbytes = &unused;
    size_t address;
    if (cu_plain_u64(o, &address)) {
        *out = (void *)address;
        *nbytes = SIZE_MAX;
        return 0;
    }
    static PyObject *array_type; /* a class whose objects were found to be buffers and no numbers; with the GIL */
    if ((PyObject *)Py_TYPE(o) == array_type) return buffer_address(o, fr, writable, out, nbytes);
    if (PyObject_CheckBuffer(o) && !cubind_is_scalar_index(o)) {
#ifndef Py_GIL_DISABLED
        PyObject *before = array_type;
        array_type = Py_NewRef((PyObject *)Py_TYPE(o));
        Py_XDECREF(before);
#endif
        return buffer_address(o, fr, writable, out, nbytes);
    }
    int found = plain_address(o, out, nbytes);
    if (found) return found < 0 ? -1 : 0;
    return cubind_expected(o, "an address (int), None, a handle, a record or an object with the buffer protocol");
}

int cubind_record_arg(PyObject *o, cu_module *m, int index, int nullable, void **out) {
    PyTypeObject *class = m->records[index];
    if (CU_LIKELY(class != NULL && Py_TYPE(o) == class)) {
        *out = ((cu_record *)o)->ptr;
        return 0;
    }
    if (o == Py_None && nullable) {
        *out = NULL;
        return 0;
    }
    if (cubind_is_record(o)) { /* the class may exist, made by another module, but not be known in this one yet */
        class = cubind_record_type(m, index);
        if (!class) return -1;
        if (PyType_IsSubtype(Py_TYPE(o), class)) {
            *out = ((cu_record *)o)->ptr;
            return 0;
        }
    } else if (cubind_is_scalar_index(o)) {
        uint64_t address;
        if (cubind_index(o, 8 * sizeof(void *), 0, &address)) return -1;
        *out = (void *)(uintptr_t)address;
        return 0;
    }
    return cubind_expected(o, nullable ? "%s, an address (int) or None" : "%s or an address (int)",
                           m->record_specs[index].name);
}

/* `o` is NULL or None: all of the array.  `have` is the array's length, SIZE_MAX when only its address is known. */
int cubind_count(PyObject *o, size_t have, const char *array_name, size_t *out) {
    size_t wanted;
    if (!o || o == Py_None) {
        if (have == SIZE_MAX) {
            PyErr_Format(PyExc_ValueError, "a number is needed, because the length of '%s' is not known", array_name);
            return -1;
        }
        *out = have;
        return 0;
    }
    if (!cu_plain_u64(o, &wanted) && cubind_index(o, 8 * sizeof(size_t), 0, &wanted)) return -1;
    if (have != SIZE_MAX && wanted > have) {
        PyErr_Format(PyExc_ValueError, "%zu is more than the %zu element%s of '%s'", wanted, have, have == 1 ? "" : "s",
                     array_name);
        return -1;
    }
    *out = wanted;
    return 0;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* The text belongs to the str or bytes itself, so no path object is taken: what os.fspath gives would not live. */
int cubind_string(PyObject *o, int nullable, const char **out) {
    const char *text;
    Py_ssize_t len;
    if (PyUnicode_Check(o)) {
        if (!(text = PyUnicode_AsUTF8AndSize(o, &len))) return -1;
    } else if (PyBytes_Check(o)) {
        text = PyBytes_AsString(o);
        len = PyBytes_Size(o);
    } else if (o == Py_None && nullable) {
        *out = NULL;
        return 0;
    } else if (PyObject_HasAttrString((PyObject *)Py_TYPE(o), "__fspath__")) {
        PyObject *name = cubind_type_text(o);
        if (name) PyErr_Format(PyExc_TypeError, "expected str or bytes, not %U; pass os.fspath(path)", name);
        Py_XDECREF(name);
        return -1;
    } else {
        return cubind_expected(o, nullable ? "str, bytes or None" : "str or bytes");
    }
    if (memchr(text, 0, (size_t)len)) {
        PyErr_SetString(PyExc_ValueError, "the text contains a NUL character, which ends a C string");
        return -1;
    }
    *out = text;
    return 0;
}

/* Text for people (names, messages): bytes that are not UTF-8 are replaced rather than fatal. */
PyObject *cubind_cstring(const char *s) {
    if (!s) return Py_NewRef(Py_None);
    return PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace");
}

PyObject *cubind_text(const char *s, size_t n, int raw) {
    if (raw) return PyBytes_FromStringAndSize(s, (Py_ssize_t)n);
    const char *end = memchr(s, 0, n);
    return PyUnicode_DecodeUTF8(s, end ? end - s : (Py_ssize_t)n, "replace");
}

PyObject *cubind_tuple(int n, PyObject **items) {
    int complete = 1;
    for (int i = 0; i < n; i++) complete &= items[i] != NULL;
    PyObject *tuple = complete ? PyTuple_New(n) : NULL;
    for (int i = 0; i < n; i++) {
        if (tuple)
            PyTuple_SetItem(tuple, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    return tuple;
}
