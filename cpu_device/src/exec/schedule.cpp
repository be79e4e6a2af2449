// Which lanes of a warp run next: groups, frames, barriers.
//
// The group with the deepest call and then the lowest place runs, so that lanes meet again where their paths join.  A loop that runs while
// others wait ages: after kAge backward branches the group that has waited longest runs, so that a lane that spins on a lock cannot
// starve the lane that holds it (independent thread scheduling).
#include "checker.hpp"

#include <algorithm>

namespace cpu_device {

Frame *new_frame(Warp &w, const Code *code, Frame *parent) {
    Worker &worker = *w.worker;
    std::unique_ptr<Frame> frame;
    if (!worker.frames.empty()) {
        frame = std::move(worker.frames.back());
        worker.frames.pop_back();
    } else {
        frame = std::make_unique<Frame>();
    }
    const uint32_t need = code->register_bytes + 64;
    if (frame->capacity < need) {
        frame->storage.reset(new uint8_t[need]());
        frame->capacity = need;
    }
    const uintptr_t start = reinterpret_cast<uintptr_t>(frame->storage.get());
    frame->registers = frame->storage.get() + ((64 - start % 64) % 64);
    frame->code = code;
    frame->parent = parent;
    frame->back = nullptr;
    frame->site = nullptr;
    frame->lanes = 0;
    frame->depth = parent ? parent->depth + 1 : 0;
    frame->local_base = parent ? (parent->local_end() + 15) & ~15u : 0;
    frame->dynamic = 0;
    frame->allocated.reset();
    w.frames.push_back(std::move(frame));
    return w.frames.back().get();
}

void drop_frame(Warp &w, Frame *frame) {
    for (size_t k = w.frames.size(); k-- > 0;) {
        if (w.frames[k].get() != frame) continue;
        w.worker->frames.push_back(std::move(w.frames[k]));
        w.frames.erase(w.frames.begin() + static_cast<std::ptrdiff_t>(k));
        return;
    }
}

uint32_t local_room(Warp &w, uint32_t bytes) {
    if (bytes > kLocalLimit) return 0;
    if (bytes <= w.local_stride) return 1;
    uint32_t stride = std::max<uint32_t>((bytes + 63) & ~63u, std::min(2 * w.local_stride, kLocalLimit));
    std::unique_ptr<uint8_t[]> local(new uint8_t[static_cast<size_t>(stride) * kLanes]());
    for (int l = 0; l < kLanes && w.local_stride; ++l)
        std::memcpy(local.get() + static_cast<size_t>(l) * stride, local_pointer(w, l, 0), w.local_stride);
    w.local = std::move(local);
    w.local_stride = stride;
    return 1;
}

void park(Warp &w, const Inst *pc, Frame *frame, uint32_t mask, Wait wait, uint32_t wait_mask, uint8_t barrier) {
    for (uint32_t k = 0; k < w.parked_n; ++k) {
        Group &g = w.parked[k];
        if (g.pc == pc && g.frame == frame && g.wait == wait && g.wait_mask == wait_mask && g.barrier == barrier) {
            g.mask |= mask;
            return;
        }
    }
    Group &g = w.parked[w.parked_n++];
    g.pc = pc;
    g.frame = frame;
    g.mask = mask;
    g.wait = wait;
    g.wait_mask = wait_mask;
    g.barrier = barrier;
    g.since = ++w.clock;
}

void set_limit(Warp &w) {
    w.limit = stop_pc();
    if (w.aged) return;
    for (uint32_t k = 0; k < w.parked_n; ++k) {
        const Group &g = w.parked[k];
        if (g.wait == Wait::none && g.frame == w.frame && g.pc < w.limit) w.limit = g.pc;
    }
}

namespace {

bool before(const Group &a, const Group &b, bool aged) {
    if (aged) return a.since < b.since;
    if (a.frame->depth != b.frame->depth) return a.frame->depth > b.frame->depth;
    return a.pc < b.pc;
}

// Nobody can come any more for whom the warp's groups wait: lets them go on.
bool release_stuck(Warp &w) {
    for (uint32_t k = 0; k < w.parked_n; ++k)
        if (w.parked[k].wait == Wait::barrier || w.parked[k].wait == Wait::cluster) return false;
    bool any = false;
    for (uint32_t k = 0; k < w.parked_n; ++k) {
        w.force |= w.parked[k].wait == Wait::collect;
        w.parked[k].wait = Wait::none;
        any = true;
    }
    return any;
}

} // namespace

bool pick(Warp &w) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        int best = -1;
        for (uint32_t k = 0; k < w.parked_n; ++k)
            if (w.parked[k].wait == Wait::none && (best < 0 || before(w.parked[k], w.parked[best], w.aged)))
                best = static_cast<int>(k);
        if (best >= 0) {
            Group g = w.parked[best];
            w.parked[best] = w.parked[--w.parked_n];
            w.pc = g.pc;
            w.frame = g.frame;
            w.mask = g.mask;
            w.base[0] = g.frame->registers;
            set_limit(w);
            return true;
        }
        if (!release_stuck(w)) break;
    }
    w.frame = nullptr;
    w.mask = 0;
    w.limit = stop_pc();
    if (w.live == 0) w.done = true;
    w.runnable = false;
    return false;
}

const Inst *leave(Warp &w) {
    w.aged = false;
    w.event = Event::pick;
    return stop_pc();
}

bool collect(Warp &w, const Inst *inst, uint32_t members) {
    uint32_t needed = members & w.live;
    if ((needed & ~w.mask) == 0) return true;
    if (w.force) {
        w.force = false;
        return true;
    }
    for (uint32_t k = 0; k < w.parked_n; ++k) { // others that came before
        Group &g = w.parked[k];
        if (g.wait != Wait::collect || g.pc != inst || g.frame != w.frame) continue;
        w.mask |= g.mask;
        w.parked[k] = w.parked[--w.parked_n];
        break;
    }
    if ((needed & ~w.mask) == 0) return true;
    park(w, inst, w.frame, w.mask, Wait::collect, 0);
    leave(w);
    return false;
}

void barrier_check(Cta &cta, int id) {
    Barrier &b = cta.barriers[id];
    if (!b.used) return;
    uint32_t count = 0;
    for (size_t k = 0; k < cta.warps.size(); ++k) {
        const Warp &w = *cta.warps[k];
        const uint32_t there = b.arrived[k];
        if (b.expected)
            count += there && (w.live & ~there) == 0 ? kLanes : static_cast<uint32_t>(__builtin_popcount(there));
        else if (w.live & ~there)
            return;
    }
    if (b.expected && count < b.expected) return;
    const Barrier complete = b;
    b = Barrier();
    if (cta.launch->checker) cta.launch->checker->complete(cta, &b);
    for (auto &p : cta.warps) {
        Warp &w = *p;
        for (uint32_t k = 0; k < w.parked_n; ++k) {
            Group &g = w.parked[k];
            if (g.wait != Wait::barrier || g.barrier != id) continue;
            const Inst *inst = g.pc - 1;
            if (inst->sub >= 2) { // bar.red: 2 popc, 3 and, 4 or
                uint8_t *registers = g.frame->registers;
                const bool all = complete.votes == complete.voters, any = complete.votes != 0;
                uint32_t *d = reinterpret_cast<uint32_t *>(registers + inst->d);
                if (inst->sub == 2) {
                    for (int l = 0; l < kLanes; ++l)
                        if (g.mask >> l & 1) d[l] = complete.votes;
                } else {
                    const bool value = inst->sub == 3 ? all : any;
                    *d = value ? *d | g.mask : *d & ~g.mask;
                }
            }
            g.wait = Wait::none;
            g.barrier = 0;
            w.runnable = true;
            if (cta.launch->checker) cta.launch->checker->leave(w, g.mask, &b);
        }
        if (w.frame) set_limit(w);
    }
}

void lanes_exit(Warp &w, uint32_t mask) {
    if (w.cta->launch->checker) w.cta->launch->checker->ended(w, mask);
    w.live &= ~mask;
    for (size_t k = w.frames.size(); k-- > 0;) {
        Frame *f = w.frames[k].get();
        f->lanes &= ~mask;
        if (f->lanes == 0) drop_frame(w, f);
    }
    for (uint32_t k = 0; k < w.parked_n; ++k) {
        Group &g = w.parked[k];
        if (g.wait == Wait::collect || g.wait == Wait::warp) {
            if (g.wait == Wait::warp) --g.pc; // arrives once more
            g.wait = Wait::none;
            g.wait_mask = 0;
        }
    }
    if (w.live == 0) {
        w.done = true;
        w.runnable = false;
        --w.cta->living;
    }
    for (int id = 0; id < kBarriers; ++id)
        if (w.cta->barriers[id].used) barrier_check(*w.cta, id);
    cluster_check(*w.cta->cluster);
}

namespace {

// The same with the checkers looking on.
inline const Inst *step_checked(Warp &w, const Inst *pc) {
    Checker &checker = *w.cta->launch->checker;
    if (!checker.before(w, pc)) return stop_pc();
    const Inst *next = pc->fn(w, pc);
    checker.after(w, pc, next);
    return next;
}

template <bool checked> uint64_t run_groups(Warp &w, uint64_t budget) {
    uint64_t n = 0;
    if (!w.frame && !pick(w)) return 1;
    const Inst *pc = w.pc;
    for (;;) {
        pc = checked ? step_checked(w, pc) : pc->fn(w, pc);
        ++n;
        if (__builtin_expect(pc < w.limit && n < budget, 1)) continue;
        if (pc == stop_pc()) {
            const Event event = w.event;
            w.event = Event::none;
            if (event == Event::fault || event == Event::yield) return n;
            w.frame = nullptr;
            if (!pick(w)) return n;
            pc = w.pc;
        } else if (pc >= w.limit) {
            park(w, pc, w.frame, w.mask);
            pick(w);
            pc = w.pc;
        }
        if (n >= budget) {
            w.pc = pc;
            return n;
        }
    }
}

} // namespace

uint64_t run_warp(Warp &w, uint64_t budget) {
    return w.cta->launch->checker ? run_groups<true>(w, budget) : run_groups<false>(w, budget);
}

} // namespace cpu_device
