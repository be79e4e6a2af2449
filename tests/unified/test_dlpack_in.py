"""Arrays of others through DLPack: NumPy's, and tensors made by hand with everything in them that is allowed, or not."""

import itertools
import random
import sys
import threading

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import array_in, kind_of, numbers, random_shape, strided, waits_for
from tests.unified.dlpack_tools import USED, Producer, Wrapped, look, name_of, new_capsule

CPU, CUDA, PINNED, MANAGED = (1, 0), (2, 0), (3, 0), (13, 0)
VERSIONED = {"max_version": (1, 0)}
READ_ONLY, IS_COPIED, PADDED = 1, 2, 4


@pytest.fixture(params=["host", "device", "pinned", "managed"])
def array(request, device):
    return array_in(request.param, device)


# ---- in ------------------------------------------------------------------------------------------------------------


def old_and_new():
    class Old(np.ndarray):
        def __dlpack__(self, stream=None):
            return super().__dlpack__(stream=stream)

    return [np.arange(5), np.arange(5).view(Old)]


@pytest.mark.parametrize(
    "dtype", ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
)
@pytest.mark.parametrize("which", [0, 1])
def test_numpys_types(dtype, which):
    there = old_and_new()[which].astype(dtype)
    ours = cu.from_dlpack(there)
    assert ours.dtype == there.dtype and np.array_equal(np.asarray(ours), there)
    back = np.from_dlpack(ours)
    assert back.dtype == there.dtype and np.shares_memory(back, there)


def test_numpys_arrays_of_any_strides_there_and_back():
    rng = random.Random(7)
    for _ in range(500):
        there = strided(rng, random_shape(rng))
        ours = cu.from_dlpack(there)
        assert ours.shape == there.shape and np.array_equal(np.asarray(ours), there)
        assert np.array_equal(np.from_dlpack(ours), there)
        if there.size > 1:
            assert [s for s, n in zip(ours.strides, ours.shape, strict=True) if n > 1] == [
                s for s, n in zip(there.strides, there.shape, strict=True) if n > 1
            ]


@pytest.mark.parametrize("ndim", range(33))
def test_many_dimensions(ndim):
    there = np.zeros((1,) * ndim)
    assert np.from_dlpack(cu.from_dlpack(there)).shape == there.shape


def test_references():
    for there in old_and_new():
        ours = cu.from_dlpack(there)
        count = sys.getrefcount(there)
        del ours
        assert count - sys.getrefcount(there) == 1


def test_read_only_is_respected():
    there = np.arange(5)
    there.flags.writeable = False
    ours = cu.from_dlpack(there)
    assert ours.readonly and ours[1:].readonly and not np.from_dlpack(ours).flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        ours.fill(1)
    with pytest.raises(BufferError):
        memoryview(ours).cast("B")[0:1] and np.from_dlpack(ours.__dlpack__())
    assert not cu.from_dlpack(there, copy=True).readonly


@pytest.mark.parametrize("versioned", [True, False])
def test_complaint_50_byte_offset(versioned):
    """cuda.core 1.1 dropped byte_offset."""
    there = np.arange(10, dtype="f4")
    producer = Producer(there.ctypes.data, (3,), (2,), versioned=versioned, offset=8, owner=there)
    assert np.asarray(cu.from_dlpack(producer)).tolist() == [2, 4, 6]
    producer = Producer(there.ctypes.data - 2**62, (2,), (1,), versioned=versioned, offset=2**62 + 4, owner=there)
    assert np.asarray(cu.as_array(producer)).tolist() == [1, 2]


@pytest.mark.parametrize("versioned", [True, False])
def test_no_strides_mean_c_order(versioned):
    there = numbers((2, 3), "f4")
    assert np.array_equal(np.asarray(cu.from_dlpack(Producer(there.ctypes.data, (2, 3), versioned=versioned))), there)


@pytest.mark.parametrize("versioned", [True, False])
def test_a_capsule_is_used_once(versioned):
    there = numbers((3,), "f4")
    producer = Producer(there.ctypes.data, (3,), (1,), versioned=versioned)
    ours = cu.from_dlpack(producer)
    assert name_of(producer.capsule) == USED[versioned]
    with pytest.raises(ValueError, match="used already"):
        cu.from_dlpack(Wrapped(producer.capsule, CPU))
    assert producer.deleted == 0
    part = ours[1:]
    del ours
    assert producer.deleted == 0 and np.asarray(part).tolist() == [2, 3]
    del part
    assert producer.deleted == 1


@pytest.mark.parametrize("versioned", [True, False])
def test_a_producer_without_a_deleter(versioned):
    there = numbers((3,), "f4")
    ours = cu.from_dlpack(Producer(there.ctypes.data, (3,), (1,), versioned=versioned, deleter=False))
    assert np.asarray(ours).tolist() == [1, 2, 3]


@pytest.mark.parametrize("major", [0, 2, 77])
def test_another_major_version_is_deleted_and_refused(major):
    producer = Producer(0xBAD, (-5,), dtype=(99, 99, 99), device=(99, 99), claims=CPU, version=(major, 0))
    for use in (cu.from_dlpack, cu.as_array):
        producer.deleted = 0
        with pytest.raises(BufferError, match=f"version {major}"):
            use(producer)
        assert producer.deleted == 1 and name_of(producer.capsule) == "used_dltensor_versioned"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dtype": (99, 32, 1)}, "code 99"),
        ({"dtype": (2, 24, 1)}, "24 bits"),
        ({"dtype": (3, 64, 1)}, "code 3"),
        ({"dtype": (17, 4, 1)}, "packed"),
        ({"dtype": (0, 4, 3)}, "packed"),
        ({"dtype": (2, 32, 0)}, "0 lanes"),
        ({"dtype": (2, 0, 1)}, "0 bits"),
        ({"device": (4, 0)}, "device type 4"),
        ({"device": (10, 0)}, "device type 10"),
        ({"shape": (-1,)}, "dimension of -1"),
        ({"shape": (2**40, 2**40), "strides": (1, 1)}, "larger"),
        ({"strides": (2**62,)}, "stride"),
        ({"data": 0}, "without an address"),
        ({"dtype": (4, 4, 2), "flags": PADDED}, "padded"),
    ],
)
@pytest.mark.parametrize("versioned", [True, False])
def test_what_cannot_be_taken(changes, text, versioned):
    if "flags" in changes and not versioned:
        return
    there = numbers((8,), "f8")
    producer = Producer(
        **{"data": there.ctypes.data, "shape": (2,), "strides": (1,), "versioned": versioned, "claims": CPU, **changes}
    )
    for use in (cu.from_dlpack, cu.as_array):
        with pytest.raises(BufferError, match=text):
            use(producer)
        assert name_of(producer.capsule) == producer.name.decode()  # the capsule is still the producer's
        assert producer.deleted == 0


def test_dimensions_that_make_no_sense():
    producer = Producer(16, (1,), (1,))
    for ndim in (-1, 65, 2**31 - 1):
        producer.struct.tensor.ndim = ndim
        with pytest.raises(BufferError, match="dimensions"):
            cu.from_dlpack(producer)
    producer.struct.tensor.ndim = 1
    producer.struct.tensor.shape = None
    with pytest.raises(BufferError, match="without a shape"):
        cu.from_dlpack(producer)


def test_types_that_numpy_does_not_have():
    data = np.arange(16, dtype="u1")
    for dtype, name in [
        ((4, 16, 1), "bfloat16"),
        ((10, 8, 1), "float8_e4m3fn"),
        ((2, 32, 4), "float32x4"),
        ((17, 4, 2), "float4_e2m1fnx2"),
    ]:
        ours = cu.from_dlpack(Producer(data.ctypes.data, (1,), (1,), dtype=dtype))
        assert ours.dtype == name
        tensor = look(ours.__dlpack__(**VERSIONED)).tensor
        assert (tensor.code, tensor.bits, tensor.lanes) == dtype
    padded = cu.from_dlpack(Producer(data.ctypes.data, (2,), (1,), dtype=(17, 4, 1), flags=PADDED))
    assert padded.dtype == "float4_e2m1fn" and padded.itemsize == 1
    assert look(padded.__dlpack__(**VERSIONED)).flags == PADDED
    with pytest.raises(BufferError, match="max_version"):
        padded.__dlpack__()


def test_what_dlpack_has_no_words_for(device):
    there = np.zeros(3, [("a", "i4"), ("b", "i1")])
    with pytest.raises(BufferError, match="no type for record5"):
        cu.from_host(there, device).__dlpack__()
    with pytest.raises(BufferError, match="no multiple"):
        cu.Array.over(device.allocate(64), 3, "int32", strides=(5,)).__dlpack__()
    assert cu.Array.over(device.allocate(64), 1, "int32", strides=(5,)).__dlpack__()


class Answers:
    """A producer that says what a test wants it to say."""

    def __init__(self, device=CPU, capsule=None):
        self.device, self.capsule = device, capsule

    def __dlpack_device__(self):
        if isinstance(self.device, Exception):
            raise self.device
        return self.device

    def __dlpack__(self, **_):
        if isinstance(self.capsule, Exception):
            raise self.capsule
        return self.capsule


@pytest.mark.parametrize(
    ("producer", "error"),
    [
        (Answers(), TypeError),
        (Answers(capsule="dltensor"), TypeError),
        (Answers(device=1), TypeError),
        (Answers(device=(1,)), TypeError),
        (Answers(device=("a", "b")), TypeError),
        (Answers(device=(1, 2**40)), ValueError),
        (Answers(device=(2, 99)), cu.InvalidDeviceError),
        (Answers(device=KeyError("x")), KeyError),
        (Answers(capsule=KeyError("x")), KeyError),
        (Answers(capsule=AttributeError("inside")), AttributeError),
        (Answers(device=AttributeError("inside")), AttributeError),
        (Answers(capsule=BufferError("not today")), BufferError),
        (Answers(capsule=TypeError("no")), TypeError),
        (object(), TypeError),
        (3, TypeError),
        (None, TypeError),
        (Answers(capsule=new_capsule(1, b"other")), TypeError),
    ],
)
def test_producers_that_misbehave(producer, error):
    with pytest.raises(error):
        cu.from_dlpack(producer)
    with pytest.raises(error):
        cu.as_array(producer)


def test_a_producers_keywords(device):
    there = numbers((3,), "f4")
    producer = Producer(there.ctypes.data, (3,), (1,))
    cu.from_dlpack(producer)
    cu.from_dlpack(producer, copy=False)
    cu.from_dlpack(producer, device="cpu")
    assert producer.asked == [{"max_version": (1, 3)}, {"max_version": (1, 3), "copy": False}, {"max_version": (1, 3)}]
    ours, stream = cu.from_host(there, device), device.stream()
    producer = Producer(ours.pointer, (3,), (1,), device=CUDA, owner=ours)
    assert cu.from_dlpack(producer).stream is cu.current_stream()
    assert cu.from_dlpack(producer, stream=stream).stream is stream
    assert cu.from_dlpack(producer, stream=-1).stream is None
    assert (
        cu.as_array(producer, stream=stream.address).stream is None
    )  # a bare handle is not remembered: it may be gone
    with stream:
        cu.from_dlpack(producer, copy=True)
    assert [asked["stream"] for asked in producer.asked] == [1, stream.address, -1, stream.address, stream.address]
    cu.from_dlpack(Producer(there.ctypes.data, (3,), (1,), device=CPU, claims=CUDA), device="cpu")


def test_our_stream_waits_for_the_producers(device):
    theirs, mine = device.stream(), device.stream()
    a = cu.zeros(3, device=device, stream=theirs)
    assert waits_for(mine, theirs, lambda: cu.from_dlpack(a, stream=mine))
    assert not waits_for(mine, theirs, lambda: cu.from_dlpack(a, stream=-1))


# ---- from_dlpack: device and copy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("target", [None, "cpu", "device"])
def test_from_dlpack_with_device_and_copy(array, device, target, copy):
    kind = kind_of(array)
    wanted = device if target == "device" else target
    moves = (target == "cpu" and kind == "device") or (target == "device" and kind == "host")
    if copy is False and moves:
        with pytest.raises(BufferError):
            cu.from_dlpack(array, device=wanted, copy=False)
        return
    made = cu.from_dlpack(array, device=wanted, copy=copy)
    assert np.array_equal(made.to_host(), np.arange(12).reshape(3, 4))
    assert (made.pointer == array.pointer) == (not copy and not moves)
    if target == "cpu":
        assert made.is_host_accessible
    if target == "device":
        assert made.is_device_accessible


@pytest.mark.parametrize(("copy", "target"), list(itertools.product([None, True, False], [None, "cpu"])))
def test_numpys_producers_with_copy(copy, target):
    for there in old_and_new():
        made = cu.from_dlpack(there, copy=copy, device=target)
        assert np.shares_memory(np.asarray(made), there) == (copy is not True)
        assert made.to_host().tolist() == [0, 1, 2, 3, 4]
        assert np.from_dlpack(made, copy=copy).tolist() == [0, 1, 2, 3, 4]


def test_a_producer_that_copies_against_the_request():
    there = numbers((3,), "f4")
    producer = Producer(there.ctypes.data, (3,), (1,), flags=IS_COPIED)
    with pytest.raises(BufferError, match="copy=False"):
        cu.from_dlpack(producer, copy=False)
    assert producer.deleted == 1
    assert cu.from_dlpack(producer, copy=True).pointer == there.ctypes.data  # it is one already


@pytest.mark.parametrize("keywords", [{"copy": "yes"}, {"copy": 1}])
def test_bad_copy(keywords):
    with pytest.raises(TypeError):
        cu.from_dlpack(np.arange(3), **keywords)
    with pytest.raises(ValueError):
        cu.from_dlpack(np.arange(3), device="gpu")


def test_numpy_asks_for_the_cpu(device):
    a = cu.from_host(numbers((3, 4)), device)
    assert np.array_equal(np.from_dlpack(a, device="cpu"), numbers((3, 4)))
    with pytest.raises((RuntimeError, BufferError, ValueError)):
        np.from_dlpack(a, device="cpu", copy=False)


# ---- Buffers -------------------------------------------------------------------------------------------------------


def test_buffers_are_bytes(device):
    buffer = device.allocate(16)
    assert buffer.__dlpack_device__() == CUDA
    tensor = look(buffer.__dlpack__()).tensor
    assert (tensor.code, tensor.bits, tensor.shape[0], tensor.data) == (1, 8, 16, buffer.pointer)
    del tensor
    a = cu.from_dlpack(buffer)
    assert a.dtype == "uint8" and a.shape == (16,) and cu.as_array(buffer).buffer is buffer
    with pytest.raises(BufferError):
        buffer.close()
    del a
    buffer.close()
    for use in (buffer.__dlpack__, buffer.__dlpack_device__, lambda: cu.as_array(buffer)):
        with pytest.raises(cu.ClosedError):
            use()


def test_many_threads_share_one_array(device):
    """Exports and imports of one array by 8 threads: nothing is lost, nothing is released twice."""
    a = cu.from_host(np.arange(100), device)
    there, errors = np.arange(100), []

    def work():
        try:
            for i in range(200):
                assert cu.from_dlpack(a)[i % 100 :].shape == (100 - i % 100,)
                assert cu.as_array(there).pointer == there.ctypes.data
                a.__dlpack__(max_version=(1, 0))
        except Exception as error:  # reported below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    assert a.buffer._exports == 0
    a.buffer.close()
