"""Events: points in a stream's work, to wait for, to ask about, and to measure time between."""

from __future__ import annotations

from cubind import driver

from . import _native
from ._extend import extend
from .context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .device import Device


@extend
class Event(_native.Event):
    """An event; `Device.event()` makes one, and so does `Stream.record()`.

    `later - earlier` and `earlier.elapsed(later)` are milliseconds.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__EVENT.html
    """

    __slots__ = ()
    context: Context

    @classmethod
    def from_handle(cls, handle: Any, *, device: Device | None = None, owner: object = None) -> Event:
        """An event that somebody else owns (`owner` is kept alive): `handle` is a `driver.CUevent` or an int.

        device: the one it is on (default: the current one).
        """
        from .device import Device

        event: Event = _native.wrap_event(int(handle), (device or Device()).context, False, owner, 0)
        return event

    @property
    def handle(self) -> driver.CUevent:
        """The `driver.CUevent`."""
        return driver.CUevent(self.address)

    @property
    def device(self) -> Device:
        """The device that the event is on."""
        return self.context.device

    @property
    def is_timing_enabled(self) -> bool:
        """Whether time can be measured with it."""
        return not self._flags & driver.CUevent_flags.CU_EVENT_DISABLE_TIMING

    @property
    def is_blocking_sync(self) -> bool:
        """Whether sync() lets the thread sleep rather than spin."""
        return bool(self._flags & driver.CUevent_flags.CU_EVENT_BLOCKING_SYNC)

    @property
    def is_ipc_enabled(self) -> bool:
        """Whether other processes may use it."""
        return bool(self._flags & driver.CUevent_flags.CU_EVENT_INTERPROCESS)

    def __enter__(self) -> Event:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __eq__(self, other: object) -> bool:
        return self is other or (self.address == other.address if isinstance(other, Event) else NotImplemented)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return "<Event, closed>" if self.is_closed else f"<Event {self.address:#x} on device {self.device.ordinal}>"
