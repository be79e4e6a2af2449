"""What a program sees that gives something wrong: the kernel's name as it was written, which argument, what was wanted and what given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from tests.helpers import fakes

SOURCE = """
struct Pair { int a; float b; };
template <class T> __global__ void scale(T *x, T by, int n) { x[0] *= by; }
namespace ns { template <class T, int N> __global__ void fixed(T *x, unsigned n) { x[0] = N; } }
extern "C" __global__ void saxpy(float a, const float *x, float *y, unsigned n) {}
__global__ void plain(Pair p, double d, bool b) {}
"""
EXPRESSIONS = ("scale<float>", "ns::fixed<double, 4>", "plain")


@pytest.fixture(scope="module")
def module(device: Any) -> Any:
    return cu.compile(SOURCE, name_expressions=EXPRESSIONS)


def closed(device: Any) -> Any:
    buffer = device.allocate(64)
    buffer.close()
    return buffer


X = object()  # a good array in its place
CASES: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("scale<float>", (X, 1.0), TypeError, "scale<float>() takes 3 arguments, but 2 were given"),
    ("saxpy", (1.0,), TypeError, "saxpy() takes 4 arguments, but 1 was given"),
    ("scale<float>", (1.5, 1.0, 1), TypeError, "scale<float>(): args[0] of 3: expected a pointer of 8 bytes, given float"),
    ("scale<float>", (X, 1.0, 1.5), TypeError,
     "scale<float>(): args[2] of 3: expected a signed integer of 4 bytes, given float"),
    ("scale<float>", (X, np.float64(1), 1), TypeError,
     "scale<float>(): args[1] of 3: expected a floating-point number of 4 bytes, given float64 of 8 bytes"),
    ("scale<float>", (X, "a", 1), TypeError,
     "scale<float>(): args[1] of 3: expected a floating-point number of 4 bytes, given str"),
    ("scale<float>", (X, None, 1), TypeError,
     "scale<float>(): args[1] of 3: expected a floating-point number of 4 bytes, given None"),
    ("scale<float>", (X, X, 1), TypeError,
     "scale<float>(): args[1] of 3: expected a floating-point number of 4 bytes, given Array of 8 bytes"),
    ("scale<float>", (X, 1.0, 2**31), ValueError,
     "scale<float>(): args[2] of 3: a signed integer of 4 bytes is from -2147483648 to 2147483647, given 2147483648"),
    ("ns::fixed<double, 4>", (X, -1), ValueError,
     "ns::fixed<double, 4>(): args[1] of 2: an unsigned integer of 4 bytes is from 0 to 4294967295, given -1"),
    ("plain", (bytes(8), 1.0, 2), ValueError, "plain(): args[2] of 3: a bool of 1 byte is from 0 to 1, given 2"),
    ("plain", (bytes(4), 1.0, True), TypeError,
     "plain(): args[0] of 3: expected a class or enumeration of 8 bytes, given bytes of 4 bytes"),
    ("scale<float>", (np.zeros(4, "f4"), 1.0, 1), TypeError,
     "scale<float>(): args[0] of 3: this ndarray is in host memory, which the device cannot reach: "
     "copy it to the device, or give memory that is pinned or managed"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "error", "text"), CASES, ids=[case[3][:60] for case in CASES])
def test_arguments(
    module: Any, device: Any, name: str, given: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    """Nothing is launched, by any of the ways to launch."""
    kernel, good = module.kernel(name), cu.zeros(4, "float32", device=device)
    arguments = tuple(good if one is X else one for one in given)
    stream, config = device.stream(), cu.LaunchConfig(1, 1)
    ways: list[Callable[[], Any]] = [
        lambda: kernel[1, 1](*arguments),
        lambda: cu.launch(stream, config, kernel, *arguments),
        lambda: kernel.bind(stream, config, *arguments),
        lambda: cu.Graph(device).add_kernel(kernel, config, *arguments),
    ]
    with cu.trace(device=device) as trace:
        for way in ways:
            with pytest.raises(error) as caught:
                way()
            assert str(caught.value) == text
    assert [event for event in trace.events if event.kind == "kernel"] == []


def test_closed_things_say_which_argument_they_were(module: Any, device: Any) -> None:
    kernel, stream = module.kernel("scale<float>"), device.stream()
    with pytest.raises(cu.ClosedError, match=r"^scale<float>\(\): args\[0\] of 3: this Buffer is closed$"):
        kernel[1, 1](closed(device), 1.0, 1)
    buffer = device.allocate(64, stream)
    array = cu.Array.over(buffer, 4, "float32")
    bound = kernel.bind(stream, cu.LaunchConfig(1, 1), array, 1.0, 1)
    buffer.close()
    with pytest.raises(cu.ClosedError, match=r"^scale<float>\(\): args\[0\] of 3: this (Array|Buffer) is closed$"):
        bound()
    with pytest.raises(cu.ClosedError, match=r"^scale<float>\(\): args\[0\] of 3: this (Array|Buffer) is closed$"):
        kernel[1, 1](array, 1.0, 1)
    for use in (buffer.to_bytes, lambda: buffer.fill(0), array.to_host, lambda: buffer[1:]):
        with pytest.raises(cu.ClosedError):
            use()


def test_memory_that_does_not_lie_together(device: Any) -> None:
    ours, theirs = cu.zeros((4, 4), device=device)[:, ::2], np.zeros((4, 4), "f4")[:, ::2]
    for source, kind in ((ours, "Array"), (theirs, "ndarray")):
        with pytest.raises(ValueError, match=f"this {kind} is not C-contiguous: copy it into one that is first"):
            device.allocate(32).copy_from(source)


def test_names_that_are_not_there_are_listed_as_they_are_written(module: Any) -> None:
    for name in ("nothing", "scale<double>"):
        with pytest.raises(cu.NotFoundError) as caught:
            module.kernel(name)
        assert "there are saxpy, plain, scale<float>, ns::fixed<double, 4>" in str(caught.value)
        assert "_Z" not in str(caught.value)


def test_a_compile_error_has_the_log_and_the_numbered_source(device: Any) -> None:
    with pytest.raises(cu.CompileError) as caught:
        cu.compile_kernel("__device__ int f() {\n  return x;\n}\n", "f", name="mine.cu")
    error = caught.value
    assert 'mine.cu(2): error: identifier "x" is undefined' in error.log and error.log in str(error)
    assert error.listing() == "1  __device__ int f() {\n2    return x;\n3  }"


def test_memory_of_another_device() -> None:
    script = """
import cuda_unified as cu
a, b = cu.Device(0), cu.Device(1)
kernel = cu.compile_kernel("template <class T> __global__ void set(T *p, T v) { *p = v; }", "set<int>")
for memory in (cu.zeros(4, "int32", device=b), b.allocate(8)):
    try: kernel[1, 1, a.stream()](memory, 1)
    except cu.DeviceMismatchError as error: print(error)
"""
    paths = f"{fakes.PACKAGE.parents[1]}:{fakes.PACKAGE.parent}"
    lines = fakes.run(script, PYTHONPATH=paths, CUBIND_DEVICE="cpu", CPU_DEVICE_COUNT="2").splitlines()
    what = "memory of device 1 for a launch on device 0, which has no access to it"
    assert lines == [f"set<int>(): args[0] of 2: {what}"] * 2
