"""What stands for CuPy, PyTorch and RMM where they are not, as far as allocators go; by their documented interfaces."""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cuda_unified as cu


class CupyPointer:
    """cupy.cuda.MemoryPointer"""

    def __init__(self, memory: Any, offset: int) -> None:
        self.memory, self.ptr = memory, memory.ptr + offset


class CupyUnowned:
    """cupy.cuda.UnownedMemory"""

    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        assert isinstance(ptr, int) and isinstance(size, int) and device_id == 0
        self.ptr, self.size, self.owner = ptr, size, owner


def cupy(stream: Any) -> Any:
    """https://docs.cupy.dev/en/stable/reference/cuda.html; stream: its current one; `cuda.seen`: what was made current."""
    seen: list[Any] = []

    @contextmanager
    def at(kind: str, *arguments: Any) -> Iterator[Any]:
        seen.append((kind, *arguments))
        yield types.SimpleNamespace(id=0)

    class Device:
        id = 0

        def __new__(cls, *arguments: Any) -> Any:
            return at("device", *arguments) if arguments else object.__new__(cls)

    cuda = types.SimpleNamespace(
        Device=Device,
        ExternalStream=lambda pointer, ordinal: at("stream", pointer, ordinal),
        get_current_stream=lambda: types.SimpleNamespace(ptr=stream.address),
        UnownedMemory=CupyUnowned,
        MemoryPointer=CupyPointer,
        alloc=None,
        seen=seen,
    )
    return types.SimpleNamespace(cuda=cuda)


class CUDAPluggableAllocator:
    """torch.cuda.memory.CUDAPluggableAllocator: it calls the two C functions of a shared object."""

    def __init__(self, path: str, allocate: str, free: str) -> None:
        library = ctypes.CDLL(path)
        self.allocate, self.free = getattr(library, allocate), getattr(library, free)
        self.allocate.restype = ctypes.c_void_p
        self.allocate.argtypes = [ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p]
        self.free.restype = None
        self.free.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p]


def torch() -> Any:
    """Pluggable allocators, and an allocator of its own: `cuda.live` is what it gave, `cuda.calls` how it was asked."""
    live: dict[int, Any] = {}
    calls: list[tuple[int, int, int]] = []

    def allocate(size: int, device: int = 0, stream: int = 0) -> int:
        buffer = cu.Device(device).pool.allocate(size, cu.Stream.from_handle(stream))
        live[buffer.pointer] = buffer
        calls.append((size, device, stream))
        return buffer.pointer

    cuda = types.SimpleNamespace(
        memory=types.SimpleNamespace(CUDAPluggableAllocator=CUDAPluggableAllocator),
        caching_allocator_alloc=allocate,
        caching_allocator_delete=lambda pointer: live.pop(pointer).close(),
        live=live,
        calls=calls,
    )
    return types.SimpleNamespace(cuda=cuda)


class RmmStream:
    """rmm.pylibrmm.stream.Stream"""

    def __init__(self, obj: Any) -> None:
        self._stream = obj.__cuda_stream__()

    def __cuda_stream__(self) -> tuple[int, int]:
        version, handle = self._stream
        return version, handle


class CallbackMemoryResource:
    """rmm.mr.CallbackMemoryResource: calls back with (size, stream) and (pointer, size, stream)."""

    def __init__(self, allocate_func: Callable[..., int], deallocate_func: Callable[..., None]) -> None:
        self._allocate, self._deallocate = allocate_func, deallocate_func

    def allocate(self, nbytes: int, stream: Any) -> int:
        assert isinstance(stream, RmmStream)
        return self._allocate(nbytes, stream)

    def deallocate(self, ptr: int, nbytes: int, stream: Any) -> None:
        assert isinstance(stream, RmmStream)
        self._deallocate(ptr, nbytes, stream)


def rmm() -> dict[str, Any]:
    """https://docs.rapids.ai/api/rmm/stable/: name -> module."""
    stream = types.SimpleNamespace(Stream=RmmStream)
    module = types.SimpleNamespace(mr=types.SimpleNamespace(CallbackMemoryResource=CallbackMemoryResource))
    return {"rmm": module, "rmm.pylibrmm": types.SimpleNamespace(stream=stream), "rmm.pylibrmm.stream": stream}
