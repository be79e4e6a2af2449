"""`bindings/cubind/<library>.pyi`: the types of the Python level for checkers and editors, and its full documentation.

Everything that the tables make at run time has its line here: classes of enums, handles and records, enumerators,
constants, callbacks, functions, and the other names of all of these.  Types come from `pytypes`, texts from `docs`.
"""

from __future__ import annotations

import re
import textwrap

from .. import ir
from ..names import parameter
from ..plan import FunctionPlan, Plan, RecordPlan
from ..writer import Writer, stamp
from . import docs
from .declare import EmitError
from .pytypes import PyTypes, callback_alias

_LINE = 120
_HEX_FROM = 0x10000
"""Values from here on are shown in hexadecimal."""

_SOURCES = {
    "collections.abc": ("Callable", "Sequence"),
    "typing": ("Any", "Final", "SupportsIndex", "TypeAlias", "final"),
    "typing_extensions": ("Self", "deprecated"),
    "._core": ("Enum", "Handle", "Record"),
    "._types": (
        "Array", "CFuncPtr", "Field", "Fields", "FunctionAddress", "KernelParams", "Pointer", "ReadableBuffer",
        "SupportsCudaStream", "Text", "WritablePointer",
    ),
}  # fmt: skip
"""Module → names that the stub may use; those that it does use are imported."""


def emit(plan: Plan, used: Plan | None = None) -> str:
    """The text of the stub.

    Args:
        used: the plan of the library `info.uses`: records that both declare are imported from its module.

    Raises:
        EmitError: a value or a parameter that no Python type is known for.
    """
    return _Stub(plan, used).text()


class _Stub:
    def __init__(self, plan: Plan, used: Plan | None) -> None:
        self.plan = plan
        self.types = PyTypes(plan)
        self.module = f"cubind.{plan.info.name}"
        theirs = {(r.tag, r.size) for r in used.records} if used else set()
        self.shared = [r.name for r in plan.records if (r.tag, r.size) in theirs]
        self.used = used.info.name if used else ""
        self.w = Writer()

    def text(self) -> str:
        self._constants()
        self._enums()
        self._handles()
        self._callbacks()
        self._records()
        self._aliases()
        self._functions()
        self._exported()
        body = self.w.text()
        return self._head(body) + body

    def _head(self, body: str) -> str:
        plan, w = self.plan, Writer()
        w.line(stamp("#", f"api/{plan.info.name}.jsonl and policy/{plan.info.name}.toml"))
        title = plan.info.title[0].upper() + plan.info.title[1:]
        w.line(f'"""{title}, CUDA {plan.version}: C names, Python values, exceptions."""\n')
        words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r'"""(?s:.*?)"""', "", body)))
        for module, names in _SOURCES.items():
            needed = [name for name in names if name in words]
            if needed:
                blank = "\n" if module in ("typing_extensions", "._core") else ""  # a new group
                w.line(blank + wrapped(f"from {module} import ", needed))
        ours = {name for name, _, module in plan.handles if module != self.module}
        for name in sorted({*ours, *self.shared}):
            w.line(f"from .{self.used} import {name} as {name}")
        return w.text()

    def _heading(self, text: str) -> None:
        self.w.line(f"\n# ---- {text}\n")

    # -- names for numbers

    def _constants(self) -> None:
        self._heading("integer types and constants")
        for name in sorted(self.plan.types.integer_typedefs()):
            self.w.line(f"{name}: TypeAlias = int")
        for macro in self.plan.library.macros:
            self.w.line(f"{macro.name}: Final = {number(macro.value)}")

    def _enums(self) -> None:
        self._heading("enums; each enumerator is also a name of the module")
        for enum in self.plan.library.enums:
            self._enum(enum)

    def _enum(self, enum: ir.Enum) -> None:
        w = self.w
        w.line(f"@final\nclass {enum.name}(Enum):")
        with w.indented():
            for name, value in enum.values:
                w.line(f"{name}: Final[{enum.name}]  # {number(value)}")
            if not enum.values:
                w.line("...")
        w.line()
        for name, _ in enum.values:
            w.line(f"{name}: Final[{enum.name}]")
        w.line()

    # -- classes

    def _handles(self) -> None:
        self._heading("handles")
        for name, tag, module in self.plan.handles:
            if module != self.module:
                continue
            self.w.line(f"@final\nclass {name}(Handle):")
            with self.w.indented():
                self.w.line(f'"""{tag} *"""')
                if name in self.plan.streams:
                    self.w.line("\ndef __cuda_stream__(self) -> tuple[int, int]:")
                    self.w.line('    """(0, address): the stream protocol."""')
            self.w.line()

    def _callbacks(self) -> None:
        self._heading("callbacks: a ctypes function type under the C name, and what a Python callable must look like")
        for callback in self.plan.callbacks:
            self.w.line(f"{callback.name}: type[CFuncPtr]")
            self.w.line(f"{callback_alias(callback.name)}: TypeAlias = {self.types.callback(callback)}")

    def _records(self) -> None:
        self._heading("records; a nested one is a view of its part")
        for record in self.plan.records:
            if record.name not in self.shared:
                self._record(record)

    def _record(self, record: RecordPlan) -> None:
        w = self.w
        users = frozenset(f.link for f in record.fields if f.value.kind == "func" and f.link)
        fields = [(parameter(f.name), *self.types.field(f, users)) for f in record.fields]
        kind = "union" if record.union else "struct"
        c_type = f"{record.c_type}.{record.c_path}" if record.c_path else record.name
        w.line(f"@final\nclass {record.name}(Record):")
        with w.indented():
            w.line(f'"""{kind} {c_type}, {record.size} bytes."""\n')
            taken = [f"{name}: {accepted} = ..." for name, _, accepted in fields]
            w.line(wrapped("def __new__(", ["cls", *(["*", *taken] if taken else [])], ") -> Self: ..."))
            for name, given, accepted in fields:
                both = given if given == accepted else f"{given}, {accepted.removeprefix(f'{given} | ')}"
                w.line(f"{name}: Field[{both}]{_override(name, given)}")
        w.line()

    def _aliases(self) -> None:
        self._heading("other names of types")
        for alias, name in sorted(self.plan.aliases.items()):
            self.w.line(f"{alias} = {name}")

    # -- functions

    def _functions(self) -> None:
        self._heading("functions")
        for function in self.plan.functions:
            self._function(function)

    def _function(self, f: FunctionPlan) -> None:
        w = self.w
        required = len(f.signature) - f.optional
        taken = [
            f"{parameter(p.name)}: {self.types.parameter(f, p)}{' = None' if i >= required else ''}"
            for i, p in enumerate(f.signature)
        ]
        if f.function.deprecated:
            w.line('@deprecated("Deprecated by CUDA.")')
        w.line(wrapped(f"def {f.name}(", taken, f") -> {self.types.returned(f)}:"))
        with w.indented():
            lines = docs.long_docstring(self.plan, f)
            if any('"""' in line or "\\" in line for line in lines):
                raise EmitError(f"{f.name}: its documentation cannot stand in a string")
            w.line('"""' + "\n".join(lines))
            w.line('"""')
        w.line()
        for alias in f.aliases:
            w.line(f"{alias} = {f.name}\n")

    def _exported(self) -> None:
        """What `from module import *` takes: at run time too it is everything."""
        plan = self.plan
        names = {name for name, _, _ in plan.handles} | {macro.name for macro in plan.library.macros}
        names |= {name for enum in plan.library.enums for name in (enum.name, *dict(enum.values))}
        names |= {record.name for record in plan.records} | {callback.name for callback in plan.callbacks}
        names |= {*plan.aliases, *plan.types.integer_typedefs()}
        names |= {name for f in plan.functions for name in (f.name, *f.aliases)}
        quoted = ", ".join(f'"{name}"' for name in sorted(names, key=_place) if not name.startswith("_"))
        self._heading("everything")
        self.w.line("__all__ = [")
        with self.w.indented():
            for line in textwrap.wrap(quoted + ",", _LINE - 4, break_long_words=False, break_on_hyphens=False):
                self.w.line(line)
        self.w.line("]")


def number(value: int) -> str:
    """An integer as people read it."""
    return hex(value) if value >= _HEX_FROM else str(value)


def wrapped(head: str, items: list[str], tail: str = "") -> str:
    """A list in one line where it fits, else one item a line, between brackets."""
    line = head + ", ".join(items) + tail
    if len(line) <= _LINE or not items:
        return line
    start, end = (head, tail) if tail else (f"{head}(", ")")
    return "\n".join([start, *(f"    {item}," for item in items), end])


def _override(name: str, given: str) -> str:
    """A field may be called as a property that all records have (`ptr`): one gets the field."""
    return "  # type: ignore[assignment]" if name in ("ptr", "nbytes") and given != "int" else ""


def _place(name: str) -> tuple[int, list[tuple[str, int]]]:
    """Where a name stands in a list, as linters want it: constants, classes, the rest, and 2 before 10."""
    group = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return group, [(word, int(number or -1)) for word, number in re.findall(r"(\D*)(\d*)", name)]
