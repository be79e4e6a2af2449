"""What was found on this machine: `cubind.info()` and `python -m cubind`."""

import sys

from . import __version__, _core
from ._error_table import TABLE
from ._errors import CudaError, LibraryNotFoundError

# how each library is asked for its version: the function, and how its answer reads
_VERSIONS = {
    "driver": ("cuDriverGetVersion", lambda v: f"{v // 1000}.{v % 1000 // 10}"),
    "runtime": ("cudaRuntimeGetVersion", lambda v: f"{v // 1000}.{v % 1000 // 10}"),
    "nvrtc": ("nvrtcVersion", lambda v: f"{v[0]}.{v[1]}"),
    "nvjitlink": ("nvJitLinkVersion", lambda v: f"{v[0]}.{v[1]}"),
    "nvvm": ("nvvmVersion", lambda v: f"{v[0]}.{v[1]}"),
}


def modules():
    """The names of the modules, one a library."""
    return [entry["module"].rpartition(".")[2] for entry in TABLE.values()]


def import_modules():
    """Import every module, so that the core knows the functions of every library; {name: module}."""
    from importlib import import_module

    return {name: import_module(f"{__package__}.{name}") for name in modules()}


def _version(module, name):
    function, text = _VERSIONS.get(name, (None, None))
    try:
        return text(getattr(module, function)())
    except CudaError:  # it is there and does not answer: that is for the caller's own calls to find out
        return None


class Library:
    """One library: `path` is None and `error` says where was looked, if it was not found."""

    def __init__(self, name, module):
        self.error = None
        try:
            _core._open(name)
        except LibraryNotFoundError as error:
            self.error = str(error)
        self.version = None if self.error else _version(module, name)
        for key, value in next(item for item in _core._libraries() if item["name"] == name).items():
            setattr(self, key, value)

    def __repr__(self):
        return f"<Library {self.name}: {self.path or 'not found'}>"


class Info:
    """`version`, `python`, `per_thread_default_stream` and `libraries` (name -> Library); str() is a table."""

    def __init__(self):
        modules = import_modules()
        self.version = __version__
        self.python = ".".join(map(str, sys.version_info[:3]))
        self.per_thread_default_stream = _core._per_thread_default_stream(None)
        self.libraries = {name: Library(name, module) for name, module in modules.items()}

    def __repr__(self):
        found = [name for name, library in self.libraries.items() if library.path]
        return f"<cubind {self.version}: found {', '.join(found) or 'no library'}>"

    def __str__(self):
        return "\n".join(self._lines())

    def _lines(self):
        switch = "on" if self.per_thread_default_stream else "off"
        yield f"cubind {self.version}, Python {self.python} ({sys.executable})"
        yield f"per-thread default stream: {switch}"
        yield ""
        header = ("library", "version", "functions", "found by", "path")
        yield from _table([header, *map(_row, self.libraries.values())])
        for library in self.libraries.values():
            if library.error:
                yield ""
                yield library.error


_FOUND_BY = {
    "override": "override",
    "process": "loaded already",
    "wheel": "wheel",
    "CUDA_PATH": "$CUDA_PATH",
    "CUDA_HOME": "$CUDA_HOME",
    "system": "system loader",
    "cpu": "CPU device",
}


def _row(library):
    found_by = _FOUND_BY.get(library.how, library.how) or "-"
    path = library.path or "not found, see below"
    return library.name, library.version or "-", str(library.functions), found_by, path


def _table(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
