"""Graphs built node by node: every kind of node, edges, changes of definitions, bad input."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from tests.unified.graph_tools import ONE, Words, kernels, kinds, run

# ---- kinds of nodes


def test_a_pipeline_of_copies_and_a_kernel(device: Any, stream: Any, graph: Any) -> None:
    n = 1000
    source, target = np.arange(n, dtype=np.float32), np.zeros(n, np.float32)
    kernel, buffer = kernels()["axpb"], device.allocate(4 * n, stream)
    up = graph.add_copy(buffer, source)
    work = graph.add_kernel(kernel, cu.LaunchConfig.for_size(n, kernel), buffer, 2.0, 1.0, n, after=up)
    down = graph.add_copy(target, buffer, after=[work])
    assert kinds(graph) == ["copy", "kernel", "copy"] and len(graph) == 3
    assert graph.roots == (up,)
    assert [(e.source, e.target, e.is_programmatic) for e in graph.edges] == [(up, work, False), (work, down, False)]
    assert work.predecessors == (up,) and work.successors == (down,)
    run(graph, stream)
    assert np.array_equal(target, source * 2 + 1)
    source += 5  # read when the graph runs
    run(graph, stream)
    assert np.array_equal(target, source * 2 + 1)


def test_fills_of_every_element_and_of_rows(device: Any, stream: Any, graph: Any) -> None:
    buffer = device.allocate(64, stream)
    last = graph.add_fill(buffer, 0)
    for value, where, how in (
        (0xAB, buffer[:3], {}),
        (0xBEEF, buffer[4:8], {"element": 2}),
        (-2, buffer[8:16], {"element": 4}),
        (b"\x01\x02\x03\x04", buffer[16:24], {}),
        (7, buffer[32:], {"width": 2, "height": 3, "pitch": 8}),
    ):
        last = graph.add_fill(where, value, after=last, **how)
    run(graph, stream)
    expected = np.zeros(64, np.uint8)
    expected[:3] = 0xAB
    expected[4:8] = np.array([0xBEEF] * 2, "<u2").view(np.uint8)
    expected[8:16] = np.array([-2] * 2, "<i4").view(np.uint8)
    expected[16:24] = [1, 2, 3, 4] * 2
    for row in range(3):
        expected[32 + 8 * row : 34 + 8 * row] = 7
    assert buffer.to_bytes(stream=stream) == expected.tobytes()


def test_copies_of_boxes(device: Any, stream: Any, graph: Any) -> None:
    """Two slices of three rows of four bytes, out of a box of 8 x 5 x 2 into one of 6 x 4 x 2."""
    source = np.arange(80, dtype=np.uint8).reshape(2, 5, 8)
    target = np.zeros((2, 4, 6), np.uint8)
    buffer = device.allocate(80, stream)
    up = graph.add_copy(buffer, source)
    graph.add_copy(
        target, buffer, width=4, height=3, depth=2, dst_pitch=6, src_pitch=8, dst_rows=4, src_rows=5, after=up
    )
    run(graph, stream)
    expected = np.zeros_like(target)
    expected[:, :3, :4] = source[:, :3, :4]
    assert np.array_equal(target, expected)


def test_memory_of_every_kind_at_the_ends_of_copies(device: Any, stream: Any, graph: Any) -> None:
    buffer, again = device.allocate(16, stream), device.allocate(16, stream)
    target = bytearray(16)
    pinned = cu.zeros_pinned(4, np.uint32)
    pinned[:] = 1, 2, 3, 4
    a = graph.add_copy(buffer, pinned)
    b = graph.add_copy(again.pointer, buffer.pointer, 16, after=a)
    array = cu.as_array(again)
    graph.add_copy(target, array, after=b)
    run(graph, stream)
    assert target == np.array([1, 2, 3, 4], np.uint32).tobytes()


def test_empty_nodes_join(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    parts = [graph.add_kernel(step, ONE, words.buffer[4 * i :], 1, i + 1) for i in range(3)]
    join = graph.add_empty(parts)
    copy = graph.add_copy(words.buffer[12:], words.buffer[8:12], after=join)
    assert set(join.predecessors) == set(parts) and join.successors == (copy,)
    run(graph, stream)
    assert [words[i] for i in range(4)] == [1, 2, 3, 3]


def test_calls_run_in_order_and_launches_wait_for_them(stream: Any, graph: Any) -> None:
    said: list[Any] = []
    first = graph.add_call(said.append, 1)
    second = graph.add_call(lambda *args: said.append((args, threading.current_thread() is main)), "x", 2, after=first)
    main = threading.current_thread()
    assert (first.kind, second.kind) == ("call", "call")
    run(graph, stream, 2)
    assert said == [1, (("x", 2), False)] * 2


def test_what_a_call_raises_is_raised_by_the_next_launch(stream: Any, graph: Any, words: Words, step: Any) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in the call")

    call = graph.add_call(fail)
    graph.add_kernel(step, ONE, words.buffer, 1, 1, after=call)
    executable = run(graph, stream)
    assert words[0] == 1  # the rest of the graph ran
    with pytest.raises(ZeroDivisionError, match="in the call") as caught:
        executable.launch(stream)
    assert "a graph called" in caught.value.__notes__[0]
    assert words[0] == 1
    executable.check()  # it was told once
    executable.launch(stream)
    stream.sync()
    assert words[0] == 2
    with pytest.raises(ZeroDivisionError):
        executable.check()


def test_a_child_is_a_copy(stream: Any, device: Any, graph: Any, words: Words, step: Any) -> None:
    child = cu.Graph(device)
    inner = child.add_kernel(step, ONE, words.buffer, 10, 1)
    first = graph.add_child(child)
    inner.update(words.buffer, 10, 2)
    graph.add_child(child, after=first)
    child.close()
    assert kinds(first.child) == ["kernel"] and first.kind == "graph"
    run(graph, stream)
    assert words[0] == 12
    (node,) = first.child.nodes
    node.update(words.buffer, 10, 3, kernel=step)
    words.set(0)
    run(graph, stream)
    assert words[0] == 32
    assert first.child.is_closed is False
    graph.close()
    assert first.graph.is_closed


def test_a_child_that_allocates_is_moved(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    child = cu.Graph(device)
    memory = child.add_allocate(4)
    fill = child.add_fill(memory, 5, element=4, after=memory)
    copy = child.add_copy(words.buffer[:4], memory, after=fill)
    child.add_free(memory, after=copy)
    with pytest.raises(cu.InvalidValueError):
        graph.add_child(child)
    node = graph.add_child(child, move=True)
    assert child.is_closed and kinds(node.child) == ["allocate", "fill", "copy", "free"]
    graph.add_kernel(step, ONE, words.buffer, 2, 0, after=node)
    run(graph, stream)
    assert words[0] == 10


def test_events_are_recorded_and_waited_for(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    before, after = device.event(), device.event()
    a = graph.add_event_record(before)
    b = graph.add_kernel(step, ONE, words.buffer, 1, 7, after=a)
    graph.add_event_record(after, after=b)
    other = cu.Graph(device)
    wait = other.add_event_wait(after)
    other.add_copy(words.buffer[4:8], words.buffer[:4], after=wait)
    assert kinds(graph) == ["event_record", "kernel", "event_record"] and kinds(other)[0] == "event_wait"
    second = device.stream()
    one, two = graph.instantiate(), other.instantiate()
    one.launch(stream)
    two.launch(second)
    second.sync()
    assert (words[0], words[1]) == (7, 7)
    assert before.elapsed(after) >= 0


def test_memory_of_a_graph(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    memory = graph.add_allocate(400)
    assert memory.kind == "allocate" and memory.pointer and memory.size == 400
    fill = graph.add_fill(memory, 3, element=4, after=memory)
    kernel = graph.add_kernel(step, ONE, memory.pointer, 10, 4, after=fill)
    copy = graph.add_copy(words.buffer[:4], memory, 4, after=kernel)
    free = graph.add_free(memory, after=copy)
    assert free.pointer == memory.pointer
    run(graph, stream, 3)
    assert words[0] == 34


def test_memory_that_outlives_a_launch_needs_auto_free(device: Any, stream: Any, graph: Any, words: Words) -> None:
    memory = graph.add_allocate(16)
    graph.add_fill(memory, 9, element=4, after=memory)
    executable = graph.instantiate()
    executable.launch(stream)
    with pytest.raises(cu.CudaError):
        executable.launch(stream)
    words.buffer.copy_from(cu.Buffer.from_handle(memory.pointer, 16, kind="device", device=device), stream=stream)
    assert words[3] == 9
    other = cu.Graph(device)
    other.add_free(memory.pointer)
    run(other, stream)
    executable.launch(stream)
    run(other, stream)
    with pytest.raises(cu.InvalidValueError, match="one executable at a time"):
        graph.instantiate(auto_free=True)
    executable.close()
    run(graph, stream, 3, auto_free=True)
    run(other, stream)  # the last launch's
    assert cu.GraphMemoryResource(device).statistics.used == 0


# ---- changes


def test_edges_are_added_and_taken_away(graph: Any) -> None:
    a, b, c = (graph.add_empty() for _ in range(3))
    a.connect(b, c)
    b.connect(c)
    assert {(e.source, e.target) for e in graph.edges} == {(a, b), (a, c), (b, c)}
    a.disconnect(c)
    assert {(e.source, e.target) for e in graph.edges} == {(a, b), (b, c)}
    with pytest.raises(ValueError, match="no edge"):
        a.disconnect(c)
    b.remove()
    assert graph.nodes == (a, c) and graph.edges == ()
    with pytest.raises(ValueError, match="removed"):
        b.predecessors  # noqa: B018
    assert "removed" in repr(b)


def test_programmatic_edges(graph: Any, words: Words, step: Any) -> None:
    a = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    b = graph.add_kernel(step, ONE, words.buffer[4:], 1, 1)
    a.connect(b, programmatic=True)
    assert [e.is_programmatic for e in graph.edges] == [True]
    a.disconnect(b)
    assert graph.edges == ()


def test_complaint_15_outputs_are_copies(graph: Any) -> None:
    """Edges and nodes that were asked for stay what they were when the graph changes and goes."""
    a, b = graph.add_empty(), graph.add_empty()
    a.connect(b)
    edges, nodes = graph.edges, graph.nodes
    b.remove()
    graph.close()
    assert len(edges) == 1 and edges[0].source == nodes[0]
    with pytest.raises(cu.ClosedError, match="this Graph is closed"):
        nodes[0].predecessors  # noqa: B018


def test_updates_of_definitions(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    data = np.array([2], np.uint32)
    fill = graph.add_fill(words.buffer[:4], 1, element=4)
    kernel = graph.add_kernel(step, ONE, words.buffer, 10, 1, after=fill)
    copy = graph.add_copy(words.buffer[4:8], data, after=kernel)
    said: list[int] = []
    call = graph.add_call(said.append, 1, after=copy)
    run(graph, stream)
    assert (words[0], words[1], said) == (11, 2, [1])
    fill.update(value=3)
    kernel.update(words.buffer, 10, 2)
    copy.update(src=np.array([77], np.uint32))
    call.update(said.append, 5)
    run(graph, stream)
    assert (words[0], words[1], said) == (32, 77, [1, 5])
    kernel.update(config=cu.LaunchConfig(2, 1))
    assert kernel.work.config.grid == (2, 1, 1) and kernel.work.args[1:] == (10, 2)
    event, other = device.event(), device.event()
    record = graph.add_event_record(event)
    record.update(other)
    run(graph, stream)
    other.sync()
    assert driver.cuGraphEventRecordNodeGetEvent(record.handle) == other.handle
    with pytest.raises(TypeError, match="nothing to update"):
        graph.add_empty().update()
    assert kernel.work.args[1:] == (10, 2)


def test_a_failed_update_changes_nothing(stream: Any, graph: Any, words: Words, step: Any) -> None:
    kernel = graph.add_kernel(step, ONE, words.buffer, 1, 4)
    with pytest.raises(TypeError):
        kernel.update(words.buffer, 1)
    with pytest.raises(ValueError):
        graph.add_copy(words.buffer[4:], bytes(12), after=kernel).update(src=bytes(11))
    run(graph, stream)
    assert words[0] == 4


def test_attributes_of_kernels(graph: Any, words: Words, step: Any) -> None:
    node = graph.add_kernel(step, ONE.replace(priority=-1), words.buffer, 1, 1)
    names = driver.CUlaunchAttributeID
    assert driver.cuGraphKernelNodeGetAttribute(node.handle, names.CU_LAUNCH_ATTRIBUTE_PRIORITY).priority == -1
    node.update(config=ONE.replace(priority=-2))
    assert driver.cuGraphKernelNodeGetAttribute(node.handle, names.CU_LAUNCH_ATTRIBUTE_PRIORITY).priority == -2
    with pytest.raises(ValueError, match="priority"):
        node.update(config=ONE)


def test_clones_are_apart(stream: Any, graph: Any, words: Words, step: Any) -> None:
    node = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    clone = graph.clone()
    (copy,) = clone.nodes
    assert copy != node and clone != graph and copy.work.args[1:] == (1, 1)
    copy.update(words.buffer, 1, 50)
    run(graph, stream)
    assert words[0] == 1
    graph.close()
    run(clone, stream)
    assert words[0] == 51


def test_nodes_and_graphs_are_values(device: Any, graph: Any) -> None:
    a = graph.add_empty()
    assert graph.nodes[0] == a and hash(graph.nodes[0]) == hash(a) and a != graph.add_empty() and a != 1
    assert repr(graph) == "<Graph of 2 nodes on device 0>" and repr(a) == "<Node: empty>"
    assert graph.device is device and graph.handle == driver.CUgraph(graph.address)
    with cu.Graph(device) as other:
        other.add_empty()
    assert other.is_closed and repr(other) == "<Graph, closed>"
    other.close()


def test_a_handle_of_the_low_level_is_taken_over(device: Any, stream: Any, words: Words) -> None:
    with device:
        handle = driver.cuGraphCreate(0)
    low = driver.cuGraphAddEmptyNode(handle, [], None)
    graph = cu.Graph.from_handle(handle, device=device)
    (empty,) = graph.nodes
    assert (empty.kind, empty.address) == ("empty", int(low))
    graph.add_fill(words.buffer, 1, after=empty)
    run(graph, stream)
    assert words[0] == 0x01010101
    for bad in (None, 0, True, 1.5):
        with pytest.raises(TypeError, match="CUgraph"):
            cu.Graph.from_handle(bad)


# ---- bad input


def test_bad_nodes_are_named(device: Any, graph: Any, words: Words, step: Any) -> None:
    b = words.buffer
    for wrong, kind, text in (
        (lambda: graph.add_kernel(step, ONE, b, 1), TypeError, "takes 3 arguments"),
        (lambda: graph.add_kernel("step", ONE), TypeError, "a Kernel is wanted"),
        (lambda: graph.add_kernel(step, (1, 1), b, 1, 1), TypeError, "a LaunchConfig is wanted"),
        (lambda: graph.add_kernel(step, cu.LaunchConfig(1, 4096), b, 1, 1), ValueError, "block"),
        (lambda: graph.add_copy(b, bytes(3)), ValueError, "3 bytes cannot be copied to memory of 16"),
        (lambda: graph.add_copy(b, bytes(32), width=4, height=5), ValueError, "ends at byte 20 of the destination"),
        (lambda: graph.add_copy(b, b, width=8, height=2, src_pitch=4), ValueError, "pitch of 4"),
        (lambda: graph.add_copy(bytes(16), b), ValueError, "read-only"),
        (lambda: graph.add_copy(b, np.zeros((8, 4), np.uint8)[:, :2]), ValueError, "contiguous"),
        (lambda: graph.add_copy(b, 3.5), TypeError, "float"),
        (lambda: graph.add_copy(b.pointer, b.pointer), TypeError, "needs its size"),
        (lambda: graph.add_copy(b, b, 4, width=4), TypeError, "not both"),
        (lambda: graph.add_copy(b, b, 0), ValueError, "width is from 1"),
        (lambda: graph.add_fill(b, 256), ValueError, "256 does not fit"),
        (lambda: graph.add_fill(b, 1, element=3), ValueError, "1, 2 or 4"),
        (lambda: graph.add_fill(b[:3], 1, element=2), ValueError, "whole number"),
        (lambda: graph.add_fill(b, 1, width=17), ValueError, "17"),
        (lambda: graph.add_fill(b, "x"), TypeError, "int or bytes"),
        (lambda: graph.add_call(3), TypeError, "a function is wanted"),
        (lambda: graph.add_child(3), TypeError, "a Graph is wanted"),
        (lambda: graph.add_child(graph), ValueError, "inside itself"),
        (lambda: graph.add_event_record(3), TypeError, "an Event is wanted"),
        (lambda: graph.add_allocate(0), ValueError, "size is from 1"),
        (lambda: graph.add_free(None), TypeError, "a node that allocates"),
        (lambda: graph.if_(1), TypeError, "a Condition"),
        (lambda: graph.switch(graph.create_condition(0), 0), ValueError, "bodies"),
        (lambda: graph.create_condition(-1), ValueError, "from 0"),
        (lambda: graph.add_empty(after=[1]), TypeError, "a Node is wanted"),
        (lambda: graph.add_empty(after=cu.Graph(device).add_empty()), ValueError, "removed|another graph|closed"),
    ):
        before = len(graph)
        with pytest.raises(kind, match=text):
            wrong()
        assert len(graph) == before, text


def test_a_closed_graph_says_so(device: Any, step: Any, words: Words) -> None:
    graph = cu.Graph(device)
    node = graph.add_empty()
    graph.close()
    for use in (
        lambda: graph.nodes,
        graph.add_empty,
        lambda: graph.add_kernel(step, ONE, words.buffer, 1, 1),
        graph.instantiate,
        graph.clone,
        graph.to_dot,
        graph.create_condition,
        node.remove,
        lambda: node.address,
    ):
        with pytest.raises(cu.ClosedError, match="this Graph is closed"):
            use()


def test_a_node_of_another_graph_is_refused(device: Any, graph: Any) -> None:
    other = cu.Graph(device)
    node, mine = other.add_empty(), graph.add_empty()
    with pytest.raises(ValueError, match="another graph"):
        mine.connect(node)
    with pytest.raises(cu.InvalidValueError):
        mine.connect(mine)


def test_what_cannot_be_instantiated_says_why(graph: Any) -> None:
    graph.create_condition(0)
    with pytest.raises(cu.InvalidValueError, match="conditional handle unused"):
        graph.instantiate()


def test_edges_that_cannot_be(graph: Any) -> None:
    first = graph.add_empty()
    second = graph.add_empty(after=first)
    last = graph.add_empty(after=second)
    for node, other, hint in ((first, second, "there already"), (last, first, "waits for it"), (last, last, "itself")):
        with pytest.raises(cu.InvalidValueError, match="from=<Node: empty>") as caught:
            node.connect(other)
        assert hint in caught.value.hint
    assert len(graph.edges) == 2
