"""Approximations against 40 decimal digits, with the errors that the PTX ISA allows; those of halves for all 2^16 values."""

import functools
import math
from collections.abc import Callable
from decimal import Decimal, getcontext
from fractions import Fraction

import pytest

from tests.cpu_device.exact import BF16, F16, F32, F64, Format
from tests.cpu_device.exec_access import machine
from tests.cpu_device.exec_ops import Runner, floats

getcontext().prec = 40
FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64}
Function = Callable[[Decimal], Decimal]
TWO_PI = 2 * Decimal("3.14159265358979323846264338327950288419716939937510")


def series(x: Decimal, start: int) -> Decimal:
    """The sine's (1) or cosine's (0)."""
    x = x.remainder_near(TWO_PI)
    term, total, k = (x if start else Decimal(1)), Decimal(0), start
    while abs(term) > Decimal(10) ** -38:
        total += term
        term = -term * x * x / ((k + 1) * (k + 2))
        k += 2
    return total


def tanh(x: Decimal) -> Decimal:
    if abs(x) < Decimal("1e-6"):
        return x - x**3 / 3
    e = (2 * x).exp() if abs(x) < 100 else Decimal("1e90") ** int(math.copysign(1, x))
    return (e - 1) / (e + 1)


EXACT: dict[str, Function] = {
    "ex2": lambda x: Decimal(2) ** x,
    "lg2": lambda x: x.ln() / Decimal(2).ln(),
    "sin": functools.partial(series, start=1),
    "cos": functools.partial(series, start=0),
    "tanh": tanh,
    "rcp": lambda x: 1 / x,
    "sqrt": Decimal.sqrt,
    "rsqrt": lambda x: 1 / x.sqrt(),
}
# (largest error relative to the result, or absolute) of f32; halves have the exact result's rounding and a little more
RELATIVE = {"lg2": 2**-22, "ex2": 2**-22, "tanh": 2**-11, "rcp": 2**-23, "sqrt": 2**-23, "rsqrt": 2**-22.9}
ABSOLUTE = {"lg2": 2**-22, "sin": 2**-20.5, "cos": 2**-20.5}


def decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)


def special(name: str, f: Format, v: int) -> int | None:
    """Bits where there is nothing to compute, -1: a NaN, None: a number."""
    inf, minus = f.infinity, f.infinity | f.sign
    magnitude, negative = v & ~f.sign, f.negative(v)
    if f.is_nan(v) or (name in ("sin", "cos") and magnitude == inf):
        return -1
    if magnitude == 0:
        return {
            "ex2": f.bias << f.mantissa,
            "cos": f.bias << f.mantissa,
            "lg2": minus,
            "rcp": v | inf,
            "rsqrt": v | inf,
        }.get(name, v)
    if negative and name in ("lg2", "sqrt", "rsqrt"):
        return -1
    if magnitude == inf:
        one = f.bias << f.mantissa
        return {"ex2": 0 if negative else inf, "tanh": one | v & f.sign, "rcp": v & f.sign, "rsqrt": 0}.get(name, v)
    return None


def close(name: str, f: Format, v: int, got: int, relative: float, absolute: float, ftz: bool) -> bool:
    v = f.flush(v) if ftz else v
    fixed = special(name, f, v)
    if fixed is not None:
        return f.is_nan(got) if fixed == -1 else got == fixed
    x = decimal(f.value(v))
    if name == "ex2" and abs(x) > 2000:
        return got == (0 if x < 0 else f.infinity)
    want = EXACT[name](x)
    largest = decimal(f.value(f.infinity - 1))
    if abs(want) > largest:
        return f.is_infinite(got) or got & ~f.sign == f.infinity - 1
    if f.is_nan(got) or f.is_infinite(got):
        return False
    smallest = decimal(f.value(1 << f.mantissa))
    if ftz and abs(want) < smallest:
        return got & ~f.sign == 0 or abs(want) > smallest * (1 - Decimal(2) ** -f.mantissa)
    step = decimal(f.value(1))  # what is subnormal has this error
    return abs(decimal(f.value(got)) - want) <= max(Decimal(relative) * abs(want), Decimal(absolute), step)


def check(op: str, t: str, values: list[int], relative: float, absolute: float = 0.0) -> None:
    f, name = FORMATS[t], op.partition(".")[0]
    got = Runner(machine(), [(f"{op} {{d}}, {{a}}", t, [t])], [(v,) for v in values]).results(0)
    wrong = [
        (hex(v), hex(r))
        for v, r in zip(values, got, strict=True)
        if not close(name, f, v, r, relative, absolute, ".ftz" in op)
    ]
    assert not wrong, (op, len(wrong), wrong[:5])


@pytest.mark.parametrize("ftz", ["", ".ftz"])
@pytest.mark.parametrize("name", list(EXACT))
def test_f32(name: str, ftz: str) -> None:
    if name == "tanh" and ftz:
        pytest.skip("tanh has no .ftz")
    values = floats(F32, 1500, 7)
    if name in ("sin", "cos"):  # the bound is for a few turns
        values = [v for v in values if F32.is_nan(v) or F32.is_infinite(v) or abs(F32.value(v)) <= 100]
    check(f"{name}.approx{ftz}.f32", "f32", values, RELATIVE.get(name, 0.0), ABSOLUTE.get(name, 0.0))


@pytest.mark.parametrize(
    ("op", "relative"), [("rcp.approx.ftz", 2**-20), ("rsqrt.approx.ftz", 2**-20), ("rsqrt.approx", 2**-20)]
)
def test_f64(op: str, relative: float) -> None:
    check(f"{op}.f64", "f64", floats(F64, 1500, 8), relative)


@pytest.mark.parametrize(
    ("op", "t", "relative", "absolute"),
    [("ex2.approx", "f16", 2**-9.9, 0.0), ("ex2.approx.ftz", "bf16", 2**-7, 0.0), ("tanh.approx", "f16", 0.0, 2**-10.987),
     ("tanh.approx", "bf16", 2**-8, 0.0)],
)  # fmt: skip
def test_all_halves(op: str, t: str, relative: float, absolute: float) -> None:
    f, name, ftz = FORMATS[t], op.partition(".")[0], ".ftz" in op
    got = Runner(machine(), [(f"{op}.{t} {{d}}, {{a}}", t, [t])], [(v,) for v in range(1 << 16)]).results(0)
    for v, r in enumerate(got):
        fixed = special(name, f, f.flush(v) if ftz else v)
        if fixed is not None:
            assert f.is_nan(r) if fixed == -1 else r == fixed, hex(v)
            continue
        x = float(f.value(v))  # 53 bits are exact enough for halves
        want = math.tanh(x) if name == "tanh" else 2.0 ** max(-1000.0, min(x, 1000.0))
        if want > f.value(f.infinity - 1):
            assert f.is_infinite(r) or r == f.infinity - 1, hex(v)
        elif ftz and want < f.value(1 << f.mantissa):
            assert r == 0 or want > 0.99 * f.value(1 << f.mantissa), hex(v)
        else:
            bound = max(relative * abs(want), absolute, float(f.value(1)))
            assert not f.is_nan(r) and abs(float(f.value(r)) - want) <= bound, hex(v)
    values = [(v, (v * 40503 + 77) & 0xFFFF) for v in range(1 << 16)]  # pairs: the same as both halves
    text = f".reg .b16 %l, %h; {op}.{t} %l, {{a}}; {op}.{t} %h, {{b}}; mov.b32 {{d}}, {{{{%l, %h}}}}"
    pair = f".reg .b32 %x; mov.b32 %x, {{{{{{a}}, {{b}}}}}}; {op}.{t}x2 {{d}}, %x"
    runner = Runner(machine(), [(text, "b32", ["b16", "b16"]), (pair, "b32", ["b16", "b16"])], values)
    assert runner.results(0) == runner.results(1)


@pytest.mark.parametrize("op", ["div.approx", "div.approx.ftz", "div.full", "div.full.ftz"])
def test_quotients(op: str) -> None:
    rows = list(zip(floats(F32, 2000, 3), floats(F32, 2000, 4), strict=True))
    for (a, b), got in zip(
        rows, Runner(machine(), [(f"{op}.f32 {{d}}, {{a}}, {{b}}", "f32", ["f32"] * 2)], rows).results(0), strict=True
    ):
        if F32.is_nan(a) or F32.is_nan(b) or a & ~F32.sign in (0, F32.infinity) or b & ~F32.sign in (0, F32.infinity):
            continue
        x, y = F32.value(a), F32.value(b)
        if (
            Fraction(2) ** -126 <= abs(y) <= Fraction(2) ** 126
            and Fraction(2) ** -120 < abs(x / y) < Fraction(2) ** 127
            and abs(x) > Fraction(2) ** -120
        ):
            assert abs(F32.value(got) - x / y) <= abs(x / y) / 2**22, (op, hex(a), hex(b), hex(got))
