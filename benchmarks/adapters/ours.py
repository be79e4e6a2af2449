"""cubind: C names, outputs returned, failures raised."""

from __future__ import annotations

from typing import Any

LAUNCH = "cuLaunchKernel({}, 1, 1, 1, 32, 1, 1, 0, stream, {})"
TENSOR_MAP = "cuTensorMapEncodeTiled(FLOAT32, 2, pointer, {}, {}, {}, {}, 0, 0, 0, 0)"
STATEMENTS = {
    "ctx_get_current": "cuCtxGetCurrent()",
    "ctx_set_current": "cuCtxSetCurrent(context)",
    "device_get": "cuDeviceGet(0)",
    "device_get_keyword": "cuDeviceGet(ordinal=0)",
    "device_get_attribute": "cuDeviceGetAttribute(MAJOR, 0)",
    "device_get_attribute_checked": "value = cuDeviceGetAttribute(MAJOR, 0)",
    "pointer_get_attribute": "cuPointerGetAttribute(MEMORY_TYPE, pointer)",
    "event_create_destroy": "cuEventDestroy(cuEventCreate(0))",
    "stream_create_destroy": "cuStreamDestroy(cuStreamCreate(1))",
    "event_record": "cuEventRecord(event, stream)",
    "event_record_keyword": "cuEventRecord(hEvent=event, hStream=stream)",
    "event_record_int": "cuEventRecord(event_int, stream_int)",
    "stream_query": "cuStreamQuery(stream)",
    "mem_alloc_free": "cuMemFree(cuMemAlloc(1024))",
    "memcpy_async": "cuMemcpyAsync(pointer, pointer, 1024, stream)",
    "memcpy_htod_address": "cuMemcpyHtoD(pointer, array_address, 1024)",
    "memcpy_htod_numpy": "cuMemcpyHtoD(pointer, array, 1024)",
    "launch_0": LAUNCH.format("k0", "None"),
    "launch_16_packed": LAUNCH.format("k16", "packed"),
    "launch_ex_16_packed": "cuLaunchKernelEx(config, k16, packed)",
    "launch_3_typed": LAUNCH.format("k3", "typed3"),
    "launch_3_values": LAUNCH.format("k3", "values3"),
    "launch_16_typed": LAUNCH.format("k16", "typed16"),
    "launch_16_values": LAUNCH.format("k16", "values16"),
    "tensor_map_prepared": TENSOR_MAP.format("dims", "strides", "box", "steps"),
    "tensor_map_dims": TENSOR_MAP.format("[64, 64]", "[256]", "[32, 32]", "[1, 1]"),
    "enum_from_int": "CUresult(1)",
    "enum_attribute": "CUresult.CUDA_ERROR_INVALID_VALUE",
    "handle_new": "CUstream(4096)",
    "handle_int": "int(stream)",
    "failing_call": "try: cuDeviceGet(7)\nexcept InvalidDeviceError: pass",
    "struct_new": "CUlaunchConfig()",
    "struct_new_fields": "CUlaunchConfig(gridDimX=1, blockDimX=32, hStream=stream)",
    "struct_get": "config.gridDimX",
    "struct_set": "config.gridDimX = 7",
    "struct_nested_set": "properties.location.id = 1",
}


def namespace() -> dict[str, Any]:
    """What the statements refer to."""
    import numpy as np

    import cubind
    from cubind import driver

    from . import values

    driver.cuInit(0)
    driver.cuCtxSetCurrent(context := driver.cuDevicePrimaryCtxRetain(driver.cuDeviceGet(0)))
    module = driver.cuModuleLoadData(values.image())
    k0, k3, k16 = (driver.cuModuleGetFunction(module, name) for name in ("k0", "k3", "k16"))
    stream, event, pointer = driver.cuStreamCreate(1), driver.cuEventCreate(0), driver.cuMemAlloc(1024)
    stream_int, event_int = int(stream), int(event)
    array = np.arange(256, dtype=np.float32)
    array_address = array.ctypes.data
    values3, values16, typed3, typed16 = values.arguments(pointer)
    packed, kept = values.packed()
    arrays = [np.array(d, t) for d, t in (([64, 64], "u8"), ([256], "u8"), ([32, 32], "u4"), ([1, 1], "u4"))]
    dims, strides, box, steps = (one.ctypes.data for one in arrays)
    config = driver.CUlaunchConfig(
        gridDimX=1, gridDimY=1, gridDimZ=1, blockDimX=32, blockDimY=1, blockDimZ=1, hStream=stream
    )
    properties = driver.CUmemPoolProps()
    FLOAT32 = driver.CUtensorMapDataType.CU_TENSOR_MAP_DATA_TYPE_FLOAT32  # noqa: N806
    MAJOR = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR  # noqa: N806
    MEMORY_TYPE = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_MEMORY_TYPE  # noqa: N806
    InvalidDeviceError = cubind.InvalidDeviceError  # noqa: N806
    return {name: getattr(driver, name) for name in dir(driver) if not name.startswith("_")} | locals()
