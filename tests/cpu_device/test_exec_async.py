"""mbarriers against a model of their state, asynchronous copies, and whole kernels that use them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.cpu_device.exec_access import HEAD, Fault, LoadError, machine
from tests.cpu_device.exec_kernels import ASYNC, BULK
from tests.cpu_device.test_ptx_parser import compile_cuda

RNG = np.random.default_rng(9)
HOPPER = HEAD.replace("sm_80", "sm_90")


def words(address, n, dtype="u4"):
    return np.frombuffer(machine().read(address, n * np.dtype(dtype).itemsize), dtype)


def buffer(array):
    return machine().buffer(np.ascontiguousarray(array).tobytes())


class Model:
    """An mbarrier: what a phase waits for."""

    def __init__(self, count):
        self.phase, self.expected, self.pending, self.bytes = 0, count, count, 0

    def settle(self):
        if self.pending == 0 and self.bytes == 0:
            self.phase, self.pending = self.phase + 1, self.expected

    def arrive(self, n=1, drop=False, expect=0):
        before = (self.phase, self.pending)
        self.bytes += expect
        self.pending -= n
        if drop:
            self.expected -= n
        self.settle()
        return before


def sequence(seed):
    """Instructions of one thread, and what each is to store: the pending count of a state, or the answer of a wait."""
    pick = random.Random(seed)
    model = Model(pick.randint(1, 6))
    code, want, states = [f"mbarrier.init.shared::cta.b64 [%b], {model.expected};"], [], []
    for _ in range(60):
        choice = pick.choice(["arrive", "many", "partial", "drop", "expect", "extra", "complete", "wait", "parity"])
        shape = pick.choice([".shared", ".shared::cta", ".release.cta.shared::cta", ""])
        base = "%g" if shape == "" else "%b"
        before = None
        if choice in ("arrive", "drop") and model.pending > (choice == "drop") and model.expected > 1:
            name = "arrive_drop" if choice == "drop" else "arrive"
            code.append(f"mbarrier.{name}{shape}.b64 %s0, [{base}];")
            before = model.arrive(drop=choice == "drop")
        elif choice == "many" and model.pending:
            n = pick.randint(1, model.pending)
            code.append(f"mov.u32 %x0, {n}; mbarrier.arrive{shape}.b64 %s0, [{base}], %x0;")
            before = model.arrive(n)
        elif choice == "partial" and model.pending > 1:
            code.append(f"mbarrier.arrive.noComplete{shape}.b64 %s0, [{base}], {model.pending - 1};")
            before = model.arrive(model.pending - 1)
        elif choice == "expect" and model.pending:
            n = pick.randint(0, 5000)
            code.append(f"mbarrier.arrive.expect_tx{shape}.b64 %s0, [{base}], {n};")
            before = model.arrive(expect=n)
        elif choice == "extra":
            n = pick.randint(1, 5000)
            code.append("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%b], " + f"{n};")
            model.bytes += n
        elif choice == "complete" and model.bytes > 0:
            n = pick.choice([model.bytes, pick.randint(1, model.bytes)])
            code.append("mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%b], " + f"{n};")
            model.bytes -= n
            model.settle()
        elif choice == "wait" and states:
            number, phase = states[-1]
            verb = pick.choice(["test_wait", "try_wait"])
            code.append(f"mbarrier.{verb}.shared.b64 %p0, [%b], %t{number}; selp.u32 %x0, 1, 0, %p0;")
            want.append(int(model.phase != phase))
            code.append(f"st.global.u32 [%o+{4 * len(want) - 4}], %x0;")
        elif choice == "parity":
            parity = pick.randint(0, 1)
            verb, hint = pick.choice([("test_wait", ""), ("try_wait", ""), ("try_wait", ", 20")])
            code.append(f"mbarrier.{verb}.parity.shared.b64 %p0, [%b], {parity}{hint}; selp.u32 %x0, 1, 0, %p0;")
            want.append(int((model.phase & 1) != parity))
            code.append(f"st.global.u32 [%o+{4 * len(want) - 4}], %x0;")
        if before:
            want.append(before[1])
            code.append(f"mbarrier.pending_count.b64 %x0, %s0; st.global.u32 [%o+{4 * len(want) - 4}], %x0;")
            states.append((len(states), before[0]))
            code.append(f"mov.b64 %t{len(states) - 1}, %s0;")
    return " ".join([*code, "mbarrier.inval.shared.b64 [%b];"]), want


def kernel(body, params="", loads=""):
    return f"""{HOPPER}
.visible .entry k(.param .u64 dst{params}) {{
.reg .b64 %o, %g, %a, %s<4>, %t<80>; .reg .b32 %i, %b, %c, %x<8>; .reg .b16 %h<4>; .reg .pred %p<8>;
.shared .align 16 .b8 bar[32]; .shared .align 16 .b8 room[512];
ld.param.u64 %o, [dst]; mov.u32 %b, bar; mov.u32 %c, room; mov.u32 %i, %tid.x; cvt.u64.u32 %g, %b; cvta.shared.u64 %g, %g;
{loads}{body} ret; }}"""


@pytest.mark.parametrize("seed", range(12))
def test_mbarrier_against_its_model(seed):
    body, want = sequence(seed)
    assert len(want) > 10
    out = machine().buffer(bytes(4 * len(want)))
    machine().load(kernel(body), cc=90).run("k", 1, 1, out)
    assert words(out, len(want)).tolist() == want


INIT = "mbarrier.init.shared::cta.b64 [%b], 2;"


@pytest.mark.parametrize(
    ("body", "code", "what"),
    [
        ("mbarrier.arrive.shared.b64 %s0, [%b];", 715, "did not make"),
        (
            INIT + "mbarrier.inval.shared.b64 [%b]; mbarrier.test_wait.parity.shared.b64 %p0, [%b], 0;",
            715,
            "did not make",
        ),
        ("mbarrier.init.shared.b64 [%b], 0;", 715, "count is from 1"),
        ("mbarrier.init.shared.b64 [%b], 0x100000;", 715, "count is from 1"),
        ("mbarrier.init.shared.b64 [%b+4], 1;", 716, "misaligned"),
        ("mbarrier.init.shared.b64 [%b+65536], 1;", 700, "outside shared memory"),
        ("mbarrier.init.b64 [%o], 1;", 717, "outside shared memory"),
        (INIT + "mbarrier.arrive.shared.b64 %s0, [%b], 3;", 715, "more arrivals"),
        (INIT + "mbarrier.arrive.noComplete.shared.b64 %s0, [%b], 2;", 715, "completes the phase"),
        (INIT + "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%b], 0x100000;", 715, "bytes of transactions"),
        (INIT + "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%c], [%o], 24, [%b];", 716, "16s"),
        (
            INIT + "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%c+8], [%o], 16, [%b];",
            716,
            "aligned",
        ),
        (INIT + "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%c], [%o], 256, [%b];", 700, "copy"),
        (
            INIT + "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%c], [%o], 16, [%c+128];",
            715,
            "did not",
        ),
        ("cp.async.bulk.global.shared::cta.bulk_group [%o], [%c], 1024;", 700, "copy"),
        (
            INIT
            + "mov.u16 %h0, 2; cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
            " [%c], [%o], 16, [%b], %h0;",
            715,
            "multicast",
        ),
    ],
)
def test_defects(body, code, what):
    out = machine().buffer(bytes(64))
    with pytest.raises(Fault) as fault:
        machine().load(kernel(body), cc=90).run("k", 1, 1, out)
    assert fault.value.code == code and what in fault.value.what + fault.value.nearest, fault.value
    assert fault.value.ptx_line > 0


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            "cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%c], [%o, {%x0}], [%b];",
            "tensor",
        ),
        ("cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.tile.bulk_group [%o, {%x0}], [%c];", "tensor"),
        ("cp.async.bulk.prefetch.tensor.1d.L2.global.tile [%o, {%x0}];", "tensor"),
        ("cp.async.bulk.global.global.bulk_group [%o], [%o], 16;", "direction"),
        ("cp.async.bulk.shared::cluster.global.bulk_group [%c], [%o], 16;", "direction"),
        ("cp.async.cg.shared.global [%c], [%o], 8;", "16 bytes"),
        ("cp.async.ca.shared.global [%c], [%o], 12;", "4, 8 or 16"),
        ("mbarrier.test_wait.shared::cluster.b64 %p0, [%b], %s0;", "own CTA"),
        ("mbarrier.arrive.shared::cluster.b64 %s0, [%b];", "no state"),
        ("st.async.shared::cluster.mbarrier::complete_tx::bytes.b16 [%c], %h0, [%b];", "16 bytes"),
        ("mbarrier.other.shared.b64 [%b];", "not known"),
    ],
)
def test_refused_when_loaded(body, what):
    with pytest.raises(LoadError) as error:
        machine().load(kernel("\n" + body), cc=90)
    line = kernel("\n" + body).splitlines().index(body + " ret; }") + 1
    assert what in error.value.log and f"ptx:{line}:" in error.value.log, error.value
    assert error.value.status == (801 if what == "tensor" else 218)


def test_copies_that_ignore_their_source():
    data = np.arange(1, 9, dtype="u4")
    body = """mov.u32 %x0, -1; st.shared.u32 [%c], %x0; st.shared.u32 [%c+16], %x0; st.shared.u32 [%c+32], %x0;
        mov.u32 %x1, 4; setp.eq.u32 %p0, %x1, 4;
        cp.async.ca.shared.global [%c], [%a], 16, %x1; cp.async.cg.shared.global [%c+16], [%a], 16, %p0;
        cp.async.ca.shared.global [%c+32], [%a], 8, !%p0; cp.async.ca.shared::cta.global.L2::128B [%c+40], [%a+8], 4;
        cp.async.ca.shared.global.L2::cache_hint [%c+44], [%a+4], 4, %a; cp.async.commit_group; cp.async.wait_group 0;
        ld.shared.v4.u32 {%x0, %x1, %x2, %x3}, [%c]; st.global.v4.u32 [%o], {%x0, %x1, %x2, %x3};
        ld.shared.v4.u32 {%x0, %x1, %x2, %x3}, [%c+16]; st.global.v4.u32 [%o+16], {%x0, %x1, %x2, %x3};
        ld.shared.v4.u32 {%x0, %x1, %x2, %x3}, [%c+32]; st.global.v4.u32 [%o+32], {%x0, %x1, %x2, %x3};"""
    out = machine().buffer(bytes(48))
    text = kernel(body, ", .param .u64 src", "ld.param.u64 %a, [src];")
    machine().load(text, cc=90).run("k", 1, 1, out, buffer(data))
    assert words(out, 12).tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 2]


REDUCTIONS = [
    ("add.u32", "u4", lambda a, b: a + b),
    ("add.u64", "u8", lambda a, b: a + b),
    ("add.f32", "f4", lambda a, b: a + b),
    ("add.f64", "f8", lambda a, b: a + b),
    ("add.noftz.f16", "f2", lambda a, b: a + b),
    ("min.f16", "f2", np.minimum),
    ("max.f16", "f2", np.maximum),
    ("min.s32", "i4", np.minimum),
    ("max.u32", "u4", np.maximum),
    ("min.s64", "i8", np.minimum),
    ("max.u64", "u8", np.maximum),
    ("and.b32", "u4", np.bitwise_and),
    ("or.b64", "u8", np.bitwise_or),
    ("xor.b32", "u4", np.bitwise_xor),
    ("inc.u32", "u4", lambda a, b: np.where(a >= b, 0, a + 1)),
    ("dec.u32", "u4", lambda a, b: np.where((a == 0) | (a > b), b, a - 1)),
]


@pytest.mark.parametrize(("op", "dtype", "reference"), REDUCTIONS, ids=[r[0] for r in REDUCTIONS])
def test_bulk_reductions_into_global_memory(op, dtype, reference):
    n = 64 // np.dtype(dtype).itemsize
    a, b = (
        RNG.integers(0, 50, n).astype(dtype) if dtype[0] != "i" else RNG.integers(-50, 50, n).astype(dtype)
        for _ in "ab"
    )
    body = f"""cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%c], [%a], 64, [%b];
        mbarrier.arrive.expect_tx.shared::cta.b64 _, [%b], 64;
        L: mbarrier.try_wait.parity.shared::cta.b64 %p0, [%b], 0; @!%p0 bra L;
        cp.reduce.async.bulk.global.shared::cta.bulk_group.{op} [%o], [%c], 64; cp.async.bulk.commit_group;
        cp.async.bulk.wait_group 0;"""
    out = buffer(a)
    text = kernel(INIT.replace(" 2;", " 1;") + body, ", .param .u64 src", "ld.param.u64 %a, [src];")
    machine().load(text, cc=90).run("k", 1, 1, out, buffer(b))
    assert words(out, n, dtype).tolist() == reference(a, b).astype(dtype).tolist()


def test_bytes_of_a_mask():
    data = np.arange(32, dtype="u1")
    body = """ld.global.v4.u32 {%x0, %x1, %x2, %x3}, [%a]; st.shared.v4.u32 [%c], {%x0, %x1, %x2, %x3};
        ld.global.v4.u32 {%x0, %x1, %x2, %x3}, [%a+16]; st.shared.v4.u32 [%c+16], {%x0, %x1, %x2, %x3};
        mov.u16 %h0, 0x8421; cp.async.bulk.global.shared::cta.bulk_group.cp_mask [%o], [%c], 32, %h0;
        cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0; cp.async.bulk.prefetch.L2.global [%a], 32;"""
    out = machine().buffer(b"\xff" * 32)
    text = kernel(body, ", .param .u64 src", "ld.param.u64 %a, [src];").replace("sm_90", "sm_100")
    machine().load(text, cc=100).run("k", 1, 1, out, buffer(data))
    assert words(out, 32, "u1").tolist() == [k if k % 16 in (0, 5, 10, 15) else 255 for k in range(32)]


@pytest.mark.parametrize(
    ("code", "opcode"),
    [
        ("atom.shared.add.u32 %x1, [%x0], 1;", "atom"),
        ("cp.async.ca.shared.global [%x0], [%o], 4;", "cp"),
        ("mbarrier.init.shared.b64 [%x0], 1;", "mbarrier"),
    ],
)
def test_places_behind_the_own_shared_memory_are_not_the_cluster(code, opcode):
    out = machine().buffer(bytes(64))
    with pytest.raises(Fault) as fault:
        machine().load(kernel(f"mov.u32 %x0, 0x1000000; {code}"), cc=90).run("k", 1, 1, out)
    assert fault.value.code == 700 and opcode in fault.value.ptx_text, fault.value


def test_arrivals_after_copies():
    """Each thread's copies count for an arrival: one that is expected (.noinc), or one more."""
    body = """setp.ne.u32 %p1, %i, 0; @%p1 bra M; mbarrier.init.shared.b64 [%b], 64; mbarrier.init.shared.b64 [%b+8], 64; M:
        bar.sync 0; mul.lo.u32 %x0, %i, 4; add.u32 %x0, %x0, %c; mul.wide.u32 %s1, %i, 4; add.u64 %a, %a, %s1;
        add.u64 %o, %o, %s1; cp.async.ca.shared.global [%x0], [%a], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [%b];
        cp.async.mbarrier.arrive.shared::cta.b64 [%b+8]; mbarrier.arrive.shared.b64 _, [%b+8];
        L: mbarrier.test_wait.parity.shared.b64 %p0, [%b], 0; @!%p0 bra L;
        W: mbarrier.try_wait.parity.shared.b64 %p0, [%b+8], 0; @!%p0 bra W;
        xor.b32 %x0, %i, 63; mad.lo.u32 %x0, %x0, 4, %c; ld.shared.u32 %x1, [%x0]; st.global.u32 [%o], %x1;"""
    data = np.arange(100, 164, dtype="u4")
    out = machine().buffer(bytes(256))
    machine().load(kernel(body, ", .param .u64 src", "ld.param.u64 %a, [src];"), cc=90).run(
        "k", 1, 64, out, buffer(data)
    )
    assert words(out, 64).tolist() == data[::-1].tolist()


@pytest.fixture(scope="module", params=(80, 100))
def compiled(request):
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    return machine().load(compile_cuda("async", ASYNC, request.param), cc=120)


def test_a_pipeline_of_two_stages(compiled):
    x = RNG.integers(-100, 100, (7, 64, 4)).astype("i4")
    out = machine().buffer(bytes(256))
    compiled.run("staged", 1, 64, buffer(x), out, 7)
    assert words(out, 64, "i4").tolist() == (x[:, ::-1] @ [1, 2, 3, 4]).sum(0).tolist()


def test_zero_fill(compiled):
    x = RNG.integers(1, 100, (32, 4)).astype("i4")
    out = machine().buffer(bytes(512))
    compiled.run("zero_fill", 1, 32, buffer(x), out)
    keep = np.arange(4) < 4 - (np.arange(32) % 4)[:, None]
    assert words(out, 128, "i4").tolist() == np.where(keep, x, 0).ravel().tolist()


@pytest.mark.parametrize("n", (1, 100, 1000))
def test_copy_by_a_group(compiled, n):
    x = RNG.integers(-100, 100, n).astype("i4")
    out = machine().buffer(bytes(4 * n))
    compiled.run("group_copy", 1, 96, buffer(x), out, n, shared=4 * n)
    assert words(out, n, "i4").tolist() == x[::-1].tolist()


def test_turns(compiled):
    out = machine().buffer(bytes(4 * 96))
    compiled.run("turns", 1, 96, out, 5)
    assert words(out, 96).tolist() == [(t + 5) % 96 + 5 for t in range(96)]


@pytest.fixture(scope="module", params=(90, 100))
def bulk(request):
    pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
    return machine().load(compile_cuda("bulk", BULK, request.param), cc=120)


def test_tiles_in_and_out(bulk):
    x = RNG.integers(-1000, 1000, (5, 256)).astype("i4")
    out = machine().buffer(bytes(4 * x.size))
    bulk.run("tiles", 1, 256, buffer(x), out, 5)
    assert words(out, x.size, "i4").tolist() == (x[:, ::-1] * 2 + np.arange(5)[:, None]).ravel().tolist()


@pytest.mark.parametrize("mask", (0b1111, 0b1001, 0b0100))
def test_multicast_and_remote_completion(bulk, mask):
    x = RNG.integers(-1000, 1000, 64).astype("i4")
    out = machine().buffer(bytes(256))
    bulk.run("cast", 4, 64, buffer(x), out, mask, threads=2)
    tiles = [(x if mask >> r & 1 else np.full(64, -5)) + r for r in range(4)]
    got = words(out, 64, "i4")
    assert got[:60].tolist() == sum(tiles)[:60].tolist()


def test_producers_and_a_consumer(bulk):
    x = RNG.integers(-100, 100, (6, 96)).astype("i4")
    out = machine().buffer(bytes(128))
    bulk.run("producers", 1, 128, buffer(x), out, 6)
    assert words(out, 32, "i4").tolist() == (np.arange(1, 7) @ x).reshape(3, 32).sum(0).tolist()
