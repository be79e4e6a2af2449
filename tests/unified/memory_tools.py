"""What the tests of memory share: streams that are held, programs in a process of their own."""

import gc
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

from cubind import driver


@contextmanager
def held(stream):
    """Keeps a stream from going on until the block ends.

    No garbage is collected meanwhile: freeing page-locked memory waits for all streams.
    """
    gate = threading.Event()
    gc.collect()
    gc.disable()
    with stream.context:
        driver.cuLaunchHostFunc(stream.handle, lambda _: gate.wait(20), None)
    try:
        yield gate
    finally:
        gate.set()
        gc.enable()
        stream.sync()


def run(program, **environment):
    """Runs a program in a process of its own; its output.  Anything on stderr fails."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program],  # of fork, from 3.12 on
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    noise = [line for line in done.stderr.splitlines() if "CPU device" not in line and "cubind" not in line]
    assert (done.returncode, noise) == (0, []), done.stderr
    return done.stdout


def used(device):
    """Bytes that are allocated from the device's pool, once all work is done."""
    device.sync()
    return device.pool.used
