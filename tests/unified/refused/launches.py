"""Launches: with every kind of argument, and temporary ones; results are looked at."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

import cuda_unified as cu
from tests.unified.kernels import Library, Memory, ptx

device = cu.Device(0)
stream, other, library = device.stream(), cu.Stream.from_handle(1, device=device), Library()
STREAMS = (stream,)
out, config = Memory(device, 64, stream), cu.LaunchConfig(1, 1)
three, pair = library["three"], np.dtype([("a", "u1"), ("b", "u1"), ("c", "u1")])


class Foreign:
    """Memory of another library, with a stream of its own."""

    __cuda_array_interface__ = {  # noqa: RUF012
        "shape": (16,), "typestr": "<f4", "data": (out.buffer.pointer, False), "version": 3, "stream": 1,
    }  # fmt: skip


class Dlpack:
    def __init__(self) -> None:
        self.array = cu.Array.over(out.buffer, 16, "float32")

    def __dlpack__(self, **how: Any) -> Any:
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def bound() -> None:
    launcher = three.bind(stream, config, out.buffer, 0, 1.5)
    launcher.set(2, 2.5)
    launcher()


def attributes() -> None:
    three.attributes.max_dynamic_shared_size_bytes = 49152
    assert three.attributes.max_dynamic_shared_size_bytes == 49152
    cu.launch(stream, config, three, out.buffer, 0, 2.5)


def occupancy() -> None:
    cu.launch(stream, cu.LaunchConfig.for_size(1, three, block=1), three, out.buffer, 0, 2.5)
    assert three.occupancy.max_potential_block_size()


def scoped() -> None:
    with stream:
        three[1, 1](out.buffer, 0, 2.5)


def temporary() -> None:
    """What is given dies with the call."""
    three[1, 1, stream](cu.Array.over(out.buffer, 16, "float32"), np.int32(0), np.float32(2.5))
    library["s3"][1, 1, stream](device.allocate(3, stream), np.zeros((), pair))


LARGE = config.replace(shared_memory=49152, cooperative=True)
OPERATIONS: dict[str, Any] = {
    "plain": lambda: cu.launch(stream, config, three, out.buffer, 0, 2.5),
    "default": lambda: three[1, 1, other](out.buffer, 0, 2.5),
    "scoped": scoped,
    "bound": bound,
    "large": lambda: cu.launch(stream, LARGE, three, out.buffer, 0, 2.5),
    "attributes": attributes,
    "occupancy": occupancy,
    "interface": lambda: three[1, 1, stream](Foreign(), 0, 2.5),
    "dlpack": lambda: three[1, 1, stream](Dlpack(), 0, 2.5),
    "pinned": lambda: three[1, 1, stream](cu.zeros_pinned(4, "f4"), 0, 2.5),
    "temporary": temporary,
    "new kernel": lambda: cu.Module(ptx()[0])["add"][1, 1, stream](out.buffer[8:], 1),
}
QUIET = {name: {"cuKernelGetName"} for name in OPERATIONS}  # for a message


def state() -> Any:
    """The last launch arrived whole."""
    arrived = struct.unpack("<f", out.read(4))
    assert arrived == (2.5,), arrived
    return arrived
