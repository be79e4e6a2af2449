"""The errors of this layer: those of cubind, with what was being done, and a few of its own.

`CudaError` is the root of all of them.  Each has `code` (the status of the library, None where no library answered), `name`,
`function` (the C function), `arguments` (what matters of the call, as text), `hint` (what usually causes it and what to do)
and `log` (what a compiler, a linker or the CPU device wrote).
"""

from __future__ import annotations

import cubind
from cubind import CompilationError, CudaError, IllegalStateError


class ClosedError(CudaError, ValueError):
    """An object was used after close()."""


class ForkError(IllegalStateError):
    """CUDA was used before a fork, and is used again in the child, where the driver's state is gone."""


class CompileError(CompilationError):
    """A program did not compile: `log` is what the compiler wrote, `source` what it was given.

    `listing()` is the source with line numbers, for the log's references.
    """

    source: str = ""

    def listing(self) -> str:
        """The source with line numbers."""
        lines = self.source.splitlines()
        width = len(str(len(lines)))
        return "\n".join(f"{i:{width}}  {line}" for i, line in enumerate(lines, 1))


class LinkError(CompilationError):
    """Device code did not link: `log` is what the linker wrote."""


class DeviceMismatchError(CudaError, ValueError):
    """Objects of different devices were used together."""


def from_status(status: int, function: str, arguments: str | None = None, log: str | None = None) -> CudaError:
    """The exception that a failing status of the driver means."""
    from cubind import driver

    if status == driver.CUresult.CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND and not cubind.has(function):
        # of the C level; the Python level knows what is missing, and where it was looked for
        try:
            driver.cuInit(0)
        except CudaError as missing:
            return missing
        found = cubind.info().libraries["driver"]
        supports = f", which supports CUDA {found.version}" if found.version else ""
        return cubind.SymbolNotFoundError(
            f"{function} is not in the CUDA driver that was found at {found.path}{supports}; see python -m cubind"
        )
    error: CudaError = cubind.error_from_status(driver.CUresult(status), function, arguments, log)
    return error


def with_log(error: CudaError, log: str | None, arguments: str | None = None) -> CudaError:
    """The error, with what a compiler or linker wrote and what matters of the call."""
    vars(error).update(_log=log or None, arguments=arguments or error.arguments)
    return error


def closed(what: object) -> ClosedError:
    """The error for an object that is used after close()."""
    return ClosedError(f"this {type(what).__name__} is closed")


def elsewhere(event: object, stream: object) -> DeviceMismatchError:
    """The error for an event that is recorded in a stream of another context; given the contexts of both."""
    return DeviceMismatchError(
        f"an event of {event} cannot be recorded in a stream of {stream}: let stream.record() make one"
    )


def forked() -> ForkError:
    """The error for any use of CUDA in the child of a fork."""
    return ForkError(
        "CUDA was used before this process was forked and cannot be used in the child: "
        "start processes with multiprocessing's 'spawn' method"
    )


_OWN = (ClosedError, ForkError, CompileError, LinkError, DeviceMismatchError)


def _derived(cls: type[CudaError]) -> list[type[CudaError]]:
    return [cls, *(c for derived in cls.__subclasses__() for c in _derived(derived))]


_SHARED = {c.__name__: c for c in _derived(CudaError) if c.__module__ == cubind.__name__}
globals().update(_SHARED)
__all__ = [*sorted(_SHARED), *(c.__name__ for c in _OWN)]  # noqa: PLE0604
for _class in _OWN:
    _class.__module__ = __package__  # public as cuda_unified.ClosedError
