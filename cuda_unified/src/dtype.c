/* Types of elements: those that DLPack can name, each one object that is made once (by dtype.py), and records of bytes. */
#include "native.h"
#include "dlpack.h"

PyTypeObject *DType_type;

static dtype_object *common[DLPACK_CODES][8]; /* by code and the logarithm of bits, of one lane */
static PyObject *others;                      /* {code << 24 | bits << 16 | lanes: DType}, the rest */
static PyObject *by_name;

static int is_common(unsigned code, unsigned bits, unsigned lanes) {
    return code < DLPACK_CODES && lanes == 1 && bits && bits <= 128 && !(bits & (bits - 1));
}

static PyObject *key_of(unsigned code, unsigned bits, unsigned lanes) {
    return PyLong_FromUnsignedLong((unsigned long)code << 24 | bits << 16 | lanes);
}

static PyObject *python(const char *function, const char *format, ...) {
    PyObject *module = PyImport_ImportModule("cuda_unified.dtype"), *callee, *args = NULL, *result = NULL;
    callee = module ? PyObject_GetAttrString(module, function) : NULL;
    va_list values;
    va_start(values, format);
    if (callee) args = Py_VaBuildValue(format, values);
    va_end(values);
    if (args) result = PyObject_CallObject(callee, args);
    Py_XDECREF(args);
    Py_XDECREF(callee);
    Py_XDECREF(module);
    return result;
}

dtype_object *dtype_of_code(unsigned code, unsigned bits, unsigned lanes) {
    if (LIKELY(is_common(code, bits, lanes) && common[code][__builtin_ctz(bits)]))
        return common[code][__builtin_ctz(bits)];
    PyObject *key = key_of(code, bits, lanes);
    PyObject *known = key ? PyDict_GetItemWithError(others, key) : NULL;
    Py_XDECREF(key);
    if (known || PyErr_Occurred()) return (dtype_object *)known;
    PyObject *made = python("from_code", "(III)", code, bits, lanes);
    if (made && !is_dtype(made)) PyErr_SetString(PyExc_SystemError, "from_code() made no DType");
    int right = made && is_dtype(made);
    Py_XDECREF(made); /* the table keeps it */
    return right ? (dtype_object *)made : NULL;
}

PyObject *dtype_from(PyObject *o) {
    if (is_dtype(o)) return Py_NewRef(o);
    PyObject *known = PyUnicode_CheckExact(o) ? PyDict_GetItemWithError(by_name, o) : NULL;
    if (known || PyErr_Occurred()) return Py_XNewRef(known);
    PyObject *found = python("resolve", "(O)", o);
    if (!found || is_dtype(found)) return found;
    Py_DECREF(found);
    PyErr_SetString(PyExc_SystemError, "resolve() found no DType");
    return NULL;
}

int same_dtype(const dtype_object *a, const dtype_object *b) {
    if (a == b) return 1;
    if (a->code != DLPACK_OPAQUE || b->code != DLPACK_OPAQUE || a->itemsize != b->itemsize) return 0;
    if (!a->record || !b->record) return a->record == b->record;
    int same = PyObject_RichCompareBool(a->record, b->record, Py_EQ);
    if (same < 0) PyErr_Clear();
    return same == 1;
}

/* make_dtype(name, code, bits, lanes, itemsize, format|None, typestr|None, record|None): known from now on by code and name, a record
 * by neither */
static PyObject *make_dtype(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *name, *format, *typestr, *record;
    unsigned char code, bits;
    unsigned short lanes;
    Py_ssize_t itemsize;
    if (!PyArg_ParseTuple(args, "UbbHnOOO", &name, &code, &bits, &lanes, &itemsize, &format, &typestr, &record))
        return NULL;
    dtype_object *d = new_object(DType_type);
    if (!d) return NULL;
    d->name = Py_NewRef(name);
    d->format = format == Py_None ? NULL : Py_NewRef(format);
    d->typestr = typestr == Py_None ? NULL : Py_NewRef(typestr);
    d->record = record == Py_None ? NULL : Py_NewRef(record);
    d->itemsize = (size_t)itemsize;
    d->code = code;
    d->bits = bits;
    d->lanes = lanes;
    if (code == DLPACK_OPAQUE) return (PyObject *)d;
    PyObject *key = key_of(code, bits, lanes);
    int failed = !key || PyDict_SetItem(others, key, (PyObject *)d) || PyDict_SetItem(by_name, name, (PyObject *)d);
    Py_XDECREF(key);
    if (failed) {
        Py_DECREF((PyObject *)d);
        return NULL;
    }
    if (is_common(code, bits, lanes)) common[code][__builtin_ctz(bits)] = d;
    return (PyObject *)d;
}

static PyObject *dtype_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs) {
    static char *names[] = {"dtype", NULL};
    PyObject *o;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O:DType", names, &o) ? dtype_from(o) : NULL;
}

static void dtype_dealloc(PyObject *self) {
    dtype_object *d = (dtype_object *)self;
    Py_XDECREF(d->name);
    Py_XDECREF(d->format);
    Py_XDECREF(d->typestr);
    Py_XDECREF(d->record);
    delete_object(self);
}

static PyMemberDef members[] = {
    {"name", T_OBJECT, offsetof(dtype_object, name), READONLY, "Its name, the one that NumPy and ml_dtypes use."},
    {"itemsize", T_PYSSIZET, offsetof(dtype_object, itemsize), READONLY, "Bytes of an element."},
    {"code", T_UBYTE, offsetof(dtype_object, code), READONLY, "DLPack's code of the kind; 3 for records."},
    {"bits", T_UBYTE, offsetof(dtype_object, bits), READONLY, "Bits of one lane; 0 for records."},
    {"lanes", T_USHORT, offsetof(dtype_object, lanes), READONLY, "Scalars of an element: 4 for float32x4."},
    {"_format", T_OBJECT, offsetof(dtype_object, format), READONLY, NULL},
    {"_typestr", T_OBJECT, offsetof(dtype_object, typestr), READONLY, NULL},
    {"_record", T_OBJECT, offsetof(dtype_object, record), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_new, dtype_new}, {Py_tp_dealloc, dtype_dealloc}, {Py_tp_members, members}, {0, NULL}};
static PyType_Spec spec = {"cuda_unified._native.DType", sizeof(dtype_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
static PyMethodDef functions[] = {
    {"make_dtype", make_dtype, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int dtype_ready(PyObject *module) {
    others = PyDict_New();
    by_name = PyDict_New();
    DType_type = others && by_name ? add_type(module, &spec, NULL) : NULL;
    return DType_type ? PyModule_AddFunctions(module, functions) : -1;
}
