"""The results as one table, and whether each bar is reached."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from .adapters import ALL, CORE, LEGACY, OURS, UNIFIED, V2
from .rows import CLASSES, COSTS, LAYER_NOTES, LAYER_ROWS, NOTES, ROWS

Figures = dict[str, dict[str, dict[str, float]]]
"""Row -> column -> figures."""


def _mark(ratio: float | None, bar: float | None) -> str:
    if ratio is None:
        return "–"
    text = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    return f"{text}x" if bar is None else f"{text}x {'✓' if ratio >= bar else '✗'} {bar:g}"


def _ratio(row: dict[str, dict[str, float]], peer: str, figure: str, ours: str = OURS) -> float | None:
    return row[peer][figure] / row[ours][figure] if peer in row and ours in row else None


def _lines(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)


def calls(ns: Figures, counts: Figures, judged: bool = True) -> str:
    """ns of every column, the ratios against the peers with their bars, and instructions.  The bars are for the fake driver."""
    head = ["row (ns per call)", *ALL, "legacy/ours", "v2/ours"]
    if counts:
        head += ["instructions", "in cubind", "C released", "legacy/ours", "v2/ours"]
    rows = []
    for row, class_ in ROWS.items():
        found, bar = ns.get(row, {}), CLASSES[class_ if judged else "not judged"]
        line = [row + (" *" if row in NOTES else "")]
        line += [f"{found[name]['least']:.1f}" if name in found else "–" for name in ALL]
        line += [_mark(_ratio(found, peer, "least"), b) for peer, b in ((LEGACY, bar.legacy), (V2, bar.v2))]
        if counts:
            count = counts.get(row, {})
            ours = count.get(OURS, {"total": 0, "own": 0})
            floor = count.get("c_released")
            line += [f"{ours['total']:.0f}", f"{ours['own']:.0f}", f"{floor['total']:.0f}" if floor else "–"]
            line += [_mark(_ratio(count, peer, "total"), None) for peer in (LEGACY, V2)]
        rows.append(line)
    notes = "\n".join(f"- {row}: {note}" for row, note in NOTES.items())
    return f"{_lines(head, rows)}\n\nRows with a star:\n{notes}\n"


def layer_calls(ns: Figures, judged: bool = True) -> str:
    """The unified layer's rows."""
    rows = []
    for row, bar in LAYER_ROWS.items():
        found = ns.get(row, {})
        line = [row + (" *" if row in LAYER_NOTES else "")]
        line += [f"{found[name]['least']:.1f}" if name in found else "–" for name in (UNIFIED, CORE)]
        rows.append([*line, _mark(_ratio(found, CORE, "least", UNIFIED), bar if judged else None)])
    notes = "\n".join(f"- {row}: {note}" for row, note in LAYER_NOTES.items())
    head = ["row (ns per call)", "cuda_unified", "cuda.core", "cuda.core/ours"]
    return f"{_lines(head, rows)}\n\nRows with a star:\n{notes}\n"


def costs(found: dict[str, dict[str, float]]) -> str:
    """The rows that are no calls."""
    rows = []
    for name, limit in COSTS.items():
        row = found.get(name, {})
        ours = row.get(OURS)
        line = [name, *(f"{row[c]:.2f}" if c in row else "–" for c in (OURS, LEGACY, V2, CORE))]
        limits = (
            f"{limit.at_most:g} {'✓' if ours is not None and ours <= limit.at_most else '✗'}" if limit.at_most else "–"
        )
        line += [limits]
        line += [
            _mark(row[c] / ours if ours and c in row else None, b) for c, b in ((LEGACY, limit.legacy), (V2, limit.v2))
        ]
        rows.append(line)
    return _lines(["cost", OURS, LEGACY, V2, "cuda.core", "at most", "legacy/ours", "v2/ours"], rows) + "\n"


def missed(ns: Figures) -> list[str]:
    """Rows that do not reach a bar."""
    found = []
    for row, class_ in ROWS.items():
        bar = CLASSES[class_]
        for peer, wanted in ((LEGACY, bar.legacy), (V2, bar.v2)):
            ratio = _ratio(ns.get(row, {}), peer, "least")
            if wanted and ratio is not None and ratio < wanted:
                found.append(f"{row}: {ratio:.2f}x of {peer}, {wanted:g}x wanted")
    for row, wanted in LAYER_ROWS.items():
        ratio = _ratio(ns.get(row, {}), CORE, "least", UNIFIED)
        if wanted and ratio is not None and ratio < wanted:
            found.append(f"{row}: {ratio:.2f}x of cuda.core, {wanted:g}x wanted")
    return found


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def machine(driver: str) -> str:
    """Versions, processor, date."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    gcc = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    peers = ", ".join(f"{name} {_version(name)}" for name in ("cuda-bindings", "cuda-core", "numpy", "cython"))
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{when}; CPython {platform.python_version()} ({platform.python_compiler()}), gcc {gcc}, {peers}; "
        f"{cpu[1] if cpu else platform.machine()}; {driver}"
    )
