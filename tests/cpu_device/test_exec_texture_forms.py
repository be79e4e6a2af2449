"""Every form of the instructions on textures and surfaces that the device's table has: geometries, types, levels, caches, what is outside.

Texels are read at their middles; filtering and address modes are test_exec_textures.py's.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from tests.cpu_device.exec_access import Fault, Machine, machine
from tests.cpu_device.forms import combinations, is_type

Words = tuple[str, ...]
HEAD = ".version 8.1\n.target sm_80\n.address_size 64\n"
HANDLE = 0x7E57_0000_0001
KINDS = {"u32": 0, "s32": 1, "f32": 2}
WIDTH, HEIGHT, DEPTH, LAYERS, FACE, LEVELS = 16, 8, 4, 5, 8, 3
N = 64
GEOMETRIES = ("1d", "2d", "3d", "a1d", "a2d", "cube", "acube")


def forms(opcode: str) -> Iterator[Words]:
    for opcodes, groups in machine().forms():
        if opcode in opcodes:
            yield from combinations(groups)


class Geometry:
    """What a word says: axes, layers, and the shape of the elements: layers or slices, rows, columns."""

    def __init__(self, word: str) -> None:
        self.cube, self.layered = "cube" in word, word.startswith("a")
        self.axes = 3 if self.cube else int(word.lstrip("a")[0])
        self.registers = {1: 1, 2: 2, 3: 4, 4: 4}[self.axes + self.layered]

    def sizes(self, level: int = 0) -> tuple[int, int, int]:
        """Layers or slices (0: none), rows (0: none), columns; of a level."""
        half = lambda n: max(1, n >> level)  # noqa: E731
        if self.cube:
            return (12 if self.layered else 6), half(FACE), half(FACE)
        deep = LAYERS if self.layered else half(DEPTH) if self.axes == 3 else 0
        return deep, half(HEIGHT) if self.axes >= 2 else 0, half(WIDTH)

    def data(self, rng: np.random.Generator, level: int, kind: str, channels: int) -> np.ndarray:
        shape = (*(max(1, n) for n in self.sizes(level)), channels)
        if kind == "f32":
            return rng.standard_normal(shape).astype("f4")
        return rng.integers(0, 1 << 32, shape, "u4").view("i4" if kind == "s32" else "u4")


def add_object(m: Machine, g: Geometry, levels: list[np.ndarray], surface: bool) -> list[int]:
    """The object HANDLE over these levels; the addresses of its levels."""
    channels = levels[0].shape[-1]
    kind = {"u": 0, "i": 1, "f": 2}[levels[0].dtype.kind]
    size = levels[0].itemsize
    fields = [surface, kind, size, channels, kind != 2, g.layered or g.cube, g.cube, len(levels)]
    addresses = []
    for k, data in enumerate(levels):
        deep, rows, columns = g.sizes(k)
        addresses.append(m.buffer(data.tobytes()))
        pitch = columns * channels * size
        fields += [addresses[-1], data.nbytes, columns, rows, deep, pitch, pitch * max(1, rows), 0]
    m.add_object(HANDLE, [int(f) for f in fields])
    return addresses


def text(instructions: list[str]) -> str:
    """A kernel for each: twelve words of a lane in, four out; %c0 ... and %d0 ... (%h, %q: their 16 and 64 bits)."""
    loads = "".join(f"ld.global.b32 %c{k}, [%f+{4 * k}];" for k in range(12))
    return HEAD + "\n".join(
        f""".visible .entry k{k}(.param .u64 object, .param .u64 from, .param .u64 to) {{
        .reg .b32 %c<12>, %d<4>, %i; .reg .b64 %o, %f, %t, %q<2>; .reg .b16 %h<4>;
        ld.param.u64 %o, [object]; ld.param.u64 %f, [from]; ld.param.u64 %t, [to];
        mov.u32 %i, %tid.x; mad.wide.u32 %f, %i, 48, %f; mad.wide.u32 %t, %i, 16, %t; {loads}
        mov.b32 %d0, %c8; mov.b32 %d1, %c9; mov.b32 %d2, %c10; mov.b32 %d3, %c11;
        mov.b64 %q0, {{%d0, %d1}}; mov.b64 %q1, {{%d2, %d3}};
        cvt.u16.u32 %h0, %d0; cvt.u16.u32 %h1, %d1; cvt.u16.u32 %h2, %d2; cvt.u16.u32 %h3, %d3;
        {instruction} st.global.v4.b32 [%t], {{%d0, %d1, %d2, %d3}}; ret; }}"""
        for k, instruction in enumerate(instructions)
    )


def run(m: Machine, module, name: str, places: list[np.ndarray]) -> np.ndarray:
    """Columns of 32-bit words in; four columns out."""
    rows = np.zeros((N, 12), "u4")
    for k, column in enumerate(places):
        rows[:, k] = np.ascontiguousarray(column).view("u4")
    source, target = m.buffer(rows.tobytes()), m.buffer(bytes(16 * N))
    try:
        module.run(name, 1, N, HANDLE, source, target)
        return np.frombuffer(m.read(target, 16 * N), "u4").reshape(N, 4)
    finally:
        m.free(source), m.free(target)


def vector(names: list[str]) -> str:
    return "{" + ", ".join(names) + "}"


def coordinates(g: Geometry, first: int = 0) -> str:
    names = [f"%c{first + k}" for k in range(g.axes + g.layered)]
    return vector(names + names[-1:] * (g.registers - len(names)))


# --- textures ---


def face_of(v: np.ndarray) -> tuple[int, float, float]:
    """The programming guide's table: face, and coordinates from 0 to 1."""
    x, y, z = map(float, v)
    if abs(x) > abs(y) and abs(x) > abs(z):
        f, m, s, t = (0, x, -z, -y) if x >= 0 else (1, -x, z, -y)
    elif abs(y) > abs(x) and abs(y) > abs(z):
        f, m, s, t = (2, y, x, z) if y >= 0 else (3, -y, x, -z)
    else:
        f, m, s, t = (4, z, x, -y) if z >= 0 else (5, -z, -x, -y)
    return f, (s / m + 1) / 2, (t / m + 1) / 2


def texels(g: Geometry, level: np.ndarray, layer: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of one level: places (x, y, z) or directions; what is outside is the edge's."""
    deep, rows, columns, _ = level.shape
    if g.cube:
        faces = [face_of(v) for v in at]
        which = np.clip(layer, 0, deep // 6 - 1) * 6 + np.array([f for f, _, _ in faces], int)
        x, y = (np.clip(np.array([c[k] * columns for c in faces]).astype(int), 0, columns - 1) for k in (1, 2))
        return level[which, y, x]
    i = np.floor(at).astype(int)
    z = (
        np.clip(layer, 0, deep - 1)
        if g.layered
        else np.clip(i[:, 2], 0, deep - 1)
        if g.axes == 3
        else np.zeros(len(i), int)
    )
    y = np.clip(i[:, 1], 0, rows - 1) if g.axes >= 2 else np.zeros(len(i), int)
    return level[z, y, np.clip(i[:, 0], 0, columns - 1)]


def places_for(g: Geometry, rng: np.random.Generator) -> np.ndarray:
    """Indices of texels, some outside; or directions."""
    if g.cube:
        return rng.standard_normal((N, 3)).astype("f4")
    return rng.integers(-3, 20, (N, 3))


def tex_case(words: Words) -> tuple[str, Geometry, str]:
    """The instruction, its geometry, and where its level comes from."""
    geometry = next(w for w in words if w in GEOMETRIES)
    g, level = Geometry(geometry), next((w for w in words if w in ("base", "level", "grad")), "")
    n = g.axes + g.layered
    more = ""
    if level == "level":
        more = f", %c{n}"
    elif level == "grad":
        x, y = ([f"%c{n + axes * g.axes + k}" for k in range(g.axes)] for axes in (0, 1))
        pad = {1: 1, 2: 2, 3: 4}[g.axes]
        more = "".join(", " + vector(part + part[-1:] * (pad - g.axes)) for part in (x, y))
    return (
        f"{'.'.join(('tex', *words))} {vector(['%d0', '%d1', '%d2', '%d3'])}, [%o, {coordinates(g)}]{more};",
        g,
        level,
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_tex(kind: str) -> None:
    m, rng = machine(), np.random.default_rng(3)
    cases = [(words, *tex_case(words)) for words in forms("tex") if next(filter(is_type, words)) == kind]
    assert len(cases) > 30
    module = m.load(text([instruction for _, instruction, _, _ in cases]))
    for j, (words, _, g, how) in enumerate(cases):
        levels = [g.data(rng, k, kind, 4) for k in range(LEVELS)]
        addresses = add_object(m, g, levels, False)
        integer = words[-1] == "s32"
        layer, at = rng.integers(-2, LAYERS + 2, N), places_for(g, rng)
        lod = np.zeros(N, int)
        columns: list[np.ndarray] = [layer.astype("i4")] if g.layered else []
        for axis in range(g.axes):
            columns.append(
                at[:, axis].astype("i4") if integer else at[:, axis].astype("f4") + np.float32(0 if g.cube else 0.5)
            )
        if how == "level":
            lod = rng.integers(-1, LEVELS + 1, N)
            columns.append(lod.astype("i4" if integer else "f4"))
        if how == "grad":  # 2^lod texels to the next pixel, along one axis
            lod, axis, which = rng.integers(0, LEVELS, N), rng.integers(0, g.axes, N), rng.integers(0, 2, N)
            for side, k in itertools.product((0, 1), range(g.axes)):
                columns.append(np.where((which == side) & (axis == k), 2.0**lod, 0.25).astype("f4"))
        got = run(m, module, f"k{j}", columns)
        lod = np.clip(lod, 0, LEVELS - 1)
        exact = at.astype("f8") + (0 if integer or g.cube else 0.5)
        for k in range(LEVELS):
            chosen = lod == k
            want = texels(g, levels[k], layer[chosen], exact[chosen])
            assert np.array_equal(got[chosen].view(want.dtype), want), (words, k)
        m.remove_object(HANDLE)
        for address in addresses:
            m.free(address)


@pytest.mark.parametrize("kind", list(KINDS))
def test_tld4(kind: str) -> None:
    """The four texels around a point, against the clock from the lower left."""
    m, rng = machine(), np.random.default_rng(4)
    cases = [words for words in forms("tld4") if words[-2] == kind]
    assert len(cases) == 8
    geometries = [Geometry(words[1]) for words in cases]
    module = m.load(text([f"{'.'.join(('tld4', *w))} {vector(['%d0', '%d1', '%d2', '%d3'])}, [%o, {coordinates(g)}];"
                          for w, g in zip(cases, geometries, strict=True)]))  # fmt: skip
    for j, (words, g) in enumerate(zip(cases, geometries, strict=True)):
        data = g.data(rng, 0, kind, 4)
        (address,) = add_object(m, g, [data], False)
        layer, at = rng.integers(-2, LAYERS + 2, N), rng.uniform(-2, 20, (N, 2)).astype("f4")
        got = run(m, module, f"k{j}", [*([layer.astype("i4")] if g.layered else []), at[:, 0], at[:, 1]])
        corner = np.floor(at.astype("f8") - 0.5)
        for k, step in enumerate(((0, 1), (1, 1), (1, 0), (0, 0))):
            want = texels(g, data, layer, corner + step)
            assert np.array_equal(got[:, k].view(want.dtype), want[:, "rgba".index(words[0])]), words
        m.remove_object(HANDLE)
        m.free(address)


@pytest.mark.parametrize("opcode", ["txq", "suq"])
def test_queries(opcode: str) -> None:
    m, rng = machine(), np.random.default_rng(5)
    cases = list(forms(opcode))
    level = lambda words: ", %c0" if "level" in words else ""  # noqa: E731
    module = m.load(text([f"{'.'.join((opcode, *w))} %d0, [%o]{level(w)};" for w in cases]))
    for word in GEOMETRIES if opcode == "txq" else GEOMETRIES[:5]:
        g = Geometry(word)
        data = [g.data(rng, k, "u32", 1) for k in range(LEVELS if opcode == "txq" else 1)]
        addresses = add_object(m, g, data, opcode == "suq")
        for j, words in enumerate(cases):
            asked = rng.integers(-1, LEVELS + 1, N)
            got = run(m, module, f"k{j}", [asked.astype("i4")])[:, 0]
            deep, rows, columns = np.array([g.sizes(k) for k in range(LEVELS)]).T
            at = np.clip(asked, 0, LEVELS - 1) if "level" in words else np.zeros(N, int)
            layers = deep[0] // 6 if g.cube else deep[0] if g.layered else 0
            want = {"width": columns[at], "height": rows[at], "depth": 0 * at if g.layered or g.cube else deep[at],
                    "array_size": 0 * at + layers, "normalized_coords": 0 * at + g.cube, "num_mipmap_levels": 0 * at + LEVELS,
                    "num_samples": 0 * at + 1}[words[-2]]  # fmt: skip
            assert np.array_equal(got, want), (word, words)
        m.remove_object(HANDLE)
        for address in addresses:
            m.free(address)


# --- surfaces ---

BORDERS = ("trap", "clamp", "zero")


class Access:
    """An access to a surface as it is written."""

    def __init__(self, opcode: str, words: Words) -> None:
        self.opcode, self.words = opcode, words
        self.geometry = next(w for w in words if w in GEOMETRIES)
        self.g = Geometry(self.geometry)
        self.type = next(w for w in words if is_type(w))
        self.border = next(w for w in words if w in BORDERS)
        self.count = next((int(w[1]) for w in words if w in ("v2", "v4")), 1)
        self.size = int(self.type[1:]) // 8

    def instruction(self) -> str:
        letter = {1: "h", 2: "h", 4: "d", 8: "q"}[self.size]
        names = [f"%{letter}{k}" for k in range(self.count)]
        value = vector(names) if self.count > 1 else names[0]
        place, name = f"[%o, {coordinates(self.g)}]", ".".join((self.opcode, *self.words))
        if self.opcode != "suld":
            return f"{name} {place}, {value};"
        out = {"h": "".join(f"cvt.u32.u16 %d{k}, %h{k};" for k in range(self.count)), "d": "",
               "q": "".join(f"mov.b64 {{%d{2 * k}, %d{2 * k + 1}}}, %q{k};" for k in range(self.count))}[letter]  # fmt: skip
        return f"{name} {value}, {place}; {out}"

    def offsets(self, rng: np.random.Generator, data: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Columns of coordinates, and where in the bytes of `data` each is (-1: outside and so not at all)."""
        deep, rows, row = data.shape
        bytes_, outside = self.size * self.count, 0 if self.border == "trap" else 2
        x = rng.integers(-outside, row // bytes_ + outside, N) * bytes_
        y, z = (rng.integers(-outside, n + outside, N) for n in (rows, deep))
        inside, places = np.ones(N, bool), []
        used = [
            (x, row - bytes_),
            *([(y, rows - 1)] if self.g.axes >= 2 else []),
            *([(z, deep - 1)] if self.g.axes == 3 else []),
        ]
        if self.g.layered:
            used.insert(0, (z, deep - 1))
        clipped = {}
        for values, last in used:
            inside &= (values >= 0) & (values <= last)
            clipped[id(values)] = np.clip(values, 0, last)
            places.append(values.astype("i4"))
        zero = np.zeros(N, int)
        at = (clipped.get(id(z), zero) * rows + clipped.get(id(y), zero)) * row + clipped[id(x)]
        return places, np.where(inside | (self.border == "clamp"), at, -1)


def surface(m: Machine, g: Geometry, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """Its address and its bytes: layers or slices, rows, bytes of a row (texels of 16)."""
    data = g.data(rng, 0, "u32", 4)
    (address,) = add_object(m, g, [data], True)
    return address, np.frombuffer(data.tobytes(), "u1").reshape(*data.shape[:2], -1)


def values_of(words: np.ndarray, size: int, count: int) -> np.ndarray:
    """The bytes that a lane's registers hold: %h and %d the low ones of a word each, %q two words."""
    raw = np.ascontiguousarray(words).view("u1").reshape(len(words), 4, 4)
    if size == 8:
        return raw.reshape(len(words), 16)[:, : 8 * count]
    return raw[:, :count, :size].reshape(len(words), -1)


@pytest.mark.parametrize("opcode", ["suld", "sust"])
@pytest.mark.parametrize("border", BORDERS)
def test_surfaces(opcode: str, border: str) -> None:
    m, rng = machine(), np.random.default_rng(6)
    accesses = [a for a in (Access(opcode, words) for words in forms(opcode)) if a.border == border]
    assert len(accesses) > 200
    module = m.load(text([a.instruction() for a in accesses]))
    for j, a in enumerate(accesses):
        address, data = surface(m, a.g, rng)
        places, at = a.offsets(rng, data)
        words = rng.integers(0, 1 << 32, (N, 4), "u4")
        columns = places + [np.zeros(N, "i4")] * (8 - len(places)) + list(words.T)
        got = run(m, module, f"k{j}", columns)
        flat, bytes_ = data.reshape(-1), a.size * a.count
        if opcode == "suld":
            want = np.array([flat[o : o + bytes_] if o >= 0 else [0] * bytes_ for o in at], "u1")
            assert np.array_equal(values_of(got, a.size, a.count), want), a.words
        else:
            written = values_of(words, a.size, a.count)
            after = np.frombuffer(m.read(address, data.nbytes), "u1")
            touched = np.zeros(data.nbytes, bool)
            for o in set(at[at >= 0].tolist()):
                assert any(np.array_equal(after[o : o + bytes_], written[k]) for k in np.flatnonzero(at == o)), a.words
                touched[o : o + bytes_] = True
            assert np.array_equal(after[~touched], flat[~touched]), a.words
        m.remove_object(HANDLE)
        m.free(address)


def test_sured() -> None:
    m, rng = machine(), np.random.default_rng(7)
    accesses = [Access("sured", words) for words in forms("sured")]
    assert len(accesses) > 100
    module = m.load(text([a.instruction() for a in accesses]))
    functions = {"add": np.add, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or}
    for j, a in enumerate(accesses):
        address, data = surface(m, a.g, rng)
        places, at = a.offsets(rng, data)
        words = rng.integers(0, 1 << 32, (N, 4), "u4")
        run(m, module, f"k{j}", places + [np.zeros(N, "i4")] * (8 - len(places)) + list(words.T))
        dtype = ("i" if a.type[0] == "s" else "u") + str(a.size)
        want = data.reshape(-1).view(dtype).copy()
        values = values_of(words, a.size, 1).copy().view(dtype)[:, 0]
        function = next(functions[w] for w in a.words if w in functions)
        for o, value in zip(at, values, strict=True):
            if o >= 0:
                want[o // a.size] = function(want[o // a.size], value)
        assert m.read(address, data.nbytes) == want.tobytes(), a.words
        m.remove_object(HANDLE)
        m.free(address)


@pytest.mark.parametrize("opcode", ["suld", "sust", "sured"])
def test_trap_stops_the_kernel(opcode: str) -> None:
    m, rng = machine(), np.random.default_rng(8)
    for word in GEOMETRIES[: 3 if opcode == "sured" else 5]:
        a = Access(
            opcode, ("b", *(("add",) if opcode == "sured" else ()), word, "u32" if opcode == "sured" else "b32", "trap")
        )
        module = m.load(text([a.instruction()]))
        address, data = surface(m, a.g, rng)
        for axis in range(a.g.axes + a.g.layered):
            places = [np.zeros(N, "i4") for _ in range(a.g.axes + a.g.layered)]
            places[axis][37] = -4 if axis % 2 else data.nbytes
            with pytest.raises(Fault, match="outside a surface") as fault:
                run(m, module, "k0", places)
            assert fault.value.code == 700 and fault.value.thread == (37, 0, 0)
        m.remove_object(HANDLE)
        m.free(address)
