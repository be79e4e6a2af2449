/* When Python may be touched from a thread that CUDA owns: not once the interpreter has begun to end, since taking the
 * GIL then blocks or ends the thread.
 *
 * A function that atexit calls closes the door and waits, for a bounded time, for those who are inside.  Code that
 * atexit runs later still calls CUDA as usual; only its asynchronous callbacks are not heard any more.
 */
#include "_impl.h"
#include "_os.h"

enum { LONGEST_WAIT_MS = 2000 };

static atomic_int closed;   /* the door */
static atomic_int inside;   /* threads that passed it and have not come back */
static atomic_uint process; /* changes in the child of a fork */

unsigned cubind_process(void) {
    return atomic_load(&process);
}

int cubind_python_enter(void) {
    atomic_fetch_add(&inside, 1); /* first, so that who closes the door sees us or we see it closed */
    if (!atomic_load(&closed)) return 1;
    atomic_fetch_sub(&inside, 1);
    return 0;
}

void cubind_python_leave(void) {
    atomic_fetch_sub(&inside, 1);
}

static PyObject *close_door(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(arg)) {
    atomic_store(&closed, 1);
    Py_BEGIN_ALLOW_THREADS for (int ms = 0; ms < LONGEST_WAIT_MS && atomic_load(&inside); ms++) os_sleep_ms(1);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* The threads that were inside stayed in the parent. */
static void forked(void) {
    atomic_store(&inside, 0);
    atomic_fetch_add(&process, 1);
}

int cubind_ending_ready(void) {
    static PyMethodDef definition = {"_close_callbacks", close_door, METH_NOARGS, NULL};
    static int registered;
    if (registered) return 0; /* once a process, also where the module is executed again */
    if (os_after_fork(forked)) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *function = PyCFunction_New(&definition, NULL);
    PyObject *atexit = function ? PyImport_ImportModule("atexit") : NULL;
    PyObject *done = atexit ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    Py_XDECREF(atexit);
    Py_XDECREF(function);
    if (!done) return -1;
    Py_DECREF(done);
    registered = 1;
    return 0;
}
