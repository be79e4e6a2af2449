"""Programs: CUDA C++ that is compiled when the program runs."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cubind import CudaError, NotSupportedError

from . import headers as places
from .arch import Arch, of_device, supported
from .cache import ProgramCache, default_cache
from .compiler import Job, run
from .includes import Closure, scan
from .object_code import ObjectCode
from .options import ProgramOptions, program_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .module import Module

    Source = str | bytes | os.PathLike[str]

TARGETS = ("auto", "ptx", "cubin", "ltoir", "optixir")
_DEFAULT_NAME = "program.cu"
_KEY_VERSION = b"1"  # of the key and the entry's form: another one finds no entry of this one
_FLAGS = {"ltoir": "--dlink-time-opt", "optixir": "--optix-ir"}
_RAW_WITH_FILES = re.compile(r"\s*--?(time|fdevice-time-trace|create[-_]pch|use[-_]pch)\b")
_WITH_FILES = ("time", "time_trace", "create_pch")  # what makes more than code: never answered from the cache


class Program:
    """A program in CUDA C++, to be compiled by NVRTC.

    source: the text, as str or bytes (UTF-8), or a `pathlib.Path` of a file.  options: a `ProgramOptions` or a dict; name:
    what the compiler calls the program in messages (default: the path, or "program.cu"); name_expressions: of templates and
    mangled names that kernels will be asked for by, e.g. "saxpy<float>"; headers: texts of headers by the name that they
    are included by, before any file of that name.

    https://docs.nvidia.com/cuda/nvrtc/index.html
    """

    def __init__(
        self,
        source: Source,
        *,
        options: ProgramOptions | Mapping[str, Any] | None = None,
        name: str | None = None,
        name_expressions: Iterable[str] | str = (),
        headers: Mapping[str, str | bytes] | None = None,
        **more_options: Any,
    ) -> None:
        self.options = program_options(options, more_options)
        path, text = (None, source) if isinstance(source, str | bytes) else _read(source)
        self.source = _text("the source", text)
        """The text."""
        self.name = _text("name", (str(path) if path else _DEFAULT_NAME) if name is None else name)
        """What the compiler calls it."""
        self.name_expressions = _expressions(name_expressions)
        self.headers = {_text("the name of a header", k): _text(f"header {k!r}", v) for k, v in (headers or {}).items()}
        self.pch_status: str | None = None
        """Whether the last compilation that asked for a precompiled header made one: "created", "not attempted", "failed"."""
        if path is None and "\n" not in self.source and Path(self.source).suffix in (".cu", ".cuh", ".cpp", ".cc"):
            raise ValueError(
                f"{self.source!r} looks like the name of a file: give a file as pathlib.Path({self.source!r})"
            )

    def compile(
        self,
        target: str = "auto",
        *,
        name_expressions: Iterable[str] | str = (),
        cancel: Callable[[], object] | None = None,
        **options: Any,
    ) -> ObjectCode:
        """Compiles the program, or takes the code from the cache.

        target: "ptx", "cubin", "ltoir", "optixir", or "auto": a cubin for the current device, and PTX where that is the
        CPU device or one that NVRTC does not know.  name_expressions: more of them.  cancel: asked now and then whether to
        stop.  options: options that are other than those of the program.

        Raises `CompileError`, with the compiler's log, for errors in the program, `CompilationCancelledError` after
        `cancel`, `NotSupportedError` for a device that NVRTC cannot compile for, TypeError and ValueError for options.
        """
        chosen = program_options(self.options, options)
        expressions = tuple(dict.fromkeys((*self.name_expressions, *_expressions(name_expressions))))
        target, arch = _plan(chosen, target)
        closure, folders = self._includes(chosen)
        key = self._key(chosen, target, arch, expressions, folders, closure)
        cache = _cache_of(chosen)
        if cache and key and (code := cache.get(key)) is not None:
            return code
        if cache and not key:
            cache.bypass()
        found = [f for f in folders if f not in _own_folders(chosen)]
        arguments = [f"--gpu-architecture={arch}", *chosen.arguments(), *(f"--include-path={f}" for f in found)]
        if target in _FLAGS and _FLAGS[target] not in arguments:
            arguments.append(_FLAGS[target])
        job = Job(self.source, self.name, self.headers, arguments, expressions, target, str(arch))
        code, self.pch_status = run(job, cancel, wants_pch=bool(chosen.pch or chosen.create_pch))
        if cache and key and self._includes(chosen)[0].files == closure.files:  # not changed in between
            cache.put(key, code)
        return code

    def _includes(self, options: ProgramOptions) -> tuple[Closure, list[str]]:
        """What is included, and the folders where it is searched; NVRTC's own headers are among them if they are needed."""
        folders, trusted = _folders(options)
        closure = self._scan(options, folders, trusted)
        is_open = options.find_headers and options.bundled_headers is None
        if is_open and any(map(places.may_be_bundled, closure.missing)) and (copy := places.bundled_folders()):
            folders, trusted = [*folders, *copy], [*trusted, *copy]
            closure = self._scan(options, folders, trusted)
        return closure, folders

    def _scan(self, options: ProgramOptions, folders: list[str], trusted: list[str]) -> Closure:
        own, files, macros = _from_arguments(options.arguments())
        return scan(
            self.source.encode(),
            beside=self._beside(options),
            given={k: v.encode() for k, v in self.headers.items()},
            files=files,
            folders=[*own, *(f for f in folders if f not in own)],
            trusted=trusted,
            macros=macros,
        )

    def _beside(self, options: ProgramOptions) -> str | None:
        """The folder that quoted includes are searched in first."""
        return None if options.source_include is False else str(Path(self.name).absolute().parent)

    def _key(
        self,
        options: ProgramOptions,
        target: str,
        arch: Arch,
        expressions: tuple[str, ...],
        folders: list[str],
        closure: Closure,
    ) -> str | None:
        """The key for the cache; None if the compilation cannot be cached."""
        raw = [options.extra] if isinstance(options.extra, str) else [*options.extra]
        if any(getattr(options, name) is not None for name in _WITH_FILES) or any(map(_RAW_WITH_FILES.match, raw)):
            return None
        if closure.unknown:
            return None
        # line information has the folder of the source in it, which for a string is the working directory
        beside = str(Path(self.name).absolute().parent) if options.lineinfo or options.debug or raw else ""
        parts: list[str | bytes] = [
            _KEY_VERSION,
            places.nvrtc_identity(),
            target,
            str(arch),
            self.name,
            beside,
            self.source,
        ]
        parts += [*expressions, "|", *options.arguments(), "|", *folders, "|"]
        parts += [*(text for pair in self.headers.items() for text in pair), "|"]
        parts += [part for pair in sorted(closure.files.items()) for part in pair]
        if options.use_pch is not None:
            parts.append(Path(options.use_pch).read_bytes())
        total = sha256()
        for part in parts:
            data = part if isinstance(part, bytes) else os.fsencode(part)
            total.update(b"%d:" % len(data) + data)
        return total.hexdigest()

    def __repr__(self) -> str:
        return f"<Program {self.name!r}, {len(self.source)} characters>"


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
    device = _current_device(options.arch is None) if options.arch is None or target == "auto" else None
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


def _current_device(needed: bool) -> Any:
    from .device import Device

    try:
        return Device()
    except CudaError as error:
        if not needed:
            return None
        error.add_note("no device to compile for was found: give the option arch, e.g. arch='sm_90'")
        raise


def _cache_of(options: ProgramOptions) -> ProgramCache | None:
    if isinstance(options.cache, ProgramCache):
        return options.cache
    if options.cache not in (None, True, False):
        raise TypeError(f"option cache: True, False, None or a ProgramCache is wanted, not {options.cache!r}")
    return None if options.cache is False else default_cache()


def _read(source: Any) -> tuple[Path, bytes]:
    if not isinstance(source, os.PathLike):
        raise TypeError(f"a program is a str, bytes or a path, not {type(source).__name__}")
    path = Path(source)
    return path, path.read_bytes()


def _text(what: str, value: str | bytes) -> str:
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{what} has a zero byte in it")
    return value


def _expressions(given: Iterable[str] | str) -> tuple[str, ...]:
    return tuple(_text("a name expression", e).strip() for e in ((given,) if isinstance(given, str) else given))


def compile(
    source: Source,
    name: str | None = None,
    *,
    name_expressions: Iterable[str] | str = (),
    headers: Mapping[str, str | bytes] | None = None,
    **options: Any,
) -> Module:
    """Compiles a program and loads it: `Program(source, name=name, **options).compile().module()`."""
    return Program(source, name=name, name_expressions=name_expressions, headers=headers, **options).compile().module()


def compile_kernel(
    source: Source, name: str, /, *, headers: Mapping[str, str | bytes] | None = None, **options: Any
) -> Any:
    """A kernel from a program: `compile_kernel(source, "saxpy<float>")`; name: a kernel's name or a name expression.

    All else is as for `compile`, `name=` too: that one is of the source, for messages.
    """
    is_expression = not name.isidentifier()
    module = compile(source, name_expressions=(name,) if is_expression else (), headers=headers, **options)
    return module.kernel(name)
