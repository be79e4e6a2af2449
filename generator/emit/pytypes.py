"""Python types of what a plan takes and returns, as text for a stub.

For every C type there are two: what a function or a field accepts (much) and what it gives (one thing).  The names that
stand for more than one type (Array, Pointer ...) are explained in bindings/cubind/_types.pyi.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ctype import parse
from ..plan import CallbackPlan, FieldPlan, FunctionPlan, Parameter, Plan
from ..typetable import Value
from .declare import EmitError

EXACT_TUPLE = 4
"""Arrays of up to so many elements have a tuple type that says how many."""

_BY_ROLE = {"string": "Text", "count": "SupportsIndex | None", "kernel_params": "KernelParams", "user_data": "object"}
"""Types of parameters that depend on their role alone."""


class PyTypes:
    """The types of one library's module."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._integers = frozenset(plan.types.integer_typedefs())

    # -- values

    def name(self, value: Value, spelling: str = "") -> str:
        """A class by the name that the C declaration has for it, where that is a name in Python too."""
        base = _base(spelling)
        return base if self.plan.aliases.get(base) == value.name else value.name

    def given(self, value: Value, spelling: str = "") -> str:
        """What Python gets for a C value."""
        if value.is_integer:
            return _base(spelling) if _base(spelling) in self._integers and "*" not in spelling else "int"
        match value.kind:
            case "f32" | "f64":
                return "float"
            case "enum" | "handle" | "record":
                return self.name(value, spelling)
            case "cstr":
                return "str | None"
            case "text":
                return "str"
            case "none":
                return "None"
            case "ptr" | "func":
                return "int"
        raise EmitError(f"{self.plan.info.name}: no Python type for a value of kind {value.kind!r}")

    def accepted(self, value: Value, spelling: str = "") -> str:
        """What Python may pass for a C value."""
        if value.is_integer:
            return "SupportsIndex"
        match value.kind:
            case "enum":
                return f"{self.name(value, spelling)} | int"
            case "handle":
                return self._handle(value, spelling)
            case "cstr":
                return "Text"
            case "ptr":
                return "Pointer"
            case "func":
                return f"{callback_alias(value.name)} | FunctionAddress" if value.name else "FunctionAddress"
        return self.given(value, spelling)

    def _handle(self, value: Value, spelling: str) -> str:
        others = [self.plan.accepts[value.name]] if value.name in self.plan.accepts else []
        others += ["SupportsCudaStream"] if value.name in self.plan.streams else []
        return " | ".join([self.name(value, spelling), *others, "int", "None"])

    # -- parameters

    def parameter(self, f: FunctionPlan, p: Parameter) -> str:
        """The type of a Python parameter."""
        match p.role:
            case "value":
                text = self.accepted(p.value, p.type)
                return f"{text} | int" if p.value.kind == "record" else text
            case "address":
                return "Pointer" if is_read_only(p) else "WritablePointer"
            case "tagged":
                return self._tagged([self.accepted(v) for v in self.tags(f, p.options[0]).values()], "SupportsIndex")
            case "record" | "keep":
                return f"{self.name(target(p), p.type)} | int | None"
            case "ref":
                return self.accepted(target(p), pointee(p.type))
            case "inout":
                return join([self.accepted(target(p), pointee(p.type)), "None"])
            case "array":
                return f"Array[{self.element(p)}]"
            case "inout_array":
                return f"Array[{self.name(target(p), p.type)}]"
            case "callback":
                return f"{callback_alias(p.value.name)} | FunctionAddress"
        if p.role in _BY_ROLE:
            return _BY_ROLE[p.role]
        raise EmitError(f"{f.name}: the stub does not know parameters of role {p.role!r}")

    def element(self, p: Parameter) -> str:
        """What an element of an array parameter may be."""
        return self.accepted(target(p), pointee(p.type))

    def tags(self, f: FunctionPlan, parameter: str) -> dict[str, Value]:
        """What a `void *` points to, by the enumerator in another parameter."""
        p = next(q for q in f.params if q.name == parameter)
        enum = p.value if p.value.kind == "enum" else target(p)
        return self.plan.tags[enum.name]

    # -- results

    def outputs(self, f: FunctionPlan) -> list[tuple[str, str]]:
        """(name, type) of everything that a function returns, in order; "" for what C itself returns."""
        own: list[tuple[str, str]] = []
        if f.result == "status":
            own = [("", self.name(f.returns, f.function.returns))]
        elif any(value for _, value in f.answers):
            own = [("", "bool")]
        elif f.result == "value" and f.returns.kind != "none":
            own = [("", self.given(f.returns, f.function.returns))]
        return [*own, *((p.name, text) for p in f.params if (text := self.output(f, p)))]

    def returned(self, f: FunctionPlan) -> str:
        """The result type of a function."""
        texts = [text for _, text in self.outputs(f)]
        return f"tuple[{', '.join(texts)}]" if len(texts) > 1 else texts[0] if texts else "None"

    def output(self, f: FunctionPlan, p: Parameter) -> str:
        """The type of what a parameter adds to the result; "" for nothing."""
        match p.role:
            case "out":
                return self.given(target(p), pointee(p.type))
            case "inout":
                return join([self.given(target(p), pointee(p.type)), "None"])
            case "out_array" | "fill" | "sized_array":
                return f"list[{self.given(target(p), pointee(p.type))}]"
            case "borrow":
                spelling = pointee(pointee(p.type)).removeprefix("const ")
                return f"list[{self.given(self.plan.types.resolve(spelling), spelling)}]"
            case "text" | "fixed_text" | "sized_text":
                return "str"
            case "bytes" | "fixed_bytes" | "sized_bytes" | "borrow_bytes":
                return "bytes"
            case "out_pointer":
                return "int"
            case "out_tagged":
                return self._tagged_output(f, p.options[0])
            case "out_tagged_array":
                return "list[Any]"
        return ""

    def _tagged_output(self, f: FunctionPlan, parameter: str) -> str:
        values = self.tags(f, parameter).values()
        return self._tagged([f"list[{self.given(v)}]" if v.count < 0 else self.given(v) for v in values], "int")

    def _tagged(self, texts: list[str], integer: str) -> str:
        """One type where there is one, enums being integers; Any where it depends on the attribute, which no checker follows."""
        enums = {part for e in self.plan.library.enums for part in (e.name, f"{e.name} | int")}
        kinds = {integer if text in enums else text for text in texts}
        return kinds.pop() if len(kinds) == 1 else "Any"

    # -- fields

    def field(self, f: FieldPlan, users: frozenset[str]) -> tuple[str, str]:
        """What a field gives and what it accepts.  `users` are the record's fields that are user pointers of callbacks."""
        value = f.value
        if value.kind in ("i8", "u8") and value.count:
            return ("str", "str | ReadableBuffer") if f.text else ("bytes", "str | ReadableBuffer")
        if f.name in users:
            return "Any", "Any"
        if value.kind == "func":
            alias = f"{callback_alias(value.name)} | " if f.link and value.name else ""
            return f"{alias}int", f"{alias}FunctionAddress"
        given, accepted = self.given(value), self.accepted(value)
        if value.kind == "record":
            accepted = f"{value.name} | Fields"
        elif value.kind == "cstr":
            accepted = "Text | SupportsIndex"
        elif value.kind == "ptr" and value.name and not value.count:
            accepted = f"Sequence[{value.name} | Fields] | Pointer"
        elif value.kind == "ptr" and f.element and not value.count:
            accepted = f"Sequence[{self.accepted(f.element)}] | Pointer"
        if not value.count:
            return given, accepted
        inner = ", ".join([given] * value.count) if value.count <= EXACT_TUPLE else f"{given}, ..."
        return f"tuple[{inner}]", f"Sequence[{accepted}]"

    # -- callbacks

    def callback(self, c: CallbackPlan) -> str:
        """The Python callable that stands for a C function; its user pointer is the object that was registered."""
        taken = [
            "Any" if i == c.user else "str" if i in c.texts else self.given(v, p.type)
            for i, (p, v) in enumerate(zip(c.params, c.values, strict=True))
        ]
        result = "object" if c.returns.kind == "none" else join([self.accepted(c.returns), "None"])
        return f"Callable[[{', '.join(taken)}], {result}]"


def callback_alias(name: str) -> str:
    """Name of the type of Python callables for a callback."""
    return f"_{name}"


def is_read_only(p: Parameter) -> bool:
    """C only reads what a `void *` points to."""
    return p.options == ("const",) or "const" in p.type


def target(p: Parameter) -> Value:
    """What a pointer parameter points to."""
    if p.target is None:
        raise EmitError(f"{p.name} ({p.type}) is no pointer, but its role {p.role!r} needs one")
    return p.target


def pointee(type_: str) -> str:
    """`CUgraphNode *` → `CUgraphNode`."""
    return type_.rstrip().removesuffix("const").rstrip().removesuffix("*").rstrip()


def join(texts: Iterable[str]) -> str:
    """A union without repetitions."""
    parts = [part for text in texts for part in text.split(" | ")]
    return " | ".join(sorted(dict.fromkeys(parts), key=lambda part: part == "None"))


def _base(spelling: str) -> str:
    """The name in a spelling; "" for what is no plain type."""
    try:
        return parse(spelling).base
    except ValueError:
        return ""
