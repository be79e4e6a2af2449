"""The CPU device's driver API: advice about managed memory, prefetching, discarding; pools of the host's and of managed memory."""

from __future__ import annotations

from tests.helpers.cpu import on_cpu

SETUP = """
    A, R, T = d.CUmem_advise, d.CUmem_range_attribute, d.CUmemLocationType
    def at(kind, number=0):
        made = d.CUmemLocation()
        made.type, made.id = kind, number
        return made
    DEVICE, HOST = at(T.CU_MEM_LOCATION_TYPE_DEVICE), at(T.CU_MEM_LOCATION_TYPE_HOST)
    PAGE = 4096
    p = d.cuMemAllocManaged(8 * PAGE, 1)
    def get(which, first=0, pages=8, size=4):
        return d.cuMemRangeGetAttribute(size, getattr(R, "CU_MEM_RANGE_ATTRIBUTE_" + which), p + first * PAGE, pages * PAGE)
"""


def test_advice_is_of_pages() -> None:
    on_cpu(
        SETUP
        + """
    assert (get("READ_MOSTLY"), get("PREFERRED_LOCATION"), get("LAST_PREFETCH_LOCATION")) == (0, -2, -2)
    d.cuMemAdvise(p + 2 * PAGE + 5, PAGE, A.CU_MEM_ADVISE_SET_READ_MOSTLY, DEVICE)  # parts of two pages
    assert [get("READ_MOSTLY", i, 1) for i in range(8)] == [0, 0, 1, 1, 0, 0, 0, 0]
    assert get("READ_MOSTLY", 2, 2) == 1 and get("READ_MOSTLY", 1, 2) == 0
    d.cuMemAdvise(p + 3 * PAGE, 1, A.CU_MEM_ADVISE_UNSET_READ_MOSTLY, DEVICE)
    assert [get("READ_MOSTLY", i, 1) for i in range(8)] == [0, 0, 1, 0, 0, 0, 0, 0]
    d.cuMemAdvise(p, 8 * PAGE, A.CU_MEM_ADVISE_SET_PREFERRED_LOCATION, HOST)
    assert get("PREFERRED_LOCATION") == -1 and get("PREFERRED_LOCATION_TYPE") == T.CU_MEM_LOCATION_TYPE_HOST
    d.cuMemAdvise(p, PAGE, A.CU_MEM_ADVISE_SET_PREFERRED_LOCATION, DEVICE)
    assert get("PREFERRED_LOCATION") == -2 and get("PREFERRED_LOCATION", 0, 1) == 0 and get("PREFERRED_LOCATION", 1, 7) == -1
    d.cuMemAdvise(p, 8 * PAGE, A.CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION, DEVICE)
    assert get("PREFERRED_LOCATION_TYPE") == T.CU_MEM_LOCATION_TYPE_INVALID
    for where in (DEVICE, HOST):
        d.cuMemAdvise(p, 8 * PAGE, A.CU_MEM_ADVISE_SET_ACCESSED_BY, where)
    assert sorted(get("ACCESSED_BY", size=16)) == [-2, -2, -1, 0]
    d.cuMemAdvise(p, PAGE, A.CU_MEM_ADVISE_UNSET_ACCESSED_BY, HOST)
    assert get("ACCESSED_BY", size=12) == [0, -2, -2] and get("ACCESSED_BY", 1, 7, size=8) == [-1, 0]
    """
    )


def test_prefetching_and_discarding() -> None:
    on_cpu(
        SETUP
        + """
    s = d.cuStreamCreate(0)
    data = bytes(range(256)) * 128
    d.cuMemcpyHtoD(p, data, 8 * PAGE)
    d.cuMemPrefetchAsync(p, 8 * PAGE, HOST, 0, s)
    assert get("LAST_PREFETCH_LOCATION") == -1
    d.cuMemPrefetchBatchAsync([p, p + PAGE, p + 2 * PAGE], [PAGE] * 3, None, [DEVICE, HOST], [0, 2], None, 0, s)
    assert [get("LAST_PREFETCH_LOCATION", i, 1) for i in range(4)] == [0, 0, -1, -1]
    d.cuMemDiscardBatchAsync([p], [100], None, 0, s)
    d.cuMemDiscardAndPrefetchBatchAsync([p + PAGE], [PAGE], None, [HOST], [0], None, 0, s)
    d.cuStreamSynchronize(s)
    back = bytearray(8 * PAGE)
    d.cuMemcpyDtoH(back, p, 8 * PAGE)
    assert back[:100] != data[:100] and back[100:PAGE] == data[100:PAGE] and back[2 * PAGE :] == data[2 * PAGE :]
    assert get("LAST_PREFETCH_LOCATION", 1, 1) == -1
    """
    )


def test_what_is_refused() -> None:
    on_cpu(
        SETUP
        + """
    INVALID = "CUDA_ERROR_INVALID_VALUE"
    q, s = d.cuMemAlloc(PAGE), d.cuStreamCreate(0)
    READ = A.CU_MEM_ADVISE_SET_READ_MOSTLY
    assert name(d.cuMemAdvise, q, PAGE, READ, DEVICE) == name(d.cuMemAdvise, p, 9 * PAGE, READ, DEVICE) == INVALID
    assert name(d.cuMemAdvise, p, 0, READ, DEVICE) == name(d.cuMemAdvise, p, PAGE, 99, DEVICE) == INVALID
    nowhere, no_device, no_node = at(0), at(T.CU_MEM_LOCATION_TYPE_DEVICE, 7), at(T.CU_MEM_LOCATION_TYPE_HOST_NUMA, 9999)
    PREFER, ACCESS = A.CU_MEM_ADVISE_SET_PREFERRED_LOCATION, A.CU_MEM_ADVISE_SET_ACCESSED_BY
    assert name(d.cuMemAdvise, p, PAGE, PREFER, nowhere) == name(d.cuMemAdvise, p, PAGE, PREFER, no_node) == INVALID
    assert name(d.cuMemAdvise, p, PAGE, PREFER, no_device) == "CUDA_ERROR_INVALID_DEVICE"
    assert name(d.cuMemAdvise, p, PAGE, ACCESS, at(T.CU_MEM_LOCATION_TYPE_HOST_NUMA)) == INVALID
    assert name(d.cuMemPrefetchAsync, q, PAGE, DEVICE, 0, s) == name(d.cuMemPrefetchAsync, p, PAGE, DEVICE, 1, s) == INVALID
    batch = d.cuMemPrefetchBatchAsync
    for firsts in ([1], [0, 0], [0, 2], [0, 1, 2]):
        assert name(batch, [p, p + PAGE], [1, 1], None, [HOST] * len(firsts), firsts, None, 0, s) == INVALID, firsts
    assert name(d.cuMemDiscardBatchAsync, [q], [1], None, 0, s) == name(d.cuMemDiscardBatchAsync, [], [], None, 0, s) == INVALID
    assert name(d.cuMemRangeGetAttribute, 8, R.CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, PAGE) == INVALID
    assert name(d.cuMemRangeGetAttribute, 4, R.CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, q, PAGE) == INVALID
    """
    )


def test_pools_of_other_memory() -> None:
    on_cpu(
        SETUP
        + """
    s, types = d.cuStreamCreate(0), d.CUmemAllocationType
    def pool(kind, where):
        made = d.CUmemPoolProps()
        made.allocType, made.location = kind, where
        return d.cuMemPoolCreate(made)
    TYPE, MANAGED = d.CUpointer_attribute.CU_POINTER_ATTRIBUTE_MEMORY_TYPE, d.CUpointer_attribute.CU_POINTER_ATTRIBUTE_IS_MANAGED
    for kind, where, memory, managed in (
        (types.CU_MEM_ALLOCATION_TYPE_PINNED, HOST, d.CUmemorytype.CU_MEMORYTYPE_HOST, 0),
        (types.CU_MEM_ALLOCATION_TYPE_MANAGED, DEVICE, d.CUmemorytype.CU_MEMORYTYPE_DEVICE, 1),
        (types.CU_MEM_ALLOCATION_TYPE_PINNED, DEVICE, d.CUmemorytype.CU_MEMORYTYPE_DEVICE, 0),
    ):
        made = pool(kind, where)
        q = d.cuMemAllocFromPoolAsync(100, made, s)
        assert d.cuPointerGetAttribute(TYPE, q) == memory and d.cuPointerGetAttribute(MANAGED, q) == managed
        assert d.cuMemPoolGetAttribute(made, d.CUmemPool_attribute.CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 100
        d.cuMemFreeAsync(q, s)
        d.cuStreamSynchronize(s)
        assert d.cuMemPoolGetAttribute(made, d.CUmemPool_attribute.CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0
        if where is HOST or managed:
            assert name(d.cuDeviceSetMemPool, 0, made) == "CUDA_ERROR_INVALID_VALUE"
        d.cuMemPoolDestroy(made)
    assert name(pool, 0, DEVICE) == name(pool, types.CU_MEM_ALLOCATION_TYPE_PINNED, at(0)) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemFreeAsync, p, s) == "CUDA_ERROR_INVALID_VALUE"  # of no pool, and no device's own
    """
    )


def test_every_place_has_a_default_and_a_current_pool() -> None:
    on_cpu(
        SETUP
        + """
    PINNED, MANAGED = d.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED, d.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_MANAGED
    L, A = d.CUmemLocationType, d.CUmemPool_attribute
    where = lambda kind, id=0: d.CUmemLocation(type=kind, id=id)
    nowhere, node = where(L.CU_MEM_LOCATION_TYPE_NONE), where(L.CU_MEM_LOCATION_TYPE_HOST_NUMA)
    places = [(DEVICE, PINNED), (HOST, PINNED), (node, PINNED), (DEVICE, MANAGED), (HOST, MANAGED), (node, MANAGED), (nowhere, MANAGED)]
    defaults = [d.cuMemGetDefaultMemPool(*place) for place in places]
    assert len(set(map(int, defaults))) == len(places) and defaults[0] == d.cuDeviceGetDefaultMemPool(0)
    for (location, kind), default in zip(places, defaults):
        assert d.cuMemGetMemPool(location, kind) == default
        assert [d.cuMemPoolGetAttribute(default, a) for a in (
            A.CU_MEMPOOL_ATTR_ALLOCATION_TYPE, A.CU_MEMPOOL_ATTR_LOCATION_TYPE, A.CU_MEMPOOL_ATTR_LOCATION_ID)] == [kind, location.type, 0]
        own = d.cuMemPoolCreate(d.CUmemPoolProps(allocType=kind, location=location))
        for (other, its), pool in zip(places, defaults):
            if pool != default:
                assert name(d.cuMemSetMemPool, other, its, own) == "CUDA_ERROR_INVALID_VALUE"
        d.cuMemSetMemPool(location, kind, own)
        assert d.cuMemGetMemPool(location, kind) == own and d.cuMemGetDefaultMemPool(location, kind) == default
        d.cuMemPoolDestroy(own)
        assert d.cuMemGetMemPool(location, kind) == default
        q = d.cuMemAllocFromPoolAsync(64, default, None)
        d.cuMemsetD8Async(q, 7, 64, None)
        d.cuMemFreeAsync(q, None)
    for bad in ((nowhere, PINNED), (where(77), PINNED), (DEVICE, 0), (DEVICE, 9), (where(L.CU_MEM_LOCATION_TYPE_HOST_NUMA, 999), PINNED)):
        for call in (d.cuMemGetDefaultMemPool, d.cuMemGetMemPool, lambda *place: d.cuMemSetMemPool(*place, defaults[0])):
            assert name(call, *bad) == "CUDA_ERROR_INVALID_VALUE"
    assert name(d.cuMemGetMemPool, where(1, 5), PINNED) == "CUDA_ERROR_INVALID_DEVICE"
    assert name(d.cuMemSetMemPool, HOST, PINNED, 5) == "CUDA_ERROR_INVALID_VALUE"
    for attribute in ("HOST_MEMORY_POOLS_SUPPORTED", "HOST_NUMA_MEMORY_POOLS_SUPPORTED"):
        assert d.cuDeviceGetAttribute(getattr(d.CUdevice_attribute, "CU_DEVICE_ATTRIBUTE_" + attribute), 0) == 1
    """
    )
