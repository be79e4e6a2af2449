"""COMPLAINTS.md names the tests that answer each complaint: those that say so in their name, docstring or parameters."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS / "COMPLAINTS.md"
ROW = re.compile(r"^\| \[(\d+)\]\((https://\S+)\) \| (.+) \| (.*) \|$", re.MULTILINE)
COUNT = 60
SAID = re.compile(r"complaints?[ _](\d+(?:(?:, | and )\d+)*)", re.IGNORECASE)


def numbers(node: ast.FunctionDef) -> set[int]:
    """What a test says that it answers."""
    texts = [node.name, ast.get_docstring(node) or "", *map(ast.unparse, node.decorator_list)]
    return {int(n) for text in texts for found in SAID.findall(text) for n in re.findall(r"\d+", found)}


def answers() -> dict[int, list[str]]:
    """Complaint -> the tests, as the page has them."""
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(TESTS.rglob("test_*.py")):
        if path == Path(__file__):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for n in numbers(node):
                    found[n][path.relative_to(TESTS).as_posix()].append(node.name.removeprefix("test_"))
    return {
        n: [
            f"[{Path(file).stem.removeprefix('test_')}]({file}): {', '.join(f'`{t}`' for t in tests)}"
            for file, tests in by.items()
        ]
        for n, by in found.items()
    }


def test_the_page_is_current() -> None:
    by_number, text = answers(), PAGE.read_text()

    def row(match: re.Match[str]) -> str:
        n, url, what, before = match.groups()
        said = "; ".join(by_number.get(int(n), []))
        assert bool(said) != before.startswith("not here: "), f"complaint {n} has tests, or a reason that it has none"
        return f"| [{n}]({url}) | {what} | {said or before} |"

    now = ROW.sub(row, text)
    if os.environ.get("CUBIND_ACCEPT") == "1":
        PAGE.write_text(now)
    elif now != text:
        pytest.fail("tests/COMPLAINTS.md is not current: CUBIND_ACCEPT=1 pytest tests/repo/test_complaints.py")


def test_each_complaint_has_one_row() -> None:
    assert [int(n) for n, *_ in ROW.findall(PAGE.read_text())] == list(range(1, COUNT + 1))
    assert set(answers()) <= set(range(1, COUNT + 1))


def test_a_test_says_what_it_answers() -> None:
    """The forms that are understood."""
    source = '@mark.parametrize("n", ["complaint_7"])\ndef test_complaint_3_a() -> None:\n    """Complaints 4, 5 and 6: b."""\n'
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert numbers(node) == {3, 4, 5, 6, 7}
