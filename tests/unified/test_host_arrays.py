"""NumPy arrays in pinned and managed memory."""

import gc
import subprocess
import sys

import numpy as np
import pytest

import cuda_unified as cu
from cuda_unified import buffer_of
from cuda_unified.memory import pointer_kind

MAKERS = [cu.empty_pinned, cu.zeros_pinned, cu.empty_managed, cu.zeros_managed]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("shape", [5, (3, 4), (), (2, 0, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["f4", np.int64, "c16", "M8[s]", [("a", "i4"), ("b", "f8")]])
def test_arrays(device, make, shape, dtype):
    array = make(shape, dtype, device=device)
    assert isinstance(array, np.ndarray) and array.dtype == np.dtype(dtype)
    assert array.shape == np.zeros(shape).shape and array.flags.c_contiguous and array.flags.writeable
    if make.__name__.startswith("zeros"):
        assert array.tobytes() == bytes(array.nbytes)
    buffer = buffer_of(array)
    assert buffer.size == array.nbytes
    assert buffer.is_pinned if "pinned" in make.__name__ else buffer.is_managed


def test_defaults_and_order(device):
    assert cu.empty_pinned(3).dtype == np.float64
    array = cu.zeros_pinned((3, 4), "i2", order="F", device=device)
    assert array.flags.f_contiguous and not array.flags.c_contiguous
    with pytest.raises(ValueError, match="extents"):
        cu.empty_pinned((3, -1))
    with pytest.raises(TypeError, match="Python objects"):
        cu.empty_pinned(3, object)
    with pytest.raises(cu.OutOfMemoryError):
        cu.empty_managed(1 << 60, "u1")


@pytest.mark.parametrize("make", MAKERS)
def test_memory_lives_as_long_as_the_last_view(device, make):
    array = make(1000, "u1", device=device)
    array[:] = 7
    view = array[10:20].view("u2")
    buffer = buffer_of(view)
    with pytest.raises(BufferError):
        buffer.close()
    del array, buffer
    gc.collect()
    assert (view == 0x0707).all()


def test_memory_is_freed_with_the_array(device):
    for make, kind in ((cu.empty_managed, "managed"), (cu.empty_pinned, "pinned")):
        array = make(1 << 20, "u1", device=device)
        pointer = array.ctypes.data
        assert pointer_kind(pointer) == (kind, device)
        del array
        with pytest.raises(ValueError, match="does not know"):
            pointer_kind(pointer)


def test_the_device_sees_it(device):
    with device.stream() as stream:
        array = cu.zeros_managed(16, "u4", device=device)
        buffer_of(array).fill(np.uint32(7), stream=stream)
        stream.sync()
        assert (array == 7).all()
        there = device.allocate(64, stream).copy_from(array, stream=stream)
        back = cu.empty_pinned(16, "u4", device=device)
        there.copy_to(back, stream=stream)
        stream.sync()
        assert (back == 7).all()


def test_arrays_that_lie_elsewhere():
    for array in (np.zeros(3), np.frombuffer(b"abc", "u1"), 5):
        with pytest.raises(ValueError, match="does not lie"):
            buffer_of(array)


def test_numpy_is_not_imported_before():
    program = (
        "import sys, cuda_unified as cu; d = cu.Device(0); b = d.allocate(8); b.fill(1); b.copy_from(bytes(8));"
        "cu.PinnedResource(d).allocate(8); cu.empty_pinned, cu.TrackingResource, cu.as_torch_allocator, cu.memory_report();"
        "print('numpy' in sys.modules, 'ctypes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"
