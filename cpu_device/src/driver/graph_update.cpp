// What of an executable may be changed, and the functions that do it.
#include "graph_exec.hpp"

#include <cstring>

namespace cpu_device {

namespace {

bool same_memory(const Box &a, const Box &b) {
    const auto place = [](uint64_t address) {
        const Allocation *found = memory().find(address, 1);
        if (!found) found = memory().reserved(address, 1);
        const bool device = found && (found->kind == MemoryKind::device || found->kind == MemoryKind::module);
        return device ? found->device : -1;
    };
    return a.side == b.side && place(a.address) == place(b.address);
}

CUgraphExecUpdateResult compare(const KernelWork &a, const KernelWork &b, uint64_t flags) {
    const auto priority = [](const KernelWork &w) {
        const auto found = w.attributes.find(CU_LAUNCH_ATTRIBUTE_PRIORITY);
        return found == w.attributes.end() ? 0 : found->second.priority;
    };
    if (a.function->context != b.function->context) return CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE;
    if (a.request.cooperative != b.request.cooperative) return CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED;
    if ((flags & CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY) && priority(a) != priority(b))
        return CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED;
    return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

bool compatible(const FillNodeWork &a, const FillNodeWork &b) {
    const FillWork &f = a.fill, &g = b.fill;
    Box from, to;
    from.address = f.address;
    to.address = g.address;
    if (a.context != b.context || f.height != g.height || !same_memory(from, to)) return false;
    return f.height <= 1 || (f.width == g.width && f.pitch == g.pitch && f.element == g.element);
}

bool compatible(const CopyNodeWork &a, const CopyNodeWork &b) {
    return a.context == b.context && same_memory(a.copy.from, b.copy.from) && same_memory(a.copy.to, b.copy.to);
}

} // namespace

CUgraphExecUpdateResult may_become(const Node &node, const NodeWork &work, uint64_t flags) {
    const auto either = [](bool same) {
        return same ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
    };
    if (node.type() != type_of(work)) return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    switch (static_cast<int>(node.type())) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return compare(*kernel_of(node.work), *kernel_of(work), flags);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        return either(compatible(std::get<CopyNodeWork>(node.work), std::get<CopyNodeWork>(work)));
    case CU_GRAPH_NODE_TYPE_MEMSET:
        return either(compatible(std::get<FillNodeWork>(node.work), std::get<FillNodeWork>(work)));
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        return either(std::get<ConditionalWork>(node.work).type == std::get<ConditionalWork>(work).type);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: {
        const bool same = std::get<AllocationWork>(node.work).memory == std::get<AllocationWork>(work).memory;
        return same ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED;
    }
    case CU_GRAPH_NODE_TYPE_MEM_FREE: {
        const bool same = std::get<FreeWork>(node.work).memory == std::get<FreeWork>(work).memory;
        return same ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED;
    }
    default: return CU_GRAPH_EXEC_UPDATE_SUCCESS;
    }
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

void say(CUgraphExecUpdateResultInfo &info, CUgraphExecUpdateResult result, const Node *node,
         const Node *from = nullptr) {
    info.result = result;
    info.errorNode = node ? as<CUgraphNode>(*node) : nullptr;
    info.errorFromNode = from ? as<CUgraphNode>(*from) : nullptr;
}

using Places = std::map<const Node *, size_t>;

Places places(const Graph &graph) {
    Places found;
    for (size_t i = 0; i < graph.nodes.size(); i++) found[graph.nodes[i].get()] = i;
    return found;
}

// Whether `now` has the nodes and edges of `old`; nodes are paired in the order in which they were added.
bool same_topology(const Graph &old, const Graph &now, CUgraphExecUpdateResultInfo &info) {
    const Places before = places(old), after = places(now);
    say(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, nullptr);
    if (old.nodes.size() != now.nodes.size()) return false;
    for (size_t i = 0; i < now.nodes.size(); i++) {
        const auto &a = old.nodes[i]->dependencies, &b = now.nodes[i]->dependencies;
        say(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, now.nodes[i].get());
        if (a.size() != b.size()) return false;
        for (size_t k = 0; k < a.size(); k++) {
            if (before.at(a[k].node) == after.at(b[k].node) && same_edge(a[k].data, b[k].data)) continue;
            say(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, now.nodes[i].get(), b[k].node);
            return false;
        }
    }
    return true;
}

bool compatible_graphs(const Graph &old, const Graph &now, uint64_t flags, CUgraphExecUpdateResultInfo &info) {
    if (!same_topology(old, now, info)) return false;
    for (size_t i = 0; i < now.nodes.size(); i++) {
        const Node &a = *old.nodes[i], &b = *now.nodes[i];
        CUgraphExecUpdateResult result = may_become(a, b.work, flags);
        if (result == CU_GRAPH_EXEC_UPDATE_SUCCESS && a.bodies.size() != b.bodies.size())
            result = CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
        if (result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
            say(info, result, &b);
            return false;
        }
        for (size_t k = 0; k < a.bodies.size(); k++)
            if (!compatible_graphs(*a.bodies[k], *b.bodies[k], flags, info)) return false;
    }
    say(info, CU_GRAPH_EXEC_UPDATE_SUCCESS, nullptr);
    return true;
}

void become(Graph &old, const Graph &now) {
    for (size_t i = 0; i < now.nodes.size(); i++) {
        old.nodes[i]->work = now.nodes[i]->work;
        for (size_t k = 0; k < now.nodes[i]->bodies.size(); k++)
            become(*old.nodes[i]->bodies[k], *now.nodes[i]->bodies[k]);
    }
    old.variables = now.variables;
    old.objects = now.objects;
}

CUresult update(CUgraphExec handle, CUgraph graph, CUgraphExecUpdateResultInfo &info) {
    info = {CU_GRAPH_EXEC_UPDATE_ERROR, nullptr, nullptr};
    return with_exec(handle, [&](GraphExec &exec) {
        return with_graph(graph, [&](Graph &now) {
            if (!compatible_graphs(*exec.graph, now, exec.flags, info)) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
            become(*exec.graph, now);
            exec.changed();
            return CUDA_SUCCESS;
        });
    });
}

// Copies and fills of a single row may be changed one by one, and to such only.
bool single_row(const NodeWork &work) {
    if (const auto *w = std::get_if<CopyNodeWork>(&work))
        return w->copy.extent.width && w->copy.extent.height == 1 && w->copy.extent.depth == 1;
    if (const auto *w = std::get_if<FillNodeWork>(&work)) return w->fill.width && w->fill.height;
    return true;
}

// read(before, work) says what the node does from the next launch on.
template <class Read> CUresult set(CUgraphExec handle, CUgraphNode original, CUgraphNodeType type, Read &&read) {
    return with_exec(handle, [&](GraphExec &exec) {
        Node *node = exec.node(original);
        NodeWork work;
        if (!node || node->type() != type) return CUDA_ERROR_INVALID_VALUE;
        const CUresult status = read(*node, work);
        if (status != CUDA_SUCCESS) return status;
        const bool possible = single_row(node->work) && single_row(work) &&
                              cpu_device::may_become(*node, work, exec.flags) == CU_GRAPH_EXEC_UPDATE_SUCCESS;
        if (!possible) return CUDA_ERROR_INVALID_VALUE;
        node->work = std::move(work);
        exec.changed();
        return CUDA_SUCCESS;
    });
}

template <class Params> CUresult set_kernel(CUgraphExec exec, CUgraphNode node, const Params *params) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_KERNEL, [&](const Node &before, NodeWork &work) {
        CUDA_KERNEL_NODE_PARAMS_v3 p{};
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&p, params, sizeof *params);
        return read_work(p, kernel_of(before.work), work);
    });
}

CUresult set_child(CUgraphExec handle, CUgraphNode original, CUgraph graph) {
    return with_exec(handle, [&](GraphExec &exec) {
        return with_graph(graph, [&](Graph &now) {
            Node *node = exec.node(original);
            CUgraphExecUpdateResultInfo info;
            if (!node || node->type() != CU_GRAPH_NODE_TYPE_GRAPH) return CUDA_ERROR_INVALID_VALUE;
            if (!compatible_graphs(*node->bodies[0], now, exec.flags, info)) return CUDA_ERROR_INVALID_VALUE;
            become(*node->bodies[0], now);
            exec.changed();
            return CUDA_SUCCESS;
        });
    });
}

bool can_be_disabled(CUgraphNodeType type) {
    return type == CU_GRAPH_NODE_TYPE_KERNEL || type == CU_GRAPH_NODE_TYPE_MEMCPY || type == CU_GRAPH_NODE_TYPE_MEMSET;
}

} // namespace

extern "C" {

CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *node, CUgraphExecUpdateResult *result) {
    CUgraphExecUpdateResultInfo info;
    const CUresult status = update(exec, graph, info);
    if (node) *node = info.errorNode;
    if (result) *result = info.result;
    return status;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *out) {
    CUgraphExecUpdateResultInfo info;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    const CUresult status = update(exec, graph, info);
    *out = info;
    return status;
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1 *params) {
    return set_kernel(exec, node, params);
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *params) {
    return set_kernel(exec, node, params);
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D *params,
                                        CUcontext context) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_MEMCPY, [&](const Node &, NodeWork &work) {
        return params ? read_work(*params, context, work) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS *params,
                                        CUcontext context) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_MEMSET, [&](const Node &, NodeWork &work) {
        CUDA_MEMSET_NODE_PARAMS_v2 p{};
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&p, params, sizeof *params);
        p.ctx = context;
        return read_work(p, work);
    });
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_HOST_NODE_PARAMS *params) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_HOST, [&](const Node &, NodeWork &work) {
        return params ? read_work(params->fn, params->userData, 0, work) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child) {
    return set_child(exec, node, child);
}

CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_EVENT_RECORD,
               [&](const Node &, NodeWork &work) { return read_work(event, true, work); });
}

CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_WAIT_EVENT,
               [&](const Node &, NodeWork &work) { return read_work(event, false, work); });
}

CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                            const CUDA_BATCH_MEM_OP_NODE_PARAMS *params) {
    return set(exec, node, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, [&](const Node &, NodeWork &work) {
        CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 p{};
        if (!params) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&p, params, sizeof p);
        return read_work(p, work);
    });
}

CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams *params) {
    if (!params) return CUDA_ERROR_INVALID_VALUE;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) return set_child(exec, node, params->graph.graph);
    return set(exec, node, params->type,
               [&](const Node &before, NodeWork &work) { return read_settable(*params, before.work, work); });
}

CUresult cuGraphNodeSetEnabled(CUgraphExec handle, CUgraphNode original, unsigned enabled) {
    return with_exec(handle, [&](GraphExec &exec) {
        Node *node = exec.node(original);
        if (!node || !can_be_disabled(node->type())) return CUDA_ERROR_INVALID_VALUE;
        node->enabled = enabled != 0;
        exec.changed();
        return CUDA_SUCCESS;
    });
}

CUresult cuGraphNodeGetEnabled(CUgraphExec handle, CUgraphNode original, unsigned *enabled) {
    return with_exec(handle, [&](GraphExec &exec) {
        const Node *node = exec.node(original);
        if (!node || !enabled || !can_be_disabled(node->type())) return CUDA_ERROR_INVALID_VALUE;
        *enabled = node->enabled;
        return CUDA_SUCCESS;
    });
}
}
