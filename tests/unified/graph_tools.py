"""Kernels and memory for the tests of graphs."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import cuda_unified as cu
from tests.unified.kernels import Library, Memory

SOURCE = r"""
extern "C" __device__ __cudart_builtin__ void cudaGraphSetConditional(unsigned long long handle, unsigned value);
extern "C" __global__ void axpb(float *p, float a, float b, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) p[i] = a * p[i] + b;
}
extern "C" __global__ void step(unsigned *p, unsigned factor, unsigned add) { *p = *p * factor + add; }
extern "C" __global__ void below(unsigned *p, unsigned long long condition, unsigned limit) {
    *p += 1;
    cudaGraphSetConditional(condition, *p < limit);
}
extern "C" __global__ void choose(unsigned long long condition, unsigned value) { cudaGraphSetConditional(condition, value); }
extern "C" __global__ void slow(unsigned *p, unsigned turns, unsigned add) {
    unsigned x = *p;
    for (unsigned i = 0; i < turns; i++) x = x * 1664525u + 1013904223u;
    if (x != 12345u || turns) *p = *p + add;
}
"""
ONE = cu.LaunchConfig(1, 1)


@functools.cache
def kernels() -> Library:
    """The kernels above."""
    return Library(SOURCE, ())


class Words:
    """Zeroed 32-bit words on a device."""

    def __init__(self, device: Any, stream: Any, n: int = 4) -> None:
        self.memory = Memory(device, 4 * n, stream)
        self.buffer = self.memory.buffer

    def __getitem__(self, i: int) -> int:
        return int(np.frombuffer(self.memory.read(), np.uint32)[i])

    def set(self, *values: int) -> None:
        """Writes all words."""
        self.memory.stream.sync()
        self.memory.write(np.array(values, np.uint32).tobytes().ljust(self.buffer.size, b"\0"))


def run(graph: Any, stream: Any, times: int = 1, **how: Any) -> Any:
    """Instantiates, launches and waits."""
    executable = graph.instantiate(**how)
    for _ in range(times):
        executable.launch(stream)
    stream.sync()
    return executable


def kinds(graph: Any) -> list[str]:
    return [node.kind for node in graph.nodes]
