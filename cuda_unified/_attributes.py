"""The attributes of a launch: from what LaunchConfig is given by name to the driver's CUlaunchAttributes.

One function an attribute: it checks the value, and answers it as it is kept (hashable) and the fields of the driver's record.
"""

from __future__ import annotations

from cubind import driver

from ._records import NamedTuple
from .event import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .config import LaunchConfig
    from .device import Device

    Encoded = tuple[Any, dict[str, Any]]


class AccessPolicy(NamedTuple):
    """How a part of memory is kept in the L2 cache while a kernel runs.

    memory: a Buffer or Array, or (address, bytes).  hit_ratio: the part of the accesses, from 0 to 1, that `hit` is for; `miss`
    is for the others.  hit: "normal", "streaming" (likely not used again) or "persisting"; miss: "normal" or "streaming".

    https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#device-memory-l2-access-management
    """

    memory: Any
    hit_ratio: float = 1.0
    hit: str = "persisting"
    miss: str = "streaming"

    def span(self) -> tuple[int, int]:
        """Address and bytes of the memory."""
        if isinstance(self.memory, tuple):
            pointer, size = self.memory
            return int(pointer), int(size)
        size = getattr(self.memory, "nbytes", None)
        return int(self.memory.pointer), int(self.memory.size if size is None else size)


class _WrongError(Exception):
    """A value that an attribute cannot have: `expected`, and whether its type is at fault."""

    def __init__(self, expected: str, *, is_type: bool = False) -> None:
        super().__init__(expected)
        self.is_type = is_type


def _flag(value: Any) -> bool:
    if not isinstance(value, (bool, int)) or value not in (0, 1):
        raise _WrongError("True or False", is_type=True)
    return bool(value)


def _int(value: Any, low: int, high: int) -> int:
    try:
        number = int(value.__index__())
    except AttributeError:
        raise _WrongError(f"an int from {low} to {high}", is_type=True) from None
    if not low <= number <= high:
        raise _WrongError(f"an int from {low} to {high}")
    return number


def _three(value: Any) -> tuple[int, int, int]:
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not 1 <= len(items) <= 3:
        raise _WrongError("1 to 3 ints")
    x, y, z = ([_int(item, 1, 2**31 - 1) for item in items] + [1, 1])[:3]
    return x, y, z


def choice(value: Any, enum: Any, prefix: str) -> Any:
    """A member of an enum of the driver, or its name without the prefix in lower case."""
    if isinstance(value, enum):
        return value
    member = getattr(enum, prefix + value.upper(), None) if isinstance(value, str) else None
    if member is None:
        raise _WrongError(
            f"one of the names of driver.{enum.__name__} without {prefix}, in lower case, or a member of it"
        )
    return member


def _event(value: Any) -> Event:
    if not isinstance(value, Event):
        raise _WrongError("an Event", is_type=True)
    return value


def _cluster(value: Any, config: LaunchConfig) -> Encoded:
    sizes = _three(value)
    for axis, blocks, size in zip("xyz", config.grid, sizes, strict=True):
        if blocks % size:
            raise _WrongError(f"a divisor of the grid in each dimension; the grid has {blocks} blocks in {axis}")
    return sizes, {"clusterDim": dict(zip("xyz", sizes, strict=True))}


def _preferred_cluster(value: Any, config: LaunchConfig) -> Encoded:
    sizes, _ = _cluster(value, config)
    return sizes, {"preferredClusterDim": dict(zip("xyz", sizes, strict=True))}


def _access_policy(value: Any, config: LaunchConfig) -> Encoded:
    return value, {"accessPolicyWindow": window(value)}


def of_stream(name: str, encode: Callable[[Any], Any], value: Any) -> Any:
    """What the driver is told of an attribute of a stream; an error names the attribute."""
    try:
        return encode(value)
    except _WrongError as wrong:
        raise (TypeError if wrong.is_type else ValueError)(f"Stream: {name} must be {wrong}, not {value!r}") from None


def window(value: Any) -> dict[str, Any]:
    """The fields of the driver's CUaccessPolicyWindow."""
    if not isinstance(value, AccessPolicy):
        raise _WrongError("an AccessPolicy", is_type=True)
    if not 0 <= value.hit_ratio <= 1:
        raise _WrongError("a hit_ratio from 0 to 1")
    hit = choice(value.hit, driver.CUaccessProperty, "CU_ACCESS_PROPERTY_")
    miss = choice(value.miss, driver.CUaccessProperty, "CU_ACCESS_PROPERTY_")
    if miss == driver.CUaccessProperty.CU_ACCESS_PROPERTY_PERSISTING:
        raise _WrongError("a miss of 'normal' or 'streaming'")
    pointer, size = value.span()
    return {"base_ptr": pointer, "num_bytes": size, "hitRatio": value.hit_ratio, "hitProp": hit, "missProp": miss}


def _programmatic_event(value: Any, config: LaunchConfig) -> Encoded:
    event, at_start = value if isinstance(value, tuple) and len(value) == 2 else (value, False)
    at_start = _flag(at_start)
    record = {"event": _event(event).address, "flags": 0, "triggerAtBlockStart": int(at_start)}
    return (event, True) if at_start else event, {"programmaticEvent": record}


def domains(value: Any) -> tuple[int, int]:
    """The numbers of two domains."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise _WrongError("two ints", is_type=True)
    default, remote = (_int(domain, 0, 255) for domain in value)
    return default, remote


def _domain_map(value: Any, config: LaunchConfig) -> Encoded:
    default, remote = domains(value)
    return (default, remote), {"memSyncDomainMap": {"default_": default, "remote": remote}}


def _simple(field: str, check: Callable[[Any], Any]) -> Callable[[Any, LaunchConfig], Encoded]:
    def encode_one(value: Any, config: LaunchConfig) -> Encoded:
        checked = check(value)
        return checked, {field: int(checked)}

    return encode_one


def _names(field: str, enum: str, prefix: str) -> Callable[[Any, LaunchConfig], Encoded]:
    def encode_one(value: Any, config: LaunchConfig) -> Encoded:
        member = choice(value, getattr(driver, enum), prefix)
        return member.name.removeprefix(prefix).lower(), {field: member}

    return encode_one


def _completion_event(value: Any, config: LaunchConfig) -> Encoded:
    return value, {"launchCompletionEvent": {"event": _event(value).address, "flags": 0}}


_KNOWN: dict[str, tuple[str, Callable[[Any, Any], Encoded]]] = {
    "access_policy": ("ACCESS_POLICY_WINDOW", _access_policy),
    "cluster": ("CLUSTER_DIMENSION", _cluster),
    "cluster_scheduling_policy": (
        "CLUSTER_SCHEDULING_POLICY_PREFERENCE",
        _names("clusterSchedulingPolicyPreference", "CUclusterSchedulingPolicy", "CU_CLUSTER_SCHEDULING_POLICY_"),
    ),
    "cooperative": ("COOPERATIVE", _simple("cooperative", _flag)),
    "launch_completion_event": ("LAUNCH_COMPLETION_EVENT", _completion_event),
    "memory_sync_domain": (
        "MEM_SYNC_DOMAIN",
        _names("memSyncDomain", "CUlaunchMemSyncDomain", "CU_LAUNCH_MEM_SYNC_DOMAIN_"),
    ),
    "memory_sync_domain_map": ("MEM_SYNC_DOMAIN_MAP", _domain_map),
    "nvlink_centric_scheduling": ("NVLINK_UTIL_CENTRIC_SCHEDULING", _simple("nvlinkUtilCentricScheduling", _flag)),
    "portable_cluster_size_mode": (
        "PORTABLE_CLUSTER_SIZE_MODE",
        _names("portableClusterSizeMode", "CUlaunchAttributePortableClusterMode", "CU_LAUNCH_PORTABLE_CLUSTER_MODE_"),
    ),
    "preferred_cluster": ("PREFERRED_CLUSTER_DIMENSION", _preferred_cluster),
    "priority": ("PRIORITY", _simple("priority", lambda value: _int(value, -(2**31), 2**31 - 1))),
    "programmatic_dependent": (
        "PROGRAMMATIC_STREAM_SERIALIZATION",
        _simple("programmaticStreamSerializationAllowed", _flag),
    ),
    "programmatic_event": ("PROGRAMMATIC_EVENT", _programmatic_event),
    "shared_memory_carveout": (
        "PREFERRED_SHARED_MEMORY_CARVEOUT",
        _simple("sharedMemCarveout", lambda value: _int(value, -1, 100)),
    ),
    "shared_memory_mode": (
        "SHARED_MEMORY_MODE",
        _names("sharedMemoryMode", "CUsharedMemoryMode", "CU_SHARED_MEMORY_MODE_"),
    ),
}


def encode(config: LaunchConfig, named: dict[str, Any]) -> tuple[tuple[tuple[str, Any], ...], bytes]:
    """The attributes given by name, as they are kept, in order, and as an array of CUlaunchAttribute; for config.c.

    None and False mean that an attribute is not given.
    """
    kept, records = [], []
    for name in sorted(named):
        if name not in _KNOWN:
            known = ", ".join(("grid", "block", "shared_memory", *_KNOWN))
            raise TypeError(f"LaunchConfig() got an unexpected keyword argument {name!r}; there are {known}")
        value = named[name]
        if value is None or value is False:
            continue
        attribute, encode_one = _KNOWN[name]
        try:
            value, fields = encode_one(value, config)
            hash(value)
        except _WrongError as wrong:
            error = TypeError if wrong.is_type else ValueError
            raise error(f"LaunchConfig: {name} must be {wrong}, not {value!r}") from None
        kept.append((name, value))
        number = getattr(driver.CUlaunchAttributeID, f"CU_LAUNCH_ATTRIBUTE_{attribute}")
        records.append(bytes(driver.CUlaunchAttribute(id=number, value=fields)))
    _check_together(dict(kept))
    return tuple(kept), b"".join(records)


def _check_together(kept: dict[str, Any]) -> None:
    preferred, cluster = kept.get("preferred_cluster"), kept.get("cluster")
    if preferred and not cluster:
        raise ValueError("LaunchConfig: preferred_cluster needs cluster, the size where there is no room for it")
    if preferred and cluster and any(p % c for p, c in zip(preferred, cluster, strict=True)):
        raise ValueError(f"LaunchConfig: preferred_cluster must be a multiple of cluster={cluster}, not {preferred}")
    memory = kept.get("access_policy")
    if memory is not None and memory.span()[1] <= 0:
        raise ValueError("LaunchConfig: access_policy must be for memory of at least one byte")


# ---- what a device can do ------------------------------------------------------------------------------------------------


def _asked_of(config: LaunchConfig) -> Iterator[tuple[str, int, str]]:
    """What is asked for, as (text, amount, the device's attribute that limits it)."""
    for field, sizes in (("grid", config.grid), ("block", config.block)):
        for axis, size in zip("xyz", sizes, strict=True):
            yield f"{field}.{axis}={size}", size, f"MAX_{field.upper()}_DIM_{axis.upper()}"
    x, y, z = config.block
    yield f"block={config.block} has {x * y * z} threads and", x * y * z, "MAX_THREADS_PER_BLOCK"
    optin = "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"
    yield f"shared_memory={config.shared_memory}", config.shared_memory, optin
    if config.cooperative:
        yield "cooperative=True", 1, "COOPERATIVE_LAUNCH"
    if config.cluster:
        yield f"cluster={config.cluster}", 1, "CLUSTER_LAUNCH"


def limits_broken(config: LaunchConfig, device: Device) -> str | None:
    """What a device cannot do of a configuration, in words; None: all is well."""
    for text, amount, name in _asked_of(config):
        attribute = getattr(driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        most = driver.cuDeviceGetAttribute(attribute, device.ordinal)
        if amount > most:
            can = "is not supported by this device" if amount == 1 and not most else f"is more than its limit, {most}"
            return f"{text} {can}"
    return None
