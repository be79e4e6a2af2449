/* Arrays and their lengths: a parameter written with brackets is a pointer. */
typedef struct toyItem_st *toyItem;

int toyJoin(const toyItem *items, unsigned int count);
int toyNames(const char *const *names, unsigned long long count);
int toyFill(float values[4], const int size[]);
