"""Programs written as users of CUDA's Python libraries write them, run by those libraries, unmodified, on the CPU device.

`make clients` makes the environment and sets LD_LIBRARY_PATH; the libraries then find our libcuda.so.1 as they find any other.
"""

import ctypes
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

# compiled kernels are not taken from an earlier run
CACHE = tempfile.TemporaryDirectory(prefix="clients-")
os.environ["TRITON_CACHE_DIR"] = CACHE.name


def pytest_configure():
    """Ends the run where the process would use another driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pytest.exit("no libcuda.so.1: run `make clients`", 2)
    if "/cubind/_cpu/libcuda.so.1" not in Path("/proc/self/maps").read_text():
        pytest.exit("libcuda.so.1 is not the CPU device: run `make clients`", 2)


class Arrays:
    """NumPy arrays in pinned memory, which kernels can address too."""

    def __init__(self, resource, headers):
        self.resource, self.headers = resource, headers
        self._buffers = []

    def pinned(self, count, dtype):
        buffer = self.resource.allocate(count * np.dtype(dtype).itemsize)
        self._buffers.append(buffer)
        array = np.from_dlpack(buffer).view(dtype)
        array[:] = 0
        return array

    @staticmethod
    def address(array):
        return array.ctypes.data


@pytest.fixture
def device():
    from cuda.core import Device

    device = Device(0)
    device.set_current()
    return device


@pytest.fixture
def stream(device):
    stream = device.create_stream()
    yield stream
    stream.sync()


@pytest.fixture
def arrays(device):
    import nvidia
    from cuda.core import LegacyPinnedMemoryResource

    root = Path(nvidia.__path__[0]) / "cu13" / "include"
    return Arrays(LegacyPinnedMemoryResource(), [str(root), str(root / "cccl")])
