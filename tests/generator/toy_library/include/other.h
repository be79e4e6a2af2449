/* A header of another library, which the toy uses: its names are not the toy's. */
typedef unsigned int otherUint;
typedef void *otherImage;
