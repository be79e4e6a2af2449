"""Damaged modules are loaded or refused with a line, and never crash: the loader in this process, for a few seconds.

`make fuzz` does it longer, with sanitizers.
"""

import random
import re
import time

from tests.cpu_device.exec_access import LoadError, machine
from tests.cpu_device.test_ptx_parser import SMALL
from tests.helpers.cpu import KERNELS

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
