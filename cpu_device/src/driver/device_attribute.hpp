// What the device says about itself, number by number.
#pragma once

#include "generated_exports.hpp"

namespace cpu_device {

int device_attribute(CUdevice_attribute name, int device);

} // namespace cpu_device
