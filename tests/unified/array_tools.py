"""What the tests of arrays share: a stream that is held, DLPack's structs as ctypes sees them, programs of their own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache

from cubind import driver

import cuda_unified as cu

# ---- a stream that does not go on until it is told to --------------------------------------------------------------------

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


# ---- memory of every kind -----------------------------------------------------------------------------------------------------


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


# ---- DLPack ----------------------------------------------------------------------------------------------------------------------


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Legacy(ctypes.Structure):
    _fields_ = [("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_GetName.restype = ctypes.c_char_p
api.PyCapsule_GetName.argtypes = [ctypes.py_object]
api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
USED = {False: b"used_dltensor", True: b"used_dltensor_versioned"}
_names = [ctypes.create_string_buffer(b) for b in USED.values()]  # a capsule does not copy its name


def name_of(capsule):
    return api.PyCapsule_GetName(capsule).decode()


def look(capsule):
    """The struct that a capsule holds."""
    name = api.PyCapsule_GetName(capsule)
    kind = Versioned if b"versioned" in name else Legacy
    struct = kind.from_address(api.PyCapsule_GetPointer(capsule, name))
    struct.keeps = capsule
    return struct


class Producer:
    """A tensor of its own making, with everything in it that a test wants: counts how often its deleter is called."""

    def __init__(self, data=0, shape=(), strides=None, *, dtype=(2, 32, 1), device=(1, 0), versioned=True, version=(1, 0),
                 flags=0, offset=0, owner=None, deleter=True, claims=None):  # fmt: skip
        self.deleted, self.asked = 0, []
        self.owner, self.device = owner, claims or device
        self.shape = (ctypes.c_int64 * max(len(shape), 1))(*shape)
        self.strides = None if strides is None else (ctypes.c_int64 * max(len(strides), 1))(*strides)
        tensor = Tensor(data, *device, len(shape), *dtype, self.shape, self.strides, offset)
        self.callback = DELETER(self._delete)
        call = ctypes.cast(self.callback, ctypes.c_void_p) if deleter else None
        self.struct = Versioned(*version, None, call, flags, tensor) if versioned else Legacy(tensor, None, call)
        self.name = b"dltensor_versioned" if versioned else b"dltensor"

    def _delete(self, _):
        self.deleted += 1

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **keywords):
        self.asked.append(keywords)
        self.capsule = api.PyCapsule_New(ctypes.addressof(self.struct), self.name, None)
        return self.capsule


# ---- DLPack's table of C functions ---------------------------------------------------------------------------------------------

SET_ERROR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
OUT = ctypes.POINTER(ctypes.c_void_p)
ALLOCATOR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Tensor), OUT, ctypes.c_void_p, SET_ERROR)  # without the GIL
FROM_OBJECT = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, OUT)
TO_OBJECT = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.py_object))
TENSOR_OF = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Tensor))
WORK_STREAM = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, OUT)


class Exchange(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("older", ctypes.c_void_p),
        ("allocator", ALLOCATOR),
        ("from_object", FROM_OBJECT),
        ("to_object", TO_OBJECT),
        ("tensor_of", TENSOR_OF),
        ("work_stream", WORK_STREAM),
    ]


def exchange_of(kind):
    """The table of a type."""
    return Exchange.from_address(api.PyCapsule_GetPointer(kind.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))


# ---- programs ---------------------------------------------------------------------------------------------------------------------


def run(program, **environment):
    """Runs a program in a process of its own; its output.  Anything on stderr fails, but for the choice of the device."""
    command = [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
