"""CUDA for Python programs: objects that own what they hold, errors that say what to do, kernels from strings, shared arrays.

    import cuda_unified as cu

    device = cu.Device()
    kernel = cu.Program(source).compile().kernel("saxpy")
    with device.stream() as stream:
        ...

Names are imported when they are first used; importing the package costs a few milliseconds and never opens a library.
"""

from typing import Any

_HOME = {
    "Device": "device",
    "Context": "context",
    "Stream": "stream",
    "current_stream": "stream",
    "Event": "event",
    "Buffer": "memory",
    "info": "environment",
    "annotate": "profiling",
    "profile": "profiling",
    "time_kernel": "profiling",
}
"""name -> the module that it is in"""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOME.get(name)
    if home:
        value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
        return value
    errors = import_module(".errors", __name__) if name[:1].isupper() else None
    if errors and name in errors.__all__:
        value = globals()[name] = getattr(errors, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    from . import errors

    return sorted({*globals(), *_HOME, *errors.__all__})


__all__ = [*_HOME]  # noqa: PLE0604
