/* A typedef of a pointer to function is a callback, with or without names of its parameters. */
typedef struct toyStream_st *toyStream;

typedef void (*toyDone)(toyStream stream, int status, void *userData);
typedef unsigned long (*toyMeasure)(int);
typedef void (*toyAny)(void);

int toyNotify(toyStream stream, toyDone done, void *userData);
