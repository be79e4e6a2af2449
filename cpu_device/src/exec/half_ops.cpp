// f16 and bf16 arithmetic and conversions.  Compiled once.
//
// Sums, products and fma are exact or nearly so in double, and are rounded to odd there, so that the second rounding is the only one
// that counts (rounding to odd: https://hal.science/inria-00080427).
#include "lanes.hpp"
#include "half.hpp"

namespace cpu_device {
namespace {

// a + b in double, rounded to odd.
inline double add_odd(double a, double b) {
    const double s = a + b;
    if (!std::isfinite(s)) return s;
    const double t = s - a, e = (a - (s - t)) + (b - t);
    if (e == 0 || (bits<u64>(s) & 1)) return s;
    if (s == 0) return s;
    return bits<double>((e > 0) == (s > 0) ? bits<u64>(s) + 1 : bits<u64>(s) - 1);
}

struct F16 {
    static constexpr u16 nan = 0x7fff;
    static double wide(u16 v) { return double(half_to_float(v)); }
    static u16 narrow(double v) { return double_to_half(v); }
    static u16 flush(u16 v) { return (v & 0x7c00) ? v : u16(v & 0x8000); }
    static bool is_nan(u16 v) { return (v & 0x7fff) > 0x7c00; }
    static constexpr u16 one = 0x3c00;
};
struct BF16 {
    static constexpr u16 nan = 0x7fff;
    static double wide(u16 v) { return double(bfloat_to_float(v)); }
    static u16 narrow(double v) { return double_to_bfloat(v); }
    static u16 flush(u16 v) { return (v & 0x7f80) ? v : u16(v & 0x8000); } // ex2 has .ftz
    static bool is_nan(u16 v) { return (v & 0x7fff) > 0x7f80; }
    static constexpr u16 one = 0x3f80;
};

struct Add {
    static double run(double a, double b, double) { return add_odd(a, b); }
};
struct Sub {
    static double run(double a, double b, double) { return add_odd(a, -b); }
};
struct Mul {
    static double run(double a, double b, double) { return a * b; }
};
struct Fma {
    static double run(double a, double b, double c) { return add_odd(a * b, c); }
};
struct Ex2 {
    static double run(double a, double, double) { return std::exp2(a); }
};
struct Tanh {
    static double run(double a, double, double) { return std::tanh(a); }
};

template <class T, class Op> u16 one_half(u16 a, u16 b, u16 c, unsigned flags) {
    if (flags & kFtz) {
        a = T::flush(a);
        b = T::flush(b);
        c = T::flush(c);
    }
    u16 r = T::narrow(Op::run(T::wide(a), T::wide(b), T::wide(c)));
    if (flags & kFtz) r = T::flush(r);
    if (T::is_nan(r)) return (flags & kSat) ? 0 : T::nan;
    if (flags & kSat) {
        if (r & 0x8000)
            r = 0;
        else if (r > T::one)
            r = T::one;
    }
    if ((flags & kRelu) && (r & 0x8000)) r = 0;
    return r;
}

template <class T, bool is_max> u16 extreme(u16 a, u16 b, unsigned flags) {
    if (flags & kFtz) {
        a = T::flush(a);
        b = T::flush(b);
    }
    const u16 sign = u16((a ^ b) & 0x8000);
    if (flags & (kAbs | kXorSign)) {
        a &= 0x7fff;
        b &= 0x7fff;
    }
    if (T::is_nan(a) || T::is_nan(b)) {
        if ((flags & kNan) || (T::is_nan(a) && T::is_nan(b))) return T::nan;
        a = b = T::is_nan(a) ? b : a;
    }
    auto key = [](u16 v) { return (v & 0x8000) ? -int(v & 0x7fff) - 1 : int(v); }; // -0 below +0
    u16 r = (key(a) < key(b)) != is_max ? a : b;
    return (flags & kXorSign) ? u16((r & 0x7fff) | sign) : r;
}

template <class F> const Inst *halves(Warp &w, const Inst *i, bool two, F f) {
    if (!two) {
        u16 *d = at<u16>(w, i->d);
        const u16 *a = at<u16>(w, i->a), *b = at<u16>(w, i->b), *c = at<u16>(w, i->c);
        each_active(w.mask, [=](int l) { d[l] = f(a[l], b[l], c[l]); });
        return i + 1;
    }
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    each_active(w.mask, [=](int l) {
        d[l] = u32(f(u16(a[l]), u16(b[l]), u16(c[l]))) | u32(f(u16(a[l] >> 16), u16(b[l] >> 16), u16(c[l] >> 16)))
                                                             << 16;
    });
    return i + 1;
}

template <class T, class Op, bool two> const Inst *arithmetic(Warp &w, const Inst *i) {
    const unsigned flags = i->flags;
    return halves(w, i, two, [flags](u16 a, u16 b, u16 c) { return one_half<T, Op>(a, b, c, flags); });
}
template <class T, bool is_max, bool two> const Inst *min_max(Warp &w, const Inst *i) {
    const unsigned flags = i->flags;
    return halves(w, i, two, [flags](u16 a, u16 b, u16) { return extreme<T, is_max>(a, b, flags); });
}
template <class T, bool negate, bool two> const Inst *sign(Warp &w, const Inst *i) {
    const unsigned flags = i->flags;
    return halves(w, i, two, [flags](u16 a, u16, u16) {
        if (flags & kFtz) a = T::flush(a);
        return u16(negate ? a ^ 0x8000 : a & 0x7fff);
    });
}

template <class T, int what> const Inst *compare(Warp &w, const Inst *i) {
    const u16 *a = at<u16>(w, i->a), *b = at<u16>(w, i->b);
    const bool ftz = i->flags & kFtz;
    return finish_setp(w, i, ballot([=](int l) {
                           const double x = T::wide(ftz ? T::flush(a[l]) : a[l]),
                                        y = T::wide(ftz ? T::flush(b[l]) : b[l]);
                           switch (what) {
                           case 0: return x == y;
                           case 1: return x < y || x > y;
                           case 2: return x < y;
                           case 3: return x <= y;
                           case 4: return x > y;
                           case 5: return x >= y;
                           case 6: return !(x < y || x > y);
                           case 7: return !(x == y);
                           case 8: return !(x >= y);
                           case 9: return !(x > y);
                           case 10: return !(x <= y);
                           case 11: return !(x < y);
                           case 12: return x == x && y == y;
                           default: return x != x || y != y;
                           }
                       }));
}

// --- conversions ---

inline double whole(double v, unsigned flags) {
    if (!(flags & kToInt)) return v;
    switch (flags & kRoundMask) {
    case 1: return std::trunc(v);
    case 2: return std::floor(v);
    case 3: return std::ceil(v);
    default: return std::nearbyint(v);
    }
}

template <class T, int exponent, int mantissa> u16 narrow(double v, unsigned flags) {
    if (std::isnan(v)) return (flags & kSat) ? 0 : T::nan;
    if ((flags & kRelu) && std::signbit(v)) v = 0;
    if (flags & kSat) v = v <= 0 ? 0.0 : v > 1 ? 1.0 : v;
    u16 r = u16(round_to_format(v, exponent, mantissa,
                                (flags & kAway)    ? 4
                                : (flags & kToInt) ? 0
                                                   : int(flags & kRoundMask)));
    if ((flags & kSatFinite) && (r & 0x7fff) == (((1u << exponent) - 1) << mantissa)) r = u16(r - 1);
    return r;
}
inline u16 narrow_to(F16, double v, unsigned flags) {
    return narrow<F16, 5, 10>(v, flags);
}
inline u16 narrow_to(BF16, double v, unsigned flags) {
    return narrow<BF16, 8, 7>(v, flags);
}

inline f32 flush_input(f32 v) {
    return (bits<u32>(v) & 0x7f800000u) ? v : bits<f32>(bits<u32>(v) & 0x80000000u);
}
inline f64 flush_input(f64 v) {
    return v;
}

template <class T, class S> const Inst *from_float(Warp &w, const Inst *i) {
    u16 *d = at<u16>(w, i->d);
    const S *a = at<S>(w, i->a);
    const unsigned flags = i->flags;
    each_active(w.mask,
                [=](int l) { d[l] = narrow_to(T(), whole((flags & kFtz) ? flush_input(a[l]) : a[l], flags), flags); });
    return i + 1;
}

template <class T> const Inst *from_pair(Warp &w, const Inst *i) { // a is the upper half
    u32 *d = at<u32>(w, i->d);
    const f32 *a = at<f32>(w, i->a), *b = at<f32>(w, i->b);
    const unsigned flags = i->flags;
    each_active(w.mask, [=](int l) {
        const u32 high = narrow_to(T(), a[l], flags), low = narrow_to(T(), b[l], flags);
        d[l] = high << 16 | low;
    });
    return i + 1;
}

template <class D, class T> const Inst *to_float(Warp &w, const Inst *i) {
    D *d = at<D>(w, i->d);
    const u16 *a = at<u16>(w, i->a);
    const unsigned flags = i->flags;
    each_active(w.mask, [=](int l) {
        double v = whole(T::wide(a[l]), flags);
        if (flags & kSat) v = v != v || v <= 0 ? 0.0 : v > 1 ? 1.0 : v;
        if ((flags & kFtz) && sizeof(D) == 4 && std::fabs(v) < 0x1p-126) v = std::copysign(0.0, v); // out of bf16
        if (v != v && sizeof(D) == 4)
            d[l] = D(bits<f32>(0x7fffffffu));
        else
            d[l] = D(v);
    });
    return i + 1;
}

template <class D, class T> const Inst *half_to_half(Warp &w, const Inst *i) {
    u16 *d = at<u16>(w, i->d);
    const u16 *a = at<u16>(w, i->a);
    const unsigned flags = i->flags;
    each_active(w.mask, [=](int l) {
        d[l] = narrow_to(D(), whole(T::wide((flags & kFtz) ? T::flush(a[l]) : a[l]), flags), flags);
    });
    return i + 1;
}

template <class T>
using storage = std::conditional_t<sizeof(T) == 1, std::conditional_t<std::is_signed_v<T>, s16, u16>, T>;

template <class D, class T> const Inst *to_integer(Warp &w, const Inst *i) {
    storage<D> *d = at<storage<D>>(w, i->d);
    const u16 *a = at<u16>(w, i->a);
    const unsigned flags = i->flags | kToInt;
    each_active(w.mask, [=](int l) {
        const double v = whole(T::wide(a[l]), flags);
        D r;
        if (v != v)
            r = sizeof(D) == 8 ? D(std::make_unsigned_t<D>(1) << (8 * sizeof(D) - 1)) : 0;
        else if (v < double(std::numeric_limits<D>::min()))
            r = std::numeric_limits<D>::min();
        else if (v >= double(std::numeric_limits<D>::max() / 2 + 1) * 2)
            r = std::numeric_limits<D>::max();
        else
            r = D(v);
        d[l] = storage<D>(r);
    });
    return i + 1;
}

// 64-bit integers are cut to an odd double first.
template <class T, class S> const Inst *from_integer(Warp &w, const Inst *i) {
    u16 *d = at<u16>(w, i->d);
    const storage<S> *a = at<storage<S>>(w, i->a);
    const unsigned flags = i->flags;
    each_active(w.mask, [=](int l) {
        const S v = S(a[l]);
        double high = double(s64(v >> (sizeof(S) == 8 ? 32 : 0))), r = high;
        if (sizeof(S) == 8) {
            if (!std::is_signed_v<S>) high = double(u64(v) >> 32);
            r = add_odd(high * 4294967296.0, double(u32(v)));
        } else {
            r = double(v);
        }
        d[l] = narrow_to(T(), r, flags);
    });
    return i + 1;
}

const Inst *to_tf32(Warp &w, const Inst *i) { // 10 bits of mantissa, in the upper bits of 32
    u32 *d = at<u32>(w, i->d);
    const f32 *a = at<f32>(w, i->a);
    const unsigned flags = i->flags;
    each_active(w.mask, [=](int l) {
        f32 v = a[l];
        if ((flags & kRelu) && std::signbit(v) && v == v) v = 0;
        u32 r = round_to_format(v, 8, 10, (flags & kAway) ? 4 : int(flags & kRoundMask));
        if ((flags & kSatFinite) && (r & 0x3ffff) == 0x3fc00) --r;
        d[l] = v != v ? 0x7fffffffu : r << 13;
    });
    return i + 1;
}

#define HALF(name, T)                                                                                                 \
    {"add." name, &arithmetic<T, Add, false>}, {"add." name "x2", &arithmetic<T, Add, true>},                         \
        {"sub." name, &arithmetic<T, Sub, false>}, {"sub." name "x2", &arithmetic<T, Sub, true>},                     \
        {"mul." name, &arithmetic<T, Mul, false>}, {"mul." name "x2", &arithmetic<T, Mul, true>},                     \
        {"fma." name, &arithmetic<T, Fma, false>}, {"fma." name "x2", &arithmetic<T, Fma, true>},                     \
        {"ex2." name, &arithmetic<T, Ex2, false>}, {"ex2." name "x2", &arithmetic<T, Ex2, true>},                     \
        {"tanh." name, &arithmetic<T, Tanh, false>}, {"tanh." name "x2", &arithmetic<T, Tanh, true>},                 \
        {"min." name, &min_max<T, false, false>}, {"min." name "x2", &min_max<T, false, true>},                       \
        {"max." name, &min_max<T, true, false>}, {"max." name "x2", &min_max<T, true, true>},                         \
        {"neg." name, &sign<T, true, false>}, {"neg." name "x2", &sign<T, true, true>},                               \
        {"abs." name, &sign<T, false, false>}, {"abs." name "x2", &sign<T, false, true>},                             \
        {"setp.eq." name, &compare<T, 0>}, {"setp.ne." name, &compare<T, 1>}, {"setp.lt." name, &compare<T, 2>},      \
        {"setp.le." name, &compare<T, 3>}, {"setp.gt." name, &compare<T, 4>}, {"setp.ge." name, &compare<T, 5>},      \
        {"setp.equ." name, &compare<T, 6>}, {"setp.neu." name, &compare<T, 7>}, {"setp.ltu." name, &compare<T, 8>},   \
        {"setp.leu." name, &compare<T, 9>}, {"setp.gtu." name, &compare<T, 10>}, {"setp.geu." name, &compare<T, 11>}, \
        {"setp.num." name, &compare<T, 12>}, {"setp.nan." name, &compare<T, 13>},                                     \
        {"cvt." name ".f32", &from_float<T, f32>}, {"cvt." name ".f64", &from_float<T, f64>},                         \
        {"cvt." name "x2.f32x2", &from_pair<T>}, {"cvt.f32." name, &to_float<f32, T>},                                \
        {"cvt.f64." name, &to_float<f64, T>},                                                                         \
        HALF_INTEGER(name, T, u8) HALF_INTEGER(name, T, s8) HALF_INTEGER(name, T, u16) HALF_INTEGER(name, T, s16)     \
            HALF_INTEGER(name, T, u32) HALF_INTEGER(name, T, s32) HALF_INTEGER(name, T, u64)                          \
                HALF_INTEGER(name, T, s64)
#define HALF_INTEGER(name, T, I) {"cvt." #I "." name, &to_integer<I, T>}, {"cvt." name "." #I, &from_integer<T, I>},

// The upper half of an f64, flushed; with a flag it is rounded to that.
const Inst *upper_half(Warp &w, const Inst *i) {
    constexpr u64 low = 0xffffffff, infinity = 0x7ff0000000000000, sign = u64(1) << 63;
    const u64 *a = at<u64>(w, i->a);
    u64 *d = at<u64>(w, i->d);
    const u64 half = i->flags ? u64(1) << 31 : 0;
    each_active(w.mask, [=](int l) {
        const u64 v = a[l], upper = (v + half) & ~low;
        const bool nan = (v & ~sign) > infinity;
        d[l] = nan ? ~(sign | low) : v & infinity ? upper : v & sign;
    });
    return i + 1;
}

const HandlerRow rows[] = {
    {"upper.f64", &upper_half},
    HALF("f16", F16) HALF("bf16", BF16){"cvt.f16.f16", &half_to_half<F16, F16>},
    {"cvt.bf16.bf16", &half_to_half<BF16, BF16>},
    {"cvt.f16.bf16", &half_to_half<F16, BF16>},
    {"cvt.bf16.f16", &half_to_half<BF16, F16>},
    {"cvt.tf32.f32", &to_tf32},
};

} // namespace

HandlerTable half_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
