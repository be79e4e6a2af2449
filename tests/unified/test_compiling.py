"""A compilation as a process: threads, stopping, leaks, and what is not installed."""

from __future__ import annotations

import gc
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import cuda_unified as cu
from cubind import nvrtc
from tests.helpers import fakes

KERNEL = 'extern "C" __global__ void answer(int *x) { *x = N; }'
SLOW = (
    KERNEL
    + "\n#define X(n) x[n & 7] += sinf(x[n & 3]) * powf(x[n & 5], x[n & 6]);\n#define Y(n) X(n) X(n+1) X(n+2) X(n+3)\n"
)
SLOW += 'extern "C" __global__ void slow(float *x) { ' + "Y(8) " * 8 + "}"
LONG = "\n".join(
    f'extern "C" __global__ void k{i}(float *x) {{ x[{i}] = sinf(x[1]) * {i} + powf(x[2], x[3]); }}' for i in range(30)
)


def test_a_compilation_is_cancelled() -> None:
    calls = []

    def cancel() -> bool:
        calls.append(1)
        return len(calls) > 3

    with pytest.raises(cu.CompilationCancelledError):
        cu.Program(SLOW, defines={"N": 1}, cache=False).compile(cancel=cancel)
    assert len(calls) == 4
    with pytest.raises(TypeError, match="cancel: a function is wanted"):
        cu.Program(SLOW, cache=False).compile(cancel=5)  # type: ignore[arg-type]


def test_an_exception_in_cancel_is_raised() -> None:
    def cancel() -> bool:
        raise ZeroDivisionError("in cancel")

    with pytest.raises(ZeroDivisionError, match="in cancel"):
        cu.Program(SLOW, defines={"N": 1}, cache=False).compile(cancel=cancel)


def test_ctrl_c_stops_a_compilation() -> None:
    """NVRTC asks now and then whether to go on; a signal is seen then, and not only when it is done."""
    out = fakes.run(
        f"""
        import signal, sys, threading, time
        import cuda_unified as cu
        program = cu.Program({SLOW!r} + {LONG!r}, defines={{"N": 1}}, cache=False, arch=80)
        program.compile("ptx", extra=["--fdevice-syntax-only"])  # all is loaded now
        start = time.perf_counter()
        program.compile("ptx")
        whole = time.perf_counter() - start
        hook = sys.unraisablehook
        threading.Timer(whole / 8, lambda: signal.raise_signal(signal.SIGINT)).start()
        start = time.perf_counter()
        try:
            program.compile("ptx")
        except KeyboardInterrupt:
            print("stopped", time.perf_counter() - start < whole * 0.8, sys.unraisablehook is hook)
        print(program.compile("ptx").kind)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
    )
    assert out.split() == ["stopped", "True", "True", "ptx"]


def test_deeply_nested_programs() -> None:
    """NVRTC lets the stack of the main thread grow: what it compiles by itself, it compiles here."""
    out = fakes.run(
        """
        import cuda_unified as cu
        source = "__global__ void k(int *x) { *x = " + "(" * 5000 + "x[1]" + ")" * 5000 + "; }"
        print(cu.Program(source, cache=False, arch=80).compile("ptx").kind)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
    )
    assert out.split() == ["ptx"]


def test_threads_compile_one_program() -> None:
    program = cu.Program(KERNEL, cache=cu.ProgramCache())
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda n: program.compile("ptx", defines={"N": n % 5}), range(30)))
    assert len({code.code for code in codes}) == 5


def test_other_threads_run_meanwhile() -> None:
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    cu.Program(SLOW, defines={"N": 1}, cache=False).compile("ptx")
    duration = time.monotonic() - start
    stop.set()
    thread.join()
    assert ticks[0] >= min(10, duration / 0.05)


def test_nothing_leaks() -> None:
    def rounds() -> int:
        for i in range(4):
            cu.Program(KERNEL, headers={"a.h": "x"}, defines={"N": i}, cache=False).compile("ptx")
            with pytest.raises(cu.CompileError):
                cu.Program("x", cache=False).compile("ptx")
        gc.collect()
        return sys.getallocatedblocks()

    rounds()
    before = rounds()
    assert min(rounds() for _ in range(2)) - before < 100


def test_without_any_device() -> None:
    """The architecture has to be given, and that is enough."""
    out = fakes.run(
        """
        import cuda_unified as cu
        source = 'extern "C" __global__ void k() {}'
        try:
            cu.Program(source).compile()
        except cu.CudaError as error:
            print(type(error).__name__, error.__notes__)
        except ImportError as error:
            print(error)
        print(cu.Program(source).compile(arch="sm_80").kind, cu.Program(source).compile("ptx", arch=80).arch)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="gpu",
        CUBIND_DRIVER_LIBRARY="/no/such/library",
        CUDA_UNIFIED_CACHE="0",
    )
    assert "give the option arch" in out.splitlines()[0]
    assert out.splitlines()[1] == "cubin compute_80"


def test_without_nvrtc() -> None:
    out = fakes.run(
        """
        import cuda_unified as cu
        try:
            cu.Program("", arch=80).compile("ptx")
        except cu.LibraryNotFoundError as error:
            print(error)
        """,
        PYTHONPATH=str(fakes.PACKAGE.parents[1]),
        CUBIND_DEVICE="cpu",
        CUBIND_NVRTC_LIBRARY="/no/such/library",
    )
    assert "install the package nvidia-cuda-nvrtc" in out


def test_an_nvrtc_that_does_not_ask_whether_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before CUDA 12.9."""

    def missing(*arguments: object) -> None:
        raise cu.SymbolNotFoundError("nvrtcSetFlowCallback is of CUDA 12.9")

    monkeypatch.setattr("cuda_unified.compiler.has", lambda name: False)
    monkeypatch.setattr(nvrtc, "nvrtcSetFlowCallback", missing)
    program = cu.Program(KERNEL, defines={"N": 1}, cache=False, arch=80)
    assert program.compile("ptx").kind == "ptx"
    with pytest.raises(cu.SymbolNotFoundError):
        program.compile("ptx", cancel=lambda: False)
