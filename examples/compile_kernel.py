"""Compiles a CUDA C++ kernel from a string, looks at what came out, and asks the runtime what is there.

Needs the packages nvidia-cuda-nvrtc and nvidia-cuda-runtime; no GPU and no driver.
"""

import re
import sys

from cubind import CompilationError, CudaError, nvrtc, runtime

SOURCE = r"""
template <typename T>
__device__ T fma_(T a, T x, T y) { return a * x + y; }

extern "C" __global__ void saxpy(float a, const float *x, float *y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned unused = 0;
    if (i < n) y[i] = fma_(a, x[i], y[i]);
}
"""


def compile_kernel(source: str, architecture: str) -> tuple[str, str, bytes]:
    """Compiles `source`; returns the compiler's log, the PTX and the cubin."""
    program = nvrtc.nvrtcCreateProgram(source, "saxpy.cu", 0, None, None)
    try:
        nvrtc.nvrtcCompileProgram(program, None, [f"--gpu-architecture={architecture}", "--std=c++17"])
        return nvrtc.nvrtcGetProgramLog(program), nvrtc.nvrtcGetPTX(program), nvrtc.nvrtcGetCUBIN(program)
    except CompilationError:
        print(nvrtc.nvrtcGetProgramLog(program), file=sys.stderr)
        raise
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def device_count() -> int:
    """The number of devices; 0, and a word why, where there is no driver."""
    try:
        return runtime.cudaGetDeviceCount()
    except CudaError as error:
        print(f"  no GPU can be used here: {error}")
        return 0


def main() -> None:
    """Prints what the two libraries say."""
    major, minor = nvrtc.nvrtcVersion()
    newest = max(nvrtc.nvrtcGetSupportedArchs())
    print(f"NVRTC {major}.{minor} compiles for {len(nvrtc.nvrtcGetSupportedArchs())} architectures, up to sm_{newest}")
    log, ptx, cubin = compile_kernel(SOURCE, "sm_90")
    print("  log:", log.strip().splitlines()[0] if log.strip() else "(empty)")
    print("  entry:", *re.findall(r"\.entry\s+(\w+)", ptx))
    print(f"  PTX: {len(ptx)} characters; cubin: {len(cubin)} bytes, {cubin[:4]!r}")
    version = runtime.cudaRuntimeGetVersion()
    print(f"libcudart {version // 1000}.{version % 1000 // 10}")
    print(f"  devices: {device_count()}")


if __name__ == "__main__":
    main()
