"""A histogram by atomics, first in shared memory and then in global memory, and its plot as a PNG."""

import argparse
import sys

import numpy as np
from numpy.typing import NDArray
from pictures import draw_number, write_png

import cuda_unified as cu

BINS, LOW, HIGH = 64, -4.0, 4.0
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
    """Bars over lines at round numbers of values; below them where the bins are."""
    most = max(int(counts.max()), 1)
    step = next(k for e in range(10) for k in (10**e, 2 * 10**e, 5 * 10**e) if most / k <= 5)
    pixels = (height - 10) / most  # of one value
    picture = np.full((height, len(counts) * bar, 3), 255, np.uint8)
    for count in range(0, most + 1, step):
        picture[height - 1 - int(count * pixels)] = 215, 215, 215
    rows, columns = np.arange(height)[::-1, None], np.arange(len(counts) * bar)
    picture[(rows < np.repeat(counts, bar) * pixels) & (columns % bar < bar - 1)] = 60, 110, 180
    left, below = 80, 24
    picture = np.pad(picture, ((10, below), (left, 20), (0, 0)), constant_values=255)
    for count in range(0, most + 1, step):
        draw_number(picture, count, left - 8, height + 9 - int(count * pixels), anchor=1)
    for i in range(0, BINS + 1, BINS // 8):
        draw_number(picture, LOW + (HIGH - LOW) * i / BINS, left + i * bar, height + 10 + below // 2)
    return picture


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
    kernel[64, 256](cu.from_host(values), n, LOW, HIGH, counts)
    result = counts.to_host()

    bins = np.floor((values - np.float32(LOW)) / np.float32(HIGH - LOW) * np.float32(BINS))
    expected = np.bincount(bins[(bins >= 0) & (bins < BINS)].astype(int), minlength=BINS)
    write_png(arguments.out, plot(result))
    same = np.array_equal(result, expected)
    print(f"{n} values in {BINS} bins on {cu.Device().name}, {int(result.sum())} of them in range: {arguments.out}")
    print("  as NumPy counts them" if same else "  NumPy counts otherwise")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
