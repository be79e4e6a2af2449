"""The CPU device's driver API: what a capture makes of a graph, and what graphs make of captures."""

from __future__ import annotations

from tests.helpers.graphs import on_capture


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
