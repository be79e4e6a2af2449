"""Resources around a resource that remember: a log of what happened, and what was not given back, with where it was
allocated."""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from ._records import NamedTuple
from .adaptors import Adaptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from .memory import Buffer
    from .stream import Stream


class LoggingResource(Adaptor):
    """Writes a line of CSV for each allocation and each freeing: thread, time, action, pointer, size, stream.

    target: a path, which is opened and closed again by `close()`, or something with `write(text)`.  The action is
    "allocate", "free" or "allocate failure".  The columns are those of RAPIDS RMM's logs, so that its tools read them.
    """

    HEADER = "Thread,Time,Action,Pointer,Size,Stream"

    def __init__(self, upstream: Any, target: str | os.PathLike[str] | TextIO) -> None:
        super().__init__(upstream)
        self._owned = isinstance(target, str | os.PathLike)
        self._out: Any = open(target, "w", encoding="utf-8") if isinstance(target, str | os.PathLike) else target  # noqa: SIM115, PTH123
        self._out.write(self.HEADER + "\n")

    def take(self, size: int, stream: Any) -> Buffer:
        """Gets memory from upstream; a failure is written too."""
        try:
            return super().take(size, stream)
        except Exception:
            self._write("allocate failure", 0, size, None)
            raise

    def allocated(self, buffer: Buffer) -> None:
        """Writes a line."""
        self._write("allocate", buffer.pointer, buffer.size, buffer.stream)

    def freed(self, pointer: int, size: int, stream: Stream | None) -> None:
        """Writes a line."""
        self._write("free", pointer, size, stream)

    def flush(self) -> None:
        """Writes out what is buffered."""
        with self._lock:
            if self._out is not None and hasattr(self._out, "flush"):
                self._out.flush()

    def close(self) -> None:
        """Ends the log; the resource can still be used."""
        with self._lock:
            out, self._out = self._out, None
            if self._owned and out is not None:
                out.close()

    def __enter__(self) -> LoggingResource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, action: str, pointer: int, size: int, stream: Stream | None) -> None:
        now = time.time()
        clock = f"{time.strftime('%H:%M:%S', time.localtime(now))}:{int(now % 1 * 1e6):06}"
        at = 0 if stream is None or stream.is_closed else stream.address
        with self._lock:
            if self._out is not None:
                self._out.write(f"{get_ident()},{clock},{action},{pointer:#x},{size},{at:#x}\n")


class Allocation(NamedTuple):
    """Memory that was not given back, and where it was allocated: `stack` is (file, line, function) from the caller
    outwards."""

    pointer: int
    size: int
    time: float
    thread: str
    stack: tuple[tuple[str, int, str], ...]

    def __str__(self) -> str:
        where = "".join(f"\n    {file}:{line} in {function}" for file, line, function in self.stack)
        return f"{self.size} bytes at {self.pointer:#x}, by thread {self.thread}{where or ' (no stack)'}"


class TrackingResource(Adaptor):
    """Remembers what was not given back, with the stack of the allocation.

    depth: how many calls of the stack are kept; 0: none.
    """

    def __init__(self, upstream: Any, *, depth: int = 16) -> None:
        super().__init__(upstream)
        if depth < 0:
            raise ValueError(f"depth is from 0 on, not {depth}")
        self.depth = depth
        self._allocations: dict[int, Allocation] = {}
        _tracked().add(self)

    def allocated(self, buffer: Buffer) -> None:
        """Remembers it."""
        import threading

        thread = threading.current_thread().name
        entry = Allocation(buffer.pointer, buffer.size, time.time(), thread, _stack(self.depth))
        with self._lock:
            self._allocations[buffer.pointer] = entry

    def freed(self, pointer: int, size: int, stream: Stream | None) -> None:
        """Forgets it."""
        with self._lock:
            self._allocations.pop(pointer, None)

    @property
    def outstanding(self) -> list[Allocation]:
        """What was not given back, oldest first."""
        with self._lock:
            return list(self._allocations.values())

    @property
    def outstanding_bytes(self) -> int:
        """The bytes of that."""
        return sum(entry.size for entry in self.outstanding)

    def report(self) -> str:
        """What was not given back, as text."""
        entries = self.outstanding
        if not entries:
            return "everything was given back"
        lines = [f"{len(entries)} allocations of {sum(e.size for e in entries)} bytes were not given back:"]
        return "\n".join([*lines, *map(str, entries)])


def _stack(depth: int) -> tuple[tuple[str, int, str], ...]:
    """The calls that led here, without those of this package."""
    found: list[tuple[str, int, str]] = []
    frame: Any = sys._getframe(1)
    while frame is not None and len(found) < depth:
        module = frame.f_globals.get("__name__", "")
        if found or not (module == __package__ or module.startswith(f"{__package__}.")):
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(found)


_all: Any = None


def _tracked() -> Any:
    """The living resources that track, for reports."""
    global _all  # noqa: PLW0603
    if _all is None:
        from weakref import WeakSet

        _all = WeakSet()
    return _all
