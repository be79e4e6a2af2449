"""One compilation of a program: what it is made of, whether the cache has it, and what NVRTC is told."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path

from cubind import CudaError, NotSupportedError

from . import headers as places
from .arch import Arch, of_device, supported
from .cache import ProgramCache, default_cache
from .compiler import Job, run
from .includes import Closure, scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .object_code import ObjectCode
    from .options import ProgramOptions
    from .program import Program

TARGETS = ("auto", "ptx", "cubin", "ltoir", "optixir")
_KEY_VERSION = b"1"  # of the key and the entry's form: another one finds no entry of this one
_FLAGS = {"ltoir": "--dlink-time-opt", "optixir": "--optix-ir"}
_RAW_WITH_FILES = re.compile(r"\s*--?(time|fdevice-time-trace|create[-_]pch|use[-_]pch)\b")
_WITH_FILES = ("time", "time_trace", "create_pch")  # what makes more than code: never answered from the cache


class Compilation:
    """A program with the options, name expressions and target of one call of `Program.compile`."""

    def __init__(self, program: Program, options: ProgramOptions, expressions: tuple[str, ...], target: str) -> None:
        self.program, self.options, self.expressions = program, options, expressions
        self.target, self.arch = _plan(options, target)

    def run(self, cancel: Callable[[], object] | None, pch_status: str | None) -> tuple[ObjectCode, str | None]:
        """The code, and what became of a precompiled header; `pch_status` where nothing was compiled."""
        options, program = self.options, self.program
        closure, folders = self._includes()
        key = self._key(folders, closure)
        cache = cache_of(options)
        if cache and key and (code := cache.get(key)) is not None:
            return code, pch_status
        if cache and not key:
            cache.bypass()
        found = [f for f in folders if f not in _own_folders(options)]
        arguments = [f"--gpu-architecture={self.arch}", *options.arguments(), *(f"--include-path={f}" for f in found)]
        if self.target in _FLAGS and _FLAGS[self.target] not in arguments:
            arguments.append(_FLAGS[self.target])
        job = Job(
            program.source, program.name, program.headers, arguments, self.expressions, self.target, str(self.arch)
        )
        code, pch_status = run(job, cancel, wants_pch=bool(options.pch or options.create_pch))
        if cache and key and self._includes()[0].files == closure.files:  # not changed in between
            cache.put(key, code)
        return code, pch_status

    def _includes(self) -> tuple[Closure, list[str]]:
        """What is included, and the folders where it is searched; NVRTC's own headers are among them if they are needed."""
        options = self.options
        folders, trusted = _folders(options)
        closure = self._scan(folders, trusted)
        is_open = options.find_headers and options.bundled_headers is None
        if is_open and any(map(places.may_be_bundled, closure.missing)) and (copy := places.bundled_folders()):
            folders, trusted = [*folders, *copy], [*trusted, *copy]
            closure = self._scan(folders, trusted)
        return closure, folders

    def _scan(self, folders: list[str], trusted: list[str]) -> Closure:
        own, files, macros = _from_arguments(self.options.arguments())
        return scan(
            self.program.source.encode(),
            beside=self._beside(),
            given={k: v.encode() for k, v in self.program.headers.items()},
            files=files,
            folders=[*own, *(f for f in folders if f not in own)],
            trusted=trusted,
            macros=macros,
        )

    def _beside(self) -> str | None:
        """The folder that quoted includes are searched in first."""
        return None if self.options.source_include is False else str(Path(self.program.name).absolute().parent)

    def _key(self, folders: list[str], closure: Closure) -> str | None:
        """The key for the cache; None if the compilation cannot be cached."""
        options, program = self.options, self.program
        raw = [options.extra] if isinstance(options.extra, str) else [*options.extra]
        if any(getattr(options, name) is not None for name in _WITH_FILES) or any(map(_RAW_WITH_FILES.match, raw)):
            return None
        if closure.unknown:
            return None
        # line information has the folder of the source in it, which for a string is the working directory
        beside = str(Path(program.name).absolute().parent) if options.lineinfo or options.debug or raw else ""
        parts: list[str | bytes] = [
            _KEY_VERSION,
            places.nvrtc_identity(),
            self.target,
            str(self.arch),
            program.name,
            beside,
            program.source,
        ]
        parts += [*self.expressions, "|", *options.arguments(), "|", *folders, "|"]
        parts += [*(text for pair in program.headers.items() for text in pair), "|"]
        parts += [part for pair in sorted(closure.files.items()) for part in pair]
        if options.use_pch is not None:
            parts.append(Path(options.use_pch).read_bytes())
        total = sha256()
        for part in parts:
            data = part if isinstance(part, bytes) else os.fsencode(part)
            total.update(b"%d:" % len(data) + data)
        return total.hexdigest()


def _from_arguments(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """(folders, files included before, macros) of a command line; also those given in `extra`, in every form."""
    forms = (("--include-path", "-I"), ("--pre-include", "-include"), ("--define-macro", "-D"))
    lists: tuple[list[str], list[str], list[str]] = ([], [], [])
    for i, argument in enumerate(arguments):
        for (long, short), values in zip(forms, lists, strict=True):
            if argument in (long, short):
                values.extend(arguments[i + 1 : i + 2])
            elif argument.startswith(f"{long}="):
                values.append(argument[len(long) + 1 :])
            elif argument.startswith(short):
                values.append(argument[len(short) :].removeprefix("="))
    own, files, macros = lists
    return [str(Path(f).absolute()) for f in own], [str(Path(f).absolute()) for f in files], macros


def _own_folders(options: ProgramOptions) -> list[str]:
    return _from_arguments(options.arguments())[0]


def _folders(options: ProgramOptions) -> tuple[list[str], list[str]]:
    """The folders to search, and those of them with the vendor's headers."""
    if not options.find_headers:
        return _own_folders(options), []
    found = places.found_folders()
    major, minor = places.nvrtc_version()
    if options.bundled_headers:
        bundled = places.bundled_folders()
        if not bundled:
            raise NotSupportedError(
                f"option bundled_headers: NVRTC {major}.{minor} has no copy of the headers; 13.3 and later have"
            )
        found = [*bundled, *found]
    return [*_own_folders(options), *found], found


def _plan(options: ProgramOptions, target: str) -> tuple[str, Arch]:
    """What is made, and for what architecture."""
    if target not in TARGETS:
        raise ValueError(f"target: {target!r} is none of {', '.join(map(repr, TARGETS))}")
    if options.lto and target not in ("auto", "ltoir"):
        raise ValueError(f"option lto=True makes LTO-IR, not {target!r}")
    if options.gen_opt_lto and not (options.lto or target == "ltoir"):
        raise ValueError("option gen_opt_lto needs lto=True or the target 'ltoir'")
    device = current_device(options.arch is None) if options.arch is None or target == "auto" else None
    arch = of_device(device) if options.arch is None else options.arch
    if target == "auto":
        virtual = arch.prefix == "compute_" or (device is not None and device.is_cpu)
        target = "ltoir" if options.lto else "ptx" if virtual else "cubin"
    if target == "cubin" and arch.prefix == "compute_":
        raise ValueError(
            f"{arch} is a virtual architecture, of which PTX is made; a cubin is for sm_{arch.name} or another one"
        )
    if arch.number not in supported():
        known = ", ".join(map(str, supported()))
        version = ".".join(map(str, places.nvrtc_version()))
        raise ValueError(f"arch: NVRTC {version} does not compile for {arch}; it does for {known}")
    return target, Arch("sm_" if target == "cubin" else "compute_", arch.number, arch.suffix)


def current_device(needed: bool) -> Any:
    """The device to compile for; None where there is none and none is needed."""
    from .device import Device

    try:
        return Device()
    except CudaError as error:
        if not needed:
            return None
        error.add_note("no device to compile for was found: give the option arch, e.g. arch='sm_90'")
        raise


def cache_of(options: ProgramOptions) -> ProgramCache | None:
    """The cache that the options mean."""
    if isinstance(options.cache, ProgramCache):
        return options.cache
    if options.cache not in (None, True, False):
        raise TypeError(f"option cache: True, False, None or a ProgramCache is wanted, not {options.cache!r}")
    return None if options.cache is False else default_cache()
