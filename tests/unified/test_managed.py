"""Managed memory: advice as properties, prefetching, discarding, attaching."""

import numpy as np
import pytest

import cuda_unified as cu
from cuda_unified import discard_batch, discard_prefetch_batch, prefetch_batch
from tests.unified.memory_tools import run

pytestmark = pytest.mark.usefixtures("current")

PAGE = 1 << 16


@pytest.fixture
def buffer(device):
    with cu.ManagedResource(device).allocate(4 * PAGE) as b:
        yield b


HOST = cu.Host()


def test_kind(device, buffer):
    assert type(buffer) is cu.ManagedBuffer and isinstance(buffer, cu.Buffer)
    assert type(buffer[PAGE:]) is cu.ManagedBuffer
    assert buffer.is_managed and buffer.device is device
    with pytest.raises(ValueError, match="attach"):
        cu.ManagedResource(device, attach="single")


def test_read_mostly(buffer):
    assert buffer.read_mostly is False
    buffer.read_mostly = True
    assert buffer.read_mostly is True and buffer[:PAGE].read_mostly is True
    buffer[:PAGE].read_mostly = False
    assert buffer.read_mostly is False
    assert buffer[:PAGE].read_mostly is False and buffer[PAGE:].read_mostly is True


def test_preferred_location(device, buffer):
    assert buffer.preferred_location is None
    for place, expected in ((device, device), ("host", HOST), (HOST, HOST), (cu.Host(0), cu.Host(0))):
        buffer.preferred_location = place
        assert buffer.preferred_location == expected
    buffer.preferred_location = cu.Host.nearest()
    assert buffer.preferred_location.numa is not None
    buffer[PAGE : 2 * PAGE].preferred_location = device
    assert buffer.preferred_location is None and buffer[PAGE : 2 * PAGE].preferred_location is device
    buffer.preferred_location = None
    assert buffer[PAGE : 2 * PAGE].preferred_location is None


def test_accessed_by_is_a_live_set(device, buffer):
    places = buffer.accessed_by
    assert list(places) == [] and len(places) == 0 and device not in places
    places.add(device)
    assert list(buffer.accessed_by) == [device] and device in places and places == {device}
    places.add("host")
    places.add(device)
    assert set(places) == {device, HOST} and "host" in places and HOST in places
    places.remove(device)
    assert places == [HOST]
    with pytest.raises(KeyError):
        places.remove(device)
    places.discard(device)
    buffer.accessed_by = [device]
    assert set(places) == {device}
    buffer.accessed_by = ()
    assert len(places) == 0 and repr(places) == "{}"
    buffer[:PAGE].accessed_by.add(device)
    assert device in buffer[:PAGE].accessed_by and device not in places


def test_prefetch(device, stream, buffer):
    assert buffer.last_prefetch is None
    buffer.prefetch(stream=stream)
    assert buffer.last_prefetch is device
    buffer.prefetch("host", stream=stream)
    assert buffer.last_prefetch == HOST
    buffer[:PAGE].prefetch(device, stream=stream)
    assert buffer.last_prefetch is None and buffer[PAGE:].last_prefetch == HOST


def test_prefetch_several(device, stream, buffer):
    parts = [buffer[i * PAGE : (i + 1) * PAGE] for i in range(4)]
    prefetch_batch(parts, "host", stream=stream)
    assert buffer.last_prefetch == HOST
    prefetch_batch([*parts[:2], parts[0][:0]], [device, "host", device], stream=stream)
    assert [p.last_prefetch for p in parts] == [device, HOST, HOST, HOST]
    prefetch_batch(parts, stream=stream)
    assert buffer.last_prefetch is device
    prefetch_batch([], stream=stream)
    with pytest.raises(ValueError, match="2 places for 4 buffers"):
        prefetch_batch(parts, [device, device], stream=stream)


def test_prefetching_moves_no_values(device, stream, buffer):
    array = np.frombuffer(buffer, "u4")
    array[:] = np.arange(array.size)
    buffer.prefetch(device, stream=stream)
    buffer.prefetch("host", stream=stream)
    stream.sync()
    assert (array == np.arange(array.size)).all()


def test_discard(device, stream, buffer):
    buffer.fill(5, stream=stream)
    buffer[:PAGE].discard(stream=stream)
    buffer[PAGE : 2 * PAGE].discard_prefetch("host", stream=stream)
    assert buffer[2 * PAGE :].to_bytes(stream=stream) == b"\x05" * (2 * PAGE)
    assert buffer[PAGE : 2 * PAGE].last_prefetch == HOST
    buffer[: 2 * PAGE].fill(6, stream=stream)
    assert buffer.to_bytes(stream=stream) == b"\x06" * (2 * PAGE) + b"\x05" * (2 * PAGE)
    discard_batch([buffer[:PAGE], buffer[PAGE:]], stream=stream)
    discard_prefetch_batch([buffer[:PAGE], buffer[PAGE:]], [device, "host"], stream=stream)
    assert buffer[:PAGE].last_prefetch is device and buffer[PAGE:].last_prefetch == HOST
    discard_batch([], stream=stream)


@pytest.mark.parametrize("kind", ["global", "host", "single"])
def test_attach(device, stream, kind):
    buffer = cu.ManagedResource(device, attach="host").allocate(PAGE)
    buffer.attach(kind, stream=stream)
    stream.sync()
    with pytest.raises(ValueError, match="attach"):
        buffer.attach("all", stream=stream)


@pytest.mark.parametrize("place", [None, 5, "gpu", object()])
def test_places_that_are_none(buffer, place):
    for use in (
        lambda: buffer.accessed_by.add(place),
        lambda: setattr(buffer, "preferred_location", place or 0),
        lambda: buffer.prefetch(place or 0),
    ):
        with pytest.raises(TypeError, match="a place is"):
            use()


def test_other_memory_is_not_managed(device, stream):
    plain = device.allocate(64, stream)
    for use in (
        lambda: prefetch_batch([plain], "host", stream=stream),
        lambda: discard_batch([plain], stream=stream),
        lambda: discard_prefetch_batch([plain], stream=stream),
    ):
        with pytest.raises(ValueError, match="managed memory"):
            use()


def test_after_close(device):
    buffer = cu.ManagedResource(device).allocate(PAGE)
    places = buffer.accessed_by
    buffer.close()
    for use in (
        lambda: buffer.read_mostly,
        lambda: setattr(buffer, "read_mostly", True),
        lambda: places.add(device),
        lambda: list(places),
        buffer.prefetch,
        buffer.discard,
        lambda: buffer.attach("global"),
        lambda: buffer.last_prefetch,
    ):
        with pytest.raises(cu.ClosedError):
            use()


def test_advice_ends_with_the_memory(device):
    resource = cu.ManagedResource(device)
    for _ in range(200):
        buffer = resource.allocate(PAGE)
        assert not buffer.read_mostly and len(buffer.accessed_by) == 0
        buffer.read_mostly = True
        buffer.accessed_by.add(device)
        del buffer


def test_two_devices():
    program = """
import cuda_unified as cu
a, b = cu.Device(0), cu.Device(1)
m = cu.ManagedResource(a).allocate(1 << 16)
m.accessed_by = [a, b, "host"]
print(sorted(map(repr, m.accessed_by)))
m.preferred_location = b
m.prefetch(b)
print(m.preferred_location, m.last_prefetch)
m.accessed_by.discard(a)
print(len(m.accessed_by))
"""
    out = run(program, CPU_DEVICE_COUNT="2", CUBIND_DEVICE="cpu")
    assert out == "['Device(0)', 'Device(1)', 'Host()']\nDevice(1) Device(1)\n2\n"


def test_hosts():
    assert cu.Host() == cu.Host() != cu.Host(0) and hash(cu.Host(1)) == hash(cu.Host(1))
    assert cu.Host.nearest() != cu.Host() and cu.Host.nearest().is_nearest
    assert [repr(h) for h in (cu.Host(), cu.Host(2), cu.Host.nearest())] == ["Host()", "Host(2)", "Host.nearest()"]
    assert cu.Host() != "host" and cu.Host(3).numa == 3
    for bad in (-1, "x", 1.5):
        with pytest.raises(ValueError, match="NUMA"):
            cu.Host(bad)
