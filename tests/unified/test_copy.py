"""Copies and fills: what may be an end, in which order, what is kept alive and how long."""

import array
import ctypes
import threading

import numpy as np
import pytest

import cuda_unified as cu
from cuda_unified import _native
from tests.unified.memory_tools import held, run


@pytest.fixture(autouse=True)
def nothing_is_kept(current):
    yield
    current.sync()
    assert _native.copies_under_way() == 0


DATA = bytes(range(256)) * 4


@pytest.fixture
def buffer(device, stream):
    return device.allocate(len(DATA), stream).copy_from(DATA, stream=stream)


# ---- ends ----------------------------------------------------------------------------------------------------------------


class Foreign:
    """What another library's array is: the array interface of a buffer."""

    def __init__(self, buffer, **changes):
        self.buffer = buffer
        interface = {"shape": (buffer.size // 4,), "typestr": "<i4", "data": (buffer.pointer, False), "version": 3}
        self.__cuda_array_interface__ = interface | changes


SOURCES = {
    "bytes": lambda: DATA,
    "bytearray": lambda: bytearray(DATA),
    "memoryview": lambda: memoryview(DATA),
    "array": lambda: array.array("I", DATA),
    "ctypes": lambda: (ctypes.c_char * len(DATA)).from_buffer_copy(DATA),
    "numpy": lambda: np.frombuffer(DATA, np.float64).copy(),
    "numpy_2d": lambda: np.frombuffer(DATA, np.uint16).reshape(32, 16),
    "numpy_datetime": lambda: np.frombuffer(DATA, "M8[s]"),
    "numpy_struct": lambda: np.frombuffer(DATA, [("a", "i4"), ("b", "f4")]),
    "pinned": lambda: _filled(cu.empty_pinned(len(DATA), "u1")),
    "managed": lambda: _filled(cu.empty_managed(len(DATA), "u1")),
}


def _filled(target):
    target[:] = np.frombuffer(DATA, "u1")
    return target


@pytest.mark.parametrize("source", SOURCES)
def test_from_everything_with_bytes(device, stream, source):
    buffer = device.allocate(len(DATA), stream)
    assert buffer.copy_from(SOURCES[source](), stream=stream) is buffer
    assert buffer.to_bytes(stream=stream) == DATA


@pytest.mark.parametrize("target", ["bytearray", "array", "ctypes", "numpy", "pinned", "managed"])
def test_to_everything_with_bytes(buffer, stream, target):
    there = SOURCES[target]()
    ctypes.memset(_native.view_address(there), 0, len(DATA))
    assert buffer.copy_to(there, stream=stream) is there
    stream.sync()
    assert bytes(memoryview(there).cast("B")) == DATA


@pytest.mark.parametrize("resource", [cu.SyncResource, cu.PinnedResource, cu.ManagedResource])
def test_between_buffers_of_every_kind(device, stream, buffer, resource):
    there = resource(device).allocate(len(DATA))
    there.copy_from(buffer, stream=stream)
    back = there.copy_to(stream=stream)
    assert type(back) is type(there) and back.resource is there.resource
    assert back.to_bytes(stream=stream) == DATA


def test_to_a_new_buffer(buffer, stream):
    new = buffer.copy_to(stream=stream)
    assert new is not buffer and new.resource == buffer.resource and new.stream is stream
    buffer.fill(0, stream=stream)
    assert new.to_bytes(stream=stream) == DATA


@pytest.mark.parametrize("elsewhere", [None, 1])
def test_complaint_51_the_cuda_array_interface(device, stream, buffer, elsewhere):
    device.sync()
    there = device.allocate(len(DATA), stream)
    there.copy_from(Foreign(buffer, stream=elsewhere), stream=stream)
    assert there.to_bytes(stream=stream) == DATA
    other = device.allocate(len(DATA), stream).fill(0, stream=stream)
    stream.sync()
    buffer.copy_to(Foreign(other), stream=stream)
    assert other.to_bytes(stream=stream) == DATA


def test_data_of_others_is_waited_for_in_its_stream(device, stream, buffer):
    stream.sync()
    with device.stream() as theirs:
        there, back = device.allocate(len(DATA), stream), device.allocate(len(DATA), stream)
        stream.sync()
        with held(theirs):
            buffer.fill(1, stream=theirs)
            there.copy_from(Foreign(buffer, stream=theirs.address), stream=stream)
            cu.copy_2d(back, Foreign(buffer, stream=theirs.address), width=len(DATA), height=1, stream=stream)
            assert not stream.done
        assert there.to_bytes(stream=stream) == back.to_bytes(stream=stream) == b"\x01" * len(DATA)


class OnlyDLPack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [lambda array: array, OnlyDLPack])
def test_arrays(device, stream, buffer, wrap):
    if "Array" not in cu.__all__:
        pytest.skip("this tree has no Array yet")
    array = cu.empty((2, len(DATA) // 4), "u2", device=device, stream=stream)
    buffer.copy_to(wrap(array), stream=stream)
    assert array.to_host(stream=stream).tobytes() == DATA
    with device.stream() as other:
        there = device.allocate(len(DATA), other)
        with held(stream):
            array.fill(7, stream=stream)
            there.copy_from(wrap(array), stream=other)
        assert there.to_bytes(stream=other) == b"\x07\x00" * (len(DATA) // 2)
    with pytest.raises(ValueError, match="contiguous"):
        buffer[: len(DATA) // 2].copy_from(wrap(array[:, ::2]), stream=stream)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": object()}, "masked"),
        ({"strides": (8,)}, "contiguous"),
        ({"stream": 0}, "stream 0"),
        ({"shape": (len(DATA) // 8,)}, "slice the larger"),
    ],
)
def test_cuda_array_interfaces_that_are_refused(device, stream, buffer, changes, message):
    with pytest.raises(ValueError, match=message):
        device.allocate(len(DATA), stream).copy_from(Foreign(buffer, **changes), stream=stream)


def test_a_read_only_cuda_array_is_no_destination(device, stream, buffer):
    with pytest.raises(ValueError, match="read-only"):
        buffer.copy_to(Foreign(device.allocate(len(DATA)), data=(buffer.pointer, True)), stream=stream)


@pytest.mark.parametrize("thing", [None, 5, "text", object(), [1, 2]])
def test_things_without_bytes(buffer, thing):
    with pytest.raises(TypeError, match="buffer protocol"):
        buffer.copy_from(thing)
    if thing is not None:
        with pytest.raises(TypeError, match="buffer protocol"):
            buffer.copy_to(thing)


@pytest.mark.parametrize("thing", [np.zeros((64, 8), "i4")[:, ::2], np.asfortranarray(np.eye(16)), np.eye(16)[::-1]])
def test_what_is_not_contiguous(device, thing):
    with pytest.raises(ValueError, match="contiguous"):
        device.allocate(thing.nbytes).copy_from(thing)


@pytest.mark.parametrize("thing", [DATA, memoryview(DATA), np.frombuffer(DATA, "u1")])
def test_what_is_read_only_is_no_destination(buffer, thing):
    with pytest.raises(ValueError, match="read-only"):
        buffer.copy_to(thing)


@pytest.mark.parametrize("size", [0, len(DATA) - 1, len(DATA) + 1])
def test_other_sizes(buffer, size):
    for call in (lambda: buffer.copy_from(bytes(size)), lambda: buffer.copy_to(bytearray(size))):
        with pytest.raises(ValueError, match="slice the larger"):
            call()


@pytest.mark.parametrize(("to", "source"), [(0, 0), (0, 9), (9, 0), (5, 14)])
def test_overlapping(device, stream, to, source):
    buffer = device.allocate(100, stream)
    with pytest.raises(ValueError, match="overlap"):
        buffer[to : to + 10].copy_from(buffer[source : source + 10])
    buffer[:50].copy_from(buffer[50:], stream=stream)


def test_arguments(buffer):
    for bad in (
        buffer.copy_from,
        lambda: buffer.copy_from(DATA, None),
        lambda: buffer.copy_from(DATA, at=1),
        lambda: buffer.copy_to(None, None),
        buffer.fill,
        lambda: buffer.fill(1, 2),
        lambda: buffer.copy_from(DATA, stream="x"),
        lambda: buffer.copy_from(DATA, stream=True),
    ):
        with pytest.raises(TypeError):
            bad()


# ---- fills ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        0,
        255,
        True,
        b"x",
        b"ab",
        b"abcd",
        bytearray(b"\x00\x01"),
        np.uint8(7),
        np.int16(-2),
        np.float32(1.5),
        np.uint32(9),
    ],
)
@pytest.mark.parametrize("kind", ["device", "pinned", "managed", "host"])
def test_fill(device, stream, kind, value):
    host = np.zeros(64, "u1")
    make = {
        "device": lambda: device.allocate(64, stream),
        "pinned": lambda: cu.PinnedResource(device).allocate(64),
        "managed": lambda: cu.ManagedResource(device).allocate(64),
        "host": lambda: cu.Buffer.from_handle(host.ctypes.data, 64, owner=host, kind="host"),
    }
    pattern = bytes([value]) if isinstance(value, int) else memoryview(value).tobytes()
    buffer = make[kind]()
    assert buffer.fill(value, stream=stream) is buffer
    assert buffer.to_bytes(stream=stream) == pattern * (64 // len(pattern))


@pytest.mark.parametrize("value", [-1, 256, 2**40, b"", b"abc", b"12345678", np.float64(1), np.zeros(3, "u1")])
def test_patterns_that_are_none(buffer, value):
    with pytest.raises(ValueError, match="1, 2 or 4 bytes"):
        buffer.fill(value)


@pytest.mark.parametrize("value", [None, "a", 1.0, object()])
def test_fills_with_no_bytes(buffer, value):
    with pytest.raises(TypeError, match="fill"):
        buffer.fill(value)


def test_fills_of_parts_of_elements(device, stream):
    buffer = device.allocate(16, stream)
    for part, pattern in ((buffer[:7], b"ab"), (buffer[1:9], b"abcd"), (buffer[2:8], b"abcd")):
        with pytest.raises(ValueError, match="aligned"):
            part.fill(pattern)


# ---- rows and slices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["numpy", "pinned"])
def test_rows(device, stream, host):
    image = np.arange(20 * 32, dtype="u1").reshape(20, 32)
    if host == "pinned":
        page_locked = cu.empty_pinned(image.shape, "u1")
        page_locked[:] = image
        image = page_locked
    there = device.allocate(7 * 16, stream).fill(255, stream=stream)
    start = 3 * 32 + 5
    cu.copy_2d(there, image.reshape(-1)[start:], width=10, height=7, src_pitch=32, dst_pitch=16, stream=stream)
    got = np.frombuffer(there.to_bytes(stream=stream), "u1").reshape(7, 16)
    assert (got[:, :10] == image[3:10, 5:15]).all() and (got[:, 10:] == 255).all()
    back = np.zeros((7, 10), "u1")
    cu.copy_2d(back, there, width=10, height=7, src_pitch=16, stream=stream)
    stream.sync()
    assert (back == image[3:10, 5:15]).all()


def test_slices(device, stream):
    volume = np.arange(4 * 6 * 8, dtype="u2").reshape(4, 6, 8)
    whole = device.allocate(volume.nbytes, stream).copy_from(volume, stream=stream)
    part = device.allocate(2 * 3 * 4 * 2, stream)
    corner = ((1 * 6) + 2) * 16 + 3 * 2
    cu.copy_3d(part, whole[corner:], width=8, height=3, depth=2, src_pitch=16, src_rows=6, stream=stream)
    got = np.frombuffer(part.to_bytes(stream=stream), "u2").reshape(2, 3, 4)
    assert (got == volume[1:3, 2:5, 3:7]).all()
    whole.fill(0, stream=stream)
    cu.copy_3d(whole[corner:], part, width=8, height=3, depth=2, dst_pitch=16, dst_rows=6, stream=stream)
    expected = np.zeros_like(volume)
    expected[1:3, 2:5, 3:7] = volume[1:3, 2:5, 3:7]
    assert whole.to_bytes(stream=stream) == expected.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10, "height": 11}, "ends at byte 110"),
        ({"width": 10, "height": 10, "src_pitch": 11}, "ends at byte 109 of the source"),
        ({"width": 10, "height": 2, "dst_pitch": 9}, "destination's rows of 10"),
        ({"width": -1, "height": 2}, "size"),
    ],
)
def test_rows_that_do_not_fit(device, stream, options, message):
    with pytest.raises(ValueError, match=message):
        cu.copy_2d(device.allocate(108, stream), device.allocate(108, stream), stream=stream, **options)


def test_slices_that_do_not_fit(device, stream):
    b = device.allocate(100, stream)
    with pytest.raises(ValueError, match="slices of 5 rows"):
        cu.copy_3d(b, bytes(100), width=2, height=5, depth=2, dst_rows=4, stream=stream)
    cu.copy_3d(b, bytes(100), width=2, height=0, depth=2, stream=stream)


def test_pageable_rows_were_written_when_the_call_returns(device, stream):
    source, there = device.allocate(100, stream), np.zeros((10, 5), "u1")
    with held(stream) as gate:
        source.fill(6, stream=stream)
        threading.Timer(0.05, gate.set).start()
        cu.copy_2d(there, source, width=5, height=10, src_pitch=10, stream=stream)
        assert (there == 6).all()


def test_between_devices():
    program = """
import cuda_unified as cu
a, b = cu.Device(0), cu.Device(1)
s, t = a.stream(), b.stream()
x = a.allocate(300, s).copy_from(bytes(range(150)) * 2, stream=s)
s.sync()
y = b.allocate(300, t).copy_from(x, stream=t)
print(y.device, y.to_bytes(stream=t) == bytes(range(150)) * 2)
z = y.copy_to(a.allocate(300, s), stream=t)
print(z.to_bytes(stream=t) == bytes(range(150)) * 2)
cu.copy_2d(x, y, width=10, height=10, src_pitch=20, dst_pitch=30, stream=t)
data = x.to_bytes(stream=t)
print([data[i * 30] for i in range(3)], data[0:10] == bytes(range(10)), x.device, cu.current_stream())
"""
    out = run(program, CPU_DEVICE_COUNT="2", CUBIND_DEVICE="cpu")
    assert out == "Device(1) True\nTrue\n[0, 20, 40] True Device(0) <Stream legacy default on device 0>\n"
