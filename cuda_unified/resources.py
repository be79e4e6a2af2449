"""Where memory comes from: one interface, `allocate(size, stream=None) -> Buffer`, for pools, the other kinds that
CUDA has, and one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cubind import CudaError, NotSupportedError, driver

from . import _native
from ._records import NamedTuple
from .errors import DeviceMismatchError
from .memory import (
    BY_DEVICE,
    BY_HOST,
    FREED_HOST,
    FREED_SYNC,
    IS_MANAGED,
    IS_PINNED,
    IS_READ_ONLY,
    KINDS,
    NOT_FREED,
    UNREGISTERED,
    Buffer,
    _device,
    _size,
)
from .pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .device import Device
    from .stream import Stream


class MemoryResource(ABC):
    """Gives memory.  Pools and all resources of this package are of this class; derive from it for your own:

        class Mine(cu.MemoryResource):
            def allocate(self, size, stream=None):
                return self.buffer(my_malloc(size), size, stream)

            def deallocate(self, pointer, size, *, stream):
                my_free(pointer)

    `deallocate` is called once for each such Buffer, when it is closed or dropped, in whatever thread that happens;
    not after the interpreter began to end, nor in the child of a fork.  The buffers keep the resource alive.
    """

    kind = "device"
    """"device", "pinned", "managed" or "host": what `buffer()` makes"""

    @property
    def device(self) -> Device | None:
        """The device of the memory; None: the host's own."""
        return None

    @property
    def is_device_accessible(self) -> bool:
        """Whether kernels may use the memory."""
        return bool(KINDS[self.kind] & BY_DEVICE)

    @property
    def is_host_accessible(self) -> bool:
        """Whether the host may use the memory."""
        return bool(KINDS[self.kind] & BY_HOST)

    @property
    def is_managed(self) -> bool:
        """Whether the memory moves between host and devices."""
        return bool(KINDS[self.kind] & IS_MANAGED)

    @property
    def is_pinned(self) -> bool:
        """Whether it is page-locked memory of the host."""
        return bool(KINDS[self.kind] & IS_PINNED)

    @abstractmethod
    def allocate(self, size: int, stream: Stream | Any = None) -> Buffer:
        """Gives `size` bytes that work of the stream (default: the current one) may use from now on."""

    def deallocate(self, pointer: int, size: int, *, stream: Stream | None) -> None:
        """Takes back what `buffer()` made a Buffer of, in the order of the stream; None: at once."""
        raise NotImplementedError(f"{type(self).__name__} has no deallocate()")

    def buffer(self, pointer: int, size: int, stream: Stream | Any = None, *, device: Device | None = None) -> Buffer:
        """A Buffer of `size` bytes at `pointer` that comes back to `deallocate()`, in the order of `stream`.

        device: whose memory it is (default: that of the resource, else the current one; none for kind "host").
        """
        size = _size(size)
        context = None if self.kind == "host" else _device(device or self.device).context
        at = None if stream is None else _native.as_stream(stream, context)
        made: Buffer = _native.make_buffer(pointer, size, context, KINDS[self.kind], self, None, at)
        return made


MemoryResource.register(Pool)


def fit(device: Device, resource: Any) -> Any:
    """Checks what is set as `device.resource`."""
    if resource is None:
        return None
    if not callable(getattr(resource, "allocate", None)):
        raise TypeError(f"a memory resource has allocate(size, stream=None); {type(resource).__name__} has not")
    other = getattr(resource, "device", None)
    if other is not None and other is not device:
        raise DeviceMismatchError(f"this {type(resource).__name__} gives memory of {other!r}, not of {device!r}")
    return resource


def made_by_driver(resource: Any, device: Device, size: int, how: int, call: Any, class_: type = Buffer) -> Any:
    """A Buffer of what a function of the driver allocates, freed without Python; nothing is allocated for size 0."""
    pointer, size = 0, _size(size)
    context = device.context
    if size:
        with context:
            try:
                pointer = int(call())
            except CudaError as error:
                error.arguments = f"size={size}"
                raise
    try:
        return _native.make_buffer(
            pointer, size, context, KINDS[resource.kind], resource, None, None, how if size else NOT_FREED, class_
        )
    except BaseException:
        with context:
            (driver.cuMemFreeHost if how == FREED_HOST else driver.cuMemFree)(pointer)
        raise


class SyncResource(MemoryResource):
    """Memory of a device that is there at once; freeing it waits for all work of the device.

    `OutOfMemoryError` where there is too little.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """

    def __init__(self, device: Device | int | None = None) -> None:
        self._device = _device(device)

    @property
    def device(self) -> Device:
        """The device of the memory."""
        return self._device

    def allocate(self, size: int, stream: Stream | Any = None) -> Buffer:
        """Gives `size` bytes; a stream has no part in it."""
        buffer: Buffer = made_by_driver(self, self._device, size, FREED_SYNC, lambda: driver.cuMemAlloc(size))
        return buffer

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._device!r})"


class PinnedResource(MemoryResource):
    """Page-locked memory of the host, which devices use directly and copies from and to which are asynchronous.

    portable: pinned for all devices, not only `device`.  mapped: kernels may use it.  write_combined: faster for
    devices to read, very slow for the host to read.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """

    kind = "pinned"

    def __init__(
        self,
        device: Device | int | None = None,
        *,
        portable: bool = True,
        mapped: bool = True,
        write_combined: bool = False,
    ) -> None:
        self._device = _device(device)
        self.portable, self.mapped, self.write_combined = portable, mapped, write_combined
        self._alloc_flags = (
            (driver.CU_MEMHOSTALLOC_PORTABLE if portable else 0)
            | (driver.CU_MEMHOSTALLOC_DEVICEMAP if mapped else 0)
            | (driver.CU_MEMHOSTALLOC_WRITECOMBINED if write_combined else 0)
        )

    @property
    def device(self) -> Device:
        """The device that it was made for."""
        return self._device

    def allocate(self, size: int, stream: Stream | Any = None) -> Buffer:
        """Gives `size` bytes; a stream has no part in it."""
        buffer: Buffer = made_by_driver(
            self, self._device, size, FREED_HOST, lambda: driver.cuMemHostAlloc(size, self._alloc_flags)
        )
        return buffer

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._device!r})"


def register_host(
    array: Any, *, device: Device | int | None = None, portable: bool = True, readonly: bool | None = None
) -> Buffer:
    """Page-locks the memory of an array of the host, so that devices use it directly, until the Buffer that is
    returned is closed.

    array: anything with the buffer protocol, C-contiguous, which the Buffer keeps alive; `with register_host(array) as
    buffer:` works. readonly: the device only reads it (default: what the array says).

    Raises `IllegalStateError` where parts are registered already, ValueError where there is nothing
    to register.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """
    from .copy import _from_host

    host = _from_host(array, False)
    readonly = host.is_readonly if readonly is None else readonly
    if host.is_readonly and not readonly:
        raise ValueError(f"this {type(array).__name__} is read-only: register it with readonly=True")
    if not host.size:
        raise ValueError("an array without bytes cannot be registered")
    flags = driver.CU_MEMHOSTREGISTER_DEVICEMAP | (driver.CU_MEMHOSTREGISTER_PORTABLE if portable else 0)
    flags |= driver.CU_MEMHOSTREGISTER_READ_ONLY if readonly else 0
    context, pointer = _device(device).context, host.pointer
    access = KINDS["pinned"] | (IS_READ_ONLY if readonly else 0)
    with context:
        driver.cuMemHostRegister(pointer, host.size, flags)
        try:
            seen = int(driver.cuMemHostGetDevicePointer(pointer, 0))
            if seen != pointer:
                raise NotSupportedError(
                    f"the device sees registered memory elsewhere, at {seen:#x}: use PinnedResource"
                )
            buffer: Buffer = _native.make_buffer(
                pointer, host.size, context, access, None, host.owner, None, UNREGISTERED
            )
        except BaseException:
            driver.cuMemHostUnregister(pointer)
            raise
    return buffer


class GraphStatistics(NamedTuple):
    """Bytes that the graphs of a device have for allocations of their own; now, and most since the last reset."""

    reserved: int
    reserved_high: int
    used: int
    used_high: int


class GraphMemoryResource(MemoryResource):
    """Memory that belongs to the graph which a stream captures: allocated and freed by each launch of the graph.

    `allocate()` in a stream that is captured adds a node; `close()` of the Buffer while it is captured adds the node
    that frees it.  What is not closed then stays the graph's: dropping the Buffer frees nothing.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__GRAPH.html
    """

    def __init__(self, device: Device | int | None = None) -> None:
        self._device = _device(device)

    @property
    def device(self) -> Device:
        """The device of the memory."""
        return self._device

    def allocate(self, size: int, stream: Stream | Any = None) -> Buffer:
        """Gives `size` bytes to the work of the graph; RuntimeError where the stream is not captured."""
        size = _size(size)
        at: Stream = _native.as_stream(stream, self._device.context)
        if not _is_capturing(at):
            raise RuntimeError(
                "a GraphMemoryResource allocates in streams that are captured: use the device's pool elsewhere"
            )
        with at.context:
            pointer = int(driver.cuMemAllocAsync(size, at.address)) if size else 0
        return self.buffer(pointer, size, at, device=self._device)

    def deallocate(self, pointer: int, size: int, *, stream: Stream | None) -> None:
        """Adds the node that frees it, where the stream is captured; else it stays the graph's."""
        if size and stream is not None and not stream.is_closed and _is_capturing(stream):
            with stream.context:
                driver.cuMemFreeAsync(pointer, stream.address)

    @property
    def statistics(self) -> GraphStatistics:
        """What graphs have reserved and use on the device."""
        names = ("RESERVED_MEM_CURRENT", "RESERVED_MEM_HIGH", "USED_MEM_CURRENT", "USED_MEM_HIGH")
        return GraphStatistics(*map(self._get, names))

    def reset_high(self) -> None:
        """Lets the highest values begin anew."""
        names = driver.CUgraphMem_attribute
        for name in (names.CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH, names.CU_GRAPH_MEM_ATTR_USED_MEM_HIGH):
            driver.cuDeviceSetGraphMemAttribute(self._device.ordinal, name, 0)

    def trim(self) -> None:
        """Gives memory that no graph uses back to the system."""
        driver.cuDeviceGraphMemTrim(self._device.ordinal)

    def _get(self, name: str) -> int:
        attribute = getattr(driver.CUgraphMem_attribute, "CU_GRAPH_MEM_ATTR_" + name)
        return int(driver.cuDeviceGetGraphMemAttribute(self._device.ordinal, attribute))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._device!r})"


def _is_capturing(stream: Stream) -> bool:
    with stream.context:
        state = driver.cuStreamIsCapturing(stream.address)
    return bool(state == driver.CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_ACTIVE)
