"""Graphs at the end of a process, in children of a fork, dropped in any order and in other threads."""

from __future__ import annotations

import pytest

from tests.helpers import fakes

ROOT = str(fakes.PACKAGE.parents[1])
MAKE = """
import gc, os, sys, threading
import cuda_unified as cu
from tests.unified.graph_tools import ONE, kernels
device = cu.Device(0)
stream = device.stream()
buffer = device.allocate(16, stream)
step, slow = kernels()["step"], kernels()["slow"]
graph = cu.Graph(device)
condition = graph.create_condition(1)
branch = graph.if_(condition)
node = branch.body.add_kernel(step, ONE, buffer, 1, 1)
call = graph.add_call(print, "called", after=branch)
late = graph.add_kernel(slow, ONE, buffer, 300000, 1, after=call)
executable = graph.instantiate()
part = executable[late]
part.update(buffer, 300000, 2)
with stream.capture() as captured:
    step[ONE](buffer, 1, 1)
"""
NAMES = ("graph", "node", "branch", "condition", "executable", "part", "captured", "buffer", "step", "stream")


def run(script: str) -> str:
    return fakes.run(MAKE + script, PYTHONPATH=ROOT, CUBIND_DEVICE="cpu")


@pytest.mark.parametrize("names", ["graph", "node", "executable", "part", "captured", "*"])
def test_complaint_40_exit_with_graphs_alive(names: str) -> None:
    """Also where something keeps them beyond the end of the interpreter, and with a launch under way."""
    keep = "list(globals().values())" if names == "*" else f"[{names}]"
    out = run(f"""
import atexit
sys.kept = {keep}
class Late:
    def __del__(self, kept=sys.kept): kept.clear()
sys.late = Late()
executable.launch(stream)
atexit.register(lambda: print("end"))
""")
    assert "end" in out  # the call of the graph may be later, or never be


@pytest.mark.parametrize("backwards", [False, True])
def test_dropped_in_any_order_while_a_launch_is_under_way(backwards: bool) -> None:
    names = [name for name in NAMES if name != "stream"]
    drops = "\n".join(f"del {name}; gc.collect()" for name in (names[::-1] if backwards else names))
    out = run(f"executable.launch(stream)\ndel call, late\n{drops}\nstream.sync(); print('fine')")
    assert out.split() == ["called", "fine"]


def test_dropped_in_other_threads() -> None:
    out = run("""
def drop(things): things.clear(); gc.collect()
everything = [[graph, branch, node, call, late], [executable, part], [captured], [buffer]]
executable.launch(stream)
del graph, branch, node, call, late, executable, part, captured, buffer, condition
threads = [threading.Thread(target=drop, args=(things,)) for things in everything]
for t in threads: t.start()
for t in threads: t.join()
stream.sync()
print("fine")
""")
    assert out.split() == ["called", "fine"]


def test_an_interpreter_that_ends_in_a_capture() -> None:
    assert (
        run("""
scope = stream.capture()
graph2 = scope.__enter__()
step[ONE](buffer, 1, 1)
print("fine")
""").strip()
        == "fine"
    )


def test_a_call_under_way_at_exit() -> None:
    out = run("""
import time
g = cu.Graph(device)
g.add_call(time.sleep, 0.2)
for _ in range(3): g.add_call(time.sleep, 0.2)
e = g.instantiate()
e.launch(stream); e.launch(stream)
print("end")
""")
    assert out.split() == ["end"]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_children_of_a_fork_are_told() -> None:
    out = run("""
import warnings
warnings.simplefilter("ignore")
pid = os.fork()
if not pid:
    for use in (lambda: executable.launch(stream), lambda: graph.nodes, lambda: executable.address, lambda: stream.capture().__enter__()):
        try:
            use()
            os._exit(1)
        except cu.ForkError as error:
            assert "spawn" in str(error)
    del executable, graph, captured, node, branch
    gc.collect()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
executable.launch(stream)
stream.sync()
""")
    assert out.split() == ["0", "called"]
