"""How a kernel is launched: on how many threads, with what attributes."""

from __future__ import annotations

from _operator import index

from cubind import driver

from . import _native
from ._attributes import AccessPolicy, limits_broken
from ._extend import extend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .device import Device
    from .event import Event
    from .kernel import Kernel
    from .stream import Stream


@extend
class LaunchConfig(_native.LaunchConfig):
    """How a kernel is launched.  Immutable and hashable; `replace()` makes another one.

    grid: blocks, an int or 1 to 3 of them; block: threads of a block, likewise; shared_memory: dynamic shared memory of a
    block, in bytes.  By name:

    cluster: blocks of a cluster, as grid; each of them divides the grid's (compute capability 9.0)
    cooperative: all blocks run at once and may wait for each other
    programmatic_dependent: may begin before the kernel that is before it in the stream has ended, and waits for it itself
    priority: among the kernels that are ready; as of streams
    access_policy: an `AccessPolicy`: what of memory is to stay in the L2 cache
    preferred_cluster: a larger cluster, a multiple of `cluster`, where there is room for it (compute capability 10.0)
    cluster_scheduling_policy: "default", "spread" or "load_balancing"
    portable_cluster_size_mode: "default", "require_portable" or "allow_non_portable"
    programmatic_event: an `Event` that is recorded when all blocks have triggered it; or (event, True): when they began
    launch_completion_event: an `Event` that is recorded when all blocks have begun
    memory_sync_domain: "default" or "remote"
    memory_sync_domain_map: two ints, the domains that those two mean
    shared_memory_carveout: the part of L1 wanted as shared memory, in percent
    shared_memory_mode: "default", "require_portable", "allow_non_portable" or one of the driver's oversized modes
    nvlink_centric_scheduling: spread blocks with regard to the use of NVLink

    Raises ValueError or TypeError that name the field, the value and the limit.  What only the device can tell is checked before
    the first launch on it.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__EXEC.html
    """

    __slots__ = ()

    @classmethod
    def for_size(
        cls,
        n: int | Sequence[int],
        kernel: Kernel | None = None,
        shared_memory: int = 0,
        *,
        block: int | Sequence[int] | None = None,
        **attributes: Any,
    ) -> LaunchConfig:
        """A configuration with at least one thread for each of `n` elements, in blocks.

        n: how many, or 1 to 3 ints for x, y and z: `block` must be given for more than one.  block: the threads of a block;
        without it those that occupy the current device best with `kernel`, or 256 where no kernel is given.  The kernel has to
        check its indices: the last block may have threads for which there is no element.  For n = 0 there is one block.
        """
        sizes = _indices(n)
        if block is None:
            if len(sizes) != 1:
                raise TypeError("for_size(): for more than one dimension, give the block")
            block = kernel.occupancy.max_potential_block_size(shared_memory).block if kernel else 256
        threads = _indices(block)
        if not 1 <= len(sizes) <= 3 or len(threads) > 3:
            raise ValueError(f"for_size(): 1 to 3 dimensions, not n={n!r}, block={block!r}")
        padded = threads + (1,) * (len(sizes) - len(threads))
        for size, thread in zip(sizes, padded, strict=False):
            if size < 0 or thread < 1:
                raise ValueError(f"for_size(): n={n!r}, block={block!r}: sizes are from 0, threads from 1")
        grid = tuple(max(1, -(-size // thread)) for size, thread in zip(sizes, padded, strict=False))
        return cls(grid, padded, shared_memory, **attributes)

    @property
    def cluster(self) -> tuple[int, int, int] | None:
        """Blocks of a cluster in x, y and z; None: no clusters."""
        value: tuple[int, int, int] | None = self._attribute("cluster")
        return value

    @property
    def cooperative(self) -> bool:
        """Whether all blocks run at once."""
        value: bool = self._attribute("cooperative", False)
        return value

    @property
    def programmatic_dependent(self) -> bool:
        """Whether it may begin before the kernel before it has ended."""
        value: bool = self._attribute("programmatic_dependent", False)
        return value

    @property
    def priority(self) -> int | None:
        """The priority; None: the stream's."""
        value: int | None = self._attribute("priority")
        return value

    @property
    def access_policy(self) -> AccessPolicy | None:
        """What of memory is to stay in the L2 cache."""
        value: AccessPolicy | None = self._attribute("access_policy")
        return value

    @property
    def programmatic_event(self) -> Event | tuple[Event, bool] | None:
        """The event that is recorded when all blocks have triggered it."""
        value: Event | tuple[Event, bool] | None = self._attribute("programmatic_event")
        return value

    @property
    def launch_completion_event(self) -> Event | None:
        """The event that is recorded when all blocks have begun."""
        value: Event | None = self._attribute("launch_completion_event")
        return value

    @property
    def attributes(self) -> dict[str, Any]:
        """All that was given by name and is not the default."""
        return dict(self._attributes)

    def _attribute(self, name: str, default: Any = None) -> Any:
        return next((value for known, value in self._attributes if known == name), default)

    def replace(self, **changes: Any) -> LaunchConfig:
        """The same configuration but for what is given."""
        same = {"grid": self.grid, "block": self.block, "shared_memory": self.shared_memory, **self.attributes}
        return LaunchConfig(**{**same, **changes})

    def record(self, stream: Stream | None = None) -> Any:
        """The `driver.CUlaunchConfig` of a launch on `stream`."""
        size = len(bytes(driver.CUlaunchAttribute()))
        data = self._attribute_bytes
        parts = [data[i : i + size] for i in range(0, len(data), size)]
        attributes = [driver.CUlaunchAttribute.from_buffer(bytearray(part)) for part in parts]
        grid, block = self.grid, self.block
        return driver.CUlaunchConfig(
            gridDimX=grid[0],
            gridDimY=grid[1],
            gridDimZ=grid[2],
            blockDimX=block[0],
            blockDimY=block[1],
            blockDimZ=block[2],
            sharedMemBytes=self.shared_memory,
            hStream=None if stream is None else stream.handle,
            attrs=attributes,
            numAttrs=len(attributes),
        )

    def __reduce__(self) -> Any:
        return _again, (self.grid, self.block, self.shared_memory, self.attributes)

    def __copy__(self) -> LaunchConfig:
        return self

    def __deepcopy__(self, memo: object) -> LaunchConfig:
        return self

    def __repr__(self) -> str:
        said = [f"grid={_short(self.grid)}", f"block={_short(self.block)}"]
        said += [f"shared_memory={self.shared_memory}"] * bool(self.shared_memory)
        said += [f"{name}={value!r}" for name, value in self._attributes]
        return f"LaunchConfig({', '.join(said)})"


def _indices(given: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(map(index, given if isinstance(given, (tuple, list)) else (given,)))


def _again(grid: Any, block: Any, shared_memory: int, attributes: dict[str, Any]) -> LaunchConfig:
    return LaunchConfig(grid, block, shared_memory, **attributes)


def _short(three: tuple[int, int, int]) -> int | tuple[int, ...]:
    x, y, z = three
    return three if z != 1 else (x, y) if y != 1 else x


def _check_device(config: LaunchConfig, device: Device) -> None:
    """Raises ValueError where a device can never launch this."""
    broken = limits_broken(config, device)
    if broken:
        raise ValueError(f"LaunchConfig: {broken} (device {device.ordinal})")


__all__ = ["AccessPolicy", "LaunchConfig"]
