// What is known about a node, and what it does.
#include "call.hpp"
#include "copy.hpp"
#include "layouts.hpp"
#include "node_params.hpp"

using namespace cpu_device;

namespace {

using Node = cudaGraphNode_t;

} // namespace

extern "C" {

// -- where it is

cudaError_t cudaGraphNodeGetType(Node node, cudaGraphNodeType *type) {
    return in_context([&] { return CALL(cuGraphNodeGetType, node, reinterpret_cast<CUgraphNodeType *>(type)); });
}

cudaError_t cudaGraphNodeGetDependencies(Node node, Node *before, cudaGraphEdgeData *edges, size_t *n) {
    return in_context(
        [&] { return CALL(cuGraphNodeGetDependencies_v2, node, before, same<CUgraphEdgeData>(edges), n); });
}

cudaError_t cudaGraphNodeGetDependentNodes(Node node, Node *after, cudaGraphEdgeData *edges, size_t *n) {
    return in_context(
        [&] { return CALL(cuGraphNodeGetDependentNodes_v2, node, after, same<CUgraphEdgeData>(edges), n); });
}

cudaError_t cudaGraphNodeFindInClone(Node *out, Node original, cudaGraph_t clone) {
    return in_context([&] { return CALL(cuGraphNodeFindInClone, out, original, clone); });
}

cudaError_t cudaGraphNodeGetContainingGraph(Node node, cudaGraph_t *graph) {
    return in_context([&] { return CALL(cuGraphNodeGetContainingGraph, node, graph); });
}

cudaError_t cudaGraphNodeGetLocalId(Node node, unsigned *id) {
    return in_context([&] { return CALL(cuGraphNodeGetLocalId, node, id); });
}

cudaError_t cudaGraphNodeGetToolsId(Node node, unsigned long long *id) {
    return in_context([&] { return CALL(cuGraphNodeGetToolsId, node, id); });
}

cudaError_t cudaGraphNodeGetEnabled(cudaGraphExec_t exec, Node node, unsigned *enabled) {
    return in_context([&] { return CALL(cuGraphNodeGetEnabled, exec, node, enabled); });
}

cudaError_t cudaGraphNodeSetEnabled(cudaGraphExec_t exec, Node node, unsigned enabled) {
    return in_context([&] { return CALL(cuGraphNodeSetEnabled, exec, node, enabled); });
}

// -- what it does

cudaError_t cudaGraphKernelNodeGetParams(Node node, cudaKernelNodeParams *params) {
    return in_context([&]() -> cudaError_t {
        CUDA_KERNEL_NODE_PARAMS own = {};
        if (!params) return cudaErrorInvalidValue;
        const cudaError_t status = CALL(cuGraphKernelNodeGetParams_v2, node, &own);
        return status == cudaSuccess ? write_kernel(own, *params) : status;
    });
}

cudaError_t cudaGraphKernelNodeCopyAttributes(Node to, Node from) {
    return in_context([&] { return CALL(cuGraphKernelNodeCopyAttributes, to, from); });
}

cudaError_t cudaGraphKernelNodeGetAttribute(Node node, cudaLaunchAttributeID name, cudaLaunchAttributeValue *value) {
    return in_context([&] {
        return CALL(cuGraphKernelNodeGetAttribute, node, static_cast<CUlaunchAttributeID>(name),
                    same<CUlaunchAttributeValue>(value));
    });
}

cudaError_t cudaGraphKernelNodeSetAttribute(Node node, cudaLaunchAttributeID name,
                                            const cudaLaunchAttributeValue *value) {
    return in_context([&] {
        return CALL(cuGraphKernelNodeSetAttribute, node, static_cast<CUlaunchAttributeID>(name),
                    same<CUlaunchAttributeValue>(value));
    });
}

cudaError_t cudaGraphMemcpyNodeGetParams(Node node, cudaMemcpy3DParms *params) {
    return in_context([&]() -> cudaError_t {
        CUDA_MEMCPY3D box = {};
        if (!params) return cudaErrorInvalidValue;
        const cudaError_t status = CALL(cuGraphMemcpyNodeGetParams, node, &box);
        return status == cudaSuccess ? write_params(box, *params) : status;
    });
}

cudaError_t cudaGraphMemsetNodeGetParams(Node node, cudaMemsetParams *params) {
    return in_context([&] {
        CUDA_MEMSET_NODE_PARAMS own = {};
        if (!params) return cudaErrorInvalidValue;
        const cudaError_t status = CALL(cuGraphMemsetNodeGetParams, node, &own);
        if (status == cudaSuccess) *params = write_fill(own);
        return status;
    });
}

cudaError_t cudaGraphHostNodeGetParams(Node node, cudaHostNodeParams *params) {
    return in_context([&] { return CALL(cuGraphHostNodeGetParams, node, same<CUDA_HOST_NODE_PARAMS>(params)); });
}

cudaError_t cudaGraphChildGraphNodeGetGraph(Node node, cudaGraph_t *graph) {
    return in_context([&] { return CALL(cuGraphChildGraphNodeGetGraph, node, graph); });
}

cudaError_t cudaGraphEventRecordNodeGetEvent(Node node, cudaEvent_t *event) {
    return in_context([&] { return CALL(cuGraphEventRecordNodeGetEvent, node, event); });
}

cudaError_t cudaGraphEventWaitNodeGetEvent(Node node, cudaEvent_t *event) {
    return in_context([&] { return CALL(cuGraphEventWaitNodeGetEvent, node, event); });
}

cudaError_t cudaGraphMemAllocNodeGetParams(Node node, cudaMemAllocNodeParams *params) {
    return in_context(
        [&] { return CALL(cuGraphMemAllocNodeGetParams, node, same<CUDA_MEM_ALLOC_NODE_PARAMS>(params)); });
}

cudaError_t cudaGraphMemFreeNodeGetParams(Node node, void *memory) {
    return in_context([&] { return CALL(cuGraphMemFreeNodeGetParams, node, static_cast<CUdeviceptr *>(memory)); });
}
}
