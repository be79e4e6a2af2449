// A memory pool: who allocated how much from it.  The memory itself is the device's, or the host's.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <tuple>

#include "file.hpp"
#include "generated_exports.hpp"
#include "handle.hpp"
#include "../memory/memory.hpp"

namespace cpu_device {

// Whose memory a pool gives: a device's, the host's (any of it, or that of a NUMA node), or managed memory that prefers one of
// these or none.
struct PoolPlace {
    CUmemAllocationType type = CU_MEM_ALLOCATION_TYPE_PINNED;
    CUmemLocationType where = CU_MEM_LOCATION_TYPE_DEVICE;
    int id = 0;

    MemoryKind kind() const;
    int device() const { return where == CU_MEM_LOCATION_TYPE_DEVICE ? id : 0; }
    std::tuple<int, int, int> key() const { return {type, where, id}; }
};

CUresult pool_place(const CUmemLocation &location, CUmemAllocationType type, PoolPlace &place);

class Pool : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::pool;

    Pool(const PoolPlace &place_, bool is_default_, uint64_t max_size_, unsigned handles = CU_MEM_HANDLE_TYPE_NONE,
         std::shared_ptr<const File> file = nullptr)
        : place(place_), device(place_.device()), is_default(is_default_), max_size(max_size_), kind(place_.kind()),
          handle_types(handles), imported(std::move(file)) {}
    bool took(uint64_t size); // false: more than its maximum
    void note_high();         // what it took is there
    void took_back(uint64_t size);
    CUresult get(CUmemPool_attribute name, void *value);
    CUresult set(CUmemPool_attribute name, const void *value);
    CUmemAccess_flags access(int of_device);

    const PoolPlace place;
    const int device;
    const bool is_default;
    const uint64_t max_size;                    // 0: no maximum
    const MemoryKind kind;                      // device, managed or pinned
    const unsigned handle_types;                // that it can be exported as
    const std::shared_ptr<const File> imported; // where another process's memory lies: nothing can be allocated

    std::atomic<uint32_t> allowed{1u << device}; // the devices that may use what it allocates

  private:
    std::mutex lock_;
    uint64_t used_ = 0, used_high_ = 0, release_threshold_ = 0;
    int reuse_[3] = {1, 1, 1}; // event dependencies, opportunistic, internal dependencies
};

// Every place has a default pool, and a current one: the default unless another was set.
std::shared_ptr<Pool> default_pool(const PoolPlace &place);
std::shared_ptr<Pool> current_pool(const PoolPlace &place);
bool set_current_pool(const PoolPlace &place, std::shared_ptr<Pool> pool); // false: the pool is of another place
void no_longer_current(const std::shared_ptr<Pool> &pool);

} // namespace cpu_device
