/* What a C program can use as a constant integer: also casts to handles; not text, types, code or what was undone. */
typedef struct toyStream_st *toyStream;
#define TOY_VERSION 1050
#define TOY_MINOR (TOY_VERSION % 1000 / 10)
#define TOY_STREAM_LEGACY ((toyStream)0x1)
#define TOY_ANY (-1)
#define TOY_ALL 0xFFFFFFFFu
#define TOY_FLAG (1 << 4 | 2)
#define OTHER_PREFIX 3

#define TOY_UNDONE 7
#undef TOY_UNDONE
#define TOY_GUARD_H
#define TOY_TEXT "text"
#define TOY_ROUND(x) ((x) + 15)
#define TOY_TYPE unsigned int
#define TOY_CODE do { } while (0)
#define TOY_NOWHERE toyNotDeclared
int toyInit(void);
