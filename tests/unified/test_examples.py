"""The examples: each runs as a program, on small sizes; what it prints and draws is looked at."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cubind
import cuda_unified as cu
from tests.unified.pictures import read_gif, read_png

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *arguments: object, cwd: Path) -> str:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("size", [1, 10_001])
def test_saxpy(device: cu.Device, tmp_path: Path, size: int) -> None:
    out = run("saxpy", "--size", size, cwd=tmp_path)
    assert f"saxpy of {size} elements on {device.name}" in out and "all right" in out
    assert not list(tmp_path.iterdir())


def test_mandelbrot(device: cu.Device, tmp_path: Path) -> None:
    out = run("mandelbrot", "--size", 60, "--steps", 60, cwd=tmp_path)
    assert "160 x 120 points" in out
    picture = read_png(tmp_path / "mandelbrot.png")
    assert picture.shape == (60, 80, 3)
    assert not picture[30, 45].any(), "the middle of the cardioid is black"
    assert picture[0, 0].any() and len(np.unique(picture.reshape(-1, 3), axis=0)) > 200
    inside = float(re.search(r"([\d.]+)% in the set", out)[1])  # type: ignore[index]
    assert 17 < inside < 21  # 1.5066 of the picture's 2.5 by 3.33, and what has not left within few steps


def test_heat(device: cu.Device, tmp_path: Path) -> None:
    size, count, steps = 33, 4, 6  # an odd size: the halves differ
    sizes = ("--size", size, "--frames", count, "--steps", steps)
    out = run("heat", *sizes, "--out", tmp_path / "plate.gif", "--graph", "graph.svg", cwd=tmp_path)
    assert f"a graph of {2 * steps} nodes, launched {count} times" in out
    assert (tmp_path / "graph.svg").read_text().count(">step<") == 2 * steps
    frames, palette = read_gif(tmp_path / "plate.gif")
    assert frames.shape == (count, size, size) and len(np.unique(palette, axis=0)) > 200

    y, x = np.mgrid[0:size, 0:size] / size
    hot = ((x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.006) | ((abs(x - 0.65) < 0.03) & (abs(y - 0.65) < 0.2))
    heat = hot.astype(np.float64)
    for frame in frames:
        for _ in range(steps):
            around = heat[:-2, 1:-1] + heat[2:, 1:-1] + heat[1:-1, :-2] + heat[1:-1, 2:]
            heat[1:-1, 1:-1] += 0.24 * (around - 4 * heat[1:-1, 1:-1])
            heat[hot] = 1
        assert np.abs(frame - 255 * np.sqrt(heat)).max() < 1.01


@pytest.mark.parametrize("tile", [8, 16])
def test_matmul(device: cu.Device, tmp_path: Path, tile: int) -> None:
    out = run("matmul", "--size", 45, "--tile", tile, cwd=tmp_path)
    assert f"matmul<float, {tile}>: (45 x 39) · (39 x 41)" in out and f"matmul<double, {tile}>" in out
    assert out.count("GFLOP/s") == 2


def test_structs(device: cu.Device, tmp_path: Path) -> None:
    out = run("structs", "--steps", 500, cwd=tmp_path)
    assert "16 bytes at 16" in out
    first, second = (re.findall(r"([abcd]) \(([-+.\d]+), ([-+.\d]+)\)", line) for line in out.splitlines()[1:3])
    assert [name for name, *_ in first] == list("abcd") and first == second
    places = np.array([[float(x), float(y)] for _, x, y in first])
    assert np.allclose(places, [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=0.01)


def test_share(device: cu.Device, tmp_path: Path) -> None:
    out = run("share", cwd=tmp_path)
    assert "[ 0.  1.  4.  9. 16. 25. 36. 49.]" in out and "PyTorch" in out


@pytest.mark.parametrize("size", [3, 20_000])
def test_histogram(device: cu.Device, tmp_path: Path, size: int) -> None:
    out = run("histogram", "--size", size, "--out", "h.png", cwd=tmp_path)
    assert f"{size} values" in out and "as NumPy counts them" in out
    picture = read_png(tmp_path / "h.png")
    assert picture.shape == (240 + 34, 64 * 8 + 100, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 4  # paper, lines, bars, numbers
    black = (picture == 0).all(axis=2)
    assert black[:, :74].any() and black[250:].any() and not black[:250, 80:].any()


def test_find_a_bug(device: cu.Device, tmp_path: Path) -> None:
    out = run("find_a_bug", cwd=tmp_path)
    if device.is_cpu:
        assert "IllegalAddressError" in out and "0 bytes behind the end of the allocation of 4000 bytes" in out
        assert "in kernel smooth, block (3, 0, 0), thread (232, 0, 0)" in out and "smooth.cu:6" in out


@pytest.mark.parametrize("how", ["polling", "sync"])
def test_interrupt(device: cu.Device, tmp_path: Path, how: str) -> None:
    if how == "sync" and not (device.is_cpu and hasattr(cubind.cpu, "interrupt")):
        pytest.skip("this driver does not end kernels at Ctrl-C")
    command = [sys.executable, str(EXAMPLES / "interrupt.py"), *(["--sync"] if how == "sync" else [])]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout and "press Ctrl-C" in process.stdout.readline()
        time.sleep(0.5)  # it has printed, and is about to wait
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "KeyboardInterrupt" in out and ("interrupted" if how == "sync" else "stopped at") in out


def test_all_are_run() -> None:
    """Complaint 13."""
    text = Path(__file__).read_text()
    others = {"pictures", "compile_kernel", "low_level_saxpy"}  # a helper; make run; tests/cpu_device
    assert {p.stem for p in EXAMPLES.glob("*.py")} - others == set(re.findall(r'run\("(\w+)"', text)) | {"interrupt"}
