/* What the made-up library does: little, but enough to see every argument on this side and every result on the other. */
#define TOY_INTERNAL
#include "toy.h"
#include <stdlib.h>
#include <string.h>

struct toyBox_st {
    int size;
    toyPoint points[2];
    toyKind kinds[2];
    toyEvent event;
    double number;
    long long integer;
    int codes[3];
    char name[32];
    toyDone done;
    void *context;
};
struct toyLink_st { void **values; unsigned count; };
struct toyToken_st { toyDone done; void *context; };
struct deferred { toyDone done; void *context; toyStream stream; };

static toyStatus last;
static toyLog logger;
static void *log_data;
static struct deferred waiting[8];
static int n_waiting;
static struct toyToken_st tokens[4];
static int n_tokens;

static toyStatus status(toyStatus s) {
    char text[4] = {'b', 'a', 'd', '!'}; /* no NUL */
    if (s == TOY_ERROR_INVALID && logger) logger(log_data, s, text, 3);
    return last = s;
}

toyStatus toyBoxCreate(toyBox *box, int size) { return status(TOY_ERROR_UNKNOWN); }
toyStatus toyBoxCreate_v2(toyBox *box, int size) {
    if (size < 0) return status(TOY_ERROR_INVALID);
    if (size > 1000) return status(TOY_ERROR_NO_MEMORY);
    *box = calloc(1, sizeof **box);
    **box = (struct toyBox_st){size, {{1, 2}, {3, 4}}, {TOY_KIND_POINT, TOY_KIND_NONE}, .codes = {7, 8, 9}};
    strcpy((*box)->name, "box");
    return status(TOY_SUCCESS);
}
toyStatus toyBoxDestroy(toyBox box) { free(box); return status(TOY_SUCCESS); }
toyStatus toyBoxPut(toyBox box, const toyPoint *at, toyEvent *event) {
    if (event) box->event = *event;
    if (at) box->points[0] = *at;
    return status(TOY_SUCCESS);
}
toyStatus toyBoxGet(toyBox box, toyEvent *event, toyPoint *at) {
    *event = box->event;
    *at = box->points[0];
    return status(TOY_SUCCESS);
}
toyStatus toyBoxScale(toyBox box, float *factor, toyPoint *origin) {
    for (int i = 0; i < 2; i++) box->points[i].x = (int)(box->points[i].x * *factor) + (origin ? origin->x : 0);
    return status(TOY_SUCCESS);
}
toyStatus toyBoxList(toyBox box, toyPoint *points, size_t *count, toyKind *kinds) {
    size_t n = box->size < 2 ? box->size : 2;
    if (points) memcpy(points, box->points, n * sizeof *points), memcpy(kinds, box->kinds, n * sizeof *kinds);
    *count = n;
    return status(TOY_SUCCESS);
}
toyStatus toyBoxBorrow(toyBox box, const toyPoint **points, size_t *count) {
    *points = box->points;
    *count = 2;
    return status(TOY_SUCCESS);
}
toyStatus toyBoxBytes(toyBox box, void **data, size_t *size) {
    *data = box->codes;
    *size = 2 * sizeof(int);
    return status(TOY_SUCCESS);
}
toyStatus toyBoxName(toyBox box, char *name, int room) {
    strncpy(name, box->name, (size_t)room);
    return status(TOY_SUCCESS);
}
toyStatus toyBoxDump(toyBox box, char *buffer, size_t *size) {
    memcpy(buffer, "a\0b", 3);
    *size = 3;
    return status(TOY_SUCCESS);
}
toyStatus toyBoxTextSize(toyBox box, size_t *size) {
    if (!box) return status(TOY_ERROR_INVALID);
    *size = strlen(box->name) + 1;
    return status(TOY_SUCCESS);
}
toyStatus toyBoxText(toyBox box, char *text) { strcpy(text, box->name); return status(TOY_SUCCESS); }
toyStatus toyBoxImage(toyBox box, char *image) { return toyBoxText(box, image); }

static toyStatus attribute(toyBox box, toyKind kind, void *value, size_t size) {
    switch (kind) {
    case TOY_KIND_INTEGER: *(long long *)value = box->integer; break;
    case TOY_KIND_NUMBER: *(double *)value = box->number; break;
    case TOY_KIND_POINT: *(toyPoint *)value = box->points[0]; break;
    case TOY_KIND_NAME: strncpy(value, box->name, size); break;
    case TOY_KIND_CODES: memcpy(value, box->codes, size); break;
    default: return status(TOY_ERROR_INVALID);
    }
    return status(TOY_SUCCESS);
}
toyStatus toyBoxGetAttribute(toyBox box, toyKind kind, void *value, size_t *size) {
    return attribute(box, kind, value, *size);
}
toyStatus toyBoxSetAttribute(toyBox box, toyKind kind, void *value, size_t *size) {
    if (kind == TOY_KIND_INTEGER && *size == 8) box->integer = *(long long *)value;
    else if (kind == TOY_KIND_NUMBER) box->number = *(double *)value;
    else if (kind == TOY_KIND_POINT && *size == sizeof(toyPoint)) box->points[0] = *(toyPoint *)value;
    else if (kind == TOY_KIND_NAME && *size == strlen(value) + 1) strcpy(box->name, value);
    else return status(TOY_ERROR_INVALID);
    return status(TOY_SUCCESS);
}
toyStatus toyBoxRange(toyBox box, toyKind kind, void *value, size_t size) { return attribute(box, kind, value, size); }
toyStatus toyBoxGetAttributes(toyBox box, toyKind *kinds, size_t count, void **values, size_t *sizes) {
    toyStatus s = TOY_SUCCESS;
    for (size_t i = 0; i < count && !s; i++) s = attribute(box, kinds[i], values[i], sizes[i]);
    return s;
}

toyStatus toyTick(toyStream stream, unsigned long long *time) {
    if (time) *time += (uintptr_t)stream;
    return status(TOY_SUCCESS);
}
toyStatus toyTick_ptsz(toyStream stream, unsigned long long *time) {
    *time = 77;
    return status(TOY_SUCCESS);
}
toyStatus toyCopy(void *to, const void *from, size_t size) { memcpy(to, from, size); return status(TOY_SUCCESS); }
toyStatus toyHash(void *data, size_t size, unsigned *hash, void *reserved) {
    if (reserved) return status(TOY_ERROR_INVALID);
    for (size_t i = *hash = 0; i < size; i++) *hash = *hash * 31 + ((unsigned char *)data)[i];
    return status(TOY_SUCCESS);
}
toyStatus toySum(const int *values, const int *weights, size_t count, const float offsets[2], double *sum) {
    *sum = offsets ? offsets[0] + offsets[1] : 0;
    for (size_t i = 0; i < count; i++) *sum += values[i] * (i + 1 < count && weights ? weights[i] : 1);
    return status(TOY_SUCCESS);
}
toyStatus toyJoin(const char *const *words, int count, char *text, size_t room) {
    for (int i = 0; i < count; i++) strncat(text, words[i], room - strlen(text) - 1);
    return status(TOY_SUCCESS);
}
toyStatus toyMove(toyPoint *points, int count, int by) {
    for (int i = 0; i < count; i++) points[i].x += by;
    return status(TOY_SUCCESS);
}
toyStatus toyRange(short first, int count, int *values) {
    for (int i = 0; i < count; i++) values[i] = first + i;
    return status(TOY_SUCCESS);
}
toyStatus toyDivisors(int of, int room, int *values, int *found) {
    *found = 0;
    for (int i = 1; i <= of && *found < room; i++)
        if (of % i == 0) values[(*found)++] = i;
    return status(TOY_SUCCESS);
}
toyStatus toyChunks(size_t size, size_t chunk, size_t *sizes) {
    for (size_t at = 0; at < size; at += chunk) *sizes++ = size - at < chunk ? size - at : chunk;
    return status(TOY_SUCCESS);
}
toyStatus toyTags(char *tag, char *id) {
    strcpy(tag, "tag");
    memcpy(id, "\1\0\2\3", 4);
    return status(TOY_SUCCESS);
}
toyStatus toyCountKinds(int *count) { *count = 3; return status(TOY_SUCCESS); }
toyStatus toyKinds(toyKind *kinds) {
    for (int i = -1; i < 2; i++) *kinds++ = i;
    return status(TOY_SUCCESS);
}
toyStatus toyMap(size_t size, void *address) { *(void **)address = (void *)(size * 16); return status(TOY_SUCCESS); }
toyStatus toyCheck(int value, int *where) {
    *where = value * 2;
    return status(value ? TOY_ERROR_INVALID : TOY_SUCCESS);
}
toyStatus toyOpen(const char *name, int flags, toyPtr *handle, void *extra) {
    *handle = (name ? strlen(name) : 100) + (toyPtr)flags * 1000 + (extra ? 1000000 : 0);
    return status(TOY_SUCCESS);
}

toyStatus toyLinkCreate(unsigned count, void **values, toyLink *link) {
    if (count > 3) return status(TOY_ERROR_INVALID);
    *link = malloc(sizeof **link);
    **link = (struct toyLink_st){values, count};
    return status(TOY_SUCCESS);
}
toyStatus toyLinkRun(toyLink link) {
    for (unsigned i = 0; i < link->count; i++) ((char *)link->values[i])[0]++;
    return status(TOY_SUCCESS);
}
toyStatus toyLinkDestroy(toyLink link) { free(link); return status(TOY_SUCCESS); }

/* A function takes an int, a double and a pointer; a kernel takes one double. */
toyStatus toyFunctionParam(toyFunction function, size_t index, size_t *offset, size_t *size) {
    static const size_t sizes[] = {4, 8, 8};
    if (index > 2) return TOY_ERROR_INVALID;
    *offset = 8 * index;
    *size = sizes[index];
    return TOY_SUCCESS;
}
toyStatus toyKernelParam(toyKernel kernel, size_t index, size_t *offset, size_t *size) {
    *offset = 0;
    *size = 8;
    return index ? TOY_ERROR_INVALID : TOY_SUCCESS;
}
static char a_function, a_kernel;
toyStatus toyFind(const char *name, toyFunction *function, toyKernel *kernel) {
    *function = (toyFunction)&a_function;
    *kernel = (toyKernel)&a_kernel;
    return status(TOY_SUCCESS);
}
toyStatus toyLaunch(toyFunction f, void **params, double *result) {
    if ((void *)f == &a_kernel) *result = *(double *)params[0];
    else *result = *(int *)params[0] + *(double *)params[1] + (**(char ***)params[2])[0];
    return status(TOY_SUCCESS);
}

toyStatus toyEach(toyBox box, toyVisit visit, void *context) {
    int sum = 0;
    for (int i = 0; i < 2; i++) sum += visit(&box->points[i], (void *)(uintptr_t)(i + 5), context);
    return status(sum == 30 ? TOY_SUCCESS : TOY_NOT_READY);
}
toyStatus toyApply(int (*function)(int), int value, int *result) {
    *result = function(value);
    return status(TOY_SUCCESS);
}
toyStatus toyPing(void (*ping)(void), int times) {
    while (times--) ping();
    return status(TOY_SUCCESS);
}
toyStatus toyIntegrate(toyCurve curve, double *sum) {
    *sum = curve(0.5) + curve(1.5);
    return status(TOY_SUCCESS);
}
toyStatus toyMeasured(toyMeasure measure, void *userData, int *result) {
    *result = measure ? measure((toyPoint){3, 4}, userData) : -1;
    return status(TOY_SUCCESS);
}
static toyStatus defer(toyStream stream, toyDone done, void *context) {
    if (n_waiting == 8) return status(TOY_ERROR_NO_MEMORY);
    waiting[n_waiting++] = (struct deferred){done, context, stream};
    return status(TOY_SUCCESS);
}
toyStatus toyDefer(toyDone done, void *userData) { return defer(NULL, done, userData); }
toyStatus toyAfter(toyStream stream, toyDone done, void *userData) { return defer(stream, done, userData); }
toyStatus toyRunDeferred(void) {
    for (int i = 0; i < n_waiting; i++) waiting[i].done(waiting[i].stream, waiting[i].context);
    n_waiting = 0;
    return status(TOY_SUCCESS);
}
toyStatus toySetLog(toyLog log, void *userData) {
    logger = log;
    log_data = userData;
    return status(TOY_SUCCESS);
}
toyStatus toyWithBox(toyBox box, toyDone done, void *userData) {
    box->done = done;
    box->context = userData;
    return status(TOY_SUCCESS);
}
toyStatus toyRegister(toyDone done, void *userData, toyToken *token) {
    if (n_tokens == 4) return status(TOY_ERROR_NO_MEMORY);
    *token = &tokens[n_tokens++];
    **token = (struct toyToken_st){done, userData};
    return status(TOY_SUCCESS);
}
toyStatus toyUnregister(toyToken token, int fail) {
    if (fail) return status(TOY_ERROR_INVALID);
    token->done = NULL;
    return status(TOY_SUCCESS);
}
toyStatus toyFire(toyBox box) {
    for (int i = 0; i < n_tokens; i++)
        if (tokens[i].done) tokens[i].done((toyStream)(uintptr_t)i, tokens[i].context);
    if (box && box->done) box->done(NULL, box->context);
    if (box && box->event.done) box->event.done(NULL, box->event.context);
    return status(TOY_SUCCESS);
}
toyStatus toyBoxOn(toyBox box, toyEvent *event) { return toyBoxPut(box, NULL, event); }

toyStatus toyReady(toyStream stream) {
    if (stream == TOY_STREAM_DEFAULT) return status(TOY_SUCCESS);
    return status(stream ? TOY_NOT_READY : TOY_ERROR_INVALID);
}
toyStatus toyTry(int value, int *result) {
    *result = value + 1;
    return status(value < 0 ? TOY_ERROR_INVALID : value > 9 ? TOY_NOT_READY : TOY_SUCCESS);
}
toyStatus toyLastStatus(void) { return last; }
const char *toyStatusText(toyStatus s) { return s == TOY_ERROR_INVALID ? "that is invalid" : NULL; }
toyPoint toyAdd(toyPoint a, toyPoint b) { return (toyPoint){a.x + b.x, a.y + b.y}; }
toyStream toyDefaultStream(void) { return TOY_STREAM_DEFAULT; }
double toyHalf(double value) { return value / 2; }
toyKind toyKindOf(const toyEvent *event) { return event->kind; }
void toyReset(void) { last = TOY_SUCCESS; }
unsigned toyFlags(void) { return TOY_ALL; }
toyStatus toyShare(otherUint texture, otherImage image, otherUint *shared) {
    *shared = texture + (otherUint)(uintptr_t)image;
    return status(TOY_SUCCESS);
}
toyStatus toySecret(void **what) { return status(TOY_SUCCESS); }
/* toyGone is declared and not there */

/* Only the newest prototype of toyBoxCreate has a version; asked for another name or version, it has nothing. */
toyStatus toyGetSymbol(const char *symbol, void **function, int version, unsigned long long flags, int *found) {
    *found = 0;
    *function = NULL;
    if (strcmp(symbol, "toyBoxCreate") || version != 1020) return TOY_ERROR_INVALID;
    *function = (void *)toyBoxCreate_v2;
    *found = 1;
    return TOY_SUCCESS;
}
