"""What users of other bindings complained about, where no other test is about just that; ../COMPLAINTS.md has the list."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from tests.helpers import fakes, faults

ROOT = fakes.PACKAGE.parents[1]
SOURCES = sorted((ROOT / "cuda_unified").rglob("*.py"))


def run(script: str, **changes: str | Path) -> list[str]:
    return fakes.run(script, PYTHONPATH=ROOT, **changes).splitlines()


def annotations() -> list[tuple[str, ast.FunctionDef]]:
    """What is public and what it returns: (where, function)."""
    found = []
    for path in SOURCES:
        if path.stem.startswith("_"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.append((f"{path.stem}.{node.name}", node))
    return found


def test_complaint_5_no_codes_of_c_are_returned() -> None:
    """No status and no enum of the C level comes out of a public function: bools, words, objects and exceptions do."""
    listed = annotations()
    assert len(listed) > 250
    codes = re.compile(r"\b(CU\w+|nvrtcResult|cudaError\w*)\b")
    leaks = [where for where, node in listed if node.returns and codes.search(ast.unparse(node.returns))]
    assert leaks == []


def test_complaint_7_types_are_where_one_can_import_them() -> None:
    """What a public function returns has a class in a public module; as in a program's own annotations."""
    import importlib

    returned = {
        word for _, node in annotations() if node.returns for word in re.findall(r"\w+", ast.unparse(node.returns))
    }
    seen = set()
    for path in SOURCES:
        if path.stem.startswith("_"):
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name, thing in inspect.getmembers(module, inspect.isclass):
            if name in returned and thing.__module__.startswith("cuda_unified"):
                seen.add(thing)
                assert not any(part.startswith("_") for part in thing.__module__.split(".")), thing
                assert getattr(importlib.import_module(thing.__module__), thing.__name__) is thing, thing
    assert len(seen) > 30


def test_complaint_14_a_program_of_functions(device: Any) -> None:
    """No object but those that functions give has to be made: a kernel from text, arrays, a launch, the result."""
    source = 'extern "C" __global__ void twice(float *x, int n) { for (int i = 0; i < n; i++) x[i] *= 2; }'
    x = cu.from_host(np.arange(5, dtype="f4"))
    cu.launch(cu.current_stream(), cu.LaunchConfig(1, 1), cu.compile_kernel(source, "twice"), x, 5)
    assert x.to_host().tolist() == [0, 2, 4, 6, 8]


def test_complaint_21_a_missing_compiler_is_an_error_that_says_so() -> None:
    lines = run(
        """
import cuda_unified as cu
for use in (lambda: cu.compile_kernel('extern "C" __global__ void k() {}', "k"), lambda: cu.Program("int x;").compile("ptx")):
    try:
        use()
    except cu.LibraryNotFoundError as error:
        print(type(error).__name__, isinstance(error, ImportError), "/nowhere" in str(error))
""",
        CUBIND_DEVICE="cpu",
        CUBIND_NVRTC_LIBRARY="/nowhere/libnvrtc.so.13",
        CUDA_UNIFIED_CACHE="0",
    )
    assert lines == ["LibraryNotFoundError True True"] * 2


def test_complaint_23_many_arguments_are_packed_once(device: Any) -> None:
    """512 numbers: right in one launch after another, and bound."""
    names = ", ".join(f"double v{i}" for i in range(500))
    body = "".join(f"out[{i}] = v{i};" for i in range(500))
    kernel = cu.compile_kernel(f'extern "C" __global__ void many(double *out, {names}) {{ {body} }}', "many")
    out, values = cu.zeros(500, "float64", device=device), [i / 7 for i in range(500)]
    kernel[1, 1](out, *values)
    assert out.to_host().tolist() == values
    bound = kernel.bind(None, cu.LaunchConfig(1, 1), out, *values)
    bound.set(500, -1.5)
    bound()
    assert out.to_host().tolist() == [*values[:-1], -1.5]


OLD = ("cuLaunchKernelEx", "cuKernelGetParamInfo", "cuFuncGetParamInfo", "cuGraphAddNode_v2", "cuGraphAddNode",
       "cuStreamGetDevice", "cuKernelGetName", "cuMemDiscardBatchAsync", "cuStreamGetCaptureInfo_v3",
       "cuStreamGetId", "cuCtxCreate_v4", "cuMemPrefetchAsync_v2", "cuLibraryGetKernelCount",
       "cuLibraryEnumerateKernels", "cuGraphConditionalHandleCreate")  # fmt: skip


@pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")
@pytest.mark.parametrize("number", ["complaint_28", "complaint_29"])
def test_a_driver_from_before(tmp_path: Path, number: str) -> None:
    """Complaints 28 and 29: what a driver lacks fails when it is called, says so, and can be asked for before; all else works."""
    library = faults.build(tmp_path, without=OLD)
    script = {
        "complaint_28": """
import numpy as np
import cuda_unified as cu
device = cu.Device(0)
with device.stream() as stream:
    x = cu.from_host(np.arange(4, dtype="f4"))
    with stream.capture() as graph:
        x.fill(3)
    graph.instantiate().launch(stream)
    source = 'extern "C" __global__ void add(float *x, float by) { x[threadIdx.x] += by; }'
    cu.compile_kernel(source, "add")[1, 4](x, np.float32(2))
    print(x.to_host().tolist())
for use in (lambda: stream.id, lambda: cu.Graph(device).create_condition(),
            lambda: cu.launch(stream, cu.LaunchConfig(1, 4, priority=-1), cu.compile_kernel(source, "add"), x, np.float32(2))):
    try:
        use()
    except cu.SymbolNotFoundError as error:
        print(error)
""",
        "complaint_29": """
import cubind
print(*map(cubind.has, sys.argv[1:]), cubind.has("cuMemAlloc"))
""",
    }[number]
    if number.endswith("29"):
        lines = fakes.run("import sys" + script, *OLD, PYTHONPATH=ROOT, CUBIND_DRIVER_LIBRARY=library).split()
        assert lines == ["False"] * len(OLD) + ["True"]
        return
    lines = run(script, CUBIND_DRIVER_LIBRARY=library)
    assert lines[0] == "[5.0, 5.0, 5.0, 5.0]"
    for line, name in zip(
        lines[1:], ("cuStreamGetId", "cuGraphConditionalHandleCreate", "cuLaunchKernelEx"), strict=True
    ):
        assert re.match(rf"{name}\b.* is not in the CUDA driver .*was found at ", line), line


def test_complaint_31_a_library_that_is_not_there_can_be_asked_for() -> None:
    lines = run(
        """
import sys
import cuda_unified as cu
import cubind
print(cu.Device.is_available(), cubind.has("nvrtcVersion"), sorted(cu.info().missing))
""",
        CUBIND_NVRTC_LIBRARY="/nowhere",
        CUBIND_RUNTIME_LIBRARY="/nowhere",
    )
    assert lines[0].startswith("False False ")
    assert {"driver", "nvrtc", "runtime"} <= set(re.findall(r"\w+", lines[0]))


@pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")
def test_complaint_47_the_drivers_error_is_the_one_that_is_seen(tmp_path: Path) -> None:
    """Not one from putting things back afterwards; and it says function, arguments, status and what to do."""
    lines = run(
        f"""
import cuda_unified as cu
from tests.helpers.faults import Faults
control = Faults({str(faults.build(tmp_path))!r})
device = cu.Device(0)
kernel = cu.compile_kernel('extern "C" __global__ void k(int) {{}}', "k")
stream = device.stream()
try:
    with device:
        try:
            kernel[1, 1025, stream](1)
        finally:
            control.arm(0)
except ValueError as error:
    print(type(error).__name__, error)
control.arm(-1)
try:
    with device:
        try:
            device.allocate(1 << 60, stream)
        finally:
            control.arm(0)
except cu.CudaError as error:
    print(error.name, error.function, "size=1152921504606846976" in str(error), bool(error.hint), isinstance(error, MemoryError))
""",
        CUBIND_DRIVER_LIBRARY=tmp_path / "libcuda.so.1",
    )
    assert "1025" in lines[0] and "k" in lines[0], lines
    assert lines[1] == "CUDA_ERROR_OUT_OF_MEMORY cuMemAllocFromPoolAsync True True True"
