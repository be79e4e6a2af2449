"""Parts of a program that a profiler is to look at, and ranges that it shows; and the time of a kernel."""

from __future__ import annotations

from cubind import NotSupportedError, driver

from . import _native
from ._light import contextmanager, nullcontext
from ._records import dataclass
from .stream import Stream, current_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .device import Device


ranges: list[tuple[str, int, int, int]] | None = None
"""(text, thread, begin, end) of the ranges that have ended since a trace began; None: there is no trace."""


@contextmanager
def annotate(text: str) -> Iterator[None]:
    """A range that is called `text`, in a `trace()` that runs, and in profiles where the package nvtx is installed.

    https://nvidia.github.io/NVTX/
    """
    from _thread import get_ident

    try:
        from nvtx import annotate as shown  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        shown = nullcontext
    begin = _native.trace_clock()
    try:
        with shown(text):
            yield
    finally:
        traced = ranges
        if traced is not None:
            traced.append((text, get_ident(), begin, _native.trace_clock()))


@contextmanager
def profile(device: Device | None = None, *, name: str | None = None) -> Iterator[None]:
    """Lets a profiler that waits for it collect during a block: `nsys profile -c cudaProfilerApi`, `ncu
    --profile-from-start off`.

    device: whose work (default: the current device); it is waited for before and after.  name: also a range, as by
    `annotate`.  Where nothing collects, and on the CPU device, only the waiting is left.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__PROFILER.html
    """
    from .device import Device

    device = Device() if device is None else Device(device)
    with device:
        device.sync()
        collecting = _tell(driver.cuProfilerStart)
        try:
            if name is None:
                yield
            else:
                with annotate(name):
                    yield
            device.sync()
        finally:
            if collecting:
                _tell(driver.cuProfilerStop)


def _tell(function: Callable[[], Any]) -> bool:
    try:
        function()
    except NotSupportedError:
        return False
    return True


@dataclass(frozen=True)
class KernelTime:
    """Milliseconds on the device of repeated runs, the first ones (warm-up) not counted."""

    times: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least."""
        return min(self.times)

    @property
    def median(self) -> float:
        """The median."""
        ordered, n = sorted(self.times), len(self.times)
        return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2

    def __str__(self) -> str:
        return f"best {self.best:.4f} ms, median {self.median:.4f} ms of {len(self.times)} runs"


def time_kernel(
    function: Callable[[], Any], *, stream: Stream | None = None, repeat: int = 10, warmup: int = 2
) -> KernelTime:
    """Measures what `function` puts into a stream, by events around it: on the device, not in Python.

    function: called without arguments, e.g. a bound launch or `lambda: kernel[grid, block, stream](a, b)`; it must use `stream`.
    stream: default the current one.  repeat: how often it is measured, after `warmup` runs that are not.  Raises ValueError
    if repeat is below 1.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__EVENT.html
    """
    if repeat < 1 or warmup < 0:
        raise ValueError(f"repeat must be at least 1 and warmup at least 0, not {repeat} and {warmup}")
    stream = stream or current_stream()
    for _ in range(warmup):
        function()
    stream.sync()
    times = []
    for _ in range(repeat):
        begin = stream.record()
        function()
        end = stream.record()
        end.sync()
        times.append(begin.elapsed(end))
    return KernelTime(tuple(times))
