"""Exceptions: what a failing status becomes."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cubind
from generator import headers
from tests.helpers.fakes import Fake

SOURCE = """
unsigned long long asked[1];
CUresult cuInit(unsigned flags) { return (CUresult)flags; }
CUresult cuDeviceGetCount(int *n) { return CUDA_ERROR_NO_DEVICE; }
CUresult cuGetErrorString(CUresult status, const char **text) {
    asked[0]++;
    *text = status == CUDA_ERROR_INVALID_DEVICE ? "that device is not there" : NULL;
    return *text ? 0 : CUDA_ERROR_INVALID_VALUE;
}
"""
BUILTINS = {
    "InvalidValueError": ValueError,
    "InvalidHandleError": ValueError,
    "InvalidDeviceError": ValueError,
    "NotFoundError": LookupError,
    "NotSupportedError": NotImplementedError,
    "PermissionDeniedError": PermissionError,
    "OutOfMemoryError": MemoryError,
    "OperationTimeoutError": TimeoutError,
    "OperatingSystemError": OSError,
    "MissingFileError": FileNotFoundError,
    "LibraryNotFoundError": ImportError,
    "InvalidImageError": ValueError,
    "DeviceAssertError": AssertionError,
    "LaunchTimeoutError": TimeoutError,
}
STATUSES = {
    1: ValueError,
    2: MemoryError,
    301: FileNotFoundError,
    304: OSError,
    500: LookupError,
    702: TimeoutError,
    710: AssertionError,
    800: PermissionError,
    801: NotImplementedError,
}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    return Fake(tmp_path_factory.mktemp("errors"), SOURCE)


@pytest.fixture
def driver(fake: Fake) -> Iterator[ModuleType]:
    with fake.driver() as module:
        yield module


def failure(driver: ModuleType, status: int) -> Any:
    package = sys.modules["cubind"]
    with pytest.raises(package.CudaError) as caught:
        driver.cuInit(status)
    return caught.value


def test_what_an_error_tells(driver: ModuleType) -> None:
    """Complaint 47."""
    error = failure(driver, 101)
    assert error.code is driver.CUresult.CUDA_ERROR_INVALID_DEVICE
    assert error.name == "CUDA_ERROR_INVALID_DEVICE"
    assert error.function == "cuInit"
    assert error.description == "that device is not there"
    text = "cuInit: CUDA_ERROR_INVALID_DEVICE (101): that device is not there"
    assert str(error) == f"{text}\nhint: {error.hint}"
    assert "counted from 0" in error.hint
    assert error.arguments is None and error.log is None
    assert error.args == (error.code, "cuInit")
    assert type(error).__name__ == "InvalidDeviceError"


def test_a_layer_above_says_more(driver: ModuleType) -> None:
    error = cubind.error_from_status(driver.CUresult(218), "cuModuleLoadData", "size=7", "line 3: what is this?")
    assert type(error).__name__ == "InvalidPtxError"
    assert str(error).splitlines()[0].startswith("cuModuleLoadData(size=7): CUDA_ERROR_INVALID_PTX (218)")
    assert str(error).splitlines()[1:] == ["line 3: what is this?", f"hint: {error.hint}"]
    again = copy.copy(error)
    assert (str(again), again.arguments, again.log) == (str(error), error.arguments, error.log)
    error.hint = "ask for less"
    assert error.hint == pickle.loads(pickle.dumps(error)).hint == "ask for less"
    assert str(error).splitlines()[-1] == "hint: ask for less"


def test_the_library_is_asked_for_a_text_only_when_it_is_wanted(driver: ModuleType, fake: Fake) -> None:
    before = fake.array("asked", 1)[0]
    errors = [failure(driver, 101) for _ in range(3)]
    assert [e.code.name for e in errors] == ["CUDA_ERROR_INVALID_DEVICE"] * 3
    assert fake.array("asked", 1)[0] == before
    str(errors[0])
    assert fake.array("asked", 1)[0] == before + 1


def test_a_text_that_cannot_be_had_hides_nothing(driver: ModuleType) -> None:
    error = failure(driver, 1)
    assert error.description is None
    assert str(error) == "cuInit: CUDA_ERROR_INVALID_VALUE (1)"


@pytest.mark.parametrize("status", [5000, 2**31, 2**32 - 1])
def test_statuses_that_these_bindings_do_not_know(driver: ModuleType, status: int) -> None:
    """Complaint 9."""
    error = failure(driver, status)
    assert type(error) is sys.modules["cubind"].CudaError
    assert error.code == status
    assert error.name is None
    assert str(error) == f"cuInit: CUresult ({status})"


def test_every_status_has_the_class_that_was_decided(driver: ModuleType) -> None:
    policy = tomllib.loads((Path(headers.__file__).parent / "policy" / "errors.toml").read_text())
    decided = policy["status"]["CUresult"]
    assert len(decided) > 80
    for member in driver.CUresult:
        if member:
            error = failure(driver, member)
            assert error.code is member
            assert type(error).__name__ == decided.get(member.name, "CudaError")


def test_errors_are_also_the_builtin_that_one_would_catch(driver: ModuleType) -> None:
    for status, builtin in STATUSES.items():
        assert isinstance(failure(driver, status), builtin)
        assert isinstance(failure(driver, status), RuntimeError)


def test_one_class_in_all_libraries() -> None:
    from cubind import _error_table

    runtime, driver = (_error_table.TABLE[name]["classes"] for name in ("cudaError_t", "CUresult"))
    assert runtime[2] == driver[2] == "OutOfMemoryError"
    assert runtime[100] == driver[100] == "NoDeviceError"


@pytest.mark.parametrize("status", [1, 2, 301, 304, 500, 702, 800, 909, 5000])
def test_pickles_and_copies(driver: ModuleType, status: int) -> None:
    error = failure(driver, status)
    copies = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for made in (copy.copy(error), copy.deepcopy(error), *copies):
        assert type(made) is type(error)
        assert made.args == error.args
        assert made.code is error.code
        assert str(made) == str(error)


def test_the_class_says_where_it_is_public() -> None:
    assert {name: getattr(cubind, name).__module__ for name in BUILTINS} == dict.fromkeys(BUILTINS, "cubind")
    assert pickle.loads(pickle.dumps(cubind.OutOfMemoryError)) is cubind.OutOfMemoryError


@pytest.mark.parametrize("name", BUILTINS)
def test_builtin_bases(name: str) -> None:
    error = getattr(cubind, name)
    assert issubclass(error, BUILTINS[name])
    assert issubclass(error, cubind.CudaError)
    made = error(cubind.driver.CUresult(2), "cuInit")
    assert (made.code, made.name, made.function) == (2, "CUDA_ERROR_OUT_OF_MEMORY", "cuInit")
    assert str(made).startswith("cuInit: CUDA_ERROR_OUT_OF_MEMORY (2)")


def test_every_class_can_be_raised_with_a_text() -> None:
    from cubind import _errors

    for name in _errors.__all__:
        error = getattr(_errors, name)("a text")
        assert str(error) == "a text"
        assert (error.code, error.name, error.function, error.description) == (None, None, None, None)
        assert pickle.loads(pickle.dumps(error)).args == error.args
        assert str(getattr(_errors, name)()) in ("", "None")


def test_notes(driver: ModuleType) -> None:
    error = failure(driver, 2)
    error.add_note("while filling the cache")
    assert error.__notes__ == ["while filling the cache"]
    assert pickle.loads(pickle.dumps(error)).args == error.args


def test_wrong_arguments_are_no_cuda_errors(driver: ModuleType) -> None:
    for wrong in ("x", 1 << 90):
        with pytest.raises((TypeError, OverflowError)) as caught:
            driver.cuInit(wrong)
        assert not isinstance(caught.value, sys.modules["cubind"].CudaError)


def test_raising_leaks_nothing(driver: ModuleType) -> None:
    def rounds() -> int:
        for status in (1, 2, 101, 5000) * 200:
            failure(driver, status)
        gc.collect()
        return sys.getallocatedblocks()

    rounds()
    before = rounds()
    assert min(rounds() for _ in range(3)) - before < 50
