"""Which functions are emitted in which order, what things are called, and how files are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import function, library

from generator import names
from generator.writer import STAMP, Writer, stamp, write_if_changed


def test_functions_are_sorted_by_symbol() -> None:
    """The order of the function table: symbols, not public names."""
    found = names.emitted_functions(library(function("toyB"), function("toyA", symbol="toyC_v2"), function("toyA_v3")))
    assert [f.symbol for f in found] == ["toyA_v3", "toyB", "toyC_v2"]


def test_legacy_symbols_are_left_out_but_for_versions() -> None:
    """An old symbol that has a version in its name, and whose name means nothing else now, is still called."""
    declared = [
        function("toyA", symbol="toyA_v3"),
        function("toyA", symbol="toyA", legacy=True),
        function("toyA_v2", symbol="toyA_v2", legacy=True),
        function("toyB_v2", symbol="toyB_v4"),
        function("toyB_v2", symbol="toyB_v2", legacy=True),
        function("toyC_v1", symbol="toyC_v1", legacy=True),
        function("toyD_v12", symbol="toyD_v12", legacy=True),
        function("toyD_v20x", symbol="toyD_v20x", legacy=True),
    ]
    found = names.emitted_functions(library(*declared))
    assert [f.symbol for f in found] == ["toyA_v2", "toyA_v3", "toyB_v4", "toyD_v12"]


@pytest.mark.parametrize(
    ("template", "group", "page"),
    [
        ("https://toy/group__{group}.html", "TOY_MEM", "https://toy/group__TOY__MEM.html"),
        ("https://toy/group__{group}.html", "", ""),
        ("https://toy/", "", "https://toy/"),
        ("https://toy/", "TOY_MEM", "https://toy/"),
        ("", "TOY_MEM", ""),
    ],
)
def test_page_of_a_group(template: str, group: str, page: str) -> None:
    assert names.page(template, group) == page


def test_parameters_that_python_keeps_for_itself() -> None:
    assert [names.parameter(name) for name in ("from", "in", "lambda", "None", "size")] == [
        "from_",
        "in_",
        "lambda_",
        "None_",
        "size",
    ]


def test_writer_indents_and_leaves_no_spaces_behind() -> None:
    w = Writer("  ")
    w.line("a:")
    with w.indented():
        w.line("b:\nc  ")
        with w.indented():
            w.line("d")
        w.line()
    w.line("e")
    assert w.text() == "a:\n  b:\n  c\n    d\n\ne\n"


def test_stamp_says_from_what_by_what() -> None:
    assert stamp("#", "x").startswith(f"# {STAMP} from x. Do not edit")
    assert stamp("/*", "x").endswith(" */")


def test_file_is_written_when_its_content_changes(tmp_path: Path) -> None:
    """Folders are made, and an unchanged file keeps its time: nothing is built again for it."""
    path = tmp_path / "a" / "b.txt"
    assert write_if_changed(path, "one\n")
    before = path.stat().st_mtime_ns
    assert not write_if_changed(path, "one\n")
    assert path.stat().st_mtime_ns == before
    assert write_if_changed(path, "two\n")
    assert (path.read_text(), [p.name for p in path.parent.iterdir()]) == ("two\n", ["b.txt"])
