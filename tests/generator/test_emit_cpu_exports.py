"""The exports of the CPU device: every symbol once, variants and old versions lead to the plain one, tables are in order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from generator import ir, pipeline
from generator.emit import cpu_exports
from generator.plan import LibraryInfo
from generator.typetable import Types

DRIVER = pipeline.OUT / "cpu_device" / "src" / "driver"
PLAN = next(
    one.plan for one in pipeline.lowered(pipeline.ROOT, pipeline.target(pipeline.ROOT)) if one.plan.info.stand_in
)
TEXTS = cpu_exports.emit(PLAN.library, PLAN.info, PLAN.types)


def function(symbol: str, *types: str, name: str = "", **more: object) -> ir.Function:
    params = tuple(ir.Param(f"p{i}", t) for i, t in enumerate(types))
    return ir.Function(name or symbol, symbol, "toyStatus", params, "toy.h", **more)  # type: ignore[arg-type]


STATUS = ir.Enum("toyStatus", "toyStatus", False, (("TOY_SUCCESS", 0), ("TOY_BAD", 5)))
TOY = ir.Library(
    "toy",
    "1.0",
    functions=(
        function("toyCopy", "void *", "int", per_thread="toyCopy_ptds", resolver_name="toyCopy", resolver_version=2000),
        function("toyOpen_v2", "int", name="toyOpen", resolver_name="toyOpen", resolver_version=3000),
        function("toyOpen", "int", legacy=True, resolver_name="toyOpen", resolver_version=1000),
        function("toyRead_v2", "size_t", name="toyRead"),
        function("toyRead", "unsigned int", legacy=True),
        function("toyLost", "toyForgotten *", legacy=True, per_thread="toyLost_ptsz"),
    ),
    enums=(STATUS,),
)
INFO = LibraryInfo(
    "toy", "Toy", ("toy.h",), ("toy.h",), ("libtoy.so.1",), "toyStatus", "TOY_SUCCESS", "TOY_BAD", "", "", ""
)
HEADER, SOURCE = cpu_exports.emit(TOY, INFO, Types(TOY)).values()


def body(symbol: str) -> str:
    match = re.search(rf"^\S.* \*?{symbol}\([^{{]*\{{\n(.*?)\n\}}", SOURCE, re.MULTILINE | re.DOTALL)
    assert match, symbol
    return " ".join(match[1].split())


def test_what_nobody_wrote_is_weak_and_not_supported() -> None:
    assert "WEAK toyStatus toyCopy(void *, int) {" in SOURCE
    assert body("toyCopy") == "return static_cast<toyStatus>(cpu_device::not_supported());"


def test_a_variant_marks_the_thread_and_calls_the_plain_function() -> None:
    assert body("toyCopy_ptds") == "cpu_device::PerThreadStream scope; return toyCopy(a0, a1);"
    assert "EXPORTED toyStatus toyCopy_ptds(void *, int);" in HEADER


def test_an_old_symbol_of_the_same_signature_calls_the_new_one() -> None:
    assert body("toyOpen") == "return toyOpen_v2(a0);"
    assert "not_supported" in body("toyRead")  # another signature


def test_a_type_that_no_header_declares_any_more() -> None:
    assert "EXPORTED toyStatus toyLost();" in HEADER
    assert body("toyLost_ptsz") == "cpu_device::PerThreadStream scope; return toyLost();"


def test_the_resolvers_table_is_sorted() -> None:
    rows = re.findall(r'\{"(\w+)", (\d+), address\((\w+)\), (\S+)\},', SOURCE)
    assert rows == [
        ("toyCopy", "2000", "toyCopy", "address(toyCopy_ptds)"),
        ("toyOpen", "1000", "toyOpen", "nullptr"),
        ("toyOpen", "3000", "toyOpen_v2", "nullptr"),
    ]
    names = re.findall(r'\{"(cu\w+)", (\d+),', TEXTS["generated_exports.cpp"])
    assert names == sorted(names, key=lambda row: (row[0], int(row[1]))) and len(names) > 500


def test_status_names() -> None:
    assert re.findall(r'\{(\d+), "(\w+)"\},', SOURCE) == [("0", "TOY_SUCCESS"), ("5", "TOY_BAD")]


def test_every_symbol_of_the_api_is_declared_once() -> None:
    declared = re.findall(r"^EXPORTED .*?(\w+)\(", TEXTS["generated_exports.hpp"], re.MULTILINE)
    wanted = {s for f in PLAN.library.functions for s in (f.symbol, f.per_thread) if s}
    assert sorted(declared) == sorted(wanted)


def test_the_library_exports_exactly_that() -> None:
    library = pipeline.OUT / pipeline.PACKAGE / PLAN.info.stand_in
    if not library.exists():
        pytest.skip("the CPU device is not built")
    lines = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    found = {line.split()[2].partition("@")[0] for line in lines.splitlines()}
    wanted = {s for f in PLAN.library.functions for s in (f.symbol, f.per_thread) if s}
    assert {symbol for symbol in found if not symbol.startswith("cubind_cpu_")} == wanted


def test_the_tree_has_what_is_emitted() -> None:
    for name, text in TEXTS.items():
        assert (DRIVER / name).read_text() == text


def test_a_wrong_signature_does_not_compile(tmp_path: Path) -> None:
    good = '#include "generated_exports.hpp"\nextern "C" CUresult cuMemFree_v2(CUdeviceptr) { return CUDA_SUCCESS; }\n'
    for text, works in ((good, True), (good.replace("(CUdeviceptr)", "(int)"), False)):
        source = tmp_path / "own.cpp"
        source.write_text(text)
        abi = pipeline.OUT / pipeline.PACKAGE / "_abi"
        command = ["g++", "-std=c++17", "-fsyntax-only", "-DCUBIND_EXACT_NAMES", f"-I{DRIVER}", f"-I{abi}", str(source)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert (done.returncode == 0) is works
