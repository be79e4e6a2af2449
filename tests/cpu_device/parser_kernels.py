"""CUDA C++ that the parser's tests compile with NVRTC: small kernels, each of them for the PTX that it becomes."""

PLAIN = r"""
template <typename T, int N> __device__ T power(T x) { return N ? x * power<T, N ? N - 1 : 0>(x) : T(1); }
template <typename T> __global__ void powers(T *x) { x[threadIdx.x] = power<T, 5>(x[threadIdx.x]); }
template __global__ void powers<float>(float *);
template __global__ void powers<double>(double *);
template __global__ void powers<long long>(long long *);

extern "C" __global__ void saxpy(float a, const float *__restrict__ x, float *y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
extern "C" __global__ void vectors(const float4 *x, float4 *y, const int2 *i, char4 *c) {
    float4 v = x[i[threadIdx.x].x];
    y[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
    c[threadIdx.x] = make_char4(1, 2, i[0].y, 4);
}
extern "C" __global__ void reduction(const float *x, float *sum) {
    __shared__ float part[256];
    extern __shared__ float more[];
    part[threadIdx.x] = x[threadIdx.x] + more[threadIdx.x];
    for (int s = 128; s; s >>= 1) {
        __syncthreads();
        if (threadIdx.x < s) part[threadIdx.x] += part[threadIdx.x + s];
    }
    if (!threadIdx.x) atomicAdd(sum, part[0]);
}
extern "C" __global__ void matmul(const float *a, const float *b, float *c, int n) {
    __shared__ float as[16][16], bs[16][17];
    float sum = 0;
    for (int t = 0; t < n; t += 16) {
        as[threadIdx.y][threadIdx.x] = a[(blockIdx.y * 16 + threadIdx.y) * n + t + threadIdx.x];
        bs[threadIdx.y][threadIdx.x] = b[(t + threadIdx.y) * n + blockIdx.x * 16 + threadIdx.x];
        __syncthreads();
        for (int k = 0; k < 16; k++) sum += as[threadIdx.y][k] * bs[k][threadIdx.x];
        __syncthreads();
    }
    c[(blockIdx.y * 16 + threadIdx.y) * n + blockIdx.x * 16 + threadIdx.x] = sum;
}
extern "C" __global__ void atomics(int *i, unsigned long long *l, double *d, unsigned *u) {
    atomicMax(i, 3), atomicMin(i + 1, 4), atomicExch(i + 2, 5), atomicAnd(i + 3, 6), atomicXor(i + 4, 7);
    atomicCAS(l, 1ull, 2ull), atomicAdd(l + 1, 5ull), atomicAdd(d, 1.5), atomicInc(u, 7), atomicDec(u + 1, 7);
    *i = atomicAdd_block(i + 5, 1) + atomicOr_system(i + 6, 1);
}
extern "C" __global__ void prints(int n, float x) { printf("%d %f %s\n", n, x, "done"); }
extern "C" __global__ void asserts(int n) { assert(n > 3 && "too small"); }
__device__ __noinline__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
extern "C" __global__ void recursion(int *x) { *x = fibonacci(*x); }
struct Shape { virtual __device__ float area() const = 0; virtual __device__ ~Shape() {} };
struct Square : Shape {
    float a;
    __device__ Square(float a) : a(a) {}
    __device__ float area() const override { return a * a; }
};
struct Circle : Shape {
    float r;
    __device__ Circle(float r) : r(r) {}
    __device__ float area() const override { return 3.14f * r * r; }
};
extern "C" __global__ void virtuals(float *x, int n) {
    Shape *shape = n ? static_cast<Shape *>(new Square(*x)) : new Circle(*x);
    *x = shape->area();
    delete shape;
}
__device__ __noinline__ float twice(float x) { return 2 * x; }
__device__ __noinline__ float half_(float x) { return x / 2; }
__device__ float (*functions[2])(float) = {twice, half_};
extern "C" __global__ void pointers(float *x, int i) { *x = functions[i](*x); }
extern "C" __global__ void jumps(int *x) {
    switch (*x) {
    case 0: x[1] = __popc(x[0]); break; case 1: x[2] = __clz(x[1]); break; case 2: x[3] = __brev(x[2]); break;
    case 3: x[4] = __ffs(x[3]); break; case 4: x[5] = x[4] * 7; break; case 5: x[6] = x[5] ^ 99; break;
    case 6: x[7] = abs(x[6]); break; case 7: x[8] = x[7] / 3; break; case 8: atomicAdd(x, 5); break; default: __trap();
    }
}
__constant__ float table[4][3] = {{1, 2}, {3}, {}, {0, 0, 5}};
__constant__ char letters[] = "a \"text\"\n";
__device__ const char *names[] = {"one", "two", letters};
__managed__ int managed_value = 7;
__device__ double values[5] = {1.5, -2.25, 1e300};
struct alignas(8) Packed { char c; short s; int *p; };
__device__ int target[4];
__device__ Packed packed[2] = {{'x', -3, target + 1}, {'y', 4, target + 3}};
extern "C" __global__ void constants(float *x, int i, int j) {
    x[0] = table[i][j] + letters[i] + names[i][j] + managed_value + values[i] + *packed[i].p;
}
extern "C" __global__ void __launch_bounds__(128, 2) bounds(int *x) { x[threadIdx.x] = __shfl_xor_sync(~0u, x[threadIdx.x], 3); }
extern "C" __global__ void warps(int *x) {
    unsigned mask = __ballot_sync(~0u, x[threadIdx.x] > 3);
    int v = __shfl_down_sync(mask, x[threadIdx.x], 2) + __shfl_up_sync(mask, x[0], 1, 16) + __shfl_sync(mask, mask, 5);
    x[threadIdx.x] = v + __any_sync(mask, v) + __all_sync(mask, v > 2) + __popc(__activemask()) + __match_any_sync(mask, v);
}
extern "C" __global__ void floats(float *x, double *d) {
    x[0] = sinf(x[0]) + expf(x[1]) + powf(x[2], x[3]) + __sinf(x[4]) + rsqrtf(x[5]) + __fdividef(x[6], x[7]);
    d[0] = sin(d[0]) * log(d[1]) + fma(d[2], d[3], d[4]) + sqrt(d[5]) + __dadd_rd(d[6], d[7]) + atan2(d[0], d[2]);
    x[1] = __fmaf_rz(x[1], 2.f, x[2]) + __saturatef(x[2]) + (int)x[3] + (float)(long long)x[4] + fminf(x[1], -0.f);
}
extern "C" __global__ void integers(int *i, unsigned long long *l, short *s, unsigned char *c) {
    i[0] = __mulhi(i[1], i[2]) + __dp4a(i[3], i[4], i[5]) + __byte_perm(i[0], i[1], 0x5140) + __vadd4(i[1], i[2]);
    i[1] = __funnelshift_l(i[2], i[3], 5) + __sad(i[0], i[1], 3) + __hadd(i[1], i[2]) + __vabsdiffs2(i[1], i[2]);
    l[0] = __umul64hi(l[1], l[2]) / l[3] % 77 + __popcll(l[4]) + (unsigned __int128)l[1] * l[2] / 3;
    s[0] = s[1] * s[2] + c[1], c[0] = c[1] << 3 | s[4] >> 2;
}
extern "C" __global__ void lock(int *l, int *x) {
    while (atomicCAS(l, 0, 1)) __nanosleep(20);
    __threadfence();
    *x += 1;
    __threadfence_system();
    atomicExch(l, 0);
}
extern "C" __global__ void locals(int *x) {
    int stack[40];
    for (int i = 0; i < 40; i++) stack[(i * x[0]) % 40] = i;
    x[1] = stack[x[2]];
}
struct Big { int a[20]; double d; };
__device__ __noinline__ Big change(Big b, int i) { b.a[i] = 3; b.d += i; return b; }
extern "C" __global__ void structs(Big b, Big *out, int i) { *out = change(b, i); }
extern "C" __global__ void textures(cudaTextureObject_t t, cudaSurfaceObject_t s, float *x) {
    x[0] = tex2D<float>(t, x[1], x[2]) + tex3D<float4>(t, x[1], x[2], x[3]).y + tex2DLod<float>(t, x[1], x[2], 1.f);
    surf2Dwrite(x[0], s, 4, 5), x[1] = surf2Dread<float>(s, 8, 9, cudaBoundaryModeClamp);
}
extern "C" __global__ void assembly(unsigned *x, float *f) {
    unsigned a, b;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        asm volatile("{ .reg .pred p; .reg .b32 t<3>;\n setp.lt.and.u32 p|_, %2, 5, p;\n AGAIN: add.cc.u32 t1, %2, 1;\n"
                     "@!p bra DONE; addc.u32 t2, t1, -1; bra.uni AGAIN;\n DONE: mov.b32 %0, t1; { mov.u32 %1, WARP_SZ; } }"
                     : "=r"(a), "=r"(b) : "r"(x[i]));
        x[i] = a + b;
    }
    asm("mov.b32 %0, 0f3F800000;" : "=f"(f[0]));
    asm volatile("st.global.v2.f32 [%0+8], {%1, 0f00000000}; // a comment" :: "l"(f), "f"(f[1]) : "memory");
}
extern "C" __global__ void copies(float *to, const float *from) {
    __shared__ float s[64];
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" :: "r"((unsigned)__cvta_generic_to_shared(s)), "l"(from));
    asm volatile("cp.async.commit_group; cp.async.wait_group 0;");
    __syncthreads();
    to[threadIdx.x] = s[threadIdx.x];
}
"""

HALVES = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <cuda_fp8.h>
extern "C" __global__ void halves(__half2 *x, __nv_bfloat162 *y, float *f, __nv_fp8_e4m3 *q) {
    x[0] = __hfma2(x[1], x[2], h2exp2(x[3])), y[0] = __hfma2(y[1], y[2], y[3]), x[4] = __hmax2(x[5], __float2half2_rn(f[0]));
    f[1] = __bfloat162float(y[1].x) + __half2float(x[1].y), q[0] = __nv_fp8_e4m3(f[2]), f[3] = float(q[1]);
    atomicAdd(x + 6, x[7]);
}
"""

TENSORS = r"""
extern "C" __global__ void products(unsigned *x, float *f) {
    __shared__ unsigned s[128];
    unsigned r[4], at = (unsigned)__cvta_generic_to_shared(s);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(f[0]), "+f"(f[1]), "+f"(f[2]), "+f"(f[3]) : "r"(r[0]), "r"(r[1]), "r"(r[2]));
    x[0] = r[3];
}
"""

FRAGMENTS = r"""
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void fragments(const half *a, const half *b, float *c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 0.f), wmma::load_matrix_sync(fa, a, 16), wmma::load_matrix_sync(fb, b, 16);
    wmma::mma_sync(fc, fa, fb, fc), wmma::store_matrix_sync(c, fc, 16, wmma::mem_row_major);
}
"""

GROUPS = r"""
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
extern "C" __global__ void groups(int *x) {
    auto block = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(block);
    auto few = cg::tiled_partition(block, 4);
    auto now = cg::coalesced_threads();
    x[block.thread_rank()] = warp.shfl_down(x[0], 4) + few.size() + now.shfl(x[1], 0) + warp.any(x[2]);
    block.sync();
}
extern "C" __global__ void grids(int *x) { cg::this_grid().sync(), x[1] = cg::this_grid().size(); }
"""

CLUSTERS = r"""
extern "C" __global__ void __cluster_dims__(2, 1, 1) clusters(int *x) {
    __shared__ int s[32];
    unsigned there, value;
    s[threadIdx.x] = x[threadIdx.x];
    asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"((unsigned)__cvta_generic_to_shared(s + threadIdx.x)), "r"(1));
    asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(value) : "r"(there) : "memory");
    x[threadIdx.x] = value;
}
extern "C" __global__ void bulk(const char *from, unsigned *to) {
    __shared__ alignas(128) char s[256];
    __shared__ unsigned long long bar;
    unsigned b = (unsigned)__cvta_generic_to_shared(&bar), d = (unsigned)__cvta_generic_to_shared(s);
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1; fence.mbarrier_init.release.cluster;" :: "r"(b));
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 256;" :: "r"(b));
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], 256, [%2];"
                 :: "r"(d), "l"(from), "r"(b) : "memory");
    asm volatile("{\n.reg .pred P1;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 P1, [%0], 0, 0x989680;\n"
                 "@P1 bra DONE;\nbra WAIT;\nDONE:\n}" :: "r"(b) : "memory");
    to[threadIdx.x] = s[threadIdx.x];
}
"""

# libcu++ and CUB: in the wheel nvidia-cuda-cccl, or a toolkit
LIBRARIES = r"""
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cuda/atomic>
#include <cuda/barrier>
extern "C" __global__ void blocks(int *x) {
    using Reduce = cub::BlockReduce<int, 128>;
    using Sort = cub::BlockRadixSort<int, 128, 4>;
    __shared__ union { Reduce::TempStorage reduce; Sort::TempStorage sort; } memory;
    __shared__ cuda::barrier<cuda::thread_scope_block> barrier;
    int keys[4] = {x[0], x[1], x[2], x[3]};
    Sort(memory.sort).Sort(keys);
    __syncthreads();
    if (!threadIdx.x) init(&barrier, 128);
    __syncthreads();
    barrier.arrive_and_wait();
    x[threadIdx.x] = Reduce(memory.reduce).Sum(keys[1]);
    cuda::atomic_ref<int, cuda::thread_scope_device>(x[5]).fetch_max(3, cuda::memory_order_release);
}
"""

# name → source and the oldest architecture that it compiles for
SOURCES = {"plain": (PLAIN, 75), "halves": (HALVES, 80), "tensors": (TENSORS, 80), "clusters": (CLUSTERS, 90)}
# the same, with a header that the runtime's wheel does not have
EXTRA_SOURCES = {
    "fragments": (FRAGMENTS, 75, "crt/mma.h"),
    "groups": (GROUPS, 75, "nv/target"),
    "libraries": (LIBRARIES, 75, "cub/cub.cuh"),
}
