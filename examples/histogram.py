"""A histogram by atomics, first in shared memory and then in global memory, and its plot as a PNG."""

import argparse
import sys

import numpy as np
from numpy.typing import NDArray
from pictures import write_png

import cuda_unified as cu

BINS = 64
SOURCE = r"""
extern "C" __global__ void histogram(const float *values, unsigned n, float low, float high, unsigned *counts) {
    __shared__ unsigned mine[BINS];  // of this block: few threads wait for each other
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) mine[i] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int bin = (int)floorf((values[i] - low) / (high - low) * BINS);
        if (bin >= 0 && bin < BINS) atomicAdd(&mine[bin], 1u);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) atomicAdd(&counts[i], mine[i]);
}
"""


def plot(counts: NDArray[np.uint32], height: int = 240, bar: int = 8) -> NDArray[np.uint8]:
    """Bars, the highest as high as the picture, over lines at quarters of that."""
    tops = np.repeat(counts / max(int(counts.max()), 1) * (height - 20), bar)
    rows = np.arange(height)[::-1, None] - 10  # 0 is the floor
    filled = (rows >= 0) & (rows < tops) & (np.arange(len(tops)) % bar < bar - 1)
    lines = (rows >= 0) & (rows % ((height - 20) // 4) == 0)
    picture = np.full((height, len(tops), 3), 255, np.uint8)
    picture[np.broadcast_to(lines, filled.shape)] = 215, 215, 215
    picture[filled] = 60, 110, 180
    return np.pad(picture, ((0, 0), (10, 10), (0, 0)), constant_values=255)


def main() -> int:
    """Counts values of two bell curves, compares with NumPy and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000, help="values")
    parser.add_argument("--out", default="histogram.png")
    arguments = parser.parse_args()
    random, n = np.random.default_rng(1), arguments.size
    values = np.concatenate([random.normal(-1, 0.6, n // 3), random.normal(1.5, 0.9, n - n // 3)]).astype(np.float32)

    kernel = cu.compile_kernel(SOURCE, "histogram", defines={"BINS": BINS})
    counts = cu.zeros(BINS, "uint32")
    kernel[64, 256](cu.from_host(values), n, -4.0, 4.0, counts)
    result = counts.to_host()

    bins = np.floor((values + np.float32(4)) / np.float32(8) * np.float32(BINS))
    expected = np.bincount(bins[(bins >= 0) & (bins < BINS)].astype(int), minlength=BINS)
    write_png(arguments.out, plot(result))
    same = np.array_equal(result, expected)
    print(f"{n} values in {BINS} bins on {cu.Device().name}, {int(result.sum())} of them in range: {arguments.out}")
    print("  as NumPy counts them" if same else "  NumPy counts otherwise")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
