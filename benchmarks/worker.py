"""A process that measures: `python -m benchmarks.worker ns|count|where COLUMNS ROWS [SLICES]`, prints JSON."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict

from . import clock, columns, instructions
from .rows import LAYER_ROWS, ROWS

OWN = {"ours": "/cubind/", "legacy": "/cuda/", "v2": "/cuda/", "c_released": "/floor_", "c_held": "/floor_",
       "unified": "/cuda_unified/", "core": "/cuda/"}  # fmt: skip


def main(what: str, names: str, rows: str, slices: str = "15") -> None:
    """Measures and prints."""
    loaded = columns.load(names.split(","), re.compile(rows).search)
    found = {}
    for row in (*ROWS, *LAYER_ROWS):
        loops = {name: column[row] for name, column in loaded.items() if row in column}
        if not loops:
            continue
        if what == "ns":
            found[row] = {name: asdict(t) for name, t in clock.row(loops, int(slices), 0.003).items()}
        elif what == "count":
            found[row] = {name: asdict(instructions.count(run, OWN[name])) for name, run in loops.items()}
        else:
            found[row] = {name: _where(run) for name, run in loops.items()}
    json.dump(found, sys.stdout)


def _where(run: columns.Loop) -> list[tuple[float, str, str]]:
    counts = instructions.functions(run)
    return sorted(((n, *key) for key, n in counts.items() if n), reverse=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
