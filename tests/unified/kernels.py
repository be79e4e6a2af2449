"""Kernels from CUDA C++ for the tests of launches, and what they wrote."""

from __future__ import annotations

import functools
from typing import Any

import cuda_unified as cu
from cubind import driver, nvrtc

# T -> the name of a kernel that writes the bytes of one argument of that type
TYPES = {
    "signed char": "i1",
    "unsigned char": "u1",
    "short": "i2",
    "unsigned short": "u2",
    "int": "i4",
    "unsigned": "u4",
    "long long": "i8",
    "unsigned long long": "u8",
    "float": "f4",
    "double": "f8",
    "bool": "b1",
    "void *": "p8",
    "Bytes<3>": "s3",
    "Bytes<12>": "s12",
    "Bytes<16>": "s16",
    "Bytes<700>": "s700",
    "Half": "h2",
}
SOURCE = (
    """
template <int N> struct Bytes { unsigned char b[N]; };
struct Half { unsigned short bits; };
template <class T> __device__ void copy(unsigned char *out, const T &value) {
    for (int i = 0; i < sizeof(T); i++) out[i] = ((const unsigned char *)&value)[i];
}
"""
    + "".join(
        f'extern "C" __global__ void {name}(unsigned char *out, {type_} value) {{ copy(out, value); }}\n'
        for type_, name in TYPES.items()
    )
    + """
extern "C" __global__ void nothing() {}
extern "C" __global__ void three(float *p, int i, float value) { p[i] = value; }
extern "C" __global__ void sixteen(long long *p, long long a, long long b, long long c, long long d, long long e,
                                   long long f, long long g, long long h, long long i, long long j, long long k,
                                   long long l, long long m, long long n, long long o) {
    long long all[] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o};
    for (int at = 0; at < 15; at++) p[at] = all[at];
}
extern "C" __global__ void mixed(unsigned char *out, char a, short b, Bytes<3> c, double d, char e, float f) {
    copy(out, a), copy(out + 1, b), copy(out + 3, c), copy(out + 6, d), copy(out + 14, e), copy(out + 15, f);
}
extern "C" __global__ void shape(unsigned *out) {
    extern __shared__ unsigned room[];
    unsigned where = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    room[threadIdx.x] = where;
    __syncthreads();
    if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
        unsigned dynamic;
        asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(dynamic));
        unsigned values[] = {gridDim.x, gridDim.y, gridDim.z, blockDim.x, blockDim.y, blockDim.z, dynamic};
        if (where == 0)
            for (int i = 0; i < 7; i++) out[i] = values[i];
        atomicAdd(&out[7], 1);
    }
}
extern "C" __global__ void __launch_bounds__(64) narrow(int *p) { p[threadIdx.x] = threadIdx.x; }
extern "C" __global__ void add(int *p, int value) { atomicAdd(p, value); }
template <class T, class U> __global__ void typed(T *p, int i, T value, const U *other, unsigned count) {
    p[i] = value;
}
__global__ void named(unsigned char *out, signed char a, unsigned short b, float c, double d, bool e, Half f,
                      unsigned long long g) {
    copy(out, a), copy(out + 1, b), copy(out + 3, c), copy(out + 7, d), copy(out + 15, e), copy(out + 16, g);
}
"""
    + 'extern "C" __global__ void forty(int *p'
    + "".join(f", int v{i}" for i in range(39))
    + ") { int all[] = {"
    + ", ".join(f"v{i}" for i in range(39))
    + "}; for (int i = 0; i < 39; i++) p[i] = all[i]; }\n"
)
EXPRESSIONS = ("typed<float, int>", "typed<int, float>", "named")


@functools.cache
def ptx(source: str = SOURCE, expressions: tuple[str, ...] = EXPRESSIONS) -> tuple[bytes, dict[str, str]]:
    """PTX of a source for every device from 7.5 on, and the names that expressions have in it."""
    program = nvrtc.nvrtcCreateProgram(source, "kernels.cu", 0, [], [])
    for expression in expressions:
        nvrtc.nvrtcAddNameExpression(program, expression)
    nvrtc.nvrtcCompileProgram(program, 2, ["--gpu-architecture=compute_75", "--std=c++17"])
    names = {expression: _text(nvrtc.nvrtcGetLoweredName(program, expression)) for expression in expressions}
    text = _text(nvrtc.nvrtcGetPTX(program))
    nvrtc.nvrtcDestroyProgram(program)
    return text.encode() + b"\0", names


def _text(value: str | bytes | None) -> str:
    assert value
    return value.decode() if isinstance(value, bytes) else value


class Library:
    """A loaded library: `library["name"]` is a kernel of it."""

    def __init__(self, source: str = SOURCE, expressions: tuple[str, ...] = EXPRESSIONS) -> None:
        code, self.names = ptx(source, expressions)
        cu.Device(0)  # initializes the driver
        self.handle = driver.cuLibraryLoadData(code, [], [], 0, [], [], 0)

    def __getitem__(self, name: str) -> cu.Kernel:
        return cu.Kernel._make(int(driver.cuLibraryGetKernel(self.handle, self.names.get(name, name))), None, self)


class Memory:
    """Zeroed bytes on a device that the test looks at."""

    def __init__(self, device: Any, size: int, stream: Any) -> None:
        self.buffer, self.stream, self.device = device.allocate(size, stream), stream, device
        stream.sync()
        self.write(bytes(size))

    def write(self, data: bytes) -> None:
        with self.device:
            driver.cuMemcpyHtoD(self.buffer.pointer, data, len(data))

    def read(self, size: int | None = None) -> bytes:
        self.stream.sync()
        room = bytearray(self.buffer.size if size is None else size)
        with self.device:
            driver.cuMemcpyDtoH(room, self.buffer.pointer, len(room))
        return bytes(room)
