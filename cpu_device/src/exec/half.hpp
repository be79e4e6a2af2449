// f16 and bf16: to f32, and from double with one rounding.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace cpu_device {

inline float half_to_float(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    if (exponent == 0) {
        float v = std::ldexp(static_cast<float>(mantissa), -24);
        return sign ? -v : v;
    }
    uint32_t u = sign | (exponent == 31 ? 0x7f800000u | mantissa << 13 : (exponent + 112) << 23 | mantissa << 13);
    float v;
    std::memcpy(&v, &u, 4);
    return v;
}

inline float bfloat_to_float(uint16_t h) {
    uint32_t u = static_cast<uint32_t>(h) << 16;
    float v;
    std::memcpy(&v, &u, 4);
    return v;
}

// A binary format of `exponent_bits` and `mantissa_bits`; rounding: 0 nearest even, 1 zero, 2 down, 3 up, 4 nearest away.
// NaN gives all ones without the sign; infinities are those of IEEE formats.
inline uint32_t round_to_format(double v, int exponent_bits, int mantissa_bits, int rounding) {
    const uint32_t sign_bit = std::signbit(v) ? 1u << (exponent_bits + mantissa_bits) : 0;
    const uint32_t top = (1u << exponent_bits) - 1;
    if (std::isnan(v)) return (top << mantissa_bits) | ((1u << mantissa_bits) - 1);
    if (std::isinf(v)) return sign_bit | top << mantissa_bits;
    if (v == 0) return sign_bit;
    const int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent;
    std::frexp(v, &exponent); // |v| = m * 2^exponent, m in [1/2, 1)
    int scale = exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
    const double scaled = std::ldexp(std::fabs(v), mantissa_bits - scale); // exact: a 53-bit number stays one
    double whole = std::floor(scaled);
    const double rest = scaled - whole;
    const bool negative = std::signbit(v), odd = std::fmod(whole, 2.0) != 0;
    bool up = false;
    switch (rounding) {
    case 0: up = rest > 0.5 || (rest == 0.5 && odd); break;
    case 2: up = negative && rest > 0; break;
    case 3: up = !negative && rest > 0; break;
    case 4: up = rest >= 0.5; break;
    default: break;
    }
    if (up) whole += 1;
    // The sum of exponent and mantissa carries over by itself.
    uint64_t result = static_cast<uint64_t>(whole) + (static_cast<uint64_t>(scale + bias - 1) << mantissa_bits);
    if (result >= static_cast<uint64_t>(top) << mantissa_bits) { // too large
        const bool to_infinity =
            rounding == 0 || rounding == 4 || (rounding == 3 && !negative) || (rounding == 2 && negative);
        result = to_infinity ? static_cast<uint64_t>(top) << mantissa_bits
                             : (static_cast<uint64_t>(top) << mantissa_bits) - 1;
    }
    return sign_bit | static_cast<uint32_t>(result);
}

inline uint16_t double_to_half(double v, int rounding = 0) {
    return static_cast<uint16_t>(round_to_format(v, 5, 10, rounding));
}
inline uint16_t double_to_bfloat(double v, int rounding = 0) {
    return static_cast<uint16_t>(round_to_format(v, 8, 7, rounding));
}

} // namespace cpu_device
