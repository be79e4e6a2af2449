"""The CPU device's driver API: tensor maps are checked as the documentation has it."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

HELPERS = """
import ctypes
library = ctypes.CDLL(LIBRARY)
T = {"u8": 0, "u16": 1, "f16": 6, "f32": 7, "u4": 13, "u4wide": 14}
U32, U64, I32 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int
room = ctypes.create_string_buffer(256)
at = (ctypes.addressof(room) + 63) // 64 * 64
A = 1 << 40

def bytes_at(): return ctypes.string_at(at, 128)

GOOD = dict(out=at, type="f32", address=A, dims=(100, 50, 20), strides=(400, 20000), box=(4, 8, 2), steps=(1, 1, 1), interleave=0, swizzle=0,
            promotion=0, fill=0)

def arrays(values, type): return (type * max(len(values), 1))(*values) if values is not None else None

def tiled(**changes):
    g = GOOD | changes
    kind = T.get(g["type"], g["type"])
    return library.cuTensorMapEncodeTiled(ctypes.c_void_p(g["out"]), kind, g.get("rank", len(g["dims"])), ctypes.c_void_p(g["address"]), arrays(g["dims"], U64),
        arrays(g["strides"], U64), arrays(g["box"], U32), arrays(g["steps"], U32), g["interleave"], g["swizzle"], g["promotion"], g["fill"])

def im2col(**changes):
    g = GOOD | dict(dims=(64, 30, 30, 8), strides=(256, 7680, 230400), steps=(1, 1, 1, 1), lower=(-1, -1), upper=(1, 1), channels=64, pixels=128) | changes
    return library.cuTensorMapEncodeIm2col(ctypes.c_void_p(g["out"]), T[g["type"]], g.get("rank", len(g["dims"])), ctypes.c_void_p(g["address"]),
        arrays(g["dims"], U64), arrays(g["strides"], U64), arrays(g["lower"], I32), arrays(g["upper"], I32), g["channels"], g["pixels"],
        arrays(g["steps"], U32), g["interleave"], g["swizzle"], g["promotion"], g["fill"])

def wide(**changes):
    g = GOOD | dict(dims=(64, 30, 30, 8), strides=(256, 7680, 230400), steps=(1, 1, 1, 1), lower=-1, upper=1, channels=32, pixels=128, mode=0,
                    swizzle=3) | changes
    return library.cuTensorMapEncodeIm2colWide(ctypes.c_void_p(g["out"]), T[g["type"]], g.get("rank", len(g["dims"])), ctypes.c_void_p(g["address"]),
        arrays(g["dims"], U64), arrays(g["strides"], U64), g["lower"], g["upper"], g["channels"], g["pixels"], arrays(g["steps"], U32), g["interleave"],
        g["mode"], g["swizzle"], g["promotion"], g["fill"])
"""


def on_maps(script: str, cc: str = "9.0") -> None:
    on_cpu(HELPERS + textwrap.dedent(script), CPU_DEVICE_CC=cc)


def test_tiled() -> None:
    on_maps("""
    assert tiled() == 0
    first = bytes_at()
    assert any(first) and tiled() == 0 and bytes_at() == first
    for change in (dict(address=A + 16), dict(type="f16", box=(8, 8, 2)), dict(dims=(100, 50, 21)), dict(box=(4, 8, 3)), dict(strides=(416, 20000)),
                   dict(steps=(1, 2, 1)), dict(promotion=2), dict(fill=1), dict(swizzle=3), dict(dims=(100,), strides=(), box=(4,), steps=(1,)),
                   dict(interleave=1), dict(interleave=2, swizzle=1, strides=(416, 20000 // 32 * 32))):
        assert tiled(**change) == 0, change
        assert bytes_at() != first, change                     # all of it is in the map
    assert tiled(steps=(77, 1, 1)) == 0 and bytes_at() == first  # the innermost step means nothing without interleaving
    bad = [dict(out=at + 32), dict(out=0), dict(type=99), dict(rank=0), dict(rank=6), dict(address=A + 8), dict(address=0), dict(dims=(0, 50, 20)),
           dict(dims=((1 << 32) + 1, 50, 20)), dict(strides=(404, 20000)), dict(strides=(1 << 40, 20000)), dict(strides=None), dict(box=(3, 8, 2)),
           dict(box=(4, 257, 2)), dict(box=(4, 0, 2)), dict(box=None), dict(steps=(1, 9, 1)), dict(steps=(1, 0, 1)), dict(interleave=3), dict(swizzle=7),
           dict(promotion=4), dict(fill=2), dict(type="u8", box=(16, 8, 2), fill=1), dict(swizzle=1, box=(16, 8, 2)), dict(swizzle=2, box=(32, 8, 2)),
           dict(interleave=2), dict(interleave=2, swizzle=1, address=A + 16), dict(interleave=1, dims=(100, 50), strides=(400,), box=(4, 8), steps=(1, 1)),
           dict(type="u4wide", dims=(128, 50, 20), strides=(64, 3200), box=(64, 8, 2)), dict(type="u4", dims=(101, 50, 20), box=(32, 8, 2))]
    before = bytes_at()
    for change in bad:
        assert tiled(**change) == 1, change
    assert bytes_at() == before
    assert tiled(type="u4wide", dims=(128, 50, 20), strides=(64, 3200), box=(128, 8, 2)) == 0
    """)


def test_im2col() -> None:
    on_maps("""
    assert im2col() == 0
    first = bytes_at()
    for change in (dict(lower=(-2, -1)), dict(upper=(1, 0)), dict(channels=32), dict(pixels=1024), dict(lower=(-128, 127))):
        assert im2col(**change) == 0 and bytes_at() != first, change
    for change in (dict(lower=(-129, 0)), dict(upper=(0, 128)), dict(channels=257), dict(channels=0), dict(pixels=1025), dict(pixels=0), dict(lower=None),
                   dict(upper=None), dict(dims=(64, 30), strides=(256,), steps=(1, 1))):
        assert im2col(**change) == 1, change
    assert tiled() == 0 and bytes_at() != first
    """)


def test_wide_im2col() -> None:
    on_maps(
        """
    assert wide() == 0
    first = bytes_at()
    for change in (dict(lower=-32768), dict(upper=32767), dict(channels=16), dict(pixels=1024), dict(mode=1), dict(swizzle=4), dict(swizzle=2, channels=16),
                   dict(lower=29, upper=0)):
        assert wide(**change) == 0 and bytes_at() != first, change
    assert wide(mode=1, pixels=0) == 0                           # that mode has a number of its own
    for change in (dict(lower=-32769), dict(upper=32768), dict(lower=31, upper=1), dict(channels=257), dict(channels=0), dict(pixels=1025), dict(pixels=0),
                   dict(mode=2), dict(swizzle=0), dict(swizzle=1), dict(swizzle=5), dict(swizzle=2), dict(dims=(64, 30), strides=(256,), steps=(1, 1))):
        assert wide(**change) == 1, change
    """,
        "10.0",
    )
    on_maps("assert wide() == 801 and im2col() == 0")


def test_replacing_the_address() -> None:
    on_maps("""
    replace = lambda out, address: library.cuTensorMapReplaceAddress(ctypes.c_void_p(out), ctypes.c_void_p(address))
    assert tiled(address=A + 64) == 0
    want = bytes_at()
    assert tiled() == 0 and replace(at, A + 64) == 0 and bytes_at() == want
    assert replace(at, A + 8) == replace(at, 0) == replace(0, A) == replace(at + 32, A) == 1 and bytes_at() == want
    ctypes.memset(at, 0, 128)
    assert replace(at, A) == 1                                  # no map
    """)


def test_older_devices_have_none() -> None:
    on_maps(
        "assert tiled() == im2col() == library.cuTensorMapReplaceAddress(ctypes.c_void_p(at), ctypes.c_void_p(A)) == 801",
        "8.9",
    )
