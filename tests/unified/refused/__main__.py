"""Runs the operations of one module; see __init__.py."""

from __future__ import annotations

import gc
import importlib
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import cuda_unified as cu
from cuda_unified import _native
from tests.helpers.faults import Faults

STATUS = 999  # CUDA_ERROR_UNKNOWN: no function gives it a meaning
# what makes things, and what ends them: after each operation there are as many as before
PAIRS = [
    (("cuStreamCreateWithPriority", "cuStreamCreate"), ("cuStreamDestroy_v2",)),
    (("cuEventCreate",), ("cuEventDestroy_v2",)),
    (
        ("cuMemAllocFromPoolAsync", "cuMemAllocAsync", "cuMemAlloc_v2", "cuMemAllocManaged"),
        ("cuMemFreeAsync", "cuMemFree_v2"),
    ),
    (("cuMemAllocHost_v2", "cuMemHostAlloc"), ("cuMemFreeHost",)),
    (("cuMemHostRegister_v2",), ("cuMemHostUnregister",)),
    (("cuMemPoolCreate",), ("cuMemPoolDestroy",)),
    (("cuCtxCreate_v4", "cuCtxCreate_v2"), ("cuCtxDestroy_v2",)),
    (("cuCtxPushCurrent_v2", "cuCtxCreate_v4"), ("cuCtxPopCurrent_v2",)),
    (("cuLibraryLoadData",), ("cuLibraryUnload",)),
    (("cuLinkCreate_v2",), ("cuLinkDestroy",)),
    (("cuGraphCreate", "cuGraphClone"), ("cuGraphDestroy",)),
    (("cuGraphInstantiateWithParams",), ("cuGraphExecDestroy",)),
]
ENDINGS = {name for _, ended in PAIRS for name in ended}
# Refusing these raises nothing in any operation: an object that is dropped, or the end of a scope, has nobody to tell; what is only asked
# so that less has to be done has another way
QUIET = ENDINGS | {"cuCtxGetCurrent", "cuEventQuery", "cuStreamIsCapturing", "cuThreadExchangeStreamCaptureMode"}
MOST_CALLS, PATIENCE = 400, 20


stays = [(0, 0)]


def settle() -> None:
    """Everything that was dropped has ended; but for what cannot, since a call was refused."""
    same, left = 0, (-1, -1)
    while same < PATIENCE and left != stays[0]:
        gc.collect()
        now = (_native.things_in_graphs(), _native.copies_under_way())
        same, left = same + 1 if now == left else 0, now
        time.sleep(0.001)
    stays[0] = left


class Scene:
    """The operations of one module."""

    def __init__(self, module: Any, control: Faults) -> None:
        self.control, self.device = control, cu.Device(0)
        self.operations: dict[str, Callable[[], Any]] = module.OPERATIONS
        self.quiet: dict[str, set[str]] = getattr(module, "QUIET", {})
        self.endings: set[str] = ENDINGS | getattr(module, "ENDINGS", set())
        self.not_counted: dict[str, str] = getattr(module, "NOT_COUNTED", {})
        self.state: Callable[[], Any] = getattr(module, "state", lambda: None)
        self.streams = getattr(module, "STREAMS", ())

    def balance(self) -> list[int]:
        """How many things there are, of each pair."""
        settle()
        self.device.sync()
        for stream in self.streams:
            stream.sync()
        settle()
        return [self.control.calls(*made) - self.control.calls(*ended) for made, ended in PAIRS]

    def refuse(self, name: str, n: int, operation: Callable[[], Any]) -> str:
        """One run with call `n` refused; the function, "" if there are not so many."""
        self.control.arm(n, STATUS)
        try:
            operation()
            told = None
        except cu.CudaError as error:
            told = error
        refused = self.control.refused
        self.control.arm(-1)
        where = (name, n, refused, told)
        if told is None:
            quiet = QUIET | self.quiet.get(name, set())
            assert not refused or refused in quiet or "*" in quiet, ("nothing was raised", where)
        elif not isinstance(told, cu.StreamCaptureError):
            assert told.code == STATUS, where
            assert re.sub(r"_v\d+$", "", told.function or "") == re.sub(r"_v\d+$", "", refused), where
        assert not any(stream.is_capturing for stream in self.streams), where
        return refused

    def run(self, name: str, operation: Callable[[], Any]) -> None:
        """One operation, with each of its calls refused once; and it works afterwards."""
        operation()
        operation()
        before, state, total = self.balance(), self.state(), 0
        for n in range(MOST_CALLS):
            refused = self.refuse(name, n, operation)
            if not refused:
                break
            total += 1
            operation()
            now, state_now = self.balance(), self.state()
            for (made, ended), a, b in zip(PAIRS, before, now, strict=True):
                if self.not_counted.get(name) in made:
                    continue
                # what could not be ended stays, with what it keeps; of events some are kept to be used again
                most = 1 if refused in ended else 40 if refused in self.endings else 0
                least = -16 if made == ("cuEventCreate",) else 0
                assert least <= b - a <= most, (name, n, refused, made, a, b)
            assert state == state_now or refused in self.endings, (name, n, refused, state, state_now)
            before, state = now, state_now
        assert total < MOST_CALLS, (name, total)
        print(name.replace(" ", "_"), total, flush=True)


def warm_up(device: cu.Device) -> None:
    """Events that the layer keeps to use again are there."""
    stream, pinned = device.stream(), [cu.PinnedResource(device).allocate(8) for _ in range(40)]
    there = device.allocate(8)
    for one in pinned:
        there.copy_from(one, stream=stream)
    stream.sync()
    settle()


def main(name: str, library: str) -> None:
    """Runs all operations of a module."""
    sys.unraisablehook = lambda _: None  # what those that are dropped could not do
    control = Faults(library)
    for device in cu.Device.all():
        warm_up(device)
    scene = Scene(importlib.import_module(f"{__package__}.{name}"), control)
    gc.collect()
    gc.freeze()  # the modules: collections are quick from now on
    for each, operation in scene.operations.items():
        scene.run(each, operation)


if __name__ == "__main__":
    main(*sys.argv[1:])
