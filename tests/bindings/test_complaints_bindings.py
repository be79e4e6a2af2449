"""What users of other bindings complained about, where no other test is about just that; ../COMPLAINTS.md has the list."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.helpers import fakes

ROOT = str(fakes.PACKAGE.parents[1])
STABLE = {
    "_Py_Dealloc",
    "_Py_NoneStruct",
    "_Py_TrueStruct",
    "_Py_FalseStruct",
    "_Py_NotImplementedStruct",
    "_Py_EllipsisObject",
    "_PyObject_GC_New",
    "_PyObject_GC_NewVar",
    "_PyObject_New",
    "_PyObject_NewVar",
    "_PyArg_ParseTuple_SizeT",
    "_PyArg_ParseTupleAndKeywords_SizeT",
    "_PyArg_Parse_SizeT",
    "_Py_BuildValue_SizeT",
    "_Py_VaBuildValue_SizeT",
    "_PyObject_CallFunction_SizeT",
    "_PyObject_CallMethod_SizeT",
}
"""Names with an underscore that the limited API exports, https://docs.python.org/3/c-api/stable.html#contents-of-limited-api"""


def run(script: str, **changes: str | Path) -> list[str]:
    return fakes.run(script, PYTHONPATH=ROOT, **changes).splitlines()


def test_complaint_8_a_failing_call_reads_no_outputs(tmp_path: Path) -> None:
    """Whatever lies in an enum, a struct or a handle that a failing call left alone or spoilt: the error is the status."""
    library = fakes.compile_library(
        tmp_path,
        "libcuda.so.1",
        """
CUresult cuInit(unsigned flags) { return 0; }
CUresult cuDeviceGetCount(int *n) { *n = 1; return 0; }
CUresult cuCheckpointProcessGetState(int pid, CUprocessState *state) { memset(state, 0x7f, sizeof *state); return 1; }
CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type) { memset(type, 0x7f, sizeof *type); return 1; }
CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *d, CUarray a) { memset(d, 0xff, sizeof *d); return 1; }
CUresult cuStreamGetCaptureInfo_v3(CUstream s, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
                                   const CUgraphNode **nodes, const CUgraphEdgeData **edges, size_t *n) {
    memset(status, 0x7f, sizeof *status);
    *nodes = (void *)-1, *n = -1;
    return 1;
}
""",
    )
    assert run(
        """
import cubind
from cubind import driver
for call in (lambda: driver.cuCheckpointProcessGetState(1), lambda: driver.cuGraphNodeGetType(16),
             lambda: driver.cuArrayGetDescriptor(16), lambda: driver.cuStreamGetCaptureInfo_v3(16)):
    try:
        call()
    except cubind.InvalidValueError as error:
        print(error.function, error.name)
""",
        CUBIND_DRIVER_LIBRARY=library,
    ) == [
        f"{name} CUDA_ERROR_INVALID_VALUE"
        for name in (
            "cuCheckpointProcessGetState",
            "cuGraphNodeGetType",
            "cuArrayGetDescriptor",
            "cuStreamGetCaptureInfo",
        )
    ]


def test_complaint_16_pointer_members_keep_their_memory() -> None:
    """Under stress of the collector, with other memory made in between, in a record, in a copy of it, and by a view."""
    assert run(
        """
import copy, gc
from array import array
from cubind import driver
gc.set_threshold(1)
driver.cuInit(0)
driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(0))
def described(n):
    host, device = driver.CUmemorytype.CU_MEMORYTYPE_HOST, driver.CUmemorytype.CU_MEMORYTYPE_DEVICE
    return driver.CUDA_MEMCPY2D(srcMemoryType=host, srcHost=array("B", bytes([n]) * 4096), dstMemoryType=device,
                                dstDevice=there, WidthInBytes=4096, Height=1)
there, back = driver.cuMemAlloc(4096), bytearray(4096)
for n in range(1, 60):
    record = described(n)
    copied = copy.copy(record) if n % 2 else record
    del record
    spoiled = [bytearray(b"x" * 4096) for _ in range(20)]
    gc.collect()
    driver.cuMemcpy2D(copied)
    driver.cuMemcpyDtoH(back, there, 4096)
    assert back == bytes([n]) * 4096, n
print("fine")
""",
        CUBIND_DEVICE="cpu",
    ) == ["fine"]


def test_complaint_17_text_of_a_temporary_lives_during_the_call() -> None:
    """Names, data and options that nobody else refers to, given to a linker that reads them later than in the same call."""
    assert run(
        """
import gc
from cubind import driver
gc.set_threshold(1)
driver.cuInit(0)
driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(0))
def text(i):
    return f".version 7.0\\n.target sm_75\\n.address_size 64\\n.visible .entry k{i}() {{ ret; }}\\n".encode()
def sized(data):
    return data + b"\\0", len(data) + 1
for _ in range(20):
    link = driver.cuLinkCreate(0, [], [])
    for i in range(3):
        driver.cuLinkAddData(link, driver.CUjitInputType.CU_JIT_INPUT_PTX, *sized(text(i)), "part" + str(i), 0, [], [])
        spoiled = [b"x" * 90 + bytes([i]) for i in range(50)]
    module = driver.cuModuleLoadData(driver.cuLinkComplete(link))
    assert all(driver.cuModuleGetFunction(module, f"k{i}") for i in range(3))
    driver.cuLinkDestroy(link)
print("fine")
""",
        CUBIND_DEVICE="cpu",
    ) == ["fine"]


def test_complaint_20_an_attribute_has_the_type_that_it_is_of(tmp_path: Path) -> None:
    """Ordinals are signed, sizes 64 bits wide, enums enums: by the attribute that is asked for."""
    library = fakes.compile_library(
        tmp_path,
        "libcuda.so.1",
        """
CUresult cuInit(unsigned flags) { return 0; }
CUresult cuDeviceGetCount(int *n) { *n = 1; return 0; }
CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr pointer) {
    switch ((int)attribute) {
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *(int *)data = -2; break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *(unsigned *)data = CU_MEMORYTYPE_DEVICE; break;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: *(unsigned char *)data = 1; break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: *(unsigned long long *)data = 1ULL << 63 | 5; break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *(size_t *)data = (size_t)1 << 40; break;
    default: return 1;
    }
    return 0;
}
""",
    )
    assert run(
        """
from cubind import driver
P = driver.CUpointer_attribute
for name in ("DEVICE_ORDINAL", "MEMORY_TYPE", "IS_MANAGED", "BUFFER_ID", "RANGE_SIZE"):
    print(repr(driver.cuPointerGetAttribute(P["CU_POINTER_ATTRIBUTE_" + name], 16)))
value = driver.CUlaunchAttributeValue()
value.priority = -3
print(value.priority)
""",
        CUBIND_DRIVER_LIBRARY=library,
    ) == ["-2", "<CUmemorytype.CU_MEMORYTYPE_DEVICE: 2>", "1", str(1 << 63 | 5), str(1 << 40), "-3"]


def test_complaint_34_one_binary_for_all_later_pythons() -> None:
    """The stable ABI of 3.11, and nothing that is not of it."""
    files = [*fakes.PACKAGE.glob("*.so"), *(fakes.PACKAGE.parents[1] / "cuda_unified").glob("*.so")]
    assert len(files) >= 8
    for path in files:
        assert path.name.endswith(".abi3.so"), path.name
        listed = subprocess.run(["nm", "-D", "-u", path], capture_output=True, text=True, check=True, timeout=30).stdout
        names = {
            line.split()[-1].partition("@")[0] for line in listed.splitlines() if line.split()[-1].startswith("_Py")
        }
        assert names <= STABLE, (path.name, names - STABLE)


@pytest.mark.parametrize("shadow", ["cuda.py", "cuda/__init__.py", "nvidia.py", "driver.py"])
def test_complaint_37_nobody_elses_name(tmp_path: Path, shadow: str) -> None:
    """What lies on the path as `cuda`, a program's own file for example, is in nobody's way."""
    file = tmp_path / shadow
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise SystemExit('the wrong module')\n")
    script = "import cubind.driver, cuda_unified as cu; print(cu.Device(0).name)"
    path = f"{tmp_path}:{ROOT}:{fakes.PACKAGE.parent}:{sysconfig.get_path('purelib')}"
    assert fakes.run(script, PYTHONPATH=path, CUBIND_DEVICE="cpu").strip()
