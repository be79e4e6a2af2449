"""cuda.core: objects of NVIDIA's package."""

from __future__ import annotations

from typing import Any

STATEMENTS = {
    "device": "Device(0)",
    "stream_create_close": "device.create_stream().close()",
    "event_create_close": "device.create_event().close()",
    "record": "stream.record(event)",
    "sync": "stream.sync()",
    "wait": "stream.wait(event)",
    "event_done": "event.is_done",
    "allocate_close": "pool.allocate(1024, stream=stream).close()",
    "launch_config": "LaunchConfig(grid=1, block=32)",
    "layer_launch_0": "launch(stream, config, k0)",
    "layer_launch_3": "launch(stream, config, k3, buffer, 7, 2.5)",
    "layer_launch_16": "launch(stream, config, k16, *values16)",
    "layer_launch_16_numpy": "launch(stream, config, k16, *numpy16)",
    "layer_launch_16_buffers": "launch(stream, config, k16, *buffers16)",
    "layer_launch_16_bound": "launch(stream, config, k16, *values16)",
    "array_from_dlpack": "View.from_dlpack(array, stream_ptr=-1)",
    "array_from_buffer": "View.from_any_interface(array, stream_ptr=-1)",
    "array_from_interface": "View.from_array_interface(array)",
}


def namespace() -> dict[str, Any]:
    """What the statements refer to."""
    import numpy as np
    from cuda.core import Device, DeviceMemoryResource, LaunchConfig, ObjectCode, launch  # noqa: F401
    from cuda.core.utils import StridedMemoryView as View  # noqa: F401

    from . import values

    device = Device(0)
    device.set_current()
    stream, event, pool = device.create_stream(), device.create_event(), DeviceMemoryResource(device)
    buffer = pool.allocate(1024, stream=stream)
    config = LaunchConfig(grid=1, block=32)
    code = ObjectCode.from_ptx(values.image())
    k0, k3, k16 = (code.get_kernel(name) for name in ("k0", "k3", "k16"))
    values16, buffers16 = tuple(range(16)), (buffer,) * 16
    numpy16 = tuple(np.uint64(i) for i in range(16))
    array = np.zeros((4, 5), "f4")
    return locals()
