// The directions of copies, and boxes of rows as the driver wants them.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// The kinds of memory on both sides of a copy; false where there is no such direction.
bool sides(cudaMemcpyKind kind, CUmemorytype &to, CUmemorytype &from);

// A copy between pointers and arrays in three dimensions, with everything checked that the driver would not know.
cudaError_t read_params(const cudaMemcpy3DParms &params, CUDA_MEMCPY3D &out);
cudaError_t write_params(const CUDA_MEMCPY3D &params, cudaMemcpy3DParms &out);

// Bytes of one element of an array.
cudaError_t element_size(cudaArray_const_t array, size_t &size);

} // namespace cpu_device
