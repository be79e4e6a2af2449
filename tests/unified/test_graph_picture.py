"""Graphs as text and pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.graph_tools import ONE, kernels

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def graph(device: Any) -> Any:
    """Copy and fill, two kernels behind both, a loop around one more, a child, and a call with a strange name."""
    stream = device.stream()
    step, below = kernels()["step"], kernels()["below"]
    buffer = device.allocate(16, stream)
    graph = cu.Graph(device)
    copy = graph.add_copy(buffer, np.zeros(4, np.uint32))
    fill = graph.add_fill(buffer, 1)
    work = [graph.add_kernel(step, ONE, buffer, 1, 1, after=[copy, fill]) for _ in range(2)]
    condition = graph.create_condition(1)
    loop = graph.while_(condition, after=work)
    loop.body.add_kernel(below, ONE, buffer, condition, 3)
    choice = graph.if_else(graph.create_condition(0), after=loop)
    choice.body.add_empty()
    child = cu.Graph(device)
    child.add_empty(child.add_empty())
    graph.add_child(child, after=copy)

    def named() -> None: ...

    named.__name__ = 'a "call" <of> \\ many & long words that do not end before the picture has'
    graph.add_call(named, after=choice)
    return graph


def parsed(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The nodes with their labels, and the edges, of what this layer writes."""
    assert text.count("{") == text.count("}") and text.startswith("digraph")
    labels = dict(re.findall(r'^\s*(\w+) \[label="((?:[^"\\]|\\.)*)"', text, re.M))
    return labels, re.findall(r"^\s*(\w+) -> (\w+)(?: \[style=dotted\])?;", text, re.M)


def test_dot_has_every_node_and_edge(graph: Any) -> None:
    labels, edges = parsed(graph.to_dot())
    top = {name: label for name, label in labels.items() if "_" not in name}
    assert len(top) == len(graph.nodes)
    for i, node in enumerate(graph.nodes):
        assert top[f"n{i}"].replace("\\n", "\n").startswith(node.work.describe()[:7])
    places = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
    assert {(places[e.source], places[e.target]) for e in graph.edges} == {e for e in edges if e[0] in top}
    assert sum(name.count("_") == 2 for name in labels) == 4  # in the loop, the choice and the child
    assert {"below\\n<1, 1>"} == {label for label in labels.values() if "below" in label}
    assert r"call a \"call\" <of> \\ many" in graph.to_dot()
    assert graph.to_dot().count("subgraph") == 4


def test_the_drivers_dot(graph: Any) -> None:
    text = graph.to_dot(verbose=True)
    assert text.startswith("digraph") and text.count("->") >= len(graph.edges) and "step" in text


def test_the_picture_has_all_and_nothing_overlaps(graph: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    path = tmp_path / "graph.svg"
    graph.render(path)
    root = ElementTree.parse(path).getroot()
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    boxes = [box for box in root.iter(f"{SVG}rect") if box.find(f"{SVG}title") is not None]
    kinds = [box.find(f"{SVG}title").text for box in boxes]
    assert sorted(kinds) == sorted([*(node.kind for node in graph.nodes), "kernel", "empty", "empty", "empty"])
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert texts.count("step") == 2 and texts.count("below") == 1 and "body" in texts and "else" in texts
    assert any(text.startswith('call a "call" <of> \\ many & ') and text.endswith("…") for text in texts)
    places = [tuple(float(box.get(name)) for name in ("x", "y", "width", "height")) for box in boxes]
    for i, (x, y, w, h) in enumerate(places):
        assert min(x, y) >= 0 and x + w <= width and y + h <= height
        for u, v, s, t in places[:i]:
            apart = x + w <= u or u + s <= x or y + h <= v or v + t <= y
            inside = (u <= x and v <= y and x + w <= u + s and y + h <= v + t) or (
                x <= u and y <= v and u + s <= x + w and v + t <= y + h
            )
            assert apart or inside
    arrows = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
    inner = sum(len(part.edges) for node in graph.nodes if node.kind == "graph" for part in [node.child])
    assert len(arrows) == len(graph.edges) + inner
    assert graph._repr_svg_() == path.read_text()


def test_an_edge_goes_down(graph: Any) -> None:
    """Whoever waits is below what it waits for."""
    for path in re.findall(r'<path d="([^"]*)" fill="none"', graph._repr_svg_()):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
        assert numbers[1] < numbers[-1]


def test_an_empty_graph_is_a_picture_too(device: Any, tmp_path: Path) -> None:
    graph = cu.Graph(device)
    assert ElementTree.fromstring(graph._repr_svg_()).tag == f"{SVG}svg"
    assert parsed(graph.to_dot()) == ({}, [])


def test_formats(graph: Any, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(ValueError, match="no suffix"):
        graph.render(tmp_path / "graph")
    if shutil.which("dot"):
        graph.render(tmp_path / "graph.png")
        assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match=r"\.png needs Graphviz"):
        graph.render(tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()


def test_graphviz_is_used_where_it_is(graph: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A program in its place shows what it is asked."""
    tool = tmp_path / "dot"
    tool.write_text('#!/bin/sh\necho "$1 $2 $(basename "$3")" > "$3"\ncat >> "$3"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(tool))
    graph.render(str(tmp_path / "graph.pdf"))
    assert (tmp_path / "graph.pdf").read_text() == "-Tpdf -o graph.pdf\n" + graph.to_dot()
    tool.write_text("#!/bin/sh\necho no such format >&2\nexit 1\n")
    with pytest.raises(ValueError, match="no such format"):
        graph.render(tmp_path / "graph.xyz")
