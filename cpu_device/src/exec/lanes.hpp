// Loops over the lanes of a warp, written so that the compiler makes vector code of them.
// An instruction's destination may be one of its sources; every lane reads only its own, so there is no dependency between lanes.
#pragma once

#include "handlers.hpp"

#include <cmath>
#include <limits>
#include <type_traits>

namespace cpu_device {

using u8 = uint8_t;
using s8 = int8_t;
using u16 = uint16_t;
using s16 = int16_t;
using u32 = uint32_t;
using s32 = int32_t;
using u64 = uint64_t;
using s64 = int64_t;
using f32 = float;
using f64 = double;

template <class To, class From> inline To bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "same size");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

template <class D, class F> inline __attribute__((always_inline)) void each(Warp &w, D *d, F f) {
    const uint32_t mask = w.mask;
    if (mask == kFullMask) {
#pragma GCC ivdep
        for (int i = 0; i < kLanes; ++i) d[i] = f(i);
        return;
    }
#pragma GCC ivdep
    for (int i = 0; i < kLanes; ++i) {
        D r = f(i);
        d[i] = (mask & (1u << i)) ? r : d[i];
    }
}

// Lane by lane, active ones only: for what must not be executed by the others.
template <class F> inline void each_active(uint32_t mask, F f) {
    for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
}

template <class T, class Op> const Inst *unary(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a);
    each(w, d, [=](int l) { return Op::run(a[l]); });
    return i + 1;
}

template <class T, class Op> const Inst *binary(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b);
    each(w, d, [=](int l) { return Op::run(a[l], b[l]); });
    return i + 1;
}

template <class T, class Op> const Inst *ternary(Warp &w, const Inst *i) {
    T *d = at<T>(w, i->d);
    const T *a = at<T>(w, i->a), *b = at<T>(w, i->b), *c = at<T>(w, i->c);
    each(w, d, [=](int l) { return Op::run(a[l], b[l], c[l]); });
    return i + 1;
}

// The mask of lanes for which `f` holds; inactive lanes are evaluated too.
template <class F> inline __attribute__((always_inline)) uint32_t ballot(F f) {
    uint32_t r = 0;
    for (int i = 0; i < kLanes; ++i) r |= f(i) ? (1u << i) : 0u;
    return r;
}

inline void set_predicate(Warp &w, uint32_t operand, uint32_t value) {
    uint32_t *p = at<uint32_t>(w, operand);
    *p = (*p & ~w.mask) | (value & w.mask);
}

// setp's second half: combines with a third predicate and writes one or two.  `sub`: 0 none, 1 and, 2 or, 3 xor; bit 2: p|q.
inline const Inst *finish_setp(Warp &w, const Inst *i, uint32_t r) {
    if (i->sub == 0) {
        set_predicate(w, i->d, r);
        return i + 1;
    }
    uint32_t c = (i->sub & 3) ? *at<uint32_t>(w, i->c) : 0;
    if (i->flags & kNegC) c = ~c;
    auto combine = [&](uint32_t v) {
        switch (i->sub & 3) {
        case 1: return v & c;
        case 2: return v | c;
        case 3: return v ^ c;
        default: return v;
        }
    };
    uint32_t p = combine(r), q = combine(~r);
    if (i->d != kDiscard) set_predicate(w, i->d, p);
    if (i->sub & 4) set_predicate(w, i->extra, q);
    return i + 1;
}

} // namespace cpu_device
