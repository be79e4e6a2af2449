"""What the suites of others ask of an array with DLPack, asked of ours: NumPy's tests of `ndarray.__dlpack__` and
`from_dlpack`, and the ones that the array API has for every library.

https://github.com/numpy/numpy/blob/main/numpy/_core/tests/test_dlpack.py
https://github.com/data-apis/array-api-tests/blob/master/array_api_tests/test_dlpack.py
"""

from __future__ import annotations

import gc
import itertools
import sys
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import array_in
from tests.unified.dlpack_tools import look, name_of

VERSIONS = [None, (0, 8), (1, 0), (1, 1), (2, 5)]
PLACES = ["host", "device", "pinned", "managed"]
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "float32", "float64", "complex64", "complex128"]  # fmt: skip


def host(values: Any) -> cu.Array:
    """Memory of NumPy's, as an Array: so that its results are the reference."""
    return cu.as_array(values)


# ---- NumPy's ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_capsule_holds_one_reference(version: Any) -> None:
    x = host(np.arange(5))
    before = sys.getrefcount(x)
    capsule = x.__dlpack__(max_version=version)
    assert sys.getrefcount(x) == before + 1
    del capsule
    assert sys.getrefcount(x) == before


@pytest.mark.parametrize("values", [np.arange(5), np.zeros((3, 4), "f4")[:, ::2], np.array(5.0), np.zeros((0, 3))])
def test_a_taken_array_holds_one_reference(values: Any) -> None:
    x = host(values)
    before = sys.getrefcount(x)
    y = np.from_dlpack(x)
    assert sys.getrefcount(x) == before + 1
    del y
    gc.collect()
    assert sys.getrefcount(x) == before


@pytest.mark.parametrize("stream", [1, 2, 0, -1, object(), "1"])
def test_memory_of_the_host_has_no_stream(stream: Any) -> None:
    x = host(np.arange(5))
    x.__dlpack__(stream=None)
    with pytest.raises((BufferError, RuntimeError, ValueError, TypeError)):
        x.__dlpack__(stream=stream)


@pytest.mark.parametrize("copy", [True, False, None])
def test_copies_on_request(copy: bool | None) -> None:
    x = host(np.arange(5))
    y = np.from_dlpack(x, copy=copy)
    assert np.shares_memory(y, np.asarray(x)) == (copy is not True)
    assert np.array_equal(y, np.arange(5))
    tensor = look(x.__dlpack__(copy=copy, max_version=(1, 0)))
    assert bool(tensor.flags & 2) == (copy is True)


def test_strides_that_are_no_whole_elements() -> None:
    records = np.zeros((5,), dtype=[("a", "<i4"), ("b", "<i2")])
    with pytest.raises(BufferError):
        np.from_dlpack(host(records["a"]))
    with pytest.raises(BufferError):
        host(records["a"]).__dlpack__()


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_pass_through(dtype: str) -> None:
    x = np.arange(5).astype(dtype)
    y = np.from_dlpack(host(x))
    assert y.dtype == x.dtype and np.array_equal(x, y)


def test_types_without_a_word() -> None:
    for values in (np.zeros(3, [("a", "i4")]), np.array([1, 2], ">f8" if sys.byteorder == "little" else "<f8")):
        with pytest.raises((BufferError, TypeError)):
            np.from_dlpack(host(values))
    for values in (np.asarray(np.datetime64("2021-05-27")), np.array(["a"])):
        with pytest.raises((BufferError, TypeError)):
            np.from_dlpack(cu.as_array(values))


def test_not_contiguous() -> None:
    x = np.arange(25).reshape(5, 5)
    for view in (x[0], x[:, 0], x[1], x.T, np.diagonal(x), x[::-1, ::2], x[:, None], x[1:, ::-2]):
        y = np.from_dlpack(host(view))
        assert np.array_equal(y, view) and y.shape == view.shape
        assert all(a == b for a, b, n in zip(y.strides, view.strides, view.shape, strict=True) if n > 1)


@pytest.mark.parametrize("ndim", [0, 1, 2, 5, 31, 32, 33, 64])
def test_many_dimensions(ndim: int) -> None:
    x = np.zeros((1,) * ndim)
    assert np.from_dlpack(host(x)).shape == x.shape


def test_dimensions_of_one_element_have_any_stride() -> None:
    x = np.lib.stride_tricks.as_strided(np.array([5.0]), (1, 1, 1), (800, 1600, 16))
    assert np.from_dlpack(host(x)).tolist() == [[[5.0]]]


@pytest.mark.parametrize("version", [(1, 0), (1, 3)])
def test_what_is_read_only_stays_so(version: Any) -> None:
    x = np.arange(5)
    x.flags.writeable = False
    ours = host(x)
    with pytest.raises(BufferError):
        ours.__dlpack__()  # before version 1 there is no word for it
    assert look(ours.__dlpack__(max_version=version)).flags & 1
    assert not np.from_dlpack(ours).flags.writeable
    assert np.from_dlpack(host(np.arange(5))).flags.writeable
    assert np.from_dlpack(ours, copy=True).flags.writeable


def test_devices_by_name() -> None:
    x = host(np.arange(5))
    assert x.__dlpack_device__() == np.arange(5).__dlpack_device__()
    assert np.array_equal(np.from_dlpack(x, device="cpu"), np.arange(5))
    with pytest.raises(ValueError):
        np.from_dlpack(x, device="nowhere")
    for wrong in ((10, 0), (1, 1), "cpu", 1):
        with pytest.raises((BufferError, TypeError, ValueError)):
            x.__dlpack__(dl_device=wrong)


# ---- the array API's --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_the_device_is_a_pair(place: str, device: Any) -> None:
    pair = array_in(place, device).__dlpack_device__()
    assert isinstance(pair, tuple) and [type(one) for one in pair] == [int, int]
    assert pair[0] in (1, 2, 3, 13) and pair[1] >= 0


@pytest.mark.parametrize("place", PLACES)
def test_every_keyword_alone_and_together(place: str, device: Any) -> None:
    x = array_in(place, device)
    for version, where, copy in itertools.product(VERSIONS, (None, x.__dlpack_device__(), (1, 0)), (None, False, True)):
        needs_copy = place == "device" and where == (1, 0)
        if needs_copy and copy is False:
            with pytest.raises(BufferError):
                x.__dlpack__(max_version=version, dl_device=where, copy=copy)
            continue
        capsule = x.__dlpack__(max_version=version, dl_device=where, copy=copy)
        assert type(capsule).__name__ == "PyCapsule"
        assert name_of(capsule) == ("dltensor_versioned" if version and version >= (1, 0) else "dltensor")
        tensor = look(capsule).tensor
        assert (tensor.device_type, tensor.device_id) == (where or x.__dlpack_device__())
        assert [tensor.shape[i] for i in range(tensor.ndim)] == list(x.shape)
    with pytest.raises(TypeError):
        x.__dlpack__(None)  # all are keywords


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("copy", [None, False, True])
def test_from_dlpack_gives_what_it_was_given(dtype: str, copy: bool | None, device: Any) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    x = cu.from_host(values, device)
    y = cu.from_dlpack(x, copy=copy)
    assert type(y) is cu.Array and y.dtype == x.dtype and y.shape == x.shape and y.device == x.device
    assert np.array_equal(y.to_host(), values)
    x.fill(1)
    assert np.array_equal(y.to_host(), values if copy else np.ones_like(values))


@pytest.mark.parametrize("copy", [None, True])
def test_from_dlpack_to_a_device_and_back(copy: bool | None, device: Any) -> None:
    values = np.arange(6, dtype="f4").reshape(2, 3)
    there = cu.from_dlpack(values, device=device, copy=copy)
    assert there.device is device
    back = cu.from_dlpack(there, device="cpu", copy=copy)
    assert back.device == "cpu" and np.array_equal(np.from_dlpack(back), values)
    with pytest.raises(BufferError):
        cu.from_dlpack(there, device="cpu", copy=False)
