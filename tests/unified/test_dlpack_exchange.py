"""DLPack's table of C functions: ours as a consumer in C would call it, and other types' tables as we call them."""

import ctypes
import gc
import sys
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import run, waits_for
from tests.unified.dlpack_tools import (
    FROM_OBJECT,
    SET_ERROR,
    WORK_STREAM,
    Exchange,
    Producer,
    Tensor,
    Versioned,
    exchange_of,
    new_capsule,
)

deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@pytest.fixture(scope="module")
def ours():
    return exchange_of(cu.Array)


# ---- ours ----------------------------------------------------------------------------------------------------------


def test_both_spellings(ours):
    assert type(cu.Array.__dlpack_c_exchange_api__).__name__ == "PyCapsule"
    assert cu.Array.__c_dlpack_exchange_api__ == ctypes.addressof(ours)
    assert (ours.major, ours.minor, ours.older) == (1, 3, None)


def test_a_managed_tensor_of_an_array(ours, device):
    a = cu.as_array(cu.from_host(np.arange(12, dtype="f4").reshape(3, 4), device), readonly=True)[:, ::2]
    gone, out = weakref.ref(a), ctypes.c_void_p()
    assert ours.from_object(a, out) == 0
    struct = Versioned.from_address(out.value)
    assert (struct.major, struct.flags, struct.tensor.data, struct.tensor.strides[:2]) == (1, 1, a.pointer, [4, 2])
    del a
    assert gone() is not None
    deleter(struct.deleter)(out.value)
    assert gone() is None


def test_there_and_back(ours):
    """Complaints 25 and 52."""
    there = np.arange(5)
    out, made = ctypes.c_void_p(), ctypes.py_object()
    assert ours.from_object(cu.as_array(there), out) == 0
    assert ours.to_object(out, made) == 0
    assert isinstance(made.value, cu.Array) and np.shares_memory(np.asarray(made.value), there)


def test_a_tensor_that_is_only_looked_at(ours, device):
    a, tensor = cu.zeros((2, 3), "int16", device=device).T, Tensor()
    count = sys.getrefcount(a)
    assert ours.tensor_of(a, tensor) == 0
    assert (tensor.data, tensor.shape[:2], tensor.strides[:2], tensor.device_type) == (a.pointer, [3, 2], [1, 3], 2)
    assert sys.getrefcount(a) == count


def test_what_it_refuses(ours, device):
    record = cu.zeros(3, "record5", device=device)
    for function, out in [(ours.from_object, ctypes.c_void_p()), (ours.tensor_of, Tensor())]:
        with pytest.raises(BufferError, match="record5"):
            function(record, out)
        with pytest.raises(TypeError, match="an Array is wanted"):
            function("no array", out)
    closed = cu.zeros(3, device=device)
    closed.buffer.close()
    with pytest.raises(cu.ClosedError):
        ours.from_object(closed, ctypes.c_void_p())
    with pytest.raises(BufferError):
        ours.to_object(None, ctypes.py_object())


def test_tensors_that_are_given_away_are_deleted(ours):
    for changes in ({"version": (9, 0)}, {"dtype": (99, 1, 1)}):
        producer = Producer(1, (1,), (1,), **changes)
        with pytest.raises(BufferError):
            ours.to_object(ctypes.addressof(producer.struct), ctypes.py_object())
        assert producer.deleted == 1


def test_the_current_stream(ours, device):
    out = ctypes.c_void_p(5)
    assert ours.work_stream(1, 0, out) == 0 and out.value is None
    assert ours.work_stream(2, 0, out) == 0 and out.value == device.default_stream.address
    with device.stream() as stream:
        assert ours.work_stream(2, 0, out) == 0 and out.value == stream.address
    with pytest.raises(BufferError, match="device type 4"):
        ours.work_stream(4, 0, out)
    with pytest.raises(cu.InvalidDeviceError):
        ours.work_stream(2, 99, out)


@pytest.mark.parametrize("where", [(1, 0), (2, 0), (3, 0), (13, 0)])
def test_the_allocator(ours, device, where):
    """Called as a C library does: without the GIL."""
    shape, out = (ctypes.c_int64 * 2)(3, 4), ctypes.c_void_p()
    prototype = Tensor(None, *where, 2, 2, 32, 1, shape, None, 0)
    assert ours.allocator(prototype, out, None, SET_ERROR(lambda *_: None)) == 0
    struct = Versioned.from_address(out.value)
    assert (struct.tensor.device_type, struct.tensor.shape[:2], struct.tensor.strides[:2]) == (where[0], [3, 4], [4, 1])
    made = ctypes.py_object()
    assert ours.to_object(out, made) == 0
    assert made.value.fill(2).to_host().tolist() == [[2] * 4] * 3


def test_the_allocators_errors(ours):
    said = []
    shape, out = (ctypes.c_int64 * 1)(3), ctypes.c_void_p()
    note = SET_ERROR(lambda context, kind, message: said.append((context, kind.decode(), message.decode())))
    for prototype, kind, text in [
        (Tensor(None, 1, 0, 1, 99, 32, 1, shape, None, 0), "BufferError", "code 99"),
        (Tensor(None, 7, 0, 1, 2, 32, 1, shape, None, 0), "BufferError", "device type 7"),
        (Tensor(None, 2, 99, 1, 2, 32, 1, shape, None, 0), "InvalidDeviceError", "99"),
        (Tensor(None, 1, 0, 1, 2, 32, 1, (ctypes.c_int64 * 1)(2**60), None, 0), "", ""),
        (Tensor(None, 1, 0, 1, 2, 32, 1, (ctypes.c_int64 * 1)(-1), None, 0), "", ""),
    ]:
        assert ours.allocator(prototype, out, 77, note) == -1 and out.value is None
        context, said_kind, message = said.pop()
        assert context == 77 and kind in said_kind and text in message and said_kind
    assert ours.allocator(prototype, out, None, SET_ERROR()) == -1


# ---- others' -------------------------------------------------------------------------------------------------------


def make_type(table, **members):
    """A type with a table; the capsule does not keep the table, so the type does."""
    capsule = new_capsule(ctypes.addressof(table), b"dlpack_exchange_api")
    return type("Foreign", (), {"__dlpack_c_exchange_api__": capsule, "table": table, **members})


class Foreign:
    """An exchange table whose tensors are those of a Producer."""

    def __init__(self, producer, stream=None, **changes):
        self.calls = []

        def from_object(_object, out):
            self.calls.append("from_object")
            if isinstance(producer, Exception):
                return -1
            out[0] = ctypes.addressof(producer.struct) if producer else None
            return 0

        def work_stream(kind, number, out):
            self.calls.append((kind, number))
            out[0] = stream
            return 0

        fields = {
            "major": 1,
            "minor": 3,
            "from_object": FROM_OBJECT(from_object),
            "work_stream": WORK_STREAM(work_stream),
        }
        self.table = Exchange(**{**fields, **changes})
        self.type = make_type(self.table, **({"__dlpack__": None} if changes.get("major", 1) == 1 else {}))


def test_the_fast_path():
    """Complaints 25 and 52."""
    there = np.arange(4, dtype="f4")
    producer = Producer(there.ctypes.data, (4,), (1,))
    foreign = Foreign(producer)
    a = cu.as_array(foreign.type())
    assert np.asarray(a).tolist() == [0, 1, 2, 3] and foreign.calls == ["from_object"]
    del a
    assert producer.deleted == 1


def test_the_order_of_streams(device):
    theirs, mine = device.stream(), device.stream()
    memory = cu.zeros(4, device=device)
    foreign = Foreign(Producer(memory.pointer, (4,), (1,), device=(2, 0)), theirs.address)
    device.sync()
    assert waits_for(mine, theirs, lambda: cu.as_array(foreign.type(), stream=mine))
    assert foreign.calls == ["from_object", (2, 0)]
    assert not waits_for(mine, theirs, lambda: cu.as_array(foreign.type(), stream=-1))
    assert cu.as_array(foreign.type(), stream=mine).stream is mine
    default = Foreign(Producer(memory.pointer, (4,), (1,), device=(2, 0)), None)
    assert waits_for(mine, device.default_stream, lambda: cu.as_array(default.type(), stream=mine))


def test_another_version_is_searched_in_the_chain():
    there = np.arange(4, dtype="f4")
    good, odd = Foreign(Producer(there.ctypes.data, (4,), (1,))), Producer(0, (4,), (1,))
    newer = Foreign(odd, major=2, older=ctypes.addressof(good.table))
    assert np.asarray(cu.as_array(newer.type())).tolist() == [0, 1, 2, 3] and newer.calls == []
    alone = Foreign(odd, major=2)
    with pytest.raises(TypeError, match="as_array"):
        cu.as_array(alone.type())
    assert alone.calls == []


@pytest.mark.parametrize(
    "producer", [None, ValueError(), Producer(1, (1,), (1,), version=(3, 0)), Producer(1, (1,), (1,), dtype=(99, 1, 1))]
)
def test_tables_that_misbehave(producer):
    foreign = Foreign(producer)
    with pytest.raises((BufferError, TypeError)):
        cu.as_array(foreign.type())
    if isinstance(producer, Producer):
        assert producer.deleted == 1


@pytest.mark.parametrize("attribute", [5, 0, "x", new_capsule(16, b"another name")])
def test_attributes_that_are_no_table(attribute):
    """An int, the protocol's first spelling, could be anything and is not followed."""
    there = np.arange(3)
    kind = type(
        "Odd",
        (),
        {
            "__dlpack_c_exchange_api__": attribute,
            "__c_dlpack_exchange_api__": 12345,
            "__dlpack__": lambda self, **k: there.__dlpack__(**k),
            "__dlpack_device__": lambda self: (1, 0),
        },
    )
    assert np.asarray(cu.as_array(kind())).tolist() == [0, 1, 2]


def test_types_may_come_and_go():
    """What is remembered of a type is never taken for another one at the same address."""
    there = np.arange(4, dtype="f4")
    for i in range(300):
        if i % 2:
            foreign = Foreign(Producer(there.ctypes.data, (4,), (1,)))
            assert cu.as_array(foreign.type()).size == 4
        else:
            kind = type("Plain", (), {"__array_interface__": there.__array_interface__})
            assert cu.as_array(kind()).size == 4
        gc.collect(0)


def test_the_table_at_the_end():
    """The allocator, called when the interpreter is gone, says so."""
    run("""
import ctypes
import cuda_unified as cu
from tests.unified.dlpack_tools import exchange_of
assert exchange_of(cu.Array).major == 1
""")
