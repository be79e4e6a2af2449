"""`generated_exports.hpp` and `.cpp` of the CPU device: every symbol of the API, so that a client finds the whole library.

Functions are written by hand under the symbol's name; the header declares them all, so a wrong signature does not compile.
What nobody wrote is a weak definition that says "not supported"; a function that returns no status has none, and must be
written.  A variant for per-thread default streams calls the plain function with the calling thread marked, and an old symbol
of the same signature calls the one that replaced it.  Tables complete the source: what the resolver answers from, where the
library has one, and the names of the statuses.
"""

from __future__ import annotations

from .. import ir
from ..plan import LibraryInfo
from ..typetable import Types, UnknownTypeError
from ..writer import Writer, stamp
from .declare import Spelling

NAMES = ("generated_exports.hpp", "generated_exports.cpp")


def emit(library: ir.Library, info: LibraryInfo, types: Types) -> dict[str, str]:
    """The texts by file name."""
    emitter = _Emitter(library, info, types)
    return dict(zip(NAMES, (emitter.header(), emitter.source()), strict=True))


class _Emitter:
    def __init__(self, library: ir.Library, info: LibraryInfo, types: Types) -> None:
        self._library, self._info = library, info
        self._spell = Spelling(types, "", "struct ")
        self._functions = sorted(library.functions, key=lambda f: f.symbol)
        self._current = {f.name: f for f in library.functions if not f.legacy}
        self._stamp = stamp("//", f"api/{info.name}.jsonl and policy/{info.name}.toml")

    def header(self) -> str:
        w = Writer()
        w.line(self._stamp)
        w.line(f'#pragma once\n\n#include "exported.hpp"\n#include "cubind_{self._info.name}.h"\n\nextern "C" {{')
        for function in self._functions:
            for symbol in (function.symbol, function.per_thread):
                if symbol:
                    w.line(f"EXPORTED {self._prototype(function, symbol)};")
        w.line("}")
        return w.text()

    def source(self) -> str:
        w = Writer()
        w.line(self._stamp)
        w.line('#include "generated_exports.hpp"\n#include "export_tables.hpp"\n\nextern "C" {')
        for function in self._functions:
            self._plain(w, function)
            if function.per_thread:
                self._per_thread(w, function)
        w.line("}\n\nnamespace cpu_device {\n")
        self._tables(w)
        w.line("}  // namespace cpu_device")
        return w.text()

    def _params(self, function: ir.Function, names: bool) -> str | None:
        """None where a type is unknown: old symbols may need types that no header has any more."""
        try:
            params = [self._spell.declare(p.type, f"a{i}" if names else "") for i, p in enumerate(function.params)]
        except UnknownTypeError:
            return None
        return ", ".join(params)

    def _prototype(self, function: ir.Function, symbol: str, names: bool = False) -> str:
        returns = self._spell.type(function.returns)
        gap = "" if returns.endswith("*") else " "
        return f"{returns}{gap}{symbol}({self._params(function, names) or ''})"

    def _replacement(self, function: ir.Function) -> ir.Function | None:
        """The function that programs built today call instead, where it takes and returns the same."""
        current = self._current.get(function.name)
        if current is None or current is function or not function.legacy or self._params(function, False) is None:
            return None
        same = [p.type for p in current.params] == [p.type for p in function.params]
        return current if same and current.returns == function.returns else None

    def _plain(self, w: Writer, function: ir.Function) -> None:
        replacement = self._replacement(function)
        if replacement:
            w.line(f"WEAK {self._prototype(function, function.symbol, True)} {{")
            body = f"return {replacement.symbol}({_arguments(function)});"
        elif function.returns != self._info.status:
            return
        else:
            w.line(f"WEAK {self._prototype(function, function.symbol)} {{")
            body = f"return static_cast<{self._spell.type(function.returns)}>(cpu_device::not_supported());"
        with w.indented():
            w.line(body)
        w.line("}")

    def _per_thread(self, w: Writer, function: ir.Function) -> None:
        known = self._params(function, False) is not None
        w.line(f"{self._prototype(function, function.per_thread, known)} {{")
        with w.indented():
            w.line("cpu_device::PerThreadStream scope;")
            w.line(f"return {function.symbol}({_arguments(function) if known else ''});")
        w.line("}")

    def _tables(self, w: Writer) -> None:
        rows = [f for f in self._functions if f.resolver_name]
        if rows:
            self._resolver_table(w, rows)
        status = next(e for e in self._library.enums if e.name == self._info.status)
        w.line("const StatusName kStatusNames[] = {")
        with w.indented():
            for name, value in status.values:
                w.line(f'{{{value}, "{name}"}},')
        w.line("};\nconst size_t kStatusNameCount = sizeof kStatusNames / sizeof *kStatusNames;\n")

    def _resolver_table(self, w: Writer, rows: list[ir.Function]) -> None:
        w.line("const Export kExports[] = {")
        with w.indented():
            for f in sorted(rows, key=lambda f: (f.resolver_name, f.resolver_version)):
                own = f"address({f.per_thread})" if f.per_thread else "nullptr"
                w.line(f'{{"{f.resolver_name}", {f.resolver_version}, address({f.symbol}), {own}}},')
        w.line("};\nconst size_t kExportCount = sizeof kExports / sizeof *kExports;\n")


def _arguments(function: ir.Function) -> str:
    return ", ".join(f"a{i}" for i in range(len(function.params)))
