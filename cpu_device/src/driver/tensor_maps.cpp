// Tensor maps: checked as the driver's documentation has it, and written down in a form of our own.  No instruction takes one yet.
// https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TENSOR__MEMORY.html
#include "call.hpp"

#include <cstring>

using namespace cpu_device;

namespace {

constexpr uint64_t kMagic = 0x50414d5555504321; // says that the 128 bytes are ours

enum class Kind : uint8_t { tiled, im2col, im2col_wide, im2col_wide_128 };

struct TensorMap {
    uint64_t magic = kMagic, address = 0;
    uint64_t strides[4] = {};
    uint32_t last[5] = {}; // the largest index of each dimension
    uint16_t box[5] = {};  // tiled
    uint16_t channels = 0, pixels = 0;
    int16_t lower[3] = {}, upper[3] = {}; // im2col
    uint8_t steps[5] = {};
    Kind kind = Kind::tiled;
    uint8_t type = 0, rank = 0, interleave = 0, swizzle = 0, promotion = 0, fill = 0;
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap), "it fits");

struct Request {
    CUtensorMap *out;
    CUtensorMapDataType type;
    cuuint32_t rank;
    const void *address;
    const cuuint64_t *dims, *strides;
    const cuuint32_t *steps;
    CUtensorMapInterleave interleave;
    CUtensorMapSwizzle swizzle;
    CUtensorMapL2promotion promotion;
    CUtensorMapFloatOOBfill fill;
};

uint32_t bytes_of(CUtensorMapDataType type) {
    switch (static_cast<int>(type)) {
    case CU_TENSOR_MAP_DATA_TYPE_UINT8: return 1;
    case CU_TENSOR_MAP_DATA_TYPE_UINT16:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16: return 2;
    case CU_TENSOR_MAP_DATA_TYPE_UINT64:
    case CU_TENSOR_MAP_DATA_TYPE_INT64:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT64: return 8;
    case CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B:
    case CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN16B:
    case CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B: return 0; // less than one
    default: return 4;
    }
}

bool is_integer(CUtensorMapDataType type) {
    const auto n = static_cast<int>(type);
    return n <= CU_TENSOR_MAP_DATA_TYPE_INT64 || n >= CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B;
}

uint64_t alignment(int type, int interleave) {
    const bool wide = type == CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN16B || type == CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B;
    return wide || interleave == CU_TENSOR_MAP_INTERLEAVE_32B ? 32 : 16;
}

bool known(const Request &r) {
    auto within = [](int value, int most) { return value >= 0 && value <= most; };
    return within(static_cast<int>(r.type), CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B) &&
           within(static_cast<int>(r.interleave), CU_TENSOR_MAP_INTERLEAVE_32B) &&
           within(static_cast<int>(r.swizzle), CU_TENSOR_MAP_SWIZZLE_128B_ATOM_64B) &&
           within(static_cast<int>(r.promotion), CU_TENSOR_MAP_L2_PROMOTION_L2_256B) &&
           within(static_cast<int>(r.fill), CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA);
}

// The bytes of a row of shared memory that a swizzle can spread; 0: any.
uint32_t swizzle_span(CUtensorMapSwizzle swizzle) {
    switch (static_cast<int>(swizzle)) {
    case CU_TENSOR_MAP_SWIZZLE_NONE: return 0;
    case CU_TENSOR_MAP_SWIZZLE_32B: return 32;
    case CU_TENSOR_MAP_SWIZZLE_64B: return 64;
    default: return 128;
    }
}

// What both kinds have.
CUresult describe(const Request &r, uint32_t least_rank, TensorMap &map) {
    const auto out = reinterpret_cast<uint64_t>(r.out), address = reinterpret_cast<uint64_t>(r.address);
    if (device_limits().cc < 90) return CUDA_ERROR_NOT_SUPPORTED;
    if (!out || out % 64 || !known(r) || r.rank < least_rank || r.rank > 5 || !r.dims || !r.steps ||
        (r.rank > 1 && !r.strides))
        return CUDA_ERROR_INVALID_VALUE;
    const bool interleaves = r.interleave != CU_TENSOR_MAP_INTERLEAVE_NONE;
    const uint64_t align = alignment(static_cast<int>(r.type), static_cast<int>(r.interleave));
    if (!address || address % align || (interleaves && r.rank < 3)) return CUDA_ERROR_INVALID_VALUE;
    if (r.interleave == CU_TENSOR_MAP_INTERLEAVE_32B && r.swizzle != CU_TENSOR_MAP_SWIZZLE_32B)
        return CUDA_ERROR_INVALID_VALUE;
    if (r.fill != CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE && is_integer(r.type)) return CUDA_ERROR_INVALID_VALUE;
    for (uint32_t k = 0; k < r.rank; k++) {
        if (!r.dims[k] || r.dims[k] > uint64_t(1) << 32) return CUDA_ERROR_INVALID_VALUE;
        if (k && (r.strides[k - 1] % align || !r.strides[k - 1] || r.strides[k - 1] >= uint64_t(1) << 40))
            return CUDA_ERROR_INVALID_VALUE;
        const bool counts = k || interleaves; // without interleaving the innermost one has no meaning
        if (counts && (!r.steps[k] || r.steps[k] > 8)) return CUDA_ERROR_INVALID_VALUE;
        map.last[k] = static_cast<uint32_t>(r.dims[k] - 1);
        map.steps[k] = counts ? static_cast<uint8_t>(r.steps[k]) : 1;
        if (k) map.strides[k - 1] = r.strides[k - 1];
    }
    const uint64_t unit = !bytes_of(r.type) ? (r.type == CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B ? 2 : 128) : 1;
    if (r.dims[0] % unit) return CUDA_ERROR_INVALID_VALUE;
    map.address = address;
    map.type = static_cast<uint8_t>(r.type);
    map.rank = static_cast<uint8_t>(r.rank);
    map.interleave = static_cast<uint8_t>(r.interleave);
    map.swizzle = static_cast<uint8_t>(r.swizzle);
    map.promotion = static_cast<uint8_t>(r.promotion);
    map.fill = static_cast<uint8_t>(r.fill);
    return CUDA_SUCCESS;
}

// The innermost part of what is copied: whole units of 16 bytes, and no more than the swizzle spreads.
bool inner_fits(const Request &r, uint64_t elements) {
    const bool packed = !bytes_of(r.type);
    if (packed && r.type != CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B) return elements == 128;
    if (r.interleave != CU_TENSOR_MAP_INTERLEAVE_NONE) return true;
    const uint64_t bytes = packed ? elements / 2 : elements * bytes_of(r.type);
    const uint32_t span = swizzle_span(r.swizzle);
    return bytes % 16 == 0 && (packed ? elements % 2 == 0 : true) && (!span || bytes <= span);
}

CUresult write(const TensorMap &map, CUtensorMap *out) {
    std::memset(out, 0, sizeof *out);
    std::memcpy(out, &map, sizeof map);
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank, void *address,
                                const cuuint64_t *dims, const cuuint64_t *strides, const cuuint32_t *box,
                                const cuuint32_t *steps, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
    return call([&] {
        TensorMap map;
        const Request r{out, type, rank, address, dims, strides, steps, interleave, swizzle, promotion, fill};
        const CUresult status = describe(r, 1, map);
        if (status != CUDA_SUCCESS) return status;
        if (!box) return CUDA_ERROR_INVALID_VALUE;
        for (uint32_t k = 0; k < rank; k++) {
            if (!box[k] || box[k] > 256) return CUDA_ERROR_INVALID_VALUE;
            map.box[k] = static_cast<uint16_t>(box[k]);
        }
        return inner_fits(r, box[0]) ? write(map, out) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank, void *address,
                                 const cuuint64_t *dims, const cuuint64_t *strides, const int *lower, const int *upper,
                                 cuuint32_t channels, cuuint32_t pixels, const cuuint32_t *steps,
                                 CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                 CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
    return call([&] {
        TensorMap map;
        const Request r{out, type, rank, address, dims, strides, steps, interleave, swizzle, promotion, fill};
        const CUresult status = describe(r, 3, map);
        if (status != CUDA_SUCCESS) return status;
        if (!lower || !upper || !channels || channels > 256 || !pixels || pixels > 1024)
            return CUDA_ERROR_INVALID_VALUE;
        const int most = rank == 3 ? 1 << 15 : rank == 4 ? 1 << 7 : 1 << 4; // of a corner's coordinates
        for (uint32_t k = 0; k < rank - 2; k++) {
            if (lower[k] < -most || lower[k] >= most || upper[k] < -most || upper[k] >= most)
                return CUDA_ERROR_INVALID_VALUE;
            map.lower[k] = static_cast<int16_t>(lower[k]);
            map.upper[k] = static_cast<int16_t>(upper[k]);
        }
        map.kind = Kind::im2col;
        map.channels = static_cast<uint16_t>(channels);
        map.pixels = static_cast<uint16_t>(pixels);
        return inner_fits(r, channels) ? write(map, out) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuTensorMapEncodeIm2colWide(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank, void *address,
                                     const cuuint64_t *dims, const cuuint64_t *strides, int lower, int upper,
                                     cuuint32_t channels, cuuint32_t pixels, const cuuint32_t *steps,
                                     CUtensorMapInterleave interleave, CUtensorMapIm2ColWideMode mode,
                                     CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                     CUtensorMapFloatOOBfill fill) {
    return call([&] {
        if (device_limits().cc < 100) return CUDA_ERROR_NOT_SUPPORTED;
        TensorMap map;
        const Request r{out, type, rank, address, dims, strides, steps, interleave, swizzle, promotion, fill};
        const CUresult status = describe(r, 3, map);
        if (status != CUDA_SUCCESS) return status;
        const bool w128 = mode == CU_TENSOR_MAP_IM2COL_WIDE_MODE_W128; // which loads a fixed number of pixels
        if (!w128 && mode != CU_TENSOR_MAP_IM2COL_WIDE_MODE_W) return CUDA_ERROR_INVALID_VALUE;
        if (swizzle != CU_TENSOR_MAP_SWIZZLE_64B && swizzle != CU_TENSOR_MAP_SWIZZLE_128B &&
            swizzle != CU_TENSOR_MAP_SWIZZLE_128B_ATOM_32B)
            return CUDA_ERROR_INVALID_VALUE;
        if (!channels || channels > 256 || (!w128 && (!pixels || pixels > 1024))) return CUDA_ERROR_INVALID_VALUE;
        if (lower < INT16_MIN || lower > INT16_MAX || upper < INT16_MIN || upper > INT16_MAX ||
            static_cast<int64_t>(dims[1]) + upper - lower <= 0) // the box is empty
            return CUDA_ERROR_INVALID_VALUE;
        map.kind = w128 ? Kind::im2col_wide_128 : Kind::im2col_wide;
        map.lower[0] = static_cast<int16_t>(lower);
        map.upper[0] = static_cast<int16_t>(upper);
        map.channels = static_cast<uint16_t>(channels);
        map.pixels = static_cast<uint16_t>(w128 ? 0 : pixels);
        return inner_fits(r, channels) ? write(map, out) : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *out, void *address) {
    return call([&] {
        TensorMap map;
        const auto to = reinterpret_cast<uint64_t>(address);
        if (device_limits().cc < 90) return CUDA_ERROR_NOT_SUPPORTED;
        if (!out || reinterpret_cast<uint64_t>(out) % 64) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(static_cast<void *>(&map), out, sizeof map);
        if (map.magic != kMagic || !to || to % alignment(map.type, map.interleave)) return CUDA_ERROR_INVALID_VALUE;
        map.address = to;
        return write(map, out);
    });
}
}
