// What an instruction on a texture or surface does: packed into Inst::imm.
#pragma once

#include "decoder.hpp"

namespace cpu_device {

enum class TextureOp : uint8_t { tex, tld4, load, store, reduce, query };
enum class SurfaceClamp : uint8_t { trap, clamp, zero };
enum class Reduction : uint8_t { add, min, max, bit_and, bit_or };
enum class TextureQuery : uint8_t { width, height, depth, array_size, normalized_coords, levels, samples };

struct TextureForm {
    TextureOp op;
    uint8_t axes;      // 1 to 3
    bool layered;      // the first coordinate is a layer
    bool integers;     // coordinates are s32
    uint8_t component; // tld4
    uint8_t bytes;     // surfaces: of an element
    uint8_t what;      // SurfaceClamp with the signedness of a reduction in bit 7, or TextureQuery
    uint8_t reduction;
};
static_assert(sizeof(TextureForm) == 8, "it is Inst::imm");

OpcodeTable texture_opcodes();
HandlerTable texture_handlers();

} // namespace cpu_device
