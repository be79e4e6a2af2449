"""cuda-core: graphs, captured and defined node by node."""

import numpy as np
import pytest
from cuda.core import LaunchConfig, Program, ProgramOptions, launch
from cuda.core.graph import GraphCompleteOptions, GraphDefinition

SOURCE = """
extern "C" __device__ void cudaGraphSetConditional(unsigned long long handle, unsigned int value);
extern "C" __global__ void add(int *p, int v) { atomicAdd(p, v); }
extern "C" __global__ void times(int *p, int v) { p[0] *= v; }
extern "C" __global__ void set(unsigned long long handle, unsigned int value) { cudaGraphSetConditional(handle, value); }
extern "C" __global__ void below(unsigned long long handle, int *p, int limit) {
    cudaGraphSetConditional(handle, p[0] < limit); }
"""
ONE = LaunchConfig(grid=1, block=1)


@pytest.fixture
def kernel(device):
    code = Program(SOURCE, "c++", ProgramOptions(std="c++17", arch=f"sm_{device.arch}")).compile("ptx")
    return code.get_kernel


@pytest.fixture
def number(arrays):
    return arrays.pinned(1, np.int32)


def run(graph, stream):
    graph.launch(stream)
    stream.sync()


def test_captured_launches_run_when_the_graph_does(stream, kernel, number, arrays):
    p = arrays.address(number)
    builder = stream.create_graph_builder().begin_building()
    launch(builder, ONE, kernel("add"), p, np.int32(3))
    launch(builder, ONE, kernel("times"), p, np.int32(2))
    graph = builder.end_building().complete()
    stream.sync()
    assert number[0] == 0
    run(graph, stream)
    assert number[0] == 6
    run(graph, stream)
    assert number[0] == 18


def test_builders_split_and_join(device, kernel, number, arrays):
    p = arrays.address(number)
    builder = device.create_graph_builder().begin_building()
    launch(builder, ONE, kernel("add"), p, np.int32(1))
    left, right, last = builder.split(3)
    for branch, value in ((left, 10), (right, 100), (last, 1000)):
        launch(branch, ONE, kernel("add"), p, np.int32(value))
    joined = left.join(left, right, last)
    launch(joined, ONE, kernel("times"), p, np.int32(2))
    graph = joined.end_building().complete()
    stream = device.create_stream()
    run(graph, stream)
    assert number[0] == 2222


@pytest.mark.parametrize("value, expected", [(0, 1), (1, 11)])
def test_a_body_runs_if(device, stream, kernel, number, arrays, value, expected):
    p = arrays.address(number)
    builder = device.create_graph_builder().begin_building()
    launch(builder, ONE, kernel("add"), p, np.int32(1))
    condition = builder.create_condition()
    launch(builder, ONE, kernel("set"), condition.handle, np.uint32(value))
    body = builder.if_then(condition).begin_building()
    launch(body, ONE, kernel("add"), p, np.int32(10))
    body.end_building()
    run(builder.end_building().complete(), stream)
    assert number[0] == expected


@pytest.mark.parametrize("value, expected", [(0, 100), (1, 10)])
def test_one_of_two_bodies_runs(device, stream, kernel, number, arrays, value, expected):
    p = arrays.address(number)
    builder = device.create_graph_builder().begin_building()
    condition = builder.create_condition(default_value=value)
    launch(builder, ONE, kernel("add"), p, np.int32(0))
    for body, amount in zip(builder.if_else(condition), (10, 100), strict=True):
        body.begin_building()
        launch(body, ONE, kernel("add"), p, np.int32(amount))
        body.end_building()
    run(builder.end_building().complete(), stream)
    assert number[0] == expected


@pytest.mark.parametrize("case", range(4))
def test_a_switch_runs_one_case(device, stream, kernel, number, arrays, case):
    p = arrays.address(number)
    builder = device.create_graph_builder().begin_building()
    condition = builder.create_condition(default_value=case)
    for index, body in enumerate(builder.switch(condition, 3)):
        body.begin_building()
        launch(body, ONE, kernel("add"), p, np.int32(5 + index))
        body.end_building()
    run(builder.end_building().complete(), stream)
    assert number[0] == (5 + case if case < 3 else 0)


def test_a_loop_runs_while_the_kernel_says(device, stream, kernel, number, arrays):
    p = arrays.address(number)
    builder = device.create_graph_builder().begin_building()
    condition = builder.create_condition(default_value=1)
    body = builder.while_loop(condition).begin_building()
    launch(body, ONE, kernel("add"), p, np.int32(7))
    launch(body, ONE, kernel("below"), condition.handle, p, np.int32(100))
    body.end_building()
    run(builder.end_building().complete(), stream)
    assert number[0] == 105


def test_a_graph_in_a_graph_and_a_call_of_the_host(device, stream, kernel, number, arrays):
    p = arrays.address(number)
    child = device.create_graph_builder().begin_building()
    launch(child, ONE, kernel("add"), p, np.int32(4))
    child.end_building()
    seen = []
    builder = device.create_graph_builder().begin_building()
    builder.embed(child)
    builder.callback(lambda: seen.append(int(number[0])))
    launch(builder, ONE, kernel("times"), p, np.int32(3))
    run(builder.end_building().complete(), stream)
    assert (seen, number[0]) == ([4], 12)


def test_an_executable_graph_takes_another_graphs_arguments(device, stream, kernel, number, arrays):
    def building(value):
        builder = device.create_graph_builder().begin_building()
        launch(builder, ONE, kernel("add"), arrays.address(number), np.int32(value))
        return builder.end_building()

    graph = building(1).complete(GraphCompleteOptions(upload_stream=stream))
    run(graph, stream)
    graph.update(building(50))
    run(graph, stream)
    assert number[0] == 51


def test_nodes_one_by_one(device, stream, kernel, number, arrays, tmp_path):
    host = arrays.pinned(64, np.int32)
    definition = GraphDefinition()
    memory = definition.allocate(256)
    filled = memory.memset(memory.dptr, np.uint8(1), 256)
    added = filled.launch(ONE, kernel("add"), memory.dptr, np.int32(5))
    copied = added.memcpy(arrays.address(host), memory.dptr, 256)
    freed = copied.deallocate(memory.dptr)
    event = device.create_event()
    freed.record(event)
    seen = []
    freed.callback(lambda: seen.append(1))
    assert len(definition.nodes()) == 7
    assert (filled, added) in definition.edges()
    assert set(copied.pred) == {added}
    run(definition.instantiate(), stream)
    assert host[0] == 0x01010101 + 5
    assert (host[1:] == 0x01010101).all()
    assert event.is_done
    assert seen == [1]
    definition.debug_dot_print(str(tmp_path / "graph.dot"))
    assert "digraph" in (tmp_path / "graph.dot").read_text()


def test_a_loop_defined_node_by_node(stream, kernel, number, arrays):
    p = arrays.address(number)
    definition = GraphDefinition()
    condition = definition.create_condition(default_value=1)
    loop = definition.launch(ONE, kernel("add"), p, np.int32(1)).while_loop(condition)
    loop.body.launch(ONE, kernel("times"), p, np.int32(2)).launch(
        ONE, kernel("below"), condition.handle, p, np.int32(1000)
    )
    run(definition.instantiate(), stream)
    assert number[0] == 1024


def test_a_node_of_an_executable_graph_is_changed_and_disabled(stream, kernel, number, arrays):
    p = arrays.address(number)
    definition = GraphDefinition()
    node = definition.launch(ONE, kernel("add"), p, np.int32(1))
    graph = definition.instantiate()
    graph[node].update(config=ONE, kernel=kernel("add"), args=(p, np.int32(30)))
    run(graph, stream)
    assert number[0] == 30
    graph[node].disable()
    run(graph, stream)
    assert number[0] == 30
    graph[node].enable()
    run(graph, stream)
    assert number[0] == 60
