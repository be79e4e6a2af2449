"""y = a·x + y on whatever device there is: a GPU, or the CPU device where there is none.

The kernel is compiled by NVRTC if that is installed; else its PTX below is used.  Nothing else is needed.
"""

from __future__ import annotations

import array
import sys

from cubind import LibraryNotFoundError, driver, nvrtc

SOURCE = r"""
extern "C" __global__ void saxpy(float a, const float *x, float *y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
"""

# the same kernel, written by hand
PTX = """
.version 7.0
.target sm_70
.address_size 64

.visible .entry saxpy(.param .f32 a, .param .u64 x, .param .u64 y, .param .u32 n)
{
    .reg .pred %p;
    .reg .f32 %a, %u, %v;
    .reg .b32 %i, %n, %block, %threads, %thread;
    .reg .b64 %x, %y, %offset;
    ld.param.f32 %a, [a];
    ld.param.u64 %x, [x];
    ld.param.u64 %y, [y];
    ld.param.u32 %n, [n];
    mov.u32 %block, %ctaid.x;
    mov.u32 %threads, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.s32 %i, %block, %threads, %thread;
    setp.ge.u32 %p, %i, %n;
    @%p bra DONE;
    cvta.to.global.u64 %x, %x;
    cvta.to.global.u64 %y, %y;
    mul.wide.u32 %offset, %i, 4;
    add.s64 %x, %x, %offset;
    add.s64 %y, %y, %offset;
    ld.global.f32 %u, [%x];
    ld.global.f32 %v, [%y];
    fma.rn.f32 %v, %a, %u, %v;
    st.global.f32 [%y], %v;
DONE:
    ret;
}
"""
N, A = 1 << 20, 2.0


def kernel_ptx(major: int, minor: int) -> tuple[str, str]:
    """PTX for a device of this compute capability, and where it comes from."""
    try:
        program = nvrtc.nvrtcCreateProgram(SOURCE, "saxpy.cu", 0, None, None)
    except LibraryNotFoundError:
        return PTX, "written by hand"
    architecture = max(a for a in nvrtc.nvrtcGetSupportedArchs() if a <= 10 * major + minor)
    nvrtc.nvrtcCompileProgram(program, None, [f"--gpu-architecture=compute_{architecture}"])
    return nvrtc.nvrtcGetPTX(program), f"compiled by NVRTC for compute_{architecture}"


def saxpy(ptx: str, x: array.array[float], y: array.array[float]) -> array.array[float]:
    """The result of the kernel, from device memory and back."""
    module = driver.cuModuleLoadData(ptx.encode() + b"\0")
    kernel = driver.cuModuleGetFunction(module, "saxpy")
    size = len(x) * x.itemsize
    device_x, device_y = driver.cuMemAlloc(size), driver.cuMemAlloc(size)
    driver.cuMemcpyHtoD(device_x, x, size)
    driver.cuMemcpyHtoD(device_y, y, size)
    threads = 256
    blocks = (len(x) + threads - 1) // threads
    driver.cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, 0, None, (A, device_x, device_y, len(x)))
    result = array.array("f", bytes(size))
    driver.cuMemcpyDtoH(result, device_y, size)
    driver.cuMemFree(device_x)
    driver.cuMemFree(device_y)
    driver.cuModuleUnload(module)
    return result


def main() -> int:
    """Runs the kernel, compares every element, and says on what device that was."""
    driver.cuInit(0)
    device = driver.cuDeviceGet(0)
    driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(device))
    major = driver.cuDeviceGetAttribute(driver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
    minor = driver.cuDeviceGetAttribute(driver.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)
    ptx, origin = kernel_ptx(major, minor)
    x = array.array("f", (i % 1000 for i in range(N)))
    y = array.array("f", (i % 7 for i in range(N)))
    result = saxpy(ptx, x, y)
    wrong = sum(r != A * u + v for r, u, v in zip(result, x, y, strict=True))  # exact: small whole numbers
    print(f"saxpy of {N} elements on {driver.cuDeviceGetName(64, device)} ({major}.{minor}), PTX {origin}")
    print("  all right" if not wrong else f"  {wrong} elements are wrong")
    return int(wrong != 0)


if __name__ == "__main__":
    sys.exit(main())
