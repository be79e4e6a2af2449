// Arithmetic and comparison of f32 and f64.  Compiled for each level.
//
// Results that are NaN are the canonical 0x7fffffff in f32 (PTX ISA, floating-point comparisons and instructions); the plain forms
// (.rn, no .ftz, no .sat) are separate handlers, as they are nearly all that is executed.
#include "lanes.hpp"

#include <cfenv>

namespace cpu_device::CPU_DEVICE_LEVEL {
namespace {

inline f32 canonical(f32 v) {
    return v == v ? v : bits<f32>(0x7fffffffu);
}
inline f64 canonical(f64 v) {
    return v;
}

inline f32 flush(f32 v) {
    u32 u = bits<u32>(v);
    return (u & 0x7f800000u) ? v : bits<f32>(u & 0x80000000u);
}
inline f64 flush(f64 v) {
    return v;
}

template <class T> inline T saturate(T v) {
    return v != v ? T(0) : v < T(0) ? T(0) : v > T(1) ? T(1) : v == T(0) ? T(0) : v;
}

struct Add {
    template <class T> static inline T run(T a, T b, T) { return a + b; }
};
struct Sub {
    template <class T> static inline T run(T a, T b, T) { return a - b; }
};
struct Mul {
    template <class T> static inline T run(T a, T b, T) { return a * b; }
};
struct Div {
    template <class T> static inline T run(T a, T b, T) { return a / b; }
};
struct Fma {
    static inline f32 run(f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); }
    static inline f64 run(f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); }
};
struct Sqrt {
    static inline f32 run(f32 a, f32, f32) { return __builtin_sqrtf(a); }
    static inline f64 run(f64 a, f64, f64) { return __builtin_sqrt(a); }
};
struct Rcp {
    template <class T> static inline T run(T a, T, T) { return T(1) / a; }
};
template <class T> inline T fold(f64 v) {
    return static_cast<T>(v);
}
// Approximations are rounded once from double precision.
struct Rsqrt {
    template <class T> static inline T run(T a, T, T) { return fold<T>(1.0 / __builtin_sqrt(f64(a))); }
};
struct Ex2 {
    template <class T> static inline T run(T a, T, T) { return fold<T>(__builtin_exp2(f64(a))); }
};
struct Lg2 {
    template <class T> static inline T run(T a, T, T) { return fold<T>(__builtin_log2(f64(a))); }
};
struct Sin {
    template <class T> static inline T run(T a, T, T) { return fold<T>(__builtin_sin(f64(a))); }
};
struct Cos {
    template <class T> static inline T run(T a, T, T) { return fold<T>(__builtin_cos(f64(a))); }
};
struct Tanh {
    template <class T> static inline T run(T a, T, T) { return fold<T>(__builtin_tanh(f64(a))); }
};

template <class T, class Op, int arity> const Inst *plain(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = arity > 1 ? at<T>(w, i->b) : a, *c = arity > 2 ? at<T>(w, i->c) : a;
    each(w, d, [=](int l) { return canonical(Op::run(a[l], b[l], c[l])); });
    return i + 1;
}

// The rounding mode of the host for one instruction.
class Rounding {
  public:
    explicit Rounding(unsigned mode) : changed_(mode != 0) {
        static const int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
        if (changed_) std::fesetround(modes[mode & kRoundMask]);
    }
    ~Rounding() {
        if (changed_) std::fesetround(FE_TONEAREST);
    }

  private:
    bool changed_;
};

// With directed rounding, .ftz or .sat.  The operation's inputs and results go through memory that the calls above may change, so that
// the compiler cannot move it over them.
template <class T, class Op, int arity> const Inst *modified(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = arity > 1 ? at<T>(w, i->b) : a, *c = arity > 2 ? at<T>(w, i->c) : a;
    const unsigned flags = i->flags;
    volatile T in[3][kLanes];
    volatile T out[kLanes];
    const bool ftz = flags & kFtz;
    for (int l = 0; l < kLanes; ++l) {
        in[0][l] = ftz ? flush(a[l]) : a[l];
        in[1][l] = ftz ? flush(b[l]) : b[l];
        in[2][l] = ftz ? flush(c[l]) : c[l];
    }
    {
        Rounding rounding(flags & kRoundMask);
        for (int l = 0; l < kLanes; ++l) out[l] = Op::run(T(in[0][l]), T(in[1][l]), T(in[2][l]));
    }
    const bool sat = flags & kSat;
    each_active(w.mask, [&](int l) {
        T r = out[l];
        if (ftz) r = flush(r);
        d[l] = sat ? saturate(r) : canonical(r);
    });
    return i + 1;
}

// .ftz alone, at the speed of the plain form.
template <class T, class Op, int arity> const Inst *flushed(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = arity > 1 ? at<T>(w, i->b) : a, *c = arity > 2 ? at<T>(w, i->c) : a;
    each(w, d, [=](int l) { return canonical(flush(Op::run(flush(a[l]), flush(b[l]), flush(c[l])))); });
    return i + 1;
}

template <class T> using raw = std::conditional_t<sizeof(T) == 4, u32, u64>;
template <class T> inline bool nan(T v) {
    return v != v;
}

// min and max: a NaN gives way to a number (.NaN: it does not), -0 is below +0.
template <class T, bool is_max> const Inst *extreme(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    const bool ftz = i->flags & kFtz, nans = i->flags & kNan, absolute = i->flags & kAbs, xorsign = i->flags & kXorSign;
    each(w, d, [=](int l) {
        T x = ftz ? flush(a[l]) : a[l], y = ftz ? flush(b[l]) : b[l];
        using R = raw<T>;
        constexpr R sign = R(1) << (8 * sizeof(T) - 1);
        R s = (bits<R>(x) ^ bits<R>(y)) & sign;
        if (absolute | xorsign) {
            x = bits<T>(R(bits<R>(x) & ~sign));
            y = bits<T>(R(bits<R>(y) & ~sign));
        }
        T both = bits<T>(is_max ? R(bits<R>(x) & bits<R>(y)) : R(bits<R>(x) | bits<R>(y)));
        T r = is_max ? (x > y ? x : x < y ? y : both) : (x < y ? x : x > y ? y : both);
        T any = nans ? bits<T>(sizeof(T) == 4 ? R(0x7fffffffu) : R(0x7fffffffffffffffull)) : nan(x) ? y : x;
        r = (nan(x) | nan(y)) ? any : r;
        r = xorsign ? bits<T>(R((bits<R>(r) & ~sign) | s)) : r;
        return canonical(r);
    });
    return i + 1;
}

template <class T, int what> const Inst *sign(Warp &w, const Inst *i) { // 0 abs, 1 neg, 2 copysign: a's sign, b's value
    using R = raw<T>;
    constexpr R bit = R(1) << (8 * sizeof(T) - 1);
    R *d = at<R>(w, i->d);
    const R *a = at<R>(w, i->a), *b = what == 2 ? at<R>(w, i->b) : a;
    const bool ftz = i->flags & kFtz;
    each(w, d, [=](int l) {
        R v = ftz ? bits<R>(flush(bits<T>(a[l]))) : a[l];
        if (what == 0) return R(v & ~bit);
        if (what == 1) return R(v ^ bit);
        return R((a[l] & bit) | (b[l] & ~bit));
    });
    return i + 1;
}

struct Eq {
    template <class T> static inline bool run(T a, T b) { return a == b; }
};
struct Ne {
    template <class T> static inline bool run(T a, T b) { return (a < b) | (a > b); }
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
struct Equ {
    template <class T> static inline bool run(T a, T b) { return !((a < b) | (a > b)); }
};
struct Neu {
    template <class T> static inline bool run(T a, T b) { return !(a == b); }
};
struct Ltu {
    template <class T> static inline bool run(T a, T b) { return !(a >= b); }
};
struct Leu {
    template <class T> static inline bool run(T a, T b) { return !(a > b); }
};
struct Gtu {
    template <class T> static inline bool run(T a, T b) { return !(a <= b); }
};
struct Geu {
    template <class T> static inline bool run(T a, T b) { return !(a < b); }
};
struct Num {
    template <class T> static inline bool run(T a, T b) { return (a == a) & (b == b); }
};
struct Nan {
    template <class T> static inline bool run(T a, T b) { return (a != a) | (b != b); }
};

template <class T, class Op> const Inst *setp(Warp &w, const Inst *i) {
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    if (i->flags & kFtz) return finish_setp(w, i, ballot([=](int l) { return Op::run(flush(a[l]), flush(b[l])); }));
    return finish_setp(w, i, ballot([=](int l) { return Op::run(a[l], b[l]); }));
}

// What div.approx divides by: what is above 2^126 is taken for infinite.
const Inst *divisor(Warp &w, const Inst *i) {
    constexpr u32 sign = u32(1) << 31, infinity = 0x7f800000, most = 0x7e800000;
    const u32 *a = at<u32>(w, i->a);
    each(w, at<u32>(w, i->d), [=](int l) {
        const u32 v = a[l] & ~sign;
        return v > most && v <= infinity ? infinity | (a[l] & sign) : a[l];
    });
    return i + 1;
}

template <class T>
const Inst *testp(Warp &w, const Inst *i) { // imm: 0 finite 1 infinite 2 number 3 notanumber 4 normal 5 subnormal
    using R = raw<T>;
    const R *a = at<R>(w, i->a);
    constexpr int mantissa = sizeof(T) == 4 ? 23 : 52;
    constexpr R top = sizeof(T) == 4 ? 0xff : 0x7ff;
    u32 r = 0;
    for (int l = 0; l < kLanes; ++l) {
        R exponent = (a[l] >> mantissa) & top, m = a[l] & ((R(1) << mantissa) - 1);
        bool v = false;
        switch (i->imm) {
        case 0: v = exponent != top; break;
        case 1: v = exponent == top && m == 0; break;
        case 2: v = !(exponent == top && m); break;
        case 3: v = exponent == top && m; break;
        case 4: v = exponent != 0 && exponent != top; break;
        case 5: v = exponent == 0 && m; break; // a zero is neither
        default: break;
        }
        r |= v ? 1u << l : 0;
    }
    set_predicate(w, i->d, r);
    return i + 1;
}

#define FORMS(key, Op, T, arity)                                                     \
    {key "." #T, &plain<T, Op, arity>}, {key "." #T ".ftz", &flushed<T, Op, arity>}, \
        {key "." #T ".mod", &modified<T, Op, arity>},
#define SETP_F(T)                                                                                          \
    {"setp.eq." #T, &setp<T, Eq>}, {"setp.ne." #T, &setp<T, Ne>}, {"setp.lt." #T, &setp<T, Lt>},           \
        {"setp.le." #T, &setp<T, Le>}, {"setp.gt." #T, &setp<T, Gt>}, {"setp.ge." #T, &setp<T, Ge>},       \
        {"setp.equ." #T, &setp<T, Equ>}, {"setp.neu." #T, &setp<T, Neu>}, {"setp.ltu." #T, &setp<T, Ltu>}, \
        {"setp.leu." #T, &setp<T, Leu>}, {"setp.gtu." #T, &setp<T, Gtu>}, {"setp.geu." #T, &setp<T, Geu>}, \
        {"setp.num." #T, &setp<T, Num>}, {"setp.nan." #T, &setp<T, Nan>},

const HandlerRow rows[] = {
    FORMS("add", Add, f32, 2) FORMS("add", Add, f64, 2) FORMS("sub", Sub, f32, 2) FORMS("sub", Sub, f64, 2)
        FORMS("mul", Mul, f32, 2) FORMS("mul", Mul, f64, 2) FORMS("div", Div, f32, 2) FORMS("div", Div, f64, 2)
            FORMS("fma", Fma, f32, 3) FORMS("fma", Fma, f64, 3) FORMS("sqrt", Sqrt, f32, 1) FORMS("sqrt", Sqrt, f64, 1)
                FORMS("rcp", Rcp, f32, 1) FORMS("rcp", Rcp, f64, 1) FORMS("rsqrt", Rsqrt, f32, 1)
                    FORMS("rsqrt", Rsqrt, f64, 1) FORMS("ex2", Ex2, f32, 1) FORMS("lg2", Lg2, f32, 1)
                        FORMS("sin", Sin, f32, 1) FORMS("cos", Cos, f32, 1)
                            FORMS("tanh", Tanh, f32, 1){"min.f32", &extreme<f32, false>},
    {"max.f32", &extreme<f32, true>},
    {"divisor.f32", &divisor},
    {"min.f64", &extreme<f64, false>},
    {"max.f64", &extreme<f64, true>},
    {"abs.f32", &sign<f32, 0>},
    {"abs.f64", &sign<f64, 0>},
    {"neg.f32", &sign<f32, 1>},
    {"neg.f64", &sign<f64, 1>},
    {"copysign.f32", &sign<f32, 2>},
    {"copysign.f64", &sign<f64, 2>},
    SETP_F(f32) SETP_F(f64){"testp.f32", &testp<f32>},
    {"testp.f64", &testp<f64>},
};

} // namespace

HandlerTable float_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device::CPU_DEVICE_LEVEL
