"""Sorting and searching."""

import zlib

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
extern "C" __global__ void sort_bitonic(unsigned *x) {
    __shared__ unsigned s[256];
    unsigned t = threadIdx.x;
    s[t] = x[t];
    for (unsigned k = 2; k <= 256; k <<= 1)
        for (unsigned j = k >> 1; j; j >>= 1) {
            __syncthreads();
            unsigned o = t ^ j;
            if (o > t && ((t & k) == 0) == (s[t] > s[o])) { unsigned v = s[t]; s[t] = s[o]; s[o] = v; }
        }
    __syncthreads();
    x[t] = s[t];
}
extern "C" __global__ void sort_radix(unsigned *x, int bits) {      // one CTA, a bit a pass, stable
    __shared__ unsigned s[256], counts[8];
    unsigned t = threadIdx.x, lane = t & 31, warp = t >> 5, v = x[t];
    for (int bit = 0; bit < bits; bit++) {
        bool one = v >> bit & 1;
        unsigned ones = __ballot_sync(~0u, one);
        if (!lane) counts[warp] = __popc(ones);
        __syncthreads();
        unsigned before = __popc(ones & ((1u << lane) - 1)), all = 0;
        for (unsigned w = 0; w < 8; w++) { if (w < warp) before += counts[w]; all += counts[w]; }
        s[one ? 256 - all + before : t - before] = v;
        __syncthreads();
        v = s[t];
    }
    x[t] = v;
}
extern "C" __global__ void sort_odd_even(short *x, int n) {
    int t = threadIdx.x;
    for (int turn = 0; turn < n; turn++) {
        int i = 2 * t + (turn & 1);
        if (i + 1 < n && x[i] > x[i + 1]) { short v = x[i]; x[i] = x[i + 1]; x[i + 1] = v; }
        __syncthreads();
    }
}
extern "C" __global__ void sort_quick(int *x, int n) {          // a thread a row, a stack of its own in local memory
    int *row = x + threadIdx.x * n, from[32], to[32], top = 1;
    from[0] = 0; to[0] = n - 1;
    while (top) {
        int low = from[--top], high = to[top];
        if (low >= high) continue;
        int pivot = row[(low + high) / 2], i = low, j = high;
        while (i <= j) {
            while (row[i] < pivot) i++;
            while (row[j] > pivot) j--;
            if (i <= j) { int v = row[i]; row[i++] = row[j]; row[j--] = v; }
        }
        bool left = j - low > high - i;                          // the longer part waits: the stack stays small
        from[top] = left ? low : i; to[top++] = left ? j : high;
        from[top] = left ? i : low; to[top++] = left ? high : j;
    }
}
extern "C" __global__ void sort_rank(const float *x, float *y, int n) {
    __shared__ float s[64];
    int i = blockIdx.x * 64 + threadIdx.x, rank = 0;
    float v = i < n ? x[i] : 0;
    for (int base = 0; base < n; base += 64) {
        __syncthreads();
        if (base + threadIdx.x < n) s[threadIdx.x] = x[base + threadIdx.x];
        __syncthreads();
        for (int k = 0; k < min(64, n - base); k++) rank += s[k] < v || (s[k] == v && base + k < i);
    }
    if (i < n) y[rank] = v;
}
extern "C" __global__ void merge_path(const int *a, int na, const int *b, int nb, int *out) {
    int k = blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= na + nb) return;
    int low = max(0, k - nb), high = min(k, na);
    while (low < high) {
        int i = (low + high) / 2;
        if (a[i] <= b[k - i - 1]) low = i + 1; else high = i;
    }
    int i = low, j = k - low;
    out[k] = j >= nb || (i < na && a[i] <= b[j]) ? a[i] : b[j];
}
extern "C" __global__ void search_binary(const long long *x, int n, const long long *keys, int *at) {
    long long key = keys[threadIdx.x];
    int low = 0, high = n;
    while (low < high) { int m = (low + high) >> 1; if (x[m] < key) low = m + 1; else high = m; }
    at[threadIdx.x] = low;
}
extern "C" __global__ void search_string(const char *text, int n, const char *word, int m, int *found) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i + m > n) return;
    for (int k = 0; k < m; k++) if (text[i + k] != word[k]) return;
    atomicAdd(found, 1);
    atomicMin(found + 1, i);
}
struct Node { int key, left, right; };
extern "C" __global__ void search_tree(const Node *nodes, const int *keys, int *depth) {
    int at = 0, d = 0;
    while (at >= 0 && nodes[at].key != keys[threadIdx.x]) {
        at = keys[threadIdx.x] < nodes[at].key ? nodes[at].left : nodes[at].right;
        d++;
    }
    depth[threadIdx.x] = at < 0 ? -1 : d;
}
extern "C" __global__ void hash_table(const unsigned *keys, unsigned *table, unsigned *counts, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned slot = keys[i] * 2654435761u >> 23;                 // open addressing, 512 places
    for (;;) {
        unsigned seen = atomicCAS(table + slot, 0u, keys[i]);
        if (seen == 0 || seen == keys[i]) { atomicAdd(counts + slot, 1u); return; }
        slot = (slot + 1) & 511;
    }
}
extern "C" __global__ void top_k(const int *x, int *out, int n) {   // the 4 largest, kept in registers
    int best[4] = {-1, -1, -1, -1};
    for (int i = threadIdx.x; i < n; i += 32) {
        int v = x[i];
        #pragma unroll
        for (int k = 0; k < 4; k++) if (v > best[k]) { int old = best[k]; best[k] = v; v = old; }
    }
    for (int k = 0; k < 4; k++) {
        int most = best[0];
        for (int o = 16; o; o >>= 1) most = max(most, __shfl_xor_sync(~0u, most, o));
        unsigned owners = __ballot_sync(~0u, most == best[0]);
        if (threadIdx.x == __ffs(owners) - 1) { best[0] = best[1]; best[1] = best[2]; best[2] = best[3]; best[3] = -1; }
        if (!threadIdx.x) out[k] = most;
    }
}
extern "C" __global__ void crc32(const unsigned char *data, int size, unsigned *out) {
    __shared__ unsigned table[256];
    unsigned v = threadIdx.x;
    for (int k = 0; k < 8; k++) v = v & 1 ? 0xEDB88320u ^ v >> 1 : v >> 1;
    table[threadIdx.x] = v;
    __syncthreads();
    unsigned c = ~0u;
    for (int i = 0; i < size; i++) c = table[(c ^ data[threadIdx.x * size + i]) & 255] ^ c >> 8;
    out[threadIdx.x] = ~c;
}
""")


@PLAIN.case
def sort_bitonic(d: Device) -> None:
    x = d.random.integers(0, 2**32, 256, "u4")
    p = d.put(x)
    d.launch("sort_bitonic", 1, 256, p)
    d.equal(p, np.sort(x))


@PLAIN.case
def sort_radix(d: Device) -> None:
    x = d.random.integers(0, 2**12, 256, "u4")
    p = d.put(x)
    d.launch("sort_radix", 1, 256, p, 12)
    d.equal(p, np.sort(x))


@PLAIN.case
def sort_odd_even(d: Device) -> None:
    x = d.random.integers(-(2**15), 2**15, 99).astype("i2")
    p = d.put(x)
    d.launch("sort_odd_even", 1, 64, p, 99)
    d.equal(p, np.sort(x))


@PLAIN.case
def sort_quick(d: Device) -> None:
    x = d.random.integers(-500, 500, (32, 100)).astype("i4")
    p = d.put(x)
    d.launch("sort_quick", 1, 32, p, 100)
    d.equal(p, np.sort(x, 1))


@PLAIN.case
def sort_rank(d: Device) -> None:
    x = d.random.integers(0, 90, 150).astype("f4")
    p = d.zeros("f4", 150)
    d.launch("sort_rank", 3, 64, d.put(x), p, 150)
    d.equal(p, np.sort(x))


@PLAIN.case
def merge_path(d: Device) -> None:
    a, b = (np.sort(d.random.integers(0, 300, n)).astype("i4") for n in (200, 133))
    p = d.zeros("i4", 333)
    d.launch("merge_path", 3, 128, d.put(a), 200, d.put(b), 133, p)
    d.equal(p, np.sort(np.concatenate([a, b])))


@PLAIN.case
def search_binary(d: Device) -> None:
    x = np.sort(d.random.integers(-(2**60), 2**60, 1000))
    keys = np.concatenate([x[::20], d.random.integers(-(2**60), 2**60, 78)])
    p = d.zeros("i4", 128)
    d.launch("search_binary", 1, 128, d.put(x), len(x), d.put(keys), p)
    d.equal(p, np.searchsorted(x, keys).astype("i4"))


@PLAIN.case
def search_string(d: Device) -> None:
    text, word = b"abracadabra, she said: " * 20, b"abra"
    found = d.put(np.int32([0, 9999]))
    data = [d.put(np.frombuffer(t, "u1")) for t in (text, word)]
    d.launch("search_string", 4, 128, data[0], len(text), data[1], len(word), found)
    d.equal(found, np.int32([40, 0]))


@PLAIN.case
def search_tree(d: Device) -> None:
    keys = d.random.permutation(200)[:100].astype("i4")
    nodes, depths = [[int(keys[0]), -1, -1]], {int(keys[0]): 0}
    for key in map(int, keys[1:]):
        at, depth = 0, 1
        while nodes[at][side := 1 if key < nodes[at][0] else 2] >= 0:
            at, depth = nodes[at][side], depth + 1
        nodes[at][side] = len(nodes)
        nodes.append([key, -1, -1])
        depths[key] = depth
    p = d.zeros("i4", 200)
    d.launch("search_tree", 1, 200, d.put(np.int32(nodes)), d.put(np.arange(200, dtype="i4")), p)
    d.equal(p, np.int32([depths.get(k, -1) for k in range(200)]))


@PLAIN.case
def hash_table(d: Device) -> None:
    keys = d.random.integers(1, 300, 1000).astype("u4")
    table, counts = d.zeros("u4", 512), d.zeros("u4", 512)
    d.launch("hash_table", 8, 128, d.put(keys), table, counts, len(keys))
    pairs = dict(zip(d.get(table, "u4").tolist(), d.get(counts, "u4").tolist()))
    pairs.pop(0)
    assert pairs == dict(zip(*(a.tolist() for a in np.unique(keys, return_counts=True))))


@PLAIN.case
def top_k(d: Device) -> None:
    x = d.random.integers(0, 10**6, 1000).astype("i4")
    p = d.zeros("i4", 4)
    d.launch("top_k", 1, 32, d.put(x), p, len(x))
    d.equal(p, np.sort(x)[:-5:-1])


@PLAIN.case
def crc32(d: Device) -> None:
    data = d.random.integers(0, 256, (256, 33)).astype("u1")
    p = d.zeros("u4", 256)
    d.launch("crc32", 1, 256, d.put(data), 33, p)
    d.equal(p, np.uint32([zlib.crc32(row.tobytes()) for row in data]))
