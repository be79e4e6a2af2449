"""Resources around resources: counts, limits, logs, leaks, another try."""

import csv
import gc
import io
import threading

import pytest

import cuda_unified as cu

pytestmark = pytest.mark.usefixtures("current")

ADAPTORS = {
    "statistics": cu.StatisticsResource,
    "limit": lambda upstream: cu.LimitResource(upstream, 1 << 40),
    "callback": lambda upstream: cu.FailureCallbackResource(upstream, lambda size: False),
    "log": lambda upstream: cu.LoggingResource(upstream, io.StringIO()),
    "tracking": cu.TrackingResource,
}
UPSTREAMS = {
    "pool": lambda device: device.pool,
    "sync": cu.SyncResource,
    "pinned": cu.PinnedResource,
    "managed": cu.ManagedResource,
    "adaptor": lambda device: cu.StatisticsResource(device.pool),
}


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("adaptor", ADAPTORS)
def test_adaptors_give_what_is_upstream(device, stream, adaptor, upstream):
    below = UPSTREAMS[upstream](device)
    resource = ADAPTORS[adaptor](below)
    buffer = resource.allocate(64, stream)
    plain = below.allocate(64, stream)
    assert type(buffer) is type(plain) and buffer.resource is resource and buffer.stream is plain.stream
    for name in ("device", "is_device_accessible", "is_host_accessible", "is_managed", "is_pinned"):
        assert getattr(buffer, name) == getattr(plain, name) == getattr(resource, name)
    buffer.fill(3, stream=stream)
    assert buffer[4:8].to_bytes(stream=stream) == b"\x03" * 4
    assert buffer.copy_to(stream=stream).resource is resource
    assert resource.allocate(0, stream).size == 0
    assert repr(below) in repr(resource)
    with pytest.raises(ValueError, match="size"):
        resource.allocate(-1)


@pytest.mark.parametrize("adaptor", ADAPTORS)
def test_adaptors_give_back(device, stream, adaptor):
    gc.collect()
    device.sync()
    before = device.pool.used
    resource = ADAPTORS[adaptor](device.pool)
    a, b = resource.allocate(1000, stream), resource.allocate(2000, stream)
    assert device.pool.used >= before + 3000
    a.close()
    del b
    stream.sync()
    assert device.pool.used == before
    kept = resource.allocate(10, stream)
    del resource  # the buffer keeps it
    gc.collect()
    kept.fill(1, stream=stream)
    kept.close(stream)
    stream.sync()
    assert device.pool.used == before


def test_upstream_has_to_be_a_resource():
    for make in (cu.StatisticsResource, lambda u: cu.LimitResource(u, 1)):
        with pytest.raises(TypeError, match="memory resource"):
            make(object())


def test_adaptors_serve_a_device(device, stream):
    device.resource = statistics = cu.StatisticsResource(device.pool)
    try:
        kept = device.allocate(100, stream)
        assert statistics.counts.current == 100
        kept.close()
    finally:
        device.resource = None
    assert statistics.counts.current == 0


# ---- statistics --------------------------------------------------------------------------------------------


def test_statistics(device, stream):
    s = cu.StatisticsResource(device.pool)
    a = s.allocate(100, stream)
    b = s.allocate(50, stream)
    a.close()
    c = s.allocate(30, stream)
    counts = s.counts
    assert (counts.current, counts.peak, counts.total) == (80, 150, 180)
    assert (counts.allocations, counts.peak_allocations, counts.total_allocations) == (2, 2, 3)
    del b, c
    assert s.counts.current == 0 and s.counts.allocations == 0
    assert counts.current == 80  # a copy


def test_statistics_of_regions_nest(device, stream):
    s = cu.StatisticsResource(device.pool)
    outside = s.allocate(1000, stream)
    with s.region() as outer:
        a = s.allocate(100, stream)
        with s.region() as inner:
            b = s.allocate(10, stream)
            b.close()
            outside.close()
        a.close()
    assert (inner.current, inner.peak, inner.total) == (-1000, 10, 10)
    assert (outer.current, outer.peak, outer.total) == (-1000, 110, 110)
    assert (s.counts.current, s.counts.peak) == (0, 1110)
    s.allocate(5, stream)
    assert outer.total == 110  # over


def test_push_and_pop(device, stream):
    s = cu.StatisticsResource(device.pool)
    pushed = s.push()
    s.allocate(5, stream)
    assert s.pop() == pushed and pushed.total == 5
    with pytest.raises(RuntimeError, match="without push"):
        s.pop()


def test_statistics_of_many_threads(device):
    s = cu.StatisticsResource(device.pool)

    def work():
        with device.stream() as stream:
            for i in range(100):
                s.allocate(i + 1, stream)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    counts = s.counts
    assert (counts.current, counts.total, counts.total_allocations) == (0, 8 * 5050, 800)


# ---- limit -------------------------------------------------------------------------------------------------


def test_a_limit(device, stream):
    limit = cu.LimitResource(device.pool, 100)
    a = limit.allocate(60, stream)
    with pytest.raises(
        cu.OutOfMemoryError, match="41 bytes were asked for; of the limit of 100 bytes 40 are free"
    ) as e:
        limit.allocate(41, stream)
    assert isinstance(e.value, MemoryError)
    b = limit.allocate(40, stream)
    assert limit.used == 100
    a.close()
    b.close()
    assert limit.used == 0
    with pytest.raises(ValueError, match="size"):
        cu.LimitResource(device.pool, -1)


def test_a_limit_does_not_count_what_upstream_refused(device, stream):
    limit = cu.LimitResource(device.pool, 1 << 62)
    with pytest.raises(cu.OutOfMemoryError, match="cuMemAllocFromPoolAsync"):
        limit.allocate(1 << 60, stream)
    assert limit.used == 0


# ---- another try -------------------------------------------------------------------------------------------


def test_another_try(device, stream):
    limit = cu.LimitResource(device.pool, 100)
    cache, asked = [limit.allocate(40, stream), limit.allocate(40, stream)], []

    def free_one(size):
        asked.append(size)
        return bool(cache) and cache.pop().close() is None

    resource = cu.FailureCallbackResource(limit, free_one)
    assert resource.allocate(90, stream).size == 90
    assert asked == [90, 90]
    with pytest.raises(cu.OutOfMemoryError):
        resource.allocate(101, stream)
    assert asked == [90, 90, 101]


def test_a_callback_that_fails(device, stream):
    def fail(size):
        raise KeyError(size)

    resource = cu.FailureCallbackResource(cu.LimitResource(device.pool, 1), fail)
    with pytest.raises(KeyError) as caught:
        resource.allocate(2, stream)
    assert isinstance(caught.value.__context__, cu.OutOfMemoryError)
    with pytest.raises(TypeError, match="called"):
        cu.FailureCallbackResource(device.pool, 5)


# ---- log ---------------------------------------------------------------------------------------------------


def test_the_log(device, stream):
    out = io.StringIO()
    log = cu.LoggingResource(cu.LimitResource(device.pool, 100), out)
    a = log.allocate(64, stream)
    pointer = a.pointer
    a.close()
    with pytest.raises(cu.OutOfMemoryError):
        log.allocate(101, stream)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [(r["Action"], int(r["Pointer"], 0), int(r["Size"]), int(r["Stream"], 0)) for r in rows] == [
        ("allocate", pointer, 64, stream.address),
        ("free", pointer, 64, stream.address),
        ("allocate failure", 0, 101, 0),
    ]
    assert {int(r["Thread"]) for r in rows} == {threading.get_ident()}
    assert all(len(r["Time"].split(":")) == 4 for r in rows)


def test_a_log_in_a_file(device, stream, tmp_path):
    path = tmp_path / "log.csv"
    with cu.LoggingResource(device.pool, path) as log:
        kept = log.allocate(8, stream)
        log.flush()
        assert path.read_text().count("\n") == 2
    kept.close()  # the log is over, the memory is not
    assert path.read_text().splitlines()[0] == "Thread,Time,Action,Pointer,Size,Stream"
    assert path.read_text().count("\n") == 2


def test_a_log_that_cannot_be_written_leaks_nothing(device, stream):
    class Full(io.StringIO):
        def write(self, text):
            if "allocate" in text:
                raise OSError("disk full")
            return super().write(text)

    statistics = cu.StatisticsResource(device.pool)
    log = cu.LoggingResource(statistics, Full())
    with pytest.raises(OSError, match="disk full"):
        log.allocate(8, stream)
    gc.collect()
    assert statistics.counts.current == 0 and statistics.counts.total == 8


# ---- leaks -------------------------------------------------------------------------------------------------


def test_complaint_53_leaks_with_the_allocating_stack(device, stream):
    tracking = cu.TrackingResource(cu.StatisticsResource(device.pool))

    def leaks():
        return tracking.allocate(100, stream)

    leaked = leaks()
    tracking.allocate(50, stream).close()
    (entry,) = tracking.outstanding
    assert (entry.pointer, entry.size, entry.thread) == (leaked.pointer, 100, "MainThread")
    assert entry.stack[0][0] == __file__ and entry.stack[0][2].endswith("leaks")
    assert entry.stack[1][2] == "test_complaint_53_leaks_with_the_allocating_stack"
    text = tracking.report()
    assert "1 allocations of 100 bytes" in text and f"{__file__}:{entry.stack[0][1]} in" in text
    assert tracking.outstanding_bytes == 100
    leaked.close()
    assert tracking.report() == "everything was given back"


def test_tracking_through_the_device(device, stream):
    tracking = cu.TrackingResource(device.pool, depth=1)
    device.resource = tracking
    try:
        kept = device.allocate(10, stream)
        (entry,) = tracking.outstanding
        assert entry.stack[0][2] == "test_tracking_through_the_device" and len(entry.stack) == 1
        kept.close()
    finally:
        device.resource = None
    without = cu.TrackingResource(device.pool, depth=0)
    kept = without.allocate(10, stream)
    assert without.outstanding[0].stack == () and "no stack" in without.report()
    with pytest.raises(ValueError, match="depth"):
        cu.TrackingResource(device.pool, depth=-1)


def test_all_together(device, stream):
    out = io.StringIO()
    limit = cu.LimitResource(device.pool, 1000)
    resource = cu.TrackingResource(cu.StatisticsResource(cu.LoggingResource(limit, out)))
    buffers = [resource.allocate(100, stream) for _ in range(10)]
    with pytest.raises(cu.OutOfMemoryError):
        resource.allocate(1, stream)
    assert resource.outstanding_bytes == resource.upstream.counts.current == limit.used == 1000
    buffers.clear()
    assert resource.outstanding_bytes == resource.upstream.counts.current == limit.used == 0
    assert out.getvalue().count("free") == 10
