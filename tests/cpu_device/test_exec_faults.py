"""Defects of kernels: each stops the launch, with the place and what is near."""

import struct

import pytest

from tests.cpu_device.exec_access import HEAD, Fault, LoadError, machine

ILLEGAL, MISALIGNED, ASSERT, TIMEOUT, INSTRUCTION, STACK, FAILED = 700, 716, 710, 702, 715, 714, 719


def entry(body, params=".param .u64 a, .param .u64 b", outside=""):
    return f"""{HEAD}{outside}
.visible .entry k({params}) {{
.reg .b64 %a, %b, %o, %q; .reg .b32 %i, %v, %x<4>; .reg .pred %p;
ld.param.u64 %a, [a]; ld.param.u64 %b, [b]; mov.u32 %i, %ctaid.x; mov.u32 %v, %ntid.x; mul.lo.u32 %i, %i, %v; mov.u32 %v, %tid.x; add.u32 %i, %i, %v;
mul.wide.u32 %o, %i, 4; add.u64 %a, %a, %o; add.u64 %b, %b, %o;
{body}
ret; }}"""


def fault(text, *args, grid=1, block=32, **options):
    with pytest.raises(Fault) as e:
        machine().load(text).run("k", grid, block, *args, **options)
    return e.value


def line(text, part):
    return 1 + next(k for k, v in enumerate(text.splitlines()) if part in v)


@pytest.mark.parametrize("threads", [1, 2])
def test_read_and_write_one_too_far(threads):
    m = machine()
    a, b = m.buffer(bytes(4 * 127)), m.buffer(bytes(4 * 128))
    text = entry("ld.global.u32 %x0, [%a];\nst.global.u32 [%b], %x0;")
    f = fault(text, a, b, grid=4, threads=threads)
    assert (f.code, f.kernel, f.block, f.thread) == (ILLEGAL, "k", (3, 0, 0), (31, 0, 0))
    assert f.what == "read of 4 bytes outside any allocation"
    assert f.ptx_text.startswith("ld.global.u32") and f.ptx_line == line(text, "ld.global.u32 %x0, [%a]")
    assert f.address == a + 4 * 127 and f.nearest.startswith("0 bytes behind the end of the allocation of 508 bytes")
    f = fault(text, b, a, grid=4, threads=threads)
    assert f.what == "write of 4 bytes outside any allocation" and f.thread == (31, 0, 0)
    machine().load(text).run("k", 3, 32, a, b)


def test_one_before_the_start():
    a = machine().buffer(bytes(128))
    f = fault(entry("ld.global.u32 %x0, [%a+-4];"), a, a)
    assert (
        f.code == ILLEGAL
        and f.thread == (0, 0, 0)
        and f.nearest.startswith("4 bytes before the allocation of 128 bytes")
    )


def test_null_and_host_pointers():
    assert fault(entry("ld.global.u32 %x0, [%a];"), 0, 0).code == ILLEGAL
    assert fault(entry("ld.u32 %x0, [%a];"), 1 << 63, 0).code == ILLEGAL
    assert fault(entry("st.global.u32 [%a], %i;"), (1 << 64) - 64, 0).code == ILLEGAL


def test_after_free():
    m = machine()
    a = m.buffer(bytes(128))
    m.free(a)
    f = fault(entry("st.global.u32 [%a], %i;"), a, a)
    assert (
        f.code == ILLEGAL
        and f.what == "write of 4 bytes of freed memory"
        and "0 bytes into the freed allocation of 128" in f.nearest
    )


def test_misaligned():
    a = machine().buffer(bytes(1024))
    f = fault(entry("add.u64 %a, %a, 2; ld.global.u32 %x0, [%a];"), a, a)
    assert (f.code, f.address, f.thread) == (MISALIGNED, a + 2, (0, 0, 0)) and "misaligned" in f.what
    assert fault(entry("add.u64 %a, %a, 8; ld.global.v4.u32 {%x0, %x1, %x2, %x3}, [%a];"), a, a).code == MISALIGNED
    assert fault(entry("atom.global.add.u32 %x0, [%a+1], 1;"), a, a).code == MISALIGNED
    assert fault(entry(".shared .b8 s[64]; ld.shared.u32 %x0, [s+2];"), a, a).code == MISALIGNED


def test_shared_and_local_memory():
    a = machine().buffer(bytes(1024))
    shared = ".shared .align 4 .b8 s[124]; mov.u32 %x0, s; shl.b32 %x1, %i, 2; add.u32 %x0, %x0, %x1;"
    f = fault(entry(shared + "\nst.shared.u32 [%x0], %i;"), a, a)
    assert f.code == ILLEGAL and f.what == "write of 4 bytes outside shared memory" and f.thread == (31, 0, 0)
    assert "124 bytes of shared memory, this is byte 124" in f.nearest
    f = fault(entry(shared + "cvt.u64.u32 %q, %x0; cvta.shared.u64 %q, %q;\nst.u32 [%q], %i;"), a, a)
    assert f.code == ILLEGAL and "byte 124" in f.nearest
    local = ".local .align 4 .b8 l[16]; mov.u64 %q, l; mul.wide.u32 %b, %i, 4; add.u64 %q, %q, %b;"
    f = fault(entry(local + "\nst.local.u32 [%q], %i;"), a, a)
    assert f.code == ILLEGAL and f.thread == (4, 0, 0) and "local" in f.what


def test_atomic_outside():
    a = machine().buffer(bytes(64))
    f = fault(entry("red.global.add.u32 [%a], 1;"), a, a)
    assert f.code == ILLEGAL and f.what.startswith("atomic access") and f.thread == (16, 0, 0)


def test_only_executed_accesses_count():
    a = machine().buffer(bytes(40))
    text = entry("setp.lt.u32 %p, %i, 10; @%p ld.global.u32 %x0, [%a]; @%p st.global.u32 [%a], %i;")
    machine().load(text).run("k", 1, 32, a, a)
    assert struct.unpack("<10I", machine().read(a, 40)) == tuple(range(10))


def test_endless_loop():
    f = fault(entry("L:\nbra L;"), 0, 0, steps=100_000)
    assert f.code == TIMEOUT and f.kernel == "k" and f.ptx_text == "bra L;"


def test_trap_and_endless_recursion():
    f = fault(entry("setp.eq.u32 %p, %i, 7; @%p trap;"), 0, 0)
    assert f.code == FAILED and f.thread == (7, 0, 0)
    f = fault(entry("call f;", outside=".func f;\n.func f { .local .b8 x[64]; call f; ret; }"), 0, 0)
    assert f.code == STACK


def test_assert():
    text = entry(
        """setp.ne.u32 %p, %i, 5; @%p ret;
        { .param .b64 p0; .param .b64 p1; .param .b32 p2; .param .b64 p3; .param .b64 p4;
        cvta.global.u64 %q, m; st.param.b64 [p0], %q; cvta.global.u64 %q, n; st.param.b64 [p1], %q; st.param.b32 [p2], 12;
        cvta.global.u64 %q, o; st.param.b64 [p3], %q; st.param.b64 [p4], 1; call __assertfail, (p0, p1, p2, p3, p4); }""".replace(
            "cvta.global.u64 %q, ", "mov.u64 %q, "
        ),
        outside=""".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);
        .global .b8 m[6] = {120, 32, 62, 32, 49, 0}; .global .b8 n[5] = {97, 46, 99, 117, 0}; .global .b8 o[2] = {107, 0};""",
    )
    f = fault(text, 0, 0)
    assert f.code == ASSERT and f.thread == (5, 0, 0) and f.what == "a.cu:12: k: assertion `x > 1` failed"


BAD = {
    "frob.u32 %x0, %x1;": (218, "unknown instruction frob"),
    "add.u32 %x0, %nowhere, 1;": (218, "%nowhere"),
    "add.u32 %a, %x0, 1;": (218, "64 bits wide"),
    "add.frob.u32 %x0, %x0, 1;": (218, ".frob"),
    "bra NOWHERE;": (218, "unknown label"),
    "call nothing;": (218, "unknown function"),
    "wgmma.fence.sync.aligned;": (801, "wgmma is not supported"),
    "add.u32 %x0, %x1;": (218, "more operands"),
    "ld.global.v2.u32 %x0, [%a];": (218, "vector"),
}


@pytest.mark.parametrize("text", BAD)
def test_refused_at_load(text):
    status, message = BAD[text]
    whole = entry("\n" + text)
    with pytest.raises(LoadError) as e:
        machine().load(whole)
    assert e.value.status == status and message in e.value.log
    assert f"ptx:{line(whole, text)}:" in e.value.log and text in e.value.log


def test_newer_target_is_refused():
    with pytest.raises(LoadError, match="newer than the device"):
        machine().load(HEAD.replace("sm_80", "sm_100") + ".visible .entry k() { ret; }", cc=89)


def test_launch_checks():
    module = machine().load(
        HEAD + ".visible .entry k() .maxntid 64 { ret; } .visible .entry r() .reqntid 8, 2 { ret; }"
    )
    for sizes, status in (((1, 65), 701), ((0, 1), 1), ((1, 1025), 1)):
        with pytest.raises(Fault) as e:
            module.run("k", *sizes)
        assert e.value.code == status
    module.run("r", 1, (8, 2))
    with pytest.raises(Fault):
        module.run("r", 1, 16)
