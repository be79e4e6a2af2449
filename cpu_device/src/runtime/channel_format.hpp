// Formats of texels, as the runtime and as the driver describe them.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// False for a description that is no format of an array.
bool driver_format(const cudaChannelFormatDesc &desc, CUarray_format &format, unsigned &channels);
cudaChannelFormatDesc runtime_format(CUarray_format format, unsigned channels);

} // namespace cpu_device
