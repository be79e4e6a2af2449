"""Objects at the end of a process, in children of a fork, and dropped in any order."""

from __future__ import annotations

import pytest

from tests.helpers import fakes

ROOT = str(fakes.PACKAGE.parents[1])
MAKE = """
import cuda_unified as cu
device = cu.Device(0)
context = device.create_context()
stream = device.stream()
event = stream.record()
buffer = device.allocate(1000, stream)
own = context.stream()
call = stream.call(lambda: None)
"""


def run(script: str, **changes: str) -> str:
    return fakes.run(MAKE + script, PYTHONPATH=ROOT, CUBIND_DEVICE="cpu", **changes)


@pytest.mark.parametrize(
    "names", ["device", "stream", "event", "buffer", "context", "own", "call", "stream event buffer", "*"]
)
def test_complaint_40_exit_with_objects_alive(names: str) -> None:
    """Also where something keeps them beyond the end of the interpreter."""
    keep = "list(globals().values())" if names == "*" else f"[{names.replace(' ', ', ')}]"
    out = run(f"""
import sys, atexit
sys.kept = {keep}
class Late:
    def __del__(self, kept=sys.kept): kept.clear()
sys.late = Late()
atexit.register(lambda: print("end"))
""")
    assert out.split() == ["end"]


def test_exit_while_work_is_pending() -> None:
    assert run("""
import threading
with device:
    from cubind import driver
    driver.cuLaunchHostFunc(stream.handle, lambda _: __import__("time").sleep(0.2), None)
calls = [stream.call(print, "late") for _ in range(5)]
threading.Thread(target=stream.sync, daemon=True).start()
print("end")
""").startswith("end")


@pytest.mark.parametrize(
    "order", ["stream event buffer own context", "context own buffer event stream", "buffer context stream own event"]
)
def test_dropped_in_any_order(order: str) -> None:
    drops = "\n".join(f"del {name}; gc.collect()" for name in order.split())
    assert run(f"import gc\ndel call\n{drops}\ndevice.sync(); print('fine')").strip() == "fine"


def test_dropped_in_another_thread() -> None:
    assert (
        run("""
import threading
things = [stream, event, buffer, own, context]
del stream, event, buffer, own, context
t = threading.Thread(target=things.clear); t.start(); t.join()
device.sync(); print("fine")
""").strip()
        == "fine"
    )


def test_complaint_44_child_of_a_fork() -> None:
    """Every use says what is wrong; nothing of the parent is freed by the child."""
    out = run("""
import os, sys
def tell(use):
    try: use()
    except cu.ForkError as error: return "spawn" in str(error)
    return False
sys.stdout.flush()
pid = os.fork()
if not pid:
    uses = [stream.sync, stream.record, lambda: stream.wait(event), event.sync, lambda: event.done, lambda: stream.done, device.stream,
            device.event, lambda: device.allocate(8), lambda: device.context, lambda: cu.Device(0), cu.Device, device.sync, device.__enter__,
            context.stream, lambda: stream.call(print), lambda: device.memory_info, lambda: stream.priority]
    bad = [i for i, use in enumerate(uses) if not tell(use)]
    print(bad)
    for thing in (stream, event, buffer): thing.close()
    del stream, event, buffer, own, context
    sys.stdout.flush()
    os._exit(0 if not bad else 1)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
buffer.close(); stream.sync(); event.sync(); own.sync(); assert stream.call(lambda: 5).result(5) == 5
print(status)
""")
    assert out.split() == ["[]", "0"]


def test_a_child_that_is_the_first_to_use_cuda() -> None:
    out = fakes.run("""
import os, sys
import cuda_unified as cu
pid = os.fork()
if not pid:
    cu.Device(0).stream().sync()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""", PYTHONPATH=ROOT, CUBIND_DEVICE="cpu")  # fmt: skip
    assert out.split() == ["0"]
