"""Buffers: what they say, parts of them, views, who frees them and when."""

import gc
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from tests.unified.memory_tools import held, used

pytestmark = pytest.mark.usefixtures("current")


# ---- facts ---------------------------------------------------------------------------------------------------------------


def test_facts_of_a_devices_buffer(device, stream):
    buffer = device.allocate(1000, stream)
    assert (buffer.size, len(buffer)) == (1000, 1000)
    assert buffer.handle == buffer.pointer > 0
    assert buffer.device is device
    assert buffer.resource == device.pool
    assert buffer.owner is None
    assert buffer.stream is stream
    assert (buffer.is_device_accessible, buffer.is_host_accessible) == (True, False)
    assert (buffer.is_managed, buffer.is_pinned, buffer.is_readonly) == (False, False, False)
    assert "1000 bytes" in repr(buffer) and "device memory on device 0" in repr(buffer)


def test_an_empty_buffer(device, stream):
    buffer = device.allocate(0, stream)
    assert (buffer.size, buffer.pointer) == (0, 0)
    buffer.fill(1)
    assert buffer.to_bytes() == b""
    assert buffer[0:0].size == 0
    buffer.copy_from(b"")
    buffer.close()
    assert buffer.is_closed


@pytest.mark.parametrize("size", [-1, -(2**70), 2**70])
def test_sizes_out_of_range(device, size):
    with pytest.raises(ValueError, match="size"):
        device.allocate(size)


@pytest.mark.parametrize("size", [1.5, "1", None])
def test_sizes_that_are_no_ints(device, size):
    with pytest.raises(TypeError, match="size"):
        device.allocate(size)


def test_more_than_there_is(device, stream):
    with pytest.raises(cu.OutOfMemoryError, match="size=") as caught:
        device.allocate(1 << 60, stream)
    assert isinstance(caught.value, MemoryError)
    assert device.allocate(16, stream).size == 16


def test_equality_is_identity(device, stream):
    a = device.allocate(8, stream)
    same = a[:]
    assert a == a and a != same and len({a, same}) == 2
    assert same.pointer == a.pointer


# ---- the end -------------------------------------------------------------------------------------------------------------


def test_closing_and_dropping_give_memory_back(device, stream):
    before = used(device)
    a, b = device.allocate(1000, stream), device.allocate(500, stream)
    assert used(device) - before >= 1500
    a.close()
    a.close()
    del b
    stream.sync()
    assert used(device) == before


def test_with_closes(device, stream):
    with device.allocate(8, stream) as buffer:
        assert not buffer.is_closed
    assert buffer.is_closed
    with pytest.raises(cu.ClosedError), buffer:
        pass


USES = {
    "pointer": lambda b: b.pointer,
    "fill": lambda b: b.fill(0),
    "copy_to": lambda b: b.copy_to(bytearray(8)),
    "copy_to_new": lambda b: b.copy_to(),
    "copy_from": lambda b: b.copy_from(bytes(8)),
    "to_bytes": lambda b: b.to_bytes(),
    "slice": lambda b: b[1:2],
    "view": memoryview,
    "copy_2d": lambda b: cu.copy_2d(b, bytes(8), width=2, height=4),
    "enter": lambda b: b.__enter__(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["device", "pinned", "managed", "part", "borrowed"])
def test_use_after_close(device, kind, use):
    make = {
        "device": lambda: device.allocate(8),
        "pinned": lambda: cu.PinnedResource(device).allocate(8),
        "managed": lambda: cu.ManagedResource(device).allocate(8),
        "part": lambda: device.allocate(16)[:8],
        "borrowed": lambda: cu.Buffer.from_handle(np.zeros(8, "u1").ctypes.data, 8, kind="host"),
    }
    buffer = make[kind]()
    (buffer.owner if kind == "part" else buffer).close()
    with pytest.raises(cu.ClosedError, match="closed"):
        USES[use](buffer)
    assert "closed" in repr(buffer)


def test_close_in_the_order_of_another_stream(device, stream):
    before = used(device)
    with device.stream() as other:
        buffer = device.allocate(100, stream)
        stream.sync()
        buffer.close(other)
        other.sync()
        assert used(device) == before


def test_close_takes_any_form_of_stream(device, stream):
    class Foreign:
        def __cuda_stream__(self):
            return 0, stream.address

    device.allocate(8, stream).close(Foreign())
    with pytest.raises(TypeError, match="__cuda_stream__"):
        device.allocate(8, stream).close("no stream")


def test_set_stream_orders_the_new_after_the_old(device, stream):
    with device.stream() as other:
        buffer = device.allocate(1024, stream)
        with held(stream):
            buffer.fill(1, stream=stream)
            buffer.set_stream(other)
            assert buffer.stream is other
            buffer[:4].fill(2, stream=other)
            assert not other.done
        assert buffer.to_bytes(stream=other) == b"\2" * 4 + b"\1" * 1020


def test_the_stream_of_a_part_is_that_of_the_whole(device, stream):
    whole = device.allocate(8, stream)
    part = whole[2:4]
    assert part.stream is stream
    with pytest.raises(ValueError, match="whole"):
        part.stream = None


def test_a_stream_that_was_closed_first(device):
    stream = device.stream()
    buffer = device.allocate(8, stream)
    stream.close()
    with pytest.raises(cu.ClosedError):
        buffer.fill(1, stream=stream)


# ---- parts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [slice(2, 5), slice(None), slice(-3, None), slice(5, 2), slice(0, 100), slice(8, 9)])
def test_slices_are_pythons(device, stream, cut):
    data = bytes(range(8))
    buffer = device.allocate(8, stream).copy_from(data, stream=stream)
    assert buffer[cut].to_bytes(stream=stream) == data[cut]


def test_a_slice_of_a_slice_shares_the_memory(device, stream):
    whole = device.allocate(100, stream).fill(0, stream=stream)
    inner = whole[10:50][5:10]
    assert inner.pointer == whole.pointer + 15
    inner.fill(9, stream=stream)
    assert whole.to_bytes(stream=stream) == bytes(15) + b"\x09" * 5 + bytes(80)


def test_a_part_keeps_the_whole(device, stream):
    before = used(device)
    part = device.allocate(1000, stream)[10:20]
    gc.collect()
    assert used(device) > before
    part.fill(3, stream=stream)
    assert part.to_bytes(stream=stream) == b"\x03" * 10
    del part
    stream.sync()
    assert used(device) == before


def test_closing_a_part_leaves_the_whole(device, stream):
    whole = device.allocate(10, stream)
    part = whole[:5]
    part.close()
    assert part.is_closed and not whole.is_closed
    whole.fill(1, stream=stream)


def test_there_are_no_elements_and_no_steps(device, stream):
    buffer = device.allocate(8, stream)
    with pytest.raises(TypeError, match="sliced"):
        buffer[0]
    with pytest.raises(ValueError, match="step"):
        buffer[::2]
    with pytest.raises(TypeError):
        buffer["a":"b"]


# ---- borrowed memory -------------------------------------------------------------------------------------------------------


def test_a_borrowed_pointer_is_recognised(device, stream):
    for resource, kind in (
        (device.pool, "device"),
        (cu.SyncResource(device), "device"),
        (cu.PinnedResource(device), "pinned"),
        (cu.ManagedResource(device), "managed"),
    ):
        own = resource.allocate(64, stream)
        lent = cu.Buffer.from_handle(own.pointer, 64, owner=own)
        assert lent.device is device
        assert (lent.is_pinned, lent.is_managed) == (kind == "pinned", kind == "managed")
        assert lent.is_host_accessible == (kind != "device")
        lent.fill(5, stream=stream)
        assert own.to_bytes(stream=stream) == b"\x05" * 64


def test_a_borrowed_buffer_keeps_its_owner_and_frees_nothing(device, stream):
    before = used(device)

    class Owner:
        pass

    owner, memory = Owner(), driver
    with device:
        pointer = memory.cuMemAlloc(64)
    lent, alive = cu.Buffer.from_handle(pointer, 64, owner=owner), weakref.ref(owner)
    assert lent.owner is owner
    del owner
    assert alive() is not None
    lent.close()
    assert alive() is None
    with device:
        driver.cuMemFree(pointer)
    assert used(device) == before


def test_an_unknown_pointer_needs_a_kind(device):
    array = np.zeros(8, "u1")
    with pytest.raises(ValueError, match="does not know the address"):
        cu.Buffer.from_handle(array.ctypes.data, 8)
    buffer = cu.Buffer.from_handle(array.ctypes.data, 8, owner=array, kind="host")
    assert buffer.device is None and buffer.is_host_accessible and not buffer.is_device_accessible
    buffer.fill(b"ab")
    assert array.tobytes() == b"abababab"
    with pytest.raises(ValueError, match="needs a destination"):
        buffer.copy_to()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("x", 1), TypeError), ((-1, 1), ValueError), ((1 << 64, 1), ValueError), ((64, -1), ValueError)],
)
def test_bad_borrowed_memory(device, arguments, error):
    with pytest.raises(error):
        cu.Buffer.from_handle(*arguments, device=device, kind="device")
    with pytest.raises(ValueError, match="kind"):
        cu.Buffer.from_handle(0, 0, device=device, kind="fast")


def test_numpy_is_told_how_to_get_a_devices_bytes(device):
    with pytest.raises(TypeError, match="to_bytes"):
        np.asarray(device.allocate(8))
    pinned = cu.PinnedResource(device).allocate(8)
    assert np.shares_memory(np.asarray(pinned), np.asarray(memoryview(pinned)))
    assert np.asarray(pinned).shape == (8,)
