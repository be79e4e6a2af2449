"""What the language has: calls of all kinds, records, unions, bit fields, storage of all kinds, printf, malloc, assert."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
typedef unsigned long long u64;
__device__ __noinline__ int ackermann(int m, int n) { return !m ? n + 1 : ackermann(m - 1, !n ? 1 : ackermann(m, n - 1)); }
extern "C" __global__ void recursion(int *out) { out[threadIdx.x] = ackermann(threadIdx.x & 1, threadIdx.x % 5) + ackermann(2, threadIdx.x % 3); }
struct Shape { __device__ virtual int area(int x) const { return x + 1; } __device__ virtual ~Shape() {} int z = 3; };
struct Twice : Shape { __device__ int area(int x) const override { return 2 * x + z; } };
struct Square : Twice { __device__ int area(int x) const override { return x * x + Twice::area(x); } };
extern "C" __global__ void virtual_functions(int *out) {
    Shape a; Twice b; Square c;
    const Shape *all[3] = {&a, &b, &c};
    out[threadIdx.x] = all[threadIdx.x % 3]->area(threadIdx.x);
}
typedef int (*binary)(int, int);
__device__ int add(int a, int b) { return a + b; }
__device__ int subtract(int a, int b) { return a - b; }
__device__ int multiply(int a, int b) { return a * b; }
__device__ binary table[] = {add, subtract, multiply};
extern "C" __global__ void function_pointers(const int *which, int *out) { out[threadIdx.x] = table[which[threadIdx.x]](threadIdx.x, 7); }
extern "C" __global__ void switch_table(const int *x, int *out) {
    int t = threadIdx.x, v = t * 3, s = 0;
    switch (x[t]) {
    case 0: s = v + 1; break;
    case 1: s = v * v; break;
    case 2: s = v ^ 0x55;  // on to the next
    case 3: s += 1000; break;
    case 4: s = -v; break;
    case 5: s = v << 3; break;
    case 6: for (int i = 0; i < t; i++) s += i; break;
    case 7: s = v % 7; break;
    case 100: s = 5; break;
    default: s = -1;
    }
    out[t] = s;
}
struct Inner { short a; char b; double d; };
struct Args { int n; Inner in[2]; float f; const int *p; };
__device__ __noinline__ Args changed(Args a, int by) { a.n += by; a.in[1].d *= 2; a.in[0].a -= by; return a; }
extern "C" __global__ void structs_by_value(Args args, double *out) {
    Args r = changed(args, threadIdx.x);
    out[threadIdx.x] = r.n + r.in[0].a * 10.0 + r.in[1].b * 100.0 + r.in[1].d + r.f + r.p[threadIdx.x];
}
union Bits { float f; unsigned u; unsigned char b[4]; short h[2]; };
extern "C" __global__ void unions(const float *x, unsigned *out) {
    Bits v; v.f = x[threadIdx.x];
    Bits w; w.b[0] = v.b[3]; w.b[1] = v.b[2]; w.b[2] = v.b[1]; w.b[3] = v.b[0];
    out[threadIdx.x] = w.u + (unsigned)v.h[1];
}
struct Fields { unsigned a : 3, b : 7; int c : 9; unsigned : 5, d : 8; u64 e : 40; };
extern "C" __global__ void bit_fields(const unsigned *x, long long *out) {
    Fields f;
    unsigned v = x[threadIdx.x];
    f.a = v; f.b = v >> 3; f.c = (int)v >> 10; f.d = v >> 19; f.e = (u64)v * v;
    f.b += 100; f.c -= 300;
    out[threadIdx.x] = f.a + f.b * 1000ll + f.c * 1000000ll + f.d + (long long)f.e;
}
extern "C" __global__ void local_arrays(const int *x, int *out, int n) {        // indexed by data: in local memory
    int count[16] = {}, t = threadIdx.x;
    for (int i = 0; i < n; i++) count[(x[i] + t) & 15]++;
    int best = 0;
    for (int k = 1; k < 16; k++) if (count[k] > count[best]) best = k;
    out[t] = best * 1000 + count[best];
}
extern "C" __global__ void dynamic_shared(const int *x, double *out, int n) {   // several arrays in one
    extern __shared__ __align__(16) unsigned char room[];
    double *a = (double *)room; int *b = (int *)(a + n); char *c = (char *)(b + n);
    int t = threadIdx.x;
    a[t] = x[t] * 0.5; b[t] = x[t] * 3; c[t] = (char)x[t];
    __syncthreads();
    int o = n - 1 - t;
    out[t] = a[o] + b[o] + c[o];
}
__constant__ struct { int scale; short offset[5]; double factor; } settings;
extern "C" __global__ void constant_memory(double *out) { int t = threadIdx.x; out[t] = t * settings.scale * settings.factor + settings.offset[t % 5]; }
extern "C" __global__ void read_only(const int2 *__restrict__ x, const double2 *__restrict__ y, double *__restrict__ out) {
    int t = threadIdx.x;
    int2 a = __ldg(x + t); double2 b = __ldg(y + (t ^ 1));
    out[t] = a.x * b.x + a.y * b.y + __ldcs((const int *)x + t) + __ldcg((const int *)x);
}
extern "C" __global__ void printing(int n) {
    if (threadIdx.x < n) printf("%d %5.2f %s %c %llx %% %u|%-4d|%04x\n", -5 - (int)threadIdx.x, 1.5 * threadIdx.x, "text", 'c', 1ull << 40, 7u, 3, 0xab);
}
struct Item { Item *next; int value; };
extern "C" __global__ void device_malloc(int *out) {
    Item *list = nullptr;
    for (int i = 0; i <= threadIdx.x; i++) { Item *m = (Item *)malloc(sizeof(Item)); m->next = list; m->value = i * i; list = m; }
    int sum = 0;
    while (list) { Item *m = list; sum += m->value; list = m->next; free(m); }
    int *more = new int[threadIdx.x + 1];
    more[threadIdx.x] = sum;
    out[threadIdx.x] = more[threadIdx.x];
    delete[] more;
}
extern "C" __global__ void asserted(const int *x, int *out) { int v = x[threadIdx.x]; assert(v >= 0 && "never negative"); out[threadIdx.x] = v + 1; }
template <typename T, int n> struct Vec {
    T v[n];
    __device__ Vec(T x) { for (auto &e : v) e = x++; }
    template <typename F> __device__ T fold(F f) const { T r = v[0]; for (int i = 1; i < n; i++) r = f(r, v[i]); return r; }
};
template <typename... T> __device__ auto total(T... each) { return (each + ...); }
extern "C" __global__ void templates(int *out, long long *wide) {
    int t = threadIdx.x;
    Vec<int, 6> v(t);
    out[t] = v.fold([=](int a, int b) { return a * 3 + b - t; }) + total(1, t, (short)2);
    wide[t] = Vec<long long, 3>(1ll << 40).fold([](long long a, long long b) { return a ^ b * 5; });
}
__device__ int calls;
__device__ int counted() { static int last; return atomicAdd(&calls, 1) + atomicAdd(&last, 2) * 0 + 1; }
extern "C" __global__ void static_variables(int *out) { out[threadIdx.x] = counted(); }
extern "C" __global__ void three_dimensions(int *out) {
    int b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x, t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[b * blockDim.x * blockDim.y * blockDim.z + t] = blockIdx.x + 10 * blockIdx.y + 100 * blockIdx.z + 1000 * threadIdx.x + 10000 * threadIdx.y + 100000 * threadIdx.z;
}
struct Machine { int stack[8], top; __device__ void push(int v) { stack[top++] = v; } __device__ int pop() { return stack[--top]; } };
extern "C" __global__ void bytecode(const char *code, const int *x, int *out) {     // an interpreter in reverse Polish notation
    Machine m; m.top = 0;
    for (const char *c = code; *c; c++) {
        if (*c >= '0' && *c <= '9') { m.push(*c - '0'); continue; }
        if (*c == 'x') { m.push(x[threadIdx.x]); continue; }
        int b = m.pop(), a = m.pop();
        m.push(*c == '+' ? a + b : *c == '-' ? a - b : *c == '*' ? a * b : b ? a / b : 0);
    }
    out[threadIdx.x] = m.pop();
}
""")


@PLAIN.case
def recursion(d: Device) -> None:
    out = d.zeros("i4", 32)
    d.launch("recursion", 1, 32, out)
    d.equal(out, np.int32([(t % 5 + 1 if not t & 1 else t % 5 + 2) + 2 * (t % 3) + 3 for t in range(32)]))


@PLAIN.case
def virtual_functions(d: Device) -> None:
    out = d.zeros("i4", 64)
    d.launch("virtual_functions", 1, 64, out)
    t = np.arange(64)
    d.equal(out, np.choose(t % 3, [t + 1, 2 * t + 3, t * t + 2 * t + 3]).astype("i4"))


@PLAIN.case
def function_pointers(d: Device) -> None:
    which, t = d.random.integers(0, 3, 64).astype("i4"), np.arange(64)
    out = d.zeros("i4", 64)
    d.launch("function_pointers", 1, 64, d.put(which), out)
    d.equal(out, np.choose(which, [t + 7, t - 7, t * 7]).astype("i4"))


@PLAIN.case
def switch_table(d: Device) -> None:
    x = np.append(d.random.integers(-1, 9, 60), [100, 99, 2**31 - 1, -(2**31)]).astype("i4")
    out = d.zeros("i4", 64)
    d.launch("switch_table", 1, 64, d.put(x), out)
    arms = {0: lambda t, v: v + 1, 1: lambda t, v: v * v, 2: lambda t, v: (v ^ 0x55) + 1000, 3: lambda t, v: 1000,
            4: lambda t, v: -v, 5: lambda t, v: v << 3, 6: lambda t, v: sum(range(t)), 7: lambda t, v: v % 7,
            100: lambda t, v: 5}  # fmt: skip
    d.equal(out, np.int32([arms.get(int(k), lambda t, v: -1)(t, 3 * t) for t, k in enumerate(x)]))


@PLAIN.case
def structs_by_value(d: Device) -> None:
    import ctypes

    class Inner(ctypes.Structure):
        _fields_ = [("a", ctypes.c_short), ("b", ctypes.c_byte), ("d", ctypes.c_double)]

    class Args(ctypes.Structure):
        _fields_ = [("n", ctypes.c_int), ("x", Inner * 2), ("f", ctypes.c_float), ("p", ctypes.c_uint64)]

    x, out = d.random.integers(0, 99, 32).astype("i4"), d.zeros("f8", 32)
    args = Args(40, (Inner * 2)(Inner(-7, 1, 2.5), Inner(3, -4, 1.25)), 0.75, d.put(x))
    d.launch("structs_by_value", 1, 32, args, out)
    t = np.arange(32)
    d.equal(out, 40 + t + (-7 - t) * 10.0 - 400.0 + 2.5 + 0.75 + x)


@PLAIN.case
def unions(d: Device) -> None:
    x = d.random.standard_normal(64).astype("f4")
    out = d.zeros("u4", 64)
    d.launch("unions", 1, 64, d.put(x), out)
    d.equal(out, x.view("u4").byteswap() + (x.view("i4") >> 16).view("u4"))


@PLAIN.case
def bit_fields(d: Device) -> None:
    x = d.random.integers(0, 2**32, 64, "u4")
    out = d.zeros("i8", 64)
    d.launch("bit_fields", 1, 64, d.put(x), out)

    def signed(v: int) -> int:
        return (v & 511) - 512 * (v >> 8 & 1)

    d.equal(out, np.int64([(v & 7) + ((v >> 3) + 100) % 128 * 1000 + signed((v >> 10) - 300) * 1000000 + (v >> 19 & 255)
                           + v * v % 2**40 for v in x.tolist()]))  # fmt: skip


@PLAIN.case
def local_arrays(d: Device) -> None:
    x = d.random.integers(0, 16, 100).astype("i4")
    out = d.zeros("i4", 32)
    d.launch("local_arrays", 1, 32, d.put(x), out, 100)
    counts = [np.bincount(x + t & 15, minlength=16) for t in range(32)]
    d.equal(out, np.int32([c.argmax() * 1000 + c.max() for c in counts]))


@PLAIN.case
def dynamic_shared(d: Device) -> None:
    x = d.random.integers(0, 256, 50).astype("i4")
    out = d.zeros("f8", 50)
    d.launch("dynamic_shared", 1, 50, d.put(x), out, 50, shared=50 * 13)
    d.equal(out, (x * 3.5 + x.astype("i1"))[::-1])


@PLAIN.case
def constant_memory(d: Device) -> None:
    data = np.zeros(1, np.dtype([("scale", "i4"), ("offset", "i2", 5), ("factor", "f8")], align=True))
    data["scale"], data["offset"], data["factor"] = -3, [1, -2, 300, 4, -5], 0.125
    d.put_variable("settings", data)
    out, t = d.zeros("f8", 40), np.arange(40)
    d.launch("constant_memory", 1, 40, out)
    d.equal(out, t * -3 * 0.125 + data["offset"][0][t % 5])


@PLAIN.case
def read_only(d: Device) -> None:
    x, y = d.random.integers(-99, 99, (32, 2)).astype("i4"), d.random.integers(-99, 99, (32, 2)).astype("f8")
    out, t = d.zeros("f8", 32), np.arange(32)
    d.launch("read_only", 1, 32, d.put(x), d.put(y), out)
    d.equal(out, (x * y[t ^ 1]).sum(1) + x.ravel()[:32] + x[0, 0])


@PLAIN.case
def printing(d: Device) -> None:
    import os
    import tempfile

    with tempfile.TemporaryFile() as file:  # the device writes to the process's standard output
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            d.launch("printing", 1, 32, 3)
            d.driver.cuCtxSynchronize()
        finally:
            os.dup2(before, 1)
            os.close(before)
        file.seek(0)
        lines = file.read().decode().splitlines()
    assert lines == [f"{-5 - t} {1.5 * t:5.2f} text c 10000000000 % 7|3   |00ab" for t in range(3)], lines


@PLAIN.case
def device_malloc(d: Device) -> None:
    out = d.zeros("i4", 32)
    d.launch("device_malloc", 1, 32, out)
    d.equal(out, (np.arange(32) ** 2).cumsum().astype("i4"))


@PLAIN.case
def asserted(d: Device) -> None:
    x = d.random.integers(0, 99, 32).astype("i4")
    out = d.zeros("i4", 32)
    d.launch("asserted", 1, 32, d.put(x), out)
    d.equal(out, x + 1)


@PLAIN.case
def templates(d: Device) -> None:
    out, wide = d.zeros("i4", 32), d.zeros("i8", 32)
    d.launch("templates", 1, 32, out, wide)
    want = []
    for t in range(32):
        r = t
        for k in range(1, 6):
            r = r * 3 + k
        want.append(r + 3 + t)
    d.equal(out, np.int32(want))
    first = 1 << 40
    d.equal(wide, np.full(32, first ^ (first + 1) * 5 ^ (first + 2) * 5))


@PLAIN.case
def static_variables(d: Device) -> None:
    out = d.zeros("i4", 64)
    d.launch("static_variables", 1, 64, out)
    assert sorted(d.get(out, "i4")) == list(range(1, 65))


@PLAIN.case
def three_dimensions(d: Device) -> None:
    out = d.zeros("i4", 24 * 60)
    d.launch("three_dimensions", (2, 3, 4), (5, 4, 3), out)
    z, y, x, tz, ty, tx = np.indices((4, 3, 2, 3, 4, 5))
    d.equal(out, (x + 10 * y + 100 * z + 1000 * tx + 10000 * ty + 100000 * tz).astype("i4"))


@PLAIN.case
def bytecode(d: Device) -> None:
    x = d.random.integers(-99, 99, 32).astype("i4")
    out = d.zeros("i4", 32)
    d.launch("bytecode", 1, 32, d.put(np.frombuffer(b"x3*x7-x*+2x*5+/\0", "u1")), d.put(x), out)
    a, b = 3 * x + (x - 7) * x, 2 * x + 5
    d.equal(out, (abs(a) // abs(b) * np.sign(a) * np.sign(b)).astype("i4"))
