"""Linking: several pieces of compiled code become one."""

from __future__ import annotations

import os

from cubind import CudaError, NotSupportedError, OutOfMemoryError, driver

from ._light import suppress
from .errors import LinkError, with_log
from .jit import JitLogs, JitOptions, jit_options
from .object_code import ObjectCode, detect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .device import Device

_INPUTS = {
    "ptx": "CU_JIT_INPUT_PTX",
    "cubin": "CU_JIT_INPUT_CUBIN",
    "fatbin": "CU_JIT_INPUT_FATBINARY",
    "object": "CU_JIT_INPUT_OBJECT",
    "library": "CU_JIT_INPUT_LIBRARY",
}


class Linker:
    """Links PTX, cubins, fat binaries, object files and libraries of them, by the driver's linker.

    inputs: `ObjectCode`, PTX as str, code as bytes, or paths; what refers to other pieces is compiled with the option
    `relocatable`.  options: a `JitOptions` or a dict, or single ones by keyword; device: whose context links.

    LTO-IR is not for the driver's linker: `NotSupportedError`.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MODULE.html (cuLinkCreate)
    """

    def __init__(
        self,
        *inputs: Any,
        options: JitOptions | Mapping[str, Any] | None = None,
        device: Device | None = None,
        **more_options: Any,
    ) -> None:
        self.options = jit_options(options, more_options)
        self.device = device
        self.inputs: list[ObjectCode] = []
        self.info_log = ""
        """What the linker wrote when it was run last, errors apart."""
        self.error_log = ""
        """What it wrote about errors."""
        for piece in inputs:
            self.add(piece)

    def add(self, piece: Any, kind: str | None = None, *, name: str = "") -> Linker:
        """Adds a piece; kind: of `ObjectCode`, found out if it is None; name: for messages.  Returns the linker."""
        code = as_code(piece, kind, name)
        if code.kind not in _INPUTS:
            raise NotSupportedError(
                f"{code!r} cannot be linked by the driver: LTO-IR and OptiX-IR are for other linkers; compile with "
                "relocatable=True to PTX or a cubin"
            )
        self.inputs.append(code)
        return self

    def link(self, name: str = "linked") -> ObjectCode:
        """Links what was added: machine code for the device, PTX on the CPU device; name: what messages call it.

        Raises `LinkError` with the linker's log, ValueError where nothing was added.
        """
        from .device import Device

        if not self.inputs:
            raise ValueError("nothing to link: give the linker some code")
        device = self.device or Device()
        logs = JitLogs(self.options)
        with device:
            try:
                linked = self._run(logs)
            finally:
                self.info_log, self.error_log = logs.info, logs.error
        names: dict[str, str] = {}
        for piece in self.inputs:
            names.update(piece.lowered_names)
        kind = detect(linked) or "cubin"
        return ObjectCode(linked, kind, name, device.arch, names, self.info_log)

    def _run(self, logs: JitLogs) -> bytes:
        state = driver.cuLinkCreate(None, logs.options, logs.values)
        what = ""
        try:
            for i, piece in enumerate(self.inputs):
                what = f"input={piece.name or i!r}, kind={piece.kind}"
                kind = getattr(driver.CUjitInputType, _INPUTS[piece.kind])
                data = piece.code + b"\0" if piece.kind == "ptx" else piece.code
                driver.cuLinkAddData(state, kind, data, len(data), piece.name or f"input {i}", None, [], [])
            what = f"inputs={len(self.inputs)}"
            linked = bytes(driver.cuLinkComplete(state))
        except BaseException as error:
            with suppress(CudaError):  # the first error is the one that matters
                driver.cuLinkDestroy(state)
            raise (_failed(error, logs, what) if isinstance(error, CudaError) else error) from None
        driver.cuLinkDestroy(state)
        return linked

    def __repr__(self) -> str:
        return f"<Linker of {len(self.inputs)} pieces>"


def _failed(error: CudaError, logs: JitLogs, what: str) -> CudaError:
    if not isinstance(error, OutOfMemoryError):
        error = LinkError(error.code, error.function)
    return with_log(error, logs.error, what)


def as_code(piece: Any, kind: str | None = None, name: str = "") -> ObjectCode:
    """The code that an argument means: `ObjectCode`, PTX as str, code as bytes or a buffer, or a path."""
    if isinstance(piece, ObjectCode):
        return piece
    if isinstance(piece, os.PathLike):
        return ObjectCode.from_file(piece, kind)
    if isinstance(piece, str) and "\n" not in piece and detect(piece.encode()) is None:
        raise ValueError(f"{piece!r} is not code; give a file as pathlib.Path({piece!r})")
    if isinstance(piece, str | bytes | bytearray | memoryview):
        return ObjectCode.from_bytes(piece, kind, name=name)
    raise TypeError(f"code is an ObjectCode, str, bytes or a path, not {type(piece).__name__}")
