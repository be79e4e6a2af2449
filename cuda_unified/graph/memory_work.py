"""What nodes do with memory: copies, fills, and memory that belongs to the graph."""

from __future__ import annotations

from cubind import driver

from .._records import dataclass, replace
from ..copy import as_buffer
from .work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import Context

HOST, DEVICE, UNIFIED = (
    getattr(driver.CUmemorytype, f"CU_MEMORYTYPE_{name}") for name in ("HOST", "DEVICE", "UNIFIED")
)


@dataclass(frozen=True)
class End:
    """One end of a copy: where, how many bytes if that is known, and what keeps it."""

    pointer: Any
    size: int | None
    type: Any
    owner: object

    @classmethod
    def of(cls, thing: Any, *, writable: bool) -> End:
        """From a Buffer, an Array, a node that allocates, an address, or anything with memory."""
        if isinstance(thing, End):
            return thing
        if isinstance(thing, int) and not isinstance(thing, bool):
            if not 0 < thing < 1 << 64:
                raise ValueError(f"an address is from 1 to 2**64 - 1, not {thing}")
            return cls(int(thing), None, UNIFIED, thing)
        memory = getattr(thing, "memory", None)
        if isinstance(memory, End):
            return memory
        buffer = as_buffer(thing, writable)
        if writable and buffer.is_readonly:
            raise ValueError("this memory is read-only: it cannot be the destination")
        place = (UNIFIED if buffer.is_host_accessible else DEVICE) if buffer.is_device_accessible else HOST
        return cls(buffer.pointer, buffer.size, place, buffer)


def _count(name: str, value: Any, least: int = 0) -> int:
    try:
        number: int = value.__index__()
    except AttributeError:
        raise TypeError(f"{name} is an int, not {type(value).__name__}") from None
    if not least <= number < 1 << 63:
        raise ValueError(f"{name} is from {least} to 2**63 - 1, not {number}")
    return number


def _check_box(name: str, end: End, extent: tuple[int, int, int], pitch: int, rows: int) -> None:
    width, height, depth = extent
    if pitch < width and height * depth > 1:
        raise ValueError(f"the {name}'s rows of {width} bytes do not fit into a pitch of {pitch}")
    if rows < height and depth > 1:
        raise ValueError(f"the {name}'s slices of {height} rows do not fit into {rows} rows")
    last = ((depth - 1) * rows + height - 1) * pitch + width
    if end.size is not None and last > end.size:
        raise ValueError(f"the copy ends at byte {last} of the {name}, which has {end.size}")


@dataclass(frozen=True)
class CopyWork(Work):
    """A copy of a box of `depth` slices of `height` rows of `width` bytes."""

    kind = "copy"
    type_name = "MEMCPY"
    dst: End
    src: End
    extent: tuple[int, int, int]
    pitches: tuple[int, int]  # of dst and src, in bytes
    rows: tuple[int, int]

    @classmethod
    def of(
        cls,
        dst: Any,
        src: Any,
        size: Any = None,
        *,
        width: Any = None,
        height: Any = 1,
        depth: Any = 1,
        dst_pitch: Any = None,
        src_pitch: Any = None,
        dst_rows: Any = None,
        src_rows: Any = None,
        context: Any = None,
    ) -> CopyWork:
        """Checks that the box is in both."""
        to, source = End.of(dst, writable=True), End.of(src, writable=False)
        if size is not None and width is not None:
            raise TypeError("a copy has a size, or a width, height and depth, not both")
        if width is None:
            width = size
        if width is None:
            if (height, depth) != (1, 1):
                raise TypeError("a copy of rows needs their width, in bytes")
            width = to.size if to.size is not None else source.size
            if width is None:
                raise TypeError("a copy between addresses needs its size, in bytes")
            if None not in (to.size, source.size) and to.size != source.size:
                raise ValueError(
                    f"{source.size} bytes cannot be copied to memory of {to.size} bytes: give the size, or slice the larger"
                )
        extent = (_count("the width", width, 1), _count("the height", height, 1), _count("the depth", depth, 1))
        pitches = tuple(extent[0] if p is None else _count("a pitch", p, 1) for p in (dst_pitch, src_pitch))
        rows = tuple(extent[1] if r is None else _count("a number of rows", r, 1) for r in (dst_rows, src_rows))
        _check_box("destination", to, extent, pitches[0], rows[0])
        _check_box("source", source, extent, pitches[1], rows[1])
        return cls(to, source, extent, (pitches[0], pitches[1]), (rows[0], rows[1]))

    def fill(self, params: Any, context: Context) -> None:
        copy = params.memcpy
        copy.copyCtx = context.address
        copy.copyParams = self.record()

    def record(self) -> Any:
        """The `driver.CUDA_MEMCPY3D`."""
        width, height, depth = self.extent
        record = driver.CUDA_MEMCPY3D(WidthInBytes=width, Height=height, Depth=depth)
        for prefix, end, pitch, rows in zip(("dst", "src"), (self.dst, self.src), self.pitches, self.rows, strict=True):
            setattr(record, f"{prefix}MemoryType", end.type)
            setattr(record, f"{prefix}{'Host' if end.type == HOST else 'Device'}", end.pointer)
            setattr(record, f"{prefix}Pitch", pitch)
            setattr(record, f"{prefix}Height", rows)
        return record

    def kept(self) -> object:
        return self.dst.owner, self.src.owner

    def changed(self, dst: Any = None, src: Any = None, size: Any = None, **changes: Any) -> Work:
        given = {name for name, value in changes.items() if name != "context" and value is not None}
        if size is None and not given:
            width, height, depth = self.extent
            changes |= {"width": width, "height": height, "depth": depth}
            changes |= dict(zip(("dst_pitch", "src_pitch"), self.pitches, strict=True))
            changes |= dict(zip(("dst_rows", "src_rows"), self.rows, strict=True))
        return CopyWork.of(self.dst if dst is None else dst, self.src if src is None else src, size, **changes)

    def describe(self) -> str:
        width, height, depth = self.extent
        return f"copy {width * height * depth} bytes"


@dataclass(frozen=True)
class FillWork(Work):
    """Sets `height` rows of `width` elements."""

    kind = "fill"
    type_name = "MEMSET"
    dst: End
    value: int
    element: int
    width: int
    height: int
    pitch: int

    @classmethod
    def of(
        cls,
        dst: Any,
        value: Any,
        *,
        element: Any = None,
        width: Any = None,
        height: Any = 1,
        pitch: Any = None,
        context: Any = None,
    ) -> FillWork:
        """Checks that the value fits into an element, and the rows into the memory."""
        to = End.of(dst, writable=True)
        if isinstance(value, bytes | bytearray | memoryview):
            element = len(value) if element is None else element
            value = int.from_bytes(value, "little")
        element = 1 if element is None else element
        if element not in (1, 2, 4):
            raise ValueError(f"an element has 1, 2 or 4 bytes, not {element}")
        value = value.__index__() if hasattr(value, "__index__") else value
        if not isinstance(value, int):
            raise TypeError(f"the value of a fill is an int or bytes, not {type(value).__name__}")
        if not -(1 << (8 * element - 1)) <= value < 1 << 8 * element:
            raise ValueError(f"{value} does not fit into an element of {element} bytes")
        height = _count("the height", height, 1)
        if width is None:
            if height != 1 or to.size is None:
                raise TypeError("a fill of rows, or at an address, needs their width, in elements")
            if to.size % element:
                raise ValueError(f"{to.size} bytes are no whole number of elements of {element} bytes")
            width = to.size // element
        width = _count("the width", width, 1)
        pitch = width * element if pitch is None else _count("the pitch", pitch, 1)
        _check_box("destination", to, (width * element, height, 1), pitch, height)
        return cls(to, value % (1 << 8 * element), element, width, height, pitch)

    def fill(self, params: Any, context: Context) -> None:
        memset = params.memset
        memset.dst, memset.value, memset.elementSize = self.dst.pointer, self.value, self.element
        memset.width, memset.height = self.width, self.height
        memset.pitch = self.pitch if self.height > 1 else 0
        memset.ctx = context.address

    def kept(self) -> object:
        return self.dst.owner

    def changed(self, dst: Any = None, value: Any = None, **changes: Any) -> Work:
        names = ("element", "width", "height", "pitch")
        given = {name: changes[name] for name in names if changes.get(name) is not None}
        same = given or {name: getattr(self, name) for name in names}
        return FillWork.of(self.dst if dst is None else dst, self.value if value is None else value, **same)

    def describe(self) -> str:
        return f"fill {self.width * self.height * self.element} bytes\nwith {self.value:#x}"


@dataclass(frozen=True)
class AllocateWork(Work):
    """Memory that each launch of the graph allocates, always at the same address."""

    kind = "allocate"
    type_name = "MEM_ALLOC"
    size: int
    pointer: int = 0

    def fill(self, params: Any, context: Context) -> None:
        alloc = params.alloc
        alloc.bytesize = _count("the size", self.size, 1)
        alloc.poolProps.allocType = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
        alloc.poolProps.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        alloc.poolProps.location.id = context.device.ordinal

    @property
    def memory(self) -> End:
        """The memory, for copies and fills."""
        return End(self.pointer, self.size, DEVICE, None)

    def at(self, pointer: int) -> AllocateWork:
        """With the address that the driver gave."""
        return replace(self, pointer=pointer)

    def describe(self) -> str:
        return f"allocate {self.size} bytes"


@dataclass(frozen=True)
class FreeWork(Work):
    """Gives memory back that a node of a graph allocated."""

    kind = "free"
    type_name = "MEM_FREE"
    pointer: int

    def fill(self, params: Any, context: Context) -> None:
        params.free.dptr = self.pointer
