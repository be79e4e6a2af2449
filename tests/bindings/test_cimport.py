"""Extensions of others that `cimport cubind.cydriver`: built outside the tree, with and without the vendor's headers."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from generator import headers
from tests.helpers.cpu_runtime import VENDORS
from tests.helpers.fakes import compile_library, environment, run

SETUP = """
import os, sys
from pathlib import Path
import cubind
from Cython.Build import cythonize
from setuptools import Extension, setup
vendor = [p for p in os.environ["VENDOR_HEADERS"].split(os.pathsep) if p]
extensions = [Extension("alone", ["alone.pyx"], include_dirs=[cubind.get_include()])]
if vendor:
    both = [cubind.get_include(), *vendor]
    extensions.append(Extension("linked", ["linked.pyx", "vendor.c"], include_dirs=both))
    extensions.append(Extension("together", ["together.pyx"], include_dirs=both))
for extension in extensions:
    extension.extra_compile_args = ["-O0", "-g0", "-Werror=incompatible-pointer-types", "-Werror=implicit-function-declaration"]
modules = cythonize(extensions, language_level=3)
setup(name="outside", ext_modules=modules, script_args=["-q", "build_ext", "--inplace"])
"""
ALONE = """
from cubind.cydriver cimport (
    CUDA_ERROR_NOT_READY, CUDA_SUCCESS, CUDA_VERSION, CUdevice, CUdeviceptr, CUhostFn, CUlaunchConfig, CUmemLocation, CUresult,
    CU_MEM_LOCATION_TYPE_DEVICE, CUstream, cuDeviceGetCount, cuInit, cuLaunchHostFunc, cuMemAlloc, cuMemAlloc_v2, cuStreamQuery,
)
from cubind cimport cydriver, cyruntime

def constants():
    return CUDA_VERSION, <int>CUDA_SUCCESS, <int>CUDA_ERROR_NOT_READY, <int>cyruntime.cudaErrorInsufficientDriver

def sizes():
    return sizeof(CUlaunchConfig), sizeof(CUmemLocation), sizeof(CUdeviceptr), sizeof(cyruntime.cudaDeviceProp)

def fields():
    cdef CUmemLocation location
    location.type = CU_MEM_LOCATION_TYPE_DEVICE
    location.id = 5
    cdef CUlaunchConfig config
    config.gridDimX = 3
    config.hStream = NULL
    return <int>location.type, location.id, config.gridDimX

def init(unsigned int flags):
    cdef CUresult status
    with nogil:
        status = cuInit(flags)
    return <int>status

def count():
    cdef int n = -1
    cdef CUresult status = cydriver.cuDeviceGetCount(&n)
    return <int>status, n

def query(size_t stream):
    return <int>cuStreamQuery(<CUstream>stream)

def missing():
    cdef CUdeviceptr p
    return <int>cuMemAlloc(&p, 4), <int>cuMemAlloc_v2(&p, 4)

cdef int called = 0
cdef void host_function(void *data) noexcept nogil:
    global called
    called += <int><size_t>data

def launch():
    cdef CUhostFn function = host_function
    status = <int>cuLaunchHostFunc(NULL, function, <void *><size_t>7)
    return status, called

def runtime_version():
    cdef int version = -1
    cdef cyruntime.cudaError_t status
    with nogil:
        status = cyruntime.cudaRuntimeGetVersion(&version)
    return <int>status, version

def error_name(int status):
    return (<bytes>cyruntime.cudaGetErrorName(<cyruntime.cudaError_t>status)).decode()
"""
LINKED = """
from cubind.cydriver cimport CUmemLocation, CUresult, CUstream, cuStreamQuery, CU_MEM_LOCATION_TYPE_DEVICE
cdef extern from *:
    '''
    extern int vendor_location_id(const void *location);
    extern int vendor_version(void);
    '''
    int vendor_location_id(const void *location)
    int vendor_version()

def location_id(int i):
    cdef CUmemLocation location
    location.type = CU_MEM_LOCATION_TYPE_DEVICE
    location.id = i
    return vendor_location_id(&location), vendor_version()

def query(size_t stream):
    return <int>cuStreamQuery(<CUstream>stream)
"""
VENDOR = """
#include <cuda.h>
int vendor_location_id(const void *p) {
    const CUmemLocation *location = p;
    return location->type == CU_MEM_LOCATION_TYPE_DEVICE ? location->id : -1;
}
int vendor_version(void) { return CUDA_VERSION; }
"""
TOGETHER = """
from cubind.cydriver cimport CUresult, CUstream, cuStreamQuery, CUmemLocation, CUDA_ERROR_NOT_READY
from cubind cimport cydriver
cdef extern from "cuda.h":
    ctypedef struct VendorLocation "CUmemLocation":
        int id
    int VENDOR_VERSION "CUDA_VERSION"
    int VENDOR_NOT_READY "CUDA_ERROR_NOT_READY"
    ctypedef void *VendorStream "CUstream"

def same():
    cdef CUmemLocation ours
    cdef VendorLocation theirs
    ours.id = 9
    theirs = (<VendorLocation *>&ours)[0]
    cdef bint constants = VENDOR_VERSION == cydriver.CUDA_VERSION and VENDOR_NOT_READY == <int>CUDA_ERROR_NOT_READY
    return theirs.id, sizeof(ours) == sizeof(theirs), bool(constants)

def query(size_t stream):
    cdef VendorStream s = <VendorStream>stream
    return <int>cuStreamQuery(<CUstream>s)
"""
DRIVER = """
CUresult cuInit(unsigned flags) { return (CUresult)flags; }
CUresult cuDeviceGetCount(int *n) { *n = 42; return 0; }
CUresult cuStreamQuery(CUstream s) { return s == (CUstream)5 ? CUDA_ERROR_NOT_READY : 0; }
CUresult cuLaunchHostFunc(CUstream s, CUhostFn f, void *p) { f(p); return 0; }
"""
NOT_THERE = 302
"""CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND"""


def vendor_headers() -> str:
    """The folder of the vendor's cuda.h, "" where there is none."""
    installed = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "include"
    if (installed / "cuda.h").exists():
        return str(installed)
    try:
        return ":".join(map(str, headers.include_dirs(headers.load().target)))
    except Exception:  # no network and nothing in the cache
        return ""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the extensions built in it."""
    folder = tmp_path_factory.mktemp("outside")
    sources = {
        "setup.py": SETUP,
        "alone.pyx": ALONE,
        "linked.pyx": LINKED,
        "vendor.c": VENDOR,
        "together.pyx": TOGETHER,
    }
    for name, text in sources.items():
        (folder / name).write_text(text)
    compile_library(folder, "libcuda.so.1", DRIVER)
    build = subprocess.run(
        [sys.executable, "setup.py"], cwd=folder, env=environment(VENDOR_HEADERS=vendor_headers()),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert build.returncode == 0, build.stdout[-2000:] + build.stderr[-4000:]
    return folder


def check(outside: Path, script: str, **changes: str | Path) -> str:
    lines = "\n".join(line.removeprefix("    ") for line in script.splitlines())
    environ = {"CUBIND_DRIVER_LIBRARY": outside / "libcuda.so.1"} | changes
    return run("import sys; sys.path.insert(0, sys.argv[1])\n" + lines, outside, **environ)


def need_vendor_headers() -> None:
    if not vendor_headers():
        pytest.skip("the vendor's cuda.h is neither in the wheel nvidia-cuda-runtime nor in the cache of headers")


def test_types_and_constants(outside: Path) -> None:
    check(outside, """
    import alone
    from cubind import driver, runtime
    assert alone.constants() == (driver.CUDA_VERSION, 0, driver.CUDA_ERROR_NOT_READY, runtime.cudaErrorInsufficientDriver)
    records = driver.CUlaunchConfig(), driver.CUmemLocation(), None, runtime.cudaDeviceProp()
    assert alone.sizes() == tuple(r.nbytes if r else 8 for r in records)
    assert alone.fields() == (1, 5, 3)
    """)  # fmt: skip


def test_calls(outside: Path) -> None:
    """Complaint 32."""
    check(outside, """
    import alone
    assert "libcuda" not in open("/proc/self/maps").read()
    assert alone.init(0) == 0 and alone.init(100) == 100
    assert alone.count() == (0, 42)
    assert alone.query(0) == 0 and alone.query(5) == 600
    assert alone.launch() == (0, 7)
    """)  # fmt: skip


def test_the_python_level_shares_the_table(outside: Path) -> None:
    check(outside, """
    import alone, cubind
    from cubind import driver
    assert driver.cuDeviceGetCount() == 42 and alone.count() == (0, 42)
    assert cubind.info().libraries["driver"].resolved >= 1
    """)  # fmt: skip


def test_a_missing_symbol_is_a_status(outside: Path) -> None:
    """Complaint 28."""
    check(outside, f"""
    import alone
    assert alone.missing() == ({NOT_THERE}, {NOT_THERE})
    assert alone.init(0) == 0
    """)  # fmt: skip


def test_a_missing_library_is_a_status(outside: Path) -> None:
    """Complaint 21."""
    script = f"""
    import threading
    import alone
    assert alone.init(0) == {NOT_THERE}
    results = []
    threads = [threading.Thread(target=lambda: results.append(alone.count())) for _ in range(8)]
    [t.start() for t in threads]
    [t.join(10) for t in threads]
    assert results == [({NOT_THERE}, -1)] * 8
    assert alone.runtime_version()[0] == {NOT_THERE}
    """
    check(outside, script, CUBIND_DRIVER_LIBRARY="/nowhere", CUBIND_RUNTIME_LIBRARY="/nowhere")


def test_the_cpu_devices_runtime(outside: Path) -> None:
    """It goes with the driver, whose module nobody has imported."""
    script = """
    import sys
    import alone
    assert "cubind.driver" not in sys.modules and "cubind.runtime" not in sys.modules
    assert alone.runtime_version() == (0, 13050)
    from cubind import _core
    assert [one["how"] for one in _core._libraries() if one["name"] in ("driver", "runtime")] == ["cpu", "cpu"]
    """
    check(outside, script, CUBIND_DEVICE="cpu", CUBIND_DRIVER_LIBRARY="")


@pytest.mark.skipif(not VENDORS.exists(), reason="needs the package nvidia-cuda-runtime")
def test_the_real_runtime(outside: Path) -> None:
    check(outside, """
    import alone
    from cubind import runtime
    assert alone.runtime_version() == (0, runtime.cudaRuntimeGetVersion())
    assert alone.error_name(2) == "cudaErrorMemoryAllocation"
    """)  # fmt: skip


def test_linked_with_a_file_that_uses_the_vendors_header(outside: Path) -> None:
    """Complaint 32."""
    need_vendor_headers()
    check(outside, """
    import linked
    assert linked.location_id(31)[0] == 31 and linked.location_id(31)[1] >= 13000
    assert linked.query(5) == 600
    """)  # fmt: skip


def test_together_with_the_vendors_header_in_one_file(outside: Path) -> None:
    """Complaint 32."""
    need_vendor_headers()
    check(outside, """
    import together
    assert together.same() == (9, True, True)
    assert together.query(5) == 600 and together.query(0) == 0
    """)  # fmt: skip


def test_the_extensions_need_no_library_of_ours(outside: Path) -> None:
    """They find the functions through the module that they cimport, not through the linker."""
    for extension in outside.glob("*.so"):
        needed = subprocess.run(
            ["readelf", "-d", extension], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        assert "libcuda" not in needed
        assert "cubind" not in needed
