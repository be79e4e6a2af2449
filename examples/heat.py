"""A plate that is heated in two places, as an animated GIF: two streams, each with half of the plate, captured into a graph.

Each step of a half needs the other half's rows beside the border from the step before: events say when they are there.  The
steps between two frames are described once and launched for each frame.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from pictures import write_gif

import cuda_unified as cu

SOURCE = r"""
// one step of the heat equation for rows from `first` to `last`: each point goes towards the mean of its neighbours
extern "C" __global__ void step(const float *now, float *next, int width, int first, int last) {
    int column = blockIdx.x * blockDim.x + threadIdx.x, row = first + blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= width || row >= last) return;
    int i = row * width + column;
    bool edge = column == 0 || column == width - 1 || row == 0 || row == width - 1;
    bool heated = now[i] >= 1.0f;  // stays as hot as it is
    next[i] = edge || heated ? now[i] : now[i] + 0.24f * (now[i - 1] + now[i + 1] + now[i - width] + now[i + width] - 4 * now[i]);
}
"""


def plate(size: int) -> NDArray[np.float32]:
    """Cold, with a hot disc and a hot bar."""
    y, x = np.mgrid[0:size, 0:size] / size
    disc = (x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.006
    bar = (abs(x - 0.65) < 0.03) & (abs(y - 0.65) < 0.2)
    return np.where(disc | bar, 1.0, 0.0).astype(np.float32)


def palette() -> NDArray[np.uint8]:
    """256 colours from black over red and yellow to white."""
    t = np.linspace(0, 3, 256)
    return (255 * np.clip(np.stack([t, t - 1, t - 2], axis=1), 0, 1)).astype(np.uint8)


def main() -> None:
    """Computes, and writes a frame every so many steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=160, help="points in each direction")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--steps", type=int, default=20, help="for each frame; even")
    parser.add_argument("--out", default="heat.gif")
    parser.add_argument("--graph", help="a file for a picture of the graph, .svg")
    a = parser.parse_args()
    if a.steps % 2:
        parser.error("after an odd number of steps the newest plate would be the other one")
    device = cu.Device()
    kernel = cu.compile_kernel(SOURCE, "step")
    plates = cu.from_host(plate(a.size)), cu.from_host(plate(a.size))
    frames = [cu.empty_pinned((a.size, a.size), "float32") for _ in range(a.frames)]  # copies do not wait
    device.default_stream.sync()

    halves = [(0, a.size // 2), (a.size // 2, a.size)]
    config = cu.LaunchConfig.for_size((a.size, a.size // 2 + 1), block=(32, 8))
    one, two = device.stream(), device.stream()
    with one.capture() as graph:  # what the streams are given in this block goes into the graph
        two.wait(one)  # so the other stream joins
        for i in range(a.steps):
            now, following = plates[i % 2], plates[1 - i % 2]
            done = one.record(), two.record()
            for stream, other, (first, last) in ((one, done[1], halves[0]), (two, done[0], halves[1])):
                stream.wait(other)  # the other half of the step before
                kernel[config, stream](now, following, a.size, first, last)
        one.wait(two)
    if a.graph:
        graph.render(a.graph)
    run = graph.instantiate()
    for frame in frames:
        run.launch(one)
        plates[0].copy_to(frame, stream=one)
    device.sync()

    write_gif(a.out, [(255 * np.sqrt(frame)).astype(np.uint8) for frame in frames], palette())
    mean = [float(frame.mean()) for frame in (frames[0], frames[-1])]
    print(f"{a.frames * a.steps} steps of {a.size} x {a.size} points on {device.name}: {a.out}")
    print(f"  a graph of {len(graph)} nodes, launched {a.frames} times")
    print(f"  mean temperature {mean[0]:.4f} in the first frame, {mean[1]:.4f} in the last")


if __name__ == "__main__":
    main()
