/* The resolver's versions: two symbols of equal signature, told apart since each gets the newest that is still free. */
#define toyAlloc toyAlloc_v3

int toyAlloc_v2(void **out, unsigned long size);
int toyAlloc(void **out, unsigned long size);
int toyFree(void *memory);
int toyUnknown(void);
