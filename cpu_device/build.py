"""Builds the CPU device: `libcudart.so.13` from src/runtime and `libcuda.so.1` from the rest of src/.

setup.py calls it; `python cpu_device/build.py FOLDER` does it alone.

An object is compiled again when its source, a header it includes or its command has changed.  $CXX names the compiler, $CXXFLAGS
adds to its flags (a sanitizer); $CPU_DEVICE_OBJECTS is another folder for the objects.  -DCPU_DEVICE_BASE_ONLY among the flags
leaves out the levels above the lowest.
"""

import os
import platform
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "src"
ABI = ROOT.parent / "bindings" / "cubind" / "_abi"
SONAME = "libcuda.so.1"
RUNTIME = "libcudart.so.13"

COMMON = ["-std=c++17", "-fPIC", "-pthread", "-g0", "-fvisibility=hidden", "-ffunction-sections", "-Wall", "-Wextra",
          "-Werror"]  # fmt: skip
API = ["-DCUBIND_EXACT_NAMES", f"-I{ABI}"]
# how the sources of a folder are compiled that implement an API; the others need no flags of their own.  Most functions of
# the driver are called seldom: small is better than quick, and -Os halves them
FOLDERS = {"driver": ["-Os", *API], "runtime": ["-O2", *API, f"-I{SOURCES / 'driver'}"], "zstd": ["-Os"]}
# the driver's sources that a loop of launches, copies and allocations runs through
QUICK = {"allocations", "context", "copies", "copy", "events", "fills", "graph_run", "handle", "launch", "ledger", "pool",
         "pools", "stream", "streams"}  # fmt: skip
# forwards and tables, through which nothing is thrown
BARE = {"generated_exports": ["-fno-exceptions", "-fno-asynchronous-unwind-tables"]}
# arithmetic is as PTX defines it, not as C++ might improve it
MACHINE = ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fno-strict-aliasing"]
# handlers of instructions are compiled for several levels of x86-64, and one is chosen at start
LEVELS = (
    {
        "base": ["-Os"],  # for processors of before 2009: small is enough
        "v2": ["-march=x86-64-v2"],
        "v3": ["-march=x86-64-v3"],
        "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    }
    if platform.machine() in ("x86_64", "AMD64")
    else {"base": []}
)
# the C++ library is linked in: programs that load the device may have an older one
LINK = ["-shared", "-pthread", "-static-libstdc++", "-static-libgcc", "-Wl,-Bsymbolic", "-Wl,-z,nodelete",
        "-Wl,-z,defs", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,-s"]  # fmt: skip


# the header that costs most in each of them
PRELUDES = {"driver": "module.hpp", "runtime": "call.hpp"}


# what a library with a sanitizer in it cannot have: its runtime is in the process, and reports want names
NOT_SANITIZED = ("-static-libstdc++", "-static-libgcc", "-Wl,-z,defs", "-Wl,--exclude-libs,ALL", "-Wl,-s")


def added():
    """The flags that the environment adds."""
    return shlex.split(os.environ.get("CXXFLAGS", ""))


def compiler():
    """The command that compiles C++."""
    return shlex.split(os.environ.get("CXX", "g++"))


def variants(source):
    """(suffix of the object, flags) for each way a source is compiled."""
    folder = source.parent.name
    if folder == "driver" and source.stem in QUICK:
        return [("", ["-O2", *API])]
    if folder != "exec":
        return [("", [*FOLDERS.get(folder, ["-O2"]), *BARE.get(source.stem, [])])]
    if not source.name.startswith("handlers_"):
        return [("", ["-O2", *MACHINE])]
    levels = {"base": []} if "-DCPU_DEVICE_BASE_ONLY" in added() else LEVELS
    return [(f".{name}", ["-O3", *MACHINE, f"-DCPU_DEVICE_LEVEL={name}", *flags]) for name, flags in levels.items()]


def up_to_date(obj, command, also):
    """Whether an object was made by this command from files that are older than it, those of `also` included."""
    listed, noted = obj.with_suffix(".d"), obj.with_suffix(".cmd")
    if not (obj.exists() and listed.exists() and noted.exists()) or noted.read_text() != command:
        return False
    needs = [*listed.read_text().replace("\\\n", " ").partition(":")[2].split(), *also]
    made = obj.stat().st_mtime
    return all(Path(p).exists() and Path(p).stat().st_mtime <= made for p in needs)


def compile_one(source, obj, flags, also=()):
    """Compiles one object if it needs to be; returns whether it was."""
    flags = [*COMMON, *flags, *added()]
    if "-fsanitize=thread" in flags:
        flags.append("-Wno-tsan")  # it does not know fences: those of kernels
        if source.name.startswith("handlers"):
            flags.append("-fno-sanitize=thread")  # what the threads of a kernel race for is the kernel's matter
    command = [*compiler(), *flags, "-MMD", "-c", str(source), "-o", str(obj)]
    text = shlex.join(command)
    if up_to_date(obj, text, also):
        return False
    obj.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, check=True)
    obj.with_suffix(".cmd").write_text(text)
    return True


def precompile(objects, folder, header):
    """Precompiles a folder's headers, which cost more than the code in most of its files: the flags that use them, and the file.

    The compiler does not list what it found precompiled, so whoever uses the flags depends on the file.
    """
    prelude = objects / folder / "prelude.hpp"
    text = f'#include "{SOURCES / folder / header}"\n'
    if not prelude.exists() or prelude.read_text() != text:
        prelude.parent.mkdir(parents=True, exist_ok=True)
        prelude.write_text(text)
    compiled = prelude.with_name("prelude.hpp.gch")
    compile_one(prelude, compiled, [*FOLDERS[folder], "-x", "c++-header"])
    return ["-include", str(prelude)], [compiled]


def link(library, objects, exports, extra=()):
    """Links one library; only what the version script `exports` names leaves it."""
    library.parent.mkdir(parents=True, exist_ok=True)
    made = library.with_name(library.name + ".new")  # a process may be using the old one
    flags = [f for f in LINK if f not in NOT_SANITIZED] if any("-fsanitize" in f for f in added()) else LINK
    command = [*compiler(), *added(), *map(str, objects), *flags, *extra]
    command += [f"-Wl,-soname,{library.name}", f"-Wl,--version-script={exports}", "-o", str(made)]
    subprocess.run(command, check=True)
    made.replace(library)


def build(folder, objects):
    """Makes both libraries in `folder`, with objects below `objects`; returns their paths."""
    preludes = {name: precompile(objects, name, header) for name, header in PRELUDES.items()}
    jobs = []
    for source in sorted(SOURCES.rglob("*.cpp")):
        for suffix, flags in variants(source):
            # what was precompiled serves the flags that it was precompiled with
            place = source.parent.name
            use, also = preludes[place] if place in preludes and flags == FOLDERS[place] else ([], [])
            jobs.append((source, objects / source.parent.name / f"{source.stem}{suffix}.o", flags + use, also))
    jobs.sort(key=lambda job: -job[0].stat().st_size * (2 if job[0].name.startswith("handlers_") else 1))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        compiled = dict(zip([job[1] for job in jobs], pool.map(lambda job: compile_one(*job), jobs), strict=True))
    # of a function that several objects have (a template's) the first is linked: the quick one
    small = {job[1] for job in jobs if "-Os" in job[2]}
    compiled = dict(sorted(compiled.items(), key=lambda item: item[0] in small))
    libraries = []
    for name, own, extra in ((SONAME, "driver", []), (RUNTIME, "runtime", ["-ldl"])):
        parts = [obj for obj in compiled if (obj.parent.name == "runtime") == (own == "runtime")]
        library = folder / name
        # others compile the same objects (the tests): their age counts, not only who compiled them
        stale = not library.exists() or any(part.stat().st_mtime > library.stat().st_mtime for part in parts)
        if stale or any(compiled[part] for part in parts):
            link(library, parts, SOURCES / own / "exports.map", extra)
        libraries.append(library)
    return libraries


def default_objects():
    """Where objects are kept between builds."""
    return Path(os.environ.get("CPU_DEVICE_OBJECTS") or ROOT.parent / "build" / "cpu_device")


if __name__ == "__main__":
    build(Path(sys.argv[1]), default_objects())
