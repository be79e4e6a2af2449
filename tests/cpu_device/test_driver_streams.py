"""The CPU device's driver API: streams, events, host functions, what waits for what."""

from __future__ import annotations

import pytest

from tests.helpers.cpu import on_cpu

SLOW = "slow = 3_000_000   # turns of a loop: some 50 ms\n"


def test_work_of_a_stream_is_in_order() -> None:
    on_cpu("""
    s = d.cuStreamCreate(1)
    p = d.cuMemAlloc(4)
    d.cuMemsetD32Async(p, 1, 1, s)
    want = 1
    for i in range(2000):
        launch("step", p, 3, i % 3, stream=s)
        want = (want * 3 + 1) % 2**32
    d.cuStreamSynchronize(s)
    assert words(p, 1) == [want]
    """)


def test_a_launch_does_not_wait() -> None:
    on_cpu(
        SLOW
        + """
import time
s = d.cuStreamCreate(1)
p = d.cuMemAlloc(4)
start = time.perf_counter()
launch("step", p, 1, slow, stream=s)
launched = time.perf_counter() - start
assert d.cuStreamQuery(s) is False
d.cuStreamSynchronize(s)
whole = time.perf_counter() - start
assert d.cuStreamQuery(s) is True
assert launched < whole / 2, (launched, whole)
"""
    )


def test_parameters_are_copied_at_the_launch() -> None:
    on_cpu(
        SLOW
        + """
import ctypes
s = d.cuStreamCreate(1)
p = d.cuMemAlloc(4)
d.cuMemsetD32Async(p, 0, 1, s)
launch("step", p, 1, slow, stream=s)
values = ctypes.c_uint64(p), ctypes.c_uint32(5), ctypes.c_uint32(0)
array = (ctypes.c_void_p * 3)(*map(ctypes.addressof, values))
d.cuLaunchKernel(kernel("step"), 1, 1, 1, 1, 1, 1, 0, s, ctypes.addressof(array))
for value in values:
    value.value = 0
d.cuStreamSynchronize(s)
assert words(p, 1) == [6]
"""
    )


@pytest.mark.parametrize("flags", [0, 1])
def test_the_default_stream_waits_for_blocking_streams_only(flags: int) -> None:
    on_cpu(
        SLOW
        + f"""
s, p = d.cuStreamCreate({flags}), d.cuMemAlloc(4)
d.cuMemsetD32(p, 5, 1)
d.cuCtxSynchronize()
launch("step", p, 1, slow, stream=s)
launch("fill", d.cuMemAlloc(4), 1, 1)       # in the default stream
d.cuStreamSynchronize(None)
assert d.cuStreamQuery(s) is {flags == 0}
d.cuStreamSynchronize(s)
# and the other way round
launch("step", p, 1, slow)
launch("fill", d.cuMemAlloc(4), 1, 1, stream=s)
d.cuStreamSynchronize(s)
assert d.cuStreamQuery(None) is {flags == 0}
d.cuCtxSynchronize()
assert words(p, 1) == [7]
"""
    )


def test_per_thread_default_streams() -> None:
    on_cpu(
        SLOW
        + """
import threading
cubind.per_thread_default_stream(True)
p, q = d.cuMemAlloc(4), d.cuMemAlloc(4)
states = []
launch("step", p, 1, slow)
def other():
    d.cuCtxSetCurrent(context)
    launch("fill", q, 4, 1)
    d.cuStreamSynchronize(None)
    states.append(d.cuStreamQuery(d.CUstream(1)))       # the legacy stream has nothing to do
thread = threading.Thread(target=other); thread.start(); thread.join()
states.append(d.cuStreamQuery(None))                    # this thread's own is busy still
d.cuStreamSynchronize(d.CUstream(2))
assert states == [True, False] and d.cuStreamQuery(None) is True
assert d.cuStreamGetId(None) != d.cuStreamGetId(d.CUstream(1))
"""
    )


def test_waiting_for_an_event() -> None:
    on_cpu(
        SLOW
        + """
a, b = d.cuStreamCreate(1), d.cuStreamCreate(1)
p = d.cuMemAlloc(4)
for turn in range(20):
    e = d.cuEventCreate(d.CUevent_flags.CU_EVENT_DISABLE_TIMING)
    d.cuMemsetD32Async(p, 0, 1, a)
    launch("step", p, 1, slow if turn == 0 else 1000, stream=a)
    d.cuEventRecord(e, a)
    d.cuStreamWaitEvent(b, e, 0)
    launch("step", p, 10, 0, stream=b)
    if turn == 0:
        assert d.cuEventQuery(e) is False
    d.cuEventDestroy(e)                # the wait stays
    d.cuStreamSynchronize(b)
    assert words(p, 1) == [11], turn
"""
    )


def test_events() -> None:
    on_cpu(
        SLOW
        + """
import time
s, p = d.cuStreamCreate(1), d.cuMemAlloc(4)
first, last = d.cuEventCreate(0), d.cuEventCreate(0)
assert d.cuEventQuery(first) is True            # never recorded
d.cuEventSynchronize(first)
assert name(d.cuEventElapsedTime, first, last) == "CUDA_ERROR_INVALID_HANDLE"
d.cuEventRecord(first, s)
start = time.perf_counter()
launch("step", p, 1, slow, stream=s)
d.cuEventRecord(last, s)
assert d.cuEventQuery(last) is False
assert name(d.cuEventElapsedTime, first, last) == "CUDA_ERROR_NOT_READY"
d.cuEventSynchronize(last)
outside = (time.perf_counter() - start) * 1000
inside = d.cuEventElapsedTime(first, last)
assert 0 < inside <= outside * 1.5 + 5, (inside, outside)
assert d.cuEventElapsedTime(last, first) == -inside
untimed = d.cuEventCreate(d.CUevent_flags.CU_EVENT_DISABLE_TIMING)
d.cuEventRecord(untimed, s)
d.cuStreamSynchronize(s)
assert name(d.cuEventElapsedTime, first, untimed) == "CUDA_ERROR_INVALID_HANDLE"
d.cuEventDestroy(first)
assert name(d.cuEventDestroy, first) == name(d.cuEventRecord, first, s) == "CUDA_ERROR_INVALID_HANDLE"
assert name(d.cuEventCreate, 64) == name(d.cuEventCreate, 4) == "CUDA_ERROR_INVALID_VALUE"
"""
    )


def test_host_functions() -> None:
    on_cpu("""
    import threading
    s, p = d.cuStreamCreate(1), d.cuMemAlloc(4)
    seen = []
    def called(tag):
        seen.append((tag, threading.get_ident() == main, name(d.cuMemAlloc, 4), name(d.cuStreamSynchronize, None)))
    main = threading.get_ident()
    for i in range(3):
        launch("step", p, 1, 1000, stream=s)
        d.cuLaunchHostFunc(s, called, i)
    d.cuStreamAddCallback(s, lambda stream, status, data: seen.append((stream == s, int(status), data)), "data", 0)
    d.cuStreamSynchronize(s)
    no = "CUDA_ERROR_NOT_PERMITTED"
    assert seen == [(i, False, no, no) for i in range(3)] + [(True, 0, "data")], seen
    """)


def test_properties_of_streams() -> None:
    on_cpu("""
    least, greatest = d.cuCtxGetStreamPriorityRange()
    s = d.cuStreamCreateWithPriority(1, greatest - 10)
    assert d.cuStreamGetPriority(s) == greatest and d.cuStreamGetFlags(s) == 1
    assert d.cuStreamGetCtx(s) == context and d.cuStreamGetDevice(s) == 0
    assert len({d.cuStreamGetId(x) for x in (s, None, d.cuStreamCreate(0))}) == 3
    assert int(d.cuStreamIsCapturing(s)) == 0
    assert name(d.cuStreamCreate, 2) == "CUDA_ERROR_INVALID_VALUE"
    d.cuStreamDestroy(s)
    for call in (d.cuStreamDestroy, d.cuStreamSynchronize, d.cuStreamQuery, d.cuStreamGetFlags):
        assert name(call, s) == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuStreamDestroy, None) == "CUDA_ERROR_INVALID_HANDLE"
    """)


def test_a_destroyed_stream_ends_its_work() -> None:
    on_cpu(
        SLOW
        + """
p = d.cuMemAlloc(4)
d.cuMemsetD32(p, 1, 1)
d.cuCtxSynchronize()
for i in range(30):
    s = d.cuStreamCreate(1)
    launch("step", p, 1, slow if i == 0 else 10, stream=s)
    d.cuStreamDestroy(s)
    d.cuCtxSynchronize()
assert words(p, 1) == [31]
"""
    )


def test_many_threads() -> None:
    on_cpu("""
    import threading
    errors = []
    def work(number):
        try:
            d.cuCtxSetCurrent(context)
            for turn in range(20):
                s, e, p = d.cuStreamCreate(turn % 2), d.cuEventCreate(0), d.cuMemAllocAsync(4000, None)
                d.cuStreamSynchronize(None)
                launch("fill", p, number * 100 + turn, 1000, grid=8, block=128, stream=s)
                d.cuEventRecord(e, s)
                d.cuEventSynchronize(e)
                room = bytearray(4000)
                d.cuMemcpyDtoHAsync(room, p, 4000, s)
                d.cuStreamSynchronize(s)
                assert set(memoryview(room).cast("I")) == {number * 100 + turn}
                d.cuMemFreeAsync(p, s)
                d.cuStreamDestroy(s)
                d.cuEventDestroy(e)
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert errors == []
    d.cuCtxSynchronize()
    """)


def test_a_process_may_end_in_the_middle() -> None:
    on_cpu(SLOW + "s = d.cuStreamCreate(1)\nlaunch('step', d.cuMemAlloc(4), 1, 100 * slow, stream=s)\n", timeout=20)


def test_attributes_are_given_back() -> None:
    on_cpu("""
    A, V = d.CUstreamAttrID, d.CUstreamAttrValue
    a, b = d.cuStreamCreate(1), d.cuStreamCreate(1)
    window = {"base_ptr": 4096, "num_bytes": 1000, "hitRatio": 0.5, "hitProp": 2, "missProp": 1}
    WINDOW, POLICY, PRIORITY, MAP, DOMAIN = 1, 3, 8, 9, 10
    def set(stream, which, **value): d.cuStreamSetAttribute(stream, which, V(**value))
    def get(stream, which): return d.cuStreamGetAttribute(stream, which)
    for stream in (a, None):
        assert get(stream, WINDOW).accessPolicyWindow.num_bytes == 0
        assert get(stream, POLICY).syncPolicy == 1 and get(stream, PRIORITY).priority == 0
        set(stream, WINDOW, accessPolicyWindow=window)
        set(stream, POLICY, syncPolicy=4)
        set(stream, DOMAIN, memSyncDomain=1)
        got = get(stream, WINDOW).accessPolicyWindow
        assert (got.base_ptr, got.num_bytes, got.hitRatio, int(got.hitProp), int(got.missProp)) == (4096, 1000, 0.5, 2, 1)
        assert get(stream, POLICY).syncPolicy == 4 and get(stream, DOMAIN).memSyncDomain == 1
    set(a, PRIORITY, priority=-3)
    assert d.cuStreamGetPriority(a) == get(a, PRIORITY).priority == -3
    set(a, PRIORITY, priority=-100)
    assert d.cuStreamGetPriority(a) == d.cuCtxGetStreamPriorityRange()[1]
    assert get(b, POLICY).syncPolicy == 1
    d.cuStreamCopyAttributes(b, a)
    assert get(b, POLICY).syncPolicy == 4 and get(b, WINDOW).accessPolicyWindow.num_bytes == 1000
    set(b, WINDOW, accessPolicyWindow={"num_bytes": 0})
    assert get(a, WINDOW).accessPolicyWindow.num_bytes == 1000 and get(b, WINDOW).accessPolicyWindow.num_bytes == 0
    for which, value in ((WINDOW, {"accessPolicyWindow": {**window, "hitRatio": 1.5}}), (WINDOW, {"accessPolicyWindow": {**window, "hitRatio": float("nan")}}),
                         (WINDOW, {"accessPolicyWindow": {**window, "missProp": 2}}), (POLICY, {"syncPolicy": 0}), (POLICY, {"syncPolicy": 5}),
                         (DOMAIN, {"memSyncDomain": 7}), (MAP, {"memSyncDomainMap": {"remote": 200}}), (2, {"cooperative": 1}), (4, {}), (99, {})):
        assert name(lambda: set(a, which, **value)) == "CUDA_ERROR_INVALID_VALUE", (which, value)
    assert name(get, a, 2) == name(get, a, 77) == "CUDA_ERROR_INVALID_VALUE"
    """)
