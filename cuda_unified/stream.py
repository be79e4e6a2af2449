"""Streams: work that a device does in order, beside that of other streams."""

from __future__ import annotations

import cubind
from cubind import driver

from . import _native
from ._extend import extend
from ._light import TypeVar, contextmanager, later, suppress
from ._records import dataclass
from .context import Context
from .event import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from . import stream_attributes as attributes
    from ._attributes import AccessPolicy
    from .calls import Call
    from .device import Device
    from .graph import Graph, Node
    from .graph.capture import Capture
else:
    attributes = later(__package__, "stream_attributes")

T = TypeVar("T")


@dataclass
class Timing:
    """What `Stream.timed` gives: the events at both ends."""

    begin: Event
    end: Event | None = None

    @property
    def ms(self) -> float:
        """Milliseconds between the ends; waits for the second."""
        if self.end is None:
            raise ValueError("the time is not known before the block has ended")
        self.end.sync()
        return self.begin.elapsed(self.end)


@extend
class Stream(_native.Stream):
    """A stream; `Device.stream()` makes one.

    `with stream:` makes it the current stream of this thread: calls that are given none use it.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__STREAM.html
    """

    __slots__ = ()
    context: Context

    @classmethod
    def from_handle(cls, handle: Any, *, device: Device | None = None, owner: object = None) -> Stream:
        """A stream that somebody else owns: `handle` is a `driver.CUstream`, an int, or an object with `__cuda_stream__`.

        It is never destroyed through this object; `owner` is kept alive with it.  device: the one it is on (default: the
        current one).
        """
        from .device import Device

        protocol = getattr(handle, "__cuda_stream__", None)
        if protocol is not None:
            owner = handle if owner is None else owner
        number = stream_number(handle)
        stream: Stream = _native.wrap_stream(number, (device or Device()).context, False, owner)
        return stream

    @property
    def handle(self) -> driver.CUstream:
        """The `driver.CUstream`."""
        return driver.CUstream(self.address)

    @property
    def device(self) -> Device:
        """The device that the stream is on."""
        return self.context.device

    @property
    def priority(self) -> int:
        """Lower is sooner; `Device.stream_priorities` has the range.  Can be set: for work that comes from then on."""
        with self.context:
            return int(driver.cuStreamGetPriority(self.address))

    @priority.setter
    def priority(self, priority: int) -> None:
        attributes.put(self, "PRIORITY", priority=priority)

    @property
    def is_nonblocking(self) -> bool:
        """Whether it does not wait for the legacy default stream, nor that one for it."""
        with self.context:
            return bool(driver.cuStreamGetFlags(self.address) & driver.CUstream_flags.CU_STREAM_NON_BLOCKING)

    @property
    def id(self) -> int:
        """A number that no other stream of this process has had."""
        with self.context:
            return int(driver.cuStreamGetId(self.address))

    @property
    def is_capturing(self) -> bool:
        """Whether work goes into a graph that is being captured."""
        with self.context:
            status = driver.cuStreamIsCapturing(self.address)
        return bool(status != driver.CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_NONE)

    def capture(
        self, mode: str = "global", *, graph: Graph | None = None, after: Node | Iterable[Node] | None = None
    ) -> Capture:
        """Makes a graph of what the stream is given in a block, instead of doing it: `with stream.capture() as graph: ...`.

        In the block the stream is the current one.  Streams that wait for it join the capture; it has to wait for them in the
        end.  mode: "global": calls that cannot be captured, of any thread, make the capture invalid; "thread_local": those
        of this thread; "relaxed": none.  graph: the graph that gets the nodes, behind its nodes `after`; default: a new one.
        Arguments of kernels that are launched in the block live as long as the graph.

        Where the block raises, the capture ends and the new graph is closed.  Raises StreamCaptureError, which says why,
        where the capture became invalid.

        https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#creating-a-graph-using-stream-capture
        """
        from .graph.capture import Capture

        return Capture(self, mode, graph, after)

    def call(self, function: Callable[..., T], *args: Any) -> Call[T]:
        """Calls `function(*args)` in a thread of Python's, once the stream has done what it has now.

        The stream does not wait for the function, so the function may use CUDA.  Returns a `concurrent.futures.Future`:
        `result()` waits, and raises what the function raised; where the stream's work failed the function is not called and
        `result()` raises that error.  An error that nobody asks for goes to `sys.unraisablehook`.
        """
        from .calls import call

        return call(self, function, *args)

    def __await__(self) -> Generator[Any, None, None]:
        """`await stream`: lets other tasks run until the stream has done what it has now; raises if that failed."""
        return self._reached().__await__()

    async def _reached(self) -> None:
        import asyncio

        from .calls import call

        loop = asyncio.get_running_loop()
        reached = loop.create_future()

        def arrived(error: BaseException | None) -> None:
            if not reached.done():
                reached.set_result(None) if error is None else reached.set_exception(error)

        def tell(error: BaseException | None) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(arrived, error)

        call(self, tell, always=True)
        await reached

    @contextmanager
    def timed(self) -> Iterator[Timing]:
        """Measures what the stream does in a block: `with stream.timed() as t: ...`, then `t.ms` (waits for the end)."""
        timing = Timing(self.record())
        yield timing
        timing.end = self.record()

    @property
    def access_policy(self) -> AccessPolicy | None:
        """Which memory kernels of this stream keep in the L2 cache; None: nothing in particular.  Can be set.

        https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#l2-access-management
        """
        return attributes.get_access_policy(self)

    @access_policy.setter
    def access_policy(self, policy: AccessPolicy | None) -> None:
        from ._attributes import of_stream, window

        fields = {} if policy is None else of_stream("access_policy", window, policy)
        attributes.put(self, "ACCESS_POLICY_WINDOW", accessPolicyWindow=fields)

    @property
    def synchronization_policy(self) -> str:
        """How a thread waits for the stream: "auto", "spin", "yield" or "blocking_sync".  Can be set.

        https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html (CUsynchronizationPolicy)
        """
        return attributes.word(attributes.get(self, "SYNCHRONIZATION_POLICY").syncPolicy, attributes.POLICIES)

    @synchronization_policy.setter
    def synchronization_policy(self, policy: str | driver.CUsynchronizationPolicy) -> None:
        from ._attributes import choice, of_stream

        def member(value: Any) -> Any:
            return choice(value, driver.CUsynchronizationPolicy, attributes.POLICIES)

        chosen = of_stream("synchronization_policy", member, policy)
        attributes.put(self, "SYNCHRONIZATION_POLICY", syncPolicy=chosen)

    @property
    def memory_sync_domain(self) -> str:
        """The domain whose writes a fence of its kernels waits for: "default" or "remote".  Can be set.

        https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#memory-synchronization-domains
        """
        return attributes.word(attributes.get(self, "MEM_SYNC_DOMAIN").memSyncDomain, attributes.DOMAINS)

    @memory_sync_domain.setter
    def memory_sync_domain(self, domain: str | driver.CUlaunchMemSyncDomain) -> None:
        from ._attributes import choice, of_stream

        def member(value: Any) -> Any:
            return choice(value, driver.CUlaunchMemSyncDomain, attributes.DOMAINS)

        attributes.put(self, "MEM_SYNC_DOMAIN", memSyncDomain=of_stream("memory_sync_domain", member, domain))

    @property
    def memory_sync_domain_map(self) -> tuple[int, int]:
        """The numbers of the domains that "default" and "remote" mean, below the device's mem_sync_domain_count.  Can be set."""
        numbers = attributes.get(self, "MEM_SYNC_DOMAIN_MAP").memSyncDomainMap
        return int(numbers.default_), int(numbers.remote)

    @memory_sync_domain_map.setter
    def memory_sync_domain_map(self, numbers: tuple[int, int]) -> None:
        from ._attributes import domains, of_stream

        default, remote = of_stream("memory_sync_domain_map", domains, numbers)
        attributes.put(self, "MEM_SYNC_DOMAIN_MAP", memSyncDomainMap={"default_": default, "remote": remote})

    def __enter__(self) -> Stream:
        _native.push_stream(self)
        return self

    def __exit__(self, *_: object) -> None:
        _native.pop_stream()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return self is other or (self.address == other.address and self.context == other.context)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        if self.is_closed:
            return "<Stream, closed>"
        names = {1: "legacy default", 2: "per-thread default"}
        return f"<Stream {names.get(self.address) or hex(self.address)} on device {self.device.ordinal}>"


def stream_number(stream: Any) -> int:
    """The handle of a stream in any form: an int, a `driver.CUstream`, or an object with `__cuda_stream__`."""
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is None:
        if isinstance(stream, int) and not isinstance(stream, bool):
            return stream
        raise TypeError(f"a Stream or an object with __cuda_stream__ is wanted, not {type(stream).__name__}")
    answer = protocol() if callable(protocol) else protocol  # a property in the protocol's first form
    version, handle = answer
    if version != 0:
        raise TypeError(f"{type(stream).__name__}.__cuda_stream__ is of version {version}; version 0 is known")
    return int(handle)


def borrowed(stream: Any, context: Context | None, function: str) -> Stream:
    """The stream that an argument of `function` means that is no Stream."""
    try:
        number = stream_number(stream)
    except TypeError as error:
        raise TypeError(f"{function}(): {error}") from None
    if context is None:
        from .device import Device

        context = Device().context
    made: Stream = _native.wrap_stream(number, context, False, stream)
    return made


def default_stream(context: Context) -> Stream:
    """The stream that means stream 0 of a context: legacy, or the calling thread's own where the process chose that."""
    number = 2 if cubind.per_thread_default_stream() else 1
    cache = context.device._cache
    stream: Stream | None = cache.get(("stream", context.address, number))
    if stream is None:
        stream = cache["stream", context.address, number] = _native.wrap_stream(number, context, False, None)
    return stream


def current_stream(device: Device | None = None) -> Stream:
    """The stream that calls of this thread use that are given none.

    That of the innermost `with stream:` (on `device`, if one is given), else the default stream of the device.
    """
    stream: Stream = _native.current_stream(device)
    return stream


__all__ = ["Event", "Stream", "current_stream"]
