"""Every call of the driver refused once while code is linked, loaded and used: the right error, nothing leaked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

SCRIPT = """
import gc, sys
from tests.helpers.faults import Faults
import cuda_unified as cu

control = Faults(sys.argv[1])
device = cu.Device(0)
device.context
PAIRS = [(("cuLibraryLoadData",), ("cuLibraryUnload",)), (("cuLinkCreate_v2",), ("cuLinkDestroy",)),
         (("cuCtxPushCurrent_v2",), ("cuCtxPopCurrent_v2",))]
PTX = ".version 7.0\\n.target sm_75\\n.address_size 64\\n"
ENTRY = PTX + ".visible .global .u32 number = 7;\\n.visible .entry k() { ret; }\\n"
OTHER = PTX + ".visible .entry other() { ret; }\\n"

def loading():
    with cu.Module(ENTRY) as module: return module.kernels
def kernels():
    module = cu.Module(ENTRY)
    assert module._kernel_handle("k")
    try: module._kernel_handle("none")
    except cu.NotFoundError as error: assert error.code == 500, error
def variables():
    buffer = cu.Module(ENTRY).get_global("number")
    assert buffer.size == 4
def linking():
    code = cu.Linker(ENTRY, OTHER).link()
    assert set(code.module().kernels) == {"k", "other"}

def balance():
    gc.collect()
    return [control.calls(*made) - control.calls(*ended) for made, ended in PAIRS]

for operation in (loading, kernels, variables, linking):
    operation()
    before = balance()
    control.arm(-1)
    operation()
    total, silent = control.total, set()
    for n in range(total):
        control.arm(n)
        try:
            operation()
            silent.add(control.refused)
        except cu.CudaError as error:
            assert error.code == 999, error
            assert error.function.rstrip("_v2") == control.refused.rstrip("_v2"), (error, control.refused)
        refused = control.refused
        control.arm(-1)
        operation()
        now = balance()
        for (made, ended), a, b in zip(PAIRS, before, now):
            assert b - a == (refused in ended), (operation.__name__, refused, made, a, b)
        before = now
    print(operation.__name__, total, *sorted(silent))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.build(tmp_path_factory.mktemp("faults"))


def test_each_call_refused_once(library: Path) -> None:
    printed = fakes.run(SCRIPT, str(library), timeout=120, CUBIND_DRIVER_LIBRARY=library, PYTHONPATH=faults.ROOT)
    lines = [line.split() for line in printed.splitlines()]
    assert [line[0] for line in lines] == ["loading", "kernels", "variables", "linking"]
    assert all(int(line[1]) >= 3 for line in lines), printed
    # no error is raised where something that is dropped ends, where it is seen what is current, or a name is not found twice
    silent = {name for line in lines for name in line[2:]}
    assert silent <= {"cuLibraryUnload", "cuCtxGetCurrent", "cuCtxPopCurrent_v2"}, printed
