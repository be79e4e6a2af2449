"""LaunchConfig: what it takes, what it refuses, and the bytes that the driver gets."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from tests.unified.kernels import Library

ID = driver.CUlaunchAttributeID


@pytest.mark.parametrize(
    ("given", "three"),
    [
        (5, (5, 1, 1)),
        ((5,), (5, 1, 1)),
        ((5, 6), (5, 6, 1)),
        ([5, 6, 7], (5, 6, 7)),
        (np.int64(5), (5, 1, 1)),
        ((np.uint8(5), True, 7), (5, 1, 7)),
        (2**31 - 1, (2**31 - 1, 1, 1)),
    ],
)
def test_dimensions(given: Any, three: tuple[int, int, int]) -> None:
    assert cu.LaunchConfig(given, 1).grid == three
    assert cu.LaunchConfig(grid=1, block=given).block == three


BAD = [
    ((0, 1), {}, ValueError, "grid[0] must be from 1 to 2147483647, not 0"),
    ((1, -1), {}, ValueError, "block[0] must be from 1 to 2147483647, not -1"),
    (((1, 0), 1), {}, ValueError, "grid[1] must be from 1 to 2147483647, not 0"),
    ((1, (1, 1, 2**31)), {}, ValueError, "block[2] must be from 1 to 2147483647, not 2147483648"),
    ((2**80, 1), {}, ValueError, "grid[0] must be from 1"),
    (((), 1), {}, ValueError, "grid has 1 to 3 dimensions, not 0"),
    (((1, 1, 1, 1), 1), {}, ValueError, "grid has 1 to 3 dimensions, not 4"),
    ((1.5, 1), {}, TypeError, "grid must be an int or 1 to 3 of them, not 1.5"),
    (("1", 1), {}, TypeError, "grid must be an int"),
    (((1, None), 1), {}, TypeError, "grid must be an int"),
    ((1, 1, -1), {}, ValueError, "shared_memory must be from 0"),
    ((1, 1, 2**31), {}, ValueError, "shared_memory must be from 0 to 2147483647 bytes, not 2147483648"),
    ((1, 1, 1.5), {}, TypeError, "shared_memory must be an int"),
    ((1,), {}, TypeError, "misses 'block'"),
    ((), {}, TypeError, "misses 'grid'"),
    ((1, 1), {"grid": 1}, TypeError, "two values for 'grid'"),
    ((1, 1, 0, 1), {}, TypeError, "all else by name"),
    ((1, 1), {"blocks": 1}, TypeError, "unexpected keyword argument 'blocks'"),
    ((1, 1), {"cooperative": "yes"}, TypeError, "cooperative must be True or False, not 'yes'"),
    ((1, 1), {"priority": 1.5}, TypeError, "priority must be an int"),
    ((1, 1), {"priority": 2**31}, ValueError, "priority must be an int from"),
    ((4, 1), {"cluster": 3}, ValueError, "cluster must be a divisor of the grid in each dimension; the grid has 4 blocks in x"),
    ((4, 1), {"cluster": 0}, ValueError, "cluster must be an int from 1"),
    ((4, 1), {"cluster": "2"}, TypeError, "cluster must be an int from 1"),
    ((4, 1), {"preferred_cluster": 2}, ValueError, "preferred_cluster needs cluster"),
    ((12, 1), {"cluster": 2, "preferred_cluster": 3}, ValueError, "multiple of cluster"),
    ((1, 1), {"shared_memory_carveout": 101}, ValueError, "shared_memory_carveout must be an int from -1 to 100"),
    ((1, 1), {"memory_sync_domain": "far"}, ValueError, "memory_sync_domain must be one of the names"),
    ((1, 1), {"memory_sync_domain_map": 3}, TypeError, "memory_sync_domain_map must be two ints"),
    ((1, 1), {"access_policy": 3}, TypeError, "access_policy must be an AccessPolicy"),
    ((1, 1), {"access_policy": cu.AccessPolicy((4096, 64), 1.5)}, ValueError, "hit_ratio from 0 to 1"),
    ((1, 1), {"access_policy": cu.AccessPolicy((4096, 64), miss="persisting")}, ValueError, "a miss of"),
    ((1, 1), {"access_policy": cu.AccessPolicy((4096, 0))}, ValueError, "at least one byte"),
    ((1, 1), {"programmatic_event": 3}, TypeError, "programmatic_event must be an Event"),
    ((1, 1), {"launch_completion_event": "e"}, TypeError, "launch_completion_event must be an Event"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs", "error", "text"), BAD, ids=[text[:40] for *_, text in BAD])
def test_what_is_refused(args: Any, kwargs: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        cu.LaunchConfig(*args, **kwargs)
    assert "LaunchConfig" in str(caught.value)
    assert text in str(caught.value)


def test_equality_hash_and_immutability() -> None:
    one = cu.LaunchConfig(4, 32, 16, cooperative=True, priority=-1)
    same = cu.LaunchConfig(grid=(4, 1), block=[32], shared_memory=16, priority=-1, cooperative=1)
    others = [
        cu.LaunchConfig(5, 32, 16, cooperative=True, priority=-1),
        cu.LaunchConfig(4, 33, 16, cooperative=True, priority=-1),
        cu.LaunchConfig(4, 32, 17, cooperative=True, priority=-1),
        cu.LaunchConfig(4, 32, 16, cooperative=True),
        cu.LaunchConfig(4, 32, 16),
        "LaunchConfig",
    ]
    assert one == same
    assert hash(one) == hash(same)
    assert (one != same) is False
    assert all(one != other for other in others)
    assert len({one, same, *others}) == 7
    for name in ("grid", "block", "shared_memory", "cooperative", "anything"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(one, name, 1)
    with pytest.raises(TypeError):
        assert one < same  # type: ignore[operator]


def test_defaults_are_not_attributes() -> None:
    plain = cu.LaunchConfig(1, 1)
    said = cu.LaunchConfig(1, 1, cluster=None, cooperative=False, programmatic_dependent=False, priority=None)
    assert plain == said
    assert said.attributes == {}
    assert (plain.cluster, plain.cooperative, plain.programmatic_dependent, plain.priority) == (
        None,
        False,
        False,
        None,
    )
    assert (plain.access_policy, plain.programmatic_event, plain.launch_completion_event) == (None, None, None)


def test_replace_copy_and_pickle() -> None:
    config = cu.LaunchConfig((4, 2), 32, 16, cluster=(2, 2), priority=-1)
    bigger = config.replace(grid=8, cluster=4)
    assert (bigger.grid, bigger.block, bigger.shared_memory) == ((8, 1, 1), (32, 1, 1), 16)
    assert bigger.attributes == {"cluster": (4, 1, 1), "priority": -1}
    assert config.cluster == (2, 2, 1)
    assert copy.copy(config) is config
    assert copy.deepcopy(config) is config
    assert pickle.loads(pickle.dumps(config)) == config


def test_repr() -> None:
    assert repr(cu.LaunchConfig(4, (8, 8), 16, cluster=2)) == (
        "LaunchConfig(grid=4, block=(8, 8), shared_memory=16, cluster=(2, 1, 1))"
    )
    assert repr(cu.LaunchConfig((1, 2, 3), 1)) == "LaunchConfig(grid=(1, 2, 3), block=1)"


def attribute(config: cu.LaunchConfig, number: Any) -> Any:
    """The value of the only attribute, as the driver gets it."""
    data = config._attribute_bytes
    assert len(data) == len(bytes(driver.CUlaunchAttribute()))
    one = driver.CUlaunchAttribute.from_buffer(bytearray(data))
    assert one.id == number
    return one.value


def made(**named: Any) -> cu.LaunchConfig:
    return cu.LaunchConfig(8, 32, **named)


SPREAD = driver.CUclusterSchedulingPolicy.CU_CLUSTER_SCHEDULING_POLICY_SPREAD
NUMBERS = [
    ("cooperative", True, "COOPERATIVE", "cooperative", 1),
    ("priority", -3, "PRIORITY", "priority", -3),
    ("priority", 0, "PRIORITY", "priority", 0),
    ("programmatic_dependent", True, "PROGRAMMATIC_STREAM_SERIALIZATION", "programmaticStreamSerializationAllowed", 1),
    ("memory_sync_domain", "remote", "MEM_SYNC_DOMAIN", "memSyncDomain", 1),
    ("shared_memory_carveout", 0, "PREFERRED_SHARED_MEMORY_CARVEOUT", "sharedMemCarveout", 0),
    ("nvlink_centric_scheduling", True, "NVLINK_UTIL_CENTRIC_SCHEDULING", "nvlinkUtilCentricScheduling", 1),
    ("portable_cluster_size_mode", "require_portable", "PORTABLE_CLUSTER_SIZE_MODE", "portableClusterSizeMode", 1),
    ("shared_memory_mode", "allow_non_portable", "SHARED_MEMORY_MODE", "sharedMemoryMode", 2),
    ("cluster_scheduling_policy", SPREAD, "CLUSTER_SCHEDULING_POLICY_PREFERENCE", "clusterSchedulingPolicyPreference", 1),
    ("cluster_scheduling_policy", "load_balancing", "CLUSTER_SCHEDULING_POLICY_PREFERENCE",
     "clusterSchedulingPolicyPreference", 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "number", "field", "want"), NUMBERS)
def test_attributes_that_are_a_number(name: str, given: Any, number: str, field: str, want: int) -> None:
    assert getattr(attribute(made(**{name: given}), getattr(ID, f"CU_LAUNCH_ATTRIBUTE_{number}")), field) == want


def test_attributes_of_clusters_and_domains() -> None:
    value = attribute(made(cluster=(4,)), ID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
    assert (value.clusterDim.x, value.clusterDim.y, value.clusterDim.z) == (4, 1, 1)
    both = attribute(made(memory_sync_domain_map=(1, 3)), ID.CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP).memSyncDomainMap
    assert (both.default_, both.remote) == (1, 3)
    cluster, preferred = attributes_of(made(cluster=2, preferred_cluster=4))
    assert cluster["id"] == ID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
    assert preferred["id"] == ID.CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION
    assert (cluster["value"].clusterDim.x, preferred["value"].preferredClusterDim.x) == (2, 4)


def test_the_attribute_of_an_access_policy() -> None:
    policy = cu.AccessPolicy((4096, 640), 0.25, "streaming", "normal")
    config = made(access_policy=policy)
    window = attribute(config, ID.CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW).accessPolicyWindow
    assert (window.base_ptr, window.num_bytes, window.hitRatio) == (4096, 640, 0.25)
    assert (window.hitProp, window.missProp) == (1, 0)
    assert config.access_policy == policy


def test_attributes_that_are_events(device: Any) -> None:
    event = device.event(timing=False)
    value = attribute(made(programmatic_event=event), ID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT).programmaticEvent
    assert (int(value.event), value.flags, value.triggerAtBlockStart) == (event.address, 0, 0)
    config = made(programmatic_event=(event, True))
    value = attribute(config, ID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT).programmaticEvent
    assert (value.triggerAtBlockStart, config.programmatic_event) == (1, (event, True))
    value = attribute(made(launch_completion_event=event), ID.CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT)
    assert int(value.launchCompletionEvent.event) == event.address


def attributes_of(config: cu.LaunchConfig) -> list[dict[str, Any]]:
    size = len(bytes(driver.CUlaunchAttribute()))
    data = config._attribute_bytes
    parts = [driver.CUlaunchAttribute.from_buffer(bytearray(data[i : i + size])) for i in range(0, len(data), size)]
    return [{"id": part.id, "value": part.value} for part in parts]


def test_the_record_of_the_low_level(device: Any) -> None:
    stream = device.stream()
    record = cu.LaunchConfig((4, 3, 2), (32, 2), 256, priority=-1, cooperative=True).record(stream)
    assert (record.gridDimX, record.gridDimY, record.gridDimZ) == (4, 3, 2)
    assert (record.blockDimX, record.blockDimY, record.blockDimZ) == (32, 2, 1)
    assert (record.sharedMemBytes, record.numAttrs, int(record.hStream)) == (256, 2, stream.address)
    with device:
        driver.cuLaunchKernelEx(record, Library()["nothing"].handle, None)
    stream.sync()


def test_a_closed_event_is_refused(device: Any) -> None:
    event, stream = device.event(timing=False), device.stream()
    config = cu.LaunchConfig(1, 1, launch_completion_event=event)
    event.close()
    with pytest.raises(cu.ClosedError):
        cu.launch(stream, config, Library()["nothing"])
    with pytest.raises(cu.ClosedError):
        cu.LaunchConfig(1, 1, launch_completion_event=event)


# ---- for_size


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1000, 10**9])
def test_for_size_covers_all(n: int) -> None:
    config = cu.LaunchConfig.for_size(n)
    threads = config.grid[0] * config.block[0]
    assert threads >= max(n, 1)
    assert threads - config.block[0] < max(n, 1)
    assert config.block == (256, 1, 1)


def test_for_size_with_a_block_or_a_kernel(device: Any) -> None:
    assert cu.LaunchConfig.for_size(100, block=32).grid == (4, 1, 1)
    config = cu.LaunchConfig.for_size((100, 50, 3), block=(16, 8), shared_memory=64, cooperative=True)
    assert (config.grid, config.block, config.shared_memory) == ((7, 7, 3), (16, 8, 1), 64)
    assert config.cooperative
    kernel = Library()["narrow"]
    config = cu.LaunchConfig.for_size(1000, kernel)
    assert config.block[0] == kernel.occupancy.max_potential_block_size().block <= 64
    assert config.grid[0] == -(-1000 // config.block[0])


def test_what_for_size_refuses() -> None:
    for call, error in (
        (lambda: cu.LaunchConfig.for_size(-1), ValueError),
        (lambda: cu.LaunchConfig.for_size((2, 2)), TypeError),
        (lambda: cu.LaunchConfig.for_size(5, block=0), ValueError),
        (lambda: cu.LaunchConfig.for_size((1, 1, 1, 1), block=1), ValueError),
        (lambda: cu.LaunchConfig.for_size(2**40, block=1), ValueError),
        (lambda: cu.LaunchConfig.for_size("5"), TypeError),
        (lambda: cu.LaunchConfig.for_size(5.5), TypeError),
    ):
        with pytest.raises(error):
            call()
