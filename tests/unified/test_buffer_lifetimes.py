"""Buffers: views that others hold, and how they end: in threads, cycles, at exit, in the child of a fork."""

import gc
import threading
import weakref

import numpy as np
import pytest

import cuda_unified as cu
from cubind import driver
from tests.unified.memory_tools import run, used

pytestmark = pytest.mark.usefixtures("current")


# ---- views ---------------------------------------------------------------------------------------------------------------


def test_complaint_57_no_view_of_a_devices_memory(device, stream):
    buffer = device.allocate(8, stream)
    for view in (memoryview, bytes, np.frombuffer):
        with pytest.raises((BufferError, TypeError), match="host"):
            view(buffer)


@pytest.mark.parametrize("resource", [cu.PinnedResource, cu.ManagedResource])
def test_views_of_what_the_host_reads(device, stream, resource):
    buffer = resource(device).allocate(16)
    view = memoryview(buffer)
    assert (view.nbytes, view.format, view.readonly, view.c_contiguous) == (16, "B", False, True)
    view[:4] = b"abcd"
    array = np.frombuffer(buffer, np.uint32)
    assert array[0] == int.from_bytes(b"abcd", "little")
    assert buffer.to_bytes(stream=stream)[:4] == b"abcd"


def test_a_buffer_with_views_is_not_closed(device):
    buffer = cu.PinnedResource(device).allocate(16)
    views = [memoryview(buffer), memoryview(buffer[4:8])]
    with pytest.raises(BufferError, match="2 objects"):
        buffer.close()
    views.pop().release()
    with pytest.raises(BufferError, match="1 object "):
        buffer.close()
    views.pop().release()
    buffer.close()


def test_a_part_with_a_view_is_not_closed(device):
    part = cu.PinnedResource(device).allocate(16)[2:4]
    with memoryview(part), pytest.raises(BufferError):
        part.close()
    part.close()


def test_a_view_keeps_the_memory(device):
    view = memoryview(cu.PinnedResource(device).allocate(16))
    gc.collect()
    view[:] = b"x" * 16
    assert bytes(view) == b"x" * 16


def test_a_read_only_view(device):
    source = bytearray(b"abcdefgh")
    buffer = cu.Buffer.from_handle(np.frombuffer(source, "u1").ctypes.data, 8, owner=source, kind="host", readonly=True)
    view = memoryview(buffer)
    assert view.readonly and bytes(view) == b"abcdefgh"
    with pytest.raises(ValueError, match="read-only"):
        buffer.copy_from(bytes(8))
    with pytest.raises(ValueError, match="read-only"):
        buffer.fill(0)
    assert buffer[1:3].is_readonly


# ---- lifetimes -------------------------------------------------------------------------------------------------------------


def test_dropped_in_other_threads(device):
    before = used(device)
    errors = []

    def work():
        try:
            with device.stream() as s:
                for i in range(50):
                    buffer = device.allocate(64 + i, s)
                    buffer[3:10].fill(i % 256, stream=s)
                    shared.append(buffer)
                    if i % 2:
                        shared.pop(0)
                s.sync()
        except BaseException as error:
            errors.append(error)

    shared = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    shared.clear()
    assert used(device) == before


def test_dropped_in_a_cycle(device, stream):
    before = used(device)

    class Holder:
        pass

    holder = Holder()
    holder.me, holder.buffer = holder, device.allocate(256, stream)
    del holder
    gc.collect()
    stream.sync()
    assert used(device) == before


def test_a_buffer_that_belongs_to_its_owner(device):
    class Owner:
        def __init__(self):
            self.array = np.zeros(8, "u1")
            self.buffer = cu.Buffer.from_handle(self.array.ctypes.data, 8, owner=self, kind="host")

    alive = weakref.ref(Owner())
    gc.collect()
    assert alive() is None


class Hoards(cu.MemoryResource):
    """Keeps all that it ever gave."""

    freed = 0

    def __init__(self, device):
        self.upstream, self.given, self.taken = cu.SyncResource(device), [], {}

    def allocate(self, size, stream=None):
        inner = self.upstream.allocate(size)
        self.taken[inner.pointer] = inner
        self.given.append(self.buffer(inner.pointer, size, device=inner.device))
        return self.given[-1]

    def deallocate(self, pointer, size, *, stream):
        self.taken.pop(pointer).close()
        Hoards.freed += 1


def test_buffers_that_belong_to_their_resource(device):
    gc.collect()
    Hoards.freed = 0
    hoards = Hoards(device)
    alive = weakref.ref(hoards)
    for _ in range(3):
        hoards.allocate(1 << 20)
    del hoards
    gc.collect()
    assert alive() is None and Hoards.freed == 3


def test_views_in_a_cycle_end_before_the_memory(device):
    seen = []

    class Holder:
        def __init__(self):
            self.me = self
            self.array = cu.zeros_pinned(1000, "u1", device=device)
            self.buffer = cu.PinnedResource(device).allocate(8)
            self.view = memoryview(self.buffer)

        def __del__(self):
            self.array[:] = 5
            self.view[:] = b"x" * 8
            seen.append((int(self.array[999]), bytes(self.view)))

    Holder()
    gc.collect()
    assert seen == [(5, b"x" * 8)]


def test_after_its_own_context_was_closed(device):
    context = device.create_context() if hasattr(device, "create_context") else None
    if context is None:
        pytest.skip("Device.create_context is not there yet")
    with context:
        pointer = driver.cuMemAlloc(64)
    buffer = cu._native.make_buffer(pointer, 64, context, 1, None, None, None, 2)
    context.close()
    with pytest.raises(cu.ClosedError):
        buffer.fill(1)
    del buffer


KINDS_AT_EXIT = """
import numpy as np, cuda_unified as cu
d = cu.Device(0)
s = d.stream()
kept = [
    d.allocate(100, s), cu.SyncResource(d).allocate(100), cu.PinnedResource(d).allocate(100),
    cu.ManagedResource(d).allocate(100), cu.register_host(np.zeros(100)), d.allocate(100, s)[1:5],
    cu.empty_pinned(10), cu.StatisticsResource(d.pool).allocate(10, s), cu.Pool.create(d).allocate(5, s),
]
kept[0].copy_from(bytes(100), stream=s)
pinned = cu.empty_pinned(100, "u1")
kept[0].copy_to(pinned, stream=s)
"""


def test_complaint_41_every_kind_alive_at_exit():
    assert run(KINDS_AT_EXIT + "print('done')") == "done\n"


def test_every_kind_dropped_at_exit_in_reverse():
    assert run(KINDS_AT_EXIT + "import builtins; builtins.kept = kept; del kept; print('done')") == "done\n"


def test_complaint_44_in_the_child_of_a_fork():
    program = (
        KINDS_AT_EXIT
        + """
import os
pid = os.fork()
if not pid:
    try:
        d.allocate(5, s)
    except cu.ForkError as e:
        assert "spawn" in str(e)
    else:
        os._exit(1)
    for use in (lambda: kept[0].fill(0), lambda: memoryview(kept[2]), lambda: kept[0].to_bytes()):
        try:
            use()
        except cu.ForkError:
            pass
        else:
            os._exit(2)
    kept.clear()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
kept[0].fill(3, stream=s)
print(kept[0].to_bytes(stream=s)[:2])
"""
    )
    assert run(program) == "0\nb'\\x03\\x03'\n"
