// Instructions that see all lanes of a warp: shfl, vote, match, redux, activemask, elect.
#include "lanes.hpp"

namespace cpu_device {
namespace {

// The members of a .sync instruction; the form without (0) is for those that are here.
inline uint32_t members_of(Warp &w, uint32_t operand) {
    uint32_t members = at<uint32_t>(w, operand)[first_lane(w.mask)];
    return members ? members : w.mask;
}

const Inst *shfl(Warp &w, const Inst *i) { // sub: 0 up, 1 down, 2 bfly, 3 idx
    if (!collect(w, i, members_of(w, w.frame->code->lists[i->extra]))) return stop_pc();
    const u32 *a = at<u32>(w, i->a), *b = at<u32>(w, i->b), *c = at<u32>(w, i->c);
    u32 r[kLanes], valid = 0;
    for (int l = 0; l < kLanes; ++l) {
        const u32 n = b[l] & 31, clamp = c[l] & 31, segment = c[l] >> 8 & 31, lane = static_cast<u32>(l);
        const u32 last = (lane & segment) | (clamp & ~segment), first = lane & segment;
        s32 j = l;
        bool p = false;
        switch (i->sub) {
        case 0:
            j = l - s32(n);
            p = j >= s32(last);
            break;
        case 1:
            j = l + s32(n);
            p = j <= s32(last);
            break;
        case 2:
            j = s32(lane ^ n);
            p = j <= s32(last);
            break;
        default:
            j = s32(first | (n & ~segment));
            p = j <= s32(last);
            break;
        }
        if (!p) j = l;
        valid |= p ? 1u << l : 0;
        r[l] = a[j & 31];
    }
    if (i->d != kDiscard) {
        u32 *d = at<u32>(w, i->d);
        each(w, d, [&r](int l) { return r[l]; });
    }
    if (u32(i->imm) != kDiscard) set_predicate(w, u32(i->imm), valid);
    return i + 1;
}

const Inst *vote(Warp &w, const Inst *i) { // sub: 0 all, 1 any, 2 uni, 3 ballot
    if (!collect(w, i, members_of(w, i->b))) return stop_pc();
    u32 p = *at<u32>(w, i->a);
    if (i->flags & kNegC) p = ~p;
    p &= w.mask;
    const bool all = p == w.mask, any = p != 0;
    if (i->sub == 3) {
        if (i->d == kDiscard) return i + 1;
        each(w, at<u32>(w, i->d), [p](int) { return p; });
    } else if (i->d != kDiscard) {
        const bool r = i->sub == 0 ? all : i->sub == 1 ? any : all || !any;
        set_predicate(w, i->d, r ? ~0u : 0);
    }
    return i + 1;
}

template <class T> const Inst *match(Warp &w, const Inst *i) { // sub: 0 any, 1 all
    const u32 members = members_of(w, i->b);
    if (!collect(w, i, members)) return stop_pc();
    const T *a = at<T>(w, i->a);
    u32 r[kLanes] = {};
    each_active(w.mask, [&](int l) { each_active(w.mask, [&](int m) { r[l] |= a[m] == a[l] ? 1u << m : 0; }); });
    if (i->sub == 1) {
        const bool same = r[first_lane(w.mask)] == w.mask;
        for (u32 &v : r) v = same ? w.mask : 0;
        if (u32(i->imm) != kDiscard) set_predicate(w, u32(i->imm), same ? ~0u : 0);
    }
    if (i->d != kDiscard) each(w, at<u32>(w, i->d), [&r](int l) { return r[l]; });
    return i + 1;
}

const Inst *redux(Warp &w, const Inst *i) { // sub: add min max and or xor; imm: signed
    if (!collect(w, i, members_of(w, i->b))) return stop_pc();
    const u32 *a = at<u32>(w, i->a);
    u32 r = a[first_lane(w.mask)];
    bool first = true;
    each_active(w.mask, [&](int l) {
        if (first) {
            first = false;
            return;
        }
        const u32 v = a[l];
        const bool less = i->imm ? s32(v) < s32(r) : v < r;
        switch (i->sub) {
        case 0: r += v; break;
        case 1: r = less ? v : r; break;
        case 2: r = less ? r : v; break;
        case 3: r &= v; break;
        case 4: r |= v; break;
        default: r ^= v; break;
        }
    });
    if (i->d != kDiscard) each(w, at<u32>(w, i->d), [r](int) { return r; });
    return i + 1;
}

// The smallest or largest number; a NaN only where all are, or with .NaN any is.  -0 is below +0.
const Inst *redux_float(Warp &w, const Inst *i) {
    if (!collect(w, i, members_of(w, i->b))) return stop_pc();
    const u32 *a = at<u32>(w, i->a);
    auto key = [](u32 v) { return (v >> 31) ? -s64(v & 0x7fffffff) - 1 : s64(v); };
    u32 r = 0x7fffffff;
    bool found = false, nan = false;
    each_active(w.mask, [&](int l) {
        const u32 v = (i->flags & kAbs) ? a[l] & 0x7fffffff : a[l];
        if ((v & 0x7fffffff) > 0x7f800000) {
            nan = true;
        } else if (!found || (i->sub == 1 ? key(v) < key(r) : key(v) > key(r))) {
            r = v;
            found = true;
        }
    });
    if (nan && (i->flags & kNan)) r = 0x7fffffff;
    if (i->d != kDiscard) each(w, at<u32>(w, i->d), [r](int) { return r; });
    return i + 1;
}

const Inst *activemask(Warp &w, const Inst *i) {
    const u32 m = w.mask;
    each(w, at<u32>(w, i->d), [m](int) { return m; });
    return i + 1;
}

const Inst *elect(Warp &w, const Inst *i) {
    const u32 members = members_of(w, i->b);
    if (!collect(w, i, members)) return stop_pc();
    const u32 leader = static_cast<u32>(first_lane(w.mask));
    if (i->d != kDiscard) each(w, at<u32>(w, i->d), [leader](int) { return leader; });
    if (u32(i->imm) != kDiscard) set_predicate(w, u32(i->imm), 1u << leader);
    return i + 1;
}

const HandlerRow rows[] = {
    {"shfl", &shfl},
    {"vote", &vote},
    {"match.u32", &match<u32>},
    {"match.u64", &match<u64>},
    {"redux", &redux},
    {"redux.f32", &redux_float},
    {"activemask", &activemask},
    {"elect", &elect},
};

} // namespace

HandlerTable warp_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
