"""The buffer protocol and NumPy's array interface, both ways, and as_array() of whatever there is."""

import array
import ctypes
import gc
import mmap
import random
import struct
import subprocess
import sys
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import Pinned, numbers, random_shape, run, strided

TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]


# ---- the buffer protocol, out --------------------------------------------------------------------------------------


def test_complaint_57_a_devices_memory_is_no_buffer(device):
    """CuPy's arrays once crashed who read them through the buffer protocol."""
    for a in (cu.zeros(4, device=device), device.allocate(16)):
        with pytest.raises(BufferError, match="cannot read a device's memory"):
            memoryview(a)
        with pytest.raises((TypeError, BufferError)):
            bytes(a)
    a = cu.zeros(4, device=device)
    assert not hasattr(a, "__array_interface__")
    with pytest.raises(TypeError, match="to_host"):
        np.asarray(a)
    with pytest.raises(TypeError, match="to_host"):
        np.add(a, 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_views_of_every_type(dtype):
    there = numbers((3, 4), dtype)
    view = memoryview(cu.as_array(there))
    assert (view.shape, view.strides, view.itemsize, view.nbytes) == (
        (3, 4),
        there.strides,
        there.itemsize,
        there.nbytes,
    )
    assert np.asarray(view).dtype == there.dtype and np.array_equal(np.asarray(view), there)
    assert not view.readonly and memoryview(cu.as_array(there, readonly=True)).readonly


def test_views_of_any_strides():
    rng = random.Random(8)
    for _ in range(300):
        there = strided(rng, random_shape(rng))
        view = memoryview(cu.as_array(there))
        assert np.array_equal(np.asarray(view), there) and view.tobytes() == there.tobytes()
        assert view.c_contiguous == there.flags.c_contiguous and view.f_contiguous == there.flags.f_contiguous


def test_who_needs_contiguous_bytes_gets_them_or_an_error(tmp_path):
    there = numbers((4, 4))
    ours = cu.as_array(there)
    with (tmp_path / "out").open("wb") as file:
        file.write(ours)
    assert (tmp_path / "out").read_bytes() == there.tobytes()
    assert struct.unpack_from("<i", ours, 4) == (2,)
    with pytest.raises(BufferError, match="not contiguous"):
        struct.unpack_from("<i", ours[:, ::2])
    with pytest.raises((BufferError, TypeError)):
        struct.pack_into("<i", cu.as_array(there, readonly=True), 0, 5)
    with pytest.raises(BufferError, match="no word for bfloat16"):
        memoryview(cu.zeros(3, "bfloat16", device="cpu"))
    assert bytes(cu.zeros(3, "bfloat16", device="cpu").view("uint16")) == bytes(6)
    assert struct.unpack_from("<3h", cu.zeros(3, "bfloat16", device="cpu")) == (0, 0, 0)  # who asks for bytes only


def test_a_view_keeps_the_memory(device):
    a = cu.zeros(4, resource=Pinned(device))
    view = memoryview(a)
    with pytest.raises(BufferError, match="1 object"):
        a.buffer.close()
    other = np.asarray(a)
    with pytest.raises(BufferError, match="2 objects"):
        a.buffer.close()
    view.release()
    del other
    a.buffer.close()
    with pytest.raises(cu.ClosedError):
        memoryview(a)


def test_buffers_of_the_hosts_memory(device):
    buffer = Pinned(device).allocate(8)
    memoryview(buffer)[:] = b"abcdefgh"
    assert bytes(buffer) == b"abcdefgh"
    view = memoryview(buffer)
    with pytest.raises(BufferError):
        buffer.close()
    view.release()
    buffer.close()


def test_no_elements():
    for shape in [(0,), (3, 0)]:
        view = memoryview(cu.empty(shape, device="cpu"))
        assert view.shape == shape and bytes(view) == b""


# ---- the buffer protocol, in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("take", [cu.as_array, cu.from_buffer])
def test_everything_with_bytes(take, tmp_path):
    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]

    (tmp_path / "file").write_bytes(b"12345678")
    with (tmp_path / "file").open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    cases = [
        (b"abc", "uint8", (3,), True),
        (bytearray(b"abc"), "uint8", (3,), False),
        (array.array("d", [1, 2]), "float64", (2,), False),
        (array.array("l", [1]), "int64", (1,), False),
        ((ctypes.c_int * 3)(1, 2, 3), "int32", (3,), False),
        ((ctypes.c_float * 2 * 3)(), "float32", (3, 2), False),
        (ctypes.c_uint16(5), "uint16", (), False),
        (memoryview(b"abcdefgh").cast("I"), "uint32", (2,), True),
        (memoryview(bytearray(8))[::2], "uint8", (4,), False),
        (Point(1, 2.5), "record16", (), False),
        (mapped, "uint8", (8,), False),
        (b"", "uint8", (0,), True),
    ]
    for there, dtype, shape, readonly in cases:
        ours = take(there)
        assert (ours.dtype.name, ours.shape, ours.readonly, ours.device) == (dtype, shape, readonly, "cpu")
        assert ours.to_host().tobytes() == bytes(there)


def test_what_is_written_is_seen():
    there = bytearray(8)
    ours = cu.as_array(there).view("int32")
    ours[1] = 7
    assert there == b"\0\0\0\0\7\0\0\0"
    with pytest.raises(BufferError):
        there.append(1)  # it is exported
    del ours
    there.append(1)


@pytest.mark.parametrize("dtype", [">i4", "O", "g", "G"])
def test_buffers_that_cannot_be_taken(dtype):
    there = np.zeros(3, dtype)
    for take in (cu.from_buffer, cu.from_array_interface, cu.as_array):
        with pytest.raises(BufferError):
            take(there)


def test_objects_without_any_protocol():
    for wrong in (None, 3, "text", object(), [1, 2], {}, type):
        with pytest.raises(TypeError, match="as_array"):
            cu.as_array(wrong)
        for take in (cu.from_buffer, cu.from_array_interface, cu.from_cuda_array_interface):
            with pytest.raises(TypeError, match="does not offer"):
                take(wrong)
    for call in (cu.as_array, cu.from_buffer, cu.from_dlpack):
        with pytest.raises(TypeError):
            call()
        with pytest.raises(TypeError):
            call(b"", b"")
        with pytest.raises(TypeError, match="unexpected"):
            call(b"", wrong=1)


# ---- the array interface -------------------------------------------------------------------------------------------


class Has:
    """An object with the interface and nothing else."""

    def __init__(self, **interface):
        self.__array_interface__ = interface


class HasStruct:
    def __init__(self, there):
        self.there = there

    @property
    def __array_struct__(self):
        return self.there.__array_struct__


@pytest.mark.parametrize("dtype", TYPES)
def test_the_dict_out(dtype):
    there = numbers((3, 4), dtype)[:, ::2]
    made = cu.as_array(there).__array_interface__
    expected = there.__array_interface__
    for key in ("shape", "typestr", "data", "strides", "version"):
        assert made[key] == expected[key]
    assert np.array_equal(np.asarray(Has(**made)), there)


def test_any_strides_through_dict_and_struct():
    rng = random.Random(9)
    for _ in range(300):
        there = strided(rng, random_shape(rng), rng.choice(TYPES[1:]))
        for producer in (there, Has(**there.__array_interface__), HasStruct(there)):
            ours = cu.from_array_interface(producer)
            assert ours.shape == there.shape and np.array_equal(np.asarray(ours), there)
            assert np.array_equal(np.asarray(cu.as_array(producer)), there)


def test_types_that_only_this_says():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4):
        there = np.arange(6).reshape(2, 3).astype(kind)
        ours = cu.as_array(there)
        assert ours.dtype == kind and ours.pointer == there.ctypes.data
        assert ours.to_host().tobytes() == there.tobytes() and np.asarray(ours).dtype == kind
    record = np.zeros(3, [("a", "i4"), ("b", "f8")])
    assert cu.as_array(record).dtype == record.dtype
    assert cu.as_array(record["b"]).strides == (12,) and cu.as_array(record["b"]).dtype == "float64"
    assert cu.as_array(np.array(["2020-01-01"], "M8[D]")).to_host()[0] == np.datetime64("2020-01-01")
    assert cu.as_array(np.array([b"abc"])).dtype.itemsize == 3


def test_scalars_of_numpy():
    assert cu.as_array(np.float32(2.5)).item() == 2.5 and cu.as_array(np.float32(2.5)).shape == ()


def test_the_object_is_kept():
    there = numbers((3,))
    for make in (lambda: Has(**there.__array_interface__), lambda: HasStruct(there)):
        producer = make()
        gone = weakref.ref(producer)
        a = cu.as_array(producer)
        del producer
        gc.collect()
        assert gone() is not None and np.asarray(a).tolist() == [1, 2, 3]
        del a
        assert gone() is None


def test_a_struct_of_something_that_dies():
    class Fresh:
        @property
        def __array_struct__(self):
            return np.arange(1000).__array_struct__

    a = cu.as_array(Fresh())
    gc.collect()
    keep = [np.full(1000, -1) for _ in range(20)]
    assert np.asarray(a).tolist() == list(range(1000)) and keep


def test_data_that_is_an_object():
    memory = bytearray(np.arange(6, dtype="i4").tobytes())
    a = cu.as_array(Has(shape=(2,), typestr="<i4", data=memory, offset=4, strides=(8,), version=3))
    assert np.asarray(a).tolist() == [1, 3] and not a.readonly
    assert cu.as_array(Has(shape=(2,), typestr="<i4", data=bytes(memory), version=3)).readonly
    for wrong in [
        {"shape": (7,)},
        {"shape": (2,), "offset": 20},
        {"shape": (2,), "offset": -4},
        {"shape": (3,), "strides": (-4,)},
    ]:
        with pytest.raises(BufferError, match="beyond"):
            cu.as_array(Has(typestr="<i4", data=memory, version=3, **wrong))
    with pytest.raises((TypeError, BufferError)):
        cu.as_array(Has(shape=(1,), typestr="<i4", data=5, version=3))


def test_conversion_by_numpy(device):
    there = numbers((3, 4), "f4")
    ours = cu.as_array(there)
    assert np.shares_memory(np.asarray(ours), there) and not np.shares_memory(np.array(ours), there)
    assert ours.__array__("f8").dtype == np.float64
    with pytest.raises(ValueError):
        ours.__array__("f8", copy=False)
    pinned = cu.full((2, 2), 3, "bfloat16", resource=Pinned(device))
    assert pinned.__array__().tolist() == [[3, 3], [3, 3]]


# ---- as_array: readonly --------------------------------------------------------------------------------------------


def test_access(device):
    a = cu.zeros(3, device=device)
    assert cu.as_array(a) is a and cu.as_array(a, readonly=False) is a
    locked = cu.as_array(a, readonly=True)
    assert locked is not a and locked.readonly and not a.readonly and locked.pointer == a.pointer
    assert cu.as_array(locked, readonly=True) is locked
    with pytest.raises(ValueError, match="read-only"):
        cu.as_array(locked, readonly=False)
    with pytest.raises(ValueError, match="read-only"):
        cu.as_array(b"abc", readonly=False)
    assert cu.as_array(bytearray(3), readonly=True).readonly


def test_classes_that_change_their_mind():
    class Changes:
        pass

    there = np.arange(3)
    with pytest.raises(TypeError):
        cu.as_array(Changes())
    Changes.__array_interface__ = there.__array_interface__
    assert cu.as_array(Changes()).size == 3
    Changes.__dlpack__ = lambda self, **k: np.arange(4).__dlpack__(**k)
    Changes.__dlpack_device__ = lambda self: (1, 0)
    del Changes.__array_interface__
    assert cu.as_array(Changes()).size == 4
    proxy = type("Proxy", (), {"__getattr__": lambda self, name: getattr(there, name)})()
    assert np.shares_memory(np.asarray(cu.as_array(proxy)), there)


def test_the_hosts_arrays_need_no_driver():
    """Nor do they look for one."""
    run(
        """
import cuda_unified as cu
a = cu.full((2, 2), 1, "int32", device="cpu")
assert memoryview(a).tolist() == memoryview(cu.as_array(bytearray(b"\\1\\0\\0\\0" * 4)).view("int32").reshape(2, 2)).tolist()
assert cu.from_dlpack(a).T.copy()[0, 1].item() == 1
try: cu.Device(0)
except cu.CudaError: pass
else: raise AssertionError("there is a driver")
""",
        CUBIND_DRIVER_LIBRARY="/nothing/there/libcuda.so.1",
    )


def test_importing_imports_no_numpy():
    program = "import sys, cuda_unified as cu; cu.as_array(b'abc').item; cu.Array; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "False\n"
