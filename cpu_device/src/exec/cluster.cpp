// What the CTAs of a cluster share: its barrier, and each other's shared memory.
#include "checker.hpp"
#include "image.hpp"
#include "lanes.hpp"

namespace cpu_device {

Cta *cta_at(const Warp &w, uint64_t offset) {
    const uint64_t rank = offset >> kRankShift;
    if (rank == 0) return w.cta;
    const auto &ctas = w.cta->cluster->ctas;
    return rank - 1 < ctas.size() ? ctas[rank - 1].get() : nullptr;
}

void cluster_check(Cluster &cluster) {
    for (auto &cta : cluster.ctas)
        for (auto &w : cta->warps)
            if (w->live & ~w->cluster_arrived) return;
    Checker *checker = cluster.ctas[0]->launch->checker;
    if (checker) checker->complete(*cluster.ctas[0], &cluster);
    for (auto &cta : cluster.ctas) {
        for (auto &p : cta->warps) {
            Warp &w = *p;
            w.cluster_arrived = 0;
            for (uint32_t k = 0; k < w.parked_n; ++k) {
                if (w.parked[k].wait != Wait::cluster) continue;
                w.parked[k].wait = Wait::none;
                w.runnable = true;
                if (checker) checker->leave(w, w.parked[k].mask, &cluster);
            }
            if (w.frame) set_limit(w);
        }
    }
}

namespace {

const Inst *arrive(Warp &w, const Inst *i) {
    if (const uint32_t twice = w.mask & w.cluster_owed)
        return fault(w, i, first_lane(twice), Status::illegal_instruction,
                     "barrier.cluster.arrive a second time without barrier.cluster.wait");
    w.cluster_arrived |= w.mask;
    w.cluster_owed |= w.mask;
    if (w.cta->launch->checker) w.cta->launch->checker->arrive(w, w.mask, w.cta->cluster);
    cluster_check(*w.cta->cluster);
    return i + 1;
}

const Inst *wait(Warp &w, const Inst *i) {
    if (const uint32_t never = w.mask & ~w.cluster_owed)
        return fault(w, i, first_lane(never), Status::illegal_instruction,
                     "barrier.cluster.wait without barrier.cluster.arrive");
    w.cluster_owed &= ~w.mask;
    const uint32_t waits = w.mask & w.cluster_arrived;
    if (w.cta->launch->checker) w.cta->launch->checker->leave(w, w.mask & ~waits, w.cta->cluster);
    if (!waits) return i + 1;
    if (const uint32_t goes_on = w.mask & ~waits) park(w, i + 1, w.frame, goes_on);
    park(w, i + 1, w.frame, waits, Wait::cluster);
    w.frame = nullptr;
    w.mask = 0;
    return leave(w);
}

// The address, in space shared::cluster, of what is at `a` in the CTA of rank `b`.  imm: kSharedWindow where the address is generic.
template <class T> const Inst *mapa(Warp &w, const Inst *i) {
    const T *a = at<T>(w, i->a);
    const u32 *rank = at<u32>(w, i->b);
    const u64 ctas = w.cta->cluster->ctas.size(), window = i->imm;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        if (rank[l] >= ctas)
            return fault(w, i, l, Status::illegal_instruction,
                         "mapa for rank " + std::to_string(rank[l]) + " in a cluster of " + std::to_string(ctas));
        if (u64(a[l]) - window >= kWindowSize)
            return fault(w, i, l, Status::invalid_address_space, "mapa of an address outside shared memory", a[l]);
    }
    each(w, at<T>(w, i->d), [=](int l) {
        const u64 offset = (u64(a[l]) - window) & ((u64(1) << kRankShift) - 1);
        return T(window + offset + ((u64(rank[l]) + 1) << kRankShift));
    });
    return i + 1;
}

template <class T> const Inst *getctarank(Warp &w, const Inst *i) {
    const T *a = at<T>(w, i->a);
    const u64 window = i->imm;
    const u32 own = w.cta->rank;
    each(w, at<u32>(w, i->d), [=](int l) {
        const u32 rank = u32((u64(a[l]) - window) >> kRankShift) & 0xff;
        return rank ? rank - 1 : own;
    });
    return i + 1;
}

// Constants lie in device memory: their addresses are those of variables.
bool is_constant(const ProgramImage &image, u64 address) {
    for (const auto &entry : image.symbols) {
        const Symbol &s = entry.second;
        if (s.space == ptx::Space::constant && address - s.address < s.size) return true;
    }
    return false;
}

// The generic address of a place in shared memory of the CTA itself; imm: what is still to be added.
const Inst *own_shared(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a), offset = i->imm;
    const u32 beyond = w.mask & ballot([=](int l) { return (a[l] + offset) >> kRankShift != 0; });
    if (beyond) {
        const int l = first_lane(beyond);
        return fault(w, i, l, Status::illegal_address, "", kSharedWindow + u32(a[l] + offset), true);
    }
    each(w, at<u64>(w, i->d), [=](int l) { return a[l] + kSharedWindow; });
    return i + 1;
}

// imm: the window, 0 for global and constant memory; sub: 1 constants, 2 own shared memory only.
const Inst *isspacep(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    const ProgramImage &image = *w.cta->launch->image;
    u32 r = 0;
    each_active(w.mask, [&](int l) {
        bool yes =
            i->imm ? a[l] - i->imm < kWindowSize : a[l] < kWindowBase && is_constant(image, a[l]) == (i->sub == 1);
        if (yes && i->sub == 2) yes = cta_at(w, a[l] - i->imm) == w.cta;
        r |= yes ? 1u << l : 0;
    });
    set_predicate(w, i->d, r);
    return i + 1;
}

const HandlerRow rows[] = {
    {"cluster.arrive", &arrive},
    {"cluster.wait", &wait},
    {"shared.own", &own_shared},
    {"mapa.u32", &mapa<u32>},
    {"mapa.u64", &mapa<u64>},
    {"getctarank.u32", &getctarank<u32>},
    {"getctarank.u64", &getctarank<u64>},
    {"isspacep", &isspacep},
};

} // namespace

HandlerTable cluster_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
