"""The same memory in our arrays, NumPy's and, where it is installed, PyTorch's (its CPU build will do): nothing is copied."""

import sys

import numpy as np

import cuda_unified as cu

SOURCE = r"""
extern "C" __global__ void square(float *x, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] *= x[i];
}
"""


def main() -> int:
    """Lets a kernel write what NumPy and PyTorch see."""
    n = 8
    kernel = cu.compile_kernel(SOURCE, "square")

    # page-locked memory: the host and kernels use it where it is
    pinned = cu.PinnedResource(cu.Device()).allocate(4 * n)
    ours = cu.Array.over(pinned, n, "float32")
    numpy_view = np.from_dlpack(ours)
    numpy_view[:] = np.arange(n)
    kernel[1, n](ours, n)
    cu.Device().sync()  # NumPy knows nothing of streams
    print("NumPy sees what the kernel wrote:", numpy_view)
    right = np.array_equal(numpy_view, np.arange(n) ** 2)

    # NumPy's own memory as an Array: for copies and for other libraries, not for kernels, which cannot reach it
    theirs = np.zeros((2, n), np.float32)
    view = cu.as_array(theirs)
    view[1, ::2].copy_from(ours[::2])
    print("NumPy's array, written through a view of ours:", theirs[1], "device:", view.device)
    right &= np.array_equal(theirs[1, ::2], numpy_view[::2]) and not theirs[0].any()

    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        print("PyTorch is not installed")
        return int(not right)
    tensor = torch.arange(n, dtype=torch.float32)
    seen = cu.as_array(tensor)
    tensor.add_(1)
    back = torch.from_dlpack(seen)
    print("PyTorch's tensor, seen through ours:", seen.to_host())
    right &= back.data_ptr() == tensor.data_ptr() and np.array_equal(seen.to_host(), np.arange(n) + 1)
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
