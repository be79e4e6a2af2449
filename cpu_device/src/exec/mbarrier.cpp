// mbarrier.*: arrivals and bytes that a phase waits for.
//
// A phase ends when no arrival is pending and the bytes of transactions are 0.  The state that an arrival returns is the object before it.
#include "mbarrier.hpp"
#include "checker.hpp"
#include "lanes.hpp"

namespace cpu_device {

Mbarrier Mbarrier::unpack(uint64_t bits) {
    Mbarrier m;
    m.expected = static_cast<uint32_t>(bits) & kMostArrivals;
    m.pending = static_cast<uint32_t>(bits >> 20) & kMostArrivals;
    m.bytes = static_cast<int32_t>(static_cast<uint32_t>(bits >> 40) << 11) >> 11;
    m.phase = bits >> 63;
    return m;
}

uint64_t Mbarrier::pack() const {
    return uint64_t(expected) | uint64_t(pending) << 20 | uint64_t(static_cast<uint32_t>(bytes) & 0x1fffff) << 40 |
           uint64_t(2) << 61 | uint64_t(phase) << 63;
}

bool Mbarrier::complete() {
    if (pending || bytes) return false;
    pending = expected;
    phase = !phase;
    return true;
}

namespace {

bool bad(Warp &w, const Inst *i, int lane, const char *what, uint64_t address) {
    fault(w, i, lane, Status::illegal_instruction, what, address);
    return false;
}

// Stores what a lane's arrival made of the object at `p`.
void put(Warp &w, int lane, uint64_t *p, Mbarrier &m) {
    Checker *checker = w.cta->launch->checker;
    if (checker) checker->arrive(w, 1u << lane, p);
    if (m.complete() && checker) checker->complete(*w.cta, p, false);
    *p = m.pack();
}

bool add_bytes(Warp &w, const Inst *i, int lane, uint64_t address, Mbarrier &m, int64_t bytes) {
    const int64_t sum = m.bytes + bytes;
    if (sum < -int64_t(kMostArrivals) || sum > int64_t(kMostArrivals))
        return bad(w, i, lane, "an mbarrier with more than 2^20 - 1 bytes of transactions", address);
    m.bytes = static_cast<int32_t>(sum);
    return true;
}

// sub: bit 0 .noComplete, bit 1 drop, bit 2 expect_tx (b: bytes)
enum : uint8_t { kNoComplete = 1, kDrop = 2, kExpect = 4 };

bool arrive_one(Warp &w, const Inst *i, int lane, uint64_t address, uint32_t count) {
    uint64_t *p = mbarrier_at(w, i, lane, address);
    if (!p) return false;
    const uint64_t before = *p;
    Mbarrier m = Mbarrier::unpack(before);
    if (i->sub & kExpect) {
        if (!add_bytes(w, i, lane, address, m, count)) return false;
        count = 1;
    }
    if (count == 0 || count > m.pending)
        return bad(w, i, lane, count ? "more arrivals than the mbarrier's phase has pending" : "an arrival of count 0",
                   address);
    m.pending -= count;
    if (i->sub & kDrop) m.expected -= count;
    if ((i->sub & kNoComplete) && m.pending == 0)
        return bad(w, i, lane, "an arrival with .noComplete that completes the phase", address);
    put(w, lane, p, m);
    if (i->d != kDiscard) at<u64>(w, i->d)[lane] = before;
    return true;
}

const Inst *arrive(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    const u32 *b = at<u32>(w, i->b);
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        if (!arrive_one(w, i, l, a[l] + i->imm, b[l])) return stop_pc();
    }
    return i + 1;
}

const Inst *init(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    const u32 *b = at<u32>(w, i->b);
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        uint64_t *p = mbarrier_at(w, i, l, a[l] + i->imm, false);
        if (!p) return stop_pc();
        if (b[l] == 0 || b[l] > kMostArrivals) {
            bad(w, i, l, "an mbarrier's count is from 1 to 2^20 - 1", a[l] + i->imm);
            return stop_pc();
        }
        Mbarrier made;
        made.expected = made.pending = b[l];
        *p = made.pack();
        if (w.cta->launch->checker) w.cta->launch->checker->forget(w, p);
    }
    return i + 1;
}

const Inst *inval(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        uint64_t *p = mbarrier_at(w, i, l, a[l] + i->imm);
        if (!p) return stop_pc();
        *p = 0;
    }
    return i + 1;
}

const Inst *expect(Warp &w, const Inst *i) { // sub 1: complete_tx
    const u64 *a = at<u64>(w, i->a);
    const u32 *b = at<u32>(w, i->b);
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        const u64 address = a[l] + i->imm;
        if (i->sub) {
            if (!complete_bytes(w, i, l, address, b[l])) return stop_pc();
            continue;
        }
        uint64_t *p = mbarrier_at(w, i, l, address);
        if (!p) return stop_pc();
        Mbarrier m = Mbarrier::unpack(*p);
        if (!add_bytes(w, i, l, address, m, b[l])) return stop_pc();
        *p = m.pack();
    }
    return i + 1;
}

// sub: bit 0 parity (b: 32 bits) instead of a state (b: 64 bits), bit 1 try_wait.
const Inst *wait(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    u32 done = 0;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const uint64_t *p = mbarrier_at(w, i, l, a[l] + i->imm);
        if (!p) return stop_pc();
        const bool wanted = (i->sub & 1) ? at<u32>(w, i->b)[l] & 1 : at<u64>(w, i->b)[l] >> 63;
        if (Mbarrier::unpack(*p).phase == wanted) continue;
        done |= 1u << l;
        if (w.cta->launch->checker) w.cta->launch->checker->leave(w, 1u << l, p);
    }
    set_predicate(w, i->d, done);
    if (done == w.mask || !(i->sub & 2) || w.parked_n) return i + 1;
    w.pc = i + 1; // others may arrive meanwhile
    w.event = Event::yield;
    return stop_pc();
}

const Inst *pending_count(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    each(w, at<u32>(w, i->d), [=](int l) { return u32(a[l] >> 20) & kMostArrivals; });
    return i + 1;
}

// cp.async.mbarrier.arrive: copies are complete when they are issued.  sub 1: .noinc; without it the arrival is one more than expected.
const Inst *arrive_after_copies(Warp &w, const Inst *i) {
    const u64 *a = at<u64>(w, i->a);
    for (u32 mask = w.mask; mask; mask &= mask - 1) {
        const int l = __builtin_ctz(mask);
        uint64_t *p = mbarrier_at(w, i, l, a[l] + i->imm);
        if (!p) return stop_pc();
        Mbarrier m = Mbarrier::unpack(*p);
        if (i->sub && m.pending == 0) {
            bad(w, i, l, "more arrivals than the mbarrier's phase has pending", a[l] + i->imm);
            return stop_pc();
        }
        m.pending -= i->sub;
        put(w, l, p, m);
    }
    return i + 1;
}

const HandlerRow rows[] = {
    {"mbarrier.init", &init},
    {"mbarrier.inval", &inval},
    {"mbarrier.arrive", &arrive},
    {"mbarrier.expect", &expect},
    {"mbarrier.wait", &wait},
    {"mbarrier.pending_count", &pending_count},
    {"mbarrier.after_copies", &arrive_after_copies},
};

} // namespace

uint64_t *mbarrier_at(Warp &w, const Inst *i, int lane, uint64_t address, bool must_be_one) {
    if (address & 7) {
        fault(w, i, lane, Status::misaligned_address, "", address);
        return nullptr;
    }
    uint8_t *p = address - kSharedWindow < kWindowSize ? generic_pointer(w, lane, address, 8) : nullptr;
    if (!p) {
        const bool shared = address - kSharedWindow < kWindowSize;
        fault(w, i, lane, shared ? Status::illegal_address : Status::invalid_address_space,
              shared ? "" : "an mbarrier outside shared memory", address, true);
        return nullptr;
    }
    uint64_t *object = reinterpret_cast<uint64_t *>(p);
    if (must_be_one && !Mbarrier::is_one(*object)) {
        bad(w, i, lane, "an mbarrier operation on what mbarrier.init did not make", address);
        return nullptr;
    }
    return object;
}

bool complete_bytes(Warp &w, const Inst *i, int lane, uint64_t address, uint32_t bytes) {
    uint64_t *p = mbarrier_at(w, i, lane, address);
    if (!p) return false;
    Mbarrier m = Mbarrier::unpack(*p);
    if (!add_bytes(w, i, lane, address, m, -int64_t(bytes))) return false;
    put(w, lane, p, m);
    return true;
}

HandlerTable mbarrier_handlers() {
    return {rows, sizeof rows / sizeof rows[0]};
}

} // namespace cpu_device
