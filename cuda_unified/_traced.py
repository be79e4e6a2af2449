"""Calls of the driver that Python makes, seen by a trace as those are that C makes."""

from __future__ import annotations

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def traced(call: Any, *args: Any, stream: int = 0, size: int = 0, kind: str = "other") -> Any:
    """`call(*args)`, in the record of a trace if one runs.

    stream: the handle of the one that the work is in.  size: bytes that are moved.  kind: see `TraceEvent`.
    """
    record = _native.trace_begin(kind, call.__name__, stream, size)
    if record is None:
        return call(*args)
    succeeded = False
    try:
        result = call(*args)
        succeeded = True
    finally:
        _native.trace_end(record, succeeded)
    return result
