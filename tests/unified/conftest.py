"""The device that every test of this layer runs on: a GPU where there is one, else the CPU device."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import cuda_unified as cu


@pytest.fixture(scope="session")
def device() -> cu.Device:
    return cu.Device(0)


@pytest.fixture(scope="session", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled programs and unpacked headers of tests are not kept in the user's folders."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_UNIFIED_CACHE_DIR", str(folder))
        yield folder
