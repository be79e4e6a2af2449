/* A header of another library. */
typedef unsigned int otherUint;
typedef void *otherImage;
typedef int (*otherProc)(int);
typedef long otherUnused;
int otherFunction(otherUint x);
