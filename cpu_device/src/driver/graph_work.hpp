// What a node of a graph does, with everything it needs copied.  It is never changed: a node whose parameters are set gets another.
#pragma once

#include <variant>

#include "copy.hpp"
#include "event.hpp"
#include "fill.hpp"
#include "graph_memory.hpp"
#include "kernel_work.hpp"
#include "memory_ops.hpp"

namespace cpu_device {

struct EmptyWork {};
struct ChildWork { // the graph is the node's body
    bool moved = false;
};
struct CopyNodeWork {
    CopyWork copy;
    CUDA_MEMCPY3D params{}; // as given
    std::shared_ptr<Context> context;
};
struct FillNodeWork {
    FillWork fill;
    std::shared_ptr<Context> context;
};
struct HostWork {
    CUhostFn function = nullptr;
    void *data = nullptr;
    unsigned sync_mode = 0;
};
struct EventWork {
    std::shared_ptr<Event> event;
    bool record = false;
};
struct MemoryOpsWork {
    MemoryOps ops;
    std::shared_ptr<Context> context;
    unsigned flags = 0;
};
struct AllocationWork {
    std::shared_ptr<GraphAllocation> memory;
    CUmemPoolProps pool{};
    std::vector<CUmemAccessDesc> access;
};
struct FreeWork {
    std::shared_ptr<GraphAllocation> memory;
};
// The variable of a conditional node, which kernels set (exec/conditionals.hpp).
struct Conditional {
    explicit Conditional(std::shared_ptr<Context> context_, uint32_t value, bool assign_);
    ~Conditional();
    Conditional(const Conditional &) = delete;
    Conditional &operator=(const Conditional &) = delete;

    const uint64_t handle;
    const std::shared_ptr<Context> context;
    const uint32_t value; // at each launch, if `assign`
    const bool assign;
    bool used = false; // by a node
};
struct ConditionalWork { // the graphs are the node's bodies
    std::shared_ptr<Conditional> variable;
    CUgraphConditionalNodeType type = CU_GRAPH_COND_TYPE_IF;
};

struct KernelNodeWork {
    KernelNodeWork() = default;
    explicit KernelNodeWork(KernelWork kernel_);
    KernelWork kernel;
    std::vector<void *> params; // where each lies, for who asks
    void *extra[5] = {};
    size_t size = 0;
};

using NodeWork = std::variant<EmptyWork, std::shared_ptr<const KernelNodeWork>, CopyNodeWork, FillNodeWork, HostWork,
                              EventWork, MemoryOpsWork, AllocationWork, FreeWork, ChildWork, ConditionalWork>;

CUgraphNodeType type_of(const NodeWork &work);
inline const KernelWork *kernel_of(const NodeWork &work) {
    const auto *kernel = std::get_if<std::shared_ptr<const KernelNodeWork>>(&work);
    return kernel ? &(*kernel)->kernel : nullptr;
}
inline NodeWork kernel_node(KernelWork work) {
    return std::make_shared<const KernelNodeWork>(std::move(work));
}

// From the structures of the API.  A context of 0 is the current one.
CUresult read_work(const CUDA_KERNEL_NODE_PARAMS_v3 &params, const KernelWork *before, NodeWork &work);
CUresult read_work(const CUDA_MEMCPY3D &params, CUcontext context, NodeWork &work);
CUresult read_work(const CUDA_MEMSET_NODE_PARAMS_v2 &params, NodeWork &work);
CUresult read_work(CUhostFn function, void *data, unsigned sync_mode, NodeWork &work);
CUresult read_work(CUevent event, bool record, NodeWork &work);
CUresult read_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 &params, NodeWork &work);
CUresult read_work(CUDA_MEM_ALLOC_NODE_PARAMS_v2 &params, NodeWork &work); // writes the address
CUresult read_free(CUdeviceptr address, NodeWork &work);
// Those that may be set later, by the type in `params`; NOT_SUPPORTED for others.  `before`: what the node did.
CUresult read_settable(const CUgraphNodeParams &params, const NodeWork &before, NodeWork &work);

CUDA_KERNEL_NODE_PARAMS_v3 params_of(const KernelNodeWork &work);
CUDA_MEMSET_NODE_PARAMS_v2 params_of(const FillNodeWork &work);
CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 params_of(const MemoryOpsWork &work);
CUDA_MEM_ALLOC_NODE_PARAMS_v2 params_of(const AllocationWork &work);

} // namespace cpu_device
