"""The CPU device's driver API: launches whose CTAs run in several host threads, and several host threads that launch.

tools/sanitize.py runs these under TSan.
"""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

HELPERS = r'''
import threading
TEXT = r"""
.version 7.0
.target sm_70
.address_size 64
.extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);
.extern .func (.param .b64 r) malloc(.param .b64 n);
.extern .func free(.param .b64 p);
.global .align 1 .b8 format[4] = {37, 117, 10, 0};

// the sum of all threads' numbers, and how many came, through shared memory
.visible .entry total(.param .u64 p)
{
    .shared .align 8 .b64 sum;
    .reg .pred %q;
    .reg .b32 %t, %b, %n, %i;
    .reg .b64 %p, %w, %s;
    ld.param.u64 %p, [p];
    mov.u32 %t, %tid.x; mov.u32 %b, %ctaid.x; mov.u32 %n, %ntid.x;
    mad.lo.u32 %i, %b, %n, %t;
    cvt.u64.u32 %w, %i;
    setp.ne.u32 %q, %t, 0;
    mov.u64 %s, 0;
    @!%q st.shared.u64 [sum], %s;
    bar.sync 0;
    red.shared.add.u64 [sum], %w;
    bar.sync 0;
    @%q bra END;
    ld.shared.u64 %s, [sum];
    red.global.add.u64 [%p], %s;
    red.global.add.u32 [%p+8], %n;
END: ret;
}
// every CTA waits for all others, so many times
.visible .entry meet(.param .u64 p, .param .u32 times)
{
    .reg .pred %q;
    .reg .b32 %k, %n, %g, %want, %seen;
    .reg .b64 %p;
    ld.param.u64 %p, [p]; ld.param.u32 %n, [times];
    mov.u32 %g, %nctaid.x; mov.u32 %k, 0; mov.u32 %want, 0;
AGAIN:
    add.u32 %want, %want, %g;
    red.release.gpu.global.add.u32 [%p], 1;
WAIT:
    ld.acquire.gpu.global.u32 %seen, [%p];
    setp.lt.u32 %q, %seen, %want;
    @%q bra WAIT;
    add.u32 %k, %k, 1;
    setp.lt.u32 %q, %k, %n;
    @%q bra AGAIN;
    ret;
}
.visible .entry says()
{
    .local .align 8 .b8 room[8];
    .reg .b32 %b, %r; .reg .b64 %f, %a;
    mov.u32 %b, %ctaid.x;
    st.local.u32 [room], %b;
    mov.u64 %a, room; cvta.local.u64 %a, %a;
    mov.u64 %f, format; cvta.global.u64 %f, %f;
    { .param .b32 r; .param .b64 f; .param .b64 a; st.param.b64 [f], %f; st.param.b64 [a], %a; call (r), vprintf, (f, a); }
    ret;
}
// every thread takes memory, writes there and gives it back
.visible .entry takes(.param .u64 p)
{
    .reg .b32 %i, %j, %k; .reg .b64 %p, %m, %n; .reg .pred %q;
    ld.param.u64 %p, [p];
    mov.u32 %k, 0;
AGAIN:
    mov.u64 %n, 24;
    { .param .b64 n; .param .b64 r; st.param.b64 [n], %n; call (r), malloc, (n); ld.param.b64 %m, [r]; }
    mov.u32 %i, %clock;
    st.u32 [%m+20], %i;
    ld.u32 %j, [%m+20];
    setp.ne.u32 %q, %i, %j;
    @%q red.global.add.u32 [%p], 1;
    { .param .b64 n; st.param.b64 [n], %m; call free, (n); }
    add.u32 %k, %k, 1;
    setp.lt.u32 %q, %k, 4;
    @%q bra AGAIN;
    ret;
}
.visible .entry wild(.param .u64 p)
{
    .reg .b32 %b; .reg .b64 %p;
    ld.param.u64 %p, [p]; mov.u32 %b, %ctaid.x;
    st.global.u32 [%p], %b;
    ret;
}
"""
loaded = module(TEXT)

def together(*calls):
    "Every call in a thread of its own; the first error is raised here."
    errors = []
    def guarded(call):
        d.cuCtxSetCurrent(context)
        try:
            call()
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for t in threads: t.start()
    for t in threads: t.join()
    if errors: raise errors[0]
'''


def run(script: str, **changes: str) -> str:
    return on_cpu(HELPERS + textwrap.dedent(script), **{"CPU_DEVICE_THREADS": "4", **changes})


def test_ctas_in_several_threads_add_up() -> None:
    run("""
    p = d.cuMemAlloc(16)
    for grid in (1, 3, 64, 257):
        d.cuMemsetD32(p, 0, 4)
        launch("total", p, grid=grid, block=96)
        n = 96 * grid
        low, high, came, _ = words(p, 4)
        assert (low | high << 32, came) == (n * (n - 1) // 2, n)
    """)


def test_ctas_wait_for_each_other() -> None:
    run("""
    p = d.cuMemAlloc(4)
    for grid in (2, 4, 16):
        d.cuMemsetD32(p, 0, 1)
        d.cuLaunchCooperativeKernel(kernel("meet"), grid, 1, 1, 1, 1, 1, 0, None, (p, 20))
        assert words(p, 1) == [20 * grid]
    """)


def test_every_cta_prints_a_line() -> None:
    out = run("""
    launch("says", grid=200)
    d.cuCtxSynchronize()
    """)
    assert sorted(map(int, out.split())) == list(range(200))


def test_the_heap_serves_all_threads() -> None:
    run("""
    p = d.cuMemAlloc(4)
    d.cuMemsetD32(p, 0, 1)
    launch("takes", p, grid=32, block=64)
    assert words(p, 1) == [0]
    """)


def test_a_fault_in_every_cta_is_reported_once() -> None:
    run("""
    launch("wild", 64, grid=500)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    report = cubind.cpu.last_report()
    assert report.count("ILLEGAL_ADDRESS") == 1 and "kernel wild" in report.replace("'", ""), report
    assert name(d.cuMemAlloc, 4) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)


def test_several_threads_launch_and_wait() -> None:
    run("""
    def work():
        own, other, event = d.cuStreamCreate(1), d.cuStreamCreate(1), d.cuEventCreate(2)
        p = d.cuMemAlloc(16)
        for turn in range(10):
            d.cuMemsetD32Async(p, 0, 4, own)
            launch("total", p, grid=9, block=64, stream=own)
            d.cuEventRecord(event, own)
            d.cuStreamWaitEvent(other, event, 0)
            launch("total", p, grid=9, block=64, stream=other)
            d.cuStreamSynchronize(other)
            assert words(p, 1) == [576 * 575] and name(d.cuEventQuery, event) == "CUDA_SUCCESS"
        d.cuMemFree(p)
        for stream in (own, other): d.cuStreamDestroy(stream)
        d.cuEventDestroy(event)
    together(*[work] * 4)
    """)


def test_memory_and_modules_come_and_go_while_kernels_run() -> None:
    run("""
    def launches():
        stream, p = d.cuStreamCreate(1), d.cuMemAlloc(16)
        d.cuMemsetD32Async(p, 0, 4, stream)
        for _ in range(40):
            launch("total", p, grid=8, block=32, stream=stream)
        d.cuStreamSynchronize(stream)
        assert words(p + 8, 1) == [40 * 256]
    def memory():
        stream = d.cuStreamCreate(1)
        for n in range(1, 60):
            a, b = d.cuMemAllocAsync(n * 1000, stream), d.cuMemAlloc(n)
            d.cuMemsetD8Async(a, n, n * 1000, stream)
            d.cuMemFreeAsync(a, stream)
            d.cuMemFree(b)
        d.cuStreamSynchronize(stream)
    def modules():
        for _ in range(10):
            one = module(TEXT)
            p = d.cuMemAlloc(16)
            d.cuMemsetD32(p, 0, 4)
            d.cuLaunchKernel(d.cuModuleGetFunction(one, "total"), 2, 1, 1, 32, 1, 1, 0, None, (p,))
            assert words(p, 1) == [64 * 63 // 2]
            d.cuModuleUnload(one)
            d.cuMemFree(p)
    together(launches, memory, modules, launches)
    """)


def test_a_graph_and_the_host_run_beside_each_other() -> None:
    run("""
    p, stream, done = d.cuMemAlloc(16), d.cuStreamCreate(1), []
    d.cuMemsetD32Async(p, 0, 4, stream)
    d.cuStreamSynchronize(stream)
    d.cuStreamBeginCapture(stream, d.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
    launch("total", p, grid=5, block=32, stream=stream)
    d.cuLaunchHostFunc(stream, lambda _: done.append(1), None)
    launch("total", p, grid=5, block=32, stream=stream)
    graph = d.cuGraphInstantiate(d.cuStreamEndCapture(stream), 0)
    def work():
        own = d.cuStreamCreate(1)
        for _ in range(8):
            d.cuGraphLaunch(graph, own)
        d.cuStreamSynchronize(own)
    together(*[work] * 3)
    assert words(p + 8, 1) == [24 * 2 * 160] and len(done) == 24
    """)
