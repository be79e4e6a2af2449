"""The same programs on an NVIDIA GPU and on the CPU device: `make gpu`, or `python tools/gpu.py [OPTIONS] [KERNEL ...]`.

The whole kernels of tests/cpu_device/kernels run on both, and what they give is compared: bit for bit where that is promised,
else the difference is counted.  Then the unified layer's tests, those marked `gpu`, and the CPU device's tests of the driver run
on the GPU.  Status 0: nothing differs that must not; 1: something does; 2: there is no GPU.

--library FILE: this library is the GPU's driver.  --no-tests: the kernels alone.  --write FILE: the result goes there too.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "build" / "gpu"
RECORDING = "tests.cpu_device.kernels.recording"
SECONDS = 600  # for all the kernels of one architecture on one side
WHO = """
from cubind import cpu, driver as d
d.cuInit(0)
limit = d.CUdevice_attribute
which = [d.cuDeviceGetAttribute(getattr(limit, "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_" + n), 0) for n in ("MAJOR", "MINOR")]
print(which[0] * 10 + which[1], d.cuDriverGetVersion(), d.cuDeviceGetName(100, 0))
"""
HOW = """\
Written by `make gpu`.  Each kernel ran on both devices and was held to NumPy on each.  `=`: the same bits; `n ulp`: the largest
difference where no bits are promised (approximations, products of a warp, filtered textures, order of atomics); `order`: integers
whose order the kernel leaves open; `-`: not compiled for it; anything else is a defect, and listed below.
"""


def side(library: str | None, cc: int = 0) -> dict[str, str]:
    """The environment of a process on one of the two: the GPU's, or with `cc` the CPU device's."""
    hidden = ("CUBIND_DRIVER_LIBRARY", "CUBIND_RUNTIME_LIBRARY", "CUBIND_DEVICE", "ON_CPU_CHANGES")
    clean = {key: value for key, value in os.environ.items() if key not in hidden}
    if cc:
        return clean | {"CUBIND_DEVICE": "cpu", "CPU_DEVICE_CC": str(cc)}
    return clean | {"CUBIND_DEVICE": "gpu"} | ({"CUBIND_DRIVER_LIBRARY": library} if library else {})


def who(environment: dict[str, str]) -> tuple[int, int, str]:
    """Compute capability, the driver's version and the device's name; LookupError where there is none."""
    done = subprocess.run(
        [sys.executable, "-c", WHO], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise LookupError((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])
    cc, version, name = done.stdout.split(maxsplit=2)
    return int(cc), int(version), name.strip()


def record(architecture: int, folder: Path, cases: list[str], environment: dict[str, str]) -> None:
    """Runs the cases in processes of their own, a new one after each that fails, until every one has ended somehow."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    while left := [name for name in cases if not (folder / f"{name}.json").exists()]:
        command = [sys.executable, "-m", RECORDING, str(architecture), str(folder), *left]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
            )
            if done.returncode in (0, 3):
                continue
            why = (done.stderr.strip().splitlines() or [""])[-1] + f" (status {done.returncode})"
        except subprocess.TimeoutExpired:
            why = f"it did not end in {SECONDS} s"
        first = next(name for name in left if not (folder / f"{name}.json").exists())
        (folder / f"{first}.json").write_text(json.dumps({"ended": why, "promised": False}))


def kernels(cc: int, library: str | None, only: list[str]) -> tuple[list[str], list[str]]:
    """The table's lines, and the faults."""
    from tests.cpu_device.kernels.comparing import of_case
    from tests.cpu_device.kernels.harness import ARCHITECTURES, chosen

    columns = [architecture for architecture in ARCHITECTURES if architecture <= cc]
    rows: dict[str, list[str]] = {case.name: [] for unit in chosen(cc, only) for case in unit.cases}
    if only:
        rows = {name: [] for name in rows if name in only}
    faults = []
    for architecture in columns:
        here = {case.name for unit in chosen(architecture, only) for case in unit.cases}
        cases = [name for name in rows if name in here]
        places = [FOLDER / f"{name}-{architecture}" for name in ("gpu", "cpu")]
        for place, environment in zip(places, (side(library), side(None, cc)), strict=True):
            record(architecture, place, cases, environment)
        for name, row in rows.items():
            verdict = of_case(name, *places) if name in here else None
            row.append(verdict.short if verdict else "-")
            faults += [f"{name}, compute_{architecture}: {verdict.fault}"] if verdict and verdict.fault else []
    lines = ["| kernel | " + " | ".join(f"compute_{n}" for n in columns) + " |", "| --- |" + " --- |" * len(columns)]
    return lines + [f"| {name} | {' | '.join(row)} |" for name, row in rows.items()], faults


def tests(title: str, paths: list[str], environment: dict[str, str]) -> tuple[str, list[str]]:
    """A line on tests that ran on the GPU, and the names of those that failed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=no", "-rfE", *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.M)
    last = (done.stdout.strip().splitlines() or ["nothing ran"])[-1].strip("= ")
    if done.returncode not in (0, 1, 5):  # 5: there are none
        failed.append(f"{title}: pytest ended with status {done.returncode}")
    return f"{title}: {last}", failed


def all_tests(environment: dict[str, str]) -> tuple[list[str], list[str]]:
    """Lines on every group of tests; the failures of those that must pass on a GPU."""
    lines, faults = [], []
    for title, paths in (("Unified layer", ["tests/unified"]), ("Marked gpu", ["-m", "gpu", "tests"])):
        line, failed = tests(title, paths, environment)
        lines.append(line)
        faults += failed
    changes = json.dumps({key: environment[key] for key in environment if key.startswith("CUBIND_")})
    driver = sorted(str(path) for path in (ROOT / "tests" / "cpu_device").glob("test_driver_*.py"))
    line, failed = tests("The CPU device's tests of the driver", driver, environment | {"ON_CPU_CHANGES": changes})
    lines += [line, *(f"- differs: {name}" for name in failed)]
    return lines, faults


def main() -> int:
    """0, 1 or 2, as above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--library")
    parser.add_argument("--no-tests", action="store_true")
    parser.add_argument("--write", type=Path)
    parser.add_argument("kernels", nargs="*")
    options = parser.parse_args()
    environment = side(options.library)
    try:
        cc, version, name = who(environment)
    except LookupError as error:
        print(f"no GPU to compare the CPU device with: {error}")
        return 2
    lines, faults = kernels(cc, options.library, options.kernels)
    if not options.no_tests:
        more, failed = all_tests(environment)
        lines += ["", *more]
        faults += [f"test: {name}" for name in failed]
    head = [f"# {name}, driver {version // 1000}.{version % 1000 // 10}, and the CPU device", "", HOW]
    text = "\n".join([*head, *lines, "", f"{len(faults)} defects", *(f"- {fault}" for fault in faults)]) + "\n"
    print(text)
    if options.write:
        options.write.write_text(text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
