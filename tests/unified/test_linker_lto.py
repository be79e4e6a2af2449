"""Linking by nvJitLink: LTO-IR, to machine code and to PTX, also without a device."""

from __future__ import annotations

from typing import Any

import pytest

import cubind
import cuda_unified as cu
from tests.unified.running import one_number

if not cubind.has("nvJitLinkCreate"):
    pytest.skip("libnvJitLink is not installed (the package nvidia-nvjitlink)", allow_module_level=True)

USES = 'extern __device__ int added(int, int);\nextern "C" __global__ void k(int *x) { *x = added(40, 2); }'
HAS = "__device__ int added(int a, int b) { return a + b; }"


def lto(source: str, **options: Any) -> cu.ObjectCode:
    return cu.Program(source, lto=True, relocatable=True, **options).compile()


def test_lto_ir_runs(device: cu.Device) -> None:
    linker = cu.Linker(lto(USES), lto(HAS))
    code = linker.link("both")
    assert (code.name, code.kind) == ("both", "ptx" if device.is_cpu else "cubin")
    assert one_number(code.module(), "k") == 42
    assert linker.error_log == ""


def test_ptx_has_the_pieces_as_one(device: cu.Device) -> None:
    text = cu.Linker(lto(USES), lto(HAS)).link(target="ptx").text
    assert ".entry k" in text
    assert "call" not in text
    assert one_number(cu.ObjectCode.from_bytes(text).module(), "k") == 42


def test_for_a_target_that_is_not_here() -> None:
    code = cu.Linker(lto(USES, arch=90), lto(HAS, arch=90), target="sm_90").link()
    assert (code.kind, code.arch) == ("cubin", "sm_90")
    assert code.code.startswith(b"\x7fELF")


def test_name_expressions(device: cu.Device) -> None:
    template = "template <int n> __global__ void put(int *x) { *x = n; }"
    pieces = [lto(template, name_expressions=[f"put<{n}>"]) for n in (3, 4)]
    module = cu.Linker(*pieces).link().module()
    assert [one_number(module, f"put<{n}>") for n in (3, 4)] == [3, 4]


def test_options_reach_the_library(device: cu.Device) -> None:
    pieces = lto(USES, arch=90), lto(HAS, arch=90)
    plain = cu.Linker(*pieces, target=90).link()
    lines = cu.Linker(*pieces, target=90, lineinfo=True, max_registers=40, optimization_level=3, split_compile=1).link()
    assert b".debug_line" in lines.code
    assert b".debug_line" not in plain.code
    with pytest.raises(cu.LinkError) as caught:
        cu.Linker(*pieces, target=90, extra=["-nonsense"]).link()
    assert caught.value.code == cubind.nvjitlink.NVJITLINK_ERROR_UNRECOGNIZED_OPTION
    assert caught.value.function == "nvJitLinkCreate"
    assert "-nonsense" in str(caught.value)


def test_a_definition_that_is_missing() -> None:
    linker = cu.Linker(lto(USES, arch=90), target=90)
    with pytest.raises(cu.LinkError) as caught:
        linker.link()
    assert "added" in (caught.value.log or "")
    assert linker.error_log == caught.value.log
    assert "inputs=1" in str(caught.value)


def test_what_there_is_not(device: cu.Device) -> None:
    ptx = cu.Program(HAS, relocatable=True, arch="compute_89").compile("ptx")
    cases: list[tuple[type[Exception], str, Any]] = [
        (ValueError, "by: 'nvcc' is none of", lambda: cu.Linker(by="nvcc")),
        (TypeError, r"several options are wanted, as in \['-g'\]", lambda: cu.Linker(extra="-g")),
        (ValueError, "target: 'sass' is none of", lambda: cu.Linker(ptx).link(target="sass")),
        (cu.NotSupportedError, "link by='nvjitlink'", lambda: cu.Linker(ptx, extra=["-g"]).link()),
        (cu.NotSupportedError, "of LTO-IR only", lambda: cu.Linker(ptx, by="nvjitlink").link(target="ptx")),
        (
            cu.NotSupportedError,
            "option cache_mode is for the driver's",
            lambda: cu.Linker(lto(HAS), cache_mode="ca").link(),
        ),
    ]
    for kind, words, act in cases:
        with pytest.raises(kind, match=words):
            act()


def test_ptx_and_lto_ir_together() -> None:
    ptx = cu.Program(HAS, relocatable=True, arch="compute_90").compile("ptx")
    assert cu.Linker(lto(USES, arch=90), ptx, target=90).link().kind == "cubin"
