// The variables of conditional nodes of graphs: a number that kernels set (cudaGraphSetConditional) and the graph looks at.
#pragma once

#include <cstdint>

namespace cpu_device {

uint64_t add_conditional(uint32_t value); // a handle that is not 0 and was never one before
void remove_conditional(uint64_t handle);
bool set_conditional(uint64_t handle, uint32_t value); // false: no such handle
uint32_t get_conditional(uint64_t handle);

} // namespace cpu_device
