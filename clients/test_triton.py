"""Triton: its own compiler and launcher.  Its machine code carries line information, and with it the PTX that runs here."""

import numpy as np
import pytest

triton = pytest.importorskip("triton", reason="Triton is not installed")
import triton.language as tl  # noqa: E402
from cuda.core import Device, LegacyPinnedMemoryResource  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.language.extra import libdevice  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
RNG = np.random.default_rng(3)
TYPES = {"float32": "fp32", "float16": "fp16", "int32": "i32", "int8": "i8", "float64": "fp64", "uint32": "u32"}


class Tensor:
    """What Triton asks of a tensor: an address and a type.  The memory is pinned, so that NumPy sees it too."""

    def __init__(self, array):
        self.buffer = LegacyPinnedMemoryResource().allocate(array.nbytes)
        self.array = np.from_dlpack(self.buffer).view(array.dtype).reshape(array.shape)
        self.array[...] = array
        self.dtype = TYPES[array.dtype.name]

    def data_ptr(self):
        return int(self.buffer.handle)


@pytest.fixture(autouse=True)
def current(device):
    yield
    Device(0).default_stream.sync()


def synchronized(*tensors):
    Device(0).default_stream.sync()
    return [tensor.array for tensor in tensors]


@triton.jit
def add(x, y, out, n, block: tl.constexpr):
    i = tl.program_id(0) * block + tl.arange(0, block)
    tl.store(out + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def softmax(x, out, columns, block: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, block)
    v = tl.load(x + row * columns + i, mask=i < columns, other=-float("inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(out + row * columns + i, e / tl.sum(e, axis=0), mask=i < columns)


@triton.jit
def matmul(a, b, c, m, n, k, bm: tl.constexpr, bn: tl.constexpr, bk: tl.constexpr, precision: tl.constexpr):
    i, j = tl.program_id(0) * bm + tl.arange(0, bm), tl.program_id(1) * bn + tl.arange(0, bn)
    total = tl.zeros((bm, bn), dtype=tl.float32)
    for start in range(0, k, bk):
        p = start + tl.arange(0, bk)
        left = tl.load(a + i[:, None] * k + p[None, :], mask=(i[:, None] < m) & (p[None, :] < k), other=0.0)
        right = tl.load(b + p[:, None] * n + j[None, :], mask=(p[:, None] < k) & (j[None, :] < n), other=0.0)
        total = tl.dot(left, right, total, input_precision=precision)
    tl.store(c + i[:, None] * n + j[None, :], total, mask=(i[:, None] < m) & (j[None, :] < n))


@triton.jit
def scans(x, sums, order, counts, n: tl.constexpr):
    i = tl.arange(0, n)
    v = tl.load(x + i)
    tl.store(sums + i, tl.cumsum(v, axis=0))
    tl.store(order + i, tl.sort(v))
    tl.atomic_add(counts + v % 8, 1)


@triton.jit
def special(x, out, n, block: tl.constexpr):
    i = tl.arange(0, block)
    v = tl.load(x + i, mask=i < n)
    tl.store(out + i, libdevice.erf(v) + libdevice.pow(v, 1.5) + tl.sin(v), mask=i < n)


@triton.jit
def noise(out, seed, block: tl.constexpr):
    i = tl.program_id(0) * block + tl.arange(0, block)
    tl.store(out + i, tl.rand(seed, i))


def test_the_target_is_the_device():
    capability = Device(0).compute_capability
    assert triton.runtime.driver.active.get_current_target() == GPUTarget(
        "cuda", int(capability[0] * 10 + capability[1]), 32
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.float16])
def test_add(dtype):
    x, y = (RNG.integers(-99, 99, 1000).astype(dtype) for _ in range(2))
    out = Tensor(np.zeros_like(x))
    add[(4,)](Tensor(x), Tensor(y), out, 1000, block=256)
    (result,) = synchronized(out)
    np.testing.assert_array_equal(result, x + y)


def test_softmax():
    x = RNG.standard_normal((20, 100), np.float32)
    given, out = Tensor(x), Tensor(np.zeros_like(x))
    softmax[(20,)](given, out, 100, block=128)
    (result,) = synchronized(out)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(result, e / e.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    "dtype, precision, rtol", [(np.float16, "tf32", 2e-3), (np.float32, "tf32", 5e-3), (np.float32, "ieee", 1e-5)]
)
def test_matrix_product(dtype, precision, rtol):
    a, b = RNG.random((60, 80)).astype(dtype), RNG.random((80, 50)).astype(dtype)
    left, right, out = Tensor(a), Tensor(b), Tensor(np.zeros((60, 50), np.float32))
    kernel = matmul[(2, 2)](left, right, out, 60, 50, 80, bm=32, bn=32, bk=32, precision=precision)
    (result,) = synchronized(out)
    np.testing.assert_allclose(result, a.astype(np.float64) @ b.astype(np.float64), rtol=rtol)
    assert ("mma.sync" in kernel.asm["ptx"]) == (precision == "tf32")


def test_scan_sort_and_atomics():
    x = RNG.integers(0, 100, 128).astype(np.int32)
    given, sums, order, counts = Tensor(x), Tensor(x), Tensor(x), Tensor(np.zeros(8, np.int32))
    scans[(1,)](given, sums, order, counts, n=128)
    results = synchronized(sums, order, counts)
    for result, expected in zip(results, (np.cumsum(x), np.sort(x), np.bincount(x % 8, minlength=8)), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_functions_of_libdevice():
    import math

    x = np.linspace(0.1, 3, 100, dtype=np.float32)
    given, out = Tensor(x), Tensor(np.zeros_like(x))
    special[(1,)](given, out, 100, block=128)
    (result,) = synchronized(out)
    np.testing.assert_allclose(result, [math.erf(v) + v**1.5 + math.sin(v) for v in x.astype(float)], rtol=1e-5)


def test_random_numbers_are_uniform():
    out = Tensor(np.zeros(4096, np.float32))
    noise[(4,)](out, 5, block=1024)
    (result,) = synchronized(out)
    assert 0 <= result.min() < result.max() < 1
    assert abs(result.mean() - 0.5) < 0.02
    assert len(np.unique(result)) > 4000


@pytest.mark.parametrize("arch", [75, 80, 86, 89])
def test_ptx_compiled_for_another_target(arch):
    from cubind import driver

    signature = {"x": "*fp32", "y": "*fp32", "out": "*fp32", "n": "i32", "block": "constexpr"}
    source = triton.compiler.ASTSource(fn=add, signature=signature, constexprs={"block": 256})
    kernel = triton.compile(source, target=GPUTarget("cuda", arch, 32))
    function = driver.cuModuleGetFunction(driver.cuModuleLoadData(kernel.asm["ptx"].encode()), "add")
    x, y = (RNG.random(1000, np.float32) for _ in range(2))
    tensors = [Tensor(x), Tensor(y), Tensor(np.zeros_like(x))]
    arguments = (*(t.data_ptr() for t in tensors), 1000, 0, 0)  # and Triton's two scratch buffers
    driver.cuLaunchKernel(
        function, 4, 1, 1, 32 * kernel.metadata.num_warps, 1, 1, kernel.metadata.shared, None, arguments
    )
    driver.cuCtxSynchronize()
    np.testing.assert_array_equal(tensors[2].array, x + y)
