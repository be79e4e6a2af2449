"""A root of the made-up library: versions.toml, policy/ and headers, as generator/ has them for CUDA."""

from __future__ import annotations

import shutil
from pathlib import Path

from generator import __main__ as command

TOY = Path(__file__).parent / "toy_library"


def make_root(folder: Path) -> Path:
    """The header lies in a local folder, so that nothing is fetched."""
    shutil.copytree(TOY / "include", folder / "include")
    (folder / "policy").mkdir()
    shutil.copy(TOY / "versions.toml", folder)
    for name in ("toy.toml", "errors.toml"):
        shutil.copy(TOY / name, folder / "policy")
    return folder


def run(root: Path, out: Path, *arguments: str) -> int:
    """One command of `python -m generator`; its exit status."""
    return command.main(["--root", str(root), "--out", str(out), *arguments])


def change(path: Path, old: str, new: str) -> None:
    """Replaces a text that is there."""
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


def contents(*folders: Path) -> dict[Path, bytes]:
    """Every file below some folders."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
