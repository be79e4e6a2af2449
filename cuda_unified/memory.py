"""Memory: buffers of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _native
from ._extend import extend
from .context import Context

if TYPE_CHECKING:
    from .device import Device


@extend
class Buffer(_native.Buffer):
    """Bytes somewhere, and who frees them."""

    __slots__ = ()
    context: Context | None

    @property
    def device(self) -> Device | None:
        """The device that the memory belongs to; None for the host's own."""
        return self.context.device if self.context else None

    def __repr__(self) -> str:
        return "<Buffer, closed>" if self.is_closed else f"<Buffer of {self.size} bytes at {self.pointer:#x}>"


@extend
class Pool(_native.Pool):
    """A stream-ordered pool of memory."""

    __slots__ = ()
