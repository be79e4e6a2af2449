"""Managed memory: one address for host and devices, moved where it is used, with advice about where that is."""

from __future__ import annotations

import cubind
from cubind import driver

from . import _native
from ._traced import traced
from .location import Host, from_location, to_location
from .memory import FREED_SYNC, Buffer, _device
from .resources import MemoryResource, made_by_driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from .device import Device
    from .stream import Stream

    Place = Device | Host | str

_ADVICE, _RANGE = driver.CUmem_advise, driver.CUmem_range_attribute
_ATTACH = {
    "global": driver.CUmemAttach_flags.CU_MEM_ATTACH_GLOBAL,
    "host": driver.CUmemAttach_flags.CU_MEM_ATTACH_HOST,
    "single": driver.CUmemAttach_flags.CU_MEM_ATTACH_SINGLE,
}


class ManagedResource(MemoryResource):
    """Managed memory, as `ManagedBuffer`s.

    attach: "global" for memory that every stream may use; "host" for memory that streams may use only once it was
    attached to them; ValueError: another word.

    Where a device lacks the property concurrent_managed_access the host may not touch any of it while a kernel runs.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__UNIFIED.html
    """

    kind = "managed"

    def __init__(self, device: Device | int | None = None, *, attach: str = "global") -> None:
        if attach not in ("global", "host"):
            raise ValueError(f"attach is 'global' or 'host', not {attach!r}")
        self._device, self.attach = _device(device), attach

    @property
    def device(self) -> Device:
        """The device that it was made for."""
        return self._device

    def allocate(self, size: int, stream: Stream | Any = None) -> ManagedBuffer:
        """Gives `size` bytes; a stream has no part in it."""
        flags = int(_ATTACH[self.attach])
        buffer: ManagedBuffer = made_by_driver(
            self, self._device, size, FREED_SYNC, lambda: driver.cuMemAllocManaged(size, flags), ManagedBuffer
        )
        return buffer

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._device!r})"


class ManagedBuffer(Buffer):
    """A Buffer of managed memory, or a part of one: advice and prefetching concern whole pages.

    A place is a Device, a `Host`, or "host".

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__UNIFIED.html
    """

    __slots__ = ()

    def prefetch(self, to: Place | None = None, *, stream: Stream | Any = None) -> None:
        """Moves it there in the order of the stream; `to`: default its device."""
        prefetch_batch([self], to, stream=stream)

    def discard(self, *, stream: Stream | Any = None) -> None:
        """Gives up the contents in the order of the stream: what is read before it is written again is undefined."""
        discard_batch([self], stream=stream)

    def discard_prefetch(self, to: Place | None = None, *, stream: Stream | Any = None) -> None:
        """Gives up the contents and places the memory at `to`, in the order of `stream`, without moving anything."""
        discard_prefetch_batch([self], to, stream=stream)

    def attach(self, kind: str, *, stream: Stream | Any = None) -> None:
        """Says who may use it from now on, in the order of the stream.

        kind: "global" (everybody), "host", or "single" (that stream alone); ValueError: another one.
        """
        if kind not in _ATTACH:
            raise ValueError(f"attach() takes {', '.join(map(repr, _ATTACH))}, not {kind!r}")
        at: Stream = _native.as_stream(stream, self.context)
        with at.context:
            arguments = at.address, self.pointer, self.size, int(_ATTACH[kind])
            traced(driver.cuStreamAttachMemAsync, *arguments, stream=at.address, size=self.size)

    # ---- advice ------------------------------------------------------------------------------------------------

    @property
    def read_mostly(self) -> bool:
        """Whether every device that reads it gets a copy; can be set."""
        return bool(self._get(_RANGE.CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY))

    @read_mostly.setter
    def read_mostly(self, value: bool) -> None:
        self._advise(
            _ADVICE.CU_MEM_ADVISE_SET_READ_MOSTLY if value else _ADVICE.CU_MEM_ADVISE_UNSET_READ_MOSTLY,
            _any_place(self),
        )

    @property
    def preferred_location(self) -> Device | Host | None:
        """Where it stays rather than move on a fault; None: nowhere in particular; can be set, also to "host"."""
        return self._place("PREFERRED_LOCATION")

    @preferred_location.setter
    def preferred_location(self, place: Place | None) -> None:
        if place is None:
            self._advise(_ADVICE.CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION, _any_place(self))
        else:
            self._advise(_ADVICE.CU_MEM_ADVISE_SET_PREFERRED_LOCATION, to_location(place))

    @property
    def last_prefetch(self) -> Device | Host | None:
        """Where it was last prefetched to; None: never, or not the whole of it to one place."""
        return self._place("LAST_PREFETCH_LOCATION")

    @property
    def accessed_by(self) -> AccessedBy:
        """The places that keep it mapped, so that using it never faults there: a live set; can be set to an
        iterable."""
        return AccessedBy(self)

    @accessed_by.setter
    def accessed_by(self, places: Iterable[Place]) -> None:
        wanted, now = {_normal(place) for place in places}, AccessedBy(self)
        for place in set(now) - wanted:
            now.discard(place)
        for place in wanted - set(now):
            now.add(place)

    def _advise(self, advice: Any, location: Any) -> None:
        pointer = self.pointer
        if self.size:
            with _context(self):
                driver.cuMemAdvise(pointer, self.size, advice, location)

    def _get(self, attribute: Any, size: int = 4) -> Any:
        pointer = self.pointer
        with _context(self):
            return driver.cuMemRangeGetAttribute(size, attribute, pointer, self.size)

    def _place(self, name: str) -> Device | Host | None:
        kind = self._get(getattr(_RANGE, f"CU_MEM_RANGE_ATTRIBUTE_{name}_TYPE"))
        return from_location(int(kind), int(self._get(getattr(_RANGE, f"CU_MEM_RANGE_ATTRIBUTE_{name}_ID"))))


class AccessedBy:
    """The places that keep a ManagedBuffer mapped; see `ManagedBuffer.accessed_by`."""

    __slots__ = ("_buffer",)

    def __init__(self, buffer: ManagedBuffer) -> None:
        self._buffer = buffer

    def add(self, place: Place) -> None:
        """Lets the place keep it mapped."""
        self._buffer._advise(_ADVICE.CU_MEM_ADVISE_SET_ACCESSED_BY, to_location(place))

    def discard(self, place: Place) -> None:
        """Ends that."""
        self._buffer._advise(_ADVICE.CU_MEM_ADVISE_UNSET_ACCESSED_BY, to_location(place))

    def remove(self, place: Place) -> None:
        """The same, KeyError where it is not in the set."""
        if place not in self:
            raise KeyError(place)
        self.discard(place)

    def __iter__(self) -> Iterator[Device | Host]:
        from .device import Device

        room = 4 * (len(Device.all()) + 1)
        numbers = self._buffer._get(_RANGE.CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, room)
        found = [Host() if n == -1 else Device(n) for n in numbers if n >= -1]
        return iter(found)

    def __contains__(self, place: object) -> bool:
        return _normal(place) in list(self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return set(self) == {_normal(place) for place in other} if hasattr(other, "__iter__") else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self))}}}"


def _normal(place: Any) -> Any:
    return Host() if place == "host" else place


def _context(buffer: Buffer) -> Any:
    context = buffer.context
    if context is None:
        raise ValueError("this buffer has no device")
    return context


def _any_place(buffer: Buffer) -> Any:
    """A valid location for advice that has none."""
    return to_location(buffer.device or "host")


# ---- several at once ---------------------------------------------------------------------------------------


def _ranges(buffers: Sequence[Buffer], what: str) -> tuple[list[int], list[int]]:
    chosen = [b for b in buffers if b.size]
    for b in buffers:
        if not b.is_managed:
            raise ValueError(f"{what} is for managed memory: {b!r} is not")
    return [b.pointer for b in chosen], [b.size for b in chosen]


def _places(buffers: Sequence[Buffer], to: Place | Sequence[Place] | None) -> list[Any]:
    """One location a buffer that is not empty."""
    if isinstance(to, (list, tuple)):
        if len(to) != len(buffers):
            raise ValueError(f"{len(to)} places for {len(buffers)} buffers")
        chosen = list(to)
    else:
        chosen = [to] * len(buffers)
    return [to_location(b.device or "host" if p is None else p) for b, p in zip(buffers, chosen, strict=True) if b.size]


def _in_stream(buffers: Sequence[Buffer], stream: Any) -> Stream:
    at: Stream = _native.as_stream(stream, buffers[0].context)
    return at


def prefetch_batch(
    buffers: Sequence[Buffer], to: Place | Sequence[Place] | None = None, *, stream: Stream | Any = None
) -> None:
    """Moves managed `buffers` in the order of `stream`: all to the place `to`, or each to its own; default: its device.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__UNIFIED.html
    """
    pointers, sizes = _ranges(buffers, "prefetching")
    places = _places(buffers, to)
    if not pointers:
        return
    at = _in_stream(buffers, stream)
    with at.context:
        if len(pointers) > 1 and cubind.has("cuMemPrefetchBatchAsync"):
            several = pointers, sizes, None, places, list(range(len(places))), None, 0, at.address
            traced(driver.cuMemPrefetchBatchAsync, *several, stream=at.address, size=sum(sizes), kind="copy")
            return
        for pointer, size, place in zip(
            pointers, sizes, places, strict=True
        ):  # one alone, or a driver before CUDA 13.0
            arguments = pointer, size, place, 0, at.address
            traced(driver.cuMemPrefetchAsync, *arguments, stream=at.address, size=size, kind="copy")


def discard_batch(buffers: Sequence[Buffer], *, stream: Stream | Any = None) -> None:
    """Gives up the contents of managed `buffers` in the order of `stream`.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__UNIFIED.html
    """
    pointers, sizes = _ranges(buffers, "discarding")
    if pointers:
        at = _in_stream(buffers, stream)
        with at.context:
            arguments = pointers, sizes, None, 0, at.address
            traced(driver.cuMemDiscardBatchAsync, *arguments, stream=at.address, size=sum(sizes))


def discard_prefetch_batch(
    buffers: Sequence[Buffer], to: Place | Sequence[Place] | None = None, *, stream: Stream | Any = None
) -> None:
    """Gives up the contents of managed `buffers` and places them at `to`, as `prefetch_batch`, without moving anything.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__UNIFIED.html
    """
    pointers, sizes = _ranges(buffers, "discarding")
    places = _places(buffers, to)
    if pointers:
        at = _in_stream(buffers, stream)
        with at.context:
            arguments = pointers, sizes, None, places, list(range(len(places))), None, 0, at.address
            traced(driver.cuMemDiscardAndPrefetchBatchAsync, *arguments, stream=at.address, size=sum(sizes))
