"""Arrays for others through DLPack: what the array API and DLPack's own text say of a producer."""

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import Pinned, array_in, held, kind_of, run, waits_for
from tests.unified.dlpack_tools import Wrapped, look, mark_used, name_of

CPU, CUDA, PINNED, MANAGED = (1, 0), (2, 0), (3, 0), (13, 0)
VERSIONED = {"max_version": (1, 0)}
READ_ONLY, IS_COPIED, PADDED = 1, 2, 4


@pytest.fixture(params=["host", "device", "pinned", "managed"])
def array(request, device):
    return array_in(request.param, device)


WHERE = {"host": CPU, "device": CUDA, "pinned": PINNED, "managed": MANAGED}


# ---- out: the capsule ----------------------------------------------------------------------------------------------


def test_device(array):
    where = WHERE[kind_of(array)]
    assert array.__dlpack_device__() == where
    tensor = look(array.__dlpack__()).tensor
    assert (tensor.device_type, tensor.device_id) == where


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (None, "dltensor"),
        ((0, 8), "dltensor"),
        ((1, 0), "dltensor_versioned"),
        ((1, 3), "dltensor_versioned"),
        ((2, 0), "dltensor_versioned"),
        ((100, 3), "dltensor_versioned"),
    ],
)
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
    [
        ({"max_version": 1}, TypeError),
        ({"max_version": (1,)}, TypeError),
        ({"max_version": ("a", 1)}, TypeError),
        ({"dl_device": 1}, TypeError),
        ({"dl_device": ("cpu", 0)}, TypeError),
        ({"copy": 1}, TypeError),
        ({"copy": "yes"}, TypeError),
        ({"strem": 1}, TypeError),
        ({"max_version": (2**70, 0)}, (TypeError, OverflowError)),
    ],
)
def test_bad_keywords(array, keywords, error):
    with pytest.raises(error):
        array.__dlpack__(**keywords)
    with pytest.raises(TypeError):
        array.__dlpack__(None)


# ---- out: streams --------------------------------------------------------------------------------------------------


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


# ---- out: lifetimes ------------------------------------------------------------------------------------------------


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
    mark_used(capsule)
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


@pytest.mark.parametrize(
    "keep",
    [
        "a.__dlpack__()",
        "a.__dlpack__(max_version=(1, 0))",
        "np.from_dlpack(a)",
        "cu.from_dlpack(a)",
        "memoryview(a)",
        "np.asarray(a)",
        "cu.as_array(np.arange(3))",
        "d.__dlpack__()",
        "cu.from_dlpack(d)",
        "cu.as_array(d)[1:]",
        "d.T",
    ],
)
def test_exports_at_the_interpreters_end(keep):
    """In the main module, in a cycle that is never collected, and in a module that goes last."""
    run(f"""
import sys, gc, builtins
import numpy as np
import cuda_unified as cu
from tests.unified.array_tools import kind_of
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
from tests.unified.array_tools import kind_of
from tests.unified.dlpack_tools import look, mark_used
a = cu.zeros(4)
capsule = a.__dlpack__(max_version=(1, 0))
struct = look(capsule)
libc = ctypes.CDLL(None)
handler = ctypes.c_void_p(struct.deleter)
libc.__cxa_atexit(handler, ctypes.c_void_p(ctypes.addressof(struct)), None)
mark_used(capsule)
del a, capsule
""")
