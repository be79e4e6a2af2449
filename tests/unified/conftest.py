"""The device that every test of this layer runs on: a GPU where there is one, else the CPU device."""

import os

import pytest

import cuda_unified as cu


@pytest.fixture(scope="session")
def device() -> cu.Device:
    return cu.Device(0)


@pytest.fixture(scope="session", autouse=True)
def told_once(device: cu.Device) -> None:
    """The choice of the device is told here, and not again in every process that tests start."""
    if device.is_cpu:
        os.environ["CUBIND_DEVICE"] = "cpu"
