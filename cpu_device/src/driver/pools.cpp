// The functions about memory pools, and allocation in stream order.
//
// Memory is there at once and freed when the stream comes to it; memory that was freed but not yet reached is waited for when there is no other.
#include "call.hpp"
#include "capture.hpp"
#include "imported.hpp"
#include "ledger.hpp"
#include "pool.hpp"

using namespace cpu_device;

namespace {

PoolPlace of_device(int device) {
    PoolPlace place;
    place.id = device;
    return place;
}

// The context of the stream does not own the memory: it may outlive it, as the pool does.
CUresult allocate(CUdeviceptr *out, size_t size, const std::shared_ptr<Pool> &pool, Stream &stream) {
    if (!out || !pool || pool->imported) return CUDA_ERROR_INVALID_VALUE;
    *out = 0;
    if (!size) return CUDA_SUCCESS;
    if (stream.capturing) return capture_allocation(stream, out, size, pool->device);
    Entry entry;
    entry.context = stream.context.id;
    entry.pool = pool;
    if (!pool->took(size)) return CUDA_ERROR_OUT_OF_MEMORY;
    const Allocation *made = ledger().allocate(size, kGranuleOfDevice, pool->kind, pool->device, entry);
    if (!made) {
        stream.context.synchronize();
        made = ledger().allocate(size, kGranuleOfDevice, pool->kind, pool->device, entry);
    }
    if (!made) {
        pool->took_back(size);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pool->note_high();
    memory().restrict(made->base, pool->allowed);
    *out = made->base;
    return CUDA_SUCCESS;
}

template <class Body> CUresult on_device(CUdevice device, Body &&body) {
    return call([&]() -> CUresult { return is_device(device) ? body() : CUDA_ERROR_INVALID_DEVICE; });
}

CUresult give(const std::shared_ptr<Pool> &pool, CUmemoryPool *out) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = as<CUmemoryPool>(*pool);
    return CUDA_SUCCESS;
}

template <class Body> CUresult on_pool(CUmemoryPool handle, Body &&body) {
    return call([&]() -> CUresult {
        const std::shared_ptr<Pool> pool = lookup<Pool>(handle);
        return pool ? body(*pool) : CUDA_ERROR_INVALID_VALUE;
    });
}

// Memory of cuMemAlloc may be freed in order too.
bool from_pool(const Allocation &allocation) {
    Entry entry;
    return allocation.kind == MemoryKind::device || (ledger().find(allocation.base, entry) && entry.pool);
}

template <class Body> CUresult at_place(CUmemLocation *location, CUmemAllocationType type, Body &&body) {
    return call([&]() -> CUresult {
        PoolPlace place;
        const CUresult status = location ? pool_place(*location, type, place) : CUDA_ERROR_INVALID_VALUE;
        return status == CUDA_SUCCESS ? body(place) : status;
    });
}

} // namespace

extern "C" {

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice device) {
    return on_device(device, [&] { return give(default_pool(of_device(device)), out); });
}

CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice device) {
    return on_device(device, [&] { return give(current_pool(of_device(device)), out); });
}

CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool handle) {
    return on_device(device, [&] {
        return set_current_pool(of_device(device), lookup<Pool>(handle)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool *out, CUmemLocation *location, CUmemAllocationType type) {
    return at_place(location, type, [&](const PoolPlace &place) { return give(default_pool(place), out); });
}

CUresult cuMemGetMemPool(CUmemoryPool *out, CUmemLocation *location, CUmemAllocationType type) {
    return at_place(location, type, [&](const PoolPlace &place) { return give(current_pool(place), out); });
}

CUresult cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool handle) {
    return at_place(location, type, [&](const PoolPlace &place) {
        return set_current_pool(place, lookup<Pool>(handle)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props) {
    return call([&] {
        PoolPlace place;
        if (!out || !props || pool_place(props->location, props->allocType, place) != CUDA_SUCCESS)
            return CUDA_ERROR_INVALID_VALUE;
        const auto handles = static_cast<unsigned>(props->handleTypes);
        const bool exportable = handles == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
        if (handles && (place.where == CU_MEM_LOCATION_TYPE_HOST || place.kind() == MemoryKind::managed))
            return CUDA_ERROR_INVALID_VALUE; // they belong to this process
        if (handles && (!exportable || !memory().can_map())) return CUDA_ERROR_NOT_SUPPORTED;
        auto pool = std::make_shared<Pool>(place, false, props->maxSize, handles);
        publish(pool);
        *out = as<CUmemoryPool>(*pool);
        return CUDA_SUCCESS;
    });
}

// What was allocated from it stays until it is freed.
CUresult cuMemPoolDestroy(CUmemoryPool handle) {
    return call([&] {
        const std::shared_ptr<Pool> pool = lookup<Pool>(handle);
        if (!pool || pool->is_default) return CUDA_ERROR_INVALID_VALUE;
        retire<Pool>(handle);
        no_longer_current(pool);
        return CUDA_SUCCESS;
    });
}

CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t) {
    return on_pool(handle, [](Pool &) { return CUDA_SUCCESS; });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute name, void *value) {
    return on_pool(handle, [&](Pool &pool) { return value ? pool.get(name, value) : CUDA_ERROR_INVALID_VALUE; });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute name, void *value) {
    return on_pool(handle, [&](Pool &pool) { return value ? pool.set(name, value) : CUDA_ERROR_INVALID_VALUE; });
}

CUresult cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc *map, size_t count) {
    return on_pool(handle, [&](Pool &pool) {
        for (size_t i = 0; i < count; i++) {
            if (!map || map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
            if (!is_device(map[i].location.id)) return CUDA_ERROR_INVALID_DEVICE;
            if (map[i].location.id == pool.device && map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
                return CUDA_ERROR_INVALID_VALUE;
            if (map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READ) return CUDA_ERROR_NOT_SUPPORTED;
            if (map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE && map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
                return CUDA_ERROR_INVALID_VALUE;
        }
        for (size_t i = 0; i < count; i++) {
            const uint32_t bit = 1u << map[i].location.id;
            if (map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_NONE)
                pool.allowed &= ~bit;
            else
                pool.allowed |= bit;
        }
        ledger().restrict(pool);
        return CUDA_SUCCESS;
    });
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool handle, CUmemLocation *location) {
    return on_pool(handle, [&](Pool &pool) {
        if (!flags || !location || location->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
        if (!is_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
        *flags = pool.access(location->id);
        return CUDA_SUCCESS;
    });
}

CUresult cuMemAllocAsync(CUdeviceptr *out, size_t size, CUstream handle) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        return allocate(out, size, current_pool(of_device(stream.context.device)), stream);
    });
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t size, CUmemoryPool pool, CUstream handle) {
    return in_stream<Capturing::recorded>(
        handle, [&](Stream &stream) { return allocate(out, size, lookup<Pool>(pool), stream); });
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream handle) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        if (!address) return CUDA_SUCCESS;
        if (stream.capturing) return capture_free(stream, address);
        if (is_import(address, true)) {
            stream.submit([address] { drop_import(address, true); });
            return CUDA_SUCCESS;
        }
        const Allocation *found = memory().find(address, 1);
        if (!found || found->base != address || !from_pool(*found) || !ledger().begin_free(address))
            return CUDA_ERROR_INVALID_VALUE;
        stream.submit([address] { ledger().release(address); });
        return CUDA_SUCCESS;
    });
}
}
