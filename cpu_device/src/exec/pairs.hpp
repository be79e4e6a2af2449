// Instructions on pairs of halves or floats that are decoded into others (opcodes_pairs.cpp).
#pragma once

#include "decoder.hpp"

namespace cpu_device {

// Each is false where the written form is not of its kind; nothing is emitted then.

// cvt between pairs of f32, f16, bf16 and of formats of 8 bits and less; cvt.pack.
bool convert_small(Decoder &d, Form &f);
// add sub fma of f32 with f16 or bf16 operands.
bool mixed_precision(Decoder &d, Form &f, const char *operation, uint16_t flags);
// add sub mul fma of .f32x2.
bool float_pairs(Decoder &d, Form &f, const char *operation, uint16_t flags);

struct PairCompare {
    size_t first;   // operand
    uint32_t to[2]; // predicates of the lower and the upper half; kDiscard: not wanted
    uint32_t with;  // combined with this predicate
    uint8_t combine;
    uint16_t flags;
};
// A comparison ("setp.lt") of .f16x2 or .bf16x2.
bool compare_pairs(Decoder &d, Form &f, Type type, const std::string &comparison, const PairCompare &c);
// `one` or 0 in each half, by two predicates.
void select_pairs(Decoder &d, uint32_t to, const uint32_t p[2], uint64_t one);

} // namespace cpu_device
