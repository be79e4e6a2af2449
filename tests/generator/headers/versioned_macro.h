/* A macro gives a symbol its public name; what the old symbol was is not declared any more. */
#define toyAlloc toyAlloc_v2
#define toyCopy __TOY_CHOOSE(toyCopy_v3)
#define __TOY_CHOOSE(api) api

int toyAlloc(void **out, unsigned long size);
int toyCopy(void *to, const void *from);
int toyFree(void *memory);
