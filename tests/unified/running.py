"""Runs kernels of modules by the low level, for tests of what comes before a launch."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

import cuda_unified as cu
from cubind import driver


def launch(module: cu.Module, name: str, *arguments: Any, threads: int = 1) -> None:
    """One block; NumPy arrays are copied there and back, other arguments are ctypes values."""
    device = cu.Device(0)
    values, types, back = [], [], []
    with device:
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                buffer = device.allocate(argument.nbytes)
                driver.cuMemcpyHtoD(buffer.pointer, argument, argument.nbytes)
                back.append((argument, buffer))
                values.append(buffer.pointer)
                types.append(ctypes.c_void_p)
            else:
                values.append(argument.value)
                types.append(type(argument))
        handle = module._kernel_handle(name)
        driver.cuLaunchKernel(handle, 1, 1, 1, threads, 1, 1, 0, 0, (tuple(values), tuple(types)), None)
        device.sync()
        for array, buffer in back:
            driver.cuMemcpyDtoH(array, buffer.pointer, array.nbytes)


def one_number(module: cu.Module, name: str, dtype: Any = np.int32) -> Any:
    """What a kernel writes through its only parameter."""
    out = np.zeros(1, dtype)
    launch(module, name, out)
    return out[0]


def variable(buffer: cu.Buffer, dtype: Any) -> np.ndarray[Any, Any]:
    """What is in a variable."""
    out = np.zeros(buffer.size // np.dtype(dtype).itemsize, dtype)
    with cu.Device(0):
        driver.cuMemcpyDtoH(out, buffer.pointer, buffer.size)
    return out
