/* DLPack's ABI, major version 1, as its specification says: https://dmlc.github.io/dlpack/latest/c_api.html */
#pragma once
#include <stdint.h>

enum { DLPACK_MAJOR = 1, DLPACK_MINOR = 3 };

enum dlpack_device { DLPACK_CPU = 1, DLPACK_CUDA = 2, DLPACK_CUDA_HOST = 3, DLPACK_CUDA_MANAGED = 13 };

enum dlpack_code {
    DLPACK_INT = 0,
    DLPACK_UINT = 1,
    DLPACK_FLOAT = 2,
    DLPACK_OPAQUE = 3,
    DLPACK_BFLOAT = 4,
    DLPACK_COMPLEX = 5,
    DLPACK_BOOL = 6,
    DLPACK_CODES = 18, /* from 7 on floats of 8, 6 and 4 bits */
};

enum dlpack_flags { DLPACK_READ_ONLY = 1, DLPACK_IS_COPIED = 2, DLPACK_SUBBYTE_PADDED = 4 };

typedef struct {
    uint32_t major, minor;
} dlpack_version;

typedef struct {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides; /* strides in elements */
    uint64_t byte_offset;
} dlpack_tensor;

typedef struct dlpack_managed {
    dlpack_tensor tensor;
    void *manager_ctx;
    void (*deleter)(struct dlpack_managed *self);
} dlpack_managed;

typedef struct dlpack_versioned {
    dlpack_version version; /* of another major version nothing behind `deleter` may be touched */
    void *manager_ctx;
    void (*deleter)(struct dlpack_versioned *self);
    uint64_t flags;
    dlpack_tensor tensor;
} dlpack_versioned;

typedef struct dlpack_exchange_header {
    dlpack_version version;
    struct dlpack_exchange_header *prev_api; /* of an older version; may be NULL */
} dlpack_exchange_header;

typedef void (*dlpack_set_error)(void *error_ctx, const char *kind, const char *message);

typedef struct {
    dlpack_exchange_header header;
    int (*managed_tensor_allocator)(dlpack_tensor *prototype, dlpack_versioned **out, void *error_ctx,
                                    dlpack_set_error set_error);
    int (*managed_tensor_from_py_object_no_sync)(void *object, dlpack_versioned **out);
    int (*managed_tensor_to_py_object_no_sync)(dlpack_versioned *tensor, void **out);
    int (*dltensor_from_py_object_no_sync)(void *object, dlpack_tensor *out); /* may be NULL */
    int (*current_work_stream)(int32_t device_type, int32_t device_id, void **out);
} dlpack_exchange;

/* ---- between the files that use it; a Python.h comes before ---------------------------------------------------------------- */

#ifdef Py_PYTHON_H
struct dlpack_where {
    int type, id;
};
/* dlpack_out.c: where an array is, in DLPack's words; a new managed tensor of it. */
HIDDEN struct dlpack_where dlpack_device_of(const array_object *a);
HIDDEN dlpack_versioned *dlpack_export(array_object *a, struct dlpack_where where, uint64_t flags);
HIDDEN int dlpack_fill_tensor(array_object *a,
                              dlpack_tensor *t); /* data, shape, strides and dtype, borrowed from the array */
/* dlpack_in.c: an array that takes the tensor over; on failure the tensor is untouched, with BufferError. */
HIDDEN array_object *dlpack_adopt(void *managed, int versioned);
HIDDEN int dlpack_right_version(const dlpack_versioned *m);           /* 0: deleted, with BufferError */
HIDDEN PyObject *dlpack_import(PyObject *producer, PyObject *stream); /* through __dlpack__ */
HIDDEN PyObject *dlpack_import_fast(const dlpack_exchange *api, PyObject *producer, PyObject *stream);
HIDDEN void dlpack_release(void *managed, int versioned); /* calls the deleter */
/* dlpack_exchange.c */
HIDDEN const dlpack_exchange *dlpack_exchange_of(PyObject *type); /* NULL: has none */
HIDDEN int import_stream(PyObject *argument, context_object *c,
                         stream_object **out); /* *out NULL: -1 was given, no order */
#endif
