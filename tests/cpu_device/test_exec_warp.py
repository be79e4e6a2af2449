"""Warp-wide instructions, barriers, divergence and scheduling, against small models of a warp."""

import random
import struct

import pytest

from tests.cpu_device.exec_access import HEAD, Fault, machine

FULL = 0xFFFFFFFF


def kernel(body, declarations=""):
    """out[i] = %d of thread i, with %v = in[i], %i = lane, %m = mask parameter."""
    head = HEAD.replace("sm_80", "sm_90") if "elect" in body else HEAD
    return f"""{head}
.visible .entry k(.param .u64 src, .param .u64 dst, .param .u32 mask) {{
.reg .b64 %s, %o, %off; .reg .b32 %i, %d, %v, %m, %x<8>; .reg .pred %p<8>; {declarations}
ld.param.u64 %s, [src]; ld.param.u64 %o, [dst]; ld.param.u32 %m, [mask]; mov.u32 %i, %tid.x;
mul.wide.u32 %off, %i, 4; add.u64 %s, %s, %off; add.u64 %o, %o, %off; ld.global.u32 %v, [%s]; mov.u32 %d, 0;
{body}
st.global.u32 [%o], %d; ret; }}"""


def run(body, values=None, mask=FULL, threads=32, declarations="", **options):
    m = machine()
    values = values or list(range(threads))
    source, target = m.buffer(struct.pack(f"<{threads}I", *values)), m.buffer(bytes(4 * threads))
    m.load(kernel(body, declarations), cc=90).run("k", 1, threads, source, target, mask, **options)
    return list(struct.unpack(f"<{threads}I", m.read(target, 4 * threads)))


def shfl(mode, values, b, c):
    out = []
    for lane in range(32):
        n, clamp, segment = b & 31, c & 31, c >> 8 & 31
        last, first = (lane & segment) | (clamp & ~segment), lane & segment
        j = {"up": lane - n, "down": lane + n, "bfly": lane ^ n, "idx": first | (n & ~segment)}[mode]
        good = j >= last if mode == "up" else j <= last
        out.append(values[j] + (1000 if good else 0) if good else values[lane])
    return out


@pytest.mark.parametrize("mode", ["up", "down", "bfly", "idx"])
def test_shfl(mode):
    rng = random.Random(1)
    m = machine()
    module = m.load(
        kernel(
            """ld.global.u32 %x0, [%o]; ld.global.u32 %x1, [%o+128];
        shfl.sync.MODE.b32 %d|%p0, %v, %x0, %x1, -1; @%p0 add.u32 %d, %d, 1000;""".replace("MODE", mode)
        )
    )
    for _ in range(60):
        b, c = rng.randrange(64), rng.choice([0, 31, 0x1C1F, 0x1800, 0x181F, 0x1F00, rng.randrange(1 << 13)])
        values = [rng.randrange(900) for _ in range(32)]
        source = m.buffer(struct.pack("<32I", *values))
        target = m.buffer(struct.pack("<64I", *[b] * 32, *[c] * 32))
        module.run("k", 1, 32, source, target, FULL)
        assert list(struct.unpack("<32I", m.read(target, 128))) == shfl(mode, values, b, c), (b, hex(c))


@pytest.mark.parametrize("mask", [FULL, 1, 0x80000000, 0xF0F0F0F0, 0x0000FFFF, 0x12345678])
def test_votes_among_members(mask):
    values = [(i * 7 + 3) % 5 for i in range(32)]
    lanes = [i for i in range(32) if mask >> i & 1]
    odd = sum(1 << i for i in lanes if values[i] & 1)
    inside = "shr.u32 %x0, %m, %i; and.b32 %x0, %x0, 1; setp.eq.u32 %p0, %x0, 0; @%p0 bra OUT; and.b32 %x1, %v, 1; setp.eq.u32 %p1, %x1, 1;"
    predicate = "@%p2 mov.u32 %d, 1; OUT:"
    expected = {
        "vote.sync.ballot.b32 %d, %p1, %m; OUT:": odd,
        f"vote.sync.all.pred %p2, %p1, %m; {predicate}": int(odd == mask),
        f"vote.sync.any.pred %p2, %p1, %m; {predicate}": int(odd != 0),
        f"vote.sync.uni.pred %p2, %p1, %m; {predicate}": int(odd in (0, mask)),
        f"vote.sync.any.pred %p2, !%p1, %m; {predicate}": int(odd != mask),
        "activemask.b32 %d; OUT:": mask,
        "redux.sync.add.u32 %d, %v, %m; OUT:": sum(values[i] for i in lanes),
        "redux.sync.min.s32 %d, %v, %m; OUT:": min(values[i] for i in lanes),
        "redux.sync.max.u32 %d, %v, %m; OUT:": max(values[i] for i in lanes),
        "elect.sync %d|%p2, %m; @!%p2 add.u32 %d, %d, 100; @%p2 add.u32 %d, %d, 100; OUT:": lanes[0] + 100,
    }
    for body, want in expected.items():
        got = run(inside + body, values, mask)
        assert got == [want if i in lanes else 0 for i in range(32)], body
    got = run(inside + "match.any.sync.b32 %d, %v, %m; OUT:", values, mask)
    assert got == [sum(1 << j for j in lanes if values[j] == values[i]) if i in lanes else 0 for i in range(32)]
    got = run(inside + "match.all.sync.b32 %d|%p2, %v, %m; OUT:", [5] * 32, mask)
    assert got == [mask if i in lanes else 0 for i in range(32)]


def test_tiles_of_a_warp_come_together():
    """Lanes that execute one instruction with masks of their own: each tile of 8 by itself."""
    values = [(i * 11 + 5) % 7 for i in range(32)]
    tiles = [range(i & ~7, (i & ~7) + 8) for i in range(32)]
    odd = [sum((values[j] & 1) << j for j in tile) for tile in tiles]
    own = "shr.u32 %x0, %i, 3; shl.b32 %x0, %x0, 3; shl.b32 %x1, 255, %x0; and.b32 %x0, %v, 1; setp.eq.u32 %p1, %x0, 1;"
    predicate = "mov.u32 %d, 0; @%p2 mov.u32 %d, 1;"
    expected = {
        "vote.sync.ballot.b32 %d, %p1, %x1;": odd,
        f"vote.sync.all.pred %p2, %p1, %x1; {predicate}": [
            int(o == sum(1 << j for j in t)) for o, t in zip(odd, tiles)
        ],
        "redux.sync.add.u32 %d, %v, %x1;": [sum(values[j] for j in tile) for tile in tiles],
        "redux.sync.max.s32 %d, %v, %x1;": [max(values[j] for j in tile) for tile in tiles],
        "match.any.sync.b32 %d, %v, %x1;": [
            sum(1 << j for j in t if values[j] == values[i]) for i, t in enumerate(tiles)
        ],
        "elect.sync %d|%p2, %x1; @%p2 add.u32 %d, %d, 100;": [t[0] + 100 * (i == t[0]) for i, t in enumerate(tiles)],
        f"match.all.sync.b32 _|%p2, %v, %x1; {predicate}": [0] * 32,
    }
    for body, want in expected.items():
        assert run(own + body, values) == want, body


def test_divergent_lanes_meet():
    body = """and.b32 %x0, %i, 3; setp.eq.u32 %p0, %x0, 0; @%p0 bra A; setp.eq.u32 %p1, %x0, 1; @%p1 bra B;
        add.u32 %d, %v, 100; bra C;  A: add.u32 %d, %v, 200; bra C;  B: add.u32 %d, %v, 300;
        C: activemask.b32 %x1; setp.ne.u32 %p2, %x1, -1; @%p2 mov.u32 %d, 0;"""
    assert run(body) == [i + {0: 200, 1: 300}.get(i & 3, 100) for i in range(32)]


def test_loop_with_own_count():
    body = (
        "mov.u32 %x0, 0; L: setp.ge.u32 %p0, %x0, %i; @%p0 bra E; add.u32 %d, %d, %x0; add.u32 %x0, %x0, 1; bra L; E:"
    )
    assert run(body, threads=96) == [i * (i - 1) // 2 for i in range(96)]


def test_branch_table():
    body = "and.b32 %x0, %i, 3; T: .branchtargets A, B, C, D; brx.idx %x0, T; A: mov.u32 %d, 11; bra E; B: mov.u32 %d, 22; bra E; C: mov.u32 %d, 33; bra E; D: mov.u32 %d, 44; E:"
    assert run(body) == [(i % 4 + 1) * 11 for i in range(32)]


def test_barrier_in_two_places():
    body = """.shared .b32 s[64]; mov.u32 %x1, s; shl.b32 %x0, %i, 2; add.u32 %x1, %x1, %x0; st.shared.u32 [%x1], %v;
        setp.lt.u32 %p0, %i, 32; @%p0 bra A; bar.sync 0; bra B; A: bar.sync 0; B: mov.u32 %x1, s; xor.b32 %x2, %x0, 252;
        add.u32 %x1, %x1, %x2; ld.shared.u32 %d, [%x1];"""
    assert run(body, threads=64) == [63 - i for i in range(64)]


def test_barrier_reduction_and_count():
    body = "and.b32 %x0, %v, 1; setp.eq.u32 %p0, %x0, 1; barrier.cta.red.popc.u32 %d, 1, %p0;"
    assert run(body, threads=80) == [40] * 80
    body = """setp.lt.u32 %p0, %v, 79; bar.red.and.pred %p1, 2, %p0; selp.b32 %d, 1, 0, %p1; bar.red.or.pred %p1, 2, !%p0;
        @%p1 add.u32 %d, %d, 2;"""
    assert run(body, threads=80) == [2] * 80
    # the last warp is no party of barrier 3
    body = """.shared .b32 s; setp.ge.u32 %p0, %i, 64; @%p0 bra E; setp.lt.u32 %p1, %i, 32; @%p1 bra A; mov.u32 %x0, 77;
        st.shared.u32 [s], %x0; bar.arrive 3, 64; bra E; A: bar.sync 3, 64; ld.shared.u32 %d, [s]; E:"""
    assert run(body, threads=96) == [77] * 32 + [0] * 64


def test_warp_barrier():
    body = """setp.lt.u32 %p0, %i, 16; @%p0 bra A; add.u32 %d, %d, 5; bar.warp.sync -1; bra B; A: bar.warp.sync -1; B: activemask.b32 %x0;"""
    assert run(body) == [0] * 16 + [5] * 16


def test_exited_lanes_do_not_hold_a_barrier():
    body = "setp.ge.u32 %p0, %i, 40; @%p0 exit; bar.sync 0; mov.u32 %d, 9;"
    assert run(body, threads=96) == [9] * 40 + [0] * 56


def test_spin_lock_by_every_thread():
    # a lock taken in a loop that spins while other lanes of the same warp hold it
    body = """L: atom.global.cas.b32 %x0, [%s0], 0, 1; setp.ne.u32 %p0, %x0, 0; @%p0 bra L;
        ld.volatile.global.u32 %x1, [%s0+4]; add.u32 %x1, %x1, 1; st.volatile.global.u32 [%s0+4], %x1; membar.gl;
        atom.global.exch.b32 %x0, [%s0], 0;"""
    m = machine()
    lock = m.buffer(bytes(8))
    declarations = f".reg .b64 %s0; .global .b64 where = {lock};"
    text = kernel("ld.global.u64 %s0, [where];" + body, declarations)
    source, target = m.buffer(bytes(1024)), m.alloc(1024)
    for threads in (1, 2):
        m.load(text).run("k", 3, 100, source, target, 0, steps=3_000_000, threads=threads)
    assert struct.unpack("<2I", m.read(lock, 8)) == (0, 600)


def test_warps_wait_for_each_other():
    # warp 0 waits for what warp 1 writes, and answers
    body = """.shared .b32 s[2]; st.shared.u32 [s], %d; st.shared.u32 [s+4], %d; bar.sync 0; setp.ge.u32 %p0, %i, 32; @%p0 bra P;
        W: ld.volatile.shared.u32 %x0, [s]; setp.eq.u32 %p1, %x0, 0; @%p1 bra W;
        add.u32 %d, %x0, 1; st.volatile.shared.u32 [s+4], %d; bra E; P: mov.u32 %x0, 41; st.volatile.shared.u32 [s], %x0;
        Q: ld.volatile.shared.u32 %d, [s+4]; setp.eq.u32 %p1, %d, 0; @%p1 bra Q; E:"""
    assert run(body, threads=64, steps=1_000_000) == [42] * 64


def test_cooperative_ctas_wait_for_each_other():
    text = f"""{HEAD}
    .visible .entry k(.param .u64 n) {{ .reg .b64 %n; .reg .b32 %x, %t; .reg .pred %p; ld.param.u64 %n, [n];
    mov.u32 %t, %tid.x; setp.ne.u32 %p, %t, 0; @%p bra W; red.global.add.u32 [%n], 1;
    W: ld.acquire.gpu.global.u32 %x, [%n]; setp.lt.u32 %p, %x, 40; @%p bra W; ret; }}"""
    m = machine()
    for threads in (1, 2):
        counter = m.buffer(bytes(4))
        m.load(text).run("k", 40, 64, counter, cooperative=True, threads=threads, steps=10_000_000)
        assert struct.unpack("<I", m.read(counter, 4)) == (40,)


def test_barrier_that_not_all_reach_is_told():
    with pytest.raises(Fault) as e:
        run("setp.lt.u32 %p0, %i, 32; @%p0 bar.sync 1, 96;", threads=64)
    assert e.value.code == 719 and "barrier" in e.value.what and "bar.sync 1" in e.value.ptx_text


@pytest.mark.parametrize("op", ["add", "min", "max", "and", "or", "xor", "exch", "inc", "dec", "cas"])
@pytest.mark.parametrize("space", ["global", "shared"])
def test_atomics(op, space):
    model = {
        "add": lambda old, v: (old + v) & FULL, "min": min, "max": max, "and": int.__and__, "or": int.__or__, "xor": int.__xor__,
        "exch": lambda old, v: v, "inc": lambda old, v: 0 if old >= v else old + 1,
        "dec": lambda old, v: v if old == 0 or old > v else old - 1, "cas": lambda old, v: 12 if old == v else old,
    }[op]  # fmt: skip
    values = [(i * 37 + 5) % 23 for i in range(32)]
    type_ = "b32" if op in ("and", "or", "xor", "exch", "cas") else "u32"
    third = ", 12" if op == "cas" else ""
    place = "[s]" if space == "shared" else "[g]"
    declaration = f".{space} .u32 {'s' if space == 'shared' else 'g'};"
    body = f"{declaration} mov.u32 %x0, 7; st.{space}.u32 {place}, %x0; bar.warp.sync -1; atom.{space}.{op}.{type_} %d, {place}, %v{third};"
    got = run(body, values)
    old, want = 7, []
    for v in values:
        want.append(old)
        old = model(old, v)
    assert got == want


def test_float_atomics_by_many_threads():
    text = f"""{HEAD}
    .visible .entry k(.param .u64 n) {{ .reg .b64 %n; .reg .f32 %f; .reg .f64 %d; .reg .b32 %h; ld.param.u64 %n, [n];
    mov.f32 %f, 0f3f000000; mov.f64 %d, 0d3fd0000000000000; mov.b32 %h, 0x3c004000;
    red.global.add.f32 [%n], %f; red.global.add.f64 [%n+8], %d; red.global.add.noftz.f16x2 [%n+16], %h; ret; }}"""
    m = machine()
    place = m.buffer(bytes(24))
    m.load(text).run("k", 20, 64, place, threads=2)
    a, _, b, low, high = struct.unpack("<ffdee", m.read(place, 20))
    assert (a, b) == (640.0, 320.0) and high == 1280.0 and low == 2560.0
