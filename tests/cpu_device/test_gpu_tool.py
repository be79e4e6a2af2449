"""tools/gpu.py, with the CPU device in the GPU's place too: what it compares, and how it says what differs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cubind.cpu
from tests.cpu_device.kernels.comparing import of_buffer, ulps
from tests.cpu_device.kernels.recording import promised

ROOT = Path(__file__).resolve().parents[2]


def tool(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "gpu.py"), *arguments]
    environment = os.environ | changes
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


def test_two_sides_and_a_table(tmp_path: Path) -> None:
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    own = cubind.cpu.libdir() + "/libcuda.so.1"
    arguments = ("--no-tests", "--write", str(tmp_path / "result.md"), "--library", own, "stencil_1d", "bit_intrinsics")
    done = tool(*arguments, CPU_DEVICE_CC="75")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("# CPU device, driver 13.5") and "| kernel | compute_75 |" in done.stdout
    assert done.stdout.strip().endswith("0 defects") and "| stencil_1d | = |" in done.stdout
    assert (tmp_path / "result.md").read_text() in done.stdout


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = tool("--library", str(tmp_path / "libcuda.so.1"))
    assert done.returncode == 2 and "no GPU to compare the CPU device with: " in done.stdout


@pytest.mark.parametrize("kind", ("f2", "f4", "f8"))
def test_distance_in_ulp(kind: str) -> None:
    one = np.array([0.0, 1.0, -1.0, np.nan, np.inf, 3.5], kind)
    assert ulps(one, one) == 0 and ulps(one, -one[[0, 2, 1, 3, 4, 5]] * np.array([1, 1, 1, 1, -1, -1], kind)) == 0
    assert ulps(one[1:2], np.nextafter(one[1:2], np.array(2, kind))) == 1
    tiny = np.nextafter(np.array([0], kind), np.array(1, kind))
    assert ulps(tiny, -tiny) == 2 and ulps(np.nextafter(tiny, np.array(1, kind)), tiny) == 1
    assert (
        ulps(np.array([1 + 2j], f"c{2 * int(kind[1])}"), np.array([1 + 2j], f"c{2 * int(kind[1])}")) == 0
        if kind != "f2"
        else True
    )


def test_what_must_be_the_same_and_is_not() -> None:
    one = np.array([1, 2, 3], "f4")
    other = np.nextafter(one, np.float32(9))
    assert of_buffer("0000-close", one, one, True).short == "="
    assert of_buffer("0000-close", one, other, False).ulp == 1
    for name, kept in (("0000-close", True), ("0000-read", True), ("0000-equal", False)):
        fault = of_buffer(name, one, other, kept).fault
        assert "3 of 3 differ, first at 0: 1.0 and 1.0000001" in fault
    zeros = np.zeros(2, "f8")
    assert "2 of 2 differ" in of_buffer("0000-equal", zeros, -zeros, True).fault
    assert of_buffer("0000-read", np.array([1, 2]), np.array([2, 1]), False).short == "order"
    assert of_buffer("0000-read", one, one[:2], False).fault


PTX = """
.visible .func (.param .b32 r) rough(
.param .b32 v)
{ ex2.approx.f32 %f1, %f2; }
.visible .entry calls(.param .u64 p)
{ call.uni (a), rough, (b); }
.entry exact(.param .u64 p)
{ bar.red.popc.u32 %r1, 0, %p1; fma.rn.f32 %f1, %f2, %f3, %f4; mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r1}; }
.visible .entry adds(.param .u64 p)
{ red.global.add.f32 [%rd1], %f1; }
.visible .entry product(.param .u64 p)
{ mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1}; }
"""


@pytest.mark.parametrize(
    ("kernels", "answer"),
    ((["exact"], True), (["calls"], False), (["adds"], False), (["product"], False), (["exact", "adds"], False)),
)
def test_which_kernels_promise_bits(kernels: list[str], answer: bool) -> None:
    assert promised(PTX, set(kernels)) is answer
