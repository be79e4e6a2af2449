// Nodes that are added to a graph.
#include "call.hpp"
#include "copy.hpp"
#include "layouts.hpp"
#include "node_params.hpp"

using namespace cpu_device;

namespace {

using Node = cudaGraphNode_t;

// A node that copies; read(box) says what.
template <class Read> cudaError_t add_copy(Node *out, cudaGraph_t graph, const Node *before, size_t n, Read &&read) {
    return in_context([&]() -> cudaError_t {
        CUDA_MEMCPY3D box;
        CUcontext context = nullptr;
        if (const cudaError_t status = read(box)) return status;
        if (const cudaError_t status = node_context(context)) return status;
        return CALL(cuGraphAddMemcpyNode, out, graph, before, n, &box, context);
    });
}

} // namespace

extern "C" {

cudaError_t cudaGraphAddNode(Node *out, cudaGraph_t graph, const Node *before, const cudaGraphEdgeData *edges, size_t n,
                             cudaGraphNodeParams *params) {
    return in_context([&]() -> cudaError_t {
        CUgraphNodeParams own;
        if (!params) return cudaErrorInvalidValue;
        if (const cudaError_t status = read_node(*params, own)) return status;
        const cudaError_t status = CALL(cuGraphAddNode_v2, out, graph, before, same<CUgraphEdgeData>(edges), n, &own);
        if (status == cudaSuccess) write_results(own, *params);
        return status;
    });
}

cudaError_t cudaGraphAddKernelNode(Node *out, cudaGraph_t graph, const Node *before, size_t n,
                                   const cudaKernelNodeParams *params) {
    return in_context([&]() -> cudaError_t {
        CUDA_KERNEL_NODE_PARAMS own;
        if (!params) return cudaErrorInvalidValue;
        const cudaError_t status = read_kernel(*params, own);
        return status == cudaSuccess ? CALL(cuGraphAddKernelNode_v2, out, graph, before, n, &own) : status;
    });
}

cudaError_t cudaGraphAddMemcpyNode(Node *out, cudaGraph_t graph, const Node *before, size_t n,
                                   const cudaMemcpy3DParms *params) {
    return add_copy(out, graph, before, n,
                    [&](CUDA_MEMCPY3D &box) { return params ? read_params(*params, box) : cudaErrorInvalidValue; });
}

cudaError_t cudaGraphAddMemcpyNode1D(Node *out, cudaGraph_t graph, const Node *before, size_t n, void *to,
                                     const void *from, size_t size, cudaMemcpyKind kind) {
    return add_copy(out, graph, before, n, [&](CUDA_MEMCPY3D &box) { return read_row(to, from, size, kind, box); });
}

cudaError_t cudaGraphAddMemcpyNodeToSymbol(Node *out, cudaGraph_t graph, const Node *before, size_t n,
                                           const void *symbol, const void *from, size_t size, size_t offset,
                                           cudaMemcpyKind kind) {
    return add_copy(out, graph, before, n,
                    [&](CUDA_MEMCPY3D &box) { return read_to_symbol(symbol, from, size, offset, kind, box); });
}

cudaError_t cudaGraphAddMemcpyNodeFromSymbol(Node *out, cudaGraph_t graph, const Node *before, size_t n, void *to,
                                             const void *symbol, size_t size, size_t offset, cudaMemcpyKind kind) {
    return add_copy(out, graph, before, n,
                    [&](CUDA_MEMCPY3D &box) { return read_from_symbol(to, symbol, size, offset, kind, box); });
}

cudaError_t cudaGraphAddMemsetNode(Node *out, cudaGraph_t graph, const Node *before, size_t n,
                                   const cudaMemsetParams *params) {
    return in_context([&]() -> cudaError_t {
        CUcontext context = nullptr;
        if (!params) return cudaErrorInvalidValue;
        if (const cudaError_t status = node_context(context)) return status;
        const CUDA_MEMSET_NODE_PARAMS own = read_fill(*params);
        return CALL(cuGraphAddMemsetNode, out, graph, before, n, &own, context);
    });
}

cudaError_t cudaGraphAddHostNode(Node *out, cudaGraph_t graph, const Node *before, size_t n,
                                 const cudaHostNodeParams *params) {
    return in_context(
        [&] { return CALL(cuGraphAddHostNode, out, graph, before, n, same<CUDA_HOST_NODE_PARAMS>(params)); });
}

cudaError_t cudaGraphAddChildGraphNode(Node *out, cudaGraph_t graph, const Node *before, size_t n, cudaGraph_t child) {
    return in_context([&] { return CALL(cuGraphAddChildGraphNode, out, graph, before, n, child); });
}

cudaError_t cudaGraphAddEmptyNode(Node *out, cudaGraph_t graph, const Node *before, size_t n) {
    return in_context([&] { return CALL(cuGraphAddEmptyNode, out, graph, before, n); });
}

cudaError_t cudaGraphAddEventRecordNode(Node *out, cudaGraph_t graph, const Node *before, size_t n, cudaEvent_t event) {
    return in_context([&] { return CALL(cuGraphAddEventRecordNode, out, graph, before, n, event); });
}

cudaError_t cudaGraphAddEventWaitNode(Node *out, cudaGraph_t graph, const Node *before, size_t n, cudaEvent_t event) {
    return in_context([&] { return CALL(cuGraphAddEventWaitNode, out, graph, before, n, event); });
}

cudaError_t cudaGraphAddMemAllocNode(Node *out, cudaGraph_t graph, const Node *before, size_t n,
                                     cudaMemAllocNodeParams *params) {
    return in_context(
        [&] { return CALL(cuGraphAddMemAllocNode, out, graph, before, n, same<CUDA_MEM_ALLOC_NODE_PARAMS>(params)); });
}

cudaError_t cudaGraphAddMemFreeNode(Node *out, cudaGraph_t graph, const Node *before, size_t n, void *memory) {
    return in_context([&] { return CALL(cuGraphAddMemFreeNode, out, graph, before, n, address(memory)); });
}

cudaError_t cudaGraphDestroyNode(Node node) {
    return in_context([&] { return CALL(cuGraphDestroyNode, node); });
}
}
