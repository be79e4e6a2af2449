// The functions that ask about devices.
#include "array.hpp"
#include "call.hpp"
#include "device_attribute.hpp"

#include <cstdio>
#include <cstring>

using namespace cpu_device;

namespace {

template <class Body> CUresult on_device(CUdevice device, const void *out, Body &&body) {
    return call([&]() -> CUresult {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        return is_device(device) ? body() : CUDA_ERROR_INVALID_DEVICE;
    });
}

// No real GPU has it: zeros, the letters "cpu", and the number of the device.
CUuuid uuid_of(CUdevice device) {
    CUuuid uuid = {};
    std::memcpy(uuid.bytes, "cpu device", 10);
    uuid.bytes[15] = static_cast<char>(device);
    return uuid;
}

constexpr int kDomain = 0xffff; // of PCI addresses: no real one

} // namespace

extern "C" {

CUresult cuDeviceGetCount(int *count) {
    return call([&] {
        if (!count) return CUDA_ERROR_INVALID_VALUE;
        *count = device_count();
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    return on_device(ordinal, device, [&] {
        *device = ordinal;
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetName(char *name, int len, CUdevice device) {
    return on_device(device, name, [&] {
        if (len <= 0) return CUDA_ERROR_INVALID_VALUE;
        std::snprintf(name, static_cast<size_t>(len), "CPU device");
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
    return on_device(device, uuid, [&] {
        *uuid = uuid_of(device);
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    return on_device(device, bytes, [&] {
        *bytes = memory().total();
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute name, CUdevice device) {
    return on_device(device, value, [&] {
        const int number = static_cast<int>(name);
        if (number <= 0 || number >= CU_DEVICE_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
        *value = device_attribute(name, device);
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
    return on_device(device, major && minor ? major : nullptr, [&] {
        *major = device_limits().cc / 10;
        *minor = device_limits().cc % 10;
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetProperties(CUdevprop *p, CUdevice device) {
    return on_device(device, p, [&] {
        auto get = [&](CUdevice_attribute name) { return device_attribute(name, device); };
        *p = {};
        p->maxThreadsPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
        for (int i = 0; i < 3; i++) {
            p->maxThreadsDim[i] = get(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i));
            p->maxGridSize[i] = get(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i));
        }
        p->sharedMemPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
        p->totalConstantMemory = get(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
        p->SIMDWidth = get(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
        p->memPitch = get(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
        p->regsPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
        p->clockRate = get(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
        p->textureAlign = get(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetPCIBusId(char *text, int len, CUdevice device) {
    return on_device(device, text, [&] {
        if (len <= 0) return CUDA_ERROR_INVALID_VALUE;
        std::snprintf(text, static_cast<size_t>(len), "%04X:%02X:%02X.0", kDomain, 0, device);
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *text) {
    return call([&] {
        unsigned domain = 0, bus = 0, slot = 0, function = 0;
        if (!device || !text) return CUDA_ERROR_INVALID_VALUE;
        if (std::sscanf(text, "%4x:%2x:%2x.%1x", &domain, &bus, &slot, &function) != 4) return CUDA_ERROR_INVALID_VALUE;
        const bool ours = domain == kDomain && !bus && !function && is_device(static_cast<int>(slot));
        if (ours) *device = static_cast<int>(slot);
        return ours ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    });
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    return on_device(device, can, [&] {
        if (!is_device(peer)) return CUDA_ERROR_INVALID_DEVICE;
        *can = device != peer; // one address space
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute name, CUdevice device, CUdevice peer) {
    return on_device(device, value, [&] {
        const int number = static_cast<int>(name);
        if (!is_device(peer) || device == peer) return CUDA_ERROR_INVALID_DEVICE;
        if (number < CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK ||
            number > CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED)
            return CUDA_ERROR_INVALID_VALUE;
        *value = number == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED ||
                 number == CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED;
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetExecAffinitySupport(int *supported, CUexecAffinityType, CUdevice device) {
    return on_device(device, supported, [&] {
        *supported = 0;
        return CUDA_SUCCESS;
    });
}

CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t *width, CUarray_format format, unsigned channels, CUdevice device) {
    return on_device(device, width, [&] {
        TexelFormat texel;
        if (!texel_format(format, channels, texel)) return CUDA_ERROR_INVALID_VALUE;
        *width = kMostLinearTexels;
        return CUDA_SUCCESS;
    });
}
}
