/* Handles that are integers are typedefs, as are the integers themselves. */
#include <stddef.h>
#include <stdint.h>
typedef unsigned long long toyPtr;
typedef int toyDevice;
typedef uint64_t toyTexture;

int toyUse(toyPtr where, toyDevice device, toyTexture texture, uint32_t flags, size_t size);
