"""Small stand-ins for libcuda, written in C beside the test that needs them, and processes to try things in.

A fake exports just the functions that a test calls.  It has no cuGetProcAddress unless the test writes one: cubind then
looks symbols up by their exported names.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from .isolated import Isolated

PACKAGE = Path(__file__).resolve().parents[2] / "bindings" / "cubind"
OVERRIDES = ("CUBIND_DRIVER_LIBRARY", "CUBIND_RUNTIME_LIBRARY", "CUBIND_NVRTC_LIBRARY")
_SILENT = (*OVERRIDES, "CUDA_PATH", "CUDA_HOME", "LD_LIBRARY_PATH", "CUBIND_PER_THREAD_DEFAULT_STREAM",
           "CUDA_PYTHON_CUDA_PER_THREAD_DEFAULT_STREAM", "PYTHONPATH", "CUBIND_DEVICE")  # fmt: skip
_PRELUDE = """
#define _GNU_SOURCE
#define CUBIND_EXACT_NAMES
#include "cubind_driver.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
"""


def compile_library(folder: Path, name: str, source: str, *options: str) -> Path:
    """Compiles `source` to folder/name; types and values of the driver API are declared.  `name` is e.g. "libcuda.so.1"."""
    folder.mkdir(parents=True, exist_ok=True)
    path, library = folder / f"{name}.c", folder / name
    path.write_text(_PRELUDE + source)
    command = ["gcc", "-O1", "-g0", "-shared", "-fPIC", "-Wall", "-Werror", f"-Wl,-soname,{name}"]
    command += [f"-I{PACKAGE / '_abi'}", str(path), "-o", str(library), "-lpthread", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr[:4000]
    return library


def environment(**changes: str | Path) -> dict[str, str]:
    """This process's environment without what leads cubind to a library; `changes` are put in.

    The CPU device takes nobody's place, unless CUBIND_DEVICE is among the changes.
    """
    clean = {key: value for key, value in os.environ.items() if key not in _SILENT}
    return clean | {"CUBIND_DEVICE": "gpu"} | {key: str(value) for key, value in changes.items()}


def run(script: str, *arguments: str | Path, status: int = 0, timeout: float = 30, **changes: str | Path) -> str:
    """Runs a script in a new interpreter; what it printed.  Fails where it does not end in time and with `status`."""
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(**changes), capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


class Fake:
    """A fake libcuda in this process, and a copy of cubind that uses it.

    It has a name of its own: NVRTC opens libcuda.so.1 where there is one, and would take the fake for a driver.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.path = compile_library(folder, "libfake.so", source)
        self.c = ctypes.CDLL(str(self.path))
        self._copy = Isolated("cubind", folder / "copy")

    @contextmanager
    def driver(self) -> Iterator[ModuleType]:
        """While this runs, `cubind` is the copy."""
        before = os.environ.get(OVERRIDES[0])
        os.environ[OVERRIDES[0]] = str(self.path)
        try:
            with self._copy.active():
                yield importlib.import_module("cubind.driver")
        finally:
            if before is None:
                del os.environ[OVERRIDES[0]]
            else:
                os.environ[OVERRIDES[0]] = before

    def array(self, name: str, n: int) -> list[int]:
        """The first n elements of the fake's `unsigned long long name[]`."""
        return list((ctypes.c_uint64 * n).in_dll(self.c, name))
