"""Executables: launches, updates as a whole and node by node, enabling, what is kept alive, threads."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cuda_unified import _native
from tests.unified.graph_tools import ONE, Words, kernels, run

SLOW = 2_000_000  # turns of a loop: tens of milliseconds on the CPU device


def test_launches_follow_each_other_in_different_streams(
    device: Any, stream: Any, graph: Any, words: Words, step: Any
) -> None:
    graph.add_kernel(step, ONE, words.buffer, 3, 1)
    executable, other = graph.instantiate(), device.stream()
    executable.upload(stream)
    executable.launch(stream)
    executable.launch(stream=other)
    other.sync()
    assert words[0] == 4
    with other:
        executable.launch()
    other.sync()
    assert words[0] == 13
    executable.launch(other.handle)
    other.sync()
    assert words[0] == 40


def test_instantiation_options(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    graph.add_kernel(step, ONE.replace(priority=-1), words.buffer, 1, 1)
    executable = graph.instantiate(upload=stream, priorities=True, auto_free=True)
    assert executable.device is device and executable.graph is graph
    executable.launch(stream)
    stream.sync()
    assert words[0] == 1
    with graph.instantiate() as one:
        pass
    assert one.is_closed and repr(one) == "<GraphExec, closed>"
    one.close()
    for use in (lambda: one.launch(stream), one.upload, lambda: one.update(graph), lambda: one.address):
        with pytest.raises(cu.ClosedError, match="this GraphExec is closed"):
            use()


def test_device_launch_is_refused_where_there_is_none(device: Any, graph: Any, words: Words, step: Any) -> None:
    graph.add_kernel(step, ONE, words.buffer, 1, 1)
    if device.is_cpu:
        with pytest.raises(cu.NotSupportedError):
            graph.instantiate(device_launch=True)
    else:
        graph.instantiate(device_launch=True)


def test_a_launch_is_in_the_trace(device: Any, stream: Any, graph: Any, words: Words) -> None:
    graph.add_kernel(kernels()["slow"], ONE, words.buffer, SLOW // 20, 1)
    executable = graph.instantiate()
    with cu.trace(device=device) as trace:
        executable.launch(stream)
        stream.sync()
    (event,) = [event for event in trace.events if event.kind == "graph"]
    assert (event.name, event.stream) == ("cuGraphLaunch", stream.address) and words[0] == 1
    assert event.device_end > event.device_begin


# ---- updates


def test_the_definition_and_the_executable_are_apart(stream: Any, graph: Any, words: Words, step: Any) -> None:
    node = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    executable = graph.instantiate()
    node.update(words.buffer, 1, 100)
    executable.launch(stream)
    stream.sync()
    assert words[0] == 1
    executable.update(graph)
    executable.launch(stream)
    stream.sync()
    assert words[0] == 101


def test_an_update_takes_over_another_graph(device: Any, stream: Any, words: Words, step: Any) -> None:
    def build(value: int) -> Any:
        graph = cu.Graph(device)
        fill = graph.add_fill(words.buffer[:4], value, element=4)
        kernel = graph.add_kernel(step, ONE, words.buffer, 2, value, after=fill)
        graph.add_copy(words.buffer[4:8], np.array([value], np.uint32), after=kernel)
        return graph

    executable = build(1).instantiate()
    for value in (5, 6):
        executable.update(build(value))
        gc.collect()  # the graph and its arrays are gone: the executable has what it needs
        executable.launch(stream)
        stream.sync()
        assert (words[0], words[1]) == (3 * value, value)


def test_nodes_of_the_first_graph_name_those_of_the_executable(
    device: Any, stream: Any, graph: Any, words: Words, step: Any
) -> None:
    node = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    executable, other = graph.instantiate(), cu.Graph(device)
    theirs = other.add_kernel(step, ONE, words.buffer, 1, 10)
    executable.update(other)
    assert executable.graph is other and executable[node].work.args[2] == 10
    with pytest.raises(ValueError, match="another graph"):
        executable[theirs]
    other.close()
    executable[node].update(config=ONE)  # the arguments are those of the update
    executable.launch(stream)
    executable[node].update(words.buffer, 1, 100)
    executable.launch(stream)
    stream.sync()
    assert words[0] == 110


def test_updates_that_cannot_be_made_name_node_and_reason(
    device: Any, stream: Any, graph: Any, words: Words, step: Any
) -> None:
    a = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    graph.add_fill(words.buffer[4:8], 7, after=a)
    executable = graph.instantiate()

    more = graph.clone()
    more.add_empty()
    kind = cu.Graph(device)
    b = kind.add_kernel(step, ONE, words.buffer, 1, 50)
    kind.add_empty(after=b)
    edge = cu.Graph(device)
    edge.add_kernel(step, ONE, words.buffer, 1, 50)
    edge.add_fill(words.buffer[4:8], 9)
    for other, text in (
        (more, "other nodes or edges.*TOPOLOGY_CHANGED"),
        (kind, "another kind.*NODE_TYPE_CHANGED.*node 1 of the new graph, empty"),
        (edge, "other nodes or edges.*node 1 of the new graph, fill 4 bytes"),
    ):
        with pytest.raises(cu.GraphUpdateError, match=text) as caught:
            executable.update(other)
        assert caught.value.reason.name.startswith("CU_GRAPH_EXEC_UPDATE_ERROR")
        executable.launch(stream)  # as before
    stream.sync()
    assert words[0] == 3 and words[1] == 0x07070707
    with pytest.raises(TypeError, match="a Graph is wanted"):
        executable.update(executable)


def test_nodes_are_updated_in_the_executable(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    said: list[int] = []
    data = [np.array([i], np.uint32) for i in range(4)]
    fill = graph.add_fill(words.buffer[:4], 1, element=4)
    kernel = graph.add_kernel(step, ONE, words.buffer, 10, 0, after=fill)
    copy = graph.add_copy(words.buffer[4:8], data[0], after=kernel)
    call = graph.add_call(said.append, 0, after=copy)
    executable = graph.instantiate()
    for i in (1, 2, 3):
        executable[fill].update(value=i)
        executable[kernel].update(words.buffer, 10, i)
        executable[copy].update(src=data[i])
        executable[call].update(said.append, i)
        executable.launch(stream)
        stream.sync()
        assert (words[0], words[1], said[-1]) == (11 * i, i, i)
    assert executable[kernel].work.args[1:] == (10, 3) and kernel.work.args[1:] == (10, 0)
    run(graph, stream)  # the definition is as it was
    assert (words[0], words[1], said[-1]) == (10, 0, 0)
    executable.update(graph)
    assert executable[kernel].work.args[1:] == (10, 0)
    executable.launch(stream)
    stream.sync()
    assert (words[0], words[1], said) == (10, 0, [1, 2, 3, 0, 0])


def test_events_and_children_are_updated(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    first, second = device.event(), device.event()
    record = graph.add_event_record(first)
    child = cu.Graph(device)
    child.add_kernel(step, ONE, words.buffer, 1, 1)
    node = graph.add_child(child, after=record)
    executable = graph.instantiate()
    executable[record].update(second)
    (inner,) = child.nodes
    inner.update(words.buffer, 1, 20)
    executable[node].update(child)
    executable.launch(stream)
    stream.sync()
    assert words[0] == 20 and second.done
    second.elapsed(second)
    with pytest.raises(cu.CudaError):
        first.elapsed(first)


def test_what_an_executable_cannot_change(device: Any, graph: Any, words: Words, step: Any) -> None:
    kernel = graph.add_kernel(step, ONE.replace(priority=-1), words.buffer, 1, 1)
    copy = graph.add_copy(words.buffer[:4], words.buffer[4:8])
    empty = graph.add_empty()
    executable, other = graph.instantiate(), cu.Graph(device)
    with pytest.raises(ValueError, match="attributes"):
        executable[kernel].update(config=ONE)
    with pytest.raises(cu.CudaError):
        executable[copy].update(src=bytes(4))
    with pytest.raises(TypeError, match="nothing to update"):
        executable[empty].update(3)
    with pytest.raises(ValueError, match="another graph than the one"):
        executable[other.add_empty()]
    with pytest.raises(TypeError, match="a Node is wanted"):
        executable[0]


def test_nodes_are_disabled_and_enabled(stream: Any, graph: Any, words: Words, step: Any) -> None:
    a = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    b = graph.add_kernel(step, ONE, words.buffer, 1, 10, after=a)
    executable = graph.instantiate()
    assert executable[b].is_enabled
    executable[b].disable()
    assert not executable[b].is_enabled and executable[a].is_enabled
    executable.launch(stream)
    stream.sync()
    assert words[0] == 1
    executable[b].enable()
    executable.launch(stream)
    stream.sync()
    assert words[0] == 12
    empty = graph.add_empty()
    with pytest.raises(cu.CudaError):
        graph.instantiate()[empty].disable()


# ---- what is kept alive


def test_complaint_18_arguments_live_as_long_as_the_executable(
    device: Any, stream: Any, words: Words, step: Any
) -> None:
    """Buffers, arrays, kernels and functions that nobody else has, through the graph's end and a launch under way."""
    gc.collect()
    before = _native.things_in_graphs()

    class Function:
        def __call__(self) -> None:
            self_seen.append(1)

    self_seen: list[int] = []
    graph = cu.Graph(device)
    buffer, data, function = device.allocate(4, stream), np.array([5], np.uint32), Function()
    gone = [weakref.ref(buffer), weakref.ref(function)]
    a = graph.add_copy(buffer, data)
    b = graph.add_kernel(step, ONE, buffer, 2, 1, after=a)
    c = graph.add_copy(words.buffer[:4], buffer, after=b)
    d = graph.add_call(function, after=c)
    pointer = buffer.pointer
    del buffer, data, function, a, b, c, d
    gc.collect()
    executable = graph.instantiate()
    graph.close()
    del graph
    gc.collect()
    others = [device.allocate(4, stream) for _ in range(8)]
    assert pointer not in [o.pointer for o in others]
    executable.launch(stream)
    executable.close()  # the launch is under way or over
    stream.sync()
    assert words[0] == 11 and self_seen == [1]
    del executable
    _wait_until(lambda: _native.things_in_graphs() <= before and all(ref() is None for ref in gone))


def test_what_was_updated_lives_until_launches_that_use_it_are_done(
    device: Any, stream: Any, graph: Any, words: Words
) -> None:
    slow = kernels()["slow"]
    node = graph.add_kernel(slow, ONE, words.buffer, 1, 1)
    executable = graph.instantiate()
    refs, first = [], None
    for i in range(3):
        buffer = device.allocate(4, stream)
        buffer.fill(0, stream=stream)
        refs.append(weakref.ref(buffer))
        executable[node].update(buffer, SLOW if i == 0 else 1, 5)
        executable.launch(stream)
        first = first or stream.record()
        del buffer
    gc.collect()
    under_way = not first.done
    assert refs[2]() is not None and (not under_way or refs[0]() is not None)
    stream.sync()
    executable.launch(stream)
    stream.sync()
    executable.launch(stream)  # looks after what is over
    gc.collect()
    assert refs[0]() is None and refs[1]() is None and refs[2]() is not None
    executable.close()
    gc.collect()
    stream.sync()
    graph.instantiate().launch(stream)
    stream.sync()
    other = graph.instantiate()
    other[node].update(words.buffer, 1, 1)
    del other, executable
    gc.collect()
    assert refs[2]() is None


def test_removed_and_updated_nodes_let_go(device: Any, stream: Any, graph: Any, words: Words, step: Any) -> None:
    refs = []
    for _ in range(2):
        buffer = device.allocate(4, stream)
        refs.append(weakref.ref(buffer))
        if len(refs) == 1:
            node = graph.add_kernel(step, ONE, buffer, 1, 1)
        else:
            node.update(buffer, 1, 1)
        del buffer
    _wait_until(lambda: refs[0]() is None)
    assert refs[1]() is not None
    node.remove()
    _wait_until(lambda: refs[1]() is None)
    with pytest.raises(ValueError, match="removed"):
        node.kind  # noqa: B018


def test_a_condition_keeps_no_graph(device: Any) -> None:
    graph = cu.Graph(device)
    condition = graph.create_condition(1)
    loop = graph.if_(condition)
    loop.body.add_kernel(kernels()["choose"], ONE, condition, 0)
    gone = weakref.ref(graph._handle)
    del graph, loop
    gc.collect()
    assert gone() is None


def _wait_until(true: Any) -> None:
    """The driver gives things back in a thread of its own, and Python drops them in the main thread."""
    done = threading.Event()
    for _ in range(500):
        _native.things_in_graphs()
        gc.collect()
        if true():
            return
        done.wait(0.01)
    assert true()


# ---- threads


def test_threads_share_an_executable(device: Any, graph: Any, stream: Any, words: Words, step: Any) -> None:
    node = graph.add_kernel(step, ONE, words.buffer, 1, 1)
    executable = graph.instantiate()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            own = device.stream()
            for _ in range(50):
                executable.launch(own)
                executable[node].update(words.buffer, 1, 1)
            own.sync()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    device.sync()
    assert not errors and words[0] == 8 * 50


def test_closing_while_another_thread_launches(device: Any, graph: Any, words: Words, step: Any) -> None:
    graph.add_kernel(step, ONE, words.buffer, 1, 1)
    executable, started = graph.instantiate(), threading.Event()
    ends: list[BaseException] = []

    def work() -> None:
        own = device.stream()
        try:
            while True:
                executable.launch(own)
                started.set()
        except cu.ClosedError as error:
            ends.append(error)
        own.sync()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait(10)
    executable.close()
    for thread in threads:
        thread.join(20)
    assert len(ends) == 4


def test_threads_build_graphs_of_their_own(device: Any, step: Any) -> None:
    results: list[int] = []

    def work(i: int) -> None:
        stream = device.stream()
        words = Words(device, stream)
        for k in range(10):
            graph = cu.Graph(device)
            a = graph.add_fill(words.buffer, k)
            graph.add_kernel(step, ONE, words.buffer[4:], 0, i, after=a)
            run(graph, stream)
        results.append(words[1] * 1000 + words[0] % 256)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [1000 * i + 9 for i in range(8)]
