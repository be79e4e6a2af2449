"""The device that every test of this layer runs on: a GPU where there is one, else the CPU device."""

import pytest

import cuda_unified as cu


@pytest.fixture(scope="session")
def device() -> cu.Device:
    return cu.Device(0)
