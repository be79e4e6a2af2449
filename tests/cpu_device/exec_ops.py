"""One instruction over many values: a kernel is written for it, run, and the results are read back."""

import random
import struct

from tests.cpu_device.exact import F32, F64, Format
from tests.cpu_device.exec_access import HEAD, Machine

WIDTH = {"pred": 4, "8": 2, "16": 2, "32": 4, "64": 8, "x2": 4}


def bits_of(type_: str) -> int:
    if type_.endswith("x2"):
        return 64 if type_ == "f32x2" else 32
    return 19 if type_ == "tf32" else int("".join(c for c in type_ if c.isdigit()).removeprefix("2") or 0) or 32


def register_bits(type_: str) -> int:
    return max(16, 32 if type_ == "tf32" else bits_of(type_))


def program(ops: list[tuple[str, str, list[str]]], count: int) -> str:
    """ops: (instruction with {d} {a} {b} {c}, result's type, operands' types); entry k{i} for each; all values lie in 64-bit slots."""
    text = [HEAD.replace("sm_80", "sm_90")]
    for k, (op, to, types) in enumerate(ops):
        names = "abc"[: len(types)]
        lines = [f".visible .entry k{k}(.param .u64 src, .param .u64 dst) {{"]
        lines.append(".reg .b64 %s, %o, %off; .reg .b32 %i; .reg .pred %p, %q;")
        for name, type_ in zip(names, types, strict=True):
            lines.append(f".reg .pred %{name};" if type_ == "pred" else f".reg .b{register_bits(type_)} %{name};")
        lines.append(f".reg .b{register_bits(to)} %d; .reg .b{register_bits(to)} %e;")
        lines.append(
            "ld.param.u64 %s, [src]; ld.param.u64 %o, [dst]; mov.u32 %i, %tid.x; mad.lo.u32 %i, %ctaid.x, %ntid.x, %i;"
        )
        lines.append(
            f"setp.ge.u32 %p, %i, {count}; @%p ret; mul.wide.u32 %off, %i, {8 * len(types)}; add.u64 %s, %s, %off;"
        )
        for at, (name, type_) in enumerate(zip(names, types, strict=True)):
            lines.append(f"ld.global.b{register_bits(type_)} %{name}, [%s+{8 * at}];")
        lines.append("mul.wide.u32 %off, %i, 8; add.u64 %o, %o, %off;")
        lines.append(op.format(d="%d", a="%a", b="%b", c="%c", p="%p", q="%q", e="%e") + ";")
        lines.append(f"st.global.b{register_bits(to)} [%o], %d; ret; }}")
        text += lines
    return "\n".join(text)


class Runner:
    """Loads all instructions of a test at once."""

    def __init__(
        self,
        machine: Machine,
        ops: list[tuple[str, str, list[str]]],
        rows: list[tuple[int, ...]],
        target: str = "sm_90",
    ) -> None:
        self.machine, self.ops, self.rows = machine, ops, rows
        self.module = machine.load(program(ops, len(rows)).replace("sm_90", target), cc=121)

    def results(self, k: int, rows: list[tuple[int, ...]] | None = None) -> list[int]:
        _, to, types = self.ops[k]
        rows = rows or self.rows
        assert len(rows) == len(self.rows)
        n = len(types)
        data = b"".join(struct.pack(f"<{n}Q", *(v & 0xFFFFFFFFFFFFFFFF for v in row[:n])) for row in rows)
        source, target = self.machine.buffer(data), self.machine.buffer(bytes(8 * len(rows)))
        self.module.run(f"k{k}", -(-len(rows) // 96), 96, source, target)
        raw = struct.unpack(f"<{len(rows)}Q", self.machine.read(target, 8 * len(rows)))
        self.machine.free(source)
        self.machine.free(target)
        mask = (1 << register_bits(to)) - 1
        return [v & mask for v in raw]


def integers(bits: int, signed: bool, n: int, seed: int) -> list[int]:
    rng = random.Random(seed)
    edges = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 100, 255]
    edges += [(1 << (bits - 1)) + d for d in (-2, -1, 0, 1)] + [(1 << bits) - d for d in (1, 2, 3, 100)]
    values = [rng.choice(edges) if rng.random() < 0.4 else rng.getrandbits(rng.randint(1, bits)) for _ in range(n)]
    values = [v & ((1 << bits) - 1) for v in values]
    return [to_signed(v, bits) for v in values] if signed else values


def to_signed(v: int, bits: int) -> int:
    v &= (1 << bits) - 1
    return v - (1 << bits) if v >> (bits - 1) else v


def floats(f: Format, n: int, seed: int) -> list[int]:
    """Bits: special values, subnormals, numbers near each other, anything."""
    rng = random.Random(seed)
    one, mantissa = f.bias << f.mantissa, f.mantissa
    edges = [
        0,
        1,
        2,
        (1 << mantissa) - 1,
        1 << mantissa,
        one,
        one + 1,
        one - 1,
        f.infinity - 1,
        f.infinity,
        f.infinity | 1 << (mantissa - 1),
    ]
    edges += [one | 1 << (mantissa - 1), one + (1 << mantissa), one + (3 << mantissa) // 2]

    def value() -> int:
        kind = rng.random()
        if kind < 0.25:
            v = rng.choice(edges)
        elif kind < 0.65:
            v = (f.bias + rng.randint(-4, 4)) << mantissa | rng.getrandbits(mantissa)
            if rng.random() < 0.5:
                v &= ~((1 << rng.randint(0, mantissa)) - 1)
        elif kind < 0.75:
            v = rng.getrandbits(mantissa)
        else:
            v = rng.getrandbits(f.bits - 1)
        return v | (f.sign if rng.random() < 0.5 else 0)

    return [value() for _ in range(n)]


FORMATS = {"f32": F32, "f64": F64}
