"""The checkers: races and uninitialised reads that were put into kernels are found, and correct kernels are let alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, machine
from tests.cpu_device.exec_kernels import ASYNC, BULK, CLUSTERS, HEADERS, PLAIN
from tests.cpu_device.test_ptx_parser import compile_cuda
from tests.helpers.cpu import on_cpu

RNG = np.random.default_rng(3)
ARCHITECTURES = (80, 100)

DEFECTS = r"""
__device__ int counter;
__device__ volatile int flag;
extern "C" __global__ void no_barrier(const int *x, int *y) {
    __shared__ int tile[128];
    tile[threadIdx.x] = x[threadIdx.x];  // written here
    y[threadIdx.x] = tile[127 - threadIdx.x];  // read here
}
extern "C" __global__ void scan(const int *x, int *y) {
    extern __shared__ int s[];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    for (int d = 1; d < blockDim.x; d <<= 1) {
        int v = t >= d ? s[t - d] : 0;
        s[t] += v;  // not behind all reads
        __syncthreads();
    }
    y[t] = s[t];
}
extern "C" __global__ void one_warp(int *y) {
    __shared__ int s[32];
    s[threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = s[threadIdx.x ^ 1];
}
extern "C" __global__ void one_warp_in_order(int *y) {
    __shared__ int s[32];
    s[threadIdx.x] = threadIdx.x;
    __syncwarp();
    int v = s[threadIdx.x ^ 1];
    v += __shfl_sync(~0u, v, 3);
    s[threadIdx.x] = v;
    __syncwarp();
    y[threadIdx.x] = s[31 - threadIdx.x];
}
extern "C" __global__ void between_blocks(int *y) {
    if (threadIdx.x == 0) y[0] += blockIdx.x + 1;
}
extern "C" __global__ void between_blocks_atomic(int *y) { atomicAdd(y, 1); }
extern "C" __global__ void plain_and_atomic(int *y) {
    if (blockIdx.x == 0) atomicAdd(y, 1);
    else if (threadIdx.x == 0) y[0] = 9;
}
extern "C" __global__ void module_variable() { counter = blockIdx.x + 1; }
extern "C" __global__ void same_value(int *y) { y[0] = 5; y[1 + threadIdx.x % 3] = 7; }
extern "C" __global__ void different_values(int *y) { y[0] = threadIdx.x; }
extern "C" __global__ void bytes(unsigned char *y) { y[blockIdx.x * blockDim.x + threadIdx.x] = threadIdx.x; }
// The last block adds up what the others wrote.
extern "C" __global__ void last_block(const int *x, int *part, int *y, int fenced) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        part[blockIdx.x] = x[blockIdx.x] * 3;
        if (fenced) __threadfence();
        last = atomicAdd(&counter, 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        int sum = 0;
        for (int k = 0; k < gridDim.x; k++) sum += part[k];
        *y = sum;
    }
}
// Block 1 waits for block 0's flag.
extern "C" __global__ void message(int *box, int *y, int fenced) {
    if (blockIdx.x == 0) {
        box[0] = 42;
        if (fenced) __threadfence();
        flag = 1;
    } else {
        while (!flag) {}
        __threadfence();
        *y = box[0];
    }
}
extern "C" __global__ void part_barrier(int *y, int wrong) {
    __shared__ int s[64];
    int t = threadIdx.x;
    if (t < 64) {
        s[t] = t;
        if (!wrong) asm volatile("bar.sync 1, 64;" ::: "memory");
        y[t] = s[63 - t];
    }
}
extern "C" __global__ void some_leave(int *y) {
    __shared__ int s[64];
    s[threadIdx.x] = threadIdx.x;
    if (threadIdx.x >= 40) return;
    __syncthreads();
    y[threadIdx.x] = s[63 - threadIdx.x];
}
extern "C" __global__ void arrive_and_sync(const int *x, int *y) {
    __shared__ int s[32];
    if (threadIdx.x < 32) {
        s[threadIdx.x] = x[threadIdx.x];
        asm volatile("bar.arrive 1, 64;" ::: "memory");
    } else {
        asm volatile("bar.sync 1, 64;" ::: "memory");
        y[threadIdx.x - 32] = s[63 - threadIdx.x];
    }
}
extern "C" __global__ void divergent(int *y) {
    if (threadIdx.x < 40) __syncthreads();
    else asm volatile("bar.sync 2;" ::: "memory");
    y[threadIdx.x] = 1;
}
extern "C" __global__ void partly_written(const int *x, int *y, int n) {
    __shared__ int s[64];
    if (threadIdx.x < n) s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = s[63 - threadIdx.x];  // some were not written
}
extern "C" __global__ void copy(const int *x, int *y) { y[threadIdx.x] = x[threadIdx.x]; }
struct Holes { char a; double b; int c; };
__device__ __noinline__ Holes make(int k) { Holes h; h.a = k; h.b = k; h.c = k; return h; }
extern "C" __global__ void holes(Holes *y) {
    __shared__ Holes s[32];
    s[threadIdx.x] = make(threadIdx.x);
    __syncthreads();
    y[threadIdx.x] = s[31 - threadIdx.x];
}
extern "C" __global__ void local_array(int *y, int n, int k) {
    int a[64];
    for (int i = 0; i < n; i++) a[i] = i * k;
    y[threadIdx.x] = a[(threadIdx.x * k) & 63];
}
extern "C" __global__ void heap(int *y) {
    int *p = (int *)malloc(16);
    if (threadIdx.x) p[1] = 3;
    y[threadIdx.x] = p[1];
    free(p);
}
"""

ASYNC_DEFECTS = r"""
#include <cuda_pipeline_primitives.h>
extern "C" __global__ void copied(const int *x, int *y, int wait) {
    __shared__ int s[64];
    unsigned t = threadIdx.x;
    __pipeline_memcpy_async(&s[t], &x[t], 4);
    __pipeline_commit();
    if (wait) __pipeline_wait_prior(0);
    y[t] = s[t];
}
extern "C" __global__ void two_groups(const int *x, int *y, int but) {
    __shared__ int s[2][64];
    unsigned t = threadIdx.x;
    __pipeline_memcpy_async(&s[0][t], &x[t], 4);
    __pipeline_commit();
    __pipeline_memcpy_async(&s[1][t], &x[64 + t], 4);
    __pipeline_commit();
    if (but) __pipeline_wait_prior(1);
    else __pipeline_wait_prior(0);
    __syncthreads();
    y[t] = s[0][63 - t];
    y[64 + t] = but ? 0 : s[1][63 - t];
    if (but) { __pipeline_wait_prior(0); __syncthreads(); y[64 + t] = s[1][63 - t]; }
}
"""


@pytest.fixture(scope="module", params=ARCHITECTURES)
def kernels(request):
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    text = compile_cuda("defects", DEFECTS, request.param, "--generate-line-info")
    return machine().load(text, cc=120)


@pytest.fixture
def tracked():
    machine().lib.exec_track(1)
    yield
    machine().lib.exec_track(0)


def buffer(array):
    return machine().buffer(np.ascontiguousarray(array).tobytes())


def room(n):
    return machine().buffer(bytes(4 * n))


def words(address, n):
    return np.frombuffer(machine().read(address, 4 * n), "i4").tolist()


def found(run, *arguments, **options):
    with pytest.raises(Fault) as fault:
        run(*arguments, **{"races": True, **options})
    assert fault.value.code == 719, fault.value
    return fault.value


def line(text):
    return next(k for k, written in enumerate(DEFECTS.splitlines(), 1) if text in written)


def test_a_missing_barrier(kernels):
    x, y = buffer(np.arange(128, dtype="i4")), room(128)
    kernels.run("no_barrier", 1, 128, x, y)  # nobody looks
    fault = found(kernels.run, "no_barrier", 1, 128, x, y)
    assert "race on shared memory: " in fault.what and "by another thread" in fault.what
    assert fault.kernel == "no_barrier" and "tile" in fault.nearest and "byte" in fault.nearest
    # which of the two comes first is the order of the warps
    lines = {"st.shared": line("// written here"), "ld.shared": line("// read here")}
    here, there = ("st.shared", "ld.shared") if "write of 4 bytes" in fault.what else ("ld.shared", "st.shared")
    assert fault.source_file.endswith("defects.cu") and fault.source_line == lines[here] and here in fault.ptx_text
    assert there in fault.notes and f"defects.cu:{lines[there]}" in fault.notes
    assert f"block (0, 0, 0), thread ({127 - fault.thread[0]}, 0, 0)" in fault.notes


def test_a_write_before_all_have_read(kernels):
    fault = found(kernels.run, "scan", 1, 128, buffer(np.ones(128, "i4")), room(128), shared=512)
    assert "shared memory" in fault.what and "dynamic shared memory" in fault.nearest
    assert fault.source_line in (line("// not behind all reads"), line("int v = t >= d"))


def test_order_in_a_warp(kernels):
    assert "shared" in found(kernels.run, "one_warp", 1, 32, room(32)).what
    y = room(32)
    kernels.run("one_warp_in_order", 1, 32, y, races=True)
    assert words(y, 32) == [((31 - t) ^ 1) + 2 for t in range(32)]


def test_between_blocks(kernels):
    fault = found(kernels.run, "between_blocks", 3, 32, room(1))
    assert "global memory" in fault.what and "allocation of 4 bytes" in fault.nearest
    assert fault.block == (1, 0, 0) and "block (0, 0, 0), thread (0, 0, 0)" in fault.notes
    y = room(1)
    kernels.run("between_blocks_atomic", 3, 32, y, races=True)
    assert words(y, 1) == [96]
    assert "global memory" in found(kernels.run, "plain_and_atomic", 2, 32, room(1)).what
    assert "variable counter" in found(kernels.run, "module_variable", 2, 1).nearest


def test_what_changes_nothing(kernels):
    y = room(4)
    kernels.run("same_value", 4, 64, y, races=True)
    assert words(y, 4) == [5, 7, 7, 7]
    assert "write of 4 bytes" in found(kernels.run, "different_values", 1, 32, room(1)).what
    kernels.run("bytes", 3, 33, machine().buffer(bytes(99)), races=True)


@pytest.mark.parametrize("fenced", (1, 0))
def test_order_by_fences_and_atomics(kernels, fenced):
    address, _ = kernels.global_("counter")
    assert machine().lib.exec_copy_in(address, bytes(4), 4)
    x, y = np.arange(1, 9, dtype="i4"), room(1)
    arguments = ("last_block", 8, 32, buffer(x), room(8), y, fenced)
    if not fenced:
        assert "global memory" in found(kernels.run, *arguments).what
        return
    kernels.run(*arguments, races=True)
    assert words(y, 1) == [3 * x.sum()]


@pytest.mark.parametrize("fenced", (1, 0))
def test_a_message(kernels, fenced):
    address, _ = kernels.global_("flag")
    assert machine().lib.exec_copy_in(address, bytes(4), 4)
    y = room(1)
    if not fenced:
        assert "global memory" in found(kernels.run, "message", 2, 1, room(1), y, 0).what
        return
    kernels.run("message", 2, 1, room(1), y, 1, races=True)
    assert words(y, 1) == [42]


def test_barriers_of_some_threads(kernels):
    y = room(64)
    kernels.run("part_barrier", 1, 96, y, 0, races=True)
    assert words(y, 64) == list(range(63, -1, -1))
    assert "shared" in found(kernels.run, "part_barrier", 1, 96, y, 1).what
    kernels.run("some_leave", 1, 64, y, races=True)  # barriers do not wait for threads that ended
    assert words(y, 40) == list(range(63, 23, -1))
    x, y = np.arange(32, dtype="i4"), room(32)
    kernels.run("arrive_and_sync", 1, 64, buffer(x), y, races=True)
    assert words(y, 32) == x[::-1].tolist()


def test_a_divergent_barrier_is_found_without_them(kernels):
    with pytest.raises(Fault) as fault:
        kernels.run("divergent", 1, 64, room(64))
    assert fault.value.code == 719 and "barrier that not all threads reach" in fault.value.what


def test_asynchronous_copies():
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    module = machine().load(compile_cuda("copies", ASYNC_DEFECTS, 80), cc=120)
    x, y = np.arange(128, dtype="i4"), room(128)
    module.run("copied", 1, 64, buffer(x), y, 1, races=True)
    assert "cp.async that was not waited for" in found(module.run, "copied", 1, 64, buffer(x), y, 0).what
    for but in (0, 1):
        module.run("two_groups", 1, 64, buffer(x), y, but, races=True)
        assert words(y, 128) == x.reshape(2, 64)[:, ::-1].ravel().tolist()


def test_shared_memory_that_nothing_wrote(kernels):
    x, y = buffer(np.arange(64, dtype="i4")), room(64)
    kernels.run("partly_written", 1, 64, x, y, 64, uninitialised=True)
    fault = found(kernels.run, "partly_written", 1, 64, x, y, 50, races=False, uninitialised=True)
    assert "shared memory that nothing wrote" in fault.what and "variable" in fault.nearest
    assert fault.thread[0] < 14 and fault.source_line == line("// some were not written")


def test_device_memory_that_nothing_wrote(kernels, tracked):
    old = machine().alloc(128)
    machine().lib.exec_copy_in(old + 4, bytes(60), 60)
    fault = found(kernels.run, "copy", 1, 32, old, room(32), races=False, uninitialised=True)
    assert "global memory that nothing wrote" in fault.what and fault.address == old and fault.thread == (0, 0, 0)
    assert "allocation of 128 bytes" in fault.nearest
    machine().lib.exec_copy_in(old, bytes(4), 4)
    fault = found(kernels.run, "copy", 1, 32, old, room(32), races=False, uninitialised=True)
    assert fault.address == old + 64
    fresh = machine().alloc(128)
    kernels.run("copy", 1, 16, old, fresh, uninitialised=True)  # a kernel writes it
    kernels.run("copy", 1, 16, fresh, room(32), uninitialised=True)
    assert found(kernels.run, "copy", 1, 17, fresh, room(32), races=False, uninitialised=True).address == fresh + 64


def test_local_memory_and_structures(kernels, tracked):
    kernels.run("holes", 1, 32, room(32 * 6), uninitialised=True, races=True)
    y = room(8)
    kernels.run("local_array", 1, 8, y, 64, 5, uninitialised=True)
    assert words(y, 8) == [(t * 5 & 63) * 5 for t in range(8)]
    fault = found(kernels.run, "local_array", 1, 8, y, 20, 5, races=False, uninitialised=True)
    assert "local memory that nothing wrote" in fault.what and fault.thread == (4, 0, 0)
    fault = found(kernels.run, "heap", 1, 32, room(32), races=False, uninitialised=True)
    assert "global memory that nothing wrote" in fault.what and fault.thread == (0, 0, 0)


def launches():
    """Correct kernels of the other tests."""
    n = np.arange(256, dtype="i4")
    f = RNG.random(4096, "f4")
    yield PLAIN, "saxpy", 4, 64, (2.0, buffer(f), buffer(f), 250), {}
    yield PLAIN, "matmul", (2, 2), (16, 16), (buffer(f), buffer(f), room(1024), 32), {}
    yield PLAIN, "reduce", 4, 128, (buffer(n), room(1), 256), {}
    yield PLAIN, "histogram", 3, 256, (buffer(RNG.integers(0, 9, 999).astype("u1")), room(256), 999), {}
    yield PLAIN, "scan", 1, 96, (buffer(n), room(96)), {"shared": 384}
    yield PLAIN, "mandelbrot", (2, 2), (16, 4), (room(32 * 8), 32, 8, 50), {}
    yield PLAIN, "bitonic", 2, 256, (buffer(RNG.integers(0, 99, 512).astype("u4")),), {}
    yield PLAIN, "lock", 3, 64, (room(1), room(1)), {}
    yield PLAIN, "recursion", 1, 64, (room(64),), {}
    yield PLAIN, "virtual_calls", 1, 64, (room(64),), {}
    yield PLAIN, "function_table", 1, 64, (room(64),), {}
    yield PLAIN, "switches", 1, 64, (room(96),), {}
    yield PLAIN, "heap", 1, 64, (room(64),), {}
    yield PLAIN, "tables", 1, 64, (room(64),), {}
    yield PLAIN, "structs", 1, 32, (bytes(88), room(32 * 22)), {}
    yield PLAIN, "stencil", 4, 64, (buffer(f), buffer(f), 250), {}
    yield PLAIN, "math", 1, 64, (buffer(f), room(64), room(128)), {}
    yield HEADERS, "halves", 1, 64, (buffer(f), room(128)), {}
    yield HEADERS, "groups", 1, 64, (buffer(n), room(64)), {}
    yield HEADERS, "whole_grid", 4, 64, (room(256), room(256)), {"cooperative": True}
    yield CLUSTERS, "sums", 4, 64, (buffer(n), room(4)), {"cluster": (2, 1, 1)}
    yield CLUSTERS, "spread", 4, 32, (buffer(n % 128), room(128), 256), {"cluster": (4, 1, 1), "shared": 128}
    yield CLUSTERS, "ring", 4, 32, (room(8),), {"cluster": (4, 1, 1)}
    yield ASYNC, "staged", 1, 64, (buffer(RNG.integers(0, 9, 4096)), room(64), 7), {}
    yield ASYNC, "group_copy", 1, 96, (buffer(n), room(200), 200), {"shared": 800}
    yield ASYNC, "turns", 1, 96, (room(96), 5), {}
    yield BULK, "producers", 1, 128, (buffer(RNG.integers(0, 9, 1024)), room(32), 6), {}
    yield BULK, "tiles", 1, 256, (buffer(RNG.integers(0, 9, 1280)), room(1280), 5), {}
    yield BULK, "cast", 4, 64, (buffer(n), room(64), 15), {}


@pytest.mark.parametrize("architecture", (90, 100))
def test_no_false_alarm(architecture, tracked):
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    modules = {}
    for source, name, grid, block, arguments, options in launches():
        if architecture == 100 and source is not PLAIN:  # the other dialect; headers take long to compile
            continue
        if source not in modules:
            modules[source] = machine().load(compile_cuda("plain", source, architecture), cc=120)
        try:
            modules[source].run(name, grid, block, *arguments, races=True, uninitialised=True, **options)
        except Fault as fault:
            pytest.fail(f"{name}: {fault}")


def test_a_process_turns_them_on() -> None:
    script = """
    import cubind.cpu
    text = '''.version 7.0
    .target sm_70
    .address_size 64
    .visible .entry race(.param .u64 p) {
        .reg .b64 %p; .reg .b32 %v;
        ld.param.u64 %p, [p];
        mov.u32 %v, %ctaid.x;
        add.u32 %v, %v, 1;
        st.global.u32 [%p], %v;
        ret;
    }
    .visible .entry first(.param .u64 p) {
        .reg .b64 %p; .reg .b32 %v;
        ld.param.u64 %p, [p];
        ld.global.u32 %v, [%p];
        st.global.u32 [%p], %v;
        ret;
    }
    '''
    def go(which, p, n=2):
        d.cuLaunchKernel(d.cuModuleGetFunction(module(text), which), n, 1, 1, 1, 1, 1, 0, None, (p,))
        return name(d.cuCtxSynchronize)
    def anew():
        d.cuDevicePrimaryCtxReset(0)
        d.cuCtxSetCurrent(d.cuDevicePrimaryCtxRetain(0))
    """
    on_cpu(
        script
        + """
    p = d.cuMemAlloc(64)
    assert go("race", p) == go("first", p + 4) == "CUDA_SUCCESS"
    assert cubind.cpu.check(races=True)
    assert go("first", p + 4) == "CUDA_SUCCESS" and go("race", p) == "CUDA_ERROR_LAUNCH_FAILED"
    report = cubind.cpu.last_report()
    assert "race on global memory" in report and "the write: block (0, 0, 0)" in report and report.count("PTX line") == 2, report
    anew()
    assert cubind.cpu.check(races=False, uninitialised=True)
    p = d.cuMemAlloc(64)
    d.cuMemsetD32(p, 1, 2)
    d.cuMemcpyHtoD(p + 8, bytearray(4), 4)
    assert [go("first", p + k) for k in (0, 4, 8)] == ["CUDA_SUCCESS"] * 3 and go("race", p) == "CUDA_SUCCESS"
    q = d.cuMemAllocManaged(64, 1)
    assert go("first", q) == "CUDA_SUCCESS"
    assert go("first", p + 12, 1) == "CUDA_ERROR_LAUNCH_FAILED" and "that nothing wrote" in cubind.cpu.last_report()
    anew()
    assert cubind.cpu.check(uninitialised=False)
    assert go("first", d.cuMemAlloc(4)) == "CUDA_SUCCESS"
    """
    )
    on_cpu(script + 'assert go("race", d.cuMemAlloc(4)) == "CUDA_ERROR_LAUNCH_FAILED"', CPU_DEVICE_RACES="1")
    on_cpu(script + 'assert go("first", d.cuMemAlloc(4), 1) == "CUDA_ERROR_LAUNCH_FAILED"', CPU_DEVICE_UNINIT="1")
