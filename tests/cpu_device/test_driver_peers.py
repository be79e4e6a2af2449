"""The CPU device's driver API: several devices, and kernels of one that use another's memory."""

from __future__ import annotations

import textwrap

import pytest

from tests.helpers.cpu import on_cpu

HELPERS = """
second = d.cuDevicePrimaryCtxRetain(1)
third = d.cuDevicePrimaryCtxRetain(2)
def on(context): d.cuCtxSetCurrent(context)
def alloc(where, n=400):
    on(where)
    p = d.cuMemAlloc(n)
    on(context)
    return p
def use(p, value):
    launch("fill", p, value, 100, block=128)
    return name(d.cuCtxSynchronize)
"""


def on_three(script: str) -> str:
    return on_cpu(HELPERS + textwrap.dedent(script), CPU_DEVICE_COUNT="3")


def test_enabling_and_disabling() -> None:
    on_three("""
    assert d.cuDeviceCanAccessPeer(0, 1) == d.cuDeviceCanAccessPeer(2, 1) == 1 and d.cuDeviceCanAccessPeer(1, 1) == 0
    assert name(d.cuDeviceCanAccessPeer, 0, 3) == "CUDA_ERROR_INVALID_DEVICE"
    A = d.CUdevice_P2PAttribute
    assert d.cuDeviceGetP2PAttribute(A.CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1) == 1
    assert name(d.cuDeviceGetP2PAttribute, A.CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 1, 1) == "CUDA_ERROR_INVALID_DEVICE"
    already, never = "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED"
    assert name(d.cuCtxDisablePeerAccess, second) == never
    d.cuCtxEnablePeerAccess(second, 0)
    assert name(d.cuCtxEnablePeerAccess, second, 0) == already
    assert name(d.cuCtxEnablePeerAccess, second, 1) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuCtxEnablePeerAccess, context, 0) == "CUDA_ERROR_INVALID_DEVICE"
    assert name(d.cuCtxEnablePeerAccess, 77, 0) == name(d.cuCtxDisablePeerAccess, 77) == "CUDA_ERROR_INVALID_CONTEXT"
    p, before = alloc(second), alloc(third)
    assert use(p, 5) == "CUDA_SUCCESS" and words(p, 100) == [5] * 100
    d.cuCtxEnablePeerAccess(third, 0)
    assert use(before, 6) == "CUDA_SUCCESS"                 # memory that was there before, too
    d.cuCtxDisablePeerAccess(third)
    assert use(p, 7) == "CUDA_SUCCESS"
    d.cuCtxDisablePeerAccess(second)
    assert name(d.cuCtxDisablePeerAccess, second) == never
    assert use(p, 8) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)


@pytest.mark.parametrize("how", ["never", "other direction", "other device", "context gone"])
def test_without_access_a_kernel_faults(how: str) -> None:
    enable = {
        "never": "",
        "other direction": "on(second); d.cuCtxEnablePeerAccess(context, 0); on(context)",
        "other device": "d.cuCtxEnablePeerAccess(third, 0)",
        "context gone": "made = d.cuCtxCreate(None, 0, 0); d.cuCtxEnablePeerAccess(second, 0); d.cuCtxDestroy(made); on(context)",
    }[how]
    printed = on_three(f"""
    from cubind import cpu
    {enable}
    p = alloc(second)
    assert use(p, 8) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    print(cpu.last_report())
    on(second)
    assert words(p, 1) is not None and d.cuMemFree(p) is None
    """)
    assert "memory of device 1, which device 0 has no access to" in printed, printed


def test_copies_need_no_access_and_host_memory_is_everyones() -> None:
    on_three("""
    p, q = alloc(second), alloc(third)
    on(second)
    d.cuMemsetD32(p, 1234, 100)
    on(context)
    d.cuMemcpyPeer(q, third, p, second, 400)
    on(third)
    assert words(q, 100) == [1234] * 100
    d.cuMemcpyPeerAsync(p, second, q, third, 200, None)
    d.cuMemcpy(p, q, 4)
    managed = d.cuMemAllocManaged(400, 1)
    pinned = int(d.cuMemHostGetDevicePointer(d.cuMemHostAlloc(400, 2), 0))
    on(context)
    assert use(managed, 3) == use(pinned, 4) == "CUDA_SUCCESS"
    """)


def test_pools_and_mapped_memory_have_lists_of_their_own() -> None:
    on_three("""
    from cubind import cpu
    pool = d.cuDeviceGetDefaultMemPool(1)
    on(second)
    p = d.cuMemAllocFromPoolAsync(400, pool, None)
    d.cuCtxSynchronize()
    on(context)
    RW, NONE = d.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE, d.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_NONE
    def access(flags, device=0):
        desc = d.CUmemAccessDesc()
        desc.location.type, desc.location.id, desc.flags = d.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, device, flags
        return desc
    where = access(RW).location
    assert d.cuMemPoolGetAccess(pool, where) == NONE
    d.cuMemPoolSetAccess(pool, [access(RW)], 1)
    assert d.cuMemPoolGetAccess(pool, where) == RW and use(p, 9) == "CUDA_SUCCESS"
    on(second)
    q = d.cuMemAllocFromPoolAsync(400, pool, None)
    on(context)
    assert use(q, 9) == "CUDA_SUCCESS"
    assert name(d.cuMemPoolSetAccess, pool, [access(NONE, 1)], 1) == "CUDA_ERROR_INVALID_VALUE"     # its own device
    assert name(d.cuMemPoolSetAccess, pool, [access(RW, 3)], 1) == "CUDA_ERROR_INVALID_DEVICE"
    M = 2 << 20
    prop = d.CUmemAllocationProp()
    prop.type = d.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    prop.location.type, prop.location.id = d.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, 1
    a = d.cuMemAddressReserve(M, 0, 0, 0)
    d.cuMemMap(a, M, 0, d.cuMemCreate(M, prop, 0), 0)
    d.cuMemSetAccess(a, M, [access(RW, 0)], 1)
    assert use(a, 12) == "CUDA_SUCCESS"
    # what peers may do does not matter for a pool
    d.cuMemPoolSetAccess(pool, [access(NONE)], 1)
    d.cuCtxEnablePeerAccess(second, 0)
    assert use(p, 9) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    assert "memory of device 1" in cpu.last_report()
    """)
