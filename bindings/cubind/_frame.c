/* The frame: what one call borrows (memory, buffers, references) and gives back when it ends.
 *
 * A frame lives on the stack of the generated function and is used by one thread, with the GIL.  Small needs are met
 * from its own bytes; larger ones from blocks that are malloc'ed and chained.  Buffers beyond the inline ones live in
 * such blocks too: a Py_buffer must not move, because an exporter may let `shape` point into it.
 */
#include "_impl.h"
#include <stdlib.h>

#define BLOCK_BUFFERS 16
#define BLOCK_HEADER 32 /* room for the header, and a multiple of 16 so that what follows stays aligned */

typedef struct block {
    struct block *next;
    uint32_t is_buffers; /* what follows is Py_buffer[BLOCK_BUFFERS] ... */
    uint32_t n_buffers;  /* ... of which so many are in use */
} block;

static void *block_body(block *b) {
    return (char *)b + BLOCK_HEADER;
}

static block *new_block(cu_frame *fr, size_t nbytes) {
    block *b = nbytes <= (size_t)PY_SSIZE_T_MAX - BLOCK_HEADER ? calloc(1, BLOCK_HEADER + nbytes) : NULL;
    if (!b) {
        PyErr_NoMemory();
        return NULL;
    }
    b->next = fr->blocks;
    fr->blocks = b;
    return b;
}

void *cubind_frame_alloc(cu_frame *fr, size_t nbytes) {
    void *p = cubind_frame_take(fr, nbytes);
    if (p && nbytes == sizeof(uint64_t))
        *(uint64_t *)p = 0; /* most outputs: spares a call */
    else if (p)
        memset(p, 0, nbytes);
    if (p) return p;
    block *b = new_block(fr, nbytes);
    return b ? block_body(b) : NULL;
}

Py_buffer *cubind_frame_buffer(cu_frame *fr) {
    if (fr->n_buffers < CU_FRAME_BUFFERS) {
        Py_buffer *view = &fr->buffers[fr->n_buffers++];
        view->obj = NULL;
        return view;
    }
    block *b = fr->blocks;
    while (b && !b->is_buffers) b = b->next; /* the newest block of buffers is the one with room, if any */
    if (!b || b->n_buffers == BLOCK_BUFFERS) {
        b = new_block(fr, BLOCK_BUFFERS * sizeof(Py_buffer));
        if (!b) return NULL;
        b->is_buffers = 1;
    }
    return (Py_buffer *)block_body(b) + b->n_buffers++;
}

int cubind_frame_keep(cu_frame *fr, PyObject *o) {
    if (!fr->refs && !(fr->refs = PyList_New(0))) return -1;
    return PyList_Append(fr->refs, o);
}

static void give_back(cu_frame *fr) {
    if (CU_LIKELY(fr->n_buffers == 1 && !fr->blocks && !fr->refs)) { /* a call with one array */
        fr->n_buffers = 0;
        PyBuffer_Release(&fr->buffers[0]);
        return;
    }
    for (uint32_t i = 0; i < fr->n_buffers; i++) PyBuffer_Release(&fr->buffers[i]);
    for (block *b = fr->blocks, *next; b; b = next) {
        next = b->next;
        for (uint32_t i = 0; i < b->n_buffers; i++) PyBuffer_Release((Py_buffer *)block_body(b) + i);
        free(b);
    }
    PyObject *refs = fr->refs;
    cu_frame_begin(fr);
    Py_XDECREF(refs);
}

/* Releasing buffers and references may run Python code, which must neither see nor replace a pending error. */
void cubind_frame_end(cu_frame *fr) {
    if (CU_LIKELY(!PyErr_Occurred())) {
        give_back(fr);
        if (CU_UNLIKELY(PyErr_Occurred() != NULL)) PyErr_Clear();
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    give_back(fr);
    PyErr_Restore(type, value, traceback);
}
