// The devices: how many, what they say they are, and the limits that follow from their compute capability.
#pragma once

#include "../exec/program.hpp"
#include "../memory/memory.hpp"

namespace cpu_device {

struct DeviceLimits {
    int cc; // 89 for 8.9
    int threads_per_sm, blocks_per_sm;
    int shared_per_sm, shared_optin; // bytes
};

constexpr int kThreadsPerBlock = 1024;
constexpr int kSharedPerBlock = 48 << 10;
constexpr int kReservedShared = 1 << 10; // taken by the system in each block's share of a multiprocessor
constexpr int kRegisters = 64 << 10;     // of a multiprocessor, and of a block

int device_count();                  // $CPU_DEVICE_COUNT, 1
const DeviceLimits &device_limits(); // of $CPU_DEVICE_CC, 8.9
int multiprocessors();               // host threads that run blocks
const Options &machine_options();    // $CPU_DEVICE_THREADS, _STEPS, _DETERMINISTIC
inline bool is_device(int ordinal) {
    return ordinal >= 0 && ordinal < device_count();
}

// The memory of all devices; nullptr where the system gives no address space for it.
Memory &memory();

} // namespace cpu_device
