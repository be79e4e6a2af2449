"""The unified layer on drivers of earlier CUDA versions: the CPU device without what came later.

Which functions those are is told by the versions under which the resolver hands them out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generator import database, pipeline
from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

PROGRAM = r"""
import numpy as np
import cuda_unified as cu

device, config = cu.Device(0), cu.LaunchConfig(1, 4)
add = cu.compile_kernel('extern "C" __global__ void add(float *x, float by) { x[threadIdx.x] += by; }', "add")

with device.create_context() as own, own.stream() as stream:
    with stream.timed() as time:
        pass
    print("own context", time.ms >= 0)

with device.stream() as stream:
    x = cu.zeros(4, "float32", stream=stream)
    add.bind(stream, config, x, 2.5)()
    with stream.capture() as captured:
        cu.launch(stream, config, add, x, 1)
    captured.instantiate().launch(stream)
    built = cu.Graph(device)
    node = built.add_kernel(add, config, x, 0.5)
    built.if_(built.create_condition(default=1), after=node).body.add_kernel(add, config, x, 10)
    built.instantiate().launch(stream)
    print("graphs", x.to_host().tolist())

    with cu.trace() as trace:
        cu.launch(stream, config, add, x, 1)
        stream.sync()
    print("trace", trace.events[0].name, trace.events[0].device_end is not None)

    to = [device.allocate(64, stream) for _ in range(2)]
    cu.copy_batch([(b, bytes([i] * 64)) for i, b in enumerate(to)], stream=stream)
    print("batch", [int(cu.as_array(b).to_host()[0]) for b in to])

    several = [cu.ManagedResource(device).allocate(1 << 16) for _ in range(3)]
    cu.prefetch_batch(several, "host", stream=stream)
    stream.sync()
    print("prefetched", {str(b.last_prefetch) for b in several})
    try:
        cu.discard_batch(several, stream=stream)
    except cu.SymbolNotFoundError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A driver that has what CUDA had at that version, by its path."""
    version: int = request.param
    facts = database.load(pipeline.ROOT, "driver").library_at(pipeline.target(pipeline.ROOT))
    later = {s for f in facts.functions if f.resolver_version > version for s in (f.symbol, f.per_thread) if s}
    assert "cuMemDiscardBatchAsync" in later and "cuMemAlloc_v2" not in later
    return faults.build(tmp_path_factory.mktemp(f"driver{version}"), without=later)


@pytest.mark.parametrize("older", [12040, 12080], indirect=True)
def test_what_an_older_driver_can_do_is_done(older: Path) -> None:
    """Contexts, times, graphs with conditions, traces, batches: by the functions that there were; else what it lacks."""
    lines = fakes.run(PROGRAM, PYTHONPATH=faults.ROOT, CUBIND_DRIVER_LIBRARY=older).splitlines()
    assert lines[:-1] == [
        "own context True",
        "graphs [14.0, 14.0, 14.0, 14.0]",
        "trace add True",
        "batch [0, 1]",
        "prefetched {'Host()'}",
    ]
    assert re.fullmatch(r"cuMemDiscardBatchAsync is not in the CUDA driver .*; it came with CUDA 13\.0", lines[-1])
