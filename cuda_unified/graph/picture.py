"""Pictures of graphs: drawn by Graphviz where it is installed, else as an SVG by ourselves.

Our own are in layers: a node is below all that it waits for, and in its layer near the middle of them.
"""

from __future__ import annotations

import shutil
import subprocess
from html import escape
from itertools import pairwise
from pathlib import Path

from .._records import dataclass, field
from .dot import Box, Drawing, dot_of, drawing_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .definition import Graph

CHARACTER, LINE, PAD, GAP_X, GAP_Y = 7.4, 17, 10, 28, 42


def render(graph: Graph, path: str | Path) -> None:
    """Writes a picture of the graph, its format by the suffix of the path."""
    target = Path(path)
    suffix = target.suffix.lower().lstrip(".")
    if not suffix:
        raise ValueError(f"render(): {str(path)!r} has no suffix: which format is wanted?")
    dot = shutil.which("dot")
    if dot:
        # the path is absolute: it is never taken for an option
        command = [dot, f"-T{suffix}", "-o", str(target.absolute())]
        done = subprocess.run(command, input=dot_of(graph).encode(), capture_output=True, check=False)
        if done.returncode:
            raise ValueError(f"render(): Graphviz could not write {str(path)!r}: {done.stderr.decode().strip()}")
    elif suffix == "svg":
        target.write_text(svg_of(graph))
    else:
        raise ValueError(
            f"render(): a .{suffix} needs Graphviz, whose 'dot' was not found: install it, or render an .svg"
        )


def svg_of(graph: Graph) -> str:
    """The picture as SVG, without Graphviz."""
    shape = _Layout(drawing_of(graph))
    width, height = shape.width + 2 * PAD, shape.height + 2 * PAD
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="13">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#444"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    shape.draw(PAD, PAD, lines)
    return "\n".join([*lines, "</svg>", ""])


@dataclass
class _Item:
    """A box, or a bend of an edge that passes a layer (`box` is None), with its place."""

    box: Box | None
    layer: int
    parts: list[tuple[str, _Layout]] = field(default_factory=list)
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0
    text_height: float = 0
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)

    def measure(self) -> None:
        """Its size: the text, and beneath it the graphs inside, side by side."""
        if self.box is None:
            return
        lines = self.box.text.split("\n")
        self.text_height = LINE * len(lines) + 2 * PAD - 4
        self.width = CHARACTER * max(map(len, lines)) + 2 * PAD
        self.height = self.text_height
        if self.parts:
            inside = sum(max(part.width, CHARACTER * len(title)) + 2 * PAD for title, part in self.parts)
            self.width = max(self.width, inside + PAD * (len(self.parts) + 1))
            self.height += max(part.height for _, part in self.parts) + LINE + 3 * PAD


class _Layout:
    """Where the boxes of a drawing go."""

    def __init__(self, drawing: Drawing) -> None:
        self.layers: list[list[int]] = []
        self.items: list[_Item] = []
        self.routes: list[tuple[list[int], bool]] = []
        self._place_in_layers(drawing)
        for item in self.items:
            item.measure()
        for _ in range(4):
            self._order(down=True)
            self._order(down=False)
        self._place()

    def _place_in_layers(self, drawing: Drawing) -> None:
        layers = _layers(drawing)
        self.layers = [[] for _ in range(max(layers, default=-1) + 1)]
        for box, layer in zip(drawing.boxes, layers, strict=True):
            self._add(_Item(box, layer, [(title, _Layout(part)) for title, part in box.parts]))
        for source, target, programmatic in drawing.edges:
            route = [source]
            for layer in range(layers[source] + 1, layers[target]):
                route.append(self._add(_Item(None, layer)))
            route.append(target)
            for a, b in pairwise(route):
                self.items[a].below.append(b)
                self.items[b].above.append(a)
            self.routes.append((route, programmatic))

    def _add(self, item: _Item) -> int:
        self.items.append(item)
        self.layers[item.layer].append(len(self.items) - 1)
        return len(self.items) - 1

    def _order(self, *, down: bool) -> None:
        """Sorts each layer by the middle of the neighbours in the layer before."""
        for layer in self.layers if down else reversed(self.layers):
            rank = {i: place for some in self.layers for place, i in enumerate(some)}

            def middle(i: int, rank: dict[int, int] = rank) -> float:
                near = self.items[i].above if down else self.items[i].below
                return sum(rank[k] for k in near) / len(near) if near else rank[i]

            layer.sort(key=middle)

    def _place(self) -> None:
        widths = [sum(self.items[i].width for i in layer) + GAP_X * max(0, len(layer) - 1) for layer in self.layers]
        self.width, y = max(widths, default=0), 0.0
        for layer, width in zip(self.layers, widths, strict=True):
            tallest = max(self.items[i].height for i in layer)
            x = (self.width - width) / 2
            for i in layer:
                item = self.items[i]
                item.height = item.height if item.box else tallest  # edges pass a layer straight
                item.x, item.y = x, y + (tallest - item.height) / 2
                x += item.width + GAP_X
            y += tallest + GAP_Y
        self.height = max(0.0, y - GAP_Y)

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def draw(self, x: float, y: float, lines: list[str]) -> None:
        """Adds the elements of the picture."""
        for route, programmatic in self.routes:
            lines.append(self._edge(route, programmatic, x, y))
        for item in self.items:
            if item.box is not None:
                _draw_box(item, item.box, x + item.x, y + item.y, lines)

    def _edge(self, route: list[int], programmatic: bool, x: float, y: float) -> str:
        items = [self.items[i] for i in route]
        points = [(items[0].x + items[0].width / 2, items[0].y + items[0].height)]
        for item in items[1:-1]:
            points += [(item.x, item.y), (item.x, item.y + item.height)]
        points.append((items[-1].x + items[-1].width / 2, items[-1].y))
        path = f"M{x + points[0][0]:.1f} {y + points[0][1]:.1f}"
        for (ax, ay), (bx, by) in pairwise(points):
            half = (by - ay) / 2
            path += f" C{x + ax:.1f} {y + ay + half:.1f} {x + bx:.1f} {y + by - half:.1f} {x + bx:.1f} {y + by:.1f}"
        dashes = ' stroke-dasharray="2 3"' if programmatic else ""
        return f'<path d="{path}" fill="none" stroke="#444"{dashes} marker-end="url(#arrow)"/>'


def _layers(drawing: Drawing) -> list[int]:
    """The layer of each box: one below the lowest that it waits for."""
    waiting = [0] * len(drawing.boxes)
    below: list[list[int]] = [[] for _ in drawing.boxes]
    for source, target, _ in drawing.edges:
        below[source].append(target)
        waiting[target] += 1
    layers = [0] * len(drawing.boxes)
    ready = [i for i, count in enumerate(waiting) if not count]
    while ready:
        i = ready.pop()
        for k in below[i]:
            layers[k] = max(layers[k], layers[i] + 1)
            waiting[k] -= 1
            if not waiting[k]:
                ready.append(k)
    return layers


def _draw_box(item: _Item, box: Box, x: float, y: float, lines: list[str]) -> None:
    lines.append(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" rx="5" fill="{box.color}" '
        f'stroke="#444"><title>{escape(box.kind)}</title></rect>'
    )
    for k, text in enumerate(box.text.split("\n")):
        middle, base = x + item.width / 2, y + PAD + LINE * (k + 1) - 7
        lines.append(f'<text x="{middle:.1f}" y="{base:.1f}" text-anchor="middle">{escape(text)}</text>')
    left, top = x + PAD, y + item.text_height
    for title, part in item.parts:
        width = max(part.width, CHARACTER * len(title)) + 2 * PAD
        height = item.height - item.text_height - PAD
        lines.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" fill="white" '
            'fill-opacity="0.7" stroke="#888" stroke-dasharray="4 3"/>'
        )
        lines.append(f'<text x="{left + PAD:.1f}" y="{top + LINE - 2:.1f}" fill="#555">{escape(title)}</text>')
        part.draw(left + (width - part.width) / 2, top + LINE + PAD, lines)
        left += width + PAD
