"""Every call of the driver that memory makes is refused once: the right error, nothing leaks, nothing is kept for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

SCRIPT = """
import fnmatch, gc, os, sys
import numpy as np
from tests.helpers.faults import Faults
import cuda_unified as cu

control = Faults(sys.argv[1])
sys.unraisablehook = lambda _: None  # what destructors could not do
d = cu.Device(0)
s, other = d.stream(), d.stream()
host, pinned, arrays = np.zeros(256, "u1"), cu.zeros_pinned(256, "u1"), []
a, b = d.allocate(256, s), d.allocate(256, other)
m = cu.ManagedResource(d).allocate(1 << 16)
pool, limit = cu.Pool.create(d), cu.LimitResource(d.pool, 1 << 20)
tracking = cu.TrackingResource(cu.StatisticsResource(limit))
# with one of these refused, what it was to end may stay
ENDINGS = ("*Free*", "*Destroy*", "cuCtxPushCurrent*", "cuCtxPopCurrent*", "cuCtxGetCurrent", "cuMemHostUnregister*")

class Foreign:
    __cuda_array_interface__ = {
        "shape": (256,), "typestr": "|u1", "data": (b.pointer, False), "version": 3, "stream": other.address
    }

def register():
    arrays.append(np.zeros(256, "u1"))
    cu.register_host(arrays[-1]).close()

def another_stream():
    x = d.allocate(10, s)
    x.set_stream(other)
    x.close()

def close_under_copy():
    x = d.allocate(256, other)
    a.copy_from(x, stream=s)
    x.close()

def advice():
    m.read_mostly, m.preferred_location, m.accessed_by = True, d, [d]
    m.accessed_by = []
    m.prefetch(stream=s)
    m.discard_prefetch("host", stream=s)

OPERATIONS = {
    "allocate": lambda: d.allocate(100, s).close(),
    "allocate, drop": lambda: d.allocate(100),
    "sync": lambda: cu.SyncResource(d).allocate(100),
    "pinned": lambda: cu.PinnedResource(d).allocate(100),
    "managed": lambda: cu.ManagedResource(d).allocate(100),
    "register": register,
    "pool": lambda: cu.Pool.create(d, max_size=1 << 20, release_threshold=5).close(),
    "pinned pool": lambda: cu.Pool.create(d, kind="pinned").allocate(10, s).close(),
    "current pool": lambda: cu.Pool.current(d).statistics,
    "adaptors": lambda: tracking.allocate(100, s),
    "array": lambda: cu.zeros_pinned(100)[5],
    "fill": lambda: a.fill(1, stream=s),
    "fill elsewhere": lambda: a.fill(1, stream=other),
    "from pageable": lambda: a.copy_from(host, stream=s),
    "to pageable": lambda: a.copy_to(host, stream=s),
    "to bytes": lambda: a.to_bytes(stream=s),
    "from pinned": lambda: a.copy_from(pinned, stream=s),
    "to pinned": lambda: a.copy_to(pinned, stream=s),
    "between streams": lambda: a.copy_from(b, stream=s),
    "to new": lambda: a.copy_to(stream=s),
    "from others": lambda: a.copy_from(Foreign(), stream=s),
    "rows": lambda: cu.copy_2d(a, host, width=10, height=5, dst_pitch=20, stream=s),
    "rows out": lambda: cu.copy_2d(host, a, width=10, height=5, stream=s),
    "another stream": another_stream,
    "close under a copy": close_under_copy,
    "advice": advice,
    "borrow": lambda: cu.Buffer.from_handle(a.pointer, 256),
    "report": cu.memory_report,
}

def state():
    gc.collect()
    for x in (d, s, other):
        x.sync()
    return (
        d.memory_info, d.pool.used, pool.used, cu._native.copies_under_way(), limit.used, tracking.outstanding_bytes,
        tracking.upstream.counts.current, [x.is_closed for x in (a, b, m, pool)], a._exports, d.resource == d.pool,
    )

for name, operation in OPERATIONS.items():
    operation()
    before, refusals = state(), 0
    for n in range(1000):
        control.arm(n)
        try:
            operation()
        except cu.CudaError as error:
            assert error.code == 719, (name, error)
            refusals += 1
        refused = control.refused
        control.arm(-1)
        now = state()
        if any(fnmatch.fnmatch(refused, ending) for ending in ENDINGS):
            before = now
        assert now == before, (name, n, refused, now, before)
        if not refused:
            break
    assert refusals, name
    print(name)
"""


def test_each_call_is_refused_once(tmp_path: Path) -> None:
    library = faults.build(tmp_path)
    script = SCRIPT.replace("control.arm(n)", "control.arm(n, 719)")
    out = fakes.run(script, str(library), CUBIND_DRIVER_LIBRARY=str(library), timeout=60)
    assert out.splitlines()[-1] == "report"
