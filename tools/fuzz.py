"""Loads damaged PTX for some seconds, in the CPU device built with ASan and UBSan: `python tools/fuzz.py [SECONDS [SEED]]`.

The texts are those of the tests and, where NVRTC is installed, its output for the whole kernels.  Then, for a quarter of the
time each, damaged images are loaded and linked (fat binaries, compressed or not, cubins, archives), and damaged data of
Zstandard and LZ4 is expanded.  What breaks the loader stays in build/fuzz/.
"""

import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.sanitize import environment, library, objects  # noqa: E402

FOLDER = ROOT / "build" / "fuzz"
UBSAN = {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


def corpus() -> list[Path]:
    """The texts, in files."""
    from tests.cpu_device.test_ptx_parser import SMALL
    from tests.helpers.cpu import KERNELS

    texts = {"small": SMALL, "driver": KERNELS}
    try:
        from tests.cpu_device.kernels.harness import chosen, compiled

        for architecture in (80, 100):
            for n, unit in enumerate(chosen(architecture, [])):
                texts[f"unit{n}-{architecture}"] = compiled(unit.source, architecture).decode()
    except ImportError as error:  # no NVRTC, or no NumPy
        print(f"without NVRTC's output: {error}")
    folder = FOLDER / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.ptx").write_text(text)
    return sorted(folder.glob("*.ptx"))


def program(name: str, folders: list[str], *sources: Path) -> Path:
    """A fuzzer, linked with the device's sanitized objects."""
    found = objects("address", folders, [ROOT / "tests" / "cpu_device" / f"{name}.cpp", *sources])
    target = FOLDER / name
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = ["g++", "-fsanitize=address,undefined", "-pthread", *map(str, found), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def texts(seconds: int, seed: str) -> int:
    """0 where no text crashed the loader, hung it, or was refused without a line."""
    found = corpus()
    loader = program("load_fuzz", ["exec", "ptx", "memory"])
    command = [str(loader), str(seconds), seed, str(FOLDER / "last.ptx"), *map(str, found)]
    done = run(command, seconds, UBSAN)
    if done.returncode:
        silent = done.returncode == 1 and done.stdout.strip()
        keep(done, FOLDER / ("last.ptx.silent" if silent else "last.ptx"), FOLDER / f"failed-{seed}.ptx")
    good, bad, silent = (*done.stdout.split(), "?", "?", "?")[:3]
    print(
        f"{good} texts loaded, {bad} refused, {silent} of them without a line; {len(found)} to start from, seed {seed}"
    )
    return done.returncode


def images(seconds: int, seed: str) -> int:
    """The same of images; they are loaded through the driver's API."""
    script, last = ROOT / "tests" / "cpu_device" / "image_fuzz.py", FOLDER / "last.image"
    device = environment("address", library("address", False))
    done = run([sys.executable, str(script), str(seconds), seed, str(last)], seconds, device)
    if done.returncode:
        keep(done, last, FOLDER / f"failed-{seed}.image")
    print("{} images loaded, {} refused, seed {}".format(*(*done.stdout.split(), "?", "?")[:2], seed))
    return done.returncode


def frames() -> list[Path]:
    """Compressed data in files as unpack_fuzz.cpp reads them: text, noise, repetitions; of every kind of block."""
    from tests.helpers.cpu import KERNELS
    from tests.helpers.images import lz4, zstd

    choose = random.Random(3)
    text = KERNELS.encode()
    contents = [b"x", text, text[:700] * 9, bytes(5000), choose.randbytes(3000)]
    for values, weights in ((b"ab", [30.0, 1.0]), (range(256), [2 ** -(i / 9) for i in range(256)])):
        contents.append(bytes(choose.choices(values, weights=weights, k=4000)))
    folder = FOLDER / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    for k, data in enumerate(contents):
        packed = {f"z{level}": zstd(data, level, write_checksum=level % 2 == 1) for level in (-5, 1, 3, 9, 19)}
        packed |= {"zopen": zstd(data, write_content_size=False), "l": lz4(data)}
        for name, frame in packed.items():
            (folder / f"{k}-{name}").write_bytes(struct.pack("<I", len(data)) + name[0].encode() + frame)
    return sorted(folder.iterdir())


def unpacking(seconds: int, seed: str) -> int:
    """0 where no damaged data crashed a decoder or hung it."""
    found = frames()
    fuzzer = program("unpack_fuzz", ["zstd"], ROOT / "cpu_device" / "src" / "driver" / "lz4.cpp")
    done = run([str(fuzzer), str(seconds), seed, str(FOLDER / "last.frame"), *map(str, found)], seconds, UBSAN)
    if done.returncode:
        keep(done, FOLDER / "last.frame", FOLDER / f"failed-{seed}.frame")
    good, bad = (*done.stdout.split(), "?", "?")[:2]
    print(f"{good} compressed texts expanded, {bad} refused; {len(found)} to start from, seed {seed}")
    return done.returncode


def run(command: list[str], seconds: int, changes: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs one of the fuzzers."""
    changed = os.environ | changes
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * seconds + 300, env=changed)


def keep(done: subprocess.CompletedProcess[str], source: Path, target: Path) -> None:
    """What failed stays under another name."""
    if source.exists():
        target.write_bytes(source.read_bytes())
    print(done.stderr[-6000:], f"exit status {done.returncode}; it is {target}", sep="\n")


def main() -> int:
    """0 where none found anything."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = sys.argv[2] if len(sys.argv) > 2 else str(int(time.time()) & 0xFFFF)
    quarter = max(seconds // 4, 1)
    return texts(seconds, seed) or images(quarter, seed) or unpacking(quarter, seed)


if __name__ == "__main__":
    sys.exit(main())
