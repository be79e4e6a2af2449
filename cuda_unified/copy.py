"""Copies: what their ends may be, and copies of rows and slices."""

from __future__ import annotations

import sys

from cubind import driver

from . import _native
from ._traced import traced
from .memory import BY_DEVICE, BY_HOST, IS_READ_ONLY, Buffer, _size
from .stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def as_buffer(obj: Any, writable: Any = False) -> Buffer:
    """The bytes of anything that has some, as a Buffer that keeps it alive and copies nothing.

    obj: a Buffer, an Array, an object with `__cuda_array_interface__`, DLPack or the buffer protocol; C-contiguous.
    Its `stream` is the one that the data comes from, None where nothing is known of one: whoever uses it waits for that.

    Raises TypeError for what has no bytes, ValueError for what is not contiguous or, where `writable`, read-only.
    """
    if isinstance(obj, Buffer):
        buffer = obj
    elif _is_array(obj):
        buffer = _from_array(obj, type(obj).__name__)
    elif getattr(obj, "__cuda_array_interface__", None) is not None:
        buffer = _from_cuda_array_interface(obj)
    elif hasattr(type(obj), "__dlpack__") and not _has_host_view(obj):
        import cuda_unified

        buffer = _from_array(cuda_unified.as_array(obj), type(obj).__name__)
    else:
        buffer = _from_host(obj, writable)
    if writable and buffer._flags & IS_READ_ONLY:
        raise ValueError(f"this {type(obj).__name__} is read-only: it cannot be the destination")
    return buffer


def written(obj: Any, stream: Stream) -> None:
    """Called for a destination that is no Buffer: an Array remembers the stream that its data comes from."""
    if _is_array(obj):
        obj.stream = stream


def _is_array(obj: Any) -> bool:
    module = sys.modules.get(f"{__package__}.array")  # an Array is there only where its module is
    return module is not None and isinstance(obj, module.Array)


def _has_host_view(obj: Any) -> bool:
    try:
        memoryview(obj).release()
    except (TypeError, ValueError, BufferError):
        return False
    return True


def _from_host(obj: Any, writable: Any) -> Buffer:
    """Memory of the host, through the buffer protocol."""
    try:
        view = memoryview(obj)
    except TypeError:
        raise TypeError(
            f"a Buffer, an Array or an object with __cuda_array_interface__, DLPack or the buffer protocol is wanted, "
            f"not {type(obj).__name__}"
        ) from None
    if not view.c_contiguous:
        raise ValueError(f"this {type(obj).__name__} is not C-contiguous: copy it into one that is first")
    if writable and view.readonly:
        raise ValueError(f"this {type(obj).__name__} is read-only: it cannot be the destination")
    flags = BY_HOST | (IS_READ_ONLY if view.readonly else 0)
    buffer: Buffer = _native.make_buffer(_native.view_address(view), view.nbytes, None, flags, None, view, None)
    return buffer


def _from_cuda_array_interface(obj: Any) -> Buffer:
    """https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html"""
    interface = obj.__cuda_array_interface__
    shape, typestr = tuple(interface["shape"]), interface["typestr"]
    itemsize = int(typestr[2:])
    pointer, readonly = interface["data"]
    if interface.get("mask") is not None:
        raise ValueError(f"this {type(obj).__name__} is masked: the bytes of a masked array cannot be copied")
    size = itemsize
    for extent in shape:
        size *= extent
    if size and not _is_contiguous(shape, interface.get("strides"), itemsize):
        raise ValueError(f"this {type(obj).__name__} is not C-contiguous: copy it into one that is first")
    buffer = Buffer.from_handle(int(pointer or 0), size, owner=obj, readonly=bool(readonly))
    stream = interface.get("stream")
    if stream is not None and size:
        if stream == 0:
            raise ValueError(
                "__cuda_array_interface__ says stream 0, which the protocol disallows: 1 or 2 are defaults"
            )
        buffer.stream = Stream.from_handle(stream, device=buffer.device)
    return buffer


def _is_contiguous(shape: tuple[int, ...], strides: Any, itemsize: int) -> bool:
    expected = itemsize
    for extent, stride in zip(reversed(shape), reversed(strides or ()), strict=False):
        if extent != 1 and stride != expected:
            return False
        expected *= extent
    return True


def _from_array(array: Any, name: str) -> Buffer:
    """The memory of an Array."""
    if not array.is_contiguous:
        raise ValueError(f"this {name} is not C-contiguous: copy it into one that is first")
    flags = array._flags | (IS_READ_ONLY if array.readonly else 0)
    owner = array if array.buffer is None else array.buffer
    buffer: Buffer = _native.make_buffer(array.pointer, array.nbytes, array.context, flags, None, owner, array.stream)
    return buffer


def like(buffer: Buffer, stream: Any = None) -> Buffer:
    """A new buffer of the same size, from the same resource; from the device's where that is not known."""
    resource = buffer.resource
    if resource is None or getattr(resource, "is_closed", False):
        if buffer.device is None:
            raise ValueError("copy_to() of the host's own memory needs a destination")
        resource = buffer.device.resource
    made: Buffer = resource.allocate(buffer.size, stream)
    return made


# ---- rows and slices ---------------------------------------------------------------------------------------


def copy_2d(
    dst: Any,
    src: Any,
    *,
    width: int,
    height: int,
    dst_pitch: int | None = None,
    src_pitch: int | None = None,
    stream: Stream | Any = None,
) -> None:
    """Copies `height` rows of `width` bytes from `src` to `dst`, in the order of `stream`; see `copy_3d`.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """
    copy_3d(dst, src, width=width, height=height, depth=1, dst_pitch=dst_pitch, src_pitch=src_pitch, stream=stream)


def copy_3d(
    dst: Any,
    src: Any,
    *,
    width: int,
    height: int,
    depth: int,
    dst_pitch: int | None = None,
    src_pitch: int | None = None,
    dst_rows: int | None = None,
    src_rows: int | None = None,
    stream: Stream | Any = None,
) -> None:
    """Copies a box: `depth` slices of `height` rows of `width` bytes.

    dst, src: what `Buffer.copy_from` takes; a box inside begins where a slice of the buffer does.  dst_pitch,
    src_pitch: bytes from row to row, at least `width` (default: `width`).  dst_rows, src_rows: rows from slice to
    slice, at least `height` (default: `height`).  The rules of lifetime, stream and pageable memory are those of
    `Buffer.copy_from`; where rows of source and destination overlap the result is undefined.

    Raises ValueError where a box does not fit into its memory.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """
    extent = tuple(map(_size, (width, height, depth)))
    to = _Side("destination", as_buffer(dst, True), extent, dst_pitch, dst_rows)
    source = _Side("source", as_buffer(src), extent, src_pitch, src_rows)
    if 0 in extent:
        return
    at: Stream = _native.as_stream(stream, to.buffer.context or source.buffer.context)
    for obj, side in ((dst, to), (src, source)):
        comes_from = side.buffer.stream
        if side.buffer is not obj and comes_from is not None and comes_from != at:
            at.wait(comes_from)
    with at.context:
        _submit(to, source, extent, at)
    written(dst, at)
    _native.finish_copy(to.buffer, source.buffer, at)


class _Side:
    """One side of a copy of rows, checked."""

    def __init__(self, name: str, buffer: Buffer, extent: tuple[int, ...], pitch: int | None, rows: int | None) -> None:
        width, height, depth = extent
        self.buffer = buffer
        self.pointer = buffer.pointer  # ClosedError
        self.pitch = width if pitch is None else _size(pitch)
        self.rows = height if rows is None else _size(rows)
        if self.pitch < width and height * depth > 1:
            raise ValueError(f"the {name}'s rows of {width} bytes do not fit into a pitch of {self.pitch}")
        if self.rows < height and depth > 1:
            raise ValueError(f"the {name}'s slices of {height} rows do not fit into {self.rows} rows")
        last = ((depth - 1) * self.rows + height - 1) * self.pitch + width
        if 0 not in extent and last > buffer.size:
            raise ValueError(f"the box ends at byte {last} of the {name}, which has {buffer.size}")


def _submit(to: _Side, source: _Side, extent: tuple[int, ...], at: Stream) -> None:
    width, height, depth = extent
    unified = driver.CUmemorytype.CU_MEMORYTYPE_UNIFIED
    host = driver.CUmemorytype.CU_MEMORYTYPE_HOST
    devices = {s.buffer.device for s in (to, source) if s.buffer._flags & (BY_DEVICE | BY_HOST) == BY_DEVICE}
    record: Any = driver.CUDA_MEMCPY3D_PEER() if len(devices) > 1 else driver.CUDA_MEMCPY3D()
    record.WidthInBytes, record.Height, record.Depth = width, height, depth
    for side, prefix in ((to, "dst"), (source, "src")):
        known = side.buffer._flags & BY_DEVICE
        setattr(record, f"{prefix}MemoryType", unified if known else host)
        setattr(record, f"{prefix}Device" if known else f"{prefix}Host", side.pointer)
        setattr(record, f"{prefix}Pitch", side.pitch)
        setattr(record, f"{prefix}Height", side.rows)
        if len(devices) > 1:
            context = side.buffer.context or at.context
            setattr(record, f"{prefix}Context", context.handle)
    call = driver.cuMemcpy3DPeerAsync if len(devices) > 1 else driver.cuMemcpy3DAsync
    traced(call, record, at.address, stream=at.address, size=width * height * depth, kind="copy")
