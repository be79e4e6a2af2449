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
