"""What a node of a graph does: one class a kind, each a value that is changed by making another one.

`params(context)` is what the driver is told, for a definition and for an executable alike; `kept()` is what has to live as long
as either; `changed(...)` is the same work but for what is given.
"""

from __future__ import annotations

from cubind import driver

from .. import _native
from .._records import dataclass, field, replace
from ..event import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from ..config import LaunchConfig
    from ..context import Context
    from ..kernel import Kernel
    from .definition import Graph

TYPES = driver.CUgraphNodeType
_PREFIX = "CU_GRAPH_NODE_TYPE_"


@dataclass(frozen=True)
class Work:
    """What a node does, where nothing more is known of it than its kind."""

    kind: ClassVar[str] = "empty"
    type_name: ClassVar[str] = "EMPTY"

    def params(self, context: Context) -> Any:
        """The `driver.CUgraphNodeParams`."""
        params = driver.CUgraphNodeParams(type=getattr(TYPES, _PREFIX + self.type_name))
        self.fill(params, context)
        return params

    def fill(self, params: Any, context: Context) -> None:
        """Sets the part of the record that is for this kind."""

    def kept(self) -> object:
        """What has to live as long as the node; None: nothing."""
        return None

    def changed(self, *args: Any, **changes: Any) -> Work:
        """The same but for what is given."""
        raise TypeError(f"a node of kind {self.kind!r} has nothing to update")

    def describe(self) -> str:
        """A few words for pictures."""
        return self.kind


@dataclass(frozen=True)
class EmptyWork(Work):
    """Nothing: a point for others to wait for."""


@dataclass(frozen=True)
class KernelWork(Work):
    """A launch of a kernel.  `launcher` has the packed arguments, and keeps them; None: what a stream captured."""

    kind = "kernel"
    type_name = "KERNEL"
    kernel: Kernel
    config: LaunchConfig
    args: tuple[Any, ...] = ()
    launcher: Any = None

    @classmethod
    def of(cls, kernel: Any, config: Any, args: tuple[Any, ...], context: Context) -> KernelWork:
        """Checks and packs the arguments."""
        from ..config import LaunchConfig, _check_device
        from ..kernel import Kernel
        from ..stream import current_stream, default_stream

        if not isinstance(kernel, Kernel):
            raise TypeError(f"a Kernel is wanted, not {type(kernel).__name__}")
        if not isinstance(config, LaunchConfig):
            raise TypeError(f"a LaunchConfig is wanted, not {type(config).__name__}")
        current = current_stream(context.device)
        stream = current if current.context == context else default_stream(context)
        _check_device(config, context.device)
        return cls(kernel, config, args, kernel.bind(stream, config, *args))

    def fill(self, params: Any, context: Context) -> None:
        if self.launcher is None:
            raise ValueError(
                f"the arguments of {self.kernel.cxx_name} are not known, a stream captured it: give all of them anew"
            )
        params.kernel = self.record(context)

    def record(self, context: Context) -> Any:
        """The `driver.CUDA_KERNEL_NODE_PARAMS` of the definition."""
        config, kernel = self.config, self.kernel
        named: dict[str, Any] = {f"gridDim{axis}": size for axis, size in zip("XYZ", config.grid, strict=True)}
        named |= {f"blockDim{axis}": size for axis, size in zip("XYZ", config.block, strict=True)}
        named["func" if kernel.is_function else "kern"] = kernel.handle
        return driver.CUDA_KERNEL_NODE_PARAMS_v3(
            **named,
            ctx=context.address,
            sharedMemBytes=config.shared_memory,
            kernelParams=self.launcher._pointers,
        )

    def attributes(self) -> list[Any]:
        """The `driver.CUlaunchAttribute`s of the configuration."""
        data, size = self.config._attribute_bytes, len(bytes(driver.CUlaunchAttribute()))
        parts = (data[i : i + size] for i in range(0, len(data), size))
        return [driver.CUlaunchAttribute.from_buffer(bytearray(part)) for part in parts]

    def kept(self) -> object:
        return self.launcher or self.kernel

    def changed(self, *args: Any, kernel: Any = None, config: Any = None, context: Any = None) -> Work:
        if not args and self.launcher is None and (self.kernel.parameters or kernel is not None):
            raise ValueError(
                f"the arguments of {self.kernel.cxx_name} are not known, a stream captured it: give all of them anew"
            )
        return KernelWork.of(kernel or self.kernel, config or self.config, args or self.args, context)

    def describe(self) -> str:
        grid = " x ".join(map(str, self.config.grid)).removesuffix(" x 1").removesuffix(" x 1")
        block = " x ".join(map(str, self.config.block)).removesuffix(" x 1").removesuffix(" x 1")
        return f"{self.kernel.cxx_name}\n<{grid}, {block}>"


class Failures(list[BaseException]):
    """What functions raised that a graph called; whoever asks takes it."""

    def take(self) -> BaseException | None:
        """The first one, once."""
        return self.pop(0) if self else None


@dataclass(frozen=True)
class CallWork(Work):
    """A call of a Python function, in a thread of the driver's."""

    kind = "call"
    type_name = "HOST"
    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    failures: Failures = field(default_factory=Failures, compare=False)

    @classmethod
    def of(cls, function: Any, args: tuple[Any, ...], failures: Failures) -> CallWork:
        """Checks the function."""
        if not callable(function):
            raise TypeError(f"a function is wanted, not {type(function).__name__}")
        return cls(function, args, failures)

    def run(self, _: object = None) -> None:
        """What the driver calls."""
        try:
            self.function(*self.args)
        except BaseException as failure:
            failure.add_note("raised in a function that a graph called")
            self.failures.append(failure)

    def fill(self, params: Any, context: Context) -> None:
        params.host.fn = self.run

    def changed(self, function: Any = None, *args: Any, **_: Any) -> Work:
        if function is None:
            raise TypeError("update() of a call takes the function and its arguments")
        return CallWork.of(function, args, self.failures)

    def describe(self) -> str:
        return f"call {getattr(self.function, '__name__', type(self.function).__name__)}"


@dataclass(frozen=True)
class EventWork(Work):
    """Records an event, or waits for one."""

    event: Event

    @classmethod
    def of(cls, event: Any) -> EventWork:
        """Checks the event."""
        if not isinstance(event, Event):
            raise TypeError(f"an Event is wanted, not {type(event).__name__}")
        return cls(event)

    def kept(self) -> object:
        return self.event

    def changed(self, event: Any = None, **_: Any) -> Work:
        return type(self).of(event)


@dataclass(frozen=True)
class EventRecordWork(EventWork):
    """Records an event."""

    kind = "event_record"
    type_name = "EVENT_RECORD"

    def fill(self, params: Any, context: Context) -> None:
        params.eventRecord.event = self.event.address


@dataclass(frozen=True)
class EventWaitWork(EventWork):
    """Waits for an event."""

    kind = "event_wait"
    type_name = "WAIT_EVENT"

    def fill(self, params: Any, context: Context) -> None:
        params.eventWait.event = self.event.address


@dataclass(frozen=True)
class ChildWork(Work):
    """A graph inside a graph: a copy of it, as it was when it was added, or itself where it was moved."""

    kind = "graph"
    type_name = "GRAPH"
    child: Graph
    moved: bool = False

    @classmethod
    def of(cls, child: Any, moved: bool = False) -> ChildWork:
        """Checks the graph."""
        from .definition import Graph

        if not isinstance(child, Graph):
            raise TypeError(f"a Graph is wanted, not {type(child).__name__}")
        return cls(child, moved)

    def fill(self, params: Any, context: Context) -> None:
        params.graph.graph = self.child.address
        if self.moved:
            params.graph.ownership = driver.CUgraphChildGraphNodeOwnership.CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE

    def changed(self, child: Any = None, **_: Any) -> Work:
        return ChildWork.of(child)


@dataclass(frozen=True)
class ConditionalWork(Work):
    """Graphs that run as often as a condition says."""

    kind = "conditional"
    type_name = "CONDITIONAL"
    condition: Any
    form: str
    count: int = 1

    FORMS: ClassVar[dict[str, str]] = {"if": "IF", "if_else": "IF", "while": "WHILE", "switch": "SWITCH"}

    def fill(self, params: Any, context: Context) -> None:
        form = getattr(driver.CUgraphConditionalNodeType, f"CU_GRAPH_COND_TYPE_{self.FORMS[self.form]}")
        conditional = params.conditional
        conditional.handle, conditional.type, conditional.size = int(self.condition), form, self.count
        conditional.ctx = context.address

    def describe(self) -> str:
        return self.form


def kept_by_graph(graph: int, work: Work) -> int | None:
    """Lets a graph keep what the work needs; the user object, None where it needs nothing."""
    things = work.kept()
    return None if things is None else int(_native.graph_keep(graph, things))


__all__ = ["ChildWork", "Work", "replace"]
