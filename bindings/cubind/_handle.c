/* Handle classes: CUstream, CUevent ... .  A handle is an opaque pointer that owns nothing; there is one final,
 * immutable class for a C tag in the process, so that driver.CUstream and runtime.cudaStream_t are the same class.
 *
 * All static state in this file is used with the GIL held.
 */
#include "_impl.h"
#include <stdlib.h>

static PyObject *classes;       /* C tag -> class; the classes live as long as the process */
static PyTypeObject *base;      /* Handle: what all the classes have in common; has no instances itself */
static PyObject *protocol_name; /* "__cuda_stream__" */

/* Objects of all handle classes have one size, so one list of free blocks serves them all (linked through `ptr`). */
#ifndef Py_GIL_DISABLED
#define FREE_BLOCKS 64
static cu_handle *free_blocks;
static int n_free_blocks;
#endif

PyObject *cubind_new_handle(PyTypeObject *type, void *ptr) {
    cu_handle *h;
#ifndef Py_GIL_DISABLED
    if (CU_LIKELY(free_blocks != NULL)) {
        h = free_blocks;
        free_blocks = (cu_handle *)h->ptr;
        n_free_blocks--;
    } else
#endif
    {
        h = PyObject_Malloc(sizeof(cu_handle));
        if (!h) return PyErr_NoMemory();
    }
    h->ptr = ptr;
    h->extra = NULL;
    return PyObject_Init((PyObject *)h, type);
}

static void handle_dealloc(PyObject *self) {
    cu_handle *h = (cu_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (CU_UNLIKELY(h->extra != NULL)) free(h->extra);
#ifndef Py_GIL_DISABLED
    if (CU_LIKELY(n_free_blocks < FREE_BLOCKS)) {
        h->ptr = free_blocks;
        free_blocks = h;
        n_free_blocks++;
    } else
#endif
        PyObject_Free(h);
    Py_DECREF(type);
}

/* The classes are final, so whatever is deallocated by handle_dealloc is a handle, and nothing else is. */
static int is_class(PyTypeObject *type) {
    return PyType_GetSlot(type, Py_tp_dealloc) == (void *)handle_dealloc;
}
int cubind_is_handle(PyObject *o) {
    return is_class(Py_TYPE(o));
}

/* ---- Python -> address ------------------------------------------------------------------------------------------- */

static int address_of_int(PyObject *number, void **out) {
    unsigned long long address = PyLong_AsUnsignedLongLong(number);
    if (address == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_Format(PyExc_OverflowError, "%R is not an address", number);
        return -1;
    }
    *out = (void *)(uintptr_t)address;
    return 0;
}

/* What `__cuda_stream__` gave: (version, handle). */
static int address_of_protocol(PyObject *pair, void **out) {
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2 || !PyLong_Check(PyTuple_GetItem(pair, 0)) ||
        !PyLong_Check(PyTuple_GetItem(pair, 1))) {
        PyErr_Format(PyExc_TypeError, "__cuda_stream__ must give a tuple (0, address), not %R", pair);
        return -1;
    }
    long version = PyLong_AsLong(PyTuple_GetItem(pair, 0));
    if (version == -1 && PyErr_Occurred()) PyErr_Clear();
    if (version != 0) {
        PyErr_Format(PyExc_ValueError, "__cuda_stream__ protocol version %S is not supported; only version 0 is",
                     PyTuple_GetItem(pair, 0));
        return -1;
    }
    return address_of_int(PyTuple_GetItem(pair, 1), out);
}

/* 1: `o` had the stream protocol, 0: it had not, -1: error.  It is a method; its first users had a property. */
static int try_protocol(PyObject *o, void **out) {
    PyObject *got = PyObject_GetAttr(o, protocol_name);
    if (!got) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
        PyErr_Clear();
        return 0;
    }
    if (PyCallable_Check(got)) {
        PyObject *pair = PyObject_CallNoArgs(got);
        Py_DECREF(got);
        got = pair;
    }
    if (!got) return -1;
    int failed = address_of_protocol(got, out);
    Py_DECREF(got);
    return failed ? -1 : 1;
}

static int refuse(PyObject *o, PyTypeObject *wanted, int is_stream) {
    PyObject *name = PyType_GetName(wanted);
    if (name) cubind_expected(o, "%U, int%s or None", name, is_stream ? ", an object with __cuda_stream__" : "");
    Py_XDECREF(name);
    return -1;
}

/* Anything but an instance of `wanted` itself.  A bool is refused: it is an int that nobody means as an address.  A
 * handle of another class has no __index__, so that an event is never taken for a stream. */
static int convert(PyObject *o, PyTypeObject *wanted, int is_stream, void **out) {
    if (o == Py_None) {
        *out = NULL;
        return 0;
    }
    if (PyLong_Check(o)) return PyBool_Check(o) ? refuse(o, wanted, is_stream) : address_of_int(o, out);
    if (is_stream) {
        int found = try_protocol(o, out);
        if (found) return found < 0 ? -1 : 0;
    }
    if (!cubind_is_scalar_index(o)) return refuse(o, wanted, is_stream);
    PyObject *number = PyNumber_Index(o);
    if (!number) return -1;
    int failed = address_of_int(number, out);
    Py_DECREF(number);
    return failed;
}

int cubind_handle_slow(PyObject *o, cu_module *m, int index, void **out) {
    size_t address;
    if (cu_plain_u64(o, &address)) {
        *out = (void *)address;
        return 0;
    }
    const cu_handle_spec *spec = &m->handle_specs[index];
    if (spec->also >= 0 && Py_TYPE(o) == m->handles[spec->also]) {
        *out = ((cu_handle *)o)->ptr;
        return 0;
    }
    return convert(o, m->handles[index], spec->is_stream, out);
}

/* ---- the class --------------------------------------------------------------------------------------------------- */

static PyObject *too_many(PyTypeObject *type) {
    PyObject *name = PyType_GetName(type);
    if (name) PyErr_Format(PyExc_TypeError, "%U() takes one positional argument: an address, None or a handle", name);
    Py_XDECREF(name);
    return NULL;
}

static PyObject *construct(PyTypeObject *type, PyObject *args, PyObject *kw, int is_stream) {
    void *address = NULL;
    Py_ssize_t n = PyTuple_Size(args);
    if (CU_UNLIKELY(!is_class(type))) {
        PyErr_SetString(PyExc_TypeError, "Handle itself has no instances; use one of the handle classes");
        return NULL;
    }
    if (CU_UNLIKELY(n > 1 || (kw && PyDict_Size(kw)))) return too_many(type);
    if (n == 1) {
        PyObject *o = PyTuple_GetItem(args, 0);
        if (Py_TYPE(o) == type)
            address = ((cu_handle *)o)->ptr;
        else if (convert(o, type, is_stream, &address))
            return NULL;
    }
    return cubind_new_handle(type, address);
}
/* The same as the interpreter calls it, if it can: with an array of arguments. */
static PyObject *call(PyObject *type, PyObject *const *args, size_t n, PyObject *kwnames, int is_stream) {
    PyTypeObject *class = (PyTypeObject *)type;
    void *address = NULL;
    n &= ~CU_ARGUMENTS_OFFSET;
    if (CU_UNLIKELY(n > 1 || kwnames)) return too_many(class);
    if (n == 1 && Py_TYPE(args[0]) == class)
        address = ((cu_handle *)args[0])->ptr;
    else if (n == 1 && !cu_plain_u64(args[0], (size_t *)&address) && convert(args[0], class, is_stream, &address))
        return NULL;
    return cubind_new_handle(class, address);
}
static PyObject *handle_call(PyObject *type, PyObject *const *args, size_t n, PyObject *kwnames) {
    return call(type, args, n, kwnames, 0);
}
static PyObject *stream_call(PyObject *type, PyObject *const *args, size_t n, PyObject *kwnames) {
    return call(type, args, n, kwnames, 1);
}

static PyObject *handle_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    return construct(type, args, kw, 0);
}
static PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    return construct(type, args, kw, 1);
}

static PyObject *handle_int(PyObject *self) {
    return PyLong_FromVoidPtr(((cu_handle *)self)->ptr);
}
static int handle_bool(PyObject *self) {
    return ((cu_handle *)self)->ptr != NULL;
}

static Py_hash_t handle_hash(PyObject *self) {
    uintptr_t address = (uintptr_t)((cu_handle *)self)->ptr;
    /* the low bits of pointers are 0 */
    Py_hash_t hash = (Py_hash_t)((address >> 4) | (address << (8 * sizeof address - 4)));
    return hash == -1 ? -2 : hash;
}

static PyObject *handle_compare(PyObject *self, PyObject *other, int op) {
    if (Py_TYPE(self) != Py_TYPE(other) || (op != Py_EQ && op != Py_NE)) return Py_NewRef(Py_NotImplemented);
    int equal = ((cu_handle *)self)->ptr == ((cu_handle *)other)->ptr;
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyObject *handle_repr(PyObject *self) {
    PyObject *name = PyType_GetName(Py_TYPE(self)), *text = NULL;
    char address[24];
    PyOS_snprintf(address, sizeof address, "0x%llx", (unsigned long long)(uintptr_t)((cu_handle *)self)->ptr);
    if (name) text = PyUnicode_FromFormat("<%U %s>", name, address);
    Py_XDECREF(name);
    return text;
}

static PyObject *handle_reduce(PyObject *self, PyObject *Py_UNUSED(arg)) {
    PyObject *name = PyType_GetName(Py_TYPE(self));
    if (name) PyErr_Format(PyExc_TypeError, "cannot pickle a %U: a handle means something in this process only", name);
    Py_XDECREF(name);
    return NULL;
}
static PyObject *handle_copy(PyObject *self, PyObject *Py_UNUSED(arg)) {
    return Py_NewRef(self);
}

static PyObject *stream_protocol(PyObject *self, PyObject *Py_UNUSED(arg)) {
    return Py_BuildValue("(iN)", 0, handle_int(self));
}

static PyTypeObject *make_class(const cu_handle_spec *spec) {
    static PyMethodDef stream_methods[] = {
        {"__cuda_stream__", stream_protocol, METH_NOARGS,
         "__cuda_stream__($self)\n--\n\n(0, address): the stream protocol."},
        {NULL, NULL, 0, NULL},
    };
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)handle_dealloc},
        {spec->is_stream ? Py_tp_new : 0, (void *)stream_new},
        {Py_tp_methods, stream_methods},
        {0, NULL},
    };
    char name[200]; /* CPython 3.11 and later copy it */
    PyOS_snprintf(name, sizeof name, "%s.%s", spec->module, spec->name);
    PyType_Spec type = {name, sizeof(cu_handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
    PyTypeObject *made = (PyTypeObject *)PyType_FromSpecWithBases(&type, (PyObject *)base);
    if (made) cubind_set_vectorcall(made, spec->is_stream ? stream_call : handle_call);
    return made;
}

PyTypeObject *cubind_handle_type(const cu_handle_spec *spec) {
    PyObject *found = PyDict_GetItemString(classes, spec->tag);
    if (found) return (PyTypeObject *)found;
    PyTypeObject *made = make_class(spec);
    if (!made) return NULL;
    int failed = PyDict_SetItemString(classes, spec->tag, (PyObject *)made);
    Py_DECREF(made); /* the dict keeps it */
    return failed ? NULL : made;
}

static int make_base(void) {
    static PyMethodDef methods[] = {
        {"__reduce__", handle_reduce, METH_NOARGS, NULL},
        {"__copy__", handle_copy, METH_NOARGS, NULL},
        {"__deepcopy__", handle_copy, METH_O, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)handle_new},   {Py_tp_repr, (void *)handle_repr},
        {Py_tp_hash, (void *)handle_hash}, {Py_tp_richcompare, (void *)handle_compare},
        {Py_nb_int, (void *)handle_int},   {Py_nb_bool, (void *)handle_bool},
        {Py_tp_methods, methods},          {0, NULL},
    };
    PyType_Spec spec = {"cubind._core.Handle", sizeof(cu_handle), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_BASETYPE, slots};
    base = (PyTypeObject *)PyType_FromSpec(&spec);
    return base ? 0 : -1;
}

int cubind_handles_ready(PyObject *core) {
    if (!classes) classes = PyDict_New();
    if (!protocol_name) protocol_name = PyUnicode_InternFromString("__cuda_stream__");
    if (!classes || !protocol_name || (!base && make_base())) return -1;
    return PyModule_AddObjectRef(core, "Handle", (PyObject *)base);
}
