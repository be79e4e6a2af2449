"""A kernel that writes beyond the end of an array: the CPU device says where; on a GPU it may well go unnoticed."""

import sys

import cuda_unified as cu

SOURCE = r"""
// the running mean of three neighbours
extern "C" __global__ void smooth(const float *in, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n)  // the bug: i == n is one too many
        out[i] = (in[i > 0 ? i - 1 : 0] + in[i < n ? i : n - 1] + in[i + 1 < n ? i + 1 : n - 1]) / 3;
}
"""


def main() -> int:
    """Runs it, and prints what is known about the failure."""
    n = 1000
    kernel = cu.compile(SOURCE, name="smooth.cu", lineinfo=True).kernel("smooth")
    given, result = cu.full(n, 1.0, "float32"), cu.empty(n, "float32")
    device = cu.Device()
    try:
        kernel[cu.LaunchConfig.for_size(n, block=256)](given, result, n)
        device.default_stream.sync()
    except cu.CudaError as error:
        print(f"{type(error).__name__}: {error}\n")
        print(f"{result!r} ends at {result.pointer + result.nbytes:#x}")
        return 0
    if device.is_cpu:
        print("the CPU device did not notice")
        return 1
    print(f"{device.name} did not notice: run this again with CUBIND_DEVICE=cpu, or with compute-sanitizer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
