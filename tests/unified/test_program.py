"""Programs: sources, targets, name expressions, errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cubind
import cuda_unified as cu
from cubind import nvrtc
from cuda_unified.arch import Arch, of_device
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
    with pytest.raises(cu.NotFoundError, match=r"there is no kernel 'nothing'; there are .*plain, _Z5twice"):
        module._kernel_handle("nothing")


def test_a_name_expression_that_names_nothing() -> None:
    with pytest.raises(cu.CompileError, match="nothing"):
        cu.Program(TEMPLATES).compile(name_expressions=["nothing<int>"])


def test_a_kernel_in_one_call(device: cu.Device) -> None:
    assert cu.compile_kernel(TEMPLATES, "ns::put<3>", debug=True).name == "_ZN2ns3putILi3EEEvPi"
    assert cu.compile_kernel(TEMPLATES, "plain").name == "_Z5plainPi"
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


def test_compile_kernel_takes_the_name_of_the_source_too(device: cu.Device) -> None:
    with pytest.raises(cu.CompileError, match=r"mine\.cu\(1\)"):
        cu.compile_kernel("int x = ;", "k", name="mine.cu")
    source = "template <class T> __global__ void k(T *p) { *p = 1; }"
    assert cu.compile_kernel(source, "k<float>", name="mine.cu").cxx_name == "k<float>"
