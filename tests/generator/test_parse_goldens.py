"""What a header becomes: headers/<idea>.h, one idea each, and the facts that the parser makes of it, headers/<idea>.jsonl.

A golden has the form of the committed facts (generator/database.py).  To accept a change of what is parsed, run

    CUBIND_ACCEPT=1 python -m pytest tests/generator/test_parse_goldens.py

and read the difference that git shows.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

import pytest

from generator import database, ir, parse

HEADERS = Path(__file__).parent / "headers"
IDEAS = sorted(p.stem for p in HEADERS.glob("*.h") if "." not in p.stem)
REFUSED = sorted((HEADERS / "refused").glob("*.h"))
ACCEPT = "CUBIND_ACCEPT"
HOW = f"to accept this: {ACCEPT}=1 python -m pytest tests/generator/{Path(__file__).name}"

OPTIONS: dict[str, dict[str, object]] = {
    "per_thread_macro": {"per_thread_define": "TOY_PER_THREAD"},
    "inline_functions": {"inline": ("toy*",), "internal": ("__toy*",)},
    "legacy_define": {"legacy_define": "TOY_INTERNAL"},
    "resolver_versions": {"typedef_headers": ("resolver_versions.types.h",)},
}
"""What the `[library]` table of a policy would say, for the ideas that need it."""


def _parse(header: Path, **options: object) -> ir.Library:
    source = parse.Source("toy", (header.name,), (header.name,), ("TOY_",), **options)  # type: ignore[arg-type]
    return parse.parse(source, "1.0", [header.parent])


def _facts(library: ir.Library) -> str:
    facts = database.Database("toy")
    facts.merge(library)
    return database.dumps(facts)


def _difference(golden: str, found: str, name: str) -> str:
    lines = difflib.unified_diff(golden.splitlines(), found.splitlines(), name, "parsed now", lineterm="")
    return "\n".join([*lines, HOW])


@pytest.mark.parametrize("idea", IDEAS)
def test_header_becomes_facts(idea: str) -> None:
    """The facts of each header are the golden beside it, byte by byte."""
    found = _facts(_parse(HEADERS / f"{idea}.h", **OPTIONS.get(idea, {})))
    golden = HEADERS / f"{idea}.jsonl"
    if os.environ.get(ACCEPT):
        golden.write_text(found)
    assert golden.exists(), f"{golden.name} is missing; {HOW}"
    if golden.read_text() != found:
        pytest.fail(_difference(golden.read_text(), found, golden.name), pytrace=False)


def test_every_golden_has_its_header() -> None:
    """No golden outlives its header, and no option its idea."""
    assert sorted(p.stem for p in HEADERS.glob("*.jsonl")) == IDEAS
    assert set(OPTIONS) <= set(IDEAS)


@pytest.mark.parametrize("header", REFUSED, ids=lambda p: p.stem)
def test_header_is_refused(header: Path) -> None:
    """What the facts cannot express, and what does not parse, stops with file, line and what is wrong."""
    first = header.read_text().splitlines()[0]
    expected = first.removeprefix("/* refused: ").removesuffix(" */")
    with pytest.raises(parse.ParseError) as refused:
        _parse(header)
    assert re.search(expected, str(refused.value)), str(refused.value)


def test_missing_first_header_is_refused(tmp_path: Path) -> None:
    """A header that is nowhere stops with the same words as one that another header misses."""
    with pytest.raises(parse.ParseError, match=r"'toy\.h' file not found.*versions\.toml"):
        _parse(tmp_path / "toy.h")


@pytest.mark.parametrize("idea", IDEAS)
def test_facts_survive_the_file(idea: str) -> None:
    """What is read back from the text is what was parsed."""
    parsed = _parse(HEADERS / f"{idea}.h", **OPTIONS.get(idea, {}))
    assert database.loads(_facts(parsed)).library_at("1.0") == parsed
