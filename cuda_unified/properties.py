"""Device attributes, by name."""

from __future__ import annotations

from cubind import driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PREFIX = "CU_DEVICE_ATTRIBUTE_"


class DeviceProperties:
    """Every attribute that the driver knows of a device: `properties.max_threads_per_block`; `dir()` lists them.

    An attribute has its C name without the prefix, in small letters.  The value is an int, and is kept once it was read.  A
    driver that is older than an attribute raises `InvalidValueError`; a name that does not exist is an AttributeError.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__DEVICE.html
    """

    def __init__(self, ordinal: int) -> None:
        self._ordinal = ordinal

    def __getattr__(self, name: str) -> int:
        member = None if name.startswith("_") else driver.CUdevice_attribute.__members__.get(_PREFIX + name.upper())
        if member is None or name == "max":
            raise AttributeError(f"there is no device attribute {name!r}", name=name, obj=self)
        value = int(driver.cuDeviceGetAttribute(member, self._ordinal))
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        return [n.removeprefix(_PREFIX).lower() for n in driver.CUdevice_attribute.__members__ if n != _PREFIX + "MAX"]

    def items(self) -> dict[str, int]:
        """All that this driver knows, name -> value."""
        found: dict[str, int] = {}
        for name in dir(self):
            try:
                found[name] = getattr(self, name)
            except driver_errors():
                continue
        return found

    def __repr__(self) -> str:
        return f"<properties of device {self._ordinal}>"


def driver_errors() -> Any:
    """What a driver says of an attribute that it does not know."""
    from cubind import InvalidValueError, NotSupportedError

    return InvalidValueError, NotSupportedError
