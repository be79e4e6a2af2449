"""Exact arithmetic for the tests: binary floating-point formats over fractions, with every rounding."""

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Format:
    exponent: int
    mantissa: int

    @property
    def bits(self) -> int:
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self) -> int:
        return (1 << (self.exponent - 1)) - 1

    @property
    def top(self) -> int:
        return (1 << self.exponent) - 1

    @property
    def infinity(self) -> int:
        return self.top << self.mantissa

    @property
    def sign(self) -> int:
        return 1 << (self.bits - 1)

    def is_nan(self, v: int) -> bool:
        return (v & ~self.sign) > self.infinity

    def is_infinite(self, v: int) -> bool:
        return (v & ~self.sign) == self.infinity

    def negative(self, v: int) -> bool:
        return bool(v & self.sign)

    def value(self, v: int) -> Fraction:
        """Of a finite number."""
        exponent, mantissa = v >> self.mantissa & self.top, v & ((1 << self.mantissa) - 1)
        if exponent:
            mantissa |= 1 << self.mantissa
        else:
            exponent = 1
        number = Fraction(mantissa) * Fraction(2) ** (exponent - self.bias - self.mantissa)
        return -number if self.negative(v) else number

    def round(self, x: Fraction, mode: str = "rn", zero: int = 0) -> int:
        """The bits of x rounded; `zero` is the sign bit of an exact zero."""
        if x == 0:
            return zero
        sign, size = (self.sign if x < 0 else 0), abs(x)
        scale = size.numerator.bit_length() - size.denominator.bit_length()
        if size < Fraction(2) ** scale:
            scale -= 1
        scale = max(scale, 1 - self.bias)
        scaled = size / Fraction(2) ** (scale - self.mantissa)
        whole = scaled.numerator // scaled.denominator
        rest = scaled - whole
        half = Fraction(1, 2)
        up = {
            "rn": rest > half or (rest == half and whole & 1),
            "rna": rest >= half,
            "rz": False,
            "rm": bool(sign) and rest > 0,
            "rp": not sign and rest > 0,
        }[mode]
        whole += bool(up)
        result = whole + ((scale + self.bias - 1) << self.mantissa)
        if result >= self.infinity:
            away = mode in ("rn", "rna") or (mode == "rm" and sign) or (mode == "rp" and not sign)
            result = self.infinity if away else self.infinity - 1
        return sign | result

    def flush(self, v: int) -> int:
        return v if v & self.infinity else v & self.sign


F16, BF16, F32, F64, TF32 = Format(5, 10), Format(8, 7), Format(8, 23), Format(11, 52), Format(8, 10)
NAN = None


def add(f: Format, a: int, b: int, mode: str = "rn") -> int | None:
    if f.is_nan(a) or f.is_nan(b):
        return NAN
    if f.is_infinite(a):
        return NAN if f.is_infinite(b) and a != b else a
    if f.is_infinite(b):
        return b
    x, y = f.value(a), f.value(b)
    zero = f.sign if mode == "rm" else 0
    if x == 0 and y == 0 and f.negative(a) == f.negative(b):
        zero = a & f.sign
    return f.round(x + y, mode, zero)


def mul(f: Format, a: int, b: int, mode: str = "rn") -> int | None:
    if f.is_nan(a) or f.is_nan(b):
        return NAN
    sign = (a ^ b) & f.sign
    if f.is_infinite(a) or f.is_infinite(b):
        return NAN if (a & ~f.sign) == 0 or (b & ~f.sign) == 0 else sign | f.infinity
    return f.round(f.value(a) * f.value(b), mode, sign)


def div(f: Format, a: int, b: int, mode: str = "rn") -> int | None:
    if f.is_nan(a) or f.is_nan(b):
        return NAN
    sign = (a ^ b) & f.sign
    if f.is_infinite(a):
        return NAN if f.is_infinite(b) else sign | f.infinity
    if f.is_infinite(b):
        return sign
    if f.value(b) == 0:
        return NAN if f.value(a) == 0 else sign | f.infinity
    return f.round(f.value(a) / f.value(b), mode, sign)


def fma(f: Format, a: int, b: int, c: int, mode: str = "rn") -> int | None:
    if f.is_nan(a) or f.is_nan(b) or f.is_nan(c):
        return NAN
    sign = (a ^ b) & f.sign
    if f.is_infinite(a) or f.is_infinite(b):
        if (a & ~f.sign) == 0 or (b & ~f.sign) == 0:
            return NAN
        return NAN if f.is_infinite(c) and (c & f.sign) != sign else sign | f.infinity
    if f.is_infinite(c):
        return c
    product, addend = f.value(a) * f.value(b), f.value(c)
    zero = f.sign if mode == "rm" else 0
    if product == 0 and addend == 0 and sign == (c & f.sign):
        zero = sign
    return f.round(product + addend, mode, zero)


def sqrt(f: Format, a: int, mode: str = "rn") -> int | None:
    if f.is_nan(a) or (f.negative(a) and a != f.sign):
        return NAN
    if f.is_infinite(a) or (a & ~f.sign) == 0:
        return a
    x = f.value(a)
    # An approximation with far more digits than the format has, and a last digit that says whether it is exact.
    shift = 700
    n = (x.numerator << (2 * shift)) // x.denominator  # at least 2^300
    root = math.isqrt(n)
    exact = root * root == n and (x.numerator << (2 * shift)) % x.denominator == 0
    return f.round(Fraction(2 * root + (0 if exact else 1), 2 << shift), mode)


def minimum(f: Format, a: int, b: int, nan: bool = False, largest: bool = False) -> int | None:
    if f.is_nan(a) or f.is_nan(b):
        if nan or (f.is_nan(a) and f.is_nan(b)):
            return NAN
        return b if f.is_nan(a) else a

    def key(v: int) -> int:
        return -(v & ~f.sign) - 1 if f.negative(v) else v

    return (max if largest else min)(a, b, key=key)
