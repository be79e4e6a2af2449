"""Callbacks that the driver calls from its own threads: how long they live, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import callbacks


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return callbacks.build(tmp_path_factory.mktemp("callbacks"))


@pytest.fixture
def check(library: Path) -> Callable[..., str]:
    return partial(callbacks.check, library)


Check = Callable[..., str]


# ---- once ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("synchronous", [0, 1])
def test_a_host_function_is_called_once_and_let_go(check: Check, synchronous: int) -> None:
    check(f"""
    number("synchronous").value = {synchronous}
    number("delay_ms").value = 20
    got, thing = [], Thing()
    class Callback:
        def __call__(self, data):
            got.append((data, threading.get_ident()))
    callback = Callback()
    watch = weakref.ref(callback)
    driver.cuLaunchHostFunc(None, callback, thing)
    del callback
    gc.collect()
    junk = [Callback() for _ in range(1000)]
    wait(lambda: got)
    assert got[0][0] is thing
    assert (got[0][1] == threading.get_ident()) == {bool(synchronous)}
    wait(lambda: watch() is None)
    """)


def test_a_call_that_failed_keeps_nothing(check: Check) -> None:
    check("""
    thing = Thing()
    watch = weakref.ref(thing)
    for _ in range(100):
        try:
            driver.cuLaunchHostFunc(0xbad, thing.__init__, thing)
        except cubind.InvalidHandleError as error:
            assert error.function == "cuLaunchHostFunc"
        else:
            raise AssertionError
    del thing
    gc.collect()
    assert watch() is None
    """)


def test_callables_of_all_kinds(check: Check) -> None:
    check("""
    got = []
    class Method:
        def take(self, data):
            got.append(data)
    import functools
    for callback in (got.append, Method().take, functools.partial(lambda a, b: got.append(b), 1), lambda data: got.append(data)):
        driver.cuLaunchHostFunc(None, callback, "data")
    wait(lambda: len(got) == 4)
    assert got == ["data"] * 4
    """)


def test_functions_of_c(check: Check) -> None:
    check("""
    got = []
    function = driver.CUhostFn(got.append)
    driver.cuLaunchHostFunc(None, function, 5)
    driver.cuLaunchHostFunc(None, ctypes.cast(function, ctypes.c_void_p).value, 6)
    wait(lambda: len(got) == 2)
    assert sorted(got) == [5, 6]
    for wrong in ("x", 1.5, driver.CUevent(1), True, object()):
        try:
            driver.cuLaunchHostFunc(None, wrong, None)
        except TypeError as error:
            assert "cuLaunchHostFunc() argument 'fn': expected a callable" in str(error), error
        else:
            raise AssertionError
    """)


def test_exceptions_are_reported(check: Check) -> None:
    check("""
    reported = []
    sys.unraisablehook = lambda r: reported.append((r.exc_type, str(r.exc_value), r.object))
    def fail(data):
        raise ValueError(data)
    for data in ("a", "b"):
        driver.cuLaunchHostFunc(None, fail, data)
    driver.cuLaunchHostFunc(None, lambda: None, None)
    wait(lambda: len(reported) == 3)
    assert sorted(r[1] for r in reported if r[0] is ValueError) == ["a", "b"]
    assert all(r[2] is fail for r in reported if r[0] is ValueError)
    assert [r[0] for r in reported if r[0] is not ValueError] == [TypeError]
    """)


def test_a_waiting_thread_lets_callbacks_in(check: Check) -> None:
    """The caller of a call that waits does not hold the GIL: a callback would wait for it for ever."""
    check("""
    number("delay_ms").value = 100
    got = []
    driver.cuLaunchHostFunc(None, got.append, 1)
    number("delay_ms").value = 400
    ticks = []
    threading.Thread(target=lambda: [ticks.append(time.sleep(0.01)) for _ in range(10)]).start()
    driver.cuCtxSynchronize()
    assert got == [1]
    assert len(ticks) == 10
    """)


def test_a_callback_may_call_the_driver(check: Check) -> None:
    check("""
    got = []
    def callback(data):
        driver.cuInit(0)
        try:
            driver.cuInit(2)
        except MemoryError as error:
            got.append(error.name)
        if data:
            driver.cuLaunchHostFunc(None, callback, data - 1)
    driver.cuLaunchHostFunc(None, callback, 3)
    wait(lambda: len(got) == 4)
    """)


def test_a_stream_callback_gets_stream_and_status(check: Check) -> None:
    check("""
    got, thing = [], Thing()
    class Callback:
        def __call__(self, *values):
            got.append(values)
    callback = Callback()
    watch = weakref.ref(callback)
    driver.cuStreamAddCallback(5, callback, thing, 0)
    del callback
    assert got == [(driver.CUstream(5), driver.CUDA_ERROR_LAUNCH_FAILED, thing)], got
    assert type(got[0][1]) is driver.CUresult
    gc.collect()
    assert watch() is None, "called once, and let go"
    """)


# ---- during a call ---------------------------------------------------------------------------------------------------


def test_a_callback_without_user_pointer(check: Check) -> None:
    check("""
    def size(block):
        return block * 2
    before = sys.getrefcount(size)
    assert driver.cuOccupancyMaxPotentialBlockSize(None, size, 0, 0) == (200, 400)
    def nested(block):
        inner = driver.cuOccupancyMaxPotentialBlockSize(None, lambda b: b + 1, 0, 0)
        assert inner == (101, 201)
        return block
    assert driver.cuOccupancyMaxPotentialBlockSize(None, nested, 0, 0) == (100, 200)
    reported = []
    sys.unraisablehook = lambda r: reported.append(r.exc_type)
    assert driver.cuOccupancyMaxPotentialBlockSize(None, lambda b: 1 / 0, 0, 0) == (0, 0)
    assert driver.cuOccupancyMaxPotentialBlockSize(None, lambda b: None, 0, 0) == (0, 0)
    assert driver.cuOccupancyMaxPotentialBlockSize(None, lambda b: "x", 0, 0) == (0, 0)
    assert reported == [ZeroDivisionError] * 2 + [TypeError] * 2, reported
    assert sys.getrefcount(size) == before
    """)


# ---- graphs ----------------------------------------------------------------------------------------------------------


def test_a_captured_callback_lives_as_long_as_the_graph(check: Check) -> None:
    check("""
    number("capturing").value = 1
    got, callback = [], Thing()
    class Callback:
        def __call__(self, data):
            got.append(data)
    callback = Callback()
    watch = weakref.ref(callback)
    driver.cuLaunchHostFunc(5, callback, "data")
    del callback
    number("capturing").value = 0
    for n in (1, 2, 3):
        gc.collect()
        c.replay()
        wait(lambda: len(got) == n)
    assert watch() is not None
    driver.cuGraphDestroy(9)
    wait(lambda: watch() is None)
    """)


def test_a_graph_node_keeps_its_callback(check: Check) -> None:
    check("""
    got = []
    class Callback:
        def __call__(self, data):
            got.append(data)
    params = driver.CUDA_HOST_NODE_PARAMS(fn=Callback(), userData="data")
    watch = weakref.ref(params.fn)
    assert driver.cuGraphAddHostNode(9, None, None, params) == driver.CUgraphNode(0x77)
    del params
    gc.collect()
    for n in (1, 2):
        c.replay()
        wait(lambda: len(got) == n)
    assert got == ["data"] * 2 and watch() is not None
    driver.cuGraphDestroy(9)
    wait(lambda: watch() is None)
    """)


def test_user_objects_are_destroyed_once(check: Check) -> None:
    check("""
    got, thing = [], Thing()
    made = driver.cuUserObjectCreate(thing, got.append, 1, 1)
    assert isinstance(made, driver.CUuserObject)
    watch = weakref.ref(thing)
    del thing
    gc.collect()
    driver.cuGraphDestroy(9)
    wait(lambda: got)
    assert got[0] is watch()
    got.clear()
    wait(lambda: watch() is None)
    """)


# ---- registered ------------------------------------------------------------------------------------------------------


def test_a_registered_callback_lives_until_it_is_unregistered(check: Check) -> None:
    check("""
    got = []
    class Callback:
        def __call__(self, *values):
            got.append(values)
    callback = Callback()
    watch = weakref.ref(callback)
    handle = driver.cuLogsRegisterCallback(callback, "data")
    del callback
    gc.collect()
    c.say()
    assert [values[:3] for values in got] == [("data", driver.CU_LOG_LEVEL_ERROR, "hello")], got
    assert type(got[0][1]) is driver.CUlogLevel
    try:
        driver.cuLogsUnregisterCallback(0x99)
    except cubind.InvalidValueError:
        pass
    gc.collect()
    assert watch() is not None
    driver.cuLogsUnregisterCallback(handle)
    gc.collect()
    assert watch() is None
    c.say()
    assert len(got) == 1, "what fires after it was released does nothing"
    """)


def test_callers_with_and_without_the_gil(check: Check) -> None:
    check("""
    got = []
    driver.cuLogsRegisterCallback(lambda *values: got.append(values[0]), "data")
    held = ctypes.PyDLL(os.environ["CUBIND_DRIVER_LIBRARY"])
    c.say()
    held.say()
    driver.cuDriverGetVersion()
    assert got == ["data"] * 3
    def work(call):
        for _ in range(50):
            call()
    calls = (c.say, held.say, driver.cuDriverGetVersion) * 3
    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    assert len(got) == 3 + 9 * 50
    """)


# ---- what an object of the driver keeps ------------------------------------------------------------------------------


def test_options_of_a_linker_outlive_the_call(check: Check) -> None:
    """Complaint 17."""
    check("""
    class Buffer(bytearray):
        pass
    log = Buffer(64)
    watch = weakref.ref(log)
    options = [driver.CU_JIT_ERROR_LOG_BUFFER, driver.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES]
    state = driver.cuLinkCreate(2, options, [log, 64])
    del log
    gc.collect()
    junk = [Buffer(64) for _ in range(1000)]
    assert driver.cuLinkComplete(state)
    assert watch().startswith(b"the linker's log")
    del junk
    driver.cuLinkDestroy(state)
    gc.collect()
    assert watch() is None
    """)


# ---- many at once ----------------------------------------------------------------------------------------------------


def test_threads_in_parallel(check: Check) -> None:
    check("""
    end, errors, done, lock = time.monotonic() + 1, [], [], threading.Lock()
    got = []
    def work(i):
        n = 0
        try:
            while time.monotonic() < end:
                node = driver.CUDA_HOST_NODE_PARAMS_v2(fn=got.append, userData=(i, n))
                assert driver.CUresult(n % 3) == n % 3 and node.userData == (i, n)
                assert driver.cuOccupancyMaxPotentialBlockSize(None, lambda b: b + n, 0, 0) == (100 + n, 200 + n)
                config = driver.CUlaunchConfig(attrs=[{"id": 1, "value": {"priority": n}}])
                assert driver.CUlaunchAttribute.from_ptr(config.attrs).value.priority == n
                if n % 50 == 0:
                    driver.cuLaunchHostFunc(None, got.append, i)
                try:
                    driver.cuInit(2)
                except MemoryError:
                    n += 1
        except BaseException as error:
            errors.append(repr(error))
        with lock:
            done.append((n + 49) // 50)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    [t.start() for t in threads]
    for _ in range(20):
        gc.collect()
        time.sleep(0.02)
    [t.join(20) for t in threads]
    assert not errors, errors
    assert sum(done) > 16
    wait(lambda: len(got) == sum(done))
    """)


def test_no_leaks(check: Check) -> None:
    check("""
    number("synchronous").value = 1
    got = []
    def once():
        driver.cuLaunchHostFunc(None, got.append, Thing())
        driver.cuOccupancyMaxPotentialBlockSize(None, lambda b: b, 0, 0)
        handle = driver.cuLogsRegisterCallback(lambda *values: None, Thing())
        driver.cuLogsUnregisterCallback(handle)
        driver.CUDA_HOST_NODE_PARAMS_v2(fn=lambda d: None, userData=Thing())
        driver.cuGraphAddHostNode(9, [1, 2], None, driver.CUDA_HOST_NODE_PARAMS(fn=got.append))
        driver.cuGraphDestroy(9)
        for wrong in (lambda: driver.cuInit("x"), lambda: driver.cuInit(1), lambda: driver.cuLaunchHostFunc(0xbad, print, 1),
                      lambda: driver.cuLaunchHostFunc(None, 1.5, 1), lambda: driver.cuInit()):
            try:
                wrong()
            except (TypeError, cubind.CudaError):
                pass
        got.clear()
    def rounds():
        for _ in range(300):
            once()
        gc.collect()
        return sys.getallocatedblocks()
    rounds()
    before = rounds()
    growth = min(rounds() for _ in range(3)) - before
    assert growth < 60, growth
    """)
