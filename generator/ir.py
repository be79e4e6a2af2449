"""The facts: what the headers of one CUDA version declare, as plain frozen data.

Types are kept as C spells them, without the words struct, union and enum ("const CUmemLocation *", "char [16]");
`generator.ctype` takes such a spelling apart.  Nothing here knows a path, a date or a word of a header's prose.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a function or of a function-pointer type."""

    name: str
    type: str
    out: bool = False
    """The headers' documentation calls it returned (`[out]`, "Returned ...").  A hint, not a decision."""


@dataclass(frozen=True, slots=True)
class Function:
    """A declared function under its public name (`cuMemAlloc`), with the symbol that the library exports for it."""

    name: str
    symbol: str
    """What the linker sees, e.g. `cuMemAlloc_v2`."""
    returns: str
    params: tuple[Param, ...]
    header: str
    group: str = ""
    """Documentation group (`CUDA_MEM`): the vendor's page about it is named after it."""
    deprecated: bool = False
    legacy: bool = False
    """Exported for old programs only; the public name means another symbol now."""
    per_thread: str = ""
    """Symbol of the per-thread-default-stream variant, e.g. `cuMemcpy_ptds`."""
    resolver_name: str = ""
    resolver_version: int = 0
    """Name and version with which the library's resolver (cuGetProcAddress) hands out exactly this prototype."""


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a record; `name` is empty for an anonymous struct or union."""

    name: str
    type: str
    offset: int
    size: int
    record: Record | None = None
    """The definition, where the member's type has no name of its own; `type` is then "" or "[N]"."""


@dataclass(frozen=True, slots=True)
class Record:
    """A struct or union with its layout on 64-bit Linux (bytes)."""

    name: str
    tag: str
    union: bool
    size: int
    align: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Enum:
    """An enumeration; `values` in declaration order, equal values allowed."""

    name: str
    tag: str
    signed: bool
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Typedef:
    """A name for another type: a handle (`struct CUctx_st *`, here "CUctx_st *"), an integer or an alias."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Callback:
    """A typedef of a pointer to function."""

    name: str
    returns: str
    params: tuple[Param, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    """A constant: an object-like macro with an integer value, or an enumerator of an enum without a name."""

    name: str
    value: int


Declaration = Function | Record | Enum | Typedef | Callback | Macro


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that one library's headers declare in one CUDA version."""

    name: str
    version: str
    functions: tuple[Function, ...] = ()
    records: tuple[Record, ...] = ()
    enums: tuple[Enum, ...] = ()
    typedefs: tuple[Typedef, ...] = ()
    callbacks: tuple[Callback, ...] = ()
    macros: tuple[Macro, ...] = ()
    opaque: tuple[str, ...] = field(default=())
    """Tags that are declared but never defined: what handles point to."""
