"""Plug-ins: CuPy, PyTorch and RMM allocate through us, we through them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import cuda_unified as cu
from tests.unified import stand_ins

device = cu.Device(0)
stream = device.stream()
STREAMS = (stream,)
cupy, torch, rmm = stand_ins.cupy(stream), stand_ins.torch(), stand_ins.rmm()
sys.modules.update({"cupy": cupy, "torch": torch, **rmm})
counts = cu.StatisticsResource(device.pool)
of_python = type("OfNoDevice", (cu.StatisticsResource,), {"device": None})(counts)
cupy.cuda.alloc = cu.as_cupy_allocator(counts)
for_rmm = cu.as_rmm_resource(counts)
rmm["rmm"].mr.get_per_device_resource = {0: for_rmm}.__getitem__
foreign: dict[str, Any] = {
    "cupy": cu.CupyResource(device),
    "torch": cu.TorchResource(device),
    "rmm": cu.RmmResource(device),
}
pool = cu.Pool.create(device)
plugged = cu.as_torch_allocator(pool)
told: list[BaseException] = []


def raised(call: Callable[[], Any]) -> Any:
    """What a C function of ours reports, as an exception."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda a: told.append(a.exc_value or a.exc_type())
    try:
        result = call()
    finally:
        sys.unraisablehook = hook
    if told:
        raise told.pop()
    return result


def through_pool(stream: int | None) -> None:
    pointer = raised(lambda: plugged.allocate(100, 0, stream))
    assert pointer
    raised(lambda: plugged.free(pointer, 100, 0, stream))


def through_resource() -> None:
    pointer = raised(lambda: cu.plugins._torch_allocate(100, 0, stream.address))
    raised(lambda: cu.plugins._torch_free(pointer, 100, 0, stream.address))


def ours_by_cupy() -> None:
    pointer = cupy.cuda.alloc(100)
    assert pointer.memory.owner.stream == stream


def ours_by_rmm() -> None:
    at = stand_ins.RmmStream(stream)
    for_rmm.deallocate(for_rmm.allocate(100, at), 100, at)


def theirs(name: str) -> None:
    buffer = foreign[name].allocate(64, stream)
    buffer.fill(1, stream=stream)
    buffer.close()


OPERATIONS: dict[str, Any] = {
    "CuPy by us": ours_by_cupy,
    "RMM by us": ours_by_rmm,
    "PyTorch by our pool": lambda: through_pool(stream.address),
    "PyTorch by our pool in the default stream": lambda: through_pool(None),
    "PyTorch by a resource of ours": through_resource,
    "ours by CuPy": lambda: theirs("cupy"),
    "ours by PyTorch": lambda: theirs("torch"),
    "ours by RMM": lambda: theirs("rmm"),
}
# a copy that is under way when the memory goes back: then the host waits
QUIET = {f"ours by {library}": {"cuStreamWaitEvent"} for library in ("CuPy", "PyTorch", "RMM")}
# without the context what was to be freed stays
ENDINGS = {"cuCtxPushCurrent_v2"}


def state() -> Any:
    """What each of the parties thinks is allocated."""
    live = {name: dict(resource._live) for name, resource in foreign.items()}
    return pool.used, device.pool.used, counts.counts.current, live, dict(torch.cuda.live), dict(cu.plugins._torch_live)
