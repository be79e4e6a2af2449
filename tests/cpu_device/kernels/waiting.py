"""Threads that wait for each other: locks, queues, flags, barriers by name; atomic operations of all widths."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
typedef unsigned long long u64;
extern "C" __global__ void spin_lock(int *lock, volatile int *count) {
    bool done = false;
    while (!done)
        if (atomicCAS(lock, 0, 1) == 0) {
            *count = *count + 1;
            __threadfence();
            atomicExch(lock, 0);
            done = true;
        }
}
extern "C" __global__ void ticket_lock(unsigned *next, volatile unsigned *serving, volatile int *order, volatile int *n) {
    unsigned own = atomicAdd(next, 1);
    while (*serving != own) {}
    __threadfence();
    order[*n] = own;
    *n = *n + 1;
    __threadfence();
    *serving = own + 1;
}
extern "C" __global__ void producer_consumer(const int *x, int *y, int rounds) {    // named barriers: 1 full, 2 empty
    __shared__ int box[32];
    int lane = threadIdx.x % 32;
    for (int r = 0; r < rounds; r++)
        if (threadIdx.x < 32) {
            if (r) asm volatile("bar.sync 2, 64;" ::: "memory");
            box[lane] = x[r * 32 + lane] * 2;
            asm volatile("bar.arrive 1, 64;" ::: "memory");
        } else {
            asm volatile("bar.sync 1, 64;" ::: "memory");
            y[r * 32 + lane] = box[31 - lane] + r;
            if (r + 1 < rounds) asm volatile("bar.arrive 2, 64;" ::: "memory");
        }
}
extern "C" __global__ void ring_queue(volatile int *slots, volatile int *ready, int *head, int *tail, u64 *sum, int n) {
    if (blockIdx.x & 1) {                       // consumers
        for (;;) {
            int at = atomicAdd(tail, 1);
            if (at >= n) break;
            while (!ready[at]) __nanosleep(10);
            __threadfence();
            atomicAdd(sum, (u64)slots[at]);
        }
    } else
        for (;;) {
            int at = atomicAdd(head, 1);
            if (at >= n) break;
            slots[at] = at * at;
            __threadfence();
            ready[at] = 1;
        }
}
extern "C" __global__ void volatile_flags(volatile int *flags, volatile int *data) {    // a token through all CTAs
    int b = blockIdx.x;
    if (threadIdx.x) return;
    if (b) { while (!flags[b - 1]) {} __threadfence(); data[b] = data[b - 1] * 3 + b; }
    else data[0] = 1;
    __threadfence();
    flags[b] = 1;
}
extern "C" __global__ void atomic_64(u64 *x, long long *y, double *f) {
    u64 t = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(x, t << 33);
    atomicMax(x + 1, t * 0x123456789ull);
    atomicMin(y, (long long)t - (1ll << 40));
    atomicXor(x + 2, t << 20 | t);
    atomicOr(x + 3, 1ull << (t & 63));
    atomicAnd(x + 4, ~(1ull << (t & 31)));
    atomicExch(x + 5, 5ull << 40);
    atomicAdd(f, (double)t);
}
extern "C" __global__ void atomic_cas_loop(double *product, unsigned short *halves) {
    u64 *at = (u64 *)product, seen = *at, old;
    do { old = seen; seen = atomicCAS(at, old, (u64)__double_as_longlong(__longlong_as_double(old) * 2)); } while (seen != old);
    unsigned short was = *(volatile unsigned short *)halves, now;
    while ((now = atomicCAS(halves, was, (unsigned short)(was + 3))) != was) was = now;
}
extern "C" __global__ void atomic_wrap(unsigned *x, unsigned *seen) {
    seen[threadIdx.x] = atomicInc(x, 9);
    atomicDec(x + 1, 6);
    atomicSub(x + 2, 3);
    atomicAdd_block(x + 3, 1); atomicAdd_system(x + 3, 1);
    atomicAdd((float *)x + 4, 0.5f);
}
extern "C" __global__ void linked_list(int *heads, int *next, const int *keys, int n) {     // pushed without locks
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) next[i] = atomicExch(heads + keys[i] % 8, i);
}
extern "C" __global__ void barrier_of_blocks(int *arrived, volatile int *data, int *out) {  // of all resident CTAs, by hand
    int b = blockIdx.x, n = gridDim.x;
    if (!threadIdx.x) {
        data[b] = b * 7;
        __threadfence();
        atomicAdd(arrived, 1);
        while (*(volatile int *)arrived < n) {}
    }
    __syncthreads();
    if (threadIdx.x < n) atomicAdd(out + b, data[threadIdx.x]);
}
extern "C" __global__ void warp_synchronous(int *out) {         // values pass through shared memory within warps
    __shared__ volatile int s[128];
    int t = threadIdx.x, lane = t & 31;
    s[t] = t;
    __syncwarp();
    for (int turn = 0; turn < 8; turn++) {
        int v = s[(t & ~31) | ((lane + 1) & 31)];
        __syncwarp();
        s[t] = v + turn;
        __syncwarp();
    }
    out[t] = s[t];
}
extern "C" __global__ void dining(int *forks, int *meals, int n, int turns) {       // ordered locks, a philosopher a thread
    int p = threadIdx.x, a = min(p, (p + 1) % n), b = max(p, (p + 1) % n);
    for (int turn = 0; turn < turns;) {
        if (atomicCAS(forks + a, 0, 1)) continue;
        if (atomicCAS(forks + b, 0, 1) == 0) { meals[p]++; turn++; __threadfence(); atomicExch(forks + b, 0); }
        atomicExch(forks + a, 0);
    }
}
""")


@PLAIN.case
def spin_lock(d: Device) -> None:
    lock, count = d.zeros("i4", 1), d.zeros("i4", 1)
    d.launch("spin_lock", 3, 40, lock, count)
    d.equal(count, np.int32(120))
    d.equal(lock, np.int32(0))


@PLAIN.case
def ticket_lock(d: Device) -> None:
    tickets, serving, order, n = (d.zeros("i4", k) for k in (1, 1, 66, 1))
    d.launch("ticket_lock", 2, 33, tickets, serving, order, n)
    d.equal(order, np.arange(66, dtype="i4"))


@PLAIN.case
def producer_consumer(d: Device) -> None:
    x = d.random.integers(0, 1000, (6, 32)).astype("i4")
    y = d.zeros("i4", 192)
    d.launch("producer_consumer", 1, 64, d.put(x), y, 6)
    d.equal(y, (2 * x[:, ::-1] + np.arange(6)[:, None]).astype("i4"))


@PLAIN.case
def ring_queue(d: Device) -> None:
    slots, ready, head, tail, total = (d.zeros("i4", k) for k in (200, 200, 1, 1, 2))
    d.launch("ring_queue", 4, 32, slots, ready, head, tail, total, 200)
    d.equal(total, np.array([sum(k * k for k in range(200))]))


@PLAIN.case
def volatile_flags(d: Device) -> None:
    flags, data = d.zeros("i4", 10), d.zeros("i4", 10)
    d.launch("volatile_flags", 10, 32, flags, data)
    want = [1]
    for b in range(1, 10):
        want.append(want[-1] * 3 + b)
    d.equal(data, np.int32(want))


@PLAIN.case
def atomic_64(d: Device) -> None:
    x, y, f = d.put(np.uint64([0, 0, 0, 0, 2**64 - 1, 0])), d.zeros("i8", 1), d.zeros("f8", 1)
    d.launch("atomic_64", 2, 50, x, y, f)
    t = np.arange(100, dtype="u8")
    d.equal(x, np.uint64([int(t.sum()) << 33, 99 * 0x123456789, np.bitwise_xor.reduce(t << np.uint64(20) | t), 2**64 - 1,
                          2**64 - 2**32, 5 << 40]))  # fmt: skip
    d.equal(y, np.int64(-(2**40)))
    d.equal(f, np.float64(4950))


@PLAIN.case
def atomic_cas_loop(d: Device) -> None:
    product, halves = d.put(np.float64([1])), d.zeros("u2", 2)
    d.launch("atomic_cas_loop", 2, 50, product, halves)
    d.equal(product, np.float64([2.0**100]))
    d.equal(halves, np.uint16([300, 0]))


@PLAIN.case
def atomic_wrap(d: Device) -> None:
    x, seen = d.zeros("u4", 5), d.zeros("u4", 64)
    d.launch("atomic_wrap", 1, 64, x, seen)
    assert sorted(d.get(seen, "u4")) == sorted(k % 10 for k in range(64))
    down = 0
    for _ in range(64):
        down = 6 if down == 0 or down > 6 else down - 1
    d.equal(x, np.uint32([64 % 10, down, 2**32 - 192, 128, np.float32(32).view("u4")]))


@PLAIN.case
def linked_list(d: Device) -> None:
    keys = d.random.integers(0, 100, 150).astype("i4")
    heads, after = d.put(np.full(8, -1, "i4")), d.zeros("i4", 150)
    d.launch("linked_list", 2, 128, heads, after, d.put(keys), 150)
    first, following = d.get(heads, "i4"), d.get(after, "i4")
    for k in range(8):
        found, at = [], first[k]
        while at >= 0:
            found.append(at)
            at = following[at]
        assert sorted(found) == np.flatnonzero(keys % 8 == k).tolist()


@PLAIN.case
def barrier_of_blocks(d: Device) -> None:
    arrived, data, out = d.zeros("i4", 1), d.zeros("i4", 6), d.zeros("i4", 6)
    d.launch("barrier_of_blocks", 6, 32, arrived, data, out, cooperative=True)
    d.equal(out, np.full(6, 7 * 15, "i4"))


@PLAIN.case
def warp_synchronous(d: Device) -> None:
    out = d.zeros("i4", 128)
    d.launch("warp_synchronous", 1, 128, out)
    s = np.arange(128, dtype="i4").reshape(4, 32)
    for turn in range(8):
        s = np.roll(s, -1, 1) + turn
    d.equal(out, s.astype("i4"))


@PLAIN.case
def dining(d: Device) -> None:
    forks, meals = d.zeros("i4", 5), d.zeros("i4", 5)
    d.launch("dining", 1, 5, forks, meals, 5, 4)
    d.equal(meals, np.full(5, 4, "i4"))
    d.equal(forks, np.zeros(5, "i4"))
