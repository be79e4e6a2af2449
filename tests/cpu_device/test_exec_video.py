"""Video instructions against a model in Python's integers: every operation, type, part and mask."""

import itertools
import random

import pytest

from tests.cpu_device.exec_access import LoadError, levels, machine
from tests.cpu_device.exec_ops import Runner, integers, to_signed

N = 96
PARTS = {"": (0, 32), "b0": (0, 8), "b1": (8, 8), "b2": (16, 8), "b3": (24, 8), "h0": (0, 16), "h1": (16, 16)}
COMPARE = {"eq": "__eq__", "ne": "__ne__", "lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__"}


def part(v: int, which: str, type_: str) -> int:
    at, bits = PARTS[which]
    v = v >> at & (1 << bits) - 1
    return to_signed(v, bits) if type_ == "s32" else v


def clamp(v: int, bits: int, type_: str) -> int:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if type_ == "s32" else (0, (1 << bits) - 1)
    return max(low, min(high, v))


def calculate(op: str, a: int, b: int) -> int:
    if op in COMPARE:
        return int(getattr(a, COMPARE[op])(b))
    if op == "avrg":
        return (a + b + 1) >> 1 if a + b >= 0 else (a + b) >> 1
    return {"add": a + b, "sub": a - b, "absdiff": abs(a - b), "min": min(a, b), "max": max(a, b)}[op]


def scalar(op, types, parts, sat, second, mode=""):
    d_type, a_type, b_type = types
    d_part, a_part, b_part = parts

    def model(a: int, b: int, c: int) -> int:
        x, y = part(a, a_part, a_type), part(b, b_part, b_type)
        if op in ("shl", "shr"):
            y = y & 31 if mode == "wrap" else min(y, 32)
            r = x << y if op == "shl" else x >> y
        else:
            r = calculate(op, x, y)
        at, bits = PARTS[d_part]
        if sat:
            r = clamp(r, bits, d_type)
        z = part(c, "", d_type)
        if second:
            r = {"add": r + z, "min": min(r, z), "max": max(r, z)}[second]
        elif d_part:
            mask = (1 << bits) - 1 << at
            r = c & ~mask | r << at & mask
        return r & 0xFFFFFFFF

    return model


def dotted(name: str, which: str) -> str:
    return f"{name}.{which}" if which else name


def run(cases, seed: int) -> None:
    """cases: (instruction, model)"""
    runner = Runner(machine(), [(op, "b32", ["b32"] * 3) for op, _ in cases], [()] * N)
    rows = list(zip(*(integers(32, False, N, seed + k) for k in range(3)), strict=True))
    wrong = []
    for k, (op, model) in enumerate(cases):
        for row, got in zip(rows, runner.results(k, rows), strict=True):
            if got != model(*row):
                wrong.append(f"{op}: {[hex(v) for v in row]}: {got:#x}, not {model(*row):#x}")
                break
    assert not wrong, "\n".join(wrong)


def scalar_cases(rng: random.Random):
    types = list(itertools.product(("u32", "s32"), repeat=3))
    for op in ("add", "sub", "absdiff", "min", "max", "eq", "ne", "lt", "le", "gt", "ge", "shl", "shr"):
        compares, shifts = op in COMPARE, op in ("shl", "shr")
        for chosen, sat, second in itertools.product(types, ("", ".sat"), ("", "add", "min", "max", "merge")):
            if (compares and (chosen[0] == "s32" or sat)) or (shifts and chosen[2] == "s32"):
                continue
            d_part = rng.choice(list(PARTS)[1:]) if second == "merge" else ""
            a_part, b_part = rng.choice(list(PARTS)), rng.choice(list(PARTS))
            mode = rng.choice(("clamp", "wrap")) if shifts else ""
            name = f"vset.{'.'.join(chosen[1:])}.{op}" if compares else f"v{op}.{'.'.join(chosen)}{sat}"
            name += f".{mode}" if mode else ""
            name += f".{second}" if second not in ("", "merge") else ""
            third = ", {c}" if second else ""
            text = f"{name} {dotted('{d}', d_part)}, {dotted('{a}', a_part)}, {dotted('{b}', b_part)}{third}"
            yield text, scalar(op, chosen, (d_part, a_part, b_part), sat, "" if second == "merge" else second, mode)


def test_scalar_instructions() -> None:
    run(list(scalar_cases(random.Random(1))), 10)


def mad(types, parts, negated, plus, sat, shift):
    def model(a: int, b: int, c: int) -> int:
        signed = "s32" in types[1:] or negated == "ab"
        r = part(a, parts[0], types[1]) * part(b, parts[1], types[2])
        z = part(c, "", "s32" if signed else "u32")
        r = (-r if negated == "ab" else r) + (-z if negated == "c" else z) + bool(plus)
        r >>= shift
        if sat:
            r = clamp(r, 32, "s32" if signed or negated else "u32")
        return r & 0xFFFFFFFF

    return model


def test_multiply_add() -> None:
    rng, cases = random.Random(2), []
    for types, negated, sat, shift in itertools.product(
        itertools.product(("u32", "s32"), repeat=3), ("", "ab", "c", "both"), ("", ".sat"), (0, 7, 15)
    ):
        parts = rng.choice(list(PARTS)), rng.choice(list(PARTS))
        plus = "" if negated else rng.choice(("", ".po"))
        minus = {"": ("", "", ""), "ab": ("-", "", ""), "c": ("", "", "-"), "both": ("-", "-", "")}[negated]
        name = f"vmad.{'.'.join(types)}{plus}{sat}{f'.shr{shift}' if shift else ''}"
        text = (
            f"{name} {{d}}, {minus[0]}{dotted('{a}', parts[0])}, {minus[1]}{dotted('{b}', parts[1])}, {minus[2]}{{c}}"
        )
        cases.append((text, mad(types, parts, negated.replace("both", ""), plus, sat, shift)))
    run(cases, 20)


def simd(op, n, types, parts, mask, sat, add):
    size = 32 // n
    d_type, a_type, b_type = types

    def element(a: int, b: int, which: int, type_: str) -> int:
        v = ((b << 32 | a) >> size * which) & (1 << size) - 1
        return to_signed(v, size) if type_ == "s32" else v

    def model(a: int, b: int, c: int) -> int:
        r = c
        for k in range(n):
            if k not in mask:
                continue
            t = calculate(op, element(a, b, parts[0][k], a_type), element(a, b, parts[1][k], b_type))
            if sat:
                t = clamp(t, size, d_type)
            field = (1 << size) - 1 << size * k
            r = r + t if add else r & ~field | t << size * k & field
        return r & 0xFFFFFFFF

    return model


def simd_cases(rng: random.Random):
    for n, op in itertools.product((2, 4), ("add", "sub", "avrg", "absdiff", "min", "max", *COMPARE)):
        letter = "h" if n == 2 else "b"
        for types, how in itertools.product(itertools.product(("u32", "s32"), repeat=3), ("", ".sat", ".add")):
            if op in COMPARE and (types[0] == "s32" or how == ".sat"):
                continue
            parts, texts = [], []
            for name, first in (("{a}", 0), ("{b}", n)):
                if rng.random() < 0.3:
                    parts.append(list(range(first, first + n)))
                    texts.append(name)
                else:
                    parts.append([rng.randrange(2 * n) for _ in range(n)])
                    texts.append(f"{name}.{letter}{''.join(str(v) for v in reversed(parts[-1]))}")
            mask = sorted(rng.sample(range(n), rng.randint(1, n)), reverse=True)
            to = "{d}" if len(mask) == n and rng.random() < 0.5 else f"{{d}}.{letter}{''.join(map(str, mask))}"
            name = f"vset{n}.{'.'.join(types[1:])}.{op}" if op in COMPARE else f"v{op}{n}.{'.'.join(types)}"
            yield (
                f"{name}{how} {to}, {texts[0]}, {texts[1]}, {{c}}",
                simd(op, n, types, parts, mask, how == ".sat", how == ".add"),
            )


def test_simd_instructions() -> None:
    run(list(simd_cases(random.Random(3))), 30)


@pytest.mark.parametrize("level", levels())
def test_all_levels(level: str) -> None:
    runner = Runner(machine(level), [("vadd4.u32.u32.u32.sat {d}, {a}, {b}, {c}", "b32", ["b32"] * 3)], [()])
    assert runner.results(0, [(0xF0801001, 0x20908002, 0)]) == [0xFFFF9003]


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("vadd.u32.u32 %r0, %r1, %r2", "takes 3 types"),
        ("vadd.u64.u32.u32 %r0, %r1, %r2", "types are"),
        ("vadd.u32.u32.u32 %r0.h0, %r1, %r2", "more operands"),
        ("vadd.u32.u32.u32 %r0, %r1, %r2, %r3", "takes 3 operands"),
        ("vadd.u32.u32.u32.add %r0.h0, %r1, %r2, %r3", "not both"),
        ("vadd.u32.u32.u32 %r0, %r1.b5, %r2", "a part of a register"),
        ("vshl.u32.u32.u32 %r0, %r1, %r2", ".clamp or .wrap"),
        ("vshl.u32.u32.s32.wrap %r0, %r1, %r2", "amount"),
        ("vset.u32.u32 %r0, %r1, %r2", "comparison"),
        ("vmad.u32.u32.u32.po %r0, %r1, %r2, -%r3", "negated"),
        ("vmad.u32.u32.u32 %r0, -%r1, %r2, -%r3", "not both"),
        ("vadd2.u32.u32.u32 %r0, %r1.h1, %r2, %r3", ".h10"),
        ("vadd2.u32.u32.u32 %r0, %r1.h41, %r2, %r3", "4 elements"),
        ("vadd2.u32.u32.u32.sat.add %r0, %r1, %r2, %r3", "exclude"),
        ("vadd4.u32.u32.u32 %r0.b012, %r1, %r2, %r3", "highest"),
    ],
)
def test_what_is_refused(instruction: str, said: str) -> None:
    text = (
        f".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() {{ .reg .b32 %r<5>; {instruction}; ret; }}"
    )
    with pytest.raises(LoadError) as error:
        machine().load(text)
    assert said in error.value.log
