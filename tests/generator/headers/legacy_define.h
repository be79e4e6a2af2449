/* What only the vendor's own library sees: old symbols, exported for old programs. */
#define toyAlloc toyAlloc_v2
#ifdef TOY_INTERNAL
#undef toyAlloc
#endif

int toyAlloc(void **out, unsigned long size);
#ifdef TOY_INTERNAL
int toyAlloc_v2(void **out, unsigned long size);
int toyAlloc_v2_ptds(void **out, unsigned long size);
int toyGone(void);
#endif
