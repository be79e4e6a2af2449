"""What the driver tells of a node that this layer did not make: a stream captured it, or another library."""

from __future__ import annotations

from cubind import CudaError, driver

from .. import _native
from .memory_work import HOST, AllocateWork, CopyWork, End, FillWork, FreeWork
from .work import ChildWork, ConditionalWork, EmptyWork, EventRecordWork, EventWaitWork, KernelWork, Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .definition import Graph
    from .nodes import Node


class UnknownWork(Work):
    """What a node does of which the driver tells the kind alone."""

    def __init__(self, kind: str) -> None:
        object.__setattr__(self, "kind", kind)


def work_of(node: Node) -> Work:
    """What a node does."""
    ask = _ASK.get(node._kind())
    try:
        work = ask(node) if ask else None
    except CudaError:  # a driver that does not tell
        work = None
    return work or UnknownWork(node._kind())


def _kernel(node: Node) -> Work:
    from ..config import LaunchConfig
    from ..kernel import Kernel

    p = driver.cuGraphKernelNodeGetParams(node.address)
    handle, is_function = (int(p.kern), False) if int(p.kern) else (int(p.func), True)
    # it does not keep the graph: an update lets the graph keep it.  The graph has the kernel that was launched.
    kernel = Kernel.from_handle(handle, is_function=is_function)
    grid, block = (p.gridDimX, p.gridDimY, p.gridDimZ), (p.blockDimX, p.blockDimY, p.blockDimZ)
    return KernelWork(kernel, LaunchConfig(grid, block, p.sharedMemBytes))


def _copy(node: Node) -> Work:
    p = driver.cuGraphMemcpyNodeGetParams(node.address)
    ends = []
    for prefix in ("dst", "src"):
        place = getattr(p, f"{prefix}MemoryType")
        pointer = int(getattr(p, f"{prefix}{'Host' if place == HOST else 'Device'}"))
        ends.append(End(pointer, None, place, None))
    extent = (p.WidthInBytes, p.Height, p.Depth)
    return CopyWork(ends[0], ends[1], extent, (p.dstPitch, p.srcPitch), (p.dstHeight, p.srcHeight))


def _fill(node: Node) -> Work:
    p = driver.cuGraphMemsetNodeGetParams(node.address)
    to = End.of(int(p.dst), writable=True)
    return FillWork(to, p.value, p.elementSize, p.width, p.height, p.pitch or p.width * p.elementSize)


def _event(node: Node) -> Work:
    records = node._kind() == "event_record"
    ask = driver.cuGraphEventRecordNodeGetEvent if records else driver.cuGraphEventWaitNodeGetEvent
    event = _native.wrap_event(int(ask(node.address)), node.graph.context, False, node.graph._handle, 0)
    return (EventRecordWork if records else EventWaitWork)(event)


def _allocate(node: Node) -> Work:
    p = driver.cuGraphMemAllocNodeGetParams(node.address)
    return AllocateWork(p.bytesize, int(p.dptr))


def _free(node: Node) -> Work:
    return FreeWork(int(driver.cuGraphMemFreeNodeGetParams(node.address)))


def _child(node: Node) -> Work:
    return ChildWork(parts_of(node)[0])


def _conditional(node: Node) -> Work:
    p = driver.cuGraphNodeGetParams(node.address).conditional
    form = str(p.type.name).removeprefix("CU_GRAPH_COND_TYPE_").lower()
    return ConditionalWork(int(p.handle), "if_else" if form == "if" and p.size == 2 else form, p.size)


_ASK: dict[str, Any] = {
    "kernel": _kernel,
    "copy": _copy,
    "fill": _fill,
    "event_record": _event,
    "event_wait": _event,
    "allocate": _allocate,
    "free": _free,
    "graph": _child,
    "conditional": _conditional,
    "empty": lambda _: EmptyWork(),
}


def parts_of(node: Node) -> tuple[Graph, ...]:
    """The graphs inside a node: the child, or the bodies of a condition."""
    if node._kind() == "graph":
        handles = [int(driver.cuGraphChildGraphNodeGetGraph(node.address))]
    else:
        handles = graphs_at(driver.cuGraphNodeGetParams(node.address).conditional)
    return tuple(node.graph._part(handle) for handle in handles)


def graphs_at(conditional: Any) -> list[int]:
    """The bodies that the driver's record has."""
    handles: list[int] = _native.handles_at(int(conditional.phGraph_out), conditional.size)
    return handles
