"""Programs in NVVM IR: compiled by libNVVM and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cubind
import cuda_unified as cu
from tests.helpers import fakes, faults, nvvm_ir

if not cubind.has("nvvmVersion"):
    pytest.skip("libnvvm is not installed (the package nvidia-nvvm)", allow_module_level=True)

DOUBLE = "%double = call float @twice(float %by)"
ROOT = "%root = call float @__nv_cbrtf(float %by)"


@pytest.fixture
def cache(tmp_path: Path) -> cu.ProgramCache:
    return cu.ProgramCache(tmp_path / "cache")


def run(code: cu.ObjectCode, device: Any, by: float) -> list[float]:
    x = cu.from_host(np.arange(4, dtype="f4"), device=device)
    code.module().kernel("add")[1, 4](x, np.float32(by))
    return [float(v) for v in x.to_host()]


@pytest.mark.parametrize("form", ["text", "bytes", "file"])
def test_a_kernel(device: Any, tmp_path: Path, cache: cu.ProgramCache, form: str) -> None:
    path = tmp_path / "kernel.ll"
    path.write_text(nvvm_ir.kernel())
    source: Any = {"text": nvvm_ir.kernel(), "bytes": nvvm_ir.kernel().encode(), "file": path}[form]
    program = cu.NvvmProgram(source, cache=cache)
    code = program.compile()
    assert (code.kind, code.name) == ("ptx", str(path) if form == "file" else "program.ll")
    major, minor = device.compute_capability
    assert code.arch == f"compute_{major}{minor}" and f".target sm_{major}{minor}" in code.text
    with device:
        assert run(code, device, 2.5) == [2.5, 3.5, 4.5, 5.5]


def test_several_modules(device: Any, cache: cu.ProgramCache) -> None:
    text = nvvm_ir.kernel(term="%double", more=DOUBLE)
    with device:
        assert run(cu.NvvmProgram(text, modules={"twice": nvvm_ir.TWICE}, cache=cache).compile(), device, 1) == [
            2,
            3,
            4,
            5,
        ]
    with pytest.raises(ValueError, match=r"'program\.ll' is the name of the program itself"):
        cu.NvvmProgram(text, modules={"program.ll": nvvm_ir.TWICE})


def test_libdevice(device: Any, cache: cu.ProgramCache, tmp_path: Path) -> None:
    text = nvvm_ir.kernel(term="%root", more=ROOT)
    with device:
        found = run(cu.NvvmProgram(text, libdevice=True, cache=cache).compile(), device, 27)
    np.testing.assert_allclose(found, [3, 4, 5, 6], rtol=1e-6)
    with pytest.raises(FileNotFoundError):
        cu.NvvmProgram(text, libdevice=tmp_path / "none.bc", cache=cache).compile()


def test_lto_ir_is_linked_with_cuda_cpp(device: Any) -> None:
    """IR calls a function that CUDA C++ has."""
    if not cubind.has("nvJitLinkVersion"):
        pytest.skip("libnvJitLink is not installed")
    text = nvvm_ir.kernel(term="%double", more=DOUBLE)
    twice = cu.Program('extern "C" __device__ float twice(float a) { return 2 * a; }', lto=True, relocatable=True)
    with device:
        pieces = [cu.NvvmProgram(text, lto=True).compile(), twice.compile()]
        assert [piece.kind for piece in pieces] == ["ltoir", "ltoir"]
        assert run(cu.Linker(*pieces).link(), device, 3) == [6, 7, 8, 9]


def test_errors_in_the_ir(device: Any, cache: cu.ProgramCache) -> None:
    text = nvvm_ir.kernel(term="%nothing")
    with device, pytest.raises(cu.CompileError) as caught:
        cu.NvvmProgram(text, name="mine.ll", cache=cache).compile()
    error = caught.value
    assert error.log and "mine.ll" in error.log and "nothing" in error.log and error.source == text
    assert "mine.ll" in str(error)
    for bad in (b"BC\xc0\xdenothing", "", "hello"):
        with device, pytest.raises(cu.CudaError):
            cu.NvvmProgram(bad, cache=cache).compile()


def test_options(cache: cu.ProgramCache) -> None:
    program = cu.NvvmProgram(nvvm_ir.kernel(), arch="sm_80", lineinfo=True, cache=cache)
    assert ".target sm_80" in program.compile().text
    assert (
        ".target sm_75"
        in program.compile(arch=75, debug=True, fma=False, ftz=True, prec_div=True, prec_sqrt=False).text
    )
    assert program.compile(extra=["-opt=0"]).kind == "ptx"
    assert program.compile("ltoir").kind == "ltoir"
    with pytest.raises(cu.NotSupportedError, match="option std is for CUDA C"):
        cu.NvvmProgram(nvvm_ir.kernel(), std="c++20")
    with pytest.raises(TypeError, match="option ftz: True, False or None is wanted"):
        program.compile(ftz=2)
    with pytest.raises(ValueError, match="'cubin' is none of 'auto', 'ptx', 'ltoir'"):
        program.compile("cubin")
    with pytest.raises(ValueError, match="makes LTO-IR, not 'ptx'"):
        program.compile("ptx", lto=True)
    with pytest.raises(cu.InvalidValueError, match="compute_999"):
        program.compile(arch=999)
    with pytest.raises(TypeError, match="a program is a str, bytes or a path, not int"):
        cu.NvvmProgram(5)  # type: ignore[arg-type]


FAILING = """
import sys
from tests.helpers import fakes, faults, nvvm_ir
from tests.helpers.faults import Faults
import cuda_unified as cu
control = Faults(sys.argv[1])
quiet = {"nvvmGetProgramLog", "nvvmGetProgramLogSize"}
def right(): assert "entry add" in cu.NvvmProgram(nvvm_ir.kernel(), arch=80, libdevice=True, cache=False).compile().text
def wrong():
    try: cu.NvvmProgram(nvvm_ir.kernel(term="%nothing"), arch=80, cache=False).compile()
    except cu.CompileError as error:
        if error.code == 1: raise
        assert "nothing" in (error.log or "") or control.refused in quiet, error
for operation in (right, wrong):
    operation()
    n = 0
    while True:
        before = control.calls("nvvmCreateProgram") - control.calls("nvvmDestroyProgram")
        control.arm(n, 1)
        told = False
        try: operation()
        except cu.CudaError as error:
            told = True
            assert error.code == 1 and error.function == control.refused, error
        refused = control.refused
        control.arm(-1)
        ends = operation is wrong and refused == "nvvmDestroyProgram"  # the first error is told
        assert told or not refused or refused in quiet or ends, (operation, n, refused)
        now = control.calls("nvvmCreateProgram") - control.calls("nvvmDestroyProgram")
        assert now - before == (refused == "nvvmDestroyProgram"), (operation, n, refused)
        if not refused: break
        operation()
        n += 1
    print(operation.__name__, n)
"""


@pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")
def test_each_call_of_the_library_is_refused_once(tmp_path: Path) -> None:
    """The right error, and no program is left."""
    found = cubind.info().libraries["nvvm"].path
    library = faults.build(tmp_path, of=Path(found or ""), prefix="nvvm")
    how = {"CUBIND_NVVM_LIBRARY": library, "CUBIND_DEVICE": "cpu"}
    paths = f"{faults.ROOT}:{fakes.PACKAGE.parent}"
    lines = [line.split() for line in fakes.run(FAILING, library, PYTHONPATH=paths, **how).splitlines()]
    assert [line[0] for line in lines] == ["right", "wrong"]
    assert all(int(line[1]) >= 5 for line in lines), lines


def test_the_cache(cache: cu.ProgramCache) -> None:
    """What the code depends on is in the key: IR, modules, libdevice, options, target."""
    text = nvvm_ir.kernel()

    def make(source: str = text, target: str = "auto", **how: Any) -> bytes:
        return cu.NvvmProgram(source, cache=cache, arch="sm_80", **how).compile(target).code

    first = make()
    assert make() == first and (cache.statistics.hits, cache.statistics.misses) == (1, 1)
    others: list[dict[str, Any]] = [
        {"name": "a.ll"},
        {"debug": True},
        {"libdevice": True},
        {"modules": {"b": nvvm_ir.TWICE}},
        {"target": "ltoir"},
    ]
    for how in others:
        make(**how)
    make(text.replace("%new = fadd", "%new = fsub"))
    assert cache.statistics.misses == 2 + len(others) and cache.statistics.hits == 1
