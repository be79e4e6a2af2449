"""Two devices: what one may use of the other."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import cuda_unified as cu

first, second = cu.Device.all()
streams = first.stream(), second.stream()
STREAMS = streams
here, there = first.allocate(64, streams[0]), second.allocate(64, streams[1])
pool = cu.Pool.create(first)


def access() -> None:
    assert first.can_access_peer(second) and first.peers == (second,)
    first.enable_peer_access(second)
    first.disable_peer_access(second)


def access_twice() -> None:
    first.enable_peer_access(second)
    first.enable_peer_access(second)
    first.disable_peer_access(second)


def access_of_pools() -> None:
    pool.accessible_from.add(second)
    assert list(pool.accessible_from) == [first, second]
    pool.accessible_from.remove(second)


def shared_pool() -> None:
    with cu.Pool.create(first) as shared:
        shared.accessible_from.update([second])
        buffer = shared.allocate(64, streams[0])
        buffer.copy_from(there, stream=streams[0])
        buffer.close()


def copies() -> None:
    here.copy_from(there, stream=streams[0])
    there.copy_from(here, stream=streams[1])


def arrays() -> None:
    a = cu.zeros(8, "float32", device=first, stream=streams[0])
    assert a.to_device(second, stream=streams[1]).device is second


OPERATIONS: dict[str, Any] = {
    "access": access,
    "access twice": access_twice,
    "access of pools": access_of_pools,
    "shared pool": shared_pool,
    "copies": copies,
    "arrays": arrays,
}
# events that are kept to be used again are now of the one device, now of the other
NOT_COUNTED = dict.fromkeys(("shared pool", "copies", "arrays"), "cuEventCreate")
QUIET = {"shared pool": {"cuStreamWaitEvent"}}  # of a copy that is under way in the end: then the host waits


def state() -> Any:
    """What may be used by whom; access that was left on is taken back."""
    with suppress(cu.PeerAccessError):
        first.disable_peer_access(second)
    with suppress(KeyError):
        pool.accessible_from.remove(second)
    return first.pool.used, second.pool.used, pool.used, list(pool.accessible_from)
