"""cuda_unified: objects."""

from __future__ import annotations

from typing import Any

STATEMENTS = {
    "device": "Device(0)",
    "stream_create_close": "device.stream().close()",
    "event_create_close": "device.event().close()",
    "record": "stream.record(event)",
    "sync": "stream.sync()",
    "wait": "stream.wait(event)",
    "event_done": "event.done",
    "allocate_close": "pool.allocate(1024, stream).close()",
    "launch_config": "LaunchConfig(1, 32)",
    "layer_launch_0": "launch(stream, config, k0)",
    "layer_launch_3": "launch(stream, config, k3, buffer, 7, 2.5)",
    "layer_launch_16": "launch(stream, config, k16, *values16)",
    "layer_launch_16_numpy": "launch(stream, config, k16, *numpy16)",
    "layer_launch_16_buffers": "launch(stream, config, k16, *buffers16)",
    "layer_launch_16_bound": "bound16()",
    "array_from_dlpack": "as_array(array)",
    "array_from_buffer": "as_array(view)",
    "array_from_interface": "as_array(only_interface)",
}


def namespace() -> dict[str, Any]:
    """What the statements refer to."""
    import numpy as np

    import cuda_unified as cu

    from . import values

    Device = cu.Device  # noqa: N806
    device = Device(0)
    device.__enter__()  # as the peer's set_current
    stream, event, pool = device.stream(), device.event(), device.pool
    buffer = pool.allocate(1024, stream)
    launch, LaunchConfig, as_array = cu.launch, cu.LaunchConfig, cu.as_array  # noqa: N806
    config = LaunchConfig(1, 32)
    module = cu.Module(values.image())
    k0, k3, k16 = (module.kernel(name) for name in ("k0", "k3", "k16"))
    values16, buffers16 = tuple(range(16)), (buffer,) * 16
    numpy16 = tuple(np.uint64(i) for i in range(16))
    bound16 = k16.bind(stream, config, *values16)
    array = np.zeros((4, 5), "f4")
    view, only_interface = memoryview(array), values.OnlyInterface(array)
    return locals()
