"""Textures and surfaces: images that kernels sample, filter and write."""

from typing import Any

import numpy as np

from tests.cpu_device.kernels.harness import Device, Unit

IMAGES = Unit(r"""
extern "C" __global__ void texture_blur(cudaTextureObject_t image, float *y, int w, int h) {        // the border clamps
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c >= w || r >= h) return;
    float v = 0;
    for (int dr = -1; dr <= 1; dr++) for (int dc = -1; dc <= 1; dc++) v += tex2D<float>(image, c + dc + 0.5f, r + dr + 0.5f);
    y[r * w + c] = v;
}
extern "C" __global__ void texture_zoom(cudaTextureObject_t image, float *y, int w, int h, float by) {  // between texels: linear
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c < w && r < h) y[r * w + c] = tex2D<float>(image, c * by + 0.5f, r * by + 0.5f);
}
extern "C" __global__ void texture_colors(cudaTextureObject_t image, uchar4 *y, int w, int h) {      // mirrored, rotated by a quarter
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c >= w || r >= h) return;
    uchar4 v = tex2D<uchar4>(image, h - 1 - r + 0.5f, c + 0.5f);
    y[r * w + c] = make_uchar4(v.z, v.y, v.x, v.w);
}
extern "C" __global__ void texture_volume(cudaTextureObject_t volume, float *y, int n) {             // the most along every ray
    int i = threadIdx.x, j = threadIdx.y;
    float most = -1e30f;
    for (int k = 0; k < n; k++) most = fmaxf(most, tex3D<float>(volume, i + 0.5f, j + 0.5f, k + 0.5f));
    y[j * n + i] = most;
}
extern "C" __global__ void texture_lookup(cudaTextureObject_t table, const unsigned char *x, float2 *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = tex1Dfetch<float2>(table, x[i]);
}
extern "C" __global__ void surface_transpose(cudaSurfaceObject_t from, cudaSurfaceObject_t to, int w, int h) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c >= w || r >= h) return;
    int v = surf2Dread<int>(from, c * 4, r);
    surf2Dwrite(v ^ 1, to, r * 4, c);
}
""")
FORMATS = {"f4": "FLOAT", "u1": "UNSIGNED_INT8", "i4": "SIGNED_INT32"}


def array_of(d: Device, data: np.ndarray, channels: int, surface: bool = False) -> Any:
    """A CUDA array with (z, y, x) of the data, whose last axis is the channels if there are several."""
    v = d.driver
    shape = data.shape[:-1] if channels > 1 else data.shape
    kind = getattr(v.CUarray_format, "CU_AD_FORMAT_" + FORMATS[data.dtype.str[1:]])
    made = v.cuArray3DCreate(
        v.CUDA_ARRAY3D_DESCRIPTOR(
            Width=shape[-1],
            Height=shape[-2],
            Depth=shape[0] if len(shape) == 3 else 0,
            Format=kind,
            NumChannels=channels,
            Flags=2 if surface else 0,
        )
    )
    copy(d, data, made, shape, channels, True)
    return made


def copy(d: Device, data: np.ndarray, array: Any, shape: tuple[int, ...], channels: int, into: bool) -> None:
    v = d.driver
    c = v.CUDA_MEMCPY3D(WidthInBytes=shape[-1] * channels * data.itemsize, Height=shape[-2])
    c.Depth = shape[0] if len(shape) == 3 else 1
    host, there = v.CUmemorytype.CU_MEMORYTYPE_HOST, v.CUmemorytype.CU_MEMORYTYPE_ARRAY
    if into:
        c.srcMemoryType, c.srcHost, c.srcPitch, c.srcHeight = host, data.ctypes.data, c.WidthInBytes, c.Height
        c.dstMemoryType, c.dstArray = there, array
    else:
        c.dstMemoryType, c.dstHost, c.dstPitch, c.dstHeight = host, data.ctypes.data, c.WidthInBytes, c.Height
        c.srcMemoryType, c.srcArray = there, array
    v.cuMemcpy3D(c)


def of_array(d: Device, array: Any) -> Any:
    r = d.driver.CUDA_RESOURCE_DESC(resType=d.driver.CUresourcetype.CU_RESOURCE_TYPE_ARRAY)
    r.res.array.hArray = array
    return r


def texture(d: Device, resource: Any, mode: str = "CLAMP", linear: bool = False, flags: int = 0) -> int:
    v = d.driver
    t = v.CUDA_TEXTURE_DESC(flags=flags)
    t.addressMode = [getattr(v.CUaddress_mode, "CU_TR_ADDRESS_MODE_" + mode)] * 3
    t.filterMode = getattr(v.CUfilter_mode, "CU_TR_FILTER_MODE_" + ("LINEAR" if linear else "POINT"))
    return int(v.cuTexObjectCreate(resource, t, None))


@IMAGES.case
def texture_blur(d: Device) -> None:
    x = d.random.integers(0, 100, (21, 37)).astype("f4")
    y = d.zeros("f4", x.size)
    d.launch("texture_blur", (3, 2), (16, 16), texture(d, of_array(d, array_of(d, x, 1))), y, 37, 21)
    wide = np.pad(x, 1, "edge")
    d.equal(y, sum(wide[r : r + 21, c : c + 37] for r in range(3) for c in range(3)))


@IMAGES.case
def texture_zoom(d: Device) -> None:
    x = d.random.integers(0, 64, (9, 11)).astype("f4")
    y = d.zeros("f4", 36 * 44)
    object = texture(d, of_array(d, array_of(d, x, 1)), linear=True)
    d.launch("texture_zoom", (3, 3), (16, 16), object, y, 44, 36, 0.25)  # quarters: every weight is exact
    across = np.stack([np.interp(np.arange(44) / 4, np.arange(11), row) for row in x])
    d.close(y, np.stack([np.interp(np.arange(36) / 4, np.arange(9), c) for c in across.T], 1).astype("f4"), 1e-6)


@IMAGES.case
def texture_colors(d: Device) -> None:
    x = d.random.integers(0, 256, (14, 10, 4)).astype("u1")
    y = d.zeros("u1", x.size)
    object = texture(d, of_array(d, array_of(d, x, 4)), "BORDER", flags=1)
    d.launch("texture_colors", (1, 1), (16, 16), object, y, 14, 10)
    turned = np.zeros((10, 14, 4), "u1")
    for r in range(10):
        for c in range(14):
            turned[r, c] = x[c, 9 - r][[2, 1, 0, 3]]
    d.equal(y, turned)


@IMAGES.case
def texture_volume(d: Device) -> None:
    x = d.random.normal(size=(8, 8, 8)).astype("f4")
    y = d.zeros("f4", 64)
    d.launch("texture_volume", 1, (8, 8), texture(d, of_array(d, array_of(d, x, 1))), y, 8)
    d.equal(y, x.max(0))


@IMAGES.case
def texture_lookup(d: Device) -> None:
    table, x = d.random.normal(size=(256, 2)).astype("f4"), d.random.integers(0, 256, 300).astype("u1")
    v, y = d.driver, d.zeros("f4", 600)
    r = v.CUDA_RESOURCE_DESC(resType=v.CUresourcetype.CU_RESOURCE_TYPE_LINEAR)
    r.res.linear.devPtr, r.res.linear.sizeInBytes = d.put(table), table.nbytes
    r.res.linear.format, r.res.linear.numChannels = v.CUarray_format.CU_AD_FORMAT_FLOAT, 2
    d.launch("texture_lookup", 3, 128, texture(d, r), d.put(x), y, 300)
    d.equal(y, table[x])


@IMAGES.case
def surface_transpose(d: Device) -> None:
    x = d.random.integers(-(2**31), 2**31, (20, 33)).astype("i4")
    out = np.zeros((33, 20), "i4")
    source, target = (array_of(d, image, 1, surface=True) for image in (x, out))
    objects = [int(d.driver.cuSurfObjectCreate(of_array(d, array))) for array in (source, target)]
    d.launch("surface_transpose", (3, 2), (16, 16), *objects, 33, 20)
    d.driver.cuCtxSynchronize()
    copy(d, out, target, (33, 20), 1, False)
    assert (out == x.T ^ 1).all()
