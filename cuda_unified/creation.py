"""New arrays."""

from __future__ import annotations

from . import _native
from .array import Array, as_array
from .device import Device
from .dtype import DType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .stream import Stream

_MANAGED, _PINNED = 4, 8


def empty(
    shape: int | Sequence[int],
    dtype: Any = "float32",
    *,
    device: Device | str | int | None = None,
    stream: Any = None,
    resource: Any = None,
) -> Array:
    """An array in new memory, whose elements are not set.

    shape: an int or ints, elements of each dimension; dtype: what `DType` takes.  On `device` (default: the current
    one; "cpu" for the host's own memory) in the order of `stream`, or from `resource`, which is anything with
    `allocate(size, stream=...)` that returns a Buffer: so arrays in page-locked and managed memory are made.
    """
    if resource is None:
        from .copying import resolve_device

        return empty_on(resolve_device(device), shape, dtype, stream)
    dtype = DType(dtype)
    buffer = resource.allocate(_bytes_of(shape, dtype), stream=stream)
    made: Array = _native.array_over(buffer, shape, dtype, None, 0, False)
    return made


def zeros(
    shape: int | Sequence[int],
    dtype: Any = "float32",
    *,
    device: Device | str | int | None = None,
    stream: Any = None,
    resource: Any = None,
) -> Array:
    """An array of zeros, see `empty`."""
    made = empty(shape, dtype, device=device, stream=stream, resource=resource)
    return _clear(made, stream)


def full(
    shape: int | Sequence[int],
    value: Any,
    dtype: Any = None,
    *,
    device: Device | str | int | None = None,
    stream: Any = None,
    resource: Any = None,
) -> Array:
    """An array whose elements all are `value`, see `empty`; without a type that of the value (float is float64, int is int64)."""
    if dtype is None:
        dtype = getattr(value, "dtype", type(value))
    made = empty(shape, dtype, device=device, stream=stream, resource=resource)
    made.fill(value, stream=stream)
    return made


def empty_like(other: Any, dtype: Any = None, *, stream: Any = None, resource: Any = None) -> Array:
    """A contiguous array of the shape and type of `other`, in the same kind of memory; its elements are not set.

    dtype: another type; stream, resource: as of `empty`.
    """
    other = as_array(other)
    if resource is not None:
        return empty(other.shape, dtype or other.dtype, stream=stream, resource=resource)
    if not other.is_device_accessible:
        return empty(other.shape, dtype or other.dtype, device="cpu")
    return allocate_like(other, _native.stream_for(stream, other.context), dtype)


def zeros_like(other: Any, dtype: Any = None, *, stream: Any = None, resource: Any = None) -> Array:
    """An array of zeros of the shape and type of `other`, see `empty_like`."""
    return _clear(empty_like(other, dtype, stream=stream, resource=resource), stream)


def _clear(array: Array, stream: Any) -> Array:
    """Zero is all bits zero, in every type."""
    bits = array.view(f"record{array.itemsize}").fill(bytes(array.itemsize), stream=stream)
    array.stream = bits.stream
    return array


def full_like(other: Any, value: Any, dtype: Any = None, *, stream: Any = None, resource: Any = None) -> Array:
    """An array of the shape and type of `other` whose elements all are `value`, see `empty_like`."""
    return empty_like(other, dtype, stream=stream, resource=resource).fill(value, stream=stream)


def from_host(
    obj: Any,
    device: Device | str | int | None = None,
    *,
    dtype: Any = None,
    stream: Any = None,
    resource: Any = None,
) -> Array:
    """A copy of the host's data on a device: `obj` is what `as_array` takes, and with NumPy also lists and numbers.

    dtype: the type of lists and numbers; device, stream, resource: as of `empty`.  TypeError: there is no data of the
    host in it, or an array's type is not `dtype`.

    The host's data has been read when this returns, the copy goes on in the order of `stream`.
    """
    try:
        source = as_array(obj)
    except TypeError:
        import numpy

        there = numpy.asarray(obj, None if dtype is None else DType(dtype).numpy)
        if there.dtype.hasobject:
            raise TypeError(f"from_host(): {type(obj).__name__} is no number, nor are its elements") from None
        try:
            source = as_array(there)
        except BufferError as error:
            raise TypeError(f"from_host(): {error}") from None
    except BufferError:
        if hasattr(obj, "__array_interface__"):
            DType(obj.dtype)  # whose error names the type, and not a protocol
        raise
    if dtype is not None and source.dtype != dtype:
        raise TypeError(f"the host's data is {source.dtype}, not {DType(dtype)}: convert it there")
    made = empty(source.shape, source.dtype, device=device, stream=stream, resource=resource)
    return made.copy_from(source, stream=stream)


# ---- memory --------------------------------------------------------------------------------------------------------


def _bytes_of(shape: int | Sequence[int], dtype: DType) -> int:
    dims: tuple[int, ...] = (shape.__index__(),) if hasattr(shape, "__index__") else tuple(shape)
    if not all(hasattr(n, "__index__") for n in dims):
        raise TypeError(f"a shape is an int or a sequence of them, not {shape!r}")
    if any(n < 0 for n in dims):
        raise ValueError(f"a dimension of {min(dims)} elements: {dims}")
    import math

    return math.prod(dims) * dtype.itemsize


def empty_on(place: Device | None, shape: int | Sequence[int], dtype: Any, stream: Any = None) -> Array:
    """An array in the memory of a device, or of the host for None."""
    dtype = DType(dtype)
    made: Array
    if place is None:
        made = _native.array_on_host(shape, dtype)
        return made
    buffer = place.allocate(_bytes_of(shape, dtype), stream)
    made = _native.array_over(buffer, shape, dtype, None, 0, False)
    return made


def _resource_like(flags: int, device: Device) -> Any:
    """Page-locked or managed memory, for copies of arrays that are in such memory of another library."""
    if flags & _PINNED:
        from .resources import PinnedResource

        return PinnedResource(device)
    from .managed import ManagedResource

    return ManagedResource(device)


def allocate_like(array: Array, stream: Stream, dtype: Any = None) -> Array:
    """A contiguous array of the same shape in the same kind of memory, from where the other's is if that is known."""
    dtype = array.dtype if dtype is None else DType(dtype)
    size = _bytes_of(array.shape, dtype)
    resource = array.buffer.resource if array.buffer is not None else None
    device = array.context.device if array.context else Device()
    if resource is not None and hasattr(resource, "allocate"):
        buffer = resource.allocate(size, stream=stream)
    elif array._flags & (_PINNED | _MANAGED):
        buffer = _resource_like(array._flags, device).allocate(size, stream)
    else:
        buffer = device.allocate(size, stream)
    made: Array = _native.array_over(buffer, array.shape, dtype, None, 0, False)
    return made


def empty_like_tensor(shape: tuple[int, ...], code: int, bits: int, lanes: int, device_type: int, number: int) -> Array:
    """What the allocator of DLPack's C table makes."""
    dtype = _native.dtype_of_code(code, bits, lanes)
    if device_type == 1:
        return empty(shape, dtype, device="cpu")
    if device_type == 2:
        return empty(shape, dtype, device=number)
    flags = {3: _PINNED, 13: _MANAGED}.get(device_type)
    if flags is None:
        raise BufferError(f"no memory of DLPack's device type {device_type}")
    return empty(shape, dtype, resource=_resource_like(flags, Device()))
