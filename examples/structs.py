"""Structs as arguments of kernels, by value: from NumPy and from ctypes; and an array of structs in memory."""

import argparse
import ctypes
import sys

import numpy as np

import cuda_unified as cu

SOURCE = r"""
struct Planet { float x, y, vx, vy; unsigned char name[4]; };  // 20 bytes
struct Sun { double mass; float x, y; };                       // 16 bytes

extern "C" __global__ void move(Planet *planets, int n, Sun sun, float dt, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Planet p = planets[i];
    for (int k = 0; k < steps; k++) {  // velocity first, then the place: energy stays
        float dx = sun.x - p.x, dy = sun.y - p.y, square = dx * dx + dy * dy;
        float pull = (float)sun.mass * rsqrtf(square) / square * dt;
        p.vx += dx * pull, p.vy += dy * pull;
        p.x += p.vx * dt, p.y += p.vy * dt;
    }
    planets[i] = p;
}
"""
PLANET = np.dtype([("x", "f4"), ("y", "f4"), ("vx", "f4"), ("vy", "f4"), ("name", "S4")])
SUN = np.dtype([("mass", "f8"), ("x", "f4"), ("y", "f4")])  # align=True where C has gaps


class Sun(ctypes.Structure):
    """The same, for programs without NumPy."""

    _fields_ = (("mass", ctypes.c_double), ("x", ctypes.c_float), ("y", ctypes.c_float))


def main() -> int:
    """Lets four planets go round once, around either kind of sun."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    steps = parser.parse_args().steps
    kernel = cu.compile_kernel(SOURCE, "move")
    print(f"{kernel.name} takes", *(f"{p.size} bytes at {p.offset}," for p in kernel.parameters or ()))

    start = np.zeros(4, PLANET)
    start["x"] = 1.0, 0.0, -1.0, 0.0
    start["y"] = 0.0, 1.0, 0.0, -1.0
    start["vx"], start["vy"] = -start["y"], start["x"]  # a circle; once round takes 2 pi
    start["name"] = "a", "b", "c", "d"
    suns = {"NumPy": np.array((1.0, 0.0, 0.0), SUN)[()], "ctypes": Sun(1.0, 0.0, 0.0)}
    worst: float = 0.0
    for origin, sun in suns.items():
        planets = cu.from_host(start)  # elements of 20 bytes
        kernel[1, 32](planets, len(start), sun, 2 * np.pi / steps, steps)
        end = planets.to_host().view(PLANET)
        worst = max(worst, *(float(np.max(np.abs(end[c] - start[c]))) for c in ("x", "y")))
        print(f"sun from {origin}:", *(f"{p['name'].decode()} ({p['x']:+.4f}, {p['y']:+.4f})" for p in end))
    print(f"  all back where they were but for {worst:.1e}")
    return int(worst > 20 / steps)


if __name__ == "__main__":
    sys.exit(main())
