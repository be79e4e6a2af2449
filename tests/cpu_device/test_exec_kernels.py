"""Whole kernels in CUDA C++, compiled by NVRTC for several architectures, against NumPy."""

import math

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, machine
from tests.cpu_device.exec_kernels import HEADERS, PLAIN
from tests.cpu_device.test_ptx_parser import compile_cuda

pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
ARCHITECTURES = (75, 80, 90, 100, 120)
RNG = np.random.default_rng(1)


class Kernels:
    def __init__(self, text):
        self.machine = machine()
        self.text = text
        self.module = self.machine.load(text, cc=120)

    def put(self, array):
        return self.machine.buffer(np.ascontiguousarray(array).tobytes())

    def get(self, address, dtype, n):
        return np.frombuffer(self.machine.read(address, n * np.dtype(dtype).itemsize), dtype)

    def run(self, name, grid, block, *args, **options):
        self.module.run(name, grid, block, *args, **options)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def plain(request):
    return Kernels(compile_cuda("plain", PLAIN, request.param))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def headers(request):
    return Kernels(compile_cuda("headers", HEADERS, request.param))


def test_saxpy(plain):
    x, y = RNG.random(10_001, "f4"), RNG.random(10_001, "f4")
    dx, dy = plain.put(x), plain.put(y)
    plain.run("saxpy", 40, 256, 2.0, dx, dy, len(x), threads=2)
    assert np.array_equal(plain.get(dy, "f4", len(x)), (np.float64(2) * x + y).astype("f4"))


def test_matmul(plain):
    a, b = RNG.integers(-8, 8, (64, 64)).astype("f4"), RNG.integers(-8, 8, (64, 64)).astype("f4")
    c = plain.put(np.zeros((64, 64), "f4"))
    plain.run("matmul", (4, 4), (16, 16), plain.put(a), plain.put(b), c, 64)
    assert np.array_equal(plain.get(c, "f4", 4096).reshape(64, 64), a @ b)


def test_reduce(plain):
    x = RNG.integers(-1000, 1000, 100_000).astype("i4")
    out = plain.put(np.zeros(1, "i4"))
    plain.run("reduce", 16, 256, plain.put(x), out, len(x), threads=2)
    assert plain.get(out, "i4", 1)[0] == x.sum()


def test_histogram(plain):
    x = RNG.integers(0, 256, 50_000).astype("u1")
    out = plain.put(np.zeros(256, "u4"))
    plain.run("histogram", 8, 256, plain.put(x), out, len(x), threads=2)
    assert np.array_equal(plain.get(out, "u4", 256), np.bincount(x, minlength=256))


def test_scan(plain):
    x = RNG.integers(0, 256, 512).astype("i4")
    out = plain.put(x)
    plain.run("scan", 1, 512, plain.put(x), out, shared=2048)
    assert np.array_equal(plain.get(out, "i4", 512), x.cumsum())


def test_mandelbrot(plain):
    n, limit = 64, 200
    out = plain.put(np.zeros(n * n, "i4"))
    plain.run("mandelbrot", (n // 16, n // 16), (16, 16), out, n, n, limit, threads=2)
    f = np.float32
    index = np.arange(n, dtype="f4")
    third = 3 * index.astype("f8")  # -2 + 3 * i / n: the product and the quotient are exact here
    cx, cy = np.meshgrid((-2 + third / n).astype("f4"), (-1.5 + third / n).astype("f4"))
    x, y, count = np.zeros_like(cx), np.zeros_like(cy), np.zeros(cx.shape, "i4")
    for _ in range(limit):
        on = x * x + y * y < 4
        count += on
        t = x * x - y * y + cx
        x, y = np.where(on, t, x), np.where(on, f(2) * x * y + cy, y)
    assert np.array_equal(plain.get(out, "i4", n * n).reshape(n, n), count)


def test_sort(plain):
    x = RNG.integers(0, 1 << 32, 1024, dtype="u4")
    d = plain.put(x)
    plain.run("bitonic", 4, 256, d)
    assert np.array_equal(plain.get(d, "u4", 1024), np.sort(x.reshape(4, 256)).ravel())


@pytest.mark.parametrize("threads", [1, 2])
def test_lock(plain, threads):
    d = plain.put(np.zeros(2, "i4"))
    plain.run("lock", 4, 96, d, d + 4, threads=threads, steps=20_000_000)
    assert list(plain.get(d, "i4", 2)) == [0, 384]


def test_calls(plain):
    t = np.arange(96)
    out = plain.put(np.zeros(200, "i4"))
    plain.run("recursion", 1, 96, out)
    numbers = [0, 1]
    for _ in range(12):
        numbers.append(numbers[-1] + numbers[-2])
    assert list(plain.get(out, "i4", 96)) == [numbers[k % 12] for k in range(96)]
    plain.run("virtual_calls", 1, 96, out)
    assert np.array_equal(plain.get(out, "i4", 96), np.where(t % 3 == 0, 2 * t, np.where(t % 3 == 1, t * t, t + 1)))
    plain.run("function_table", 1, 96, out)
    assert np.array_equal(plain.get(out, "i4", 96), np.where(t % 2, t * 3, t + 3))


def test_switch_and_tables(plain):
    out = plain.put(np.arange(100, 200, dtype="i4"))
    plain.run("switches", 1, 64, out)
    assert list(plain.get(out, "i4", 96)[32:]) == [[7, 300, 11, 114, 15, 104, 9, -1, -1][k % 9] for k in range(64)]
    plain.run("tables", 1, 8, out)
    assert list(plain.get(out, "i4", 8)) == [9, 11, 13, 15] * 2
    address, size = plain.module.global_("global_table")
    assert size == 16 and list(plain.get(address, "i4", 4)) == [1, 2, 3, 4]


def test_structs(plain):
    big = np.dtype([("v", "i4", 20), ("d", "f8")])
    value = np.zeros(1, big)
    value["v"], value["d"] = np.arange(20), 1.25
    out = plain.put(np.zeros(40, big))
    plain.run("structs", 1, 40, value.tobytes(), out)
    got = plain.get(out, big, 40)
    assert np.array_equal(got["v"], np.arange(20) + np.arange(40)[:, None] * np.arange(20)) and (got["d"] == 2.5).all()


def test_long_long(plain):
    a, b = RNG.integers(-(1 << 62), 1 << 62, 32), RNG.integers(-(1 << 33), 1 << 33, 32) | 1
    out = plain.put(a)
    plain.run("long_long", 1, 32, plain.put(a), plain.put(b), out)
    m = 1 << 64

    def model(x, y):
        q = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        u, v = x % m, y % m
        return (q + (x - q * y) + (u * v >> 64) + u.bit_count() + 64 - v.bit_length()) % m

    assert [int(v) % m for v in plain.get(out, "i8", 32)] == [model(int(x), int(y)) for x, y in zip(a, b, strict=True)]


def test_stencil(plain):
    x = RNG.integers(0, 100, 4 * 300).astype("f4")
    y = plain.put(np.zeros_like(x))
    plain.run("stencil", 3, 128, plain.put(x), y, 300)
    want = np.zeros_like(x)
    want[4:-4] = x[3:-5] + x[5:-3]
    assert np.array_equal(plain.get(y, "f4", len(x)), want)


def test_math(plain):
    x = RNG.standard_normal(64).astype("f4")
    y, z = plain.put(x), plain.put(np.zeros(64))
    plain.run("math", 1, 64, plain.put(x), y, z)
    d, a = x.astype("f8"), abs(x.astype("f8"))
    want = np.sin(d) + np.exp(d) * np.log(a + 1) + a**1.5 + [math.erf(v) for v in d] + np.tanh(d) + d / 3 + np.sqrt(a)
    want += np.fmod(d, np.float64(np.float32(0.7)))
    assert np.allclose(plain.get(y, "f4", 64), want, rtol=1e-5, atol=1e-5)
    want = np.sin(d) + np.exp(d) + a**2.5 + np.log(a + 1) + d / 3 + np.sqrt(a) + np.cbrt(d) + np.arctan2(d, 2)
    assert np.allclose(plain.get(z, "f8", 64), want, rtol=1e-14)


def test_heap(plain):
    out = plain.put(np.zeros(64, "i4"))
    plain.run("heap", 1, 64, out)
    assert np.array_equal(plain.get(out, "i4", 64), np.arange(64) * 5)


def test_printf(plain, capfd):
    plain.run("print", 1, 2, 5)
    assert capfd.readouterr().out == "".join(f"{k} text  1.50 1099511627776 z% ff (nil)\n" for k in (5, 6))


def test_source_line():
    kernels = Kernels(compile_cuda("lines", PLAIN, 80, "-lineinfo"))
    with pytest.raises(Fault) as e:
        kernels.run("fails", 1, 32, kernels.put(np.zeros(100, "i4")))
    line = 1 + next(k for k, v in enumerate(PLAIN.splitlines()) if "line of the defect" in v)
    assert e.value.code == 700 and e.value.source_line == line and e.value.source_file.endswith("lines.cu")


def test_halves(headers):
    x = RNG.standard_normal(64).astype("f4")
    y = headers.put(np.zeros(128, "f4"))
    headers.run("halves", 1, 64, headers.put(x), y)
    h = x.astype("f2")
    two = np.stack([h, h + h]).astype("f8")
    two = (two * two + two).astype("f2").astype("f4")
    got = headers.get(y, "f4", 128).reshape(64, 2)
    assert np.array_equal(got[:, 0], two[0] + two[1])
    assert np.allclose(got[:, 1], x * x + x, atol=0.05)


def test_groups(headers):
    x = np.arange(64, dtype="i4") * 7 % 13
    y = headers.put(x)
    headers.run("groups", 1, 64, headers.put(x), y)
    want = np.repeat(x.reshape(8, 8).sum(1) + x.reshape(8, 8)[:, 3], 8)
    odd = (x & 1).reshape(2, 32)
    want += 1000 * (odd * odd.sum(1)[:, None]).ravel()
    assert np.array_equal(headers.get(y, "i4", 64), want)


def test_whole_grid(headers):
    x, out = headers.put(np.zeros(960, "i4")), headers.put(np.zeros(960, "i4"))
    try:
        headers.run("whole_grid", 10, 96, x, out, cooperative=True, threads=2, steps=50_000_000)
    except Fault as e:
        pytest.fail(str(e))
    assert np.array_equal(headers.get(out, "i4", 960), np.arange(960)[::-1])
