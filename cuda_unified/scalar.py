"""One element as Python's number and back, without NumPy."""

from __future__ import annotations

import math
import struct
from functools import cache

from .dtype import DType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SMALL = {  # bits of exponent and mantissa, bias, whether there are infinities, what is NaN
    "float8_e3m4": (3, 4, 3, "ieee"),
    "float8_e4m3": (4, 3, 7, "ieee"),
    "float8_e4m3b11fnuz": (4, 3, 11, "negative zero"),
    "float8_e4m3fn": (4, 3, 7, "all ones"),
    "float8_e4m3fnuz": (4, 3, 8, "negative zero"),
    "float8_e5m2": (5, 2, 15, "ieee"),
    "float8_e5m2fnuz": (5, 2, 16, "negative zero"),
    "float6_e2m3fn": (2, 3, 1, "none"),
    "float6_e3m2fn": (3, 2, 3, "none"),
    "float4_e2m1fn": (2, 1, 1, "none"),
}
_STRUCT = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "float16": "e", "float32": "f", "float64": "d"}
_STRUCT.update({f"u{name}": letter.upper() for name, letter in _STRUCT.items() if name.startswith("int")})
_COMPLEX = {"complex32": "e", "complex64": "f", "complex128": "d"}


def unpack(dtype: DType, data: bytes) -> Any:
    """The Python number of an element's bytes: a tuple of them for lanes, the bytes themselves for a record."""
    if dtype.is_record:
        return data if dtype._record is None else _numpy_item(dtype, data)
    base = _base(dtype)
    if dtype.lanes == 1:
        return _unpack(base, data)
    if dtype.bits % 8:
        return tuple(_unpack(base, bytes([lane])) for lane in _split(data, dtype.bits, dtype.lanes))
    size = dtype.bits // 8
    return tuple(_unpack(base, data[i : i + size]) for i in range(0, len(data), size))


def pack(dtype: DType, value: Any) -> bytes:
    """The bytes of an element with this value, rounded to the nearest where the type is a float.

    TypeError, OverflowError: the value is none of the type.
    """
    if dtype.is_record:
        return _pack_record(dtype, value)
    base = _base(dtype)
    if dtype.lanes == 1:
        return _pack(base, value)
    values = list(value) if hasattr(value, "__iter__") else [value] * dtype.lanes
    if len(values) != dtype.lanes:
        raise TypeError(f"{len(values)} values for the {dtype.lanes} lanes of {dtype}")
    if dtype.bits % 8:
        number = sum(_pack(base, v)[0] << i * dtype.bits for i, v in enumerate(values))
        return number.to_bytes(dtype.itemsize, "little")
    return b"".join(_pack(base, v) for v in values)


def _base(dtype: DType) -> str:
    return dtype.name if dtype.lanes == 1 else dtype.name.rpartition("x")[0]


def _split(data: bytes, bits: int, lanes: int) -> list[int]:
    number = int.from_bytes(data, "little")
    return [number >> i * bits & (1 << bits) - 1 for i in range(lanes)]


def _numpy_item(dtype: DType, data: bytes) -> Any:
    import numpy

    return numpy.frombuffer(bytearray(data), numpy.uint8).view(dtype._record)[0].item()


def _pack_record(dtype: DType, value: Any) -> bytes:
    if dtype._record is not None and not isinstance(value, (bytes, bytearray)):
        import numpy

        return numpy.array(value, dtype._record).tobytes()
    data = (
        bytes(value)
        if isinstance(value, (bytes, bytearray, memoryview))
        else bytes(dtype.itemsize)
        if value == 0
        else b""
    )
    if len(data) != dtype.itemsize:
        raise TypeError(f"an element of {dtype} is {dtype.itemsize} bytes, not {value!r}")
    return data


def _unpack(name: str, data: bytes) -> Any:
    if name in _STRUCT:
        return struct.unpack("<" + _STRUCT[name], data)[0]
    if name in _COMPLEX:
        return complex(*struct.unpack(f"<2{_COMPLEX[name]}", data))
    if name == "bool":
        return data != b"\0"
    if name == "bfloat16":
        return struct.unpack("<f", b"\0\0" + data)[0]
    if name == "float8_e8m0fnu":
        return math.nan if data == b"\xff" else math.ldexp(1.0, data[0] - 127)
    if name in _SMALL:
        return _values(name)[data[0] & len(_values(name)) - 1]
    bits = int(name.lstrip("uint"))
    value = data[0] & (1 << bits) - 1
    return value - (1 << bits) if name[0] == "i" and value >> bits - 1 else value


def _pack(name: str, value: Any) -> bytes:
    if name not in _COMPLEX and hasattr(value, "__complex__") and not isinstance(value, float) and value.imag:
        raise TypeError(f"{value!r} is no {name}")  # NumPy's would be cut to their real part
    if name in _STRUCT:
        try:
            return struct.pack("<" + _STRUCT[name], value)
        except OverflowError:  # a float too large: infinity, as everywhere else
            return struct.pack("<" + _STRUCT[name], math.copysign(math.inf, value))
        except struct.error as error:
            raise (OverflowError if isinstance(value, int) else TypeError)(f"{value!r} is no {name}: {error}") from None
    if name in _COMPLEX:
        z = complex(value)
        part = {"e": "float16", "f": "float32", "d": "float64"}[_COMPLEX[name]]
        return _pack(part, z.real) + _pack(part, z.imag)
    if name == "bool":
        return b"\1" if value else b"\0"
    if name == "bfloat16":
        return _round_to_bfloat16(float(value))
    if name == "float8_e8m0fnu" or name in _SMALL:
        return bytes([_nearest(name, float(value))])
    bits, signed = int(name.lstrip("uint")), name[0] == "i"
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not hasattr(value, "__index__"):
        raise TypeError(f"{value!r} is no {name}")
    if not low <= value.__index__() <= high:
        raise OverflowError(f"{value!r} is no {name}: from {low} to {high}")
    return bytes([value.__index__() & 0xFF if signed else value.__index__()])


def _round_to_bfloat16(value: float) -> bytes:
    """Once, from the double: rounding to a float first would round twice."""
    if math.isnan(value):
        return b"\xc0\x7f"
    mantissa, exponent = math.frexp(abs(value)) if math.isfinite(value) else (0.0, 0)
    if not math.isfinite(value) or not mantissa:
        return struct.pack("<f", value)[2:]
    unit = math.ldexp(1.0, max(exponent - 8, -133))  # 8 bits of mantissa, the leading one among them
    rounded = round(abs(value) / unit) * unit  # exact: to even at halves
    if rounded >= 2.0**128:
        rounded = math.inf
    return struct.pack("<f", math.copysign(rounded, value))[2:]


@cache
def _values(name: str) -> tuple[float, ...]:
    """The value of each bit pattern of a small float."""
    exponent_bits, mantissa_bits, bias, special = _SMALL[name]
    total = 1 + exponent_bits + mantissa_bits
    values = []
    for pattern in range(1 << total):
        sign = -1.0 if pattern >> total - 1 else 1.0
        exponent = pattern >> mantissa_bits & (1 << exponent_bits) - 1
        mantissa = pattern & (1 << mantissa_bits) - 1
        top = exponent == (1 << exponent_bits) - 1
        last = mantissa == (1 << mantissa_bits) - 1
        if (special == "negative zero" and pattern == 1 << total - 1) or (special == "all ones" and top and last):
            value = math.nan
        elif special == "ieee" and top:
            value = math.nan if mantissa else math.inf
        elif exponent:
            value = math.ldexp(1 + mantissa / (1 << mantissa_bits), exponent - bias)
        else:
            value = math.ldexp(mantissa / (1 << mantissa_bits), 1 - bias)
        values.append(sign * value)
    return tuple(values)


def _nearest(name: str, value: float) -> int:
    """The bit pattern nearest to a value, even at halves; what is too large becomes what the format has for it."""
    if name == "float8_e8m0fnu":
        return _nearest_power(value)
    values = _values(name)
    nans = [i for i, v in enumerate(values) if math.isnan(v)]
    if math.isnan(value):
        if not nans:
            raise OverflowError(f"{name} has no NaN")
        return nans[0]
    half = len(values) // 2
    magnitudes = [(v, i) for i, v in enumerate(values[:half]) if math.isfinite(v)]
    largest, index = magnitudes[-1]
    sign = half if math.copysign(1.0, value) < 0 else 0
    step = largest - magnitudes[-2][0]
    a = abs(value)
    if a < largest + step / 2 or (a == largest + step / 2 and index % 2 == 0):
        _, index = min(magnitudes, key=lambda m: (abs(m[0] - a), m[1] % 2))
        return 0 if index == 0 and half in nans else index + sign
    if math.inf in values:
        return values.index(math.inf) + sign
    if not nans:
        return index + sign  # saturated
    return nans[0] if half in nans else nans[0] + sign


def _nearest_power(value: float) -> int:
    if not 0 < value < math.inf:  # there is neither a sign nor a zero
        return 255
    mantissa, exponent = math.frexp(value)  # value = mantissa * 2**exponent, from 0.5 on
    power = exponent - 1 + (mantissa * 2 >= 1.5)
    return 255 if power > 127 else max(power + 127, 0)
