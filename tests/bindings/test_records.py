"""Record classes: C structs and unions as Python objects; values, views and memory.  Pointers are in test_pointers.py."""

from __future__ import annotations

import array
import copy
import gc
import pickle
import types
from typing import Any

import numpy as np
import pytest

from cubind import driver, runtime

CUmemLocation = driver.CUmemLocation
CUlaunchAttribute = driver.CUlaunchAttribute
DEVICE = driver.CU_MEM_LOCATION_TYPE_DEVICE


def fields(one: Any) -> list[str]:
    return list(type(one).__layout__)


# ---- making --------------------------------------------------------------------------------------------------------


def test_fields_are_keywords() -> None:
    location = CUmemLocation(type=DEVICE, id=5)
    assert location.type is DEVICE
    assert location.id == 5
    assert bytes(location) == b"\1\0\0\0\5\0\0\0"
    assert CUmemLocation() == CUmemLocation(type=0, id=0)
    with pytest.raises(
        TypeError, match=r"CUmemLocation_v1\(\) takes its fields as keywords: CUmemLocation_v1\(type=\.\.\.\)"
    ):
        CUmemLocation(1, 5)


def test_unknown_fields() -> None:
    with pytest.raises(TypeError, match="CUmemLocation_v1 has no field 'typ'; did you mean 'type'"):
        CUmemLocation(typ=1)
    with pytest.raises(TypeError, match=r"CUmemLocation_v1 has no field 'xyzzyx'$"):
        CUmemLocation(xyzzyx=1)
    with pytest.raises(AttributeError):
        CUmemLocation().typ = 1
    with pytest.raises(TypeError, match="a field cannot be deleted"):
        del CUmemLocation().id


def test_nested_records_from_dicts() -> None:
    access = driver.CUmemAccessDesc(location={"type": 1, "id": 8}, flags=3)
    assert access.location.id == 8
    access.location = types.MappingProxyType({"id": 9})
    assert (access.location.type, access.location.id) == (0, 9)
    for wrong, message in (
        ({"nope": 1}, "has no field 'nope'"),
        ({1: 1}, "must be a str"),
        (None, "or dict, not None"),
        (5, "not 'int'"),
    ):
        with pytest.raises(TypeError, match=rf"CUmemAccessDesc_v1\.location: .*{message}"):
            access.location = wrong
    assert access.location.id == 9


def test_one_class_under_all_names() -> None:
    assert driver.CUmemLocation is driver.CUmemLocation_v1
    assert runtime.cudaUUID_t is driver.CUuuid
    assert (CUmemLocation.__module__, CUmemLocation.__qualname__) == ("cubind.driver", "CUmemLocation_v1")


def test_final() -> None:
    base = CUmemLocation.__base__
    for make in (lambda: type("Sub", (CUmemLocation,), {}), base, lambda: object.__new__(CUmemLocation)):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(TypeError):
        base.from_ptr(4096)
    assert isinstance(CUmemLocation(), base)


# ---- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "field", "low", "high"),
    [
        ("CUdevprop", "memPitch", -(2**31), 2**31 - 1),
        ("CUlaunchConfig", "gridDimX", 0, 2**32 - 1),
        ("CUDA_MEMCPY2D", "WidthInBytes", 0, 2**64 - 1),
        ("CUgraphEdgeData", "from_port", 0, 255),
        ("CUmemAllocationProp_v1_allocFlags", "usage", 0, 65535),
        ("CUDA_MEMCPY2D", "srcDevice", 0, 2**64 - 1),
    ],
)
def test_integers_and_their_ranges(record: str, field: str, low: int, high: int) -> None:
    one = getattr(driver, record)()
    for value in (low, high, 0, np.int64(1), True):
        setattr(one, field, value)
        assert getattr(one, field) == value
    for wrong in (low - 1, high + 1, 1 << 100, -(1 << 100)):
        with pytest.raises(OverflowError):
            setattr(one, field, wrong)
    for wrong in ("1", 1.5, None, [1]):
        with pytest.raises(TypeError):
            setattr(one, field, wrong)
    assert getattr(one, field) == 1


def test_errors_name_the_field() -> None:
    with pytest.raises(OverflowError, match=r"CUmemLocation_v1\.id: 4294967296 does not fit in int"):
        CUmemLocation(id=1 << 32)
    with pytest.raises(TypeError, match=r"CUmemLocation_v1\.id: "):
        CUmemLocation(id="x")


def test_floats() -> None:
    texture = runtime.cudaTextureDesc(mipmapLevelBias=1.5, borderColor=(0.25, 1, 2, 3))
    assert texture.mipmapLevelBias == 1.5
    assert texture.borderColor == (0.25, 1.0, 2.0, 3.0)
    texture.mipmapLevelBias = float("inf")
    assert texture.mipmapLevelBias == float("inf")
    with pytest.raises(OverflowError, match=r"mipmapLevelBias: .*float"):
        texture.mipmapLevelBias = 1e300


def test_enums_in_fields_are_open() -> None:
    """Complaint 9."""
    location = CUmemLocation(type=4444)
    assert location.type.name is None
    assert location.type == 4444
    assert isinstance(location.type, driver.CUmemLocationType)


def test_handles_in_fields() -> None:
    config = driver.CUlaunchConfig(hStream=driver.CUstream(5))
    assert config.hStream == driver.CUstream(5)
    config.hStream = None
    assert not config.hStream
    with pytest.raises(TypeError, match=r"CUlaunchConfig\.hStream: expected CUstream.* not 'CUevent'"):
        config.hStream = driver.CUevent(1)


def test_text_and_bytes() -> None:
    prop = runtime.cudaDeviceProp(name="abc")
    assert prop.name == "abc"
    prop.name = "x" * 255
    assert prop.name == "x" * 255
    with pytest.raises(ValueError, match="at most 255 bytes fit, got 256"):
        prop.name = "x" * 256
    with pytest.raises(ValueError, match="NUL"):
        prop.name = "a\0b"
    uuid = driver.CUuuid(bytes=b"12")
    assert uuid.bytes == b"12" + bytes(14)
    uuid.bytes = bytearray(range(16))
    assert uuid.bytes == bytes(range(16))
    with pytest.raises(ValueError, match="at most 16 bytes"):
        uuid.bytes = bytes(17)


def test_arrays_of_numbers() -> None:
    prop = driver.CUdevprop(maxThreadsDim=(1, 2, 3))
    assert prop.maxThreadsDim == (1, 2, 3)
    for given in ([4, 5, 6], array.array("i", [4, 5, 6]), np.arange(4, 7), range(4, 7)):
        prop.maxThreadsDim = given
        assert prop.maxThreadsDim == (4, 5, 6)
    for wrong, error in (
        ((1, 2), ValueError),
        ((1, 2, 3, 4), ValueError),
        ((7, "x", 9), TypeError),
        (5, TypeError),
        ("abc", TypeError),
    ):
        with pytest.raises(error, match="maxThreadsDim: "):
            prop.maxThreadsDim = wrong
    assert prop.maxThreadsDim == (4, 5, 6), "a conversion that fails half way leaves the field as it was"


# ---- views ---------------------------------------------------------------------------------------------------------


def test_nested_views_write_through() -> None:
    """Complaint 19."""
    attribute = CUlaunchAttribute()
    attribute.value.clusterDim.x = 7
    view = attribute.value.clusterDim
    view.y = 8
    assert (attribute.value.clusterDim.x, attribute.value.clusterDim.y) == (7, 8)
    assert view.ptr == attribute.value.ptr == attribute.ptr + 8
    attribute.value = {"clusterDim": {"x": 1}}
    assert (view.x, view.y) == (1, 0), "the view looks at the same memory"


def test_members_of_a_union_share_memory() -> None:
    """Complaint 20."""
    value = driver.CUlaunchAttributeValue(priority=-2)
    assert value.cooperative == -2
    assert value.clusterDim.x == 2**32 - 2
    value.accessPolicyWindow.num_bytes = 2**40
    assert value.pad[8:16] == (2**40).to_bytes(8, "little")
    location = CUmemLocation(id=0x00020001)
    assert location.localized.ptr == location.ptr + 4, "members of an anonymous union are the record's own"


def test_views_keep_their_owner_alive() -> None:
    params = driver.CUgraphNodeParams()
    params.kernel.gridDimX = 3
    kernel = params.kernel
    del params
    gc.collect()
    junk = [driver.CUgraphNodeParams() for _ in range(200)]
    assert kernel.gridDimX == 3
    assert len(junk) == 200


def test_elements_of_an_array_are_views() -> None:
    """Complaint 19."""
    frame = runtime.cudaEglFrame()
    frame.planeDesc[1].width = 9
    assert [plane.width for plane in frame.planeDesc] == [0, 9, 0]
    frame.planeDesc = [{"width": 1}, frame.planeDesc[1], runtime.cudaEglPlaneDesc(width=3)]
    assert [plane.width for plane in frame.planeDesc] == [1, 9, 3]
    for wrong, error in (([{}], ValueError), (5, TypeError), ([1, 2, 3], TypeError), (iter([]), TypeError)):
        with pytest.raises(error, match="planeDesc: "):
            frame.planeDesc = wrong
    assert [plane.width for plane in frame.planeDesc] == [1, 9, 3]


def test_assigning_a_record_copies_it() -> None:
    location = CUmemLocation(type=1, id=3)
    access = driver.CUmemAccessDesc(location=location)
    location.id = 4
    assert access.location.id == 3
    access.location = access.location
    assert access.location.id == 3
    with pytest.raises(
        TypeError, match=r"CUmemAccessDesc_v1\.location: expected CUmemLocation_v1 or dict, not 'CUuuid'"
    ):
        access.location = driver.CUuuid()


# ---- comparing, copying, showing -------------------------------------------------------------------------------------


def test_equality_is_of_memory() -> None:
    assert CUmemLocation(id=1) == CUmemLocation(id=1)
    assert CUmemLocation(id=1) != CUmemLocation(id=2)
    assert CUmemLocation() != bytes(8)
    assert CUmemLocation() != driver.CUgraphEdgeData(), "another class of the same size"
    with pytest.raises(TypeError, match="unhashable"):
        hash(CUmemLocation())


def test_copies_own_their_memory() -> None:
    attribute = CUlaunchAttribute(id=4, value={"priority": 5})
    for made in (copy.copy(attribute), copy.deepcopy(attribute), copy.copy(attribute.value)):
        assert made in (attribute, attribute.value)
        assert made.ptr not in (attribute.ptr, attribute.value.ptr)
    other = copy.copy(attribute)
    other.value.priority = 6
    assert attribute.value.priority == 5


def test_pickling_is_refused() -> None:
    with pytest.raises(TypeError, match=r"cannot pickle a CUmemLocation_v1: .*from_bytes\(\) carry the memory"):
        pickle.dumps(CUmemLocation())


def test_repr_shows_what_is_set() -> None:
    assert repr(CUmemLocation()) == "CUmemLocation_v1()"
    text = repr(driver.CUlaunchConfig(gridDimX=1, hStream=3))
    assert text == "CUlaunchConfig(gridDimX=1, hStream=<CUstream 0x3>)"


@pytest.mark.parametrize("name", ["CUgraphNodeParams", "CUlaunchAttribute", "CUtensorMap", "CUDA_RESOURCE_DESC"])
def test_repr_is_bounded(name: str) -> None:
    record = getattr(driver, name)
    full = record.from_bytes(b"\x81" * record().nbytes)
    assert len(repr(full)) < 6000


# ---- memory --------------------------------------------------------------------------------------------------------


def test_layout() -> None:
    assert dict(CUmemLocation.__layout__) == {"type": (0, 4), "id": (4, 4), "localized": (4, 2)}
    with pytest.raises(TypeError):
        CUmemLocation.__layout__["x"] = 1
    assert CUmemLocation().nbytes == 8


def test_a_record_is_a_buffer() -> None:
    location = CUmemLocation(id=3)
    memory = memoryview(location)
    assert (memory.nbytes, memory.format, memory.readonly) == (8, "B", False)
    memory[4] = 9
    assert location.id == 9
    assert np.frombuffer(location, np.int32)[1] == 9


def test_from_buffer_writes_to_the_buffer_and_holds_it() -> None:
    memory = bytearray(20)
    view = CUmemLocation.from_buffer(memory, offset=4)
    view.id = 0x01020304
    assert memory[8:12] == b"\4\3\2\1"
    with pytest.raises(BufferError):
        memory.append(1)
    del view
    memory.append(1)
    zeros = np.zeros(3, np.int32)
    CUmemLocation.from_buffer(zeros, 4).id = 5
    assert zeros[2] == 5


@pytest.mark.parametrize(
    ("memory", "offset", "error", "message"),
    [
        (bytearray(8), 1, ValueError, "8 bytes wanted at offset 1 of a buffer of 8"),
        (bytearray(8), -1, ValueError, "offset -1"),
        (bytearray(8), 2**62, ValueError, "wanted"),
        (bytearray(3), 0, ValueError, "buffer of 3"),
        (b"x" * 8, 0, TypeError, "the buffer is read-only; from_bytes"),
        (5, 0, TypeError, "bytes-like"),
        (np.zeros(16, np.int8)[::2], 0, (TypeError, BufferError), "contiguous"),
    ],
)
def test_what_is_no_buffer_for_a_record(memory: Any, offset: int, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        CUmemLocation.from_buffer(memory, offset)


def test_from_bytes_copies() -> None:
    memory = bytearray(CUmemLocation(type=1, id=5))
    made = CUmemLocation.from_bytes(memory)
    memory[4] = 9
    assert made == CUmemLocation(type=1, id=5)
    with pytest.raises(ValueError, match="expected 8 bytes, got 3"):
        CUmemLocation.from_bytes(b"123")


def test_from_ptr_looks_at_an_address() -> None:
    location = CUmemLocation(id=3)
    for address in (location.ptr, np.uint64(location.ptr), location):
        CUmemLocation.from_ptr(address).id += 1
    assert location.id == 6
    with pytest.raises(ValueError, match="NULL"):
        CUmemLocation.from_ptr(0)
    for wrong in ("x", True, 1.5):
        with pytest.raises(TypeError):
            CUmemLocation.from_ptr(wrong)


def test_alignment() -> None:
    assert all(driver.CUtensorMap().ptr % 64 == 0 for _ in range(50))


def test_a_field_called_ptr_is_the_fields() -> None:
    """`.ptr` is a record's address, but for records of which C says that they have such a field."""
    pitched = runtime.cudaPitchedPtr(ptr=0x1000, pitch=64)
    assert pitched.ptr == 0x1000
    assert bytes(pitched)[:8] == (0x1000).to_bytes(8, "little")
