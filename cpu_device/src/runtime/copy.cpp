// Between the runtime's records of copies and the driver's.
#include "copy.hpp"

#include <cstring>

namespace cpu_device {

namespace {

// One side: an array, or a pointer with a pitch; not both and not neither.
struct Side {
    cudaArray_t array;
    const cudaPitchedPtr &pointer;
    size_t element = 1; // of the array

    bool valid() const { return !array != !pointer.ptr; }
};

cudaError_t measure(Side &side) {
    return side.array ? element_size(side.array, side.element) : cudaSuccess;
}

void put_destination(const Side &to, CUDA_MEMCPY3D &out) {
    if (to.array) {
        out.dstMemoryType = CU_MEMORYTYPE_ARRAY;
        out.dstArray = reinterpret_cast<CUarray>(to.array);
        return;
    }
    if (out.dstMemoryType == CU_MEMORYTYPE_HOST)
        out.dstHost = to.pointer.ptr;
    else
        out.dstDevice = address(to.pointer.ptr);
    out.dstPitch = to.pointer.pitch;
    out.dstHeight = to.pointer.ysize;
}

void put_source(const Side &from, CUDA_MEMCPY3D &out) {
    if (from.array) {
        out.srcMemoryType = CU_MEMORYTYPE_ARRAY;
        out.srcArray = reinterpret_cast<CUarray>(from.array);
        return;
    }
    if (out.srcMemoryType == CU_MEMORYTYPE_HOST)
        out.srcHost = from.pointer.ptr;
    else
        out.srcDevice = address(from.pointer.ptr);
    out.srcPitch = from.pointer.pitch;
    out.srcHeight = from.pointer.ysize;
}

} // namespace

bool sides(cudaMemcpyKind kind, CUmemorytype &to, CUmemorytype &from) {
    const bool known = static_cast<unsigned>(kind) <= cudaMemcpyDefault;
    const bool to_host = kind == cudaMemcpyHostToHost || kind == cudaMemcpyDeviceToHost;
    const bool from_host = kind == cudaMemcpyHostToHost || kind == cudaMemcpyHostToDevice;
    to = kind == cudaMemcpyDefault ? CU_MEMORYTYPE_UNIFIED : to_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    from = kind == cudaMemcpyDefault ? CU_MEMORYTYPE_UNIFIED : from_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    return known;
}

cudaError_t element_size(cudaArray_const_t array, size_t &size) {
    CUDA_ARRAY3D_DESCRIPTOR desc = {};
    const auto handle = reinterpret_cast<CUarray>(const_cast<cudaArray *>(array));
    const cudaError_t status = CALL(cuArray3DGetDescriptor_v2, &desc, handle);
    switch (static_cast<int>(desc.Format)) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8: size = desc.NumChannels; break;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF: size = 2 * desc.NumChannels; break;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT: size = 4 * desc.NumChannels; break;
    default: return status != cudaSuccess ? status : cudaErrorNotSupported;
    }
    return status;
}

cudaError_t read_params(const cudaMemcpy3DParms &p, CUDA_MEMCPY3D &out) {
    Side to{p.dstArray, p.dstPtr}, from{p.srcArray, p.srcPtr};
    std::memset(&out, 0, sizeof out);
    if (!sides(p.kind, out.dstMemoryType, out.srcMemoryType)) return cudaErrorInvalidMemcpyDirection;
    if (!to.valid() || !from.valid()) return cudaErrorInvalidValue;
    if (const cudaError_t status = measure(to)) return status;
    if (const cudaError_t status = measure(from)) return status;
    // the extent counts elements where an array takes part, else bytes; a position counts what its own side has
    const size_t element = from.array ? from.element : to.element;
    out.WidthInBytes = p.extent.width * element;
    out.Height = p.extent.height;
    out.Depth = p.extent.depth;
    out.dstXInBytes = p.dstPos.x * to.element;
    out.dstY = p.dstPos.y;
    out.dstZ = p.dstPos.z;
    out.srcXInBytes = p.srcPos.x * from.element;
    out.srcY = p.srcPos.y;
    out.srcZ = p.srcPos.z;
    put_destination(to, out);
    put_source(from, out);
    const bool rows = out.Height > 1 || out.Depth > 1;
    if (rows &&
        ((!to.array && p.dstPtr.pitch < out.WidthInBytes) || (!from.array && p.srcPtr.pitch < out.WidthInBytes)))
        return cudaErrorInvalidPitchValue;
    return cudaSuccess;
}

cudaError_t write_params(const CUDA_MEMCPY3D &p, cudaMemcpy3DParms &out) {
    size_t to = 1, from = 1;
    std::memset(&out, 0, sizeof out);
    const bool to_array = p.dstMemoryType == CU_MEMORYTYPE_ARRAY, from_array = p.srcMemoryType == CU_MEMORYTYPE_ARRAY;
    const bool to_host = p.dstMemoryType == CU_MEMORYTYPE_HOST, from_host = p.srcMemoryType == CU_MEMORYTYPE_HOST;
    out.dstArray = to_array ? reinterpret_cast<cudaArray_t>(p.dstArray) : nullptr;
    out.srcArray = from_array ? reinterpret_cast<cudaArray_t>(p.srcArray) : nullptr;
    if (to_array)
        if (const cudaError_t status = element_size(out.dstArray, to)) return status;
    if (from_array)
        if (const cudaError_t status = element_size(out.srcArray, from)) return status;
    if (!to_array) out.dstPtr = {to_host ? p.dstHost : pointer(p.dstDevice), p.dstPitch, p.dstPitch, p.dstHeight};
    if (!from_array)
        out.srcPtr = {from_host ? const_cast<void *>(p.srcHost) : pointer(p.srcDevice), p.srcPitch, p.srcPitch,
                      p.srcHeight};
    out.dstPos = {p.dstXInBytes / to, p.dstY, p.dstZ};
    out.srcPos = {p.srcXInBytes / from, p.srcY, p.srcZ};
    out.extent = {p.WidthInBytes / (from_array ? from : to), p.Height, p.Depth};
    const bool unified = p.dstMemoryType == CU_MEMORYTYPE_UNIFIED || p.srcMemoryType == CU_MEMORYTYPE_UNIFIED;
    out.kind = unified                ? cudaMemcpyDefault
               : from_host && to_host ? cudaMemcpyHostToHost
               : from_host            ? cudaMemcpyHostToDevice
               : to_host              ? cudaMemcpyDeviceToHost
                                      : cudaMemcpyDeviceToDevice;
    return cudaSuccess;
}

} // namespace cpu_device
