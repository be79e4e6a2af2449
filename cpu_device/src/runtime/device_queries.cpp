// What is known about devices, and about pairs of them.
#include "call.hpp"
#include "format.hpp"

using namespace cpu_device;

namespace {

// body(device) for a device that there is.
template <class Body> cudaError_t on_device(int device, Body &&body) {
    return call([&]() -> cudaError_t {
        int count = 0;
        if (const cudaError_t status = CALL(cuDeviceGetCount, &count)) return status;
        return device >= 0 && device < count ? body(device) : cudaErrorInvalidDevice;
    });
}

// body(context of `peer`) with a context of the thread's own device.
template <class Body> cudaError_t with_peer(int peer, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUcontext context = nullptr;
        if (const cudaError_t status = begin_device(peer, &context)) return status;
        return body(context);
    });
}

} // namespace

extern "C" {

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    return on_device(device, [&](int d) {
        return CALL(cuDeviceGetAttribute, value, static_cast<CUdevice_attribute>(static_cast<int>(attribute)), d);
    });
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int length, int device) {
    return on_device(device, [&](int d) { return CALL(cuDeviceGetPCIBusId, text, length, d); });
}

cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *text) {
    return call([&] { return CALL(cuDeviceGetByPCIBusId, device, text); });
}

cudaError_t cudaDeviceGetTexture1DLinearMaxWidth(size_t *width, const cudaChannelFormatDesc *format, int device) {
    return on_device(device, [&](int d) -> cudaError_t {
        CUarray_format kind;
        unsigned channels = 0;
        if (!width || !format) return cudaErrorInvalidValue;
        if (!read_format(*format, kind, channels)) return cudaErrorInvalidChannelDescriptor;
        return CALL(cuDeviceGetTexture1DLinearMaxWidth, width, kind, channels, d);
    });
}

cudaError_t cudaDeviceGetHostAtomicCapabilities(unsigned *capabilities, const cudaAtomicOperation *operations,
                                                unsigned count, int device) {
    return on_device(device, [&](int d) {
        return CALL(cuDeviceGetHostAtomicCapabilities, capabilities,
                    reinterpret_cast<const CUatomicOperation *>(operations), count, d);
    });
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer) {
    return on_device(
        device, [&](int d) { return on_device(peer, [&](int p) { return CALL(cuDeviceCanAccessPeer, can, d, p); }); });
}

cudaError_t cudaDeviceGetP2PAttribute(int *value, cudaDeviceP2PAttr attribute, int from, int to) {
    return on_device(from, [&](int a) {
        return on_device(to, [&](int b) {
            return CALL(cuDeviceGetP2PAttribute, value, static_cast<CUdevice_P2PAttribute>(attribute), a, b);
        });
    });
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
    return with_peer(peer, [&](CUcontext context) { return CALL(cuCtxEnablePeerAccess, context, flags); });
}

cudaError_t cudaDeviceDisablePeerAccess(int peer) {
    return with_peer(peer, [&](CUcontext context) { return CALL(cuCtxDisablePeerAccess, context); });
}
}
