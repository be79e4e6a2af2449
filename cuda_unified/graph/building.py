"""The nodes that a graph is built from."""

from __future__ import annotations

from cubind import driver

from .._light import later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..config import LaunchConfig
    from ..context import Context
    from ..event import Event
    from ..kernel import Kernel
    from .definition import Condition, Graph
    from .nodes import Node

    After = Node | Iterable[Node] | None
    from . import memory_work as memory_works
    from . import work as works
    from .work import Failures, Work
else:
    memory_works = later(__package__, "memory_work")
    works = later(__package__, "work")


class Building:
    """The half of Graph that adds nodes.

    after: the nodes that the new one waits for; None: no other, or, while the graph is captured, what the stream has so far
    (which then waits for the new one).  `after=()` is no other in any case.
    """

    __slots__ = ()
    _calls: list[Failures]
    _root: Any

    @property
    def address(self) -> int:
        """The handle as an int."""
        raise NotImplementedError

    @property
    def context(self) -> Context:
        """The context that its nodes are for."""
        raise NotImplementedError

    def _add(self, work: Work, after: After) -> Node:
        raise NotImplementedError

    def add_kernel(self, kernel: Kernel, config: LaunchConfig, *args: Any, after: After = None) -> Node:
        """A launch of a kernel; arguments as of `launch`.

        Their values are taken now; what they refer to is kept.  Arrays of other libraries are ready for the current stream.
        """
        return self._add(works.KernelWork.of(kernel, config, args, self.context), after)

    def add_copy(
        self,
        dst: Any,
        src: Any,
        size: int | None = None,
        *,
        width: int | None = None,
        height: int = 1,
        depth: int = 1,
        dst_pitch: int | None = None,
        src_pitch: int | None = None,
        dst_rows: int | None = None,
        src_rows: int | None = None,
        after: After = None,
    ) -> Node:
        """A copy of `size` bytes, or of a box: `depth` slices of `height` rows of `width` bytes.

        dst, src: a Buffer, an Array, a node that allocates, an address, an object with `__cuda_array_interface__`, DLPack or
        the buffer protocol.  Memory of the host is read and written when the graph runs.  size: default: all, which must be
        as much on both sides.  pitch: bytes from row to row (default: `width`); rows: from slice to slice (default: `height`).

        Raises ValueError where the box is not within both.
        """
        work = memory_works.CopyWork.of(
            dst,
            src,
            size,
            width=width,
            height=height,
            depth=depth,
            dst_pitch=dst_pitch,
            src_pitch=src_pitch,
            dst_rows=dst_rows,
            src_rows=src_rows,
        )
        return self._add(work, after)

    def add_fill(
        self,
        dst: Any,
        value: int | bytes,
        *,
        element: int | None = None,
        width: int | None = None,
        height: int = 1,
        pitch: int | None = None,
        after: After = None,
    ) -> Node:
        """Sets memory of a device: `height` rows of `width` elements, default: all of it.

        value: of an element of `element` bytes (1, 2 or 4; default 1, or as many as `value` has, if that is bytes).
        pitch: bytes from row to row.
        """
        return self._add(
            memory_works.FillWork.of(dst, value, element=element, width=width, height=height, pitch=pitch), after
        )

    def add_call(self, function: Callable[..., Any], *args: Any, after: After = None) -> Node:
        """Calls `function(*args)` in each launch, in a thread of the driver's: what comes after it waits for it.

        So it may not use CUDA, nor wait for anything that does.  What it raises is raised by the next launch() or check()
        of an executable that has the node, and the rest of the graph runs all the same.
        """
        failures = works.Failures()
        node = self._add(works.CallWork.of(function, args, failures), after)
        self._calls.append(failures)
        return node

    def add_empty(self, after: After = None) -> Node:
        """Does nothing: a point to wait for."""
        return self._add(works.EmptyWork(), after)

    def add_child(self, child: Graph, after: After = None, *, move: bool = False) -> Node:
        """A copy of another graph as one node; `node.child` is the copy.

        move: the graph itself, which is closed then; needed where it has nodes that allocate or free.
        """
        work = works.ChildWork.of(child, move)
        if child._root is self._root:
            raise ValueError("add_child(): a graph cannot be inside itself; give a clone()")
        if move and child._handle.owner is not None:
            raise ValueError("add_child(): a part of another graph cannot be moved")
        node = self._add(work, after)
        if move:
            child._handle.disown()
        self._calls.extend(failures for failures in child._calls if not any(failures is f for f in self._calls))
        return node

    def add_event_record(self, event: Event, after: After = None) -> Node:
        """Records an event."""
        return self._add(works.EventRecordWork.of(event), after)

    def add_event_wait(self, event: Event, after: After = None) -> Node:
        """Waits for an event, as it was recorded last when the graph is launched."""
        return self._add(works.EventWaitWork.of(event), after)

    def add_allocate(self, size: int, after: After = None) -> Node:
        """Allocates `size` bytes in each launch, always at the same address: `node.pointer`."""
        return self._add(memory_works.AllocateWork(size), after)

    def add_free(self, memory: Node | int, after: After = None) -> Node:
        """Frees what a node of this or another graph allocated; memory: that node, or the address."""
        pointer = memory if isinstance(memory, int) else getattr(memory, "pointer", None)
        if not isinstance(pointer, int) or isinstance(pointer, bool):
            raise TypeError(f"add_free(): a node that allocates is wanted, not {type(memory).__name__}")
        return self._add(memory_works.FreeWork(pointer), after)

    # ---- conditions ----------------------------------------------------------------------------------------------

    def create_condition(self, default: int | None = None) -> Condition:
        """A value for `if_`, `while_` or `switch` of this graph: for one node, which must follow.

        default: what it is at the start of each launch; None: what it was at the end of the last one.
        """
        from .definition import Condition

        flags = 0 if default is None else 1  # CU_GRAPH_COND_ASSIGN_DEFAULT
        value = default or 0
        if not 0 <= value < 1 << 32:
            raise ValueError(f"a condition is from 0 to 2**32 - 1, not {default}")
        with self.context:
            number = int(driver.cuGraphConditionalHandleCreate(self.address, self.context.address, value, flags))
        return Condition(self, number, default)  # type: ignore[arg-type]

    def _conditional(self, condition: Condition, form: str, count: int, after: After) -> Node:
        from .definition import Condition

        if not isinstance(condition, Condition):
            raise TypeError(f"a Condition of this graph is wanted, not {type(condition).__name__}")
        return self._add(works.ConditionalWork(condition, form, count), after)

    def if_(self, condition: Condition, after: After = None) -> Node:
        """`node.body` runs if the condition is not 0."""
        return self._conditional(condition, "if", 1, after)

    def if_else(self, condition: Condition, after: After = None) -> Node:
        """`node.body` runs if the condition is not 0, `node.otherwise` if it is."""
        return self._conditional(condition, "if_else", 2, after)

    def while_(self, condition: Condition, after: After = None) -> Node:
        """`node.body` runs as long as the condition is not 0."""
        return self._conditional(condition, "while", 1, after)

    def switch(self, condition: Condition, count: int, after: After = None) -> Node:
        """`node.bodies[i]` runs for the value i of the condition; none of the `count` for a value that is not below it."""
        if not isinstance(count, int) or not 1 <= count < 1 << 32:
            raise ValueError(f"a switch has from 1 to 2**32 - 1 bodies, not {count}")
        return self._conditional(condition, "switch", count, after)
