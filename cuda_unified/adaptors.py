"""Resources around a resource: they count, limit, and try again."""

from __future__ import annotations

from _thread import RLock

from cubind import OutOfMemoryError

from . import _native
from ._light import contextmanager
from .memory import Buffer, _size
from .resources import MemoryResource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .device import Device
    from .stream import Stream


class Adaptor(MemoryResource):
    """A resource that takes its memory from another, `upstream`; the base of those here and of your own.

    Override `allocated(buffer)` and `freed(pointer, size)` to see what happens, or `take(size, stream)` to take part
    in it. Adaptors nest.  All methods may be called from any thread.
    """

    def __init__(self, upstream: Any) -> None:
        if not callable(getattr(upstream, "allocate", None)):
            raise TypeError(f"a memory resource has allocate(size, stream=None); {type(upstream).__name__} has not")
        self.upstream = upstream
        self._lock = RLock()  # a buffer may be dropped while it is held: by the garbage collector
        self._live: dict[int, Buffer] = {}

    @property
    def device(self) -> Device | None:
        """The device of the memory."""
        return getattr(self.upstream, "device", None)

    @property
    def is_device_accessible(self) -> bool:
        """Whether kernels may use the memory."""
        return bool(self.upstream.is_device_accessible)

    @property
    def is_host_accessible(self) -> bool:
        """Whether the host may use the memory."""
        return bool(self.upstream.is_host_accessible)

    @property
    def is_managed(self) -> bool:
        """Whether the memory moves between host and devices."""
        return bool(self.upstream.is_managed)

    @property
    def is_pinned(self) -> bool:
        """Whether it is page-locked memory of the host."""
        return bool(self.upstream.is_pinned)

    def take(self, size: int, stream: Any) -> Buffer:
        """Gets memory from upstream."""
        buffer: Buffer = self.upstream.allocate(size, stream)
        return buffer

    def allocated(self, buffer: Buffer) -> None:
        """Called after each allocation of at least one byte; what it raises frees the memory again."""

    def freed(self, pointer: int, size: int, stream: Stream | None) -> None:
        """Called before each such memory goes back."""

    def allocate(self, size: int, stream: Stream | Any = None) -> Buffer:
        """Gives `size` bytes from upstream."""
        size = _size(size)
        inner = self.take(size, stream)
        if not size:
            return inner
        pointer = inner.pointer
        outer: Buffer = _native.make_buffer(
            pointer, size, inner.context, inner._flags, self, None, inner.stream, -1, type(inner)
        )
        with self._lock:
            self._live[pointer] = inner
        self.allocated(outer)
        return outer

    def deallocate(self, pointer: int, size: int, *, stream: Stream | None) -> None:
        """Gives memory back to upstream."""
        with self._lock:
            inner = self._live.pop(pointer)
        try:
            self.freed(pointer, size, stream)
        finally:
            inner.close(stream)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.upstream!r})"


class Counts:
    """Bytes and allocations since a beginning: `current` (may be negative: what was allocated before may be freed
    after), `peak`, `total`.

    `allocations`, `peak_allocations` and `total_allocations` count the same in allocations.
    """

    __slots__ = ("allocations", "current", "peak", "peak_allocations", "total", "total_allocations")

    def __init__(self) -> None:
        self.current = self.peak = self.total = 0
        self.allocations = self.peak_allocations = self.total_allocations = 0

    def _add(self, size: int) -> None:
        self.current += size
        self.total += size
        self.allocations += 1
        self.total_allocations += 1
        self.peak = max(self.peak, self.current)
        self.peak_allocations = max(self.peak_allocations, self.allocations)

    def _remove(self, size: int) -> None:
        self.current -= size
        self.allocations -= 1

    def _copy(self) -> Counts:
        other = Counts()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Counts({', '.join(f'{name}={getattr(self, name)}' for name in self.__slots__)})"


class StatisticsResource(Adaptor):
    """Counts bytes and allocations, in all and in parts of the program, which nest:

    with statistics.region() as counts:
        ...
    print(counts.peak)
    """

    def __init__(self, upstream: Any) -> None:
        super().__init__(upstream)
        self._levels = [Counts()]

    @property
    def counts(self) -> Counts:
        """Since the resource was made."""
        with self._lock:
            return self._levels[0]._copy()

    def push(self) -> Counts:
        """Begins a part of the program: its counts, from 0, which go on changing until the `pop()` that belongs to
        it."""
        with self._lock:
            self._levels.append(Counts())
            return self._levels[-1]

    def pop(self) -> Counts:
        """Ends the innermost part and returns its counts; RuntimeError where none was begun."""
        with self._lock:
            if len(self._levels) == 1:
                raise RuntimeError("pop() without push()")
            return self._levels.pop()

    @contextmanager
    def region(self) -> Iterator[Counts]:
        """A part of the program: `with statistics.region() as counts:`."""
        counts = self.push()
        try:
            yield counts
        finally:
            with self._lock:
                self._levels[:] = [level for level in self._levels if level is not counts]

    def allocated(self, buffer: Buffer) -> None:
        """Counts it on all levels."""
        with self._lock:
            for level in self._levels:
                level._add(buffer.size)

    def freed(self, pointer: int, size: int, stream: Stream | None) -> None:
        """Counts it on all levels."""
        with self._lock:
            for level in self._levels:
                level._remove(size)


class LimitResource(Adaptor):
    """Gives at most `limit` bytes at a time; beyond that `OutOfMemoryError`, before upstream is asked."""

    def __init__(self, upstream: Any, limit: int) -> None:
        super().__init__(upstream)
        self.limit, self._used = _size(limit), 0

    @property
    def used(self) -> int:
        """Bytes that are allocated."""
        return self._used

    def take(self, size: int, stream: Any) -> Buffer:
        """Gets memory from upstream if it fits."""
        with self._lock:
            if size > self.limit - self._used:
                raise OutOfMemoryError(
                    f"{size} bytes were asked for; of the limit of {self.limit} bytes {self.limit - self._used} are free"
                )
            self._used += size
        try:
            return super().take(size, stream)
        except BaseException:
            with self._lock:
                self._used -= size
            raise

    def freed(self, pointer: int, size: int, stream: Stream | None) -> None:
        """Makes room again."""
        with self._lock:
            self._used -= size


class FailureCallbackResource(Adaptor):
    """Calls `callback(size)` when upstream is out of memory: if it returns something true upstream is tried again,
    else the error goes on.

    The callback frees what it can; it is called again as long as it says to try again.
    """

    def __init__(self, upstream: Any, callback: Callable[[int], Any]) -> None:
        super().__init__(upstream)
        if not callable(callback):
            raise TypeError(f"a callback is called; {type(callback).__name__} cannot be")
        self.callback = callback

    def take(self, size: int, stream: Any) -> Buffer:
        """Gets memory from upstream, trying again as long as the callback says so."""
        while True:
            try:
                return super().take(size, stream)
            except OutOfMemoryError:
                if not self.callback(size):
                    raise
