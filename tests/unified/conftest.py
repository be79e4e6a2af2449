"""The devices that the tests of this layer run on."""

import pytest

import cuda_unified as cu


@pytest.fixture(scope="session")
def device():
    return cu.Device(0)
