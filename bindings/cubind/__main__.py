"""`python -m cubind`: which CUDA libraries were found, and where."""

from . import info

if __name__ == "__main__":
    print(info())
