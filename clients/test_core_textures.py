"""cuda-core: arrays, textures and surfaces."""

import numpy as np
import pytest
from cuda.core import LaunchConfig, Program, ProgramOptions, launch
from cuda.core.texture import (
    MipmappedArrayOptions,
    OpaqueArrayOptions,
    ResourceDescriptor,
    TextureObjectOptions,
)

SOURCE = r"""
typedef unsigned long long object;
extern "C" __global__ void at(object t, const float2 *where, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex2D<float>(t, where[i].x, where[i].y);
}
extern "C" __global__ void texels(object t, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1Dfetch<float>(t, i);
}
extern "C" __global__ void level(object t, float l, float *out) { *out = tex2DLod<float>(t, 0.5f, 0.5f, l); }
extern "C" __global__ void twice(object s, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x < width) surf2Dwrite(2 * surf2Dread<float>(s, x * 4, y), s, x * 4, y);
}
"""
RNG = np.random.default_rng(3)
IMAGE = RNG.uniform(-1, 1, (20, 30)).astype(np.float32)  # rows, columns


@pytest.fixture(scope="module")
def code():
    from cuda.core import Device

    device = Device(0)
    device.set_current()
    names = ("at", "texels", "level", "twice")
    compiled = Program(SOURCE, "c++", ProgramOptions(arch=f"sm_{device.arch}")).compile("ptx")
    return {name: compiled.get_kernel(name) for name in names}


def array_of(device, stream, image, **options):
    shape = image.shape[::-1]
    array = device.create_opaque_array(OpaqueArrayOptions(shape=shape, format=image.dtype, num_channels=1, **options))
    array.copy_from(image, stream=stream)
    stream.sync()
    return array


def bilinear(image, where):
    """Between the four texels around a point, those of the edge going on outside; the weights have eight bits."""
    x, y = where[:, 0] - 0.5, where[:, 1] - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = np.round((x - left) * 256) / 256, np.round((y - top) * 256) / 256
    rows, columns = image.shape

    def texel(row, column):
        return image[row.clip(0, rows - 1), column.clip(0, columns - 1)].astype(float)

    upper = texel(top, left) * (1 - across) + texel(top, left + 1) * across
    lower = texel(top + 1, left) * (1 - across) + texel(top + 1, left + 1) * across
    return upper * (1 - down) + lower * down


@pytest.mark.parametrize("filtering", ["point", "linear"])
def test_textures(device, stream, arrays, code, filtering):
    array = array_of(device, stream, IMAGE)
    resource = ResourceDescriptor.from_opaque_array(array)
    texture = device.create_texture_object(
        resource=resource, options=TextureObjectOptions(address_mode="clamp", filter_mode=filtering)
    )
    where, out = arrays.pinned(1000, np.float32), arrays.pinned(500, np.float32)
    points = RNG.uniform(-3, 33, (500, 2)).astype(np.float32)
    where[:] = points.ravel()
    config = LaunchConfig(grid=4, block=128)
    launch(stream, config, code["at"], texture.handle, arrays.address(where), arrays.address(out), np.int32(500))
    stream.sync()
    if filtering == "linear":
        np.testing.assert_allclose(out, bilinear(IMAGE, points), atol=1e-2)
    else:
        x, y = np.floor(points).astype(int).T
        np.testing.assert_array_equal(out, IMAGE[y.clip(0, 19), x.clip(0, 29)])
    texture.close()
    array.close()


def test_linear_memory(device, stream, arrays, code):
    values = RNG.integers(0, 256, 256).astype(np.uint8)
    buffer = device.allocate(256, stream=stream)
    host = arrays.resource.allocate(256)
    np.from_dlpack(host).view(np.uint8)[:] = values
    buffer.copy_from(host, stream=stream)
    resource = ResourceDescriptor.from_linear(buffer, format=np.dtype(np.uint8), num_channels=1)
    texture = device.create_texture_object(
        resource=resource, options=TextureObjectOptions(read_mode="normalized_float")
    )
    out = arrays.pinned(256, np.float32)
    launch(stream, LaunchConfig(grid=2, block=128), code["texels"], texture.handle, arrays.address(out), np.int32(256))
    stream.sync()
    np.testing.assert_allclose(out, values / 255, rtol=1e-6)


def test_surfaces(device, stream, code):
    array = array_of(device, stream, IMAGE, is_surface_load_store=True)
    surface = device.create_surface_object(resource=ResourceDescriptor.from_opaque_array(array))
    launch(stream, LaunchConfig(grid=(1, 20), block=32), code["twice"], surface.handle, np.int32(30), np.int32(20))
    back = np.zeros_like(IMAGE)
    array.copy_to(back, stream=stream)
    stream.sync()
    np.testing.assert_array_equal(back, 2 * IMAGE)


def test_levels_of_detail(device, stream, arrays, code):
    options = MipmappedArrayOptions(shape=(8, 8), format=np.dtype(np.float32), num_channels=1, num_levels=3)
    levels = device.create_mipmapped_array(options)
    for k in range(levels.num_levels):
        one = levels.get_level(k)
        one.copy_from(np.full((8 >> k, 8 >> k), 10 * k, np.float32), stream=stream)
    texture = device.create_texture_object(
        resource=ResourceDescriptor.from_mipmapped_array(levels),
        options=TextureObjectOptions(
            filter_mode="linear", mipmap_filter_mode="linear", normalized_coords=True, max_mipmap_level_clamp=2.0
        ),
    )
    out = arrays.pinned(1, np.float32)
    for at, expected in ((0, 0), (1, 10), (1.5, 15), (2, 20), (7, 20)):
        launch(
            stream, LaunchConfig(grid=1, block=1), code["level"], texture.handle, np.float32(at), arrays.address(out)
        )
        stream.sync()
        assert out[0] == expected


def test_what_cannot_be_made(device):
    with pytest.raises(Exception, match=r"INVALID_VALUE|channels"):
        device.create_opaque_array(OpaqueArrayOptions(shape=(4, 4), format="float32", num_channels=3))
    array = device.create_opaque_array(OpaqueArrayOptions(shape=(4, 4), format="float32", num_channels=1))
    with pytest.raises(Exception, match=r"surface|SURFACE|INVALID"):
        device.create_surface_object(resource=ResourceDescriptor.from_opaque_array(array))
