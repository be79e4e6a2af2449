"""What the tests of arrays share: arrays of any strides, a stream that is held, memory of each kind, programs of their own."""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache

import numpy as np

import cuda_unified as cu
from cubind import driver

# ---- a stream that does not go on until it is told to --------------------------------------------------------------

PTX = r"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry hold(.param .u64 p)
{
    .reg .pred %q;
    .reg .b32 %v;
    .reg .b64 %p;
    ld.param.u64 %p, [p];
AGAIN:
    ld.volatile.u32 %v, [%p];
    setp.eq.u32 %q, %v, 0;
    @%q bra AGAIN;
    ret;
}
"""


@cache
def _hold(context):
    with context:
        return driver.cuModuleGetFunction(driver.cuModuleLoadData(PTX.encode() + b"\0"), "hold")


@contextmanager
def held(stream):
    """Everything that the stream is given waits until the block ends; gives the gate, which open() opens before that."""
    with stream.context:
        pointer = int(driver.cuMemAllocHost(4))
        gate = ctypes.c_uint32.from_address(pointer)
        gate.value = 0
        driver.cuLaunchKernel(_hold(stream.context), 1, 1, 1, 1, 1, 1, 0, stream.handle, [pointer])
    try:
        yield gate
    finally:
        gate.value = 1
        stream.sync()
        with stream.context:
            driver.cuMemFreeHost(pointer)


def waits_for(later, earlier, act):
    """Whether act() makes work of one stream begin after what the other one has."""
    with held(earlier):
        act()
        event, end = later.record(), time.monotonic() + 0.05
        while not event.done and time.monotonic() < end:
            time.sleep(0.001)
        return not event.done


# ---- memory of every kind ------------------------------------------------------------------------------------------


class Pinned:
    """A resource of page-locked memory, or of managed memory."""

    def __init__(self, device, managed=False):
        self.device, self.flags = device, 7 if managed else 11
        self.freed = 0

    def allocate(self, size, stream=None):
        with self.device:
            pointer = driver.cuMemAllocManaged(size, 1) if self.flags == 7 else driver.cuMemAllocHost(size)
        return cu._native.make_buffer(int(pointer), size, self.device.context, self.flags, self, None, None)

    def deallocate(self, pointer, size, *, stream):
        self.freed += 1
        with self.device:
            driver.cuMemFree(pointer) if self.flags == 7 else driver.cuMemFreeHost(pointer)


def array_in(kind, device):
    """The numbers 0 to 11 in memory of the host, of a device, page-locked or managed."""
    there = np.arange(12, dtype="f4").reshape(3, 4)
    if kind == "host":
        return cu.as_array(there)
    return cu.from_host(there, device, resource=None if kind == "device" else Pinned(device, kind == "managed"))


def kind_of(array):
    return {1: "device", 2: "host", 7: "managed", 11: "pinned"}[array._flags]


# ---- arrays of NumPy's of any strides ------------------------------------------------------------------------------


def numbers(shape, dtype="i4"):
    return np.arange(1, math.prod(shape) + 1).astype(dtype).reshape(shape)


def strided(rng, shape, dtype="i4"):
    """A NumPy array of this shape with gaps, reversed and permuted dimensions."""
    order = rng.sample(range(len(shape)), len(shape))
    steps = [rng.choice([1, 1, 2, 3, -1, -2]) for _ in shape]
    whole = numbers([max(n * abs(s), 1) for n, s in zip(shape, steps, strict=True)], dtype)
    part = whole[(*(slice(None, None, s) for s in steps), ...)][(*(slice(0, n) for n in shape), ...)]
    inverse = [order.index(i) for i in range(len(shape))]
    return np.array(part.transpose(order), order="C").transpose(inverse) if rng.random() < 0.5 else part


def random_shape(rng, most=5):
    return tuple(rng.choice([0, 1, 1, 2, 3, 4, 5]) if rng.random() < 0.9 else 7 for _ in range(rng.randint(0, most)))


def on_device(array, device):
    """The same elements with the same strides on a device."""
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    if not array.size:
        return cu.empty(array.shape, array.dtype, device=device)
    start = array.__array_interface__["data"][0] - low
    raw = np.lib.stride_tricks.as_strided(array, (1,), (1,)).view("u1")[:0]
    raw = np.frombuffer((memory_at(low, high - low)), "u1")
    whole = cu.from_host(raw, device)
    return cu.Array.over(whole.buffer, array.shape, array.dtype, strides=array.strides, offset=start)


def memory_at(address, size):
    return (ctypes.c_ubyte * size).from_address(address)


# ---- programs ------------------------------------------------------------------------------------------------------


def run(program, **environment):
    """Runs a program in a process of its own; its output.  Anything on stderr fails, but for the choice of the device."""
    command = [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
