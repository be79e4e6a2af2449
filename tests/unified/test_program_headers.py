"""Headers: CUDA's own are found, given ones win, others are where the options say."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import cuda_unified as cu
from cubind import nvrtc
from cuda_unified import headers
from tests.helpers import fakes
from tests.unified.running import one_number

HALF = """
#include <cuda_fp16.h>
extern "C" __global__ void k(__half *x) { *x = __float2half(0.1f) + __float2half(2.0f); }
"""
ATOMIC = """
#include <cuda/std/cstdint>
extern "C" __global__ void k(cuda::std::uint32_t *x) { *x = UINT32_MAX - 4; }
"""
KERNEL = 'extern "C" __global__ void k(int *x) { *x = N; }'
needs_copy = pytest.mark.skipif(
    not headers.has_bundled(), reason="this NVRTC has no copy of the headers: older than 13.3"
)


@pytest.fixture
def nothing_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without wheels and toolkits with headers."""
    monkeypatch.setattr(headers, "found_folders", list)


def test_complaint_36_cuda_fp16_is_found(device: cu.Device) -> None:
    """`#include <cuda_fp16.h>` works as it stands."""
    expected = np.float16(np.float32(0.1)) + np.float16(2.0)
    assert one_number(cu.compile(HALF), "k", np.float16) == expected


@needs_copy
@pytest.mark.usefixtures("nothing_found")
def test_complaint_36_without_any_wheel_or_toolkit(device: cu.Device) -> None:
    """NVRTC has a copy of the headers, which is unpacked when it is needed."""
    expected = np.float16(np.float32(0.1)) + np.float16(2.0)
    assert one_number(cu.compile(HALF), "k", np.float16) == expected


@needs_copy
def test_complaint_36_the_cxx_libraries(device: cu.Device) -> None:
    assert one_number(cu.compile(ATOMIC), "k", np.uint32) == 2**32 - 5


@needs_copy
def test_the_copy_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_UNIFIED_CACHE_DIR", str(tmp_path))
    folders = headers.bundled_folders()
    major, minor = headers.nvrtc_version()
    base = tmp_path / "headers" / f"nvrtc-{major}.{minor}"
    assert folders == [str(base), str(base / "cccl")]
    assert (Path(folders[0]) / "cuda_fp16.h").is_file()
    shutil.rmtree(tmp_path)
    assert headers.bundled_folders() == folders
    assert (Path(folders[0]) / "cuda_fp16.h").is_file(), "somebody had cleaned up"
    monkeypatch.setattr(nvrtc, "nvrtcInstallBundledHeaders", lambda *a: pytest.fail("unpacked again"))
    assert headers.bundled_folders() == folders


@needs_copy
def test_the_copy_where_no_folder_can_be_written() -> None:
    """It is unpacked for the process, and goes with it."""
    out = fakes.run(
        """
        from pathlib import Path
        import cuda_unified as cu
        from cuda_unified import headers
        print(headers.bundled_folders()[0])
        print(cu.Program("#include <cuda/std/cstddef>", arch=80, bundled_headers=True).compile("ptx").kind)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUDA_UNIFIED_CACHE_DIR="/proc/self/none",
        CUBIND_DEVICE="cpu",
    )
    folder, kind = out.split()
    assert kind == "ptx"
    assert not Path(folder).exists()
    assert not Path(folder).parent.exists()


def test_headers_are_not_found_where_that_is_not_wanted() -> None:
    with pytest.raises(cu.CompileError, match=r"cuda_fp16\.h"):
        cu.Program(HALF, arch=80, find_headers=False).compile("ptx")


@pytest.mark.usefixtures("nothing_found")
def test_the_copy_can_be_refused() -> None:
    with pytest.raises(cu.CompileError, match=r"cuda_fp16\.h") as caught:
        cu.Program(HALF, arch=80, bundled_headers=False).compile("ptx")
    assert "nvidia-cuda-runtime" in (caught.value.hint or "")


@needs_copy
def test_the_copy_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cuda_fp16.h").write_text("#error the one that was found\n")
    monkeypatch.setattr(headers, "found_folders", lambda: [str(tmp_path)])
    with pytest.raises(cu.CompileError, match="the one that was found"):
        cu.Program(HALF, arch=80).compile("ptx")
    assert "cvt" in cu.Program(HALF, arch=80, bundled_headers=True).compile("ptx").text


def test_an_nvrtc_without_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "has_bundled", lambda: False)
    with pytest.raises(cu.NotSupportedError, match=r"has no copy of the headers; 13\.3 and later have"):
        cu.Program(HALF, arch=80, bundled_headers=True).compile("ptx")
    monkeypatch.setattr(headers, "found_folders", list)
    with pytest.raises(cu.CompileError, match=r"cuda_fp16\.h"):
        cu.Program(HALF, arch=80, cache=False).compile("ptx")


def test_given_headers_win(device: cu.Device, tmp_path: Path) -> None:
    (tmp_path / "n.h").write_text("#define N 1\n")
    source = "#include <n.h>\n" + KERNEL
    assert one_number(cu.compile(source, include_paths=tmp_path), "k") == 1
    assert one_number(cu.compile(source, include_paths=tmp_path, headers={"n.h": "#define N 2"}), "k") == 2
    given = {"n.h": "#include <deep/m.h>", "deep/m.h": b"#define N 3"}
    assert one_number(cu.compile(source, headers=given), "k") == 3
    fake = {"cuda_fp16.h": "#define N 4"}
    assert one_number(cu.compile("#include <cuda_fp16.h>\n" + KERNEL, headers=fake), "k") == 4


def test_own_folders_come_before_found_ones(device: cu.Device, tmp_path: Path) -> None:
    (tmp_path / "cuda_fp16.h").write_text("#define N 5\n")
    assert one_number(cu.compile("#include <cuda_fp16.h>\n" + KERNEL, include_paths=[tmp_path]), "k") == 5


def test_relative_folders(device: cu.Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of where the options were made, whatever the directory is afterwards."""
    (tmp_path / "inc lude").mkdir()
    (tmp_path / "inc lude" / "n.h").write_text("#define N 6\n")
    monkeypatch.chdir(tmp_path)
    assert one_number(cu.compile("#include <n.h>\n" + KERNEL, include_paths="inc lude"), "k") == 6
    (tmp_path / "n.h").write_text("#define N 7\n")
    assert one_number(cu.compile('#include "n.h"\n' + KERNEL), "k") == 7
    with pytest.raises(cu.CompileError):
        cu.Program('#include "n.h"\n' + KERNEL, source_include=False).compile()


# ---- where the vendor's headers are ----------------------------------------------------------------------------------


def toolkit(root: Path, version: int, *parts: str) -> Path:
    include = root.joinpath(*(parts or ("include",)))
    (include / "cccl").mkdir(parents=True)
    (include / "cuda_runtime_api.h").write_text(f"  #define CUDART_VERSION  {version}\n")
    (include / "cuda_fp16.h").write_text("")
    return include


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "find_spec", lambda name: None)
    for name in ("CUDA_PATH", "CUDA_HOME", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_wheels")
@pytest.mark.parametrize("variable", ["CUDA_PATH", "CUDA_HOME", "CONDA_PREFIX"])
def test_toolkits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    major, _ = headers.nvrtc_version()
    include = toolkit(tmp_path / "toolkit", major * 1000)
    monkeypatch.setenv(variable, str(tmp_path / "toolkit"))
    assert headers.found_folders()[:2] == [str(include), str(include / "cccl")]
    other = toolkit(tmp_path / "other", (major - 1) * 1000)
    monkeypatch.setenv(variable, str(tmp_path / "other"))
    assert str(other) not in headers.found_folders(), "of another major version"


@pytest.mark.usefixtures("no_wheels")
def test_conda_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    major, _ = headers.nvrtc_version()
    include = toolkit(tmp_path, major * 1000, "targets", f"{os.uname().machine}-linux", "include")
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
    assert headers.found_folders()[:2] == [str(include), str(include / "cccl")]


def test_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path / "nvidia"),)

    monkeypatch.setattr(headers, "find_spec", lambda name: Spec)
    new = toolkit(tmp_path / "nvidia" / "cu13", 13050)
    old = [toolkit(tmp_path / "nvidia" / name, 12040) for name in ("cuda_nvcc", "cuda_runtime")]
    monkeypatch.setattr(headers, "nvrtc_version", lambda: (13, 5))
    assert headers.found_folders() == [str(new), str(new / "cccl")]
    monkeypatch.setattr(headers, "nvrtc_version", lambda: (12, 4))
    assert headers.found_folders() == [str(p) for f in old for p in (f, f / "cccl")]


def test_the_version_of_a_folder(tmp_path: Path) -> None:
    assert headers.folder_version(str(toolkit(tmp_path / "a", 13050))) == 13050
    (tmp_path / "cuda.h").write_text("#define CUDA_VERSION 12080 /* 12.8 */")
    assert headers.folder_version(str(tmp_path)) == 12080
    assert headers.folder_version(str(tmp_path / "none")) is None
