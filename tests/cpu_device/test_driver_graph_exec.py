"""The CPU device's driver API: executable graphs that are updated, the memory of graphs, and conditional nodes."""

from __future__ import annotations

from tests.helpers.graphs import on_graphs

SLOW = "slow = 3_000_000   # turns of a loop: some 50 ms\n"


def test_nodes_of_an_executable_are_set_one_by_one() -> None:
    on_graphs(
        SLOW
        + """
p, q, s = d.cuMemAlloc(64), d.cuMemAlloc(64), d.cuStreamCreate(1)
first, second, third = d.cuEventCreate(0), d.cuEventCreate(0), d.cuEventCreate(0)
seen = []
g = d.cuGraphCreate(0)
fill = add_fill(g, [], p, 1)
step = add_kernel(g, [fill], "step", p, 10, slow)
copy = add_copy(g, [step], q, p, 4)
host = d.cuGraphAddHostNode(g, [copy], None, d.CUDA_HOST_NODE_PARAMS(fn=lambda data: seen.append(words_seen())))
wait = d.cuGraphAddEventWaitNode(g, [host], None, second)
record = d.cuGraphAddEventRecordNode(g, [wait], None, first)
def words_seen(): return "first"
e = d.cuGraphInstantiate(g, 0)
d.cuGraphLaunch(e, s)
# the launch under way is as it was
d.cuGraphExecKernelNodeSetParams(e, step, kernel_params("step", p, 20, 0))
d.cuGraphExecMemsetNodeSetParams(e, fill, fill_params(p, 3), context)
d.cuGraphExecMemcpyNodeSetParams(e, copy, copy_params(q + 8, p, 4), context)
d.cuGraphExecHostNodeSetParams(e, host, d.CUDA_HOST_NODE_PARAMS(fn=lambda data: seen.append("second")))
d.cuGraphExecEventRecordNodeSetEvent(e, record, third)
d.cuGraphExecEventWaitNodeSetEvent(e, wait, first)
d.cuStreamSynchronize(s)
assert words(q, 1) == [11] and seen == ["first"]
d.cuGraphLaunch(e, s)
d.cuStreamSynchronize(s)
assert words(q, 3)[2] == 61 and words(q, 1) == [11] and seen == ["first", "second"] and d.cuEventQuery(third) is True
run(g)                                                   # the graph is as it was
assert words(q, 1) == [11] and seen[-1] == "first"
# by the function for all kinds
params = d.cuGraphNodeGetParams(step)
params.kernel.kernelParams = kernel_params("step", p, 100, 0).kernelParams
d.cuGraphExecNodeSetParams(e, step, params)
d.cuGraphLaunch(e, s)
d.cuStreamSynchronize(s)
assert words(p, 1) == [301]
bad = "CUDA_ERROR_INVALID_VALUE"
other = d.cuGraphCreate(0)
stranger = add_kernel(other, [], "step", p, 1, 0)
assert name(d.cuGraphExecKernelNodeSetParams, e, stranger, kernel_params("step", p, 1, 0)) == bad
assert name(d.cuGraphExecKernelNodeSetParams, e, fill, kernel_params("step", p, 1, 0)) == bad
assert name(d.cuGraphExecMemsetNodeSetParams, e, fill, fill_params(p, 3, height=2, pitch=8), context) == bad
assert name(d.cuGraphExecMemsetNodeSetParams, e, fill, fill_params(p, 3, n=0), context) == bad
two = copy_params(q, p, 4)
two.Height = 2
assert name(d.cuGraphExecMemcpyNodeSetParams, e, copy, two, context) == bad
room = bytearray(4)
down = copy_params(0, p, 4, to_host=ctypes.addressof((ctypes.c_char * 4).from_buffer(room)))
assert name(d.cuGraphExecMemcpyNodeSetParams, e, copy, down, context) == bad      # another kind of memory
d.cuGraphDestroyNode(step)
assert name(d.cuGraphExecKernelNodeSetParams, e, step, kernel_params("step", p, 1, 0)) == bad    # gone from the graph
d.cuGraphLaunch(e, s)                                    # but not from the executable
d.cuStreamSynchronize(s)
assert words(p, 1) == [301]
"""
    )


def test_nodes_can_be_disabled() -> None:
    on_graphs("""
    p = d.cuMemAlloc(4)
    g = d.cuGraphCreate(0)
    a = add_fill(g, [], p, 1)
    b = add_kernel(g, [a], "step", p, 10, 0)
    c = d.cuGraphAddEmptyNode(g, [b], None)
    e = d.cuGraphInstantiate(g, 0)
    assert d.cuGraphNodeGetEnabled(e, b) == 1
    for enabled, want in ((1, 11), (0, 1), (1, 11)):
        d.cuGraphNodeSetEnabled(e, b, enabled)
        assert d.cuGraphNodeGetEnabled(e, b) == enabled
        d.cuGraphLaunch(e, None)
        assert words(p, 1) == [want]
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphNodeSetEnabled, e, c, 0) == name(d.cuGraphNodeGetEnabled, e, c) == name(d.cuGraphNodeSetEnabled, None, b, 0) == bad
    """)


def test_updates_by_a_graph_of_the_same_shape() -> None:
    on_graphs("""
    p, q = d.cuMemAlloc(16), d.cuMemAlloc(16)
    def make(factor, to=p, value=1, deep=3):
        g = d.cuGraphCreate(0)
        inner = d.cuGraphCreate(0)
        add_kernel(inner, [], "step", to, deep, 0)
        a = add_fill(g, [], to, value)
        b = add_kernel(g, [a], "step", to, factor, 0)
        d.cuGraphAddChildGraphNode(g, [b], None, inner)
        return g
    e = d.cuGraphInstantiate(make(10), 0)
    result = d.cuGraphExecUpdate(e, make(20, q, 2, 5))
    assert result.result.name == "CU_GRAPH_EXEC_UPDATE_SUCCESS" and int(result.errorNode) == int(result.errorFromNode) == 0
    d.cuMemsetD32(p, 77, 1)
    d.cuGraphLaunch(e, None)
    assert words(p, 1) == [77] and words(q, 1) == [(2 * 20 + 1) * 5 + 1]
    # a child's parameters alone
    g = make(1)
    e = d.cuGraphInstantiate(g, 0)
    child = d.cuGraphGetNodes(g)[2]
    new = d.cuGraphCreate(0)
    add_kernel(new, [], "step", p, 1000, 0)
    d.cuGraphExecChildGraphNodeSetParams(e, child, new)
    d.cuGraphLaunch(e, None)
    assert words(p, 1) == [2001]
    d.cuGraphAddEmptyNode(new, [], None)
    assert name(d.cuGraphExecChildGraphNodeSetParams, e, child, new) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_updates_that_cannot_be() -> None:
    on_graphs("""
    p = d.cuMemAlloc(16)
    library = ctypes.CDLL(LIBRARY)
    def update(e, g):
        info = (ctypes.c_uint64 * 3)()
        code = library.cuGraphExecUpdate_v2(*(ctypes.c_uint64(int(x)) for x in (e, g, ctypes.addressof(info))))
        return code, d.CUgraphExecUpdateResult(info[0] & 0xFFFFFFFF).name.removeprefix("CU_GRAPH_EXEC_UPDATE_"), info[1], info[2]
    def make(change=lambda g, a, b, c: None):
        g = d.cuGraphCreate(0)
        a = add_fill(g, [], p, 1)
        b = add_kernel(g, [a], "step", p, 10, 0)
        c = add_copy(g, [b], p + 8, p, 4)
        change(g, a, b, c)
        return g, a, b, c
    e = d.cuGraphInstantiate(make()[0], 0)
    no = 910
    g, a, b, c = make(lambda g, *_: d.cuGraphAddEmptyNode(g, [], None))
    assert update(e, g) == (no, "ERROR_TOPOLOGY_CHANGED", 0, 0)                       # how many
    g, a, b, c = make(lambda g, a, b, c: d.cuGraphAddDependencies(g, [a], [c], None, None))
    assert update(e, g) == (no, "ERROR_TOPOLOGY_CHANGED", int(c), 0)                  # how many edges
    def other_edge(g, a, b, c):
        d.cuGraphRemoveDependencies(g, [b], [c], None, None)
        d.cuGraphAddDependencies(g, [a], [c], None, None)
    g, a, b, c = make(other_edge)
    assert update(e, g) == (no, "ERROR_TOPOLOGY_CHANGED", int(c), int(a))             # and which
    h = d.cuGraphCreate(0)
    a = add_fill(h, [], p, 1)
    b = d.cuGraphAddEmptyNode(h, [a], None)
    add_copy(h, [b], p + 8, p, 4)
    assert update(e, h) == (no, "ERROR_NODE_TYPE_CHANGED", int(b), 0)
    value = d.CUlaunchAttributeValue()
    value.cooperative = 1
    g, a, b, c = make(lambda g, a, b, c: d.cuGraphKernelNodeSetAttribute(b, d.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_COOPERATIVE, value))
    assert update(e, g) == (no, "ERROR_ATTRIBUTES_CHANGED", int(b), 0)
    g, a, b, c = make(lambda g, a, b, c: d.cuGraphMemsetNodeSetParams(a, fill_params(p, 1, height=2, pitch=8)))
    assert update(e, g) == (no, "ERROR_PARAMETERS_CHANGED", int(a), 0)
    room = bytearray(4)
    down = copy_params(0, p, 4, to_host=ctypes.addressof((ctypes.c_char * 4).from_buffer(room)))
    g, a, b, c = make(lambda g, a, b, c: d.cuGraphMemcpyNodeSetParams(c, down))
    assert update(e, g) == (no, "ERROR_PARAMETERS_CHANGED", int(c), 0)
    # a function of another context
    d.cuCtxCreate(None, 0, 0)
    other = d.cuModuleGetFunction(module(), "step")
    d.cuCtxSetCurrent(context)
    g, a, b, c = make(lambda g, a, b, c: d.cuGraphKernelNodeSetParams(b, kernel_params("step", p, 1, 0, function=other)))
    assert update(e, g) == (no, "ERROR_UNSUPPORTED_FUNCTION_CHANGE", int(b), 0)
    assert update(e, 4096)[:2] == (1, "ERROR") and update(77, g)[:2] == (1, "ERROR")
    assert d.cuGraphExecUpdate(e, g).errorNode == b                                  # no exception: the result says it
    d.cuGraphLaunch(e, None)                                                         # it is as it was
    assert words(p, 3)[::2] == [11, 11]
    """)


def test_memory_of_a_graph_has_one_address_and_ends_where_it_is_freed() -> None:
    on_graphs("""
    A = d.CUgraphMem_attribute
    ask = lambda which: int(d.cuDeviceGetGraphMemAttribute(0, getattr(A, "CU_GRAPH_MEM_ATTR_" + which)))
    p, g, s = d.cuMemAlloc(4), d.cuGraphCreate(0), d.cuStreamCreate(1)
    a, q = add_alloc(g, [], 1 << 20)
    b = add_fill(g, [a], q, 21)
    c = add_kernel(g, [b], "step", q, 2, 0)
    k = add_copy(g, [c], p, q, 4)
    f = d.cuGraphAddMemFreeNode(g, [k], None, q)
    assert d.cuGraphMemFreeNodeGetParams(f) == q and d.cuGraphMemAllocNodeGetParams(a).dptr == q
    assert d.cuGraphMemAllocNodeGetParams(a).bytesize == 1 << 20 and ask("USED_MEM_CURRENT") == 0
    free = d.cuMemGetInfo()[0]
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemcpyDtoH, bytearray(4), q, 4) == bad                   # no launch has allocated it
    e = d.cuGraphInstantiate(g, 0)
    for _ in range(3): d.cuGraphLaunch(e, s)
    d.cuStreamSynchronize(s)
    assert words(p, 1) == [43] and ask("USED_MEM_CURRENT") == 0
    assert ask("USED_MEM_HIGH") >= 1 << 20 and ask("RESERVED_MEM_HIGH") >= ask("RESERVED_MEM_CURRENT") >= 1 << 20
    assert name(d.cuMemcpyDtoH, bytearray(4), q, 4) == name(d.cuMemFree, q) == name(d.cuMemFreeAsync, q, s) == bad
    assert d.cuMemGetInfo()[0] == free
    d.cuDeviceGraphMemTrim(0)
    assert ask("RESERVED_MEM_CURRENT") == 0
    d.cuDeviceSetGraphMemAttribute(0, A.CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, 0)
    d.cuDeviceSetGraphMemAttribute(0, A.CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH, 0)
    assert ask("USED_MEM_HIGH") == ask("RESERVED_MEM_HIGH") == 0
    assert name(d.cuDeviceSetGraphMemAttribute, 0, A.CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, 0) == bad
    assert name(d.cuDeviceSetGraphMemAttribute, 0, A.CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, 5) == bad
    assert name(d.cuDeviceGraphMemTrim, 9) == "CUDA_ERROR_INVALID_DEVICE"
    # what such graphs cannot
    for call in (lambda: d.cuGraphInstantiate(g, 0), lambda: d.cuGraphClone(g), lambda: d.cuGraphDestroyNode(k),
                 lambda: d.cuGraphRemoveDependencies(g, [a], [b], None, None), lambda: d.cuGraphAddMemFreeNode(g, [], None, q),
                 lambda: d.cuGraphAddMemFreeNode(g, [], None, p), lambda: d.cuGraphAddMemFreeNode(d.cuGraphCreate(0), [], None, q),
                 lambda: d.cuGraphAddMemAllocNode(g, [], None, alloc_params(0)), lambda: d.cuGraphAddMemFreeNode(g, [], None, 0),
                 lambda: d.cuGraphAddMemAllocNode(g, [], None, d.CUDA_MEM_ALLOC_NODE_PARAMS(bytesize=8))):
        assert name(call) == bad
    d.cuGraphExecDestroy(e)
    e = d.cuGraphInstantiate(g, 0)                                           # the first one is gone
    params = d.cuGraphNodeGetParams(a)
    assert name(d.cuGraphNodeSetParams, a, params) == name(d.cuGraphExecNodeSetParams, e, a, params) == "CUDA_ERROR_NOT_SUPPORTED"
    """)


def test_memory_that_a_graph_leaves() -> None:
    on_graphs("""
    ask = lambda: int(d.cuDeviceGetGraphMemAttribute(0, d.CUgraphMem_attribute.CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT))
    s, g = d.cuStreamCreate(1), d.cuGraphCreate(0)
    a, q = add_alloc(g, [], 64)
    add_fill(g, [a], q, 5)
    e = d.cuGraphInstantiate(g, 0)
    d.cuGraphLaunch(e, s)
    launch("step", q, 3, 0, stream=s)                        # the memory is there as soon as it is launched
    d.cuStreamSynchronize(s)
    assert words(q, 1) == [16] and ask() == 64
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphLaunch, e, s) == bad                # not freed yet
    d.cuMemFreeAsync(q, s)
    d.cuStreamSynchronize(s)
    assert name(d.cuMemcpyDtoH, bytearray(4), q, 4) == bad and ask() == 0
    d.cuGraphLaunch(e, s)                                    # at the same address
    d.cuMemFree(q)
    d.cuGraphLaunch(e, s)
    # freed by another graph
    h = d.cuGraphCreate(0)
    d.cuGraphAddMemFreeNode(h, [], None, q)
    assert name(d.cuGraphAddMemFreeNode, g, [], None, q) == bad
    f = d.cuGraphInstantiate(h, 0)
    d.cuGraphLaunch(f, s)
    assert name(d.cuGraphLaunch, f, s) == bad                # nothing to free
    d.cuGraphLaunch(e, s)
    d.cuGraphDestroy(g)
    d.cuGraphExecDestroy(e)
    d.cuStreamSynchronize(s)
    assert words(q, 1) == [5] and ask() == 64                # it outlives both
    d.cuGraphLaunch(f, s)
    d.cuStreamSynchronize(s)
    d.cuGraphDestroy(h); d.cuGraphExecDestroy(f)
    assert name(d.cuMemFree, q) == bad and ask() == 0
    # freed at the next launch
    g = d.cuGraphCreate(0)
    a, q = add_alloc(g, [], 64)
    add_kernel(g, [add_fill(g, [a], q, 5)], "step", q, 2, 0)
    e = d.cuGraphInstantiate(g, d.CUgraphInstantiate_flags.CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH)
    assert int(d.cuGraphExecGetFlags(e)) == 1
    for _ in range(3): d.cuGraphLaunch(e, s)
    d.cuStreamSynchronize(s)
    assert words(q, 1) == [11] and ask() == 64
    d.cuMemFreeAsync(q, s)
    d.cuStreamSynchronize(s)
    assert ask() == 0
    """)


def test_memory_is_not_there_behind_its_free_node() -> None:
    on_graphs("""
    g = d.cuGraphCreate(0)
    a, q = add_alloc(g, [], 64)
    f = d.cuGraphAddMemFreeNode(g, [a], None, q)
    add_kernel(g, [f], "fill", q, 1, 1)
    e = d.cuGraphInstantiate(g, 0)
    d.cuGraphLaunch(e, None)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)


def test_conditional_nodes() -> None:
    on_graphs("""
    p, function = d.cuMemAlloc(64), next_kernel()
    def build(kind, size, default, deciding=None):
        g = d.cuGraphCreate(0)
        h = d.cuGraphConditionalHandleCreate(g, context, default or 0, default is not None)
        needs = [add_next(g, [], function, p, h, deciding)] if deciding is not None else []
        node, bodies = conditional(g, needs, h, kind, size)
        for i, body in enumerate(bodies):
            add_kernel(body, [add_fill(body, [], p + 4 * (i + 1), 10)], "step", p + 4 * (i + 1), 2 + i, 0)
        return g, h, node, bodies
    def result(g, start=0, n=4, times=1):
        d.cuMemsetD32(p, 0, 16)
        d.cuMemsetD32(p, start, 1)
        run(g, times=times)
        return words(p, n)
    assert result(build(IF, 1, 1)[0]) == [0, 21, 0, 0]
    assert result(build(IF, 1, 0)[0]) == [0, 0, 0, 0]
    assert result(build(IF, 1, None, 5)[0], 0) == [1, 21, 0, 0]           # 1 < 5
    assert result(build(IF, 1, None, 5)[0], 7) == [8, 0, 0, 0]
    assert result(build(IF, 2, None, 5)[0], 0) == [1, 21, 0, 0]
    assert result(build(IF, 2, None, 5)[0], 7) == [8, 0, 31, 0]
    for value in range(5):                                                # the value itself
        assert result(build(SWITCH, 3, None, 0)[0], value - 1 & 0xFFFFFFFF)[1:] == [(i == value) * (10 * (2 + i) + 1) for i in range(3)], value
    g, h, node, (body,) = build(WHILE, 1, 1)
    add_next(body, [d.cuGraphGetNodes(body)[1]], function, p, h, 25)
    assert result(g) == [25, 21, 0, 0]
    assert result(g, times=3)[0] == 27                                    # the default, at each launch: one turn more
    got = d.cuGraphNodeGetParams(node).conditional
    assert (int(got.handle), int(got.type), got.size, got.ctx) == (int(h), WHILE, 1, context)
    assert (ctypes.c_uint64 * 1).from_address(int(got.phGraph_out))[0] == int(body)
    # a loop in a loop: 3 times 4
    g = d.cuGraphCreate(0)
    outer, inner = d.cuGraphConditionalHandleCreate(g, context, 1, 1), d.cuGraphConditionalHandleCreate(g, context, 1, 1)
    node, (body,) = conditional(g, [], outer, WHILE)
    zero = add_fill(body, [], p + 4, 0)
    node, (deep,) = conditional(body, [zero], inner, WHILE)
    add_kernel(deep, [add_next(deep, [], function, p + 4, inner, 4)], "step", p + 8, 1, 0)
    again = add_next(body, [node], function, p, outer, 3)
    # the inner variable was left at 0: set for the next turn
    add_next(body, [again], function, p + 12, inner, 1 << 30)
    assert result(g) == [3, 4, 12, 3]
    """)


def test_conditional_nodes_that_cannot_be() -> None:
    on_graphs("""
    g = d.cuGraphCreate(0)
    h = d.cuGraphConditionalHandleCreate(g, context, 0, 1)
    bad = "CUDA_ERROR_INVALID_VALUE"
    for kind, size in ((IF, 0), (IF, 3), (WHILE, 2), (SWITCH, 0), (7, 1)):
        assert name(conditional, g, [], h, kind, size) == bad, (kind, size)
    assert name(conditional, g, [], 4711, IF) == name(conditional, d.cuGraphCreate(0), [], h, IF) == bad
    node, (body,) = conditional(g, [], h, IF)
    assert name(conditional, g, [], h, IF) == bad                          # a handle has one node
    assert name(d.cuGraphDestroy, body) == bad                             # the node's
    assert name(d.cuGraphAddMemAllocNode, body, [], None, alloc_params(64)) == "CUDA_ERROR_NOT_SUPPORTED"
    assert name(d.cuGraphConditionalHandleCreate, g, context, 0, 2) == bad
    assert name(d.cuGraphConditionalHandleCreate, g, d.CUcontext(77), 0, 0) == "CUDA_ERROR_INVALID_CONTEXT"
    assert name(d.cuGraphClone, g) == name(d.cuGraphAddChildGraphNode, d.cuGraphCreate(0), [], None, g) == bad
    e = d.cuGraphInstantiate(g, 0)
    assert name(d.cuGraphInstantiate, g, 0) == bad                         # the variable is one
    # a kernel that names a handle which is none
    p, function = d.cuMemAlloc(4), next_kernel()
    k = d.cuGraphCreate(0)
    add_next(k, [], function, p, 4711, 5)
    executable = d.cuGraphInstantiate(k, 0)
    d.cuGraphLaunch(executable, None)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_an_update_of_conditional_bodies() -> None:
    on_graphs("""
    p, function = d.cuMemAlloc(16), next_kernel()
    def build(kind, factor, default):
        g = d.cuGraphCreate(0)
        h = d.cuGraphConditionalHandleCreate(g, context, default, 1)
        node, (body,) = conditional(g, [], h, kind)
        last = add_kernel(body, [add_fill(body, [], p, 1)], "step", p, factor, 0)
        return g, node
    e = d.cuGraphInstantiate(build(IF, 5, 0)[0], 0)
    d.cuMemsetD32(p, 0, 1)
    d.cuGraphLaunch(e, None)
    assert words(p, 1) == [0]
    d.cuGraphExecUpdate(e, build(IF, 9, 1)[0])                             # default values too
    d.cuGraphLaunch(e, None)
    assert words(p, 1) == [10]
    assert d.cuGraphExecUpdate(e, build(WHILE, 5, 1)[0]).result.name == "CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED"
    """)


def test_nvrtc_emits_the_call_that_sets_a_condition() -> None:
    on_graphs("""
    import os
    from cubind import nvrtc as n
    try:
        n.nvrtcVersion()
    except Exception:
        os._exit(0)                                                        # NVRTC is not installed
    source = 'extern "C" __global__ void loop(cudaGraphConditionalHandle h, unsigned *p) { unsigned v = ++*p; cudaGraphSetConditional(h, v < 12); }'
    program = n.nvrtcCreateProgram(source, "k.cu", 0, [], [])
    n.nvrtcCompileProgram(program, 2, ["--gpu-architecture=compute_89", "-rdc=true"])
    function = d.cuModuleGetFunction(module(n.nvrtcGetPTX(program)), "loop")
    p, g = d.cuMemAlloc(4), d.cuGraphCreate(0)
    d.cuMemsetD32(p, 0, 1)
    h = d.cuGraphConditionalHandleCreate(g, context, 1, 1)
    node, (body,) = conditional(g, [], h, WHILE)
    kept = [ctypes.c_uint64(int(h)), ctypes.c_uint64(int(p))]
    array = (ctypes.c_void_p * 2)(*map(ctypes.addressof, kept))
    d.cuGraphAddKernelNode(body, [], None, d.CUDA_KERNEL_NODE_PARAMS(func=function, gridDimX=1, gridDimY=1, gridDimZ=1, blockDimX=1,
                                                                  blockDimY=1, blockDimZ=1, kernelParams=ctypes.addressof(array)))
    run(g)
    assert words(p, 1) == [12]
    """)
