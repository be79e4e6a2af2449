"""Each public object at the end of the interpreter, in the child of a fork, dropped in any order, in threads."""

from __future__ import annotations

import gc
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import cuda_unified as cu
from tests.helpers import fakes
from tests.unified.every_object import USES, make

ROOT = f"{fakes.PACKAGE.parents[1]}:{fakes.PACKAGE.parent}"
NAMES = (
    "array", "view", "capsule", "taken", "host array", "module", "variable", "linker", "kernel", "launcher", "bound", "pool",
    "of the pool", "own", "own memory", "tracking memory", "managed memory", "captured", "part", "everything",
)  # fmt: skip
EXIT = """
import atexit, sys
from tests.unified.every_object import make
made = make()
sys.kept = [made] if {name!r} == "everything" else [made[{name!r}]]
class Late:
    def __del__(self, kept=sys.kept): kept.clear()
sys.late = Late()
del made
atexit.register(lambda: print("end"))
"""


def run(script: str, timeout: float = 60) -> list[str]:
    return fakes.run(script, PYTHONPATH=ROOT, CUBIND_DEVICE="cpu", timeout=timeout).split()


@pytest.mark.parametrize("name", NAMES)
def test_complaint_41_exit_with_each_object_alive(name: str) -> None:
    """Kept by what goes later than the modules; work that was launched may still be under way."""
    assert run(EXIT.format(name=name)) == ["end"]


def test_complaint_44_each_object_in_the_child_of_a_fork() -> None:
    """Every use is an error that says to use spawn; what is dropped there stays the parent's."""
    assert run("""
import gc, os, sys
import cuda_unified as cu
from tests.unified.every_object import USES, make
made = make()
made["stream"].sync()
pid = os.fork()
if not pid:
    wrong = []
    for name, use in USES.items():
        try:
            use(made[name])
        except cu.ForkError as error:
            if "spawn" not in str(error): wrong.append((name, str(error)))
        except BaseException as error:
            wrong.append((name, repr(error)))
        else:
            wrong.append((name, "no error"))
    print(*wrong, flush=True)
    while made:
        made.popitem()
        gc.collect()
    os._exit(len(wrong))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for name, use in USES.items():
    if name not in ("kernel", "launcher"):  # of address 0
        use(made[name])
made["stream"].sync()
print("fine")
""") == ["0", "fine"]


@pytest.mark.parametrize("seed", range(4))
def test_dropped_in_any_order(device: Any, seed: int) -> None:
    """With work under way, and the collector at any time."""
    gc.collect()
    device.sync()
    before = device.pool.used
    made = make(device)
    names = list(made)
    random.Random(seed).shuffle(names)
    for i, name in enumerate(names):
        del made[name]
        if i % 3 == seed % 3:
            gc.collect()
    gc.collect()
    device.sync()
    settled(device, before)


def settled(device: Any, before: int) -> None:
    """What was allocated is free again, once the driver's threads have let go."""
    for _ in range(200):
        gc.collect()
        cu._native.copies_under_way()
        device.sync()
        if device.pool.used <= before and not cu._native.things_in_graphs():
            return
        time.sleep(0.01)
    raise AssertionError(
        f"{device.pool.used} bytes and {cu._native.things_in_graphs()} things are left, before {before}"
    )


def test_dropped_in_other_threads(device: Any) -> None:
    gc.collect()
    device.sync()
    before, made = device.pool.used, [make(device) for _ in range(2)]
    things = [thing for one in made for thing in one.values()]
    made.clear()
    random.Random(5).shuffle(things)
    parts = [things[i::8] for i in range(8)]
    things.clear()
    threads = [threading.Thread(target=part.clear) for part in parts]
    del parts
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    del threads, thread
    settled(device, before)


def test_complaint_42_sixteen_threads_make_and_share_everything(device: Any) -> None:
    """Each thread makes one of each, uses what is shared, and drops its own; in bounded time."""
    shared, deadline = make(device), time.monotonic() + 60
    avoid = {"kernel", "launcher", "part"}  # of address 0; and what one thread disables the others see

    def work(i: int) -> int:
        uses = 0
        for turn in range(2):
            mine = make(device) if turn == 0 else None
            for name, use in USES.items():
                if name not in avoid and time.monotonic() < deadline:
                    use(shared[name] if (turn + i) % 2 or mine is None else mine[name])
                    uses += 1
        return uses

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(work, range(16)))
    device.sync()
    assert time.monotonic() < deadline and done == [2 * (len(USES) - len(avoid))] * 16
