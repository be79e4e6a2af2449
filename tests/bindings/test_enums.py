"""Enum classes: ints with names, open to values that a newer driver may return."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest

from cubind import driver, nvrtc, runtime

CUresult = driver.CUresult
OUT_OF_MEMORY = CUresult.CUDA_ERROR_OUT_OF_MEMORY
UNKNOWN = 123456


def test_a_member_is_an_int() -> None:
    assert isinstance(OUT_OF_MEMORY, int)
    assert OUT_OF_MEMORY == 2
    assert {2: "x"}[OUT_OF_MEMORY] == "x"
    assert [0, 1, 5][OUT_OF_MEMORY] == 5
    assert type(OUT_OF_MEMORY | 1) is int
    assert np.int64(2) == OUT_OF_MEMORY


def test_name_and_value() -> None:
    assert OUT_OF_MEMORY.name == "CUDA_ERROR_OUT_OF_MEMORY"
    assert OUT_OF_MEMORY.value == 2
    assert type(OUT_OF_MEMORY.value) is int
    for change in ("name", "value", "note"):
        with pytest.raises(AttributeError):
            setattr(OUT_OF_MEMORY, change, 1)


def test_texts() -> None:
    assert repr(OUT_OF_MEMORY) == "<CUresult.CUDA_ERROR_OUT_OF_MEMORY: 2>"
    assert str(OUT_OF_MEMORY) == f"{OUT_OF_MEMORY}" == "CUresult.CUDA_ERROR_OUT_OF_MEMORY"
    assert f"{OUT_OF_MEMORY:d}" == "2"
    assert f"{OUT_OF_MEMORY:x}" == "2"


def test_there_is_one_object_for_a_value() -> None:
    assert CUresult(2) is CUresult(OUT_OF_MEMORY) is CUresult["CUDA_ERROR_OUT_OF_MEMORY"] is OUT_OF_MEMORY
    assert driver.CUDA_ERROR_OUT_OF_MEMORY is OUT_OF_MEMORY
    assert CUresult.__new__(CUresult, 2) is OUT_OF_MEMORY
    assert CUresult(np.int64(2).item()) is OUT_OF_MEMORY


def test_aliases() -> None:
    error = runtime.cudaError_t
    assert runtime.cudaError is error
    attribute = driver.CUdevice_attribute
    alias = attribute.CU_DEVICE_ATTRIBUTE_SHARED_MEMORY_PER_BLOCK
    assert alias is attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK
    assert attribute["CU_DEVICE_ATTRIBUTE_SHARED_MEMORY_PER_BLOCK"] is alias
    assert alias.name == "CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK", "the first in the header"
    assert len(attribute) == len(list(attribute)) < len(attribute.__members__)


def test_iteration_and_membership() -> None:
    members = list(CUresult)
    assert len(members) == len(set(members)) == len(CUresult) > 90
    assert members[0] is CUresult.CUDA_SUCCESS
    assert all(type(m) is CUresult for m in members)
    assert list(CUresult.__members__.values())[: len(members)] == members
    assert 2 in CUresult
    assert OUT_OF_MEMORY in CUresult
    for absent in (UNKNOWN, "CUDA_SUCCESS", None, 1 << 90, 2.0):
        assert absent not in CUresult
    assert bool(CUresult)


def test_enums_are_open() -> None:
    """Complaint 9: a newer driver's values are members without a name."""
    unknown = CUresult(UNKNOWN)
    assert unknown == UNKNOWN
    assert isinstance(unknown, CUresult)
    assert unknown.name is None
    assert unknown.value == UNKNOWN
    assert repr(unknown) == f"<CUresult {UNKNOWN}: not known to these bindings>"
    assert str(unknown) == f"CUresult({UNKNOWN})"
    assert unknown is CUresult(UNKNOWN)
    assert unknown not in list(CUresult)


def test_unknown_values_do_not_pile_up() -> None:
    """Complaint 9."""
    for value in range(200_000, 206_000):
        assert CUresult(value) == value
    gc.collect()
    kept = sum(type(o) is CUresult for o in gc.get_objects())
    assert kept < 5000
    assert CUresult(205_999).name is None


def test_signed_and_unsigned() -> None:
    flags = driver.CUarray_format
    assert flags(2**32 - 1) == 2**32 - 1
    for wrong in (-1, 2**32):
        with pytest.raises(ValueError, match=f"{wrong} is not a 32-bit value that CUarray_format can have"):
            flags(wrong)
    carveout = driver.CUshared_carveout
    assert carveout(-1) is carveout.CU_SHAREDMEM_CARVEOUT_DEFAULT
    assert carveout(-(2**31)).name is None
    with pytest.raises(ValueError, match="32-bit"):
        carveout(2**31)


@pytest.mark.parametrize("wrong", ["2", 2.0, None, [2]])
def test_values_are_ints(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"CUresult\(\): expected int, not "):
        CUresult(wrong)


def test_one_positional_argument() -> None:
    for call in (CUresult, lambda: CUresult(1, 2), lambda: CUresult(value=1)):
        with pytest.raises(TypeError, match="takes one positional argument: the value"):
            call()


def test_by_name() -> None:
    with pytest.raises(KeyError, match="NOPE"):
        CUresult["NOPE"]
    with pytest.raises(AttributeError):
        CUresult.NOPE  # noqa: B018
    with pytest.raises(TypeError):
        CUresult[[]]


def test_classes_are_immutable_and_final() -> None:
    def delete() -> None:
        del CUresult.CUDA_SUCCESS

    changes = [delete, lambda: setattr(CUresult, "CUDA_SUCCESS", 1), lambda: type.__setattr__(CUresult, "x", 1)]
    changes += [lambda: type("Sub", (CUresult,), {}), lambda: int.__new__(CUresult, 5)]
    changes += [lambda: CUresult.__members__.update(x=1) if hasattr(CUresult.__members__, "update") else CUresult(None)]
    changes += [lambda: CUresult.__base__(1), lambda: type.__new__(type(CUresult), "Sub", (int,), {})]
    for change in changes:
        with pytest.raises(TypeError):
            change()
    assert CUresult.CUDA_SUCCESS == 0


@pytest.mark.parametrize("member", [OUT_OF_MEMORY, CUresult(UNKNOWN), runtime.cudaError_t(2), nvrtc.nvrtcResult(6)])
def test_pickles_and_copies_are_the_same_object(member: Any) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(member, protocol)) is member
    assert copy.copy(member) is member
    assert copy.deepcopy([member])[0] is member
    assert pickle.loads(pickle.dumps(type(member))) is type(member)


def test_where_a_class_lives() -> None:
    assert (CUresult.__module__, CUresult.__qualname__) == ("cubind.driver", "CUresult")
    assert "CUDA_SUCCESS" in dir(CUresult)
    assert "__members__" in dir(CUresult)


def test_different_enums_compare_as_ints() -> None:
    assert driver.CUresult(2) == runtime.cudaError_t(2)
    assert type(driver.CUresult(2)) is not type(runtime.cudaError_t(2))
