"""A C program that prints what a compiler makes of a library's types: sizes, alignments, offsets, values, signs.

One source is compiled against our headers (with -DCUBIND_PROBE_OURS) and against the vendor's.  Both must print what
`expected` says, which is what the facts say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import ctype, ir
from ..plan import LibraryInfo
from ..typetable import Types
from ..writer import Writer
from .declare import PREFIX, foreign_typedefs

_HEAD = """\
#ifdef CUBIND_PROBE_OURS
{ours}
#define NAME(x) cubind_##x
#define TYPE(ours, vendor) cubind_##ours
#else
{vendor}
#define NAME(x) x
#define TYPE(ours, vendor) vendor
#endif
#include <stddef.h>
#include <stdio.h>

static void put(const char *what, long long value, long long more) {{ printf("%s %lld %lld\\n", what, value, more); }}
#define VALUE(x) put(#x, (long long)NAME(x), 0);
#define INTEGER(ours, vendor) put(#ours, sizeof(TYPE(ours, vendor)), (TYPE(ours, vendor))-1 < (TYPE(ours, vendor))0);
#define RECORD(ours, vendor) put(#ours, sizeof(TYPE(ours, vendor)), _Alignof(TYPE(ours, vendor)));
#define FIELD(ours, vendor, path) \\
    put(#ours "." #path, offsetof(TYPE(ours, vendor), path), sizeof(((TYPE(ours, vendor) *)0)->path));
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the program, and what it prints: a label and two numbers."""

    code: str
    label: str
    first: int
    second: int


def checks(library: ir.Library, types: Types) -> Iterator[Check]:
    """Everything about a library's types that a compiler can be asked."""
    for macro in library.macros:
        yield Check(f"VALUE({macro.name})", macro.name, macro.value, 0)
    for enum in library.enums:
        for name, value in enum.values:
            yield Check(f"VALUE({name})", name, value, 0)
        if enum.name:
            vendor = f"enum {enum.tag}" if enum.tag else enum.name
            yield Check(f"INTEGER({enum.name}, {vendor})", enum.name, 4, int(enum.signed))
    foreign = foreign_typedefs(types)
    for name in types.integer_typedefs():
        if name not in foreign:
            kind, size = ctype.BUILTIN[types.expand(ctype.parse(name)).base]
            yield Check(f"INTEGER({name}, {name})", name, size, int(kind[0] == "i"))
    for record in library.records:
        yield from _record(record)


def _record(record: ir.Record) -> Iterator[Check]:
    keyword = "union" if record.union else "struct"
    pair = f"{record.name}, {f'{keyword} {record.tag}' if record.tag else record.name}"
    yield Check(f"RECORD({pair})", record.name, record.size, record.align)
    for path, offset, size in _paths(record, "", 0):
        yield Check(f"FIELD({pair}, {path})", f"{record.name}.{path}", offset, size)


def _paths(record: ir.Record, prefix: str, start: int) -> Iterator[tuple[str, int, int]]:
    """(path, offset, size) of every member with a name, members of nested records too."""
    for f in record.fields:
        path = prefix + f.name
        if f.name:
            yield path, start + f.offset, f.size
        if f.record and not f.type:
            yield from _paths(f.record, f"{path}." if f.name else prefix, start + f.offset)


def emit(libraries: Iterable[tuple[ir.Library, LibraryInfo, Types]]) -> str:
    """The program for some libraries of one CUDA version."""
    chosen = list(libraries)
    ours = "\n".join(f'#include "{PREFIX}{info.name}.h"' for _, info, _ in chosen)
    vendor = "\n".join(dict.fromkeys(f"#include <{header}>" for _, info, _ in chosen for header in info.include))
    w = Writer()
    w.line(_HEAD.format(ours=ours, vendor=vendor))
    w.line("int main(void) {")
    with w.indented():
        for library, _, types in chosen:
            for check in checks(library, types):
                w.line(check.code)
        w.line("return 0;")
    w.line("}")
    return w.text()


def expected(libraries: Iterable[tuple[ir.Library, LibraryInfo, Types]]) -> str:
    """What the program prints when the compiler agrees with the facts."""
    return "".join(
        f"{c.label} {c.first} {c.second}\n" for library, _, types in libraries for c in checks(library, types)
    )
