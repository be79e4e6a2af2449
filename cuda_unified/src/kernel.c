/* Kernels: a handle, what it belongs to, and the sizes of its parameters, which the driver is asked for once. */
#include <stdlib.h>
#include "launch.h"

PyTypeObject *Kernel_type;

/* ---- parameters -------------------------------------------------------------------------------------------------------- */

static CUresult parameter_info(const kernel_object *k, size_t i, size_t *offset, size_t *size) {
    return k->is_function ? D.cuFuncGetParamInfo((CUfunction)k->handle, i, offset, size)
                          : D.cuKernelGetParamInfo((CUkernel)k->handle, i, offset, size);
}

static parameter_table *with_room(parameter_table *t, uint32_t room) {
    return realloc(t, sizeof *t + room * sizeof t->parameters[0]);
}

/* Without the GIL: the driver may have to load the kernel first.  A driver from before 12.4 does not tell; neither does one
 * that says what cannot be. */
static CUresult ask(const kernel_object *k, parameter_table **out) {
    uint32_t room = 8;
    parameter_table *t = with_room(NULL, room);
    if (t) *t = (parameter_table){.known = 1};
    while (t) {
        size_t offset = 0, size = 0;
        CUresult status = parameter_info(k, t->n, &offset, &size);
        if (status == CUDA_ERROR_INVALID_VALUE) break; /* there is none of this index */
        int unknown = status == CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND || status == CUDA_ERROR_NOT_SUPPORTED ||
                      (status == CUDA_SUCCESS && (!size || size > MOST_PARAMETER_BYTES ||
                                                  offset > MOST_PARAMETER_BYTES - size || offset < t->size));
        if (unknown) {
            *t = (parameter_table){.known = 0};
            break;
        }
        if (status) {
            free(t);
            return status;
        }
        if (t->n == room) {
            parameter_table *larger = with_room(t, room *= 4);
            if (!larger) free(t);
            if (!(t = larger)) break;
        }
        t->parameters[t->n++] = (parameter){(uint32_t)offset, (uint32_t)size, ANY};
        t->size = (uint32_t)(offset + size);
    }
    *out = t;
    return t ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static int kind_has_size(char kind, uint32_t size) {
    switch (kind) {
    case POINTER: return size == 8;
    case INTEGER:
    case SIGNED:
    case UNSIGNED: return size == 1 || size == 2 || size == 4 || size == 8 || size == 16;
    case FLOAT: return size == 2 || size == 4 || size == 8;
    case BRAIN: return size == 2;
    case BOOL: return size == 1;
    default: return kind == ANY || kind == RECORD;
    }
}

/* Believed only if all of it agrees with the sizes. */
static void use_kinds(parameter_table *t, const char *kinds, size_t n) {
    if (n != t->n) return;
    for (size_t i = 0; i < n; i++)
        if (!kind_has_size(kinds[i], t->parameters[i].size)) return;
    for (size_t i = 0; i < n; i++) t->parameters[i].kind = kinds[i];
}

/* What a C++ name and PTX tell about the types: _declared.py. */
static int add_kinds(kernel_object *k, parameter_table *t) {
    PyObject *name = kernel_name(k), *ptx = Py_XNewRef(k->ptx);
    const char *text = t->known && t->n ? PyUnicode_AsUTF8AndSize(name, NULL) : "";
    if (!text) PyErr_Clear();
    PyObject *module =
        text && *text && (ptx || strncmp(text, "_Z", 2) == 0) ? PyImport_ImportModule("cuda_unified._declared") : NULL;
    PyObject *kinds = module ? PyObject_CallMethod(module, "kinds", "OO", name, ptx ? ptx : Py_None) : NULL;
    Py_XDECREF(ptx);
    Py_XDECREF(module);
    if (kinds && PyBytes_Check(kinds)) use_kinds(t, PyBytes_AsString(kinds), (size_t)PyBytes_Size(kinds));
    Py_XDECREF(kinds);
    return PyErr_Occurred() ? -1 : 0;
}

parameter_table *ask_parameters(kernel_object *k, context_object *c) {
    parameter_table *t = NULL;
    CUresult status;
    int pushed = 0;
    if (in_child) return (parameter_table *)raise_forked();
    if (!kernel_usable(k) || (c && enter(c, &pushed))) return NULL;
    Py_BEGIN_ALLOW_THREADS status = ask(k, &t);
    Py_END_ALLOW_THREADS leave(pushed);
    if (status) {
        PyObject *written = kernel_written(k);
        fail(status, k->is_function ? "cuFuncGetParamInfo" : "cuKernelGetParamInfo", "kernel=%U", written);
        Py_DECREF(written);
        return NULL;
    }
    if (add_kinds(k, t)) {
        free(t);
        return NULL;
    }
    if (k->table)
        free(t); /* another thread was faster */
    else
        k->table = t;
    Py_CLEAR(k->ptx);
    return k->table;
}

/* ---- for Python -------------------------------------------------------------------------------------------------------- */

PyObject *kernel_name(kernel_object *k) {
    static PyObject *nobody_knows;
    if (LIKELY(k->name != NULL)) return k->name;
    PyObject *type, *value, *trace; /* this is called for messages, too */
    PyErr_Fetch(&type, &value, &trace);
    PyObject *module = PyImport_ImportModule("cuda_unified.kernel");
    PyObject *name = module ? PyObject_CallMethod(module, "_name_of", "O", (PyObject *)k) : NULL;
    Py_XDECREF(module);
    if (name && PyUnicode_Check(name) && !k->name) k->name = Py_NewRef(name);
    Py_XDECREF(name);
    PyErr_Restore(type, value, trace);
    if (k->name) return k->name;
    if (!nobody_knows) nobody_knows = PyUnicode_InternFromString("?");
    return nobody_knows;
}

/* How C++ writes it; of a template with its arguments.  Where that cannot be told, its name. */
PyObject *kernel_written(kernel_object *k) {
    PyObject *type, *value, *trace, *name = kernel_name(k);
    PyErr_Fetch(&type, &value, &trace);
    PyObject *module = PyImport_ImportModule("cuda_unified._mangled");
    PyObject *written = module ? PyObject_CallMethod(module, "written", "O", name) : NULL;
    Py_XDECREF(module);
    PyErr_Restore(type, value, trace);
    return written ? written : Py_NewRef(name);
}

/* _make(handle, name, owner, is_function=False, ptx=None): `ptx` is the code that it is in, where it is PTX */
static PyObject *make(PyObject *Py_UNUSED(class), PyObject *args, PyObject *kwargs) {
    static char *names[] = {"handle", "name", "owner", "is_function", "ptx", NULL};
    unsigned long long handle;
    PyObject *name, *owner, *ptx = Py_None;
    int is_function = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KOO|pO:_make", names, &handle, &name, &owner, &is_function, &ptx))
        return NULL;
    if (name != Py_None && !PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "the name of a kernel is a str, not %R", (PyObject *)Py_TYPE(name));
    if (!handle) {
        PyErr_SetString(PyExc_ValueError, "the handle of a kernel is not 0");
        return NULL;
    }
    kernel_object *k = new_object(Kernel_type);
    if (!k) return NULL;
    k->handle = (void *)(uintptr_t)handle;
    k->name = name == Py_None ? NULL : Py_NewRef(name);
    k->owner = owner == Py_None ? NULL : Py_NewRef(owner);
    k->ptx = ptx == Py_None ? NULL : Py_NewRef(ptx);
    k->is_function = (char)is_function;
    return (PyObject *)k;
}

static void kernel_dealloc(PyObject *self) {
    kernel_object *k = (kernel_object *)self;
    if (k->weakrefs) PyObject_ClearWeakRefs(self);
    free(k->table);
    Py_XDECREF(k->name);
    Py_XDECREF(k->owner);
    Py_XDECREF(k->ptx);
    delete_object(self);
}

static PyObject *mark_closed(PyObject *self, PyObject *Py_UNUSED(arg)) {
    ((kernel_object *)self)->closed = 1;
    Py_RETURN_NONE;
}

/* ((offset, size, kind), ...), or None where the driver does not tell */
static PyObject *parameters(PyObject *self, PyObject *Py_UNUSED(arg)) {
    parameter_table *t = parameters_of((kernel_object *)self, NULL);
    if (!t) return NULL;
    if (!t->known) Py_RETURN_NONE;
    PyObject *all = PyTuple_New((Py_ssize_t)t->n);
    for (uint32_t i = 0; all && i < t->n; i++) {
        const parameter *p = &t->parameters[i];
        PyObject *one = Py_BuildValue("(IIC)", p->offset, p->size, p->kind);
        if (!one || PyTuple_SetItem(all, (Py_ssize_t)i, one)) {
            Py_DECREF(all);
            return NULL;
        }
    }
    return all;
}

static PyObject *address(PyObject *self, void *Py_UNUSED(closure)) {
    kernel_object *k = (kernel_object *)self;
    return kernel_usable(k) ? PyLong_FromVoidPtr(k->handle) : NULL;
}

static PyObject *name(PyObject *self, void *Py_UNUSED(closure)) {
    return Py_NewRef(kernel_name((kernel_object *)self));
}

static PyObject *cxx_name(PyObject *self, void *Py_UNUSED(closure)) {
    return kernel_written((kernel_object *)self);
}

static PyObject *compare(PyObject *a, PyObject *b, int op) {
    if ((op != Py_EQ && op != Py_NE) || !IS_A(b, Kernel_type)) Py_RETURN_NOTIMPLEMENTED;
    kernel_object *x = (kernel_object *)a, *y = (kernel_object *)b;
    return PyBool_FromLong((x->handle == y->handle && x->is_function == y->is_function) == (op == Py_EQ));
}

static Py_hash_t hash(PyObject *self) {
    uintptr_t h = (uintptr_t)((kernel_object *)self)->handle;
    return (Py_hash_t)(h >> 4 ^ h << 28) & PY_SSIZE_T_MAX;
}

static PyMethodDef methods[] = {
    {"_make", FAST(make), METH_VARARGS | METH_KEYWORDS | METH_STATIC, NULL},
    {"_mark_closed", mark_closed, METH_NOARGS, NULL},
    {"_parameters", parameters, METH_NOARGS, NULL},
    {"bind", FAST(kernel_bind), METH_FASTCALL,
     "bind($self, stream, config, /, *args)\n--\n\n"
     "A Launcher with these arguments, packed already, for loops; stream, config, args: as of launch."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef members[] = {
    {"owner", T_OBJECT, offsetof(kernel_object, owner), READONLY, "What the kernel belongs to, which is kept alive."},
    {"is_function", T_BOOL, offsetof(kernel_object, is_function), READONLY,
     "Whether the handle is a CUfunction, of one context; else it is a CUkernel."},
    {"is_closed", T_BOOL, offsetof(kernel_object, closed), READONLY, "Whether what it belongs to was closed."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(kernel_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef getters[] = {
    {"address", address, NULL, "The handle as an int.", NULL},
    {"name", name, NULL, "Its name in the module: of C++ kernels the mangled one.", NULL},
    {"cxx_name", cxx_name, NULL, "Its name as C++ writes it, without parameters: scale<float>; messages have this one.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {Py_tp_hash, hash},
    {Py_tp_richcompare, compare},
    {Py_mp_subscript, kernel_item},
    {0, NULL},
};
static PyType_Spec spec = {"cuda_unified._native.Kernel", sizeof(kernel_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int kernel_ready(PyObject *module) {
    Kernel_type = add_type(module, &spec, NULL);
    return Kernel_type ? 0 : -1;
}
