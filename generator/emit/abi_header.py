"""`_abi/cubind_<library>.h`: our own declarations of a library's types, values and function table, in C and C++.

The header needs no header of the toolkit and clashes with none: whatever it completes or names begins with `cubind_`.
Only the tags of opaque records are the vendor's, so that handles pass between both without casts.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping

from .. import ir
from ..names import emitted_functions
from ..plan import LibraryInfo
from ..typetable import Types
from ..writer import Writer, stamp
from .declare import (
    PREFIX,
    EmitError,
    Named,
    Spelling,
    alignment,
    definitions,
    foreign_typedefs,
    integer,
    nested,
    records,
    typedefs,
)

_PREAMBLE = """\
#include <stddef.h>
#include <stdint.h>

#ifndef CUBIND_API
#if defined(_WIN32)
#define CUBIND_API __stdcall
#define CUBIND_CB __stdcall
#else
#define CUBIND_API
#define CUBIND_CB
#endif
#if defined(_MSC_VER) && !defined(__clang__)
#define CUBIND_ALIGN(n) __declspec(align(n))
#elif defined(__cplusplus) && __cplusplus >= 201103L
#define CUBIND_ALIGN(n) alignas(n)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define CUBIND_ALIGN(n) _Alignas(n)
#else
#define CUBIND_ALIGN(n) __attribute__((aligned(n)))
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif"""


def shared_names(libraries: Iterable[ir.Library]) -> frozenset[str]:
    """Records and enums that several libraries declare: their headers guard them, so that they go together."""
    seen: set[str] = set()
    shared: set[str] = set()
    for library in libraries:
        names = {d.name for d in definitions(library) if d.name}
        shared |= seen & names
        seen |= names
    return frozenset(shared)


def emit(library: ir.Library, info: LibraryInfo, types: Types, shared: Collection[str] = ()) -> str:
    """The text of the header.

    Args:
        shared: what `shared_names` found in all libraries.

    Raises:
        EmitError: a packed record, or two records of one name.
        UnknownTypeError: a type that nothing declares.
    """
    return _Header(library, info, types, frozenset(shared)).text()


class _Header:
    def __init__(self, library: ir.Library, info: LibraryInfo, types: Types, shared: frozenset[str]) -> None:
        self.library = library
        self.info = info
        self.types = types
        self.shared = shared
        self.spell = Spelling(types, PREFIX, "struct ")
        self.records = records(types)
        self.w = Writer()

    def text(self) -> str:
        guard = f"CUBIND_{self.info.name.upper()}_H"
        w = self.w
        w.line(stamp("/*", f"api/{self.info.name}.jsonl"))
        w.line(f"/* Types, values and functions of {self.info.title}, as of CUDA {self.library.version}. */")
        w.line(f"#ifndef {guard}\n#define {guard}\n\n{_PREAMBLE}")
        self._constants()
        self._enums()
        self._forward()
        self._typedefs()
        self._records()
        self._table()
        w.line("\n#ifdef __cplusplus\n}\n#endif")
        self._exact_names()
        w.line("\n#endif")
        return w.text()

    def _heading(self, text: str) -> None:
        self.w.line(f"\n/* ---- {text} */\n")

    def _guarded(self, name: str, text: str) -> None:
        """A definition that another library's header has too comes once."""
        if name in self.shared:
            guard = f"CUBIND_HAVE_{name}"
            text = f"#ifndef {guard}\n#define {guard}\n{text}\n#endif"
        self.w.line(text)

    def _constants(self) -> None:
        self._heading("constants; those that the vendor casts to a handle are plain integers here")
        for macro in self.library.macros:
            self.w.line(f"#define {PREFIX}{macro.name} {integer(macro.value)}")

    def _enums(self) -> None:
        self._heading("enumerations")
        for enum in self.library.enums:
            name = f" {PREFIX}{enum.name}" if enum.name else ""
            values = [f"    {PREFIX}{n} = {integer(v)}" for n, v in enum.values]
            head = f"typedef enum{name} {{" if name else "enum {"
            self._guarded(enum.name, "\n".join([head, ",\n".join(values), f"}}{name};"]))

    def _forward(self) -> None:
        self._heading("records: opaque ones have the vendor's tags, complete ones are below")
        for tag in self.library.opaque:
            self.w.line(f"struct {tag};")
        for named in self.records:
            self.w.line(f"typedef {_keyword(named.record)} {PREFIX}{named.name} {PREFIX}{named.name};")

    def _typedefs(self) -> None:
        self._heading("handles, integers, callbacks and further names of types")
        for declared in typedefs(self.types):
            name = PREFIX + declared.name
            if isinstance(declared, ir.Callback):
                returns = self.spell.type(declared.returns)
                self.w.line(f"typedef {_pointer(returns, 'CUBIND_CB', name)}{self._params(declared.params)};")
            else:
                self.w.line(f"typedef {self.spell.declare(declared.type, name)};")

    def _records(self) -> None:
        self._heading("complete records")
        inner = {n.name for r in self.library.records for n in nested(r.name, r)}
        pending: list[str] = []
        for named in self.records:
            pending.append(self._record(named))
            if named.name not in inner:
                self._guarded(named.name, "\n".join(pending))
                pending = []

    def _record(self, named: Named) -> str:
        w = Writer()
        w.line(f"{_keyword(named.record)} {PREFIX}{named.name} {{")
        self._fields(w, named.name, named.record)
        w.line("};")
        return w.text().rstrip()

    def _fields(self, w: Writer, name: str, record: ir.Record) -> None:
        align = self._align(name, record)
        with w.indented():
            for f in record.fields:
                if f.record and not f.name:
                    w.line(f"{align}{_keyword(f.record)} {{")
                    self._fields(w, name, f.record)
                    w.line("};")
                elif f.record:
                    w.line(f"{align}{PREFIX}{name}_{f.name} {f.name}{f.type};")
                else:
                    w.line(f"{align}{self.spell.declare(f.type, f.name)};")
                align = ""

    def _align(self, name: str, record: ir.Record) -> str:
        """What the first field needs to give the record its alignment."""
        natural = alignment(self.types, record)
        if record.align < natural:
            raise EmitError(f"{name} is packed: its alignment is {record.align}, its fields need {natural}")
        return f"CUBIND_ALIGN({record.align}) " if record.align > natural else ""

    def _table(self) -> None:
        self._heading("the functions, in the order of their symbols")
        self.w.line(f"struct {PREFIX}{self.info.name}_table {{")
        with self.w.indented():
            for function in emitted_functions(self.library):
                returns = self.spell.type(function.returns)
                self.w.line(f"{_pointer(returns, 'CUBIND_API', function.symbol)}{self._params(function.params)};")
        self.w.line("};")

    def _params(self, params: tuple[ir.Param, ...]) -> str:
        return f"({', '.join(self.spell.type(p.type) for p in params) or 'void'})"

    def _exact_names(self) -> None:
        self._heading("the C names themselves, for programs that implement the library without the toolkit")
        w = self.w
        w.line("#ifdef CUBIND_EXACT_NAMES")
        foreign = foreign_typedefs(self.types)
        names = {d.name for d in definitions(self.library)} | {*self.types.typedefs, *self.types.callbacks}
        for name in sorted(names - {"", *foreign}):
            w.line(f"typedef {PREFIX}{name} {name};")
        for name in (n for e in self.library.enums for n, _ in e.values):
            w.line(f"#define {name} {PREFIX}{name}")
        for macro in self.library.macros:
            w.line(f"#define {macro.name} {PREFIX}{macro.name}")
        w.line("#endif")


def _keyword(record: ir.Record) -> str:
    return "union" if record.union else "struct"


def _pointer(returns: str, convention: str, name: str) -> str:
    return f"{returns}{'' if returns.endswith('*') else ' '}({convention} *{name})"


# -- the symbols


def emit_symbols(
    library: ir.Library,
    info: LibraryInfo,
    since: Mapping[str, int] | None = None,
    older: Mapping[str, str] | None = None,
) -> str:
    """The text of `_abi/cubind_<library>_symbols.h`: how the core finds the library and fills its table.

    Args:
        since: symbol → version that brought it (13000 for 13.0), for symbols whose resolver version does not say it.
        older: symbol → symbol of an earlier form with the same prototype.
    """
    w = Writer()
    guard = f"CUBIND_{info.name.upper()}_SYMBOLS_H"
    functions = emitted_functions(library)
    w.line(stamp("/*", f"api/{info.name}.jsonl and policy/{info.name}.toml"))
    w.line(f'#ifndef {guard}\n#define {guard}\n\n#include "_core.h"\n')
    w.line(f"static const cu_symbol {PREFIX}{info.name}_symbols[] = {{")
    with w.indented():
        for function in functions:
            symbol = function.symbol
            w.line(_symbol(function, (since or {}).get(symbol, 0), (older or {}).get(symbol, "")))
    w.line("};")
    lists = ("sonames", "foreign", "wheel_dirs", "home_dirs")
    for name in lists:
        values = ", ".join([*map(_string, getattr(info, name)), "NULL"])
        w.line(f"static const char *const {PREFIX}{info.name}_{name}[] = {{{values}}};")
    w.line(f"static const cu_library_spec {PREFIX}{info.name}_spec = {{")
    with w.indented():
        w.line(f"{_string(info.name)}, {_string(info.title)},")
        w.line(", ".join(f"{PREFIX}{info.name}_{name}" for name in lists) + ",")
        w.line(f"{_string(info.override_env)},\n{_string(info.hint)},\n{_string(info.resolver)},")
        w.line(f"{_string(info.stand_in)}, {_string(info.uses if info.stand_in else '')},")
        w.line(f"{PREFIX}{info.name}_symbols, {len(functions)}, {hex(abi(library))}u,")
    w.line("};\n\n#endif")
    return w.text()


def abi(library: ir.Library) -> int:
    """A number that changes with the order of the function table or with a signature in it."""
    lines = [f"{f.returns} {f.symbol}({','.join(p.type for p in f.params)})" for f in emitted_functions(library)]
    return zlib.crc32("\n".join(lines).encode())


def _symbol(f: ir.Function, since: int, older: str) -> str:
    names = f"{_string(f.symbol)}, {_string(f.resolver_name)}"
    versions = f"{f.resolver_version}, {_string(f.per_thread)}, {f.resolver_version or since}"
    return f"{{{names}, {versions}, {_string(older)}}},"


def _string(text: str) -> str:
    """A C string literal; NULL for none."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if text else "NULL"
