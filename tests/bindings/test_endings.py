"""Callbacks at the end of a process, and in the children of a fork."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import callbacks


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return callbacks.build(tmp_path_factory.mktemp("callbacks"))


@pytest.fixture
def check(library: Path) -> Callable[..., str]:
    return partial(callbacks.check, library)


Check = Callable[..., str]


# ---- the end of a process --------------------------------------------------------------------------------------------

LATE = """
    got = []
    number("delay_ms").value = {ms}
    for i in range(8):
        driver.cuLaunchHostFunc(None, {callback}, Thing())
"""


@pytest.mark.parametrize("ms", [0, 1, 10, 60, 60_000])
@pytest.mark.parametrize("callback", ["got.append", "lambda data: time.sleep(0.005)"])
def test_exit_while_callbacks_are_pending(check: Check, ms: int, callback: str) -> None:
    """Nobody waits for what has not begun."""
    check(LATE.format(ms=ms, callback=callback))


def test_exit_while_callbacks_run(check: Check) -> None:
    """Who is inside Python is waited for."""
    printed = check("""
    def slow(data):
        got.append(1)
        time.sleep(0.2)
        os.write(1, b"x")
    got = []
    for _ in range(4):
        driver.cuLaunchHostFunc(None, slow, None)
    wait(lambda: len(got) == 4)
    """)
    assert printed == "xxxx"


def test_exit_while_a_registered_callback_fires(check: Check) -> None:
    check("""
    driver.cuLogsRegisterCallback(lambda *values: None, Thing())
    import atexit
    atexit.register(c.say)
    stop = threading.Thread(target=lambda: [c.say() for _ in range(100000)], daemon=True)
    stop.start()
    time.sleep(0.05)
    """)


@pytest.mark.parametrize("how", ["os._exit(3)", "sys.exit(3)", "os.kill(os.getpid(), 15)"])
def test_other_ways_to_end(check: Check, how: str) -> None:
    check(LATE.format(ms=5, callback="got.append") + "    " + how, status=-15 if "kill" in how else 3)


# ---- fork ------------------------------------------------------------------------------------------------------------


def test_fork(check: Check) -> None:
    """A child makes callbacks of its own; its parent's belong to the parent."""
    check("""
    got = []
    driver.cuLogsRegisterCallback(lambda user, level, text, *rest: got.append(text), None)
    number("delay_ms").value = 50
    driver.cuLaunchHostFunc(None, got.append, "parent")
    child = os.fork()
    if child == 0:
        try:
            c.say()
            ok = got == []
            number("delay_ms").value = 0
            driver.cuLaunchHostFunc(None, got.append, "child")
            wait(lambda: got == ["child"], 5)
            os._exit(0 if ok else 4)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(5)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    wait(lambda: "parent" in got)
    c.say()
    assert got == ["parent", "hello"]
    """)


def test_fork_before_the_library_is_opened(check: Check) -> None:
    check("""
    child = os.fork()
    if child == 0:
        try:
            driver.cuInit(0)
            os._exit(0)
        except BaseException:
            os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    driver.cuInit(0)
    """)
