"""PyTorch as a producer and consumer of arrays, where it is installed: `make torch` makes an environment with it."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.array_tools import run

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "bfloat16", "complex64", "complex128", "bool",
          "uint8", "float16", "float8_e4m3fn", "float8_e5m2")  # fmt: skip


class Plain:
    """A tensor without PyTorch's table of C functions: through `__dlpack__`."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __dlpack__(self, **how: Any) -> Any:
        return self.tensor.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


@pytest.mark.parametrize("take", [cu.as_array, cu.from_dlpack, lambda t: cu.as_array(Plain(t))])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_there_and_back(dtype: str, take: Any) -> None:
    there = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype)).T
    a = take(there)
    assert a.dtype == dtype and a.dtype == there.dtype and a.shape == (4, 3)
    assert a.pointer == there.data_ptr()
    assert a.strides == tuple(s * there.element_size() for s in there.stride())
    back = torch.from_dlpack(a)
    assert back.data_ptr() == there.data_ptr() and back.dtype == there.dtype and back.stride() == there.stride()


@pytest.mark.parametrize("part_of", [slice(2, None), slice(None, None, 2), slice(0, 0), 3, None], ids=str)
def test_parts_of_tensors(part_of: Any) -> None:
    part = torch.arange(12, dtype=torch.float32)[part_of]
    ours = cu.as_array(part)
    assert ours.shape == tuple(part.shape) and np.array_equal(np.asarray(ours), part.numpy())
    if part.numel():
        ours.fill(7)
        assert bool((part == 7).all()) and ours.pointer == part.data_ptr()
    assert torch.equal(torch.from_dlpack(ours), part)


def test_what_a_tensor_does_not_show() -> None:
    """A gradient, a conjugate or a negative that was not written yet: not the memory that PyTorch would hand out."""
    with pytest.raises(BufferError, match="gradient"):
        cu.from_dlpack(torch.zeros(3, requires_grad=True))
    z = torch.tensor([1 + 2j, 3 - 1j])
    for take in (cu.as_array, cu.from_dlpack):
        for lazy, mend in [(z.conj(), "conj"), (z.conj().imag, "neg")]:
            with pytest.raises(BufferError, match=mend):
                take(lazy)
            real = getattr(lazy, f"resolve_{mend}")()
            assert np.array_equal(np.asarray(take(real)), lazy.resolve_conj().resolve_neg())


def test_arrays_of_ours() -> None:
    assert torch.from_dlpack(cu.full(3, 1.5, device="cpu", dtype="bfloat16")).tolist() == [1.5] * 3
    values = np.arange(6, dtype="f4").reshape(2, 3)
    ours = cu.as_array(values)
    tensor = torch.from_dlpack(ours)
    tensor[0, 0] = 9
    assert values[0, 0] == 9
    copied = torch.from_dlpack(ours, copy=True)
    copied[0, 0] = 1
    assert values[0, 0] == 9 and torch.from_dlpack(ours[:, ::2]).tolist() == [[9, 2], [3, 5]]


def test_memory_lives_as_long_as_either() -> None:
    values = np.arange(1000.0)
    alive = weakref.ref(values)
    tensor = torch.from_dlpack(cu.as_array(values))
    total = values.sum()
    del values
    gc.collect()
    assert alive() is not None and tensor.sum().item() == total
    part = cu.as_array(tensor)[10:]
    del tensor
    gc.collect()
    assert np.asarray(part).sum() == total - sum(range(10))
    del part
    gc.collect()
    assert alive() is None


def test_copies_between_tensors_and_a_device(device: Any) -> None:
    there = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    ours = cu.from_host(there, device)
    assert ours.device is device and np.array_equal(ours.to_host(), there.numpy())
    ours[1].copy_from(torch.zeros(4))
    back = torch.empty(3, 4)
    ours.copy_to(back)
    assert back.tolist() == [[0, 1, 2, 3], [0, 0, 0, 0], [8, 9, 10, 11]]
    assert torch.from_dlpack(ours.to_device("cpu")).tolist() == back.tolist()


def test_a_device_that_the_build_does_not_have(device: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("this PyTorch has CUDA")
    ours = cu.zeros(4, device=device)
    before = ours.buffer._exports
    with pytest.raises((RuntimeError, BufferError, AssertionError, TypeError)):
        torch.from_dlpack(ours)
    gc.collect()
    assert ours.buffer._exports == before
    kernel = cu.compile_kernel('extern "C" __global__ void k(float *p) { *p = 1; }', "k")
    with pytest.raises(TypeError, match=r"k\(\): args\[0\] of 1: .*Tensor.*host memory"):
        kernel[1, 1](torch.zeros(4))


def test_threads_exchange() -> None:
    tensors, errors = [torch.full((16,), float(i)) for i in range(16)], list[BaseException]()

    def work(i: int) -> None:
        try:
            for _ in range(200):
                tensor = tensors[i]
                assert torch.from_dlpack(cu.as_array(tensor))[3].item() == i
                assert cu.from_dlpack(tensors[(i + 1) % 16]).size == 16
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("first", ["torch", "cuda_unified"])
def test_the_end_of_the_interpreter(first: str) -> None:
    """Each holds memory of the other when all goes."""
    run(f"""
import {first}
import torch, cuda_unified as cu, numpy as np, sys
kept = [cu.as_array(torch.zeros(5)), torch.from_dlpack(cu.as_array(np.zeros(5))), torch.from_dlpack(cu.zeros(5, device="cpu"))]
sys.kept = kept
""")
