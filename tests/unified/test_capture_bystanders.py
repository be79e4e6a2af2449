"""What goes on beside a capture and must not end it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver


@pytest.fixture
def busy(device: Any) -> Any:
    """A stream that waits for the test."""
    go, stream = threading.Event(), device.stream()
    with device:
        driver.cuLaunchHostFunc(stream.handle, lambda _: go.wait(20), None)
    yield stream
    go.set()
    stream.sync()


@pytest.mark.parametrize("what", ["fill", "copy", "allocate"])
def test_copies_that_are_under_way_are_no_harm(device: Any, busy: Any, what: str) -> None:
    """Whether they are done is asked again and again: for a capture of mode "global" that is a call which ends it."""
    stream = device.stream()
    there, other = device.allocate(4096, stream), cu.zeros(16, "float32", device=device, stream=stream)
    stream.sync()
    there.copy_from(cu.zeros_pinned(4096, "u1"), stream=busy)
    assert cu._native.copies_under_way() > 0
    with stream.capture("global") as graph:
        for _ in range(3):
            if what == "allocate":
                device.allocate(64, stream).close(stream)
            elif what == "copy":
                other[8:].copy_from(other[:8], stream=stream)
            else:
                other.fill(3, stream=stream)
    assert cu._native.copies_under_way() > 0
    assert len(graph.nodes) >= 3
    if what == "fill":
        graph.instantiate().launch(stream)
        assert np.all(other.to_host(stream=stream) == 3)


def test_the_threads_mode_is_as_before(device: Any, busy: Any) -> None:
    device.allocate(4096, busy).copy_from(cu.zeros_pinned(4096, "u1"), stream=busy)
    assert cu._native.copies_under_way() > 0
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    before = driver.cuThreadExchangeStreamCaptureMode(mode)
    cu._native.copies_under_way()
    assert driver.cuThreadExchangeStreamCaptureMode(before) == mode
