"""One of each public object, for tests of how they end: `make()` gives name -> object, `USES` what a program does with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import cuda_unified as cu

SOURCE = '__device__ int number = 7; extern "C" __global__ void add(int *p, int by) { atomicAdd(p, by); }'
# one waits for a whole device only where no thread captures
CAPTURING = threading.Lock()
TEMPLATE = "template <class T> __global__ void set(T *p, T v) { *p = v; }"


class OwnResource(cu.MemoryResource):
    """A resource that a program wrote."""

    def __init__(self, device: Any) -> None:
        self.upstream = cu.SyncResource(device)
        self.given: dict[int, Any] = {}

    def allocate(self, size: int, stream: Any = None) -> Any:
        inner = self.upstream.allocate(size)
        self.given[inner.pointer] = inner
        return self.buffer(inner.pointer, size, device=inner.device)

    def deallocate(self, pointer: int, size: int, *, stream: Any) -> None:
        self.given.pop(pointer).close()


def _graphs(device: Any, stream: Any, kernel: Any, numbers: Any) -> dict[str, Any]:
    graph = cu.Graph(device)
    node = graph.add_kernel(kernel, cu.LaunchConfig(1, 1), numbers, 1)
    graph.add_call(len, "x", after=node)
    executable = graph.instantiate()
    with CAPTURING, stream.capture(mode="thread_local") as captured:
        kernel[1, 1, stream](numbers, 1)
    return {"graph": graph, "node": node, "executable": executable, "part": executable[node], "captured": captured}


def make(device: Any = None) -> dict[str, Any]:
    """All of them, in an order in which later ones use earlier ones."""
    device = device or cu.Device(0)
    stream = device.stream()
    pool = cu.Pool.create(device)
    resources = {
        "sync": cu.SyncResource(device), "pinned": cu.PinnedResource(device), "managed": cu.ManagedResource(device),
        "statistics": cu.StatisticsResource(device.pool), "tracking": cu.TrackingResource(device.pool),
        "limit": cu.LimitResource(device.pool, 1 << 20), "own": OwnResource(device),
    }  # fmt: skip
    memory = {f"{name} memory": resource.allocate(64) for name, resource in resources.items()}
    numbers = cu.from_host(np.arange(8, dtype="i4"), device, stream=stream)
    module = cu.compile(SOURCE)
    kernel = module.kernel("add")
    config = cu.LaunchConfig(1, 1)
    made = {
        "device": device, "context": device.create_context(), "stream": stream, "event": stream.record(),
        "call": stream.call(len, "x"), "pool": pool, "of the pool": pool.allocate(64, stream), **resources, **memory,
        "buffer": device.allocate(64, stream), "array": numbers, "view": numbers[2:], "capsule": numbers.__dlpack__(),
        "host array": cu.zeros_pinned(4, device=device), "taken": cu.as_array(np.zeros(4)),
        "program": cu.Program(TEMPLATE), "code": module.code, "module": module, "variable": module.get_global("number"),
        "linker": cu.Linker(module.code), "kernel": kernel, "attributes": kernel.attributes, "config": config,
        "launcher": kernel[config, stream], "bound": kernel.bind(stream, config, numbers, 1), "cache": cu.default_cache(),
    }  # fmt: skip
    made |= _graphs(device, stream, kernel, numbers)
    made["bound"]()
    made["executable"].launch(stream)
    return made


def _sync(device: Any) -> None:
    with CAPTURING:
        device.sync()


# What needs the driver, and is an error in the child of a fork
USES: dict[str, Callable[[Any], Any]] = {
    "device": _sync,
    "context": lambda c: c.stream(),
    "stream": lambda s: s.sync(),
    "event": lambda e: e.sync(),
    "pool": lambda p: p.allocate(8),
    "sync": lambda r: r.allocate(8),
    "pinned": lambda r: r.allocate(8),
    "managed": lambda r: r.allocate(8),
    "statistics": lambda r: r.allocate(8),
    "tracking": lambda r: r.allocate(8),
    "limit": lambda r: r.allocate(8),
    "own": lambda r: r.allocate(8),
    "buffer": lambda b: b.fill(0),
    "managed memory": lambda b: b.prefetch(),
    "array": lambda a: a.to_host(),
    "view": lambda a: a.fill(0),
    "module": lambda m: m.kernel("add"),
    "variable": lambda b: b.to_bytes(),
    "kernel": lambda k: k[1, 1](None, 1),
    "attributes": lambda a: a.num_regs,
    "launcher": lambda f: f(None, 1),
    "bound": lambda f: f(),
    "graph": lambda g: g.nodes,
    "executable": lambda e: e.launch(),
    "part": lambda p: p.disable(),
    "captured": lambda g: g.instantiate(),
}
