"""The floors: hand-written C (floors/floor.c), with the GIL released around each call and with the GIL held."""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

LAUNCH = "launch_kernel({}, 1, 1, 1, 32, 1, 1, 0, stream, {})"
TENSOR_MAP = "tensor_map_encode(7, 2, pointer, {}, {}, {}, {}, 0, 0, 0, 0)"
STATEMENTS = {
    "ctx_get_current": "ctx_get_current()",
    "ctx_set_current": "ctx_set_current(context)",
    "device_get": "device_get(0)",
    "device_get_attribute": "device_get_attribute(75, 0)",
    "device_get_attribute_checked": "value = device_get_attribute(75, 0)",
    "pointer_get_attribute": "pointer_get_attribute(2, pointer)",
    "event_create_destroy": "event_destroy(event_create(0))",
    "stream_create_destroy": "stream_destroy(stream_create(1))",
    "event_record": "event_record(event, stream)",
    "event_record_int": "event_record(event_int, stream_int)",
    "stream_query": "stream_query(stream)",
    "mem_alloc_free": "mem_free(mem_alloc(1024))",
    "memcpy_async": "memcpy_async(pointer, pointer, 1024, stream)",
    "memcpy_htod_address": "memcpy_htod(pointer, array_address, 1024)",
    "memcpy_htod_numpy": "memcpy_htod(pointer, array, 1024)",
    "launch_0": LAUNCH.format("k0", "None"),
    "launch_16_packed": LAUNCH.format("k16", "packed"),
    "launch_ex_16_packed": "launch_kernel_ex(config, k16, packed)",
    "launch_3_typed": LAUNCH.format("k3", "typed3"),
    "launch_3_values": LAUNCH.format("k3", "coded3"),
    "launch_16_typed": LAUNCH.format("k16", "typed16"),
    "launch_16_values": LAUNCH.format("k16", "coded16"),
    "tensor_map_prepared": TENSOR_MAP.format("dims", "strides", "box", "steps"),
    "tensor_map_dims": TENSOR_MAP.format("[64, 64]", "[256]", "[32, 32]", "[1, 1]"),
    "enum_from_int": "enum_from_int(1)",
    "handle_new": "Handle(4096)",
    "handle_int": "int(stream)",
    "failing_call": "try: device_get(7)\nexcept Error: pass",
    "struct_new": "Record()",
    "struct_get": "config.gridDimX",
    "struct_set": "config.gridDimX = 7",
}


def namespace(module_name: str) -> dict[str, Any]:
    """What the statements refer to; our column makes the context and the kernels."""
    from . import ours

    floor = importlib.import_module(module_name)
    made = ours.namespace()
    handles = {name: floor.Handle(int(made[name])) for name in ("context", "stream", "event", "k0", "k3", "k16")}
    config = floor.Record()
    config.gridDimX = 1
    floor.set_member(type("Member", (int,), {})(1))
    for type_, code in ((ctypes.c_void_p, "P"), (ctypes.c_int, "i"), (ctypes.c_uint64, "Q"), (ctypes.c_float, "f")):
        floor.set_type(type_, code)
    coded = {"coded3": (made["values3"], "Pif"), "coded16": (made["values16"], "Q" * 16)}
    lists = {"dims": [64, 64], "strides": [256], "box": [32, 32], "steps": [1, 1]}
    return made | vars(floor) | handles | coded | lists | {"config": config}
