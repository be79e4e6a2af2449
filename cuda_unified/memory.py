"""Memory: buffers of bytes, wherever they lie and whoever frees them."""

from __future__ import annotations

from cubind import driver

from . import _native
from ._extend import extend
from .context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .device import Device
    from .stream import Stream

BY_DEVICE, BY_HOST, IS_MANAGED, IS_PINNED, IS_READ_ONLY = 1, 2, 4, 8, 16  # enum accessible in native.h
NOT_FREED, FREED_ASYNC, FREED_SYNC, FREED_HOST, FREED_BY_RESOURCE, UNREGISTERED = range(6)  # enum how_freed
KINDS = {
    "device": BY_DEVICE,
    "pinned": BY_DEVICE | BY_HOST | IS_PINNED,
    "managed": BY_DEVICE | BY_HOST | IS_MANAGED,
    "host": BY_HOST,
}
"""kind of memory -> who can use it"""


@extend
class Buffer(_native.Buffer):
    """Bytes somewhere: `size` of them at the address `pointer`, and who frees them.

    `Device.allocate()` and `allocate()` of every memory resource make one.  It is freed by `close()`, at the end of a
    `with` block or when nothing refers to it any more; memory of a pool in the order of `stream`.  Equality is
    identity.

    `buffer[a:b]` is a part of it without a copy: it keeps the whole alive and ends with it.  `memoryview(buffer)` and
    whatever else uses the buffer protocol get memory that the host can read, and only that (BufferError for a
    device's); while there are views `close()` raises BufferError.

    `fill()`, `copy_from()` and `copy_to()` go into a stream (`stream=`: a Stream or what has `__cuda_stream__`;
    default: the current stream of the buffer's device).  What they use stays alive until it has happened.  The other
    end of a copy is a Buffer, an Array, an object with `__cuda_array_interface__` or DLPack, or one with the buffer
    protocol (bytes, bytearray, memoryview, a NumPy array), of exactly as many bytes and C-contiguous.  Page-locked
    memory is copied asynchronously.  Pageable memory of the host: a source may be changed once the call has returned;
    a destination has been written when it returns (but in a stream that is captured).

    Raises `ClosedError` after close(), ValueError for other sizes, ranges that overlap and read-only destinations.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """

    __slots__ = ()
    context: Context | None
    stream: Stream | None

    @classmethod
    def from_handle(
        cls,
        pointer: int,
        size: int,
        *,
        owner: object = None,
        device: Device | None = None,
        kind: str | None = None,
        readonly: bool = False,
    ) -> Buffer:
        """Memory that somebody else frees: `size` bytes at `pointer`; `owner` is kept alive with the buffer.

        kind: "device", "pinned", "managed" or "host" (pageable memory, no device); None: the driver is asked, which
        knows the memory that it allocated or registered, and its device.  readonly: views are, and it is no
        destination.

        Raises ValueError for an address that the driver does not know, where no kind is given.
        """
        pointer, size = _address(pointer), _size(size)
        if kind is None and not size:
            kind = "device"
        if kind is None:
            kind, owning = pointer_kind(pointer)
            device = device or owning
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
        context = None if kind == "host" else _device(device).context
        flags = KINDS[kind] | (IS_READ_ONLY if readonly else 0)
        buffer: Buffer = _native.make_buffer(pointer, size, context, flags, None, owner, None)
        return buffer

    @property
    def device(self) -> Device | None:
        """The device that the memory belongs to, for pinned memory the one it was allocated for; None for the host's
        own."""
        return self.context.device if self.context else None

    @property
    def is_device_accessible(self) -> bool:
        """Whether kernels may use it."""
        return bool(self._flags & BY_DEVICE)

    @property
    def is_host_accessible(self) -> bool:
        """Whether the host may use it."""
        return bool(self._flags & BY_HOST)

    @property
    def is_managed(self) -> bool:
        """Whether it moves between host and devices."""
        return bool(self._flags & IS_MANAGED)

    @property
    def is_pinned(self) -> bool:
        """Whether it is page-locked memory of the host."""
        return bool(self._flags & IS_PINNED)

    @property
    def is_readonly(self) -> bool:
        """Whether it is no destination of copies and fills."""
        return bool(self._flags & IS_READ_ONLY)

    @property
    def handle(self) -> int:
        """The address, which is what a `driver.CUdeviceptr` is."""
        return self.pointer

    def set_stream(self, stream: Stream | Any) -> None:
        """Lets the memory be freed in the order of `stream`, which from now on waits for the work that its stream has
        now."""
        new: Stream = _native.as_stream(stream, self.context)
        old = self.stream
        if old is not None and not old.is_closed and old != new:
            new.wait(old)
        self.stream = new

    def to_bytes(self, *, stream: Stream | Any = None) -> bytes:
        """All bytes, once what the stream has now is done."""
        target = bytearray(self.size)
        self.copy_to(target, stream=stream)
        return bytes(target)

    def __repr__(self) -> str:
        name = type(self).__name__
        if self.is_closed:
            return f"<{name}, closed>"
        kind = next((k for k, flags in KINDS.items() if flags == self._flags & ~IS_READ_ONLY), "other")
        place = f" on device {self.context.device.ordinal}" if self.context else ""
        return f"<{name} of {self.size} bytes at {self.pointer:#x}, {kind} memory{place}>"


def _size(size: Any) -> int:
    """A number of bytes, from 0 on."""
    try:
        number: int = size.__index__()
    except AttributeError:
        raise TypeError(f"a size is an int, not {type(size).__name__}") from None
    if not 0 <= number < 1 << 63:
        raise ValueError(f"a size is from 0 to 2**63 - 1, not {number}")
    return number


def _address(pointer: Any) -> int:
    try:
        number: int = pointer.__index__()
    except AttributeError:
        raise TypeError(f"a pointer is an int, not {type(pointer).__name__}") from None
    if not 0 <= number < 1 << 64:
        raise ValueError(f"a pointer is from 0 to 2**64 - 1, not {number}")
    return number


def _device(device: Device | int | None) -> Device:
    """A device from what may be one; None: the current one."""
    from .device import Device

    return Device() if device is None else Device(device)


def pointer_kind(pointer: int) -> tuple[str, Device]:
    """What kind of memory the driver takes an address for, and whose: ("device" | "pinned" | "managed", device).

    Raises ValueError for an address that it does not know: pageable memory of the host, or none at all.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__UNIFIED.html
    """
    names = driver.CUpointer_attribute
    asked = (
        names.CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
        names.CU_POINTER_ATTRIBUTE_IS_MANAGED,
        names.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
    )
    _device(None)  # initializes the driver
    kind, managed, ordinal = driver.cuPointerGetAttributes(None, asked, pointer)
    if not int(kind or 0) or ordinal < 0:
        raise ValueError(
            f"the driver does not know the address {pointer:#x}: say which kind of memory it is (kind='host' for pageable memory)"
        )
    name = "managed" if managed else "pinned" if int(kind) == driver.CUmemorytype.CU_MEMORYTYPE_HOST else "device"
    return name, _device(int(ordinal))
