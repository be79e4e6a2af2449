"""Every form of loads, stores, atomics and reductions that the device's table has: state spaces, orders, scopes, caches, vectors, types."""

import itertools
import random
from collections.abc import Iterator
from fractions import Fraction as FRACTION

import numpy as np
import pytest

from tests.cpu_device.exact import BF16, F16, F32, F64, add, minimum
from tests.cpu_device.exec_access import Machine, machine
from tests.cpu_device.forms import is_type, spellings
from tests.cpu_device.models import signed

NUMBERS = ", ".join(str(k * 37 % 256) for k in range(128))
HEAD = f".version 9.5\n.target sm_100a\n.address_size 64\n.const .align 32 .b8 constant[128] = {{{NUMBERS}}};\n"
SPACES = (
    "global",
    "shared",
    "shared::cta",
    "shared::cluster",
    "local",
    "const",
    "param",
    "param::entry",
    "param::func",
)
DATA = bytes(k * 37 % 256 for k in range(128))


def bits_of(t: str) -> int:
    return 32 if t.endswith("x2") else int(t.lstrip("bfsu"))


def register(t: str) -> str:
    return f"b{max(16, bits_of(t))}"


def forms(opcode: str) -> Iterator[tuple[str, ...]]:
    """Every form, and some instructions with several modifiers."""
    rng, met = random.Random(opcode), set()
    for opcodes, groups in machine().forms():
        if opcode not in opcodes:
            continue
        kinds = [[*([""] if g[-1] == "?" else []), *g.rstrip("?").split("|")] for g in groups]
        several = [tuple(filter(None, map(rng.choice, kinds))) for _ in range(100)]
        for words in itertools.chain(spellings(groups), several):
            if words not in met:
                met.add(words)
                yield words


class Access:
    """An access as it is written: its type, elements and state space."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.type = next(w for w in words if is_type(w))
        self.count = next((int(w[1]) for w in words if w in ("v2", "v4", "v8")), 1)
        self.space = next((w for w in words if w in SPACES), "")
        self.bytes = self.count * bits_of(self.type) // 8

    def registers(self, letter: str) -> str:
        names = ", ".join(f"%{letter}{k}" for k in range(self.count))
        return f"{{{names}}}" if self.count > 1 else names

    def text(self, opcode: str, *operands: str) -> str:
        hint = [", %pol"] if "L2::cache_hint" in self.words else []
        return f"{'.'.join((opcode, *self.words))} {', '.join(operands)}{''.join(hint)};"


def moved(loads: list[Access], stores: list[Access]) -> str:
    """A kernel for each: what lies in the space goes to `to` by way of registers, plainly but for the access in question."""
    text = [HEAD]
    for k, access in enumerate(loads or stores):
        n, reg = access.bytes, register(access.type)
        size = bits_of(access.type)
        plain = f"b{size}"
        lines = [f".visible .entry k{k}(.param .align 32 .b8 p[128], .param .u64 from, .param .u64 to) {{"]
        lines.append(f".reg .b64 %f, %t, %a, %pol; .reg .b64 %w; .reg .{reg} %v<8>;")
        lines.append(
            "ld.param.u64 %f, [from]; ld.param.u64 %t, [to]; createpolicy.fractional.L2::evict_last.b64 %pol, 1.0;"
        )
        space = access.space.partition("::")[0]
        name = {"shared": "s", "local": "l"}.get(space)
        place = {"param": "p", "const": "constant"}.get(space, "%f" if loads else "%t")
        if name:
            place = name
            lines.append(f".{space} .align 32 .b8 {name}[128];")
        if loads:
            if name:
                lines += [f"ld.global.b64 %w, [%f+{8 * j}]; st.{space}.b64 [{name}+{8 * j}], %w;" for j in range(16)]
            lines.append(access.text("{op}", access.registers("v"), f"[{place}]"))
            lines += [f"st.global.{reg} [%t+{max(2, size // 8) * j}], %v{j};" for j in range(access.count)]
        else:
            lines += [f"ld.global.{plain} %v{j}, [%f+{size // 8 * j}];" for j in range(access.count)]
            lines.append(access.text("{op}", f"[{place}]", access.registers("v")))
            if name:
                lines += [f"ld.{space}.b8 %v0, [{name}+{j}]; st.global.b8 [%t+{j}], %v0;" for j in range(n)] if reg == "b16" else [
                    f"ld.{space}.{plain} %v0, [{name}+{size // 8 * j}]; st.global.{plain} [%t+{size // 8 * j}], %v0;"
                    for j in range(access.count)
                ]  # fmt: skip
        text += [*lines, "ret; }"]
    return "\n".join(text)


def results(m: Machine, text: str, count: int) -> list[bytes]:
    module = m.load(text, cc=121)
    source, target = m.buffer(DATA), m.buffer(bytes(256))
    out = []
    for k in range(count):
        module.run(f"k{k}", 1, 1, DATA, source, target)
        out.append(m.read(target, 256))
    m.free(source)
    m.free(target)
    return out


@pytest.mark.parametrize("opcode", ["ld", "ldu"])
def test_loads(opcode: str) -> None:
    loads = [a for a in map(Access, forms(opcode)) if a.space != "param::func"]
    assert len(loads) > (500 if opcode == "ld" else 20)
    text = moved(loads, []).replace("{op}", opcode)
    for access, got in zip(loads, results(machine(), text, len(loads)), strict=True):
        size = bits_of(access.type) // 8
        for k in range(access.count):
            raw = int.from_bytes(DATA[size * k : size * (k + 1)], "little")
            want = signed(raw, 8 * size) if access.type[0] == "s" else raw
            room = max(2, size)
            assert got[room * k : room * (k + 1)] == (want & (1 << 8 * room) - 1).to_bytes(room, "little"), access.words


def test_stores() -> None:
    stores = [a for a in map(Access, forms("st")) if "param" not in a.space and "async" not in a.words]
    assert len(stores) > 400
    text = moved([], stores).replace("{op}", "st")
    for access, got in zip(stores, results(machine(), text, len(stores)), strict=True):
        assert got[: access.bytes] == DATA[: access.bytes], access.words


# --- atomics ---

FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64}


def combined(words: tuple[str, ...], t: str, old: int, new: int) -> int:
    op = next(w for w in words if w in ("add", "min", "max", "inc", "dec", "and", "or", "xor", "exch", "cas"))
    element, bits = t.removesuffix("x2"), bits_of(t)
    if t in ("f16x2", "bf16x2"):
        return (
            combined(words, element, old & 0xFFFF, new & 0xFFFF) | combined(words, element, old >> 16, new >> 16) << 16
        )
    if element in FORMATS:
        f = FORMATS[element]
        r = add(f, old, new) if op == "add" else minimum(f, old, new, largest=op == "max")
        assert r is not None
        return r
    a, b = (signed(old, bits), signed(new, bits)) if t[0] == "s" else (old, new)
    r = {"add": a + b, "min": min(a, b), "max": max(a, b), "inc": 0 if old >= new else old + 1,
         "dec": new if old == 0 or old > new else old - 1, "and": a & b, "or": a | b, "xor": a ^ b, "exch": new, "cas": new}[op]  # fmt: skip
    return r & (1 << bits) - 1


@pytest.mark.parametrize("opcode", ["atom", "red"])
def test_atomics(opcode: str) -> None:
    accesses = [a for a in map(Access, forms(opcode)) if "async" not in a.words]
    rng = np.random.default_rng(5)
    text, values = [HEAD], []
    for k, access in enumerate(accesses):
        t, bits, count = access.type, bits_of(access.type), access.count
        reg, shared = register(t), access.space.startswith("shared")
        raw = [int(v) for v in rng.integers(0, 1 << 62, 4 * count)]
        if t.removesuffix("x2") in FORMATS:  # small numbers: no NaN, and exact sums
            f = FORMATS[t.removesuffix("x2")]
            small = [f.round(FRACTION(v % 31 - 15)) for v in raw]
            raw = [v | v << 16 for v in small] if t.endswith("x2") else small
        raw = [v & (1 << bits) - 1 if bits < 128 else v << 64 | v for v in raw]
        old, new = raw[:count], raw[count : 2 * count]
        values.append((old, new))
        swap = "cas" in access.words
        place = "s" if shared else "%f"
        lines = [f".visible .entry k{k}(.param .u64 from, .param .u64 to) {{ .shared .align 16 .b8 s[32];"]
        lines.append(f".reg .b64 %f, %t, %pol; .reg .{reg} %v<8>, %d<8>, %x;")
        lines.append(
            "ld.param.u64 %f, [from]; ld.param.u64 %t, [to]; createpolicy.fractional.L2::evict_last.b64 %pol, 1.0;"
        )
        size = bits // 8
        for j in range(count):
            lines.append(f"ld.global.b{bits} %v{j}, [%f+{64 + size * j}];")
            if shared:
                lines.append(f"ld.global.b{bits} %x, [%f+{size * j}]; st.shared.b{bits} [s+{size * j}], %x;")
        results_ = [access.registers("d")] if opcode == "atom" else []
        compare = ["%x"] if swap else []
        if swap:
            lines.append(f"ld.global.b{bits} %x, [%f];")
        lines.append(access.text(opcode, *results_, f"[{place}]", *compare, access.registers("v")))
        for j in range(count):
            if opcode == "atom":
                lines.append(f"st.global.b{bits} [%t+{32 + size * j}], %d{j};")
            lines.append(
                f"ld.{'shared' if shared else 'global'}.b{bits} %x, [{place}+{size * j}]; st.global.b{bits} [%t+{size * j}], %x;"
            )
        text += [*lines, "ret; }"]
    m = machine()
    module = m.load("\n".join(text), cc=121)
    assert len(accesses) > 150
    target = m.buffer(bytes(64))
    for k, (access, (old, new)) in enumerate(zip(accesses, values, strict=True)):
        size = bits_of(access.type) // 8
        packed = b"".join(v.to_bytes(size, "little") for v in old).ljust(64, b"\0") + b"".join(
            v.to_bytes(size, "little") for v in new
        )
        source = m.buffer(packed)
        module.run(f"k{k}", 1, 1, source, target)
        got = m.read(target, 64)
        m.free(source)
        after = [int.from_bytes(got[size * j : size * (j + 1)], "little") for j in range(access.count)]
        assert after == [combined(access.words, access.type, a, b) for a, b in zip(old, new, strict=True)], access.words
        if opcode == "atom":
            before = [int.from_bytes(got[32 + size * j : 32 + size * (j + 1)], "little") for j in range(access.count)]
            assert before == old, access.words
