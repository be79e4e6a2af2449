"""Atomics of 128 bits and of vectors, alone and against each other."""

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, LoadError, machine

HEAD = ".version 8.3\n.target sm_90\n.address_size 64\n"
RNG = np.random.default_rng(11)


def kernel(body: str, registers: str = "") -> str:
    """Thread t has %t, the buffers %x (shared by all) and %y (16 bytes of its own at %y)."""
    return (
        HEAD
        + f""".visible .entry k(.param .u64 x, .param .u64 y) {{
    .reg .b64 %x, %y, %l, %h; .reg .b32 %t, %i; .reg .b128 %a, %b, %c; .reg .pred %p; {registers}
    ld.param.u64 %x, [x]; ld.param.u64 %y, [y]; mov.u32 %t, %ctaid.x; mov.u32 %i, %ntid.x; mul.lo.u32 %t, %t, %i; mov.u32 %i, %tid.x;
    add.u32 %t, %t, %i; mad.wide.u32 %y, %t, 16, %y; {body} ret; }}"""
    )


@pytest.mark.parametrize("space", ["global", "shared"])
def test_exchange_of_128_bits(space: str) -> None:
    m = machine()
    body = "ld.global.b128 %a, [%y]; atom.global.exch.b128 %b, [%x], %a; st.global.b128 [%y], %b;"
    if space == "shared":
        body = """.shared .align 16 .b8 s[16]; setp.ne.u32 %p, %t, 0; @!%p ld.global.b128 %c, [%x]; @!%p st.shared.b128 [s], %c; bar.sync 0;
        ld.global.b128 %a, [%y]; mov.u64 %l, s; atom.shared.exch.b128 %b, [%l], %a; st.global.b128 [%y], %b; bar.sync 0;
        ld.shared.b128 %c, [s]; st.global.b128 [%x], %c;"""
    values = RNG.integers(0, 1 << 63, (65, 2)).astype("u8")
    x, y = m.buffer(values[64].tobytes()), m.buffer(values[:64].tobytes())
    m.load(kernel(body), cc=90).run("k", 1, 64, x, y, threads=2)
    after = np.concatenate([np.frombuffer(m.read(y, 1024), "u8"), np.frombuffer(m.read(x, 16), "u8")]).reshape(65, 2)
    assert sorted(map(tuple, after.tolist())) == sorted(map(tuple, values.tolist()))


def test_compare_and_swap_of_128_bits_counts() -> None:
    m = machine()
    body = """ld.global.b128 %a, [%x];
    L: mov.b128 {%l, %h}, %a; add.u64 %l, %l, 1; sub.u64 %h, %h, 3; mov.b128 %b, {%l, %h};
    atom.global.cas.b128 %c, [%x], %a, %b; .reg .b64 %v, %w, %d, %e; mov.b128 {%v, %w}, %a; mov.b128 {%d, %e}, %c; mov.b128 %a, %c;
    setp.ne.u64 %p, %v, %d; @%p bra L; setp.ne.u64 %p, %w, %e; @%p bra L;"""
    x = m.buffer(np.array([0, 0], "u8").tobytes())
    m.load(kernel(body), cc=90).run("k", 8, 64, x, m.alloc(16), threads=2)
    assert np.frombuffer(m.read(x, 16), "i8").tolist() == [512, -3 * 512]


def test_a_misaligned_pair_is_told() -> None:
    m = machine()
    with pytest.raises(Fault, match="misaligned") as fault:
        m.load(kernel("atom.global.exch.b128 %b, [%x+8], %a;"), cc=90).run("k", 1, 32, m.alloc(64), m.alloc(512))
    assert fault.value.code == 716


VECTORS = [("f32", 2, "f4", "add"), ("f32", 4, "f4", "add"), ("f16", 2, "f2", "add"), ("f16", 8, "f2", "max"), ("f16", 4, "f2", "min"),
           ("f16x2", 4, "f2", "add"), ("f16x2", 2, "f2", "max")]  # fmt: skip


@pytest.mark.parametrize(("type_", "count", "dtype", "op"), VECTORS)
@pytest.mark.parametrize("red", [False, True])
def test_vectors(type_: str, count: int, dtype: str, op: str, red: bool) -> None:
    m = machine()
    size = {"f32": 4, "f16": 2, "f16x2": 4}[type_]
    noftz = "" if type_ == "f32" else ".noftz"
    new = "{" + ",".join(f"%n{k}" for k in range(count)) + "}"
    body = "".join(f"ld.global.b{8 * size} %n{k}, [%y+{k * size}];" for k in range(count))
    if red:
        body += f"red.global.v{count}.{type_}.{op}{noftz} [%x], {new};"
    else:
        body += f"atom.global.v{count}.{type_}.{op}{noftz} {new}, [%x], {new};"
        body += "".join(f"st.global.b{8 * size} [%y+{k * size}], %n{k};" for k in range(count))
    elements = count * size // np.dtype(dtype).itemsize
    start, values = RNG.integers(-4, 5, elements).astype(dtype), np.zeros((64, 16 // np.dtype(dtype).itemsize), dtype)
    values[:, :elements] = RNG.integers(-3, 4, (64, elements))
    x, y = m.buffer(start.tobytes()), m.buffer(values.tobytes())
    m.load(kernel(body, f".reg .b{8 * size} %n<8>;"), cc=90).run("k", 1, 64, x, y)
    got = np.frombuffer(m.read(x, start.nbytes), dtype)
    whole = np.concatenate([start[None], values[:, :elements]])
    want = {"add": whole.sum(0), "min": whole.min(0), "max": whole.max(0)}[op]
    assert np.array_equal(got, want)
    if not red:  # the old values: as many of the running results
        function = {"add": np.add, "min": np.minimum, "max": np.maximum}[op]
        running = function.accumulate(whole, 0)[:-1]
        assert np.array_equal(
            np.frombuffer(m.read(y, values.nbytes), dtype).reshape(values.shape)[:, :elements], running
        )


def test_bfloat_vectors() -> None:
    m = machine()
    body = "ld.global.v2.b32 {%n0, %n1}, [%y]; red.global.v2.bf16x2.add.noftz [%x], {%n0, %n1}; red.global.v2.bf16x2.max.noftz [%x+8], {%n0, %n1};"
    values = RNG.integers(-3, 4, (64, 8)).astype("f4")
    patterns = (values.view("u4") >> 16).astype("u2")
    x, y = m.buffer(bytes(16)), m.buffer(patterns.tobytes())
    m.load(kernel(body, ".reg .b32 %n<2>;"), cc=90).run("k", 1, 64, x, y)
    got = (np.frombuffer(m.read(x, 16), "u2").astype("u4") << 16).view("f4")
    assert np.array_equal(got, np.concatenate([values[:, :4].sum(0), np.maximum(values[:, :4].max(0), 0)]))


def test_not_a_number_loses_in_minima() -> None:
    m = machine()
    body = "ld.global.v4.b16 {%n0, %n1, %n2, %n3}, [%y]; red.global.v4.f16.min.noftz [%x], {%n0, %n1, %n2, %n3};"
    x = m.buffer(np.array([np.nan, 1, np.nan, 0.0], "f2").tobytes())
    y = m.buffer(np.array([2, np.nan, np.nan, -0.0, 0, 0, 0, 0], "f2").tobytes())
    m.load(kernel(body, ".reg .b16 %n<4>;"), cc=90).run("k", 1, 1, x, y)
    assert np.frombuffer(m.read(x, 8), "u2").tolist() == [0x4000, 0x3C00, 0x7FFF, 0x8000]


def test_a_misaligned_vector_is_told() -> None:
    m = machine()
    with pytest.raises(Fault, match="misaligned"):
        m.load(kernel("red.global.v4.f32.add [%x+8], {%n0, %n0, %n0, %n0};", ".reg .f32 %n<1>;"), cc=90).run(
            "k", 1, 1, m.alloc(64), m.alloc(64)
        )


@pytest.mark.parametrize(
    "instruction",
    ["atom.global.v2.f32.min {%n0,%n1}, [%x], {%n0,%n1}", "atom.shared.v2.f32.add {%n0,%n1}, [%x], {%n0,%n1}",
     "atom.global.v8.f32.add {%n0,%n1,%n2,%n3,%n4,%n5,%n6,%n7}, [%x], {%n0,%n1,%n2,%n3,%n4,%n5,%n6,%n7}",
     "atom.global.v2.u32.add {%n0,%n1}, [%x], {%n0,%n1}", "atom.global.v4.f32.add {%n0,%n1}, [%x], {%n0,%n1}",
     "atom.global.add.f16x2 %n0, [%x], %n1", "atom.global.add.noftz.f32 %n0, [%x], %n1", "atom.global.add.s64 %l, [%x], %l",
     "atom.global.inc.u64 %l, [%x], %l", "atom.global.and.u32 %n0, [%x], %n1", "atom.global.exch.u32 %n0, [%x], %n1",
     "red.global.exch.b32 [%x], %n0", "atom.global.min.noftz.f16x2 %n0, [%x], %n1"],
)  # fmt: skip
def test_what_there_is_not(instruction: str) -> None:
    with pytest.raises(LoadError) as error:
        machine().load(kernel(instruction + ";", ".reg .b32 %n<8>;"), cc=90)
    assert error.value.status == 218
