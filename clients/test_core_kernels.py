"""cuda-core: devices, streams, events, programs, kernels, linking."""

import numpy as np
import pytest
from cuda.core import (
    Device,
    EventOptions,
    LaunchConfig,
    Linker,
    LinkerOptions,
    ObjectCode,
    Program,
    ProgramOptions,
    StreamOptions,
    launch,
)

NVVM_LAYOUT = (
    "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-i128:128:128-f32:32:32-f64:64:64"
    "-v16:16:16-v32:32:32-v64:64:64-v128:128:128-n16:32:64"
)
SAXPY = """
template <typename T> __global__ void saxpy(T a, const T *x, const T *y, T *out, size_t n) {
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x)
        out[i] = a * x[i] + y[i];
}
"""


def compiled(device, source, kind="ptx", names=(), **options):
    return Program(source, "c++", ProgramOptions(std="c++17", arch=f"sm_{device.arch}", **options)).compile(
        kind, name_expressions=names
    )


def test_the_device_says_what_it_is(device):
    properties = device.properties
    assert device.compute_capability == (properties.compute_capability_major, properties.compute_capability_minor)
    assert device.arch == "".join(map(str, device.compute_capability))
    assert properties.warp_size == 32
    assert properties.max_threads_per_block == 1024
    assert properties.memory_pools_supported
    assert len(device.uuid) == 36
    assert Device() == device
    assert device in Device.get_all_devices()


def test_every_property_answers(device):
    names = [name for name in dir(type(device.properties)) if not name.startswith("_")]
    assert len(names) > 100
    for name in names:
        assert isinstance(getattr(device.properties, name), int), name


@pytest.mark.parametrize("dtype, ctype", [(np.float32, "float"), (np.float64, "double"), (np.int32, "int")])
def test_a_template_is_instantiated_by_name(device, stream, arrays, dtype, ctype):
    kernel = compiled(device, SAXPY, names=[f"saxpy<{ctype}>"]).get_kernel(f"saxpy<{ctype}>")
    x, y, out = (arrays.pinned(5000, dtype) for _ in range(3))
    x[:], y[:], out[:] = np.arange(5000) % 97, np.arange(5000) % 13, -1
    launch(
        stream, LaunchConfig(grid=4, block=128), kernel, dtype(3), *map(arrays.address, (x, y, out)), np.uint64(5000)
    )
    stream.sync()
    assert (out == 3 * x + y).all()


def test_machine_code_with_line_information_runs_from_its_ptx(device, stream, arrays):
    code = compiled(device, SAXPY, "cubin", ["saxpy<float>"], lineinfo=True)
    assert bytes(code.code)[:4] == b"\x7fELF"
    x, y, out = (arrays.pinned(100, np.float32) for _ in range(3))
    x[:], y[:] = np.arange(100), 1
    kernel = code.get_kernel("saxpy<float>")
    launch(
        stream, LaunchConfig(grid=1, block=64), kernel, np.float32(2), *map(arrays.address, (x, y, out)), np.uint64(100)
    )
    stream.sync()
    assert (out == 2 * np.arange(100) + 1).all()


def test_machine_code_alone_is_refused(device):
    code = compiled(device, SAXPY, "cubin", ["saxpy<float>"])
    with pytest.raises(Exception, match="CUDA_ERROR_NO_BINARY_FOR_GPU"):
        code.get_kernel("saxpy<float>")


def test_a_compile_error_has_the_log(device):
    with pytest.raises(Exception, match="undefined_name"):
        compiled(device, "__global__ void k() { undefined_name(); }")


def test_kernels_say_what_they_need_and_take(device):
    source = """extern "C" __global__ void __launch_bounds__(256) k(int a, double b, char c, float *d) {
        __shared__ double tile[64]; tile[threadIdx.x % 64] = a + b + c; __syncthreads(); d[0] = tile[3]; }"""
    kernel = compiled(device, source).get_kernel("k")
    assert kernel.num_arguments == 4
    assert [(info.offset, info.size) for info in kernel.arguments_info] == [(0, 4), (8, 8), (16, 1), (24, 8)]
    attributes = kernel.attributes
    assert attributes.max_threads_per_block == 256
    assert attributes.shared_size_bytes == 512
    assert attributes.ptx_version >= 75
    assert attributes.num_regs > 0


def test_occupancy(device):
    kernel = compiled(device, 'extern "C" __global__ void k(int *p) { p[0] = 1; }').get_kernel("k")
    occupancy = kernel.occupancy
    threads = device.properties.max_threads_per_multiprocessor
    assert occupancy.max_active_blocks_per_multiprocessor(512, 0) == threads // 512
    shared = device.properties.max_shared_memory_per_block
    assert occupancy.max_active_blocks_per_multiprocessor(32, shared) < threads // 32
    best = occupancy.max_potential_block_size(0, 0)
    assert best.max_block_size % 32 == 0
    assert best.min_grid_size >= 1
    assert occupancy.available_dynamic_shared_memory_per_block(1, 128) >= shared


def test_dynamic_shared_memory_and_barriers(device, stream, arrays):
    source = """extern "C" __global__ void reverse(int *p, int n) {
        extern __shared__ int tile[]; tile[threadIdx.x] = p[threadIdx.x]; __syncthreads();
        p[threadIdx.x] = tile[n - 1 - threadIdx.x]; }"""
    kernel = compiled(device, source).get_kernel("reverse")
    p = arrays.pinned(256, np.int32)
    p[:] = np.arange(256)
    launch(stream, LaunchConfig(grid=1, block=256, shmem_size=1024), kernel, arrays.address(p), np.int32(256))
    stream.sync()
    assert (p == np.arange(256)[::-1]).all()


def test_a_cooperative_launch_synchronises_the_grid(device, stream, arrays):
    source = """#include <cooperative_groups.h>
    extern "C" __global__ void k(int *p, int *total) {
        auto grid = cooperative_groups::this_grid();
        p[grid.thread_rank()] = grid.thread_rank(); grid.sync();
        int sum = 0; for (int i = 0; i < grid.size(); i++) sum += p[i];
        total[grid.thread_rank()] = sum; }"""
    kernel = compiled(device, source, include_path=arrays.headers).get_kernel("k")
    p, total = arrays.pinned(256, np.int32), arrays.pinned(256, np.int32)
    config = LaunchConfig(grid=4, block=64, is_cooperative=True)
    launch(stream, config, kernel, arrays.address(p), arrays.address(total))
    stream.sync()
    assert (total == 255 * 256 // 2).all()


def test_events_order_streams_and_measure(device, stream, arrays):
    spin = """extern "C" __global__ void spin(int *p, int n) { int v = 0;
        for (int i = 0; i < n; i++) v = v * 3 + *(volatile int *)p; p[0] = v ? v : 1; }
        extern "C" __global__ void copy(const int *p, int *q) { q[0] = p[0]; }"""
    code = compiled(device, spin)
    p, q = arrays.pinned(1, np.int32), arrays.pinned(1, np.int32)
    p[:], q[:] = 1, 0
    start = device.create_event(EventOptions(timing_enabled=True))
    end = device.create_event(EventOptions(timing_enabled=True))
    other = device.create_stream(options=StreamOptions(priority=-1))
    one = LaunchConfig(grid=1, block=1)
    stream.record(start)
    launch(stream, one, code.get_kernel("spin"), arrays.address(p), np.int32(200_000))
    stream.record(end)
    other.wait(end)
    launch(other, one, code.get_kernel("copy"), arrays.address(p), arrays.address(q))
    other.sync()
    assert end.is_done
    assert q[0] == p[0] != 0
    assert 0 < end - start < 60_000
    assert other.priority == -1
    assert other != stream


def test_libraries_are_linked_from_ptx(device, stream, arrays):
    options = ProgramOptions(std="c++17", arch=f"sm_{device.arch}", relocatable_device_code=True)
    main = 'extern __device__ int twice(int); extern "C" __global__ void k(int *p) { p[0] = twice(p[0]); }'
    parts = [Program(s, "c++", options).compile("ptx") for s in (main, "__device__ int twice(int v) { return 2 * v; }")]
    linked = Linker(*parts, options=LinkerOptions(arch=f"sm_{device.arch}")).link("cubin")
    p = arrays.pinned(1, np.int32)
    p[:] = 21
    launch(stream, LaunchConfig(grid=1, block=1), linked.get_kernel("k"), arrays.address(p))
    stream.sync()
    assert p[0] == 42


def test_an_undefined_function_is_an_error(device):
    options = ProgramOptions(std="c++17", arch=f"sm_{device.arch}", relocatable_device_code=True)
    main = 'extern __device__ int nowhere(int); extern "C" __global__ void k(int *p) { p[0] = nowhere(p[0]); }'
    part = Program(main, "c++", options).compile("ptx")
    with pytest.raises(Exception, match=r"CUDA_ERROR|nowhere"):
        Linker(part, options=LinkerOptions(arch=f"sm_{device.arch}")).link("cubin").get_kernel("k")


def test_object_code_is_pickled_and_read_again(device, stream, arrays):
    import pickle

    code = compiled(device, 'extern "C" __global__ void k(int *p) { p[0] += 5; }')
    p = arrays.pinned(1, np.int32)
    for again in (pickle.loads(pickle.dumps(code)), ObjectCode.from_ptx(code.code)):
        p[:] = 1
        launch(stream, LaunchConfig(grid=1, block=1), again.get_kernel("k"), arrays.address(p))
        stream.sync()
        assert p[0] == 6


def test_nvvm_ir_is_a_program_too(device, stream, arrays):
    ir = """target triple = "nvptx64-unknown-cuda"
target datalayout = "LAYOUT"
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
define void @k(ptr %p) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %a = getelementptr i32, ptr %p, i32 %t
  %s = mul i32 %t, %t
  store i32 %s, ptr %a
  ret void
}
!nvvm.annotations = !{!0}
!0 = !{ptr @k, !"kernel", i32 1}
!nvvmir.version = !{!1}
!1 = !{i32 2, i32 0, i32 3, i32 2}
"""
    code = Program(ir.replace("LAYOUT", NVVM_LAYOUT), "nvvm", ProgramOptions(arch="sm_100")).compile("ptx")
    text = bytes(code.code).replace(b"sm_100", b"sm_" + device.arch.encode())
    p = arrays.pinned(32, np.int32)
    launch(stream, LaunchConfig(grid=1, block=32), ObjectCode.from_ptx(text).get_kernel("k"), arrays.address(p))
    stream.sync()
    assert (p == np.arange(32) ** 2).all()
