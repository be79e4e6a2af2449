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
        if (place & (sizeof(T) - 1)) return fault(w, i, l, Status::misaligned_address, "", place);
        R *p = reinterpret_cast<R *>(generic_pointer(w, l, place, sizeof(T)));
        if (!p) return fault(w, i, l, Status::illegal_address, "", place, true);
        const R old = reduce_at<T, Op>(p, b[l], c[l]);
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
