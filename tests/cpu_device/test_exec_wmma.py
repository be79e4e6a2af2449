"""ldmatrix, stmatrix, movmatrix and wmma: matrices in memory and in registers; whole kernels with <mma.h> compiled by NVRTC."""

import itertools

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, LoadError, machine
from tests.cpu_device.fragments import BITS, decode, encode
from tests.cpu_device.matrix_kernels import ASSEMBLY, FP8, PRODUCT, TILE
from tests.cpu_device.test_exec_kernels import Kernels
from tests.cpu_device.test_ptx_parser import compile_cuda, include_folders

HEAD = ".version 8.7\n.target sm_90\n.address_size 64\n"
LANES = np.arange(32)
RNG = np.random.default_rng(7)

# --- ldmatrix, stmatrix, movmatrix ---


def rows_kernel(load: bool, count: int, transposed: bool, generic: bool) -> str:
    """Shared memory holds 64 rows of 16 bytes; lane l gives row place[l].  Loaded registers go to `out`, or `in` is stored."""
    registers = "{" + ",".join(f"%r{k}" for k in range(count)) + "}"
    name = f"m8n8.x{count}{'.trans' * transposed}{'' if generic else '.shared'}.b16"
    address = "%g" if generic else "%a"
    body = (f"ldmatrix.sync.aligned.{name} {registers}, [{address}+16];" if load
            else f"stmatrix.sync.aligned.{name} [{address}+16], {registers};")  # fmt: skip
    text = f"""{HEAD}.visible .entry k(.param .u64 memory, .param .u64 place, .param .u64 values) {{
    .shared .align 16 .b8 s[1040];
    .reg .b32 %r<8>, %a, %t, %v; .reg .b64 %p, %o, %m, %g; .reg .b32 %i<4>;
    mov.u32 %t, %tid.x; ld.param.u64 %m, [memory]; mul.wide.u32 %o, %t, 4;
    ld.param.u64 %p, [place]; add.u64 %p, %p, %o; ld.global.u32 %v, [%p]; mov.u32 %a, s; mov.u32 %i0, s;
    shl.b32 %v, %v, 4; add.u32 %a, %a, %v; cvt.u64.u32 %g, %a; cvta.shared.u64 %g, %g;
    add.u64 %m, %m, %o; shl.b32 %i1, %t, 2; add.u32 %i0, %i0, %i1;
    ld.param.u64 %p, [values]; add.u64 %p, %p, %o;
    """
    for k in range(8):
        text += f"ld.global.u32 %v, [%m+{128 * k}]; st.shared.u32 [%i0+{128 * k + 16}], %v;\n"
    text += "bar.sync 0;\n"
    if not load:
        text += "".join(f"ld.global.u32 %r{k}, [%p+{128 * k}];\n" for k in range(count))
    text += body + "\nbar.sync 0;\n"
    if load:
        text += "".join(f"st.global.u32 [%p+{128 * k}], %r{k};\n" for k in range(count))
    else:
        text += "".join(
            f"ld.shared.u32 %v, [%i0+{128 * k + 16}]; st.global.u32 [%m+{128 * k}], %v;\n" for k in range(8)
        )
    return text + "ret; }"


def lane_pairs(matrix: np.ndarray, transposed: bool) -> np.ndarray:
    """The register of each lane: two neighbours of row lane / 4."""
    m = matrix.T if transposed else matrix
    return np.ascontiguousarray(m).view("u4").reshape(32)


@pytest.mark.parametrize(
    ("count", "transposed", "generic"), list(itertools.product((1, 2, 4), (False, True), (False, True)))
)
def test_ldmatrix(count: int, transposed: bool, generic: bool) -> None:
    m = machine()
    module = m.load(rows_kernel(True, count, transposed, generic), cc=90)
    memory, place = RNG.integers(0, 1 << 16, (64, 8)).astype("u2"), RNG.permutation(64)[:32].astype("u4")
    out = m.buffer(bytes(128 * count))
    module.run("k", 1, 32, m.buffer(memory.tobytes()), m.buffer(place.tobytes()), out)
    got = np.frombuffer(m.read(out, 128 * count), "u4").reshape(count, 32)
    for k in range(count):
        assert np.array_equal(got[k], lane_pairs(memory[place[8 * k : 8 * k + 8]], transposed))


@pytest.mark.parametrize(
    ("count", "transposed", "generic"), list(itertools.product((1, 2, 4), (False, True), (False, True)))
)
def test_stmatrix(count: int, transposed: bool, generic: bool) -> None:
    m = machine()
    module = m.load(rows_kernel(False, count, transposed, generic), cc=90)
    memory, place = RNG.integers(0, 1 << 16, (64, 8)).astype("u2"), RNG.permutation(64)[:32].astype("u4")
    matrices = RNG.integers(0, 1 << 16, (count, 8, 8)).astype("u2")
    values = np.stack([lane_pairs(matrix, transposed) for matrix in matrices])
    buffer = m.buffer(memory.tobytes())
    module.run("k", 1, 32, buffer, m.buffer(place.tobytes()), m.buffer(values.tobytes()))
    for k in range(count):
        memory[place[8 * k : 8 * k + 8]] = matrices[k]
    assert np.array_equal(np.frombuffer(m.read(buffer, 1024), "u2").reshape(64, 8), memory)


def test_movmatrix() -> None:
    m = machine()
    text = (
        HEAD
        + """.visible .entry k(.param .u64 p) { .reg .b32 %a, %t; .reg .b64 %p, %o;
    ld.param.u64 %p, [p]; mov.u32 %t, %tid.x; mul.wide.u32 %o, %t, 4; add.u64 %p, %p, %o; ld.global.u32 %a, [%p];
    movmatrix.sync.aligned.m8n8.trans.b16 %a, %a; st.global.u32 [%p], %a; ret; }"""
    )
    matrix = RNG.integers(0, 1 << 16, (8, 8)).astype("u2")
    buffer = m.buffer(matrix.tobytes())
    m.load(text, cc=90).run("k", 1, 32, buffer)
    assert np.array_equal(np.frombuffer(m.read(buffer, 128), "u2").reshape(8, 8), matrix.T)


@pytest.mark.parametrize(
    ("place", "code", "what"), [(64, 700, "outside shared memory"), (1 << 20, 700, "outside shared memory")]
)
def test_a_row_outside_is_told(place: int, code: int, what: str) -> None:
    m = machine()
    module = m.load(rows_kernel(True, 4, False, False), cc=90)
    places = np.zeros(32, "u4")
    places[13] = place
    with pytest.raises(Fault, match="ldmatrix") as fault:
        module.run("k", 1, 32, m.buffer(bytes(1024)), m.buffer(places.tobytes()), m.buffer(bytes(512)))
    assert fault.value.code == code
    assert fault.value.thread == (13, 0, 0)
    assert what in fault.value.what


def test_a_misaligned_row_is_told() -> None:
    m = machine()
    module = m.load(rows_kernel(True, 1, False, False).replace("%a+16", "%a+8"), cc=90)
    with pytest.raises(Fault, match="misaligned"):
        module.run("k", 1, 32, m.buffer(bytes(1024)), m.buffer(bytes(128)), m.buffer(bytes(512)))


# --- wmma in PTX: every shape, type and layout ---

WMMA = [
    *((*s, a, c) for s in ((16, 16, 16), (32, 8, 16), (8, 32, 16)) for a, c in (("f16", "f16"), ("f16", "f32"), ("bf16", "f32"), ("s8", "s32"), ("u8", "s32"))),
    (16, 16, 8, "tf32", "f32"), (8, 8, 4, "f64", "f64"), (8, 8, 32, "s4", "s32"), (8, 8, 32, "u4", "s32"), (8, 8, 128, "b1", "s32"),
]  # fmt: skip


def wmma_registers(m: int, n: int, k: int, a: str, c: str) -> tuple[int, int, int]:
    """Of A, B and C."""
    size = 64 if a == "f64" else 32
    count_a, count_b = (8, 8) if a == "f16" else (m * k * BITS[a] // 32 // size, n * k * BITS[a] // 32 // size)
    return count_a, count_b, m * n * BITS[c] // 32 // (64 if c == "f64" else 32)


def wmma_kernel(name: str, m: int, n: int, k: int, a: str, c: str, layouts: str, padding: int) -> str:
    shape = f"m{m}n{n}k{k}"
    la, lb, lc = ("row" if letter == "r" else "col" for letter in layouts)
    count = dict(zip("abcd", [*wmma_registers(m, n, k, a, c), wmma_registers(m, n, k, a, c)[2]], strict=True))
    lists = {x: "{" + ",".join(f"%{x}{j}" for j in range(count[x])) + "}" for x in "abcd"}
    types = f"{c}.{c}" if a == "f16" else f"{c}.{a}.{a}.{c}"
    bit = ".xor.popc" if a == "b1" else ""
    lines = [f".visible .entry {name}(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd) {{"]
    lines += [f".reg .b{64 if (c if x in 'cd' else a) == 'f64' else 32} %{x}<{count[x]}>;" for x in "abcd"]
    lines.append(".reg .b64 %p; .reg .b32 %s;")
    for x, layout, rows, columns, type_ in (("a", la, m, k, a), ("b", lb, k, n, a), ("c", lc, m, n, c)):
        stride = (columns if layout == "row" else rows) + padding
        space = ".global" if x != "b" else ""
        lines.append(f"ld.param.u64 %p, [p{x}]; mov.u32 %s, {stride};")
        lines.append(
            f"wmma.load.{x}.sync.aligned.{layout}.{shape}{space}.{type_} {lists[x]}, [%p]{', %s' if padding else ''};"
        )
    lines.append(
        f"wmma.mma{bit}.sync.aligned.{la}.{lb}.{shape}.{types} {lists['d']}, {lists['a']}, {lists['b']}, {lists['c']};"
    )
    lines.append("ld.param.u64 %p, [pd];")
    lines.append(
        f"wmma.store.d.sync.aligned.{lc}.{shape}.global.{c} [%p], {lists['d']}{', %s' if padding else ''}; ret; }}"
    )
    return "\n".join(lines)


def in_memory(patterns: np.ndarray, type_: str, layout: str, padding: int) -> bytes:
    p = patterns if layout == "r" else patterns.T
    p = np.pad(p, ((0, 0), (0, padding)))
    bits = BITS[type_]
    if bits >= 8:
        return p.astype(f"u{bits // 8}").tobytes()
    flat = (p.reshape(-1, 1) >> np.arange(bits, dtype="u8") & 1).astype("u1").reshape(-1)
    return np.packbits(flat, bitorder="little").tobytes()


def from_memory(data: bytes, type_: str, layout: str, padding: int, m: int, n: int) -> np.ndarray:
    rows, columns = (m, n) if layout == "r" else (n, m)
    p = np.frombuffer(data, f"u{BITS[type_] // 8}").reshape(rows, columns + padding)[:, :columns].astype("u8")
    return p if layout == "r" else p.T


@pytest.mark.parametrize("shape", WMMA, ids=lambda s: "-".join(map(str, s)))
def test_wmma(shape: tuple[int, int, int, str, str]) -> None:
    m, n, k, a, c = shape
    machine_ = machine()
    small = BITS[a] < 8
    layouts = ["rcr", "rcc"] if small else ["".join(x) for x in itertools.product("rc", repeat=3)]
    forms = [(layout, padding) for layout in layouts for padding in (0, 0 if a == "b1" else 16)]
    module = machine_.load(HEAD + "\n".join(wmma_kernel(f"k{j}", *shape, *form) for j, form in enumerate(forms)), cc=90)
    for j, (layout, padding) in enumerate(forms):
        low, high = {"s8": (-128, 128), "u8": (0, 256), "s4": (-8, 8), "u4": (0, 16), "b1": (0, 2)}.get(a, (-4, 5))
        x, y, z = RNG.integers(low, high, (m, k)), RNG.integers(low, high, (k, n)), RNG.integers(-50, 50, (m, n))
        data = [
            in_memory(encode(v, t), t, way, padding) for v, t, way in zip((x, y, z), (a, a, c), layout, strict=True)
        ]
        buffers = [machine_.buffer(d) for d in data] + [machine_.buffer(bytes(len(data[2])))]
        module.run(f"k{j}", 1, 32, *buffers)
        got = decode(from_memory(machine_.read(buffers[3], len(data[2])), c, layout[2], padding, m, n), c)
        want = z + (x[:, :, None] != y[None]).sum(1) if a == "b1" else x @ y + z
        assert np.array_equal(got, want), (layout, padding)
        if a == "b1" and j == 0:
            text = HEAD + wmma_kernel("k0", *shape, *forms[0]).replace(".xor.popc", ".and.popc")
            machine_.load(text, cc=90).run("k0", 1, 32, *buffers)
            got = decode(from_memory(machine_.read(buffers[3], len(data[2])), c, layout[2], padding, m, n), c)
            assert np.array_equal(got, x @ y + z)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("wmma.load.a", "wmma.load.e", "need a matrix"),
        (".m16n16k16.global.f16", ".m16n16k32.global.f16", "no such fragment"),
        ("{%a0,", "{", "8 registers, not 7"),
        (".version 8.7", ".version 5.0", "PTX ISA 6.0"),
        ("target sm_90", "target sm_61", "sm_70"),
        ("wmma.mma", "wmma.mul", "wmma needs"),
    ],
)
def test_what_wmma_refuses(old: str, new: str, said: str) -> None:
    text = HEAD + wmma_kernel("k", 16, 16, 16, "f16", "f32", "rrr", 0)
    assert old in text
    with pytest.raises(LoadError) as error:
        machine().load(text.replace(old, new, 1), cc=90)
    assert said in error.value.log


def test_a_tile_outside_its_allocation_is_told() -> None:
    m = machine()
    module = m.load(HEAD + wmma_kernel("k", 16, 16, 16, "f16", "f32", "rrr", 0), cc=90)
    with pytest.raises(Fault, match="outside any allocation") as fault:
        module.run("k", 1, 32, m.alloc(511), m.alloc(512), m.alloc(1024), m.alloc(1024))
    assert "wmma.load.a" in fault.value.ptx_text


# --- whole kernels ---

needs_nvrtc = pytest.importorskip("nvidia.cu13", reason="NVRTC compiles the kernels")
TILES = [  # name, C++ type of memory, tag, accumulator, shape, layouts, change of A's elements, architecture
    ("half", "half", "half", "float", (16, 16, 16), "rrr", "fa.x[i] + fa.x[i]", 75),
    ("half_col", "half", "half", "half", (32, 8, 16), "ccc", "fa.x[i]", 75),
    ("wide", "half", "half", "float", (8, 32, 16), "rcr", "fa.x[i]", 80),
    ("bf16", "__nv_bfloat16", "__nv_bfloat16", "float", (16, 16, 16), "crr", "fa.x[i]", 80),
    ("tf32", "float", "wmma::precision::tf32", "float", (16, 16, 8), "rcr", "wmma::__float_to_tf32(fa.x[i])", 80),
    ("s8", "signed char", "signed char", "int", (16, 16, 16), "rcc", "fa.x[i]", 75),
    ("u8", "unsigned char", "unsigned char", "int", (32, 8, 16), "rrr", "fa.x[i]", 90),
    ("f64", "double", "double", "double", (8, 8, 4), "rcr", "fa.x[i]", 80),
]
ENCODINGS = {"half": "f16", "__nv_bfloat16": "bf16", "float": "f32", "double": "f64", "int": "s32"}
ENCODINGS |= {"signed char": "s8", "unsigned char": "u8"}


def need_mma_header() -> None:
    if not any((folder / "crt" / "mma.h").is_file() for folder in include_folders()):
        pytest.skip("<mma.h> needs crt/mma.h, of nvidia-cuda-crt or a CUDA toolkit")


@pytest.mark.parametrize("architecture", [75, 80, 89, 90])
def test_tiles_with_mma_h(architecture: int) -> None:
    need_mma_header()
    chosen = [t for t in TILES if t[-1] <= architecture]
    source, word = "#include <mma.h>\n#include <cuda_bf16.h>\n", {"r": "row", "c": "col"}
    for name, a, tag, c, (m, n, k), layouts, change, _ in chosen:
        strides = [
            columns if layout == "r" else rows
            for layout, rows, columns in zip(layouts, (m, k, m), (k, n, n), strict=True)
        ]
        la, lb, lc = (word[x] for x in layouts)
        source += TILE.format(name=name, a=a, c=c, m=m, n=n, k=k, tag=tag, la=la, lb=lb, lc=lc, change=change,
                              lda=strides[0], ldb=strides[1], ldc=strides[2])  # fmt: skip
    kernels = Kernels(compile_cuda("tiles", source, architecture))
    for name, a, _, c, (m, n, k), layouts, change, _ in chosen:
        low, high = {"u8": (0, 256), "s8": (-128, 128)}.get(name, (-4, 5))
        x, y, z = RNG.integers(low, high, (m, k)), RNG.integers(low, high, (k, n)), RNG.integers(-50, 50, (m, n))
        types = ENCODINGS[a], ENCODINGS[a], ENCODINGS[c]
        data = [in_memory(encode(v, t), t, way, 0) for v, t, way in zip((x, y, z), types, layouts, strict=True)]
        buffers = [kernels.machine.buffer(d) for d in data] + [kernels.machine.buffer(bytes(len(data[2])))]
        kernels.run(f"tile_{name}", 1, 32, *buffers)
        got = decode(
            from_memory(kernels.machine.read(buffers[3], len(data[2])), types[2], layouts[2], 0, m, n), types[2]
        )
        assert np.array_equal(got, (2 if "+" in change else 1) * (x @ y) + z), name


@pytest.mark.parametrize("architecture", [75, 80, 90])
def test_a_product_with_mma_h(architecture: int) -> None:
    need_mma_header()
    kernels = Kernels(compile_cuda("product", PRODUCT, architecture))
    a, b = RNG.integers(-8, 9, (64, 64)).astype("f2"), RNG.integers(-8, 9, (64, 64)).astype("f2")
    out = kernels.put(np.zeros((64, 64), "f4"))
    kernels.run("product", (4, 4), 32, kernels.put(a), kernels.put(b), out, 64)
    assert np.array_equal(kernels.get(out, "f4", 4096).reshape(64, 64), 2 * (a.astype("f4") @ b.astype("f4")))


@pytest.mark.parametrize("architecture", [80, 89, 90])
def test_a_product_with_ldmatrix_and_mma(architecture: int) -> None:
    kernels = Kernels(compile_cuda("assembly", ASSEMBLY, architecture))
    a, b = RNG.integers(-8, 9, (64, 64)).astype("f2"), RNG.integers(-8, 9, (64, 64)).astype("f2")
    out = kernels.put(np.zeros((64, 64), "f4"))
    kernels.run("assembly", (8, 4), 32, kernels.put(a), kernels.put(b), out, 64)
    assert np.array_equal(kernels.get(out, "f4", 4096).reshape(64, 64), a.astype("f4") @ b.astype("f4"))


@pytest.mark.parametrize("architecture", [89, 90])
def test_a_product_of_fp8(architecture: int) -> None:
    kernels = Kernels(compile_cuda("fp8", FP8, architecture))
    a, b = RNG.choice([0, 0.5, 1, 2, -1, -3], (16, 32)), RNG.choice([0, 0.25, 1, 2, -1, 3], (32, 8))
    out = kernels.put(np.zeros((16, 8), "f4"))
    kernels.run(
        "fp8", 1, 32, kernels.put(encode(a, "e4m3").astype("u1")), kernels.put(encode(b.T, "e5m2").astype("u1")), out
    )
    assert np.array_equal(kernels.get(out, "f4", 128).reshape(16, 8), a @ b)
