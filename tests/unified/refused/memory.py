"""Buffers, pools and other resources, managed memory, copies."""

from __future__ import annotations

from typing import Any

import numpy as np

import cuda_unified as cu

d = cu.Device(0)
s, other = d.stream(), d.stream()
STREAMS = (s, other)
host, pinned, arrays = np.zeros(256, "u1"), cu.zeros_pinned(256, "u1"), list[Any]()
a, b = d.allocate(256, s), d.allocate(256, other)
m = cu.ManagedResource(d).allocate(1 << 16)
pool, limit = cu.Pool.create(d), cu.LimitResource(d.pool, 1 << 20)
tracking = cu.TrackingResource(cu.StatisticsResource(limit))


class Foreign:
    __cuda_array_interface__ = {  # noqa: RUF012
        "shape": (256,), "typestr": "|u1", "data": (b.pointer, False), "version": 3, "stream": other.address,
    }  # fmt: skip


class Own(cu.MemoryResource):
    """A resource that somebody wrote."""

    def __init__(self) -> None:
        self.upstream, self.given = cu.SyncResource(d), dict[int, Any]()

    def allocate(self, size: int, stream: Any = None) -> Any:
        inner = self.upstream.allocate(size)
        self.given[inner.pointer] = inner
        return self.buffer(inner.pointer, size, device=d)

    def deallocate(self, pointer: int, size: int, *, stream: Any) -> None:
        self.given.pop(pointer).close()


own = Own()

# whether the host's memory is page-locked is asked; if nobody knows it is taken for pageable
ASKED = {"cuPointerGetAttributes"}
COPIES = (
    "from pageable",
    "to pageable",
    "to bytes",
    "from pinned",
    "to pinned",
    "rows",
    "rows out",
    "slices of others",
    "batch of pageable",
)
QUIET = dict.fromkeys(COPIES, ASKED)
QUIET["close under a copy"] = {"cuStreamWaitEvent"}  # then the host waits
# without the context what was to be freed stays
ENDINGS = {"cuCtxPushCurrent_v2", "cuCtxGetCurrent"}


def register() -> None:
    arrays.append(np.zeros(256, "u1"))  # kept: what was not unregistered must not be at the same place
    cu.register_host(arrays[-1]).close()


def another_stream() -> None:
    x = d.allocate(10, s)
    x.set_stream(other)
    x.close()


def close_under_copy() -> None:
    x = d.allocate(256, other)
    a.copy_from(x, stream=s)
    x.close()


def advice() -> None:
    m.read_mostly, m.preferred_location, m.accessed_by = True, d, [d]
    m.accessed_by = []
    m.prefetch(stream=s)
    m.discard_prefetch("host", stream=s)


def batches() -> None:
    cu.prefetch_batch([m], d, stream=s)
    cu.discard_batch([m], stream=s)
    cu.discard_prefetch_batch([m], d, stream=s)


def pools() -> None:
    mine = cu.Pool.create(d, max_size=1 << 20, release_threshold=5)
    assert d in mine.accessible_from and mine.statistics.used == 0
    mine.allocate(100, s).close(s)
    mine.release_threshold = 100
    mine.reset_high()
    mine.trim()
    mine.close()


def host_arrays() -> None:
    x = cu.zeros_managed(10, device=d)
    x[:] = 5
    assert cu.buffer_of(x).is_managed and cu.zeros_pinned(100)[5] == 0


OPERATIONS: dict[str, Any] = {
    "allocate": lambda: d.allocate(100, s).close(),
    "allocate, drop": lambda: d.allocate(100),
    "sync": lambda: cu.SyncResource(d).allocate(100),
    "pinned": lambda: cu.PinnedResource(d).allocate(100),
    "managed": lambda: cu.ManagedResource(d).allocate(100),
    "of a program": lambda: own.allocate(100),
    "register": register,
    "pools": pools,
    "pinned pool": lambda: cu.Pool.create(d, kind="pinned").allocate(10, s).close(),
    "current pool": lambda: cu.Pool.current(d).statistics,
    "graph memory": lambda: cu.GraphMemoryResource(d).trim(),
    "adaptors": lambda: tracking.allocate(100, s),
    "host arrays": host_arrays,
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
    "slices": lambda: cu.copy_3d(a, b, width=4, height=3, depth=2, dst_pitch=8, src_rows=4, stream=s),
    "slices of others": lambda: cu.copy_3d(pinned, Foreign(), width=4, height=3, depth=2, stream=s),
    "batch": lambda: cu.copy_batch([(a[:64], b[:64]), (a[64:], b[64:])], stream=s),
    "batch of pageable": lambda: cu.copy_batch([(a[:64], bytes(64)), (host, b)], stream=s),
    "another stream": another_stream,
    "close under a copy": close_under_copy,
    "advice": advice,
    "batches": batches,
    "borrow": lambda: cu.Buffer.from_handle(a.pointer, 256),
    "report": cu.memory_report,
}


def state() -> Any:
    """What the layer itself counts."""
    return (
        d.memory_info, d.pool.used, pool.used, limit.used, tracking.outstanding_bytes, len(own.given),
        tracking.upstream.counts.current, [x.is_closed for x in (a, b, m, pool)], a._exports, d.resource == d.pool,
    )  # fmt: skip
