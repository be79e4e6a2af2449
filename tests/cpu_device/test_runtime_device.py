"""The runtime API on the CPU device: devices, and the errors that each thread remembers."""

from __future__ import annotations

from tests.helpers.cpu_runtime import on_runtime


def test_nothing_begins_before_it_is_needed() -> None:
    on_runtime(
        """
        from cubind import driver as d
        assert (r.cudaGetDeviceCount(), r.cudaGetDevice(), r.cudaRuntimeGetVersion()) == (1, 0, 13050)
        assert r.cudaGetDeviceProperties(0).name == "CPU device"
        assert d.cuDevicePrimaryCtxGetState(0) == (0, 0)  # flags, active
        assert int(d.cuCtxGetCurrent()) == 0
        r.cudaFree(None)
        assert d.cuDevicePrimaryCtxGetState(0)[1] == 1
        assert d.cuCtxGetCurrent() == d.cuDevicePrimaryCtxRetain(0)
        """
    )


def test_properties_are_the_attributes() -> None:
    on_runtime(
        """
        p = r.cudaGetDeviceProperties(0)
        pairs = {
            "major": "ComputeCapabilityMajor", "minor": "ComputeCapabilityMinor", "warpSize": "WarpSize",
            "multiProcessorCount": "MultiProcessorCount", "maxThreadsPerBlock": "MaxThreadsPerBlock",
            "sharedMemPerBlock": "MaxSharedMemoryPerBlock", "sharedMemPerBlockOptin": "MaxSharedMemoryPerBlockOptin",
            "regsPerBlock": "MaxRegistersPerBlock", "totalConstMem": "TotalConstantMemory", "memPitch": "MaxPitch",
            "managedMemory": "ManagedMemory", "memoryPoolsSupported": "MemoryPoolsSupported", "l2CacheSize": "L2CacheSize",
            "pciDeviceID": "PciDeviceId", "cooperativeLaunch": "CooperativeLaunch", "hostNumaId": "HostNumaId",
            "textureAlignment": "TextureAlignment", "surfaceAlignment": "SurfaceAlignment",
        }
        for field, attribute in pairs.items():
            value = r.cudaDeviceGetAttribute(getattr(r, "cudaDevAttr" + attribute), 0)
            assert getattr(p, field) == value, field
        assert (p.major, p.minor, p.warpSize) == (9, 0, 32)
        assert list(p.maxThreadsDim) == [1024, 1024, 64] and list(p.maxGridSize) == [2**31 - 1, 65535, 65535]
        assert p.totalGlobalMem == r.cudaMemGetInfo()[1]
        from cubind import driver as d
        assert bytes(p.uuid.bytes) == bytes(d.cuDeviceGetUuid(0).bytes)
        assert r.cudaDeviceGetByPCIBusId(r.cudaDeviceGetPCIBusId(32, 0)) == 0
        wish = r.cudaDeviceProp(major=3)
        assert r.cudaChooseDevice(wish) == 0
        width = d.cuDeviceGetTexture1DLinearMaxWidth(d.CU_AD_FORMAT_UNSIGNED_INT8, 2, 0)
        assert r.cudaDeviceGetTexture1DLinearMaxWidth(r.cudaChannelFormatDesc(x=8, y=8, f=1), 0) == width
        assert name(r.cudaDeviceGetTexture1DLinearMaxWidth, r.cudaChannelFormatDesc(x=7), 0) == "cudaErrorInvalidChannelDescriptor"
        """,
        CPU_DEVICE_CC="9.0",
    )


def test_each_thread_has_its_device() -> None:
    on_runtime(
        """
        r.cudaSetDevice(1)
        assert r.cudaGetDevice() == 1
        seen = []
        def work():
            seen.append(r.cudaGetDevice())
            r.cudaSetDevice(2)
            seen.append(r.cudaGetDevice())
            seen.append(r.cudaStreamGetDevice(r.cudaStreamCreate()))
            seen.append(r.cudaPointerGetAttributes(r.cudaMalloc(16)).device)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [0, 2, 2, 2], seen
        assert r.cudaGetDevice() == 1 and r.cudaPointerGetAttributes(r.cudaMalloc(16)).device == 1
        for bad in (-1, 3, 1000):
            assert name(r.cudaSetDevice, bad) == "cudaErrorInvalidDevice"
            assert name(r.cudaGetDeviceProperties, bad) == "cudaErrorInvalidDevice"
            assert name(r.cudaDeviceGetAttribute, 1, bad) == "cudaErrorInvalidDevice"
        assert r.cudaGetDevice() == 1
        assert [r.cudaGetDeviceProperties(i).pciDeviceID for i in range(3)] == [0, 1, 2]

        # peers
        assert r.cudaDeviceCanAccessPeer(0, 1) in (0, 1) and r.cudaDeviceCanAccessPeer(1, 1) == 0
        if r.cudaDeviceCanAccessPeer(1, 0):
            r.cudaDeviceEnablePeerAccess(0, 0)
            assert name(r.cudaDeviceEnablePeerAccess, 0, 0) == "cudaErrorPeerAccessAlreadyEnabled"
            r.cudaDeviceDisablePeerAccess(0)
            assert name(r.cudaDeviceDisablePeerAccess, 0) == "cudaErrorPeerAccessNotEnabled"
        a = r.cudaMalloc(64)
        r.cudaSetDevice(0)
        b = r.cudaMalloc(64)
        r.cudaMemset(a, 5, 64)
        r.cudaMemcpyPeer(b, 0, a, 1, 64)
        assert words(b, 16) == [0x05050505] * 16
        """,
        CPU_DEVICE_COUNT="3",
    )


def test_flags_limits_and_ranges() -> None:
    on_runtime(
        """
        assert r.cudaGetDeviceFlags() == r.cudaDeviceMapHost
        r.cudaSetDeviceFlags(r.cudaDeviceScheduleBlockingSync)
        assert r.cudaGetDeviceFlags() == r.cudaDeviceScheduleBlockingSync | r.cudaDeviceMapHost
        assert name(r.cudaSetDeviceFlags, 3) == "cudaErrorInvalidValue"  # two schedules
        assert name(r.cudaSetDeviceFlags, 1 << 20) == "cudaErrorInvalidValue"
        r.cudaDeviceSetLimit(r.cudaLimitStackSize, 4096)
        assert r.cudaDeviceGetLimit(r.cudaLimitStackSize) == 4096
        assert name(r.cudaDeviceGetLimit, 99) == "cudaErrorUnsupportedLimit"
        least, greatest = r.cudaDeviceGetStreamPriorityRange()
        assert least == 0 and greatest < 0
        r.cudaDeviceSetCacheConfig(r.cudaFuncCachePreferL1)
        assert r.cudaDeviceGetCacheConfig() == r.cudaFuncCachePreferL1
        r.cudaInitDevice(0, r.cudaDeviceScheduleYield, r.cudaInitDeviceFlagsAreValid)
        assert r.cudaGetDeviceFlags() == r.cudaDeviceScheduleYield | r.cudaDeviceMapHost
        assert name(r.cudaInitDevice, 0, 0, 6) == "cudaErrorInvalidValue"
        r.cudaProfilerStart(), r.cudaProfilerStop(), r.cudaCtxResetPersistingL2Cache()
        """
    )


def test_reset_ends_everything_and_the_next_call_begins_again() -> None:
    on_runtime(
        """
        from cubind import driver as d
        p, stream = r.cudaMalloc(64), r.cudaStreamCreate()
        launch("fill", p, 7, 16, block=16)
        assert words(p, 16) == [7] * 16
        r.cudaDeviceReset()
        assert d.cuDevicePrimaryCtxGetState(0)[1] == 0
        assert name(r.cudaStreamSynchronize, stream) == "cudaErrorInvalidResourceHandle"
        assert r.cudaPointerGetAttributes(p).type == r.cudaMemoryTypeUnregistered
        p = r.cudaMalloc(64)
        launch("fill", p, 8, 16, block=16)  # of a library that was loaded before
        assert words(p, 16) == [8] * 16
        seen = []
        def work(go, done):
            seen.append(words(p, 1))
            done.set(), go.wait()
            seen.append(name(words, p, 1))
            seen.append(r.cudaMalloc(16) > 0)
        go, done = threading.Event(), threading.Event()
        thread = threading.Thread(target=work, args=(go, done))
        thread.start(), done.wait()
        r.cudaDeviceReset()
        go.set(), thread.join()
        assert seen == [[8], "cudaErrorInvalidValue", True], seen
        """
    )


def test_the_last_error_is_the_threads_own() -> None:
    on_runtime(
        """
        assert r.cudaGetLastError() is r.cudaSuccess
        assert name(r.cudaSetDevice, 9) == "cudaErrorInvalidDevice"
        assert name(r.cudaMemcpy, 0, 0, 1, 9) == "cudaErrorInvalidMemcpyDirection"
        seen = []
        thread = threading.Thread(target=lambda: seen.append(r.cudaGetLastError()))
        thread.start(), thread.join()
        assert seen == [r.cudaSuccess]
        r.cudaFree(r.cudaMalloc(16))  # a success changes nothing
        assert r.cudaPeekAtLastError() is r.cudaErrorInvalidMemcpyDirection
        assert r.cudaGetLastError() is r.cudaErrorInvalidMemcpyDirection
        assert r.cudaGetLastError() is r.cudaPeekAtLastError() is r.cudaSuccess
        assert name(r.cudaDestroyExternalMemory, 0) == "cudaErrorNotSupported"  # a function that is not written
        assert r.cudaGetLastError() is r.cudaErrorNotSupported
        event = r.cudaEventCreate()
        stream = r.cudaStreamCreate()
        gate = threading.Event()
        r.cudaLaunchHostFunc(stream, lambda data: gate.wait(), None)
        assert r.cudaStreamQuery(stream) is False
        assert r.cudaGetLastError() is r.cudaErrorNotReady
        gate.set()
        r.cudaStreamSynchronize(stream)
        """
    )


def test_names_and_texts() -> None:
    on_runtime(
        """
        for status in r.cudaError_t:
            assert r.cudaGetErrorName(status) == status.name
            text = r.cudaGetErrorString(status)
            assert text and text != status.name
        assert r.cudaGetErrorString(r.cudaErrorMemoryAllocation) == "not enough memory"
        assert "copy" in r.cudaGetErrorString(r.cudaErrorInvalidMemcpyDirection)
        assert r.cudaGetErrorName(424242) == r.cudaGetErrorString(424242) == "unrecognized error code"
        """
    )


def test_the_error_of_a_kernel_stays_until_the_reset() -> None:
    on_runtime(
        """
        p = r.cudaMalloc(64)
        launch("fill", 4096, 1, 1)
        assert name(r.cudaDeviceSynchronize) == "cudaErrorIllegalAddress"
        for _ in range(3):
            assert r.cudaGetLastError() is r.cudaErrorIllegalAddress
        assert name(r.cudaMalloc, 16) == name(r.cudaStreamCreate) == name(words, p, 1) == "cudaErrorIllegalAddress"
        assert "fill" in cubind.cpu.last_report()
        r.cudaDeviceReset()
        assert r.cudaGetLastError() is r.cudaErrorIllegalAddress  # once more, and then it is gone
        assert r.cudaGetLastError() is r.cudaSuccess
        p = r.cudaMalloc(64)
        launch("fill", p, 3, 16, block=16)
        assert words(p, 16) == [3] * 16
        """
    )


def test_the_error_of_a_kernel_needs_no_other_call() -> None:
    on_runtime(
        """
        import time
        r.cudaFree(None)
        launch("fill", 4096, 1, 1)
        end = time.monotonic() + 30
        while r.cudaPeekAtLastError() is r.cudaSuccess and time.monotonic() < end:
            time.sleep(0.001)
        assert r.cudaGetLastError() is r.cudaErrorIllegalAddress
        """
    )


def test_without_a_device() -> None:
    on_runtime(
        """
        assert name(r.cudaGetDeviceCount) == name(r.cudaMalloc, 1) == name(r.cudaSetDevice, 0) == "cudaErrorNoDevice"
        assert r.cudaGetLastError() is r.cudaErrorNoDevice
        assert (r.cudaRuntimeGetVersion(), r.cudaDriverGetVersion()) == (13050, 13050)
        """,
        CPU_DEVICE_COUNT="0",
    )


def test_a_forked_child_cannot_go_on() -> None:
    on_runtime(
        """
        import os
        r.cudaFree(None)
        child = os.fork()
        if not child:
            os._exit(0 if name(r.cudaMalloc, 16) == "cudaErrorInitializationError" else 1)
        assert os.waitpid(child, 0)[1] == 0
        r.cudaFree(r.cudaMalloc(16))
        """
    )


def test_functions_of_the_driver_by_name() -> None:
    on_runtime(
        """
        from cubind import driver as d
        address, found = r.cudaGetDriverEntryPoint("cuDeviceGetCount", r.cudaEnableDefault)
        assert found == 0 and address
        count = ctypes.c_int()
        r.cudaFree(None)
        assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(address)(ctypes.addressof(count)) == 0 and count.value == 2
        assert r.cudaGetDriverEntryPoint("cuNothing", 0) == (0, r.cudaDriverEntryPointSymbolNotFound)
        old = r.cudaGetDriverEntryPointByVersion("cuGraphAddNode", 11000, 0)
        assert old == (0, r.cudaDriverEntryPointVersionNotSufficent)
        plain, own = (r.cudaGetDriverEntryPoint("cuMemcpyAsync", flag)[0] for flag in (1, 2))
        assert plain != own
        assert name(r.cudaGetDriverEntryPoint, "cuInit", 9) == "cudaErrorInvalidValue"
        """,
        CPU_DEVICE_COUNT="2",
    )
