"""The example of the low level that runs a kernel, on the CPU device, with and without a compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.fakes import environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("changes", [{}, {"CPU_DEVICE_CC": "12.0"}, {"CUBIND_NVRTC_LIBRARY": "/nowhere"}])
def test_saxpy(changes: dict[str, str]) -> None:
    command = [sys.executable, str(EXAMPLES / "low_level_saxpy.py")]
    clean = environment(CUBIND_DEVICE="cpu", **changes)
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "on CPU device" in done.stdout and "all right" in done.stdout
    assert ("written by hand" in done.stdout) == ("CUBIND_NVRTC_LIBRARY" in changes)
