"""Many copies in one call: what they move, in which order, how long they keep what they copy, and what is refused."""

import gc
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from tests.unified.memory_tools import run

pytestmark = pytest.mark.usefixtures("current")

N = 1 << 12


def filled(device, stream, value, size=N):
    return device.allocate(size, stream).fill(value, stream=stream)


@pytest.mark.parametrize("source_order", ["stream", "call", "any"])
def test_every_kind_of_end(device, stream, source_order):
    source = filled(device, stream, 7)
    stream.sync()  # "call" and "any" do not wait for the stream
    to = filled(device, stream, 0)
    pinned, pageable = cu.empty_pinned(N, "uint8"), np.zeros(N, "uint8")
    numbers = np.arange(N, dtype="uint8")
    array = cu.zeros(N // 4, "float32", stream=stream)
    values = np.random.default_rng(1).random(N // 4, dtype="float32")
    pairs = [(to[: N // 2], source[N // 2 :]), (pinned, numbers), (pageable, source), (array, values)]
    stream.sync()
    cu.copy_batch(pairs, source_order=source_order, overlap=True, stream=stream)
    assert (pageable == 7).all()  # pageable memory of the host is written when the call returns
    stream.sync()
    assert to.to_bytes() == bytes([7]) * (N // 2) + bytes(N // 2)
    assert (pinned == numbers).all()
    assert (array.to_host() == values).all() and array.stream == stream


def test_in_the_order_of_the_stream(device, stream):
    a, b = filled(device, stream, 1), filled(device, stream, 2)
    a.fill(3, stream=stream)
    cu.copy_batch([(b, a)], stream=stream)
    a.fill(4, stream=stream)
    assert set(b.to_bytes(stream=stream)) == {3} and set(a.to_bytes(stream=stream)) == {4}


def test_one_call_of_the_driver(device, stream):
    source, to = filled(device, stream, 5), filled(device, stream, 0)
    with cu.trace() as seen:
        cu.copy_batch([(to[i : i + 64], source[i : i + 64]) for i in range(0, N, 64)], stream=stream)
    assert set(to.to_bytes(stream=stream)) == {5}
    (event,) = seen.events
    assert (event.kind, event.name, event.stream, event.size) == ("copy", "cuMemcpyBatchAsync", stream.address, N)
    assert event.device_begin is not None and event.device_begin <= event.device_end


def test_hints_for_managed_memory(device, stream):
    with cu.ManagedResource(device).allocate(N) as managed, device.allocate(N, stream) as plain:
        managed.fill(9, stream=stream)
        cu.copy_batch([(plain, managed)], source_hint="host", destination_hint=device, stream=stream)
        cu.copy_batch([(managed[:64], bytes(64))], destination_hint=cu.Host(), stream=stream)
        assert set(plain.to_bytes(stream=stream)) == {9} and managed.to_bytes(stream=stream)[:65] == bytes(64) + b"\x09"


def test_where_there_are_no_batches(device):
    a, b = device.allocate(N), device.allocate(N)
    a.fill(6)
    cu.copy_batch([(b, a)])
    assert set(b.to_bytes()) == {6}
    with device.stream() as stream, stream.capture() as graph:
        cu.copy_batch([(b[:32], a[32:64]), (b[32:64], a[:32])], stream=stream)
    assert len(graph.nodes) == 2
    with device.stream() as stream:
        a.fill(8, stream=stream)
        graph.instantiate().launch(stream)
        stream.sync()
        assert b.to_bytes(stream=stream)[:65] == bytes([8]) * 64 + b"\x06"


class Ends(np.ndarray):
    """An array that can be referred to weakly."""


def test_sources_live_until_they_are_copied(device, stream):
    to = device.allocate(N, stream)
    source = np.full(N, 3, "uint8").view(Ends)
    alive = weakref.ref(source)
    cu.copy_batch([(to, source)], stream=stream)
    del source
    gc.collect()
    assert set(to.to_bytes(stream=stream)) == {3}
    stream.sync()
    to.fill(0, stream=stream).copy_from(bytes(N), stream=stream)  # looks what is done
    gc.collect()
    assert alive() is None


def test_nothing_to_do(device, stream):
    cu.copy_batch([], stream=stream)
    cu.copy_batch([(bytearray(), b"")], stream=stream)
    cu.copy_batch(iter([(device.allocate(0, stream), b"")]), stream=stream)


def test_what_is_refused(device, stream):
    a, b = filled(device, stream, 1), filled(device, stream, 2)
    good = (b, a)
    cases = [
        (ValueError, r"copy 1 of the batch: 100 bytes .* memory of 4096 bytes", [good, (b, a[:100])], {}),
        (ValueError, r"copy 0 of the batch: source and destination overlap in 3968 bytes", [(a[64:], a[:-64])], {}),
        (TypeError, r"copy 1 of the batch: a tuple", [good, b], {}),
        (TypeError, r"copy 0 of the batch: a tuple", [(a, b, a)], {}),
        (ValueError, "read-only", [(bytes(N), a)], {}),
        (TypeError, "buffer protocol is wanted, not float", [(b, 1.5)], {}),
        (ValueError, "source_order is one of 'stream', 'call', 'any', not 'now'", [good], {"source_order": "now"}),
        (TypeError, "a place is a Device", [good], {"source_hint": 1.5}),
    ]
    for kind, words, pairs, options in cases:
        with pytest.raises(kind, match=words):
            cu.copy_batch(pairs, stream=stream, **options)
    assert set(b.to_bytes(stream=stream)) == {2}, "nothing was copied"
    a.close()
    with pytest.raises(cu.ClosedError):
        cu.copy_batch([good], stream=stream)


def test_read_only_buffers_are_no_destination(device, stream):
    a = filled(device, stream, 1)
    view = cu.Buffer.from_handle(a.pointer, a.size, owner=a, readonly=True)
    for copy in (
        lambda: cu.copy_batch([(view, bytes(N))], stream=stream),
        lambda: cu.copy_2d(view, bytes(N), width=64, height=2, stream=stream),
    ):
        with pytest.raises(ValueError, match="read-only"):
            copy()


def test_the_error_of_the_driver(device):
    """Memory that nobody allocated: the error names the call; in a process of its own, as the context has failed then."""
    run("""
import cuda_unified as cu
device = cu.Device(0)
stream = device.stream()
a, b = device.allocate(64, stream), device.allocate(64, stream)
wild = cu.Buffer.from_handle(a.pointer + (1 << 40), 64, kind="device", device=device)
try:
    cu.copy_batch([(a, b), (wild, b)], stream=stream)
    stream.sync()
except cu.CudaError as error:
    assert error.function == "cuMemcpyBatchAsync", error.function
else:
    raise SystemExit("no error")
""")
