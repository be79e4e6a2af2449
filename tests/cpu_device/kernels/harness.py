"""What the whole kernels are written with: translation units of CUDA C++, and cases that run their kernels against NumPy.

A case is named after its kernel.  `python -m tests.cpu_device.kernels.harness ARCHITECTURE` compiles every unit for one architecture,
runs the cases on this process's device through cubind and prints, as JSON, what became of each.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FAMILIES = (
    "reductions",
    "sorting",
    "matrices",
    "warps",
    "waiting",
    "stencils",
    "language",
    "integers",
    "numbers",
    "problems",
    "clusters",
    "textures",
)
ARCHITECTURES = (75, 80, 90, 100)
UNITS: list[Unit] = []


@dataclass
class Case:
    name: str
    run: Callable[[Device], None]


@dataclass
class Unit:
    """A translation unit; `since` is the least architecture that it compiles for."""

    source: str
    since: int = 75
    cases: list[Case] = field(default_factory=list)

    def __post_init__(self) -> None:
        UNITS.append(self)

    def case(self, run: Callable[[Device], None]) -> Callable[[Device], None]:
        """Registers the case; the kernel of its name must be one of the unit's."""
        assert f"__global__ void {run.__name__}(" in self.source, run.__name__
        self.cases.append(Case(run.__name__, run))
        return run


class Device:
    """Buffers and launches of one case."""

    def __init__(self, module: Any) -> None:
        from cubind import driver

        self.driver, self.module = driver, module
        self.random = np.random.default_rng(7)
        self.buffers: dict[int, int] = {}
        self.launched: set[str] = set()

    def put(self, array: Any) -> int:
        """A buffer of exactly the array's size, with its contents: what is outside is found."""
        data = np.ascontiguousarray(array)
        pointer = int(self.driver.cuMemAlloc(data.nbytes))
        self.driver.cuMemcpyHtoD(pointer, data.tobytes(), data.nbytes)
        self.buffers[pointer] = data.nbytes
        return pointer

    def zeros(self, dtype: Any, n: int) -> int:
        return self.put(np.zeros(n, dtype))

    def get(self, pointer: int, dtype: Any) -> np.ndarray:
        self.driver.cuCtxSynchronize()
        room = bytearray(self.buffers[pointer])
        self.driver.cuMemcpyDtoH(room, pointer, len(room))
        return np.frombuffer(room, dtype)

    def launch(
        self, name: str, grid: Any, block: Any, *arguments: Any, shared: int = 0, cooperative: bool = False
    ) -> None:
        def three(size: Any) -> tuple[int, ...]:
            size = (size,) if isinstance(size, int) else tuple(size)
            return (*size, 1, 1)[:3]

        kernel = self.driver.cuModuleGetFunction(self.module, name)
        self.launched.add(name)
        sizes = (*three(grid), *three(block), shared, None)
        if cooperative:
            self.driver.cuLaunchCooperativeKernel(kernel, *sizes, arguments)
        else:
            self.driver.cuLaunchKernel(kernel, *sizes, arguments)

    def put_variable(self, name: str, array: np.ndarray) -> None:
        pointer, size = self.driver.cuModuleGetGlobal(self.module, name)
        assert size == array.nbytes, (size, array.nbytes)
        self.driver.cuMemcpyHtoD(pointer, array.tobytes(), size)

    def equal(self, pointer: int, want: Any) -> None:
        """The buffer is bit for bit this array."""
        want = np.ascontiguousarray(want)
        got = self.get(pointer, want.dtype)
        if not np.array_equal(got, want.ravel(), equal_nan=want.dtype.kind == "f"):
            at = np.flatnonzero(got != want.ravel())
            raise AssertionError(
                f"{len(at)} of {len(got)} differ, at {at[:10]}: {got[at[:10]]} for {want.ravel()[at[:10]]}"
            )

    def close(self, pointer: int, want: Any, relative: float = 1e-6, absolute: float = 0.0) -> None:
        want = np.ascontiguousarray(want)
        np.testing.assert_allclose(self.get(pointer, want.dtype), want.ravel(), relative, absolute)

    def end(self) -> None:
        self.driver.cuCtxSynchronize()
        for pointer in self.buffers:
            self.driver.cuMemFree(pointer)


def load() -> list[Unit]:
    """All units, in the order of FAMILIES."""
    if not UNITS:
        for name in FAMILIES:
            importlib.import_module(f"tests.cpu_device.kernels.{name}")
    return UNITS


def chosen(architecture: int, only: list[str]) -> list[Unit]:
    """The units that compile for an architecture and have one of these cases; no names: any."""
    return [u for u in load() if u.since <= architecture and (not only or {c.name for c in u.cases} & set(only))]


def compiled(source: str, architecture: int) -> bytes:
    """Its PTX."""
    from cubind import nvrtc
    from tests.cpu_device.test_ptx_parser import include_folders

    program = nvrtc.nvrtcCreateProgram(source, "unit.cu", 0, None, None)
    options = [f"--gpu-architecture=compute_{architecture}", "--std=c++17", "--device-int128", "--fmad=false"]
    try:
        nvrtc.nvrtcCompileProgram(program, None, [*options, *(f"-I{folder}" for folder in include_folders())])
        return bytes(nvrtc.nvrtcGetPTX(program), "ascii")
    except Exception as error:
        raise RuntimeError(nvrtc.nvrtcGetProgramLog(program)) from error
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def run_unit(
    unit: Unit,
    ptx: bytes,
    only: list[str],
    make: Callable[[Any], Device] = Device,
    ended: Callable[[str, str], None] = print,
) -> None:
    """Runs cases of a unit, each with a device that `make` makes of the module; `ended` is told how: "ran", or what failed."""
    from cubind import driver

    cases = [case for case in unit.cases if not only or case.name in only]
    module = None
    for case in cases:
        try:
            module = module or driver.cuModuleLoadData(ptx + b"\0")
            device = make(module)
            case.run(device)
            device.end()
            assert case.name in device.launched, "its kernel was not launched"
            ended(case.name, "ran")
        except Exception:
            ended(case.name, traceback.format_exc())
            driver.cuDevicePrimaryCtxReset(0)  # an error of a launch stays with the context
            driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(0))
            module = None


def main(architecture: int, only: list[str]) -> None:
    import cubind.cpu
    from cubind import driver

    driver.cuInit(0)
    assert cubind.cpu.in_use()
    driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(0))
    results: dict[str, str] = {}
    for unit in chosen(architecture, only):
        start = time.process_time()
        try:
            run_unit(unit, compiled(unit.source, architecture), only, ended=results.__setitem__)
        except RuntimeError as error:  # it does not compile
            results.update({case.name: str(error) for case in unit.cases})
        print(unit.cases[0].name, round(time.process_time() - start, 2), file=sys.stderr)
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    sys.modules["tests.cpu_device.kernels.harness"] = sys.modules["__main__"]  # the families register here
    main(int(sys.argv[1]), sys.argv[2:])
