"""The stubs say what is there: stubtest compares them with the built modules, mypy checks programs against them."""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import cubind

MODULES = ["cubind.driver", "cubind.runtime", "cubind.nvrtc", "cubind.nvjitlink", "cubind.nvvm", "cubind._errors"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
HERE = Path(__file__).parent
PACKAGE = Path(cubind.__file__).parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a tool of mypy against the package that the tests import."""
    folder = tmp_path_factory.mktemp("mypy")
    where = str(PACKAGE.parent)
    environment = {**os.environ, "PYTHONPATH": where, "MYPY_CACHE_DIR": str(folder / "cache")}
    if where not in [*site.getsitepackages(), site.getusersitepackages()]:  # there mypy looks by itself
        environment["MYPYPATH"] = where

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=environment, timeout=600, check=False
        )

    return run


def check(run: Run, program: Path) -> str:
    """What mypy says about a program; nothing where it finds no mistake."""
    options = ["--strict", "--python-version=3.11", "--no-error-summary", "--hide-error-context"]
    result = run("mypy", *options, str(program))
    return result.stdout + result.stderr


@pytest.mark.parametrize("module", MODULES)
def test_stub_agrees_with_the_module(run: Run, module: str) -> None:
    """Complaint 6."""
    result = run("mypy.stubtest", module)
    assert result.returncode == 0, result.stdout + result.stderr


def test_stubs_are_strictly_typed(run: Run) -> None:
    """Complaint 6."""
    names = [path.stem for path in sorted(PACKAGE.glob("*.pyi")) if path.stem != "__init__"]
    assert {"driver", "runtime", "nvrtc", "_core", "_types"} <= set(names)
    result = run("mypy", "--strict", "-m", "cubind", *(word for name in names for word in ("-m", f"cubind.{name}")))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_program_of_a_user_is_accepted(run: Run) -> None:
    assert check(run, HERE / "typed_program.py") == ""


def test_mistakes_are_found(run: Run) -> None:
    """Complaint 4: a status that is compared is found before the program runs."""
    program = HERE / "typed_mistakes.py"
    lines = program.read_text().splitlines()
    expected = [(n, mark[1]) for n, line in enumerate(lines, 1) if (mark := re.search(r"# error: \[(.+)\]", line))]
    output = check(run, program)
    found = [(int(n), code) for n, code in re.findall(r":(\d+): error: .*\[([\w-]+)\]$", output, re.M)]
    assert found == expected, output
    assert len(expected) == 6


def test_stubs_are_of_bearable_size() -> None:
    assert (PACKAGE / "driver.pyi").stat().st_size < 1_200_000
