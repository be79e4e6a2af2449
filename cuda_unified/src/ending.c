/* When the driver is not to be called: in the child of a fork, whose copy of the driver's state is useless, and once the
 * interpreter ends, when other objects, threads and the driver itself go in no particular order.
 */
#include <sched.h>
#include "native.h"

int in_child, is_ending;

static PyObject *after_fork(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(arg)) {
    in_child |= driver_used;
    Py_RETURN_NONE;
}

static PyObject *at_exit(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(arg)) {
    is_ending = 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    while (__atomic_load_n(&gifts_under_way, __ATOMIC_SEQ_CST)) sched_yield(); /* they wait for nothing */
    Py_RETURN_NONE;
}

static PyMethodDef child = {"_after_fork", after_fork, METH_NOARGS, NULL};
static PyMethodDef end = {"_at_exit", at_exit, METH_NOARGS, NULL};

/* module.name(function[, keyword=...]) for one of the two registries of the standard library. */
static int call_with(const char *module, const char *name, PyMethodDef *function, const char *keyword) {
    PyObject *m = PyImport_ImportModule(module);
    PyObject *callee = m ? PyObject_GetAttrString(m, name) : NULL;
    PyObject *f = callee ? PyCFunction_New(function, NULL) : NULL;
    PyObject *args = !f ? NULL : keyword ? PyTuple_New(0) : PyTuple_Pack(1, f);
    PyObject *keywords = args && keyword ? Py_BuildValue("{sO}", keyword, f) : NULL;
    PyObject *done = args && (keywords || !keyword) ? PyObject_Call(callee, args, keywords) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    Py_XDECREF(f);
    Py_XDECREF(callee);
    Py_XDECREF(m);
    return done ? 0 : -1;
}

int ending_ready(void) {
    if (call_with("atexit", "register", &end, NULL)) return -1;
    PyObject *os = PyImport_ImportModule("os");
    int forks = os && PyObject_HasAttrString(os, "register_at_fork");
    Py_XDECREF(os);
    return forks ? call_with("os", "register_at_fork", &child, "after_in_child") : 0;
}
