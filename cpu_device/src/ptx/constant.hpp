// Constant expressions: what the assembler computes (PTX ISA, "Constants":
// https://docs.nvidia.com/cuda/parallel-thread-execution/#constants).
#pragma once

#include "reader.hpp"

namespace cpu_device::ptx {

struct Constant {
    enum class Kind : uint8_t { s64, u64, decimal, float32, float64 }; // the last two: 0f and 0d literals, exact bits
    Kind kind = Kind::s64;
    uint64_t bits = 0; // integers, and the bits of 0f and 0d
    double number = 0; // decimal

    bool is_integer() const { return kind == Kind::s64 || kind == Kind::u64; }
};

// How tightly operators bind; a higher level binds tighter.
enum : int { lowest_precedence = 1, additive_precedence = 9, multiplicative_precedence = 10 };

// A whole expression, the conditional operator included.
Constant constant(Reader &reader);
// The same behind a unary operator ('-', '!') that was taken already.
Constant constant_after(Reader &reader, char unary);
// Operands joined by operators that bind at least as tightly as `precedence`.
Constant constant_above(Reader &reader, int precedence);
// An integer; `what` says what for.
uint64_t integer(Reader &reader, const char *what);
// The same, at most `largest`.
uint32_t small_integer(Reader &reader, const char *what, uint32_t largest = 0xFFFFFFFF);

} // namespace cpu_device::ptx
