"""Forms that need a kernel of their own."""

import struct

from tests.cpu_device.exact import BF16
from tests.cpu_device.exec_access import Fault, machine
from tests.cpu_device.exec_ops import Runner, integers

HEAD = ".version 8.8\n.target sm_100a\n.address_size 64\n"


def words(text: str, n: int, *args: int, threads: int = 32, **options: object) -> list[int]:
    m = machine()
    target = m.buffer(bytes(4 * n))
    m.load(HEAD + text, cc=121).run("k", 1, threads, target, *args, **options)
    return list(struct.unpack(f"<{n}I", m.read(target, 4 * n)))


def test_uniform_returns_and_branches() -> None:
    text = """.func (.reg .b32 %r) twice(.reg .b32 %a) { add.u32 %r, %a, %a; ret.uni; }
    .visible .entry k(.param .u64 to) { .reg .b64 %o; .reg .b32 %t, %v, %w; ld.param.u64 %o, [to]; mov.u32 %t, %tid.x;
    mad.wide.u32 %o, %t, 4, %o; mov.u32 %w, 1; T: .branchtargets A, B; brx.idx.uni %w, T; A: mov.u32 %v, 7; bra.uni E; B: mov.u32 %v, 9;
    E: call.uni (%v), twice, (%v); add.u32 %v, %v, %t; st.global.u32 [%o], %v; ret.uni; }"""
    assert words(text, 32) == [18 + k for k in range(32)]


def test_a_breakpoint_ends_the_launch() -> None:
    m = machine()
    try:
        m.load(HEAD + ".visible .entry k() { brkpt; ret; }", cc=121).run("k", 1, 1)
    except Fault as fault:
        assert "brkpt" in fault.ptx_text
    else:
        raise AssertionError("brkpt is passed over")


def test_narrow_stack_addresses() -> None:
    text = """.visible .entry k(.param .u64 to) { .reg .b64 %o; .reg .b32 %t, %a, %b, %s, %v; ld.param.u64 %o, [to]; mov.u32 %t, %tid.x;
    mad.wide.u32 %o, %t, 4, %o; stacksave.u32 %s; alloca.u32 %a, 64; st.local.u32 [%a+60], %t; stackrestore.u32 %s; alloca.u32 %b, 64;
    ld.local.u32 %v, [%b+60]; sub.u32 %a, %a, %b; add.u32 %v, %v, %a; st.global.u32 [%o], %v; ret; }"""
    assert words(text, 32) == list(range(32))


def nth_bit(a: int, base: int, offset: int) -> int:
    """fns: the offset-th set bit from base on, upwards or downwards; all ones where there is none."""
    base &= 31
    if offset == 0:
        return base if a >> base & 1 else 0xFFFFFFFF
    bits = [k for k in (range(base, 32) if offset > 0 else range(base, -1, -1)) if a >> k & 1]
    return bits[abs(offset) - 1] if abs(offset) <= len(bits) else 0xFFFFFFFF


def test_the_nth_set_bit() -> None:
    rows = [(a, b & 31, c % 9 - 4) for a, b, c in zip(*(integers(32, False, 600, k) for k in range(3)), strict=True)]
    got = Runner(machine(), [("fns.b32 {d}, {a}, {b}, {c}", "u32", ["u32", "u32", "s32"])], rows).results(0)
    assert got == [nth_bit(*row) for row in rows]


def test_ranks_of_wide_addresses() -> None:
    text = """.visible .entry k(.param .u64 to) { .reg .b64 %o, %a, %g; .reg .b32 %r, %v, %w; .shared .b32 s; ld.param.u64 %o, [to];
    mov.u64 %a, s; mapa.shared::cluster.u64 %g, %a, 0; getctarank.shared::cluster.u64 %r, %g; mov.u32 %v, 5; st.shared.u32 [s], %v;
    ld.shared::cluster.u32 %w, [%g]; st.global.v2.u32 [%o], {%r, %w}; ret; }"""
    assert words(text, 2, threads=1, cluster=(1, 1, 1)) == [0, 5]


def test_cluster_barriers_of_every_spelling() -> None:
    body = "".join(
        f"st.shared.u32 [%s], %v; barrier.cluster.arrive{order}{a}; barrier.cluster.wait{wait}{a}; ld.shared.u32 %w, [%n]; add.u32 %x, %x, %w;"
        "barrier.cluster.arrive; barrier.cluster.wait; add.u32 %v, %v, 1;"
        for order in ("", ".release", ".relaxed")
        for wait in ("", ".acquire")
        for a in ("", ".aligned")
    )
    text = f""".visible .entry k(.param .u64 to) {{ .reg .b64 %o; .reg .b32 %t, %v, %w, %x, %s, %n; .shared .b32 s[32]; ld.param.u64 %o, [to];
    mov.u32 %t, %tid.x; mad.wide.u32 %o, %t, 4, %o; mov.u32 %s, s; add.u32 %n, %t, 1; and.b32 %n, %n, 31; mad.lo.u32 %n, %n, 4, %s;
    mad.lo.u32 %s, %t, 4, %s; mov.u32 %v, %t; mov.u32 %x, 0; {body} st.global.u32 [%o], %x; ret; }}"""
    assert words(text, 32, cluster=(1, 1, 1)) == [sum((k + 1) % 32 + j for j in range(12)) for k in range(32)]


def test_exponents_of_pairs() -> None:
    """ue8m0 out of bfloat16: the exponent, upwards where there is a mantissa with .rp."""

    def exponent(v: int, up: bool, finite: bool) -> int:
        v &= 0x7FFF
        if v > BF16.infinity:
            return 255
        if v == BF16.infinity:
            return 254 if finite else 255
        if v < 0x80:  # below the least power of two but one
            return 0 if not up or v <= 0x40 else 1
        return min(254, (v >> 7) + (up and v & 0x7F != 0)) if finite or v >> 7 < 254 or not (up and v & 0x7F) else 255

    values = [v for v in range(0, 1 << 16, 7) if v & 0x7FFF >= 0x80 and v & 0x7FFF < 0x7F00]
    rows = [(v | values[-1 - k] << 16,) for k, v in enumerate(values)]
    forms = [(r, s) for r in ("rz", "rp") for s in ("", ".satfinite")]
    runner = Runner(
        machine(), [(f"cvt.{r}{s}.ue8m0x2.bf16x2 {{d}}, {{a}}", "b16", ["b32"]) for r, s in forms], rows, "sm_120a"
    )
    for k, (r, s) in enumerate(forms):
        want = [exponent(v >> 16, r == "rp", bool(s)) << 8 | exponent(v, r == "rp", bool(s)) for (v,) in rows]
        assert runner.results(k) == want, forms[k]


def test_matrix_moves_name_the_own_block() -> None:
    text = """.visible .entry k(.param .u64 to) { .reg .b64 %o; .reg .b32 %t, %a, %v; .shared .align 16 .b8 s[256]; ld.param.u64 %o, [to];
    mov.u32 %t, %tid.x; mad.wide.u32 %o, %t, 4, %o; mov.u32 %a, s; and.b32 %v, %t, 7; mad.lo.u32 %a, %v, 16, %a; add.u32 %v, %t, 100;
    stmatrix.sync.aligned.m8n8.x1.shared::cta.b16 [%a], {%v}; mov.u32 %v, 0; ldmatrix.sync.aligned.m8n8.x1.shared::cta.b16 {%v}, [%a];
    st.global.u32 [%o], %v; ret; }"""
    assert words(text, 32) == [100 + k for k in range(32)]


def test_parameters_of_functions() -> None:
    """st.param and ld.param of all types, by both names: a function gives back what it is given."""
    for space in ("param", "param::func"):
        for t in "b8 u8 s8 b16 u16 s16 b32 u32 s32 f32 b64 u64 s64 f64 b128".split():
            size = int(t[1:]) // 8
            reg = f"b{max(16, 8 * size)}"
            text = f""".func (.param .b{8 * size} r) same(.param .b{8 * size} p) {{ .reg .{reg} %v; ld.{space}.{t} %v, [p]; st.{space}.{t} [r], %v; ret; }}
            .visible .entry k(.param .u64 to) {{ .reg .b64 %o; .reg .{reg} %v; ld.param.u64 %o, [to]; ld.global.{t} %v, [%o];
            {{ .param .b{8 * size} a; .param .b{8 * size} b; st.{space}.{t} [a], %v; call (b), same, (a); ld.{space}.{t} %v, [b]; }}
            st.global.{t} [%o+16], %v; ret; }}"""
            m = machine()
            data = bytes(range(129, 145))
            target = m.buffer(data + bytes(16))
            m.load(HEAD + text, cc=121).run("k", 1, 1, target)
            assert m.read(target, 32)[16:] == data[:size].ljust(16, b"\0"), (space, t)
