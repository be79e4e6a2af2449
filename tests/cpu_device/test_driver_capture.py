"""The CPU device's driver API: stream capture."""

from __future__ import annotations

import pytest

from tests.helpers.graphs import on_capture


def test_what_is_captured_is_done_at_each_launch_only() -> None:
    on_capture("""
    q, seen, out = d.cuMemAlloc(64), [], bytearray(8)
    base = ctypes.addressof((ctypes.c_char * 8).from_buffer(out))
    d.cuMemsetD32(p, 99, 16)
    d.cuCtxSynchronize()
    d.cuStreamBeginCapture(s, GLOBAL)
    assert status(s) == "ACTIVE" and status(t) == "NONE"
    d.cuMemsetD32Async(p, 1, 4, s)                              # 1 1 1 1
    d.cuMemsetD2D16Async(p + 8, 8, 7, 2, 2, s)                  # 1 1 70007 1 70007 (one behind)
    launch("step", p, 5, 0, stream=s)                           # p[0] = 6
    d.cuLaunchCooperativeKernel(kernel("step"), 1, 1, 1, 1, 1, 1, 0, s, (p, 2, 0))   # 13
    config = d.CUlaunchConfig(gridDimX=1, gridDimY=1, gridDimZ=1, blockDimX=1, blockDimY=1, blockDimZ=1, hStream=s)
    d.cuLaunchKernelEx(config, kernel("step"), (p, 3, 0), None) # 40
    d.cuMemcpyAsync(q, p, 16, s)
    d.cuMemcpyDtoDAsync(q + 16, p, 16, s)
    two = d.CUDA_MEMCPY2D(srcMemoryType=2, dstMemoryType=2, srcDevice=p, dstDevice=q + 32, srcPitch=8, dstPitch=4, WidthInBytes=4, Height=2)
    d.cuMemcpy2DAsync(two, s)
    three = copy_params(q + 40, p, 4)
    d.cuMemcpy3DAsync(three, s)
    d.cuMemcpyDtoHAsync(out, p, 8, s)
    d.cuLaunchHostFunc(s, seen.append, "called")
    g = d.cuStreamEndCapture(s)
    assert status(s) == "NONE" and seen == [] and words(p, 2) == [99, 99] and bytes(out) == bytes(8)
    assert kinds(g) == ["MEMSET"] * 2 + ["KERNEL"] * 3 + ["MEMCPY"] * 5 + ["HOST"]
    assert len(d.cuGraphGetRootNodes(g)) == 1 and len(d.cuGraphGetEdges(g)[0]) == 10
    for turn in range(2):
        run(g, s)
        assert words(p, 6) == [40, 1, 0x70007, 1, 0x70007, 99], list(map(hex, words(p, 6)))
        assert words(q, 11) == [40, 1, 0x70007, 1] * 2 + [40, 0x70007, 40]
        assert memoryview(out).cast("I").tolist() == [40, 1] and seen == ["called"] * (turn + 1)
    cooperative = d.cuGraphKernelNodeGetAttribute(d.cuGraphGetNodes(g)[3], d.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
    assert cooperative.cooperative == 1
    """)


def test_host_memory_is_read_when_the_launch_comes_to_it() -> None:
    on_capture("""
    source = bytearray(b"first...")
    d.cuStreamBeginCapture(s, GLOBAL)
    d.cuMemcpyHtoDAsync(p, source, 8, s)
    g = d.cuStreamEndCapture(s)
    source[:] = b"second.."
    run(g, s)
    room = bytearray(8)
    d.cuMemcpyDtoH(room, p, 8)
    assert room == source
    """)


def test_fork_and_join() -> None:
    on_capture("""
    q, u = d.cuMemAlloc(64), d.cuStreamCreate(0)
    d.cuStreamBeginCapture(s, GLOBAL)
    d.cuMemsetD32Async(p, 2, 1, s)
    d.cuMemsetD32Async(q, 3, 1, s)
    fork = wait(t, s)
    assert status(t) == "ACTIVE" and d.cuStreamGetCaptureInfo(t)[1] == d.cuStreamGetCaptureInfo(s)[1]
    launch("step", p, 10, 0, stream=s)
    launch("step", q, 100, 0, stream=t)
    d.cuStreamWaitEvent(u, fork, 0)                             # a third branch, of nothing
    launch("step", q + 8, 1, 0, stream=u)
    wait(s, t)
    wait(s, u)
    join_info = d.cuStreamGetCaptureInfo(s)
    assert len(join_info[3]) == 3
    d.cuMemcpyAsync(q + 4, p, 4, s)
    g = d.cuStreamEndCapture(s)
    assert status(t) == status(u) == status(s) == "NONE"
    nodes = d.cuGraphGetNodes(g)
    assert kinds(g) == ["MEMSET", "MEMSET", "KERNEL", "KERNEL", "KERNEL", "MEMCPY"]
    assert [d.cuGraphNodeGetDependencies(x)[0] for x in nodes] == [[], [nodes[0]], [nodes[1]], [nodes[1]], [nodes[1]], nodes[2:5]]
    d.cuMemsetD32(q + 8, 4, 1)
    run(g)
    assert words(q, 3) == [301, 21, 5]
    launch("fill", q, 5, 1, stream=t)                           # an ordinary stream again
    d.cuStreamSynchronize(t)
    assert words(q, 1) == [5]
    # streams that took part may be destroyed before the end; what they did must be joined still
    for join in (True, False):
        v = d.cuStreamCreate(1)
        d.cuStreamBeginCapture(s, GLOBAL)
        launch("step", p, 1, 0, stream=s)
        wait(v, s)
        launch("step", q, 1, 0, stream=v)
        if join: wait(s, v)
        d.cuStreamDestroy(v)
        assert name(d.cuStreamEndCapture, s) == ("CUDA_SUCCESS" if join else "CUDA_ERROR_STREAM_CAPTURE_UNJOINED")
    """)


def test_how_a_capture_must_end() -> None:
    on_capture("""
    import threading
    illegal = "CUDA_ERROR_ILLEGAL_STATE"
    assert name(d.cuStreamEndCapture, s) == illegal
    assert unsupported(d.cuStreamBeginCapture, None, GLOBAL) and unsupported(d.cuStreamBeginCapture, d.CUstream(1), RELAXED)
    assert name(d.cuStreamBeginCapture, s, 3) == "CUDA_ERROR_INVALID_VALUE"
    d.cuStreamBeginCapture(s, GLOBAL)
    assert name(d.cuStreamBeginCapture, s, GLOBAL) == illegal and status(s) == "ACTIVE"
    launch("step", p, 1, 0, stream=s)
    wait(t, s)
    launch("step", p, 1, 0, stream=t)
    assert name(d.cuStreamEndCapture, s) == "CUDA_ERROR_STREAM_CAPTURE_UNJOINED"
    assert status(s) == status(t) == "NONE"                     # it is over all the same
    d.cuStreamBeginCapture(s, GLOBAL)
    wait(t, s)
    assert name(d.cuStreamEndCapture, t) == "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED" and status(s) == "INVALIDATED"
    assert name(d.cuStreamEndCapture, s) == INVALIDATED and status(s) == status(t) == "NONE"
    # by another thread
    answers = []
    def end():
        d.cuCtxSetCurrent(context)
        answers.append(name(d.cuStreamEndCapture, s))
    for mode in (GLOBAL, THREAD, RELAXED):
        d.cuStreamBeginCapture(s, mode)
        thread = threading.Thread(target=end); thread.start(); thread.join()
        if mode != RELAXED: d.cuStreamEndCapture(s)
    assert answers == ["CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD"] * 2 + ["CUDA_SUCCESS"] and status(s) == "NONE"
    # a destroyed stream takes its capture with it
    v = d.cuStreamCreate(0)
    d.cuStreamBeginCapture(v, GLOBAL)
    wait(t, v)
    d.cuStreamDestroy(v)
    assert status(t) == "NONE"
    d.cuMemAlloc(4)
    """)


@pytest.mark.parametrize(
    "call",
    [
        "d.cuStreamSynchronize, s",
        "d.cuStreamQuery, s",
        "d.cuCtxSynchronize",
        "d.cuMemAlloc, 4",
        "d.cuMemFree, spare",
        "d.cuMemAllocHost, 4",
        "d.cuMemAllocManaged, 4, 1",
        "d.cuModuleLoadData, KERNELS.encode() + b'\\0'",
        "d.cuStreamAddCallback, s, print, None, 0",
        "d.cuStreamAttachMemAsync, s, managed, 0, 1",
        "d.cuEventQuery, outside",
        "d.cuEventSynchronize, outside",
        "d.cuStreamQuery, t",
    ],
)
def test_what_a_capture_forbids_makes_it_invalid(call: str) -> None:
    on_capture(f"""
    spare, managed, outside = d.cuMemAlloc(4), d.cuMemAllocManaged(4, 1), event()
    d.cuStreamBeginCapture(s, GLOBAL)
    launch("step", p, 1, 0, stream=s)
    assert unsupported({call})
    assert status(s) == "INVALIDATED" and name(again) == name(d.cuEventRecord, event(), s) == INVALIDATED
    assert name(d.cuStreamEndCapture, s) == INVALIDATED and status(s) == "NONE"
    assert name({call.replace("print", "lambda *x: None")}) == "CUDA_SUCCESS"
    """)


def test_the_default_stream_and_captures_of_blocking_streams() -> None:
    on_capture("""
    implicit = "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"
    b, room = d.cuStreamCreate(0), bytearray(4)
    for call in (lambda: launch("step", p, 1, 0), lambda: d.cuMemcpyDtoH(room, p, 4), lambda: d.cuMemsetD32(p, 1, 1),
                 lambda: d.cuEventRecord(event(), None), lambda: d.cuStreamSynchronize(None)):
        d.cuStreamBeginCapture(b, RELAXED)
        assert name(d.cuStreamIsCapturing, None) == implicit and status(b) == "ACTIVE"     # asking does no harm
        assert name(call) == implicit and status(b) == "INVALIDATED"
        assert name(d.cuStreamEndCapture, b) == INVALIDATED
        d.cuStreamBeginCapture(s, RELAXED)                                                 # this one does not wait for the default stream
        assert name(call) == "CUDA_SUCCESS" and status(s) == "ACTIVE" and status(None) == "NONE"
        d.cuStreamEndCapture(s)
    # the default stream cannot take part
    d.cuStreamBeginCapture(s, RELAXED)
    e = event()
    d.cuEventRecord(e, s)
    assert unsupported(d.cuStreamWaitEvent, None, e, 0)
    assert name(d.cuStreamEndCapture, s) == INVALIDATED
    # a thread's own default stream can
    own = d.CUstream(2)
    d.cuMemsetD32(p, 1, 1)
    d.cuStreamBeginCapture(own, THREAD)
    launch("step", p, 7, 0, stream=own)
    run(d.cuStreamEndCapture(own))
    assert words(p, 1) == [8]
    """)


def test_modes_of_captures_and_of_threads() -> None:
    on_capture("""
    import threading
    assert d.cuThreadExchangeStreamCaptureMode(RELAXED) == GLOBAL and d.cuThreadExchangeStreamCaptureMode(GLOBAL) == RELAXED
    assert name(d.cuThreadExchangeStreamCaptureMode, 7) == "CUDA_ERROR_INVALID_VALUE"
    def elsewhere(mode):
        answers = []
        def work():
            d.cuCtxSetCurrent(context)
            d.cuThreadExchangeStreamCaptureMode(mode)
            answers.append(name(d.cuMemAlloc, 4))
        thread = threading.Thread(target=work); thread.start(); thread.join()
        return answers[0]
    def here(mode):
        d.cuThreadExchangeStreamCaptureMode(mode)
        answer = name(d.cuMemAlloc, 4)
        d.cuThreadExchangeStreamCaptureMode(GLOBAL)
        return answer
    ok, no = "CUDA_SUCCESS", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
    for capture_mode, where, thread_mode, want in [
        (GLOBAL, here, GLOBAL, no), (GLOBAL, here, THREAD, no), (GLOBAL, here, RELAXED, ok),
        (THREAD, here, GLOBAL, no), (THREAD, here, THREAD, no), (THREAD, here, RELAXED, ok),
        (RELAXED, here, GLOBAL, ok), (RELAXED, here, THREAD, ok),
        (GLOBAL, elsewhere, GLOBAL, no), (GLOBAL, elsewhere, THREAD, ok), (GLOBAL, elsewhere, RELAXED, ok),
        (THREAD, elsewhere, GLOBAL, ok), (RELAXED, elsewhere, GLOBAL, ok),
    ]:
        d.cuStreamBeginCapture(s, capture_mode)
        assert where(thread_mode) == want, (capture_mode, where, thread_mode)
        assert status(s) == ("ACTIVE" if want == ok else "INVALIDATED")
        assert name(d.cuStreamEndCapture, s) == (ok if want == ok else INVALIDATED)
    """)


def test_events_of_captures() -> None:
    on_capture("""
    captured, isolation = "CUDA_ERROR_CAPTURED_EVENT", "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"
    e, outside, never = event(), event(), event()
    d.cuEventRecord(outside, t)
    d.cuStreamSynchronize(t)
    d.cuStreamBeginCapture(s, GLOBAL)
    d.cuStreamWaitEvent(s, never, 0)                            # nothing to wait for
    assert name(d.cuStreamWaitEvent, s, outside, 0) == isolation
    assert name(d.cuStreamEndCapture, s) == INVALIDATED
    for call in (d.cuEventQuery, d.cuEventSynchronize):
        d.cuStreamBeginCapture(s, RELAXED)
        d.cuEventRecord(e, s)
        assert name(call, e) == captured and status(s) == "INVALIDATED"
        assert name(d.cuStreamEndCapture, s) == INVALIDATED
        assert name(call, e) == captured                        # it stands for nothing that could be done
    assert name(d.cuStreamWaitEvent, t, e, 0) == captured
    d.cuStreamBeginCapture(s, RELAXED)
    assert name(d.cuStreamWaitEvent, s, e, 0) == isolation      # of a capture that is over
    assert name(d.cuStreamEndCapture, s) == INVALIDATED
    timed = d.cuEventCreate(0)
    d.cuStreamBeginCapture(s, RELAXED)
    d.cuEventRecord(timed, s)
    d.cuStreamEndCapture(s)
    assert name(d.cuEventElapsedTime, timed, timed) == captured
    d.cuEventRecord(e, t)                                       # an ordinary event again
    d.cuEventSynchronize(e)
    # two captures do not mix
    d.cuStreamBeginCapture(s, GLOBAL)
    d.cuStreamBeginCapture(t, GLOBAL)
    d.cuEventRecord(e, s)
    assert name(d.cuStreamWaitEvent, t, e, 0) == "CUDA_ERROR_STREAM_CAPTURE_MERGE"
    assert status(s) == status(t) == "INVALIDATED"
    for x in (s, t): assert name(d.cuStreamEndCapture, x) == INVALIDATED
    # events as nodes
    first, last = d.cuEventCreate(0), d.cuEventCreate(0)
    external = d.CUevent_record_flags.CU_EVENT_RECORD_EXTERNAL
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuEventRecordWithFlags, first, s, external) == name(d.cuStreamWaitEvent, s, first, 1) == bad   # outside captures
    d.cuStreamBeginCapture(s, GLOBAL)
    d.cuStreamWaitEvent(s, outside, d.CUevent_wait_flags.CU_EVENT_WAIT_EXTERNAL)
    d.cuEventRecordWithFlags(first, s, external)
    launch("step", p, 1, 200_000, stream=s)
    d.cuEventRecordWithFlags(last, s, external)
    g = d.cuStreamEndCapture(s)
    assert kinds(g) == ["WAIT_EVENT", "EVENT_RECORD", "KERNEL", "EVENT_RECORD"]
    run(g, s)
    assert d.cuEventQuery(last) is True and d.cuEventElapsedTime(first, last) > 0
    """)
