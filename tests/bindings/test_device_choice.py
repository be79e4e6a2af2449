"""Which driver is used where: $CUBIND_DEVICE, the warning, what is said about it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.cpu_runtime import LIBRARY as RUNTIME
from tests.helpers.cpu_runtime import VENDORS
from tests.helpers.fakes import PACKAGE, compile_library, environment, run

CPU = PACKAGE / "_cpu" / "libcuda.so.1"
SOURCE = """
CUresult cuInit(unsigned flags) { return INIT; }
CUresult cuDeviceGetCount(int *n) { *n = COUNT; return 0; }
CUresult cuDeviceGetName(char *name, int n, CUdevice d) { strcpy(name, "a GPU"); return 0; }
"""
SHOW = """
import warnings
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    import cubind
    from cubind import driver
    try:
        driver.cuInit(0)
        print(driver.cuDeviceGetName(32, 0))
    except cubind.CudaError as error:
        print(error.name)
    print(cubind.info().libraries["driver"].how)
for warning in caught:
    assert warning.category is UserWarning and warning.filename == "<string>"
    print(warning.message)
"""


def driver(folder: Path, init: int = 0, count: int = 1) -> Path:
    """The folder of a library that stands for NVIDIA's."""
    return compile_library(folder, "libcuda.so.1", SOURCE, f"-DINIT={init}", f"-DCOUNT={count}").parent


def shown(**changes: str | Path) -> list[str]:
    return run(SHOW, **changes).splitlines()


@pytest.mark.parametrize("value", ["auto", ""])
def test_without_a_driver_there_is_one_warning(value: str) -> None:
    name, how, warning = shown(CUBIND_DEVICE=value)
    assert (name, how) == ("CPU device", "cpu")
    assert "was not found: kernels run on the CPU device" in warning


def test_a_driver_with_a_device_is_used(tmp_path: Path) -> None:
    assert shown(CUBIND_DEVICE="auto", LD_LIBRARY_PATH=driver(tmp_path)) == ["a GPU", "system"]


@pytest.mark.parametrize(("init", "count"), [(100, 1), (0, 0), (999, 1)])
def test_a_driver_without_a_device_is_not(tmp_path: Path, init: int, count: int) -> None:
    name, how, warning = shown(CUBIND_DEVICE="auto", LD_LIBRARY_PATH=driver(tmp_path, init, count))
    assert (name, how) == ("CPU device", "cpu")
    assert f"{tmp_path}/libcuda.so.1 has no device" in warning


def test_gpu_never_falls_back(tmp_path: Path) -> None:
    assert shown(CUBIND_DEVICE="gpu", LD_LIBRARY_PATH=driver(tmp_path, 100, 0)) == ["CUDA_ERROR_NO_DEVICE", "system"]
    script = "import cubind\ntry: cubind.driver.cuInit(0)\nexcept cubind.LibraryNotFoundError: print('missing')"
    assert run(script, CUBIND_DEVICE="gpu") == "missing\n"


def test_cpu_is_chosen_without_a_warning(tmp_path: Path) -> None:
    assert shown(CUBIND_DEVICE="cpu", LD_LIBRARY_PATH=driver(tmp_path)) == ["CPU device", "cpu"]


def test_an_override_wins(tmp_path: Path) -> None:
    library = driver(tmp_path, 100) / "libcuda.so.1"
    assert shown(CUBIND_DEVICE="cpu", CUBIND_DRIVER_LIBRARY=library) == ["CUDA_ERROR_NO_DEVICE", "override"]


def test_a_choice_that_does_not_exist() -> None:
    script = """
    import cubind
    try:
        cubind.driver.cuInit(0)
    except cubind.LibraryNotFoundError as error:
        print(error)
    """
    assert "$CUBIND_DEVICE is neither auto nor gpu nor cpu" in run(script, CUBIND_DEVICE="tpu")


def test_the_warning_may_be_an_error() -> None:
    script = """
    import warnings
    warnings.simplefilter("error")
    from cubind import driver
    try:
        driver.cuInit(0)
    except UserWarning:
        driver.cuInit(0)
        print(driver.cuDeviceGetName(32, 0))
    """
    assert run(script, CUBIND_DEVICE="auto") == "CPU device\n"


def test_what_says_where_it_is() -> None:
    printed = run("import runpy, sys; sys.argv[1:] = ['cpu-libdir']; runpy.run_module('cubind', run_name='__main__')")
    assert Path(printed.strip()) == CPU.parent
    table = run("import runpy; runpy.run_module('cubind', run_name='__main__')", CUBIND_DEVICE="auto")
    assert f"CPU device  {CPU}" in table
    script = "import sys, runpy; sys.argv[1:] = ['nonsense']; runpy.run_module('cubind', run_name='__main__')"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1 and "usage" in done.stderr


def test_the_report_of_another_driver_is_none(tmp_path: Path) -> None:
    script = "from cubind import cpu, driver; print(cpu.last_report(), cpu.in_use()); driver.cuInit(0); print(cpu.last_report())"
    assert run(script, LD_LIBRARY_PATH=driver(tmp_path)) == "None False\nNone\n"


FOUND = """
import warnings
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    from cubind import runtime
    try:
        runtime.cudaRuntimeGetVersion()
    except Exception as error:
        print(type(error).__name__)
import cubind
for name in "runtime", "driver":
    library = next((one for one in cubind._core._libraries() if one["name"] == name), {"how": None, "path": None})
    print(library["how"], library["path"])
print(*(warning.message for warning in caught))
"""


def found(**changes: str | Path) -> list[list[str]]:
    """Where the runtime and the driver were found that a runtime call led to; the warnings."""
    return [line.split() for line in run(FOUND, **changes).splitlines()]


def test_the_runtime_goes_with_the_driver() -> None:
    runtime, used, warning = found(CUBIND_DEVICE="auto")
    assert runtime == ["cpu", str(RUNTIME)] and used == ["cpu", str(CPU)]
    assert " ".join(warning).count("kernels run on the CPU device") == 1
    runtime, used, warning = found(CUBIND_DEVICE="cpu")
    assert runtime == ["cpu", str(RUNTIME)] and used == ["cpu", str(CPU)] and not warning


@pytest.mark.skipif(not VENDORS.exists(), reason="needs the package nvidia-cuda-runtime")
def test_with_a_gpu_the_runtime_is_the_vendors(tmp_path: Path) -> None:
    for changes in ({"CUBIND_DEVICE": "auto"}, {"CUBIND_DEVICE": "gpu"}):
        runtime, _, warning = found(LD_LIBRARY_PATH=driver(tmp_path), **changes)
        assert runtime == ["wheel", str(VENDORS)] and not warning


@pytest.mark.skipif(not VENDORS.exists(), reason="needs the package nvidia-cuda-runtime")
def test_an_override_of_the_driver_decides_for_the_runtime_too(tmp_path: Path) -> None:
    library = driver(tmp_path) / "libcuda.so.1"
    runtime, used, _ = found(CUBIND_DEVICE="cpu", CUBIND_DRIVER_LIBRARY=library)
    assert runtime == ["wheel", str(VENDORS)] and used == ["override", str(library)]
    for own in (CPU, RUNTIME):
        shutil.copy(own, tmp_path)
    runtime, used, _ = found(CUBIND_DEVICE="auto", CUBIND_DRIVER_LIBRARY=tmp_path / CPU.name)
    assert runtime == ["cpu", str(tmp_path / RUNTIME.name)] and used == ["override", str(tmp_path / CPU.name)]


@pytest.mark.skipif(not VENDORS.exists(), reason="needs the package nvidia-cuda-runtime")
def test_without_any_driver_the_vendors_runtime_says_what_it_is() -> None:
    runtime, used, warning = found(CUBIND_DEVICE="auto", CUBIND_DRIVER_LIBRARY="/nowhere")
    assert runtime == ["wheel", str(VENDORS)] and used == ["None", "None"] and not warning


def test_an_override_of_the_runtime_wins() -> None:
    error, runtime, used, _ = found(CUBIND_DEVICE="cpu", CUBIND_RUNTIME_LIBRARY="/nowhere")
    assert error == ["LibraryNotFoundError"] and runtime == used == ["None", "None"]
    runtime, used, _ = found(CUBIND_DEVICE="gpu", CUBIND_RUNTIME_LIBRARY=RUNTIME)
    assert runtime == ["override", str(RUNTIME)] and used == ["None", "None"]


def test_a_device_that_does_not_exist_is_refused_by_the_runtime_too() -> None:
    error, runtime, *_ = found(CUBIND_DEVICE="tpu")
    assert error == ["LibraryNotFoundError"] and runtime == ["None", "None"]


def test_a_vendors_driver_without_a_device_is_not_what_our_runtime_uses(tmp_path: Path) -> None:
    """Both have the same name, and the vendor's is in the process first."""
    script = "from cubind import runtime; print(runtime.cudaGetDeviceCount(), runtime.cudaGetDeviceProperties(0).name)"
    printed = run(script, CUBIND_DEVICE="auto", LD_LIBRARY_PATH=driver(tmp_path, 100, 0))
    assert printed == "1 CPU device\n"


def test_nvrtc_lives_with_it() -> None:
    """NVRTC looks for the driver in the process; a library of that name must not crash it."""
    script = """
    import cubind
    from cubind import driver, nvrtc
    if cubind.has("nvrtcVersion"):
        driver.cuInit(0)
        program = nvrtc.nvrtcCreateProgram("__global__ void k() {}", "k.cu", 0, None, None)
        nvrtc.nvrtcCompileProgram(program, None, ["--gpu-architecture=sm_89"])
        assert nvrtc.nvrtcGetPTX(program)
    """
    run(script, CUBIND_DEVICE="cpu")
