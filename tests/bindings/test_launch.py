"""Kernel arguments: from Python values to the bytes that a launch copies."""

from __future__ import annotations

import array
import ctypes
import random
import struct
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.helpers.fakes import Fake

SOURCE = """
typedef struct kernel { unsigned long long n; size_t *sizes; } kernel;
unsigned long long asked[2];
kernel *reads;                 /* what a launch copies */
unsigned char copied[65536];
int was_null;
static CUresult info(kernel *k, size_t i, size_t *offset, size_t *size, int which) {
    asked[which]++;
    if ((size_t)k < 4096) return CUDA_ERROR_NOT_SUPPORTED;
    if (i >= k->n) return CUDA_ERROR_INVALID_VALUE;
    *offset = 0, *size = k->sizes[i];
    return 0;
}
CUresult cuFuncGetParamInfo(CUfunction f, size_t i, size_t *o, size_t *s) { return info((kernel *)f, i, o, s, 0); }
CUresult cuKernelGetParamInfo(CUkernel f, size_t i, size_t *o, size_t *s) { return info((kernel *)f, i, o, s, 1); }
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, CUstream stream, void **params, void **extra) {
    unsigned char *to = copied;
    was_null = !params;
    memset(copied, 0xcc, sizeof copied);
    for (size_t i = 0; params && i < reads->n; to += reads->sizes[i++]) memcpy(to, params[i], reads->sizes[i]);
    return extra ? CUDA_ERROR_INVALID_VALUE : 0;
}
CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra) {
    return cuLaunchKernel(f, c->gridDimX, 1, 1, 1, 1, 1, 0, c->hStream, params, extra);
}
"""
UNKNOWN = 16
"""A kernel of which the driver does not tell the parameters' sizes."""


class CKernel(ctypes.Structure):
    _fields_ = (("n", ctypes.c_uint64), ("sizes", ctypes.POINTER(ctypes.c_size_t)))


class Launcher:
    """Launches on the fake and shows what it copied."""

    def __init__(self, fake: Fake, driver: ModuleType) -> None:
        self.fake, self.driver = fake, driver
        self.kept: list[Any] = []

    def kernel(self, *sizes: int, kind: str = "CUfunction") -> Any:
        """A kernel with parameters of these sizes."""
        made = CKernel(len(sizes), (ctypes.c_size_t * (len(sizes) + 1))(*sizes))
        self.kept.append(made)
        return getattr(self.driver, kind)(ctypes.addressof(made))

    def __call__(self, kernel: Any, sizes: tuple[int, ...], params: Any) -> list[bytes]:
        ctypes.c_void_p.in_dll(self.fake.c, "reads").value = int(self.kernel(*sizes))
        self.driver.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, None, params)
        copied = bytes((ctypes.c_ubyte * 65536).in_dll(self.fake.c, "copied"))
        return [copied[sum(sizes[:i]) :][:size] for i, size in enumerate(sizes)]

    def one(self, value: Any, size: int, *type_: Any) -> bytes:
        """The bytes of one value for a parameter of this size."""
        return self(self.kernel(size), (size,), ([value], list(type_)) if type_ else [value])[0]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    return Fake(tmp_path_factory.mktemp("launch"), SOURCE)


@pytest.fixture
def launch(fake: Fake) -> Iterator[Launcher]:
    with fake.driver() as driver:
        yield Launcher(fake, driver)


SIZES = (8, 4, 4, 1, 2)
VALUES = (0x7FFF00001111, 2.5, -7, True, -2)
TYPES = (ctypes.c_void_p, ctypes.c_float, ctypes.c_int, ctypes.c_bool, ctypes.c_short)
BYTES = [struct.pack(f, v) for f, v in zip("Qfi?h", VALUES, strict=True)]


# ---- the forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["CUfunction", "CUkernel"])
@pytest.mark.parametrize("form", [tuple, list, lambda v: (v, TYPES), lambda v: (v, [TYPES[0], None, *TYPES[2:]])])
def test_values(launch: Launcher, kind: str, form: Callable[..., Any]) -> None:
    assert launch(launch.kernel(*SIZES, kind=kind), SIZES, form(VALUES)) == BYTES


def test_sizes_are_asked_for_once(launch: Launcher) -> None:
    kernel = launch.kernel(*SIZES)
    before = launch.fake.array("asked", 2)
    for _ in range(3):
        launch(kernel, SIZES, VALUES)
    assert [b - a for a, b in zip(before, launch.fake.array("asked", 2), strict=True)] == [len(SIZES) + 1, 0]
    launch(launch.kernel(*SIZES, kind="CUkernel"), SIZES, VALUES)
    assert launch.fake.array("asked", 2)[1] == before[1] + len(SIZES) + 1
    assert launch(int(kernel), SIZES, VALUES) == BYTES, "an address of a kernel"


def test_no_parameters(launch: Launcher) -> None:
    assert launch(launch.kernel(), (), ()) == []
    for kernel in (launch.kernel(4), UNKNOWN):
        launch(kernel, (), None)
        assert ctypes.c_int.in_dll(launch.fake.c, "was_null").value == 1


def test_typed_values_need_no_sizes(launch: Launcher) -> None:
    assert launch(UNKNOWN, SIZES, (VALUES, TYPES)) == BYTES
    assert launch(UNKNOWN, SIZES, [t(v) for t, v in zip(TYPES, VALUES, strict=True)]) == BYTES


@pytest.mark.parametrize("value", [5, 1.5, True, 1j])
def test_numbers_need_sizes(launch: Launcher, value: Any) -> None:
    message = rf"parameter 0: the driver does not tell .* instead of '{type(value).__name__}', or \(values, types\)"
    for kernel in (UNKNOWN, launch.driver.CUfunction(UNKNOWN)):
        with pytest.raises(TypeError, match=message):
            launch(kernel, SIZES, (value,))


def test_addresses_of_values(launch: Launcher) -> None:
    value = ctypes.c_int(42)
    pointers = (ctypes.c_void_p * 1)(ctypes.addressof(value))
    for given in (
        pointers,
        ctypes.addressof(pointers),
        array.array("Q", pointers),
        bytes(pointers),
        np.array(list(pointers), np.uint64),
    ):
        assert launch(launch.kernel(4), (4,), given) == [struct.pack("i", 42)]
    with pytest.raises(TypeError, match="the kernel takes 5 parameters, but the buffer has 1 address"):
        launch(launch.kernel(*SIZES), SIZES, pointers)


def test_other_sequences_and_large_ones(launch: Launcher) -> None:
    """Complaint 23."""
    kernel = launch.kernel(*(8,) * 300)
    expected = [struct.pack("Q", i) for i in range(300)]
    for given in (range(300), tuple(range(300)), [ctypes.c_uint64(i) for i in range(300)]):
        assert launch(kernel, (8,) * 300, given) == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ((1, 2), "the kernel takes 5 parameters, but 2 values were given"),
        (((1,), (ctypes.c_int,)), "the kernel takes 5 parameters, but 1 value was given"),
        (((1,), ()), "expected as many types as values, not 0 and 1"),
        ((1, 1.0, "x", 1, 1), "parameter 2: expected a number, a handle, a record"),
        ("12345", "expected a sequence of values"),
        (1.5, "expected a sequence of values"),
        ({}, "expected a sequence of values"),
    ],
)
def test_wrong_parameters(launch: Launcher, params: Any, message: str) -> None:
    with pytest.raises(TypeError, match=rf"cuLaunchKernel\(\) argument 'kernelParams': {message}"):
        launch(launch.kernel(*SIZES), SIZES, params)


def test_a_list_that_changes_while_it_is_read(launch: Launcher) -> None:
    class Evil:
        def __init__(self, values: list[Any]) -> None:
            self.values = values

        def __index__(self) -> int:
            self.values.clear()
            return 1

    values: list[Any] = []
    values += [Evil(values), 2]
    with pytest.raises(IndexError):
        launch(launch.kernel(8, 8), (8, 8), values)


def test_launches_with_a_configuration(launch: Launcher) -> None:
    config = launch.driver.CUlaunchConfig(gridDimX=1)
    kernel = launch.kernel(4)
    ctypes.c_void_p.in_dll(launch.fake.c, "reads").value = int(kernel)
    launch.driver.cuLaunchKernelEx(config, kernel, [7])
    assert bytes((ctypes.c_ubyte * 4).in_dll(launch.fake.c, "copied")) == b"\7\0\0\0"


# ---- numbers by size -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_integers(launch: Launcher, size: int) -> None:
    bits = 8 * size
    for value in (-(1 << bits - 1), (1 << bits) - 1, 0, 1 << bits - 1, np.int64(3), True):
        expected = (int(value) % (1 << bits)).to_bytes(size, "little")
        assert launch.one(value if type(value) is not np.int64 else int(value), size) == expected
    for value in (-(1 << bits - 1) - 1, 1 << bits, 1 << 200):
        with pytest.raises(OverflowError, match=rf"parameter 0: {str(value)[:80]}.* does not fit in {bits} bits"):
            launch.one(value, size)


@pytest.mark.parametrize(("size", "form"), [(2, "e"), (4, "f"), (8, "d")])
def test_floats(launch: Launcher, size: int, form: str) -> None:
    numbers = random.Random(5)
    special = [
        0.0,
        -0.0,
        1.5,
        65504.0,
        65519.9,
        6e-8,
        2.98e-8,
        2.99e-8,
        6.1e-5,
        1 / 3,
        float("inf"),
        -float("inf"),
        2049.0,
    ]
    for value in special + [numbers.uniform(-1, 1) * 2.0 ** numbers.randint(-30, 15) for _ in range(200)]:
        assert launch.one(value, size) == struct.pack(form, value), value
    assert np.isnan(np.frombuffer(launch.one(float("nan"), size), f"f{size}"))


@pytest.mark.parametrize(("value", "size"), [(65520.0, 2), (1e39, 4), (1e39 + 1j, 8)])
def test_floats_that_are_too_large(launch: Launcher, value: Any, size: int) -> None:
    with pytest.raises(OverflowError, match="parameter 0: the value is too large for a floating-point number"):
        launch.one(value, size)


def test_complex_numbers(launch: Launcher) -> None:
    assert launch.one(1 + 2j, 16) == struct.pack("dd", 1, 2)
    assert launch.one(1 + 2j, 8) == struct.pack("ff", 1, 2)


@pytest.mark.parametrize(("value", "size"), [(5, 16), (5, 3), (1.5, 1), (1.5, 3), (1j, 4)])
def test_sizes_that_a_number_cannot_fill(launch: Launcher, value: Any, size: int) -> None:
    with pytest.raises(TypeError, match=f"parameter 0: the kernel's parameter has {size} bytes, which a value of type"):
        launch.one(value, size)


# ---- values that know their size -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [np.float32(1.5), np.float64(2.5), np.int32(5), np.uint64(7), np.bool_(True), np.complex64(1 + 2j), np.float16(3),
     np.array(5, np.int16)],
)  # fmt: skip
def test_numpy_scalars_keep_their_type(launch: Launcher, value: Any) -> None:
    assert launch.one(value, value.nbytes) == value.tobytes()
    assert launch(UNKNOWN, (value.nbytes,), [value]) == [value.tobytes()]
    with pytest.raises(TypeError, match=f"has 32 bytes, but this .* has {value.nbytes}"):
        launch.one(value, 32)


def test_a_double_for_a_float_is_an_error(launch: Launcher) -> None:
    for value in (np.float64(1), ctypes.c_double(1)):
        with pytest.raises(TypeError, match=r"the kernel's parameter has 4 bytes, but this '\w+' has 8"):
            launch.one(value, 4)


class Pair(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_double))


def test_structs_by_value(launch: Launcher) -> None:
    expected = struct.pack("id", 1, 2)
    assert launch.one(Pair(1, 2), 16) == launch.one(Pair(1, 2), 16, Pair) == expected
    structured = np.array((1, 2), np.dtype([("a", "i4"), ("b", "f8")], align=True))
    assert launch.one(structured, 16) == structured.tobytes()
    assert launch.one(launch.driver.CUuuid(bytes=b"0123456789abcdef"), 16) == b"0123456789abcdef"
    assert launch.one(b"abcd", 4) == b"abcd"
    with pytest.raises(TypeError, match="expected <class"):
        launch.one(5, 16, Pair)


def test_pointers(launch: Launcher) -> None:
    assert launch.one(None, 8) == bytes(8)
    assert launch.one(launch.driver.CUstream(5), 8) == struct.pack("Q", 5)
    assert launch.one(2**64 - 1, 8, ctypes.c_void_p) == b"\xff" * 8
    assert launch.one(None, 8, ctypes.c_void_p) == bytes(8)
    for value in (None, launch.driver.CUstream(5)):
        with pytest.raises(TypeError, match=r"has 4 bytes, but this .* has 8"):
            launch.one(value, 4)


# ---- values with a declared type -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["byte", "ubyte", "short", "ushort", "int", "uint", "long", "ulong", "longlong", "size_t"]
)
def test_declared_integers(launch: Launcher, name: str) -> None:
    type_ = getattr(ctypes, f"c_{name}")
    size, signed = ctypes.sizeof(type_), type_(-1).value < 0
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
    for value in (low, high):
        assert launch.one(value, size, type_) == bytes(type_(value)) == launch.one(type_(value), size, type_)
    for wrong in (low - 1, high + 1):
        with pytest.raises(OverflowError):
            launch.one(wrong, size, type_)
    with pytest.raises(TypeError, match="expected int, not 'float'"):
        launch.one(1.0, size, type_)
    with pytest.raises(TypeError, match=f"the kernel's parameter has 16 bytes, but .* has {size}"):
        launch.one(1, 16, type_)


def test_other_declared_types(launch: Launcher) -> None:
    assert launch.one(1, 4, ctypes.c_float) == struct.pack("f", 1)
    assert launch.one(np.float64(3), 4, ctypes.c_float) == struct.pack("f", 3)
    assert launch.one(2, 8, ctypes.c_double) == struct.pack("d", 2)
    assert launch.one(b"x", 1, ctypes.c_char) == b"x"
    assert launch.one(0, 1, ctypes.c_bool) == b"\0"
    with pytest.raises(OverflowError):
        launch.one(1e39, 4, ctypes.c_float)
    with pytest.raises(TypeError, match="its type: expected a class of ctypes or None, not 'int'"):
        launch.one(5, 4, 3)
