/* The contract between the generated modules (driver, runtime, nvrtc) and the hand-written core.
 *
 * Generated code holds tables (what exists) and one short body a function (what to convert, in C order).
 * Everything that needs more than a few instructions lives once, in the extension `cubind._core`, and is reached
 * through the table of function pointers `cu` (struct cu_api, imported from a capsule).  The hot paths are
 * inline (_hot.h); whatever is unusual goes to a cold function of the core.
 *
 * Convention: a function that returns int returns 0 on success and -1 with a Python error set.  A function that returns
 * PyObject * returns a new reference, or NULL with an error set.  Only the limited API of CPython 3.11 is used, so one
 * binary serves 3.11 and later.
 */
#ifndef CUBIND_CORE_H
#define CUBIND_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define CU_COLD __attribute__((cold, noinline))
#define CU_LIKELY(x) __builtin_expect(!!(x), 1)
#define CU_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define CU_COLD
#define CU_LIKELY(x) (x)
#define CU_UNLIKELY(x) (x)
#endif

/* ---- what a C value is: a kind, and for some kinds an index into the module's tables -------------------------------- */

enum cu_kind {
    CU_NONE = 0, /* void */
    CU_I8,
    CU_U8,
    CU_I16,
    CU_U16,
    CU_I32,
    CU_U32,
    CU_I64,
    CU_U64, /* integers by width and sign; size_t is CU_U64 */
    CU_F32,
    CU_F64,
    CU_ENUM,   /* aux: enum index; 4 bytes */
    CU_HANDLE, /* aux: handle index; an opaque pointer */
    CU_PTR,    /* any other pointer: an address.  aux: record index of what it points to, or -1 */
    CU_CSTR,   /* const char *, NUL-terminated */
    CU_TEXT,   /* char[count] that holds NUL-terminated text: str */
    CU_BYTES,  /* char[count] that holds raw bytes: bytes */
    CU_RECORD, /* aux: record index; the record itself, by value */
    CU_FUNC    /* aux: callback index; a function pointer */
};

typedef struct cu_type {
    uint8_t kind;
    int16_t aux;
} cu_type;

/* ---- tables that generated code provides (static, constant) --------------------------------------------------------- */

typedef struct cu_member {
    const char *name;
    int64_t value;
} cu_member;

typedef struct cu_enum_spec {
    const char *name;         /* public class name, e.g. "CUresult" */
    const cu_member *members; /* in declaration order; a later member with an earlier value is an alias */
    uint16_t n_members;
    uint8_t is_signed; /* the C type: int, else unsigned int */
} cu_enum_spec;

typedef struct cu_handle_spec {
    const char *name;   /* class name, e.g. "CUstream" (the same class serves every typedef of one C tag) */
    const char *tag;    /* C tag, e.g. "CUstream_st": the key under which modules share the class */
    const char *module; /* `__module__` of the class, e.g. "cubind.driver" */
    uint8_t is_stream;  /* has __cuda_stream__, and parameters accept objects that have it */
    int16_t also;       /* another handle class whose objects parameters of this one accept, or -1 */
} cu_handle_spec;

typedef struct cu_field_spec {
    const char *name;
    uint32_t offset;
    uint32_t count; /* 0: a scalar, else an array of so many elements (CU_TEXT, CU_BYTES: its length) */
    uint8_t kind;   /* enum cu_kind */
    int16_t aux;
    int16_t link;    /* CU_PTR: index of the field that holds the number of elements it points to;
                        CU_FUNC: index of the field that holds its user pointer; else -1 */
    cu_type element; /* CU_PTR that is no pointer to records: what it points to, CU_NONE where it cannot be a list */
} cu_field_spec;

typedef struct cu_record_spec {
    const char *name; /* class name, e.g. "CUmemLocation_v1" */
    const char *tag;  /* C tag or typedef name: the key under which modules share the class */
    const char *module;
    const cu_field_spec *fields;
    uint32_t size, align;
    uint16_t n_fields;
    uint8_t is_union;
} cu_record_spec;

typedef struct cu_callback_spec {
    const char *name; /* typedef name, e.g. "CUhostFn" */
    void *trampoline; /* generated C function of exactly this signature that calls cu->callback_enter */
    cu_type result;
    const cu_type *params; /* those that reach Python: all of C's but the user pointer's slot, which CU_NONE marks and
                              which arrives as the object that was registered */
    uint8_t n_params;
} cu_callback_spec;

typedef struct cu_func_spec {
    const char *name;   /* public C name */
    const char *params; /* Python parameter names separated by single spaces */
    uint8_t n_params;
    uint8_t n_required;
} cu_func_spec;

enum cu_const_kind { CU_CONST_INT, CU_CONST_UINT, CU_CONST_STR, CU_CONST_ALIAS, CU_CONST_INT_TYPE };

typedef struct cu_const_spec {
    const char *name;
    uint8_t kind;     /* enum cu_const_kind */
    int64_t value;    /* CU_CONST_INT; CU_CONST_UINT as the same bits */
    const char *text; /* CU_CONST_STR: the text; CU_CONST_ALIAS: the name in this module that it is another name of */
} cu_const_spec;      /* CU_CONST_INT_TYPE: a typedef of an integer (CUdeviceptr): the name is bound to int */

typedef struct cu_symbol {
    const char *name;       /* exported symbol, for dlsym: "cuMemAlloc_v2" */
    const char *base;       /* name for the library's own resolver, or NULL: "cuMemAlloc" */
    uint32_t version;       /* version that the resolver wants for this prototype: 3020 */
    const char *per_thread; /* exported symbol of the per-thread-default-stream variant, or NULL */
    uint16_t since;         /* CUDA version that brought it, 13050 = 13.5; 0: not known */
    const char *older;      /* exported symbol of an earlier form with the same prototype, or NULL */
} cu_symbol;

typedef struct cu_library_spec {
    const char *name;              /* "driver" */
    const char *title;             /* for messages: "the CUDA driver (libcuda)" */
    const char *const *sonames;    /* names to open, in order, NULL-terminated */
    const char *const *foreign;    /* names of other majors, only to say so clearly, NULL-terminated */
    const char *const *wheel_dirs; /* below each sys.path entry, e.g. "nvidia/cu13/lib", NULL-terminated */
    const char *const *home_dirs;  /* below $CUDA_PATH and $CUDA_HOME, e.g. "lib64", NULL-terminated */
    const char *override_env;      /* e.g. "CUBIND_DRIVER_LIBRARY": a path, and nothing else is tried */
    const char *hint;              /* what to do when it is not found */
    const char *resolver;          /* symbol that finds symbols by version (cuGetProcAddress_v2), or NULL */
    const char *stand_in;          /* our own library where this one is missing, below the package; or NULL */
    const char *follows;           /* the library whose choice decides between both; NULL: it chooses for itself */
    const cu_symbol *symbols;
    uint16_t n_symbols;
    uint32_t abi; /* hash of the symbol list: two modules that share a table must agree */
} cu_library_spec;

/* A library at run time; one for a name in the process, shared by the Python level and the C level. */
typedef struct cu_library {
    const cu_library_spec *spec;
    void **table; /* n_symbols function pointers; NULL until first use */
    void **per_thread_table;
    void *private_state;
} cu_library;

typedef struct cu_enum { /* an enum class at run time */
    PyObject *type;      /* NULL until first use */
    PyObject **dense;    /* members by value - lo, borrowed; NULL entries where there is none yet */
    int64_t lo;
    uint64_t n_dense;
} cu_enum;

typedef struct cu_module {
    /* filled by generated code */
    const char *name; /* "cubind.driver" */
    const cu_library_spec *library_spec;
    void ***table_slot;        /* where the module keeps its table pointer; the core sets and switches it */
    const cu_func_spec *funcs; /* index = index of the symbol */
    PyMethodDef *methods;
    const cu_enum_spec *enum_specs;
    const cu_handle_spec *handle_specs;
    const cu_record_spec *record_specs;
    const cu_callback_spec *callback_specs;
    const cu_const_spec *const_specs;
    uint16_t n_funcs, n_enums, n_handles, n_records, n_callbacks, n_consts;
    int16_t status_enum; /* index of the enum that the functions return */
    /* arrays provided by generated code, filled by the core */
    cu_enum *enums;
    PyTypeObject **handles; /* made at import */
    PyTypeObject **records; /* each made on first use: go through cu_record_type() */
    /* filled by the core */
    cu_library *library;
    PyObject *self;          /* the module object, borrowed */
    PyObject *error_classes; /* status -> exception class, made on the first error */
} cu_module;

/* ---- objects -------------------------------------------------------------------------------------------------------- */

typedef struct cu_handle { /* CUstream, CUevent ...: an opaque pointer that owns nothing */
    PyObject_HEAD void *ptr;
    void *extra; /* CUfunction, CUkernel: parameter sizes once asked for; malloc'ed, or NULL */
} cu_handle;

typedef struct cu_record { /* a C struct or union, or a view of a part of one */
    PyObject_VAR_HEAD      /* an owner keeps its memory inline, behind this header */
        void *ptr;
    PyObject *owner; /* a view: the object that owns the memory; else NULL */
    PyObject *refs;  /* dict: what pointer fields point to, kept alive; NULL until used */
    const cu_record_spec *spec;
    cu_module *module;
} cu_record;

/* What a `void *` points to, by the value of an attribute (policy [tags]). */
typedef struct cu_tag {
    int64_t value; /* the enumerator */
    cu_type type;
    int16_t count; /* 0: one value; -1: as many as fit the given size; CU_TEXT: the longest text */
} cu_tag;

typedef struct cu_tagged { /* memory for such a value, in a frame */
    const cu_tag *tag;
    void *data;
    size_t size;
} cu_tagged;

/* Memory and references that live as long as one call.  Not cleared on entry but for the three counters. */
#define CU_FRAME_BUFFERS 4
#define CU_FRAME_BYTES 512
typedef struct cu_frame {
    void *blocks;   /* list of malloc'ed blocks */
    PyObject *refs; /* list of objects kept alive, or NULL */
    uint32_t n_buffers;
    uint32_t used; /* bytes of `bytes` in use */
    Py_buffer buffers[CU_FRAME_BUFFERS];
    union {
        uint64_t word[CU_FRAME_BYTES / 8];
        long double align;
    } bytes;
} cu_frame;

typedef struct cu_callback cu_callback; /* a Python callable that CUDA may call; see _callback.c */

enum cu_keep {                 /* how long a callback is kept when the call that took it succeeded */
               CU_KEEP_CALL,   /* until the call returns */
               CU_KEEP_ONCE,   /* until it was called once */
               CU_KEEP_STREAM, /* ONCE; or, where `owner` is a capturing stream, as long as the graph being captured */
               CU_KEEP_GRAPH,  /* as long as the graph `owner` */
               CU_KEEP_KEY,    /* until cu->callback_release(module, owner): `owner` is what the call returned */
               CU_KEEP_FOREVER
};

/* What the word behind an int's header is for zero, one and two digits of 30 bits; found at import (_layout.c).  Where it is
 * not known these are values that no int has. */
typedef struct cu_int_words {
    uint64_t zero, one, two;
} cu_int_words;

/* ---- the core's functions ------------------------------------------------------------------------------------------- */

struct cu_api {
    uint32_t size; /* sizeof(struct cu_api) */
    const cu_int_words *int_words;
    /* module: types, methods, lazily made attributes; `self` is the module object */
    int (*module_init)(cu_module *m, PyObject *self);
    /* libraries */
    cu_library *(*library)(const cu_library_spec *spec); /* find or make; opens nothing */
    int (*library_slot)(cu_library *lib,
                        void ***slot);          /* sets *slot to the table in force, now and when it is switched */
    int (*resolve)(cu_library *lib, int index); /* fills table[index]; raises */
    int (*resolve_nogil)(cu_library *lib, int index); /* the same without the GIL and without error: 0 or -1 */
    /* arguments: cold paths */
    int (*args)(PyObject *const **a, Py_ssize_t n, PyObject *kw, const cu_func_spec *f, PyObject **out);
    PyObject *(*bad_arg)(const cu_func_spec *f, int position);  /* names function and parameter in the current error */
    PyObject *(*raise)(cu_module *m, int func, int64_t status); /* status -> exception */
    int (*overflow)(const char *ctype, PyObject *value);        /* OverflowError */
    int (*index)(PyObject *o, int bits, int is_signed, void *out); /* any integer-like object, range-checked */
    int (*handle_slow)(PyObject *o, cu_module *m, int index,
                       void **out); /* None, int, __index__, __cuda_stream__, error */
    /* values; `fr` may be NULL where nothing can need it */
    int (*pointer)(PyObject *o, cu_frame *fr, int writable, void **out,
                   size_t *nbytes); /* int, None, handle, record, buffer */
    int (*string)(PyObject *o, int nullable,
                  const char **out); /* str, bytes; no embedded NUL.  The text lives as long as `o` */
    int (*record_arg)(PyObject *o, cu_module *m, int index, int nullable, void **out); /* record, int, None */
    int (*array)(PyObject *o, cu_module *m, cu_type t, cu_frame *fr, void **out,
                 size_t *len); /* see _array.c; len = SIZE_MAX if unknown */
    int (*count)(PyObject *o, size_t have, const char *array_name,
                 size_t *out); /* None or int against the array's length */
    int (*store)(void *where, PyObject *o, cu_module *m, cu_type t, uint32_t count,
                 PyObject **keep); /* Python -> C memory */
    PyObject *(*load)(const void *where, cu_module *m, cu_type t, uint32_t count,
                      PyObject *owner);                                      /* C memory -> Python */
    PyObject *(*list)(const void *first, cu_module *m, cu_type t, size_t n); /* n elements, copied */
    size_t (*sizeof_type)(cu_module *m, cu_type t);
    /* results */
    PyObject *(*new_handle)(PyTypeObject *type, void *ptr);
    PyObject *(*enum_member)(cu_module *m, int index, int64_t value); /* known or not: enums are open */
    PyTypeObject *(*record_type)(cu_module *m, int index);            /* borrowed; makes the class on first use */
    PyObject *(*new_record)(cu_module *m, int index, void **ptr);     /* zeroed, owns its memory */
    PyObject *(*cstring)(const char *s);                              /* str, None for NULL */
    PyObject *(*text)(const char *s, size_t n, int raw);              /* char[n]: str up to NUL, or bytes */
    PyObject *(*tuple)(int n, PyObject **items);                      /* steals the items; NULL if any is NULL */
    /* frames */
    void *(*frame_alloc)(cu_frame *fr, size_t nbytes); /* 16-byte aligned, zeroed; NULL with MemoryError */
    int (*frame_keep)(cu_frame *fr, PyObject *o);      /* keep a reference until the frame ends */
    void (*frame_end)(cu_frame *fr);                   /* keeps a pending Python error as it is */
    /* kernel launches: None, address, sequence of values, or (values, types) */
    int (*kernel_params)(PyObject *params, PyObject *func, cu_module *m, int info_func, cu_frame *fr, void ***out);
    /* callbacks */
    int (*callback_arg)(PyObject *fn, PyObject *data, cu_module *m, int index, void **c_fn, void **c_data,
                        cu_callback **out);
    int (*callback_keep)(cu_callback *cb, cu_module *m, enum cu_keep how, void *owner);
    void (*callback_drop)(cu_callback *cb); /* the call failed or is over */
    void (*callback_release)(cu_module *m, void *owner);
    void (*callback_enter)(void *user, const uint64_t *values, void *result); /* from a trampoline, any thread */
    void *(*callback_current)(void); /* KEEP_CALL callbacks without user pointer */
    cu_callback *(*callback_take)(
        cu_module *m,
        void *
            owner); /* before an unregister call: takes a KEY callback out; then drop it, or keep it again where the call failed */
    int (*callback_keep_user)(void *c_fn, void *c_data, cu_module *m, enum cu_keep how,
                              void *owner); /* the same for a callback that came in a record's fields */
    /* values typed by an attribute; `given` is the size the caller asked for, or CU_NO_ARRAY */
    int (*tagged_room)(cu_module *m, const cu_tag *tags, int n_tags, int64_t value, size_t given, cu_frame *fr,
                       cu_tagged *out);
    int (*tagged_from)(cu_module *m, const cu_tag *tags, int n_tags, int64_t value, PyObject *o, cu_frame *fr,
                       cu_tagged *out);
    PyObject *(*tagged_value)(cu_module *m, const cu_tagged *t);
    int (*tagged_array_room)(cu_module *m, const cu_tag *tags, int n_tags, const int *values, size_t n,
                             const size_t *sizes, cu_frame *fr, void ***data, cu_tagged **out);
    PyObject *(*tagged_array_value)(cu_module *m, const cu_tagged *t, size_t n);
    /* after a call */
    int (*record_keep)(PyObject *record, cu_module *m, enum cu_keep how, void *owner); /* the callbacks in its fields */
    PyObject *(*note)(PyObject *null, const char *name,
                      PyObject *value);   /* adds `name: value` to the current error; steals value; NULL */
    cu_frame *(*frame_new)(cu_frame *fr); /* a frame that is freed with `fr` unless it is held */
    void (*frame_hold)(cu_frame *fr, cu_module *m,
                       void *owner); /* keep the lasting frames made for `fr` until frame_release */
    void (*frame_release)(cu_module *m, void *owner);
    int (*array_back)(PyObject *o, cu_module *m, cu_type t, const void *items,
                      size_t n); /* records that C wrote to, back into theirs */
};

#define CU_NO_ARRAY (SIZE_MAX - 1) /* as a length: there is no array that could tell */

#ifndef CUBIND_CORE_BUILD
static const struct cu_api *cu; /* set by cu_import() in each generated module */
static cu_int_words cu_words;
static inline int cu_import(void) {
    PyObject *core = PyImport_ImportModule("cubind._core"); /* PyCapsule_Import itself imports the first name only */
    Py_XDECREF(core);
    cu = core ? (const struct cu_api *)PyCapsule_Import("cubind._core._api", 0) : NULL;
    if (!cu) return -1;
    if (cu->size != sizeof(struct cu_api)) {
        PyErr_SetString(PyExc_ImportError, "cubind: the extension modules are of different builds; reinstall cubind");
        return -1;
    }
    cu_words = *cu->int_words;
    return 0;
}
#else
extern const struct cu_api cubind_api;
extern cu_int_words cubind_int_words;
#define cu (&cubind_api)
#define cu_words cubind_int_words
#endif

#include "_hot.h"

#endif
