"""Arguments of a launch: from each kind of Python value to the bytes that the kernel sees, and what is refused."""

from __future__ import annotations

import ctypes
import enum
import math
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified import _native
from tests.unified.kernels import Library, Memory, ptx


class Four(ctypes.Structure):
    _fields_ = (("x", ctypes.c_float), ("y", ctypes.c_float), ("n", ctypes.c_int))


class Pair(ctypes.Union):
    _fields_ = (("word", ctypes.c_uint64), ("parts", ctypes.c_uint32 * 2))


class Color(enum.IntEnum):
    RED = 7


class Index:
    def __index__(self) -> int:
        return 1234


class Real(float):
    pass


@pytest.fixture(scope="module")
def library(device: Any) -> Library:
    return Library()


@pytest.fixture(scope="module")
def stream(device: Any) -> Any:
    return device.stream()


@pytest.fixture
def out(device: Any, stream: Any) -> Memory:
    return Memory(device, 1024, stream)


@pytest.fixture
def seen(library: Library, stream: Any, out: Memory) -> Callable[[str, Any], bytes]:
    """What a kernel saw of one argument."""

    def seen(kernel: str, value: Any) -> bytes:
        size = int(kernel[1:])
        cu.launch(stream, cu.LaunchConfig(1, 1), library[kernel], out.buffer, value)
        return out.read(size)

    return seen


INTEGERS = [
    *((f"{sign}{size}", value) for size in (1, 2, 4, 8) for sign in "iu" for value in (0, 1, 100, -1, -100)),
    *((f"i{size}", value) for size in (1, 2, 4, 8) for value in (2 ** (8 * size - 1) - 1, -(2 ** (8 * size - 1)))),
    *((f"u{size}", 2 ** (8 * size) - 1) for size in (1, 2, 4, 8)),
    ("p8", 0xDEAD_BEEF_0000),
    ("u8", 2**63),
    ("i4", True),
    ("i4", False),
    ("i8", Color.RED),
    ("u2", Index()),
]


@pytest.mark.parametrize(("kernel", "value"), INTEGERS)
def test_ints_have_the_declared_size(seen: Any, kernel: str, value: Any) -> None:
    size, number = int(kernel[1:]), value.__index__()
    assert seen(kernel, value) == (number % 2 ** (8 * size)).to_bytes(size, "little")


def test_ints_of_every_length(library: Library, stream: Any, out: Memory) -> None:
    random.seed(2)
    edges = [
        v + d for bits in (8, 15, 16, 30, 31, 32, 45, 59, 60, 61, 62) for v in (2**bits, -(2**bits)) for d in (-1, 0, 1)
    ]
    values = edges + [random.getrandbits(random.randint(1, 63)) * random.choice((-1, 1)) for _ in range(429)]
    values += [0] * (-len(values) % 15)
    kernel = library["sixteen"]
    for i in range(0, len(values), 15):
        kernel[1, 1, stream](out.buffer, *values[i : i + 15])
        assert out.read(120) == struct.pack("<15q", *values[i : i + 15])


def test_floats_have_the_declared_size(seen: Any) -> None:
    """Complaint 56: a Python float given for a float was packed as a double, and the kernel saw zeros."""
    for value in (0.0, -0.0, 1.5, math.pi, -1e30, 1e-40, math.inf, -math.inf, 3.4028234e38, Real(2.25)):
        assert seen("f4", value) == struct.pack("<f", value)
        assert seen("f8", value) == struct.pack("<d", value)
    assert math.isnan(struct.unpack("<f", seen("f4", math.nan))[0])
    assert math.isnan(struct.unpack("<d", seen("f8", math.nan))[0])


HALVES = [0.0, -0.0, 1.0, -2.5, 65504.0, 65519.99, 2**-14, 2**-24, 2**-25, 2**-25 * 1.0000001, 6.1e-5, math.inf, 1 / 3]


def test_floats_of_two_bytes_are_binary16_rounded_once(seen: Any) -> None:
    random.seed(1)
    values = HALVES + [random.uniform(-1, 1) * 2.0 ** random.randint(-26, 15) for _ in range(60)]
    values += [1 + 2**-11, 1 + 2**-11 + 2**-40, 1 + 3 * 2**-11, 1 + 2**-10 + 2**-11 - 2**-45]
    for value in values:
        assert seen("h2", value) == np.float16(value).tobytes(), value
    assert math.isnan(np.frombuffer(seen("h2", math.nan), np.float16)[0])


def test_bools(seen: Any) -> None:
    assert [seen("b1", value) for value in (True, False, np.True_)] == [b"\1", b"\0", b"\1"]


def test_complex_numbers_are_two_floats(seen: Any) -> None:
    assert seen("s16", 1.5 - 2j) == struct.pack("<2d", 1.5, -2)
    assert seen("u8", 1.5 - 2j) == struct.pack("<2f", 1.5, -2)


def test_none_is_a_null_pointer(seen: Any) -> None:
    assert seen("p8", None) == bytes(8)


NUMPY = [
    ("i1", np.int8(-5)), ("u1", np.uint8(200)), ("i2", np.int16(-500)), ("u2", np.uint16(60000)),
    ("i4", np.int32(-7)), ("u4", np.uint32(4_000_000_000)), ("i8", np.int64(-(2**60))), ("u8", np.uint64(2**64 - 1)),
    ("h2", np.float16(1.25)), ("f4", np.float32(2.5)), ("f8", np.float64(2.5)), ("s16", np.longdouble(2.5)),
    ("u8", np.complex64(1 - 2j)), ("s16", np.complex128(1 - 2j)), ("b1", np.bool_(True)),
    ("i8", np.datetime64("2026-01-02", "D")), ("i8", np.timedelta64(5, "s")),
    ("f4", np.array(2.5, "f4")), ("i8", np.array(-3)), ("s12", np.array((1, 2, 3), "f4,f4,i4")),
    ("s12", np.array([(1, 2, 3)], "f4,f4,i4")[0]), ("s3", np.void(b"abc")),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "value"), NUMPY, ids=lambda v: getattr(v, "dtype", v))
def test_numpy_scalars_keep_their_bytes(seen: Any, kernel: str, value: Any) -> None:
    for _ in range(3):  # found out, then known
        assert seen(kernel, value) == value.tobytes()


def test_many_scalars_of_one_class_are_told_apart(seen: Any) -> None:
    for number in (1, 2**31, 0, 77):
        assert seen("u8", np.uint64(number)) == struct.pack("<Q", number)
        assert seen("f8", np.float64(number)) == struct.pack("<d", number)


CTYPES = [
    ("i1", ctypes.c_byte(-5)), ("u2", ctypes.c_uint16(60000)), ("i4", ctypes.c_int(-7)), ("u8", ctypes.c_uint64(2**63)),
    ("f4", ctypes.c_float(2.5)), ("f8", ctypes.c_double(-2.5)), ("b1", ctypes.c_bool(True)), ("u1", ctypes.c_char(b"x")),
    ("p8", ctypes.c_void_p(4096)), ("s12", Four(1, 2, 3)), ("u8", Pair(word=2**40)), ("s12", (ctypes.c_int * 3)(1, 2, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "value"), CTYPES, ids=lambda v: v if isinstance(v, str) else type(v).__name__)
def test_ctypes_objects_keep_their_bytes(seen: Any, kernel: str, value: Any) -> None:
    """Complaint 27: structs could not be given by value."""
    assert seen(kernel, value) == bytes(value)


def test_bytes_are_the_argument(seen: Any) -> None:
    data = bytes(range(200)) * 3 + b"x" * 100
    assert seen("s700", data) == data
    assert seen("s3", b"abc") == seen("s3", bytearray(b"abc")) == seen("s3", memoryview(b"abc")) == b"abc"
    assert seen("i4", b"\1\2\3\4") == b"\1\2\3\4"


def test_records_and_handles_of_cubind(seen: Any, stream: Any) -> None:
    record = driver.CUmemLocation(type=driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, id=3)
    assert seen("u8", record) == bytes(record)
    assert seen("p8", stream.handle) == struct.pack("<Q", int(stream.handle))
    assert seen("i4", driver.CUresult.CUDA_ERROR_NOT_FOUND) == struct.pack("<i", 500)


def test_a_buffer_is_its_pointer(seen: Any, device: Any, stream: Any) -> None:
    buffer = device.allocate(64, stream)
    assert seen("p8", buffer) == struct.pack("<Q", buffer.pointer)
    empty = device.allocate(0, stream)
    assert seen("p8", empty) == bytes(8)


def test_arguments_lie_where_the_kernel_has_them(library: Library, stream: Any, out: Memory) -> None:
    cu.launch(stream, cu.LaunchConfig(1, 1), library["mixed"], out.buffer, -1, 258, b"abc", 2.5, 100, 1.5)
    assert out.read(19) == struct.pack("<bh3sdbf", -1, 258, b"abc", 2.5, 100, 1.5)


def test_more_arguments_than_the_stack_has_room_for(library: Library, stream: Any, out: Memory) -> None:
    values = [random.randint(-(2**31), 2**31 - 1) for _ in range(39)]
    for launch in (
        lambda: library["forty"][1, 1, stream](out.buffer, *values),
        library["forty"].bind(stream, cu.LaunchConfig(1, 1), out.buffer, *values),
    ):
        out.write(bytes(1024))
        launch()
        assert out.read(39 * 4) == struct.pack("<39i", *values)


# ---- what is refused: each names the kernel, the argument, what was expected and what was given


def refused(kernel: Any, error: type[Exception], *texts: str, arguments: tuple[Any, ...], stream: Any) -> None:
    before = driver.cuLaunchKernel  # nothing may reach the driver: the kernel would write to address 1
    assert before
    with pytest.raises(error) as caught:
        cu.launch(stream, cu.LaunchConfig(1, 1), kernel, *arguments)
    assert not isinstance(caught.value, cu.CudaError) or error is not TypeError
    for text in texts:
        assert text in str(caught.value), str(caught.value)
    stream.sync()


@pytest.mark.parametrize("n", [0, 1, 2, 4, 17])
def test_the_count_is_checked(library: Library, stream: Any, n: int) -> None:
    texts = ("three()", "takes 3 arguments", f"{n} {'was' if n == 1 else 'were'} given")
    refused(library["three"], TypeError, *texts, arguments=(1,) * n, stream=stream)
    with pytest.raises(TypeError, match="takes 3 arguments"):
        library["three"].bind(stream, cu.LaunchConfig(1, 1), *range(n))
    with pytest.raises(TypeError, match="takes 0 arguments, but 1 was"):
        library["nothing"][1, 1, stream](5)


OUT_OF_RANGE = [(f"i{size}", value) for size in (1, 2, 4, 8) for value in (2 ** (8 * size), -(2 ** (8 * size - 1)) - 1)]


@pytest.mark.parametrize(
    ("kernel", "value"),
    [*OUT_OF_RANGE, ("i4", 10**5000), ("i4", -(10**5000)), ("u8", 2**64)],
    ids=lambda v: str(v)[:2] if isinstance(v, str) else "",
)
def test_ints_that_do_not_fit(library: Library, stream: Any, kernel: str, value: int) -> None:
    size = kernel[1:]
    texts: tuple[str, ...] = (
        f"{kernel}(): args[1] of 2",
        f"{size} byte",
        f"from -{2 ** (8 * int(size) - 1)} to {2 ** (8 * int(size)) - 1}",
    )
    refused(library[kernel], ValueError, *texts, arguments=(1, value), stream=stream)


@pytest.mark.parametrize(("kernel", "value"), [("f4", 1e39), ("f4", -1e39), ("h2", 65520.0), ("u8", complex(1e39, 0))])
def test_floats_that_do_not_fit(library: Library, stream: Any, kernel: str, value: Any) -> None:
    refused(library[kernel], ValueError, f"{kernel}(): args[1] of 2", "large", arguments=(1, value), stream=stream)


WRONG = [
    ("f4", np.float64(2.5), ("4 bytes", "float64 of 8 bytes")),  # complaint 56, for values that know their size
    ("f8", np.float32(2.5), ("8 bytes", "float32 of 4 bytes")),
    ("i4", np.int64(2), ("4 bytes", "int64 of 8 bytes")),
    ("i8", ctypes.c_int(2), ("8 bytes", "c_int of 4 bytes")),
    ("s12", Pair(word=1), ("12 bytes", "Pair of 8 bytes")),
    ("s12", b"abc", ("12 bytes", "bytes of 3 bytes")),
    ("s3", np.void(b"abcd"), ("3 bytes", "void of 4 bytes")),
    ("i4", None, ("4 bytes", "given None")),
    ("s3", 5, ("3 bytes", "int")),
    ("s16", 2.5, ("16 bytes", "float")),
    ("u1", 2.5, ("1 byte", "float")),
    ("u2", 1j, ("2 bytes", "complex")),
    ("f4", 1j, ("4 bytes", "complex")),
    ("i4", "five", ("expected a parameter of 4 bytes, given str",)),
    ("p8", "five", ("expected a parameter of 8 bytes, given str",)),
    ("p8", [1, 2], ("list",)),
    ("p8", (1, 2), ("tuple",)),
    ("p8", {}, ("dict",)),
    ("p8", object(), ("object",)),
    ("p8", int, ("type",)),
    ("p8", np.zeros(1), ("ndarray", "host memory", "copy it to the device")),
    ("p8", np.array("text"), ("<U4",)),
    ("p8", np.array(object()), ("object",)),
    ("f4", np.array(2.5, ">f4"), ("byte order",)),
]


@pytest.mark.parametrize(("kernel", "value", "texts"), WRONG, ids=str)
def test_wrong_types_and_sizes(library: Library, stream: Any, kernel: str, value: Any, texts: tuple[str, ...]) -> None:
    texts = (f"{kernel}(): args[1] of 2", *texts)
    refused(library[kernel], TypeError, *texts, arguments=(1, value), stream=stream)


def test_objects_of_this_layer_that_are_no_arguments(library: Library, stream: Any, device: Any) -> None:
    for value, text in ((stream, "handle"), (device.event(), "handle"), (library["i4"], "Kernel")):
        refused(library["p8"], TypeError, "p8(): args[1] of 2", text, arguments=(1, value), stream=stream)


def test_a_buffer_of_host_memory_is_refused(library: Library, stream: Any) -> None:
    host = _native.make_buffer(4096, 16, None, 2, None, None, None)
    refused(library["p8"], ValueError, "p8(): args[1]", "host memory", arguments=(1, host), stream=stream)
    mapped = _native.make_buffer(4096, 16, None, 1 | 2 | 8, None, None, None)
    with pytest.raises(TypeError, match=r"i4\(\): args\[1\] of 2: expected a parameter of 4 bytes, given Buffer of 8"):
        library["i4"][1, 1, stream](1, mapped)


def test_a_closed_buffer_is_refused(library: Library, stream: Any, device: Any, out: Memory) -> None:
    buffer = device.allocate(64, stream)
    bound = library["three"].bind(stream, cu.LaunchConfig(1, 1), buffer, 1, 2.5)
    buffer.close()
    with pytest.raises(cu.ClosedError):
        cu.launch(stream, cu.LaunchConfig(1, 1), library["three"], buffer, 1, 2.5)
    with pytest.raises(cu.ClosedError):
        bound()
    bound.set(0, out.buffer)
    bound()
    assert out.read(8) == struct.pack("<2f", 0, 2.5)


def test_errors_of_an_argument_are_its_own(library: Library, stream: Any) -> None:
    class Bad:
        def __index__(self) -> int:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        library["i4"][1, 1, stream](1, Bad())


# ---- C++ kernels, whose names tell the types


def test_an_int_for_a_float_of_a_cpp_kernel_is_converted(library: Library, stream: Any, out: Memory) -> None:
    library["typed<float, int>"][1, 1, stream](out.buffer, 1, 7, None, 0)
    assert struct.unpack("<2f", out.read(8)) == (0, 7)
    library["typed<int, float>"][1, 1, stream](out.buffer, 1, 7, None, 0)
    assert struct.unpack("<2i", out.read(8)) == (0, 7)


def test_types_of_a_cpp_kernel_are_checked(library: Library, stream: Any, out: Memory) -> None:
    kernel, name = library["typed<float, int>"], "typed<float, int>"  # and not the mangled one
    assert kernel.name == library.names[name] and kernel.cxx_name == name
    good = [out.buffer, 1, 2.5, None, 3]
    for i, value, error, text in (
        (0, 2.5, TypeError, "expected a pointer of 8 bytes, given float"),
        (0, -1, ValueError, "a pointer of 8 bytes is from 0 to"),
        (1, 2.5, TypeError, "expected a signed integer of 4 bytes, given float"),
        (1, 2**31, ValueError, "a signed integer of 4 bytes is from -2147483648 to 2147483647"),
        (1, np.float32(1), TypeError, "expected a signed integer of 4 bytes, given float32 of 4 bytes"),
        (2, np.int32(1), TypeError, "expected a floating-point number of 4 bytes, given int32 of 4 bytes"),
        (2, 10**400, ValueError, "large"),
        (4, -1, ValueError, "an unsigned integer of 4 bytes is from 0 to 4294967295"),
    ):
        arguments = (*good[:i], value, *good[i + 1 :])
        refused(kernel, error, f"{name}(): args[{i}] of 5", text, arguments=arguments, stream=stream)


def test_complaint_56_an_int_for_a_float_where_the_ptx_is_known(library: Library, stream: Any, out: Memory) -> None:
    """An extern "C" name tells nothing; what PTX declares does."""
    kernel = cu.Kernel._make(library["three"].address, "three", library, ptx=ptx()[0])
    kernel[1, 1, stream](out.buffer, 1, 7)
    kernel[1, 1, stream](out.buffer, 2, np.float32(8))
    kernel[1, 1, stream](out.buffer, 0, True)
    assert struct.unpack("<3f", out.read(12)) == (1, 7, 8)
    for i, value, text in (
        (0, 2.5, "expected memory or an integer of 8 bytes, given float"),
        (1, 2.5, "expected an integer of 4 bytes, given float"),
        (1, np.float32(1), "expected an integer of 4 bytes, given float32 of 4 bytes"),
        (2, np.int32(1), "expected a floating-point number of 4 bytes, given int32 of 4 bytes"),
    ):
        arguments = [out.buffer, 1, 2.5]
        arguments[i] = value
        refused(kernel, TypeError, f"three(): args[{i}] of 3", text, arguments=tuple(arguments), stream=stream)
    cu.Module(ptx()[0].rstrip(b"\0").decode()).kernel("three")[1, 1, stream](out.buffer, 0, 9)
    assert struct.unpack("<3f", out.read(12)) == (9, 7, 8)
    byte = cu.Kernel._make(library["b1"].address, "b1", library, ptx=ptx()[0].decode())
    for value in (True, np.True_, 1):
        byte[1, 1, stream](out.buffer, value)
        assert out.read(1) == b"\1"
    number = cu.Kernel._make(library["i4"].address, "i4", library, ptx=ptx()[0])
    for value in (-1, 2**32 - 1):
        number[1, 1, stream](out.buffer, value)
        assert out.read(4) == b"\xff" * 4


def test_all_types_of_a_cpp_kernel(library: Library, stream: Any, out: Memory) -> None:
    library["named"][1, 1, stream](out.buffer, -3, 65535, 2, 3, True, b"ab", 2**64 - 1)
    assert out.read(24) == struct.pack("<bHfd?Q", -3, 65535, 2, 3, True, 2**64 - 1)
    with pytest.raises(ValueError, match=r"args\[5\] of 8: a bool of 1 byte"):
        library["named"][1, 1, stream](out.buffer, -3, 65535, 2, 3, 2, b"ab", 0)
