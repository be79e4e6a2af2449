"""Contexts: where a device keeps what a process does on it.  Most programs use the primary one that `Device` brings."""

from __future__ import annotations

from cubind import driver

from . import _native
from ._extend import extend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device


@extend
class Context(_native.Context):
    """A context of a device; see `Device.context` and `Device.create_context`.

    `with context:` makes it current in this thread.  An object made from it (stream, event, memory) uses it whatever is current.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__CTX.html
    """

    __slots__ = ()
    device: Device

    @property
    def handle(self) -> driver.CUcontext:
        """The `driver.CUcontext`."""
        return driver.CUcontext(self.address)

    def __eq__(self, other: object) -> bool:
        return self.address == other.address if isinstance(other, Context) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        kind = "closed" if self.is_closed else "own" if self.is_owned else "primary"
        return f"<Context {self.address:#x} of device {self.device.ordinal}, {kind}>"


def current_ordinal() -> int:
    """The number of the device whose context is current in this thread."""
    return int(driver.cuCtxGetDevice())
