"""Where CUDA's headers are: in wheels, in toolkits, and in NVRTC itself, which has a copy since CUDA 13.3."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_VERSION = re.compile(rb"^\s*#\s*define\s+(?:CUDART_VERSION|CUDA_VERSION)\s+(\d+)", re.MULTILINE)
_COPIED = """cub/ cuda/ nv/ thrust/ cooperative_groups/ crt/ cooperative_groups.h cuComplex.h cuda_awbarrier cuda_bf16.h cuda_fp
cuda_pipeline cuda_tf32.h cudart_platform.h math_constants.h mma.h vector_types.h"""
_BUNDLED = tuple(_COPIED.split())
"""how the names begin of the headers that NVRTC has a copy of"""


def nvrtc_version() -> tuple[int, int]:
    """(major, minor) of the NVRTC that is used; raises `LibraryNotFoundError` if there is none."""
    from cubind import nvrtc

    major, minor = nvrtc.nvrtcVersion()
    return int(major), int(minor)


@cache
def nvrtc_identity() -> str:
    """What tells one build of NVRTC from another."""
    return identity("libnvrtc", nvrtc_version())


def identity(library: str, version: Sequence[int]) -> str:
    """What tells one build of a library from another, once it is loaded: version, size and time of its files."""
    text = ".".join(map(str, version))
    try:
        for path in loaded(library):
            status = path.stat()
            text += f" {path.name} {status.st_size} {status.st_mtime_ns}"
    except OSError:  # another system, or a library that was replaced meanwhile: the version will do
        pass
    return text


def loaded(library: str) -> list[Path]:
    """The files whose names begin so that this process has loaded; OSError where the system does not tell."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [Path(path) for path in sorted({line[line.index("/") :] for line in maps if f"/{library}" in line})]


@cache
def folder_version(folder: str) -> int | None:
    """The CUDA version of the headers in a folder: 13050 for 13.5; None if it has none that tell."""
    for name in ("cuda_runtime_api.h", "cuda.h"):
        try:
            match = _VERSION.search(Path(folder, name).read_bytes())
        except OSError:
            continue
        if match:
            return int(match[1])
    return None


def _wheel_folders(major: int) -> Iterator[Path]:
    try:
        spec = find_spec("nvidia")
    except (ImportError, ValueError):  # something else has this name
        return
    for place in (spec and spec.submodule_search_locations) or ():
        if major >= 13:
            yield Path(place, f"cu{major}", "include")
        else:
            yield from sorted(p for p in Path(place).glob("*/include") if not re.fullmatch(r"cu\d+", p.parent.name))


def _toolkit_folders() -> Iterator[Path]:
    roots = [os.environ.get(name) for name in ("CUDA_PATH", "CUDA_HOME", "CONDA_PREFIX")]
    for root in [*filter(None, roots), "/usr/local/cuda"]:
        yield Path(root, "include")
        yield Path(root, "targets", f"{platform.machine()}-linux", "include")


def found_folders() -> list[str]:
    """The folders of CUDA's headers for the NVRTC that is used, best first: those of the wheels, else of a toolkit.

    Headers of another major version are left alone.  With a folder comes `cccl` in it, where the C++ libraries are.
    """
    major, _ = nvrtc_version()
    for places in (list(_wheel_folders(major)), list(_toolkit_folders())):
        folders = [p for p in places if p.is_dir() and (folder_version(str(p)) or major * 1000) // 1000 == major]
        if any((p / "cuda_fp16.h").is_file() or (p / "cuda").is_dir() for p in folders):
            return [str(p) for f in folders for p in (f, f / "cccl") if p.is_dir()]
    return []


def may_be_bundled(name: str) -> bool:
    """Whether NVRTC's copy may have a header."""
    return name.startswith(_BUNDLED)


def has_bundled() -> bool:
    """Whether this NVRTC has a copy of the headers."""
    from cubind import has, nvrtc

    return has("nvrtcInstallBundledHeaders") and bool(nvrtc.nvrtcGetBundledHeadersInfo().available)


def bundled_folders() -> list[str]:
    """NVRTC's own copy, unpacked below the cache's folder when it is first needed (about 26 MB); [] if it has none."""
    if not has_bundled():
        return []
    from .cache import user_folder

    version = ".".join(map(str, nvrtc_version()))
    base = user_folder()
    if base is not None:
        try:
            return _there(str(base / "headers" / f"nvrtc-{version}"))
        except (OSError, RuntimeError):
            pass  # a folder that cannot be written: unpacked for this process alone
    return _there(_temporary())


@cache
def _unpacked(folder: str) -> list[str]:
    from cubind import nvrtc

    Path(folder).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    nvrtc.nvrtcInstallBundledHeaders(folder, 0)
    return [str(p) for p in (Path(folder), Path(folder, "cccl")) if p.is_dir()]


def _there(folder: str) -> list[str]:
    """Unpacks it once a process, and again if somebody cleaned up meanwhile."""
    folders = _unpacked(folder)
    if all(Path(f).is_dir() for f in folders):
        return folders
    _unpacked.cache_clear()
    return _unpacked(folder)


@cache
def _temporary() -> str:
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="cuda_unified-")
    atexit.register(_remove, folder, os.getpid(), shutil.rmtree)
    return str(Path(folder, "headers"))


def _remove(folder: str, process: int, rmtree: object) -> None:
    if os.getpid() == process and callable(rmtree):  # not in the child of a fork
        rmtree(folder, ignore_errors=True)
