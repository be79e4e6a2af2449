// Arrays: made, asked about, freed, and copied to and from in two dimensions.
#include "call.hpp"
#include "channel_format.hpp"
#include "copy.hpp"

namespace cpu_device {

namespace {

constexpr struct {
    CUarray_format format;
    cudaChannelFormatKind kind;
    int bits;
} kFormats[] = {
    {CU_AD_FORMAT_UNSIGNED_INT8, cudaChannelFormatKindUnsigned, 8},
    {CU_AD_FORMAT_UNSIGNED_INT16, cudaChannelFormatKindUnsigned, 16},
    {CU_AD_FORMAT_UNSIGNED_INT32, cudaChannelFormatKindUnsigned, 32},
    {CU_AD_FORMAT_SIGNED_INT8, cudaChannelFormatKindSigned, 8},
    {CU_AD_FORMAT_SIGNED_INT16, cudaChannelFormatKindSigned, 16},
    {CU_AD_FORMAT_SIGNED_INT32, cudaChannelFormatKindSigned, 32},
    {CU_AD_FORMAT_HALF, cudaChannelFormatKindFloat, 16},
    {CU_AD_FORMAT_FLOAT, cudaChannelFormatKindFloat, 32},
};

CUarray handle_of(cudaArray_const_t array) {
    return reinterpret_cast<CUarray>(const_cast<cudaArray *>(array));
}

// make(description)
template <class Make>
cudaError_t describe(const cudaChannelFormatDesc *desc, const cudaExtent &extent, unsigned flags, Make &&make) {
    return in_context([&] {
        CUDA_ARRAY3D_DESCRIPTOR p = {};
        if (!desc) return cudaErrorInvalidValue;
        if (!driver_format(*desc, p.Format, p.NumChannels)) return cudaErrorInvalidChannelDescriptor;
        p.Width = extent.width;
        p.Height = extent.height;
        p.Depth = extent.depth;
        p.Flags = flags;
        return make(p);
    });
}

cudaError_t create(cudaArray_t *out, const cudaChannelFormatDesc *desc, cudaExtent extent, unsigned flags) {
    return describe(desc, extent, flags, [&](const CUDA_ARRAY3D_DESCRIPTOR &p) {
        return CALL(cuArray3DCreate_v2, reinterpret_cast<CUarray *>(out), &p);
    });
}

// A copy between an array and memory, or two arrays.
struct Rows {
    CUDA_MEMCPY2D p = {};
    cudaError_t status = cudaSuccess;

    Rows(size_t width, size_t height, cudaMemcpyKind kind) {
        p.WidthInBytes = width;
        p.Height = height;
        if (!sides(kind, p.dstMemoryType, p.srcMemoryType)) status = cudaErrorInvalidMemcpyDirection;
    }
    Rows &to(cudaArray_const_t array, size_t x, size_t y) {
        p.dstMemoryType = CU_MEMORYTYPE_ARRAY;
        p.dstArray = handle_of(array);
        p.dstXInBytes = x;
        p.dstY = y;
        return *this;
    }
    Rows &from(cudaArray_const_t array, size_t x, size_t y) {
        p.srcMemoryType = CU_MEMORYTYPE_ARRAY;
        p.srcArray = handle_of(array);
        p.srcXInBytes = x;
        p.srcY = y;
        return *this;
    }
    Rows &to(void *memory, size_t pitch) {
        if (p.dstMemoryType == CU_MEMORYTYPE_HOST)
            p.dstHost = memory;
        else
            p.dstDevice = address(memory);
        p.dstPitch = pitch;
        if (pitch < p.WidthInBytes) status = cudaErrorInvalidPitchValue;
        return *this;
    }
    Rows &from(const void *memory, size_t pitch) {
        if (p.srcMemoryType == CU_MEMORYTYPE_HOST)
            p.srcHost = memory;
        else
            p.srcDevice = address(memory);
        p.srcPitch = pitch;
        if (pitch < p.WidthInBytes) status = cudaErrorInvalidPitchValue;
        return *this;
    }
    cudaError_t run() const {
        return in_context([&] { return status == cudaSuccess ? CALL_HERE(cuMemcpy2D_v2, &p) : status; });
    }
    cudaError_t run(cudaStream_t stream) const {
        return in_context(
            [&] { return status == cudaSuccess ? CALL(cuMemcpy2DAsync_v2, &p, stream_of(stream)) : status; });
    }
};

} // namespace

bool driver_format(const cudaChannelFormatDesc &desc, CUarray_format &format, unsigned &channels) {
    const int bits[4] = {desc.x, desc.y, desc.z, desc.w};
    channels = 0;
    while (channels < 4 && bits[channels]) channels++;
    for (unsigned k = 0; k < 4; k++)
        if (bits[k] != (k < channels ? desc.x : 0)) return false;
    for (const auto &one : kFormats)
        if (one.kind == desc.f && one.bits == desc.x) {
            format = one.format;
            return channels == 1 || channels == 2 || channels == 4;
        }
    return false;
}

cudaChannelFormatDesc runtime_format(CUarray_format format, unsigned channels) {
    for (const auto &one : kFormats)
        if (one.format == format)
            return {one.bits, channels > 1 ? one.bits : 0, channels > 2 ? one.bits : 0, channels > 3 ? one.bits : 0,
                    one.kind};
    return {0, 0, 0, 0, cudaChannelFormatKindNone};
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

cudaChannelFormatDesc cudaCreateChannelDesc(int x, int y, int z, int w, cudaChannelFormatKind f) {
    return {x, y, z, w, f};
}

cudaError_t cudaMallocArray(cudaArray_t *out, const cudaChannelFormatDesc *desc, size_t width, size_t height,
                            unsigned flags) {
    return create(out, desc, {width, height, 0}, flags);
}

cudaError_t cudaMalloc3DArray(cudaArray_t *out, const cudaChannelFormatDesc *desc, cudaExtent extent, unsigned flags) {
    return create(out, desc, extent, flags);
}

cudaError_t cudaMallocMipmappedArray(cudaMipmappedArray_t *out, const cudaChannelFormatDesc *desc, cudaExtent extent,
                                     unsigned levels, unsigned flags) {
    return describe(desc, extent, flags, [&](const CUDA_ARRAY3D_DESCRIPTOR &p) {
        return CALL(cuMipmappedArrayCreate, reinterpret_cast<CUmipmappedArray *>(out), &p, levels);
    });
}

cudaError_t cudaGetMipmappedArrayLevel(cudaArray_t *out, cudaMipmappedArray_const_t array, unsigned level) {
    return in_context([&] {
        return CALL(cuMipmappedArrayGetLevel, reinterpret_cast<CUarray *>(out),
                    reinterpret_cast<CUmipmappedArray>(const_cast<cudaMipmappedArray *>(array)), level);
    });
}

cudaError_t cudaFreeMipmappedArray(cudaMipmappedArray_t array) {
    return in_context(
        [&] { return array ? CALL(cuMipmappedArrayDestroy, reinterpret_cast<CUmipmappedArray>(array)) : cudaSuccess; });
}

cudaError_t cudaFreeArray(cudaArray_t array) {
    return in_context([&] { return array ? CALL(cuArrayDestroy, handle_of(array)) : cudaSuccess; });
}

cudaError_t cudaArrayGetInfo(cudaChannelFormatDesc *desc, cudaExtent *extent, unsigned *flags, cudaArray_t array) {
    return in_context([&] {
        CUDA_ARRAY3D_DESCRIPTOR p = {};
        const cudaError_t status = CALL(cuArray3DGetDescriptor_v2, &p, handle_of(array));
        if (status != cudaSuccess) return status;
        if (desc) *desc = runtime_format(p.Format, p.NumChannels);
        if (extent) *extent = {p.Width, p.Height, p.Depth};
        if (flags) *flags = p.Flags;
        return cudaSuccess;
    });
}

cudaError_t cudaGetChannelDesc(cudaChannelFormatDesc *desc, cudaArray_const_t array) {
    if (!desc) return record(cudaErrorInvalidValue);
    return cudaArrayGetInfo(desc, nullptr, nullptr, const_cast<cudaArray_t>(array));
}

cudaError_t cudaMemcpy2DToArray(cudaArray_t to, size_t x, size_t y, const void *from, size_t pitch, size_t width,
                                size_t height, cudaMemcpyKind kind) {
    return Rows(width, height, kind).from(from, pitch).to(to, x, y).run();
}

cudaError_t cudaMemcpy2DToArrayAsync(cudaArray_t to, size_t x, size_t y, const void *from, size_t pitch, size_t width,
                                     size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    return Rows(width, height, kind).from(from, pitch).to(to, x, y).run(stream);
}

cudaError_t cudaMemcpy2DFromArray(void *to, size_t pitch, cudaArray_const_t from, size_t x, size_t y, size_t width,
                                  size_t height, cudaMemcpyKind kind) {
    return Rows(width, height, kind).to(to, pitch).from(from, x, y).run();
}

cudaError_t cudaMemcpy2DFromArrayAsync(void *to, size_t pitch, cudaArray_const_t from, size_t x, size_t y, size_t width,
                                       size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    return Rows(width, height, kind).to(to, pitch).from(from, x, y).run(stream);
}

cudaError_t cudaMemcpy2DArrayToArray(cudaArray_t to, size_t to_x, size_t to_y, cudaArray_const_t from, size_t from_x,
                                     size_t from_y, size_t width, size_t height, cudaMemcpyKind kind) {
    return Rows(width, height, kind).to(to, to_x, to_y).from(from, from_x, from_y).run();
}
}
