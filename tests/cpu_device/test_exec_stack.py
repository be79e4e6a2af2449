"""alloca, stacksave, stackrestore; the policies and hints that are accepted; which space an address is in."""

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, LoadError, machine
from tests.cpu_device.test_exec_kernels import Kernels
from tests.cpu_device.test_ptx_parser import compile_cuda

HEAD = ".version 8.3\n.target sm_90\n.address_size 64\n"

DIVERGED = (
    HEAD
    + """
.func (.reg .b32 r) total(.reg .b32 n) {
    .reg .b64 %p, %q, %s; .reg .b32 %i, %v; .reg .pred %c; .local .align 4 .b32 own; .reg .b64 %o;
    mul.wide.u32 %s, n, 4; alloca.u64 %p, %s, 32; and.b64 %q, %p, 31; setp.ne.u64 %c, %q, 0; @%c trap;
    st.local.u32 [own], n; mov.u32 %i, 0;
F:  setp.ge.u32 %c, %i, n; @%c bra S; mad.wide.u32 %q, %i, 4, %p; st.local.u32 [%q], %i; add.u32 %i, %i, 1; bra F;
S:  mov.u32 r, 0; mov.u32 %i, 0;
T:  setp.ge.u32 %c, %i, n; @%c bra E; mad.wide.u32 %q, %i, 4, %p; ld.local.u32 %v, [%q]; add.u32 r, r, %v; add.u32 %i, %i, 1; bra T;
E:  ld.local.u32 %v, [own]; mad.lo.u32 r, r, 100, %v; ret;
}
.visible .entry k(.param .u64 out) {
    .reg .b64 %p, %q, %a, %b; .reg .b32 %t, %n, %r, %v, %k; .reg .pred %c;
    mov.u32 %t, %tid.x; ld.param.u64 %p, [out]; mad.wide.u32 %p, %t, 4, %p;
    and.b32 %k, %t, 3; setp.eq.u32 %c, %k, 0; @%c bra CALL;
    mul.wide.u32 %q, %t, 8; stacksave.u64 %b; alloca.u64 %a, %q; st.local.u32 [%a], %t;
CALL: add.u32 %n, %t, 1; call (%r), total, (%n);
    @%c bra DONE; ld.local.u32 %v, [%a]; setp.ne.u32 %c, %v, %t; @%c trap; stackrestore.u64 %b; stacksave.u64 %q; setp.ne.u64 %c, %b, %q; @%c trap;
DONE: st.global.u32 [%p], %r; ret;
}
"""
)


def test_alloca_of_diverged_lanes_and_in_functions() -> None:
    m = machine()
    out = m.buffer(bytes(256))
    m.load(DIVERGED, cc=90).run("k", 1, 64, out)
    assert np.frombuffer(m.read(out, 256), "u4").tolist() == [100 * (t * (t + 1) // 2) + t + 1 for t in range(64)]


def kernel(body: str) -> str:
    return (
        HEAD
        + f""".const .b32 c[4] = {{1, 2, 3, 4}}; .global .b32 g[4]; .visible .entry k(.param .u64 out, .param .u32 n) {{
    .reg .b64 %p, %q, %a, %s; .reg .b32 %r, %v, %n; .reg .pred %c; .shared .align 16 .b32 shared[4]; .local .align 16 .b32 own[4];
    ld.param.u64 %p, [out]; ld.param.u32 %n, [n]; {body} ret; }}"""
    )


@pytest.mark.parametrize(
    ("body", "n", "code", "said"),
    [
        ("mul.wide.u32 %s, %n, 4; alloca.u64 %a, %s; ld.local.u32 %r, [%a+64];", 16, 700, "outside local memory"),
        ("mul.wide.u32 %s, %n, 1; alloca.u64 %a, %s; ld.local.u32 %r, [%a];", 0, 700, "outside local memory"),
        ("cvt.u64.u32 %s, %n; alloca.u64 %a, %s;", 1 << 20, 714, "more local memory"),
        ("mov.u64 %s, 0xfffffffffffffff0; alloca.u64 %a, %s;", 0, 714, "more local memory"),
        ("L: cvt.u64.u32 %s, %n; alloca.u64 %a, %s; bra L;", 64, 714, "more local memory"),
        ("mov.u64 %s, 1000; stackrestore.u64 %s;", 0, 715, "stackrestore"),
        ("stacksave.u64 %s; cvt.u64.u32 %q, %n; alloca.u64 %a, %q; stackrestore.u64 %s; ld.local.u32 %r, [%a];", 64, 700, "outside local memory"),
    ],
)  # fmt: skip
def test_misuse_is_told(body: str, n: int, code: int, said: str) -> None:
    m = machine()
    with pytest.raises(Fault) as fault:
        m.load(kernel(body), cc=90).run("k", 1, 32, m.alloc(64), n)
    assert (fault.value.code, said in fault.value.what) == (code, True), fault.value


def test_alloca_alignment_must_be_known() -> None:
    with pytest.raises(LoadError, match="power of two"):
        machine().load(kernel("mov.u64 %s, 8; alloca.u64 %a, %s, 24;"), cc=90)


@pytest.mark.parametrize("architecture", [75, 90])
def test_alloca_in_a_compiled_kernel(architecture: int) -> None:
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernel")
    source = r"""
    extern "C" __global__ void reversed(const int *x, int *y, int n) {
        int m = n - threadIdx.x % 4;
        int *copy;
        asm volatile("alloca.u64 %0, %1; cvta.local.u64 %0, %0;" : "=l"(copy) : "l"(m * sizeof(int)));
        for (int i = 0; i < m; i++) copy[m - 1 - i] = x[i] + threadIdx.x;
        long long sum = 0;
        for (int i = 0; i < m; i++) sum = sum * 3 + copy[i];
        y[threadIdx.x] = (int)sum;
    }"""
    kernels = Kernels(compile_cuda("reversed", source, architecture))
    x = np.arange(20, dtype="i4") * 7 + 1
    y = kernels.put(np.zeros(32, "i4"))
    kernels.run("reversed", 1, 32, kernels.put(x), y, 20)
    want = []
    for t in range(32):
        total = 0
        for v in reversed((x[: 20 - t % 4] + t).tolist()):
            total = total * 3 + v
        want.append((total + 2**31) % 2**32 - 2**31)
    assert kernels.get(y, "i4", 32).tolist() == want


# --- spaces, policies, hints ---

SPACES = {"global": "mov.u64 %a, g;", "const": "mov.u64 %a, c; cvta.const.u64 %a, %a;",
          "shared": "mov.u64 %a, shared; cvta.shared.u64 %a, %a;", "local": "mov.u64 %a, own; cvta.local.u64 %a, %a;",
          "param": "mov.u64 %a, out; cvta.param.u64 %a, %a;"}  # fmt: skip


def test_every_address_is_in_its_space() -> None:
    m = machine()
    words = ["global", "const", "shared", "shared::cta", "local", "param", "param::entry"]
    body = ""
    for k, (_, address) in enumerate((s, a) for s, a in SPACES.items()):
        body += address + " mov.u32 %r, 0;"
        for j, word in enumerate(words):
            body += f"isspacep.{word} %c, %a; selp.u32 %v, {1 << j}, 0, %c; or.b32 %r, %r, %v;"
        body += f"st.global.u32 [%p+{4 * k}], %r;"
    out = m.buffer(bytes(32))
    m.load(kernel(body), cc=90).run("k", 1, 1, out, 0)
    got = np.frombuffer(m.read(out, 20), "u4").tolist()
    assert got == [sum(1 << j for j, word in enumerate(words) if word.partition("::")[0] == s) for s in SPACES]


def test_policies_and_hints_change_nothing() -> None:
    body = """createpolicy.fractional.L2::evict_last.b64 %s, 1.0; createpolicy.fractional.L2::evict_first.L2::evict_unchanged.b64 %q, 0.5;
    createpolicy.range.global.L2::evict_last.L2::evict_first.b64 %q, [%p], %n, %n; createpolicy.cvt.L2.b64 %q, %s;
    prefetch.global.L2 [%p]; prefetch.global.L2::evict_last [%p]; prefetch.L1 [%p+4]; prefetchu.L1 [%p];
    applypriority.global.L2::evict_normal [%p], 128; discard.global.L2 [%q], 128; griddepcontrol.wait;
    ld.global.L2::cache_hint.u32 %r, [%p], %s; add.u32 %r, %r, 1; st.global.L2::cache_hint.u32 [%p], %r, %s;
    atom.global.add.L2::cache_hint.u32 %v, [%p+4], %r, %s; red.global.add.L2::cache_hint.u32 [%p+4], %v, %s;
    griddepcontrol.launch_dependents; pmevent 3; nanosleep.u32 1;"""
    m = machine()
    out = m.buffer(np.array([5, 10], "u4").tobytes())
    m.load(kernel(body), cc=90).run("k", 1, 1, out, 4)
    assert np.frombuffer(m.read(out, 8), "u4").tolist() == [6, 26]


def test_asynchronous_copies() -> None:
    body = """.shared .align 16 .b8 s[64]; .reg .b32 %s0; .reg .b64 %t; mov.u32 %s0, s; setp.eq.u32 %c, %n, 4; mov.u64 %t, 1;
    cp.async.ca.shared.global [%s0], [%p], 4; cp.async.ca.shared.global [%s0+8], [%p+8], 8, %n;
    cp.async.cg.shared.global.L2::128B [%s0+16], [%p], 16, 12; cp.async.cg.shared.global.L2::cache_hint [%s0+32], [%p], 16, %t;
    cp.async.ca.shared.global [%s0+48], [%p], 8, %c; cp.async.ca.shared.global [%s0+56], [%p], 8, !%c;
    cp.async.commit_group; cp.async.wait_group 0; cp.async.wait_all; mov.u32 %v, 0;
    L: add.u32 %r, %s0, %v; ld.shared.u32 %r, [%r]; cvt.u64.u32 %q, %v; add.u64 %q, %q, %p; st.global.u32 [%q+16], %r; add.u32 %v, %v, 4;
    setp.lt.u32 %c, %v, 64; @%c bra L;"""
    m = machine()
    out = m.buffer(np.array([11, 12, 13, 14] + [0] * 16, "u4").tobytes())
    m.load(kernel(body), cc=90).run("k", 1, 1, out, 4)
    got = np.frombuffer(m.read(out, 80), "u4").tolist()[4:]
    assert got == [11, 0, 13, 0, 11, 12, 13, 0, 11, 12, 13, 14, 0, 0, 11, 12]


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("ld.global.u32 %r, [%p], %s", "takes 2 operands"),
        ("ld.global.L2::cache_hint.u32 %r, [%p]", "more operands"),
        ("ld.global.L2::cache_hint.u32 %r, [%p], %n", "32 bits wide"),
        ("prefetch.global [%p]", "cache"),
        ("discard.global.L2 [%p], 64", "128"),
        ("createpolicy.L2.b64 %s, 1.0", "createpolicy needs"),
        ("griddepcontrol.go", "griddepcontrol needs"),
        ("setmaxnreg.inc.sync.aligned.u32 64", "sm_90a"),
        ("cvta.shared.u32 %r, %r", "32 bits"),
    ],
)
def test_what_is_refused(instruction: str, said: str) -> None:
    with pytest.raises(LoadError) as error:
        machine().load(kernel(instruction + ";"), cc=90)
    assert said in error.value.log
