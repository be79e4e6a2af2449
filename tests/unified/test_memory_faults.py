"""Every call of the driver that memory makes fails once: the right error, nothing leaks, nothing is kept for ever."""

import ast

import pytest

from tests.helpers.faults import run

SETUP = """
d = cu.Device(0)
s, other = d.stream(), d.stream()
import numpy as np
host, pinned = np.zeros(256, "u1"), cu.zeros_pinned(256, "u1")
a, b = d.allocate(256, s), d.allocate(256, other)
m = cu.ManagedResource(d).allocate(1 << 16)
pool = cu.Pool.create(d)
limit = cu.LimitResource(d.pool, 1 << 20)
tracking = cu.TrackingResource(cu.StatisticsResource(limit))
path = os.devnull
class Foreign:
    __cuda_array_interface__ = {"shape": (256,), "typestr": "|u1", "data": (b.pointer, False), "version": 3, "stream": 1}
def state():
    d.sync(); s.sync(); other.sync()
    return (d.memory_info, d.pool.used, pool.used, cu._native.copies_under_way(), limit.used, tracking.outstanding_bytes,
            tracking.upstream.counts.current, [x.is_closed for x in (a, b, m, pool)], a._exports, d.resource == d.pool)
def operation():
    OPERATION
print(each_failure(operation, state))
"""

OPERATIONS = {
    "allocate": "d.allocate(100, s).close()",
    "allocate_drop": "d.allocate(100, s)",
    "allocate_default": "d.allocate(100)",
    "sync": "cu.SyncResource(d).allocate(100)",
    "pinned": "cu.PinnedResource(d).allocate(100)",
    "managed": "cu.ManagedResource(d).allocate(100)",
    "register": "cu.register_host(host).close()",
    "pool": "cu.Pool.create(d, max_size=1 << 20, release_threshold=5).close()",
    "current_pool": "cu.Pool.current(d).statistics",
    "adaptors": "tracking.allocate(100, s)",
    "empty_pinned": "cu.zeros_pinned(100)[5]",
    "fill": "a.fill(1, stream=s)",
    "fill_other_stream": "a.fill(1, stream=other)",
    "from_pageable": "a.copy_from(host, stream=s)",
    "to_pageable": "a.copy_to(host, stream=s)",
    "to_bytes": "a.to_bytes(stream=s)",
    "from_pinned": "a.copy_from(pinned, stream=s)",
    "to_pinned": "a.copy_to(pinned, stream=s)",
    "between_streams": "a.copy_from(b, stream=s)",
    "to_new": "a.copy_to(stream=s)",
    "from_foreign": "a.copy_from(Foreign(), stream=s)",
    "rows": "cu.copy_2d(a, host, width=10, height=5, dst_pitch=20, stream=s)",
    "rows_out": "cu.copy_2d(host, a, width=10, height=5, stream=s)",
    "set_stream": "x = d.allocate(10, s); x.set_stream(other); x.close()",
    "close_under_copy": "x = d.allocate(256, other); a.copy_from(x, stream=s); x.close()",
    "advice": "m.read_mostly = True; m.accessed_by = [d]; m.preferred_location = d; m.accessed_by = []; m.prefetch(stream=s)",
    "discard": "m.discard(stream=s); m.discard_prefetch('host', stream=s)",
    "borrow": "cu.Buffer.from_handle(a.pointer, 256)",
    "report": "cu.memory_report()",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_call_fails_once(operation):
    outcomes = ast.literal_eval(run(SETUP.replace("OPERATION", OPERATIONS[operation])))
    assert outcomes, "nothing was called"
    assert "CUDA_ERROR_LAUNCH_FAILED" in outcomes
    assert set(outcomes) <= {"CUDA_ERROR_LAUNCH_FAILED", None}
