"""What the columns have in common: kernels and their arguments."""

from __future__ import annotations

import ctypes
from typing import Any

_PARAMETERS = {"k0": [], "k3": ["u64", "u32", "f32"], "k16": ["u64"] * 16}


def image() -> bytes:
    """PTX of three kernels that do nothing: k0, k3 (a pointer, an int, a float) and k16 (16 times 64 bits)."""
    text = ".version 7.0\n.target sm_75\n.address_size 64\n"
    for name, types in _PARAMETERS.items():
        params = ", ".join(f".param .{kind} {name}_{i}" for i, kind in enumerate(types))
        text += f".visible .entry {name}({params}) {{ ret; }}\n"
    return text.encode() + b"\0"


def arguments(pointer: int) -> tuple[Any, Any, Any, Any]:
    """Values for k3 and for k16, and the same as (values, ctypes classes)."""
    values3, values16 = (pointer, 7, 2.5), tuple(range(16))
    types3, types16 = (ctypes.c_void_p, ctypes.c_int, ctypes.c_float), (ctypes.c_uint64,) * 16
    return values3, values16, (values3, types3), (values16, types16)


class OnlyInterface:
    """An object that shows an array's memory by `__array_interface__` alone."""

    def __init__(self, array: Any) -> None:
        self.__array_interface__ = array.__array_interface__
        self.kept = array


def packed() -> tuple[int, Any]:
    """The address of 16 addresses of values, as a launch wants it, and what keeps them alive."""
    words = (ctypes.c_uint64 * 16)(*range(16))
    pointers = (ctypes.c_void_p * 16)(*(ctypes.addressof(words) + 8 * i for i in range(16)))
    return ctypes.addressof(pointers), (words, pointers)
