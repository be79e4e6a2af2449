"""Every form of the instructions on values that the device's table has: all types, roundings and other modifiers, one after the other."""

import functools
import itertools
import random

import pytest

from tests.cpu_device.exec_access import levels, machine
from tests.cpu_device.exec_ops import Runner, floats, integers
from tests.cpu_device.forms import is_type, spellings
from tests.cpu_device.models import (
    COMBINE,
    FORMATS,
    NAN,
    Case,
    Model,
    comparison,
    conversion,
    float_model,
    integer_model,
    mask,
    number,
    width,
)

N = 64
OPERANDS = "abc"
# those whose result is not one value, or only approximately so; and what has a test of its own
SMALL = {"e4m3x2", "e5m2x2", "e2m1x2", "e2m3x2", "e3m2x2", "ue8m0x2"}
VALUES = (
    "add sub mul mad fma div rem rcp sqrt neg abs min max copysign mul24 mad24 sad and or xor not cnot shl shr bfe bfi popc clz brev bfind "
    "setp set selp slct cvt mov addc subc madc"
).split()
NAN_BITS = {"f16": 0x7FFF, "bf16": 0x7FFF, "f32": mask(31)}


def of_words(opcode: str, words: tuple[str, ...], types: list[str], model: Model, to: str) -> Case:
    operands = ", ".join(f"{{{name}}}" for name in OPERANDS[: len(types)])
    return f"{'.'.join((opcode, *words))} {{d}}, {operands}", to, types, model


def halves(case: Case, pair: str) -> Case:
    """The same on both elements of a pair."""
    text, _, types, model = case
    bits = width(pair) // 2
    element = pair[:-2]

    def both(*values: int) -> int:
        r = 0
        for k in range(2):
            one = model(
                *(
                    number(element, v >> bits * k) if element not in FORMATS else v >> bits * k & mask(bits)
                    for v in values
                )
            )
            r |= (NAN_BITS[element] if one is NAN else one & mask(bits)) << bits * k
        return r

    return text, pair, [pair] * len(types), both


def compare(opcode: str, words: tuple[str, ...], types: tuple[str, ...]) -> Case | None:
    t = types[-1]
    if t.endswith("x2"):
        return compare_pairs(opcode, words, types)
    holds = comparison(t, words)
    combine = next((COMBINE[w] for w in words if w in COMBINE), None)
    extra = "setp.ne.u32 {q}, {c}, 0; " if combine else ""
    name = ".".join((opcode, *words))
    operands = [t, t, *(["u32"] if combine else [])]

    def model(a: int, b: int, c: int = 0) -> bool:
        return combine(holds(a, b), c != 0) if combine else holds(a, b)

    if opcode == "setp":
        text = f"{extra}{name} {{p}}, {{a}}, {{b}}{', {q}' if combine else ''}; selp.b32 {{d}}, 1, 0, {{p}}"
        return text, "u32", operands, model
    to = types[0]
    yes = {"f32": 0x3F800000, "f16": 0x3C00, "bf16": 0x3F80}.get(to, -1)
    return (
        f"{extra}{name} {{d}}, {{a}}, {{b}}{', {q}' if combine else ''}",
        to,
        operands,
        lambda *v: yes if model(*v) else 0,
    )


def compare_pairs(opcode: str, words: tuple[str, ...], types: tuple[str, ...]) -> Case:
    """A predicate, or half of the result, for each element."""
    t = types[-1]
    holds = comparison(t[:-2], words)
    combine = next((COMBINE[w] for w in words if w in COMBINE), None)
    yes = 1 if opcode == "setp" else {"f16x2": 0x3C00, "bf16x2": 0x3F80}.get(types[0], 0xFFFF)
    place = 1 if opcode == "setp" else 16

    def model(a: int, b: int, c: int = 0) -> int:
        r = 0
        for k in range(2):
            one = holds(a >> 16 * k & 0xFFFF, b >> 16 * k & 0xFFFF)
            r |= (yes if (combine(one, c != 0) if combine else one) else 0) << place * k
        return r

    extra, last = (".reg .pred %own; setp.ne.u32 %own, {c}, 0; ", ", %own") if combine else ("", "")
    name, operands = ".".join((opcode, *words)), [t, t, *(["u32"] if combine else [])]
    if opcode == "set":
        return f"{extra}{name} {{d}}, {{a}}, {{b}}{last}", "u32", operands, model
    text = f"{extra}{name} {{p}}|{{q}}, {{a}}, {{b}}{last}; selp.b32 {{d}}, 1, 0, {{p}}; @{{q}} add.u32 {{d}}, {{d}}, 2"
    return text, "u32", operands, model


def with_carry(opcode: str, words: tuple[str, ...], t: str) -> Case:
    """A chain in which the carry comes in and goes out; the carry out is what is looked at with .cc."""
    name, bits, u = ".".join((opcode, *words)), width(t), f"u{width(t)}"
    into = "add.cc.u32 {c}, {c}, 1; " if opcode in ("addc", "madc") else "sub.cc.u32 {c}, {c}, 1; "
    out = f"; addc.{u} {{d}}, {{d}}, {{d}}" if "cc" in words else ""  # twice the result, and the carry
    three = opcode in ("mad", "madc")
    chained = opcode in ("addc", "subc", "madc")

    def model(a: int, b: int, c: int = 0) -> int:
        carry = 0 if not chained else int(c == mask(32)) if opcode != "subc" else int(c == 0)
        x, y = a & mask(bits), b & mask(bits)
        if three:
            x, y = (a * b >> bits if "hi" in words else a * b) & mask(bits), 0x12345 & mask(bits)
        r = x - y - carry if opcode in ("sub", "subc") else x + y + carry
        borrow = int(r < 0 or r > mask(bits))
        r &= mask(bits)
        return (2 * r + borrow) & mask(bits) if out else r

    text = f"{into if chained else ''}{name} {{d}}, {{a}}, {{b}}{', 0x12345' if three else ''}{out}"
    return text, u, [t, t, *(["u32"] if chained else [])], model


def selection(opcode: str, words: tuple[str, ...], types: tuple[str, ...]) -> Case:
    u = f"u{width(types[0])}"
    name = ".".join((opcode, *words))
    if opcode == "selp":
        return (
            f"setp.gt.u32 {{p}}, {{c}}, 9; {name} {{d}}, {{a}}, {{b}}, {{p}}",
            u,
            [u, u, "u32"],
            lambda a, b, c: a if c > 9 else b,
        )
    f = FORMATS.get(types[1])
    flush = f.flush if f and "ftz" in words else (lambda v: v)

    def at_least_0(c: int) -> bool:
        return c >= 0 if f is None else not f.is_nan(c) and (not f.negative(c) or flush(c) & ~f.sign == 0)

    return of_words(opcode, words, [u, u, types[1]], lambda a, b, c: a if at_least_0(c) else b, u)


def scalar(opcode: str, words: tuple[str, ...], t: str) -> Case | None:
    if t in FORMATS:
        found = float_model(opcode, FORMATS[t], words)
        return found and of_words(opcode, words, [t] * found[0], found[1], t)
    t = "u" + t[1:] if t[0] == "b" else t
    if opcode == "bfi":
        bits = width(t)

        def model(a: int, b: int, at: int) -> int:
            field = mask(5) << (at & 255) & mask(bits)
            return b & ~field | a << (at & 255) & field

        return f"{'.'.join((opcode, *words))} {{d}}, {{a}}, {{b}}, {{c}}, 5", t, [t, t, "u32"], model
    found = integer_model(opcode, t, words)
    return found and of_words(opcode, words, found[1], found[2], found[0])


def predicates(opcode: str) -> Case:
    second = ", {q}" if opcode not in ("not", "mov") else ""
    function = {"not": lambda p, q: not p, "mov": lambda p, q: p, **COMBINE}[opcode]
    text = f"setp.gt.u32 {{p}}, {{a}}, 9; setp.gt.u32 {{q}}, {{b}}, 9; {opcode}.pred {{p}}, {{p}}{second}; selp.b32 {{d}}, 1, 0, {{p}}"
    return text, "u32", ["u32", "u32"], lambda a, b: function(a > 9, b > 9)


@functools.cache
def case_of(opcode: str, words: tuple[str, ...]) -> Case | None:
    types = tuple(w for w in words if is_type(w))
    t = types[0]
    if opcode in ("setp", "set"):
        return compare(opcode, words, types)
    if opcode in ("selp", "slct"):
        return selection(opcode, words, types)
    if opcode in ("addc", "subc", "madc") or "cc" in words:
        return with_carry(opcode, words, t)
    if opcode == "cvt":
        found = None if SMALL & {*types} else conversion(types[0], types[1], words)
        return found and of_words(opcode, words, found[0], found[1], t)
    if t == "pred":
        return predicates(opcode)
    if opcode == "mov":
        return None if t == "b128" else of_words(opcode, words, [f"u{width(t)}"], lambda a: a, f"u{width(t)}")
    if len(types) == 2:
        return None  # mixed precision: test_exec_pairs.py
    if t.endswith("x2"):
        one = scalar(opcode, words, t[:-2])
        return one and halves(one, t)
    return scalar(opcode, words, t)


def all_cases(opcode: str) -> list[Case]:
    """Every form, and some instructions with several modifiers."""
    found: dict[str, Case] = {}
    rng = random.Random(opcode)
    for opcodes, groups in machine().forms():
        if opcode not in opcodes:
            continue
        several = [
            tuple(
                filter(None, (rng.choice([*([""] if g[-1] == "?" else []), *g.rstrip("?").split("|")]) for g in groups))
            )
            for _ in range(12)
        ]
        for words in itertools.chain(spellings(groups), several):
            case = case_of(opcode, words)
            if case:
                found[case[0]] = case
    return list(found.values())


def column(t: str, seed: int) -> list[int]:
    if t in FORMATS:
        return floats(FORMATS[t], N, seed)
    if t[-2:] == "x2" and t[:-2] in FORMATS:
        f, bits = FORMATS[t[:-2]], width(t) // 2
        return [a | b << bits for a, b in zip(floats(f, N, seed), floats(f, N, seed + 50), strict=True)]
    if t[-2:] == "x2":
        return integers(32, False, N, seed)
    return integers(width(t), t[0] == "s", N, seed)


def differences(level: str, cases: list[Case]) -> list[str]:
    runner = Runner(machine(level), [case[:3] for case in cases], [()] * N, "sm_120a")
    wrong = []
    for k, (text, to, types, model) in enumerate(cases):
        rows = list(zip(*(column(t, 7 * k + j) for j, t in enumerate(types)), strict=True))
        f, bits = FORMATS.get(to), max(16, 32 if to == "tf32" else width(to))
        for row, got in zip(rows, runner.results(k, rows), strict=True):
            want = model(*row)
            if want is NAN:
                good = f is not None and f.is_nan(got) and (to == "f64" or got == NAN_BITS[to])
            else:
                good = got == int(want) & mask(bits)
            if not good:
                wrong.append(
                    f"{text}: {[hex(v) for v in row]}: {got:#x}, not {want if want is NAN else hex(int(want) & mask(bits))}"
                )
                break
    return wrong


@pytest.mark.parametrize("opcode", VALUES)
def test_every_form(opcode: str) -> None:
    cases = all_cases(opcode)
    assert cases
    level = levels()[-1]
    wrong = differences(level, cases)
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
