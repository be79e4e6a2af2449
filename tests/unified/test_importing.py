"""What importing brings along: nothing of the standard library that takes long, no package that is optional, no library of CUDA."""

import subprocess
import sys

import pytest

_HEAVY = """
_hashlib argparse ast asyncio collections concurrent contextlib copy ctypes dataclasses difflib dis email enum functools hashlib
importlib.metadata importlib.util inspect json logging ml_dtypes numpy pathlib platform random re shutil socket struct
subprocess tempfile threading tokenize typing urllib uuid warnings weakref zipfile
"""
HEAVY = _HEAVY.split()
PROGRAM = """
import sys
before = {{*sys.modules}}
{statement}
print(*{{*sys.modules}} - before)
print(*(line.split()[-1] for line in open("/proc/self/maps") if "cuda.so" in line or "nvrtc" in line.rpartition("/")[2] and "cubind" not in line))
"""


@pytest.mark.parametrize("statement", ["import cuda_unified", "from cuda_unified import *"])
def test_imports_are_light(statement: str) -> None:
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path[:] = {sys.path!r}" + PROGRAM.format(statement=statement),
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = lines[0].split()
    assert "cuda_unified" in found
    assert [name for name in HEAVY if name in found] == [], "imported at once; import it where it is used"
    assert lines[1:] in ([], [""]), "a library is opened"


def test_every_name_is_imported_by_the_star() -> None:
    program = "import cuda_unified as cu\nfrom cuda_unified import *\nassert all(globals()[n] is getattr(cu, n) for n in cu.__all__) and CudaError and ClosedError"
    subprocess.run([sys.executable, "-c", program], check=True)
