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
