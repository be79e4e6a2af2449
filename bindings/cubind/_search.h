/* Finding and opening one library: see _search.c.  Only _loader.c includes this. */
#ifndef CUBIND_SEARCH_H
#define CUBIND_SEARCH_H
#include "_impl.h"
#include "_os.h"
#include <stdio.h>
#include <stdlib.h>

/* What our own driver library exports beside the API; nobody else's does. */
#define CPU_DEVICE_MARK "cubind_cpu_last_report"

/* A growing text, made without Python.  Out of memory: it stops growing. */
typedef struct text {
    char *s;
    size_t n, room;
} text;

/* A library that was opened.  Everything else is written before `handle`, once. */
typedef struct found {
    void *handle;
    char *path;
    const char *how;   /* "override", "process", "wheel", "CUDA_PATH", "CUDA_HOME", "system", "cpu" */
    char *instead_of;  /* `how` is "cpu" and nobody asked for it: the library that has no device; "" for none */
    void *resolver;    /* spec->resolver, */
    void *resolver_v1; /* or its first version, without the status argument; or neither */
} found;

typedef struct place {
    char *path;
    const char *how;
    int foreign; /* a library of another major version: never opened, only told about */
} place;

/* $CUBIND_DEVICE: whether our own library may be used where the vendor's has no device, or must be. */
enum device_choice { DEVICE_AUTO, DEVICE_GPU, DEVICE_CPU, DEVICE_UNKNOWN };

typedef struct search {
    char *override; /* the value of spec->override_env, or NULL */
    char *stand_in; /* the file of our own library, or NULL where there may be none */
    enum device_choice device;
    place *places; /* files, in order */
    size_t n, room;
    int n_homes; /* $CUDA_PATH and $CUDA_HOME: how many of them are set */
} search;

void text_add(text *t, const char *format, ...) CU_IMPL;
int text_raise(text *t, const char *error_class) CU_IMPL; /* frees it; returns -1 */

/* Candidate files.  `with_python`: the GIL is held, sys.path is read.  -1: out of memory, no Python error is set. */
int search_collect(search *s, const cu_library_spec *spec, int with_python) CU_IMPL;
/* Whether what is found depends on another library. */
int search_depends(const search *s, const cu_library_spec *spec) CU_IMPL;
/* For a library that has no choice of its own: `leader` was opened, or NULL if it was not found.  -1: out of memory. */
int search_follow(search *s, const cu_library_spec *spec, found *leader) CU_IMPL;
/* Needs no GIL.  Where it fails and `report` is not NULL, that says where was looked. */
int search_open(const search *s, const cu_library_spec *spec, found *out, text *report) CU_IMPL;
void search_free(search *s) CU_IMPL;
void search_after_fork(void) CU_IMPL;
void *found_handle(found *f) CU_IMPL; /* NULL until everything in it may be read */

#endif
