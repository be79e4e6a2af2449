"""Every form of mma and wmma that the device's table has, against NumPy: shapes, types, layouts, roundings, saturation, state spaces."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from tests.cpu_device.exact import F64, fma
from tests.cpu_device.exec_access import LoadError, machine
from tests.cpu_device.forms import combinations
from tests.cpu_device.fragments import BITS, accumulator, decode, encode, multiplicand, pack, unpack
from tests.cpu_device.test_exec_matrix import kernel, register_count
from tests.cpu_device.test_exec_wmma import from_memory, in_memory, wmma_registers

Words = tuple[str, ...]
HEAD = ".version 8.7\n.target sm_90\n.address_size 64\n"
OLD = ".version 6.2\n.target sm_70\n.address_size 64\n"  # .aligned was not yet written
RANGES = {"s8": (-128, 128), "u8": (0, 256), "s4": (-8, 8), "u4": (0, 16), "b1": (0, 2)}
MODES = ("rn", "rz", "rm", "rp")


def forms(opcode: str, *first: str) -> Iterator[Words]:
    """Those that have these words."""
    for opcodes, groups in machine().forms():
        for words in combinations(groups) if opcode in opcodes else ():
            if set(first) <= set(words):
                yield words


class Product:
    """A product as it is written, and what it is of."""

    def __init__(self, words: Words) -> None:
        self.words = words
        shape = re.search(r"\bm(\d+)n(\d+)k(\d+)\b", " ".join(words))
        assert shape
        self.m, self.n, self.k = map(int, shape.groups())
        types = [w for w in words if w in BITS]
        self.d, self.a, self.b, self.c = types if len(types) == 4 else (types[0], "f16", "f16", types[1])
        self.layouts = [w for w in words if w in ("row", "col")]
        self.mode = next((w for w in words if w in MODES), "rn")

    def operands(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bit patterns; where they saturate or are rounded, numbers that show it."""
        (m, n, k), (a, b) = (self.m, self.n, self.k), (RANGES.get(t, (-4, 5)) for t in (self.a, self.b))
        x, y = rng.integers(*a, (m, k)), rng.integers(*b, (k, n))
        z = rng.integers(-100, 100, (m, n))
        if self.d == "s32" and self.a != "b1":
            z = rng.choice([2**31 - 1, -(2**31), 2**31 - 50, 5], (m, n))
        if self.a == "f64":  # one product that is no zero: 1 + 2^-51 + 2^-104, and a little more or less
            x, y = np.zeros((m, k)), np.zeros((k, n))
            x[:, 0] = y[0] = 1 + 2.0**-52
            z = rng.choice([1, -1], (m, n)) * np.full((m, n), 2.0**-53)
        return encode(x, self.a), encode(y, self.b), encode(z, self.c)

    def expected(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        if self.a == "f64":
            return np.array([[fma(F64, int(a[i, 0]), int(b[0, j]), int(c[i, j]), self.mode) for j in range(self.n)]
                             for i in range(self.m)], "u8")  # fmt: skip
        x, y, z = decode(a, self.a), decode(b, self.b), decode(c, self.c)
        exact = z + (x[:, :, None] != y[None]).sum(1) if "xor" in self.words else x @ y + z
        if self.d == "s32":
            exact = exact.astype("i8")
            low, high = -(2**31), 2**31 - 1
            exact = np.clip(exact, low, high) if "satfinite" in self.words else (exact - low) % 2**32 + low
        return encode(exact, self.d)


def test_mma() -> None:
    products = [p for p in map(Product, forms("mma")) if (p.m, p.a) != (8, "f16")]  # those: test_exec_matrix.py
    assert len(products) > 50
    text = [HEAD]
    for j, p in enumerate(products):
        sizes = [(p.d, p.m, p.n), (p.a, p.m, p.k), (p.b, p.n, p.k), (p.c, p.m, p.n)]
        counts = [(t, register_count(rows, columns, t)) for t, rows, columns in sizes]
        text.append(kernel(f"k{j}", ".".join(("mma", *p.words)), counts))
    m, rng = machine(), np.random.default_rng(9)
    module = m.load("\n".join(text), cc=90)
    for j, p in enumerate(products):
        a, b, c = p.operands(rng)
        places, size = accumulator(p.m, p.n), p.m * p.n * BITS[p.d] // 8
        buffers = [m.alloc(size), m.buffer(pack(a, multiplicand(p.m, p.k, p.a), p.a)),
                   m.buffer(pack(b.T, multiplicand(p.n, p.k, p.b), p.b)), m.buffer(pack(c, places, p.c))]  # fmt: skip
        module.run(f"k{j}", 1, 32, *buffers)
        got = unpack(m.read(buffers[0], size), places, p.d, (p.m, p.n))
        for buffer in buffers:
            m.free(buffer)
        assert np.array_equal(got, p.expected(a, b, c)), p.words


def names(letter: str, count: int) -> str:
    return "{" + ",".join(f"%{letter}{j}" for j in range(count)) + "}"


def wmma_kernel(name: str, p: Product) -> str:
    aligned = ".aligned" if "aligned" in p.words else ""
    (na, nb, nc), nd = wmma_registers(p.m, p.n, p.k, p.a, p.c), wmma_registers(p.m, p.n, p.k, p.a, p.d)[2]
    lines = [f".visible .entry {name}(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd) {{ .reg .b64 %p;"]
    parts = [("a", na, p.a, p.layouts[0]), ("b", nb, p.b, p.layouts[1]), ("c", nc, p.c, "row"), ("d", nd, p.d, "row")]
    lines += [f".reg .b{64 if t == 'f64' else 32} %{x}<{n}>;" for x, n, t, _ in parts]
    for x, n, t, layout in parts[:3]:
        lines.append(f"ld.param.u64 %p, [p{x}];")
        lines.append(f"wmma.load.{x}.sync{aligned}.{layout}.m{p.m}n{p.n}k{p.k}.{t} {names(x, n)}, [%p];")
    lines.append(
        f"{'.'.join(('wmma', *p.words))} {', '.join(names(x, n) for x, n in (('d', nd), ('a', na), ('b', nb), ('c', nc)))};"
    )
    lines.append(
        f"ld.param.u64 %p, [pd]; wmma.store.d.sync{aligned}.row.m{p.m}n{p.n}k{p.k}.{p.d} [%p], {names('d', nd)};"
    )
    return "\n".join([*lines, "ret; }"])


@pytest.mark.parametrize("head", [HEAD, OLD], ids=["aligned", "before .aligned"])
def test_wmma_products(head: str) -> None:
    products = [p for p in map(Product, forms("wmma", "mma")) if ("aligned" in p.words) == (head == HEAD)]
    assert len(products) > (100 if head == HEAD else 40)
    m, rng = machine(), np.random.default_rng(10)
    module = m.load(head + "\n".join(wmma_kernel(f"k{j}", p) for j, p in enumerate(products)), cc=90)
    for j, p in enumerate(products):
        a, b, c = p.operands(rng)
        ways = [layout[0] for layout in p.layouts]
        buffers = [m.buffer(in_memory(a, p.a, ways[0], 0)), m.buffer(in_memory(b, p.b, ways[1], 0)),
                   m.buffer(in_memory(c, p.c, "r", 0)), m.alloc(p.m * p.n * BITS[p.d] // 8)]  # fmt: skip
        module.run(f"k{j}", 1, 32, *buffers)
        got = from_memory(m.read(buffers[3], p.m * p.n * BITS[p.d] // 8), p.d, "r", 0, p.m, p.n)
        for buffer in buffers:
            m.free(buffer)
        assert np.array_equal(got, p.expected(a, b, c)), p.words


class Transfer:
    """A load or store of a fragment, with the other one plain: from `from` to `to`, by way of shared memory where it is named."""

    def __init__(self, words: Words) -> None:
        self.words, self.load = words, words[0] == "load"
        self.matrix, self.layout = words[1], next(w for w in words if w in ("row", "col"))
        self.shape = next(w for w in words if re.fullmatch(r"m\d+n\d+k\d+", w))
        self.m, self.n, self.k = map(int, re.findall(r"\d+", self.shape))
        self.type = words[-1]
        self.space = next((w for w in words if w.startswith(("global", "shared"))), "")
        rows, columns = {"a": (self.m, self.k), "b": (self.k, self.n)}.get(self.matrix, (self.m, self.n))
        self.rows, self.columns = rows, columns
        self.bytes = rows * columns * BITS[self.type] // 8

    def kernel(self, name: str) -> str:
        size, aligned = 64 if self.type == "f64" else 32, ".aligned" if "aligned" in self.words else ""
        repeated = self.type == "f16" and self.matrix in "ab"
        count = 8 if repeated else self.rows * self.columns * BITS[self.type] // 32 // size
        lines = [f".visible .entry {name}(.param .u64 from, .param .u64 to) {{ .reg .b64 %f, %t, %x; .reg .b32 %i, %v; .reg .pred %p;",
                 f".reg .b{size} %r<{count}>; .shared .align 32 .b8 s[{self.bytes}];",
                 "ld.param.u64 %f, [from]; ld.param.u64 %t, [to];"]  # fmt: skip
        copy = "mov.u32 %i, 0; {label}: cvt.u64.u32 %x, %i; {body} add.u32 %i, %i, 1; setp.lt.u32 %p, %i, {n}; @%p bra {label};"
        inside = "mov.u32 %v, s; add.u32 %v, %v, %i;"
        if self.space.startswith("shared") and self.load:
            body = "{ .reg .b16 %h; add.u64 %x, %f, %x; ld.global.b8 %h, [%x]; " + inside + " st.shared.b8 [%v], %h; }"
            lines += [copy.format(label="in", body=body, n=self.bytes), "bar.warp.sync -1;"]
        place = "s" if self.space.startswith("shared") else "%f" if self.load else "%t"
        other = f"{aligned}.row.{self.shape}.global"
        values = names("r", count)
        if self.load:
            lines.append(f"{'.'.join(('wmma', *self.words))} {values}, [{place}];")
            if self.matrix == "c":
                lines.append(f"wmma.store.d.sync{other}.{self.type} [%t], {values};")
            else:  # no store takes a multiplicand: lane after lane
                lines.append("mov.u32 %i, %laneid; mul.wide.u32 %x, %i, " + f"{count * size // 8}; add.u64 %t, %t, %x;")
                lines += [f"st.global.b{size} [%t+{size // 8 * j}], %r{j};" for j in range(count)]
        else:
            lines.append(f"wmma.load.c.sync{other}.{self.type} {values}, [%f];")
            lines.append(f"{'.'.join(('wmma', *self.words))} [{place}], {values};")
        if self.space.startswith("shared") and not self.load:
            body = "{ .reg .b16 %h; " + inside + " ld.shared.b8 %h, [%v]; add.u64 %x, %t, %x; st.global.b8 [%x], %h; }"
            lines += ["bar.warp.sync -1;", copy.format(label="out", body=body, n=self.bytes)]
        return "\n".join([*lines, "ret; }"])

    def elements(self, data: bytes) -> np.ndarray:
        """A loaded multiplicand's elements, in order: the layout of the fragment is no one's business."""
        bits = BITS[self.type]
        flat = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little").reshape(-1, bits)
        return np.sort((flat.astype("u8") << np.arange(bits, dtype="u8")).sum(1))


@pytest.mark.parametrize("head", [HEAD, OLD], ids=["aligned", "before .aligned"])
def test_wmma_transfers(head: str) -> None:
    """Accumulators arrive where they belong; of a multiplicand each element does once (twice in f16: test_wmma_products for the places)."""
    words = [*forms("wmma", "load"), *forms("wmma", "store")]
    transfers = [t for t in map(Transfer, words) if ("aligned" in t.words) == (head == HEAD)]
    assert len(transfers) > 50
    m, rng = machine(), np.random.default_rng(11)
    module = m.load(head + "\n".join(t.kernel(f"k{j}") for j, t in enumerate(transfers)), cc=90)
    for j, t in enumerate(transfers):
        data = rng.integers(0, 256, t.bytes, "u1").tobytes()
        source, room = m.buffer(data), 32 * 8 * 8
        target = m.buffer(bytes(room))
        module.run(f"k{j}", 1, 32, source, target)
        got = m.read(target, room)
        m.free(source), m.free(target)
        if t.matrix in "ab":
            twice = 32 * 8 * 4 // t.bytes if t.type == "f16" else 1
            assert np.array_equal(t.elements(got[: t.bytes * twice]), np.repeat(t.elements(data), twice)), t.words
            continue
        by_row = from_memory(data, t.type, t.layout[0] if t.load else "r", 0, t.m, t.n)
        assert got[: t.bytes] == in_memory(by_row, t.type, "r" if t.load else t.layout[0], 0), t.words


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (".sync.aligned.row.col", ".sync.row.col", "aligned"),
        ("m16n16k16.f32.f32", "m16n16k16.f32.f32.satfinite", "sums of integers"),
        ("m16n16k16.f32.f32", "m16n16k16.rn.f32.f32", "rounding"),
        ("m16n16k16.f32.f32", "m16n16k8.f32.f32", "no product"),
    ],
)
def test_what_is_no_form(old: str, new: str, said: str) -> None:
    product = Product(("mma", "sync", "aligned", "row", "col", "m16n16k16", "f32", "f32"))
    head, _, tail = wmma_kernel("k", product).partition("wmma.mma")
    assert old in tail
    with pytest.raises(LoadError, match="ptx:") as refused:
        machine().load(HEAD + head + "wmma.mma" + tail.replace(old, new, 1), cc=90)
    assert refused.value.status == 218 and said in refused.value.log
