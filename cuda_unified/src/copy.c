/* Copies between buffers and whatever has bytes, and fills.
 *
 * A copy is asynchronous, but for one into pageable memory of the host: that has happened when the call returns.  Both ends are
 * kept until a copy has happened (keep.c).  A device's memory that is no Buffer comes through copy.py, which makes it one.
 */
#include "native.h"

/* ---- ends ------------------------------------------------------------------------------------------------------------------ */

/* Whether the driver knows memory of the host: page-locked, registered or managed. */
static int is_pageable(uint64_t pointer) {
    unsigned type = 0;
    void *values[] = {&type};
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE};
    CUresult status;
    if (!driver_used || in_child) return 1;
    Py_BEGIN_ALLOW_THREADS status = D.cuPointerGetAttributes(1, names, values, pointer);
    Py_END_ALLOW_THREADS return status || !type;
}

static void end_of_buffer(buffer_object *b, memory_end *e) { /* takes the reference */
    e->buffer = b;
    e->pointer = b->pointer;
    e->size = b->size;
    e->pageable = !(b->flags & (BY_DEVICE | IS_PINNED | IS_MANAGED)) && is_pageable(b->pointer);
}

/* The end that an argument means; 0, or -1 with an error. */
static int to_end(PyObject *o, int writable, memory_end *e) {
    memset(e, 0, sizeof *e);
    if (!is_buffer(o) && PyObject_CheckBuffer(o)) {
        if (!PyObject_GetBuffer(o, &e->view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0))) {
            e->pointer = (uint64_t)(uintptr_t)e->view.buf;
            e->size = (size_t)e->view.len;
            e->pageable = (char)is_pageable(e->pointer);
            return 0;
        }
        memset(e, 0, sizeof *e);
        PyErr_Clear(); /* a device's memory, not contiguous, read-only: copy.py knows or says */
    }
    PyObject *b;
    if (is_buffer(o))
        b = Py_NewRef(o);
    else {
        PyObject *module = PyImport_ImportModule("cuda_unified.copy");
        b = module ? PyObject_CallMethod(module, "as_buffer", "Oi", o, writable) : NULL;
        Py_XDECREF(module);
    }
    if (!b) return -1;
    if (!is_buffer(b)) {
        PyErr_Format(PyExc_TypeError, "as_buffer() returned %R", (PyObject *)Py_TYPE(b));
    } else if (buffer_usable((buffer_object *)b)) {
        end_of_buffer((buffer_object *)b, e);
        e->foreign = b == o ? NULL : o;
        if (!writable || !(e->buffer->flags & IS_READ_ONLY)) return 0;
        PyErr_SetString(PyExc_ValueError, "this memory is read-only");
        memset(e, 0, sizeof *e);
    }
    Py_DECREF(b);
    return -1;
}

static int check(const memory_end *to, const memory_end *from) {
    if (UNLIKELY(to->size != from->size)) {
        PyErr_Format(PyExc_ValueError, "%zu bytes cannot be copied to memory of %zu bytes: slice the larger one",
                     from->size, to->size);
        return -1;
    }
    uint64_t apart = to->pointer > from->pointer ? to->pointer - from->pointer : from->pointer - to->pointer;
    if (LIKELY(apart >= to->size)) return 0;
    PyErr_Format(PyExc_ValueError, "source and destination of a copy overlap in %zu bytes", to->size - (size_t)apart);
    return -1;
}

/* ---- the copy -------------------------------------------------------------------------------------------------------------- */

static int only_device(const memory_end *e) {
    return e->buffer && e->buffer->context && !(e->buffer->flags & BY_HOST);
}

static int submit(const memory_end *to, const memory_end *from, stream_object *s) {
    context_object *there = to->buffer ? to->buffer->context : NULL,
                   *here = from->buffer ? from->buffer->context : NULL;
    int peers = only_device(to) && only_device(from) && there->device != here->device;
    int current = is_default_stream(s->handle);
    CUresult status;
    if (CALL(s->context, current, status,
             UNLIKELY(peers)
                 ? D.cuMemcpyPeerAsync(to->pointer, there->handle, from->pointer, here->handle, to->size, s->handle)
                 : D.cuMemcpyAsync(to->pointer, from->pointer, to->size, s->handle)))
        return -1;
    if (LIKELY(!status)) return 0;
    fail(status, peers ? "cuMemcpyPeerAsync" : "cuMemcpyAsync", "size=%zu, stream=%R", to->size, (PyObject *)s);
    return -1;
}

/* So that memory which the driver may write late is never read early.  A stream that is captured does nothing yet. */
static int wait_for_copy(stream_object *s) {
    CUstreamCaptureStatus state = CU_STREAM_CAPTURE_STATUS_NONE;
    CUresult status;
    int current = is_default_stream(s->handle);
    if (CALL(s->context, current, status, D.cuStreamIsCapturing(s->handle, &state))) return -1;
    if (!status && state != CU_STREAM_CAPTURE_STATUS_NONE) return 0;
    if (CALL(s->context, current, status, D.cuStreamSynchronize(s->handle))) return -1;
    if (LIKELY(!status)) return 1;
    fail(status, "cuStreamSynchronize", NULL);
    return -1;
}

/* What follows a copy that was submitted: the ends are taken over. */
static int finish(memory_end *ends, stream_object *s) {
    PyObject *type, *value, *trace;
    int waited = ends[0].pageable ? wait_for_copy(s) : 0;
    if (waited > 0) return release_ends(ends), 0;
    PyErr_Fetch(&type, &value, &trace);
    int failed = keep_until_done(s, ends);
    if (type) PyErr_Restore(type, value, trace); /* of the wait */
    return failed || waited < 0 ? -1 : 0;
}

/* The stream waits for what data of other libraries comes from. */
static int wait_for_foreign(const memory_end *ends, stream_object *s) {
    for (int i = 0; i < 2; i++) {
        stream_object *from = ends[i].foreign ? ends[i].buffer->stream : NULL;
        if (!from || from == s) continue;
        PyObject *done = PyObject_CallMethod((PyObject *)s, "wait", "O", (PyObject *)from);
        if (!done) return -1;
        Py_DECREF(done);
    }
    return 0;
}

static int tell_foreign(const memory_end *to, stream_object *s) {
    PyObject *module = to->foreign ? PyImport_ImportModule("cuda_unified.copy") : NULL;
    PyObject *done = module ? PyObject_CallMethod(module, "written", "OO", to->foreign, (PyObject *)s) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(done);
    return to->foreign && !done ? -1 : 0;
}

/* Copies ends[1] to ends[0], which are taken over. */
static int copy(memory_end *ends, PyObject *stream, const char *function) {
    context_object *c = ends[0].buffer ? ends[0].buffer->context : NULL;
    if (!c && ends[1].buffer) c = ends[1].buffer->context;
    stream_object *s = check(&ends[0], &ends[1]) ? NULL : to_stream(stream, c, function);
    if (!s) return release_ends(ends), -1;
    keep_poll();
    int failed = wait_for_foreign(ends, s);
    if (!failed && ends[0].size && !(failed = submit(&ends[0], &ends[1], s))) {
        int told = tell_foreign(&ends[0], s);
        failed = finish(ends, s) || told;
    }
    release_ends(ends);
    Py_DECREF((PyObject *)s);
    return failed;
}

/* copy_from(src, *, stream=None) -> this buffer */
PyObject *buffer_copy_from(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature sig = {"copy_from", 1, 1, {"src", "stream", NULL}};
    PyObject *out[MOST_PARAMETERS];
    memory_end ends[2];
    if (parse_arguments(&sig, a, n, kwnames, out) || to_end(self, 1, &ends[0])) return NULL;
    if (to_end(out[0], 0, &ends[1])) return release_ends(ends), NULL;
    return copy(ends, out[1], "copy_from") ? NULL : Py_NewRef(self);
}

/* A buffer like this one. */
static PyObject *make_like(PyObject *self, PyObject *stream) {
    if (!buffer_usable((buffer_object *)self)) return NULL;
    PyObject *module = PyImport_ImportModule("cuda_unified.copy");
    PyObject *made = module ? PyObject_CallMethod(module, "like", "OO", self, stream ? stream : Py_None) : NULL;
    Py_XDECREF(module);
    return made;
}

/* copy_to(dst=None, *, stream=None) -> dst */
PyObject *buffer_copy_to(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature sig = {"copy_to", 0, 1, {"dst", "stream", NULL}};
    PyObject *out[MOST_PARAMETERS];
    memory_end ends[2];
    if (parse_arguments(&sig, a, n, kwnames, out)) return NULL;
    PyObject *dst = out[0] && out[0] != Py_None ? Py_NewRef(out[0]) : make_like(self, out[1]);
    if (!dst) return NULL;
    int failed = to_end(dst, 1, &ends[0]);
    if (!failed && (failed = to_end(self, 0, &ends[1]))) release_ends(ends);
    if (!failed) failed = copy(ends, out[1], "copy_to");
    if (!failed) return dst;
    Py_DECREF(dst);
    return NULL;
}

/* ---- fills ----------------------------------------------------------------------------------------------------------------- */

static int bad_pattern(PyObject *value) {
    PyErr_Format(
        PyExc_ValueError,
        "fill() takes an int from 0 to 255, or 1, 2 or 4 bytes that are repeated (also as a NumPy scalar), not %R",
        value);
    return -1;
}

/* The pattern and its bytes: an int is one byte, anything with the buffer protocol 1, 2 or 4. */
static int to_pattern(PyObject *value, unsigned *pattern, size_t *width) {
    Py_buffer view;
    *pattern = 0;
    *width = 1;
    if (PyLong_Check(value)) {
        long byte = PyLong_AsLong(value);
        if (byte < 0 || byte > 255) return PyErr_Clear(), bad_pattern(value);
        *pattern = (unsigned)byte;
        return 0;
    }
    if (!PyObject_CheckBuffer(value)) {
        PyErr_Format(PyExc_TypeError, "fill() takes an int or bytes, not %R", (PyObject *)Py_TYPE(value));
        return -1;
    }
    if (PyObject_GetBuffer(value, &view, PyBUF_C_CONTIGUOUS)) return -1;
    int fits = view.len == 1 || view.len == 2 || view.len == 4;
    *width = (size_t)view.len;
    if (fits) memcpy(pattern, view.buf, *width);
    PyBuffer_Release(&view);
    return fits ? 0 : bad_pattern(value);
}

static CUresult set_memory(uint64_t pointer, unsigned pattern, size_t width, size_t n, CUstream stream) {
    if (width == 1) return D.cuMemsetD8Async(pointer, (unsigned char)pattern, n, stream);
    if (width == 2) return D.cuMemsetD16Async(pointer, (unsigned short)pattern, n, stream);
    return D.cuMemsetD32Async(pointer, pattern, n, stream);
}

static int fill_pageable(memory_end *e, unsigned pattern, size_t width, stream_object *s) {
    int waited = wait_for_copy(s); /* for what the stream does before */
    if (waited < 0) return -1;
    if (!waited) {
        PyErr_SetString(PyExc_ValueError, "fill() of the host's own memory cannot be captured");
        return -1;
    }
    for (size_t i = 0; i < e->size; i += width) memcpy((char *)(uintptr_t)e->pointer + i, &pattern, width);
    return 0;
}

static int fill(memory_end *ends, unsigned pattern, size_t width, stream_object *s) {
    memory_end *e = &ends[0];
    if (e->size % width || e->pointer % width) {
        PyErr_Format(PyExc_ValueError, "%zu bytes at 0x%llx are not whole, aligned elements of %zu bytes", e->size,
                     (unsigned long long)e->pointer, width);
        return -1;
    }
    CUresult status;
    if (!e->size) return 0;
    if (e->pageable) return fill_pageable(e, pattern, width, s);
    keep_poll();
    if (CALL(s->context, is_default_stream(s->handle), status,
             set_memory(e->pointer, pattern, width, e->size / width, s->handle)))
        return -1;
    if (LIKELY(!status)) return keep_until_done(s, ends);
    fail(status,
         width == 1   ? "cuMemsetD8Async"
         : width == 2 ? "cuMemsetD16Async"
                      : "cuMemsetD32Async",
         "size=%zu, stream=%R", e->size, (PyObject *)s);
    return -1;
}

/* fill(value, *, stream=None) -> this buffer */
PyObject *buffer_fill(PyObject *self, arguments a, Py_ssize_t n, PyObject *kwnames) {
    static const signature sig = {"fill", 1, 1, {"value", "stream", NULL}};
    PyObject *out[MOST_PARAMETERS];
    memory_end ends[2] = {{0}, {0}};
    unsigned pattern;
    size_t width;
    if (parse_arguments(&sig, a, n, kwnames, out) || to_pattern(out[0], &pattern, &width)) return NULL;
    if (to_end(self, 1, &ends[0])) return NULL;
    stream_object *s = to_stream(out[1], ((buffer_object *)self)->context, "fill");
    int failed = !s || fill(ends, pattern, width, s);
    release_ends(ends);
    Py_XDECREF((PyObject *)s);
    return failed ? NULL : Py_NewRef(self);
}

/* ---- for copy.py ------------------------------------------------------------------------------------------------------------- */

/* finish_copy(dst, src, stream): after a copy that Python submitted */
static PyObject *finish_copy(PyObject *Py_UNUSED(module), PyObject *args) {
    memory_end ends[2] = {{0}, {0}};
    PyObject *dst, *src, *stream;
    if (!PyArg_ParseTuple(args, "O!O!O", Buffer_type, &dst, Buffer_type, &src, &stream)) return NULL;
    if (!is_stream(stream)) return PyErr_Format(PyExc_TypeError, "a Stream is wanted, not %R", stream);
    keep_poll();
    end_of_buffer((buffer_object *)Py_NewRef(dst), &ends[0]);
    end_of_buffer((buffer_object *)Py_NewRef(src), &ends[1]);
    return finish(ends, (stream_object *)stream) ? NULL : Py_NewRef(Py_None);
}

/* as_stream(stream, context|None): the Stream that an argument means */
static PyObject *as_stream(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *stream, *c;
    if (!PyArg_ParseTuple(args, "OO", &stream, &c)) return NULL;
    if (c != Py_None && !PyObject_TypeCheck(c, Context_type))
        return PyErr_Format(PyExc_TypeError, "a Context is wanted, not %R", (PyObject *)Py_TYPE(c));
    return (PyObject *)to_stream(stream, c == Py_None ? NULL : (context_object *)c, "stream");
}

/* view_address(object with the buffer protocol): where its bytes begin */
static PyObject *view_address(PyObject *Py_UNUSED(module), PyObject *o) {
    Py_buffer view;
    if (PyObject_GetBuffer(o, &view, PyBUF_C_CONTIGUOUS)) return NULL;
    PyObject *address = PyLong_FromVoidPtr(view.buf);
    PyBuffer_Release(&view);
    return address;
}

static PyMethodDef functions[] = {
    {"finish_copy", finish_copy, METH_VARARGS, NULL},
    {"as_stream", as_stream, METH_VARARGS, NULL},
    {"view_address", view_address, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

int copy_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
