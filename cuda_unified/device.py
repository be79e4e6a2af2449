"""Devices."""

from __future__ import annotations

import cubind
from cubind import CudaError, PeerAccessError, driver

from . import _native
from ._records import NamedTuple
from .context import Context
from .event import Event
from .pool import MemoryInfo, Pool
from .stream import Stream, default_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .limits import Limits
    from .properties import DeviceProperties


class ComputeCapability(NamedTuple):
    """What a device can do: `major.minor`."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Device(_native.Device, metaclass=_native.DeviceType):
    """A device: `Device(1)` is always the same object; `Device()` is the one whose context is current, else device 0.

    `with device:` makes its primary context current in this thread, nests, and restores what was current before.  Objects
    made from it (streams, events, memory) are on this device whatever is current.

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
        return int(self._cache_value("handle", lambda: driver.cuDeviceGet(self.ordinal)))

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

    @property
    def properties(self) -> DeviceProperties:
        """Every attribute of the device by its name in snake case, read when asked for: `properties.multiprocessor_count`."""
        from .properties import DeviceProperties

        made: DeviceProperties = self._cache_value("properties", lambda: DeviceProperties(self.ordinal))
        return made

    @property
    def name(self) -> str:
        """What the device is called."""
        name: str = self._cache_value("name", lambda: driver.cuDeviceGetName(256, self.ordinal))
        return name

    @property
    def uuid(self) -> str:
        """The device's UUID, as tools print it: 8-4-4-4-12 hexadecimal digits."""
        digits: str = self._cache_value("uuid", lambda: bytes(driver.cuDeviceGetUuid(self.ordinal)).hex())
        text = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return text

    @property
    def pci_bus_id(self) -> str:
        """domain:bus:device.function, hexadecimal."""
        text: str = self._cache_value("pci_bus_id", lambda: driver.cuDeviceGetPCIBusId(64, self.ordinal))
        return text

    @property
    def compute_capability(self) -> ComputeCapability:
        """(major, minor)."""
        p = self.properties
        return ComputeCapability(p.compute_capability_major, p.compute_capability_minor)

    @property
    def arch(self) -> str:
        """The architecture to compile for, e.g. "sm_90"."""
        return "sm_{}{}".format(*self.compute_capability)

    @property
    def is_cpu(self) -> bool:
        """Whether it is the CPU device, which interprets kernels where there is no GPU."""
        return bool(cubind.cpu.in_use())

    @property
    def limits(self) -> Limits:
        """The limits of the primary context, readable and settable: `device.limits.stack_size = 4096`."""
        from .limits import Limits

        return Limits(self.context)

    @property
    def stream_priorities(self) -> range:
        """The priorities that streams may have, the most urgent (the least number) first."""
        with self:
            least, greatest = driver.cuCtxGetStreamPriorityRange()
        return range(greatest, least + 1)

    @property
    def peers(self) -> tuple[Device, ...]:
        """The other devices whose memory this one can access."""
        return tuple(d for d in Device.all() if d is not self and self.can_access_peer(d))

    def can_access_peer(self, other: Device) -> bool:
        """Whether kernels of this device can access memory of the other one."""
        return bool(driver.cuDeviceCanAccessPeer(self.ordinal, Device(other).ordinal))

    def enable_peer_access(self, other: Device) -> None:
        """Lets kernels of this device access memory of the other one.  Raises `PeerAccessError` if that is not possible."""
        peer = Device(other).context
        try:
            with self:
                driver.cuCtxEnablePeerAccess(peer.address, 0)
        except PeerAccessError as error:
            if error.code != driver.CUresult.CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED:
                raise

    def disable_peer_access(self, other: Device) -> None:
        """Takes back `enable_peer_access(other)`; `PeerAccessError` if it was not enabled."""
        peer = Device(other).context
        with self:
            driver.cuCtxDisablePeerAccess(peer.address)

    def create_context(self, flags: int = 0) -> Context:
        """A context of its own beside the primary one, for what must be kept apart; flags: of `driver.CUctx_flags`.

        It is not current afterwards: use it by `with`, or make objects from it.
        """
        if cubind.has("cuCtxCreate_v4"):
            handle = driver.cuCtxCreate(None, flags, self.ordinal)
        else:  # a driver before CUDA 12.5
            handle = driver.cuCtxCreate_v2(flags, self.ordinal)
        # first this: it destroys the context if the next call fails
        context: Context = _native.make_context(int(handle), self, True)
        driver.cuCtxPopCurrent()
        return context

    @staticmethod
    def is_available(ordinal: int = 0) -> bool:
        """Whether there is a device `ordinal`.  Makes no context, and raises nothing where there is no driver."""
        try:
            return 0 <= ordinal < _native.device_count()
        except (CudaError, ImportError):
            return False

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
