// The format of an array's elements, from the runtime's words to the driver's.
#pragma once

#include "driver.hpp"

namespace cpu_device {

// False where the driver has no such format.
inline bool read_format(const cudaChannelFormatDesc &desc, CUarray_format &format, unsigned &channels) {
    const int bits[] = {desc.x, desc.y, desc.z, desc.w};
    channels = 0;
    while (channels < 4 && bits[channels] == desc.x && desc.x) channels++;
    for (unsigned i = channels; i < 4; i++)
        if (bits[i]) return false;
    const int size = desc.x == 8 ? 0 : desc.x == 16 ? 1 : desc.x == 32 ? 2 : -1;
    if (size < 0 || !channels || channels == 3) return false;
    switch (desc.f) {
    case cudaChannelFormatKindSigned:
        format = static_cast<CUarray_format>(CU_AD_FORMAT_SIGNED_INT8 + size);
        return true;
    case cudaChannelFormatKindUnsigned:
        format = static_cast<CUarray_format>(CU_AD_FORMAT_UNSIGNED_INT8 + size);
        return true;
    case cudaChannelFormatKindFloat: format = size == 1 ? CU_AD_FORMAT_HALF : CU_AD_FORMAT_FLOAT; return size > 0;
    default: return false;
    }
}

} // namespace cpu_device
