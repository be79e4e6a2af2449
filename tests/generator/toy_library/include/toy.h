/* A made-up library with one function for each thing that a header can leave open, and for each thing it can declare. */
#ifndef TOY_H
#define TOY_H
#include <stddef.h>
#include <stdint.h>
#include "other.h"

#define TOY_VERSION 1020
#define TOY_STREAM_DEFAULT ((toyStream)0x1)
#define TOY_ALL 0xFFFFFFFFu
enum { TOY_LABEL_SIZE = 12 };

#ifdef TOY_PER_THREAD_STREAMS
#define __TOY_PTSZ(api) api##_ptsz
#else
#define __TOY_PTSZ(api) api
#endif
#define toyBoxCreate toyBoxCreate_v2
#define toyTick __TOY_PTSZ(toyTick)
#ifdef TOY_INTERNAL
#undef toyBoxCreate
#endif

typedef enum toyStatus_enum {
    TOY_SUCCESS = 0,
    TOY_ERROR_INVALID = 1,
    TOY_ERROR_NO_MEMORY = 2,
    TOY_ERROR_MISSING = 500,
    TOY_NOT_READY = 600,
    TOY_ERROR_UNKNOWN = 999
} toyStatus;

typedef enum toyKind {
    TOY_KIND_NONE = -1,
    TOY_KIND_INTEGER,
    TOY_KIND_NUMBER,
    TOY_KIND_POINT,
    TOY_KIND_NAME,
    TOY_KIND_CODES,
    TOY_KIND_FIRST = TOY_KIND_INTEGER
} toyKind;

typedef struct toyBox_st *toyBox;
typedef struct toyStream_st *toyStream;
typedef struct toyStream_st *toyQueue;
typedef struct toyLink_st *toyLink;
typedef struct toyToken_st *toyToken;
typedef struct toyFunction_st *toyFunction;
typedef struct toyKernel_st *toyKernel;
typedef unsigned long long toyPtr;

typedef struct toyPoint_st {
    int x, y;
} toyPoint;

typedef union toyWord {
    uint32_t whole;
    uint8_t bytes[4];
    float number;
} toyWord;

typedef int (*toyVisit)(toyPoint *point, void *item, void *context);
typedef void (*toyDone)(toyStream stream, void *userData);
typedef void (*toyLog)(void *userData, toyStatus level, char *text, size_t length);
typedef int (*toyMeasure)(toyPoint byValue, void *userData);
typedef double (*toyCurve)(double at);

typedef struct toyEvent_st {
    toyKind kind;
    union {
        long long integer;
        double number;
        toyPoint point;
    };
    struct {
        toyPoint from;
        toyPoint to[2];
        union {
            int port;
            char host[8];
        } where;
    } path;
    toyWord word;
    unsigned count;
    const toyPoint *points;
    toyDone done;
    void *context;
    char label[TOY_LABEL_SIZE];
    unsigned char raw[4];
    struct toyNever_st *never;
    toyPtr from;
} toyEvent;

/** \defgroup TOY_BOX Boxes
 *  @{ */
/**
 * \param box - Returned box
 */
toyStatus toyBoxCreate(toyBox *box, int size);
#ifdef TOY_INTERNAL
toyStatus toyBoxCreate_v2(toyBox *box, int size);
toyStatus toyBoxCreate_v2_ptds(toyBox *box, int size);
#endif
toyStatus toyBoxDestroy(toyBox box);
toyStatus toyBoxPut(toyBox box, const toyPoint *at, toyEvent *event);
/** \param[out] event What was put there last */
toyStatus toyBoxGet(toyBox box, toyEvent *event, toyPoint *at);
toyStatus toyBoxScale(toyBox box, float *factor, toyPoint *origin);
toyStatus toyBoxList(toyBox box, toyPoint *points, size_t *count, toyKind *kinds);
toyStatus toyBoxBorrow(toyBox box, const toyPoint **points, size_t *count);
toyStatus toyBoxBytes(toyBox box, void **data, size_t *size);
toyStatus toyBoxName(toyBox box, char *name, int room);
toyStatus toyBoxDump(toyBox box, char *buffer, size_t *size);
toyStatus toyBoxTextSize(toyBox box, size_t *size);
toyStatus toyBoxText(toyBox box, char *text);
toyStatus toyBoxImage(toyBox box, char *image);
toyStatus toyBoxGetAttribute(toyBox box, toyKind kind, void *value, size_t *size);
toyStatus toyBoxSetAttribute(toyBox box, toyKind kind, void *value, size_t *size);
toyStatus toyBoxRange(toyBox box, toyKind kind, void *value, size_t size);
toyStatus toyBoxGetAttributes(toyBox box, toyKind *kinds, size_t count, void **values, size_t *sizes);
/** @} */

toyStatus toyTick(toyStream stream, unsigned long long *time);
toyStatus toyCopy(void *to, const void *from, size_t size);
toyStatus toyHash(void *data, size_t size, unsigned *hash, void *reserved);
toyStatus toySum(const int *values, const int *weights, size_t count, const float offsets[2], double *sum);
toyStatus toyJoin(const char *const *words, int count, char *text, size_t room);
toyStatus toyMove(toyPoint *points, int count, int by);
toyStatus toyRange(short first, int count, int *values);
toyStatus toyDivisors(int of, int room, int *values, int *found);
toyStatus toyChunks(size_t size, size_t chunk, size_t *sizes);
toyStatus toyTags(char *tag, char *id);
toyStatus toyCountKinds(int *count);
toyStatus toyKinds(toyKind *kinds);
toyStatus toyMap(size_t size, void *address);
toyStatus toyCheck(int value, int *where);
toyStatus toyOpen(const char *name, int flags, toyPtr *handle, void *extra);

toyStatus toyLinkCreate(unsigned count, void **values, toyLink *link);
toyStatus toyLinkRun(toyLink link);
toyStatus toyLinkDestroy(toyLink link);

toyStatus toyFunctionParam(toyFunction function, size_t index, size_t *offset, size_t *size);
toyStatus toyKernelParam(toyKernel kernel, size_t index, size_t *offset, size_t *size);
toyStatus toyFind(const char *name, toyFunction *function, toyKernel *kernel);
toyStatus toyLaunch(toyFunction f, void **params, double *result);

toyStatus toyEach(toyBox box, toyVisit visit, void *context);
toyStatus toyApply(int (*function)(int), int value, int *result);
toyStatus toyPing(void (*ping)(void), int times);
toyStatus toyIntegrate(toyCurve curve, double *sum);
toyStatus toyMeasured(toyMeasure measure, void *userData, int *result);
toyStatus toyDefer(toyDone done, void *userData);
toyStatus toyAfter(toyStream stream, toyDone done, void *userData);
toyStatus toyRunDeferred(void);
toyStatus toySetLog(toyLog log, void *userData);
toyStatus toyWithBox(toyBox box, toyDone done, void *userData);
toyStatus toyRegister(toyDone done, void *userData, toyToken *token);
toyStatus toyUnregister(toyToken token, int fail);
toyStatus toyFire(toyBox box);
toyStatus toyBoxOn(toyBox box, toyEvent *event);

toyStatus toyReady(toyStream stream);
toyStatus toyTry(int value, int *result);
toyStatus toyLastStatus(void);
const char *toyStatusText(toyStatus status);
toyPoint toyAdd(toyPoint a, toyPoint b);
toyStream toyDefaultStream(void);
double toyHalf(double value);
toyKind toyKindOf(const toyEvent *event);
void toyReset(void);
__attribute__((deprecated)) unsigned toyFlags(void);
toyStatus toyShare(otherUint texture, otherImage image, otherUint *shared);
toyStatus toySecret(void **what);
toyStatus toyGone(void);
toyStatus toyGetSymbol(const char *symbol, void **function, int version, unsigned long long flags, int *found);
#endif
