"""Loads damaged PTX for some seconds, in the CPU device built with ASan and UBSan: `python tools/fuzz.py [SECONDS [SEED]]`.

The texts are those of the tests and, where NVRTC is installed, its output for the whole kernels.  One that breaks the loader
stays in build/fuzz/.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.sanitize import objects  # noqa: E402

FOLDER = ROOT / "build" / "fuzz"


def corpus() -> list[Path]:
    """The texts, in files."""
    from tests.cpu_device.test_ptx_parser import SMALL
    from tests.helpers.cpu import KERNELS

    texts = {"small": SMALL, "driver": KERNELS}
    try:
        from tests.cpu_device.kernels.harness import compiled, load

        for n, unit in enumerate(load()):
            for architecture in (80, 100):
                texts[f"unit{n}-{architecture}"] = compiled(unit.source, architecture).decode()
    except ImportError as error:  # no NVRTC, or no NumPy
        print(f"without NVRTC's output: {error}")
    folder = FOLDER / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.ptx").write_text(text)
    return sorted(folder.glob("*.ptx"))


def program() -> Path:
    """The fuzzer, linked with the device's sanitized objects."""
    found = objects("address", ["exec", "ptx", "memory"], [ROOT / "tests" / "cpu_device" / "load_fuzz.cpp"])
    target = FOLDER / "load_fuzz"
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = ["g++", "-fsanitize=address,undefined", "-pthread", *map(str, found), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def main() -> int:
    """0 where nothing crashed, hung, or was refused without a line."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = sys.argv[2] if len(sys.argv) > 2 else str(int(time.time()) & 0xFFFF)
    texts = corpus()
    command = [str(program()), str(seconds), seed, str(FOLDER / "last.ptx"), *map(str, texts)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
        env=os.environ | {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"},
    )
    if done.returncode:
        kept = FOLDER / f"failed-{seed}.ptx"
        source = FOLDER / "last.ptx.silent" if done.returncode == 1 and done.stdout.strip() else FOLDER / "last.ptx"
        kept.write_bytes(source.read_bytes())
        print(done.stderr[-6000:], f"exit status {done.returncode}, seed {seed}; the text is {kept}", sep="\n")
    good, bad, silent = (*done.stdout.split(), "?", "?", "?")[:3]
    print(
        f"{good} texts loaded, {bad} were refused, {silent} of them without a line; {len(texts)} texts to start from, seed {seed}"
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
