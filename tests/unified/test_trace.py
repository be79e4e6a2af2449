"""The trace recorder."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

import cuda_unified as cu

SOURCE = r"""
extern "C" __global__ void spin(int *out, int turns) {
    int x = threadIdx.x;
    for (int i = 0; i < turns; i++) x = x * 3 + 1;
    out[threadIdx.x] = x;
}
"""


@pytest.fixture(scope="module")
def kernel(device: cu.Device) -> cu.Kernel:
    return cu.compile_kernel(SOURCE, "spin")


def test_what_is_recorded(device: cu.Device, kernel: cu.Kernel, tmp_path: Path) -> None:
    with device.stream() as stream, device.stream() as other:
        buffer = device.allocate(128, stream)
        with cu.trace(tmp_path / "trace.json") as trace:
            assert trace.events == []
            kernel[(2, 1, 1), 32, stream](buffer, 1000)
            buffer.fill(7, stream=stream)
            host = bytearray(128)
            buffer.copy_to(host, stream=stream)
            stream.record().sync()
            thread = threading.Thread(target=lambda: kernel[1, 32, other](buffer, 10))
            thread.start()
            thread.join()
            other.sync()
        kernel[1, 32, stream](buffer, 1)  # not any more
        stream.sync()
    assert host == bytes([7]) * 128
    kinds = [e.kind for e in trace.events]
    assert kinds.count("kernel") == 2 and kinds.count("fill") == 1 and kinds.count("copy") == 1 and "wait" in kinds
    first, second = (e for e in trace.events if e.kind == "kernel")
    assert (first.name, first.grid, first.block, first.stream) == ("spin", (2, 1, 1), (32, 1, 1), stream.address)
    assert second.stream == other.address and second.thread != first.thread
    (fill,) = (e for e in trace.events if e.kind == "fill")
    assert fill.size == 128
    for e in trace.events:
        assert e.begin <= e.end
        if e.kind in ("kernel", "copy", "fill"):
            assert e.device_begin is not None and e.device_end is not None and e.device_begin <= e.device_end
    assert first.device_end <= fill.device_end + 2_000_000


def test_the_file(device: cu.Device, kernel: cu.Kernel, tmp_path: Path) -> None:
    with device.stream() as stream, cu.trace(tmp_path / "t.json"):
        buffer = device.allocate(128)
        kernel[1, 32](buffer, 10)
        stream.sync()
    rows = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    spans = [r for r in rows if r["ph"] == "X"]
    assert all(isinstance(r["ts"], float) and r["dur"] >= 0 and r["ts"] >= 0 for r in spans if r["pid"] == 0)
    assert {"launch spin", "spin", "cuStreamSynchronize"} <= {r["name"] for r in spans}
    (on_device,) = (r for r in spans if r["name"] == "spin")
    named = {(r["pid"], r.get("tid")): r["args"]["name"] for r in rows if r["ph"] == "M"}
    assert named[1, on_device["tid"]] == f"stream {stream.address:#x}" and on_device["args"]["grid"] == "(1, 1, 1)"


def test_ranges_and_names(device: cu.Device, tmp_path: Path) -> None:
    """What a program annotates is there, in its thread and around its calls; kernels have the names that C++ writes."""
    kernel = cu.compile_kernel("template <class T> __global__ void set(T *p) { *p = 1; }", "set<float>")
    with device.stream() as stream, cu.annotate("not any more"):
        pass
    with device.stream() as stream, cu.trace(tmp_path / "t.json") as trace:
        with cu.annotate("phase"), cu.annotate("part"):
            kernel[1, 1](device.allocate(4))
            stream.sync()
        with pytest.raises(ZeroDivisionError), cu.annotate("failed"):
            raise ZeroDivisionError
    ranges = {e.name: e for e in trace.events if e.kind == "range"}
    (launch,) = (e for e in trace.events if e.kind == "kernel")
    assert set(ranges) == {"phase", "part", "failed"} and launch.name == "set<float>"
    phase, part = ranges["phase"], ranges["part"]
    assert phase.begin <= part.begin <= launch.begin <= launch.end <= part.end <= phase.end
    assert phase.thread == launch.thread == threading.get_ident()
    spans = {r["name"]: r for r in json.loads((tmp_path / "t.json").read_text())["traceEvents"] if r["ph"] == "X"}
    assert spans["phase"]["args"] == {} and spans["phase"]["tid"] == spans["launch set<float>"]["tid"]
    with pytest.raises(TypeError, match="must be an int"), cu.profile("a name"):  # type: ignore[arg-type]
        pass


def test_one_at_a_time_and_errors(device: cu.Device) -> None:
    with cu.trace() as outer:
        with pytest.raises(RuntimeError, match="one at a time"), cu.trace():
            pass
        device.stream().sync()
    assert [e.kind for e in outer.events] == ["wait"]
    with pytest.raises(ZeroDivisionError), cu.trace() as failed:
        device.stream().sync()
        raise ZeroDivisionError
    assert [e.kind for e in failed.events] == ["wait"]
    with cu.trace() as empty:
        pass
    assert empty.events == []


def test_calls_made_in_python_are_recorded_too(device: cu.Device) -> None:
    """Copies of rows, managed memory, the wait for a device; what fails is recorded as well, without times on the device."""
    with device.stream() as stream, cu.ManagedResource(device).allocate(1 << 16) as managed:
        rows = device.allocate(4096, stream)
        stream.sync()
        with cu.trace() as trace:
            cu.copy_2d(rows, bytes(4096), width=64, height=64, stream=stream)
            managed.prefetch("host", stream=stream)
            managed.attach("global", stream=stream)
            with pytest.raises(cu.CudaError):
                cu.prefetch_batch([managed], cu.Host(10_000), stream=stream)
            device.sync()
    seen = [(e.name, e.kind, e.size) for e in trace.events]
    assert seen == [
        ("cuMemcpy3DAsync", "copy", 4096),
        ("cuMemPrefetchAsync", "copy", 1 << 16),
        ("cuStreamAttachMemAsync", "other", 1 << 16),
        ("cuMemPrefetchAsync", "copy", 1 << 16),
        ("cuCtxSynchronize", "wait", 0),
    ]
    done, failed = trace.events[1], trace.events[3]
    assert done.device_begin is not None and failed.device_begin is None
