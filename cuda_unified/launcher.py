"""Launches: a kernel is put into a stream's work."""

from __future__ import annotations

from cubind import CudaError, driver

from . import _native, errors
from ._extend import extend
from ._light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import LaunchConfig
    from .kernel import Kernel
    from .stream import Stream

launch = _native.launch


@extend
class Launcher(_native.Launcher):
    """A kernel with a configuration; `kernel[...]` and `Kernel.bind()` make one.

    `launcher(*args)` launches with these arguments.  One from `bind()` has arguments, packed already: `launcher()` launches
    with them, `launcher.set(i, value)` replaces one of them for all later launches; threads may share it.  By-value arguments
    are copied when they are packed; memory is kept alive as long as the launcher has it, and if it is closed, launching raises.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        bound = "" if self.arguments is None else f", {len(self.arguments)} arguments"
        return f"<Launcher of {self.kernel.name}, {self.config!r}{bound}>"


_UNFIT = ("CUDA_ERROR_INVALID_VALUE", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE")


def _failed(status: int, function: str, stream: Stream, config: LaunchConfig, kernel: Kernel) -> CudaError:
    """The error of a launch; its hint is what the kernel allows, where that is less than what was asked for."""
    said = [f"kernel={kernel.name}", f"grid={config.grid}", f"block={config.block}"]
    said += [f"shared_memory={config.shared_memory}", *(f"{name}={value}" for name, value in config._attributes)]
    why: list[str] = []
    with suppress(CudaError):  # where the context has failed: the status says so
        why = _why(config, kernel, stream) if driver.CUresult(status).name in _UNFIT else []
    if kernel.is_function and driver.CUresult(status).name == "CUDA_ERROR_INVALID_HANDLE":
        why = ["a CUfunction is of one context, and this one's is not the stream's; a CUkernel is launched in any"]
    error = errors.from_status(status, function, ", ".join(said))
    if why:
        error.hint = "; ".join(why)
    return error


def _why(config: LaunchConfig, kernel: Kernel, stream: Stream) -> list[str]:
    allowed = kernel.attributes[stream.device]
    x, y, z = config.block
    why = []
    if x * y * z > allowed.max_threads_per_block:
        most = allowed.max_threads_per_block
        why.append(
            f"the block has {x * y * z} threads; this kernel can have {most}: its registers or __launch_bounds__"
        )
    if config.shared_memory > allowed.max_dynamic_shared_size_bytes:
        most = allowed.max_dynamic_shared_size_bytes
        why.append(
            f"{most} bytes of shared memory are allowed: set kernel.attributes.max_dynamic_shared_size_bytes first"
        )
    if config.cooperative and not why:
        each = kernel.occupancy[stream.device].max_active_blocks(x * y * z, config.shared_memory)
        count = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
        most = each * driver.cuDeviceGetAttribute(count, stream.device.ordinal)
        gx, gy, gz = config.grid
        if gx * gy * gz > most:
            why.append(f"the grid has {gx * gy * gz} blocks; {most} of them can run at once")
    return why


__all__ = ["Launcher", "launch"]
