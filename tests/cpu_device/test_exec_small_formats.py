"""Conversions to and from small floating-point formats, tf32, and cvt.pack."""

import random
from fractions import Fraction

import numpy as np
import pytest

from tests.cpu_device.exact import BF16, F32, TF32
from tests.cpu_device.exec_access import machine
from tests.cpu_device.exec_ops import Runner, floats, integers

ml_dtypes = pytest.importorskip("ml_dtypes", reason="the reference for 8-bit floating point")
SMALL = {
    "e4m3x2": ml_dtypes.float8_e4m3fn,
    "e5m2x2": ml_dtypes.float8_e5m2,
    "e2m3x2": ml_dtypes.float6_e2m3fn,
    "e3m2x2": ml_dtypes.float6_e3m2fn,
    "e2m1x2": ml_dtypes.float4_e2m1fn,
}
BITS = {"e4m3x2": 8, "e5m2x2": 8, "e2m3x2": 6, "e3m2x2": 6, "e2m1x2": 4}
TOP = "sm_100a"


def bits_of(values: np.ndarray) -> list[int]:
    return [int(v) for v in values.view(f"u{values.dtype.itemsize}")]


def finite_max(name: str) -> float:
    return float(ml_dtypes.finfo(SMALL[name]).max)


def narrowed(values: np.ndarray, name: str, relu: bool) -> np.ndarray:
    """The patterns of floats in a small format: rounded to nearest even, saturated."""
    v = values.astype("f4")
    nan = np.isnan(v)
    v = np.where(nan, np.float32(0), v)
    if relu:
        v = np.where(v <= 0, np.float32(0), v)
    limit = finite_max(name)
    r = np.clip(v, -limit, limit).astype(SMALL[name]).view("u1").astype("u8") & (1 << BITS[name]) - 1
    canonical = {"e4m3x2": 0x7F, "e5m2x2": 0x7F, "e2m3x2": 0x1F, "e3m2x2": 0x1F, "e2m1x2": 0x07}[name]
    return np.where(nan, canonical, r)


def side_by_side(high: np.ndarray, low: np.ndarray, name: str) -> list[int]:
    return [int(v) for v in high << (4 if name == "e2m1x2" else 8) | low]


def small_text(name: str, instruction: str) -> str:
    """e2m1x2 lies in a register of 8 bits."""
    if name != "e2m1x2":
        return instruction.replace("{s}", "{d}" if "cvt.rn.satfinite" in instruction else "{a}")
    if "cvt.rn.satfinite" in instruction:
        return ".reg .b8 t; " + instruction.replace("{s}", "t") + "; cvt.u16.u8 {d}, t"
    return ".reg .b8 t; cvt.u8.u16 t, {a}; " + instruction.replace("{s}", "t")


@pytest.mark.parametrize("name", SMALL)
def test_floats_to_small_formats(name: str) -> None:
    rng = random.Random(1)
    limit = finite_max(name)
    near = [
        v * s for v in (limit, limit * 1.03, limit * 1.0625, limit * 1.25, limit * 2, 1, 1.0625, 0.03) for s in (1, -1)
    ]
    values = np.array([*near, 0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-40, -1e30], "f4")
    ties = np.array([(k + 0.5) * limit / 64 for k in range(-64, 64)], "f4")
    others = np.array([rng.uniform(-1.1, 1.1) * limit * 2.0 ** rng.randint(-20, 0) for _ in range(800)], "f4")
    a = np.concatenate([values, ties, others])
    b = np.roll(a, 77)
    rows = list(zip(bits_of(a), bits_of(b), strict=True))
    ops = [
        (small_text(name, f"cvt.rn.satfinite{relu}.{name}.f32 {{s}}, {{a}}, {{b}}"), "b16", ["b32", "b32"])
        for relu in ("", ".relu")
    ]
    runner = Runner(machine(), ops, rows, TOP)
    for k, relu in enumerate((False, True)):
        want = side_by_side(narrowed(a, name, relu), narrowed(b, name, relu), name)
        assert runner.results(k) == want


@pytest.mark.parametrize("name", ["e4m3x2", "e5m2x2"])
def test_all_halves_to_small_formats(name: str) -> None:
    low = np.arange(1 << 16, dtype="u2")
    high = low[::-1].copy()
    rows = [(int(h) << 16 | int(v),) for h, v in zip(high, low, strict=True)]
    ops = [(f"cvt.rn.satfinite{relu}.{name}.f16x2 {{d}}, {{a}}", "b16", ["b32"]) for relu in ("", ".relu")]
    runner = Runner(machine(), ops, rows)
    for k, relu in enumerate((False, True)):
        want = side_by_side(narrowed(high.view("f2"), name, relu), narrowed(low.view("f2"), name, relu), name)
        assert runner.results(k) == want


@pytest.mark.parametrize("name", SMALL)
def test_all_small_values_to_halves(name: str) -> None:
    count = 1 << BITS[name]
    low = np.arange(count, dtype="u1")
    high = low[::-1].copy()
    rows = [(v,) for v in side_by_side(high.astype("u8"), low.astype("u8"), name)]
    ops = [(small_text(name, f"cvt.rn{relu}.f16x2.{name} {{d}}, {{s}}"), "b32", ["b16"]) for relu in ("", ".relu")]
    runner = Runner(machine(), ops, rows, TOP)

    def halves(patterns: np.ndarray, relu: bool) -> np.ndarray:
        v = patterns.view(SMALL[name]).astype("f2")
        nan = np.isnan(v)
        r = np.where(relu & (v <= 0), np.float16(0), v).astype("f2").view("u2").astype("u8")
        return np.where(nan, 0x7FFF, r)

    for k, relu in enumerate((False, True)):
        assert runner.results(k) == [
            int(h) << 16 | int(v) for h, v in zip(halves(high, relu), halves(low, relu), strict=True)
        ]


def exponent(x: Fraction | None, up: bool, saturates: bool) -> int:
    """ue8m0 of a magnitude; None: not a number."""
    if x is None:
        return 0xFF
    if x == 0:
        return 0
    e = -127
    while e < 127 and Fraction(2) ** (e + 1) <= x:
        e += 1
    if up and Fraction(2) ** e < x:
        e += 1
    return min(e, 127) + 127 if e <= 127 or saturates else 0xFF


def test_exponents() -> None:
    a, b = floats(F32, 600, 1), floats(F32, 600, 2)
    a = [v for v in a if not F32.is_infinite(v)]
    rows = list(zip(a, b[: len(a)], strict=True))
    rows = [row for row in rows if not F32.is_infinite(row[1])]
    forms = [("rz", True), ("rz", False), ("rp", True), ("rp", False)]
    ops = [(f"cvt.{r}{'.satfinite' * s}.ue8m0x2.f32 {{d}}, {{a}}, {{b}}", "b16", ["b32", "b32"]) for r, s in forms]
    runner = Runner(machine(), ops, rows, TOP)

    def one(v: int, mode: str, saturates: bool) -> int:
        return exponent(None if F32.is_nan(v) else abs(F32.value(v)), mode == "rp", saturates)

    for k, (mode, saturates) in enumerate(forms):
        assert runner.results(k) == [one(x, mode, saturates) << 8 | one(y, mode, saturates) for x, y in rows]
    back = Runner(
        machine(), [("cvt.rn.bf16x2.ue8m0x2 {d}, {a}", "b32", ["b16"])], [(v << 8 | 255 - v,) for v in range(256)], TOP
    )

    def bf16(v: int) -> int:
        return 0x7FFF if v == 255 else BF16.round(Fraction(2) ** (v - 127))

    assert back.results(0) == [bf16(v) << 16 | bf16(255 - v) for v in range(256)]


# --- tf32, cvt.pack, lop3 ---


def test_tf32() -> None:
    forms = [
        ("rna", "rna", ""),
        ("rn", "rn", ""),
        ("rz", "rz", ""),
        ("rna", "rna", ".satfinite"),
        ("rn", "rn", ".satfinite"),
        ("rn", "rn", ".relu"),
    ]
    values = floats(F32, 1000, 4)
    values += [F32.infinity - 1 - k for k in (0, 1, 0xFFE, 0xFFF, 0x1000, 0x1001, 0x1FFF)]
    runner = Runner(machine(), [(f"cvt.{word}{more}.tf32.f32 {{d}}, {{a}}", "b32", ["b32"]) for word, _, more in forms],
                    [(v,) for v in values], TOP)  # fmt: skip
    for k, (_, mode, more) in enumerate(forms):
        for v, got in zip(values, runner.results(k), strict=True):
            if F32.is_nan(v):
                want = 0x7FFFFFFF
            elif more == ".relu" and F32.negative(v):
                want = 0
            else:
                sign = TF32.sign if F32.negative(v) else 0
                r = sign | TF32.infinity if F32.is_infinite(v) else TF32.round(F32.value(v), mode, sign)
                if more == ".satfinite" and TF32.is_infinite(r):
                    r -= 1
                want = r << 13
            assert got == want, (k, hex(v))


def test_pack() -> None:
    forms = [f"{s}{bits}" for bits in (2, 4, 8, 16) for s in "us"]
    a, b, c = integers(32, True, 500, 1), integers(32, True, 500, 2), integers(32, False, 500, 3)
    rng = random.Random(3)
    a = [v if rng.random() < 0.5 else rng.randint(-300, 300) for v in a]
    b = [v if rng.random() < 0.5 else rng.randint(-10, 10) for v in b]
    rows = list(zip(a, b, c, strict=True))
    ops = [(f"cvt.pack.sat.{t}.s32{'' if t.endswith('16') else '.b32'} {{d}}, {{a}}, {{b}}{'' if t.endswith('16') else ', {c}'}",
            "b32", ["b32"] * 3) for t in forms]  # fmt: skip
    runner = Runner(machine(), ops, rows)
    for k, t in enumerate(forms):
        size = int(t[1:])
        low, high = (-(1 << size - 1), (1 << size - 1) - 1) if t[0] == "s" else (0, (1 << size) - 1)

        def one(v: int, low: int = low, high: int = high, size: int = size) -> int:
            return max(low, min(high, v)) & (1 << size) - 1

        want = [(z << 2 * size & 0xFFFFFFFF if size < 16 else 0) | one(x) << size | one(y) for x, y, z in rows]
        assert runner.results(k) == want, t
