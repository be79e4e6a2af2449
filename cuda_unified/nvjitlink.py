"""Linking by nvJitLink: LTO-IR, optimized over all pieces, to a cubin or to PTX; no device is needed."""

from __future__ import annotations

from cubind import CudaError, NotSupportedError
from cubind import nvjitlink as library

from ._light import suppress
from ._records import fields
from .arch import Arch, of_device
from .linker import failed
from .object_code import ObjectCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .jit import JitOptions
    from .linker import Linker

_INPUTS = {
    "ptx": library.NVJITLINK_INPUT_PTX,
    "cubin": library.NVJITLINK_INPUT_CUBIN,
    "fatbin": library.NVJITLINK_INPUT_FATBIN,
    "object": library.NVJITLINK_INPUT_OBJECT,
    "library": library.NVJITLINK_INPUT_LIBRARY,
    "ltoir": library.NVJITLINK_INPUT_LTOIR,
}
# what a JitOptions has a value for, and how nvJitLink is told
_FLAGS = {"debug": "-g", "lineinfo": "-lineinfo", "verbose": "-verbose"}
_NUMBERS = {"max_registers": "-maxrregcount=", "optimization_level": "-O", "split_compile": "-split-compile="}
_OTHERS = {"target", "log_size", *_FLAGS, *_NUMBERS}


def link(linker: Linker, name: str, target: str) -> ObjectCode:
    """What `Linker.link` does where nvJitLink links."""
    arch, is_cpu = _device(linker)
    lto = any(piece.kind == "ltoir" for piece in linker.inputs)
    ptx = target == "ptx" or (target == "auto" and is_cpu and lto)
    if ptx and not lto:
        raise NotSupportedError("nvJitLink makes PTX of LTO-IR only: compile the pieces with the option lto")
    options = [f"-arch={arch}", *(["-lto"] if lto else []), *(["-ptx"] if ptx else [])]
    options += [*_arguments(linker.options), *linker.extra]
    code, linker.info_log, linker.error_log = _run(linker, options, ptx)
    return ObjectCode(code, "ptx" if ptx else "cubin", name, str(arch), linker.lowered_names(), linker.info_log)


def _device(linker: Linker) -> tuple[Arch, bool]:
    """For what is linked, and whether that is the CPU device; a target that is given needs no device."""
    from .device import Device

    chosen: Arch | None = linker.options.target
    device = linker.device or Device() if chosen is None else None
    arch = of_device(device) if chosen is None else chosen
    return Arch("sm_", arch.number, arch.suffix), device is not None and device.is_cpu


def _arguments(options: JitOptions) -> list[str]:
    given = {f.name: value for f in fields(options) if (value := getattr(options, f.name)) is not None}
    for name in given:
        if name not in _OTHERS:
            raise NotSupportedError(f"option {name} is for the driver's linker: nvJitLink does not have it")
    flags = [flag for name, flag in _FLAGS.items() if given.get(name)]
    return flags + [f"{flag}{given[name]}" for name, flag in _NUMBERS.items() if name in given]


def _run(linker: Linker, options: list[str], ptx: bool) -> tuple[bytes, str, str]:
    """(code, what was written, what was written about errors)."""
    handle: Any = None
    what = f"options={options}"
    try:
        handle = library.nvJitLinkCreate(None, options)
        for i, piece in enumerate(linker.inputs):
            what = f"input={piece.name or i!r}, kind={piece.kind}"
            data = piece.code + b"\0" if piece.kind == "ptx" else piece.code
            library.nvJitLinkAddData(handle, _INPUTS[piece.kind], data, len(data), piece.name or f"input {i}")
        what = f"inputs={len(linker.inputs)}, options={options}"
        library.nvJitLinkComplete(handle)
        get: Any = library.nvJitLinkGetLinkedPtx if ptx else library.nvJitLinkGetLinkedCubin
        code = get(handle)
        made = code.encode() if ptx else bytes(code), *_logs(handle)
    except BaseException as error:
        linker.info_log, linker.error_log = _logs(handle)
        with suppress(CudaError):  # the first error is the one that matters
            if handle is not None:
                library.nvJitLinkDestroy(handle)
        raise (failed(error, linker.error_log, what) if isinstance(error, CudaError) else error) from None
    library.nvJitLinkDestroy(handle)
    return made


def _logs(handle: Any) -> tuple[str, str]:
    logs = ["", ""]
    if handle is not None:
        for i, get in enumerate((library.nvJitLinkGetInfoLog, library.nvJitLinkGetErrorLog)):
            with suppress(CudaError):  # the first error is the one that matters
                logs[i] = get(handle).rstrip("\n\0")
    return logs[0], logs[1]
