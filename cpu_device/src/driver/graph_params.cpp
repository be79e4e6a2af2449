// The parameters and attributes of a graph's nodes: asked for and set.
#include "graph.hpp"

#include <cstring>

using namespace cpu_device;

namespace {

// body(const Work &, Node &) with what a node of that kind does.
template <class Work, class Out, class Body> CUresult get(CUgraphNode handle, Out *out, Body &&body) {
    return with_node(handle, [&](Node &node) {
        const Work *work = std::get_if<Work>(&node.work);
        if (!out || !work) return CUDA_ERROR_INVALID_VALUE;
        return body(*work);
    });
}

// read(before, work) says what a node of that kind does from now on.
template <class Work, class Read> CUresult set(CUgraphNode handle, Read &&read) {
    return with_node(handle, [&](Node &node) {
        const Work *before = std::get_if<Work>(&node.work);
        if (!before) return CUDA_ERROR_INVALID_VALUE;
        NodeWork work;
        const CUresult status = read(*before, work);
        if (status == CUDA_SUCCESS) node.work = std::move(work);
        return status;
    });
}

using Kernel_ = std::shared_ptr<const KernelNodeWork>;

template <class Params> CUresult get_kernel(CUgraphNode handle, Params *out) {
    return get<Kernel_>(handle, out, [&](const Kernel_ &work) {
        const CUDA_KERNEL_NODE_PARAMS_v3 params = params_of(*work);
        std::memcpy(static_cast<void *>(out), &params, sizeof *out);
        return CUDA_SUCCESS;
    });
}

template <class Params> CUresult set_kernel(CUgraphNode handle, const Params *params) {
    return set<Kernel_>(handle, [&](const Kernel_ &before, NodeWork &work) {
        CUDA_KERNEL_NODE_PARAMS_v3 p{};
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&p, params, sizeof *params);
        return read_work(p, &before->kernel, work);
    });
}

CUresult get_event(CUgraphNode handle, CUevent *out, bool record) {
    return get<EventWork>(handle, out, [&](const EventWork &work) {
        if (work.record != record) return CUDA_ERROR_INVALID_VALUE;
        *out = as<CUevent>(*work.event);
        return CUDA_SUCCESS;
    });
}

CUresult set_event(CUgraphNode handle, CUevent event, bool record) {
    return set<EventWork>(handle, [&](const EventWork &before, NodeWork &work) {
        return before.record == record ? read_work(event, record, work) : CUDA_ERROR_INVALID_VALUE;
    });
}

void fill_params(Node &node, CUgraphNodeParams &p) {
    if (const auto *w = std::get_if<Kernel_>(&node.work)) p.kernel = params_of(**w);
    if (const auto *w = std::get_if<CopyNodeWork>(&node.work)) {
        p.memcpy.copyCtx = as<CUcontext>(*w->context);
        p.memcpy.copyParams = w->params;
    }
    if (const auto *w = std::get_if<FillNodeWork>(&node.work)) p.memset = params_of(*w);
    if (const auto *w = std::get_if<HostWork>(&node.work)) {
        p.host.fn = w->function;
        p.host.userData = w->data;
        p.host.syncMode = w->sync_mode;
    }
    if (const auto *w = std::get_if<EventWork>(&node.work)) {
        if (w->record)
            p.eventRecord.event = as<CUevent>(*w->event);
        else
            p.eventWait.event = as<CUevent>(*w->event);
    }
    if (const auto *w = std::get_if<MemoryOpsWork>(&node.work)) p.memOp = params_of(*w);
    if (const auto *w = std::get_if<AllocationWork>(&node.work)) p.alloc = params_of(*w);
    if (const auto *w = std::get_if<FreeWork>(&node.work)) p.free.dptr = w->memory->base;
    if (const auto *w = std::get_if<ChildWork>(&node.work)) {
        p.graph.graph = node.body_handles[0];
        p.graph.ownership = w->moved ? CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE : CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE;
    }
    if (const auto *w = std::get_if<ConditionalWork>(&node.work)) {
        p.conditional.handle = w->variable->handle;
        p.conditional.type = w->type;
        p.conditional.size = static_cast<unsigned>(node.body_handles.size());
        p.conditional.phGraph_out = node.body_handles.data();
        p.conditional.ctx = as<CUcontext>(*w->variable->context);
    }
}

// A node with these attributes of another kernel's.
CUresult with_attributes(const KernelWork &kernel, const LaunchAttributes &attributes, NodeWork &work) {
    KernelWork changed = kernel;
    changed.attributes = attributes;
    changed.request.cooperative = changed.request.has_cluster = false;
    changed.request.cluster = Dim3();
    for (const auto &[id, value] : attributes)
        if (const CUresult status = read_attribute(id, value, changed.request)) return status;
    if (changed.request.cooperative && changed.packed) return CUDA_ERROR_INVALID_VALUE;
    const CUresult status = refresh(changed);
    if (status == CUDA_SUCCESS) work = kernel_node(std::move(changed));
    return status;
}

// The attributes of kernels; others are of streams.
bool of_kernels(int id) {
    return id > 0 && id <= CU_LAUNCH_ATTRIBUTE_SHARED_MEMORY_MODE && id != CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY;
}

CUresult set_params(CUgraphNode handle, CUgraphNodeParams *params) {
    return with_node(handle, [&](Node &node) {
        NodeWork work;
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = read_settable(*params, node.work, work);
        if (status == CUDA_SUCCESS) node.work = std::move(work);
        return status;
    });
}

} // namespace

extern "C" {

CUresult cuGraphNodeGetParams(CUgraphNode handle, CUgraphNodeParams *out) {
    return with_node(handle, [&](Node &node) {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        std::memset(static_cast<void *>(out), 0, sizeof *out);
        out->type = node.type();
        fill_params(node, *out);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeSetParams(CUgraphNode handle, CUgraphNodeParams *params) {
    return set_params(handle, params);
}

CUresult cuGraphNodeSetParams_v2(CUgraphNode handle, CUgraphNodeParams *params) {
    return set_params(handle, params);
}

CUresult cuGraphKernelNodeGetParams(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS_v1 *out) {
    return get_kernel(handle, out);
}

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS *out) {
    return get_kernel(handle, out);
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode handle, const CUDA_KERNEL_NODE_PARAMS_v1 *params) {
    return set_kernel(handle, params);
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode handle, const CUDA_KERNEL_NODE_PARAMS *params) {
    return set_kernel(handle, params);
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode handle, CUDA_MEMCPY3D *out) {
    return get<CopyNodeWork>(handle, out, [&](const CopyNodeWork &work) {
        *out = work.params;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode handle, const CUDA_MEMCPY3D *params) {
    return set<CopyNodeWork>(handle, [&](const CopyNodeWork &before, NodeWork &work) {
        return params ? read_work(*params, as<CUcontext>(*before.context), work) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode handle, CUDA_MEMSET_NODE_PARAMS *out) {
    return get<FillNodeWork>(handle, out, [&](const FillNodeWork &work) {
        const CUDA_MEMSET_NODE_PARAMS_v2 params = params_of(work);
        std::memcpy(static_cast<void *>(out), &params, sizeof *out);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode handle, const CUDA_MEMSET_NODE_PARAMS *params) {
    return set<FillNodeWork>(handle, [&](const FillNodeWork &before, NodeWork &work) {
        CUDA_MEMSET_NODE_PARAMS_v2 p{};
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&p, params, sizeof *params);
        p.ctx = as<CUcontext>(*before.context);
        return read_work(p, work);
    });
}

CUresult cuGraphHostNodeGetParams(CUgraphNode handle, CUDA_HOST_NODE_PARAMS *out) {
    return get<HostWork>(handle, out, [&](const HostWork &work) {
        out->fn = work.function;
        out->userData = work.data;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphHostNodeSetParams(CUgraphNode handle, const CUDA_HOST_NODE_PARAMS *params) {
    return set<HostWork>(handle, [&](const HostWork &, NodeWork &work) {
        return params ? read_work(params->fn, params->userData, 0, work) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode handle, CUevent *out) {
    return get_event(handle, out, true);
}

CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode handle, CUevent event) {
    return set_event(handle, event, true);
}

CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode handle, CUevent *out) {
    return get_event(handle, out, false);
}

CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode handle, CUevent event) {
    return set_event(handle, event, false);
}

CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode handle, CUDA_BATCH_MEM_OP_NODE_PARAMS *out) {
    return get<MemoryOpsWork>(handle, out, [&](const MemoryOpsWork &work) {
        const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 params = params_of(work);
        std::memcpy(static_cast<void *>(out), &params, sizeof *out);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode handle, const CUDA_BATCH_MEM_OP_NODE_PARAMS *params) {
    return set<MemoryOpsWork>(handle, [&](const MemoryOpsWork &, NodeWork &work) {
        CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 p{};
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&p, params, sizeof p);
        return read_work(p, work);
    });
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode handle, CUDA_MEM_ALLOC_NODE_PARAMS *out) {
    return get<AllocationWork>(handle, out, [&](const AllocationWork &work) {
        const CUDA_MEM_ALLOC_NODE_PARAMS_v2 params = params_of(work);
        std::memcpy(static_cast<void *>(out), &params, sizeof *out);
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode handle, CUdeviceptr *out) {
    return get<FreeWork>(handle, out, [&](const FreeWork &work) {
        *out = work.memory->base;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode handle, CUkernelNodeAttrID name, CUkernelNodeAttrValue *out) {
    return get<Kernel_>(handle, out, [&](const Kernel_ &work) {
        const int id = static_cast<int>(name);
        if (!of_kernels(id)) return CUDA_ERROR_INVALID_VALUE;
        std::memset(static_cast<void *>(out), 0, sizeof *out);
        const LaunchRequest &request = work->kernel.request;
        const auto found = work->kernel.attributes.find(id);
        if (found != work->kernel.attributes.end())
            *out = found->second;
        else if (id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
            out->cooperative = request.cooperative;
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode handle, CUkernelNodeAttrID name,
                                       const CUkernelNodeAttrValue *value) {
    return set<Kernel_>(handle, [&](const Kernel_ &before, NodeWork &work) {
        if (!value || !of_kernels(static_cast<int>(name))) return CUDA_ERROR_INVALID_VALUE;
        LaunchAttributes attributes = before->kernel.attributes;
        attributes[static_cast<int>(name)] = *value;
        return with_attributes(before->kernel, attributes, work);
    });
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode to, CUgraphNode from) {
    return with_node(from, [&](Node &source) {
        const KernelWork *kernel = kernel_of(source.work);
        if (!kernel) return CUDA_ERROR_INVALID_VALUE;
        return set<Kernel_>(to, [&](const Kernel_ &before, NodeWork &work) {
            if (before->kernel.function->context != kernel->function->context) return CUDA_ERROR_INVALID_VALUE;
            return with_attributes(before->kernel, kernel->attributes, work);
        });
    });
}
}
