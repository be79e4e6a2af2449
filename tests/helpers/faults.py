"""Programs in a process of their own whose driver fails at the n-th call."""

from __future__ import annotations

import functools
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PRELUDE = """
import ctypes, gc, os
import cuda_unified as cu
faults = ctypes.CDLL(os.environ["CUBIND_DRIVER_LIBRARY"])
faults.faults_arm.argtypes = [ctypes.c_int64, ctypes.c_int32]
faults.faults_calls.restype = ctypes.c_int64

def each_failure(operation, state, status=719):
    '''Runs operation() with the first, the second, ... call failing until none is left; state() is as before each time.

    Returns the names of the errors, None for a failure that it got over.
    '''
    operation()  # what is made once is made
    gc.collect()
    before, outcomes = state(), []
    for n in range(1, 200):
        faults.faults_arm(n, status)
        try:
            operation()
            outcome = None
        except cu.CudaError as error:
            outcome = error.name
        calls = faults.faults_calls()
        faults.faults_arm(0, 0)
        gc.collect()
        assert state() == before, (n, outcome, state(), before)
        if calls < n:
            assert outcome is None
            return outcomes
        outcomes.append(outcome)
    raise AssertionError("it never ends")
"""


@functools.cache
def library() -> Path:
    """The failing driver, built."""
    if platform.machine() != "x86_64":
        pytest.skip("the thunks of tests/helpers/faults.c are x86-64 code")
    made = Path(tempfile.mkdtemp()) / "libfaults.so"
    source = Path(__file__).with_suffix(".c")
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    subprocess.run([*compiler, "-O1", "-shared", "-fPIC", str(source), "-o", str(made), "-ldl"], check=True)
    return made


def run(program: str) -> str:
    """The output of a program that begins with PRELUDE; anything but success fails."""
    import cubind

    driver = Path(cubind.__file__).parent / "_cpu" / "libcuda.so.1"
    environment = os.environ | {"CUBIND_DRIVER_LIBRARY": str(library()), "FAULTS_DRIVER": str(driver)}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
