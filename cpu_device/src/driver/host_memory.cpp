// Memory of the host that kernels may use: page-locked, mapped, registered.
//
// Page-locked memory lies in the device's range and has one address for both sides; registered memory stays where it is.
#include "call.hpp"
#include "copy.hpp"
#include "ledger.hpp"

using namespace cpu_device;

namespace {

constexpr unsigned kAllocFlags = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
constexpr unsigned kRegisterFlags =
    CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;

CUresult allocate(void **out, size_t size, unsigned flags) {
    return in_context_unnoticed([&](Context &context) {
        if (!out || !size || (flags & ~kAllocFlags)) return CUDA_ERROR_INVALID_VALUE;
        Entry entry;
        entry.context = context.id;
        entry.flags = flags;
        const Allocation *made = ledger().allocate(size, 0, MemoryKind::pinned, context.device, entry);
        if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
        *out = reinterpret_cast<void *>(made->base);
        return CUDA_SUCCESS;
    });
}

const Allocation *host_allocation(const void *host) {
    const Allocation *found = memory().find(reinterpret_cast<uint64_t>(host), 1);
    const bool seen = found && (found->kind == MemoryKind::pinned || found->kind == MemoryKind::registered);
    return seen ? found : nullptr;
}

} // namespace

extern "C" {

CUresult cuMemAllocHost_v2(void **out, size_t size) {
    return allocate(out, size, CU_MEMHOSTALLOC_DEVICEMAP);
}

CUresult cuMemHostAlloc(void **out, size_t size, unsigned flags) {
    return allocate(out, size, flags);
}

CUresult cuMemFreeHost(void *host) {
    return in_context_unnoticed([&](Context &context) {
        if (!host) return CUDA_SUCCESS;
        const Allocation *found = host_allocation(host);
        const auto base = reinterpret_cast<uint64_t>(host);
        if (!found || found->base != base || found->kind != MemoryKind::pinned) return CUDA_ERROR_INVALID_VALUE;
        context.synchronize();
        return ledger().release(base) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *host, unsigned flags) {
    return in_context([&](Context &) {
        if (!out || flags || !host_allocation(host)) return CUDA_ERROR_INVALID_VALUE;
        *out = reinterpret_cast<uint64_t>(host);
        return CUDA_SUCCESS;
    });
}

CUresult cuMemHostGetFlags(unsigned *flags, void *host) {
    return in_context([&](Context &) {
        const Allocation *found = host_allocation(host);
        Entry entry;
        if (!flags || !found || !ledger().find(found->base, entry)) return CUDA_ERROR_INVALID_VALUE;
        *flags = entry.flags | CU_MEMHOSTALLOC_DEVICEMAP;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemHostRegister_v2(void *host, size_t size, unsigned flags) {
    return in_context_unnoticed([&](Context &context) {
        if (!host || !size || (flags & ~kRegisterFlags)) return CUDA_ERROR_INVALID_VALUE;
        if (!host_can_read(host, size)) return CUDA_ERROR_INVALID_VALUE;
        Entry entry;
        entry.context = context.id;
        entry.flags = flags;
        return ledger().adopt(host, size, context.device, entry) ? CUDA_SUCCESS
                                                                 : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    });
}

CUresult cuMemHostUnregister(void *host) {
    return in_context_unnoticed([&](Context &context) {
        if (!host) return CUDA_ERROR_INVALID_VALUE;
        const Allocation *found = host_allocation(host);
        const auto base = reinterpret_cast<uint64_t>(host);
        if (!found || found->base != base || found->kind != MemoryKind::registered)
            return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
        context.synchronize();
        return ledger().release(base) ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    });
}
}
