"""Conditional nodes of graphs: if, else, while and switch, also inside each other."""

from __future__ import annotations

from typing import Any

import pytest

import cuda_unified as cu
from tests.unified.graph_tools import ONE, Words, kernels, run

# ---- conditions


@pytest.mark.parametrize(("value", "expected"), [(0, (0, 0)), (1, (1, 0)), (5, (1, 0))])
def test_if(stream: Any, graph: Any, words: Words, step: Any, value: int, expected: tuple[int, int]) -> None:
    condition = graph.create_condition(default=0)
    set_ = graph.add_kernel(kernels()["choose"], ONE, condition, value)
    node = graph.if_(condition, after=set_)
    assert node.kind == "conditional" and len(node.bodies) == 1 and node.body == node.bodies[0]
    node.body.add_kernel(step, ONE, words.buffer, 1, 1)
    run(graph, stream)
    assert (words[0], words[1]) == expected


@pytest.mark.parametrize(("default", "expected"), [(0, 200), (1, 100)])
def test_if_else_and_defaults(stream: Any, graph: Any, words: Words, step: Any, default: int, expected: int) -> None:
    node = graph.if_else(graph.create_condition(default))
    node.body.add_kernel(step, ONE, words.buffer, 1, 100)
    node.otherwise.add_kernel(step, ONE, words.buffer, 1, 200)
    run(graph, stream, 2)
    assert words[0] == 2 * expected
    with pytest.raises(AttributeError, match="if_else"):
        graph.if_(graph.create_condition(0)).otherwise  # noqa: B018


def test_while(stream: Any, graph: Any, words: Words, step: Any) -> None:
    condition = graph.create_condition(default=1)
    loop = graph.while_(condition)
    count = loop.body.add_kernel(kernels()["below"], ONE, words.buffer, condition, 5)
    loop.body.add_kernel(step, ONE, words.buffer[4:], 1, 2, after=count)
    graph.add_copy(words.buffer[8:12], words.buffer[:4], after=loop)
    run(graph, stream)
    assert [words[i] for i in range(3)] == [5, 10, 5]


@pytest.mark.parametrize("value", range(4))
def test_switch(stream: Any, graph: Any, words: Words, step: Any, value: int) -> None:
    node = graph.switch(graph.create_condition(value), 3)
    for i, body in enumerate(node.bodies):
        body.add_kernel(step, ONE, words.buffer, 1, 10 * (i + 1))
    run(graph, stream)
    assert words[0] == (10, 20, 30, 0)[value]


def test_conditions_inside_conditions_and_children(
    device: Any, stream: Any, graph: Any, words: Words, step: Any
) -> None:
    outer = graph.if_(graph.create_condition(1))
    inner = outer.body.if_(graph.create_condition(1))
    child = cu.Graph(device)
    child.add_kernel(step, ONE, words.buffer, 1, 3)
    inner.body.add_child(child)
    run(graph, stream)
    assert words[0] == 3
