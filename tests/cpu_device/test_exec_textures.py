"""Textures and surfaces: fetches, filtering, gathers, loads, stores and reductions, against models in NumPy."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

HELPERS = r'''
import itertools
import numpy as np
F, M, R = d.CUarray_format, d.CUaddress_mode, d.CUresourcetype
FORMATS = {"uint8": F.CU_AD_FORMAT_UNSIGNED_INT8, "int8": F.CU_AD_FORMAT_SIGNED_INT8, "uint16": F.CU_AD_FORMAT_UNSIGNED_INT16,
           "int16": F.CU_AD_FORMAT_SIGNED_INT16, "uint32": F.CU_AD_FORMAT_UNSIGNED_INT32, "int32": F.CU_AD_FORMAT_SIGNED_INT32,
           "float16": F.CU_AD_FORMAT_HALF, "float32": F.CU_AD_FORMAT_FLOAT}
MODES = {"wrap": M.CU_TR_ADDRESS_MODE_WRAP, "clamp": M.CU_TR_ADDRESS_MODE_CLAMP, "mirror": M.CU_TR_ADDRESS_MODE_MIRROR,
         "border": M.CU_TR_ADDRESS_MODE_BORDER}
rng = np.random.default_rng(7)

def array_of(data, axes, layered=False, flags=0):
    "A CUDA array with what `data` has: (layers, z, y, x, channels), as many as there are."
    p = d.CUDA_ARRAY3D_DESCRIPTOR()
    shape = list(data.shape[:-1])
    p.Width = shape[-1]
    p.Height = shape[-2] if axes >= 2 else 0
    p.Depth = shape[0] if axes == 3 or layered else 0
    p.Format, p.NumChannels, p.Flags = FORMATS[str(data.dtype)], data.shape[-1], flags | (1 if layered else 0)
    made = d.cuArray3DCreate(p)
    copy(data, made, p, True)
    return made, p

def copy(data, array, p, into):
    c = d.CUDA_MEMCPY3D()
    row = p.Width * data.shape[-1] * data.itemsize
    c.WidthInBytes, c.Height, c.Depth = row, max(p.Height, 1), max(p.Depth, 1)
    host, device = d.CUmemorytype.CU_MEMORYTYPE_HOST, d.CUmemorytype.CU_MEMORYTYPE_ARRAY
    if into:
        c.srcMemoryType, c.srcHost, c.srcPitch, c.srcHeight, c.dstMemoryType, c.dstArray = host, data.ctypes.data, row, max(p.Height, 1), device, array
    else:
        c.dstMemoryType, c.dstHost, c.dstPitch, c.dstHeight, c.srcMemoryType, c.srcArray = host, data.ctypes.data, row, max(p.Height, 1), device, array
    d.cuMemcpy3D(c)

def resource(array):
    r = d.CUDA_RESOURCE_DESC()
    r.resType = R.CU_RESOURCE_TYPE_ARRAY
    r.res.array.hArray = array
    return r

def texture(r, mode="clamp", linear=False, normalized=False, integer=False, border=(0, 0, 0, 0)):
    t = d.CUDA_TEXTURE_DESC()
    t.addressMode = [MODES[mode]] * 3
    t.filterMode = d.CUfilter_mode.CU_TR_FILTER_MODE_LINEAR if linear else d.CUfilter_mode.CU_TR_FILTER_MODE_POINT
    t.flags = (2 if normalized else 0) | (1 if integer else 0)
    t.borderColor = list(border)
    return d.cuTexObjectCreate(r, t, None)

def fetcher(instruction, coordinates, n):
    "A kernel that loads `n` words of coordinates for a thread and stores four words."
    loads = "".join(f"ld.global.b32 %c{k}, [%in+{4 * k}];\n" for k in range(n))
    return f""".version 7.8
    .target sm_80
    .address_size 64
    .visible .entry go(.param .u64 object, .param .u64 from, .param .u64 to)
    {{
    .reg .b32 %c<5>; .reg .b32 %r<4>; .reg .b32 %i; .reg .b64 %o, %in, %out, %x;
    ld.param.u64 %o, [object]; ld.param.u64 %in, [from]; ld.param.u64 %out, [to];
    mov.u32 %i, %ctaid.x; mad.lo.u32 %i, %i, 64, 0; mov.u32 %r0, %tid.x; add.u32 %i, %i, %r0;
    mul.wide.u32 %x, %i, {4 * n}; add.u64 %in, %in, %x;
    mul.wide.u32 %x, %i, 16; add.u64 %out, %out, %x;
    {loads}
    {instruction} {{%r0, %r1, %r2, %r3}}, [%o, {{{coordinates}}}];
    st.global.v4.b32 [%out], {{%r0, %r1, %r2, %r3}};
    ret;
    }}"""

def run(text, object, places, dtype):
    places = np.ascontiguousarray(places)
    n, width = places.shape
    blocks = (n + 63) // 64
    room = np.zeros((blocks * 64, width), places.dtype)
    room[:n] = places
    a, b = d.cuMemAlloc(room.nbytes), d.cuMemAlloc(blocks * 64 * 16)
    d.cuMemcpyHtoD(a, room, room.nbytes)
    f = d.cuModuleGetFunction(module(text), "go")
    d.cuLaunchKernel(f, blocks, 1, 1, 64, 1, 1, 0, None, (object, a, b))
    out = np.empty((blocks * 64, 4), dtype)
    d.cuMemcpyDtoH(out, b, out.nbytes)
    d.cuMemFree(a), d.cuMemFree(b)
    return out[:n]

TWO = "%c0, %c1"
AXES = {1: ("1d", "%c0"), 2: ("2d", TWO), 3: ("3d", "%c0, %c1, %c2, %c2")}

# -- the model: coordinates (n, axes) in the order x, y, z; data (z, y, x, channels)
def at_axis(index, size, mode):
    "Index and whether it is inside."
    if mode == "wrap":
        return index % size, np.ones(index.shape, bool)
    inside = (index >= 0) & (index < size) if mode == "border" else np.ones(index.shape, bool)
    return np.clip(index, 0, size - 1), inside

def texels(values, index, modes, border):
    axes = index.shape[1]
    inside, places = np.ones(len(index), bool), []
    for k in range(axes):
        i, ok = at_axis(index[:, k], values.shape[axes - 1 - k], modes)
        inside &= ok
        places.append(i)
    found = values[tuple(reversed(places))]
    return np.where(inside[:, None], found, np.asarray(border)[None, :values.shape[-1]])

def scaled(x, size, mode, normalized):
    x = x.astype(np.float64)
    if not normalized:
        return x
    whole = np.floor(x)
    if mode == "wrap":
        x = x - whole
    if mode == "mirror":
        x = np.where(whole % 2 != 0, 1 - (x - whole), x - whole)
    return x * size

def model(values, x, mode, linear, normalized, border):
    axes = x.shape[1]
    used = "clamp" if mode == "mirror" or (mode == "wrap" and not normalized) else mode
    own = mode if normalized else used
    s = np.stack([scaled(x[:, k], values.shape[axes - 1 - k], own, normalized) for k in range(axes)], axis=1)
    if not linear:
        return texels(values, np.floor(s).astype(int), used, border)
    s = s - 0.5
    i = np.floor(s).astype(int)
    fraction = np.floor((s - i) * 256 + 0.5) / 256          # 1.8 fixed point
    total = 0
    for step in itertools.product((0, 1), repeat=axes):
        step = np.asarray(step)
        weight = np.where(step, fraction, 1 - fraction).prod(axis=1)
        total = total + weight[:, None] * texels(values, i + step, used, border)
    return total

def check(got, want):
    channels = want.shape[1]
    np.testing.assert_allclose(got[:, :channels], want.astype(np.float32), rtol=2e-7, atol=1e-7)
    assert (got[:, channels:] == 0).all()
'''


def on_textures(script: str) -> str:
    return on_cpu(HELPERS + textwrap.dedent(script))


def test_filtering_and_address_modes() -> None:
    on_textures("""
    shapes = {1: (13,), 2: (7, 11), 3: (4, 5, 6)}
    for axes, shape in shapes.items():
        for channels in (1, 2, 4):
            data = rng.standard_normal((*shape, channels)).astype(np.float32)
            array, _ = array_of(data, axes)
            geometry, names = AXES[axes]
            text = fetcher(f"tex.{geometry}.v4.f32.f32", names, axes)
            for mode, linear, normalized in itertools.product(MODES, (False, True), (False, True)):
                border = (1.5, -2, 3, 4)
                o = texture(resource(array), mode, linear, normalized, border=border)
                x = rng.uniform(-2.5, 2.5, (200, axes)) if normalized else rng.uniform(-4, 16, (200, axes))
                x = x.astype(np.float32)
                got = run(text, o, x, np.float32)
                check(got, model(data.astype(np.float64), x, mode, linear, normalized, border))
                d.cuTexObjectDestroy(o)
            d.cuArrayDestroy(array)
    """)


def test_weights_have_eight_fractional_bits() -> None:
    on_textures("""
    data = np.array([[0], [1]], np.float32)
    array, _ = array_of(data, 1)
    o = texture(resource(array), linear=True)
    x = (np.arange(2049, dtype=np.float32) / 2048 + 0.5)[:, None]
    got = run(fetcher("tex.1d.v4.f32.f32", "%c0", 1), o, x, np.float32)[:, 0]
    assert set(got * 256) == set(range(257))
    assert (got == np.floor((x[:, 0] - 0.5) * 256 + 0.5) / 256).all()
    """)


def test_formats_and_read_modes() -> None:
    on_textures("""
    text = {t: fetcher(f"tex.2d.v4.{t}.f32", TWO, 2) for t in ("f32", "u32", "s32")}
    y, x = np.mgrid[0:6, 0:9]
    places = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1).astype(np.float32)
    for kind in FORMATS:
        for channels in (1, 2, 4):
            dtype = np.dtype(kind)
            if dtype.kind == "f":
                data = rng.standard_normal((6, 9, channels)).astype(dtype)
            else:
                info = np.iinfo(dtype)
                data = rng.integers(info.min, info.max, (6, 9, channels), dtype, endpoint=True)
                data.flat[:2] = info.min, info.max
            array, _ = array_of(data, 2)
            flat = data.reshape(54, channels)
            if dtype.kind == "f":
                check(run(text["f32"], texture(resource(array)), places, np.float32), flat)
                continue
            got = run(text["u32" if dtype.kind == "u" else "s32"], texture(resource(array), integer=True), places, np.uint32 if dtype.kind == "u" else np.int32)
            assert (got[:, :channels] == flat).all() and (got[:, channels:] == 0).all(), kind
            if dtype.itemsize < 4:
                want = np.maximum(flat / np.float64(np.iinfo(dtype).max), -1)
                check(run(text["f32"], texture(resource(array)), places, np.float32), want)
                for_linear = rng.uniform(0, 9, (100, 2)).astype(np.float32)
                values = np.maximum(data / np.float64(np.iinfo(dtype).max), -1)
                got = run(text["f32"], texture(resource(array), linear=True), for_linear, np.float32)
                check(got, model(values, for_linear, "clamp", True, False, (0, 0, 0, 0)))
    """)


def test_layers_linear_memory_and_rows() -> None:
    on_textures("""
    # layered: the layer is an integer, and clamped
    data = rng.standard_normal((5, 6, 7, 2)).astype(np.float32)
    array, _ = array_of(data, 2, layered=True)
    x = rng.uniform(-2, 9, (100, 2)).astype(np.float32)
    layer = rng.integers(-2, 8, 100).astype(np.int32)
    places = np.concatenate([layer[:, None], x.view(np.int32)], 1)
    got = run(fetcher("tex.a2d.v4.f32.f32", "%c0, %c1, %c2, %c2", 3), texture(resource(array), linear=True), places, np.float32)
    want = np.concatenate([model(data[min(max(l, 0), 4)].astype(np.float64), x[k:k + 1], "clamp", True, False, (0,) * 4) for k, l in enumerate(layer)])
    check(got, want)
    one, _ = array_of(np.ascontiguousarray(data[:, 0]), 1, layered=True)
    places = np.stack([np.arange(5), np.full(5, 3)], 1).astype(np.int32)
    check(run(fetcher("tex.a1d.v4.f32.s32", "%c0, %c1", 2), texture(resource(one)), places, np.float32), data[:, 0, 3])
    # linear memory: indices, zero outside
    data = rng.integers(0, 2**32, 100, np.uint32)
    p = d.cuMemAlloc(400)
    d.cuMemcpyHtoD(p, data, 400)
    r = d.CUDA_RESOURCE_DESC()
    r.resType = R.CU_RESOURCE_TYPE_LINEAR
    r.res.linear.devPtr, r.res.linear.format, r.res.linear.numChannels, r.res.linear.sizeInBytes = p, F.CU_AD_FORMAT_UNSIGNED_INT32, 1, 400
    index = np.arange(-14, 114).astype(np.int32)[:, None]
    got = run(fetcher("tex.1d.v4.u32.s32", "%c0", 1), texture(r), index, np.uint32)[:, 0]
    assert (got == np.concatenate([np.zeros(14), data, np.zeros(14)])).all()
    # rows of plain memory
    data = rng.standard_normal((6, 16, 4)).astype(np.float32)
    d.cuMemFree(p)
    p = d.cuMemAlloc(data.nbytes)
    d.cuMemcpyHtoD(p, data, data.nbytes)
    r = d.CUDA_RESOURCE_DESC()
    r.resType = R.CU_RESOURCE_TYPE_PITCH2D
    q = r.res.pitch2D
    q.devPtr, q.format, q.numChannels, q.width, q.height, q.pitchInBytes = p, F.CU_AD_FORMAT_FLOAT, 4, 10, 6, 256
    x = rng.uniform(-2, 12, (100, 2)).astype(np.float32)
    got = run(fetcher("tex.2d.v4.f32.f32", TWO, 2), texture(r, "border", True, border=(9, 8, 7, 6)), x, np.float32)
    check(got, model(data[:, :10].astype(np.float64), x, "border", True, False, (9, 8, 7, 6)))
    """)


def test_gathers_and_queries() -> None:
    on_textures("""
    data = rng.standard_normal((6, 7, 4)).astype(np.float32)
    array, _ = array_of(data, 2)
    o = texture(resource(array))
    x = rng.uniform(-1, 8, (100, 2)).astype(np.float32)
    i = np.floor(x.astype(np.float64) - 0.5).astype(int)
    for c, name_of in enumerate("rgba"):
        got = run(fetcher(f"tld4.{name_of}.2d.v4.f32.f32", TWO, 2), o, x, np.float32)
        want = np.stack([data[np.clip(i[:, 1] + dy, 0, 5), np.clip(i[:, 0] + dx, 0, 6), c] for dx, dy in ((0, 1), (1, 1), (1, 0), (0, 0))], 1)
        assert (got == want).all()
    text = fetcher("tex.2d.v4.f32.f32", TWO, 2)
    start = text.index("tex.2d")
    end = text.index("st.global")
    asks = "txq.width.b32 %r0, [%o]; txq.height.b32 %r1, [%o]; txq.depth.b32 %r2, [%o]; txq.normalized_coords.b32 %r3, [%o];"
    asked = run(text[:start] + asks + text[end:], texture(resource(array), normalized=True), np.zeros((1, 2), np.float32), np.int32)
    assert asked.tolist() == [[7, 6, 0, 1]]
    """)


def test_surfaces() -> None:
    on_textures("""
    def kernel(body, n=3):
        text = fetcher("tex.2d.v4.f32.f32", TWO, n)
        return text[:text.index("tex.2d")] + "mov.b32 %r0, 0; mov.b32 %r1, 0; mov.b32 %r2, 0; mov.b32 %r3, 0;" + body + text[text.index("st.global"):]
    data = rng.integers(0, 1000, (6, 8, 1)).astype(np.uint32)
    array, p = array_of(data, 2, flags=2)
    s = d.cuSurfObjectCreate(resource(array))
    y, x = np.mgrid[-1:7, -1:9]
    places = np.stack([4 * x.ravel(), y.ravel(), 100 * y.ravel() + x.ravel()], 1).astype(np.int32)
    inside = ((x >= 0) & (x < 8) & (y >= 0) & (y < 6)).ravel()
    got = run(kernel("suld.b.2d.b32.zero %r0, [%o, {%c0, %c1}];"), s, places, np.uint32)[:, 0]
    assert (got == np.where(inside, data[np.clip(y, 0, 5), np.clip(x, 0, 7), 0].ravel(), 0)).all()
    got = run(kernel("suld.b.2d.b32.clamp %r0, [%o, {%c0, %c1}];"), s, places, np.uint32)[:, 0]
    assert (got == data[np.clip(y, 0, 5), np.clip(x, 0, 7), 0].ravel()).all()
    pairs = np.array([[0, 0, 0], [24, 5, 0]], np.int32)
    got = run(kernel("suld.b.2d.v2.b32.trap {%r0, %r1}, [%o, {%c0, %c1}];"), s, pairs, np.uint32)
    assert got[:, :2].tolist() == [data[0, :2, 0].tolist(), data[5, 6:, 0].tolist()]
    for size, mask in (("b8", 255), ("b16", 65535)):
        short = kernel("{ .reg .b16 %h; suld.b.2d." + size + ".trap %h, [%o, {%c0, %c1}]; cvt.u32.u16 %r0, %h; }")
        assert (run(short, s, pairs, np.uint32)[:, 0] == [data[0, 0, 0] & mask, data[5, 6, 0] & mask]).all()
    run(kernel("sust.b.2d.b32.zero [%o, {%c0, %c1}], %c2;"), s, places, np.uint32)
    stored = np.empty_like(data)
    copy(stored, array, p, False)
    y, x = np.mgrid[0:6, 0:8]
    assert (stored[..., 0] == 100 * y + x).all()
    # reductions: many threads at one place
    places = np.stack([np.zeros(64), np.zeros(64), np.arange(64)], 1).astype(np.int32)
    for operation, kind, want in (("add", "u32", 64 * 63 // 2), ("max", "s32", 2016), ("min", "s32", 0), ("or", "b32", 63)):
        run(kernel(f"sured.b.{operation}.2d.{kind}.trap [%o, {{%c0, %c1}}], %c2;"), s, places, np.uint32)
        copy(stored, array, p, False)
        assert stored[0, 0, 0] == want, (operation, stored[0, 0, 0])
    # layers and three dimensions
    data = rng.integers(0, 1000, (3, 4, 5, 1)).astype(np.uint32)
    z, y, x = np.mgrid[0:3, 0:4, 0:5]
    cube, _ = array_of(data, 3, flags=2)
    places = np.stack([4 * x.ravel(), y.ravel(), z.ravel()], 1).astype(np.int32)
    got = run(kernel("suld.b.3d.b32.trap %r0, [%o, {%c0, %c1, %c2, %c2}];"), d.cuSurfObjectCreate(resource(cube)), places, np.uint32)
    assert (got[:, 0] == data.ravel()).all()
    layers, _ = array_of(data, 2, layered=True, flags=2)
    places = np.stack([z.ravel(), 4 * x.ravel(), y.ravel()], 1).astype(np.int32)
    got = run(kernel("suld.b.a2d.b32.trap %r0, [%o, {%c0, %c1, %c2, %c2}];"), d.cuSurfObjectCreate(resource(layers)), places, np.uint32)
    assert (got[:, 0] == data.ravel()).all()
    """)


def test_what_stops_a_kernel() -> None:
    for how, what in (
        ("o = 12345", "not the handle of a texture object"),
        ("o = d.cuSurfObjectCreate(resource(array))", "not the handle of a texture object"),
        ("o = texture(resource(array)); d.cuTexObjectDestroy(o)", "not the handle of a texture object"),
        ("o = texture(resource(array)); d.cuArrayDestroy(array)", "was freed"),
        ("array, _ = array_of(data[0], 1); o = texture(resource(array))", "another number of dimensions"),
        (
            "o = d.cuSurfObjectCreate(resource(array)); text = text.replace('tex.2d.v4.f32.f32', 'suld.b.2d.v4.b32.trap')",
            "outside a surface",
        ),
    ):
        printed = on_textures(f"""
        from cubind import cpu
        data = np.ones((4, 4, 1), np.float32)
        array, _ = array_of(data, 2, flags=2)
        text = fetcher("tex.2d.v4.f32.f32", TWO, 2)
        {how}
        assert name(run, text, o, np.array([[16, 0]], np.int32), np.float32) == "CUDA_ERROR_ILLEGAL_ADDRESS"
        print(cpu.last_report())
        """)
        assert what in printed, (how, printed)


def test_forms_that_are_refused() -> None:
    on_textures("""
    for form in ("tex.cube.v4.f32.s32", "tex.2d.v4.f16.f32", "tex.2d.v2.f16x2.f32", "tex.2dms.v4.f32.s32", "tld4.r.cube.v4.f32.f32"):
        assert name(module, fetcher(form, TWO, 2)) in ("CUDA_ERROR_NOT_SUPPORTED", "CUDA_ERROR_INVALID_PTX"), form
    plain = fetcher("tex.2d.v4.f32.f32", TWO, 2)
    assert name(module, plain.replace("[%o,", "[%o, %x,")) == "CUDA_ERROR_NOT_SUPPORTED"         # a sampler
    assert name(module, plain.replace("%c1}]", "%c1}], {%c0, %c1}")) == "CUDA_ERROR_NOT_SUPPORTED"  # offsets
    """)
