// Conversions between pairs of f32, f16 or bf16 and pairs of smaller formats; cvt.pack.  Compiled once.
#include "lanes.hpp"
#include "minifloat.hpp"

namespace cpu_device {
namespace {

// Inst::imm: which format, in the order of the decoder's names.
const MiniFormat *const kFormats[] = {&kE4M3, &kE5M2, &kE2M1, &kE2M3, &kE3M2};

inline u32 narrow(const MiniFormat &f, double v, unsigned flags) {
    if ((flags & kRelu) && v <= 0) v = 0; // -0 as well
    return double_to_mini(f, v);
}

// Two results side by side: of four bits each in a byte, else of a byte each.
inline u16 side_by_side(const MiniFormat &f, u32 high, u32 low) {
    return u16(high << (f.exponent + f.mantissa + 1 == 4 ? 4 : 8) | low);
}

const Inst *from_floats(Warp &w, const Inst *i) { // a is the upper one
    const MiniFormat &f = *kFormats[i->imm];
    const f32 *a = at<f32>(w, i->a), *b = at<f32>(w, i->b);
    u16 *d = at<u16>(w, i->d);
    each_active(w.mask, [&](int l) { d[l] = side_by_side(f, narrow(f, a[l], i->flags), narrow(f, b[l], i->flags)); });
    return i + 1;
}

const Inst *from_halves(Warp &w, const Inst *i) {
    const MiniFormat &f = *kFormats[i->imm];
    const u32 *a = at<u32>(w, i->a);
    u16 *d = at<u16>(w, i->d);
    each_active(w.mask, [&](int l) {
        d[l] = side_by_side(f, narrow(f, half_to_float(u16(a[l] >> 16)), i->flags),
                            narrow(f, half_to_float(u16(a[l])), i->flags));
    });
    return i + 1;
}

inline u32 to_half(const MiniFormat &f, u32 v, unsigned flags) {
    double x = mini_to_double(f, v);
    if (x != x) return 0x7fff;
    if ((flags & kRelu) && x <= 0) x = 0;
    return double_to_half(x);
}

const Inst *to_halves(Warp &w, const Inst *i) { // sub: bits of an element
    const MiniFormat &f = *kFormats[i->imm];
    const u32 mask = (1u << i->sub) - 1;
    const u16 *a = at<u16>(w, i->a);
    u32 *d = at<u32>(w, i->d);
    each_active(w.mask, [&](int l) {
        d[l] = to_half(f, a[l] >> i->sub & mask, i->flags) << 16 | to_half(f, a[l] & mask, i->flags);
    });
    return i + 1;
}

// Exponents alone.  Without .satfinite what is too large is a NaN.
inline u32 exponent_of(double v, unsigned flags) {
    const bool up = (flags & kRoundMask) == 3;
    const u32 r = double_to_ue8m0(v, up);
    if (flags & kSatFinite) return r;
    const double largest = std::ldexp(1.0, 127);
    return std::isinf(v) || (up && std::fabs(v) > largest) ? 0xff : r;
}

const Inst *exponents_of_floats(Warp &w, const Inst *i) {
    const f32 *a = at<f32>(w, i->a), *b = at<f32>(w, i->b);
    u16 *d = at<u16>(w, i->d);
    each_active(w.mask, [&](int l) { d[l] = u16(exponent_of(a[l], i->flags) << 8 | exponent_of(b[l], i->flags)); });
    return i + 1;
}

const Inst *exponents_of_halves(Warp &w, const Inst *i) { // bf16x2
    const u32 *a = at<u32>(w, i->a);
    u16 *d = at<u16>(w, i->d);
    each_active(w.mask, [&](int l) {
        d[l] = u16(exponent_of(bfloat_to_float(u16(a[l] >> 16)), i->flags) << 8 |
                   exponent_of(bfloat_to_float(u16(a[l])), i->flags));
    });
    return i + 1;
}

const Inst *halves_of_exponents(Warp &w, const Inst *i) {
    const u16 *a = at<u16>(w, i->a);
    u32 *d = at<u32>(w, i->d);
    auto one = [](u32 v) { return v == 0xff ? 0x7fffu : u32(double_to_bfloat(ue8m0_to_double(v))); };
    each_active(w.mask, [&](int l) { d[l] = one(a[l] >> 8) << 16 | one(a[l] & 0xff); });
    return i + 1;
}

const Inst *pack(Warp &w, const Inst *i) { // sub: bits of an element; imm: signed; what is above them comes from c
    const s32 *a = at<s32>(w, i->a), *b = at<s32>(w, i->b);
    const u32 *c = at<u32>(w, i->c);
    u32 *d = at<u32>(w, i->d);
    const int size = i->sub;
    const s32 high = (1 << (size - (i->imm ? 1 : 0))) - 1, low = i->imm ? -high - 1 : 0;
    const u32 mask = (1u << size) - 1;
    auto one = [=](s32 v) { return u32(v < low ? low : v > high ? high : v) & mask; };
    each_active(w.mask, [&](int l) {
        const u32 pair = one(a[l]) << size | one(b[l]);
        d[l] = size == 16 ? pair : c[l] << 2 * size | pair;
    });
    return i + 1;
}

const HandlerRow rows[] = {
    {"cvt.mini.f32x2", &from_floats},
    {"cvt.mini.f16x2", &from_halves},
    {"cvt.f16x2.mini", &to_halves},
    {"cvt.ue8m0x2.f32x2", &exponents_of_floats},
    {"cvt.ue8m0x2.bf16x2", &exponents_of_halves},
    {"cvt.bf16x2.ue8m0x2", &halves_of_exponents},
    {"cvt.pack", &pack},
};

} // namespace

HandlerTable minifloat_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
