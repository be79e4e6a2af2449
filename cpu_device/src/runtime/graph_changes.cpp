// Nodes whose parameters change, in a graph or in what was instantiated from it.
#include "call.hpp"
#include "copy.hpp"
#include "layouts.hpp"
#include "node_params.hpp"

using namespace cpu_device;

namespace {

using Node = cudaGraphNode_t;
using Exec = cudaGraphExec_t;

// Another copy; read(box) says what.
template <class Read> cudaError_t change_copy(Node node, Read &&read) {
    return in_context([&]() -> cudaError_t {
        CUDA_MEMCPY3D box;
        const cudaError_t status = read(box);
        return status == cudaSuccess ? CALL(cuGraphMemcpyNodeSetParams, node, &box) : status;
    });
}

template <class Read> cudaError_t change_copy(Exec exec, Node node, Read &&read) {
    return in_context([&]() -> cudaError_t {
        CUDA_MEMCPY3D box;
        CUcontext context = nullptr;
        if (const cudaError_t status = read(box)) return status;
        if (const cudaError_t status = node_context(context)) return status;
        return CALL(cuGraphExecMemcpyNodeSetParams, exec, node, &box, context);
    });
}

// body(own) with the driver's parameters of any node.
template <class Body> cudaError_t with_node(cudaGraphNodeParams *params, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUgraphNodeParams own;
        if (!params) return cudaErrorInvalidValue;
        const cudaError_t status = read_node(*params, own);
        return status == cudaSuccess ? body(own) : status;
    });
}

template <class Body> cudaError_t with_kernel(const cudaKernelNodeParams *params, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUDA_KERNEL_NODE_PARAMS own;
        if (!params) return cudaErrorInvalidValue;
        const cudaError_t status = read_kernel(*params, own);
        return status == cudaSuccess ? body(own) : status;
    });
}

} // namespace

extern "C" {

// -- in a graph

cudaError_t cudaGraphNodeSetParams(Node node, cudaGraphNodeParams *params) {
    return with_node(params, [&](CUgraphNodeParams &own) { return CALL(cuGraphNodeSetParams, node, &own); });
}

cudaError_t cudaGraphKernelNodeSetParams(Node node, const cudaKernelNodeParams *params) {
    return with_kernel(
        params, [&](const CUDA_KERNEL_NODE_PARAMS &own) { return CALL(cuGraphKernelNodeSetParams_v2, node, &own); });
}

cudaError_t cudaGraphMemcpyNodeSetParams(Node node, const cudaMemcpy3DParms *params) {
    return change_copy(node,
                       [&](CUDA_MEMCPY3D &box) { return params ? read_params(*params, box) : cudaErrorInvalidValue; });
}

cudaError_t cudaGraphMemcpyNodeSetParams1D(Node node, void *to, const void *from, size_t size, cudaMemcpyKind kind) {
    return change_copy(node, [&](CUDA_MEMCPY3D &box) { return read_row(to, from, size, kind, box); });
}

cudaError_t cudaGraphMemcpyNodeSetParamsToSymbol(Node node, const void *symbol, const void *from, size_t size,
                                                 size_t offset, cudaMemcpyKind kind) {
    return change_copy(node, [&](CUDA_MEMCPY3D &box) { return read_to_symbol(symbol, from, size, offset, kind, box); });
}

cudaError_t cudaGraphMemcpyNodeSetParamsFromSymbol(Node node, void *to, const void *symbol, size_t size, size_t offset,
                                                   cudaMemcpyKind kind) {
    return change_copy(node, [&](CUDA_MEMCPY3D &box) { return read_from_symbol(to, symbol, size, offset, kind, box); });
}

cudaError_t cudaGraphMemsetNodeSetParams(Node node, const cudaMemsetParams *params) {
    return in_context([&] {
        if (!params) return cudaErrorInvalidValue;
        const CUDA_MEMSET_NODE_PARAMS own = read_fill(*params);
        return CALL(cuGraphMemsetNodeSetParams, node, &own);
    });
}

cudaError_t cudaGraphHostNodeSetParams(Node node, const cudaHostNodeParams *params) {
    return in_context([&] { return CALL(cuGraphHostNodeSetParams, node, same<CUDA_HOST_NODE_PARAMS>(params)); });
}

cudaError_t cudaGraphEventRecordNodeSetEvent(Node node, cudaEvent_t event) {
    return in_context([&] { return CALL(cuGraphEventRecordNodeSetEvent, node, event); });
}

cudaError_t cudaGraphEventWaitNodeSetEvent(Node node, cudaEvent_t event) {
    return in_context([&] { return CALL(cuGraphEventWaitNodeSetEvent, node, event); });
}

// -- in what was instantiated

cudaError_t cudaGraphExecNodeSetParams(Exec exec, Node node, cudaGraphNodeParams *params) {
    return with_node(params, [&](CUgraphNodeParams &own) { return CALL(cuGraphExecNodeSetParams, exec, node, &own); });
}

cudaError_t cudaGraphExecKernelNodeSetParams(Exec exec, Node node, const cudaKernelNodeParams *params) {
    return with_kernel(params, [&](const CUDA_KERNEL_NODE_PARAMS &own) {
        return CALL(cuGraphExecKernelNodeSetParams_v2, exec, node, &own);
    });
}

cudaError_t cudaGraphExecMemcpyNodeSetParams(Exec exec, Node node, const cudaMemcpy3DParms *params) {
    return change_copy(exec, node,
                       [&](CUDA_MEMCPY3D &box) { return params ? read_params(*params, box) : cudaErrorInvalidValue; });
}

cudaError_t cudaGraphExecMemcpyNodeSetParams1D(Exec exec, Node node, void *to, const void *from, size_t size,
                                               cudaMemcpyKind kind) {
    return change_copy(exec, node, [&](CUDA_MEMCPY3D &box) { return read_row(to, from, size, kind, box); });
}

cudaError_t cudaGraphExecMemcpyNodeSetParamsToSymbol(Exec exec, Node node, const void *symbol, const void *from,
                                                     size_t size, size_t offset, cudaMemcpyKind kind) {
    return change_copy(exec, node,
                       [&](CUDA_MEMCPY3D &box) { return read_to_symbol(symbol, from, size, offset, kind, box); });
}

cudaError_t cudaGraphExecMemcpyNodeSetParamsFromSymbol(Exec exec, Node node, void *to, const void *symbol, size_t size,
                                                       size_t offset, cudaMemcpyKind kind) {
    return change_copy(exec, node,
                       [&](CUDA_MEMCPY3D &box) { return read_from_symbol(to, symbol, size, offset, kind, box); });
}

cudaError_t cudaGraphExecMemsetNodeSetParams(Exec exec, Node node, const cudaMemsetParams *params) {
    return in_context([&]() -> cudaError_t {
        CUcontext context = nullptr;
        if (!params) return cudaErrorInvalidValue;
        if (const cudaError_t status = node_context(context)) return status;
        const CUDA_MEMSET_NODE_PARAMS own = read_fill(*params);
        return CALL(cuGraphExecMemsetNodeSetParams, exec, node, &own, context);
    });
}

cudaError_t cudaGraphExecHostNodeSetParams(Exec exec, Node node, const cudaHostNodeParams *params) {
    return in_context(
        [&] { return CALL(cuGraphExecHostNodeSetParams, exec, node, same<CUDA_HOST_NODE_PARAMS>(params)); });
}

cudaError_t cudaGraphExecChildGraphNodeSetParams(Exec exec, Node node, cudaGraph_t child) {
    return in_context([&] { return CALL(cuGraphExecChildGraphNodeSetParams, exec, node, child); });
}

cudaError_t cudaGraphExecEventRecordNodeSetEvent(Exec exec, Node node, cudaEvent_t event) {
    return in_context([&] { return CALL(cuGraphExecEventRecordNodeSetEvent, exec, node, event); });
}

cudaError_t cudaGraphExecEventWaitNodeSetEvent(Exec exec, Node node, cudaEvent_t event) {
    return in_context([&] { return CALL(cuGraphExecEventWaitNodeSetEvent, exec, node, event); });
}
}
