"""Arrays: made, copied, exchanged through every protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

import cuda_unified as cu

device = cu.Device(0)
stream, other = device.stream(), device.stream()
STREAMS = (stream, other)
there = np.arange(12, dtype="f4").reshape(3, 4)
kept = cu.from_host(there, device, stream=stream)
on_other = {**kept.__cuda_array_interface__, "stream": other.address}
foreign = type("Foreign", (), {"__cuda_array_interface__": on_other})()


class Dlpack:
    """A library that has `__dlpack__` alone."""

    def __dlpack__(self, **how: Any) -> Any:
        return kept.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return kept.__dlpack_device__()


def filling() -> None:
    cu.full((5, 3), 7 - 2j, device=device, stream=stream)[:, ::2].fill(1, stream=stream)


def strided() -> None:
    with stream:
        assert np.array_equal(kept.T.copy()[::-1].to_host(), there.T[::-1])


def to_gaps() -> None:
    with stream:
        target = cu.zeros((6, 8), device=device)
        target[::2, ::2].copy_from(there)
        assert np.array_equal(target.to_host()[::2, ::2], there)


def exporting() -> None:
    kept.__dlpack__(stream=other.address)
    kept.__dlpack__(dl_device=(1, 0))
    kept.__dlpack__(copy=True)
    assert kept.__cuda_array_interface__


def importing() -> None:
    assert cu.from_dlpack(kept, stream=other).shape == (3, 4)
    assert cu.as_array(Dlpack(), stream=other).shape == (3, 4)
    assert cu.from_dlpack(Dlpack(), device="cpu").to_host().shape == (3, 4)
    assert cu.as_array(foreign, stream=stream).pointer == kept.pointer


def pinned() -> None:
    a = cu.empty((3, 4), resource=cu.PinnedResource(device)).copy_from(kept, stream=stream)
    assert np.array_equal(np.from_dlpack(a, device="cpu"), there)
    assert np.asarray(memoryview(a)).shape == (3, 4)


def numbers() -> None:
    assert kept.item(stream=stream) if kept.size == 1 else kept[1, 2].item(stream=stream) == 6
    assert kept.reshape(12)[3:5].to_host(stream=stream).tolist() == [3, 4]
    kept.to_device("cpu", stream=stream)


OPERATIONS: dict[str, Any] = {
    "making": lambda: (
        cu.from_host(there, device, stream=stream),
        cu.zeros((3, 4), "complex128", device=device, stream=stream),
        cu.empty_like(kept),
    ),
    "filling": filling,
    "strided": strided,
    "to gaps": to_gaps,
    "exporting": exporting,
    "importing": importing,
    "pinned": pinned,
    "numbers": numbers,
}


def state() -> Any:
    """Who looks at the array, and what is allocated."""
    return kept.buffer._exports, device.pool.used
