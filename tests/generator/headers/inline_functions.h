/* A library whose header calls symbols with a version in their names: its own functions are the API. */
typedef struct toyLink *toyHandle;
extern int __toyOpen_1_0(toyHandle *handle);
static inline int toyOpen(toyHandle *handle) {
    return __toyOpen_1_0(handle);
}
static inline int helperOfTheHeader(int x) {
    return x + 1;
}
int toyClose(toyHandle handle);
