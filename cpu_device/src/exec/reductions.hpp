// What atomics and reductions do with the value that is there.
#pragma once

#include "half.hpp"
#include "lanes.hpp"

namespace cpu_device {

template <class T> using raw = std::conditional_t<sizeof(T) == 2, u16, std::conditional_t<sizeof(T) == 4, u32, u64>>;

struct Add {
    template <class T> static T run(T a, T b, T) { return static_cast<T>(a + b); }
};
struct Exch {
    template <class T> static T run(T, T b, T) { return b; }
};
struct Cas {
    template <class T> static T run(T a, T b, T c) { return a == b ? c : a; }
};
struct Min {
    template <class T> static T run(T a, T b, T) { return b < a ? b : a; }
};
struct Max {
    template <class T> static T run(T a, T b, T) { return a < b ? b : a; }
};
struct Inc {
    template <class T> static T run(T a, T b, T) { return a >= b ? T(0) : static_cast<T>(a + 1); }
};
struct Dec {
    template <class T> static T run(T a, T b, T) { return a == 0 || a > b ? b : static_cast<T>(a - 1); }
};
struct And {
    template <class T> static T run(T a, T b, T) { return static_cast<T>(a & b); }
};
struct Or {
    template <class T> static T run(T a, T b, T) { return static_cast<T>(a | b); }
};
struct Xor {
    template <class T> static T run(T a, T b, T) { return static_cast<T>(a ^ b); }
};

inline u16 add_half(u16 a, u16 b) {
    return double_to_half(double(half_to_float(a)) + half_to_float(b));
}
inline u16 add_bfloat(u16 a, u16 b) {
    // The double sum of two bf16 may be inexact; rounded to odd first, the second rounding is right.
    double x = bfloat_to_float(a), y = bfloat_to_float(b), s = x + y, t = s - x, e = (x - (s - t)) + (y - t);
    if (e != 0 && std::isfinite(s) && !(bits<u64>(s) & 1))
        s = bits<double>((e > 0) == (s > 0) ? bits<u64>(s) + 1 : bits<u64>(s) - 1);
    return double_to_bfloat(s);
}
struct AddHalf {
    static u16 run(u16 a, u16 b, u16) { return add_half(a, b); }
};
struct AddBfloat {
    static u16 run(u16 a, u16 b, u16) { return add_bfloat(a, b); }
};
struct AddHalf2 {
    static u32 run(u32 a, u32 b, u32) {
        return add_half(u16(a), u16(b)) | u32(add_half(u16(a >> 16), u16(b >> 16))) << 16;
    }
};
struct AddBfloat2 {
    static u32 run(u32 a, u32 b, u32) {
        return add_bfloat(u16(a), u16(b)) | u32(add_bfloat(u16(a >> 16), u16(b >> 16))) << 16;
    }
};
// NaN only where both are; -0 below +0.
template <u16 infinity> inline u16 extreme(u16 a, u16 b, bool largest) {
    const bool nan_a = (a & 0x7fff) > infinity, nan_b = (b & 0x7fff) > infinity;
    if (nan_a || nan_b) return nan_a && nan_b ? u16(0x7fff) : nan_a ? b : a;
    auto key = [](u16 v) { return (v & 0x8000) ? -int(v & 0x7fff) - 1 : int(v); };
    return (key(a) < key(b)) != largest ? a : b;
}
template <u16 infinity, bool largest> struct Extreme {
    static u16 run(u16 a, u16 b, u16) { return extreme<infinity>(a, b, largest); }
    static u32 run(u32 a, u32 b, u32) {
        return extreme<infinity>(u16(a), u16(b), largest) | u32(extreme<infinity>(u16(a >> 16), u16(b >> 16), largest))
                                                                << 16;
    }
};
constexpr u16 kHalfInfinity = 0x7c00, kBfloatInfinity = 0x7f80;

struct AddFloat {
    template <class T> static T run(T a, T b, T) {
        T r = a + b;
        if (sizeof(T) == 4 && r != r) return bits<T>(raw<T>(0x7fffffff));
        return r;
    }
};

// Indivisible for all host threads; the value before.
template <class T, class Op> raw<T> reduce_at(raw<T> *p, T b, T c) {
    raw<T> old = __atomic_load_n(p, __ATOMIC_RELAXED);
    for (;;) {
        const raw<T> next = bits<raw<T>>(static_cast<T>(Op::run(bits<T>(old), b, c)));
        if (__atomic_compare_exchange_n(p, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) return old;
    }
}

} // namespace cpu_device
