"""DLPack both ways: what the array API and DLPack's own text say, NumPy on the other side, and tensors made by hand."""

import gc
import itertools
import random
import sys
import threading
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import DELETER, USED, Pinned, Producer, Tensor, api, held, look, name_of, run, waits_for
from tests.unified.test_array import numbers, random_shape, strided

CPU, CUDA, PINNED, MANAGED = (1, 0), (2, 0), (3, 0), (13, 0)
VERSIONED = {"max_version": (1, 0)}
READ_ONLY, IS_COPIED, PADDED = 1, 2, 4


@pytest.fixture(params=["host", "device", "pinned", "managed"])
def array(request, device):
    """The numbers 0 to 11 in each kind of memory."""
    there = np.arange(12, dtype="f4").reshape(3, 4)
    if request.param == "host":
        return cu.as_array(there)
    resource = None if request.param == "device" else Pinned(device, request.param == "managed")
    return cu.from_host(there, device, resource=resource)


WHERE = {"host": CPU, "device": CUDA, "pinned": PINNED, "managed": MANAGED}


def kind_of(array):
    return {1: "device", 2: "host", 7: "managed", 11: "pinned"}[array._flags]


# ---- out: the capsule ----------------------------------------------------------------------------------------------------------


def test_device(array):
    where = WHERE[kind_of(array)]
    assert array.__dlpack_device__() == where
    tensor = look(array.__dlpack__()).tensor
    assert (tensor.device_type, tensor.device_id) == where


@pytest.mark.parametrize(
    ("version", "name"),
    [(None, "dltensor"), ((0, 8), "dltensor"), ((1, 0), "dltensor_versioned"), ((1, 3), "dltensor_versioned"),
     ((2, 0), "dltensor_versioned"), ((100, 3), "dltensor_versioned")],
)  # fmt: skip
def test_versions(array, version, name):
    capsule = array.__dlpack__(max_version=version)
    assert name_of(capsule) == name
    if name == "dltensor_versioned":
        assert look(capsule).major == 1 and look(capsule).flags == 0


def test_the_struct(array):
    part = array[::-1, 1::2]
    for capsule in (part.__dlpack__(), part.__dlpack__(**VERSIONED)):
        tensor = look(capsule).tensor
        assert tensor.data + tensor.byte_offset == array.pointer + 2 * 16 + 4
        assert (tensor.ndim, tensor.shape[:2], tensor.strides[:2]) == (2, [3, 2], [-4, 2])
        assert (tensor.code, tensor.bits, tensor.lanes) == (2, 32, 1)


def test_no_elements_no_address(device):
    for shape in [(0,), (3, 0), (0, 2, 0)]:
        for a in (cu.empty(shape, device=device), cu.empty(shape, device="cpu")):
            tensor = look(a.__dlpack__()).tensor
            assert tensor.data is None and tensor.byte_offset == 0 and tensor.shape[: len(shape)] == list(shape)


def test_strides_are_always_there(device):
    """DLPack 1.2 has no tensors without strides."""
    assert look(cu.empty((2, 3), device=device).__dlpack__(**VERSIONED)).tensor.strides[:2] == [3, 1]
    assert look(cu.empty((), device=device).__dlpack__()).tensor.ndim == 0


def test_read_only(array):
    locked = cu.as_array(array, readonly=True)
    assert look(locked.__dlpack__(**VERSIONED)).flags == READ_ONLY
    assert look(locked[1:].__dlpack__(**VERSIONED)).flags == READ_ONLY
    with pytest.raises(BufferError, match="max_version"):
        locked.__dlpack__()


@pytest.mark.parametrize("copy", [None, True, False])
def test_copy(array, copy):
    capsule = array.__dlpack__(copy=copy, **VERSIONED)
    copied = copy is True
    assert look(capsule).flags == (IS_COPIED if copied else 0)
    assert (look(capsule).tensor.data != array.pointer) == copied
    assert look(capsule).tensor.device_type == array.__dlpack_device__()[0]
    array.fill(-1)
    assert cu.from_dlpack(Wrapped(capsule, array.__dlpack_device__())).to_host().max() == (11 if copied else -1)


def test_a_copy_may_be_written(array):
    locked = cu.as_array(array, readonly=True)
    assert look(locked.__dlpack__(copy=True, **VERSIONED)).flags == IS_COPIED


class Wrapped:
    """A capsule as an object."""

    def __init__(self, capsule, device):
        self.capsule, self.device = capsule, device

    def __dlpack__(self, **_):
        return self.capsule

    def __dlpack_device__(self):
        return self.device


def test_on_the_cpu_on_request(array):
    """Memory that the host can read without a copy, a device's with one."""
    needs_copy = kind_of(array) == "device"
    capsule = array.__dlpack__(dl_device=CPU, **VERSIONED)
    assert (look(capsule).tensor.device_type, look(capsule).tensor.device_id) == CPU
    assert look(capsule).flags == (IS_COPIED if needs_copy else 0)
    assert np.array_equal(np.from_dlpack(Wrapped(capsule, CPU)), np.arange(12).reshape(3, 4))
    capsule = array.__dlpack__(dl_device=CPU, copy=True, **VERSIONED)
    assert look(capsule).flags == IS_COPIED
    if needs_copy:
        with pytest.raises(BufferError, match="copy=False"):
            array.__dlpack__(dl_device=CPU, copy=False)
    else:
        assert look(array.__dlpack__(dl_device=CPU, copy=False)).tensor.data == array.pointer
    with pytest.raises(ValueError, match="stream must be None"):
        array.__dlpack__(dl_device=CPU, stream=1)


def test_complaint_57_pinned_memory_as_the_cpus(device):
    """JAX refuses kDLCUDAHost: page-locked memory is the CPU's for who asks so."""
    a = cu.full(4, 5, "int32", resource=Pinned(device))
    assert np.from_dlpack(a, device="cpu").tolist() == [5] * 4
    assert np.shares_memory(np.from_dlpack(a, device="cpu"), np.asarray(a))
    assert look(a.__dlpack__(dl_device=CUDA)).tensor.device_type == 2  # kernels may use it too


def test_other_devices(array):
    for wrong in [(2, 5), (10, 0), (1, 1), (7, 0), (-1, -1)]:
        with pytest.raises(BufferError, match="to_device"):
            array.__dlpack__(dl_device=wrong)
    assert look(array.__dlpack__(dl_device=array.__dlpack_device__())).tensor.data == array.pointer


@pytest.mark.parametrize(
    ("keywords", "error"),
    [({"max_version": 1}, TypeError), ({"max_version": (1,)}, TypeError), ({"max_version": ("a", 1)}, TypeError),
     ({"dl_device": 1}, TypeError), ({"dl_device": ("cpu", 0)}, TypeError), ({"copy": 1}, TypeError), ({"copy": "yes"}, TypeError),
     ({"strem": 1}, TypeError), ({"max_version": (2**70, 0)}, (TypeError, OverflowError))],
)  # fmt: skip
def test_bad_keywords(array, keywords, error):
    with pytest.raises(error):
        array.__dlpack__(**keywords)
    with pytest.raises(TypeError):
        array.__dlpack__(None)


# ---- out: streams ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [None, -1, 1, 2])
def test_streams_of_a_device(device, stream):
    assert name_of(cu.zeros(3, device=device).__dlpack__(stream=stream)) == "dltensor"


def test_stream_0_is_disallowed(array):
    with pytest.raises(ValueError):
        array.__dlpack__(stream=0)


@pytest.mark.parametrize(
    ("stream", "error"), [(-2, ValueError), (2**64, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)]
)
def test_no_streams(device, stream, error):
    with pytest.raises(error):
        cu.zeros(3, device=device).__dlpack__(stream=stream)


@pytest.mark.parametrize("stream", [-1, 1, 2, 77])
def test_the_hosts_memory_has_no_streams(stream):
    with pytest.raises(ValueError, match="stream must be None"):
        cu.as_array(np.arange(3)).__dlpack__(stream=stream)


def test_the_consumers_stream_waits(device):
    mine, theirs = device.stream(), device.stream()
    a = cu.zeros(3, device=device, stream=mine)
    assert waits_for(theirs, mine, lambda: a.__dlpack__(stream=theirs.address))
    assert not waits_for(theirs, mine, lambda: a.__dlpack__(stream=-1))
    legacy = device.default_stream
    assert waits_for(legacy, mine, lambda: a.__dlpack__(stream=None))  # the legacy default stream
    assert waits_for(legacy, mine, lambda: a.__dlpack__(stream=1))
    current = device.stream()
    with current:  # and for what this thread does now
        assert waits_for(theirs, current, lambda: a.__dlpack__(stream=theirs.address))


def test_on_the_cpu_it_is_ready(device):
    stream, a = device.stream(), cu.zeros(3, "int32", resource=Pinned(device))
    b = cu.full(3, 4, "int32", device=device)
    device.sync()
    with held(stream) as gate:
        a.copy_from(b, stream=stream)
        threading.Timer(0.05, setattr, (gate, "value", 1)).start()
        assert np.from_dlpack(a, device="cpu").tolist() == [4, 4, 4]  # waits


# ---- out: lifetimes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_keeps_the_array(version):
    a = cu.as_array(np.arange(5))
    gone, count = weakref.ref(a), sys.getrefcount(a)
    capsule = a.__dlpack__(max_version=version)
    assert sys.getrefcount(a) == count + 1
    del a
    assert gone() is not None
    del capsule
    assert gone() is None


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_consumer_outlives_the_producer(version, device):
    a = cu.from_host(np.arange(5), device)
    gone = weakref.ref(a.buffer)
    b = cu.from_dlpack(Wrapped(a.__dlpack__(max_version=version), CUDA))
    del a
    gc.collect()
    assert gone() is not None and b.to_host().tolist() == [0, 1, 2, 3, 4]
    part = b[::2]
    del b
    assert gone() is not None and part.to_host().tolist() == [0, 2, 4]
    del part
    gc.collect()
    assert gone() is None


def test_a_buffer_with_exports_is_not_closed(device):
    a = cu.zeros(4, device=device)
    capsule = a[1:].__dlpack__()
    with pytest.raises(BufferError, match="1 object"):
        a.buffer.close()
    del capsule
    a.buffer.close()


def test_the_deleter_without_the_gil_in_another_thread(device):
    """By a thread that Python does not know."""
    import ctypes

    a = cu.zeros(4, device=device)
    gone = weakref.ref(a)
    capsule = a.__dlpack__(**VERSIONED)
    struct = look(capsule)
    address, deleter = ctypes.addressof(struct), struct.deleter
    api.PyCapsule_SetName(capsule, USED[True])
    del a, capsule
    libc = ctypes.CDLL(None)
    thread = ctypes.c_ulong()
    # void deleter(void *) is near enough to void *start(void *): what it returns is not looked at
    assert libc.pthread_create(ctypes.byref(thread), None, ctypes.c_void_p(deleter), ctypes.c_void_p(address)) == 0
    assert libc.pthread_join(thread, None) == 0
    assert gone() is None


def test_an_exception_in_flight_survives_the_deleter():
    capsule = cu.as_array(np.arange(3)).__dlpack__()
    with pytest.raises(RuntimeError, match="this one"):
        try:
            raise RuntimeError("this one")
        finally:
            del capsule


@pytest.mark.parametrize("keep", ["a.__dlpack__()", "a.__dlpack__(max_version=(1, 0))", "np.from_dlpack(a)", "cu.from_dlpack(a)",
                                  "memoryview(a)", "np.asarray(a)", "cu.as_array(np.arange(3))", "d.__dlpack__()",
                                  "cu.from_dlpack(d)", "cu.as_array(d)[1:]", "d.T"])  # fmt: skip
def test_exports_at_the_interpreters_end(keep):
    """In the main module, in a cycle that is never collected, and in a module that goes last."""
    run(f"""
import sys, gc, builtins
import numpy as np
import cuda_unified as cu
a, d = cu.full(4, 1, device="cpu"), cu.zeros(4)
held = {keep}
gc.disable()
cycle = [{keep}]; cycle.append(cycle); del cycle
builtins.kept = {keep}
sys.kept = {keep}
""")


def test_a_deleter_after_the_end():
    """Called by the C library's own exit, when there is no interpreter any more: memory is left to the system."""
    run("""
import ctypes
import cuda_unified as cu
from tests.unified.array_tools import USED, Versioned, api, look
a = cu.zeros(4)
capsule = a.__dlpack__(max_version=(1, 0))
struct = look(capsule)
libc = ctypes.CDLL(None)
handler = ctypes.c_void_p(struct.deleter)
libc.__cxa_atexit(handler, ctypes.c_void_p(ctypes.addressof(struct)), None)
api.PyCapsule_SetName(capsule, USED[True])
del a, capsule
""")


# ---- in ---------------------------------------------------------------------------------------------------------------------------


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
    assert name_of(producer.capsule) == USED[versioned].decode()
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
    [({"dtype": (99, 32, 1)}, "code 99"), ({"dtype": (2, 24, 1)}, "24 bits"), ({"dtype": (3, 64, 1)}, "code 3"),
     ({"dtype": (17, 4, 1)}, "packed"), ({"dtype": (0, 4, 3)}, "packed"), ({"dtype": (2, 32, 0)}, "0 lanes"),
     ({"dtype": (2, 0, 1)}, "0 bits"), ({"device": (4, 0)}, "device type 4"), ({"device": (10, 0)}, "device type 10"),
     ({"shape": (-1,)}, "dimension of -1"), ({"shape": (2**40, 2**40), "strides": (1, 1)}, "larger"),
     ({"strides": (2**62,)}, "stride"), ({"data": 0}, "without an address"), ({"dtype": (4, 4, 2), "flags": PADDED}, "padded")],
)  # fmt: skip
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
    [(Answers(), TypeError), (Answers(capsule="dltensor"), TypeError), (Answers(device=1), TypeError), (Answers(device=(1,)), TypeError),
     (Answers(device=("a", "b")), TypeError), (Answers(device=(1, 2**40)), ValueError), (Answers(device=(2, 99)), cu.InvalidDeviceError),
     (Answers(device=KeyError("x")), KeyError), (Answers(capsule=KeyError("x")), KeyError),
     (Answers(capsule=AttributeError("inside")), AttributeError), (Answers(device=AttributeError("inside")), AttributeError),
     (Answers(capsule=BufferError("not today")), BufferError), (Answers(capsule=TypeError("no")), TypeError), (object(), TypeError),
     (3, TypeError), (None, TypeError), (Answers(capsule=api.PyCapsule_New(1, b"other", None)), TypeError)],
)  # fmt: skip
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
    producer = Producer(ours.pointer, (3,), (1,), device=CUDA)
    assert cu.from_dlpack(producer).stream is cu.current_stream()
    assert cu.from_dlpack(producer, stream=stream).stream is stream
    assert cu.from_dlpack(producer, stream=-1).stream is None
    assert cu.as_array(producer, stream=stream.address).stream == stream
    with stream:
        cu.from_dlpack(producer, copy=True)
    assert [asked["stream"] for asked in producer.asked] == [1, stream.address, -1, stream.address, stream.address]
    cu.from_dlpack(Producer(there.ctypes.data, (3,), (1,), device=CPU, claims=CUDA), device="cpu")


def test_our_stream_waits_for_the_producers(device):
    theirs, mine = device.stream(), device.stream()
    a = cu.zeros(3, device=device, stream=theirs)
    assert waits_for(mine, theirs, lambda: cu.from_dlpack(a, stream=mine))
    assert not waits_for(mine, theirs, lambda: cu.from_dlpack(a, stream=-1))


# ---- from_dlpack: device and copy ------------------------------------------------------------------------------------------------


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


# ---- Buffers ------------------------------------------------------------------------------------------------------------------------


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
        except Exception as error:  # noqa: BLE001 (reported below)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    assert a.buffer._exports == 0
    a.buffer.close()


assert DELETER and Tensor  # used by name in programs of their own
