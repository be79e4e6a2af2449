"""Architectures: what code is compiled for."""

from __future__ import annotations

from ._records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FORM = r"(sm_|compute_)?(\d{2,3})([af]?)"


@dataclass(frozen=True)
class Arch:
    """An architecture of devices; `str` of it is as it was given.

    prefix: "sm_" (machine code of these devices), "compute_" (PTX, which later devices take too) or "" where that was left
    open; number: ten times the major compute capability plus the minor one; suffix: "a" or "f" for features that only
    these devices, or only their family, have.
    """

    prefix: str
    number: int
    suffix: str = ""

    @classmethod
    def of(cls, value: Any) -> Arch:
        """From "sm_90", "compute_90", "90a", 90, (9, 0), a Device or an Arch; ValueError or TypeError for anything else."""
        if isinstance(value, Arch):
            return value
        text = value
        if hasattr(value, "compute_capability"):
            value = value.compute_capability
        if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) for v in value):
            text = "{}{}".format(*value)
        elif isinstance(value, int) and not isinstance(value, bool):
            text = str(value)
        if not isinstance(text, str):
            raise TypeError(f'arch: "sm_90", "compute_90", 90, (9, 0) or a Device is wanted, not {value!r}')
        import re

        match = re.fullmatch(_FORM, text)
        if not match:
            raise ValueError(f'arch: {value!r} is no architecture; one looks like "sm_90", "compute_100f" or "90a"')
        return cls(match[1] or "", int(match[2]), match[3])

    @property
    def name(self) -> str:
        """Number and suffix: "90a"."""
        return f"{self.number}{self.suffix}"

    def __str__(self) -> str:
        return f"{self.prefix}{self.name}"


def supported() -> list[int]:
    """The numbers of the architectures that the installed NVRTC compiles for, rising."""
    from cubind import nvrtc

    return sorted(nvrtc.nvrtcGetSupportedArchs())


def of_device(device: Any) -> Arch:
    """What to compile for a device: machine code where NVRTC knows the device, else PTX of the next earlier one it knows.

    Raises `NotSupportedError` where the device is older than all that this NVRTC knows.
    """
    from cubind import NotSupportedError

    number = Arch.of(device.compute_capability).number
    known = supported()
    if number in known:
        return Arch("", number)
    earlier = [n for n in known if n < number]
    if not earlier:
        from cubind import nvrtc

        version = ".".join(map(str, nvrtc.nvrtcVersion()))
        raise NotSupportedError(
            f"NVRTC {version} compiles for compute_{known[0]} and later, and {device!r} is sm_{number}: install an NVRTC of an "
            "earlier CUDA"
        )
    return Arch("compute_", earlier[-1])
