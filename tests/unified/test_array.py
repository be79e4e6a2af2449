"""Arrays against NumPy's: views, new arrays, numbers, and what is refused."""

import gc
import pickle
import random
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import Pinned, numbers, random_shape, strided, waits_for

TYPES = ["uint8", "int16", "float32", "complex64", "complex128", "record3", "record12"]


# ---- views ---------------------------------------------------------------------------------------------------------


def test_what_it_says_about_itself(device):
    a = cu.empty((3, 4), "float32", device=device)
    assert (a.shape, a.strides, a.ndim, a.size, a.nbytes, a.itemsize) == ((3, 4), (16, 4), 2, 12, 48, 4)
    assert a.dtype == np.float32 and a.device is device and a.context is device.context
    assert a.buffer.size == 48 and a.pointer == a.buffer.pointer and a.owner is a.buffer
    assert a.is_contiguous and not a.readonly and len(a) == 3
    assert repr(a) == "<Array float32[3, 4] Device(0)>"
    assert repr(cu.as_array(b"abc")) == "<Array uint8[3] cpu, readonly>"
    assert a.is_device_accessible and not a.is_host_accessible
    assert a != cu.empty((3, 4), "float32", device=device) and hash(a)


def random_key(rng, shape):
    key = []
    for n in shape[: rng.randint(0, len(shape))]:
        kind = rng.random()
        if kind < 0.25 and n:
            key.append(rng.randrange(-n, n))
        else:
            start, stop = (rng.choice([None, rng.randint(-n - 2, n + 2)]) for _ in "ab")
            key.append(slice(start, stop, rng.choice([None, 1, 2, -1, -2, 5])))
    if rng.random() < 0.3:
        key.insert(rng.randint(0, len(key)), Ellipsis)
    while rng.random() < 0.3:
        key.insert(rng.randint(0, len(key)), None)
    return tuple(key)


def test_indexing_is_numpys():
    rng = random.Random(1)
    for _ in range(2000):
        there = strided(rng, random_shape(rng))
        ours = cu.as_array(there)
        key = random_key(rng, there.shape)
        if Ellipsis in key:  # the dimensions behind it count from the end
            key = tuple(slice(None) if isinstance(k, int) else k for k in key)
        try:
            expected = there[key]
        except IndexError:
            with pytest.raises(IndexError):
                ours[key]
            continue
        part = ours[key]
        assert part.shape == np.shape(expected)
        assert np.array_equal(np.asarray(part), expected), key
        if isinstance(expected, np.ndarray) and expected.size:
            assert np.shares_memory(np.asarray(part), there)
        one = key[0] if len(key) == 1 else key
        assert ours[one].shape == part.shape


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (5, IndexError),
        (-6, IndexError),
        ((0, 0, 0), IndexError),
        ((..., ...), IndexError),
        (1.5, TypeError),
        ("a", TypeError),
        ([0, 1], TypeError),
        (True, TypeError),
        (np.array([0]), TypeError),
        (slice(0, 1, 0), ValueError),
        (2**70, IndexError),
        ((None,) * 70, IndexError),
        ((None,) * 300, IndexError),
        (slice("a"), TypeError),
    ],
)
def test_what_is_no_index(key, error):
    with pytest.raises(error):
        cu.as_array(numbers((5, 3)))[key]


def test_reshape_is_numpys():
    """A view exactly where NumPy has one, the same elements in any case."""
    rng = random.Random(2)
    views = 0
    for _ in range(1500):
        there = strided(rng, random_shape(rng, 4))
        ours = cu.as_array(there)
        sizes = [n for n in (1, 2, 3, 4, 6, 12) if there.size and there.size % n == 0]
        if sizes:
            first = rng.choice(sizes)
            shape = rng.choice([(first, -1), (first, there.size // first), (1, first, -1), (-1,), (there.size, 1)])
        else:
            shape = rng.choice([(0,), (0, 3), (2, 0, 1)]) if not there.size else (-1,)
        expected = there.reshape(shape)
        is_view = not there.size or np.shares_memory(expected, there)
        assert np.array_equal(np.asarray(ours.reshape(shape)), expected)
        assert np.array_equal(np.asarray(ours.reshape(*shape, copy=True)), expected)
        if is_view:
            views += 1
            assert np.array_equal(np.asarray(ours.reshape(shape, copy=False)), expected)
        else:
            with pytest.raises(ValueError, match="no view of shape"):
                ours.reshape(shape, copy=False)
    assert 300 < views < 1400


@pytest.mark.parametrize("shape", [(7,), (-1, -1), (-2, 6), (5, -1), (0, -1)])
def test_what_is_no_shape(shape):
    with pytest.raises(ValueError, match="shape"):
        cu.as_array(numbers((3, 4))).reshape(shape)


def test_permute_and_transpose():
    there = numbers((2, 3, 4))
    ours = cu.as_array(there)
    assert np.array_equal(np.asarray(ours.T), there.T)
    assert np.array_equal(np.asarray(ours.transpose()), there.T)
    assert np.array_equal(np.asarray(ours.permute(2, 0, 1)), there.transpose(2, 0, 1))
    assert np.array_equal(np.asarray(ours.permute((-1, 0, 1))), there.transpose(2, 0, 1))
    assert cu.as_array(numbers(())).T.shape == ()
    for wrong in [(0, 1), (0, 1, 1), (0, 1, 3)]:
        with pytest.raises(ValueError):
            ours.permute(wrong)


def test_view_as_another_type():
    there = numbers((3, 4), "i4")
    ours = cu.as_array(there)
    for kind in ("f4", "u1", "i8", "i2", "c8"):
        assert np.array_equal(np.asarray(ours.view(kind)), there.view(kind))
    assert np.array_equal(np.asarray(ours[:, :2].view("u1")), there[:, :2].view("u1"))
    assert ours.view("float32x4").shape == (3, 1)
    assert cu.as_array(numbers((), "i4")).view("f4").shape == ()
    for wrong, kind in [(ours.T, "u1"), (ours[:, ::2], "i8"), (ours[:, :3], "i8"), (cu.as_array(numbers(())), "u1")]:
        with pytest.raises(ValueError):
            wrong.view(kind)


def test_iteration_and_len():
    ours = cu.as_array(numbers((3, 2)))
    assert [[x.item() for x in row] for row in ours] == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(TypeError):
        len(ours[0, 0])
    with pytest.raises(TypeError):
        iter(ours[0, 0])


def test_arrays_over_a_buffer(device):
    buffer = device.allocate(64)
    a = cu.Array.over(buffer, (2, 3), "int32", offset=8)
    assert a.pointer == buffer.pointer + 8 and a.buffer is buffer
    assert cu.Array.over(buffer).shape == (64,) and cu.Array.over(buffer, dtype="float32", offset=8).shape == (14,)
    assert cu.Array.over(buffer, 4, "int32", strides=(-4,), offset=12).pointer == buffer.pointer + 12
    reach = [
        {"shape": 17, "dtype": "int32"},
        {"shape": 16, "dtype": "int32", "offset": 1},
        {"shape": 4, "dtype": "int32", "strides": (-4,), "offset": 11},
        {"shape": (2, 2), "dtype": "int32", "strides": (60, 4)},
        {"shape": 1, "offset": 64},
        {"shape": 1, "offset": 2**63},
        {"shape": (2, 2), "strides": (2**62, 2**62)},
    ]
    for wrong in reach:
        with pytest.raises(ValueError, match="beyond its memory"):
            cu.Array.over(buffer, **wrong)
    for wrong, error in [
        ({"shape": -1}, ValueError),
        ({"shape": (2**40, 2**40)}, BufferError),
        ({"shape": 2.5}, TypeError),
        ({"shape": (1,) * 65}, ValueError),
        ({"shape": 4, "strides": (1, 1)}, ValueError),
        ({"shape": "ab"}, TypeError),
        ({"offset": -1}, ValueError),
    ]:
        with pytest.raises(error):
            cu.Array.over(buffer, **wrong)
    with pytest.raises(TypeError):
        cu.Array.over(b"no buffer", 3)
    with pytest.raises(TypeError):
        cu.Array()


def test_a_closed_buffer_closes_its_arrays(device):
    a = cu.zeros((4, 4), device=device)
    part, buffer = a[1:, ::2], a.buffer
    buffer.close()
    for use in (
        lambda: a.pointer,
        lambda: part.pointer,
        a.__dlpack__,
        lambda: part[0],
        part.to_host,
        a.contiguous,
        lambda: a.fill(1),
        lambda: a.__cuda_array_interface__,
        lambda: cu.as_array(a),
        a.__dlpack_device__,
        lambda: a.T,
        lambda: a.view("u1"),
    ):
        with pytest.raises(cu.ClosedError):
            use() if use != a.contiguous else a.copy()
    assert "closed" in repr(a)


def test_memory_lives_as_long_as_any_view(device):
    buffer = device.allocate(64)
    gone = weakref.ref(buffer)
    part = cu.Array.over(buffer, 16, "int32")[::2].reshape(2, 4).T
    del buffer
    gc.collect()
    assert gone() is not None
    part.fill(3)
    assert part.to_host().tolist() == [[3, 3]] * 4
    del part
    assert gone() is None


# ---- new arrays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (0, 2)])
@pytest.mark.parametrize("where", ["device", "cpu"])
def test_full_of_any_type(device, dtype, shape, where):
    kind = cu.DType(dtype)
    value = bytes(range(1, kind.itemsize + 1)) if kind.is_record else 7 - 2j if kind.code == 5 else 7
    a = cu.full(shape, value, dtype, device=device if where == "device" else "cpu")
    expected = np.full(shape, np.void(value) if kind.is_record else value, kind.numpy)
    assert a.to_host().tobytes() == expected.tobytes() and a.to_host().shape == shape
    z = cu.zeros_like(a)
    assert z.shape == shape and z.dtype == kind and z.device == a.device
    assert z.to_host().tobytes() == bytes(expected.nbytes)


def test_full_infers_its_type(device):
    assert cu.full(2, 1.5, device=device).dtype == "float64"
    assert cu.full(2, True, device=device).dtype == "bool"
    assert cu.full(2, np.float32(1), device=device).dtype == "float32"
    assert cu.full_like(np.zeros(3, "i2"), 4).dtype == "int16"
    assert cu.empty_like(np.zeros((3, 2), "i2"), "float64").nbytes == 48


def test_from_host_takes_lists_and_numbers(device):
    assert cu.from_host([[1, 2], [3, 4]], device, dtype="float32").to_host().tolist() == [[1, 2], [3, 4]]
    assert cu.from_host(5, device).item() == 5
    assert cu.from_host(b"abc").to_host().tobytes() == b"abc"
    with pytest.raises(TypeError, match="convert"):
        cu.from_host(np.zeros(3), device, dtype="float32")
    with pytest.raises(TypeError):
        cu.from_host([object()], device)


@pytest.mark.parametrize("managed", [False, True])
def test_page_locked_and_managed_arrays(device, managed):
    resource = Pinned(device, managed)
    a = cu.zeros((2, 3), "float32", resource=resource)
    assert a.is_host_accessible and a.is_device_accessible
    assert a.device == (device if managed else "cpu")
    assert ("managed" if managed else "pinned") in repr(a)
    device.sync()
    there = np.asarray(a)
    there[...] = 5
    assert a.to_host().tolist() == [[5, 5, 5]] * 2
    assert cu.empty_like(a).buffer.resource is resource
    del a, there
    cu.empty(1, device=device).fill(0)  # the next work lets go of what was done
    gc.collect()
    assert resource.freed == 2


def test_bad_devices(device):
    for wrong in ("gpu", 1.5, True, object()):
        with pytest.raises(ValueError, match='"cpu"'):
            cu.empty(3, device=wrong)
    with pytest.raises(cu.InvalidDeviceError):
        cu.empty(3, device=99)
    with pytest.raises(ValueError):
        cu.empty((2, -1))
    with pytest.raises(TypeError):
        cu.empty(3, "float33")


# ---- one element, other devices ------------------------------------------------------------------------------------


def test_item(device):
    assert cu.from_host(np.array([[1.5]], "f4"), device).item() == 1.5
    a = cu.from_host(np.arange(4), device)
    assert a[2].item() == 2 and int(a[3]) == 3 and float(a[1]) == 1.0 and bool(a[0]) is False and complex(a[1]) == 1
    with pytest.raises(ValueError, match="4 elements"):
        a.item()
    with pytest.raises(ValueError):
        bool(a)


def test_to_device(device):
    there = numbers((3, 4))
    a = cu.as_array(there)
    b = a.to_device(device)
    assert b.device is device and np.array_equal(b.to_host(), there)
    assert b.to_device(device) is b and b.to_device(0) is b and a.to_device("cpu") is a
    back = b[:, ::-1].to_device("cpu")
    assert back.device == "cpu" and np.array_equal(np.asarray(back), there[:, ::-1])
    with pytest.raises(ValueError):
        b.to_device("gpu")


def test_setting_elements(device):
    a = cu.zeros((3, 4), "int32", device=device)
    a[1] = 5
    a[:, 0] = np.arange(3, dtype="i4")
    a[2, 1:] = a[1, 1:]
    assert a.to_host().tolist() == [[0, 0, 0, 0], [1, 5, 5, 5], [2, 5, 5, 5]]
    reals = cu.zeros(3, "float32", device=device)
    for number in (np.float32(1.5), np.float64(2.5), np.array(3.5), np.int8(4), np.bool_(True), 6, 7.5):
        reals[:] = number
        assert reals.to_host().tolist() == [number] * 3
    for wrong in (1j, np.complex64(1j), np.complex128(2 + 1j), np.array(1j), np.datetime64("2020")):
        with pytest.raises(TypeError, match="is no float32"):
            reals[:] = wrong
    assert reals.to_host().tolist() == [7.5] * 3


def test_lanes_are_a_dimension_for_numpy(device):
    there = numbers((3, 4), "f4")
    a = cu.from_host(there, device).view("float32x4")
    assert a.shape == (3, 1) and a.to_host().shape == (3, 1, 4) and np.array_equal(a.to_host()[:, 0], there)
    assert a[1, 0].item() == (5, 6, 7, 8)
    a.fill((1, 2, 3, 4))
    assert a.to_host()[2, 0].tolist() == [1, 2, 3, 4]


def test_structured_records(device):
    there = np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")])
    a = cu.from_host(there, device)
    assert a.dtype == there.dtype and np.array_equal(a.to_host(), there) and a[1].item() == (3, 4.5)
    a.fill(np.array((7, 8.5), there.dtype))
    assert a.to_host().tolist() == [(7, 8.5)] * 2


def test_no_pickles(device):
    with pytest.raises(TypeError):
        pickle.dumps(cu.zeros(3, device=device))


STORE = """
.version 7.0
.target sm_70
.address_size 64
.visible .entry store(.param .u64 p)
{
    .reg .b64 %p;
    .reg .b32 %v;
    ld.param.u64 %p, [p];
    mov.u32 %v, 7;
    st.global.u32 [%p], %v;
    ret;
}
"""


def test_launches_are_known_to_who_takes_the_array_next(device):
    """Without `with stream:`, which other libraries leave to the program."""
    kernel = cu.Module(STORE.encode()).kernel("store")
    mine, theirs = device.stream(), device.stream()
    a, one = cu.zeros(1, "int32", device=device), cu.LaunchConfig(1, 1)
    cu.launch(mine, one, kernel, a)
    assert a.stream is mine
    assert waits_for(theirs, mine, lambda: a.__dlpack__(stream=theirs.address))
    bound = kernel.bind(theirs, one, a)
    assert a.stream is theirs
    a.stream = None
    bound()
    assert a.stream is theirs and a.item(stream=theirs) == 7
    locked = cu.as_array(a, readonly=True)
    cu.launch(mine, one, kernel, locked)
    assert locked.stream is theirs
    device.sync()  # before the memory is freed, in the order of another stream


def test_reading_waits_for_the_stream(device):
    stream, other = device.stream(), device.stream()
    a = cu.zeros(3, "int32", device=device, stream=stream)
    assert a.stream is stream
    assert waits_for(other, stream, lambda: a.__dlpack__(stream=other.address))
    a.stream = None
    with pytest.raises(TypeError):
        a.stream = 3


def test_what_is_no_shape_or_number() -> None:
    with pytest.raises(TypeError, match="shape is an int"):
        cu.zeros("a")
    with pytest.raises(ValueError, match="-1 elements"):
        cu.zeros((3, -1))
    with pytest.raises(TypeError, match="NoneType is no number"):
        cu.from_host(None)
    with pytest.raises(TypeError, match="list is no number, nor are its elements"):
        cu.from_host([object()])


def test_what_no_device_has_is_said_by_its_type(device):
    for wrong, text in ((np.array([object()]), "Python objects"), (np.arange(3, dtype=">i4"), "other byte order"),
                        (np.ones(2, "g"), "no counterpart on a device")):  # fmt: skip
        with pytest.raises(TypeError, match=text):
            cu.from_host(wrong, device)
