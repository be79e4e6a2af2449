"""Memory shared with other libraries' allocators: theirs that allocate through a resource of ours, and resources that
allocate through theirs.

The libraries are imported only when a plug-in of theirs is used.
"""

from __future__ import annotations

from _thread import RLock

from . import _native
from .memory import Buffer, _device, _size
from .pool import Pool
from .resources import MemoryResource
from .stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .device import Device

# ---- they allocate through us ------------------------------------------------------------------------------


def _borrow(stream: int, device: Device) -> Stream:
    """A stream of another library; 0 means the default stream."""
    return Stream.from_handle(stream, device=device) if stream else device.default_stream


class _Ledger:
    """Allocations of a library that knows only pointers: the Buffer of each."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self._lock = RLock()
        self._live: dict[int, Buffer] = {}

    def allocate(self, size: int, stream: Any) -> int:
        buffer = self.resource.allocate(size, stream)
        pointer = int(buffer.pointer)
        if size:
            with self._lock:
                self._live[pointer] = buffer
        return pointer

    def free(self, pointer: int, stream: Any) -> None:
        with self._lock:
            buffer = self._live.pop(pointer, None)
        if buffer is None:
            raise ValueError(f"{pointer:#x} was not allocated here, or was freed before")
        buffer.close(stream)


def as_cupy_allocator(resource: Any) -> Callable[[int], Any]:
    """A function for `cupy.cuda.set_allocator()`: CuPy's arrays get their memory from the resource, in the order of
    CuPy's current stream.

    https://docs.cupy.dev/en/stable/user_guide/memory.html
    """

    def allocate(size: int) -> Any:
        import cupy  # type: ignore[import-not-found,unused-ignore]

        device = _device(getattr(resource, "device", None) or cupy.cuda.Device().id)
        buffer = resource.allocate(size, _borrow(cupy.cuda.get_current_stream().ptr, device))
        memory = cupy.cuda.UnownedMemory(buffer.pointer, size, buffer, device.ordinal)
        return cupy.cuda.MemoryPointer(memory, 0)

    return allocate


_torch: dict[int, _Ledger] = {}
_torch_others: _Ledger | None = None
_torch_live: dict[int, _Ledger] = {}


def plug_torch(resource: Any) -> tuple[str, str, str]:
    """Lets the two C functions for PyTorch allocate from the resource: (path of the shared object, name, name).

    There is one pair a process, with a resource for each device: that of `resource.device`, or all others where it has
    none.  A Pool is used without taking the GIL.  Setting another for the same device raises RuntimeError: PyTorch may
    hold memory of the first.
    """
    global _torch_others  # noqa: PLW0603
    device = getattr(resource, "device", None)
    if (device is None and _torch_others) or (device is not None and device.ordinal in _torch):
        raise RuntimeError("PyTorch allocates from another resource already; it can be chosen once a process")
    if not _torch and _torch_others is None:
        _native.plug_functions(_torch_allocate, _torch_free)
    ledger = _Ledger(resource)
    if device is None:
        _torch_others = ledger
    else:
        _torch[device.ordinal] = ledger
        if isinstance(resource, Pool):
            _native.plug_pool(device.ordinal, resource)
    return str(_native.__file__), "cuda_unified_torch_alloc", "cuda_unified_torch_free"


def _torch_allocate(size: int, ordinal: int, stream: int) -> int:
    device = _device(ordinal)
    ledger = _torch.get(ordinal, _torch_others)
    if ledger is None:
        raise RuntimeError(
            f"no resource was set for {device!r}: use as_torch_allocator(resource) with one of that device"
        )
    pointer = ledger.allocate(size, _borrow(stream, device))
    _torch_live[pointer] = ledger
    return pointer


def _torch_free(pointer: int, size: int, ordinal: int, stream: int) -> None:
    ledger = _torch_live.pop(pointer, None)
    if ledger is None:
        raise ValueError(f"{pointer:#x} was not allocated here, or was freed before")
    ledger.free(pointer, _borrow(stream, _device(ordinal)))


def as_torch_allocator(resource: Any) -> Any:
    """A `torch.cuda.memory.CUDAPluggableAllocator` for `torch.cuda.memory.change_current_allocator()`: PyTorch
    allocates from the resource.

    Once a process and device, before PyTorch's first allocation; needs PyTorch with CUDA.  PyTorch asks it for every
    tensor: give it a Pool. An error of the resource is reported through `sys.unraisablehook`, and PyTorch sees a null
    pointer.

    https://docs.pytorch.org/docs/stable/notes/cuda.html#using-custom-memory-allocators-for-cuda
    """
    import torch  # type: ignore[import-not-found,unused-ignore]

    return torch.cuda.memory.CUDAPluggableAllocator(*plug_torch(resource))


def as_rmm_resource(resource: Any) -> Any:
    """An `rmm.mr.CallbackMemoryResource`: RMM, and the libraries that use it, allocate from the resource.

    https://docs.rapids.ai/api/rmm/stable/
    """
    import rmm  # type: ignore[import-not-found,unused-ignore]

    ledger = _Ledger(resource)

    def at(stream: Any) -> Any:
        return None if stream is None else _borrow(_stream_number(stream), _device(getattr(resource, "device", None)))

    return rmm.mr.CallbackMemoryResource(
        lambda size, stream=None: ledger.allocate(size, at(stream)),
        lambda pointer, size, stream=None: ledger.free(pointer, at(stream)) if size else None,
    )


def _stream_number(stream: Any) -> int:
    """The handle of a stream of a library: an int, or an object with `__cuda_stream__`."""
    from .stream import stream_number

    return stream_number(stream)


# ---- we allocate through them ------------------------------------------------------------------------------


class _Foreign(MemoryResource):
    """A resource that keeps another library's objects until their memory comes back."""

    def __init__(self, device: Device | int | None = None) -> None:
        self._device = _device(device)
        self._lock = RLock()
        self._live: dict[int, Any] = {}

    @property
    def device(self) -> Device:
        """The device of the memory."""
        return self._device

    def allocate(self, size: int, stream: Stream | Any = None) -> Buffer:
        """Gives `size` bytes, in the order of the stream."""
        size = _size(size)
        at: Stream = _native.as_stream(stream, self._device.context)
        pointer, held = self._take(size, at) if size else (0, None)
        if size:
            with self._lock:
                self._live[pointer] = held
        return self.buffer(pointer, size, at, device=self._device)

    def deallocate(self, pointer: int, size: int, *, stream: Stream | None) -> None:
        """Gives memory back, in the order of the stream."""
        if size:
            with self._lock:
                held = self._live.pop(pointer)
            self._give(pointer, size, held, stream)

    def _take(self, size: int, stream: Stream) -> tuple[int, Any]:
        raise NotImplementedError

    def _give(self, pointer: int, size: int, held: Any, stream: Stream | None) -> None:
        """By default the memory ends with the object that holds it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._device!r})"


class CupyResource(_Foreign):
    """Memory from CuPy's current allocator (by default its pool), or from `allocator(size) -> cupy.cuda.MemoryPointer`.

    https://docs.cupy.dev/en/stable/user_guide/memory.html
    """

    def __init__(self, device: Device | int | None = None, allocator: Callable[[int], Any] | None = None) -> None:
        super().__init__(device)
        self._allocator = allocator

    def _take(self, size: int, stream: Stream) -> tuple[int, Any]:
        import cupy  # type: ignore[import-not-found,unused-ignore]

        with cupy.cuda.Device(self._device.ordinal), cupy.cuda.ExternalStream(stream.address, self._device.ordinal):
            memory = (self._allocator or cupy.cuda.alloc)(size)
        return int(memory.ptr), memory


class TorchResource(_Foreign):
    """Memory from PyTorch's caching allocator.

    https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.caching_allocator_alloc.html
    """

    def _take(self, size: int, stream: Stream) -> tuple[int, Any]:
        import torch  # type: ignore[import-not-found,unused-ignore]

        return int(torch.cuda.caching_allocator_alloc(size, self._device.ordinal, stream.address)), None

    def _give(self, pointer: int, size: int, held: Any, stream: Stream | None) -> None:
        import torch  # type: ignore[import-not-found,unused-ignore]

        torch.cuda.caching_allocator_delete(pointer)


class RmmResource(_Foreign):
    """Memory from a resource of RMM: the device's current one, or `resource`.

    https://docs.rapids.ai/api/rmm/stable/
    """

    def __init__(self, device: Device | int | None = None, resource: Any = None) -> None:
        super().__init__(device)
        self._resource = resource

    def _take(self, size: int, stream: Stream) -> tuple[int, Any]:
        import rmm  # type: ignore[import-not-found,unused-ignore]

        resource = self._resource or rmm.mr.get_per_device_resource(self._device.ordinal)
        with self._device:
            return int(resource.allocate(size, self._stream(stream))), resource

    def _give(self, pointer: int, size: int, held: Any, stream: Stream | None) -> None:
        with self._device:
            held.deallocate(pointer, size, self._stream(stream))

    def _stream(self, stream: Stream | None) -> Any:
        from rmm.pylibrmm.stream import Stream as RmmStream  # type: ignore[import-not-found,unused-ignore]

        return RmmStream(self._device.default_stream if stream is None else stream)
