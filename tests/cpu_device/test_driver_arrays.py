"""The CPU device's driver API: arrays, mipmapped arrays, copies to and from them, texture and surface objects."""

from __future__ import annotations

import textwrap

from tests.cpu_device.test_exec_textures import HELPERS
from tests.helpers.cpu import on_cpu


def on_arrays(script: str) -> str:
    return on_cpu(HELPERS + "bad = 'CUDA_ERROR_INVALID_VALUE'\n" + textwrap.dedent(script))


def test_descriptions_and_lifetimes() -> None:
    on_arrays("""
    free = d.cuMemGetInfo()[0]
    p = d.CUDA_ARRAY_DESCRIPTOR(Width=10, Height=5, Format=F.CU_AD_FORMAT_FLOAT, NumChannels=2)
    a = d.cuArrayCreate(p)
    assert free - d.cuMemGetInfo()[0] == 400
    q = d.cuArrayGetDescriptor(a)
    assert (q.Width, q.Height, q.Format, q.NumChannels) == (10, 5, F.CU_AD_FORMAT_FLOAT, 2)
    q = d.cuArray3DGetDescriptor(a)
    assert (q.Width, q.Height, q.Depth, q.Flags) == (10, 5, 0, 0)
    # it has memory of its own, all of it
    assert name(d.cuArrayGetMemoryRequirements, a, 0) == name(d.cuArrayGetSparseProperties, a) == bad
    assert name(d.cuArrayGetMemoryRequirements, a, 9) == "CUDA_ERROR_INVALID_DEVICE"
    d.cuArrayDestroy(a)
    assert d.cuMemGetInfo()[0] == free
    assert name(d.cuArrayGetMemoryRequirements, a, 0) == name(d.cuArrayGetSparseProperties, a) == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuArrayDestroy, a) == name(d.cuArrayGetDescriptor, a) == "CUDA_ERROR_INVALID_HANDLE"
    for change in ({"Width": 0}, {"NumChannels": 3}, {"NumChannels": 0}, {"Width": 1 << 40}):
        arguments = {"Width": 10, "Height": 5, "Format": F.CU_AD_FORMAT_FLOAT, "NumChannels": 1} | change
        assert name(d.cuArrayCreate, d.CUDA_ARRAY_DESCRIPTOR(**arguments)) == bad, change
    assert name(d.cuArrayCreate, d.CUDA_ARRAY_DESCRIPTOR(Width=1, Format=F.CU_AD_FORMAT_NV12, NumChannels=1)) == "CUDA_ERROR_NOT_SUPPORTED"
    sparse = d.CUDA_ARRAY3D_DESCRIPTOR(Width=4, Height=4, Format=F.CU_AD_FORMAT_FLOAT, NumChannels=1, Flags=0x40)
    assert name(d.cuArray3DCreate, sparse) == "CUDA_ERROR_NOT_SUPPORTED"
    # what a context made goes with it
    made = d.cuCtxCreate(None, 0, 0)
    b = d.cuArrayCreate(p)
    t = texture(resource(b))
    d.cuCtxDestroy(made)
    d.cuCtxSetCurrent(context)
    assert name(d.cuTexObjectDestroy, t) == bad
    assert name(d.cuArrayDestroy, b) == "CUDA_ERROR_INVALID_HANDLE" and d.cuMemGetInfo()[0] == free
    """)


def test_mipmapped_arrays() -> None:
    on_arrays("""
    free = d.cuMemGetInfo()[0]
    p = d.CUDA_ARRAY3D_DESCRIPTOR(Width=20, Height=6, Format=F.CU_AD_FORMAT_UNSIGNED_INT8, NumChannels=1)
    m = d.cuMipmappedArrayCreate(p, 100)
    sizes = []
    for level in range(5):
        q = d.cuArray3DGetDescriptor(d.cuMipmappedArrayGetLevel(m, level))
        sizes.append((q.Width, q.Height))
    assert sizes == [(20, 6), (10, 3), (5, 1), (2, 1), (1, 1)]
    assert name(d.cuMipmappedArrayGetLevel, m, 5) == bad == name(d.cuMipmappedArrayCreate, p, 0)
    assert name(d.cuMipmappedArrayGetMemoryRequirements, m, 0) == name(d.cuMipmappedArrayGetSparseProperties, m) == bad
    assert name(d.cuMipmappedArrayGetMemoryRequirements, m, -1) == "CUDA_ERROR_INVALID_DEVICE"
    level = d.cuMipmappedArrayGetLevel(m, 1)
    assert d.cuMipmappedArrayGetLevel(m, 1) == level and name(d.cuArrayDestroy, level) == bad
    d.cuMipmappedArrayDestroy(m)
    assert name(d.cuMipmappedArrayDestroy, m) == name(d.cuArrayGetDescriptor, level) == "CUDA_ERROR_INVALID_HANDLE"
    assert d.cuMemGetInfo()[0] == free
    """)


def test_copies() -> None:
    on_arrays("""
    data = rng.integers(0, 256, (4, 5, 6, 4)).astype(np.uint8)
    a, p = array_of(data, 3)
    back = np.zeros_like(data)
    copy(back, a, p, False)
    assert (back == data).all()
    # a part of it into another array, and from there to the device, in a stream
    b = d.cuArray3DCreate(p)
    T = d.CUmemorytype
    c = d.CUDA_MEMCPY3D()
    c.srcMemoryType = c.dstMemoryType = T.CU_MEMORYTYPE_ARRAY
    c.srcArray, c.dstArray = a, b
    c.srcXInBytes, c.srcY, c.srcZ, c.WidthInBytes, c.Height, c.Depth = 4, 1, 1, 8, 3, 2
    s = d.cuStreamCreate(1)
    d.cuMemcpy3DAsync(c, s)
    device = d.cuMemAlloc(48)
    e = d.CUDA_MEMCPY3D()
    e.srcMemoryType, e.srcArray, e.dstMemoryType, e.dstDevice = T.CU_MEMORYTYPE_ARRAY, b, T.CU_MEMORYTYPE_DEVICE, device
    e.dstPitch, e.dstHeight, e.WidthInBytes, e.Height, e.Depth = 8, 3, 8, 3, 2
    d.cuMemcpy3DAsync(e, s)
    d.cuStreamSynchronize(s)
    out = np.empty((2, 3, 2, 4), np.uint8)
    d.cuMemcpyDtoH(out, device, 48)
    assert (out == data[1:3, 1:4, 1:3]).all()
    flat, q = array_of(np.zeros((5, 6, 4), np.uint8), 2)
    two = d.CUDA_MEMCPY2D()
    two.srcMemoryType, two.srcHost, two.srcPitch, two.dstMemoryType, two.dstArray = T.CU_MEMORYTYPE_HOST, data.ctypes.data, 24, T.CU_MEMORYTYPE_ARRAY, flat
    two.WidthInBytes, two.Height, two.dstXInBytes, two.dstY = 12, 2, 8, 3
    d.cuMemcpy2D(two)
    got = np.empty((5, 6, 4), np.uint8)
    copy(got, flat, q, False)
    want = np.zeros((5, 6, 4), np.uint8)
    want[3:5, 2:5] = data[0, :2, :3]
    assert (got == want).all()
    # outside, in the middle of a texel, or of no array
    for change in ({"dstXInBytes": 16}, {"dstY": 4}, {"WidthInBytes": 6}, {"dstXInBytes": 2}):
        for key, value in change.items():
            old = getattr(two, key)
            setattr(two, key, value)
            assert name(d.cuMemcpy2D, two) == bad, change
            setattr(two, key, old)
    d.cuArrayDestroy(flat)
    assert name(d.cuMemcpy2D, two) == "CUDA_ERROR_INVALID_HANDLE"
    """)


def test_texture_and_surface_objects() -> None:
    on_arrays("""
    a, _ = array_of(np.ones((4, 4, 1), np.float32), 2, flags=2)
    plain, _ = array_of(np.ones((4, 4, 1), np.int32), 2)
    t = texture(resource(a), "wrap", True, True, border=(1, 2, 3, 4))
    got = d.cuTexObjectGetTextureDesc(t)
    assert got.flags == 2 and list(got.borderColor) == [1, 2, 3, 4] and got.addressMode[1] == MODES["wrap"]
    assert d.cuTexObjectGetResourceDesc(t).res.array.hArray == a
    assert name(d.cuTexObjectGetResourceViewDesc, t) == bad
    s = d.cuSurfObjectCreate(resource(a))
    assert d.cuSurfObjectGetResourceDesc(s).res.array.hArray == a
    assert name(d.cuTexObjectDestroy, s) == name(d.cuSurfObjectDestroy, t) == name(d.cuTexObjectGetTextureDesc, 5) == bad
    d.cuTexObjectDestroy(t), d.cuSurfObjectDestroy(s)
    assert name(d.cuTexObjectDestroy, t) == name(d.cuSurfObjectDestroy, s) == bad
    assert name(d.cuSurfObjectCreate, resource(plain)) == bad               # made without the flag for surfaces
    assert name(lambda: texture(resource(plain), linear=True)) == bad               # integers are not interpolated
    assert name(texture, resource(12345)) == "CUDA_ERROR_INVALID_HANDLE"
    p = d.cuMemAlloc(400)
    r = d.CUDA_RESOURCE_DESC()
    r.resType = R.CU_RESOURCE_TYPE_LINEAR
    r.res.linear.devPtr, r.res.linear.format, r.res.linear.numChannels, r.res.linear.sizeInBytes = p, F.CU_AD_FORMAT_FLOAT, 1, 404
    assert name(texture, r) == bad                                          # larger than the allocation
    r.res.linear.sizeInBytes, r.res.linear.devPtr = 100, p + 4
    assert name(texture, r) == bad                                          # not aligned
    r.res.linear.devPtr = p
    d.cuTexObjectDestroy(texture(r))
    """)


def test_copies_in_one_dimension() -> None:
    on_arrays("""
    a = d.cuArrayCreate(d.CUDA_ARRAY_DESCRIPTOR(Width=100, Format=F.CU_AD_FORMAT_UNSIGNED_INT8, NumChannels=4))
    b = d.cuArrayCreate(d.CUDA_ARRAY_DESCRIPTOR(Width=100, Format=F.CU_AD_FORMAT_UNSIGNED_INT8, NumChannels=4))
    data, back = rng.integers(0, 256, 400).astype(np.uint8), np.zeros(400, np.uint8)
    d.cuMemcpyHtoA(a, 0, data, 400)
    d.cuMemcpyAtoA(b, 40, a, 4, 300)
    d.cuMemcpyAtoH(back, b, 40, 300)
    assert (back[:300] == data[4:304]).all()
    p = d.cuMemAlloc(400)
    d.cuMemcpyAtoD(p, a, 0, 400)
    d.cuMemcpyDtoA(b, 0, p, 400)
    d.cuCtxSynchronize()  # a copy on the device is not waited for, and the stream is one that does not wait either
    s = d.cuStreamCreate(1)
    d.cuMemcpyHtoAAsync(b, 396, data, 4, s)
    d.cuMemcpyAtoHAsync(back, b, 0, 400, s)
    d.cuStreamSynchronize(s)
    assert (back[:396] == data[:396]).all() and (back[396:] == data[:4]).all()
    for arguments in ((a, 4, data, 400), (a, 2, data, 4), (a, 0, data, 6), (a, 404, data, 0 + 4)):
        assert name(d.cuMemcpyHtoA, *arguments) == bad, arguments
    assert name(d.cuMemcpyHtoA, 5, 0, data, 4) == "CUDA_ERROR_INVALID_HANDLE"
    """)


def test_a_graph_copies_arrays() -> None:
    on_arrays("""
    data = rng.integers(0, 256, (5, 6, 4)).astype(np.uint8)
    a, p = array_of(data, 2)
    b = d.cuArray3DCreate(p)
    T = d.CUmemorytype
    c = d.CUDA_MEMCPY3D()
    c.srcMemoryType = c.dstMemoryType = T.CU_MEMORYTYPE_ARRAY
    c.srcArray, c.dstArray, c.WidthInBytes, c.Height, c.Depth = a, b, 24, 5, 1
    graph = d.cuGraphCreate(0)
    node = d.cuGraphAddMemcpyNode(graph, None, 0, c, context)
    q = d.cuGraphMemcpyNodeGetParams(node)
    assert q.srcMemoryType == q.dstMemoryType == T.CU_MEMORYTYPE_ARRAY and (q.srcArray, q.dstArray) == (a, b)
    made = d.cuGraphInstantiate(graph, 0)
    d.cuGraphLaunch(made, None)
    d.cuCtxSynchronize()
    got = np.zeros_like(data)
    copy(got, b, p, False)
    assert (got == data).all()
    d.cuArrayDestroy(b)
    d.cuGraphLaunch(made, None)
    assert name(d.cuCtxSynchronize) == "CUDA_ERROR_ILLEGAL_ADDRESS"
    """)
