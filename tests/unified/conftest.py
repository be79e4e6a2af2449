"""The device that every test of this layer runs on: a GPU where there is one, else the CPU device; and what many tests need there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import cuda_unified as cu
from tests.unified.graph_tools import Words, kernels


@pytest.fixture(scope="session")
def device() -> cu.Device:
    return cu.Device(0)


@pytest.fixture(scope="session", autouse=True)
def told_once(device: cu.Device) -> None:
    """The choice of the device is told here, and not again in every process that tests start."""
    if device.is_cpu:
        os.environ["CUBIND_DEVICE"] = "cpu"


@pytest.fixture
def stream(device: cu.Device) -> cu.Stream:
    """A new one, which is not the current one."""
    return device.stream()


@pytest.fixture
def current(stream: cu.Stream) -> Iterator[cu.Stream]:
    """The same, as the current one; in the end it has done everything."""
    with stream:
        yield stream
        stream.sync()


@pytest.fixture
def graph(device: cu.Device) -> cu.Graph:
    """An empty one."""
    return cu.Graph(device)


@pytest.fixture
def words(device: cu.Device, stream: cu.Stream) -> Words:
    """Four words, all 0."""
    return Words(device, stream)


@pytest.fixture(scope="session")
def step(device: cu.Device) -> cu.Kernel:
    """Of graph_tools: `step(word, factor, add)`."""
    kernel: cu.Kernel = kernels()["step"]
    return kernel
