"""A program as a user would write it, for type checkers: it is checked, never run (test_stubs.py).

`assert_type` says what a checker must take each value for.
"""

import ctypes
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, assert_type

import cubind
from cubind import driver, nvrtc, runtime
from cubind.driver import CUresult, CUstream

if TYPE_CHECKING:
    from cubind._types import SupportsCudaStream


class ForeignStream:
    """A stream of another package."""

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, 0x1234


class Index:
    """A number that is no int, as NumPy's are."""

    def __index__(self) -> int:
        return 3


def devices() -> list[str]:
    driver.cuInit(0)
    assert_type(driver.cuDeviceGetCount(), int)
    names = [driver.cuDeviceGetName(256, driver.cuDeviceGet(i)) for i in range(driver.cuDeviceGetCount())]
    assert_type(names, list[str])
    major = driver.cuDeviceGetAttribute(driver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0)
    assert_type(major, int)
    assert_type(driver.cuDeviceTotalMem(Index()), int)
    return names


def memory(data: bytearray, stream: "CUstream | SupportsCudaStream | int | None") -> None:
    pointer: driver.CUdeviceptr = driver.cuMemAlloc(len(data))
    driver.cuMemcpyHtoDAsync(pointer, data, len(data), stream)
    driver.cuMemcpyDtoH(memoryview(data), pointer, ByteCount=len(data))
    driver.cuMemcpyHtoD(pointer, (ctypes.c_int * 4)(1, 2, 3, 4), 16)
    driver.cuMemcpyHtoD(pointer, 0x7000, 16)
    driver.cuMemsetD8(pointer, 0, len(data))
    driver.cuMemFree_v2(pointer)
    free, total = driver.cuMemGetInfo()
    assert_type(free + total, int)
    location = driver.CUmemLocation(type=driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, id=0)
    driver.cuMemPrefetchAsync(pointer, len(data), location, 0, stream)


def streams() -> bool:
    stream = driver.cuStreamCreate(driver.CU_STREAM_NON_BLOCKING)
    assert_type(stream, CUstream)
    assert_type(int(stream), int)
    assert_type(stream.__cuda_stream__(), tuple[int, int])
    for s in (stream, ForeignStream(), 0, None):
        memory(bytearray(8), s)
    seen: dict[CUstream, str] = {stream: "a handle has a hash"}
    event = driver.cuEventCreate(0)
    driver.cuEventRecord(event, stream)
    assert_type(driver.cuEventElapsedTime(event, event), float)
    if not driver.cuStreamQuery(stream):
        driver.cuStreamSynchronize(stream)
    driver.cuStreamDestroy(stream)
    return bool(event) and stream == CUstream(int(stream)) and stream in seen


def kernel(source: str) -> None:
    program = nvrtc.nvrtcCreateProgram(source, "program.cu", None, None, None)
    assert_type(program, nvrtc.nvrtcProgram)
    try:
        nvrtc.nvrtcCompileProgram(program, None, ["--std=c++17", b"--gpu-architecture=sm_90"])
    except cubind.CompilationError as error:
        assert_type(error.name, str | None)
        print(nvrtc.nvrtcGetProgramLog(program), error.function, file=sys.stderr)
        raise
    cubin = nvrtc.nvrtcGetCUBIN(program)
    assert_type(cubin, bytes)
    assert_type(nvrtc.nvrtcVersion(), tuple[int, int])
    module = driver.cuModuleLoadData(cubin)
    function = driver.cuModuleGetFunction(module, "kernel")
    driver.cuLaunchKernel(function, 1, 1, 1, 256, 1, 1, 0, None, (1, 2.5, ctypes.c_float(3)))
    driver.cuLaunchKernel(function, 1, 1, 1, 256, 1, 1, 0, None, ((1, 2), (ctypes.c_int, ctypes.c_long)), None)
    config = driver.CUlaunchConfig(gridDimX=1, blockDimX=256, hStream=ForeignStream())
    config.attrs = [driver.CUlaunchAttribute(id=driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_COOPERATIVE)]
    driver.cuLaunchKernelEx(config, function, [1])


def graphs(nodes: Sequence[driver.CUgraphNode]) -> None:
    graph = driver.cuGraphCreate(0)
    last = driver.cuGraphAddEmptyNode(graph, nodes, None)
    assert_type(last, driver.CUgraphNode)
    driver.cuGraphAddEmptyNode(graph, [last], 1)
    assert_type(driver.cuGraphGetNodes(graph), list[driver.CUgraphNode])
    from_, to, _ = driver.cuGraphGetEdges(graph)
    assert_type((from_, to), tuple[list[driver.CUgraphNode], list[driver.CUgraphNode]])
    parameters = driver.CUDA_HOST_NODE_PARAMS(fn=print, userData=["anything"])
    driver.cuGraphAddHostNode(graph, [last], None, parameters)
    driver.cuGraphInstantiate(graph, 0)


def callbacks(stream: CUstream) -> None:
    def finished(s: CUstream, status: CUresult, data: Any) -> None:
        print(int(s), status.name, data)

    driver.cuStreamAddCallback(stream, finished, {"any": "object"}, 0)
    driver.cuLaunchHostFunc(stream, print, "text")
    driver.cuLaunchHostFunc(stream, driver.CUhostFn(lambda data: None), None)
    runtime.cudaStreamAddCallback(stream, lambda s, error, data: assert_type(error, runtime.cudaError_t), None, 0)


def records() -> bytes:
    copy = driver.CUDA_MEMCPY2D(WidthInBytes=64, Height=Index(), srcMemoryType=driver.CU_MEMORYTYPE_HOST)
    copy.srcHost = bytearray(64)
    copy.dstMemoryType = 2
    copy.dstArray = None
    assert_type(copy.srcHost, int)
    assert_type(copy.dstMemoryType, driver.CUmemorytype)
    assert_type(copy.dstArray, driver.CUarray)
    window = driver.CUlaunchAttributeValue(accessPolicyWindow={"num_bytes": 4}).accessPolicyWindow
    window.hitRatio = 0.5
    assert_type(window.hitRatio, float)
    extent = runtime.cudaExtent.from_bytes(bytes(runtime.cudaExtent(width=1, height=2, depth=3)))
    assert_type(extent.depth, int)
    assert_type(runtime.cudaPitchedPtr().ptr, int)
    assert_type(runtime.cudaDeviceProp().name, str)
    assert_type(runtime.cudaDeviceProp().maxGridSize, tuple[int, int, int])
    assert_type(driver.CUuuid().bytes, bytes)
    assert_type(extent.__layout__["depth"], tuple[int, int])
    assert_type(driver.CUDA_MEMCPY2D.from_buffer(bytearray(copy.nbytes)), driver.CUDA_MEMCPY2D_v2)
    return bytes(copy) + bytes(memoryview(extent))


def enums() -> None:
    assert_type(CUresult(2), CUresult)
    assert_type(CUresult["CUDA_SUCCESS"], CUresult)
    assert_type(CUresult.CUDA_SUCCESS.value, int)
    assert_type(driver.CUDA_SUCCESS, CUresult)
    assert_type([member.name for member in CUresult], list[str | None])
    assert_type(CUresult.CUDA_SUCCESS | 1, int)
    assert_type(runtime.cudaGetLastError(), runtime.cudaError_t)
    print(len(CUresult), 3 in CUresult, sorted(CUresult.__members__), driver.CUDA_VERSION // 1000)


def runtime_and_driver(values: memoryview) -> None:
    pointer = runtime.cudaMalloc(values.nbytes)
    stream: runtime.cudaStream_t = runtime.cudaStreamCreate()
    assert_type(stream, CUstream)
    driver.cuStreamSynchronize(stream)
    runtime.cudaMemcpyAsync(pointer, values, values.nbytes, runtime.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)
    runtime.cudaMemcpy(values, pointer, values.nbytes, runtime.cudaMemcpyDeviceToHost)
    runtime.cudaFree(pointer)
    attributes = runtime.cudaPointerGetAttributes(pointer)
    assert_type(attributes.type, runtime.cudaMemoryType)
    pool = driver.cuDeviceGetDefaultMemPool(0)
    assert_type(driver.cuMemPoolGetAttribute(pool, driver.CU_MEMPOOL_ATTR_USED_MEM_CURRENT), int)
    try:
        runtime.cudaDeviceSynchronize()
    except cubind.CudaError as error:
        if error.code == runtime.cudaErrorIllegalAddress:
            print(error.description)
    print(cubind.has("cuInit"), cubind.info().libraries["driver"].path)
