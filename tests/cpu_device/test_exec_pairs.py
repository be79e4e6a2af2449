"""Instructions on pairs: mixed precision, f32x2, comparisons of halves, redux of floats, lop3 with a predicate."""

import itertools

import numpy as np
import pytest

from tests.cpu_device import exact
from tests.cpu_device.exact import BF16, F16, F32, Format
from tests.cpu_device.exec_access import LoadError, levels, machine
from tests.cpu_device.exec_ops import Runner, floats, integers, to_signed

TOP = "sm_100a"


def test_lop3_with_a_predicate() -> None:
    m = machine()
    tables = [0x80, 0xFE, 0x96, 0xE8, 0x00, 0xCA]
    text = [".version 8.2\n.target sm_80\n.address_size 64"]
    for k, (table, op, negated) in enumerate(itertools.product(tables, ("or", "and"), ("", "!"))):
        text.append(f""".visible .entry k{k}(.param .u64 p) {{ .reg .b32 %t, %a, %b, %c, %d, %r; .reg .b64 %p; .reg .pred %q, %s;
        ld.param.u64 %p, [p]; mov.u32 %t, %tid.x; mad.wide.u32 %p, %t, 16, %p; ld.global.v4.u32 {{%a, %b, %c, %d}}, [%p];
        setp.ne.u32 %q, %d, 0; lop3.{op}.b32 %d|%s, %a, %b, %c, {table}, {negated}%q; selp.u32 %r, 1, 0, %s;
        lop3.{op}.b32 _|%s, %a, %b, %c, {table}, {negated}%q; selp.u32 %a, 1, 0, %s; st.global.v4.u32 [%p], {{%d, %r, %a, %r}}; ret; }}""")
    module = m.load("\n".join(text))
    rng = np.random.default_rng(6)
    for k, (table, op, negated) in enumerate(itertools.product(tables, ("or", "and"), ("", "!"))):
        rows = rng.integers(0, 1 << 32, (64, 4)).astype("u4")
        rows[:20, :3] = rng.choice([0, 0xFFFFFFFF], (20, 3))
        rows[:, 3] = rng.integers(0, 2, 64)
        buffer = m.buffer(rows.tobytes())
        module.run(f"k{k}", 1, 64, buffer)
        got = np.frombuffer(m.read(buffer, 1024), "u4").reshape(64, 4)
        a, b, c, q = rows.T
        value = np.zeros(64, "u4")
        for j in range(8):
            term = (a if j & 4 else ~a) & (b if j & 2 else ~b) & (c if j & 1 else ~c)
            value |= term if table >> j & 1 else np.uint32(0)
        p = (q != 0) ^ (negated == "!")
        want = (value != 0) | p if op == "or" else (value != 0) & p
        assert np.array_equal(got[:, 0], value)
        assert np.array_equal(got[:, 1], want)
        assert np.array_equal(got[:, 2], want)


# --- arithmetic ---


def f32_of(f: Format, v: int) -> int:
    if f.is_nan(v):
        return 0x7FFFFFFF
    sign = F32.sign if f.negative(v) else 0
    return sign | F32.infinity if f.is_infinite(v) else F32.round(f.value(v), "rn", sign)


@pytest.mark.parametrize("level", levels())
def test_mixed_precision(level: str) -> None:
    forms = list(
        itertools.product(("add", "sub", "fma"), (("f16", F16), ("bf16", BF16)), ("rn", "rz", "rm", "rp"), ("", ".sat"))
    )
    ops = [(f"{op}.{mode}{sat}.f32.{t} {{d}}, {{a}}, {{b}}{', {c}' if op == 'fma' else ''}",
            "f32", [t, t, "f32"] if op == "fma" else [t, "f32"]) for op, (t, _), mode, sat in forms]  # fmt: skip
    n = 150
    runner = Runner(machine(level), ops, [()] * n, "sm_100")
    for k, (op, (_, f), mode, sat) in enumerate(forms):
        a, c = floats(f, n, k), floats(F32, n, k + 100)
        b = floats(f, n, k + 200) if op == "fma" else c
        for row, got in zip(zip(a, b, c, strict=True), runner.results(k, list(zip(a, b, c, strict=True))), strict=True):
            x = f32_of(f, row[0])
            if op == "fma":
                want = exact.fma(F32, x, f32_of(f, row[1]), row[2], mode)
            else:
                y = row[1] ^ F32.sign if op == "sub" and not F32.is_nan(row[1]) else row[1]
                want = exact.add(F32, x, y, mode)
            if sat:
                if want is None or F32.negative(want):
                    want = 0
                want = min(want, 0x3F800000)
            assert got == (0x7FFFFFFF if want is None else want), (ops[k][0], [hex(v) for v in row])


def test_float_pairs() -> None:
    forms = list(itertools.product(("add", "sub", "mul", "fma"), ("", ".rz", ".rp"), ("", ".ftz")))
    forms = [(op, mode or ".rn", ftz) for op, mode, ftz in forms]
    ops = [(f"{op}{mode}{ftz}.f32x2 {{d}}, {{a}}, {{b}}{', {c}' if op == 'fma' else ''}", "b64", ["b64"] * (3 if op == "fma" else 2))
           for op, mode, ftz in forms]  # fmt: skip
    n = 150
    runner = Runner(machine(), ops, [()] * n, "sm_100")
    for k, (op, mode, ftz) in enumerate(forms):
        columns = [
            [(h << 32) | v for h, v in zip(floats(F32, n, 6 * k + j), floats(F32, n, 6 * k + j + 3), strict=True)]
            for j in range(3)
        ]
        rows = list(zip(*columns, strict=True))
        for row, got in zip(rows, runner.results(k, rows), strict=True):
            for shift in (0, 32):
                a, b, c = ((F32.flush(v >> shift & 0xFFFFFFFF) if ftz else v >> shift & 0xFFFFFFFF) for v in row)
                if op == "sub":
                    b = b if F32.is_nan(b) else b ^ F32.sign
                want = (
                    exact.fma(F32, a, b, c, mode[1:])
                    if op == "fma"
                    else (exact.mul if op == "mul" else exact.add)(F32, a, b, mode[1:])
                )
                want = 0x7FFFFFFF if want is None else F32.flush(want) if ftz else want
                assert got >> shift & 0xFFFFFFFF == want, (ops[k][0], shift, [hex(v) for v in (a, b, c)])


# --- comparisons of pairs ---

ORDERED = {"eq": lambda x, y: x == y, "ne": lambda x, y: x != y, "lt": lambda x, y: x < y, "le": lambda x, y: x <= y,
           "gt": lambda x, y: x > y, "ge": lambda x, y: x >= y}  # fmt: skip


def compared(name: str, f: Format, a: int, b: int) -> bool:
    nan = f.is_nan(a) or f.is_nan(b)
    if name in ("num", "nan"):
        return nan == (name == "nan")
    if nan:
        return name not in ORDERED

    def number(v: int) -> float:
        return (float("-inf") if f.negative(v) else float("inf")) if f.is_infinite(v) else float(f.value(v))

    return ORDERED[name.removesuffix("u") if name not in ORDERED else name](number(a), number(b))


@pytest.mark.parametrize(("type_", "f"), [("f16", F16), ("bf16", BF16)])
def test_set_and_setp_of_pairs(type_: str, f: Format) -> None:
    names = [*ORDERED, "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"]
    one = 0x3C00 if type_ == "f16" else 0x3F80
    ops = []
    for name in names:
        ops.append((f"set.{name}.{type_}x2.{type_}x2 {{d}}, {{a}}, {{b}}", "b32", ["b32", "b32"]))
        ops.append((f"set.{name}.u32.{type_}x2 {{d}}, {{a}}, {{b}}", "b32", ["b32", "b32"]))
        ops.append((f"setp.{name}.{type_}x2 {{p}}|{{q}}, {{a}}, {{b}}; selp.b32 {{d}}, 1, 0, {{p}}; selp.b32 {{e}}, 2, 0, {{q}}; or.b32 {{d}}, {{d}}, {{e}}",
                    "b32", ["b32", "b32"]))  # fmt: skip
        ops.append(
            (
                f"setp.ne.b32 {{q}}, {{a}}, 0; set.{name}.and.{type_}x2.{type_}x2 {{d}}, {{a}}, {{b}}, !{{q}}",
                "b32",
                ["b32", "b32"],
            )
        )
    n = 200
    rows = [(h << 16 | v, i << 16 | w) for h, v, i, w in zip(*(floats(f, n, s) for s in range(4)), strict=True)]
    rows += [(a, a) for a, _ in rows[:40]] + [(0, b) for _, b in rows[:10]]
    runner = Runner(machine(), ops, rows)
    for k, name in enumerate(names):
        truth = [[compared(name, f, a >> s & 0xFFFF, b >> s & 0xFFFF) for s in (0, 16)] for a, b in rows]
        assert runner.results(4 * k) == [(low * one) | (high * one) << 16 for low, high in truth]
        assert runner.results(4 * k + 1) == [low * 0xFFFF | (high * 0xFFFF) << 16 for low, high in truth]
        assert runner.results(4 * k + 2) == [low | high << 1 for low, high in truth]
        zero = [a == 0 for a, _ in rows]
        assert runner.results(4 * k + 3) == [
            z and (low * one | (high * one) << 16) for (low, high), z in zip(truth, zero, strict=True)
        ]


@pytest.mark.parametrize("more", ["", ".abs", ".NaN", ".abs.NaN"])
@pytest.mark.parametrize("op", ["min", "max"])
def test_redux_of_floats(op: str, more: str) -> None:
    m = machine()
    module = m.load(f""".version 8.6\n.target sm_100a\n.address_size 64
    .visible .entry k(.param .u64 p) {{ .reg .b32 %t, %m; .reg .f32 %f; .reg .b64 %p; ld.param.u64 %p, [p]; mov.u32 %t, %tid.x;
    mad.wide.u32 %p, %t, 4, %p; ld.global.f32 %f, [%p]; and.b32 %m, %t, 1; .reg .pred %q; setp.ne.u32 %q, %m, 0;
    selp.b32 %m, 0xaaaaaaaa, 0x55555555, %q; redux.sync.{op}{more}.f32 %f, %f, %m; st.global.f32 [%p], %f; ret; }}""", cc=100)  # fmt: skip
    for seed in range(20):
        values = floats(F32, 32, seed)
        if seed % 4 == 0:
            values = [0x7FC00001] * 32
        if seed % 4 == 1:
            values = [v if not F32.is_nan(v) else 0 for v in values]
        buffer = m.buffer(np.array(values, "u4").tobytes())
        module.run("k", 1, 32, buffer)
        got = np.frombuffer(m.read(buffer, 128), "u4")
        for parity in (0, 1):
            want = None
            for k, v in enumerate(values[parity::2]):
                v = v & ~F32.sign if ".abs" in more else v
                want = (
                    v
                    if k == 0
                    else exact.minimum(F32, 0x7FC00000 if want is None else want, v, ".NaN" in more, op == "max")
                )
            want = 0x7FFFFFFF if want is None or F32.is_nan(want) else want
            assert set(got[parity::2]) == {want}


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("cvt.rn.e4m3x2.f32 %h0, %f1, %f2", "needs .satfinite"),
        ("cvt.rn.satfinite.e4m3x2.bf16x2 %h0, %r1", "no cvt"),
        ("cvt.rn.satfinite.e4m3x2.e5m2x2 %h0, %h1", "no cvt"),
        ("cvt.satfinite.e4m3x2.f32 %h0, %f1, %f2", ".rn"),
        ("cvt.rn.ue8m0x2.f32 %h0, %f1, %f2", ".rz or .rp"),
        ("cvt.rna.bf16.f32 %h0, %f1", ".rna"),
        ("cvt.rs.f16x2.f32 %r0, %f1, %f2, %r3", "stochastic"),
        ("cvt.pack.sat.u16.s32.b32 %r0, %r1, %r2, %r3", "cvt.pack"),
        ("lop3.b32 %r0|%p, %r1, %r2, %r3, 1", "second result"),
        ("lop3.or.b32 %r0, %r1, %r2, %r3, 1, %p", "second result"),
        ("lop3.b32 %r0, %r1, %r2, %r3, 256", "table"),
        ("redux.sync.add.f32 %f0, %f1, -1", "no such operation"),
        ("redux.sync.min.abs.s32 %r0, %r1, -1", "no such operation"),
        ("set.lt.u16.f16x2 %h0, %r1, %r2", "pair"),
        ("fma.rn.oob.f16 %h0, %h1, %h2, %h3", "oob"),
        ("add.u32 %r0, %r1, %r2, %r3", "takes 3 operands"),
        ("add.rz.f16 %h0, %h1, %h2", "no such modifier"),
        ("add.sat.bf16 %h0, %h1, %h2", "no such modifier"),
        ("mul.ftz.f64 %d0, %d1, %d2", "no such modifier"),
        ("fma.rn.relu.f32 %f0, %f1, %f2, %f3", "no such modifier"),
        ("min.NaN.u32 %r0, %r1, %r2", "no such modifier"),
        ("max.relu.u16x2 %r0, %r1, %r2", "no such modifier"),
        ("add.ftz.f32x2 %d0, %d1", "more operands"),
    ],
)
def test_what_is_refused(instruction: str, said: str) -> None:
    text = f""".version 8.7\n.target {TOP}\n.address_size 64\n.visible .entry k() {{ .reg .b16 %h<5>; .reg .b32 %r<5>, %f<5>; .reg .b64 %d<5>;
    .reg .pred %p; {instruction}; ret; }}"""
    with pytest.raises(LoadError) as error:
        machine().load(text, cc=100)
    assert said in error.value.log
    assert to_signed(error.value.status, 32) in (218, 801)


# --- integers ---


def test_pairs_of_integers() -> None:
    def halves(v: int, signed: bool) -> list[int]:
        return [to_signed(v >> s, 16) if signed else v >> s & 0xFFFF for s in (0, 16)]

    forms = [(op, t, relu) for op in ("add", "min", "max") for t in ("u16x2", "s16x2") for relu in ("", ".relu")
             if not relu or (op != "add" and t == "s16x2")]  # fmt: skip
    ops = [(f"{op}{relu}.{t} {{d}}, {{a}}, {{b}}", "b32", ["b32", "b32"]) for op, t, relu in forms]
    ops += [(f"{op}.relu.s32 {{d}}, {{a}}, {{b}}", "b32", ["b32", "b32"]) for op in ("min", "max")]
    rows = list(zip(integers(32, False, 400, 1), integers(32, False, 400, 2), strict=True))
    runner = Runner(machine(), ops, rows)
    for k, (op, t, relu) in enumerate(forms):
        function = {"add": lambda x, y: x + y, "min": min, "max": max}[op]
        for (a, b), got in zip(rows, runner.results(k), strict=True):
            want = [function(x, y) for x, y in zip(halves(a, t[0] == "s"), halves(b, t[0] == "s"), strict=True)]
            low, high = ((max(v, 0) if relu else v) & 0xFFFF for v in want)
            assert got == low | high << 16, (ops[k][0], hex(a), hex(b))
    for k, function in enumerate((min, max), len(forms)):
        assert runner.results(k) == [max(0, function(to_signed(a, 32), to_signed(b, 32))) for a, b in rows]
