"""What is there, and how long things take."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import cuda_unified as cu
from cubind import driver
from tests.helpers import fakes

ROOT = str(fakes.PACKAGE.parents[1])


def test_info(device: cu.Device) -> None:
    found = cu.info()
    assert [d.ordinal for d in found.devices] == [d.ordinal for d in cu.Device.all()]
    assert found.devices[0].name == device.name and found.on_cpu == device.is_cpu
    assert found.devices[0].memory == device.memory_info.total
    assert set(found.libraries) == {"driver", "runtime", "nvrtc", "nvjitlink", "nvvm"} and found.packages["numpy"]
    text = str(found)
    assert device.name in text and "numpy" in text and found.libraries["driver"].path in text


def test_report_of_the_command() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "cuda_unified"], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert "devices" in out.stdout and "compute capability" in out.stdout
    for line in out.stdout.splitlines():
        assert ("not installed" in line) == ("; pip install " in line), line


def test_where_nothing_is() -> None:
    """Complaint 31."""
    script = """
        import cuda_unified as cu
        found = cu.info()
        assert not found.devices and "libcuda" in found.device_error, found.device_error
        print(found); print(sorted(found.missing))
    """
    out = fakes.run(script, PYTHONPATH=ROOT)
    assert "none: " in out and "not found: the display driver brings it" in out and "'driver'" in out.splitlines()[-1]


def test_info_about_compiling(device: cu.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_UNIFIED_CACHE", raising=False)
    found = cu.info()
    assert found.cache is cu.default_cache()
    assert found.header_folders
    text = str(found)
    assert found.header_folders[0] in text
    assert str(found.cache.folder) in text
    monkeypatch.setenv("CUDA_UNIFIED_CACHE", "0")
    assert "cache    switched off" in str(cu.info())


def test_info_makes_no_context() -> None:
    script = """
        import cuda_unified as cu
        cu.info()
        print(cu.Device(0).is_active)
    """
    assert fakes.run(script, PYTHONPATH=ROOT, CUBIND_DEVICE="cpu").strip() == "False"


def test_profile(device: cu.Device) -> None:
    with cu.profile(device, name="part"), cu.annotate("inner"):
        device.stream().sync()
    with pytest.raises(ZeroDivisionError), cu.profile(device):
        raise ZeroDivisionError


def test_time_kernel(device: cu.Device) -> None:
    calls = []
    with device.stream() as stream:

        def work() -> None:
            calls.append(1)
            driver.cuLaunchHostFunc(stream.handle, lambda _: time.sleep(0.003), None)

        found = cu.time_kernel(work, repeat=3, warmup=1)
    assert len(calls) == 4 and len(found.times) == 3 and 2 < found.best <= found.median < 2000
    assert "3 runs" in str(found)
    with pytest.raises(ValueError, match="repeat"):
        cu.time_kernel(work, stream=stream, repeat=0)


def test_what_has_no_constructor_says_who_makes_it() -> None:
    for cls, maker in (
        (cu.Stream, "Device.stream"),
        (cu.Event, "event"),
        (cu.Buffer, ""),
        (cu.Kernel, "Module.kernel"),
    ):
        with pytest.raises(TypeError, match=rf"cannot create '{cls.__name__}' instances: .*{maker}"):
            cls()
