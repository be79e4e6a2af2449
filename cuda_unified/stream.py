"""Streams: work that a device does in order, beside that of other streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cubind
from cubind import driver

from . import _native
from ._extend import extend
from .context import Context
from .event import Event

if TYPE_CHECKING:
    from .device import Device


@extend
class Stream(_native.Stream):
    """A stream; `Device.stream()` makes one.

    `with stream:` makes it the current stream of this thread: calls that are given none use it.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__STREAM.html
    """

    __slots__ = ()
    context: Context

    @classmethod
    def from_handle(cls, handle: Any, *, device: Device | None = None, owner: object = None) -> Stream:
        """A stream that somebody else owns: `handle` is a `driver.CUstream`, an int, or an object with `__cuda_stream__`.

        It is never destroyed through this object; `owner` is kept alive with it.
        """
        from .device import Device

        protocol = getattr(handle, "__cuda_stream__", None)
        if protocol is not None:
            owner = handle if owner is None else owner
        number = stream_number(handle)
        stream: Stream = _native.wrap_stream(number, (device or Device()).context, False, owner)
        return stream

    @property
    def handle(self) -> Any:
        """The `driver.CUstream`."""
        return driver.CUstream(self.address)

    @property
    def device(self) -> Device:
        """The device that the stream is on."""
        return self.context.device

    def __enter__(self) -> Stream:
        _native.push_stream(self)
        return self

    def __exit__(self, *_: object) -> None:
        _native.pop_stream()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return self is other or (self.address == other.address and self.context == other.context)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        if self.is_closed:
            return "<Stream, closed>"
        names = {1: "legacy default", 2: "per-thread default"}
        return f"<Stream {names.get(self.address) or hex(self.address)} on device {self.device.ordinal}>"


def stream_number(stream: Any) -> int:
    """The handle of a stream in any form: an int, a `driver.CUstream`, or an object with `__cuda_stream__`."""
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is None:
        if isinstance(stream, int) and not isinstance(stream, bool):
            return stream
        raise TypeError(f"a Stream or an object with __cuda_stream__ is wanted, not {type(stream).__name__}")
    answer = protocol() if callable(protocol) else protocol  # a property in the protocol's first form
    version, handle = answer
    if version != 0:
        raise TypeError(f"{type(stream).__name__}.__cuda_stream__ is of version {version}; version 0 is known")
    return int(handle)


def borrowed(stream: Any, context: Context | None, function: str) -> Stream:
    """The stream that an argument of `function` means that is no Stream."""
    try:
        number = stream_number(stream)
    except TypeError as error:
        raise TypeError(f"{function}(): {error}") from None
    if context is None:
        from .device import Device

        context = Device().context
    made: Stream = _native.wrap_stream(number, context, False, stream)
    return made


def default_stream(context: Context) -> Stream:
    """The stream that means stream 0 of a context: legacy, or the calling thread's own where the process chose that."""
    number = 2 if cubind.per_thread_default_stream() else 1
    cache = context.device._cache
    stream: Stream | None = cache.get(("stream", context.address, number))
    if stream is None:
        stream = cache["stream", context.address, number] = _native.wrap_stream(number, context, False, None)
    return stream


def current_stream(device: Device | None = None) -> Stream:
    """The stream that calls of this thread use that are given none.

    That of the innermost `with stream:` (on `device`, if one is given), else the default stream of the device.
    """
    stream: Stream = _native.current_stream(device)
    return stream


__all__ = ["Event", "Stream", "current_stream"]
