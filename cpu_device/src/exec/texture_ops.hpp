// What an instruction on a texture or surface does: packed into Inst::imm.
#pragma once

#include "decoder.hpp"

namespace cpu_device {

enum class TextureOp : uint8_t { tex, tld4, load, store, reduce, query };
enum class SurfaceClamp : uint8_t { trap, clamp, zero };
enum class Reduction : uint8_t { add, min, max, bit_and, bit_or };
enum class TextureLevel : uint8_t { first, given, gradients };
enum class TextureQuery : uint8_t { width, height, depth, array_size, normalized_coords, levels, samples };

struct TextureForm {
    TextureOp op;
    uint8_t axes;      // 1 to 3
    bool layered;      // the first coordinate is a layer
    bool integers;     // coordinates are s32
    uint8_t component; // tld4
    uint8_t bytes;     // surfaces: of an element; tex: the TextureLevel
    uint8_t what;      // SurfaceClamp with the signedness of a reduction in bit 7, or TextureQuery; tex: 1 for a cube
    uint8_t reduction;

    // Registers before those of the values: coordinates, and what says the level.
    uint32_t places() const {
        const auto level = static_cast<TextureLevel>(bytes);
        const uint32_t n = uint32_t(axes) + layered;
        if (op != TextureOp::tex) return n;
        return n + (level == TextureLevel::given ? 1 : level == TextureLevel::gradients ? 2 * axes : 0);
    }
};
static_assert(sizeof(TextureForm) == 8, "it is Inst::imm");

OpcodeTable texture_opcodes();
HandlerTable texture_handlers();

} // namespace cpu_device
