"""What looks at programs: traces, profiles, times, reports."""

from __future__ import annotations

from typing import Any

import cuda_unified as cu
from tests.unified.kernels import Library

device = cu.Device(0)
stream, library = device.stream(), Library()
STREAMS = (stream,)
there = device.allocate(64, stream)


def launch() -> None:
    library["add"][1, 1, stream](there, 1)


def traced() -> None:
    with cu.trace(device=device) as trace:
        launch()
        there.fill(0, stream=stream)
        stream.sync()
    assert len(trace.events) >= 2


def profiled() -> None:
    with cu.profile(device, name="part"), cu.annotate("step"):
        launch()


def timed() -> None:
    assert cu.time_kernel(launch, stream=stream, repeat=2, warmup=1).best >= 0


def reported() -> None:
    assert repr(device.limits) and repr(library["add"].attributes) and str(cu.memory_report())


# a trace says what it knows, and does not disturb the program
NAME = "cuKernelGetName"
EVENTS = {"cuEventCreate", "cuEventRecord", "cuEventElapsedTime_v2"}
QUIET = {
    "trace": {NAME, "cuCtxSynchronize", "cuCtxPushCurrent_v2", *EVENTS},
    "profile": {NAME},
    "time": {NAME},
    "report": {NAME, "cuCtxPushCurrent_v2", "cuCtxGetLimit"},  # a repr leaves out what it cannot know
    "info": {"*"},
}
OPERATIONS: dict[str, Any] = {
    "trace": traced,
    "profile": profiled,
    "time": timed,
    "report": reported,
    "info": lambda: str(cu.info()),
}
