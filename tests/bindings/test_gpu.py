"""The driver's bindings on an NVIDIA GPU: from a kernel's source to its result, times, and what errors say.

`make gpu` runs them; $CUBIND_DRIVER_LIBRARY may name another driver to try them on.
"""

from __future__ import annotations

import os

import pytest

from tests.helpers import fakes

pytestmark = pytest.mark.gpu
PRELUDE = """
import struct
import cubind
from cubind import driver as d
d.cuInit(0)
d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
"""
PTX = """
KERNELS = b'''.version 7.0
.target sm_70
.address_size 64
.visible .entry scale(.param .u64 p, .param .f32 by, .param .u32 n)
{ .reg .pred %q; .reg .b32 %i, %n, %b; .reg .f32 %v, %by; .reg .b64 %p, %o;
ld.param.u64 %p, [p]; ld.param.f32 %by, [by]; ld.param.u32 %n, [n];
mov.u32 %i, %ctaid.x; mov.u32 %b, %ntid.x; mul.lo.u32 %i, %i, %b; mov.u32 %b, %tid.x; add.u32 %i, %i, %b;
setp.ge.u32 %q, %i, %n; @%q bra END;
cvta.to.global.u64 %p, %p; mul.wide.u32 %o, %i, 4; add.s64 %p, %p, %o;
ld.global.f32 %v, [%p]; mul.rn.f32 %v, %v, %by; st.global.f32 [%p], %v;
END: ret; }\\0'''
"""


def on_gpu(script: str) -> str:
    library = os.environ.get("CUBIND_DRIVER_LIBRARY")
    return fakes.run(PRELUDE + PTX + script, timeout=60, **({"CUBIND_DRIVER_LIBRARY": library} if library else {}))


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    """There is one."""
    try:
        on_gpu("assert d.cuDeviceGetCount()")
    except AssertionError as error:
        pytest.skip(f"no GPU: {str(error).strip().splitlines()[-1]}")


def test_a_kernel_runs() -> None:
    on_gpu("""
n = 1000
k = d.cuModuleGetFunction(d.cuModuleLoadData(KERNELS), "scale")
p = d.cuMemAlloc(4 * n)
d.cuMemcpyHtoD(p, struct.pack(f"{n}f", *range(n)), 4 * n)
d.cuLaunchKernel(k, 4, 1, 1, 256, 1, 1, 0, None, (p, 2.5, n))
back = bytearray(4 * n)
d.cuMemcpyDtoH(back, p, 4 * n)
assert list(memoryview(back).cast("f")) == [2.5 * i for i in range(n)]
d.cuMemFree(p)
""")


def test_streams_and_times() -> None:
    on_gpu("""
stream, start, end = d.cuStreamCreate(0), d.cuEventCreate(0), d.cuEventCreate(0)
n = 1 << 22
p = d.cuMemAlloc(n)
d.cuEventRecord(start, stream)
for value in range(8):
    d.cuMemsetD8Async(p, value, n, stream)
d.cuEventRecord(end, stream)
d.cuEventSynchronize(end)
assert 0 < d.cuEventElapsedTime(start, end) < 10_000
back = bytearray(n)
d.cuMemcpyDtoH(back, p, n)
assert set(back) == {7}
""")


def test_a_captured_graph_runs_again() -> None:
    on_gpu("""
stream = d.cuStreamCreate(1)
k = d.cuModuleGetFunction(d.cuModuleLoadData(KERNELS), "scale")
p = d.cuMemAlloc(4)
d.cuMemcpyHtoD(p, struct.pack("f", 1), 4)
d.cuStreamBeginCapture(stream, d.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL)
d.cuLaunchKernel(k, 1, 1, 1, 1, 1, 1, 0, stream, (p, 2.0, 1))
graph = d.cuGraphInstantiate(d.cuStreamEndCapture(stream), 0)
for _ in range(5):
    d.cuGraphLaunch(graph, stream)
d.cuStreamSynchronize(stream)
back = bytearray(4)
d.cuMemcpyDtoH(back, p, 4)
assert struct.unpack("f", back) == (32.0,)
""")


@pytest.mark.parametrize(
    ("call", "name"),
    (
        (
            "d.cuModuleLoadData(b'.version 7.0\\n.target sm_70\\n.address_size 64\\n.entry x() { odd; }\\0')",
            "INVALID_PTX",
        ),
        ("d.cuMemFree(8)", "INVALID_VALUE"),
        ("d.cuModuleGetFunction(d.cuModuleLoadData(KERNELS), 'other')", "NOT_FOUND"),
        ("d.cuDeviceGet(99)", "INVALID_DEVICE"),
        ("d.cuMemAlloc(1 << 60)", "OUT_OF_MEMORY"),
    ),
)
def test_errors_have_the_drivers_names(call: str, name: str) -> None:
    on_gpu(f"""
try:
    {call}
except cubind.CudaError as error:
    assert error.name == "CUDA_ERROR_{name}", error.name
else:
    raise AssertionError("it succeeded")
""")
