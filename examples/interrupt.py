"""Ctrl-C in a kernel that takes long: how to wait for it, and how to end it."""

import argparse
import sys
import time

import cubind
import cuda_unified as cu

SOURCE = r"""
// counts until it is told to stop: *stop is page-locked memory, which the host writes while the kernel runs
extern "C" __global__ void count(volatile unsigned long long *counter, const volatile int *stop) {
    while (!*stop) ++*counter;
}
"""


def main() -> int:
    """Waits for a kernel that ends only when it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sync", action="store_true", help="wait in the driver: for the CPU device")
    sync = parser.parse_args().sync
    device = cu.Device()
    if sync and not device.is_cpu:
        parser.error("the driver of a GPU cannot be interrupted")
    kernel = cu.compile_kernel(SOURCE, "count")
    memory = cu.PinnedResource(device).allocate(16).fill(0)
    device.sync()
    counter, stop = memoryview(memory[:8]).cast("Q"), memoryview(memory[8:12]).cast("i")
    stream = device.stream()
    kernel[1, 1, stream](memory[:8], memory[8:])
    print(f"running on {device.name}; press Ctrl-C", flush=True)
    try:
        if sync:
            stream.sync()  # the CPU device ends a kernel at Ctrl-C, and says where it was
        while not stream.done:  # Python raises KeyboardInterrupt between its own steps: so wait in such
            time.sleep(0.01)
    except KeyboardInterrupt:
        print(f"KeyboardInterrupt; it has counted to {counter[0]}")
        if sync:
            print(cubind.cpu.last_report())
            return 0
        stop[0] = 1  # a GPU goes on with a kernel that was launched, whatever happens to the program: tell it
        stream.sync()
        print(f"stopped at {counter[0]}")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
