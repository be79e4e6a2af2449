"""Handle classes: opaque addresses that own nothing and are never mixed up."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from cubind import driver, runtime

CUevent, CUstream = driver.CUevent, driver.CUstream
HIGHEST = 2**64 - 1


class Stream:
    """Another package's stream: the protocol as a method."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __cuda_stream__(self) -> Any:
        return self.answer


class OldStream:
    """The protocol as its first users had it: a property."""

    __cuda_stream__ = (0, 9)


class Index:
    def __index__(self) -> int:
        return 12


@pytest.mark.parametrize("address", [1, 0x5000000040, HIGHEST])
def test_a_handle_is_its_address(address: int) -> None:
    handle = CUevent(address)
    assert int(handle) == address
    assert repr(handle) == f"<CUevent {address:#x}>"
    assert handle == CUevent(address)
    assert handle != CUevent(2)
    assert hash(handle) == hash(CUevent(address))
    assert CUevent(handle) == handle
    assert handle


def test_null() -> None:
    assert not CUevent()
    assert not CUevent(None)
    assert CUevent() == CUevent(0)


def test_a_handle_is_no_number() -> None:
    handle = CUevent(5)
    assert handle != 5
    for operation in (lambda: hex(handle), lambda: handle + 1, lambda: list(range(9))[handle], lambda: handle < handle):
        with pytest.raises(TypeError):
            operation()


def test_classes_are_never_mixed_up() -> None:
    assert CUevent(7) != CUstream(7)
    with pytest.raises(TypeError, match="expected CUevent, int or None, not 'CUstream'"):
        CUevent(CUstream(7))
    with pytest.raises(
        TypeError, match="expected CUstream, int, an object with __cuda_stream__ or None, not 'CUevent'"
    ):
        CUstream(CUevent(7))


@pytest.mark.parametrize("wrong", [True, "5", 5.0, [5], b"5", object(), np.array([5]), np.float32(5), np.bool_(True)])
def test_what_is_no_address(wrong: Any) -> None:
    for handle in (CUevent, CUstream):
        with pytest.raises(TypeError, match="expected CU"):
            handle(wrong)


@pytest.mark.parametrize("wrong", [-1, 2**64, 1 << 200])
def test_out_of_range(wrong: int) -> None:
    for handle in (CUevent, CUstream):
        with pytest.raises(OverflowError, match="is not an address"):
            handle(wrong)


@pytest.mark.parametrize("number", [np.int8(12), np.uint64(12), np.int64(12), Index(), driver.CUresult(12)])
def test_whatever_has_an_index(number: Any) -> None:
    assert CUevent(number) == CUevent(12)
    assert CUstream(number) == CUstream(12)


def test_one_positional_argument() -> None:
    for call in (lambda: CUevent(1, 2), lambda: CUevent(ptr=1), lambda: CUstream(1, 2)):
        with pytest.raises(TypeError, match="takes one positional argument"):
            call()


def test_final_and_immutable() -> None:
    for change in (
        lambda: type("Sub", (CUevent,), {}),
        lambda: setattr(CUevent, "name", 1),
        CUevent.__base__,
        lambda: object.__new__(CUevent),
    ):
        with pytest.raises(TypeError):
            change()
    with pytest.raises(AttributeError):
        CUevent(1).name = 1


def test_copies_are_the_same_and_pickles_refused() -> None:
    handle = CUevent(3)
    assert copy.copy(handle) is handle
    assert copy.deepcopy([handle])[0] is handle
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot pickle a CUevent: a handle means something in this process only"):
            pickle.dumps(handle, protocol)


def test_one_class_for_one_c_tag() -> None:
    assert runtime.cudaStream_t is CUstream
    assert runtime.cudaEvent_t is CUevent
    assert runtime.cudaGraph_t is driver.CUgraph
    assert (CUstream.__module__, CUstream.__qualname__) == ("cubind.driver", "CUstream")
    assert runtime.cudaArray_t is not driver.CUarray


def test_every_class_hangs_together() -> None:
    classes = {
        c for m in (driver, runtime) for c in vars(m).values() if isinstance(c, type) and c.__base__ is CUevent.__base__
    }
    assert len(classes) > 25
    for handle in classes:
        assert int(handle(16)) == 16
        assert repr(handle(16)) == f"<{handle.__name__} 0x10>"
        assert hasattr(handle, "__cuda_stream__") == (handle is CUstream)


def test_many_at_once_keep_their_addresses() -> None:
    handles = [CUevent(i) for i in range(1000)]
    assert [int(handle) for handle in handles] == list(range(1000))
    assert len(set(handles)) == 1000


# ---- the stream protocol ---------------------------------------------------------------------------------------------


def test_streams_speak_the_protocol() -> None:
    assert CUstream(7).__cuda_stream__() == (0, 7)


@pytest.mark.parametrize(
    ("stream", "address"), [(Stream((0, 5)), 5), (Stream((0, HIGHEST)), HIGHEST), (OldStream(), 9)]
)
def test_streams_of_others(stream: Any, address: int) -> None:
    assert int(CUstream(stream)) == address


def test_only_streams_ask_for_the_protocol() -> None:
    with pytest.raises(TypeError):
        CUevent(Stream((0, 5)))


@pytest.mark.parametrize("version", [1, -1, 1 << 80])
def test_other_versions_of_the_protocol(version: int) -> None:
    with pytest.raises(ValueError, match="only version 0 is"):
        CUstream(Stream((version, 5)))


@pytest.mark.parametrize("answer", [(0,), (0, 1, 2), 5, (0, "x"), (0, None), ("0", 1), [0, 5]])
def test_answers_that_are_not_the_protocol(answer: Any) -> None:
    with pytest.raises(TypeError, match=r"__cuda_stream__ must give a tuple \(0, address\)"):
        CUstream(Stream(answer))


def test_errors_in_the_protocol_come_through() -> None:
    class Broken:
        @property
        def __cuda_stream__(self) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CUstream(Broken())
    with pytest.raises(OverflowError):
        CUstream(Stream((0, -1)))
