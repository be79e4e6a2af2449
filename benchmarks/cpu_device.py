"""How fast the CPU device is, in figures with bars: python -m benchmarks.cpu_device [--write FILE].

Lane-instructions are those that are executed, by active lanes only: a run with counting handlers counts them, runs
without are timed.  One host thread, the handlers for AVX2 also where the processor has AVX-512, every access checked; each
result is compared with NumPy's.
A figure is the best of several runs; lane-instructions and loading are by the thread's processor time, on each processor in
turn (what shares one with another machine is slower by a third), launches by the clock.
"""

import argparse
import ctypes
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import cpu_kernels as kernels
from tests.cpu_device.exec_access import Machine, machine

LIBRARY = Path(__file__).parent.parent / "bindings" / "cubind" / "_cpu" / "libcuda.so.1"
RUNS = 7
SPEEDS = {"saxpy": 3000, "tiled matmul": 1800, "reduction": 2500, "mandelbrot": 1800}
Row = tuple[str, float, str, float, bool]  # what, figure, unit, bar, whether more is better


def best(work: Callable[[], None], runs: int = RUNS, clock: Callable[[], float] = time.thread_time) -> float:
    """Seconds of the fastest run; with the thread's own clock so many runs on each of up to four processors."""
    allowed = os.sched_getaffinity(0)
    times = []
    for where in [{n} for n in sorted(allowed)[:4]] if clock is time.thread_time else [allowed]:
        os.sched_setaffinity(0, where)
        for _ in range(runs):
            start = clock()
            work()
            times.append(clock() - start)
    os.sched_setaffinity(0, allowed)
    return min(times)


class Bench:
    """One machine of the tests, with its handlers."""

    def __init__(self, m: Machine) -> None:
        self.m = m

    def speed(self, text: str, grid: object, block: object, check: Callable[[], bool], *args: object) -> float:
        """Million lane-instructions a second."""
        module = self.m.load(text)
        name = text.partition(".entry ")[2].partition("(")[0]
        run = lambda: module.run(name, grid, block, *args)  # noqa: E731
        lanes = self.m.lane_instructions(module, run)
        assert check(), f"{name} is wrong"
        return lanes / best(run) / 1e6

    def saxpy(self) -> float:
        n = 1 << 22
        x, y = np.arange(n, dtype="f4") % 1000, np.ones(n, "f4")
        a, b = self.m.buffer(x), self.m.buffer(y)
        return self.speed(
            kernels.SAXPY, n // 256, 256, lambda: np.array_equal(self.array(b, n), 2 * x + y), a, b, 2.0, n
        )

    def matmul(self) -> float:
        n = 256
        a, b = ((np.arange(n * n) * k % 7 - 3).astype("f4").reshape(n, n) for k in (3, 5))
        x, y, z = self.m.buffer(a), self.m.buffer(b), self.m.alloc(4 * n * n)
        good = lambda: np.array_equal(self.array(z, n * n).reshape(n, n), a @ b)  # noqa: E731
        return self.speed(kernels.MATMUL, (n // 16, n // 16), (16, 16), good, x, y, z, n)

    def reduction(self) -> float:
        n, ctas = 1 << 22, 256
        x = (np.arange(n) % 5).astype("f4")
        a, b = self.m.buffer(x), self.m.alloc(4 * ctas)
        return self.speed(kernels.REDUCTION, ctas, 256, lambda: self.array(b, ctas).sum() == x.sum(), a, b, n)

    def mandelbrot(self) -> float:
        n, most = 512, 256
        out = self.m.alloc(4 * n * n)
        good = lambda: close(self.array(out, n * n, "u4").reshape(n, n), mandelbrot(n, most))  # noqa: E731
        return self.speed(kernels.MANDELBROT, (n // 128, n), 128, good, out, n, most)

    def array(self, address: int, n: int, dtype: str = "f4") -> np.ndarray:
        return np.frombuffer(self.m.read(address, 4 * n), dtype)

    def load_time(self) -> tuple[float, int]:
        """Milliseconds to parse and decode a text of 60 KB, and its size."""
        bodies = [
            t.removeprefix(kernels.HEAD) for t in (kernels.SAXPY, kernels.MATMUL, kernels.REDUCTION, kernels.MANDELBROT)
        ]
        text, k = kernels.HEAD, 0
        while len(text) < 60 << 10:
            text += bodies[k % 4].replace(".entry ", f".entry e{k}_") + "\n"
            k += 1
        data = text.encode()
        status, log = ctypes.c_int(), ctypes.create_string_buffer(1 << 10)

        def load() -> None:
            program = self.m.lib.exec_load(
                data, ctypes.c_size_t(len(data)), 89, ctypes.byref(status), log, ctypes.c_size_t(1 << 10)
            )
            assert program, log.value
            self.m.lib.exec_unload(ctypes.c_void_p(program))

        return 1e3 * best(load, 30), len(data)


def mandelbrot(n: int, most: int) -> np.ndarray:
    x, y = np.meshgrid(np.arange(n, dtype="f4"), np.arange(n, dtype="f4"))
    step = np.float32(3) / np.float32(n)
    cx, cy = x * step - np.float32(2), y * step - np.float32(1.5)
    zx, zy, count = np.zeros_like(cx), np.zeros_like(cx), np.zeros((n, n), "u4")
    inside = np.ones((n, n), bool)
    for _ in range(most):
        with np.errstate(all="ignore"):
            inside &= zx * zx + zy * zy <= 4
            count[inside] += 1
            zx, zy = zx * zx - zy * zy + cx, (zx + zx) * zy + cy
    return count


def close(got: np.ndarray, want: np.ndarray) -> bool:
    """Most alike: NumPy has no fused multiply-add, and the border is where the last bit counts."""
    return bool(np.mean(got != want) < 0.02)


# --- whole launches, by the driver's functions ---


class Driver:
    def __init__(self) -> None:
        self.lib = ctypes.CDLL(str(LIBRARY))
        context = ctypes.c_void_p()
        self("cuInit", 0)
        self("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self("cuCtxSetCurrent", context)

    def __call__(self, name: str, *args: object) -> None:
        status = getattr(self.lib, name)(*args)
        assert status == 0, (name, status)

    def function(self, text: str, name: str) -> ctypes.c_void_p:
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self("cuModuleLoadData", ctypes.byref(module), text.encode())
        self("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
        return function

    def launch_time(self) -> float:
        """Microseconds of an empty launch with its synchronization."""
        function, n = self.function(kernels.EMPTY, "empty"), 2000
        launch, wait = self.lib.cuLaunchKernel, self.lib.cuCtxSynchronize

        def many() -> None:
            for _ in range(n):
                launch(function, 1, 1, 1, 32, 1, 1, 0, None, None, None)
                wait()

        return best(many, clock=time.perf_counter) / n * 1e6

    def matmul_time(self) -> float:
        """Seconds of 512x512 times 512x512."""
        n = 512
        a, b = ((np.arange(n * n) * k % 7 - 3).astype("f4").reshape(n, n) for k in (3, 5))
        places = [ctypes.c_uint64() for _ in range(3)]
        for place in places:
            self("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(4 * n * n))
        for place, data in zip(places, (a, b), strict=False):
            self("cuMemcpyHtoD_v2", place, data.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(data.nbytes))
        values = [*places, ctypes.c_uint32(n)]
        params = (ctypes.c_void_p * 4)(*(ctypes.addressof(v) for v in values))
        function = self.function(kernels.MATMUL, "matmul")

        def launch() -> None:
            self("cuLaunchKernel", function, n // 16, n // 16, 1, 16, 16, 1, 0, None, params, None)
            self("cuCtxSynchronize")

        seconds = best(launch, clock=time.perf_counter)
        out = np.empty((n, n), "f4")
        self("cuMemcpyDtoH_v2", out.ctypes.data_as(ctypes.c_void_p), places[2], ctypes.c_size_t(out.nbytes))
        assert np.array_equal(out, a @ b), "matmul is wrong"
        return seconds


def measure() -> tuple[list[Row], str]:
    os.environ["CPU_DEVICE_LEVEL"], os.environ["CPU_DEVICE_THREADS"] = "v3", "2"
    driver = Driver()
    m = machine("v3")
    bench = Bench(m)
    speeds = {
        "saxpy": bench.saxpy,
        "tiled matmul": bench.matmul,
        "reduction": bench.reduction,
        "mandelbrot": bench.mandelbrot,
    }
    rows: list[Row] = [
        (f"{name}, one core", work(), "M lane-instructions/s", SPEEDS[name], True) for name, work in speeds.items()
    ]
    rows.append(("tiled matmul 512³, whole launch, 2 threads", driver.matmul_time(), "s", 0.5, False))
    rows.append(("empty launch + synchronize", driver.launch_time(), "µs", 10, False))
    milliseconds, size = bench.load_time()
    rows.append((f"parse + decode of {size / 1000:.0f} KB of PTX", milliseconds, "ms", 10, False))
    rows.append(("libcuda.so.1", LIBRARY.stat().st_size / 1e6, "MB", 4.0, False))
    return rows, m.level


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def page(rows: list[Row], level: str) -> str:
    lines = ["# What the CPU device reaches", "", "Written by `make bench-cpu`; not edited by hand.", ""]
    lines.append(
        f"{datetime.date.today().isoformat()}, Python {platform.python_version()}, NumPy {np.__version__}, {processor()}, "
        f"{os.cpu_count()} processors, handlers {level}"
    )
    lines += ["", "| what | figure | bar | |", "| --- | --- | --- | --- |"]
    for what, figure, unit, bar, more in rows:
        good = figure >= bar if more else figure <= bar
        shown = f"{figure:,.0f}" if more else f"{figure:.3g}"
        lines.append(f"| {what} | {shown} {unit} | {'≥' if more else '≤'} {bar:,} | {'' if good else 'missed'} |")
    lines += ["", *(__doc__ or "").splitlines()[2:]]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="The CPU device's speed, with bars.")
    parser.add_argument("--write", type=Path, help="also into this file")
    options = parser.parse_args()
    rows, level = measure()
    text = page(rows, level)
    sys.stdout.write(text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
