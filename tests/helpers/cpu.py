"""Processes that use the CPU device, and small kernels in PTX for them."""

from __future__ import annotations

import json
import os
import textwrap

from .fakes import run

KERNELS = r"""
.version 7.0
.target sm_70
.address_size 64
.visible .global .align 4 .b32 counter = 41;
.visible .global .align 4 .b32 table[4] = {1, 2, 3, 4};

// p[i] = value for every i below n
.visible .entry fill(.param .u64 p, .param .u32 value, .param .u32 n)
{
    .reg .pred %q;
    .reg .b32 %i, %n, %v, %b, %t, %x;
    .reg .b64 %p, %o;
    ld.param.u64 %p, [p];
    ld.param.u32 %v, [value];
    ld.param.u32 %n, [n];
    mov.u32 %b, %ctaid.x;
    mov.u32 %t, %ntid.x;
    mov.u32 %x, %tid.x;
    mad.lo.s32 %i, %b, %t, %x;
    setp.ge.u32 %q, %i, %n;
    @%q bra DONE;
    cvta.to.global.u64 %p, %p;
    mul.wide.u32 %o, %i, 4;
    add.s64 %p, %p, %o;
    st.global.u32 [%p], %v;
DONE:
    ret;
}

// p[0] = p[0] * factor + 1, after so many turns of a loop
.visible .entry step(.param .u64 p, .param .u32 factor, .param .u32 turns)
{
    .reg .pred %q;
    .reg .b32 %f, %n, %v;
    .reg .b64 %p;
    ld.param.u64 %p, [p];
    ld.param.u32 %f, [factor];
    ld.param.u32 %n, [turns];
    cvta.to.global.u64 %p, %p;
LOOP:
    setp.eq.u32 %q, %n, 0;
    @%q bra END;
    sub.u32 %n, %n, 1;
    bra LOOP;
END:
    ld.global.u32 %v, [%p];
    mad.lo.u32 %v, %v, %f, 1;
    st.global.u32 [%p], %v;
    ret;
}

// adds to the module's variable
.visible .entry count(.param .u32 n)
{
    .reg .b32 %n, %v;
    ld.param.u32 %n, [n];
    ld.global.u32 %v, [counter];
    add.u32 %v, %v, %n;
    st.global.u32 [counter], %v;
    ret;
}

.visible .entry small() .maxntid 64, 1, 1
{
    .shared .align 4 .b8 room[1024];
    .reg .b32 %zero;
    mov.u32 %zero, 0;
    st.shared.u32 [room+1020], %zero;
    ret;
}
"""

PRELUDE = """
import os
import cubind
import cubind.cpu
LIBRARY = os.environ.get("CUBIND_DRIVER_LIBRARY") or cubind.cpu.libdir() + "/libcuda.so.1"
from cubind import driver as d
d.cuInit(0)
context = d.cuDevicePrimaryCtxRetain(0)
d.cuCtxSetCurrent(context)

def name(call, *arguments):
    "The name of the status that a call fails with."
    try:
        call(*arguments)
    except cubind.CudaError as error:
        return error.name
    return "CUDA_SUCCESS"

def module(text=None):
    return d.cuModuleLoadData((text or KERNELS).encode() + b"\\0")

def kernel(which):
    return d.cuModuleGetFunction(loaded, which)

def launch(which, *arguments, grid=1, block=1, stream=None, shared=0):
    d.cuLaunchKernel(kernel(which), grid, 1, 1, block, 1, 1, shared, stream, arguments)

def words(pointer, n):
    room = bytearray(4 * n)
    d.cuMemcpyDtoH(room, pointer, 4 * n)
    return list(memoryview(room).cast("I"))

loaded = module()
"""


def on_cpu(script: str, *arguments: str, status: int = 0, timeout: float = 60, **changes: str) -> str:
    """Runs a script on the CPU device, with a context, the kernels and a few helpers; what it printed."""
    text = f"KERNELS = {KERNELS!r}\n{PRELUDE}\n{textwrap.dedent(script)}"
    return on_device(text, *arguments, status=status, timeout=timeout, **changes)


def on_device(text: str, *arguments: str, status: int, timeout: float, **changes: str) -> str:
    """Runs a program on the CPU device; tools/sanitize.py puts another build of it in its place, by $ON_CPU_CHANGES."""
    device = json.loads(os.environ.get("ON_CPU_CHANGES", "") or '{"CUBIND_DEVICE": "cpu"}')
    timeout *= 1 if "CUBIND_DEVICE" in device else 6
    return run(text, *arguments, status=status, timeout=timeout, **{**device, **changes})
