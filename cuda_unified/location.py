"""Places of memory: a device, the host, or a NUMA node of the host."""

from __future__ import annotations

from cubind import driver

from .memory import _device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .device import Device

_KINDS = driver.CUmemLocationType


class Host:
    """The host as a place for memory: `Host()`; a NUMA node of it, `Host(1)`; the one nearest to the calling thread,
    `Host.nearest()`.

    Equal ones are the same place.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
    """

    __slots__ = ("_nearest", "_numa")

    def __init__(self, numa: int | None = None) -> None:
        if numa is not None and (not isinstance(numa, int) or numa < 0):
            raise ValueError(f"a NUMA node is an int from 0 on, not {numa!r}")
        self._numa, self._nearest = numa, False

    @classmethod
    def nearest(cls) -> Host:
        """The NUMA node of the thread that makes the call."""
        host = cls()
        host._nearest = True
        return host

    @property
    def numa(self) -> int | None:
        """The NUMA node; None: the host as such, or the nearest node."""
        return self._numa

    @property
    def is_nearest(self) -> bool:
        """Whether it means the calling thread's node."""
        return self._nearest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Host):
            return NotImplemented
        return (self._numa, self._nearest) == (other._numa, other._nearest)

    def __hash__(self) -> int:
        return hash((Host, self._numa, self._nearest))

    def __repr__(self) -> str:
        return "Host.nearest()" if self._nearest else "Host()" if self._numa is None else f"Host({self._numa})"


def to_location(where: Device | Host | str) -> Any:
    """The `driver.CUmemLocation` of a Device, a Host, or "host"."""
    from .device import Device

    if isinstance(where, Device):
        return _location(_KINDS.CU_MEM_LOCATION_TYPE_DEVICE, where.ordinal)
    if where == "host":
        where = Host()
    if not isinstance(where, Host):
        raise TypeError(f"a place is a Device, a Host or 'host', not {where!r}")
    if where.is_nearest:
        return _location(_KINDS.CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT, 0)
    if where.numa is not None:
        return _location(_KINDS.CU_MEM_LOCATION_TYPE_HOST_NUMA, where.numa)
    return _location(_KINDS.CU_MEM_LOCATION_TYPE_HOST, 0)


def _location(kind: Any, number: int) -> Any:
    location = driver.CUmemLocation()
    location.type, location.id = kind, number
    return location


def from_location(kind: int, number: int) -> Device | Host | None:
    """The place that the driver names; None: none in particular."""
    if kind == _KINDS.CU_MEM_LOCATION_TYPE_DEVICE:
        return _device(number)
    if kind == _KINDS.CU_MEM_LOCATION_TYPE_HOST:
        return Host()
    if kind == _KINDS.CU_MEM_LOCATION_TYPE_HOST_NUMA:
        return Host(number)
    return Host.nearest() if kind == _KINDS.CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT else None
