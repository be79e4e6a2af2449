// Texture and surface objects: the runtime's descriptions in the driver's words.
#include "call.hpp"
#include "channel_format.hpp"

#include <algorithm>

using namespace cpu_device;

namespace {

cudaError_t read(const cudaResourceDesc &from, CUDA_RESOURCE_DESC &to) {
    to = {};
    to.flags = from.flags;
    switch (static_cast<int>(from.resType)) {
    case cudaResourceTypeArray:
        to.resType = CU_RESOURCE_TYPE_ARRAY;
        to.res.array.hArray = reinterpret_cast<CUarray>(from.res.array.array);
        return cudaSuccess;
    case cudaResourceTypeMipmappedArray:
        to.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
        to.res.mipmap.hMipmappedArray = reinterpret_cast<CUmipmappedArray>(from.res.mipmap.mipmap);
        return cudaSuccess;
    case cudaResourceTypeLinear: {
        auto &out = to.res.linear;
        to.resType = CU_RESOURCE_TYPE_LINEAR;
        out.devPtr = address(from.res.linear.devPtr);
        out.sizeInBytes = from.res.linear.sizeInBytes;
        return driver_format(from.res.linear.desc, out.format, out.numChannels) ? cudaSuccess
                                                                                : cudaErrorInvalidChannelDescriptor;
    }
    case cudaResourceTypePitch2D: {
        auto &out = to.res.pitch2D;
        to.resType = CU_RESOURCE_TYPE_PITCH2D;
        out.devPtr = address(from.res.pitch2D.devPtr);
        out.width = from.res.pitch2D.width;
        out.height = from.res.pitch2D.height;
        out.pitchInBytes = from.res.pitch2D.pitchInBytes;
        return driver_format(from.res.pitch2D.desc, out.format, out.numChannels) ? cudaSuccess
                                                                                 : cudaErrorInvalidChannelDescriptor;
    }
    default: return cudaErrorInvalidValue;
    }
}

CUDA_TEXTURE_DESC read(const cudaTextureDesc &from) {
    CUDA_TEXTURE_DESC to = {};
    for (int k = 0; k < 3; k++) to.addressMode[k] = static_cast<CUaddress_mode>(static_cast<int>(from.addressMode[k]));
    to.filterMode = static_cast<CUfilter_mode>(static_cast<int>(from.filterMode));
    to.flags = (from.readMode == cudaReadModeElementType ? CU_TRSF_READ_AS_INTEGER : 0) |
               (from.normalizedCoords ? CU_TRSF_NORMALIZED_COORDINATES : 0) | (from.sRGB ? CU_TRSF_SRGB : 0) |
               (from.disableTrilinearOptimization ? CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION : 0) |
               (from.seamlessCubemap ? CU_TRSF_SEAMLESS_CUBEMAP : 0);
    to.maxAnisotropy = from.maxAnisotropy;
    to.mipmapFilterMode = static_cast<CUfilter_mode>(static_cast<int>(from.mipmapFilterMode));
    to.mipmapLevelBias = from.mipmapLevelBias;
    to.minMipmapLevelClamp = from.minMipmapLevelClamp;
    to.maxMipmapLevelClamp = from.maxMipmapLevelClamp;
    std::copy(from.borderColor, from.borderColor + 4, to.borderColor);
    return to;
}

} // namespace

extern "C" {

cudaError_t cudaCreateTextureObject(cudaTextureObject_t *out, const cudaResourceDesc *resource,
                                    const cudaTextureDesc *texture, const cudaResourceViewDesc *view) {
    return in_context([&] {
        CUDA_RESOURCE_DESC what;
        if (!out || !resource || !texture) return cudaErrorInvalidValue;
        if (view) return cudaErrorNotSupported;
        const cudaError_t status = read(*resource, what);
        if (status != cudaSuccess) return status;
        const CUDA_TEXTURE_DESC how = read(*texture);
        return CALL(cuTexObjectCreate, out, &what, &how, nullptr);
    });
}

cudaError_t cudaDestroyTextureObject(cudaTextureObject_t object) {
    return in_context([&] { return CALL(cuTexObjectDestroy, object); });
}

cudaError_t cudaCreateSurfaceObject(cudaSurfaceObject_t *out, const cudaResourceDesc *resource) {
    return in_context([&] {
        CUDA_RESOURCE_DESC what;
        if (!out || !resource) return cudaErrorInvalidValue;
        const cudaError_t status = read(*resource, what);
        return status == cudaSuccess ? CALL(cuSurfObjectCreate, out, &what) : status;
    });
}

cudaError_t cudaDestroySurfaceObject(cudaSurfaceObject_t object) {
    return in_context([&] { return CALL(cuSurfObjectDestroy, object); });
}
}
