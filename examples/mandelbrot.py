"""The Mandelbrot set as a PNG: a grid of two dimensions, one thread a pixel."""

import argparse

import numpy as np
from pictures import write_png

import cuda_unified as cu

SOURCE = r"""
// colours as cosines of different phase: they run smoothly into each other
__device__ unsigned char wave(float t, float phase) {
    return (unsigned char)(255.0f * (0.5f + 0.5f * cosf(6.2831853f * (t + phase))));
}

extern "C" __global__ void mandelbrot(uchar3 *pixels, int width, int height, float x, float y, float step, int steps) {
    int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= width || row >= height) return;
    float cr = x + step * (column - 0.5f * width), ci = y + step * (row - 0.5f * height);
    float zr = 0, zi = 0, square = 0;
    int i = 0;
    for (; i < steps && square < 256.0f; i++) {
        float next = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = next;
        square = zr * zr + zi * zi;
    }
    uchar3 colour = make_uchar3(0, 0, 0);
    if (square >= 256.0f) {  // i minus a fraction, by how far it went: no bands
        float t = 0.2f * log2f(1.0f + i + 4.0f - log2f(log2f(square)));
        colour = make_uchar3(wave(t, 0.0f), wave(t, 0.06f), wave(t, 0.16f));
    }
    pixels[row * width + column] = colour;
}
"""


def main() -> None:
    """Writes the picture."""
    device = cu.Device()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=480 if device.is_cpu else 1440, help="rows of pixels")
    parser.add_argument("--steps", type=int, default=100 if device.is_cpu else 1000)
    parser.add_argument("--out", default="mandelbrot.png")
    arguments = parser.parse_args()
    height, width = 2 * arguments.size, 2 * (arguments.size * 4 // 3)  # four points a pixel: smooth edges

    kernel = cu.compile_kernel(SOURCE, "mandelbrot")
    pixels = cu.empty((height, width, 3), "uint8")
    config = cu.LaunchConfig.for_size((width, height), block=(16, 16))
    with device.default_stream.timed() as timing:
        kernel[config](pixels, width, height, -0.65, 0.0, 2.5 / height, arguments.steps)
    points = pixels.to_host()
    image = points.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    write_png(arguments.out, image)
    inside = np.mean(~points.any(axis=2))
    print(f"{width} x {height} points on {device.name}: {timing.ms:.1f} ms, {inside:.1%} in the set: {arguments.out}")


if __name__ == "__main__":
    main()
