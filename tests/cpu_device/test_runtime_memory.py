"""The runtime API on the CPU device: memory, copies, fills, pools and what is known about addresses."""

from __future__ import annotations

from tests.helpers.cpu_runtime import on_runtime


def test_allocations() -> None:
    on_runtime(
        """
        free, total = r.cudaMemGetInfo()
        p = r.cudaMalloc(1 << 20)
        assert p % 256 == 0 and r.cudaMemGetInfo()[0] <= free - (1 << 20)
        r.cudaFree(p)
        assert r.cudaMemGetInfo() == (free, total)
        assert r.cudaMalloc(0) == 0 and r.cudaMallocHost(0) == 0
        r.cudaFree(0), r.cudaFreeHost(0)
        for bad in (p, 4096, id(p)):
            assert name(r.cudaFree, bad) == "cudaErrorInvalidValue"
        assert name(r.cudaMalloc, total + 1) == name(r.cudaMalloc, 2**63) == "cudaErrorMemoryAllocation"
        try:
            r.cudaMalloc(2**62)
        except MemoryError as error:
            assert error.function == "cudaMalloc"
        p, pitch = r.cudaMallocPitch(100, 10)
        assert pitch >= 100 and pitch % 32 == 0
        r.cudaFree(p)
        box = r.cudaMalloc3D(extent(100, 5, 3))
        assert (box.xsize, box.ysize) == (100, 5) and box.pitch == pitch
        r.cudaMemset(box.ptr, 1, pitch * 15)  # all of it is there
        assert name(r.cudaMemset, box.ptr, 1, pitch * 15 + 512) == "cudaErrorInvalidValue"
        assert r.cudaMallocPitch(0, 10) == (0, 0)
        assert name(r.cudaMalloc3D, extent(8, 2**40, 2**40)) == "cudaErrorInvalidValue"
        """
    )


def test_host_memory() -> None:
    on_runtime(
        """
        p = r.cudaHostAlloc(4096, r.cudaHostAllocMapped | r.cudaHostAllocPortable)
        view = (ctypes.c_uint32 * 1024).from_address(p)
        assert r.cudaHostGetFlags(p) & (r.cudaHostAllocMapped | r.cudaHostAllocPortable) == 3
        on_device = r.cudaHostGetDevicePointer(p, 0)
        launch("fill", on_device, 9, 1024, grid=4, block=256)
        r.cudaDeviceSynchronize()
        assert list(view) == [9] * 1024
        r.cudaFreeHost(p)
        assert name(r.cudaFreeHost, p) == "cudaErrorInvalidValue"
        assert name(r.cudaHostAlloc, 64, 1 << 20) == "cudaErrorInvalidValue"
        room = (ctypes.c_uint32 * 4096)()
        at = ctypes.addressof(room)
        r.cudaHostRegister(at, 16384, r.cudaHostRegisterMapped)
        assert name(r.cudaHostRegister, at, 16384, 0) == "cudaErrorHostMemoryAlreadyRegistered"
        assert r.cudaPointerGetAttributes(at).type == r.cudaMemoryTypeHost
        launch("fill", r.cudaHostGetDevicePointer(at, 0), 3, 4096, grid=16, block=256)
        r.cudaDeviceSynchronize()
        assert set(room) == {3}
        r.cudaHostUnregister(at)
        assert name(r.cudaHostUnregister, at) == "cudaErrorHostMemoryNotRegistered"

        m = r.cudaMallocManaged(4096, r.cudaMemAttachGlobal)
        view = (ctypes.c_uint32 * 1024).from_address(m)
        view[5] = 12
        launch("step", m + 20, 2, 0)
        r.cudaDeviceSynchronize()
        assert view[5] == 25
        here = r.cudaMemLocation(type=r.cudaMemLocationTypeDevice, id=0)
        r.cudaMemPrefetchAsync(m, 4096, here, 0, None)
        r.cudaMemAdvise(m, 4096, r.cudaMemAdviseSetPreferredLocation, here)
        assert name(r.cudaMemPrefetchAsync, 4096, 64, here, 0, None) == "cudaErrorInvalidValue"
        r.cudaStreamAttachMemAsync(None, m, 0, r.cudaMemAttachHost)
        r.cudaFree(m)
        assert name(r.cudaMallocManaged, 0, 1) == name(r.cudaMallocManaged, 16, 77) == "cudaErrorInvalidValue"
        """
    )


def test_what_is_known_about_addresses() -> None:
    on_runtime(
        """
        device, pinned, managed = r.cudaMalloc(256), r.cudaMallocHost(256), r.cudaMallocManaged(256, 1)
        plain = ctypes.create_string_buffer(256)
        def ask(p):
            a = r.cudaPointerGetAttributes(p)
            return a.type, a.device, a.devicePointer or 0, a.hostPointer or 0
        assert ask(device + 5) == (r.cudaMemoryTypeDevice, 0, device + 5, 0)
        assert ask(pinned + 5) == (r.cudaMemoryTypeHost, 0, pinned + 5, pinned + 5)
        assert ask(managed) == (r.cudaMemoryTypeManaged, 0, managed, managed)
        at = ctypes.addressof(plain)
        assert ask(at)[:3] == (r.cudaMemoryTypeUnregistered, r.cudaInvalidDeviceId, 0)
        assert ask(0)[0] == r.cudaMemoryTypeUnregistered
        """
    )


def test_copies_in_every_direction() -> None:
    on_runtime(
        """
        import os
        a, b, size = r.cudaMalloc(70000), r.cudaMalloc(70000), 70000
        data = os.urandom(size)
        H2H, H2D, D2H, D2D, ANY = (r.cudaMemcpyKind(i) for i in range(5))
        for stream in (None, 1, 2, r.cudaStreamCreate(), "sync"):
            def copy(to, source, n, kind):
                if stream == "sync":
                    r.cudaMemcpy(to, source, n, kind)
                else:
                    r.cudaMemcpyAsync(to, source, n, kind, stream)
            back, other, third = bytearray(size), bytearray(size), bytearray(size)
            copy(a, data, size, H2D)
            copy(b, a, size, D2D)
            copy(back, b, size, D2H)
            copy(other, data, size, H2H)
            copy(third, a, size, ANY)
            r.cudaDeviceSynchronize()
            assert back == other == third == data
            copy(a + 1, data, 99, ANY)
            copy(back, a, 100, ANY)
            r.cudaDeviceSynchronize()
            assert bytes(back[:100]) == data[:1] + data[:99]
            for to, source, kind in ((a, data, D2H), (back, a, H2D), (back, a, H2H), (back, data, D2D)):
                assert name(copy, to, source, 64, kind) == "cudaErrorInvalidValue", kind
            assert name(copy, a, data, 64, 5) == name(copy, a, data, 64, -1) == "cudaErrorInvalidMemcpyDirection"
            assert name(copy, a, 0, 64, H2D) == "cudaErrorInvalidValue"
            assert name(copy, b, a, size + 1, D2D) == "cudaErrorInvalidValue"
            copy(0, 0, 0, D2D)
            r.cudaGetLastError()
        """
    )


def test_rows_and_slices_against_numpy() -> None:
    on_runtime(
        """
        import numpy
        rng = numpy.random.default_rng(5)
        host = rng.integers(0, 256, (4, 6, 50), dtype=numpy.uint8)  # slices, rows, bytes
        box = r.cudaMalloc3D(extent(50, 6, 4))
        at = pitched(host.ctypes.data, 50, 50, 6)
        r.cudaMemcpy3D(r.cudaMemcpy3DParms(srcPtr=at, dstPtr=box, extent=extent(50, 6, 4), kind=1))
        got = numpy.zeros((4, 6, box.pitch), numpy.uint8)
        r.cudaMemcpy(got, box.ptr, got.nbytes, 2)
        assert (got[:, :, :50] == host).all()

        # a part of it, to another place, both ways of saying so
        part = numpy.zeros((3, 5, 40), numpy.uint8)
        params = r.cudaMemcpy3DParms(
            srcPtr=box, srcPos=pos(7, 2, 1), dstPtr=pitched(part.ctypes.data, 40, 40, 5),
            dstPos=pos(3, 1, 0), extent=extent(20, 4, 3), kind=2)
        for asynchronous in (False, True):
            part[:] = 0
            r.cudaMemcpy3DAsync(params, None) if asynchronous else r.cudaMemcpy3D(params)
            r.cudaDeviceSynchronize()
            want = numpy.zeros_like(part)
            want[0:3, 1:5, 3:23] = host[1:4, 2:6, 7:27]
            assert (part == want).all()

        rows = numpy.zeros((6, 64), numpy.uint8)
        r.cudaMemcpy2D(rows, 64, box.ptr, box.pitch, 50, 6, 2)
        assert (rows[:, :50] == host[0]).all() and not rows[:, 50:].any()
        r.cudaMemcpy2DAsync(box.ptr, box.pitch, rows[::-1].copy(), 64, 50, 6, 1, None)
        r.cudaMemcpy2D(rows, 64, box.ptr, box.pitch, 50, 6, 4)
        assert (rows[:, :50] == host[0][::-1]).all()

        r.cudaMemset3D(pitched(int(box.ptr) + 10, box.pitch, 50, 6), 0xAB, extent(5, 3, 4))
        r.cudaMemset2D(int(box.ptr) + 20, box.pitch, 0x1CD, 6, 2)
        r.cudaMemcpy(got, box.ptr, got.nbytes, 2)
        want = host.copy()
        want[0] = host[0][::-1]
        want[:, :3, 10:15] = 0xAB
        want[0, :2, 20:26] = 0xCD
        assert (got[:, :, :50] == want).all()

        assert name(r.cudaMemcpy2D, rows, 10, box.ptr, box.pitch, 50, 6, 2) == "cudaErrorInvalidPitchValue"
        assert name(r.cudaMemcpy2D, rows, 64, box.ptr, 20, 50, 6, 2) == "cudaErrorInvalidPitchValue"
        assert name(r.cudaMemcpy2D, rows, 64, box.ptr, box.pitch, 50, 6, 8) == "cudaErrorInvalidMemcpyDirection"
        assert name(r.cudaMemcpy3D, r.cudaMemcpy3DParms(srcPtr=at, extent=extent(1, 1, 1), kind=1)) == "cudaErrorInvalidValue"
        assert name(r.cudaMemcpy3D, None) == "cudaErrorInvalidValue"
        params = r.cudaMemcpy3DParms(srcPtr=at, dstPtr=box, extent=extent(2**60, 2**60, 2**60), kind=1)
        assert name(r.cudaMemcpy3D, params) in ("cudaErrorInvalidValue", "cudaErrorInvalidPitchValue")
        """
    )


def test_fills() -> None:
    on_runtime(
        """
        p, stream = r.cudaMalloc(64), r.cudaStreamCreate()
        r.cudaMemset(p, 0x101, 64)
        assert words(p, 16) == [0x01010101] * 16
        r.cudaMemsetAsync(p + 8, -1, 4, stream)
        r.cudaMemset2DAsync(p + 16, 16, 7, 4, 3, stream)
        r.cudaStreamSynchronize(stream)
        got = words(p, 16)
        assert got[2] == 0xFFFFFFFF and got[4] == got[8] == got[12] == 0x07070707 and got[5] == 0x01010101
        assert name(r.cudaMemset, p, 0, 65) == name(r.cudaMemset, 0, 0, 1) == "cudaErrorInvalidValue"
        """
    )


def test_pools_and_memory_in_stream_order() -> None:
    on_runtime(
        """
        stream = r.cudaStreamCreate()
        p = r.cudaMallocAsync(4096, stream)
        launch("fill", p, 5, 1024, grid=4, block=256, stream=stream)
        back = bytearray(4096)
        r.cudaMemcpyAsync(back, p, 4096, 2, stream)
        r.cudaFreeAsync(p, stream)
        r.cudaStreamSynchronize(stream)
        assert set(memoryview(back).cast("I")) == {5}
        here = r.cudaMemLocation(type=r.cudaMemLocationTypeDevice, id=0)
        pool = r.cudaMemPoolCreate(r.cudaMemPoolProps(allocType=r.cudaMemAllocationTypePinned, location=here))
        assert r.cudaDeviceGetMemPool(0) == r.cudaDeviceGetDefaultMemPool(0) != pool
        r.cudaDeviceSetMemPool(0, pool)
        assert r.cudaDeviceGetMemPool(0) == pool
        a, b = r.cudaMallocAsync(1000, stream), r.cudaMallocFromPoolAsync(1000, pool, stream)
        assert r.cudaMemPoolGetAttribute(pool, r.cudaMemPoolAttrUsedMemCurrent) >= 2000
        r.cudaMemPoolSetAttribute(pool, r.cudaMemPoolAttrReleaseThreshold, 1 << 20)
        assert r.cudaMemPoolGetAttribute(pool, r.cudaMemPoolAttrReleaseThreshold) == 1 << 20
        assert r.cudaMemPoolGetAccess(pool, here) == r.cudaMemAccessFlagsProtReadWrite
        r.cudaFreeAsync(a, stream), r.cudaFreeAsync(b, stream)
        r.cudaStreamSynchronize(stream)
        r.cudaMemPoolTrimTo(pool, 0)
        assert r.cudaMemPoolGetAttribute(pool, r.cudaMemPoolAttrUsedMemCurrent) == 0
        r.cudaDeviceSetMemPool(0, r.cudaDeviceGetDefaultMemPool(0))
        r.cudaMemPoolDestroy(pool)
        assert name(r.cudaMallocFromPoolAsync, 16, pool, stream) != "cudaSuccess"
        assert name(r.cudaFreeAsync, 4096, stream) == "cudaErrorInvalidValue"
        assert name(r.cudaMemPoolGetAttribute, 4096, 1) != "cudaSuccess"
        """
    )


def test_memory_and_events_of_another_process() -> None:
    on_runtime(
        """
        import subprocess, sys
        p, e = r.cudaMalloc(4000), r.cudaEventCreateWithFlags(r.cudaEventInterprocess | r.cudaEventDisableTiming)
        r.cudaMemset(p, 3, 4000)
        r.cudaEventRecord(e, None)
        memory, event = bytes(r.cudaIpcGetMemHandle(p)), bytes(r.cudaIpcGetEventHandle(e))
        assert name(r.cudaIpcOpenMemHandle, r.cudaIpcMemHandle_t(reserved=memory), 1) == "cudaErrorDeviceUninitialized"
        other = '''
        import sys
        from cubind import runtime as r
        memory, event = map(bytes.fromhex, sys.argv[1:])
        e = r.cudaIpcOpenEventHandle(r.cudaIpcEventHandle_t(reserved=event))
        r.cudaStreamWaitEvent(None, e, 0)
        q = r.cudaIpcOpenMemHandle(r.cudaIpcMemHandle_t(reserved=memory), r.cudaIpcMemLazyEnablePeerAccess)
        data = bytearray(4000)
        r.cudaMemcpy(data, q, 4000, r.cudaMemcpyDeviceToHost)
        assert data == bytes([3]) * 4000
        r.cudaMemset(q, 4, 2000)
        r.cudaDeviceSynchronize()
        r.cudaIpcCloseMemHandle(q)
        r.cudaEventDestroy(e)
        '''
        import textwrap
        subprocess.run([sys.executable, "-c", textwrap.dedent(other), memory.hex(), event.hex()], check=True, timeout=60)
        data = bytearray(4000)
        r.cudaMemcpy(data, p, 4000, r.cudaMemcpyDeviceToHost)
        assert data == bytes([4]) * 2000 + bytes([3]) * 2000
        assert name(r.cudaIpcCloseMemHandle, p) == "cudaErrorInvalidValue"
        """
    )
