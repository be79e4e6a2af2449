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


def check(*, races=None, uninitialised=None):
    """Turn the checkers on or off for launches from now on; None leaves one as it is.

    races: two threads' accesses to shared or global memory that nothing orders, one of them a write that changes it.
    uninitialised: reads of shared, local or device memory that nothing wrote; of allocations made while this is on.
    A kernel that is found out fails with CUDA_ERROR_LAUNCH_FAILED, and last_report() says where.  False where another
    driver is used, or none yet.  CPU_DEVICE_RACES=1 and CPU_DEVICE_UNINIT=1 turn them on from the start.
    """
    from . import _core

    return _core._cpu_check(*(-1 if on is None else int(bool(on)) for on in (races, uninitialised)))


def interrupt():
    """End the launches that run, from any thread: they fail with CUDA_ERROR_LAUNCH_FAILED, and their contexts with them.

    Ctrl-C does the same while the main thread waits for a launch, before KeyboardInterrupt is raised.  False where
    another driver is used, or none yet.
    """
    from . import _core

    return _core._cpu_interrupt()


def in_use():
    """Whether the driver that was opened is the CPU device."""
    from . import _core

    return _core._cpu_report() is not None


def libdir():
    """The folder of its libcuda.so.1 and libcudart.so.13: with it in LD_LIBRARY_PATH, other programs run on it too."""
    from . import __path__

    return __path__[0] + "/_cpu"
