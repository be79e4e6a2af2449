"""Stencils, image filters and cellular automata."""

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

PLAIN = Unit(r"""
typedef unsigned char u8;
extern "C" __global__ void stencil_1d(const int *x, int *y, int n) {
    __shared__ int s[128 + 6];
    int t = threadIdx.x, i = blockIdx.x * 128 + t;
    s[t + 3] = i < n ? x[i] : 0;
    if (t < 3) { s[t] = i >= 3 ? x[i - 3] : 0; s[t + 131] = i + 128 < n ? x[i + 128] : 0; }
    __syncthreads();
    int v = 0;
    for (int k = 0; k < 7; k++) v += s[t + k];
    if (i < n) y[i] = v;
}
extern "C" __global__ void stencil_2d(const float *x, float *y, int w, int h) {         // Jacobi's, borders stay
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c >= w || r >= h) return;
    int i = r * w + c;
    y[i] = c && r && c < w - 1 && r < h - 1 ? 0.25f * (x[i - 1] + x[i + 1] + x[i - w] + x[i + w]) : x[i];
}
extern "C" __global__ void stencil_3d(const int *x, int *y, int n) {                    // marches along z with registers
    int i = threadIdx.x, j = threadIdx.y, plane = n * n, at = j * n + i;
    int below = 0, here = x[at], above = x[at + plane];
    for (int k = 0; k < n; k++, at += plane) {
        int sides = (i ? x[at - 1] : 0) + (i < n - 1 ? x[at + 1] : 0) + (j ? x[at - n] : 0) + (j < n - 1 ? x[at + n] : 0);
        y[at] = 6 * here - sides - below - above;
        below = here; here = above; above = k + 2 < n ? x[at + 2 * plane] : 0;
    }
}
extern "C" __global__ void life(const u8 *x, u8 *y, int w, int h) {                     // on a torus
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y, n = 0;
    if (c >= w || r >= h) return;
    for (int dr = -1; dr <= 1; dr++) for (int dc = -1; dc <= 1; dc++)
        if (dr || dc) n += x[(r + dr + h) % h * w + (c + dc + w) % w];
    y[r * w + c] = n == 3 || (n == 2 && x[r * w + c]);
}
extern "C" __global__ void sobel(const u8 *x, u8 *y, int w, int h) {
    int c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    __shared__ u8 s[18][20];
    for (int k = threadIdx.y * 16 + threadIdx.x; k < 18 * 18; k += 256) {
        int rr = min(max(int(blockIdx.y * 16 + k / 18) - 1, 0), h - 1), cc = min(max(int(blockIdx.x * 16 + k % 18) - 1, 0), w - 1);
        s[k / 18][k % 18] = x[rr * w + cc];
    }
    __syncthreads();
    if (c >= w || r >= h) return;
    const u8 *a = s[threadIdx.y] + threadIdx.x, *b = a + 20, *e = b + 20;
    int gx = a[2] + 2 * b[2] + e[2] - a[0] - 2 * b[0] - e[0], gy = e[0] + 2 * e[1] + e[2] - a[0] - 2 * a[1] - a[2];
    y[r * w + c] = min(abs(gx) + abs(gy), 255);
}
__constant__ int weights[5];
extern "C" __global__ void gaussian(const u8 *x, u8 *y, int w, int h) {                 // separable, both passes in one kernel
    extern __shared__ int rows[];
    int c = threadIdx.x, r0 = blockIdx.x * 4;
    for (int k = 0; k < 8; k++) {
        int r = min(max(r0 + k - 2, 0), h - 1), v = 0;
        for (int j = 0; j < 5; j++) v += weights[j] * x[r * w + min(max(c + j - 2, 0), w - 1)];
        rows[k * w + c] = v;
    }
    __syncthreads();
    for (int k = 0; k < 4 && r0 + k < h; k++) {
        int v = 128;
        for (int j = 0; j < 5; j++) v += weights[j] * rows[(k + j) * w + c];
        y[(r0 + k) * w + c] = v >> 8;
    }
}
extern "C" __global__ void median(const u8 *x, u8 *y, int w, int h) {
    int c = blockIdx.x * blockDim.x + threadIdx.x + 1, r = blockIdx.y + 1;
    if (c >= w - 1) return;
    u8 v[9];
    for (int k = 0; k < 9; k++) v[k] = x[(r + k / 3 - 1) * w + c + k % 3 - 1];
    for (int k = 0; k < 5; k++)
        for (int j = k + 1; j < 9; j++) if (v[j] < v[k]) { u8 o = v[j]; v[j] = v[k]; v[k] = o; }
    y[(r - 1) * (w - 2) + c - 1] = v[4];
}
extern "C" __global__ void grayscale(const uchar4 *x, u8 *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { uchar4 p = x[i]; y[i] = (77 * p.x + 150 * p.y + 29 * p.z) >> 8; }
}
extern "C" __global__ void bilinear(const float *x, float *y, int w, int h, int scale) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y;
    if (c >= w * scale) return;
    float fx = fminf((float)c / scale, w - 1), fy = fminf((float)r / scale, h - 1);
    int cx = min((int)fx, w - 2), cy = min((int)fy, h - 2);
    float ax = fx - cx, ay = fy - cy;
    const float *p = x + cy * w + cx;
    y[r * w * scale + c] = (1 - ay) * ((1 - ax) * p[0] + ax * p[1]) + ay * ((1 - ax) * p[w] + ax * p[w + 1]);
}
extern "C" __global__ void summed_area(const unsigned *x, unsigned *y, int w, int h) {
    for (int r = threadIdx.x; r < h; r += blockDim.x) { unsigned s = 0; for (int c = 0; c < w; c++) y[r * w + c] = s += x[r * w + c]; }
    __syncthreads();
    for (int c = threadIdx.x; c < w; c += blockDim.x) { unsigned s = 0; for (int r = 0; r < h; r++) { s += y[r * w + c]; y[r * w + c] = s; } }
}
extern "C" __global__ void flood_fill(const u8 *wall, int *label, int w, int h, int *changed) {     // labels sink to the least
    int c = threadIdx.x, r = threadIdx.y, i = r * w + c;
    for (bool again = true; again;) {
        int v = label[i];
        if (!wall[i]) {
            if (c && !wall[i - 1]) v = min(v, label[i - 1]);
            if (c < w - 1 && !wall[i + 1]) v = min(v, label[i + 1]);
            if (r && !wall[i - w]) v = min(v, label[i - w]);
            if (r < h - 1 && !wall[i + w]) v = min(v, label[i + w]);
        }
        __syncthreads();
        again = __syncthreads_or(v != label[i]);
        label[i] = v;
        if (again && !c && !r) ++*changed;
        __syncthreads();
    }
}
""")


def neighbours(x: np.ndarray, mode: str, reach: int = 1) -> dict[tuple[int, int], np.ndarray]:
    padded = np.pad(x, reach, mode)
    h, w = x.shape
    return {(r, c): padded[reach + r : reach + r + h, reach + c : reach + c + w]
            for r in range(-reach, reach + 1) for c in range(-reach, reach + 1)}  # fmt: skip


@PLAIN.case
def stencil_1d(d: Device) -> None:
    x = d.random.integers(-99, 99, 300).astype("i4")
    y = d.zeros("i4", 300)
    d.launch("stencil_1d", 3, 128, d.put(x), y, 300)
    d.equal(y, np.convolve(x, np.ones(7, "i4"), "same"))


@PLAIN.case
def stencil_2d(d: Device) -> None:
    x = d.random.random((30, 41)).astype("f4")
    y = d.zeros("f4", x.size)
    d.launch("stencil_2d", (2, 4), (32, 8), d.put(x), y, 41, 30)
    want = x.copy()
    want[1:-1, 1:-1] = np.float32(0.25) * (((x[1:-1, :-2] + x[1:-1, 2:]) + x[:-2, 1:-1]) + x[2:, 1:-1])
    d.equal(y, want)


@PLAIN.case
def stencil_3d(d: Device) -> None:
    x = d.random.integers(-99, 99, (12, 12, 12)).astype("i4")
    y = d.zeros("i4", x.size)
    d.launch("stencil_3d", 1, (12, 12), d.put(x), y, 12)
    p = np.pad(x, 1)
    around = (
        p[:-2, 1:-1, 1:-1]
        + p[2:, 1:-1, 1:-1]
        + p[1:-1, :-2, 1:-1]
        + p[1:-1, 2:, 1:-1]
        + p[1:-1, 1:-1, :-2]
        + p[1:-1, 1:-1, 2:]
    )
    d.equal(y, 6 * x - around)


@PLAIN.case
def life(d: Device) -> None:
    x = d.random.integers(0, 2, (33, 40)).astype("u1")
    p, q = d.put(x), d.zeros("u1", x.size)
    for _ in range(4):
        d.launch("life", (2, 5), (32, 8), p, q, 40, 33)
        p, q = q, p
        n = sum(v for at, v in neighbours(x, "wrap").items() if at != (0, 0))
        x = ((n == 3) | ((n == 2) & (x == 1))).astype("u1")
    d.equal(p, x)


@PLAIN.case
def sobel(d: Device) -> None:
    x = d.random.integers(0, 60, (35, 50)).astype("u1")
    y = d.zeros("u1", x.size)
    d.launch("sobel", (4, 3), (16, 16), d.put(x), y, 50, 35)
    n = neighbours(x.astype(int), "edge")
    gx = sum(k * (n[r, 1] - n[r, -1]) for r, k in ((-1, 1), (0, 2), (1, 1)))
    gy = sum(k * (n[1, c] - n[-1, c]) for c, k in ((-1, 1), (0, 2), (1, 1)))
    d.equal(y, np.minimum(abs(gx) + abs(gy), 255).astype("u1"))


@PLAIN.case
def gaussian(d: Device) -> None:
    x = d.random.integers(0, 256, (22, 64)).astype("u1")
    y, w = d.zeros("u1", x.size), np.int32([1, 4, 6, 4, 1])
    d.put_variable("weights", w)
    d.launch("gaussian", 6, 64, d.put(x), y, 64, 22, shared=8 * 64 * 4)
    total = sum(int(w[r + 2] * w[c + 2]) * v.astype(int) for (r, c), v in neighbours(x, "edge", 2).items())
    d.equal(y, (total + 128 >> 8).astype("u1"))


@PLAIN.case
def median(d: Device) -> None:
    x = d.random.integers(0, 256, (20, 50)).astype("u1")
    y = d.zeros("u1", 18 * 48)
    d.launch("median", (1, 18), 64, d.put(x), y, 50, 20)
    d.equal(y, np.median(np.stack(list(neighbours(x, "edge").values())), 0)[1:-1, 1:-1].astype("u1"))


@PLAIN.case
def grayscale(d: Device) -> None:
    x = d.random.integers(0, 256, (500, 4)).astype("u1")
    y = d.zeros("u1", 500)
    d.launch("grayscale", 4, 128, d.put(x), y, 500)
    d.equal(y, (x[:, :3].astype(int) @ [77, 150, 29] >> 8).astype("u1"))


@PLAIN.case
def bilinear(d: Device) -> None:
    x = d.random.integers(0, 64, (9, 11)).astype("f4")
    y = d.zeros("f4", 36 * 44)
    d.launch("bilinear", (1, 36), 64, d.put(x), y, 11, 9, 4)  # quarters: every product is exact
    across = np.stack([np.interp(np.arange(44) / 4, np.arange(11), row) for row in x])
    d.equal(y, np.stack([np.interp(np.arange(36) / 4, np.arange(9), c) for c in across.T], 1).astype("f4"))


@PLAIN.case
def summed_area(d: Device) -> None:
    x = d.random.integers(0, 2**32, (30, 40), "u4")
    y = d.zeros("u4", x.size)
    d.launch("summed_area", 1, 32, d.put(x), y, 40, 30)
    d.equal(y, x.cumsum(0, "u4").cumsum(1, "u4"))


@PLAIN.case
def flood_fill(d: Device) -> None:
    wall = (d.random.random((16, 32)) < 0.35).astype("u1")
    labels = np.arange(512, dtype="i4").reshape(16, 32)
    p, turns = d.put(labels), d.zeros("i4", 1)
    d.launch("flood_fill", 1, (32, 16), d.put(wall), p, 32, 16, turns)
    want = labels.copy()
    for start in range(512):  # in order: the first that reaches a place has the least label
        if wall.flat[start] or want.flat[start] != start:
            continue
        pending = [start]
        while pending:
            r, c = divmod(pending.pop(), 32)
            for rr, cc in ((r, c - 1), (r, c + 1), (r - 1, c), (r + 1, c)):
                if 0 <= rr < 16 and 0 <= cc < 32 and not wall[rr, cc] and want[rr, cc] > start:
                    want[rr, cc] = start
                    pending.append(rr * 32 + cc)
    d.equal(p, want)
    assert d.get(turns, "i4")[0] > 3
