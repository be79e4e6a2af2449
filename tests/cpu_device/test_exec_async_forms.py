"""Every form of st.async, red.async and cp.reduce.async.bulk: what arrives, of each type, and that the mbarrier counts its bytes."""

import random

import pytest

from tests.cpu_device.exec_access import machine
from tests.cpu_device.forms import is_type
from tests.cpu_device.test_exec_memory_forms import FORMATS, FRACTION, Access, bits_of, combined, forms, register

WAIT = "W: mbarrier.try_wait.parity.shared.b64 %p, [%b], 0; @!%p bra W;"


def numbers(t: str, n: int, rng: random.Random) -> list[int]:
    element = t.removesuffix("x2")
    if element in FORMATS:  # exact sums
        f = FORMATS[element]
        return [f.round(FRACTION(rng.randint(-15, 15))) for _ in range(n)]
    return [rng.getrandbits(bits_of(t)) for _ in range(n)]


def bytes_of(values: list[int], t: str) -> bytes:
    return b"".join(v.to_bytes(bits_of(t) // 8, "little") for v in values)


def kernel(body: str, t: str, transferred: int) -> str:
    """16 bytes at s from the buffer, 16 bytes behind them too; those at s, or global ones, are read back."""
    return f""".version 8.8
.target sm_100a
.address_size 64
.visible .entry k(.param .u64 from, .param .u64 to) {{ .shared .align 16 .b8 s[32]; .shared .align 8 .b64 bar;
.reg .b64 %f, %t, %x, %y, %pol; .reg .b32 %a, %b, %c; .reg .pred %p; .reg .{register(t)} %v<4>;
ld.param.u64 %f, [from]; ld.param.u64 %t, [to]; mov.u32 %a, s; add.u32 %c, %a, 16; mov.u32 %b, bar;
createpolicy.fractional.L2::evict_last.b64 %pol; mbarrier.init.shared.b64 [%b], 1;
mbarrier.arrive.expect_tx.shared::cta.b64 _, [%b], {transferred};
ld.global.v2.u64 {{%x, %y}}, [%f]; st.shared.v2.u64 [%a], {{%x, %y}}; st.global.v2.u64 [%t], {{%x, %y}};
ld.global.v2.u64 {{%x, %y}}, [%f+16]; st.shared.v2.u64 [%c], {{%x, %y}};
{body} ret; }}"""


def outcome(text: str, data: bytes) -> bytes:
    m = machine()
    source, target = m.buffer(data), m.alloc(16)
    m.load(text, cc=121).run("k", 1, 1, source, target, steps=100_000)
    got = m.read(target, 16)
    m.free(source)
    m.free(target)
    return got


BACK = "ld.shared.v2.u64 {%x, %y}, [%a]; st.global.v2.u64 [%t], {%x, %y};"


@pytest.mark.parametrize("opcode", ["st", "red"])
def test_one_thread_to_shared_memory(opcode: str) -> None:
    rng, accesses = random.Random(1), [Access(w) for w in forms(opcode) if "async" in w]
    assert len(accesses) > 8
    for access in accesses:
        t, n = access.type, access.count
        old, new = numbers(t, 128 // bits_of(t), rng), numbers(t, 128 // bits_of(t), rng)
        size = bits_of(t) // 8
        loads = "".join(f"ld.shared.b{bits_of(t)} %v{k}, [%c+{size * k}];" for k in range(n))
        place, barrier = ("[%a]", "[%b]") if access.space else ("[%x]", "[%y]")
        wide = "cvt.u64.u32 %x, %a; cvta.shared.u64 %x, %x; cvt.u64.u32 %y, %b; cvta.shared.u64 %y, %y;"
        body = f"{wide} {loads} {access.text(opcode, place, access.registers('v'), barrier)} {WAIT} {BACK}"
        got = outcome(kernel(body, t, access.bytes), bytes_of(old + new, t))
        want = new[:n] if opcode == "st" else [combined(access.words, t, old[0], new[0])]
        assert got == bytes_of(want + old[n:], t), access.words


def test_bulk_reductions() -> None:
    rng, met = random.Random(2), [w for w in forms("cp") if "reduce" in w]
    assert len(met) > 40
    for words in met:
        t = next(w for w in words if is_type(w))
        n = 128 // bits_of(t)
        old, new = numbers(t, n, rng), numbers(t, n, rng)
        name, hint = ".".join(("cp", *words)), ", %pol" if "L2::cache_hint" in words else ""
        if "global" in words:
            body = f"{name} [%t], [%c], 16{hint}; cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;"
        else:
            body = f"{name} [%a], [%c], 16, [%b]; {WAIT} {BACK}"
        got = outcome(kernel(body, t, 16), bytes_of(old + new, t))
        assert got == bytes_of([combined(words, t, a, b) for a, b in zip(old, new, strict=True)], t), words


def test_copies_with_hints() -> None:
    """cp.async of 16 bytes with every prefetch size, and a policy."""
    for words in forms("cp"):
        if not {"ca", "cg"} & set(words):
            continue
        hint = ", %pol" if "L2::cache_hint" in words else ""
        body = f"{'.'.join(('cp', *words))} [%a], [%f+16], 16{hint}; cp.async.wait_all; {BACK}"
        data = bytes(range(32))
        assert outcome(kernel(body, "b32", 0), data) == data[16:], words
