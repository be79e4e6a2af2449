"""Captures: what streams are given becomes a graph; failures end them cleanly."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from cuda_unified import _native
from tests.unified.graph_tools import ONE, Words, kernels, kinds, run


def test_work_is_captured_and_not_done(device: Any, stream: Any, words: Words, step: Any) -> None:
    assert not stream.is_capturing
    with stream.capture() as graph:
        assert stream.is_capturing and graph.is_capturing and cu.current_stream() is stream
        step[ONE](words.buffer, 1, 2)
        cu.launch(stream, ONE, step, words.buffer, 10, 1)
        bound = step.bind(stream, ONE, words.buffer, 1, 100)
        bound()
        words.buffer[4:8].fill(7, stream=stream)
        words.buffer[8:12].copy_from(words.buffer[:4], stream=stream)
    assert not stream.is_capturing and not graph.is_capturing and cu.current_stream() is not stream
    assert kinds(graph) == ["kernel", "kernel", "kernel", "fill", "copy"]
    assert [(e.source, e.target) for e in graph.edges] == list(zip(graph.nodes, graph.nodes[1:], strict=False))
    stream.sync()
    assert words[0] == 0
    run(graph, stream)
    assert (words[0], words[1], words[2]) == (121, 0x07070707, 121)


def test_streams_join_through_events_and_waits(device: Any, stream: Any, words: Words, step: Any) -> None:
    other, third = device.stream(), device.stream()
    with stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
        event = stream.record()
        other.wait(event)
        third.wait(stream)
        assert other.is_capturing and third.is_capturing
        step[ONE, other](words.buffer[4:], 1, 2)
        step[ONE, third](words.buffer[8:], 1, 3)
        stream.wait(other)
        stream.wait(third)
        step[ONE](words.buffer[12:], 1, 4)
    assert not other.is_capturing
    a, b, c, d = graph.nodes
    assert {(e.source, e.target) for e in graph.edges} >= {(a, b), (a, c), (b, d), (c, d)}
    assert (b, c) not in {(e.source, e.target) for e in graph.edges}
    run(graph, stream)
    assert [words[i] for i in range(4)] == [1, 2, 3, 4]


def test_nodes_are_added_in_the_order_of_a_captured_stream(device: Any, stream: Any, words: Words, step: Any) -> None:
    said: list[int] = []
    with stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
        call = graph.add_call(said.append, 1)
        condition = graph.create_condition(1)
        loop = graph.while_(condition)
        loop.body.add_kernel(kernels()["below"], ONE, words.buffer, condition, 6)
        apart = graph.add_empty(after=())
        step[ONE](words.buffer, 10, 0)
    first, *_, last = graph.nodes
    assert call.predecessors == (first,) and loop.predecessors == (call,) and last.predecessors == (loop,)
    assert apart.predecessors == apart.successors == ()
    run(graph, stream)
    assert words[0] == 60 and said == [1]


def test_capture_into_a_graph_and_into_a_body(device: Any, stream: Any, words: Words, step: Any) -> None:
    graph = cu.Graph(device)
    first = graph.add_kernel(step, ONE, words.buffer, 1, 3)
    with stream.capture(graph=graph, after=first) as same:
        step[ONE](words.buffer, 10, 0)
    assert same is graph and graph.nodes[1].predecessors == (first,)
    branch = graph.if_(graph.create_condition(1), after=graph.nodes[1])
    with stream.capture(graph=branch.body):
        step[ONE](words.buffer, 1, 4)
    run(graph, stream)
    assert words[0] == 34
    with pytest.raises(KeyError), stream.capture(graph=graph):
        raise KeyError
    assert not graph.is_closed and len(graph) == 3  # it was the program's own
    with pytest.raises(TypeError, match="goes with"), stream.capture(after=first):
        pass
    with pytest.raises(TypeError, match="a Graph is wanted"), stream.capture(graph=3):
        pass


def test_a_launch_of_an_executable_is_captured_as_a_child(device: Any, stream: Any, words: Words, step: Any) -> None:
    with stream.capture() as graph:
        step[ONE](words.buffer, 3, 1)
    executable = graph.instantiate()
    with stream.capture() as outer:
        executable.launch()
        executable.launch(stream)
    assert kinds(outer) == ["graph", "graph"] and kinds(outer.nodes[0].child) == ["kernel"]
    executable.close()
    graph.close()
    run(outer, stream)
    assert words[0] == 4


def test_captured_nodes_tell_what_they_do_and_can_be_changed(device: Any, stream: Any, words: Words, step: Any) -> None:
    event = device.event()
    with stream.capture() as graph:
        words.buffer[:4].fill(1, stream=stream)
        step[cu.LaunchConfig((2, 1), 1)](words.buffer[4:], 1, 1)
        words.buffer[8:12].copy_from(words.buffer[:4], stream=stream)
        stream.record(event)
    fill, kernel, copy = graph.nodes
    assert (fill.work.width * fill.work.element, fill.work.dst.pointer) == (4, words.buffer.pointer)
    assert kernel.work.kernel.name == "step" and kernel.work.config.grid == (2, 1, 1)
    assert copy.work.extent[0] == 4 and copy.work.src.pointer == words.buffer.pointer
    with pytest.raises(ValueError, match=r"arguments of step are not known"):
        kernel.update(config=ONE)
    kernel.update(words.buffer[4:], 0, 9, config=ONE)
    fill.update(value=2)
    executable = run(graph, stream)
    assert (words[0], words[1]) == (0x02020202, 9)
    executable[kernel].update(words.buffer[4:], 0, 11)
    executable.launch(stream)
    stream.sync()
    assert words[1] == 11
    gone = weakref.ref(graph._handle)
    del graph, fill, kernel, copy, executable
    gc.collect()
    assert gone() is None


# ---- memory


def test_memory_allocated_in_a_capture_is_the_graphs(device: Any, stream: Any, words: Words, step: Any) -> None:
    with stream.capture() as graph:
        buffer = device.allocate(4, stream)
        buffer.fill(0, stream=stream)
        step[ONE](buffer, 1, 5)
        words.buffer[:4].copy_from(buffer, stream=stream)
        buffer.close()
    assert kinds(graph) == ["allocate", "fill", "kernel", "copy", "free"]
    run(graph, stream, 3)
    assert words[0] == 5


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_such_memory_that_is_dropped_later_stays_the_graphs(device: Any, stream: Any, words: Words, step: Any) -> None:
    with stream.capture() as graph:
        buffer = device.allocate(4, stream)
        buffer.fill(3, stream=stream)
        words.buffer[:4].copy_from(buffer, stream=stream)
    pointer = buffer.pointer
    del buffer
    gc.collect()
    with stream.capture() as other:
        gc.collect()
    assert kinds(graph) == ["allocate", "fill", "copy"] and kinds(other) == []
    run(graph, stream, 2, auto_free=True)
    assert words[0] == 0x03030303
    other.add_free(pointer)
    run(other, stream)
    assert cu.GraphMemoryResource(device).statistics.used == 0


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_memory_that_is_dropped_in_a_capture_is_freed_after_it(
    device: Any, stream: Any, words: Words, step: Any
) -> None:
    """The garbage collector may drop anything at any time: neither the graph nor the capture notices."""
    buffers = [device.allocate(100, stream) for _ in range(5)]
    sync, host = cu.SyncResource(device).allocate(100), cu.PinnedResource(device).allocate(100)
    stream.sync()
    used = device.pool.statistics.used if hasattr(device.pool, "statistics") else None
    with stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
        del buffers, sync, host
        gc.collect()
        step[ONE](words.buffer, 1, 1)
    assert kinds(graph) == ["kernel", "kernel"]
    run(graph, stream)
    assert words[0] == 2
    if used is not None:
        assert device.pool.statistics.used < used


def test_complaint_18_captured_arguments_live_as_long_as_the_graph(
    device: Any, stream: Any, words: Words, step: Any
) -> None:
    buffer = device.allocate(4, stream)
    gone, pointer = weakref.ref(buffer), buffer.pointer
    array = cu.as_array(device.allocate(4, stream))
    with stream.capture() as graph:
        buffer.fill(1, stream=stream)
        step[ONE](buffer, 1, 1)
        words.buffer[:4].copy_from(buffer, stream=stream)
        step[ONE](array, 0, 77)
        bound = step.bind(stream, ONE, array, 1, 1)
        bound()
        words.buffer[4:8].copy_from(array, stream=stream)
    del buffer, array, bound
    gc.collect()
    assert gone() is not None
    others = [device.allocate(4, stream) for _ in range(4)]
    assert pointer not in [o.pointer for o in others]
    executable = graph.instantiate()
    graph.close()
    del graph
    gc.collect()
    executable.launch(stream)
    stream.sync()
    assert (words[0], words[1]) == (0x01010102, 78)
    executable.close()
    waiting = threading.Event()
    for _ in range(500):
        _native.things_in_graphs()
        _native.copies_under_way()
        gc.collect()
        if gone() is None:
            break
        waiting.wait(0.01)
    assert gone() is None


# ---- failures


def after_a_failure(stream: Any, words: Words, step: Any) -> None:
    """Everything works as before."""
    assert not stream.is_capturing
    words.set(0)
    with stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
    run(graph, stream)
    assert words[0] == 1
    step[ONE, stream](words.buffer, 1, 1)
    stream.sync()
    assert words[0] == 2


def test_complaint_45_a_body_that_raises_ends_the_capture(device: Any, stream: Any, words: Words, step: Any) -> None:
    graphs = []
    for _ in range(3):
        with pytest.raises(KeyError), stream.capture() as graph:
            graphs.append(graph)
            step[ONE](words.buffer, 1, 1)
            graph.add_call(print, "half")
            device.allocate(16, stream)
            raise KeyError
    assert all(graph.is_closed for graph in graphs)
    with pytest.raises(cu.ClosedError, match="this Graph is closed"):
        graphs[0].instantiate()
    del graphs, graph
    gc.collect()
    after_a_failure(stream, words, step)


def sync(stream: Any, other: Any) -> None:
    stream.sync()


def ask(stream: Any, other: Any) -> None:
    stream.done  # noqa: B018


def sync_device(stream: Any, other: Any) -> None:
    stream.device.sync()


def wait_for_event(stream: Any, other: Any) -> None:
    stream.record().sync()


def wait_for_outside(stream: Any, other: Any) -> None:
    stream.wait(other.record())


def call(stream: Any, other: Any) -> None:
    stream.call(print)


def allocate(stream: Any, other: Any) -> None:
    cu.SyncResource(stream.device).allocate(100)


@pytest.mark.parametrize("body", [sync, ask, sync_device, wait_for_event, wait_for_outside, call, allocate])
def test_complaint_45_calls_that_cannot_be_captured(
    device: Any, stream: Any, words: Words, step: Any, body: Any
) -> None:
    other = device.stream()
    step[ONE, other](words.buffer, 1, 0)
    with pytest.raises(cu.StreamCaptureError) as caught, stream.capture():
        step[ONE](words.buffer, 1, 1)
        body(stream, other)
    assert caught.value.__notes__ and "capture" in str(caught.value)
    # where the error is swallowed the end tells
    with pytest.raises(cu.StreamCaptureError, match="made the capture invalid") as caught, stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
        with pytest.raises(cu.StreamCaptureError):
            body(stream, other)
    assert graph.is_closed and "INVALIDATED" in str(caught.value)
    after_a_failure(stream, words, step)


def test_a_stream_that_was_not_joined_is_named(device: Any, stream: Any, words: Words, step: Any) -> None:
    other = device.stream()
    with pytest.raises(cu.StreamCaptureError, match=r"not joined.*stream\.wait"), stream.capture():
        other.wait(stream)
        step[ONE, other](words.buffer, 1, 1)
    assert not other.is_capturing
    after_a_failure(other, words, step)
    after_a_failure(stream, words, step)


def test_captures_that_cannot_begin(device: Any, stream: Any, words: Words, step: Any) -> None:
    before = _native.things_in_graphs()
    with pytest.raises(cu.StreamCaptureError, match="legacy default stream"), device.default_stream.capture():
        pass
    with pytest.raises(ValueError, match="global, thread_local, relaxed"), stream.capture("all"):
        pass
    with stream.capture() as graph:
        with pytest.raises(cu.StreamCaptureError, match="captured already"), stream.capture():
            pass
        with pytest.raises(cu.IllegalStateError, match="already"), device.stream().capture(graph=graph):
            pass
        step[ONE](words.buffer, 1, 1)
    assert kinds(graph) == ["kernel"]
    closed = device.stream()
    closed.close()
    with pytest.raises(cu.ClosedError), closed.capture():
        pass
    assert _native.things_in_graphs() <= before + 1
    after_a_failure(stream, words, step)


def test_captures_of_two_streams_are_apart(device: Any, stream: Any, words: Words, step: Any) -> None:
    other = device.stream()
    with stream.capture() as one, other.capture() as two:
        step[ONE](words.buffer, 1, 1)
        step[ONE, stream](words.buffer, 1, 10)
        step[ONE](words.buffer, 1, 1)
    assert (len(one), len(two)) == (1, 2)
    with pytest.raises(cu.StreamCaptureError, match="MERGE"), stream.capture(), other.capture():
        stream.wait(other)
    after_a_failure(stream, words, step)
    after_a_failure(other, words, step)


def test_an_unfinished_graph_cannot_be_used(device: Any, stream: Any, words: Words, step: Any) -> None:
    with stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
        with pytest.raises(cu.IllegalStateError, match="after the capture"):
            graph.instantiate()
        with pytest.raises(ValueError, match="end the capture"):
            graph.close()
    run(graph, stream)
    assert words[0] == 1


def test_modes_and_other_threads(device: Any, stream: Any, words: Words, step: Any) -> None:
    """In mode global a call of another thread can make the capture invalid, in the others it cannot."""
    for mode, is_valid in (("global", False), ("thread_local", True), ("relaxed", True)):
        errors: list[BaseException] = []

        def allocate(errors: list[BaseException] = errors) -> None:
            with device:
                try:
                    driver.cuMemFree(driver.cuMemAlloc(16))
                except cu.CudaError as error:
                    errors.append(error)

        def capture(mode: str = mode, allocate: Any = allocate) -> Any:
            with stream.capture(mode) as graph:
                step[ONE](words.buffer, 1, 1)
                thread = threading.Thread(target=allocate)
                thread.start()
                thread.join()
            return graph

        if is_valid:
            assert kinds(capture()) == ["kernel"] and not errors
        else:
            with pytest.raises(cu.StreamCaptureError, match="in any other"):
                capture()
            assert errors
    after_a_failure(stream, words, step)


def test_threads_capture_streams_of_their_own(device: Any, step: Any) -> None:
    results: list[int] = []
    ready = [(device.stream(), i) for i in range(8)]
    places = [Words(device, stream) for stream, _ in ready]

    def work(i: int) -> None:
        stream, words = ready[i][0], places[i]
        for _ in range(5):
            with stream.capture("thread_local") as graph:
                for _ in range(3):
                    step[ONE](words.buffer, 1, i)
            run(graph, stream)
        results.append(words[0])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [15 * i for i in range(8)]


def test_a_stream_closed_in_its_capture(device: Any, words: Words, step: Any) -> None:
    stream = device.stream()
    with warnings.catch_warnings(), pytest.raises(cu.CudaError), stream.capture() as graph:
        step[ONE](words.buffer, 1, 1)
        stream.close()
    assert graph.is_closed
    after_a_failure(device.stream(), words, step)


def test_numpy_arrays_are_read_and_written_by_launches(device: Any, stream: Any) -> None:
    """Pageable memory of the host in a captured copy is used when the graph runs, and kept."""
    buffer = device.allocate(16, stream)
    source, target = np.arange(4, dtype=np.uint32), np.zeros(4, np.uint32)
    with stream.capture() as graph:
        buffer.copy_from(source, stream=stream)
        buffer.copy_to(target, stream=stream)
    source += 10
    run(graph, stream)
    assert list(target) == [10, 11, 12, 13]
