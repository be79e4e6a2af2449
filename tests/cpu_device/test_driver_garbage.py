"""Any number as a handle, pointer, size or enum: the CPU device answers with a status and lives on."""

from __future__ import annotations

import pytest

from tests.helpers.cpu import on_cpu

# Functions are called through ctypes, so that no layer above the C ABI looks at the arguments first.  Pointers for results are
# good; everything else is random, or a handle that was good once, or one of another kind.
FUZZ = """
import ctypes, random, sys
library = ctypes.CDLL(LIBRARY)
random.seed(int(sys.argv[1]))
room = (ctypes.c_uint64 * 4096)()
dead_stream, dead_event, dead_module = d.cuStreamCreate(0), d.cuEventCreate(0), module()
dead_function = d.cuModuleGetFunction(dead_module, "fill")
d.cuStreamDestroy(dead_stream); d.cuEventDestroy(dead_event); d.cuModuleUnload(dead_module)
freed = d.cuMemAlloc(100); d.cuMemFree(freed)
library_handle = d.cuLibraryLoadData(KERNELS.encode() + b"\\0", None, None, None, None, None, None)
good = [d.cuStreamCreate(0), d.cuEventCreate(0), loaded, kernel("small"), context, d.cuDeviceGetDefaultMemPool(0), library_handle,
        d.cuLibraryGetKernel(library_handle, "small"), d.cuMemAlloc(1000), d.cuMemAllocManaged(1000, 1)]
odd = [0, 1, 2, 3, 7, 0xFF, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
dead = [dead_stream, dead_event, dead_module, dead_function, freed]
numbers = [int(x) for x in good + dead] + odd

# AddressSanitizer has its records there: memory that anyone could write to
records = range(0x7fff8000, 0x10007fff8000) if "asan" in os.environ.get("LD_PRELOAD", "") else ()

def number():
    n = random.choice(numbers) if random.random() < 0.8 else random.getrandbits(random.choice((8, 16, 32, 47, 64)))
    return n if n not in records else 0

# name -> what each argument is: "o" room for a result, "n" anything
FUNCTIONS = {
    "cuDeviceGetAttribute": "onn", "cuDeviceTotalMem_v2": "on", "cuDeviceGetUuid_v2": "on", "cuDevicePrimaryCtxGetState": "noo",
    "cuDevicePrimaryCtxSetFlags_v2": "nn", "cuDeviceGetP2PAttribute": "onnn", "cuDeviceGetDefaultMemPool": "on",
    "cuCtxGetLimit": "on", "cuCtxSetLimit": "nn", "cuCtxGetId": "no", "cuCtxSynchronize_v2": "n", "cuCtxGetDevice_v2": "on",
    "cuMemAlloc_v2": "on", "cuMemAllocPitch_v2": "oonnn", "cuMemFree_v2": "n", "cuMemFreeHost": "n", "cuMemAllocManaged": "onn",
    "cuMemHostAlloc": "onn", "cuMemHostGetDevicePointer_v2": "onn", "cuMemHostGetFlags": "on", "cuMemHostUnregister": "n",
    "cuMemGetAddressRange_v2": "oon", "cuPointerGetAttribute": "onn", "cuMemcpy": "nnn", "cuMemcpyAsync": "nnnn",
    "cuMemcpyDtoD_v2": "nnn", "cuMemcpyHtoD_v2": "non", "cuMemcpyPeer": "nnnnn", "cuMemsetD8_v2": "nnn", "cuMemsetD32_v2": "nnn",
    "cuMemsetD16Async": "nnnn", "cuMemsetD2D32_v2": "nnnnn", "cuMemsetD2D8Async": "nnnnnn", "cuMemAllocAsync": "onn",
    "cuMemAllocFromPoolAsync": "onnn", "cuMemFreeAsync": "nn", "cuMemPoolGetAttribute": "nno", "cuMemPoolTrimTo": "nn",
    "cuStreamCreate": "on", "cuStreamCreateWithPriority": "onn", "cuStreamSynchronize": "n", "cuStreamQuery": "n",
    "cuStreamWaitEvent": "nnn", "cuStreamGetFlags": "no", "cuStreamGetCtx": "no", "cuStreamIsCapturing": "no", "cuStreamGetAttribute": "nno",
    "cuStreamAttachMemAsync": "nnnn", "cuStreamCopyAttributes": "nn", "cuEventCreate": "on", "cuEventRecord": "nn", "cuEventQuery": "n",
    "cuEventRecordWithFlags": "nnn", "cuEventSynchronize": "n", "cuEventElapsedTime_v2": "onn", "cuModuleGetFunctionCount": "on",
    "cuModuleEnumerateFunctions": "onn", "cuLibraryGetModule": "on", "cuLibraryGetKernelCount": "on", "cuKernelGetFunction": "on",
    "cuKernelGetAttribute": "onnn", "cuKernelGetParamInfo": "nnoo", "cuKernelGetName": "on", "cuKernelSetAttribute": "nnnn",
    "cuFuncGetAttribute": "onn", "cuFuncSetAttribute": "nnn", "cuFuncGetParamInfo": "nnoo", "cuFuncGetName": "on", "cuFuncGetModule": "on",
    "cuFuncSetCacheConfig": "nn", "cuOccupancyMaxActiveBlocksPerMultiprocessor": "onnn", "cuOccupancyAvailableDynamicSMemPerBlock": "onnn",
    "cuOccupancyMaxPotentialBlockSize": "oon0nn", "cuLinkComplete": "noo", "cuLinkDestroy": "n", "cuLaunchKernel": "nbbbbbbnn00",
    "cuLaunchCooperativeKernel": "nbbbbbbnn0", "cuGetErrorName": "no", "cuGetErrorString": "no", "cuCtxPushCurrent_v2": "n",
    "cuCtxSetCurrent": "n", "cuStreamGetId": "no", "cuStreamGetPriority": "no", "cuMemAdvise_v2": "nnnnn", "cuCtxEnablePeerAccess": "nn",
    "cuMemcpyDtoDAsync_v2": "nnnn", "cuGraphLaunch": "nn", "cuMemCreate": "onon", "cuMemcpyDtoH_v2": "onn", "cuDeviceSetMemPool": "nn",
    "cuMemAddressReserve": "onnnn", "cuMemAddressFree": "nn", "cuMemMap": "nnnnn", "cuMemUnmap": "nn", "cuMemRelease": "n",
    "cuMemSetAccess": "nnon", "cuMemGetAccess": "oon", "cuMemRetainAllocationHandle": "on", "cuMemGetAllocationGranularity": "oon",
    "cuMemGetAllocationPropertiesFromHandle": "on", "cuArrayDestroy": "n", "cuArrayGetDescriptor_v2": "on", "cuArray3DGetDescriptor_v2": "on",
    "cuArrayCreate_v2": "oo", "cuArrayGetPlane": "onn", "cuMipmappedArrayCreate": "oon", "cuMipmappedArrayGetLevel": "onn",
    "cuMipmappedArrayDestroy": "n", "cuTexObjectCreate": "ooo0", "cuTexObjectDestroy": "n", "cuTexObjectGetTextureDesc": "on",
    "cuTexObjectGetResourceDesc": "on", "cuSurfObjectCreate": "oo", "cuSurfObjectDestroy": "n", "cuSurfObjectGetResourceDesc": "on",
    "cuStreamWriteValue32_v2": "nnnn", "cuStreamWriteValue64_v2": "nnnn", "cuStreamBatchMemOp_v2": "nnon", "cuStreamSetAttribute": "nno",
    "cuGraphBatchMemOpNodeGetParams": "no", "cuGraphBatchMemOpNodeSetParams": "no", "cuGraphExecBatchMemOpNodeSetParams": "nno",
    "cuIpcGetMemHandle": "on", "cuIpcCloseMemHandle": "n", "cuIpcGetEventHandle": "on", "cuMemPoolExportPointer": "on",
    "cuMemPoolImportPointer": "ono", "cuMemPoolExportToShareableHandle": "onnn", "cuMemPoolImportFromShareableHandle": "onnn",
    "cuMemExportToShareableHandle": "onnn", "cuMemImportFromShareableHandle": "onn", "cuMemAdvise": "nnnn", "cuMemPrefetchAsync": "nnnn",
    "cuMemcpy3DBatchAsync_v2": "nonn", "cuMemcpy3DWithAttributesAsync": "onn", "cuMemcpyWithAttributesAsync": "nnnon",
    "cuStreamGetGreenCtx": "no", "cuMemcpyHtoA_v2": "nnon", "cuMemcpyAtoH_v2": "onnn", "cuMemcpyAtoA_v2": "nnnnn", "cuCtxDisablePeerAccess": "n",
}
at = ctypes.addressof(room)
seen = set()
for turn in range(6000):
    function = random.choice(list(FUNCTIONS))
    values = []
    for kind in FUNCTIONS[function]:
        if kind == "o": values.append(random.choice((at, at + 8192, at, 0)) if "cpyHtoD" not in function else at)
        elif kind == "b": values.append(random.choice((1, 2, 0, number())) & 0x3F)
        elif kind == "0": values.append(0)
        else: values.append(number())
    if "cpyDtoH" in function: values[2] = random.choice((0, 8, 1000, 1 << 63))
    if "cpy" in function and "cpyDtoH" not in function and "cpyHtoD" not in function:    # a copy into this process's own memory would be one
        values = [v if v not in (at, at + 8192) else 0 for v in values]
    code = getattr(library, function)(*map(ctypes.c_uint64, values))
    seen.add(code)
    assert code == 0 or 0 < code < 1000, (function, values, code)
    if turn % 50 == 0:
        d.cuCtxSetCurrent(context)
        d.cuCtxSynchronize()
        p = d.cuMemAllocAsync(64, None)
        d.cuMemFreeAsync(p, None)
assert {0, 1, 400, 201} <= seen, seen
d.cuCtxSetCurrent(context)
d.cuCtxSynchronize()
"""


@pytest.mark.parametrize("seed", range(6))
def test_garbage(seed: int) -> None:
    on_cpu(FUZZ, str(seed), timeout=120, CPU_DEVICE_MEMORY="512")
