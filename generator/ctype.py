"""C type spellings, taken apart: `const CUgraphNode **` → base CUgraphNode, two pointers, const innermost."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_SHAPE = re.compile(
    r"^(?P<const>const\s+)?(?P<base>(?:unsigned |signed |long |short )*\w+)"
    r"(?P<tail>[\s*]*(?:const[\s*]*)*)(?P<dims>(?:\[\d+\])*)$"
)

BUILTIN = {
    "void": ("none", 0),
    "char": ("i8", 1),
    "signed char": ("i8", 1),
    "unsigned char": ("u8", 1),
    "short": ("i16", 2),
    "unsigned short": ("u16", 2),
    "int": ("i32", 4),
    "unsigned int": ("u32", 4),
    "long": ("i64", 8),
    "unsigned long": ("u64", 8),
    "long long": ("i64", 8),
    "unsigned long long": ("u64", 8),
    "size_t": ("u64", 8),
    "ssize_t": ("i64", 8),
    "int8_t": ("i8", 1),
    "uint8_t": ("u8", 1),
    "int16_t": ("i16", 2),
    "uint16_t": ("u16", 2),
    "int32_t": ("i32", 4),
    "uint32_t": ("u32", 4),
    "int64_t": ("i64", 8),
    "uint64_t": ("u64", 8),
    "intptr_t": ("i64", 8),
    "uintptr_t": ("u64", 8),
    "float": ("f32", 4),
    "double": ("f64", 8),
}
"""C type → (kind as in `enum cu_kind` of the core, size in bytes on 64-bit Linux)."""


@dataclass(frozen=True, slots=True)
class CType:
    """A type without function-pointer declarators."""

    base: str
    pointers: int = 0
    const: bool = False
    """The base is const: what the innermost pointer points to is not written."""
    dims: tuple[int, ...] = ()

    @property
    def pointee(self) -> CType:
        return replace(self, pointers=self.pointers - 1)

    @property
    def element(self) -> CType:
        return replace(self, dims=())

    @property
    def count(self) -> int:
        """Elements of the array, all dimensions together; 0 for what is no array."""
        if not self.dims:
            return 0
        total = 1
        for n in self.dims:
            total *= n
        return total


def parse(text: str) -> CType:
    """Takes a spelling apart.  ValueError for what is no plain type (a function pointer)."""
    match = _SHAPE.match(text.strip())
    if not match:
        raise ValueError(f"not a plain C type: {text!r}")
    dims = tuple(int(n) for n in re.findall(r"\[(\d+)\]", match["dims"]))
    base = re.sub(r"\s+", " ", match["base"]).strip()
    return CType(base, match["tail"].count("*"), bool(match["const"]), dims)
