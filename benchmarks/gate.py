"""The gate: instructions per call of our columns against the committed table.

    python -m benchmarks.gate             compares, says what changed
    python -m benchmarks.gate --accept    records what is measured now

Three figures a row.  `crossings` (how often control leaves our modules) depends on our code alone.  `own` (instructions in
our modules) also on the compiler: it is compared where the compiler is the recorded one.  `total` also on how the
interpreter was built (optimized with a profile or not): it is compared where the interpreter is the recorded one.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import workshop
from .adapters import OURS, UNIFIED
from .rows import LAYER_ROWS, ROWS

TABLE = Path(__file__).resolve().parent / "instructions.json"
FOLDER = workshop.ROOT / "build" / "gate"
ACCEPT = "python -m benchmarks.gate --accept"
TOLERANCE = 0.03
FOREIGN = ("memcpy_htod_numpy", "array_from_dlpack", "array_from_interface", "struct_new_fields")
"""Rows whose total has others' instructions in it: another package's, or of a dict that the interpreter makes."""


@dataclass(frozen=True)
class Change:
    """A figure that moved by more than the tolerance."""

    row: str
    figure: str
    was: float
    now: float

    def __str__(self) -> str:
        return f"{self.row}: {self.figure} {self.was:g} -> {self.now:g} ({(self.now / self.was - 1) * 100:+.1f} %)"


def key() -> str:
    """Which of the recorded tables is for this interpreter."""
    return f"cpython-{sys.version_info.major}.{sys.version_info.minor}-{platform.machine()}"


def measure() -> dict[str, Any]:
    """What the table records, measured now."""
    workshop.prepare(FOLDER, floors=False)
    rows = {}
    for name in (OURS, UNIFIED):  # a process each: what one imports is nothing to the other
        found = json.loads(workshop.child(FOLDER, "benchmarks.worker", "count", name, "."))
        rows |= {row: {figure: round(n, 1) for figure, n in columns[name].items()} for row, columns in found.items()}
    compiler = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return {"interpreter": sys.version, "compiler": f"gcc {compiler}", "rows": rows}


def gated() -> set[str]:
    """All rows."""
    return {*ROWS, *LAYER_ROWS}


def recorded() -> dict[str, Any]:
    """All tables."""
    tables: dict[str, Any] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    return tables


def compared(table: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The figures that can be compared here."""
    figures = ["crossings"]
    if table["compiler"] == now["compiler"]:
        figures.append("own")
        if table["interpreter"] == now["interpreter"]:
            figures.append("total")
    return figures


def compare(table: dict[str, Any], now: dict[str, Any]) -> tuple[list[Change], list[Change]]:
    """What rose and what fell."""
    rose, fell = [], []
    for row, was in table["rows"].items():
        for figure in compared(table, now):
            if row not in now["rows"] or (figure == "total" and row in FOREIGN) or not was[figure]:
                continue
            change = Change(row, figure, was[figure], now["rows"][row][figure])
            if change.now > change.was * (1 + TOLERANCE):
                rose.append(change)
            elif change.now < change.was * (1 - TOLERANCE):
                fell.append(change)
    return rose, fell


def accept(now: dict[str, Any]) -> None:
    """Writes the table."""
    tables = recorded() | {key(): now}
    TABLE.write_text(json.dumps(dict(sorted(tables.items())), indent=1) + "\n")


def main() -> int:
    """The command."""
    now = measure()
    if "--accept" in sys.argv[1:]:
        accept(now)
        print(f"recorded {len(now['rows'])} rows for {key()}")
        return 0
    if key() not in recorded():
        print(f"nothing is recorded for {key()}; `{ACCEPT}` does")
        return 0
    table = recorded()[key()]
    rose, fell = compare(table, now)
    for title, changes in (("rose", rose), ("fell", fell)):
        for change in changes:
            print(f"{title}: {change}")
    print(f"compared: {', '.join(compared(table, now))}; to record what is measured: `{ACCEPT}`")
    return 1 if rose else 0


if __name__ == "__main__":
    sys.exit(main())
