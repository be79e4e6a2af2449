/* One argument of a launch that is not of the most common types.  What is done with a class of objects is decided once, in
 * _arguments.py, and kept in a table.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include "launch.h"

/* ---- putting ----------------------------------------------------------------------------------------------------------- */

static int put_float(place *p, PyObject *o);

static const char *kind_text(char kind) {
    switch (kind) {
    case POINTER: return "a pointer";
    case INTEGER: return "an integer";
    case SIGNED: return "a signed integer";
    case UNSIGNED: return "an unsigned integer";
    case FLOAT:
    case BRAIN: return "a floating-point number";
    case BOOL: return "a bool";
    case RECORD: return "a class or enumeration";
    default: return "a parameter";
    }
}

static inline int is_one_of(char kind, const char *kinds) {
    return kind == ANY || strchr(kinds, kind) != NULL;
}

/* "expected a pointer of 8 bytes, given float64 of 4"; `size` 0: what was given has none. */
static COLD int unexpected(place *p, PyObject *o, size_t size) {
    char given[48] = "";
    PyObject *name = o == Py_None ? PyObject_Repr(o) : PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__qualname__");
    if (!name) return -1;
    if (size && o != Py_None) snprintf(given, sizeof given, " of %zu byte%s", size, size == 1 ? "" : "s");
    const char *memory =
        p->size == 8 && (p->kind == INTEGER || p->kind == UNSIGNED) ? "memory or " : ""; /* PTX does not tell which */
    bad_argument(p, PyExc_TypeError, "expected %s%s of %u byte%s, given %U%s", memory, kind_text(p->kind), p->size,
                 p->size == 1 ? "" : "s", name, given);
    Py_DECREF(name);
    return -1;
}

static COLD int size_unknown(place *p, PyObject *o) {
    return bad_argument(p, PyExc_TypeError,
                        "the driver does not tell the sizes of this kernel's parameters: give a NumPy or ctypes scalar "
                        "instead of %R",
                        o);
}

static int put_bytes(place *p, PyObject *o, const void *from, size_t size) {
    if (!p->size && size && size <= p->room) p->size = (uint32_t)size;
    if (UNLIKELY(size != p->size)) return unexpected(p, o, size);
    memcpy(p->to, from, size);
    return 0;
}

static int put_pointer(place *p, PyObject *o, uint64_t pointer) {
    if (UNLIKELY((p->size && p->size != 8) || !is_one_of(p->kind, "pnius"))) return unexpected(p, o, 8);
    return put_bytes(p, o, &pointer, 8);
}

static COLD int out_of_range(place *p, PyObject *o) {
    const int bits = 8 * (int)p->size;
    const long long least = is_one_of(p->kind, "nis") ? INT64_MIN >> (64 - bits) : 0;
    const unsigned long long most = p->kind == BOOL ? 1 : UINT64_MAX >> (64 - bits + (p->kind == SIGNED));
    PyObject *text = PyObject_Str(o); /* fails for thousands of digits */
    if (!text) PyErr_Clear();
    bad_argument(p, PyExc_ValueError, "%s of %u byte%s is from %lld to %llu, given %.60V",
                 p->kind == ANY ? "an integer" : kind_text(p->kind), p->size, p->size == 1 ? "" : "s", least, most,
                 text, "an int of thousands of digits");
    Py_XDECREF(text);
    return -1;
}

/* `o` is an int, of whatever class.  Signed or unsigned, the kernel knows: both ranges are taken where its name does not tell. */
static int put_int(place *p, PyObject *o) {
    if (!p->size) return size_unknown(p, o);
    if (p->kind == FLOAT || p->kind == BRAIN) return put_float(p, o);
    if (p->size != 1 && p->size != 2 && p->size != 4 && p->size != 8) return unexpected(p, o, 0);
    const int bits = 8 * (int)p->size, negatives = is_one_of(p->kind, "nis");
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    uint64_t word = (uint64_t)v;
    if (overflow > 0) {
        word = PyLong_AsUnsignedLongLong(o);
        if (PyErr_Occurred())
            PyErr_Clear();
        else
            overflow = 0, v = 0; /* of 64 bits: word has it */
        if (overflow || p->kind == SIGNED || bits < 64) return out_of_range(p, o);
    } else if (overflow || (v < 0 && (!negatives || v < INT64_MIN >> (64 - bits))) ||
               (v > 0 && word > UINT64_MAX >> (64 - bits + (p->kind == SIGNED))) || (p->kind == BOOL && word > 1)) {
        return out_of_range(p, o);
    }
    switch (p->size) {
    case 1: memcpy(p->to, &(uint8_t){(uint8_t)word}, 1); break;
    case 2: memcpy(p->to, &(uint16_t){(uint16_t)word}, 2); break;
    case 4: memcpy(p->to, &(uint32_t){(uint32_t)word}, 4); break;
    default: memcpy(p->to, &word, 8);
    }
    return 0;
}

/* binary16, rounded to nearest even in one step from the double; 0 if it is too large for that. */
static int half_bits(double v, uint16_t *out) {
    const uint16_t sign = signbit(v) ? 0x8000 : 0;
    const double magnitude = fabs(v);
    if (isnan(v)) return *out = sign | 0x7e00, 1;
    if (isinf(v)) return *out = sign | 0x7c00, 1;
    if (magnitude >= 65520) return 0; /* would round to 65536 */
    if (magnitude < 0x1p-14) {        /* in units of the least subnormal; 1024 of them are the least normal */
        *out = sign | (uint16_t)nearbyint(magnitude * 0x1p24);
        return 1;
    }
    int exponent;
    const double fraction =
        frexp(magnitude, &exponent); /* from 0.5 on: 11 significant bits, the first of them implied */
    *out = sign | (uint16_t)((exponent + 13) * 1024 + (int)nearbyint(fraction * 2048));
    return 1;
}

/* bfloat16: the first half of a float, rounded to nearest even in one step from the double. */
static int brain_bits(double v, uint16_t *out) {
    float single = (float)v;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    if (isnan(v)) return *out = (uint16_t)(bits >> 16 | 0x40), 1;
    if (isinf(v)) return *out = (uint16_t)(bits >> 16), 1;
    if ((bits & 0xffff) == 0x8000 && single != v) /* the first rounding made a tie of it: undo that */
        bits += fabs(single) < fabs(v) ? 1 : (uint32_t)-1;
    bits += 0x7fff + (bits >> 16 & 1);
    *out = (uint16_t)(bits >> 16);
    return (*out & 0x7f80) != 0x7f80;
}

static int write_float(place *p, char *to, double v, uint32_t size) {
    const float single = (float)v;
    uint16_t two;
    if (size == 8)
        memcpy(to, &v, 8);
    else if (size == 4 && (!isinf(single) || isinf(v)))
        memcpy(to, &single, 4);
    else if (size == 2 && (p->kind == BRAIN ? brain_bits(v, &two) : half_bits(v, &two)))
        memcpy(to, &two, 2);
    else
        return bad_argument(p, PyExc_ValueError, "a float of %u bytes cannot be that large", size);
    return 0;
}

static int put_float(place *p, PyObject *o) {
    if (!p->size) return size_unknown(p, o);
    if ((p->size != 2 && p->size != 4 && p->size != 8) || !is_one_of(p->kind, "fB")) return unexpected(p, o, 0);
    const double v = PyFloat_AsDouble(o); /* an int too large for that is an OverflowError */
    if (v == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return -1;
        PyErr_Clear();
        return bad_argument(p, PyExc_ValueError, "a float of %u bytes cannot be that large", p->size);
    }
    return write_float(p, p->to, v, p->size);
}

static int put_complex(place *p, PyObject *o) {
    if (!p->size) return size_unknown(p, o);
    if ((p->size != 8 && p->size != 16) || !is_one_of(p->kind, "s")) return unexpected(p, o, 0);
    const uint32_t half = p->size / 2;
    return write_float(p, p->to, PyComplex_RealAsDouble(o), half) ||
                   write_float(p, p->to + half, PyComplex_ImagAsDouble(o), half)
               ? -1
               : 0;
}

/* ---- buffers of this layer --------------------------------------------------------------------------------------------- */

/* Memory of another device is usable where the driver says so (peers, pools that were opened); _arguments.check_reach asks it
 * and answers None, or the class and the text of the error. */
static COLD int check_reach(place *p, PyObject *o, uint64_t pointer) {
    PyObject *module = PyImport_ImportModule("cuda_unified._arguments"), *class, *text;
    PyObject *answer = module ? PyObject_CallMethod(module, "check_reach", "OKO", o, (unsigned long long)pointer,
                                                    (PyObject *)p->stream)
                              : NULL;
    Py_XDECREF(module);
    int failed = !answer || (answer != Py_None &&
                             (!PyArg_ParseTuple(answer, "OO", &class, &text) || bad_argument(p, class, "%S", text)));
    Py_XDECREF(answer);
    return failed ? -1 : 0;
}

/* The memory of an object of this layer, by what it has: `size` 0 is no memory, which is anywhere. */
static int put_memory(place *p, PyObject *o, uint64_t pointer, size_t size, const context_object *c, unsigned flags) {
    if (size && !(flags & BY_DEVICE))
        return bad_argument(p, PyExc_ValueError, "%R is host memory that no device can reach", o);
    const int of_device = c && !(flags & (BY_HOST | IS_MANAGED | IS_PINNED));
    if (of_device && size && c->device != p->stream->context->device && check_reach(p, o, pointer)) return -1;
    return put_pointer(p, o, pointer);
}

static int put_buffer(place *p, buffer_object *b) {
    if (!buffer_usable(b)) return name_argument(p);
    return put_memory(p, (PyObject *)b, b->pointer, b->size, b->context, b->flags);
}

static int put_array(place *p, array_object *a) {
    if (!a->read_only) array_ready_in(a, p->stream);
    if (!array_usable(a)) return name_argument(p);
    return put_memory(p, (PyObject *)a, a->pointer, a->size, a->context, a->flags);
}

/* ---- objects of other classes ------------------------------------------------------------------------------------------ */

/* What _arguments.classify answers; in its order. */
enum how {
    AS_NOTHING,
    AS_INT,
    AS_FLOAT,
    AS_COMPLEX,
    AS_BUFFER,
    AS_INSIDE,
    AS_VIEW,
    AS_HANDLE,
    AS_INDEX,
    AS_PYTHON,
    N_HOWS
};
known_type known_types[KNOWN_TYPES];

/* Whether a value of one kind may be given for a parameter of another.  Typed values are not converted. */
static int kinds_agree(char declared, char given) {
    if (declared == ANY || given == ANY || declared == given || declared == RECORD) return 1;
    const int is_integer = given == SIGNED || given == UNSIGNED;
    if (declared == INTEGER) return is_integer || given == BOOL;
    return is_integer && (declared == SIGNED || declared == UNSIGNED || declared == POINTER);
}

/* Where in an object of this class its value is; where it is elsewhere, the buffer protocol is asked each time. */
static void find_inside(known_type *found, PyObject *o, Py_ssize_t most) {
    Py_buffer view;
    found->how = AS_VIEW;
    if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE)) {
        PyErr_Clear();
        return;
    }
    const char *first = (const char *)o + sizeof(PyObject), *at = view.buf;
    if (view.len > 0 && view.len <= UINT16_MAX && at >= first && at + view.len <= (const char *)o + most) {
        found->how = AS_INSIDE;
        found->size = (uint16_t)view.len;
        found->where = (uint16_t)(at - (const char *)o);
        for (const char *declared = "?pniufbBs"; *declared; declared++)
            if (kinds_agree(*declared, found->kind)) found->fits |= kind_bit(*declared);
    }
    PyBuffer_Release(&view);
}

static known_type *classify(PyObject *o, known_type *slot) {
    PyTypeObject *type = Py_TYPE(o);
    PyObject *module = PyImport_ImportModule("cuda_unified._arguments");
    PyObject *answer = module ? PyObject_CallMethod(module, "classify", "O", (PyObject *)type) : NULL;
    int how, kind;
    Py_ssize_t most;
    Py_XDECREF(module);
    int failed = !answer || !PyArg_ParseTuple(answer, "iCn", &how, &kind, &most) || how < 0 || how >= N_HOWS;
    Py_XDECREF(answer);
    if (failed) return NULL;
    PyTypeObject *before = slot->type;
    *slot = (known_type){(PyTypeObject *)Py_NewRef((PyObject *)type), 0, (unsigned char)how, (char)kind, 0, 0};
    if (how == AS_INSIDE) find_inside(slot, o, most);
    Py_XDECREF((PyObject *)before);
    return slot;
}

static int put_view(place *p, PyObject *o) {
    Py_buffer view;
    if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE)) {
        PyErr_Clear();
        return unexpected(p, o, 0);
    }
    int failed = put_bytes(p, o, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return failed;
}

/* A scalar of NumPy: the value is at the same place in all objects of its class. */
static int put_inside(place *p, PyObject *o, known_type *found) {
    if (!(found->fits & kind_bit(p->kind))) return unexpected(p, o, found->size);
    return put_bytes(p, o, (const char *)o + found->where, found->size);
}

static int put_number(place *p, PyObject *number, int (*put)(place *, PyObject *)) {
    int failed = !number || put(p, number);
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static int put_handle(place *p, PyObject *o) {
    PyObject *number = PyNumber_Long(o);
    const unsigned long long value = number ? PyLong_AsUnsignedLongLong(number) : 0;
    Py_XDECREF(number);
    return PyErr_Occurred() ? -1 : put_pointer(p, o, value);
}

/* _arguments.value_of: bytes, or (pointer, what keeps it); a str is why not, an empty one of what can never be an argument. */
static int put_python(place *p, PyObject *o) {
    PyObject *module = PyImport_ImportModule("cuda_unified._arguments");
    PyObject *value = module ? PyObject_CallMethod(module, "value_of", "OO", o, (PyObject *)p->stream) : NULL;
    Py_XDECREF(module);
    if (!value) return -1;
    int failed;
    if (PyBytes_Check(value)) {
        failed = put_bytes(p, o, PyBytes_AsString(value), (size_t)PyBytes_Size(value));
    } else if (PyUnicode_Check(value)) {
        if (PyUnicode_GetLength(value))
            failed = bad_argument(p, PyExc_TypeError, "%U", value);
        else
            failed = p->size ? unexpected(p, o, 0) : size_unknown(p, o);
    } else {
        unsigned long long pointer;
        PyObject *keeper;
        failed = !PyArg_ParseTuple(value, "KO", &pointer, &keeper) || keep(p, keeper) || put_pointer(p, o, pointer);
    }
    Py_DECREF(value);
    return failed ? -1 : 0;
}

int pack_value(place *p, PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    if (type == &PyLong_Type || type == &PyBool_Type) return put_int(p, o);
    if (type == &PyFloat_Type) return put_float(p, o);
    if (o == Py_None) return put_pointer(p, o, 0);
    if (type == Buffer_type) return put_buffer(p, (buffer_object *)o);
    if (type == Array_type) return put_array(p, (array_object *)o);
    known_type *found = place_of_type(type);
    if (UNLIKELY(found->type != type) && !(found = classify(o, found))) return -1;
    switch ((enum how)found->how) {
    case AS_INT: return put_int(p, o);
    case AS_FLOAT: return put_float(p, o);
    case AS_COMPLEX: return put_complex(p, o);
    case AS_BUFFER: return put_buffer(p, (buffer_object *)o);
    case AS_INSIDE: return put_inside(p, o, found);
    case AS_VIEW: return put_view(p, o);
    case AS_HANDLE: return put_handle(p, o);
    case AS_INDEX: return put_number(p, PyNumber_Index(o), put_int);
    case AS_PYTHON: return put_python(p, o);
    default: return unexpected(p, o, 0);
    }
}
