"""What a test does about one C parameter, by its role: what it passes, what C must get, what C writes, what comes back.

The roles are those of policy/README.md; what each means is said here once more, independently of the emitter.  `parts_out`
has those of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from generator.plan import FunctionPlan, Parameter, Plan
from generator.typetable import Value

from .recorder import Call, number, read, write
from .values import Sample, Values, address_of, integer, read_text

Check = Callable[[Any], None]

LESS = 2
"""How many characters fewer than there is room for C writes, where it can say so."""


@dataclass
class Scene:
    """One function with everything that its parameters have to agree on."""

    plan: Plan
    function: FunctionPlan
    values: Values
    tags: dict[str, str] = field(default_factory=dict)
    """Enum parameter → enumerator, where it says what a pointer points to."""
    lengths: dict[str, int] = field(default_factory=dict)
    """Parameter → the number of elements or bytes that it holds."""
    parts: dict[str, Part] = field(default_factory=dict)
    also: dict[str, Callable[[Call], int]] = field(default_factory=dict)
    """Other functions that may be called before or after: symbol → what they do."""
    times: int = 1
    """How often the function itself is called."""
    call: int = 0
    """Which of these calls it is."""
    arguments: list[bytes] = field(default_factory=list)
    """What C got in that call."""

    def param(self, name: str) -> Parameter:
        return next(p for p in self.function.params if p.name == name)

    def symbol(self, name: str) -> str:
        """The symbol behind another function's name."""
        return next(f.function.symbol for f in self.plan.functions if f.name == name)

    def number_of(self, p: Parameter) -> int:
        """How many elements an array parameter has."""
        n = int(p.count) if p.count.isdigit() else self.lengths[p.count]
        return n - p.less

    def make(self, p: Parameter, value: Value) -> Sample:
        """A value for a parameter: what the others need of it, or just another one."""
        if p.name in self.tags:
            enum = self.plan.types.enums[value.name]
            return self.values.enumerator(enum, dict(enum.values)[self.tags[p.name]])
        if p.name in self.lengths:
            return integer(value, self.lengths[p.name])
        return self.values.make(value)


class Part:
    """One parameter.  The base class is that of a value: passed as it is."""

    given: Any = None
    """The Python argument."""

    def __init__(self, scene: Scene, p: Parameter) -> None:
        self.scene = scene
        self.p = p
        self.prepare()

    @property
    def target(self) -> Value:
        assert self.p.target
        return self.p.target

    def prepare(self) -> None:
        """Chooses the values.  Parts are prepared in C order."""
        self.sample = self.scene.make(self.p, self.p.value)
        self.given = self.sample.python

    def seen(self, raw: bytes) -> None:
        """In C: compares the argument, and writes what C would write."""
        self.sample.check_c(raw)

    def results(self) -> list[Check]:
        """What it adds to the results: one check, or none."""
        return []

    def after(self) -> None:
        """When the call is over: what was passed has changed as it should."""

    def again(self) -> None:
        """Before the same arguments are passed once more: they are as they were."""

    # -- the same in another form; each is chosen before `settle`

    def use_none(self) -> None:
        """Passes None, where that means NULL or nothing."""

    def use_other(self) -> None:
        """Passes memory instead of a value, a bare address instead of an object, None for the length of an array."""

    def use_empty(self) -> None:
        """Lets C answer NULL, or that there are no elements."""

    def settle(self) -> None:
        """Takes over what other parts have chosen."""


class Nullable(Part):
    """None is NULL."""

    is_none = False

    def use_none(self) -> None:
        self.given, self.is_none = None, True

    def seen(self, raw: bytes) -> None:
        if self.is_none:
            assert number(raw) == 0
        else:
            self.seen_value(raw)

    def seen_value(self, raw: bytes) -> None:
        self.sample.check_c(raw)


class RecordValue(Part):
    """A record by value."""

    def use_other(self) -> None:
        self.given = address_of(self.sample.python)


class Handle(Nullable):
    """A handle by value; its parameter takes an address too, or a handle of the class that policy says."""

    def use_other(self) -> None:
        self.given = number(self.sample.raw)
        other = self.scene.plan.accepts.get(self.p.value.name)
        if other:
            self.given = getattr(self.scene.values.module, other)(self.given)


class Text(Nullable):
    def prepare(self) -> None:
        self.given = f"{self.p.name} äöü"

    def seen_value(self, raw: bytes) -> None:
        assert read_text(number(raw)) == self.given


class Address(Nullable):
    def prepare(self) -> None:
        self.sample = self.scene.values.make(Value("ptr"))
        self.given = self.sample.python

    def use_other(self) -> None:
        """A buffer: C gets its memory.  A read-only one, where C is said only to read."""
        if any(p.role == "kernel_params" and p.options[0] == self.p.name for p in self.scene.function.params):
            return  # a kernel, not memory
        self.data = self.scene.values.octets(24)
        self.given = self.data if self.p.options == ("const",) or "const" in self.p.type else bytearray(self.data)
        self.seen_value = self._seen_buffer  # type: ignore[method-assign]

    def _seen_buffer(self, raw: bytes) -> None:
        assert read(number(raw), 24) == self.data
        if isinstance(self.given, bytearray):
            write(number(raw), self.data[::-1])

    def after(self) -> None:
        if isinstance(self.given, bytearray):
            assert self.given == self.data[::-1]


class RecordArgument(Nullable):
    """One record, in place."""

    def prepare(self) -> None:
        self.sample = self.scene.values.make(self.target)
        self.given = self.sample.python

    def use_other(self) -> None:
        self.given = address_of(self.sample.python)

    def seen_value(self, raw: bytes) -> None:
        assert number(raw) == address_of(self.sample.python)
        assert read(number(raw), self.target.size) == self.sample.raw


class Ref(Part):
    """The address of a copy."""

    def prepare(self) -> None:
        self.sample = self.scene.make(self.p, self.target)
        self.given = self.sample.python

    def seen(self, raw: bytes) -> None:
        self.sample.check_c(read(number(raw), self.target.size))
        if self.p.name in self.scene.lengths:  # of text: C says that it wrote less
            write(number(raw), integer(self.target, self.scene.lengths[self.p.name] - LESS).raw)


class Inout(Nullable):
    """The address of a copy, which C changes; a length gets smaller."""

    def prepare(self) -> None:
        self.sample = self.scene.make(self.p, self.target)
        self.given = self.sample.python
        fewer = self.p.name in self.scene.lengths
        self.returned = integer(self.target, self.sample.python - 1) if fewer else self.scene.values.make(self.target)

    def use_none(self) -> None:
        super().use_none()
        if self.p.name in self.scene.lengths:
            self.scene.lengths[self.p.name] = 0

    def seen_value(self, raw: bytes) -> None:
        self.sample.check_c(read(number(raw), self.target.size))
        write(number(raw), self.returned.raw)

    def results(self) -> list[Check]:
        return [lambda found: self.returned.check_python(found) if not self.is_none else _is_none(found)]


def _is_none(found: Any) -> None:
    assert found is None


class Array(Nullable):
    def prepare(self) -> None:
        self.samples = [self.element() for _ in range(self.scene.number_of(self.p))]
        self.given = [sample.python for sample in self.samples]

    def use_other(self) -> None:
        """Bytes: C gets their memory."""
        if self.target.kind != "cstr":
            self.given = b"".join(sample.raw for sample in self.samples)

    def element(self) -> Sample:
        if self.p.name in self.scene.tags:
            return self.scene.make(self.p, self.target)
        return self.scene.values.make(self.target)

    def seen_value(self, raw: bytes) -> None:
        size = self.target.size
        for i, sample in enumerate(self.samples):
            sample.check_c(read(number(raw) + i * size, size))


class Sizes(Array):
    """The sizes of values whose types depend on attributes."""

    def element(self) -> Sample:
        return integer(self.target, self.scene.lengths[self.p.name])


class InoutArray(Array):
    def prepare(self) -> None:
        super().prepare()
        self.written = [self.scene.values.make(self.target) for _ in self.samples]

    def seen_value(self, raw: bytes) -> None:
        super().seen_value(raw)
        write(number(raw), b"".join(sample.raw for sample in self.written))

    def again(self) -> None:
        for sample in self.samples:
            write(address_of(sample.python), sample.raw)

    def use_other(self) -> None:
        self.given = bytearray(b"".join(sample.raw for sample in self.samples))

    def after(self) -> None:
        if not self.is_none:
            found = self.given if isinstance(self.given, bytearray) else b"".join(map(bytes, self.given))
            assert found == b"".join(sample.raw for sample in self.written)


class Count(Part):
    """How many elements there are; None: as many as the arrays have."""

    def use_none(self) -> None:
        self.given, self.sample = None, integer(self.p.value, 0)
        self.scene.lengths[self.p.name] = 0

    def use_other(self) -> None:
        self.given = None
