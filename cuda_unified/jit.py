"""What the driver's own compiler and linker are told, and what they write."""

from __future__ import annotations

from cubind import driver

from ._records import dataclass, fields, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping
    from typing import Any

CACHE_MODES = ("none", "cg", "ca")
FALLBACKS = ("ptx", "binary")


@dataclass(frozen=True, kw_only=True)
class JitOptions:
    """Options of the driver for code that it compiles or links; None leaves a choice to the driver.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html (CUjit_option)
    """

    max_registers: int | None = None
    """Registers a thread may use."""
    threads_per_block: int | None = None
    """The least threads a block that the code is compiled for."""
    max_threads_per_block: int | None = None
    """The most threads a block."""
    min_blocks_per_multiprocessor: int | None = None
    """Blocks that shall fit on one multiprocessor."""
    override_directives: bool | None = None
    """The options here win over the directives in PTX."""
    optimization_level: int | None = None
    """0 to 4, the default."""
    debug: bool | None = None
    """Debug information."""
    lineinfo: bool | None = None
    """Line numbers."""
    verbose: bool | None = None
    """More in the log."""
    cache_mode: str | None = None
    """What loads of global memory cache by default: "none", "cg" (L2), "ca" (L1 and L2)."""
    target: Any = None
    """The architecture, e.g. "sm_90"; None: that of the current device."""
    fallback: str | None = None
    """What is taken from a fat binary that has no code for the device: "ptx" or "binary"."""
    position_independent: bool | None = None
    """Code that may lie anywhere."""
    split_compile: int | None = None
    """Threads that compile in parallel; 0: as many as there are CPUs."""
    loader_threads: int | None = None
    """Threads that load binaries."""
    log_size: int = 1 << 14
    """The most bytes of each log."""

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise TypeError(f"option {name}: an int is wanted, not {value!r}")
            if value is not None and not 0 <= value < 1 << 31:
                raise ValueError(f"option {name}: {value} is negative or too large")
        for name in _TRUTHS:
            if getattr(self, name) not in (None, True, False):
                raise TypeError(f"option {name}: True, False or None is wanted, not {getattr(self, name)!r}")
        for name, allowed in (("cache_mode", CACHE_MODES), ("fallback", FALLBACKS)):
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"option {name}: {getattr(self, name)!r} is none of {', '.join(map(repr, allowed))}")
        if self.optimization_level is not None and self.optimization_level > 4:
            raise ValueError(f"option optimization_level: {self.optimization_level} is not from 0 to 4")
        if self.target is not None:
            from .arch import Arch

            object.__setattr__(self, "target", Arch.of(self.target))

    def pairs(self) -> list[tuple[Any, int]]:
        """(option, value) as the driver takes them, but for the logs."""
        option = driver.CUjit_option
        made = [(getattr(option, c), int(getattr(self, n))) for n, c in _CODES if getattr(self, n) is not None]
        if self.cache_mode is not None:
            made.append((option.CU_JIT_CACHE_MODE, CACHE_MODES.index(self.cache_mode)))
        if self.fallback is not None:
            made.append((option.CU_JIT_FALLBACK_STRATEGY, FALLBACKS.index(self.fallback)))
        if self.target is not None:
            name = f"CU_TARGET_COMPUTE_{self.target.name.upper()}"
            value = getattr(driver.CUjit_target, name, None)
            if value is None:
                raise ValueError(f"option target: the driver's interface has no {name}")
            made.append((option.CU_JIT_TARGET, int(value)))
        return made


_CODES = (
    ("max_registers", "CU_JIT_MAX_REGISTERS"),
    ("threads_per_block", "CU_JIT_THREADS_PER_BLOCK"),
    ("max_threads_per_block", "CU_JIT_MAX_THREADS_PER_BLOCK"),
    ("min_blocks_per_multiprocessor", "CU_JIT_MIN_CTA_PER_SM"),
    ("override_directives", "CU_JIT_OVERRIDE_DIRECTIVE_VALUES"),
    ("optimization_level", "CU_JIT_OPTIMIZATION_LEVEL"),
    ("debug", "CU_JIT_GENERATE_DEBUG_INFO"),
    ("lineinfo", "CU_JIT_GENERATE_LINE_INFO"),
    ("verbose", "CU_JIT_LOG_VERBOSE"),
    ("position_independent", "CU_JIT_POSITION_INDEPENDENT_CODE"),
    ("split_compile", "CU_JIT_SPLIT_COMPILE"),
    ("loader_threads", "CU_JIT_BINARY_LOADER_THREAD_COUNT"),
)
_TRUTHS = ("override_directives", "debug", "lineinfo", "verbose", "position_independent")
_NUMBERS = (*(name for name, _ in _CODES if name not in _TRUTHS), "log_size")


def jit_options(options: JitOptions | Mapping[str, Any] | None, given: Mapping[str, Any]) -> JitOptions:
    """The options that a call means: an object or a dict, and single ones by keyword, which win."""
    if options is not None and not (isinstance(options, JitOptions) or hasattr(options, "keys")):
        raise TypeError(f"options: a JitOptions or a dict is wanted, not {type(options).__name__}")
    known = {f.name for f in fields(JitOptions)}
    every = {**({} if options is None or isinstance(options, JitOptions) else options), **given}
    for name in every:
        if name not in known:
            raise TypeError(f"there is no option {name!r} for the driver's compiler: {', '.join(sorted(known))}")
    return replace(options, **every) if isinstance(options, JitOptions) else JitOptions(**every)


class JitLogs:
    """The two logs, and the options with which a call of the driver writes them.

    All of it is memory of this object, which lives as long as the driver may write: a library may be compiled as late as when
    a kernel of it is needed in another context.
    """

    def __init__(self, options: JitOptions) -> None:
        from array import array

        size = options.log_size
        self._info, self._error = array("B", bytes(size)), array("B", bytes(size))
        o = driver.CUjit_option
        pairs = list(options.pairs())
        if size:
            pairs += [
                (o.CU_JIT_INFO_LOG_BUFFER, self._info.buffer_info()[0]),
                (o.CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, size),
                (o.CU_JIT_ERROR_LOG_BUFFER, self._error.buffer_info()[0]),
                (o.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, size),
            ]
        self.options = array("i", [int(option) for option, _ in pairs])
        self.values = array("Q", [value for _, value in pairs])

    @property
    def info(self) -> str:
        """What was written, errors apart."""
        return _text(self._info)

    @property
    def error(self) -> str:
        """What was written about errors."""
        return _text(self._error)


def _text(buffer: array[int]) -> str:
    return bytes(buffer).partition(b"\0")[0].decode("utf-8", "replace").rstrip()
