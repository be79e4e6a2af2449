"""`python -m cubind`: which CUDA libraries were found, and where."""

import os
import sys

from . import info

if __name__ == "__main__":
    try:
        print(info())
        sys.stdout.flush()
    except BrokenPipeError:  # a pager or `head` that has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
