"""Unary instructions on all 2^16 halves, f16 and bf16, against NumPy and ml_dtypes.  ex2 and tanh: test_exec_approximations.py."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from tests.cpu_device.exact import BF16, F16
from tests.cpu_device.exec_access import machine
from tests.cpu_device.exec_ops import Runner
from tests.cpu_device.test_exec_convert import INTEGERS, WHOLE, to_integer

ALL = np.arange(1 << 16, dtype="u2")
FORMATS = {"f16": (F16, np.float16), "bf16": (BF16, ml_dtypes.bfloat16)}
ROUND = {"rn": np.rint, "rz": np.trunc, "rm": np.floor, "rp": np.ceil}


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def numbers(t: str) -> np.ndarray:
    return ALL.view(FORMATS[t][1]).astype("f8")


def run(ops: list[tuple[str, str, list[str]]]) -> list[np.ndarray]:
    runner = Runner(machine(), ops, [(int(v),) for v in ALL])
    return [np.array(runner.results(k), "u8") for k in range(len(ops))]


def flushed(bits: np.ndarray, t: str) -> np.ndarray:
    return np.where(bits & FORMATS[t][0].infinity, bits, bits & 0x8000)


@pytest.mark.parametrize("t", list(FORMATS))
def test_signs(t: str) -> None:
    nan = np.isnan(numbers(t))
    names = [("neg", ""), ("abs", ""), *([("neg", ".ftz"), ("abs", ".ftz")] if t == "f16" else [])]
    for (name, ftz), got in zip(names, run([(f"{n}{f}.{t} {{d}}, {{a}}", t, [t]) for n, f in names]), strict=True):
        source = flushed(ALL, t) if ftz else ALL
        want = source ^ 0x8000 if name == "neg" else source & 0x7FFF
        assert np.array_equal(got[~nan], want[~nan]), (name, ftz)
        assert np.isnan(got.astype("u2").view(FORMATS[t][1])[nan].astype("f8")).all()


@pytest.mark.parametrize("t", list(FORMATS))
def test_to_integers(t: str) -> None:
    f, x = FORMATS[t][0], numbers(t)
    cases = [(word, mode, to, signed, bits) for (word, mode), (to, (signed, bits)) in itertools.product(WHOLE.items(), INTEGERS.items())
             if t == "f16" or bits > 8]  # fmt: skip
    results = run([(f"cvt.{word}.{to}.{t} {{d}}, {{a}}", to, [t]) for word, _, to, _, _ in cases])
    for (word, mode, to, signed, bits), got in zip(cases, results, strict=True):
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        whole = ROUND[mode](x)
        inside = (whole > float(low)) & (whole < float(high))
        want = np.where(inside, whole, 0).astype("i8").astype("u8")
        if not signed and bits == 64:
            want = np.where(inside, whole, 0).astype("u8")
        want[whole <= float(low)] = low % 2**64
        want[whole >= float(high)] = high
        want[np.isnan(x)] = to_integer(f, f.infinity + 1, mode, signed, bits, bits == 64) % 2**64
        mask = np.uint64((1 << max(16, bits)) - 1)
        assert np.array_equal(got & mask, want & mask), (word, to)


@pytest.mark.parametrize("t", list(FORMATS))
def test_to_other_formats(t: str) -> None:
    x = numbers(t)
    nan = np.isnan(x)
    other = "bf16" if t == "f16" else "f16"
    ops = [(f"cvt.f32.{t} {{d}}, {{a}}", "f32", [t]), (f"cvt.f64.{t} {{d}}, {{a}}", "f64", [t]),
           (f"cvt.rn.{other}.{t} {{d}}, {{a}}", other, [t])]  # fmt: skip
    single, double, half = run(ops)
    assert np.array_equal(single[~nan], x.astype("f4").view("u4")[~nan])
    assert np.array_equal(double[~nan], x.view("u8")[~nan])
    want = x.astype(FORMATS[other][1]).view("u2")
    assert np.array_equal(half[~nan], want[~nan])
    assert (single[nan] == 0x7FFFFFFF).all() and (half[nan] == 0x7FFF).all() and np.isnan(double.view("f8")[nan]).all()


@pytest.mark.parametrize("t", list(FORMATS))
def test_to_whole_numbers(t: str) -> None:
    x = numbers(t)
    nan = np.isnan(x)
    for (word, mode), got in zip(
        WHOLE.items(), run([(f"cvt.{w}.{t}.{t} {{d}}, {{a}}", t, [t]) for w in WHOLE]), strict=True
    ):
        want = np.copysign(ROUND[mode](x), x).astype(FORMATS[t][1]).view("u2")
        assert np.array_equal(got[~nan], want[~nan]), word
        assert (got[nan] == 0x7FFF).all()
