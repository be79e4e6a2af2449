"""Devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cubind import driver

from . import _native
from .context import Context
from .event import Event
from .pool import MemoryInfo, Pool
from .stream import Stream, default_stream

if TYPE_CHECKING:
    from collections.abc import Sequence


class Device(_native.Device, metaclass=_native.DeviceType):
    """A device: `Device(1)` is always the same object; `Device()` is the one whose context is current, else device 0.

    `with device:` makes its primary context current in this thread, nests, and restores what was current before.  Objects made from
    it (streams, events, memory) are on this device whatever is current.

    Raises `InvalidDeviceError` where there is no such device, `NoDeviceError` where there is none at all.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__DEVICE.html
    """

    __slots__ = ()
    context: Context

    @staticmethod
    def all() -> Sequence[Device]:
        """All devices, in the driver's order."""
        return tuple(Device(i) for i in range(_native.device_count()))

    @property
    def handle(self) -> int:
        """The `CUdevice`, which is an int."""
        return self._cache_value("handle", lambda: int(driver.cuDeviceGet(self.ordinal)))

    @property
    def default_stream(self) -> Stream:
        """The stream that means stream 0: legacy, or the calling thread's own where the process chose that."""
        return default_stream(self.context)

    @property
    def pool(self) -> Pool:
        """The device's current memory pool, which `allocate` uses unless `resource` was set; a property that can be set."""
        pool: Pool | None = self._cache.get("pool")
        if pool is None:
            pool = self._cache["pool"] = Pool.current(self)
        return pool

    @pool.setter
    def pool(self, pool: Pool) -> None:
        pool.make_current(self)

    @property
    def memory_info(self) -> MemoryInfo:
        """Bytes of the device's memory: (free, total)."""
        with self:
            return MemoryInfo(*driver.cuMemGetInfo())

    def sync(self) -> None:
        """Waits until all work on the device's primary context is done."""
        self.context.sync()

    def _cache_value(self, key: str, make: Any) -> Any:
        cache = self._cache
        if key not in cache:
            cache[key] = make()
        return cache[key]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return hash(("Device", self.ordinal))

    def __reduce__(self) -> Any:
        return Device, (self.ordinal,)

    def __repr__(self) -> str:
        return f"Device({self.ordinal})"


_native.use_device_class(Device)
__all__ = ["Device", "Event"]
