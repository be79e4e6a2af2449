"""A record of launches, copies and waits, as a file that https://ui.perfetto.dev shows.

Only what goes through this package is recorded, not calls of the low level or of other libraries.
"""

from __future__ import annotations

from cubind import CudaError, driver

from . import _mangled, _native, profiling
from ._light import contextmanager, suppress
from ._records import dataclass
from .device import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import Any


@dataclass(frozen=True)
class TraceEvent:
    """One call: kind ("kernel", "copy", "fill", "graph", "wait", "other"; "range" of `annotate`), name (of the kernel, the C
    function or the range), stream (its handle), thread, begin and end on the host in ns, `device_begin` and `device_end`
    in ns of the same clock as well as it can be known (None where the device does nothing), size (bytes of a copy or
    fill), grid, block, shared_memory of a kernel."""

    kind: str
    name: str
    stream: int
    thread: int
    begin: int
    end: int
    device_begin: int | None
    device_end: int | None
    size: int
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_memory: int


class Trace:
    """What `trace()` gives: `events` once the block has ended, and `save(path)`."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def __repr__(self) -> str:
        return f"<Trace of {len(self.events)} events>"

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the events as JSON in Chrome's trace format, a row a thread of the host and a row a stream.

        https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
        """
        import json
        from pathlib import Path

        Path(path).write_text(json.dumps({"traceEvents": list(self._chrome()), "displayTimeUnit": "ns"}))

    def _chrome(self) -> Iterator[dict[str, Any]]:
        start = min((e.begin for e in self.events), default=0)
        threads = {t: i for i, t in enumerate(dict.fromkeys(e.thread for e in self.events))}
        streams = {
            s: i for i, s in enumerate(dict.fromkeys(e.stream for e in self.events if e.device_begin is not None))
        }
        for pid, title in ((0, "host"), (1, "device")):
            yield {"ph": "M", "pid": pid, "name": "process_name", "args": {"name": title}}
        for i in threads.values():
            yield {"ph": "M", "pid": 0, "tid": i, "name": "thread_name", "args": {"name": f"thread {i}"}}
        for s, i in streams.items():
            yield {"ph": "M", "pid": 1, "tid": i, "name": "thread_name", "args": {"name": _stream_name(s)}}
        for e in self.events:
            details = {} if e.kind == "range" else {"stream": _stream_name(e.stream)}
            if e.kind == "kernel":
                details |= {"grid": str(e.grid), "block": str(e.block), "shared memory": str(e.shared_memory)}
            elif e.size:
                details["bytes"] = str(e.size)
            title = f"launch {e.name}" if e.kind == "kernel" else e.name
            yield _span(title, e.kind, 0, threads[e.thread], e.begin - start, e.end - e.begin, details)
            if e.device_begin is not None and e.device_end is not None:
                span = e.device_begin - start, e.device_end - e.device_begin
                yield _span(e.name, e.kind, 1, streams[e.stream], *span, details)


def _span(name: str, kind: str, pid: int, tid: int, at: int, took: int, args: dict[str, str]) -> dict[str, Any]:
    times = {"ts": at / 1000, "dur": max(took, 0) / 1000}  # µs
    return {"ph": "X", "name": name, "cat": kind, "pid": pid, "tid": tid, **times, "args": args}


def _stream_name(stream: int) -> str:
    return {0: "stream 0", 1: "legacy default stream", 2: "per-thread default stream"}.get(
        stream, f"stream {stream:#x}"
    )


def _kernel_name(handle: int, known: dict[int, str]) -> str:
    if handle not in known:
        known[handle] = f"kernel {handle:#x}"
        for ask in (driver.cuKernelGetName, driver.cuFuncGetName):
            with suppress(CudaError):
                known[handle] = _mangled.written(str(ask(handle)))
                break
    return known[handle]


@contextmanager
def trace(path: str | PathLike[str] | None = None, *, device: Device | None = None) -> Iterator[Trace]:
    """Records what this package launches, copies, fills and waits for in a block, in all threads, and the ranges of
    `annotate`; a graph is one piece of work.

    path: a file to write at the end, for https://ui.perfetto.dev or chrome://tracing.  device: whose clock is compared with the
    host's, and whose work is waited for at the end (default: the current device); work of other devices has no times on the
    device.  Those times come from events around each piece of work.  One trace runs at a time: RuntimeError otherwise.
    """
    device = Device() if device is None else Device(device)
    found = Trace()
    clock = device.stream()  # to bring both clocks together
    zero = clock.record()
    driver.cuEventSynchronize(zero.address)  # which no other trace records
    at_zero = _native.trace_clock()
    _native.start_trace()
    ranges: list[tuple[str, int, int, int]] = []
    profiling.ranges = ranges
    try:
        yield found
    finally:
        records = _native.stop_trace()
        profiling.ranges = None
        with suppress(CudaError):
            device.sync()
        found.events = [*_ranges(ranges), *_events(device, records, zero.address, at_zero)]
    if path is not None:
        found.save(path)


def _ranges(ended: list[tuple[str, int, int, int]]) -> Iterator[TraceEvent]:
    for text, thread, begin, end in ended:
        yield TraceEvent("range", text, 0, thread, begin, end, None, None, 0, (0, 0, 0), (0, 0, 0), 0)


def _events(device: Device, records: list[Any], zero: int, at_zero: int) -> list[TraceEvent]:

    names: dict[int, str] = {}
    events = []
    entered = False
    with suppress(CudaError):  # a trace is told, and its events end, whatever the device says
        device.__enter__()
        entered = True
    try:
        for kind, function, handle, stream, thread, begin, end, size, grid, block, shared, before, after in records:
            span = _device_span(zero, before, after)
            name = _kernel_name(handle, names) if kind == "kernel" else function
            since, until = (None, None) if span is None else (at_zero + span[0], at_zero + span[1])
            events.append(TraceEvent(kind, name, stream, thread, begin, end, since, until, size, grid, block, shared))
    finally:
        if entered:
            device.__exit__(None, None, None)
    return events


def _device_span(zero: int, before: int, after: int) -> tuple[int, int] | None:
    span = None
    if before and after:
        with suppress(CudaError):
            since, until = (int(driver.cuEventElapsedTime(zero, event) * 1e6) for event in (before, after))
            span = since, until
    for event in (before, after):
        if event:
            with suppress(CudaError):
                driver.cuEventDestroy(event)
    return span
