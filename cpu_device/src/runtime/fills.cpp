// cudaMemset*: bytes in a row, rows and slices.
#include "call.hpp"

using namespace cpu_device;

namespace {

uint8_t byte(int value) {
    return static_cast<uint8_t>(value);
}

// fill(first row of it) for each slice.
template <class Fill> cudaError_t slices(const cudaPitchedPtr &memory, const cudaExtent &extent, Fill &&fill) {
    size_t step = 0;
    if (!extent.width || !extent.height || !extent.depth) return cudaSuccess;
    if (extent.width > memory.pitch && (extent.height > 1 || extent.depth > 1)) return cudaErrorInvalidPitchValue;
    if (extent.height > memory.ysize && extent.depth > 1) return cudaErrorInvalidValue;
    if (__builtin_mul_overflow(memory.pitch, memory.ysize, &step)) return cudaErrorInvalidValue;
    for (size_t z = 0; z < extent.depth; z++)
        if (const cudaError_t status = fill(address(memory.ptr) + z * step)) return status;
    return cudaSuccess;
}

} // namespace

extern "C" {

cudaError_t cudaMemset(void *memory, int value, size_t size) {
    return in_context([&] { return CALL_HERE(cuMemsetD8_v2, address(memory), byte(value), size); });
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t size, cudaStream_t stream) {
    return in_context([&] { return CALL(cuMemsetD8Async, address(memory), byte(value), size, stream_of(stream)); });
}

cudaError_t cudaMemset2D(void *memory, size_t pitch, int value, size_t width, size_t height) {
    return in_context([&] { return CALL_HERE(cuMemsetD2D8_v2, address(memory), pitch, byte(value), width, height); });
}

cudaError_t cudaMemset2DAsync(void *memory, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream) {
    return in_context(
        [&] { return CALL(cuMemsetD2D8Async, address(memory), pitch, byte(value), width, height, stream_of(stream)); });
}

cudaError_t cudaMemset3D(cudaPitchedPtr memory, int value, cudaExtent extent) {
    return in_context([&] {
        return slices(memory, extent, [&](CUdeviceptr at) {
            return CALL_HERE(cuMemsetD2D8_v2, at, memory.pitch, byte(value), extent.width, extent.height);
        });
    });
}

cudaError_t cudaMemset3DAsync(cudaPitchedPtr memory, int value, cudaExtent extent, cudaStream_t stream) {
    return in_context([&] {
        return slices(memory, extent, [&](CUdeviceptr at) {
            return CALL(cuMemsetD2D8Async, at, memory.pitch, byte(value), extent.width, extent.height,
                        stream_of(stream));
        });
    });
}
}
