/* One typedef a version of a function. */
typedef int (*PFN_toyAlloc_v2000)(void **out, unsigned int size);
typedef int (*PFN_toyAlloc_v3020)(void **, unsigned long);
typedef int (*PFN_toyAlloc_v12010)(void **out, unsigned long size);
typedef int (*PFN_toyFree_v2000)(void *memory);
typedef int (*PFN_toyFree_v7000_ptsz)(void *memory);
