"""The protocols that arguments may have, for annotations and `isinstance`.

def blur(image: SupportsDLPack, stream: SupportsCudaStream) -> Array: ...
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = ["SupportsCudaArrayInterface", "SupportsCudaStream", "SupportsDLPack"]


@runtime_checkable
class SupportsCudaStream(Protocol):
    """A stream of any library: whatever takes a stream takes it.

    https://nvidia.github.io/cuda-python/cuda-core/latest/interoperability.html#cuda-stream-protocol
    """

    def __cuda_stream__(self) -> tuple[int, int]:
        """(0, the address of the stream's handle)."""
        ...


@runtime_checkable
class SupportsDLPack(Protocol):
    """An array of any library, on any device.

    https://data-apis.org/array-api/latest/API_specification/generated/array_api.array.__dlpack__.html
    """

    def __dlpack__(self, *, stream: Any = None) -> Any:
        """A capsule with the tensor; `stream`: where the consumer is going to use it."""
        ...

    def __dlpack_device__(self) -> tuple[int, int]:
        """(kind of device, its number)."""
        ...


@runtime_checkable
class SupportsCudaArrayInterface(Protocol):
    """An array in a device's memory.

    https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
    """

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Shape, typestr, data, version and what else the interface has."""
        ...
