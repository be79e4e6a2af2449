"""What a run needs, made once below build/bench: the fake driver, the floors, and a copy of our package.

The copy is what is measured, so that a build that goes on meanwhile does not disturb.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from .fake import generate

ROOT = Path(__file__).resolve().parent.parent
FLOORS = Path(__file__).resolve().parent / "floors"


def _extension(folder: Path, name: str, source: str, *options: str) -> None:
    library = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    path = FLOORS / source
    if library.exists() and library.stat().st_mtime > path.stat().st_mtime:
        return
    include = [f"-I{sysconfig.get_path('include')}", f"-I{generate.ABI}"]
    command = ["gcc", "-O2", "-w", "-shared", "-fPIC", *include, *options, str(path), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)


def prepare(folder: Path, floors: bool = True) -> None:
    """Makes everything in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    generate.build(folder)
    _extension(folder, "steps", "steps.c")
    for name, options in (("floor_held", []), ("floor_released", ["-DRELEASE_GIL"])) if floors else ():
        _extension(folder, name, "floor.c", f'-DNAME="{name}"', f"-DINIT=PyInit_{name}", *options)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyx", "*.c", "*.h", "*.pxd")
    for package in (ROOT / "bindings" / "cubind", ROOT / "cuda_unified"):
        shutil.rmtree(folder / package.name, ignore_errors=True)
        shutil.copytree(package, folder / package.name, ignore=ignore)
        compileall.compile_dir(folder / package.name, quiet=2)  # as an installed package is


def environment(folder: Path, real_driver: bool = False) -> dict[str, str]:
    """For processes that measure: our copy first, the fake driver for all columns, the same hashes every time."""
    changes = {"PYTHONPATH": f"{folder}:{ROOT}", "PYTHONHASHSEED": "0"}
    if not real_driver:
        changes["CUBIND_DRIVER_LIBRARY"] = str(folder / generate.SONAME)
        changes["LD_LIBRARY_PATH"] = f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    drop = (
        "CUBIND_PER_THREAD_DEFAULT_STREAM",
        "CUDA_PYTHON_CUDA_PER_THREAD_DEFAULT_STREAM",
        "CUBIND_DEVICE",
        "PYTHONMALLOC",
    )
    return {k: v for k, v in os.environ.items() if k not in drop} | changes


def child(folder: Path, module: str, *args: str, real_driver: bool = False) -> str:
    """What a fresh process that runs a module of ours prints; its addresses are the same every time, if that is allowed."""
    command = [sys.executable, "-P", "-m", module, *args]  # -P: our copy, not what lies in the working directory
    if (
        shutil.which("setarch")
        and subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False).returncode == 0
    ):
        command = ["setarch", "-R", *command]
    run = subprocess.run(
        command, env=environment(folder, real_driver), stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    return run.stdout
