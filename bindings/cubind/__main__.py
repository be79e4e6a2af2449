"""`python -m cubind`: which CUDA libraries were found, and where.  `python -m cubind cpu-libdir`: where the CPU device is."""

import os
import sys

from . import cpu, info

if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["cpu-libdir"]):
        sys.exit("usage: python -m cubind [cpu-libdir]")
    try:
        print(cpu.libdir() if sys.argv[1:] else info())
        sys.stdout.flush()
    except BrokenPipeError:  # a pager or `head` that has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
