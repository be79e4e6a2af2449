"""What a C type is to a binding: every spelling in the facts resolved to one kind of value.

The kinds are those of `enum cu_kind` in bindings/cubind/_core.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import ctype, ir
from .ctype import CType


class UnknownTypeError(Exception):
    """A type that no declaration explains."""


@dataclass(frozen=True, slots=True)
class Value:
    """A resolved type.

    `name` is the canonical name of the enum, record, handle or callback; for a pointer ("ptr") the record that it points
    to, or "".  `count` is the number of elements of an array, 0 for a scalar.
    """

    kind: str
    name: str = ""
    size: int = 8
    count: int = 0

    @property
    def is_integer(self) -> bool:
        return self.kind[0] in "iu" and self.kind[1:].isdigit()

    @property
    def is_float(self) -> bool:
        return self.kind in ("f32", "f64")


@dataclass
class Types:
    """The types of one library; `shared` names handle classes that another library's module defines (tag → name)."""

    library: ir.Library
    shared: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lib = self.library
        self.typedefs = {t.name: t.type for t in lib.typedefs}
        self.records = {name: r for r in lib.records for name in (r.name, r.tag) if name}
        self.enums = {name: e for e in lib.enums for name in (e.name, e.tag) if name}
        self.callbacks = {c.name: c for c in lib.callbacks}
        self.opaque = set(lib.opaque)
        self.handles = self._handle_names()

    def _handle_names(self) -> dict[str, str]:
        """Opaque tag → canonical handle name: the shared one, else the first typedef that is not to a const."""
        names: dict[str, str] = {}
        for typedef in self.library.typedefs:
            c = _plain(typedef.type)
            if c and c.pointers == 1 and c.base in self.opaque and not c.const:
                names.setdefault(c.base, typedef.name)
        return {tag: self.shared.get(tag, names.get(tag, tag)) for tag in sorted(self.opaque)}

    def expand(self, c: CType) -> CType:
        """Replaces typedefs of typedefs until the base is a record, enum, callback, opaque tag or builtin."""
        seen: set[str] = set()
        while c.base in self.typedefs:
            if c.base in seen:
                raise UnknownTypeError(f"{self.library.name} {self.library.version}: {c.base!r} is a typedef of itself")
            seen.add(c.base)
            inner = ctype.parse(self.typedefs[c.base])
            c = CType(inner.base, c.pointers + inner.pointers, c.const or inner.const, c.dims + inner.dims)
        return c

    def resolve(self, text: str) -> Value:
        """The kind of value of a spelling.  UnknownTypeError where nothing declares the name."""
        try:
            c = ctype.parse(text)
        except ValueError:
            return Value("func", "")
        return self.value(c)

    def value(self, c: CType) -> Value:
        c = self.expand(c)
        if c.dims:
            element = self.value(c.element)
            return Value(element.kind, element.name, element.size, c.count)
        if c.pointers:
            return self._pointer(c)
        if c.base in self.records:
            record = self.records[c.base]
            return Value("record", record.name, record.size)
        if c.base in self.enums:
            return Value("enum", self.enums[c.base].name, 4)
        if c.base in self.callbacks:
            return Value("func", c.base)
        if c.base in ctype.BUILTIN:
            kind, size = ctype.BUILTIN[c.base]
            return Value(kind, "", size)
        raise UnknownTypeError(f"{self.library.name} {self.library.version}: nothing declares {c.base!r}")

    def _pointer(self, c: CType) -> Value:
        if c.pointers == 1:
            if c.base in self.opaque:
                return Value("handle", self.handles[c.base])
            if c.base == "char" and c.const:
                return Value("cstr")
            if c.base in self.records:
                return Value("ptr", self.records[c.base].name)
        return Value("ptr")

    def aliases(self) -> dict[str, str]:
        """Public name → canonical name, for typedefs of records, enums, handles and callbacks, and for tags."""
        names: dict[str, str] = {}
        for typedef in self.library.typedefs:
            value = self.value(ctype.parse(typedef.name)) if _plain(typedef.type) else Value("none")
            if value.kind in ("record", "enum", "handle", "func") and value.name != typedef.name and not value.count:
                names[typedef.name] = value.name
        tagged: list[ir.Record | ir.Enum] = [*self.library.records, *self.library.enums]
        names |= {d.tag: d.name for d in tagged if d.tag and d.tag != d.name}
        return names

    def integer_typedefs(self) -> Iterable[str]:
        """Typedefs of integers that are part of the API: CUdeviceptr, CUdevice."""
        for typedef in self.library.typedefs:
            value = self.value(ctype.parse(typedef.name)) if _plain(typedef.type) else Value("func")
            if value.is_integer and not value.count:
                yield typedef.name


def _plain(text: str) -> CType | None:
    try:
        return ctype.parse(text)
    except ValueError:
        return None
