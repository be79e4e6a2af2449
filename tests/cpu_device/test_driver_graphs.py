"""The CPU device's driver API: graphs, node by node, and their executables."""

from __future__ import annotations

from tests.helpers.graphs import on_graphs


def test_a_chain_of_nodes_runs_in_order_at_each_launch() -> None:
    on_graphs("""
    g, p = d.cuGraphCreate(0), d.cuMemAlloc(4)
    d.cuMemsetD32(p, 7, 1)
    last = add_fill(g, [], p, 3)
    for factor in (5, 2, 11):
        last = add_kernel(g, [last], "step", p, factor, 100)
    assert words(p, 1) == [7]                              # nothing was done yet
    run(g, times=3)
    assert words(p, 1) == [((3 * 5 + 1) * 2 + 1) * 11 + 1]
    """)


def test_edges_decide_the_order_and_not_the_order_of_adding() -> None:
    on_graphs("""
    g, p = d.cuGraphCreate(0), d.cuMemAlloc(4)
    third = add_kernel(g, [], "step", p, 10, 0)
    second = add_kernel(g, [], "step", p, 3, 0)
    first = add_fill(g, [], p, 1)
    d.cuGraphAddDependencies(g, [first, second], [second, third], None, None)
    run(g)
    assert words(p, 1) == [41]                              # (1 * 3 + 1) * 10 + 1
    d.cuGraphRemoveDependencies(g, [first, second], [second, third], None, None)
    d.cuGraphAddDependencies(g, [first, third], [third, second], None, None)
    run(g)
    assert words(p, 1) == [34]
    """)


def test_a_random_order_of_dependencies_is_honoured() -> None:
    on_graphs("""
    import random
    random.seed(5)
    n = 120
    buffers = [d.cuMemAlloc(4) for _ in range(n)]
    g = d.cuGraphCreate(0)
    order = random.sample(range(n), n)                      # of adding
    nodes = {i: d.cuGraphAddEmptyNode(g, [], None) for i in order}
    seen = []
    for i in order:
        d.cuGraphDestroyNode(nodes[i])
        nodes[i] = d.cuGraphAddHostNode(g, [], None, d.CUDA_HOST_NODE_PARAMS(fn=lambda data, i=i: seen.append(i)))
    needs = {(a, b) for b in range(1, n) for a in random.sample(range(b), min(b, 3))}
    for a, b in random.sample(sorted(needs), len(needs)):
        d.cuGraphAddDependencies(g, [nodes[a]], [nodes[b]], None, None)
    run(g)
    place = {i: k for k, i in enumerate(seen)}
    assert sorted(seen) == list(range(n)) and all(place[a] < place[b] for a, b in needs)
    """)


def test_the_structure_can_be_asked_for() -> None:
    on_graphs("""
    g = d.cuGraphCreate(0)
    a, b, c, e = [d.cuGraphAddEmptyNode(g, [], None) for _ in range(4)]
    d.cuGraphAddDependencies(g, [a, a, b, c], [b, c, e, e], None, None)
    assert d.cuGraphGetNodes(g) == [a, b, c, e] and d.cuGraphGetRootNodes(g) == [a]
    sources, targets, data = d.cuGraphGetEdges(g)
    assert set(zip(map(int, sources), map(int, targets))) == {(int(x), int(y)) for x, y in ((a, b), (a, c), (b, e), (c, e))}
    assert all(x == d.CUgraphEdgeData() for x in data)
    assert d.cuGraphNodeGetDependencies(e)[0] == [b, c] and d.cuGraphNodeGetDependentNodes(a)[0] == [b, c]
    assert d.cuGraphNodeGetContainingGraph(b) == g and len({d.cuGraphNodeGetLocalId(x) for x in (a, b, c, e)}) == 4
    assert len({d.cuGraphNodeGetToolsId(x) for x in (a, b, c, e)}) == 4
    other = d.cuGraphCreate(0)
    assert d.cuGraphGetId(g) != d.cuGraphGetId(other) and d.cuGraphGetNodes(other) == []
    bad = "CUDA_ERROR_INVALID_VALUE"
    stranger = d.cuGraphAddEmptyNode(other, [], None)
    for frm, to in ((e, a), (a, a), (a, b), (a, stranger), (stranger, a)):        # cycles, what is there, what is not
        assert name(d.cuGraphAddDependencies, g, [frm], [to], None, None) == bad, (frm, to)
    assert name(d.cuGraphAddDependencies, g, [b, e], [c, a], None, None) == bad   # all of it or nothing
    assert d.cuGraphNodeGetDependencies(c)[0] == [a]
    assert name(d.cuGraphRemoveDependencies, g, [a], [e], None, None) == bad
    assert name(d.cuGraphAddEmptyNode, g, [a, a], None) == name(d.cuGraphAddEmptyNode, g, [stranger], None) == bad
    d.cuGraphDestroyNode(b)
    assert d.cuGraphNodeGetDependencies(e)[0] == [c] and d.cuGraphNodeGetDependentNodes(a)[0] == [c]
    assert name(d.cuGraphDestroyNode, b) == name(d.cuGraphNodeGetType, b) == bad
    """)


def test_edge_data_is_kept_and_not_lost_in_questions() -> None:
    on_graphs("""
    library = ctypes.CDLL(LIBRARY)
    g, p = d.cuGraphCreate(0), d.cuMemAlloc(4)
    a, b = add_kernel(g, [], "step", p, 2, 0), add_kernel(g, [], "step", p, 2, 0)
    empty = d.cuGraphAddEmptyNode(g, [], None)
    edge = d.CUgraphEdgeData(from_port=1, type=1)
    d.cuGraphAddDependencies(g, [a], [b], [edge], None)
    assert d.cuGraphNodeGetDependencies(b)[1][0] == edge == d.cuGraphGetEdges(g)[2][0]
    room, n = (ctypes.c_uint64 * 4)(), ctypes.c_size_t(4)
    call = lambda f, *x: getattr(library, f)(*map(ctypes.c_uint64, map(int, x)))
    at, count = ctypes.addressof(room), ctypes.addressof(n)
    lossy = int(d.CUresult.CUDA_ERROR_LOSSY_QUERY)
    assert call("cuGraphGetEdges", g, at, at, count) == lossy
    assert call("cuGraphNodeGetDependencies", b, at, count) == call("cuGraphNodeGetDependentNodes", a, at, count) == lossy
    assert call("cuGraphNodeGetDependencies", b, 0, count) == 0 and n.value == 1
    bad = "CUDA_ERROR_INVALID_VALUE"
    for e, frm, to in ((edge, a, empty), (edge, empty, b), (d.CUgraphEdgeData(to_port=1), a, empty), (d.CUgraphEdgeData(type=7), a, empty)):
        assert name(d.cuGraphAddDependencies, g, [frm], [to], [e], None) == bad
    assert name(d.cuGraphRemoveDependencies, g, [a], [b], None, None) == bad      # its data is another
    d.cuGraphRemoveDependencies(g, [a], [b], [edge], None)
    # room for more nodes than there are is filled with nothing
    n.value = 4
    assert call("cuGraphGetNodes", g, at, count) == 0 and n.value == 3 and list(room) == [int(a), int(b), int(empty), 0]
    n.value = 2
    assert call("cuGraphGetNodes", g, at, count) == 0 and n.value == 2
    """)


def test_kernel_parameters_are_the_nodes_own() -> None:
    on_graphs("""
    g, p = d.cuGraphCreate(0), d.cuMemAlloc(64)
    params = kernel_params("fill", p, 5, 16, grid=2, block=8)
    node = d.cuGraphAddKernelNode(g, [], None, params)
    for value in kept_arrays[-1].kept:
        value.value = 0                                     # they were copied
    run(g)
    assert words(p, 16) == [5] * 16
    got = d.cuGraphKernelNodeGetParams(node)
    assert (got.gridDimX, got.blockDimX, got.sharedMemBytes) == (2, 8, 0) and got.func == params.func
    pointers = (ctypes.c_void_p * 3).from_address(int(got.kernelParams))
    assert ctypes.c_uint64.from_address(pointers[0]).value == int(p)
    assert [ctypes.c_uint32.from_address(x).value for x in pointers[1:]] == [5, 16]
    d.cuGraphKernelNodeSetParams(node, kernel_params("fill", p, 9, 8, grid=1, block=16))
    run(g)
    assert words(p, 16) == [9] * 8 + [5] * 8
    # the block itself
    block = (ctypes.c_uint32 * 4)(int(p) & 0xFFFFFFFF, int(p) >> 32, 33, 4)
    size = ctypes.c_size_t(16)
    extra = (ctypes.c_void_p * 5)(1, ctypes.addressof(block), 2, ctypes.addressof(size), 0)
    packed_params = kernel_params("fill", p, 0, 0, block=16)
    packed_params.kernelParams, packed_params.extra = 0, ctypes.addressof(extra)
    d.cuGraphKernelNodeSetParams(node, packed_params)
    run(g)
    assert words(p, 6) == [33] * 4 + [9] * 2
    assert int(d.cuGraphKernelNodeGetParams(node).kernelParams) == 0 != int(d.cuGraphKernelNodeGetParams(node).extra)
    bad = "CUDA_ERROR_INVALID_VALUE"
    packed_params.kernelParams = kernel_params("fill", p, 0, 0).kernelParams
    assert name(d.cuGraphKernelNodeSetParams, node, packed_params) == bad
    for change in ({"gridDimX": 0}, {"blockDimX": 2048}, {"kernelParams": 0}, {"sharedMemBytes": 1 << 30}, {"func": None}):
        wrong = kernel_params("fill", p, 0, 0)
        for field, value in change.items(): setattr(wrong, field, value)
        assert name(d.cuGraphAddKernelNode, g, [], None, wrong) == bad, change
        assert name(d.cuGraphKernelNodeSetParams, node, wrong) == bad, change
    assert name(d.cuGraphKernelNodeGetParams, d.cuGraphAddEmptyNode(g, [], None)) == bad
    run(g)
    assert words(p, 4) == [33] * 4
    # a library's kernel, with no context yet
    library = d.cuLibraryLoadData(KERNELS.encode() + b"\\0", None, None, None, None, None, None)
    h = d.cuGraphCreate(0)
    of_library = kernel_params("fill", p, 77, 2, block=2)
    of_library.func, of_library.kern = None, d.cuLibraryGetKernel(library, "fill")
    d.cuGraphAddKernelNode(h, [], None, of_library)
    run(h)
    assert words(p, 3) == [77, 77, 33]
    """)


def test_attributes_of_kernel_nodes() -> None:
    on_graphs("""
    A = d.CUlaunchAttributeID
    g, p = d.cuGraphCreate(0), d.cuMemAlloc(64)
    a, b = add_kernel(g, [], "fill", p, 5, 16, block=16), add_kernel(g, [], "fill", p, 5, 16, block=16)
    assert d.cuGraphKernelNodeGetAttribute(a, A.CU_LAUNCH_ATTRIBUTE_COOPERATIVE).cooperative == 0
    value = d.CUlaunchAttributeValue()
    value.cooperative = 1
    d.cuGraphKernelNodeSetAttribute(a, A.CU_LAUNCH_ATTRIBUTE_COOPERATIVE, value)
    value = d.CUlaunchAttributeValue()
    value.priority = -3
    d.cuGraphKernelNodeSetAttribute(a, A.CU_LAUNCH_ATTRIBUTE_PRIORITY, value)
    d.cuGraphKernelNodeCopyAttributes(b, a)
    for node in (a, b):
        assert d.cuGraphKernelNodeGetAttribute(node, A.CU_LAUNCH_ATTRIBUTE_COOPERATIVE).cooperative == 1
        assert d.cuGraphKernelNodeGetAttribute(node, A.CU_LAUNCH_ATTRIBUTE_PRIORITY).priority == -3
    d.cuGraphKernelNodeSetParams(a, kernel_params("fill", p, 6, 16, block=16))      # the attributes stay
    assert d.cuGraphKernelNodeGetAttribute(a, A.CU_LAUNCH_ATTRIBUTE_COOPERATIVE).cooperative == 1
    bad = "CUDA_ERROR_INVALID_VALUE"
    empty = d.cuGraphAddEmptyNode(g, [], None)
    assert name(d.cuGraphKernelNodeGetAttribute, empty, 2) == name(d.cuGraphKernelNodeGetAttribute, a, 99) == bad
    assert name(d.cuGraphKernelNodeSetAttribute, a, 3, value) == name(d.cuGraphKernelNodeCopyAttributes, a, empty) == bad
    cluster = d.CUlaunchAttributeValue()
    cluster.clusterDim.x, cluster.clusterDim.y, cluster.clusterDim.z = 3, 1, 1
    assert name(d.cuGraphKernelNodeSetAttribute, a, A.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, cluster) == bad   # of 1 block
    # cooperative kernels take no block of parameters
    extra = (ctypes.c_void_p * 1)(0)
    params = kernel_params("small")
    params.kernelParams, params.extra = 0, ctypes.addressof(extra)
    assert name(d.cuGraphKernelNodeSetParams, a, params) == bad
    """)


def test_copies_and_fills_of_rows() -> None:
    on_graphs("""
    g = d.cuGraphCreate(0)
    p, pitch = d.cuMemAllocPitch(10, 4, 4)
    out = bytearray(40)
    base = ctypes.addressof((ctypes.c_char * 40).from_buffer(out))
    whole = add_fill(g, [], p, 1, n=pitch * 4, element=1)
    two = add_fill(g, [whole], p + 2 * pitch, 0x0203, n=5, element=2, height=2, pitch=pitch)
    back = copy_params(0, p, 10, to_host=base)
    back.Height, back.srcPitch, back.dstPitch = 4, pitch, 10
    node = d.cuGraphAddMemcpyNode(g, [two], None, back, context)
    run(g)
    assert out == b"\\x01" * 20 + b"\\x03\\x02" * 10, out
    got = d.cuGraphMemcpyNodeGetParams(node)
    assert (got.srcDevice, int(got.dstHost), got.Height, got.srcPitch) == (p, base, 4, pitch)
    fill = d.cuGraphMemsetNodeGetParams(two)
    assert (fill.value, fill.elementSize, fill.width, fill.height, fill.pitch) == (0x0203, 2, 5, 2, pitch)
    # from the host, when the launch comes to it
    source = bytearray(range(40))
    up = copy_params(p, 0, 40, source_host=ctypes.addressof((ctypes.c_char * 40).from_buffer(source)))
    d.cuGraphMemcpyNodeSetParams(node, up)
    d.cuGraphDestroyNode(whole)
    fill.dst, fill.width, fill.elementSize, fill.height = d.cuMemAlloc(8), 2, 4, 1
    d.cuGraphMemsetNodeSetParams(two, fill)
    source[0] = 99
    run(g)
    room = bytearray(40)
    d.cuMemcpyDtoH(room, p, 40)
    assert room == source and words(fill.dst, 2) == [0x0203] * 2
    bad = "CUDA_ERROR_INVALID_VALUE"
    for wrong in (fill_params(p, 1, element=3), fill_params(p + 1, 1), fill_params(0, 1), fill_params(p, 1, n=1 << 40)):
        assert name(d.cuGraphAddMemsetNode, g, [], None, wrong, context) == bad
    assert name(d.cuGraphAddMemsetNode, g, [], None, fill, d.CUcontext(12345)) == "CUDA_ERROR_INVALID_CONTEXT"
    assert name(d.cuGraphAddMemcpyNode, g, [], None, copy_params(p, 5, 8), context) == bad
    assert name(d.cuGraphMemcpyNodeGetParams, two) == name(d.cuGraphMemsetNodeGetParams, node) == bad
    """)


def test_host_functions_and_events() -> None:
    on_graphs(
        """
g, p, s, other = d.cuGraphCreate(0), d.cuMemAlloc(4), d.cuStreamCreate(1), d.cuStreamCreate(1)
waited, recorded = d.cuEventCreate(2), d.cuEventCreate(0)
seen = []
d.cuMemsetD32(p, 1, 1)
wait = d.cuGraphAddEventWaitNode(g, [], None, waited)
step = add_kernel(g, [wait], "step", p, 10, 0)
params = d.CUDA_HOST_NODE_PARAMS(fn=lambda data: seen.append(name(d.cuMemAlloc, 4)))
host = d.cuGraphAddHostNode(g, [step], None, params)
record = d.cuGraphAddEventRecordNode(g, [host], None, recorded)
assert d.cuGraphEventWaitNodeGetEvent(wait) == waited and d.cuGraphEventRecordNodeGetEvent(record) == recorded
assert int(d.cuGraphHostNodeGetParams(host).fn) != 0
e = d.cuGraphInstantiate(g, 0)
open_gate = gate(other)
launch("step", p, 1, 0, stream=other)
d.cuEventRecord(waited, other)
d.cuGraphLaunch(e, s)
assert d.cuEventQuery(recorded) is False
d.cuStreamWaitEvent(other, recorded, 0)
launch("step", p, 2, 0, stream=other)
open_gate()
d.cuEventSynchronize(recorded)
assert seen == ["CUDA_ERROR_NOT_PERMITTED"]
d.cuStreamSynchronize(other)
assert words(p, 1) == [((1 + 1) * 10 + 1) * 2 + 1]
first = d.cuEventCreate(0)
d.cuEventRecord(first, s)
d.cuGraphLaunch(e, s)
d.cuStreamSynchronize(s)
assert 0 <= d.cuEventElapsedTime(first, recorded) < 10_000
bad = "CUDA_ERROR_INVALID_VALUE"
assert name(d.cuGraphAddEventWaitNode, g, [], None, None) == name(d.cuGraphEventRecordNodeGetEvent, wait) == bad
assert name(d.cuGraphAddHostNode, g, [], None, d.CUDA_HOST_NODE_PARAMS()) == bad
third = d.cuEventCreate(0)
d.cuGraphEventRecordNodeSetEvent(record, third)
d.cuGraphEventWaitNodeSetEvent(wait, third)              # never recorded: nothing to wait for
d.cuGraphHostNodeSetParams(host, d.CUDA_HOST_NODE_PARAMS(fn=lambda data: seen.append("other")))
run(g, s)
assert seen[-1] == "other" and d.cuEventQuery(third) is True
assert name(d.cuGraphEventWaitNodeSetEvent, record, third) == bad
"""
    )


def test_child_graphs() -> None:
    on_graphs("""
    p = d.cuMemAlloc(4)
    child = d.cuGraphCreate(0)
    first = add_kernel(child, [], "step", p, 2, 0)
    add_kernel(child, [first], "step", p, 3, 0)
    g = d.cuGraphCreate(0)
    start = add_fill(g, [], p, 1)
    node = d.cuGraphAddChildGraphNode(g, [start], None, child)
    add_kernel(g, [node], "step", p, 100, 0)
    d.cuGraphKernelNodeSetParams(first, kernel_params("step", p, 1000, 0))      # of the original: the node has a copy
    run(g)
    assert words(p, 1) == [((1 * 2 + 1) * 3 + 1) * 100 + 1]
    inner = d.cuGraphChildGraphNodeGetGraph(node)
    assert inner != child and d.cuGraphNodeFindInClone(first, inner) == d.cuGraphGetNodes(inner)[0]
    d.cuGraphKernelNodeSetParams(d.cuGraphGetNodes(inner)[0], kernel_params("step", p, 5, 0))
    run(g)                                                                       # of the copy: it counts
    assert words(p, 1) == [((1 * 5 + 1) * 3 + 1) * 100 + 1]
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphDestroy, inner) == bad                                  # the node's
    assert name(d.cuGraphChildGraphNodeGetGraph, start) == name(d.cuGraphAddChildGraphNode, g, [], None, None) == bad
    assert name(d.cuGraphAddMemAllocNode, inner, [], None, alloc_params(64)) == "CUDA_ERROR_NOT_SUPPORTED"
    d.cuGraphDestroyNode(node)
    assert name(d.cuGraphGetNodes, inner) == bad
    # moved: with memory, and as it is
    q = d.CUgraphNodeParams(type=d.CUgraphNodeType.CU_GRAPH_NODE_TYPE_GRAPH)
    moved = d.cuGraphCreate(0)
    a, temporary = add_alloc(moved, [], 64)
    b = add_fill(moved, [a], temporary, 6)
    c = add_copy(moved, [b], p, temporary, 4)
    d.cuGraphAddMemFreeNode(moved, [c], None, temporary)
    h = d.cuGraphCreate(0)
    assert name(d.cuGraphAddChildGraphNode, h, [], None, moved) == bad
    q.graph.graph, q.graph.ownership = moved, d.CUgraphChildGraphNodeOwnership.CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE
    node = d.cuGraphAddNode(h, [], None, None, q)
    assert d.cuGraphChildGraphNodeGetGraph(node) == moved and name(d.cuGraphDestroy, moved) == bad
    assert name(d.cuGraphAddNode, moved, [], None, None, q) == bad               # into itself
    run(h)
    assert words(p, 1) == [6]
    """)


def test_clones() -> None:
    on_graphs("""
    p = d.cuMemAlloc(4)
    g = d.cuGraphCreate(0)
    a = add_fill(g, [], p, 1)
    b = add_kernel(g, [a], "step", p, 4, 0)
    copy = d.cuGraphClone(g)
    a2, b2 = d.cuGraphNodeFindInClone(a, copy), d.cuGraphNodeFindInClone(b, copy)
    assert [a2, b2] == d.cuGraphGetNodes(copy) and a2 != a and d.cuGraphNodeGetDependencies(b2)[0] == [a2]
    d.cuGraphKernelNodeSetParams(b, kernel_params("step", p, 40, 0))
    run(copy)
    assert words(p, 1) == [5]
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphNodeFindInClone, a2, g) == bad
    d.cuGraphDestroyNode(b2)
    assert name(d.cuGraphNodeFindInClone, b, copy) == bad
    d.cuGraphDestroy(g)
    assert name(d.cuGraphNodeFindInClone, a, copy) == name(d.cuGraphClone, g) == bad
    run(copy)
    assert words(p, 1) == [1]
    """)


def test_nodes_of_any_type() -> None:
    on_graphs("""
    T = d.CUgraphNodeType
    g, p, e = d.cuGraphCreate(0), d.cuMemAlloc(64), d.cuEventCreate(0)
    def params(kind, **fields):
        made = d.CUgraphNodeParams(type=kind)
        for path, value in fields.items():
            setattr(getattr(made, kind_field[kind]), path, value)
        return made
    kind_field = {T.CU_GRAPH_NODE_TYPE_MEMSET: "memset", T.CU_GRAPH_NODE_TYPE_KERNEL: "kernel", T.CU_GRAPH_NODE_TYPE_MEM_FREE: "free",
                  T.CU_GRAPH_NODE_TYPE_WAIT_EVENT: "eventWait", T.CU_GRAPH_NODE_TYPE_EVENT_RECORD: "eventRecord",
                  T.CU_GRAPH_NODE_TYPE_HOST: "host", T.CU_GRAPH_NODE_TYPE_MEMCPY: "memcpy", T.CU_GRAPH_NODE_TYPE_MEM_ALLOC: "alloc"}
    fill = params(T.CU_GRAPH_NODE_TYPE_MEMSET, dst=p, value=3, elementSize=4, width=16, height=1)
    a = d.cuGraphAddNode(g, [], None, None, fill)
    k = kernel_params("step", p, 7, 0)
    step = params(T.CU_GRAPH_NODE_TYPE_KERNEL, func=k.func, kernelParams=k.kernelParams, **{f"{x}Dim{y}": 1 for x in ("grid", "block") for y in "XYZ"})
    b = d.cuGraphAddNode(g, [a], [d.CUgraphEdgeData()], None, step)
    record = d.cuGraphAddNode(g, [b], None, None, params(T.CU_GRAPH_NODE_TYPE_EVENT_RECORD, event=e))
    wait = d.cuGraphAddNode(g, [record], None, None, params(T.CU_GRAPH_NODE_TYPE_WAIT_EVENT, event=e))
    seen = []
    host = d.cuGraphAddNode(g, [wait], None, None, params(T.CU_GRAPH_NODE_TYPE_HOST, fn=lambda data: seen.append(1)))
    empty = d.cuGraphAddNode(g, [host], None, None, d.CUgraphNodeParams(type=T.CU_GRAPH_NODE_TYPE_EMPTY))
    copy = d.CUgraphNodeParams(type=T.CU_GRAPH_NODE_TYPE_MEMCPY)
    copy.memcpy.copyParams, copy.memcpy.copyCtx = copy_params(p + 4, p, 4), context
    last = d.cuGraphAddNode_v3(g, [empty], None, None, copy)
    run(g)
    assert words(p, 3) == [22, 22, 3] and seen == [1]
    for node, kind in ((a, "MEMSET"), (b, "KERNEL"), (record, "EVENT_RECORD"), (wait, "WAIT_EVENT"), (host, "HOST"), (empty, "EMPTY"), (last, "MEMCPY")):
        assert d.cuGraphNodeGetType(node).name == d.cuGraphNodeGetParams(node).type.name == "CU_GRAPH_NODE_TYPE_" + kind
    got = d.cuGraphNodeGetParams(a)
    assert (got.memset.dst, got.memset.width, got.memset.value, got.memset.ctx) == (p, 16, 3, context)
    assert d.cuGraphNodeGetParams(record).eventRecord.event == e
    got.memset.value = 5
    d.cuGraphNodeSetParams(a, got)
    run(g)
    assert words(p, 1) == [36]
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphNodeSetParams, b, got) == bad and name(d.cuGraphAddNode, g, [], None, None, d.CUgraphNodeParams(type=99)) == bad
    got.reserved0 = (0, 1, 0)
    assert name(d.cuGraphAddNode, g, [], None, None, got) == bad
    for kind in (T.CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL, T.CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT):
        assert name(d.cuGraphAddNode, g, [], None, None, d.CUgraphNodeParams(type=kind)) == "CUDA_ERROR_NOT_SUPPORTED"
    """)
