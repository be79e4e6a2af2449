"""Memory, pools and events shared between processes, as users of cuda-core and numba-cuda share them: with multiprocessing."""

import contextlib
import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import sharing
from cuda.core import (
    DeviceMemoryResource,
    DeviceMemoryResourceOptions,
    EventOptions,
    PinnedMemoryResource,
    PinnedMemoryResourceOptions,
)
from processes import run

multiprocessing.set_start_method("spawn", force=True)  # CUDA does not survive a fork
# numba-cuda 0.30.4 reads a field of handles that cuda-bindings has had no more since 13.4
OLDER = Path(sys.prefix) / "older"


@contextlib.contextmanager
def other(function, *arguments):
    """A process that runs the function; the pipe to it.  It must end well."""
    pipe, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=function, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield pipe
        process.join(30)
        assert process.exitcode == 0
    finally:
        process.kill()


def heard(pipe):
    assert pipe.poll(30)
    return pipe.recv()


@pytest.fixture
def pool(device):
    pool = DeviceMemoryResource(device, DeviceMemoryResourceOptions(ipc_enabled=True, max_size=1 << 22))
    assert pool.is_ipc_enabled and not pool.is_mapped
    return pool


def filled(pool, stream, *values, size=4096):
    buffers = [pool.allocate(size, stream=stream) for _ in values]
    for buffer, value in zip(buffers, values, strict=True):
        buffer.fill(value, stream=stream)
    stream.sync()
    return buffers


def test_buffers_are_sent(stream, pool):
    buffers = filled(pool, stream, 1, 7, 30)
    with other(sharing.fill_what_comes) as pipe:
        for buffer, value in zip(buffers, (1, 7, 30), strict=True):
            pipe.send(buffer)
            assert heard(pipe) == (True, 4096, value, value)
            assert (sharing.host_copy(buffer, stream) == value + 1).all()
        pipe.send(None)
    assert [sharing.host_copy(one, stream)[-1] for one in buffers] == [2, 8, 31]  # it has ended, the memory stays


def test_a_kernel_of_another_process(stream, pool):
    (buffer,) = filled(pool, stream, b"\x01\x00\x00\x00")
    with other(sharing.run_a_kernel, buffer) as pipe:
        assert heard(pipe)
    assert (sharing.host_copy(buffer, stream).view(np.uint32) == 2).all()


def test_pools_and_descriptors(stream, pool):
    buffers = filled(pool, stream, 5, 6)
    first = buffers[0].ipc_descriptor
    with other(sharing.use_descriptors) as pipe:
        pipe.send(pool.allocation_handle)
        pipe.send([one.ipc_descriptor for one in buffers])
        assert heard(pipe) == [5, 6]
        assert "mapped" in heard(pipe)  # nothing can be allocated from a pool of another process
        pipe.send(type(first)._init(bytes(64), first.size))
        assert "INVALID_VALUE" in heard(pipe)
        assert heard(pipe)
    assert [sharing.host_copy(one, stream)[0] for one in buffers] == [77, 6]


def test_a_pool_is_sent_once(stream, pool):
    buffers = filled(pool, stream, *range(1, 21), size=256)
    with other(sharing.use_registered_pool) as pipe:
        pipe.send((pool, buffers))
        assert heard(pipe)
    assert [sharing.host_copy(one, stream)[0] for one in buffers] == list(range(2, 42, 2))


def test_pinned_memory(device, stream):
    pool = PinnedMemoryResource(PinnedMemoryResourceOptions(ipc_enabled=True, max_size=1 << 20))
    buffer = pool.allocate(1000, stream=stream)
    stream.sync()
    array = np.from_dlpack(buffer)
    array[:] = np.arange(1000) % 100
    with other(sharing.write_on_the_host) as pipe:
        pipe.send(buffer)
        np.testing.assert_array_equal(heard(pipe), np.arange(1000) % 100)
        np.testing.assert_array_equal(heard(pipe), np.arange(1000) % 100 + 1)
    np.testing.assert_array_equal(array, np.arange(1000) % 100 + 1)


def test_events(device, stream, pool):
    import threading

    from cuda.core import Event

    (buffer,) = filled(pool, stream, 1)
    gate = threading.Event()
    builder = device.create_graph_builder()
    builder.begin_building()
    builder.callback(lambda: gate.wait(20) and None)
    graph = builder.end_building().complete()
    graph.launch(stream)  # until the gate opens
    buffer.fill(2, stream=stream)
    ready = stream.record(options=EventOptions(ipc_enabled=True))
    assert not ready.is_done
    with other(sharing.wait_and_record) as pipe:
        pipe.send((ready.ipc_descriptor, ready, buffer))
        assert heard(pipe) == (False, False)
        theirs = Event.from_ipc_descriptor(heard(pipe))
        assert not theirs.is_done
        gate.set()
        second = device.create_stream()
        second.wait(theirs)
        assert (sharing.host_copy(buffer, second) == 6).all()  # after the 2
        assert theirs.is_done and ready.is_done
        pipe.send(None)


def test_what_is_not_shared(device, stream):
    plain = DeviceMemoryResource(device, DeviceMemoryResourceOptions(max_size=1 << 20))
    buffer = plain.allocate(64, stream=stream)
    for attempt in (lambda: plain.allocation_handle, lambda: buffer.ipc_descriptor):
        with pytest.raises(RuntimeError, match="IPC"):
            attempt()
    with pytest.raises(RuntimeError, match="IPC"):
        _ = stream.record().ipc_descriptor


NUMBA = """
import multiprocessing, numpy as np, sharing
from numba import cuda
spawn = multiprocessing.get_context("spawn")

def with_other(function, what, expected):
    pipe, theirs = spawn.Pipe()
    process = spawn.Process(target=function, args=(theirs,), daemon=True)
    process.start()
    pipe.send(what)
    assert pipe.poll(30)
    np.testing.assert_array_equal(pipe.recv(), expected)
    process.join(30)
    assert process.exitcode == 0, process.exitcode

data = np.arange(100.0).reshape(4, 25)
array = cuda.to_device(data)
with_other(sharing.read_numba, array.get_ipc_handle(), data)
np.testing.assert_array_equal(array.copy_to_host(), data[::-1])
with_other(sharing.read_numba, array[1:3].get_ipc_handle(), data[::-1][1:3])
expected = data[[3, 1, 2, 0]]
handle = cuda.current_context().get_ipc_handle(array.gpu_data)
with_other(sharing.open_numba_bytes, (handle.handle.reserved, (100,), np.float64), expected.ravel())
try:
    array.get_ipc_handle().open()
except ValueError as error:
    assert "original process" in str(error)
else:
    raise AssertionError
"""


@pytest.mark.skipif(not OLDER.exists(), reason="`make clients` puts cuda-bindings 13.3.1 there")
@pytest.mark.parametrize("devices", [1, 2])
def test_arrays_of_numba(devices):
    path = os.pathsep.join((str(OLDER), str(Path(__file__).parent)))
    run(NUMBA, PYTHONPATH=path, CPU_DEVICE_COUNT=str(devices))
