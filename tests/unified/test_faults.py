"""Every call of the driver refused once: the right error, nothing leaked, nothing broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

SCRIPT = """
import gc, sys
from tests.helpers.faults import Faults
import cuda_unified as cu

control = Faults(sys.argv[1])
device = cu.Device(0)
device.context
PAIRS = [
    (("cuStreamCreateWithPriority", "cuStreamCreate"), ("cuStreamDestroy_v2",)),
    (("cuEventCreate",), ("cuEventDestroy_v2",)),
    (("cuMemAllocFromPoolAsync", "cuMemAllocAsync", "cuMemAlloc_v2"), ("cuMemFreeAsync", "cuMemFree_v2")),
    (("cuCtxCreate_v4", "cuCtxCreate_v2"), ("cuCtxDestroy_v2",)),
    (("cuCtxPushCurrent_v2", "cuCtxCreate_v4"), ("cuCtxPopCurrent_v2",)),
]

def stream(): device.stream(priority=-1).sync()
def event():
    s = device.stream()
    first, second = s.record(), s.record()
    second.sync()
    return second - first
def waiting():
    a, b = device.stream(), device.stream()
    a.wait(b); b.wait(a.record()); a.sync(); b.sync()
def memory():
    with device.stream() as s:
        a = device.allocate(100)
        b = device.pool.allocate(200, s)
        a.close(); b.close(s); s.sync()
def own_context():
    context = device.create_context()
    s = context.stream(); s.sync(); e = s.record(); s.close(); e.close(); context.close()
def scopes():
    with device, device.stream() as s, s.timed() as t: pass
    t.ms
def calls():
    s = device.stream()
    assert s.call(lambda: 42).result(5) == 42
    s.done, s.priority, s.is_nonblocking, s.id
def properties():
    device._cache.clear()
    device.name, device.uuid, device.pci_bus_id, device.compute_capability, device.memory_info, device.limits.stack_size
    device.stream_priorities, device.peers

def balance():
    gc.collect()
    device.sync()
    return [control.calls(*made) - control.calls(*ended) for made, ended in PAIRS]

for operation in (stream, event, waiting, memory, own_context, scopes, calls, properties):
    operation()
    before = balance()
    control.arm(-1)
    operation()
    total, silent = control.total, set()
    for n in range(total):
        control.arm(n)
        try:
            operation()
            silent.add(control.refused)
        except cu.CudaError as error:
            assert error.code == 999, error
        refused = control.refused
        control.arm(-1)
        operation()  # all is well again
        now = balance()
        for (made, ended), a, b in zip(PAIRS, before, now):
            # what could not be ended stays, and nothing else
            assert b - a == (refused in ended), (operation.__name__, refused, made, a, b)
        before = now
    print(operation.__name__, total, *sorted(silent))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.build(tmp_path_factory.mktemp("faults"))


def test_each_call_refused_once(library: Path) -> None:
    printed = fakes.run(SCRIPT, str(library), timeout=120, CUBIND_DRIVER_LIBRARY=library, PYTHONPATH=faults.ROOT)
    lines = [line.split() for line in printed.splitlines()]
    assert [line[0] for line in lines] == [
        "stream", "event", "waiting", "memory", "own_context", "scopes", "calls", "properties",
    ]  # fmt: skip
    assert all(int(line[1]) >= 3 for line in lines), printed
    # where no error is raised, the call was the end of something that was dropped, or of a scope
    assert {name for line in lines for name in line[2:]} <= {
        "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuMemFreeAsync", "cuCtxPopCurrent_v2", "cuCtxGetCurrent",
    }  # fmt: skip
