// Bit fields, permutations, counts and dot products of integers.  Compiled for each level.
#include "lanes.hpp"

namespace cpu_device::CPU_DEVICE_LEVEL {
namespace {

template <class T> using uns = std::make_unsigned_t<T>;

const Inst *lop3(Warp &w, const Inst *i) {
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    u32 t[8];
    for (int k = 0; k < 8; ++k) t[k] = (i->imm >> k & 1) ? ~0u : 0u;
    u32 t0 = t[0], t1 = t[1], t2 = t[2], t3 = t[3], t4 = t[4], t5 = t[5], t6 = t[6], t7 = t[7];
    each(w, d, [=](int l) {
        u32 x = a[l], y = b[l], z = c[l];
        return (t7 & x & y & z) | (t6 & x & y & ~z) | (t5 & x & ~y & z) | (t4 & x & ~y & ~z) | (t3 & ~x & y & z) |
               (t2 & ~x & y & ~z) | (t1 & ~x & ~y & z) | (t0 & ~x & ~y & ~z);
    });
    return i + 1;
}

// shf: the 64 bits {b:a} shifted; `sub` bit 0: clamp (else wrap).
template <bool left> const Inst *funnel(Warp &w, const Inst *i) {
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    bool clamp = i->sub & 1;
    each(w, d, [=](int l) {
        u32 n = clamp ? (c[l] < 32 ? c[l] : 32u) : (c[l] & 31);
        u64 v = u64(b[l]) << 32 | a[l];
        return left ? u32((v << n) >> 32) : u32(v >> n);
    });
    return i + 1;
}

template <class T> const Inst *bfe(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a);
    const u32 *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    constexpr u32 msb = 8 * sizeof(T) - 1;
    each(w, d, [=](int l) {
        u32 pos = b[l] & 0xff, len = c[l] & 0xff;
        uns<T> v = pos > msb ? 0 : uns<T>(a[l]) >> (pos & msb);
        uns<T> keep = len > msb ? ~uns<T>(0) : uns<T>((uns<T>(1) << (len & msb)) - 1);
        u32 top = pos + len - 1 < msb ? pos + len - 1 : msb;
        bool sign = std::is_signed_v<T> && len && (uns<T>(a[l]) >> top & 1);
        // Above what there is, the sign fills up.
        uns<T> fill = sign ? ~uns<T>(0) : 0;
        u32 have = top >= pos ? top - pos + 1 : 0;
        uns<T> low = have > msb ? ~uns<T>(0) : uns<T>((uns<T>(1) << have) - 1);
        return T((v & keep & low) | (fill & ~low));
    });
    return i + 1;
}

template <class T> const Inst *bfi(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    const u32 *c = at<u32>(w, i->c), *n = at<u32>(w, i->extra);
    constexpr u32 msb = 8 * sizeof(T) - 1;
    each(w, d, [=](int l) {
        u32 pos = c[l] & 0xff, len = n[l] & 0xff;
        T ones = len > msb ? T(~T(0)) : T((T(1) << (len & msb)) - 1);
        T field = pos > msb ? T(0) : T(ones << (pos & msb));
        return T((b[l] & ~field) | ((pos > msb ? T(0) : T(a[l] << (pos & msb))) & field));
    });
    return i + 1;
}

// bfind: the highest bit that is no sign; `sub` bit 0: .shiftamt.
template <class T> const Inst *bfind(Warp &w, const Inst *i) {
    u32 *d = at<u32>(w, i->d);
    const T *a = at<T>(w, i->a);
    bool amount = i->sub & 1;
    each_active(w.mask, [=](int l) {
        uns<T> v = uns<T>(a[l]);
        if (std::is_signed_v<T> && a[l] < 0) v = uns<T>(~v);
        if (v == 0)
            d[l] = ~0u;
        else {
            u32 top = 63 - __builtin_clzll(v);
            d[l] = amount ? 8 * sizeof(T) - 1 - top : top;
        }
    });
    return i + 1;
}

template <class T, int which> const Inst *count(Warp &w, const Inst *i) { // 0 popc, 1 clz
    u32 *d = at<u32>(w, i->d);
    const T *a = at<T>(w, i->a);
    constexpr u32 width = 8 * sizeof(T);
    each_active(w.mask, [=](int l) {
        if (which == 0)
            d[l] = __builtin_popcountll(a[l]);
        else
            d[l] = a[l] ? __builtin_clzll(a[l]) - (64 - width) : width;
    });
    return i + 1;
}

template <class T> struct Reverse {
    static inline T run(T v) {
        u64 x = v;
        x = (x >> 1 & 0x5555555555555555ull) | (x & 0x5555555555555555ull) << 1;
        x = (x >> 2 & 0x3333333333333333ull) | (x & 0x3333333333333333ull) << 2;
        x = (x >> 4 & 0x0f0f0f0f0f0f0f0full) | (x & 0x0f0f0f0f0f0f0f0full) << 4;
        x = (x >> 8 & 0x00ff00ff00ff00ffull) | (x & 0x00ff00ff00ff00ffull) << 8;
        x = (x >> 16 & 0x0000ffff0000ffffull) | (x & 0x0000ffff0000ffffull) << 16;
        x = x >> 32 | x << 32;
        return T(x >> (64 - 8 * sizeof(T)));
    }
};

// fns: the n-th set bit from a place on.
const Inst *fns(Warp &w, const Inst *i) {
    u32 *d = at<u32>(w, i->d);
    const u32 *mask = at<u32>(w, i->a), *base = at<u32>(w, i->b);
    const s32 *offset = at<s32>(w, i->c);
    each_active(w.mask, [=](int l) {
        u32 m = mask[l], from = base[l], found = ~0u;
        s64 n = offset[l];
        if (from > 31) {
            d[l] = ~0u;
            return;
        }
        if (n == 0)
            found = (m >> from & 1) ? from : ~0u;
        else {
            int step = n > 0 ? 1 : -1;
            s64 left = n > 0 ? n : -n;
            for (int p = int(from); p >= 0 && p < 32; p += step)
                if ((m >> p & 1) && --left == 0) {
                    found = u32(p);
                    break;
                }
        }
        d[l] = found;
    });
    return i + 1;
}

// prmt: `sub` is the mode: 0 the selector's, 1 f4e, 2 b4e, 3 rc8, 4 ecl, 5 ecr, 6 rc16.
const Inst *prmt(Warp &w, const Inst *i) {
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    int mode = i->sub;
    auto select = [mode](u32 s, int k) -> u32 {
        u32 n = s & 3;
        switch (mode) {
        case 1: return n + k;
        case 2: return (n - k) & 7;
        case 3: return n;
        case 4: return u32(k) > n ? u32(k) : n;
        case 5: return u32(k) < n ? u32(k) : n;
        case 6: return (n & 1) * 2 + (k & 1);
        default: return s >> (4 * k) & 15;
        }
    };
    each(w, d, [=](int l) {
        u64 v = u64(b[l]) << 32 | a[l];
        u32 r = 0;
        for (int k = 0; k < 4; ++k) {
            u32 s = select(c[l], k);
            u32 byte = u32(v >> (8 * (s & 7))) & 0xff;
            if (s & 8) byte = (byte & 0x80) ? 0xff : 0;
            r |= byte << (8 * k);
        }
        return r;
    });
    return i + 1;
}

template <class A, class B, int parts> const Inst *dot(Warp &w, const Inst *i) { // dp4a, dp2a (sub: .hi)
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    u32 high_half = i->sub ? 2 : 0;
    each(w, d, [=](int l) {
        u32 r = c[l];
        for (int k = 0; k < parts; ++k) {
            s64 x = parts == 4 ? s64(A(a[l] >> (8 * k)))
                               : s64(std::conditional_t<std::is_signed_v<A>, s16, u16>(a[l] >> (16 * k)));
            s64 y = s64(B(b[l] >> (8 * (parts == 4 ? u32(k) : k + high_half))));
            r += u32(x * y);
        }
        return r;
    });
    return i + 1;
}

const Inst *bmsk(Warp &w, const Inst *i) { // sub: 1 clamp, 0 wrap
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b);
    bool clamp = i->sub;
    each(w, d, [=](int l) {
        u32 p = clamp ? (a[l] < 32 ? a[l] : 32u) : (a[l] & 31), n = clamp ? (b[l] < 32 ? b[l] : 32u) : (b[l] & 31);
        u64 m = ((u64(1) << n) - 1) << p;
        return u32(m);
    });
    return i + 1;
}

template <bool is_signed> const Inst *szext(Warp &w, const Inst *i) { // sub: 1 clamp, 0 wrap
    u32 *d = at<u32>(w, i->d);
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b);
    bool clamp = i->sub;
    each(w, d, [=](int l) {
        u32 n = clamp ? (b[l] < 32 ? b[l] : 32u) : (b[l] & 31);
        u64 keep = (u64(1) << n) - 1;
        bool sign = is_signed && n && (a[l] >> (n - 1) & 1);
        return u32((a[l] & keep) | (sign ? ~keep : 0));
    });
    return i + 1;
}

#define EACH_T(key, f, T) {key "." #T, &f<T>},

const HandlerRow rows[] = {
    {"lop3.u32", &lop3},
    {"shf.l", &funnel<true>},
    {"shf.r", &funnel<false>},
    EACH_T("bfe", bfe, u32) EACH_T("bfe", bfe, s32) EACH_T("bfe", bfe, u64) EACH_T("bfe", bfe, s64)
        EACH_T("bfi", bfi, u32) EACH_T("bfi", bfi, u64) EACH_T("bfind", bfind, u32) EACH_T("bfind", bfind, s32)
            EACH_T("bfind", bfind, u64) EACH_T("bfind", bfind, s64){"popc.u32", &count<u32, 0>},
    {"popc.u64", &count<u64, 0>},
    {"clz.u32", &count<u32, 1>},
    {"clz.u64", &count<u64, 1>},
    {"brev.u32", &unary<u32, Reverse<u32>>},
    {"brev.u64", &unary<u64, Reverse<u64>>},
    {"fns", &fns},
    {"prmt", &prmt},
    {"dp4a.u32.u32", &dot<u8, u8, 4>},
    {"dp4a.u32.s32", &dot<u8, s8, 4>},
    {"dp4a.s32.u32", &dot<s8, u8, 4>},
    {"dp4a.s32.s32", &dot<s8, s8, 4>},
    {"dp2a.u32.u32", &dot<u8, u8, 2>},
    {"dp2a.u32.s32", &dot<u8, s8, 2>},
    {"dp2a.s32.u32", &dot<s8, u8, 2>},
    {"dp2a.s32.s32", &dot<s8, s8, 2>},
    {"bmsk", &bmsk},
    {"szext.u32", &szext<false>},
    {"szext.s32", &szext<true>},
};

} // namespace

HandlerTable bit_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device::CPU_DEVICE_LEVEL
