"""The parts of outputs: C gets an address, or NULL, writes, and Python returns what was written."""

from __future__ import annotations

import ctypes

from generator import ctype
from generator.typetable import Value

from .parts import (
    LESS,
    Address,
    Array,
    Check,
    Count,
    Handle,
    Inout,
    InoutArray,
    Part,
    RecordArgument,
    RecordValue,
    Ref,
    Scene,
    Sizes,
    Text,
)
from .parts_special import Callback, KernelParams, Null, Tagged, UserData
from .recorder import Call, number, read, write
from .values import Sample, Values, integer


class Out(Part):
    """One value."""

    def prepare(self) -> None:
        self.sample = self.scene.values.make(self.target)

    def seen(self, raw: bytes) -> None:
        write(number(raw), self.sample.raw)

    def use_empty(self) -> None:
        if self.target.kind == "cstr":
            self.sample = Sample(self.target, None, bytes(8))
        elif self.target.kind == "handle":
            self.sample = Sample(self.target, type(self.sample.python)(0), bytes(8))

    def results(self) -> list[Check]:
        return [self.sample.check_python]


class OutPointer(Out):
    """A pointer, behind a `void *`."""

    @property
    def target(self) -> Value:
        return Value("ptr")


class OnFailure(Out):
    """Returned by nobody; the exception has it."""

    def results(self) -> list[Check]:
        return []


def _check_list(samples: list[Sample]) -> Check:
    def check(found: object) -> None:
        assert isinstance(found, list)
        assert len(found) == len(samples)
        for one, sample in zip(found, samples, strict=True):
            sample.check_python(one)

    return check


class OutArray(Part):
    """As many elements as there is room for, or as many as C says it filled."""

    def prepare(self) -> None:
        self.samples = [self.scene.values.make(self.target) for _ in range(self.room())]

    def room(self) -> int:
        n = self.scene.number_of(self.p)
        return -(-n // self.scene.lengths[self.p.options[1]]) if self.p.options[:1] == ("per",) else n

    def settle(self) -> None:
        del self.samples[self.room() :]

    def seen(self, raw: bytes) -> None:
        if self.samples:
            write(number(raw), b"".join(sample.raw for sample in self.samples))
        else:
            assert number(raw) == 0

    def results(self) -> list[Check]:
        said = self.scene.parts.get(self.p.options[1] if self.p.options[:1] == ("used",) else self.p.count)
        return [_check_list(self.samples[: -1 if isinstance(said, Inout | UsedCount) else None])]


class UsedCount(Part):
    """C says that it filled one element fewer than there was room for."""

    def seen(self, raw: bytes) -> None:
        room = next(p.count for p in self.scene.function.params if p.options[:2] == ("used", self.p.name))
        write(number(raw), integer(self.target, self.scene.lengths[room] - 1).raw)

    def prepare(self) -> None:
        pass


class FillCount(Part):
    """Three, when asked; two, when there is room for three: one went away in between."""

    TOLD, FILLED = 3, 2

    def prepare(self) -> None:
        self.scene.times = 2
        self.told = self.TOLD

    def use_empty(self) -> None:
        self.scene.times, self.told = 1, 0

    def seen(self, raw: bytes) -> None:
        before, now = (0, self.told) if self.scene.call == 0 else (self.told, self.FILLED)
        assert read(number(raw), self.target.size) == integer(self.target, before).raw
        write(number(raw), integer(self.target, now).raw)


class Fill(Part):
    def prepare(self) -> None:
        self.samples = [self.scene.values.make(self.target) for _ in range(FillCount.FILLED)]

    def use_empty(self) -> None:
        self.samples = []

    def seen(self, raw: bytes) -> None:
        if self.scene.call == 0:
            assert number(raw) == 0
        else:
            write(number(raw), b"".join(sample.raw for sample in self.samples))

    def results(self) -> list[Check]:
        return [_check_list(self.samples)]


class Borrow(Part):
    """The address of elements that the library owns."""

    LENGTH = 3

    def prepare(self) -> None:
        element = ctype.parse(self.p.type).pointee.pointee
        value = self.scene.plan.types.value(element)
        self.samples = [self.scene.values.make(value) for _ in range(self.LENGTH)]
        self.memory = ctypes.create_string_buffer(b"".join(sample.raw for sample in self.samples))
        self.address = ctypes.addressof(self.memory)

    def use_empty(self) -> None:
        """NULL, whatever the count says."""
        self.samples, self.address = [], 0

    def seen(self, raw: bytes) -> None:
        write(number(raw), self.address.to_bytes(8, "little"))

    def results(self) -> list[Check]:
        return [_check_list(self.samples)]


class BorrowCount(Part):
    def prepare(self) -> None:
        of = [p.role for p in self.scene.function.params if p.count == self.p.name]
        self.sample = integer(self.target, BorrowBytes.LENGTH if "borrow_bytes" in of else Borrow.LENGTH)

    def seen(self, raw: bytes) -> None:
        write(number(raw), self.sample.raw)


def _check_equal(wanted: object) -> Check:
    def check(found: object) -> None:
        assert type(found) is type(wanted)
        assert found == wanted

    return check


class BorrowBytes(Borrow):
    LENGTH = 37

    def prepare(self) -> None:
        self.data = self.scene.values.octets(self.LENGTH)
        self.memory = ctypes.create_string_buffer(self.data)
        self.address = ctypes.addressof(self.memory)

    def use_empty(self) -> None:
        self.data, self.address = b"", 0

    def results(self) -> list[Check]:
        return [_check_equal(self.data)]


class Characters(Part):
    """Room for text or bytes, as large as another parameter says; where that is a pointer, C says how much it wrote."""

    def prepare(self) -> None:
        self.room = self.scene.number_of(self.p)
        self.data = self.scene.values.text(self.room) if "text" in self.p.role else self.scene.values.octets(self.room)
        self.written = self.data
        if self.scene.param(self.p.count).role == "ref":
            self.data = self.data.replace(b"\0", b"#")
            self.written = self.data[: self.room - LESS]

    def use_empty(self) -> None:
        if "text" in self.p.role:
            self.written = self.data = bytes(len(self.data))

    def seen(self, raw: bytes) -> None:
        write(number(raw), self.data)

    def results(self) -> list[Check]:
        return [
            _check_equal(
                self.written.partition(b"\0")[0].decode(errors="replace") if "text" in self.p.role else self.written
            )
        ]


class Fixed(Characters):
    def prepare(self) -> None:
        self.written = self.data = self.scene.values.octets(int(self.p.options[0]))


class Sized(Characters):
    """As large as another function says, which gets the same arguments and the address of a size."""

    def prepare(self) -> None:
        values = self.scene.values
        sibling = next(f for f in self.scene.plan.functions if f.name == self.p.options[0])
        self.size = sibling.params[-1].target
        assert self.size and self.size.is_integer
        self.scene.also[sibling.function.symbol] = self._answer
        self.samples: list[Sample] = []
        if self.p.role == "sized_array":
            self.samples = [values.make(self.target) for _ in range(3)]
            self.data = b"".join(sample.raw for sample in self.samples)
        else:
            self.data = values.text(20) if self.p.role == "sized_text" else values.octets(20)
        self.written = self.data

    def _answer(self, call: Call) -> int:
        *same, where = call.arguments
        before = [p for p in self.scene.function.params if p.name != self.p.name]
        for p, raw in zip(before, same, strict=True):
            self.scene.parts[p.name].seen(raw)
        assert self.size
        write(number(where), integer(self.size, len(self.samples) or len(self.data)).raw)
        return 0

    def results(self) -> list[Check]:
        return [_check_list(self.samples)] if self.samples else super().results()


class OutTagged(Part):
    """A value whose type another parameter tells, its size given, told or known."""

    def prepare(self) -> None:
        enum = self.scene.param(self.p.options[0])
        kind = self.scene.plan.tags[enum.value.name][self.scene.tags[enum.name]]
        given = self.scene.lengths.get(self.p.options[1]) if self.p.options[1:] else None
        self.made = TaggedValue(self.scene.values, kind, given)
        self.size = self.made.size

    def seen(self, raw: bytes) -> None:
        write(number(raw), self.made.data)

    def results(self) -> list[Check]:
        return [self.made.check]


class TaggedValue:
    """The bytes and the check of one value of a type from [tags]."""

    def __init__(self, values: Values, kind: Value, given: int | None) -> None:
        if kind.kind == "text":
            self.size = kind.count
            self.data = values.text(50)
            self.check = _check_equal(self.data[:-1].decode())
        elif kind.count < 0:
            samples = [
                values.make(Value(kind.kind, kind.name, kind.size)) for _ in range((given or kind.size) // kind.size)
            ]
            self.size = kind.size * len(samples)
            self.data = b"".join(sample.raw for sample in samples)
            self.check = _check_list(samples)
        else:
            sample = values.make(kind)
            self.size, self.data, self.check = kind.size, sample.raw, sample.check_python


class OutTaggedArray(Part):
    """An array of addresses, one for each attribute."""

    def prepare(self) -> None:
        attributes, count, *sizes = self.p.options
        enum = self.scene.param(attributes).target
        assert enum
        kind = self.scene.plan.tags[enum.name][self.scene.tags[attributes]]
        given = self.scene.lengths[sizes[0]] if sizes else None
        self.made = [TaggedValue(self.scene.values, kind, given) for _ in range(self.scene.lengths[count])]

    def settle(self) -> None:
        del self.made[self.scene.lengths[self.p.options[1]] :]

    def seen(self, raw: bytes) -> None:
        for i, one in enumerate(self.made):
            write(number(read(number(raw) + 8 * i, 8)), one.data)

    def results(self) -> list[Check]:
        return [self._check]

    def _check(self, found: object) -> None:
        assert isinstance(found, list)
        for one, value in zip(self.made, found, strict=True):
            one.check(value)


ROLES: dict[str, type[Part]] = {
    "value": Part,
    "string": Text,
    "address": Address,
    "record": RecordArgument,
    "keep": RecordArgument,
    "ref": Ref,
    "inout": Inout,
    "array": Array,
    "inout_array": InoutArray,
    "count": Count,
    "out": Out,
    "out_pointer": OutPointer,
    "on_failure": OnFailure,
    "out_array": OutArray,
    "used_count": UsedCount,
    "fill": Fill,
    "fill_count": FillCount,
    "borrow": Borrow,
    "borrow_count": BorrowCount,
    "borrow_bytes": BorrowBytes,
    "text": Characters,
    "bytes": Characters,
    "fixed_text": Fixed,
    "fixed_bytes": Fixed,
    "sized_text": Sized,
    "sized_bytes": Sized,
    "sized_array": Sized,
    "null": Null,
    "tagged": Tagged,
    "out_tagged": OutTagged,
    "out_tagged_array": OutTaggedArray,
    "kernel_params": KernelParams,
    "callback": Callback,
    "user_data": UserData,
}


def part(scene: Scene, name: str) -> Part:
    """The part of one parameter."""
    p = scene.param(name)
    if p.role == "value" and p.value.kind == "handle":
        return Handle(scene, p)
    if p.role == "array" and p.name in scene.lengths:
        return Sizes(scene, p)
    if p.role == "value" and p.value.kind == "record":
        return RecordValue(scene, p)
    return ROLES[p.role](scene, p)
