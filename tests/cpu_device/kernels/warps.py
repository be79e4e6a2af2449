"""What the threads of a warp do together, and cooperative groups."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
extern "C" __global__ void votes(const int *x, unsigned *out) {
    int t = threadIdx.x, v = x[blockIdx.x * 32 + t];
    unsigned b = __ballot_sync(~0u, v > 0);
    int all = __all_sync(~0u, v > -100), any = __any_sync(~0u, v > 90);
    if (t == 31) { out[blockIdx.x * 3] = b; out[blockIdx.x * 3 + 1] = all; out[blockIdx.x * 3 + 2] = any; }
}
extern "C" __global__ void matches(const unsigned long long *x, unsigned *any, int *all) {
    int t = threadIdx.x, same;
    any[t] = __match_any_sync(~0u, x[t]);
    unsigned m = __match_all_sync(~0u, t / 64 + 5, &same);
    all[t] = same && m == ~0u;
}
extern "C" __global__ void shuffles(const double *x, double *out) {
    int t = threadIdx.x;
    double v = x[t];
    out[t] = __shfl_sync(~0u, v, 3) + 2 * __shfl_up_sync(~0u, v, 1, 8) + 4 * __shfl_down_sync(~0u, v, 2, 16) + 8 * __shfl_xor_sync(~0u, v, 5);
}
extern "C" __global__ void broadcast_divergent(const int *x, int *out) {        // each side of a branch on its own
    int t = threadIdx.x, v = x[t];
    if (v & 1) v = __shfl_sync(__activemask(), v, __ffs(__activemask()) - 1);
    else { unsigned m = __activemask(); v = -__shfl_sync(m, v, 31 - __clz(m)); }
    out[t] = v;
}
extern "C" __global__ void aggregated_atomic(const int *x, int *counters, int *places) {
    int t = blockIdx.x * blockDim.x + threadIdx.x, bin = x[t], lane = threadIdx.x & 31;
    unsigned peers = __match_any_sync(~0u, bin);
    int leader = __ffs(peers) - 1, base = 0;
    if (lane == leader) base = atomicAdd(counters + bin, __popc(peers));
    places[t] = __shfl_sync(~0u, base, leader) + __popc(peers & ((1u << lane) - 1));
}
extern "C" __global__ void lane_masks(unsigned *out) {
    unsigned a, b, c, lane, warp;
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(a)); asm("mov.u32 %0, %%lanemask_ge;" : "=r"(b)); asm("mov.u32 %0, %%lanemask_eq;" : "=r"(c));
    asm("mov.u32 %0, %%laneid;" : "=r"(lane)); asm volatile("mov.u32 %0, %%warpid;" : "=r"(warp));
    out[threadIdx.x] = (a | b) == ~0u && c == 1u << lane && __popc(a) == lane ? warp * 100 + lane : ~0u;
}
extern "C" __global__ void divergence_nested(const int *x, int *out) {
    int t = threadIdx.x, v = x[t], sum = 0;
    for (int i = 0; i < (t & 7); i++) {
        if (v & 1 << i) { for (int j = 0; j <= i; j++) { if (j == (v & 3)) continue; if (j > 5) break; sum += i * j + 1; } }
        else if (i & 1) sum -= t;
        else { int k = v; while (k > 10) { k /= 3; sum++; if (k == 20) goto out_of_it; } }
    }
out_of_it:
    out[t] = sum + __popc(__ballot_sync(~0u, sum > 0));
}
extern "C" __global__ void early_exit(int *out, int n) {
    __shared__ int count;
    if (!threadIdx.x) count = 0;
    __syncthreads();
    if (threadIdx.x >= n) return;                           // barriers count the threads that are left
    atomicAdd(&count, 1);
    __syncthreads();
    if (!threadIdx.x) *out = count;
}
extern "C" __global__ void warp_transpose(const int *x, int *y) {       // 32x32 in registers only
    int v[32], t = threadIdx.x;
    #pragma unroll
    for (int r = 0; r < 32; r++) v[r] = x[r * 32 + t];
    #pragma unroll
    for (int o = 16; o; o >>= 1)
        #pragma unroll
        for (int r = 0; r < 32; r++) if (!(r & o)) {
            bool up = t & o;
            int give = up ? v[r] : v[r | o], got = __shfl_xor_sync(~0u, give, o);
            if (up) v[r] = got; else v[r | o] = got;
        }
    #pragma unroll
    for (int r = 0; r < 32; r++) y[r * 32 + t] = v[r];
}
extern "C" __global__ void barrier_votes(const int *x, int *out) {
    int v = x[threadIdx.x];
    int count = __syncthreads_count(v > 0), all = __syncthreads_and(v > -100), any = __syncthreads_or(v == 77);
    if (threadIdx.x == 5) { out[0] = count; out[1] = all != 0; out[2] = any != 0; }
}
""")
REDUX = Unit(
    r"""
extern "C" __global__ void warp_reduce(const int *x, int *out) {
    int v = x[threadIdx.x];
    int s = __reduce_add_sync(~0u, v), lo = __reduce_min_sync(~0u, v), hi = __reduce_max_sync(~0u, v);
    unsigned a = __reduce_and_sync(~0u, (unsigned)v), o = __reduce_or_sync(~0u, (unsigned)v), e = __reduce_xor_sync(~0u, (unsigned)v);
    if (!threadIdx.x) { out[0] = s; out[1] = lo; out[2] = hi; out[3] = a; out[4] = o; out[5] = e; }
}
""",
    since=80,
)
GROUPS = Unit(r"""
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;
extern "C" __global__ void group_tiles(const int *x, int *sums, int *ranks) {
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<8>(block);
    int t = block.thread_rank(), v = cg::reduce(tile, x[t], cg::plus<int>());
    if (tile.thread_rank() == 0) sums[tile.meta_group_rank()] = v;
    ranks[t] = tile.thread_rank() * 100 + tile.shfl(t, 2);
    block.sync();
}
extern "C" __global__ void group_coalesced(const int *x, int *out, int *count) {
    int v = x[threadIdx.x];
    if (v % 3 == 0) {
        auto active = cg::coalesced_threads();
        int base = 0;
        if (active.thread_rank() == 0) base = atomicAdd(count, (int)active.size());
        out[active.shfl(base, 0) + active.thread_rank()] = v;
    }
}
extern "C" __global__ void group_grid(int *x, int n, int turns) {       // a ring of neighbours, synchronised over the grid
    auto grid = cg::this_grid();
    int i = grid.thread_rank();
    for (int turn = 0; turn < turns; turn++) {
        int v = x[i] + x[(i + 1) % n];
        grid.sync();
        x[i] = v;
        grid.sync();
    }
}
""")


@PLAIN.case
def votes(d: Device) -> None:
    x = d.random.integers(-100, 100, (4, 32)).astype("i4")
    x[0, 5], x[1, 7] = -100, 95
    out = d.zeros("u4", 12)
    d.launch("votes", 4, 32, d.put(x), out)
    masks = ((x > 0).astype("u4") << np.arange(32, dtype="u4")).sum(1)
    d.equal(out, np.stack([masks, (x > -100).all(1), (x > 90).any(1)], 1).astype("u4"))


@PLAIN.case
def matches(d: Device) -> None:
    x = d.random.integers(0, 4, 32).astype("u8") << 40
    some, every = d.zeros("u4", 32), d.zeros("i4", 32)
    d.launch("matches", 1, 32, d.put(x), some, every)
    d.equal(some, np.uint32([sum(1 << k for k in range(32) if x[k] == v) for v in x]))
    d.equal(every, np.ones(32, "i4"))


@PLAIN.case
def shuffles(d: Device) -> None:
    x = d.random.integers(0, 1000, 32).astype("f8")
    out = d.zeros("f8", 32)
    d.launch("shuffles", 1, 32, d.put(x), out)
    t = np.arange(32)
    up, down = np.where(t % 8 >= 1, t - 1, t), np.where(t % 16 + 2 < 16, t + 2, t)
    d.equal(out, x[3] + 2 * x[up] + 4 * x[down] + 8 * x[t ^ 5])


@PLAIN.case
def broadcast_divergent(d: Device) -> None:
    x = d.random.integers(0, 1000, 32).astype("i4")
    out = d.zeros("i4", 32)
    d.launch("broadcast_divergent", 1, 32, d.put(x), out)
    odd = x % 2 == 1
    d.equal(out, np.where(odd, x[odd][0], -x[~odd][-1]).astype("i4"))


@PLAIN.case
def aggregated_atomic(d: Device) -> None:
    x = d.random.integers(0, 5, 256).astype("i4")
    counters, places = d.zeros("i4", 5), d.zeros("i4", 256)
    d.launch("aggregated_atomic", 2, 128, d.put(x), counters, places)
    d.equal(counters, np.bincount(x, minlength=5).astype("i4"))
    got = d.get(places, "i4")
    for k in range(5):  # each place is taken once
        assert sorted(got[x == k]) == list(range((x == k).sum()))


@PLAIN.case
def lane_masks(d: Device) -> None:
    out = d.zeros("u4", 96)
    d.launch("lane_masks", 1, 96, out)
    t = np.arange(96)
    d.equal(out, (t // 32 * 100 + t % 32).astype("u4"))


@PLAIN.case
def divergence_nested(d: Device) -> None:
    x = d.random.integers(0, 5000, 32).astype("i4")
    out = d.zeros("i4", 32)
    d.launch("divergence_nested", 1, 32, d.put(x), out)

    def one(t: int, v: int) -> int:
        total = 0
        for i in range(t & 7):
            if v >> i & 1:
                total += sum(i * j + 1 for j in range(min(i, 5) + 1) if j != v & 3)
            elif i & 1:
                total -= t
            else:
                k = v
                while k > 10:
                    k //= 3
                    total += 1
                    if k == 20:
                        return total
        return total

    sums = np.int32([one(t, int(v)) for t, v in enumerate(x)])
    d.equal(out, sums + np.int32((sums > 0).sum()))


@PLAIN.case
def early_exit(d: Device) -> None:
    for n in (1, 37, 64, 200):
        out = d.zeros("i4", 1)
        d.launch("early_exit", 1, 200, out, n)
        d.equal(out, np.int32(n))


@PLAIN.case
def warp_transpose(d: Device) -> None:
    x = d.random.integers(0, 2**30, (32, 32)).astype("i4")
    y = d.zeros("i4", 1024)
    d.launch("warp_transpose", 1, 32, d.put(x), y)
    d.equal(y, x.T)


@PLAIN.case
def barrier_votes(d: Device) -> None:
    x = d.random.integers(-50, 50, 100).astype("i4")
    out = d.zeros("i4", 3)
    d.launch("barrier_votes", 1, 100, d.put(x), out)
    d.equal(out, np.int32([(x > 0).sum(), 1, 0]))


@REDUX.case
def warp_reduce(d: Device) -> None:
    x = d.random.integers(-(2**20), 2**20, 32).astype("i4")
    out = d.zeros("i4", 6)
    d.launch("warp_reduce", 1, 32, d.put(x), out)
    bits = [f.reduce(x) for f in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)]
    d.equal(out, np.int32([x.sum(), x.min(), x.max(), *bits]))


@GROUPS.case
def group_tiles(d: Device) -> None:
    x = d.random.integers(-99, 99, 64).astype("i4")
    sums, ranks = d.zeros("i4", 8), d.zeros("i4", 64)
    d.launch("group_tiles", 1, 64, d.put(x), sums, ranks)
    t = np.arange(64)
    d.equal(sums, x.reshape(8, 8).sum(1).astype("i4"))
    d.equal(ranks, (t % 8 * 100 + t // 8 * 8 + 2).astype("i4"))


@GROUPS.case
def group_coalesced(d: Device) -> None:
    x = d.random.integers(0, 99, 128).astype("i4")
    want = x[x % 3 == 0]
    out, count = d.zeros("i4", len(want)), d.zeros("i4", 1)
    d.launch("group_coalesced", 1, 128, d.put(x), out, count)
    d.equal(count, np.int32(len(want)))
    assert sorted(d.get(out, "i4")) == sorted(want)


@GROUPS.case
def group_grid(d: Device) -> None:
    x = d.random.integers(0, 99, 256).astype("i4")
    p = d.put(x)
    d.launch("group_grid", 4, 64, p, 256, 5, cooperative=True)
    for _ in range(5):
        x = x + np.roll(x, -1)
    d.equal(p, x)
