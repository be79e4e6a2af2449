"""Where memory went, as text."""

from __future__ import annotations

from . import _native
from .pool import Pool, _created
from .tracing import _tracked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device


def memory_report() -> str:
    """The memory of each device and of each pool, what is tracked, and the copies under way.

    Devices that this process does not use are only named: asking them would make a context.
    """
    from .device import Device

    lines: list[str] = []
    for device in Device.all():
        lines += _of_device(device)
    for resource in list(_tracked()):
        lines.append(f"{resource!r}: {resource.report()}")
    copies = _native.copies_under_way()
    if copies:
        lines.append(f"{copies} asynchronous copies keep their ends alive")
    return "\n".join(lines)


def _of_device(device: Device) -> list[str]:
    if not device.is_active:
        return [f"{device!r}: not used by this process"]
    free, total = device.memory_info
    lines = [f"{device!r}: {_bytes(total - free)} of {_bytes(total)} used, {_bytes(free)} free"]
    default, current = Pool.default(device), device.pool
    pools = {default: "default pool", current: "current pool"} if current != default else {default: "default pool"}
    for pool in list(_created()):
        if not pool.is_closed and pool.device is device:
            pools.setdefault(pool, "pool")
    for pool, name in pools.items():
        s = pool.statistics
        lines.append(
            f"  {name} {pool.address:#x}: {_bytes(s.used)} used (at most {_bytes(s.used_high)}), "
            f"{_bytes(s.reserved)} reserved (at most {_bytes(s.reserved_high)})"
        )
    return lines


def _bytes(n: int) -> str:
    """1536 -> "1.5 KiB"."""
    size, unit = float(n), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{n} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
