"""Captures: a stream's work becomes a graph instead of being done."""

from __future__ import annotations

from cubind import CudaError, IllegalStateError, StreamCaptureError, driver

from .. import _native, errors
from .._light import suppress
from .definition import Graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..stream import Stream
    from .nodes import Node

MODES = {"global": 0, "thread_local": 1, "relaxed": 2}

_WHY = {
    "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED": "the work of this call cannot be captured: waiting for the stream, asking whether "
    "it is done, allocating synchronously, and the legacy default stream are not allowed in a capture",
    "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED": "an earlier call made the capture invalid: a wait for the stream, a synchronous "
    "allocation or copy, use of the legacy default stream, in this thread or, in mode 'global', in any other",
    "CUDA_ERROR_STREAM_CAPTURE_MERGE": "two captures cannot wait for each other",
    "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED": "the capture began in another stream",
    "CUDA_ERROR_STREAM_CAPTURE_UNJOINED": "a stream that joined the capture was not joined to the one it began in: let that "
    "wait for it (stream.wait(other)) before the end",
    "CUDA_ERROR_STREAM_CAPTURE_ISOLATION": "captured work cannot wait for work that was not captured",
    "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT": "the call would have waited for a stream that is captured, through the legacy "
    "default stream",
    "CUDA_ERROR_CAPTURED_EVENT": "the event is of captured work: it cannot be waited for or asked",
    "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD": "a capture is ended in the thread that began it, but in mode 'relaxed'",
    "CUDA_ERROR_ILLEGAL_STATE": "the stream is captured already",
}


def why(error: CudaError) -> str:
    """What usually causes an error of a capture."""
    return _WHY.get(error.name or "", "")


class Capture:
    """A capture under way: `Stream.capture`."""

    def __init__(self, stream: Stream, mode: str, graph: Graph | None, after: Node | Iterable[Node] | None) -> None:
        if mode not in MODES:
            raise ValueError(f"a capture's mode is one of {', '.join(MODES)}, not {mode!r}")
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"a Graph is wanted, not {type(graph).__name__}")
        if graph is None and after is not None:
            raise TypeError("capture(): `after` goes with `graph`, whose nodes they are")
        self.stream, self.mode, self.is_new = stream, mode, graph is None
        self._graph, self.after, self._is_good = graph, after, False

    @property
    def graph(self) -> Graph:
        """The graph that the stream is captured into."""
        assert self._graph is not None
        return self._graph

    # ---- begin and end -------------------------------------------------------------------------------------------

    def __enter__(self) -> Graph:
        stream = self.stream
        if self._graph is None:
            self._graph = Graph.__new__(Graph)
            with stream.context:
                handle = _native.wrap_graph(int(driver.cuGraphCreate(0)), stream.context, None)
            self._graph._adopt(handle, None)
        elif self._graph.is_capturing:
            raise IllegalStateError("a stream is being captured into this graph already")
        graph = self._graph
        needs = graph._handles(self.after)
        mode = driver.CUstreamCaptureMode(MODES[self.mode])
        data = [driver.CUgraphEdgeData()] * len(needs)
        _native.push_stream(stream)
        _native.count_captures(1)  # first: whatever is dropped from now on is not freed in the capture
        try:
            driver.cuStreamBeginCaptureToGraph(stream.address, graph.address, needs, data, None, mode)
        except BaseException as error:
            _native.pop_stream()
            _native.count_captures(-1)
            raise (self._worded(error, "begin") if isinstance(error, CudaError) else error) from None
        graph._capture = self
        return graph

    def __exit__(self, kind: Any, failure: BaseException | None, _: object) -> None:
        _native.pop_stream()
        self.graph._capture = None
        try:
            self._end()
        except BaseException as error:
            if failure is None:
                raise
            self._explain(failure, error)
        else:
            self._is_good = failure is None
        finally:
            _native.count_captures(-1)
            if not self._is_good:
                self._discard()

    def _explain(self, failure: BaseException, error: BaseException) -> None:
        """Says in the error of the block what makes captures invalid."""
        note = why(failure) if isinstance(error, CudaError) and isinstance(failure, StreamCaptureError) else ""
        if note and note not in getattr(failure, "__notes__", ()):
            failure.add_note(note)

    def _end(self) -> None:
        try:
            self._end_once()
        except CudaError as error:
            with suppress(CudaError):  # whatever it was: the stream must not stay captured
                if self.stream.is_capturing:
                    self._end_once()
            raise self._worded(error, "end") from None

    def _end_once(self) -> None:
        with self.stream.context:
            driver.cuStreamEndCapture(self.stream.address)

    def _discard(self) -> None:
        """What was captured is no graph; one that was given keeps the nodes it has."""
        if self.is_new:
            with suppress(CudaError):
                self.graph.close()

    def _worded(self, error: CudaError, what: str) -> CudaError:
        text = why(error)
        if not text:
            return error
        if error.name == "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED" and what == "begin":
            text = "the legacy default stream cannot be captured: use a stream of Device.stream()"
        return StreamCaptureError(f"the capture of {self.stream!r} cannot {what}: {text} ({error.name})")

    # ---- nodes that are added while it is under way --------------------------------------------------------------

    def frontier(self) -> tuple[list[int], list[Any]]:
        """The nodes that the stream's next work waits for, and the data of those edges."""
        with self.stream.context:
            status, _, _, nodes, data = driver.cuStreamGetCaptureInfo(self.stream.address)
        if status != driver.CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_ACTIVE:
            raise StreamCaptureError(
                f"the capture of {self.stream!r} is not valid any more: {_WHY['CUDA_ERROR_STREAM_CAPTURE_INVALIDATED']}"
            )
        return [int(node) for node in nodes], list(data)

    def move(self, node: Node) -> None:
        """The stream's next work waits for this node."""
        replace = driver.CUstreamUpdateCaptureDependencies_flags.CU_STREAM_SET_CAPTURE_DEPENDENCIES
        with self.stream.context:
            driver.cuStreamUpdateCaptureDependencies(
                self.stream.address, [node.address], [driver.CUgraphEdgeData()], None, replace
            )


__all__ = ["Capture", "errors"]
