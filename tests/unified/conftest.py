"""The device that every test of this layer runs on: a GPU where there is one, else the CPU device."""

import os

import pytest

import cuda_unified as cu

if cu.Device(0).is_cpu:
    os.environ["CUBIND_DEVICE"] = "cpu"  # the choice is told once here, and not again in every process that tests start


@pytest.fixture(scope="session")
def device() -> cu.Device:
    return cu.Device(0)
