"""The PTX parser: what compilers emit parses and is counted right, and no text breaks it.  test_ptx_syntax.py: what it means."""

import os
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cpu_device import parser_kernels
from tests.cpu_device.parser_access import HEAD, Parser

ARCHITECTURES = [75, 80, 90, 100]
# SMALL has a bit of everything; it is cut and damaged byte by byte.
SMALL = (
    HEAD
    + r""".file 1 "C:\\k.cu", 12, 3
.extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);
.visible .const .align 4 .f32 t[2][2] = {{1.0, 0f3F800000}, {-2.5}};
.global .align 8 .u64 p[2] = {generic(q)+8, q}; .global .b8 m[2] = {0xff(q), 0xff00(q)};
.weak .entry k(.param .u64 .ptr .global .align 16 x) .maxntid 32, 2 .minnctapersm 1 .pragma "nounroll"; {
 .reg .b32 %r<5>; .reg .pred %p<2>; /* c */
 .loc 1 5 3, function_name L, inlined_at 1 7 3
 @!%p1 bra $L; { .reg .b32 t<3>; .param .b32 ret; mov.b32 t1, (1 + 2) * 3 << 1; call.uni (ret), vprintf, (%r1, t1); }
 T: .branchtargets $L, M; P: .callprototype (.param .b32 _) _ (.param .b64 _) .noreturn;
$L: ld.global.L1::no_allocate.v2.f32 {%r1, _}, [%r2+-8]; M: setp.lt.s32 %p1|_, %r1, WARP_SZ;
 ret;
}
"""
)


# ── What compilers emit ──────────────────────────────────────────────────────────────────────────────────────────────


def include_folders() -> list[Path]:
    wheels = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "include"
    toolkit = Path(os.environ.get("CUDA_PATH", "/usr/local/cuda")) / "include"
    return [folder for base in (wheels, toolkit) for folder in (base, base / "cccl") if folder.is_dir()]


def compile_cuda(name: str, source: str, architecture: int, *options: str) -> str:
    from cubind import nvrtc

    program = nvrtc.nvrtcCreateProgram(source, f"{name}.cu", 0, None, None)
    fixed = [f"--gpu-architecture=compute_{architecture}", "--std=c++17", "--device-int128"]
    try:
        nvrtc.nvrtcCompileProgram(program, None, [*fixed, *options, *(f"-I{folder}" for folder in include_folders())])
        return str(nvrtc.nvrtcGetPTX(program)).rstrip("\0")
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def count(text: str) -> tuple[int, int, int]:
    """Functions, instructions and registers, by regular expressions that know little of PTX."""
    text = re.sub(r'//.*|/\*.*?\*/|"[^"\n]*"|^\s*\.(loc|file)\b.*', "", text, flags=re.MULTILINE)
    text = re.sub(r"\{[^{};]*\}", "list", re.sub(r"\{[^{};]*\}", "list", text))
    functions = re.findall(r"\.(?:entry|func)\b", text)
    registers = re.findall(r"\.reg\s*\.\w+\s+%\w+<(\d+)>", text)
    statements = [re.sub(r"^(\s*[\w$%]+\s*:)+", "", piece).strip() for piece in re.split(r"[;{}]", text)]
    instructions = [statement for statement in statements if re.match(r"[@a-z]", statement)]
    return len(functions), len(instructions), sum(map(int, registers))


def check_counts(parser: Parser, text: str) -> None:
    module = parser.dump(text)
    assert "error" not in module, module
    instructions = sum(len(function["body"]) for function in module["functions"])
    registers = sum(v["count"] for function in module["functions"] for v in function["variables"])
    assert (len(module["functions"]), instructions, registers) == count(text)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", parser_kernels.SOURCES)
def test_nvrtc(parser: Parser, name: str, architecture: int) -> None:
    source, oldest = parser_kernels.SOURCES[name]
    check_counts(parser, compile_cuda(name, source, max(architecture, oldest)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", parser_kernels.EXTRA_SOURCES)
def test_nvrtc_with_headers(parser: Parser, name: str, architecture: int) -> None:
    source, oldest, header = parser_kernels.EXTRA_SOURCES[name]
    if not any((folder / header).exists() for folder in include_folders()):
        pytest.skip(f"no {header}: wheels nvidia-cuda-cccl and nvidia-cuda-crt, or a toolkit in CUDA_PATH")
    text = compile_cuda(name, source, max(architecture, oldest))
    check_counts(parser, text)


def test_nvrtc_line_info_and_debug(parser: Parser) -> None:
    text = compile_cuda("plain", parser_kernels.PLAIN, 80, "-lineinfo")
    check_counts(parser, text)
    module = parser.dump(text)
    saxpy = next(function for function in module["functions"] if function["name"] == "saxpy")
    first = next(i for i, line in enumerate(parser_kernels.PLAIN.splitlines(), 1) if "void saxpy" in line)
    lines = {instruction["source"][1] for instruction in saxpy["body"] if "source" in instruction}
    assert first + 2 in lines
    assert module["files"]["1"].endswith("plain.cu")
    check_counts(parser, compile_cuda("tensors", parser_kernels.TENSORS, 80, "-G"))


def test_nvrtc_fast(parser: Parser) -> None:
    """The goal is 60 KB in 4 ms; this is 85 KB of instructions, with room for a busy machine."""
    data = compile_cuda("plain", parser_kernels.PLAIN, 80).encode()
    assert len(data) > 60_000
    assert parser.milliseconds(data) < 10


def test_nvrtc_variables(parser: Parser) -> None:
    module = parser.dump(compile_cuda("plain", parser_kernels.PLAIN, 80))
    variables = {v["name"]: v for v in module["variables"]}
    assert variables["managed_value"]["managed"]
    assert variables["managed_value"]["init"] == [{"bits": 7}]
    names = [(i["symbol"], i.get("generic", 0)) for i in variables["names"]["init"]]
    assert names[2] == ("letters", 1)
    assert bytes(i["bits"] for i in variables["letters"]["init"]).rstrip(b"\0") == b'a "text"\n'
    masked = [i for i in variables["packed"]["init"] if "mask_bytes" in i]
    assert not masked or [i["mask_shift"] for i in masked[:8]] == list(range(0, 64, 8))


def test_triton(parser: Parser) -> None:
    """The shape of Triton's PTX, in our own words: inlining, debug sections, reserved threads, outside shared memory."""
    module = parser.dump(
        """//
.version 8.4
.target sm_90a, debug
.address_size 64
	// .globl	add
.extern .shared .align 16 .b8 global_smem[];
.visible .entry add(
	.param .u64 .ptr .global .align 1 add_param_0,
	.param .u32 add_param_1
)
.reqntid 128, 1, 1
.maxnreg 64
{
	.reg .pred 	%p<2>;
	.reg .b32 	%r<4>;
	.loc	1 18 0
$L__func_begin0:
	.loc	1 18 0
// %bb.0:
	ld.param.u32 	%r1, [add_param_1];
$L__tmp0:
	.loc	2 40 36, function_name $L__info_string0+4, inlined_at 1 30 19
	.pragma "used_bytes_mask 0xff00";
	// begin inline asm
	@%p1 st.global.v2.b32 [ %r1 + 0 ], { %r2, %r3 };
	// end inline asm
	bar.warp.sync 	-1;
$L__tmp1:
	ret;
$L__func_end0:
}
	.file	1 "/home/add.py"
	.file	2 "/home/standard.py"
	.section	.debug_abbrev
	{
.b8 1                                   // Abbreviation Code
.b8 17
	}
	.section	.debug_info
	{
.b32 76
.b32 .debug_abbrev
.b64 $L__func_begin0
.b8 0,1,2
.b32 .debug_info+4
	}
	.section	.debug_macinfo	{	}
"""
    )
    function = module["functions"][0]
    assert module["target"] == "sm_90a"
    assert module["target_options"] == ["debug"]
    assert module["variables"][0]["dimensions"] == [0]
    assert module["variables"][0]["extern"]
    assert function["reqntid"] == [128, 1, 1]
    assert function["maxnreg"] == 64
    assert [i["opcode"] for i in function["body"]] == ["ld", "st", "bar", "ret"]
    assert function["body"][1]["source"] == [2, 40, 36]
    assert function["labels"] == {"$L__func_begin0": 0, "$L__tmp0": 1, "$L__tmp1": 3, "$L__func_end0": 4}
    assert module["files"] == {"1": "/home/add.py", "2": "/home/standard.py"}


def test_numba(parser: Parser) -> None:
    """The shape of numba's PTX, in our own words."""
    module = parser.module(
        """.common .global .align 8 .u64 _ZN08NumbaEnv8__main__add;
.weak .entry add(.param .u64 a, .param .b64 b) { .reg .f32 %f<3>; .reg .b64 %rd<3>;
 ld.f32 %f1, [%rd1]; add.cc.s64 %rd1, %rd1, 18446744073709551615; st.f32 [%rd2], %f1; ret; }"""
    )
    assert module["variables"][0]["common"]
    assert module["functions"][0]["weak"]
    load, add, *_ = module["functions"][0]["body"]
    assert load["modifiers"] == ["f32"]
    assert add["operands"][2]["bits"] == 2**64 - 1


# ── Any bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_small_is_good(parser: Parser) -> None:
    assert "error" not in parser.dump(SMALL)


@pytest.mark.parametrize(
    ("mode", "number"),
    [
        ("prefixes", 1),
        ("deletions", 1),
        ("replacements", 0),
        ("replacements", ord("{")),
        ("replacements", 0xFF),
        ("damage", 3000),
    ],
)
def test_damaged_small(survive: Callable[..., list[int]], mode: str, number: int) -> None:
    _, bad, silent = survive(mode, SMALL, number)
    assert bad > 100
    assert silent == 0


def test_damaged_real(survive: Callable[..., list[int]]) -> None:
    text = compile_cuda("plain", parser_kernels.PLAIN, 90)
    assert survive("prefixes", text, 397)[2] == 0
    assert survive("damage", text, 200)[2] == 0
    assert survive("noise", "", 3000)[0] == 0


MANY = 5_000_000
BODY = HEAD + ".entry k {"


@pytest.mark.parametrize(
    "text",
    [
        "{" * MANY,
        BODY + "{" * MANY,
        BODY + "{}" * (MANY // 2),
        BODY + "{" * 1000 + "x L;" * (MANY // 10) + "}" * 1000,
        BODY + "{L:" * 1000 + "x L;" * (MANY // 10) + "}" * 1001,
        BODY + "{.reg .b32 r<9>;" * 1000 + "x r1;" * (MANY // 10) + "}" * 1001,
        BODY + "".join(f"L{i}:" for i in range(MANY // 10)) + "}",
        BODY + "x " + "(" * MANY,
        BODY + "x " + "-" * MANY,
        BODY + "x " + "[" * MANY,
        BODY + "x " + "{" * MANY,
        BODY + "x " + "1?" * (MANY // 2),
        BODY + "x " + "1+" * (MANY // 2) + "1;}",
        BODY + "x " + "1||1<" * (MANY // 5) + "1;}",
        BODY + "x " + "a," * (MANY // 10) + "a;}",
        BODY + "x " + "9" * MANY,
        BODY + "x 1." + "9" * MANY,
        BODY + "x" * MANY,
        BODY + "{.reg .b32 r<2147483647>; x r2147483646; }}",
        BODY + ".local .b32 r<2147483647>;}",
        HEAD + "." + "a::" * (MANY // 3),
        HEAD + ".global .b8 x[2][1000000000] = {{1}, {2}};",
        HEAD + ".global .b8 x" + "[1]" * (MANY // 10) + " = " + "{" * MANY,
        HEAD + ".global .b8 x[] = {" + "0," * (MANY // 10) + "0};",
        HEAD + ".section .x {" + "{" * MANY,
        HEAD + "\n" * MANY + "/*",
        HEAD + '"' * MANY,
        "\0" * MANY,
    ],
    ids=range(28),
)
def test_large(survive: Callable[..., list[int]], text: str) -> None:
    """Ends soon (the limit is a minute, with sanitizers), whatever the nesting and the numbers."""
    assert survive("whole", text)[2] == 0
