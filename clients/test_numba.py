"""numba-cuda: kernels in Python, each checked against NumPy."""

import math

import numpy as np
import pytest
from numba import cuda, float32, float64, int32, uint32, vectorize

pytestmark = [
    pytest.mark.filterwarnings("ignore:(Grid size|Host array)"),
    pytest.mark.filterwarnings("ignore:cuda.bindings.nvjitlink:RuntimeWarning"),
]
TILE = 16
RNG = np.random.default_rng(7)


@cuda.jit
def add(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] + y[i]


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.float32, np.int64, np.float64, np.complex64])
def test_add(dtype):
    x, y = (RNG.integers(0, 50, 1000).astype(dtype) for _ in range(2))
    out = np.zeros_like(x)
    add[8, 128](x, y, out)
    np.testing.assert_array_equal(out, x + y)


def test_a_kernel_compiled_with_line_information():
    @cuda.jit(lineinfo=True)
    def square(x):
        i = cuda.grid(1)
        if i < x.size:
            x[i] *= x[i]

    x = np.arange(100.0)
    square[1, 128](x)
    np.testing.assert_array_equal(x, np.arange(100.0) ** 2)


@cuda.jit
def matmul(a, b, c):
    sa, sb = cuda.shared.array((TILE, TILE), float32), cuda.shared.array((TILE, TILE), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0)
    for tile in range((a.shape[1] + TILE - 1) // TILE):
        k = tile * TILE
        sa[ty, tx] = a[y, k + tx] if y < a.shape[0] and k + tx < a.shape[1] else 0
        sb[ty, tx] = b[k + ty, x] if x < b.shape[1] and k + ty < b.shape[0] else 0
        cuda.syncthreads()
        for j in range(TILE):
            total += sa[ty, j] * sb[j, tx]
        cuda.syncthreads()
    if y < c.shape[0] and x < c.shape[1]:
        c[y, x] = total


def test_matrix_product_through_shared_memory():
    a, b = RNG.random((50, 70), np.float32), RNG.random((70, 40), np.float32)
    c = np.zeros((50, 40), np.float32)
    matmul[(3, 4), (TILE, TILE)](a, b, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5)


def test_histogram_by_atomics():
    @cuda.jit
    def histogram(data, bins):
        for i in range(cuda.grid(1), data.size, cuda.gridsize(1)):
            cuda.atomic.add(bins, data[i], 1)

    data = RNG.integers(0, 16, 5000).astype(np.int32)
    bins = np.zeros(16, np.int32)
    histogram[4, 128](data, bins)
    np.testing.assert_array_equal(bins, np.bincount(data, minlength=16))


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_atomics(dtype):
    @cuda.jit
    def extremes(x, out):
        i = cuda.grid(1)
        if i < x.size:
            cuda.atomic.max(out, 0, x[i])
            cuda.atomic.min(out, 1, x[i])
            cuda.atomic.add(out, 2, x[i])
            cuda.atomic.sub(out, 3, x[i])

    x = RNG.integers(-99, 99, 500).astype(dtype)
    out = np.zeros(4, dtype)
    extremes[4, 128](x, out)
    np.testing.assert_array_equal(out, [x.max(), x.min(), x.sum(), -x.sum()])


def test_integer_atomics():
    @cuda.jit
    def bits(out, old):
        i = cuda.grid(1)
        cuda.atomic.or_(out, 0, uint32(1) << uint32(i))
        cuda.atomic.xor(out, 1, uint32(i))
        cuda.atomic.inc(out, 2, 9)
        cuda.atomic.cas(out, 3, 0, uint32(i + 1))
        old[i] = cuda.atomic.exch(out, 4, uint32(i))

    out, old = np.zeros(5, np.uint32), np.zeros(32, np.uint32)
    out[4] = 99
    bits[1, 32](out, old)
    assert out[0] == 2**32 - 1
    assert out[1] == np.bitwise_xor.reduce(np.arange(32))
    assert out[2] == 32 % 10
    assert 1 <= out[3] <= 32
    assert sorted([*old, out[4]]) == sorted([*range(32), 99])


def test_reduction_by_shuffles_and_shared_memory():
    @cuda.jit
    def reduce(x, out):
        partial = cuda.shared.array(8, float64)
        i, lane, warp = cuda.grid(1), cuda.laneid, cuda.threadIdx.x // 32
        v = x[i] if i < x.size else 0.0
        for step in (16, 8, 4, 2, 1):
            v += cuda.shfl_down_sync(0xFFFFFFFF, v, step)
        if lane == 0:
            partial[warp] = v
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            total = 0.0
            for j in range(8):
                total += partial[j]
            cuda.atomic.add(out, 0, total)

    x = RNG.random(3000)
    out = np.zeros(1)
    reduce[12, 256](x, out)
    np.testing.assert_allclose(out[0], x.sum(), rtol=1e-12)


def test_the_reduce_decorator():
    @cuda.reduce
    def total(a, b):
        return a + b

    x = np.arange(2500, dtype=np.int64)
    assert total(x) == x.sum()
    assert total(x, init=5) == x.sum() + 5


def test_inclusive_scan():
    @cuda.jit
    def scan(x):
        tile = cuda.shared.array(512, int32)
        i = cuda.threadIdx.x
        tile[i] = x[i]
        cuda.syncthreads()
        step = 1
        while step < 512:
            v = tile[i - step] if i >= step else 0
            cuda.syncthreads()
            tile[i] += v
            cuda.syncthreads()
            step *= 2
        x[i] = tile[i]

    x = RNG.integers(0, 100, 512).astype(np.int32)
    expected = np.cumsum(x)
    scan[1, 512](x)
    np.testing.assert_array_equal(x, expected)


def test_shuffles_and_votes():
    @cuda.jit
    def warp(out):
        i = cuda.laneid
        full = 0xFFFFFFFF
        out[0, i] = cuda.shfl_sync(full, i * 10, 5)
        out[1, i] = cuda.shfl_up_sync(full, i, 3)
        out[2, i] = cuda.shfl_down_sync(full, i, 3)
        out[3, i] = cuda.shfl_xor_sync(full, i, 7)
        out[4, i] = cuda.ballot_sync(full, i % 3 == 0) & 0x7FFFFFFF
        out[5, i] = cuda.all_sync(full, i < 32) + 2 * cuda.any_sync(full, i == 40)
        out[6, i] = (cuda.match_any_sync(full, i // 8) >> (i // 8 * 8)) & 0xFF
        out[7, i] = cuda.popc(i) + 100 * cuda.clz(i) + 10000 * cuda.ffs(i)

    out = np.zeros((8, 32), np.int32)
    warp[1, 32](out)
    i = np.arange(32)
    np.testing.assert_array_equal(out[0], np.full(32, 50))
    np.testing.assert_array_equal(out[1], np.where(i < 3, i, i - 3))
    np.testing.assert_array_equal(out[2], np.where(i > 28, i, i + 3))
    np.testing.assert_array_equal(out[3], i ^ 7)
    np.testing.assert_array_equal(out[4], np.full(32, sum(1 << j for j in range(0, 31, 3))))
    np.testing.assert_array_equal(out[5], np.ones(32))
    np.testing.assert_array_equal(out[6], np.full(32, 255))
    expected = [
        int(j).bit_count() + 100 * (32 - int(j).bit_length()) + 10000 * ((int(j) & -int(j)).bit_length()) for j in i
    ]
    np.testing.assert_array_equal(out[7], expected)


@cuda.jit(device=True)
def escape(re, im, limit):
    x = y = 0.0
    for i in range(limit):
        if x * x + y * y > 4.0:
            return i
        x, y = x * x - y * y + re, 2.0 * x * y + im
    return limit


def test_mandelbrot_by_a_device_function():
    @cuda.jit(fastmath=False)
    def image(out):
        x, y = cuda.grid(2)
        if x < out.shape[1] and y < out.shape[0]:
            out[y, x] = escape(-2.0 + x / 32, -1.5 + y / 32, 50)

    out = np.zeros((96, 96), np.int32)
    image[(6, 6), (16, 16)](out)
    c = (-2.0 + np.arange(96) / 32)[None, :] + 1j * (-1.5 + np.arange(96) / 32)[:, None]
    z, expected = np.zeros_like(c), np.zeros(c.shape, int)
    for _ in range(50):
        inside = np.abs(z) <= 2
        expected += inside & (expected == _)
        z = np.where(inside, z * z + c, z)
    assert (out != expected).mean() < 0.002  # NumPy rounds products that the kernel fuses


def test_local_arrays():
    @cuda.jit
    def reverse_sorted(x):
        mine = cuda.local.array(8, float32)
        i = cuda.grid(1)
        for j in range(8):
            mine[j] = x[i, j]
        for j in range(1, 8):
            v, k = mine[j], j
            while k > 0 and mine[k - 1] < v:
                mine[k] = mine[k - 1]
                k -= 1
            mine[k] = v
        for j in range(8):
            x[i, j] = mine[j]

    x = RNG.random((64, 8), np.float32)
    expected = -np.sort(-x, axis=1)
    reverse_sorted[2, 32](x)
    np.testing.assert_array_equal(x, expected)


def test_record_arrays():
    particle = np.dtype([("position", np.float32, 3), ("mass", np.float64), ("kind", np.int16)], align=True)

    @cuda.jit
    def move(particles, dt):
        i = cuda.grid(1)
        if i < particles.size:
            p = particles[i]
            for axis in range(3):
                p.position[axis] += dt * (axis + 1)
            p.mass *= 2
            p.kind = i

    particles = np.zeros(100, particle)
    particles["mass"] = np.arange(100)
    move[1, 128](particles, np.float32(0.5))
    np.testing.assert_array_equal(particles["position"], np.tile(np.float32([0.5, 1.0, 1.5]), (100, 1)))
    np.testing.assert_array_equal(particles["mass"], 2.0 * np.arange(100))
    np.testing.assert_array_equal(particles["kind"], np.arange(100))


def test_a_grid_synchronises():
    @cuda.jit
    def rounds(x, y):
        i, grid = cuda.grid(1), cuda.cg.this_grid()
        for _ in range(3):
            y[i] = x[(i + 64) % x.size]
            grid.sync()
            x[i] = y[i] + 1
            grid.sync()

    x = np.arange(256)
    rounds[4, 64](x, np.zeros_like(x))
    np.testing.assert_array_equal(x, (np.arange(256) + 192) % 256 + 3)


def test_dynamic_shared_memory_and_streams():
    @cuda.jit
    def rotate(x):
        tile = cuda.shared.array(0, int32)
        i, n = cuda.threadIdx.x, cuda.blockDim.x
        tile[i] = x[i]
        cuda.syncthreads()
        x[i] = tile[(i + 1) % n]

    streams = [cuda.stream() for _ in range(3)]
    data = [cuda.pinned_array(128, np.int32) for _ in streams]
    on_device = []
    for k, (stream, host) in enumerate(zip(streams, data, strict=True)):
        host[:] = np.arange(128) * (k + 1)
        on_device.append(cuda.to_device(host, stream=stream))
        rotate[1, 128, stream, 512](on_device[-1])
    for k, (stream, array) in enumerate(zip(streams, on_device, strict=True)):
        array.copy_to_host(data[k], stream=stream)
        stream.synchronize()
        np.testing.assert_array_equal(data[k], np.roll(np.arange(128) * (k + 1), -1))


def test_events_measure():
    x = cuda.to_device(np.ones(10000))
    start, end = cuda.event(), cuda.event()
    start.record()
    add[40, 256](x, x, x)
    end.record()
    end.synchronize()
    assert 0 < cuda.event_elapsed_time(start, end) < 60_000


@pytest.mark.parametrize("make", [cuda.mapped_array, cuda.managed_array, cuda.pinned_array])
def test_arrays_that_both_sides_see(make):
    x = make(1000, np.float32)
    x[:] = np.arange(1000)
    given = cuda.to_device(x) if make is cuda.pinned_array else x
    add[4, 256](given, given, given)
    cuda.synchronize()
    result = given.copy_to_host() if make is cuda.pinned_array else x
    np.testing.assert_array_equal(result, 2 * np.arange(1000, dtype=np.float32))


def test_device_arrays_are_sliced_and_exchanged():
    x = cuda.to_device(np.arange(24.0).reshape(4, 6))
    np.testing.assert_array_equal(x[1:3].copy_to_host(), np.arange(24.0).reshape(4, 6)[1:3])
    interface = x.__cuda_array_interface__
    assert interface["shape"] == (4, 6)
    np.testing.assert_array_equal(cuda.as_cuda_array(x).copy_to_host(), np.arange(24.0).reshape(4, 6))
    x[0] = 7
    assert (x.copy_to_host()[0] == 7).all()


def test_vectorize_makes_a_ufunc():
    @vectorize([float32(float32, float32), float64(float64, float64)], target="cuda")
    def hypotenuse(a, b):
        return math.sqrt(a * a + b * b)

    for dtype in (np.float32, np.float64):
        a, b = RNG.random(1000).astype(dtype), RNG.random(1000).astype(dtype)
        result = hypotenuse(a, b)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, np.hypot(a, b), rtol=1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_mathematics(dtype, rtol):
    @cuda.jit
    def functions(x, out):
        i = cuda.grid(1)
        if i < x.size:
            v = x[i]
            out[0, i], out[1, i], out[2, i], out[3, i] = math.sin(v), math.exp(v), math.log(v), math.tanh(v)
            out[4, i], out[5, i], out[6, i], out[7, i] = math.erf(v), math.sqrt(v), math.pow(v, v), math.atan2(v, v + 1)

    x = np.linspace(0.1, 5, 200, dtype=dtype)
    out = np.zeros((8, 200), dtype)
    functions[1, 256](x, out)
    wide = x.astype(np.float64)
    expected = [np.sin(wide), np.exp(wide), np.log(wide), np.tanh(wide), [math.erf(v) for v in wide]]
    expected += [np.sqrt(wide), wide**wide, np.arctan2(wide, wide + 1)]
    np.testing.assert_allclose(out, expected, rtol=rtol, atol=rtol)


def test_random_numbers():
    from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float64

    @cuda.jit
    def quarter(states, inside):
        i = cuda.grid(1)
        for _ in range(50):
            x, y = xoroshiro128p_uniform_float64(states, i), xoroshiro128p_uniform_float64(states, i)
            if x * x + y * y <= 1.0:
                inside[i] += 1

    inside = np.zeros(512, np.int32)
    quarter[4, 128](create_xoroshiro128p_states(512, seed=1), inside)
    assert abs(4 * inside.sum() / (512 * 50) - math.pi) < 0.05


def test_constant_tables_and_three_dimensions():
    table = np.arange(27.0).reshape(3, 3, 3)

    @cuda.jit
    def lookup(out):
        constant = cuda.const.array_like(table)
        x, y, z = cuda.grid(3)
        if x < 3 and y < 3 and z < 3:
            out[x, y, z] = constant[z, y, x]

    out = np.zeros((3, 3, 3))
    lookup[(1, 1, 3), (4, 4, 1)](out)
    np.testing.assert_array_equal(out, table.T)


def test_print_comes_out(capfd):
    @cuda.jit
    def say(x):
        print("thread", cuda.grid(1), x)

    say[1, 2](1.5)
    cuda.synchronize()
    assert sorted(capfd.readouterr().out.split("\n")) == ["", "thread 0 1.500000", "thread 1 1.500000"]
