"""The names in compiled code, read from the code itself: the driver lists kernels, but no variables.

PTX: https://docs.nvidia.com/cuda/parallel-thread-execution/ (module-scope directives).  Cubins are ELF files of 64 bits,
whose symbols say what they are by their section.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from ._records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .object_code import ObjectCode

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VARIABLE = re.compile(
    r"(?<![\w.])\.(global|const)\b((?:\s+(?:\.\w+(?:\([^)]*\))?|\d+))*)\s+([A-Za-z_$%][\w$]*)\s*(?:\[[^;={]*)?[=;]"
)
_ENTRY = re.compile(r"\.entry\s+([A-Za-z_$%][\w$]*)")
_OBJECT, _FUNCTION = 1, 2  # kinds of ELF symbols
_ENTRY_BIT, _MANAGED_BIT = 0x10, 0x04  # of st_other in cubins


@dataclass(frozen=True)
class Symbols:
    """Names as they are in the code; empty where it is of a kind that is not read (fat binaries)."""

    kernels: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    managed: tuple[str, ...] = ()

    @classmethod
    def of(cls, code: ObjectCode | None) -> Symbols:
        """The names in some code."""
        return _read(code.code, code.kind) if code is not None else cls()

    def names(self) -> tuple[str, ...]:
        """All variables."""
        return self.globals + self.constants + self.managed


@lru_cache(64)
def _read(code: bytes, kind: str) -> Symbols:
    if kind not in ("ptx", "cubin"):
        return Symbols()
    found: dict[str, list[str]] = {"kernels": [], "globals": [], "constants": [], "managed": []}
    for what, name in _of_ptx(code.decode("utf-8", "replace")) if kind == "ptx" else _of_cubin(code):
        if name not in found[what] and "$" not in name and "_INTERNAL_" not in name:  # made up by the compiler
            found[what].append(name)
    return Symbols(**{what: tuple(names) for what, names in found.items()})


def _of_ptx(text: str) -> Iterator[tuple[str, str]]:
    text = _COMMENT.sub(" ", text)
    for match in _ENTRY.finditer(text):
        yield "kernels", match[1]
    for match in _VARIABLE.finditer(text):
        space, attributes, name = match.groups()
        yield ("managed" if ".managed" in attributes else "globals" if space == "global" else "constants"), name


def _of_cubin(code: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from _symbols_of_elf(code)
    except (struct.error, IndexError, ValueError):
        return  # cut off or damaged: the driver says so when it is loaded


def _symbols_of_elf(code: bytes) -> Iterator[tuple[str, str]]:
    table, size, count, names_at = struct.unpack_from("<Q10xHHH", code, 0x28)
    sections = [struct.unpack_from("<II16xQQI", code, table + i * size) for i in range(count)]
    names = sections[names_at][2]
    for _, kind, offset, length, link in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        strings = sections[link][2]
        for at in range(offset, offset + length, 24):
            name, info, other, section = struct.unpack_from("<IBBH", code, at)
            if not 0 < section < count:  # not defined here
                continue
            what = _what(info & 15, other, _string(code, names + sections[section][0]))
            if what:
                yield what, _string(code, strings + name)


def _what(kind: int, other: int, section: str) -> str | None:
    if kind == _FUNCTION:
        return "kernels" if other & _ENTRY_BIT else None
    if kind != _OBJECT:
        return None
    if section.startswith(".nv.constant3"):
        return "constants"
    if section.startswith(".nv.global"):
        return "managed" if other & _MANAGED_BIT else "globals"
    return None


def _string(code: bytes, at: int) -> str:
    return code[at : code.index(b"\0", at)].decode("utf-8", "replace")


# ---- names in C++ --------------------------------------------------------------------------------------------------------

_LOOSE_SPACE = re.compile(r" (?=\W)|(?<=\W) ")


def same_expression(one: str, other: str) -> bool:
    """Whether two name expressions differ only in white space and a leading &."""
    return _plain(one) == _plain(other)


def _plain(expression: str) -> str:
    return _LOOSE_SPACE.sub("", " ".join(expression.split()).removeprefix("&").strip())


def mangled_like(symbol: str, name: str) -> bool:
    """Whether a mangled name may be of a function that is called `name` in C++: "ns::f" is, of _ZN2ns1fEv.

    Only for plain names; of an instance of a template, the template's name is meant.
    """
    parts = name.split("::")
    if not all(part.isidentifier() for part in parts):
        return False
    spelled = "".join(f"{len(part)}{part}" for part in parts)
    if len(parts) == 1:
        return symbol.startswith(f"_Z{spelled}")
    return symbol.startswith((f"_ZN{spelled}E", f"_ZN{spelled}I"))
