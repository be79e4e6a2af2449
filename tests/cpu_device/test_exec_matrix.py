"""mma of every shape and type: fragments as the PTX ISA lays them out, against NumPy's products."""

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, LoadError, Machine, Module, levels, machine
from tests.cpu_device.fragments import BITS, accumulator, decode, encode, multiplicand, pack, unpack, word_bits

SHAPES = [  # m n k, types of A and B, accumulators
    *((16, 8, k, a, a, c) for k in (8, 16) for a, c in (("f16", "f16"), ("f16", "f32"), ("bf16", "f32"))),
    *((16, 8, k, "tf32", "tf32", "f32") for k in (4, 8)),
    *(
        (16, 8, k, a, b, c)
        for k in (16, 32)
        for a in ("e4m3", "e5m2")
        for b in ("e4m3", "e5m2")
        for c in ("f16", "f32")
    ),
    (8, 8, 4, "f64", "f64", "f64"),
    *((16, 8, k, "f64", "f64", "f64") for k in (4, 8, 16)),
    *((m, 8, k, a, b, "s32") for m, k in ((8, 16), (16, 16), (16, 32)) for a in ("s8", "u8") for b in ("s8", "u8")),
    *((m, 8, k, a, b, "s32") for m, k in ((8, 32), (16, 32), (16, 64)) for a in ("s4", "u4") for b in ("s4", "u4")),
    *((m, 8, k, "b1", "b1", "s32") for m, k in ((8, 128), (16, 128), (16, 256))),
]
HEAD = ".version 8.7\n.target sm_90\n.address_size 64\n"


def register_count(rows: int, columns: int, type_: str) -> int:
    return rows * columns * BITS[type_] // 32 // word_bits(type_)


def kernel(name: str, instruction: str, types: list[tuple[str, int]]) -> str:
    """D, A, B, C in registers; the types and counts of each.  Buffers hold register after register, each of 32 lanes."""
    lines = [f".visible .entry {name}(.param .u64 pd, .param .u64 pa, .param .u64 pb, .param .u64 pc) {{"]
    lines.append(".reg .b64 %p, %o; .reg .b32 %t; mov.u32 %t, %tid.x;")
    lists = []
    for letter, (type_, count) in zip("dabc", types, strict=True):
        size = word_bits(type_)
        lines.append(f".reg .b{size} %{letter}<{count}>;")
        lists.append("{" + ",".join(f"%{letter}{k}" for k in range(count)) + "}")
        if letter == "d":
            continue
        lines.append(f"ld.param.u64 %p, [p{letter}]; mul.wide.u32 %o, %t, {size // 8}; add.u64 %p, %p, %o;")
        lines += [f"ld.global.b{size} %{letter}{k}, [%p+{k * 4 * size}];" for k in range(count)]
    lines.append(f"{instruction} {', '.join(lists)};")
    size, count = word_bits(types[0][0]), types[0][1]
    lines.append(f"ld.param.u64 %p, [pd]; mul.wide.u32 %o, %t, {size // 8}; add.u64 %p, %p, %o;")
    lines += [f"st.global.b{size} [%p+{k * 4 * size}], %d{k};" for k in range(count)]
    return "\n".join([*lines, "ret; }"])


def mma_name(m: int, n: int, k: int, a: str, b: str, c: str, more: str = "") -> str:
    bit = ".xor.popc" if a == "b1" and not more else more if a == "b1" else ""
    return f"mma.sync.aligned.m{m}n{n}k{k}.row.col{more if a != 'b1' else ''}.{c}.{a}.{b}.{c}{bit}"


def mma_kernel(name: str, shape: tuple[int, int, int, str, str, str], more: str = "") -> str:
    m, n, k, a, b, c = shape
    acc = (c, register_count(m, n, c))
    types = [acc, (a, register_count(m, k, a)), (b, register_count(n, k, b)), acc]
    return kernel(name, mma_name(*shape, more=more), types)


class Products:
    def __init__(self, level: str) -> None:
        text = [HEAD, *(mma_kernel(f"k{j}", s) for j, s in enumerate(SHAPES))]
        text += [mma_kernel(f"s{j}", s, ".satfinite") for j, s in enumerate(SHAPES) if s[3] in ("s8", "u8", "s4", "u4")]
        text += [mma_kernel(f"a{j}", s, ".and.popc") for j, s in enumerate(SHAPES) if s[3] == "b1"]
        text += [mma_kernel(f"z{j}", s, ".rz") for j, s in enumerate(SHAPES) if s[3] == "f64"]
        self.machine: Machine = machine(level)
        self.module: Module = self.machine.load("\n".join(text), cc=90)

    def run(self, name: str, shape, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Matrices of bit patterns: A m x k, B k x n, C m x n; D."""
        m, n, k, ta, tb, tc = shape
        places = accumulator(m, n)
        buffers = [
            self.machine.alloc(m * n * BITS[tc] // 8),
            self.machine.buffer(pack(a, multiplicand(m, k, ta), ta)),
            self.machine.buffer(pack(b.T, multiplicand(n, k, tb), tb)),
            self.machine.buffer(pack(c, places, tc)),
        ]
        self.module.run(name, 1, 32, *buffers)
        result = unpack(self.machine.read(buffers[0], m * n * BITS[tc] // 8), places, tc, (m, n))
        for buffer in buffers:
            self.machine.free(buffer)
        return result


@pytest.fixture(scope="module", params=levels())
def products(request: pytest.FixtureRequest) -> Products:
    return Products(request.param)


def integers(rng: np.random.Generator, type_: str, shape: tuple[int, int]) -> np.ndarray:
    """Numbers whose products and sums are exact in every accumulator."""
    if type_ in BITS and type_[0] in "su" and type_ != "s32":
        bits = BITS[type_]
        low = -(1 << bits - 1) if type_[0] == "s" else 0
        return rng.integers(low, low + (1 << bits), shape)
    return rng.integers(-4, 5, shape)


def expected(a: np.ndarray, b: np.ndarray, c: np.ndarray, how: str = "") -> np.ndarray:
    if how == "xor":
        return c + (a[:, :, None] != b[None, :, :]).sum(1)
    return a @ b + c


@pytest.mark.parametrize(
    ("j", "shape"), list(enumerate(SHAPES)), ids=lambda v: "-".join(map(str, v)) if isinstance(v, tuple) else ""
)
def test_exact_products(products: Products, j: int, shape) -> None:
    m, n, k, ta, tb, tc = shape
    rng = np.random.default_rng(j)
    bit = ta == "b1"
    a = rng.integers(0, 2, (m, k)) if bit else integers(rng, ta, (m, k))
    b = rng.integers(0, 2, (k, n)) if bit else integers(rng, tb, (k, n))
    c = rng.integers(-100, 100, (m, n))
    for name, how in ((f"k{j}", "xor" if bit else ""), (f"a{j}", "")) if bit else ((f"k{j}", ""),):
        got = products.run(name, shape, encode(a, ta), encode(b, tb), encode(c, tc))
        assert np.array_equal(decode(got, tc), expected(a, b, c, how))


@pytest.mark.parametrize("j", [j for j, s in enumerate(SHAPES) if s[3] in ("f16", "bf16", "tf32", "e4m3", "f64")])
def test_random_products(products: Products, j: int) -> None:
    m, n, k, ta, tb, tc = SHAPES[j]
    rng = np.random.default_rng(100 + j)
    patterns = {"e4m3": lambda s: rng.integers(0, 0x60, s) | rng.integers(0, 2, s) << 7,
                "e5m2": lambda s: rng.integers(0, 0x50, s) | rng.integers(0, 2, s) << 7}  # fmt: skip
    a = patterns.get(ta, lambda s: encode(rng.standard_normal(s), ta))((m, k)).astype("u8")
    b = patterns.get(tb, lambda s: encode(rng.standard_normal(s), tb))((k, n)).astype("u8")
    c = encode(rng.standard_normal((m, n)), tc)
    x, y, z = decode(a, ta), decode(b, tb), decode(c, tc)
    got = decode(products.run(f"k{j}", SHAPES[j], a, b, c), tc)
    size = np.abs(x) @ np.abs(y) + np.abs(z)
    unit = {"f16": 2.0**-11, "f32": (k + 2) * 2.0**-24, "f64": (k + 2) * 2.0**-53}[tc]
    error = np.abs(got - (x @ y + z))
    limit = unit * (np.abs(x @ y + z) + size * 2.0**-10 if tc == "f16" else size)
    assert (error <= limit).all()


def test_integers_saturate_only_where_asked(products: Products) -> None:
    for j, shape in enumerate(SHAPES):
        m, n, k, ta, tb, _ = shape
        if ta not in ("s8", "u8", "s4", "u4"):
            continue
        rng = np.random.default_rng(j)
        a, b = integers(rng, ta, (m, k)), integers(rng, tb, (k, n))
        c = rng.choice([2**31 - 1, -(2**31), 2**31 - 50, 5], (m, n))
        exact = a @ b + c
        wrapped = (exact + 2**31) % 2**32 - 2**31
        assert (exact != wrapped).any()
        inputs = encode(a, ta), encode(b, tb), encode(c, "s32")
        assert np.array_equal(decode(products.run(f"k{j}", shape, *inputs), "s32"), wrapped)
        clamped = np.clip(exact, -(2**31), 2**31 - 1)
        assert np.array_equal(decode(products.run(f"s{j}", shape, *inputs), "s32"), clamped)


def test_doubles_round_as_asked(products: Products) -> None:
    for j, shape in enumerate(SHAPES):
        m, n, k, ta, _, _ = shape
        if ta != "f64":
            continue
        a, b = np.zeros((m, k)), np.zeros((k, n))
        a[:, 0] = 1 + 2.0**-52
        b[0] = 1 + 2.0**-52  # the product is 1 + 2^-51 + 2^-104
        c = np.where(np.arange(m)[:, None] % 2, 1.0, -1.0) * np.full((m, n), 2.0**-53)
        inputs = encode(a, "f64"), encode(b, "f64"), encode(c, "f64")
        one = 1 + 2.0**-51
        toward_zero = np.where(c > 0, one, one - 2.0**-52)
        nearest = np.where(c > 0, one + 2.0**-52, one)
        assert np.array_equal(decode(products.run(f"k{j}", shape, *inputs), "f64"), nearest)
        assert np.array_equal(decode(products.run(f"z{j}", shape, *inputs), "f64"), toward_zero)


def test_special_numbers(products: Products) -> None:
    for j, shape in enumerate(SHAPES):
        m, n, k, ta, tb, tc = shape
        if ta not in ("f16", "bf16", "tf32"):
            continue
        a, b, c = np.ones((m, k)), np.ones((k, n)), np.zeros((m, n))
        a[0, 0], a[1, 1], a[2, 2], b[2, 3] = np.nan, np.inf, np.inf, 0
        got = products.run(f"k{j}", shape, encode(a, ta), encode(b, tb), encode(c, tc))
        values = decode(got, tc)
        nan = 0x7FFF if tc == "f16" else 0x7FFFFFFF
        assert (got[0] == nan).all()
        assert (values[1] == np.inf).all()
        assert got[2, 3] == nan
        assert values[2, 0] == np.inf
        assert (values[3:, :3] == k).all()


def test_tf32_reads_the_upper_bits_only(products: Products) -> None:
    for j, shape in enumerate(SHAPES):
        m, n, k, ta, _, _ = shape
        if ta != "tf32":
            continue
        rng = np.random.default_rng(3)
        a = rng.integers(0x3F800000, 0x40800000, (m, k)).astype("u8")
        got = products.run(f"k{j}", shape, a, encode(np.eye(k, n), ta), encode(np.zeros((m, n)), "f32"))
        assert np.array_equal(decode(got, "f32"), decode(a, "tf32") @ np.eye(k, n))


# --- m8n8k4 of f16: four products side by side ---


def quad_place(operand: str, lane: int, i: int, column_major: bool, type_: str) -> tuple[int, int]:
    low, high = lane % 4, 0 if lane < 16 else 4
    if operand == "a":
        return (i + high, low) if column_major else (low + high, i)
    if operand == "b":
        return (i, low + high) if column_major else (low, i + high)
    if type_ == "f16":
        return low + high, i
    return high + (lane & 1) + (i & 2), (i & 4) + (lane & 2) + (i & 1)


@pytest.mark.parametrize("layouts", ["row.row", "row.col", "col.row", "col.col"])
@pytest.mark.parametrize(("c_type", "d_type"), [("f16", "f16"), ("f16", "f32"), ("f32", "f32")])
def test_four_small_products(layouts: str, c_type: str, d_type: str) -> None:
    m = machine()
    layout_a, layout_b = (word == "col" for word in layouts.split("."))
    counts = {"f16": 4, "f32": 8}
    text = kernel("k", f"mma.sync.aligned.m8n8k4.{layouts}.{d_type}.f16.f16.{c_type}",
                  [(d_type, counts[d_type]), ("f16", 2), ("f16", 2), (c_type, counts[c_type])])  # fmt: skip
    module = m.load(HEAD + text, cc=90)
    rng = np.random.default_rng(5)
    a, b, c = rng.integers(-5, 6, (4, 8, 4)), rng.integers(-5, 6, (4, 4, 8)), rng.integers(-9, 10, (4, 8, 8))

    def fragment(operand: str, values: np.ndarray, type_: str, count: int, column_major: bool = False) -> bytes:
        places = [[quad_place(operand, lane, i, column_major, type_) for i in range(count)] for lane in range(32)]
        out = np.zeros((count, 32), "u8")
        for lane in range(32):
            patterns = encode(values[lane % 16 // 4], type_)
            out[:, lane] = [patterns[place] for place in places[lane]]
        if type_ == "f16":
            out = out[0::2] | out[1::2] << 16
        return out.astype("u4").tobytes()

    buffers = [m.alloc(counts[d_type] * 128), m.buffer(fragment("a", a, "f16", 4, layout_a)),
               m.buffer(fragment("b", b, "f16", 4, layout_b)), m.buffer(fragment("c", c, c_type, 8))]  # fmt: skip
    module.run("k", 1, 32, *buffers)
    assert m.read(buffers[0], counts[d_type] * 128) == fragment("d", a @ b + c, d_type, 8)


# --- what is refused ---


@pytest.mark.parametrize(
    ("instruction", "version", "target", "said"),
    [
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "6.5", "sm_80", "PTX ISA 7.0"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "7.0", "sm_75", "sm_80"),
        ("mma.sync.aligned.m16n8k16.row.row.f32.f16.f16.f32", "7.0", "sm_80", ".row.col"),
        ("mma.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32", "7.0", "sm_80", "no product"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32", "7.0", "sm_80", "no product"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f16", "7.0", "sm_80", "differ"),
        ("mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32", "7.0", "sm_80", "satfinite"),
        ("mma.aligned.m16n8k16.row.col.f32.f16.f16.f32", "7.0", "sm_80", ".sync"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32.wild", "7.0", "sm_80", "wild"),
        ("mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "8.5", "sm_80", ".sp is not supported"),
    ],
)
def test_what_is_refused(instruction: str, version: str, target: str, said: str) -> None:
    text = kernel("k", instruction, [("f32", 4), ("f16", 4), ("f16", 2), ("f32", 4)])
    head = f".version {version}\n.target {target}\n.address_size 64\n"
    with pytest.raises(LoadError, match="ptx:") as error:
        machine().load(head + text, cc=90)
    assert said in error.value.log
    assert "mma." in error.value.log  # the line


def test_a_part_of_a_warp_is_told() -> None:
    m = machine()
    module = m.load(HEAD + mma_kernel("k", SHAPES[3]), cc=90)
    with pytest.raises(Fault, match="16 of the 32 lanes"):
        module.run("k", 1, 16, *(m.alloc(4096) for _ in range(4)))
