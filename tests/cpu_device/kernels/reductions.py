"""Sums, scans, histograms and compaction."""

from itertools import pairwise

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
extern "C" __global__ void reduce_shared(const int *x, int *out, int n) {
    __shared__ int s[256];
    int t = threadIdx.x, i = blockIdx.x * 256 + t;
    s[t] = i < n ? x[i] : 0;
    __syncthreads();
    for (int half = 128; half; half >>= 1) {
        if (t < half) s[t] += s[t + half];
        __syncthreads();
    }
    if (!t) out[blockIdx.x] = s[0];
}
extern "C" __global__ void reduce_shuffle(const double *x, double *out, int n) {
    __shared__ double part[32];
    double v = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) v += x[i];
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 32) {
        v = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
        for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
        if (!threadIdx.x) *out = v;
    }
}
extern "C" __global__ void reduce_atomic(const int *x, unsigned long long *sum, int *least, int *most, unsigned *bits, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    atomicAdd(sum, (unsigned long long)(long long)x[i]);
    atomicMin(least, x[i]);
    atomicMax(most, x[i]);
    atomicOr(bits, 1u << (x[i] & 31));
    atomicAnd(bits + 1, (unsigned)x[i] | 0xff00ff00u);
    atomicXor(bits + 2, (unsigned)x[i]);
}
extern "C" __global__ void reduce_unrolled(const float *x, float *out) {
    __shared__ volatile float s[128];       // two loads a thread, the last warp without barriers of the CTA
    int t = threadIdx.x, i = blockIdx.x * 256 + t;
    s[t] = x[i] + x[i + 128];
    __syncthreads();
    if (t < 64) s[t] += s[t + 64];
    __syncthreads();
    if (t < 32) {
        float v = s[t] + s[t + 32];
        for (int o = 16; o; o >>= 1) {
            s[t] = v; __syncwarp();
            if (t < o) v += s[t + o];
            __syncwarp();
        }
        if (!t) out[blockIdx.x] = v;
    }
}
__device__ unsigned done_blocks;
extern "C" __global__ void reduce_last_block(const unsigned *x, unsigned *partial, unsigned *out, int n) {
    __shared__ unsigned s[128];
    __shared__ bool last;
    unsigned v = 0, t = threadIdx.x;
    for (int i = blockIdx.x * 128 + t; i < n; i += gridDim.x * 128) v = v * 1u + x[i];
    s[t] = v;
    for (int half = 64; half; half >>= 1) { __syncthreads(); if (t < half) s[t] += s[t + half]; }
    if (!t) {
        partial[blockIdx.x] = s[0];
        __threadfence();
        last = atomicInc(&done_blocks, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && !t) {
        unsigned sum = 0;
        for (unsigned b = 0; b < gridDim.x; b++) sum += ((volatile unsigned *)partial)[b];
        *out = sum;
    }
}
extern "C" __global__ void argmax(const float *x, int *where, int n) {
    float best = x[0]; int at = 0;
    for (int i = threadIdx.x; i < n; i += 32) if (x[i] > best) { best = x[i]; at = i; }
    for (int o = 16; o; o >>= 1) {
        float other = __shfl_xor_sync(~0u, best, o); int place = __shfl_xor_sync(~0u, at, o);
        if (other > best || (other == best && place < at)) { best = other; at = place; }
    }
    if (!threadIdx.x) *where = at;
}
extern "C" __global__ void scan_hillis_steele(const int *x, int *y) {
    extern __shared__ int both[];
    int t = threadIdx.x, n = blockDim.x, from = 0;
    both[t] = x[t];
    __syncthreads();
    for (int d = 1; d < n; d *= 2) {
        int v = both[from * n + t];
        if (t >= d) v += both[from * n + t - d];
        from ^= 1;
        both[from * n + t] = v;
        __syncthreads();
    }
    y[t] = both[from * n + t];
}
#define AT(i) ((i) + ((i) >> 5))
extern "C" __global__ void scan_blelloch(const unsigned *x, unsigned *y) {   // exclusive, free of bank conflicts
    __shared__ unsigned s[512 + 16];
    int t = threadIdx.x, n = 512, offset = 1;
    s[AT(t)] = x[t]; s[AT(t + 256)] = x[t + 256];
    for (int d = n / 2; d; d >>= 1, offset *= 2) {
        __syncthreads();
        if (t < d) s[AT(offset * (2 * t + 2) - 1)] += s[AT(offset * (2 * t + 1) - 1)];
    }
    __syncthreads();
    if (!t) s[AT(n - 1)] = 0;
    for (int d = 1; d < n; d *= 2) {
        offset >>= 1;
        __syncthreads();
        if (t < d) {
            int a = AT(offset * (2 * t + 1) - 1), b = AT(offset * (2 * t + 2) - 1);
            unsigned v = s[a]; s[a] = s[b]; s[b] += v;
        }
    }
    __syncthreads();
    y[t] = s[AT(t)]; y[t + 256] = s[AT(t + 256)];
}
__device__ unsigned next_tile;
extern "C" __global__ void scan_look_back(const int *x, int *y, volatile unsigned long long *state, int n) {
    __shared__ int s[128], tile, before;        // state: 1 sum of the tile, 2 sum of all up to it; the value above
    int t = threadIdx.x;
    if (!t) tile = atomicAdd(&next_tile, 1);
    __syncthreads();
    int i = tile * 128 + t;
    s[t] = i < n ? x[i] : 0;
    for (int d = 1; d < 128; d *= 2) {
        __syncthreads();
        int v = t >= d ? s[t - d] : 0;
        __syncthreads();
        s[t] += v;
    }
    __syncthreads();
    if (!t) {
        unsigned long long own = (unsigned)s[127];
        state[tile] = own << 32 | (tile ? 1 : 2);
        __threadfence();
        int sum = 0;
        for (int k = tile - 1; k >= 0;) {
            unsigned long long seen = state[k];
            if (!(seen & 3)) continue;
            sum += (int)(seen >> 32);
            if (seen & 2) break;
            k--;
        }
        before = sum;
        if (tile) state[tile] = (unsigned long long)(unsigned)(sum + s[127]) << 32 | 2;
    }
    __syncthreads();
    if (i < n) y[i] = s[t] + before;
}
extern "C" __global__ void segmented_sum(const int *x, const int *start, int *out) {   // one warp a segment
    int segment = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32, v = 0;
    for (int i = start[segment] + lane; i < start[segment + 1]; i += 32) v += x[i];
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
    if (!lane) out[segment] = v;
}
extern "C" __global__ void histogram_shared(const unsigned char *x, unsigned *h, int n) {
    __shared__ unsigned s[2][256];
    unsigned *own = s[threadIdx.x / 128 % 2];
    s[0][threadIdx.x] = s[1][threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) atomicAdd(&own[x[i]], 1u);
    __syncthreads();
    atomicAdd(&h[threadIdx.x], s[0][threadIdx.x] + s[1][threadIdx.x]);
}
extern "C" __global__ void histogram_global(const uchar4 *x, unsigned *h, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    uchar4 v = x[i];
    atomicAdd(h + v.x, 1u); atomicAdd(h + v.y, 1u); atomicAdd(h + v.z, 1u); atomicAdd(h + v.w, 1u);
}
extern "C" __global__ void compaction(const int *x, int *out, int *count, int n) {     // ordered, one CTA
    __shared__ int offsets[8], total;
    int t = threadIdx.x, lane = t % 32, warp = t / 32;
    if (!t) total = 0;
    for (int base = 0; base < n; base += 256) {
        __syncthreads();
        int i = base + t;
        bool keep = i < n && x[i] % 3 == 0;
        unsigned votes = __ballot_sync(~0u, keep);
        if (!lane) offsets[warp] = __popc(votes);
        __syncthreads();
        int at = total + __popc(votes & ((1u << lane) - 1)), all = total;
        for (int w = 0; w < 8; w++) { if (w < warp) at += offsets[w]; all += offsets[w]; }
        if (keep) out[at] = x[i];
        __syncthreads();
        if (!t) total = all;
    }
    __syncthreads();
    if (!t) *count = total;
}
extern "C" __global__ void mean_variance(const float *x, double *out, int n) {      // Welford's, merged over a warp
    double count = 0, mean = 0, squares = 0;
    for (int i = threadIdx.x; i < n; i += 32) {
        count += 1;
        double d = x[i] - mean;
        mean += d / count;
        squares += d * (x[i] - mean);
    }
    for (int o = 16; o; o >>= 1) {
        double c = __shfl_xor_sync(~0u, count, o), m = __shfl_xor_sync(~0u, mean, o), s = __shfl_xor_sync(~0u, squares, o);
        double d = m - mean, all = count + c;
        mean += d * c / all; squares += s + d * d * count * c / all; count = all;
    }
    if (!threadIdx.x) { out[0] = mean; out[1] = squares / count; }
}
""")


@PLAIN.case
def reduce_shared(d: Device) -> None:
    x = d.random.integers(-1000, 1000, 5000).astype("i4")
    out = d.zeros("i4", 20)
    d.launch("reduce_shared", 20, 256, d.put(x), out, len(x))
    d.equal(out, np.append(x, np.zeros(120, "i4")).reshape(20, 256).sum(1).astype("i4"))


@PLAIN.case
def reduce_shuffle(d: Device) -> None:
    x = d.random.random(4001)
    out = d.zeros("f8", 1)
    d.launch("reduce_shuffle", 1, 192, d.put(x), out, len(x))
    d.close(out, np.array([x.sum()]), 1e-13)


@PLAIN.case
def reduce_atomic(d: Device) -> None:
    x = d.random.integers(-(2**31), 2**31, 1000).astype("i4")
    total, least, most = d.zeros("u8", 1), d.put(np.int32([2**31 - 1])), d.put(np.int32([-(2**31)]))
    bits = d.put(np.uint32([0, 0xFFFFFFFF, 0]))
    d.launch("reduce_atomic", 8, 128, d.put(x), total, least, most, bits, len(x))
    d.equal(total, np.array([x.astype("i8").sum()]))
    d.equal(least, x.min())
    d.equal(most, x.max())
    some = np.bitwise_or.reduce(np.uint32(1) << (x & 31).astype("u4"))
    d.equal(
        bits, np.uint32([some, np.bitwise_and.reduce(x.view("u4") | 0xFF00FF00), np.bitwise_xor.reduce(x.view("u4"))])
    )


@PLAIN.case
def reduce_unrolled(d: Device) -> None:
    x = d.random.integers(0, 100, 1024).astype("f4")
    out = d.zeros("f4", 4)
    d.launch("reduce_unrolled", 4, 128, d.put(x), out)
    d.equal(out, x.reshape(4, 256).sum(1))


@PLAIN.case
def reduce_last_block(d: Device) -> None:
    x = d.random.integers(0, 2**32, 4000, "u4")
    partial, out = d.zeros("u4", 9), d.zeros("u4", 1)
    for _ in range(2):  # the counter starts anew by itself
        d.launch("reduce_last_block", 9, 128, d.put(x), partial, out, len(x))
        d.equal(out, x.sum(dtype="u4"))


@PLAIN.case
def argmax(d: Device) -> None:
    x = d.random.integers(0, 50, 999).astype("f4")
    out = d.zeros("i4", 1)
    d.launch("argmax", 1, 32, d.put(x), out, len(x))
    d.equal(out, np.int32(x.argmax()))


@PLAIN.case
def scan_hillis_steele(d: Device) -> None:
    x = d.random.integers(-9, 9, 512).astype("i4")
    out = d.zeros("i4", 512)
    d.launch("scan_hillis_steele", 1, 512, d.put(x), out, shared=4096)
    d.equal(out, x.cumsum(dtype="i4"))


@PLAIN.case
def scan_blelloch(d: Device) -> None:
    x = d.random.integers(0, 2**32, 512, "u4")
    out = d.zeros("u4", 512)
    d.launch("scan_blelloch", 1, 256, d.put(x), out)
    d.equal(out, x.cumsum(dtype="u4") - x)


@PLAIN.case
def scan_look_back(d: Device) -> None:
    x = d.random.integers(-100, 100, 4000).astype("i4")
    out, state = d.zeros("i4", 4000), d.zeros("u8", 32)
    d.launch("scan_look_back", 32, 128, d.put(x), out, state, len(x))
    d.equal(out, x.cumsum(dtype="i4"))


@PLAIN.case
def segmented_sum(d: Device) -> None:
    starts = np.sort(d.random.integers(0, 2000, 17)).astype("i4")
    x = d.random.integers(-9, 9, 2000).astype("i4")
    out = d.zeros("i4", 16)
    d.launch("segmented_sum", 4, 128, d.put(x), d.put(starts), out)
    d.equal(out, np.int32([x[a:b].sum() for a, b in pairwise(starts)]))


@PLAIN.case
def histogram_shared(d: Device) -> None:
    x = d.random.integers(0, 256, 9999).astype("u1")
    out = d.zeros("u4", 256)
    d.launch("histogram_shared", 4, 256, d.put(x), out, len(x))
    d.equal(out, np.bincount(x, minlength=256).astype("u4"))


@PLAIN.case
def histogram_global(d: Device) -> None:
    x = d.random.integers(0, 64, 4000).astype("u1")
    out = d.zeros("u4", 64)
    d.launch("histogram_global", 8, 128, d.put(x), out, 1000)
    d.equal(out, np.bincount(x, minlength=64).astype("u4"))


@PLAIN.case
def compaction(d: Device) -> None:
    x = d.random.integers(0, 1000, 1000).astype("i4")
    want = x[x % 3 == 0]
    out, count = d.zeros("i4", len(want)), d.zeros("i4", 1)
    d.launch("compaction", 1, 256, d.put(x), out, count, len(x))
    d.equal(out, want)
    d.equal(count, np.int32(len(want)))


@PLAIN.case
def mean_variance(d: Device) -> None:
    x = (d.random.standard_normal(3000) * 3 + 100).astype("f4")
    out = d.zeros("f8", 2)
    d.launch("mean_variance", 1, 32, d.put(x), out, len(x))
    d.close(out, np.array([x.mean(dtype="f8"), x.var(dtype="f8")]), 1e-9)
