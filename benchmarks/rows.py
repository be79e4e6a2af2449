"""What is measured and what it must reach, as data: a row belongs to a class, and a class has a bar for each peer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """What our column must reach: the peer's time over ours.  None: this peer has nothing like it."""

    legacy: float | None
    v2: float | None


CLASSES = {
    "query, GIL held": Bar(5, 3),
    "short, GIL released": Bar(3.5, 1.05),
    "short, GIL released, handles": Bar(3.5, 1.25),
    "launch, 0 or packed": Bar(4, 1.9),
    "launch, 3": Bar(5, 5.5),
    "launch, 16": Bar(22, 30),
    "tensor map, prepared": Bar(3.5, 1.5),
    "tensor map, dims per call": Bar(4, 25),
    "enum from int": Bar(10, 10),
    "handle": Bar(2.5, None),
    "failing call": Bar(1.5, 8),
    "struct, new": Bar(4, 1.1),
    "struct, field": Bar(0.9, 0.8),
    "not judged": Bar(None, None),
}

ROWS = {
    "ctx_get_current": "query, GIL held",
    "ctx_set_current": "query, GIL held",
    "device_get": "query, GIL held",
    "device_get_keyword": "query, GIL held",
    "device_get_attribute": "query, GIL held",
    "device_get_attribute_checked": "query, GIL held",
    # this one may wait for a lock of the driver: the GIL is released
    "pointer_get_attribute": "short, GIL released",
    "event_create_destroy": "short, GIL released, handles",
    "stream_create_destroy": "short, GIL released, handles",
    "event_record": "short, GIL released, handles",
    "event_record_keyword": "short, GIL released, handles",
    "event_record_int": "short, GIL released",
    "stream_query": "short, GIL released, handles",
    "mem_alloc_free": "short, GIL released",
    "memcpy_async": "short, GIL released",
    "memcpy_htod_address": "short, GIL released",
    "memcpy_htod_numpy": "short, GIL released",
    "launch_0": "launch, 0 or packed",
    "launch_16_packed": "launch, 0 or packed",
    "launch_ex_16_packed": "launch, 0 or packed",
    "launch_3_typed": "launch, 3",
    "launch_3_values": "launch, 3",
    "launch_16_typed": "launch, 16",
    "launch_16_values": "launch, 16",
    "tensor_map_prepared": "tensor map, prepared",
    "tensor_map_dims": "tensor map, dims per call",
    "enum_from_int": "enum from int",
    "enum_attribute": "not judged",
    "handle_new": "handle",
    "handle_int": "not judged",
    "failing_call": "failing call",
    "struct_new": "struct, new",
    "struct_new_fields": "not judged",
    "struct_get": "struct, field",
    "struct_set": "struct, field",
    "struct_nested_set": "not judged",
}

LAYER_ROWS: dict[str, float | None] = {
    "device": 5,
    "stream_create_close": 3,
    "event_create_close": 3,
    "record": 1,
    "sync": 1,
    "wait": 1,
    "event_done": None,
    "allocate_close": 3.5,
    "launch_config": None,
    "layer_launch_0": 3.5,
    "layer_launch_3": 3.5,
    "layer_launch_16": 3,
    "layer_launch_16_numpy": 3,
    "layer_launch_16_buffers": 3,
    "layer_launch_16_bound": 5,
    "array_from_dlpack": 1.5,
    "array_from_buffer": 10,
    "array_from_interface": 10,
}
"""Rows of the unified layer, and what the time of cuda.core over ours must reach."""

LAYER_NOTES = {
    "layer_launch_16_bound": "cuda.core has no bound launches: its column is the launch with 16 values",
    "array_from_dlpack": "of a NumPy array; cuda.core makes a StridedMemoryView",
    "array_from_buffer": "a memoryview; cuda.core has nothing for buffers: its column is from_any_interface of the NumPy array",
    "array_from_interface": "an object that has nothing but `__array_interface__`; cuda.core is given the NumPy array",
}

NOTES = {
    "device_get_attribute_checked": "the legacy column also tests the status it returns, as its users must",
    "launch_3_typed": "(values, ctypes classes), which all of them take",
    "launch_16_typed": "(values, ctypes classes), which all of them take",
    "launch_3_values": "ours: plain values, packed to the sizes that the driver tells; peers: (values, ctypes classes)",
    "launch_16_values": "ours: plain values, packed to the sizes that the driver tells; peers: (values, ctypes classes)",
    "tensor_map_prepared": "dimensions made once, in the fastest form the API takes: addresses of arrays (legacy, C: lists)",
    "failing_call": "raised and caught; the legacy column compares the status it returns",
}


@dataclass(frozen=True)
class Limit:
    """A cost that is no call: at most this much, and at most this part of the peers'."""

    at_most: float | None
    legacy: float | None = None
    v2: float | None = None


COSTS = {
    "import driver (ms)": Limit(3, None, 20),
    "import driver (MiB)": Limit(2, None, 7),
    "driver module, stripped (MB)": Limit(1.5),
    "package installed (MB)": Limit(6),
    "build of the bindings, one core (s)": Limit(60),
    "first call (ms)": Limit(None),
    "import cuda_unified (ms)": Limit(12),
    "from cuda_unified import Array ... launch (ms)": Limit(12),
    "from cuda_unified import * (ms)": Limit(None),
}
