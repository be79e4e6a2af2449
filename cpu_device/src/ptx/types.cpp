// The words of PTX that name types and state spaces; see types.hpp.
#include "types.hpp"

namespace cpu_device::ptx {
namespace {

struct TypeWord {
    std::string_view word;
    Type type;
    uint32_t bytes;
};

constexpr TypeWord type_words[] = {
    {"pred", Type::pred, 0},
    {"b8", Type::b8, 1},
    {"b16", Type::b16, 2},
    {"b32", Type::b32, 4},
    {"b64", Type::b64, 8},
    {"b128", Type::b128, 16},
    {"u8", Type::u8, 1},
    {"u16", Type::u16, 2},
    {"u32", Type::u32, 4},
    {"u64", Type::u64, 8},
    {"s8", Type::s8, 1},
    {"s16", Type::s16, 2},
    {"s32", Type::s32, 4},
    {"s64", Type::s64, 8},
    {"f16", Type::f16, 2},
    {"f16x2", Type::f16x2, 4},
    {"f32", Type::f32, 4},
    {"f64", Type::f64, 8},
    {"bf16", Type::bf16, 2},
    {"bf16x2", Type::bf16x2, 4},
    {"tf32", Type::tf32, 4},
    {"e4m3", Type::e4m3, 1},
    {"e5m2", Type::e5m2, 1},
    {"texref", Type::texref, 8},
    {"samplerref", Type::samplerref, 8},
    {"surfref", Type::surfref, 8},
};

constexpr struct {
    std::string_view word;
    Space space;
} space_words[] = {
    {"reg", Space::reg},       {"sreg", Space::sreg},   {"global", Space::global}, {"const", Space::constant},
    {"shared", Space::shared}, {"local", Space::local}, {"param", Space::param},   {"tex", Space::tex},
};

} // namespace

Type type_of(std::string_view word) {
    for (const TypeWord &entry : type_words)
        if (entry.word == word) return entry.type;
    return Type::unknown;
}

Space space_of(std::string_view word) {
    for (const auto &entry : space_words)
        if (entry.word == word) return entry.space;
    return Space::none;
}

uint32_t bytes_of(Type type) {
    for (const TypeWord &entry : type_words)
        if (entry.type == type) return entry.bytes;
    return 0;
}

} // namespace cpu_device::ptx
