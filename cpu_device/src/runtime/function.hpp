// What may stand for a kernel in a call: a function of the host, a kernel of a library, or a function of the driver's.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// The function of the current context.
cudaError_t function_of(const void *kernel, CUfunction *function);

// What the program called such a function by; the function itself where it did not.
const void *name_of(CUfunction function);

} // namespace cpu_device
