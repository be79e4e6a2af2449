"""The runtime API on the CPU device: libraries, kernels, launches, occupancy."""

from __future__ import annotations

from tests.helpers.cpu_runtime import on_runtime


def test_a_library_and_what_is_in_it() -> None:
    on_runtime(
        """
        lib = library()
        assert r.cudaLibraryGetKernelCount(lib) == 4
        kernels = r.cudaLibraryEnumerateKernels(4, lib)
        assert {r.cudaFuncGetName(int(k)) for k in kernels} == {"fill", "step", "count", "small"}
        assert r.cudaLibraryGetKernel(lib, "fill") in kernels
        address, size = r.cudaLibraryGetGlobal(lib, "table")
        assert size == 16 and words(address, 4) == [1, 2, 3, 4]
        assert name(r.cudaLibraryGetKernel, lib, "nothing") == name(r.cudaLibraryGetGlobal, lib, "nothing") == "cudaErrorSymbolNotFound"
        assert name(r.cudaLibraryGetManaged, lib, "table") == "cudaErrorSymbolNotFound"
        r.cudaLaunchKernel(int(r.cudaLibraryGetKernel(lib, "count")), r.dim3(x=1, y=1, z=1), r.dim3(x=1, y=1, z=1), (5,), 0, None)
        assert words(r.cudaLibraryGetGlobal(lib, "counter")[0], 1) == [46]
        r.cudaLibraryUnload(lib)
        assert name(r.cudaLibraryGetKernel, lib, "fill") == name(r.cudaLibraryUnload, lib) == "cudaErrorInvalidResourceHandle"
        assert name(library, "no PTX") == "cudaErrorInvalidKernelImage"
        assert name(library, KERNELS + "}") == "cudaErrorInvalidPtx"
        assert name(r.cudaLibraryLoadFromFile, "/nowhere", None, None, None, None, None, None) == "cudaErrorFileNotFound"
        """
    )


def test_a_library_from_a_file_with_options(tmp_path: object) -> None:
    on_runtime(
        """
        import sys
        path = sys.argv[1] + "/kernels.ptx"
        open(path, "w").write(KERNELS)
        lib = r.cudaLibraryLoadFromFile(path, None, None, None, None, None, None)
        assert r.cudaLibraryGetKernelCount(lib) == 4
        log = bytearray(4096)
        options = [r.cudaJitErrorLogBuffer, r.cudaJitErrorLogBufferSizeBytes]
        bad = (KERNELS.replace("add.u32", "add.u17")).encode() + b"\\0"
        assert name(r.cudaLibraryLoadData, bad, options, [log, len(log)], None, None, None, None) == "cudaErrorInvalidPtx"
        assert b"u17" in log
        """,
        str(tmp_path),
    )


def test_launches() -> None:
    on_runtime(
        """
        p = r.cudaMalloc(4096)
        launch("fill", p, 7, 1000, grid=8, block=128)
        r.cudaMemset(p + 4000, 0, 96)
        assert words(p, 1024) == [7] * 1000 + [0] * 24
        one = r.dim3(x=1, y=1, z=1)
        config = r.cudaLaunchConfig_t(gridDim=r.dim3(x=4, y=1, z=1), blockDim=r.dim3(x=256, y=1, z=1), stream=r.cudaStreamCreate())
        r.cudaLaunchKernelExC(config, int(kernel("fill")), (p, 8, 1024))
        r.cudaDeviceSynchronize()
        assert words(p, 1024) == [8] * 1024
        attribute = r.cudaLaunchAttribute(id=r.cudaLaunchAttributeCooperative)
        attribute.val.cooperative = 1
        config.attrs = [attribute]
        config.numAttrs = 1
        r.cudaLaunchKernelExC(config, int(kernel("fill")), (p, 9, 1024))
        r.cudaLaunchCooperativeKernel(int(kernel("step")), one, one, (p, 3, 0), 0, None)
        r.cudaDeviceSynchronize()
        assert words(p, 2) in ([28, 9], [25, 9])  # the streams are not ordered; 8 or 9 was there
        config.gridDim.x = 1 << 20
        assert name(r.cudaLaunchKernelExC, config, int(kernel("fill")), (p, 9, 1)) == "cudaErrorCooperativeLaunchTooLarge"
        """
    )


def test_a_launch_leaves_no_error() -> None:
    """The bindings ask for the sizes of parameters until there is none: that must not be somebody's last error."""
    on_runtime(
        """
        p, one = r.cudaMalloc(64), r.dim3(x=1, y=1, z=1)
        for which in (kernel("fill"), int(kernel("fill"))):
            launch("fill", p, 1, 1)
            r.cudaLaunchKernel(int(which), one, one, (p, 1, 1), 0, None)
            assert r.cudaGetLastError() is r.cudaSuccess
        assert name(r.cudaMemcpy, 0, 0, 1, 9) == "cudaErrorInvalidMemcpyDirection"
        launch("fill", p, 1, 1)
        assert r.cudaGetLastError() is not r.cudaSuccess
        """
    )


def test_what_a_launch_refuses() -> None:
    on_runtime(
        """
        p = r.cudaMalloc(64)
        for grid, block in ((0, 1), (1, 0), (1, 1025), (2**31, 1)):
            assert name(lambda: launch("fill", p, 1, 1, grid=grid, block=block)) == "cudaErrorInvalidConfiguration", (grid, block)
        one = r.dim3(x=1, y=1, z=1)
        for block in (r.dim3(x=1, y=1, z=65), r.dim3(x=32, y=33, z=1)):
            assert name(r.cudaLaunchKernel, int(kernel("fill")), one, block, (p, 1, 1), 0, None) == "cudaErrorInvalidConfiguration"
        assert name(r.cudaLaunchKernel, int(kernel("fill")), r.dim3(x=1, y=65536, z=1), one, (p, 1, 1), 0, None) == "cudaErrorInvalidConfiguration"
        assert name(lambda: launch("small", block=65)) == "cudaErrorInvalidValue"  # .maxntid 64
        assert name(lambda: launch("fill", p, 1, 1, shared=200 << 10)) == "cudaErrorInvalidValue"
        assert name(lambda: launch("fill", p, 1, 1, stream=12345)) == "cudaErrorInvalidResourceHandle"
        # a plain address is what compiled programs pass; this one is registered by none
        for bad in (0, 4096, id(p), int(r.cudaStreamCreate())):
            assert name(r.cudaLaunchKernel, bad, one, one, (), 0, None) == "cudaErrorInvalidDeviceFunction"
            assert name(r.cudaFuncGetAttributes, bad) == name(r.cudaGetKernel, bad) == "cudaErrorInvalidDeviceFunction"
        assert name(r.cudaGetSymbolAddress, 4096) == name(r.cudaGetSymbolSize, 4096) == "cudaErrorInvalidSymbol"
        assert name(r.cudaMemcpyToSymbol, 4096, b"1234", 4, 0, 1) == "cudaErrorInvalidSymbol"
        assert name(r.cudaMemcpyToSymbol, 4096, b"1234", 4, 0, 2) == "cudaErrorInvalidMemcpyDirection"
        r.cudaDeviceSynchronize()
        assert words(p, 1) == [0]
        """
    )


def test_attributes() -> None:
    on_runtime(
        """
        small, fill = int(kernel("small")), int(kernel("fill"))
        a = r.cudaFuncGetAttributes(small)
        assert (a.sharedSizeBytes, a.maxThreadsPerBlock, a.localSizeBytes) == (1024, 64, 0)
        assert a.maxDynamicSharedSizeBytes == 48 * 1024 - 1024 and a.numRegs > 0
        assert (a.ptxVersion, a.binaryVersion) == (70, 89)  # of the code, of what it was compiled to here
        r.cudaFuncSetAttribute(small, r.cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10)
        assert r.cudaFuncGetAttributes(small).maxDynamicSharedSizeBytes == 64 << 10
        launch("small", block=32, shared=64 << 10)
        r.cudaDeviceSynchronize()
        r.cudaKernelSetAttributeForDevice(kernel("fill"), r.cudaFuncAttributePreferredSharedMemoryCarveout, 50, 0)
        assert r.cudaFuncGetAttributes(fill).preferredShmemCarveout == 50
        assert name(r.cudaFuncSetAttribute, small, r.cudaFuncAttributeMaxDynamicSharedMemorySize, 1 << 20) == "cudaErrorInvalidValue"
        assert name(r.cudaFuncSetAttribute, small, 77, 1) == "cudaErrorInvalidValue"
        r.cudaFuncSetCacheConfig(fill, r.cudaFuncCachePreferL1)
        assert r.cudaFuncGetParamCount(fill) == 3
        assert [r.cudaFuncGetParamInfo(fill, i) for i in range(3)] == [(0, 8), (8, 4), (12, 4)]
        assert name(r.cudaFuncGetParamInfo, fill, 3) == "cudaErrorInvalidValue"
        function = r.cudaGetFuncBySymbol(fill)
        assert r.cudaFuncGetName(int(function)) == "fill"
        p = r.cudaMalloc(64)
        r.cudaLaunchKernel(int(function), r.dim3(x=1, y=1, z=1), r.dim3(x=16, y=1, z=1), (p, 6, 16), 0, None)
        assert words(p, 16) == [6] * 16
        """
    )


def test_occupancy_is_the_drivers() -> None:
    on_runtime(
        """
        from cubind import driver as d
        fill = kernel("fill")
        function = r.cudaGetFuncBySymbol(int(fill))
        for threads in (1, 32, 100, 1024):
            n = r.cudaOccupancyMaxActiveBlocksPerMultiprocessor(int(fill), threads, 0)
            assert n == d.cuOccupancyMaxActiveBlocksPerMultiprocessor(d.CUfunction(int(function)), threads, 0) > 0
            assert n == r.cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int(fill), threads, 0, 0)
        assert r.cudaOccupancyMaxActiveBlocksPerMultiprocessor(int(fill), 1024, 0) < n + 40
        assert r.cudaOccupancyAvailableDynamicSMemPerBlock(int(fill), 1, 128) > 0
        assert name(r.cudaOccupancyMaxActiveBlocksPerMultiprocessor, int(fill), 0, 0) == "cudaErrorInvalidValue"
        assert name(r.cudaOccupancyMaxActiveBlocksPerMultiprocessor, 4096, 32, 0) == "cudaErrorInvalidDeviceFunction"
        """
    )


def test_a_kernel_that_fails_is_reported() -> None:
    on_runtime(
        """
        p = r.cudaMalloc(64)
        launch("fill", p, 1, 64, block=64)
        assert name(r.cudaStreamSynchronize, None) == "cudaErrorIllegalAddress"
        report = cubind.cpu.last_report()
        assert "fill" in report and "block" in report and "thread" in report, report
        """
    )
