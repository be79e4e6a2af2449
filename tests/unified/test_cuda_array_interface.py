"""The CUDA Array Interface, version 3, both ways, to the letter of its text."""

import gc
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import Pinned, waits_for

INTERFACE = "__cuda_array_interface__"


class Has:
    """An object with the interface and nothing else."""

    def __init__(self, **interface):
        self.__cuda_array_interface__ = interface


def interface(array, **changes):
    made = {**array.__cuda_array_interface__, **changes}
    return Has(**{k: v for k, v in made.items() if v is not ...})


@pytest.fixture
def array(device):
    return cu.from_host(np.arange(12, dtype="f4").reshape(3, 4), device)


# ---- out -----------------------------------------------------------------------------------------------------------


def test_what_is_in_it(array, device):
    assert array.__cuda_array_interface__ == {
        "shape": (3, 4),
        "typestr": "<f4",
        "data": (array.pointer, False),
        "version": 3,
        "strides": None,
        "stream": 1,
    }
    part = cu.as_array(array[:, ::2], readonly=True).__cuda_array_interface__
    assert part["strides"] == (16, 8) and part["data"] == (array.pointer, True)
    assert array.T.__cuda_array_interface__["strides"] == (4, 16)


def test_no_elements(device):
    made = cu.empty((0, 3), device=device).__cuda_array_interface__
    assert made["data"] == (0, False) and made["shape"] == (0, 3)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float64", "complex64", "complex128"])
def test_numpys_types(device, dtype):
    assert np.dtype(cu.zeros(3, dtype, device=device).__cuda_array_interface__["typestr"]) == np.dtype(dtype)


def test_records_have_a_description(device):
    kind = np.dtype([("a", "<i4"), ("b", "<f8")])
    made = cu.from_host(np.zeros(3, kind), device).__cuda_array_interface__
    assert made["typestr"] == "|V12" and np.dtype(made["descr"]) == kind


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float4_e2m1fn", "int4", "float32x4", "complex32"])
def test_types_it_cannot_say(device, dtype):
    a = cu.zeros(3, dtype, device=device)
    assert not hasattr(a, "__cuda_array_interface__")
    with pytest.raises(AttributeError, match=f"{dtype}; DLPack can"):
        getattr(a, INTERFACE)


def test_the_hosts_memory_has_none():
    assert not hasattr(cu.as_array(np.arange(3)), "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="host"):
        getattr(cu.as_array(np.arange(3)), INTERFACE)


def test_the_stream_is_where_the_data_is_ready(device):
    stream = device.stream()
    a = cu.zeros(3, device=device, stream=stream)
    assert a.__cuda_array_interface__["stream"] == stream.address
    a.stream = None
    assert a.__cuda_array_interface__["stream"] == 1
    with stream:
        assert a.__cuda_array_interface__["stream"] == stream.address


def test_complaint_51_buffers_have_it(device):
    """cuda.core's Buffer refuses __cuda_array_interface__."""
    buffer = device.allocate(10)
    made = buffer.__cuda_array_interface__
    assert (made["shape"], made["typestr"], made["data"]) == ((10,), "|u1", (buffer.pointer, False))
    assert cu.from_cuda_array_interface(buffer).pointer == buffer.pointer
    buffer.close()
    with pytest.raises(cu.ClosedError):
        getattr(buffer, INTERFACE)


# ---- in ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_taken_without_a_copy(array, device, version):
    producer = interface(array[::-1, ::2], version=version)
    for take in (cu.as_array, cu.from_cuda_array_interface):
        a = take(producer)
        assert a.pointer == array[::-1].pointer and a.strides == (-16, 8) and a.dtype == "float32"
        assert a.device is device and not a.readonly and a.owner is producer
        assert a.to_host().tolist() == [[8, 10], [4, 6], [0, 2]]


@pytest.mark.parametrize("version", [4, -1, 1 << 70, "3", None])
def test_a_version_that_nobody_knows(array, version):
    with pytest.raises(BufferError, match="versions 0 to 3 are known, not"):
        cu.as_array(interface(array, version=version))


@pytest.mark.parametrize(
    "changes", [{"strides": None}, {"strides": ...}, {"descr": [("", "<f4")]}, {"mask": None}, {"stream": ...}]
)
def test_what_may_be_missing(array, changes):
    assert cu.as_array(interface(array, **changes)).to_host().tolist() == array.to_host().tolist()


def test_the_object_is_kept(array):
    producer = interface(array)
    gone = weakref.ref(producer)
    a = cu.as_array(producer)
    del producer
    gc.collect()
    assert gone() is not None
    part = a[1:]
    del a
    assert gone() is not None
    del part
    assert gone() is None


def test_kinds_of_memory(device):
    pinned, managed = (cu.zeros(3, resource=Pinned(device, m)) for m in (False, True))
    a, b = cu.as_array(interface(pinned)), cu.as_array(interface(managed))
    assert a.is_host_accessible and a.__dlpack_device__() == (3, 0)
    assert b.is_host_accessible and b.__dlpack_device__() == (13, 0)


def test_read_only(array):
    a = cu.as_array(interface(array, data=(array.pointer, True)))
    assert a.readonly
    with pytest.raises(ValueError, match="read-only"):
        cu.as_array(interface(array, data=(array.pointer, True)), readonly=False)


def test_no_elements_no_address(device):
    a = cu.as_array(Has(shape=(0, 3), typestr="<f4", data=(0, False), version=3))
    assert a.shape == (0, 3) and a.pointer == 0 and a.to_host().shape == (0, 3)
    assert cu.as_array(Has(shape=(0,), typestr="<f4", data=(None, False), version=3)).size == 0


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"mask": np.ones(3)}, BufferError, "mask"),
        ({"stream": 0}, ValueError, "stream"),
        ({"stream": -1}, ValueError, "stream"),
        ({"stream": "x"}, ValueError, "stream"),
        ({"stream": True}, ValueError, "stream"),
        ({"stream": 2**65}, ValueError, "stream"),
        ({"shape": ...}, TypeError, "shape"),
        ({"typestr": ...}, TypeError, "typestr"),
        ({"data": ...}, TypeError, "data"),
        ({"data": (0, False)}, BufferError, "address 0"),
        ({"data": 5}, TypeError, "data"),
        ({"data": ("x", False)}, TypeError, None),
        ({"data": (-1, False)}, (OverflowError, ValueError), None),
        ({"typestr": ">f4"}, BufferError, "other order"),
        ({"typestr": "f4"}, BufferError, "no type"),
        ({"typestr": "<f3"}, BufferError, None),
        ({"typestr": "|O8"}, BufferError, None),
        ({"typestr": 4}, BufferError, "no type"),
        ({"typestr": ""}, BufferError, "no type"),
        ({"shape": (-1,)}, BufferError, "dimension"),
        ({"shape": 2.5}, TypeError, "shape"),
        ({"shape": (2**62, 4)}, BufferError, "larger"),
        ({"strides": (4,)}, ValueError, "1 strides"),
        ({"strides": "ab"}, TypeError, None),
        ({"typestr": "|V0"}, TypeError, None),
        ({"typestr": "<f99999999999999999999"}, BufferError, None),
    ],
)
def test_what_cannot_be_taken(array, changes, error, text):
    with pytest.raises(error, match=text):
        cu.as_array(interface(array, **changes))


def test_the_hosts_addresses_are_refused():
    there = np.arange(3, dtype="f4")
    cu.Device(0).sync()
    with pytest.raises((BufferError, cu.CudaError)):
        cu.as_array(Has(shape=(3,), typestr="<f4", data=(there.ctypes.data, False), version=3))


def test_a_property_that_is_no_dict():
    class Odd:
        __cuda_array_interface__ = 5

    with pytest.raises(TypeError, match="must be a dict"):
        cu.as_array(Odd())
    with pytest.raises(TypeError, match="does not offer"):
        cu.from_cuda_array_interface(object())


def test_our_stream_waits_for_the_producers(device, array):
    theirs, mine = device.stream(), device.stream()
    assert waits_for(mine, theirs, lambda: cu.as_array(interface(array, stream=theirs.address), stream=mine))
    assert not waits_for(mine, theirs, lambda: cu.as_array(interface(array, stream=theirs.address), stream=-1))
    assert not waits_for(mine, theirs, lambda: cu.as_array(interface(array, stream=None), stream=mine))
    with mine:
        assert waits_for(mine, theirs, lambda: cu.as_array(interface(array, stream=theirs.address)))
    assert cu.as_array(interface(array), stream=mine).stream is mine


def test_an_attribute_of_the_class_or_of_the_object(array):
    class Property:
        @property
        def __cuda_array_interface__(self):
            return array.__cuda_array_interface__

    class Fails:
        @property
        def __cuda_array_interface__(self):
            raise RuntimeError("grad")

    for _ in range(3):
        assert cu.as_array(Property()).pointer == array.pointer
        assert cu.as_array(interface(array)).pointer == array.pointer
        with pytest.raises(RuntimeError, match="grad"):
            cu.as_array(Fails())
