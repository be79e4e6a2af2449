"""C = A·B with tiles in shared memory, for any sizes, against NumPy; the tile's size is a template parameter."""

import argparse
import sys

import numpy as np

import cuda_unified as cu

SOURCE = r"""
// C[m][n] = A[m][k] * B[k][n]: each block computes one tile of C; it goes along a row of tiles of A and a column of B's
template <typename T, int TILE>
__global__ void matmul(const T *a, const T *b, T *c, int m, int n, int k) {
    __shared__ T as[TILE][TILE], bs[TILE][TILE];
    int x = threadIdx.x, y = threadIdx.y, column = blockIdx.x * TILE + x, row = blockIdx.y * TILE + y;
    T sum = 0;
    for (int at = 0; at < k; at += TILE) {
        as[y][x] = row < m && at + x < k ? a[row * k + at + x] : T(0);
        bs[y][x] = at + y < k && column < n ? b[(at + y) * n + column] : T(0);
        __syncthreads();  // the tiles are there
        for (int i = 0; i < TILE; i++) sum += as[y][i] * bs[i][x];
        __syncthreads();  // nobody reads them any more
    }
    if (row < m && column < n) c[row * n + column] = sum;
}
"""


def main() -> int:
    """Multiplies in two types and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, help="rows of A; default 150, on a GPU 2000")
    parser.add_argument("--tile", type=int, default=16, choices=(4, 8, 16, 32))
    arguments = parser.parse_args()
    device = cu.Device()
    m = arguments.size or (150 if device.is_cpu else 2000)
    k, n, tile = m - m // 7, m - m // 11, arguments.tile

    names = {"float32": f"matmul<float, {tile}>", "float64": f"matmul<double, {tile}>"}
    module = cu.compile(SOURCE, name_expressions=names.values())
    random, wrong = np.random.default_rng(1), False
    for dtype, name in names.items():
        a, b = random.random((m, k)).astype(dtype), random.random((k, n)).astype(dtype)
        kernel, c = module.kernel(name), cu.empty((m, n), dtype)
        config = cu.LaunchConfig.for_size((n, m), block=(tile, tile))
        run = kernel.bind(
            None, config, cu.from_host(a), cu.from_host(b), c, m, n, k
        )  # for the current stream, any number of times
        time = cu.time_kernel(run, repeat=3, warmup=1)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        error = float(np.max(np.abs(c.to_host() - exact) / exact))
        wrong |= bool(error > k * float(np.finfo(dtype).eps))
        print(f"{name}: ({m} x {k}) · ({k} x {n}) on {device.name}: {time}")
        print(f"  {2e-6 * m * n * k / time.best:.3f} GFLOP/s, largest relative error {error:.1e}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
