"""Whole kernels in CUDA C++, compiled by NVRTC and run through cubind on the CPU device, against NumPy.

The kernels are in kernels/, by families.  A process an architecture compiles and runs them all; the device has that compute capability.
"""

import json

import pytest

from tests.cpu_device.kernels.harness import ARCHITECTURES, load
from tests.helpers.fakes import run

pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
CASES = {case.name: unit for unit in load() for case in unit.cases}
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.cpu_device.kernels import harness
harness.main(int(sys.argv[2]), [])
"""


@pytest.fixture(scope="module", params=ARCHITECTURES)
def results(request: pytest.FixtureRequest) -> tuple[int, dict[str, str]]:
    """What became of every case on one architecture."""
    changes = {"CUBIND_DEVICE": "cpu", "CPU_DEVICE_CC": str(request.param)}
    out = run(RUN, str(request.config.rootpath), str(request.param), timeout=300, **changes)
    return request.param, json.loads(out.splitlines()[-1])


def test_how_many_there_are() -> None:
    assert len(CASES) == sum(len(unit.cases) for unit in load()) >= 145


def test_every_kernel_runs_on_every_architecture(results: tuple[int, dict[str, str]]) -> None:
    """All that compile for it, that is, and each gives what NumPy gives."""
    architecture, found = results
    assert {name for name, unit in CASES.items() if unit.since <= architecture} == set(found)
    failed = {name: text for name, text in found.items() if text != "ran"}
    assert not failed, "\n".join(f"{name}: {text}" for name, text in failed.items())
