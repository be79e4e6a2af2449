// An mbarrier object: 64 bits in shared memory.  Only one host thread runs the CTAs that can reach it.
#pragma once

#include "machine.hpp"

namespace cpu_device {

constexpr uint32_t kMostArrivals = (1u << 20) - 1;

// Bits: 0 expected arrivals, 20 pending arrivals, 40 bytes of transactions (signed), 61 a mark, 63 the phase's parity.
struct Mbarrier {
    uint32_t expected = 0, pending = 0;
    int32_t bytes = 0;
    bool phase = false;

    static bool is_one(uint64_t bits) { return (bits >> 61 & 3) == 2; }
    static Mbarrier unpack(uint64_t bits);
    uint64_t pack() const;
    bool complete(); // begins the next phase where this one has all it waits for
};

// The object at a generic address; nullptr after a fault.
uint64_t *mbarrier_at(Warp &w, const Inst *i, int lane, uint64_t address, bool must_be_one = true);

// Takes `bytes` from what the phase still waits for; false after a fault.
bool complete_bytes(Warp &w, const Inst *i, int lane, uint64_t address, uint32_t bytes);

} // namespace cpu_device
