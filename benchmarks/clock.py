"""Nanoseconds a call: the columns of a row take turns, many short slices, several fresh processes.

Other work on the machine only ever adds time, so the least of all slices is the figure; the median is there to show how
noisy it was.  What an empty loop takes, measured alongside, is subtracted.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass

from .columns import Loop, loop


@dataclass
class Times:
    """Nanoseconds a call."""

    least: float
    median: float


def _run(run: Loop, n: int) -> float:
    start = time.perf_counter()
    run(n)
    return time.perf_counter() - start


def _fitting(run: Loop, seconds: float) -> int:
    n = 100
    while (took := _run(run, n)) < seconds:
        n = max(2 * n, int(n * seconds / max(took, 1e-7)))
    return n


def row(loops: dict[str, Loop], slices: int, seconds: float) -> dict[str, Times]:
    """The times of one row: column -> times."""
    empty = loop("pass", {})
    counts = {name: _fitting(run, seconds) for name, run in loops.items()}
    taken: dict[str, list[float]] = {name: [] for name in loops}
    nothing = []
    gc.collect()
    gc.disable()
    for i in range(slices):
        nothing.append(_run(empty, 100_000) / 100_000)
        for name in list(loops)[:: 1 if i % 2 else -1]:
            taken[name].append(_run(loops[name], counts[name]) / counts[name])
    gc.enable()
    least, median = min(nothing), statistics.median(nothing)
    return {
        name: Times((min(all_) - least) * 1e9, (statistics.median(all_) - median) * 1e9) for name, all_ in taken.items()
    }


def together(runs: list[dict[str, Times]]) -> dict[str, Times]:
    """Several processes' times of one row: the least of the least, the median of the medians."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {
        name: Times(min(run[name].least for run in runs), statistics.median(run[name].median for run in runs))
        for name in names
    }
