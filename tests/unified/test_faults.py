"""Every call of the driver refused once, in every constructor and composite operation: the right error, nothing leaked or broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cubind
from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")
FIRST = """
import re, sys
from tests.helpers.faults import Faults
import cuda_unified as cu
control = Faults(sys.argv[1])
control.arm(int(sys.argv[2]))
try:
    cu.Device(0).stream().sync()
except cu.CudaError as error:
    assert error.code == 999 and re.sub(r"_v\\d", "", error.function) == re.sub(r"_v\\d", "", control.refused), error
else:
    assert control.refused in ("", "cuStreamDestroy_v2", "cuCtxPopCurrent_v2", "cuCtxGetCurrent"), control.refused
print(control.refused)
control.arm(-1)
cu.Device(0).stream().sync()
"""
COMPILING = """
import re, sys
from tests.helpers.faults import Faults
import cuda_unified as cu
control = Faults(sys.argv[1])
SOURCE = "template <class T> __global__ void set(T *p, T v) { *p = v; }"
def compiled(): cu.Program(SOURCE).compile("ptx", name_expressions=["set<float>", "set<int>"])
def cubin(): cu.Program('extern "C" __global__ void k() {}', arch="sm_90").compile("cubin")
def headers(): cu.Program('#include "h.h"\\n__global__ void k(int *p) { *p = N; }', headers={"h.h": "#define N 3"}).compile("ptx")
def wrong():
    try: cu.Program("int f() { return x; }").compile("ptx")
    except cu.CompileError as error:
        if error.code != 6: raise
for operation in (compiled, cubin, headers, wrong):
    operation()
    n, silent, before = 0, set(), control.calls("nvrtcCreateProgram") - control.calls("nvrtcDestroyProgram")
    while True:
        control.arm(n, 11)
        try:
            operation()
            silent.add(control.refused)
        except cu.CudaError as error:
            assert error.code == 11 and error.function == control.refused, (operation, n, control.refused, error)
        refused = control.refused
        control.arm(-1)
        now = control.calls("nvrtcCreateProgram") - control.calls("nvrtcDestroyProgram")
        assert now - before == (refused == "nvrtcDestroyProgram"), (operation, n, refused)
        before = now
        if not refused: break
        operation()
        n += 1
    print(operation.__name__, n, *sorted(silent - {""}))
"""
LINKING = """
import re, sys
from tests.helpers.faults import Faults
import cuda_unified as cu
control = Faults(sys.argv[1])
USES = 'extern __device__ int added(int, int); extern "C" __global__ void k(int *x) { *x = added(40, 2); }'
HAS = "__device__ int added(int a, int b) { return a + b; }"
one, two = (cu.Program(s, lto=True, relocatable=True, arch=90).compile() for s in (USES, HAS))
quiet = {"nvJitLinkGetErrorLog", "nvJitLinkGetErrorLogSize", "nvJitLinkGetInfoLog", "nvJitLinkGetInfoLogSize"}
def ptx(): assert "call" not in cu.Linker(one, two, target=90).link(target="ptx").text
def cubin(): assert cu.Linker(one, two, target=90).link().kind == "cubin"
def wrong():
    linker = cu.Linker(one, target=90)
    try: linker.link()
    except cu.LinkError as error:
        if error.code == 12: raise
        assert "added" in (error.log or "") or control.refused in quiet, error
for operation in (ptx, cubin, wrong):
    operation()
    n, before = 0, control.calls("nvJitLinkCreate") - control.calls("nvJitLinkDestroy")
    while True:
        control.arm(n, 12)
        try:
            operation()
            silent = True
        except cu.CudaError as error:
            silent = False
            assert error.code == 12 and error.function == control.refused, error
            assert isinstance(error, cu.LinkError) or control.refused == "nvJitLinkDestroy", error
        refused = control.refused
        control.arm(-1)
        ends = operation is wrong and refused == "nvJitLinkDestroy"  # the first error is told
        assert not silent or not refused or refused in quiet or ends, (operation, n, refused)
        now = control.calls("nvJitLinkCreate") - control.calls("nvJitLinkDestroy")
        assert now - before == (refused == "nvJitLinkDestroy"), (operation, n, refused)
        before = now
        if not refused: break
        operation()
        n += 1
    print(operation.__name__, n)
"""
AREAS = sorted(path.stem for path in (Path(__file__).parent / "refused").glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.build(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("area", AREAS)
def test_each_call_is_refused_once(library: Path, area: str) -> None:
    """Complaint 45: what is behind a call that failed is whole, and can be used and dropped."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.unified.refused", area, str(library)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=faults.ROOT,
        env=fakes.environment(
            CUBIND_DRIVER_LIBRARY=library,
            PYTHONPATH=f"{faults.ROOT}:{fakes.PACKAGE.parent}",
            CPU_DEVICE_COUNT="2" if area == "peers" else "1",
        ),
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert all(int(line.split()[1]) >= 1 for line in done.stdout.splitlines()), done.stdout


def test_a_first_use_that_fails_is_made_again(library: Path) -> None:
    """Each call of a program's first lines refused: the next try goes on, and nothing thinks that all was well."""
    paths = f"{faults.ROOT}:{fakes.PACKAGE.parent}"
    refused = [""]
    while refused == [""] or refused[-1]:
        n = str(len(refused) - 1)
        refused.append(fakes.run(FIRST, library, n, CUBIND_DRIVER_LIBRARY=library, PYTHONPATH=paths).strip())
    assert {"cuInit", "cuDeviceGetCount", "cuDevicePrimaryCtxRetain", "cuStreamCreateWithPriority"} <= set(refused)


def test_each_call_of_the_compiler_is_refused_once(tmp_path: Path) -> None:
    found = cubind.info().libraries["nvrtc"].path
    assert found
    library = faults.build(tmp_path, of=Path(found), prefix="nvrtc")
    paths = f"{faults.ROOT}:{fakes.PACKAGE.parent}"
    how = {"CUBIND_NVRTC_LIBRARY": library, "CUBIND_DEVICE": "cpu", "CUDA_UNIFIED_CACHE": "0"}
    lines = [line.split() for line in fakes.run(COMPILING, library, PYTHONPATH=paths, timeout=90, **how).splitlines()]
    assert [line[0] for line in lines] == ["compiled", "cubin", "headers", "wrong"]
    assert all(int(line[1]) >= 5 for line in lines), lines
    assert {name for line in lines for name in line[2:]} <= {"nvrtcDestroyProgram"}, lines


def test_each_call_of_the_linker_is_refused_once(tmp_path: Path) -> None:
    if not cubind.has("nvJitLinkCreate"):
        pytest.skip("libnvJitLink is not installed (the package nvidia-nvjitlink)")
    found = cubind.info().libraries["nvjitlink"].path
    assert found
    library = faults.build(tmp_path, of=Path(found), prefix="nvJitLink")
    paths = f"{faults.ROOT}:{fakes.PACKAGE.parent}"
    how = {"CUBIND_NVJITLINK_LIBRARY": library, "CUBIND_DEVICE": "cpu"}
    lines = [line.split() for line in fakes.run(LINKING, library, PYTHONPATH=paths, timeout=90, **how).splitlines()]
    assert [line[0] for line in lines] == ["ptx", "cubin", "wrong"]
    assert all(int(line[1]) >= 5 for line in lines), lines
