// What a pool counts.
#include "pool.hpp"

#include <algorithm>
#include <map>

namespace cpu_device {

bool Pool::took(uint64_t size) {
    std::lock_guard<std::mutex> guard(lock_);
    if (max_size && (size > max_size || used_ > max_size - size)) return false;
    used_ += size;
    return true;
}

void Pool::note_high() {
    std::lock_guard<std::mutex> guard(lock_);
    used_high_ = std::max(used_high_, used_);
}

void Pool::took_back(uint64_t size) {
    std::lock_guard<std::mutex> guard(lock_);
    used_ -= std::min(size, used_);
}

// Nothing is held back for later allocations: reserved is what is used.
CUresult Pool::get(CUmemPool_attribute name, void *value) {
    std::lock_guard<std::mutex> guard(lock_);
    auto *as_int = static_cast<int *>(value);
    auto *as_size = static_cast<cuuint64_t *>(value);
    switch (static_cast<int>(name)) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES: *as_int = reuse_[0]; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC: *as_int = reuse_[1]; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: *as_int = reuse_[2]; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: *as_size = release_threshold_; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: *as_size = used_; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: *as_size = used_high_; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_ALLOCATION_TYPE: *as_int = place.type; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_EXPORT_HANDLE_TYPES: *as_int = static_cast<int>(handle_types); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_LOCATION_ID: *as_int = place.id; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_LOCATION_TYPE: *as_int = place.where; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_MAX_POOL_SIZE: *as_size = max_size; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_HW_DECOMPRESS_ENABLED: *as_int = 0; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult Pool::set(CUmemPool_attribute name, const void *value) {
    std::lock_guard<std::mutex> guard(lock_);
    const int number = static_cast<int>(name);
    const auto *as_size = static_cast<const cuuint64_t *>(value);
    switch (number) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        reuse_[number - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES] = *static_cast<const int *>(value) != 0;
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: release_threshold_ = *as_size; return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: // only a reset
        if (*as_size) return CUDA_ERROR_INVALID_VALUE;
        used_high_ = used_;
        return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUmemAccess_flags Pool::access(int of_device) {
    return allowed >> of_device & 1 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
}

} // namespace cpu_device
