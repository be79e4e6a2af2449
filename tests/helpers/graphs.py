"""What scripts about graphs on the CPU device begin with: nodes from values, and a kernel that sets a condition."""

from __future__ import annotations

import textwrap

from .cpu import on_cpu

TOOLS = r'''
import ctypes

def packed(*values):
    "The addresses of a pointer and of 4-byte values, as kernels are given them; the array keeps the values."
    kept = [ctypes.c_uint32(int(v)) if i else ctypes.c_uint64(int(v)) for i, v in enumerate(values)]
    array = (ctypes.c_void_p * max(len(kept), 1))(*map(ctypes.addressof, kept))
    array.kept = kept
    return array

def kernel_params(which, *values, grid=1, block=1, shared=0, function=None):
    array = packed(*values)
    p = d.CUDA_KERNEL_NODE_PARAMS(func=function or kernel(which), gridDimX=grid, gridDimY=1, gridDimZ=1, blockDimX=block,
                                  blockDimY=1, blockDimZ=1, sharedMemBytes=shared, kernelParams=ctypes.addressof(array))
    kept_arrays.append(array)
    return p
kept_arrays = []

def add_kernel(graph, needs, which, *values, **how):
    return d.cuGraphAddKernelNode(graph, needs, None, kernel_params(which, *values, **how))

def fill_params(to, value, n=1, element=4, height=1, pitch=0):
    return d.CUDA_MEMSET_NODE_PARAMS(dst=to, value=value, elementSize=element, width=n, height=height, pitch=pitch)

def add_fill(graph, needs, to, value, n=1, **how):
    return d.cuGraphAddMemsetNode(graph, needs, None, fill_params(to, value, n, **how), context)

def copy_params(to, source, size, to_host=None, source_host=None):
    H, D = d.CUmemorytype.CU_MEMORYTYPE_HOST, d.CUmemorytype.CU_MEMORYTYPE_DEVICE
    p = d.CUDA_MEMCPY3D(WidthInBytes=size, Height=1, Depth=1, dstMemoryType=D if to_host is None else H,
                        srcMemoryType=D if source_host is None else H)
    if to_host is None: p.dstDevice = to
    else: p.dstHost = to_host
    if source_host is None: p.srcDevice = source
    else: p.srcHost = source_host
    return p

def add_copy(graph, needs, to, source, size, **how):
    return d.cuGraphAddMemcpyNode(graph, needs, None, copy_params(to, source, size, **how), context)

def alloc_params(size):
    p = d.CUDA_MEM_ALLOC_NODE_PARAMS(bytesize=size)
    p.poolProps.allocType = d.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    p.poolProps.location.type = d.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    return p

def add_alloc(graph, needs, size):
    p = alloc_params(size)
    node = d.cuGraphAddMemAllocNode(graph, needs, None, p)
    return node, p.dptr

def conditional(graph, needs, handle, kind, size=1):
    p = d.CUgraphNodeParams(type=d.CUgraphNodeType.CU_GRAPH_NODE_TYPE_CONDITIONAL)
    p.conditional.handle, p.conditional.type, p.conditional.size = handle, kind, size
    node = d.cuGraphAddNode(graph, needs, None, None, p)
    bodies = (ctypes.c_uint64 * size).from_address(int(p.conditional.phGraph_out))
    return node, [d.CUgraph(b) for b in bodies]

def run(graph, stream=None, times=1, flags=0):
    executable = d.cuGraphInstantiate(graph, flags)
    for _ in range(times):
        d.cuGraphLaunch(executable, stream)
    d.cuStreamSynchronize(stream)
    d.cuGraphExecDestroy(executable)

# p[0] += 1; the condition becomes p[0] < limit, or p[0] itself where there is no limit
CONDITION = r"""
.version 8.3
.target sm_89
.address_size 64
.extern .func cudaGraphSetConditional(.param .b64 a, .param .b32 b);
.visible .entry next(.param .u64 p, .param .u64 h, .param .u32 limit)
{
    .reg .pred %q; .reg .b32 %v, %l, %c; .reg .b64 %p, %h;
    ld.param.u64 %p, [p];
    ld.param.u64 %h, [h];
    ld.param.u32 %l, [limit];
    cvta.to.global.u64 %p, %p;
    ld.global.u32 %v, [%p];
    add.u32 %v, %v, 1;
    st.global.u32 [%p], %v;
    setp.lt.u32 %q, %v, %l;
    selp.u32 %c, 1, 0, %q;
    setp.eq.u32 %q, %l, 0;
    selp.u32 %c, %v, %c, %q;
    {
    .param .b64 param0;
    st.param.b64 [param0+0], %h;
    .param .b32 param1;
    st.param.b32 [param1+0], %c;
    call.uni cudaGraphSetConditional, (param0, param1);
    }
    ret;
}
"""

def next_kernel():
    return d.cuModuleGetFunction(module(CONDITION), "next")

def wide(p, h, limit):
    kept = [ctypes.c_uint64(int(p)), ctypes.c_uint64(int(h)), ctypes.c_uint32(limit)]
    array = (ctypes.c_void_p * 3)(*map(ctypes.addressof, kept))
    array.kept = kept
    kept_arrays.append(array)
    return ctypes.addressof(array)
def add_next(graph, needs, function, p, h, limit):
    return d.cuGraphAddKernelNode(graph, needs, None, d.CUDA_KERNEL_NODE_PARAMS(
        func=function, gridDimX=1, gridDimY=1, gridDimZ=1, blockDimX=1, blockDimY=1, blockDimZ=1, kernelParams=wide(p, h, limit)))
IF, WHILE, SWITCH = range(3)

def gate(stream):
    "Keeps a stream from going on until what is returned is called."
    import threading
    opened = threading.Event()
    d.cuLaunchHostFunc(stream, lambda data: opened.wait(20), None)
    return opened.set
'''


def on_graphs(script: str, *arguments: str, **changes: str) -> str:
    """Runs a script with the tools above on the CPU device."""
    return on_cpu(TOOLS + textwrap.dedent(script), *arguments, **changes)


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
    """Runs a script about capture, with two streams and some memory."""
    return on_graphs(BEGIN + textwrap.dedent(script), *arguments, **changes)
