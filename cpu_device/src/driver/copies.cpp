// cuMemcpy*: from here to there, with rows and slices or without.
#include "call.hpp"
#include "copy.hpp"

using namespace cpu_device;

namespace {

CUresult copy(CUstream handle, uint64_t to, Side to_side, uint64_t from, Side from_side, size_t size, Wait wait) {
    return in_stream(handle, [&](Stream &stream) {
        Box out, in;
        out.address = to;
        out.side = to_side;
        in.address = from;
        in.side = from_side;
        return copy_box(stream, out, in, {size, 1, 1}, wait);
    });
}

uint64_t number(const void *host) {
    return reinterpret_cast<uint64_t>(host);
}

// Copies between contexts: both must be there; the memory is one.
CUresult copy_peer(CUstream handle, uint64_t to, CUcontext to_context, uint64_t from, CUcontext from_context,
                   size_t size, Wait wait) {
    if (initialized() && (!lookup<Context>(to_context) || !lookup<Context>(from_context)))
        return CUDA_ERROR_INVALID_CONTEXT;
    return copy(handle, to, Side::any, from, Side::any, size, wait);
}

// One side of a copy of rows.
CUresult side_of(CUmemorytype type, const void *host, CUdeviceptr device, Box &box) {
    switch (static_cast<int>(type)) {
    case CU_MEMORYTYPE_HOST:
        box.address = number(host);
        box.side = Side::host;
        return CUDA_SUCCESS;
    case CU_MEMORYTYPE_DEVICE:
        box.address = device;
        box.side = Side::device;
        return CUDA_SUCCESS;
    case CU_MEMORYTYPE_UNIFIED: box.address = device; return CUDA_SUCCESS;
    case CU_MEMORYTYPE_ARRAY: return CUDA_ERROR_NOT_SUPPORTED;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult copy_2d(CUstream handle, const CUDA_MEMCPY2D *p, Wait wait) {
    return in_stream(handle, [&](Stream &stream) {
        Box to, from;
        if (!p) return CUDA_ERROR_INVALID_VALUE;
        CUresult status = side_of(p->srcMemoryType, p->srcHost, p->srcDevice, from);
        if (status == CUDA_SUCCESS) status = side_of(p->dstMemoryType, p->dstHost, p->dstDevice, to);
        if (status != CUDA_SUCCESS) return status;
        from.x = p->srcXInBytes;
        from.y = p->srcY;
        from.pitch = p->srcPitch ? p->srcPitch : p->WidthInBytes;
        to.x = p->dstXInBytes;
        to.y = p->dstY;
        to.pitch = p->dstPitch ? p->dstPitch : p->WidthInBytes;
        return copy_box(stream, to, from, {p->WidthInBytes, p->Height, 1}, wait);
    });
}

template <class Params> CUresult copy_3d(CUstream handle, const Params *p, Wait wait) {
    return in_stream(handle, [&](Stream &stream) {
        Box to, from;
        if (!p || p->srcLOD || p->dstLOD) return CUDA_ERROR_INVALID_VALUE;
        CUresult status = side_of(p->srcMemoryType, p->srcHost, p->srcDevice, from);
        if (status == CUDA_SUCCESS) status = side_of(p->dstMemoryType, p->dstHost, p->dstDevice, to);
        if (status != CUDA_SUCCESS) return status;
        from.x = p->srcXInBytes;
        from.y = p->srcY;
        from.z = p->srcZ;
        from.pitch = p->srcPitch ? p->srcPitch : p->WidthInBytes;
        from.height = p->srcHeight ? p->srcHeight : p->Height;
        to.x = p->dstXInBytes;
        to.y = p->dstY;
        to.z = p->dstZ;
        to.pitch = p->dstPitch ? p->dstPitch : p->WidthInBytes;
        to.height = p->dstHeight ? p->dstHeight : p->Height;
        return copy_box(stream, to, from, {p->WidthInBytes, p->Height, p->Depth}, wait);
    });
}

CUresult copy_3d_peer(CUstream handle, const CUDA_MEMCPY3D_PEER *p, Wait wait) {
    if (initialized() && p && (!lookup<Context>(p->srcContext) || !lookup<Context>(p->dstContext)))
        return CUDA_ERROR_INVALID_CONTEXT;
    return copy_3d(handle, p, wait);
}

} // namespace

extern "C" {

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t size) {
    return copy(nullptr, to, Side::any, from, Side::any, size, Wait::host);
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
    return copy(stream, to, Side::any, from, Side::any, size, Wait::never);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    return copy(nullptr, to, Side::device, number(from), Side::host, size, Wait::always);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
    return copy(stream, to, Side::device, number(from), Side::host, size, Wait::never);
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    return copy(nullptr, number(to), Side::host, from, Side::device, size, Wait::always);
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
    return copy(stream, number(to), Side::host, from, Side::device, size, Wait::never);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
    return copy(nullptr, to, Side::device, from, Side::device, size, Wait::host);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
    return copy(stream, to, Side::device, from, Side::device, size, Wait::never);
}

CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size) {
    return copy_peer(nullptr, to, to_context, from, from_context, size, Wait::host);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size,
                           CUstream stream) {
    return copy_peer(stream, to, to_context, from, from_context, size, Wait::never);
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *params) {
    return copy_2d(nullptr, params, Wait::host);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *params) {
    return copy_2d(nullptr, params, Wait::host);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *params, CUstream stream) {
    return copy_2d(stream, params, Wait::never);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *params) {
    return copy_3d(nullptr, params, Wait::host);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *params, CUstream stream) {
    return copy_3d(stream, params, Wait::never);
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *params) {
    return copy_3d_peer(nullptr, params, Wait::host);
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *params, CUstream stream) {
    return copy_3d_peer(stream, params, Wait::never);
}
}
