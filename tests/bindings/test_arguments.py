"""Arguments and results of functions: what is accepted, what C gets, what an error says.

Every argument of every function is compared in tests/abi; here are the ways in which a call can be written.
"""

from __future__ import annotations

import array
import ctypes
import pathlib
import struct
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.helpers.fakes import Fake

SOURCE = """
unsigned long long seen[8];
char text[64];
static unsigned char memory[4096];
void *contents(void) { return memory; }
#define KEEP(i, v) (seen[i] = (unsigned long long)(v))
CUresult cuInit(unsigned flags) { KEEP(0, flags); return 0; }
CUresult cuDeviceGet(CUdevice *device, int ordinal) { KEEP(0, ordinal); *device = 3; return 0; }
CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t n) { KEEP(0, n); *p = 1ull << 63; return 0; }
CUresult cuTexRefSetMipmapLevelBias(CUtexref t, float v) { memcpy(seen, &v, 4); return 0; }
CUresult cuStreamSynchronize(CUstream s) { KEEP(0, s); return 0; }
CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned f) { KEEP(0, s); KEEP(1, e); KEEP(2, f); return 0; }
CUresult cuEventQuery(CUevent e) { return e ? CUDA_ERROR_NOT_READY : 0; }
CUresult cuMemcpyHtoD_v2(CUdeviceptr d, const void *h, size_t n) {
    KEEP(0, d); KEEP(1, h); KEEP(2, n); if (h && n) memcpy(memory, h, n); return 0; }
CUresult cuMemcpyDtoH_v2(void *h, CUdeviceptr d, size_t n) { KEEP(1, h); if (h) memset(h, 7, n); return 0; }
CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
    strncpy(text, name, 63); *f = (CUfunction)0x40; return 0; }
CUresult cuMemGetInfo_v2(size_t *f, size_t *t) { *f = 1; *t = 2; return 0; }
CUresult cuCtxSetLimit(CUlimit limit, size_t v) { KEEP(0, (int)limit); KEEP(1, v); return 0; }
CUresult cuStreamBatchMemOp_v2(CUstream s, unsigned n, CUstreamBatchMemOpParams *p, unsigned f) {
    KEEP(0, n); if (p) memcpy(memory, p, n * sizeof *p); return 0; }
CUresult cuTensorMapEncodeTiled(CUtensorMap *m, CUtensorMapDataType t, cuuint32_t rank, void *a, const cuuint64_t *dim,
    const cuuint64_t *strides, const cuuint32_t *box, const cuuint32_t *elements, CUtensorMapInterleave i,
    CUtensorMapSwizzle s, CUtensorMapL2promotion l, CUtensorMapFloatOOBfill o) {
    KEEP(0, rank); memcpy(memory, dim, 8 * rank); memcpy(memory + 64, box, 4 * rank); memset(m, 9, sizeof *m); return 0; }
CUresult cuGraphAddDependencies_v2(CUgraph g, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *e,
    size_t n) { KEEP(0, n); KEEP(1, e); memcpy(memory, from, 8 * n); memcpy(memory + 64, to, 8 * n); return 0; }
CUresult cuMemAdvise_v2(CUdeviceptr p, size_t n, CUmem_advise a, CUmemLocation l) { KEEP(0, l.type); KEEP(1, l.id); return 0; }
CUresult cuGraphGetNodes(CUgraph g, CUgraphNode *nodes, size_t *n) {
    if (nodes) for (size_t i = 0; i < *n; i++) nodes[i] = (CUgraphNode)(0x100 + i);
    else *n = 3;
    return 0; }
CUresult cuDeviceGetName(char *name, int len, CUdevice d) { strncpy(name, "a device", len); KEEP(0, len); return 0; }
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    return Fake(tmp_path_factory.mktemp("arguments"), SOURCE)


@pytest.fixture
def driver(fake: Fake) -> Iterator[ModuleType]:
    with fake.driver() as module:
        yield module


def memory(fake: Fake, n: int, start: int = 0) -> bytes:
    fake.c.contents.restype = ctypes.c_void_p
    return ctypes.string_at(fake.c.contents() + start, n)


class Index:
    """An integer of another package."""

    def __init__(self, value: int, run: Callable[[], Any] = lambda: None) -> None:
        self.value, self.run = value, run

    def __index__(self) -> int:
        self.run()
        return self.value


# ---- how a call is written -------------------------------------------------------------------------------------------


def test_keywords_are_the_names_of_c(driver: ModuleType, fake: Fake) -> None:
    for call in (
        lambda: driver.cuStreamWaitEvent(1, 2, 3),
        lambda: driver.cuStreamWaitEvent(1, Flags=3, hEvent=2),
        lambda: driver.cuStreamWaitEvent(**{"hStream": 1, "hEvent": 2, "Flags": 3}),
        lambda: driver.cuStreamWaitEvent(*[1, 2], **{"Flags": 3}),
    ):
        fake.c.cuStreamWaitEvent(None, None, 0)
        call()
        assert fake.array("seen", 3) == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((), {}, "cuStreamWaitEvent() missing 3 required positional arguments: 'hStream', 'hEvent', and 'Flags'"),
        ((1,), {"Flags": 0}, "cuStreamWaitEvent() missing 1 required positional argument: 'hEvent'"),
        ((1, 2, 3, 4), {}, "cuStreamWaitEvent() takes 3 positional arguments but 4 were given"),
        ((1, 2, 3), {"Flags": 3}, "cuStreamWaitEvent() got multiple values for argument 'Flags'"),
        ((1, 2), {"flags": 3}, "cuStreamWaitEvent() got an unexpected keyword argument 'flags' (accepted: 'hStream', "
         "'hEvent', and 'Flags')"),
        ((1, 2), {"\ud800": 3}, None),
    ],
)  # fmt: skip
def test_wrong_numbers_of_arguments(driver: ModuleType, arguments: Any, keywords: Any, message: str | None) -> None:
    with pytest.raises(TypeError) as error:
        driver.cuStreamWaitEvent(*arguments, **keywords)
    assert message is None or str(error.value) == message


def test_results(driver: ModuleType) -> None:
    """Complaints 2 and 3: a call returns its outputs, bare; errors are raised."""
    assert driver.cuInit(0) is None
    assert driver.cuDeviceGet(0) == 3
    assert driver.cuMemAlloc(5) == 1 << 63
    assert driver.cuMemGetInfo() == (1, 2)
    assert driver.cuModuleGetFunction(0, "k") == driver.CUfunction(0x40)
    assert driver.cuGraphGetNodes(0) == [driver.CUgraphNode(0x100 + i) for i in range(3)]
    assert driver.cuDeviceGetName(100, 0) == "a device"
    assert driver.cuMemAlloc_v2 is driver.cuMemAlloc or driver.cuMemAlloc_v2(5) == 1 << 63


def test_statuses_that_answer_a_question(driver: ModuleType) -> None:
    """Complaint 2: what a program expects to happen is an answer and no exception."""
    assert driver.cuEventQuery(0) is True
    assert driver.cuEventQuery(5) is False


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "parameter", "low", "high", "ctype"),
    [
        ("cuInit", "Flags", 0, 2**32 - 1, "unsigned int"),
        ("cuDeviceGet", "ordinal", -(2**31), 2**31 - 1, "int"),
        ("cuMemAlloc", "bytesize", 0, 2**64 - 1, "unsigned long long"),
    ],
)
def test_ranges(driver: ModuleType, fake: Fake, function: str, parameter: str, low: int, high: int, ctype: str) -> None:
    call = getattr(driver, function)
    for value in (low, high, np.int16(7), Index(8), True):
        call(value)
        assert fake.array("seen", 1)[0] == int(Index.__index__(value) if isinstance(value, Index) else value) % 2**64
    for value in (low - 1, high + 1, 1 << 90):
        with pytest.raises(OverflowError) as error:
            call(value)
        assert f"{function}() argument '{parameter}': {value} does not fit in {ctype} ({low} to {high})" == str(
            error.value
        )
    for wrong in ("1", 1.0, None, [1]):
        with pytest.raises(
            TypeError, match=rf"^{function}\(\) argument '{parameter}': |'{type(wrong).__name__}' object"
        ):
            call(wrong)


def test_huge_numbers_have_short_errors(driver: ModuleType) -> None:
    with pytest.raises(OverflowError) as error:
        driver.cuInit(10**6000)
    assert len(str(error.value)) < 200


def test_floats(driver: ModuleType, fake: Fake) -> None:
    driver.cuTexRefSetMipmapLevelBias(None, 1.5)
    assert struct.pack("Q", *fake.array("seen", 1))[:4] == struct.pack("f", 1.5)
    driver.cuTexRefSetMipmapLevelBias(None, np.float64(-2))
    with pytest.raises(TypeError, match="argument 'bias'"):
        driver.cuTexRefSetMipmapLevelBias(None, "1")


def test_enums(driver: ModuleType, fake: Fake) -> None:
    driver.cuCtxSetLimit(driver.CU_LIMIT_MALLOC_HEAP_SIZE, 5)
    assert fake.array("seen", 2) == [2, 5]
    driver.cuCtxSetLimit(7777, 5)
    assert fake.array("seen", 1) == [7777], "enums are open"
    with pytest.raises(TypeError, match="argument 'limit'"):
        driver.cuCtxSetLimit("CU_LIMIT_STACK_SIZE", 5)
    with pytest.raises(OverflowError, match="argument 'limit'"):
        driver.cuCtxSetLimit(1 << 40, 5)


def test_errors_of_other_code_come_through(driver: ModuleType) -> None:
    class Special(ValueError):
        pass

    def fail(error: BaseException) -> Callable[[], Any]:
        def run() -> Any:
            raise error

        return run

    for error in (KeyError("k"), Special("s"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            driver.cuInit(Index(0, fail(error)))
        assert caught.value is error
    same = ValueError("same")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^cuInit\(\) argument 'Flags': same$"):
            driver.cuInit(Index(0, fail(same)))


# ---- handles, records, memory ----------------------------------------------------------------------------------------


def test_handles(driver: ModuleType, fake: Fake) -> None:
    class Stream:
        def __cuda_stream__(self) -> tuple[int, int]:
            return (0, 99)

    for given, expected in ((driver.CUstream(5), 5), (6, 6), (None, 0), (Stream(), 99), (np.uint64(7), 7)):
        driver.cuStreamSynchronize(given)
        assert fake.array("seen", 1) == [expected]
    with pytest.raises(
        TypeError, match=r"cuStreamSynchronize\(\) argument 'hStream': expected CUstream, .* not 'CUevent'"
    ):
        driver.cuStreamSynchronize(driver.CUevent(1))
    with pytest.raises(TypeError, match=r"argument 'hEvent': expected CUevent, int or None, not 'Stream'"):
        driver.cuStreamWaitEvent(None, Stream(), 0)


def test_records_by_value(driver: ModuleType, fake: Fake) -> None:
    driver.cuMemAdvise(0, 0, 1, driver.CUmemLocation(type=1, id=5))
    assert fake.array("seen", 2) == [1, 5]
    for wrong in (None, driver.CUuuid(), {"type": 1}):
        with pytest.raises(TypeError, match=r"cuMemAdvise\(\) argument 'location': expected CUmemLocation_v1"):
            driver.cuMemAdvise(0, 0, 1, wrong)


@pytest.mark.parametrize(
    "given",
    [b"abcd", bytearray(b"abcd"), memoryview(b"abcd"), np.frombuffer(b"abcd", np.int32), array.array("B", b"abcd"),
     (ctypes.c_char * 4)(*b"abcd"), ctypes.create_string_buffer(b"abcd")],
)  # fmt: skip
def test_memory_that_c_reads(driver: ModuleType, fake: Fake, given: Any) -> None:
    driver.cuMemcpyHtoD(16, given, 4)
    assert memory(fake, 4) == b"abcd"


def test_addresses(driver: ModuleType, fake: Fake) -> None:
    record = driver.CUuuid(bytes=b"0123")
    for given, expected in (
        (record.ptr, record.ptr), (record, record.ptr), (ctypes.c_void_p(record.ptr), record.ptr),
        (np.uint64(record.ptr), record.ptr), (Index(record.ptr), record.ptr),
    ):  # fmt: skip
        driver.cuMemcpyHtoD(16, given, 4)
        assert fake.array("seen", 2)[1] == expected
        assert memory(fake, 4) == b"0123"
    driver.cuMemcpyHtoD(16, None, 4)
    assert fake.array("seen", 2)[1] == 0


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ("text", TypeError, "expected an address .* not 'str'"),
        (1.5, TypeError, "not 'float'"),
        (True, TypeError, "not 'bool'"),
        ([1], TypeError, "not 'list'"),
        (-1, OverflowError, "-1 does not fit"),
        (memoryview(b"abcdefgh")[::2], BufferError, "is not contiguous in memory; pass a contiguous copy"),
    ],
)
def test_what_is_no_memory(driver: ModuleType, wrong: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=rf"cuMemcpyHtoD\(\) argument 'srcHost': .*{message}"):
        driver.cuMemcpyHtoD(16, wrong, 4)


def test_memory_that_c_writes(driver: ModuleType) -> None:
    target = bytearray(4)
    driver.cuMemcpyDtoH(target, 16, 4)
    assert target == b"\7" * 4
    target.append(0)
    array_2d = np.zeros((2, 2), np.int8, order="F")
    driver.cuMemcpyDtoH(array_2d, 16, 4)
    assert array_2d.tolist() == [[7, 7], [7, 7]]
    with pytest.raises(BufferError, match=r"argument 'dstHost': the memory of this 'bytes' is read-only, but"):
        driver.cuMemcpyDtoH(b"1234", 16, 4)


def test_text(driver: ModuleType, fake: Fake) -> None:
    for given in ("käfer", "käfer".encode()):
        driver.cuModuleGetFunction(0, given)
        assert (ctypes.c_char * 64).in_dll(fake.c, "text").value == "käfer".encode()
    for wrong, error, message in (
        ("a\0b", ValueError, "NUL"),
        (5, TypeError, r"cuModuleGetFunction\(\) argument 'name': expected str, bytes or None, not 'int'"),
        (pathlib.PurePosixPath("/x"), TypeError, r"pass os\.fspath\(path\)"),
        ("\ud800", UnicodeEncodeError, "surrogates"),
    ):
        with pytest.raises(error, match=message):
            driver.cuModuleGetFunction(0, wrong)


# ---- arrays ----------------------------------------------------------------------------------------------------------


def encode(driver: ModuleType, dims: Any, box: Any = (4, 2), rank: int = 2) -> Any:
    return driver.cuTensorMapEncodeTiled(0, rank, 4096, dims, [64], box, (1, 1), 0, 0, 0, 0)


@pytest.mark.parametrize(
    "dims",
    [[8, 9], (8, 9), range(8, 10), np.array([8, 9], np.uint64), array.array("Q", [8, 9]), struct.pack("QQ", 8, 9),
     (ctypes.c_uint64 * 2)(8, 9), [np.uint64(8), Index(9)]],
)  # fmt: skip
def test_arrays(driver: ModuleType, fake: Fake, dims: Any) -> None:
    encoded = encode(driver, dims)
    assert memory(fake, 16) == struct.pack("QQ", 8, 9)
    assert memory(fake, 8, 64) == struct.pack("II", 4, 2)
    assert bytes(encoded) == b"\t" * 128


@pytest.mark.parametrize(
    ("dims", "error", "message"),
    [
        ([1, "x"], TypeError, "element 1: expected int, not 'str'"),
        ([1, -1], OverflowError, "element 1: -1 does not fit in unsigned long long"),
        (np.array([1, 2], np.int64), TypeError, "expected elements of type uint64, not of format 'l'"),
        (np.array([1, 2], np.uint32), TypeError, r"expected elements of 8 bytes \(uint64\), not of 4 bytes"),
        (np.array([1, 2], ">u8"), TypeError, "expected elements of type uint64, not of format '>Q'"),
        (b"123", TypeError, "3 bytes are no whole number of elements of 8 bytes"),
        ("12", TypeError, "expected a sequence or a buffer of uint64"),
        ({1, 2}, TypeError, "expected a sequence or a buffer of uint64"),
        (1.5, TypeError, "expected a sequence or a buffer of uint64"),
    ],
)
def test_what_is_no_array(driver: ModuleType, dims: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=rf"cuTensorMapEncodeTiled\(\) argument 'globalDim': {message}"):
        encode(driver, dims)


def test_counts_and_lengths(driver: ModuleType, fake: Fake) -> None:
    nodes = [driver.CUgraphNode(i) for i in (1, 2, 3)]
    driver.cuGraphAddDependencies(0, nodes, nodes, None, None)
    assert fake.array("seen", 2) == [3, 0]
    driver.cuGraphAddDependencies(0, nodes, nodes, None, 2)
    assert fake.array("seen", 1) == [2]
    assert memory(fake, 16) == struct.pack("QQ", 1, 2)
    with pytest.raises(ValueError, match="4 is more than the 3 elements"):
        driver.cuGraphAddDependencies(0, nodes, nodes, None, 4)
    with pytest.raises(TypeError, match="argument 'from_': element 0: expected CUgraphNode"):
        driver.cuGraphAddDependencies(0, [driver.CUstream(1)], nodes, None, 1)
    with pytest.raises(ValueError):
        encode(driver, [1], rank=2)


def test_arrays_of_records(driver: ModuleType, fake: Fake) -> None:
    Op = driver.CUstreamBatchMemOpParams
    operations = [Op(waitValue={"operation": 1, "address": 8}), Op(operation=3)]
    driver.cuStreamBatchMemOp(0, None, operations, 0)
    assert fake.array("seen", 1) == [2]
    assert memory(fake, 2 * operations[0].nbytes) == b"".join(map(bytes, operations))
    driver.cuStreamBatchMemOp(0, None, operations[0], 0)
    assert fake.array("seen", 1) == [1]
    with pytest.raises(ValueError, match="a number is needed, because the length of 'paramArray' is not known"):
        driver.cuStreamBatchMemOp(0, None, operations[0].ptr, 0)
    driver.cuStreamBatchMemOp(0, 1, operations[0].ptr, 0)
    with pytest.raises(TypeError, match="element 1: expected CUstreamBatchMemOpParams_v1, not 'CUuuid'"):
        driver.cuStreamBatchMemOp(0, None, [operations[0], driver.CUuuid()], 0)


def test_a_list_that_changes_while_it_is_read(driver: ModuleType) -> None:
    dims: list[Any] = []
    dims += [Index(1, dims.clear), 2]
    with pytest.raises(IndexError):
        encode(driver, dims)


def test_a_large_array(driver: ModuleType, fake: Fake) -> None:
    nodes = list(range(1, 8))
    for n in (1, 7):
        driver.cuGraphAddDependencies(0, nodes[:n], nodes[:n], None, None)
        assert memory(fake, 8 * n) == struct.pack(f"{n}Q", *nodes[:n])
