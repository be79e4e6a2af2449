"""Memory, events and pools shared by two processes of this machine."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

# `other(script)` runs a script in a second process on the same device; say() and hear() are lines between the two.
HELPERS = r'''
import subprocess, sys, textwrap, time
FD = d.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
START = """
import sys, time
import cubind, cubind.cpu
from cubind import driver as d
FD = d.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
d.cuInit(0)
d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
def hear(): return bytes.fromhex(sys.stdin.readline())
def say(data=b""): print(bytes(data).hex(), flush=True)
def name(call, *arguments):
    try: call(*arguments)
    except cubind.CudaError as error: return error.name
    return "CUDA_SUCCESS"
def words(p, n):
    room = bytearray(4 * n)
    d.cuMemcpyDtoH(room, p, 4 * n)
    return list(memoryview(room).cast("I"))
KERNELS = %r
loaded = d.cuModuleLoadData(KERNELS.encode() + bytes(1))
def launch(which, *arguments, grid=1, block=1, stream=None):
    d.cuLaunchKernel(d.cuModuleGetFunction(loaded, which), grid, 1, 1, block, 1, 1, 0, stream, arguments)
"""
class Other:
    def __init__(self, script, *files):
        text = START % KERNELS + textwrap.dedent(script)
        self.process = subprocess.Popen([sys.executable, "-X", "faulthandler", "-c", text], stdin=-1, stdout=-1, text=True, pass_fds=files)
    def say(self, data=b""): print(bytes(data).hex(), file=self.process.stdin, flush=True)
    def hear(self):
        line = self.process.stdout.readline()
        assert line, self.process.wait(20)
        return bytes.fromhex(line)
    def done(self): assert self.process.wait(20) == 0
'''


def run(script: str, **changes: str) -> None:
    on_cpu(HELPERS + textwrap.dedent(script), **changes)


def test_memory_of_another_process() -> None:
    run('''
    small = d.cuMemAlloc(512)                      # so that the next one begins inside a page
    p = d.cuMemAlloc(40000)
    d.cuMemsetD32(p, 11, 10000)
    d.cuCtxSynchronize()
    handle = d.cuIpcGetMemHandle(p + 400)          # of the whole allocation
    assert name(d.cuIpcOpenMemHandle, handle, 1) == "CUDA_ERROR_INVALID_CONTEXT"
    other = Other("""
        handle = d.CUipcMemHandle(reserved=hear())
        q = d.cuIpcOpenMemHandle(handle, 1)
        assert d.cuIpcOpenMemHandle(handle, 1) == q
        assert d.cuMemGetAddressRange(q + 100) == (q, 40000)
        A = d.CUpointer_attribute
        assert d.cuPointerGetAttribute(A.CU_POINTER_ATTRIBUTE_MEMORY_TYPE, q) == 2
        assert words(q, 10000) == [11] * 10000
        launch("fill", q, 12, 9999, grid=40, block=256)
        d.cuCtxSynchronize()
        for bad in (q - 4, q + 40000):             # what lies beside it is not there
            assert name(d.cuMemsetD32, bad, 1, 1) == "CUDA_ERROR_INVALID_VALUE"
        assert name(d.cuMemFree, q) == name(d.cuIpcCloseMemHandle, q + 4) == name(d.cuIpcGetMemHandle, q) == "CUDA_ERROR_INVALID_VALUE"
        say()
        hear()
        assert words(q, 3) == [77, 77, 12]
        d.cuIpcCloseMemHandle(q)
        assert words(q, 1) == [77]
        d.cuIpcCloseMemHandle(q)
        assert name(words, q, 1) == name(d.cuIpcCloseMemHandle, q) == "CUDA_ERROR_INVALID_VALUE"
        assert name(d.cuIpcOpenMemHandle, handle, 0) == "CUDA_ERROR_INVALID_VALUE"
        q = d.cuIpcOpenMemHandle(handle, 1)
        launch("fill", q + 40000, 1, 1)            # outside: a fault as anywhere
        assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
        d.cuDevicePrimaryCtxReset(0)
        d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
        q = d.cuIpcOpenMemHandle(handle, 1)
        d.cuMemsetD32(q, 5, 1)
        d.cuCtxSynchronize()
        say()
    """)
    other.say(bytes(handle))
    other.hear()
    assert words(p, 10000) == [12] * 9999 + [11]
    d.cuMemsetD32(p, 77, 2)
    d.cuCtxSynchronize()
    other.say()
    other.hear()
    assert words(p, 2) == [5, 77]
    other.done()
    assert words(p, 2) == [5, 77] and words(small, 128)
    d.cuMemFree(p)
    pinned, managed, pooled = d.cuMemHostAlloc(64, 0), d.cuMemAllocManaged(64, 1), d.cuMemAllocAsync(64, None)
    for bad in (0, 16, p, pinned, managed, pooled):
        assert name(d.cuIpcGetMemHandle, bad) == "CUDA_ERROR_INVALID_VALUE", bad
    assert name(d.cuIpcCloseMemHandle, small) == "CUDA_ERROR_INVALID_VALUE"
    ''')


def test_handles_that_name_nothing() -> None:
    run('''
    import random
    p = d.cuMemAlloc(4096)
    e = d.cuEventCreate(4 | 2)
    other = Other("""
        import random
        memory, event = hear(), hear()
        def open_memory(data): d.cuIpcCloseMemHandle(d.cuIpcOpenMemHandle(d.CUipcMemHandle(reserved=data), 1))
        def open_event(data): d.cuEventDestroy(d.cuIpcOpenEventHandle(d.CUipcEventHandle(reserved=data)))
        open_memory(memory); open_event(event)
        r, seen = random.Random(3), set()
        for data, call in ((memory, open_memory), (event, open_event)) * 300:
            broken = bytearray(data)
            for _ in range(r.randint(1, 3)):
                broken[r.randrange(64)] = r.choice((0, 1, 255, r.randrange(256)))
            seen.add(name(call, bytes(broken)))
        assert {"CUDA_ERROR_INVALID_HANDLE", "CUDA_ERROR_MAP_FAILED"} <= seen, seen
        assert name(open_memory, event) == name(open_event, memory) == "CUDA_ERROR_INVALID_HANDLE"
        assert name(open_memory, bytes(64)) == name(open_event, bytes(64)) == "CUDA_ERROR_INVALID_HANDLE"
        q = d.cuMemAlloc(64)
        d.cuMemFree(q)
        say(bytes(d.cuIpcGetMemHandle(d.cuMemAlloc(64))))
        say(bytes(d.cuIpcGetEventHandle(d.cuEventCreate(6))))
        hear()
    """)
    other.say(bytes(d.cuIpcGetMemHandle(p))); other.say(bytes(d.cuIpcGetEventHandle(e)))
    memory, event = d.CUipcMemHandle(reserved=other.hear()), d.CUipcEventHandle(reserved=other.hear())
    mapped = d.cuIpcOpenMemHandle(memory, 1)
    opened = d.cuIpcOpenEventHandle(event)
    other.say()
    other.done()
    d.cuMemsetD32(mapped, 1, 16)                    # what was mapped stays
    assert d.cuEventQuery(opened) is True
    assert name(d.cuIpcOpenEventHandle, event) == "CUDA_ERROR_MAP_FAILED"
    d.cuIpcCloseMemHandle(mapped)
    assert name(d.cuIpcOpenMemHandle, memory, 1) == "CUDA_ERROR_MAP_FAILED"
    assert name(d.cuIpcGetEventHandle, d.cuEventCreate(2)) == name(d.cuIpcGetEventHandle, opened) == name(d.cuIpcGetEventHandle, 5) == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuEventCreate, 4) == "CUDA_ERROR_INVALID_VALUE"
    ''')


def test_events_order_the_work_of_two_processes() -> None:
    run('''
    p = d.cuMemAlloc(4096)
    d.cuMemsetD32(p, 0, 1024)
    d.cuCtxSynchronize()
    ours, s = d.cuEventCreate(6), d.cuStreamCreate(1)
    gate = d.cuMemAlloc(4)
    d.cuMemsetD32(gate, 0, 1)
    other = Other("""
        p = d.cuIpcOpenMemHandle(d.CUipcMemHandle(reserved=hear()), 1)
        theirs = d.cuIpcOpenEventHandle(d.CUipcEventHandle(reserved=hear()))
        own, s = d.cuEventCreate(6), d.cuStreamCreate(1)
        assert name(d.cuIpcOpenEventHandle, d.cuIpcGetEventHandle(own)) == "CUDA_ERROR_INVALID_CONTEXT"
        say(bytes(d.cuIpcGetEventHandle(own)))
        hear()
        assert d.cuEventQuery(theirs) is False
        d.cuStreamWaitEvent(s, theirs, 0)
        launch("step", p, 3, 0, stream=s)
        d.cuEventRecord(own, s)
        time.sleep(0.02)
        assert d.cuStreamQuery(s) is False and d.cuEventQuery(own) is False
        say()
        d.cuEventSynchronize(theirs)
        assert d.cuEventQuery(theirs) is True
        hear()
        assert name(d.cuEventElapsedTime, theirs, own) == "CUDA_ERROR_INVALID_HANDLE"
        d.cuEventRecord(theirs, s)                  # an event of the other process can be recorded too
        d.cuStreamSynchronize(s)
        say()
    """)
    other.say(bytes(d.cuIpcGetMemHandle(p))); other.say(bytes(d.cuIpcGetEventHandle(ours)))
    theirs = d.cuIpcOpenEventHandle(d.CUipcEventHandle(reserved=other.hear()))
    assert d.cuEventQuery(theirs) is True           # never recorded
    d.cuStreamWaitValue32(s, gate, 1, 1)
    d.cuMemsetD32Async(p, 5, 1, s)
    d.cuEventRecord(ours, s)
    other.say()
    other.hear()
    assert d.cuEventQuery(theirs) is False
    d.cuStreamWriteValue32(None, gate, 1, 0)
    t = d.cuStreamCreate(1)
    d.cuStreamWaitEvent(t, theirs, 0)
    launch("step", p, 10, 0, stream=t)
    d.cuStreamSynchronize(t)
    assert words(p, 1) == [(5 * 3 + 1) * 10 + 1]
    other.say()
    other.hear()
    assert d.cuEventQuery(ours) is True
    other.done()
    g = d.cuGraphCreate(0)
    assert name(d.cuGraphAddEventWaitNode, g, [], None, theirs) == "CUDA_ERROR_NOT_SUPPORTED"
    d.cuGraphAddEventRecordNode(g, [], None, ours)
    d.cuGraphLaunch(d.cuGraphInstantiate(g, 0), s)
    d.cuStreamSynchronize(s)
    assert d.cuEventQuery(ours) is True
    ''')


def test_pools_of_another_process() -> None:
    run('''
    import ctypes
    props = d.CUmemPoolProps(allocType=1, handleTypes=FD, location={"type": 1, "id": 0})
    pool = d.cuMemPoolCreate(props)
    A = d.CUmemPool_attribute.CU_MEMPOOL_ATTR_EXPORT_HANDLE_TYPES
    assert int(d.cuMemPoolGetAttribute(pool, A)) == 1
    number = ctypes.c_int(-1)
    library = ctypes.CDLL(LIBRARY)
    export = library.cuMemPoolExportToShareableHandle
    assert export(ctypes.byref(number), ctypes.c_uint64(int(pool)), 1, ctypes.c_uint64(0)) == 0 and number.value > 2
    s = d.cuStreamCreate(1)
    p = d.cuMemAllocFromPoolAsync(4000, pool, s)
    d.cuMemsetD32Async(p, 21, 1000, s)
    d.cuStreamSynchronize(s)
    data = d.cuMemPoolExportPointer(p)
    other = Other(f"""
        number = {number.value}
        pool = d.cuMemPoolImportFromShareableHandle(number, FD, 0)
        data = d.CUmemPoolPtrExportData(reserved=hear())
        q = d.cuMemPoolImportPointer(pool, data)
        assert words(q, 1000) == [21] * 1000
        launch("fill", q, 22, 500, grid=2, block=256)
        d.cuCtxSynchronize()
        s = d.cuStreamCreate(1)
        assert name(d.cuMemAllocFromPoolAsync, 64, pool, s) == name(d.cuDeviceSetMemPool, 0, pool) == "CUDA_ERROR_INVALID_VALUE"
        d.cuMemFreeAsync(q, s)
        d.cuStreamSynchronize(s)
        assert name(words, q, 1) == "CUDA_ERROR_INVALID_VALUE"
        again = d.cuMemPoolImportPointer(pool, data)
        d.cuMemFree(again)
        for bad in (0, 1, -1, 12345):
            assert name(d.cuMemPoolImportFromShareableHandle, bad & 0xFFFFFFFF, FD, 0) == "CUDA_ERROR_INVALID_VALUE", bad
        broken = bytearray(bytes(data))
        for i in range(64):
            broken[i] ^= 0x55
            name(lambda: d.cuMemFree(d.cuMemPoolImportPointer(pool, d.CUmemPoolPtrExportData(reserved=bytes(broken)))))
            broken[i] ^= 0x55
        d.cuMemPoolDestroy(pool)
        say()
    """, number.value)
    other.say(bytes(data))
    other.hear()
    other.done()
    assert words(p, 501) == [22] * 500 + [21]
    default = d.cuDeviceGetDefaultMemPool(0)
    assert export(ctypes.byref(number), ctypes.c_uint64(int(default)), 1, ctypes.c_uint64(0)) == 1
    assert name(d.cuMemPoolExportPointer, d.cuMemAllocAsync(64, s)) == name(d.cuMemPoolExportPointer, 4) == "CUDA_ERROR_INVALID_VALUE"
    ''')


def test_host_pools_of_another_process() -> None:
    """Memory of a NUMA node's pool is the host's in both processes; pools that are nowhere in particular stay in theirs."""
    run('''
    import ctypes
    L = d.CUmemLocationType
    def props(where, handles=FD, of=1): return d.CUmemPoolProps(allocType=of, handleTypes=handles, location={"type": where, "id": 0})
    assert d.cuDeviceGetAttribute(d.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, 0) == 0
    pool = d.cuMemPoolCreate(props(L.CU_MEM_LOCATION_TYPE_HOST_NUMA))
    number = ctypes.c_int(-1)
    assert ctypes.CDLL(LIBRARY).cuMemPoolExportToShareableHandle(ctypes.byref(number), ctypes.c_uint64(int(pool)), 1, ctypes.c_uint64(0)) == 0
    s = d.cuStreamCreate(1)
    beside, p = (d.cuMemAllocFromPoolAsync(4000, pool, s) for _ in range(2))
    d.cuStreamSynchronize(s)
    ours = (ctypes.c_uint32 * 1000).from_address(int(p))
    ours[:] = range(1000)
    other = Other(f"""
        import ctypes, mmap
        pool = d.cuMemPoolImportFromShareableHandle({number.value}, FD, 0)
        data = d.CUmemPoolPtrExportData(reserved=hear())
        for turn in range(3):
            q = d.cuMemPoolImportPointer(pool, data)
            theirs = (ctypes.c_uint32 * 1000).from_address(int(q))
            assert list(theirs) == [turn, *range(1, 1000)] == words(q, 1000)
            A = d.CUpointer_attribute
            assert d.cuPointerGetAttribute(A.CU_POINTER_ATTRIBUTE_MEMORY_TYPE, q) == 1
            launch("fill", q, turn + 1, 1)
            d.cuCtxSynchronize()
            assert theirs[0] == turn + 1
            d.cuMemFreeAsync(q, None)
            d.cuCtxSynchronize()
            inside = [line.split()[1] for line in open("/proc/self/maps")
                      if int(line.split("-")[0], 16) <= int(q) < int(line.split("-")[1].split()[0], 16)]
            assert inside == ["---s"], inside             # the host's no more
            p = d.cuMemAlloc(4000)
            d.cuMemsetD32(p, 7, 1000)
            d.cuCtxSynchronize()
            d.cuMemFree(p)
        q = d.cuMemPoolImportPointer(pool, data)
        launch("fill", q + 4000, 1, 1)                  # outside: a fault as anywhere
        assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
        say()
    """, number.value)
    other.say(bytes(d.cuMemPoolExportPointer(p)))
    other.hear()
    other.done()
    assert ours[:] == [3, *range(1, 1000)]
    for bad in (props(L.CU_MEM_LOCATION_TYPE_HOST), props(L.CU_MEM_LOCATION_TYPE_HOST_NUMA, of=2)):
        assert name(d.cuMemPoolCreate, bad) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemPoolCreate, props(L.CU_MEM_LOCATION_TYPE_HOST_NUMA, 8)) == "CUDA_ERROR_NOT_SUPPORTED"
    ''')


def test_virtual_memory_of_another_process() -> None:
    run('''
    import ctypes
    M = 2 << 20
    prop = d.CUmemAllocationProp(type=1, requestedHandleTypes=FD, location={"type": 1, "id": 0})
    library, number = ctypes.CDLL(LIBRARY), ctypes.c_int(-1)
    def mapped(h, size):
        a = d.cuMemAddressReserve(size, 0, 0, 0)
        d.cuMemMap(a, size, 0, h, 0)
        d.cuMemSetAccess(a, size, [d.CUmemAccessDesc(location={"type": 1, "id": 0}, flags=3)], 1)
        return a
    h = d.cuMemCreate(2 * M, prop, 0)
    a = mapped(h, 2 * M)
    assert words(a, 2) == [0, 0]
    d.cuMemsetD32(a, 31, 2 * M // 4)
    export = library.cuMemExportToShareableHandle
    assert export(ctypes.byref(number), ctypes.c_uint64(int(h)), 1, ctypes.c_uint64(0)) == 0
    same = d.cuMemImportFromShareableHandle(number.value, FD)      # in this process too
    b = mapped(same, 2 * M)
    d.cuMemsetD32(b, 32, 1)
    d.cuCtxSynchronize()
    assert words(a, 2) == [32, 31]
    other = Other(f"""
        M = {M}
        h = d.cuMemImportFromShareableHandle({number.value}, FD)
        got = d.cuMemGetAllocationPropertiesFromHandle(h)
        assert got.location.id == 0 and got.requestedHandleTypes == FD
        a = d.cuMemAddressReserve(2 * M, 0, 0, 0)
        d.cuMemMap(a, 2 * M, 0, h, 0)
        assert name(words, a, 1) == "CUDA_ERROR_INVALID_VALUE"         # no access yet
        d.cuMemSetAccess(a, 2 * M, [d.CUmemAccessDesc(location={{"type": 1, "id": 0}}, flags=3)], 1)
        assert words(a, 3) == [32, 31, 31]
        launch("fill", a, 33, 1)
        d.cuCtxSynchronize()
        d.cuMemUnmap(a, 2 * M)
        d.cuMemRelease(h)
        d.cuMemAddressFree(a, 2 * M)
        for bad in (0, 1, 12345, 0xFFFFFFFF):
            assert name(d.cuMemImportFromShareableHandle, bad, FD) == "CUDA_ERROR_INVALID_VALUE"
        say()
    """, number.value)
    other.hear()
    other.done()
    assert words(a, 2) == [33, 31] == words(b, 2)
    d.cuMemUnmap(b, 2 * M)
    d.cuMemRelease(h)
    assert words(a, 1) == [33]                       # mapped memory stays
    d.cuMemUnmap(a, 2 * M)
    plain = d.cuMemCreate(M, d.CUmemAllocationProp(type=1, location={"type": 1, "id": 0}), 0)
    assert export(ctypes.byref(number), ctypes.c_uint64(int(plain)), 1, ctypes.c_uint64(0)) == 1
    assert export(ctypes.byref(number), ctypes.c_uint64(12345), 1, ctypes.c_uint64(0)) == 1
    prop.requestedHandleTypes = 8
    assert name(d.cuMemCreate, M, prop, 0) == "CUDA_ERROR_NOT_SUPPORTED"
    ''')
