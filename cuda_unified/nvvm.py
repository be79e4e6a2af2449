"""Programs in NVVM IR, as compilers of other languages make them: compiled by libNVVM, to what `Program` gives too."""

from __future__ import annotations

from cubind import CudaError, NotFoundError, NotSupportedError
from cubind import nvvm as library

from ._light import suppress
from ._records import fields
from .arch import Arch
from .errors import CompileError, with_log
from .object_code import ObjectCode
from .options import ProgramOptions, program_options
from .program import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from .program import Source

_KEY_VERSION = b"nvvm 1"  # of the key and the entry's form: another one finds no entry of this one
_SWITCHES = {"debug": "-g", "lineinfo": "-generate-line-info"}
_CHOICES = {"ftz": "-ftz", "prec_sqrt": "-prec-sqrt", "prec_div": "-prec-div", "fma": "-fma"}
_OPTIONS = {"arch", "optimize", "lto", "cache", "extra", *_SWITCHES, *_CHOICES}
_IN_THE_IR = (
    library.nvvmResult.NVVM_ERROR_COMPILATION,
    library.nvvmResult.NVVM_ERROR_INVALID_IR,
    library.nvvmResult.NVVM_ERROR_IR_VERSION_MISMATCH,
)


class NvvmProgram:
    """A program in NVVM IR, to be compiled by libNVVM, which the package nvidia-nvvm has.

    source: the IR, text or bitcode, as str, bytes or a `pathlib.Path` of a file.  modules: more of it by name, which is linked
    to it.  libdevice: whether what the program uses of NVIDIA's device library (`__nv_sinf` …) is linked in; True, or a path
    where it does not lie beside libNVVM.  name: what messages call the source (default: the path, or "program.ll").
    options: a `ProgramOptions` or a dict; more options by keyword: arch, debug, optimize, lineinfo, lto, ftz, prec_sqrt,
    prec_div, fma, cache, extra.

    Raises TypeError for what is no program, ValueError for a module with the program's name, `NotSupportedError` for options
    that libNVVM does not have, and for options what `ProgramOptions` does.

    https://docs.nvidia.com/cuda/libnvvm-api/index.html
    """

    def __init__(
        self,
        source: Source,
        *,
        modules: Mapping[str, Source] | None = None,
        libdevice: bool | str | Path = False,
        name: str | None = None,
        options: ProgramOptions | Mapping[str, Any] | None = None,
        **more_options: Any,
    ) -> None:
        self.options = _checked(program_options(options, more_options))
        path, ir = _ir(source)
        self.name = name or (str(path) if path else "program.ll")
        """What messages call it."""
        self.modules = {self.name: ir}
        """name -> IR, the program's own first."""
        for other, more in (modules or {}).items():
            if other in self.modules:
                raise ValueError(f"modules: {other!r} is the name of the program itself")
            self.modules[other] = _ir(more)[1]
        self.libdevice = libdevice

    def compile(self, target: str = "auto", **options: Any) -> ObjectCode:
        """Compiles the program, or takes the code from the cache.

        target: "ptx", "ltoir", or "auto": LTO-IR with the option lto, PTX without.  options: options that are other than
        those of the program; without arch it is compiled for the current device.  A linker of LTO-IR drops the kernels that
        are not in `@llvm.used`.

        Raises `CompileError`, with libNVVM's log, for errors in the IR, `InvalidValueError` for an architecture that libNVVM
        does not know, `NotFoundError` where there is no libdevice, `LibraryNotFoundError` where there is no libNVVM,
        TypeError and ValueError for options.
        """
        from .compilation import cache_of, current_device

        chosen = _checked(program_options(self.options, options))
        if target not in ("auto", "ptx", "ltoir"):
            raise ValueError(f"target: {target!r} is none of 'auto', 'ptx', 'ltoir'")
        if chosen.lto and target == "ptx":
            raise ValueError("option lto=True makes LTO-IR, not 'ptx'")
        kind = "ltoir" if chosen.lto or target == "ltoir" else "ptx"
        given = chosen.arch or Arch.of(current_device(needed=True))
        arch = Arch("compute_", given.number, given.suffix)
        arguments = [*_arguments(chosen, arch), *(["-gen-lto"] if kind == "ltoir" else [])]
        extras = {"libdevice": _libdevice(self.libdevice)} if self.libdevice else {}
        cache, key = cache_of(chosen), self._key(arguments, extras)
        if cache and (known := cache.get(key)) is not None:
            return known
        code = self._run(arguments, extras, kind, str(arch))
        if cache:
            cache.put(key, code)
        return code

    def _key(self, arguments: list[str], extras: Mapping[str, bytes]) -> str:
        from hashlib import sha256

        from .headers import identity

        version = identity("libnvvm", library.nvvmVersion())
        parts: list[str | bytes] = [_KEY_VERSION, version, *arguments, "|"]
        for modules in (self.modules, extras):
            parts += [*(part for pair in modules.items() for part in pair), "|"]
        total = sha256()
        for part in parts:
            data = part if isinstance(part, bytes) else part.encode()
            total.update(b"%d:" % len(data) + data)
        return total.hexdigest()

    def _run(self, arguments: list[str], extras: Mapping[str, bytes], kind: str, arch: str) -> ObjectCode:
        program = library.nvvmCreateProgram()
        try:
            for name, ir in self.modules.items():
                library.nvvmAddModuleToProgram(program, ir, len(ir), name)
            for name, ir in extras.items():  # of which only what is used is taken
                library.nvvmLazyAddModuleToProgram(program, ir, len(ir), name)
            library.nvvmCompileProgram(program, None, arguments)
            code = library.nvvmGetCompiledResult(program)
            made = ObjectCode(code, kind, self.name, arch, log=_log(program))
        except BaseException as error:
            log = _log(program)
            with suppress(CudaError):  # the first error is the one that matters
                library.nvvmDestroyProgram(program)
            raise (self._failed(error, log, arguments) if isinstance(error, CudaError) else error) from None
        library.nvvmDestroyProgram(program)
        return made

    def _failed(self, error: CudaError, log: str, arguments: list[str]) -> CudaError:
        if error.code in _IN_THE_IR:
            made = CompileError(error.code, error.function)
            with suppress(UnicodeDecodeError):  # bitcode has no lines
                made.source = self.modules[self.name].decode()
            error = made
        return with_log(error, log, f"name={self.name!r}, options={arguments}")

    def __repr__(self) -> str:
        return f"<NvvmProgram {self.name!r}, {len(self.modules)} modules>"


def _ir(source: Source) -> tuple[Path | None, bytes]:
    path, text = (None, source) if isinstance(source, str | bytes) else read(source)
    return path, text.encode() if isinstance(text, str) else bytes(text)


def _checked(options: ProgramOptions) -> ProgramOptions:
    for f in fields(options):
        if f.name not in _OPTIONS and getattr(options, f.name) != f.default:
            raise NotSupportedError(f"option {f.name} is for CUDA C++: libNVVM does not have it")
    return options


def _arguments(options: ProgramOptions, arch: Arch) -> list[str]:
    def given() -> Iterator[str]:
        yield f"-arch={arch}"
        for name, flag in _SWITCHES.items():
            if getattr(options, name):
                yield flag
        if options.debug and not options.optimize:
            yield "-opt=0"
        for name, flag in _CHOICES.items():
            value = getattr(options, name)
            if value is not None:
                yield f"{flag}={int(value)}"
        yield from [options.extra] if isinstance(options.extra, str) else options.extra

    return list(given())


def _libdevice(where: bool | str | Path) -> bytes:
    """NVIDIA's device library as bitcode: in a wheel beside the library, in a toolkit in a folder of its own."""
    from pathlib import Path

    from .headers import loaded

    if not isinstance(where, bool):
        return Path(where).read_bytes()
    library.nvvmVersion()  # loads it
    beside = [folder for path in loaded("libnvvm") for folder in (path.parents[1] / "nvvm", path.parents[1])]
    for folder in beside:
        for file in sorted((folder / "libdevice").glob("libdevice.*.bc")):
            return file.read_bytes()
    searched = ", ".join(str(folder / "libdevice") for folder in beside)
    raise NotFoundError(f"there is no libdevice.*.bc in {searched}: give its path as libdevice=")


def _log(program: Any) -> str:
    with suppress(CudaError):  # the first error is the one that matters
        return str(library.nvvmGetProgramLog(program)).rstrip("\0\n")
    return ""
