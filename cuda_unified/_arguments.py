"""What a kernel's argument means: the rare half of src/values.c."""

from __future__ import annotations

import sys

from cubind import CudaError, driver

from . import _native
from .errors import DeviceMismatchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .stream import Stream

# The ways to pack an object, as `enum how` of src/values.c has them.
AS_NOTHING, AS_INT, AS_FLOAT, AS_COMPLEX, AS_BUFFER, AS_INSIDE, AS_VIEW, AS_HANDLE, AS_INDEX, AS_PYTHON = range(10)

_HANDLE: type = driver.CUstream.__mro__[1]
_RECORD: type = driver.CUlaunchConfig.__mro__[1]
_BY_VALUE = (bytes, bytearray, memoryview, _RECORD)
_CTYPES = ("_SimpleCData", "Structure", "Union", "Array", "_Pointer")


def _by_value() -> tuple[type, ...]:
    """Classes whose objects are their bytes."""
    ctypes = sys.modules.get("_ctypes")
    return (*_BY_VALUE, *(getattr(ctypes, name) for name in _CTYPES if ctypes))


def classify(cls: type) -> tuple[int, str, int]:
    """How objects of a class are packed: (one of AS_..., the kind of number or '?', bytes of an object)."""
    numpy = sys.modules.get("numpy")
    if numpy and issubclass(cls, numpy.generic):
        kind = numpy.dtype(cls).kind if cls.__module__ == "numpy" else "?"
        return (AS_INSIDE, kind, cls.__basicsize__) if kind in "iufbc" else (AS_PYTHON, "?", 0)
    for how, classes in (
        (AS_BUFFER, _native.Buffer),
        (AS_VIEW, _by_value()),
        (AS_HANDLE, _HANDLE),
        (AS_INT, int),
        (AS_FLOAT, float),
        (AS_COMPLEX, complex),
    ):
        if issubclass(cls, classes):
            return how, "?", 0
    if _is_memory(cls):
        return AS_PYTHON, "?", 0
    return AS_INDEX if hasattr(cls, "__index__") else AS_PYTHON, "?", 0


def _is_memory(thing: Any) -> bool:
    return hasattr(thing, "__cuda_array_interface__") or hasattr(thing, "__dlpack__")


def value_of(value: Any, stream: Stream) -> bytes | tuple[int, object] | str:
    """The bytes of an argument, or (its address, what keeps that memory), or why it cannot be one."""
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(value, (numpy.generic, numpy.ndarray)):
        return _numpy_value(value, stream)
    if _is_memory(value):
        return _foreign(value, stream)
    kind = type(value).__name__
    if isinstance(value, _native.Stream | _native.Event):
        return f"a {kind} is no argument of a kernel; its handle is"
    return f"expected a number, memory, a struct or bytes, given {kind}"


def _numpy_value(value: Any, stream: Stream) -> bytes | tuple[int, object] | str:
    dtype = value.dtype
    if value.ndim:
        return _host_memory(value, value.__array_interface__["data"][0], stream)
    if dtype.hasobject or dtype.kind in "SU":
        return f"a NumPy scalar of dtype {dtype} has no form in device code"
    if not dtype.isnative:
        return f"a NumPy scalar of dtype {dtype} is of the other byte order"
    data: bytes = value.tobytes()
    return data


def _host_memory(value: Any, pointer: int, stream: Stream) -> tuple[int, object] | str:
    """Memory of the host that a device can read: pinned, managed or registered."""
    kind = type(value).__name__
    reachable = _device_address(pointer, stream) if value.nbytes else 0
    if reachable is None:
        return (
            f"this {kind} is in host memory, which the device cannot reach: copy it to the device, or give memory "
            "that is pinned or managed"
        )
    return reachable, value


def _device_address(pointer: int, stream: Stream) -> int | None:
    """Where the device finds what is at an address; None where it cannot."""
    attribute = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_POINTER
    with stream.context:
        try:
            return int(driver.cuPointerGetAttribute(attribute, pointer))
        except CudaError:
            return None


def _foreign(value: Any, stream: Stream) -> tuple[int, object] | str:
    """Memory of another library; its work on it comes before the launch."""
    from .interop import as_array

    array = as_array(value, stream=stream)
    if array.nbytes and not array.is_device_accessible:
        return _host_memory(array, array.pointer, stream)
    if array.nbytes and array.device is not None and not array.is_host_accessible:
        wrong = check_reach(array, array.pointer, stream)
        if wrong:
            raise wrong[0](wrong[1])
    return int(array.pointer), array


def check_reach(memory: Any, pointer: int, stream: Stream) -> tuple[type[Exception], str] | None:
    """None where the stream's device can use memory of another one, else the class and the text of the error."""
    attribute = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_ACCESS_FLAGS
    if memory.device is stream.device:
        return None
    with stream.context:
        try:
            if int(driver.cuPointerGetAttribute(attribute, pointer)):
                return None
        except CudaError:
            pass  # the driver cannot say that it may: it may not
    return DeviceMismatchError, (
        f"memory of device {memory.device.ordinal} for a launch on device {stream.device.ordinal}, which has no access to it"
    )
