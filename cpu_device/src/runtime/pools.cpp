// Memory pools, and memory that is allocated and freed in stream order.
#include "call.hpp"
#include "layouts.hpp"

using namespace cpu_device;

namespace {

template <class Body> cudaError_t allocate(void **out, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUdeviceptr made = 0;
        if (!out) return cudaErrorInvalidValue;
        const cudaError_t status = body(made);
        *out = status == cudaSuccess ? pointer(made) : nullptr;
        return status;
    });
}

} // namespace

extern "C" {

cudaError_t cudaMallocAsync(void **out, size_t size, cudaStream_t stream) {
    return allocate(out, [&](CUdeviceptr &made) { return CALL(cuMemAllocAsync, &made, size, stream_of(stream)); });
}

cudaError_t cudaMallocFromPoolAsync(void **out, size_t size, cudaMemPool_t pool, cudaStream_t stream) {
    return allocate(
        out, [&](CUdeviceptr &made) { return CALL(cuMemAllocFromPoolAsync, &made, size, pool, stream_of(stream)); });
}

cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream) {
    return in_context([&] { return CALL(cuMemFreeAsync, address(memory), stream_of(stream)); });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
    return call([&] { return CALL(cuDeviceGetDefaultMemPool, pool, device); });
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t *pool, int device) {
    return call([&] { return CALL(cuDeviceGetMemPool, pool, device); });
}

cudaError_t cudaDeviceSetMemPool(int device, cudaMemPool_t pool) {
    return call([&] { return CALL(cuDeviceSetMemPool, device, pool); });
}

cudaError_t cudaMemGetDefaultMemPool(cudaMemPool_t *pool, cudaMemLocation *location, cudaMemAllocationType type) {
    return call([&] {
        return CALL(cuMemGetDefaultMemPool, pool, same<CUmemLocation>(location),
                    static_cast<CUmemAllocationType>(type));
    });
}

cudaError_t cudaMemGetMemPool(cudaMemPool_t *pool, cudaMemLocation *location, cudaMemAllocationType type) {
    return call([&] {
        return CALL(cuMemGetMemPool, pool, same<CUmemLocation>(location), static_cast<CUmemAllocationType>(type));
    });
}

cudaError_t cudaMemSetMemPool(cudaMemLocation *location, cudaMemAllocationType type, cudaMemPool_t pool) {
    return call([&] {
        return CALL(cuMemSetMemPool, same<CUmemLocation>(location), static_cast<CUmemAllocationType>(type), pool);
    });
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t *pool, const cudaMemPoolProps *properties) {
    return call([&] { return CALL(cuMemPoolCreate, pool, same<CUmemPoolProps>(properties)); });
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
    return call([&] { return CALL(cuMemPoolDestroy, pool); });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t keep) {
    return call([&] { return CALL(cuMemPoolTrimTo, pool, keep); });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
    return call([&] { return CALL(cuMemPoolGetAttribute, pool, static_cast<CUmemPool_attribute>(attribute), value); });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
    return call([&] { return CALL(cuMemPoolSetAttribute, pool, static_cast<CUmemPool_attribute>(attribute), value); });
}

cudaError_t cudaMemPoolSetAccess(cudaMemPool_t pool, const cudaMemAccessDesc *list, size_t count) {
    return call([&] { return CALL(cuMemPoolSetAccess, pool, same<CUmemAccessDesc>(list), count); });
}

cudaError_t cudaMemPoolGetAccess(cudaMemAccessFlags *flags, cudaMemPool_t pool, cudaMemLocation *location) {
    return call([&] {
        return CALL(cuMemPoolGetAccess, reinterpret_cast<CUmemAccess_flags *>(flags), pool,
                    same<CUmemLocation>(location));
    });
}

cudaError_t cudaMemPoolExportToShareableHandle(void *handle, cudaMemPool_t pool, cudaMemAllocationHandleType type,
                                               unsigned flags) {
    return call([&] {
        return CALL(cuMemPoolExportToShareableHandle, handle, pool, static_cast<CUmemAllocationHandleType>(type),
                    flags);
    });
}

cudaError_t cudaMemPoolImportFromShareableHandle(cudaMemPool_t *pool, void *handle, cudaMemAllocationHandleType type,
                                                 unsigned flags) {
    return call([&] {
        return CALL(cuMemPoolImportFromShareableHandle, pool, handle, static_cast<CUmemAllocationHandleType>(type),
                    flags);
    });
}
}
