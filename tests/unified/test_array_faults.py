"""Every call of the driver refused once while arrays are made, copied and exchanged: the right error, nothing leaked or broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

SCRIPT = """
import gc, sys
from tests.helpers.faults import Faults
import numpy as np
import cuda_unified as cu
from cubind import driver

control = Faults(sys.argv[1])
device = cu.Device(0)
stream, other = device.stream(), device.stream()
there = np.arange(12, dtype="f4").reshape(3, 4)
kept = cu.from_host(there, device, stream=stream)
foreign = type("Foreign", (), {"__cuda_array_interface__": {**kept.__cuda_array_interface__, "stream": other.address}})()
FREEING = ('cuMemFreeAsync', 'cuMemFreeHost', 'cuCtxPopCurrent_v2', 'cuStreamSynchronize')  # what they were for stays
USED = driver.CUmemPool_attribute.CU_MEMPOOL_ATTR_USED_MEM_CURRENT

def making(): return cu.from_host(there, device, stream=stream), cu.zeros((3, 4), "complex128", device=device, stream=stream)
def filling(): cu.full((5, 3), 7 - 2j, device=device, stream=stream)[:, ::2].fill(1, stream=stream)
def strided():
    with stream: assert np.array_equal(kept.T.copy()[::-1].to_host(), there.T[::-1])
def to_gaps():
    with stream:
        target = cu.zeros((6, 8), device=device)
        target[::2, ::2].copy_from(there)
        assert np.array_equal(target.to_host()[::2, ::2], there)
def exporting():
    kept.__dlpack__(stream=other.address), kept.__dlpack__(dl_device=(1, 0)), kept.__dlpack__(copy=True)
    kept.__cuda_array_interface__
def importing():
    assert cu.from_dlpack(kept, stream=other).shape == (3, 4)
    assert cu.as_array(foreign, stream=stream).pointer == kept.pointer
def pinned():
    a = cu.empty((3, 4), resource=cu.PinnedResource(device)).copy_from(kept, stream=stream)
    assert np.array_equal(np.from_dlpack(a, device="cpu"), there)

def used():
    for _ in range(2):  # what a copy kept is freed when that is done, in the order of a stream
        gc.collect()
        device.sync()
        cu._native.copies_under_way()
    device.sync()
    return driver.cuMemPoolGetAttribute(device.pool.handle, USED), int(driver.cuCtxGetCurrent())

for operation in (making, filling, strided, to_gaps, exporting, importing, pinned):
    operation()
    operation()
    control.arm(-1)
    operation()
    total, exports, before = control.total, kept.buffer._exports, used()
    assert total >= 3, operation
    for n in range(total):
        control.arm(n)
        try:
            operation()
        except cu.CudaError as error:
            assert error.code == 999, error
        refused = control.refused
        control.arm(-1)
        assert kept.buffer._exports == exports, (operation, n, refused)
        assert refused.endswith(FREEING) or used() == before, (operation, n, refused, before, used())
        operation()
        before = used()
    print(operation.__name__, total)
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.build(tmp_path_factory.mktemp("faults"))


def test_every_call_refused_once(driver: Path) -> None:
    printed = fakes.run(SCRIPT, driver, timeout=60, CUBIND_DRIVER_LIBRARY=driver, PYTHONPATH=faults.ROOT)
    names = [line.split()[0] for line in printed.splitlines()]
    assert names == ["making", "filling", "strided", "to_gaps", "exporting", "importing", "pinned"]
