// Where pools lie, and which pool a place has.
#include "call.hpp"
#include "nodes.hpp"
#include "pool.hpp"

namespace cpu_device {

namespace {

struct Pools {
    std::mutex lock;
    std::map<std::tuple<int, int, int>, std::shared_ptr<Pool>> defaults, current;
};

Pools &pools() {
    static auto &made = *new Pools;
    return made;
}

} // namespace

MemoryKind PoolPlace::kind() const {
    if (type == CU_MEM_ALLOCATION_TYPE_MANAGED) return MemoryKind::managed;
    return where == CU_MEM_LOCATION_TYPE_DEVICE ? MemoryKind::device : MemoryKind::pinned;
}

CUresult pool_place(const CUmemLocation &location, CUmemAllocationType type, PoolPlace &place) {
    if (type != CU_MEM_ALLOCATION_TYPE_PINNED && type != CU_MEM_ALLOCATION_TYPE_MANAGED)
        return CUDA_ERROR_INVALID_VALUE;
    place.type = type;
    place.where = location.type;
    place.id = location.id;
    switch (static_cast<int>(location.type)) {
    case CU_MEM_LOCATION_TYPE_DEVICE: return is_device(location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA: return is_node(location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_MEM_LOCATION_TYPE_HOST: place.id = 0; return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_NONE:
        place.id = 0;
        return type == CU_MEM_ALLOCATION_TYPE_MANAGED ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

std::shared_ptr<Pool> default_pool(const PoolPlace &place) {
    std::lock_guard<std::mutex> guard(pools().lock);
    std::shared_ptr<Pool> &pool = pools().defaults[place.key()];
    if (!pool) {
        pool = std::make_shared<Pool>(place, true, 0);
        publish(pool);
    }
    return pool;
}

std::shared_ptr<Pool> current_pool(const PoolPlace &place) {
    {
        std::lock_guard<std::mutex> guard(pools().lock);
        const auto found = pools().current.find(place.key());
        if (found != pools().current.end()) return found->second;
    }
    return default_pool(place);
}

bool set_current_pool(const PoolPlace &place, std::shared_ptr<Pool> pool) {
    if (!pool || pool->imported || pool->place.key() != place.key()) return false;
    std::lock_guard<std::mutex> guard(pools().lock);
    pools().current[place.key()] = std::move(pool);
    return true;
}

void no_longer_current(const std::shared_ptr<Pool> &pool) {
    std::lock_guard<std::mutex> guard(pools().lock);
    const auto found = pools().current.find(pool->place.key());
    if (found != pools().current.end() && found->second == pool) pools().current.erase(found);
}

} // namespace cpu_device
