"""A cubind of our own whose libraries are the recording ones, for every test in this folder that asks for it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.bench import Bench, Benches
from tests.helpers.isolated import Isolated
from tests.helpers.plans import plans
from tests.helpers.recorder import Recorder, build


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The recording libraries, compiled."""
    folder = tmp_path_factory.mktemp("recorders")
    return {name: build(folder, plan) for name, plan in plans().items()}


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Isolated:
    return Isolated("cubind", tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def recorders(libraries: dict[str, Path]) -> dict[str, Recorder]:
    return {name: Recorder(plan, libraries[name]) for name, plan in plans().items()}


@pytest.fixture(scope="module")
def benches(copied: Isolated, recorders: dict[str, Recorder]) -> Iterator[Benches]:
    with pytest.MonkeyPatch.context() as patch, copied.active() as cubind:
        for recorder in recorders.values():
            patch.setenv(recorder.plan.info.override_env, str(recorder.path))
        modules = {name: importlib.import_module(f"cubind.{name}") for name in recorders}
        yield Benches(
            cubind, {name: Bench(r.plan, modules[name], r, cubind.CudaError) for name, r in recorders.items()}
        )
