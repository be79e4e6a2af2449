"""What type checkers make of a program that uses this layer: not run but read, by `make types`."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import cubind
import cuda_unified as cu
from cubind import driver


async def streams(device: cu.Device) -> None:
    assert_type(cu.Device.current(), cu.Device)
    assert_type(device.memory_info.free, int)
    assert_type(device.properties.warp_size, int)
    assert_type(device.limits.stack_size, int)
    stream = device.stream(priority=-1)
    assert_type(stream, cu.Stream)
    assert_type(stream.handle, driver.CUstream)
    assert_type(stream.record(), cu.Event)
    assert_type(stream.record() - stream.record(), float)
    assert_type(stream.call(len, "abc").result(), int)
    assert_type(await stream.call(str.upper, "abc"), str)
    await stream
    with device as same, stream as current, stream.timed() as timing:
        assert_type(same, cu.Device)
        assert_type(current, cu.Stream)
        assert_type(timing.ms, float)
    stream.synchronization_policy = "spin"
    stream.record(3)  # type: ignore[arg-type]
    print(device.nam)  # type: ignore[attr-defined]


def memory(device: cu.Device, stream: cu.Stream) -> None:
    buffer = device.allocate(64, stream)
    assert_type(buffer[2:5].fill(1), cu.Buffer)
    assert_type(buffer.to_bytes(), bytes)
    assert_type(buffer.copy_to(), cu.Buffer)
    assert_type(buffer.copy_to(bytearray(64)), bytearray)
    assert_type(cu.Pool.create(device).used, int)
    assert_type(cu.ManagedResource(device).allocate(64), cu.ManagedBuffer)
    with cu.PinnedResource(device).allocate(64) as pinned:
        assert_type(pinned, cu.Buffer)


def arrays() -> None:
    array = cu.zeros((3, 4), "float32")
    assert_type(array[0, 1:], cu.Array)
    assert_type(array.shape, tuple[int, ...])
    assert_type(array.T.contiguous(), cu.Array)
    assert_type(array.to_host(), NDArray[Any])
    out: NDArray[np.float32] = np.zeros((3, 4), np.float32)
    assert_type(array.copy_to(out), NDArray[np.float32])
    assert_type(cu.as_array(np.zeros(3)), cu.Array)
    assert_type(cu.from_dlpack(np.zeros(3)), cu.Array)
    array.sum()  # type: ignore[attr-defined]


@cu.array_arguments("x")
def taken(x: Any, n: int) -> float:
    return float(x.size * n / 2)


def programs(device: cu.Device, stream: cu.Stream) -> None:
    code = cu.Program("source", std="c++20").compile("ptx")
    assert_type(code, cu.ObjectCode)
    assert_type(code.module().get_global("x"), cu.Buffer)
    kernel = cu.compile_kernel("source", "name")
    assert_type(kernel, cu.Kernel)
    assert_type(kernel.attributes[device].num_regs, int)
    assert_type(kernel.attributes.cache_mode_ca, bool)
    assert_type(kernel.occupancy.max_potential_block_size().block, int)
    config = cu.LaunchConfig.for_size(1000, kernel)
    assert_type(kernel[config, stream], cu.Launcher)
    assert_type(kernel.bind(stream, config, 1).config.grid, tuple[int, int, int])
    assert_type(taken(3, 4), float)
    kernel(1, 2)  # type: ignore[operator]
    cu.LaunchConfig(1, 2, shmem=3)  # type: ignore[call-arg]


def graphs(kernel: cu.Kernel, stream: cu.Stream) -> None:
    with stream.capture() as graph:
        kernel[1, 1](1)
    assert_type(graph, cu.Graph)
    node = graph.add_kernel(kernel, cu.LaunchConfig(1, 1), 1)
    executable = graph.instantiate()
    assert_type(executable, cu.GraphExec)
    assert_type(executable[node].is_enabled, bool)
    assert_type(graph.to_dot(), str)


def errors() -> None:
    try:
        cu.compile("wrong")
    except cu.CompileError as error:
        assert_type(error.listing(), str)
        assert_type(error.log, str | None)
    except cu.OutOfMemoryError as error:
        cubind_error: cubind.CudaError = error
        memory_error: MemoryError = error
        print(cubind_error, memory_error)
    print(cu.nothing)  # type: ignore[attr-defined]
