"""The programs in the READMEs run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cuda_unified as cu

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTS = {  # what each program shows, in order
    "README.md": ["[1.000000e+00 3.000000e+00 5.000000e+00 ...", ""],
    "cuda_unified/README.md": ["1.6016016 1.8018018]"],
}
PROGRAMS = [(name, i, text) for name in PRINTS for i, text in enumerate(FENCE.findall((ROOT / name).read_text()))]


@pytest.mark.parametrize(("name", "i", "text"), PROGRAMS, ids=[f"{name}-{i}" for name, i, _ in PROGRAMS])
def test_program(device: cu.Device, tmp_path: Path, name: str, i: int, text: str) -> None:
    """Complaint 13."""
    end = "\nassert 'host' not in globals() or list(host) == [2.0 * i for i in range(256)]\n"
    command = [sys.executable, "-c", text + end]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert PRINTS[name][i] in done.stdout
    assert not list(tmp_path.iterdir())


def test_all_are_found() -> None:
    for name, shown in PRINTS.items():
        text = (ROOT / name).read_text()
        assert text.count("```python") == len(FENCE.findall(text)) == len(shown)


def test_every_folder_explains_itself() -> None:
    """The main README links one in each folder, and names in their tables are files that are there."""
    text = (ROOT / "README.md").read_text()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not in a checkout of git")
    folders = {path.partition("/")[0] for path in tracked if "/" in path} - {".ci"}
    readmes = set(re.findall(r"\]\((\w+(?:/\w+)*)/README\.md\)", text))
    assert {name.partition("/")[0] for name in readmes} == folders
    for folder in ("examples", "tools"):
        table = "".join(re.findall(r"^\| ([^|]*)\|", (ROOT / folder / "README.md").read_text(), re.MULTILINE))
        named = set(re.findall(r"\w+\.py", table))
        assert named == {path.name for path in (ROOT / folder).glob("*.py")} - {"pictures.py"}
