"""Clusters of CTAs that read and write each other's shared memory."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

CLUSTERS = Unit(
    r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
extern "C" __cluster_dims__(4, 1, 1) __global__ void cluster_histogram(const unsigned char *x, int n, int *bins) {
    __shared__ int own[64];                                     // of 256 bins every CTA has a quarter
    auto cluster = cg::this_cluster();
    for (int k = threadIdx.x; k < 64; k += blockDim.x) own[k] = 0;
    cluster.sync();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(cluster.map_shared_rank(own, x[i] / 64) + x[i] % 64, 1);
    cluster.sync();
    for (int k = threadIdx.x; k < 64; k += blockDim.x) atomicAdd(bins + cluster.block_rank() * 64 + k, own[k]);
}
extern "C" __cluster_dims__(2, 2, 1) __global__ void cluster_places(int *out) {
    auto cluster = cg::this_cluster();
    if (threadIdx.x) return;
    int at = (blockIdx.y * gridDim.x + blockIdx.x) * 4;
    out[at] = cluster.block_rank(); out[at + 1] = cluster.num_blocks();
    out[at + 2] = cluster.block_index().x * 10 + cluster.block_index().y; out[at + 3] = cluster.dim_blocks().x * 10 + cluster.dim_blocks().y;
}
extern "C" __cluster_dims__(8, 1, 1) __global__ void cluster_reduce(const int *x, long long *out) {
    __shared__ long long sum;
    auto cluster = cg::this_cluster();
    if (!threadIdx.x) sum = 0;
    __syncthreads();
    atomicAdd((unsigned long long *)&sum, (unsigned long long)(long long)x[blockIdx.x * blockDim.x + threadIdx.x]);
    for (unsigned half = 4; half; half /= 2) {                  // a tree over the CTAs
        cluster.sync();
        unsigned rank = cluster.block_rank();
        long long other = rank < half && !threadIdx.x ? *cluster.map_shared_rank(&sum, rank + half) : 0;
        if (rank < half && !threadIdx.x) sum += other;
    }
    cluster.sync();
    if (!cluster.block_rank() && !threadIdx.x) out[blockIdx.x / 8] = sum;
}
extern "C" __cluster_dims__(4, 1, 1) __global__ void cluster_ring(int *data, int turns) {   // every CTA's part goes round
    __shared__ int part[2][32];
    auto cluster = cg::this_cluster();
    int rank = cluster.block_rank(), t = threadIdx.x, i = blockIdx.x * 32 + t;
    part[0][t] = data[i];
    cluster.sync();
    for (int turn = 0; turn < turns; turn++) {
        int *next = cluster.map_shared_rank(part[(turn + 1) & 1], (rank + 1) % 4);
        next[t] = part[turn & 1][t] * 3 + rank;
        cluster.sync();
    }
    data[i] = part[turns & 1][t];
}
""",
    since=90,
)


@CLUSTERS.case
def cluster_histogram(d: Device) -> None:
    x = (d.random.normal(120, 40, 5000) % 256).astype("u1")
    bins = d.zeros("i4", 256)
    d.launch("cluster_histogram", 12, 64, d.put(x), len(x), bins)
    d.equal(bins, np.bincount(x, minlength=256).astype("i4"))


@CLUSTERS.case
def cluster_places(d: Device) -> None:
    out = d.zeros("i4", 6 * 4 * 4)
    d.launch("cluster_places", (6, 4), 32, out)
    y, x = np.mgrid[:4, :6]
    want = np.stack([y % 2 * 2 + x % 2, np.full_like(x, 4), x % 2 * 10 + y % 2, np.full_like(x, 22)], -1)
    d.equal(out, want.astype("i4"))


@CLUSTERS.case
def cluster_reduce(d: Device) -> None:
    x = d.random.integers(-(2**31), 2**31, 3 * 8 * 64, "i4")
    out = d.zeros("i8", 3)
    d.launch("cluster_reduce", 24, 64, d.put(x), out)
    d.equal(out, x.reshape(3, -1).sum(1, "i8"))


@CLUSTERS.case
def cluster_ring(d: Device) -> None:
    x = d.random.integers(-9, 9, (2, 4, 32)).astype("i4")
    p = d.put(x)
    d.launch("cluster_ring", 8, 32, p, 6)
    for _ in range(6):
        x = np.roll(x * 3 + np.arange(4, dtype="i4")[None, :, None], 1, 1)
    d.equal(p, x)
