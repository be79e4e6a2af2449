"""What the whole kernels give on one device: `python -m tests.cpu_device.kernels.recording ARCHITECTURE FOLDER [NAME ...]`.

Every buffer that a case looks at goes into FOLDER/<case>.npz, in order and named after how the case judges it; FOLDER/<case>.json
says how the case ended and whether its kernels promise the same bits on every device.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.cpu_device.kernels import harness

# what may differ in bits from device to device: approximations, products of a warp in floating point, filtered textures, and
# what depends on the order of the threads
FREE = re.compile(
    r"\.approx|\bdiv\.full|\bmma\.[^;]*\.(?:f16|bf16|f32|tf32|f64|e4m3|e5m2)\b|(?<![\w.])(?:tex|tld4|atom|red)\."
    r"|%clock|%globaltimer|%smid|%nsmid|%warpid"
)


def promised(ptx: str, kernels: set[str]) -> bool:
    """Whether kernels of a module, and what they call, have nothing but integer and IEEE operations in a fixed order."""
    parts = re.split(r"(?=^(?:\.visible |\.weak )*\.(?:entry|func)\b)", ptx, flags=re.M)[1:]
    bodies = {}
    for part in parts:
        if name := re.search(r"\.(?:entry|func)\s*(?:\([^)]*\))?\s*([\w$]+)", part):
            bodies[name[1]] = bodies.get(name[1], "") + part
    todo, done = set(kernels), set()
    while todo:
        name = todo.pop()
        done.add(name)
        if FREE.search(bodies[name]):
            return False
        todo |= set(re.findall(r"[\w$]+", bodies[name])) & set(bodies) - done
    return True


class Recorder(harness.Device):
    """A case's device that keeps what the case reads."""

    how = "read"

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.seen: dict[str, np.ndarray] = {}

    def get(self, pointer: int, dtype: Any) -> np.ndarray:
        found = super().get(pointer, dtype)
        self.seen[f"{len(self.seen):04}-{self.how}"] = found
        return found

    def _judged(self, how: str, judge: Any, *arguments: Any) -> None:
        self.how = how
        try:
            judge(*arguments)
        finally:
            self.how = "read"

    def equal(self, pointer: int, want: Any) -> None:
        self._judged("equal", super().equal, pointer, want)

    def close(self, pointer: int, want: Any, relative: float = 1e-6, absolute: float = 0.0) -> None:
        self._judged("close", super().close, pointer, want, relative, absolute)


def write(folder: Path, name: str, device: Recorder | None, ended: str, ptx: str) -> None:
    """One case's files."""
    if device is not None:
        np.savez(folder / f"{name}.npz", **device.seen)
    kept = {"ended": ended, "promised": device is not None and promised(ptx, device.launched)}
    (folder / f"{name}.json").write_text(json.dumps(kept))


def main(architecture: int, folder: Path, only: list[str]) -> None:
    """Runs the cases; status 3 after one that failed, since a GPU's context may be lost with it."""
    from cubind import driver

    driver.cuInit(0)
    driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(0))
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Recorder] = []

    def make(module: Any) -> Recorder:
        made.append(Recorder(module))
        return made[-1]

    for unit in harness.chosen(architecture, only):
        ptx = harness.compiled(unit.source, architecture)

        def ended(name: str, text: str, ptx: bytes = ptx) -> None:
            write(folder, name, made.pop() if made else None, text, ptx.decode())
            if text != "ran":
                sys.exit(3)

        harness.run_unit(unit, ptx, only, make, ended)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
