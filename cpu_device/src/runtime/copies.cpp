// cudaMemcpy*: bytes in a row, rows and slices, and what one device has to another one.
#include "call.hpp"
#include "copy.hpp"

using namespace cpu_device;

namespace {

void fill_rows(CUDA_MEMCPY2D &p, void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
               size_t height) {
    if (p.dstMemoryType == CU_MEMORYTYPE_HOST)
        p.dstHost = to;
    else
        p.dstDevice = address(to);
    if (p.srcMemoryType == CU_MEMORYTYPE_HOST)
        p.srcHost = from;
    else
        p.srcDevice = address(from);
    p.dstPitch = to_pitch;
    p.srcPitch = from_pitch;
    p.WidthInBytes = width;
    p.Height = height;
}

cudaError_t rows(CUDA_MEMCPY2D &p, void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                 size_t height, cudaMemcpyKind kind) {
    if (!sides(kind, p.dstMemoryType, p.srcMemoryType)) return cudaErrorInvalidMemcpyDirection;
    if (width > to_pitch || width > from_pitch) return cudaErrorInvalidPitchValue;
    fill_rows(p, to, to_pitch, from, from_pitch, width, height);
    return cudaSuccess;
}

cudaError_t copy(void *to, const void *from, size_t size, cudaMemcpyKind kind) {
    switch (kind) {
    case cudaMemcpyHostToDevice: return CALL_HERE(cuMemcpyHtoD_v2, address(to), from, size);
    case cudaMemcpyDeviceToHost: return CALL_HERE(cuMemcpyDtoH_v2, to, address(from), size);
    case cudaMemcpyDeviceToDevice: return CALL_HERE(cuMemcpyDtoD_v2, address(to), address(from), size);
    case cudaMemcpyDefault: return CALL_HERE(cuMemcpy, address(to), address(from), size);
    case cudaMemcpyHostToHost: {
        CUDA_MEMCPY2D p = {};
        const cudaError_t status = rows(p, to, size, from, size, size, 1, kind);
        return status == cudaSuccess ? CALL_HERE(cuMemcpy2D_v2, &p) : status;
    }
    default: return cudaErrorInvalidMemcpyDirection;
    }
}

cudaError_t copy_async(void *to, const void *from, size_t size, cudaMemcpyKind kind, CUstream stream) {
    switch (kind) {
    case cudaMemcpyHostToDevice: return CALL(cuMemcpyHtoDAsync_v2, address(to), from, size, stream);
    case cudaMemcpyDeviceToHost: return CALL(cuMemcpyDtoHAsync_v2, to, address(from), size, stream);
    case cudaMemcpyDeviceToDevice: return CALL(cuMemcpyDtoDAsync_v2, address(to), address(from), size, stream);
    case cudaMemcpyDefault: return CALL(cuMemcpyAsync, address(to), address(from), size, stream);
    case cudaMemcpyHostToHost: {
        CUDA_MEMCPY2D p = {};
        const cudaError_t status = rows(p, to, size, from, size, size, 1, kind);
        return status == cudaSuccess ? CALL(cuMemcpy2DAsync_v2, &p, stream) : status;
    }
    default: return cudaErrorInvalidMemcpyDirection;
    }
}

// The contexts of two devices; those of the primary kind begin if need be.
template <class Body> cudaError_t between(int to, int from, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUcontext there = nullptr, here = nullptr;
        if (const cudaError_t status = begin_device(to, &there)) return status;
        if (const cudaError_t status = begin_device(from, &here)) return status;
        return body(there, here);
    });
}

cudaError_t read_peer(const cudaMemcpy3DPeerParms &p, CUDA_MEMCPY3D_PEER &out) {
    cudaMemcpy3DParms plain = {};
    CUDA_MEMCPY3D box;
    plain.srcArray = p.srcArray;
    plain.srcPos = p.srcPos;
    plain.srcPtr = p.srcPtr;
    plain.dstArray = p.dstArray;
    plain.dstPos = p.dstPos;
    plain.dstPtr = p.dstPtr;
    plain.extent = p.extent;
    plain.kind = cudaMemcpyDefault;
    if (const cudaError_t status = read_params(plain, box)) return status;
    out = {};
    out.srcXInBytes = box.srcXInBytes;
    out.srcY = box.srcY;
    out.srcZ = box.srcZ;
    out.srcMemoryType = box.srcMemoryType;
    out.srcDevice = box.srcDevice;
    out.srcArray = box.srcArray;
    out.srcPitch = box.srcPitch;
    out.srcHeight = box.srcHeight;
    out.dstXInBytes = box.dstXInBytes;
    out.dstY = box.dstY;
    out.dstZ = box.dstZ;
    out.dstMemoryType = box.dstMemoryType;
    out.dstDevice = box.dstDevice;
    out.dstArray = box.dstArray;
    out.dstPitch = box.dstPitch;
    out.dstHeight = box.dstHeight;
    out.WidthInBytes = box.WidthInBytes;
    out.Height = box.Height;
    out.Depth = box.Depth;
    return cudaSuccess;
}

// body(box) with a copy of slices between two devices.
template <class Body> cudaError_t slices_between(const cudaMemcpy3DPeerParms *p, Body &&body) {
    if (!p) return record(cudaErrorInvalidValue);
    return between(p->dstDevice, p->srcDevice, [&](CUcontext to, CUcontext from) {
        CUDA_MEMCPY3D_PEER box;
        const cudaError_t status = read_peer(*p, box);
        box.dstContext = to;
        box.srcContext = from;
        return status == cudaSuccess ? body(box) : status;
    });
}

// body(box) with a copy of slices.
template <class Body> cudaError_t slices(const cudaMemcpy3DParms *p, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUDA_MEMCPY3D box;
        if (!p) return cudaErrorInvalidValue;
        const cudaError_t status = read_params(*p, box);
        return status == cudaSuccess ? body(box) : status;
    });
}

} // namespace

extern "C" {

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, cudaMemcpyKind kind) {
    return in_context([&] { return copy(to, from, size, kind); });
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, cudaMemcpyKind kind, cudaStream_t stream) {
    return in_context([&] { return copy_async(to, from, size, kind, stream_of(stream)); });
}

cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
    return in_context([&] {
        CUDA_MEMCPY2D p = {};
        const cudaError_t status = rows(p, to, to_pitch, from, from_pitch, width, height, kind);
        return status == cudaSuccess ? CALL_HERE(cuMemcpy2D_v2, &p) : status;
    });
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    return in_context([&] {
        CUDA_MEMCPY2D p = {};
        const cudaError_t status = rows(p, to, to_pitch, from, from_pitch, width, height, kind);
        return status == cudaSuccess ? CALL(cuMemcpy2DAsync_v2, &p, stream_of(stream)) : status;
    });
}

cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms *params) {
    return slices(params, [](const CUDA_MEMCPY3D &box) { return CALL_HERE(cuMemcpy3D_v2, &box); });
}

cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms *params, cudaStream_t stream) {
    return slices(params, [&](const CUDA_MEMCPY3D &box) { return CALL(cuMemcpy3DAsync_v2, &box, stream_of(stream)); });
}

cudaError_t cudaMemcpyPeer(void *to, int to_device, const void *from, int from_device, size_t size) {
    return between(to_device, from_device, [&](CUcontext there, CUcontext here) {
        return CALL_HERE(cuMemcpyPeer, address(to), there, address(from), here, size);
    });
}

cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t size,
                                cudaStream_t stream) {
    return between(to_device, from_device, [&](CUcontext there, CUcontext here) {
        return CALL(cuMemcpyPeerAsync, address(to), there, address(from), here, size, stream_of(stream));
    });
}

cudaError_t cudaMemcpy3DPeer(const cudaMemcpy3DPeerParms *params) {
    return slices_between(params, [](const CUDA_MEMCPY3D_PEER &box) { return CALL_HERE(cuMemcpy3DPeer, &box); });
}

cudaError_t cudaMemcpy3DPeerAsync(const cudaMemcpy3DPeerParms *params, cudaStream_t stream) {
    return slices_between(
        params, [&](const CUDA_MEMCPY3D_PEER &box) { return CALL(cuMemcpy3DPeerAsync, &box, stream_of(stream)); });
}
}
