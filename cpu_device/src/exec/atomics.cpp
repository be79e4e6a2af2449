// atom and red: lane after lane, each one indivisible for all host threads.
#include "lanes.hpp"
#include "half.hpp"

namespace cpu_device {
namespace {

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
struct AddFloat {
    template <class T> static T run(T a, T b, T) {
        T r = a + b;
        if (sizeof(T) == 4 && r != r) return bits<T>(raw<T>(0x7fffffff));
        return r;
    }
};

template <class T, class Op> const Inst *atomic(Warp &w, const Inst *i) {
    using R = raw<T>;
    const u64 *address = at<u64>(w, i->a);
    const T *b = at<T>(w, i->b), *c = at<T>(w, i->c);
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const u64 place = address[l] + i->imm;
        if (place & (sizeof(T) - 1)) return fault(w, i, l, Status::misaligned_address, "", place);
        R *p = reinterpret_cast<R *>(generic_pointer(w, l, place, sizeof(T)));
        if (!p) return fault(w, i, l, Status::illegal_address, "", place, true);
        R old = __atomic_load_n(p, __ATOMIC_RELAXED);
        for (;;) {
            R next = bits<R>(static_cast<T>(Op::run(bits<T>(old), b[l], c[l])));
            if (__atomic_compare_exchange_n(p, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) break;
        }
        if (i->d != kDiscard) at<R>(w, i->d)[l] = old;
    }
    return i + 1;
}

#define INTEGER(T)                                                                                               \
    {"atom.add." #T, &atomic<T, Add>}, {"atom.exch." #T, &atomic<T, Exch>}, {"atom.cas." #T, &atomic<T, Cas>},   \
        {"atom.inc." #T, &atomic<T, Inc>}, {"atom.dec." #T, &atomic<T, Dec>}, {"atom.and." #T, &atomic<T, And>}, \
        {"atom.or." #T, &atomic<T, Or>}, {"atom.xor." #T, &atomic<T, Xor>},
#define EXTREMES(T) {"atom.min." #T, &atomic<T, Min>}, {"atom.max." #T, &atomic<T, Max>},

const HandlerRow rows[] = {
    INTEGER(u32) INTEGER(u64) EXTREMES(u32) EXTREMES(u64) EXTREMES(s32)
        EXTREMES(s64){"atom.cas.u16", &atomic<u16, Cas>},
    {"atom.exch.u16", &atomic<u16, Exch>},
    {"atom.add.f32", &atomic<f32, AddFloat>},
    {"atom.add.f64", &atomic<f64, AddFloat>},
    {"atom.add.f16", &atomic<u16, AddHalf>},
    {"atom.add.f16x2", &atomic<u32, AddHalf2>},
    {"atom.add.bf16", &atomic<u16, AddBfloat>},
    {"atom.add.bf16x2", &atomic<u32, AddBfloat2>},
};

} // namespace

HandlerTable atomic_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
