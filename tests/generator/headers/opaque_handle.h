/* Pointers to records that nobody defines: also where several typedefs share one, and where the tag is forward only. */
struct toyLater_st;
typedef struct toyStream_st *toyStream;
typedef struct toyStream_st *toyQueue;
typedef const struct toyStream_st *toyStreamView;
typedef struct toyLater_st toyLater;
struct toyLater_st {
    toyLater *next;
    struct toyNever_st *never;
};

int toyStreamCreate(toyStream *stream);
