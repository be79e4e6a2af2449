// Branches, calls, returns, exits, barriers, guards.
#include "checker.hpp"
#include "image.hpp"
#include "lanes.hpp"

namespace cpu_device {
namespace {

constexpr uint32_t kAge = 32; // backward branches while others wait

// A backward branch: lets the oldest waiting group run from time to time.
inline const Inst *go(Warp &w, const Inst *i, const Inst *target) {
    if (target > i || w.parked_n == 0) return target;
    if (++w.age < kAge) return target;
    w.age = 0;
    w.aged = !w.aged;
    park(w, target, w.frame, w.mask);
    w.event = Event::pick;
    return stop_pc();
}

const Inst *bra(Warp &w, const Inst *i) {
    return go(w, i, i->target);
}

const Inst *bra_if(Warp &w, const Inst *i) {
    uint32_t p = *at<uint32_t>(w, i->guard & ~1u);
    if (i->guard & 1) p = ~p;
    const uint32_t taken = w.mask & p, other = w.mask & ~p;
    if (other == 0) return go(w, i, i->target);
    if (taken == 0) return i + 1;
    const Inst *first = i->target < i + 1 ? i->target : i + 1, *second = i->target < i + 1 ? i + 1 : i->target;
    const bool forward = i->target > i;
    if (first == second) return first;
    park(w, second, w.frame, forward ? taken : other);
    w.mask = forward ? other : taken;
    if (!w.aged && second < w.limit) w.limit = second;
    return go(w, i, first);
}

const Inst *brx(Warp &w, const Inst *i) {
    const uint32_t *index = at<uint32_t>(w, i->a);
    const Code &code = *w.frame->code;
    const std::vector<uint32_t> &table = code.tables[i->extra];
    uint32_t rest = w.mask;
    while (rest) {
        const int l = first_lane(rest);
        const uint32_t k = index[l];
        if (k >= table.size()) return fault(w, i, l, Status::invalid_pc, "brx.idx with an index outside its table", k);
        uint32_t same = 0;
        each_active(rest, [&](int m) { same |= index[m] == k ? 1u << m : 0; });
        const Inst *target = code.insts.data() + table[k];
        if (same == w.mask) return go(w, i, target);
        park(w, target, w.frame, same);
        rest &= ~same;
    }
    w.event = Event::pick;
    return stop_pc();
}

const Inst *guarded(Warp &w, const Inst *i) {
    uint32_t p = *at<uint32_t>(w, i->guard & ~1u);
    if (i->guard & 1) p = ~p;
    const uint32_t all = w.mask, on = all & p;
    if (on == 0) return i + 1;
    w.mask = on;
    const Inst *next = i->inner(w, i);
    w.mask = all;
    return next;
}

const Inst *nop(Warp &, const Inst *i) {
    return i + 1;
}

const Inst *fence(Warp &, const Inst *i) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return i + 1;
}

const Inst *exit_lanes(Warp &w, const Inst *) {
    const uint32_t mask = w.mask;
    w.frame = nullptr;
    w.mask = 0;
    lanes_exit(w, mask);
    return leave(w);
}

// Moves what a call passes between two frames, for the lanes of `mask`.
void copy_slots(Warp &w, uint32_t mask, const Frame *from, const std::vector<Slot> &source, const Frame *to,
                const std::vector<Slot> &target) {
    const size_t n = source.size() < target.size() ? source.size() : target.size();
    for (size_t k = 0; k < n; ++k) {
        const Slot &s = source[k], &d = target[k];
        const uint32_t size = s.size < d.size ? s.size : d.size;
        uint8_t *constants = w.base[1];
        each_active(mask, [&](int l) {
            const uint8_t *p = s.is_register ? ((s.at & 1) ? constants : from->registers) + (s.at & ~1u) +
                                                   static_cast<uint32_t>(l) * s.size
                                             : local_pointer(w, l, from->local_base + s.at);
            uint8_t *q = d.is_register ? to->registers + d.at + static_cast<uint32_t>(l) * d.size
                                       : local_pointer(w, l, to->local_base + d.at);
            std::memcpy(q, p, size);
            if (!d.is_register && w.cta->launch->checker)
                w.cta->launch->checker->copied_argument(w, l, to->local_base + d.at, size);
        });
    }
}

Frame *frame_for_call(Warp &w, const Code *callee, const Inst *back, const CallSite *site) {
    if (w.parked_n)
        for (auto &f : w.frames)
            if (f->parent == w.frame && f->back == back && f->code == callee && f->local_base >= w.frame->local_end())
                return f.get();
    Frame *frame = new_frame(w, callee, w.frame);
    frame->back = back;
    frame->site = site;
    return frame;
}

// Calls `callee` with the lanes of `mask`; false after a fault.
bool enter(Warp &w, const Inst *i, const CallSite &site, const Code *callee, uint32_t mask, Frame *&frame) {
    frame = frame_for_call(w, callee, i + 1, &site);
    if (frame->depth > kDepthLimit || !local_room(w, frame->local_base + callee->local_bytes)) {
        fault(w, i, first_lane(mask), Status::hardware_stack, "the call stack is too deep");
        return false;
    }
    frame->lanes |= mask;
    if (w.cta->launch->checker) w.cta->launch->checker->enter_function(w, mask, frame->local_base, callee->local_bytes);
    copy_slots(w, mask, w.frame, site.arguments, frame, callee->arguments);
    return true;
}

const Inst *call(Warp &w, const Inst *i) {
    const CallSite &site = w.frame->code->calls[i->extra];
    Frame *frame;
    if (!enter(w, i, site, site.callee, w.mask, frame)) return stop_pc();
    w.frame = frame;
    w.base[0] = frame->registers;
    set_limit(w);
    return site.callee->insts.data();
}

const Inst *call_indirect(Warp &w, const Inst *i) {
    const CallSite &site = w.frame->code->calls[i->extra];
    const uint64_t *pointer = at<uint64_t>(w, site.pointer);
    Frame *caller = w.frame;
    uint32_t rest = w.mask;
    while (rest) {
        const int l = first_lane(rest);
        const uint64_t p = pointer[l];
        const Code *callee = w.cta->launch->image->code_at(p);
        if (!callee || callee->arguments.size() != site.arguments.size())
            return fault(w, i, l, Status::invalid_pc, "indirect call of an address that is no function of this kind",
                         p);
        uint32_t same = 0;
        each_active(rest, [&](int m) { same |= pointer[m] == p ? 1u << m : 0; });
        Frame *frame;
        if (!enter(w, i, site, callee, same, frame)) return stop_pc();
        park(w, callee->insts.data(), frame, same);
        rest &= ~same;
        w.frame = caller;
    }
    w.event = Event::pick;
    return stop_pc();
}

const Inst *ret(Warp &w, const Inst *i) {
    Frame *frame = w.frame, *parent = frame->parent;
    if (!parent) return exit_lanes(w, i);
    const Inst *back = frame->back;
    copy_slots(w, w.mask, frame, frame->code->results, parent, frame->site->results);
    frame->lanes &= ~w.mask;
    if (frame->lanes == 0) drop_frame(w, frame);
    w.frame = parent;
    w.base[0] = parent->registers;
    if (w.parked_n == 0) {
        w.limit = stop_pc();
        return back;
    }
    park(w, back, parent, w.mask); // others may be deeper or wait here
    w.event = Event::pick;
    return stop_pc();
}

// bar: a: id, b: count (if sub bit 7), c: predicate.  sub 0 sync, 1 arrive, 2 red.popc, 3 red.and, 4 red.or; extra != 0: b is a count.
const Inst *bar(Warp &w, const Inst *i) {
    const int l = first_lane(w.mask);
    const uint32_t id = at<uint32_t>(w, i->a)[l], expected = i->extra ? at<uint32_t>(w, i->b)[l] : 0;
    if (id >= kBarriers)
        return fault(w, i, l, Status::illegal_instruction,
                     "there are 16 barriers, this is number " + std::to_string(id));
    Barrier &b = w.cta->barriers[id];
    b.used = true;
    if (expected) b.expected = (expected + kLanes - 1) / kLanes * kLanes;
    b.arrived[w.index] |= w.mask;
    if (w.cta->launch->checker) w.cta->launch->checker->arrive(w, w.mask, &b);
    if (i->sub >= 2) {
        uint32_t p = *at<uint32_t>(w, i->c);
        if (i->flags & kNegC) p = ~p;
        b.votes += static_cast<uint32_t>(__builtin_popcount(p & w.mask));
        b.voters += static_cast<uint32_t>(__builtin_popcount(w.mask));
    }
    const bool waits = i->sub != 1;
    if (waits) {
        park(w, i + 1, w.frame, w.mask, Wait::barrier, 0, static_cast<uint8_t>(id));
        w.frame = nullptr;
        w.mask = 0;
    }
    barrier_check(*w.cta, static_cast<int>(id));
    return waits ? leave(w) : i + 1;
}

const Inst *bar_warp(Warp &w, const Inst *i) {
    const uint32_t members = at<uint32_t>(w, i->a)[first_lane(w.mask)], needed = members & w.live;
    uint32_t there = w.mask;
    for (uint32_t k = 0; k < w.parked_n; ++k)
        if (w.parked[k].wait == Wait::warp) there |= w.parked[k].mask;
    if (needed & ~there) {
        park(w, i + 1, w.frame, w.mask, Wait::warp, members);
        w.frame = nullptr;
        return leave(w);
    }
    if (w.cta->launch->checker) w.cta->launch->checker->meet(w, there & (needed | w.mask));
    for (uint32_t k = 0; k < w.parked_n; ++k)
        if (w.parked[k].wait == Wait::warp && (w.parked[k].mask & needed)) {
            w.parked[k].wait = Wait::none;
            w.parked[k].wait_mask = 0;
        }
    if (w.parked_n == 0) return i + 1;
    park(w, i + 1, w.frame, w.mask);
    return leave(w);
}

const Inst *nanosleep(Warp &w, const Inst *i) {
    if (w.parked_n) { // lets the others of the warp run
        w.aged = true;
        park(w, i + 1, w.frame, w.mask);
        w.event = Event::pick;
        return stop_pc();
    }
    w.pc = i + 1;
    w.event = Event::yield;
    return stop_pc();
}

// GPUs of today say LAUNCH_FAILED to both (before Volta: ILLEGAL_INSTRUCTION): https://github.com/deepseek-ai/DeepEP/issues/274
const Inst *trap(Warp &w, const Inst *i) {
    return fault(w, i, first_lane(w.mask), Status::launch_failed, i->sub ? "brkpt" : "trap");
}

const Inst *no_end(Warp &w, const Inst *i) {
    return exit_lanes(w, i);
}

const HandlerRow rows[] = {
    {"bra", &bra},
    {"bra.if", &bra_if},
    {"brx", &brx},
    {"guarded", &guarded},
    {"nop", &nop},
    {"fence", &fence},
    {"exit", &exit_lanes},
    {"call", &call},
    {"call.indirect", &call_indirect},
    {"ret", &ret},
    {"bar", &bar},
    {"bar.warp", &bar_warp},
    {"nanosleep", &nanosleep},
    {"trap", &trap},
    {"end", &no_end},
};

} // namespace

HandlerTable control_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
