// Memory: allocated and freed, on the device and on the host.
#include "call.hpp"

using namespace cpu_device;

namespace {

// Sets *out to nothing; nothing is allocated for a size of 0, and that is no error.
template <class Body> cudaError_t allocate(void **out, size_t size, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUdeviceptr made = 0;
        if (!out) return cudaErrorInvalidValue;
        *out = nullptr;
        if (!size) return cudaSuccess;
        const cudaError_t status = body(made);
        if (status == cudaSuccess) *out = pointer(made);
        return status;
    });
}

cudaError_t allocate_rows(void **out, size_t *pitch, size_t width, size_t height) {
    constexpr unsigned kElement = 4;
    if (!out || !pitch) return record(cudaErrorInvalidValue);
    *pitch = 0;
    return allocate(out, width && height,
                    [&](CUdeviceptr &made) { return CALL(cuMemAllocPitch_v2, &made, pitch, width, height, kElement); });
}

cudaError_t allocate_host(void **out, size_t size, unsigned flags) {
    return in_context([&]() -> cudaError_t {
        if (!out) return cudaErrorInvalidValue;
        *out = nullptr;
        return size ? CALL(cuMemHostAlloc, out, size, flags) : cudaSuccess;
    });
}

} // namespace

extern "C" {

cudaError_t cudaMalloc(void **out, size_t size) {
    return allocate(out, size, [&](CUdeviceptr &made) { return CALL(cuMemAlloc_v2, &made, size); });
}

// Asking for nothing is how programs begin a device.
cudaError_t cudaFree(void *memory) {
    return in_context([&] { return memory ? CALL(cuMemFree_v2, address(memory)) : cudaSuccess; });
}

cudaError_t cudaMallocManaged(void **out, size_t size, unsigned flags) {
    if (!size) return record(cudaErrorInvalidValue);
    return allocate(out, size, [&](CUdeviceptr &made) { return CALL(cuMemAllocManaged, &made, size, flags); });
}

cudaError_t cudaMallocPitch(void **out, size_t *pitch, size_t width, size_t height) {
    return allocate_rows(out, pitch, width, height);
}

cudaError_t cudaMalloc3D(cudaPitchedPtr *out, cudaExtent extent) {
    size_t rows = 0;
    if (!out || __builtin_mul_overflow(extent.height, extent.depth, &rows)) return record(cudaErrorInvalidValue);
    *out = {nullptr, 0, extent.width, extent.height};
    return allocate_rows(&out->ptr, &out->pitch, extent.width, rows);
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    return in_context([&] { return CALL(cuMemGetInfo_v2, free, total); });
}

cudaError_t cudaMallocHost(void **out, size_t size) {
    return allocate_host(out, size, 0);
}

cudaError_t cudaHostAlloc(void **out, size_t size, unsigned flags) {
    return allocate_host(out, size, flags);
}

cudaError_t cudaFreeHost(void *memory) {
    return in_context([&] { return memory ? CALL(cuMemFreeHost, memory) : cudaSuccess; });
}

cudaError_t cudaHostRegister(void *memory, size_t size, unsigned flags) {
    return in_context([&] { return CALL(cuMemHostRegister_v2, memory, size, flags); });
}

cudaError_t cudaHostUnregister(void *memory) {
    return in_context([&] { return CALL(cuMemHostUnregister, memory); });
}

cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned flags) {
    return in_context([&] {
        CUdeviceptr found = 0;
        if (!device) return cudaErrorInvalidValue;
        const cudaError_t status = CALL(cuMemHostGetDevicePointer_v2, &found, host, flags);
        *device = status == cudaSuccess ? pointer(found) : nullptr;
        return status;
    });
}

cudaError_t cudaHostGetFlags(unsigned *flags, void *host) {
    return in_context([&] { return CALL(cuMemHostGetFlags, flags, host); });
}
}
