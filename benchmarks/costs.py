"""What is no call: import, size, build, the first call.  Fresh processes, files already in the page cache."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from . import workshop
from .adapters import CORE, LEGACY, OURS, V2

MODULES = {OURS: "cubind.driver", LEGACY: "cuda.bindings.driver", V2: "cuda.bindings._v2.driver"}
INIT = {OURS: "cuInit", LEGACY: "cuInit", V2: "init"}
Costs = dict[str, dict[str, float]]
"""Cost -> column -> figure."""

_IMPORT = """\
import sys, time
start = time.perf_counter()
{statement}
took = time.perf_counter() - start
print(took * 1e3, int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20)
"""
_FIRST = """\
import time
import {module} as driver
start = time.perf_counter()
driver.{init}(0)
print((time.perf_counter() - start) * 1e3, 0)
"""


def _process(code: str, folder: Path) -> tuple[float, float]:
    environment = workshop.environment(folder)
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    milliseconds, mebibytes = run.stdout.split()
    return float(milliseconds), float(mebibytes)


def _columns() -> list[str]:
    return [OURS] + [name for name in (LEGACY, V2) if importlib.util.find_spec("cuda.bindings")]


def imports(folder: Path, times: int = 11) -> Costs:
    """Least milliseconds and median MiB over a bare interpreter; and the first call after it."""
    codes = {name: _IMPORT.format(statement=f"import {MODULES[name]}") for name in _columns()}
    codes["bare"] = _IMPORT.format(statement="pass")
    codes |= {f"first {n}": _FIRST.format(module=MODULES[n], init=INIT[n]) for n in _columns()}
    codes["layer"] = _IMPORT.format(statement="import cuda_unified")
    codes["program"] = _IMPORT.format(
        statement="from cuda_unified import Array, Buffer, Device, LaunchConfig, compile_kernel, from_host, launch"
    )
    codes["every name"] = _IMPORT.format(statement="from cuda_unified import *")
    if importlib.util.find_spec("cuda.core"):
        codes["cuda.core"] = _IMPORT.format(statement="import cuda.core")
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
    for _ in range(times):
        for name, code in codes.items():
            runs[name].append(_process(code, folder))
    bare = statistics.median(memory for _, memory in runs["bare"])
    return {
        "import driver (ms)": {n: min(t for t, _ in runs[n]) for n in _columns()},
        "import driver (MiB)": {n: statistics.median(memory for _, memory in runs[n]) - bare for n in _columns()},
        **{
            row: {c: min(t for t, _ in runs[name]) for c, name in ((OURS, ours), (CORE, "cuda.core")) if name in runs}
            for row, ours in (
                ("import cuda_unified (ms)", "layer"),
                ("from cuda_unified import Array ... launch (ms)", "program"),
                ("from cuda_unified import * (ms)", "every name"),
            )
        },
        "first call (ms)": {n: min(t for t, _ in runs[f"first {n}"]) for n in _columns()},
    }


def _stripped(path: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        subprocess.run(["strip", "-o", str(copy), str(path)], check=True)
        return copy.stat().st_size / 1e6


def _files() -> Iterable[Path]:
    """What a wheel of ours has: modules, stubs, declarations."""
    package = workshop.ROOT / "bindings" / "cubind"
    for path in package.rglob("*"):
        if path.suffix in (".so", ".py", ".pyi", ".pxd", ".typed") or path.parent.name == "_abi":
            yield path


def sizes(folder: Path) -> Costs:
    """Megabytes on disk."""
    driver: dict[str, float] = {OURS: _stripped(next((folder / "cubind").glob("driver.*.so")))}
    installed = {OURS: sum(path.stat().st_size for path in _files()) / 1e6}
    if spec := importlib.util.find_spec("cuda.bindings"):
        place = Path(next(iter(spec.submodule_search_locations or ())))
        driver[LEGACY] = _stripped(next(place.glob("driver.*.so")))
        driver[V2] = _stripped(next((place / "_v2").glob("driver.*.so")))
        files = [f for name in ("cuda-bindings", "cuda-pathfinder") for f in importlib.metadata.files(name) or ()]
        paths = [Path(str(f.locate())) for f in files]
        installed[LEGACY] = sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
    return {"driver module, stripped (MB)": driver, "package installed (MB)": installed}


def build() -> Costs:
    """Seconds of one core for Cython and the compiler, everything from the sources."""
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        ignore = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(workshop.ROOT / "bindings", Path(folder) / "bindings", ignore=ignore)
        for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(workshop.ROOT / name, folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["taskset", "-c", str(core), sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        # the bindings are what the peer's package is: no unified layer, which is left out where it is not, no CPU device
        environment = {**os.environ, "CUBIND_BUILD_CPU_DEVICE": "0"}
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"build of the bindings, one core (s)": {OURS: seconds}}


def measure(folder: Path) -> Costs:
    """All of them."""
    return imports(folder) | sizes(folder) | build()
