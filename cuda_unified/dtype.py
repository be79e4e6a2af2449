"""Types of elements: NumPy's numbers, the small floats of ml_dtypes, vectors such as float32x4, and records of bytes.

They are named as NumPy and ml_dtypes name them and work without either.
"""

from __future__ import annotations

import sys

from . import _native
from ._extend import extend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INT, _UINT, _FLOAT, _OPAQUE, _BFLOAT, _COMPLEX, _BOOL = range(7)  # DLPack's codes
_SMALL_FLOATS = {
    "float8_e3m4": (7, 8),
    "float8_e4m3": (8, 8),
    "float8_e4m3b11fnuz": (9, 8),
    "float8_e4m3fn": (10, 8),
    "float8_e4m3fnuz": (11, 8),
    "float8_e5m2": (12, 8),
    "float8_e5m2fnuz": (13, 8),
    "float8_e8m0fnu": (14, 8),
    "float6_e2m3fn": (15, 6),
    "float6_e3m2fn": (16, 6),
    "float4_e2m1fn": (17, 4),
}
_SCALARS: dict[str, tuple[int, int, str | None, str | None]] = {
    "bool": (_BOOL, 8, "?", "|b1"),
    "int8": (_INT, 8, "b", "|i1"),
    "int16": (_INT, 16, "h", "<i2"),
    "int32": (_INT, 32, "i", "<i4"),
    "int64": (_INT, 64, "q", "<i8"),
    "uint8": (_UINT, 8, "B", "|u1"),
    "uint16": (_UINT, 16, "H", "<u2"),
    "uint32": (_UINT, 32, "I", "<u4"),
    "uint64": (_UINT, 64, "Q", "<u8"),
    "float16": (_FLOAT, 16, "e", "<f2"),
    "float32": (_FLOAT, 32, "f", "<f4"),
    "float64": (_FLOAT, 64, "d", "<f8"),
    "complex64": (_COMPLEX, 64, "Zf", "<c8"),
    "complex128": (_COMPLEX, 128, "Zd", "<c16"),
    "complex32": (_COMPLEX, 32, None, None),
    "bfloat16": (_BFLOAT, 16, None, None),
    "int4": (_INT, 4, None, None),
    "int2": (_INT, 2, None, None),
    "uint4": (_UINT, 4, None, None),
    "uint2": (_UINT, 2, None, None),
    **{name: (*code, None, None) for name, code in _SMALL_FLOATS.items()},
}
"""name -> DLPack's code, bits, letter of the buffer protocol, text of the array interfaces"""
_PYTHON: dict[object, str] = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


@extend
class DType(_native.DType):
    """The type of an array's elements: `DType("float32")`, `DType(numpy.float32)`, `DType(float)`; `==` takes any of these forms.

    Names: bool, int2 … int64, uint2 … uint64, float16 … float64, complex32 … complex128, bfloat16, float8_e4m3fn and the other
    small floats of ml_dtypes, and with a number of lanes `float32x4`.  Elements of fewer than 8 bits have a byte each.  A
    structured or other NumPy type without objects is a record: bytes that nobody here looks into.

    TypeError: no type, or one that cannot be in a device's memory.

    https://dmlc.github.io/dlpack/latest/c_api.html (DLDataType)
    """

    __slots__ = ()
    name: str
    itemsize: int
    code: int
    bits: int
    lanes: int
    _record: Any

    @property
    def is_record(self) -> bool:
        """Whether it is opaque bytes."""
        return self.code == _OPAQUE

    @property
    def numpy(self) -> Any:
        """The NumPy dtype; small floats need ml_dtypes.  TypeError: there is none."""
        return numpy_dtype(self)

    @property
    def __numpy_dtype__(self) -> Any:
        return numpy_dtype(self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        try:
            there = other if isinstance(other, DType) else DType(other)
        except (TypeError, ValueError, BufferError):
            return NotImplemented
        if not (self.is_record and there.is_record):
            return self is there
        return self.itemsize == there.itemsize and bool(self._record == there._record)

    def __hash__(self) -> int:
        return hash((self.code, self.bits, self.lanes, self.itemsize))

    def __reduce__(self) -> Any:
        return DType, (self._record if self._record is not None else self.name,)

    def __repr__(self) -> str:
        return f"DType({self.name!r})" if self._record is None else f"DType({self._record!r})"

    def __str__(self) -> str:
        return self.name


def _make(name: str, code: int, bits: int, lanes: int, letter: str | None, text: str | None) -> DType:
    itemsize = lanes * bits // 8 if bits * lanes % 8 == 0 else lanes
    made: DType = _native.make_dtype(name, code, bits, lanes, itemsize, letter.encode() if letter else None, text, None)
    return made


_BY_CODE = {entry[:2]: _make(name, *entry[:2], 1, *entry[2:]) for name, entry in _SCALARS.items()}


def from_code(code: int, bits: int, lanes: int) -> DType:
    """The type that DLPack means by these three numbers, where it is not known yet."""
    base = _BY_CODE.get((code, bits))
    if base is None or lanes < 1 or (lanes > 1 and lanes * bits % 8):
        raise BufferError(f"no type of elements with DLPack's code {code}, {bits} bits and {lanes} lanes")
    return base if lanes == 1 else _make(f"{base.name}x{lanes}", code, bits, lanes, None, None)


def record(size: int, numpy_type: Any = None) -> DType:
    """A type of `size` opaque bytes; `numpy_type` says more about it to NumPy."""
    name = f"record{size}"
    letter: bytes | None = f"{size}x".encode()
    if size < 1:
        raise TypeError("elements of no bytes")
    if numpy_type is not None:
        name = str(numpy_type) if numpy_type.names is None else f"record{size}"
        letter = _format_of(numpy_type)
    made: DType = _native.make_dtype(name, _OPAQUE, 0, 1, size, letter, f"|V{size}", numpy_type)
    return made


def _format_of(numpy_type: Any) -> bytes | None:
    import numpy

    try:
        view: Any = numpy.empty(0, numpy_type)
        return memoryview(view).format.encode()
    except (ValueError, TypeError, NotImplementedError):
        return None  # dates, and types that others added


def resolve(what: Any) -> DType:
    """The type that a name, a NumPy or ml_dtypes type or a Python type means."""
    if isinstance(what, str):
        return _by_name(what)
    if isinstance(what, type) and what in _PYTHON:
        return DType(_PYTHON[what])
    torch_name = str(what) if type(what).__module__ == "torch" else ""
    if torch_name.startswith("torch."):
        return _by_name(torch_name[6:])
    numpy = _numpy()
    if numpy is None or what is None:
        raise TypeError(f"{what!r} is no type of elements")
    try:
        return _from_numpy(numpy.dtype(what))
    except TypeError as error:
        raise TypeError(f"{what!r} is no type of elements: {error}") from None


def _by_name(name: str) -> DType:
    if name in _SCALARS:
        return DType(name)
    import re

    vector = re.fullmatch(r"([a-z]\w*?)x(\d+)", name)
    if vector and vector[1] in _SCALARS:
        code, bits = _SCALARS[vector[1]][:2]
        lanes = int(vector[2])
        if 1 <= lanes < 1 << 16 and lanes * bits % 8 == 0:
            made: DType = from_code(code, bits, lanes)
            return made
    raw = re.fullmatch(r"record(\d+)", name)
    if raw:
        return record(int(raw[1]))
    numpy = _numpy()
    if numpy is not None:
        try:
            return _from_numpy(numpy.dtype(name))
        except TypeError:
            pass
    raise TypeError(f"{name!r} is no type of elements: names are like float32, bfloat16, float8_e4m3fn, float32x4")


def _numpy() -> Any:
    """NumPy, for words that only it knows; None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _from_numpy(what: Any) -> DType:
    if what.hasobject:
        raise TypeError(f"{what} has Python objects")
    if not what.isnative:
        raise TypeError(f"{what} has the other byte order; convert it with astype() first")
    if what.subdtype is not None:
        raise TypeError(f"{what} is an array; give the shape to the array instead")
    if what.names is None and what.name in _SCALARS and what.kind in "biufcV":
        return DType(what.name)
    if what.kind in {"f", "c"}:  # long double: no device has it
        raise TypeError(f"{what} has no counterpart on a device")
    return record(what.itemsize, what)


def numpy_dtype(dtype: DType) -> Any:
    """The NumPy dtype of a type; with lanes one that has a dimension of its own."""
    import numpy

    if dtype.is_record:
        return dtype._record if dtype._record is not None else numpy.dtype(f"V{dtype.itemsize}")
    name = _BY_CODE[dtype.code, dtype.bits].name
    base = numpy.dtype(name) if _SCALARS[name][3] is not None else _ml_dtype(name)
    return base if dtype.lanes == 1 else numpy.dtype((base, (dtype.lanes,)))


def _ml_dtype(name: str) -> Any:
    import numpy

    try:
        import ml_dtypes
    except ImportError:
        raise TypeError(
            f"NumPy has no {name}: install ml_dtypes, or view the array as unsigned ints of the same size"
        ) from None
    found = getattr(ml_dtypes, name, None)
    if found is None:
        raise TypeError(f"neither NumPy nor ml_dtypes has {name}: view the array as unsigned ints of the same size")
    return numpy.dtype(found)


def from_typestr(typestr: str, descr: Any) -> DType:
    """The type that the array interfaces mean by a text like '|V8' and a description."""
    import re

    match = re.fullmatch(r"([<>|=])([a-zA-Z])(\d+)(\[\w+\])?", typestr) if isinstance(typestr, str) else None
    if not match:
        raise BufferError(f"{typestr!r} is no type of an array interface")
    order, kind, size = match[1], match[2], int(match[3])
    if order == ">" and size > 1 and kind not in "VS":
        raise BufferError(f"{typestr!r}: the bytes of the elements are in the other order")
    if kind in "biufcO":
        raise BufferError(f"{typestr!r}: no such elements in a device's memory")
    if kind == "U":
        size *= 4
    numpy = sys.modules.get("numpy")
    if numpy is not None and (kind != "V" or (descr and descr != [("", typestr)])):
        return _record_or_buffer_error(numpy.dtype(descr if kind == "V" else typestr))
    return record(size)


def _record_or_buffer_error(numpy_type: Any) -> DType:
    try:
        return _from_numpy(numpy_type)
    except TypeError as error:
        raise BufferError(str(error)) from None


def from_struct(owner: Any, letter: str, size: int) -> DType:
    """The type of an object with __array_struct__ that is not one of the usual: its `dtype` knows, or it is bytes."""
    if letter == "O":
        raise BufferError("an array of Python objects")
    dtype = getattr(owner, "dtype", None)
    if dtype is not None:
        try:
            return DType(dtype)
        except TypeError as error:
            raise BufferError(str(error)) from None
    if letter in "biufc":
        raise BufferError(f"elements of kind {letter!r} with {size} bytes have no counterpart on a device")
    return record(size)


def from_format(text: str, size: int) -> DType:
    """The type of a buffer whose format is not one letter."""
    import re

    if re.search(r"[>!]", text) and size > 1:
        raise BufferError(f"{text!r}: the bytes of the elements are in the other order")
    if "O" in re.sub(r":[^:]*:", "", text):
        raise BufferError("a buffer of Python objects")
    if re.fullmatch(r"[@=<]?Z?[gG]", text):
        raise BufferError(f"{text!r} has no counterpart on a device")
    return record(size)
