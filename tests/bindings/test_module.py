"""What a module shows: names, aliases, docstrings; and what importing it does not do."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import cubind
from cubind import driver, nvjitlink, nvrtc, nvvm, runtime
from tests.helpers.fakes import run

MODULES = [driver, runtime, nvrtc, nvjitlink, nvvm]
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)


@each_module
def test_all_has_every_public_name_once(module: ModuleType) -> None:
    assert len(set(module.__all__)) == len(module.__all__)
    assert not [name for name in module.__all__ if name.startswith("_")]
    for name in module.__all__:
        getattr(module, name)


@each_module
def test_dir_shows_what_is_made_later(module: ModuleType) -> None:
    assert set(module.__all__) <= set(dir(module))
    assert len(set(dir(module))) == len(dir(module))
    assert "__name__" in dir(module)


def test_star_imports() -> None:
    script = """
    from cubind.driver import *
    from cubind.runtime import *
    from cubind.nvrtc import *
    assert CUresult.CUDA_SUCCESS is CUDA_SUCCESS and cudaSuccess == 0 and NVRTC_SUCCESS == 0
    assert cudaStream_t is CUstream and callable(cuInit) and callable(cudaMalloc) and callable(nvrtcVersion)
    """
    run(script)


def test_names_are_made_when_they_are_asked_for() -> None:
    script = """
    from cubind import driver
    names = ("CUresult", "CUmemLocation", "CUhostFn", "CUDA_VERSION", "CUDA_ERROR_NOT_READY")
    assert not set(names) & set(vars(driver))
    first = [getattr(driver, name) for name in names]
    assert set(names) <= set(vars(driver))
    assert all(a is b for a, b in zip(first, [getattr(driver, name) for name in names]))
    """
    run(script)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CUDA_SUCESS", "module 'cubind.driver' has no attribute 'CUDA_SUCESS'; did you mean 'CUDA_SUCCESS'?"),
        ("cuMemAloc", "module 'cubind.driver' has no attribute 'cuMemAloc'; did you mean 'cuMemAlloc'?"),
        ("xyzzyplugh", "module 'cubind.driver' has no attribute 'xyzzyplugh'"),
        ("__wrapped__", "module 'cubind.driver' has no attribute '__wrapped__'"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(AttributeError) as error:
        getattr(driver, name)
    assert str(error.value) == message
    assert error.value.name == name


def test_the_package() -> None:
    assert cubind.driver is driver
    assert {"driver", "runtime", "nvrtc", "nvjitlink", "nvvm", "CudaError", "has", "info"} <= set(dir(cubind))
    assert issubclass(cubind.OutOfMemoryError, MemoryError)
    with pytest.raises(AttributeError, match="has no attribute 'drivr'"):
        cubind.drivr  # noqa: B018
    with pytest.raises(AttributeError):
        cubind.NoSuchError  # noqa: B018


def test_aliases_are_the_same_object() -> None:
    """Complaint 10: each version of a function by its own name and by the one without it."""
    assert runtime.cudaStream_t is driver.CUstream
    assert runtime.cudaError is runtime.cudaError_t
    assert runtime.cudaUUID_t is driver.CUuuid
    assert driver.CUmemLocation is driver.CUmemLocation_v1
    assert driver.CUdeviceptr is int
    assert driver.CUdevice is int
    assert driver.cuMemAlloc_v2.__name__ in ("cuMemAlloc", "cuMemAlloc_v2")


def test_constants() -> None:
    assert driver.CU_IPC_HANDLE_SIZE == 64
    assert driver.CU_TRSF_SRGB == 0x10
    assert type(driver.CUDA_VERSION) is int
    assert driver.CU_DEVICE_CPU == -1
    assert runtime.cudaHostAllocPortable == 1
    assert driver.CU_STREAM_PER_THREAD == 2


@each_module
def test_docstrings_hold_the_c_signature(module: ModuleType) -> None:
    """Complaint 6."""
    functions = {name: f for name in module.__all__ if inspect.isbuiltin(f := getattr(module, name))}
    assert len(functions) > {"cubind.nvrtc": 20, "cubind.nvjitlink": 15, "cubind.nvvm": 13}.get(module.__name__, 350)
    for name, function in functions.items():
        signature, *rest = (function.__doc__ or "").splitlines()
        assert f"{function.__name__}" in signature or name in signature
        assert signature.endswith(")")
        documented = any(line.startswith("https://docs.nvidia.com/") for line in rest)
        assert documented or "_v" in name or "ExportTable" in name, "only old versions of a function have no page"


def test_callback_types_are_function_types_of_ctypes() -> None:
    called = []
    function = driver.CUhostFn(called.append)
    function(5)
    assert called == [5]
    assert driver.CUhostFn is driver.CUhostFn


def test_include_folder() -> None:
    from pathlib import Path

    folder = Path(cubind.get_include())
    assert {"cubind_driver.h", "cubind_runtime.h", "cubind_nvrtc.h", "cubind_nvjitlink.h", "cubind_nvvm.h"} <= {
        p.name for p in folder.iterdir()
    }
