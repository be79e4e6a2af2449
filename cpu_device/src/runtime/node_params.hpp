// The parameters of a graph's nodes, as the driver wants them.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// The context in which a node's work is done: the current one.
cudaError_t node_context(CUcontext &context);

cudaError_t read_kernel(const cudaKernelNodeParams &from, CUDA_KERNEL_NODE_PARAMS &to);
cudaError_t write_kernel(const CUDA_KERNEL_NODE_PARAMS &from, cudaKernelNodeParams &to);
CUDA_MEMSET_NODE_PARAMS read_fill(const cudaMemsetParams &from);
cudaMemsetParams write_fill(const CUDA_MEMSET_NODE_PARAMS &from);

// A copy of bytes in a row.
cudaError_t read_row(void *to, const void *from, size_t size, cudaMemcpyKind kind, CUDA_MEMCPY3D &box);
// A copy to or from a part of a variable of the program; the direction is checked.
cudaError_t read_to_symbol(const void *symbol, const void *from, size_t size, size_t offset, cudaMemcpyKind kind,
                           CUDA_MEMCPY3D &box);
cudaError_t read_from_symbol(void *to, const void *symbol, size_t size, size_t offset, cudaMemcpyKind kind,
                             CUDA_MEMCPY3D &box);

// Parameters of any kind of node.
cudaError_t read_node(const cudaGraphNodeParams &from, CUgraphNodeParams &to);
// What making the node put into them.
void write_results(const CUgraphNodeParams &from, cudaGraphNodeParams &to);

} // namespace cpu_device
