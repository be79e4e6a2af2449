"""NumPy arrays in page-locked and in managed memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    import numpy as np

    from .device import Device
    from .memory import Buffer

    Order = Literal["C", "F"]


def empty_pinned(
    shape: int | tuple[int, ...],
    dtype: Any = float,
    *,
    order: Order = "C",
    device: Device | int | None = None,
    write_combined: bool = False,
) -> np.ndarray[Any, Any]:
    """A NumPy array in page-locked memory of the host, not initialized: copies from and to it are asynchronous.

    The memory is freed with the last array that uses it.  device: the one that it is for (default: the current one).
    order: "C" or "F". write_combined: see `PinnedResource`.  Needs NumPy.
    """
    from .resources import PinnedResource

    return _array(PinnedResource(device, write_combined=write_combined), shape, dtype, order)


def zeros_pinned(
    shape: int | tuple[int, ...], dtype: Any = float, *, order: Order = "C", device: Device | int | None = None
) -> np.ndarray[Any, Any]:
    """The same, full of zeros."""
    array = empty_pinned(shape, dtype, order=order, device=device)
    array[...] = 0
    return array


def empty_managed(
    shape: int | tuple[int, ...],
    dtype: Any = float,
    *,
    order: Order = "C",
    device: Device | int | None = None,
    attach: str = "global",
) -> np.ndarray[Any, Any]:
    """A NumPy array in managed memory, not initialized: kernels use it at the same address.

    Its Buffer is `buffer_of(array)`.  See `ManagedResource` for `attach`, and for when the host may touch it.  Needs
    NumPy.
    """
    from .managed import ManagedResource

    return _array(ManagedResource(device, attach=attach), shape, dtype, order)


def zeros_managed(
    shape: int | tuple[int, ...], dtype: Any = float, *, order: Order = "C", device: Device | int | None = None
) -> np.ndarray[Any, Any]:
    """The same, full of zeros."""
    array = empty_managed(shape, dtype, order=order, device=device)
    array[...] = 0
    return array


def buffer_of(array: Any) -> Buffer:
    """The Buffer whose memory a NumPy array lies in, of this array or of what it is a view of; ValueError where it is
    none."""
    from .memory import Buffer

    owner = array
    while owner is not None:
        if isinstance(owner, Buffer):
            return owner
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    raise ValueError("this array does not lie in the memory of a Buffer")


def _array(resource: Any, shape: int | tuple[int, ...], dtype: Any, order: Order) -> np.ndarray[Any, Any]:
    import numpy as np

    kind = np.dtype(dtype)
    if kind.hasobject:
        raise TypeError(f"an array of {kind} has Python objects, which a device cannot use")
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    size = kind.itemsize
    for extent in extents:
        if extent < 0:
            raise ValueError(f"the extents of an array are from 0 on, not {extents}")
        size *= int(extent)
    buffer = resource.allocate(size)
    if not size:
        return np.ndarray(extents, kind, buffer=buffer, order=order)
    # frombuffer() holds a view, so that the buffer is not closed while the array lives; ndarray() does not
    return np.frombuffer(buffer, kind).reshape(extents, order=order)
