"""cuMemcpyBatchAsync: the copies, and what of a batch is refused before anything is copied."""

from __future__ import annotations

from tests.helpers.cpu import on_cpu


def test_batches_of_copies() -> None:
    on_cpu("""
    O, F = d.CUmemcpySrcAccessOrder, d.CUmemcpyFlags
    order = {k: d.CUmemcpyAttributes(srcAccessOrder=k, flags=f) for k, f in (
        (O.CU_MEMCPY_SRC_ACCESS_ORDER_STREAM, 0), (O.CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL, 0),
        (O.CU_MEMCPY_SRC_ACCESS_ORDER_ANY, F.CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE))}
    STREAM, CALL, ANY = order.values()
    s = d.cuStreamCreate(1)
    a, b = d.cuMemAlloc(4096), d.cuMemAlloc(4096)
    import ctypes
    host = (ctypes.c_uint32 * 256)(*range(256))
    back = (ctypes.c_uint32 * 256)()
    at = ctypes.addressof
    # host to device by all three orders; the second batch reads what the first and a kernel wrote
    d.cuMemcpyBatchAsync([a, a + 256, a + 512], [at(host), at(host) + 256, at(host) + 512], [256, 256, 512], 3, [STREAM, CALL, ANY], [0, 1, 2], 3, s)
    launch("fill", a, 7, 64, block=64, stream=s)
    d.cuMemcpyBatchAsync([b, b + 1024], [a, a], [1024, 16], None, [STREAM], [0], None, s)
    d.cuMemcpyBatchAsync([at(back)], [b], [1024], 1, [CALL], [0], 1, s)
    assert list(back) == [7] * 64 + list(range(64, 256)), list(back)
    d.cuStreamSynchronize(s)
    assert words(b + 1024, 4) == [7] * 4
    d.cuMemcpyBatchAsync([b], [a], [4], 1, [STREAM], [0], 1, 2)  # the thread's default stream
    d.cuStreamSynchronize(2)

    bad, nothing = "CUDA_ERROR_INVALID_VALUE", d.CUmemcpyAttributes()
    d.cuMemsetD8(b, 1, 64)
    def refused(to=[b, b + 16], source=[a, a], sizes=[16, 16], n=2, attributes=[STREAM], firsts=[0], m=1, stream=s):
        return name(d.cuMemcpyBatchAsync, to, source, sizes, n, attributes, firsts, m, stream) == bad
    assert refused(stream=None) and refused(stream=0) and refused(stream=1)
    assert refused(to=[b, 0]) and refused(source=[a, 0]) and refused(source=[a, a + 4090])
    assert refused(attributes=[nothing]) and refused(attributes=[d.CUmemcpyAttributes(srcAccessOrder=4)])
    assert refused(attributes=[d.CUmemcpyAttributes(srcAccessOrder=1, flags=2)])
    assert refused(firsts=[1]) and refused(attributes=[STREAM, ANY], firsts=[0, 0], m=2) and refused(attributes=[STREAM, ANY], firsts=[0, 2], m=2)
    assert refused(attributes=[STREAM] * 3, firsts=[0, 1, 2], m=3) and refused(attributes=[], firsts=[], m=0)
    assert refused([], [], [], 0, [], [], 0)
    d.cuStreamSynchronize(s)
    assert words(b, 16) == [0x01010101] * 16  # nothing was copied
    assert not refused()
    """)


def test_the_first_version_says_which_copy_failed() -> None:
    on_cpu("""
    import ctypes
    library = ctypes.CDLL(LIBRARY)
    s, a = d.cuStreamCreate(1), d.cuMemAlloc(64)
    numbers = lambda *v: (ctypes.c_uint64 * len(v))(*v)
    failed, attributes = ctypes.c_size_t(5), d.CUmemcpyAttributes(srcAccessOrder=1)
    def batch(source, size=16):
        return library.cuMemcpyBatchAsync(numbers(a, a + 16), numbers(a + 32, source), numbers(16, size), ctypes.c_size_t(2),
            ctypes.c_void_p(attributes.ptr), numbers(0), ctypes.c_size_t(1), ctypes.byref(failed), ctypes.c_void_p(int(s)))
    assert batch(a + 32) == 0
    assert (batch(a + 60), failed.value) == (1, 1)
    attributes.srcAccessOrder = 0
    assert (batch(a + 32), failed.value) == (1, 2**64 - 1)
    """)


def test_copies_with_attributes_and_of_rows() -> None:
    on_cpu("""
    import numpy as np
    STREAM, CALL = (d.CUmemcpyAttributes(srcAccessOrder=k) for k in (1, 2))
    s = d.cuStreamCreate(1)
    host = np.arange(4 * 6 * 8, dtype=np.uint8).reshape(4, 6, 8)
    a, b = d.cuMemAlloc(4096), d.cuMemAlloc(4096)
    d.cuMemcpyWithAttributesAsync(a, host.ctypes.data, host.nbytes, STREAM, s)
    back = np.zeros_like(host)
    d.cuMemcpyWithAttributesAsync(back.ctypes.data, a, host.nbytes, CALL, s)
    assert (back == host).all()
    # rows in memory: bytes
    def pointer(p, row=0, height=0): return {"type": 1, "op": {"ptr": {"ptr": p, "rowLength": row, "layerHeight": height}}}
    def in_array(array, x=0, y=0, z=0): return {"type": 2, "op": {"array": {"array": array, "offset": {"x": x, "y": y, "z": z}}}}
    def op(to, source, width, height, depth, order=1):
        return d.CUDA_MEMCPY3D_BATCH_OP(src=source, dst=to, extent={"width": width, "height": height, "depth": depth}, srcAccessOrder=order)
    d.cuMemsetD8(b, 0, 4096)
    d.cuCtxSynchronize()                                    # the other stream does not wait for it
    part = op(pointer(b, 10, 7), pointer(a + 8 + 2, 8, 6), 5, 3, 2)
    # texels of an array of 4 bytes each, there and back
    F = d.CUarray_format
    array = d.cuArray3DCreate(d.CUDA_ARRAY3D_DESCRIPTOR(Width=6, Height=5, Depth=4, Format=F.CU_AD_FORMAT_UNSIGNED_INT8, NumChannels=4))
    into = op(in_array(array, 1, 2, 1), pointer(a, 2, 6), 2, 3, 2)
    out = op(pointer(b + 1024), in_array(array, 1, 2, 1), 2, 3, 2)
    d.cuMemcpy3DBatchAsync(3, [part, into, out], 0, s)
    d.cuStreamSynchronize(s)
    got = np.zeros(4096, np.uint8)
    d.cuMemcpyDtoH(got, b, 4096)
    assert (got[:140].reshape(2, 7, 10)[:, :3, :5] == host[:2, 1:4, 2:7]).all() and got[:140].sum() == host[:2, 1:4, 2:7].sum()
    assert (got[1024:1024 + 48].reshape(2, 3, 8) == host[:2, :3]).all()
    d.cuMemcpy3DWithAttributesAsync(op(pointer(b), pointer(a), 8, 6, 4, 3), 0, s)
    d.cuStreamSynchronize(s)
    d.cuMemcpyDtoH(got, b, 192)
    assert (got[:192] == host.ravel()).all()
    bad = "CUDA_ERROR_INVALID_VALUE"
    good = op(pointer(b), pointer(a), 8, 6, 4)
    d.cuMemsetD8(b, 9, 16)
    for wrong in (op(pointer(b), pointer(a), 0, 1, 1), op(pointer(0), pointer(a), 8, 1, 1), op(pointer(b, 7), pointer(a), 8, 2, 1), op(pointer(b), pointer(a), 4096, 2, 1),
                  op(pointer(b), pointer(a), 8, 1, 1, 0), op(pointer(b), pointer(a), 8, 1, 1, 4), op(in_array(array), pointer(a), 7, 1, 1),
                  op(in_array(array, 6), pointer(a), 1, 1, 1), op(in_array(array, 1 << 62), pointer(a), 1 << 62, 1, 1), op(pointer(b), {"type": 3}, 8, 1, 1)):
        assert name(d.cuMemcpy3DBatchAsync, 2, [good, wrong], 0, s) == bad, wrong
    assert name(d.cuMemcpy3DBatchAsync, 1, [op(in_array(12345), pointer(a), 1, 1, 1)], 0, s) == "CUDA_ERROR_INVALID_HANDLE"
    assert name(d.cuMemcpy3DBatchAsync, 1, [good], 1, s) == name(d.cuMemcpy3DBatchAsync, 1, [good], 0, None) == bad
    assert words(b, 1) == [0x09090909]                      # nothing of a refused batch was copied
    """)


def test_names_that_older_programs_call() -> None:
    on_cpu("""
    import ctypes
    library = ctypes.CDLL(LIBRARY)
    p = d.cuMemAllocManaged(4096, 1)
    u, n = ctypes.c_uint64, 4096
    assert library.cuMemAdvise(u(p), u(n), 3, 0) == 0      # preferred location: device 0
    A = d.CUmem_range_attribute
    data = bytearray(4)
    def where():
        assert library.cuMemRangeGetAttribute((ctypes.c_char * 4).from_buffer(data), u(4), int(A.CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION), u(p), u(n)) == 0
        return int.from_bytes(data, "little", signed=True)
    assert where() == 0
    assert library.cuMemAdvise(u(p), u(n), 3, -1) == 0 and where() == -1
    assert library.cuMemPrefetchAsync(u(p), u(n), 0, None) == 0 and library.cuMemPrefetchAsync(u(p), u(n), -1, None) == 0
    assert library.cuMemAdvise(u(p), u(n), 3, 7) == 101 and library.cuMemAdvise(u(64), u(n), 3, 0) == 1
    """)
