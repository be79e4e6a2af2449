"""Pools and the other resources, resources of one's own, and what a device allocates from."""

import gc
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified.memory import pointer_kind
from tests.unified.memory_tools import held

pytestmark = pytest.mark.usefixtures("current")


@pytest.fixture
def pool(device):
    with cu.Pool.create(device) as p:
        yield p


# ---- the others ------------------------------------------------------------------------------------------------------------

KINDS = {
    cu.SyncResource: (True, False, False, False),
    cu.PinnedResource: (True, True, False, True),
    cu.ManagedResource: (True, True, True, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_facts(device, kind):
    resource = kind(device)
    buffer = resource.allocate(100)
    for thing in (resource, buffer):
        facts = (thing.is_device_accessible, thing.is_host_accessible, thing.is_managed, thing.is_pinned)
        assert facts == KINDS[kind]
        assert thing.device is device
    assert buffer.resource is resource and buffer.stream is None
    assert isinstance(resource, cu.MemoryResource) and isinstance(device.pool, cu.MemoryResource)
    assert repr(resource) == f"{kind.__name__}(Device(0))"
    assert resource.allocate(0).pointer == 0


@pytest.mark.parametrize("kind", KINDS)
def test_out_of_memory(device, kind):
    with pytest.raises(cu.OutOfMemoryError, match=f"size={1 << 50}"):
        kind(device).allocate(1 << 50)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "error"), [(-1, ValueError), (2**64, ValueError), (1.5, TypeError)])
def test_bad_sizes(device, kind, size, error):
    with pytest.raises(error, match="size"):
        kind(device).allocate(size)


@pytest.mark.parametrize("kind", KINDS)
def test_freed(device, kind):
    a, b = kind(device).allocate(1 << 20), kind(device).allocate(1 << 20)
    pointers = a.pointer, b.pointer
    for pointer in pointers:
        assert pointer_kind(pointer)[1] is device
    a.close()
    del b
    for pointer in pointers:
        with pytest.raises(ValueError, match="does not know"):
            pointer_kind(pointer)


def test_a_kernels_view_of_pinned_memory(device, stream):
    """Pinned memory has one address for both sides: a copy by the device sees what the host wrote, and the other way."""
    pinned = cu.PinnedResource(device, write_combined=False, portable=True).allocate(64)
    with device:
        assert int(driver.cuMemHostGetDevicePointer(pinned.pointer, 0)) == pinned.pointer
        flags = driver.cuMemHostGetFlags(pinned.pointer)
    assert flags & driver.CU_MEMHOSTALLOC_PORTABLE and flags & driver.CU_MEMHOSTALLOC_DEVICEMAP
    combined = cu.PinnedResource(device, write_combined=True, portable=False).allocate(64)
    with device:
        flags = driver.cuMemHostGetFlags(combined.pointer)
    assert flags & driver.CU_MEMHOSTALLOC_WRITECOMBINED and not flags & driver.CU_MEMHOSTALLOC_PORTABLE


# ---- registered memory -----------------------------------------------------------------------------------------------------


def test_registered_memory_is_pinned(device, stream):
    array = np.zeros(4096, "u1")
    source = device.allocate(4096, stream)
    with cu.register_host(array, device=device) as buffer:
        assert buffer.is_pinned and buffer.is_host_accessible and buffer.size == 4096
        with held(stream):
            source.fill(5, stream=stream).copy_to(array, stream=stream)
            assert not array.any()  # asynchronous: the driver knows the memory
        assert (array == 5).all()
        buffer.fill(6, stream=stream)
        stream.sync()
    assert (array == 6).all()
    with pytest.raises(cu.ClosedError):
        buffer.fill(7)


def test_registered_twice(device):
    array = np.zeros(4096, "u1")
    with cu.register_host(array, device=device), pytest.raises(cu.CudaError, match="ALREADY_REGISTERED"):
        cu.register_host(array, device=device)
    cu.register_host(array, device=device).close()


def test_registered_memory_stays_where_it_is(device):
    array = bytearray(4096)
    buffer = cu.register_host(array, device=device)
    with pytest.raises(BufferError):
        array.append(1)
    buffer.close()
    array.append(1)
    buffer = cu.register_host(np.zeros(100), device=device)
    del buffer


def test_what_cannot_be_registered(device):
    for bad, error in ((b"", ValueError), (np.eye(4)[:, ::2], ValueError), (5, TypeError)):
        with pytest.raises(error):
            cu.register_host(bad, device=device)
    with pytest.raises(ValueError, match="readonly=True"):
        cu.register_host(bytes(4096), device=device, readonly=False)
    buffer = cu.register_host(bytes(4096), device=device)
    assert buffer.is_readonly
    with pytest.raises(ValueError, match="read-only"):
        buffer.fill(1)


# ---- one's own -------------------------------------------------------------------------------------------------------------


class Own(cu.MemoryResource):
    """Takes from the driver by hand and remembers."""

    def __init__(self, device):
        self._device, self.calls = device, []

    @property
    def device(self):
        return self._device

    def allocate(self, size, stream=None):
        with self._device:
            pointer = driver.cuMemAlloc(size)
        self.calls.append(("allocate", size))
        return self.buffer(pointer, size, stream)

    def deallocate(self, pointer, size, *, stream):
        with self._device:
            driver.cuMemFree(pointer)
        self.calls.append(("deallocate", size, stream))


def test_a_resource_of_ones_own(device, stream):
    own = Own(device)
    with own.allocate(64, stream) as buffer:
        buffer.fill(4, stream=stream)
        assert buffer.to_bytes(stream=stream) == b"\x04" * 64
        assert buffer.resource is own and buffer.stream is stream
    dropped = own.allocate(32)
    del dropped
    assert own.calls == [("allocate", 64), ("deallocate", 64, stream), ("allocate", 32), ("deallocate", 32, None)]


def test_buffers_keep_a_resource_of_ones_own(device):
    own = Own(device)
    buffer, alive = own.allocate(16), weakref.ref(own)
    del own
    gc.collect()
    assert alive() is not None
    del buffer
    assert alive() is None


def test_a_resource_of_ones_own_for_the_device(device, stream):
    own = Own(device)
    device.resource = own
    try:
        assert device.resource is own
        assert device.allocate(8, stream).resource is own
        assert device.allocate(size=8, stream=stream).resource is own
        with pytest.raises(TypeError, match="misses"):
            device.allocate()
    finally:
        device.resource = None
    assert device.resource == device.pool
    assert device.allocate(8, stream).resource == device.pool
    for bad in (5, "pool", object()):
        with pytest.raises(TypeError, match="memory resource"):
            device.resource = bad


def test_resources_that_fail(device, capsys):
    class Bad(Own):
        def deallocate(self, pointer, size, *, stream):
            super().deallocate(pointer, size, stream=stream)
            raise RuntimeError("no luck")

    buffer = Bad(device).allocate(8)
    with pytest.raises(RuntimeError, match="no luck"):
        buffer.close()
    assert buffer.is_closed
    with pytest.raises(TypeError, match="abstract"):
        cu.MemoryResource()

    class Half(cu.MemoryResource):
        def allocate(self, size, stream=None):
            return self.buffer(64, size, stream)

    with pytest.raises(NotImplementedError, match="Half has no deallocate"):
        Half().allocate(1).close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failing_deallocate_of_a_dropped_buffer_is_reported(device):
    class Bad(Own):
        def deallocate(self, pointer, size, *, stream):
            super().deallocate(pointer, size, stream=stream)
            raise RuntimeError("no luck")

    buffer = Bad(device).allocate(8)
    seen = []
    import sys

    before, sys.unraisablehook = sys.unraisablehook, lambda args: seen.append(str(args.exc_value))
    try:
        del buffer
    finally:
        sys.unraisablehook = before
    assert seen == ["no luck"]


def test_memory_of_the_host_from_ones_own(device):
    class HostResource(cu.MemoryResource):
        kind = "host"

        def __init__(self):
            self.arrays = {}

        def allocate(self, size, stream=None):
            array = np.zeros(size, "u1")
            self.arrays[array.ctypes.data] = array
            return self.buffer(array.ctypes.data, size)

        def deallocate(self, pointer, size, *, stream):
            del self.arrays[pointer]

    resource = HostResource()
    buffer = resource.allocate(64)
    assert buffer.device is None and buffer.is_host_accessible
    memoryview(buffer)[0] = 5
    assert buffer.to_bytes()[0] == 5
    assert type(buffer.copy_to().resource) is HostResource
    buffer.close()
    gc.collect()
    assert not resource.arrays


# ---- graphs ------------------------------------------------------------------------------------------------------------------


def test_graph_memory_is_for_graphs(device, stream):
    resource = cu.GraphMemoryResource(device)
    with pytest.raises(RuntimeError, match="captured"):
        resource.allocate(64, stream)
    with pytest.raises(ValueError, match="size"):
        resource.allocate(-1, stream)


def test_graph_memory_counts(device):
    resource = cu.GraphMemoryResource(device)
    try:
        counts = resource.statistics
    except cu.NotSupportedError:
        pytest.skip("this driver has no memory of graphs")
    assert counts.used == 0 and counts.reserved >= 0
    resource.trim()
    resource.reset_high()
    assert resource.statistics.used_high == 0


def test_memory_of_a_graph(device, stream):
    resource, there = cu.GraphMemoryResource(device), device.allocate(64, stream)
    stream.sync()
    try:
        with device:
            driver.cuStreamBeginCapture(stream.handle, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
    except cu.NotSupportedError:
        pytest.skip("this driver has no stream capture")
    inner = resource.allocate(64, stream)
    inner.fill(9, stream=stream).copy_to(there, stream=stream)
    inner.close()
    with device:
        graph = driver.cuStreamEndCapture(stream.handle)
        executable = driver.cuGraphInstantiate(graph, 0)
        for _ in range(2):
            there.fill(0, stream=stream)
            driver.cuGraphLaunch(executable, stream.handle)
            assert there.to_bytes(stream=stream) == b"\x09" * 64
        driver.cuGraphExecDestroy(executable)
        driver.cuGraphDestroy(graph)


# ---- the report -------------------------------------------------------------------------------------------------------------


def test_the_report(device, stream, pool):
    tracking = cu.TrackingResource(pool)
    kept = tracking.allocate(3 << 20, stream)
    text = cu.memory_report()
    assert "Device(0): " in text and "default pool" in text
    assert "  pool " in text and "3.0 MiB used" in text
    assert f"{3 << 20} bytes at {kept.pointer:#x}" in text and "test_the_report" in text
    kept.close()
    free, total = device.memory_info
    assert 0 < free <= total
