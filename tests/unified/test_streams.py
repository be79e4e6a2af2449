"""Streams and events: order, time, calls, the current stream."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import cubind
import cuda_unified as cu
from cubind import driver
from tests.helpers import fakes

ROOT = str(fakes.PACKAGE.parents[1])


@pytest.fixture
def stream(device: cu.Device) -> Iterator[cu.Stream]:
    made = device.stream()
    yield made
    made.close()


def blocked(stream: cu.Stream) -> threading.Event:
    """Lets the stream wait until the event is set."""
    gate = threading.Event()
    host_function(stream, lambda: gate.wait(20))
    return gate


def host_function(stream: cu.Stream, function: Callable[[], object]) -> None:
    """Lets the stream itself do a function of the host."""
    with stream.context:
        driver.cuLaunchHostFunc(stream.handle, lambda _: function(), None)


def test_making(device: cu.Device, stream: cu.Stream) -> None:
    assert stream.device is device and stream.context == device.context
    assert stream.is_nonblocking and not device.stream(nonblocking=False).is_nonblocking
    urgent = device.stream_priorities[0]
    assert device.stream(priority=urgent).priority == urgent and device.stream(priority=None).priority == 0
    assert int(stream.handle) == stream.address and isinstance(stream.handle, driver.CUstream)
    assert stream.__cuda_stream__() == (0, stream.address)
    assert stream.id != device.stream().id and not stream.is_capturing
    for wrong, error in (
        ({"priority": "1"}, TypeError),
        ({"priorit": 1}, TypeError),
        ({"priority": 2**40}, ValueError),
    ):
        with pytest.raises(error, match="priorit"):
            device.stream(**wrong)
    with pytest.raises(TypeError):
        device.stream(3)
    with pytest.raises(TypeError, match="cannot create"):
        cu.Stream()


def test_order(device: cu.Device, stream: cu.Stream) -> None:
    gate = blocked(stream)
    event, other = stream.record(), device.stream()
    assert not stream.done and not event.done
    other.wait(event)
    late = other.record()
    another = device.stream()
    another.wait(stream)
    assert not late.done and not another.done
    gate.set()
    late.sync()
    another.sync()
    assert event.done and stream.done
    stream.sync()


def test_time(device: cu.Device, stream: cu.Stream) -> None:
    first = stream.record()
    host_function(stream, lambda: time.sleep(0.02))
    second = stream.record()
    second.sync()
    assert 15 < second - first < 5000 and first.elapsed(second) == second - first
    with stream.timed() as timing:
        host_function(stream, lambda: time.sleep(0.02))
        with pytest.raises(ValueError, match="block"):
            _ = timing.ms
    assert 15 < timing.ms < 5000
    quick = stream.record(timing=False)
    assert not quick.is_timing_enabled and first.is_timing_enabled
    quick.sync()
    with pytest.raises(ValueError, match="timing=False"):
        quick.elapsed(second)
    with pytest.raises(TypeError):
        first.elapsed(3)
    with pytest.raises(TypeError):
        _ = first - 3


def test_events(device: cu.Device, stream: cu.Stream) -> None:
    event = device.event(blocking_sync=True)
    assert (
        event.is_blocking_sync and event.done and stream.record(event) is event and stream.record(event=event) is event
    )
    assert device.event(ipc=True).is_ipc_enabled and not device.event(ipc=True).is_timing_enabled
    with pytest.raises(ValueError, match="timing"):
        device.event(ipc=True, timing=True)
    borrowed = cu.Event.from_handle(event.handle, device=device, owner=event)
    assert borrowed == event and hash(borrowed) == hash(event)
    borrowed.sync()
    assert borrowed.done
    borrowed.close()
    event.sync()
    with device.event() as scoped:
        stream.record(scoped)
    for use in (
        scoped.sync,
        lambda: scoped.done,
        lambda: stream.record(scoped),
        lambda: stream.wait(scoped),
        lambda: scoped.handle,
    ):
        with pytest.raises(cu.ClosedError, match="Event is closed"):
            use()


def test_closed(device: cu.Device) -> None:
    stream = device.stream()
    stream.close()
    stream.close()
    assert stream.is_closed and "closed" in repr(stream)
    uses: list[Any] = [
        stream.sync,
        stream.record,
        stream.__enter__,
        stream.__cuda_stream__,
        lambda: stream.done,
        lambda: stream.handle,
    ]
    uses += [lambda: device.stream().wait(stream), lambda: stream.call(print), lambda: device.allocate(8, stream)]
    for use in uses:
        with pytest.raises(cu.ClosedError, match="Stream is closed"):
            use()


@pytest.mark.parametrize("wrong", [None, 1.5, "stream", object(), True])
def test_no_stream(stream: cu.Stream, wrong: object) -> None:
    with pytest.raises(TypeError, match="Stream"):
        stream.wait(wrong)


def test_complaint_52_other_libraries_streams(device: cu.Device, stream: cu.Stream) -> None:
    class Foreign:
        def __cuda_stream__(self) -> tuple[int, int]:
            return 0, stream.address

    class AsProperty:
        __cuda_stream__ = (0, stream.address)

    class Newer:
        def __cuda_stream__(self) -> tuple[int, int]:
            return 1, 2

    for foreign in (Foreign(), AsProperty(), stream.handle):
        device.stream().wait(foreign)
        device.allocate(8, foreign).close(foreign)
        wrapped = cu.Stream.from_handle(foreign, device=device)
        assert wrapped == stream
        wrapped.close()  # never destroys it
        stream.sync()
    with pytest.raises(TypeError, match="version 1"):
        stream.wait(Newer())
    assert cu.Stream.from_handle(stream.address).address == stream.address


def test_complaint_49_current_stream(device: cu.Device, stream: cu.Stream) -> None:
    default = cu.current_stream(device)
    assert default is device.default_stream is cu.current_stream() and default.address in (1, 2)
    with stream as entered:
        assert entered is stream and cu.current_stream() is stream and cu.current_stream(device) is stream
        buffer = device.allocate(16)
        assert buffer.stream is stream
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(cu.current_stream).result().address == default.address
        with device.stream() as inner:
            assert cu.current_stream() is inner
        assert cu.current_stream() is stream
    assert cu.current_stream() is default


def test_complaint_43_default_stream_is_a_choice() -> None:
    script = """
        import cuda_unified as cu, cubind
        assert cu.Device(0).default_stream.address == 1 and "legacy" in repr(cu.current_stream())
        cubind.per_thread_default_stream(True)
        assert cu.Device(0).default_stream.address == 2 and "per-thread" in repr(cu.current_stream())
        cu.current_stream().sync()
        print("fine")
    """
    assert fakes.run(script, PYTHONPATH=ROOT, CUBIND_DEVICE="cpu").strip() == "fine"


# ---- calls -----------------------------------------------------------------------------------------------------------


def test_complaint_38_calls(device: cu.Device, stream: cu.Stream) -> None:
    gate = blocked(stream)
    main, seen = threading.get_ident(), []
    call = stream.call(lambda a, b: seen.append((a, b, threading.get_ident())) or a + b, 1, 2)
    assert not call.done()
    gate.set()
    assert call.result(10) == 3 and seen[0][:2] == (1, 2) and seen[0][2] != main
    # the function may use CUDA, also the stream that called it
    assert stream.call(stream.sync).result(10) is None
    with pytest.raises(ZeroDivisionError):
        stream.call(lambda: 1 // 0).result(10)
    assert [stream.call(int, i).result(10) for i in range(20)] == list(range(20))


def test_complaint_39_no_deadlock_by_the_gil(device: cu.Device) -> None:
    """Threads that wait for streams while streams call Python."""

    def work(i: int) -> int:
        stream = device.stream()
        calls = [stream.call(lambda k=k: sum(range(k))) for k in range(50)]
        stream.sync()
        return sum(c.result(20) for c in calls)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(16))) == {sum(sum(range(k)) for k in range(50))}


def test_an_error_that_nobody_asks_for_is_reported(stream: cu.Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(repr(args.exc_value)))
    call = stream.call(lambda: 1 // 0)
    while not call.done():
        time.sleep(0.001)
    time.sleep(0.01)
    del call
    gc.collect()
    assert seen == ["ZeroDivisionError('integer division or modulo by zero')"]


def test_an_error_that_nobody_asks_for_is_printed() -> None:
    """By Python's own hook, which takes nothing but what Python gives it."""
    script = """
        import time, cuda_unified as cu
        def wrong(): raise KeyError("of mine")
        call = cu.Device(0).stream().call(wrong)
        while not call.done(): time.sleep(0.001)
        time.sleep(0.01)
        del call
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=30)
    assert "in wrong" in done.stderr and "KeyError: 'of mine'" in done.stderr and "Hook" not in done.stderr


def test_mistakes_are_told_at_once(device: cu.Device, stream: cu.Stream) -> None:
    with pytest.raises(TypeError, match="a function is wanted, not None"):
        stream.call(None)  # type: ignore[arg-type]
    with pytest.raises(cu.InvalidHandleError, match="made with timing, and recorded"):
        device.event().elapsed(stream.record())


def test_nobody_waits_any_more(stream: cu.Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task was cancelled, and the loop is closed when the stream gets there."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(repr(args.exc_value)))

    async def main() -> threading.Event:
        gate = blocked(stream)
        for one in (stream, stream.call(lambda: 5)):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one, 0.01)
        return gate

    gate = asyncio.run(main())
    gate.set()
    stream.sync()
    assert stream.call(lambda: 6).result(20) == 6
    gc.collect()
    assert seen == []


def test_await_a_call(stream: cu.Stream) -> None:
    async def main() -> int:
        assert await stream.call(lambda a, b: a + b, 3, 4) == 7
        with pytest.raises(ZeroDivisionError):
            await stream.call(lambda: 1 // 0)
        gate = blocked(stream)
        call = stream.call(lambda: 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.01)
        gate.set()
        return 7

    assert asyncio.run(main()) == 7


def test_await(device: cu.Device, stream: cu.Stream) -> None:
    async def main() -> list[str]:
        order = []

        async def other() -> None:
            await asyncio.sleep(0.01)
            order.append("other")
            gate.set()

        gate = blocked(stream)
        task = asyncio.create_task(other())
        await stream
        order.append("stream")
        await task
        await asyncio.gather(*(device.stream()._reached() for _ in range(5)))
        return order

    assert asyncio.run(main()) == ["other", "stream"]


def test_failed_work_reaches_calls_and_await() -> None:
    """A stream whose work failed calls nobody, but nobody waits for ever."""
    script = """
        import asyncio, cuda_unified as cu
        from cubind import driver
        s = cu.Device(0).stream()
        ptx = b'''.version 7.0
        .target sm_70
        .address_size 64
        .visible .entry bad() { .reg .b64 %p; mov.u64 %p, 64; st.global.u32 [%p], 0; ret; }
        '''
        with cu.Device(0):
            f = driver.cuModuleGetFunction(driver.cuModuleLoadData(ptx + bytes(1)), "bad")
            driver.cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, s.handle, ())
        calls = []
        async def main(): await s
        for wait in (s.sync, lambda: asyncio.run(asyncio.wait_for(main(), 10)), lambda: s.call(calls.append, 1).result(10)):
            try: wait()
            except cu.IllegalAddressError as error: print(type(error).__name__, "bad" in error.log, "nearest" in str(error) or "address" in str(error))
            except cu.CudaError as error: print(error)
        print(calls)
    """
    lines = fakes.run(script, PYTHONPATH=ROOT, CUBIND_DEVICE="cpu").splitlines()
    assert lines[-1] == "[]" and lines[0] == "IllegalAddressError True True" and len(lines) == 4, lines


def test_attributes(device: cu.Device, stream: cu.Stream) -> None:
    assert stream.synchronization_policy == "auto" and stream.memory_sync_domain == "default"
    for policy in ("spin", "yield", "blocking_sync", "auto"):
        stream.synchronization_policy = policy
        assert stream.synchronization_policy == policy
        stream.sync()
    stream.synchronization_policy = driver.CUsynchronizationPolicy.CU_SYNC_POLICY_SPIN
    assert stream.synchronization_policy == "spin" and device.stream().synchronization_policy == "auto"
    stream.memory_sync_domain = "remote"
    assert stream.memory_sync_domain == "remote"
    stream.memory_sync_domain_map = (0, 0)
    assert stream.memory_sync_domain_map == (0, 0)
    stream.priority = device.stream_priorities[0]
    assert stream.priority == device.stream_priorities[0]
    for name, wrong, kind in (
        ("synchronization_policy", "sleep", ValueError),
        ("memory_sync_domain", 3, ValueError),
        ("memory_sync_domain_map", 3, TypeError),
        ("memory_sync_domain_map", (0, 256), ValueError),
    ):
        with pytest.raises(kind, match=f"Stream: {name} must be .*{wrong[0] if isinstance(wrong, tuple) else wrong}"):
            setattr(stream, name, wrong)
    with pytest.raises(cu.InvalidValueError):
        stream.memory_sync_domain_map = (0, 255)  # so many domains no device has
    stream.close()
    with pytest.raises(cu.ClosedError):
        stream.synchronization_policy = "spin"


def test_access_policy(stream: cu.Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = stream.device.allocate(4096, stream)
    for wrong in (3, cu.AccessPolicy(memory, 1.5), cu.AccessPolicy(memory, miss="persisting")):
        with pytest.raises((TypeError, ValueError), match="Stream: access_policy must be"):
            stream.access_policy = wrong
    try:
        stream.access_policy = None
    except cubind.NotSupportedError:
        pytest.skip("this device has no stream attributes")
    if not stream.device.properties.max_access_policy_window_size:  # taken, and without effect: look at what is said
        kept: list[object] = []
        monkeypatch.setattr(driver, "cuStreamSetAttribute", lambda *given: kept.append(given[2]))
        monkeypatch.setattr(driver, "cuStreamGetAttribute", lambda *_: kept[-1])
    stream.access_policy = cu.AccessPolicy(memory, 0.5, "streaming", "normal")
    assert stream.access_policy == ((memory.pointer, 4096), 0.5, "streaming", "normal")
    stream.access_policy = None
    assert stream.access_policy is None


def test_complaint_43_threads_share_and_make(device: cu.Device) -> None:
    shared = device.stream()

    def work(i: int) -> bool:
        for _ in range(30):
            stream = device.stream()
            event = shared.record()
            stream.wait(event)
            shared.wait(stream)
            buffer = device.allocate(64, stream)
            with stream:
                assert cu.current_stream() is stream
            buffer.close(shared)
            del event
            stream.sync()
        return shared.done in (True, False)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
    shared.sync()
