// Between the runtime's parameters of nodes and the driver's.  The layouts differ where kernels and copies are described.
#include "node_params.hpp"

#include "copy.hpp"
#include "function.hpp"
#include "layouts.hpp"
#include "registration.hpp"

#include <cstring>

namespace cpu_device {

namespace {

template <class From, class To> void put_sizes(const From &from, To &to) {
    to.gridDimX = from.gridDim.x;
    to.gridDimY = from.gridDim.y;
    to.gridDimZ = from.gridDim.z;
    to.blockDimX = from.blockDim.x;
    to.blockDimY = from.blockDim.y;
    to.blockDimZ = from.blockDim.z;
    to.sharedMemBytes = from.sharedMemBytes;
    to.kernelParams = from.kernelParams;
    to.extra = from.extra;
}

cudaError_t read_kernel_v2(const cudaKernelNodeParamsV2 &from, CUDA_KERNEL_NODE_PARAMS_v3 &to) {
    put_sizes(from, to);
    to.ctx = reinterpret_cast<CUcontext>(from.ctx);
    return function_of(from.func, &to.func);
}

cudaError_t read_copy(const cudaMemcpyNodeParams &from, CUDA_MEMCPY_NODE_PARAMS &to) {
    to.flags = from.flags;
    to.copyCtx = reinterpret_cast<CUcontext>(from.ctx);
    const cudaError_t status = to.copyCtx ? cudaSuccess : node_context(to.copyCtx);
    return status == cudaSuccess ? read_params(from.copyParams, to.copyParams) : status;
}

// A part of a variable.
cudaError_t part(const void *symbol, size_t size, size_t offset, void *&at) {
    CUdeviceptr base = 0;
    size_t whole = 0;
    if (const cudaError_t status = registered_variable(symbol, &base, &whole)) return status;
    at = pointer(base + offset);
    return offset <= whole && size <= whole - offset ? cudaSuccess : cudaErrorInvalidValue;
}

} // namespace

cudaError_t node_context(CUcontext &context) {
    return CALL(cuCtxGetCurrent, &context);
}

cudaError_t read_kernel(const cudaKernelNodeParams &from, CUDA_KERNEL_NODE_PARAMS &to) {
    to = {};
    put_sizes(from, to);
    return function_of(from.func, &to.func);
}

cudaError_t write_kernel(const CUDA_KERNEL_NODE_PARAMS &from, cudaKernelNodeParams &to) {
    to = {};
    to.func = const_cast<void *>(from.func ? name_of(from.func) : static_cast<const void *>(from.kern));
    to.gridDim = {from.gridDimX, from.gridDimY, from.gridDimZ};
    to.blockDim = {from.blockDimX, from.blockDimY, from.blockDimZ};
    to.sharedMemBytes = from.sharedMemBytes;
    to.kernelParams = from.kernelParams;
    to.extra = from.extra;
    return cudaSuccess;
}

CUDA_MEMSET_NODE_PARAMS read_fill(const cudaMemsetParams &from) {
    return {address(from.dst), from.pitch, from.value, from.elementSize, from.width, from.height};
}

cudaMemsetParams write_fill(const CUDA_MEMSET_NODE_PARAMS &from) {
    return {pointer(from.dst), from.pitch, from.value, from.elementSize, from.width, from.height};
}

cudaError_t read_row(void *to, const void *from, size_t size, cudaMemcpyKind kind, CUDA_MEMCPY3D &box) {
    cudaMemcpy3DParms params = {};
    params.dstPtr = {to, size, size, 1};
    params.srcPtr = {const_cast<void *>(from), size, size, 1};
    params.extent = {size, 1, 1};
    params.kind = kind;
    return read_params(params, box);
}

cudaError_t read_to_symbol(const void *symbol, const void *from, size_t size, size_t offset, cudaMemcpyKind kind,
                           CUDA_MEMCPY3D &box) {
    void *at = nullptr;
    if (kind == cudaMemcpyHostToHost || kind == cudaMemcpyDeviceToHost) return cudaErrorInvalidMemcpyDirection;
    const cudaError_t status = part(symbol, size, offset, at);
    return status == cudaSuccess ? read_row(at, from, size, kind, box) : status;
}

cudaError_t read_from_symbol(void *to, const void *symbol, size_t size, size_t offset, cudaMemcpyKind kind,
                             CUDA_MEMCPY3D &box) {
    void *at = nullptr;
    if (kind == cudaMemcpyHostToHost || kind == cudaMemcpyHostToDevice) return cudaErrorInvalidMemcpyDirection;
    const cudaError_t status = part(symbol, size, offset, at);
    return status == cudaSuccess ? read_row(to, at, size, kind, box) : status;
}

cudaError_t read_node(const cudaGraphNodeParams &from, CUgraphNodeParams &to) {
    to = same_value<CUgraphNodeParams>(from);
    switch (from.type) {
    case cudaGraphNodeTypeKernel:
        std::memset(&to.reserved1, 0, sizeof to.reserved1);
        return read_kernel_v2(from.kernel, to.kernel);
    case cudaGraphNodeTypeMemcpy:
        std::memset(&to.reserved1, 0, sizeof to.reserved1);
        return read_copy(from.memcpy, to.memcpy);
    case cudaGraphNodeTypeMemset: return to.memset.ctx ? cudaSuccess : node_context(to.memset.ctx);
    case cudaGraphNodeTypeConditional: return to.conditional.ctx ? cudaSuccess : node_context(to.conditional.ctx);
    default: return cudaSuccess;
    }
}

void write_results(const CUgraphNodeParams &from, cudaGraphNodeParams &to) {
    if (to.type == cudaGraphNodeTypeMemAlloc) to.alloc.dptr = pointer(from.alloc.dptr);
    if (to.type == cudaGraphNodeTypeConditional) to.conditional.phGraph_out = from.conditional.phGraph_out;
}

} // namespace cpu_device
