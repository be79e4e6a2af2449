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
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .device import Device

_INPUTS = {
    "ptx": "CU_JIT_INPUT_PTX",
    "cubin": "CU_JIT_INPUT_CUBIN",
    "fatbin": "CU_JIT_INPUT_FATBINARY",
    "object": "CU_JIT_INPUT_OBJECT",
    "library": "CU_JIT_INPUT_LIBRARY",
}


BY = ("auto", "driver", "nvjitlink")


class Linker:
    """Links PTX, cubins, fat binaries, object files and libraries of them, and LTO-IR.

    inputs: `ObjectCode`, PTX as str, code as bytes, or paths; what refers to other pieces is compiled with the option
    `relocatable`.  options: a `JitOptions` or a dict, or single ones by keyword; device: whose context links.
    by: "driver", its linker; "nvjitlink", the library of the package nvidia-nvjitlink, which optimizes over all pieces of
    LTO-IR (the option `lto` of programs) and also makes PTX; "auto": nvJitLink where there is LTO-IR, else the driver.
    extra: more options for nvJitLink, in its words: "-ftz=true", "-kernels-used=f".

    Raises ValueError for another `by`, TypeError for what is no code or no list of options, and what `add` does.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MODULE.html (cuLinkCreate)
    https://docs.nvidia.com/cuda/nvjitlink/index.html
    """

    def __init__(
        self,
        *inputs: Any,
        options: JitOptions | Mapping[str, Any] | None = None,
        device: Device | None = None,
        by: str = "auto",
        extra: Iterable[str] = (),
        **more_options: Any,
    ) -> None:
        if by not in BY:
            raise ValueError(f"by: {by!r} is none of {', '.join(map(repr, BY))}")
        if isinstance(extra, str):
            raise TypeError(f"extra: several options are wanted, as in [{extra!r}]")
        self.options = jit_options(options, more_options)
        self.device = device
        self.by, self.extra = by, list(extra)
        self.inputs: list[ObjectCode] = []
        self.info_log = ""
        """What the linker wrote when it was run last, errors apart."""
        self.error_log = ""
        """What it wrote about errors."""
        for piece in inputs:
            self.add(piece)

    def add(self, piece: Any, kind: str | None = None, *, name: str = "") -> Linker:
        """Adds a piece; kind: of `ObjectCode`, found out if it is None; name: for messages.  Returns the linker.

        Raises `NotSupportedError` for code that the linker does not take.
        """
        code = as_code(piece, kind, name)
        if code.kind not in _INPUTS and (code.kind != "ltoir" or self.by == "driver"):
            raise NotSupportedError(
                f"{code!r} cannot be linked by the {'driver' if self.by == 'driver' else 'linkers here'}: "
                "compile with relocatable=True to PTX or a cubin"
            )
        self.inputs.append(code)
        return self

    def link(self, name: str = "linked", target: str = "auto") -> ObjectCode:
        """Links what was added; name: what messages call it.

        target: "cubin", machine code; "ptx", of LTO-IR by nvJitLink; "auto": a cubin, or PTX where the device is the CPU
        device.

        Raises `LinkError` with the linker's log, ValueError where nothing was added, `LibraryNotFoundError` where nvJitLink
        is needed and not there, `NotSupportedError` for options and targets that the linker does not have.
        """
        from .device import Device

        if not self.inputs:
            raise ValueError("nothing to link: give the linker some code")
        if target not in ("auto", "cubin", "ptx"):
            raise ValueError(f"target: {target!r} is none of 'auto', 'cubin', 'ptx'")
        if self.by == "nvjitlink" or (self.by == "auto" and any(piece.kind == "ltoir" for piece in self.inputs)):
            from .nvjitlink import link

            return link(self, name, target)
        device = self.device or Device()
        if self.extra or (target != "auto" and (target == "ptx") != device.is_cpu):
            what = "these options" if self.extra else f"the target {target!r} for this device"
            raise NotSupportedError(f"the driver's linker does not have {what}: link by='nvjitlink'")
        logs = JitLogs(self.options)
        with device:
            try:
                linked = self._run(logs)
            finally:
                self.info_log, self.error_log = logs.info, logs.error
        return ObjectCode(linked, detect(linked) or "cubin", name, device.arch, self.lowered_names(), self.info_log)

    def lowered_names(self) -> dict[str, str]:
        """The name expressions of all pieces, and the names in the code that they mean."""
        names: dict[str, str] = {}
        for piece in self.inputs:
            names.update(piece.lowered_names)
        return names

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
            raise (failed(error, logs.error, what) if isinstance(error, CudaError) else error) from None
        driver.cuLinkDestroy(state)
        return linked

    def __repr__(self) -> str:
        return f"<Linker of {len(self.inputs)} pieces>"


def failed(error: CudaError, log: str, what: str) -> CudaError:
    """The error that a linker's failure is raised as."""
    if not isinstance(error, OutOfMemoryError):
        error = LinkError(error.code, error.function)
    return with_log(error, log, what)


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
