// Graphs as a whole: made, looked at, instantiated, launched.
#include "call.hpp"
#include "layouts.hpp"

using namespace cpu_device;

extern "C" {

// -- made

cudaError_t cudaGraphCreate(cudaGraph_t *out, unsigned flags) {
    return in_context([&] { return CALL(cuGraphCreate, out, flags); });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return in_context([&] { return CALL(cuGraphDestroy, graph); });
}

cudaError_t cudaGraphClone(cudaGraph_t *out, cudaGraph_t graph) {
    return in_context([&] { return CALL(cuGraphClone, out, graph); });
}

cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t *from, const cudaGraphNode_t *to,
                                     const cudaGraphEdgeData *edges, size_t n) {
    return in_context(
        [&] { return CALL(cuGraphAddDependencies_v2, graph, from, to, same<CUgraphEdgeData>(edges), n); });
}

cudaError_t cudaGraphRemoveDependencies(cudaGraph_t graph, const cudaGraphNode_t *from, const cudaGraphNode_t *to,
                                        const cudaGraphEdgeData *edges, size_t n) {
    return in_context(
        [&] { return CALL(cuGraphRemoveDependencies_v2, graph, from, to, same<CUgraphEdgeData>(edges), n); });
}

cudaError_t cudaGraphConditionalHandleCreate(cudaGraphConditionalHandle *out, cudaGraph_t graph, unsigned value,
                                             unsigned flags) {
    return in_context([&]() -> cudaError_t {
        CUcontext context = nullptr;
        CUgraphConditionalHandle handle = 0;
        if (!out) return cudaErrorInvalidValue;
        if (const cudaError_t status = CALL(cuCtxGetCurrent, &context)) return status;
        const cudaError_t status = CALL(cuGraphConditionalHandleCreate, &handle, graph, context, value, flags);
        if (status == cudaSuccess) *out = handle;
        return status;
    });
}

// -- looked at

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *n) {
    return in_context([&] { return CALL(cuGraphGetNodes, graph, nodes, n); });
}

cudaError_t cudaGraphGetRootNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *n) {
    return in_context([&] { return CALL(cuGraphGetRootNodes, graph, nodes, n); });
}

cudaError_t cudaGraphGetEdges(cudaGraph_t graph, cudaGraphNode_t *from, cudaGraphNode_t *to, cudaGraphEdgeData *edges,
                              size_t *n) {
    return in_context([&] { return CALL(cuGraphGetEdges_v2, graph, from, to, same<CUgraphEdgeData>(edges), n); });
}

cudaError_t cudaGraphGetId(cudaGraph_t graph, unsigned *id) {
    return in_context([&] { return CALL(cuGraphGetId, graph, id); });
}

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t graph, const char *path, unsigned flags) {
    return in_context([&] { return CALL(cuGraphDebugDotPrint, graph, path, flags); });
}

// -- instantiated

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags) {
    return in_context([&] { return CALL(cuGraphInstantiateWithFlags, out, graph, flags); });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags) {
    return in_context([&] { return CALL(cuGraphInstantiateWithFlags, out, graph, flags); });
}

cudaError_t cudaGraphInstantiateWithParams(cudaGraphExec_t *out, cudaGraph_t graph,
                                           cudaGraphInstantiateParams *params) {
    return in_context([&] {
        auto *const own = same<CUDA_GRAPH_INSTANTIATE_PARAMS>(params);
        return PerThreadStream::active() ? CALL(cuGraphInstantiateWithParams_ptsz, out, graph, own)
                                         : CALL(cuGraphInstantiateWithParams, out, graph, own);
    });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    return in_context([&] { return CALL(cuGraphExecDestroy, exec); });
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *result) {
    return in_context(
        [&] { return CALL(cuGraphExecUpdate_v2, exec, graph, same<CUgraphExecUpdateResultInfo>(result)); });
}

cudaError_t cudaGraphExecGetFlags(cudaGraphExec_t exec, unsigned long long *flags) {
    return in_context([&] { return CALL(cuGraphExecGetFlags, exec, reinterpret_cast<cuuint64_t *>(flags)); });
}

cudaError_t cudaGraphExecGetId(cudaGraphExec_t exec, unsigned *id) {
    return in_context([&] { return CALL(cuGraphExecGetId, exec, id); });
}

// -- launched

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
    return in_context([&] { return CALL(cuGraphUpload, exec, stream_of(stream)); });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    return in_context([&] { return CALL(cuGraphLaunch, exec, stream_of(stream)); });
}

// -- what belongs to them

cudaError_t cudaUserObjectCreate(cudaUserObject_t *out, void *object, cudaHostFn_t destroy, unsigned references,
                                 unsigned flags) {
    return in_context([&] { return CALL(cuUserObjectCreate, out, object, destroy, references, flags); });
}

cudaError_t cudaUserObjectRetain(cudaUserObject_t object, unsigned count) {
    return in_context([&] { return CALL(cuUserObjectRetain, object, count); });
}

cudaError_t cudaUserObjectRelease(cudaUserObject_t object, unsigned count) {
    return in_context([&] { return CALL(cuUserObjectRelease, object, count); });
}

cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t object, unsigned count, unsigned flags) {
    return in_context([&] { return CALL(cuGraphRetainUserObject, graph, object, count, flags); });
}

cudaError_t cudaGraphReleaseUserObject(cudaGraph_t graph, cudaUserObject_t object, unsigned count) {
    return in_context([&] { return CALL(cuGraphReleaseUserObject, graph, object, count); });
}

cudaError_t cudaDeviceGetGraphMemAttribute(int device, cudaGraphMemAttributeType attribute, void *value) {
    return in_context([&] {
        return CALL(cuDeviceGetGraphMemAttribute, device, static_cast<CUgraphMem_attribute>(attribute), value);
    });
}

cudaError_t cudaDeviceSetGraphMemAttribute(int device, cudaGraphMemAttributeType attribute, void *value) {
    return in_context([&] {
        return CALL(cuDeviceSetGraphMemAttribute, device, static_cast<CUgraphMem_attribute>(attribute), value);
    });
}

cudaError_t cudaDeviceGraphMemTrim(int device) {
    return in_context([&] { return CALL(cuDeviceGraphMemTrim, device); });
}
}
