// Device memory and managed memory: allocated, freed, asked about.
#include "call.hpp"
#include "imported.hpp"
#include "ledger.hpp"

using namespace cpu_device;

namespace {

constexpr size_t kPitchAlign = 512;

CUresult allocate(CUdeviceptr *out, size_t size, MemoryKind kind, Context &context) {
    if (!out || !size) return CUDA_ERROR_INVALID_VALUE;
    Entry entry;
    entry.context = context.id;
    const Allocation *made = ledger().allocate(size, kGranuleOfDevice, kind, context.device, entry);
    if (!made) { // memory that streams are about to free
        context.synchronize();
        made = ledger().allocate(size, kGranuleOfDevice, kind, context.device, entry);
    }
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    *out = made->base;
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t size) {
    return in_context_unnoticed([&](Context &context) { return allocate(out, size, MemoryKind::device, context); });
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height, unsigned element) {
    return in_context_unnoticed([&](Context &context) {
        size_t row = 0, size = 0;
        if (!out || !pitch || !width || !height || (element != 4 && element != 8 && element != 16))
            return CUDA_ERROR_INVALID_VALUE;
        if (__builtin_add_overflow(width, kPitchAlign - 1, &row)) return CUDA_ERROR_INVALID_VALUE;
        row = row / kPitchAlign * kPitchAlign;
        if (__builtin_mul_overflow(row, height, &size)) return CUDA_ERROR_OUT_OF_MEMORY;
        const CUresult status = allocate(out, size, MemoryKind::device, context);
        if (status == CUDA_SUCCESS) *pitch = row;
        return status;
    });
}

CUresult cuMemAllocManaged(CUdeviceptr *out, size_t size, unsigned flags) {
    return in_context_unnoticed([&](Context &context) {
        if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST) return CUDA_ERROR_INVALID_VALUE;
        return allocate(out, size, MemoryKind::managed, context);
    });
}

// Work that was submitted may use the memory: it is waited for, as on a GPU.
CUresult cuMemFree_v2(CUdeviceptr address) {
    return in_context_unnoticed([&](Context &context) {
        if (!address) return CUDA_SUCCESS;
        if (is_import(address, true)) {
            context.synchronize();
            return drop_import(address, true) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
        }
        const Allocation *found = memory().find(address, 1);
        const bool ours = found && found->base == address &&
                          (found->kind == MemoryKind::device || found->kind == MemoryKind::managed);
        if (!ours || !ledger().begin_free(address)) return CUDA_ERROR_INVALID_VALUE;
        context.synchronize();
        return ledger().release(address) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    return in_context([&](Context &context) {
        const uint64_t all = memory().total(), used = memory().used(context.device);
        if (free) *free = all > used ? all - used : 0;
        if (total) *total = all;
        return CUDA_SUCCESS;
    });
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr address) {
    return in_context([&](Context &) {
        const Allocation *found = memory().find(address, 1);
        if (!found) return CUDA_ERROR_NOT_FOUND;
        if (base) *base = found->base;
        if (size) *size = found->size;
        return CUDA_SUCCESS;
    });
}
}
