"""cuda.bindings._v2.driver: names in snake case, integers in and out, failures raised."""

from __future__ import annotations

from typing import Any

LAUNCH = "launch_kernel({}, 1, 1, 1, 32, 1, 1, 0, stream, {}, 0)"
TENSOR_MAP = "tensor_map_encode_tiled(7, 2, pointer, {}, {}, {}, {}, 0, 0, 0, 0)"
TYPED = {3: LAUNCH.format("k3", "typed3"), 16: LAUNCH.format("k16", "typed16")}
DIMS = [f"np.array({dims}, '{dtype}').ctypes.data" for dims, dtype in
        (([64, 64], "u8"), ([256], "u8"), ([32, 32], "u4"), ([1, 1], "u4"))]  # fmt: skip
STATEMENTS = {
    "ctx_get_current": "ctx_get_current()",
    "ctx_set_current": "ctx_set_current(context)",
    "device_get": "device_get(0)",
    "device_get_keyword": "device_get(ordinal=0)",
    "device_get_attribute": "device_get_attribute(MAJOR, 0)",
    "device_get_attribute_checked": "value = device_get_attribute(MAJOR, 0)",
    "pointer_get_attribute": "pointer_get_attribute(MEMORY_TYPE, pointer)",
    "event_create_destroy": "event_destroy_v2(event_create(0))",
    "stream_create_destroy": "stream_destroy_v2(stream_create(1))",
    "event_record": "event_record(event, stream)",
    "event_record_keyword": "event_record(h_event=event, h_stream=stream)",
    "event_record_int": "event_record(event, stream)",
    "stream_query": "stream_query(stream)",
    "mem_alloc_free": "mem_free_v2(mem_alloc_v2(1024))",
    "memcpy_async": "memcpy_async(pointer, pointer, 1024, stream)",
    "memcpy_htod_address": "memcpy_htod_v2(pointer, array_address, 1024)",
    "memcpy_htod_numpy": "memcpy_htod_v2(pointer, array, 1024)",
    "launch_0": LAUNCH.format("k0", "0"),
    "launch_16_packed": LAUNCH.format("k16", "packed"),
    "launch_ex_16_packed": "launch_kernel_ex(config, k16, packed, 0)",
    "launch_3_typed": TYPED[3],
    "launch_3_values": TYPED[3],
    "launch_16_typed": TYPED[16],
    "launch_16_values": TYPED[16],
    "tensor_map_prepared": TENSOR_MAP.format("dims", "strides", "box", "steps"),
    "tensor_map_dims": TENSOR_MAP.format(*DIMS),
    "enum_from_int": "Result(1)",
    "enum_attribute": "Result.ERROR_INVALID_VALUE",
    "failing_call": "try: device_get(7)\nexcept InvalidDeviceError: pass",
    "struct_new": "LaunchConfig()",
    "struct_get": "config.grid_dim_x",
    "struct_set": "config.grid_dim_x = 7",
}


def namespace() -> dict[str, Any]:
    """What the statements refer to."""
    import numpy as np
    from cuda.bindings._v2 import driver

    from . import values

    driver.init(0)
    context = driver.device_primary_ctx_retain(0)
    driver.ctx_set_current(context)
    k0, k3, k16 = _kernels()
    stream, event, pointer = driver.stream_create(1), driver.event_create(0), driver.mem_alloc_v2(1024)
    array = np.arange(256, dtype=np.float32)
    array_address = array.ctypes.data
    values3, values16, typed3, typed16 = values.arguments(pointer)
    packed, kept = values.packed()
    arrays = np.array([64, 64], "u8"), np.array([256], "u8"), np.array([32, 32], "u4"), np.array([1, 1], "u4")
    dims, strides, box, steps = (one.ctypes.data for one in arrays)
    config = driver.LaunchConfig()
    config.grid_dim_x = config.grid_dim_y = config.grid_dim_z = config.block_dim_y = config.block_dim_z = 1
    config.block_dim_x = 32
    MAJOR = driver.DeviceAttribute.COMPUTE_CAPABILITY_MAJOR  # noqa: N806
    MEMORY_TYPE = driver.PointerAttribute.MEMORY_TYPE  # noqa: N806
    return {name: getattr(driver, name) for name in dir(driver) if not name.startswith("_")} | locals()


def _kernels() -> tuple[int, ...]:
    """By way of the other level of the same package, which takes bytes as device code."""
    from cuda.bindings import driver

    from . import values

    module = driver.cuModuleLoadData(values.image())[1]
    return tuple(int(driver.cuModuleGetFunction(module, name)[1]) for name in (b"k0", b"k3", b"k16"))
