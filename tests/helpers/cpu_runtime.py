"""Processes that use the runtime API on the CPU device, and its library."""

from __future__ import annotations

import sysconfig
import textwrap
from pathlib import Path

from .cpu import KERNELS, on_device
from .fakes import PACKAGE

LIBRARY = PACKAGE / "_cpu" / "libcudart.so.13"
VENDORS = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "lib" / LIBRARY.name

PRELUDE = """
import ctypes, threading
import cubind
from cubind import runtime as r

def name(call, *arguments):
    "The name of the status that a call fails with."
    try:
        call(*arguments)
    except cubind.CudaError as error:
        return error.name
    return "cudaSuccess"

def library(text=None):
    return r.cudaLibraryLoadData((text or KERNELS).encode() + b"\\0", None, None, None, None, None, None)

def kernel(which):
    global loaded
    loaded = loaded or library()
    return r.cudaLibraryGetKernel(loaded, which)

def launch(which, *arguments, grid=1, block=1, stream=None, shared=0):
    r.cudaLaunchKernel(int(kernel(which)), r.dim3(x=grid, y=1, z=1), r.dim3(x=block, y=1, z=1), arguments, shared, stream)

def words(pointer, n):
    room = bytearray(4 * n)
    r.cudaMemcpy(room, pointer, 4 * n, r.cudaMemcpyDefault)
    return list(memoryview(room).cast("I"))

def extent(width, height, depth):
    return r.cudaExtent(width=width, height=height, depth=depth)

def pos(x, y, z):
    return r.cudaPos(x=x, y=y, z=z)

def pitched(address, pitch, width, height):
    return r.cudaPitchedPtr(ptr=address, pitch=pitch, xsize=width, ysize=height)

loaded = None
"""


def on_runtime(script: str, *arguments: str, status: int = 0, timeout: float = 60, **changes: str) -> str:
    """Runs a script on the CPU device with the kernels of helpers/cpu.py and a few helpers; what it printed."""
    text = f"KERNELS = {KERNELS!r}\n{PRELUDE}\n{textwrap.dedent(script)}"
    return on_device(text, *arguments, status=status, timeout=timeout, **changes)
