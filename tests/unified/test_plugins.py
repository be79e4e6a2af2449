"""Plug-ins for other libraries' allocators.

CuPy and PyTorch with CUDA need a GPU's driver even to allocate: what stands for them here (stand_ins.py) follows their
documented interfaces.  RMM is used itself where it is installed.
"""

import ctypes
import sys
import threading
import types

import pytest

import cuda_unified as cu
from cuda_unified import plugins
from tests.unified import stand_ins
from tests.unified.memory_tools import run

pytestmark = pytest.mark.usefixtures("current")


# ---- CuPy ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cupy(monkeypatch, stream):
    module = stand_ins.cupy(stream)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module.cuda


def test_cupy_allocates_through_us(device, stream, cupy):
    counts = cu.StatisticsResource(device.pool)
    allocate = cu.as_cupy_allocator(counts)
    pointer = allocate(1000)
    assert pointer.memory.size == 1000 and pointer.memory.owner.stream == stream
    cu.Buffer.from_handle(pointer.ptr, 1000, owner=pointer).fill(1, stream=stream)
    assert counts.counts.current == 1000
    del pointer
    stream.sync()  # the fill is done
    assert counts.counts.current == 0
    cupy.get_current_stream = lambda: types.SimpleNamespace(ptr=0)
    assert allocate(8).memory.owner.stream == device.default_stream
    with pytest.raises(cu.OutOfMemoryError):
        allocate(1 << 60)


def test_we_allocate_through_cupy(device, stream, cupy):
    cupy.alloc = cu.as_cupy_allocator(counts := cu.StatisticsResource(device.pool))
    resource = cu.CupyResource(device)
    buffer = resource.allocate(64, stream)
    assert cupy.seen == [("device", 0), ("stream", stream.address, 0)]
    assert buffer.resource is resource and counts.counts.current == 64
    assert buffer.fill(3, stream=stream).to_bytes(stream=stream) == b"\x03" * 64
    buffer.close()
    assert counts.counts.current == 0
    other = cu.CupyResource(device, allocator=cu.as_cupy_allocator(device.pool))
    assert other.allocate(8, stream).size == 8 and counts.counts.total == 64
    assert other.allocate(0, stream).pointer == 0


# ---- PyTorch -------------------------------------------------------------------------------------------------------------

TORCH = """
import ctypes, threading, types, sys, gc
import cuda_unified as cu
from tests.unified import stand_ins
d = cu.Device(0)
s = d.stream()
sys.modules["torch"] = stand_ins.torch()
"""


def test_torch_allocates_from_a_pool():
    program = """
pool = cu.Pool.create(d)
t = cu.as_torch_allocator(pool)
p = t.allocate(1000, 0, s.address)
print(pool.used >= 1000, cu.Buffer.from_handle(p, 1000).fill(7, stream=s).to_bytes(stream=s) == b"\\x07" * 1000)
q = t.allocate(10, 0, None)  # the default stream
t.free(q, 10, 0, None)
d.sync()
print(1000 <= pool.used < 2000)
t.free(p, 1000, 0, s.address)
s.sync()
told = []
sys.unraisablehook = lambda a: told.append(f"{a.exc_type.__name__}: {a.exc_value}")
print(pool.used, t.allocate(1 << 60, 0, s.address), t.allocate(0, 0, s.address), len(told))
print(told.pop().splitlines()[0])
t.free(5, 10, 0, s.address)
print(told.pop().splitlines()[0])
def work():
    for i in range(200):
        t.free(t.allocate(i + 1, 0, s.address), i + 1, 0, s.address)
threads = [threading.Thread(target=work) for _ in range(8)]
[x.start() for x in threads]; [x.join() for x in threads]
s.sync()
print(pool.used)
try:
    cu.as_torch_allocator(d.pool)
except RuntimeError as e:
    print(e)
p = t.allocate(10, 0, s.address)
pool.close()
print(t.allocate(10, 0, s.address), told)
t.free(p, 10, 0, s.address)
"""
    out = run(TORCH + program).splitlines()
    assert out[:3] == ["True True", "True", "0 None None 1"]
    assert out[3].startswith("OutOfMemoryError: cuMemAllocFromPoolAsync(size=1152921504606846976)")
    assert out[4].startswith("InvalidValueError: cuMemFreeAsync(size=10)")
    assert out[5] == "0" and "once a process" in out[6]
    assert out[7] == "None ['ClosedError: this Pool is closed']"


def test_torch_allocates_from_a_resource_of_python():
    program = """
class NoDevice(cu.StatisticsResource):
    device = None
r = NoDevice(cu.LimitResource(d.pool, 1000))
t = cu.as_torch_allocator(r)
p = t.allocate(900, 0, s.address)
print(r.counts.current)
errors = []
sys.unraisablehook = lambda a: errors.append(a.exc_type.__name__)
print(t.allocate(101, 0, s.address), t.free(12345, 5, 0, s.address), errors)
t.free(p, 900, 0, s.address)
t.free(None, 0, 0, s.address)
print(r.counts.current)
result = []
def work():
    for i in range(50):
        p = t.allocate(10, 0, None)
        t.free(p, 10, 0, None)
threads = [threading.Thread(target=work) for _ in range(8)]
[x.start() for x in threads]; [x.join() for x in threads]
print(r.counts.current, r.counts.total)
kept = t.allocate(10, 0, s.address)
"""
    out = run(TORCH + program).splitlines()
    assert out == ["900", "None None ['OutOfMemoryError', 'ValueError']", "0", "0 4900"]


def test_without_a_resource_torch_gets_nothing():
    program = """
path, allocate, free = cu._native.__file__, "cuda_unified_torch_alloc", "cuda_unified_torch_free"
t = stand_ins.CUDAPluggableAllocator(path, allocate, free)
print(t.allocate(10, 0, None), t.allocate(10, 99, None), t.allocate(10, -1, None), t.allocate(-5, 0, None))
print(t.free(16, 10, 0, None))
"""
    assert run(TORCH + program) == "None None None None\nNone\n"


def test_we_allocate_through_torch(monkeypatch, device, stream):
    """https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.caching_allocator_alloc.html"""
    torch = stand_ins.torch()
    live, calls = torch.cuda.live, torch.cuda.calls
    monkeypatch.setitem(sys.modules, "torch", torch)
    resource = cu.TorchResource(device)
    with resource.allocate(64, stream) as buffer:
        assert calls == [(64, 0, stream.address)] and list(live) == [buffer.pointer]
        assert buffer.fill(3, stream=stream).to_bytes(stream=stream) == b"\x03" * 64
    assert not live


# ---- RMM -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rmm(monkeypatch):
    modules = stand_ins.rmm()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules["rmm"]


def test_rmm_allocates_through_us(device, stream, rmm):
    counts = cu.StatisticsResource(device.pool)
    resource = cu.as_rmm_resource(counts)
    pointer = resource.allocate(100, stand_ins.RmmStream(stream))
    assert counts.counts.current == 100
    resource.deallocate(pointer, 100, stand_ins.RmmStream(stream))
    assert counts.counts.current == 0
    with pytest.raises(ValueError, match="not allocated here"):
        resource.deallocate(pointer, 100, stand_ins.RmmStream(stream))
    with pytest.raises(cu.OutOfMemoryError):
        resource.allocate(1 << 60, stand_ins.RmmStream(stream))
    assert resource.allocate(0, stand_ins.RmmStream(stream)) == 0
    resource.deallocate(0, 0, stand_ins.RmmStream(stream))


def test_we_allocate_through_rmm(device, stream, rmm):
    counts = cu.StatisticsResource(device.pool)
    rmm.mr.get_per_device_resource = {0: cu.as_rmm_resource(counts)}.__getitem__
    for resource in (cu.RmmResource(device), cu.RmmResource(device, cu.as_rmm_resource(counts))):
        with resource.allocate(64, stream) as buffer:
            assert counts.counts.current == 64
            assert buffer.fill(3, stream=stream).to_bytes(stream=stream) == b"\x03" * 64
        assert counts.counts.current == 0
        assert repr(resource) == "RmmResource(Device(0))"


def test_the_real_rmm(device, stream):
    """Its callback resource alone: everything else of it needs NVIDIA's runtime library over a GPU's driver."""
    rmm = pytest.importorskip("rmm", reason="RMM is not installed")
    from rmm.pylibrmm.stream import Stream

    counts = cu.StatisticsResource(device.pool)
    resource = cu.as_rmm_resource(counts)
    assert isinstance(resource, rmm.mr.CallbackMemoryResource)
    pointer = resource.allocate(100, Stream(stream))
    assert counts.counts.current >= 100
    resource.deallocate(pointer, 100, Stream(stream))
    assert counts.counts.current == 0
    with cu.RmmResource(device, resource).allocate(64, stream) as buffer:
        assert buffer.fill(3, stream=stream).to_bytes(stream=stream) == b"\x03" * 64
    assert counts.counts.current == 0


# ---- all ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cupy", "torch", "rmm"])
def test_a_library_that_is_missing(monkeypatch, device, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=name):
        if name == "cupy":
            cu.as_cupy_allocator(device.pool)(1)
        elif name == "rmm":
            cu.as_rmm_resource(device.pool)
        else:
            cu.TorchResource(device).allocate(1)


def test_foreign_memory_in_many_threads(device, stream, cupy):
    cupy.alloc = cu.as_cupy_allocator(counts := cu.StatisticsResource(device.pool))
    resource, errors = cu.CupyResource(device), []

    def work():
        try:
            for i in range(50):
                resource.allocate(i + 1, stream)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and counts.counts.current == 0


def test_the_symbols_are_exported():
    library = ctypes.CDLL(cu._native.__file__)
    assert library.cuda_unified_torch_alloc and library.cuda_unified_torch_free
    assert plugins._torch == {}
