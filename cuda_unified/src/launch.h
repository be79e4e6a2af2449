/* Kernels, how they are launched, and the bytes of their arguments: what kernel.c, config.c, pack.c, values.c and launch.c share. */
#pragma once
#include "native.h"

enum { MOST_PARAMETER_BYTES = 32764, MOST_ON_STACK = 32, BLOCK_ON_STACK = 512, MOST_EVENTS = 2 };

/* ---- kernels (kernel.c) ------------------------------------------------------------------------------------------------ */

/* What is declared, where the name (C++) or PTX tells: `kind` is one of these, else ANY.  The driver tells sizes alone.  INTEGER is
 * of either sign, or a pointer; BRAIN is bfloat16; RECORD any other class, or an enumeration. */
enum kind {
    ANY = '?',
    POINTER = 'p',
    INTEGER = 'n',
    SIGNED = 'i',
    UNSIGNED = 'u',
    FLOAT = 'f',
    BOOL = 'b',
    BRAIN = 'B',
    RECORD = 's'
};

typedef struct {
    uint32_t offset, size;
    char kind;
} parameter;

typedef struct {   /* malloc'ed; as long as the kernel */
    uint32_t n;    /* how many parameters */
    uint32_t size; /* bytes of the block that they lie in */
    int known;     /* else the driver does not tell: n means nothing */
    parameter parameters[];
} parameter_table;

typedef struct {
    PyObject_HEAD PyObject *weakrefs;
    void *handle;   /* a CUkernel or a CUfunction */
    PyObject *name; /* NULL: nobody asked the driver yet */
    PyObject *owner;
    PyObject *ptx;          /* the code, until the types of the parameters were read in it; or NULL */
    parameter_table *table; /* NULL: nobody asked the driver yet */
    char is_function;       /* a CUfunction: of one context */
    char closed;            /* what it belongs to was closed */
} kernel_object;

HIDDEN parameter_table *ask_parameters(kernel_object *k, context_object *c); /* c may be NULL: none in particular */
static inline parameter_table *parameters_of(kernel_object *k, context_object *c) {
    return LIKELY(k->table != NULL) ? k->table : ask_parameters(k, c);
}
HIDDEN PyObject *kernel_name(kernel_object *k); /* borrowed; never NULL: "?" where nobody knows */
static inline int kernel_usable(kernel_object *k) {
    if (LIKELY(!k->closed)) return 1;
    raise_closed((PyObject *)k);
    return 0;
}

HIDDEN PyObject *kernel_item(PyObject *k, PyObject *key);             /* kernel[grid, block, stream, shared_memory] */
HIDDEN PyObject *kernel_bind(PyObject *k, arguments a, Py_ssize_t n); /* both make a Launcher: launch.c */

/* ---- configurations (config.c) ----------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD CUlaunchConfig c; /* hStream is the launch's */
    PyObject *attributes;           /* a tuple of (name, value), sorted; NULL: none */
    uint64_t checked;               /* one bit for each of the first devices that it was checked against */
    event_object *events[2];        /* among the attributes, which keep them: the driver has their handles */
    int n_events;
    char is_common; /* within what every device has: nothing to check */
} config_object;

HIDDEN config_object *config_new(PyObject *grid, PyObject *block, PyObject *shared_memory);
HIDDEN int check_config(config_object *c, stream_object *s);
/* Whether the stream's device can do that; 0, or -1 with a ValueError. */
static inline int config_fits(config_object *c, stream_object *s) {
    return LIKELY(c->is_common) ? 0 : check_config(c, s);
}

/* ---- arguments (pack.c, values.c) -------------------------------------------------------------------------------------- */

/* Where one argument goes, and what a message about it says. */
typedef struct {
    kernel_object *kernel;
    stream_object *stream;
    Py_ssize_t i, n;
    char *to;
    uint32_t size; /* bytes; where the driver does not tell: 0, and set by what is written, at most `room` */
    uint32_t room;
    char kind;
    PyObject **kept; /* a list, made when first needed: what has to live until the launch was made */
} place;

typedef struct {
    void **pointers;
    char *block;
    PyObject *kept;
    void *memory; /* malloc'ed, where the stack does not do */
    void *own_pointers[MOST_ON_STACK];
    char own_block[BLOCK_ON_STACK] __attribute__((aligned(16)));
} packed;

/* All arguments of a launch; 0, or -1 with an error and nothing to free.  After it: end_packed. */
HIDDEN int pack(packed *p, kernel_object *k, stream_object *s, arguments a, Py_ssize_t n);
HIDDEN int pack_one(place *p, PyObject *o);
HIDDEN int pack_ready(void);
static inline void end_packed(packed *p) {
    if (UNLIKELY(p->memory != NULL)) PyMem_Free(p->memory);
    if (UNLIKELY(p->kept != NULL)) Py_DECREF(p->kept);
}
HIDDEN int pack_value(place *p, PyObject *o); /* values.c: whatever is not one of the common exact types */
/* Raises `class` with "kernel(): args[i] of n: " before the text; -1. */
COLD HIDDEN int bad_argument(place *p, PyObject *class, const char *format, ...);
HIDDEN int keep(place *p, PyObject *o);

/* What is done with the objects of a class: values.c finds it out once. */
typedef struct {
    PyTypeObject *type; /* a reference */
    uint64_t fits;      /* AS_INSIDE: the kinds of parameters that take it, each a kind_bit() */
    unsigned char how;
    char kind;            /* AS_INSIDE: of the value, as of parameters */
    uint16_t size, where; /* AS_INSIDE: the bytes of the value, and where in the object they are */
} known_type;
enum { KNOWN_TYPES = 64 };
extern HIDDEN known_type known_types[KNOWN_TYPES];
static inline known_type *place_of_type(const PyTypeObject *type) {
    return &known_types[(uintptr_t)type / 64 % KNOWN_TYPES];
}
/* The letters of kinds differ in their last six bits. */
static inline uint64_t kind_bit(char kind) {
    return (uint64_t)1 << (kind & 63);
}

extern HIDDEN PyTypeObject *Kernel_type, *LaunchConfig_type, *Launcher_type;
