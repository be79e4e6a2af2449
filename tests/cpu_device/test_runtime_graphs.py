"""The runtime API on the CPU device: graphs, made node by node and captured."""

from __future__ import annotations

import pytest

from tests.helpers.cpu_runtime import on_runtime

MADE = "print(name(lambda: r.cudaGraphDestroy(r.cudaGraphCreate(0))))"


@pytest.fixture(scope="module", autouse=True)
def _graphs() -> None:
    if on_runtime(MADE) == "cudaErrorNotSupported\n":
        pytest.skip("needs the CPU device's driver to have graphs")


PARTS = """
one = r.dim3(x=1, y=1, z=1)
p = r.cudaMalloc(4096)

def step_of(factor, at=0):
    values = ctypes.c_uint64(p + at), ctypes.c_uint32(factor), ctypes.c_uint32(0)
    return r.cudaKernelNodeParams(func=int(kernel("step")), gridDim=one, blockDim=one, kernelParams=pointers(values)), values

def pointers(values):
    array = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
    kept.append((array, values))
    return ctypes.addressof(array)

kept = []
"""


def on_graphs(script: str, **changes: str) -> str:
    import textwrap

    return on_runtime(PARTS + textwrap.dedent(script), **changes)


def test_node_by_node() -> None:
    on_graphs(
        """
        graph = r.cudaGraphCreate(0)
        fill = r.cudaMemsetParams(dst=p, pitch=0, value=5, elementSize=4, width=8, height=1)
        a = r.cudaGraphAddMemsetNode(graph, None, 0, fill)
        b = r.cudaGraphAddKernelNode(graph, [a], 1, step_of(3)[0])
        seen = []
        c = r.cudaGraphAddHostNode(graph, [b], 1, r.cudaHostNodeParams(fn=lambda data: seen.append(1), userData=None))
        back = r.cudaMallocHost(32)
        d = r.cudaGraphAddMemcpyNode1D(graph, [c], 1, back, p, 32, 2)
        e = r.cudaGraphAddEmptyNode(graph, [d], 1)
        assert set(r.cudaGraphGetNodes(graph)) == {a, b, c, d, e} and r.cudaGraphGetRootNodes(graph) == [a]
        types = [r.cudaGraphNodeGetType(n) for n in (a, b, c, d, e)]
        assert [int(t) for t in types] == [2, 0, 3, 1, 5]
        assert r.cudaGraphNodeGetDependencies(b)[0] == [a] and r.cudaGraphNodeGetDependentNodes(b)[0] == [c]
        got = r.cudaGraphKernelNodeGetParams(b)
        assert got.func == int(kernel("step")) and (got.gridDim.x, got.blockDim.z) == (1, 1)
        assert r.cudaGraphMemsetNodeGetParams(a).width == 8
        copy = r.cudaGraphMemcpyNodeGetParams(d)
        assert copy.extent.width == 32 and int(copy.kind) == 2 and copy.dstPtr.ptr == back and copy.srcPtr.ptr == p
        executable = r.cudaGraphInstantiate(graph, 0)
        stream = r.cudaStreamCreate()
        for _ in range(3):
            r.cudaGraphLaunch(executable, stream)
        r.cudaStreamSynchronize(stream)
        assert list((ctypes.c_uint32 * 8).from_address(back)) == [16] + [5] * 7 and seen == [1, 1, 1]

        # other parameters, in what was instantiated and in the graph
        r.cudaGraphExecKernelNodeSetParams(executable, b, step_of(10)[0])
        r.cudaGraphLaunch(executable, None)
        r.cudaDeviceSynchronize()
        assert words(p, 1) == [51]
        r.cudaGraphMemsetNodeSetParams(a, r.cudaMemsetParams(dst=p, value=7, elementSize=4, width=8, height=1))
        assert int(r.cudaGraphExecUpdate(executable, graph).result) == 0
        r.cudaGraphLaunch(executable, None)
        r.cudaDeviceSynchronize()
        assert words(p, 2) == [22, 7]
        r.cudaGraphExecDestroy(executable)
        clone = r.cudaGraphClone(graph)
        assert len(r.cudaGraphGetNodes(clone)) == 5
        r.cudaGraphDestroy(clone), r.cudaGraphDestroy(graph)
        assert name(r.cudaGraphGetNodes, graph) in ("cudaErrorInvalidValue", "cudaErrorInvalidResourceHandle")
        assert r.cudaGetLastError() is not r.cudaSuccess
        """
    )


def test_slices_and_nodes_of_any_kind() -> None:
    on_graphs(
        """
        import numpy
        host = numpy.arange(60, dtype=numpy.uint8).reshape(3, 4, 5)
        box = r.cudaMalloc3D(extent(5, 4, 3))
        graph = r.cudaGraphCreate(0)
        params = r.cudaMemcpy3DParms(srcPtr=pitched(host.ctypes.data, 5, 5, 4), dstPtr=box, extent=extent(5, 4, 3), kind=1)
        a = r.cudaGraphAddMemcpyNode(graph, None, 0, params)
        any_kind = r.cudaGraphNodeParams(type=r.cudaGraphNodeTypeKernel)
        values = ctypes.c_uint64(p), ctypes.c_uint32(9), ctypes.c_uint32(64)
        any_kind.kernel.func = int(kernel("fill"))
        any_kind.kernel.gridDim, any_kind.kernel.blockDim = one, r.dim3(x=64, y=1, z=1)
        any_kind.kernel.kernelParams = pointers(values)
        b = r.cudaGraphAddNode(graph, [a], None, 1, any_kind)
        b = b[0] if isinstance(b, tuple) else b
        bad = r.cudaGraphNodeParams(type=r.cudaGraphNodeTypeKernel)
        bad.kernel.func = 4096
        assert name(r.cudaGraphAddNode, graph, None, None, 0, bad) == "cudaErrorInvalidDeviceFunction"
        executable = r.cudaGraphInstantiate(graph, 0)
        r.cudaGraphLaunch(executable, None)
        r.cudaDeviceSynchronize()
        got = numpy.zeros((3, 4, box.pitch), numpy.uint8)
        r.cudaMemcpy(got, box.ptr, got.nbytes, 2)
        assert (got[:, :, :5] == host).all() and words(p, 65) == [9] * 64 + words(p + 256, 1)
        """
    )


@pytest.mark.parametrize("own", ["0", "1"])
def test_capture(own: str) -> None:
    on_graphs(
        """
        stream, other = r.cudaStreamCreate(), r.cudaStreamCreate()
        fork, join = r.cudaEventCreate(), r.cudaEventCreate()
        kernel("step")
        r.cudaStreamBeginCapture(stream, r.cudaStreamCaptureModeThreadLocal)
        assert r.cudaStreamIsCapturing(stream) == r.cudaStreamCaptureStatusActive
        r.cudaMemsetAsync(p, 0, 8, stream)
        r.cudaEventRecord(fork, stream)
        r.cudaStreamWaitEvent(other, fork, 0)
        launch("step", p, 2, 0, stream=stream)
        launch("step", p + 4, 3, 0, stream=other)
        r.cudaEventRecord(join, other)
        r.cudaStreamWaitEvent(stream, join, 0)
        launch("step", p, 10, 0, stream=stream)
        assert r.cudaStreamGetCaptureInfo(stream)[0] == r.cudaStreamCaptureStatusActive
        graph = r.cudaStreamEndCapture(stream)
        assert len(r.cudaGraphGetNodes(graph)) == 4
        executable = r.cudaGraphInstantiateWithFlags(graph, 0)
        r.cudaGraphUpload(executable, stream)
        r.cudaGraphLaunch(executable, stream)
        r.cudaStreamSynchronize(stream)
        assert words(p, 2) == [11, 1]
        assert r.cudaGetLastError() is r.cudaSuccess
        r.cudaStreamBeginCapture(stream, r.cudaStreamCaptureModeThreadLocal)
        assert name(r.cudaStreamSynchronize, stream) == "cudaErrorStreamCaptureUnsupported"
        assert name(r.cudaStreamEndCapture, stream) == "cudaErrorStreamCaptureInvalidated"
        """,
        CUBIND_PER_THREAD_DEFAULT_STREAM=own,
    )


def test_user_objects_end_with_their_graph() -> None:
    on_graphs(
        """
        ended = threading.Event()
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda data: ended.set())
        address = ctypes.cast(function, ctypes.c_void_p).value
        graph = r.cudaGraphCreate(0)
        object = r.cudaUserObjectCreate(None, address, 1, r.cudaUserObjectNoDestructorSync)
        r.cudaGraphRetainUserObject(graph, object, 1, r.cudaGraphUserObjectMove)
        r.cudaGraphDestroy(graph)
        assert ended.wait(30)
        """
    )
