/* Packing of one kernel parameter: a Python value to the bytes that the launch copies. */
#include "_launch.h"
#include <math.h>

static int use_word(cu_packer *p, Py_ssize_t i, uint64_t word) {
    p->words[i] = word;
    p->pointers[i] = &p->words[i];
    return 0;
}

static int wrong_size(PyObject *o, size_t have, uint32_t want) {
    PyObject *name = cubind_type_text(o);
    if (name)
        PyErr_Format(PyExc_TypeError, "the kernel's parameter has %u byte%s, but this %U has %zu", (unsigned)want,
                     want == 1 ? "" : "s", name, have);
    Py_XDECREF(name);
    return -1;
}

/* A number whose size nobody knows, or that has no form of this size. */
static int no_form(PyObject *o, uint32_t size) {
    PyObject *name = cubind_type_text(o);
    if (!name) return -1;
    if (size == CU_SIZE_UNKNOWN)
        PyErr_Format(PyExc_TypeError,
                     "the driver does not tell the parameter sizes of this kernel; pass a ctypes or "
                     "NumPy scalar instead of %U, or (values, types)",
                     name);
    else
        PyErr_Format(PyExc_TypeError, "the kernel's parameter has %u bytes, which a value of type %U cannot fill",
                     (unsigned)size, name);
    Py_DECREF(name);
    return -1;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static int int_does_not_fit(PyObject *o, uint32_t size) {
    int bits = 8 * (int)size;
    PyObject *text = PyObject_Str(o);
    if (!text) {
        PyErr_Clear();
        text = PyUnicode_FromString("an integer of thousands of digits");
    }
    if (text)
        PyErr_Format(PyExc_OverflowError, "%.80U does not fit in %d bits (%lld to %llu)", text, bits,
                     (long long)(INT64_MIN >> (64 - bits)), (unsigned long long)(UINT64_MAX >> (64 - bits)));
    Py_XDECREF(text);
    return -1;
}

/* Signed or unsigned, the kernel knows: both ranges are accepted. */
static int pack_int(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    if (size != 1 && size != 2 && size != 4 && size != 8) return no_form(o, size);
    int overflow, bits = 8 * (int)size;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow > 0 && size == 8) {
        uint64_t u = PyLong_AsUnsignedLongLong(o);
        if (!PyErr_Occurred()) return use_word(p, i, u);
        PyErr_Clear();
    }
    if (overflow || v < INT64_MIN >> (64 - bits) || (v > 0 && (uint64_t)v > UINT64_MAX >> (64 - bits)))
        return int_does_not_fit(o, size);
    switch (size) { /* by width, so that the bytes lie first whatever the byte order */
    case 1: *(uint8_t *)&p->words[i] = (uint8_t)v; break;
    case 2: *(uint16_t *)&p->words[i] = (uint16_t)v; break;
    case 4: *(uint32_t *)&p->words[i] = (uint32_t)v; break;
    default: p->words[i] = (uint64_t)v;
    }
    p->pointers[i] = &p->words[i];
    return 0;
}

/* IEEE binary16, rounded to nearest even; 0 if the value is too large.  By way of the bits of the double: exact. */
static int to_half(double v, uint16_t *out) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    if (isnan(v) || isinf(v)) {
        *out = sign | (isnan(v) ? 0x7e00 : 0x7c00);
        return 1;
    }
    int exponent;
    (void)frexp(v, &exponent);                               /* |v| = fraction * 2**exponent, 0.5 <= fraction < 1 */
    if (v == 0 || exponent < -13) exponent = -13;            /* subnormals: the units of the smallest normals */
    double units = nearbyint(ldexp(fabs(v), 11 - exponent)); /* 11 significant bits; the default rounding is to even */
    uint32_t bits = (uint32_t)units + (uint32_t)(exponent + 13) * 1024u; /* a carry moves into the exponent by itself */
    if (bits >= 0x7c00) return 0;
    *out = (uint16_t)(sign | bits);
    return 1;
}

/* `bytes` bytes of a floating-point number at `to`; -1 with an error if it is too large. */
static int write_float(void *to, double v, uint32_t bytes) {
    float single = (float)v;
    uint16_t half;
    if (bytes == 8) {
        memcpy(to, &v, 8);
    } else if (bytes == 4 && (!isinf(single) || isinf(v))) {
        memcpy(to, &single, 4);
    } else if (bytes == 2 && to_half(v, &half)) {
        memcpy(to, &half, 2);
    } else {
        PyErr_Format(PyExc_OverflowError, "the value is too large for a floating-point number of %u bits",
                     8 * (unsigned)bytes);
        return -1;
    }
    return 0;
}

static int pack_float(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    double v = PyFloat_AsDouble(o);
    if (v == -1.0 && PyErr_Occurred()) return -1;
    if (size != 2 && size != 4 && size != 8) return no_form(o, size);
    p->pointers[i] = &p->words[i];
    return write_float(&p->words[i], v, size);
}

static int pack_complex(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    if (size != 8 && size != 16) return no_form(o, size);
    char *to = cubind_frame_alloc(p->fr, 16);
    if (!to || write_float(to, PyComplex_RealAsDouble(o), size / 2)) return -1;
    p->pointers[i] = to;
    return write_float(to + size / 2, PyComplex_ImagAsDouble(o), size / 2);
}

/* ---- values that know their size --------------------------------------------------------------------------------- */

static int pack_address(cu_packer *p, Py_ssize_t i, PyObject *o, void *address, uint32_t size) {
    if (size != sizeof(void *) && size != CU_SIZE_UNKNOWN) return wrong_size(o, sizeof(void *), size);
    return use_word(p, i, (uint64_t)(uintptr_t)address);
}

static int pack_record(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    cu_record *r = (cu_record *)o;
    if (size != r->spec->size && size != CU_SIZE_UNKNOWN) return wrong_size(o, r->spec->size, size);
    p->pointers[i] = r->ptr;
    return cubind_frame_keep(p->fr, o);
}

static int pack_buffer(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    Py_buffer *view = cubind_frame_buffer(p->fr);
    if (!view || cubind_buffer(o, PyBUF_SIMPLE, view)) return -1;
    if ((size_t)view->len != size && size != CU_SIZE_UNKNOWN) return wrong_size(o, (size_t)view->len, size);
    p->pointers[i] = view->buf;
    return 0;
}

/* ---- values without a declared type ------------------------------------------------------------------------------ */

/* `o` is alive while Python code runs.  NumPy's scalars are buffers first: some of them are Python floats as well. */
static int pack_slowly(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    if (o == Py_None) return pack_address(p, i, o, NULL, size);
    if (PyBool_Check(o)) return size == CU_SIZE_UNKNOWN ? no_form(o, size) : pack_int(p, i, o, size);
    if (cubind_is_handle(o)) {
        p->handle = Py_TYPE(o);
        return pack_address(p, i, o, ((cu_handle *)o)->ptr, size);
    }
    if (cubind_is_record(o)) return pack_record(p, i, o, size);
    if (PyObject_CheckBuffer(o)) return pack_buffer(p, i, o, size);
    if (PyLong_Check(o)) return pack_int(p, i, o, size);
    if (PyFloat_Check(o)) return pack_float(p, i, o, size);
    if (PyComplex_Check(o)) return pack_complex(p, i, o, size);
    if (PyIndex_Check(o)) {
        PyObject *number = PyNumber_Index(o);
        int failed = !number || pack_int(p, i, number, size);
        Py_XDECREF(number);
        return failed ? -1 : 0;
    }
    return cubind_expected(o, "a number, a handle, a record, None or an object with the buffer protocol");
}

int cubind_pack_value(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    Py_INCREF(o); /* a list may lose it to Python code that packing runs */
    int failed = pack_slowly(p, i, o, size);
    Py_DECREF(o);
    return failed;
}

/* ---- values with a declared type: ctypes' classes ---------------------------------------------------------------- */

enum { TYPED_INT, TYPED_FLOAT, TYPED_POINTER, TYPED_BOOL, TYPED_CHAR };

typedef struct typed {
    PyObject *type;
    int64_t min, max; /* integers: the range that needs no second look */
    uint8_t what, size, is_signed;
} typed;

/* A class's place in the table follows from its address, and from a factor for which no two classes have the same place.
 * Filled once, with the GIL.  The classes are immortal from then on. */
enum { TYPED_BITS = 6 };
static typed typed_table[1 << TYPED_BITS];
static const typed no_typed;
static uint64_t typed_factor;
static int typed_ready;

static inline size_t typed_place(const PyObject *type) {
    return (size_t)((uintptr_t)type * typed_factor >> (64 - TYPED_BITS));
}
static inline const typed *typed_of(const PyObject *type) {
    const typed *t = &typed_table[typed_place(type)];
    return CU_LIKELY(t->type == type) ? t : &no_typed;
}

static int place_all(const typed *all, size_t n) {
    memset(typed_table, 0, sizeof typed_table);
    for (size_t i = 0; i < n; i++) {
        typed *t = &typed_table[typed_place(all[i].type)];
        if (t->type && t->type != all[i].type) return 0;
        *t = all[i]; /* of two names of one class the last: c_longlong of c_long */
    }
    return 1;
}

static int fill_typed_table(void) {
    static const struct {
        const char *name;
        uint8_t what, size, is_signed;
    } known[] = {
        {"c_byte", TYPED_INT, 1, 1},
        {"c_ubyte", TYPED_INT, 1, 0},
        {"c_short", TYPED_INT, 2, 1},
        {"c_ushort", TYPED_INT, 2, 0},
        {"c_int", TYPED_INT, 4, 1},
        {"c_uint", TYPED_INT, 4, 0},
        {"c_long", TYPED_INT, sizeof(long), 1},
        {"c_ulong", TYPED_INT, sizeof(long), 0},
        {"c_longlong", TYPED_INT, 8, 1},
        {"c_ulonglong", TYPED_INT, 8, 0},
        {"c_float", TYPED_FLOAT, 4, 1},
        {"c_double", TYPED_FLOAT, 8, 1},
        {"c_void_p", TYPED_POINTER, 8, 0},
        {"c_bool", TYPED_BOOL, 1, 0},
        {"c_char", TYPED_CHAR, 1, 0},
    };
    typed all[sizeof known / sizeof known[0]];
    PyObject *ctypes = PyImport_ImportModule("ctypes");
    for (size_t i = 0; ctypes && i < sizeof known / sizeof known[0]; i++) {
        PyObject *type = PyObject_GetAttrString(ctypes, known[i].name);
        if (!type) break;
        int bits = 8 * known[i].size;
        int64_t max = known[i].is_signed ? INT64_MAX >> (64 - bits) : bits == 64 ? INT64_MAX : ((int64_t)1 << bits) - 1;
        all[i] =
            (typed){type, known[i].is_signed ? -max - 1 : 0, max, known[i].what, known[i].size, known[i].is_signed};
    }
    Py_XDECREF(ctypes);
    if (PyErr_Occurred()) return -1;
    typed_factor = 0x9e3779b97f4a7c15;
    while (!place_all(all, sizeof all / sizeof all[0])) typed_factor += 0x9e3779b97f4a7c16; /* every third one fits */
    typed_ready = 1;
    return 0;
}

static int typed_number(cu_packer *p, Py_ssize_t i, PyObject *o, const typed *t) {
    p->pointers[i] = &p->words[i];
    if (t->what == TYPED_INT) return cubind_index(o, 8 * t->size, t->is_signed, &p->words[i]);
    if (t->what == TYPED_FLOAT) {
        double v = PyFloat_AsDouble(o);
        if (v == -1.0 && PyErr_Occurred()) return -1;
        return write_float(&p->words[i], v, t->size);
    }
    if (t->what == TYPED_CHAR && PyBytes_Check(o) && PyBytes_Size(o) == 1) {
        *(char *)&p->words[i] = *PyBytes_AsString(o);
        return 0;
    }
    if (t->what == TYPED_CHAR) return cubind_index(o, 8, 0, &p->words[i]);
    int truth = PyObject_IsTrue(o);
    *(uint8_t *)&p->words[i] = truth > 0;
    return truth < 0 ? -1 : 0;
}

static int typed_slowly(cu_packer *p, Py_ssize_t i, PyObject *o, PyObject *type, const typed *t, uint32_t size) {
    if (!PyType_Check(type)) {
        cubind_expected(type, "a class of ctypes or None");
        cubind_prefix_error("its type: ");
        return -1;
    }
    if (PyType_IsSubtype(Py_TYPE(o), (PyTypeObject *)type)) return cubind_pack_value(p, i, o, size);
    if (t->type && size != CU_SIZE_UNKNOWN && size != t->size) {
        PyErr_Format(PyExc_TypeError, "the kernel's parameter has %u byte%s, but %R has %d", (unsigned)size,
                     size == 1 ? "" : "s", type, t->size);
        return -1;
    }
    if (t->type && t->what != TYPED_POINTER) return typed_number(p, i, o, t);
    void *address;
    int found = t->type ? cubind_address_of(o, &address) : 0;
    if (found > 0) return use_word(p, i, (uint64_t)(uintptr_t)address);
    if (found == 0) cubind_expected(o, "%R", type);
    return -1;
}

/* 1 if it was one of the common values, 0 for typed_slowly to look closer. */
static inline int typed_fast(cu_packer *p, Py_ssize_t i, PyObject *o, const typed *t, uint32_t size) {
    uint64_t *word = &p->words[i];
    if (CU_UNLIKELY(t->size != size && size != CU_SIZE_UNKNOWN)) return 0;
    if (PyLong_CheckExact(o) && (t->what == TYPED_INT || t->what == TYPED_POINTER)) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (CU_UNLIKELY(overflow || v < t->min || v > t->max)) return 0;
        *word = (uint64_t)v << (PY_LITTLE_ENDIAN ? 0 : 64 - 8 * t->size); /* the bytes of the number come first */
    } else if (PyFloat_CheckExact(o) && t->what == TYPED_FLOAT) {
        double v = PyFloat_AsDouble(o);
        if (t->size == 8)
            memcpy(word, &v, 8);
        else if (v >= -FLT_MAX && v <= FLT_MAX)
            memcpy(word, &(float){(float)v}, 4);
        else
            return 0;
    } else {
        return 0;
    }
    p->pointers[i] = word;
    return 1;
}

static CU_COLD int pack_one_typed(cu_packer *p, Py_ssize_t i, PyObject *o, PyObject *type, const typed *t,
                                  uint32_t size) {
    if (type == Py_None) return cu_pack_fast(p, i, o, size) ? 0 : cubind_pack_value(p, i, o, size);
    Py_INCREF(o); /* lists may lose both to Python code that packing runs */
    Py_INCREF(type);
    int failed = typed_slowly(p, i, o, type, t, size);
    Py_DECREF(type);
    Py_DECREF(o);
    return failed;
}

int cubind_pack_typed(cu_packer *p, PyObject *values, PyObject *types, Py_ssize_t n, const cu_signature *s) {
    PyObject *(*item)(PyObject *, Py_ssize_t) = cu_is_tuple(values) ? PyTuple_GetItem : PyList_GetItem;
    PyObject *(*type_item)(PyObject *, Py_ssize_t) = cu_is_tuple(types) ? PyTuple_GetItem : PyList_GetItem;
    PyObject *const *direct = cu_tuple_items(values), *const *direct_types = cu_tuple_items(types);
    if (CU_UNLIKELY(!typed_ready) && fill_typed_table()) return -1;
    const typed *t = typed_table;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = direct ? direct[i] : item(values, i);
        PyObject *type = direct_types ? direct_types[i] : o ? type_item(types, i) : NULL;
        uint32_t size = s ? s->sizes[i] : CU_SIZE_UNKNOWN;
        if (!type) return -1; /* a list that Python code made shorter */
        if (t->type != type) t = typed_of(type);
        if (CU_LIKELY(t->type != NULL) && typed_fast(p, i, o, t, size)) continue;
        if (pack_one_typed(p, i, o, type, t, size)) {
            cubind_prefix_error("parameter %zd: ", i);
            return -1;
        }
    }
    return 0;
}
