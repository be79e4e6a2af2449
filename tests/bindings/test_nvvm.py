"""libNVVM itself, which needs no GPU: compile IR, look at the results, fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import cubind
from cubind import nvvm as n
from tests.helpers import nvvm_ir

if not cubind.has("nvvmVersion"):
    pytest.skip("libnvvm is not installed", allow_module_level=True)

ARCH = "-arch=compute_80"


@contextmanager
def program(*modules: str | bytes, lazily: bool = False) -> Iterator[Any]:
    handle = n.nvvmCreateProgram()
    try:
        for i, module in enumerate(modules):
            data = module.encode() if isinstance(module, str) else module
            add = n.nvvmLazyAddModuleToProgram if lazily and i else n.nvvmAddModuleToProgram
            add(handle, data, len(data), f"module {i}")
        yield handle
    finally:
        n.nvvmDestroyProgram(handle)


def test_versions() -> None:
    assert n.nvvmVersion() >= (2, 0)
    major, _, debug, _ = n.nvvmIRVersion()
    assert major >= 2 and debug >= 3
    assert n.nvvmLLVMVersion("compute_80") >= 7


def test_modules_become_ptx() -> None:
    text = nvvm_ir.kernel(term="%double", more="%double = call float @twice(float %by)")
    with program(text, nvvm_ir.TWICE) as handle:
        assert isinstance(handle, n.nvvmProgram)
        n.nvvmVerifyProgram(handle, None, [ARCH])
        n.nvvmCompileProgram(handle, None, [ARCH])
        made = n.nvvmGetCompiledResult(handle)
        assert isinstance(made, bytes) and len(made) == n.nvvmGetCompiledResultSize(handle)
        assert b".entry add(" in made and b".target sm_80" in made and made.endswith(b"\0")


def test_of_a_library_what_is_used_is_taken() -> None:
    folder = Path(cubind.info().libraries["nvvm"].path or "").parents[1]
    found = [*folder.glob("libdevice/libdevice.*.bc"), *folder.glob("nvvm/libdevice/libdevice.*.bc")]
    if not found:
        pytest.skip("there is no libdevice beside libnvvm")
    text = nvvm_ir.kernel(term="%root", more="%root = call float @__nv_cbrtf(float %by)")
    with program(text, found[0].read_bytes(), lazily=True) as handle:
        n.nvvmCompileProgram(handle, None, [ARCH])
        assert n.nvvmGetCompiledResultSize(handle) < 20_000 and b"__nv_cbrtf" not in n.nvvmGetCompiledResult(handle)


def test_lto_ir() -> None:
    with program(nvvm_ir.kernel()) as handle:
        n.nvvmCompileProgram(handle, 2, [ARCH, "-gen-lto"])
        assert n.nvvmGetCompiledResult(handle)[:4] == b"\xed\x43\x4e\x7f"


def test_errors_in_the_ir_are_in_the_log() -> None:
    with program(nvvm_ir.kernel(term="%nothing")) as handle:
        with pytest.raises(cubind.CompilationError) as caught:
            n.nvvmCompileProgram(handle, None, [ARCH])
        assert (
            caught.value.code == n.nvvmResult.NVVM_ERROR_COMPILATION and caught.value.function == "nvvmCompileProgram"
        )
        assert "nothing" in n.nvvmGetProgramLog(handle)
        assert n.nvvmGetProgramLogSize(handle) > 1


def test_mistakes() -> None:
    with program(nvvm_ir.kernel()) as handle, pytest.raises(cubind.InvalidValueError):
        n.nvvmCompileProgram(handle, None, ["-nonsense"])
    with program() as handle, pytest.raises(cubind.IllegalStateError):
        n.nvvmCompileProgram(handle, None, [ARCH])
    with pytest.raises(cubind.InvalidHandleError):
        n.nvvmGetCompiledResult(None)
    assert n.nvvmGetErrorString(n.NVVM_ERROR_INVALID_OPTION) == "NVVM_ERROR_INVALID_OPTION"
