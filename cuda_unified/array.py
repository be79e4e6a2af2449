"""Arrays: elements with a type, a shape and strides, on a device or on the host.  They hold and share data, no more."""

from __future__ import annotations

from . import _native
from . import device as _device  # noqa: F401 (C asks for devices)
from ._extend import extend
from ._light import TypeVar
from .context import Context
from .dtype import DType
from .memory import Flag
from .stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from .device import Device
    from .memory import Buffer

Other = TypeVar("Other")
_DEVICE, _HOST, _MANAGED, _PINNED = 1, 2, 4, 8
as_array = _native.as_array


@extend
class Array(_native.Array):
    """Elements of one type in memory of a `Buffer` or of another library, n-dimensional, with strides in bytes.

    Made by `empty`, `zeros`, `full`, `from_host`, `as_array`, `from_dlpack`, and `Array.over(buffer, shape, dtype)`.
    `array[...]` takes ints, slices, an Ellipsis and None and never copies.  Exchanged without a copy through DLPack
    (with its C table), the CUDA Array Interface and, where the host can read the memory, the buffer protocol and
    NumPy's array interface.

    A closed Buffer closes its arrays: `ClosedError`.
    """

    __slots__ = ()
    __hash__ = object.__hash__
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    ndim: int
    size: int
    nbytes: int
    context: Context | None
    buffer: Buffer | None
    stream: Stream | None
    readonly: bool
    is_contiguous: bool

    @staticmethod
    def over(
        buffer: Buffer,
        shape: int | Sequence[int] | None = None,
        dtype: Any = "uint8",
        *,
        strides: Sequence[int] | None = None,
        offset: int = 0,
        readonly: bool = False,
    ) -> Array:
        """An array in memory of a Buffer, `offset` bytes behind its begin; without a shape as many elements as there is room for.

        shape, dtype, strides (in bytes; default: C order): of its elements.  readonly: whether it refuses to be
        written.  ValueError: it would reach beyond the Buffer.
        """
        dtype = DType(dtype)
        if shape is None:
            shape = max(buffer.size - offset, 0) // dtype.itemsize
        if offset < 0:
            raise ValueError(f"offset must not be negative: {offset}")
        made: Array = _native.array_over(buffer, shape, dtype, strides, offset, readonly)
        return made

    @staticmethod
    def at(
        pointer: int,
        shape: int | Sequence[int],
        dtype: Any,
        *,
        device: Device | str,
        strides: Sequence[int] | None = None,
        owner: object = None,
        readonly: bool = False,
    ) -> Array:
        """An array at an address, `pointer`, that somebody else owns (`owner` is kept alive): nothing about it can be checked.

        shape, dtype, strides (in bytes): of its elements.  device: whose memory it is; "cpu": the host's.  readonly:
        whether it refuses to be written.
        """
        from .copying import resolve_device

        place = resolve_device(device)
        context, flags = (None, _HOST) if place is None else (place.context, _DEVICE)
        made: Array = _native.array_at(int(pointer), shape, dtype, strides, context, flags, owner, readonly)
        return made

    @property
    def device(self) -> Device | str:
        """The Device whose memory it is, or "cpu" for the host's own and page-locked memory."""
        return "cpu" if self.context is None or self._flags & _PINNED else self.context.device

    is_device_accessible = Flag(_DEVICE, "Whether kernels can use it.")
    is_host_accessible = Flag(_HOST, "Whether the host can read it where it is.")

    # ---- other views of the same memory ----------------------------------------------------------------------------

    def reshape(self, *shape: Any, copy: bool | None = None, stream: Any = None) -> Array:
        """The elements in C order with another shape; one -1 is what is left.

        A view where strides can say it; else a copy on `stream` (`copy=False`: ValueError; True: always a copy).
        """
        wanted = _complete(_flatten(shape), self.size)
        if copy:
            return self.copy(stream=stream).reshape(wanted)
        strides = _strides_for(self, wanted)
        if strides is not None:
            return _like(self, wanted, strides, self.dtype)
        if copy is False:
            raise ValueError(f"an array of shape {self.shape} and strides {self.strides} is no view of shape {wanted}")
        return self.contiguous(stream).reshape(wanted)

    def ravel(self, stream: Any = None) -> Array:
        """The elements in one dimension: a view where strides can say it, else a copy on `stream`."""
        return self.reshape(-1, stream=stream)

    def permute(self, *axes: Any) -> Array:
        """The dimensions in another order, `axes`: `a.permute(2, 0, 1)`.  ValueError: they are not all of them, each once."""
        order = [_axis(a, self.ndim) for a in _flatten(axes)]
        if sorted(order) != list(range(self.ndim)):
            raise ValueError(f"{tuple(order)} is no order of {self.ndim} dimensions")
        shape, strides = self.shape, self.strides
        return _like(self, [shape[i] for i in order], [strides[i] for i in order], self.dtype)

    def transpose(self, *axes: Any) -> Array:
        """The dimensions in reverse order, or in that of `axes`, as `permute`."""
        return self.permute(*axes) if axes and axes != (None,) else self.permute(range(self.ndim)[::-1])

    @property
    def T(self) -> Array:  # noqa: N802 (as everywhere)
        """The dimensions in reverse order."""
        return self.transpose()

    def view(self, dtype: Any) -> Array:
        """The same bytes as elements of another type; the last dimension changes with the size of the elements.

        ValueError: its elements do not lie together, or its bytes are no whole number of new elements.
        """
        wanted, old = DType(dtype), self.dtype
        shape, strides = list(self.shape), list(self.strides)
        if wanted.itemsize != old.itemsize:
            if not shape or (shape[-1] != 1 and strides[-1] != old.itemsize):
                raise ValueError(f"elements of {old} that do not lie together are no elements of {wanted}")
            nbytes = shape[-1] * old.itemsize
            if nbytes % wanted.itemsize:
                raise ValueError(f"{nbytes} bytes of the last dimension are no whole number of {wanted}")
            shape[-1], strides[-1] = nbytes // wanted.itemsize, wanted.itemsize
        return _like(self, shape, strides, wanted)

    def __iter__(self) -> Iterator[Array]:
        if not self.ndim:
            raise TypeError("an array without dimensions cannot be iterated over")
        return (self[i] for i in range(len(self)))

    # ---- copies: copying.py ----------------------------------------------------------------------------------------

    def contiguous(self, stream: Any = None) -> Array:
        """This array if its elements lie in C order without gaps, else such a copy, made in the order of `stream`."""
        return self if self.is_contiguous else self.copy(stream=stream)

    def copy(self, *, stream: Any = None) -> Array:
        """A contiguous copy in the same kind of memory, in the order of `stream` (default: the current one)."""
        from .copying import copy_beside

        return copy_beside(self, stream)

    def copy_from(self, src: Any, *, stream: Any = None) -> Array:
        """Copies the elements of an array of the same shape and type into this one, in the order of `stream`; returns this one.

        `src` is what `as_array` takes.  Memory of the host that the driver does not know has been read, or written, when this
        returns; other memory is kept alive until the copy is done.  Any strides will do, see copying.py for what they cost.
        """
        from .copying import copy

        copy(self, as_array(src, stream=stream), stream)
        return self

    def copy_to(self, dst: Other, *, stream: Any = None) -> Other:
        """Copies the elements of this array into another, `dst`, in the order of `stream`; see `copy_from`.  Returns `dst`."""
        from .copying import copy

        copy(as_array(dst, stream=stream, readonly=False), self, stream)
        return dst

    def fill(self, value: Any, *, stream: Any = None) -> Array:
        """Sets every element to `value`, a Python or NumPy number or a record's bytes, in the order of `stream`; returns it."""
        from .copying import fill

        fill(self, value, stream)
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        part = self[key]
        if isinstance(value, (int, float, complex)) or (type(value).__module__ == "numpy" and value.shape == ()):
            part.fill(value)
        else:
            part.copy_from(value)

    def to_host(self, *, stream: Any = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """The elements as a NumPy array, in C order; `out` is a NumPy array to write to.  Waits until they are there.

        stream: in whose order they are read (default: the current one).
        """
        from .copying import to_host

        return to_host(self, stream, out)

    def to_device(self, device: Device | str | int, /, *, stream: Any = None) -> Array:
        """This array if it is on that device ("cpu": if the host can read it), else a copy there in the order of `stream`."""
        from .copying import to_device

        return to_device(self, device, stream)

    def item(self, *, stream: Any = None) -> Any:
        """The only element as Python's number; waits for it, in the order of `stream`.  ValueError: there is more than one."""
        from .copying import item

        return item(self, stream)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        from .copying import to_numpy

        return to_numpy(self, dtype, copy)

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __repr__(self) -> str:
        where = (
            str(self.device)
            if self._flags & (_PINNED | _MANAGED) == 0
            else "pinned"
            if self._flags & _PINNED
            else "managed"
        )
        if self.buffer is not None and self.buffer.is_closed:
            where = "closed"
        return f"<Array {self.dtype}{list(self.shape)} {where}{', readonly' if self.readonly else ''}>"


def _like(array: Array, shape: Sequence[int], strides: Sequence[int], dtype: DType) -> Array:
    """Other elements of the same memory."""
    made: Array = _native.array_like(array, shape, strides, dtype, 0, False)
    return made


def _flatten(values: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) of f(2, 3) and of f((2, 3))."""
    if len(values) == 1 and not hasattr(values[0], "__index__"):
        values = tuple(values[0])
    return tuple(v.__index__() for v in values)


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"there is no dimension {axis} of {ndim}")
    return axis % ndim


def _complete(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """A shape whose -1 is replaced with what is left."""
    import math

    known = math.prod(n for n in shape if n != -1)
    open_ = shape.count(-1)
    if any(n < -1 for n in shape) or open_ > 1:
        raise ValueError(f"no shape: {shape}")
    if open_:
        if not known or size % known:
            raise ValueError(f"{size} elements have no shape {shape}")
        shape = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(shape) != size:
        raise ValueError(f"{size} elements have no shape {shape}")
    return shape


def _strides_for(array: Array, shape: tuple[int, ...]) -> list[int] | None:
    """Strides with which the same memory has another shape in C order; None: no strides do."""
    strides = [0] * len(shape)
    if not array.size:
        return strides
    old = [(n, s) for n, s in zip(array.shape, array.strides, strict=True) if n != 1]
    i = len(shape) - 1
    while old:
        n, stride = old.pop()  # a run of dimensions that lie together, from the innermost outwards
        run = n
        while old and old[-1][1] == stride * run:
            run *= old.pop()[0]
        unit = stride
        while run > 1:
            while i >= 0 and shape[i] == 1:
                i -= 1
            if i < 0 or run % shape[i]:
                return None
            strides[i], run = unit, run // shape[i]
            unit *= shape[i]
            i -= 1
    return strides


__all__ = ["Array", "as_array"]
