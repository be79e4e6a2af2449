"""Every function that the driver and the runtime export, called with any number as a handle, address, size or enum, as the facts say.

It answers with a status, and the device lives on: memory is allocated, filled and read between the calls.
"""

from __future__ import annotations

import json

import pytest

from tests.helpers.cpu import on_cpu
from tests.helpers.cpu_runtime import on_runtime
from tests.helpers.garbage import RUN, arguments
from tests.helpers.plans import plans

# memory to run out of; kernels end
LIMITS = {"CPU_DEVICE_MEMORY": "512", "CPU_DEVICE_STEPS": "1000000"}
DRIVER = (
    """
import json, sys
seed, turns, functions, TRACE = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), len(sys.argv) > 4
library = ctypes.CDLL(LIBRARY)
state = {}

def begin():
    global loaded, context
    d.cuDevicePrimaryCtxReset(0)
    context = d.cuDevicePrimaryCtxRetain(0)
    d.cuCtxSetCurrent(context)
    loaded = module()
    dead_stream, dead_event, dead_module = d.cuStreamCreate(0), d.cuEventCreate(0), module()
    dead_function = d.cuModuleGetFunction(dead_module, "fill")
    d.cuStreamDestroy(dead_stream); d.cuEventDestroy(dead_event); d.cuModuleUnload(dead_module)
    freed = d.cuMemAlloc(100); d.cuMemFree(freed)
    code = d.cuLibraryLoadData(KERNELS.encode() + b"\\0", None, None, None, None, None, None)
    graph = d.cuGraphCreate(0)
    node = d.cuGraphAddEmptyNode(graph, [], None)
    stream = d.cuStreamCreate(1)
    whole = d.cuDevResourceGenerateDesc([d.cuDeviceGetDevResource(0, 1)], None)
    state.update({"": [int(x) for x in (dead_stream, dead_event, dead_module, dead_function, freed)], "CUstream": int(stream),
        "CUevent": int(d.cuEventCreate(0)), "CUmodule": int(loaded), "CUfunction": int(kernel("small")), "CUcontext": int(context),
        "CUmemoryPool": int(d.cuDeviceGetDefaultMemPool(0)), "CUlibrary": int(code), "CUkernel": int(d.cuLibraryGetKernel(code, "small")),
        "CUdeviceptr": int(d.cuMemAlloc(1000)), "CUdeviceptr_v2": int(d.cuMemAllocManaged(1000, 1)), "CUgraph": int(graph),
        "CUgraphNode": int(node), "CUgraphExec": int(d.cuGraphInstantiate(graph, 0)), "CUdevice": 0,
        "CUdevResourceDesc": int(whole), "CUgreenCtx": int(d.cuGreenCtxCreate(whole, 0, 1))})

def good():
    return state

def works():
    d.cuCtxSetCurrent(context)
    for stream in (state["CUstream"], 1, 2):
        if name(d.cuStreamIsCapturing, stream) != "CUDA_SUCCESS" or int(d.cuStreamIsCapturing(stream)): return False
    d.cuCtxSynchronize()
    p = d.cuMemAllocAsync(64, None)
    d.cuMemsetD32Async(p, 7, 16, None)
    d.cuCtxSynchronize()
    assert words(p, 16) == [7] * 16
    d.cuMemFreeAsync(p, None)
    d.cuCtxSynchronize()
    return True

begins = 0
def check(called):
    global begins
    try:
        if works(): return
    except cubind.CudaError: pass
    begins += 1
    begin()
    assert works(), called

begin()
"""
    + RUN
)


RUNTIME = """
import json, sys
from cubind import cpu
seed, turns, functions, TRACE = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), len(sys.argv) > 4
cudart = ctypes.CDLL(os.environ.get("CUBIND_RUNTIME_LIBRARY") or cpu.libdir() + "/libcudart.so.13")
state = {}

def begin():
    global loaded
    r.cudaDeviceReset()
    loaded = library()
    dead_stream, dead_event, dead_library, freed = r.cudaStreamCreate(), r.cudaEventCreate(), library(), r.cudaMalloc(100)
    r.cudaStreamDestroy(dead_stream), r.cudaEventDestroy(dead_event), r.cudaLibraryUnload(dead_library), r.cudaFree(freed)
    graph = r.cudaGraphCreate(0)
    node = r.cudaGraphAddEmptyNode(graph, [], None)
    small = kernel("small")
    state.update({"": [int(x) for x in (dead_stream, dead_event, dead_library, freed)], "cudaStream_t": int(r.cudaStreamCreate()),
        "cudaEvent_t": int(r.cudaEventCreate()), "cudaLibrary_t": int(loaded), "cudaKernel_t": int(small), "cudaGraph_t": int(graph),
        "cudaFunction_t": int(r.cudaGetFuncBySymbol(int(small))), "cudaMemPool_t": int(r.cudaDeviceGetDefaultMemPool(0)),
        "device": int(r.cudaMalloc(1000)), "managed": int(r.cudaMallocManaged(1000, 1)), "cudaGraphNode_t": int(node),
        "cudaGraphExec_t": int(r.cudaGraphInstantiate(graph, 0))})

def good():
    return state

def works():
    r.cudaSetDevice(0)
    for stream in (state["cudaStream_t"], 1, 2):
        if name(r.cudaStreamIsCapturing, stream) != "cudaSuccess" or int(r.cudaStreamIsCapturing(stream)): return False
    r.cudaDeviceSynchronize()
    p = r.cudaMalloc(64)
    r.cudaMemset(p, 7, 64)
    assert words(p, 16) == [0x07070707] * 16
    r.cudaFree(p)
    return True

begins = 0
def check(called):
    global begins
    try:
        if works(): return
    except cubind.CudaError: pass
    begins += 1
    begin()
    assert works(), called

begin()
""" + RUN.replace("getattr(library, chosen)", "getattr(cudart, chosen)")


@pytest.mark.parametrize("seed", range(3))
def test_the_driver(seed: int) -> None:
    functions = arguments(plans()["driver"])
    script = (
        "import ctypes, os\n"
        + DRIVER
        + "assert {0, 1, 201, 400, 801} <= seen, seen\nassert len(answered) > 120, len(answered)\n"
    )
    on_cpu(script, str(seed), "3000", json.dumps(functions), timeout=120, **LIMITS)


@pytest.mark.parametrize("seed", range(3))
def test_the_runtime(seed: int) -> None:
    functions = arguments(plans()["runtime"])
    script = (
        "import ctypes, os\n"
        + RUNTIME
        + "assert {0, 1, 400, 801} <= seen, seen\nassert len(answered) > 80, len(answered)\n"
    )
    on_runtime(script, str(seed), "3000", json.dumps(functions), timeout=120, **LIMITS)
