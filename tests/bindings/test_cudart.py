"""The real CUDA runtime without a driver: what it answers by itself, and that everything else fails cleanly."""

from __future__ import annotations

import ctypes
import inspect
import sys
from typing import Any

import pytest

import cubind
from cubind import runtime
from tests.helpers.fakes import run


def vendors_is_found() -> bool:
    """Opens NVIDIA's library; without the choice it would be the CPU device's where that is the driver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUBIND_DEVICE", "gpu")
        return cubind.has("cudaRuntimeGetVersion")


if not vendors_is_found():
    pytest.skip("libcudart is not installed (the package nvidia-cuda-runtime)", allow_module_level=True)


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


without_driver = pytest.mark.skipif(
    has_driver(), reason="needs a machine without a CUDA driver: this one has libcuda.so.1"
)
NO_DRIVER = runtime.cudaErrorInsufficientDriver

# one function a group of the API, and arguments that pass through the bindings
CALLS: dict[str, tuple[Any, ...]] = {
    "cudaDeviceSynchronize": (),
    "cudaDeviceGetAttribute": (1, 0),
    "cudaDeviceGetLimit": (0,),
    "cudaGetDeviceCount": (),
    "cudaGetDeviceProperties": (0,),
    "cudaSetDevice": (0,),
    "cudaStreamCreateWithFlags": (1,),
    "cudaStreamQuery": (None,),
    "cudaStreamSynchronize": (None,),
    "cudaLaunchHostFunc": (None, print, "never"),
    "cudaEventCreateWithFlags": (2,),
    "cudaEventRecord": (None, None),
    "cudaMalloc": (1 << 20,),
    "cudaMallocHost": (64,),
    "cudaMemGetInfo": (),
    "cudaMemcpy": (bytearray(4), b"1234", 4, 0),
    "cudaMemset": (0, 0, 4),
    "cudaMemPoolCreate": (runtime.cudaMemPoolProps(),),
    "cudaDeviceCanAccessPeer": (0, 1),
    "cudaPointerGetAttributes": (4096,),
    "cudaGraphCreate": (0,),
    "cudaMallocArray": (runtime.cudaChannelFormatDesc(x=8), 4, 4, 0),
    "cudaCreateTextureObject": (runtime.cudaResourceDesc(), None, None),
    "cudaFuncGetAttributes": (4096,),
    "cudaLibraryLoadData": (b"\0" * 64, None, None, None, None, None, None),
    "cudaProfilerStart": (),
    "cudaIpcGetMemHandle": (4096,),
    "cudaImportExternalMemory": (runtime.cudaExternalMemoryHandleDesc(),),
}


def test_it_is_the_vendors_library() -> None:
    found = next(one for one in cubind._core._libraries() if one["name"] == "runtime")
    assert found["how"] != "cpu" and "_cpu" not in found["path"]


def test_version() -> None:
    assert runtime.cudaRuntimeGetVersion() // 1000 == 13


@without_driver
def test_there_is_no_driver() -> None:
    assert runtime.cudaDriverGetVersion() == 0


def test_names_and_texts_of_errors() -> None:
    assert runtime.cudaGetErrorName(2) == "cudaErrorMemoryAllocation"
    assert runtime.cudaGetErrorString(runtime.cudaErrorMemoryAllocation) == "out of memory"
    assert runtime.cudaGetErrorName(99999) == "unrecognized error code"
    for member in runtime.cudaError_t:
        assert runtime.cudaGetErrorName(member) in (*runtime.cudaError_t.__members__, "unrecognized error code")


@without_driver
def test_the_last_error_is_an_answer() -> None:
    with pytest.raises(cubind.DriverMismatchError):
        runtime.cudaMalloc(1)
    assert runtime.cudaPeekAtLastError() is NO_DRIVER
    assert runtime.cudaGetLastError() is NO_DRIVER


def test_channel_descriptions() -> None:
    made = runtime.cudaCreateChannelDesc(8, 16, 0, 0, runtime.cudaChannelFormatKindFloat)
    assert made == runtime.cudaChannelFormatDesc(x=8, y=16, f=2)
    assert made.f is runtime.cudaChannelFormatKindFloat


@without_driver
def test_the_number_of_devices() -> None:
    with pytest.raises(cubind.DriverMismatchError) as error:
        runtime.cudaGetDeviceCount()
    assert error.value.code is NO_DRIVER
    assert error.value.function == "cudaGetDeviceCount"
    assert str(error.value).splitlines()[0] == (
        "cudaGetDeviceCount: cudaErrorInsufficientDriver (35): CUDA driver version is insufficient for CUDA runtime version"
    )


@without_driver
@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_each_group_fails_cleanly(name: str) -> None:
    with pytest.raises(cubind.CudaError) as error:
        getattr(runtime, name)(*CALLS[name])
    assert error.value.code is NO_DRIVER
    assert error.value.function == name


@without_driver
def test_every_function_without_arguments_answers_or_fails() -> None:
    tried = 0
    for name in runtime.__all__:
        function = getattr(runtime, name)
        if inspect.isbuiltin(function):
            try:
                function()
            except TypeError as error:
                assert "missing" in str(error)
            except cubind.CudaError as error:
                assert error.code is NO_DRIVER
                tried += 1
    assert tried > 12


@without_driver
def test_a_callback_that_was_refused_is_let_go() -> None:
    def callback(data: Any) -> None:
        raise AssertionError("never called")

    data = object()
    before = sys.getrefcount(callback), sys.getrefcount(data)
    for _ in range(10):
        with pytest.raises(cubind.DriverMismatchError):
            runtime.cudaLaunchHostFunc(None, callback, data)
    assert (sys.getrefcount(callback), sys.getrefcount(data)) == before


def test_exit_with_the_library_loaded() -> None:
    script = """
    import cubind
    from cubind import runtime, nvrtc
    print(runtime.cudaRuntimeGetVersion() // 1000, nvrtc.nvrtcVersion()[0])
    try:
        runtime.cudaMalloc(1)
    except cubind.CudaError:
        pass
    """
    assert run(script) == "13 13\n"
