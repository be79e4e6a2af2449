"""Graphs, dynamic programming and what else has a shape of its own."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
extern "C" __global__ void breadth_first(const int *start, const int *edges, int *distance, int level, int *more, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || distance[i] != level) return;
    for (int k = start[i]; k < start[i + 1]; k++)
        if (distance[edges[k]] < 0) { distance[edges[k]] = level + 1; *more = 1; }
}
extern "C" __global__ void floyd_warshall(int *d, int n) {
    for (int k = 0; k < n; k++) {
        for (int i = threadIdx.y; i < n; i += blockDim.y) {
            int v = d[i * n + k] + d[k * n + threadIdx.x];
            if (v < d[i * n + threadIdx.x]) d[i * n + threadIdx.x] = v;
        }
        __syncthreads();
    }
}
extern "C" __global__ void edit_distance(const char *a, int n, const char *b, int m, int *out) {   // along the diagonals
    extern __shared__ int s[];
    int *row[3] = {s, s + n + 1, s + 2 * (n + 1)};
    for (int k = 0; k <= n + m; k++) {
        int *now = row[k % 3], *last = row[(k + 2) % 3], *older = row[(k + 1) % 3];
        int i = threadIdx.x, j = k - i;
        if (i <= n && j >= 0 && j <= m)
            now[i] = !i ? j : !j ? i : min(min(last[i - 1], last[i]) + 1, older[i - 1] + (a[i - 1] != b[j - 1]));
        __syncthreads();
    }
    if (!threadIdx.x) *out = row[(n + m) % 3][n];
}
extern "C" __global__ void knapsack(const int *weight, const int *value, int n, int capacity, int *best) {
    int t = threadIdx.x;
    for (int k = 0; k < n; k++) {
        int take = t >= weight[k] ? best[t - weight[k]] + value[k] : 0, keep = best[t];
        __syncthreads();
        best[t] = max(take, keep);
        __syncthreads();
    }
}
extern "C" __global__ void k_means(const float2 *x, int n, float2 *centre, int k, int *which) {     // one turn
    __shared__ float sx[8], sy[8]; __shared__ int count[8];
    int t = threadIdx.x;
    if (t < k) { sx[t] = sy[t] = 0; count[t] = 0; }
    __syncthreads();
    for (int i = t; i < n; i += blockDim.x) {
        int best = 0; float least = 1e30f;
        for (int c = 0; c < k; c++) {
            float dx = x[i].x - centre[c].x, dy = x[i].y - centre[c].y, d = dx * dx + dy * dy;
            if (d < least) { least = d; best = c; }
        }
        which[i] = best;
        atomicAdd(sx + best, x[i].x); atomicAdd(sy + best, x[i].y); atomicAdd(count + best, 1);
    }
    __syncthreads();
    if (t < k && count[t]) centre[t] = {sx[t] / count[t], sy[t] / count[t]};
}
extern "C" __global__ void softmax(const float *x, float *y, int n) {       // a warp a row
    const float *row = x + blockIdx.x * n;
    float most = -1e30f, sum = 0;
    for (int i = threadIdx.x; i < n; i += 32) most = fmaxf(most, row[i]);
    for (int o = 16; o; o >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, o));
    for (int i = threadIdx.x; i < n; i += 32) sum += expf(row[i] - most);
    for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(~0u, sum, o);
    for (int i = threadIdx.x; i < n; i += 32) y[blockIdx.x * n + i] = expf(row[i] - most) / sum;
}
extern "C" __global__ void run_lengths(const int *x, int n, int *value, int *length, int *count) {  // one warp
    int runs = 0;
    for (int base = 0; base < n; base += 32) {
        int i = base + threadIdx.x;
        bool first = i < n && (!i || x[i] != x[i - 1]);
        unsigned heads = __ballot_sync(~0u, first), below = heads & ((2u << threadIdx.x) - 1);
        int run = runs + __popc(below) - 1;
        if (first) value[run] = x[i];
        if (i < n) atomicAdd(length + run, 1);
        runs += __popc(heads);
    }
    if (!threadIdx.x) *count = runs;
}
extern "C" __global__ void automaton(const unsigned char *table, const char *text, int n, int *state) { // maps of states, composed
    __shared__ unsigned char s[64][4];
    int t = threadIdx.x, part = n / 64;
    for (int q = 0; q < 4; q++) { int v = q; for (int k = 0; k < part; k++) v = table[v * 2 + (text[t * part + k] & 1)]; s[t][q] = v; }
    for (int d = 1; d < 64; d *= 2) {
        __syncthreads();
        if (t % (2 * d) == 0) for (int q = 0; q < 4; q++) s[t][q] = s[t + d][s[t][q]];
    }
    if (!t) *state = s[0][0];
}
""")


@PLAIN.case
def breadth_first(d: Device) -> None:
    n = 120
    linked = d.random.random((n, n)) < 0.02
    rows, edges = np.nonzero(linked)
    start = np.searchsorted(rows, np.arange(n + 1)).astype("i4")
    distance = np.full(n, -1, "i4")
    distance[0] = 0
    at = [d.put(start), d.put(edges.astype("i4")), d.put(distance)]
    for level in range(n):
        more = d.zeros("i4", 1)
        d.launch("breadth_first", 1, 128, *at, level, more, n)
        front = linked[distance == level].any(0) & (distance < 0)
        distance[front] = level + 1
        assert d.get(more, "i4")[0] == front.any()
        if not front.any():
            break
    d.equal(at[2], distance)
    assert distance.max() > 2


@PLAIN.case
def floyd_warshall(d: Device) -> None:
    x = d.random.integers(1, 1000, (32, 32)).astype("i4")
    np.fill_diagonal(x, 0)
    p = d.put(x)
    d.launch("floyd_warshall", 1, (32, 8), p, 32)
    for k in range(32):
        x = np.minimum(x, x[:, k : k + 1] + x[k])
    d.equal(p, x)


@PLAIN.case
def edit_distance(d: Device) -> None:
    a, b = (d.random.integers(97, 101, n).astype("u1") for n in (60, 45))
    out = d.zeros("i4", 1)
    d.launch("edit_distance", 1, 64, d.put(a), 60, d.put(b), 45, out, shared=61 * 12)
    row = list(range(46))
    for i, c in enumerate(a):
        last, row = row, [i + 1]
        for j, e in enumerate(b):
            row.append(min(last[j] + (c != e), last[j + 1] + 1, row[j] + 1))
    d.equal(out, np.int32(row[-1]))


@PLAIN.case
def knapsack(d: Device) -> None:
    weight, value = d.random.integers(1, 60, (2, 20)).astype("i4")
    best = d.zeros("i4", 200)
    d.launch("knapsack", 1, 200, d.put(weight), d.put(value), 20, 199, best)
    want = [0] * 200
    for w, v in zip(weight.tolist(), value.tolist()):
        want = [max(want[c], want[c - w] + v if c >= w else 0) for c in range(200)]
    d.equal(best, np.int32(want))


@PLAIN.case
def k_means(d: Device) -> None:
    x, centre = d.random.integers(0, 64, (200, 2)).astype("f4"), d.random.integers(0, 64, (5, 2)).astype("f4")
    p, which = d.put(centre), d.zeros("i4", 200)
    d.launch("k_means", 1, 64, d.put(x), 200, p, 5, which)
    near = ((x[:, None] - centre) ** 2).sum(2).argmin(1).astype("i4")
    d.equal(which, near)
    sums = [x[near == c].sum(0) / np.float32((near == c).sum()) if (near == c).any() else centre[c] for c in range(5)]
    d.equal(p, np.float32(sums))


@PLAIN.case
def softmax(d: Device) -> None:
    x = (d.random.standard_normal((4, 77)) * 5).astype("f4")
    y = d.zeros("f4", x.size)
    d.launch("softmax", 4, 32, d.put(x), y, 77)
    e = np.exp(x.astype("f8") - x.max(1, keepdims=True))
    d.close(y, (e / e.sum(1, keepdims=True)).astype("f4"), 2e-6)


@PLAIN.case
def run_lengths(d: Device) -> None:
    x = np.repeat(d.random.integers(0, 9, 60), d.random.integers(1, 7, 60)).astype("i4")
    heads = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
    value, length, count = d.zeros("i4", len(heads)), d.zeros("i4", len(heads)), d.zeros("i4", 1)
    d.launch("run_lengths", 1, 32, d.put(x), len(x), value, length, count)
    d.equal(count, np.int32(len(heads)))
    d.equal(value, x[heads])
    d.equal(length, np.diff(np.append(heads, len(x))).astype("i4"))


@PLAIN.case
def automaton(d: Device) -> None:
    table, text = d.random.integers(0, 4, 8).astype("u1"), d.random.integers(0, 256, 640).astype("u1")
    out = d.zeros("i4", 1)
    d.launch("automaton", 1, 64, d.put(table), d.put(text), 640, out)
    state = 0
    for c in text:
        state = table[state * 2 + (c & 1)]
    d.equal(out, np.int32(state))
