"""The CPU device: a CUDA driver library of our own that runs kernels where there is no GPU.

It is used where NVIDIA's driver is missing or has no device, and always with CUBIND_DEVICE=cpu.  What it supports is in
cpu_device/README.md.
"""


def last_report():
    """What stopped the last kernel that failed: kernel, block, thread, line, address.

    "" where none has failed; None where another driver is used, or none yet.
    """
    from . import _core

    return _core._cpu_report()


def in_use():
    """Whether the driver that was opened is the CPU device."""
    from . import _core

    return _core._cpu_report() is not None


def libdir():
    """The folder of its libcuda.so.1 and libcudart.so.13: with it in LD_LIBRARY_PATH, other programs run on it too."""
    from . import __path__

    return __path__[0] + "/_cpu"
