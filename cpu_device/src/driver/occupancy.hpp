// How many blocks of a kernel a multiprocessor holds at once, by the limits of the device's compute capability.
#pragma once

#include "module.hpp"

namespace cpu_device {

int blocks_per_multiprocessor(const Kernel &kernel, uint64_t threads, uint64_t dynamic_shared);

// Blocks that a cluster may have: 8 everywhere, 16 where the kernel asks for more than is portable.
inline uint64_t most_cluster_blocks(const KernelSettings &settings) {
    return settings.non_portable_cluster ? 16 : 8;
}

} // namespace cpu_device
