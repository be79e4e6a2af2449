"""Seeded defects of kernels: each ends in the status that a GPU gives, and the report names the place.

One process runs them all; after each the device's context is reset, as a program that goes on would do.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.cpu_device.defect_kernels import SOURCE
from tests.helpers.fakes import run

pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
ADDRESS, MISALIGNED, TIMEOUT, PC = "ILLEGAL_ADDRESS", "MISALIGNED_ADDRESS", "LAUNCH_TIMEOUT", "INVALID_PC"
# name: (expression of the launch, status, block, thread, words of the report)
DEFECTS = {
    "read_one_too_far": ("go(4, 32, put(127 * 4), put(512))", ADDRESS, 3, 31, ["read of 4 bytes outside any allocation", "0 bytes behind the end of the allocation of 508 bytes"]),
    "write_one_too_far": ("go(2, 64, put(127 * 4))", ADDRESS, 1, 63, ["write of 4 bytes", "0 bytes behind the end of the allocation of 508 bytes"]),
    "negative_index": ("go(1, 32, put(128), put(128))", ADDRESS, 0, 0, ["read of 4 bytes", "4 bytes before the allocation of 128 bytes"]),
    "shared_one_too_far": ("go(1, 32, put(64))", ADDRESS, 0, 31, ["write of 4 bytes outside shared memory", "124 bytes of shared memory, this is byte 124"]),
    "local_one_too_far": ("go(1, 8, indices(), put(64), 1 << 20)", ADDRESS, 0, 0, ["read of 4 bytes", "local memory"]),
    "constant_too_far": ("go(1, 8, put(64), 1 << 20)", ADDRESS, 0, 0, ["read of 4 bytes"]),
    "use_after_free": ("go(1, 8, freed(64))", ADDRESS, 0, 0, ["write of 4 bytes of freed memory", "0 bytes into the freed allocation of 64 bytes"]),
    "freed_while_queued": ("queued(64)", ADDRESS, 0, 0, ["atomic access of 4 bytes of freed memory", "freed allocation of 64 bytes"]),
    "misaligned_4": ("go(1, 8, put(64), put(64))", MISALIGNED, 0, 1, ["read of 4 bytes at a misaligned address", "1 bytes into the allocation of 64"]),
    "misaligned_8": ("go(1, 1, put(64), put(64))", MISALIGNED, 0, 0, ["read of 8 bytes at a misaligned address", "4 bytes into the allocation of 64"]),
    "misaligned_16": ("go(1, 1, put(64))", MISALIGNED, 0, 0, ["write of 16 bytes at a misaligned address", "8 bytes into the allocation of 64"]),
    "null_pointer": ("go(1, 32, 0)", ADDRESS, 0, 9, ["write of 4 bytes", "address 0x0"]),
    "host_pointer": ("go(1, 1, host, put(64))", ADDRESS, 0, 0, ["read of 4 bytes"]),
    "shared_kept": ("go(1, 1, 0) or go(1, 32, 1)", ADDRESS, 0, 1, ["write of 4 bytes outside shared memory", " bytes of shared memory, this is byte "]),
    "space_wrong": ("go(1, 1, put(64))", ADDRESS, 0, 0, ["write of 4 bytes outside shared memory"]),
    "endless_loop": ("go(1, 32, put(64))", TIMEOUT, 0, None, ["CPU_DEVICE_STEPS"]),
    "barrier_not_reached": ("go(1, 64, put(64))", "LAUNCH_FAILED", 0, 0, ["a barrier that not all threads reach"]),
    "warp_barrier_not_reached": ("go(1, 32, put(64))", TIMEOUT, 0, None, ["CPU_DEVICE_STEPS"]),
    "assertion": ("go(1, 12, indices())", "ASSERT", 0, 7, ["assertion `x[threadIdx.x] < 7` failed", "unit.cu:"]),
    "trapped": ("go(1, 12, indices())", "LAUNCH_FAILED", 0, 7, ["trap"]),
    "index_overflow": ("go(2, 1, put(64), 1 << 30)", ADDRESS, 1, 0, ["write of 4 bytes outside any allocation"]),
    "freed_twice": ("go(1, 1)", ADDRESS, 0, 0, ["free of what malloc did not give, or a second time"]),
    "used_after_device_free": ("go(1, 1, put(64))", ADDRESS, 0, 0, ["read of 4 bytes of freed memory", "12 bytes into the freed allocation of 40 bytes"]),
    "beyond_device_malloc": ("go(1, 1)", ADDRESS, 0, 0, ["write of 1 bytes", "0 bytes behind the end of the allocation of 40 bytes"]),
    "free_of_no_allocation": ("go(1, 1, put(64))", ADDRESS, 0, 0, ["free of what malloc did not give", "0 bytes into the allocation of 64 bytes"]),
    "punned": ("go(1, 16, put(64))", ADDRESS, 0, 8, ["write of 8 bytes", "0 bytes behind the end of the allocation of 64 bytes"]),
    "shared_size_wrong": ("go(1, 32, put(128), shared=64)", ADDRESS, 0, 16, ["write of 4 bytes outside shared memory", "64 bytes of shared memory, this is byte 64"]),
    "object_of_zeros": ("go(1, 1, put(64), put(64))", ADDRESS, 0, 0, ["read of 8 bytes", "address 0x0"]),
    "wild_call": ("go(1, 1, put(64), put(64))", PC, 0, 0, ["indirect call of an address that is no function"]),
    "stack_overflow": ("go(1, 1, put(64))", "HARDWARE_STACK_ERROR", 0, 0, ["stack"]),
    "printf_text_wild": ("go(1, 1, 4096)", ADDRESS, 0, 0, ["a text for printf is not readable"]),
    "atomic_one_too_far": ("go(1, 9, put(64))", ADDRESS, 0, 8, ["atomic access of 8 bytes", "0 bytes behind the end of the allocation of 64 bytes"]),
    "vector_too_far": ("go(1, 5, put(76), put(80))", ADDRESS, 0, 4, ["read of 16 bytes", "allocation of 76 bytes"]),
    "missing_barrier": ("checked('races', 1, 64, put(256))", "LAUNCH_FAILED", 0, 32, ["race on shared memory: write of 4 bytes", "byte 128 of variable", "the read: block (0, 0, 0), thread (0, 0, 0)"]),
    "racing_blocks": ("checked('races', 2, 1, put(4))", "LAUNCH_FAILED", 1, 0, ["race on global memory", "byte 0 of the allocation of 4 bytes", "the write: block (0, 0, 0), thread (0, 0, 0)"]),
    "shared_not_written": ("checked('uninitialised', 1, 64, put(256))", "LAUNCH_FAILED", 0, 5, ["read of 4 bytes of shared memory that nothing wrote", "byte 20 of variable"]),
    "device_not_written": ("checked('uninitialised', 1, 16, half_written(64), put(64))", "LAUNCH_FAILED", 0, 8, ["read of 4 bytes of global memory that nothing wrote", "byte 32 of the allocation of 64 bytes"]),
}  # fmt: skip
RUN = """
import array, ctypes, json, sys
sys.path.insert(0, sys.argv[1])
from cubind import CudaError, cpu, driver as d, nvrtc
from tests.cpu_device.defect_kernels import SOURCE
program = nvrtc.nvrtcCreateProgram(SOURCE, "unit.cu", 0, None, None)
nvrtc.nvrtcCompileProgram(program, None, ["--gpu-architecture=compute_89", "-lineinfo"])
ptx = bytes(nvrtc.nvrtcGetPTX(program), "ascii")
d.cuInit(0)
context = d.cuDevicePrimaryCtxRetain(0)
in_host = (ctypes.c_int * 16)()
host = ctypes.addressof(in_host)

def put(size, data=None):
    pointer = d.cuMemAlloc(size)
    d.cuMemcpyHtoD(pointer, data or bytes(size), size)
    return pointer
def indices():
    return put(64, array.array("i", range(16)).tobytes())
def freed(size):
    pointer = put(size)
    d.cuMemFree(pointer)
    return pointer
def go(grid, block, *arguments, shared=0):
    d.cuLaunchKernel(kernel, grid, 1, 1, block, 1, 1, shared, None, arguments)
    d.cuCtxSynchronize()
def queued(size):
    "The stream frees it in order, before the kernel."
    pointer, stream = d.cuMemAllocAsync(size, None), d.cuStreamCreate(1)
    d.cuCtxSynchronize()
    d.cuMemFreeAsync(pointer, stream)
    d.cuLaunchKernel(kernel, 1, 1, 1, 8, 1, 1, 0, stream, (pointer,))
    d.cuStreamSynchronize(stream)
def checked(what, *launch):
    cpu.check(**{what: True})
    go(*(one() if callable(one) else one for one in launch))
def half_written(size):
    "Allocated while the checker is on."
    def made():
        pointer = d.cuMemAlloc(size)
        d.cuMemcpyHtoD(pointer, bytes(size // 2), size // 2)
        return pointer
    return made

found = {}
for name, expression in json.loads(sys.argv[2]).items():
    d.cuCtxSetCurrent(context)
    module = d.cuModuleLoadData(ptx + b"\\0")
    kernel = d.cuModuleGetFunction(module, name)
    status, later, text = "CUDA_SUCCESS", "", ""
    try:
        eval(expression)
    except CudaError as error:
        status, text = error.name, str(error)
        try:
            d.cuMemAlloc(4)
        except CudaError as error:
            later = error.name
    found[name] = [status, later, cpu.last_report(), text]
    cpu.check(races=False, uninitialised=False)
    d.cuDevicePrimaryCtxReset(0)
    context = d.cuDevicePrimaryCtxRetain(0)
print()
print(json.dumps([ptx.decode("ascii"), found]))
"""


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest) -> tuple[list[str], dict[str, list[str]]]:
    launches = json.dumps({name: defect[0] for name, defect in DEFECTS.items()})
    changes = {"CUBIND_DEVICE": "cpu", "CPU_DEVICE_STEPS": "2000000"}
    out = run(RUN, str(request.config.rootpath), launches, timeout=120, **changes)
    ptx, found = json.loads(out.splitlines()[-1])
    return ptx.splitlines(), found


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found(name: str, outcome: tuple[list[str], dict[str, list[str]]]) -> None:
    lines, found = outcome
    _, expected, block, thread, words = DEFECTS[name]
    status, later, report, text = found[name]
    assert status == later == f"CUDA_ERROR_{expected}", (status, later, report)
    assert f"[{status}]" in report and all(line.strip() in text for line in report.splitlines()), text
    place = re.search(r"in kernel (\w+), block \((\d+), 0, 0\), thread \((\d+), 0, 0\)", report)
    assert place and place[1] == name and int(place[2]) == block, report
    assert thread is None or int(place[3]) == thread, report
    assert all(word in report for word in words), report
    shown = re.search(r"PTX line (\d+): (.*)", report)
    assert shown and shown[2].strip() and shown[2].strip() in lines[int(shown[1]) - 1], report
    line = next(n for n, text in enumerate(SOURCE.splitlines(), 1) if text.endswith(f"// {name}"))
    source = re.search(r"source .*unit\.cu:(\d+)", report)
    assert source and int(source[1]) == line, (line, report)


def test_what_is_refused_before_it_runs() -> None:
    """Stores to what is read only, unknown instructions; a launch with too few arguments."""
    out = run(
        """
        import cubind
        from cubind import driver as d
        d.cuInit(0)
        d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
        head = ".version 8.0\\n.target sm_80\\n.address_size 64\\n.const .b32 c;\\n.visible .entry k(.param .u32 a, .param .u64 b) {"
        def name(call, *arguments):
            try:
                call(*arguments)
            except (cubind.CudaError, TypeError, ValueError) as error:
                return getattr(error, "name", type(error).__name__)
        for body in ("st.const.u32 [c], 1;", "atom.const.add.u32 _, [c], 1;", "st.param.u32 [a], 1;", "frobnicate.b32 1;"):
            print(name(d.cuModuleLoadData, (head + body + " ret; }").encode() + b"\\0"))
        kernel = d.cuModuleGetFunction(d.cuModuleLoadData((head + " ret; }").encode() + b"\\0"), "k")
        for arguments in ((), (1,), (1, 2, 3), (1, 2)):
            print(name(d.cuLaunchKernel, kernel, 1, 1, 1, 1, 1, 1, 0, None, arguments))
        d.cuCtxSynchronize()
        """,
        CUBIND_DEVICE="cpu",
    )
    assert out.split() == ["CUDA_ERROR_INVALID_PTX"] * 4 + ["TypeError"] * 3 + ["None"]
