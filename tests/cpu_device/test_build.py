"""The device's build: what is compiled again, and what is not."""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

import pytest

from tests.cpu_device.exec_access import DEVICE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The build's functions on a folder `driver` with two headers, one of them precompiled, and a source."""
    made = runpy.run_path(str(DEVICE / "build.py"))
    monkeypatch.chdir(tmp_path)  # a compiler cache may list files as seen from here
    made["precompile"].__globals__["SOURCES"] = tmp_path / "src"
    folder = tmp_path / "src" / "driver"
    folder.mkdir(parents=True)
    (folder / "all.hpp").write_text('#include "one.hpp"\n')
    (folder / "one.hpp").write_text("constexpr int one = 1;\n")
    (folder / "two.hpp").write_text("constexpr int two = 2;\n")
    (folder / "use.cpp").write_text('#include "two.hpp"\nint value() { return one + two; }\n')

    def compile_again():
        use, also = made["precompile"](tmp_path / "objects", "driver", "all.hpp")
        obj = tmp_path / "objects" / "driver" / "use.o"
        return made["compile_one"](folder / "use.cpp", obj, use, also)

    return folder, compile_again


def change(path: Path, text: str) -> None:
    path.write_text(text)
    later = time.time() + 2  # the clock of files is coarse
    os.utime(path, (later, later))


@pytest.mark.parametrize("changed", ("one.hpp", "two.hpp", "use.cpp"))
def test_an_object_follows_what_it_was_made_of(build, changed) -> None:
    folder, compile_again = build
    assert compile_again() and not compile_again()
    change(folder / changed, (folder / changed).read_text() + "// more\n")
    assert compile_again()


def test_the_library_stays_small() -> None:
    """Stripped, as it is installed: 4 MB at most."""
    library = ROOT / "bindings" / "cubind" / "_cpu" / "libcuda.so.1"
    assert library.stat().st_size <= 4_000_000
