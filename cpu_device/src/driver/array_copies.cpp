// Copies between arrays of one dimension and memory, in bytes.
#include "array.hpp"
#include "call.hpp"

using namespace cpu_device;

namespace {

Box at(uint64_t address, Side side) {
    Box box;
    box.address = address;
    box.side = side;
    return box;
}

uint64_t number(const void *host) {
    return reinterpret_cast<uint64_t>(host);
}

// One side of a copy: memory, or an array from an offset on.
struct End {
    Box box;
    CUarray array = nullptr;
    size_t offset = 0;
    bool is_array = false;
};

End memory_at(uint64_t address, Side side) {
    End end;
    end.box = at(address, side);
    return end;
}

End array_at(CUarray array, size_t offset) {
    End end;
    end.array = array;
    end.offset = offset;
    end.is_array = true;
    return end;
}

CUresult resolve(End &end, const Extent &extent) {
    if (!end.is_array) return CUDA_SUCCESS;
    const CUresult status = box_of(end.array, end.box);
    if (status != CUDA_SUCCESS) return status;
    end.box.x = end.offset;
    return fits(end.box, extent) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult copy(CUstream handle, End to, End from, size_t size, Wait wait) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        const Extent extent{size, 1, 1};
        CUresult status = resolve(to, extent);
        if (status == CUDA_SUCCESS) status = resolve(from, extent);
        return status == CUDA_SUCCESS ? copy_box(stream, to.box, from.box, extent, wait) : status;
    });
}

} // namespace

extern "C" {

CUresult cuMemcpyDtoA_v2(CUarray to, size_t offset, CUdeviceptr from, size_t size) {
    return copy(nullptr, array_at(to, offset), memory_at(from, Side::device), size, Wait::host);
}

CUresult cuMemcpyAtoD_v2(CUdeviceptr to, CUarray from, size_t offset, size_t size) {
    return copy(nullptr, memory_at(to, Side::device), array_at(from, offset), size, Wait::host);
}

CUresult cuMemcpyHtoA_v2(CUarray to, size_t offset, const void *from, size_t size) {
    return copy(nullptr, array_at(to, offset), memory_at(number(from), Side::host), size, Wait::always);
}

CUresult cuMemcpyAtoH_v2(void *to, CUarray from, size_t offset, size_t size) {
    return copy(nullptr, memory_at(number(to), Side::host), array_at(from, offset), size, Wait::always);
}

CUresult cuMemcpyAtoA_v2(CUarray to, size_t to_offset, CUarray from, size_t from_offset, size_t size) {
    return copy(nullptr, array_at(to, to_offset), array_at(from, from_offset), size, Wait::host);
}

CUresult cuMemcpyHtoAAsync_v2(CUarray to, size_t offset, const void *from, size_t size, CUstream stream) {
    return copy(stream, array_at(to, offset), memory_at(number(from), Side::host), size, Wait::never);
}

CUresult cuMemcpyAtoHAsync_v2(void *to, CUarray from, size_t offset, size_t size, CUstream stream) {
    return copy(stream, memory_at(number(to), Side::host), array_at(from, offset), size, Wait::never);
}
}
