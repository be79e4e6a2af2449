"""Stream-ordered pools: memory that is allocated and freed as part of a stream's work."""

from __future__ import annotations

from cubind import driver

from . import _native
from ._extend import extend
from ._records import NamedTuple
from .context import Context
from .memory import BY_DEVICE, BY_HOST, IS_MANAGED, IS_PINNED, KINDS, Flag, _device, _size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .device import Device
    from .location import Host
    from .stream import Stream

_NAMES = driver.CUmemPool_attribute


class MemoryInfo(NamedTuple):
    """Bytes of a device's memory."""

    free: int
    total: int


class PoolStatistics(NamedTuple):
    """Bytes of a pool: what it holds of the system's memory, and what of that is allocated; now, and most since the
    last reset."""

    reserved: int
    reserved_high: int
    used: int
    used_high: int


def _flag(name: str, doc: str) -> Any:
    return property(lambda self: bool(self._get(name)), lambda self, value: self._set(name, 1 if value else 0), doc=doc)


def _number(name: str, doc: str) -> Any:
    return property(lambda self: int(self._get(name)), doc=doc)


@extend
class Pool(_native.Pool):
    """A stream-ordered pool: `allocate(size, stream=None)` gives a Buffer that later work of the stream may use.

    In a stream that is captured `allocate()` and `close()` become nodes of the graph; see also `GraphMemoryResource`.
    `Device.pool` is the one that a device allocates from; `Pool.create()` makes another, which ends with its last
    reference: buffers keep it.  With the driver's defaults a pool gives everything back to the system at each
    synchronization: set `release_threshold` to the bytes that it shall keep.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MALLOC__ASYNC.html
    """

    __slots__ = ()
    context: Context

    @classmethod
    def create(
        cls,
        device: Device | int | None = None,
        *,
        kind: str = "device",
        max_size: int = 0,
        release_threshold: int | None = None,
        numa: int | None = None,
        preferred_location: Device | Host | str | None = "device",
    ) -> Pool:
        """A new pool.

        device: whose memory, and whose streams (default: the current one).  kind: "device", "pinned" (page-locked
        memory of the host) or "managed".  max_size: bytes beyond which it is out of memory; 0: the system's limit.
        release_threshold: see there.  numa: for "pinned", the NUMA node of the host.  preferred_location: for "managed",
        where the memory stays rather than move on a fault: "device" (that device), another Device, a `Host`, "host", or
        None: nowhere in particular.

        Raises `NotSupportedError` where device or driver have no pools of that kind, ValueError for another kind, and for numa
        where it is not "pinned".
        """
        device = _device(device)
        if kind not in ("device", "pinned", "managed"):
            raise ValueError(f"the kind of a pool is 'device', 'pinned' or 'managed', not {kind!r}")
        if numa is not None and kind != "pinned":
            raise ValueError("numa is for pools of pinned memory")
        if preferred_location != "device" and kind != "managed":
            raise ValueError("preferred_location is for pools of managed memory")
        with device.context:
            place = _place(device, kind, numa, preferred_location)
            handle = driver.cuMemPoolCreate(_properties(place, kind, _size(max_size)))
        pool: Pool = _native.wrap_pool(Pool, int(handle), device.context, KINDS[kind], True)
        _created().add(pool)
        if kind == "pinned":  # which begins as the host's alone
            pool.accessible_from.add(device)
        if release_threshold is not None:
            pool.release_threshold = release_threshold
        return pool

    @classmethod
    def current(cls, device: Device | int | None = None) -> Pool:
        """The pool that the device allocates from now; all of the process share it."""
        device = _device(device)
        context = device.context
        return _wrap(driver.cuDeviceGetMemPool(device.ordinal), context)

    @classmethod
    def default(cls, device: Device | int | None = None) -> Pool:
        """The pool that every device has."""
        device = _device(device)
        context = device.context
        return _wrap(driver.cuDeviceGetDefaultMemPool(device.ordinal), context)

    @classmethod
    def from_handle(
        cls, handle: Any, *, device: Device | int | None = None, kind: str = "device", owner: object = None
    ) -> Pool:
        """A pool that somebody else destroys (`owner` is kept alive): `handle` is a `driver.CUmemoryPool` or an int.

        kind: of its memory, "device", "pinned" or "managed"; ValueError: another one.
        """
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
        return _wrap(handle, _device(device).context, KINDS[kind], owner)

    def make_current(self, device: Device | None = None) -> None:
        """Lets everything in this process that names no pool allocate from this one; it has to live as long as that."""
        device = device or self.device
        driver.cuDeviceSetMemPool(device.ordinal, self.address)
        device._cache["pool"] = self

    @property
    def handle(self) -> driver.CUmemoryPool:
        """The `driver.CUmemoryPool`."""
        return driver.CUmemoryPool(self.address)

    @property
    def device(self) -> Device:
        """The device whose streams it serves."""
        return self.context.device

    is_device_accessible = Flag(BY_DEVICE, "Whether kernels may use its memory.")
    is_host_accessible = Flag(BY_HOST, "Whether the host may use its memory.")
    is_managed = Flag(IS_MANAGED, "Whether its memory moves between host and devices.")
    is_pinned = Flag(IS_PINNED, "Whether it is page-locked memory of the host.")

    def deallocate(self, pointer: int, size: int, *, stream: Stream | Any = None) -> None:
        """Frees `size` bytes at `pointer`, which no Buffer frees itself, in the order of `stream`."""
        at: Stream = _native.as_stream(stream, self.context)
        with at.context:
            driver.cuMemFreeAsync(pointer, at.address)

    # ---- attributes --------------------------------------------------------------------------------------------

    def _get(self, name: str) -> int:
        with self.context:
            return driver.cuMemPoolGetAttribute(self.address, getattr(_NAMES, "CU_MEMPOOL_ATTR_" + name))

    def _set(self, name: str, value: int) -> None:
        with self.context:
            driver.cuMemPoolSetAttribute(self.address, getattr(_NAMES, "CU_MEMPOOL_ATTR_" + name), value)

    @property
    def release_threshold(self) -> int:
        """Bytes that the pool keeps when a stream or event is synchronized; what is free beyond goes back to the
        system."""
        return int(self._get("RELEASE_THRESHOLD"))

    @release_threshold.setter
    def release_threshold(self, size: int) -> None:
        number = size.__index__()
        if not 0 <= number < 1 << 64:
            raise ValueError(f"release_threshold is from 0 to 2**64 - 1, not {number}")
        self._set("RELEASE_THRESHOLD", number)

    reuse_follow_event_dependencies: bool = _flag(
        "REUSE_FOLLOW_EVENT_DEPENDENCIES",
        "Whether memory freed in another stream is used again where an event orders it.",
    )
    reuse_allow_opportunistic: bool = _flag(
        "REUSE_ALLOW_OPPORTUNISTIC", "Whether memory freed in another stream is used again where that is done already."
    )
    reuse_allow_internal_dependencies: bool = _flag(
        "REUSE_ALLOW_INTERNAL_DEPENDENCIES",
        "Whether the driver may let streams wait for each other to use memory again.",
    )
    reserved: int = _number("RESERVED_MEM_CURRENT", "Bytes that the pool holds of the system's memory.")
    reserved_high: int = _number("RESERVED_MEM_HIGH", "Most bytes that it held since the last reset.")
    used: int = _number("USED_MEM_CURRENT", "Bytes that are allocated.")
    used_high: int = _number("USED_MEM_HIGH", "Most bytes that were allocated since the last reset.")
    max_size: int = _number("MAX_POOL_SIZE", "Bytes beyond which it is out of memory; 0: the system's limit.")

    @property
    def statistics(self) -> PoolStatistics:
        """All counts at once."""
        return PoolStatistics(self.reserved, self.reserved_high, self.used, self.used_high)

    def reset_high(self) -> None:
        """Lets `reserved_high` and `used_high` begin anew from what is reserved and used now."""
        self._set("RESERVED_MEM_HIGH", 0)
        self._set("USED_MEM_HIGH", 0)

    def trim(self, keep: int = 0) -> None:
        """Gives free memory back to the system until at most `keep` bytes are reserved, or all that is reserved is
        used."""
        with self.context:
            driver.cuMemPoolTrimTo(self.address, _size(keep))

    @property
    def accessible_from(self) -> PoolAccess:
        """The devices that may use its memory: a live set; the pool's own is always in it."""
        return PoolAccess(self)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __eq__(self, other: object) -> bool:
        return self is other or (self.address == other.address if isinstance(other, Pool) else NotImplemented)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return "<Pool, closed>" if self.is_closed else f"<Pool {self.address:#x} of device {self.device.ordinal}>"


class PoolAccess:
    """The devices that may use a pool's memory; see `Pool.accessible_from`."""

    __slots__ = ("_pool",)

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, device: Device) -> None:
        """Lets a device use the memory; `InvalidDeviceError` where it cannot reach it."""
        self._set(device, driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE)

    def discard(self, device: Device) -> None:
        """Ends that; ValueError for the pool's own device."""
        if device is self._pool.device:
            raise ValueError("a pool's memory is always accessible from its own device")
        self._set(device, driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_NONE)

    def remove(self, device: Device) -> None:
        """The same, KeyError where the device is not in the set."""
        if device not in self:
            raise KeyError(device)
        self.discard(device)

    def update(self, devices: Iterable[Device]) -> None:
        """Lets several devices use the memory."""
        for device in devices:
            self.add(device)

    def __contains__(self, device: object) -> bool:
        from .device import Device
        from .location import to_location

        if not isinstance(device, Device):
            return False
        flags = driver.cuMemPoolGetAccess(self._pool.address, to_location(device))
        return flags == driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE

    def __iter__(self) -> Iterator[Device]:
        from .device import Device

        return iter([device for device in Device.all() if device in self])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<devices that may use {self._pool!r}: {', '.join(map(repr, self))}>"

    def _set(self, device: Device, flags: Any) -> None:
        from .location import to_location

        access = driver.CUmemAccessDesc()
        access.location, access.flags = to_location(device), flags
        with self._pool.context:
            driver.cuMemPoolSetAccess(self._pool.address, [access], None)


def _place(device: Device, kind: str, numa: int | None, preferred: Device | Host | str | None) -> Any:
    from .location import Host, to_location

    if kind == "pinned":
        return to_location(Host(numa))
    if preferred is None:
        return driver.CUmemLocation(type=driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_NONE)
    return to_location(device if preferred == "device" else preferred)


def _properties(place: Any, kind: str, max_size: int) -> Any:
    properties, types = driver.CUmemPoolProps(), driver.CUmemAllocationType
    properties.allocType = (
        types.CU_MEM_ALLOCATION_TYPE_MANAGED if kind == "managed" else types.CU_MEM_ALLOCATION_TYPE_PINNED
    )
    properties.location = place
    properties.maxSize = max_size
    return properties


def _wrap(handle: Any, context: Context, flags: int = BY_DEVICE, owner: object = None) -> Pool:
    pool: Pool = _native.wrap_pool(Pool, int(handle), context, flags, False, owner)
    return pool


_own: Any = None


def _created() -> Any:
    """The living pools that this process created, for reports."""
    global _own  # noqa: PLW0603
    if _own is None:
        from weakref import WeakSet

        _own = WeakSet()
    return _own
