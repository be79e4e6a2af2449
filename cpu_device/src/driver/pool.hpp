// A memory pool: who allocated how much from it.  The memory itself is the device's, or the host's.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "generated_exports.hpp"
#include "handle.hpp"
#include "../memory/memory.hpp"

namespace cpu_device {

class Pool : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::pool;

    Pool(int device_, bool is_default_, uint64_t max_size_, MemoryKind kind_ = MemoryKind::device)
        : device(device_), is_default(is_default_), max_size(max_size_), kind(kind_) {}
    bool took(uint64_t size); // false: more than its maximum
    void took_back(uint64_t size);
    CUresult get(CUmemPool_attribute name, void *value);
    CUresult set(CUmemPool_attribute name, const void *value);
    CUmemAccess_flags access(int of_device);

    const int device;
    const bool is_default;
    const uint64_t max_size; // 0: no maximum
    const MemoryKind kind;   // device, managed or pinned

    std::atomic<uint32_t> allowed{1u << device}; // the devices that may use what it allocates

  private:
    std::mutex lock_;
    uint64_t used_ = 0, used_high_ = 0, release_threshold_ = 0;
    int reuse_[3] = {1, 1, 1}; // event dependencies, opportunistic, internal dependencies
};

std::shared_ptr<Pool> default_pool(int device);

} // namespace cpu_device
