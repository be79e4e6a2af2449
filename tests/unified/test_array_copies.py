"""Copies and fills of arrays of any strides, against NumPy's."""

import gc
import random

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import Pinned, held, memory_at, numbers, on_device, random_shape, strided, waits_for


def test_copies_of_any_strides_on_a_device(device):
    rng = random.Random(3)
    for turn in range(150):
        shape = random_shape(rng, 4)
        dtype = rng.choice(["u1", "i2", "i4", "c16"])
        src, dst = strided(rng, shape, dtype), strided(rng, shape, dtype)
        ours, target = on_device(src, device), on_device(dst, device)
        assert np.array_equal(ours.to_host(), src), turn
        target.copy_from(ours)
        dst[...] = src
        assert np.array_equal(target.to_host(), src), turn
        if dst.size:  # and nothing between its elements
            low, high = cu._native.array_extent(target)
            span = cu._native.array_like(target, (high - low,), (1,), "uint8", low, True)
            base = np.lib.array_utils.byte_bounds(dst)[0]
            assert span.to_host().tobytes() == bytes(memory_at(base, high - low)), turn


def test_copies_between_host_and_device(device):
    rng = random.Random(4)
    for _ in range(60):
        src = strided(rng, random_shape(rng, 4))
        ours = on_device(strided(rng, src.shape), device)
        assert ours.copy_from(src) is ours  # from memory with gaps to memory with gaps
        out = strided(rng, src.shape)
        assert ours.to_host(out=out) is out
        assert np.array_equal(out, src)
        dst = strided(rng, src.shape)
        assert ours.copy_to(dst) is dst and np.array_equal(dst, src)


def test_copies_on_the_host():
    rng = random.Random(5)
    for _ in range(200):
        src, dst = strided(rng, random_shape(rng)), None
        dst = strided(rng, src.shape)
        cu.as_array(dst).copy_from(src)
        assert np.array_equal(src, dst)
        assert np.array_equal(np.asarray(cu.as_array(src).contiguous()), src)


@pytest.mark.parametrize("where", ["host", "device"])
def test_overlapping_copies(device, where):
    there = numbers((20,))
    ours = cu.from_host(there, device) if where == "device" else cu.as_array(there.copy())
    ours[2:].copy_from(ours[:-2])
    there[2:] = there[:-2].copy()
    assert ours.to_host().tolist() == there.tolist()
    ours.copy_from(ours[::-1])
    assert ours.to_host().tolist() == there[::-1].tolist()


def test_a_transposed_matrix_is_one_call_a_column(device):
    a = cu.empty((50, 30), device=device)
    calls = cu._native.copy_calls
    assert calls(cu.empty((50, 30), device=device), a) == 1
    assert calls(cu.empty((30, 50), device=device), a.T) == 30
    assert calls(cu.empty((50, 10), device=device), a[:, ::3]) == 1  # rows of one element with a pitch
    assert calls(cu.empty((4, 5, 6), device=device), cu.empty((4, 10, 12), device=device)[:, ::2, :6]) == 1  # a box
    assert calls(cu.empty((0, 5), device=device), cu.empty((0, 5), device=device)) == 0


def test_copies_that_are_refused(device):
    a = cu.zeros((2, 3), device=device)
    with pytest.raises(ValueError, match="shape"):
        a.copy_from(np.zeros((3, 2), "f4"))
    with pytest.raises(TypeError, match="float64"):
        a.copy_from(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="read-only"):
        cu.as_array(a, readonly=True).copy_from(a)
    with pytest.raises(ValueError, match="read-only"):
        cu.as_array(a, readonly=True).fill(0)
    with pytest.raises((ValueError, BufferError), match="read-only"):
        a.copy_to(bytes(24))
    with pytest.raises(ValueError, match="one place"):
        cu.Array.over(a.buffer, (2, 3), "float32", strides=(0, 4)).copy_from(np.zeros((2, 3), "f4"))
    with pytest.raises(TypeError):
        a.copy_from([[1, 2, 3]] * 2)
    with pytest.raises(TypeError, match="Stream"):
        a.copy_from(np.zeros((2, 3), "f4"), stream="s")


def test_a_source_may_repeat_its_elements(device):
    row = cu.from_host(np.arange(3, dtype="f4"), device)
    wide = cu.Array.over(row.buffer, (4, 3), "float32", strides=(0, 4))
    assert wide.to_host().tolist() == [[0, 1, 2]] * 4
    assert wide.contiguous().to_host().tolist() == [[0, 1, 2]] * 4


def test_copies_are_in_the_order_of_their_stream(device):
    with device.stream() as stream:
        a = cu.zeros(8, "int32")
        b = cu.from_host(np.arange(8, dtype="i4"))
        stream.sync()
        with held(stream):
            a.copy_from(b)
            assert a.stream is stream
            assert not stream.done
        assert a.to_host().tolist() == list(range(8))


def test_copies_and_fills_wait_for_what_writes_the_array(device):
    """Its stream is another: the copy comes behind what that one has."""
    theirs, mine = device.stream(), device.stream()
    a, b = cu.zeros(8, "int32", device=device, stream=theirs), cu.zeros(8, "int32", device=device, stream=mine)
    device.sync()
    assert waits_for(mine, theirs, lambda: b.copy_from(a, stream=mine))
    assert waits_for(mine, theirs, lambda: cu.Array.over(a.buffer, 8, "int32").fill(1, stream=mine))
    a.stream = None
    assert not waits_for(mine, theirs, lambda: b.copy_from(a, stream=mine))


def test_closing_waits_for_copies(device):
    stream, other = device.stream(), device.stream()
    a = cu.full(1000, 7, "int32", device=device, stream=other)
    b = cu.empty(1000, "int32", device=device, stream=stream)
    device.sync()
    with held(stream):
        b.copy_from(a, stream=stream)
        a.buffer.close()
    again = cu.zeros(1000, "int32", device=device, stream=other)
    assert b.to_host(stream=stream).tolist() == [7] * 1000 and again.size


def test_memory_is_kept_until_a_copy_is_done(device):
    resource, stream = Pinned(device), device.stream()
    a = cu.empty(1000, "int32", resource=resource)
    np.asarray(a)[:] = 7
    b = cu.empty(1000, "int32", device=device, stream=stream)
    stream.sync()
    with held(stream):
        b.copy_from(a, stream=stream)
        del a
        gc.collect()
        assert resource.freed == 0
    assert b.to_host(stream=stream).tolist() == [7] * 1000
    b.copy_from(cu.full(1000, 8, "int32", device=device), stream=stream)  # the next copy lets go
    stream.sync()
    assert resource.freed == 1


def test_fill_of_any_strides(device):
    rng = random.Random(6)
    for _ in range(60):
        there = strided(rng, random_shape(rng, 4), rng.choice(["u1", "i2", "c8", "c16", "f8"]))
        ours = on_device(there, device)
        ours.fill(-3 if there.dtype.kind != "u" else 3)
        assert (ours.to_host() == (-3 if there.dtype.kind != "u" else 3)).all()
        low = np.lib.array_utils.byte_bounds(there)[0] if there.size else 0
        if there.size:
            there[...] = -3 if there.dtype.kind != "u" else 3
            a, b = cu._native.array_extent(ours)
            span = cu._native.array_like(ours, (b - a,), (1,), "uint8", a, True).to_host().tobytes()
            assert span == bytes(memory_at(low, b - a))
