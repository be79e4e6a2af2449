"""Options of the compiler: each reaches NVRTC, and wrong ones are refused before it is called."""

from __future__ import annotations

import json
import os
import pickle
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import cuda_unified as cu
from cuda_unified.options import ProgramOptions, program_options
from tests.helpers import fakes

HERE = str(Path.cwd())
ON_AND_OFF = {
    "relocatable": "--relocatable-device-code",
    "stack_protector": "--device-stack-protector",
    "modify_stack_limit": "--modify-stack-limit",
    "discard_value_names": "--discard-value-names",
    "version_ident": "--version-ident",
    "ftz": "--ftz",
    "prec_sqrt": "--prec-sqrt",
    "prec_div": "--prec-div",
    "fma": "--fmad",
    "builtin_move_forward": "--builtin-move-forward",
    "builtin_initializer_list": "--builtin-initializer-list",
    "brief_diagnostics": "--brief-diagnostics",
    "pch_verbose": "--pch-verbose",
    "pch_messages": "--pch-messages",
    "instantiate_templates_in_pch": "--instantiate-templates-in-pch",
}
SWITCHES = {
    "extensible_whole_program": "--extensible-whole-program",
    "lto": "--dlink-time-opt",
    "gen_opt_lto": "--gen-opt-lto",
    "debug": "--device-debug",
    "lineinfo": "--generate-line-info",
    "restrict": "--restrict",
    "extra_device_vectorization": "--extra-device-vectorization",
    "fast_math": "--use_fast_math",
    "associative_math": "--fassociative-math",
    "finite_math_only": "--ffinite-math-only",
    "device_as_default_execution_space": "--device-as-default-execution-space",
    "int128": "--device-int128",
    "float128": "--device-float128",
    "minimal": "--minimal",
    "syntax_only": "--fdevice-syntax-only",
    "enable_tile": "--enable-tile",
    "tile_only": "--tile-only",
    "simt_only": "--simt-only",
    "skip_tile_packaging": "--skip-cuda-tile-packaging",
    "diagnose_implicit_tile_var": "--diagnose-implicit-tile-var",
    "disable_warnings": "--disable-warnings",
    "warn_reorder": "--Wreorder",
    "warn_conversion": "--Wconversion",
    "pch": "--pch",
    "no_cache": "--no-cache",
}
OFF = {
    "source_include": "--no-source-include",
    "lineinfo_inlined_at": "--no-lineinfo-inlined-at",
    "signed_zeros": "--fno-signed-zeros",
}
OTHERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"std": "c++20"}, ["--std=c++20"]),
    ({"cuda_api_version": "13.0"}, ["--cuda-api-version=13.0"]),
    ({"defines": {"A": 1, "B": None, "C": "x y", "D": True}}, ["-DA=1", "-DB", "-DC=x y", "-DD=1"]),
    ({"defines": ["A=1", ("B", 2), "C"]}, ["-DA=1", "-DB=2", "-DC"]),
    ({"defines": "A"}, ["-DA"]),
    ({"undefines": ["A", "B"]}, ["--undefine-macro=A", "--undefine-macro=B"]),
    ({"include_paths": ["/a", Path("b c")]}, ["--include-path=/a", f"--include-path={HERE}/b c"]),
    ({"pre_includes": "x.h"}, [f"--pre-include={HERE}/x.h"]),
    ({"debug": True, "optimize": True}, ["--device-debug", "--dopt=on"]),
    ({"debug": True, "numba_debug": True}, ["--device-debug", "--numba-debug"]),
    ({"max_registers": 32}, ["--maxrregcount=32"]),
    ({"ptxas_options": "-v"}, ["--ptxas-options=-v"]),
    ({"ptxas_options": (o for o in ["-v", "-w"])}, ["--ptxas-options=-v", "--ptxas-options=-w"]),
    ({"split_compile": 2}, ["--split-compile=2"]),
    ({"ofast_compile": "mid"}, ["--Ofast-compile=mid"]),
    ({"jump_table_density": 101}, ["--jump-table-density=101"]),
    ({"random_seed": 5}, ["--frandom-seed=5"]),
    (
        {"warnings_as_errors": ["reorder", "conversion"]},
        ["--warning-as-error=reorder", "--warning-as-error=conversion"],
    ),
    ({"diag_error": 1}, ["--diag-error=1"]),
    ({"diag_warn": [2, 3]}, ["--diag-warn=2", "--diag-warn=3"]),
    ({"diag_suppress": (4,)}, ["--diag-suppress=4"]),
    ({"display_error_number": True}, ["--display-error-number"]),
    ({"display_error_number": False}, ["--no-display-error-number"]),
    ({"max_errors": 3}, ["--fmax-errors=3"]),
    ({"optimization_info": "inline"}, ["--optimization-info=inline"]),
    ({"time": "-"}, ["--time=-"]),
    ({"time_trace": "trace"}, [f"--fdevice-time-trace={HERE}/trace"]),
    ({"create_pch": "x.pch"}, [f"--create-pch={HERE}/x.pch"]),
    ({"use_pch": "x.pch"}, [f"--use-pch={HERE}/x.pch"]),
    ({"pch_dir": "d"}, [f"--pch-dir={HERE}/d"]),
    ({"extra": ["--ftz=true", "-v"]}, ["--ftz=true", "-v"]),
]
ALL = [
    *(
        ({name: value}, [f"{flag}={str(value).lower()}"])
        for name, flag in ON_AND_OFF.items()
        for value in (True, False)
    ),
    *(({name: True}, [flag]) for name, flag in SWITCHES.items()),
    *(({name: False}, []) for name in SWITCHES),
    *(({name: False}, [flag]) for name, flag in OFF.items()),
    *(({name: True}, []) for name in OFF),
    *OTHERS,
]


@pytest.mark.parametrize(("given", "expected"), ALL, ids=lambda v: str(v)[:40])
def test_the_command_line(given: dict[str, Any], expected: list[str]) -> None:
    options = ProgramOptions(**given)
    assert options.arguments() == expected
    assert options.arguments() == expected, "an iterator was taken once and for all"


def test_every_option_is_tested() -> None:
    flags = {f.name for f in fields(ProgramOptions) if f.metadata}
    assert flags == {name for given, _ in ALL for name in given} - {"extra"}
    assert {f.name for f in fields(ProgramOptions)} - flags == {
        "arch",
        "find_headers",
        "bundled_headers",
        "cache",
        "extra",
    }


def test_every_option_has_a_description() -> None:
    lines = Path(program_options.__code__.co_filename).read_text().splitlines()
    for f in fields(ProgramOptions):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"    {f.name}: "))
        assert lines[at + 1].startswith('    """'), f.name


def test_nvrtc_takes_every_option(tmp_path: Path) -> None:
    """Each by itself, in a compilation; those that name files in a folder of their own."""
    (tmp_path / "x.h").write_text("#define FROM_X 1\n")
    files = {"pre_includes": "x.h", "include_paths": ".", "time_trace": "trace", "create_pch": "x.pch", "pch_dir": "."}
    source = '#include "x.h"\nextern "C" __global__ void k(float *x) { *x = *x / 3; }'
    headers = {"x.h": "#pragma once\n"}
    for given, expected in {next(iter(given)): (given, expected) for given, expected in ALL if expected}.values():
        name = next(iter(given))
        if name in ("use_pch", "extra", "gen_opt_lto"):
            continue  # the first needs the file, the second is not an option of its own, the third needs `lto`
        options = {k: tmp_path / files[k] if k in files else v for k, v in given.items() if not hasattr(v, "__next__")}
        if name == "float128":
            options["arch"] = 100
        if name == "pch":
            options["pch_dir"] = tmp_path
        code = cu.Program(source, headers=headers, cache=False, **options).compile("ltoir" if name == "lto" else "ptx")
        assert "nvrtc: warning" not in code.log, expected
        assert name == "lto" or (".entry k(" in code.text) == (name not in ("syntax_only", "tile_only"))


# ---- by their effect -------------------------------------------------------------------------------------------------

DIVIDE = 'extern "C" __global__ void k(float *x, const float *y) { *x = y[0] / y[1] * y[2] + y[3]; }'


def ptx(source: str, **options: Any) -> str:
    return cu.Program(source, arch="compute_80", cache=False, **options).compile("ptx").text


def test_arithmetic() -> None:
    assert "div.rn.f32" in ptx(DIVIDE)
    assert "fma.rn.f32" in ptx(DIVIDE)
    assert "div.rn.ftz.f32" in ptx(DIVIDE, ftz=True)
    assert "div.full.f32" in ptx(DIVIDE, prec_div=False)
    assert "fma.rn.f32" not in ptx(DIVIDE, fma=False)
    assert "div.approx.ftz.f32" in ptx(DIVIDE, fast_math=True)
    assert "sqrt.approx.f32" in ptx('extern "C" __global__ void k(float *x) { *x = sqrtf(*x); }', prec_sqrt=False)


def test_debugging() -> None:
    assert ".loc" not in ptx(DIVIDE)
    assert ".loc" in ptx(DIVIDE, lineinfo=True)
    assert ".debug_info" in ptx(DIVIDE, debug=True)
    assert "ld.global.nc.f32" in ptx(DIVIDE, restrict=True)


def test_language() -> None:
    assert "202002" in ptx('extern "C" __global__ void k(long *x) { *x = __cplusplus; }', std="c++20")
    ptx(
        "__int128 f(__int128 x) { return x * x; } __global__ void k() {}",
        device_as_default_execution_space=True,
        int128=True,
    )
    with pytest.raises(cu.CompileError):
        ptx("int global_thing;")
    ptx("int global_thing;", device_as_default_execution_space=True)


def test_macros_and_files(tmp_path: Path) -> None:
    (tmp_path / "first.h").write_text("#define FIRST 77\n")
    source = 'extern "C" __global__ void k(int *x) { *x = FIRST + N; }'
    assert "1077" in ptx(source, pre_includes=[tmp_path / "first.h"], defines={"N": 1000})
    with pytest.raises(cu.CompileError, match="N"):
        ptx(source, pre_includes=[tmp_path / "first.h"], defines={"N": 1000}, undefines="N")
    assert "1077" in ptx('#include "first.h"\n' + source, include_paths=tmp_path, defines={"N": 1000})


def test_diagnostics() -> None:
    source = "__global__ void k() { int unused; }"
    assert "#177-D" in cu.Program(source, cache=False).compile("ptx").log
    assert "#177" not in cu.Program(source, cache=False, display_error_number=False).compile("ptx").log
    assert cu.Program(source, cache=False, diag_suppress=177).compile("ptx").log == ""
    with pytest.raises(cu.CompileError, match=r"error: variable .unused"):
        ptx(source, diag_error=177)
    with pytest.raises(cu.CompileError):
        ptx(source, warnings_as_errors="all-warnings")
    brief = cu.Program(source, cache=False, brief_diagnostics=True).compile("ptx").log
    assert "int unused" not in brief


def test_times(tmp_path: Path) -> None:
    assert "CUDA C++ Frontend" in cu.Program(DIVIDE, time="-").compile("ptx").log
    cu.Program(DIVIDE, time=tmp_path / "times.csv", time_trace=tmp_path / "trace").compile("ptx")
    cu.Program(DIVIDE, time=tmp_path / "times.csv", time_trace=tmp_path / "trace").compile("ptx")  # not from the cache
    assert (tmp_path / "times.csv").read_text().count("phase name") >= 1
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_assembler_options() -> None:
    values = " ".join(f"float v{i} = x[{i}]; y[{i}] = v{i};" for i in range(40)) + " ".join(
        f"y[{i}] += v{i};" for i in range(40)
    )
    program = cu.Program(f"__global__ void k(const float *x, float *y) {{ {values} }}", arch="sm_80", cache=False)
    free, few = (
        int(re.findall(r"Used (\d+) registers", program.compile("cubin", ptxas_options=["-v"], max_registers=n).log)[0])
        for n in (None, 24)
    )
    assert few <= 24 < free


def test_the_memory_for_precompiled_headers_grows(tmp_path: Path) -> None:
    """NVRTC's default is too small for large headers; it is enlarged, and the program compiled again."""
    out = fakes.run(
        f"""
        import cuda_unified as cu
        from cubind import nvrtc
        nvrtc.nvrtcSetPCHHeapSize(1 << 20)
        header = "\\n".join(f"struct s{{i}} {{{{ int x[{{i + 1}}]; }}}};" for i in range(8000))
        program = cu.Program('#include "big.h"\\n#pragma nv_hdrstop\\n__global__ void k() {{}}', headers={{"big.h": header}})
        before = nvrtc.nvrtcGetPCHHeapSize()
        program.compile("ptx", arch=80, create_pch="{tmp_path}/big.pch")
        print(program.pch_status, nvrtc.nvrtcGetPCHHeapSize() > before)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
        CUDA_UNIFIED_CACHE_DIR=tmp_path,
    )
    assert out.split() == ["created", "True"]


def test_precompiled_headers(tmp_path: Path) -> None:
    (tmp_path / "big.h").write_text(
        "#define BIG 12345\n" + "\n".join(f"struct s{i} {{ int x[{i + 1}]; }};" for i in range(200))
    )
    source = '#include "big.h"\n#pragma nv_hdrstop\nextern "C" __global__ void k(int *x) { *x = BIG; }'
    options: dict[str, Any] = {"include_paths": [tmp_path], "arch": 80}
    made = cu.Program(source, create_pch=tmp_path / "big.pch", **options).compile("ptx")
    assert "creating precompiled header" in made.log
    program = cu.Program(source, **options)
    assert program.pch_status is None
    program.compile("ptx", create_pch=tmp_path / "again.pch")
    assert program.pch_status == "created"
    program.compile("ptx", use_pch=tmp_path / "again.pch")
    assert program.pch_status is None
    assert (tmp_path / "big.pch").stat().st_size > 0
    used = cu.Program(source, use_pch=tmp_path / "big.pch", **options).compile("ptx")
    assert "using precompiled header" in used.log
    assert used.code == made.code
    automatic = cu.Program(source, pch=True, pch_dir=tmp_path, **options)
    assert automatic.compile("ptx").code == made.code
    with pytest.raises(OSError, match=r"none\.pch"):
        cu.Program(source, use_pch=tmp_path / "none.pch", **options).compile("ptx")


# ---- wrong options ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"std": "c++98"}, "option std: 'c\\+\\+98' is none of"),
        ({"ofast_compile": "fast"}, "option ofast_compile"),
        ({"max_registers": 0}, "0 is not from 1 to 255"),
        ({"max_registers": 256}, "256 is not from 1 to 255"),
        ({"jump_table_density": 102}, "from 0 to 101"),
        ({"diag_suppress": [5, 0]}, "option diag_suppress: 0 is not from 1"),
        ({"warnings_as_errors": "all"}, "'all' is none of"),
        ({"defines": "A\0B"}, "zero byte"),
        ({"fast_math": True, "ftz": False}, "fast_math=True and ftz=False contradict"),
        ({"fast_math": True, "prec_div": True}, "fast_math=True and prec_div=True contradict"),
        ({"create_pch": "a", "use_pch": "b"}, "create_pch and use_pch exclude"),
        ({"pch": True, "create_pch": "b"}, "pch and create_pch exclude"),
        ({"tile_only": True, "simt_only": True}, "exclude each other"),
        ({"numba_debug": True}, "numba_debug needs debug=True"),
        ({"optimize": True}, "optimize needs debug=True"),
        ({"float128": True, "arch": 90}, "compute capability 10.0"),
        ({"bundled_headers": True, "find_headers": False}, "contradict"),
        ({"arch": "sm90"}, "'sm90' is no architecture"),
        ({"extra": ["-arch=sm_80"]}, "give the option arch"),
        ({"extra": ["--gpu-architecture", "sm_80"]}, "give the option arch"),
    ],
    ids=str,
)
def test_wrong_values(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ProgramOptions(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"debug": 1},
        {"debug": "yes"},
        {"max_registers": 3.0},
        {"max_registers": True},
        {"std": 17},
        {"include_paths": [5]},
        {"include_paths": b"/x"},
        {"defines": [5]},
        {"diag_error": "1"},
        {"find_headers": None},
        {"extra": [5]},
        {"arch": 9.0},
        {"undefines": 5},
    ],
    ids=str,
)
def test_wrong_types(given: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(given))):
        ProgramOptions(**given)


def test_unknown_options() -> None:
    with pytest.raises(TypeError, match="there is no option 'use_fast_math'; did you mean fast_math"):
        cu.Program("", use_fast_math=True)
    with pytest.raises(TypeError, match="no option 'line_info'; did you mean lineinfo"):
        cu.Program("").compile(line_info=True)
    with pytest.raises(TypeError, match="any option of NVRTC can be given in `extra`"):
        cu.Program("", options={"zzzzzz": 1})


# cuda.core 1.2's names of what is for NVRTC, from its documentation; the rest of its 55 is for its other compiler, or is `arch`
# and `name`
PEER = (
    "relocatable_device_code extensible_whole_program debug lineinfo device_code_optimize ptxas_options max_register_count ftz "
    "prec_sqrt prec_div fma use_fast_math extra_device_vectorization link_time_optimization gen_opt_lto define_macro undefine_macro "
    "include_path use_bundled_headers pre_include no_source_include std builtin_move_forward builtin_initializer_list "
    "disable_warnings restrict device_as_default_execution_space device_int128 device_float128 optimization_info diag_error "
    "diag_suppress diag_warn no_display_error_number brief_diagnostics time split_compile fdevice_syntax_only minimal no_cache "
    "fdevice_time_trace frandom_seed ofast_compile pch create_pch use_pch pch_dir pch_verbose pch_messages "
    "instantiate_templates_in_pch numba_debug"
)


def test_complaint_12_every_option_of_the_peer_is_there_or_suggested() -> None:
    known = {f.name for f in fields(ProgramOptions)}
    for name in PEER.split():
        if name not in known:
            with pytest.raises(TypeError, match="did you mean"):
                program_options(None, {name: True})


def test_options_are_values() -> None:
    options = ProgramOptions(arch=90, defines={"A": 1})
    assert options == ProgramOptions(arch="90", defines={"A": 1})
    assert pickle.loads(pickle.dumps(options)) == options
    changed = options.having(debug=True)
    assert (changed.debug, changed.arch, options.debug) == (True, options.arch, None)
    assert program_options(options, {}) is options
    assert program_options({"ftz": True}, {"ftz": False}).ftz is False
    with pytest.raises(AttributeError):
        options.debug = True  # type: ignore[misc]
    assert os.fspath(Path(HERE)) in ProgramOptions(include_paths="x").arguments()[0]
