"""Which symbol a function reaches: by the resolver or by name, per thread or not, there or missing."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from generator.plan import FunctionPlan
from tests.helpers.bench import Bench, Benches
from tests.helpers.isolated import Isolated
from tests.helpers.parts import Scene
from tests.helpers.plans import functions, plans
from tests.helpers.recorder import Call, build
from tests.helpers.scenes import call, handler, perform, scenes

EVERY = pytest.mark.parametrize(
    ("library", "function"), [pytest.param(name, f, id=f.function.symbol) for name, f in functions()]
)


# -- the per-thread default stream


@pytest.fixture
def per_thread(benches: Benches) -> Iterator[None]:
    assert benches.cubind.per_thread_default_stream(True) is True
    yield
    assert benches.cubind.per_thread_default_stream(False) is False


def _per_thread(bench: Bench, scene: Scene) -> dict[str, Callable[[Call], int]]:
    """The other functions that may be called, under their per-thread symbols."""
    symbols = {f.function.symbol: f.function.per_thread for f in bench.plan.functions if f.function.per_thread}
    return {symbols[symbol]: answer for symbol, answer in scene.also.items() if symbol in symbols}


@pytest.mark.usefixtures("per_thread")
@EVERY
def test_per_thread(benches: Benches, library: str, function: FunctionPlan) -> None:
    """The variant of each function that has one; the function itself where there is none."""
    bench = benches.of[library]
    scene = next(scenes(bench.plan, function, bench.values()))
    scene.also |= _per_thread(bench, scene)
    symbol = function.function.per_thread or function.function.symbol
    perform(scene, bench.recorder, bench.target(function), symbol)


def test_per_thread_is_off_again(benches: Benches) -> None:
    assert benches.cubind.per_thread_default_stream() is False
    assert sum(bool(f.function.per_thread) for _, f in functions()) > 160
    for bench in benches.of.values():
        for function in bench.plan.functions:
            perform(next(scenes(bench.plan, function, bench.values())), bench.recorder, bench.target(function))


# -- the resolver


def test_resolver(benches: Benches) -> None:
    """It is asked for the name and the version of each prototype, with the flag of each meaning of the default stream."""
    test_per_thread_is_off_again(benches)  # each function asks when it is called first
    for bench in benches.of.values():
        resolved = [f.function for f in bench.plan.functions if f.function.resolver_name and bench.plan.info.resolver]
        wanted = {(f.resolver_name, f.resolver_version, 1) for f in resolved}
        wanted |= {(f.resolver_name, f.resolver_version, 2) for f in resolved if f.per_thread}
        assert set(bench.recorder.resolved) == wanted
    assert len(benches.of["driver"].recorder.resolved) > 600


def test_has(benches: Benches) -> None:
    for _, function in functions():
        assert benches.cubind.has(function.name)
        assert benches.cubind.has(function.function.symbol)
    assert not benches.cubind.has("cuNoSuchFunction")


def test_another_version_is_noticed(benches: Benches) -> None:
    """The tests above see it when the resolver is asked for a version that does not exist."""
    bench = benches.of["driver"]
    old = bench.recorder.resolve("cuMemAlloc", 2000, 1)
    assert old == bench.recorder.resolve("cuCtxCreate", 12051, 2)
    assert old not in (bench.recorder.resolve("cuMemAlloc", 3020, 1), bench.recorder.resolve("cuMemAlloc", 3020, 2))
    assert bench.recorder.resolve("cuNoSuchFunction", 3020, 1) is None


def test_without_a_resolver(benches: Benches, tmp_path: Path) -> None:
    """Complaint 33: an old driver's functions are found by the names that it exports, per thread and not."""
    old = Isolated("cubind", tmp_path)
    bench = benches.of["driver"]
    with bench.recorder.without_resolver(), old.active() as cubind:
        bench = replace(bench, module=importlib.import_module("cubind.driver"), errors=cubind.CudaError)
        called = [f for f in bench.plan.functions if f.function.symbol != bench.plan.info.resolver]
        for enable in (False, True):
            cubind.per_thread_default_stream(enable)
            for function in called:
                scene = next(scenes(bench.plan, function, bench.values()))
                name = function.function.per_thread if enable else ""
                scene.also |= _per_thread(bench, scene)
                perform(scene, bench.recorder, bench.target(function), name or function.function.symbol)


# -- functions that are missing


MISSING = """
    import cubind
    from cubind import driver, nvrtc, runtime

    driver.cuInit(0)
    runtime.cudaDeviceSynchronize()
    assert not cubind.has("cuMemAlloc") and not cubind.has("cuMemAlloc_v2") and not cubind.has("cudaMalloc")
    assert cubind.has("cuMemFree") and cubind.has("cuMemsetD8") and cubind.has("nvrtcVersion")

    def missing(function, *arguments):
        for _ in range(2):
            try:
                function(*arguments)
            except cubind.SymbolNotFoundError as error:
                assert isinstance(error, cubind.NotSupportedError) and error.code is None
                print(error)
            else:
                raise AssertionError(function)

    missing(driver.cuMemAlloc, 5)
    missing(runtime.cudaMalloc, 5)
    missing(nvrtc.nvrtcGetPTX, 1)
    driver.cuMemsetD8(1, 2, 3)
    cubind.per_thread_default_stream(True)
    missing(driver.cuMemsetD8, 1, 2, 3)
    runtime.cudaMemset(1, 2, 3)
    cubind.per_thread_default_stream(False)
    driver.cuMemsetD8(1, 2, 3)
"""


def test_missing_functions(copied: Isolated, tmp_path: Path) -> None:
    """Complaint 28: they fail when they are called, each time and not before; the rest works."""
    without = {
        "driver": {"cuMemAlloc_v2", "cuMemsetD8_v2_ptds"},
        "runtime": {"cudaMalloc"},
        "nvrtc": {"nvrtcGetPTXSize"},
        "nvjitlink": set[str](),
        "nvvm": set[str](),
    }
    paths = {plan.info.override_env: str(build(tmp_path, plan, without[name])) for name, plan in plans().items()}
    environment = {**os.environ, **paths, "PYTHONPATH": str(copied.folder)}
    command = [sys.executable, "-c", textwrap.dedent(MISSING)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    names = ["cuMemAlloc", "cudaMalloc", "nvrtcGetPTXSize", "cuMemsetD8"]
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [name for name in names for _ in range(2)]
    assert all(str(tmp_path) in line for line in lines)
    assert "it came with CUDA 3.2" in lines[0]
    assert "cuMemsetD8_v2_ptds" in lines[-1]


# -- the recorder itself


def test_wrong_arguments_are_noticed(benches: Benches) -> None:
    """Two arguments of one type that are exchanged fail a scene."""
    bench = benches.of["driver"]
    function = next(f for f in bench.plan.functions if f.name == "cuMemcpyDtoD")
    scene = next(scenes(bench.plan, function, bench.values()))
    first, second = scene.parts["dstDevice"], scene.parts["srcDevice"]
    first.given, second.given = second.given, first.given
    with (
        pytest.raises(AssertionError, match="C got"),
        bench.recorder.during(handler(scene, function.function.symbol, None)),
    ):
        call(scene, bench.target(function))
