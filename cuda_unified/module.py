"""Modules: code in a device, its kernels and its variables."""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock

from cubind import CudaError, NotFoundError, NotSupportedError, driver

from . import _native
from .errors import closed, forked, with_log
from .jit import JitLogs, JitOptions, jit_options
from .linker import as_code
from .object_code import LOADABLE, ObjectCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .device import Device
    from .kernel import Kernel
    from .memory import Buffer
    from .symbols import Symbols

_BY_DEVICE, _MANAGED = 1, 7  # flags of buffers: enum accessible in src/native.h


class _Library:
    """A CUlibrary, unloaded when nothing needs it any more: the module, its kernels, its variables."""

    def __init__(
        self, handle: driver.CUlibrary, *, owned: bool, owner: object = None, logs: JitLogs | None = None
    ) -> None:
        self.handle, self.owner, self.logs = handle, owner, logs
        self.owned, self.process = owned, os.getpid()

    @property
    def error_log(self) -> str | None:
        """What the driver wrote about errors."""
        return self.logs.error if self.logs else None

    def __del__(self, is_finalizing: Any = sys.is_finalizing, getpid: Any = os.getpid) -> None:
        if not self.owned or is_finalizing() or self.process != getpid():  # in the child of a fork it is the parent's
            return
        try:
            driver.cuLibraryUnload(self.handle)
        except CudaError as error:
            if error.code != driver.CUresult.CUDA_ERROR_DEINITIALIZED:
                raise


class Module:
    """Code that can be run: kernels and variables.

    code: an `ObjectCode`, PTX as str, a cubin or fat binary as bytes, or a path.  It is loaded when it is first used, once
    for all devices; for PTX that is when the driver compiles it.  options: a `JitOptions` or a dict, or single ones by
    keyword.

    Raises, when it is loaded, `InvalidPtxError` with the driver's log, `NoBinaryForDeviceError` and others; at once
    `NotSupportedError` for code that has to be linked first.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__LIBRARY.html
    """

    def __init__(
        self,
        code: Any,
        *,
        options: JitOptions | Mapping[str, Any] | None = None,
        **more_options: Any,
    ) -> None:
        self._options = jit_options(options, more_options)
        self._code: ObjectCode | None = as_code(code)
        if self._code.kind not in LOADABLE:
            raise NotSupportedError(f"{self._code!r} is not loaded as it is: link it first, Linker(code).link()")
        self._lowered: dict[str, str] = dict(self._code.lowered_names)
        self._library: _Library | None = None
        self._closed = False
        self._lock = allocate_lock()

    @classmethod
    def from_handle(
        cls,
        handle: Any,
        *,
        owner: object = None,
        lowered_names: Mapping[str, str] | None = None,
    ) -> Module:
        """A library that somebody else owns and unloads (`owner` is kept alive).

        handle: a `driver.CUlibrary` or an int.  lowered_names: name expressions and the names in the code that they mean.
        """
        module = cls.__new__(cls)
        module._options, module._code, module._lowered = JitOptions(), None, dict(lowered_names or {})
        module._library = _Library(driver.CUlibrary(int(handle)), owned=False, owner=owner)
        module._closed, module._lock = False, allocate_lock()
        return module

    @property
    def handle(self) -> driver.CUlibrary:
        """The `driver.CUlibrary`; loads the code."""
        return self._loaded().handle

    @property
    def code(self) -> ObjectCode | None:
        """The code; None for a borrowed handle."""
        return self._code

    @property
    def log(self) -> str:
        """What the driver wrote when it compiled the code; loads it."""
        logs = self._loaded().logs
        return logs.info if logs else ""

    @property
    def is_loaded(self) -> bool:
        """Whether the driver has the code."""
        return self._library is not None

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Lets go of the code: it is unloaded as soon as no kernel and no variable of it is in use."""
        with self._lock:
            self._closed, self._library = True, None

    # ---- kernels

    def kernel(self, name: str) -> Kernel:
        """The kernel of a name: as in the code, a name expression that the program was compiled with, or the name in C++.

        A name in C++ that is neither extern "C" nor a name expression will do where only one kernel can be meant.  Raises
        `NotFoundError`, which says what there is.
        """
        from .kernel import Kernel

        library = self._loaded()
        handle, found = self._find_kernel(library, name)
        ptx = self._code.code if self._code is not None and self._code.kind == "ptx" else None
        made: Kernel = Kernel._make(int(handle), found, library, ptx=ptx)
        return made

    __getitem__ = kernel

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of all kernels, as in the code; loads it."""
        return _kernel_names(self._loaded())

    def _kernel_handle(self, name: str) -> int:
        """The CUkernel of a name."""
        return int(self._find_kernel(self._loaded(), name)[0])

    def _find_kernel(self, library: _Library, name: str) -> tuple[Any, str]:
        if not isinstance(name, str):
            raise TypeError(f"the name of a kernel is a str, not {type(name).__name__}")
        wanted = self._lower(name)
        try:
            return driver.cuLibraryGetKernel(library.handle, wanted), wanted
        except NotFoundError as error:
            from .symbols import mangled_like

            names = _kernel_names(library)
            meant = [n for n in names if mangled_like(n, name)]
            if len(meant) == 1:
                return driver.cuLibraryGetKernel(library.handle, meant[0]), meant[0]
            raise _no_such("kernel", name, meant or names, error, bool(meant)) from None
        except CudaError as error:  # of code that is compiled as late as now
            raise with_log(error, library.error_log, f"name={wanted!r}") from None

    def _lower(self, name: str) -> str:
        from .symbols import same_expression

        found = self._lowered.get(name)
        return found or next((n for e, n in self._lowered.items() if same_expression(e, name)), name)

    # ---- variables

    def get_global(self, name: str, device: Device | None = None) -> Buffer:
        """The memory of a `__device__` or `__constant__` variable on a device (default: the current one), as a Buffer.

        name: as in the code, or a name expression ("&ns::counter", with or without the &).  The buffer keeps the code loaded.
        Raises `NotFoundError`; variables that no kernel uses may have been removed by the compiler.
        """
        from .device import Device

        return self._variable(name, device or Device(), driver.cuLibraryGetGlobal, _BY_DEVICE)

    def get_managed(self, name: str, device: Device | None = None) -> Buffer:
        """The memory of a `__managed__` variable `name`, which the host can access too, as a Buffer; else as `get_global`."""
        from .device import Device

        return self._variable(name, device or Device(), driver.cuLibraryGetManaged, _MANAGED)

    def _variable(self, name: str, device: Device, get: Any, flags: int) -> Buffer:
        if not isinstance(name, str):
            raise TypeError(f"the name of a variable is a str, not {type(name).__name__}")
        library = self._loaded()
        context = device.context
        with context:
            try:
                pointer, size = get(library.handle, self._lower(name))
            except NotFoundError as error:
                kind = "managed variable" if flags == _MANAGED else "variable"
                raise _no_such(kind, name, self.symbols.names(), error, False) from None
            except CudaError as error:
                raise with_log(error, library.error_log, f"name={name!r}") from None
        buffer: Buffer = _native.make_buffer(int(pointer), int(size), context, flags, None, library, None)
        return buffer

    @property
    def symbols(self) -> Symbols:
        """The names of kernels and variables, read from the code itself: `symbols.constants`, `symbols.managed` …"""
        from .symbols import Symbols

        return Symbols.of(self._code)

    @property
    def globals(self) -> tuple[str, ...]:
        """The names of the `__device__` variables."""
        return self.symbols.globals

    @property
    def constants(self) -> tuple[str, ...]:
        """The names of the `__constant__` variables; `get_global` gives their memory."""
        return self.symbols.constants

    @property
    def managed(self) -> tuple[str, ...]:
        """The names of the `__managed__` variables; `get_managed` gives their memory."""
        return self.symbols.managed

    # ---- loading

    def _loaded(self) -> _Library:
        library = self._library
        if library is not None and not self._closed:
            if library.process != os.getpid():
                raise forked()
            return library
        with self._lock:
            if self._closed:
                raise closed(self)
            if self._library is None:
                self._library = self._load()
            return self._library

    def _load(self) -> _Library:
        from .device import Device

        assert self._code is not None
        _ = Device().context  # raises where the driver cannot be used
        logs = JitLogs(self._options)
        data = self._code.code + b"\0" if self._code.kind == "ptx" else self._code.code
        try:
            handle = driver.cuLibraryLoadData(data, logs.options, logs.values, None, [], [], None)
        except CudaError as error:
            what = f"name={self._code.name!r}, kind={self._code.kind}" + (
                f", arch={self._code.arch}" if self._code.arch else ""
            )
            raise with_log(error, logs.error, what) from None
        return _Library(handle, owned=True, logs=logs)

    def __enter__(self) -> Module:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        if self._code is None:
            raise TypeError("a module of a borrowed handle cannot be pickled: its code is not known")
        if self._closed:
            raise closed(self)
        return _again, (self._code, self._options)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "loaded" if self._library else "not loaded yet"
        return f"<Module of {self._code!r}, {state}>" if self._code else f"<Module, borrowed, {state}>"


def _again(code: ObjectCode, options: JitOptions) -> Module:
    return Module(code, options=options)


def _kernel_names(library: _Library) -> tuple[str, ...]:
    count = driver.cuLibraryGetKernelCount(library.handle)
    handles = driver.cuLibraryEnumerateKernels(count, library.handle) if count else []
    return tuple(str(driver.cuKernelGetName(handle)) for handle in handles)


def _no_such(
    kind: str, name: str, names: tuple[str, ...] | list[str], error: CudaError, several: bool
) -> NotFoundError:
    from ._mangled import written

    as_written = [written(n) for n in names]
    shown = [w if as_written.count(w) == 1 else n for n, w in zip(names, as_written, strict=True)]  # not so: overloads
    some = ", ".join(shown[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    if several:
        why = f"{name!r} may be any of {some}: ask for one of these, or by a name expression"
    elif any(c in name for c in "<&:"):
        declared = name if kind == "kernel" else f"&{name.removeprefix('&')}"
        why = (
            f"there is no {kind} {name!r}; templates and names in namespaces are declared when the program is compiled: "
            f"program.compile(name_expressions=[{declared!r}]); there are {some or 'none'}"
        )
    else:
        why = f"there is no {kind} {name!r}; there are {some or 'none'}"
    made = with_log(NotFoundError(error.code, error.function), why, f"name={name!r}")
    made.hint = (
        "a name is that of the source; templates and overloads are asked for by a name expression, as 'scale<float>'"
    )
    assert isinstance(made, NotFoundError)
    return made
