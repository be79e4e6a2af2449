// What is known about an address, and hints about managed memory.
#include "call.hpp"
#include "layouts.hpp"

#include <cstring>
#include <vector>

using namespace cpu_device;

namespace {

cudaError_t describe(cudaPointerAttributes &out, CUdeviceptr at) {
    unsigned type = 0, managed = 0;
    int device = 0;
    CUdeviceptr on_device = 0;
    void *on_host = nullptr;
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED,
                                   CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_DEVICE_POINTER,
                                   CU_POINTER_ATTRIBUTE_HOST_POINTER};
    void *values[] = {&type, &managed, &device, &on_device, &on_host};
    const cudaError_t status = CALL(cuPointerGetAttributes, 5, names, values, at);
    if (status != cudaSuccess) return status;
    std::memset(&out, 0, sizeof out);
    out.type = managed                        ? cudaMemoryTypeManaged
               : type == CU_MEMORYTYPE_HOST   ? cudaMemoryTypeHost
               : type == CU_MEMORYTYPE_DEVICE ? cudaMemoryTypeDevice
                                              : cudaMemoryTypeUnregistered;
    out.device = out.type == cudaMemoryTypeUnregistered ? cudaInvalidDeviceId : device;
    out.devicePointer = pointer(on_device);
    out.hostPointer = out.type == cudaMemoryTypeUnregistered ? pointer(at) : on_host;
    return cudaSuccess;
}

} // namespace

extern "C" {

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *out, const void *memory) {
    return in_context([&] { return out ? describe(*out, address(memory)) : cudaErrorInvalidValue; });
}

cudaError_t cudaMemPrefetchAsync(const void *memory, size_t size, cudaMemLocation location, unsigned flags,
                                 cudaStream_t stream) {
    return in_context([&] {
        return CALL(cuMemPrefetchAsync_v2, address(memory), size, same_value<CUmemLocation>(location), flags,
                    stream_of(stream));
    });
}

cudaError_t cudaMemAdvise(const void *memory, size_t size, cudaMemoryAdvise advice, cudaMemLocation location) {
    return in_context([&] {
        return CALL(cuMemAdvise_v2, address(memory), size, static_cast<CUmem_advise>(advice),
                    same_value<CUmemLocation>(location));
    });
}

cudaError_t cudaMemRangeGetAttribute(void *data, size_t size, cudaMemRangeAttribute attribute, const void *memory,
                                     size_t count) {
    return in_context([&] {
        return CALL(cuMemRangeGetAttribute, data, size, static_cast<CUmem_range_attribute>(attribute), address(memory),
                    count);
    });
}

cudaError_t cudaMemRangeGetAttributes(void **data, size_t *sizes, cudaMemRangeAttribute *attributes, size_t n,
                                      const void *memory, size_t count) {
    return in_context([&] {
        return CALL(cuMemRangeGetAttributes, data, sizes, reinterpret_cast<CUmem_range_attribute *>(attributes), n,
                    address(memory), count);
    });
}
}
