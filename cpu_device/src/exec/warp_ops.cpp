// Instructions that see all lanes of a warp: shfl, vote, match, redux, activemask, elect.
#include "lanes.hpp"

namespace cpu_device {
namespace {

// The members of a .sync instruction; the form without (0) is for those that are here.
inline uint32_t members_of(Warp &w, uint32_t operand) {
    uint32_t members = at<uint32_t>(w, operand)[first_lane(w.mask)];
    return members ? members : w.mask;
}

// Lanes with the same members are a team; several may come together (the tiles of a warp).  `work` sees one at a time as w.mask.
template <class F> const Inst *by_team(Warp &w, const Inst *i, uint32_t operand, F work) {
    const u32 *members = at<u32>(w, operand);
    u32 awaited = 0;
    each_active(w.mask, [&](int l) { awaited |= members[l] ? members[l] : w.mask; });
    if (!collect(w, i, awaited)) return stop_pc();
    const u32 all = w.mask;
    for (u32 rest = all; rest; rest &= ~w.mask) {
        const u32 mine = members[first_lane(rest)];
        u32 team = 0;
        each_active(rest, [&](int l) { team |= members[l] == mine ? 1u << l : 0; });
        w.mask = team;
        work();
    }
    w.mask = all;
    return i + 1;
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
    return by_team(w, i, i->b, [&w, i] {
        u32 p = *at<u32>(w, i->a);
        if (i->flags & kNegC) p = ~p;
        p &= w.mask;
        const bool all = p == w.mask, any = p != 0;
        if (i->d == kDiscard) return;
        if (i->sub == 3) return each(w, at<u32>(w, i->d), [p](int) { return p; });
        const bool r = i->sub == 0 ? all : i->sub == 1 ? any : all || !any;
        set_predicate(w, i->d, r ? ~0u : 0);
    });
}

template <class T> const Inst *match(Warp &w, const Inst *i) { // sub: 0 any, 1 all
    return by_team(w, i, i->b, [&w, i] {
        const T *a = at<T>(w, i->a);
        u32 r[kLanes] = {};
        each_active(w.mask, [&](int l) { each_active(w.mask, [&](int m) { r[l] |= a[m] == a[l] ? 1u << m : 0; }); });
        if (i->sub == 1) {
            const bool same = r[first_lane(w.mask)] == w.mask;
            for (u32 &v : r) v = same ? w.mask : 0;
            if (u32(i->imm) != kDiscard) set_predicate(w, u32(i->imm), same ? ~0u : 0);
        }
        if (i->d != kDiscard) each(w, at<u32>(w, i->d), [&r](int l) { return r[l]; });
    });
}

u32 reduced(u32 r, u32 v, const Inst *i) { // sub: add min max and or xor; imm: signed
    const bool less = i->imm ? s32(v) < s32(r) : v < r;
    switch (i->sub) {
    case 0: return r + v;
    case 1: return less ? v : r;
    case 2: return less ? r : v;
    case 3: return r & v;
    case 4: return r | v;
    default: return r ^ v;
    }
}

const Inst *redux(Warp &w, const Inst *i) {
    return by_team(w, i, i->b, [&w, i] {
        const u32 *a = at<u32>(w, i->a);
        u32 r = a[first_lane(w.mask)];
        each_active(w.mask & (w.mask - 1), [&](int l) { r = reduced(r, a[l], i); }); // all but the first
        if (i->d != kDiscard) each(w, at<u32>(w, i->d), [r](int) { return r; });
    });
}

// The smallest or largest number; a NaN only where all are, or with .NaN any is.  -0 is below +0.
const Inst *redux_float(Warp &w, const Inst *i) {
    return by_team(w, i, i->b, [&w, i] {
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
    });
}

const Inst *activemask(Warp &w, const Inst *i) {
    const u32 m = w.mask;
    each(w, at<u32>(w, i->d), [m](int) { return m; });
    return i + 1;
}

const Inst *elect(Warp &w, const Inst *i) {
    return by_team(w, i, i->b, [&w, i] {
        const u32 leader = static_cast<u32>(first_lane(w.mask));
        if (i->d != kDiscard) each(w, at<u32>(w, i->d), [leader](int) { return leader; });
        if (u32(i->imm) != kDiscard) set_predicate(w, u32(i->imm), 1u << leader);
    });
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
