"""The runtime API on the CPU device: streams, events, callbacks, per-thread default streams, and both APIs in one process."""

from __future__ import annotations

from tests.helpers.cpu_runtime import on_runtime


def test_streams() -> None:
    on_runtime(
        """
        plain, free = r.cudaStreamCreate(), r.cudaStreamCreateWithFlags(r.cudaStreamNonBlocking)
        urgent = r.cudaStreamCreateWithPriority(r.cudaStreamNonBlocking, -3)
        assert (r.cudaStreamGetFlags(plain), r.cudaStreamGetFlags(free)) == (0, 1)
        assert (r.cudaStreamGetPriority(plain), r.cudaStreamGetPriority(urgent)) == (0, -3)
        ids = {r.cudaStreamGetId(s) for s in (plain, free, urgent, None)}
        assert len(ids) == 4
        value = r.cudaStreamGetAttribute(urgent, r.cudaLaunchAttributePriority)
        assert value.priority == -3
        assert r.cudaStreamIsCapturing(plain) == r.cudaStreamCaptureStatusNone
        p = r.cudaMalloc(4)
        r.cudaMemset(p, 0, 4)
        for _ in range(10):
            launch("step", p, 2, 0, stream=plain)
        r.cudaStreamSynchronize(plain)
        assert words(p, 1) == [2**10 - 1] and r.cudaStreamQuery(plain) is True
        r.cudaStreamDestroy(free)
        assert name(r.cudaStreamSynchronize, free) == name(r.cudaStreamDestroy, free) == "cudaErrorInvalidResourceHandle"
        assert name(r.cudaStreamCreateWithFlags, 8) == "cudaErrorInvalidValue"
        """
    )


def test_the_default_stream_waits_for_the_others() -> None:
    on_runtime(
        """
        p, stream = r.cudaMalloc(4), r.cudaStreamCreate()
        r.cudaMemset(p, 0, 4)
        gate = threading.Event()
        r.cudaLaunchHostFunc(stream, lambda data: gate.wait(), None)
        launch("step", p, 1, 0, stream=stream)
        launch("step", p, 10, 0)  # after it
        assert r.cudaStreamQuery(None) is False
        gate.set()
        assert words(p, 1) == [11]
        """
    )


def test_events() -> None:
    on_runtime(
        """
        import time
        start, end, untimed = r.cudaEventCreate(), r.cudaEventCreateWithFlags(r.cudaEventBlockingSync), r.cudaEventCreateWithFlags(2)
        a, b = r.cudaStreamCreate(), r.cudaStreamCreateWithFlags(1)
        p, gate = r.cudaMalloc(4), threading.Event()
        r.cudaMemset(p, 0, 4)
        r.cudaEventRecord(start, a)
        r.cudaLaunchHostFunc(a, lambda data: (gate.wait(), time.sleep(0.02)), None)
        launch("step", p, 1, 0, stream=a)
        r.cudaEventRecordWithFlags(end, a, 0)
        r.cudaStreamWaitEvent(b, end, 0)
        launch("step", p, 5, 0, stream=b)
        assert r.cudaEventQuery(end) is False and r.cudaStreamQuery(b) is False
        assert name(r.cudaEventElapsedTime, start, end) == "cudaErrorNotReady"
        gate.set()
        r.cudaStreamSynchronize(b)
        r.cudaEventSynchronize(end)
        assert words(p, 1) == [6] and r.cudaEventQuery(end) is True
        assert 20 <= r.cudaEventElapsedTime(start, end) < 60000
        r.cudaEventRecord(untimed, a)
        r.cudaEventSynchronize(untimed)
        assert name(r.cudaEventElapsedTime, start, untimed) == "cudaErrorInvalidResourceHandle"
        r.cudaEventDestroy(untimed)
        assert name(r.cudaEventRecord, untimed, a) == name(r.cudaEventDestroy, untimed) == "cudaErrorInvalidResourceHandle"
        assert name(r.cudaEventCreateWithFlags, 64) == "cudaErrorInvalidValue"
        """
    )


def test_callbacks() -> None:
    on_runtime(
        """
        stream, seen = r.cudaStreamCreate(), []
        def work(data):
            seen.append(("work", data, name(r.cudaMalloc, 4)))
        def called(which, status, data):
            seen.append(("called", which == stream, status is r.cudaSuccess, data))
        r.cudaLaunchHostFunc(stream, work, "x")
        r.cudaStreamAddCallback(stream, called, "y", 0)
        r.cudaStreamSynchronize(stream)
        assert seen == [("work", "x", "cudaErrorNotPermitted"), ("called", True, True, "y")], seen
        gate = threading.Event()
        r.cudaLaunchHostFunc(stream, lambda data: gate.wait(), None)
        launch("fill", 64, 1, 1, stream=stream)
        r.cudaStreamAddCallback(stream, lambda s, status, data: seen.append(status), None, 0)
        gate.set()
        assert name(r.cudaStreamSynchronize, stream) == "cudaErrorIllegalAddress"
        assert seen[2] is r.cudaErrorIllegalAddress
        """
    )


def test_per_thread_default_streams() -> None:
    on_runtime(
        """
        cubind.per_thread_default_stream(True)
        p, gate, seen = r.cudaMalloc(64), threading.Event(), []
        def work():
            seen.append(r.cudaStreamGetId(None))
            r.cudaLaunchHostFunc(None, lambda data: gate.wait(), None)
            seen.append(r.cudaStreamQuery(None))
            launch("fill", p, 5, 8, block=8)
            r.cudaStreamSynchronize(None)
        kernel("fill")
        thread = threading.Thread(target=work)
        thread.start()
        while len(seen) < 2:
            pass
        assert r.cudaStreamQuery(None) is True  # another one than the thread's, which is busy
        assert r.cudaStreamGetId(None) != seen[0] and seen[1] is False
        launch("fill", p + 32, 6, 8, block=8)
        back = bytearray(64)
        r.cudaMemcpyAsync(back, p, 64, 2, None)
        r.cudaStreamSynchronize(None)
        assert list(memoryview(back).cast("I"))[8:] == [6] * 8
        r.cudaMemcpy(back, p, 64, 2)  # waits for this thread's stream alone
        gate.set()
        thread.join()
        assert words(p, 16) == [5] * 8 + [6] * 8
        # an explicit handle means what it says
        assert r.cudaStreamGetId(2) == r.cudaStreamGetId(None) != r.cudaStreamGetId(1)
        """
    )


def test_both_apis_work_in_one_context() -> None:
    on_runtime(
        """
        from cubind import driver as d
        p = r.cudaMalloc(4096)
        context = d.cuCtxGetCurrent()
        assert context == d.cuDevicePrimaryCtxRetain(0)
        stream, event = r.cudaStreamCreate(), r.cudaEventCreate()
        # the runtime's objects in the driver's calls
        function = d.CUfunction(int(r.cudaGetFuncBySymbol(int(kernel("fill")))))
        d.cuLaunchKernel(function, 4, 1, 1, 256, 1, 1, 0, stream, (p, 3, 1024))
        d.cuEventRecord(event, stream)
        d.cuStreamSynchronize(stream)
        assert d.cuEventQuery(event) is True and words(p, 1024) == [3] * 1024
        # and the other way round
        module = d.cuModuleLoadData(KERNELS.encode() + b"\\0")
        step, q, own = d.cuModuleGetFunction(module, "step"), d.cuMemAlloc(64), d.cuStreamCreate(0)
        d.cuMemsetD32(q, 4, 16)
        r.cudaLaunchKernel(int(step), r.dim3(x=1, y=1, z=1), r.dim3(x=1, y=1, z=1), (q, 10, 0), 0, own)
        r.cudaStreamSynchronize(own)
        assert words(q, 2) == [41, 4]
        r.cudaFree(q)
        assert r.cudaPointerGetAttributes(q).type == r.cudaMemoryTypeUnregistered
        try:
            d.cuMemFree(q)
        except cubind.InvalidValueError:
            pass
        # errors of the driver's functions are none of the runtime's
        assert r.cudaGetLastError() is r.cudaSuccess

        # a context that the program made is the runtime's too, while it is current
        made = d.cuCtxCreate(None, 0, 1)
        assert r.cudaGetDevice() == 1
        inside = r.cudaMalloc(64)
        assert r.cudaPointerGetAttributes(inside).device == 1 and d.cuCtxGetCurrent() == made
        d.cuCtxPopCurrent()
        assert r.cudaGetDevice() == 0 and d.cuCtxGetCurrent() == context
        d.cuCtxDestroy(made)

        # without any context, the runtime gives the thread the one of its device
        d.cuCtxSetCurrent(None)
        assert words(p, 1) == [3] and d.cuCtxGetCurrent() == context
        d.cuCtxSetCurrent(None)
        r.cudaSetDevice(1)
        assert d.cuCtxGetDevice() == 1 and r.cudaGetDevice() == 1
        """,
        CPU_DEVICE_COUNT="2",
    )


def test_many_threads_begin_at_once() -> None:
    on_runtime(
        """
        from cubind import driver as d
        start, results = threading.Barrier(8), []
        def work(i):
            start.wait()
            p = r.cudaMalloc(4096)
            launch("fill", p, i, 1024, grid=4, block=256)
            results.append(words(p, 1024) == [i] * 1024)
            r.cudaFree(p)
        kernels = kernel("fill")
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert results == [True] * 8
        r.cudaDeviceReset()
        assert d.cuDevicePrimaryCtxGetState(0)[1] == 0  # it was retained once
        """
    )
