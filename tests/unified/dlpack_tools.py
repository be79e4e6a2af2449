"""DLPack's structs and table as ctypes sees them, and producers that say what a test wants."""

from __future__ import annotations

import ctypes

# ---- DLPack --------------------------------------------------------------------------------------------------------


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
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_GetName.restype = ctypes.c_char_p
api.PyCapsule_GetName.argtypes = [ctypes.py_object]
api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_void_p]
USED = {False: "used_dltensor", True: "used_dltensor_versioned"}


_names = {}  # a capsule does not copy its name


def _lasting(name):
    return ctypes.addressof(_names.setdefault(name, ctypes.create_string_buffer(name)))


def new_capsule(address, name):
    return api.PyCapsule_New(address, _lasting(name), None)


def mark_used(capsule):
    """What a consumer does."""
    api.PyCapsule_SetName(capsule, _lasting(b"used_" + api.PyCapsule_GetName(capsule)))


def name_of(capsule):
    return api.PyCapsule_GetName(capsule).decode()


def look(capsule):
    """The struct that a capsule holds."""
    name = api.PyCapsule_GetName(capsule)
    kind = Versioned if b"versioned" in name else Legacy
    struct = kind.from_address(api.PyCapsule_GetPointer(capsule, name))
    struct.keeps = capsule
    return struct


_every = []


class Producer:
    """A tensor of its own making, with everything in it that a test wants: counts how often its deleter is called."""

    def __init__(
        self,
        data=0,
        shape=(),
        strides=None,
        *,
        dtype=(2, 32, 1),
        device=(1, 0),
        versioned=True,
        version=(1, 0),
        flags=0,
        offset=0,
        owner=None,
        deleter=True,
        claims=None,
    ):
        self.deleted, self.asked = 0, []
        _every.append(self)  # an array knows the struct, not this object
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
        self.capsule = new_capsule(ctypes.addressof(self.struct), self.name)
        return self.capsule


class Wrapped:
    """A capsule as an object."""

    def __init__(self, capsule, device):
        self.capsule, self.device = capsule, device

    def __dlpack__(self, **_):
        return self.capsule

    def __dlpack_device__(self):
        return self.device


# ---- DLPack's table of C functions ---------------------------------------------------------------------------------

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
