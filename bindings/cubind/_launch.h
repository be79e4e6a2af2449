/* What _launch.c and _pack.c share: a kernel's parameter sizes, and the state of packing one list of values. */
#ifndef CUBIND_LAUNCH_H
#define CUBIND_LAUNCH_H
#include "_impl.h"
#include <float.h>

#define CU_SIZE_UNKNOWN UINT32_MAX

typedef struct cu_signature { /* malloc'ed; cu_handle.extra of the handle of a kernel */
    size_t n;
    uint32_t sizes[];
} cu_signature;

typedef struct cu_packer {
    cu_frame *fr;
    void **pointers;      /* what the launch gets; in the frame, as are the words */
    uint64_t *words;      /* a word a parameter: values that are not used in place */
    PyTypeObject *handle; /* a type that was found to be a handle class: most handles of a launch are of one class */
} cu_packer;

/* `size` is the parameter's, or CU_SIZE_UNKNOWN; errors do not name the parameter. */
int cubind_pack_value(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) CU_IMPL;

/* n values, each as its class of ctypes says; `values` and `types` are lists or tuples of this length; `s` or NULL. */
int cubind_pack_typed(cu_packer *p, PyObject *values, PyObject *types, Py_ssize_t n, const cu_signature *s) CU_IMPL;

/* The common values, without a call more than needed: 1 if it was one, 0 for cubind_pack_value to look closer. */
static inline int cu_pack_fast(cu_packer *p, Py_ssize_t i, PyObject *o, uint32_t size) {
    PyTypeObject *type = Py_TYPE(o);
    uint64_t *word = &p->words[i];
    uint64_t quick;
    if (type == &PyLong_Type && cu_digits(o, &quick) && (size == 8 || (size == 4 && quick <= UINT32_MAX))) {
        if (size == 8)
            *word = quick;
        else
            *(uint32_t *)word = (uint32_t)quick;
    } else if (type == &PyLong_Type) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (CU_UNLIKELY(overflow)) return 0;
        if (size == 8)
            *word = (uint64_t)v;
        else if (size == 4 && v >= INT32_MIN && v <= UINT32_MAX)
            *(uint32_t *)word = (uint32_t)v;
        else
            return 0;
    } else if (type == &PyFloat_Type) {
        double v = PyFloat_AsDouble(o);
        if (size == 8)
            memcpy(word, &v, 8);
        else if (size == 4 && v >= -FLT_MAX && v <= FLT_MAX)
            memcpy(word, &(float){(float)v}, 4);
        else
            return 0;
    } else if (type == p->handle && (size == 8 || size == CU_SIZE_UNKNOWN)) {
        *word = (uint64_t)(uintptr_t)((cu_handle *)o)->ptr;
    } else {
        return 0;
    }
    p->pointers[i] = word;
    return 1;
}
#endif
