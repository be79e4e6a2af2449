"""Graphs: built, captured, instantiated, updated, launched."""

from __future__ import annotations

from typing import Any

import cuda_unified as cu
from tests.unified.graph_tools import ONE, kernels

device = cu.Device(0)
stream, other = device.stream(), device.stream()
STREAMS = (stream, other)
words = device.allocate(64, stream)
step, below, choose = kernels()["step"], kernels()["below"], kernels()["choose"]


def build() -> None:
    graph = cu.Graph(device)
    a = graph.add_fill(words, 1)
    b = graph.add_kernel(step, ONE.replace(priority=-1), words, 1, 2, after=a)
    c = graph.add_copy(words[:4], words[4:8], after=b)
    graph.add_call(len, "x", after=c)
    graph.add_event_record(device.event(), after=c)
    a.connect(c)
    a.disconnect(c)
    b.update(words, 1, 3)
    assert len(graph.edges) == 4 and c.predecessors == (b,)
    clone = graph.clone()
    clone.nodes[0].remove()


def memory() -> None:
    graph = cu.Graph(device)
    made = graph.add_allocate(64)
    filled = graph.add_fill(made, 7, after=made)
    read = graph.add_copy(words[:4], made, 4, after=filled)
    graph.add_free(made, after=read)
    with graph.instantiate() as executable:
        executable.launch(stream)
        stream.sync()


def events() -> None:
    graph, event = cu.Graph(device), other.record()
    waits = graph.add_event_wait(event)
    graph.add_event_record(device.event(), after=waits)
    assert len(graph.roots) == 1
    graph.instantiate().launch(stream)
    stream.sync()


def condition() -> None:
    graph = cu.Graph(device)
    value = graph.create_condition(1)
    graph.while_(value).body.add_kernel(below, ONE, words, value, 3)
    child = cu.Graph(device)
    child.add_empty()
    graph.add_child(child)
    graph.to_dot()
    graph.instantiate().launch(stream)
    stream.sync()


def switch() -> None:
    graph = cu.Graph(device)
    value, two = graph.create_condition(0), graph.create_condition(1)
    chosen = graph.add_kernel(choose, ONE, value, 1)
    for body in graph.switch(value, 2, after=chosen).bodies:
        body.add_fill(words, 5)
    both = graph.if_else(two, after=chosen)
    both.body.add_empty()
    both.otherwise.add_empty()
    graph.instantiate().launch(stream)
    stream.sync()


def executable() -> None:
    graph = cu.Graph(device)
    a = graph.add_kernel(step, ONE, words, 1, 2)
    e = graph.instantiate(upload=stream)
    e.launch(stream)
    e[a].update(words, 1, 4)
    e[a].disable()
    e[a].enable()
    e.launch(other)
    e.update(graph)
    other.sync()
    stream.sync()
    e.close()
    graph.close()


def updates() -> None:
    graph = cu.Graph(device)
    f = graph.add_fill(words, 1)
    c = graph.add_copy(words[:4], words[4:8], after=f)
    e = graph.instantiate()
    e[f].update(words, 2)
    e[c].update(words[8:12], words[4:8])
    f.update(words, 3)
    e.launch(stream)
    stream.sync()


def capture() -> None:
    with stream.capture() as graph:
        step[ONE](words, 1, 1)
        other.wait(stream)
        step[ONE, other](words, 1, 1)
        stream.wait(other)
        graph.add_call(len, "x")
    assert [node.kind for node in graph.nodes] == ["kernel", "kernel", "call"]


def capture_of_memory() -> None:
    with stream.capture() as graph:
        x = device.allocate(64, stream)
        x.fill(1, stream=stream)
        words.copy_from(x, stream=stream)
        cu.copy_2d(words, x, width=4, height=2, src_pitch=8, stream=stream)
        x.close(stream)
    graph.instantiate().launch(stream)
    stream.sync()
    assert words.to_bytes(stream=stream)[:1] == b"\1"


def capture_of_temporaries() -> None:
    with stream.capture() as graph:
        step[ONE](cu.zeros(4, "uint32", device=device), 1, 1)
    graph.instantiate().launch(stream)
    stream.sync()


# memory of a graph goes with it
NOT_COUNTED = {"capture of memory": "cuMemAllocFromPoolAsync", "capture of temporaries": "cuMemAllocFromPoolAsync"}
OPERATIONS: dict[str, Any] = {
    "build": build,
    "memory": memory,
    "events": events,
    "condition": condition,
    "switch": switch,
    "executable": executable,
    "updates": updates,
    "capture": capture,
    "capture of memory": capture_of_memory,
    "capture of temporaries": capture_of_temporaries,
}
# of calls, which are then kept for good
KEPT = {"cuUserObjectCreate", "cuGraphRetainUserObject"}
QUIET = {
    "build": KEPT,
    "capture": KEPT,
    # whether memory is a graph's: it is taken for a stream's
    "capture of memory": {"cuStreamGetCaptureInfo_v2", "cuPointerGetAttributes"},
    "capture of temporaries": {"cuStreamGetCaptureInfo_v2"},
}


def state() -> Any:
    """What is allocated outside of graphs."""
    return device.pool.used
