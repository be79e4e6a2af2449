"""cuda.bindings.driver: C names, returns tuples (status, outputs...)."""

from __future__ import annotations

from typing import Any

from .ours import STATEMENTS as OURS

LAUNCH = "cuLaunchKernel({}, 1, 1, 1, 32, 1, 1, 0, stream, {}, 0)"
TENSOR_MAP = (
    "cuTensorMapEncodeTiled(FLOAT32, 2, pointer, {}, {}, {}, {}, no_interleave, no_swizzle, no_promotion, no_fill)"
)
TYPED = {3: LAUNCH.format("k3", "typed3"), 16: LAUNCH.format("k16", "typed16")}
STATEMENTS = {
    **OURS,
    "device_get_attribute": "cuDeviceGetAttribute(MAJOR, device)",
    "device_get_attribute_checked": "error, value = cuDeviceGetAttribute(MAJOR, device)\n"
    "if error != CUresult.CUDA_SUCCESS: raise RuntimeError(error)",
    "event_create_destroy": "cuEventDestroy(cuEventCreate(0)[1])",
    "stream_create_destroy": "cuStreamDestroy(cuStreamCreate(1)[1])",
    "mem_alloc_free": "cuMemFree(cuMemAlloc(1024)[1])",
    "launch_0": LAUNCH.format("k0", "0"),
    "launch_16_packed": LAUNCH.format("k16", "packed"),
    "launch_ex_16_packed": "cuLaunchKernelEx(config, k16, packed, 0)",
    "launch_3_typed": TYPED[3],
    "launch_3_values": TYPED[3],
    "launch_16_typed": TYPED[16],
    "launch_16_values": TYPED[16],
    "tensor_map_prepared": TENSOR_MAP.format("dims", "strides", "box", "steps"),
    "tensor_map_dims": TENSOR_MAP.format("[u64(64), u64(64)]", "[u64(256)]", "[u32(32), u32(32)]", "[u32(1), u32(1)]"),
    "failing_call": "error, device_ = cuDeviceGet(7)\nif error != CUresult.CUDA_SUCCESS: pass",
}
del STATEMENTS["struct_new_fields"]


def namespace() -> dict[str, Any]:
    """What the statements refer to."""
    import numpy as np
    from cuda.bindings import driver

    from . import values

    driver.cuInit(0)
    device = driver.cuDeviceGet(0)[1]
    context = driver.cuDevicePrimaryCtxRetain(device)[1]
    driver.cuCtxSetCurrent(context)
    module = driver.cuModuleLoadData(values.image())[1]
    k0, k3, k16 = (driver.cuModuleGetFunction(module, name)[1] for name in (b"k0", b"k3", b"k16"))
    stream, event, pointer = driver.cuStreamCreate(1)[1], driver.cuEventCreate(0)[1], driver.cuMemAlloc(1024)[1]
    stream_int, event_int = int(stream), int(event)
    array = np.arange(256, dtype=np.float32)
    array_address = array.ctypes.data
    values3, values16, typed3, typed16 = values.arguments(int(pointer))
    packed, kept = values.packed()
    u64, u32 = driver.cuuint64_t, driver.cuuint32_t
    dims, strides, box, steps = [u64(64), u64(64)], [u64(256)], [u32(32), u32(32)], [u32(1), u32(1)]
    no_interleave, no_swizzle = driver.CUtensorMapInterleave(0), driver.CUtensorMapSwizzle(0)
    no_promotion, no_fill = driver.CUtensorMapL2promotion(0), driver.CUtensorMapFloatOOBfill(0)
    config = driver.CUlaunchConfig()
    config.gridDimX = config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1
    config.blockDimX, config.hStream = 32, stream
    properties = driver.CUmemPoolProps()
    FLOAT32 = driver.CUtensorMapDataType.CU_TENSOR_MAP_DATA_TYPE_FLOAT32  # noqa: N806
    MAJOR = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR  # noqa: N806
    MEMORY_TYPE = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_MEMORY_TYPE  # noqa: N806
    return {name: getattr(driver, name) for name in dir(driver) if not name.startswith("_")} | locals()
