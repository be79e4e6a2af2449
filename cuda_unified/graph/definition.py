"""Definitions of graphs: nodes and the order between them."""

from __future__ import annotations

from _thread import RLock
from _weakref import ref

from cubind import driver

from .. import _native
from .._light import later
from .._records import NamedTuple
from .building import Building
from .nodes import Entry, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from ..context import Context
    from ..device import Device
    from ..stream import Stream
    from . import memory_work as memory_works
    from . import work as works
    from .executable import GraphExec
    from .work import Failures, Work
else:
    memory_works = later(__package__, "memory_work")
    works = later(__package__, "work")


class Edge(NamedTuple):
    """`target` waits for `source`; where it is programmatic, only for what the source kernel says."""

    source: Node
    target: Node
    is_programmatic: bool = False


class Condition:
    """A value that kernels set and that conditional nodes ask for; `Graph.create_condition` makes one.

    As a kernel's argument it is its handle, of 64 bits: `cudaGraphSetConditional(handle, value)` sets it.  It belongs to
    its graph, and is of no use after it.
    """

    __slots__ = ("_graph", "_number", "default")
    default: int | None

    def __init__(self, graph: Graph, number: int, default: int | None) -> None:
        # weak: the graph keeps its kernels' arguments, which would keep the graph
        self._graph, self._number, self.default = ref(graph._handle), number, default

    def __index__(self) -> int:
        return self._number

    __int__ = __index__

    def __repr__(self) -> str:
        return f"<Condition {self._number:#x}, default {self.default}>"


class Graph(Building):
    """A graph's definition: nodes, and which waits for which.  `instantiate()` makes what is launched.

    device: where its kernels run; default: the current one.  `Stream.capture` makes a graph of what a stream is given;
    `add_...` add nodes one by one.  Everything that nodes refer to (buffers, modules, kernels, functions) lives as long as
    the graph, the executables made from it, and their launches; closing a Buffer explicitly is the program's business.

    The driver does not guard graphs: threads that share one must take turns in changing it.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__GRAPH.html
    """

    __slots__ = ("__weakref__", "_calls", "_capture", "_entries", "_handle", "_lock", "_root")
    _calls: list[Failures]
    _capture: Any
    _entries: dict[int, Entry]
    _lock: RLock
    _root: Any

    def __init__(self, device: Device | int | None = None) -> None:
        from ..device import Device

        context = (Device() if device is None else Device(device)).context
        with context:
            handle = _native.wrap_graph(int(driver.cuGraphCreate(0)), context, None)
        self._adopt(handle, None)

    def _adopt(self, handle: Any, whole: Graph | None) -> Graph:
        """A graph of a handle; a part shares with the whole what belongs to all of it."""
        self._handle, self._entries, self._capture = handle, {}, whole._capture if whole else None
        self._root = whole._root if whole else handle
        self._lock = whole._lock if whole else RLock()
        self._calls = whole._calls if whole else []
        return self

    def _part(self, address: int) -> Graph:
        part = Graph.__new__(Graph)
        return part._adopt(_native.wrap_graph(address, self.context, self._handle), self)

    @classmethod
    def from_handle(cls, handle: Any, *, device: Device | int | None = None) -> Graph:
        """A graph that owns `handle`, a `driver.CUgraph` or its address, from now on; TypeError: it is neither."""
        from ..device import Device

        if not isinstance(handle, driver.CUgraph | int) or isinstance(handle, bool) or not int(handle):
            raise TypeError(f"from_handle(): a driver.CUgraph or its address is wanted, not {handle!r}")
        context = (Device() if device is None else Device(device)).context
        graph = cls.__new__(cls)
        return graph._adopt(_native.wrap_graph(int(handle), context, None), None)

    @property
    def address(self) -> int:
        """The handle as an int."""
        address: int = self._handle.address
        return address

    @property
    def handle(self) -> driver.CUgraph:
        """The `driver.CUgraph`."""
        return driver.CUgraph(self.address)

    @property
    def context(self) -> Context:
        """The context that its nodes are for."""
        context: Context = self._handle.context
        return context

    @property
    def device(self) -> Device:
        """The device that its nodes are for."""
        return self.context.device

    @property
    def is_closed(self) -> bool:
        """Whether it, or the graph that it is a part of, was closed; a capture that failed closes its graph."""
        return bool(self._handle.is_closed)

    @property
    def is_capturing(self) -> bool:
        """Whether a stream is being captured into it now."""
        return self._capture is not None

    # ---- nodes and edges -----------------------------------------------------------------------------------------

    def _node(self, handle: Any) -> Node:
        """The Node of a handle; nodes that a stream captured become known here."""
        number = int(handle)
        entry = self._entries.get(number)
        if entry is None:
            entry = self._entries.setdefault(number, Entry(None))
        return Node(self, number, entry)

    def _of_this(self, node: Any) -> int:
        """The handle of a node that has to be of this graph."""
        if not isinstance(node, Node):
            raise TypeError(f"a Node is wanted, not {type(node).__name__}")
        address = node.address
        if node.graph._handle is not self._handle:
            raise ValueError("this node is of another graph")
        return address

    def _forget(self, handle: int) -> None:
        entry = self._entries.pop(handle)
        entry.work = entry.bodies = None
        if entry.kept is not None:
            _native.graph_release(self._root.address, entry.kept)

    def _add(self, work: Work, after: Node | Iterable[Node] | None) -> Node:
        """Adds a node; in a capture without `after`, where the stream is."""
        with self._lock:
            capture = self._capture if after is None and self._capture and self._capture.graph is self else None
            needs, data = capture.frontier() if capture else (self._handles(after), [])
            data = data or [driver.CUgraphEdgeData()] * len(needs)
            params = work.params(self.context)
            kept = works.kept_by_graph(self._root.address, work)
            try:
                with self.context:
                    handle = driver.cuGraphAddNode(self.address, needs, data, None, params)
            except BaseException:
                if kept is not None:
                    _native.graph_release(self._root.address, kept)
                raise
            work, bodies = self._added(work, params)
            self._entries[int(handle)] = Entry(work, kept, bodies)
            node = self._node(handle)
            if isinstance(work, works.KernelWork):
                self._set_attributes(node, work)
            if capture:
                capture.move(node)
        return node

    def _added(self, work: Work, params: Any) -> tuple[Work, tuple[Graph, ...] | None]:
        """The work with what the driver said about it."""
        from .ask import graphs_at

        if isinstance(work, memory_works.AllocateWork):
            return work.at(int(params.alloc.dptr)), None
        if isinstance(work, works.ConditionalWork):
            return work, tuple(self._part(body) for body in graphs_at(params.conditional))
        return work, None

    def _handles(self, after: Node | Iterable[Node] | None) -> list[int]:
        nodes = () if after is None else (after,) if isinstance(after, Node) else tuple(after)
        return [self._of_this(node) for node in nodes]

    def _set_attributes(self, node: Node, work: works.KernelWork) -> None:
        try:
            for attribute in work.attributes():
                driver.cuGraphKernelNodeSetAttribute(node.address, attribute.id, attribute.value)
        except BaseException:
            node.remove()
            raise

    def _update(self, node: Node, work: Work) -> None:
        before = node.work
        if isinstance(work, works.KernelWork) and isinstance(before, works.KernelWork):
            gone = dict(before.config._attributes).keys() - dict(work.config._attributes).keys()
            if gone:
                raise ValueError(
                    f"attributes of a node cannot be taken back: {', '.join(sorted(gone))}; add another node"
                )
        with self._lock:
            params, root = work.params(self.context), self._root.address
            kept = works.kept_by_graph(root, work)
            try:
                with self.context:
                    driver.cuGraphNodeSetParams(node.address, params)
                if isinstance(work, works.KernelWork):
                    for attribute in work.attributes():
                        driver.cuGraphKernelNodeSetAttribute(node.address, attribute.id, attribute.value)
            except BaseException:
                if kept is not None:
                    _native.graph_release(root, kept)
                raise
            entry = node._entry
            old, entry.work, entry.kept = entry.kept, work, kept
            if old is not None:
                _native.graph_release(root, old)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order in which they were added."""
        return tuple(map(self._node, driver.cuGraphGetNodes(self.address)))

    @property
    def roots(self) -> tuple[Node, ...]:
        """The nodes that wait for no other."""
        return tuple(map(self._node, driver.cuGraphGetRootNodes(self.address)))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges."""
        sources, targets, data = driver.cuGraphGetEdges(self.address)
        found = zip(sources, targets, data, strict=True)
        return tuple(Edge(self._node(a), self._node(b), bool(edge.type)) for a, b, edge in found)

    def __len__(self) -> int:
        return len(driver.cuGraphGetNodes(self.address))

    def __bool__(self) -> bool:
        return True

    # ---- the whole -----------------------------------------------------------------------------------------------

    def clone(self) -> Graph:
        """A copy, with all that the nodes refer to; nodes of the copy are in its `nodes`, in the same order."""
        with self._lock, self.context:
            handle = _native.wrap_graph(int(driver.cuGraphClone(self.address)), self.context, None)
            made = Graph.__new__(Graph)._adopt(handle, None)
            made._calls = list(self._calls)
            for number, entry in self._entries.items():
                if entry.work is not None and not entry.bodies:
                    copy = int(driver.cuGraphNodeFindInClone(number, made.address))
                    made._entries[copy] = Entry(entry.work)
        return made

    def instantiate(
        self,
        *,
        auto_free: bool = False,
        upload: Stream | Any = None,
        device_launch: bool = False,
        priorities: bool = False,
    ) -> GraphExec:
        """Makes what is launched of the graph as it is now.

        auto_free: memory that a launch allocated and nobody freed is freed by the next launch.  upload: a stream in which
        the graph is brought to the device.  device_launch: kernels may launch it.  priorities: the nodes' priorities
        count, not the stream's.

        Raises InvalidValueError for a graph that cannot be instantiated, with the reason and the node.
        """
        from .executable import instantiate

        return instantiate(self, auto_free=auto_free, upload=upload, device_launch=device_launch, priorities=priorities)

    def to_dot(self, *, verbose: bool = False) -> str:
        """The graph in the DOT language of Graphviz, conditional bodies and children as clusters.

        verbose: what the driver writes, with all parameters.
        """
        from .dot import dot_of, driver_dot

        return driver_dot(self) if verbose else dot_of(self)

    def render(self, path: str | Path) -> None:
        """Draws the graph into the file `path`: an .svg or, where Graphviz's `dot` is installed, what the suffix says.

        Raises ValueError for a format that needs Graphviz, where that is not found.
        """
        from .picture import render

        render(self, path)

    def _repr_svg_(self) -> str:
        from .picture import svg_of

        return svg_of(self)

    def close(self) -> None:
        """Destroys it; executables made from it stay.  ValueError: it is a part of another graph, or being captured into."""
        if self._capture is not None:
            raise ValueError("a stream is being captured into this graph: end the capture first")
        if self._handle.owner is not None:
            raise ValueError("this graph is a part of another one: remove its node there")
        with self._lock:
            self._handle.close()
            self._entries.clear()

    def __enter__(self) -> Graph:
        self.address  # noqa: B018 - raises where it is closed
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __eq__(self, other: object) -> bool:
        return self._handle is other._handle if isinstance(other, Graph) else NotImplemented

    def __hash__(self) -> int:
        return hash(id(self._handle))

    def __repr__(self) -> str:
        if self.is_closed:
            return "<Graph, closed>"
        return f"<Graph of {len(self)} nodes on device {self.device.ordinal}>"
