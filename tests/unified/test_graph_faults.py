"""Every call of the driver that graphs make refused once: the right error, nothing leaked, all well afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import fakes, faults

pytestmark = pytest.mark.skipif(not faults.SUPPORTED, reason="the stubs are written for x86-64")

SCRIPT = """
import gc, sys, time
from tests.helpers.faults import Faults
from tests.unified.graph_tools import ONE, kernels
import cuda_unified as cu
from cuda_unified import _native

control = Faults(sys.argv[1])
device = cu.Device(0)
stream, other = device.stream(), device.stream()
words = device.allocate(16, stream)
step, below = kernels()["step"], kernels()["below"]
PAIRS = [
    (("cuGraphCreate", "cuGraphClone"), ("cuGraphDestroy",)),
    (("cuGraphInstantiateWithParams",), ("cuGraphExecDestroy",)),
    (("cuEventCreate",), ("cuEventDestroy_v2",)),
    (("cuCtxPushCurrent_v2",), ("cuCtxPopCurrent_v2",)),
]

def build():
    graph = cu.Graph(device)
    a = graph.add_fill(words, 1)
    b = graph.add_kernel(step, ONE.replace(priority=-1), words, 1, 2, after=a)
    c = graph.add_copy(words[:4], words[4:8], after=b)
    graph.add_call(len, "x", after=c)
    graph.add_event_record(device.event(), after=c)
    a.connect(c); a.disconnect(c)
    b.update(words, 1, 3)
    assert len(graph.edges) == 4 and c.predecessors == (b,)
    clone = graph.clone()
    clone.nodes[0].remove()
def condition():
    graph = cu.Graph(device)
    value = graph.create_condition(1)
    graph.while_(value).body.add_kernel(below, ONE, words, value, 3)
    child = cu.Graph(device)
    child.add_empty()
    graph.add_child(child)
    graph.to_dot()
    graph.instantiate().launch(stream)
    stream.sync()
def executable():
    graph = cu.Graph(device)
    a = graph.add_kernel(step, ONE, words, 1, 2)
    e = graph.instantiate(upload=stream)
    e.launch(stream)
    e[a].update(words, 1, 4)
    e[a].disable(); e[a].enable()
    e.launch(other)
    e.update(graph)
    other.sync(); stream.sync()
    e.close(); graph.close()
def capture():
    with stream.capture() as graph:
        step[ONE](words, 1, 1)
        other.wait(stream)
        step[ONE, other](words, 1, 1)
        stream.wait(other)
        graph.add_call(len, "x")
    assert [node.kind for node in graph.nodes] == ["kernel", "kernel", "call"]

stay = 0  # in graphs that could not be destroyed
def balance():
    global stay
    for _ in range(100):
        gc.collect()
        if _native.things_in_graphs() <= stay: break
        time.sleep(0.002)
    stay = _native.things_in_graphs()
    device.sync()
    return [control.calls(*made) - control.calls(*ended) for made, ended in PAIRS]

for operation in (build, condition, executable, capture):
    operation()
    before = balance()
    control.arm(-1)
    operation()
    total, silent = control.total, set()
    for n in range(total):
        control.arm(n)
        try:
            operation()
            silent.add(control.refused)
        except cu.CudaError as error:
            silent.discard(control.refused)
            if not isinstance(error, cu.StreamCaptureError): assert error.code == 999, error
        refused = control.refused
        control.arm(-1)
        assert not stream.is_capturing and not other.is_capturing, (n, refused)
        operation()  # all is well again
        now = balance()
        for (made, ended), a, b in zip(PAIRS, before, now):
            # what could not be ended stays, with what it keeps, and nothing else
            if made == ("cuEventCreate",) and refused in ("cuGraphDestroy", "cuGraphExecDestroy"): continue
            assert b - a == (refused in ended), (operation.__name__, n, refused, made, a, b)
        before = now
    print(operation.__name__, total, *sorted(silent))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.build(tmp_path_factory.mktemp("faults"))


def test_complaint_45_each_call_of_graphs_refused_once(library: Path) -> None:
    printed = fakes.run(SCRIPT, str(library), timeout=200, CUBIND_DRIVER_LIBRARY=library, PYTHONPATH=faults.ROOT)
    lines = [line.split() for line in printed.splitlines()]
    assert [line[0] for line in lines] == ["build", "condition", "executable", "capture"]
    assert all(int(line[1]) >= 10 for line in lines), printed
    # where no error is raised, the call was the end of something that was dropped, or there is another way
    assert {name for line in lines for name in line[2:]} <= {
        "cuGraphDestroy", "cuGraphExecDestroy", "cuEventDestroy_v2", "cuCtxPopCurrent_v2", "cuCtxGetCurrent",
        "cuEventQuery",  # asked whether things can be dropped: what fails is over
        "cuUserObjectCreate", "cuGraphRetainUserObject",  # of calls, which are then kept for good
    }, printed  # fmt: skip
