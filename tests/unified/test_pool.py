"""Stream-ordered pools."""

import gc
import weakref

import pytest

import cuda_unified as cu
from tests.unified.memory_tools import run

pytestmark = pytest.mark.usefixtures("current")


@pytest.fixture
def pool(device):
    with cu.Pool.create(device) as p:
        yield p


# ---- pools ---------------------------------------------------------------------------------------------------------------


def test_a_pool_counts(device, stream, pool):
    assert pool.statistics == (0, 0, 0, 0)
    a, b = pool.allocate(1000, stream), pool.allocate(500, stream)
    assert pool.used >= 1500 and pool.used_high >= 1500 and pool.reserved >= pool.used
    a.close()
    stream.sync()
    assert 500 <= pool.used < 1500 <= pool.used_high
    pool.reset_high()
    assert pool.used_high == pool.used
    assert pool.statistics == (pool.reserved, pool.reserved_high, pool.used, pool.used_high)
    b.close()
    stream.sync()
    pool.trim()
    assert pool.used == 0


def test_pools_have_attributes(device, pool):
    assert pool.device is device and not pool.is_closed and pool.is_owned
    for name in ("reuse_follow_event_dependencies", "reuse_allow_opportunistic", "reuse_allow_internal_dependencies"):
        assert getattr(pool, name) is True
        setattr(pool, name, False)
        assert getattr(pool, name) is False
    assert pool.release_threshold == 0
    pool.release_threshold = 2**64 - 1
    assert pool.release_threshold == 2**64 - 1
    for bad in (-1, 2**64):
        with pytest.raises(ValueError, match="release_threshold"):
            pool.release_threshold = bad
    assert cu.Pool.create(device, release_threshold=1 << 20).release_threshold == 1 << 20
    assert (pool.is_device_accessible, pool.is_host_accessible, pool.is_managed, pool.is_pinned) == (
        True,
        False,
        False,
        False,
    )
    assert int(pool.handle) == pool.address


def test_a_pool_has_a_limit(device, stream):
    pool = cu.Pool.create(device, max_size=32 << 20)
    assert pool.max_size == 32 << 20
    half = pool.allocate(16 << 20, stream)
    with pytest.raises(cu.OutOfMemoryError, match="cuMemAllocFromPoolAsync"):
        pool.allocate(32 << 20, stream)
    half.close()
    stream.sync()
    assert pool.allocate(20 << 20, stream).size == 20 << 20


@pytest.mark.parametrize("options", [{"kind": "fast"}, {"numa": 0}, {"max_size": -1}, {"preferred_location": None}])
def test_pools_that_cannot_be(device, options):
    with pytest.raises(ValueError):
        cu.Pool.create(device, **options)


@pytest.mark.parametrize("kind", ["pinned", "managed"])
def test_pools_of_other_kinds(device, stream, kind):
    try:
        pool = cu.Pool.create(device, kind=kind)
    except cu.NotSupportedError:
        pytest.skip(f"this device has no pools of {kind} memory")
    buffer = pool.allocate(64, stream)
    assert buffer.is_host_accessible and getattr(buffer, f"is_{kind}")
    buffer.fill(3, stream=stream)
    stream.sync()
    assert bytes(buffer) == b"\x03" * 64


@pytest.mark.parametrize("place", ["device", None, "host", cu.Host(0), cu.Host()], ids=repr)
def test_where_a_managed_pool_prefers_its_memory(device, stream, place):
    try:
        pool = cu.Pool.create(device, kind="managed", preferred_location=place)
    except cu.NotSupportedError:
        pytest.skip("this device has no pools of managed memory")
    buffer = pool.allocate(64, stream).fill(5, stream=stream)
    assert buffer.is_managed and bytes(buffer.to_bytes(stream=stream)) == bytes([5]) * 64


def test_the_place_of_a_managed_pool_is_checked(device):
    with pytest.raises(TypeError, match="a place is a Device, a Host or 'host'"):
        cu.Pool.create(device, kind="managed", preferred_location=1.5)


def test_the_default_and_the_current_pool(device, stream, pool):
    default = cu.Pool.default(device)
    assert cu.Pool.current(device) == default == device.pool
    with pytest.raises(ValueError, match="not closed"):
        default.close()
    device.pool = pool
    try:
        assert cu.Pool.current(device) == pool and device.pool is pool
        assert device.allocate(8, stream).resource is pool
    finally:
        default.make_current()
    assert device.allocate(8, stream).resource == default
    lent = cu.Pool.from_handle(default.handle, device=device)
    assert lent == default and hash(lent) == hash(default) and not lent.is_owned


def test_a_borrowed_pool_keeps_its_owner(device, stream, pool):
    class Owner:
        pass

    owner = Owner()
    alive = weakref.ref(owner)
    lent = cu.Pool.from_handle(pool.handle, device=device, owner=owner)
    del owner
    buffer = lent.allocate(64, stream)
    del lent
    gc.collect()
    assert alive() is not None and pool.used >= 64
    del buffer
    assert alive() is None
    with pytest.raises(ValueError, match="kind"):
        cu.Pool.from_handle(pool.handle, device=device, kind="fast")


def test_a_closed_pool(device, stream):
    pool = cu.Pool.create(device)
    buffer = pool.allocate(64, stream)
    pool.close()
    pool.close()
    buffer.fill(1, stream=stream)
    assert buffer.to_bytes(stream=stream) == b"\x01" * 64
    assert "closed" in repr(pool)
    for use in (
        lambda: pool.allocate(1, stream),
        lambda: pool.handle,
        lambda: pool.used,
        pool.trim,
        pool.make_current,
    ):
        with pytest.raises(cu.ClosedError):
            use()


def test_complaint_42_a_dropped_pool_lives_as_long_as_its_buffers(device, stream):
    pool = cu.Pool.create(device)
    alive = weakref.ref(pool)
    buffer = pool.allocate(64, stream)
    del pool
    gc.collect()
    assert alive() is not None
    buffer.fill(1, stream=stream)
    del buffer
    gc.collect()
    assert alive() is None
    stream.sync()


def test_who_may_use_a_pool(device, pool):
    access = pool.accessible_from
    assert device in access and list(access) == [device] and len(access) == 1
    assert "gpu" not in access
    access.add(device)
    with pytest.raises(ValueError, match="own device"):
        access.discard(device)


def test_peers_of_a_pool():
    program = """
import cuda_unified as cu
a, b = cu.Device(0), cu.Device(1)
p = cu.Pool.create(a)
p.accessible_from.add(b)
print(b in p.accessible_from, sorted(int(d) for d in p.accessible_from))
try:
    a.pool = cu.Pool.create(b)
except cu.CudaError as e:
    print(e.name)
try:
    a.resource = b.pool
except cu.DeviceMismatchError as e:
    print(e)
print(a.pool.device, b.allocate(5).device)
"""
    out = run(program, CPU_DEVICE_COUNT="2", CUBIND_DEVICE="cpu").splitlines()
    assert out[0] == "True [0, 1]"
    assert out[1] == "CUDA_ERROR_INVALID_VALUE"
    assert "gives memory of Device(1), not of Device(0)" in out[2]
    assert out[3] == "Device(0) Device(1)"


def test_memory_freed_in_order_is_there_again(device, stream):
    pool = cu.Pool.create(device, max_size=1 << 20)
    for _ in range(50):
        pool.allocate(1 << 20, stream).close()
        stream.sync()


def test_what_could_not_be_allocated_is_not_counted(device, stream):
    pool = cu.Pool.create(device)
    pool.allocate(100, stream).close()
    for size in (1 << 60, 1 << 61):
        with pytest.raises(cu.OutOfMemoryError):
            pool.allocate(size, stream)
    assert pool.used_high < 1 << 30 and pool.reserved_high < 1 << 30
