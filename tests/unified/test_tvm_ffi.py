"""tvm-ffi as a consumer and producer of arrays through DLPack's table of C functions; `make torch` makes an environment with it."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu

tvm_ffi: Any = pytest.importorskip("tvm_ffi", reason="apache-tvm-ffi is not installed")


def test_tvm_ffi_takes_and_gives() -> None:
    there = np.arange(6, dtype="f4").reshape(2, 3)
    tensor = tvm_ffi.from_dlpack(cu.as_array(there))
    assert tuple(tensor.shape) == (2, 3) and np.shares_memory(np.from_dlpack(tensor), there)
    assert np.asarray(cu.as_array(tensor)).tolist() == there.tolist()


def test_tvm_ffis_functions_take_arrays() -> None:
    """Through our table of C functions, and back through theirs."""
    there = np.arange(6, dtype="f4").reshape(2, 3)
    echo = tvm_ffi.get_global_func("testing.echo", allow_missing=True) or tvm_ffi.convert(lambda x: x)
    assert np.array_equal(np.from_dlpack(echo(cu.as_array(there))), there)
    seen = []
    tvm_ffi.convert(lambda x: seen.append((x.shape, x.dtype, x.device)))(cu.as_array(there)[:, ::2])
    assert tuple(seen[0][0]) == (2, 2) and str(seen[0][1]) == "float32" and "cpu" in str(seen[0][2])


def test_tvm_ffi_and_a_devices_memory(device: Any) -> None:
    ours = cu.zeros((3, 4), "int32", device=device)
    before = ours.buffer._exports
    tensor = tvm_ffi.from_dlpack(ours)
    assert "cuda" in str(tensor.device) and tuple(tensor.shape) == (3, 4)
    again = cu.as_array(tensor)
    assert again.pointer == ours.pointer and again.device is device and again.shape == (3, 4)
    again.fill(5)
    assert np.all(ours.to_host() == 5) and ours.buffer._exports == before + 1
    del tensor, again
    gc.collect()
    assert ours.buffer._exports == before
