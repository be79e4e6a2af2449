"""Types of elements against NumPy and ml_dtypes, and single elements against both."""

import math
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

import cuda_unified as cu
from cuda_unified.scalar import pack, unpack
from tests.helpers import fakes

ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")

NUMPY = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
SMALL = [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float4_e2m1fn",
    "int4",
    "uint4",
    "int2",
    "uint2",
]
DLPACK = {
    "bool": (6, 8),
    "int16": (0, 16),
    "uint64": (1, 64),
    "float64": (2, 64),
    "complex64": (5, 64),
    "bfloat16": (4, 16),
    "float8_e4m3fn": (10, 8),
    "float8_e5m2": (12, 8),
    "float6_e3m2fn": (16, 6),
    "float4_e2m1fn": (17, 4),
}


def numpy_type(name):
    return np.dtype(name if name in NUMPY else getattr(ml_dtypes, name))


@pytest.mark.parametrize("name", NUMPY + SMALL)
def test_names_mean_what_numpy_means(name):
    there, ours = numpy_type(name), cu.DType(name)
    assert ours.name == str(ours) == there.name
    assert ours.itemsize == there.itemsize
    assert ours.numpy == there
    assert np.dtype(ours) == there
    assert ours == there and ours == there.type and ours == name
    assert cu.DType(there) is ours and cu.DType(there.type) is ours
    assert hash(ours) == hash(cu.DType(there))
    assert eval(repr(ours), {"DType": cu.DType}) is ours
    assert pickle.loads(pickle.dumps(ours)) is ours


@pytest.mark.parametrize("name", DLPACK)
def test_codes_of_dlpack(name):
    assert (cu.DType(name).code, cu.DType(name).bits) == DLPACK[name]


def test_types_differ():
    every = [cu.DType(name) for name in NUMPY + SMALL]
    assert len(set(every)) == len(every)
    assert cu.DType("float32") != "float64" and cu.DType("float32") != "nonsense" and cu.DType("float32") != object()


def test_python_types():
    assert [cu.DType(t).name for t in (bool, int, float, complex)] == ["bool", "int64", "float64", "complex128"]


def test_lanes():
    vector = cu.DType("float32x4")
    assert (vector.itemsize, vector.lanes, vector.bits, vector.code) == (16, 4, 32, 2)
    assert cu.DType("float32x4") is vector
    assert vector.numpy == np.dtype(("f4", (4,)))
    assert cu.DType("float4_e2m1fnx2").itemsize == 1
    assert unpack(vector, np.arange(4, dtype="f4").tobytes()) == (0, 1, 2, 3)
    assert pack(vector, (1, 2, 3, 4)) == np.array([1, 2, 3, 4], "f4").tobytes()
    assert unpack(cu.DType("float4_e2m1fnx2"), pack(cu.DType("float4_e2m1fnx2"), (1.5, -6))) == (1.5, -6.0)
    with pytest.raises(TypeError, match="float32x70000"):
        cu.DType("float32x70000")
    with pytest.raises(TypeError, match="3 values for the 4 lanes"):
        pack(vector, (1, 2, 3))


def test_records():
    there = np.dtype([("a", "i4"), ("b", "f8")])
    ours = cu.DType(there)
    assert ours.is_record and ours.itemsize == 12 and ours.numpy == there
    assert ours == cu.DType(there) and hash(ours) == hash(cu.DType(there))
    assert ours != cu.DType(np.dtype([("a", "i4"), ("c", "f8")])) and ours != cu.DType("record12")
    assert cu.DType("record12").numpy == np.dtype("V12")
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert cu.DType("datetime64[s]").numpy == np.dtype("M8[s]")


@pytest.mark.parametrize(
    "wrong",
    [
        "float33",
        "",
        "object",
        ">i4",
        None,
        3,
        object(),
        np.dtype("O"),
        np.dtype(">f8"),
        np.longdouble,
        "record0",
        "4i4",
    ],
)
def test_no_types(wrong):
    with pytest.raises(TypeError):
        cu.DType(wrong)


def bits_of(name):
    size = numpy_type(name).itemsize
    if size == 1:
        width = cu.DType(name).bits
        return np.arange(1 << width, dtype="u1")
    return np.random.default_rng(1).integers(0, 1 << 8 * size, 2000, dtype=f"u{size}")


@np.errstate(all="ignore")
@pytest.mark.parametrize("name", [n for n in NUMPY + SMALL if not n.startswith("complex") and n != "bool"])
def test_every_element_is_the_number_that_ml_dtypes_sees(name):
    raw = bits_of(name)
    for data, value in zip(raw, raw.view(numpy_type(name)), strict=True):
        ours, theirs = unpack(cu.DType(name), data.tobytes()), value.astype("f8") if "float" in name else int(value)
        assert ours == theirs or (math.isnan(ours) and math.isnan(theirs)), (name, data)


@np.errstate(all="ignore")
@pytest.mark.parametrize("name", [n for n in SMALL if "float" in n])
def test_numbers_round_as_ml_dtypes_rounds_them(name):
    kind, ours = numpy_type(name), cu.DType(name)
    rng = random.Random(2)
    info = ml_dtypes.finfo(kind)
    values = [rng.uniform(-1, 1) * 2.0 ** rng.uniform(-20, 20) for _ in range(300)]
    values += [0.0, -0.0, 0.5, -1.5, 2.5, 3.0, float(info.max), -float(info.max), float(info.max) * 1.01, 1e30, -1e30]
    exact = [float(v) for v in bits_of(name).view(kind).astype("f8") if math.isfinite(v)]
    values += [(a + b) / 2 for a, b in zip(sorted(exact), sorted(exact)[1:], strict=False)]  # halves
    for value in values:
        if name == "bfloat16" and np.float64(np.float32(value)) != value:
            continue  # ml_dtypes goes by way of float32
        theirs = np.float32(value).astype(kind) if name == "bfloat16" else np.float64(value).astype(kind)
        a, b = unpack(ours, pack(ours, value)), float(theirs)
        assert a == b or (math.isnan(a) and math.isnan(b)), (name, value, a, b)


def test_bfloat16_rounds_once():
    value = 1 + 2**-8 + 2**-40  # a float32 in between would make it a half, and that 1
    assert unpack(cu.DType("bfloat16"), pack(cu.DType("bfloat16"), value)) == 1 + 2**-7


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("int8", 128, OverflowError),
        ("uint4", 16, OverflowError),
        ("int4", -9, OverflowError),
        ("int32", 1.5, TypeError),
        ("uint8", "x", TypeError),
        ("float6_e2m3fn", math.nan, OverflowError),
        ("record4", b"abc", TypeError),
    ],
)
def test_values_that_are_none_of_the_type(name, value, error):
    with pytest.raises(error):
        pack(cu.DType(name), value)


def test_without_numpy_and_ml_dtypes():
    """Types, arrays of the host and their numbers need neither."""
    program = """
import sys
for name in ("numpy", "ml_dtypes"): sys.modules[name] = None
import array
import cuda_unified as cu
a = cu.full((2, 3), 1.5, "bfloat16", device="cpu")
assert a[1, 2].item() == 1.5 and a.dtype == "bfloat16"
assert cu.as_array(array.array("d", [1, 2]))[1].item() == 2.0
assert memoryview(cu.full(3, 7, "int16", device="cpu")).tolist() == [7, 7, 7]
try: a.to_host()
except ImportError: print("needs NumPy")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("needs NumPy\n", "")


def test_words_of_numpy_mean_the_same_before_it_is_imported() -> None:
    script = """
        import sys, cuda_unified as cu
        assert cu.DType("float32").name == "float32" and "numpy" not in sys.modules
        print(cu.DType("f4").name, cu.DType("<i2").name)
        try: cu.DType("flaot32")
        except TypeError as error: print(error)
    """
    lines = fakes.run(script, PYTHONPATH=str(fakes.PACKAGE.parents[1])).splitlines()
    assert lines[0] == "float32 int16" and lines[1].startswith("'flaot32' is no type of elements")
