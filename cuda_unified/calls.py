"""Python functions that streams call: in a thread of ours, never in one of the driver's.

The stream does not wait for the function.  So a function may do anything, also wait for CUDA, and no lock of the driver and the
GIL can wait for each other.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from concurrent.futures import Future
from typing import Any, TypeVar

from . import _native, errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .stream import Stream


T = TypeVar("T")


class Call(Future[T]):
    """What a call gives, later: `result()` waits for it.  An error that nobody asks for is reported when the call is dropped."""

    _asked = False

    def result(self, timeout: float | None = None) -> T:
        """The function's result; raises what it raised, or the stream's error.  timeout: seconds."""
        self._asked = True
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the function raised, or the stream's error; None if all went well.  timeout: seconds."""
        self._asked = True
        return super().exception(timeout)

    def __del__(self) -> None:
        if self._asked or not self.done() or self.cancelled():
            return
        error = super().exception()
        if error is not None:
            raise error  # which Python gives to sys.unraisablehook, as all that __del__ raises

    def __await__(self) -> Generator[Any, None, T]:
        """`await call`: lets other tasks run until it is done; gives the result, or raises."""
        import asyncio

        self._asked = True
        return asyncio.wrap_future(self).__await__()


_numbers = itertools.count(1)
_waiting: dict[int, tuple[Call[Any], Callable[..., Any], tuple[Any, ...], bool]] = {}
_start = threading.Lock()
_thread: threading.Thread | None = None
_process = 0


def _run(status: int, future: Call[Any], function: Callable[..., Any], args: tuple[Any, ...], always: bool) -> None:
    error = errors.from_status(status, "Stream.call") if status else None
    if error is not None and not always:
        future.set_exception(error)
        return
    try:
        future.set_result(function(error, *args) if always else function(*args))
    except BaseException as failure:
        future.set_exception(failure)


def _work() -> None:
    while (notice := _native.next_notice()) is not None:
        number, status = notice
        call = _waiting.pop(number, None)
        if call is not None and call[0].set_running_or_notify_cancel():
            _run(status, *call)
        del call


def _stop() -> None:
    _native.stop_notices()
    if _thread is not None and _process == os.getpid():
        _thread.join(2)


def call(stream: Stream, function: Callable[..., T], *args: Any, always: bool = False) -> Call[T]:
    """Calls `function(*args)` once the stream has done what it has now; see `Stream.call`.

    always: call it also where the stream's work failed, as `function(error or None, *args)`.
    """
    global _thread, _process
    if not callable(function):
        raise TypeError(f"call(): a function is wanted, not {function!r}")
    with _start:
        if _thread is None or _process != os.getpid():
            if _thread is None:
                atexit.register(_stop)
            _process = os.getpid()
            _thread = threading.Thread(target=_work, name="cuda_unified calls", daemon=True)
            _thread.start()
    future: Call[T] = Call()
    number = next(_numbers)
    _waiting[number] = future, function, args, always
    try:
        _native.notify(stream, number)
    except BaseException:
        del _waiting[number]
        raise
    return future
