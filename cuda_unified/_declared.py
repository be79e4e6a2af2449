"""What is known of the types of a kernel's parameters; the driver tells their sizes alone.

The mangled name of a C++ kernel tells them (`_mangled`); so does PTX, less exactly: floating-point numbers, integers of
either sign, classes.
"""

from __future__ import annotations

import re

from . import _mangled

# of `enum kind` in src/launch.h; what is not here may be anything: .b32 is a float where another compiler wrote the PTX
_OF_PTX = {
    **dict.fromkeys(("f32", "f64"), "f"),
    **dict.fromkeys(("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"), "n"),
}
_PARAMETER = re.compile(r"\.param((?:\s+\.\w+(?:\s+\d+)?)*)\s+[\w$%]+\s*(?:\[\s*(\d+)\s*\])?")


def kinds(name: str, ptx: bytes | str | None = None) -> bytes | None:
    """One letter for each parameter of a kernel, '?' where its type is not known; None: nothing is.

    name: as in the code.  ptx: the code, where it is PTX.
    """
    told = _mangled.kinds(name)
    declared = of_ptx(name, ptx) if ptx and (told is None or b"?" in told) else None
    if told is None or declared is None or len(told) != len(declared):
        return told if declared is None else declared
    return bytes(b if a == ord("?") else a for a, b in zip(told, declared, strict=True))


def of_ptx(name: str, ptx: bytes | str) -> bytes | None:
    """What PTX declares."""
    text = ptx.decode("utf-8", "replace") if isinstance(ptx, bytes) else ptx
    head = re.search(rf"\.entry\s+{re.escape(name)}\s*(?:\(([^)]*)\))?", text)
    if not head or (head[1] is None and not text[head.end() :].lstrip().startswith(("{", "."))):
        return None
    return "".join(_kind(*found.groups()) for found in _PARAMETER.finditer(head[1] or "")).encode()


def _kind(words: str, elements: str | None) -> str:
    types = words.replace(".", " ").split()
    if elements is not None:
        return "?" if elements == "2" else "s"  # two bytes may be a half
    if "ptr" in types:
        return "p"
    return next((_OF_PTX[word] for word in types if word in _OF_PTX), "?")
