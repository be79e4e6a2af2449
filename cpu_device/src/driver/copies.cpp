// cuMemcpy*: from here to there, with rows and slices or without.
#include "array.hpp"
#include "call.hpp"
#include "copy.hpp"

using namespace cpu_device;

namespace {

CUresult copy(CUstream handle, uint64_t to, Side to_side, uint64_t from, Side from_side, size_t size, Wait wait) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
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

// Copies between contexts: both must be there; the memory is one.  One that is not asynchronous comes behind all that either context has
// to do, and is done when it returns.
CUresult check_peers(CUcontext to, CUcontext from, Wait &wait) {
    if (!initialized()) return CUDA_SUCCESS; // the copy says so
    const std::shared_ptr<Context> there = context_of(to), here = context_of(from);
    if (!there || !here) return CUDA_ERROR_INVALID_CONTEXT;
    if (wait == Wait::never || in_stream_work()) return CUDA_SUCCESS;
    there->synchronize();
    here->synchronize();
    wait = Wait::always;
    return CUDA_SUCCESS;
}

CUresult copy_peer(CUstream handle, uint64_t to, CUcontext to_context, uint64_t from, CUcontext from_context,
                   size_t size, Wait wait) {
    const CUresult status = guarded([&] { return check_peers(to_context, from_context, wait); });
    return status == CUDA_SUCCESS ? copy(handle, to, Side::any, from, Side::any, size, wait) : status;
}

// One side of a copy of rows.
CUresult side_of(CUmemorytype type, const void *host, CUdeviceptr device, CUarray array, Box &box) {
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
    case CU_MEMORYTYPE_ARRAY: return box_of(array, box);
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult copy_2d(CUstream handle, const CUDA_MEMCPY2D *p, Wait wait) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        Box to, from;
        if (!p) return CUDA_ERROR_INVALID_VALUE;
        CUresult status = side_of(p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, from);
        if (status == CUDA_SUCCESS) status = side_of(p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, to);
        if (status != CUDA_SUCCESS) return status;
        from.x = p->srcXInBytes;
        from.y = p->srcY;
        if (!from.array) from.pitch = p->srcPitch ? p->srcPitch : p->WidthInBytes;
        to.x = p->dstXInBytes;
        to.y = p->dstY;
        if (!to.array) to.pitch = p->dstPitch ? p->dstPitch : p->WidthInBytes;
        const Extent extent{p->WidthInBytes, p->Height, 1};
        if (!fits(to, extent) || !fits(from, extent)) return CUDA_ERROR_INVALID_VALUE;
        return copy_box(stream, to, from, extent, wait);
    });
}

template <class Params> CUresult read_3d(const Params &p, CopyWork &work) {
    if (p.srcLOD || p.dstLOD) return CUDA_ERROR_INVALID_VALUE;
    CUresult status =
        side_of(p.srcMemoryType, p.srcHost, p.srcDevice, reinterpret_cast<CUarray>(p.srcArray), work.from);
    if (status == CUDA_SUCCESS)
        status = side_of(p.dstMemoryType, p.dstHost, p.dstDevice, reinterpret_cast<CUarray>(p.dstArray), work.to);
    work.from.x = p.srcXInBytes;
    work.from.y = p.srcY;
    work.from.z = p.srcZ;
    if (!work.from.array) {
        work.from.pitch = p.srcPitch ? p.srcPitch : p.WidthInBytes;
        work.from.height = p.srcHeight ? p.srcHeight : p.Height;
    }
    work.to.x = p.dstXInBytes;
    work.to.y = p.dstY;
    work.to.z = p.dstZ;
    if (!work.to.array) {
        work.to.pitch = p.dstPitch ? p.dstPitch : p.WidthInBytes;
        work.to.height = p.dstHeight ? p.dstHeight : p.Height;
    }
    work.extent = {p.WidthInBytes, p.Height, p.Depth};
    if (status != CUDA_SUCCESS) return status;
    return fits(work.to, work.extent) && fits(work.from, work.extent) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

template <class Params> CUresult copy_3d(CUstream handle, const Params *p, Wait wait) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        CopyWork work;
        const CUresult status = p ? read_3d(*p, work) : CUDA_ERROR_INVALID_VALUE;
        return status == CUDA_SUCCESS ? copy_box(stream, work.to, work.from, work.extent, wait) : status;
    });
}

CUresult copy_3d_peer(CUstream handle, const CUDA_MEMCPY3D_PEER *p, Wait wait) {
    const CUresult status =
        p ? guarded([&] { return check_peers(p->dstContext, p->srcContext, wait); }) : CUDA_ERROR_INVALID_VALUE;
    return status == CUDA_SUCCESS ? copy_3d(handle, p, wait) : status;
}

CUmemorytype type_of(const Box &box) {
    return box.array                  ? CU_MEMORYTYPE_ARRAY
           : box.side == Side::host   ? CU_MEMORYTYPE_HOST
           : box.side == Side::device ? CU_MEMORYTYPE_DEVICE
                                      : CU_MEMORYTYPE_UNIFIED;
}

} // namespace

namespace cpu_device {

CUresult read_copy(const CUDA_MEMCPY3D &params, CopyWork &work) {
    return read_3d(params, work);
}

CUDA_MEMCPY3D described(const CopyWork &work) {
    CUDA_MEMCPY3D p{};
    p.srcXInBytes = work.from.x;
    p.srcY = work.from.y;
    p.srcZ = work.from.z;
    p.srcMemoryType = type_of(work.from);
    if (work.from.array)
        p.srcArray = reinterpret_cast<CUarray>(work.from.array);
    else if (work.from.side == Side::host)
        p.srcHost = reinterpret_cast<const void *>(work.from.address);
    else
        p.srcDevice = work.from.address;
    p.srcPitch = work.from.pitch;
    p.srcHeight = work.from.height;
    p.dstXInBytes = work.to.x;
    p.dstY = work.to.y;
    p.dstZ = work.to.z;
    p.dstMemoryType = type_of(work.to);
    if (work.to.array)
        p.dstArray = reinterpret_cast<CUarray>(work.to.array);
    else if (work.to.side == Side::host)
        p.dstHost = reinterpret_cast<void *>(work.to.address);
    else
        p.dstDevice = work.to.address;
    p.dstPitch = work.to.pitch;
    p.dstHeight = work.to.height;
    p.WidthInBytes = work.extent.width;
    p.Height = work.extent.height;
    p.Depth = work.extent.depth;
    return p;
}

} // namespace cpu_device

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
