"""Devices, contexts, streams, events, calls."""

from __future__ import annotations

import asyncio
from typing import Any

import cuda_unified as cu

device = cu.Device(0)
kept, other = device.stream(), device.stream()
STREAMS = (kept, other)


def events() -> None:
    s = device.stream()
    first, second = s.record(), device.event(timing=True)
    s.record(second)
    second.sync()
    assert second.done and second - first >= 0


def waiting() -> None:
    a, b = device.stream(), device.stream()
    a.wait(b)
    b.wait(a.record())
    a.sync()
    b.sync()


def own_context() -> None:
    with device.create_context() as context:
        s = context.stream()
        e = s.record()
        s.sync()
        e.close()
        s.close()
    context.close()


def scopes() -> None:
    with device, device.stream() as s, s.timed() as t:
        pass
    assert t.ms >= 0


def calls() -> None:
    s = device.stream()
    assert s.call(lambda: 42).result(5) == 42
    assert s.done in (True, False) and s.priority <= 0 and s.is_nonblocking and s.id


def properties() -> None:
    device._cache.clear()
    assert device.name and device.uuid and device.pci_bus_id and device.compute_capability and device.memory_info
    assert device.stream_priorities and device.peers == () and device.properties.warp_size


def limits() -> None:
    device.limits.stack_size = 2048
    assert device.limits.stack_size >= 2048


def awaited() -> None:
    async def wait() -> None:
        await kept

    asyncio.run(wait())


def borrowed() -> None:
    stream = cu.Stream.from_handle(kept.address, device=device)
    event = other.record()
    stream.wait(cu.Event.from_handle(event.address, device=device, owner=event))
    cu.current_stream(device).sync()


def default_streams() -> None:
    device.default_stream.record().sync()
    cu.Stream.from_handle(2, device=device).sync()


OPERATIONS: dict[str, Any] = {
    "stream": lambda: device.stream(priority=-1).sync(),
    "event": events,
    "waiting": waiting,
    "own context": own_context,
    "scopes": scopes,
    "calls": calls,
    "properties": properties,
    "limits": limits,
    "await": awaited,
    "borrowed": borrowed,
    "default streams": default_streams,
}
