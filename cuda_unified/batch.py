"""Many copies in one call of the driver."""

from __future__ import annotations

import cubind
from cubind import driver

from . import _native
from ._traced import traced
from .copy import as_buffer, written
from .location import to_location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .managed import Place
    from .memory import Buffer
    from .stream import Stream

_ORDERS = {
    "stream": driver.CUmemcpySrcAccessOrder.CU_MEMCPY_SRC_ACCESS_ORDER_STREAM,
    "call": driver.CUmemcpySrcAccessOrder.CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL,
    "any": driver.CUmemcpySrcAccessOrder.CU_MEMCPY_SRC_ACCESS_ORDER_ANY,
}
_OVERLAP = driver.CUmemcpyFlags.CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE
_LEGACY_STREAMS = (0, 1)


def copy_batch(
    pairs: Iterable[tuple[Any, Any]],
    *,
    source_order: str = "stream",
    overlap: bool = False,
    source_hint: Place | None = None,
    destination_hint: Place | None = None,
    stream: Stream | Any = None,
) -> None:
    """Makes many copies, in one call of the driver, in the order of the stream; among themselves they have none.

    pairs: (destination, source), each what `Buffer.copy_from` takes, of equal sizes in bytes; no pair may need another
    one's result.  source_order: when the sources are read: in their place in the "stream", before the "call" returns,
    or at "any" time from now on (for what nothing writes meanwhile).  overlap: copying shall leave the multiprocessors
    to kernels where it can.  source_hint, destination_hint: where managed memory, or the host's own, is and shall be: a
    Device, a `Host` or "host". stream: default the current one.

    The rules of lifetime and of pageable memory are those of `Buffer.copy_from`.  Where the driver has no batches (older
    than CUDA 13.0, the legacy default stream, a stream that is captured) the copies are made one by one.

    Raises ValueError where the sizes of a pair differ or its memory overlaps, and says which; then nothing is copied.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html
    """
    attributes = _attributes(source_order, overlap, source_hint, destination_hint)
    copies = [_Copy(i, *pair) for i, pair in enumerate(_listed(pairs))]
    moving = [copy for copy in copies if copy.to.size]
    if not moving:
        return
    at: Stream = _native.as_stream(stream, _context(moving))
    if at.address in _LEGACY_STREAMS or at.is_capturing or not cubind.has("cuMemcpyBatchAsync_v2"):
        for copy in moving:
            copy.to.copy_from(copy.source, stream=at)
            written(copy.destination, at)
        return
    for copy in moving:
        copy.wait(at)
    to, source = [copy.to.pointer for copy in moving], [copy.source.pointer for copy in moving]
    with at.context:
        sizes = [copy.to.size for copy in moving]
        arguments = to, source, sizes, len(moving), [attributes], [0], 1, at.address
        traced(driver.cuMemcpyBatchAsync, *arguments, stream=at.address, size=sum(sizes), kind="copy")
    for copy in moving:
        written(copy.destination, at)
        _native.finish_copy(copy.to, copy.source, at)


class _Copy:
    """One of the copies, checked."""

    __slots__ = ("destination", "given", "source", "to")

    def __init__(self, index: int, destination: Any, source: Any) -> None:
        self.destination, self.given = destination, source
        self.to, self.source = as_buffer(destination, True), as_buffer(source)
        size = self.to.size
        if size != self.source.size:
            raise ValueError(
                f"copy {index} of the batch: {self.source.size} bytes cannot be copied to memory of {size} bytes"
            )
        apart = abs(self.to.pointer - self.source.pointer)  # ClosedError
        if apart < size:
            raise ValueError(f"copy {index} of the batch: source and destination overlap in {size - apart} bytes")

    def wait(self, at: Stream) -> None:
        """For what data of other libraries comes from."""
        for given, buffer in ((self.destination, self.to), (self.given, self.source)):
            if buffer is not given and buffer.stream is not None and buffer.stream != at:
                at.wait(buffer.stream)


def _listed(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    listed = [pair if isinstance(pair, tuple) else () for pair in pairs]
    for i, pair in enumerate(listed):
        if len(pair) != 2:
            raise TypeError(f"copy {i} of the batch: a tuple (destination, source) is wanted")
    return listed


def _attributes(source_order: str, overlap: bool, source_hint: Place | None, destination_hint: Place | None) -> Any:
    if source_order not in _ORDERS:
        raise ValueError(f"source_order is one of {', '.join(map(repr, _ORDERS))}, not {source_order!r}")
    attributes = driver.CUmemcpyAttributes()
    attributes.srcAccessOrder, attributes.flags = _ORDERS[source_order], _OVERLAP if overlap else 0
    if source_hint is not None:
        attributes.srcLocHint = to_location(source_hint)
    if destination_hint is not None:
        attributes.dstLocHint = to_location(destination_hint)
    return attributes


def _context(copies: list[_Copy]) -> Any:
    ends: list[Buffer] = [end for copy in copies for end in (copy.to, copy.source)]
    return next((end.context for end in ends if end.context is not None), None)
