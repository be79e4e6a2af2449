"""The CPU device's driver API: initialisation, devices, contexts, names."""

from __future__ import annotations

from tests.helpers.cpu import on_cpu
from tests.helpers.fakes import run


def test_devices() -> None:
    on_cpu("""
    assert d.cuDriverGetVersion() == d.CUDA_VERSION
    assert d.cuDeviceGetCount() == 1 and d.cuDeviceGet(0) == 0
    assert d.cuDeviceGetName(64, 0) == "CPU device" and d.cuDeviceGetName(4, 0) == "CPU"
    assert len(bytes(d.cuDeviceGetUuid(0).bytes)) == 16
    total = d.cuDeviceTotalMem(0)
    free, all_ = d.cuMemGetInfo()
    assert total == all_ >= free > 0
    assert d.cuDeviceGetByPCIBusId(d.cuDeviceGetPCIBusId(32, 0)) == 0
    A = d.CUdevice_attribute
    get = lambda a: d.cuDeviceGetAttribute(a, 0)
    assert (get(A.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), get(A.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)) == (8, 9)
    assert get(A.CU_DEVICE_ATTRIBUTE_WARP_SIZE) == 32 and get(A.CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK) == 1024
    assert get(A.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) >= 1 and get(A.CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) == 1
    for a in range(1, int(A.CU_DEVICE_ATTRIBUTE_MAX)):
        get(a)
    for a in (0, -1, int(A.CU_DEVICE_ATTRIBUTE_MAX), 2**30):
        assert name(get, a) == "CUDA_ERROR_INVALID_VALUE"
    for device in (1, -1, 2**31 - 1):
        assert name(d.cuDeviceGet, device) == "CUDA_ERROR_INVALID_DEVICE"
        assert name(d.cuDeviceTotalMem, device) == "CUDA_ERROR_INVALID_DEVICE"
        assert name(d.cuDevicePrimaryCtxRetain, device) == "CUDA_ERROR_INVALID_DEVICE"
    """)


def test_devices_from_the_environment() -> None:
    script = """
    assert d.cuDeviceGetCount() == 3
    assert [d.cuDeviceGetAttribute(a, 2) for a in (75, 76)] == [12, 0]
    assert d.cuDeviceTotalMem(1) == 256 << 20
    assert len({bytes(d.cuDeviceGetUuid(i).bytes) for i in range(3)}) == 3
    assert name(d.cuMemAlloc, 257 << 20) == "CUDA_ERROR_OUT_OF_MEMORY"
    p = d.cuMemAlloc(200 << 20)
    assert name(d.cuMemAlloc, 200 << 20) == "CUDA_ERROR_OUT_OF_MEMORY"
    d.cuCtxPushCurrent(d.cuDevicePrimaryCtxRetain(1))
    q = d.cuMemAlloc(200 << 20)      # a device has its own memory
    assert d.cuPointerGetAttribute(d.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, q) == 1
    assert d.cuDeviceCanAccessPeer(0, 1)
    d.cuMemFree(q)
    """
    on_cpu(script, CPU_DEVICE_COUNT="3", CPU_DEVICE_CC="12.0", CPU_DEVICE_MEMORY="256")


def test_before_initialisation() -> None:
    run(
        """
    import cubind
    from cubind import driver as d
    for call in (lambda: d.cuDeviceGetCount(), lambda: d.cuMemAlloc(4), lambda: d.cuCtxGetCurrent(), lambda: d.cuStreamCreate(0)):
        try:
            call()
        except cubind.CudaError as error:
            assert error.name == "CUDA_ERROR_NOT_INITIALIZED", error
        else:
            raise AssertionError
    try:
        d.cuInit(1)
    except cubind.CudaError as error:
        assert error.name == "CUDA_ERROR_INVALID_VALUE"
    d.cuInit(0)
    d.cuInit(0)
    try:
        d.cuMemAlloc(4)
    except cubind.CudaError as error:
        assert error.name == "CUDA_ERROR_INVALID_CONTEXT"
    """,
        CUBIND_DEVICE="cpu",
    )


def test_a_forked_child_cannot_use_it() -> None:
    on_cpu("""
    import os
    child = os.fork()
    if not child:
        os._exit(0 if name(d.cuMemAlloc, 4) == name(d.cuInit, 0) == "CUDA_ERROR_NOT_INITIALIZED" else 1)
    assert os.waitpid(child, 0)[1] == 0
    d.cuMemFree(d.cuMemAlloc(4))
    """)


def test_primary_context() -> None:
    on_cpu("""
    assert d.cuDevicePrimaryCtxGetState(0)[1] == 1
    assert d.cuDevicePrimaryCtxRetain(0) == context
    p = d.cuMemAlloc(64)
    d.cuDevicePrimaryCtxRelease(0)
    d.cuMemcpyHtoD(p, bytes(64), 64)
    d.cuDevicePrimaryCtxRelease(0)
    assert d.cuDevicePrimaryCtxGetState(0)[1] == 0
    assert name(d.cuMemAlloc, 4) == "CUDA_ERROR_CONTEXT_IS_DESTROYED"
    assert name(d.cuDevicePrimaryCtxRelease, 0) == "CUDA_ERROR_INVALID_CONTEXT"
    assert d.cuDevicePrimaryCtxRetain(0) == context
    assert name(d.cuMemFree, p) == "CUDA_ERROR_INVALID_VALUE"     # it went with the context
    d.cuMemFree(d.cuMemAlloc(4))
    d.cuDevicePrimaryCtxSetFlags(0, d.CUctx_flags.CU_CTX_SCHED_YIELD)
    assert d.cuCtxGetFlags() == d.CUctx_flags.CU_CTX_SCHED_YIELD
    assert name(d.cuDevicePrimaryCtxSetFlags, 0, 3) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_created_contexts_and_the_stack() -> None:
    on_cpu("""
    import threading
    made = d.cuCtxCreate(None, 0, 0)
    assert d.cuCtxGetCurrent() == made and d.cuCtxGetDevice() == 0
    assert d.cuCtxGetId(made) != d.cuCtxGetId(context)
    p, s, e = d.cuMemAlloc(16), d.cuStreamCreate(0), d.cuEventCreate(0)
    own = module()
    d.cuCtxPushCurrent(context)
    assert d.cuCtxGetCurrent() == context
    assert d.cuCtxPopCurrent() == context and d.cuCtxGetCurrent() == made
    seen = []
    thread = threading.Thread(target=lambda: seen.append(int(d.cuCtxGetCurrent())))
    thread.start(); thread.join()
    assert seen == [0]                # each thread has a stack of its own
    d.cuCtxDestroy(made)
    assert d.cuCtxGetCurrent() == context
    assert name(d.cuCtxDestroy, made) == name(d.cuCtxPushCurrent, made) == name(d.cuCtxSetCurrent, made) == "CUDA_ERROR_INVALID_CONTEXT"
    assert name(d.cuCtxDestroy, context) == "CUDA_ERROR_INVALID_CONTEXT"
    assert name(d.cuStreamSynchronize, s) == name(d.cuEventQuery, e) == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuModuleGetFunction, own, "fill") == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuMemFree, p) == "CUDA_ERROR_INVALID_VALUE"
    d.cuCtxSetCurrent(None)
    assert int(d.cuCtxGetCurrent()) == 0
    assert name(d.cuCtxPopCurrent) == name(d.cuMemAlloc, 4) == "CUDA_ERROR_INVALID_CONTEXT"
    """)


def test_contexts_as_older_programs_use_them() -> None:
    """The first cuCtxCreate, by its exported name; users that come and go."""
    on_cpu("""
    import ctypes
    library, made = ctypes.CDLL(LIBRARY), ctypes.c_void_p()
    assert library.cuCtxCreate(ctypes.byref(made), 0, 0) == 0 and int(d.cuCtxGetCurrent()) == made.value
    assert library.cuCtxCreate(ctypes.byref(ctypes.c_void_p()), 0, 7) == 101
    one = d.cuCtxGetCurrent()
    assert d.cuCtxAttach(0) == one == d.cuCtxAttach(0)
    assert name(d.cuCtxAttach, 1) == "CUDA_ERROR_INVALID_VALUE"
    d.cuCtxDetach(one)
    d.cuCtxDetach(one)
    assert d.cuCtxGetCurrent() == one
    d.cuCtxPushCurrent(context)
    assert name(d.cuCtxDetach, one) == "CUDA_ERROR_INVALID_CONTEXT"      # it is not current
    d.cuCtxPopCurrent()
    d.cuCtxDetach(one)                                                   # the last
    assert d.cuCtxGetCurrent() == context
    assert name(d.cuCtxDetach, one) == name(d.cuCtxSetCurrent, one) == "CUDA_ERROR_INVALID_CONTEXT"
    d.cuCtxDetach(d.cuCtxAttach(0))                                      # a primary context has users of its own
    assert d.cuCtxGetCurrent() == context and d.cuMemAlloc(4)
    d.cuCtxSetCurrent(None)
    assert name(d.cuCtxAttach, 0) == "CUDA_ERROR_INVALID_CONTEXT"
    """)


def test_settings_of_a_context() -> None:
    on_cpu("""
    L = d.CUlimit
    before = d.cuCtxGetLimit(L.CU_LIMIT_STACK_SIZE)
    d.cuCtxSetLimit(L.CU_LIMIT_STACK_SIZE, 4096)
    assert before == 1024 and d.cuCtxGetLimit(L.CU_LIMIT_STACK_SIZE) == 4096
    assert name(d.cuCtxGetLimit, 99) == name(d.cuCtxSetLimit, -1, 4) == "CUDA_ERROR_UNSUPPORTED_LIMIT"
    least, greatest = d.cuCtxGetStreamPriorityRange()
    assert least == 0 > greatest
    d.cuCtxSetCacheConfig(d.CUfunc_cache.CU_FUNC_CACHE_PREFER_L1)
    assert d.cuCtxGetCacheConfig() == d.CUfunc_cache.CU_FUNC_CACHE_PREFER_L1
    d.cuCtxSynchronize()
    d.cuCtxResetPersistingL2Cache()
    """)


def test_names_of_statuses() -> None:
    on_cpu("""
    for status in d.CUresult:
        assert d.cuGetErrorName(status) == status.name
        assert len(d.cuGetErrorString(status)) > 5
    assert name(d.cuGetErrorName, 12345) == name(d.cuGetErrorString, -1) == "CUDA_ERROR_INVALID_VALUE"
    """)


def test_every_function_is_there() -> None:
    """What is not implemented says so; nothing is missing."""
    on_cpu("""
    import ctypes, inspect
    library = ctypes.CDLL(LIBRARY)
    missing = [f for f in d.__all__ if f.startswith("cu") and callable(getattr(d, f)) and not inspect.isclass(getattr(d, f)) and not cubind.has(f)]
    assert missing == []
    assert name(d.cuGraphicsUnregisterResource, None) == "CUDA_ERROR_NOT_SUPPORTED"
    table = ctypes.c_void_p()
    assert library.cuGetExportTable(ctypes.byref(table), bytes(16)) == 500      # NVRTC asks, and crashes without an answer
    """)


def test_resolver() -> None:
    on_cpu("""
    import ctypes
    Q = d.CUdriverProcAddressQueryResult
    library = ctypes.CDLL(LIBRARY)
    def ask(symbol, version, flags=0):
        out, status = ctypes.c_void_p(), ctypes.c_int(-1)
        code = library.cuGetProcAddress_v2(symbol.encode(), ctypes.byref(out), version, ctypes.c_uint64(flags), ctypes.byref(status))
        return code, out.value, status.value
    def address(symbol):
        return ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value
    assert ask("cuMemAlloc", 13000) == (0, address("cuMemAlloc_v2"), 0)
    assert ask("cuCtxCreate", 13000)[1] == address("cuCtxCreate_v4")
    assert ask("cuCtxCreate", 12000)[1] == address("cuCtxCreate_v3")
    assert ask("cuCtxCreate", 3020)[1] == address("cuCtxCreate_v2")
    assert ask("cuMemcpy", 13000, 1)[1] == address("cuMemcpy")
    assert ask("cuMemcpy", 13000, 2)[1] == address("cuMemcpy_ptds")
    assert ask("cuInit", 13000, 2)[1] == address("cuInit")
    assert ask("cuMemAllocAsync", 11000) == (500, None, 2)
    assert ask("cuNothing", 13000) == (500, None, 1)
    assert ask("cuInit", 13000, 7)[0] == 1
    """)
