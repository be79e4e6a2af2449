"""`emit`: from facts and policies alone, the same text each time, and a check that finds whatever differs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from roots import change, contents, make_root, run

from generator import pipeline

Out = pytest.CaptureFixture[str]
PACKAGE = Path("bindings/cubind")
MEND = "error: run `python -m generator emit` and commit what it changes\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root and what is emitted from it."""
    folder = tmp_path_factory.mktemp("made")
    assert run(make_root(folder / "root"), folder / "out", "add", "1.0") == 0
    return folder


@pytest.fixture
def tree(made: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of both, for a test to change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "root", tmp_path / "out"


def test_check_of_an_untouched_tree(tree: tuple[Path, Path], capsys: Out) -> None:
    """Complaint 1: what is generated is what this tree's generator makes, and anybody can run it."""
    assert run(*tree, "emit", "--check") == 0
    assert capsys.readouterr().out == "10 generated files are what the facts and policies give\n"


def test_check_finds_what_differs(tree: tuple[Path, Path], capsys: Out) -> None:
    """A changed file, a missing one and one that nothing emits any more: each is named, nothing is written, and the
    command that mends it is printed.  That command mends it."""
    _, out = tree
    change(out / PACKAGE / "toy.pyx", "toyTry", "toyTryst")
    (out / PACKAGE / "_abi" / "toy.pxd").unlink()
    shutil.copy(out / PACKAGE / "cytoy.pxd", out / PACKAGE / "cygone.pxd")
    (out / PACKAGE / "by_hand.pxd").write_text("# not generated\n")
    before = contents(out)
    assert run(*tree, "emit", "--check") == 1
    said = capsys.readouterr().err
    for name in ("_abi/toy.pxd", "toy.pyx", "cygone.pxd"):
        assert f"{PACKAGE / name} is not what the facts and policies give\n" in said
    assert said.endswith(MEND) and said.count("\n") == 4
    assert contents(out) == before
    assert run(*tree, "emit") == 0
    assert capsys.readouterr().out.count("wrote ") == 3
    assert run(*tree, "emit", "--check") == 0
    assert not (out / PACKAGE / "cygone.pxd").exists() and (out / PACKAGE / "by_hand.pxd").exists()


def test_check_finds_changed_facts_and_decisions(tree: tuple[Path, Path], capsys: Out) -> None:
    """Complaint 1: whoever edits a policy or the facts and does not emit is told."""
    root, _ = tree
    change(root / "policy" / "toy.toml", 'toyTry.result = "out"', 'toyTry.result = "inout"')
    assert run(*tree, "emit", "--check") == 1
    assert "bindings/cubind/toy.pyx" in capsys.readouterr().err
    change(root / "policy" / "toy.toml", 'toyTry.result = "inout"', 'toyTry.result = "out"')
    change(root / "api" / "toy.jsonl", '"value":1020', '"value":1021')
    assert run(*tree, "emit", "--check") == 1
    assert "bindings/cubind/_abi/cubind_toy.h" in capsys.readouterr().err


def test_emit_writes_only_what_changes(tree: tuple[Path, Path], capsys: Out) -> None:
    root, out = tree
    times = {path: path.stat().st_mtime_ns for path in contents(out)}
    change(root / "policy" / "toy.toml", 'hint = "build toy.c"', 'hint = "build it"')
    assert run(*tree, "emit") == 0
    assert capsys.readouterr().out == "wrote bindings/cubind/_abi/cubind_toy_symbols.h\n"
    assert [p.name for p, time in times.items() if p.stat().st_mtime_ns != time] == ["cubind_toy_symbols.h"]


def test_every_generated_file_is_stamped(made: Path) -> None:
    """Its first line says from what it was made; that is also how stale files are known."""
    for path in (made / "out" / PACKAGE).rglob("*"):
        if path.is_file():
            assert pipeline.STAMP in path.read_text().partition("\n")[0], path


ALONE = """
import socket, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "clang": raise ImportError("clang is not there")
sys.meta_path.insert(0, Refuse())
def refuse(*arguments): raise OSError("no network")
socket.socket = socket.create_connection = refuse
from generator.__main__ import main
raise SystemExit(main(["--out", sys.argv[1], "emit"]))
"""


def _emit_alone(out: Path, **environment: str) -> str:
    """Emits the committed facts without clang, network, programs and cache; a digest of all files."""
    alone = {**os.environ, "PATH": "", "HOME": str(out), "CUBIND_CACHE": str(out / "no-cache"), **environment}
    command = [sys.executable, "-c", ALONE, str(out)]
    done = subprocess.run(command, cwd=pipeline.OUT, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (out / "no-cache").exists()
    files = {str(path.relative_to(out)): data for path, data in contents(out).items()}
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()


def test_emit_needs_nothing_and_gives_the_same_each_time(tmp_path: Path) -> None:
    """The committed facts, twice, with other hash seeds and another time zone: equal bytes."""
    digests = {
        _emit_alone(tmp_path / seed, PYTHONHASHSEED=seed, TZ=zone) for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(digests) == 1
    assert (tmp_path / "1" / PACKAGE / "driver.pyx").is_file()
