"""Ctrl-C and cubind.cpu.interrupt() while a kernel loops for ever."""

from __future__ import annotations

import pytest

from tests.helpers.cpu import on_cpu

FOREVER = """
import os, signal, threading, time
import cubind.cpu
forever = module('''.version 7.0
.target sm_70
.address_size 64
.visible .entry forever(.param .u64 p) {
    .reg .b64 %p;
    .reg .b32 %v;
    ld.param.u64 %p, [p];
LOOP:
    ld.volatile.global.u32 %v, [%p];
    add.u32 %v, %v, 1;
    st.volatile.global.u32 [%p], %v;
    bra LOOP;
}
''')
p = d.cuMemAlloc(4)
d.cuMemsetD32(p, 0, 1)
def start(stream=None):
    d.cuLaunchKernel(d.cuModuleGetFunction(forever, "forever"), 4, 1, 1, 64, 1, 1, 0, stream, (p,))
def later(action, seconds=0.3):
    threading.Timer(seconds, action).start()
    return time.monotonic()
def control_c():
    os.kill(os.getpid(), signal.SIGINT)
"""

WAITS = {
    "context": "d.cuCtxSynchronize()",
    "stream": "d.cuStreamSynchronize(s)",
    "event": "e = d.cuEventCreate(0); d.cuEventRecord(e, s); d.cuEventSynchronize(e)",
    "copy": "room = bytearray(4); d.cuMemcpyDtoHAsync(room, p, 4, s); d.cuStreamSynchronize(s)",
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_control_c(wait: str) -> None:
    on_cpu(f"""{FOREVER}
s = d.cuStreamCreate(0)
start(s)
time.sleep(0.05)
before = later(control_c)
try:
    {wait}
except KeyboardInterrupt:
    assert time.monotonic() - before < 20
else:
    raise SystemExit("no KeyboardInterrupt")
assert name(d.cuCtxSynchronize) == name(d.cuMemAlloc, 4) == "CUDA_ERROR_LAUNCH_FAILED"
report = cubind.cpu.last_report()
assert "the launch was interrupted" in report and "in kernel forever" in report and "PTX line" in report, report
# Python has its handler back
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
later(control_c)
try:
    time.sleep(20)
except KeyboardInterrupt:
    print("again")
""")


def test_what_is_behind_it_does_not_run() -> None:
    on_cpu(f"""{FOREVER}
q = d.cuMemAlloc(4)
d.cuMemsetD32(q, 7, 1)
start()
launch("fill", q, 9, 1)
start()
later(control_c)
try:
    d.cuCtxSynchronize()
except KeyboardInterrupt:
    pass
# a new life of the primary context works
d.cuDevicePrimaryCtxReset(0)
context = d.cuDevicePrimaryCtxRetain(0)
d.cuCtxSetCurrent(context)
loaded, p = module(), d.cuMemAlloc(4)
launch("fill", p, 5, 1)
assert words(p, 1) == [5]
""")


def test_own_handler_that_raises_nothing() -> None:
    on_cpu(f"""{FOREVER}
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
start()
later(control_c)
assert name(d.cuCtxSynchronize) == "CUDA_ERROR_LAUNCH_FAILED" and seen == [1]
""")


def test_a_signal_that_is_ignored_or_meant_for_nobody_who_waits() -> None:
    on_cpu(f"""{FOREVER}
s = d.cuStreamCreate(d.CUstream_flags.CU_STREAM_NON_BLOCKING)
signal.signal(signal.SIGINT, signal.SIG_IGN)
start(s)
control_c()
def running():
    first, room = None, bytearray(4)
    for _ in range(400):
        d.cuMemcpyDtoH(room, p, 4)
        first = first or bytes(room)
        if bytes(room) != first:
            return True
        time.sleep(0.05)
    return False
assert running()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    control_c()
    time.sleep(20)
except KeyboardInterrupt:
    pass
assert running()                                  # nobody waited for it
waiter = threading.Thread(target=lambda: print(name(d.cuStreamSynchronize, s)))
waiter.start()
time.sleep(0.2)
assert running() and cubind.cpu.interrupt() is True
waiter.join(20)
assert not waiter.is_alive() and name(d.cuCtxSynchronize) == "CUDA_ERROR_LAUNCH_FAILED"
""")


def test_the_signal_ends_a_program_without_a_handler() -> None:
    on_cpu(
        f"""{FOREVER}
signal.signal(signal.SIGINT, signal.SIG_DFL)
start()
later(control_c)
d.cuCtxSynchronize()
""",
        status=-2,
    )


def test_an_interrupt_is_for_what_was_launched_before() -> None:
    on_cpu("""
import cubind.cpu
assert cubind.cpu.interrupt() is True
p = d.cuMemAlloc(4)
launch("step", p, 2, 3000000)
d.cuCtxSynchronize()
""")
