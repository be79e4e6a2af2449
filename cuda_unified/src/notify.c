/* From the driver's thread to Python's, without Python: a stream that reaches a call puts its number into a queue and goes on;
 * a Python thread waits for the numbers (calls.py).  The driver's thread never takes the GIL, so nothing can wait in a circle.
 */
#include <pthread.h>
#include <stdlib.h>
#include "native.h"

typedef struct notice {
    struct notice *next;
    uint64_t number;
    CUresult status; /* of the stream's work before it */
} notice;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static notice *first, *last;
static int stopped;

static void arrived(CUstream Py_UNUSED(stream), CUresult status, void *data) {
    notice *n = data;
    n->status = status;
    pthread_mutex_lock(&lock);
    *(last ? &last->next : &first) = n;
    last = n;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

/* notify(stream, number): the number arrives when the stream has done what it has now */
static PyObject *notify(PyObject *Py_UNUSED(module), arguments a, Py_ssize_t n) {
    if (n != 2 || !is_stream(a[0])) {
        PyErr_SetString(PyExc_TypeError, "notify(stream, number)");
        return NULL;
    }
    stream_object *s = (stream_object *)a[0];
    unsigned long long number = PyLong_AsUnsignedLongLong(a[1]);
    if (PyErr_Occurred() || !stream_usable(s)) return NULL;
    notice *made = calloc(1, sizeof *made);
    if (!made) return PyErr_NoMemory();
    made->number = number;
    CUresult status;
    if (CALL(s->context, is_default_stream(s->handle), status, D.cuStreamAddCallback(s->handle, arrived, made, 0))) {
        free(made);
        return NULL;
    }
    if (LIKELY(!status)) Py_RETURN_NONE;
    free(made);
    return fail(status, "cuStreamAddCallback", "stream=%R", (PyObject *)s);
}

/* next_notice() -> (number, status), waiting for it without the GIL; None once stop_notices() was called */
static PyObject *next_notice(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    notice *n;
    Py_BEGIN_ALLOW_THREADS pthread_mutex_lock(&lock);
    while (!first && !stopped) pthread_cond_wait(&changed, &lock);
    n = stopped ? NULL : first;
    if (n && !(first = n->next)) last = NULL;
    pthread_mutex_unlock(&lock);
    Py_END_ALLOW_THREADS if (!n) Py_RETURN_NONE;
    PyObject *result = Py_BuildValue("(Ki)", (unsigned long long)n->number, (int)n->status);
    free(n);
    return result;
}

static PyObject *stop_notices(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arg)) {
    pthread_mutex_lock(&lock);
    stopped = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"notify", FAST(notify), METH_FASTCALL, NULL},
    {"next_notice", next_notice, METH_NOARGS, NULL},
    {"stop_notices", stop_notices, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int notify_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
