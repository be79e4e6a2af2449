"""Instructions a call, exactly: the processor stops after each one (floors/steps.c), in this process.

Counts repeat to the instruction, whatever else the machine does, and need neither valgrind nor performance counters.
Each step costs about 10 µs, so a row takes some milliseconds.
"""

from __future__ import annotations

import array
import bisect
import gc
import importlib
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .columns import Loop, loop

SUPPORTED = platform.machine() == "x86_64" and platform.system() == "Linux"
_ROOM = 1 << 20


@dataclass(frozen=True)
class Count:
    """Of one call, the loop around it subtracted."""

    total: float
    own: float
    """In the column's own extension modules: depends on our code and the compiler, not on the interpreter's build."""
    crossings: float
    """How often control left those modules, to the interpreter, the driver or the C library, returns included."""


class Objects:
    """Which file the code at an address comes from."""

    def __init__(self) -> None:
        rows = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
        self._maps = sorted(
            (*(int(x, 16) for x in row[0].split("-")), int(row[2], 16), row[5] if len(row) > 5 else "")
            for row in rows
            if "x" in row[1]
        )
        self._starts = [start for start, *_ in self._maps]

    def place(self, address: int) -> tuple[str, int]:
        """The file, and the offset in it."""
        i = bisect.bisect_right(self._starts, address) - 1
        start, end, offset, name = self._maps[i]
        return (name, address - start + offset) if i >= 0 and address < end else ("", address)


def trace(run: Loop, n: int) -> array.array[int]:
    """The address of each instruction while `run(n)` runs."""
    steps = importlib.import_module("steps")
    places = array.array("Q", bytes(8 * _ROOM))
    gc.disable()
    took = steps.trace(run, n, places)
    gc.enable()
    if took > _ROOM:
        raise RuntimeError(f"{took} instructions are more than the {_ROOM} that there is room for")
    return places[:took]


def _summary(places: array.array[int], objects: Objects, own: str) -> tuple[int, int, int]:
    known: dict[int, bool] = {}
    inside = crossings = 0
    before = False
    for address in places:
        page = address >> 12
        if page not in known:
            known[page] = own in objects.place(address)[0]
        here = known[page]
        inside += here
        crossings += before and not here
        before = here
    return len(places), inside, crossings


def count(run: Loop, own: str, calls: int = 8) -> Count:
    """What one run of the loop's body takes.

    Args:
        own: a part of the path that the column's own modules have in common.
    """
    run(300)  # the interpreter has specialized the code, free lists are filled
    empty = loop("pass", {})
    empty(300)
    objects = Objects()
    if len(trace(run, 1)) > 10_000:
        calls = 2

    def difference(one: Loop) -> list[float]:
        few, many = (_summary(trace(one, n), objects, own) for n in (1, 1 + calls))
        return [(b - a) / calls for a, b in zip(few, many, strict=True)]

    row, nothing = difference(run), difference(empty)
    return Count(*(a - b for a, b in zip(row, nothing, strict=True)))


def functions(run: Loop, calls: int = 8) -> dict[tuple[str, str], float]:
    """(file, function) -> instructions a call, the loop included: to see where they go.  Needs nm, and symbols."""
    run(300)
    objects = Objects()
    found: dict[tuple[str, str], float] = {}
    symbols: dict[str, tuple[list[int], list[str]]] = {}
    for n, sign in ((1, -1), (1 + calls, 1)):
        for address in trace(run, n):
            path, offset = objects.place(address)
            if path not in symbols:
                symbols[path] = _symbols(path)
            starts, names = symbols[path]
            i = bisect.bisect_right(starts, offset) - 1
            key = (Path(path).name, names[i] if i >= 0 else "?")
            found[key] = found.get(key, 0) + sign / calls
    return found


def _symbols(path: str) -> tuple[list[int], list[str]]:
    if not path.startswith("/"):
        return [], []
    data = Path(path).read_bytes()[:18]
    lines = subprocess.run(["nm", "-n", "--defined-only", path], capture_output=True, text=True, check=False).stdout
    lines += subprocess.run(["nm", "-nD", "--defined-only", path], capture_output=True, text=True, check=False).stdout
    base = 0x400000 if data[16] == 2 else 0  # an executable that is not relocated
    rows = sorted(
        {(int(line.split()[0], 16) - base, line.split()[2]) for line in lines.splitlines() if len(line.split()) == 3}
    )
    code = [(address, name) for address, name in rows if address >= 0]
    return [address for address, _ in code], [name for _, name in code]
