"""The CPU device's driver API: how long graphs and what they need live, and what bad calls do to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.graphs import on_graphs


def test_a_launch_does_not_wait_and_launches_are_one_behind_the_other() -> None:
    on_graphs(
        """
p, s, other = d.cuMemAlloc(4), d.cuStreamCreate(1), d.cuStreamCreate(1)
g = d.cuGraphCreate(0)
add_kernel(g, [], "step", p, 3, 1000)
e = d.cuGraphInstantiate(g, 0)
d.cuMemsetD32(p, 1, 1)
d.cuCtxSynchronize()
open_gate = gate(s)
d.cuGraphUpload(e, s)
d.cuGraphLaunch(e, s)
d.cuGraphLaunch(e, other)                       # behind the first, though in another stream
d.cuGraphDestroy(g)                             # the executable has all it needs
d.cuGraphExecDestroy(e)                         # and lives until it is done
assert name(d.cuGraphLaunch, e, s) == name(d.cuGraphExecDestroy, e) == "CUDA_ERROR_INVALID_VALUE"
assert d.cuStreamQuery(s) is False and d.cuStreamQuery(other) is False
open_gate()
d.cuStreamSynchronize(other)
assert words(p, 1) == [(1 * 3 + 1) * 3 + 1]
"""
    )


def test_an_unloaded_module_and_a_destroyed_event_stay_for_the_graph() -> None:
    on_graphs("""
    p, e = d.cuMemAlloc(4), d.cuEventCreate(0)
    own = module()
    g = d.cuGraphCreate(0)
    a = add_fill(g, [], p, 2)
    b = add_kernel(g, [a], "step", p, 9, 0, function=d.cuModuleGetFunction(own, "step"))
    d.cuGraphAddEventRecordNode(g, [b], None, e)
    d.cuModuleUnload(own)
    d.cuEventDestroy(e)
    run(g)
    assert words(p, 1) == [19]
    """)


def test_instantiation_says_what_is_wrong() -> None:
    on_graphs("""
    F, R = d.CUgraphInstantiate_flags, d.CUgraphInstantiateResult
    g = d.cuGraphCreate(0)
    d.cuGraphAddEmptyNode(g, [], None)
    params = d.CUDA_GRAPH_INSTANTIATE_PARAMS(flags=F.CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | F.CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY)
    params.hUploadStream = d.cuStreamCreate(1)
    params.result_out = R.CUDA_GRAPH_INSTANTIATE_ERROR
    e = d.cuGraphInstantiateWithParams(g, params)
    assert params.result_out == R.CUDA_GRAPH_INSTANTIATE_SUCCESS and int(params.hErrNode_out) == 0
    assert int(d.cuGraphExecGetFlags(e)) == 8 and d.cuGraphExecGetId(e) > 0
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphInstantiate, g, 1 << 20) == name(d.cuGraphInstantiate, g, 5) == bad
    assert name(d.cuGraphInstantiate, g, F.CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) == "CUDA_ERROR_NOT_SUPPORTED"
    assert name(d.cuGraphInstantiate, None, 0) == bad and name(d.cuGraphCreate, 1) == bad
    executable, log = d.cuGraphInstantiate_v2(g, 100)
    d.cuGraphLaunch(executable, None)
    # a conditional handle that no node has
    d.cuGraphConditionalHandleCreate(g, context, 0, 0)
    params = d.CUDA_GRAPH_INSTANTIATE_PARAMS()
    assert name(d.cuGraphInstantiateWithParams, g, params) == bad
    assert params.result_out == R.CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED
    # a node that a body may not have
    h = d.cuGraphCreate(0)
    node, (body,) = conditional(h, [], d.cuGraphConditionalHandleCreate(h, context, 0, 0), IF)
    wrong = d.cuGraphAddEventRecordNode(body, [], None, d.cuEventCreate(0))
    assert name(d.cuGraphInstantiateWithParams, h, params) == "CUDA_ERROR_NOT_SUPPORTED"
    assert params.result_out == R.CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED and params.hErrNode_out == wrong
    """)


def test_a_fault_in_a_node_stays() -> None:
    on_graphs("""
    g, p, s = d.cuGraphCreate(0), d.cuMemAlloc(4), d.cuStreamCreate(1)
    d.cuMemsetD32(p, 5, 1)
    seen = []
    bad_node = add_kernel(g, [], "fill", 64, 1, 1)
    after = d.cuGraphAddHostNode(g, [bad_node], None, d.CUDA_HOST_NODE_PARAMS(fn=lambda data: seen.append(1)))
    event = d.cuEventCreate(0)
    d.cuGraphAddEventRecordNode(g, [after], None, event)
    e = d.cuGraphInstantiate(g, 0)
    d.cuGraphLaunch(e, s)
    no = "CUDA_ERROR_ILLEGAL_ADDRESS"
    assert name(d.cuEventSynchronize, event) == no == name(d.cuStreamSynchronize, s) == name(d.cuMemAlloc, 4)
    assert name(d.cuGraphLaunch, e, s) == no and seen == []
    d.cuGraphExecDestroy(e)
    d.cuGraphDestroy(g)
    d.cuDevicePrimaryCtxReset(0)
    assert d.cuMemAlloc(4)
    """)


def test_user_objects() -> None:
    on_graphs(
        """
import threading
gone = {}
def make(n, refs=1):
    gone[n] = threading.Event()
    tag = ctypes.py_object(n)
    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda p, n=n: gone[n].set())
    kept_arrays.append(callback)
    return d.cuUserObjectCreate(None, ctypes.cast(callback, ctypes.c_void_p).value, refs, 1)
def ended(n): return gone[n].wait(5)
bad = "CUDA_ERROR_INVALID_VALUE"
a = make("a", 2)
d.cuUserObjectRetain(a, 1)
d.cuUserObjectRelease(a, 2)
assert not gone["a"].is_set()
assert name(d.cuUserObjectRelease, a, 2) == name(d.cuUserObjectRelease, a, 0) == name(d.cuUserObjectRetain, a, 1 << 31) == bad
d.cuUserObjectRelease(a, 1)
assert ended("a") and name(d.cuUserObjectRetain, a, 1) == bad

g, p, s = d.cuGraphCreate(0), d.cuMemAlloc(4), d.cuStreamCreate(1)
add_kernel(g, [], "step", p, 1, 1000)
b = make("b")
d.cuGraphRetainUserObject(g, b, 1, d.CUuserObjectRetain_flags.CU_GRAPH_USER_OBJECT_MOVE)
assert name(d.cuUserObjectRelease, b, 1) == bad            # the graph has it
assert name(d.cuGraphRetainUserObject, g, b, 1, 1) == name(d.cuGraphReleaseUserObject, g, b, 2) == bad
e = d.cuGraphInstantiate(g, 0)                             # and the executable another
copy = d.cuGraphClone(g)
open_gate = gate(s)
d.cuGraphLaunch(e, s)
d.cuGraphDestroy(g)
d.cuGraphDestroy(copy)
d.cuGraphExecDestroy(e)
assert not gone["b"].is_set()                              # the launch is to come
open_gate()
d.cuStreamSynchronize(s)
assert ended("b")

c = make("c")
g = d.cuGraphCreate(0)
d.cuGraphRetainUserObject(g, c, 3, 0)
d.cuUserObjectRelease(c, 1)
d.cuGraphReleaseUserObject(g, c, 2)
assert not gone["c"].is_set()
d.cuGraphReleaseUserObject(g, c, 1)
assert ended("c")
assert name(d.cuUserObjectCreate, None, 0, 1, 1) == name(d.cuUserObjectCreate, None, 4096, 1, 0) == bad
"""
    )


def test_a_dot_file(tmp_path: Path) -> None:
    path = f"{tmp_path}/graph.dot"
    on_graphs(
        """
    import sys
    g, p = d.cuGraphCreate(0), d.cuMemAlloc(64)
    a = add_fill(g, [], p, 1)
    b = add_kernel(g, [a], "step", p, 2, 0)
    node, bodies = conditional(g, [b], d.cuGraphConditionalHandleCreate(g, context, 1, 1), IF, 2)
    add_copy(bodies[1], [], p + 8, p, 4)
    d.cuGraphDebugDotPrint(g, sys.argv[1], 0)
    plain = open(sys.argv[1]).read()
    d.cuGraphDebugDotPrint(g, sys.argv[1], 1)
    assert len(open(sys.argv[1]).read()) > len(plain)
    assert name(d.cuGraphDebugDotPrint, g, sys.argv[1], 1 << 25) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuGraphDebugDotPrint, g, "/no/such/folder/x", 0) == "CUDA_ERROR_OPERATING_SYSTEM"
    """,
        path,
    )
    text = Path(path).read_text()
    assert text.startswith("digraph") and text.count("{\n") == text.count("}\n") == 4  # it, its graph and two bodies
    assert [text.count(f"\\l{kind}\\l") for kind in ("MEMSET", "KERNEL", "CONDITIONAL", "MEMCPY")] == [1, 1, 1, 1]
    assert text.count(" -> ") == 3 and "step" in text and text.count('"') % 2 == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_garbage(seed: int) -> None:
    """Any number as a handle, a count or an enum: a status, and everything good works on."""
    on_graphs(GARBAGE, str(seed))


GARBAGE = r"""
import random, sys
library = ctypes.CDLL(LIBRARY)
random.seed(int(sys.argv[1]))
room = (ctypes.c_uint64 * 4096)()
at = ctypes.addressof(room)
g, dead, p = d.cuGraphCreate(0), d.cuGraphCreate(0), d.cuMemAlloc(64)
good_node, dead_node = add_fill(g, [], p, 1), d.cuGraphAddEmptyNode(dead, [], None)
executable, dead_executable = d.cuGraphInstantiate(g, 0), d.cuGraphInstantiate(dead, 0)
stream, event = d.cuStreamCreate(1), d.cuEventCreate(0)
memory_graph = d.cuGraphCreate(0)
memory_node, address = add_alloc(memory_graph, [], 64)
branching = d.cuGraphCreate(0)
condition, bodies = conditional(branching, [], d.cuGraphConditionalHandleCreate(branching, context, 0, 1), IF)
d.cuGraphDestroy(dead); d.cuGraphExecDestroy(dead_executable)
odd = [0, 1, 2, 3, 0xFF, 1 << 31, (1 << 32) - 1, 1 << 40, 10 << 40, 11 << 40, 1 << 63, (1 << 64) - 1]
things = [int(x) for x in (g, dead, good_node, dead_node, executable, dead_executable, stream, event, context, p, address, memory_graph,
                           memory_node, branching, condition, bodies[0])]
number = lambda: random.choice(things) if random.random() < 0.8 else random.choice(odd)
F = {  # o room, n anything, z an array of none or one
    "cuGraphCreate": "on", "cuGraphClone": "on", "cuGraphAddEmptyNode": "onzc", "cuGraphAddChildGraphNode": "onzcn",
    "cuGraphAddEventRecordNode": "onzcn", "cuGraphAddEventWaitNode": "onzcn", "cuGraphAddMemFreeNode": "onzcn", "cuGraphGetNodes": "n0o",
    "cuGraphGetRootNodes": "n0o", "cuGraphGetEdges_v2": "n000o", "cuGraphNodeGetType": "no", "cuGraphNodeGetDependencies_v2": "n00o",
    "cuGraphNodeGetDependentNodes_v2": "n00o", "cuGraphAddDependencies_v2": "nzz0c", "cuGraphRemoveDependencies_v2": "nzz0c",
    "cuGraphDestroyNode": "n", "cuGraphChildGraphNodeGetGraph": "no", "cuGraphNodeFindInClone": "onn", "cuGraphInstantiateWithFlags": "onn",
    "cuGraphLaunch": "nn", "cuGraphUpload": "nn", "cuGraphExecUpdate_v2": "nno", "cuGraphNodeSetEnabled": "nnn", "cuGraphNodeGetEnabled": "nno",
    "cuGraphExecGetFlags": "no", "cuGraphKernelNodeGetParams_v2": "no", "cuGraphMemcpyNodeGetParams": "no", "cuGraphMemsetNodeGetParams": "no",
    "cuGraphHostNodeGetParams": "no", "cuGraphMemAllocNodeGetParams": "no", "cuGraphMemFreeNodeGetParams": "no", "cuGraphNodeGetParams": "no",
    "cuGraphEventRecordNodeGetEvent": "no", "cuGraphEventWaitNodeSetEvent": "nn", "cuGraphKernelNodeCopyAttributes": "nn",
    "cuGraphKernelNodeGetAttribute": "nno", "cuGraphConditionalHandleCreate": "onnnn", "cuGraphRetainUserObject": "nnnn",
    "cuGraphReleaseUserObject": "nnn", "cuUserObjectRetain": "nn", "cuUserObjectRelease": "nn", "cuStreamBeginCapture_v2": "nn",
    "cuStreamEndCapture": "no", "cuStreamIsCapturing": "no", "cuStreamGetCaptureInfo_v2": "nooooo", "cuStreamUpdateCaptureDependencies_v2": "nz0cn",
    "cuStreamBeginCaptureToGraph": "nnz0cn", "cuDeviceGetGraphMemAttribute": "nno", "cuDeviceGraphMemTrim": "n", "cuGraphExecChildGraphNodeSetParams": "nnn",
    "cuGraphExecEventRecordNodeSetEvent": "nnn", "cuGraphGetId": "no", "cuGraphNodeGetToolsId": "no", "cuEventRecordWithFlags": "nnn",
    "cuStreamWaitEvent": "nnn", "cuMemFreeAsync": "nn", "cuMemAllocAsync": "onn", "cuStreamSynchronize": "n", "cuEventQuery": "n",
}
seen = set()
array = (ctypes.c_uint64 * 1)()
for turn in range(4000):
    function = random.choice(list(F))
    array[0] = number()
    room[0] = 2                                                  # how much room there is, where that is asked
    values = []
    for kind in F[function]:
        if kind == "o": values.append(random.choice((at, at + 8192, at, 0)))
        elif kind == "z": values.append(random.choice((0, ctypes.addressof(array))))
        elif kind == "c": values.append(random.choice((0, 1)))
        elif kind == "0": values.append(0)
        else: values.append(number())
    if function in ("cuGraphGetNodes", "cuGraphGetRootNodes", "cuGraphNodeGetDependencies_v2", "cuGraphNodeGetDependentNodes_v2"): values[-1] = at
    code = getattr(library, function)(*map(ctypes.c_uint64, values))
    seen.add(code)
    assert code == 0 or 0 < code < 1000, (function, values, code)
    things += [room[0]] if code == 0 and F[function][0] == "o" and values[0] == at else []
    if turn % 100 == 0:
        library.cuStreamEndCapture(ctypes.c_uint64(int(stream)), ctypes.c_uint64(at))
        d.cuCtxSetCurrent(context)
assert {0, 1} <= seen, seen
library.cuStreamEndCapture(ctypes.c_uint64(int(stream)), ctypes.c_uint64(at))
library.cuStreamEndCapture(ctypes.c_uint64(2), ctypes.c_uint64(at))
d.cuDevicePrimaryCtxReset(0)         # a launch may have come to memory that was freed
d.cuCtxSetCurrent(context)
h, q = d.cuGraphCreate(0), d.cuMemAlloc(4)
add_fill(h, [], q, 12)
run(h, d.cuStreamCreate(1))
assert words(q, 1) == [12]
"""


def test_many_threads() -> None:
    on_graphs("""
    import threading
    errors = []
    shared = d.cuGraphCreate(0)
    def work(number):
        try:
            d.cuCtxSetCurrent(context)
            p, s = d.cuMemAlloc(4), d.cuStreamCreate(1)
            for turn in range(15):
                g = d.cuGraphCreate(0)
                a = add_fill(g, [], p, number)
                b = add_kernel(g, [a], "step", p, turn, 50)
                e = d.cuGraphInstantiate(g, 0)
                d.cuGraphLaunch(e, s)
                d.cuGraphExecKernelNodeSetParams(e, b, kernel_params("step", p, turn + 1, 0))
                d.cuGraphDestroy(g)
                d.cuStreamSynchronize(s)
                assert words(p, 1) == [number * turn + 1]
                d.cuGraphLaunch(e, s)
                d.cuGraphExecDestroy(e)
                d.cuGraphAddEmptyNode(shared, [], None)          # one graph of all threads loses nothing either
                d.cuStreamSynchronize(s)
                assert words(p, 1) == [number * (turn + 1) + 1]
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=work, args=(i + 1,)) for i in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert errors == [], errors
    assert len(d.cuGraphGetNodes(shared)) == 90
    """)


def test_older_versions_of_functions() -> None:
    """Programs that were built with CUDA 10 to 12 call these by their symbols."""
    on_graphs("""
    library = ctypes.CDLL(LIBRARY)
    def call(function, *values):
        return getattr(library, function)(*(ctypes.c_uint64(v if isinstance(v, int) else ctypes.addressof(v)) for v in values))
    out, count, s = ctypes.c_uint64(), ctypes.c_size_t(4), int(d.cuStreamCreate(1))
    p, g = d.cuMemAlloc(64), int(d.cuGraphCreate(0))
    array = packed(p, 6, 16)
    class Params(ctypes.Structure):
        _fields_ = [("func", ctypes.c_uint64), ("dims", ctypes.c_uint32 * 7), ("params", ctypes.c_uint64), ("extra", ctypes.c_uint64)]
    params = Params(int(kernel("fill")), (1, 1, 1, 16, 1, 1, 0), ctypes.addressof(array), 0)
    assert call("cuGraphAddKernelNode", out, g, 0, 0, params) == 0
    first = out.value
    got = Params()
    assert call("cuGraphKernelNodeGetParams", first, got) == 0 and list(got.dims) == [1, 1, 1, 16, 1, 1, 0] and got.func == params.func
    array.kept[1].value = 8
    assert call("cuGraphKernelNodeSetParams", first, params) == 0
    needs = (ctypes.c_uint64 * 1)(first)
    raw = (ctypes.c_uint8 * 256)()
    raw[0] = 5
    assert call("cuGraphAddNode", out, g, needs, 1, raw) == 0
    second = out.value
    room = (ctypes.c_uint64 * 4)()
    assert call("cuGraphNodeGetDependencies", second, room, count) == 0 and count.value == 1 and room[0] == first
    assert call("cuGraphRemoveDependencies", g, needs, out, 1) == 0 and d.cuGraphGetEdges(g)[0] == []
    assert call("cuGraphAddDependencies", g, needs, out, 1) == 0 and len(d.cuGraphGetEdges(g)[0]) == 1
    executable, wrong, result = ctypes.c_uint64(), ctypes.c_uint64(7), ctypes.c_int(7)
    assert call("cuGraphInstantiate", executable, g, wrong, 0, 0) == 0 and wrong.value == 0
    array.kept[1].value = 9
    assert call("cuGraphExecKernelNodeSetParams", executable.value, first, params) == 0
    assert call("cuGraphLaunch", executable.value, s) == call("cuStreamSynchronize", s) == 0 and words(p, 2) == [9, 9]
    assert call("cuGraphExecUpdate", executable.value, g, wrong, result) == 0 and (wrong.value, result.value) == (0, 0)
    assert call("cuGraphLaunch", executable.value, s) == call("cuStreamSynchronize", s) == 0 and words(p, 2) == [8, 8]
    # captures
    state, number, graph, nodes = ctypes.c_int(), ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_uint64()
    assert call("cuStreamBeginCapture", s) == 0
    assert call("cuStreamGetCaptureInfo", s, state, number) == 0 and state.value == 1 and number.value
    assert call("cuStreamGetCaptureInfo_v2", s, state, number, graph, nodes, count) == 0 and graph.value and count.value == 0
    assert call("cuGraphAddEmptyNode", out, graph.value, 0, 0) == 0
    assert call("cuStreamUpdateCaptureDependencies", s, out, 1, 1) == 0
    assert call("cuStreamGetCaptureInfo_v2", s, state, number, graph, nodes, count) == 0 and count.value == 1
    assert ctypes.c_uint64.from_address(nodes.value).value == out.value
    assert call("cuStreamEndCapture", s, out) == 0 and out.value == graph.value
    """)
