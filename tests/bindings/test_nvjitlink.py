"""nvJitLink itself, which needs no GPU: link what NVRTC compiled, look at the results, fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import cubind
from cubind import nvjitlink as n
from cubind import nvrtc

if not (cubind.has("nvJitLinkVersion") and cubind.has("nvrtcVersion")):
    pytest.skip("libnvJitLink or libnvrtc is not installed", allow_module_level=True)

USES = 'extern __device__ int added(int, int);\nextern "C" __global__ void k(int *x) { *x = added(40, 2); }'
HAS = "__device__ int added(int a, int b) { return a + b; }"
ARCH = "-arch=sm_90"
LTO = n.NVJITLINK_INPUT_LTOIR


def lto_ir(source: str) -> bytes:
    program = nvrtc.nvrtcCreateProgram(source, "piece.cu", 0, None, None)
    try:
        nvrtc.nvrtcCompileProgram(program, None, ["-dlto", "-rdc=true", "-arch=compute_90"])
        made: bytes = nvrtc.nvrtcGetLTOIR(program)
        return made
    finally:
        nvrtc.nvrtcDestroyProgram(program)


@contextmanager
def linker(*options: str) -> Iterator[Any]:
    handle = n.nvJitLinkCreate(None, list(options))
    try:
        yield handle
    finally:
        n.nvJitLinkDestroy(handle)


def add(handle: Any, kind: n.nvJitLinkInputType, data: bytes, name: str | None = "piece") -> None:
    n.nvJitLinkAddData(handle, kind, data, len(data), name)


def test_version() -> None:
    assert n.nvJitLinkVersion() >= (13, 0)


def test_two_pieces_become_a_cubin() -> None:
    with linker(ARCH, "-lto") as handle:
        assert isinstance(handle, n.nvJitLinkHandle)
        add(handle, LTO, lto_ir(USES))
        add(handle, LTO, lto_ir(HAS), None)
        n.nvJitLinkComplete(handle)
        cubin = n.nvJitLinkGetLinkedCubin(handle)
        assert isinstance(cubin, bytes)
        assert cubin.startswith(b"\x7fELF")
        assert n.nvJitLinkGetLinkedCubinSize(handle) == len(cubin)
        assert n.nvJitLinkGetErrorLog(handle) == ""


def test_or_ptx() -> None:
    with linker(ARCH, "-lto", "-ptx") as handle:
        for source in (USES, HAS):
            add(handle, LTO, lto_ir(source))
        n.nvJitLinkComplete(handle)
        ptx = n.nvJitLinkGetLinkedPtx(handle)
        assert isinstance(ptx, str)
        assert ".entry k" in ptx
        assert "call" not in ptx, "the function of the other piece was inlined"


def test_a_file(tmp_path: Path) -> None:
    for name, source in (("uses", USES), ("has", HAS)):
        (tmp_path / name).write_bytes(lto_ir(source))
    with linker(ARCH, "-lto") as handle:
        for name in ("uses", "has"):
            n.nvJitLinkAddFile(handle, LTO, str(tmp_path / name))
        n.nvJitLinkComplete(handle)
        assert n.nvJitLinkGetLinkedCubin(handle)


@pytest.mark.parametrize(
    ("options", "code", "kind"),
    [
        ([ARCH, "-nonsense"], n.NVJITLINK_ERROR_UNRECOGNIZED_OPTION, cubind.InvalidValueError),
        (["-lto"], n.NVJITLINK_ERROR_MISSING_ARCH, cubind.InvalidValueError),
    ],
)
def test_bad_options(options: list[str], code: n.nvJitLinkResult, kind: type[cubind.CudaError]) -> None:
    with pytest.raises(kind) as caught:
        n.nvJitLinkCreate(len(options), options)
    assert caught.value.code == code
    assert caught.value.function == "nvJitLinkCreate"
    assert caught.value.name in str(caught.value)


def test_a_definition_that_is_missing() -> None:
    with linker(ARCH, "-lto") as handle:
        add(handle, LTO, lto_ir(USES))
        with pytest.raises(cubind.CudaError) as caught:
            n.nvJitLinkComplete(handle)
        assert caught.value.function == "nvJitLinkComplete"
        assert "added" in n.nvJitLinkGetErrorLog(handle)


def test_damaged_input() -> None:
    with linker(ARCH) as handle:
        with pytest.raises(cubind.CudaError):
            add(handle, n.NVJITLINK_INPUT_CUBIN, b"\x7fELF" + bytes(100))
            n.nvJitLinkComplete(handle)
        with pytest.raises(cubind.InvalidValueError):
            n.nvJitLinkGetLinkedCubin(None)
