// atom and red: lane after lane, each one indivisible for all host threads.
#include "lanes.hpp"
#include "reductions.hpp"

namespace cpu_device {
namespace {

template <class T, class Op> const Inst *atomic(Warp &w, const Inst *i) {
    using R = raw<T>;
    const u64 *address = at<u64>(w, i->a);
    const T *b = at<T>(w, i->b), *c = at<T>(w, i->c);
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const u64 place = address[l] + i->imm;
        if (place & (sizeof(T) * i->count - 1)) return fault(w, i, l, Status::misaligned_address, "", place);
        R *p = reinterpret_cast<R *>(generic_pointer(w, l, place, sizeof(T)));
        if (!p) return fault(w, i, l, Status::illegal_address, "", place, true);
        const R old = reduce_at<T, Op>(p, b[l], c[l]);
        if (i->d != kDiscard) at<R>(w, i->d)[l] = old;
    }
    return i + 1;
}

// 16 bytes; the registers hold the lower halves of all lanes, then the upper ones.
struct alignas(16) Pair {
    u64 low, high;
};
bool compare_exchange(Pair *p, Pair &expected, Pair wanted) {
#if defined(__x86_64__)
    bool done; // every processor of the last fifteen years has it
    asm volatile("lock cmpxchg16b %1"
                 : "=@ccz"(done), "+m"(*p), "+a"(expected.low), "+d"(expected.high)
                 : "b"(wanted.low), "c"(wanted.high)
                 : "memory");
    return done;
#else
    static std::mutex mutex; // other accesses to these bytes are not kept out
    std::lock_guard<std::mutex> lock(mutex);
    const bool done = p->low == expected.low && p->high == expected.high;
    if (done)
        *p = wanted;
    else
        expected = *p;
    return done;
#endif
}

template <bool compares> const Inst *exchange_pair(Warp &w, const Inst *i) {
    const u64 *address = at<u64>(w, i->a), *b = at<u64>(w, i->b), *c = at<u64>(w, i->c);
    u64 results[2 * kLanes];
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const u64 place = address[l] + i->imm;
        if (place & 15) return fault(w, i, l, Status::misaligned_address, "", place);
        Pair *p = reinterpret_cast<Pair *>(generic_pointer(w, l, place, 16));
        if (!p) return fault(w, i, l, Status::illegal_address, "", place, true);
        const Pair value{b[l], b[kLanes + l]};
        Pair old = value;
        if (compares) {
            compare_exchange(p, old, {c[l], c[kLanes + l]});
        } else {
            while (!compare_exchange(p, old, value)) {}
        }
        results[l] = old.low;
        results[kLanes + l] = old.high;
    }
    if (i->d == kDiscard) return i + 1;
    u64 *d = at<u64>(w, i->d);
    each_active(w.mask, [&](int l) {
        d[l] = results[l];
        d[kLanes + l] = results[kLanes + l];
    });
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
    {"atom.min.f16", &atomic<u16, Extreme<kHalfInfinity, false>>},
    {"atom.max.f16", &atomic<u16, Extreme<kHalfInfinity, true>>},
    {"atom.min.f16x2", &atomic<u32, Extreme<kHalfInfinity, false>>},
    {"atom.max.f16x2", &atomic<u32, Extreme<kHalfInfinity, true>>},
    {"atom.min.bf16", &atomic<u16, Extreme<kBfloatInfinity, false>>},
    {"atom.max.bf16", &atomic<u16, Extreme<kBfloatInfinity, true>>},
    {"atom.min.bf16x2", &atomic<u32, Extreme<kBfloatInfinity, false>>},
    {"atom.max.bf16x2", &atomic<u32, Extreme<kBfloatInfinity, true>>},
    {"atom.exch.b128", &exchange_pair<false>},
    {"atom.cas.b128", &exchange_pair<true>},
};

} // namespace

HandlerTable atomic_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
