"""CUDA C++ that the execution tests compile with NVRTC and run."""

PLAIN = r"""
typedef unsigned char u8;
extern "C" __global__ void saxpy(float a, const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
extern "C" __global__ void matmul(const float *a, const float *b, float *c, int n) {
    __shared__ float as[16][16], bs[16][16];
    int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * 16 + y, column = blockIdx.x * 16 + x;
    float sum = 0;
    for (int t = 0; t < n; t += 16) {
        as[y][x] = a[row * n + t + x];
        bs[y][x] = b[(t + y) * n + column];
        __syncthreads();
        for (int k = 0; k < 16; k++) sum += as[y][k] * bs[k][x];
        __syncthreads();
    }
    c[row * n + column] = sum;
}
extern "C" __global__ void reduce(const int *x, int *out, int n) {
    int v = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v += x[i];
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
    __shared__ int part[32];
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 32) {
        v = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
        for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
        if (threadIdx.x == 0) atomicAdd(out, v);
    }
}
extern "C" __global__ void histogram(const u8 *x, unsigned *h, int n) {
    __shared__ unsigned s[256];
    s[threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) atomicAdd(&s[x[i]], 1u);
    __syncthreads();
    atomicAdd(&h[threadIdx.x], s[threadIdx.x]);
}
extern "C" __global__ void scan(const int *x, int *y) {
    extern __shared__ int s[];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    for (int d = 1; d < blockDim.x; d <<= 1) {
        int v = t >= d ? s[t - d] : 0;
        __syncthreads();
        s[t] += v;
        __syncthreads();
    }
    y[t] = s[t];
}
extern "C" __global__ void mandelbrot(int *out, int width, int height, int limit) {
    int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y, n = 0;
    float cx = -2.0f + 3.0f * px / width, cy = -1.5f + 3.0f * py / height, x = 0, y = 0;
    while (n < limit && __fadd_rn(__fmul_rn(x, x), __fmul_rn(y, y)) < 4.0f) {
        float t = __fadd_rn(__fadd_rn(__fmul_rn(x, x), -__fmul_rn(y, y)), cx);
        y = __fadd_rn(__fmul_rn(2 * x, y), cy);
        x = t;
        n++;
    }
    out[py * width + px] = n;
}
extern "C" __global__ void bitonic(unsigned *x) {
    __shared__ unsigned s[256];
    unsigned t = threadIdx.x;
    s[t] = x[blockIdx.x * 256 + t];
    for (unsigned k = 2; k <= 256; k <<= 1)
        for (unsigned j = k >> 1; j; j >>= 1) {
            __syncthreads();
            unsigned o = t ^ j;
            if (o > t && ((t & k) == 0) == (s[t] > s[o])) { unsigned v = s[t]; s[t] = s[o]; s[o] = v; }
        }
    __syncthreads();
    x[blockIdx.x * 256 + t] = s[t];
}
extern "C" __global__ void lock(int *lock, int *count) {
    while (atomicCAS(lock, 0, 1) != 0) {}
    *(volatile int *)count = *(volatile int *)count + 1;
    __threadfence();
    atomicExch(lock, 0);
}
__device__ __noinline__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
extern "C" __global__ void recursion(int *out) { out[threadIdx.x] = fibonacci(threadIdx.x % 12); }
struct Shape { __device__ virtual int area(int x) { return x + 1; } };
struct Twice : Shape { __device__ int area(int x) override { return 2 * x; } };
struct Square : Shape { __device__ int area(int x) override { return x * x; } };
extern "C" __global__ void virtual_calls(int *out) {
    Shape shape; Twice twice; Square square;
    Shape *all[3] = {&twice, &square, &shape};
    out[threadIdx.x] = all[threadIdx.x % 3]->area(threadIdx.x);
}
__device__ int plus(int a, int b) { return a + b; }
__device__ int times(int a, int b) { return a * b; }
__device__ int (*table[2])(int, int) = {plus, times};
extern "C" __global__ void function_table(int *out) { out[threadIdx.x] = table[threadIdx.x & 1](threadIdx.x, 3); }
extern "C" __global__ void switches(int *out) {
    int r;
    switch (threadIdx.x % 9) {
    case 0: r = 7; break;
    case 1: r = out[0] * 3; break;
    case 2: r = 11; break;
    case 3: r = out[1] + 13; break;
    case 4: r = 15; break;
    case 5: r = 2 + out[2]; break;
    case 6: r = 9; break;
    default: r = -1;
    }
    out[32 + threadIdx.x] = r;
}
extern "C" __global__ void print(int a) { printf("%d %s %5.2f %lld %c%% %x %p\n", (int)threadIdx.x + a, "text", 1.5, 1ll << 40, 'z', 255u, (void *)0); }
extern "C" __global__ void heap(int *out) {
    int *p = (int *)malloc(64);
    p[3] = threadIdx.x * 5;
    __syncthreads();
    out[threadIdx.x] = p[3];
    free(p);
}
__constant__ int constant_table[4] = {5, 6, 7, 8};
__device__ int global_table[4] = {1, 2, 3, 4};
__device__ int *pointer = &global_table[2];
extern "C" __global__ void tables(int *out) { out[threadIdx.x] = constant_table[threadIdx.x % 4] + global_table[threadIdx.x % 4] + *pointer; }
struct Big { int v[20]; double d; };
__device__ __noinline__ Big grow(Big b, int k) { for (int i = 0; i < 20; i++) b.v[i] += k * i; b.d *= 2; return b; }
extern "C" __global__ void structs(Big in, Big *out) { out[threadIdx.x] = grow(in, threadIdx.x); }
extern "C" __global__ void long_long(const long long *a, const long long *b, long long *out) {
    int i = threadIdx.x;
    out[i] = a[i] / b[i] + a[i] % b[i] + (long long)__umul64hi(a[i], b[i]) + __popcll(a[i]) + __clzll(b[i]);
}
extern "C" __global__ void stencil(const float4 *x, float4 *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= 0 || i >= n - 1) return;
    float4 l = x[i - 1], m = x[i], r = x[i + 1];
    y[i] = make_float4(l.w + m.y, m.x + m.z, m.y + m.w, m.z + r.x);
}
extern "C" __global__ void math(const float *x, float *y, double *z) {
    int i = threadIdx.x;
    float v = x[i];
    double d = v;
    y[i] = sinf(v) + expf(v) * logf(fabsf(v) + 1) + powf(fabsf(v), 1.5f) + erff(v) + tanhf(v) + v / 3 + sqrtf(fabsf(v)) + fmodf(v, 0.7f);
    z[i] = sin(d) + exp(d) + pow(fabs(d), 2.5) + log(fabs(d) + 1) + d / 3 + sqrt(fabs(d)) + cbrt(d) + atan2(d, 2.0);
}
extern "C" __global__ void fails(int *x) {
    x[threadIdx.x] = 1;
    x[threadIdx.x + 1000] = 2;  // line of the defect
}
"""

HEADERS = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;
extern "C" __global__ void halves(const float *x, float *y) {
    __half h = __float2half(x[threadIdx.x]);
    __half2 h2 = __halves2half2(h, __hadd(h, h));
    h2 = __hfma2(h2, h2, h2);
    __nv_bfloat16 b = __float2bfloat16(x[threadIdx.x]);
    b = b * b + b;
    y[2 * threadIdx.x] = __low2float(h2) + __high2float(h2);
    y[2 * threadIdx.x + 1] = __bfloat162float(b);
}
extern "C" __global__ void groups(const int *x, int *y) {
    cg::thread_block block = cg::this_thread_block();
    auto tile = cg::tiled_partition<8>(block);
    int v = x[block.thread_rank()];
    y[block.thread_rank()] = cg::reduce(tile, v, cg::plus<int>()) + tile.shfl(v, 3);
    if (v & 1) {
        cg::coalesced_group active = cg::coalesced_threads();
        y[block.thread_rank()] += 1000 * active.size();
    }
    block.sync();
}
extern "C" __global__ void whole_grid(int *x, int *out) {
    cg::grid_group grid = cg::this_grid();
    x[grid.thread_rank()] = grid.thread_rank();
    grid.sync();
    out[grid.thread_rank()] = x[grid.size() - 1 - grid.thread_rank()];
}
"""

CLUSTERS = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
// Each block's sum is read by the others of its cluster, out of its shared memory.
extern "C" __global__ void sums(const int *x, int *out) {
    __shared__ int part[256];
    __shared__ int total;
    cg::cluster_group cluster = cg::this_cluster();
    unsigned t = threadIdx.x;
    part[t] = x[blockIdx.x * blockDim.x + t];
    if (t == 0) total = 0;
    __syncthreads();
    atomicAdd(&total, part[t]);
    cluster.sync();
    if (t == 0) {
        int sum = 0;
        for (unsigned r = 0; r < cluster.num_blocks(); r++) sum += *cluster.map_shared_rank(&total, r);
        out[blockIdx.x] = sum;
    }
    cluster.sync();
}
extern "C" __global__ void __cluster_dims__(4, 1, 1) fixed(unsigned *out) {
    cg::cluster_group c = cg::this_cluster();
    unsigned b = blockIdx.x + gridDim.x * blockIdx.y;
    if (threadIdx.x == 0) {
        out[8 * b] = c.block_rank();
        out[8 * b + 1] = c.num_blocks();
        out[8 * b + 2] = c.block_index().x;
        out[8 * b + 3] = c.dim_blocks().x;
        out[8 * b + 4] = c.num_threads();
        unsigned x, n, e;
        asm volatile("mov.u32 %0, %%clusterid.x; mov.u32 %1, %%nclusterid.x;" : "=r"(x), "=r"(n));
        asm volatile("{.reg .pred p; mov.pred p, %%is_explicit_cluster; selp.u32 %0, 1, 0, p;}" : "=r"(e));
        out[8 * b + 5] = x;
        out[8 * b + 6] = n;
        out[8 * b + 7] = e;
    }
}
// Counts into the bins of all blocks of the cluster: atomics in other blocks' shared memory.
extern "C" __global__ void spread(const unsigned *x, unsigned *out, int n) {
    extern __shared__ unsigned bins[];
    cg::cluster_group c = cg::this_cluster();
    bins[threadIdx.x] = 0;
    c.sync();
    for (unsigned i = c.thread_rank(); i < n; i += c.num_threads()) {
        unsigned v = x[i];
        atomicAdd(c.map_shared_rank(bins, v / blockDim.x) + v % blockDim.x, 1u);
    }
    c.sync();
    out[c.block_rank() * blockDim.x + threadIdx.x] = bins[threadIdx.x];
}
// Writes to the next block, which waits.
extern "C" __global__ void ring(int *out) {
    __shared__ int box;
    cg::cluster_group c = cg::this_cluster();
    auto token = c.barrier_arrive();
    c.barrier_wait(static_cast<decltype(token) &&>(token));
    if (threadIdx.x == 0) *c.map_shared_rank(&box, (c.block_rank() + 1) % c.num_blocks()) = 100 + blockIdx.x;
    c.sync();
    if (threadIdx.x == 0) {
        out[2 * blockIdx.x] = box;
        out[2 * blockIdx.x + 1] = c.query_shared_rank(c.map_shared_rank(&box, 1));
    }
}
extern "C" __global__ void leaves(int *out) {
    __shared__ int box;
    cg::cluster_group c = cg::this_cluster();
    box = 7;
    unsigned rank = c.block_rank();
    if (rank == 1) return;
    for (int k = 0; k < 10000 && rank == 0; k++) *(volatile int *)out = k;
    if (rank == 0) out[1] = *c.map_shared_rank(&box, 1);
}
"""

ASYNC = r"""
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cuda_pipeline_primitives.h>
#include <cuda_awbarrier_primitives.h>
namespace cg = cooperative_groups;
#if __CUDA_ARCH__ < 900
#define __mbarrier_try_wait(bar, token, time) __mbarrier_test_wait(bar, token)
#endif
// Two stages: one is copied while the other is used.
extern "C" __global__ void staged(const int4 *x, int *out, int tiles) {
    __shared__ int4 stage[2][64];
    unsigned t = threadIdx.x;
    int sum = 0;
    __pipeline_memcpy_async(&stage[0][t], &x[t], 16);
    __pipeline_commit();
    for (int k = 0; k < tiles; k++) {
        if (k + 1 < tiles) __pipeline_memcpy_async(&stage[(k + 1) & 1][t], &x[(k + 1) * 64 + t], 16);
        __pipeline_commit();
        __pipeline_wait_prior(1);
        __syncthreads();
        int4 v = stage[k & 1][63 - t];
        sum += v.x + 2 * v.y + 3 * v.z + 4 * v.w;
        __syncthreads();
    }
    out[t] = sum;
}
// The last bytes of each 16 are zeros that are not read.
extern "C" __global__ void zero_fill(const int4 *x, int4 *out) {
    __shared__ int4 s[32];
    s[threadIdx.x] = make_int4(-1, -1, -1, -1);
    __pipeline_memcpy_async(&s[threadIdx.x], &x[threadIdx.x], 16, 4 * (threadIdx.x % 4));  // as many zeros
    __pipeline_commit();
    __pipeline_wait_prior(0);
    out[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void group_copy(const int *x, int *out, int n) {
    extern __shared__ int s[];
    cg::thread_block block = cg::this_thread_block();
    cg::memcpy_async(block, s, x, sizeof(int) * n);
    cg::wait(block);
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = s[n - 1 - i];
}
// Threads hand a value on in turns, through an mbarrier that all arrive at.
extern "C" __global__ void turns(int *out, int rounds) {
    __shared__ __mbarrier_t bar;
    __shared__ int s[96];
    unsigned t = threadIdx.x;
    if (t == 0) __mbarrier_init(&bar, blockDim.x);
    __syncthreads();
    s[t] = t;
    for (int k = 0; k < rounds; k++) {
        __mbarrier_token_t token = __mbarrier_arrive(&bar);
        while (!__mbarrier_test_wait(&bar, token)) {}
        int v = s[(t + 1) % blockDim.x];
        token = __mbarrier_arrive(&bar);
        while (!__mbarrier_try_wait(&bar, token, 1000)) {}
        s[t] = v + 1;
    }
    out[t] = s[t];
}
"""

BULK = r"""
#include <cuda_awbarrier_primitives.h>
// Warps 1.. produce, warp 0 uses; by the parity of two barriers.
extern "C" __global__ void producers(const int *x, int *out, int rounds) {
    __shared__ __mbarrier_t full, empty;
    __shared__ int box[96];
    unsigned t = threadIdx.x;
    if (t == 0) {
        __mbarrier_init(&full, 96);
        __mbarrier_init(&empty, 32);
    }
    __syncthreads();
    if (t >= 32) {
        for (int k = 0; k < rounds; k++) {
            while (!__mbarrier_try_wait_parity(&empty, !(k & 1), 1000)) {}
            box[t - 32] = x[k * 96 + t - 32];
            (void)__mbarrier_arrive(&full);
        }
    } else {
        int sum = 0;
        for (int k = 0; k < rounds; k++) {
            while (!__mbarrier_try_wait_parity(&full, k & 1, 1000)) {}
            for (int i = t; i < 96; i += 32) sum += box[i] * (k + 1);
            (void)__mbarrier_arrive(&empty);
        }
        out[t] = sum;
    }
}
__device__ unsigned at(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }
__device__ void wait(unsigned bar, unsigned parity) {
    asm volatile("{ .reg .pred p; L: mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%0], %1; @!p bra L; }" :: "r"(bar), "r"(parity) : "memory");
}
// Tiles come in by bulk copies, two at a time, and go out by them.
extern "C" __global__ void tiles(const int *x, int *out, int n) {
    __shared__ alignas(128) int in[2][256];
    __shared__ alignas(128) int result[256];
    __shared__ alignas(8) unsigned long long bar[2];
    unsigned t = threadIdx.x;
    if (t == 0) {
        for (int k = 0; k < 2; k++) asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(at(&bar[k])));
        asm volatile("fence.mbarrier_init.release.cluster; fence.proxy.async;" ::: "memory");
    }
    __syncthreads();
    auto start = [&](int k) {
        asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], 1024;" :: "r"(at(&bar[k & 1])) : "memory");
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], 1024, [%2];"
                     :: "r"(at(in[k & 1])), "l"(x + 256 * k), "r"(at(&bar[k & 1])) : "memory");
    };
    if (t == 0) start(0);
    for (int k = 0; k < n; k++) {
        if (t == 0 && k + 1 < n) start(k + 1);
        wait(at(&bar[k & 1]), (k >> 1) & 1);
        if (t == 0) asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
        __syncthreads();
        result[t] = in[k & 1][255 - t] * 2 + k;
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        __syncthreads();
        if (t == 0) {
            asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], 1024; cp.async.bulk.commit_group;"
                         :: "l"(out + 256 * k), "r"(at(result)) : "memory");
        }
    }
    if (t == 0) asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}
// Block 0 of the cluster sends one tile to all blocks of the mask; every block adds its part to one sum in block 0.
extern "C" __global__ void __cluster_dims__(4, 1, 1) cast(const int *x, int *out, unsigned short mask) {
    __shared__ alignas(128) int in[64], sum[64];
    __shared__ alignas(8) unsigned long long bar, done;
    unsigned t = threadIdx.x, rank, remote, there;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    sum[t] = 0;
    in[t] = -5;
    if (t == 0) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1; mbarrier.init.shared::cta.b64 [%1], 1;" :: "r"(at(&bar)), "r"(at(&done)));
        if (mask >> rank & 1) asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 256;" :: "r"(at(&bar)) : "memory");
        if (rank == 0) asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(at(&done)), "r"(4 * 256 + 4 * 8) : "memory");
    }
    asm volatile("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;" ::: "memory");
    if (rank == 0 && t == 0)
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], 256, [%2], %3;"
                     :: "r"(at(in)), "l"(x), "r"(at(&bar)), "h"(mask) : "memory");
    if (mask >> rank & 1) wait(at(&bar), 0);
    in[t] += rank;
    __syncthreads();
    asm volatile("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(remote) : "r"(at(&done)));
    asm volatile("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(there) : "r"(at(sum)));
    if (t == 0) {
        asm volatile("cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.s32 [%0], [%1], 256, [%2];"
                     :: "r"(there), "r"(at(in)), "r"(remote) : "memory");
        asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];"
                     :: "r"(there + 256 - 4 * 4 + 4 * rank - 0), "r"(0), "r"(remote) : "memory");
        asm volatile("red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 [%0], %1, [%2];"
                     :: "r"(there + 256 - 4 * 4 + 4 * rank), "r"(1000 + rank), "r"(remote) : "memory");
    }
    if (rank == 0) {
        wait(at(&done), 0);
        out[t] = sum[t];
    }
    asm volatile("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;" ::: "memory");
}
"""
