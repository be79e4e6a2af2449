"""Launches: the forms, streams, contexts, threads, what the driver refuses, and what is kept alive."""

from __future__ import annotations

import gc
import struct
import sys
import weakref
from typing import Any

import pytest

import cuda_unified as cu
from cubind import driver
from tests.unified.kernels import Library, Memory

ONE = cu.LaunchConfig(1, 1)


@pytest.fixture(scope="module")
def library(device: Any) -> Library:
    return Library()


@pytest.fixture
def out(device: Any, stream: Any) -> Memory:
    return Memory(device, 256, stream)


def floats(out: Memory, n: int) -> tuple[float, ...]:
    return struct.unpack(f"<{n}f", out.read(4 * n))


# ---- forms


def test_the_forms_of_a_launch(library: Library, stream: Any, out: Memory) -> None:
    three = library["three"]
    cu.launch(stream, ONE, three, out.buffer, 0, 1.5)
    three[1, 1, stream](out.buffer, 1, 2.5)
    three[(1, 1), [1, 1, 1], stream, 16](out.buffer, 2, 3.5)
    three[ONE, stream](out.buffer, 3, 4.5)
    three.bind(stream, ONE, out.buffer, 4, 5.5)()
    with stream:
        three[1, 1](out.buffer, 5, 6.5)
        three[ONE](out.buffer, 6, 7.5)
        three[1, 1, None, 16](out.buffer, 7, 8.5)
        cu.launch(None, ONE, three, out.buffer, 8, 9.5)
    assert floats(out, 10) == (1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 0)


def test_without_a_stream_it_is_the_current_one_of_each_call(library: Library, device: Any, out: Memory) -> None:
    launcher = library["three"][1, 1]
    assert launcher.stream is None
    other = device.stream()
    with other:
        launcher(out.buffer, 0, 2.5)
    other.sync()
    launcher(out.buffer, 1, 3.5)
    device.sync()
    assert floats(out, 2) == (2.5, 3.5)


def test_streams_of_other_libraries(library: Library, stream: Any, out: Memory) -> None:
    class Theirs:
        def __cuda_stream__(self) -> tuple[int, int]:
            return 0, stream.address

    cu.launch(Theirs(), ONE, library["three"], out.buffer, 0, 1.5)
    cu.launch(stream.handle, ONE, library["three"], out.buffer, 1, 2.5)
    assert floats(out, 2) == (1.5, 2.5)


def test_default_streams(library: Library, device: Any, out: Memory) -> None:
    cu.launch(device.default_stream, ONE, library["three"], out.buffer, 0, 1.5)
    for number in (1, 2):
        cu.launch(cu.Stream.from_handle(number, device=device), ONE, library["three"], out.buffer, number, 2.5)
    device.sync()
    assert floats(out, 3) == (1.5, 2.5, 2.5)


def test_grid_block_and_shared_memory_arrive(library: Library, stream: Any, out: Memory) -> None:
    for grid, block, shared in (((2, 3, 4), (5, 2, 3), 256), ((7,), 32, 4096), (1, (1, 8), 1024)):
        out.write(bytes(256))
        library["shape"][grid, block, stream, shared](out.buffer)
        sizes = [tuple(v) if isinstance(v, tuple) else (v,) for v in (grid, block)]
        want = [*(sizes[0] + (1, 1))[:3], *(sizes[1] + (1, 1))[:3], shared]
        blocks = want[0] * want[1] * want[2]
        assert struct.unpack("<8I", out.read(32)) == (*want, blocks)


def test_a_kernel_without_parameters(library: Library, stream: Any) -> None:
    library["nothing"][1, 1, stream]()
    bound = library["nothing"].bind(stream, ONE)
    bound()
    assert bound.arguments == ()
    stream.sync()


def test_launches_are_captured(library: Library, stream: Any, device: Any, out: Memory) -> None:
    bound = library["three"].bind(stream, ONE, out.buffer, 1, 2.5)
    with device:
        driver.cuStreamBeginCapture(stream.handle, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        cu.launch(stream, ONE, library["three"], out.buffer, 0, 1.5)
        bound()
        with pytest.raises(TypeError, match="takes 3 arguments"):
            cu.launch(stream, ONE, library["three"], out.buffer)  # does no harm to the capture
        graph = driver.cuStreamEndCapture(stream.handle)
        bound.set(2, 9.5)  # what was captured stays
        assert floats(out, 2) == (0, 0)
        executable = driver.cuGraphInstantiate(graph, 0)
        driver.cuGraphLaunch(executable, stream.handle)
        assert floats(out, 2) == (1.5, 2.5)
        driver.cuGraphExecDestroy(executable)
        driver.cuGraphDestroy(graph)


def test_calls_that_are_not_launches(library: Library, stream: Any) -> None:
    three = library["three"]
    for call, text in (
        (lambda: cu.launch(stream, ONE), "takes a stream, a configuration, a kernel"),
        (lambda: cu.launch(stream, three, ONE), "a LaunchConfig is wanted"),
        (lambda: cu.launch(stream, ONE, "three"), "a Kernel is wanted"),
        (lambda: cu.launch(5.5, ONE, three, 1, 2, 3.0), "__cuda_stream__"),
        (lambda: three[1], r"kernel\[grid, block\]"),
        (lambda: three[1, 1, stream, 0, 0], r"kernel\[grid, block\]"),
        (lambda: three[()], r"kernel\[grid, block\]"),
        (lambda: three[1, 1, "stream"], "__cuda_stream__"),
        (lambda: three["a", 1], "grid must be an int"),
        (lambda: three[1, 1, stream](1, 2, value=3.0), "by name"),
        (lambda: three.bind(stream), "bind"),
        (lambda: three.bind(stream, 5, 1, 2, 3.0), "LaunchConfig"),
        (lambda: three(1, 2, 3.0), r"three: .* kernel\[grid, block\]"),
    ):
        with pytest.raises(TypeError, match=text):
            call()


# ---- bound launchers


def test_a_bound_launcher(library: Library, stream: Any, out: Memory) -> None:
    """Complaint 24."""
    bound = library["three"].bind(stream, ONE, out.buffer, 0, 1.5)
    assert (bound.kernel, bound.config, bound.stream) == (library["three"], ONE, stream)
    for i in range(1, 4):
        bound()
        bound.set(1, i)
        bound.set(2, i + 0.5)
    assert bound.arguments == (out.buffer, 3, 3.5)
    bound(out.buffer, 5, 9.5)  # for this launch alone
    assert bound.arguments == (out.buffer, 3, 3.5)
    bound()
    assert floats(out, 6) == (1.5, 1.5, 2.5, 3.5, 0, 9.5)


def test_a_bound_launcher_copies_values_when_they_are_packed(library: Library, stream: Any, out: Memory) -> None:
    value = bytearray(struct.pack("<f", 1.5))
    bound = library["three"].bind(stream, ONE, out.buffer, 0, value)
    value[:] = bytes(4)
    bound()
    assert floats(out, 1) == (1.5,)


def test_what_set_refuses(library: Library, stream: Any, out: Memory) -> None:
    bound = library["three"].bind(stream, ONE, out.buffer, 0, 1.5)
    for arguments, error, text in (
        ((3, 1), IndexError, r"three\(\) has 3 arguments, there is no args\[3\]"),
        ((-1, 1), ValueError, "index"),
        (("a", 1), TypeError, "index"),
        ((1, 2**40), ValueError, r"three\(\): args\[1\] of 3: an integer of 4 bytes"),
        ((0, 2.5j), TypeError, None),
        ((1,), TypeError, "takes the index"),
        ((1, 2, 3), TypeError, "takes the index"),
    ):
        if text is None:
            continue
        with pytest.raises(error, match=text):
            bound.set(*arguments)
    assert bound.arguments == (out.buffer, 0, 1.5)
    with pytest.raises(TypeError, match="bind"):
        library["three"][1, 1, stream].set(0, 1)
    bound()
    assert floats(out, 1) == (1.5,)


def test_what_a_launcher_keeps_alive(library: Library, stream: Any, device: Any) -> None:
    buffer = device.allocate(64, stream)
    alive = weakref.ref(buffer)
    bound = library["three"].bind(stream, ONE, buffer, 0, 1.5)
    del buffer
    gc.collect()
    assert alive() is not None
    bound()
    stream.sync()
    bound.set(0, None)
    gc.collect()
    assert alive() is None
    gone = weakref.ref(bound)
    del bound
    assert gone() is None


def test_a_launcher_in_a_cycle_is_collected(library: Library, stream: Any) -> None:
    class Number:
        launcher: Any = None

        def __index__(self) -> int:
            return 0

    number = Number()
    number.launcher = library["three"].bind(stream, ONE, None, number, 1.5)
    alive = weakref.ref(number)
    del number
    gc.collect()
    assert alive() is None


def test_a_launch_leaks_no_references(library: Library, stream: Any, out: Memory) -> None:
    kernel, value = library["three"], 1234.5
    things = (kernel, stream, ONE, out.buffer, value)
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(50):
        cu.launch(stream, ONE, kernel, out.buffer, 0, value)
        kernel[ONE, stream](out.buffer, 0, value)
        bound = kernel.bind(stream, ONE, out.buffer, 0, value)
        bound()
        bound.set(2, value)
        for bad in ((out.buffer, 0), (out.buffer, b"", value), (out.buffer, b"abcde", value)):
            with pytest.raises(TypeError):
                cu.launch(stream, ONE, kernel, *bad)
    del bound, bad
    stream.sync()
    assert [sys.getrefcount(thing) for thing in things] == before


def test_a_kernel_keeps_what_it_belongs_to(stream: Any) -> None:
    library = Library()
    alive, kernel = weakref.ref(library), library["nothing"]
    launcher = kernel[1, 1, stream]
    del library, kernel
    gc.collect()
    assert alive() is not None
    launcher()
    stream.sync()
    del launcher
    assert alive() is None


# ---- what cannot be launched


def test_closed_things(library: Library, device: Any, out: Memory) -> None:
    stream = device.stream()
    bound = library["three"].bind(stream, ONE, out.buffer, 0, 1.5)
    unbound = library["three"][ONE, stream]
    stream.close()
    for call in (bound, lambda: unbound(1, 2, 3.0), lambda: cu.launch(stream, ONE, library["nothing"])):
        with pytest.raises(cu.ClosedError):
            call()
    kernel = library["nothing"]
    kernel._mark_closed()
    assert kernel.is_closed
    for call in (kernel[1, 1, out.stream], lambda: kernel.address, lambda: kernel.parameters):
        with pytest.raises(cu.ClosedError):
            call()


def test_more_threads_than_the_kernel_can_have(library: Library, stream: Any, out: Memory) -> None:
    """Complaint 47."""
    with pytest.raises(cu.CudaError) as caught:
        library["narrow"][3, (65, 2), stream](out.buffer)
    error = caught.value
    assert error.function == "cuLaunchKernel"
    assert error.arguments == "kernel=narrow, grid=(3, 1, 1), block=(65, 2, 1), shared_memory=0"
    assert "130 threads" in error.hint
    assert "this kernel can have 64" in error.hint
    assert f"hint: {error.hint}" in str(error)
    library["narrow"][1, 64, stream](out.buffer)
    stream.sync()


def test_more_shared_memory_than_is_allowed(library: Library, stream: Any, out: Memory) -> None:
    kernel, size = library["shape"], 49152 + 4096
    with pytest.raises(cu.CudaError) as caught:
        kernel[1, 1, stream, size](out.buffer)
    assert f"shared_memory={size}" in caught.value.arguments
    assert "max_dynamic_shared_size_bytes" in caught.value.hint
    kernel.max_dynamic_shared_size_bytes = size
    kernel[1, 1, stream, size](out.buffer)
    assert struct.unpack("<7I", out.read(28))[6] == size
    kernel.max_dynamic_shared_size_bytes = 49152


def test_limits_of_the_device_are_checked_before(library: Library, stream: Any) -> None:
    limit = driver.cuDeviceGetAttribute(
        driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0
    )
    for config, text in (
        (cu.LaunchConfig((1, 65536), 1), "grid.y=65536 is more than its limit, 65535"),
        (cu.LaunchConfig((1, 1, 70000), 1), "grid.z=70000 is more than its limit, 65535"),
        (cu.LaunchConfig(1, 1025), "block.x=1025 is more than its limit, 1024"),
        (cu.LaunchConfig(1, (1, 1, 65)), "block.z=65 is more than its limit, 64"),
        (cu.LaunchConfig(1, (32, 33)), "block=(32, 33, 1) has 1056 threads and is more than its limit, 1024"),
        (cu.LaunchConfig(1, 1, limit + 1), f"shared_memory={limit + 1} is more than its limit, {limit}"),
    ):
        for _ in range(2):
            with pytest.raises(ValueError, match="LaunchConfig") as caught:
                cu.launch(stream, config, library["nothing"])
            assert text in str(caught.value)


def test_cooperative_launches(library: Library, stream: Any, out: Memory) -> None:
    config = cu.LaunchConfig(4, 32, 128, cooperative=True)
    cu.launch(stream, config, library["shape"], out.buffer)
    assert struct.unpack("<8I", out.read(32)) == (4, 1, 1, 32, 1, 1, 128, 4)
    with pytest.raises(cu.CudaError) as caught:
        cu.launch(stream, config.replace(grid=10**6), library["shape"], out.buffer)
    assert caught.value.name == "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"
    assert "cooperative=True" in caught.value.arguments
    assert "1000000 blocks" in caught.value.hint


def test_cluster_launches(library: Library, stream: Any, out: Memory) -> None:
    config = cu.LaunchConfig(4, 32, 128, cluster=2)
    supported = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH
    if not driver.cuDeviceGetAttribute(supported, 0):
        with pytest.raises(ValueError, match=r"cluster=\(2, 1, 1\) is not supported by this device"):
            cu.launch(stream, config, library["shape"], out.buffer)
        return
    cu.launch(stream, config, library["shape"], out.buffer)
    assert struct.unpack("<8I", out.read(32)) == (4, 1, 1, 32, 1, 1, 128, 4)


def test_hints_are_taken(library: Library, stream: Any, out: Memory) -> None:
    config = cu.LaunchConfig(
        1, 1, priority=0, programmatic_dependent=True, memory_sync_domain="default", shared_memory_carveout=50
    )
    cu.launch(stream, config, library["three"], out.buffer, 0, 1.5)
    assert floats(out, 1) == (1.5,)
