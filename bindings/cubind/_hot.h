/* The hot paths of generated code: an exact type test and a load, inline.  Whatever is unusual goes to a cold function of the
 * core.  Part of _core.h, which includes it last.
 */
#ifndef CUBIND_HOT_H
#define CUBIND_HOT_H

/* The value of an int of at most 60 bits, not negative, without a call; 0 where it is another one.  `o` is an int, of whatever
 * class. */
static inline int cu_digits(PyObject *o, uint64_t *out) {
    const char *behind = (const char *)o + sizeof(PyObject);
    uint64_t word, digits;
    uint32_t digit;
    memcpy(&word, behind, sizeof word);
    if (CU_LIKELY(word == cu_words.one)) {
        memcpy(&digit, behind + sizeof word, sizeof digit);
        *out = digit;
        return 1;
    }
    if (word == cu_words.zero) {
        *out = 0;
        return 1;
    }
    if (word != cu_words.two) return 0;
    memcpy(&digits, behind + sizeof word, sizeof digits);
    *out = PY_BIG_ENDIAN ? digits >> 32 | (digits & UINT32_MAX) << 30 : (uint32_t)digits | digits >> 32 << 30;
    return 1;
}
static inline int cu_quick(PyObject *o, uint64_t *out) {
    return PyLong_CheckExact(o) && cu_digits(o, out);
}

static inline int cu_to_i32(PyObject *o, int *out) {
    uint64_t quick;
    if (CU_LIKELY(cu_quick(o, &quick) && quick <= INT32_MAX)) {
        *out = (int)quick;
        return 0;
    }
    long v = PyLong_AsLong(o);
    if (CU_UNLIKELY(v == -1) && PyErr_Occurred()) {
        PyErr_Clear(); /* what is no int, or too large: one place words the error */
        return cu->index(o, 32, 1, out);
    }
    if (CU_UNLIKELY(v != (int)v)) return cu->overflow("int", o);
    *out = (int)v;
    return 0;
}
static inline int cu_to_i64(PyObject *o, long long *out) {
    uint64_t quick;
    if (CU_LIKELY(cu_quick(o, &quick))) {
        *out = (long long)quick;
        return 0;
    }
    long long v = PyLong_AsLongLong(o);
    if (CU_UNLIKELY(v == -1) && PyErr_Occurred()) {
        PyErr_Clear();
        return cu->index(o, 64, 1, out);
    }
    *out = v;
    return 0;
}
/* An exact int that is an address or another 64-bit number; 0 otherwise.  PyLong_AsUnsignedLongLong takes six times as
 * long for what has more than 30 bits, which addresses have. */
static inline int cu_plain_u64(PyObject *o, size_t *out) {
    uint64_t quick;
    if (CU_UNLIKELY(!PyLong_CheckExact(o))) return 0;
    if (CU_LIKELY(cu_digits(o, &quick))) {
        *out = (size_t)quick;
        return 1;
    }
    *out = PyLong_AsSize_t(o);
    if (CU_LIKELY(*out != (size_t)-1)) return 1;
    PyErr_Clear();
    return 0;
}
static inline int cu_to_u32(PyObject *o, unsigned *out) {
    uint64_t quick;
    if (CU_LIKELY(cu_quick(o, &quick) && quick <= UINT32_MAX)) {
        *out = (unsigned)quick;
        return 0;
    }
    if (CU_LIKELY(PyLong_CheckExact(o))) {
        unsigned long v = PyLong_AsUnsignedLong(o);
        if (CU_LIKELY(v <= UINT32_MAX)) {
            *out = (unsigned)v;
            return 0;
        }
        PyErr_Clear();
    }
    return cu->index(o, 32, 0, out);
}
static inline int cu_to_u64(PyObject *o, unsigned long long *out) {
    size_t v;
    if (CU_LIKELY(cu_plain_u64(o, &v))) {
        *out = v;
        return 0;
    }
    return cu->index(o, 64, 0, out);
}
static inline int cu_to_f64(PyObject *o, double *out) {
    double v = PyFloat_AsDouble(o);
    if (CU_UNLIKELY(v == -1.0) && PyErr_Occurred()) return -1;
    *out = v;
    return 0;
}
static inline int cu_to_handle(PyObject *o, cu_module *m, int index, void **out) {
    if (CU_LIKELY(Py_TYPE(o) == m->handles[index])) {
        *out = ((cu_handle *)o)->ptr;
        return 0;
    }
    return cu->handle_slow(o, m, index, out);
}
static inline PyObject *cu_from_enum(cu_module *m, int index, int64_t value) {
    const cu_enum *e = &m->enums[index];
    uint64_t i = (uint64_t)value - (uint64_t)e->lo;
    if (CU_LIKELY(i < e->n_dense && e->dense[i] != NULL)) return Py_NewRef(e->dense[i]);
    return cu->enum_member(m, index, value);
}
/* Any 32-bit value, signed or not: enums are open.  The usual argument is a member of the enum itself. */
static inline int cu_to_enum(PyObject *o, cu_module *m, int index, int *out) {
    uint64_t quick;
    if (CU_LIKELY((PyObject *)Py_TYPE(o) == m->enums[index].type || PyLong_CheckExact(o)) && cu_digits(o, &quick) &&
        quick <= UINT32_MAX) {
        *out = (int)(unsigned)quick;
        return 0;
    }
    long long v = PyLong_AsLongLong(o);
    if (CU_UNLIKELY(v == -1) && PyErr_Occurred()) return -1;
    if (CU_UNLIKELY(v < INT32_MIN || v > (long long)UINT32_MAX)) return cu->overflow("enum", o);
    *out = (int)(unsigned)v;
    return 0;
}
static inline int cu_to_pointer(PyObject *o, cu_frame *fr, int writable, void **out) {
    size_t v, nbytes;
    if (cu_plain_u64(o, &v)) {
        *out = (void *)v;
        return 0;
    }
    if (o == Py_None) {
        *out = NULL;
        return 0;
    }
    return cu->pointer(o, fr, writable, out, &nbytes);
}
static inline PyObject *cu_optional(PyObject *o) {
    return o ? o : Py_None;
}
static inline cu_type cu_t(int kind, int aux) {
    cu_type t = {(uint8_t)kind, (int16_t)aux};
    return t;
}
static inline size_t cu_min(size_t a, size_t b) {
    return a < b ? a : b;
}
static inline size_t cu_divide(unsigned long long a, unsigned long long b) {
    return b ? (size_t)(a / b + (a % b != 0)) : 0;
}
/* What several arrays say about the count they share: the shortest wins, NULL says nothing. */
static inline size_t cu_have(size_t have, const void *array, size_t len, size_t less) {
    if (array == NULL) return have;
    if (len == SIZE_MAX) return have == CU_NO_ARRAY ? SIZE_MAX : have;
    len += less;
    return len < have || have == SIZE_MAX ? len : have;
}
static inline int cu_count(PyObject *o, size_t have, size_t width, const char *arrays, size_t *out) {
    if (have == CU_NO_ARRAY) {
        if (o == Py_None) {
            *out = 0;
            return 0;
        }
        have = SIZE_MAX;
    }
    if (cu->count(o, have, arrays, out)) return -1;
    if (CU_UNLIKELY(width == 4 && *out > INT32_MAX)) return cu->overflow("int", o);
    return 0;
}
static inline int cu_at_least(const void *array, size_t len, size_t need) {
    if (CU_LIKELY(array == NULL || len >= need)) return 0;
    PyErr_Format(PyExc_ValueError, "%zu elements are needed, there are %zu", need, len);
    return -1;
}
/* Zeroed room for n elements in the frame; NULL for none. */
static inline int cu_room(cu_frame *fr, long long n, size_t size, void **out) {
    *out = NULL;
    if (n == 0) return 0;
    if (n < 0 || (unsigned long long)n > (unsigned long long)PTRDIFF_MAX / size) {
        PyErr_Format(PyExc_ValueError, "there cannot be %lld elements", n);
        return -1;
    }
    *out = cu->frame_alloc(fr, (size_t)n * size);
    return *out ? 0 : -1;
}
static inline int cu_either(PyObject *o, cu_module *m, int handle, int yes, int no) {
    return Py_TYPE(o) == m->handles[handle] ? yes : no;
}
static inline char *cu_text_copy(const char *text, size_t n) { /* with the NUL that the original may lack; free() it */
    char *copy = text ? malloc(n + 1) : NULL;
    if (copy) {
        memcpy(copy, text, n);
        copy[n] = 0;
    }
    return copy;
}
static inline void cu_drop(cu_callback *cb) {
    if (cb) cu->callback_drop(cb);
}
static inline PyObject *cu_none(void) {
    return Py_NewRef(Py_None);
}
static inline void cu_frame_begin(cu_frame *fr) {
    fr->blocks = NULL;
    fr->refs = NULL;
    fr->n_buffers = 0;
    fr->used = 0;
}
static inline void cu_frame_end(cu_frame *fr) {
    if (CU_UNLIKELY(fr->n_buffers != 0 || fr->blocks != NULL || fr->refs != NULL)) cu->frame_end(fr);
}

#endif
