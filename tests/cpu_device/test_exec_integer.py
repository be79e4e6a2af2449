"""Integer, bit and logic instructions against Python's integers, on every level of handlers."""

import itertools

import pytest

from tests.cpu_device.exec_access import levels, machine
from tests.cpu_device.exec_ops import Runner, integers, to_signed

N = 1000


def mask(bits):
    return (1 << bits) - 1


def limits(sign, bits):
    return (-(1 << (bits - 1)), mask(bits - 1)) if sign == "s" else (0, mask(bits))


def trunc_div(a, b):
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def div(a, b, bits):
    return mask(bits) if b == 0 else trunc_div(a, b)


def rem(a, b, bits):
    return a if b == 0 else a - b * trunc_div(a, b)


def clamp(v, lo, hi):
    return max(lo, min(hi, v))


def bfe(a, pos, length, bits, signed):
    pos, length, msb = pos & 255, length & 255, bits - 1
    u = a & mask(bits)
    sign = 0 if not signed or length == 0 else u >> min(pos + length - 1, msb) & 1
    return sum(((u >> (pos + i) & 1) if i < length and pos + i <= msb else sign) << i for i in range(bits))


def bfi(a, b, pos, length, bits):
    r = b
    for i in range(length & 255):
        at = (pos & 255) + i
        if at < bits:
            r = (r & ~(1 << at)) | ((a >> i & 1) << at)
    return r


def bfind(a, bits, signed, amount):
    u = a & mask(bits)
    if signed and a < 0:
        u ^= mask(bits)
    if u == 0:
        return mask(32)
    top = u.bit_length() - 1
    return bits - 1 - top if amount else top


def reverse(a, bits):
    return int(format(a & mask(bits), f"0{bits}b")[::-1], 2)


def prmt(a, b, c, mode=""):
    data = [(a >> 8 * k & 255) for k in range(4)] + [(b >> 8 * k & 255) for k in range(4)]
    n = c & 3
    picks = {
        "": [c >> 4 * k & 15 for k in range(4)],
        "f4e": [n + k for k in range(4)],
        "b4e": [(n - k) % 8 for k in range(4)],
        "rc8": [n] * 4,
        "ecl": [max(k, n) for k in range(4)],
        "ecr": [min(k, n) for k in range(4)],
        "rc16": [(n & 1) * 2 + (k & 1) for k in range(4)],
    }[mode]
    byte = [(255 * (data[p & 7] >> 7) if p & 8 else data[p & 7]) for p in picks]
    return sum(v << 8 * k for k, v in enumerate(byte))


def lop3(a, b, c, table):
    return sum((table >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i for i in range(32))


def funnel(a, b, c, left, clamp_):
    n = min(c, 32) if clamp_ else c & 31
    v = b << 32 | a
    return (v << n >> 32) & mask(32) if left else (v >> n) & mask(32)


def parts(v, bits, signed):
    return [to_signed(v >> k, bits) if signed else v >> k & mask(bits) for k in range(0, 32, bits)]


def cases():  # (instruction, result, operands, function)
    for bits, s in itertools.product((16, 32, 64), "us"):
        t, signed, wide = f"{s}{bits}", s == "s", 2 * bits
        yield f"add.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b: a + b
        yield f"sub.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b: a - b
        yield f"mul.lo.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b: a * b
        yield f"mul.hi.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b, n=bits: a * b >> n
        yield f"mad.lo.{t} {{d}}, {{a}}, {{b}}, {{c}}", t, [t, t, t], lambda a, b, c: a * b + c
        yield f"mad.hi.{t} {{d}}, {{a}}, {{b}}, {{c}}", t, [t, t, t], lambda a, b, c, n=bits: (a * b >> n) + c
        if bits < 64:
            yield f"mul.wide.{t} {{d}}, {{a}}, {{b}}", f"{s}{wide}", [t, t], lambda a, b: a * b
            yield (
                f"mad.wide.{t} {{d}}, {{a}}, {{b}}, {{c}}",
                f"{s}{wide}",
                [t, t, f"{s}{wide}"],
                lambda a, b, c: a * b + c,
            )
        yield f"div.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b, n=bits: div(a, b, n)
        yield f"rem.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b, n=bits: rem(a, b, n)
        yield f"min.{t} {{d}}, {{a}}, {{b}}", t, [t, t], min
        yield f"max.{t} {{d}}, {{a}}, {{b}}", t, [t, t], max
        yield f"sad.{t} {{d}}, {{a}}, {{b}}, {{c}}", t, [t, t, t], lambda a, b, c: c + abs(a - b)
        yield (
            f"shr.{t} {{d}}, {{a}}, {{b}}",
            t,
            [t, "u32"],
            lambda a, b, n=bits, s=signed: a >> (min(b, n - 1) if s else min(b, n)),
        )
        if signed:
            yield f"neg.{t} {{d}}, {{a}}", t, [t], lambda a: -a
            yield f"abs.{t} {{d}}, {{a}}", t, [t], abs
        else:
            for name, f in (("and", int.__and__), ("or", int.__or__), ("xor", int.__xor__)):
                yield f"{name}.b{bits} {{d}}, {{a}}, {{b}}", t, [t, t], f
            yield f"not.b{bits} {{d}}, {{a}}", t, [t], lambda a: ~a
            yield f"cnot.b{bits} {{d}}, {{a}}", t, [t], lambda a: a == 0
            yield f"shl.b{bits} {{d}}, {{a}}, {{b}}", t, [t, "u32"], lambda a, b, n=bits: a << min(b, n)
        if bits > 16:
            yield (
                f"bfe.{t} {{d}}, {{a}}, {{b}}, {{c}}",
                t,
                [t, "u32", "u32"],
                lambda a, b, c, n=bits, s=signed: bfe(a, b, c, n, s),
            )
            yield f"bfind.{t} {{d}}, {{a}}", "u32", [t], lambda a, n=bits, s=signed: bfind(a, n, s, False)
            yield f"bfind.shiftamt.{t} {{d}}, {{a}}", "u32", [t], lambda a, n=bits, s=signed: bfind(a, n, s, True)
        if bits > 16 and not signed:
            yield f"popc.b{bits} {{d}}, {{a}}", "u32", [t], lambda a: a.bit_count()
            yield f"clz.b{bits} {{d}}, {{a}}", "u32", [t], lambda a, n=bits: n - a.bit_length()
            yield f"brev.b{bits} {{d}}, {{a}}", t, [t], lambda a, n=bits: reverse(a, n)
            yield (
                f"bfi.b{bits} {{d}}, {{a}}, {{b}}, {{c}}, 5",
                t,
                [t, t, "u32"],
                lambda a, b, c, n=bits: bfi(a, b, c, 5, n),
            )
            yield (
                f"bfi.b{bits} {{d}}, {{a}}, {{b}}, 7, {{c}}",
                t,
                [t, t, "u32"],
                lambda a, b, c, n=bits: bfi(a, b, 7, c, n),
            )
            # two words of an addition and a subtraction with carry
            chain = f"add.cc.u{bits} {{e}}, {{a}}, {{b}}; addc.u{bits} {{d}}, {{a}}, {{c}}"
            yield chain, t, [t, t, t], lambda a, b, c, n=bits: a + c + (a + b >> n)
            chain = f"sub.cc.u{bits} {{e}}, {{a}}, {{b}}; subc.cc.u{bits} {{d}}, {{a}}, {{c}}"
            yield chain, t, [t, t, t], lambda a, b, c: a - c - (a < b)
            chain = f"mad.lo.cc.u{bits} {{e}}, {{a}}, {{b}}, {{c}}; madc.hi.u{bits} {{d}}, {{a}}, {{b}}, {{c}}"
            yield chain, t, [t, t, t], lambda a, b, c, n=bits: (a * b >> n) + c + ((a * b & mask(n)) + c >> n)
        for name, op in (
            ("eq", int.__eq__),
            ("ne", int.__ne__),
            ("lt", int.__lt__),
            ("le", int.__le__),
            ("gt", int.__gt__),
            ("ge", int.__ge__),
        ):
            yield (
                f"setp.{name}.{t} {{p}}, {{a}}, {{b}}; selp.b32 {{d}}, 7, 9, {{p}}",
                "u32",
                [t, t],
                lambda a, b, o=op: 7 if o(a, b) else 9,
            )
            yield (
                f"set.{name}.u32.{t} {{d}}, {{a}}, {{b}}",
                "u32",
                [t, t],
                lambda a, b, o=op: mask(32) if o(a, b) else 0,
            )
    for mode, both in itertools.product(("and", "or", "xor"), (0, 1)):
        op = f"setp.gt.s32 {{p}}, {{a}}, 5; setp.lt.{mode}.u32 {{p}}|{{q}}, {{a}}, {{b}}, {'!' if both else ''}{{p}}; selp.b32 {{d}}, 1, 0, {{p}}; @{{q}} add.u32 {{d}}, {{d}}, 2"

        def model(a, b, mode=mode, both=both):
            c, r = (to_signed(a, 32) > 5) ^ bool(both), a < b
            join = {"and": lambda x, y: x and y, "or": lambda x, y: x or y, "xor": lambda x, y: x != y}[mode]
            return int(join(r, c)) + 2 * int(join(not r, c))

        yield op, "u32", ["u32", "u32"], model
    yield "add.sat.s32 {d}, {a}, {b}", "s32", ["s32"] * 2, lambda a, b: clamp(a + b, -(1 << 31), mask(31))
    yield "sub.sat.s32 {d}, {a}, {b}", "s32", ["s32"] * 2, lambda a, b: clamp(a - b, -(1 << 31), mask(31))
    yield (
        "mad.hi.sat.s32 {d}, {a}, {b}, {c}",
        "s32",
        ["s32"] * 3,
        lambda a, b, c: clamp((a * b >> 32) + c, -(1 << 31), mask(31)),
    )
    for s in "us":
        low = lambda v, s=s: to_signed(v, 24) if s == "s" else v & mask(24)  # noqa: E731
        t = f"{s}32"
        yield f"mul24.lo.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b, f=low: f(a) * f(b)
        yield f"mul24.hi.{t} {{d}}, {{a}}, {{b}}", t, [t, t], lambda a, b, f=low: f(a) * f(b) >> 16
        yield f"mad24.lo.{t} {{d}}, {{a}}, {{b}}, {{c}}", t, [t] * 3, lambda a, b, c, f=low: f(a) * f(b) + c
        for mode in ("wrap", "clamp"):
            width = (lambda b: b & 31) if mode == "wrap" else (lambda b: min(b, 32))
            yield (
                f"szext.{mode}.{t} {{d}}, {{a}}, {{b}}",
                t,
                [t, "u32"],
                lambda a, b, s=s, w=width: 0 if w(b) == 0 else (to_signed(a, w(b)) if s == "s" else a & mask(w(b))),
            )
    for mode in ("wrap", "clamp"):
        width = (lambda b: b & 31) if mode == "wrap" else (lambda b: min(b, 32))
        yield f"bmsk.{mode}.b32 {{d}}, {{a}}, {{b}}", "u32", ["u32"] * 2, lambda a, b, w=width: mask(w(b)) << w(a)
        for side in "lr":
            yield (
                f"shf.{side}.{mode}.b32 {{d}}, {{a}}, {{b}}, {{c}}",
                "u32",
                ["u32"] * 3,
                lambda a, b, c, s=side, m=mode: funnel(a, b, c, s == "l", m == "clamp"),
            )
    for mode in ("", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"):
        yield (
            f"prmt.b32{'.' + mode if mode else ''} {{d}}, {{a}}, {{b}}, {{c}}",
            "u32",
            ["u32"] * 3,
            lambda a, b, c, m=mode: prmt(a, b, c, m),
        )
    for table in (0x00, 0x96, 0xE8, 0xCA, 0x1B, 0xFF):
        yield (
            f"lop3.b32 {{d}}, {{a}}, {{b}}, {{c}}, {table}",
            "u32",
            ["u32"] * 3,
            lambda a, b, c, t=table: lop3(a, b, c, t),
        )
    for x, y in itertools.product("us", "us"):
        yield (
            f"dp4a.{x}32.{y}32 {{d}}, {{a}}, {{b}}, {{c}}",
            "u32",
            ["u32"] * 3,
            lambda a, b, c, x=x, y=y: (
                c + sum(p * q for p, q in zip(parts(a, 8, x == "s"), parts(b, 8, y == "s"), strict=True))
            ),
        )
        for k, half in enumerate(("lo", "hi")):
            yield (
                f"dp2a.{half}.{x}32.{y}32 {{d}}, {{a}}, {{b}}, {{c}}",
                "u32",
                ["u32"] * 3,
                lambda a, b, c, x=x, y=y, k=k: (
                    c
                    + sum(
                        p * q
                        for p, q in zip(parts(a, 16, x == "s"), parts(b, 8, y == "s")[2 * k : 2 * k + 2], strict=True)
                    )
                ),
            )
    yield "slct.u32.s32 {d}, {a}, {b}, {c}", "u32", ["u32", "u32", "s32"], lambda a, b, c: a if c >= 0 else b
    yield "mov.b64 {d}, {{{a}, {b}}}", "u64", ["u32", "u32"], lambda a, b: b << 32 | a
    yield "mov.b32 {d}, {{{a}, {b}}}", "u32", ["u16", "u16"], lambda a, b: b << 16 | a
    yield "mov.b64 {{{d}, {e}}}, {a}; add.u32 {d}, {d}, {e}", "u32", ["u64"], lambda a: a + (a >> 32)
    sizes = {f"{s}{b}": (s, b) for s in "us" for b in (8, 16, 32, 64)}
    for (to, (ts, tb)), (fr, (fs, fb)) in itertools.product(sizes.items(), sizes.items()):
        yield (
            f"cvt.{to}.{fr} {{d}}, {{a}}",
            to,
            [fr],
            lambda a, ts=ts, tb=tb: to_signed(a, tb) if ts == "s" else a & mask(tb),
        )
        low, high = limits(ts, tb)
        if limits(fs, fb)[0] < low or limits(fs, fb)[1] > high:
            yield f"cvt.sat.{to}.{fr} {{d}}, {{a}}", to, [fr], lambda a, lo=low, hi=high: clamp(a, lo, hi)


CASES = list(cases())


@pytest.mark.parametrize("level", levels())
def test_integer(level):
    ops = [case[:3] for case in CASES]
    runner = Runner(machine(level), ops, [()] * N)
    wrong = []
    for k, (op, to, types, model) in enumerate(CASES):
        columns = [integers(int(t[1:]), t[0] == "s", N, seed=17 * k + j) for j, t in enumerate(types)]
        rows = list(zip(*columns, strict=True))
        got = runner.results(k, rows)
        bits = max(16, int(to[1:]))
        for row, result in zip(rows, got, strict=True):
            if result != model(*row) & mask(bits):
                wrong.append(f"{op}: {row}: {result:#x}, not {model(*row) & mask(bits):#x}")
                break
    assert not wrong, "\n".join(wrong)


def test_mad24_saturates() -> None:
    rows = list(zip(*(integers(32, True, 400, k) for k in range(3)), strict=True))
    text = "mad24.hi.sat.s32 {d}, {a}, {b}, {c}; mad24.hi.sat.s32 {c}, {a}, {b}, {c}; sub.s32 {d}, {d}, {c}; add.s32 {d}, {d}, {c}"
    runner = Runner(machine(), [(text, "b32", ["b32"] * 3)], rows)
    for (a, b, c), got in zip(rows, runner.results(0), strict=True):
        r = (to_signed(a, 24) * to_signed(b, 24) >> 16) + c
        assert got == max(-(2**31), min(2**31 - 1, r)) & 0xFFFFFFFF


def test_four_words_of_128_bits() -> None:
    text = """.reg .b128 q; .reg .b32 w0, w1, w2, w3; .reg .b64 l, h; mov.b64 {{w0, w1}}, {a}; mov.b64 {{w2, w3}}, {b};
    mov.b128 q, {{w3, w0, w1, w2}}; mov.b128 {{l, h}}, q; mov.b128 {{w0, w1, w2, w3}}, q; mov.b64 {a}, {{w2, w3}}; xor.b64 {d}, h, {a};
    shl.b64 {d}, {d}, 1; xor.b64 {d}, {d}, l"""
    rows = list(zip(integers(64, False, 100, 1), integers(64, False, 100, 2), strict=True))
    runner = Runner(machine(), [(text, "b64", ["b64", "b64"])], rows)
    assert runner.results(0) == [(b >> 32) | (a & 0xFFFFFFFF) << 32 for a, b in rows]
