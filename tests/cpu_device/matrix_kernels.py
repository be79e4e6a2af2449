"""CUDA C++ with <mma.h> and with matrix instructions in inline assembly."""

# One warp: D = A B + C, all of it in one tile.
TILE = r"""
extern "C" __global__ void tile_{name}(const {a} *a, const {a} *b, const {c} *c, {c} *d) {{
    using namespace nvcuda;
    wmma::fragment<wmma::matrix_a, {m}, {n}, {k}, {tag}, wmma::{la}_major> fa;
    wmma::fragment<wmma::matrix_b, {m}, {n}, {k}, {tag}, wmma::{lb}_major> fb;
    wmma::fragment<wmma::accumulator, {m}, {n}, {k}, {c}> fc;
    wmma::load_matrix_sync(fa, a, {lda});
    wmma::load_matrix_sync(fb, b, {ldb});
    wmma::load_matrix_sync(fc, c, {ldc}, wmma::mem_{lc}_major);
    for (int i = 0; i < fa.num_elements; i++) fa.x[i] = {change};
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(d, fc, {ldc}, wmma::mem_{lc}_major);
}}
"""

# A whole product by 16 x 16 tiles through shared memory.
PRODUCT = r"""
#include <mma.h>
extern "C" __global__ void product(const half *a, const half *b, float *c, int n) {
    using namespace nvcuda;
    __shared__ half sa[16][16], sb[16][16];
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
    wmma::fill_fragment(sum, 0.0f);
    for (int k = 0; k < n; k += 16) {
        for (int i = threadIdx.x; i < 256; i += 32) {
            sa[i / 16][i % 16] = a[(blockIdx.y * 16 + i / 16) * n + k + i % 16];
            sb[i / 16][i % 16] = b[(k + i / 16) * n + blockIdx.x * 16 + i % 16];
        }
        __syncwarp();
        wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
        wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
        wmma::load_matrix_sync(fa, &sa[0][0], 16);
        wmma::load_matrix_sync(fb, &sb[0][0], 16);
        wmma::mma_sync(sum, fa, fb, sum);
        __syncwarp();
    }
    for (int i = 0; i < sum.num_elements; i++) sum.x[i] *= 2.0f;
    wmma::store_matrix_sync(c + blockIdx.y * 16 * n + blockIdx.x * 16, sum, n, wmma::mem_row_major);
}
"""

# The same with ldmatrix and mma: 16 x 8 tiles.
ASSEMBLY = r"""
#include <cuda_fp16.h>
extern "C" __global__ void assembly(const half *a, const half *b, float *c, int n) {
    __shared__ __align__(16) half sa[16][16], sb[16][8];
    int lane = threadIdx.x, row = blockIdx.y * 16, column = blockIdx.x * 8;
    float d[4] = {0, 0, 0, 0};
    for (int k = 0; k < n; k += 16) {
        for (int i = lane; i < 256; i += 32) sa[i / 16][i % 16] = a[(row + i / 16) * n + k + i % 16];
        for (int i = lane; i < 128; i += 32) sb[i / 8][i % 8] = b[(k + i / 8) * n + column + i % 8];
        __syncwarp();
        unsigned fa[4], fb[2];
        unsigned pa = (unsigned)__cvta_generic_to_shared(&sa[lane % 16][lane / 16 * 8]);
        unsigned pb = (unsigned)__cvta_generic_to_shared(&sb[lane % 16][0]);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3]) : "r"(pa));
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                     : "=r"(fb[0]), "=r"(fb[1]) : "r"(pb));
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
        __syncwarp();
    }
    for (int i = 0; i < 4; i++) c[(row + lane / 4 + i / 2 * 8) * n + column + lane % 4 * 2 + i % 2] = d[i];
}
"""

FP8 = r"""
extern "C" __global__ void fp8(const unsigned *a, const unsigned *b, float *c) {
    int lane = threadIdx.x, g = lane / 4, t = lane % 4;  // A: 16 x 32 rows of 8 words; B: 8 columns of 8 words
    float d[4] = {0, 0, 0, 0};
    asm volatile("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e5m2.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[g * 8 + t]), "r"(a[(g + 8) * 8 + t]), "r"(a[g * 8 + t + 4]), "r"(a[(g + 8) * 8 + t + 4]),
                   "r"(b[g * 8 + t]), "r"(b[g * 8 + t + 4]));
    for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}
"""
