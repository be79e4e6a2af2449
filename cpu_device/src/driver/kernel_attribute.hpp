// Attributes of kernels, the same for functions and for kernels of libraries.
#pragma once

#include "module.hpp"

namespace cpu_device {

CUresult get_attribute(const Kernel &kernel, const KernelSettings &settings, CUfunction_attribute name, int *out);
CUresult set_attribute(const Kernel &kernel, KernelSettings &settings, CUfunction_attribute name, int value);
CUresult get_param(const Kernel &kernel, size_t index, size_t *offset, size_t *size);

} // namespace cpu_device
