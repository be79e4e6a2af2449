/* Records as parameters and as results, named by typedef or by tag. */
typedef struct toyExtent_st {
    unsigned long width, height, depth;
} toyExtent;

toyExtent toyMakeExtent(unsigned long width, unsigned long height, unsigned long depth);
int toyResize(void *array, toyExtent extent);
int toyShrink(const struct toyExtent_st *limits, struct toyExtent_st *result);
