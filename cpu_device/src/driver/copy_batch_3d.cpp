// Batches of copies with rows and slices: all are checked before the first is queued.
#include "array.hpp"
#include "call.hpp"
#include "copy.hpp"

#include <cstdint>
#include <vector>

using namespace cpu_device;

namespace {

using Op = CUDA_MEMCPY3D_BATCH_OP;
using Operand = CUmemcpy3DOperand;

bool is_array(const Operand &operand) {
    return static_cast<int>(operand.type) == CU_MEMCPY_OPERAND_TYPE_ARRAY;
}

size_t texel_of(const Operand &operand) {
    const std::shared_ptr<Array> array = is_array(operand) ? lookup<Array>(operand.op.array.array) : nullptr;
    return array ? array->texels.format.size() : 0;
}

// Extents, rows and offsets are counted in texels of the array that takes part, and in bytes where none does.
CUresult read_operand(const Operand &operand, size_t unit, const CUextent3D &extent, Box &box) {
    if (is_array(operand)) {
        const auto &a = operand.op.array;
        const CUresult status = box_of(a.array, box);
        if (status != CUDA_SUCCESS) return status;
        if (__builtin_mul_overflow(a.offset.x, unit, &box.x)) return CUDA_ERROR_INVALID_VALUE;
        box.y = a.offset.y;
        box.z = a.offset.z;
        return CUDA_SUCCESS;
    }
    const auto &p = operand.op.ptr;
    if (static_cast<int>(operand.type) != CU_MEMCPY_OPERAND_TYPE_POINTER || !p.ptr) return CUDA_ERROR_INVALID_VALUE;
    const size_t row = p.rowLength ? p.rowLength : extent.width, height = p.layerHeight ? p.layerHeight : extent.height;
    if (row < extent.width || height < extent.height || __builtin_mul_overflow(row, unit, &box.pitch))
        return CUDA_ERROR_INVALID_VALUE;
    box.address = p.ptr;
    box.height = height;
    return CUDA_SUCCESS;
}

CUresult read_op(const Op &op, CopyWork &work) {
    const auto order = static_cast<int>(op.srcAccessOrder);
    const size_t from = texel_of(op.src), to = texel_of(op.dst), unit = from ? from : to ? to : 1;
    if (order < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM || order > CU_MEMCPY_SRC_ACCESS_ORDER_ANY ||
        (op.flags & ~unsigned(CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE)) || (from && to && from != to))
        return CUDA_ERROR_INVALID_VALUE;
    const CUextent3D &extent = op.extent;
    work.extent = {0, extent.height, extent.depth};
    if (!extent.width || !extent.height || !extent.depth ||
        __builtin_mul_overflow(extent.width, unit, &work.extent.width))
        return CUDA_ERROR_INVALID_VALUE;
    CUresult status = read_operand(op.src, unit, extent, work.from);
    if (status == CUDA_SUCCESS) status = read_operand(op.dst, unit, extent, work.to);
    if (status == CUDA_SUCCESS && !(fits(work.from, work.extent) && fits(work.to, work.extent)))
        status = CUDA_ERROR_INVALID_VALUE;
    return status == CUDA_SUCCESS ? check_copy(work) : status;
}

CUresult run(const Op *ops, size_t n, unsigned long long flags, CUstream handle, size_t &failed) {
    failed = SIZE_MAX; // not one of the copies
    return in_stream(handle, [&](Stream &stream) {
        if (!n || !ops || flags || stream.is_default) return CUDA_ERROR_INVALID_VALUE;
        std::vector<CopyWork> works; // grows as it is read: nobody vouches for n
        for (size_t k = 0; k < n; k++) {
            const CUresult status = read_op(ops[k], works.emplace_back());
            if (status == CUDA_SUCCESS) continue;
            failed = k;
            return status;
        }
        for (size_t k = 0; k < n; k++) {
            const bool now = ops[k].srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
            const CUresult status =
                copy_box(stream, works[k].to, works[k].from, works[k].extent, now ? Wait::always : Wait::never);
            if (status == CUDA_SUCCESS) continue;
            failed = k;
            return status;
        }
        return CUDA_SUCCESS;
    });
}

} // namespace

extern "C" {

CUresult cuMemcpy3DBatchAsync(size_t n, CUDA_MEMCPY3D_BATCH_OP *ops, size_t *failed, unsigned long long flags,
                              CUstream stream) {
    size_t unused = 0;
    return run(ops, n, flags, stream, failed ? *failed : unused);
}

CUresult cuMemcpy3DBatchAsync_v2(size_t n, CUDA_MEMCPY3D_BATCH_OP *ops, unsigned long long flags, CUstream stream) {
    size_t unused = 0;
    return run(ops, n, flags, stream, unused);
}

CUresult cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP *op, unsigned long long flags, CUstream stream) {
    size_t unused = 0;
    return run(op, 1, flags, stream, unused);
}
}
