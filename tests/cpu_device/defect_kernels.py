"""Kernels with one defect each, in the line that ends with the kernel's name as a comment."""

SOURCE = r"""
typedef unsigned long long u64;
__constant__ int table[8];
__device__ int sink;
__device__ int *kept;
extern "C" __global__ void read_one_too_far(const int *x, int *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = x[i];                                        // read_one_too_far
}
extern "C" __global__ void write_one_too_far(int *y) {
    y[blockIdx.x * blockDim.x + threadIdx.x] = 1;       // write_one_too_far
}
extern "C" __global__ void negative_index(const int *x, int *y) {
    y[threadIdx.x] = x[(int)threadIdx.x - 1];           // negative_index
}
extern "C" __global__ void shared_one_too_far(int *y) {
    __shared__ int s[31];
    s[threadIdx.x] = threadIdx.x;                       // shared_one_too_far
    __syncthreads();
    y[0] = s[(threadIdx.x + 1) % 31];
}
extern "C" __global__ void local_one_too_far(const int *x, int *y, int n) {
    int a[16];
    for (int i = 0; i < 16; i++) a[x[i]] = i;
    y[threadIdx.x] = a[n + threadIdx.x];                // local_one_too_far
}
extern "C" __global__ void constant_too_far(int *y, int n) {
    y[threadIdx.x] = table[threadIdx.x + n];            // constant_too_far
}
extern "C" __global__ void use_after_free(int *y) {
    y[threadIdx.x] = 5;                                 // use_after_free
}
extern "C" __global__ void freed_while_queued(int *y) {
    atomicAdd(y + threadIdx.x, 5);                      // freed_while_queued
}
extern "C" __global__ void misaligned_4(const char *x, int *y) {
    y[threadIdx.x] = *(const int *)(x + threadIdx.x);   // misaligned_4
}
extern "C" __global__ void misaligned_8(const char *x, double *y) {
    y[threadIdx.x] = *(const double *)(x + 4);          // misaligned_8
}
extern "C" __global__ void misaligned_16(char *x) {
    *(int4 *)(x + 8) = make_int4(1, 2, 3, 4);           // misaligned_16
}
extern "C" __global__ void null_pointer(int *y) {
    if (threadIdx.x == 9) *y = 1;                       // null_pointer
}
extern "C" __global__ void host_pointer(const int *x, int *y) {
    y[0] = x[0];                                        // host_pointer
}
extern "C" __global__ void shared_kept(int phase) {
    __shared__ int s[64];
    if (!phase) { s[63] = 1; kept = s + 63; }
    else kept[threadIdx.x] = 2;                         // shared_kept
}
extern "C" __global__ void space_wrong(u64 x) {
    asm volatile("st.shared.u32 [%0], 1;" :: "l"(x));   // space_wrong
}
extern "C" __global__ void endless_loop(volatile int *y) {
    while (!*y) {}                                      // endless_loop
}
extern "C" __global__ void barrier_not_reached(int *y) {
    if (threadIdx.x < 32) asm volatile("bar.sync 1, 96;");  // barrier_not_reached
    y[0] = 1;
}
extern "C" __global__ void warp_barrier_not_reached(int *y) {
    if (threadIdx.x < 16) __syncwarp(0xffffffff);
    else while (!*(volatile int *)y) {}                 // warp_barrier_not_reached
}
extern "C" __global__ void assertion(const int *x) {
    assert(x[threadIdx.x] < 7);                         // assertion
}
extern "C" __global__ void trapped(const int *x) {
    if (x[threadIdx.x] == 7) __trap();                  // trapped
}
extern "C" __global__ void index_overflow(int *y, int stride) {
    y[(int)(blockIdx.x * stride)] = 1;                  // index_overflow
}
extern "C" __global__ void freed_twice() {
    void *m = malloc(40);
    free(m);
    free(m);                                            // freed_twice
}
extern "C" __global__ void used_after_device_free(int *y) {
    int *m = (int *)malloc(40);
    m[3] = *y;
    free(m);
    *y = ((volatile int *)m)[3];                        // used_after_device_free
}
extern "C" __global__ void beyond_device_malloc() {
    volatile char *m = (volatile char *)malloc(40);
    m[40 + threadIdx.x] = 1;                            // beyond_device_malloc
}
extern "C" __global__ void free_of_no_allocation(int *y) {
    free(y);                                            // free_of_no_allocation
}
extern "C" __global__ void punned(double *y) {
    y[threadIdx.x] = 1.0;                               // punned
}
extern "C" __global__ void shared_size_wrong(int *y) {
    extern __shared__ int room[];
    room[threadIdx.x] = threadIdx.x;                    // shared_size_wrong
    __syncthreads();
    y[threadIdx.x] = room[threadIdx.x ^ 1];
}
struct Shape { __device__ virtual int area() { return 3; } };
extern "C" __global__ void object_of_zeros(Shape *s, int *y) {
    *y = s->area();                                     // object_of_zeros
}
typedef int (*function)(int);
extern "C" __global__ void wild_call(function f, int *y) {
    *y = f(4);                                          // wild_call
}
__device__ __noinline__ int deeper(int n, volatile int *y) {
    volatile int a[64];
    a[n & 63] = n;
    return n == *y ? a[0] : deeper(n + 1, y) + a[n & 63];   // stack_overflow
}
extern "C" __global__ void stack_overflow(int *y) { y[1] = deeper(1, y); }
extern "C" __global__ void printf_text_wild(const char *x) {
    printf("%d %s\n", 3, x);                            // printf_text_wild
}
extern "C" __global__ void atomic_one_too_far(u64 *y) {
    atomicMax(y + threadIdx.x, 5ull);                   // atomic_one_too_far
}
extern "C" __global__ void vector_too_far(const float4 *x, float4 *y) {
    y[threadIdx.x] = x[threadIdx.x];                    // vector_too_far
}
extern "C" __global__ void missing_barrier(int *y) {
    __shared__ int s[64];
    s[threadIdx.x] = threadIdx.x + 1;                   // missing_barrier
    y[threadIdx.x] = s[threadIdx.x ^ 32];
}
extern "C" __global__ void racing_blocks(int *y) {
    *y = *y + 1;                                        // racing_blocks
}
extern "C" __global__ void shared_not_written(int *y) {
    __shared__ int s[64];
    if (threadIdx.x != 5) s[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x];                    // shared_not_written
}
extern "C" __global__ void device_not_written(const int *x, int *y) {
    y[threadIdx.x] = x[threadIdx.x];                    // device_not_written
}
"""
