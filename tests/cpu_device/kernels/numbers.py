"""Floating point: functions against libm and exact results, and programs that compute with them."""

import math

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
extern "C" __global__ void trigonometric(const float *x, const double *y, float *f, double *g, int n) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= n) return;
    sincosf(x[t], f + t, f + n + t); f[2 * n + t] = tanf(x[t]); f[3 * n + t] = atan2f(x[t], 2.5f); f[4 * n + t] = tanhf(x[t]);
    sincos(y[t], g + t, g + n + t); g[2 * n + t] = tan(y[t]); g[3 * n + t] = atan2(y[t], 2.5); g[4 * n + t] = tanh(y[t]);
}
extern "C" __global__ void exponential(const float *x, const double *y, float *f, double *g, int n) {
    int t = threadIdx.x;
    f[t] = expf(x[t]); f[n + t] = exp2f(x[t]); f[2 * n + t] = expm1f(x[t]); f[3 * n + t] = coshf(x[t]);
    g[t] = exp(y[t]); g[n + t] = exp2(y[t]); g[2 * n + t] = expm1(y[t]); g[3 * n + t] = cosh(y[t]);
}
extern "C" __global__ void logarithm(const float *x, const double *y, float *f, double *g, int n) {
    int t = threadIdx.x;
    f[t] = logf(x[t]); f[n + t] = log2f(x[t]); f[2 * n + t] = log1pf(x[t]); f[3 * n + t] = powf(x[t], 2.7f);
    g[t] = log(y[t]); g[n + t] = log2(y[t]); g[2 * n + t] = log1p(y[t]); g[3 * n + t] = pow(y[t], -1.7);
}
extern "C" __global__ void error_function(const float *x, const double *y, float *f, double *g, int n) {
    int t = threadIdx.x;
    f[t] = erff(x[t]); f[n + t] = tgammaf(fabsf(x[t]) + 0.5f); f[2 * n + t] = cbrtf(x[t]);
    g[t] = erf(y[t]); g[n + t] = lgamma(fabs(y[t]) + 3); g[2 * n + t] = erfc(y[t]);
}
extern "C" __global__ void fast_math(const float *x, float *f, int n) {
    int t = threadIdx.x; float v = x[t];
    f[t] = __sinf(v); f[n + t] = __expf(v); f[2 * n + t] = __logf(fabsf(v) + 0.5f); f[3 * n + t] = __fdividef(1.0f, fabsf(v) + 0.5f);
    f[4 * n + t] = __powf(fabsf(v) + 0.5f, 1.5f); f[5 * n + t] = __frsqrt_rn(fabsf(v) + 0.5f); f[6 * n + t] = __saturatef(v);
}
extern "C" __global__ void rounding(const float *x, const float *y, float *f, int n) {
    int t = threadIdx.x; float a = x[t], b = y[t];
    f[t] = __fadd_rd(a, b); f[n + t] = __fadd_ru(a, b); f[2 * n + t] = __fmul_rz(a, b); f[3 * n + t] = __fdiv_rn(a, b); f[4 * n + t] = __fsqrt_rn(fabsf(a));
    f[5 * n + t] = __fmaf_rn(a, b, 1.0f); f[6 * n + t] = rintf(a * 10); f[7 * n + t] = truncf(a * 10) + floorf(b * 10) + ceilf(a);
}
extern "C" __global__ void conversions(const double *x, long long *out, int n) {
    int t = threadIdx.x; double v = x[t]; long long *o = out + t * 8;
    o[0] = __double2int_rn(v); o[1] = __double2int_rd(v); o[2] = __double2ll_ru(v); o[3] = (unsigned)__double2uint_rz(v);
    o[4] = __float2int_rz((float)v); o[5] = __double_as_longlong((double)(float)v); o[6] = __float_as_int(__double2float_rd(v)); o[7] = (long long)__ll2double_rn(o[2]);
}
extern "C" __global__ void special_values(const float *x, int *out, int n) {
    int t = threadIdx.x; float v = x[t];
    out[t] = isnan(v) | isinf(v) << 1 | isfinite(v) << 2 | signbit(v) << 3 | (v == v) << 4 | (v < 1.0f) << 5 | (fmaxf(v, 2.0f) == 2.0f) << 6 | (fminf(v, -2.0f) == -2.0f) << 7;
}
extern "C" __global__ void remainders(const double *x, const double *y, double *g, int n) {
    int t = threadIdx.x, e;
    g[t] = fmod(x[t], y[t]); g[n + t] = remainder(x[t], y[t]); g[2 * n + t] = frexp(x[t], &e) + e; g[3 * n + t] = ldexp(x[t], t % 20 - 10); g[4 * n + t] = hypot(x[t], y[t]);
    g[5 * n + t] = copysign(nextafter(x[t], 1e9), y[t]);
}
extern "C" __global__ void mandelbrot(int *out, int width, int limit) {
    int px = threadIdx.x, py = blockIdx.x, n = 0;
    float cx = -2.0f + 3.0f * px / width, cy = -1.5f + 3.0f * py / width, x = 0, y = 0;
    while (n < limit && x * x + y * y < 4.0f) { float t = x * x - y * y + cx; y = 2 * x * y + cy; x = t; n++; }
    out[py * width + px] = n;
}
extern "C" __global__ void n_body(const float4 *at, float4 *force, int n) {
    extern __shared__ float4 tile[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float4 own = at[i], f = {0, 0, 0, 0};
    for (int base = 0; base < n; base += blockDim.x) {
        tile[threadIdx.x] = at[base + threadIdx.x];
        __syncthreads();
        for (int k = 0; k < blockDim.x; k++) {
            float4 o = tile[k];
            float dx = o.x - own.x, dy = o.y - own.y, dz = o.z - own.z, d = dx * dx + dy * dy + dz * dz + 0.01f, r = rsqrtf(d);
            float s = o.w * r * r * r;
            f.x += dx * s; f.y += dy * s; f.z += dz * s; f.w -= o.w * r;
        }
        __syncthreads();
    }
    force[i] = f;
}
extern "C" __global__ void fft(float2 *x) {                     // radix 2, 256 points, 128 threads
    __shared__ float2 s[256];
    int t = threadIdx.x;
    for (int k = t; k < 256; k += 128) s[__brev(k) >> 24] = x[k];
    for (int half = 1; half < 256; half *= 2) {
        __syncthreads();
        int k = t % half, i = t / half * half * 2 + k;
        float c, w; sincospif(-(float)k / half, &w, &c);
        float2 a = s[i], b = s[i + half], p = {b.x * c - b.y * w, b.x * w + b.y * c};
        s[i] = {a.x + p.x, a.y + p.y}; s[i + half] = {a.x - p.x, a.y - p.y};
    }
    __syncthreads();
    x[t] = s[t]; x[t + 128] = s[t + 128];
}
extern "C" __global__ void monte_carlo(unsigned *hits, int turns) {
    unsigned v = threadIdx.x * 2654435761u + 12345, n = 0;
    for (int k = 0; k < turns; k++) {
        v = v * 1664525u + 1013904223u; float x = (v >> 8) * 0x1p-24f;
        v = v * 1664525u + 1013904223u; float y = (v >> 8) * 0x1p-24f;
        n += __fadd_rn(__fmul_rn(x, x), __fmul_rn(y, y)) < 1.0f;
    }
    atomicAdd(hits, n);
}
extern "C" __global__ void black_scholes(const float *price, const float *strike, float *call, float t, float r, float v) {
    int i = threadIdx.x;
    float root = sqrtf(t), d1 = (logf(price[i] / strike[i]) + (r + 0.5f * v * v) * t) / (v * root), d2 = d1 - v * root;
    call[i] = price[i] * normcdff(d1) - strike[i] * expf(-r * t) * normcdff(d2);
}
extern "C" __global__ void newton(const double *c, double *root) {      // x^3 = c
    double x = 1;
    for (int k = 0; k < 200; k++) { double d = (x * x * x - c[threadIdx.x]) / (3 * x * x); x -= d; if (fabs(d) < 1e-15 * fabs(x)) break; }
    root[threadIdx.x] = x;
}
extern "C" __global__ void kahan(const float *x, float *sum, int n) {
    float s = 0, c = 0;
    for (int i = 0; i < n; i++) { float y = x[i] - c, t = s + y; c = (t - s) - y; s = t; }
    *sum = s;
}
extern "C" __global__ void runge_kutta(double *y, double h, int steps) {    // a pendulum
    double a = y[2 * threadIdx.x], v = y[2 * threadIdx.x + 1];
    for (int k = 0; k < steps; k++) {
        double a1 = v, v1 = -sin(a), a2 = v + h / 2 * v1, v2 = -sin(a + h / 2 * a1), a3 = v + h / 2 * v2, v3 = -sin(a + h / 2 * a2);
        double a4 = v + h * v3, v4 = -sin(a + h * a3);
        a += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4); v += h / 6 * (v1 + 2 * v2 + 2 * v3 + v4);
    }
    y[2 * threadIdx.x] = a; y[2 * threadIdx.x + 1] = v;
}
""")


def units(d: Device, pointer: int, wants: list, most: float) -> None:
    """The rows are within so many units in the last place of these results, which are of a wider type or libm's."""
    want = np.array(wants)
    got = d.get(pointer, "f4" if want.dtype == np.float32 else "f8").reshape(want.shape)
    off = abs(got - want) / np.spacing(abs(want))
    assert off.max() <= most, (np.unravel_index(off.argmax(), off.shape), off.max())


def pairs(d: Device, functions: list, low: float, high: float, single: float, double: float, name: str) -> None:
    """Every function in both precisions, against libm in double; the bounds are those of the CUDA manual, and one for libm."""
    x = d.random.uniform(low, high, 256)
    x4 = x.astype("f4")
    f, g = d.zeros("f4", len(functions) * 256), d.zeros("f8", len(functions) * 256)
    d.launch(name, 1, 256, d.put(x4), d.put(x), f, g, 256)
    units(d, f, [np.float32([function(float(v)) for v in x4]) for function in functions], single)
    units(d, g, [[function(float(v)) for v in x] for function in functions], double)


@PLAIN.case
def trigonometric(d: Device) -> None:
    pairs(d, [math.sin, math.cos, math.tan, lambda v: math.atan2(v, 2.5), math.tanh], -6, 6, 5, 4, "trigonometric")


@PLAIN.case
def exponential(d: Device) -> None:
    pairs(d, [math.exp, lambda v: 2.0**v, math.expm1, math.cosh], -20, 20, 3, 3, "exponential")


@PLAIN.case
def logarithm(d: Device) -> None:
    x = d.random.uniform(0.01, 100, 256)
    x4 = x.astype("f4")
    f, g = d.zeros("f4", 1024), d.zeros("f8", 1024)
    d.launch("logarithm", 1, 256, d.put(x4), d.put(x), f, g, 256)
    exponent = float(np.float32(2.7))
    units(d, f, [np.float32([function(float(v)) for v in x4])
                 for function in (math.log, math.log2, math.log1p, lambda v: v**exponent)], 9)  # fmt: skip
    units(
        d, g, [[function(float(v)) for v in x] for function in (math.log, math.log2, math.log1p, lambda v: v**-1.7)], 3
    )


@PLAIN.case
def error_function(d: Device) -> None:
    x = d.random.uniform(-4, 4, 256)
    x4 = x.astype("f4")
    f, g = d.zeros("f4", 768), d.zeros("f8", 768)
    d.launch("error_function", 1, 256, d.put(x4), d.put(x), f, g, 256)
    units(
        d,
        f,
        [
            np.float32([function(float(v)) for v in x4])
            for function in (math.erf, lambda v: math.gamma(abs(v) + 0.5), np.cbrt)
        ],
        12,
    )
    units(
        d,
        g,
        [[function(float(v)) for v in x] for function in (math.erf, lambda v: math.lgamma(abs(v) + 3), math.erfc)],
        16,
    )  # Python's lgamma is 10 off


@PLAIN.case
def fast_math(d: Device) -> None:
    x = d.random.uniform(-3, 3, 128).astype("f4")
    f = d.zeros("f4", 7 * 128)
    d.launch("fast_math", 1, 128, d.put(x), f, 128)
    v = x.astype("f8")
    w = abs(x) + np.float32(0.5)
    w = w.astype("f8")
    got = d.get(f, "f4").reshape(7, 128)
    for row, want, relative, absolute in ((0, np.sin(v), 0, 2**-21.4), (1, np.exp(v), 1e-6, 0), (2, np.log(w), 1e-5, 2**-21.4),
                                          (3, 1 / w, 3e-7, 0), (4, w**1.5, 2e-6, 0)):  # fmt: skip
        np.testing.assert_allclose(got[row], want, relative, absolute)
    assert np.array_equal(got[5], (1 / np.sqrt(w)).astype("f4")) and np.array_equal(got[6], x.clip(0, 1))


@PLAIN.case
def rounding(d: Device) -> None:
    x, y = (d.random.standard_normal((2, 64)) * 10.0 ** d.random.integers(-3, 4, (2, 64))).astype("f4")
    f = d.zeros("f4", 512)
    d.launch("rounding", 1, 64, d.put(x), d.put(y), f, 64)
    a, b = x.astype("f8"), y.astype("f8")  # sums and products of these are exact, or nearly so, in double

    def directed(exact: np.ndarray, up: np.ndarray) -> np.ndarray:
        near = exact.astype("f4")
        wrong = np.where(up, near < exact, near > exact)
        return np.where(wrong, np.nextafter(near, np.where(up, np.inf, -np.inf).astype("f4")), near)

    none, product = np.zeros(64, bool), a * b
    want = [directed(a + b, none), directed(a + b, ~none), directed(product, product < 0), x / y, np.sqrt(abs(x)),
            (product + 1).astype("f4"), np.rint(x * np.float32(10)),
            np.trunc(x * np.float32(10)) + np.floor(y * np.float32(10)) + np.ceil(x)]  # fmt: skip
    d.equal(f, np.stack(want))


@PLAIN.case
def conversions(d: Device) -> None:
    x = np.append(d.random.uniform(-1e5, 1e5, 60), [2.5, 3.5, -0.5, 7.0])
    out = d.zeros("i8", 512)
    d.launch("conversions", 1, 64, d.put(x), out, 64)
    want = []
    for v in x.tolist():
        near = np.float32(v)
        down = near if float(near) <= v else np.nextafter(near, np.float32(-np.inf))
        want += [round(v), math.floor(v), math.ceil(v), max(int(v), 0), int(near), int(np.float64(near).view("i8")),
                 int(np.float32(down).view("i4")), math.ceil(v)]  # fmt: skip
    d.equal(out, np.int64(want))


@PLAIN.case
def special_values(d: Device) -> None:
    x = np.float32([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3, -3, 2, -2, 3e38, -3e38, 0.5])
    out = d.zeros("i4", 16)
    d.launch("special_values", 1, 16, d.put(x), out, 16)
    bits = [np.isnan(x), np.isinf(x), np.isfinite(x), np.signbit(x), x == x, x < 1, np.fmax(x, np.float32(2)) == 2,
            np.fmin(x, np.float32(-2)) == -2]  # fmt: skip
    d.equal(out, sum(b.astype("i4") << k for k, b in enumerate(bits)))


@PLAIN.case
def remainders(d: Device) -> None:
    x, y = d.random.uniform(-1e4, 1e4, 64), d.random.uniform(0.1, 50, 64)
    g = d.zeros("f8", 384)
    d.launch("remainders", 1, 64, d.put(x), d.put(y), g, 64)
    got = d.get(g, "f8").reshape(6, 64)
    fraction, e = np.frexp(x)
    exact = [
        np.fmod(x, y),
        [math.remainder(a, b) for a, b in zip(x, y)],
        fraction + e,
        np.ldexp(x, np.arange(64) % 20 - 10),
    ]
    for row, want in enumerate(exact):
        assert np.array_equal(got[row], want), row
    np.testing.assert_allclose(got[4], np.hypot(x, y), 5e-16)
    assert np.array_equal(got[5], abs(np.nextafter(x, 1e9)))


@PLAIN.case
def mandelbrot(d: Device) -> None:
    n, limit = 48, 60
    out = d.zeros("i4", n * n)
    d.launch("mandelbrot", n, n, out, n, limit)
    k = np.arange(n, dtype="f4")
    line = np.float32(3) * k / np.float32(n)
    cx, cy = np.broadcast_to(np.float32(-2) + line, (n, n)), np.broadcast_to((np.float32(-1.5) + line)[:, None], (n, n))
    x, y, count = np.zeros((n, n), "f4"), np.zeros((n, n), "f4"), np.zeros((n, n), "i4")
    for _ in range(limit):
        inside = x * x + y * y < 4
        x, y = np.where(inside, x * x - y * y + cx, x), np.where(inside, 2 * x * y + cy, y)
        count += inside
    d.equal(out, count)


@PLAIN.case
def n_body(d: Device) -> None:
    at = d.random.random((128, 4)).astype("f4")
    out = d.zeros("f4", 512)
    d.launch("n_body", 2, 64, d.put(at), out, 128, shared=1024)
    p = at.astype("f8")
    gap = p[None, :, :3] - p[:, None, :3]
    r = ((gap**2).sum(2) + 0.01) ** -0.5
    force = (gap * (p[None, :, 3] * r**3)[..., None]).sum(1)
    want = np.concatenate([force, -(p[None, :, 3] * r).sum(1)[:, None]], 1)
    np.testing.assert_allclose(d.get(out, "f4").reshape(128, 4), want, 1e-4, 1e-2)


@PLAIN.case
def fft(d: Device) -> None:
    x = (d.random.standard_normal(256) + 1j * d.random.standard_normal(256)).astype("c8")
    p = d.put(x)
    d.launch("fft", 1, 128, p)
    np.testing.assert_allclose(d.get(p, "c8"), np.fft.fft(x), atol=2e-5)


@PLAIN.case
def monte_carlo(d: Device) -> None:
    hits = d.zeros("u4", 1)
    d.launch("monte_carlo", 1, 64, hits, 100)
    v, n = np.arange(64, dtype="u4") * np.uint32(2654435761) + np.uint32(12345), 0
    for _ in range(100):
        v = v * np.uint32(1664525) + np.uint32(1013904223)
        x = (v >> 8).astype("f4") * np.float32(2**-24)
        v = v * np.uint32(1664525) + np.uint32(1013904223)
        y = (v >> 8).astype("f4") * np.float32(2**-24)
        n += int((x * x + y * y < 1).sum())
    d.equal(hits, np.uint32(n))


@PLAIN.case
def black_scholes(d: Device) -> None:
    price, strike = d.random.uniform(10, 100, (2, 64)).astype("f4")
    call, t, r, v = d.zeros("f4", 64), 1.5, 0.03, 0.4
    d.launch("black_scholes", 1, 64, d.put(price), d.put(strike), call, t, r, v)

    def one(s: float, k: float) -> float:
        d1 = (math.log(s / k) + (r + v * v / 2) * t) / (v * t**0.5)
        normal = [0.5 * math.erfc(-z / 2**0.5) for z in (d1, d1 - v * t**0.5)]
        return s * normal[0] - k * math.exp(-r * t) * normal[1]

    d.close(call, np.float32([one(float(s), float(k)) for s, k in zip(price, strike)]), 1e-4, 1e-4)


@PLAIN.case
def newton(d: Device) -> None:
    c = d.random.uniform(0.1, 1000, 64)
    root = d.zeros("f8", 64)
    d.launch("newton", 1, 64, d.put(c), root)
    d.close(root, np.cbrt(c), 1e-15)


@PLAIN.case
def kahan(d: Device) -> None:
    x = d.random.uniform(0, 1e4, 3000).astype("f4")
    out = d.zeros("f4", 1)
    d.launch("kahan", 1, 1, d.put(x), out, len(x))
    d.equal(out, np.float32(math.fsum(x.astype("f8"))))


@PLAIN.case
def runge_kutta(d: Device) -> None:
    y = d.random.uniform(-1, 1, (32, 2))
    p = d.put(y)
    d.launch("runge_kutta", 1, 32, p, 0.01, 200)
    got = d.get(p, "f8").reshape(32, 2)
    energy = [v[:, 1] ** 2 / 2 - np.cos(v[:, 0]) for v in (y, got)]
    np.testing.assert_allclose(*energy, atol=1e-9)
    assert abs(got - y).max() > 0.5
