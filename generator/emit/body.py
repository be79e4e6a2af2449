"""The pieces of a function's body, and how C values and Python objects become each other in it."""

from __future__ import annotations

from ..plan import FunctionPlan, Parameter, Plan
from ..typetable import Value
from .types_pxd import spelling

CALL_AGAIN = "# call again"
"""Stands for the second call among the lines of `Body.second_call`."""


class Body:
    """The pieces of one function's body, filled parameter by parameter."""

    def __init__(self, plan: Plan, function: FunctionPlan) -> None:
        self.plan = plan
        self.function = function
        self.declarations: list[str] = []
        self.arguments: list[str] = []
        self.late: list[str] = []
        """Conversions that need a clean-up when something later fails: callbacks."""
        self.outputs: list[str] = []
        self.before: list[str] = []
        self.second_call: list[str] = []
        self.after: list[str] = []
        self.c_arguments: list[str] = []
        self.first_arguments: dict[int, str] = {}
        """C arguments that differ in the call that only asks for a count."""
        self.results: list[str] = []
        self.notes: list[tuple[str, str]] = []
        """Outputs that are attached to an exception: (name, expression)."""
        self.cleanup: list[str] = []
        self.frame = False
        self._spelling = spelling(plan.types)
        self._also: list[str] = []
        self._positions = {p.name: i for i, p in enumerate(function.signature)}
        self._required = len(function.signature) - function.optional

    # -- pieces

    def declare(self, type_: str, name: str) -> None:
        self.declarations.append(_declaration(type_, name))

    def arg(self, name: str) -> str:
        """The Python argument of a parameter; None where an optional one was left out."""
        position = self._positions[name]
        if position < self._required:
            return f"a[{position}]"
        return f"(cu_optional(a[{position}]) if n > {position} else Py_None)"

    def convert(self, call: str, name: str) -> None:
        """A conversion that fails with an error about parameter `name`."""
        index = self.function.index
        self.arguments.append(f"if {call}: return cu.bad_arg(&F[{index}], {self._positions[name]})")

    def fail(self, expression: str = "NULL") -> str:
        """What to do when something fails after outputs or callbacks exist."""
        return "; ".join([*self.cleanup, f"return {expression}"])

    def needs(self, symbol: str) -> None:
        """Another function of the library that the body calls."""
        self._also.append(symbol)

    def fr(self) -> str:
        self.frame = True
        return "fr"

    def param(self, name: str) -> Parameter:
        return next(p for p in self.function.params if p.name == name)

    def symbols(self) -> list[tuple[str, int]]:
        at = {f.function.symbol: f.index for f in self.plan.functions}
        return [(s, at[s]) for s in dict.fromkeys([*self._also, self.function.function.symbol])]

    def c(self, p: Parameter) -> str:
        """A parameter's C type as Cython spells it."""
        return self._spelling.type(p.type)

    # -- the call

    def call(self) -> str:
        arguments = list(self.c_arguments)
        if self.second_call:
            for i, text in self.first_arguments.items():
                arguments[i] = text
        return f"T.{self.function.function.symbol}({', '.join(arguments)})"

    def full_call(self) -> str:
        return f"T.{self.function.function.symbol}({', '.join(self.c_arguments)})"

    def result_target(self) -> str:
        function = self.function
        if function.returns_status:
            self.declare_once("int", "r")
            return "r = <int>"
        if function.returns.kind == "none":
            return ""
        self.declare_once(local_type(self._spelling.type(function.function.returns)), "returned")
        return "returned = "

    def declare_once(self, type_: str, name: str) -> None:
        line = _declaration(type_, name)
        if line not in self.declarations:
            self.declarations.append(line)

    def status_check(self) -> list[str]:
        function = self.function
        if not function.returns_status or function.result == "status":
            return []
        error = f"cu.raise_(&M, {function.index}, r)"
        for name, expression in self.notes:
            error = f'cu.note({error}, "{name}", {expression})'
        failure = self.fail(error)
        lines = []
        passes = [status for status, value in function.answers if not value]
        for status, value in function.answers:
            if value:
                lines.append(f"if r == <int>{status}: {self.fail(f'Py_NewRef(Py_{value})')}")
        condition = " and ".join(["r != 0", *(f"r != <int>{status}" for status in passes)])
        lines.append(f"if {condition}: {failure}")
        return lines

    def all_results(self) -> list[str]:
        function = self.function
        if function.result == "status":
            status = function.returns.name
            return [f"cu_from_enum(&M, E_{status}, r)", *self.results]
        if any(value for _, value in function.answers):
            return ["Py_NewRef(Py_True)", *self.results]
        if function.result == "value" and function.returns.kind != "none":
            return [to_python(function.returns, "returned"), *self.results]
        return self.results


def _declaration(type_: str, name: str) -> str:
    return f"cdef {type_}{'' if type_.endswith('*') else ' '}{name}"


def local_type(spelling: str) -> str:
    """The type of a local variable for a C type: without a const that would forbid assigning it."""
    text = spelling.strip()
    return text.removeprefix("const ") if "*" not in text else text


def pointee(type_: str) -> str:
    """`CUdeviceptr *` → `CUdeviceptr`; `const char **` → `const char *`."""
    return type_.rstrip().removesuffix("*").rstrip()


def code(value: Value) -> str:
    """The core's description of a type (struct cu_type)."""
    aux = {"enum": "E_", "handle": "H_", "record": "R_", "func": "C_"}.get(value.kind)
    if aux:
        return f"cu_t(CU_{value.kind.upper()}, {aux}{value.name})"
    if value.kind == "ptr" and value.name:
        return f"cu_t(CU_PTR, R_{value.name})"
    return f"cu_t(CU_{value.kind.upper()}, -1)"


def to_python(value: Value, c: str) -> str:
    """An expression that makes a new reference from a C value (not for records)."""
    match value.kind:
        case "i8" | "i16" | "i32":
            return f"PyLong_FromLong(<long>{c})"
        case "u8" | "u16" | "u32":
            return f"PyLong_FromUnsignedLong(<unsigned long>{c})"
        case "i64":
            return f"PyLong_FromLongLong(<long long>{c})"
        case "u64":
            return f"PyLong_FromUnsignedLongLong(<unsigned long long>{c})"
        case "f32" | "f64":
            return f"PyFloat_FromDouble(<double>{c})"
        case "enum":
            return f"cu_from_enum(&M, E_{value.name}, <long long>{c})"
        case "handle":
            return f"cu.new_handle(M.handles[H_{value.name}], <void *>{c})"
        case "cstr":
            return f"cu.cstring({c})"
        case "record":
            return f"cu.load(&{c}, &M, cu_t(CU_RECORD, R_{value.name}), 0, NULL)"
        case _:
            return f"PyLong_FromVoidPtr(<void *>{c})"
