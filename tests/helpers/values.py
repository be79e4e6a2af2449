"""Values that differ from each other, as Python has them and as C has them.

The bytes are made here from what a type is in C (its width, its sign, its enumerators), not by the code that is tested.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from generator import ir
from generator.plan import Plan
from generator.typetable import Value

from .recorder import number, read


@dataclass(frozen=True)
class Sample:
    """One value."""

    value: Value
    python: Any
    raw: bytes
    """What C has in the place of the value; for text its address, which only an output has here."""
    text: str | None = None
    """For `const char *`: what it points to."""

    def check_c(self, raw: bytes) -> None:
        """What C got is this value."""
        if self.text is None:
            assert raw == self.raw, f"{self.python!r}: C got {raw.hex()} instead of {self.raw.hex()}"
        else:
            assert read_text(number(raw)) == self.text

    def check_python(self, found: Any) -> None:
        """What Python got is this value, and of the right type."""
        if self.value.kind == "record":
            assert type(found) is type(self.python)
            assert bytes(found) == self.raw
        else:
            assert type(found) is type(self.python), f"{found!r} instead of {self.python!r}"
            assert found == self.python


def read_text(address: int) -> str:
    """The NUL-terminated text at an address."""
    read(address, 1)
    return ctypes.string_at(address).decode()


def address_of(record: Any) -> int:
    """Where a record's memory is; `.ptr`, but for records with a field of that name."""
    base: Any = type(record).__base__
    found: int = base.ptr.__get__(record)
    return found


def integer(value: Value, n: int) -> Sample:
    """A number as a parameter of this integer type."""
    return Sample(value, n, n.to_bytes(value.size, "little", signed=value.kind[0] == "i"))


@dataclass
class Values:
    """Makes values of one library's types, each different from all before."""

    module: ModuleType
    plan: Plan
    made: int = 0
    kept: list[Any] = field(default_factory=list)
    """What the samples point to."""

    def make(self, value: Value) -> Sample:
        """The next value of a type."""
        self.made += 1
        if value.is_integer:
            raw = self.octets(value.size)
            return Sample(value, int.from_bytes(raw, "little", signed=value.kind[0] == "i"), raw)
        if value.is_float:
            return Sample(value, self.made + 0.25, struct.pack("<f" if value.size == 4 else "<d", self.made + 0.25))
        found: Sample = getattr(self, f"_{value.kind}")(value)
        return found

    def octets(self, n: int) -> bytes:
        """Bytes that no other value has; those at the end have the sign bit every other time."""
        self.made += 1
        return bytes((self.made * 37 + i * 101 + 7) % 256 for i in range(n))

    def text(self, n: int) -> bytes:
        """n - 1 bytes of text, not all of them ASCII if there is room, and the NUL."""
        self.made += 1
        return (
            f"{self.made:x}ü".encode().ljust(n - 1, b"~")[: n - 1].decode(errors="ignore").encode().ljust(n - 1, b"~")
            + b"\0"
        )

    def enumerator(self, enum: ir.Enum, n: int) -> Sample:
        """The value n of an enumeration."""
        raw = (n & 0xFFFFFFFF).to_bytes(4, "little")
        return Sample(Value("enum", enum.name, 4), getattr(self.module, enum.name)(n), raw)

    def _enum(self, value: Value) -> Sample:
        """An enumerator in turn; where they are used up, a number that none has."""
        enum = self.plan.types.enums[value.name]
        known = sorted({v for _, v in enum.values})
        return self.enumerator(enum, known[self.made] if self.made < len(known) else 0x10000 + self.made)

    def _handle(self, value: Value) -> Sample:
        address = self._address()
        return Sample(value, getattr(self.module, value.name)(address), address.to_bytes(8, "little"))

    def _ptr(self, value: Value) -> Sample:
        address = self._address()
        return Sample(value, address, address.to_bytes(8, "little"))

    _func = _none = _ptr

    def _address(self) -> int:
        return 0x7E0000000000 + self.made * 0x1010

    def _cstr(self, value: Value) -> Sample:
        text = f"text {self.made} äöü"
        memory = ctypes.create_string_buffer(text.encode())
        self.kept.append(memory)
        return Sample(value, text, ctypes.addressof(memory).to_bytes(8, "little"), text)

    def unterminated(self) -> tuple[Sample, int]:
        """Text that only its length ends, as a sample and that length."""
        text = f"text {self.made} äöü"
        memory = ctypes.create_string_buffer(text.encode() + b"and more")
        self.kept.append(memory)
        raw = ctypes.addressof(memory).to_bytes(8, "little")
        return Sample(Value("cstr"), text, raw, text), len(text.encode())

    def _record(self, value: Value) -> Sample:
        raw = self.octets(value.size)
        return Sample(value, getattr(self.module, value.name).from_bytes(raw), raw)
