/* A parameter that spells its function-pointer type itself, and a record's field that does. */
typedef struct toyHooks_st {
    int (*open)(const char *path, int flags);
} toyHooks;

int toyEach(int (*visit)(void *, int), void *userData);
