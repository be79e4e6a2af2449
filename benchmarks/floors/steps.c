/* Counts instructions: runs a Python callable with the processor's trap flag set, so that every instruction raises
 * SIGTRAP, and notes where each one was.  The same code takes the same steps on every run, whatever else the machine
 * does; nothing has to be installed for it.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100

static uint64_t *places;
static volatile size_t n_places, room;
static volatile sig_atomic_t running;

static void on_step(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (n_places < room) places[n_places] = (uint64_t)registers[REG_RIP];
    n_places++;
    if (!running) registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void set_trap_flag(void) {
    __asm__ volatile("subq $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; addq $128, %%rsp" ::: "memory", "cc");
}

/* trace(callable, argument, buffer of uint64) -> steps; the buffer gets the address of each, as far as it reaches */
static PyObject *trace(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *callable, *argument, *buffer;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "OOO", &callable, &argument, &buffer)) return NULL;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)) return NULL;
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, before;
    sigaction(SIGTRAP, &action, &before);
    places = view.buf;
    room = (size_t)view.len / sizeof *places;
    n_places = 0;
    running = 1;
    set_trap_flag();
    PyObject *result = PyObject_CallFunctionObjArgs(callable, argument, NULL);
    running = 0;
    __asm__ volatile("nop; nop");
    sigaction(SIGTRAP, &before, NULL);
    PyBuffer_Release(&view);
    if (!result) return NULL;
    Py_DECREF(result);
    return PyLong_FromSize_t(n_places);
}

static PyMethodDef methods[] = {{"trace", trace, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "steps", .m_methods = methods};
PyMODINIT_FUNC PyInit_steps(void) {
    return PyModule_Create(&definition);
}
