"""Limits of a context: stack, heap and the like."""

from __future__ import annotations

from cubind import driver

from .context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PREFIX = "CU_LIMIT_"


class Limits:
    """The limits of a context by their C names without the prefix, in small letters, in bytes or counts.

    `limits.stack_size = 4096` sets one; the driver may round up, so read it again.  A device that lacks a limit raises
    `NotSupportedError`; a name that does not exist is an AttributeError.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__CTX.html
    """

    __slots__ = ("_context",)
    _context: Context

    def __init__(self, context: Context) -> None:
        object.__setattr__(self, "_context", context)

    def __getattr__(self, name: str) -> int:
        with self._context:
            return int(driver.cuCtxGetLimit(self._member(name)))

    def __setattr__(self, name: str, value: int) -> None:
        member = self._member(name)
        with self._context:
            driver.cuCtxSetLimit(member, value)

    def _member(self, name: str) -> Any:
        member = None if name.startswith("_") else driver.CUlimit.__members__.get(_PREFIX + name.upper())
        if member is None or name == "max":
            raise AttributeError(f"there is no limit {name!r}: see dir(limits)", name=name, obj=self)
        return member

    def __dir__(self) -> list[str]:
        return [n.removeprefix(_PREFIX).lower() for n in driver.CUlimit.__members__ if n != _PREFIX + "MAX"]

    def __repr__(self) -> str:
        return f"<limits of {self._context!r}>"
