// What may stand for a kernel in a call: a function of the host, a kernel of a library, or a function of the driver's.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// The function of the current context.
cudaError_t function_of(const void *kernel, CUfunction *function);

} // namespace cpu_device
