/* What the limited API does not tell and the running interpreter shows: where a tuple keeps its items, how an int keeps its
 * digits, and where a class keeps its flags and the function that calls it without a tuple of arguments (PEP 590).  All are
 * looked up once, at import, and checked on objects whose contents are known.  Where the check fails, the public functions are used
 * instead: slower, never wrong.
 */
#include "_impl.h"
#include <dlfcn.h>
#include <limits.h>

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

/* ---- ints -------------------------------------------------------------------------------------------------------- */

#define UNKNOWN_WORDS {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2}
cu_int_words cubind_int_words = UNKNOWN_WORDS;

static uint64_t word_of(PyObject *number) {
    uint64_t word;
    memcpy(&word, (const char *)number + sizeof(PyObject), sizeof word);
    return word;
}

/* Whether an int is read right, or left alone where it need not be read. */
static int reads_right(long long value, int must) {
    PyObject *number = PyLong_FromLongLong(value);
    uint64_t read;
    int known = number && cu_digits(number, &read);
    Py_XDECREF(number);
    return known ? value >= 0 && read == (uint64_t)value : number && !must;
}

/* Behind its header an int keeps a word that tells sign and length, and digits of 30 bits.  What the word is has changed
 * between versions: it is read off ints of known length, and checked on others. */
static void find_int_words(void) {
    static const long long usual[] = {0, 1000, 65536, (1LL << 30) - 1, 1LL << 30, 1LL << 47, (1LL << 60) - 1};
    static const long long others[] = {1, 5, 256, -1, -5, -1000, -(1LL << 40), 1LL << 60, LLONG_MAX, LLONG_MIN};
    PyObject *size = PyObject_GetAttrString((PyObject *)&PyLong_Type, "__basicsize__");
    PyObject *zero = PyLong_FromLong(0), *one = PyLong_FromLong(1000), *two = PyLong_FromLongLong(1LL << 40);
    int good = size && zero && one && two && PyLong_AsSsize_t(size) == (Py_ssize_t)sizeof(PyObject) + 8;
    if (good) cubind_int_words = (cu_int_words){word_of(zero), word_of(one), word_of(two)};
    for (size_t i = 0; good && i < sizeof usual / sizeof *usual; i++) good = reads_right(usual[i], 1);
    for (size_t i = 0; good && i < sizeof others / sizeof *others; i++) good = reads_right(others[i], 0);
    if (!good) cubind_int_words = (cu_int_words)UNKNOWN_WORDS;
    Py_XDECREF(size);
    Py_XDECREF(zero);
    Py_XDECREF(one);
    Py_XDECREF(two);
    PyErr_Clear();
}

int cubind_layout_ready(void) {
    if (cubind_tuple_items) return 0;
    find_int_words();
    find_flags();
    find_vectorcall();
    return find_tuple_items();
}
