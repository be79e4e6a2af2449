// cuPointerGetAttribute(s): what is known about an address.
#include "call.hpp"
#include "ledger.hpp"
#include "pool.hpp"

#include <cstring>

using namespace cpu_device;

namespace {

CUcontext context_of(const Allocation &found, const Entry &entry) {
    if (entry.context) {
        const std::shared_ptr<Context> primary = primary_context(found.device);
        if (primary->id == entry.context) return as<CUcontext>(*primary);
        const std::shared_ptr<Context> top = current_context();
        if (top && top->id == entry.context) return as<CUcontext>(*top);
    }
    return nullptr;
}

template <class T> CUresult put(void *out, T value) {
    std::memcpy(out, &value, sizeof value);
    return CUDA_SUCCESS;
}

bool host_sees(const Allocation &found) {
    return found.kind != MemoryKind::device && found.kind != MemoryKind::module;
}

// What kernels of the current context are allowed to do.  The interpreter itself lets every device use all memory.
unsigned access_of(const Allocation &found, const Entry &entry) {
    constexpr unsigned all = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
    const std::shared_ptr<Context> context = current_context();
    if (!context || host_sees(found) || context->device == found.device) return all;
    if (entry.pool) return entry.pool->access(context->device) & all;
    return context->is_peer(entry.context) ? all : 0;
}

CUresult get(void *out, int name, CUdeviceptr address, const Allocation &found) {
    Entry entry;
    ledger().find(found.base, entry);
    const bool host = found.kind == MemoryKind::pinned || found.kind == MemoryKind::registered;
    switch (name) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: return put(out, context_of(found, entry));
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: return put<unsigned>(out, host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: return put<CUdeviceptr>(out, address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        return host_sees(found) ? put(out, reinterpret_cast<void *>(address)) : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS: return put<unsigned>(out, entry.sync);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: return put<unsigned long long>(out, found.id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: return put<unsigned>(out, found.kind == MemoryKind::managed);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: return put<int>(out, found.device);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
        return put<unsigned>(out, found.kind == MemoryKind::device && entry.size && !entry.pool && !entry.graph);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR: return put<CUdeviceptr>(out, found.base);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE: return put<size_t>(out, found.size);
    case CU_POINTER_ATTRIBUTE_MAPPED: return put<unsigned>(out, 1);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        return put<unsigned long long>(out, entry.pool ? entry.pool->handle_types : 0);
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE: return put<unsigned>(out, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS: return put<unsigned>(out, access_of(found, entry));
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE: return put(out, entry.pool ? as<CUmemoryPool>(*entry.pool) : nullptr);
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID: return put<unsigned long long>(out, found.id);
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: return put<unsigned>(out, 0);
    default: return CUDA_ERROR_INVALID_VALUE; // P2P tokens too
    }
}

// Memory that is not ours is no error for the plural function: each attribute gets a neutral value.
CUresult get_neutral(void *out, int name) {
    switch (name) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID: return put<uint64_t>(out, 0);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: return put<int>(out, CU_DEVICE_INVALID);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: return put<unsigned>(out, 0);
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

} // namespace

extern "C" {

CUresult cuPointerGetAttribute(void *out, CUpointer_attribute name, CUdeviceptr address) {
    return call([&] {
        const Allocation *found = out ? memory().find(address, 1) : nullptr;
        return found ? get(out, static_cast<int>(name), address, *found) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuPointerGetAttributes(unsigned n, CUpointer_attribute *names, void **out, CUdeviceptr address) {
    return call([&] {
        if (!n || !names || !out) return CUDA_ERROR_INVALID_VALUE;
        const Allocation *found = memory().find(address, 1);
        for (unsigned i = 0; i < n; i++) {
            const int name = static_cast<int>(names[i]);
            if (!out[i]) return CUDA_ERROR_INVALID_VALUE;
            const bool nothing = !found || (name == CU_POINTER_ATTRIBUTE_HOST_POINTER && !host_sees(*found));
            const CUresult status = nothing ? get_neutral(out[i], name) : get(out[i], name, address, *found);
            if (status != CUDA_SUCCESS) return status;
        }
        return CUDA_SUCCESS;
    });
}

CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute name, CUdeviceptr address) {
    return call([&] {
        const Allocation *found = value ? memory().find(address, 1) : nullptr;
        if (!found || name != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS) return CUDA_ERROR_INVALID_VALUE;
        unsigned on = 0;
        std::memcpy(&on, value, sizeof on);
        return ledger().set_sync(found->base, on) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}
}
