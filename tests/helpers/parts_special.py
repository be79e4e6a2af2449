"""The parts of arguments that need more than themselves: values typed by another parameter, kernels, callbacks."""

from __future__ import annotations

import ctypes
from typing import Any

from .parts import Nullable, Part
from .recorder import Call, number, read, write
from .values import integer, read_text


class Tagged(Part):
    """The address of a value whose type another parameter tells."""

    def prepare(self) -> None:
        enum = self.scene.param(self.p.options[0])
        assert enum.value.kind == "enum"
        self.kind = self.scene.plan.tags[enum.value.name][self.scene.tags[enum.name]]
        if self.kind.kind == "text":
            self.given = "some text ü"
            self.size = len(self.given.encode()) + 1
        else:
            self.sample = self.scene.values.make(self.kind)
            self.given, self.size = self.sample.python, self.kind.size

    def seen(self, raw: bytes) -> None:
        if self.kind.kind == "text":
            assert read_text(number(raw)) == self.given
        else:
            self.sample.check_c(read(number(raw), self.size))


class Null(Part):
    """NULL, or where the size of a value is kept, before and after."""

    def prepare(self) -> None:
        params = self.scene.function.params
        self.of = next(
            (p.name for p in params if p.role in ("tagged", "out_tagged") and p.options[1:] == (self.p.name,)), ""
        )

    def seen(self, raw: bytes) -> None:
        if self.of:
            assert read(number(raw), 8) == self.scene.parts[self.of].size.to_bytes(8, "little")  # type: ignore[attr-defined]
        else:
            assert number(raw) == 0


class KernelParams(Nullable):
    """A double, a 32-bit and a 64-bit integer, packed as the function that tells their sizes says."""

    SIZES = (8, 4, 8)

    def prepare(self) -> None:
        self.given = (1.5, -7, 0xFEDCBA9876543210)
        self.data = (b"\0\0\0\0\0\0\xf8\x3f", b"\xf9\xff\xff\xff", (0xFEDCBA9876543210).to_bytes(8, "little"))
        self._tell_sizes(self.p.options[1])

    def _tell_sizes(self, name: str) -> None:
        """Which function is asked for the sizes."""
        for other in self.p.options[1:]:
            self.scene.also.pop(self.scene.symbol(other), None)
        self.scene.also[self.scene.symbol(name)] = self._info
        for f in self.scene.plan.functions:  # the question must leave no error behind
            if f.name.endswith("AtLastError") or f.name.endswith("GetLastError"):
                self.scene.also[f.function.symbol] = lambda call: 0

    def use_other(self) -> None:
        """The kernel is of the other class, so the last function is asked."""
        self._tell_sizes(self.p.options[-1])

    def _info(self, call: Call) -> int:
        kernel, index, offset, size = call.arguments
        assert kernel == self.scene.parts[self.p.options[0]].sample.raw
        if number(index) >= len(self.SIZES):
            return 1
        write(number(offset), (8 * number(index)).to_bytes(8, "little"))
        write(number(size), self.SIZES[number(index)].to_bytes(8, "little"))
        return 0

    def seen_value(self, raw: bytes) -> None:
        for i, data in enumerate(self.data):
            assert read(number(read(number(raw) + 8 * i, 8)), len(data)) == data


class Callback(Nullable):
    """C calls it with known arguments; the callable sees them, and its answer comes back to C."""

    def prepare(self) -> None:
        self.spec = next(c for c in self.scene.plan.callbacks if c.name == self.p.value.name)
        self.user = object()
        self.received: tuple[Any, ...] = ()
        self.given = self._callable
        values = self.scene.values
        self.samples = [values.make(v) for v in self.spec.values]
        for text, length in self.spec.texts.items():
            self.samples[text], size = values.unterminated()
            self.samples[length] = integer(self.spec.values[length], size)
        returns = self.spec.returns
        self.answer = None if returns.kind == "none" else values.make(returns)
        self._allow_keeping()

    def _callable(self, *arguments: Any) -> Any:
        self.received = arguments
        return self.answer.python if self.answer else None

    def _allow_keeping(self) -> None:
        """How long a callback lives is asked of and told to the library: calls that are no part of this test."""
        for f in self.scene.plan.functions:
            keeps = f.name.endswith(("StreamGetCaptureInfo", "UserObjectCreate", "GraphRetainUserObject"))
            if keeps and f.name != self.scene.function.name:
                self.scene.also[f.function.symbol] = lambda call: 0

    def seen_value(self, raw: bytes) -> None:
        user = self.p.options[0]
        index = [p.name for p in self.scene.function.params].index(user) if user != "-" else -1
        self.pointer = number(raw)
        self.call_back(self.scene.arguments[index] if index >= 0 else b"")

    def call_back(self, user: bytes) -> None:
        """Calls the C function as the library would."""
        raws = [user if i == self.spec.user else sample.raw for i, sample in enumerate(self.samples)]
        types = [_unsigned(len(raw)) for raw in raws]
        result = _unsigned(self.spec.returns.size) if self.answer else None
        returned = ctypes.CFUNCTYPE(result, *types)(self.pointer)(*map(number, raws))
        if self.answer:
            assert returned == number(self.answer.raw)

    def after(self) -> None:
        if self.is_none:
            return
        for i, (sample, argument) in enumerate(zip(self.samples, self.received, strict=True)):
            if i == self.spec.user:
                assert argument is self.user
            else:
                sample.check_python(argument)


def _unsigned(size: int) -> Any:
    return {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}[size]


class UserData(Part):
    """Any object; C gets what leads back to it."""

    def prepare(self) -> None:
        self.callback = next(
            p.name for p in self.scene.function.params if p.role == "callback" and p.options[0] == self.p.name
        )

    def settle(self) -> None:
        callback = self.scene.parts[self.callback]
        assert isinstance(callback, Callback)
        self.given = None if callback.is_none else callback.user

    def seen(self, raw: bytes) -> None:
        if self.given is None:
            assert number(raw) == 0
