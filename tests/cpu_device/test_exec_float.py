"""f32, f64, f16 and bf16 arithmetic and comparisons, bit for bit, against exact fractions, on every level of handlers."""

import itertools
import math
import struct
from fractions import Fraction

import pytest

from tests.cpu_device import exact
from tests.cpu_device.exact import BF16, F16, F32, F64, NAN
from tests.cpu_device.exec_access import levels, machine
from tests.cpu_device.exec_ops import Runner, floats

N = 600
MODES = ("rn", "rz", "rm", "rp")


def saturate(f, v):
    one = f.bias << f.mantissa
    if v is NAN or f.negative(v):
        return 0
    return min(v, one)


def flushed(f, function):
    def model(*values):
        r = function(*(f.flush(v) for v in values))
        return r if r is NAN else f.flush(r)

    return model


def compare(f, name):
    ordered = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
    operators = {"==": lambda x, y: x == y, "!=": lambda x, y: x != y, "<": lambda x, y: x < y, "<=": lambda x, y: x <= y,
                 ">": lambda x, y: x > y, ">=": lambda x, y: x >= y}  # fmt: skip

    def key(v):
        if f.is_infinite(v):
            return math.inf * (-1 if f.negative(v) else 1)
        return f.value(v)

    def model(a, b):
        nan = f.is_nan(a) or f.is_nan(b)
        if name in ("num", "nan"):
            return nan == (name == "nan")
        base = name[:2]
        if nan:
            return name.endswith("u") and len(name) == 3
        return operators[ordered[base]](key(a), key(b))

    return lambda a, b: int(model(a, b))


COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")


def arithmetic(f, t):
    for mode in MODES:
        for ftz in ("", ".ftz") if t == "f32" else ("",):
            wrap = (lambda g: flushed(f, g)) if ftz else (lambda g: g)
            for sat in ("", ".sat") if t == "f32" else ("",):
                done = (lambda g: lambda *v: saturate(f, g(*v))) if sat else (lambda g: g)
                for name, g in (("add", exact.add), ("mul", exact.mul)):
                    yield (
                        f"{name}.{mode}{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}",
                        2,
                        done(wrap(lambda a, b, g=g, m=mode: g(f, a, b, m))),
                    )
                yield (
                    f"sub.{mode}{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}",
                    2,
                    done(wrap(lambda a, b, m=mode: exact.add(f, a, b if f.is_nan(b) else b ^ f.sign, m))),
                )
                yield (
                    f"fma.{mode}{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}, {{c}}",
                    3,
                    done(wrap(lambda a, b, c, m=mode: exact.fma(f, a, b, c, m))),
                )
            yield f"div.{mode}{ftz}.{t} {{d}}, {{a}}, {{b}}", 2, wrap(lambda a, b, m=mode: exact.div(f, a, b, m))
            yield (
                f"rcp.{mode}{ftz}.{t} {{d}}, {{a}}",
                1,
                wrap(lambda a, m=mode: exact.div(f, f.bias << f.mantissa, a, m)),
            )
            yield f"sqrt.{mode}{ftz}.{t} {{d}}, {{a}}", 1, wrap(lambda a, m=mode: exact.sqrt(f, a, m))


def others(f, t):
    for name, largest in (("min", False), ("max", True)):
        yield f"{name}.{t} {{d}}, {{a}}, {{b}}", 2, lambda a, b, m=largest: exact.minimum(f, a, b, largest=m)
        if t != "f64":
            yield (
                f"{name}.NaN.{t} {{d}}, {{a}}, {{b}}",
                2,
                lambda a, b, m=largest: exact.minimum(f, a, b, nan=True, largest=m),
            )
    yield f"abs.{t} {{d}}, {{a}}", 1, lambda a: a & ~f.sign
    yield f"neg.{t} {{d}}, {{a}}", 1, lambda a: a ^ f.sign
    if t in ("f32", "f64"):
        yield f"copysign.{t} {{d}}, {{a}}, {{b}}", 2, lambda a, b: (a & f.sign) | (b & ~f.sign)


def half(f, t):
    for ftz, sat in itertools.product(("", ".ftz") if t == "f16" else ("",), ("", ".sat") if t == "f16" else ("",)):
        wrap = (lambda g: flushed(f, g)) if ftz else (lambda g: g)
        done = (lambda g: lambda *v: saturate(f, g(*v))) if sat else (lambda g: g)
        yield f"add{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}", 2, done(wrap(lambda a, b: exact.add(f, a, b)))
        yield (
            f"sub{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}",
            2,
            done(wrap(lambda a, b: exact.add(f, a, b if f.is_nan(b) else b ^ f.sign))),
        )
        yield f"mul{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}", 2, done(wrap(lambda a, b: exact.mul(f, a, b)))
        yield f"fma.rn{ftz}{sat}.{t} {{d}}, {{a}}, {{b}}, {{c}}", 3, done(wrap(lambda a, b, c: exact.fma(f, a, b, c)))


def check(level, f, t, cases, n=N):
    cases = list(cases)
    runner = Runner(machine(level), [(op, t, [t] * arity) for op, arity, _ in cases], [()] * n)
    wrong = []
    for k, (op, arity, model) in enumerate(cases):
        rows = list(zip(*(floats(f, n, seed=31 * k + j) for j in range(arity)), strict=True))
        for row, got in zip(rows, runner.results(k, rows), strict=True):
            want = model(*row)
            good = f.is_nan(got) if want is NAN else got == want
            if t == "f32" and want is NAN:
                good = got == 0x7FFFFFFF
            if not good:
                wrong.append(f"{op}: {[hex(v) for v in row]}: {got:#x}, not {want if want is NAN else hex(want)}")
                break
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("t", ["f32", "f64"])
def test_arithmetic(level, t):
    f = {"f32": F32, "f64": F64}[t]
    check(level, f, t, [*arithmetic(f, t), *others(f, t)])


@pytest.mark.parametrize("t", ["f16", "bf16"])
def test_half_arithmetic(t):
    f = {"f16": F16, "bf16": BF16}[t]
    check("v4", f, t, [*half(f, t), *others(f, t)], 3000)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("t", ["f32", "f64", "f16", "bf16"])
def test_comparisons(level, t):
    f = {"f32": F32, "f64": F64, "f16": F16, "bf16": BF16}[t]
    ops = [(f"setp.{c}.{t} {{p}}, {{a}}, {{b}}; selp.b32 {{d}}, 1, 0, {{p}}", "u32", [t, t]) for c in COMPARISONS]
    runner = Runner(machine(level), ops, [()] * N)
    for k, name in enumerate(COMPARISONS):
        rows = list(zip(floats(f, N, k), floats(f, N, k + 1 if k % 2 else k), strict=True))
        model = compare(f, name)
        got = runner.results(k, rows)
        assert got == [model(*row) for row in rows], name


# Counter-examples to fma by way of a wider type (double rounding).
def test_fma_has_one_rounding():
    one = lambda v: struct.unpack("<I", struct.pack("<f", v))[0]  # noqa: E731
    a, c = one(1 + 2**-12), one(2.0**-80)
    runner = Runner(machine(), [("fma.rn.f32 {d}, {a}, {b}, {c}", "f32", ["f32"] * 3)], [()] * 2)
    got = runner.results(0, [(a, a, c), (a, a, c | 1 << 31)])
    assert got == [exact.fma(F32, a, a, c), exact.fma(F32, a, a, c | 1 << 31)]
    assert got[0] == got[1] + 1
    # 1.5078125 * 1.0 + tiny: exactly between two bf16 but for the last term
    tie = BF16.round(Fraction(129, 128))
    runner = Runner(machine(), [("fma.rn.bf16 {d}, {a}, {b}, {c}", "bf16", ["bf16"] * 3)], [()] * 2)
    tiny = BF16.round(Fraction(1, 1 << 100))
    rows = [(tie, BF16.round(Fraction(3, 2)), tiny), (tie, BF16.round(Fraction(3, 2)), tiny | BF16.sign)]
    assert runner.results(0, rows) == [exact.fma(BF16, *row) for row in rows]
    assert len(set(runner.results(0, rows))) == 2


APPROXIMATE = {
    "ex2": lambda x: 2.0**x,
    "lg2": math.log2,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "rcp": lambda x: 1 / x,
    "sqrt": math.sqrt,
}


def test_approximations():
    names = list(APPROXIMATE)
    ops = [(f"{name}.approx.f32 {{d}}, {{a}}", "f32", ["f32"]) for name in names]
    values = [k / 64 + 1 / 128 for k in range(1000)]
    rows = [(struct.unpack("<I", struct.pack("<f", v))[0],) for v in values]
    runner = Runner(machine(), ops, rows)
    for k, name in enumerate(names):
        for v, got in zip(values, runner.results(k), strict=True):
            assert got == struct.unpack("<I", struct.pack("<f", APPROXIMATE[name](v)))[0], (name, v)


def test_testp():
    what = ("finite", "infinite", "number", "notanumber", "normal", "subnormal")
    for t, f in (("f32", F32), ("f64", F64)):
        values = floats(f, N, 5)
        ops = [(f"testp.{w}.{t} {{p}}, {{a}}; selp.b32 {{d}}, 1, 0, {{p}}", "u32", [t]) for w in what]
        runner = Runner(machine(), ops, [(v,) for v in values])

        def model(w, v, f=f):
            exponent, nan, infinite = v & f.infinity, f.is_nan(v), f.is_infinite(v)
            return {"finite": exponent != f.infinity, "infinite": infinite, "number": not nan, "notanumber": nan,
                    "normal": 0 < exponent < f.infinity, "subnormal": exponent == 0 and (v & ~f.sign) != 0}[w]  # fmt: skip

        for k, w in enumerate(what):
            assert runner.results(k) == [int(model(w, v)) for v in values], w
