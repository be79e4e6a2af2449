"""Programs: sources, targets, name expressions, errors."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cubind
import cuda_unified as cu
from cubind import nvrtc
from cuda_unified.arch import Arch, of_device
from tests.helpers import fakes
from tests.unified.running import launch, one_number

KERNEL = 'extern "C" __global__ void answer(int *x) { *x = N; }'
TEMPLATES = """
template <class T> __global__ void fill(T *x, T value) { x[threadIdx.x] = value; }
namespace ns { template <int n> __global__ void put(int *x) { *x = n; } }
__global__ void plain(int *x) { *x = 7; }
__global__ void twice(int *x) { *x = 8; }
__global__ void twice(float *x) { *x = 9; }
"""


def test_a_program_from_text(device: cu.Device) -> None:
    module = cu.Program(KERNEL, defines={"N": 42}).compile().module()
    assert one_number(module, "answer") == 42


def test_a_program_from_bytes_and_a_file(device: cu.Device, tmp_path: Path) -> None:
    assert one_number(cu.compile(KERNEL.encode(), defines=["N=1"]), "answer") == 1
    (tmp_path / "one.h").write_text("#define N 11")
    file = tmp_path / "größe.cu"
    file.write_text('#include "one.h"\n' + KERNEL, encoding="utf-8")
    program = cu.Program(file)
    assert program.name == str(file)
    assert one_number(program.compile().module(), "answer") == 11
    with pytest.raises(FileNotFoundError):
        cu.Program(tmp_path / "none.cu")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"source": 5}, TypeError, "a program is a str, bytes or a path, not int"),
        ({"source": "kernel.cu"}, ValueError, "give a file as pathlib.Path"),
        ({"source": "a\0b"}, ValueError, "zero byte"),
        ({"source": b"\xff"}, UnicodeDecodeError, "invalid start byte"),
        ({"source": "", "headers": {"a.h": 5}}, TypeError, "header 'a.h' is a str, not int"),
        ({"source": "", "name": 5}, TypeError, "name is a str"),
        ({"source": "", "name_expressions": [5]}, TypeError, "a name expression is a str"),
        ({"source": "", "options": 5}, TypeError, "a ProgramOptions or a dict"),
        ({"source": "", "fmad": True}, TypeError, "no option 'fmad'; did you mean fma"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        cu.Program(**arguments)


# ---- targets ---------------------------------------------------------------------------------------------------------


def test_targets(device: cu.Device) -> None:
    program = cu.Program(KERNEL, defines={"N": 1})
    ptx, cubin, ltoir = (program.compile(target, arch="sm_90") for target in ("ptx", "cubin", "ltoir"))
    assert (ptx.kind, ptx.arch) == ("ptx", "compute_90")
    assert ".target sm_90" in ptx.text
    assert ".entry answer(" in ptx.text
    assert (cubin.kind, cubin.arch, cubin.code[:4]) == ("cubin", "sm_90", b"\x7fELF")
    assert (ltoir.kind, cu.ObjectCode.from_bytes(ltoir.code).kind) == ("ltoir", "ltoir")
    assert program.compile("optixir", arch=90).kind == "optixir"
    with pytest.raises(TypeError, match="only PTX is text, not cubin"):
        _ = cubin.text


def test_the_target_auto_fits_the_device(device: cu.Device) -> None:
    """PTX where the CPU device runs it (facts of the device), machine code on a GPU."""
    code = cu.Program(KERNEL, defines={"N": 1}).compile()
    assert code.kind == ("ptx" if device.is_cpu else "cubin")
    assert Arch.of(code.arch).number == of_device(device).number
    assert cu.Program(KERNEL, defines={"N": 1}).compile(arch="compute_80").kind == "ptx"
    assert cu.Program(KERNEL, defines={"N": 1}, lto=True).compile().kind == "ltoir"


def test_ptx_of_an_earlier_architecture_where_the_device_is_newer_than_nvrtc() -> None:
    class Future:
        compute_capability = (99, 0)

    class Old(Future):
        compute_capability = (3, 5)

    assert str(of_device(Future())) == f"compute_{max(nvrtc.nvrtcGetSupportedArchs())}"
    with pytest.raises(cu.NotSupportedError, match="sm_35: install an NVRTC of an earlier CUDA"):
        of_device(Old())


@pytest.mark.parametrize(
    ("target", "options", "text"),
    [
        ("sass", {}, "'sass' is none of"),
        ("cubin", {"arch": "compute_90"}, "compute_90 is a virtual architecture"),
        ("ptx", {"arch": 30}, "does not compile for 30; it does for 75"),
        ("ptx", {"lto": True}, "makes LTO-IR, not 'ptx'"),
        ("ptx", {"gen_opt_lto": True}, "needs lto=True"),
    ],
)
def test_targets_and_options_that_contradict_each_other(target: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        cu.Program(KERNEL).compile(target, **options)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("sm_90", "sm_90"), ("compute_100f", "compute_100f"), ("90a", "90a"), (90, "90"), ((12, 0), "120")],
)
def test_forms_of_architectures(given: Any, expected: str) -> None:
    assert str(Arch.of(given)) == expected
    assert Arch.of(Arch.of(given)) == Arch.of(given)


@pytest.mark.parametrize("given", ["sm90", "sm_9", "", "native", "sm_90b", 9, (9,), 9.0, True, None])
def test_what_is_no_architecture(given: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="arch"):
        Arch.of(given)


def test_an_architecture_from_a_device(device: cu.Device) -> None:
    assert Arch.of(device).number == device.compute_capability.major * 10 + device.compute_capability.minor


# ---- names -----------------------------------------------------------------------------------------------------------


def test_name_expressions(device: cu.Device) -> None:
    program = cu.Program(TEMPLATES, name_expressions=["fill<float>"])
    code = program.compile(name_expressions=["fill<double>", "ns::put<5>", "fill<float>"])
    assert list(code.lowered_names) == ["fill<float>", "fill<double>", "ns::put<5>"]
    module = code.module()
    for dtype, name in ((np.float32, "fill<float>"), (np.float64, " fill< double >")):
        out = np.zeros(4, dtype)
        launch(module, name, out, np.ctypeslib.as_ctypes_type(dtype)(2.5), threads=4)
        assert (out == 2.5).all()
    assert one_number(module, "ns::put<5>") == 5
    assert one_number(module, "plain") == 7, "the only kernel of this name in C++"


def test_names_that_were_not_declared(device: cu.Device) -> None:
    module = cu.Program(TEMPLATES).compile().module()
    for name in ("fill<float>", "ns::put<3>"):
        with pytest.raises(cu.NotFoundError) as error:
            module._kernel_handle(name)
        assert f"program.compile(name_expressions=[{name!r}])" in str(error.value)
        assert error.value.function == "cuLibraryGetKernel"
    with pytest.raises(cu.NotFoundError, match=r"'twice' may be any of _Z5twice.*, _Z5twice"):
        module._kernel_handle("twice")
    with pytest.raises(cu.NotFoundError, match=r"there is no kernel 'nothing'; there are .*_Z5plainPi"):
        module._kernel_handle("nothing")


def test_a_name_expression_that_names_nothing() -> None:
    with pytest.raises(cu.CompileError, match="nothing"):
        cu.Program(TEMPLATES).compile(name_expressions=["nothing<int>"])


def test_a_kernel_in_one_call(device: cu.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        _make = staticmethod(lambda handle, name, owner: name)

    monkeypatch.setitem(sys.modules, "cuda_unified.kernel", SimpleNamespace(Kernel=Kernel))  # type: ignore[arg-type]
    assert cu.compile_kernel(TEMPLATES, "ns::put<3>", debug=True) == "_ZN2ns3putILi3EEEvPi"
    assert cu.compile_kernel(TEMPLATES, "plain") == "_Z5plainPi"
    with pytest.raises(cu.NotFoundError, match="there is no kernel 'none'"):
        cu.compile_kernel(TEMPLATES, "none")


def test_a_module_in_one_call(device: cu.Device) -> None:
    module = cu.compile(TEMPLATES, name_expressions="ns::put<3>")
    assert one_number(module, "ns::put<3>") == 3
    with pytest.raises(TypeError, match="the name of a kernel is a str"):
        module._kernel_handle(5)  # type: ignore[arg-type]


# ---- errors and logs -------------------------------------------------------------------------------------------------


def test_errors_in_a_program() -> None:
    source = "\n\n__global__ void k(int *x) { *x = undefined_thing; }\n"
    with pytest.raises(cu.CompileError) as caught:
        cu.Program(source, name="mine.cu").compile()
    error = caught.value
    assert error.code is nvrtc.NVRTC_ERROR_COMPILATION
    assert error.name == "NVRTC_ERROR_COMPILATION"
    assert error.function == "nvrtcCompileProgram"
    assert 'mine.cu(3): error: identifier "undefined_thing" is undefined' in (error.log or "")
    assert "undefined_thing" in str(error)
    assert error.source == source
    assert error.listing().splitlines()[2] == "3  __global__ void k(int *x) { *x = undefined_thing; }"
    assert isinstance(error, cubind.CompilationError)


def test_errors_go_to_other_processes() -> None:
    with pytest.raises(cu.CompileError) as caught:
        cu.Program("#include <cmath>").compile("ptx", arch=80)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.log, again.source, again.hint) == (
        cu.CompileError,
        caught.value.log,
        caught.value.source,
        caught.value.hint,
    )
    assert str(again) == str(caught.value)


def test_an_option_that_nvrtc_refuses() -> None:
    with pytest.raises(cu.InvalidValueError, match="unrecognized option --no-such-option") as caught:
        cu.Program(KERNEL, extra=["--no-such-option"]).compile()
    assert caught.value.log is not None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stdint.h", "<cuda/std/cstdint>"),
        ("cmath", "<cuda/std/cmath>"),
        ("vector", "<cuda/std/vector>"),
        ("my/own.h", "option include_paths"),
    ],
)
def test_hints_for_missing_headers(name: str, hint: str) -> None:
    with pytest.raises(cu.CompileError) as caught:
        cu.Program(f"#include <{name}>\n").compile()
    assert hint in (caught.value.hint or "")
    assert hint in str(caught.value)


def test_the_log_of_warnings() -> None:
    source = KERNEL + "\n__device__ void f() { int unused; }"
    program = cu.Program(source, defines={"N": 1}, cache=cu.ProgramCache())
    assert "unused" in program.compile().log
    assert "unused" in program.compile().log, "from the cache too"
    assert program.compile(disable_warnings=True).log == ""


# ---- threads, stopping, ends -----------------------------------------------------------------------------------------

SLOW = (
    KERNEL
    + "\n#define X(n) x[n & 7] += sinf(x[n & 3]) * powf(x[n & 5], x[n & 6]);\n#define Y(n) X(n) X(n+1) X(n+2) X(n+3)\n"
)
SLOW += 'extern "C" __global__ void slow(float *x) { ' + "Y(8) " * 8 + "}"
LONG = "\n".join(
    f'extern "C" __global__ void k{i}(float *x) {{ x[{i}] = sinf(x[1]) * {i} + powf(x[2], x[3]); }}' for i in range(30)
)


def test_a_compilation_is_cancelled() -> None:
    calls = []

    def cancel() -> bool:
        calls.append(1)
        return len(calls) > 3

    with pytest.raises(cu.CompilationCancelledError):
        cu.Program(SLOW, defines={"N": 1}, cache=False).compile(cancel=cancel)
    assert len(calls) == 4
    with pytest.raises(TypeError, match="cancel: a function is wanted"):
        cu.Program(SLOW, cache=False).compile(cancel=5)  # type: ignore[arg-type]


def test_an_exception_in_cancel_is_raised() -> None:
    def cancel() -> bool:
        raise ZeroDivisionError("in cancel")

    with pytest.raises(ZeroDivisionError, match="in cancel"):
        cu.Program(SLOW, defines={"N": 1}, cache=False).compile(cancel=cancel)


def test_ctrl_c_stops_a_compilation() -> None:
    """NVRTC asks now and then whether to go on; a signal is seen then, and not only when it is done."""
    out = fakes.run(
        f"""
        import signal, sys, threading, time
        import cuda_unified as cu
        program = cu.Program({SLOW!r} + {LONG!r}, defines={{"N": 1}}, cache=False, arch=80)
        program.compile("ptx", extra=["--fdevice-syntax-only"])  # all is loaded now
        start = time.perf_counter()
        program.compile("ptx")
        whole = time.perf_counter() - start
        hook = sys.unraisablehook
        threading.Timer(whole / 8, lambda: signal.raise_signal(signal.SIGINT)).start()
        start = time.perf_counter()
        try:
            program.compile("ptx")
        except KeyboardInterrupt:
            print("stopped", time.perf_counter() - start < whole * 0.8, sys.unraisablehook is hook)
        print(program.compile("ptx").kind)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
    )
    assert out.split() == ["stopped", "True", "True", "ptx"]


def test_deeply_nested_programs() -> None:
    """NVRTC lets the stack of the main thread grow: what it compiles by itself, it compiles here."""
    out = fakes.run(
        """
        import cuda_unified as cu
        source = "__global__ void k(int *x) { *x = " + "(" * 5000 + "x[1]" + ")" * 5000 + "; }"
        print(cu.Program(source, cache=False, arch=80).compile("ptx").kind)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
    )
    assert out.split() == ["ptx"]


def test_threads_compile_one_program() -> None:
    program = cu.Program(KERNEL, cache=cu.ProgramCache())
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda n: program.compile("ptx", defines={"N": n % 5}), range(30)))
    assert len({code.code for code in codes}) == 5


def test_other_threads_run_meanwhile() -> None:
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    cu.Program(SLOW, defines={"N": 1}, cache=False).compile("ptx")
    duration = time.monotonic() - start
    stop.set()
    thread.join()
    assert ticks[0] >= min(10, duration / 0.05)


def test_nothing_leaks() -> None:
    def rounds() -> int:
        for i in range(4):
            cu.Program(KERNEL, headers={"a.h": "x"}, defines={"N": i}, cache=False).compile("ptx")
            with pytest.raises(cu.CompileError):
                cu.Program("x", cache=False).compile("ptx")
        gc.collect()
        return sys.getallocatedblocks()

    rounds()
    before = rounds()
    assert min(rounds() for _ in range(2)) - before < 100


def test_without_any_device() -> None:
    """The architecture has to be given, and that is enough."""
    out = fakes.run(
        """
        import cuda_unified as cu
        source = 'extern "C" __global__ void k() {}'
        try:
            cu.Program(source).compile()
        except cu.CudaError as error:
            print(type(error).__name__, error.__notes__)
        except ImportError as error:
            print(error)
        print(cu.Program(source).compile(arch="sm_80").kind, cu.Program(source).compile("ptx", arch=80).arch)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="gpu",
        CUBIND_DRIVER_LIBRARY="/no/such/library",
        CUDA_UNIFIED_CACHE="0",
    )
    assert "give the option arch" in out.splitlines()[0]
    assert out.splitlines()[1] == "cubin compute_80"


def test_without_nvrtc() -> None:
    out = fakes.run(
        """
        import cuda_unified as cu
        try:
            cu.Program("", arch=80).compile("ptx")
        except cu.LibraryNotFoundError as error:
            print(error)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
        CUBIND_NVRTC_LIBRARY="/no/such/library",
    )
    assert "install the package nvidia-cuda-nvrtc" in out


def test_an_nvrtc_that_does_not_ask_whether_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before CUDA 12.9."""

    def missing(*arguments: object) -> None:
        raise cu.SymbolNotFoundError("nvrtcSetFlowCallback is of CUDA 12.9")

    monkeypatch.setattr("cuda_unified.compiler.has", lambda name: False)
    monkeypatch.setattr(nvrtc, "nvrtcSetFlowCallback", missing)
    program = cu.Program(KERNEL, defines={"N": 1}, cache=False, arch=80)
    assert program.compile("ptx").kind == "ptx"
    with pytest.raises(cu.SymbolNotFoundError):
        program.compile("ptx", cancel=lambda: False)


# ---- code ------------------------------------------------------------------------------------------------------------


def test_code_is_pickled_saved_and_loaded(tmp_path: Path) -> None:
    code = cu.Program(TEMPLATES, name_expressions=["fill<int>"]).compile("ptx")
    again = pickle.loads(pickle.dumps(code))
    assert again == code
    assert dict(again.lowered_names) == dict(code.lowered_names)
    code.save(tmp_path / "code")
    loaded = cu.ObjectCode.from_file(tmp_path / "code")
    assert loaded == code
    assert (loaded.name, loaded.arch, loaded.log) == (code.name, code.arch, code.log)
    assert [p.name for p in tmp_path.iterdir()] == ["code"], "no temporary file is left"
    content = bytearray((tmp_path / "code").read_bytes())
    content[-1] ^= 1
    (tmp_path / "code").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        cu.ObjectCode.from_file(tmp_path / "code")


def test_kinds_of_code(tmp_path: Path) -> None:
    ptx = cu.Program(KERNEL, defines={"N": 1}).compile("ptx")
    (tmp_path / "k.ptx").write_bytes(ptx.code)
    assert cu.ObjectCode.from_file(tmp_path / "k.ptx").kind == "ptx"
    assert cu.ObjectCode.from_bytes(ptx.text).code == ptx.code
    assert cu.ObjectCode.from_bytes(ptx.code + b"\0").code == ptx.code, "without the terminating zero"
    assert cu.ObjectCode.from_bytes(b"\x50\xed\x55\xba" + bytes(12)).kind == "fatbin"
    assert cu.ObjectCode.from_bytes(b"!<arch>\n").kind == "library"
    assert cu.ObjectCode.from_bytes(b"\x7fELF" + bytes(14) + b"\x3e\0").kind == "object"
    for junk in (b"", b"\x7fELF", b"hello", b"// .version"):
        with pytest.raises(ValueError, match="neither PTX"):
            cu.ObjectCode.from_bytes(junk)
    with pytest.raises(ValueError, match="'sass' is no kind of code"):
        cu.ObjectCode(b"", "sass")
