"""Executables: graphs that can be launched."""

from __future__ import annotations

from cubind import CudaError, GraphUpdateError, IllegalStateError, driver

from .. import _native, errors
from .._extend import extend
from .._light import contextmanager, later, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..device import Device
    from . import work as works
    from .definition import Graph
    from .nodes import Node
    from .work import Failures, Work
else:
    works = later(__package__, "work")


class _State:
    """What an executable was made from, whose nodes name its own for ever, and what it was changed to since."""

    __slots__ = ("calls", "graph", "origin", "overrides", "works")

    def __init__(self, graph: Graph) -> None:
        self.origin = graph
        self.take(graph)

    def take(self, graph: Graph) -> None:
        """The executable does what a graph says now."""
        self.graph, self.calls = graph, list(graph._calls)
        self.overrides: dict[Node, tuple[Work, Any]] = {}
        # work of nodes by their place: what the driver pairs was made in the same order
        self.works: list[Work] | None = None
        if graph is not self.origin:
            self.works = [node.work for node in graph.nodes]

    def work_of(self, node: Node) -> Work:
        """What a node of the origin does in the executable."""
        if node in self.overrides:
            return self.overrides[node][0]
        nodes = self.origin.nodes if self.works is not None and node.graph is self.origin else ()
        if self.works is None or node not in nodes or len(nodes) != len(self.works):
            return node.work
        return self.works[nodes.index(node)]


class _Hooks:
    """What has to be known of launches: of executables with calls, and of those that were changed node by node.

    What an executable was changed to is not the driver's to keep: it is kept here until the launches that use it are done.
    """

    __slots__ = ("calls", "current", "events", "old")

    def __init__(self, calls: list[Failures]) -> None:
        self.calls = calls
        self.current: dict[Any, object] = {}
        self.old: list[tuple[list[Any], object]] = []
        self.events: dict[tuple[int, int], Any] = {}  # of (context, stream): recorded behind the last launch

    def before(self, _: Any) -> None:
        """Raises what a function of an earlier launch raised."""
        for failures in self.calls:
            failure = failures.take()
            if failure is not None:
                raise failure

    def after(self, stream: Any) -> None:
        """Remembers the launch."""
        if (self.current or self.old) and not stream.is_capturing:
            key = stream.context.address, stream.address
            self.events[key] = stream.record(self.events.get(key), **({} if key in self.events else {"timing": False}))
            self.sweep()

    def put(self, node: Any, things: object) -> None:
        """Another thing is used for a node from the next launch on."""
        before = self.current.pop(node, None)
        if before is not None:
            self.retire(before)
        if things is not None:
            self.current[node] = things

    def retire(self, things: object) -> None:
        """Keeps things until the launches that there were are done."""
        events = [event for event in tuple(self.events.values()) if not _is_over(event)]
        if events:
            self.old.append((events, things))
            self.events.clear()  # later launches have events of their own

    def sweep(self) -> None:
        """Drops what no launch uses any more."""
        self.old = _still_used(self.old)

    def clear(self) -> None:
        """Nothing that was put is used by later launches."""
        things, self.current = list(self.current.values()), {}
        if things:
            self.retire(things)

    def __del__(self) -> None:
        busy = [*self.old]
        events = [event for event in tuple(self.events.values()) if not _is_over(event)] if self.current else []
        if events:
            busy.append((events, list(self.current.values())))
        _orphans[:] = _still_used([*_orphans, *busy])


def _is_over(event: Any) -> bool:
    """Whether what an event is behind has been done; not asked during captures, which that could make invalid."""
    if _native.count_captures(0):
        return False
    try:
        return bool(event.done)
    except CudaError:  # what failed is over too
        return True


def _still_used(things: list[tuple[list[Any], object]]) -> list[tuple[list[Any], object]]:
    return [(events, thing) for events, thing in things if not all(map(_is_over, events))]


_orphans: list[tuple[list[Any], object]] = []
"""what launches of executables that are gone still use"""


@extend
class GraphExec(_native.GraphExec):
    """What is launched of a graph; `Graph.instantiate` makes one.

    `launch(stream)` runs it; launches of one executable are one behind the other, also in different streams.  It lives
    until its launches are done; the graph may be closed before.  Threads may share it.

    `executable[node]` is a node of the graph that it was made from in it, also after updates from other graphs: there it can
    be updated, disabled and enabled, for later launches.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__GRAPH.html
    """

    __slots__ = ()

    @property
    def handle(self) -> driver.CUgraphExec:
        """The `driver.CUgraphExec`."""
        return driver.CUgraphExec(self.address)

    @property
    def device(self) -> Device:
        """The device that it was made for."""
        device: Device = self.context.device
        return device

    @property
    def graph(self) -> Graph:
        """The graph that it was made from, or updated to."""
        self.address  # noqa: B018 - raises where it is closed
        graph: Graph = self._state.graph
        return graph

    def update(self, graph: Graph) -> None:
        """Takes over the parameters of another graph with the same nodes and edges, or of the same one, changed.

        Later launches do what that graph says.  Raises GraphUpdateError, which names the node and the reason, where the
        graphs differ in more than an update can change; the executable is then as before.  TypeError: it is no Graph.
        """
        from .definition import Graph

        if not isinstance(graph, Graph):
            raise TypeError(f"a Graph is wanted, not {type(graph).__name__}")
        with _held(self), graph._lock, self.context:
            told = driver.cuGraphExecUpdate(self.address, graph.address)
            if told.result != driver.CUgraphExecUpdateResult.CU_GRAPH_EXEC_UPDATE_SUCCESS:
                raise _update_error(told, graph)
            self._state.take(graph)
            hooks = self._hooks
            if hooks is not None:
                hooks.clear()
                hooks.calls = self._state.calls
            elif graph._calls:
                self._hooks = _Hooks(self._state.calls)

    def check(self) -> None:
        """Raises what a function that the graph called has raised, if nobody got that yet."""
        if self._hooks is not None:
            self._hooks.before(None)

    def __getitem__(self, node: Node) -> ExecNode:
        from .nodes import Node

        if not isinstance(node, Node):
            raise TypeError(f"a Node is wanted, not {type(node).__name__}")
        self.address  # noqa: B018 - raises where it is closed
        if node.graph._root is not self._state.origin._root:
            raise ValueError("this node is of another graph than the one that the executable was made from")
        node.address  # noqa: B018 - raises where the node was removed
        return ExecNode(self, node)

    def __enter__(self) -> GraphExec:
        self.address  # noqa: B018 - raises where it is closed
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<GraphExec, closed>" if self.is_closed else f"<GraphExec of {self.graph!r}>"


@contextmanager
def _held(executable: GraphExec) -> Iterator[None]:
    """The driver does not guard executables."""
    executable._acquire()
    try:
        yield
    finally:
        executable._release()


class ExecNode:
    """A node of a graph in an executable."""

    __slots__ = ("executable", "node")

    def __init__(self, executable: GraphExec, node: Node) -> None:
        self.executable, self.node = executable, node

    @property
    def work(self) -> Work:
        """What it does in the executable."""
        work: Work = self.executable._state.work_of(self.node)
        return work

    def update(self, *args: Any, **changes: Any) -> None:
        """Changes what it does in later launches; arguments as of `Node.update`.

        The driver allows less here than in a definition: the memory of copies and fills stays on its device, a kernel's
        attributes stay.  Raises GraphUpdateError or the driver's error where it does not.
        """
        node, executable = self.node, self.executable
        context = node.graph.context
        before = self.work
        work = before.changed(*args, **changes, **({"context": context} if node.kind == "kernel" else {}))
        if isinstance(work, works.KernelWork) and isinstance(before, works.KernelWork):
            _check_same_attributes(before, work)
        with _held(executable), context:
            if executable._hooks is None:
                executable._hooks = _Hooks(executable._state.calls)
            work, kept = _for_executable(work, before)
            if not isinstance(kept, _Forward) or not kept.is_set:
                driver.cuGraphExecNodeSetParams(executable.address, node.address, work.params(context))
            if isinstance(kept, _Forward):
                kept.is_set = True
            executable._state.overrides[node] = work, kept
            executable._hooks.put(node, (work.kept(), kept))

    def enable(self) -> None:
        """Lets it run again."""
        self._enable(1)

    def disable(self) -> None:
        """Lets later launches do nothing in its place; kernels, copies and fills alone can be disabled."""
        self._enable(0)

    def _enable(self, value: int) -> None:
        with _held(self.executable), self.executable.context:
            driver.cuGraphNodeSetEnabled(self.executable.address, self.node.address, value)

    @property
    def is_enabled(self) -> bool:
        """Whether it runs."""
        with _held(self.executable), self.executable.context:
            return bool(driver.cuGraphNodeGetEnabled(self.executable.address, self.node.address))

    def __repr__(self) -> str:
        return f"<{self.node!r} in {self.executable!r}>"


class _Forward:
    """The function that an executable calls in place of the node's: the driver gets it once, later ones replace its target.

    cubind keeps what it is given for an executable for good, as nothing tells when that ends.
    """

    __slots__ = ("is_set", "target")

    def __init__(self, target: works.CallWork) -> None:
        self.target, self.is_set = target, False

    def __call__(self, *_: Any) -> None:
        self.target.function(*self.target.args)


def _for_executable(work: Work, before: Work) -> tuple[Work, object]:
    """The work as the driver is told, and what is to be kept besides."""
    if not isinstance(work, works.CallWork):
        return work, work.child if isinstance(work, works.ChildWork) else None
    forward = before.function if isinstance(before, works.CallWork) and isinstance(before.function, _Forward) else None
    if forward is None:
        forward = _Forward(work)
    else:
        forward.target = work
    return works.CallWork(forward, (), work.failures), forward


def _check_same_attributes(before: works.KernelWork, now: works.KernelWork) -> None:
    if before.launcher is not None and before.config._attributes != now.config._attributes:
        raise ValueError(
            f"the attributes of {before.kernel.cxx_name} cannot be changed in an executable: "
            f"{before.config.attributes} before, {now.config.attributes} now; change the graph and instantiate it"
        )


_WHY = {
    "TOPOLOGY_CHANGED": "the graphs have other nodes or edges",
    "TOPOLOGY_CHANGED_NO_NODES": "the graphs have other nodes",
    "NODE_TYPE_CHANGED": "the node is of another kind",
    "FUNCTION_CHANGED": "the kernel is another one, which this driver cannot change",
    "PARAMETERS_CHANGED": "parameters differ that cannot be changed",
    "NOT_SUPPORTED": "nodes of this kind cannot be changed",
    "UNSUPPORTED_FUNCTION_CHANGE": "the kernel is of another context, or needs what the one before did not",
    "ATTRIBUTES_CHANGED": "the kernel's attributes differ",
}


def _update_error(told: Any, graph: Graph) -> CudaError:
    from .nodes import kind_of

    reason = told.result.name.removeprefix("CU_GRAPH_EXEC_UPDATE_ERROR_")
    text = [f"the executable cannot be updated: {_WHY.get(reason, reason.lower())} ({told.result.name})"]
    node = None
    if int(told.errorNode or 0):
        handles = [int(handle) for handle in driver.cuGraphGetNodes(graph.address)]
        if int(told.errorNode) in handles:
            node = graph._node(told.errorNode)
            what = node.work.describe().replace("\n", " ")
            text.append(f"at node {handles.index(int(told.errorNode))} of the new graph, {what}")
        else:
            text.append(f"at a node of kind {kind_of(int(told.errorNode))} in a graph inside the new one")
        if int(told.errorFromNode or 0) and told.result.name.endswith("TOPOLOGY_CHANGED"):
            text.append("and the edge to it")
    error = GraphUpdateError(" ".join(text))
    vars(error).update(node=node, reason=told.result)
    return error


def instantiate(graph: Graph, *, auto_free: bool, upload: Any, device_launch: bool, priorities: bool) -> GraphExec:
    """See `Graph.instantiate`."""
    names = driver.CUgraphInstantiate_flags
    flags = 0
    for wanted, name in (
        (auto_free, "AUTO_FREE_ON_LAUNCH"),
        (upload is not None, "UPLOAD"),
        (device_launch, "DEVICE_LAUNCH"),
        (priorities, "USE_NODE_PRIORITY"),
    ):
        flags |= int(getattr(names, f"CUDA_GRAPH_INSTANTIATE_FLAG_{name}")) if wanted else 0
    if graph.is_capturing:
        raise IllegalStateError("this graph is still captured: instantiate it after the capture")
    params = driver.CUDA_GRAPH_INSTANTIATE_PARAMS(flags=flags)
    if upload is not None:
        from ..stream import Stream

        stream = upload if isinstance(upload, Stream) else Stream.from_handle(upload, device=graph.device)
        params.hUploadStream = stream.address
    with graph._lock, graph.context:
        try:
            handle = driver.cuGraphInstantiateWithParams(graph.address, params)
        except CudaError as error:
            raise _why_not(error, params, graph) from None
        executable: GraphExec = _native.wrap_graph_exec(int(handle), graph.context, _State(graph))
    if graph._calls:
        executable._hooks = _Hooks(executable._state.calls)
    return executable


def _why_not(error: CudaError, params: Any, graph: Graph) -> CudaError:
    name = getattr(params.result_out, "name", "").removeprefix("CUDA_GRAPH_INSTANTIATE_")
    if error.code is None or name in ("", "SUCCESS"):
        return error
    reason = name.lower().replace("_", " ")
    if name == "ERROR" and any(node.kind in ("allocate", "free") for node in graph.nodes):
        reason = "a graph with memory of its own can have one executable at a time: close the other one first"
    said = f"graph={graph!r}, reason={reason}"
    if int(params.hErrNode_out or 0):
        from .nodes import kind_of

        with suppress(CudaError):
            said += f", node={int(params.hErrNode_out):#x} of kind {kind_of(int(params.hErrNode_out))}"
    return errors.from_status(error.code, "cuGraphInstantiate", said)
