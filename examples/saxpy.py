"""y = a·x + y: a kernel from a string, arrays of NumPy to the device and back.

low_level_saxpy.py is the same with the driver's own functions.
"""

import argparse
import sys

import numpy as np

import cuda_unified as cu

SOURCE = r"""
extern "C" __global__ void saxpy(float a, const float *x, float *y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
"""


def main() -> int:
    """Runs the kernel and compares every element with what NumPy makes of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1 << 20, help="elements")
    n = parser.parse_args().size

    kernel = cu.compile_kernel(SOURCE, "saxpy")  # compiled for the current device; from the cache the second time
    x = cu.from_host(np.arange(n, dtype=np.float32) % 1000)
    y = cu.full(n, 1.0, "float32")
    config = cu.LaunchConfig.for_size(n, kernel)  # blocks of the size that occupies the device best
    kernel[config](2.0, x, y, n)  # into the current stream; 2.0 becomes the 4 bytes that the kernel declares
    result = y.to_host()  # waits for the stream

    expected = 2 * (np.arange(n, dtype=np.float32) % 1000) + 1
    wrong = np.count_nonzero(result != expected)
    print(f"saxpy of {n} elements on {cu.Device().name}: {config.grid[0]} blocks of {config.block[0]} threads")
    print("  all right" if not wrong else f"  {wrong} elements are wrong", result)
    return int(wrong != 0)


if __name__ == "__main__":
    sys.exit(main())
