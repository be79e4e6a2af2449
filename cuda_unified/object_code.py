"""Compiled code: what a program, a linker or a file gives, and what a module is made from."""

from __future__ import annotations

import os

from ._light import suppress
from ._records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from .module import Module

KINDS = ("ptx", "cubin", "fatbin", "object", "library", "ltoir", "optixir")
LOADABLE = ("ptx", "cubin", "fatbin")
_MAGIC = b"\x7fCUOBJ\x01\n"
_EM_CUDA = 190
_PTX = rb"(?s)(?:\s|//[^\n]*\n|/\*.*?\*/)*\.version\s"


def detect(code: bytes) -> str | None:
    """The kind of some code by its first bytes; None if it is none that is known."""
    if code[:4] == b"\x7fELF" and len(code) >= 20:
        return "cubin" if int.from_bytes(code[18:20], "little") == _EM_CUDA else "object"
    if code[:4] in (b"\x50\xed\x55\xba", b"\xb1\x43\x62\x46"):  # a fat binary, or its wrapper
        return "fatbin"
    if code[:8] == b"!<arch>\n":
        return "library"
    if code[:4] == b"\xed\x43\x4e\x7f":
        return "ltoir"
    import re

    return "ptx" if re.match(_PTX, code) else None


@dataclass(frozen=True, eq=False)
class ObjectCode:
    """Compiled code and what is known about it.  It can be pickled, saved, loaded into a device, and linked.

    `ObjectCode.from_bytes(code)` and `.from_file(path)` take code of other origin.
    """

    code: bytes
    """The code; of PTX the text without its terminating zero."""
    kind: str
    """"ptx", "cubin", "fatbin", "object", "library", "ltoir" or "optixir"."""
    name: str = ""
    """What it was made from, for messages."""
    arch: str = ""
    """The architecture it is for, e.g. "sm_90"; "" if not known."""
    lowered_names: Mapping[str, str] = field(default_factory=dict)
    """name expression -> the name in the code."""
    log: str = ""
    """What the compiler or linker wrote: warnings and remarks."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of code: {', '.join(KINDS)}")
        object.__setattr__(self, "code", bytes(self.code).rstrip(b"\0") if self.kind == "ptx" else bytes(self.code))

    @classmethod
    def from_bytes(
        cls, code: Any, kind: str | None = None, *, name: str = "", lowered_names: Mapping[str, str] | None = None
    ) -> ObjectCode:
        """From PTX (str or bytes), a cubin, a fat binary, an object file, a library of them or LTO-IR.

        kind: found out from the code if it is None; ValueError if that cannot be done.  lowered_names: name expressions and
        the names in the code that they mean.
        """
        if isinstance(code, str):
            code = code.encode()
        code = bytes(code)
        found = kind or detect(code)
        if found is None:
            raise ValueError(
                f"{name or 'the code'} is neither PTX, a cubin, a fat binary, an object, a library nor LTO-IR"
            )
        return cls(code, found, name, lowered_names=dict(lowered_names or {}))

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], kind: str | None = None, *, lowered_names: Mapping[str, str] | None = None
    ) -> ObjectCode:
        """From a file: code of any kind, or what `save` wrote."""
        from pathlib import Path

        content = Path(path).read_bytes()
        if content.startswith(_MAGIC):
            return cls.unpack(content)
        return cls.from_bytes(content, kind, name=str(path), lowered_names=lowered_names)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all of it to a file, which is there as a whole or not at all; `from_file` reads it.

        The code alone is written by `Path.write_bytes(obj.code)`.
        """
        from pathlib import Path

        write_whole(Path(path), self.pack())

    @property
    def text(self) -> str:
        """PTX as a str; TypeError for another kind."""
        if self.kind != "ptx":
            raise TypeError(f"only PTX is text, not {self.kind}")
        return self.code.decode()

    def copy(self) -> ObjectCode:
        """The same code, with modules of its own."""
        return replace(self, lowered_names=dict(self.lowered_names))

    def module(self, **options: Any) -> Module:
        """Loads the code: a new `Module`.  options: those of `JitOptions`, for what the driver still compiles."""
        from .module import Module

        return Module(self, **options)

    def kernel(self, name: str) -> Any:
        """The kernel of a name or name expression, of a module that is loaded once for this object."""
        module: Module | None = self.__dict__.get("_module")
        if module is None:
            module = self.__dict__.setdefault("_module", self.module())
        return module.kernel(name)

    # ---- as one string of bytes: for files and for the cache

    def pack(self) -> bytes:
        """All of it, with a checksum."""
        import json
        from hashlib import sha256

        about = {"kind": self.kind, "name": self.name, "arch": self.arch, "log": self.log}
        head = json.dumps({**about, "lowered_names": dict(self.lowered_names)}).encode()
        body = len(head).to_bytes(4, "little") + head + self.code
        return _MAGIC + sha256(body).digest() + body

    @classmethod
    def unpack(cls, packed: bytes) -> ObjectCode:
        """The contrary; ValueError if anything is missing or changed."""
        import json
        from hashlib import sha256

        start = len(_MAGIC) + 32
        body = packed[start:]
        if not packed.startswith(_MAGIC) or sha256(body).digest() != packed[len(_MAGIC) : start]:
            raise ValueError("this is not saved code, or it was damaged")
        size = int.from_bytes(body[:4], "little")
        return cls(code=body[4 + size :], **json.loads(body[4 : 4 + size]))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_module"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __eq__(self, other: object) -> bool:
        return self.pack() == other.pack() if isinstance(other, ObjectCode) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.kind, self.code))

    def __len__(self) -> int:
        return len(self.code)

    def __repr__(self) -> str:
        what = " ".join(filter(None, (self.kind, self.arch and f"for {self.arch}", self.name and f"of {self.name!r}")))
        return f"<ObjectCode, {len(self.code)} bytes of {what}>"


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that others see all of it or nothing."""
    import tempfile  # not needed where the cache has everything
    from pathlib import Path

    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
