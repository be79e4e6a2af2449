/* The arguments of a launch, packed into one block of memory at the offsets that the kernel has them.
 *
 * Here are the common exact types, without a call more than needed; values.c has all others.
 */
#include <float.h>
#include <stdarg.h>
#include "launch.h"

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

/* 1 if it was one of the common values, 0 for pack_value to look closer. */
static inline int pack_common(char *to, PyObject *o, const parameter *p, stream_object *s) {
    const context_object *c = s->context;
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PyLong_Type) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (UNLIKELY(overflow || (p->kind != ANY && p->kind != SIGNED && v < 0) || p->kind == FLOAT ||
                     p->kind == BRAIN))
            return 0;
        if (p->size == 8) {
            memcpy(to, &v, 8);
        } else if (p->size == 4 && v >= INT32_MIN && v <= (p->kind == SIGNED ? INT32_MAX : UINT32_MAX)) {
            memcpy(to, &(int32_t){(int32_t)v}, 4);
        } else {
            return 0;
        }
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
        buffer_object *b = (buffer_object *)o;
        if (UNLIKELY(p->size != 8 || b->context != c || !(b->flags & BY_DEVICE) || p->kind == FLOAT || b->closed ||
                     (b->root && b->root->closed)))
            return 0;
        memcpy(to, &b->pointer, 8);
    } else if (type == Array_type) {
        array_object *a = (array_object *)o;
        if (UNLIKELY(p->size != 8 || a->context != c || !(a->flags & BY_DEVICE) || p->kind == FLOAT ||
                     (a->buffer && (a->buffer->closed || (a->buffer->root && a->buffer->root->closed)))))
            return 0;
        if (!a->read_only) array_ready_in(a, s);
        memcpy(to, &a->pointer, 8);
    } else {
        return 0;
    }
    return 1;
}

int pack_one(place *p, PyObject *o) {
    const parameter as = {0, p->size, p->kind};
    return p->size && pack_common(p->to, o, &as, p->stream) ? 0 : pack_value(p, o);
}

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
