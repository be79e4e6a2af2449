"""The CPU device's driver API: reserved addresses, memory created and mapped there, who may use it."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

HELPERS = """
M = 2 << 20
bad, refused = "CUDA_ERROR_INVALID_VALUE", "CUDA_ERROR_NOT_SUPPORTED"
RW, NONE, READ = (d.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE, d.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_NONE,
                  d.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READ)
DEVICE = d.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE

def prop(device=0):
    p = d.CUmemAllocationProp()
    p.type = d.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    p.location.type, p.location.id = DEVICE, device
    return p

def access(address, size, device=0, flags=RW):
    desc = d.CUmemAccessDesc()
    desc.location.type, desc.location.id, desc.flags = DEVICE, device, flags
    d.cuMemSetAccess(address, size, [desc], 1)

def location(device=0):
    where = d.CUmemLocation()
    where.type, where.id = DEVICE, device
    return where
"""


def on_vmm(script: str, **changes: str) -> str:
    return on_cpu(HELPERS + textwrap.dedent(script), **changes)


def test_mapped_memory_is_memory() -> None:
    on_vmm("""
    import random
    assert d.cuDeviceGetAttribute(d.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0) == 1
    option = d.CUmemAllocationGranularity_flags
    assert d.cuMemGetAllocationGranularity(prop(), option.CU_MEM_ALLOC_GRANULARITY_MINIMUM) == M
    free = d.cuMemGetInfo()[0]
    a = d.cuMemAddressReserve(8 * M, 0, 0, 0)
    assert d.cuMemGetInfo()[0] == free and a % M == 0
    h = d.cuMemCreate(2 * M, prop(), 0)
    assert d.cuMemGetInfo()[0] == free - 2 * M
    d.cuMemMap(a, 2 * M, 0, h, 0)
    assert name(d.cuMemsetD8, a, 1, 4) == bad and d.cuMemGetAccess(location(), a) == NONE.value
    access(a, 2 * M)
    assert d.cuMemGetAccess(location(), a + 5) == RW.value
    launch("fill", a, 7, 1000, block=1000)
    d.cuCtxSynchronize()
    assert words(a, 1001) == [7] * 1000 + [0]
    # it grows: what is there stays, and a copy goes over the border
    g = d.cuMemCreate(M, prop(), 0)
    d.cuMemMap(a + 2 * M, M, 0, g, 0)
    access(a + 2 * M, M)
    data = random.Random(1).randbytes(3 * M)
    d.cuMemcpyHtoD(a, data, 3 * M)
    back = bytearray(3 * M)
    d.cuMemcpyDtoH(back, a, 3 * M)
    assert back == data
    launch("fill", a + 2 * M - 2000, 9, 1000, block=1000)
    d.cuCtxSynchronize()
    assert words(a + 2 * M - 2000, 1000) == [9] * 1000
    # the same memory at a second address
    d.cuMemMap(a + 4 * M, 2 * M, 0, h, 0)
    access(a + 4 * M, 2 * M)
    assert words(a + 6 * M - 2000, 500) == [9] * 500
    d.cuMemsetD32(a + 4 * M, 11, 10)
    assert words(a, 10) == [11] * 10
    # freed when it is released and mapped nowhere
    again = d.cuMemRetainAllocationHandle(a + 5)
    assert again == h
    d.cuMemRelease(h), d.cuMemRelease(h)
    assert name(d.cuMemRelease, h) == bad and words(a, 10) == [11] * 10
    d.cuMemRelease(d.cuMemRetainAllocationHandle(a))
    d.cuMemUnmap(a, 3 * M)
    assert words(a + 4 * M, 10) == [11] * 10
    d.cuMemUnmap(a + 4 * M, 2 * M)
    assert d.cuMemGetInfo()[0] == free - M
    assert name(lambda: words(a, 1)) == bad
    # what was unmapped is still there when it is mapped again
    d.cuMemMap(a + 7 * M, M, 0, g, 0)
    access(a + 7 * M, M)
    back = bytearray(1000)
    d.cuMemcpyDtoH(back, a + 8 * M - 1000, 1000)
    assert back == data[-1000:]
    d.cuMemUnmap(a + 7 * M, M)
    d.cuMemRelease(g)
    d.cuMemAddressFree(a, 8 * M)
    assert d.cuMemGetInfo()[0] == free
    p = d.cuMemAlloc(16 * M)
    d.cuMemsetD8(p, 1, 16 * M)
    """)


def test_statuses() -> None:
    on_vmm("""
    a = d.cuMemAddressReserve(4 * M, 0, 0, 0)
    assert d.cuMemAddressReserve(2 * M, 64 * M, 0, 0) % (64 * M) == 0
    for arguments in ((0, 0, 0, 0), (M + 1, 0, 0, 0), (M, 3, 0, 0), (M, 0, 0, 1)):
        assert name(d.cuMemAddressReserve, *arguments) == bad, arguments
    assert name(d.cuMemAddressReserve, 1 << 50, 0, 0, 0) == "CUDA_ERROR_OUT_OF_MEMORY"
    b = d.cuMemAddressReserve(2 * M, 0, a + 64 * M, 0)
    assert b                                                # the address is a wish
    assert d.cuMemAddressReserve(2 * M, 0, a, 0) != a
    h = d.cuMemCreate(2 * M, prop(), 0)
    assert name(d.cuMemCreate, 5, prop(), 0) == name(d.cuMemCreate, 0, prop(), 0) == name(d.cuMemCreate, M, prop(), 1) == bad
    assert name(d.cuMemCreate, M, prop(7), 0) == "CUDA_ERROR_INVALID_DEVICE"
    assert name(d.cuMemCreate, 1 << 45, prop(), 0) == "CUDA_ERROR_OUT_OF_MEMORY"
    exported = prop()
    exported.requestedHandleTypes = d.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_FABRIC
    assert name(d.cuMemCreate, M, exported, 0) == refused
    for arguments in ((a + 4096, M, 0, h, 0), (a, 4 * M, 0, h, 0), (a, M, M, h, 0), (a, M, 0, h, 1), (a, M, 0, 12345, 0), (a + 3 * M, 2 * M, 0, h, 0),
                      (12345 * M, M, 0, h, 0), (a, 0, 0, h, 0)):
        assert name(d.cuMemMap, *arguments) == bad, arguments
    d.cuMemMap(a + M, 2 * M, 0, h, 0)
    assert name(d.cuMemMap, a, 2 * M, 0, h, 0) == name(d.cuMemMap, a + 2 * M, M, 0, h, 0) == bad
    assert name(access, a, 3 * M) == name(access, a + M, M) == bad
    assert name(access, a + M, 2 * M, 0, READ) == refused and name(access, a + M, 2 * M, 5) == "CUDA_ERROR_INVALID_DEVICE"
    assert name(d.cuMemUnmap, a + M, M) == name(d.cuMemUnmap, a, 4 * M) == name(d.cuMemAddressFree, a, 4 * M) == bad
    access(a + M, 2 * M)
    assert name(d.cuMemFree, a + M) == bad and d.cuMemGetAddressRange(a + 2 * M) == (a + M, 2 * M)
    found = d.cuMemGetAllocationPropertiesFromHandle(h)
    assert found.location.id == 0 and found.type == d.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    assert name(d.cuMemGetAccess, location(), a) == name(d.cuMemRetainAllocationHandle, a) == bad
    d.cuMemUnmap(a + M, 2 * M)
    assert name(d.cuMemAddressFree, a, 2 * M) == name(d.cuMemAddressFree, a + M, M) == bad
    d.cuMemAddressFree(a, 4 * M)
    assert name(d.cuMemAddressFree, a, 4 * M) == bad
    d.cuMemRelease(h)
    assert name(d.cuMemGetAllocationPropertiesFromHandle, h) == bad
    """)


def test_addresses_without_memory_fault_with_a_report() -> None:
    printed = on_vmm("""
    from cubind import cpu
    a = d.cuMemAddressReserve(4 * M, 0, 0, 0)
    h = d.cuMemCreate(M, prop(), 0)
    d.cuMemMap(a, M, 0, h, 0)
    access(a, M)
    launch("fill", a + M - 400, 1, 101, block=128)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    print(cpu.last_report())
    """)
    assert "thread (100, 0, 0)" in printed and "reserved" in printed and "nothing is mapped" in printed, printed


def test_access_that_was_taken_away() -> None:
    printed = on_vmm("""
    from cubind import cpu
    a = d.cuMemAddressReserve(M, 0, 0, 0)
    d.cuMemMap(a, M, 0, d.cuMemCreate(M, prop(), 0), 0)
    access(a, M)
    launch("fill", a, 1, 8, block=8)
    d.cuCtxSynchronize()
    access(a, M, 0, NONE)
    launch("fill", a, 1, 8, block=8)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    print(cpu.last_report())
    """)
    assert "access" in printed and "thread (0, 0, 0)" in printed, printed
