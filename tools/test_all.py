"""Runs the test suite with every CPython from 3.11 on that is present, all with the binaries of one build.

The extension modules are built once, by the oldest of them (the stable ABI): what the others import is that build.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def interpreters() -> dict[tuple[int, int], str]:
    """(major, minor) → interpreter, for each version one: those on the PATH first, then those of pyenv."""
    candidates = [shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 20)]
    candidates += sorted(map(str, Path.home().glob(".pyenv/versions/*/bin/python")))
    found: dict[tuple[int, int], str] = {}
    for path in filter(None, candidates):
        answer = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        match = re.fullmatch(r"(\d+) (\d+)\n", answer.stdout)
        if match and (version := (int(match[1]), int(match[2]))) >= OLDEST:
            found.setdefault(version, path)
    return dict(sorted(found.items()))


def test(version: tuple[int, int], interpreter: str, build: bool) -> int:
    """Makes or reuses an environment of its own and runs the tests in it; returns pytest's exit status."""
    venv = ROOT / f".venv-{version[0]}.{version[1]}"
    python = venv / "bin" / "python"
    stamp = venv / "installed"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        subprocess.run([interpreter, "-m", "venv", str(venv)], check=True)
        subprocess.run([python, "tools/install.py"], cwd=ROOT, check=True)
        stamp.touch()
    if build:
        subprocess.run([python, "setup.py", "-q", "build_ext", "--inplace"], cwd=ROOT, check=True)
    return subprocess.run([python, "-m", "pytest", "tests"], cwd=ROOT, check=False).returncode


def main() -> int:
    """Prints a line for each interpreter; fails when one of them does."""
    present = interpreters()
    results = {}
    for i, (version, interpreter) in enumerate(present.items()):
        print(f"== CPython {version[0]}.{version[1]}: {interpreter}", flush=True)
        results[version] = test(version, interpreter, build=i == 0)
    for version, status in results.items():
        print(f"CPython {version[0]}.{version[1]}: {'passed' if status == 0 else f'failed ({status})'}")
    return int(any(results.values()) or not results)


if __name__ == "__main__":
    sys.exit(main())
