"""Damaged modules and images are loaded or refused with a status, and never crash: for a few seconds.

`make fuzz` does it longer, with sanitizers.
"""

import random
import re
import time
from pathlib import Path

from tests.cpu_device.exec_access import LoadError, machine
from tests.cpu_device.test_ptx_parser import SMALL
from tests.helpers.cpu import KERNELS, on_device

ODD = [
    "0",
    "-1",
    "4294967296",
    "0x7fffffffffffffff",
    "1e400",
    ".b128",
    ".v4",
    "{",
    "}",
    ";",
    "%r0",
    "[%p+2147483647]",
    "_",
    "<9>",
    "call",
]
TURNS, SECONDS = 4000, 4


def damaged(text: str, choose: random.Random) -> str:
    """One to three words or lines are changed."""
    for _ in range(choose.randint(1, 3)):
        pattern = choose.choice([r"[^\n]*\n", r"[\w.%$]+|[^\s\w]"])
        places = [m.span() for m in re.finditer(pattern, text)]
        if not places:
            break
        (start, end), (other, stop) = choose.choice(places), choose.choice(places)
        new = choose.choice(
            ["", text[start:end] * 2, text[other:stop], choose.choice(ODD), chr(choose.randrange(1, 256))]
        )
        text = text[:start] + new + text[end:]
    return text


def test_damaged_modules() -> None:
    machine()  # it may have to be built
    choose, seen, end = random.Random(5), {True: 0, False: 0}, time.monotonic() + SECONDS
    for _ in range(TURNS):
        text = damaged(choose.choice([SMALL, KERNELS]), choose)
        loaded = True
        try:
            machine().load(text.encode("latin-1"), cc=120)
        except LoadError as error:
            loaded = False
            assert error.status in {218, 222, 801} and "ptx:" in error.log, (error, text)
        seen[loaded] += 1
        if time.monotonic() > end:
            break
    assert seen[True] > 50 and seen[False] > 50, seen


def test_damaged_images(tmp_path: Path) -> None:
    script = Path(__file__).with_name("image_fuzz.py")
    program = f"import runpy, sys; runpy.run_path({str(script)!r}, run_name='__main__')"
    taken, refused = map(int, on_device(program, "3", "11", str(tmp_path / "last"), status=0, timeout=60).split())
    assert taken > 5 and refused > 5
