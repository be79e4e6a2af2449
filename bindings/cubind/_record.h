/* What the files about records share: _struct.c (classes and objects), _field.c (fields), _refs.c (what is kept alive),
 * _value.c (values in C memory).  Everything here is used with the GIL held. */
#ifndef CUBIND_RECORD_H
#define CUBIND_RECORD_H
#include "_impl.h"

/* A record class.  Its objects' `spec` and `module` are always these: a class that several modules share was made by
 * one of them, and the indices in its field table are that module's. */
typedef struct cu_record_class {
    const cu_record_spec *spec;
    cu_module *module;
    PyTypeObject *type;
    PyGetSetDef getset[]; /* one a field, and an end; where the class is found again from its type object */
} cu_record_class;

/* _struct.c */
/* owner NULL: an owned copy */
PyObject *cubind_record_view(cu_module *m, int index, void *ptr, PyObject *owner) CU_IMPL;
/* new reference; `o` if it is of the class, else made from a mapping */
cu_record *cubind_as_record(PyObject *o, cu_module *m, int index) CU_IMPL;

cu_record_class *cubind_record_class_of(PyObject *type) CU_IMPL; /* NULL with TypeError for Record itself */
PyObject *cubind_record_at(cu_record_class *c, void *ptr, PyObject *owner) CU_IMPL; /* a view */
PyObject *cubind_record_copied(cu_record_class *c, const void *from) CU_IMPL;

/* _over.c */
PyObject *cubind_record_from_ptr(PyObject *type, PyObject *o) CU_IMPL;
PyObject *cubind_record_from_buffer(PyObject *type, PyObject *args, PyObject *kw) CU_IMPL;
PyObject *cubind_record_from_bytes(PyObject *type, PyObject *o) CU_IMPL;

/* _field.c */
int cubind_find_field(const cu_record_spec *spec, const char *name) CU_IMPL; /* index, or -1 without error */
PyObject *cubind_get_field(PyObject *self, void *field) CU_IMPL;
int cubind_set_field(PyObject *self, PyObject *o, void *field) CU_IMPL;
setter cubind_setter_of(const cu_field_spec *f) CU_IMPL; /* the same for this field alone, and faster */
PyObject *cubind_fields_text(cu_record *r) CU_IMPL;      /* "a=1, b=2", shortened */

/* _refs.c; `where` is a place in the memory of `r` */
cu_record *cubind_root(cu_record *r) CU_IMPL;                                /* whose `refs` count; borrowed */
PyObject *cubind_kept(cu_record *r, const void *where) CU_IMPL;              /* borrowed; NULL without error */
int cubind_keep_at(cu_record *r, const void *where, PyObject *what) CU_IMPL; /* what NULL: drop */
PyObject *cubind_refs_in(cu_record *r, const void *where, size_t n) CU_IMPL; /* a dict by offset from where, or None */
int cubind_set_refs_in(cu_record *r, const void *where, size_t n, PyObject *refs) CU_IMPL;
PyObject *cubind_pin(PyObject *o, int writable, void **ptr, size_t *n) CU_IMPL; /* holds a buffer; new reference */
PyObject *cubind_hook(cu_callback *callback) CU_IMPL; /* holds the reference passed in; takes it also when it fails */
int cubind_hooks_ready(void) CU_IMPL;

/* _value.c; what has to be kept for the block to stay: new reference */
PyObject *cubind_record_block(PyObject *list, cu_module *m, int index, void **ptr, size_t *n) CU_IMPL;

#endif
