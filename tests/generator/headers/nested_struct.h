/* A named member whose type is defined in place: with a tag, without one, and as an array. */
typedef struct toyJob_st {
    struct {
        int x, y;
    } grid;
    union toyPlace_un {
        int device;
        void *address;
    } place;
    struct {
        char name[4];
    } parts[3];
} toyJob;
