// What compiled programs register while they start: their device code, and which of their functions and variables it has.
#pragma once

#include <cstddef>

#include "driver.hpp"

namespace cpu_device {

// The kernel that stands behind a function of the host, or cudaErrorInvalidDeviceFunction.  Its module is loaded now at the latest.
cudaError_t registered_kernel(const void *host, CUkernel *kernel);

// Where the current context has the variable that stands behind one of the host, or cudaErrorInvalidSymbol.
cudaError_t registered_variable(const void *host, CUdeviceptr *at, size_t *size);

} // namespace cpu_device
