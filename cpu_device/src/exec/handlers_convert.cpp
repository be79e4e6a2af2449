// cvt between integers and f32/f64.  Compiled for each level.  Half types are in handlers_half.cpp.
//
// 8-bit values live in 16-bit registers; wider registers than the type are dealt with by the decoder, in two steps.
#include "lanes.hpp"

#include <cfenv>

namespace cpu_device::CPU_DEVICE_LEVEL {
namespace {

template <class T>
using storage = std::conditional_t<sizeof(T) == 1, std::conditional_t<std::is_signed_v<T>, s16, u16>, T>;

template <class D, class S> const Inst *convert_integer(Warp &w, const Inst *i) {
    using DS = storage<D>;
    DS *d = at<DS>(w, i->d);
    const storage<S> *a = at<storage<S>>(w, i->a);
    each(w, d, [=](int l) { return DS(D(S(a[l]))); });
    return i + 1;
}

// .sat between integers: clamps.
template <class D, class S> const Inst *convert_clamp(Warp &w, const Inst *i) {
    using DS = storage<D>;
    DS *d = at<DS>(w, i->d);
    const storage<S> *a = at<storage<S>>(w, i->a);
    each_active(w.mask, [=](int l) {
        __int128 v = S(a[l]), lo = std::numeric_limits<D>::min(), hi = std::numeric_limits<D>::max();
        d[l] = DS(D(v < lo ? lo : v > hi ? hi : v));
    });
    return i + 1;
}

inline f32 flush(f32 v) {
    return (bits<u32>(v) & 0x7f800000u) ? v : bits<f32>(bits<u32>(v) & 0x80000000u);
}
inline f64 flush(f64 v) {
    return v;
}
inline f32 canonical(f32 v) {
    return v == v ? v : bits<f32>(0x7fffffffu);
}
inline f64 canonical(f64 v) {
    return v;
}

template <class T> inline T round_whole(T v, unsigned mode) {
    switch (mode) {
    case 1: return std::trunc(v);
    case 2: return std::floor(v);
    case 3: return std::ceil(v);
    default: return std::nearbyint(v);
    }
}

// What a NaN becomes: zero, unless a 64-bit type takes part; then the highest bit alone (PTX ISA, cvt).
template <class D, class S> constexpr D nan_value() {
    if constexpr (sizeof(S) == 8 || sizeof(D) == 8)
        return D(std::make_unsigned_t<D>(1) << (8 * sizeof(D) - 1));
    else
        return 0;
}

template <class D, class S> inline D to_integer(S r) {
    constexpr S below = S(std::numeric_limits<D>::min());
    constexpr S above = S(std::numeric_limits<D>::max() / 2 + 1) * 2; // a power of two, exact in S
    if (r != r) return nan_value<D, S>();
    if (r < below) return std::numeric_limits<D>::min();
    if (r >= above) return std::numeric_limits<D>::max();
    return static_cast<D>(r);
}

template <class D, class S> const Inst *float_to_integer(Warp &w, const Inst *i) {
    using DS = storage<D>;
    DS *d = at<DS>(w, i->d);
    const S *a = at<S>(w, i->a);
    const unsigned mode = i->flags & kRoundMask;
    const bool ftz = i->flags & kFtz;
    if constexpr (std::is_same_v<D, s32> && std::is_same_v<S, f32>) {
        if (mode == 1) { // the C cast, in vectors: what is too large gives INT_MIN there, and is mended
            each(w, d, [=](int l) {
                f32 v = a[l];
                f32 in = v < 2147483648.0f && v >= -2147483648.0f ? v : 0.0f;
                s32 r = s32(in);
                r = v >= 2147483648.0f ? INT32_MAX : r;
                return v < -2147483648.0f ? INT32_MIN : r;
            });
            return i + 1;
        }
    }
    each_active(w.mask, [=](int l) { d[l] = DS(to_integer<D, S>(round_whole(ftz ? flush(a[l]) : a[l], mode))); });
    return i + 1;
}

template <class D, class S> const Inst *integer_to_float(Warp &w, const Inst *i) {
    D *d = at<D>(w, i->d);
    const storage<S> *a = at<storage<S>>(w, i->a);
    const unsigned flags = i->flags;
    if ((flags & (kRoundMask | kSat)) == 0) {
        each(w, d, [=](int l) { return D(S(a[l])); });
        return i + 1;
    }
    static const int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    volatile S in[kLanes];
    volatile D out[kLanes];
    for (int l = 0; l < kLanes; ++l) in[l] = S(a[l]);
    std::fesetround(modes[flags & kRoundMask]);
    for (int l = 0; l < kLanes; ++l) out[l] = D(S(in[l]));
    std::fesetround(FE_TONEAREST);
    each_active(w.mask, [&](int l) {
        D r = out[l];
        d[l] = (flags & kSat) ? (r < 0 ? D(0) : r > 1 ? D(1) : r) : r;
    });
    return i + 1;
}

template <class T> inline T saturate(T v) {
    return v != v ? T(0) : v <= T(0) ? T(0) : v > T(1) ? T(1) : v;
}

template <class D, class S> const Inst *float_to_float(Warp &w, const Inst *i) {
    D *d = at<D>(w, i->d);
    const S *a = at<S>(w, i->a);
    const unsigned flags = i->flags;
    if ((flags & ~kNegC) == 0) {
        each(w, d, [=](int l) { return canonical(D(a[l])); });
        return i + 1;
    }
    static const int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    volatile S in[kLanes];
    volatile D out[kLanes];
    const bool whole = flags & kToInt, ftz = flags & kFtz;
    for (int l = 0; l < kLanes; ++l) {
        S v = ftz ? flush(a[l]) : a[l];
        in[l] = whole ? round_whole(v, flags & kRoundMask) : v;
    }
    if (!whole) std::fesetround(modes[flags & kRoundMask]);
    for (int l = 0; l < kLanes; ++l) out[l] = D(S(in[l]));
    if (!whole) std::fesetround(FE_TONEAREST);
    each_active(w.mask, [&](int l) {
        D r = out[l];
        if (ftz) r = flush(r);
        d[l] = (flags & kSat) ? saturate(r) : canonical(r);
    });
    return i + 1;
}

#define INT_TO(D)                                                                                       \
    {"cvt." #D ".u8", &convert_integer<D, u8>}, {"cvt." #D ".s8", &convert_integer<D, s8>},             \
        {"cvt." #D ".u16", &convert_integer<D, u16>}, {"cvt." #D ".s16", &convert_integer<D, s16>},     \
        {"cvt." #D ".u32", &convert_integer<D, u32>}, {"cvt." #D ".s32", &convert_integer<D, s32>},     \
        {"cvt." #D ".u64", &convert_integer<D, u64>}, {"cvt." #D ".s64", &convert_integer<D, s64>},     \
        {"cvt.sat." #D ".u8", &convert_clamp<D, u8>}, {"cvt.sat." #D ".s8", &convert_clamp<D, s8>},     \
        {"cvt.sat." #D ".u16", &convert_clamp<D, u16>}, {"cvt.sat." #D ".s16", &convert_clamp<D, s16>}, \
        {"cvt.sat." #D ".u32", &convert_clamp<D, u32>}, {"cvt.sat." #D ".s32", &convert_clamp<D, s32>}, \
        {"cvt.sat." #D ".u64", &convert_clamp<D, u64>}, {"cvt.sat." #D ".s64", &convert_clamp<D, s64>}, \
        {"cvt." #D ".f32", &float_to_integer<D, f32>}, {"cvt." #D ".f64", &float_to_integer<D, f64>},   \
        {"cvt.f32." #D, &integer_to_float<f32, D>}, {"cvt.f64." #D, &integer_to_float<f64, D>},

const HandlerRow rows[] = {
    INT_TO(u8) INT_TO(s8) INT_TO(u16) INT_TO(s16) INT_TO(u32) INT_TO(s32) INT_TO(u64)
        INT_TO(s64){"cvt.f32.f32", &float_to_float<f32, f32>},
    {"cvt.f32.f64", &float_to_float<f32, f64>},
    {"cvt.f64.f32", &float_to_float<f64, f32>},
    {"cvt.f64.f64", &float_to_float<f64, f64>},
};

} // namespace

HandlerTable convert_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device::CPU_DEVICE_LEVEL
