"""Products of matrices, with and without tensor cores, and what else is done with them."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
extern "C" __global__ void matmul_tiled(const float *a, const float *b, float *c, int n) {     // any n
    __shared__ float as[16][17], bs[16][17];
    int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * 16 + y, column = blockIdx.x * 16 + x;
    float sum = 0;
    for (int t = 0; t < n; t += 16) {
        as[y][x] = row < n && t + x < n ? a[row * n + t + x] : 0;
        bs[y][x] = column < n && t + y < n ? b[(t + y) * n + column] : 0;
        __syncthreads();
        for (int k = 0; k < 16; k++) sum += as[y][k] * bs[k][x];
        __syncthreads();
    }
    if (row < n && column < n) c[row * n + column] = sum;
}
extern "C" __global__ void matmul_registers(const float4 *a, const float4 *b, float4 *c) {     // 32x32, a 4x4 tile a thread
    float4 sum[4] = {};
    int row = threadIdx.y * 4, column = threadIdx.x;
    for (int k = 0; k < 8; k++) {
        float4 bs[4] = {b[(4 * k) * 8 + column], b[(4 * k + 1) * 8 + column], b[(4 * k + 2) * 8 + column], b[(4 * k + 3) * 8 + column]};
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            float4 v = a[(row + i) * 8 + k];
            float each[4] = {v.x, v.y, v.z, v.w};
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                sum[i].x += each[j] * bs[j].x; sum[i].y += each[j] * bs[j].y;
                sum[i].z += each[j] * bs[j].z; sum[i].w += each[j] * bs[j].w;
            }
        }
    }
    for (int i = 0; i < 4; i++) c[(row + i) * 8 + column] = sum[i];
}
extern "C" __global__ void transpose(const int *x, int *y, int width, int height) {
    __shared__ int tile[32][33];
    int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32 + threadIdx.y;
    for (int k = 0; k < 32; k += 8) if (c < width && r + k < height) tile[threadIdx.y + k][threadIdx.x] = x[(r + k) * width + c];
    __syncthreads();
    c = blockIdx.y * 32 + threadIdx.x; r = blockIdx.x * 32 + threadIdx.y;
    for (int k = 0; k < 32; k += 8) if (c < height && r + k < width) y[(r + k) * height + c] = tile[threadIdx.x][threadIdx.y + k];
}
extern "C" __global__ void matvec(const double *a, const double *x, double *y, int n) {    // a warp a row
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    double v = 0;
    for (int k = threadIdx.x; k < n; k += 32) v += a[row * n + k] * x[k];
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
    if (!threadIdx.x) y[row] = v;
}
extern "C" __global__ void spmv(const int *start, const int *column, const float *value, const float *x, float *y, int n) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n) return;
    float v = 0;
    for (int k = start[row]; k < start[row + 1]; k++) v += value[k] * __ldg(x + column[k]);
    y[row] = v;
}
extern "C" __global__ void lu_batch(double *all) {      // 8x8 each, a thread a row, partial pivoting not needed
    double *a = all + blockIdx.x * 64;
    __shared__ double s[8][8];
    int r = threadIdx.x;
    for (int c = 0; c < 8; c++) s[r][c] = a[r * 8 + c];
    for (int k = 0; k < 7; k++) {
        __syncwarp(0xff);
        if (r > k) {
            double f = s[r][k] /= s[k][k];
            for (int c = k + 1; c < 8; c++) s[r][c] -= f * s[k][c];
        }
    }
    for (int c = 0; c < 8; c++) a[r * 8 + c] = s[r][c];
}
extern "C" __global__ void cholesky(float *a, int n) {
    for (int k = 0; k < n; k++) {
        if (!threadIdx.x) a[k * n + k] = sqrtf(a[k * n + k]);
        __syncthreads();
        if (threadIdx.x > k) a[threadIdx.x * n + k] /= a[k * n + k];
        __syncthreads();
        if (threadIdx.x > k) for (int c = k + 1; c <= threadIdx.x; c++) a[threadIdx.x * n + c] -= a[threadIdx.x * n + k] * a[c * n + k];
        __syncthreads();
    }
}
extern "C" __global__ void mma_assembly(const unsigned *a, const unsigned *b, float *c) {   // 16x8 = 16x16 by 16x8 (as columns)
    int g = threadIdx.x / 4, t = threadIdx.x % 4;
    float f[4] = {};
    for (int k = 0; k < 2; k++)         // m16n8k8: rows of a have 8 words, columns of b too
        asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
            : "+f"(f[0]), "+f"(f[1]), "+f"(f[2]), "+f"(f[3])
            : "r"(a[g * 8 + k * 4 + t]), "r"(a[(g + 8) * 8 + k * 4 + t]), "r"(b[g * 8 + k * 4 + t]));
    c[g * 8 + 2 * t] = f[0]; c[g * 8 + 2 * t + 1] = f[1]; c[(g + 8) * 8 + 2 * t] = f[2]; c[(g + 8) * 8 + 2 * t + 1] = f[3];
}
""")
TENSOR = Unit(r"""
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void wmma_half(const half *a, const half *b, float *c, int n) {      // a warp a tile
    int row = blockIdx.y * 16, column = blockIdx.x * 16;
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
    wmma::fill_fragment(sum, 1.0f);
    for (int k = 0; k < n; k += 16) {
        wmma::load_matrix_sync(fa, a + row * n + k, n);
        wmma::load_matrix_sync(fb, b + column * n + k, n);
        wmma::mma_sync(sum, fa, fb, sum);
    }
    for (int i = 0; i < sum.num_elements; i++) sum.x[i] *= 2;
    wmma::store_matrix_sync(c + row * n + column, sum, n, wmma::mem_row_major);
}
extern "C" __global__ void wmma_bytes(const signed char *a, const signed char *b, int *c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, signed char, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, signed char, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, int> sum;
    wmma::fill_fragment(sum, 0);
    wmma::load_matrix_sync(fa, a, 16);
    wmma::load_matrix_sync(fb, b, 16);
    wmma::mma_sync(sum, fa, fb, sum);
    wmma::store_matrix_sync(c, sum, 16, wmma::mem_col_major);
}
extern "C" __global__ void half_arithmetic(const half2 *x, const half2 *y, half2 *out) {
    int i = threadIdx.x;
    half2 v = __hfma2(x[i], y[i], __floats2half2_rn(1.0f, -1.0f));
    v = __hadd2(v, __lows2half2(x[i], y[i]));
    out[i] = __hmul2(v, __half2half2(__float2half(0.5f)));
}
""")
AMPERE = Unit(
    r"""
#include <mma.h>
#include <cuda_bf16.h>
using namespace nvcuda;
extern "C" __global__ void wmma_bfloat16(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
    wmma::fill_fragment(sum, 0.0f);
    wmma::load_matrix_sync(fa, a, 16);
    wmma::load_matrix_sync(fb, b, 16);
    wmma::mma_sync(sum, fa, fb, sum);
    wmma::store_matrix_sync(c, sum, 16, wmma::mem_row_major);
}
extern "C" __global__ void bfloat16_arithmetic(const __nv_bfloat16 *x, const __nv_bfloat16 *y, __nv_bfloat16 *out, float *wide) {
    int i = threadIdx.x;
    out[i] = __hfma(x[i], y[i], __float2bfloat16(0.25f));
    wide[i] = __bfloat162float(__hmax(x[i], y[i])) + (x[i] < y[i] ? 1000.0f : 0.0f);
}
extern "C" __global__ void copy_pipeline(const int4 *x, int4 *out, int tiles) {     // cp.async, two stages
    __shared__ int4 s[2][32];
    int t = threadIdx.x;
    auto start = [&](int tile) {
        unsigned to = (unsigned)__cvta_generic_to_shared(&s[tile & 1][t]);
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to), "l"(x + tile * 32 + t) : "memory");
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    int4 sum = {};
    start(0);
    for (int tile = 0; tile < tiles; tile++) {
        if (tile + 1 < tiles) { start(tile + 1); asm volatile("cp.async.wait_group 1;" ::: "memory"); }
        else asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncthreads();
        int4 v = s[tile & 1][t ^ 1];
        sum.x += v.x; sum.y += v.y * tile; sum.z ^= v.z; sum.w = max(sum.w, v.w);
        __syncthreads();
    }
    out[t] = sum;
}
extern "C" __global__ void load_matrix(const unsigned *x, unsigned *out) {          // ldmatrix, transposed
    __shared__ __align__(16) unsigned s[32];
    s[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    unsigned v, from = (unsigned)__cvta_generic_to_shared(s + 4 * (threadIdx.x & 7));
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(v) : "r"(from) : "memory");
    out[threadIdx.x] = v;
}
""",
    since=80,
)


def whole(d: Device, *shape: int, most: int = 8) -> np.ndarray:
    """Small whole numbers: sums of their products are exact in any order."""
    return d.random.integers(-most, most, shape)


def bfloat16(x: np.ndarray) -> np.ndarray:
    """The upper half of each, rounded to nearest even."""
    bits = np.asarray(x, "f4").view("u4")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("u2")


def from_bfloat16(x: np.ndarray) -> np.ndarray:
    return (x.astype("u4") << 16).view("f4")


@PLAIN.case
def matmul_tiled(d: Device) -> None:
    a, b = (whole(d, 37, 37).astype("f4") for _ in range(2))
    c = d.zeros("f4", 37 * 37)
    d.launch("matmul_tiled", (3, 3), (16, 16), d.put(a), d.put(b), c, 37)
    d.equal(c, a @ b)


@PLAIN.case
def matmul_registers(d: Device) -> None:
    a, b = (whole(d, 32, 32).astype("f4") for _ in range(2))
    c = d.zeros("f4", 1024)
    d.launch("matmul_registers", 1, (8, 8), d.put(a), d.put(b), c)
    d.equal(c, a @ b)


@PLAIN.case
def transpose(d: Device) -> None:
    x = whole(d, 45, 70, most=10**6).astype("i4")
    y = d.zeros("i4", 45 * 70)
    d.launch("transpose", (3, 2), (32, 8), d.put(x), y, 70, 45)
    d.equal(y, x.T)


@PLAIN.case
def matvec(d: Device) -> None:
    a, x = whole(d, 8, 100).astype("f8"), whole(d, 100).astype("f8")
    y = d.zeros("f8", 8)
    d.launch("matvec", 2, (32, 4), d.put(a), d.put(x), y, 100)
    d.equal(y, a @ x)


@PLAIN.case
def spmv(d: Device) -> None:
    a = (whole(d, 100, 60) * (d.random.random((100, 60)) < 0.1)).astype("f4")
    x = whole(d, 60).astype("f4")
    rows, columns = np.nonzero(a)
    start = np.searchsorted(rows, np.arange(101)).astype("i4")
    y = d.zeros("f4", 100)
    d.launch("spmv", 1, 128, d.put(start), d.put(columns.astype("i4")), d.put(a[rows, columns]), d.put(x), y, 100)
    d.equal(y, a @ x)


@PLAIN.case
def lu_batch(d: Device) -> None:
    a = d.random.random((5, 8, 8)) + 8 * np.eye(8)
    p = d.put(a)
    d.launch("lu_batch", 5, 8, p)
    got = d.get(p, "f8").reshape(5, 8, 8)
    np.testing.assert_allclose((np.tril(got, -1) + np.eye(8)) @ np.triu(got), a, 1e-13)


@PLAIN.case
def cholesky(d: Device) -> None:
    m = d.random.random((12, 12)).astype("f4")
    a = m @ m.T + 12 * np.eye(12, dtype="f4")
    p = d.put(a)
    d.launch("cholesky", 1, 12, p, 12)
    np.testing.assert_allclose(np.tril(d.get(p, "f4").reshape(12, 12)), np.linalg.cholesky(a.astype("f8")), 1e-4, 1e-5)


@PLAIN.case
def mma_assembly(d: Device) -> None:
    a, b = whole(d, 16, 16).astype("f2"), whole(d, 8, 16).astype("f2")
    c = d.zeros("f4", 128)
    d.launch("mma_assembly", 1, 32, d.put(a), d.put(b), c)
    d.equal(c, a.astype("f4") @ b.T.astype("f4"))


@TENSOR.case
def wmma_half(d: Device) -> None:
    a, b = (whole(d, 32, 32).astype("f2") for _ in range(2))
    c = d.zeros("f4", 1024)
    d.launch("wmma_half", (2, 2), 32, d.put(a), d.put(b), c, 32)
    d.equal(c, 2 * (a.astype("f4") @ b.T.astype("f4") + 1))


@TENSOR.case
def wmma_bytes(d: Device) -> None:
    a, b = (whole(d, 16, 16, most=128).astype("i1") for _ in range(2))
    c = d.zeros("i4", 256)
    d.launch("wmma_bytes", 1, 32, d.put(a), d.put(b), c)
    d.equal(c, (a.astype("i4") @ b.astype("i4")).T)


@TENSOR.case
def half_arithmetic(d: Device) -> None:
    x, y = (d.random.standard_normal(64).astype("f2") for _ in range(2))
    out = d.zeros("f2", 64)
    d.launch("half_arithmetic", 1, 32, d.put(x), d.put(y), out)
    v = (x.astype("f8") * y.astype("f8") + np.tile([1, -1], 32)).astype("f2")  # a float64 holds product and sum
    lows = np.stack([x[::2], y[::2]], 1).ravel()
    d.equal(out, (v + lows) * np.float16(0.5))


@AMPERE.case
def wmma_bfloat16(d: Device) -> None:
    a, b = (whole(d, 16, 16).astype("f4") for _ in range(2))
    c = d.zeros("f4", 256)
    d.launch("wmma_bfloat16", 1, 32, d.put(bfloat16(a)), d.put(bfloat16(b)), c)
    d.equal(c, a @ b)


@AMPERE.case
def bfloat16_arithmetic(d: Device) -> None:
    x, y = (from_bfloat16(bfloat16(d.random.standard_normal(64))) for _ in range(2))
    out, wide = d.zeros("u2", 64), d.zeros("f4", 64)
    d.launch("bfloat16_arithmetic", 1, 64, d.put(bfloat16(x)), d.put(bfloat16(y)), out, wide)
    exact = x.astype("f8") * y + 0.25
    low, up = from_bfloat16(d.get(out, "u2")).astype("f8"), np.maximum(x, y)
    assert (abs(low - exact) <= abs(exact) * 2.0**-8).all()  # half a unit in the last place of 8 bits
    d.equal(wide, up + np.where(x < y, np.float32(1000), np.float32(0)))


@AMPERE.case
def copy_pipeline(d: Device) -> None:
    x = whole(d, 5, 32, 4, most=1000).astype("i4")
    out = d.zeros("i4", 128)
    d.launch("copy_pipeline", 1, 32, d.put(x), out, 5)
    v = x[:, np.arange(32) ^ 1]
    d.equal(out, np.stack([v[..., 0].sum(0), (v[..., 1] * np.arange(5)[:, None]).sum(0), np.bitwise_xor.reduce(v[..., 2]),
                           np.maximum(v[..., 3].max(0), 0)], 1).astype("i4"))  # fmt: skip


@AMPERE.case
def load_matrix(d: Device) -> None:
    x = np.arange(64, dtype="u2").reshape(8, 8)
    out = d.zeros("u2", 64)
    d.launch("load_matrix", 1, 32, d.put(x), out)
    d.equal(out, x.T)
