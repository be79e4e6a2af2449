"""The runtime API on the CPU device: arrays, copies to and from them, texture and surface objects."""

from __future__ import annotations

from tests.cpu_device.test_exec_textures import HELPERS
from tests.helpers.cpu import on_cpu
from tests.helpers.cpu_runtime import on_runtime

ARRAYS = """
        import numpy as np
        F = r.cudaChannelFormatKind
        def desc(x, y=0, z=0, w=0, f=F.cudaChannelFormatKindFloat): return r.cudaCreateChannelDesc(x, y, z, w, f)
        IN, OUT = r.cudaMemcpyKind.cudaMemcpyHostToDevice, r.cudaMemcpyKind.cudaMemcpyDeviceToHost
        rng = np.random.default_rng(3)
"""


def test_arrays() -> None:
    on_runtime(
        ARRAYS
        + """
        a = r.cudaMallocArray(desc(32, 32), 20, 10, 0)
        info, extents, flags = r.cudaArrayGetInfo(a)
        assert (info.x, info.y, info.z, info.w, info.f) == (32, 32, 0, 0, F.cudaChannelFormatKindFloat)
        assert (extents.width, extents.height, extents.depth, flags) == (20, 10, 0, 0) and r.cudaGetChannelDesc(a).y == 32
        data, back = rng.standard_normal((10, 20, 2)).astype(np.float32), np.zeros((10, 20, 2), np.float32)
        r.cudaMemcpy2DToArray(a, 0, 0, data, 160, 160, 10, IN)
        r.cudaMemcpy2DFromArray(back, 160, a, 0, 0, 160, 10, OUT)
        assert (back == data).all()
        b = r.cudaMalloc3DArray(desc(32, 32), extent(20, 10, 0), 0)
        r.cudaMemcpy2DArrayToArray(b, 16, 1, a, 0, 0, 80, 4, r.cudaMemcpyKind.cudaMemcpyDeviceToDevice)
        s = r.cudaStreamCreate()
        part = np.zeros((4, 10, 2), np.float32)
        r.cudaMemcpy2DFromArrayAsync(part, 80, b, 16, 1, 80, 4, OUT, s)
        r.cudaStreamSynchronize(s)
        assert (part == data[:4, :10]).all()
        r.cudaFreeArray(a), r.cudaFreeArray(None)
        assert name(r.cudaFreeArray, a) == "cudaErrorInvalidResourceHandle"
        for wrong in (desc(32, 16), desc(32, 32, 32), desc(8), desc(0), desc(32, 0, 32)):
            assert name(r.cudaMallocArray, wrong, 4, 4, 0) == "cudaErrorInvalidChannelDescriptor"
        assert name(r.cudaMallocArray, desc(32), 0, 4, 0) == "cudaErrorInvalidValue"
        assert name(r.cudaMemcpy2DToArray, b, 0, 0, data, 100, 160, 10, IN) == "cudaErrorInvalidPitchValue"
        assert name(r.cudaMemcpy2DToArray, b, 8, 0, data, 160, 160, 10, IN) == "cudaErrorInvalidValue"
        """
    )


def test_copies_in_three_dimensions() -> None:
    on_runtime(
        ARRAYS
        + """
        a = r.cudaMalloc3DArray(desc(16, f=F.cudaChannelFormatKindUnsigned), extent(6, 5, 4), 0)
        data, back = rng.integers(0, 65536, (4, 5, 6)).astype(np.uint16), np.zeros((4, 5, 6), np.uint16)
        def parameters(host, into):
            p = r.cudaMemcpy3DParms()
            box = r.cudaPitchedPtr(ptr=host.ctypes.data, pitch=12, xsize=12, ysize=5)
            if into: p.srcPtr, p.dstArray, p.kind = box, a, IN
            else: p.dstPtr, p.srcArray, p.kind = box, a, OUT
            p.extent = extent(6, 5, 4)
            return p
        r.cudaMemcpy3D(parameters(data, True))
        r.cudaMemcpy3D(parameters(back, False))
        assert (back == data).all()
        """
    )


def test_texture_and_surface_objects() -> None:
    on_cpu(
        HELPERS
        + """
from cubind import runtime as r
data = rng.integers(0, 256, (6, 9, 1)).astype(np.uint8)
a = r.cudaMallocArray(r.cudaCreateChannelDesc(8, 0, 0, 0, r.cudaChannelFormatKind.cudaChannelFormatKindUnsigned), 9, 6, 2)
r.cudaMemcpy2DToArray(a, 0, 0, data, 9, 9, 6, r.cudaMemcpyKind.cudaMemcpyHostToDevice)
resource_of, how = r.cudaResourceDesc(), r.cudaTextureDesc()
resource_of.resType = r.cudaResourceType.cudaResourceTypeArray
resource_of.res.array.array = a
how.addressMode = [r.cudaTextureAddressMode.cudaAddressModeWrap] * 3
how.filterMode = r.cudaTextureFilterMode.cudaFilterModeLinear
how.readMode = r.cudaTextureReadMode.cudaReadModeNormalizedFloat
how.normalizedCoords = 1
o = r.cudaCreateTextureObject(resource_of, how, None)
x = rng.uniform(-2, 2, (100, 2)).astype(np.float32)
got = run(fetcher("tex.2d.v4.f32.f32", TWO, 2), o, x, np.float32)
check(got, model(data / 255.0, x, "wrap", True, True, (0, 0, 0, 0)))
# what it was made of, in the runtime's words
said, how_said = r.cudaGetTextureObjectResourceDesc(o), r.cudaGetTextureObjectTextureDesc(o)
assert said.resType == r.cudaResourceType.cudaResourceTypeArray and int(said.res.array.array) == int(a)
assert [int(m) for m in how_said.addressMode] == [0] * 3 and int(how_said.filterMode) == 1 and int(how_said.readMode) == 1
assert how_said.normalizedCoords == 1 and how_said.sRGB == 0
r.cudaDestroyTextureObject(o)
s = r.cudaCreateSurfaceObject(resource_of)
assert int(r.cudaGetSurfaceObjectResourceDesc(s).res.array.array) == int(a)
r.cudaDestroySurfaceObject(s)
linear, plain = r.cudaResourceDesc(), r.cudaTextureDesc()
p = r.cudaMalloc(4096)
linear.resType = r.cudaResourceType.cudaResourceTypeLinear
linear.res.linear.devPtr, linear.res.linear.sizeInBytes = p, 4096
linear.res.linear.desc = r.cudaCreateChannelDesc(32, 32, 0, 0, r.cudaChannelFormatKind.cudaChannelFormatKindFloat)
t = r.cudaCreateTextureObject(linear, plain, None)
said = r.cudaGetTextureObjectResourceDesc(t)
one = said.res.linear
assert int(said.resType) == 2 and (int(one.devPtr), one.sizeInBytes, one.desc.x, one.desc.y, one.desc.z, int(one.desc.f)) == (int(p), 4096, 32, 32, 0, 2)
assert int(r.cudaGetTextureObjectTextureDesc(t).readMode) == 0
for ask in (r.cudaGetTextureObjectResourceDesc, r.cudaGetTextureObjectTextureDesc, r.cudaGetSurfaceObjectResourceDesc):
    for bad in (o, s, 0, 12345):
        try:
            ask(bad)
            raise SystemExit(f"{ask.__name__}({bad})")
        except cubind.CudaError as error:
            assert error.name in ("cudaErrorInvalidValue", "cudaErrorInvalidResourceHandle"), error.name
r.cudaDestroyTextureObject(t)
how.readMode = r.cudaTextureReadMode.cudaReadModeElementType
try:
    r.cudaCreateTextureObject(resource_of, how, None)
    raise SystemExit("integers cannot be interpolated")
except cubind.CudaError as error:
    assert error.name == "cudaErrorInvalidValue", error.name
"""
    )


def test_textures_with_levels_of_detail() -> None:
    on_cpu(
        HELPERS
        + """
from cubind import runtime as r
desc = r.cudaCreateChannelDesc(32, 0, 0, 0, r.cudaChannelFormatKind.cudaChannelFormatKindFloat)
m = r.cudaMallocMipmappedArray(desc, r.cudaExtent(width=8, height=4, depth=0), 3, 0)
values = []
for k in range(3):
    level = r.cudaGetMipmappedArrayLevel(m, k)
    extent = r.cudaArrayGetInfo(level)[1]
    assert (extent.width, extent.height) == (8 >> k, 4 >> k)
    values.append(rng.uniform(-1, 1, (4 >> k, 8 >> k, 1)).astype(np.float32))
    width = 4 * (8 >> k)
    r.cudaMemcpy2DToArray(level, 0, 0, values[-1], width, width, 4 >> k, r.cudaMemcpyKind.cudaMemcpyHostToDevice)
resource_of = r.cudaResourceDesc(resType=r.cudaResourceType.cudaResourceTypeMipmappedArray)
resource_of.res.mipmap.mipmap = m
how = r.cudaTextureDesc(addressMode=[r.cudaTextureAddressMode.cudaAddressModeClamp] * 3, maxMipmapLevelClamp=9, normalizedCoords=1)
o = r.cudaCreateTextureObject(resource_of, how, None)
x = rng.uniform(0, 1, (60, 2)).astype(np.float32)
for lod, k in ((0, 0), (1.2, 1), (1.7, 2), (8, 2)):
    text = fetcher("tex.level.2d.v4.f32.f32", TWO, 3).replace("}];", "}], %c2;", 1)
    got = run(text, o, np.column_stack([x, np.full(60, lod, np.float32)]), np.float32)
    check(got, model(values[k], x, "clamp", False, True, (0, 0, 0, 0)))
r.cudaDestroyTextureObject(o)
r.cudaFreeMipmappedArray(m), r.cudaFreeMipmappedArray(None)
for call, *arguments in ((r.cudaFreeMipmappedArray, m), (r.cudaGetMipmappedArrayLevel, m, 0), (r.cudaCreateTextureObject, resource_of, how, None)):
    assert name(call, *arguments) == "cudaErrorInvalidResourceHandle", call
assert name(r.cudaMallocMipmappedArray, desc, r.cudaExtent(width=8, height=4, depth=0), 0, 0) == "cudaErrorInvalidValue"
"""
    )
