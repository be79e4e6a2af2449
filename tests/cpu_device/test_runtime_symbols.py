"""The symbols of the CPU device's libcudart.so.13: those of the facts, with the version that programs are linked to."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from generator import pipeline
from tests.helpers.cpu_runtime import LIBRARY, VENDORS, on_runtime

SOURCES = pipeline.OUT / "cpu_device" / "src" / "runtime"
PLAN = next(
    one.plan
    for one in pipeline.lowered(pipeline.ROOT, pipeline.target(pipeline.ROOT))
    if one.plan.info.name == "runtime"
)
# what the host code of compiled programs calls beside the API
FOR_COMPILERS = {
    "__cudaRegisterFatBinary", "__cudaRegisterFatBinaryEnd", "__cudaUnregisterFatBinary", "__cudaRegisterFunction",
    "__cudaRegisterVar", "__cudaRegisterManagedVar", "__cudaInitModule", "__cudaPushCallConfiguration",
    "__cudaPopCallConfiguration", "__cudaGetKernel", "__cudaLaunchKernel", "__cudaLaunchKernel_ptsz",
}  # fmt: skip


def defined(library: Path) -> set[str]:
    """Defined symbols with their versions."""
    lines = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[2] for line in lines.splitlines() if " A " not in line}


def test_the_symbols_are_those_of_the_facts() -> None:
    wanted = {s for f in PLAN.library.functions for s in (f.symbol, f.per_thread) if s} | FOR_COMPILERS
    assert defined(LIBRARY) == {f"{name}@@libcudart.so.13" for name in wanted}


@pytest.mark.skipif(not VENDORS.exists(), reason="needs the package nvidia-cuda-runtime")
def test_programs_linked_to_the_vendors_library_find_theirs() -> None:
    missing = {symbol.partition("@")[0] for symbol in defined(VENDORS) - defined(LIBRARY)}
    assert missing == {
        "__cudaGetProcAddress", "__cudaRegisterHostVar", "__cudaRegisterUnifiedTable",
        "cudaSubgridCreate", "cudaSubgridWorkerGridCreate", "cudaSubgridWorksetCreate",
    }  # fmt: skip


def test_it_needs_nothing_but_the_system() -> None:
    text = subprocess.run(["readelf", "-d", LIBRARY], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", text))
    assert needed <= {"libc.so.6", "libdl.so.2", "libpthread.so.0", "libm.so.6", "ld-linux-x86-64.so.2"}
    assert "[libcudart.so.13]" in text and "RPATH" not in text and "RUNPATH" not in text


def test_every_function_of_the_driver_that_it_calls_is_there() -> None:
    text = "".join(path.read_text() for path in SOURCES.glob("*.[ch]pp"))
    called = set(re.findall(r"\b(?:CALL|DRIVER)\((cu\w+)", text))
    called |= {f"{name}_ptds" for name in re.findall(r"\bCALL_HERE\((cu\w+)", text)} | set(
        re.findall(r"\bCALL_HERE\((cu\w+)", text)
    )
    assert len(called) > 150
    assert called <= {symbol.partition("@")[0] for symbol in defined(LIBRARY.with_name("libcuda.so.1"))}


def test_what_is_written_is_not_left_to_the_weak_definitions() -> None:
    """Every function that a source defines is a strong symbol, and nearly all that programs use are written."""
    lines = subprocess.run(["nm", "-D", LIBRARY], capture_output=True, text=True, check=True).stdout
    weak = {line.split()[1].partition("@")[0] for line in lines.splitlines() if line.split()[0] == "W"}
    weak |= {
        line.split()[2].partition("@")[0] for line in lines.splitlines() if " W " in line and len(line.split()) == 3
    }
    written = set()
    for path in SOURCES.glob("*.cpp"):
        if path.name != "generated_exports.cpp":
            written |= set(re.findall(r"^(?:EXPORTED )?cudaError_t (cuda\w+)\(", path.read_text(), re.MULTILINE))
    assert len(written) > 220 and not written & weak


def test_without_its_driver_it_says_so(tmp_path: Path) -> None:
    alone = tmp_path / LIBRARY.name
    alone.write_bytes(LIBRARY.read_bytes())
    on_runtime(
        """
        assert r.cudaDriverGetVersion() == 0 and r.cudaRuntimeGetVersion() == 13050
        assert name(r.cudaMalloc, 16) == name(r.cudaGetDeviceCount) == "cudaErrorInsufficientDriver"
        assert r.cudaGetLastError() is r.cudaErrorInsufficientDriver
        assert "driver" in r.cudaGetErrorString(r.cudaErrorInsufficientDriver)
        assert r.cudaGetErrorName(35) == "cudaErrorInsufficientDriver" and r.cudaGetErrorString(700)
        """,
        CUBIND_RUNTIME_LIBRARY=str(alone),
    )
