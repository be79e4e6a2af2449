"""The CPU device built with sanitizers, and its driver's tests on it: `python tools/sanitize.py [--short] [address] [thread]`.

address: ASan and UBSan, every object.  thread: TSan, every object but the handlers of instructions: what the threads of a kernel
race for is the kernel's matter.  --short: the driver, the memory and the parser alone are built so, and a few tests run.
"""

import json
import os
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEVICE = ROOT / "cpu_device"
# a caller in C may pass any number as an enum, and gets a status
FLAGS = {
    "address": "-fsanitize=address,undefined -fno-sanitize=vptr,enum",
    "thread": "-fsanitize=thread",
}
RUNTIMES = {"address": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:allow_user_segv_handler=1:verify_asan_link_order=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "report_signal_unsafe=0:halt_on_error=1:exitcode=66:ignore_noninstrumented_modules=1",
}
# what runs without NVRTC, in processes of its own
TESTS = {
    "address": [
        "basics",
        "memory",
        "streams",
        "modules",
        "managed",
        "capture",
        "capture_graphs",
        "graphs",
        "graph_exec",
        "graph_lifetimes",
    ],
    "thread": ["streams", "memory", "capture", "graphs", "graph_exec", "graph_lifetimes"],
}
SHORT = {"address": ["modules"], "thread": ["streams"]}
# they want SIGSEGV, which a sanitizer makes an exit status, or NVRTC
WITHOUT = "not (device_memory_is_not_the_hosts or freed_managed_memory_is_gone or nvrtc)"


def objects(kind: str, folders: list[str], extra: list[Path], short: bool = False) -> list[Path]:
    """The objects of these folders of the device's sources, and of further sources, with a sanitizer in them."""
    build = runpy.run_path(str(DEVICE / "build.py"))
    place = ROOT / "build" / "sanitize" / kind
    jobs = [
        (source, place / source.parent.name / f"{source.stem}{suffix}.o", flags)
        for folder in folders
        for source in sorted((DEVICE / "src" / folder).glob("*.cpp"))
        for suffix, flags in variants(build, source)
    ]
    jobs += [(source, place / f"{source.stem}.o", ["-O1", f"-I{DEVICE / 'src'}"]) for source in extra]
    jobs.sort(key=lambda job: -job[0].stat().st_size)
    os.environ["CXXFLAGS"] = f"{FLAGS[kind]} -O1 -g1 -DCPU_DEVICE_BASE_ONLY"
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda job: build["compile_one"](*job), jobs))
    finally:
        del os.environ["CXXFLAGS"]
    if short:  # the ordinary ones, that the ordinary build made
        plain = build["default_objects"]()
        return [job[1] for job in jobs] + sorted((plain / "exec").glob("*.o"))
    return [job[1] for job in jobs]


def variants(build: dict, source: Path) -> list:
    """A handler is compiled once: -DCPU_DEVICE_BASE_ONLY."""
    found = build["variants"](source)
    return found[:1]


def library(kind: str, short: bool) -> Path:
    """libcuda.so.1 with a sanitizer."""
    folders = ["driver", "memory", "ptx"] + ([] if short else ["exec"])
    found = objects(kind, folders, [], short)
    target = ROOT / "build" / "sanitize" / kind / "lib" / "libcuda.so.1"
    target.parent.mkdir(parents=True, exist_ok=True)
    exports = DEVICE / "src" / "driver" / "exports.map"
    command = [
        "g++",
        *FLAGS[kind].split(),
        "-shared",
        "-pthread",
        "-Wl,-Bsymbolic",
        "-Wl,-z,nodelete",
        "-Wl,-soname,libcuda.so.1",
    ]
    subprocess.run([*command, f"-Wl,--version-script={exports}", *map(str, found), "-o", str(target)], check=True)
    return target


def environment(kind: str, device: Path) -> dict[str, str]:
    """What a process needs that loads it: the sanitizer's runtime comes first."""
    names = RUNTIMES[kind]
    runtimes = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in names
    ]
    return {"CUBIND_DRIVER_LIBRARY": str(device), "LD_PRELOAD": " ".join(runtimes), **OPTIONS}


def main() -> int:
    """Runs what was asked for; the status of the first run of tests that failed."""
    short = "--short" in sys.argv
    worst = 0
    for kind in [word for word in sys.argv[1:] if word in FLAGS] or list(FLAGS):
        changes = environment(kind, library(kind, short))
        tests = [f"tests/cpu_device/test_driver_{name}.py" for name in (SHORT if short else TESTS)[kind]]
        print(f"{kind}: {' '.join(tests)}", flush=True)
        command = [sys.executable, "-m", "pytest", "--tb=short", "-p", "no:cacheprovider", "-k", WITHOUT, *tests]
        worst = (
            worst
            or subprocess.run(
                command, cwd=ROOT, env=os.environ | {"ON_CPU_CHANGES": json.dumps(changes)}, check=False
            ).returncode
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
