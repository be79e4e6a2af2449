"""Copies between arrays, to and from the host, for any shapes and strides.

What a copy costs: arrays that lie together in the same order are one copy; rows with a pitch one cuMemcpy2DAsync, planes one
cuMemcpy3DAsync; other strides a loop of these over the dimensions that are left (there is no kernel behind it).  Between the
host and a device a copy that would be more than one call goes through contiguous memory: each side rearranges its own.
"""

from __future__ import annotations

from . import _native
from .array import Array, as_array
from .creation import allocate_like, empty_on
from .device import Device
from .dtype import DType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from .stream import Stream

_DEVICE, _HOST = 1, 2


def resolve_device(device: Any) -> Device | None:
    """The Device that an argument means; None for "cpu"."""
    if device is None:
        return Device()
    if isinstance(device, Device):
        return device
    if device == "cpu":
        return None
    if isinstance(device, int) and not isinstance(device, bool):
        return Device(device)
    raise ValueError(f'device must be a Device, its number, or "cpu", not {device!r}')


def on_host_alone(array: Array) -> bool:
    """Whether it is memory that the driver does not know."""
    return not array._flags & _DEVICE


# ---- copies --------------------------------------------------------------------------------------------------------


def copy(dst: Array, src: Array, stream: Any = None) -> None:
    """Copies all elements; see `Array.copy_from`."""
    _check(dst, src)
    if _overlap(dst, src):
        src = copy_beside(src, stream)
    if on_host_alone(dst) and on_host_alone(src):
        _native.copy_strided(dst, src)
        return
    on = _native.stream_for(stream, dst.context or src.context)
    if on_host_alone(src) and _native.copy_calls(dst, src) > 1:
        src = _packed(src)
    if on_host_alone(dst):
        _to_host_memory(dst, src, on)
    elif on_host_alone(src) and _native.copy_calls(dst, src) > 1:
        beside = allocate_like(dst, on)
        _native.copy_strided(beside, src, on)
        _native.copy_strided(dst, beside, on)
    else:
        _native.copy_strided(dst, src, on)
    if not on_host_alone(dst):
        dst.stream = on


def _check(dst: Array, src: Array) -> None:
    if dst.dtype != src.dtype:
        raise TypeError(
            f"elements of {src.dtype} are not copied to elements of {dst.dtype}: convert them where NumPy or another "
            "library can compute, or view() the same bytes as another type"
        )
    if dst.shape != src.shape:
        raise ValueError(f"an array of shape {src.shape} is not copied to one of shape {dst.shape}")
    if dst.readonly:
        raise ValueError("the destination is read-only")


def _overlap(dst: Array, src: Array) -> bool:
    if not dst.size or (on_host_alone(dst) != on_host_alone(src)):
        return False
    (a, b), (c, d) = _native.array_extent(dst), _native.array_extent(src)
    if dst.pointer == src.pointer and dst.strides == src.strides:
        return False
    return dst.pointer + a < src.pointer + d and src.pointer + c < dst.pointer + b


def _packed(src: Array) -> Array:
    """The same elements in C order, in new memory of the host."""
    made: Array = _native.array_on_host(src.shape, src.dtype)
    _native.copy_strided(made, src)
    return made


def _to_host_memory(dst: Array, src: Array, stream: Stream) -> None:
    """Into memory of the host that the driver does not know; done when it returns."""
    if _native.copy_calls(dst, src) <= 1:
        _native.copy_strided(dst, src, stream)
        stream.sync()
        return
    low, high = _native.array_extent(src)
    if high - low > 2 * src.nbytes:
        src = copy_beside(src, stream)  # rearranged where it is
        low, high = 0, src.nbytes
    span = _native.array_on_host((high - low,), "uint8")
    _native.copy_strided(span, _native.array_like(src, (high - low,), (1,), "uint8", low, True), stream)
    stream.sync()
    begin = _native.array_like(span, (src.itemsize,), (1,), "uint8", 0, True).pointer - low
    _native.copy_strided(dst, _native.array_at(begin, src.shape, src.dtype, src.strides, None, _HOST, span, True))


# ---- new arrays ----------------------------------------------------------------------------------------------------


def copy_beside(array: Array, stream: Any = None) -> Array:
    """A contiguous copy in the same kind of memory."""
    if on_host_alone(array):
        return _packed(array)
    on = _native.stream_for(stream, array.context)
    made = allocate_like(array, on)
    _native.copy_strided(made, array, on)
    made.stream = on
    return made


def copy_on_host(array: Array, stream: Any = None) -> Array:
    """A contiguous copy in the host's own memory, which is there when this returns."""
    made: Array = _native.array_on_host(array.shape, array.dtype)
    wait(array)
    copy(made, array, stream)
    return made


def to_device(array: Array, device: Any, stream: Any = None) -> Array:
    """See `Array.to_device`."""
    place = resolve_device(device)
    if place is None:
        if not array.is_host_accessible:
            return copy_on_host(array, stream)
        wait(array)
        return array
    if array.device == place:
        return array
    made = empty_on(place, array.shape, array.dtype, stream)
    copy(made, array, stream)
    return made


def wait(array: Array) -> None:
    """Waits until the array's data is ready, as far as its stream is known."""
    if array.stream is not None and not array.stream.is_closed and not on_host_alone(array):
        array.stream.sync()


# ---- the host's numbers --------------------------------------------------------------------------------------------


def to_host(array: Array, stream: Any = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """See `Array.to_host`."""
    import numpy

    source = _without_lanes(array)
    if out is None:
        out = numpy.empty(source.shape, source.dtype.numpy)
        flat = as_array(out.reshape(-1).view(numpy.uint8))
        target = _native.array_like(flat, source.shape, None, source.dtype, 0, False)
    else:
        target = as_array(out, readonly=False)
    copy(target, source, stream)
    if not on_host_alone(source) and not on_host_alone(target):  # page-locked: the copy may still go on
        _native.stream_for(stream, source.context).sync()
    return out


def _without_lanes(array: Array) -> Array:
    """Lanes as a dimension of their own, which is what NumPy has for them."""
    dtype = array.dtype
    if dtype.lanes == 1:
        return array
    base = DType("uint8") if dtype.bits % 8 else DType(dtype.name.rpartition("x")[0])
    lanes = dtype.itemsize // base.itemsize
    shape, strides = (*array.shape, lanes), (*array.strides, base.itemsize)
    made: Array = _native.array_like(array, shape, strides, base, 0, False)
    return made


def to_numpy(array: Array, dtype: Any = None, copy: bool | None = None) -> Any:
    """The same memory as a NumPy array, where the host can read it."""
    import numpy

    if not array.is_host_accessible:
        raise TypeError("this array is a device's memory, which NumPy cannot read: to_host() makes a copy")
    array = _without_lanes(array)
    if not array.size:
        made = numpy.empty(array.shape, array.dtype.numpy)
    else:
        low, high = _native.array_extent(array)
        raw = memoryview(_native.array_like(array, (high - low,), (1,), "uint8", low, False))
        made = numpy.ndarray(array.shape, array.dtype.numpy, raw, -low, array.strides)
    if dtype is not None and numpy.dtype(dtype) != made.dtype:
        if copy is False:
            raise ValueError(f"elements of {made.dtype} are not {dtype} without a copy")
        return made.astype(dtype)
    return made.copy() if copy else made


def item(array: Array, stream: Any = None) -> Any:
    """See `Array.item`."""
    from .scalar import unpack

    if array.size != 1:
        raise ValueError(f"an array of {array.size} elements is no single number")
    one = _native.array_like(array, (array.itemsize,), (1,), "uint8", 0, True)
    return unpack(array.dtype, bytes(memoryview(copy_on_host(one, stream))))


def fill(array: Array, value: Any, stream: Any = None) -> None:
    """See `Array.fill`."""
    from .scalar import pack

    data = pack(array.dtype, value)
    if on_host_alone(array):
        _native.fill_strided(array, data, None)
        return
    on = _native.stream_for(stream, array.context)
    _native.fill_strided(array, data, on)
    array.stream = on
