"""The CPU device's driver API: memory of every kind, copies, fills, pools, what is known about a pointer."""

from __future__ import annotations

import signal

import pytest

from tests.helpers.cpu import on_cpu


def test_allocations() -> None:
    on_cpu("""
    free = d.cuMemGetInfo()[0]
    sizes = [1, 4, 511, 512, 513, 65536, 65537, 1 << 20, (3 << 20) + 5]
    pointers = [d.cuMemAlloc(n) for n in sizes]
    assert all(p % 256 == 0 for p in pointers) and len(set(pointers)) == len(sizes)
    assert free - d.cuMemGetInfo()[0] == sum(sizes)
    for p, n in zip(pointers, sizes):
        assert d.cuMemGetAddressRange(p + n - 1) == (p, n)
        assert name(d.cuMemGetAddressRange, p + n) == "CUDA_ERROR_NOT_FOUND"
        data = bytes(i % 251 for i in range(n))
        d.cuMemcpyHtoD(p, data, n)
        back = bytearray(n)
        d.cuMemcpyDtoH(back, p, n)
        assert back == data
    for p in pointers:
        assert name(d.cuMemFree, p + 1) == "CUDA_ERROR_INVALID_VALUE"
        d.cuMemFree(p)
        assert name(d.cuMemFree, p) == "CUDA_ERROR_INVALID_VALUE"
    assert d.cuMemGetInfo()[0] == free
    d.cuMemFree(0)
    assert name(d.cuMemAlloc, 0) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemAlloc, 2**63) == name(d.cuMemAlloc, 2**64 - 1) == "CUDA_ERROR_OUT_OF_MEMORY"
    p, pitch = d.cuMemAllocPitch(100, 7, 4)
    assert pitch % 512 == 0 and d.cuMemGetAddressRange(p) == (p, 7 * pitch)
    assert name(d.cuMemAllocPitch, 100, 7, 3) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemAllocPitch, 2**63, 2**63, 4) == "CUDA_ERROR_OUT_OF_MEMORY"
    """)


def test_many_allocations_are_given_back() -> None:
    on_cpu("""
    import random
    random.seed(1)
    free, living = d.cuMemGetInfo()[0], {}
    for i in range(20000):
        if living and (len(living) > 200 or random.random() < 0.5):
            p = random.choice(list(living))
            n = living.pop(p)
            tag = bytearray(4)
            d.cuMemcpyDtoH(tag, p + n - 4, 4)
            assert int.from_bytes(tag, "little") == p & 0xFFFFFFFF
            d.cuMemFree(p)
        else:
            n = random.choice([4, 100, 4096, 70000, 300000])
            p = d.cuMemAlloc(n)
            assert all(p + n <= q or q + m <= p for q, m in living.items())
            living[p] = n
            d.cuMemcpyHtoD(p + n - 4, (p & 0xFFFFFFFF).to_bytes(4, "little"), 4)
    for p in living:
        d.cuMemFree(p)
    assert d.cuMemGetInfo()[0] == free
    """)


def test_copies_in_one_dimension() -> None:
    on_cpu("""
    a, b = d.cuMemAlloc(1 << 20), d.cuMemAlloc(1 << 20)
    data = bytes(range(256)) * 4096
    back = bytearray(1 << 20)
    d.cuMemcpyHtoD(a, data, 1 << 20)
    d.cuMemcpyDtoD(b, a, 1 << 20)
    d.cuMemcpyDtoH(back, b, 1 << 20)
    assert back == data
    s = d.cuStreamCreate(1)
    back = bytearray(1 << 20)
    d.cuMemsetD8(a, 0, 1 << 20)
    d.cuCtxSynchronize()                    # the stream does not wait for the default stream
    d.cuMemcpyHtoDAsync(a, data, 1 << 20, s)
    d.cuMemcpyDtoDAsync(b, a, 1 << 20, s)
    d.cuMemcpyDtoHAsync(back, b, 1 << 20, s)
    assert back == data                     # pageable memory is written before the call returns
    small = bytearray(b"abcdefgh")
    d.cuMemcpyHtoDAsync(a, small, 8, s)
    small[:] = bytes(8)                     # and read before it returns
    d.cuMemcpyAsync(b, a, 8, s)
    d.cuStreamSynchronize(s)
    assert words(b, 2) == list(memoryview(b"abcdefgh").cast("I"))
    d.cuMemcpy(b + 8, a, 8)
    d.cuMemcpyPeer(b + 16, context, a, context, 8)
    assert words(b, 6) == 3 * words(a, 2)
    assert name(d.cuMemcpyPeer, b, 77, a, context, 8) == "CUDA_ERROR_INVALID_CONTEXT"
    d.cuMemcpyHtoD(a, data, 0)
    """)


def test_copies_check_every_pointer() -> None:
    on_cpu("""
    bad = "CUDA_ERROR_INVALID_VALUE"
    p, q = d.cuMemAlloc(1000), d.cuMemAlloc(1000)
    host = bytearray(4000)
    assert name(d.cuMemcpyHtoD, p, host, 1001) == name(d.cuMemcpyDtoH, host, p, 1001) == bad
    assert name(d.cuMemcpyHtoD, p - 1, host, 8) == name(d.cuMemcpyHtoD, p + 993, host, 8) == bad
    assert name(d.cuMemcpyDtoD, p, q, 1001) == bad
    assert name(d.cuMemcpyHtoD, 0, host, 8) == name(d.cuMemcpyHtoD, 0x1000, host, 8) == bad
    assert name(d.cuMemcpyHtoD, p, None, 8) == name(d.cuMemcpyHtoD, p, 0x10, 8) == bad
    assert name(d.cuMemcpyDtoH, None, p, 8) == name(d.cuMemcpyDtoH, 0x10, p, 8) == bad
    assert name(d.cuMemcpyHtoD, p, q, 8) == bad          # a device's memory is not the host's
    assert name(d.cuMemcpyHtoD, p, host, 2**64 - 1) == bad
    assert name(d.cuMemcpyHtoDAsync, p, 0x10, 8, None) == name(d.cuMemcpyDtoHAsync, 0x10, p, 8, None) == bad
    assert name(d.cuMemcpy, p, 0x10, 8) == bad
    d.cuMemFree(q)
    assert name(d.cuMemcpyDtoD, p, q, 8) == name(d.cuMemsetD8, q, 0, 8) == bad
    d.cuMemcpyHtoD(p, bytes(8), 8)                       # and none of it is remembered
    """)


def test_copies_of_rows() -> None:
    on_cpu("""
    M = d.CUmemorytype
    H, D, U = M.CU_MEMORYTYPE_HOST, M.CU_MEMORYTYPE_DEVICE, M.CU_MEMORYTYPE_UNIFIED
    source = bytes(i % 253 for i in range(64 * 16))
    p = d.cuMemAlloc(100 * 20)
    d.cuMemsetD8(p, 0xEE, 2000)
    d.cuMemcpy2D(d.CUDA_MEMCPY2D(srcXInBytes=3, srcY=2, srcMemoryType=H, srcHost=source, srcPitch=64, dstXInBytes=5, dstY=1,
                                 dstMemoryType=D, dstDevice=p, dstPitch=100, WidthInBytes=40, Height=10))
    got = bytearray(2000)
    d.cuMemcpyDtoH(got, p, 2000)
    want = bytearray(b"\\xee" * 2000)
    for y in range(10):
        want[(y + 1) * 100 + 5:(y + 1) * 100 + 45] = source[(y + 2) * 64 + 3:(y + 2) * 64 + 43]
    assert got == want
    back = bytearray(16 * 12)
    d.cuMemcpy2DAsync(d.CUDA_MEMCPY2D(srcMemoryType=U, srcDevice=p, srcPitch=100, dstMemoryType=H, dstHost=back, dstPitch=16,
                                      WidthInBytes=16, Height=12), None)
    assert all(back[16 * y:16 * y + 16] == got[100 * y:100 * y + 16] for y in range(12))
    # slices
    q = d.cuMemAlloc(8 * 6 * 5)
    d.cuMemcpyHtoD(q, source, 240)
    cube = bytearray(3 * 2 * 4)
    d.cuMemcpy3D(d.CUDA_MEMCPY3D(srcXInBytes=1, srcY=2, srcZ=1, srcMemoryType=D, srcDevice=q, srcPitch=8, srcHeight=6,
                                 dstMemoryType=H, dstHost=cube, dstPitch=3, dstHeight=2, WidthInBytes=3, Height=2, Depth=4))
    assert cube == b"".join(source[(z * 6 + y) * 8 + 1:(z * 6 + y) * 8 + 4] for z in range(1, 5) for y in (2, 3))
    bad = "CUDA_ERROR_INVALID_VALUE"
    def rows(**changes):
        fields = dict(srcMemoryType=D, srcDevice=p, srcPitch=100, dstMemoryType=D, dstDevice=q, dstPitch=8, WidthInBytes=8, Height=20)
        return d.CUDA_MEMCPY2D(**(fields | changes))
    d.cuMemcpy2D(rows())
    for changes in ({"Height": 31}, {"WidthInBytes": 9}, {"srcY": 1}, {"srcXInBytes": 93}, {"srcPitch": 2**63}, {"srcY": 2**63},
                    {"srcMemoryType": 99}, {"srcDevice": 0}, {"Height": 2**64 - 1}, {"dstMemoryType": H}):
        assert name(d.cuMemcpy2D, rows(**changes)) == bad, changes
    assert name(d.cuMemcpy2D, rows(srcMemoryType=M.CU_MEMORYTYPE_ARRAY)) == "CUDA_ERROR_INVALID_HANDLE"
    d.cuMemcpy2D(rows(Height=0))
    huge = 2**63 + 1
    assert name(d.cuMemcpy3D, d.CUDA_MEMCPY3D(srcZ=huge, srcMemoryType=D, srcDevice=q, srcPitch=huge, srcHeight=huge, dstMemoryType=D,
                dstDevice=p, dstPitch=huge, dstHeight=huge, WidthInBytes=2, Height=2, Depth=2)) == bad
    """)


def test_fills() -> None:
    on_cpu("""
    import struct
    p = d.cuMemAlloc(1024)
    def content():
        d.cuCtxSynchronize()
        room = bytearray(1024)
        d.cuMemcpyDtoH(room, p, 1024)
        return room
    want = bytearray(1024)
    d.cuMemsetD8(p, 0, 1024)
    s = d.cuStreamCreate(0)
    for stream in (None, s):
        tail = () if stream is None else (stream,)
        suffix = "" if stream is None else "Async"
        getattr(d, "cuMemsetD8" + suffix)(p + 1, 7, 3, *tail); want[1:4] = bytes([7] * 3)
        getattr(d, "cuMemsetD16" + suffix)(p + 4, 0x1234, 5, *tail); want[4:14] = struct.pack("<5H", *[0x1234] * 5)
        getattr(d, "cuMemsetD32" + suffix)(p + 16, 0xDEADBEEF, 6, *tail); want[16:40] = struct.pack("<6I", *[0xDEADBEEF] * 6)
        getattr(d, "cuMemsetD2D8" + suffix)(p + 100, 50, 9, 3, 4, *tail)
        getattr(d, "cuMemsetD2D16" + suffix)(p + 400, 50, 0x0102, 3, 4, *tail)
        getattr(d, "cuMemsetD2D32" + suffix)(p + 700, 52, 0x01020304, 3, 4, *tail)
        for y in range(4):
            want[100 + 50 * y:103 + 50 * y] = bytes([9] * 3)
            want[400 + 50 * y:406 + 50 * y] = struct.pack("<3H", *[0x0102] * 3)
            want[700 + 52 * y:712 + 52 * y] = struct.pack("<3I", *[0x01020304] * 3)
        assert content() == want
        d.cuMemsetD8(p, 0, 1024); want = bytearray(1024)
    bad = "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemsetD8, p, 0, 1025) == name(d.cuMemsetD16, p + 1, 0, 4) == name(d.cuMemsetD32, p + 2, 0, 4) == bad
    assert name(d.cuMemsetD32, p, 0, 2**62) == name(d.cuMemsetD2D8, p, 2**63, 0, 8, 8) == name(d.cuMemsetD2D8, p, 4, 0, 8, 8) == bad
    assert name(d.cuMemsetD8, 0x1000, 0, 4) == bad
    """)


def test_host_and_managed_memory() -> None:
    on_cpu("""
    import ctypes
    view = lambda address, n: (ctypes.c_uint32 * n).from_address(address)
    pinned = int(d.cuMemHostAlloc(4096, d.CU_MEMHOSTALLOC_PORTABLE | d.CU_MEMHOSTALLOC_DEVICEMAP))
    managed = d.cuMemAllocManaged(4096, 1)
    for address, pointer in ((pinned, d.cuMemHostGetDevicePointer(pinned, 0)), (managed, managed)):
        view(address, 4)[:] = [1, 2, 3, 4]
        launch("step", pointer + 4, 10, 0)
        launch("fill", pointer + 8, 77, 1000, grid=8, block=128)
        d.cuCtxSynchronize()
        assert view(address, 4)[:] == [1, 21, 77, 77]
    assert d.cuMemHostGetFlags(pinned) & d.CU_MEMHOSTALLOC_PORTABLE
    assert name(d.cuMemFree, pinned) == name(d.cuMemFreeHost, managed) == "CUDA_ERROR_INVALID_VALUE"
    d.cuMemFreeHost(pinned)
    d.cuMemFree(managed)
    assert name(d.cuMemHostAlloc, 16, 1 << 20) == name(d.cuMemAllocManaged, 16, 9) == "CUDA_ERROR_INVALID_VALUE"
    d.cuMemFreeHost(d.cuMemAllocHost(100))
    # memory that was the program's before
    own = (ctypes.c_uint32 * 1024)()
    at = ctypes.addressof(own)
    d.cuMemHostRegister(at, 4096, d.CU_MEMHOSTREGISTER_DEVICEMAP)
    assert name(d.cuMemHostRegister, at + 8, 16, 0) == "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED"
    launch("fill", d.cuMemHostGetDevicePointer(at, 0), 5, 1024, grid=8, block=128)
    d.cuCtxSynchronize()
    assert own[:] == [5] * 1024
    d.cuMemHostUnregister(at)
    assert name(d.cuMemHostUnregister, at) == "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED"
    assert name(d.cuMemHostRegister, 0x10, 16, 0) == "CUDA_ERROR_INVALID_VALUE"
    """)


@pytest.mark.parametrize("setting", ["0", "1"])
def test_device_memory_is_not_the_hosts(setting: str) -> None:
    on_cpu(
        "import ctypes; p = d.cuMemAlloc(64); d.cuMemsetD8(p, 65, 64); d.cuCtxSynchronize(); print(ctypes.string_at(p, 3))",
        status=0 if setting == "1" else -signal.SIGSEGV,
        CPU_DEVICE_HOST_ACCESS=setting,
    )


def test_freed_managed_memory_is_gone() -> None:
    script = (
        "import ctypes; p = d.cuMemAllocManaged(64, 1); ctypes.memset(p, 1, 64); d.cuMemFree(p); ctypes.string_at(p, 3)"
    )
    on_cpu(script, status=-signal.SIGSEGV)


def test_what_is_known_about_a_pointer() -> None:
    on_cpu("""
    A = d.CUpointer_attribute
    p, m, h = d.cuMemAlloc(100), d.cuMemAllocManaged(100, 1), int(d.cuMemAllocHost(100))
    get = d.cuPointerGetAttribute
    assert [int(get(A.CU_POINTER_ATTRIBUTE_MEMORY_TYPE, x)) for x in (p, m, h)] == [2, 2, 1]
    assert [bool(get(A.CU_POINTER_ATTRIBUTE_IS_MANAGED, x)) for x in (p, m, h)] == [False, True, False]
    assert get(A.CU_POINTER_ATTRIBUTE_CONTEXT, p) == context and get(A.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, p) == 0
    assert get(A.CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, p + 50) == p and get(A.CU_POINTER_ATTRIBUTE_RANGE_SIZE, p) == 100
    assert get(A.CU_POINTER_ATTRIBUTE_BUFFER_ID, p) != get(A.CU_POINTER_ATTRIBUTE_BUFFER_ID, m)
    assert name(get, A.CU_POINTER_ATTRIBUTE_HOST_POINTER, p) == name(get, A.CU_POINTER_ATTRIBUTE_CONTEXT, p + 100) == "CUDA_ERROR_INVALID_VALUE"
    assert get(A.CU_POINTER_ATTRIBUTE_HOST_POINTER, h + 5) == h + 5
    assert d.cuPointerGetAttributes(None, [A.CU_POINTER_ATTRIBUTE_MEMORY_TYPE, A.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL], 0x1234)[1] < 0
    """)


def test_pools() -> None:
    on_cpu("""
    T = d.CUmemPool_attribute
    default = d.cuDeviceGetDefaultMemPool(0)
    assert d.cuDeviceGetMemPool(0) == default
    used = lambda pool: d.cuMemPoolGetAttribute(pool, T.CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
    s = d.cuStreamCreate(1)
    p = d.cuMemAllocAsync(1000, s)
    assert used(default) == 1000
    launch("fill", p, 3, 250, block=256, stream=s)
    back = bytearray(1000)
    d.cuMemcpyDtoHAsync(back, p, 1000, s)
    d.cuMemFreeAsync(p, s)
    assert name(d.cuMemFreeAsync, p, s) == "CUDA_ERROR_INVALID_VALUE"
    d.cuStreamSynchronize(s)
    assert set(memoryview(back).cast("I")) == {3} and used(default) == 0
    assert d.cuMemPoolGetAttribute(default, T.CU_MEMPOOL_ATTR_USED_MEM_HIGH) == 1000
    d.cuMemPoolSetAttribute(default, T.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 1 << 20)
    assert d.cuMemPoolGetAttribute(default, T.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) == 1 << 20
    props = d.CUmemPoolProps(allocType=1, location=d.CUmemLocation(type=1, id=0), maxSize=4096)
    own = d.cuMemPoolCreate(props)
    q = d.cuMemAllocFromPoolAsync(4000, own, s)
    assert d.cuPointerGetAttribute(d.CUpointer_attribute.CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, q) == own
    assert name(d.cuMemAllocFromPoolAsync, 4000, own, s) == "CUDA_ERROR_OUT_OF_MEMORY"
    d.cuMemFree(q)
    assert used(own) == 0
    d.cuDeviceSetMemPool(0, own)
    assert d.cuDeviceGetMemPool(0) == own
    d.cuMemPoolTrimTo(own, 0)
    d.cuMemPoolDestroy(own)
    assert d.cuDeviceGetMemPool(0) == default
    assert name(d.cuMemPoolDestroy, own) == name(d.cuMemPoolDestroy, default) == name(used, 5) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_who_may_use_memory_is_what_was_opened() -> None:
    on_cpu(
        """
        other = d.cuDevicePrimaryCtxRetain(1)
        d.cuCtxPushCurrent(other)
        stream = d.cuStreamCreate(1)
        pooled, plain = d.cuMemAllocAsync(64, stream), d.cuMemAlloc(64)
        managed, pinned = d.cuMemAllocManaged(64, 1), d.cuMemAllocHost(64)
        d.cuStreamSynchronize(stream)
        ask = lambda p: d.cuPointerGetAttribute(d.CUpointer_attribute.CU_POINTER_ATTRIBUTE_ACCESS_FLAGS, p)
        assert [int(ask(p)) for p in (pooled, plain, managed, pinned)] == [3, 3, 3, 3]
        d.cuCtxPopCurrent()
        assert [int(ask(p)) for p in (pooled, plain, managed, pinned)] == [0, 0, 3, 3]
        pool = d.cuDeviceGetMemPool(1)
        here, there = (d.CUmemLocation(type=d.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, id=i) for i in (0, 1))
        assert [int(d.cuMemPoolGetAccess(pool, place)) for place in (here, there)] == [0, 3]
        for flags in (3, 0, 3):  # reading alone is not offered
            d.cuMemPoolSetAccess(pool, [d.CUmemAccessDesc(location=here, flags=flags)], 1)
            assert int(d.cuMemPoolGetAccess(pool, here)) == int(ask(pooled)) == flags
        assert int(ask(plain)) == 0
        d.cuCtxEnablePeerAccess(other, 0)
        assert int(ask(plain)) == 3
        d.cuCtxDisablePeerAccess(other)
        assert int(ask(plain)) == 0
        """,
        CPU_DEVICE_COUNT="2",
    )
