"""`_abi/<library>.pxd`: the library's types, values and function table for Cython, under their exact C names.

The names behind them are those of our own C header.  Callbacks are called without the GIL: their type is
`noexcept nogil`, which a `noexcept with gil` function fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .. import ctype, ir
from ..names import emitted_functions, parameter
from ..plan import LibraryInfo
from ..typetable import Types
from ..writer import Writer, stamp
from .declare import PREFIX, Named, Spelling, records, signature, tag_aliases, typedefs

NOGIL = " noexcept nogil"


def emit(library: ir.Library, info: LibraryInfo, types: Types, base: Types | None = None) -> str:
    """The text of the .pxd.

    Args:
        base: types of the library `info.uses`.  What both declare is cimported from its .pxd, so that a program can
            use both libraries and hand a value of one to the other.
    """
    return _Pxd(library, info, types, base).text()


def spelling(types: Types) -> Spelling:
    """How Cython code spells the library's types: exact C names."""
    return Spelling(types, "", "", NOGIL)


class _Pxd:
    def __init__(self, library: ir.Library, info: LibraryInfo, types: Types, base: Types | None) -> None:
        self.library = library
        self.info = info
        self.types = types
        self.shared = _shared(types, base) if base else set()
        self.spell = spelling(types)
        self.records = [n for n in records(types) if n.name not in self.shared]
        self.w = Writer()

    def text(self) -> str:
        w = self.w
        w.line(stamp("#", f"api/{self.info.name}.jsonl"))
        self._cimports()
        w.line(f'\ncdef extern from "{PREFIX}{self.info.name}.h":')
        with w.indented():
            self._constants()
            self._enums()
            self._forward()
            self._typedefs()
            self._records()
            self._tags()
            self._table()
        return w.text()

    def _cimports(self) -> None:
        used = {word for word in _words(self.library) if word in ctype.BUILTIN and re.fullmatch(r"u?int\d+_t", word)}
        for module, names in (("libc.stdint", used), (f"cubind._abi.{self.info.uses}", self.shared)):
            if names:
                self.w.line(f"from {module} cimport {', '.join(sorted(names))}")

    def _constants(self) -> None:
        """Those that fit int as enumerators, which Cython also takes for the length of an array."""
        small = [m for m in self.library.macros if -(1 << 31) <= m.value < 1 << 31]
        self._block("enum:", [_renamed(m.name) for m in small])
        for macro in self.library.macros:
            if macro not in small:
                kind = "unsigned int" if 0 <= macro.value < 1 << 32 else "long long"
                self.w.line(f"const {kind} {_renamed(macro.name)}")

    def _enums(self) -> None:
        for enum in self.library.enums:
            head = f"ctypedef enum {_renamed(enum.name)}:" if enum.name else "enum:"
            if enum.name not in self.shared:
                self._block(head, [_renamed(name) for name, _ in enum.values])

    def _forward(self) -> None:
        for tag in self.library.opaque:
            if tag not in self.shared:
                self._block(f"struct {tag}:", ["pass"])
        for named in self.records:
            self.w.line(self._head(named))

    def _typedefs(self) -> None:
        for declared in typedefs(self.types):
            name = _renamed(declared.name)
            if isinstance(declared, ir.Callback):
                self.w.line(f"ctypedef {self._function_pointer(declared.returns, name, declared.params)}")
            else:
                self.w.line(f"ctypedef {self.spell.declare(declared.type, name)}")

    def _records(self) -> None:
        for named in self.records:
            self._block(f"{self._head(named)}:", self._fields(named.name, named.record))

    def _head(self, named: Named) -> str:
        return f"ctypedef {'union' if named.record.union else 'struct'} {_renamed(named.name)}"

    def _fields(self, name: str, record: ir.Record) -> list[str]:
        """Members of anonymous records are members of the record around them."""
        lines: list[str] = []
        for f in record.fields:
            if f.record and not f.name:
                lines += self._fields(name, f.record)
            elif f.record:
                lines.append(f"{name}_{f.name} {_member(f.name)}{f.type}")
            else:
                lines.append(self.spell.declare(f.type, _member(f.name)))
        return lines

    def _tags(self) -> None:
        for tag, name in tag_aliases(self.types).items():
            self.w.line(f'ctypedef {name} {tag} "{PREFIX}{name}"')

    def _table(self) -> None:
        functions = emitted_functions(self.library)
        lines = [self._function_pointer(f.returns, f.symbol, f.params) for f in functions]
        self._block(f"struct {PREFIX}{self.info.name}_table:", lines)

    def _function_pointer(self, returns: str, name: str, params: tuple[ir.Param, ...]) -> str:
        return f"{self.spell.declare(returns, f'(*{name})')}({parameters(self.spell, params)}){NOGIL}"

    def _block(self, head: str, lines: list[str]) -> None:
        if lines:
            self.w.line(head)
            with self.w.indented():
                for line in lines:
                    self.w.line(line)


def parameters(spell: Spelling, params: Iterable[ir.Param]) -> str:
    """A parameter list for Cython; names that Python keeps for itself get an underscore."""
    return ", ".join(spell.declare(p.type, parameter(p.name)) for p in params)


def _renamed(name: str) -> str:
    return f'{name} "{PREFIX}{name}"'


def _member(name: str) -> str:
    return f'{parameter(name)} "{name}"' if parameter(name) != name else name


def _shared(types: Types, base: Types) -> set[str]:
    ours, theirs = types.library, base.library
    names = {r.name for r in ours.records} & {r.name for r in theirs.records}
    names |= {e.name for e in ours.enums if e.name} & {e.name for e in theirs.enums}
    return names | (types.opaque & base.opaque)


def _words(library: ir.Library) -> set[str]:
    texts = [t.type for t in library.typedefs]
    texts += [text for f in library.functions for text in signature(f)]
    texts += [text for c in library.callbacks for text in signature(c)]
    texts += [f.type for r in library.records for f in _all_fields(r)]
    return {word for text in texts for word in re.findall(r"\w+", text)}


def _all_fields(record: ir.Record) -> Iterable[ir.Field]:
    for f in record.fields:
        yield f
        if f.record:
            yield from _all_fields(f.record)
