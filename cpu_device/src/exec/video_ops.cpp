// Video instructions: arithmetic on parts of 32-bit registers.  Compiled once.
#include "video.hpp"

namespace cpu_device {
namespace {

__extension__ typedef __int128 Wide; // a shifted word, and the product of two

Wide part(u32 v, uint16_t which, bool is_signed) {
    const u32 bits = which == 0   ? 32
                     : which <= 4 ? 8
                                  : 16,
              shift = which == 0   ? 0
                      : which <= 4 ? 8 * (which - 1u)
                                   : 16 * (which - 5u);
    const u64 raw = u64(v >> shift) & ((1ull << bits) - 1);
    return is_signed ? Wide(s64(raw << (64 - bits)) >> (64 - bits)) : Wide(raw);
}

Wide clamp(Wide v, u32 bits, bool is_signed) {
    const Wide high = (Wide(1) << (bits - is_signed)) - 1, low = is_signed ? -high - 1 : Wide(0);
    return v < low ? low : v > high ? high : v;
}

bool compare(VideoOp op, Wide a, Wide b) {
    switch (op) {
    case VideoOp::eq: return a == b;
    case VideoOp::ne: return a != b;
    case VideoOp::lt: return a < b;
    case VideoOp::le: return a <= b;
    case VideoOp::gt: return a > b;
    default: return a >= b;
    }
}

Wide calculate(const Video &v, Wide a, Wide b) {
    switch (v.op) {
    case VideoOp::add: return a + b;
    case VideoOp::sub: return a - b;
    case VideoOp::absdiff: return a < b ? b - a : a - b;
    case VideoOp::min: return a < b ? a : b;
    case VideoOp::max: return a < b ? b : a;
    case VideoOp::avrg: return a + b >= 0 ? (a + b + 1) >> 1 : (a + b) >> 1;
    case VideoOp::shl:
    case VideoOp::shr: {
        const u32 n = (v.signs & kClampShift) ? u32(b > 32 ? Wide(32) : b) : u32(b) & 31;
        return v.op == VideoOp::shl ? a * (Wide(1) << n) : a >> n;
    }
    default: return compare(v.op, a, b);
    }
}

u32 merged(u32 result, u32 c, u8 to) {
    if (to == 0) return result;
    const u32 mask = to <= 4 ? 0xffu << 8 * (to - 1) : 0xffffu << 16 * (to - 5),
              shift = to <= 4 ? 8 * (to - 1u) : 16 * (to - 5u);
    return (c & ~mask) | (result << shift & mask);
}

u32 scalar_of(const Video &v, bool saturate, u32 x, u32 y, u32 z) {
    const bool is_signed = v.signs & kSignedD;
    Wide r = calculate(v, part(x, v.a, v.signs & kSignedA), part(y, v.b, v.signs & kSignedB));
    if (saturate) r = clamp(r, v.to == 0 ? 32 : v.to <= 4 ? 8 : 16, is_signed);
    const Wide c = is_signed ? Wide(s32(z)) : Wide(z);
    switch (v.second) {
    case VideoSecond::add: return u32(r + c);
    case VideoSecond::min: return u32(r < c ? r : c);
    case VideoSecond::max: return u32(r < c ? c : r);
    case VideoSecond::merge: return merged(u32(r), z, v.to);
    default: return u32(r);
    }
}

const Inst *scalar(Warp &w, const Inst *i) {
    const Video v = bits<Video>(i->imm);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    u32 *d = at<u32>(w, i->d);
    each_active(w.mask, [&](int l) { d[l] = scalar_of(v, i->flags & kSat, a[l], b[l], c[l]); });
    return i + 1;
}

// a * b + c, one of the two negated or one more, shifted right by `sub`.
const Inst *multiply_add(Warp &w, const Inst *i) {
    const Video v = bits<Video>(i->imm);
    const bool signed_product = (v.signs & (kSignedA | kSignedB | kNegatedProduct)) != 0,
               signed_result = signed_product || (v.signs & kNegatedAddend);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    u32 *d = at<u32>(w, i->d);
    each_active(w.mask, [&](int l) {
        Wide r = part(a[l], v.a, v.signs & kSignedA) * part(b[l], v.b, v.signs & kSignedB);
        const Wide addend = signed_product ? Wide(s32(c[l])) : Wide(c[l]);
        if (v.signs & kNegatedProduct) r = -r;
        r += (v.signs & kNegatedAddend) ? -addend : addend;
        if (v.signs & kPlusOne) r += 1;
        r >>= i->sub;
        d[l] = u32((i->flags & kSat) ? clamp(r, 32, signed_result) : r);
    });
    return i + 1;
}

const Inst *simd(Warp &w, const Inst *i) { // sub: elements
    const Video v = bits<Video>(i->imm);
    const u32 n = i->sub, size = 32 / n;
    const bool signed_d = v.signs & kSignedD;
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    u32 *d = at<u32>(w, i->d);
    auto element = [&](int l, u32 which, bool is_signed) {
        const u64 raw = (which < n ? a[l] : b[l]) >> size * (which % n) & ((1ull << size) - 1);
        return is_signed ? Wide(s64(raw << (64 - size)) >> (64 - size)) : Wide(raw);
    };
    each_active(w.mask, [&](int l) {
        u32 whole = c[l];
        for (u32 k = 0; k < n; ++k) {
            if (!(v.to >> k & 1)) continue;
            Wide t = calculate(v, element(l, v.a >> 4 * k & 15, v.signs & kSignedA),
                               element(l, v.b >> 4 * k & 15, v.signs & kSignedB));
            if (i->flags & kSat) t = clamp(t, size, signed_d);
            const u32 mask = u32((1ull << size) - 1) << size * k;
            whole = v.second == VideoSecond::add ? whole + u32(t) : (whole & ~mask) | (u32(t) << size * k & mask);
        }
        d[l] = whole;
    });
    return i + 1;
}

const HandlerRow rows[] = {{"video", &scalar}, {"video.mad", &multiply_add}, {"video.simd", &simd}};

} // namespace

HandlerTable video_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
