"""The CPU device's driver API: resources of a device, green contexts, and events of whole contexts."""

from __future__ import annotations

import textwrap

import pytest

from tests.helpers.cpu import on_cpu

HELPERS = """
SM, CONFIG, QUEUE = 1, 1000, 10000
TYPE, CONFIGURATION, VALUE = (
    "CUDA_ERROR_INVALID_RESOURCE_TYPE", "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION", "CUDA_ERROR_INVALID_VALUE")
BAD_CONTEXT, BAD_HANDLE, DETACHED = (
    "CUDA_ERROR_INVALID_CONTEXT", "CUDA_ERROR_INVALID_HANDLE", "CUDA_ERROR_STREAM_DETACHED")
whole = d.cuDeviceGetDevResource(0, SM)
SIZE = whole.nbytes
import ctypes
raw = ctypes.CDLL(LIBRARY)
def status(name, *arguments):
    code = getattr(raw, name)(*arguments)
    return "CUDA_SUCCESS" if not code else d.CUresult(code).name
def split(least, most=99, flags=0, of=None):
    "(status, groups, remainder) of a split by count"
    room, n, rest = ctypes.create_string_buffer(SIZE * most), ctypes.c_uint(most), ctypes.create_string_buffer(SIZE)
    found = status("cuDevSmResourceSplitByCount", room, ctypes.byref(n), ctypes.c_void_p((of or whole).ptr), rest, flags, least)
    groups = [d.CUdevResource.from_bytes(room.raw[SIZE * i : SIZE * i + SIZE]) for i in range(n.value)]
    return found, groups if found == "CUDA_SUCCESS" else [], d.CUdevResource.from_bytes(rest.raw)
def count(least, flags=0):
    n = ctypes.c_uint(0)
    found = status("cuDevSmResourceSplitByCount", None, ctypes.byref(n), ctypes.c_void_p(whole.ptr), None, flags, least)
    return found, n.value
def describe(*resources):
    room = ctypes.create_string_buffer(b"".join(bytes(ctypes.string_at(r.ptr, SIZE)) for r in resources), SIZE * len(resources))
    out = ctypes.c_void_p()
    found = status("cuDevResourceGenerateDesc", ctypes.byref(out), room, len(resources))
    return found if found != "CUDA_SUCCESS" else out.value
def sizes(groups):
    return [g.sm.smCount for g in groups]
def green(least=4):
    return d.cuGreenCtxCreate(describe(split(least, 1)[1][0]), 0, 1)
"""


def on_green(script: str, threads: int = 16, cc: str = "8.9", **changes: str) -> str:
    return on_cpu(HELPERS + textwrap.dedent(script), CPU_DEVICE_THREADS=str(threads), CPU_DEVICE_CC=cc, **changes)


@pytest.mark.parametrize(
    ("cc", "least", "step"), [("7.5", 2, 2), ("8.0", 4, 2), ("8.9", 4, 2), ("9.0", 8, 8), ("12.0", 8, 8)]
)
def test_splits_by_count_follow_the_compute_capability(cc: str, least: int, step: int) -> None:
    on_green(
        f"""
    least, step = {least}, {step}
    assert (whole.sm.smCount, whole.sm.minSmPartitionSize, whole.sm.smCoscheduledAlignment) == (30, least, step)
    for asked in range(31):
        size = max(asked, least)
        size += -size % step
        fits = 30 // size
        assert count(asked) == (("CUDA_SUCCESS", fits) if fits else (CONFIGURATION, 0)), asked
        for most in (1, 2, 99):
            found, groups, rest = split(asked, most)
            n = min(most, fits)
            assert found == ("CUDA_SUCCESS" if fits else CONFIGURATION) and sizes(groups) == [size] * n
            if fits:
                left = 30 - n * size
                assert (int(rest.type), rest.sm.smCount) == ((SM, left) if left else (0, 0)), (asked, most)
    assert count(31)[0] == split(31)[0] == VALUE
    assert count(1, flags=1) == ("CUDA_SUCCESS", 15) and count(3, flags=1) == ("CUDA_SUCCESS", 7)
    assert count(1, flags=4)[0] == VALUE
    assert count(1, flags=2)[0] == ("CUDA_SUCCESS" if least == 8 else VALUE)
    """,
        threads=30,
        cc=cc,
    )


def test_what_cannot_be_split() -> None:
    on_green("""
    found, groups, rest = split(4, 2)
    assert split(4, of=groups[0])[0] == CONFIGURATION          # only with a green context
    assert sizes(split(4, of=rest)[1]) == [4, 4]
    changed = d.CUdevResource.from_bytes(ctypes.string_at(whole.ptr, SIZE))
    changed.sm.smCount = 99
    assert split(4, of=changed)[0] == CONFIGURATION and describe(changed) == CONFIGURATION
    assert split(4, of=d.cuDeviceGetDevResource(0, CONFIG))[0] == TYPE
    assert split(4, of=d.CUdevResource())[0] == describe(d.CUdevResource()) == TYPE
    n, p = ctypes.byref(ctypes.c_uint(0)), ctypes.c_void_p(whole.ptr)
    room = ctypes.create_string_buffer(SIZE)
    assert status("cuDevSmResourceSplitByCount", room, n, p, None, 0, 4) == VALUE
    assert status("cuDevSmResourceSplitByCount", room, None, p, None, 0, 4) == VALUE
    assert status("cuDevSmResourceSplitByCount", room, n, None, None, 0, 4) == VALUE
    """)
    on_green("assert split(1)[0] == count(0)[0] == CONFIGURATION", threads=2)


def test_splits_into_described_groups() -> None:
    on_green(
        """
    def groups(*described, results=True, flags=0):
        n = len(described)
        params = (ctypes.c_uint * (16 * n))()
        for i, one in enumerate(described): params[16 * i : 16 * i + len(one)] = one
        room, rest = ctypes.create_string_buffer(SIZE * n), ctypes.create_string_buffer(SIZE)
        found = status("cuDevSmResourceSplit", room if results else None, n, ctypes.c_void_p(whole.ptr), rest, flags, params)
        if found != "CUDA_SUCCESS": return found
        made = [d.CUdevResource.from_bytes(room.raw[SIZE * i : SIZE * i + SIZE]) for i in range(n)]
        if results: assert sizes(made) == list(params[::16])
        return [*params[::16], d.CUdevResource.from_bytes(rest.raw).sm.smCount]
    assert groups([0]) == [24, 6]                               # discovered: multiples of 8
    assert groups([10, 2]) == [10, 20]
    assert groups([8, 4], [0, 2, 0, 1]) == [8, 22, 0]           # the second takes what is left
    assert groups([16], [8], [0, 2]) == [16, 8, 6, 0]
    assert groups([11, 2]) == groups([10, 4]) == groups([32]) == groups([8, 34]) == groups([8, 3]) == VALUE
    assert groups([10, 4, 0, 1]) == [10, 20]                    # backfilled
    assert groups([16], [16]) == groups([24], [0]) == CONFIGURATION
    assert groups([24], [0], results=False) == [24, 0, 6]
    assert groups([8, 0, 0, 2]) == CONFIGURATION                # no locality domains
    assert groups([8, 0, 0, 4]) == groups([8, 0, 0, 8]) == groups([8, 0, 0, 0, 0, 1]) == groups([8], flags=1) == VALUE
    """,
        threads=30,
        cc="9.0",
    )
    on_green("""
    params = (ctypes.c_uint * 16)(8, 4)
    assert status("cuDevSmResourceSplit", None, 1, ctypes.c_void_p(whole.ptr), None, 0, params) == VALUE
    params = (ctypes.c_uint * 16)(0)
    assert status("cuDevSmResourceSplit", None, 1, ctypes.c_void_p(whole.ptr), None, 0, params) == "CUDA_SUCCESS" and params[0] == 16
    """)


def test_descriptors_hold_parts_of_one_thing() -> None:
    on_green("""
    first, second = split(4, 3), split(4, 1)
    a, b, c = first[1]
    both = d.cuGreenCtxCreate(describe(a, c, first[2]), 0, 1)
    assert d.cuGreenCtxGetDevResource(both, SM).sm.smCount == 12
    assert sizes(split(4, of=d.cuGreenCtxGetDevResource(both, SM))[1]) == [4, 4, 4]
    for bad in ([a, a], [a, second[1][0]], [a, whole], [whole, whole]): assert describe(*bad) == CONFIGURATION
    config = d.cuDeviceGetDevResource(0, CONFIG)
    assert config.wqConfig.wqConcurrencyLimit == 8 and config.wqConfig.device == 0
    config.wqConfig.wqConcurrencyLimit, config.wqConfig.sharingScope = 3, 1
    made = d.cuGreenCtxGetDevResource(d.cuGreenCtxCreate(describe(a, config), 0, 0), CONFIG).wqConfig
    assert made.wqConcurrencyLimit == 3 and int(made.sharingScope) == 1
    assert describe(config, config) == CONFIGURATION
    config.wqConfig.device = 5
    assert describe(config) == CONFIGURATION
    assert name(d.cuDeviceGetDevResource, 0, QUEUE) == name(d.cuDeviceGetDevResource, 0, 7) == TYPE
    assert isinstance(describe(d.cuCtxGetDevResource(context, QUEUE)), int)
    assert name(d.cuDeviceGetDevResource, 1, SM) == "CUDA_ERROR_INVALID_DEVICE"
    assert d.cuCtxGetDevResource(context, SM).sm.smCount == 16
    assert name(d.cuCtxGetDevResource, 77, SM) == name(d.cuGreenCtxGetDevResource, int(context), SM) == BAD_CONTEXT
    assert name(d.cuGreenCtxCreate, 77, 0, 1) == name(d.cuGreenCtxCreate, describe(a), 0, 2) == VALUE
    assert name(d.cuGreenCtxCreate, describe(a), 1, 1) == "CUDA_ERROR_INVALID_DEVICE"
    """)


def test_a_kernel_in_a_stream_of_a_green_context() -> None:
    on_green("""
    g = green()
    s = d.cuGreenCtxStreamCreate(g, 1, 0)
    p = d.cuMemAlloc(4000)
    launch("fill", p, 7, 1000, grid=10, block=100, stream=s)
    d.cuStreamSynchronize(s)
    assert words(p, 1000) == [7] * 1000
    assert d.cuStreamGetDevResource(s, SM).sm.smCount == 4 and d.cuStreamGetDevResource(None, SM).sm.smCount == 16
    assert name(d.cuStreamGetDevResource, s, CONFIG) == TYPE
    view = d.cuCtxFromGreenCtx(g)
    assert int(view) not in (int(context), int(g)) and d.cuStreamGetCtx(s) == view
    assert [int(x) for x in d.cuStreamGetCtx_v2(s)] == [int(context), int(g)] and d.cuStreamGetGreenCtx(s) == g
    assert int(d.cuStreamGetCtx_v2(None)[1] or 0) == int(d.cuStreamGetGreenCtx(None) or 0) == 0
    assert name(d.cuGreenCtxStreamCreate, g, 0, 0) == name(d.cuGreenCtxStreamCreate, g, 3, 0) == VALUE
    assert name(d.cuGreenCtxStreamCreate, 77, 1, 0) == BAD_CONTEXT
    # as many CTAs of a cooperative launch as its multiprocessors hold
    grid = d.cuOccupancyMaxActiveBlocksPerMultiprocessor(kernel("fill"), 128, 0) * 4
    for n, want in ((grid, "CUDA_SUCCESS"), (grid + 1, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE")):
        for _ in range(2):
            arguments = (kernel("fill"), n, 1, 1, 128, 1, 1, 0, s, (p, 3, 1000))
            assert name(d.cuLaunchCooperativeKernel, *arguments) == want
    assert name(d.cuLaunchCooperativeKernel, kernel("fill"), grid + 1, 1, 1, 128, 1, 1, 0, None, (p, 3, 1000)) == "CUDA_SUCCESS"
    d.cuStreamBeginCapture(s, 0)
    launch("fill", p, 9, 1000, grid=10, block=100, stream=s)
    run = d.cuGraphInstantiate(d.cuStreamEndCapture(s), 0)
    d.cuGraphLaunch(run, s)
    d.cuCtxSynchronize()                                        # of the primary context: green ones too
    assert words(p, 1000) == [9] * 1000
    """)


def test_a_launch_uses_no_more_host_threads_than_the_context_has() -> None:
    on_green("""
    import os
    s, whole_device = d.cuGreenCtxStreamCreate(green(), 1, 0), d.cuStreamCreate(1)
    p = d.cuMemAlloc(4)
    def most(stream):
        launch("step", p, 1, 10, stream=stream)                 # the stream's own thread is there
        d.cuStreamSynchronize(stream)
        before, seen = len(os.listdir("/proc/self/task")), 0
        launch("step", p, 1, 100_000, grid=64, stream=stream)
        while not d.cuStreamQuery(stream): seen = max(seen, len(os.listdir("/proc/self/task")) - before)
        return seen
    assert most(s) <= 4 < most(whole_device) <= 16
    """)


def test_a_green_context_is_current() -> None:
    on_green("""
    g, other = green(), green()
    view = d.cuCtxFromGreenCtx(g)
    assert d.cuGreenCtxGetId(g) != d.cuGreenCtxGetId(other) and name(d.cuGreenCtxGetId, None) == BAD_CONTEXT
    p = d.cuMemAlloc(4000)
    d.cuCtxPushCurrent(view)
    assert d.cuCtxGetCurrent() == view and d.cuGreenCtxGetId(None) == d.cuGreenCtxGetId(g) and d.cuCtxGetDevice() == 0
    assert d.cuStreamGetGreenCtx(None) == g and d.cuStreamGetGreenCtx(1) == g
    assert name(d.cuStreamGetCtx_v2, 2) == BAD_HANDLE           # it has no default streams of threads
    assert d.cuCtxGetDevResource(view, SM).sm.smCount == 4
    launch("fill", p, 5, 1000, grid=10, block=100)              # a function of the primary context
    q = d.cuMemAlloc(4)
    mine = module()
    s = d.cuStreamCreate(0)
    assert d.cuStreamGetGreenCtx(s) == g
    for i in range(50):                                         # the default stream and one that waits for it
        d.cuMemsetD32Async(q, i, 1, None)
        launch("step", q, 2, 1000, stream=s)
    d.cuCtxSynchronize()
    assert words(p, 1000) == [5] * 1000 and words(q, 1) == [2 * 49 + 1]
    assert d.cuCtxPopCurrent() == view and d.cuCtxGetCurrent() == context
    d.cuLaunchKernel(d.cuModuleGetFunction(mine, "fill"), 1, 1, 1, 1, 1, 1, 0, None, (q, 3, 1))
    assert words(q, 1) == [3]
    d.cuMemFree(q)
    assert name(d.cuCtxDestroy, view) == name(d.cuCtxPushCurrent, int(g)) == BAD_CONTEXT
    assert name(d.cuCtxPushCurrent, view) == "CUDA_SUCCESS"
    d.cuGreenCtxDestroy(g)
    assert name(d.cuMemAlloc, 4) == "CUDA_ERROR_CONTEXT_IS_DESTROYED"
    d.cuCtxPopCurrent()
    assert words(p, 1) == [5]
    """)


def test_streams_of_a_destroyed_green_context_are_detached() -> None:
    on_green("""
    g = green()
    view, s, t = d.cuCtxFromGreenCtx(g), d.cuGreenCtxStreamCreate(g, 1, 0), d.cuGreenCtxStreamCreate(g, 1, 0)
    p = d.cuMemAlloc(4)
    d.cuMemsetD32Async(p, 1, 1, s)
    launch("step", p, 3, 1_000_000, stream=s)                   # under way
    d.cuStreamBeginCapture(t, 0)
    d.cuGreenCtxDestroy(g)
    assert name(d.cuGreenCtxDestroy, g) == name(d.cuCtxFromGreenCtx, g) == name(d.cuGreenCtxGetId, g) == BAD_CONTEXT
    assert name(d.cuCtxSetCurrent, view) == name(d.cuCtxGetDevResource, view, SM) == BAD_CONTEXT
    for call, *more in ((d.cuStreamSynchronize,), (d.cuStreamQuery,), (d.cuStreamGetFlags,), (d.cuStreamEndCapture,),
                        (d.cuStreamGetGreenCtx,), (d.cuStreamGetDevResource, SM)):
        assert name(call, t, *more) == DETACHED, call
    assert name(d.cuMemsetD32Async, p, 1, 1, s) == DETACHED
    d.cuStreamDestroy(s), d.cuStreamDestroy(t)
    assert name(d.cuStreamDestroy, s) == BAD_HANDLE
    d.cuCtxSynchronize()
    assert words(p, 1) == [4]
    # the green context was a user of the primary one
    again = green()
    d.cuDevicePrimaryCtxRelease(0)
    assert d.cuDevicePrimaryCtxGetState(0)[1] == 1
    d.cuGreenCtxDestroy(again)
    assert d.cuDevicePrimaryCtxGetState(0)[1] == 0
    """)


def test_a_reset_ends_green_contexts() -> None:
    on_green("""
    g = green()
    view = d.cuCtxFromGreenCtx(g)
    d.cuDevicePrimaryCtxReset(0)
    for call in (d.cuCtxFromGreenCtx, d.cuGreenCtxGetId): assert name(call, g) == "CUDA_ERROR_CONTEXT_IS_DESTROYED"
    d.cuCtxSetCurrent(view)
    assert name(d.cuMemAlloc, 4) == "CUDA_ERROR_CONTEXT_IS_DESTROYED"
    d.cuCtxSetCurrent(context)
    assert name(d.cuMemAlloc, 4) == "CUDA_SUCCESS"
    d.cuGreenCtxDestroy(g)
    assert d.cuGreenCtxGetId(green()) > 0
    """)


def test_events_of_whole_contexts() -> None:
    on_green("""
    slow = 1_000_000
    g, h = green(), green()
    streams = [d.cuGreenCtxStreamCreate(g, 1, 0) for _ in range(3)]
    plain, other = d.cuStreamCreate(1), d.cuGreenCtxStreamCreate(h, 1, 0)
    p = d.cuMemAlloc(64)
    q = d.cuMemAlloc(64)
    def record(how, *who):
        e = d.cuEventCreate(0)
        how(*who, e)
        return e
    for how, who, work in ((d.cuGreenCtxRecordEvent, g, streams), (d.cuCtxRecordEvent, d.cuCtxFromGreenCtx(g), streams),
                           (d.cuCtxRecordEvent, context, [*streams, plain, other])):
        d.cuMemsetD32(p, 1, 16)
        for i, s in enumerate(work): launch("step", int(p) + 4 * i, 3, slow, stream=s)
        e = record(how, who)
        assert d.cuEventQuery(e) is False
        d.cuEventSynchronize(e)
        for s in work: assert d.cuStreamQuery(s) is True
        assert words(p, 5) == [4] * len(work) + [1] * (5 - len(work))
    # work that comes later waits, in streams that are made later too
    for how, who in ((d.cuGreenCtxWaitEvent, h), (d.cuCtxWaitEvent, d.cuCtxFromGreenCtx(h)), (d.cuCtxWaitEvent, context)):
        d.cuMemsetD32(p, 1, 16)
        launch("step", p, 3, slow, stream=streams[0])
        how(who, record(d.cuGreenCtxRecordEvent, g))
        late = d.cuGreenCtxStreamCreate(h, 1, 0)
        for i, s in enumerate((other, late)): d.cuMemcpyDtoDAsync(int(q) + 4 * i, p, 4, s)
        d.cuCtxSynchronize()
        assert words(q, 2) == [4, 4], how
    first, last = record(d.cuGreenCtxRecordEvent, g), record(d.cuCtxRecordEvent, context)
    d.cuCtxSynchronize()
    assert d.cuEventQuery(first) and d.cuEventQuery(last) and d.cuEventElapsedTime(first, last) >= 0
    """)


def test_events_of_whole_contexts_and_captures() -> None:
    on_green("""
    g, h = green(), green()
    s, e = d.cuGreenCtxStreamCreate(g, 1, 0), d.cuEventCreate(0)
    refused = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
    for call, who in ((d.cuGreenCtxRecordEvent, g), (d.cuGreenCtxWaitEvent, g), (d.cuCtxRecordEvent, context),
                      (d.cuCtxWaitEvent, context)):
        d.cuStreamBeginCapture(s, 0)
        d.cuGreenCtxRecordEvent(h, e)                           # of another one
        assert name(call, who, e) == refused
        assert name(d.cuStreamEndCapture, s) == "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
    d.cuStreamBeginCapture(s, 0)
    d.cuEventRecord(e, s)
    assert name(d.cuGreenCtxWaitEvent, h, e) == refused         # it stands for a place in the capture
    assert name(d.cuStreamEndCapture, s) == "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
    for call in (d.cuGreenCtxRecordEvent, d.cuGreenCtxWaitEvent, d.cuCtxRecordEvent, d.cuCtxWaitEvent):
        assert name(call, 77, d.cuEventCreate(0)) == BAD_CONTEXT
    for call, who in ((d.cuGreenCtxRecordEvent, g), (d.cuCtxWaitEvent, context)): assert name(call, who, 77) == BAD_HANDLE
    made = d.cuCtxCreate(None, 0, 0)
    foreign = d.cuEventCreate(0)
    assert name(d.cuGreenCtxRecordEvent, g, foreign) == BAD_HANDLE and name(d.cuGreenCtxWaitEvent, g, foreign) == "CUDA_SUCCESS"
    """)
