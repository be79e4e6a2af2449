// Floating-point formats of 8 bits and less, and what goes with them, from and to double.
//
// e4m3: no infinities, one NaN (0x7f); e5m2: as IEEE; e3m2, e2m3, e2m1: finite numbers only; ue8m0: powers of two, 0xff is NaN.
// Formats: OCP 8-bit Floating Point Specification, OCP Microscaling Formats.
#pragma once

#include "half.hpp"

namespace cpu_device {

struct MiniFormat {
    int exponent, mantissa;
    uint32_t largest; // finite
    uint32_t nan;     // 0: none
    bool infinities;
};
constexpr MiniFormat kE4M3{4, 3, 0x7e, 0x7f, false};
constexpr MiniFormat kE5M2{5, 2, 0x7b, 0x7f, true};
constexpr MiniFormat kE3M2{3, 2, 0x1f, 0, false};
constexpr MiniFormat kE2M3{2, 3, 0x1f, 0, false};
constexpr MiniFormat kE2M1{2, 1, 0x07, 0, false};

inline double mini_to_double(const MiniFormat &f, uint32_t v) {
    const uint32_t top = (1u << f.exponent) - 1, sign = v >> (f.exponent + f.mantissa) & 1,
                   exponent = v >> f.mantissa & top, mantissa = v & ((1u << f.mantissa) - 1);
    const int bias = (1 << (f.exponent - 1)) - 1;
    double r;
    if (f.infinities && exponent == top)
        r = mantissa ? NAN : INFINITY;
    else if (f.nan && (v & ((1u << (f.exponent + f.mantissa)) - 1)) == f.nan)
        r = NAN;
    else if (exponent == 0)
        r = std::ldexp(static_cast<double>(mantissa), 1 - bias - f.mantissa);
    else
        r = std::ldexp(static_cast<double>(mantissa | 1u << f.mantissa),
                       static_cast<int>(exponent) - bias - f.mantissa);
    return sign ? -r : r;
}

// Rounded to nearest even; numbers too large, and infinities, become the largest finite one (.satfinite).  NaN becomes the format's
// canonical NaN, or where it has none the largest positive number.
inline uint32_t double_to_mini(const MiniFormat &f, double v) {
    const uint32_t sign = std::signbit(v) ? 1u << (f.exponent + f.mantissa) : 0;
    if (std::isnan(v)) return f.nan ? f.nan : f.largest;
    if (std::isinf(v)) return sign | f.largest;
    // One more exponent bit than the format has: nothing overflows before it is compared with the largest.
    const int bias = (1 << (f.exponent - 1)) - 1;
    int exponent = 0;
    std::frexp(v, &exponent);
    const int scale = v == 0 || exponent - 1 < 1 - bias ? 1 - bias : exponent - 1;
    const double whole = std::nearbyint(std::ldexp(std::fabs(v), f.mantissa - scale));
    const double r = whole + std::ldexp(static_cast<double>(scale + bias - 1), f.mantissa);
    return sign | (r > f.largest ? f.largest : static_cast<uint32_t>(r));
}

inline double ue8m0_to_double(uint32_t v) {
    return v == 0xff ? NAN : std::ldexp(1.0, static_cast<int>(v) - 127);
}

// The power of two above (`up`) or below; the sign is dropped, numbers outside the range become the nearest end.
inline uint32_t double_to_ue8m0(double v, bool up) {
    if (std::isnan(v)) return 0xff;
    v = std::fabs(v);
    if (std::isinf(v)) return 0xfe;
    if (v == 0) return 0;
    int exponent = 0;
    const double m = std::frexp(v, &exponent); // v = m * 2^exponent, m in [1/2, 1)
    int e = exponent - 1 + 127;
    if (up && m != 0.5) ++e;
    return static_cast<uint32_t>(e < 0 ? 0 : e > 0xfe ? 0xfe : e);
}

} // namespace cpu_device
