"""The checkers and matrices in memory, atomics of several elements, memory that functions take while they run."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, machine

RNG = np.random.default_rng(8)
HALVES = RNG.integers(1, 0x3C00, 4096).astype("u2")
SHARED = ".shared .align 16 .b16 tile[2048];"
# shared memory gets the halves: thread t writes 16 bytes at 16 t
FILL = """mov.u32 %a, tile; shl.b32 %b, %t, 4; add.u32 %a, %a, %b; cvt.u64.u32 %e, %b; add.u64 %e, %x, %e;
    ld.global.v4.u32 {%v0,%v1,%v2,%v3}, [%e]; st.shared.v4.u32 [%a], {%v0,%v1,%v2,%v3};"""
# the 16 halves of a lane's row r = t mod 32: of a tile with rows of 16 bytes
ROWS = "and.b32 %c, %t, 31; shl.b32 %c, %c, 4; mov.u32 %a, tile; add.u32 %a, %a, %c;"
OUT = "mul.wide.u32 %e, %t, 16; add.u64 %e, %y, %e; st.global.v4.u32 [%e], {%v0,%v1,%v2,%v3};"
LDMATRIX = f"{ROWS} ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%v0,%v1,%v2,%v3}}, [%a]; {OUT}"
STMATRIX = f"{ROWS} stmatrix.sync.aligned.m8n8.x4.shared.b16 [%a], {{%v0,%v1,%v2,%v3}};"
EIGHT = "{%v0,%v1,%v2,%v3,%v4,%v5,%v6,%v7}"
WMMA = "m16n16k16"
LOAD = f"mov.u32 %a, tile; wmma.load.a.sync.aligned.row.{WMMA}.shared.f16 {EIGHT}, [%a], 16;"
STORE = f"mov.u32 %a, tile; wmma.store.d.sync.aligned.row.{WMMA}.shared.f32 [%a], {EIGHT}, 16;"
BARRIER = "bar.sync 0;"


def entry(code: str, declarations: str) -> str:
    """A module with one kernel `k(x, y)`: %x and %y are pointers, %t the thread, %w its warp."""
    return f""".version 8.3
.target sm_90
.address_size 64
.visible .entry k(.param .u64 px, .param .u64 py) {{
.reg .pred %p, %q; .reg .b16 %h<8>; .reg .b32 %a, %b, %c, %t, %w, %v<8>; .reg .b64 %x, %y, %e, %d<4>; .reg .f32 %one, %f<8>;
{declarations}
ld.param.u64 %x, [px]; ld.param.u64 %y, [py]; mov.u32 %t, %tid.x; shr.u32 %w, %t, 5;
{code}
ret; }}"""


def run(code, threads=64, declarations=SHARED, size=4096, load=HALVES, races=True, uninitialised=True):
    text = entry(code, declarations)
    x, y = machine().buffer(load.tobytes()), machine().buffer(bytes(size))
    machine().load(text, cc=90).run("k", 1, threads, x, y, races=races, uninitialised=uninitialised)
    return machine().read(y, size)


def found(code, **options):
    with pytest.raises(Fault) as fault:
        run(code, **options)
    assert fault.value.code == 719, fault.value
    return fault.value


@pytest.fixture(autouse=True)
def tracked():
    machine().lib.exec_track(1)
    yield
    machine().lib.exec_track(0)


def some_warp(k, code):
    """Code for one warp."""
    return f"setp.ne.u32 %p, %w, {k}; @%p bra OVER{k}; {code} OVER{k}:"


def test_correct_kernels_are_let_alone():
    got = np.frombuffer(run(f"{FILL} {BARRIER} {LDMATRIX}"), "u2")[:512].reshape(2, 32, 4, 2)
    matrices = HALVES[:256].reshape(4, 8, 4, 2)  # matrix, row, pair of columns
    want = matrices.transpose(1, 2, 0, 3).reshape(32, 4, 2)
    assert (got[0] == want).all() and (got[1] == want).all()
    # both warps store the same rows, then all read them
    run(f"{FILL} {BARRIER} {LDMATRIX} {BARRIER} {some_warp(0, STMATRIX)} {BARRIER} {LDMATRIX}")
    run(f"{FILL} {BARRIER} {LOAD} {BARRIER} {some_warp(1, STORE)} {BARRIER} {LOAD}")


def test_what_changes_nothing_is_no_race():
    run(f"{FILL} {BARRIER} {LDMATRIX} {STMATRIX}")  # both warps store what is there
    ones = "mov.f32 %one, 0f3F800000; mov.b32 %v0, %one;" + "".join(f"mov.b32 %v{k}, %v0;" for k in range(1, 8))
    run(f"{ones} {some_warp(0, STORE)} {BARRIER} {STORE} {BARRIER} {LOAD}")


@pytest.mark.parametrize("access", (LDMATRIX, LOAD), ids=("ldmatrix", "wmma.load"))
def test_reads_before_the_barrier(access):
    fault = found(f"{FILL} {access}")
    assert "shared memory" in fault.what and "variable tile" in fault.nearest
    assert "that nothing wrote" in fault.what or "race" in fault.what
    fault = found(f"{FILL} {access}", uninitialised=False)
    assert "race on shared memory" in fault.what


@pytest.mark.parametrize(("access", "bytes_"), ((STMATRIX, 16), (STORE, 4)), ids=("stmatrix", "wmma.store"))
def test_writes_that_nothing_orders(access, bytes_):
    both = "mov.u32 %v0, %t; mov.u32 %v1, %t; mov.u32 %v2, %t; mov.u32 %v3, %t;"
    both += "".join(f"cvt.rn.f32.u32 %one, %t; mov.b32 %v{k}, %one;" for k in range(4, 8))
    fault = found(f"{both} {access}")
    assert f"race on shared memory: write of {bytes_} bytes" in fault.what and "behind a write" in fault.what
    assert fault.thread[0] >= 32 and "thread (" in fault.notes
    fault = found(f"{FILL} {BARRIER} {both} {some_warp(0, access)} {LOAD}")
    assert "race on shared memory" in fault.what


@pytest.mark.parametrize("access", (LDMATRIX, LOAD), ids=("ldmatrix", "wmma.load"))
def test_reads_of_what_nothing_wrote(access):
    some = "setp.ge.u32 %p, %t, 20; @%p bra NOT;" + FILL + "NOT: " + BARRIER
    fault = found(f"{some} {access}", races=False)
    assert "bytes of shared memory that nothing wrote" in fault.what
    place = int(fault.nearest.split("byte ")[1].split()[0])
    assert 320 <= place < 512
    run(f"{FILL} {BARRIER} {access}", races=False)


def test_the_lanes_of_a_product_have_met():
    """What lanes wrote before an mma the others may read behind it."""
    code = f"""mov.u32 %a, tile; shl.b32 %b, %t, 2; add.u32 %c, %a, %b; st.shared.u32 [%c], %t;
        mov.u32 %v0, 0; mov.u32 %v1, 0; mov.u32 %v2, 0; mov.u32 %v3, 0;
        mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {{%f0,%f1,%f2,%f3}}, {{%v0,%v1}}, {{%v2}}, {{%f0,%f1,%f2,%f3}};
        xor.b32 %b, %b, 4; add.u32 %c, %a, %b; ld.shared.u32 %v0, [%c]; {OUT}"""
    got = np.frombuffer(run(code, threads=32), "u4")[: 4 * 32 : 4]
    assert got.tolist() == [t ^ 1 for t in range(32)]


def test_atomics_of_several_elements():
    add = """mov.f32 %one, 0f3F800000; atom.global.v2.f32.add {%f0,%f1}, [%y], {%one,%one};
        red.global.add.v4.f32 [%y+16], {%one,%one,%one,%one};"""
    got = np.frombuffer(run(add), "f4")[:8]
    assert got.tolist() == [64, 64, 0, 0, 64, 64, 64, 64]
    fault = found(f"{add} setp.ne.u32 %p, %t, 40; @%p bra NOT; st.global.f32 [%y+28], %one; NOT: ret;")
    assert "race on global memory: write of 4 bytes" in fault.what and fault.thread == (40, 0, 0)


def test_atomics_of_128_bits():
    wide = """mov.u64 %e, 1; cvt.u64.u32 %d0, %t; mov.b128 %wide0, {%d0, %d0}; atom.global.exch.b128 %wide1, [%y], %wide0;"""
    low, high = np.frombuffer(run(wide, declarations=".reg .b128 %wide<2>;"), "u8")[:2]
    assert low == high and low < 64
    plain = "setp.ne.u32 %p, %t, 40; @%p bra NOT; st.global.u64 [%y+8], %d0; NOT: ret;"
    fault = found(wide + plain, declarations=".reg .b128 %wide<2>;")
    assert "race on global memory: write of 8 bytes" in fault.what and fault.thread == (40, 0, 0)


def test_copies_that_ignore_their_source():
    """Where nothing wrote, and others write it at the same time."""
    code = """mov.u32 %a, tile; shl.b32 %b, %t, 2; add.u32 %a, %a, %b; cvt.u64.u32 %e, %b; add.u64 %e, %y, %e;
        setp.lt.u32 %p, %t, {limit}; st.global.u32 [%y+252], %t; cp.async.ca.shared.global [%a], [%y+252], 4, %p;
        cp.async.wait_all; ld.shared.u32 %v0, [%a];"""
    run(code.format(limit=64).replace("st.global", "@!%p st.global"), races=True)
    fault = found(code.format(limit=10).replace("st.global", "@%p st.global"), threads=32)
    assert "race on global memory" in fault.what
    assert "race on global memory" in found(code.format(limit=10), threads=64).what


def test_memory_of_alloca():
    """Fresh each time, however often the place was written before."""
    code = """.reg .b64 %top, %old; mov.u32 %c, 0;
AGAIN: stacksave.u64 %old; alloca.u64 %top, 64, 16; st.local.u32 [%top+{first}], %t; ld.local.u32 %v0, [%top+8];
    stackrestore.u64 %old; add.u32 %c, %c, 1; setp.lt.u32 %p, %c, 2; @%p bra AGAIN; {second}"""
    run(code.format(first=8, second=""), declarations="")
    later = "alloca.u64 %top, 64, 16; ld.local.u32 %v0, [%top+8];"
    fault = found(code.format(first=8, second=later), declarations="")
    assert "4 bytes of local memory that nothing wrote" in fault.what
    assert "local memory that nothing wrote" in found(code.format(first=4, second=""), declarations="").what
