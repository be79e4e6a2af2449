"""`python -m cuda_unified`: libraries, devices, packages, and what is missing."""

from .environment import info

if __name__ == "__main__":
    print(info())
