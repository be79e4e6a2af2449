"""The columns as functions that can be run: one a row, all rows of all columns in one process."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable
from typing import Any

Loop = Callable[[int], None]
"""Runs a statement so many times."""


def loop(statement: str, names: dict[str, Any]) -> Loop:
    """A function whose loop has the statement as its body; what the statement refers to are its globals."""
    body = textwrap.indent(statement, "        ")
    code = f"def run(n):\n    for _ in repeat(None, n):\n{body}\n"
    scope = {**names, "repeat": itertools.repeat}
    exec(code, scope)
    run: Loop = scope["run"]
    return run


def load(names: list[str], wanted: Callable[[str], bool]) -> dict[str, dict[str, Loop]]:
    """Column -> row -> loop, each run a few times; what cannot be run is reported and left out."""
    found: dict[str, dict[str, Loop]] = {}
    for name in names:
        try:
            adapter = importlib.import_module(f"benchmarks.adapters.{name}")
            scope = adapter.namespace()
        except Exception as error:  # a peer that is not installed, or does not work here
            print(f"# no column {name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        found[name] = {}
        for row, statement in adapter.STATEMENTS.items():
            if wanted(row) and (run := _tried(f"{name}: {row}", loop(statement, scope))):
                found[name][row] = run
    return found


def _tried(title: str, run: Loop) -> Loop | None:
    try:
        run(3)
    except Exception as error:
        print(f"# {title}: {type(error).__name__}: {error}", file=sys.stderr)
        return None
    return run
