// The functions that add nodes to a graph.
#include "graph.hpp"

#include <cstring>

namespace cpu_device {

// What a graph may not have: memory in cloned children and bodies, memory freed twice.
CUresult check_memory(Graph &graph, const NodeWork &work) {
    const auto *allocation = std::get_if<AllocationWork>(&work);
    const auto *free = std::get_if<FreeWork>(&work);
    if (!allocation && !free) return CUDA_SUCCESS;
    if (graph.body || graph.no_memory) return CUDA_ERROR_NOT_SUPPORTED;
    if (!free) return CUDA_SUCCESS;
    const GraphAllocation &memory = *free->memory;
    const bool owner = memory.allocated_by == graph.id;
    if (memory.freed_by && (memory.freed_by == memory.allocated_by || owner)) return CUDA_ERROR_INVALID_VALUE;
    for (const auto &node : graph.nodes) {
        const auto *other = std::get_if<FreeWork>(&node->work);
        if (other && other->memory == free->memory) return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

struct Place { // where a node is added
    CUgraphNode *out;
    CUgraph graph;
    const CUgraphNode *dependencies;
    const CUgraphEdgeData *data;
    size_t n;
};

using Bodies = std::vector<std::shared_ptr<Graph>>;

// read(Graph &, NodeWork &, Bodies &) says what the node does, once its place is known to be one.
template <class Read> CUresult add_node(const Place &place, CUgraphNodeType type, Read &&read) {
    return with_graph(place.graph, [&](Graph &graph) {
        std::vector<Link> links;
        NodeWork work;
        Bodies bodies;
        if (!place.out) return CUDA_ERROR_INVALID_VALUE;
        CUresult status = graph.find_links(place.dependencies, place.data, place.n, type, links);
        if (status == CUDA_SUCCESS) status = read(graph, work, bodies);
        if (status == CUDA_SUCCESS) status = check_memory(graph, work);
        if (status != CUDA_SUCCESS) return status;
        if (const auto *allocation = std::get_if<AllocationWork>(&work)) allocation->memory->allocated_by = graph.id;
        if (const auto *free = std::get_if<FreeWork>(&work)) free->memory->freed_by = graph.id;
        *place.out = as<CUgraphNode>(*graph.add(std::move(work), links, std::move(bodies)));
        return CUDA_SUCCESS;
    });
}

// Whether `graph` is `inner`, or lies in it.
bool lies_in(const Graph *graph, const Graph &inner) {
    for (; graph; graph = graph->parent)
        if (graph == &inner) return true;
    return false;
}

CUresult read_child(Graph &graph, CUgraph handle, int ownership, NodeWork &work, Bodies &bodies) {
    const std::shared_ptr<Graph> child = lookup<Graph>(handle);
    const bool moved = ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE;
    if (!child || (!moved && ownership != CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE)) return CUDA_ERROR_INVALID_VALUE;
    if (child->find_type({CU_GRAPH_NODE_TYPE_CONDITIONAL})) return CUDA_ERROR_INVALID_VALUE;
    if (moved && (child->parent || lies_in(&graph, *child))) return CUDA_ERROR_INVALID_VALUE;
    if (child->has_memory() && (!moved || graph.body || graph.no_memory)) return CUDA_ERROR_INVALID_VALUE;
    bodies.push_back(moved ? child : child->clone(false));
    bodies[0]->no_memory = !moved;
    work = ChildWork{moved};
    return CUDA_SUCCESS;
}

bool valid_size(CUgraphConditionalNodeType type, unsigned size) {
    switch (static_cast<int>(type)) {
    case CU_GRAPH_COND_TYPE_IF: return size == 1 || size == 2;
    case CU_GRAPH_COND_TYPE_WHILE: return size == 1;
    case CU_GRAPH_COND_TYPE_SWITCH: return size > 0 && size <= 65536;
    default: return false;
    }
}

// The variable belongs to the graph or to one around it.
CUresult read_conditional(Graph &graph, const CUDA_CONDITIONAL_NODE_PARAMS &params, NodeWork &work, Bodies &bodies) {
    std::shared_ptr<Conditional> variable;
    for (const Graph *g = &graph; g && !variable; g = g->parent)
        for (const auto &v : g->variables)
            if (v->handle == params.handle) variable = v;
    if (!variable || variable->used || !valid_size(params.type, params.size)) return CUDA_ERROR_INVALID_VALUE;
    if (params.ctx && context_of(params.ctx) != variable->context) return CUDA_ERROR_INVALID_CONTEXT;
    for (unsigned i = 0; i < params.size; i++) {
        bodies.push_back(std::make_shared<Graph>());
        bodies.back()->body = true;
    }
    variable->used = true;
    work = ConditionalWork{std::move(variable), params.type};
    return CUDA_SUCCESS;
}

bool clean(const CUgraphNodeParams &p) {
    for (int word : p.reserved0)
        if (word) return false;
    return !p.reserved2;
}

CUresult read_any(Graph &graph, CUgraphNodeParams &p, NodeWork &work, Bodies &bodies) {
    switch (static_cast<int>(p.type)) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return read_work(p.kernel, nullptr, work);
    case CU_GRAPH_NODE_TYPE_MEMCPY: return read_work(p.memcpy.copyParams, p.memcpy.copyCtx, work);
    case CU_GRAPH_NODE_TYPE_MEMSET: return read_work(p.memset, work);
    case CU_GRAPH_NODE_TYPE_HOST: return read_work(p.host.fn, p.host.userData, p.host.syncMode, work);
    case CU_GRAPH_NODE_TYPE_GRAPH: return read_child(graph, p.graph.graph, p.graph.ownership, work, bodies);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return read_work(p.memOp, work);
    case CU_GRAPH_NODE_TYPE_EMPTY: return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return read_work(p.eventWait.event, false, work);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return read_work(p.eventRecord.event, true, work);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return read_work(p.alloc, work);
    case CU_GRAPH_NODE_TYPE_MEM_FREE: return read_free(p.free.dptr, work);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL: return read_conditional(graph, p.conditional, work, bodies);
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
    case CU_GRAPH_NODE_TYPE_MEMCPY_BATCH:
    case CU_GRAPH_NODE_TYPE_EXTERNAL_ENGINE:
    case CU_GRAPH_NODE_TYPE_FABRIC_CPY_BATCH: return CUDA_ERROR_NOT_SUPPORTED;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult add_any(const Place &place, CUgraphNodeParams *p) {
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    const CUresult status = add_node(place, p->type, [&](Graph &graph, NodeWork &work, Bodies &bodies) {
        return clean(*p) ? read_any(graph, *p, work, bodies) : CUDA_ERROR_INVALID_VALUE;
    });
    if (status != CUDA_SUCCESS || p->type != CU_GRAPH_NODE_TYPE_CONDITIONAL) return status;
    return with_node(*place.out, [&](Node &node) { // an array of the node's
        p->conditional.phGraph_out = node.body_handles.data();
        return CUDA_SUCCESS;
    });
}

CUDA_KERNEL_NODE_PARAMS_v3 with_names(const CUDA_KERNEL_NODE_PARAMS_v1 &params) {
    CUDA_KERNEL_NODE_PARAMS_v3 p{};
    std::memcpy(&p, &params, sizeof params);
    return p;
}

CUresult add_kernel(const Place &place, const CUDA_KERNEL_NODE_PARAMS_v3 &params) {
    return add_node(place, CU_GRAPH_NODE_TYPE_KERNEL,
                    [&](Graph &, NodeWork &work, Bodies &) { return read_work(params, nullptr, work); });
}

CUresult add_event(const Place &place, CUevent event, bool record) {
    const CUgraphNodeType type = record ? CU_GRAPH_NODE_TYPE_EVENT_RECORD : CU_GRAPH_NODE_TYPE_WAIT_EVENT;
    return add_node(place, type, [&](Graph &, NodeWork &work, Bodies &) { return read_work(event, record, work); });
}

} // namespace

extern "C" {

CUresult cuGraphAddNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                        CUgraphNodeParams *params) {
    return add_any({out, graph, dependencies, nullptr, n}, params);
}

CUresult cuGraphAddNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies,
                           const CUgraphEdgeData *data, size_t n, CUgraphNodeParams *params) {
    return add_any({out, graph, dependencies, data, n}, params);
}

CUresult cuGraphAddNode_v3(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies,
                           const CUgraphEdgeData *data, size_t n, CUgraphNodeParams *params) {
    return add_any({out, graph, dependencies, data, n}, params);
}

CUresult cuGraphAddEmptyNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_EMPTY,
                    [](Graph &, NodeWork &, Bodies &) { return CUDA_SUCCESS; });
}

CUresult cuGraphAddKernelNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                              const CUDA_KERNEL_NODE_PARAMS_v1 *params) {
    if (!params) return CUDA_ERROR_INVALID_VALUE;
    return add_kernel({out, graph, dependencies, nullptr, n}, with_names(*params));
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                                 const CUDA_KERNEL_NODE_PARAMS *params) {
    CUDA_KERNEL_NODE_PARAMS_v3 p{};
    if (!params) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(&p, params, sizeof p);
    return add_kernel({out, graph, dependencies, nullptr, n}, p);
}

CUresult cuGraphAddMemcpyNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                              const CUDA_MEMCPY3D *params, CUcontext context) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_MEMCPY,
                    [&](Graph &, NodeWork &work, Bodies &) {
                        return params ? read_work(*params, context, work) : CUDA_ERROR_INVALID_VALUE;
                    });
}

CUresult cuGraphAddMemsetNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                              const CUDA_MEMSET_NODE_PARAMS *params, CUcontext context) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_MEMSET,
                    [&](Graph &, NodeWork &work, Bodies &) {
                        CUDA_MEMSET_NODE_PARAMS_v2 p{};
                        if (!params) return CUDA_ERROR_INVALID_VALUE;
                        std::memcpy(&p, params, sizeof *params);
                        p.ctx = context;
                        return read_work(p, work);
                    });
}

CUresult cuGraphAddHostNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                            const CUDA_HOST_NODE_PARAMS *params) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_HOST,
                    [&](Graph &, NodeWork &work, Bodies &) {
                        return params ? read_work(params->fn, params->userData, 0, work) : CUDA_ERROR_INVALID_VALUE;
                    });
}

CUresult cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                                  CUgraph child) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_GRAPH,
                    [&](Graph &parent, NodeWork &work, Bodies &bodies) {
                        return read_child(parent, child, CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE, work, bodies);
                    });
}

CUresult cuGraphAddEventRecordNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                                   CUevent event) {
    return add_event({out, graph, dependencies, nullptr, n}, event, true);
}

CUresult cuGraphAddEventWaitNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                                 CUevent event) {
    return add_event({out, graph, dependencies, nullptr, n}, event, false);
}

CUresult cuGraphAddBatchMemOpNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                                  const CUDA_BATCH_MEM_OP_NODE_PARAMS *params) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
                    [&](Graph &, NodeWork &work, Bodies &) {
                        CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 p{};
                        if (!params) return CUDA_ERROR_INVALID_VALUE;
                        std::memcpy(&p, params, sizeof p);
                        return read_work(p, work);
                    });
}

CUresult cuGraphAddMemAllocNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                                CUDA_MEM_ALLOC_NODE_PARAMS *params) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_MEM_ALLOC,
                    [&](Graph &, NodeWork &work, Bodies &) {
                        CUDA_MEM_ALLOC_NODE_PARAMS_v2 p{};
                        if (!params) return CUDA_ERROR_INVALID_VALUE;
                        std::memcpy(&p, params, sizeof p);
                        const CUresult status = read_work(p, work);
                        params->dptr = p.dptr;
                        return status;
                    });
}

CUresult cuGraphAddMemFreeNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, size_t n,
                               CUdeviceptr address) {
    return add_node({out, graph, dependencies, nullptr, n}, CU_GRAPH_NODE_TYPE_MEM_FREE,
                    [&](Graph &, NodeWork &work, Bodies &) { return read_free(address, work); });
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle *out, CUgraph handle, CUcontext context,
                                        unsigned value, unsigned flags) {
    return with_graph(handle, [&](Graph &graph) {
        if (!out || (flags & ~static_cast<unsigned>(CU_GRAPH_COND_ASSIGN_DEFAULT))) return CUDA_ERROR_INVALID_VALUE;
        std::shared_ptr<Context> found = context ? context_of(context) : current_context();
        if (!found || !found->alive()) return CUDA_ERROR_INVALID_CONTEXT;
        auto variable = std::make_shared<Conditional>(std::move(found), value, flags != 0);
        *out = variable->handle;
        graph.variables.push_back(std::move(variable));
        return CUDA_SUCCESS;
    });
}
}
