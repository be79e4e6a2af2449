"""The page that compares with cuda.core: it is current, and names nothing that does not exist."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import comparison

SCRIPT = Path(comparison.__file__)
DATA = tomllib.loads(SCRIPT.with_suffix(".toml").read_text())


def test_the_page_is_current() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    text = comparison.PAGE.read_text()
    assert all(name in text for group in DATA["group"] for row in group["rows"] for name in comparison.names(row[2]))


@pytest.mark.parametrize(
    "name", ["Buffer.grow", "Nothing", "Device.name.x", "Pool.create(size)", "managed.nothing", "a b"]
)
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    data = {"group": [{"title": "g", "rows": [["present", "x", f"Device, {name}", ""]]}]}
    (problem,) = comparison.problems(data)
    assert name in problem


@pytest.mark.parametrize("row", [["not yet", "x", "Device", "said"], ["present", "x", "", ""], ["partly", "x", "Device", ""], ["fine", "x", "Device", "said"]])  # fmt: skip
def test_a_row_that_contradicts_itself_is_found(row: list[str]) -> None:
    assert comparison.problems({"group": [{"title": "g", "rows": [row]}]})


def test_rows_say_all_that_they_have() -> None:
    groups = [group["title"] for group in DATA["group"]]
    assert len(groups) == len(set(groups)) == 7
    theirs = [name for group in DATA["group"] for row in group["rows"] for name in comparison.names(row[1])]
    assert len(theirs) > 100 and len(theirs) == len(set(theirs)), "a name of cuda.core stands in one row"
