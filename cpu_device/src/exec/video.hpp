// Video instructions as they lie in Inst::imm: scalar ones on bytes, halves or words, SIMD ones on two halves or four bytes.
#pragma once

#include "lanes.hpp"

namespace cpu_device {

enum class VideoOp : uint8_t { add, sub, absdiff, min, max, shl, shr, mad, avrg, eq, ne, lt, le, gt, ge };
enum class VideoSecond : uint8_t { none, add, min, max, merge };

enum VideoSign : uint8_t {
    kSignedD = 1,
    kSignedA = 2,
    kSignedB = 4,
    kNegatedProduct = 8,
    kNegatedAddend = 16,
    kPlusOne = 32,
    kClampShift = 64,
};

// Parts of a scalar operand: 0 all of it, 1 to 4 a byte, 5 and 6 a half.  Of a SIMD operand: 4 bits for each element, the number of the
// half or byte among those of a and b.  `to`: the scalar result's part, or the mask of elements that are written.
struct Video {
    VideoOp op;
    VideoSecond second;
    uint8_t signs, to;
    uint16_t a, b;
};
static_assert(sizeof(Video) == 8, "it lies in an instruction's imm");

} // namespace cpu_device
