"""Programs: CUDA C++ that is compiled when the program runs."""

from __future__ import annotations

import os

from .options import ProgramOptions, program_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from .kernel import Kernel
    from .module import Module
    from .object_code import ObjectCode

    Source = str | bytes | os.PathLike[str]

_DEFAULT_NAME = "program.cu"


class Program:
    """A program in CUDA C++, to be compiled by NVRTC.

    source: the text, as str or bytes (UTF-8), or a `pathlib.Path` of a file.  options: a `ProgramOptions` or a dict; name:
    what the compiler calls the program in messages (default: the path, or "program.cu"); name_expressions: of templates and
    mangled names that kernels will be asked for by, e.g. "saxpy<float>"; headers: texts of headers by the name that they
    are included by, before any file of that name; more options by keyword.

    Raises TypeError and ValueError for what is no program, and for options (see `ProgramOptions`); ValueError also for
    the name of a file as str.

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
        path, text = (None, source) if isinstance(source, str | bytes) else read(source)
        self.source = _text("the source", text)
        """The text."""
        self.name = _text("name", (str(path) if path else _DEFAULT_NAME) if name is None else name)
        """What the compiler calls it."""
        self.name_expressions = _expressions(name_expressions)
        self.headers = {_text("the name of a header", k): _text(f"header {k!r}", v) for k, v in (headers or {}).items()}
        self.pch_status: str | None = None
        """Whether the last compilation that asked for a precompiled header made one: "created", "not attempted", "failed"."""
        if path is None and "\n" not in self.source and self.source.endswith((".cu", ".cuh", ".cpp", ".cc")):
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
        from .compilation import Compilation

        chosen = program_options(self.options, options)
        expressions = tuple(dict.fromkeys((*self.name_expressions, *_expressions(name_expressions))))
        code, self.pch_status = Compilation(self, chosen, expressions, target).run(cancel, self.pch_status)
        return code

    def __repr__(self) -> str:
        return f"<Program {self.name!r}, {len(self.source)} characters>"


def read(source: Any) -> tuple[Path, bytes]:
    """A file with a program: its path and what is in it."""
    if not isinstance(source, os.PathLike):
        raise TypeError(f"a program is a str, bytes or a path, not {type(source).__name__}")
    from pathlib import Path

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
    """Compiles a program and loads it: `Program(source, name=name, **options).compile().module()`.

    name_expressions, headers, options: of `Program`, which also says what is raised.
    """
    return Program(source, name=name, name_expressions=name_expressions, headers=headers, **options).compile().module()


def compile_kernel(
    source: Source, name: str, /, *, headers: Mapping[str, str | bytes] | None = None, **options: Any
) -> Kernel:
    """A kernel from a program: `compile_kernel(source, "saxpy<float>")`; name: a kernel's name or a name expression.

    headers, options: of `Program`; also `name=`, which is there that of the source, for messages.
    """
    is_expression = not name.isidentifier()
    module = compile(source, name_expressions=(name,) if is_expression else (), headers=headers, **options)
    return module.kernel(name)
