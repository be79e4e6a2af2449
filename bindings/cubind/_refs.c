/* What a record keeps alive: the objects that its pointer, string and callback fields refer to.
 *
 * They are kept by the record that owns the memory (the root), not by the view through which they were assigned: in
 * root->refs, a dict keyed by the field's offset from the root's memory.  What an entry is, _field.c says.
 */
#include "_callback.h"
#include "_record.h"
#include <stdlib.h>

cu_record *cubind_root(cu_record *r) {
    return r->owner && cubind_is_record(r->owner) ? (cu_record *)r->owner : r;
}

static Py_ssize_t offset_in(cu_record *root, const void *where) {
    return (const char *)where - (const char *)root->ptr;
}

PyObject *cubind_kept(cu_record *r, const void *where) {
    cu_record *root = cubind_root(r);
    if (!root->refs) return NULL;
    PyObject *key = PyLong_FromSsize_t(offset_in(root, where));
    PyObject *found = key ? PyDict_GetItemWithError(root->refs, key) : NULL;
    Py_XDECREF(key);
    if (!found) PyErr_Clear();
    return found;
}

/* Most records never refer to anything, and the collector needs to know only of those that do. */
static int need_refs(cu_record *root) {
    if (root->refs) return 0;
    root->refs = PyDict_New();
    if (!root->refs) return -1;
    if (!PyObject_GC_IsTracked((PyObject *)root)) PyObject_GC_Track(root);
    return 0;
}

int cubind_keep_at(cu_record *r, const void *where, PyObject *what) {
    cu_record *root = cubind_root(r);
    if (!what && !root->refs) return 0;
    if (need_refs(root)) return -1;
    PyObject *key = PyLong_FromSsize_t(offset_in(root, where));
    if (!key) return -1;
    int failed = 0;
    Py_INCREF((PyObject *)root); /* dropping what was kept can run any code */
    if (what)
        failed = PyDict_SetItem(root->refs, key, what);
    else if (PyDict_Contains(root->refs, key) == 1)
        failed = PyDict_DelItem(root->refs, key);
    Py_DECREF((PyObject *)root);
    Py_DECREF(key);
    return failed;
}

/* The entries of `refs` from offset `start` on, `n` bytes of them, moved to start at 0; a new dict. */
static PyObject *slice(PyObject *refs, Py_ssize_t start, size_t n) {
    PyObject *out = PyDict_New(), *key, *value;
    Py_ssize_t position = 0;
    while (out && PyDict_Next(refs, &position, &key, &value)) {
        Py_ssize_t offset = PyLong_AsSsize_t(key) - start;
        if (offset < 0 || (size_t)offset >= n) continue;
        PyObject *moved = PyLong_FromSsize_t(offset);
        if (!moved || PyDict_SetItem(out, moved, value)) Py_CLEAR(out);
        Py_XDECREF(moved);
    }
    return out;
}

PyObject *cubind_refs_in(cu_record *r, const void *where, size_t n) {
    cu_record *root = cubind_root(r);
    return root->refs ? slice(root->refs, offset_in(root, where), n) : Py_NewRef(Py_None);
}

int cubind_set_refs_in(cu_record *r, const void *where, size_t n, PyObject *refs) {
    cu_record *root = cubind_root(r);
    if (!root->refs && refs == Py_None) return 0;
    if (need_refs(root)) return -1;
    Py_ssize_t start = offset_in(root, where);
    PyObject *before = slice(root->refs, start, n), *key, *value;
    if (!before) return -1;
    int failed = 0;
    Py_ssize_t position = 0;
    while (!failed && PyDict_Next(before, &position, &key, &value)) { /* `before` keeps what is dropped until the end */
        PyObject *there = PyLong_FromSsize_t(PyLong_AsSsize_t(key) + start);
        failed = !there || PyDict_DelItem(root->refs, there);
        Py_XDECREF(there);
    }
    position = 0;
    while (!failed && refs != Py_None && PyDict_Next(refs, &position, &key, &value)) {
        PyObject *there = PyLong_FromSsize_t(PyLong_AsSsize_t(key) + start);
        failed = !there || PyDict_SetItem(root->refs, there, value);
        Py_XDECREF(there);
    }
    Py_DECREF(before);
    return failed ? -1 : 0;
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

/* Holds a buffer.  It shows the collector whose buffer that is: memory often belongs to an object that leads back to the
 * record which points into it. */
typedef struct pin {
    PyObject_HEAD Py_buffer view;
} pin;
static PyTypeObject *pin_type;

static int pin_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((pin *)self)->view.obj);
    return 0;
}

static int pin_clear(PyObject *self) {
    PyBuffer_Release(&((pin *)self)->view);
    return 0;
}

/* The buffer of `o`, held as long as the returned object lives.  Not a memoryview: that would ask the exporter for the
 * format and shape too, which some cannot give (bfloat16 arrays). */
PyObject *cubind_pin(PyObject *o, int writable, void **ptr, size_t *n) {
    pin *p = PyObject_GC_New(pin, pin_type);
    if (!p) return NULL;
    p->view.obj = NULL;
    if (cubind_buffer(o, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE, &p->view)) {
        Py_DECREF((PyObject *)p);
        return NULL;
    }
    PyObject_GC_Track(p);
    *ptr = p->view.buf;
    if (n) *n = (size_t)p->view.len;
    return (PyObject *)p;
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

/* Keeps a callback registered.  It shows the collector what the callback refers to, since a callable in a record's
 * field often refers to that record. */
typedef struct hook {
    PyObject_HEAD cu_callback *callback;
} hook;
static PyTypeObject *hook_type;

PyObject *cubind_hook(cu_callback *callback) {
    hook *h = PyObject_GC_New(hook, hook_type);
    if (!h) {
        cubind_callback_drop(callback);
        return NULL;
    }
    h->callback = callback;
    PyObject_GC_Track(h);
    return (PyObject *)h;
}

static int hook_traverse(PyObject *self, visitproc visit, void *arg) {
    cu_callback *callback = ((hook *)self)->callback;
    Py_VISIT(Py_TYPE(self));
    if (callback && callback->refs == 1) { /* nobody but this hook holds it: CUDA is not to call it any more */
        Py_VISIT(callback->callable);
        Py_VISIT(callback->user);
    }
    return 0;
}

static int hook_clear(PyObject *self) {
    cu_callback *callback = ((hook *)self)->callback;
    ((hook *)self)->callback = NULL;
    if (callback) cubind_callback_drop(callback);
    return 0;
}

/* Of both types: what `clear` does, and the memory. */
static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (type == pin_type)
        pin_clear(self);
    else
        hook_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyTypeObject *make_type(const char *name, int size, traverseproc traverse, inquiry clear) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)dealloc},
        {Py_tp_traverse, (void *)traverse},
        {Py_tp_clear, (void *)clear},
        {0, NULL},
    };
    unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;
    return (PyTypeObject *)PyType_FromSpec(&(PyType_Spec){name, size, 0, flags, slots});
}

int cubind_hooks_ready(void) {
    if (!hook_type) hook_type = make_type("cubind._core.hook", sizeof(hook), hook_traverse, hook_clear);
    if (!pin_type) pin_type = make_type("cubind._core.pin", sizeof(pin), pin_traverse, pin_clear);
    return hook_type && pin_type ? 0 : -1;
}
