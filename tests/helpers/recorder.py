"""The recording libraries: built from the facts, loaded where cubind looks, driven from Python.

    with recorder.during(handler) as calls:
        driver.cuInit(0)

`handler(call)` runs inside the C function, while its arguments are alive: it compares them, writes behind the pointers and
returns the status.  What it raises is raised again where `during` ends.  What is behind an address is read and written here
without any check, as C would.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from generator.emit import abi_header, recorder
from generator.plan import Plan


class _Argument(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("size", ctypes.c_size_t))


_ON_CALL = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Argument), ctypes.c_void_p, ctypes.c_size_t
)
_ON_RESOLVE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint64)


def read(address: int, size: int) -> bytes:
    """The bytes at an address; NULL fails instead of crashing."""
    assert address, "a NULL pointer where memory was expected"
    return ctypes.string_at(address, size)


def write(address: int, data: bytes) -> None:
    """Writes bytes to an address."""
    assert address, "a NULL pointer where memory was expected"
    ctypes.memmove(address, data, len(data))


def number(raw: bytes) -> int:
    """An unsigned integer, or a pointer, from its bytes."""
    return int.from_bytes(raw, "little")


@dataclass
class Call:
    """One call that reached the library."""

    symbol: str
    gil: bool
    """The caller held the GIL."""
    arguments: list[bytes]
    result: int | bytes = 0
    """What it returned: a status, or the raw bytes of another type."""

    def pointer(self, i: int) -> int:
        assert len(self.arguments[i]) == 8
        return number(self.arguments[i])


Handler = Callable[[Call], int | bytes | None]


def build(folder: Path, plan: Plan, without: Collection[str] = ()) -> Path:
    """Compiles the recording library of one plan."""
    name = plan.info.name
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / f"recorder_{name}.c", folder / f"librecorder_{name}.so"
    (folder / f"cubind_{name}.h").write_text(abi_header.emit(plan.library, plan.info, plan.types))
    source.write_text(recorder.emit(plan.library, plan.info, plan.types, without))
    command = ["gcc", "-O0", "-shared", "-fPIC", "-Wall", "-Werror", str(source), "-o", str(library)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:4000]
    return library


@dataclass
class Recorder:
    """One recording library of this process."""

    plan: Plan
    path: Path
    calls: list[Call] = field(default_factory=list)
    resolved: list[tuple[str, int, int]] = field(default_factory=list)
    """What the resolver was asked for: name, version, flags."""

    def __post_init__(self) -> None:
        self._library = ctypes.CDLL(str(self.path))
        self._handler: Handler | None = None
        self._failure: BaseException | None = None
        self._library.recorder_function.restype = ctypes.c_void_p
        self._library.recorder_function.argtypes = (ctypes.c_char_p,)
        self._on_call, self._on_resolve = _ON_CALL(self._called), _ON_RESOLVE(self._asked)
        self._set("recorder_on_call", self._on_call)
        self._set("recorder_on_resolve", self._on_resolve)
        self._set("recorder_gil_held", ctypes.pythonapi.PyGILState_Check)
        facts = self.plan.library.functions
        self._versions = {(f.resolver_name, f.resolver_version): f for f in facts if f.resolver_name}
        self._names = {f.resolver_name for f in facts}

    def _set(self, name: str, function: object) -> None:
        address = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]
        ctypes.c_void_p.in_dll(self._library, name).value = address

    def _called(self, symbol: bytes, gil: int, n: int, arguments: object, result: int, size: int) -> None:
        raw = [ctypes.string_at(arguments[i].address, arguments[i].size) for i in range(n)]  # type: ignore[index]
        call = Call(symbol.decode(), bool(gil), raw)
        self.calls.append(call)
        try:
            if self._handler:
                call.result = self._handler(call) or 0
            data = call.result if isinstance(call.result, bytes) else call.result.to_bytes(size, "little")
            assert len(data) == size, f"{call.symbol} returns {size} bytes, not {len(data)}"
            ctypes.memmove(result, data, size)
        except BaseException as error:
            self._failure = self._failure or error

    @contextmanager
    def without_resolver(self) -> Iterator[None]:
        """The resolver knows nothing."""
        versions, names = self._versions, self._names
        self._versions, self._names = {}, set()
        try:
            yield
        finally:
            self._versions, self._names = versions, names

    def _asked(self, name: bytes, version: int, flags: int) -> int | None:
        if self._names:
            self.resolved.append((name.decode(), version, flags))
        return self.resolve(name.decode(), version, flags)

    def resolve(self, name: str, version: int, flags: int) -> int | None:
        """As cuGetProcAddress answers, but for an exact version only."""
        function = self._versions.get((name, version))
        if function:
            return self.address(function.per_thread if flags == 2 and function.per_thread else function.symbol)
        return ctypes.cast(self._library.recorder_wrong_version, ctypes.c_void_p).value if name in self._names else None

    def address(self, symbol: str) -> int | None:
        """Where a symbol's function is."""
        found: int | None = self._library.recorder_function(symbol.encode())
        return found

    def answer(self, handler: Handler) -> None:
        """Lets another handler answer from now on."""
        self._handler = handler

    @contextmanager
    def during(self, handler: Handler | None = None) -> Iterator[list[Call]]:
        """Records calls, each answered by `handler`; without one all succeed and write nothing."""
        self.calls, self._handler, self._failure = [], handler, None
        try:
            yield self.calls
        finally:
            self._handler = None
            failure, self._failure = self._failure, None
            if failure:
                raise failure
