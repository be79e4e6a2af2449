"""Launches from other contexts, devices, threads and processes, and on a driver that tells less."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any

import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified import _native
from tests.helpers.fakes import compile_library, run
from tests.unified.kernels import Library, Memory

ONE = cu.LaunchConfig(1, 1)


@pytest.fixture(scope="module")
def library(device: Any) -> Library:
    return Library()


def test_a_stream_of_another_context(library: Library, device: Any) -> None:
    """Complaint 46: what happened depended on what was current."""
    handle = driver.cuCtxCreate(None, 0, 0)
    driver.cuCtxPopCurrent()
    context = _native.make_context(int(handle), device, True)
    before = driver.cuCtxGetCurrent()
    with context:
        pointer = driver.cuMemAlloc(16)
        driver.cuMemsetD8(pointer, 0, 16)
        driver.cuCtxSynchronize()
    stream = context.stream()
    cu.launch(stream, ONE, library["three"], pointer, 1, 2.5)
    library["three"].bind(stream, ONE, pointer, 2, 3.5)()
    default = _native.wrap_stream(1, context, False, None)
    cu.launch(default, ONE, library["three"], pointer, 3, 4.5)
    stream.sync()
    default.sync()
    with device:
        function = cu.Kernel.from_handle(driver.cuKernelGetFunction(library["nothing"].handle), owner=library)
    with pytest.raises(cu.CudaError, match="a CUfunction is of one context"):
        cu.launch(stream, ONE, function)
    assert driver.cuCtxGetCurrent() == before
    room = bytearray(16)
    with context:
        driver.cuMemcpyDtoH(room, pointer, 16)
        driver.cuMemFree(pointer)
    assert struct.unpack("<4f", room) == (0, 2.5, 3.5, 4.5)
    stream.close()
    context.close()
    with pytest.raises(cu.ClosedError):
        cu.launch(default, ONE, library["nothing"])


def test_threads_launch_side_by_side(library: Library, device: Any) -> None:
    main = device.stream()
    total = Memory(device, 4, main)
    errors: list[BaseException] = []

    def work(value: int) -> None:
        try:
            stream = device.stream()
            bound = library["add"].bind(stream, ONE, total.buffer, value)
            for _ in range(50):
                cu.launch(stream, ONE, library["add"], total.buffer, value)
                library["add"][1, 1, stream](total.buffer, value)
                bound()
            stream.sync()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert struct.unpack("<i", total.read()) == (150 * sum(range(16)),)


def test_threads_share_a_launcher_while_it_is_changed(library: Library, device: Any) -> None:
    """What a launch sees is one value or the other, never a part of both."""
    stream = device.stream()
    kernel, room = library["sixteen"], Memory(device, 15 * 8, stream)
    bound = kernel.bind(stream, ONE, room.buffer, *([0] * 15))
    stop = threading.Event()

    def change() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 2
            for i in range(15):
                bound.set(i + 1, value * 0x0101010101010101)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(200):
            bound()
            seen = struct.unpack("<15q", room.read())
            assert set(seen) <= {0, 0x0101010101010101}
    finally:
        stop.set()
        changer.join()


TWO_DEVICES = """
import cuda_unified as cu
from cubind import driver
from tests.unified.kernels import Library
library = Library()
one, two = cu.Device(0), cu.Device(1)
stream, there = one.stream(), two.stream()
three, config = library["three"], cu.LaunchConfig(1, 1)
memory = two.allocate(64, there)
there.sync()
for call in (lambda: three[1, 1, stream](memory, 0, 1.5), lambda: three.bind(stream, config, memory, 0, 1.5)):
    try:
        call()
    except cu.DeviceMismatchError as error:
        print(error)
three[1, 1, there](memory, 0, 1.5)
there.sync()
location = driver.CUmemLocation(type=driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, id=0)
flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
driver.cuMemPoolSetAccess(two.pool.address, [driver.CUmemAccessDesc(location=location, flags=flags)], 1)
three[1, 1, stream](memory, 1, 2.5)
stream.sync()
room = bytearray(8)
with two:
    driver.cuMemcpyDtoH(room, memory.pointer, 8)
print(list(memoryview(room).cast("f")))
print(three.occupancy[two].device.ordinal, three.attributes[1].device.ordinal)
"""


def test_memory_of_another_device_is_refused_unless_it_was_opened() -> None:
    text = run(TWO_DEVICES, CUBIND_DEVICE="cpu", CPU_DEVICE_COUNT="2", PYTHONPATH=_path())
    *refused, values, devices = text.splitlines()
    assert len(refused) == 2
    assert all(
        line.startswith("three(): args[0] of 3: memory of device 1 for a launch on device 0") for line in refused
    )
    assert values == "[1.5, 2.5]"
    assert devices == "1 1"


def _path() -> str:
    root = Path(__file__).resolve().parents[2]
    return f"{root}:{root / 'bindings'}"


FORKED = """
import os
import cuda_unified as cu
from tests.unified.kernels import Library
stream, config, library = cu.Device(0).stream(), cu.LaunchConfig(1, 1), Library()
kernel, fresh = library["nothing"], library["three"]
bound = kernel.bind(stream, config)
bound()
stream.sync()
child = os.fork()
if child == 0:
    for call in (bound, lambda: cu.launch(stream, config, kernel), lambda: fresh.parameters):
        try:
            call()
        except cu.ForkError:
            continue
        os._exit(1)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_after_a_fork() -> None:
    """Complaint 44: after a fork there were puzzles instead of an error."""
    assert run(FORKED, CUBIND_DEVICE="cpu", PYTHONPATH=_path()).strip() == "0"


ENDING = """
import cuda_unified as cu
from tests.unified.kernels import Library
stream, library = cu.Device(0).stream(), Library()
kernel = library["three"]
buffer = cu.Device(0).allocate(64, stream)
bound = kernel.bind(stream, cu.LaunchConfig(1, 1), buffer, 0, 1.5)
bound()
class Holds: pass
holds = Holds(); holds.itself = holds; holds.bound = bound; holds.kernel = kernel
print(kernel[1, 1])
"""


def test_the_interpreter_ends_with_everything_alive() -> None:
    assert run(ENDING, CUBIND_DEVICE="cpu", PYTHONPATH=_path()).startswith("<Launcher of three")


# ---- a driver that does not tell the parameters' sizes

OLD_DRIVER = r"""
static unsigned char seen[64];
static int calls;
CUresult cuInit(unsigned flags) { return 0; }
CUresult cuDeviceGetCount(int *n) { *n = 1; return 0; }
CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { *c = (CUcontext)4096; return 0; }
CUresult cuCtxGetCurrent(CUcontext *c) { *c = (CUcontext)4096; return 0; }
CUresult cuStreamCreateWithPriority(CUstream *s, unsigned f, int p) { *s = (CUstream)8192; return 0; }
CUresult cuStreamDestroy_v2(CUstream s) { return 0; }
CUresult cuKernelGetName(const char **name, CUkernel k) { *name = "old"; return 0; }
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, CUstream s, void **params, void **extra) {
    calls++;
    memcpy(seen, params[0], 4), memcpy(seen + 4, params[1], 8), memcpy(seen + 12, params[2], 3);
    return 0;
}
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t n) { memcpy(to, seen, 15); ((char *)to)[15] = calls; return 0; }
"""
ON_OLD_DRIVER = """
import ctypes, struct
import cuda_unified as cu
from cubind import driver
stream, config = cu.Device(0).stream(), cu.LaunchConfig(1, 1)
kernel = cu.Kernel.from_handle(12288)
print(kernel.parameters, kernel.name)
cu.launch(stream, config, kernel, ctypes.c_float(1.5), None, b"abc")
for bad in ((1, None, b"abc"), (2.5, None, b"abc")):
    try:
        cu.launch(stream, config, kernel, *bad)
    except TypeError as error:
        print(error)
try:
    kernel.bind(stream, config, ctypes.c_float(1.5), None, b"abc")
except NotImplementedError as error:
    print(error)
room = bytearray(16)
driver.cuMemcpyDtoH(room, 1, 16)
assert bytes(room) == struct.pack("<fQ3sB", 1.5, 0, b"abc", 1), room
"""


def test_a_driver_that_does_not_tell_sizes(tmp_path: Path) -> None:
    path = compile_library(tmp_path, "libcuda.so.1", OLD_DRIVER)
    text = run(ON_OLD_DRIVER, CUBIND_DRIVER_LIBRARY=path, PYTHONPATH=_path())
    first, *refused, bind = text.splitlines()
    assert first == "None old"
    assert len(refused) == 2
    assert all("old(): args[0] of 3: the driver does not tell the sizes" in line for line in refused)
    assert "bind() needs a driver that tells" in bind


WAITING_DRIVER = r"""
#include <semaphore.h>
#include <time.h>
static sem_t freed;
__attribute__((constructor)) static void begin(void) { sem_init(&freed, 0, 0); }
static CUresult wait_for_free(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    return sem_timedwait(&freed, &until) ? CUDA_ERROR_LAUNCH_TIMEOUT : 0;
}
CUresult cuInit(unsigned flags) { return 0; }
CUresult cuDeviceGetCount(int *n) { *n = 1; return 0; }
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute a, CUdevice d) { *value = 1024; return 0; }
CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { *c = (CUcontext)4096; return 0; }
CUresult cuCtxGetCurrent(CUcontext *c) { *c = (CUcontext)4096; return 0; }
CUresult cuStreamCreateWithPriority(CUstream *s, unsigned f, int p) { *s = (CUstream)8192; return 0; }
CUresult cuStreamDestroy_v2(CUstream s) { return 0; }
CUresult cuMemFree_v2(CUdeviceptr p) { sem_post(&freed); return 0; }
CUresult cuKernelGetParamInfo(CUkernel k, size_t i, size_t *offset, size_t *size) {
    CUresult status = wait_for_free();
    return status ? status : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, CUstream s, void **params, void **extra) { return wait_for_free(); }
CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra) { return wait_for_free(); }
"""
ON_WAITING_DRIVER = """
import threading, time
import cuda_unified as cu
from cubind import driver
stream, config = cu.Device(0).stream(), cu.LaunchConfig(1, 1)
kernel = cu.Kernel._make(12288, "kernel", None)

def frees():
    for _ in range(4):
        time.sleep(0.02)
        driver.cuMemFree(1)

thread = threading.Thread(target=frees)
thread.start()
cu.launch(stream, config, kernel)  # asks for the parameters, then launches
kernel.bind(stream, config)()
cu.launch(stream, config.replace(priority=0), kernel)
thread.join()
print("launched")
"""


def test_complaint_39_the_gil_is_released_while_the_driver_works(tmp_path: Path) -> None:
    """The driver waits for what another thread of Python does: with the GIL held, neither would go on."""
    path = compile_library(tmp_path, "libcuda.so.1", WAITING_DRIVER)
    assert run(ON_WAITING_DRIVER, CUBIND_DRIVER_LIBRARY=path, PYTHONPATH=_path()).strip() == "launched"
