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

cudaResourceDesc written(const CUDA_RESOURCE_DESC &from) {
    cudaResourceDesc to = {};
    to.flags = from.flags;
    switch (static_cast<int>(from.resType)) {
    case CU_RESOURCE_TYPE_ARRAY:
        to.resType = cudaResourceTypeArray;
        to.res.array.array = reinterpret_cast<cudaArray_t>(from.res.array.hArray);
        break;
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
        to.resType = cudaResourceTypeMipmappedArray;
        to.res.mipmap.mipmap = reinterpret_cast<cudaMipmappedArray_t>(from.res.mipmap.hMipmappedArray);
        break;
    case CU_RESOURCE_TYPE_LINEAR: {
        const auto &in = from.res.linear;
        to.resType = cudaResourceTypeLinear;
        to.res.linear.devPtr = reinterpret_cast<void *>(in.devPtr);
        to.res.linear.sizeInBytes = in.sizeInBytes;
        to.res.linear.desc = runtime_format(in.format, in.numChannels);
        break;
    }
    default: {
        const auto &in = from.res.pitch2D;
        auto &out = to.res.pitch2D;
        to.resType = cudaResourceTypePitch2D;
        out.devPtr = reinterpret_cast<void *>(in.devPtr);
        out.width = in.width;
        out.height = in.height;
        out.pitchInBytes = in.pitchInBytes;
        out.desc = runtime_format(in.format, in.numChannels);
    }
    }
    return to;
}

cudaTextureDesc written(const CUDA_TEXTURE_DESC &from) {
    cudaTextureDesc to = {};
    for (int k = 0; k < 3; k++)
        to.addressMode[k] = static_cast<cudaTextureAddressMode>(static_cast<int>(from.addressMode[k]));
    to.filterMode = static_cast<cudaTextureFilterMode>(static_cast<int>(from.filterMode));
    to.readMode = from.flags & CU_TRSF_READ_AS_INTEGER ? cudaReadModeElementType : cudaReadModeNormalizedFloat;
    to.normalizedCoords = (from.flags & CU_TRSF_NORMALIZED_COORDINATES) != 0;
    to.sRGB = (from.flags & CU_TRSF_SRGB) != 0;
    to.disableTrilinearOptimization = (from.flags & CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION) != 0;
    to.seamlessCubemap = (from.flags & CU_TRSF_SEAMLESS_CUBEMAP) != 0;
    to.maxAnisotropy = from.maxAnisotropy;
    to.mipmapFilterMode = static_cast<cudaTextureFilterMode>(static_cast<int>(from.mipmapFilterMode));
    to.mipmapLevelBias = from.mipmapLevelBias;
    to.minMipmapLevelClamp = from.minMipmapLevelClamp;
    to.maxMipmapLevelClamp = from.maxMipmapLevelClamp;
    std::copy(from.borderColor, from.borderColor + 4, to.borderColor);
    return to;
}

// What one of the driver's questions says, in the runtime's words.
template <class From, class To, class Ask> cudaError_t ask(To *out, Ask &&question) {
    return in_context([&] {
        From found = {};
        if (!out) return cudaErrorInvalidValue;
        const cudaError_t status = question(&found);
        if (status == cudaSuccess) *out = written(found);
        return status;
    });
}

} // namespace

extern "C" {

cudaError_t cudaGetTextureObjectResourceDesc(cudaResourceDesc *out, cudaTextureObject_t object) {
    return ask<CUDA_RESOURCE_DESC>(
        out, [&](CUDA_RESOURCE_DESC *to) { return CALL(cuTexObjectGetResourceDesc, to, object); });
}

cudaError_t cudaGetTextureObjectTextureDesc(cudaTextureDesc *out, cudaTextureObject_t object) {
    return ask<CUDA_TEXTURE_DESC>(out,
                                  [&](CUDA_TEXTURE_DESC *to) { return CALL(cuTexObjectGetTextureDesc, to, object); });
}

cudaError_t cudaGetSurfaceObjectResourceDesc(cudaResourceDesc *out, cudaSurfaceObject_t object) {
    return ask<CUDA_RESOURCE_DESC>(
        out, [&](CUDA_RESOURCE_DESC *to) { return CALL(cuSurfObjectGetResourceDesc, to, object); });
}

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
