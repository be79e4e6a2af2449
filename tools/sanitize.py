"""The CPU device built with sanitizers, and its driver's tests on it: `python tools/sanitize.py [--short] [address] [thread]`.

address: ASan and UBSan, every object.  thread: TSan, every object but the handlers of instructions: what the threads of a kernel
race for is the kernel's matter.  --short: the machine (and under TSan the parser) is the ordinary build's, and a few tests run;
`make test` does that.  A finding fails the test that it came up in.
"""

import json
import os
import platform
import runpy
import shutil
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
# parts of the names of the tests that run on the library, in processes of their own: test_driver_* and test_runtime_*
TESTS = {
    "address": ["driver", "runtime"],
    "thread": [
        "driver_parallel",
        "driver_streams",
        "driver_memory",
        "driver_capture",
        "driver_graph",
        "driver_green",
        "driver_interrupt",
        "driver_managed",
        "driver_peers",
        "driver_copy_batch",
        "runtime_streams",
        "runtime_graphs",
    ],
}
SHORT = {
    "address": ["driver_a", "driver_garbage", "driver_link", "driver_modules", "driver_vmm"],
    "thread": ["driver_parallel", "driver_copy_batch"],
}
# the folders that a short run leaves as they are
PLAIN = {"address": ["exec"], "thread": ["exec", "ptx"]}
# they need SIGSEGV, which a sanitizer makes an exit status, NVRTC, the ordinary library, or cubind's own choice of one
WITHOUT = (
    "not (device_memory_is_not_the_hosts or freed_managed_memory_is_gone or nvrtc or symbols or programs"
    " or stays_until_the_reset or kernel_that_fails_is_reported)"
)


def objects(kind: str, folders: list[str], extra: list[Path], short: bool = False) -> list[Path]:
    """The objects of these folders of the device's sources, and of further sources, with a sanitizer in them."""
    build = runpy.run_path(str(DEVICE / "build.py"))
    place = folder_of(kind, short)
    level = "-O0" if short else "-O1"  # it compiles three times as fast
    os.environ["CXXFLAGS"] = f"{FLAGS[kind]} {level} -g1 -DCPU_DEVICE_BASE_ONLY"
    try:
        preludes = {f: build["precompile"](place, f, header) for f, header in build["PRELUDES"].items() if f in folders}
        jobs = [
            (source, place / folder / f"{source.stem}{suffix}.o", flags + use, also)
            for folder in folders
            for use, also in [preludes.get(folder, ([], []))]
            for source in sorted((DEVICE / "src" / folder).glob("*.cpp"))
            for suffix, flags in build["variants"](source)
        ]
        jobs += [(source, place / f"{source.stem}.o", [f"-I{DEVICE / 'src'}"], []) for source in extra]
        jobs.sort(key=lambda job: -job[0].stat().st_size)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda job: build["compile_one"](*job), jobs))
    finally:
        del os.environ["CXXFLAGS"]
    return [job[1] for job in jobs]


def plain_objects(folders: list[str]) -> list[Path]:
    """Those that the ordinary build made."""
    build = runpy.run_path(str(DEVICE / "build.py"))
    place = build["default_objects"]()
    return [
        place / folder / f"{source.stem}{suffix}.o"
        for folder in folders
        for source in sorted((DEVICE / "src" / folder).glob("*.cpp"))
        for suffix, _ in build["variants"](source)
    ]


def folder_of(kind: str, short: bool) -> Path:
    """Where what is built lies."""
    return ROOT / "build" / "sanitize" / (f"{kind}-short" if short else kind)


def link(kind: str, target: Path, found: list[Path], folder: str, *libraries: str) -> Path:
    """One library with a sanitizer."""
    target.parent.mkdir(parents=True, exist_ok=True)
    exports = DEVICE / "src" / folder / "exports.map"
    command = ["g++", *FLAGS[kind].split(), "-shared", "-pthread", "-Wl,-Bsymbolic", "-Wl,-z,nodelete"]
    command += [f"-Wl,-soname,{target.name}", f"-Wl,--version-script={exports}", *map(str, found), *libraries]
    subprocess.run([*command, "-o", str(target)], check=True)
    return target


def library(kind: str, short: bool) -> Path:
    """libcuda.so.1 with a sanitizer."""
    plain = PLAIN[kind] if short else []
    folders = [folder for folder in ("driver", "memory", "ptx", "exec", "zstd") if folder not in plain]
    target = folder_of(kind, short) / "lib" / "libcuda.so.1"
    return link(kind, target, [*objects(kind, folders, [], short), *plain_objects(plain)], "driver")


def fixed_addresses() -> list[str]:
    """What goes before a command so that a sanitizer finds its addresses free, also where the system scatters them widely."""
    prefix = ["setarch", platform.machine(), "-R"]
    works = (
        shutil.which("setarch") and not subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    )
    return prefix if works else []


def environment(kind: str, device: Path) -> dict[str, str]:
    """What a process needs that loads it: the sanitizer's runtime comes first."""
    names = RUNTIMES[kind]
    runtimes = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in names
    ]
    beside = {"CUBIND_RUNTIME_LIBRARY": str(device.with_name("libcudart.so.13"))}
    return {"CUBIND_DRIVER_LIBRARY": str(device), "LD_PRELOAD": " ".join(runtimes), **beside, **OPTIONS}


def main() -> int:
    """Runs what was asked for; the status of the first run of tests that failed."""
    short = "--short" in sys.argv
    worst = 0
    for kind in [word for word in sys.argv[1:] if word in FLAGS] or list(FLAGS):
        device = library(kind, short)
        if not short:
            link(kind, device.with_name("libcudart.so.13"), objects(kind, ["runtime"], []), "runtime", "-ldl")
        changes = environment(kind, device)
        wanted = (SHORT if short else TESTS)[kind]
        paths = [path for name in wanted for path in sorted((ROOT / "tests" / "cpu_device").glob(f"test_{name}*.py"))]
        tests = [str(path.relative_to(ROOT)) for path in paths]
        print(f"{kind}: {' '.join(tests)}", flush=True)
        command = [
            *fixed_addresses(),
            sys.executable,
            "-m",
            "pytest",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "-k",
            f"{WITHOUT} and not the_runtime" if short else WITHOUT,  # of which a short run has none
            *tests,
        ]
        run = subprocess.run(command, cwd=ROOT, env=os.environ | {"ON_CPU_CHANGES": json.dumps(changes)}, check=False)
        worst = worst or run.returncode
    return worst


if __name__ == "__main__":
    sys.exit(main())
