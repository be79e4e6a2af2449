"""Options of the runtime compiler: typed, checked before it is called, and turned into its command line.

What each option does is described at https://docs.nvidia.com/cuda/nvrtc/index.html#supported-compile-options.
"""

from __future__ import annotations

from os import PathLike, fspath

from ._records import dataclass, field, fields, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .cache import ProgramCache

    AnyPath = str | PathLike[str]
    Macro = str | tuple[str, object]

STANDARDS = ("c++03", "c++11", "c++14", "c++17", "c++20", "c++23")
WARNINGS = ("all-warnings", "reorder", "deprecated-declarations", "conversion")
FAST_COMPILE = ("0", "min", "mid", "max")
_ARCH_OPTION = r"\s*(--gpu-architecture|-arch)\b"


# ---- how a value becomes options: functions of the field's name, the flag and the value ----------------------------------


def _switch(name: str, flag: str, value: Any) -> list[str]:
    """A flag without a value: there or not."""
    return [flag] if _boolean(name, value) else []


def _off(name: str, flag: str, value: Any) -> list[str]:
    """A flag that turns off what is on by default."""
    return [] if _boolean(name, value) else [flag]


def _truth(name: str, flag: str, value: Any) -> list[str]:
    return [f"{flag}={'true' if _boolean(name, value) else 'false'}"]


def _either(name: str, flag: str, value: Any) -> list[str]:
    """--flag or --no-flag."""
    return [flag if _boolean(name, value) else flag.replace("--", "--no-", 1)]


def _number(least: int, most: int = 2**31 - 1) -> Callable[[str, str, Any], list[str]]:
    def make(name: str, flag: str, value: Any) -> list[str]:
        return [f"{flag}={_integer(name, value, least, most)}"]

    return make


def _numbers(name: str, flag: str, value: Any) -> list[str]:
    return [f"{flag}={_integer(name, v, 1, 2**31 - 1)}" for v in _several(value)]


def _one_of(*allowed: str) -> Callable[[str, str, Any], list[str]]:
    def make(name: str, flag: str, value: Any) -> list[str]:
        for v in _several(value):
            if v not in allowed:
                raise ValueError(f"option {name}: {v!r} is none of {', '.join(map(repr, allowed))}")
        return [f"{flag}={v}" for v in _several(value)]

    return make


def _text(name: str, flag: str, value: Any) -> list[str]:
    return [f"{flag}={_string(name, v)}" for v in _several(value)]


def _path(name: str, flag: str, value: Any) -> list[str]:
    """Paths are made absolute: what a compilation finds must not depend on where the process stands."""
    return [f"{flag}={absolute(name, v)}" for v in _several(value)]


def _trace(name: str, flag: str, value: Any) -> list[str]:
    return [f"{flag}=-"] if value == "-" else _path(name, flag, value)


def _macros(name: str, flag: str, value: Any) -> list[str]:
    pairs = value.items() if hasattr(value, "items") else _several(value)
    made = []
    for pair in pairs:
        if not isinstance(pair, str) and not (isinstance(pair, tuple) and len(pair) == 2):
            raise TypeError(f"option {name}: a str or a pair is wanted, not {pair!r}")
        macro, content = (pair, None) if isinstance(pair, str) else pair
        if isinstance(content, bool):
            content = int(content)
        macro = _string(name, macro)
        made.append(f"{flag}{macro}" if content is None else f"{flag}{macro}={content}")
    return made


def _several(value: Any) -> Iterable[Any]:
    return (value,) if isinstance(value, str | bytes | int | float | PathLike) else tuple(value)


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"option {name}: True, False or None is wanted, not {value!r}")
    return value


def _integer(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"option {name}: an int is wanted, not {value!r}")
    number = value.__index__()
    if not least <= number <= most:
        raise ValueError(f"option {name}: {number} is not from {least} to {most}")
    return int(number)


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"option {name}: a str is wanted, not {value!r}")
    if "\0" in value:
        raise ValueError(f"option {name}: a zero byte in {value!r}")
    return value


def absolute(name: str, value: Any) -> str:
    """A path option as NVRTC gets it."""
    if not isinstance(value, str | PathLike):
        raise TypeError(f"option {name}: a path is wanted, not {value!r}")
    from pathlib import Path

    return str(Path(_string(name, fspath(value))).absolute())


def _option(flag: str, make: Callable[[str, str, Any], list[str]]) -> Any:
    return field(default=None, metadata={"flag": flag, "make": make})


@dataclass(frozen=True, kw_only=True)
class ProgramOptions:
    """What the compiler is told.  None leaves a choice to NVRTC; paths may be str or `os.PathLike`, lists any iterable.

    Raises TypeError for an unknown option or a value of the wrong type, and ValueError for a value that NVRTC does not know
    and for options that contradict each other, all before anything is compiled.

    https://docs.nvidia.com/cuda/nvrtc/index.html#supported-compile-options
    """

    # ---- for what
    arch: Any = None
    """The architecture: "sm_90", "compute_90", "90a", 90, (9, 0), a Device; None: that of the current device."""
    std: str | None = _option("--std", _one_of(*STANDARDS))
    """The C++ standard, "c++11" to "c++23"; NVRTC's default is C++17."""
    cuda_api_version: str | None = _option("--cuda-api-version", _text)
    """major.minor of the CUDA API whose declarations the program sees."""

    # ---- macros and files
    defines: Mapping[str, object] | Iterable[Macro] | str | None = _option("-D", _macros)
    """Macros: {"N": 8, "FAST": None}, ["N=8", "FAST"] or [("N", 8)]; None as value defines the macro as 1."""
    undefines: Iterable[str] | str | None = _option("--undefine-macro", _text)
    """Macros that are not defined."""
    include_paths: Iterable[AnyPath] | AnyPath | None = _option("--include-path", _path)
    """Folders in which includes are searched, before those that are found automatically."""
    pre_includes: Iterable[AnyPath] | AnyPath | None = _option("--pre-include", _path)
    """Files that are included before the program."""
    source_include: bool | None = _option("--no-source-include", _off)
    """False: the folder of the source (the working directory for a string) is not searched."""
    find_headers: bool = True
    """Whether CUDA's own headers (`<cuda_fp16.h>`, `<cuda/std/atomic>`) are found: in wheels, toolkits and NVRTC itself."""
    bundled_headers: bool | None = None
    """NVRTC's own copy of the CUDA and CCCL headers: True first, False never, None where nothing else has a header."""

    # ---- code that is made
    relocatable: bool | None = _option("--relocatable-device-code", _truth)
    """Code that is linked with other code afterwards (separate compilation)."""
    extensible_whole_program: bool | None = _option("--extensible-whole-program", _switch)
    """Whole-program code that may call functions of the device runtime."""
    lto: bool | None = _option("--dlink-time-opt", _switch)
    """LTO-IR for a linker that optimizes; implied by the target "ltoir"."""
    gen_opt_lto: bool | None = _option("--gen-opt-lto", _switch)
    """Optimizes before LTO-IR is made."""
    debug: bool | None = _option("--device-debug", _switch)
    """Debug information; turns optimization off unless `optimize` is True."""
    optimize: bool | None = _option("--dopt=on", _switch)
    """True: optimizes also with `debug`."""
    lineinfo: bool | None = _option("--generate-line-info", _switch)
    """Line numbers for profilers and for error reports of the CPU device."""
    lineinfo_inlined_at: bool | None = _option("--no-lineinfo-inlined-at", _off)
    """False: line information without where functions were inlined."""
    numba_debug: bool | None = _option("--numba-debug", _switch)
    """The form of debug information that Numba needs."""
    max_registers: int | None = _option("--maxrregcount", _number(1, 255))
    """Registers a thread may use, 1 to 255; where a cubin is made (for PTX it is one of `JitOptions`)."""
    ptxas_options: Iterable[str] | str | None = _option("--ptxas-options", _text)
    """Options for the assembler, each one word; only where a cubin is made."""
    restrict: bool | None = _option("--restrict", _switch)
    """All pointer parameters of kernels are restrict pointers."""
    split_compile: int | None = _option("--split-compile", _number(0))
    """Threads that optimize in parallel; 0: as many as there are CPUs."""
    ofast_compile: str | None = _option("--Ofast-compile", _one_of(*FAST_COMPILE))
    """Compile speed rather than code speed: "0", "min", "mid", "max"."""
    jump_table_density: int | None = _option("--jump-table-density", _number(0, 101))
    """Percentage of cases from which on a switch becomes a jump table; 101: never."""
    extra_device_vectorization: bool | None = _option("--extra-device-vectorization", _switch)
    """Vectorizes more."""
    stack_protector: bool | None = _option("--device-stack-protector", _truth)
    """Checks of the stack in device code."""
    modify_stack_limit: bool | None = _option("--modify-stack-limit", _truth)
    """False: NVRTC leaves the stack limit of the process alone while it compiles (it raises it)."""
    discard_value_names: bool | None = _option("--discard-value-names", _truth)
    """Names of values in the intermediate code are dropped."""
    random_seed: str | int | None = _option("--frandom-seed", lambda n, f, v: [f"{f}={v}"])
    """Seed of the names that are made up for internal symbols."""
    version_ident: bool | None = _option("--version-ident", _truth)
    """The compiler's version is written into the code."""

    # ---- arithmetic
    ftz: bool | None = _option("--ftz", _truth)
    """Flushes subnormal single-precision numbers to zero."""
    prec_sqrt: bool | None = _option("--prec-sqrt", _truth)
    """Correctly rounded square roots (the default) or fast ones."""
    prec_div: bool | None = _option("--prec-div", _truth)
    """Correctly rounded quotients (the default) or fast ones."""
    fma: bool | None = _option("--fmad", _truth)
    """Contracts multiplications and additions (the default)."""
    fast_math: bool | None = _option("--use_fast_math", _switch)
    """ftz, prec_div=False, prec_sqrt=False, and intrinsics in place of sinf and others."""
    associative_math: bool | None = _option("--fassociative-math", _switch)
    """Sums and products may be reordered."""
    signed_zeros: bool | None = _option("--fno-signed-zeros", _off)
    """False: the sign of zero does not matter."""
    finite_math_only: bool | None = _option("--ffinite-math-only", _switch)
    """No infinities and NaNs occur."""

    # ---- language
    device_as_default_execution_space: bool | None = _option("--device-as-default-execution-space", _switch)
    """Functions and variables without annotation are for the device."""
    int128: bool | None = _option("--device-int128", _switch)
    """`__int128` in device code."""
    float128: bool | None = _option("--device-float128", _switch)
    """`__float128` in device code; compute capability 10.0 or later."""
    builtin_move_forward: bool | None = _option("--builtin-move-forward", _truth)
    """Declarations of std::move and std::forward (the default from C++11 on)."""
    builtin_initializer_list: bool | None = _option("--builtin-initializer-list", _truth)
    """Declarations of std::initializer_list (the default from C++11 on)."""
    minimal: bool | None = _option("--minimal", _switch)
    """Leaves out features such as textures and math functions, to compile faster."""
    syntax_only: bool | None = _option("--fdevice-syntax-only", _switch)
    """Only checks; no code is made."""
    enable_tile: bool | None = _option("--enable-tile", _switch)
    """Tile functions in the program."""
    tile_only: bool | None = _option("--tile-only", _switch)
    """Code of tile functions alone."""
    simt_only: bool | None = _option("--simt-only", _switch)
    """Code of SIMT functions alone."""
    skip_tile_packaging: bool | None = _option("--skip-cuda-tile-packaging", _switch)
    """Tile code is left by itself."""
    diagnose_implicit_tile_var: bool | None = _option("--diagnose-implicit-tile-var", _switch)
    """Reports variables that become tile variables implicitly."""

    # ---- diagnostics
    disable_warnings: bool | None = _option("--disable-warnings", _switch)
    """Errors alone."""
    warnings_as_errors: Iterable[str] | str | None = _option("--warning-as-error", _one_of(*WARNINGS))
    """Kinds of warnings that are errors: "all-warnings", "reorder", "deprecated-declarations", "conversion"."""
    warn_reorder: bool | None = _option("--Wreorder", _switch)
    """Warns where members are initialized in another order than declared."""
    warn_conversion: bool | None = _option("--Wconversion", _switch)
    """Warns where a conversion may change a value."""
    diag_error: Iterable[int] | int | None = _option("--diag-error", _numbers)
    """Numbers of diagnostics that are errors."""
    diag_warn: Iterable[int] | int | None = _option("--diag-warn", _numbers)
    """Numbers of diagnostics that are warnings."""
    diag_suppress: Iterable[int] | int | None = _option("--diag-suppress", _numbers)
    """Numbers of diagnostics that are not shown."""
    display_error_number: bool | None = _option("--display-error-number", _either)
    """Shows the numbers of diagnostics (the default)."""
    brief_diagnostics: bool | None = _option("--brief-diagnostics", _truth)
    """Diagnostics without the source line."""
    max_errors: int | None = _option("--fmax-errors", _number(1))
    """Errors after which the compiler stops."""
    optimization_info: str | None = _option("--optimization-info", _one_of("inline"))
    """Remarks of an optimization: "inline"."""
    time: AnyPath | None = _option("--time", _trace)
    """A file for the times of the phases, comma-separated; "-": the log."""
    time_trace: AnyPath | None = _option("--fdevice-time-trace", _trace)
    """A file for a trace of the compilation, JSON for trace viewers; the suffix .json is added."""

    # ---- precompiled headers
    pch: bool | None = _option("--pch", _switch)
    """Precompiled headers, made and used automatically."""
    create_pch: AnyPath | None = _option("--create-pch", _path)
    """A file to write a precompiled header to."""
    use_pch: AnyPath | None = _option("--use-pch", _path)
    """A precompiled header to use."""
    pch_dir: AnyPath | None = _option("--pch-dir", _path)
    """The folder of precompiled headers."""
    pch_verbose: bool | None = _option("--pch-verbose", _truth)
    """Says why a precompiled header was not used."""
    pch_messages: bool | None = _option("--pch-messages", _truth)
    """Says when a precompiled header is made or used (the default)."""
    instantiate_templates_in_pch: bool | None = _option("--instantiate-templates-in-pch", _truth)
    """Templates are instantiated before a precompiled header is written."""

    # ---- caches and the rest
    no_cache: bool | None = _option("--no-cache", _switch)
    """NVRTC's own cache is not used."""
    cache: bool | ProgramCache | None = None
    """The cache of compiled programs: None or True the default one, False none, or a `ProgramCache`."""
    extra: Iterable[str] | str = ()
    """Options as NVRTC takes them, after all others and unchecked."""

    def __post_init__(self) -> None:
        for name in ("find_headers",):
            _boolean(name, getattr(self, name))
        if self.bundled_headers is not None:
            _boolean("bundled_headers", self.bundled_headers)
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and hasattr(value, "__next__"):  # an iterator would be used up by the first look
                object.__setattr__(self, f.name, tuple(value))
        if self.arch is not None:
            from .arch import Arch

            object.__setattr__(self, "arch", Arch.of(self.arch))
        self.arguments()
        self._check()

    def _check(self) -> None:
        """Raises ValueError where options contradict each other."""
        if self.fast_math:
            for name, wanted in (("ftz", True), ("prec_div", False), ("prec_sqrt", False)):
                if getattr(self, name) not in (None, wanted):
                    raise ValueError(f"options fast_math=True and {name}={not wanted} contradict each other")
        import re

        if any(re.match(_ARCH_OPTION, o) for o in _several(self.extra)):
            raise ValueError("option extra: give the option arch for the architecture")
        for one, other in (
            ("create_pch", "use_pch"),
            ("pch", "create_pch"),
            ("pch", "use_pch"),
            ("tile_only", "simt_only"),
        ):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"options {one} and {other} exclude each other")
        for name, needed in (("numba_debug", "debug"), ("optimize", "debug")):
            if getattr(self, name) and not getattr(self, needed):
                raise ValueError(f"option {name} needs {needed}=True")
        if self.bundled_headers and not self.find_headers:
            raise ValueError("options bundled_headers=True and find_headers=False contradict each other")
        if self.float128 and self.arch is not None and self.arch.number < 100:
            raise ValueError(f"option float128 needs compute capability 10.0 or later, not {self.arch}")

    def arguments(self) -> list[str]:
        """The options as NVRTC takes them, but for the architecture, which depends on what is made, and found folders."""
        made = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.metadata and value is not None:
                made += f.metadata["make"](f.name, f.metadata["flag"], value)
        return made + [_string("extra", v) for v in _several(self.extra)]

    def having(self, **changes: Any) -> ProgramOptions:
        """A copy with some options changed."""
        check_names(changes)
        return replace(self, **changes)


def check_names(given: Iterable[str]) -> None:
    """Raises TypeError for a name that is no option, with the likeliest that is."""
    known = [f.name for f in fields(ProgramOptions)]
    for name in given:
        if name not in known:
            from difflib import get_close_matches

            close = get_close_matches(_OTHER_NAMES.get(name, name), known, 1, 0.6)
            hint = f"; did you mean {close[0]}?" if close else "; any option of NVRTC can be given in `extra`"
            raise TypeError(f"there is no option {name!r}{hint}")


def program_options(options: ProgramOptions | Mapping[str, Any] | None, given: Mapping[str, Any]) -> ProgramOptions:
    """The options that a call means: an object or a dict of them, and single ones by keyword, which win."""
    if options is None or not isinstance(options, ProgramOptions):
        if options is not None and not hasattr(options, "keys"):
            raise TypeError(f"options: a ProgramOptions or a dict is wanted, not {type(options).__name__}")
        given = {**(options or {}), **given}
        options = None
    check_names(given)
    return ProgramOptions(**given) if options is None else replace(options, **given) if given else options


_OTHER_NAMES = {
    "relocatable_device_code": "relocatable",
    "rdc": "relocatable",
    "link_time_optimization": "lto",
    "dlto": "lto",
    "max_register_count": "max_registers",
    "maxrregcount": "max_registers",
    "use_fast_math": "fast_math",
    "fmad": "fma",
    "define_macro": "defines",
    "undefine_macro": "undefines",
    "include_path": "include_paths",
    "pre_include": "pre_includes",
    "use_bundled_headers": "bundled_headers",
    "no_source_include": "source_include",
    "device_code_optimize": "optimize",
    "no_display_error_number": "display_error_number",
    "fdevice_syntax_only": "syntax_only",
    "fdevice_time_trace": "time_trace",
    "frandom_seed": "random_seed",
    "device_int128": "int128",
    "device_float128": "float128",
    "Werror": "warnings_as_errors",
}
"""what NVRTC and other packages call an option -> its name here, for suggestions"""
