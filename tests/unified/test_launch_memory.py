"""Memory as an argument of a launch: arrays, and objects of other libraries through DLPack and the CUDA array interface."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import Any

import numpy as np
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
    return Memory(device, 64, stream)


class Interface:
    """An object with __cuda_array_interface__; `stream` is its entry of that name."""

    def __init__(self, pointer: int, stream: int | None = None, **more: Any) -> None:
        self.asked = 0
        self.entry = {"shape": (4,), "typestr": "<f4", "data": (pointer, False), "version": 3, "stream": stream, **more}

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        self.asked += 1
        return self.entry


class Producer:
    """An object with __dlpack__, of an array."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.streams: list[Any] = []

    def __dlpack__(self, *, stream: Any = None, **more: Any) -> Any:
        self.streams.append(stream)
        return self.array.__dlpack__(stream=stream, **more)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def launch(library: Library, stream: Any, memory: Any) -> None:
    cu.launch(stream, ONE, library["three"], memory, 1, 2.5)


def test_complaint_27_arrays_are_arguments(library: Library, stream: Any, device: Any) -> None:
    array = cu.zeros((4,), "float32", device=device, stream=stream)
    launch(library, stream, array)
    library["three"].bind(stream, ONE, array[2:], 0, 4.5)()
    assert array.to_host(stream=stream).tolist() == [0, 2.5, 4.5, 0]


def test_the_cuda_array_interface(library: Library, stream: Any, device: Any, out: Memory) -> None:
    for theirs in (None, stream.address, 1, 2):
        out.write(bytes(64))
        launch(library, stream, Interface(out.buffer.pointer, theirs))
        assert struct.unpack("<2f", out.read(8)) == (0, 2.5)
    launch(library, device.default_stream, Interface(out.buffer.pointer, stream.address))
    device.default_stream.sync()


def test_what_their_stream_does_comes_first(library: Library, device: Any, out: Memory) -> None:
    theirs, ours = device.stream(), device.stream()
    for _ in range(5):
        out.write(bytes(64))
        for i in range(20):
            library["three"][1, 1, theirs](out.buffer, 1, float(i))
        launch(library, ours, Interface(out.buffer.pointer, theirs.address))
        ours.sync()
        theirs.sync()
        assert struct.unpack("<2f", out.read(8)) == (0, 2.5)


def test_a_mask_is_refused(library: Library, stream: Any, out: Memory) -> None:
    with pytest.raises((TypeError, ValueError, BufferError), match="mask"):
        launch(library, stream, Interface(out.buffer.pointer, mask=Interface(out.buffer.pointer)))


def test_dlpack(library: Library, stream: Any, device: Any) -> None:
    array = cu.zeros((4,), "float32", device=device, stream=stream)
    producer = Producer(array)
    launch(library, stream, producer)
    assert array.to_host(stream=stream).tolist() == [0, 2.5, 0, 0]
    assert producer.streams == [stream.address]  # the producer is told which stream will use it


def test_dlpack_memory_lives_as_long_as_a_launcher(library: Library, stream: Any, device: Any) -> None:
    class Temporary:
        """Exports an array that nothing else holds."""

        def __init__(self) -> None:
            self.alive: Any = None

        def __dlpack__(self, **more: Any) -> Any:
            array = cu.zeros((4,), "float32", device=device, stream=stream)
            self.alive = weakref.ref(array)
            return array.__dlpack__(**more)

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, device.ordinal

    temporary = Temporary()
    bound = library["three"].bind(stream, ONE, temporary, 1, 2.5)
    gc.collect()
    assert temporary.alive() is not None
    bound()
    stream.sync()
    del bound
    gc.collect()
    assert temporary.alive() is None


def test_host_memory_is_refused(library: Library, stream: Any) -> None:
    for memory in (np.zeros(4, "f4"), Producer(np.zeros(4, "f4")), np.zeros((0,), "f4")[:0].reshape(2, 0)):
        if getattr(memory, "size", 1) == 0:
            continue
        with pytest.raises(TypeError, match=r"three\(\): args\[0\] of 3: this \w+ is in host memory"):
            launch(library, stream, memory)


def test_pinned_and_managed_memory(library: Library, stream: Any, device: Any) -> None:
    with device:
        pinned = driver.cuMemAllocHost(16)
        managed = driver.cuMemAllocManaged(16, 1)
    for pointer in (pinned, managed):
        view = (np.ctypeslib.ctypes.c_float * 4).from_address(pointer)
        host = np.frombuffer(view, "f4")
        host[:] = 0
        launch(library, stream, host)
        stream.sync()
        assert host.tolist() == [0, 2.5, 0, 0]
        launch(library, stream, Producer(host * 1 if pointer == 0 else host))
        stream.sync()
    with device:
        driver.cuMemFreeHost(pinned)
        driver.cuMemFree(managed)


def test_errors_of_the_protocols_are_seen(library: Library, stream: Any) -> None:
    class Broken:
        def __dlpack__(self, **more: Any) -> Any:
            raise ZeroDivisionError("mine")

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

    with pytest.raises(ZeroDivisionError, match="mine"):
        launch(library, stream, Broken())


def test_a_closed_buffer_of_an_array(library: Library, stream: Any, device: Any) -> None:
    buffer = device.allocate(64, stream)
    array = cu.as_array(buffer)
    bound = library["three"].bind(stream, ONE, array, 1, 2.5)
    bound()
    buffer.close()
    with pytest.raises(cu.ClosedError):
        launch(library, stream, array)
    with pytest.raises(cu.ClosedError):
        bound()
