"""Levels of detail and cube maps, against models in NumPy."""

from __future__ import annotations

import textwrap

from tests.cpu_device.test_exec_textures import HELPERS
from tests.helpers.cpu import on_cpu

LEVELS = r"""
def mipmapped(width, height=0, depth=0, layers=0, flags=0, channels=1):
    "A mipmapped float array and the data of its levels, (z or layer, y, x, channels) as far as there are such axes."
    p = d.CUDA_ARRAY3D_DESCRIPTOR(Width=width, Height=height, Depth=layers or depth, Format=F.CU_AD_FORMAT_FLOAT, NumChannels=channels,
                                  Flags=flags | (1 if layers and not flags & 4 else 0))
    m, values = d.cuMipmappedArrayCreate(p, 20), []
    for k in range(20):
        try:
            level = d.cuMipmappedArrayGetLevel(m, k)
        except cubind.CudaError:
            break
        q = d.cuArray3DGetDescriptor(level)
        shape = [n for n in (q.Depth, q.Height, q.Width) if n] + [channels]
        data = rng.uniform(-1, 1, shape).astype(np.float32)
        copy(data, level, q, True)
        values.append(data)
    return m, values

def of_levels(m, blends=False, bias=0, least=0, most=99, **how):
    r = d.CUDA_RESOURCE_DESC(resType=R.CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
    r.res.mipmap.hMipmappedArray = m
    create = d.cuTexObjectCreate
    def with_levels(resource, t, view):
        t.mipmapFilterMode = 1 if blends else 0
        t.mipmapLevelBias, t.minMipmapLevelClamp, t.maxMipmapLevelClamp = bias, least, most
        return create(resource, t, view)
    d.cuTexObjectCreate = with_levels
    try:
        return texture(r, **how)
    finally:
        d.cuTexObjectCreate = create

def level_model(values, x, lod, read, blends=False, bias=0, least=0, most=99):
    at = np.clip(np.maximum(np.minimum(lod + bias, most), least), 0, len(values) - 1)
    if not blends:
        k = np.floor(at + 0.5).astype(int)
        return np.stack([read(values[j], x[i:i + 1])[0] for i, j in enumerate(k)])
    k = np.floor(at).astype(int)
    f = np.floor((at - k) * 256 + 0.5) / 256
    rows = []
    for i, j in enumerate(k):
        a, b = read(values[j], x[i:i + 1])[0], read(values[min(j + 1, len(values) - 1)], x[i:i + 1])[0]
        rows.append((1 - f[i]) * a + f[i] * b)
    return np.stack(rows)

def with_level(text, register): return text.replace("}];", "}], " + register + ";", 1).replace("%c<5>", "%c<12>")
"""


def on_textures(script: str) -> str:
    return on_cpu(HELPERS + LEVELS + textwrap.dedent(script), timeout=120)


def test_levels_of_detail() -> None:
    on_textures("""
    lods = np.array([-3, -0.2, 0, 0.25, 0.49, 0.5, 0.75, 1, 1.4999, 2.3, 3.1, 3.9, 4, 7, 1000], np.float32)
    shapes = {"1d": (dict(width=37), "%c0"), "2d": (dict(width=16, height=9, channels=4), TWO), "3d": (dict(width=8, height=6, depth=5), "%c0, %c1, %c2, %c2")}
    for (geometry, (shape, place)), linear, blends, normalized, mode in itertools.product(
            shapes.items(), (False, True), (False, True), (False, True), ("clamp", "border", "mirror")):
        if mode == "mirror" and not normalized:
            continue
        axes = int(geometry[0])
        m, values = mipmapped(**shape)
        assert len(values) == {"1d": 6, "2d": 5, "3d": 4}[geometry]
        for bias, least, most in ((0, 0, 99), (-1.5, 0.75, 2.25), (2, 0, 0)):
            o = of_levels(m, blends, bias, least, most, linear=linear, normalized=normalized, mode=mode)
            x = rng.uniform(-0.3, 1.3, (len(lods) * 4, axes)).astype(np.float32)
            if not normalized:
                x *= 12
            lod = np.tile(lods, 4)
            text = with_level(fetcher(f"tex.level.{geometry}.v4.f32.f32", place, axes + 1), f"%c{axes}")
            got = run(text, o, np.column_stack([x, lod]), np.float32)
            read = lambda v, at: model(v, at, mode, linear, normalized, (0, 0, 0, 0))
            want = level_model(values, x, lod.astype(np.float64), read, blends, bias, least, most)
            n = want.shape[1]
            assert np.allclose(got[:, :n], want, atol=2e-6), (geometry, linear, blends, normalized, mode, bias)
            # without a level: the first, as far as bias and limits let it
            plain = run(fetcher(f"tex.base.{geometry}.v4.f32.f32", place, axes), o, x, np.float32)
            want = level_model(values, x, np.zeros(len(x)), read, blends, bias, least, most)
            assert np.allclose(plain[:, :n], want, atol=2e-6), (geometry, "base")
            d.cuTexObjectDestroy(o)
        d.cuMipmappedArrayDestroy(m)
    """)


def test_gradients_layers_and_texels_of_a_level() -> None:
    on_textures("""
    m, values = mipmapped(width=32, height=16, layers=3)
    o = of_levels(m, True, linear=True, normalized=True)
    n = 200
    x = rng.uniform(0, 1, (n, 2)).astype(np.float32)
    layer = rng.integers(-1, 5, (n, 1)).astype(np.int32)
    dx, dy = (rng.uniform(-0.2, 0.2, (n, 2)).astype(np.float32) for _ in range(2))
    text = fetcher("tex.grad.a2d.v4.f32.f32", "%c0, %c1, %c2, %c2", 7).replace("%c<5>", "%c<9>").replace("}];", "}], {%c3, %c4}, {%c5, %c6};", 1)
    got = run(text, o, np.column_stack([layer.view(np.float32), x, dx, dy]), np.float32)
    size = np.array([32.0, 16.0])
    lod = np.log2(np.maximum(np.hypot(*(dx * size).T), np.hypot(*(dy * size).T)))
    rows = np.clip(layer[:, 0], 0, 2)
    want = np.concatenate([level_model([v[k] for v in values], x[i:i + 1], lod[i:i + 1], lambda v, at: model(v, at, "clamp", True, True, (0,) * 4), True)
                           for i, k in enumerate(rows)])
    assert np.allclose(got[:, :1], want, atol=0.01), np.abs(got[:, :1] - want).max()      # a weight may be one step off
    assert (np.abs(got[:, :1] - want) < 1e-6).mean() > 0.9
    # integer coordinates: texels of the level that is named
    places = np.column_stack([rng.integers(0, 32, n), rng.integers(0, 16, n), rng.integers(-1, 8, n)]).astype(np.int32)
    text = with_level(fetcher("tex.level.2d.v4.f32.s32", TWO, 3), "%c2")
    flat, values = mipmapped(width=32, height=16)
    p = of_levels(flat)
    got = run(text, p, places, np.float32)
    for (i, j, k), g in zip(places, got[:, 0]):
        v = values[min(max(k, 0), len(values) - 1)]
        assert g == v[min(j, v.shape[0] - 1), min(i, v.shape[1] - 1), 0]
    # what a kernel can ask about them
    ask = with_level(fetcher("tex.base.2d.v4.f32.f32", TWO, 1), "%c0")
    def query(object, *lines):
        body = "".join(f"{line};\\n" for line in lines)
        text = fetcher("X", TWO, 1)
        start = text.index("X {")
        return run(text[:start] + body + text[text.index("st.global.v4"):], object, np.arange(7, dtype=np.int32)[:, None], np.int32)
    got = query(p, "txq.num_mipmap_levels.b32 %r0, [%o]", "txq.level.width.b32 %r1, [%o], %c0", "txq.level.height.b32 %r2, [%o], %c0", "txq.width.b32 %r3, [%o]")
    assert (got[:, 0] == 6).all() and (got[:, 3] == 32).all()
    assert list(got[:, 1]) == [32, 16, 8, 4, 2, 1, 1] and list(got[:, 2]) == [16, 8, 4, 2, 1, 1, 1]
    """)


def test_cube_maps() -> None:
    on_textures("""
    def face_model(v):                                      # the programming guide's table
        x, y, z = (float(c) for c in v)
        if abs(x) > abs(y) and abs(x) > abs(z): f, m, s, t = (0, x, -z, -y) if x >= 0 else (1, -x, z, -y)
        elif abs(y) > abs(x) and abs(y) > abs(z): f, m, s, t = (2, y, x, z) if y >= 0 else (3, -y, x, -z)
        else: f, m, s, t = (4, z, x, -y) if z >= 0 else (5, -z, -x, -y)
        return f, np.array([[(s / m + 1) / 2, (t / m + 1) / 2]])
    n = 300
    direction = rng.normal(size=(n, 3)).astype(np.float32)
    for linear in (False, True):
        data = rng.uniform(-1, 1, (6, 8, 8, 2)).astype(np.float32)
        faces, p = array_of(data, 2, layered=True, flags=4)
        assert d.cuArray3DGetDescriptor(faces).Flags == 5
        one = d.CUDA_ARRAY3D_DESCRIPTOR(Width=8, Height=8, Depth=6, Format=F.CU_AD_FORMAT_FLOAT, NumChannels=2, Flags=4)
        single = d.cuArray3DCreate(one)
        copy(data, single, one, True)
        for array in (single, faces):
            o = texture(resource(array), linear=linear)
            got = run(fetcher("tex.cube.v4.f32.f32", "%c0, %c1, %c2, %c2", 3), o, direction, np.float32)
            seen = set()
            for v, g in zip(direction, got):
                f, at = face_model(v)
                seen.add(f)
                assert np.allclose(g[:2], model(data[f], at, "clamp", linear, True, (0,) * 4)[0], atol=2e-6)
            assert seen == set(range(6))
    # several, with levels
    m, values = mipmapped(width=8, height=8, layers=18, flags=5)
    assert [v.shape[0] for v in values] == [18] * 4
    o = of_levels(m, True, linear=True)
    which, lod = rng.integers(-1, 4, n).astype(np.int32), rng.uniform(-1, 4, n).astype(np.float32)
    text = with_level(fetcher("tex.level.acube.v4.f32.f32", "%c0, %c1, %c2, %c3", 5), "%c4")
    got = run(text, o, np.column_stack([which.view(np.float32), direction, lod]), np.float32)
    for v, w, l, g in zip(direction, which, lod, got):
        f, at = face_model(v)
        k = min(max(w, 0), 2) * 6 + f
        want = level_model([value[k] for value in values], at, np.array([l], float), lambda a, x: model(a, x, "clamp", True, True, (0,) * 4), True)
        assert np.allclose(g[:1], want[0], atol=2e-6)
    # shapes that are none, and instructions on the wrong kind
    for change in ({"Depth": 5}, {"Height": 7}, {"Depth": 7, "Flags": 5}, {"Depth": 0}):
        arguments = {"Width": 8, "Height": 8, "Depth": 6, "Format": F.CU_AD_FORMAT_FLOAT, "NumChannels": 1, "Flags": 4} | change
        assert name(d.cuArray3DCreate, d.CUDA_ARRAY3D_DESCRIPTOR(**arguments)) == "CUDA_ERROR_INVALID_VALUE", change
    for bad in ("tex.cube.v4.f32.s32", "tld4.r.cube.v4.f32.f32"):
        assert name(module, fetcher(bad, "%c0, %c1, %c2, %c2", 3)) in ("CUDA_ERROR_NOT_SUPPORTED", "CUDA_ERROR_INVALID_PTX")
    odd = np.array([[0, 0, 0], [np.nan, 1, 0], [np.inf, -np.inf, 1], [1, 1, 1], [-1, -1, 1]], np.float32)
    run(fetcher("tex.cube.v4.f32.f32", "%c0, %c1, %c2, %c2", 3), texture(resource(single), linear=True), odd, np.float32)
    assert name(run, fetcher("tex.cube.v4.f32.f32", "%c0, %c1, %c2, %c2", 3), of_levels(mipmapped(width=8, height=8)[0]), direction, np.float32) \\
        == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)


def test_what_levels_are_not() -> None:
    on_textures("""
    m, _ = mipmapped(width=8, height=8)
    r = d.CUDA_RESOURCE_DESC(resType=R.CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
    assert name(texture, r) == "CUDA_ERROR_INVALID_HANDLE"
    r.res.mipmap.hMipmappedArray = m
    t = d.CUDA_TEXTURE_DESC(mipmapFilterMode=7)
    assert name(d.cuTexObjectCreate, r, t, None) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuSurfObjectCreate, r) == "CUDA_ERROR_INVALID_VALUE"
    o = texture(r)
    d.cuMipmappedArrayDestroy(m)                            # under the texture
    assert name(run, fetcher("tex.2d.v4.f32.f32", TWO, 2), o, np.zeros((2, 2), np.float32), np.float32) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)
