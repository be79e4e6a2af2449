"""NVRTC itself, which needs no GPU: compile, look at the results, fail, cancel."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import cubind
from cubind import nvrtc

if not cubind.has("nvrtcVersion"):
    pytest.skip("libnvrtc is not installed (the package nvidia-cuda-nvrtc)", allow_module_level=True)

KERNEL = 'extern "C" __global__ void scale(float *x, float a) { x[threadIdx.x] *= a; }\n'
TEMPLATE = "template <typename T> __global__ void fill(T *x, T v) { x[threadIdx.x] = v; }\n__constant__ int table[4];\n"
ARCH = "-arch=compute_90"
SLOW = "".join(f"__device__ float f{i}(float x) {{ return x * {i}.5f + __sinf(x); }}\n" for i in range(2000)) + KERNEL


@contextmanager
def program(source: str | bytes, name: str | None = "test.cu", headers: Any = None, names: Any = None) -> Iterator[Any]:
    made = nvrtc.nvrtcCreateProgram(source, name, None if headers is None else len(headers), headers, names)
    try:
        yield made
    finally:
        nvrtc.nvrtcDestroyProgram(made)


def compiled(source: str, *options: str, result: Callable[[Any], Any] = nvrtc.nvrtcGetPTX) -> Any:
    with program(source) as made:
        nvrtc.nvrtcCompileProgram(made, len(options), list(options))
        return result(made)


# ---- results ---------------------------------------------------------------------------------------------------------


def test_version() -> None:
    assert nvrtc.nvrtcVersion() >= (13, 0)


def test_ptx_is_text() -> None:
    ptx = compiled(KERNEL, ARCH)
    assert isinstance(ptx, str)
    assert ".entry scale(" in ptx
    assert ".target sm_90" in ptx
    assert not ptx.endswith("\0")


def test_cubin_is_an_elf_file() -> None:
    cubin = compiled(KERNEL, "-arch=sm_90", result=nvrtc.nvrtcGetCUBIN)
    assert isinstance(cubin, bytes)
    assert cubin.startswith(b"\x7fELF")
    assert b"scale" in cubin


def test_lto_ir() -> None:
    ltoir = compiled(KERNEL, "-dlto", "-arch=compute_90", result=nvrtc.nvrtcGetLTOIR)
    assert isinstance(ltoir, bytes)
    assert len(ltoir) > 100
    assert nvrtc.nvrtcGetLTOIRSize


def test_results_that_were_not_made() -> None:
    with program(KERNEL) as made:
        nvrtc.nvrtcCompileProgram(made, 1, [ARCH])
        with pytest.raises(cubind.CudaError) as error:
            nvrtc.nvrtcGetLTOIR(made)
        assert error.value.function in ("nvrtcGetLTOIR", "nvrtcGetLTOIRSize")


def test_sizes_are_those_of_the_results() -> None:
    with program(KERNEL) as made:
        nvrtc.nvrtcCompileProgram(made, 1, ["-arch=sm_90"])
        assert nvrtc.nvrtcGetCUBINSize(made) == len(nvrtc.nvrtcGetCUBIN(made))
        assert nvrtc.nvrtcGetPTXSize(made) == len(nvrtc.nvrtcGetPTX(made)) + 1


def test_supported_architectures() -> None:
    architectures = nvrtc.nvrtcGetSupportedArchs()
    assert {75, 80, 90, 100} <= set(architectures)
    assert len(architectures) == nvrtc.nvrtcGetNumSupportedArchs()
    for architecture in (architectures[0], architectures[-1]):
        assert f"sm_{architecture}" in compiled(KERNEL, f"-arch=compute_{architecture}")


# ---- the log ---------------------------------------------------------------------------------------------------------


def test_log_of_an_error() -> None:
    with program("__global__ void k() { return x; }") as made:
        with pytest.raises(cubind.CompilationError) as error:
            nvrtc.nvrtcCompileProgram(made, 0, None)
        log = nvrtc.nvrtcGetProgramLog(made)
    assert isinstance(log, str)
    assert 'test.cu(1): error: identifier "x" is undefined' in log
    assert error.value.code is nvrtc.NVRTC_ERROR_COMPILATION
    assert error.value.function == "nvrtcCompileProgram"
    assert str(error.value) == "nvrtcCompileProgram: NVRTC_ERROR_COMPILATION (6)"


def test_log_of_a_warning() -> None:
    with program('extern "C" __global__ void k() { int unused; }') as made:
        nvrtc.nvrtcCompileProgram(made, 0, None)
        assert "warning" in nvrtc.nvrtcGetProgramLog(made)


def test_empty_log() -> None:
    assert compiled(KERNEL, result=nvrtc.nvrtcGetProgramLog) == ""


def test_text_that_is_not_ascii() -> None:
    with program("// grüße\n#error größe ÿ\n", name="käfer_文件.cu") as made:
        with pytest.raises(cubind.CompilationError):
            nvrtc.nvrtcCompileProgram(made, 0, None)
        log = nvrtc.nvrtcGetProgramLog(made)
    assert "käfer_文件.cu" in log
    assert "größe" in log


def test_bytes_as_source() -> None:
    with program(KERNEL.encode(), name=None) as made:
        nvrtc.nvrtcCompileProgram(made, 0, [])
        assert "scale" in nvrtc.nvrtcGetPTX(made)


# ---- names and headers -----------------------------------------------------------------------------------------------


def test_name_expressions() -> None:
    with program(TEMPLATE) as made:
        for name in ("fill<float>", b"&fill<int>", "&table"):
            nvrtc.nvrtcAddNameExpression(made, name)
        nvrtc.nvrtcCompileProgram(made, 1, [ARCH])
        lowered = {name: nvrtc.nvrtcGetLoweredName(made, name) for name in ("fill<float>", "&fill<int>", "&table")}
        ptx = nvrtc.nvrtcGetPTX(made)
        with pytest.raises(cubind.CudaError) as error:
            nvrtc.nvrtcGetLoweredName(made, "fill<double>")
        assert error.value.code is nvrtc.NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID
    assert lowered["fill<float>"] == "_Z4fillIfEvPT_S0_"
    assert all(isinstance(name, str) and name in ptx for name in lowered.values())


def test_names_in_the_wrong_order() -> None:
    with program(TEMPLATE) as made:
        nvrtc.nvrtcAddNameExpression(made, "fill<float>")
        with pytest.raises(cubind.IllegalStateError):
            nvrtc.nvrtcGetLoweredName(made, "fill<float>")
        nvrtc.nvrtcCompileProgram(made, 0, None)
        with pytest.raises(cubind.IllegalStateError):
            nvrtc.nvrtcAddNameExpression(made, "fill<int>")


def test_headers_given_as_strings() -> None:
    source = '#include "a/one.h"\n#include <two.h>\nextern "C" __global__ void k(int *x) { *x = ONE + TWO; }'
    headers, names = ["#define ONE 1\n", b"#define TWO 41\n"], ["a/one.h", "two.h"]
    with program(source, headers=headers, names=names) as made:
        del headers[:], names[:]
        gc.collect()
        nvrtc.nvrtcCompileProgram(made, 0, None)
        assert "42;" in nvrtc.nvrtcGetPTX(made)


def test_headers_without_names() -> None:
    with pytest.raises((ValueError, cubind.InvalidValueError)):
        nvrtc.nvrtcCreateProgram(KERNEL, None, 2, ["#define ONE 1"], ["one.h"])
    with pytest.raises(TypeError, match="argument 'headers': element 1: expected str, bytes or None, not 'int'"):
        nvrtc.nvrtcCreateProgram(KERNEL, None, None, ["", 5], ["a", "b"])


def test_include_folders(tmp_path: Path) -> None:
    folder = tmp_path / "mit Leerzeichen ü"
    folder.mkdir()
    (folder / "one.h").write_text("#define ONE 1\n")
    source = '#include "one.h"\nextern "C" __global__ void k(int *x) { *x = ONE; }'
    assert ".entry k(" in compiled(source, f"-I{folder}")


# ---- options ---------------------------------------------------------------------------------------------------------


def test_options() -> None:
    fast = compiled('extern "C" __global__ void k(float *x) { *x = sinf(*x) / N; }', ARCH, "-use_fast_math", "-DN=3.0f")
    assert "sin.approx" in fast


@pytest.mark.parametrize("option", ["--no-such-option", "-arch=compute_1", "\u00e9"])
def test_bad_options(option: str) -> None:
    with program(KERNEL) as made:
        with pytest.raises(cubind.InvalidValueError) as error:
            nvrtc.nvrtcCompileProgram(made, 1, [option])
        assert error.value.code is nvrtc.NVRTC_ERROR_INVALID_OPTION
        assert option.split("=", maxsplit=1)[0] in nvrtc.nvrtcGetProgramLog(made)


@pytest.mark.parametrize("options", [None, [], ()])
def test_no_options(options: Any) -> None:
    with program(KERNEL) as made:
        nvrtc.nvrtcCompileProgram(made, 0, options)
        nvrtc.nvrtcCompileProgram(made, None, options)


def test_more_options_than_there_are() -> None:
    with program(KERNEL) as made, pytest.raises(ValueError, match="2 is more than the 1 element of 'options'"):
        nvrtc.nvrtcCompileProgram(made, 2, [ARCH])


# ---- programs --------------------------------------------------------------------------------------------------------


def test_a_big_source() -> None:
    source = (
        "\n".join(f'extern "C" __global__ void k{i}(int *x) {{ x[{i}] = {i}; }}' for i in range(300))
        + "//"
        + "x" * (1 << 20)
    )
    ptx = compiled(source, ARCH)
    assert ptx.count(".entry") == 300


def test_null_programs() -> None:
    for call in (
        nvrtc.nvrtcDestroyProgram,
        nvrtc.nvrtcGetPTX,
        nvrtc.nvrtcGetProgramLog,
        lambda p: nvrtc.nvrtcCompileProgram(p, 0, None),
    ):
        for null in (None, 0, nvrtc.nvrtcProgram()):
            with pytest.raises(cubind.InvalidHandleError) as error:
                call(null)
            assert error.value.code is nvrtc.NVRTC_ERROR_INVALID_PROGRAM
    with pytest.raises(cubind.CudaError):
        nvrtc.nvrtcCreateProgram(None, None, 0, None, None)


def test_a_program_is_no_other_handle() -> None:
    with pytest.raises(TypeError, match="expected nvrtcProgram, int or None, not 'CUstream'"):
        nvrtc.nvrtcDestroyProgram(cubind.driver.CUstream(1))


def test_threads_compile_in_parallel() -> None:
    def one(i: int) -> bool:
        ptx = compiled(f'extern "C" __global__ void k{i}(int *x) {{ *x = {i}; }}', ARCH)
        return f".entry k{i}(" in ptx and ptx.count(".entry") == 1

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(24), timeout=60))


def test_errors_of_threads_do_not_mix() -> None:
    def one(i: int) -> str:
        with program(f"#error number {i} here") as made:
            with pytest.raises(cubind.CompilationError):
                nvrtc.nvrtcCompileProgram(made, 0, None)
            return nvrtc.nvrtcGetProgramLog(made)

    with ThreadPoolExecutor(8) as pool:
        for i, log in enumerate(pool.map(one, range(16), timeout=60)):
            assert f"number {i} here" in log


def test_other_threads_run_while_one_compiles() -> None:
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    compiled(SLOW)
    stop.set()
    thread.join(10)
    assert ticks[0] > 10


# ---- the flow callback -----------------------------------------------------------------------------------------------


def test_a_compilation_is_cancelled() -> None:
    calls = []

    def stop(payload: Any, reserved: int) -> int:
        calls.append(payload)
        gc.collect()
        return 1

    payload = object()
    with program(SLOW) as made:
        nvrtc.nvrtcSetFlowCallback(made, stop, payload)
        with pytest.raises(cubind.CompilationCancelledError):
            nvrtc.nvrtcCompileProgram(made, 0, None)
    assert calls
    assert all(p is payload for p in calls)


def test_a_callback_that_lets_go_on() -> None:
    calls = []
    with program(KERNEL) as made:
        nvrtc.nvrtcSetFlowCallback(made, lambda payload, reserved: calls.append(payload), 5)
        gc.collect()
        nvrtc.nvrtcCompileProgram(made, 0, None)
        assert "scale" in nvrtc.nvrtcGetPTX(made)
    assert set(calls) == {5}


def test_an_exception_in_the_callback_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    def fail(payload: Any, reserved: int) -> int:
        raise ZeroDivisionError

    with program(KERNEL) as made:
        nvrtc.nvrtcSetFlowCallback(made, fail, None)
        nvrtc.nvrtcCompileProgram(made, 0, None)
    assert reported
    assert {r.exc_type for r in reported} == {ZeroDivisionError}
    assert reported[0].object is fail


def test_the_callback_lives_as_long_as_its_program() -> None:
    def callback(payload: Any, reserved: int) -> None:
        return None

    before = sys.getrefcount(callback)
    with program(KERNEL) as made:
        nvrtc.nvrtcSetFlowCallback(made, callback, None)
        nvrtc.nvrtcSetFlowCallback(made, callback, None)
        assert sys.getrefcount(callback) == before + 1, "the second took the place of the first"
    assert sys.getrefcount(callback) == before


# ---- what 13.5 added -------------------------------------------------------------------------------------------------


def test_bundled_headers(tmp_path: Path) -> None:
    if not cubind.has("nvrtcInstallBundledHeaders"):
        pytest.skip("nvrtcInstallBundledHeaders: this NVRTC is older than 13.5")
    info = nvrtc.nvrtcGetBundledHeadersInfo()
    assert info.nbytes == type(info).from_bytes(bytes(info)).nbytes
    (tmp_path / "file").write_text("")
    with pytest.raises(cubind.CudaError) as error:
        nvrtc.nvrtcInstallBundledHeaders(str(tmp_path / "file" / "below"), 0)
    notes = getattr(error.value, "__notes__", [])
    assert len(notes) <= 1
    assert all(note.startswith("errorLog: ") for note in notes)


def test_heap_of_precompiled_headers() -> None:
    size = nvrtc.nvrtcGetPCHHeapSize()
    nvrtc.nvrtcSetPCHHeapSize(size)
    assert nvrtc.nvrtcGetPCHHeapSize() == size
    with program(KERNEL) as made:
        nvrtc.nvrtcCompileProgram(made, 0, None)
        status = nvrtc.nvrtcGetPCHCreateStatus(made)
        assert isinstance(status, nvrtc.nvrtcResult), "an answer, not an error"


def test_no_leaks() -> None:
    def rounds() -> int:
        for _ in range(10):
            with program(TEMPLATE, headers=["#define X"], names=["x.h"]) as made:
                nvrtc.nvrtcAddNameExpression(made, "fill<int>")
                nvrtc.nvrtcSetFlowCallback(made, lambda p, q: 0, object())
                nvrtc.nvrtcCompileProgram(made, 1, [ARCH])
                nvrtc.nvrtcGetLoweredName(made, "fill<int>"), nvrtc.nvrtcGetPTX(made)
        gc.collect()
        return sys.getallocatedblocks()

    rounds()
    before = rounds()
    assert min(rounds() for _ in range(3)) - before < 50
