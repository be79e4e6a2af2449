"""Whole numbers: intrinsics, wide arithmetic, random numbers, hashes."""

import hashlib

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
typedef unsigned long long u64; typedef long long s64; typedef unsigned u32;
extern "C" __global__ void bit_intrinsics(const u32 *x, int *out) {
    u32 v = x[threadIdx.x]; int *o = out + threadIdx.x * 8; u64 w = (u64)v << 20 | 1ull << 60;
    o[0] = __popc(v); o[1] = __clz(v); o[2] = __brev(v); o[3] = __ffs(v);
    o[4] = __popcll(w); o[5] = __clzll(w); o[6] = __ffsll(w); o[7] = (int)(__brevll(w) >> 3);
}
extern "C" __global__ void byte_intrinsics(const u32 *x, const u32 *y, u32 *out) {
    u32 a = x[threadIdx.x], b = y[threadIdx.x], *o = out + threadIdx.x * 6;
    o[0] = __byte_perm(a, b, 0x6250); o[1] = __byte_perm(a, b, b); o[2] = __vadd4(a, b); o[3] = __vabsdiffu4(a, b); o[4] = __vmaxs2(a, b);
    o[5] = __vcmpgtu4(a, b);
}
extern "C" __global__ void funnel_shift(const u32 *x, const u32 *y, u32 *out) {
    u32 a = x[threadIdx.x], b = y[threadIdx.x], n = threadIdx.x, *o = out + n * 4;
    o[0] = __funnelshift_l(a, b, n); o[1] = __funnelshift_r(a, b, n); o[2] = __funnelshift_lc(a, b, n); o[3] = __funnelshift_rc(a, b, n);
}
extern "C" __global__ void dot_products(const int *x, const int *y, int *out) {
    int a = x[threadIdx.x], b = y[threadIdx.x], *o = out + threadIdx.x * 4;
    o[0] = __dp4a(a, b, 100); o[1] = (int)__dp4a((u32)a, (u32)b, 7u); o[2] = __dp2a_lo(a, b, -5); o[3] = __dp2a_hi(a, b, 5);
}
extern "C" __global__ void multiply_high(const s64 *x, const s64 *y, s64 *out) {
    s64 a = x[threadIdx.x], b = y[threadIdx.x], *o = out + threadIdx.x * 6;
    o[0] = __mul64hi(a, b); o[1] = (s64)__umul64hi(a, b); o[2] = __mulhi((int)a, (int)b); o[3] = __umulhi((u32)a, (u32)b);
    o[4] = __mul24((int)a, (int)b); o[5] = __sad((int)a, (int)b, 3u) + (s64)__hadd((int)a, (int)b) + __rhadd((int)a, (int)b);
}
extern "C" __global__ void long_division(const s64 *x, const s64 *y, s64 *out) {
    s64 a = x[threadIdx.x], b = y[threadIdx.x], *o = out + threadIdx.x * 6;
    o[0] = a / b; o[1] = a % b; o[2] = (u64)a / (u64)b; o[3] = (u64)a % (u64)b; o[4] = (int)a / (int)(b | 1); o[5] = (short)a % (short)(b | 1);
}
extern "C" __global__ void int_128(const u64 *x, const u64 *y, u64 *out) {
    unsigned __int128 a = (unsigned __int128)x[threadIdx.x] * y[threadIdx.x], b = a * 12345 + y[threadIdx.x];
    b = (b << 17) ^ (a >> 9);
    out[2 * threadIdx.x] = (u64)b; out[2 * threadIdx.x + 1] = (u64)(b >> 64);
}
extern "C" __global__ void big_numbers(const u32 *a, const u32 *b, u32 *c) {        // 256 bits each, schoolbook
    const u32 *x = a + threadIdx.x * 8, *y = b + threadIdx.x * 8;
    u32 r[16] = {};
    for (int i = 0; i < 8; i++) {
        u64 carry = 0;
        for (int j = 0; j < 8; j++) { u64 v = (u64)x[i] * y[j] + r[i + j] + carry; r[i + j] = (u32)v; carry = v >> 32; }
        r[i + 8] = (u32)carry;
    }
    for (int k = 0; k < 16; k++) c[threadIdx.x * 16 + k] = r[k];
}
extern "C" __global__ void modular_power(const u32 *base, const u32 *e, u32 m, u32 *out) {
    u64 r = 1, b = base[threadIdx.x];
    for (u32 k = e[threadIdx.x]; k; k >>= 1) { if (k & 1) r = r * b % m; b = b * b % m; }
    out[threadIdx.x] = (u32)r;
}
extern "C" __global__ void philox(u32 *out, u32 key0, u32 key1) {                   // 4x32, ten rounds
    u32 c[4] = {threadIdx.x, blockIdx.x, 5, 7};
    for (int r = 0; r < 10; r++) {
        u32 h0 = __umulhi(0xD2511F53u, c[0]), l0 = 0xD2511F53u * c[0], h1 = __umulhi(0xCD9E8D57u, c[2]), l1 = 0xCD9E8D57u * c[2];
        c[0] = h1 ^ c[1] ^ key0; c[1] = l1; c[2] = h0 ^ c[3] ^ key1; c[3] = l0;
        key0 += 0x9E3779B9u; key1 += 0xBB67AE85u;
    }
    for (int k = 0; k < 4; k++) out[(blockIdx.x * blockDim.x + threadIdx.x) * 4 + k] = c[k];
}
extern "C" __global__ void xorshift(u64 *state, int turns) {
    u64 v = state[threadIdx.x];
    for (int k = 0; k < turns; k++) { v ^= v << 13; v ^= v >> 7; v ^= v << 17; }
    state[threadIdx.x] = v * 0x2545F4914F6CDD1Dull;
}
__constant__ u32 primes[64];
extern "C" __global__ void sha256(const unsigned char *data, int size, u32 *out) {   // a message a thread, up to 119 bytes
    u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, w[64];
    const unsigned char *message = data + threadIdx.x * size;
    int length = threadIdx.x * size / blockDim.x, blocks = (length + 9 + 63) / 64;
    for (int b = 0; b < blocks; b++) {
        for (int i = 0; i < 16; i++) {
            u32 word = 0;
            for (int k = 0; k < 4; k++) {
                int at = b * 64 + i * 4 + k;
                word = word << 8 | (at < length ? message[at] : at == length ? 0x80 : 0);
            }
            w[i] = b == blocks - 1 && i == 15 ? length * 8 : word;
        }
        for (int i = 16; i < 64; i++) {
            u32 a = w[i - 15], e = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (__funnelshift_r(a, a, 7) ^ __funnelshift_r(a, a, 18) ^ a >> 3)
                 + (__funnelshift_r(e, e, 17) ^ __funnelshift_r(e, e, 19) ^ e >> 10);
        }
        u32 v[8];
        for (int k = 0; k < 8; k++) v[k] = h[k];
        for (int i = 0; i < 64; i++) {
            u32 e = v[4], a = v[0];
            u32 t1 = v[7] + (__funnelshift_r(e, e, 6) ^ __funnelshift_r(e, e, 11) ^ __funnelshift_r(e, e, 25)) + ((e & v[5]) ^ (~e & v[6])) + primes[i] + w[i];
            u32 t2 = (__funnelshift_r(a, a, 2) ^ __funnelshift_r(a, a, 13) ^ __funnelshift_r(a, a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
            for (int k = 7; k; k--) v[k] = v[k - 1];
            v[4] += t1; v[0] = t1 + t2;
        }
        for (int k = 0; k < 8; k++) h[k] += v[k];
    }
    for (int k = 0; k < 8; k++) out[threadIdx.x * 8 + k] = __byte_perm(h[k], 0, 0x0123);
}
extern "C" __global__ void sieve(unsigned char *composite, int n) {
    for (int p = 2; p * p < n; p++) {
        if (!composite[p]) for (int k = p * (p + threadIdx.x); k < n; k += p * blockDim.x) composite[k] = 1;
        __syncthreads();
    }
}
extern "C" __global__ void greatest_divisor(const u32 *a, const u32 *b, u32 *out) {
    u32 x = a[threadIdx.x], y = b[threadIdx.x];
    while (y) { u32 r = x % y; x = y; y = r; }
    out[threadIdx.x] = x;
}
extern "C" __global__ void collatz(const u64 *x, int *steps) {
    int n = 0;
    for (u64 v = x[threadIdx.x]; v != 1; n++) v = v & 1 ? 3 * v + 1 : v >> 1;
    steps[threadIdx.x] = n;
}
extern "C" __global__ void queens(int n, int *count) {                              // first row from the thread, bit masks after
    int found = 0, depth = 0; u32 columns[16], left[16], right[16], open[16], all = (1u << n) - 1;
    if (threadIdx.x >= n) return;
    columns[0] = 1u << threadIdx.x; left[0] = columns[0] << 1; right[0] = columns[0] >> 1;
    open[0] = all & ~(columns[0] | left[0] | right[0]);
    while (depth >= 0) {
        if (columns[depth] == all) { found++; depth--; continue; }
        u32 bit = open[depth] & -open[depth];
        if (!bit) { depth--; continue; }
        open[depth] ^= bit;
        columns[depth + 1] = columns[depth] | bit; left[depth + 1] = (left[depth] | bit) << 1; right[depth + 1] = (right[depth] | bit) >> 1;
        depth++;
        open[depth] = all & ~(columns[depth] | left[depth] | right[depth]);
    }
    atomicAdd(count, found);
}
""")
U32, U64 = 2**32 - 1, 2**64 - 1


def words(d: Device, n: int = 32) -> np.ndarray:
    x = d.random.integers(0, 2**32, n, "u4")
    x[:3] = [0, U32, 1 << 31]
    return x


def wide(d: Device, n: int = 64) -> tuple[list[int], list[int]]:
    x, y = d.random.integers(-(2**63), 2**63 - 1, (2, n)) >> d.random.integers(0, 60, (2, n))
    y[y == 0] = 3
    x[0], y[0], y[1] = -(2**63), 2, 1
    return x.tolist(), y.tolist()


def quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def cut(v: int, bits: int) -> int:
    """As a signed number."""
    return (v & (1 << bits) - 1) - ((v >> bits - 1 & 1) << bits)


@PLAIN.case
def bit_intrinsics(d: Device) -> None:
    x = words(d)
    out = d.zeros("u4", 256)
    d.launch("bit_intrinsics", 1, 32, d.put(x), out)
    want = []
    for v in x.tolist():
        w = v << 20 | 1 << 60
        want += [v.bit_count(), 32 - v.bit_length(), int(f"{v:032b}"[::-1], 2), (v & -v).bit_length(), w.bit_count(),
                 64 - w.bit_length(), (w & -w).bit_length(), int(f"{w:064b}"[::-1], 2) >> 3 & U32]  # fmt: skip
    d.equal(out, np.uint32(want))


@PLAIN.case
def byte_intrinsics(d: Device) -> None:
    x, y = words(d), words(d)[::-1].copy()
    out = d.zeros("u4", 192)
    d.launch("byte_intrinsics", 1, 32, d.put(x), d.put(y), out)

    def pick(a: int, b: int, s: int) -> int:
        both = (b << 32 | a).to_bytes(8, "little")
        return int.from_bytes(bytes(both[s >> 4 * k & 7] for k in range(4)), "little")

    def bytes_of(v: np.ndarray) -> np.ndarray:
        return v.view("u1").astype("i4")

    a, b, h = bytes_of(x), bytes_of(y), np.maximum(x.view("i2"), y.view("i2")).view("u4")
    lists = [[pick(int(p), int(q), 0x6250) for p, q in zip(x, y)],
             [sum((((int(q) << 32 | int(p)) >> 8 * (int(q) >> 4 * k & 7)) & 255) << 8 * k for k in range(4)) for p, q in zip(x, y)],
             (a + b).astype("u1").view("u4"), abs(a - b).astype("u1").view("u4"), h, ((a > b) * 255).astype("u1").view("u4")]  # fmt: skip
    d.equal(out, np.stack([np.asarray(c, "u4") for c in lists], 1))


@PLAIN.case
def funnel_shift(d: Device) -> None:
    x, y = words(d, 64), words(d, 64)
    out = d.zeros("u4", 256)
    d.launch("funnel_shift", 1, 64, d.put(x), d.put(y), out)
    want = []
    for n, (a, b) in enumerate(zip(x.tolist(), y.tolist())):
        v, c = b << 32 | a, min(n, 32)
        want += [v << (n & 31) >> 32 & U32, v >> (n & 31) & U32, v << c >> 32 & U32, v >> c & U32]
    d.equal(out, np.uint32(want))


@PLAIN.case
def dot_products(d: Device) -> None:
    x, y = words(d), words(d)[::-1].copy()
    out = d.zeros("i4", 128)
    d.launch("dot_products", 1, 32, d.put(x), d.put(y), out)
    s, u = ([v.view(k).astype("i8").reshape(32, 4) for v in (x, y)] for k in ("i1", "u1"))
    halves = x.view("i2").astype("i8").reshape(32, 2)
    want = [
        (s[0] * s[1]).sum(1) + 100,
        (u[0] * u[1]).sum(1) + 7,
        (halves * s[1][:, :2]).sum(1) - 5,
        (halves * s[1][:, 2:]).sum(1) + 5,
    ]
    d.equal(out, np.stack(want, 1).astype("i4"))


@PLAIN.case
def multiply_high(d: Device) -> None:
    x, y = wide(d)
    out = d.zeros("i8", 384)
    d.launch("multiply_high", 1, 64, d.put(np.int64(x)), d.put(np.int64(y)), out)
    want = []
    for a, b in zip(x, y):
        i, j = cut(a, 32), cut(b, 32)
        want += [a * b >> 64, cut((a & U64) * (b & U64) >> 64, 64), i * j >> 32, (a & U32) * (b & U32) >> 32,
                 cut(cut(a, 24) * cut(b, 24), 32), (abs(i - j) + 3 & U32) + (i + j >> 1) + (i + j + 1 >> 1)]  # fmt: skip
    d.equal(out, np.int64(want))


@PLAIN.case
def long_division(d: Device) -> None:
    x, y = wide(d)
    out = d.zeros("i8", 384)
    d.launch("long_division", 1, 64, d.put(np.int64(x)), d.put(np.int64(y)), out)
    want = []
    for a, b in zip(x, y):
        i, j, k, m = cut(a, 32), cut(b | 1, 32), cut(a, 16), cut(b | 1, 16)
        want += [quotient(a, b), a - b * quotient(a, b), cut((a & U64) // (b & U64), 64), cut((a & U64) % (b & U64), 64),
                 cut(quotient(i, j), 32), k - m * quotient(k, m)]  # fmt: skip
    d.equal(out, np.int64(want))


@PLAIN.case
def int_128(d: Device) -> None:
    x, y = d.random.integers(0, 2**64, (2, 32), "u8")
    out = d.zeros("u8", 64)
    d.launch("int_128", 1, 32, d.put(x), d.put(y), out)
    want = []
    for a, b in zip(x.tolist(), y.tolist()):
        v = ((a * b * 12345 + b << 17) ^ a * b >> 9) & (1 << 128) - 1
        want += [v & U64, v >> 64]
    d.equal(out, np.uint64(want))


@PLAIN.case
def big_numbers(d: Device) -> None:
    x, y = d.random.integers(0, 2**32, (2, 16, 8), "u4")
    out = d.zeros("u4", 256)
    d.launch("big_numbers", 1, 16, d.put(x), d.put(y), out)
    products = [int.from_bytes(a.tobytes(), "little") * int.from_bytes(b.tobytes(), "little") for a, b in zip(x, y)]
    d.equal(out, np.frombuffer(b"".join(p.to_bytes(64, "little") for p in products), "u4"))


@PLAIN.case
def modular_power(d: Device) -> None:
    x, e, m = words(d), words(d), 2**31 - 1
    out = d.zeros("u4", 32)
    d.launch("modular_power", 1, 32, d.put(x), d.put(e), m, out)
    d.equal(out, np.uint32([pow(a, b, m) for a, b in zip(x.tolist(), e.tolist())]))


@PLAIN.case
def philox(d: Device) -> None:
    out = d.zeros("u4", 256)
    d.launch("philox", 2, 32, out, 0x12345678, 0x9ABCDEF0)
    want = []
    for n in range(64):
        c, k0, k1 = [n % 32, n // 32, 5, 7], 0x12345678, 0x9ABCDEF0
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [q >> 32 ^ c[1] ^ k0, q & U32, p >> 32 ^ c[3] ^ k1, p & U32]
            k0, k1 = k0 + 0x9E3779B9 & U32, k1 + 0xBB67AE85 & U32
        want += c
    d.equal(out, np.uint32(want))


@PLAIN.case
def xorshift(d: Device) -> None:
    x = d.random.integers(1, 2**64, 32, "u8")
    p = d.put(x)
    d.launch("xorshift", 1, 32, p, 100)
    for _ in range(100):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
    d.equal(p, x * np.uint64(0x2545F4914F6CDD1D))


@PLAIN.case
def sha256(d: Device) -> None:
    primes = [p for p in range(2, 312) if all(p % q for q in range(2, p))]

    def cube_root(p: int) -> int:
        """The first 32 bits of its fraction."""
        low, n = 0, p << 96
        for bit in range(35, -1, -1):
            low += (1 << bit) * ((low + (1 << bit)) ** 3 <= n)
        return low & U32

    d.put_variable("primes", np.uint32([cube_root(p) for p in primes]))
    data, out = d.random.integers(0, 256, (32, 119)).astype("u1"), d.zeros("u4", 256)
    d.launch("sha256", 1, 32, d.put(data), 119, out)
    digests = b"".join(hashlib.sha256(row.tobytes()[: t * 119 // 32]).digest() for t, row in enumerate(data))
    d.equal(out, np.frombuffer(digests, "u4"))


@PLAIN.case
def sieve(d: Device) -> None:
    p = d.zeros("u1", 2000)
    d.launch("sieve", 1, 64, p, 2000)
    d.equal(p, np.uint8([n > 3 and any(n % q == 0 for q in range(2, int(n**0.5) + 1)) for n in range(2000)]))


@PLAIN.case
def greatest_divisor(d: Device) -> None:
    x, y = words(d), words(d)[::-1].copy()
    out = d.zeros("u4", 32)
    d.launch("greatest_divisor", 1, 32, d.put(x), d.put(y), out)
    d.equal(out, np.gcd(x, y))


@PLAIN.case
def collatz(d: Device) -> None:
    out = d.zeros("i4", 64)
    d.launch("collatz", 1, 64, d.put(np.arange(1, 65, dtype="u8")), out)
    want = []
    for v in range(1, 65):
        n = 0
        while v != 1:
            v, n = (3 * v + 1 if v & 1 else v // 2), n + 1
        want.append(n)
    d.equal(out, np.int32(want))


@PLAIN.case
def queens(d: Device) -> None:
    out = d.zeros("i4", 1)
    d.launch("queens", 1, 32, 7, out)
    d.equal(out, np.int32(40))
