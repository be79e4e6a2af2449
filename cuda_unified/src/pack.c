/* The arguments of a launch, packed into one block of memory at the offsets that the kernel has them.
 *
 * Here are the common exact types, without a call more than needed; values.c has all others.
 */
#include <float.h>
#include <stdarg.h>
#include "launch.h"

#define INLINE inline __attribute__((always_inline)) /* two callers, and the one in the loop matters */

int bad_argument(place *p, PyObject *class, const char *format, ...) {
    va_list values;
    va_start(values, format);
    PyObject *text = PyUnicode_FromFormatV(format, values);
    va_end(values);
    if (text) PyErr_Format(class, "%U(): args[%zd] of %zd: %U", kernel_name(p->kernel), p->i, p->n, text);
    Py_XDECREF(text);
    return -1;
}

int keep(place *p, PyObject *o) {
    if (!*p->kept && !(*p->kept = PyList_New(0))) return -1;
    return PyList_Append(*p->kept, o);
}

static COLD int wrong_count(kernel_object *k, uint32_t want, Py_ssize_t have) {
    PyErr_Format(PyExc_TypeError, "%U() takes %u argument%s, but %zd %s given", kernel_name(k), want,
                 want == 1 ? "" : "s", have, have == 1 ? "was" : "were");
    return -1;
}

/* ---- ints, without a call ---------------------------------------------------------------------------------------------- */

/* The limited API has no way to an int's value but functions that take longer than all the rest of packing.  The word behind an
 * int's header says how many digits of 30 bits it has, and its sign; which words those are is found out from samples when
 * the module is loaded.  Where they do not agree, no int has the words here, and all go the long way. */
static uint64_t no_digits = UINT64_MAX, one_digit = UINT64_MAX, two_digits = UINT64_MAX;
static uint64_t one_kept = UINT64_MAX; /* one digit, of a small int that the interpreter keeps: some mark those */

static inline uint64_t word_of(PyObject *o) {
    uint64_t word;
    memcpy(&word, (const char *)o + sizeof(PyObject), sizeof word);
    return word;
}

/* The value of an exact int from 0 to 2**60 - 1; 0: it is another one, or nobody knows. */
static INLINE int quick_int(PyObject *o, uint64_t *out) {
    const char *digits = (const char *)o + sizeof(PyObject) + sizeof(uint64_t);
    const uint64_t word = word_of(o);
    uint32_t low, high = 0;
    if (word == no_digits) return *out = 0, 1;
    if (word != one_digit && word != one_kept && word != two_digits) return 0;
    memcpy(&low, digits, sizeof low);
    if (word == two_digits) memcpy(&high, digits + sizeof low, sizeof high);
    *out = low | (uint64_t)high << 30;
    return 1;
}

static uint64_t word_of_value(long long value) {
    PyObject *o = PyLong_FromLongLong(value);
    const uint64_t word = o ? word_of(o) : UINT64_MAX;
    Py_XDECREF(o);
    return word;
}

int pack_ready(void) {
    static const long long samples[] = {0,          1,       2,         255,       256,       1000000007,
                                        0x3fffffff, 1 << 30, 1LL << 31, 1LL << 45, 1LL << 59, (1LL << 60) - 1};
    if (sizeof(void *) != 8) return 0;
    no_digits = word_of_value(0), one_kept = word_of_value(1);
    one_digit = word_of_value(100000), two_digits = word_of_value(1LL << 30);
    int agreed = no_digits != one_kept && no_digits != one_digit && no_digits != two_digits && one_kept != two_digits &&
                 one_digit != two_digits;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        PyObject *o = PyLong_FromLongLong(samples[i]);
        uint64_t seen = UINT64_MAX;
        if (!o) return -1;
        agreed &= quick_int(o, &seen) && seen == (uint64_t)samples[i];
        Py_DECREF(o);
    }
    for (int sign = 0; sign < 2; sign++) { /* what is not meant must not look like it */
        const uint64_t other = word_of_value(sign ? -1 : INT64_MAX);
        agreed &= other != no_digits && other != one_digit && other != one_kept && other != two_digits;
    }
    if (word_of_value(-100000) == one_digit || word_of_value(-(1LL << 30)) == two_digits) agreed = 0;
    if (!agreed) no_digits = one_digit = one_kept = two_digits = UINT64_MAX;
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- one argument ------------------------------------------------------------------------------------------------------ */

/* An int that needs no second look. */
static INLINE int pack_int(char *to, PyObject *o, const parameter *p) {
    uint64_t quick;
    int overflow;
    if (UNLIKELY(p->kind == FLOAT || p->kind == BRAIN)) return 0;
    if (LIKELY(quick_int(o, &quick))) {
        if (p->size == 8) return memcpy(to, &quick, 8), 1;
        if (p->size != 4 || quick > (p->kind == SIGNED ? INT32_MAX : UINT32_MAX)) return 0;
        return memcpy(to, &(uint32_t){(uint32_t)quick}, 4), 1;
    }
    const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow || (v < 0 && p->kind != ANY && p->kind != INTEGER && p->kind != SIGNED)) return 0;
    if (p->size == 8) return memcpy(to, &v, 8), 1;
    if (p->size != 4 || v < INT32_MIN || v > (p->kind == SIGNED ? INT32_MAX : UINT32_MAX)) return 0;
    return memcpy(to, &(uint32_t){(uint32_t)v}, 4), 1;
}

static inline int is_closed(const buffer_object *b) {
    return b->closed || (b->root && b->root->closed);
}

/* Memory of the stream's context, for a parameter that a pointer can be. */
static inline int is_plain(const parameter *p, const context_object *c, const context_object *of, unsigned flags) {
    return p->size == 8 && of == c && (flags & BY_DEVICE) && p->kind != FLOAT;
}

/* A scalar of NumPy, of a class that was seen before: its bytes lie in the object. */
static INLINE int pack_inside(char *to, PyObject *o, const parameter *p) {
    const known_type *known = place_of_type(Py_TYPE(o));
    if (known->type != Py_TYPE(o) || !(known->fits & kind_bit(p->kind)) || known->size != p->size) return 0;
    const char *from = (const char *)o + known->where;
    if (p->size == 8)
        memcpy(to, from, 8);
    else if (p->size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, p->size);
    return 1;
}

/* 1 if it was one of the common values, 0 for pack_value to look closer. */
static INLINE int pack_common(char *to, PyObject *o, const parameter *p, stream_object *s) {
    const context_object *c = s->context;
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PyLong_Type) {
        return pack_int(to, o, p);
    } else if (type == &PyFloat_Type) {
        if (UNLIKELY(p->kind != ANY && p->kind != FLOAT)) return 0;
        double v = PyFloat_AsDouble(o);
        if (p->size == 8)
            memcpy(to, &v, 8);
        else if (p->size == 4 && v >= -FLT_MAX && v <= FLT_MAX)
            memcpy(to, &(float){(float)v}, 4);
        else
            return 0;
    } else if (type == Buffer_type) {
        const buffer_object *m = (buffer_object *)o;
        if (UNLIKELY(!is_plain(p, c, m->context, m->flags) || is_closed(m))) return 0;
        memcpy(to, &m->pointer, 8);
    } else if (type == Array_type) {
        array_object *m = (array_object *)o;
        if (UNLIKELY(!is_plain(p, c, m->context, m->flags) || (m->buffer && is_closed(m->buffer)))) return 0;
        if (!m->read_only) array_ready_in(m, s);
        memcpy(to, &m->pointer, 8);
    } else {
        return pack_inside(to, o, p);
    }
    return 1;
}

int pack_one(place *p, PyObject *o) {
    const parameter as = {0, p->size, p->kind};
    return p->size && pack_common(p->to, o, &as, p->stream) ? 0 : pack_value(p, o);
}

/* ---- all of them --------------------------------------------------------------------------------------------------------- */

/* A driver that does not tell the sizes: each value has the size of its own, and a place of its own. */
static COLD int pack_unknown(packed *p, place *at, arguments a) {
    enum { ROOM = 4096 };
    if ((size_t)at->n > MOST_PARAMETER_BYTES / 16) return wrong_count(at->kernel, MOST_PARAMETER_BYTES / 16, at->n);
    p->memory = PyMem_Malloc((size_t)at->n * (sizeof(void *) + ROOM) + 16);
    if (!p->memory) return PyErr_NoMemory(), -1;
    p->block = p->memory;
    p->pointers = (void **)(p->block + (size_t)at->n * ROOM);
    for (at->i = 0; at->i < at->n; at->i++) {
        p->pointers[at->i] = at->to = p->block + at->i * ROOM;
        at->size = 0;
        at->room = ROOM;
        if (pack_value(at, a[at->i])) return -1;
    }
    return 0;
}

static int more_room(packed *p, uint32_t n, uint32_t size) {
    const size_t block = (size + 15u) & ~(size_t)15;
    p->memory = PyMem_Malloc(block + n * sizeof(void *) + 16);
    if (!p->memory) return PyErr_NoMemory(), -1;
    p->block = p->memory;
    p->pointers = (void **)(p->block + block);
    return 0;
}

int pack(packed *p, kernel_object *k, stream_object *s, arguments a, Py_ssize_t n) {
    const parameter_table *t = parameters_of(k, s->context);
    if (UNLIKELY(!t)) return -1;
    p->memory = NULL;
    p->kept = NULL;
    p->pointers = p->own_pointers;
    p->block = p->own_block;
    place at = {.kernel = k, .stream = s, .n = n, .kept = &p->kept};
    if (UNLIKELY(!t->known)) {
        if (!pack_unknown(p, &at, a)) return 0;
        end_packed(p);
        return -1;
    }
    if (UNLIKELY(n != (Py_ssize_t)t->n)) return wrong_count(k, t->n, n);
    if (UNLIKELY((t->n > MOST_ON_STACK || t->size > BLOCK_ON_STACK) && more_room(p, t->n, t->size))) return -1;
    for (uint32_t i = 0; i < t->n; i++) {
        const parameter *one = &t->parameters[i];
        char *to = p->block + one->offset;
        p->pointers[i] = to;
        if (LIKELY(pack_common(to, a[i], one, s))) continue;
        at.i = i;
        at.to = to;
        at.size = at.room = one->size;
        at.kind = one->kind;
        if (UNLIKELY(pack_value(&at, a[i]))) {
            end_packed(p);
            return -1;
        }
    }
    return 0;
}
