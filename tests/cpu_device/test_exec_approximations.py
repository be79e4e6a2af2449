"""Transcendental instructions and roots against mpmath, with the errors that the PTX ISA allows; those of halves for all 2^16 values.

The bounds are those of PTX ISA 9.0, sections 9.7.3 (floating-point instructions) and 9.7.4 (half precision), under the instruction's name.
The device promises more, and that is asserted as well: f32 results are the exact ones, rounded once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import pytest
from mpmath import mp, mpf

from tests.cpu_device.exact import BF16, F16, F32, F64, Format
from tests.cpu_device.exec_access import machine
from tests.cpu_device.exec_ops import Runner, floats

FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64}
BITS = 300  # of mpmath's numbers: f32's largest angle needs 128 for its turns alone
EXACT: dict[str, Callable[[mpf], mpf]] = {
    "ex2": lambda x: mp.power(2, x),
    "lg2": lambda x: mp.log(x, 2),
    "sin": mp.sin,
    "cos": mp.cos,
    "tanh": mp.tanh,
    "rcp": lambda x: 1 / x,
    "sqrt": mp.sqrt,
    "rsqrt": lambda x: 1 / mp.sqrt(x),
}


@pytest.fixture(autouse=True)
def _precision():
    with mp.workprec(BITS):
        yield


@dataclass(frozen=True)
class Bound:
    """The largest error: relative to the exact result, absolute, in units of the last place; what is not said is no bound."""

    relative: float = 0.0
    absolute: float = 0.0
    ulp: float = 0.0


def bound(name: str, t: str, x: mpf) -> Bound | None:
    """Of an instruction at an operand; None: the ISA promises nothing there."""
    if name in ("sin", "cos"):  # 2^-20.5 within two turns, 2^-14.7 within a hundred
        return (
            Bound(absolute=2**-20.5)
            if abs(x) <= 2 * mp.pi
            else Bound(absolute=2**-14.7)
            if abs(x) <= 100 * mp.pi
            else None
        )
    if name == "lg2":
        return Bound(absolute=2**-22) if 0.5 < x < 2 else Bound(relative=2**-22)
    return {("ex2", "f32"): Bound(ulp=2), ("ex2", "f16"): Bound(relative=2**-9.9), ("ex2", "bf16"): Bound(relative=2**-7),
            ("tanh", "f32"): Bound(relative=2**-11), ("tanh", "f16"): Bound(absolute=2**-10.987), ("tanh", "bf16"): Bound(relative=2**-8),
            ("rcp", "f32"): Bound(ulp=1), ("sqrt", "f32"): Bound(relative=2**-23), ("rsqrt", "f32"): Bound(relative=2**-22.9),
            ("rcp", "f64"): Bound(relative=2**-20), ("rsqrt", "f64"): Bound(relative=2**-20)}[name, t]  # fmt: skip


def number(f: Format, v: int) -> mpf:
    """Of bits, exactly."""
    x = f.value(v)
    return mpf(x.numerator) / x.denominator  # a power of two


def last_place(f: Format, x: mpf) -> mpf:
    """The unit of the last place of numbers of this size."""
    exponent = max(int(mp.floor(mp.log(abs(x), 2))) if x else -(f.bias * 2), 1 - f.bias)
    return mp.ldexp(1, exponent - f.mantissa)


def special(name: str, f: Format, v: int) -> int | None:
    """Bits where there is nothing to compute, -1: a NaN, None: a number."""
    inf, minus, one = f.infinity, f.infinity | f.sign, f.bias << f.mantissa
    magnitude, negative = v & ~f.sign, f.negative(v)
    if f.is_nan(v) or (name in ("sin", "cos") and magnitude == inf):
        return -1
    if magnitude == 0:
        return {"ex2": one, "cos": one, "lg2": minus, "rcp": v | inf, "rsqrt": v | inf}.get(name, v)
    if negative and name in ("lg2", "sqrt", "rsqrt"):
        return -1
    if magnitude == inf:
        return {"ex2": 0 if negative else inf, "tanh": one | v & f.sign, "rcp": v & f.sign, "rsqrt": 0}.get(name, v)
    return None


def error(name: str, t: str, v: int, got: int, ftz: bool) -> str:
    """What is wrong with a result; "": nothing."""
    f = FORMATS[t]
    v = f.flush(v) if ftz else v
    if t == "f64" and ftz and not f.is_nan(v):
        v &= ~0xFFFFFFFF  # the gross approximations read no more
    fixed = special(name, f, v)
    if fixed is not None:
        return "" if (f.is_nan(got) if fixed == -1 else got == fixed) else f"not {fixed:#x}"
    x = number(f, v)
    allowed = bound(name, t, x)
    want = EXACT[name](mpf(max(min(x, 5000), -5000)) if name in ("ex2", "tanh") else x)
    largest, smallest = number(f, f.infinity - 1), mp.ldexp(1, 1 - f.bias)
    if f.is_nan(got):
        return "a NaN"
    if abs(want) > largest:
        return "" if got & ~f.sign in (f.infinity, f.infinity - 1) else "no overflow"
    if f.is_infinite(got):
        return "infinite"
    if ftz and abs(want) < smallest:
        return "" if got & ~f.sign == 0 or abs(want) > smallest * (1 - mp.ldexp(1, -f.mantissa)) else "not flushed"
    if allowed is None:
        return "" if abs(number(f, got)) <= 1 else "outside -1 to 1"
    place = last_place(f, want)
    limit = max(
        allowed.relative * abs(want), allowed.absolute, allowed.ulp * place, place if abs(want) < smallest else 0
    )
    off = abs(number(f, got) - want)
    return "" if off <= limit else f"{mp.nstr(off / limit, 4)} times the error that is allowed"


def check(op: str, t: str, values: list[int]) -> list[int]:
    name, _, rest = op.partition(".")
    got = Runner(machine(), [(f"{op}.{t} {{d}}, {{a}}", t, [t])], [(v,) for v in values]).results(0)
    wrong = [
        (hex(v), hex(r), e) for v, r in zip(values, got, strict=True) if (e := error(name, t, v, r, "ftz" in rest))
    ]
    assert not wrong, (op, len(wrong), wrong[:5])
    return got


def directed(name: str) -> list[int]:
    """Where results change their kind: turns, powers of two, overflow and underflow, next to one and to zero."""
    numbers: list[float] = []
    if name in ("sin", "cos"):
        numbers = [float(k * mp.pi / 4) for k in (*range(-16, 17), 99 * 4, 100 * 4)] + [1e4, 1e10, 3e38]
    elif name == "ex2":
        numbers = [float(k) for k in range(-151, 130)] + [127.999992, 128.0, -126.00001, -148.99, -149.99, -150.1]
    elif name == "tanh":
        numbers = [2.0**-k for k in range(30)] + [8.0, 9.0, 9.01, 10.0, 20.0, 100.0]
    else:
        numbers = [2.0**k for k in range(-126, 128)] + [1.5 * 2.0**k for k in range(-126, 127)]
    bits = [F32.round(Fraction(x)) for x in numbers]
    return [v + step for v in bits for step in (-1, 0, 1) if not F32.is_nan(max(v + step, 0)) and v + step >= 0]


@pytest.mark.parametrize("ftz", ["", ".ftz"])
@pytest.mark.parametrize("name", list(EXACT))
def test_f32(name: str, ftz: str) -> None:
    if name == "tanh" and ftz:
        pytest.skip("tanh has no .ftz")
    values = directed(name) + floats(F32, 1500, 7)
    got = check(f"{name}.approx{ftz}", "f32", values)
    for v, r in zip(values, got, strict=True):  # more than the ISA asks for
        if ftz or special(name, F32, v) is not None or not F32.infinity > r & ~F32.sign >= 1 << F32.mantissa:
            continue
        x = number(F32, v)
        if name in ("sin", "cos") and abs(x) > 100 * mp.pi:
            continue
        want = EXACT[name](x)
        assert abs(number(F32, r) - want) <= mpf("0.5001") * last_place(F32, want), (name, hex(v), hex(r))


@pytest.mark.parametrize("op", ["rcp.approx.ftz", "rsqrt.approx.ftz", "rsqrt.approx"])
def test_f64(op: str) -> None:
    check(op, "f64", floats(F64, 1500, 8) + [F64.round(Fraction(2.0**k)) for k in range(-1022, 1023, 31)])


@pytest.mark.parametrize("op", ["rcp.approx.ftz", "rsqrt.approx.ftz"])
def test_the_gross_approximations_of_f64_have_32_bits(op: str) -> None:
    """9.7.3, rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64: the low half of the operand is not read, that of the result is zero."""
    values = [v for v in floats(F64, 600, 9) if not F64.is_nan(v)]
    pairs = [(v, v & ~0xFFFFFFFF | (v * 2654435761 & 0xFFFFFFFF)) for v in values if v & ~F64.sign < F64.infinity]
    instruction = (f"{op}.f64 {{d}}, {{a}}", "f64", ["f64"])
    got, other = (Runner(machine(), [instruction], [(p[side],) for p in pairs]).results(0) for side in (0, 1))
    assert got == other
    assert all(r & 0xFFFFFFFF == 0 for r in got)


@pytest.mark.parametrize(
    ("op", "t"), [("ex2.approx", "f16"), ("ex2.approx.ftz", "bf16"), ("tanh.approx", "f16"), ("tanh.approx", "bf16")]
)
def test_all_halves(op: str, t: str) -> None:
    with mp.workprec(64):  # of halves
        check(op, t, list(range(1 << 16)))
    values = [(v, (v * 40503 + 77) & 0xFFFF) for v in range(1 << 16)]  # pairs: the same as both halves
    text = f".reg .b16 %l, %h; {op}.{t} %l, {{a}}; {op}.{t} %h, {{b}}; mov.b32 {{d}}, {{{{%l, %h}}}}"
    pair = f".reg .b32 %x; mov.b32 %x, {{{{{{a}}, {{b}}}}}}; {op}.{t}x2 {{d}}, %x"
    runner = Runner(machine(), [(text, "b32", ["b16", "b16"]), (pair, "b32", ["b16", "b16"])], values)
    assert runner.results(0) == runner.results(1)


@pytest.mark.parametrize("op", ["div.approx", "div.approx.ftz", "div.full", "div.full.ftz"])
def test_quotients(op: str) -> None:
    """9.7.3, div: 2 ulp; .approx where the divisor is between 2^-126 and 2^126, beyond it the quotient is 0 (of infinity: NaN)."""
    rows = list(zip(floats(F32, 3000, 3), floats(F32, 3000, 4), strict=True))
    rows += [
        (a, b)
        for a in (0x3F800000, 0x7F7FFFFF, 0x7F800000, 0x00800000)
        for b in (0x7E800001, 0x7F000000, 0x7F7FFFFF, 0x7E800000, 0x00800000)
    ]
    got = Runner(machine(), [(f"{op}.f32 {{d}}, {{a}}, {{b}}", "f32", ["f32"] * 2)], rows).results(0)
    met = 0
    for (a, b), r in zip(rows, got, strict=True):
        if "ftz" in op:
            a, b = F32.flush(a), F32.flush(b)
        finite = a & ~F32.sign < F32.infinity and b & ~F32.sign < F32.infinity
        if "approx" in op and 0x7E800000 < b & ~F32.sign < F32.infinity and not F32.is_nan(a):
            assert F32.is_nan(r) if F32.is_infinite(a) else r & ~F32.sign == 0, (hex(a), hex(b), hex(r))
            continue
        if not finite or a & ~F32.sign == 0 or b & ~F32.sign < 1 << F32.mantissa:
            continue
        want = number(F32, a) / number(F32, b)
        if mp.ldexp(1, -126) <= abs(want) <= number(F32, F32.infinity - 1):
            assert abs(number(F32, r) - want) <= 2 * last_place(F32, want), (op, hex(a), hex(b), hex(r))
            met += 1
    assert met > 500


# --- what is rounded exactly ---

MODES = {"rn": "n", "rz": "d", "rm": "f", "rp": "c"}  # mpmath's names


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("t", ["f32", "f64"])
def test_every_rounding(t: str, mode: str) -> None:
    """mpmath rounds to as many bits as the format has: where the result is a normal number, bit for bit."""
    f, bits, rounding = FORMATS[t], FORMATS[t].mantissa + 1, MODES[mode]
    how = {"prec": bits, "rounding": rounding}
    functions: dict[str, Callable[..., mpf]] = {
        "div": lambda a, b, c: mp.fdiv(a, b, **how), "rcp": lambda a, b, c: mp.fdiv(1, a, **how),
        "sqrt": lambda a, b, c: mpmath.sqrt(abs(a), **how), "add": lambda a, b, c: mp.fadd(a, b, **how), "sub": lambda a, b, c: mp.fsub(a, b, **how),
        "mul": lambda a, b, c: mp.fmul(a, b, **how), "fma": lambda a, b, c: mp.fadd(mp.fmul(a, b, exact=True), c, **how),
    }  # fmt: skip
    rows = list(zip(*(floats(f, 2000, seed) for seed in (21, 22, 23)), strict=True))
    rows = [row for row in rows if all(v & ~f.sign < f.infinity and v & ~f.sign for v in row)]
    rows = [(a & ~f.sign, b, c) for a, b, c in rows]  # sqrt
    arity = {"rcp": "{a}", "sqrt": "{a}", "fma": "{a}, {b}, {c}"}
    ops = [(f"{n}.{mode}.{t} {{d}}, {arity.get(n, '{a}, {b}')}", t, [t] * 3) for n in functions]
    runner = Runner(machine(), ops, rows)
    largest, smallest = number(f, f.infinity - 1), mp.ldexp(1, 1 - f.bias)
    for k, (name, function) in enumerate(functions.items()):
        met = 0
        for row, r in zip(rows, runner.results(k), strict=True):
            want = function(*(number(f, v) for v in row))
            if smallest < abs(want) < largest:
                assert number(f, r) == want, (name, mode, [hex(v) for v in row], hex(r))
                met += 1
        assert met > 500, name
