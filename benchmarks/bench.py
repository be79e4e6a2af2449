"""Measures every row of every column and prints one table.

python -m benchmarks.bench [--gpu] [-k REGEX] [-a COLUMNS] [--processes N] [--no-costs] [--write FILE]
python -m benchmarks.bench --where ROW     which functions the instructions of our column are in
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import sys
from pathlib import Path
from typing import Any

from . import clock, costs, instructions, report, workshop
from .adapters import ALL, LAYERS, OURS

FOLDER = workshop.ROOT / "build" / "bench"
HOW = """\
Written by `make bench`.  ns: the least of many short slices in several fresh processes, the columns taking turns, an empty
loop subtracted; instructions: exact, of one call.  `x`: the peer's figure over ours; ✓ or ✗ and the bar where there is one.
`c_released` and `c_held` are hand-written C with and without the GIL.  How to read it: [README](README.md).
"""


def has_gpu() -> str:
    """What keeps the rows from running on a real driver; empty if nothing does."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no libcuda.so.1 here"
    count = ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    return f"the driver answers with status {status}" if status else "" if count.value else "the driver has no device"


def times(options: argparse.Namespace) -> report.Figures:
    """ns: row -> column -> figures, of all processes together."""
    runs: list[report.Figures] = []
    for i in range(options.processes):
        print(f"# process {i + 1} of {options.processes}", file=sys.stderr)
        text = workshop.child(FOLDER, "benchmarks.worker", "ns", options.a, options.k, real_driver=options.gpu)
        runs.append(json.loads(text))
    found: report.Figures = {}
    for row in runs[0]:
        all_ = [{name: clock.Times(**figures) for name, figures in run[row].items()} for run in runs]
        found[row] = {name: vars(figures) for name, figures in clock.together(all_).items()}
    return found


def counts(options: argparse.Namespace) -> report.Figures:
    """Instructions: row -> column -> figures; nothing where they cannot be counted."""
    names = ",".join(name for name in options.a.split(",") if name in ALL)
    if options.gpu or not instructions.SUPPORTED or not names:
        return {}
    print("# instructions", file=sys.stderr)
    found: report.Figures = json.loads(workshop.child(FOLDER, "benchmarks.worker", "count", names, options.k))
    return found


def where(row: str) -> None:
    """Prints the functions, the most expensive first."""
    found: dict[str, Any] = json.loads(workshop.child(FOLDER, "benchmarks.worker", "where", OURS, f"^{row}$"))
    for n, file, function in found[row][OURS]:
        print(f"{n:8.1f}  {file:40} {function}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default=".", help="rows to measure, a regular expression")
    parser.add_argument("-a", default=",".join((*ALL, *LAYERS)), help="columns")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--gpu", action="store_true", help="the real driver instead of the fake one")
    parser.add_argument("--no-costs", action="store_true", help="calls only")
    parser.add_argument("--write", type=Path, help="a file for the table")
    parser.add_argument("--where", metavar="ROW")
    options = parser.parse_args()
    re.compile(options.k)
    return options


def main() -> None:
    """Measures and reports."""
    options = arguments()
    if options.gpu and (reason := has_gpu()):
        print(f"no rows on a GPU: {reason}")
        return
    workshop.prepare(FOLDER)
    if options.where:
        where(options.where)
        return
    ns = times(options)
    judged = not options.gpu
    text = report.calls(ns, counts(options), judged) + "\n" + report.layer_calls(ns, judged)
    if not options.no_costs and not options.gpu:
        print("# import, size, build", file=sys.stderr)
        text += "\n" + report.costs(costs.measure(FOLDER))
    driver = "a real driver" if options.gpu else "the fake driver"
    text = f"# Results\n{report.machine(driver)}\n\n{HOW}\n{text}\n"
    if judged:
        missed = "\n".join(f"- {line}" for line in report.missed(ns)) or "none"
        text += f"## Bars not reached\n{missed}\n"
    print(text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
