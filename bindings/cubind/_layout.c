/* Three things that the limited API does not tell and that the running interpreter shows: where a tuple keeps its items,
 * and where a class keeps its flags and the function that calls it without a tuple of arguments (PEP 590).  All are looked up once,
 * at import, and checked on objects whose contents are known.  Where the check fails, the public functions are used
 * instead: slower, never wrong.
 */
#include "_impl.h"
#include <dlfcn.h>

Py_ssize_t cubind_tuple_items; /* offset in a tuple object; 0: not known */
static size_t vectorcall_at;   /* offset in a type object; 0: not known */
static size_t flags_at;

/* What `tuple` says its fixed part takes is where its items begin. */
static int find_tuple_items(void) {
    PyObject *size = PyObject_GetAttrString((PyObject *)&PyTuple_Type, "__basicsize__");
    PyObject *probe = PyTuple_Pack(3, Py_True, Py_None, Py_False);
    Py_ssize_t at = size ? PyLong_AsSsize_t(size) : -1;
    if (probe && at >= (Py_ssize_t)sizeof(PyVarObject)) {
        PyObject *const *items = (PyObject *const *)((char *)probe + at);
        if (items[0] == Py_True && items[1] == Py_None && items[2] == Py_False) cubind_tuple_items = at;
    }
    Py_XDECREF(size);
    Py_XDECREF(probe);
    return PyErr_Occurred() ? -1 : 0;
}

enum { WORDS = 64 }; /* of a static type object, at most */

/* The one place in which three classes of the interpreter, whose flags all differ, hold them. */
static void find_flags(void) {
    PyTypeObject *const types[] = {&PyTuple_Type, &PyList_Type, &PyDict_Type};
    for (size_t i = 0; i < WORDS && !flags_at; i++) {
        int same = 1;
        for (int t = 0; t < 3; t++) same &= ((unsigned long *)types[t])[i] == PyType_GetFlags(types[t]);
        if (same) flags_at = i * sizeof(unsigned long);
    }
}

/* The one place in which three classes of the interpreter hold what it says is called for each. */
static void find_vectorcall(void) {
    cu_vectorcall (*ask)(PyObject *) = (cu_vectorcall (*)(PyObject *))dlsym(RTLD_DEFAULT, "PyVectorcall_Function");
    void *const *types[] = {(void *)&PyTuple_Type, (void *)&PyList_Type, (void *)&PyRange_Type};
    if (!ask) return;
    for (size_t i = 0; i < WORDS && !vectorcall_at; i++) {
        int same = 1;
        for (int t = 0; t < 3; t++) {
            void *called = (void *)ask((PyObject *)types[t]);
            same &= called != NULL && types[t][i] == called;
        }
        if (same) vectorcall_at = i * sizeof(void *);
    }
}

/* `type` has been made from a spec, has no metaclass of its own, and is not used yet. */
void cubind_set_vectorcall(PyTypeObject *type, cu_vectorcall function) {
    if (vectorcall_at) *(cu_vectorcall *)((char *)type + vectorcall_at) = function;
}

/* The same for a class that a metaclass made and keeps from being changed: an interpreter that knows that it cannot be
 * changed calls it without detours. */
void cubind_set_final_vectorcall(PyTypeObject *type, cu_vectorcall function) {
    unsigned long *flags = (unsigned long *)((char *)type + flags_at);
    if (!vectorcall_at || !flags_at || *flags != PyType_GetFlags(type)) return;
    *flags |= Py_TPFLAGS_IMMUTABLETYPE;
    cubind_set_vectorcall(type, function);
}

int cubind_layout_ready(void) {
    if (cubind_tuple_items) return 0;
    find_flags();
    find_vectorcall();
    return find_tuple_items();
}
