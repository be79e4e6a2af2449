"""What a launch asks of the machine reaches it from a graph too: clusters, the checkers, interruption."""

from __future__ import annotations

import textwrap

import pytest

from tests.helpers.graphs import on_graphs

CLUSTER = """
ATTRIBUTE = d.CUlaunchAttributeID
# y[block] = rank in the cluster, y[4 + block] = blocks of the cluster, y[8 + block] = explicit
ranks = module('''.version 7.8
.target sm_90
.address_size 64
.visible .entry ranks(.param .u64 y) {
    .reg .b64 %p, %o; .reg .b32 %b, %r; .reg .pred %q;
    ld.param.u64 %p, [y]; mov.u32 %b, %ctaid.x; mul.wide.u32 %o, %b, 4; add.u64 %p, %p, %o;
    mov.u32 %r, %cluster_ctarank; st.global.u32 [%p], %r;
    mov.u32 %r, %cluster_nctarank; st.global.u32 [%p+16], %r;
    mov.pred %q, %is_explicit_cluster; selp.u32 %r, 1, 0, %q; st.global.u32 [%p+32], %r;
    ret;
}
.visible .entry pairs(.param .u64 y) .reqnctapercluster 2 {
    .reg .b64 %p, %o; .reg .b32 %b, %r;
    ld.param.u64 %p, [y]; mov.u32 %b, %ctaid.x; mul.wide.u32 %o, %b, 4; add.u64 %p, %p, %o;
    mov.u32 %r, %cluster_ctarank; st.global.u32 [%p], %r;
    ret;
}
''')
function = d.cuModuleGetFunction(ranks, "ranks")
y = d.cuMemAlloc(48)
graph = d.cuGraphCreate(0)
def size(x):
    value = d.CUlaunchAttributeValue()
    value.clusterDim.x, value.clusterDim.y, value.clusterDim.z = x, 1, 1
    return value
def node_of(which, grid=4):
    return d.cuGraphAddKernelNode(graph, None, None, kernel_params(None, y, grid=grid, function=d.cuModuleGetFunction(ranks, which)))
"""


def on_clusters(script: str) -> None:
    on_graphs(CLUSTER + textwrap.dedent(script), CPU_DEVICE_CC="9.0")


def test_clusters_of_nodes() -> None:
    on_clusters(
        """
        node = node_of("ranks")
        run(graph)
        assert words(y, 12) == [0] * 4 + [1] * 4 + [0] * 4
        d.cuGraphKernelNodeSetAttribute(node, ATTRIBUTE.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, size(2))
        run(graph)
        assert words(y, 12) == [0, 1, 0, 1] + [2] * 4 + [1] * 4
        back = d.cuGraphKernelNodeGetAttribute(node, ATTRIBUTE.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
        assert (back.clusterDim.x, back.clusterDim.y, back.clusterDim.z) == (2, 1, 1)
        executable = d.cuGraphInstantiate(graph, 0)
        d.cuGraphKernelNodeSetAttribute(node, ATTRIBUTE.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, size(4))
        d.cuGraphLaunch(executable, None)                  # made before
        d.cuStreamSynchronize(None)
        assert words(y, 4) == [0, 1, 0, 1]
        run(graph)
        assert words(y, 12) == [0, 1, 2, 3] + [4] * 4 + [1] * 4
        set_size = (d.cuGraphKernelNodeSetAttribute, node, ATTRIBUTE.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
        assert name(*set_size, size(3)) == "CUDA_ERROR_INVALID_VALUE"
        run(graph)
        assert words(y, 4) == [0, 1, 2, 3]
        """
    )


def test_the_size_that_a_kernel_was_compiled_for() -> None:
    on_clusters(
        """
        node = node_of("pairs")
        run(graph)
        assert words(y, 4) == [0, 1, 0, 1]
        assert name(node_of, "pairs", 3) == "CUDA_ERROR_INVALID_VALUE"
        set_size = (d.cuGraphKernelNodeSetAttribute, node, ATTRIBUTE.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
        assert name(*set_size, size(4)) == "CUDA_ERROR_INVALID_CLUSTER_SIZE"
        # a node that was given no size asks for none when its kernel is another
        d.cuGraphKernelNodeSetParams(node, kernel_params(None, y, grid=4, function=function))
        run(graph)
        assert words(y, 12) == [0] * 4 + [1] * 4 + [0] * 4
        """
    )


def test_captured_launches_keep_their_clusters() -> None:
    on_clusters(
        """
        s = d.cuStreamCreate(1)
        attribute = d.CUlaunchAttribute(id=ATTRIBUTE.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, value=size(2))
        config = d.CUlaunchConfig(gridDimX=4, gridDimY=1, gridDimZ=1, blockDimX=1, blockDimY=1, blockDimZ=1, hStream=s,
                                  attrs=[attribute], numAttrs=1)
        d.cuStreamBeginCapture(s, d.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL)
        d.cuLaunchKernelEx(config, function, (y,), None)
        run(d.cuStreamEndCapture(s))
        assert words(y, 12) == [0, 1, 0, 1] + [2] * 4 + [1] * 4
        """
    )


FOREVER = """
import os, signal, threading, time
import cubind.cpu
text = '''.version 7.0
.target sm_70
.address_size 64
.visible .entry forever() {
LOOP:
    bra LOOP;
}
.visible .entry race(.param .u64 p) {
    .reg .b64 %p; .reg .b32 %v;
    ld.param.u64 %p, [p]; mov.u32 %v, %ctaid.x; add.u32 %v, %v, 1; st.global.u32 [%p], %v; ret;
}
'''
graph = d.cuGraphCreate(0)
mine = module(text)
def loop_for_ever(next_function=None):
    "A kernel that never ends, or a conditional node whose body runs for ever."
    if next_function is None:
        add_kernel(graph, None, None, function=d.cuModuleGetFunction(mine, "forever"))
        return
    q = d.cuMemAlloc(4)
    d.cuMemsetD32(q, 0, 1)
    handle = d.cuGraphConditionalHandleCreate(graph, context, 1, 1)
    node, (body,) = conditional(graph, None, handle, WHILE)
    if next_function:
        add_next(body, None, next_kernel(), q, handle, 0xffffffff)
    else:
        add_fill(body, None, q, 1)
def control_c():
    os.kill(os.getpid(), signal.SIGINT)
"""


def on_looping(script: str) -> None:
    on_graphs(FOREVER + textwrap.dedent(script))


@pytest.mark.parametrize(
    "body", ("None", "True", "False"), ids=("kernel", "kernels in a loop", "a loop without kernels")
)
def test_control_c(body: str) -> None:
    on_looping(
        f"""
        loop_for_ever({body})
        executable = d.cuGraphInstantiate(graph, 0)
        d.cuGraphLaunch(executable, None)
        threading.Timer(0.3, control_c).start()
        try:
            d.cuCtxSynchronize()
        except KeyboardInterrupt:
            pass
        else:
            raise SystemExit("no KeyboardInterrupt")
        assert name(d.cuCtxSynchronize) == "CUDA_ERROR_LAUNCH_FAILED"
        assert "the launch was interrupted" in cubind.cpu.last_report()
        """
    )


def test_an_interrupt_is_for_launches_and_not_for_graphs() -> None:
    """A graph that was made before one can be launched; so can a node."""
    on_looping(
        """
        p = d.cuMemAlloc(4)
        add_fill(graph, None, p, 3)
        add_kernel(graph, d.cuGraphGetNodes(graph), "fill", p, 9, 1)
        executable = d.cuGraphInstantiate(graph, 0)
        assert cubind.cpu.interrupt() is True
        for _ in range(2):
            d.cuGraphLaunch(executable, None)
            d.cuCtxSynchronize()
        assert words(p, 1) == [9]
        """
    )


def test_the_checkers_look_at_graphs() -> None:
    on_looping(
        """
        p = d.cuMemAlloc(4)
        add_kernel(graph, None, None, p, grid=2, function=d.cuModuleGetFunction(mine, "race"))
        executable = d.cuGraphInstantiate(graph, 0)
        d.cuGraphLaunch(executable, None)
        d.cuCtxSynchronize()
        d.cuMemsetD32(p, 0, 1)                         # whichever block was last: both write another value now
        assert cubind.cpu.check(races=True)
        d.cuGraphLaunch(executable, None)
        assert name(d.cuCtxSynchronize) == "CUDA_ERROR_LAUNCH_FAILED"
        assert "race on global memory" in cubind.cpu.last_report()
        """
    )
