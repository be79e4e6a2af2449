// Devices: which there are, which one the thread uses, beginning and ending work there.
#include "call.hpp"

using namespace cpu_device;

namespace {

constexpr unsigned kSchedules = cudaDeviceScheduleSpin | cudaDeviceScheduleYield | cudaDeviceScheduleBlockingSync;

bool valid_flags(unsigned flags) {
    const unsigned schedule = flags & kSchedules;
    return !(flags & ~static_cast<unsigned>(cudaDeviceMask)) && !(schedule & (schedule - 1));
}

} // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int *count) {
    if (count) *count = 0;
    return call([&] { return count ? CALL(cuDeviceGetCount, count) : cudaErrorInvalidValue; });
}

cudaError_t cudaGetDevice(int *device) {
    return call([&] {
        if (!device) return cudaErrorInvalidValue;
        *device = current_device();
        return cudaSuccess;
    });
}

cudaError_t cudaSetDevice(int device) {
    return call([&] { return use_device(device); });
}

// Of the devices in the list, the first one that there is; the others are not looked at later.
cudaError_t cudaSetValidDevices(int *devices, int n) {
    return call([&] {
        int count = 0;
        if (n < 0 || (n && !devices)) return cudaErrorInvalidValue;
        if (const cudaError_t status = CALL(cuDeviceGetCount, &count)) return status;
        for (int i = 0; i < n; i++)
            if (devices[i] < 0 || devices[i] >= count) return cudaErrorInvalidDevice;
        return n ? use_device(devices[0]) : cudaSuccess;
    });
}

cudaError_t cudaInitDevice(int device, unsigned device_flags, unsigned flags) {
    return call([&] {
        CUcontext context = nullptr;
        if (flags & ~static_cast<unsigned>(cudaInitDeviceFlagsAreValid)) return cudaErrorInvalidValue;
        if (flags && !valid_flags(device_flags)) return cudaErrorInvalidValue;
        if (const cudaError_t status = begin_device(device, &context)) return status;
        return flags ? CALL(cuDevicePrimaryCtxSetFlags_v2, device, device_flags) : cudaSuccess;
    });
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
    return call([&] {
        if (!valid_flags(flags)) return cudaErrorInvalidValue;
        return CALL(cuDevicePrimaryCtxSetFlags_v2, current_device(), flags);
    });
}

// Host memory can always be mapped: that flag is always there.
cudaError_t cudaGetDeviceFlags(unsigned *flags) {
    return call([&] {
        int active = 0;
        if (!flags) return cudaErrorInvalidValue;
        cudaError_t status = CALL(cuCtxGetFlags, flags);
        if (status != cudaSuccess) status = CALL(cuDevicePrimaryCtxGetState, current_device(), flags, &active);
        *flags |= cudaDeviceMapHost;
        return status;
    });
}

cudaError_t cudaDeviceSynchronize() {
    return in_context([] { return CALL(cuCtxSynchronize); });
}

cudaError_t cudaDeviceReset() {
    return call([] { return end_device(); });
}

cudaError_t cudaDeviceGetLimit(size_t *value, cudaLimit limit) {
    return in_context([&] { return CALL(cuCtxGetLimit, value, static_cast<CUlimit>(limit)); });
}

cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
    return in_context([&] { return CALL(cuCtxSetLimit, static_cast<CUlimit>(limit), value); });
}

cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache *config) {
    return in_context([&] { return CALL(cuCtxGetCacheConfig, reinterpret_cast<CUfunc_cache *>(config)); });
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache config) {
    return in_context([&] { return CALL(cuCtxSetCacheConfig, static_cast<CUfunc_cache>(config)); });
}

cudaError_t cudaDeviceGetSharedMemConfig(cudaSharedMemConfig *config) {
    return in_context([&] { return CALL(cuCtxGetSharedMemConfig, reinterpret_cast<CUsharedconfig *>(config)); });
}

cudaError_t cudaDeviceSetSharedMemConfig(cudaSharedMemConfig config) {
    return in_context([&] { return CALL(cuCtxSetSharedMemConfig, static_cast<CUsharedconfig>(config)); });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    return in_context([&] { return CALL(cuCtxGetStreamPriorityRange, least, greatest); });
}

cudaError_t cudaCtxResetPersistingL2Cache() {
    return in_context([] { return CALL(cuCtxResetPersistingL2Cache); });
}
}
