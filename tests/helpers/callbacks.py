"""A fake libcuda that calls back from threads of its own, and processes that use it.

The threads are plain C threads, like those of the real driver.
"""

from __future__ import annotations

from pathlib import Path

from .fakes import compile_library, run

SOURCE = """
typedef struct job { void (*fn)(void *); void *user; int ms; struct job *next; } job;
unsigned long long ran[1], destroyed[1];
int delay_ms, capturing, synchronous;
static CUhostFn destroys[64];
static void *destroyed_with[64];
static int n_objects;

static void *work(void *at) {
    job *j = at;
    usleep(j->ms * 1000);
    j->fn(j->user);
    __atomic_add_fetch(&ran[0], 1, __ATOMIC_SEQ_CST);
    free(j);
    return NULL;
}
static void start(CUhostFn fn, void *user) {
    job *j = malloc(sizeof *j);
    *j = (job){fn, user, delay_ms, NULL};
    if (synchronous) { work(j); return; }
    pthread_t thread;
    pthread_create(&thread, NULL, work, j);
    pthread_detach(thread);
}
CUresult cuInit(unsigned flags) { return (CUresult)flags; }
CUresult cuLaunchHostFunc(CUstream s, CUhostFn fn, void *user) {
    if (s == (CUstream)0xbad) return CUDA_ERROR_INVALID_HANDLE;
    if (capturing) destroys[63] = fn, destroyed_with[63] = user;
    else start(fn, user);
    return 0;
}
void replay(void) { start(destroys[63], destroyed_with[63]); }
CUresult cuStreamGetCaptureInfo_v3(CUstream s, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
                                   const CUgraphNode **nodes, const CUgraphEdgeData **edges, size_t *n) {
    *status = capturing ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
    if (graph) *graph = capturing ? (CUgraph)0x9 : NULL;
    return 0;
}
CUresult cuUserObjectCreate(CUuserObject *out, void *p, CUhostFn destroy, unsigned refs, unsigned flags) {
    destroys[n_objects] = destroy, destroyed_with[n_objects] = p;
    *out = (CUuserObject)(size_t)(++n_objects);
    return 0;
}
CUresult cuGraphRetainUserObject(CUgraph g, CUuserObject o, unsigned n, unsigned flags) { return 0; }
CUresult cuGraphAddHostNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n, const CUDA_HOST_NODE_PARAMS *p) {
    destroys[63] = p->fn, destroyed_with[63] = p->userData; *out = (CUgraphNode)0x77; return 0; }
CUresult cuGraphDestroy(CUgraph g) {  /* the real one calls from a thread of its own, too */
    for (int i = 0; i < n_objects; i++) start(destroys[i], destroyed_with[i]);
    n_objects = 0;
    return 0;
}
CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction f, CUoccupancyB2DSize size, size_t shared,
                                          int limit) {
    *grid = (int)size(100); *block = (int)size(200); return 0; }
static CUlogsCallback logs;
static void *logs_user;
CUresult cuLogsRegisterCallback(CUlogsCallback fn, void *user, CUlogsCallbackHandle *out) {
    logs = fn, logs_user = user; *out = (CUlogsCallbackHandle)0x31; return 0; }
CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle h) {
    return h == (CUlogsCallbackHandle)0x31 ? 0 : CUDA_ERROR_INVALID_VALUE; }
void say(void) { char text[] = "hello world"; logs(logs_user, CU_LOG_LEVEL_ERROR, text, 5); }
CUresult cuStreamAddCallback(CUstream s, CUstreamCallback fn, void *user, unsigned flags) {
    fn(s, CUDA_ERROR_LAUNCH_FAILED, user); return 0; }
CUresult cuDriverGetVersion(int *version) { say(); *version = 13050; return 0; }  /* called with the GIL */
static CUjit_option link_options[8];
static void **link_values;
static unsigned n_link;
CUresult cuLinkCreate_v2(unsigned n, CUjit_option *options, void **values, CUlinkState *out) {
    memcpy(link_options, options, n * sizeof *options), link_values = values, n_link = n;
    *out = (CUlinkState)0x51; return 0; }
CUresult cuLinkComplete(CUlinkState s, void **cubin, size_t *size) {  /* writes to what the options point to */
    for (unsigned i = 0; i < n_link; i++)
        if (link_options[i] == CU_JIT_ERROR_LOG_BUFFER) strcpy(link_values[i], "the linker's log");
    *cubin = "cubin", *size = 5; return 0; }
CUresult cuLinkDestroy(CUlinkState s) { link_values = NULL; n_link = 0; return 0; }
CUresult cuCtxSynchronize(void) { usleep(1000 * delay_ms); return 0; }
"""
PRELUDE = """
import ctypes, gc, os, sys, threading, time, weakref
import cubind
from cubind import driver
c = ctypes.CDLL(os.environ["CUBIND_DRIVER_LIBRARY"])
def number(name):
    return ctypes.c_int.in_dll(c, name)
def wait(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)
class Thing:
    pass
"""


def build(folder: Path) -> Path:
    """Compiles the fake."""
    return compile_library(folder, "libcuda.so.1", SOURCE)


def check(library: Path, script: str, status: int = 0) -> str:
    """Runs a script, written with four spaces before each line, after the prelude; what it printed."""
    lines = [line.removeprefix("    ") for line in script.splitlines()]
    return run(PRELUDE + "\n".join(lines), status=status, CUBIND_DRIVER_LIBRARY=library)
