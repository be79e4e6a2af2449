// Integer arithmetic, logic, comparisons and moves.  Compiled for each level; bit fields are in handlers_bits.cpp.
#include "lanes.hpp"

namespace cpu_device::CPU_DEVICE_LEVEL {
namespace {

template <class T>
using wide_t = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, s32, u32>,
                                  std::conditional_t<std::is_signed_v<T>, s64, u64>>;
template <class T> using uns = std::make_unsigned_t<T>;
template <class T>
using arith_t = std::conditional_t<sizeof(T) == 2, u32, uns<T>>; // no promotion to int where it could overflow

#define OP2(name, expression)                                                \
    template <class T> struct name {                                         \
        static inline T run(T a, T b) { return static_cast<T>(expression); } \
    };
#define OP1(name, expression)                                           \
    template <class T> struct name {                                    \
        static inline T run(T a) { return static_cast<T>(expression); } \
    };
#define OP3(name, expression)                                                     \
    template <class T> struct name {                                              \
        static inline T run(T a, T b, T c) { return static_cast<T>(expression); } \
    };

template <class T> inline T high(T a, T b) {
    if constexpr (sizeof(T) == 8) {
        using W = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
        return static_cast<T>((static_cast<W>(a) * static_cast<W>(b)) >> 64);
    } else {
        using W = wide_t<T>;
        return static_cast<T>((static_cast<W>(a) * static_cast<W>(b)) >> (8 * sizeof(T)));
    }
}

template <class T> inline T low(T a, T b) {
    return static_cast<T>(static_cast<arith_t<T>>(a) * static_cast<arith_t<T>>(b));
}

OP2(Add, a + b)
OP2(Sub, a - b)
OP2(MulLo, low(a, b))
OP2(MulHi, high(a, b))
OP2(And, a &b)
OP2(Or, a | b)
OP2(Xor, a ^ b)
OP2(Min, a < b ? a : b)
OP2(Max, a > b ? a : b)
OP1(Not, ~a)
OP1(CNot, a == 0)
OP1(Neg, 0 - static_cast<uns<T>>(a))
OP1(Abs, a < 0 ? 0 - static_cast<uns<T>>(a) : static_cast<uns<T>>(a))
OP1(Move, a)
OP3(MadLo, low(a, b) + c)
OP3(MadHi, high(a, b) + c)
OP3(Sad, static_cast<uns<T>>(c) + (a < b ? static_cast<uns<T>>(b) - static_cast<uns<T>>(a)
                                         : static_cast<uns<T>>(a) - static_cast<uns<T>>(b)))
OP1(Popc64, __builtin_popcountll(a))

// add.sat.s32 and sub.sat.s32
struct AddSat {
    static inline s32 run(s32 a, s32 b) {
        s64 r = s64(a) + b;
        return r > INT32_MAX ? INT32_MAX : r < INT32_MIN ? INT32_MIN : s32(r);
    }
};
struct SubSat {
    static inline s32 run(s32 a, s32 b) {
        s64 r = s64(a) - b;
        return r > INT32_MAX ? INT32_MAX : r < INT32_MIN ? INT32_MIN : s32(r);
    }
};
struct MadHiSat {
    static inline s32 run(s32 a, s32 b, s32 c) { return AddSat::run(high(a, b), c); }
};

// Two halves of 32 bits.
template <class T, template <class> class Op> struct Pair {
    static inline u32 run(u32 a, u32 b) {
        return u32(u16(Op<T>::run(T(a), T(b)))) | u32(u16(Op<T>::run(T(a >> 16), T(b >> 16)))) << 16;
    }
};

template <class T> struct Mul24Lo {
    static inline T run(T a, T b) { return T(u32(u64(ext(a) * ext(b)))); }
    static inline wide_t<T> ext(T a) {
        return std::is_signed_v<T> ? wide_t<T>(s32(u32(a) << 8) >> 8) : wide_t<T>(u32(a) & 0xffffff);
    }
};
template <class T> struct Mul24Hi {
    static inline T run(T a, T b) { return T(u32(u64(Mul24Lo<T>::ext(a) * Mul24Lo<T>::ext(b)) >> 16)); }
};
template <class T> struct Mad24Lo {
    static inline T run(T a, T b, T c) { return T(u32(Mul24Lo<T>::run(a, b)) + u32(c)); }
};
template <class T> struct Mad24Hi {
    static inline T run(T a, T b, T c) { return T(u32(Mul24Hi<T>::run(a, b)) + u32(c)); }
};

template <class T> const Inst *mul_wide(Warp &w, const Inst *i) {
    using W = wide_t<T>;
    W *d = at<W>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    each(w, d, [=](int l) { return static_cast<W>(static_cast<W>(a[l]) * static_cast<W>(b[l])); });
    return i + 1;
}

template <class T> const Inst *mad_wide(Warp &w, const Inst *i) {
    using W = wide_t<T>;
    W *d = at<W>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    const W *c = at<W>(w, i->c);
    each(w, d, [=](int l) {
        return static_cast<W>(static_cast<uns<W>>(static_cast<W>(a[l]) * static_cast<W>(b[l])) +
                              static_cast<uns<W>>(c[l]));
    });
    return i + 1;
}

// Shift amounts are 32 bits and clamp to the width.
template <class T, bool left> const Inst *shift(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a);
    const u32 *b = at<u32>(w, i->b);
    constexpr u32 width = 8 * sizeof(T);
    each(w, d, [=](int l) {
        u32 n = b[l];
        if constexpr (std::is_signed_v<T>)
            return T(a[l] >> (n < width ? n : width - 1));
        else if constexpr (left)
            return T(n < width ? T(uns<T>(a[l]) << (n & (width - 1))) : 0);
        else
            return T(n < width ? T(a[l] >> (n & (width - 1))) : 0);
    });
    return i + 1;
}

// Division by zero gives all ones (unsigned view), remainder by zero the dividend; the smallest number by -1 wraps.
template <class T, bool remainder> const Inst *divide(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    each_active(w.mask, [=](int l) {
        T x = a[l], y = b[l];
        if (y == 0)
            d[l] = remainder ? x : static_cast<T>(~T(0));
        else if (std::is_signed_v<T> && y == static_cast<T>(-1))
            d[l] = remainder ? T(0) : static_cast<T>(0 - static_cast<uns<T>>(x));
        else
            d[l] = static_cast<T>(remainder ? x % y : x / y);
    });
    return i + 1;
}

struct Eq {
    template <class T> static inline bool run(T a, T b) { return a == b; }
};
struct Ne {
    template <class T> static inline bool run(T a, T b) { return a != b; }
};
struct Lt {
    template <class T> static inline bool run(T a, T b) { return a < b; }
};
struct Le {
    template <class T> static inline bool run(T a, T b) { return a <= b; }
};
struct Gt {
    template <class T> static inline bool run(T a, T b) { return a > b; }
};
struct Ge {
    template <class T> static inline bool run(T a, T b) { return a >= b; }
};

template <class T, class Op> const Inst *setp(Warp &w, const Inst *i) {
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    return finish_setp(w, i, ballot([=](int l) { return Op::run(a[l], b[l]); }));
}

template <class T> const Inst *selp(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    u32 c = *at<u32>(w, i->c);
    if (i->flags & kNegC) c = ~c;
    each(w, d, [=](int l) { return (c & (1u << l)) ? a[l] : b[l]; });
    return i + 1;
}

// Adds and subtracts with carry in and out.  `sub`: bit 0 uses the carry, bit 1 sets it.  The carry is a predicate of the frame (`extra`).
template <class T, bool minus> const Inst *carry(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    u32 *cc = at<u32>(w, i->extra), in = *cc, out = in;
    each_active(w.mask, [&](int l) {
        unsigned __int128 y = minus ? T(~b[l]) : b[l];
        // Subtraction is a + ~b + 1, less the borrow; the flag holds a carry for addition and a borrow for subtraction.
        unsigned c = (i->sub & 1) ? (in >> l & 1) : 0;
        unsigned __int128 r = a[l] + y + (minus ? 1 - c : c);
        unsigned carry_out = static_cast<unsigned>(r >> (8 * sizeof(T))) & 1;
        if (minus) carry_out ^= 1;
        d[l] = static_cast<T>(r);
        out = (out & ~(1u << l)) | (carry_out << l);
    });
    if (i->sub & 2) *cc = out;
    return i + 1;
}

// Predicates: one mask each.  `sub`: 0 mov, 1 and, 2 or, 3 xor, 4 not.  kNegC negates the first operand.
const Inst *pred(Warp &w, const Inst *i) {
    u32 a = *at<u32>(w, i->a);
    if (i->flags & kNegC) a = ~a;
    u32 b = i->sub >= 1 && i->sub <= 3 ? *at<u32>(w, i->b) : 0;
    set_predicate(w, i->d, i->sub == 0 ? a : i->sub == 1 ? a & b : i->sub == 2 ? a | b : i->sub == 3 ? a ^ b : ~a);
    return i + 1;
}

// Parts of a register, little end first: mov.b64 {a, b}, c and back.
template <class W, class P> const Inst *unpack(Warp &w, const Inst *i) {
    const W *a = at<W>(w, i->a);
    W copy[kLanes];
    std::memcpy(copy, a, sizeof copy);
    const u32 *list = w.frame->code->lists.data() + i->extra;
    for (int k = 0; k < i->count; ++k) {
        u32 to = list[k];
        if (to == kDiscard) continue;
        P *d = at<P>(w, to);
        each(w, d, [=, &copy](int l) { return P(copy[l] >> (8 * sizeof(P) * k)); });
    }
    return i + 1;
}

template <class W, class P> const Inst *pack(Warp &w, const Inst *i) {
    W r[kLanes] = {};
    const u32 *list = w.frame->code->lists.data() + i->extra;
    for (int k = 0; k < i->count; ++k) {
        const P *a = at<P>(w, list[k]);
        for (int l = 0; l < kLanes; ++l) r[l] = W(r[l] | W(a[l]) << (8 * sizeof(P) * k));
    }
    W *d = at<W>(w, i->d);
    each(w, d, [&r](int l) { return r[l]; });
    return i + 1;
}

#define ROW2(key, Op, T) {key "." #T, &binary<T, Op<T>>},
#define ROW1(key, Op, T) {key "." #T, &unary<T, Op<T>>},
#define ROW3(key, Op, T) {key "." #T, &ternary<T, Op<T>>},
#define UNSIGNED(ROW, key, Op) ROW(key, Op, u16) ROW(key, Op, u32) ROW(key, Op, u64)
#define SIGNED(ROW, key, Op) ROW(key, Op, s16) ROW(key, Op, s32) ROW(key, Op, s64)
#define BOTH(ROW, key, Op) UNSIGNED(ROW, key, Op) SIGNED(ROW, key, Op)
#define SETP_T(T)                                                                                \
    {"setp.eq." #T, &setp<T, Eq>}, {"setp.ne." #T, &setp<T, Ne>}, {"setp.lt." #T, &setp<T, Lt>}, \
        {"setp.le." #T, &setp<T, Le>}, {"setp.gt." #T, &setp<T, Gt>}, {"setp.ge." #T, &setp<T, Ge>},
#define EACH_T(key, f, T) {key "." #T, &f<T>},

const HandlerRow rows[] = {
    UNSIGNED(ROW2, "add", Add) UNSIGNED(ROW2, "sub", Sub) UNSIGNED(ROW2, "mul.lo", MulLo) BOTH(ROW2, "mul.hi", MulHi)
        UNSIGNED(ROW2, "and", And) UNSIGNED(ROW2, "or", Or) UNSIGNED(ROW2, "xor", Xor) UNSIGNED(ROW1, "not", Not)
            UNSIGNED(ROW1, "cnot", CNot) BOTH(ROW2, "min", Min) BOTH(ROW2, "max", Max) SIGNED(ROW1, "neg", Neg)
                SIGNED(ROW1, "abs", Abs) UNSIGNED(ROW1, "mov", Move) UNSIGNED(ROW3, "mad.lo", MadLo)
                    BOTH(ROW3, "mad.hi", MadHi) BOTH(ROW3, "sad", Sad){"add.sat.s32", &binary<s32, AddSat>},
    {"sub.sat.s32", &binary<s32, SubSat>},
    {"mad.hi.sat.s32", &ternary<s32, MadHiSat>},
    {"add.u16x2", &binary<u32, Pair<u16, Add>>},
    {"min.u16x2", &binary<u32, Pair<u16, Min>>},
    {"max.u16x2", &binary<u32, Pair<u16, Max>>},
    {"min.s16x2", &binary<u32, Pair<s16, Min>>},
    {"max.s16x2", &binary<u32, Pair<s16, Max>>},
    {"mul24.lo.u32", &binary<u32, Mul24Lo<u32>>},
    {"mul24.lo.s32", &binary<s32, Mul24Lo<s32>>},
    {"mul24.hi.u32", &binary<u32, Mul24Hi<u32>>},
    {"mul24.hi.s32", &binary<s32, Mul24Hi<s32>>},
    {"mad24.lo.u32", &ternary<u32, Mad24Lo<u32>>},
    {"mad24.lo.s32", &ternary<s32, Mad24Lo<s32>>},
    {"mad24.hi.u32", &ternary<u32, Mad24Hi<u32>>},
    {"mad24.hi.s32", &ternary<s32, Mad24Hi<s32>>},
    EACH_T("mul.wide", mul_wide, u16) EACH_T("mul.wide", mul_wide, s16) EACH_T("mul.wide", mul_wide, u32)
        EACH_T("mul.wide", mul_wide, s32) EACH_T("mad.wide", mad_wide, u16) EACH_T("mad.wide", mad_wide, s16)
            EACH_T("mad.wide", mad_wide, u32) EACH_T("mad.wide", mad_wide, s32){"shl.u16", &shift<u16, true>},
    {"shl.u32", &shift<u32, true>},
    {"shl.u64", &shift<u64, true>},
    {"shr.u16", &shift<u16, false>},
    {"shr.u32", &shift<u32, false>},
    {"shr.u64", &shift<u64, false>},
    {"shr.s16", &shift<s16, false>},
    {"shr.s32", &shift<s32, false>},
    {"shr.s64", &shift<s64, false>},
    {"div.u16", &divide<u16, false>},
    {"div.u32", &divide<u32, false>},
    {"div.u64", &divide<u64, false>},
    {"div.s16", &divide<s16, false>},
    {"div.s32", &divide<s32, false>},
    {"div.s64", &divide<s64, false>},
    {"rem.u16", &divide<u16, true>},
    {"rem.u32", &divide<u32, true>},
    {"rem.u64", &divide<u64, true>},
    {"rem.s16", &divide<s16, true>},
    {"rem.s32", &divide<s32, true>},
    {"rem.s64", &divide<s64, true>},
    SETP_T(u16) SETP_T(s16) SETP_T(u32) SETP_T(s32) SETP_T(u64) SETP_T(s64) EACH_T("selp", selp, u16)
        EACH_T("selp", selp, u32) EACH_T("selp", selp, u64){"addc.u32", &carry<u32, false>},
    {"addc.u64", &carry<u64, false>},
    {"subc.u32", &carry<u32, true>},
    {"subc.u64", &carry<u64, true>},
    {"pred", &pred},
    {"unpack.u32.u16", &unpack<u32, u16>},
    {"unpack.u64.u16", &unpack<u64, u16>},
    {"unpack.u64.u32", &unpack<u64, u32>},
    {"pack.u32.u16", &pack<u32, u16>},
    {"pack.u64.u16", &pack<u64, u16>},
    {"pack.u64.u32", &pack<u64, u32>},
};

} // namespace

HandlerTable integer_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device::CPU_DEVICE_LEVEL
