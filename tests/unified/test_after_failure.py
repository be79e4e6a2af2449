"""After a kernel that failed its context is of no use: that is told once, not by every object that goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cuda_unified as cu

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, time
import cubind, cuda_unified as cu
from cubind import driver
told = []
sys.unraisablehook = lambda a: told.append(a.exc_type.__name__)
kernel = cu.compile_kernel('extern "C" __global__ void bad(int *p) { p[1 << 20] = 1; }', "bad")
device = cu.Device(0)
stream = device.stream()
objects = [device.allocate(64, stream) for _ in range(3)] + [stream.record(), device.stream()]
kernel[1, 1, stream](objects[0])
while not cubind.cpu.last_report():
    time.sleep(0.01)
time.sleep(0.1)
if sys.argv[1] == "raised":
    try:
        stream.sync()
    except cu.IllegalAddressError:
        pass
    else:
        raise SystemExit("no error")
elif sys.argv[1] == "raised by the device":
    try:
        device.sync()
    except cu.IllegalAddressError:
        pass
elif sys.argv[1] == "raised by cubind":
    try:
        with device:
            driver.cuMemcpyDtoH(bytearray(4), objects[0].pointer, 4)
    except cubind.IllegalAddressError:
        pass
elif sys.argv[1] == "raised by a method in Python":
    try:
        cu.Graph(device).instantiate(upload=stream)
    except cu.IllegalAddressError:
        pass
buffer = objects.pop(0)
while objects:
    del objects[0]
print(told)
try:
    buffer.close()
except cu.IllegalAddressError:
    print("close raises")
"""


RAISED = ("raised", "raised by the device", "raised by cubind", "raised by a method in Python")


@pytest.mark.parametrize(("what", "times"), [*((how, 0) for how in RAISED), ("not raised", 1)])
def test_objects_that_go(device: cu.Device, what: str, times: int) -> None:
    if not device.is_cpu:
        pytest.skip("a GPU need not notice the access")
    command = [sys.executable, "-c", SCRIPT, what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(["IllegalAddressError"] * times), "close raises"]
