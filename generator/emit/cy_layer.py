"""`cy<library>.pxd` and `.pyx`: the C level, for `cimport cubind.cy<library>`.

A function has its exact C name and signature, is called without the GIL and returns the library's status.  The library
is opened by the first call; where it or the symbol is missing, a call returns a status that says so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .. import ir
from ..names import emitted_functions, parameter
from ..plan import LibraryInfo
from ..typetable import Types
from ..writer import Writer, stamp
from .types_pxd import NOGIL, parameters, spelling

DIRECTIVES = "# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=False"

CHEAP_IMPORT = """\
/* For the limited API, Cython looks up flags in `inspect` and `collections.abc`, which takes longer than all the rest
   of the import.  Only Python functions and match statements written in Cython need them: there are none here. */
#define __Pyx_init_co_variables() ((void)__Pyx_init_co_variables, 0)
#define __Pyx_init_tpflags_variables() ((void)__Pyx_init_tpflags_variables, 0)"""

_MODULE = '''\
from libc.string cimport memset

cdef extern from *:
    """
    #include "_core.h"
    #include "cubind_{name}.h"
    #include "cubind_{name}_symbols.h"
{cheap_import}
    static cu_library *cubind_lib;
    static void **cubind_slot;  /* the table in force: the core fills and switches it */
    #define cubind_T ((struct cubind_{name}_table *)cubind_slot)
    static int cubind_setup(void) {{
        if (cu_import()) return -1;
        cubind_lib = cu->library(&cubind_{name}_spec);
        return cubind_lib ? cu->library_slot(cubind_lib, &cubind_slot) : -1;
    }}
    static CU_COLD int cubind_missing(int index) {{ return cu->resolve_nogil(cubind_lib, index); }}
    """
    cubind_{name}_table *_T "cubind_T"
    int _setup "cubind_setup"() except -1
    int _missing "cubind_missing"(int index) noexcept nogil

_setup()
'''


def exported(library: ir.Library) -> Iterator[tuple[str, int, ir.Function]]:
    """(name, index in the table, function): each function under its public name and under its symbol."""
    functions = emitted_functions(library)
    public = {f.name for f in functions}
    for index, function in enumerate(functions):
        yield function.name, index, function
        if function.symbol not in public:
            yield function.symbol, index, function


def emit_pxd(library: ir.Library, info: LibraryInfo, types: Types) -> str:
    """The text of the .pxd: the types, and the functions."""
    w = Writer()
    spell = spelling(types)
    w.line(stamp("#", f"api/{info.name}.jsonl and policy/{info.name}.toml"))
    w.line(f"from cubind._abi.{info.name} cimport *\n")
    for name, _, function in exported(library):
        w.line(f"cdef {spell.declare(function.returns, name)}({parameters(spell, function.params)}){NOGIL}")
    return w.text()


def emit_pyx(library: ir.Library, info: LibraryInfo, types: Types) -> str:
    """The text of the .pyx: a look into the table, and the call."""
    return _Pyx(library, info, types).text()


def _module(name: str) -> str:
    return _MODULE.format(name=name, cheap_import=textwrap.indent(CHEAP_IMPORT, "    ")).rstrip()


class _Pyx:
    def __init__(self, library: ir.Library, info: LibraryInfo, types: Types) -> None:
        self.library = library
        self.info = info
        self.types = types
        self.spell = spelling(types)
        self.w = Writer()

    def text(self) -> str:
        self.w.line(stamp("#", f"api/{self.info.name}.jsonl and policy/{self.info.name}.toml"))
        self.w.line(f"{DIRECTIVES}\n{_module(self.info.name)}")
        for name, index, function in exported(self.library):
            self._function(name, index, function)
        return self.w.text()

    def _function(self, name: str, index: int, function: ir.Function) -> None:
        w = self.w
        returns = self.spell.type(function.returns)
        params = parameters(self.spell, function.params)
        w.line(f"\n\ncdef {self.spell.declare(function.returns, name)}({params}){NOGIL}:")
        value = self.types.resolve(function.returns)
        with w.indented():
            if value.kind == "record":
                w.line(f"cdef {returns} missing")
            w.line(f"if _T.{function.symbol} == NULL and _missing({index}) != 0:")
            with w.indented():
                if value.kind == "record":
                    w.line("memset(&missing, 0, sizeof(missing))")
                w.line(f"return {self._missing(function)}".rstrip())
            arguments = ", ".join(parameter(p.name) for p in function.params)
            call = f"_T.{function.symbol}({arguments})"
            w.line(call if value.kind == "none" else f"return {call}")

    def _missing(self, function: ir.Function) -> str:
        """What is returned where there is nothing to call."""
        value = self.types.resolve(function.returns)
        if value.kind == "enum":
            return self.info.missing_status if value.name == self.info.status else f"<{value.name}>0"
        if value.kind in ("ptr", "cstr", "handle", "func"):
            return "NULL"
        return {"record": "missing", "none": ""}.get(value.kind, "0")
