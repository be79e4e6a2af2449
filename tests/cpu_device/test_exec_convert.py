"""cvt between all types, with every rounding, against exact fractions; all 2^16 halves."""

import itertools
from fractions import Fraction

import pytest

from tests.cpu_device.exact import BF16, F16, F32, F64, TF32
from tests.cpu_device.exec_access import levels, machine
from tests.cpu_device.exec_ops import Runner, floats, integers, to_signed

N = 500
FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64}
INTEGERS = {f"{s}{b}": (s == "s", b) for s in "us" for b in (8, 16, 32, 64)}
WHOLE = {"rni": "rn", "rzi": "rz", "rmi": "rm", "rpi": "rp"}


def whole(x: Fraction, mode: str) -> int:
    floor = x.numerator // x.denominator
    rest = x - floor
    if mode == "rn":
        return floor + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor & 1))
    return floor + {"rz": x < 0 and rest > 0, "rm": False, "rp": rest > 0}[mode]


def to_integer(f, v, mode, signed, bits, wide):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if f.is_nan(v):  # nothing, or the highest bit where a 64-bit type takes part
        return (low if signed else 1 << (bits - 1)) if wide else 0
    if f.is_infinite(v):
        return low if f.negative(v) else high
    return max(low, min(high, int(whole(f.value(v), mode))))


def to_float(g, f, v, mode, ftz=False):
    """From one format to another; None is NaN."""
    if f.is_nan(v):
        return None
    sign = g.sign if f.negative(v) else 0
    if f.is_infinite(v):
        return sign | g.infinity
    if ftz and f is F32:
        v = f.flush(v)
    r = g.round(f.value(v), mode, sign)
    return g.flush(r) if ftz and g is F32 else r


def run(level, cases):
    """cases: (instruction, result, operand, inputs, model)"""
    runner = Runner(machine(level), [case[:2] + ([case[2]],) for case in cases], [()] * N)
    wrong = []
    for k, (op, to, _, values, model) in enumerate(cases):
        for v, got in zip(values, runner.results(k, [(v,) for v in values]), strict=True):
            want = model(v)
            if want is None:
                good = FORMATS[to].is_nan(got) and (to != "f32" or got == 0x7FFFFFFF)
            else:
                bits = int("".join(c for c in to.removeprefix("bf") if c.isdigit()))
                good = got == want & ((1 << max(16, bits)) - 1)
            if not good:
                wrong.append(f"{op}: {v:#x}: {got:#x}, not {want if want is None else hex(want)}")
                break
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("level", levels())
def test_float_to_integer(level):
    cases = []
    for (fr, f), (to, (signed, bits)), (word, mode) in itertools.product(
        FORMATS.items(), INTEGERS.items(), WHOLE.items()
    ):
        if fr == "bf16" and bits == 8:
            continue  # there is no such conversion
        wide = fr == "f64" or bits == 64
        values = floats(f, N, len(cases))
        cases.append((f"cvt.{word}.{to}.{fr} {{d}}, {{a}}", to, fr, values,
                      lambda v, f=f, m=mode, s=signed, b=bits, w=wide: to_integer(f, v, m, s, b, w)))  # fmt: skip
    run(level, cases)


@pytest.mark.parametrize("level", levels())
def test_integer_to_float(level):
    cases = []
    for (to, g), (fr, (signed, bits)), mode in itertools.product(
        FORMATS.items(), INTEGERS.items(), ("rn", "rz", "rm", "rp")
    ):
        if to == "bf16" and bits == 8:
            continue
        values = integers(bits, signed, N, len(cases))
        cases.append(
            (f"cvt.{mode}.{to}.{fr} {{d}}, {{a}}", to, fr, values, lambda v, g=g, m=mode: g.round(Fraction(v), m))
        )
    run(level, cases)


@pytest.mark.parametrize("level", levels())
def test_float_to_float(level):
    cases = []
    for (to, g), (fr, f), mode in itertools.product(FORMATS.items(), FORMATS.items(), ("rn", "rz", "rm", "rp")):
        if g.bits >= f.bits and g is not f and {to, fr} != {"f16", "bf16"}:
            if mode == "rn":
                cases.append(
                    (
                        f"cvt.{to}.{fr} {{d}}, {{a}}",
                        to,
                        fr,
                        floats(f, N, len(cases)),
                        lambda v, g=g, f=f: to_float(g, f, v, "rn"),
                    )
                )
            continue
        if g is f:
            word = next(w for w, m in WHOLE.items() if m == mode)
            cases.append(
                (
                    f"cvt.{word}.{to}.{fr} {{d}}, {{a}}",
                    to,
                    fr,
                    floats(f, N, len(cases)),
                    lambda v, f=f, m=mode: (
                        None
                        if f.is_nan(v)
                        else v
                        if f.is_infinite(v)
                        else f.round(Fraction(whole(f.value(v), m)), "rn", v & f.sign)
                    ),
                )
            )
            continue
        cases.append(
            (
                f"cvt.{mode}.{to}.{fr} {{d}}, {{a}}",
                to,
                fr,
                floats(f, N, len(cases)),
                lambda v, g=g, f=f, m=mode: to_float(g, f, v, m),
            )
        )
        if to == "f32":
            cases.append((f"cvt.{mode}.ftz.{to}.{fr} {{d}}, {{a}}", to, fr, floats(f, N, len(cases)),
                          lambda v, g=g, f=f, m=mode: to_float(g, f, v, m, True)))  # fmt: skip
    run(level, cases)


@pytest.mark.parametrize("t", ["f16", "bf16"])
def test_all_halves(t):
    f = FORMATS[t]
    values = range(1 << 16)
    back_and_forth = f".reg .b32 %w; cvt.f32.{t} %w, {{a}}; cvt.rn.{t}.f32 {{d}}, %w"
    ops = [(f"cvt.f32.{t} {{d}}, {{a}}", "f32", [t]), (back_and_forth, t, [t])]
    runner = Runner(machine(), ops, [(v,) for v in values])
    wide, back = runner.results(0), runner.results(1)
    for v in values:
        if f.is_nan(v):
            assert wide[v] == 0x7FFFFFFF and back[v] == 0x7FFF
        else:
            assert wide[v] == to_float(F32, f, v, "rn"), hex(v)
            assert back[v] == v, hex(v)


def test_pairs_and_tf32():
    values = floats(F32, N, 3)
    other = floats(F32, N, 4)
    ops = [("cvt.rn.f16x2.f32 {d}, {a}, {b}", "f16x2", ["f32", "f32"]), ("cvt.rn.bf16x2.f32 {d}, {a}, {b}", "bf16x2", ["f32", "f32"]),
           ("cvt.rna.tf32.f32 {d}, {a}", "tf32", ["f32"]), ("cvt.rn.satfinite.f16.f32 {d}, {a}", "f16", ["f32"]),
           ("cvt.rn.relu.f16.f32 {d}, {a}", "f16", ["f32"]), ("cvt.sat.f32.f32 {d}, {a}", "f32", ["f32"])]  # fmt: skip
    rows = list(zip(values, other, strict=True))
    runner = Runner(machine(), ops, rows)
    for k, f in ((0, F16), (1, BF16)):

        def half(v, f=f):
            r = to_float(f, F32, v, "rn")
            return 0x7FFF if r is None else r

        assert runner.results(k) == [half(a) << 16 | half(b) for a, b in rows]
    assert runner.results(2) == [0x7FFFFFFF if F32.is_nan(a) else (to_float(TF32, F32, a, "rna") << 13) for a in values]
    finite = [0x7FFF if F32.is_nan(a) else to_float(F16, F32, a, "rn") for a in values]
    assert runner.results(3) == [v - 1 if F16.is_infinite(v) else v for v in finite]
    assert runner.results(4) == [0 if v & 0x8000 else v for v in finite]
    one = 0x3F800000
    assert runner.results(5) == [0 if F32.is_nan(a) or F32.negative(a) else min(a, one) for a in values]


def test_registers_wider_than_types():
    ops = [("cvt.u32.u8 {d}, {a}", "u32", ["u64"]), ("cvt.s64.s8 {d}, {a}", "s64", ["u32"]), ("cvt.s8.s32 {d}, {a}", "u32", ["u32"]),
           ("cvt.u16.u64 {d}, {a}", "u64", ["u64"])]  # fmt: skip
    values = integers(32, False, N, 9)
    runner = Runner(machine(), ops, [(v,) for v in values])
    assert runner.results(0) == [v & 255 for v in values]
    assert runner.results(1) == [to_signed(v, 8) & ((1 << 64) - 1) for v in values]
    assert runner.results(2) == [to_signed(v, 8) & ((1 << 32) - 1) for v in values]
    assert runner.results(3) == [v & 0xFFFF for v in values]
