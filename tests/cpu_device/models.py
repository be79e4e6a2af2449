"""What instructions on values compute, from how they are written: the reference for every form of them.

A model takes the operands' bits and gives the result's; None stands for a NaN.
"""

import operator
from collections.abc import Callable
from fractions import Fraction

from tests.cpu_device import exact
from tests.cpu_device.exact import BF16, F16, F32, F64, NAN, TF32, Format

Model = Callable[..., int | None]
Case = tuple[str, str, list[str], Model]  # instruction with {d} {a} {b} {c}, result's type, operands' types, model
FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64}
MODES = ("rn", "rz", "rm", "rp")
WHOLE = {"rni": "rn", "rzi": "rz", "rmi": "rm", "rpi": "rp"}
ORDER = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
         "lo": operator.lt, "ls": operator.le, "hi": operator.gt, "hs": operator.ge}  # fmt: skip
COMBINE = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}


def mask(bits: int) -> int:
    return (1 << bits) - 1


def width(t: str) -> int:
    return 32 if t in ("f16x2", "bf16x2", "u16x2", "s16x2") else 64 if t == "f32x2" else int(t.lstrip("bfsu"))


def signed(v: int, bits: int) -> int:
    v &= mask(bits)
    return v - (1 << bits) if v >> (bits - 1) else v


def number(t: str, v: int) -> int:
    """Bits as what an integer type makes of them."""
    return signed(v, width(t)) if t[0] == "s" else v & mask(width(t))


def quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def divide(a: int, b: int) -> int:
    return quotient(a, b) if b else -1


def remainder(a: int, b: int) -> int:
    return a - b * quotient(a, b) if b else a


def clamp(v: int, t: str) -> int:
    low, high = (-(1 << width(t) - 1), mask(width(t) - 1)) if t[0] == "s" else (0, mask(width(t)))
    return max(low, min(high, v))


# --- floating point ---


def decorated(f: Format, words: tuple[str, ...], model: Model) -> Model:
    """With .ftz, .sat and .relu around it."""
    ftz = "ftz" in words and f is not BF16
    one = f.bias << f.mantissa

    def done(*values: int) -> int | None:
        r = model(*(f.flush(v) if ftz else v for v in values))
        if "sat" in words:
            return 0 if r is NAN or f.negative(r) else min(f.flush(r) if ftz else r, one)
        if r is NAN:
            return r
        if "relu" in words and f.negative(r):
            return 0
        return f.flush(r) if ftz else r

    return done


def extreme(f: Format, words: tuple[str, ...], largest: bool) -> Model:
    def model(a: int, b: int) -> int | None:
        if "xorsign" in words:
            r = exact.minimum(f, a & ~f.sign, b & ~f.sign, "NaN" in words, largest)
            return r if r is NAN else r & ~f.sign | (a ^ b) & f.sign
        return exact.minimum(f, a, b, "NaN" in words, largest)

    return model


def float_model(opcode: str, f: Format, words: tuple[str, ...]) -> tuple[int, Model] | None:
    """(operands, model) of arithmetic that is rounded correctly."""
    mode = next((w for w in words if w in MODES), "rn")
    one = f.bias << f.mantissa
    models: dict[str, tuple[int, Model]] = {
        "add": (2, lambda a, b: exact.add(f, a, b, mode)),
        "sub": (2, lambda a, b: exact.add(f, a, b if f.is_nan(b) else b ^ f.sign, mode)),
        "mul": (2, lambda a, b: exact.mul(f, a, b, mode)),
        "fma": (3, lambda a, b, c: exact.fma(f, a, b, c, mode)),
        "mad": (3, lambda a, b, c: exact.fma(f, a, b, c, mode)),
        "div": (2, lambda a, b: exact.div(f, a, b, mode)),
        "rcp": (1, lambda a: exact.div(f, one, a, mode)),
        "sqrt": (1, lambda a: exact.sqrt(f, a, mode)),
        "neg": (1, lambda a: a ^ f.sign),
        "abs": (1, lambda a: a & ~f.sign),
        "copysign": (2, lambda a, b: a & f.sign | b & ~f.sign),
        "min": (2, extreme(f, words, False)),
        "max": (2, extreme(f, words, True)),
    }
    if opcode not in models or "approx" in words or "full" in words:
        return None
    count, model = models[opcode]
    return count, decorated(f, words, model)


# --- integers ---


def bfe(t: str) -> Model:
    bits = width(t)

    def model(a: int, at: int, length: int) -> int:
        at, length = at & 255, length & 255
        u = a & mask(bits)
        sign = u >> min(at + length - 1, bits - 1) & 1 if t[0] == "s" and length else 0
        return sum((u >> at + k & 1 if k < length and at + k < bits else sign) << k for k in range(bits))

    return model


def bfi(bits: int) -> Model:
    def model(a: int, b: int, at: int) -> int:
        field = mask(5) << (at & 255) & mask(bits)
        return b & ~field | a << (at & 255) & field

    return model


def bfind(t: str, amount: bool) -> Model:
    bits = width(t)

    def model(a: int) -> int:
        top = (~a if a < 0 else a).bit_length() - 1
        return mask(32) if top < 0 else bits - 1 - top if amount else top

    return model


def integer_model(opcode: str, t: str, words: tuple[str, ...]) -> tuple[str, list[str], Model] | None:
    """(result's type, operands' types, model)"""
    bits, wide = width(t), 2 * width(t)
    if opcode in ("mul", "mad", "mul24", "mad24"):
        low = (lambda v: number(t[0] + "24", v)) if opcode.endswith("24") else (lambda v: v)
        shift = 0 if "hi" not in words else 16 if opcode.endswith("24") else bits
        product = lambda a, b: low(a) * low(b) >> shift  # noqa: E731
        to = f"{t[0]}{wide}" if "wide" in words else t
        if opcode[:3] == "mul":
            return to, [t, t], product
        return to, [t, t, to], lambda a, b, c: clamp(product(a, b) + c, t) if "sat" in words else product(a, b) + c
    sat = (lambda v: clamp(v, t)) if "sat" in words else (lambda v: v)
    relu = (lambda v: max(v, 0)) if "relu" in words else (lambda v: v)
    shown: dict[str, tuple[str, list[str], Model]] = {
        "add": (t, [t, t], lambda a, b: sat(a + b)),
        "sub": (t, [t, t], lambda a, b: sat(a - b)),
        "div": (t, [t, t], divide),
        "rem": (t, [t, t], remainder),
        "min": (t, [t, t], lambda a, b: relu(min(a, b))),
        "max": (t, [t, t], lambda a, b: relu(max(a, b))),
        "sad": (t, [t, t, t], lambda a, b, c: c + abs(a - b)),
        "neg": (t, [t], lambda a: -a),
        "abs": (t, [t], abs),
        "and": (t, [t, t], operator.and_),
        "or": (t, [t, t], operator.or_),
        "xor": (t, [t, t], operator.xor),
        "not": (t, [t], operator.invert),
        "cnot": (t, [t], operator.not_),
        "shl": (t, [t, "u32"], lambda a, b: a << min(b, bits)),
        "shr": (t, [t, "u32"], lambda a, b: a >> min(b, bits)),
        "popc": ("u32", [t], int.bit_count),
        "clz": ("u32", [t], lambda a: bits - a.bit_length()),
        "brev": (t, [t], lambda a: int(f"{a:0{bits}b}"[::-1], 2)),
        "bfe": (t, [t, "u32", "u32"], bfe(t)),
        "bfind": ("u32", [t], bfind(t, "shiftamt" in words)),
    }
    return shown.get(opcode)


# --- comparisons ---


def comparison(t: str, words: tuple[str, ...]) -> Callable[[int, int], bool]:
    name = next(w for w in words if w[:2] in ORDER or w in ("num", "nan"))
    if t not in FORMATS:
        return lambda a, b: ORDER[name](number(t, a), number(t, b))
    f = FORMATS[t]

    def key(v: int) -> Fraction | float:
        v = f.flush(v) if "ftz" in words else v
        return (float("-inf") if f.negative(v) else float("inf")) if f.is_infinite(v) else f.value(v)

    def model(a: int, b: int) -> bool:
        nan = f.is_nan(a) or f.is_nan(b)
        if name in ("num", "nan"):
            return nan == (name == "nan")
        return len(name) == 3 if nan else ORDER[name[:2]](key(a), key(b))

    return model


# --- conversions ---


def rounded(x: Fraction, mode: str) -> int:
    floor = x.numerator // x.denominator
    rest = x - floor
    if mode == "rn":
        return floor + int(rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor & 1 == 1))
    return floor + int({"rz": x < 0 and rest > 0, "rm": False, "rp": rest > 0}[mode])


def to_integer(to: str, fr: str, words: tuple[str, ...]) -> Model:
    f, mode = FORMATS[fr], next(WHOLE[w] for w in words if w in WHOLE)
    low, high = clamp(-(1 << 99), to), clamp(1 << 99, to)

    def model(v: int) -> int:
        if "ftz" in words and f is F32:
            v = f.flush(v)
        if f.is_nan(v):  # nothing, or the highest bit where a 64-bit type takes part
            return (low if to[0] == "s" else 1 << width(to) - 1) if fr == "f64" or width(to) == 64 else 0
        if f.is_infinite(v):
            return low if f.negative(v) else high
        return clamp(rounded(f.value(v), mode), to)

    return model


def finished(g: Format, words: tuple[str, ...], r: int | None) -> int | None:
    """.sat, .satfinite and .relu of a conversion."""
    if "sat" in words:
        return 0 if r is NAN or g.negative(r) else min(r, g.bias << g.mantissa)
    if r is NAN:
        return r
    if "relu" in words and g.negative(r):
        return 0
    return r - 1 if "satfinite" in words and g.is_infinite(r) else r


def to_float(g: Format, f: Format, words: tuple[str, ...]) -> Model:
    mode = next((w for w in words if w in (*MODES, "rna")), "rn")
    whole = next((WHOLE[w] for w in words if w in WHOLE), "")
    ftz = "ftz" in words

    def value(v: int) -> int | None:
        if f.is_nan(v):
            return NAN
        v = f.flush(v) if ftz and f is F32 else v
        sign = g.sign if f.negative(v) else 0
        if f.is_infinite(v):
            return sign | g.infinity
        x = f.value(v)
        r = g.round(Fraction(rounded(x, whole)) if whole else x, mode, sign)
        return g.flush(r) if ftz and g is F32 else r

    return lambda v: finished(g, words, value(v))


def conversion(to: str, fr: str, words: tuple[str, ...]) -> tuple[list[str], Model] | None:
    """(operands' types, model)"""
    if to in FORMATS and fr in FORMATS:
        return [fr], to_float(FORMATS[to], FORMATS[fr], words)
    if to in ("f16x2", "bf16x2") and fr == "f32":
        one = to_float(FORMATS[to[:-2]], F32, words)
        half = lambda v: 0x7FFF if one(v) is NAN else one(v)  # noqa: E731
        return [fr, fr], lambda a, b: half(a) << 16 | half(b)
    if to == "tf32" and fr == "f32":
        one = to_float(TF32, F32, words)
        return [fr], lambda a: mask(31) if one(a) is NAN else one(a) << 13
    if to in FORMATS and fr[0] in "us" and fr[1:].isdigit():
        g, mode = FORMATS[to], next((w for w in words if w in MODES), "rn")
        return [fr], lambda v: finished(g, words, g.round(Fraction(v), mode))
    if to[0] in "us" and to[1:].isdigit():
        if fr in FORMATS:
            return [fr], to_integer(to, fr, words)
        if fr[0] in "us" and fr[1:].isdigit() and "pack" not in words:
            return [fr], lambda v: clamp(v, to) if "sat" in words else number(to, v)
    return None
