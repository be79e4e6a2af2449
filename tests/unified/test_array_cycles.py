"""Arrays in cycles: what an array keeps may lead back to it, and then the garbage collector ends both."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu


class Exports:
    """Memory of another library; `array` is what was made of it."""

    array: Any

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": (4,), "typestr": "<f4", "data": (self.buffer.pointer, False), "version": 3}


class Interface:
    array: Any

    def __init__(self) -> None:
        self.there = np.zeros(4, "f4")
        self.__array_interface__ = self.there.__array_interface__


class Bytes(bytearray):
    array: Any


@pytest.mark.parametrize("through", ["view", "slice of a view"])
@pytest.mark.parametrize("kind", ["cuda", "interface", "buffer", "own buffer"])
def test_a_cycle_ends(device: Any, kind: str, through: str) -> None:
    owner: Any
    if kind == "own buffer":
        owner = Interface()
        memory = cu.Buffer.from_handle(owner.there.ctypes.data, 16, owner=owner, kind="host")
        owner.array = cu.Array.over(memory, 4, "float32")
        del memory
    else:
        make = {
            "cuda": lambda: Exports(device.allocate(16)),
            "interface": Interface,
            "buffer": lambda: Bytes(16),
        }[kind]
        owner = make()
        read: Any = {"cuda": cu.from_cuda_array_interface, "buffer": cu.from_buffer}.get(kind, cu.from_array_interface)
        owner.array = read(owner)
    if through != "view":
        owner.array = owner.array[1:3]
    alive = weakref.ref(owner)
    assert owner.array is not None
    del owner
    gc.collect()
    assert alive() is None


def test_only_those_that_may_be_in_a_cycle_cost_the_collector_anything(device: Any) -> None:
    for array in (
        cu.zeros(3, device=device),
        cu.zeros(3, device=device)[1:],
        cu.as_array(np.zeros(3)),
        cu.from_array_interface(np.zeros(3)),
        cu.as_array(bytearray(8)),
    ):
        assert not gc.is_tracked(array)
    assert gc.is_tracked(cu.from_cuda_array_interface(Exports(device.allocate(16))))


def test_an_array_that_ends_in_a_collection_is_whole_before(device: Any) -> None:
    """The methods of what is collected may still use it."""
    seen = []

    class Holder(Exports):
        def __del__(self) -> None:
            seen.append((self.array.shape, self.array[1:].to_host().tolist()))

    holder = Holder(device.allocate(16))
    holder.buffer.fill(0)
    holder.array = cu.as_array(holder)
    del holder
    gc.collect()
    assert seen == [((4,), [0.0, 0.0, 0.0])]
