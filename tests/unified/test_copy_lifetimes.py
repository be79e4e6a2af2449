"""Copies: when they happen, in which order, what is kept alive and how long."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified import _native
from tests.unified.memory_tools import held, run


@pytest.fixture(autouse=True)
def nothing_is_kept(current):
    yield
    current.sync()
    assert _native.copies_under_way() == 0


# ---- when, and how long things live ----------------------------------------------------------------------------------------


def test_pageable_memory_was_read_when_the_call_returns(device, stream):
    target = device.allocate(100, stream)
    with held(stream):
        source = bytearray(b"a" * 100)
        target.copy_from(source, stream=stream)
        source[:] = b"b" * 100
        with pytest.raises(BufferError):
            source.append(0)  # the driver may still look at it
    assert target.to_bytes(stream=stream) == b"a" * 100
    source.append(0)


def test_pageable_memory_was_written_when_the_call_returns(device, stream):
    source, there, seen = device.allocate(1 << 16, stream), bytearray(1 << 16), []
    with held(stream) as gate:
        source.fill(7, stream=stream)
        threading.Timer(0.05, lambda: (seen.append(there[0]), gate.set())).start()
        source.copy_to(there, stream=stream)
        seen.append(there[-1])
    assert seen == [0, 7]
    there.append(1)  # nothing holds it any more


def test_pinned_memory_is_copied_later_and_kept(device, stream):
    class Kept(np.ndarray):
        pass

    source, there = device.allocate(100, stream), cu.zeros_pinned(100, "u1").view(Kept)
    alive = weakref.ref(there)
    with held(stream):
        source.fill(5, stream=stream).copy_to(there, stream=stream)
        assert there[0] == 0
        pinned = memoryview(there)
        del there
        gc.collect()
        assert alive() is not None
        assert _native.copies_under_way() == 1
    assert bytes(pinned) == b"\x05" * 100
    pinned.release()
    gc.collect()
    assert alive() is None


def test_what_is_dropped_before_the_copy_is_copied(device, stream):
    with device.stream() as other:
        there = device.allocate(4096, stream)
        stream.sync()
        with held(stream):
            for i in range(8):  # each dropped at once, freed in the order of another stream, and its memory used again
                part = device.allocate(512, other).fill(i, stream=other)
                other.sync()
                there[i * 512 : (i + 1) * 512].copy_from(part, stream=stream)
                del part
                device.allocate(512, other).fill(99, stream=other)
                other.sync()
            assert _native.copies_under_way() == 8
        assert there.to_bytes(stream=stream) == b"".join(bytes([i]) * 512 for i in range(8))


def test_closing_under_a_copy_comes_after_it(device, stream):
    with device.stream() as other:
        there, source = device.allocate(512, stream), device.allocate(512, other).fill(3, stream=other)
        stream.sync()
        other.sync()
        with held(stream) as gate:
            there.copy_from(source, stream=stream)
            source.close()
            device.allocate(512, other).fill(99, stream=other)
            assert not other.done
            gate.set()
        other.sync()
        assert there.to_bytes(stream=stream) == b"\x03" * 512


@pytest.mark.parametrize("resource", [cu.SyncResource, cu.PinnedResource, cu.ManagedResource])
def test_closing_memory_without_a_stream_waits_for_its_copies(device, stream, resource):
    there, source = device.allocate(512, stream), resource(device).allocate(512)
    source.fill(3, stream=stream)
    with held(stream) as gate:
        there.copy_from(source, stream=stream)
        threading.Timer(0.05, gate.set).start()
        source.close()
        assert gate.is_set()
    assert there.to_bytes(stream=stream) == b"\x03" * 512


def test_a_lent_buffer_closed_under_a_copy_keeps_its_owner(device, stream):
    owner = cu.zeros_pinned(64, "u1")
    alive = weakref.ref(owner)
    lent = cu.Buffer.from_handle(owner.ctypes.data, 64, owner=owner)
    source = device.allocate(64, stream).fill(8, stream=stream)
    del owner
    with held(stream):
        source.copy_to(lent, stream=stream)
        lent.close()
        gc.collect()
        assert alive() is not None
    device.sync()
    assert _native.copies_under_way() == 0
    del lent
    gc.collect()
    assert alive() is None


def test_nothing_is_kept_in_the_streams_own_order(device, stream):
    a, b = device.allocate(64, stream), device.allocate(64, stream)
    with held(stream):
        a.fill(1, stream=stream)
        a.copy_to(b, stream=stream)
        assert _native.copies_under_way() == 0
        a.close()
    assert b.to_bytes(stream=stream) == b"\x01" * 64


def test_many_copies_under_way(device, stream):
    there, pinned = device.allocate(1000, stream), cu.zeros_pinned(1000, "u1")
    with held(stream):
        for i in range(1000):
            pinned[i] = i % 251
            there[i : i + 1].copy_from(pinned[i : i + 1], stream=stream)
        assert _native.copies_under_way() == 1000
    assert there.to_bytes(stream=stream) == bytes(i % 251 for i in range(1000))
    assert _native.copies_under_way() == 0


@pytest.mark.parametrize("name", ["complaint_38", "complaint_39"])
def test_python_callbacks_and_copies_do_not_wait_for_each_other(device, stream, name):
    """A callback needs the GIL while the copying thread is in the driver, and what dies after a copy copies itself."""
    called, there = [], bytearray(1 << 20)
    source = device.allocate(1 << 20, stream).fill(1, stream=stream)

    class Dies:
        def __del__(self):
            called.append(device.allocate(8, stream).fill(2, stream=stream).to_bytes(stream=stream))

    for _ in range(20):
        with stream.context:
            driver.cuLaunchHostFunc(stream.handle, lambda _: called.append(sum(range(1000))), None)
        lent = cu.Buffer.from_handle(source.pointer, 8, owner=Dies(), device=device, kind="device")
        target = cu.zeros_pinned(8, "u1")
        lent.copy_to(target, stream=stream)
        del lent
        source.copy_to(there, stream=stream)
    assert called.count(499500) == 20
    _native.copies_under_way()
    assert called.count(b"\x02" * 8) == 20


def test_16_threads(device):
    errors = []

    def work(seed):
        try:
            with device.stream() as s:
                source = cu.empty_pinned(4096, "u1")
                for i in range(20):
                    source[:] = (seed + i) % 256
                    b = device.allocate(4096, s).copy_from(source, stream=s)
                    c = b.copy_to(stream=s)
                    b.close()
                    assert c.to_bytes(stream=s) == bytes([(seed + i) % 256]) * 4096
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i * 16,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert _native.copies_under_way() == 0


def test_copies_under_way_at_exit():
    program = """
import threading, cuda_unified as cu
from cubind import driver
d = cu.Device(0)
s = d.stream()
gate = threading.Event()
with d:
    driver.cuLaunchHostFunc(s.handle, lambda _: gate.wait(1), None)
a, b = cu.zeros_pinned(1 << 20), d.allocate(8 << 20, s)
b.copy_from(a, stream=s)
del a
print(cu._native.copies_under_way())
gate.set()
"""
    assert run(program) == "1\n"


def test_capture_keeps_both_ends(device, stream):
    source, there = cu.zeros_pinned(64, "u1"), device.allocate(64, stream)
    source[:] = 7
    alive = weakref.ref(source)
    try:
        with device:
            driver.cuStreamBeginCapture(stream.handle, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
    except cu.NotSupportedError:
        pytest.skip("this driver has no stream capture")
    there.copy_from(source, stream=stream)
    del source
    with device:
        graph = driver.cuStreamEndCapture(stream.handle)
        executable = driver.cuGraphInstantiate(graph, 0)
    gc.collect()
    assert alive() is not None
    with device:
        driver.cuGraphLaunch(executable, stream.handle)
        assert there.to_bytes(stream=stream) == b"\x07" * 64
        driver.cuGraphExecDestroy(executable)
        driver.cuGraphDestroy(graph)
    for _ in range(500):  # a thread of the driver tells that the graph is gone
        if not _native.copies_under_way():
            break
        time.sleep(0.01)
    gc.collect()
    assert alive() is None


def test_copies_under_way_do_not_disturb_a_capture(device):
    """What copies before the capture still keep is asked for while it goes on, which no capture, of whoever, may notice."""
    stream = device.stream()
    source, target = cu.from_host(np.arange(100, dtype="f4")), cu.zeros(100)  # in the default stream
    with stream.capture() as graph:
        target.copy_from(source)
    other, mode = device.stream(), driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL
    ends = device.allocate(400, stream), device.allocate(400, stream)
    device.sync()
    ends[0].copy_from(ends[1], stream=other)
    with device:
        driver.cuStreamBeginCapture(stream.address, mode)  # by another library
        for _ in range(3):
            ends[0].copy_from(ends[1], stream=other)
        driver.cuGraphDestroy(driver.cuStreamEndCapture(stream.address))
    device.sync()
    graph.instantiate().launch(stream)
    stream.sync()
    assert list(target.to_host()) == list(range(100))
