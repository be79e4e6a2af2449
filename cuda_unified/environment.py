"""What was found on this machine: `cuda_unified.info()` and `python -m cuda_unified`."""

from __future__ import annotations

import os

import cubind
from cubind import CudaError

from ._records import dataclass
from .cache import default_cache
from .device import Device

# what brings a library that is missing
_GET = {
    "driver": "the display driver brings it; without a GPU, CUBIND_DEVICE=cpu runs kernels on the CPU device",
    "runtime": "pip install nvidia-cuda-runtime",
    "nvrtc": "pip install nvidia-cuda-nvrtc (needed to compile CUDA C++)",
    "nvjitlink": "pip install nvidia-nvjitlink (needed to link LTO-IR)",
    "nvvm": "pip install nvidia-nvvm (needed to compile NVVM IR)",
}
# packages that this layer works with where they are installed, and what for
_OPTIONAL = {
    "numpy": "arrays to and from the host",
    "ml_dtypes": "bfloat16 and float8 for NumPy",
    "nvtx": "ranges in profiles",
    "cupy": "arrays and allocators",
    "torch": "arrays and allocators",
    "numba_cuda": "arrays",
    "jax": "arrays",
    "rmm": "allocators",
}
_PACKAGE_OF = {"cupy": "cupy-cuda13x", "numba_cuda": "numba-cuda", "rmm": "rmm-cu13"}
_VARIABLES = ("CUBIND_", "CPU_DEVICE_", "CUDA_", "NVIDIA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class DeviceInfo:
    """A device: what it is called, what it can do, and its memory in bytes.  Asking makes no context."""

    ordinal: int
    name: str
    compute_capability: str
    multiprocessors: int
    memory: int
    is_cpu: bool


def _device(ordinal: int) -> DeviceInfo:
    from cubind import driver

    device = Device(ordinal)
    return DeviceInfo(
        ordinal,
        device.name,
        str(device.compute_capability),
        device.properties.multiprocessor_count,
        int(driver.cuDeviceTotalMem(ordinal)),
        device.is_cpu,
    )


class Info:
    """`version`, `python`, `libraries` (name -> cubind's Library), `devices` (a list of DeviceInfo; where it is empty,
    `device_error` says why), `packages` (name -> version or None), `header_folders` (where CUDA's headers are), `cache` (of
    compiled programs), `environment` (variables that change something) and `missing` (library -> what brings it); str() is
    a report."""

    def __init__(self) -> None:
        low = cubind.info()
        self.version = low.version
        self.python = low.python
        self.libraries = low.libraries
        self.device_error: str | None = None
        self.devices: list[DeviceInfo] = []
        try:
            self.devices = [_device(d.ordinal) for d in Device.all()]
        except (CudaError, ImportError) as error:
            self.device_error = str(error)
        self.packages = {name: _version(name) for name in _OPTIONAL}
        self.environment = {k: v for k, v in sorted(os.environ.items()) if k.startswith(_VARIABLES)}
        self.header_folders = _header_folders() if self.libraries["nvrtc"].path else []
        self.cache = default_cache()
        self.missing = {n: _GET.get(n, "") for n, library in self.libraries.items() if not library.path}

    @property
    def on_cpu(self) -> bool:
        """Whether kernels run on the CPU device."""
        return any(d.is_cpu for d in self.devices)

    def __str__(self) -> str:
        lines = [f"cuda_unified {self.version}, Python {self.python}", ""]
        for name, library in self.libraries.items():
            where = f"{library.version or '?':6} {library.path}" if library.path else f"not found: {self.missing[name]}"
            lines.append(f"  {name:10} {where}")
        lines += ["", "devices"]
        for d in self.devices:
            kind = ", interprets kernels on the CPU" if d.is_cpu else ""
            lines.append(f"  {d.ordinal}  {d.name}, compute capability {d.compute_capability}, "
                         f"{d.multiprocessors} multiprocessors, {d.memory / 2**30:.1f} GiB{kind}")  # fmt: skip
        if not self.devices:
            lines.append(f"  none: {self.device_error or 'the driver has no device'}")
        if self.on_cpu:
            lines.append("  (a GPU is used where NVIDIA's driver is installed and CUBIND_DEVICE is not cpu)")
        lines += ["", "compiling", f"  headers  {', '.join(self.header_folders) or 'none were found'}"]
        lines.append(f"  cache    {repr(self.cache)[1:-1] if self.cache else 'switched off'}")
        lines += ["", "optional packages"]
        for name, found in self.packages.items():
            get = "" if found else f"; pip install {_PACKAGE_OF.get(name, name.replace('_', '-'))}"
            lines.append(f"  {name:11} {found or 'not installed':15} {_OPTIONAL[name]}{get}")
        if self.environment:
            lines += ["", "environment", *(f"  {k}={v}" for k, v in self.environment.items())]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Info: {len(self.devices)} devices, missing: {', '.join(self.missing) or 'nothing'}>"


def _header_folders() -> list[str]:
    from . import headers

    try:
        return [*headers.found_folders(), *(["NVRTC's own copy"] if headers.has_bundled() else [])]
    except (CudaError, ImportError):
        return []


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # which brings a third of the library along
    from importlib.util import find_spec

    if find_spec(name) is None:
        return None
    for package in (_PACKAGE_OF.get(name, name), name):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "?"


def info() -> Info:
    """What was found on this machine, and what to do about what was not: print it.

    Libraries are opened for it; no context is made on any device, and nothing is raised where something is missing.
    """
    return Info()
