"""What other processes do with what cuda-core and numba-cuda share with them; test_sharing.py starts them."""

import numpy as np
from cuda.core import Buffer, Device, DeviceMemoryResource, Event, LegacyPinnedMemoryResource, Program, ProgramOptions


def began():
    """The device and a stream of this process."""
    device = Device(0)
    device.set_current()
    return device, device.create_stream()


def host_copy(buffer, stream):
    """What a device buffer holds, by way of a pinned one."""
    pinned = LegacyPinnedMemoryResource().allocate(buffer.size)
    buffer.copy_to(pinned, stream=stream)
    stream.sync()
    return np.from_dlpack(pinned).view(np.uint8).copy()


def name_of(call, *arguments, **keywords):
    """What a call raises, as text; "" where it does not."""
    try:
        call(*arguments, **keywords)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def fill_what_comes(pipe):
    """Buffers as they are, until None comes."""
    _, stream = began()
    while (buffer := pipe.recv()) is not None:
        seen = host_copy(buffer, stream)
        buffer.fill(int(seen[0]) + 1, stream=stream)
        stream.sync()
        pipe.send((buffer.is_mapped, buffer.size, seen.min(), seen.max()))
        buffer.close()


def run_a_kernel(pipe, buffer):
    """The buffer is an argument of the process."""
    from cuda.core import LaunchConfig, launch

    device, stream = began()
    source = 'extern "C" __global__ void twice(unsigned *x) { x[blockIdx.x * blockDim.x + threadIdx.x] *= 2; }'
    options = ProgramOptions(arch=f"sm_{device.arch}")
    kernel = Program(source, "c++", options).compile("ptx").get_kernel("twice")
    launch(stream, LaunchConfig(grid=4, block=buffer.size // 16), kernel, buffer)
    stream.sync()
    pipe.send(True)


def use_descriptors(pipe):
    """The pool by its handle, memory in it by descriptors."""
    device, stream = began()
    pool = DeviceMemoryResource.from_allocation_handle(device, pipe.recv())
    assert pool.is_mapped
    buffers = [Buffer.from_ipc_descriptor(pool, one, stream=stream) for one in pipe.recv()]
    pipe.send([host_copy(one, stream)[0] for one in buffers])
    pipe.send(name_of(pool.allocate, 64, stream=stream))
    damaged = pipe.recv()
    pipe.send(name_of(Buffer.from_ipc_descriptor, pool, damaged, stream=stream))
    buffers[0].fill(77, stream=stream)
    stream.sync()
    pipe.send(True)


def use_registered_pool(pipe):
    """The pool comes once; what is in it is found by its number."""
    _, stream = began()
    pool, buffers = pipe.recv()
    assert DeviceMemoryResource.from_registry(pool.uuid) is pool
    assert all(one.memory_resource.uuid == pool.uuid for one in buffers)
    for one in buffers:
        one.fill(int(host_copy(one, stream)[0]) * 2, stream=stream)
    stream.sync()
    pipe.send(True)


def write_on_the_host(pipe):
    """Pinned memory of the other process."""
    _, stream = began()
    buffer = pipe.recv()
    array = np.from_dlpack(buffer)
    pipe.send(array.copy())
    array += 1
    device_copy = Device(0).allocate(buffer.size, stream=stream)
    device_copy.copy_from(buffer, stream=stream)
    pipe.send(host_copy(device_copy, stream))


def wait_and_record(pipe):
    """Its stream waits for the other process's event, and records one of its own."""
    from cuda.core import EventOptions

    _, stream = began()
    descriptor, same, buffer = pipe.recv()
    ready = Event.from_ipc_descriptor(descriptor)
    assert ready.is_ipc_enabled and same.is_ipc_enabled and not ready.is_timing_enabled
    before = ready.is_done, same.is_done
    pipe.send(before)
    stream.wait(ready)
    stream.wait(same)
    buffer.fill(6, stream=stream)
    pipe.send(stream.record(options=EventOptions(ipc_enabled=True)).ipc_descriptor)
    pipe.recv()
    stream.sync()


def read_numba(pipe):
    """An array by its handle; it is opened once."""
    with pipe.recv() as array:
        pipe.send(array.copy_to_host())
        array[:] = array.copy_to_host()[::-1].copy()


def open_numba_bytes(pipe):
    """The same by the bytes of the handle."""
    from numba import cuda

    handle, shape, dtype = pipe.recv()
    with cuda.open_ipc_array(handle, shape=shape, dtype=dtype) as array:
        pipe.send(array.copy_to_host())
