/* Names of other headers that the library's functions use; what nobody uses is not a fact. */
#include "foreign.other.h"

int toyShare(otherUint texture, otherImage image, otherProc proc);
