// How many blocks of a kernel a multiprocessor holds at once, by the limits of the device's compute capability.
#pragma once

#include "../exec/program.hpp"

namespace cpu_device {

int blocks_per_multiprocessor(const Kernel &kernel, uint64_t threads, uint64_t dynamic_shared);

} // namespace cpu_device
