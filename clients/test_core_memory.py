"""cuda-core: pools, buffers, views."""

import numpy as np
import pytest
from cuda.core import (
    Buffer,
    Device,
    DeviceMemoryResource,
    DeviceMemoryResourceOptions,
    GraphMemoryResource,
    Host,
    LegacyPinnedMemoryResource,
    ManagedMemoryResource,
    PinnedMemoryResource,
    VirtualMemoryResource,
    VirtualMemoryResourceOptions,
)
from cuda.core.utils import StridedMemoryView, args_viewable_as_strided_memory, copy_batch
from processes import run


def host_copy(buffer, stream, dtype):
    """What a device buffer holds, by way of a pinned one."""
    pinned = LegacyPinnedMemoryResource().allocate(buffer.size)
    buffer.copy_to(pinned, stream=stream)
    stream.sync()
    return np.from_dlpack(pinned).view(dtype).copy()


@pytest.mark.parametrize("value", [7, b"\x03", b"\x01\x02", b"\x01\x02\x03\x04"])
def test_a_buffer_is_filled_and_copied(device, stream, value):
    a, b = device.allocate(4096, stream=stream), device.allocate(4096, stream=stream)
    a.fill(value, stream=stream)
    b.copy_from(a, stream=stream)
    pattern = bytes([value]) if isinstance(value, int) else value
    assert host_copy(b, stream, np.uint8).tobytes() == pattern * (4096 // len(pattern))
    assert a.is_device_accessible and not a.is_host_accessible
    assert a.device_id == 0
    for buffer in (a, b):
        buffer.close(stream)


def test_copies_make_their_own_destination(device, stream):
    with device.allocate(64, stream=stream) as a:
        a.fill(9, stream=stream)
        b = a.copy_to(stream=stream)
        assert (host_copy(b, stream, np.uint8) == 9).all()


def test_a_batch_is_copied(device, stream):
    sources = [device.allocate(64, stream=stream) for _ in range(4)]
    targets = [device.allocate(64, stream=stream) for _ in sources]
    for k, source in enumerate(sources):
        source.fill(k + 1, stream=stream)
    copy_batch(stream, sources, targets)
    assert [host_copy(target, stream, np.uint8).sum() for target in targets] == [64, 128, 192, 256]


def test_sizes_must_agree(device, stream):
    with pytest.raises(ValueError, match="size"):
        device.allocate(64, stream=stream).copy_to(device.allocate(32, stream=stream), stream=stream)


def test_a_pool_counts(device, stream):
    pool = DeviceMemoryResource(device, DeviceMemoryResourceOptions(max_size=1 << 26))
    before = pool.attributes.used_mem_current
    buffers = [pool.allocate(1 << 20, stream=stream) for _ in range(3)]
    stream.sync()
    assert pool.attributes.used_mem_current - before == 3 << 20
    assert pool.attributes.reserved_mem_current >= 3 << 20
    for buffer in buffers:
        buffer.close(stream)
    stream.sync()
    assert pool.attributes.used_mem_current == before
    assert pool.attributes.used_mem_high >= 3 << 20
    with pytest.raises(Exception, match="OUT_OF_MEMORY"):
        pool.allocate(1 << 30, stream=stream)
    pool.close()


@pytest.mark.parametrize("resource", [PinnedMemoryResource, ManagedMemoryResource, LegacyPinnedMemoryResource])
def test_host_visible_memory_is_an_array_of_numpy(device, stream, resource):
    buffer = resource().allocate(1024, stream=stream)
    stream.sync()
    assert buffer.is_host_accessible and buffer.is_device_accessible
    view = np.from_dlpack(buffer).view(np.float32)
    view[:] = np.arange(256)
    on_device = device.allocate(1024, stream=stream)
    on_device.copy_from(buffer, stream=stream)
    assert (host_copy(on_device, stream, np.float32) == np.arange(256)).all()
    del view
    buffer.close()


def test_managed_memory_takes_advice(device, stream):
    buffer = ManagedMemoryResource().allocate(1 << 16, stream=stream)
    stream.sync()
    assert buffer.is_managed
    buffer.read_mostly = True
    assert buffer.read_mostly
    buffer.preferred_location = Device(0)
    assert buffer.preferred_location == Device(0)
    buffer.accessed_by.add(Device(0))
    assert Device(0) in buffer.accessed_by
    np.from_dlpack(buffer)[:] = 3
    buffer.prefetch(Device(0), stream=stream)
    buffer.prefetch(Host(), stream=stream)
    stream.sync()
    assert (np.from_dlpack(buffer) == 3).all()
    buffer.close()


def test_the_graph_pool_reports(device, stream):
    attributes = GraphMemoryResource(device).attributes
    assert attributes.used_mem_current >= 0
    assert attributes.reserved_mem_high >= attributes.reserved_mem_current


@pytest.mark.parametrize("handle", [None, "posix_fd"])
def test_virtual_memory_is_allocated_and_grown(device, stream, handle):
    if handle and not device.properties.handle_type_posix_file_descriptor_supported:
        pytest.skip("the device says that it has no exported handles")
    resource = VirtualMemoryResource(device, VirtualMemoryResourceOptions(handle_type=handle))
    buffer = resource.allocate(1 << 16)
    buffer.fill(5, stream=stream)
    assert (host_copy(buffer, stream, np.uint8) == 5).all()
    size = buffer.size
    grown = resource.modify_allocation(buffer, size + 1)
    assert grown.size > size
    assert (host_copy(grown, stream, np.uint8)[:size] == 5).all()
    grown.close()


def test_views_of_what_others_own(device, stream):
    host = np.arange(12, dtype=np.float32).reshape(3, 4)
    view = StridedMemoryView.from_any_interface(host, stream_ptr=-1)
    assert (view.shape, view.dtype, view.is_device_accessible) == ((3, 4), np.float32, False)

    buffer = device.allocate(48, stream=stream)
    view = StridedMemoryView.from_buffer(buffer, (3, 4), dtype=np.dtype(np.float32))
    assert (view.ptr, view.device_id, view.size) == (int(buffer.handle), 0, 12)
    assert view.is_device_accessible
    capsule = StridedMemoryView.from_dlpack(view, stream_ptr=-1)
    assert (capsule.ptr, capsule.shape, capsule.dtype) == (view.ptr, (3, 4), np.float32)

    @args_viewable_as_strided_memory((0,))
    def shape_of(array):
        return array.view(-1).shape

    assert shape_of(host) == (3, 4)


def test_views_are_handed_on_as_dlpack(device, stream):
    buffer = device.allocate(48, stream=stream)
    view = StridedMemoryView.from_buffer(buffer, (3, 4), dtype=np.dtype(np.float32))
    assert view.__dlpack_device__() == (2, 0)  # kDLCUDA
    with pytest.raises(RuntimeError, match="device"):
        np.from_dlpack(view)
    host = LegacyPinnedMemoryResource().allocate(48)
    assert host.__dlpack_device__() == (3, 0)  # kDLCUDAHost


def test_memory_of_others_is_wrapped(device, stream):
    from cuda.bindings import driver

    status, address = driver.cuMemAlloc(256)
    assert status == 0
    buffer = Buffer.from_handle(address, 256, owner="the caller")
    buffer.fill(1, stream=stream)
    assert host_copy(buffer, stream, np.uint8).sum() == 256
    assert driver.cuMemFree(address)[0] == 0


def test_two_devices_exchange_memory():
    result = run(
        """
        import numpy as np
        from cuda.core import Device, DeviceMemoryResource, LegacyPinnedMemoryResource
        here, there = Device.get_all_devices()
        assert here.can_access_peer(there) and here.uuid != there.uuid
        here.set_current()
        first = here.create_stream()
        pool = DeviceMemoryResource(here)
        pool.peer_accessible_by = [there]
        a = pool.allocate(64, stream=first)
        a.fill(7, stream=first)
        ready = first.record()
        there.set_current()
        second = there.create_stream()
        second.wait(ready)
        b = there.allocate(64, stream=second)
        b.copy_from(a, stream=second)
        host = LegacyPinnedMemoryResource().allocate(64)
        b.copy_to(host, stream=second)
        second.sync()
        assert (np.from_dlpack(host) == 7).all()
        assert (a.device_id, b.device_id) == (0, 1)
        """,
        CPU_DEVICE_COUNT="2",
    )
    assert not result.stderr
