"""Nodes of a graph's definition."""

from __future__ import annotations

from cubind import InvalidValueError, driver

from .._light import later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from . import memory_work as memory_works
    from . import work as works
    from .definition import Graph
    from .memory_work import End
    from .work import Work
else:
    memory_works = later(__package__, "memory_work")
    works = later(__package__, "work")

KINDS = {
    "KERNEL": "kernel",
    "MEMCPY": "copy",
    "MEMSET": "fill",
    "HOST": "call",
    "GRAPH": "graph",
    "EMPTY": "empty",
    "WAIT_EVENT": "event_wait",
    "EVENT_RECORD": "event_record",
    "EXT_SEMAS_SIGNAL": "semaphore_signal",
    "EXT_SEMAS_WAIT": "semaphore_wait",
    "MEM_ALLOC": "allocate",
    "MEM_FREE": "free",
    "BATCH_MEM_OP": "memory_operations",
    "CONDITIONAL": "conditional",
}
"""the driver's name of a kind of node -> ours"""


def kind_of(node: int) -> str:
    """The kind of the node with this handle."""
    name = str(driver.cuGraphNodeGetType(node).name).removeprefix("CU_GRAPH_NODE_TYPE_")
    return KINDS.get(name, name.lower())


class Entry:
    """What a graph knows of one of its nodes; an Entry that its graph has no more is of a node that was removed."""

    __slots__ = ("bodies", "kept", "work")

    def __init__(self, work: Work | None, kept: int | None = None, bodies: tuple[Graph, ...] | None = None) -> None:
        self.work, self.kept, self.bodies = work, kept, bodies


class Node:
    """A node of a graph; the graph's `add_...` methods make one, `graph.nodes` has all.

    Equal to another Node where both are the same node of the same graph.
    """

    __slots__ = ("_entry", "_handle", "graph")
    graph: Graph

    def __init__(self, graph: Graph, handle: int, entry: Entry) -> None:
        self.graph, self._handle, self._entry = graph, handle, entry

    @property
    def address(self) -> int:
        """The handle as an int.  ValueError for a node that was removed, ClosedError for one of a closed graph."""
        self.graph.address  # noqa: B018 - raises where the graph is closed
        if self.graph._entries.get(self._handle) is not self._entry:
            raise ValueError("this node was removed from its graph")
        return self._handle

    @property
    def handle(self) -> driver.CUgraphNode:
        """The `driver.CUgraphNode`."""
        return driver.CUgraphNode(self.address)

    @property
    def kind(self) -> str:
        """What it does: "kernel", "copy", "fill", "call", "graph", "empty", "event_wait", "event_record", "allocate",
        "free", "conditional", "semaphore_signal", "semaphore_wait" or "memory_operations"."""
        address, work = self.address, self._entry.work
        return kind_of(address) if work is None else work.kind

    def _kind(self) -> str:
        return kind_of(self.address)

    @property
    def work(self) -> Work:
        """What it does, with all that is known of it: of a node that a stream captured, what the driver tells."""
        self.address  # noqa: B018 - raises where the node was removed
        if self._entry.work is None:
            from .ask import work_of

            self._entry.work = work_of(self)
        return self._entry.work

    @property
    def predecessors(self) -> tuple[Node, ...]:
        """The nodes that it waits for."""
        nodes, _ = driver.cuGraphNodeGetDependencies(self.address)
        return tuple(map(self.graph._node, nodes))

    @property
    def successors(self) -> tuple[Node, ...]:
        """The nodes that wait for it."""
        nodes, _ = driver.cuGraphNodeGetDependentNodes(self.address)
        return tuple(map(self.graph._node, nodes))

    def connect(self, *others: Node, programmatic: bool = False) -> None:
        """Lets other nodes of the graph wait for this one.

        programmatic: kernels that begin before this one, a kernel too, has ended, and wait for it themselves.

        Raises `InvalidValueError` for an edge that is there already and for one that would close a circle.
        """
        data = driver.CUgraphEdgeData(from_port=1, type=1) if programmatic else driver.CUgraphEdgeData()
        try:
            self._edges(driver.cuGraphAddDependencies, others, data)
        except InvalidValueError as error:
            error.arguments = f"from={self!r}, to={list(others)}"
            if self in others:
                error.hint = "a node cannot wait for itself"
            elif any(other in self.successors for other in others):
                error.hint = "such an edge is there already"
            else:
                error.hint = "no node may wait for one that waits for it, also over others"
            raise

    def disconnect(self, *others: Node) -> None:
        """The contrary of `connect`.  ValueError for a node that does not wait for this one."""
        nodes, found = driver.cuGraphNodeGetDependentNodes(self.address)
        data = {int(node): edge for node, edge in zip(nodes, found, strict=True)}
        for other in others:
            if other.address not in data:
                raise ValueError("disconnect(): this node has no edge to it")
        for other in others:
            self._edges(driver.cuGraphRemoveDependencies, (other,), data[other.address])

    def _edges(self, function: Any, others: Iterable[Node], data: Any) -> None:
        others = tuple(others)
        to = [self.graph._of_this(other) for other in others]
        with self.graph._lock:
            function(self.graph.address, [self.address] * len(to), to, [data] * len(to), None)

    def remove(self) -> None:
        """Removes it and its edges from the graph.  Not memory's nodes, which the driver keeps."""
        with self.graph._lock:
            driver.cuGraphDestroyNode(self.address)
            self.graph._forget(self._handle)

    def update(self, *args: Any, **changes: Any) -> None:
        """Changes what it does, for executables that are made or updated later.

        kernel: `update(*args, kernel=..., config=...)`: all arguments, or none of them for the same; copy: `update(dst=...,
        src=..., ...)`, as `Graph.add_copy`; fill: `update(dst=..., value=...)`; call: `update(function, *args)`; events:
        `update(event)`.  What is not given stays.

        Raises NotSupportedError for kinds that the driver cannot change: remove the node and add another one.
        """
        work = self.work.changed(*args, **changes, **({"context": self.graph.context} if self.kind == "kernel" else {}))
        self.graph._update(self, work)

    # ---- of some kinds ----------------------------------------------------------------------------------------

    def _only(self, name: str, *kinds: type[Work]) -> Work:
        work = self.work
        if not isinstance(work, kinds):
            raise AttributeError(f"a node of kind {self.kind!r} has no {name}", name=name)
        return work

    @property
    def pointer(self) -> int:
        """The address of the memory that it allocates or frees, the same in each launch."""
        work = self._only("pointer", memory_works.AllocateWork, memory_works.FreeWork)
        return int(work.pointer)  # type: ignore[attr-defined]

    @property
    def size(self) -> int:
        """How many bytes it allocates."""
        return int(self._only("size", memory_works.AllocateWork).size)  # type: ignore[attr-defined]

    @property
    def memory(self) -> End:
        """The memory that it allocates: nodes and `End`s are what copies and fills take."""
        end: End = self._only("memory", memory_works.AllocateWork).memory  # type: ignore[attr-defined]
        return end

    @property
    def child(self) -> Graph:
        """The graph inside the node, a part of this one: it can be changed until the graph is instantiated."""
        self._only("child", works.ChildWork)
        return self._parts()[0]

    @property
    def bodies(self) -> tuple[Graph, ...]:
        """The graphs that a condition chooses from, parts of this one: of `if_else` what runs if it is not 0, and if it is
        0; of `switch` one for each value from 0 on."""
        self._only("bodies", works.ConditionalWork)
        return self._parts()

    @property
    def body(self) -> Graph:
        """The first of `bodies`."""
        return self.bodies[0]

    @property
    def otherwise(self) -> Graph:
        """What runs if the condition is 0."""
        work = self._only("otherwise", works.ConditionalWork)
        if len(self._parts()) != 2 or work.form == "switch":  # type: ignore[attr-defined]
            raise AttributeError("only if_else() makes a node with a part for 0", name="otherwise")
        return self._parts()[1]

    def _parts(self) -> tuple[Graph, ...]:
        if self._entry.bodies is None:
            from .ask import parts_of

            self._entry.bodies = parts_of(self)
        return self._entry.bodies

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self._handle == other._handle and self._entry is other._entry

    def __hash__(self) -> int:
        return hash(self._handle)

    def __repr__(self) -> str:
        if self.graph.is_closed or self.graph._entries.get(self._handle) is not self._entry:
            return "<Node, removed or of a closed graph>"
        return f"<Node: {self.work.describe()}>".replace("\n", " ")
