"""C source of a recording library: every symbol that the facts know, each handing its arguments to one hook.

Tests compile it and load it in the library's place.  A function collects the address and the size of each of its
arguments, calls `recorder_on_call` and returns what the hook put into the result; what the arguments should be, what goes
behind the pointers and what is returned is all decided by the hook, in the test.  The library's resolver, where it has
one, asks `recorder_on_resolve` for the address.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .. import ir
from ..names import emitted_functions
from ..plan import LibraryInfo
from ..typetable import Types
from ..writer import Writer
from .declare import PREFIX, Spelling

_PROLOGUE = """\
#include <string.h>

typedef struct recorder_argument {
    const void *address;
    size_t size;
} recorder_argument;

/* Set by the test.  `gil`: what recorder_gil_held says, before Python is entered. */
void (*recorder_on_call)(const char *symbol, int gil, int n, const recorder_argument *arguments, void *result, size_t size);
void *(*recorder_on_resolve)(const char *name, int version, uint64_t flags);
int (*recorder_gil_held)(void);

static void record(const char *symbol, int n, const recorder_argument *arguments, void *result, size_t size) {
    int gil = recorder_gil_held ? recorder_gil_held() : 0;
    memset(result, 0, size);
    if (recorder_on_call) recorder_on_call(symbol, gil, n, arguments, result, size);
}

/* What the resolver hands out for a version that the facts do not have. */
int recorder_wrong_version(void) {
    int result;
    record("(a version that does not exist)", 0, NULL, &result, sizeof result);
    return 1;
}
"""

_RESOLVER = """\
int {name}(const char *symbol, void **function, int version, uint64_t flags, int *status) {{
    *function = recorder_on_resolve ? recorder_on_resolve(symbol, version, flags) : NULL;
    if (status) *status = *function ? 0 : 1;
    return *function ? 0 : 500;
}}"""

_LOOKUP = """\
void *recorder_function(const char *symbol) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].symbol, symbol)) return functions[i].function;
    return NULL;
}"""


def emit(library: ir.Library, info: LibraryInfo, types: Types, without: Collection[str] = ()) -> str:
    """The text of the source; it includes `_abi/cubind_<library>.h` for the types.

    Args:
        without: symbols to leave out, as an older library does not have them.
    """
    w = Writer()
    w.line(f'#include "{PREFIX}{info.name}.h"')
    w.line(_PROLOGUE)
    spell = Spelling(types, PREFIX, "struct ")
    functions = {symbol: f for f in library.functions for symbol in (f.symbol, f.per_thread) if symbol}
    functions = {symbol: f for symbol, f in sorted(functions.items()) if symbol not in without}
    emitted = {f.symbol for f in emitted_functions(library)}
    for symbol, declared in functions.items():
        function = declared if declared.symbol in emitted else replace(declared, params=())
        _function(w, spell, function, symbol, "recorded_" + symbol if symbol == info.resolver else symbol)
    w.line("static const struct { const char *symbol; void *function; } functions[] = {")
    with w.indented():
        for symbol in functions:
            w.line(f'{{"{symbol}", (void *){"recorded_" if symbol == info.resolver else ""}{symbol}}},')
    w.line("};\n" + _LOOKUP)
    if info.resolver:
        w.line(_RESOLVER.format(name=info.resolver))
    return w.text()


def _function(w: Writer, spell: Spelling, function: ir.Function, symbol: str, c_name: str) -> None:
    names = [f"a{i}" for i in range(len(function.params))]
    params = ", ".join(spell.declare(p.type, name) for p, name in zip(function.params, names, strict=True)) or "void"
    returns = spell.type(function.returns)
    w.line(f"{returns} {c_name}({params}) {{")
    with w.indented():
        w.line(
            f"{spell.declare(function.returns.removeprefix('const ') if '*' not in returns else function.returns, 'r')};"
        )
        arguments = ", ".join(f"{{&{name}, sizeof {name}}}" for name in names)
        w.line(f"const recorder_argument a[] = {{{arguments or '{NULL, 0}'}}};")
        w.line(f'record("{symbol}", {len(names)}, a, &r, sizeof r);')
        w.line("return r;")
    w.line("}")
