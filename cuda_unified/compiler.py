"""One run of NVRTC."""

from __future__ import annotations

import re
import sys
import threading

from cubind import CompilationCancelledError, CompilationError, CudaError, NotFoundError, has, nvrtc

from ._light import contextmanager
from ._records import NamedTuple
from .errors import CompileError, with_log
from .headers import may_be_bundled, nvrtc_version
from .object_code import ObjectCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

_MISSING = re.compile(r'(?:could not|cannot) open source file "([^"]+)"')
_C_NAMES = """assert complex ctype errno fenv float inttypes limits locale math setjmp signal stdarg stdbool stddef stdint stdio
stdlib string time uchar wchar wctype"""
_C_HEADERS = frozenset(_C_NAMES.split())


class Job(NamedTuple):
    """What NVRTC is given."""

    source: str
    name: str
    headers: Mapping[str, str]
    arguments: Sequence[str]
    expressions: Sequence[str]
    kind: str
    arch: str


class Result(NamedTuple):
    """What NVRTC made."""

    code: ObjectCode
    pch_status: str | None
    """"created", "not attempted" or "failed"; None where no precompiled header was asked for"""


_PCH = {0: "created", int(nvrtc.nvrtcResult.NVRTC_ERROR_NO_PCH_CREATE_ATTEMPTED): "not attempted"}


class _Flow:
    """NVRTC's question now and then whether to go on."""

    def __init__(self, cancel: Callable[[], object] | None) -> None:
        self.cancel = cancel
        self.error: BaseException | None = None
        self.stopped = False

    def __call__(self, payload: object, reserved: object) -> int:
        try:
            self.stopped = self.stopped or (self.cancel is not None and bool(self.cancel()))
        except BaseException as error:  # NVRTC cannot pass it on
            self.stopped, self.error = True, error
        return int(self.stopped)  # NVRTC may ask again


def run(job: Job, cancel: Callable[[], object] | None = None, *, wants_pch: bool = False) -> Result:
    """Compiles; raises `CompileError` and what `Program.compile` says."""
    if cancel is not None and not callable(cancel):
        raise TypeError(f"cancel: a function is wanted, not {cancel!r}")
    flow = _Flow(cancel)
    with _signals_stop(flow):
        result, again = _run(job, flow, wants_pch)
        return _run(job, flow, wants_pch)[0] if again else result


@contextmanager
def _signals_stop(flow: _Flow) -> Iterator[None]:
    """Lets a signal handler that raises, such as Ctrl-C's, stop the compilation.

    Signals are seen by the main thread when NVRTC's question enters Python, before anything there can catch what a handler
    raises: it comes out as an exception that nobody handles, and is taken from there.  (To compile in another thread and wait
    here is no way out: NVRTC needs the stack of the main thread, which grows, for deeply nested programs.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.object is not flow:
            before(unraisable)
        elif flow.error is None:
            flow.stopped, flow.error = True, unraisable.exc_value

    sys.unraisablehook = hook
    try:
        yield
    finally:
        if sys.unraisablehook is hook:
            sys.unraisablehook = before


def _run(job: Job, flow: _Flow, wants_pch: bool) -> tuple[Result, bool]:
    program = nvrtc.nvrtcCreateProgram(job.source, job.name, None, list(job.headers.values()), list(job.headers))
    try:
        for expression in job.expressions:
            nvrtc.nvrtcAddNameExpression(program, expression)
        if flow.cancel is not None or has("nvrtcSetFlowCallback"):  # an older NVRTC is not stopped by Ctrl-C
            nvrtc.nvrtcSetFlowCallback(program, flow, None)
        try:
            nvrtc.nvrtcCompileProgram(program, None, list(job.arguments))
        except CudaError as error:
            if flow.error is not None:
                raise flow.error from None
            raise _failed(job, error, nvrtc.nvrtcGetProgramLog(program)) from None
        if flow.error is not None:  # after the last question that counted
            raise flow.error
        code = ObjectCode(
            code=_take(job.kind, program),
            kind=job.kind,
            name=job.name,
            arch=job.arch,
            lowered_names={e: _lowered(program, e) for e in job.expressions},
            log=nvrtc.nvrtcGetProgramLog(program).rstrip("\0\n"),
        )
        if not wants_pch:
            return Result(code, None), False
        status = nvrtc.nvrtcGetPCHCreateStatus(program)
        return Result(code, _PCH.get(int(status), "failed")), _heap_was_enlarged(program, status)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _take(kind: str, program: Any) -> bytes:
    """The code; b"" where only the syntax was checked."""
    if kind == "ptx":
        return nvrtc.nvrtcGetPTX(program).encode() if nvrtc.nvrtcGetPTXSize(program) else b""
    if kind == "cubin":
        return nvrtc.nvrtcGetCUBIN(program) if nvrtc.nvrtcGetCUBINSize(program) else b""
    if kind == "ltoir":
        return nvrtc.nvrtcGetLTOIR(program) if nvrtc.nvrtcGetLTOIRSize(program) else b""
    return nvrtc.nvrtcGetOptiXIR(program) if nvrtc.nvrtcGetOptiXIRSize(program) else b""


def _lowered(program: Any, expression: str) -> str:
    try:
        return str(nvrtc.nvrtcGetLoweredName(program, expression))
    except CudaError as error:
        raise NotFoundError(f"{expression!r} names no kernel or variable of the program ({error.name})") from None


def _heap_was_enlarged(program: Any, status: int) -> bool:
    """Whether the memory for precompiled headers was too small, and now is as large as this program needs."""
    if status != nvrtc.nvrtcResult.NVRTC_ERROR_PCH_CREATE_HEAP_EXHAUSTED:
        return False
    size = nvrtc.nvrtcGetPCHHeapSizeRequired(program)
    if size <= nvrtc.nvrtcGetPCHHeapSize():
        return False
    nvrtc.nvrtcSetPCHHeapSize(size)
    return True


def _failed(job: Job, error: CudaError, log: str) -> CudaError:
    log = log.rstrip("\0\n")
    if isinstance(error, CompilationError) and not isinstance(error, CompilationCancelledError):
        made = CompileError(error.code, error.function)
        made.source, made.hint = job.source, "; ".join(_hints(log)) or None
        error = made
    return with_log(error, log, f"name={job.name!r}")


def _hints(log: str) -> Iterator[str]:
    for name in dict.fromkeys(_MISSING.findall(log)):
        if may_be_bundled(name):
            major, _ = nvrtc_version()
            suffix = "" if major >= 13 else f"-cu{major}"
            packages = f"nvidia-cuda-runtime{suffix} and nvidia-cuda-cccl{suffix}"
            yield f"CUDA's headers are in the packages {packages}, or in a toolkit that CUDA_PATH names"
            continue
        stem = name.removesuffix(".h")
        if stem in _C_HEADERS or (stem[:1] == "c" and stem[1:] in _C_HEADERS):
            standard = f"c{stem}" if stem in _C_HEADERS else stem
            yield f"NVRTC has no C library; for <{name}> there is <cuda/std/{standard}>, with names in cuda::std"
        elif name.isidentifier():
            yield f"NVRTC has no C++ library; for <{name}> there may be <cuda/std/{name}>, with names in cuda::std"
        else:
            yield f"the folder of {name} is given by the option include_paths, or its text by headers={{{name!r}: ...}}"
