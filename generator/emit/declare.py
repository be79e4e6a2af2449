"""Declarations as C and Cython want them: spelled with or without our prefix, each after what it needs.

Records without a name get one after their path (`CUDA_RESOURCE_DESC_v1_res_array`) and are declared before the record
they are in; anonymous members stay anonymous, and what is named inside them is called after the record around them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .. import ctype, ir
from ..typetable import Types, UnknownTypeError

PREFIX = "cubind_"
"""What every complete type, typedef, enumerator and constant of our C headers begins with."""

_WORDS = frozenset({"const", "volatile", "struct", *(word for name in ctype.BUILTIN for word in name.split())})
_NAME = re.compile(r"(?:\b(const)\s+)?\b([A-Za-z_]\w*)")


class EmitError(Exception):
    """Facts that cannot be put into C: a packed record, two things of one name."""


@dataclass(frozen=True, slots=True)
class Named:
    """A record with the name under which it is declared."""

    name: str
    record: ir.Record


def nested(name: str, record: ir.Record) -> Iterator[Named]:
    """The records inside a record that need a name of their own, innermost first."""
    for f in record.fields:
        if f.record is None:
            continue
        inner = f"{name}_{f.name}" if f.name else name
        yield from nested(inner, f.record)
        if f.name:
            yield Named(inner, f.record)


def in_order(names: Iterable[str], needs: Callable[[str], Iterable[str]]) -> list[str]:
    """Sorts names so that each comes after those it needs, and else alphabetically."""
    known, done = set(names), dict[str, None]()

    def visit(name: str) -> None:
        if name in known:
            known.discard(name)
            for other in sorted(needs(name)):
                visit(other)
            done[name] = None

    for name in sorted(known):
        visit(name)
    return list(done)


def records(types: Types) -> list[Named]:
    """All records, nested ones too, each after the records that it holds by value."""
    by_name = {r.name: r for r in types.library.records}
    order = in_order(by_name, lambda name: _held_records(types, by_name[name]))
    found = [n for name in order for n in (*nested(name, by_name[name]), Named(name, by_name[name]))]
    _check_unique(types, [n.name for n in found])
    return found


def _check_unique(types: Types, names: list[str]) -> None:
    library = types.library
    others = [e.name for e in library.enums if e.name] + [*types.typedefs, *types.callbacks]
    twice = sorted(name for name, n in Counter([*names, *others]).items() if n > 1)
    if twice:
        raise EmitError(f"{library.name} {library.version}: several types would be called {', '.join(twice)}")


def _held_records(types: Types, record: ir.Record) -> Iterator[str]:
    for f in record.fields:
        if f.record:
            yield from _held_records(types, f.record)
        else:
            value = types.resolve(f.type)
            if value.kind == "record":
                yield value.name


def alignment(types: Types, record: ir.Record) -> int:
    """The alignment that C gives a record of these fields."""
    return max((_field_alignment(types, f) for f in record.fields), default=1)


def _field_alignment(types: Types, f: ir.Field) -> int:
    if f.record:
        return f.record.align
    value = types.resolve(f.type)
    return types.records[value.name].align if value.kind == "record" else value.size


def typedefs(types: Types) -> list[ir.Typedef | ir.Callback]:
    """Typedefs and callbacks, each after those that it is made of; without the names of foreign headers."""
    skip = foreign_typedefs(types)
    known: dict[str, ir.Typedef | ir.Callback] = {t.name: t for t in types.library.typedefs if t.name not in skip}
    known |= {c.name: c for c in types.library.callbacks}
    return [known[name] for name in in_order(known, lambda name: _words(known[name]))]


def _words(declared: ir.Typedef | ir.Callback) -> set[str]:
    texts = [declared.type] if isinstance(declared, ir.Typedef) else signature(declared)
    return {word for text in texts for word in re.findall(r"\w+", text)}


def signature(declared: ir.Function | ir.Callback) -> list[str]:
    """The types of a function: what it returns, then its parameters."""
    return [declared.returns, *(p.type for p in declared.params)]


def definitions(library: ir.Library) -> list[ir.Record | ir.Enum]:
    """Records and enums: what C defines with a body."""
    return [*library.records, *library.enums]


def foreign_typedefs(types: Types) -> dict[str, str]:
    """Names that other headers define (GLuint, EGLImageKHR) → the builtin type behind them.

    Those are typedefs of builtin types that do not begin as the library's own functions do (cu, cuda, nvrtc).
    """
    stems = {match[0] for f in types.library.functions if (match := re.match(r"[a-z]+", f.name))}
    found: dict[str, str] = {}
    for typedef in types.library.typedefs:
        if not stems or typedef.name.lower().startswith(tuple(stems)) or "(" in typedef.type:
            continue
        plain = types.expand(ctype.parse(typedef.name))
        if plain.base in ctype.BUILTIN and not plain.dims:
            const = "const " if plain.const else ""
            found[typedef.name] = f"{const}{plain.base}{' ' if plain.pointers else ''}{'*' * plain.pointers}"
    return found


def tag_aliases(types: Types) -> dict[str, str]:
    """Tags that differ from the name of their record or enum → that name; without tags that name something else too."""
    defined = definitions(types.library)
    taken = {d.name for d in defined} | set(types.typedefs) | set(types.callbacks) | types.opaque
    return {tag: name for tag, name in sorted((d.tag, d.name) for d in defined) if tag and name and tag not in taken}


class Spelling:
    """Spells the types of one library for a target.

    Args:
        prefix: goes before every name that we declare.
        opaque: goes before the tag of a record that nobody defines ("struct " in C).
        pointer_suffix: goes behind a pointer to function that has no name ("noexcept nogil" in Cython).
    """

    def __init__(self, types: Types, prefix: str, opaque: str, pointer_suffix: str = "") -> None:
        self._library = types.library
        self._suffix = pointer_suffix
        self._foreign = foreign_typedefs(types)
        self._names = {tag: opaque + tag for tag in types.opaque}
        self._names |= {name: prefix + name for name in types.callbacks}
        self._names |= {name: prefix + e.name for name, e in types.enums.items()}
        self._names |= {name: prefix + r.name for name, r in types.records.items()}
        self._names |= {name: prefix + name for name in types.typedefs}

    def type(self, text: str) -> str:
        """The spelling of a type: "const CUmemLocation *" → "const cubind_CUmemLocation_v1 *"."""
        spelled = re.sub(r"\*\s+(?=const|\*)", "*", _NAME.sub(self._replace, text))
        return spelled.replace("(*)(void)", "(*)()") if self._suffix else spelled  # Cython takes no (void)

    def _replace(self, match: re.Match[str]) -> str:
        const, word = match[1], match[2]
        if word in self._foreign:
            plain = self._foreign[word]
            return f"{plain}const" if const and plain.endswith("*") else f"const {plain}" if const else plain
        if word not in _WORDS and word not in self._names:
            raise UnknownTypeError(f"{self._library.name} {self._library.version}: nothing declares {word!r}")
        spelled = self._names.get(word, word)
        return f"const {spelled}" if const else spelled

    def declare(self, text: str, name: str) -> str:
        """The declaration of `name` with the type `text`."""
        spelled = self.type(text)
        if "(*)" in spelled:
            return spelled.replace("(*)", f"(*{name})", 1) + self._suffix
        element, bracket, dims = spelled.partition("[")
        element = element.rstrip()
        gap = "" if element.endswith("*") else " "
        return f"{element}{gap}{name}{bracket}{dims}".rstrip()


def integer(value: int) -> str:
    """A C constant of this value; parenthesised where it has a sign."""
    if value == -(1 << 31):
        return "(-2147483647 - 1)"
    if value < 0:
        return f"({value})" if value > -(1 << 31) else f"({value}LL)"
    text = str(value) if value < 0x10000 else hex(value)
    return text + ("" if value < 1 << 31 else "u" if value < 1 << 32 else "ull")
