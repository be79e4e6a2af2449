"""Kernels: functions of a module that a device runs."""

from __future__ import annotations

from cubind import CudaError, InvalidValueError, NotSupportedError, driver

from . import _native
from . import config as _config  # noqa: F401 (what C makes of kernel[...] is whole only with these two)
from . import launcher as _launcher  # noqa: F401
from ._extend import extend
from ._light import Generic, TypeVar, nullcontext, overload
from ._records import NamedTuple
from .device import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from .config import LaunchConfig


T = TypeVar("T")


class Parameter(NamedTuple):
    """Where a parameter lies in the block of a launch: `offset` and `size` in bytes."""

    offset: int
    size: int


@extend
class Kernel(_native.Kernel):
    """A kernel; `Module.kernel()` makes one.

        kernel[grid, block](a, b, 2.5)                         # on the current stream
        kernel[grid, block, stream, shared_memory](a, b, 2.5)
        kernel[config, stream](a, b, 2.5)
        launch(stream, config, kernel, a, b, 2.5)
        again = kernel.bind(stream, config, a, b, 2.5)         # packed once, for loops: again(); again.set(2, 3.5)

    What arguments may be, and what is raised: see `launch`.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__LIBRARY.html
    """

    __slots__ = ()

    @classmethod
    def from_handle(cls, handle: Any, *, owner: object = None, is_function: bool | None = None) -> Kernel:
        """A kernel that somebody else owns (`owner` is kept alive).

        handle: a `driver.CUkernel`, a `driver.CUfunction`, or an int: then `is_function` says which of the two it is
        (default: a CUkernel).  TypeError: it is neither, or not what `is_function` says.
        """
        known = {driver.CUkernel: False, driver.CUfunction: True}.get(type(handle))
        if known is None and isinstance(handle, int) and not isinstance(handle, bool):
            known = bool(is_function)
        if known is None or is_function not in (None, known):
            want = "a driver.CUkernel, a driver.CUfunction or an int"
            raise TypeError(f"from_handle(): {want} is wanted, not {handle!r} with is_function={is_function}")
        kernel: Kernel = _native.Kernel._make(int(handle), None, owner, is_function=known)
        return kernel

    @property
    def handle(self) -> driver.CUkernel | driver.CUfunction:
        """The `driver.CUkernel` or `driver.CUfunction`."""
        return (driver.CUfunction if self.is_function else driver.CUkernel)(self.address)

    @property
    def parameters(self) -> tuple[Parameter, ...] | None:
        """Offset and size of each parameter; None where the driver does not tell (before CUDA 12.4)."""
        with _context_for(self):
            told = self._parameters()
        return None if told is None else tuple(Parameter(offset, size) for offset, size, _ in told)

    @property
    def attributes(self) -> KernelAttributes:
        """What the kernel needs and is allowed, on the current device; `attributes[device]` on another one."""
        return KernelAttributes(self, None)

    @property
    def occupancy(self) -> KernelOccupancy:
        """How many of its blocks run at once, on the current device; `occupancy[device]` on another one."""
        return KernelOccupancy(self, None)

    @property
    def max_threads_per_block(self) -> int:
        """The most threads a block may have on the current device: registers and `__launch_bounds__` limit it."""
        return self.attributes.max_threads_per_block

    @property
    def num_regs(self) -> int:
        """Registers of a thread on the current device."""
        return self.attributes.num_regs

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """The most dynamic shared memory, in bytes, that a launch on the current device may ask for; settable."""
        return self.attributes.max_dynamic_shared_size_bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        self.attributes.max_dynamic_shared_size_bytes = size

    if not TYPE_CHECKING:  # for type checkers, and for people, a kernel is not callable

        def __call__(self, *args: object, **_: object) -> None:
            raise TypeError(
                f"{self.cxx_name}: a kernel is launched with a grid and a block: kernel[grid, block](...), "
                "kernel[config, stream](...) or launch(stream, config, kernel, ...); LaunchConfig.for_size(n, kernel) "
                "is a config for n threads"
            )

    def __repr__(self) -> str:
        state = ", closed" if self.is_closed else ""
        return f"<Kernel {self.cxx_name}{state}>"


def _context_for(kernel: Kernel) -> Any:
    """Of a CUfunction the driver speaks only where a context is current."""
    return Device().context if kernel.is_function else nullcontext()


def _name_of(kernel: Kernel) -> str | None:
    """The name that the driver has for a kernel; None where it has none or is too old."""
    get: Any = driver.cuFuncGetName if kernel.is_function else driver.cuKernelGetName
    try:
        with _context_for(kernel):
            name: str | None = get(kernel.handle)
    except CudaError:
        return None
    return name


class _PerDevice:
    """What a kernel has on each device: that of the current one, `self[device]` of another."""

    __slots__ = ("_device", "_kernel")
    _kernel: Kernel
    _device: Device | None

    def __init__(self, kernel: Kernel, device: Device | None) -> None:
        object.__setattr__(self, "_kernel", kernel)
        object.__setattr__(self, "_device", device)

    def __getitem__(self, device: Device | int) -> Self:
        return type(self)(self._kernel, Device(device))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._kernel.name} on device {self.device.ordinal}>"

    @property
    def device(self) -> Device:
        """The device."""
        return self._device or Device()

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Calls the driver with the device's context; an error names the kernel and what was asked."""
        from . import errors

        device = self.device
        with device.context:
            try:
                return function(*arguments)
            except CudaError as error:
                if error.code is None:
                    raise
                asked = {"kernel": self._kernel.cxx_name, **named, "device": device.ordinal}
                text = ", ".join(f"{name}={value}" for name, value in asked.items())
                raise errors.from_status(error.code, error.function or "", text) from None


def _attribute_name(name: str) -> str:
    return f"CU_FUNC_ATTRIBUTE_{name.upper()}"


class _Attribute(Generic[T]):
    """One attribute of a kernel: an int, a bool where it answers a question, or a member of an enum of the driver."""

    def __init__(self, kind: Callable[[int], T], doc: str, *, settable: bool = False) -> None:
        self.__doc__ = doc + ("  Settable." if settable else "")
        self.kind, self.settable = kind, settable

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, attributes: None, owner: type | None = None) -> _Attribute[T]: ...
    @overload
    def __get__(self, attributes: KernelAttributes, owner: type | None = None) -> T: ...
    def __get__(self, attributes: KernelAttributes | None, owner: type | None = None) -> _Attribute[T] | T:
        return self if attributes is None else self.kind(attributes._get(self.name))

    def __set__(self, attributes: KernelAttributes, value: Any) -> None:
        if not self.settable:
            raise AttributeError(f"{self.name} of a kernel can be read, not set")
        attributes._set(self.name, value)


class KernelAttributes(_PerDevice):
    """The attributes of a kernel on a device.

    Setting one holds for all launches on that device from then on.  `dict(attributes)` has those that the driver knows.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__LIBRARY.html
    """

    __slots__ = ()

    max_threads_per_block = _Attribute(int, "The most threads of a block.")
    shared_size_bytes = _Attribute(int, "Static shared memory of a block, in bytes.")
    const_size_bytes = _Attribute(int, "Constant memory that the program asked for, in bytes.")
    local_size_bytes = _Attribute(int, "Local memory of a thread, in bytes.")
    num_regs = _Attribute(int, "Registers of a thread.")
    ptx_version = _Attribute(int, "The PTX version that it was compiled for: 10 * major + minor.")
    binary_version = _Attribute(int, "The architecture that its machine code is for: 10 * major + minor.")
    cache_mode_ca = _Attribute(bool, "Whether it was compiled to cache global loads in L1 by default.")
    max_dynamic_shared_size_bytes = _Attribute(
        int,
        "The most dynamic shared memory of a block, in bytes; more than 48 KB must be allowed here first.",
        settable=True,
    )
    preferred_shared_memory_carveout = _Attribute(
        int, "The part of L1 wanted as shared memory, in percent; -1: the driver chooses.", settable=True
    )
    cluster_size_must_be_set = _Attribute(bool, "Whether a launch must give a cluster size.")
    required_cluster_width = _Attribute(int, "The cluster size required in x, in blocks; 0: none.", settable=True)
    required_cluster_height = _Attribute(int, "The cluster size required in y, in blocks; 0: none.", settable=True)
    required_cluster_depth = _Attribute(int, "The cluster size required in z, in blocks; 0: none.", settable=True)
    non_portable_cluster_size_allowed = _Attribute(
        bool, "Whether clusters may be larger than 8 blocks, which not every device can run.", settable=True
    )
    cluster_scheduling_policy_preference = _Attribute(
        driver.CUclusterSchedulingPolicy,
        "How blocks of a cluster are spread: a `driver.CUclusterSchedulingPolicy`.",
        settable=True,
    )
    device_node_update_supported = _Attribute(bool, "Whether device code may update it as a node of a graph.")
    shared_memory_mode = _Attribute(driver.CUsharedMemoryMode, "What shared memory it may use.")

    def _get(self, name: str) -> int:
        attribute = getattr(driver.CUfunction_attribute, _attribute_name(name))
        kernel = self._kernel
        if kernel.is_function:
            return int(self._call(driver.cuFuncGetAttribute, attribute, kernel.handle, attribute=name))
        ordinal = self.device.ordinal
        return int(self._call(driver.cuKernelGetAttribute, attribute, kernel.handle, ordinal, attribute=name))

    def _set(self, name: str, value: Any) -> None:
        attribute = getattr(driver.CUfunction_attribute, _attribute_name(name))
        kernel, said = self._kernel, {"attribute": name, "value": value}
        try:
            number = value.__index__()
        except AttributeError:
            raise TypeError(f"{kernel.name}: {name} is an int, not {type(value).__name__}") from None
        if not -(2**31) <= number < 2**31:
            raise ValueError(f"{kernel.cxx_name}: {name} is an int of 32 bits, not {number}")
        try:
            if kernel.is_function:
                self._call(driver.cuFuncSetAttribute, kernel.handle, attribute, number, **said)
            else:
                self._call(driver.cuKernelSetAttribute, attribute, number, kernel.handle, self.device.ordinal, **said)
        except InvalidValueError as error:
            if name == "max_dynamic_shared_size_bytes":
                most = self.device.properties.max_shared_memory_per_block_optin
                error.hint = (
                    f"a block on this device can have {most} bytes, with the {self.shared_size_bytes} static ones"
                )
            raise

    def keys(self) -> Iterator[str]:
        """The names of the attributes that this driver knows."""
        for name, value in vars(KernelAttributes).items():
            if isinstance(value, _Attribute):
                try:
                    self._get(name)
                except (InvalidValueError, NotSupportedError):  # newer than the driver
                    continue
                yield name

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: Device | int) -> Self: ...
    def __getitem__(self, key: Any) -> Any:
        return getattr(self, key) if isinstance(key, str) else super().__getitem__(key)

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(getattr(type(self), name, None), _Attribute):
            raise AttributeError(f"a kernel has no attribute {name!r}")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        lines = (f"  {name} = {getattr(self, name)!r}" for name in self.keys())
        return "\n".join((f"<attributes of {self._kernel.cxx_name} on device {self.device.ordinal}>", *lines))


class BlockSize(NamedTuple):
    """A size of blocks that occupies the device best: `block` threads, and the fewest blocks, `grid`, that do."""

    grid: int
    block: int


class KernelOccupancy(_PerDevice):
    """How many blocks of a kernel a device runs at once.

    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__OCCUPANCY.html
    """

    __slots__ = ()

    def max_active_blocks(self, block: int, shared_memory: int = 0) -> int:
        """How many blocks of `block` threads and `shared_memory` dynamic bytes a multiprocessor runs at once."""
        asked = {"block": block, "shared_memory": shared_memory}
        function = driver.cuOccupancyMaxActiveBlocksPerMultiprocessor
        return int(self._call(function, self._kernel.handle, block, shared_memory, **asked))

    def max_potential_block_size(
        self, shared_memory: int | Callable[[int], int] = 0, block_limit: int = 0
    ) -> BlockSize:
        """The size of blocks that occupies the device best.

        shared_memory: dynamic bytes of a block, or a function from its number of threads to them.  block_limit: the most
        threads wanted; 0: as many as the kernel may have.
        """
        each, constant = (shared_memory, 0) if callable(shared_memory) else (None, shared_memory)
        function, asked = driver.cuOccupancyMaxPotentialBlockSize, {"block_limit": block_limit}
        grid, block = self._call(function, self._kernel.handle, each, constant, block_limit, **asked)
        return BlockSize(int(grid), int(block))

    def available_dynamic_shared_memory(self, blocks: int, block: int) -> int:
        """Dynamic bytes each of `blocks` blocks of `block` threads can have that a multiprocessor runs at once."""
        function, asked = driver.cuOccupancyAvailableDynamicSMemPerBlock, {"blocks": blocks, "block": block}
        return int(self._call(function, self._kernel.handle, blocks, block, **asked))

    def max_potential_cluster_size(self, config: LaunchConfig) -> int:
        """The most blocks of a cluster that launches of this configuration can have."""
        record = config.record()
        return int(self._call(driver.cuOccupancyMaxPotentialClusterSize, self._kernel.handle, record, config=config))

    def max_active_clusters(self, config: LaunchConfig) -> int:
        """How many clusters of this configuration the device runs at once."""
        record = config.record()
        return int(self._call(driver.cuOccupancyMaxActiveClusters, self._kernel.handle, record, config=config))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("an occupancy can be asked for, not set")


__all__ = ["BlockSize", "Kernel", "KernelAttributes", "KernelOccupancy", "Parameter"]
