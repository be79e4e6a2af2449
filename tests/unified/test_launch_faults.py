"""Every call of the driver on the way to a launch refused once: the right error, and the next launch is as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

SCRIPT = """
import struct, sys
from tests.helpers.faults import Faults
import cuda_unified as cu
from tests.unified.kernels import Library, Memory

control = Faults(sys.argv[1])
device = cu.Device(0)
stream, other, library = device.stream(), cu.Stream.from_handle(1, device=device), Library()
out, config = Memory(device, 64, stream), cu.LaunchConfig(1, 1)

def plain(): cu.launch(stream, config, library["three"], out.buffer, 0, 2.5)
def default(): library["three"][1, 1, other](out.buffer, 0, 2.5)
def bound():
    launcher = library["three"].bind(stream, config, out.buffer, 0, 1.5)
    launcher.set(2, 2.5)
    launcher()
def large(): cu.launch(stream, config.replace(shared_memory=49153 - 1, cooperative=True), library["three"], out.buffer, 0, 2.5)
def attributes():
    kernel = library["three"]
    kernel.attributes.max_dynamic_shared_size_bytes = 49152
    assert kernel.attributes.max_dynamic_shared_size_bytes == 49152
    plain()
def occupancy():
    kernel = library["three"]
    cu.launch(stream, cu.LaunchConfig.for_size(1, kernel, block=1), kernel, out.buffer, 0, 2.5)
    kernel.occupancy.max_potential_block_size()

for operation in (plain, default, bound, large, attributes, occupancy):
    operation()
    control.arm(-1)
    operation()
    total, silent = control.total, set()
    assert total >= 2, operation
    for n in range(total):
        control.arm(n)
        try:
            operation()
            silent.add(control.refused)
        except cu.CudaError as error:
            assert error.code == 999, error
            assert error.function.removesuffix("_v2") == control.refused.removesuffix("_v2"), (error, control.refused)
        control.arm(-1)
        device.sync()
        out.write(bytes(64))
        operation()
        device.sync()
        assert struct.unpack("<f", out.read(4)) == (2.5,), (operation, n)
    print(operation.__name__, total, *sorted(silent))
"""


def test_each_call_refused_once(tmp_path: Path) -> None:
    library = faults.build(tmp_path)
    printed = fakes.run(SCRIPT, str(library), timeout=60, CUBIND_DRIVER_LIBRARY=library, PYTHONPATH=faults.ROOT)
    lines = [line.split() for line in printed.splitlines()]
    assert [line[0] for line in lines] == ["plain", "default", "bound", "large", "attributes", "occupancy"]
    # where no error is raised: what was current was restored, or asked for and then set; a kernel may have no name
    silent = {name for line in lines for name in line[2:]}
    assert silent <= {"cuCtxPopCurrent_v2", "cuCtxGetCurrent", "cuKernelGetName"}, printed
