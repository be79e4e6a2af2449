"""How libraries are found and opened: each case in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.helpers.fakes import compile_library, environment, run

WHEEL = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "lib"
SOURCE = """
CUresult cuInit(unsigned flags) { return 0; }
CUresult cuDriverGetVersion(int *version) { *version = 13010; return 0; }
CUresult cuStreamSynchronize(CUstream s) { return CUDA_ERROR_INVALID_VALUE; }
CUresult cuStreamSynchronize_ptsz(CUstream s) { return CUDA_ERROR_NOT_READY; }
CUresult cuDeviceGetCount(int *n) { *n = MARK; return 0; }
"""
COUNT = "from cubind import driver; print(driver.cuDeviceGetCount())"


def fake(folder: Path, mark: int, name: str = "libcuda.so.1") -> Path:
    return compile_library(folder, name, SOURCE, f"-DMARK={mark}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake(tmp_path_factory.mktemp("loading"), 1)


def need_no_nvrtc() -> None:
    """What is found last, by the system's loader, would hide what these tests look for."""
    script = "import ctypes, sys; sys.path.clear(); ctypes.CDLL('libnvrtc.so.13')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, check=False, timeout=30
    )
    if done.returncode == 0:
        pytest.skip("needs a machine whose system loader has no libnvrtc.so.13")


def not_found(module: str, call: str, **changes: str | Path) -> str:
    script = f"""
    import cubind
    from cubind import {module}
    try:
        {module}.{call}
    except cubind.LibraryNotFoundError as error:
        assert isinstance(error, ImportError) and error.code is None
        print(error)
    """
    return run(script, **changes)


# ---- when -----------------------------------------------------------------------------------------------------------


def test_nothing_is_opened_by_importing(library: Path) -> None:
    """Complaint 31."""
    script = """
    import sys
    from cubind import driver, runtime, nvrtc, cydriver, cyruntime, cynvrtc
    driver.CUresult, driver.CUmemLocation(), driver.CUstream(1), list(driver.__all__), driver.CUDA_SUCCESS
    maps = open("/proc/self/maps").read()
    assert not [name for name in ("libcuda", "libcudart", "libnvrtc") if name in maps]
    driver.cuInit(0)
    assert sys.argv[1] in open("/proc/self/maps").read()
    assert "libcudart" not in open("/proc/self/maps").read()
    """
    run(script, library, CUBIND_DRIVER_LIBRARY=library)


def test_a_wrong_argument_opens_nothing() -> None:
    script = """
    from cubind import driver
    try:
        driver.cuInit("x")
    except TypeError:
        print("TypeError")
    """
    assert run(script, CUBIND_DRIVER_LIBRARY="/nowhere") == "TypeError\n"


# ---- where ----------------------------------------------------------------------------------------------------------


def test_override(library: Path) -> None:
    assert run(COUNT, CUBIND_DRIVER_LIBRARY=library) == "1\n"


def test_nothing_else_is_tried_while_the_override_is_set(tmp_path: Path) -> None:
    fake(tmp_path / "lib64", 2)
    text = not_found("driver", "cuInit(0)", CUBIND_DRIVER_LIBRARY=tmp_path / "absent.so", CUDA_PATH=tmp_path)
    assert "$CUBIND_DRIVER_LIBRARY: " in text
    assert "absent.so" in text
    assert "no other place is tried while it is set" in text


def test_an_override_that_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no library")
    assert "text.so" in not_found("driver", "cuInit(0)", CUBIND_DRIVER_LIBRARY=tmp_path / "text.so")


@pytest.mark.parametrize(("module", "name"), [("runtime", "libcudart.so.13"), ("nvrtc", "libnvrtc.so.13")])
def test_found_in_a_wheel(module: str, name: str) -> None:
    """Complaint 35."""
    if not (WHEEL / name).exists():
        pytest.skip(f"{name} is not installed: no wheel of it in this environment")
    script = f"""
    import cubind
    print(cubind.info().libraries["{module}"].how, cubind.info().libraries["{module}"].path)
    """
    assert run(script) == f"wheel {WHEEL / name}\n"


def test_wheels_are_looked_for_along_the_path(tmp_path: Path) -> None:
    """Complaint 35."""
    fake(tmp_path / "a" / "nvidia" / "cu13" / "lib", 5, "libcudart.so.13")
    script = """
    import sys
    sys.path[:0] = [5, "", "/nowhere", sys.argv[1]]
    import cubind
    print(cubind.info().libraries["runtime"].path)
    """
    assert run(script, tmp_path / "a") == f"{tmp_path}/a/nvidia/cu13/lib/libcudart.so.13\n"


@pytest.mark.parametrize("variable", ["CUDA_PATH", "CUDA_HOME"])
@pytest.mark.parametrize("folder", ["lib64", "lib"])
def test_found_in_a_toolkit(tmp_path: Path, variable: str, folder: str) -> None:
    """Complaint 35."""
    path = fake(tmp_path / folder, 7, "libcudart.so.13")
    script = """
    import sys
    sys.path[:] = [p for p in sys.path if "site-packages" not in p]
    import cubind
    library = cubind.info().libraries["runtime"]
    print(library.how, library.path)
    """
    assert run(script, **{variable: tmp_path}) == f"{variable} {path}\n"


def test_what_the_process_has_already_comes_first(tmp_path: Path) -> None:
    loaded = fake(tmp_path / "loaded", 3, "libcudart.so.13")
    script = """
    import ctypes, sys
    ctypes.CDLL(sys.argv[1])
    import cubind
    library = cubind.info().libraries["runtime"]
    print(library.how, library.path)
    """
    assert run(script, loaded) == f"process {loaded}\n"


def test_the_systems_loader(library: Path) -> None:
    script = """
    import cubind
    library = cubind.info().libraries["driver"]
    print(library.how, library.path, library.version)
    """
    assert run(script, LD_LIBRARY_PATH=library.parent) == f"system {library} 13.1\n"


# ---- what is said when it is missing ---------------------------------------------------------------------------------


def test_the_error_lists_where_was_looked(tmp_path: Path) -> None:
    """Complaint 21."""
    text = not_found("driver", "cuInit(0)", CUDA_PATH=tmp_path)
    assert text.startswith("the CUDA driver (libcuda) was not found; looked at\n")
    assert "$CUBIND_DRIVER_LIBRARY: not set" in text
    assert "loaded already: no libcuda.so.1" in text
    assert "system: libcuda.so.1: cannot open shared object file" in text
    assert "comes with NVIDIA's display driver" in text


COMPILER = """
import sys
sys.path[:] = [sys.argv[1]] + [p for p in sys.path if "site-packages" not in p]
import cubind
from cubind import nvrtc
try:
    nvrtc.nvrtcVersion()
except cubind.LibraryNotFoundError as error:
    print(error)
assert "libnvrtc" not in open("/proc/self/maps").read()
"""


def test_the_error_lists_files(tmp_path: Path) -> None:
    need_no_nvrtc()
    text = run(COMPILER, tmp_path, CUDA_PATH=tmp_path / "toolkit")
    assert f"wheel: no file {tmp_path}/nvidia/cu13/lib/libnvrtc.so.13" in text
    assert f"$CUDA_PATH: no file {tmp_path}/toolkit/lib64/libnvrtc.so.13" in text
    assert "install the package nvidia-cuda-nvrtc" in text
    assert "another CUDA version" not in text


def test_a_library_of_another_major_version(tmp_path: Path) -> None:
    """Complaint 30."""
    need_no_nvrtc()
    other = fake(tmp_path / "nvidia" / "cu13" / "lib", 1, "libnvrtc.so.12")
    text = run(COMPILER, tmp_path)
    assert f"found libnvrtc.so.12 at {other}, which is of another CUDA version" in text
    assert "these bindings are for libnvrtc.so.13" in text


def test_a_search_that_failed_is_made_again(tmp_path: Path) -> None:
    script = """
    import os, sys
    import cubind
    from cubind import driver
    assert not cubind.has("cuInit")
    for _ in range(2):
        try:
            driver.cuInit(0)
        except cubind.LibraryNotFoundError:
            print("missing")
    os.environ["CUBIND_DRIVER_LIBRARY"] = sys.argv[1]
    print(driver.cuDeviceGetCount())
    """
    assert run(script, fake(tmp_path, 4)) == "missing\nmissing\n4\n"


# ---- symbols --------------------------------------------------------------------------------------------------------


def test_a_missing_symbol_is_missed_when_it_is_called(tmp_path: Path) -> None:
    """Complaint 28."""
    resolver = """
    CUresult cuGetProcAddress_v2(const char *name, void **out, int version, cuuint64_t flags,
                                 CUdriverProcAddressQueryResult *status) { return CUDA_ERROR_NOT_FOUND; }
    """
    library = compile_library(tmp_path, "libcuda.so.1", SOURCE + resolver, "-DMARK=1")
    script = """
    import cubind
    from cubind import driver
    driver.cuInit(0)
    for _ in range(2):
        try:
            driver.cuMemAlloc(5)
        except NotImplementedError as error:
            assert type(error) is cubind.SymbolNotFoundError
            print(error)
    """
    lines = run(script, CUBIND_DRIVER_LIBRARY=library).splitlines()
    assert lines[0] == lines[1]
    assert re.fullmatch(
        rf"cuMemAlloc is not in the CUDA driver \(libcuda\) that was found at {library}, which supports CUDA 13\.1; "
        r"it came with CUDA 3\.2",
        lines[0],
    )


def test_has(library: Path) -> None:
    """Complaint 29."""
    script = """
    import cubind
    print(*map(cubind.has, ("cuInit", "cuDeviceGetCount", "cuMemAlloc", "cuMemAlloc_v2", "nosuchfunction", "")))
    """
    assert run(script, CUBIND_DRIVER_LIBRARY=library) == "True True False False False False\n"
    assert run(script, CUBIND_DRIVER_LIBRARY="/nowhere") == "False False False False False False\n"


def test_the_resolver_is_asked_for_the_version_of_the_prototype(tmp_path: Path) -> None:
    source = """
    static CUresult count(int *n) { *n = 77; return 0; }
    CUresult cuGetProcAddress_v2(const char *name, void **out, int version, cuuint64_t flags,
                                 CUdriverProcAddressQueryResult *status) {
        int found = !strcmp(name, "cuDeviceGetCount") && version == 2000 && flags == 1;
        *out = found ? (void *)count : NULL;
        return 0;  /* some drivers answer success and NULL */
    }
    CUresult cuInit(unsigned flags) { return CUDA_ERROR_NO_DEVICE; }
    """
    script = """
    import cubind
    from cubind import driver
    print(driver.cuDeviceGetCount())
    try:
        driver.cuInit(0)
    except cubind.NoDeviceError:
        print("by its exported name")
    """
    path = compile_library(tmp_path, "libcuda.so.1", source)
    assert run(script, CUBIND_DRIVER_LIBRARY=path) == "77\nby its exported name\n"


# ---- the per-thread default stream -----------------------------------------------------------------------------------

SYNCHRONIZE = """
import cubind
from cubind import driver
def status():
    try:
        driver.cuStreamSynchronize(0)
    except cubind.CudaError as error:
        return error.name
"""


def test_the_per_thread_switch(library: Path) -> None:
    script = """
    print(cubind.per_thread_default_stream(), status())
    print(cubind.per_thread_default_stream(True), status())
    print(cubind.per_thread_default_stream(False), status())
    """
    printed = run(SYNCHRONIZE + "\n".join(line.strip() for line in script.splitlines()), CUBIND_DRIVER_LIBRARY=library)
    legacy, own = "CUDA_ERROR_INVALID_VALUE", "CUDA_ERROR_NOT_READY"
    assert printed == f"False {legacy}\nTrue {own}\nFalse {legacy}\n"


@pytest.mark.parametrize("variable", ["CUBIND_PER_THREAD_DEFAULT_STREAM", "CUDA_PYTHON_CUDA_PER_THREAD_DEFAULT_STREAM"])
@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("", False)])
def test_the_per_thread_switch_in_the_environment(library: Path, variable: str, value: str, on: bool) -> None:
    printed = run(SYNCHRONIZE + "print(status())", CUBIND_DRIVER_LIBRARY=library, **{variable: value})
    assert printed == f"CUDA_ERROR_{'NOT_READY' if on else 'INVALID_VALUE'}\n"


# ---- what was found --------------------------------------------------------------------------------------------------


def test_info(library: Path) -> None:
    """Complaint 29."""
    script = """
    import cubind
    info = cubind.info()
    driver = info.libraries["driver"]
    print(driver.path, driver.how, driver.version, driver.error, driver.functions > 500)
    missing = info.libraries["nvrtc"]
    assert missing.path is None and "looked at" in missing.error and missing.version is None
    assert repr(info).startswith("<cubind ")
    """
    printed = run(script, CUBIND_DRIVER_LIBRARY=library, CUBIND_NVRTC_LIBRARY="/nowhere")
    assert printed == f"{library} override 13.1 None True\n"


@pytest.mark.parametrize("changes", [{}, {"CUBIND_DRIVER_LIBRARY": "/nowhere"}, {"CUDA_PATH": "/nowhere"}])
def test_the_table_on_the_command_line(changes: dict[str, str]) -> None:
    printed = run("import runpy; runpy.run_module('cubind', run_name='__main__')", **changes)
    assert re.match(r"cubind \d+\.\d+\S*, Python 3\.", printed)
    rows = re.findall(r"^(driver|runtime|nvrtc|nvjitlink|nvvm) +\S+ +(\d+)", printed, re.MULTILINE)
    assert sorted(name for name, _ in rows) == ["driver", "nvjitlink", "nvrtc", "nvvm", "runtime"]
    assert all(int(n) > 13 for _, n in rows)


def test_a_broken_library_does_not_break_info(tmp_path: Path) -> None:
    path = compile_library(tmp_path, "libcuda.so.1", "CUresult cuDriverGetVersion(int *v) { return 999; }")
    printed = run("import cubind; print(cubind.info().libraries['driver'].version)", CUBIND_DRIVER_LIBRARY=path)
    assert printed == "None\n"


# ---- threads --------------------------------------------------------------------------------------------------------


def test_first_calls_of_many_threads(library: Path) -> None:
    script = """
    import threading
    from cubind import driver
    barrier, results = threading.Barrier(16), []
    def work():
        barrier.wait()
        driver.cuInit(0)
        results.append(driver.cuDeviceGetCount())
    threads = [threading.Thread(target=work) for _ in range(16)]
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    assert results == [1] * 16, results
    """
    for _ in range(3):
        run(script, CUBIND_DRIVER_LIBRARY=library)


def test_first_calls_of_many_threads_without_a_library() -> None:
    script = """
    import threading, cubind
    from cubind import driver
    barrier, errors = threading.Barrier(16), []
    def work():
        barrier.wait()
        try:
            driver.cuInit(0)
        except cubind.LibraryNotFoundError as error:
            errors.append(str(error))
    threads = [threading.Thread(target=work) for _ in range(16)]
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    assert len(errors) == 16 and len(set(errors)) == 1
    """
    run(script)


def test_the_environment_of_these_tests_is_clean() -> None:
    assert not {"CUBIND_DRIVER_LIBRARY", "CUDA_PATH", "LD_LIBRARY_PATH"} & set(environment())
