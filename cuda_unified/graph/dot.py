"""Graphs as text in the DOT language, and what pictures are drawn from.

https://graphviz.org/doc/info/lang.html
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cubind import driver

from .._records import dataclass, field
from .work import ChildWork, ConditionalWork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .definition import Graph
    from .nodes import Node

COLORS = {
    "kernel": "#cfe3f7",
    "copy": "#d8efd3",
    "fill": "#e9f3c9",
    "call": "#f9dfc4",
    "graph": "#e2d9f3",
    "conditional": "#f7d4dd",
    "allocate": "#f5efc2",
    "free": "#f5efc2",
}
OTHER_COLOR = "#e8e8e8"


@dataclass
class Box:
    """A node as it is drawn: its text, and the graphs inside it with their titles."""

    name: str
    kind: str
    text: str
    parts: list[tuple[str, Drawing]] = field(default_factory=list)

    @property
    def color(self) -> str:
        """What it is filled with."""
        return COLORS.get(self.kind, OTHER_COLOR)


@dataclass
class Drawing:
    """The boxes of a graph in the order of its nodes; edges as (from, to, is_programmatic), indices of boxes."""

    boxes: list[Box]
    edges: list[tuple[int, int, bool]]


def drawing_of(graph: Graph, prefix: str = "n") -> Drawing:
    """What there is to draw of a graph."""
    nodes = graph.nodes
    places = {node: i for i, node in enumerate(nodes)}
    boxes = []
    for i, node in enumerate(nodes):
        name = f"{prefix}{i}"
        parts = [(title, drawing_of(part, f"{name}_{k}_")) for k, (title, part) in enumerate(_parts(node))]
        text = "\n".join(line if len(line) <= 48 else line[:47] + "…" for line in node.work.describe().split("\n"))
        boxes.append(Box(name, node.kind, text, parts))
    return Drawing(boxes, [(places[e.source], places[e.target], e.is_programmatic) for e in graph.edges])


def _parts(node: Node) -> list[tuple[str, Graph]]:
    work = node.work
    if isinstance(work, ChildWork):
        return [("child", node.child)]
    if not isinstance(work, ConditionalWork):
        return []
    titles = {"if": ["then"], "if_else": ["then", "else"], "while": ["body"]}.get(work.form)
    return list(zip(titles or [f"case {i}" for i in range(work.count)], node.bodies, strict=False))


def quoted(text: str) -> str:
    """A string of the DOT language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dot_of(graph: Graph) -> str:
    """The graph in the DOT language."""
    lines = ["digraph graph_ {", "  compound=true;", '  node [shape=box, style=filled, fontname="Helvetica"];']
    lines += _body(drawing_of(graph), "  ")
    return "\n".join([*lines, "}", ""])


def _body(drawing: Drawing, indent: str) -> list[str]:
    lines = []
    for box in drawing.boxes:
        lines.append(f"{indent}{box.name} [label={quoted(box.text)}, fillcolor={quoted(box.color)}];")
        for k, (title, part) in enumerate(box.parts):
            lines.append(f"{indent}subgraph cluster_{box.name}_{k} {{")
            lines.append(f"{indent}  label={quoted(title)};")
            lines += _body(part, indent + "  ")
            lines.append(f"{indent}}}")
            if part.boxes:
                where = f"lhead=cluster_{box.name}_{k}, style=dashed, arrowhead=none"
                lines.append(f"{indent}{box.name} -> {part.boxes[0].name} [{where}];")
    for source, target, programmatic in drawing.edges:
        how = " [style=dotted]" if programmatic else ""
        lines.append(f"{indent}{drawing.boxes[source].name} -> {drawing.boxes[target].name}{how};")
    return lines


def driver_dot(graph: Graph) -> str:
    """What the driver writes about a graph, with all that it knows."""
    flag = driver.CUgraphDebugDot_flags.CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.dot")
        with graph.context:
            driver.cuGraphDebugDotPrint(graph.address, str(path), flag)
        return path.read_text()
