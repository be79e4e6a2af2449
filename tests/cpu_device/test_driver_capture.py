"""The CPU device's driver API: stream capture."""

from __future__ import annotations

import pytest

from tests.helpers.graphs import on_graphs

BEGIN = """
M, S = d.CUstreamCaptureMode, d.CUstreamCaptureStatus
GLOBAL, THREAD, RELAXED = M.CU_STREAM_CAPTURE_MODE_GLOBAL, M.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, M.CU_STREAM_CAPTURE_MODE_RELAXED
s, t, p = d.cuStreamCreate(1), d.cuStreamCreate(1), d.cuMemAlloc(64)
def status(stream): return d.cuStreamIsCapturing(stream).name.rpartition("_")[2]
def unsupported(call, *arguments): return name(call, *arguments) == "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
def event(): return d.cuEventCreate(2)
def wait(stream, other):
    e = event()
    d.cuEventRecord(e, other)
    d.cuStreamWaitEvent(stream, e, 0)
    return e
def kinds(graph): return [d.cuGraphNodeGetType(x).name.removeprefix("CU_GRAPH_NODE_TYPE_") for x in d.cuGraphGetNodes(graph)]
INVALIDATED = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
def again(): launch("step", p, 1, 0, stream=s)
"""


def on_capture(script: str, *arguments: str, **changes: str) -> str:
    import textwrap

    return on_graphs(BEGIN + textwrap.dedent(script), *arguments, **changes)


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


def test_what_is_known_about_a_capture_and_its_dependencies_set() -> None:
    on_capture("""
    info = d.cuStreamGetCaptureInfo(s)
    assert info[0] == S.CU_STREAM_CAPTURE_STATUS_NONE
    d.cuStreamBeginCapture(s, THREAD)
    state, number, graph, nodes, data = d.cuStreamGetCaptureInfo(s)
    assert state == S.CU_STREAM_CAPTURE_STATUS_ACTIVE and int(number) > 0 and nodes == []
    d.cuMemsetD32Async(p, 3, 1, s)
    (a,) = d.cuStreamGetCaptureInfo(s)[3]
    # a node of one's own in the middle
    b = add_kernel(graph, [a], "step", p, 10, 0)
    side = add_fill(graph, [], p + 8, 4)
    d.cuStreamUpdateCaptureDependencies(s, [b], None, None, 1)
    d.cuStreamUpdateCaptureDependencies(s, [side, b], None, None, 0)
    assert d.cuStreamGetCaptureInfo(s)[3] == [b, side]
    d.cuMemcpyAsync(p + 4, p, 4, s)
    bad = "CUDA_ERROR_INVALID_VALUE"
    stranger = d.cuGraphAddEmptyNode(d.cuGraphCreate(0), [], None)
    assert name(d.cuStreamUpdateCaptureDependencies, s, [stranger], None, None, 1) == bad
    assert name(d.cuStreamUpdateCaptureDependencies, s, [b], None, None, 2) == bad
    assert name(d.cuStreamUpdateCaptureDependencies, t, [b], None, None, 1) == "CUDA_ERROR_ILLEGAL_STATE"
    g = d.cuStreamEndCapture(s)
    assert g == graph
    run(g)
    assert words(p, 3) == [31, 31, 4]
    d.cuStreamBeginCapture(s, THREAD)
    assert int(d.cuStreamGetCaptureInfo(s)[1]) != int(number)
    for ask in (d.cuStreamGetFlags, d.cuStreamGetPriority, d.cuStreamGetId, d.cuStreamGetCtx, d.cuStreamGetDevice):
        ask(s)                                                  # questions are no operations
    d.cuStreamEndCapture(s)
    """)


def test_capture_into_a_graph() -> None:
    on_capture("""
    g = d.cuGraphCreate(0)
    a = add_fill(g, [], p, 5)
    d.cuStreamBeginCaptureToGraph(s, g, [a], None, None, RELAXED)
    assert d.cuStreamGetCaptureInfo(s)[3] == [a]
    launch("step", p, 3, 0, stream=s)
    assert d.cuStreamEndCapture(s) == g and len(d.cuGraphGetNodes(g)) == 2
    run(g)
    assert words(p, 1) == [16]
    stranger = d.cuGraphAddEmptyNode(d.cuGraphCreate(0), [], None)
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuStreamBeginCaptureToGraph, s, g, [stranger], None, None, RELAXED) == bad
    assert name(d.cuStreamBeginCaptureToGraph, s, None, [], None, None, RELAXED) == bad
    # a graph that was there before outlives a capture that went wrong
    d.cuStreamBeginCaptureToGraph(s, g, [], None, None, RELAXED)
    unsupported(d.cuStreamSynchronize, s)
    assert name(d.cuStreamEndCapture, s) == INVALIDATED and len(d.cuGraphGetNodes(g)) == 2
    # the body of a conditional node
    h = d.cuGraphCreate(0)
    node, (body,) = conditional(h, [], d.cuGraphConditionalHandleCreate(h, context, 1, 1), IF)
    d.cuStreamBeginCaptureToGraph(s, body, [], None, None, RELAXED)
    launch("step", p, 2, 0, stream=s)
    assert unsupported(d.cuMemAllocAsync, 64, s)                # no memory in there
    assert name(d.cuStreamEndCapture, s) == INVALIDATED
    run(h)
    assert words(p, 1) == [33]
    # nodes that are removed under the capture
    d.cuStreamBeginCapture(s, RELAXED)
    launch("step", p, 2, 0, stream=s)
    e = wait(t, s)
    d.cuGraphDestroyNode(d.cuStreamGetCaptureInfo(s)[3][0])
    assert d.cuStreamGetCaptureInfo(s)[3] == d.cuStreamGetCaptureInfo(t)[3] == []
    launch("step", p, 2, 0, stream=s)
    d.cuStreamWaitEvent(s, e, 0)
    assert kinds(d.cuStreamEndCapture(s)) == ["KERNEL"]
    # a graph that is destroyed under its capture
    d.cuStreamBeginCapture(s, RELAXED)
    d.cuGraphDestroy(d.cuStreamGetCaptureInfo(s)[2])
    assert name(again) == INVALIDATED == name(d.cuStreamEndCapture, s)
    """)


def test_memory_in_captures() -> None:
    on_capture("""
    ask = lambda: int(d.cuDeviceGetGraphMemAttribute(0, d.CUgraphMem_attribute.CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT))
    plain = d.cuMemAllocAsync(64, s)
    d.cuStreamSynchronize(s)
    d.cuStreamBeginCapture(s, GLOBAL)
    q = d.cuMemAllocAsync(256, s)
    r = d.cuMemAllocFromPoolAsync(256, d.cuDeviceGetDefaultMemPool(0), s)
    d.cuMemsetD32Async(q, 6, 1, s)
    launch("step", q, 7, 0, stream=s)
    d.cuMemcpyAsync(r, q, 4, s)
    d.cuMemcpyAsync(p, r, 4, s)
    d.cuMemFreeAsync(q, s)
    assert name(d.cuMemFreeAsync, q, s) == name(d.cuMemFreeAsync, plain, s) == "CUDA_ERROR_INVALID_VALUE"
    g = d.cuStreamEndCapture(s)
    assert kinds(g) == ["MEM_ALLOC"] * 2 + ["MEMSET", "KERNEL", "MEMCPY", "MEMCPY", "MEM_FREE"]
    e = d.cuGraphInstantiate(g, 0)
    assert ask() == 0
    d.cuGraphLaunch(e, s)
    d.cuStreamSynchronize(s)
    assert words(p, 1) == words(r, 1) == [43] and ask() == 256
    assert name(d.cuGraphLaunch, e, s) == "CUDA_ERROR_INVALID_VALUE"
    d.cuMemFreeAsync(r, s)
    d.cuGraphLaunch(e, s)
    d.cuMemFreeAsync(r, s)
    d.cuStreamSynchronize(s)
    assert ask() == 0
    # such an executable cannot become a child
    d.cuStreamBeginCapture(t, RELAXED)
    assert unsupported(d.cuGraphLaunch, e, t)
    assert name(d.cuStreamEndCapture, t) == INVALIDATED
    """)


def test_a_launch_of_an_executable_becomes_a_child() -> None:
    on_capture("""
    g = d.cuGraphCreate(0)
    a = add_kernel(g, [], "step", p, 2, 0)
    e = d.cuGraphInstantiate(g, 0)
    d.cuGraphExecKernelNodeSetParams(e, a, kernel_params("step", p, 3, 0))
    d.cuStreamBeginCapture(s, GLOBAL)
    d.cuMemsetD32Async(p, 1, 1, s)
    d.cuGraphLaunch(e, s)
    d.cuGraphLaunch(e, s)
    h = d.cuStreamEndCapture(s)
    d.cuGraphExecDestroy(e)
    assert kinds(h) == ["MEMSET", "GRAPH", "GRAPH"]
    run(h)
    assert words(p, 1) == [13]                                  # as the executable was: 1 * 3 + 1, and again
    """)


def test_capture_and_update_of_an_executable() -> None:
    on_capture("""
    def capture(factor, value):
        d.cuStreamBeginCapture(s, RELAXED)
        d.cuMemsetD32Async(p, value, 1, s)
        wait(t, s)
        launch("step", p, factor, 0, stream=s)
        d.cuMemsetD32Async(p + 8, value, 2, t)
        wait(s, t)
        return d.cuStreamEndCapture(s)
    e = d.cuGraphInstantiate(capture(1, 1), 0)
    for factor in range(2, 12):
        assert d.cuGraphExecUpdate(e, capture(factor, factor + 1)).result.name == "CU_GRAPH_EXEC_UPDATE_SUCCESS"
        d.cuGraphLaunch(e, s)
        d.cuStreamSynchronize(s)
        assert words(p, 4)[0] == (factor + 1) * factor + 1 and words(p, 4)[2:] == [factor + 1] * 2
    """)


def test_captures_in_many_threads() -> None:
    on_capture("""
    import threading
    errors = []
    def work(number):
        try:
            d.cuCtxSetCurrent(context)
            d.cuThreadExchangeStreamCaptureMode(RELAXED)
            own, other, q = d.cuStreamCreate(1), d.cuStreamCreate(1), d.cuMemAlloc(64)
            for turn in range(12):
                d.cuStreamBeginCapture(own, THREAD)
                d.cuMemsetD32Async(q, number, 1, own)
                wait(other, own)
                launch("step", q, turn, 0, stream=other)
                wait(own, other)
                launch("step", q, 2, 0, stream=own)
                g = d.cuStreamEndCapture(own)
                run(g, own)
                d.cuGraphDestroy(g)
                assert words(q, 1) == [(number * turn + 1) * 2 + 1]
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    assert errors == [], errors
    """)


def test_a_context_may_end_in_the_middle_of_a_capture() -> None:
    on_capture("""
    own = d.cuCtxCreate(None, 0, 0)
    u = d.cuStreamCreate(0)
    d.cuStreamBeginCapture(u, GLOBAL)
    d.cuCtxDestroy(own)
    d.cuCtxSetCurrent(context)
    launch("fill", p, 3, 1)
    assert words(p, 1) == [3] and d.cuMemAlloc(4)
    """)
