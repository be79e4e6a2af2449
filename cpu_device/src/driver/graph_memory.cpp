// Allocations of graphs, and what a device says about them.
#include "graph_memory.hpp"

#include <map>
#include <mutex>

#include "call.hpp"
#include "ledger.hpp"

namespace cpu_device {

namespace {

struct Living {
    std::mutex lock;
    std::map<uint64_t, std::weak_ptr<GraphAllocation>> by_base;
};

Living &living() {
    static auto &made = *new Living;
    return made;
}

} // namespace

std::shared_ptr<GraphAllocation> GraphAllocation::make(uint64_t size, Context &context, int device) {
    Entry entry;
    entry.context = context.id;
    const uint64_t base = ledger().reserve(size, device, entry);
    if (!base) return nullptr;
    std::shared_ptr<GraphAllocation> made(new GraphAllocation(base, size, memory().reserved(base, 1)->id));
    std::lock_guard<std::mutex> guard(living().lock);
    living().by_base[base] = made;
    return made;
}

std::shared_ptr<GraphAllocation> GraphAllocation::at(uint64_t base) {
    std::lock_guard<std::mutex> guard(living().lock);
    auto found = living().by_base.find(base);
    return found == living().by_base.end() ? nullptr : found->second.lock();
}

GraphAllocation::~GraphAllocation() {
    {
        std::lock_guard<std::mutex> guard(living().lock);
        living().by_base.erase(base);
    }
    const Allocation *own = memory().reserved(base, 1); // the end of a context may have released it
    if (own && own->id == id) ledger().drop(base);
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

CUresult cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute name, void *value) {
    return call([&] {
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        const GraphUse use = ledger().graph_use(device);
        auto *out = static_cast<cuuint64_t *>(value);
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        switch (static_cast<int>(name)) {
        case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT: *out = use.used; return CUDA_SUCCESS;
        case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH: *out = use.used_high; return CUDA_SUCCESS;
        case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT: *out = use.reserved; return CUDA_SUCCESS;
        case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH: *out = use.reserved_high; return CUDA_SUCCESS;
        default: return CUDA_ERROR_INVALID_VALUE;
        }
    });
}

// Only the high marks, and only to zero.
CUresult cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute name, void *value) {
    return call([&] {
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        const bool used = name == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH,
                   reserved = name == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH;
        if (!value || *static_cast<cuuint64_t *>(value) || (!used && !reserved)) return CUDA_ERROR_INVALID_VALUE;
        ledger().reset_graph_high(device, used);
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGraphMemTrim(CUdevice device) {
    return call([&] {
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        ledger().trim_graphs(device);
        return CUDA_SUCCESS;
    });
}
}
